# SPDX-License-Identifier: BSD-3-Clause
"""sluice-health dies or hangs: sluiced runs another, and no target's state changes."""
import os
import signal

import pytest
from rig import wait_until
from sluice import Watch

pytestmark = pytest.mark.engine("xdp", reason="processes of sluiced's, whatever forwards")
CLOSED_PORT = 9
HANG_TIMEOUT_S = 30
FAST = {"sluice.health_check.interval_ms": "200", "sluice.health_check.timeout_ms": "150"}


@pytest.fixture(scope="module", autouse=True)
def fast_intervals(module_sluice):
    module_sluice.config["health"] = {"fast_intervals": True}
    module_sluice.restart()


def prober_pid(sluice):
    return sluice.child_pid("sluice-health")


def wait_for_another(sluice, old):
    wait_until(lambda: prober_pid(sluice) not in (None, old), "another sluice-health",
               HANG_TIMEOUT_S)


def point_checks_at(service, port):
    service.sluice.rpc("ModifyTargetGroup", TargetGroupArn=service.tg_arn,
                       HealthCheckPort=str(port))


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
def test_another_prober_takes_over_and_no_target_flaps(rig, sluice, blow):
    with sluice.service("kept", rig.tasks, attributes=FAST) as kept, Watch(sluice) as watch:
        old = prober_pid(sluice)
        os.kill(old, blow)
        wait_for_another(sluice, old)
        assert set(kept.health().values()) == {"healthy"}
        # the first event is of what happens now, by the new one's probes
        point_checks_at(kept, CLOSED_PORT)
        kept.wait_for("unhealthy", *rig.tasks)
        for _ in rig.tasks:
            event = watch.next()
            assert (event["Previous"], event["State"]) == ("healthy", "unhealthy")
            assert event["Probe"]["Result"] == "refused"
        assert not os.path.exists(f"/proc/{old}")


def test_a_prober_that_dies_again_and_again_changes_nothing(rig, sluice):
    with sluice.service("stubborn", rig.tasks, attributes=FAST) as stubborn:
        for _ in range(4):
            old = prober_pid(sluice)
            os.kill(old, signal.SIGKILL)
            wait_for_another(sluice, old)
        assert set(stubborn.health().values()) == {"healthy"}


def test_states_outlive_sluiced(rig, sluice):
    """An unhealthy target is unhealthy behind a restart, a healthy one healthy at once."""
    with sluice.service("sick", rig.tasks[:1], attributes=FAST) as sick, \
            sluice.service("well", rig.tasks, port=8088, attributes=FAST) as well:
        point_checks_at(sick, CLOSED_PORT)
        sick.wait_for("unhealthy", rig.tasks[0])
        for stop in (sluice.stop, sluice.kill9):
            wait_until(lambda: has_saved(sluice), "the verdict is on the disk")
            stop()
            sluice.start()
            assert set(sick.health().values()) == {"unhealthy"}
            assert set(well.health().values()) == {"healthy"}


def has_saved(sluice):
    """Whether the store holds the unhealthy target; SQLite's file and its log, read as bytes."""
    saved = b""
    for path in (sluice.store_path, sluice.store_path + "-wal"):
        if os.path.exists(path):
            with open(path, "rb") as file:
                saved += file.read()
    return b"UnhealthySince" in saved


def test_the_prober_has_no_rights(sluice):
    lines = {}

    def has_dropped():
        """The last of what it gives up as it begins."""
        with open(f"/proc/{prober_pid(sluice)}/status", encoding="ascii") as status:
            lines.update(line.split(":\t", 1) for line in status.read().splitlines())
        return int(lines["CapPrm"], 16) == 0

    wait_until(has_dropped, "the prober has no capabilities")
    assert "0" not in lines["Uid"].split()
    assert int(lines["CapEff"], 16) == int(lines["CapBnd"], 16) == 0
    assert lines["NoNewPrivs"] == "1"


def test_what_is_waited_for_goes_first(sluice):
    wait_until(lambda: prober_pid(sluice), "sluice-health runs")
    assert os.getpriority(os.PRIO_PROCESS, sluice.process.pid) == -10
    assert os.getpriority(os.PRIO_PROCESS, prober_pid(sluice)) == -10
