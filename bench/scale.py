# SPDX-License-Identifier: BSD-3-Clause
"""How cost grows with flows (build/bench/bench_scale) and with targets (a sluiced in the rig)."""
import json
import math
import os
import statistics
import subprocess
import sys
import time

import results

sys.path.insert(0, str(results.ROOT / "tests" / "e2e"))

import crowd  # noqa: E402
import rig as rigs  # noqa: E402
from sluice import Sluice  # noqa: E402

PREFIX = "sluice-bench"
QUICK = results.is_quick()
ROUNDS = 1 if QUICK else 3
TARGETS = [10, 1000] if QUICK else [10, 100, 1000, 3000, 10000]
CALLS = 10 if QUICK else 50
GROUP = 1000  # the most targets of a group
UNITS = {"ns_per_packet": "ns", "ns_per_flow": "ns", "sweep_ms": "ms", "tables_mib": "MiB",
         "reply_ms_p50": "ms", "sluiced_mib": "MiB"}


def flows():
    """{metric: {flows: [value of each round]}}"""
    got = {}
    for number in range(ROUNDS):
        results.progress(f"round {number + 1} of {ROUNDS}: scale, flows")
        done = subprocess.run([os.path.join(rigs.BUILD, "bench", "bench_scale"),
                               *(["--quick"] if QUICK else [])],
                              stdout=subprocess.PIPE, text=True, check=True)
        for row in map(json.loads, done.stdout.splitlines()):
            size = row.pop("flows")
            for metric, value in row.items():
                got.setdefault(metric, {}).setdefault(size, []).append(value)
    return got


def private_mib(pid):
    """Memory of a process that it shares with nobody: no table, which the kernel maps."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        kib = next(int(line.split()[1]) for line in status if line.startswith("RssAnon"))
    return kib / 1024


class Crowd:
    """Groups of 1,000 targets each, ports of the rig's tasks."""

    def __init__(self, rig, sluice):
        self.rig, self.sluice = rig, sluice
        self.groups, self.spare = [], None
        self.count = 0

    def _call(self, method, group, ports):
        """Milliseconds to the reply."""
        begin = time.perf_counter()
        self.sluice.rpc(method, TargetGroupArn=group.tg_arn,
                        Targets=crowd.targets(self.rig.tasks[0], ports))
        return (time.perf_counter() - begin) * 1000

    def grow(self, count):
        """Register until there are so many, in groups that are in use, and all are healthy."""
        while self.count < count:
            room = GROUP - self.count % GROUP
            if room == GROUP:
                self.groups.append(crowd.service(self.sluice, f"scale-{len(self.groups)}"))
            new = min(room, count - self.count)
            first = crowd.FIRST_PORT + self.count
            self._call("RegisterTargets", self.groups[-1], range(first, first + new))
            self.count += new
        crowd.wait_healthy(self.groups[-1], (self.count - 1) % GROUP + 1)

    def one_more(self):
        """Milliseconds of registering one target in a group of its own; it goes again."""
        if self.spare is None:
            self.spare = crowd.service(self.sluice, "scale-spare")
        took = self._call("RegisterTargets", self.spare, [crowd.LAST_PORT])
        self._call("DeregisterTargets", self.spare, [crowd.LAST_PORT])
        return took


def targets():
    got = {}
    rigs.sweep_dead(PREFIX)
    with rigs.Rig(f"{PREFIX}-{os.getpid()}", tasks=1) as rig:
        crowd.answer_everywhere(rig, rig.tasks[0])
        sluice = Sluice(rig, max_targets=20000).start()
        many = Crowd(rig, sluice)
        for count in TARGETS:
            results.progress(f"scale: {count} targets")
            many.grow(count)
            got.setdefault("reply_ms_p50", {})[count] = [
                statistics.median(many.one_more() for _ in range(CALLS)) for _ in range(ROUNDS)]
            got.setdefault("sluiced_mib", {})[count] = [private_mib(sluice.process.pid)]
    return got


def slope(medians):
    """Exponent of the power of x that a line through the points has."""
    xs = [math.log(x) for x in medians]
    ys = [math.log(y) for y in medians.values()]
    x_mean, y_mean = statistics.mean(xs), statistics.mean(ys)
    return (sum((x - x_mean) * (y - y_mean) for x, y in zip(xs, ys))
            / sum((x - x_mean) ** 2 for x in xs))


def rows(name, got):
    for metric, by_size in got.items():
        for size, values in by_size.items():
            yield results.result(f"{name}_{size}", metric, UNITS[metric], values)
        medians = {size: statistics.median(values) for size, values in by_size.items()}
        yield results.result(f"{name}_slope", metric, "", [slope(medians)])


def main():
    results.finish("scale", [*rows("flows", flows()), *rows("targets", targets())], {})


if __name__ == "__main__":
    main()
