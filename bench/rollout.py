# SPDX-License-Identifier: BSD-3-Clause
"""A rolling replacement of 100 targets under load, as a deployment does it: one new target in,
and when it has its first flow, one old target out, 100 times.

Two loads go on meanwhile: wrk with a connection for each request, and connections that are kept,
ask again and again, and live shorter than the deregistration delay. Neither may notice anything.
When flows begin at a target is read from the time stamps of SYNs on the wires of the targets.
"""
import collections
import errno
import multiprocessing
import os
import socket
import struct
import sys
import time

import results

sys.path.insert(0, str(results.ROOT / "tests" / "e2e"))

import rig as rigs  # noqa: E402
from sluice import STANDARD_CHECKS, Sluice  # noqa: E402
from traffic import HttpConnection, Load  # noqa: E402
from wires import ETH_P_ALL, Wires  # noqa: E402

PREFIX = "sluice-bench"
QUICK = results.is_quick()
ROUNDS = 1 if QUICK else 3
TARGETS = 100
TASKS = 4            # namespaces, with TARGETS / TASKS addresses of each generation
PACE_S = 0.05        # from one replacement to the next, at least
DELAY_S = 4 if QUICK else 8  # deregistration delay
KEPT = 64            # kept connections
KEPT_LIFE_S = DELAY_S / 2    # of one; then another is opened
KEPT_PAUSE_S = 0.05  # between requests of one
BATCH = 32           # SYNs sent between two looks for the first flow
READY = 1024         # SYNs made beforehand: making one takes longer than sending it
PATIENCE_S = 5
PROBE_PORT_MIN = 61440  # source ports from here on are of health checks

NONE_ALLOWED = ["requests_failed", "connections_reset", "flows_after_answer"]
AIMS = {
    **{("rolling_100", metric): ("<=", 0) for metric in NONE_ALLOWED},
    ("rolling_100", "register_to_first_flow_ms_p99"): ("<=", 20),
}

SO_TIMESTAMPNS = 35
TIMESPEC = struct.Struct("qq")


class FirstPackets(Wires):
    """When flows began and where: SYNs on the wires, with the kernel's time stamps. A flow begins
    when its SYN leaves the client; on a busy machine it may be long on its way to the target."""

    def __init__(self, rig, vip, port):
        super().__init__(rig, vip, port)
        self.seen = collections.defaultdict(list)  # address: (began, arrived), ns on the wall clock
        self.sent = collections.defaultdict(list)  # sequence number: ns of each time it left
        self.known = set()  # a SYN that is sent again begins nothing
        self.ready = []
        self.sender = self._open(rig, "client", ETH_P_ALL)  # or it would not see what leaves
        self._see_only_syns(self.sender)
        for wire in (self.sender, *self.targets):
            wire.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            for _ in self._frames(wire):  # what has no time stamp
                pass

    def make_ready(self):
        self.ready += [self._syn(flow) for flow in self.new(READY - len(self.ready))]

    def send_ready(self, count):
        if len(self.ready) < count:
            self.make_ready()
        for _ in range(count):
            try:
                self.client.send(self.ready.pop())
            except OSError as error:  # one that the link has no room for is lost
                if error.errno not in (errno.ENOBUFS, errno.EAGAIN):
                    raise

    def _stamped(self, wire):
        """(frame, ns, whether it leaves) of each SYN that there is."""
        for frame, ancillary, leaves in self._frames(wire):
            seconds, ns = TIMESPEC.unpack(ancillary[0][2])
            yield frame, seconds * 10**9 + ns, leaves

    def read(self):
        arrived = [syn for wire in self.targets for syn in self._stamped(wire)]
        for frame, ns, leaves in self._stamped(self.sender):  # behind them: it has them all, then
            if leaves:
                self.sent[frame[38:42]].append(ns)
        for frame, ns, leaves in arrived:
            flow = frame[26:42]  # addresses, ports, initial sequence number
            source = int.from_bytes(frame[34:36], "big")
            if leaves or flow in self.known or source >= PROBE_PORT_MIN:
                continue
            self.known.add(flow)
            began = [at for at in self.sent[frame[38:42]] if at <= ns]
            if not began:
                raise RuntimeError("a SYN came to a target that was not seen to leave the client")
            self.seen[socket.inet_ntoa(frame[30:34])].append((began[-1], ns))


class KeptConnections:
    """Clients that keep their connections; counts those that broke. In a process of its own, so
    that it takes nothing of the time of who measures but what any process takes."""

    def __init__(self, rig, service):
        self.rig, self.service = rig, service
        self.broken = []
        self.requests = self.connections = 0
        self.result, self.to_tell = multiprocessing.Pipe(duplex=False)
        self.ends = multiprocessing.Event()
        self.process = multiprocessing.Process(target=self._run, daemon=True)
        self.process.start()

    def _open(self):
        self.connections += 1
        return (HttpConnection(self.rig, self.service.vip, self.service.port),
                time.monotonic() + KEPT_LIFE_S)

    def _ask(self, connection):
        try:
            connection.get("/quiet")
            self.requests += 1
            return True
        except (OSError, AssertionError) as error:
            self.broken.append(repr(error))
            return False

    def _run(self):
        kept = [self._open() for _ in range(KEPT)]
        while not self.ends.is_set():
            for i, (connection, until) in enumerate(kept):
                if self._ask(connection) and time.monotonic() < until:
                    continue
                connection.close()
                kept[i] = self._open()
            self.ends.wait(KEPT_PAUSE_S)
        self.to_tell.send((self.broken, self.requests, self.connections))

    def stop(self):
        self.ends.set()
        if not self.result.poll(PATIENCE_S):
            raise RuntimeError("the kept connections do not end")
        self.broken, self.requests, self.connections = self.result.recv()
        self.process.join()


class Rollout:
    """One rolling replacement of a generation of targets by another."""

    def __init__(self, service, first_packets):
        self.service = service
        self.first_packets = first_packets
        first_packets.seen.clear()
        self.first_ms, self.last_ms, self.late = [], [], 0
        self.left = {}  # address: when the call to deregister it began and when it was answered

    def call(self, method, address):
        self.service.sluice.rpc(method, TargetGroupArn=self.service.tg_arn,
                                Targets=[{"Id": address, "Port": self.service.target_port}])

    def replace(self, new, old):
        begin = time.time_ns()
        self.call("RegisterTargets", new)
        deadline = time.monotonic() + PATIENCE_S
        while not self.first_packets.seen[new]:
            self.first_packets.send_ready(BATCH)
            self.first_packets.read()
            if time.monotonic() > deadline:
                raise RuntimeError(f"{new} got no flow: {self.service.health().get(new)}")
        self.first_ms.append((self.first_packets.seen[new][0][1] - begin) / 1e6)
        begin = time.time_ns()
        self.call("DeregisterTargets", old)
        self.left[old] = (begin, time.time_ns())

    def wait_for_leaving(self, replacement):
        def others():
            self.first_packets.read()  # what comes is more than the sockets hold in the end
            return {target: state for target, state in self.service.health().items()
                    if target not in replacement or state != "healthy"}

        try:
            rigs.wait_until(lambda: not others(), "the old targets have left", 2 * DELAY_S + 10)
        except AssertionError as late:
            raise RuntimeError(f"{late}: {others()}") from late

    def has_flows_everywhere(self, generation):
        self.first_packets.read()
        return set(generation) <= set(self.first_packets.seen)

    def run(self, generation, replacement):
        rigs.wait_until(lambda: self.has_flows_everywhere(generation), "load on all targets")
        os.setpriority(os.PRIO_PROCESS, 0, -10)  # who measures stands for clients elsewhere
        for new, old in zip(replacement, generation):
            self.first_packets.make_ready()
            pause = time.monotonic() + PACE_S
            self.replace(new, old)
            while (left := pause - time.monotonic()) > 0:
                time.sleep(left)
                self.first_packets.read()
        os.setpriority(os.PRIO_PROCESS, 0, 0)
        self.wait_for_leaving(replacement)
        self.first_packets.read()
        for old, (begin, answered) in self.left.items():
            flows = self.first_packets.seen[old]
            self.last_ms.append(max(0, (max(arrived for _, arrived in flows) - begin) / 1e6))
            self.late += sum(began > answered for began, _ in flows)


def add_addresses(rig):
    """Two generations of TARGETS addresses on the tasks; nginx answers on all of a task's."""
    free = [address for address in (f"10.77.1.{n}" for n in range(30, 255))
            if address not in rig.snat]
    for number, address in enumerate(free[:2 * TARGETS]):
        rig.ip(rig.tasks[number % TASKS].name, f"addr add {address}/24 dev eth0")
    return free[:TARGETS], free[TARGETS:2 * TARGETS]


def run_round(rig, service, first_packets, generation, replacement):
    rollout = Rollout(service, first_packets)
    kept = KeptConnections(rig, service)
    with Load(rig, service.url("/quiet")) as load:
        try:
            rollout.run(generation, replacement)
        finally:
            kept.stop()
        load.stop()
    if load.requests < 1000 or kept.requests < 1000:
        raise RuntimeError(f"too little load: {load.requests} and {kept.requests} requests")
    results.progress(f"{load.requests} requests of wrk, {kept.requests} on {kept.connections} kept "
                     f"connections, {load.failed} failed, {len(kept.broken)} broken")
    return {
        "requests_failed": load.failed,
        "connections_reset": len(kept.broken),
        "flows_after_answer": rollout.late,
        "deregister_to_last_flow_ms_p50": results.percentile(rollout.last_ms, 50),
        "deregister_to_last_flow_ms_p99": results.percentile(rollout.last_ms, 99),
        "register_to_first_flow_ms_p50": results.percentile(rollout.first_ms, 50),
        "register_to_first_flow_ms_p99": results.percentile(rollout.first_ms, 99),
    }


def main():
    rigs.sweep_dead(PREFIX)
    rounds = []
    with rigs.Rig(f"{PREFIX}-{os.getpid()}", tasks=TASKS) as rig:
        generation, replacement = add_addresses(rig)
        sluice = Sluice(rig, max_flows=1048576).start()
        # termination: a connection that outlives the delay would be reset, and count
        service = sluice.service("rollout", [], attributes={
            **STANDARD_CHECKS,
            "deregistration_delay.timeout_seconds": str(DELAY_S),
            "deregistration_delay.connection_termination.enabled": "true"})
        sluice.rpc("RegisterTargets", TargetGroupArn=service.tg_arn,
                   Targets=[{"Id": address, "Port": service.target_port} for address in generation])
        rigs.wait_until(lambda: set(service.health().values()) == {"healthy"}, "all are healthy")
        first_packets = FirstPackets(rig, service.vip, service.port)
        for _ in range(ROUNDS):
            rounds.append(run_round(rig, service, first_packets, generation, replacement))
            generation, replacement = replacement, generation
        sluice.stop()
    measured = [results.result("rolling_100", metric, "ms" if "_ms_" in metric else "count",
                               [values[metric] for values in rounds]) for metric in rounds[0]]
    results.finish("rollout", measured, AIMS)
    disturbed = [r["metric"] for r in measured if r["metric"] in NONE_ALLOWED and r["max"] > 0]
    if disturbed:
        sys.exit(f"rollout: in some round there were {', '.join(disturbed)}")


main()
