# SPDX-License-Identifier: BSD-3-Clause
"""Targets of health checks that do what a test wants of them, good or bad."""
import contextlib
import socket
import ssl
import struct
import threading
import time
import warnings

import rig as rigs

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Target:
    """A server: each connection is given to `serve` in a thread of its own."""

    def __init__(self, serve=lambda connection: None, address="127.0.0.1", port=0, backlog=128):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.listener = socket.create_server((address, port), family=family, backlog=backlog)
        self.address, self.port = self.listener.getsockname()[:2]
        self.serve = serve
        self.peers, self.times = [], []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, peer = self.listener.accept()
                self.peers.append(peer[:2])
                self.times.append(time.monotonic())
                threading.Thread(target=self._handle, args=(connection,), daemon=True).start()

    def _handle(self, connection):
        with connection, contextlib.suppress(OSError):
            self.serve(connection)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def read_request(connection):
    """Up to the empty line; may begin with anything."""
    data = b""
    while b"\r\n\r\n" not in data[100:] and (more := connection.recv(4096)):
        data += more
    return data


def answering(*pieces, pause_s=0.0):
    """A server that reads the request, then sends the pieces."""
    def serve(connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        read_request(connection)
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(pause_s)
    return serve


def never_answering(connection):
    while connection.recv(4096):
        pass


def resetting(connection):
    connection.recv(4096)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def endless(piece):
    def serve(connection):
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            connection.sendall(piece)
    return serve


def make_certificate(directory, *options):
    """A self-signed certificate for another name, and its key."""
    paths = str(directory / "cert.pem"), str(directory / "key.pem")
    rigs.run("openssl", "req", "-x509", *(options or ("-newkey", "rsa:2048")), "-nodes", "-subj",
             "/CN=elsewhere.test", "-out", paths[0], "-keyout", paths[1])
    return paths


def tls_answering(certificate, version, names=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that is why we try it
        context.minimum_version = context.maximum_version = version
    context.load_cert_chain(*certificate)
    if names is not None:
        context.sni_callback = lambda _socket, name, _context: names.append(name)

    def serve(connection):
        with context.wrap_socket(connection, server_side=True) as secure:
            read_request(secure)
            secure.sendall(GOOD)
    return serve
