# SPDX-License-Identifier: BSD-3-Clause
"""sluice-health against targets that behave, and against those that do not."""
import contextlib
import os
import signal
import socket
import ssl
import struct
import threading
import time

import pytest
import rig as rigs
from prober import BINARY, HEAD, HTTP, HTTPS, TCP, Prober
from targets import (GOOD, Target, answering, endless, make_certificate, never_answering,
                     read_request, resetting, tls_answering)

LOCAL = "127.0.0.1"


@pytest.fixture
def prober():
    with Prober() as one:
        yield one
        assert one.process.poll() is None, one.process.stderr.read()
        one.socket.close()
        assert one.process.wait(10) == 0, one.process.stderr.read()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("tls"))


# --- the process ---------------------------------------------------------------------------


def test_it_holds_no_privilege_and_no_inherited_file(prober):
    prober.report_on_closed_port()
    status = prober.status()
    assert "0" not in status["Uid"].split() and "0" not in status["Gid"].split()
    assert status["Groups"].strip() == ""
    assert {status[key] for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert status["NoNewPrivs"] == "1"


def test_it_closes_files_that_it_inherits_and_raises_its_limit_of_them():
    read, write = os.pipe()
    with os.fdopen(read), os.fdopen(write):
        os.set_inheritable(read, True)
        with Prober(pass_fds=(read,), nofile="16:4096") as prober:
            prober.report_on_closed_port()
            links = [os.readlink(f"/proc/{prober.process.pid}/fd/{fd}")
                     for fd in os.listdir(f"/proc/{prober.process.pid}/fd")]
            assert os.readlink(f"/proc/self/fd/{read}") not in links
            with open(f"/proc/{prober.process.pid}/limits", encoding="ascii") as file:
                (line,) = [line for line in file if line.startswith("Max open files")]
            assert line.split()[3:5] == ["4096", "4096"]


def test_it_refuses_to_run_as_root_or_without_a_socket():
    done = rigs.run(BINARY, check=False)
    assert done.returncode == 2 and "no socket" in done.stderr
    with Prober("--user", "root") as prober:
        assert prober.process.wait(10) == 1
        assert b"root" in prober.process.stderr.read()


def test_it_ends_when_sluiced_does_whatever_is_under_way():
    with Target(never_answering) as target, Prober() as prober:
        prober.put(1, LOCAL, target.port, HTTP, timeout_ms=60000)
        prober.put(2, LOCAL, target.port)
        assert prober.report().id == 2
        prober.socket.close()
        assert prober.process.wait(10) == 0


def test_a_message_that_sluiced_does_not_send_ends_it():
    with Prober() as prober:
        prober.socket.sendall(HEAD.pack(77, 0))
        assert prober.process.wait(10) == 1
        assert b"Bad message" in prober.process.stderr.read()


# --- TCP -----------------------------------------------------------------------------------


@pytest.mark.parametrize("address", [LOCAL, "::1"])
def test_a_handshake_is_enough_for_a_tcp_check(prober, address):
    with Target(never_answering, address=address) as target:
        report = prober.probe(address, target.port)
        assert (report.result, report.error, report.http_status) == ("ok", 0, 0)
        assert 0 < report.duration_us < 2_000_000


def test_a_closed_port_refuses(prober):
    assert prober.report_on_closed_port().result == "refused"


def test_a_target_that_takes_no_more_connections_times_out(prober):
    with socket.create_server((LOCAL, 0), backlog=0) as full:
        port = full.getsockname()[1]
        with socket.create_connection((LOCAL, port)):
            report = prober.probe(LOCAL, port, timeout_ms=300)
    assert report.result == "timeout" and report.duration_us >= 299_000


def test_probes_leave_from_their_source_address_and_ports_in_turn(prober):
    with Target() as target:
        prober.put(1, LOCAL, target.port, interval_ms=100, timeout_ms=100, source="127.0.0.9",
                   source_ports=(61440, 61443))
        reports = [prober.report() for _ in range(4)]
        rigs.wait_until(lambda: len(target.peers) >= 4, "four probes")
    assert {report.result for report in reports} == {"ok"}
    assert sorted(target.peers[:4]) == [("127.0.0.9", port) for port in range(61440, 61444)]


def test_source_ports_that_are_all_taken_are_our_own_fault(prober):
    with Target(never_answering) as target, socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.9", 61450))
        taken.connect((LOCAL, target.port))
        options = {"source": "127.0.0.9", "source_ports": (61450, 61450)}
        assert prober.probe(LOCAL, target.port, **options).result == "no_port"
        with Target() as other:
            assert prober.probe(LOCAL, other.port, **options).result == "ok"


def test_a_source_address_that_is_not_here_is_our_own_fault(prober):
    with Target() as target:
        assert prober.probe(LOCAL, target.port, source="192.0.2.1").result == "no_source"


def test_running_out_of_descriptors_blames_no_target_and_passes():
    with Target(never_answering) as hanging, Target(answering(GOOD)) as good, \
            Prober(nofile="24:24") as prober:
        for check in range(1, 31):
            prober.put(check, LOCAL, hanging.port, HTTP, timeout_ms=60000)
        prober.put(99, LOCAL, good.port, HTTP)
        found = [prober.report() for _ in range(20)]
        assert {report.result for report in found} == {"no_descriptors"}
        assert 99 in {report.id for report in found}
        for check in range(1, 31):
            prober.remove(check)
        report = prober.report(until=lambda r: r.id == 99 and r.result != "no_descriptors")
        assert report.result == "ok"


# --- HTTP ----------------------------------------------------------------------------------


def test_the_request_is_nlbs(prober):
    seen = []

    def serve(connection):
        seen.append(read_request(connection))
        connection.sendall(GOOD)
        seen.append(connection.recv(100))

    with Target(serve) as target:
        report = prober.probe(LOCAL, target.port, HTTP, path="/a/../b?c=%20#d", host="10.0.0.7:443")
        assert (report.result, report.http_status) == ("ok", 200)
        rigs.wait_until(lambda: len(seen) == 2, "the probe closed")
    first, *headers = seen[0].decode().split("\r\n")
    assert first == "GET /a/../b?c=%20#d HTTP/1.1"
    named = dict(line.split(": ", 1) for line in headers if line)
    assert named["Host"] == "10.0.0.7:443"
    assert named["User-Agent"] == "ELB-HealthChecker/2.0"
    assert named["Connection"] == "close"
    assert seen[1] == b""


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


@pytest.mark.parametrize("protocol", [TCP, HTTP])
def test_the_proxy_header_comes_first_and_is_nlbs(prober, protocol):
    seen = []

    def serve(connection):
        seen.append(connection.recv(100, socket.MSG_WAITALL))
        if protocol == HTTP:
            seen.append(read_request(connection))
            connection.sendall(GOOD)

    with Target(serve) as target:
        assert prober.probe(LOCAL, target.port, protocol, proxy=True).result == "ok"
        rigs.wait_until(lambda: len(seen) == protocol + 1, "the probe arrived")
    header = seen[0]
    assert header[:16] == b"\r\n\r\n\0\r\nQUIT\n\x20\x11\0\x54"
    assert header[16:19] == b"\x03\0\x04" and header[23:26] == b"\x04\0\x4a"
    assert header[26:] == bytes(74)
    assert struct.unpack("!I", header[19:23])[0] == crc32c(header[:19] + bytes(4) + header[23:])
    assert protocol == TCP or seen[1].startswith(b"GET / HTTP/1.1\r\n")


@pytest.mark.parametrize("status, ranges, result", [
    (200, ((200, 200),), "ok"),
    (399, ((200, 399),), "ok"),
    (201, ((200, 200), (202, 299)), "status"),
    (202, ((200, 200), (202, 299)), "ok"),
    (404, ((200, 399),), "status"),
    (500, ((500, 599),), "ok"),
])
def test_the_status_is_held_against_the_matcher(prober, status, ranges, result):
    with Target(answering(b"HTTP/1.1 %d x\r\n\r\n" % status)) as target:
        report = prober.probe(LOCAL, target.port, HTTP, ranges=ranges)
    assert (report.result, report.http_status) == (result, status)


def test_redirects_are_not_followed(prober):
    with Target(answering(GOOD)) as elsewhere:
        moved = b"HTTP/1.1 302 x\r\nLocation: http://127.0.0.1:%d/\r\n\r\n" % elsewhere.port
        with Target(answering(moved)) as target:
            assert prober.probe(LOCAL, target.port, HTTP).http_status == 302
            assert prober.probe(LOCAL, target.port, HTTP).http_status == 302
        assert elsewhere.times == []


def test_an_interim_response_is_not_the_answer(prober):
    with Target(answering(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 503 no\r\n\r\n",
                          pause_s=0.05)) as target:
        report = prober.probe(LOCAL, target.port, HTTP)
    assert (report.result, report.http_status) == ("status", 503)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_https_takes_any_certificate_and_names_no_host(prober, certificate, version):
    names = []
    with Target(tls_answering(certificate, version, names=names)) as target:
        report = prober.probe(LOCAL, target.port, HTTPS)
    assert (report.result, report.http_status) == ("ok", 200)
    assert names == [None]


def test_https_takes_a_weak_key(prober, tmp_path):
    weak = make_certificate(tmp_path, "-newkey", "rsa:1024", "-sha1")
    with Target(tls_answering(weak, ssl.TLSVersion.TLSv1_2)) as target:
        assert prober.probe(LOCAL, target.port, HTTPS).result == "ok"


def test_https_wants_tls(prober, certificate):
    with Target(lambda connection: connection.sendall(b"HTTP/1.1 400 plain\r\n\r\n")) as plain:
        assert prober.probe(LOCAL, plain.port, HTTPS).result == "tls"
    with Target(tls_answering(certificate, ssl.TLSVersion.TLSv1_1)) as old:
        assert prober.probe(LOCAL, old.port, HTTPS).result == "tls"
    with Target(never_answering) as mute:
        assert prober.probe(LOCAL, mute.port, HTTPS, timeout_ms=300).result == "timeout"


# --- targets that misbehave ----------------------------------------------------------------

FINE = 100  # the check of the target that is not one of these
MISBEHAVIOURS = {
    "never answers": (never_answering, "timeout"),
    "answers byte by byte": (answering(*[bytes([b]) for b in GOOD * 100], pause_s=0.1), "timeout"),
    "sends endless headers": (endless(b"X-More: and more\r\n"), "response"),
    "sends an endless line": (endless(b"x" * 4096), "response"),
    "sends garbage": (answering(os.urandom(200000)), "response"),
    "sends a garbage header": (answering(b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n"), "response"),
    "sends HTTP/0.9": (answering(b"<html>fine</html>"), "response"),
    "closes at once": (lambda connection: read_request(connection), "closed"),
    "closes in the head": (answering(b"HTTP/1.1 200 OK\r\nServer: x\r\n"), "closed"),
    "resets": (resetting, "reset"),
}


def test_misbehaving_targets_cost_themselves_and_nobody_else(prober):
    """All at once, over and over, beside one that is fine."""
    found = {}
    with contextlib.ExitStack() as stack:
        for check, (serve, _) in enumerate(MISBEHAVIOURS.values()):
            target = stack.enter_context(Target(serve))
            prober.put(check, LOCAL, target.port, HTTP, interval_ms=1000, timeout_ms=900)
        fine = stack.enter_context(Target(answering(GOOD)))
        prober.put(FINE, LOCAL, fine.port, HTTP, interval_ms=200, timeout_ms=200)
        prober.report(until=lambda report: found.setdefault(report.id, []).append(report.result)
                      or len(found) > len(MISBEHAVIOURS) and min(map(len, found.values())) >= 3,
                      timeout_s=30)
    for check, (name, (_, result)) in enumerate(MISBEHAVIOURS.items()):
        assert set(found[check]) == {result}, name
    assert found[FINE].count("ok") > len(found[FINE]) / 2


def test_it_keeps_nothing_of_probes_that_are_over(prober):
    with contextlib.ExitStack() as stack:
        targets = [stack.enter_context(Target(serve)) for serve, _ in MISBEHAVIOURS.values()]
        prober.report_on_closed_port()
        files = len(os.listdir(f"/proc/{prober.process.pid}/fd"))
        for round_ in range(3):
            for check, target in enumerate(targets, start=1):
                prober.put(check, LOCAL, target.port, HTTP, timeout_ms=200, generation=round_)
            for _ in targets:
                prober.report()
        for check in range(1, len(targets) + 1):
            prober.remove(check)
        prober.report_on_closed_port()
        assert len(os.listdir(f"/proc/{prober.process.pid}/fd")) == files


# --- time ----------------------------------------------------------------------------------


def test_the_first_probe_is_at_once_and_the_next_an_interval_later(prober):
    with Target() as target:
        prober.put(1, LOCAL, target.port, interval_ms=300000)
        assert prober.report().result == "ok"
        assert prober.reports(1) == []
        assert len(target.times) == 1


def test_a_target_is_probed_no_more_than_once_an_interval(prober):
    """How it does on time, tests/unit/test_schedule.c knows."""
    interval_s, probes = 0.2, 20
    with Target() as target:
        prober.put(7, LOCAL, target.port, interval_ms=200, timeout_ms=200)
        for _ in range(probes):
            assert prober.report().id == 7
        rigs.wait_until(lambda: len(target.times) >= probes, "as many connections")
        assert len(target.times) <= probes + 1
        assert target.times[probes - 1] - target.times[0] > interval_s * (probes - 3)


def test_a_check_put_again_replaces_the_old_one(prober):
    with Target(never_answering) as mute, Target() as fine:
        prober.put(1, LOCAL, mute.port, HTTP, timeout_ms=500, generation=1)
        rigs.wait_until(lambda: mute.times, "the first check began")
        prober.put(1, LOCAL, fine.port, TCP, generation=2)
        reports = prober.reports(1)
    assert [(report.generation, report.result) for report in reports] == [(2, "ok")]


def test_a_removed_check_is_silent(prober):
    with Target(never_answering) as mute, Target() as fine:
        prober.put(1, LOCAL, mute.port, HTTP, timeout_ms=300)
        prober.put(2, LOCAL, fine.port, TCP, interval_ms=100, timeout_ms=100)
        assert prober.report().id == 2
        prober.remove(1)
        prober.remove(2)
        prober.remove(3)
        prober.report_on_closed_port()
        assert prober.reports(0.6) == []


def test_an_answer_that_came_while_it_was_frozen_is_no_timeout(prober):
    answer = threading.Event()

    def serve(connection):
        read_request(connection)
        asked.set()
        answer.wait(10)
        connection.sendall(GOOD)

    asked = threading.Event()
    with Target(serve) as target:
        prober.put(1, LOCAL, target.port, HTTP, timeout_ms=1000)
        assert asked.wait(10)
        prober.process.send_signal(signal.SIGSTOP)
        answer.set()
        time.sleep(1.5)  # the clock runs out meanwhile
        prober.process.send_signal(signal.SIGCONT)
        assert prober.report().result in ("ok", "stalled")


def test_it_says_that_it_lives_though_there_is_nothing_to_do(prober):
    rigs.wait_until(lambda: prober.reports(0.5) == [] and len(prober.heartbeats) >= 3,
                    "three heartbeats")


def test_a_slow_sluiced_gets_the_newest_result_of_each_target(prober):
    """Behind what the socket holds, one result a target waits: not the thousands since."""
    checks, probes = 100, 2000
    with Target() as target:
        for check in range(checks):
            prober.put(check, LOCAL, target.port, interval_ms=100, timeout_ms=100)
        rigs.wait_until(lambda: len(target.times) > probes, "so many probes", timeout_s=30)
    last, n = {}, 0
    while len(last) < checks or set(last.values()) != {"refused"}:
        report = prober.report()
        last[report.id] = report.result
        n += 1
    assert n < probes / 2


def test_probes_of_two_addresses_do_not_share_a_fate(prober):
    """One closed port and one open one, at the same address."""
    with Target() as target, socket.socket() as closed:
        closed.bind((LOCAL, 0))
        prober.put(1, LOCAL, target.port, interval_ms=100, timeout_ms=100)
        prober.put(2, LOCAL, closed.getsockname()[1], interval_ms=100, timeout_ms=100)
        found = {(report.id, report.result) for report in prober.reports(1)}
    assert found == {(1, "ok"), (2, "refused")}
