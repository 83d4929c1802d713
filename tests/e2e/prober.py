# SPDX-License-Identifier: BSD-3-Clause
"""sluice-health by itself: a test is its sluiced, over the socket on its standard input."""
import contextlib
import ipaddress
import os
import socket
import struct
import subprocess
import time
from collections import namedtuple

import rig as rigs

BINARY = os.path.join(rigs.BUILD, "healthcheck", "sluice-health")

PUT, REMOVE, REPORT, HEARTBEAT = 1, 2, 3, 4
TCP, HTTP, HTTPS = 0, 1, 2
RESULTS = ("ok", "timeout", "refused", "reset", "unreachable", "tls", "status", "response",
           "closed", "no_descriptors", "no_memory", "no_port", "no_source", "stalled", "internal")

# struct message of healthcheck/messages.h, by type
HEAD = struct.Struct("=II")
PUT_BODY = struct.Struct("=QIIII16s16sHHHHI256s64s1028s")
REMOVE_BODY = struct.Struct("=Q")
REPORT_BODY = struct.Struct("=QIIIIII")

Report = namedtuple("Report", "id generation result duration_us error http_status at")


def _mapped(address):
    parsed = ipaddress.ip_address(address)
    return b"\0" * 10 + b"\xff\xff" + parsed.packed if parsed.version == 4 else parsed.packed


def put_message(check, target, port, protocol=TCP, generation=1, interval_ms=60000, timeout_ms=2000,
                source=None, source_ports=(0, 0), proxy=False, ranges=((200, 399),),
                host="10.0.0.1:80", path="/"):
    if protocol == TCP:
        ranges, host, path = (), "", ""
    return HEAD.pack(PUT, 0) + PUT_BODY.pack(
        check, generation, protocol, interval_ms, timeout_ms, _mapped(target),
        _mapped(source) if source else bytes(16), port, *source_ports, len(ranges), proxy,
        b"".join(struct.pack("=HH", *pair) for pair in ranges), host.encode(), path.encode())


class Prober:
    def __init__(self, *args, nofile=None, pass_fds=(), within=()):
        """args: of the program. nofile: its limits of open files, "SOFT:HARD". within: what
        stands before it on the command line."""
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        limit = ("prlimit", f"--nofile={nofile}", "--") if nofile else ()
        with theirs:
            self.process = subprocess.Popen([*within, *limit, BINARY, *args], stdin=theirs,
                                            stderr=subprocess.PIPE, pass_fds=pass_fds)
        self.heartbeats = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()
        try:
            self.process.wait(10)
        finally:
            self.process.kill()
            self.process.stderr.close()

    def put(self, *args, **options):
        self.socket.sendall(put_message(*args, **options))

    def remove(self, check):
        self.socket.sendall(HEAD.pack(REMOVE, 0) + REMOVE_BODY.pack(check))

    def _receive(self, timeout_s):
        self.socket.settimeout(timeout_s)
        message = self.socket.recv(4096)
        if not message:
            raise AssertionError("sluice-health ended: "
                                 + self.process.stderr.read().decode(errors="replace"))
        kind, _ = HEAD.unpack_from(message)
        if kind == HEARTBEAT:
            self.heartbeats.append(time.monotonic())
            return None
        assert kind == REPORT
        check, generation, result, duration, error, status, reserved = \
            REPORT_BODY.unpack(message[HEAD.size:])
        assert reserved == 0
        return Report(check, generation, RESULTS[result], duration, error, status,
                      time.monotonic())

    def reports(self, for_s):
        """What is reported in that time."""
        found, deadline = [], time.monotonic() + for_s
        while (left := deadline - time.monotonic()) > 0:
            with contextlib.suppress(TimeoutError):
                report = self._receive(left)
                if report is not None:
                    found.append(report)
        return found

    def report(self, until=lambda report: True, timeout_s=10):
        """The next report that `until` is true of."""
        deadline = time.monotonic() + timeout_s
        while True:
            left = deadline - time.monotonic()
            assert left > 0, f"no such report within {timeout_s} s"
            with contextlib.suppress(TimeoutError):
                report = self._receive(left)
                if report is not None and until(report):
                    return report

    def probe(self, *args, check=1, **options):
        """Probe once; returns the report."""
        self.put(check, *args, **options)
        report = self.report(until=lambda report: report.id == check)
        self.remove(check)
        return report

    def report_on_closed_port(self):
        """Probe where nobody listens; when the report is here, all before it was seen to."""
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            return self.probe("127.0.0.1", closed.getsockname()[1], check=1 << 63)

    def status(self):
        """/proc/PID/status as a dictionary."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            return dict(line.rstrip("\n").split(":\t", 1) for line in file)
