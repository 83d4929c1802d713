# SPDX-License-Identifier: BSD-3-Clause
"""What sluiced tells of flows: the list, the counters, the drops, the stream of events."""
import json
import socket

from rig import ECHO_PORT, wait_until
from traffic import HttpConnection, client_socket, curl, udp_ask, who_answers
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


def test_drops_are_counted_by_reason(rig, sluice):
    with sluice.service("drops", [rig.echo], protocol="UDP", port=ECHO_PORT) as dropped, \
            Wire(rig) as wire:
        before = sluice.drops()
        lb = Wire.mac_of(rig, "lb", rig.interfaces[0])
        cut = bytes(Ether(src=wire.mac, dst=lb) / IP(src=rig.client_v4, dst=dropped.vip, len=200)
                    / UDP(sport=1, dport=dropped.port, len=180) / b"short")
        for _ in range(7):
            wire.socket.send(cut)

        def counted():
            after = sluice.drops()
            return sum(after.values()) - sum(before.values()) == 7

        wait_until(counted, "seven drops")


def test_a_fragment_without_ports_is_dropped_and_counted(rig, sluice):
    with sluice.service("fragments", [rig.echo], protocol="UDP", port=ECHO_PORT) as fragments:
        before = sum(sluice.drops().values())
        with client_socket(rig, fragments.vip, socket.SOCK_DGRAM) as client:
            client.connect((fragments.vip, fragments.port))
            client.send(bytes(4000))  # three fragments, two of them without ports
            wait_until(lambda: sum(sluice.drops().values()) == before + 2, "two drops")


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
    assert {(each["Name"], each["Mode"]) for each in info["Interfaces"]} == \
        {(name, "native") for name in rig.interfaces}
    assert "native" in sluice.log()


def test_an_open_connection_is_active_until_it_ends(rig, sluice):
    with sluice.service("active", rig.tasks[:1]) as active:
        with HttpConnection(rig, active.vip, active.port) as kept:
            kept.get()
            wait_until(lambda: active.metrics()[0]["ActiveFlowCount_TCP"] == 1, "one active flow")
        wait_until(lambda: active.metrics()[0]["ActiveFlowCount_TCP"] == 0, "no active flow")
        assert curl(rig, active.url())
