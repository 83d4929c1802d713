# SPDX-License-Identifier: BSD-3-Clause
"""Access logs of both engines, in a bucket of Swift."""
import collections
import json
import os
import re

import pytest

import rig as rigs
from access_logs import (ACCOUNT, REGION, TEST_FILE, Bucket, check_exactly_once, end_of, http_flows,
                         lines_below, Flow)
from s3 import Swift
from sluice import Sluice
from traffic import curl

IPERF_PORT = 5201


@pytest.fixture(scope="module")
def swift(rig):
    return Swift(rig, "lb", 8080).start()


@pytest.fixture(scope="module")
def module_sluice(rig, swift):
    sluice = Sluice(rig)
    sluice.config["access_logs"].update(swift.settings(), interval_seconds=1)
    return sluice.start()


@pytest.fixture
def bucket(swift, request):
    name = re.sub("[^a-z0-9]+", "-", request.node.name.lower())[-60:].strip("-")
    swift.make_bucket(name)
    return Bucket(swift, name, prefix="a prefix/of+two")


def key_of(bucket, service):
    """What keys of the service's logs must look like."""
    lb_id = service.lb_arn.rsplit("/", 1)[1]
    stem = f"{ACCOUNT}_elasticloadbalancing_{REGION}_net.{service.name}.{lb_id}"
    return re.compile(re.escape(f"{bucket.prefix}/AWSLogs/{ACCOUNT}/elasticloadbalancing/{REGION}")
                      + r"/\d{4}/\d\d/\d\d/" + re.escape(stem) + r"_\d{8}T\d{4}Z_[0-9a-z]{8}\.log\.gz")


def test_enabling_writes_the_test_object(rig, sluice, bucket):
    with sluice.service("tested", rig.tasks) as service:
        bucket.enable(service)
        key = f"{bucket.prefix}/AWSLogs/{ACCOUNT}/{TEST_FILE}"
        assert list(bucket.server.objects(bucket.name)) == [key]
        assert re.fullmatch(rb"Enable AccessLog for ELB: tested at "
                            rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z",
                            bucket.server.read(bucket.name, key))
        # who writes them stands behind all that is waited for
        assert os.getpriority(os.PRIO_PROCESS, sluice.child_pid("sluice-logs")) == 0


def test_every_flow_is_told_of_once_and_read_with_the_aws_cli(rig, sluice, bucket):
    with sluice.service("told", rig.tasks) as service:
        bucket.enable(service)
        flows = http_flows(rig, service, 60) + http_flows(rig, service, 2, "/big")
        check_exactly_once(bucket.lines_with(flows), flows)
        assert all(key_of(bucket, service).fullmatch(key) for key in bucket.read)

        listing = bucket.server.aws("s3", "ls", "--recursive", f"s3://{bucket.name}/")
        assert listing.count(".log.gz") == len(bucket.read)
        lines = lines_below(bucket.server.download(bucket.name))
        assert sorted(line.text for line in lines) == sorted(line.text for line in bucket.lines())

        group = service.tg_arn.rsplit(":", 1)[1]
        balancer = service.lb_arn.split("loadbalancer/")[1]
        tasks = {f"{task.v4}:{service.port}" for task in rig.tasks}
        for line in lines:
            assert (line.elb, line.listener) == (balancer, service.listener_arn.rsplit("/", 1)[1])
            assert line.destination == f"{service.vip}:{service.port}"
            assert line.group == group and line.target in tasks and line.state == "healthy"
            assert line.nat.rsplit(":", 1)[0] == rig.snat[0]
            assert line.reason == "fin" and float(line.connect_ms) > 0


def test_bytes_agree_with_iperf3_and_curl(rig, sluice, bucket):
    (task, *_) = rig.tasks
    server = rig.spawn(task.name, "iperf3", "-s", "-p", str(IPERF_PORT))
    try:
        rigs.wait_until(lambda: rig.listens(task.name, "tcp", IPERF_PORT), "iperf3 -s")
        with sluice.service("iperf", [task], port=IPERF_PORT) as service, \
                sluice.service("curled", rig.tasks) as web:
            bucket.enable(service)
            bucket.enable(web)
            done = rig.exec("client", "iperf3", "-c", service.vip, "-p", str(IPERF_PORT), "-n",
                            "30M", "-J")
            report = json.loads(done.stdout)
            stream = report["start"]["connected"][0]
            flow = Flow("tcp", end_of(stream["local_host"], stream["local_port"]), 0, 0)
            told = json.loads(curl(rig, web.url("/big"), "-o", "/dev/null", "-w", "%{json}"))
            curled = Flow("tcp", end_of(told["local_ip"], told["local_port"]),
                          told["size_request"], told["size_header"] + told["size_download"])
            lines = bucket.lines_with([flow, curled])
            check_exactly_once(lines, [curled])
            (line,) = [line for line in lines if line.client == flow.client]
            # what the server did not read any more, and the cookie before, are no part of its sum
            payload = line.received - 52 * line.received_packets
            assert (0.99 * report["end"]["sum_received"]["bytes"] < payload
                    < 1.01 * report["end"]["sum_sent"]["bytes"])
    finally:
        server.kill()
        server.wait()


def test_a_refused_flow_is_told_of(rig, sluice, bucket):
    with sluice.service("refusing", []) as service:
        bucket.enable(service)
        done = rig.exec("client", "curl", "-s", "--max-time", "5", "--local-port", "33333",
                        service.url(), check=False)
        assert done.returncode != 0
        flow = Flow("tcp", end_of(rig.client_v4, 33333), 0, 0)
        line = next(line for line in bucket.lines_with([flow]) if line.client == flow.client)
        assert (line.reason, line.target, line.nat) == ("no_target", "-", "-")


def test_nothing_is_lost_or_doubled_when_processes_are_killed(rig, sluice, bucket):
    """sluice-logs and sluiced go by kill -9 between flows, and while files are on their way."""
    with sluice.service("killed", rig.tasks) as service:
        bucket.enable(service)
        flows = []
        for _ in range(3):
            flows += http_flows(rig, service, 20)
            rig.kill_process("lb", "sluice-logs")
            flows += http_flows(rig, service, 20)
            sluice.kill9()
            if sluice.forwards_alone:
                flows += http_flows(rig, service, 20)
            sluice.start()
        check_exactly_once(bucket.lines_with(flows), flows)
        counts = collections.Counter(line.client for line in bucket.lines())
        assert max(counts.values()) == 1
        dropped = {drop["Reason"]: drop["Records"]
                   for drop in sluice.rpc("DescribeAccessLogs")["Dropped"]}
        assert set(dropped.values()) == {0}, dropped
