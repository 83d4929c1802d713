# SPDX-License-Identifier: BSD-3-Clause
"""How long RegisterTargets takes, from sending the call to its reply, over the control
socket of a real sluiced on the XDP engine, in the rig of the end-to-end tests.

A reply must mean that packets already go there: right after each, SYNs of as many new
flows are sent to the VIP and looked for on the targets' wires. A new target that gets
none, or a SYN at a target whose deregistration was answered, ends the benchmark.
The store is on a disk, not in memory: each reply waited for its fsync.
"""
import json
import os
import select
import selectors
import socket
import struct
import sys
import tempfile
import time

import results

sys.path.insert(0, str(results.ROOT / "tests" / "e2e"))

import rig as rigs  # noqa: E402
from sluice import Sluice  # noqa: E402

PREFIX = "sluice-bench"
ROUNDS = 1 if results.is_quick() else 5
ONE_CALLS = 200        # of one target, a round
MANY_CALLS = 20        # of 1,000 targets, a round
MANY = 1000            # also the most a group takes
CONNECTIONS = 16
CONCURRENT_CALLS = 60  # of each connection, a round
ONE_SYNS = 32          # two targets share them: none at the new one once in 2^32
MANY_SYNS = 256
ARRIVAL_S = 5
WAL_BYTES = 2 * 4120   # two pages of SQLite's write-ahead log

AIMS = {
    ("register_one", "reply_ms_p99"): ("<=", 5),
    ("register_1000", "reply_ms_p99"): ("<=", 50),
    ("register_one_concurrent", "calls_per_second"): (">=", 2000),
}

ETH_P_IP = 0x0800
PROTO_TCP = 6
SYN, ACK = 0x02, 0x10


class Connection:
    """A connection to the control socket."""

    def __init__(self, sluice):
        self.socket = sluice.connect()
        self.unread = b""

    def send(self, line):
        self.socket.sendall(line)

    def receive(self):
        """True when the reply is there whole; it must be no error."""
        self.unread += self.socket.recv(65536)
        if not self.unread.endswith(b"\n"):
            return False
        answer = json.loads(self.unread)
        self.unread = b""
        if "result" not in answer:
            raise RuntimeError(f"sluiced answered {answer}")
        return True

    def call(self, line):
        """Milliseconds from sending to the reply."""
        begin = time.perf_counter()
        self.send(line)
        while not self.receive():
            pass
        return (time.perf_counter() - begin) * 1000


class Wires:
    """Sends SYNs from the client, and sees them arrive at the targets."""

    def __init__(self, rig, vip):
        self.vip = socket.inet_aton(vip)
        self.flows = 0
        self.client = self._open(rig, "client")
        self.targets = {self._open(rig, task.name): task.v4 for task in rig.tasks}
        self.macs = b"".join(
            bytes.fromhex(rig.exec(short, "ip", "-o", "link", "show", "dev", device)
                          .stdout.split("link/ether ")[1].split()[0].replace(":", ""))
            for short, device in (("lb", rig.interfaces[0]), ("client", "eth0")))

    @staticmethod
    def _open(rig, short):
        with rig.inside(short):
            made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_IP))
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        made.bind(("eth0", 0))
        made.setblocking(False)
        return made

    def _syn(self):
        """Of a flow never seen before. Its TCP checksum is wrong: the target does not answer."""
        self.flows += 1
        source = struct.pack("!I", 0x0a4d0003 + self.flows // 60000 % 100)
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, 0, 0x4000, 64, PROTO_TCP, 0, source,
                         self.vip)
        total = sum(struct.unpack("!10H", ip))
        total = (total & 0xffff) + (total >> 16)
        total = (total & 0xffff) + (total >> 16)
        tcp = struct.pack("!HHIIBBHHH", 1024 + self.flows % 60000, 80, self.flows * 2654435761
                          & 0xffffffff, 0, 0x50, SYN, 1024, 0, 0)
        return (self.macs + b"\x08\x00" + ip[:10] + struct.pack("!H", ~total & 0xffff) + ip[12:]
                + tcp)

    def _drain(self):
        """(target address, port) of each SYN that has arrived."""
        for wire, address in self.targets.items():
            while True:
                try:
                    frame, origin = wire.recvfrom(128)
                except BlockingIOError:
                    break
                if (origin[2] != socket.PACKET_OUTGOING and frame[23] == PROTO_TCP
                        and frame[47] & (SYN | ACK) == SYN):
                    yield address, int.from_bytes(frame[36:38], "big")

    def share(self, count):
        """Send SYNs of so many new flows: which (address, port) got how many of them."""
        for _ in self._drain():
            raise RuntimeError("a SYN arrived that was not sent in this round")
        for _ in range(count):
            self.client.send(self._syn())
        seen = {}
        deadline = time.monotonic() + ARRIVAL_S
        while sum(seen.values()) < count:
            for target in self._drain():
                seen[target] = seen.get(target, 0) + 1
            if time.monotonic() > deadline:
                raise RuntimeError(f"{count} SYNs sent, {sum(seen.values())} arrived: {seen}")
            select.select(list(self.targets), [], [], 0.01)
        return seen


def expect(seen, allowed, wanted, when):
    """Only allowed targets got SYNs, and those that had to get some did."""
    if not set(seen) <= set(allowed):
        raise RuntimeError(f"{when}: SYNs at {sorted(set(seen) - set(allowed))}")
    if not set(wanted) <= set(seen):
        raise RuntimeError(f"{when}: no SYN at {sorted(set(wanted) - set(seen))} of {seen}")


def request(method, group, targets):
    described = [{"Id": address, "Port": port} for address, port in targets]
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method,
                       "params": {"TargetGroupArn": group, "Targets": described}}
                      ).encode() + b"\n"


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def disk_times(directory):
    """Milliseconds that the disk takes for what a commit of the store asks of it."""
    times = []
    with open(os.path.join(directory, "probe"), "wb", buffering=0) as file:
        for _ in range(ONE_CALLS):
            file.write(bytes(WAL_BYTES))
            begin = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - begin) * 1000)
    return times


class Bench:
    def __init__(self, rig, sluice):
        self.service = sluice.service("bench", [])
        self.group = self.service.tg_arn
        self.sluice, self.rig = sluice, rig
        self.wires = Wires(rig, self.service.vip)
        self.connection = Connection(sluice)
        self.stays = (rig.tasks[0].v4, 80)
        self.port = 10000

    def fresh(self, count):
        """Targets that never were registered before."""
        if self.port + count > 65535:
            self.port = 10000
        self.port += count
        return [(self.rig.tasks[1].v4, port) for port in range(self.port - count, self.port)]

    def register(self, targets):
        return self.connection.call(request("RegisterTargets", self.group, targets))

    def deregister(self, targets):
        return self.connection.call(request("DeregisterTargets", self.group, targets))

    def one(self):
        """A round of single registrations beside a target that stays; milliseconds of each."""
        self.register([self.stays])
        times = []
        for target in self.fresh(ONE_CALLS):
            times.append(self.register([target]))
            expect(self.wires.share(ONE_SYNS), [self.stays, target], [target], "registered")
            self.deregister([target])
            expect(self.wires.share(ONE_SYNS), [self.stays], [self.stays], "deregistered")
        self.deregister([self.stays])
        return times

    def replace(self, targets):
        """Take targets out, of which there may be as many as a group takes."""
        self.deregister(targets[:1])
        self.register([self.stays])
        self.deregister(targets[1:])
        expect(self.wires.share(ONE_SYNS), [self.stays], [self.stays], "many deregistered")
        self.deregister([self.stays])

    def many(self):
        times = []
        for _ in range(MANY_CALLS):
            targets = self.fresh(MANY)
            times.append(self.register(targets))
            seen = self.wires.share(MANY_SYNS)
            expect(seen, targets, [], "1,000 registered")
            if len(seen) < MANY_SYNS / 2:
                raise RuntimeError(f"{MANY_SYNS} flows went to {len(seen)} of {MANY} targets only")
            self.replace(targets)
        return times

    def concurrent(self):
        """Calls a second, each of one target, all into one group."""
        targets = self.fresh(CONNECTIONS * CONCURRENT_CALLS)
        waiting = [request("RegisterTargets", self.group, [target]) for target in targets]
        done = 0
        with selectors.DefaultSelector() as selector:
            begin = time.perf_counter()
            for _ in range(CONNECTIONS):
                connection = Connection(self.sluice)
                selector.register(connection.socket, selectors.EVENT_READ, connection)
                connection.send(waiting.pop())
            while done < len(targets):
                for key, _ in selector.select():
                    if not key.data.receive():
                        continue
                    done += 1
                    if waiting:
                        key.data.send(waiting.pop())
            seconds = time.perf_counter() - begin
            for key in list(selector.get_map().values()):
                key.data.socket.close()
        expect(self.wires.share(MANY_SYNS), targets, [], "registered over many connections")
        self.replace(targets)
        return len(targets) / seconds

    def run(self, disk):
        one, many, rate, fsync = [], [], [], []
        for _ in range(ROUNDS):
            fsync.append(disk_times(disk))
            one.append(self.one())
            many.append(self.many())
            rate.append(self.concurrent())
        measured = []
        for case, rounds in (("register_one", one), ("register_1000", many),
                             ("disk_fdatasync", fsync)):
            for metric, share in (("reply_ms_p50", 0.5), ("reply_ms_p99", 0.99)):
                measured.append(results.result(case, metric, "ms",
                                               [percentile(times, share) for times in rounds]))
        measured.append(results.result("register_one_concurrent", "calls_per_second", "1/s", rate))
        return measured


def main():
    rigs.sweep_dead(PREFIX)
    # /var/tmp is on a disk where /run and perhaps /tmp are not
    with (tempfile.TemporaryDirectory(dir="/var/tmp", prefix="sluice-bench-") as disk,
          rigs.Rig(f"{PREFIX}-{os.getpid()}", tasks=2) as rig):
        sluice = Sluice(rig, max_flows=1048576, max_targets=65535)
        sluice.config["store"]["path"] = os.path.join(disk, "sluice.db")
        sluice.start()
        measured = Bench(rig, sluice).run(disk)
        sluice.stop()
    results.finish("registration", measured, AIMS)


main()
