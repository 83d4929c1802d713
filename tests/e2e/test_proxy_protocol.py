# SPDX-License-Identifier: BSD-3-Clause
"""PROXY protocol v2: nginx behind it learns who its clients are, and nothing else changes."""
import contextlib
import hashlib
import os

import pytest
from rig import wait_until
from sluice import ApiError
from traffic import HttpConnection, client_socket, curl, udp_ask

PROXIED_PORT = 9000  # nginx of task1, with the header on every connection
BANNER_PORT = 9001
UPLOAD_BYTES = 24 << 20
ENABLED = {"proxy_protocol_v2.enabled": "true"}
DISABLED = {"proxy_protocol_v2.enabled": "false"}
FIRST_ACK = {"proxy_protocol_v2.client_to_server.header_placement": "on_first_ack"}

NGINX_CONF = """
daemon off;
user root;
worker_processes 1;
pid {dir}/pid;
error_log {dir}/error.log;
events {{ worker_connections 1024; }}
http {{
	access_log off;
	client_body_temp_path {dir}/body;
	proxy_temp_path {dir}/proxy;
	fastcgi_temp_path {dir}/fastcgi;
	uwsgi_temp_path {dir}/uwsgi;
	scgi_temp_path {dir}/scgi;
	server {{
		listen {port} proxy_protocol;
		listen [::]:{port} proxy_protocol;
		client_max_body_size 0;
		location = / {{
			return 200 "$proxy_protocol_addr $proxy_protocol_port $proxy_protocol_server_addr \
$proxy_protocol_server_port $remote_addr\\n";
		}}
		location /files/ {{
			root {dir};
			dav_methods PUT;
			create_full_put_path on;
		}}
	}}
}}
"""

# Reads the header, as long as it ever is, before it says anything; then what the client says.
BANNER_SERVER = """
import socket
with socket.create_server(("", {port})) as server:
    while True:
        connection, _ = server.accept()
        with connection, connection.makefile("rb") as reader:
            header = reader.read(100)
            connection.sendall(b"220 " + header[16:28].hex().encode() + b" ready\\r\\n")
            connection.sendall(b"250 " + reader.readline())
"""


@pytest.fixture(scope="module")
def nginx(rig):
    """The directory of an nginx of task1 that expects the header."""
    directory = os.path.join(rig.dir, "proxied")
    os.makedirs(os.path.join(directory, "files"), exist_ok=True)
    config = os.path.join(directory, "nginx.conf")
    with open(config, "w", encoding="ascii") as file:
        file.write(NGINX_CONF.format(dir=directory, port=PROXIED_PORT))
    rig.spawn("task1", "nginx", "-e", f"{directory}/error.log", "-c", config)
    wait_until(lambda: rig.listens("task1", "tcp", PROXIED_PORT), "nginx listens")
    return directory


def proxied(rig, sluice, name, attributes=None, **options):
    options = {"target_port": PROXIED_PORT, **options}
    return sluice.service(name, rig.tasks[:1], attributes={**ENABLED, **(attributes or {})},
                          **options)


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("preserve", [False, True], ids=["nat", "preserved"])
@pytest.mark.parametrize("placement", [{}, FIRST_ACK], ids=["payload", "ack"])
def test_a_target_learns_the_clients_address_and_the_vip(rig, sluice, nginx, family, preserve,
                                                         placement):
    with proxied(rig, sluice, "learns", placement, family=family, preserve=preserve) as learns:
        client = rig.client_v4 if family == 4 else rig.client_v6
        source = client if preserve else rig.snat[0 if family == 4 else 1]
        for _ in range(5):
            *answer, port = curl(rig, learns.url(), "-w", "%{local_port}").split()
            assert answer == [client, port, learns.vip, "80", source]


@pytest.mark.parametrize("family", [4, 6])
def test_many_requests_on_one_connection_come_in_order(rig, sluice, nginx, family):
    with proxied(rig, sluice, "kept", family=family) as kept, \
            HttpConnection(rig, kept.vip, kept.port) as connection:
        port = connection.socket.getsockname()[1]
        for _ in range(200):
            assert connection.get().split()[1] == str(port)


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("preserve", [False, True], ids=["nat", "preserved"])
@pytest.mark.parametrize("placement", [{}, FIRST_ACK], ids=["payload", "ack"])
def test_what_goes_up_comes_down_the_same(rig, sluice, nginx, family, preserve, placement):
    up, down = os.path.join(rig.dir, "up"), os.path.join(rig.dir, "down")
    with open(up, "wb") as file:
        file.write(os.urandom(UPLOAD_BYTES))
    with proxied(rig, sluice, "bulk", placement, family=family, preserve=preserve) as bulk:
        curl(rig, bulk.url("/files/up"), "--max-time", "30", "-T", up)
        assert digest(os.path.join(nginx, "files", "up")) == digest(up)
        curl(rig, bulk.url("/files/up"), "--max-time", "30", "-o", down)
        assert digest(down) == digest(up)


@pytest.mark.parametrize("loss", ["client", "task1"])
def test_bytes_stay_the_same_when_packets_are_lost(rig, sluice, nginx, loss):
    """On their way to the target, or to the client: retransmissions, and SACK."""
    up, down = os.path.join(rig.dir, "up"), os.path.join(rig.dir, "down")
    with open(up, "wb") as file:
        file.write(os.urandom(UPLOAD_BYTES // 8))
    with proxied(rig, sluice, "lossy") as lossy, losing(rig, loss):
        for _ in range(10):  # also of the packet with the header
            assert curl(rig, lossy.url()).split()[0] == rig.client_v4
        curl(rig, lossy.url("/files/up"), "--max-time", "60", "-T", up)
        assert digest(os.path.join(nginx, "files", "up")) == digest(up)
        curl(rig, lossy.url("/files/up"), "--max-time", "60", "-o", down)
        assert digest(down) == digest(up)


@contextlib.contextmanager
def losing(rig, short):
    """Lose one in fifty of the packets that reach a namespace."""
    rules = ("add table inet loss\n"
             "add chain inet loss input { type filter hook input priority 0; }\n"
             "add rule inet loss input meta l4proto tcp numgen random mod 50 == 0 drop\n")
    rig.exec(short, "nft", "-f", "-", text_input=rules)
    try:
        yield
    finally:
        rig.exec(short, "nft", "delete", "table", "inet", "loss")


@pytest.mark.parametrize("check", [
    {"HealthCheckPort": "traffic-port", "HealthCheckProtocol": "TCP"},
    {"HealthCheckPort": "traffic-port", "HealthCheckProtocol": "HTTP", "HealthCheckPath": "/"},
], ids=["tcp", "http"])
def test_a_target_that_wants_the_header_is_healthy(rig, sluice, nginx, check):
    with proxied(rig, sluice, "checked", check=check) as checked:  # waits for "healthy"
        assert curl(rig, checked.url()).split()[0] == rig.client_v4
        assert checked.health() == {rig.tasks[0].v4: "healthy"}


def test_a_server_may_speak_first_when_the_header_goes_with_the_first_ack(rig, sluice):
    server = rig.spawn("task1", "/usr/bin/python3", "-c", BANNER_SERVER.format(port=BANNER_PORT))
    try:
        wait_until(lambda: rig.listens("task1", "tcp", BANNER_PORT), "the server listens")
        with proxied(rig, sluice, "banner", FIRST_ACK, target_port=BANNER_PORT) as banner, \
                client_socket(rig, banner.vip) as client:
            client.connect((banner.vip, banner.port))
            with client.makefile("rb") as reader:
                greeting = reader.readline().split()
                assert greeting[0] == b"220" and greeting[2] == b"ready"
                ends = bytes.fromhex(greeting[1].decode())
                assert int.from_bytes(ends[8:10], "big") == client.getsockname()[1]
                client.sendall(b"HELO rig\r\n")
                assert reader.readline() == b"250 HELO rig\r\n"
    finally:
        server.kill()
        server.wait()


def test_live_connections_keep_what_they_began_with(rig, sluice, nginx):
    with proxied(rig, sluice, "changed") as changed, \
            HttpConnection(rig, changed.vip, changed.port) as with_header:
        assert with_header.get().split()[0] == rig.client_v4
        changed.set_attributes(DISABLED)
        assert with_header.get().split()[0] == rig.client_v4
        with pytest.raises(AssertionError):  # nginx wants the header
            curl(rig, changed.url())
    with sluice.service("plain", rig.tasks[:1]) as plain, \
            HttpConnection(rig, plain.vip, plain.port) as without:
        assert without.get() == "task1"
        plain.set_attributes(ENABLED)
        assert without.get() == "task1"
        plain.set_attributes(DISABLED)
        assert without.get() == "task1"
        assert curl(rig, plain.url()).strip() == "task1"


def test_a_restart_of_sluiced_changes_nothing(rig, sluice, nginx):
    with proxied(rig, sluice, "restarted") as restarted, \
            HttpConnection(rig, restarted.vip, restarted.port) as kept:
        before = kept.get()
        sluice.restart()
        assert kept.get() == before
        assert curl(rig, restarted.url()).split()[0] == rig.client_v4


def test_udp_has_no_header(rig, sluice):
    with sluice.service("both", [rig.echo], protocol="TCP_UDP", port=7, attributes=ENABLED) as both:
        assert udp_ask(rig, both.vip, both.port, b"plain") == b"plain"
    with pytest.raises(ApiError) as refused:
        with sluice.service("udp", [rig.echo], protocol="UDP", port=7) as udp:
            udp.set_attributes(ENABLED)
    assert refused.value.code == "InvalidConfigurationRequest"
