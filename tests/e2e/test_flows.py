# SPDX-License-Identifier: BSD-3-Clause
"""What sluiced tells of flows: the list, the counters, the drops, the stream of events."""
import json
import socket
import struct

import pytest
from rig import ECHO_PORT, wait_until
from traffic import HttpConnection, curl, udp_ask, who_answers
from wire import IP, UDP, Ether, Wire


def test_a_flow_is_listed_with_both_its_sides(rig, sluice):
    with sluice.service("listed", rig.tasks[:1]) as listed, \
            HttpConnection(rig, listed.vip, listed.port) as kept:
        kept.get()
        address, port = kept.socket.getsockname()
        (flow,) = sluice.rpc("DescribeFlows", ListenerArn=listed.listener_arn)["Flows"]
        assert (flow["ClientIp"], flow["ClientPort"]) == (address, port)
        assert (flow["VipIp"], flow["VipPort"]) == (listed.vip, listed.port)
        assert flow["NatIp"] == rig.snat[0] and 1024 <= flow["NatPort"] <= 65535
        assert (flow["TargetIp"], flow["TargetPort"]) == (rig.tasks[0].v4, 80)
        assert flow["Protocol"] == "TCP" and flow["State"] == "established"
        assert flow["ClientPackets"] >= 3 and flow["TargetPackets"] >= 2


def test_many_flows_come_in_pages_each_once(rig, sluice):
    with sluice.service("paged", rig.tasks) as paged:
        kept = [HttpConnection(rig, paged.vip, paged.port) for _ in range(250)]
        try:
            ports, marker, pages = [], {}, 0
            while True:
                answer = sluice.rpc("DescribeFlows", ListenerArn=paged.listener_arn, PageSize=100,
                                    **marker)
                ports += [flow["ClientPort"] for flow in answer["Flows"]]
                pages += 1
                if not answer.get("NextMarker"):
                    break
                marker = {"Marker": answer["NextMarker"]}
            assert sorted(ports) == sorted(one.socket.getsockname()[1] for one in kept)
            assert pages >= 3
        finally:
            for one in kept:
                one.close()


def test_flows_are_counted_by_load_balancer_group_and_target(rig, sluice):
    with sluice.service("counted", rig.tasks) as counted:
        answers = who_answers(rig, counted.url(), 90)
        balancer, group, targets = counted.metrics()
        assert balancer["NewFlowCount_TCP"] == group["NewFlowCount_TCP"] == 90
        assert {id: values["NewFlowCount_TCP"] for id, values in targets.items()} == \
            {task.v4: answers[task.name] for task in rig.tasks}
        assert balancer["ProcessedBytes"] == group["ProcessedBytes"] > 90 * 300
        assert group["HealthyHostCount"] == 3


def test_udp_flows_are_counted(rig, sluice):
    with sluice.service("echoes", [rig.echo], protocol="UDP", port=ECHO_PORT) as echoes:
        for i in range(10):
            udp_ask(rig, echoes.vip, echoes.port, b"%d" % i)
        balancer, _, _ = echoes.metrics()
        assert balancer["NewFlowCount_UDP"] == 10
        assert balancer["ProcessedPackets"] == 20


def test_ended_flows_are_counted_by_reason(rig, sluice):
    with sluice.service("ended", rig.tasks) as ended:
        before = sluice.rpc("DescribeEngine")["FlowsEnded"]
        who_answers(rig, ended.url(), 40)
        kept = HttpConnection(rig, ended.vip, ended.port)
        kept.get()
        kept.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        kept.close()  # with a RST

        def counted():
            after = sluice.rpc("DescribeEngine")["FlowsEnded"]
            return (after["fin"] - before["fin"] >= 40
                    and after["rst_client"] - before["rst_client"] >= 1)

        wait_until(counted, "a record of each flow", 30)
    assert sluice.rpc("DescribeEngine")["FlowRecordsLost"] == 0


def test_drops_are_counted_by_reason(rig, sluice):
    with sluice.service("drops", [rig.echo], protocol="UDP", port=ECHO_PORT) as dropped, \
            Wire(rig) as wire:
        head = Ether(src=wire.mac, dst=rig.mac("lb", rig.interfaces[0]))
        ip = IP(src=rig.client_v4, dst=dropped.vip, proto=17)
        before = sluice.drops()
        for _ in range(7):
            wire.send(head / ip / b"\0\1\0\7")  # half a UDP header
        for _ in range(5):
            wire.send(head / ip / UDP(sport=1, dport=dropped.port, len=180) / b"short")
        for _ in range(3):
            wire.send(head / IP(src=rig.client_v4, dst=dropped.vip, proto=17, id=4711, frag=100)
                      / b"of a datagram whose beginning nobody saw")

        def counted():
            after = sluice.drops()
            return [after.get(reason, 0) - before.get(reason, 0)
                    for reason in ("truncated", "malformed", "fragment")] == [7, 5, 3]

        wait_until(counted, "drops by reason")


@pytest.mark.parametrize("address", ["v4", "v6"])
def test_the_fragments_of_a_datagram_follow_its_flow(rig, sluice, address):
    family = int(address[1])
    with sluice.service("pieces", [rig.echo], protocol="UDP", port=ECHO_PORT,
                        family=family) as pieces:
        datagram = bytes(range(250)) * 16  # three fragments, two of them without ports
        assert udp_ask(rig, pieces.vip, pieces.port, datagram) == datagram


def test_watch_tells_of_targets(rig, sluice):
    with sluice.connect() as watcher, watcher.makefile("rb") as lines:
        watcher.sendall(b'{"jsonrpc":"2.0","id":1,"method":"Watch"}\n')
        assert "result" in json.loads(lines.readline())
        with sluice.service("watched", []) as watched:
            watched.register(rig.tasks[0])
            states = []
            while states[-1:] != ["healthy"]:
                event = json.loads(lines.readline())["params"]
                if event["Event"] == "TargetStateChanged":
                    states.append(event["State"])
            watched.deregister(rig.tasks[0])
            while states[-1] not in ("draining", "unused"):
                event = json.loads(lines.readline())["params"]
                if event["Event"] == "TargetStateChanged":
                    states.append(event["State"])


def test_the_engine_says_how_it_is_attached(rig, sluice):
    info = sluice.rpc("DescribeEngine")
    mode = {"xdp": "native", "dpdk": "net_af_xdp"}[rig.engine]
    assert {(each["Name"], each["Mode"]) for each in info["Interfaces"]} == \
        {(name, mode) for name in rig.interfaces}
    assert mode in sluice.log()


def test_an_open_connection_is_active_until_it_ends(rig, sluice):
    with sluice.service("active", rig.tasks[:1]) as active:
        with HttpConnection(rig, active.vip, active.port) as kept:
            kept.get()
            wait_until(lambda: active.metrics()[0]["ActiveFlowCount_TCP"] == 1, "one active flow")
        wait_until(lambda: active.metrics()[0]["ActiveFlowCount_TCP"] == 0, "no active flow")
        assert curl(rig, active.url())
