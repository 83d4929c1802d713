# SPDX-License-Identifier: BSD-3-Clause
"""The end of the deregistration delay: whose flows end, how both sides learn of it, and when."""
import contextlib
import re
import subprocess

import pytest
from rig import wait_until
from traffic import HttpConnection, curl, udp_ask, who_answers

ENDING = {"deregistration_delay.connection_termination.enabled": "true"}
LONG = {"deregistration_delay.timeout_seconds": "60"}
LIVING = {"deregistration_delay.connection_termination.enabled": "false"}
IPERF_PORT = 5201


def established(rig, task, port=80):
    """Connections that the task's own kernel holds to be up."""
    return rig.exec(task.name, "ss", "-tnH", "state", "established", f"sport = :{port}").stdout


def assert_reset_unasked(connection):
    """The client hears of the end though it sends nothing."""
    with pytest.raises(ConnectionResetError):
        connection.socket.recv(1)


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("preserve", [False, True], ids=["nat", "preserved"])
def test_both_sides_of_an_idle_connection_hear_of_the_end(rig, sluice, family, preserve):
    task = rig.tasks[0]
    with sluice.service("both", [task], family=family, preserve=preserve,
                        attributes={**ENDING, "deregistration_delay.timeout_seconds": "1"}) as both:
        with HttpConnection(rig, both.vip, both.port) as kept:
            assert kept.get() == "task1"
            assert established(rig, task)
            both.deregister(task)
            assert kept.get() == "task1"  # within the delay
            assert_reset_unasked(kept)
            wait_until(lambda: not established(rig, task), "the target's side is reset, too")
        assert both.metrics()[0]["TCP_ELB_Reset_Count"] == 2


def test_with_a_delay_of_zero_connections_end_with_the_call(rig, sluice):
    with sluice.service("zero", rig.tasks[:1], attributes=ENDING) as zero:
        with HttpConnection(rig, zero.vip, zero.port) as kept:
            assert kept.get() == "task1"
            zero.deregister(rig.tasks[0])
            assert zero.health() == {}
            assert_reset_unasked(kept)


@pytest.mark.parametrize("preserve", [False, True], ids=["nat", "preserved"])
def test_a_download_is_reset_amid_its_data(rig, sluice, preserve):
    task = rig.tasks[0]
    with sluice.service("amid", [task], preserve=preserve, attributes=ENDING) as amid:
        # in 16 s, so not by its own doing within this test
        download = rig.spawn("client", "curl", "-sS", "--limit-rate", "2M", "-o", "/dev/null",
                             amid.url("/big"), stderr=subprocess.PIPE, text=True)
        wait_until(lambda: amid.metrics()[2][task.v4]["ProcessedBytes"] > 1 << 20, "data flows")
        amid.deregister(task)
        _, error = download.communicate(timeout=10)
        assert download.returncode == 56, error  # CURLE_RECV_ERROR
        assert "reset" in error.lower()
        wait_until(lambda: not established(rig, task), "the target's side is reset, too")


def test_an_upload_is_reset_amid_its_data(rig, sluice):
    task = rig.tasks[0]
    server = rig.spawn(task.name, "iperf3", "-s", "-1", "-p", str(IPERF_PORT))
    try:
        wait_until(lambda: rig.listens(task.name, "tcp", IPERF_PORT), "iperf3 listens")
        with sluice.service("iperf", [task], port=IPERF_PORT, attributes=ENDING) as iperf:
            client = rig.spawn("client", "iperf3", "-c", iperf.vip, "-p", str(IPERF_PORT),
                               "-t", "60", "-b", "50M", stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True)
            wait_until(lambda: iperf.metrics()[2][task.v4]["ProcessedBytes"] > 1 << 20, "data flows")
            iperf.deregister(task)
            output, _ = client.communicate(timeout=10)
            assert client.returncode != 0
            assert re.search("reset by peer|unable to|broken pipe", output, re.IGNORECASE), output
            wait_until(lambda: not established(rig, task, IPERF_PORT), "the target is reset, too")
    finally:
        server.kill()
        server.wait()


def test_without_termination_connections_outlive_the_delay(rig, sluice):
    with sluice.service("live", rig.tasks[:1], attributes=LIVING) as live:
        with HttpConnection(rig, live.vip, live.port) as kept:
            assert kept.get() == "task1"
            live.deregister(rig.tasks[0])
            assert live.health() == {}
            assert [kept.get() for _ in range(20)] == ["task1"] * 20
        assert live.metrics()[0]["TCP_ELB_Reset_Count"] == 0


def test_a_target_taken_back_keeps_its_connections(rig, sluice):
    with sluice.service("back", rig.tasks[:1], attributes={**ENDING, **LONG}) as back:
        with HttpConnection(rig, back.vip, back.port) as kept:
            assert kept.get() == "task1"
            back.deregister(rig.tasks[0])
            assert back.health()[rig.tasks[0].v4] == "draining"
            back.register(rig.tasks[0])
            assert back.health()[rig.tasks[0].v4] != "draining"
            assert kept.get() == "task1"
            assert set(who_answers(rig, back.url(), 5)) == {"task1"}


def test_only_the_flows_of_the_target_that_left_end(rig, sluice):
    with sluice.service("only", rig.tasks, attributes=ENDING) as only:
        kept = {}
        try:
            while set(kept) != {"task1", "task2", "task3"}:
                connection = HttpConnection(rig, only.vip, only.port)
                kept.setdefault(connection.get(), []).append(connection)
            only.deregister(rig.tasks[1])
            for connection in kept.pop("task2"):
                assert_reset_unasked(connection)
                connection.close()
            for name, connections in kept.items():
                assert {connection.get() for connection in connections} == {name}
        finally:
            for connections in kept.values():
                for connection in connections:
                    connection.close()


def test_the_last_target_leaves_and_another_comes(rig, sluice):
    with sluice.service("last", rig.tasks[:1], attributes={**ENDING, **LONG}) as last:
        with HttpConnection(rig, last.vip, last.port) as kept:
            assert kept.get() == "task1"
            last.deregister(rig.tasks[0])
            with pytest.raises(AssertionError, match="curl"):
                curl(rig, last.url())
            assert kept.get() == "task1"
            last.register(rig.tasks[1])
            wait_until(lambda: last.health()[rig.tasks[1].v4] != "initial", "a verdict")
            assert set(who_answers(rig, last.url(), 5)) == {"task2"}
            assert kept.get() == "task1"


def test_udp_flows_are_forgotten_at_the_end_of_the_delay(rig, sluice):
    tasks = rig.tasks[:2]
    echoes = [rig.start_echo(task, 7007, with_name=True) for task in tasks]
    try:
        attributes = {**ENDING, "deregistration_delay.timeout_seconds": "1"}
        with sluice.service("forget", tasks, protocol="UDP", port=7007,
                            attributes=attributes) as forget:
            first = udp_ask(rig, forget.vip, 7007, source_port=40000).split()[0].decode()
            leaving, staying = sorted(tasks, key=lambda task: task.name != first)
            forget.deregister(leaving)
            # an old flow is the target's until the delay is over
            assert udp_ask(rig, forget.vip, 7007, source_port=40000).split()[0] == first.encode()
            wait_until(lambda: leaving.v4 not in forget.health(), "the delay is over")
            answer = udp_ask(rig, forget.vip, 7007, source_port=40000)
            assert answer.split()[0].decode() == staying.name
    finally:
        for echo in echoes:
            echo.kill()
            echo.wait()


@pytest.mark.parametrize("how", ["stop", "kill9"])
def test_the_delay_goes_on_over_a_restart(rig, sluice, how):
    attributes = {**ENDING, "deregistration_delay.timeout_seconds": "4"}
    with sluice.service("over", rig.tasks[:1], attributes=attributes) as over:
        with HttpConnection(rig, over.vip, over.port) as kept:
            assert kept.get() == "task1"
            over.deregister(rig.tasks[0])
            getattr(sluice, how)()
            if sluice.forwards_alone:
                assert kept.get() == "task1"
            sluice.start()
            assert over.health()[rig.tasks[0].v4] == "draining"
            assert kept.get() == "task1"
            assert_reset_unasked(kept)
            wait_until(lambda: over.health() == {}, "the delay is over")


def test_a_delay_that_ended_while_sluiced_was_down_is_made_up_for(rig, sluice):
    attributes = {**ENDING, "deregistration_delay.timeout_seconds": "1"}
    with sluice.service("down", rig.tasks[:1], attributes=attributes) as down:
        with HttpConnection(rig, down.vip, down.port) as kept:
            assert kept.get() == "task1"
            down.deregister(rig.tasks[0])
            sluice.kill9()
            kept.socket.settimeout(2)  # the delay, and as long again
            with pytest.raises(TimeoutError):
                kept.socket.recv(1)
            sluice.start()
            kept.socket.settimeout(5)
            assert_reset_unasked(kept)
            assert down.health() == {}


def test_connections_outlive_changes_of_their_groups_attributes(rig, sluice):
    with sluice.service("change", rig.tasks[:1], attributes=LIVING) as change:
        with HttpConnection(rig, change.vip, change.port) as kept:
            assert kept.get() == "task1"
            for attributes in ({"preserve_client_ip.enabled": "true"}, {"stickiness.enabled": "true"},
                               {"preserve_client_ip.enabled": "false"}, ENDING, LONG):
                change.set_attributes(attributes)
                assert kept.get() == "task1"


def test_connections_outlive_their_listener_and_their_group(rig, sluice):
    gone = sluice.service("gone", rig.tasks[:1])
    with HttpConnection(rig, gone.vip, gone.port) as kept:
        assert kept.get() == "task1"
        sluice.rpc("DeleteListener", ListenerArn=gone.listener_arn)
        assert kept.get() == "task1"
        with pytest.raises(AssertionError, match="curl"):
            curl(rig, gone.url())
        sluice.rpc("DeleteTargetGroup", TargetGroupArn=gone.tg_arn)
        assert [kept.get() for _ in range(20)] == ["task1"] * 20
    sluice.rpc("DeleteLoadBalancer", LoadBalancerArn=gone.lb_arn)


def test_a_thousand_connections_end_together(rig, sluice):
    task = rig.tasks[0]
    with sluice.service("thousand", [task], attributes=ENDING) as thousand, \
            contextlib.ExitStack() as stack:
        kept = [stack.enter_context(HttpConnection(rig, thousand.vip, thousand.port))
                for _ in range(1000)]
        assert {connection.get("/quiet") for connection in kept} == {"task1"}
        thousand.deregister(task)
        for connection in kept:
            assert_reset_unasked(connection)
        wait_until(lambda: not established(rig, task), "the target's side is reset, too")
        assert thousand.metrics()[0]["TCP_ELB_Reset_Count"] == 2000
