# SPDX-License-Identifier: BSD-3-Clause
"""At the limits: SNAT ports used up, the flow table full. Established flows never notice."""
import random

import pytest
from rig import wait_until
from sluice import Sluice
from traffic import HttpConnection, curl
from wire import IP, TCP, Ether, Wire

SNAT_PORTS = 10
MAX_FLOWS = 1024
KEPT = 100
FLOOD = 20 * MAX_FLOWS


@pytest.fixture(scope="module")
def module_sluice(rig):
    return Sluice(rig, max_flows=MAX_FLOWS, snat_ports=[2000, 2000 + SNAT_PORTS - 1]).start()


def test_the_connection_beyond_the_last_snat_port_is_refused_and_counted(rig, sluice):
    with sluice.service("ports", rig.tasks[:1]) as ports:
        kept = [HttpConnection(rig, ports.vip, ports.port) for _ in range(SNAT_PORTS)]
        assert {flow["NatPort"] for flow in
                sluice.rpc("DescribeFlows", ListenerArn=ports.listener_arn)["Flows"]} == \
            set(range(2000, 2000 + SNAT_PORTS))
        done = rig.exec("client", "curl", "-sS", "--max-time", "1", ports.url(), check=False)
        assert done.returncode in (7, 28), done.stderr
        assert ports.metrics()[0]["PortAllocationErrorCount"] >= 1
        assert [one.get() for one in kept] == ["task1"] * SNAT_PORTS
        # another target has ports of its own
        ports.register(rig.tasks[1])
        ports.deregister(rig.tasks[0])
        assert curl(rig, ports.url()).strip() == "task2"
        for one in kept:
            one.close()


def test_a_syn_flood_takes_no_established_flow(rig, sluice):
    with sluice.service("flood", rig.tasks, preserve=True) as flood, Wire(rig) as wire:
        kept = [HttpConnection(rig, flood.vip, flood.port) for _ in range(KEPT)]
        names = [one.get() for one in kept]
        head = Ether(src=wire.mac, dst=rig.mac("lb", rig.interfaces[0]))
        # from a network that is nobody's: the answers die in the client's namespace
        frame = bytearray(bytes(head / IP(src="10.77.0.3", dst=flood.vip)
                                / TCP(sport=1, dport=flood.port, flags="S")))
        randomness = random.Random(1)
        for _ in range(FLOOD):
            wire.socket.send(syn_from(frame, randomness))
        assert sluice.rpc("DescribeEngine")["Flows"] <= MAX_FLOWS
        assert [one.get() for one in kept] == names
        # and a new client still gets in, in the place of a half-open flow
        wait_until(lambda: curl(rig, flood.url()).strip() in {"task1", "task2", "task3"}, "served")
        for one in kept:
            one.close()


def syn_from(frame, randomness):
    """The SYN with another source port and sequence number, its checksum put right (RFC 1624)."""
    words = {34: randomness.randrange(1024, 65536), 38: randomness.randrange(65536)}
    for offset, new in words.items():
        old = int.from_bytes(frame[offset:offset + 2], "big")
        check = int.from_bytes(frame[50:52], "big")
        total = (~check & 0xffff) + (~old & 0xffff) + new
        while total >> 16:
            total = (total & 0xffff) + (total >> 16)
        frame[offset:offset + 2] = new.to_bytes(2, "big")
        frame[50:52] = (~total & 0xffff).to_bytes(2, "big")
    return bytes(frame)
