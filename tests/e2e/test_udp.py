# SPDX-License-Identifier: BSD-3-Clause
"""UDP and TCP_UDP listeners. Groups of these protocols always keep the client's address."""
import collections
import socket

import pytest
import rig as rigs
from traffic import client_socket, udp_ask, who_answers

DATAGRAMS = 100
NAMED_PORT = 5300


@pytest.fixture(scope="module", autouse=True)
def named_echoes(rig):
    """A UDP echo in each task that says its task's name."""
    for task in rig.tasks:
        rig.start_echo(task, NAMED_PORT, with_name=True)
        rig.start_echo(task, rigs.HTTP_PORT, with_name=True)


@pytest.mark.parametrize("family", [4, 6])
def test_every_datagram_is_answered(rig, sluice, family):
    with sluice.service("echo", [rig.echo], protocol="UDP", port=rigs.ECHO_PORT,
                        family=family) as echo:
        for i in range(DATAGRAMS):
            assert udp_ask(rig, echo.vip, echo.port, b"%d" % i) == b"%d" % i


@pytest.mark.parametrize("family", [4, 6])
def test_sockets_spread_over_all_targets(rig, sluice, family):
    with sluice.service("named", rig.tasks, protocol="UDP", port=NAMED_PORT,
                        family=family) as named:
        answers = collections.Counter(udp_ask(rig, named.vip, named.port).split()[0].decode()
                                      for _ in range(DATAGRAMS))
        assert set(answers) == {"task1", "task2", "task3"}


def test_a_socket_stays_with_its_target(rig, sluice):
    with sluice.service("named", rig.tasks, protocol="UDP", port=NAMED_PORT) as named:
        with client_socket(rig, named.vip, socket.SOCK_DGRAM) as client:
            client.connect((named.vip, named.port))
            names = set()
            for i in range(DATAGRAMS):
                client.send(b"%d" % i)
                name, echoed = client.recv(100).split()
                assert echoed == b"%d" % i
                names.add(name)
            assert len(names) == 1


@pytest.mark.parametrize("family", [4, 6])
def test_the_target_sees_the_clients_address_and_port(rig, sluice, family):
    task = rig.tasks[0]
    with sluice.service("seen", [task], protocol="UDP", port=5301, family=family) as seen:
        with client_socket(rig, seen.vip, socket.SOCK_DGRAM, 40000) as client, \
                client_socket(rig, task.address(family), socket.SOCK_DGRAM, 5301,
                              task.name) as server:
            client.sendto(b"hello", (seen.vip, 5301))
            payload, source = server.recvfrom(100)
            assert payload == b"hello"
            assert source[:2] == (rig.client_v4 if family == 4 else rig.client_v6, 40000)


def test_one_port_serves_tcp_and_udp(rig, sluice):
    with sluice.service("both", rig.tasks, protocol="TCP_UDP", port=rigs.HTTP_PORT) as both:
        answers = who_answers(rig, both.url(), DATAGRAMS)
        assert set(answers) == {"task1", "task2", "task3"}
        names = {udp_ask(rig, both.vip, both.port).split()[0] for _ in range(DATAGRAMS)}
        assert names == {b"task1", b"task2", b"task3"}


def test_an_empty_datagram_passes(rig, sluice):
    with sluice.service("empty", [rig.echo], protocol="UDP", port=rigs.ECHO_PORT) as echo:
        assert udp_ask(rig, echo.vip, echo.port, b"") == b""
