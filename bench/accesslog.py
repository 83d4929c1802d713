# SPDX-License-Identifier: BSD-3-Clause
"""Access logs: lines a second on one core, and what they cost a busy packet path.

The path: wrk opens a connection for each request, on a rig whose cores are all busy; access logs
are on and off in turns. A flow is logged about 10 s after its end, so each load runs for that long
before it is measured. In the end each record must be a line in an object, and none dropped.
"""
import glob
import gzip
import json
import os
import subprocess
import sys
import tempfile

import results

sys.path.insert(0, str(results.ROOT / "tests" / "e2e"))

import rig as rigs  # noqa: E402
from sluice import Sluice  # noqa: E402
from traffic import Load  # noqa: E402

PREFIX = "sluice-bench"
SINK_PORT = 9000
DISK = "/var/tmp"
ROUNDS, WARM_S, SECONDS = (1, 1, 1) if results.is_quick() else (3, 10, 5)
DRAIN_TIMEOUT_S = 60
AIMS = {
    ("format_and_gzip", "records_per_second"): (">=", 500000),
    ("path_with_logs", "ratio_to_without"): (">=", 0.95),
}


def on_one_core():
    rounds = "1" if results.is_quick() else "7"
    run = subprocess.run([results.ROOT / "build/bench/bench_accesslog", "-r", rounds, DISK],
                         stdout=subprocess.PIPE, text=True, check=True)
    return [results.result(r["case"], r["metric"], r["unit"], r["values"])
            for r in map(json.loads, run.stdout.splitlines())]


def lines_in(directory):
    """Lines of all objects."""
    count = 0
    for path in glob.glob(f"{directory}/*.log.gz"):
        with gzip.open(path, "rb") as file:
            count += file.read().count(b"\n")
    return count


def cpu_seconds(sluice):
    """CPU time of sluiced and its children so far."""
    pid = sluice.process.pid
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        pids = [pid, *map(int, file.read().split())]
    return sum(int(open(f"/proc/{each}/schedstat", encoding="ascii").read().split()[0])
               for each in pids) / 1e9


def measure(rig, sluice, service):
    """Under load for WARM_S, then measured; a failed request ends the benchmark. Returns requests
    a second, CPU time of our processes for each, in microseconds, and how many flows there were."""
    requests = []
    for seconds in (WARM_S, SECONDS):
        before = cpu_seconds(sluice)
        with Load(rig, service.url()) as load:
            try:
                load.process.wait(seconds)
            except subprocess.TimeoutExpired:
                pass
            load.stop()
        if load.failed:
            raise RuntimeError(f"{load.failed} requests failed\n{load.output}")
        requests.append(load.requests)
    return (load.per_second(), (cpu_seconds(sluice) - before) * 1e6 / load.requests,
            sum(requests))


def set_logs(service, enabled):
    service.sluice.rpc("ModifyLoadBalancerAttributes", LoadBalancerArn=service.lb_arn, Attributes=[
        {"Key": "access_logs.s3.enabled", "Value": "true" if enabled else "false"},
        {"Key": "access_logs.s3.bucket", "Value": "bench"}])


def check(sluice, directory, flows):
    """At least so many flows were logged, each record is a line, and none was dropped."""
    rigs.wait_until(lambda: lines_in(directory) == records(sluice), "a line for each record",
                    DRAIN_TIMEOUT_S, every_s=1)
    report = sluice.rpc("DescribeAccessLogs")
    lost = {drop["Reason"]: drop["Records"] for drop in report["Dropped"] if drop["Records"]}
    if lost or report["Records"] < flows:
        raise RuntimeError(f"{flows} flows, {report['Records']} records, dropped: {lost}")


def records(sluice):
    return sluice.rpc("DescribeAccessLogs")["Records"]


def on_the_path(rig, sluice, directory):
    rates, cpu, flows = {"with": [], "without": []}, {"with": [], "without": []}, 0
    with sluice.service("busy", rig.tasks) as service:
        for number in range(ROUNDS):
            for name in sorted(rates, reverse=number % 2 == 1):
                results.progress(f"round {number + 1} of {ROUNDS}: {name} logs")
                set_logs(service, name == "with")
                rate, cpu_us, made = measure(rig, sluice, service)
                rates[name].append(rate)
                cpu[name].append(cpu_us)
                if name == "with":  # each is logged, unless the logs are off when it is forgotten
                    flows += made
                    rigs.wait_until(lambda: records(sluice) >= flows, "a record for each flow",
                                    DRAIN_TIMEOUT_S)
        check(sluice, directory, flows)
    ratios = [a / b for a, b in zip(rates["with"], rates["without"])]
    return [results.result("path_with_logs", "ratio_to_without", "", ratios),
            *(results.result(f"path_{name}_logs", "requests_per_second", "1/s", rates[name])
              for name in rates),
            *(results.result(f"path_{name}_logs", "daemons_cpu_us_per_request", "us", cpu[name])
              for name in cpu)]


def main():
    measured = on_one_core()
    rigs.sweep_dead(PREFIX)
    with rigs.Rig(f"{PREFIX}-{os.getpid()}") as rig, tempfile.TemporaryDirectory(dir=DISK) as disk:
        os.chmod(disk, 0o711)  # sluice-logs is nobody
        directory = os.path.join(disk, "objects")
        os.mkdir(directory)
        sink = rig.spawn("lb", sys.executable, "-B", str(results.ROOT / "bench" / "s3_sink.py"),
                         directory, str(SINK_PORT), stdout=subprocess.DEVNULL)
        rigs.wait_until(lambda: rig.listens("lb", "tcp", SINK_PORT), "the sink listens")
        os.environ.update(AWS_ACCESS_KEY_ID="bench", AWS_SECRET_ACCESS_KEY="bench")
        sluice = Sluice(rig, max_flows=1048576)
        sluice.config["access_logs"].update(
            interval_seconds=5, spool_dir=os.path.join(disk, "spool"),
            s3={"endpoint": f"http://127.0.0.1:{SINK_PORT}", "addressing": "path",
                "credentials": {"source": "environment"}})
        try:
            sluice.start()
            measured += on_the_path(rig, sluice, directory)
        finally:
            sluice.stop()
            sink.kill()
    results.finish("accesslog", measured, AIMS)


main()
