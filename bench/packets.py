# SPDX-License-Identifier: BSD-3-Clause
"""Small packets at a rising rate: how many come through Sluice and through nft, and how many are lost.

The generator (bench_generator) sits on the client's interface, the sink on the far side of the
balancer's other one, before the switch: nothing but the balancer is between them.

- inline: the kernel handles each batch before the next is made, on the same core. Nothing queues;
  what is too much shows as a rate that is not reached. Where other work takes the core away, the
  kernel puts a batch off, and some of it may be lost: such a step does not count.
- threaded: the balancer's interfaces have kernel threads of their own (threaded NAPI), as a machine
  of its own would have: what comes faster than it goes overflows the veth's ring and is lost.
  Threads and generator go before all else on their cores (SCHED_FIFO).
"""
import contextlib
import os
import sys

import results

sys.path.insert(0, str(results.ROOT / "tests" / "e2e"))

import peers  # noqa: E402
import rig as rigs  # noqa: E402
from generator import Generator  # noqa: E402

PREFIX = "sluice-bench"
ROUNDS, SECONDS = (1, 0.1) if results.is_quick() else (3, 0.5)
FLOWS = 4096
RATES = [100_000, 200_000, 400_000, 800_000, 1_600_000, 3_200_000, 6_400_000]
PARTIAL_DROP = 0.005  # the usual bound of a "partial drop rate"
GENERATOR_CORE, BALANCER_CORE = 0, 1
PRIORITY = 1


def kernel_threads():
    """Those that serve an interface."""
    found = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/comm", encoding="ascii") as comm:
            if comm.read().startswith("napi/"):
                found.add(int(pid))
    return found


class Stream:
    """The generator of a peer's rig."""

    def __init__(self, peer):
        self.peer, self.rig = peer, peer.rig
        self.generator = Generator(peer.rig, peer.udp_echo, FLOWS, core=GENERATOR_CORE)
        os.sched_setscheduler(self.generator.process.pid, os.SCHED_FIFO, os.sched_param(PRIORITY))

    def thread(self, threaded):
        """Give the balancer's receiving interface and the sink's a kernel thread, or take it."""
        # the sink first, so that it is never what loses packets
        for short, interface, priority in (("lb", self.rig.interfaces[0], PRIORITY),
                                           ("switch", "lb", PRIORITY + 1)):
            # ip netns exec: /sys of that namespace
            before = kernel_threads()
            rigs.run("ip", "netns", "exec", self.rig.ns(short), "sh", "-c",
                     f"echo {int(threaded)} >/sys/class/net/{interface}/threaded")
            for pid in kernel_threads() - before:
                os.sched_setaffinity(pid, {BALANCER_CORE})
                os.sched_setscheduler(pid, os.SCHED_FIFO, os.sched_param(priority))

    def warm(self):
        self.thread(False)
        self.generator.establish(SECONDS)


def climb(stream, threaded):
    """[(offered, sent a second, share lost)] at each rate."""
    stream.thread(threaded)
    steps = []
    for rate in RATES:
        got = stream.generator.offer(rate, SECONDS)
        steps.append((rate, got["rate"], 1 - got["arrived"] / got["sent"]))
    return steps


def highest(steps, tolerated):
    """The highest rate up to which no more than this share of the packets was lost; 0: none."""
    best = 0
    for _, rate, lost in steps:
        if lost > tolerated:
            break
        best = max(best, rate)
    return best


def main():
    rigs.sweep_dead(PREFIX)
    inline, threaded = {}, {}
    kinds = [peers.SluiceXdp, peers.Nft]
    with results.entered(kind(f"{PREFIX}-{os.getpid()}") for kind in kinds) as everyone:
        streams = [Stream(peer) for peer in everyone]
        for stream in streams:
            stream.warm()
        for number in range(ROUNDS):
            for stream in streams:
                name = stream.peer.name
                results.progress(f"round {number + 1} of {ROUNDS}: packets {name}")
                inline.setdefault(name, []).append(climb(stream, False))
                threaded.setdefault(name, []).append(climb(stream, True))
    results.finish("packets", list(rows(inline, threaded)), {})


def rows(inline, threaded):
    for name, rounds in inline.items():
        reached = [max((rate for _, rate, lost in steps if not lost), default=0)
                   for steps in rounds]
        if not all(reached):
            raise RuntimeError(f"{name}: packets lost at every rate though handled one after the "
                               f"other: {rounds}")
        yield results.result(f"{name}_inline", "mpps", "Mpps", [rate / 1e6 for rate in reached])
    for name, rounds in threaded.items():
        for metric, tolerated in (("loss_free_mpps", 0), ("partial_drop_mpps", PARTIAL_DROP)):
            yield results.result(f"{name}_threaded", metric, "Mpps",
                                 [highest(steps, tolerated) / 1e6 for steps in rounds])
        for number, offered in enumerate(RATES):
            at = [steps[number] for steps in rounds]
            yield results.result(f"{name}_offered_{offered}", "loss_percent", "%",
                                 [100 * lost for _, _, lost in at])
            yield results.result(f"{name}_offered_{offered}", "arrived_mpps", "Mpps",
                                 [rate * (1 - lost) / 1e6 for _, rate, lost in at])


if __name__ == "__main__":
    main()
