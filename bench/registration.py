# SPDX-License-Identifier: BSD-3-Clause
"""How long RegisterTargets and DeregisterTargets take, over the control socket of a real sluiced on
the XDP engine, in the rig of the end-to-end tests: to the reply, and to the first new flow on the
target, which waits for its first health check. Then the same of other balancers (peer_churn.py).

A reply must mean that packets do what was asked: a SYN at a target whose deregistration was answered
ends the benchmark. The store is on a disk, not in memory: each reply waited for its fsync.
"""
import contextlib
import json
import os
import selectors
import sys
import tempfile
import time

import results

sys.path.insert(0, str(results.ROOT / "tests" / "e2e"))

import crowd  # noqa: E402
import peer_churn  # noqa: E402
import rig as rigs  # noqa: E402
from generator import Generator  # noqa: E402
from sluice import Sluice  # noqa: E402
from traffic import Load  # noqa: E402
from wires import Wires  # noqa: E402

PREFIX = "sluice-bench"
ROUNDS, ONE_CALLS, MANY_CALLS = (1, 20, 3) if results.is_quick() else (5, 200, 20)
LOADED_CALLS = ONE_CALLS // 2
SIZES = [10, 100, 1000]  # of a call with many targets; the last is the most a group takes
CONNECTIONS = 16
CONCURRENT_CALLS = 60    # of each connection, a round
ONE_SYNS = 32            # two targets share them: none at the new one once in 2^32
LIVE_FLOWS, LIVE_RATE = 100_000, 20_000
WAL_BYTES = 2 * 4120     # two pages of SQLite's write-ahead log
PATIENCE_S = 10

AIMS = {
    ("register_one", "reply_ms_p99"): ("<=", 5),
    ("register_1000", "reply_ms_p99"): ("<=", 50),
    ("register_one_concurrent", "calls_per_second"): (">=", 2000),
}


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


def request(method, group, targets):
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method,
                       "params": {"TargetGroupArn": group, "Targets": targets}}).encode() + b"\n"


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
        self.service = crowd.service(sluice, "bench")
        self.group = self.service.tg_arn
        self.sluice, self.rig = sluice, rig
        self.wires = Wires(rig, self.service.vip)
        self.connection = Connection(sluice)
        self.stays = crowd.targets(rig.tasks[0], [rigs.HTTP_PORT])
        self.port = crowd.FIRST_PORT
        self.times = {}  # {(case, metric): [[milliseconds] of each round]}

    def fresh(self, count):
        """Targets that never were registered before."""
        if self.port + count > crowd.LAST_PORT:
            self.port = crowd.FIRST_PORT
        self.port += count
        return crowd.targets(self.rig.tasks[1], range(self.port - count, self.port))

    def register(self, targets):
        return self.connection.call(request("RegisterTargets", self.group, targets))

    def deregister(self, targets):
        """Returns milliseconds; no SYN of a new flow may come to them from now on."""
        took = self.connection.call(request("DeregisterTargets", self.group, targets))
        if targets != self.stays:
            seen = set(self.wires.share(ONE_SYNS))
            if seen != {(self.stays[0]["Id"], self.stays[0]["Port"])}:
                raise RuntimeError(f"new flows came to {sorted(seen)} after their deregistration")
        return took

    def first_flow(self, targets, begin):
        """Milliseconds since `begin` at which a new flow has come to one of the targets."""
        wanted = {(target["Id"], target["Port"]) for target in targets}
        while not wanted & set(self.wires.share(1)):
            if time.perf_counter() - begin > PATIENCE_S:
                raise RuntimeError(f"no new flow came to {targets[0]} in {PATIENCE_S} s")
        return (time.perf_counter() - begin) * 1000

    def turn(self, case, targets):
        """Register, see a flow, deregister."""
        begin = time.perf_counter()
        reply = self.register(targets)
        first = self.first_flow(targets, begin)
        self.note(f"register_{case}", "reply", reply)
        self.note(f"register_{case}", "first_flow", first)
        self.note(f"deregister_{case}", "reply", self.deregister(targets))

    def note(self, case, metric, milliseconds):
        self.times.setdefault((case, metric), [[]])[-1].append(milliseconds)

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
        self.deregister(targets)
        return len(targets) / seconds

    def idle(self):
        for _ in range(ONE_CALLS):
            self.turn("one", self.fresh(1))
        # the target that stays counts, too
        for size in SIZES:
            for _ in range(MANY_CALLS):
                self.turn(size, self.fresh(min(size, SIZES[-1] - 1)))

    def loaded(self):
        """Beside 100,000 live flows that have packets, and new ones as fast as they come."""
        with live_flows(self.rig, self.udp_vip), \
                Load(self.rig, self.service.url("/quiet")) as storm:
            for _ in range(LOADED_CALLS):
                self.turn("one_loaded", self.fresh(1))
            if storm.stop().failed:
                raise RuntimeError(f"{storm.failed} requests failed\n{storm.output}")

    def run(self, disk):
        rate = []
        self.udp_vip = self.sluice.service("live", [self.rig.echo], protocol="UDP",
                                           port=rigs.ECHO_PORT).vip
        self.register(self.stays)
        crowd.wait_healthy(self.service, 1)
        for number in range(ROUNDS):
            results.progress(f"round {number + 1} of {ROUNDS}: registration")
            for rounds in self.times.values():
                rounds.append([])
            for took in disk_times(disk):
                self.note("disk_fdatasync", "reply", took)
            self.idle()
            self.loaded()
            rate.append(self.concurrent())
        for (case, metric), rounds in self.times.items():
            for percent in peer_churn.PERCENTS:
                yield results.result(case, peer_churn.metric_name(metric, percent), "ms",
                                     [results.percentile(times, percent) for times in rounds])
        yield results.result("register_one_concurrent", "calls_per_second", "1/s", rate)


@contextlib.contextmanager
def live_flows(rig, vip):
    """UDP flows that have a packet every few seconds meanwhile."""
    with Generator(rig, vip, LIVE_FLOWS) as generator:
        generator.establish(0)
        for _ in range(ROUNDS):
            generator.begin(LIVE_RATE, PATIENCE_S)
        yield


def main():
    rigs.sweep_dead(PREFIX)
    # /var/tmp is on a disk where /run and perhaps /tmp are not
    with (tempfile.TemporaryDirectory(dir="/var/tmp", prefix="sluice-bench-") as disk,
          rigs.Rig(f"{PREFIX}-{os.getpid()}", tasks=2) as rig):
        crowd.answer_everywhere(rig, rig.tasks[1])
        sluice = Sluice(rig, max_flows=1048576, max_targets=65535)
        sluice.config["store"]["path"] = os.path.join(disk, "sluice.db")
        sluice.start()
        measured = list(Bench(rig, sluice).run(disk))
        sluice.stop()
    measured += peer_churn.measure(f"{PREFIX}-{os.getpid()}")
    results.finish("registration", measured, AIMS)


if __name__ == "__main__":
    main()
