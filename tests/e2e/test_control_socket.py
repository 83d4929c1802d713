# SPDX-License-Identifier: BSD-3-Clause
"""The control socket: who may connect, and what hostile or broken clients cannot do."""
import json
import os
import socket
import stat
import subprocess
import threading

import pytest

REQUEST_MAX = 1 << 20
CLIENTS = 1000

pytestmark = pytest.mark.engine("xdp", reason="no packet is involved")


def call(client, method, **params):
    """One call on an open connection."""
    client.sendall(json.dumps({"jsonrpc": "2.0", "id": 7, "method": method,
                               "params": params}).encode() + b"\n")
    return read_answer(client)


def read_answer(client):
    line = b""
    while not line.endswith(b"\n"):
        more = client.recv(1 << 16)
        if not more:
            raise ConnectionResetError("closed")
        line += more
    return json.loads(line)


def assert_serving(sluice):
    assert "Limits" in sluice.rpc("DescribeAccountLimits")


def test_mode_is_0660(sluice):
    assert stat.S_IMODE(os.stat(sluice.socket_path).st_mode) == 0o660


def test_a_stranger_is_refused(sluice):
    """nobody gets past the mode; and where the mode lets it, past the check of its group."""
    script = ("import os, socket, sys\n"
              "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
              "s = socket.socket(socket.AF_UNIX); s.settimeout(10)\n"
              "try:\n"
              "    s.connect(sys.argv[1])\n"
              "    s.sendall(b'{\"jsonrpc\":\"2.0\",\"id\":1,'\n"
              "              b'\"method\":\"DescribeAccountLimits\"}\\n')\n"
              "    answer = s.recv(100000)\n"
              "    sys.exit(1 if b'Limits' in answer else 0)\n"
              "except OSError:\n"
              "    sys.exit(0)\n")
    for mode in (0o660, 0o666):
        os.chmod(sluice.socket_path, mode)
        done = subprocess.run(["/usr/bin/python3", "-c", script, sluice.socket_path], check=False)
        assert done.returncode == 0
    os.chmod(sluice.socket_path, 0o660)
    assert_serving(sluice)


@pytest.mark.parametrize("garbage", [
    b"GET / HTTP/1.1\r\n\r\n", b"\0\1\2\3\xff\xfe\n", b"{" * 100000 + b"\n", b"[]\n", b"null\n",
    b'{"jsonrpc":"2.0","id":{},"method":1}\n', b"\n\n\n", os.urandom(4096) + b"\n",
], ids=["http", "binary", "nested", "array", "null", "types", "empty", "random"])
def test_garbage_is_answered_or_cut_off(sluice, garbage):
    with sluice.connect() as client:
        client.sendall(garbage)
        client.shutdown(socket.SHUT_WR)
        answer = b""
        while more := client.recv(1 << 16):
            answer += more
        for line in answer.splitlines():
            assert "error" in json.loads(line)
    assert_serving(sluice)


def test_half_a_line_hurts_nobody(sluice):
    with sluice.connect() as half:
        half.sendall(b'{"jsonrpc":"2.0","id":1,"meth')
        assert_serving(sluice)
        half.sendall(b'od":"DescribeAccountLimits"}\n')  # the other half arrives late
        assert "result" in read_answer(half)


def test_several_requests_in_one_write_are_all_answered_in_order(sluice):
    with sluice.connect() as client:
        client.sendall(b"".join(
            json.dumps({"jsonrpc": "2.0", "id": i, "method": "DescribeAccountLimits"}).encode()
            + b"\n" for i in range(50)))
        with client.makefile("rb") as lines:
            assert [json.loads(lines.readline())["id"] for _ in range(50)] == list(range(50))


def test_an_unknown_method_is_an_error(sluice):
    with sluice.connect() as client:
        assert call(client, "FlyToTheMoon")["error"]["code"] == -32601
        assert "result" in call(client, "DescribeAccountLimits")


def test_a_message_may_be_one_mebibyte_and_no_more(sluice):
    head, tail = b'{"jsonrpc":"2.0","id":1,"method":"DescribeAccountLimits"', b"}"
    for size, fits in ((REQUEST_MAX, True), (REQUEST_MAX + 1, False)):
        with sluice.connect() as client:
            message = head + b" " * (size - len(head) - len(tail)) + tail
            assert len(message) == size
            try:
                client.sendall(message + b"\n")
                answer = read_answer(client)
            except ConnectionError:
                answer = {}
            assert ("result" in answer) == fits
    assert_serving(sluice)


def test_a_client_that_never_reads_is_cut_off(rig, sluice):
    with sluice.service("noise", rig.tasks), sluice.connect() as deaf:
        request = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "DescribeLoadBalancers"})
        with pytest.raises(OSError):  # reset, or sluiced reads no more of it
            deaf.settimeout(3)
            while True:
                deaf.sendall(request.encode() + b"\n")
        assert_serving(sluice)


def test_a_thousand_clients_are_served(sluice):
    clients = []
    try:
        for _ in range(CLIENTS):
            clients.append(sluice.connect())
        for client in clients:
            assert "result" in call(client, "DescribeAccountLimits")
    finally:
        for client in clients:
            client.close()
    assert_serving(sluice)


def test_a_client_that_leaves_before_its_answer_hurts_nobody(sluice):
    for _ in range(100):
        with sluice.connect() as client:
            client.sendall(b'{"jsonrpc":"2.0","id":1,"method":"DescribeAccountLimits"}\n')
    assert_serving(sluice)


def test_concurrent_registrations_are_all_done(rig, sluice):
    with sluice.service("many", []) as many:
        failures = []

        def register(first):
            try:
                with sluice.connect() as client:
                    for port in range(first, first + 25):
                        answer = call(client, "RegisterTargets", TargetGroupArn=many.tg_arn,
                                      Targets=[{"Id": rig.tasks[0].v4, "Port": port}])
                        assert "result" in answer, answer
            except Exception as error:  # told below, in the test's own thread
                failures.append(error)

        workers = [threading.Thread(target=register, args=(1000 + 25 * i,)) for i in range(16)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert failures == []
        answer = sluice.rpc("DescribeTargetHealth", TargetGroupArn=many.tg_arn)
        assert len(answer["TargetHealthDescriptions"]) == 16 * 25
