# SPDX-License-Identifier: BSD-3-Clause
"""Access logs as a reader sees them: the lines in a bucket, and the flows they must tell of."""
import collections
import gzip
import itertools
import os
import re

import rig as rigs
from sluice import ZONE
from traffic import client_socket

ACCOUNT, REGION = "123456789012", "us-east-1"
TEST_FILE = "ELBAccessLogTestFile"
FIELDS = 32  # 22 of NLB's, and ours
ARRIVE_TIMEOUT_S = 90  # an interval, an upload, and pauses behind failures, beside a compiler
# bytes of a packet's IPv4 headers, at least and at most: a lost packet brings 20 and more of SACK
HEADERS = {"tcp": (40, 80), "udp": (28, 28)}

ports = itertools.count(10000)  # of clients; a target keeps those of ended connections in mind

# what a client saw of its flow: its address and port, and the bytes of its application
Flow = collections.namedtuple("Flow", "protocol client sent received")


class Line:
    def __init__(self, text):
        self.text = text
        fields = text.split(" ")
        assert len(fields) == FIELDS, text
        self.protocol, version, self.time, self.elb, self.listener, self.client = fields[:6]
        self.destination, self.connection_ms = fields[6], int(fields[7])
        self.received, self.sent = int(fields[9]), int(fields[10])
        self.creation_time, self.target, self.group, self.nat = fields[21:25]
        self.received_packets, self.sent_packets = map(int, fields[25].split(","))
        self.connect_ms, self.reason, self.state, self.zone, vpce = fields[26:31]
        self.start_us, self.end_us = map(int, fields[31].split(","))
        assert self.protocol in ("tcp", "udp") and version == "2.0" and self.zone == ZONE, text
        assert {fields[8], vpce, *fields[11:21]} == {"-"}, text
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", self.time), text
        assert self.connection_ms == (self.end_us - self.start_us) // 1000, text

    def agrees_with(self, flow):
        """Whether bytes and packets fit what the client sent and got; payloads of both sides."""
        least, most = HEADERS[flow.protocol]
        return (self.received - most * self.received_packets <= flow.sent
                <= self.received - least * self.received_packets
                and self.sent - most * self.sent_packets <= flow.received
                <= self.sent - least * self.sent_packets)


def lines_of(data):
    """Lines of an object; all that is in it must be whole."""
    text = gzip.decompress(data).decode("ascii")
    assert text.endswith("\n")
    return [Line(line) for line in text.splitlines()]


def lines_below(directory):
    """The same of all files below a directory, but for the test object."""
    lines = []
    for parent, _, names in os.walk(directory):
        for name in sorted(names):
            if name != TEST_FILE:
                with open(os.path.join(parent, name), "rb") as file:
                    lines += lines_of(file.read())
    return lines


class Bucket:
    """A bucket to which a service's logs go; reads each object once, for a key is never reused."""

    def __init__(self, server, name, prefix=""):
        self.server, self.name, self.prefix = server, name, prefix
        self.read = {}  # key: lines

    def enable(self, service):
        service.sluice.rpc("ModifyLoadBalancerAttributes", LoadBalancerArn=service.lb_arn,
                           Attributes=[{"Key": f"access_logs.s3.{key}", "Value": value}
                                       for key, value in (("enabled", "true"),
                                                          ("bucket", self.name),
                                                          ("prefix", self.prefix))])
        return self

    def lines(self):
        for key in self.server.objects(self.name):
            if key not in self.read and not key.endswith(TEST_FILE):
                self.read[key] = lines_of(self.server.read(self.name, key))
        return [line for lines in self.read.values() for line in lines]

    def lines_with(self, flows):
        """Wait until each flow has its line, and return all lines."""
        wanted = {flow.client for flow in flows}
        rigs.wait_until(lambda: wanted <= {line.client for line in self.lines()},
                        f"{len(flows)} flows in {self.name}", ARRIVE_TIMEOUT_S, every_s=0.3)
        return self.lines()


def check_exactly_once(lines, flows):
    """Each flow has one line, which agrees with what its client saw."""
    of_client = collections.defaultdict(list)
    for line in lines:
        of_client[line.client].append(line)
    for flow in flows:
        told = "".join(f"\n{line.text}" for line in of_client[flow.client])
        assert len(of_client[flow.client]) == 1, f"{flow}:{told}"
        assert of_client[flow.client][0].agrees_with(flow), f"{flow}:{told}"


def http_flows(rig, service, count, path="/"):
    """Requests, each on a connection of its own, from a port that no other one uses."""
    flows = []
    request = f"GET {path} HTTP/1.1\r\nHost: rig\r\nConnection: close\r\n\r\n".encode()
    for _ in range(count):
        with client_socket(rig, service.vip, source_port=next(ports)) as client:
            client.connect((service.vip, service.port))
            address, port = client.getsockname()[:2]
            client.sendall(request)
            received = 0
            while data := client.recv(1 << 20):
                received += len(data)
        assert received > 0
        flows.append(Flow("tcp", end_of(address, port), len(request), received))
    return flows


def end_of(address, port):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
