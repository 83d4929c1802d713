# SPDX-License-Identifier: BSD-3-Clause
"""bench_generator in a rig: small UDP datagrams of many flows leave the client's interface, and are
counted on the far side of the balancer's other one, before the switch."""
import json
import os
import subprocess

import rig as rigs

GENTLE_RATE = 100_000  # datagrams a second that are no effort
TRIES = 5              # while other work takes the balancer's core away, some may be lost


class Generator:
    def __init__(self, rig, vip, flows, core=None):
        self.flows, self.vip = flows, vip
        self.process = rig.spawn(
            "client", *(["taskset", "-c", str(core)] if core is not None else []),
            os.path.join(rigs.BUILD, "bench", "bench_generator"), "eth0",
            rig.mac("lb", rig.interfaces[0]), "10.77.0.10", vip,
            str(rigs.ECHO_PORT), str(flows), f"{rigs.NETNS_DIR}/{rig.ns('switch')}", "lb",
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def begin(self, rate, seconds):
        """Have datagrams sent; finish() says how many."""
        self.process.stdin.write(f"{rate} {seconds}\n")
        self.process.stdin.flush()

    def finish(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"bench_generator to {self.vip} ended")
        return json.loads(line)

    def offer(self, rate, seconds):
        self.begin(rate, seconds)
        return self.finish()

    def establish(self, seconds):
        """Make the flows: each has had a datagram through, and none was lost, when this returns."""
        for _ in range(TRIES):
            got = self.offer(GENTLE_RATE, max(seconds, 2 * self.flows / GENTLE_RATE))
            if got["arrived"] == got["sent"]:
                return
        raise RuntimeError(f"{self.vip}: lost some at {GENTLE_RATE} a second {TRIES} times: {got}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
