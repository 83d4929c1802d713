# SPDX-License-Identifier: BSD-3-Clause
"""Clients and tasks behind one interface."""
import pytest
import rig as rigs
from sluice import STANDARD_CHECKS
from traffic import Load, curl, udp_ask, who_answers
from rig import wait_until


@pytest.fixture(scope="module")
def rig(make_rig):
    return make_rig(arms=1)


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("preserve", [False, True], ids=["nat", "preserved"])
def test_http(rig, sluice, family, preserve):
    with sluice.service("web", rig.tasks, family=family, preserve=preserve) as web:
        assert set(who_answers(rig, web.url(), 60)) == {"task1", "task2", "task3"}
        size = curl(rig, web.url("/big"), "-o", "/dev/null", "-w", "%{size_download}")
        assert int(size) == rigs.BIG_BYTES


@pytest.mark.parametrize("family", [4, 6])
def test_udp(rig, sluice, family):
    with sluice.service("echo", [rig.echo], protocol="UDP", port=rigs.ECHO_PORT,
                        family=family) as echo:
        for i in range(50):
            assert udp_ask(rig, echo.vip, echo.port, b"%d" % i) == b"%d" % i


def test_load_fails_no_request(rig, sluice):
    with sluice.service("load", rig.tasks, attributes=STANDARD_CHECKS) as web:
        rig.forget_requests()
        with Load(rig, web.url()) as load:
            wait_until(lambda: len(rig.requests(rig.tasks[0])) > 3000, "load", 30)
            load.stop()
        assert load.failed == 0, load.output
