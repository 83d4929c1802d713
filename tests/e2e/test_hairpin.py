# SPDX-License-Identifier: BSD-3-Clause
"""A target that is its own client: such a flow is SNATed, preserved or not."""
import pytest
import rig as rigs
from traffic import HttpConnection, curl, udp_ask


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("preserve", [False, True], ids=["nat", "preserved"])
def test_a_task_reaches_itself_through_the_vip(rig, sluice, family, preserve):
    task = rig.tasks[0]
    with sluice.service("self", [task], family=family, preserve=preserve) as itself:
        rig.forget_requests()
        for _ in range(5):
            assert curl(rig, itself.url(), short=task.name).strip() == "task1"
        assert set(rig.requests(task)) == {rig.snat[0 if family == 4 else 1]}


def test_a_task_reaches_itself_over_udp(rig, sluice):
    with sluice.service("echo", [rig.echo], protocol="UDP", port=rigs.ECHO_PORT) as echo:
        assert udp_ask(rig, echo.vip, echo.port, b"me", short="echo") == b"me"


def test_a_task_reaches_another_through_the_vip(rig, sluice):
    """Client and target share a network; answers must still pass the balancer."""
    with sluice.service("other", [rig.tasks[1]]) as other:
        with HttpConnection(rig, other.vip, other.port, short="task1") as kept:
            assert [kept.get() for _ in range(5)] == ["task2"] * 5
