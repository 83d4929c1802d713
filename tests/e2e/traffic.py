# SPDX-License-Identifier: BSD-3-Clause
"""Clients in a rig: curl, wrk, UDP, and TCP connections held open."""
import collections
import re
import signal
import socket
import subprocess

ANSWER_TIMEOUT_S = 5


def curl(rig, url, *options, short="client"):
    """One request on a connection of its own; the body, or AssertionError."""
    done = rig.exec(short, "curl", "-sS", "-g", "--max-time", "10", *options, url, check=False)
    if done.returncode != 0:
        raise AssertionError(f"curl {url}: exit {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def who_answers(rig, url, requests):
    """Counter of task names over so many connections, made by one curl."""
    done = rig.exec("client", "curl", "-sS", "-g", "--max-time", "5", "--fail-early",
                    "-H", "Connection: close", *[url] * requests, check=False)
    if done.returncode != 0:
        raise AssertionError(f"curl {url}: exit {done.returncode}: {done.stderr.strip()}")
    return collections.Counter(done.stdout.split())


class Load:
    """wrk until it is told to stop: every request on a new connection, or on kept ones."""

    MAX_S = 300

    def __init__(self, rig, url, connections=16, new_connections=True):
        options = ["-H", "Connection: close"] if new_connections else []
        self.process = rig.spawn("client", "wrk", "-t1", f"-c{connections}", f"-d{self.MAX_S}",
                                 "--latency", *options, url, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, text=True)
        self.requests = self.failed = self.broken = 0
        self.output = ""

    def stop(self):
        """End it and count; a failed request is a socket error, a time-out (2 s) or no 2xx.
        Those that are no time-out are counted as broken, too."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        self.output = self.process.communicate(timeout=30)[0]
        counted = re.search(r"(\d+) requests in", self.output)
        if not counted:
            raise AssertionError(f"wrk: exit {self.process.returncode}\n{self.output}")
        self.requests = int(counted.group(1))
        errors = re.search(r"connect (\d+), read (\d+), write (\d+), timeout (\d+)", self.output)
        refused = re.search(r"Non-2xx or 3xx responses: (\d+)", self.output)
        self.failed = sum(map(int, errors.groups())) if errors else 0
        self.failed += int(refused.group(1)) if refused else 0
        self.broken = self.failed - (int(errors.group(4)) if errors else 0)
        return self

    def per_second(self):
        return float(re.search(r"Requests/sec:\s+([\d.]+)", self.output).group(1))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def client_socket(rig, address, kind=socket.SOCK_STREAM, source_port=0, short="client"):
    """A socket in a namespace, of the family of address; not connected."""
    with rig.inside(short):
        made = socket.socket(family_of(address), kind)
    made.settimeout(ANSWER_TIMEOUT_S)
    if source_port:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(("", source_port))
    return made


class HttpConnection:
    """A kept HTTP connection."""

    def __init__(self, rig, address, port, short="client"):
        self.socket = client_socket(rig, address, short=short)
        self.socket.connect((address, port))
        self.reader = self.socket.makefile("rb")

    def get(self, path="/"):
        """Body of the answer; ConnectionError when the connection is gone."""
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: rig\r\n\r\n".encode())
        status = self.reader.readline()
        if not status:
            raise ConnectionResetError("closed by the peer")
        assert b" 200 " in status, status
        length = 0
        while (line := self.reader.readline()) not in (b"\r\n", b""):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        return self.reader.read(length).decode().strip()

    def close(self):
        self.reader.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def udp_ask(rig, address, port, payload=b"ping", source_port=0, short="client"):
    """The answer to one datagram; socket.timeout when none comes."""
    with client_socket(rig, address, socket.SOCK_DGRAM, source_port, short) as client:
        client.connect((address, port))
        client.send(payload)
        return client.recv(65535)
