# SPDX-License-Identifier: BSD-3-Clause
"""Real targets break, each in its way, and come back: the verdict, its reason, and new flows."""
import contextlib
import json
import os
import signal
import ssl

import pytest
from rig import CHECK_PORT, HTTP_PORT, pids_in, wait_until
from targets import (GOOD, Target, answering, make_certificate, never_answering, read_request,
                     tls_answering)
from traffic import who_answers

FAILING_PORT = 8099
HTTP_CHECK = {"HealthCheckProtocol": "HTTP"}


# --- ways to break a task ---------------------------------------------------------------------


def nginx_pids(rig, task):
    pids = []
    for pid in pids_in(rig.ns(task.name)):
        with contextlib.suppress(FileNotFoundError), \
                open(f"/proc/{pid}/comm", encoding="ascii") as comm:
            if comm.read().strip() == "nginx":
                pids.append(pid)
    return pids


@contextlib.contextmanager
def stopped(rig, task):
    for pid in nginx_pids(rig, task):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not rig.listens(task.name, "tcp", CHECK_PORT), "nginx is gone")
    try:
        yield
    finally:
        rig.start_nginx(task)


@contextlib.contextmanager
def frozen(rig, task):
    pids = nginx_pids(rig, task)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def slowed(rig, task):
    """Its link lets out 2 kbit/s: the handshake alone takes its time, an answer more."""
    rig.exec(task.name, "tc", "qdisc", "add", "dev", "eth0", "root", "tbf", "rate", "2kbit",
             "burst", "1600", "limit", "100000")
    try:
        yield
    finally:
        rig.exec(task.name, "tc", "qdisc", "del", "dev", "eth0", "root")


def firewalled(verdict):
    @contextlib.contextmanager
    def wall(rig, task):
        rig.exec(task.name, "nft", "add table inet verdicts\n"
                 "add chain inet verdicts in { type filter hook input priority 0; }\n"
                 f"add rule inet verdicts in tcp dport {CHECK_PORT} {verdict}")
        try:
            yield
        finally:
            rig.exec(task.name, "nft", "delete table inet verdicts")
    return wall


BREAKAGES = {
    "stopped": (stopped, {}, "refused"),
    "frozen": (frozen, HTTP_CHECK, "timeout"),
    "slowed": (slowed, HTTP_CHECK, "timeout"),
    "dropped": (firewalled("drop"), {}, "timeout"),
    "refused": (firewalled("reject with tcp reset"), {}, "refused"),
    "prohibited": (firewalled("reject with icmpx admin-prohibited"), {}, "unreachable"),
}


@contextlib.contextmanager
def watching(sluice, task):
    """An iterator over the changes of a target's state."""
    with sluice.connect() as watcher:
        watcher.sendall(b'{"jsonrpc":"2.0","id":1,"method":"Watch",'
                        b'"params":{"Events":["TargetStateChanged"]}}\n')
        lines = watcher.makefile("rb")
        assert "result" in json.loads(lines.readline())
        changes = (event["params"] for event in map(json.loads, lines))
        yield (change for change in changes
               if change["Target"]["Id"] in (task.v4, task.v6))


def describe(service, task):
    """The target's entry of DescribeTargetHealth, with its last probe."""
    (entry,) = service.sluice.rpc(
        "DescribeTargetHealth", TargetGroupArn=service.tg_arn, Include=["LastProbe"],
        Targets=[{"Id": task.address(service.family), "Port": service.target_port}],
    )["TargetHealthDescriptions"]
    return entry


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("how", BREAKAGES)
def test_a_target_that_breaks_loses_new_flows_and_gets_them_back(rig, sluice, how, family):
    broken, check, result = BREAKAGES[how]
    bad = rig.tasks[1]
    with sluice.service(how, rig.tasks, family=family, check=check) as service, \
            watching(sluice, bad) as changes:
        with broken(rig, bad):
            change = next(changes)
            assert (change["Previous"], change["State"]) == ("healthy", "unhealthy")
            assert change["Reason"] == "Target.FailedHealthChecks"
            assert change["Probe"]["Result"] == result
            assert change["Probe"]["DurationMicroseconds"] > 0
            assert set(who_answers(rig, service.url(), 60)) == {"task1", "task3"}
            entry = describe(service, bad)
            assert entry["TargetHealth"] == {"State": "unhealthy", "Description":
                                             "Health checks failed",
                                             "Reason": "Target.FailedHealthChecks"}
            assert entry["LastProbe"]["Result"] == result
        change = next(changes)
        assert (change["Previous"], change["State"]) == ("unhealthy", "healthy")
        assert change["Probe"]["Result"] == "ok"
        assert set(who_answers(rig, service.url(), 60)) == {"task1", "task2", "task3"}


def test_a_frozen_target_passes_a_tcp_check(rig, sluice):
    """Its kernel makes the handshake, as with NLB: who wants more asks for HTTP."""
    with sluice.service("kernel", rig.tasks) as service, frozen(rig, rig.tasks[1]):
        before = describe(service, rig.tasks[1])["LastProbe"]["Time"]
        wait_until(lambda: describe(service, rig.tasks[1])["LastProbe"]["Time"] > before, "a probe")
        assert set(service.health().values()) == {"healthy"}


# --- what a check looks at ---------------------------------------------------------------------


@contextlib.contextmanager
def checked(rig, sluice, serve, wait=True, name="checked", **check):
    """A service of one task, checked at a server of the test's: (service, server)."""
    task = rig.tasks[0]
    with rig.inside(task.name):
        target = Target(serve, address=task.v4)
    with target, sluice.service(name, [], check={"HealthCheckPort": str(target.port),
                                                 **check}) as service:
        service.register(task, wait=wait)
        yield service, target


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_an_https_check_asks_for_no_good_certificate(rig, sluice, tmp_path, version):
    certificate = make_certificate(tmp_path)
    with checked(rig, sluice, tls_answering(certificate, version),
                 HealthCheckProtocol="HTTPS") as (service, _):
        assert describe(service, rig.tasks[0])["LastProbe"]["HttpCode"] == 200


FAILURES = {
    "tls": (answering(GOOD), "HTTPS", None),
    "status": (answering(b"HTTP/1.1 418 no\r\n\r\n"), "HTTP", 418),
    "closed": (read_request, "HTTP", None),
    "response": (answering(b"SSH-2.0-target\r\n"), "HTTP", None),
    "timeout": (never_answering, "HTTP", None),
}


@pytest.mark.parametrize("result", FAILURES)
def test_a_failure_is_told_with_the_reason_of_the_probe(rig, sluice, result):
    serve, protocol, code = FAILURES[result]
    if result == "tls":
        def serve(connection):  # no TLS at all
            connection.sendall(b"220 target ready\r\n")
    with checked(rig, sluice, serve, wait=False, HealthCheckProtocol=protocol) as (service, _):
        service.wait_for("unhealthy", rig.tasks[0])
        probe = describe(service, rig.tasks[0])["LastProbe"]
        assert (probe["Result"], probe.get("HttpCode")) == (result, code)
        shown = sluice.ctl_run("describe-target-health", "--target-group-arn", "checked")
        assert result in shown.stdout, shown.stdout + shown.stderr


def test_a_probe_is_the_one_that_nlb_sends_from_the_zones_address(rig, sluice):
    seen = []

    def serve(connection):
        seen.append(read_request(connection).decode())
        connection.sendall(GOOD)

    with checked(rig, sluice, serve, HealthCheckProtocol="HTTP",
                 HealthCheckPath="/alive?really=1") as (service, target):
        wait_until(lambda: len(seen) >= 3, "some probes")
        request, *headers = seen[0].split("\r\n")
        assert request == "GET /alive?really=1 HTTP/1.1"
        named = dict(line.split(": ", 1) for line in headers if line)
        assert named["Host"] == f"{service.vip}:{service.port}"
        assert named["User-Agent"] == "ELB-HealthChecker/2.0"
        assert {address for address, _ in target.peers} == {rig.snat[0]}
        ports = [port for _, port in target.peers]
        assert min(ports) >= 61440 and len(set(ports)) == len(ports)


def test_a_target_is_probed_once_an_interval_however_many_listeners_it_has(rig, sluice):
    """Beside a target of a group with one listener, and as often."""
    with checked(rig, sluice, never_answering) as (service, of_two), \
            checked(rig, sluice, never_answering, name="beside") as (_, of_one):
        sluice.rpc("CreateListener", LoadBalancerArn=service.lb_arn, Protocol="TCP", Port=81,
                   DefaultActions=[{"Type": "forward", "TargetGroupArn": service.tg_arn}])
        before = len(of_one.times), len(of_two.times)
        wait_until(lambda: len(of_one.times) >= before[0] + 15, "probes")
        assert abs(len(of_one.times) - before[0] - (len(of_two.times) - before[1])) <= 2


def test_another_path_changes_the_verdict_at_once(rig, sluice):
    task = rig.tasks[0]
    with sluice.service("path", [task], check={**HTTP_CHECK, "HealthCheckPath": "/"}) as service:
        sluice.rpc("ModifyTargetGroup", TargetGroupArn=service.tg_arn, HealthCheckPath="/nowhere")
        service.wait_for("unhealthy", task)
        probe = describe(service, task)["LastProbe"]
        assert (probe["Result"], probe["HttpCode"]) == ("status", 404)
        sluice.rpc("ModifyTargetGroup", TargetGroupArn=service.tg_arn,
                   Matcher={"HttpCode": "200,400-404"})
        service.wait_for("healthy", task)


def test_the_traffic_port_is_checked_unless_another_is_named(rig, sluice):
    task = rig.tasks[0]
    with sluice.service("traffic", [task], check={"HealthCheckPort": "traffic-port"}) as service:
        assert describe(service, task)["HealthCheckPort"] == str(HTTP_PORT)
        sluice.rpc("ModifyTargetGroup", TargetGroupArn=service.tg_arn,
                   HealthCheckPort=str(FAILING_PORT))
        service.wait_for("unhealthy", task)
        assert describe(service, task)["HealthCheckPort"] == str(FAILING_PORT)
        assert describe(service, task)["LastProbe"]["Result"] == "refused"
