# SPDX-License-Identifier: BSD-3-Clause
"""Hand-made packets on an interface of the rig, and what comes back."""
import logging
import select
import socket
import time

logging.getLogger("scapy.runtime").setLevel(logging.ERROR)
from scapy.layers.inet import IP, TCP, UDP  # noqa: E402
from scapy.layers.inet6 import IPv6  # noqa: E402
from scapy.layers.l2 import Ether  # noqa: E402

ETH_P_ALL = 3


class Wire:
    """An AF_PACKET socket; frames of our own sending are not received."""

    def __init__(self, rig, short="client", interface="eth0"):
        with rig.inside(short):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.bind((interface, 0))
        self.mac = rig.mac(short, interface)

    def send(self, packet):
        self.socket.send(bytes(packet))

    def wait_for(self, matches, timeout_s=5):
        """The first frame for which matches(frame) is true; AssertionError when none comes."""
        deadline = time.monotonic() + timeout_s
        while (left := deadline - time.monotonic()) > 0:
            if not select.select([self.socket], [], [], left)[0]:
                break
            data, address = self.socket.recvfrom(65535)
            if address[2] != socket.PACKET_OUTGOING:
                frame = Ether(data)
                if matches(frame):
                    return frame
        raise AssertionError(f"no such frame within {timeout_s} s")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


def ip_layer(source, destination, **fields):
    return (IPv6 if ":" in source else IP)(src=source, dst=destination, **fields)


def is_tcp(frame, source_port, destination_port, flags):
    return (TCP in frame and frame[TCP].sport == source_port
            and frame[TCP].dport == destination_port and frame[TCP].flags == flags)


__all__ = ["Ether", "IP", "IPv6", "TCP", "UDP", "Wire", "ip_layer", "is_tcp"]
