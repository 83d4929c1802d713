# SPDX-License-Identifier: BSD-3-Clause
"""What sluice-health takes of a core and of memory for 10,000 targets at 5 s intervals.

The targets are addresses of 127.0.0.0/8 in a network namespace of the benchmark's, with
one server behind all. Its own work is not counted, but the kernel does both ends of a
loopback connection on the account of the prober. In a measurement every target must be
probed once an interval, with the result that it should have, or the benchmark fails.
"""
import multiprocessing
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter

import results

sys.path.insert(0, str(results.ROOT / "tests" / "e2e"))

import prober as probers  # noqa: E402
import rig as rigs  # noqa: E402

STALLED_MAX = 0.02  # of the probes: a machine that others use holds up a process at times
QUICK = results.is_quick()  # a tenth of the targets, more often
INTERVAL_MS, TIMEOUT_MS = (1000, 800) if QUICK else (5000, 4000)
ROUNDS = 2 if QUICK else 3  # an interval each
ON_TIME_MIN = 0.5 if QUICK else 0.95  # of the targets; a busy machine holds up a test's probes
SOURCE = "127.0.0.2"
SOURCE_PORTS = (61440, 65535)  # sluiced's default
HTTP_PORT, HTTPS_PORT, MUTE_PORT = 80, 443, 81

PR_SET_PDEATHSIG = 1  # linux/prctl.h

# case: (targets, protocol, port, result)
CASES = {
    "targets_10000": (10000, probers.TCP, HTTP_PORT, "ok"),
    "targets_10000_http": (10000, probers.HTTP, HTTP_PORT, "ok"),
    "targets_10000_mute": (10000, probers.HTTP, MUTE_PORT, "timeout"),
    "targets_1000_https": (1000, probers.HTTPS, HTTPS_PORT, "ok"),
}
AIMS = {
    ("targets_10000", "cpu_percent"): ("<=", 30),
    ("targets_10000", "rss_mib"): ("<=", 200),
}

NGINX_CONF = """
daemon off;
user root;
worker_processes 1;
worker_rlimit_nofile 16384;
pid {dir}/pid;
error_log stderr crit;
events {{ worker_connections 8192; }}
http {{
	access_log off;
	server {{
		listen {http} backlog=16384;
		listen {https} ssl backlog=16384;
		ssl_certificate {dir}/cert.pem;
		ssl_certificate_key {dir}/key.pem;
		location / {{ return 200; }}
	}}
}}
"""


def enter_namespace():
    """This process, and all it starts, into a network of its own."""
    if rigs.libc.unshare(rigs.CLONE_NEWNET) != 0:
        raise OSError("unshare")
    rigs.run("ip", "link", "set", "lo", "up")
    with open("/proc/sys/net/core/somaxconn", "w", encoding="ascii") as file:
        file.write("16384")


def start_nginx(directory):
    rigs.run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=target",
             "-out", f"{directory}/cert.pem", "-keyout", f"{directory}/key.pem")
    config = os.path.join(directory, "nginx.conf")
    with open(config, "w", encoding="ascii") as file:
        file.write(NGINX_CONF.format(dir=directory, http=HTTP_PORT, https=HTTPS_PORT))
    return subprocess.Popen(["setpriv", "--pdeathsig", "TERM",
                             "nginx", "-e", "stderr", "-c", config])


def listens(port):
    with socket.socket() as client:
        return client.connect_ex((SOURCE, port)) == 0


def serve_mute():
    """Accept everything, say nothing, let go of whoever leaves. Ends with its parent."""
    rigs.libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    listener = socket.create_server(("0.0.0.0", MUTE_PORT), backlog=16384)
    poll = select.epoll()
    poll.register(listener, select.EPOLLIN)
    connections = {}
    while True:
        for fd, _ in poll.poll():
            if fd == listener.fileno():
                connection, _ = listener.accept()
                connections[connection.fileno()] = connection
                poll.register(connection, select.EPOLLRDHUP)
            else:
                connections.pop(fd).close()


def address(number):
    return f"127.1.{number // 250}.{1 + number % 250}"


def cpu_s(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def put_all(prober, targets, protocol, port):
    """Returns the milliseconds until each target had its first verdict."""
    begun = time.monotonic()
    reports = []
    for number in range(targets):
        prober.put(number, address(number), port, protocol, interval_ms=INTERVAL_MS,
                   timeout_ms=TIMEOUT_MS, source=SOURCE, source_ports=SOURCE_PORTS)
        if number % 100 == 99:
            reports += prober.reports(0)
    while len(reports) < targets:
        reports.append(prober.report())
    return (time.monotonic() - begun) * 1000


def measure(prober):
    """A round: (CPU time in percent of one core, what was reported)."""
    begun, cpu = time.monotonic(), cpu_s(prober.process.pid)
    reports = prober.reports(INTERVAL_MS / 1000)
    cpu, took = cpu_s(prober.process.pid) - cpu, time.monotonic() - begun
    return 100 * cpu / took, reports


def check(reports, case, targets, want):
    """What all rounds reported: each target, once an interval, with the result it should have."""
    outcomes = Counter(report.result for report in reports)
    stalled = outcomes.pop("stalled", 0)
    if set(outcomes) != {want} or stalled > STALLED_MAX * len(reports):
        sys.exit(f"{case}: {dict(outcomes)}, {stalled} stalled, where all should be {want}")
    probes = Counter(report.id for report in reports)
    times = Counter(probes[number] for number in range(targets))
    # one that is due as the first round begins or the last ends may fall out, or in once more
    expected = range(ROUNDS - 1, ROUNDS + 2)
    if times[ROUNDS] < ON_TIME_MIN * targets or not set(times) <= set(expected):
        sys.exit(f"{case}: probes a target in {ROUNDS} intervals: {dict(times)}")


def run_case(case):
    targets, protocol, port, want = CASES[case]
    if QUICK:
        targets //= 10
    with probers.Prober() as prober:
        first_ms = put_all(prober, targets, protocol, port)
        prober.reports(2 * INTERVAL_MS / 1000)  # until each is at its own place in the interval
        rounds = [measure(prober) for _ in range(ROUNDS)]
        peak_mib = int(prober.status()["VmHWM"].split()[0]) / 1024
    check([report for _, reports in rounds for report in reports], case, targets, want)
    return [results.result(case, "cpu_percent", "percent of a core", [cpu for cpu, _ in rounds]),
            results.result(case, "rss_mib", "MiB", [peak_mib]),
            results.result(case, "first_verdicts_ms", "ms", [first_ms])]


def main():
    enter_namespace()
    found = []
    mute = multiprocessing.Process(target=serve_mute, daemon=True)
    mute.start()
    with tempfile.TemporaryDirectory() as directory:
        nginx = start_nginx(directory)
        try:
            for port in (HTTP_PORT, HTTPS_PORT, MUTE_PORT):
                rigs.wait_until(lambda p=port: listens(p), f"a server on port {port}")
            for case in CASES:
                results.progress(case)
                found += run_case(case)
        finally:
            nginx.terminate()
            nginx.wait()
            mute.terminate()
    results.finish("health", found, AIMS)


if __name__ == "__main__":
    main()
