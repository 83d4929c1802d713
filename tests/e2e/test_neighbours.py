# SPDX-License-Identifier: BSD-3-Clause
"""Next hops: no first packet is lost to an unresolved one, and a moved target is followed.

Sluice has the kernel keep its next hops resolved, so some that are forgotten may be back at once.
"""
import time

import pytest
import rig as rigs
from traffic import HttpConnection, curl, udp_ask

RETRANSMIT_S = 1  # of a lost SYN: Linux's initial RTO


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("preserve", [False, True], ids=["nat", "preserved"])
def test_the_first_syn_to_an_unresolved_target_is_not_lost(rig, sluice, family, preserve):
    with sluice.service("cold", rig.tasks[:1], family=family, preserve=preserve) as cold:
        for _ in range(3):
            cold.deregister(rig.tasks[0])
            rigs.wait_until(lambda: not cold.health(), "the target has left")
            rig.forget_neighbours("lb", "client", "task1")
            cold.register(rig.tasks[0])
            started = time.monotonic()
            with HttpConnection(rig, cold.vip, cold.port) as connection:
                took = time.monotonic() - started
                assert connection.get() == "task1"
            assert took < 0.8 * RETRANSMIT_S


@pytest.mark.parametrize("family", [4, 6])
def test_the_first_datagram_to_an_unresolved_target_is_not_lost(rig, sluice, family):
    """A UDP client does not send again: a lost first datagram would show as no answer."""
    with sluice.service("cold", [rig.echo], protocol="UDP", port=rigs.ECHO_PORT,
                        family=family) as cold:
        for _ in range(3):
            cold.deregister(rig.echo)
            rigs.wait_until(lambda: not cold.health(), "the target has left")
            rig.forget_neighbours("lb", "client", "echo")
            cold.register(rig.echo)
            assert udp_ask(rig, cold.vip, cold.port, b"first") == b"first"


def test_a_target_with_a_new_mac_is_followed(rig, sluice):
    task = rig.tasks[0]
    with sluice.service("moved", [task]) as moved:
        assert curl(rig, moved.url()).strip() == "task1"
        rig.ip(task.name, "link set eth0 down\nlink set eth0 address 02:77:00:00:00:01\n"
                          "link set eth0 up\nroute add default via 10.77.1.1")
        rig.forget_neighbours("lb")

        def answers():
            done = rig.exec("client", "curl", "-sS", "--max-time", "1", moved.url(), check=False)
            return done.stdout.strip() == "task1"

        rigs.wait_until(answers, "the target answers at its new MAC")
