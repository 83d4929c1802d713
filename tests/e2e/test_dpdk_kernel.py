# SPDX-License-Identifier: BSD-3-Clause
"""The kernel is the dpdk engine's slow path: the balancer's own addresses work, flood or not."""
import socket
import threading

import pytest
from rig import wait_until
from sluice import STANDARD_CHECKS, Sluice
from traffic import HttpConnection, Load, curl, family_of, udp_ask
from wire import IP, UDP, Ether, Wire

pytestmark = pytest.mark.engine("dpdk", reason="in the xdp engine the kernel has all packets first")
KERNEL_PPS = 2000  # few, so that a flood by Python exceeds it on any machine
FLOOD_EVERY_S, FLOOD_BATCH = 0.005, 100  # ten times that, and less than overflows a receive ring
FLOOD_PORT = 9
TRANSFER_BYTES = 4 << 20


@pytest.fixture(scope="module")
def module_sluice(rig):
    for short in ("client", "task1", "lb"):
        rig.exec(short, "sh", "-c", "echo 0 0 >/proc/sys/net/ipv4/ping_group_range")
    sluice = Sluice(rig)
    # the kernel's frames go through all buffers of the pool: also of one that lies in small pages
    sluice.config["engine"]["dpdk"].update(kernel_pps=KERNEL_PPS, hugepages="off")
    return sluice.start()


def ping(rig, short, address):
    """One echo request and its answer; socket.timeout when none comes."""
    family = family_of(address)
    v6 = family == socket.AF_INET6
    with rig.inside(short):
        pinger = socket.socket(family, socket.SOCK_DGRAM,
                               socket.IPPROTO_ICMPV6 if v6 else socket.IPPROTO_ICMP)
    with pinger:
        pinger.settimeout(5)
        pinger.sendto(bytes([128 if v6 else 8, 0, 0, 0, 0, 0, 0, 1]) + b"sluice", (address, 0))
        assert pinger.recv(100).endswith(b"sluice")


def test_the_balancer_is_pinged_and_pings(rig, sluice):
    """ARP and ND go before it: nobody knows a neighbour."""
    rig.forget_neighbours("client", "task1", "lb")
    for address in (rig.client_lb_v4, rig.client_lb_v6):
        ping(rig, "client", address)
    for address in (rig.task_lb_v4, rig.task_lb_v6):
        ping(rig, "task1", address)
    rig.forget_neighbours("client", "task1", "lb")
    for address in (rig.client_v4, rig.client_v6, rig.tasks[0].v4, rig.tasks[0].v6):
        ping(rig, "lb", address)


@pytest.mark.parametrize("family", [4, 6])
def test_a_connection_to_the_balancer_itself_carries_data(rig, sluice, family):
    """As ssh's or BGP's: a server in the balancer's namespace."""
    address = rig.client_lb_v4 if family == 4 else rig.client_lb_v6
    with rig.inside("lb"):
        server = socket.create_server((address, 2222), family=family_of(address))

    def echo():
        with server, server.accept()[0] as peer:
            peer.settimeout(10)
            while data := peer.recv(1 << 16):
                peer.sendall(data)

    worker = threading.Thread(target=echo)
    server.settimeout(10)
    worker.start()
    try:
        with rig.inside("client"):
            client = socket.create_connection((address, 2222), timeout=10)
        with client:
            sender = threading.Thread(target=lambda: (client.sendall(bytes(TRANSFER_BYTES)),
                                                      client.shutdown(socket.SHUT_WR)))
            sender.start()
            received = 0
            while data := client.recv(1 << 16):
                received += len(data)
            sender.join()
        assert received == TRANSFER_BYTES
    finally:
        worker.join()


@pytest.mark.parametrize("family", [4, 6])
def test_the_balancer_connects_to_tasks_as_probes_do(rig, sluice, family):
    for task in rig.tasks:
        with HttpConnection(rig, task.address(family), 80, short="lb") as probe:
            assert probe.get() == task.name


def to_kernel(sluice):
    """(passed on, over the limit) over all ports."""
    devices = sluice.rpc("DescribeEngine")["Dpdk"]["Devices"]
    return (sum(device["ToKernel"] for device in devices),
            sum(device["ToKernelLimited"] for device in devices))


class Flood:
    """Datagrams to the balancer's own address."""

    def __init__(self, rig):
        self.wire = Wire(rig)
        self.frame = bytes(Ether(src=self.wire.mac,
                                 dst=rig.mac("lb", rig.interfaces[0]))
                           / IP(src=rig.client_v4, dst=rig.client_lb_v4)
                           / UDP(sport=FLOOD_PORT, dport=FLOOD_PORT) / b"flood")
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._send)

    def _send(self):
        while not self.over.wait(FLOOD_EVERY_S):
            for _ in range(FLOOD_BATCH):
                self.wire.socket.send(self.frame)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
        self.wire.socket.close()


def test_a_flood_to_the_kernel_starves_neither_flows_nor_neighbours(rig, sluice):
    with sluice.service("calm", rig.tasks, attributes=STANDARD_CHECKS) as calm, \
            HttpConnection(rig, calm.vip, calm.port) as kept:
        kept.get()
        passed, limited = to_kernel(sluice)
        with Flood(rig), Load(rig, calm.url(), connections=4) as load:
            wait_until(lambda: to_kernel(sluice)[1] > limited + 5 * KERNEL_PPS,
                       "packets over the limit", 30)
            # ARP and ND have a share of their own: who is asked for is found
            for _ in range(5):
                rig.forget_neighbours("client", "task1", "lb")
                assert curl(rig, calm.url()).strip() in {"task1", "task2", "task3"}
            assert kept.get()
            load.stop()
        # on a busy machine a full receive ring may cost a SYN, which comes again after a second
        assert load.broken == 0, load.output
        assert load.requests > 100 * (load.failed + 1), load.output
        assert to_kernel(sluice)[0] > passed
    ping_after_the_flood(rig)


def ping_after_the_flood(rig):
    def answers():
        try:
            ping(rig, "client", rig.client_lb_v4)
        except TimeoutError:
            return False
        return True

    wait_until(answers, "the kernel's packets pass again", 20)


def test_what_no_listener_has_is_the_kernels(rig, sluice):
    with rig.inside("lb"):
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with server:
        server.bind((rig.client_lb_v4, 5353))

        def answer():
            data, peer = server.recvfrom(100)
            server.sendto(data[::-1], peer)

        worker = threading.Thread(target=answer)
        worker.start()
        assert udp_ask(rig, rig.client_lb_v4, 5353, b"abc") == b"cba"
        worker.join()
