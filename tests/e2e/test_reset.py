# SPDX-License-Identifier: BSD-3-Clause
"""Who gets a RST, and from whom; packets nobody asked for."""
import pytest
from traffic import HttpConnection
from wire import TCP, Ether, IP, Wire, ip_layer, is_tcp

STRANGER = {4: "10.77.0.99", 6: "fd77::99"}  # not the client's kernel's: it stays quiet


def to_balancer(rig, wire, packet):
    return Ether(src=wire.mac, dst=rig.mac("lb", rig.interfaces[0])) / packet


@pytest.mark.parametrize("family", [4, 6])
def test_a_packet_amid_no_flow_is_answered_with_a_reset(rig, sluice, family):
    with sluice.service("reset", rig.tasks, family=family) as reset, Wire(rig) as wire:
        wire.send(to_balancer(rig, wire, ip_layer(STRANGER[family], reset.vip)
                              / TCP(sport=50001, dport=reset.port, flags="A", seq=1000, ack=2000)))
        answer = wire.wait_for(lambda f: is_tcp(f, reset.port, 50001, "R"))
        # RFC 9293 section 3.10.7.1: the reset takes its sequence number from the ACK
        assert answer[TCP].seq == 2000
        assert answer.dst == wire.mac
        assert_checksums_right(answer)


@pytest.mark.parametrize("family", [4, 6])
def test_a_fin_amid_no_flow_is_answered_with_reset_and_ack(rig, sluice, family):
    with sluice.service("fin", rig.tasks, family=family) as fin, Wire(rig) as wire:
        wire.send(to_balancer(rig, wire, ip_layer(STRANGER[family], fin.vip)
                              / TCP(sport=50002, dport=fin.port, flags="F", seq=7000) / b"bye"))
        answer = wire.wait_for(lambda f: is_tcp(f, fin.port, 50002, "RA"))
        assert (answer[TCP].seq, answer[TCP].ack) == (0, 7004)  # 3 bytes and the FIN
        assert_checksums_right(answer)


def assert_checksums_right(frame):
    """Scapy fills in what is missing: take the checksums out and compare."""
    packet = frame.payload
    again = packet.copy()
    del again[TCP].chksum
    if IP in again:
        del again[IP].chksum
    assert bytes(type(packet)(bytes(again)))[:60] == bytes(packet)[:60]


def test_a_reset_amid_no_flow_is_not_answered(rig, sluice):
    with sluice.service("quiet", rig.tasks) as quiet, Wire(rig) as wire:
        wire.send(to_balancer(rig, wire, IP(src=STRANGER[4], dst=quiet.vip)
                              / TCP(sport=50003, dport=quiet.port, flags="R", seq=1)))
        # the next packet's answer is the first: nothing came for the RST before it
        wire.send(to_balancer(rig, wire, IP(src=STRANGER[4], dst=quiet.vip)
                              / TCP(sport=50004, dport=quiet.port, flags="A", seq=1, ack=1)))
        answer = wire.wait_for(lambda f: TCP in f and f[TCP].sport == quiet.port)
        assert answer[TCP].dport == 50004


def test_a_syn_to_no_listener_is_the_kernels(rig, sluice):
    with sluice.service("closed", rig.tasks) as closed, pytest.raises(ConnectionRefusedError):
        HttpConnection(rig, closed.vip, closed.port + 1)


def test_a_targets_refusal_reaches_the_client(rig, sluice):
    with sluice.service("refused", rig.tasks, port=81) as refused, \
            pytest.raises(ConnectionRefusedError):
        HttpConnection(rig, refused.vip, refused.port)


@pytest.mark.parametrize("preserve", [False, True], ids=["nat", "preserved"])
def test_a_retransmitted_syn_finds_its_flow(rig, sluice, preserve):
    with sluice.service("again", rig.tasks, preserve=preserve) as again, Wire(rig) as wire:
        syn = to_balancer(rig, wire, IP(src=STRANGER[4], dst=again.vip)
                          / TCP(sport=50005, dport=again.port, flags="S", seq=99))
        wire.send(syn)
        first = wire.wait_for(lambda f: is_tcp(f, again.port, 50005, "SA"))
        wire.send(syn)
        second = wire.wait_for(lambda f: is_tcp(f, again.port, 50005, "SA"))
        assert first[TCP].ack == second[TCP].ack == 100
        assert first[TCP].seq == second[TCP].seq  # the same target, the same socket
        assert first.dst == wire.mac  # nobody answers ARP for the stranger
