# SPDX-License-Identifier: BSD-3-Clause
"""What verdicts do to flows: who loses new ones, whose old ones end, and when all is open.

Checks fail by a firewall before the checked port of a task, while its nginx goes on serving: what
breaks a connection is the balancer alone.
"""
import contextlib
import shutil
import sqlite3

import pytest
from rig import CHECK_PORT, wait_until
from sluice import Watch
from traffic import HttpConnection, Load, udp_ask, who_answers

KEEPING = {"target_health_state.unhealthy.connection_termination.enabled": "false"}
UDP_PORT = 7007


@contextlib.contextmanager
def failing(rig, *tasks):
    """The tasks' checks fail while all else works."""
    for task in tasks:
        rig.exec(task.name, "nft", "add table inet wall\n"
                 "add chain inet wall input { type filter hook input priority 0; }\n"
                 f"add rule inet wall input tcp dport {CHECK_PORT} drop")
    try:
        yield
    finally:
        for task in tasks:
            rig.exec(task.name, "nft", "delete table inet wall")


def state_of(service, task):
    return service.health().get(task.address(service.family))


def connect_to(rig, service, name):
    """A kept connection that a certain task answers."""
    for _ in range(200):
        connection = HttpConnection(rig, service.vip, service.port)
        if connection.get() == name:
            return connection
        connection.close()
    raise AssertionError(f"no connection to {name}")


def assert_reset_unasked(connection):
    with pytest.raises(ConnectionResetError):
        connection.socket.recv(1)


# --- one target of several ------------------------------------------------------


@pytest.mark.parametrize("preserve", [False, True], ids=["nat", "preserved"])
def test_connections_to_an_unhealthy_target_end_and_no_others(rig, sluice, preserve):
    bad = rig.tasks[1]
    with sluice.service("ends", rig.tasks, preserve=preserve) as ends, \
            connect_to(rig, ends, "task2") as lost, connect_to(rig, ends, "task1") as kept:
        with failing(rig, bad):
            assert_reset_unasked(lost)
            assert state_of(ends, bad) == "unhealthy"
            assert set(who_answers(rig, ends.url(), 60)) == {"task1", "task3"}
            assert kept.get() == "task1"
        ends.wait_for("healthy", bad)
        assert set(who_answers(rig, ends.url(), 60)) == {"task1", "task2", "task3"}


def test_without_termination_connections_to_an_unhealthy_target_live_on(rig, sluice):
    bad = rig.tasks[1]
    with sluice.service("live", rig.tasks, attributes=KEEPING) as live, \
            connect_to(rig, live, "task2") as kept:
        with failing(rig, bad):
            live.wait_for("unhealthy", bad)
            assert set(who_answers(rig, live.url(), 60)) == {"task1", "task3"}
            assert kept.get() == "task2"
        live.wait_for("healthy", bad)
        assert kept.get() == "task2"


def test_a_draining_interval_bounds_how_long_they_live_on(rig, sluice):
    bad = rig.tasks[1]
    attributes = {**KEEPING, "target_health_state.unhealthy.draining_interval_seconds": "2"}
    with sluice.service("bound", rig.tasks, attributes=attributes) as bound, \
            connect_to(rig, bound, "task2") as lost, failing(rig, bad):
        bound.wait_for("unhealthy.draining", bad)
        assert lost.get() == "task2"
        assert set(who_answers(rig, bound.url(), 60)) == {"task1", "task3"}
        assert_reset_unasked(lost)
        assert state_of(bound, bad) == "unhealthy"


def test_a_target_that_recovers_in_its_draining_interval_keeps_its_connections(rig, sluice):
    bad = rig.tasks[1]
    attributes = {**KEEPING, "target_health_state.unhealthy.draining_interval_seconds": "60"}
    with sluice.service("again", rig.tasks, attributes=attributes) as again, \
            connect_to(rig, again, "task2") as kept:
        with failing(rig, bad):
            again.wait_for("unhealthy.draining", bad)
        again.wait_for("healthy", bad)
        assert kept.get() == "task2"


def test_turning_termination_on_ends_what_lived_on(rig, sluice):
    bad = rig.tasks[1]
    with sluice.service("turn", rig.tasks, attributes=KEEPING) as turn, \
            connect_to(rig, turn, "task2") as lost, failing(rig, bad):
        turn.wait_for("unhealthy", bad)
        assert lost.get() == "task2"
        turn.set_attributes({key: "true" for key in KEEPING})
        assert_reset_unasked(lost)


@pytest.mark.parametrize("family", [4, 6])
def test_udp_flows_of_an_unhealthy_target_move_with_the_next_datagram(rig, sluice, family):
    tasks = rig.tasks[:2]
    echoes = [rig.start_echo(task, UDP_PORT, with_name=True) for task in tasks]
    try:
        with sluice.service("move", tasks, protocol="UDP", port=UDP_PORT, family=family) as move:
            def answers(_=None):
                return udp_ask(rig, move.vip, UDP_PORT, source_port=41000).split()[0].decode()
            first = answers()
            bad, good = sorted(tasks, key=lambda task: task.name != first)
            assert [answers() for _ in range(10)] == [first] * 10
            with failing(rig, bad):
                move.wait_for("unhealthy", bad)
                assert [answers() for _ in range(10)] == [good.name] * 10
            move.wait_for("healthy", bad)
            assert answers() == good.name  # it is that one's flow now
    finally:
        for echo in echoes:
            echo.kill()
            echo.wait()


def test_no_flow_begins_at_a_target_once_its_verdict_is_told(rig, sluice):
    bad = rig.tasks[1]
    with sluice.service("told", rig.tasks) as told, Watch(sluice) as watch:
        with Load(rig, told.url("/quiet")), failing(rig, bad):
            event = watch.next()
            at_event = told.metrics()[2][bad.v4]["NewFlowCount_TCP"]
            elsewhere = told.metrics()[0]["NewFlowCount_TCP"]
            wait_until(lambda: told.metrics()[0]["NewFlowCount_TCP"] > elsewhere + 2000, "load")
            assert told.metrics()[2][bad.v4]["NewFlowCount_TCP"] == at_event
        assert event["Target"] == {"Id": bad.v4, "Port": 80}
        assert (event["Previous"], event["State"]) == ("healthy", "unhealthy")
        assert event["Reason"] == "Target.FailedHealthChecks"
        assert event["Probe"]["Result"] == "timeout"


# --- when no target is healthy --------------------------------------------------


def test_a_group_without_a_healthy_target_fails_open(rig, sluice):
    with sluice.service("open", rig.tasks) as service:
        with failing(rig, *rig.tasks[1:]):
            with failing(rig, rig.tasks[0]):
                service.wait_for("unhealthy", *rig.tasks)
                before = service.metrics()[0]
                assert set(who_answers(rig, service.url(), 60)) == {"task1", "task2", "task3"}
                # more than the requests, where a SYN met TIME_WAIT at its target and came again
                new = {name: value - before[name] for name, value in service.metrics()[0].items()}
                assert new["UnhealthyRoutingFlowCount"] == new["NewFlowCount_TCP"] >= 60
                lost, kept = (connect_to(rig, service, name) for name in ("task2", "task1"))
            # one comes back: it gets all, and what went to the others ends
            service.wait_for("healthy", rig.tasks[0])
            assert_reset_unasked(lost)
            assert kept.get() == "task1"
            assert set(who_answers(rig, service.url(), 30)) == {"task1"}
            lost.close()
            kept.close()


def test_connections_to_the_last_healthy_target_outlive_its_failure(rig, sluice):
    with sluice.service("only", rig.tasks[:1]) as only:
        with HttpConnection(rig, only.vip, only.port) as kept:
            assert kept.get() == "task1"
            with failing(rig, rig.tasks[0]):
                only.wait_for("unhealthy", rig.tasks[0])
                assert [kept.get() for _ in range(20)] == ["task1"] * 20


def test_a_new_group_serves_before_its_first_verdict(rig, sluice):
    with failing(rig, *rig.tasks), \
            sluice.service("fresh", []) as fresh:
        fresh.register(*rig.tasks, wait=False)
        assert set(fresh.health().values()) <= {"initial", "unhealthy"}
        assert set(who_answers(rig, fresh.url(), 60)) == {"task1", "task2", "task3"}


def test_a_target_without_a_verdict_gets_nothing_beside_a_healthy_one(rig, sluice):
    with sluice.service("beside", rig.tasks[:1]) as beside, failing(rig, rig.tasks[1]):
        beside.register(rig.tasks[1], wait=False)
        assert set(who_answers(rig, beside.url(), 60)) == {"task1"}


# --- restarts --------------------------------------------------------------------


def has_stored(sluice, healthy, unhealthy):
    """Whether so many verdicts are in the store: they go there once a second."""
    copy = sluice.store_path + ".copy"  # sluiced has the store locked
    for suffix in ("", "-wal"):
        shutil.copyfile(sluice.store_path + suffix, copy + suffix)
    with contextlib.closing(sqlite3.connect(copy)) as store:
        bodies = [body for (body,) in store.execute("SELECT body FROM document")]
    return (sum('"Healthy"' in body for body in bodies),
            sum('"UnhealthySince"' in body for body in bodies)) == (healthy, unhealthy)


@pytest.mark.parametrize("how", ["stop", "kill9"])
def test_no_state_flaps_over_a_restart(rig, sluice, how):
    bad = rig.tasks[1]
    with sluice.service("flap", rig.tasks) as flap, failing(rig, bad):
        flap.wait_for("unhealthy", bad)
        before = flap.health()
        wait_until(lambda: has_stored(sluice, healthy=2, unhealthy=1), "the verdicts are durable")
        with HttpConnection(rig, flap.vip, flap.port) as kept:
            name = kept.get()
            getattr(sluice, how)()
            sluice.start()
            assert flap.health() == before  # not initial
            assert kept.get() == name
            assert set(who_answers(rig, flap.url(), 60)) == {"task1", "task3"}
            for _ in range(20):
                assert flap.health() == before
                assert kept.get() == name


def test_a_target_that_failed_while_sluiced_was_down_is_found_out(rig, sluice):
    bad = rig.tasks[1]
    with sluice.service("found", rig.tasks) as found, connect_to(rig, found, "task2") as lost:
        sluice.kill9()
        with failing(rig, bad):
            sluice.start()
            assert_reset_unasked(lost)
            assert state_of(found, bad) == "unhealthy"


# --- leaving ---------------------------------------------------------------------


def test_an_idle_target_need_not_drain_for_all_of_its_delay(rig, sluice):
    attributes = {"deregistration_delay.timeout_seconds": "600",
                  "sluice.deregistration_delay.end_when_idle": "true"}
    leaving = rig.tasks[0]
    with sluice.service("idle", [leaving], attributes=attributes) as idle:
        with HttpConnection(rig, idle.vip, idle.port) as kept:
            assert kept.get() == "task1"
            idle.deregister(leaving)
            assert state_of(idle, leaving) == "draining"
            assert kept.get() == "task1"
        wait_until(lambda: idle.health() == {}, "its last flow has ended")
