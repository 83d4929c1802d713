# SPDX-License-Identifier: BSD-3-Clause
"""What a user might pick instead of Sluice, each in the balancer's place of a rig of its own.

All forward HTTP_PORT/TCP to the rig's tasks, ECHO_PORT/UDP to the echo task and BULK_PORT/TCP to
iperf3 there, for one virtual address. All are set up as their manuals say, none is tuned.
"""
import os
import socket

import rig as rigs
from sluice import Sluice

BULK_PORT = 5201
NGINX_MODULE = "/usr/lib/nginx/modules/ngx_stream_module.so"


class Peer:
    """A rig with somebody in the balancer's place."""

    name = ""            # as in the results
    udp = True           # whether it forwards UDP
    sees_client = False  # whether tasks see the client's own address
    engine = "xdp"       # which rig: that of the dpdk engine has no interfaces without sluiced

    def __init__(self, prefix, tasks=2):
        self.rig = rigs.Rig(f"{prefix}-{self.name.replace('_', '-')}", tasks=tasks,
                            engine=self.engine)
        self.http = self.udp_echo = self.bulk = "10.77.0.128"  # the virtual address

    def __enter__(self):
        self.rig.up()
        try:
            self.rig.spawn("echo", "iperf3", "-s", "-p", str(BULK_PORT))
            rigs.wait_until(lambda: self.rig.listens("echo", "tcp", BULK_PORT), "iperf3 serves")
            self.start()
        except BaseException:
            self.rig.down()
            raise
        return self

    def __exit__(self, *_):
        self.rig.down()

    def start(self):
        raise NotImplementedError

    def add(self, task):
        """Let a task that is out take new connections; returns when the peer says it does."""
        raise NotImplementedError

    def remove(self, task):
        """Let a task take no new connection; returns when the peer says so."""
        raise NotImplementedError

    def forget(self, task):
        """What remains to be done for a removed task that has no connection any more."""

    def _ready(self):
        """Wait until a request is answered, and see who answered it, as whom."""
        self.rig.forget_requests()
        rigs.wait_until(self.answers, f"{self.name} forwards")
        seen = {client for task in self.rig.tasks for client in self.rig.requests(task)}
        if (seen == {self.rig.client_v4}) != self.sees_client:
            raise RuntimeError(f"{self.name}: the tasks were asked by {sorted(seen)}")

    def answers(self):
        done = self.rig.exec("client", "curl", "-sf", "--max-time", "1",
                             f"http://{self.http}:{rigs.HTTP_PORT}/", check=False)
        return done.stdout.startswith("task")

    def _own_address(self):
        self.rig.ip("lb", f"addr add {self.http}/32 dev {self.rig.interfaces[0]}")

    def write(self, name, text):
        path = os.path.join(self.rig.dir, name)
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        return path


class Direct(Peer):
    """No balancer: lb is a plain router, the client knows one task's address."""

    name = "direct"
    sees_client = True

    def start(self):
        self.http = self.rig.tasks[0].v4
        self.udp_echo = self.bulk = self.rig.echo.v4
        self._ready()


class SluiceXdp(Peer):
    name = "sluice_xdp"

    def start(self):
        self.sluice = Sluice(self.rig, max_flows=1048576).start()
        self.service = self.sluice.service("bench", self.rig.tasks)
        self.http = self.service.vip
        self.udp_echo = self.sluice.service("echo", [self.rig.echo], protocol="UDP",
                                            port=rigs.ECHO_PORT).vip
        self.bulk = self.sluice.service("bulk", [self.rig.echo], port=BULK_PORT).vip
        self._ready()

    def add(self, task):
        self.service.register(task)

    def remove(self, task):
        self.service.deregister(task)


class SluiceDpdk(SluiceXdp):
    """AF_XDP sockets on the veths, in copy mode; the worker sleeps while nothing comes."""

    name = "sluice_dpdk"
    engine = "dpdk"


class Nft(Peer):
    """The kernel's own NAT: dnat over a hash of the flow, and masquerade."""

    name = "nft"
    RULES = """
table ip balance {{
	map tasks {{
		type mark : ipv4_addr
		elements = {{ {map} }}
	}}
	chain pre {{
		type nat hook prerouting priority dstnat;
		meta mark set jhash ip saddr . tcp sport mod {n}
		ip daddr {vip} tcp dport {http} dnat to meta mark map @tasks
		ip daddr {vip} udp dport {echo_port} dnat to {echo}
		ip daddr {vip} tcp dport {bulk} dnat to {echo}
	}}
	chain post {{
		type nat hook postrouting priority srcnat;
		oifname "{out}" ct status dnat masquerade
	}}
}}
"""

    def start(self):
        self._own_address()
        tasks = self.rig.tasks
        rules = self.RULES.format(
            vip=self.http, http=rigs.HTTP_PORT, n=len(tasks), echo=self.rig.echo.v4,
            map=", ".join(f"{i} : {task.v4}" for i, task in enumerate(tasks)),
            echo_port=rigs.ECHO_PORT, bulk=BULK_PORT, out=self.rig.interfaces[-1])
        self.rig.exec("lb", "nft", "-f", self.write("nft.conf", rules))
        self._ready()

    def _place(self, number, task):
        self.rig.exec("lb", "nft", f"delete element ip balance tasks {{ {number} }}; "
                      f"add element ip balance tasks {{ {number} : {task.v4} }}")

    def add(self, task):
        self._place(self.rig.tasks.index(task), task)

    def remove(self, task):
        """Its share of the hash goes to the first task."""
        self._place(self.rig.tasks.index(task), self.rig.tasks[0])


class Proxy(Peer):
    """A process that ends the client's connection and opens one of its own."""

    def start(self):
        self._own_address()
        self.rig.exec("lb", "sh", "-ec", "echo 1024 65535 >/proc/sys/net/ipv4/ip_local_port_range;"
                      "echo 1 >/proc/sys/net/ipv4/tcp_tw_reuse")
        self._spawn()
        self._ready()

    def _spawn(self):
        raise NotImplementedError


class Haproxy(Proxy):
    name = "haproxy"
    udp = False
    CONFIG = """
global
	maxconn 8192
	stats socket {dir}/haproxy.sock level admin
defaults
	mode tcp
	timeout connect 5s
	timeout client 60s
	timeout server 60s
listen http
	bind {vip}:{http}
	balance roundrobin
{servers}
listen bulk
	bind {vip}:{bulk}
	server echo {echo}:{bulk}
"""

    def _spawn(self):
        servers = "\n".join(f"\tserver {task.name} {task.v4}:{rigs.HTTP_PORT}"
                            for task in self.rig.tasks)
        config = self.write("haproxy.cfg", self.CONFIG.format(
            vip=self.http, http=rigs.HTTP_PORT, bulk=BULK_PORT, servers=servers,
            echo=self.rig.echo.v4, dir=self.rig.dir))
        self.rig.spawn("lb", "haproxy", "-db", "-f", config)

    def _tell(self, command, answers=("",)):
        """One command of the runtime API; whether it was answered with one of these."""
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(f"{self.rig.dir}/haproxy.sock")
            client.sendall(command.encode() + b"\n")
            answer = client.makefile().read().strip()
        if answer in answers:
            return True
        if "still has connections" not in answer:
            raise RuntimeError(f"haproxy, {command}: {answer}")
        return False

    def add(self, task):
        self._tell(f"add server http/{task.name} {task.v4}:{rigs.HTTP_PORT}",
                   ["New server registered."])
        self._tell(f"enable server http/{task.name}")

    def remove(self, task):
        self._tell(f"disable server http/{task.name}")

    def forget(self, task):
        rigs.wait_until(lambda: self._tell(f"del server http/{task.name}", ["Server deleted."]),
                        f"{task.name} has no connections")


class Nginx(Proxy):
    name = "nginx"
    CONFIG = """
load_module {module};
daemon off;
user root;
worker_processes auto;
worker_rlimit_nofile 16384;
pid {dir}/lb-nginx.pid;
error_log {dir}/lb-nginx.log;
events {{ worker_connections 8192; }}
stream {{
	upstream http {{ hash $remote_addr$remote_port consistent; {servers} }}
	upstream echo {{ server {echo}:{echo_port}; }}
	upstream bulk {{ server {echo}:{bulk}; }}
	server {{ listen {vip}:{http} backlog=4096; proxy_pass http; }}
	server {{ listen {vip}:{echo_port} udp; proxy_pass echo; }}
	server {{ listen {vip}:{bulk}; proxy_pass bulk; }}
}}
"""

    def _configure(self, tasks):
        servers = " ".join(f"server {task.v4}:{rigs.HTTP_PORT};" for task in tasks)
        return self.write("lb-nginx.conf", self.CONFIG.format(
            module=NGINX_MODULE, dir=self.rig.dir, servers=servers, vip=self.http,
            http=rigs.HTTP_PORT, echo=self.rig.echo.v4, echo_port=rigs.ECHO_PORT, bulk=BULK_PORT))

    def _nginx(self, tasks):
        return ["nginx", "-e", f"{self.rig.dir}/lb-nginx.log", "-c", self._configure(tasks)]

    def _spawn(self):
        self.tasks = list(self.rig.tasks)
        self.rig.spawn("lb", *self._nginx(self.tasks))

    def add(self, task):
        self.tasks.append(task)
        self.rig.exec("lb", *self._nginx(self.tasks), "-s", "reload")

    def remove(self, task):
        self.tasks.remove(task)
        self.rig.exec("lb", *self._nginx(self.tasks), "-s", "reload")


ALL = [Direct, SluiceXdp, SluiceDpdk, Nft, Haproxy, Nginx]
