# SPDX-License-Identifier: BSD-3-Clause
"""The rig: clients, a balancer and tasks in network namespaces of one machine.

Two arms (the default):

    client                 lb                      switch          task1 .. taskN, echo
    10.77.0.2 ──────────── 10.77.0.1
    fd77::2       clients  fd77::1
                           10.77.1.1 ───────────── bridge ──────── 10.77.1.11 ..  nginx :80
                  tasks    fd77:1::1                               fd77:1::11 ..
                                                                   10.77.1.20     UDP echo :7

One arm: the client hangs on the bridge too, and lb has one interface, `wire`, with
both addresses. narrow="client" or "task" puts a router with a link of 1,300 bytes
before the clients or before the tasks.

The tasks' default route leads through lb, which client IP preservation needs. VIPs
are taken from the clients' network, SNAT addresses from the tasks'. Peers of the
balancer have GRO on and TX checksum offload off: XDP cannot redirect to a veth whose
peer has no NAPI, and a checksum left to "hardware" would be wrong once rewritten.

engine="dpdk": the balancer's ends of the wires are `clients-port` and `tasks-port` (`wire-port`),
which only the engine's AF_XDP sockets use; the interfaces above are taps, and sluiced makes them.

All that a rig makes carries its name: namespaces NAME-…, files in /run/sluice-rig/NAME,
processes only inside its namespaces. So down(NAME) takes down also what a killed run left.
"""
import contextlib
import ctypes
import json
import os
import shutil
import signal
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("SLUICE_BUILD", os.path.join(ROOT, "build"))
RUN_DIR = "/run/sluice-rig"
DISK_DIR = "/var/tmp/sluice-rig"  # for what needs a real file system
NETNS_DIR = "/var/run/netns"
HTTP_PORT = 80
CHECK_PORT = 8081  # nginx, too: where health checks go, so that they can fail alone
ECHO_PORT = 7
NARROW_MTU = 1300
ENGINES = ("xdp", "dpdk")
BIG_BYTES = 32 << 20  # size of /big, for throughput and for transfers that outlive things

CLONE_NEWNET = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)


class RigError(Exception):
    """The rig itself is broken: not a finding about Sluice."""


def run(*argv, check=True, text_input=None, timeout=60):
    """Run a command to its end; its output is in the error when it fails."""
    done = subprocess.run(argv, input=text_input, capture_output=True, text=True, timeout=timeout,
                          check=False, stdin=subprocess.DEVNULL if text_input is None else None)
    if check and done.returncode != 0:
        raise RigError(f"{' '.join(argv)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def wait_until(condition, what, timeout_s=10.0, every_s=0.02):
    """Poll until condition() is true and return what it returned."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s} s: {what}")
        time.sleep(every_s)


def namespaces_of(name):
    if not os.path.isdir(NETNS_DIR):
        return []
    return sorted(ns for ns in os.listdir(NETNS_DIR) if ns.startswith(name + "-"))


def pids_in(namespace):
    done = run("ip", "netns", "pids", namespace, check=False)
    return [int(pid) for pid in done.stdout.split()]


def down(name):
    """Take a rig down by its name: processes, namespaces, mounts, files. None is fine."""
    namespaces = namespaces_of(name)
    for namespace in namespaces:
        for pid in pids_in(namespace):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    for namespace in namespaces:
        wait_until(lambda ns=namespace: not pids_in(ns), f"processes in {namespace} gone")
        run("ip", "netns", "del", namespace, check=False)
    directory = os.path.join(RUN_DIR, name)
    with open("/proc/mounts", encoding="utf-8") as mounts:
        ours = [line.split()[1] for line in mounts if line.split()[1].startswith(directory + "/")]
    for path in ours:
        unmount(path)
    for parent in (RUN_DIR, DISK_DIR):
        shutil.rmtree(os.path.join(parent, name), ignore_errors=True)
        with contextlib.suppress(OSError):
            os.rmdir(parent)


def unmount(path):
    """A process of many threads holds its files a moment longer than its namespace."""
    wait_until(lambda: not os.path.ismount(path)
               or run("umount", path, check=False).returncode == 0, f"{path} unmounted")


def names():
    """Of all rigs that are there."""
    try:
        return os.listdir(RUN_DIR)
    except FileNotFoundError:
        return []


def make_directory(path):
    """Whoever takes the last rig down removes the directory of all, maybe just now."""
    while not os.path.isdir(path):
        with contextlib.suppress(FileNotFoundError):
            os.makedirs(path, exist_ok=True)


def sweep_dead(prefix):
    """Take down rigs named PREFIX-PID whose process is gone: leftovers of a kill -9."""
    for name in names():
        pid = name[len(prefix) + 1:].split("-")[0]
        if name.startswith(prefix + "-") and pid.isdigit() and not os.path.exists(f"/proc/{pid}"):
            down(name)


class Task:
    """A target: a namespace with its own addresses; nginx answers its name at /."""

    def __init__(self, name, number):
        self.name = name
        self.v4 = f"10.77.1.{number}"
        self.v6 = f"fd77:1::{number}"

    def address(self, family):
        return self.v4 if family == 4 else self.v6


class Rig:
    client_v4, client_v6 = "10.77.0.2", "fd77::2"
    client_lb_v4, client_lb_v6 = "10.77.0.1", "fd77::1"
    task_lb_v4, task_lb_v6 = "10.77.1.1", "fd77:1::1"
    vip_pool = ["10.77.0.128/26", "fd77::100:0/112"]
    task_cidrs = ["10.77.1.0/24", "fd77:1::/64"]
    snat = ["10.77.1.200", "fd77:1::200"]

    def __init__(self, name, arms=2, tasks=3, narrow=None, engine="xdp"):
        self.name, self.arms, self.narrow, self.engine = name, arms, narrow, engine
        self.dir = os.path.join(RUN_DIR, name)
        self.tasks = [Task(f"task{i}", 10 + i) for i in range(1, tasks + 1)]
        self.echo = Task("echo", 20)
        if narrow == "task":  # the router's far side carries the tasks' network
            self.task_lb_v4, self.task_lb_v6 = "10.77.2.1", "fd77:2::1"
            self.snat = ["10.77.2.200", "fd77:2::200"]
        self._lb_routes = []
        self._netns_fds = {}

    # --- life ---------------------------------------------------------------

    def up(self):
        """Make it; a leftover of the same name goes first. Undoes itself when it fails."""
        down(self.name)
        try:
            self._make_directories()
            self._make_network()
            self._start_peers()
            wait_until(self._has_links, "links of the balancer's ports")
        except BaseException:
            self.down()
            raise
        return self

    def down(self):
        for fd in self._netns_fds.values():
            os.close(fd)
        self._netns_fds = {}
        down(self.name)

    def __enter__(self):
        return self.up()

    def __exit__(self, *_):
        self.down()

    def _make_directories(self):
        # our own bpffs: /sys/fs/bpf may not be mounted, and this one leaves nothing; our own
        # tmpfs: /run may be on a disk, where the dpdk engine does not want its tables
        for mount, kind in (("bpf", "bpf"), ("tables", "tmpfs")):
            make_directory(os.path.join(self.dir, mount))
            run("mount", "-t", kind, kind, os.path.join(self.dir, mount))

    def make_disk_dir(self):
        """A directory on disk that goes with the rig."""
        path = os.path.join(DISK_DIR, self.name)
        make_directory(path)
        return path

    # --- network ------------------------------------------------------------

    def ns(self, short):
        return f"{self.name}-{short}"

    def _make_network(self):
        middle = ["router"] if self.narrow else []
        hosts = self.tasks + [self.echo]
        for short in ["client", "lb", "switch", *middle, *[host.name for host in hosts]]:
            run("ip", "netns", "add", self.ns(short))
            self.ip(short, "link set lo up")
            # the rig's own addresses are no duplicates; do not wait a second for each
            self._sysctl(short, "net.ipv6.conf.all.accept_dad=0",
                         "net.ipv6.conf.default.accept_dad=0")
        self.ip("switch", "link add br0 type bridge mcast_snooping 0\nlink set br0 up")

        self.interfaces = ["wire"] if self.arms == 1 else ["clients", "tasks"]
        to_clients, to_tasks = self.port(self.interfaces[0]), self.port(self.interfaces[-1])
        if self.arms == 1:
            self._plug("client", "eth0", "client")
        elif self.narrow == "client":
            self._link("client", "eth0", "router", "narrow")
            self._link("router", "lb", "lb", to_clients)
        else:
            self._link("client", "eth0", "lb", to_clients)
        if self.narrow == "task":
            self._link("lb", to_tasks, "router", "lb")
            self._plug("router", "narrow", "lb")
        else:
            self._plug("lb", to_tasks, "lb")
        for host in hosts:
            self._plug(host.name, "eth0", host.name)
        self._prepare_lb()
        self._address_all(hosts)
        if self.engine == "xdp":
            self.finish_lb()

    def _prepare_lb(self):
        """Sysctls of the balancer's namespace; its addresses, where no engine brings them."""
        self._sysctl("lb", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1",
                     *[f"net.ipv4.conf.{i}.{key}=0" for i in ("all", "default", *self.ports())
                       for key in ("send_redirects", "rp_filter")])
        if self.engine == "xdp":
            for interface in self.interfaces:
                for address in self.lb_addresses(interface):
                    self.ip("lb", f"addr add {address} dev {interface}"
                                  + (" nodad" if ":" in address else ""))
        else:  # the ports themselves must have none, not even link-local ones
            self._sysctl("lb", *[f"net.ipv6.conf.{port}.disable_ipv6=1" for port in self.ports()])

    def _has_links(self):
        """The kernel tells of a link up to a second late; the dpdk engine follows what it tells."""
        links = json.loads(self.exec("lb", "ip", "-j", "link", "show", "type", "veth").stdout)
        return all(link["operstate"] == "UP" for link in links)

    def ports(self):
        return [self.port(interface) for interface in self.interfaces]

    def port(self, interface):
        """The wire's end in the balancer's namespace that belongs to one of its interfaces."""
        return interface if self.engine == "xdp" else f"{interface}-port"

    def lb_addresses(self, interface):
        """Addresses of the balancer's own, with their prefix lengths."""
        addresses = []
        if interface == self.interfaces[0]:
            addresses += [f"{self.client_lb_v4}/24", f"{self.client_lb_v6}/64"]
        if interface == self.interfaces[-1]:
            addresses += [f"{self.task_lb_v4}/24", f"{self.task_lb_v6}/64"]
        return addresses

    def finish_lb(self):
        """What the balancer's interfaces need once they are there; again is fine."""
        for route in self._lb_routes:
            self.ip("lb", route)
        # what sluiced adds must come to terms with it
        self._sysctl("lb", *[f"net.ipv6.conf.{i}.accept_dad=1" for i in self.interfaces])

    def mac(self, short, interface):
        shown = self.exec(short, "ip", "-o", "link", "show", "dev", interface).stdout
        return shown.split("link/ether ")[1].split()[0]

    def forget_neighbours(self, *shorts):
        """All but those that are being asked for: what waits for them would be refused."""
        states = [word for state in ("reachable", "stale", "delay", "probe")
                  for word in ("nud", state)]
        for short in shorts:
            for family in ("-4", "-6"):
                self.exec(short, "ip", family, "neigh", "flush", "all", *states, check=False)

    def _link(self, ns_a, if_a, ns_b, if_b):
        """A veth pair between two namespaces."""
        run("ip", "link", "add", if_a, "netns", self.ns(ns_a), "type", "veth",
            "peer", "name", if_b, "netns", self.ns(ns_b))
        ends = ((ns_a, if_a), (ns_b, if_b))
        for short, interface in ends:
            self.exec(short, "ethtool", "-K", interface, "gro", "on", "tx", "off")
        # a veth learns as it comes up whether its peer takes redirected packets: GRO comes first
        for short, interface in ends:
            self.ip(short, f"link set {interface} up")

    def _plug(self, short, interface, port):
        """A veth pair from a namespace to the switch."""
        self._link(short, interface, "switch", port)
        self.ip("switch", f"link set {port} master br0")

    def _address_all(self, hosts):
        self._address("client", "eth0", self.client_v4, self.client_v6)
        # short-lived connections by the ten thousand, all to one VIP and port
        self._sysctl("client", "net.ipv4.ip_local_port_range=1024 65535", "net.ipv4.tcp_tw_reuse=1")
        for host in hosts:
            self._address(host.name, "eth0", host.v4, host.v6)

        gateways = {"client": (self.client_lb_v4, self.client_lb_v6),
                    "task": ("10.77.1.1", "fd77:1::1")}
        if self.narrow:
            gateways[self.narrow] = self._address_router()
        self._default_route("client", *gateways["client"])
        for host in hosts:
            self._default_route(host.name, *gateways["task"])

    def _address_router(self):
        """Give the router its addresses and both sides their routes; returns the narrow ones."""
        self._sysctl("router", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        self.ip("router", f"link set narrow mtu {NARROW_MTU}")
        if self.narrow == "task":
            near, far = ("10.77.2.254", "fd77:2::254"), ("10.77.1.1", "fd77:1::1")
            behind, interface = self.task_cidrs, "tasks"
        else:
            # the client moves one network out; the VIPs stay where they are
            self.ip("client", "addr flush dev eth0")
            self.client_v4, self.client_v6 = "10.77.3.2", "fd77:3::2"
            self._address("client", "eth0", self.client_v4, self.client_v6)
            near, far = ("10.77.0.254", "fd77::254"), ("10.77.3.1", "fd77:3::1")
            behind, interface = ["10.77.3.0/24", "fd77:3::/64"], "clients"
        self._address("router", "lb", *near)
        self._address("router", "narrow", *far)
        self._lb_routes = [f"route replace {behind[0]} via {near[0]} dev {interface}",
                           f"-6 route replace {behind[1]} via {near[1]} dev {interface}"]
        if self.narrow == "task":
            self._default_route("router", self.task_lb_v4, self.task_lb_v6)
        else:
            self._default_route("router", self.client_lb_v4, self.client_lb_v6)
        return far

    def _address(self, short, interface, v4, v6):
        self.ip(short, f"addr add {v4}/24 dev {interface}")
        self.ip(short, f"addr add {v6}/64 dev {interface} nodad")

    def _default_route(self, short, v4, v6):
        self.ip(short, f"route add default via {v4}")
        self.ip(short, f"-6 route add default via {v6}")

    def _sysctl(self, short, *settings):
        script = "".join(f"echo '{value}' >/proc/sys/{key.replace('.', '/')}\n"
                         for key, value in (setting.split("=", 1) for setting in settings))
        self.exec(short, "sh", "-e", "-c", script)

    def ip(self, short, commands):
        """ip(8) in a namespace, one command a line."""
        for command in commands.splitlines():
            run("ip", "-netns", self.ns(short), *command.split())

    # --- processes ----------------------------------------------------------

    def enter(self, short):
        """What stands before a command to run it in a namespace; keeps the host's mounts."""
        return ["nsenter", f"--net={NETNS_DIR}/{self.ns(short)}", "--"]

    def exec(self, short, *argv, **options):
        return run(*self.enter(short), *argv, **options)

    def spawn(self, short, *argv, **options):
        """Start a process in a namespace. It dies with the rig, not with our terminal or Ctrl-C."""
        with open(os.path.join(self.dir, f"{short}.log"), "ab") as log:
            streams = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log, **options}
            return subprocess.Popen([*self.enter(short), *argv], start_new_session=True, **streams)

    def kill_process(self, short, name):
        """kill -9 of the one process of that name in a namespace, if there is one."""
        for pid in pids_in(self.ns(short)):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                with open(f"/proc/{pid}/comm", encoding="ascii") as comm:
                    if comm.read().strip() == name:
                        os.kill(pid, signal.SIGKILL)

    @contextlib.contextmanager
    def inside(self, short):
        """Run this thread in a namespace: sockets made inside stay there afterwards."""
        if short not in self._netns_fds:
            self._netns_fds[short] = os.open(f"{NETNS_DIR}/{self.ns(short)}", os.O_RDONLY)
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            if libc.setns(self._netns_fds[short], CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")
            yield
        finally:
            libc.setns(home, CLONE_NEWNET)
            os.close(home)

    # --- peers --------------------------------------------------------------

    def _start_peers(self):
        for task in [*self.tasks, self.echo]:
            self.start_nginx(task)
        self.start_echo(self.echo, ECHO_PORT)
        for task in self.tasks:
            wait_until(lambda t=task: self.listens(t.name, "tcp", HTTP_PORT),
                       f"nginx of {task.name}")

    def start_echo(self, task, port, with_name=False):
        """UDP echo; with_name: "NAME " stands before what is echoed."""
        binary = os.path.join(BUILD, "tests", "e2e", "udp_echo")
        process = self.spawn(task.name, binary, str(port), *([task.name] if with_name else []))
        wait_until(lambda: self.listens(task.name, "udp", port), f"udp_echo in {task.name}")
        return process

    def listens(self, short, protocol, port):
        flag = {"tcp": "-tlnH", "udp": "-ulnH"}[protocol]
        return self.exec(short, "ss", flag, f"sport = :{port}").stdout.strip() != ""

    def task_dir(self, task):
        return os.path.join(self.dir, task.name)

    def start_nginx(self, task):
        directory = self.task_dir(task)
        os.makedirs(os.path.join(directory, "www"), exist_ok=True)
        with open(os.path.join(directory, "www", "big"), "wb") as file:
            file.truncate(BIG_BYTES)
        config = os.path.join(directory, "nginx.conf")
        with open(config, "w", encoding="ascii") as file:
            file.write(NGINX_CONF.format(dir=directory, name=task.name, port=HTTP_PORT,
                                         check_port=CHECK_PORT))
        self.spawn(task.name, "nginx", "-e", f"{directory}/error.log", "-c", config)

    def requests(self, task):
        """What nginx of a task answered since forget_requests(): client addresses, in order."""
        with open(os.path.join(self.task_dir(task), "access.log"), encoding="ascii") as log:
            return log.read().split()

    def forget_requests(self):
        """Empty the access logs; nginx appends, so that it goes on at the start."""
        for task in self.tasks:
            os.truncate(os.path.join(self.task_dir(task), "access.log"), 0)


# /quiet is / without a line in the log, for load
NGINX_CONF = """
daemon off;
user root;
worker_processes 1;
worker_rlimit_nofile 16384;
pid {dir}/pid;
error_log {dir}/error.log;
events {{ worker_connections 8192; }}
http {{
	log_format client '$remote_addr';
	access_log {dir}/access.log client;
	client_body_temp_path {dir}/body;
	proxy_temp_path {dir}/proxy;
	fastcgi_temp_path {dir}/fastcgi;
	uwsgi_temp_path {dir}/uwsgi;
	scgi_temp_path {dir}/scgi;
	keepalive_requests 1000000000;
	keepalive_timeout 600s;
	server {{
		listen {port} backlog=4096;
		listen [::]:{port} backlog=4096;
		listen {check_port};
		listen [::]:{check_port};
		location = / {{ return 200 "{name}\\n"; }}
		location = /quiet {{ access_log off; return 200 "{name}\\n"; }}
		location = /big {{ root {dir}/www; sendfile on; }}
	}}
}}
"""
