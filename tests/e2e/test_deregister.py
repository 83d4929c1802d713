# SPDX-License-Identifier: BSD-3-Clause
"""Targets that leave: no new flow from the reply on, old flows untouched until the delay."""
import threading

import pytest
from rig import wait_until
from sluice import STANDARD_CHECKS
from traffic import HttpConnection, Load, who_answers


@pytest.mark.parametrize("preserve", [False, True], ids=["nat", "preserved"])
def test_deregistration_under_load_fails_no_request(rig, sluice, preserve):
    leaving = rig.tasks[1]
    with sluice.service("leave", rig.tasks, preserve=preserve,
                        attributes={"deregistration_delay.timeout_seconds": "60",
                                    **STANDARD_CHECKS}) as leave:
        rig.forget_requests()
        with Load(rig, leave.url()) as load:
            wait_until(lambda: len(rig.requests(leaving)) > 500, "load on all targets", 30)
            leave.deregister(leaving)
            at_reply = leave.metrics()[2][leaving.v4]["NewFlowCount_TCP"]
            rig.forget_requests()
            wait_until(lambda: len(rig.requests(rig.tasks[0])) > 2000, "load on the others", 30)
            load.stop()
        assert load.failed == 0, load.output
        assert load.requests > 2000
        assert leave.metrics()[2][leaving.v4]["NewFlowCount_TCP"] == at_reply > 500
        assert leave.health()[leaving.v4] == "draining"


def test_a_draining_target_gets_no_new_flow(rig, sluice):
    with sluice.service("drain", rig.tasks,
                        attributes={"deregistration_delay.timeout_seconds": "60"}) as drain:
        drain.deregister(rig.tasks[0])
        assert set(who_answers(rig, drain.url(), 100)) == {"task2", "task3"}
        drain.register(rig.tasks[0])  # taken back while it drains
        assert set(who_answers(rig, drain.url(), 100)) == {"task1", "task2", "task3"}


def test_an_old_flow_outlives_its_targets_deregistration(rig, sluice):
    with sluice.service("outlive", rig.tasks[:1]) as outlive:
        with HttpConnection(rig, outlive.vip, outlive.port) as kept:
            assert kept.get() == "task1"
            outlive.register(rig.tasks[1])
            outlive.deregister(rig.tasks[0])
            wait_until(lambda: rig.tasks[0].v4 not in outlive.health(), "the delay of 0 s is over")
            assert [kept.get() for _ in range(20)] == ["task1"] * 20
            assert set(who_answers(rig, outlive.url(), 20)) == {"task2"}


def test_registration_churn_under_load_fails_no_request(rig, sluice):
    """task1 stays; task2 and task3 come and go as fast as calls are answered."""
    attributes = {"deregistration_delay.timeout_seconds": "0", **STANDARD_CHECKS}
    with sluice.service("churn", rig.tasks, attributes=attributes) as churn:
        stop = threading.Event()
        calls = []

        def come_and_go():
            while not stop.is_set():
                for task in rig.tasks[1:]:
                    churn.deregister(task)
                    churn.register(task)
                    calls.append(task)

        worker = threading.Thread(target=come_and_go)
        rig.forget_requests()
        with Load(rig, churn.url()) as load:
            worker.start()
            try:
                wait_until(lambda: len(rig.requests(rig.tasks[0])) > 5000 and len(calls) > 200,
                           "load and churn", 60)
            finally:
                stop.set()
                worker.join()
            load.stop()
        assert load.failed == 0, load.output
        assert all(len(rig.requests(task)) > 100 for task in rig.tasks)


def test_without_targets_a_connection_fails_and_is_counted(rig, sluice):
    with sluice.service("empty", []) as empty:
        done = rig.exec("client", "curl", "-sS", "--max-time", "1", empty.url(), check=False)
        assert done.returncode in (7, 28), done.stderr  # refused or never answered
        empty.register(*rig.tasks)
        assert who_answers(rig, empty.url(), 30).total() == 30
