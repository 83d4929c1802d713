# SPDX-License-Identifier: BSD-3-Clause
"""S3 servers that verify signatures, in a namespace of a rig: OpenStack Swift and Ceph.

They listen on the namespace's loopback, keep their files in the rig's directory on disk and
go with the rig. Each has one user, and an AWS CLI set up for it.
"""
import glob
import os
import signal
import subprocess
import uuid

from botocore.config import Config
from botocore.session import Session

import rig as rigs

REGION = "us-east-1"
START_TIMEOUT_S = 90  # on a machine that compiles beside it
PYTHON = "/usr/bin/python3"  # Debian's own, where its packages are


class Server:
    """What both have in common. processes: name to Popen."""

    name = access_key = secret_key = None

    def __init__(self, rig, short, port):
        self.rig, self.short, self.port = rig, short, port
        self.dir = os.path.join(rig.make_disk_dir(), self.name)
        os.makedirs(self.dir)
        self.endpoint = f"http://127.0.0.1:{port}"
        self.credentials_file = os.path.join(self.dir, "credentials")
        self.processes = {}
        self.client = None

    def start(self):
        self.launch()
        return self.wait()

    def wait(self):
        rigs.wait_until(self.answers, f"{self.name} answers", START_TIMEOUT_S, every_s=0.1)
        self.write_credentials(self.credentials_file)
        return self

    def write_credentials(self, path, secret_key=None):
        """A shared credentials file, readable by all: it must be by sluice-logs' own user."""
        with open(path + ".new", "w", encoding="ascii") as file:
            file.write(f"[default]\naws_access_key_id = {self.access_key}\n"
                       f"aws_secret_access_key = {secret_key or self.secret_key}\n")
        os.chmod(path + ".new", 0o644)
        os.rename(path + ".new", path)

    def answers(self):
        for name, process in self.processes.items():
            if process.poll() is not None:
                raise rigs.RigError(f"{name} ended with {process.returncode}; logs in {self.dir}")
        return self.rig.exec(self.short, "curl", "-s", "-o", "/dev/null", "--max-time", "2",
                             self.endpoint, check=False).returncode == 0

    def spawn(self, name, *argv, **options):
        with open(os.path.join(self.dir, f"{name}.out"), "ab") as log:
            self.processes[name] = self.rig.spawn(self.short, *argv, stdout=log, stderr=log,
                                                  **options)

    def signal(self, name, number):
        self.processes[name].send_signal(number)

    def kill(self, name):
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def stop(self):
        for process in self.processes.values():
            process.send_signal(signal.SIGCONT)
            process.kill()
        for process in self.processes.values():
            process.wait()
        self.processes = {}

    def settings(self, **others):
        """For the config's access_logs."""
        return {"s3": {"endpoint": self.endpoint, "addressing": "path",
                       "credentials": {"source": "file", "file": self.credentials_file},
                       "timeout_seconds": 5, "retry_max_seconds": 1, **others}}

    # --- as a user ---------------------------------------------------------------

    def aws(self, *argv, check=True):
        """The AWS CLI with the server's own user; returns what it printed."""
        # to the letter: the CLI also looks at profiles and metadata of its surroundings
        environment = {"PATH": os.environ["PATH"], "HOME": self.dir,
                       "AWS_ACCESS_KEY_ID": self.access_key,
                       "AWS_SECRET_ACCESS_KEY": self.secret_key,
                       "AWS_DEFAULT_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true"}
        argv = [*self.rig.enter(self.short), "/usr/bin/aws", "--endpoint-url", self.endpoint, *argv]
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=120,
                              check=False, stdin=subprocess.DEVNULL)
        if check and done.returncode != 0:
            raise rigs.RigError(f"aws {' '.join(argv)}: {done.stdout}{done.stderr}")
        return done.stdout

    def download(self, bucket, prefix=""):
        """Copy what is in a bucket to a fresh directory, with `aws s3 cp`; returns the directory."""
        directory = os.path.join(self.dir, f"download-{uuid.uuid4().hex}")
        os.makedirs(directory)
        self.aws("s3", "cp", "--recursive", "--only-show-errors", f"s3://{bucket}/{prefix}",
                 directory)
        return directory

    def call(self, operation, **params):
        """One call by the library inside the CLI, which saves starting it for each."""
        if self.client is None:
            self.client = Session().create_client(
                "s3", region_name=REGION, endpoint_url=self.endpoint,
                aws_access_key_id=self.access_key, aws_secret_access_key=self.secret_key,
                config=Config(s3={"addressing_style": "path"}, connect_timeout=5, read_timeout=30,
                              retries={"mode": "standard", "max_attempts": 10}))
        with self.rig.inside(self.short):
            return getattr(self.client, operation)(**params)

    def make_bucket(self, bucket):
        self.call("create_bucket", Bucket=bucket)

    def objects(self, bucket, prefix=""):
        """{key: size} of a bucket."""
        listing = self.call("list_objects_v2", Bucket=bucket, Prefix=prefix)
        return {entry["Key"]: entry["Size"] for entry in listing.get("Contents", [])}

    def read(self, bucket, key):
        return self.call("get_object", Bucket=bucket, Key=key)["Body"].read()


class Swift(Server):
    """A proxy, and a server each for accounts, containers and objects; one copy of all."""

    name = "swift"
    access_key, secret_key = "test:tester", "testing"
    parts = ("account", "container", "object")

    def launch(self):
        ports = {part: self.port + i for i, part in enumerate(self.parts, start=1)}
        for directory in ("etc", "disk/d1", "cache"):
            os.makedirs(os.path.join(self.dir, directory), exist_ok=True)
        self._write("swift.conf", SWIFT_CONF)
        self._write("proxy.conf", PROXY_CONF.format(dir=self.dir, port=self.port,
                                                    cache_port=self.port + 4))
        for part, port in ports.items():
            self._write(f"{part}.conf", PART_CONF.format(dir=self.dir, part=part, port=port))
            self._make_ring(part, port)
            self.launch_part(part)
        self.spawn("memcached", "memcached", "-u", "root", "-l", "127.0.0.1", "-U", "0",
                   "-p", str(self.port + 4), "-m", "16")
        self.launch_part("proxy")

    def launch_part(self, part, clock=None):
        """clock: how far it is from ours, as libfaketime has it."""
        fake = {}
        if clock:
            (library,) = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")
            fake = {"LD_PRELOAD": library, "FAKETIME": clock}
        self.spawn(part, PYTHON, f"/usr/bin/swift-{part}-server", self._path(f"{part}.conf"),
                   env={**os.environ, **fake})

    def _path(self, name):
        return os.path.join(self.dir, "etc", name)

    def _write(self, name, text):
        with open(self._path(name), "w", encoding="ascii") as file:
            file.write(text)

    def _make_ring(self, part, port):
        if os.path.exists(self._path(f"{part}.ring.gz")):
            return
        builder = self._path(f"{part}.builder")
        rigs.run("swift-ring-builder", builder, "create", "2", "1", "1")
        rigs.run("swift-ring-builder", builder, "add", f"r1z1-127.0.0.1:{port}/d1", "1")
        rigs.run("swift-ring-builder", builder, "rebalance", check=False)  # 1 is a warning


class Ceph(Server):
    """A monitor, an object store in memory, and radosgw in front."""

    name = "ceph"
    access_key, secret_key = "SLUICEACCESSKEY", "sluice/secret+key"

    def launch(self):
        for directory in ("run", "mon", "osd"):
            os.makedirs(os.path.join(self.dir, directory), exist_ok=True)
        self.env = {**os.environ, "CEPH_CONF": self._path("ceph.conf")}
        self.fsid = str(uuid.uuid4())
        with open(self._path("ceph.conf"), "w", encoding="ascii") as file:
            file.write(CEPH_CONF.format(dir=self.dir, port=self.port, mon_port=self.port + 1,
                                        fsid=self.fsid))
        self._make_keys()
        self._tool("ceph-mon", "--mkfs", "-i", "a", "--monmap", self._path("monmap"),
                   "--keyring", self._path("keyring"))
        self.spawn("mon", "ceph-mon", "-f", "-i", "a", env=self.env)

    def _path(self, name):
        return os.path.join(self.dir, name)

    def _tool(self, *argv, check=True):
        done = subprocess.run([*self.rig.enter(self.short), *argv], env=self.env, check=False,
                              capture_output=True, text=True, timeout=START_TIMEOUT_S,
                              stdin=subprocess.DEVNULL)
        if check and done.returncode != 0:
            raise rigs.RigError(f"{' '.join(argv)}: {done.stdout}{done.stderr}")
        return done

    def _make_keys(self):
        self._tool("monmaptool", "--create", "--fsid", self.fsid, "--addv", "a",
                   f"[v2:127.0.0.1:{self.port + 1}]", self._path("monmap"))
        caps = ["--cap", "mon", "allow *"]
        self._tool("ceph-authtool", self._path("keyring"), "--create-keyring", "--gen-key",
                   "-n", "mon.", *caps)
        for name in ("client.admin", "client.rgw", "osd.0"):
            self._tool("ceph-authtool", self._path("keyring"), "--gen-key", "-n", name, *caps,
                       "--cap", "osd", "allow *")

    def wait(self):
        rigs.wait_until(lambda: self._tool("timeout", "5", "ceph", "-s",
                                           check=False).returncode == 0,
                        "ceph-mon answers", START_TIMEOUT_S)
        osd = str(uuid.uuid4())
        self._tool("ceph", "osd", "new", osd)
        self._tool("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd)
        self._tool("ceph", "osd", "crush", "add", "osd.0", "1.0", "root=default", "host=h",
                   check=False)
        self.spawn("osd", "ceph-osd", "-f", "-i", "0", env=self.env)
        self.launch_part("radosgw")
        super().wait()
        self._tool("radosgw-admin", "-n", "client.rgw", "user", "create", "--uid=sluice",
                   "--display-name=sluice", f"--access-key={self.access_key}",
                   f"--secret-key={self.secret_key}")
        return self

    def launch_part(self, part):
        self.spawn(part, part, "-f", "-n", "client.rgw", env=self.env)

    def rotate(self, secret_key):
        """Give the user another secret; the old one is refused from now on."""
        self._tool("radosgw-admin", "-n", "client.rgw", "key", "create", "--uid=sluice",
                   "--key-type=s3", f"--access-key={self.access_key}",
                   f"--secret-key={secret_key}")
        self.secret_key = secret_key
        self.client = None


SWIFT_CONF = """
[swift-hash]
swift_hash_path_prefix = sluice
swift_hash_path_suffix = sluice
[storage-policy:0]
name = only
default = yes
"""

PART_CONF = """
[DEFAULT]
swift_dir = {dir}/etc
devices = {dir}/disk
recon_cache_path = {dir}/cache
mount_check = false
disable_fallocate = true
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = root
log_level = WARNING
[pipeline:main]
pipeline = {part}-server
[app:{part}-server]
use = egg:swift#{part}
"""

PROXY_CONF = """
[DEFAULT]
swift_dir = {dir}/etc
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = root
log_level = WARNING
[pipeline:main]
pipeline = catch_errors gatekeeper cache listing_formats bulk s3api tempauth slo proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:{cache_port}
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:bulk]
use = egg:swift#bulk
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin .reseller_admin
[filter:slo]
use = egg:swift#slo
"""

CEPH_CONF = """
[global]
fsid = {fsid}
mon host = v2:127.0.0.1:{mon_port}
mon initial members = a
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
auth allow insecure global id reclaim = false
keyring = {dir}/keyring
run dir = {dir}/run
admin socket = {dir}/run/$name.asok
pid file = {dir}/run/$name.pid
log file = {dir}/$name.log
osd crush update on start = false
osd crush chooseleaf type = 0
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
mon allow pool size one = true
mon max pg per osd = 1000
osd max pg per osd hard ratio = 100
mon data avail warn = 2
mon data avail crit = 1
[mon.a]
mon data = {dir}/mon
[osd.0]
osd data = {dir}/osd
osd objectstore = memstore
memstore device bytes = 512M
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:{port}
rgw dns name = localhost
rgw thread pool size = 16
rgw enable usage log = false
# a load balancer's own worth of requests at once; more are told SlowDown
rgw scheduler type = throttler
rgw max concurrent requests = 2
"""
