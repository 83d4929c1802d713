# SPDX-License-Identifier: BSD-3-Clause
"""How long forwarding pauses when sluiced restarts: the longest time between two answers to a stream
of datagrams of one flow through the balancer, in the rig of the end-to-end tests. The dpdk engine
forwards inside sluiced; the xdp engine in the kernel, beside it.
"""
import contextlib
import os
import socket
import sys
import threading
import time

import results

sys.path.insert(0, str(results.ROOT / "tests" / "e2e"))

import rig as rigs  # noqa: E402
from sluice import Sluice  # noqa: E402
from traffic import client_socket  # noqa: E402

PREFIX = "sluice-bench"
ROUNDS = 1 if results.is_quick() else 5
EVERY_S = 0.001  # between two datagrams
STEADY = 200     # answers before a restart, and after it


class Stream(threading.Thread):
    """Datagrams of one flow, and when each answer came."""

    def __init__(self, rig, service):
        super().__init__()
        self.socket = client_socket(rig, service.vip, socket.SOCK_DGRAM)
        self.socket.connect((service.vip, service.port))
        self.socket.setblocking(False)
        self.answers = []
        self.ends = False

    def run(self):
        while not self.ends:
            with contextlib.suppress(ConnectionError):  # ICMP errors of the pause
                self.socket.send(b"ping")
            time.sleep(EVERY_S)
            with contextlib.suppress(BlockingIOError, ConnectionError):
                while self.socket.recv(64):
                    self.answers.append(time.monotonic())

    def steady(self):
        wanted = len(self.answers) + STEADY
        rigs.wait_until(lambda: len(self.answers) >= wanted, "answers come", 30)

    def __enter__(self):
        self.start()
        self.steady()
        return self

    def __exit__(self, *_):
        self.ends = True
        self.join()
        self.socket.close()

    def longest_ms(self):
        return 1000 * max(after - before for before, after in zip(self.answers, self.answers[1:]))


def pause_ms(rig, sluice, service, stop):
    """Of one restart; the flow must be the one that was there before."""
    with Stream(rig, service) as stream:
        source = stream.socket.getsockname()[1]
        stop()
        sluice.start()
        stream.steady()
    if sluice.rpc("DescribeEngine")["TakenOver"] is not True:
        raise RuntimeError("the tables were not taken over")
    flows = sluice.rpc("DescribeFlows", ListenerArn=service.listener_arn)["Flows"]
    if source not in [flow["ClientPort"] for flow in flows]:
        raise RuntimeError("the flow is not there any more")
    return stream.longest_ms()


def measure(engine):
    """[(case, values)] of an engine."""
    with rigs.Rig(f"{PREFIX}-{engine}-{os.getpid()}", tasks=1, engine=engine) as rig:
        sluice = Sluice(rig).start()
        service = sluice.service("echo", [rig.echo], protocol="UDP", port=rigs.ECHO_PORT)
        for name, stop in (("restart", sluice.stop), ("kill_9", sluice.kill9)):
            values = []
            for number in range(ROUNDS):
                results.progress(f"round {number + 1} of {ROUNDS}: {engine} {name}")
                values.append(pause_ms(rig, sluice, service, stop))
            yield results.result(f"{engine}_{name}", "pause_ms", "ms", values)
        sluice.stop()


def main():
    rigs.sweep_dead(PREFIX)
    results.finish("restart", [row for engine in rigs.ENGINES for row in measure(engine)], {})


if __name__ == "__main__":
    main()
