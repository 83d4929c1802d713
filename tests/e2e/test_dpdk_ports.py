# SPDX-License-Identifier: BSD-3-Clause
"""Ports and workers of the dpdk engine: links, several queues, large frames, rest."""
import json
import os
import socket
import time

import pytest
import rig as rigs
from sluice import STANDARD_CHECKS, Sluice
from traffic import HttpConnection, Load, client_socket, curl, udp_ask, who_answers

pytestmark = pytest.mark.engine("dpdk", reason="its ports and workers")
JUMBO_MTU = 9000
# what holds 9,000 bytes, both VLAN tags and the headers that the kernel puts before a frame
JUMBO_RING = "framesz=9088,blocksz=290816,framecnt=512"


def by_af_packet(sluice, *arguments):
    """Have the ports driven by net_af_packet, which has as many queues as wanted."""
    rig = sluice.rig
    for i, port in enumerate(sluice.config["engine"]["dpdk"]["ports"]):
        wire = rig.port(port["interface"])
        # merged frames are longer than its ring's
        rig.exec("lb", "ethtool", "-K", wire, "gro", "off")
        port["device"] = ",".join((f"net_af_packet{i}", f"iface={wire}", *arguments))


def has_links(sluice):
    return [device["Up"] for device in sluice.rpc("DescribeEngine")["Dpdk"]["Devices"]]


@pytest.mark.parametrize("cut", ["the cable", "the port"])
def test_flows_outlive_a_port_that_goes_down_and_comes_back(rig, sluice, cut):
    short, interface = {"the cable": ("switch", "lb"),
                        "the port": ("lb", rig.port("tasks"))}[cut]
    # or the probes that fail meanwhile would end the flows
    lasting = {"target_health_state.unhealthy.connection_termination.enabled": "false"}
    with sluice.service("cut", rig.tasks, attributes=lasting) as one, \
            sluice.service("six", rig.tasks, family=6, preserve=True, attributes=lasting) as six:
        connections = [HttpConnection(rig, each.vip, each.port) for each in (one, six)
                       for _ in range(10)]
        owners = [connection.get() for connection in connections]
        rig.ip(short, f"link set {interface} down")
        rigs.wait_until(lambda: has_links(sluice) == [True, False], "the link is down")
        rig.ip(short, f"link set {interface} up")
        rigs.wait_until(lambda: has_links(sluice) == [True, True], "the link is up")
        assert [connection.get() for connection in connections] == owners
        rigs.wait_until(lambda: curl(rig, one.url()).strip() in {"task1", "task2", "task3"},
                        "new flows are served")
        for connection in connections:
            connection.close()


def test_answers_may_come_by_another_worker(make_rig):
    """Two queues, spread over by the kernel's hash of each packet: half of the flows have their
    answers, whose addresses differ, on the other worker."""
    rig = make_rig()
    sluice = Sluice(rig)
    by_af_packet(sluice, "qpairs=2")
    sluice.config["engine"]["dpdk"]["workers"] = [0, 1]
    sluice.start()
    info = sluice.rpc("DescribeEngine")["Dpdk"]
    assert info["WorkerCpus"] == [0, 1]
    assert [device["Queues"] for device in info["Devices"]] == [2, 2]
    for family in (4, 6):
        with sluice.service("two", rig.tasks, family=family, attributes=STANDARD_CHECKS) as two:
            assert who_answers(rig, two.url(), 200).total() == 200
            size = curl(rig, two.url("/big"), "-o", "/dev/null", "-w", "%{size_download}")
            assert int(size) == rigs.BIG_BYTES
            with Load(rig, two.url()) as load:
                rigs.wait_until(lambda: two.metrics()[0]["NewFlowCount_TCP"] > 2000, "load", 60)
                load.stop()
            assert load.failed == 0, load.output
            rigs.wait_until(lambda: counts_agree(two), "no worker's counts are missing")
    with sluice.service("udp", [rig.echo], protocol="UDP", port=rigs.ECHO_PORT) as udp:
        for i in range(100):
            assert udp_ask(rig, udp.vip, udp.port, b"%d" % i) == b"%d" % i
    assert {thread["cpu"] for thread in threads(sluice) if "worker" in thread["name"]} == {0, 1}


def counts_agree(service):
    """A SYN that was on its way when the load ended may come between two readings."""
    balancer, group, targets = service.metrics()
    return balancer["NewFlowCount_TCP"] == group["NewFlowCount_TCP"] == \
        sum(target["NewFlowCount_TCP"] for target in targets.values())


def threads(sluice):
    """Name, CPU last run on, and (ns on a CPU, ns waiting for one) of each thread."""
    directory = f"/proc/{sluice.process.pid}/task"
    found = []
    for task in os.listdir(directory):
        with open(f"{directory}/{task}/stat", encoding="ascii") as file:
            name, rest = file.read().split("(", 1)[1].rsplit(")", 1)
        with open(f"{directory}/{task}/schedstat", encoding="ascii") as file:
            ran_ns, waited_ns = map(int, file.read().split()[:2])
        found.append({"name": name, "cpu": int(rest.split()[36]), "ran_ns": ran_ns,
                      "waited_ns": waited_ns})
    return found


def test_frames_of_9000_bytes_pass(make_rig):
    rig = make_rig(tasks=1)
    ends = [("client", "eth0"), ("lb", rig.port("clients")), ("lb", rig.port("tasks")),
            ("switch", "lb"), ("switch", "task1"), ("switch", "echo"), ("task1", "eth0"),
            ("echo", "eth0")]
    for short, interface in ends:
        rig.ip(short, f"link set {interface} mtu {JUMBO_MTU}")
    rig.ip("switch", f"link set br0 mtu {JUMBO_MTU}")
    sluice = Sluice(rig)
    by_af_packet(sluice, JUMBO_RING)
    for port in sluice.config["engine"]["dpdk"]["ports"]:
        port["mtu"] = JUMBO_MTU
    sluice.start()
    (link,) = json.loads(rig.exec("lb", "ip", "-j", "link", "show", "dev", "clients").stdout)
    assert link["mtu"] == JUMBO_MTU
    for family, headers in ((4, 28), (6, 48)):
        with sluice.service("echo", [rig.echo], protocol="UDP", port=rigs.ECHO_PORT,
                            family=family) as echo, \
                client_socket(rig, echo.vip, socket.SOCK_DGRAM) as client:
            # IP_MTU_DISCOVER, IPV6_MTU_DISCOVER: sent whole, or not at all
            client.setsockopt(*((socket.IPPROTO_IP, 10, 2) if family == 4 else
                                (socket.IPPROTO_IPV6, 23, 2)))
            client.connect((echo.vip, echo.port))
            datagram = os.urandom(JUMBO_MTU - headers)
            client.send(datagram)
            assert client.recv(65535) == datagram
        with sluice.service("big", rig.tasks, family=family) as big:
            size = curl(rig, big.url("/big"), "-o", "/dev/null", "-w", "%{size_download}")
            assert int(size) == rigs.BIG_BYTES
    assert [device["TooLong"] for device in sluice.rpc("DescribeEngine")["Dpdk"]["Devices"]] == \
        [0, 0]


def test_a_worker_at_rest_leaves_its_cpu_alone_unless_it_polls(make_rig):
    rig = make_rig(tasks=1)
    sluice = Sluice(rig)
    wanted = {}
    for idle in ("sleep", "poll"):
        sluice.config["engine"]["dpdk"]["idle"] = idle
        sluice.start()
        assert sluice.rpc("DescribeEngine")["Dpdk"]["Idle"] == idle
        wanted[idle] = measure_rest(sluice)
        with sluice.service("rest", rig.tasks) as service:
            assert curl(rig, service.url()) == "task1\n"
        sluice.stop()
    # of one CPU: on it, or polling in the queue for it, where others want it as well
    ran, waited = wanted["poll"]
    assert ran + waited > 0.9
    assert wanted["sleep"][0] < 0.3


def test_a_worker_waits_for_interrupts_where_the_device_has_them(make_rig):
    """net_tap has them. Its interfaces stand in the balancer's namespace, so bridges join them to
    the wires."""
    rig = make_rig()
    sluice = Sluice(rig)
    dpdk = sluice.config["engine"]["dpdk"]
    dpdk["idle"] = "interrupt"
    for i, port in enumerate(dpdk["ports"]):
        port["device"] = f"net_tap{i},iface=dpdk{i}"
    sluice.start()
    # to the kernel, what the bridges see is not for it; nor do they know the device's MAC as theirs
    rig.exec("lb", "sh", "-e", "-c", "cd /proc/sys/net; echo 1 >ipv4/conf/default/rp_filter; "
                                     "echo 1 >ipv6/conf/default/disable_ipv6")
    for i, port in enumerate(dpdk["ports"]):
        rig.ip("lb", f"link add br{i} type bridge mcast_snooping 0\nlink set br{i} up\n"
                     f"link set dpdk{i} address 02:77:00:00:01:0{i}\n"
                     f"link set dpdk{i} master br{i}\n"
                     f"link set {rig.port(port['interface'])} master br{i}")
    with sluice.service("woken", rig.tasks) as woken:
        assert set(who_answers(rig, woken.url(), 60)) == {"task1", "task2", "task3"}
        size = curl(rig, woken.url("/big"), "-o", "/dev/null", "-w", "%{size_download}")
        assert int(size) == rigs.BIG_BYTES
    assert sluice.rpc("DescribeEngine")["Dpdk"]["Idle"] == "interrupt"
    assert measure_rest(sluice)[0] < 0.3


def measure_rest(sluice):
    """Shares of a CPU that the busiest worker had, and waited for, over one second."""
    def workers():
        return {(thread["name"], thread["cpu"]): thread for thread in threads(sluice)
                if "worker" in thread["name"]}

    before, began = workers(), time.monotonic_ns()
    time.sleep(1)
    after, took = workers(), time.monotonic_ns() - began
    return max(((after[key]["ran_ns"] - before[key]["ran_ns"]) / took,
                (after[key]["waited_ns"] - before[key]["waited_ns"]) / took)
               for key in before if key in after)
