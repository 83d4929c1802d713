# SPDX-License-Identifier: BSD-3-Clause
"""Sends SYNs from a rig's client, and sees on the targets' wires which of them came where."""
import ctypes
import select
import socket
import struct
import time

ARRIVAL_S = 5
REPEAT_S = 0.5
ETH_P_IP, ETH_P_ALL = 0x0800, 3
PROTO_TCP = 6
SYN, ACK = 0x02, 0x10
FLOW_PORTS = 60000
FIRST_SOURCE = 0x0a4d0003  # 10.77.0.3
SCATTER = 2654435761       # odd: a sequence number of 32 bits for each flow, and none twice
SO_ATTACH_FILTER, SO_RCVBUFFORCE = 26, 33
# IPv4, TCP, SYN without ACK (classic BPF; the rig's packets have no options or tags): whatever else
# is on a wire may not fill the socket's buffer between two looks
ONLY_SYNS = [(0x30, 0, 0, 23), (0x15, 0, 4, PROTO_TCP), (0x30, 0, 0, 47), (0x54, 0, 0, SYN | ACK),
             (0x15, 0, 1, SYN), (0x06, 0, 0, 64), (0x06, 0, 0, 0)]


class Wires:
    def __init__(self, rig, vip, port=80, first_flow=0):
        self.vip, self.port = socket.inet_aton(vip), port
        self.flows = first_flow
        self.client = self._open(rig, "client")
        self.targets = {self._open(rig, task.name): task.v4 for task in rig.tasks}
        for wire in self.targets:
            self._see_only_syns(wire)
        self.macs = b"".join(
            bytes.fromhex(rig.mac(short, device).replace(":", ""))
            for short, device in (("lb", rig.interfaces[0]), ("client", "eth0")))

    @staticmethod
    def _open(rig, short, protocol=ETH_P_IP):
        with rig.inside(short):
            made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(protocol))
        made.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 4 << 20)
        made.bind(("eth0", 0))
        made.setblocking(False)
        return made

    @staticmethod
    def _see_only_syns(wire):
        code = b"".join(struct.pack("HBBI", *step) for step in ONLY_SYNS)
        program = ctypes.create_string_buffer(code, len(code))
        wire.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER,
                        struct.pack("HxxxxxxP", len(ONLY_SYNS), ctypes.addressof(program)))
        while select.select([wire], [], [], 0)[0]:  # from before the filter
            wire.recv(1)

    def _syn(self, flow):
        """The flow is told by its sequence number. The checksum is wrong: no target answers."""
        source = struct.pack("!I", FIRST_SOURCE + flow // FLOW_PORTS % 100)
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, 0, 0x4000, 64, PROTO_TCP, 0, source,
                         self.vip)
        total = sum(struct.unpack("!10H", ip))
        total = (total & 0xffff) + (total >> 16)
        total = (total & 0xffff) + (total >> 16)
        tcp = struct.pack("!HHIIBBHHH", 1024 + flow % FLOW_PORTS, self.port,
                          flow * SCATTER & 0xffffffff, 0, 0x50, SYN, 1024, 0, 0)
        return (self.macs + b"\x08\x00" + ip[:10] + struct.pack("!H", ~total & 0xffff) + ip[12:]
                + tcp)

    @staticmethod
    def _frames(wire):
        """(frame, ancillary data, whether it leaves) of each SYN that there is."""
        while True:
            try:
                frame, ancillary, _, origin = wire.recvmsg(64, 64)
            except BlockingIOError:
                return
            yield frame, ancillary, origin[2] == socket.PACKET_OUTGOING

    def _drain(self):
        """(sequence number, (target address, port)) of each SYN that has arrived."""
        for wire, address in self.targets.items():
            for frame, _, leaves in self._frames(wire):
                if not leaves:
                    sequence = int.from_bytes(frame[38:42], "big")
                    yield sequence, (address, int.from_bytes(frame[36:38], "big"))

    def new(self, count):
        """Numbers of so many flows that never were."""
        self.flows += count
        return range(self.flows - count, self.flows)

    def send(self, flows):
        for flow in flows:
            self.client.send(self._syn(flow))

    def where(self, flows):
        """Send a SYN of each flow, again where it got lost, as under load some do; {flow: (target
        address, port) it arrived at}."""
        flow_of = {flow * SCATTER & 0xffffffff: flow for flow in flows}
        seen = {}
        for _ in self._drain():  # room for what comes now
            pass
        self.send(flows)
        deadline = time.monotonic() + ARRIVAL_S
        again = time.monotonic() + REPEAT_S
        while True:
            for sequence, target in self._drain():
                if sequence in flow_of:  # others are health checks
                    seen[flow_of[sequence]] = target
            if len(seen) == len(flow_of):
                return seen
            if time.monotonic() > deadline:
                raise RuntimeError(f"{len(flow_of)} SYNs sent, {len(seen)} arrived")
            if time.monotonic() > again:
                self.send(flow for flow in flow_of.values() if flow not in seen)
                again += REPEAT_S
            select.select(list(self.targets), [], [], 0.01)

    def share(self, count):
        """Send SYNs of so many new flows: how many of them (address, port) got."""
        seen = {}
        for target in self.where(self.new(count)).values():
            seen[target] = seen.get(target, 0) + 1
        return seen
