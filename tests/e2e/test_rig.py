# SPDX-License-Identifier: BSD-3-Clause
"""The rig by itself: without Sluice, plain routing carries client to task."""
import os

import pytest
import rig as rigs
from traffic import curl, udp_ask


@pytest.mark.parametrize("options", [{}, {"arms": 1}, {"narrow": "client"}, {"narrow": "task"}],
                         ids=["two arms", "one arm", "narrow client", "narrow task"])
def test_routing_carries_client_to_task_and_nothing_is_left(options):
    name = f"sluice-rig-{os.getpid()}"
    with rigs.Rig(name, tasks=2, **options) as rig:
        for task in rig.tasks:
            for family in (4, 6):
                host = task.v4 if family == 4 else f"[{task.v6}]"
                assert curl(rig, f"http://{host}/") == f"{task.name}\n"
        assert rig.requests(rig.tasks[0]) == [rig.client_v4, rig.client_v6]
        assert udp_ask(rig, rig.echo.v6, rigs.ECHO_PORT, b"x") == b"x"
        assert rigs.namespaces_of(name)
        directory = rig.dir
    assert rigs.namespaces_of(name) == []
    assert not os.path.exists(directory)
    with open("/proc/mounts", encoding="ascii") as mounts:
        assert directory not in mounts.read()
