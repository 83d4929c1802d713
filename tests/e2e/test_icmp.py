# SPDX-License-Identifier: BSD-3-Clause
"""ICMP errors about a flow follow it: path MTU discovery works, refusals arrive."""
import socket
import threading

import pytest
import rig as rigs
from sluice import Sluice
from traffic import client_socket, curl

SMALL_RIG = {"tasks": 1}


@pytest.fixture(scope="module", params=["client", "task"])
def narrow(request, make_rig):
    """A rig with a router whose link carries 1,300 bytes, before the clients or the tasks."""
    rig = make_rig(narrow=request.param, **SMALL_RIG)
    sluice = Sluice(rig).start()
    return rig, sluice


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("preserve", [False, True], ids=["nat", "preserved"])
def test_a_transfer_over_a_narrow_link_completes(narrow, family, preserve):
    """Only the ICMP error tells the sender to send less; without it the transfer hangs."""
    rig, sluice = narrow
    forget_path_mtus(rig)
    if rig.narrow == "client":
        with sluice.service("down", rig.tasks, family=family, preserve=preserve) as down:
            size = curl(rig, down.url("/big"), "-o", "/dev/null", "-w", "%{size_download}")
            assert int(size) == rigs.BIG_BYTES
            seen = (rig.client_v4, rig.client_v6) if preserve else rig.snat
            assert path_mtu(rig, "task1", seen[family == 6]) == rigs.NARROW_MTU
    else:
        with sluice.service("up", rig.tasks, family=family, preserve=preserve, port=5400) as up:
            received = upload(rig, up, 8 << 20)
            assert received == 8 << 20
            assert path_mtu(rig, "client", up.vip) == rigs.NARROW_MTU


def forget_path_mtus(rig):
    """Drop what earlier tests made the senders learn."""
    for short in ("client", *[task.name for task in rig.tasks]):
        rig.ip(short, "route flush cache\n-6 route flush cache")


def path_mtu(rig, short, towards):
    """The path MTU a host learned towards an address, None for none."""
    words = rig.exec(short, "ip", "route", "get", towards).stdout.split()
    return int(words[words.index("mtu") + 1]) if "mtu" in words else None


def upload(rig, service, size):
    """Send size bytes to a plain TCP server in task1; returns how many arrived."""
    task = rig.tasks[0]
    family = socket.AF_INET if service.family == 4 else socket.AF_INET6
    with rig.inside(task.name):
        server = socket.create_server((task.address(service.family), service.target_port),
                                      family=family)
    arrived = []

    def receive():
        server.settimeout(10)
        with server, server.accept()[0] as peer:
            peer.settimeout(10)
            while got := len(peer.recv(1 << 20)):
                arrived.append(got)

    receiver = threading.Thread(target=receive)
    receiver.start()
    try:
        with client_socket(rig, service.vip) as client:
            client.connect((service.vip, service.port))
            client.sendall(bytes(size))
    finally:
        receiver.join()
    return sum(arrived)


@pytest.mark.parametrize("family", [4, 6])
def test_port_unreachable_of_a_target_reaches_the_client(rig, sluice, family):
    with sluice.service("refuse", rig.tasks[:1], protocol="UDP", port=9999,
                        family=family) as refuse:
        with client_socket(rig, refuse.vip, socket.SOCK_DGRAM) as client:
            client.connect((refuse.vip, refuse.port))
            client.send(b"anyone?")
            with pytest.raises(ConnectionRefusedError):
                client.recv(100)


def test_the_vip_can_be_pinged(rig, sluice):
    """What is not a flow's is the kernel's: unlike an NLB, the VIP answers an echo request."""
    with sluice.service("pinged", rig.tasks) as pinged:
        with rig.inside("client"):
            raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        with raw:
            raw.settimeout(5)
            echo = bytes([8, 0, 0, 0, 0x12, 0x34, 0, 1])
            check = ~sum(int.from_bytes(echo[i:i + 2], "big") for i in range(0, 8, 2)) & 0xffff
            raw.sendto(echo[:2] + check.to_bytes(2, "big") + echo[4:], (pinged.vip, 0))
            answer = raw.recv(100)
            assert answer[20:22] == b"\0\0" and answer[24:28] == b"\x12\x34\0\1"
