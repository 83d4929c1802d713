# SPDX-License-Identifier: BSD-3-Clause
"""How long until a target gets its first connection, and until its last, with each peer.

A client makes one connection after the other, each for one request, and notes which task answered.
Meanwhile the second of two tasks is taken in and out. Times count from the beginning of the call.
"""
import threading
import time

import peers
import results
import rig as rigs
from traffic import HttpConnection

TIMES = 10 if results.is_quick() else 100
SETTLED = 32  # connections that went elsewhere: with two tasks, chance once in 2^32
PATIENCE_S = 10
PERCENTS = (50, 90, 99, 99.9)


def metric_name(metric, percent):
    return f"{metric}_ms_p{percent:g}".replace(".", "")


class Client(threading.Thread):
    """Connections one after the other until told to stop."""

    def __init__(self, peer):
        super().__init__(daemon=True)
        self.peer = peer
        self.made = []  # (when it began, when it was answered, by whom)
        self.error = None
        self.stopping = False

    def run(self):
        try:
            while not self.stopping:
                begin = time.perf_counter()
                with HttpConnection(self.peer.rig, self.peer.http, rigs.HTTP_PORT) as connection:
                    name = connection.get("/quiet")
                self.made.append((begin, time.perf_counter(), name))
        except (OSError, AssertionError) as error:
            self.error = error

    def wait(self, condition, what):
        """Look at each connection in turn, from the next on, until condition(it) is true."""
        seen = len(self.made)
        deadline = time.monotonic() + PATIENCE_S
        while True:
            while seen < len(self.made):
                if condition(self.made[seen]):
                    return self.made[seen]
                seen += 1
            if self.error:
                raise RuntimeError(f"{self.peer.name}: a connection failed: {self.error}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.peer.name}: not within {PATIENCE_S} s: {what}")
            time.sleep(0.0002)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stopping = True
        self.join()


class Elsewhere:
    """True once so many connections on end were answered by others."""

    def __init__(self, name):
        self.name, self.count = name, 0

    def __call__(self, made):
        self.count = 0 if made[2] == self.name else self.count + 1
        return self.count >= SETTLED


def once(peer, task, client):
    """Milliseconds of one turn: {metric: value}."""
    begin = time.perf_counter()
    peer.add(task)
    replied = time.perf_counter()
    first = client.wait(lambda made: made[2] == task.name, f"{task.name} answers")
    gone = time.perf_counter()
    peer.remove(task)
    said = time.perf_counter()
    client.wait(Elsewhere(task.name), f"{task.name} gets no connection any more")
    peer.forget(task)
    began = [at for at, _, name in client.made if name == task.name and at >= gone]
    return {"register_reply": replied - begin, "register_first_flow": first[1] - begin,
            "deregister_reply": said - gone,
            "deregister_last_flow": max((at - gone for at in began), default=0),
            "late": sum(at > said for at in began)}


def measure(prefix):
    """Results of all peers, whose turns take turns."""
    times = {}
    kinds = [kind for kind in peers.ALL if kind is not peers.Direct]
    with results.entered(kind(prefix) for kind in kinds) as everyone:
        for peer in everyone:
            results.progress(f"registration: {peer.name}")
            task = peer.rig.tasks[1]
            with Client(peer) as client:
                peer.remove(task)
                client.wait(Elsewhere(task.name), f"{task.name} is out")
                peer.forget(task)
                for _ in range(TIMES):
                    for name, value in once(peer, task, client).items():
                        times.setdefault((peer.name, name), []).append(value)
    for (peer, name), values in times.items():
        if name == "late":
            if peer.startswith("sluice") and any(values):
                raise RuntimeError(f"{peer}: a connection reached a target whose deregistration "
                                   "was answered before it began")
            yield results.result(f"{peer}_deregister", "flows_after_reply", "", values)
            continue
        case, metric = name.split("_", 1)
        for percent in PERCENTS:
            yield results.result(f"{peer}_{case}", metric_name(metric, percent), "ms",
                                 [results.percentile(values, percent) * 1000])
