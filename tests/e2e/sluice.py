# SPDX-License-Identifier: BSD-3-Clause
"""sluiced in the balancer's namespace of a rig: its life, its API, and ready-made services."""
import json
import os
import signal
import socket
import subprocess

import rig as rigs

ZONE, SUBNET, VPC = "rig-1a", "subnet-rig1a", "vpc-sluice"
START_TIMEOUT_S = 20
STOP_TIMEOUT_S = 20


class ApiError(Exception):
    """An error answer of the control socket."""

    def __init__(self, method, code, message):
        super().__init__(f"{method}: {code}: {message}")
        self.code, self.message = code, message


class Sluice:
    def __init__(self, rig, **engine):
        self.rig = rig
        self.process = None
        self.log_path = os.path.join(rig.dir, "lb.log")
        self.config_path = os.path.join(rig.dir, "sluice.json")
        self.socket_path = os.path.join(rig.dir, "control.sock")
        self.store_path = os.path.join(rig.dir, "sluice.db")
        self.spool_dir = os.path.join(rig.dir, "logs")
        self.pin_dir = os.path.join(rig.dir, "bpf", "sluice")
        self.table_dir = os.path.join(rig.dir, "tables", "sluice")
        self.config = {
            "region": "us-east-1",
            "account_id": "123456789012",
            "vpc_id": VPC,
            "socket": {"path": self.socket_path},
            "store": {"path": self.store_path},
            "health": {"fast_intervals": True},
            "access_logs": {"queue": os.path.join(rig.dir, "records"), "spool_dir": self.spool_dir},
            "engine": {
                **getattr(self, f"_{rig.engine}_engine")(),
                "max_flows": 65536,
                "max_flows_ipv6": 65536,
                "max_targets": 4096,
                **engine,
            },
            "zones": [{
                "name": ZONE,
                "subnet_id": SUBNET,
                "interface": rig.interfaces[0],
                "vip_pool": rig.vip_pool,
                "snat": rig.snat,
                "cidrs": rig.task_cidrs,
            }],
        }

    def _xdp_engine(self):
        return {"kind": "xdp", "attach": "native", "interfaces": self.rig.interfaces,
                "pin_dir": self.pin_dir}

    def _dpdk_engine(self):
        ports = [{"device": f"net_af_xdp{i},iface={self.rig.port(interface)}",
                  "interface": interface, "addresses": self.rig.lb_addresses(interface)}
                 for i, interface in enumerate(self.rig.interfaces)]
        return {"kind": "dpdk", "dpdk": {"ports": ports, "table_dir": self.table_dir}}

    # --- life ---------------------------------------------------------------

    @staticmethod
    def binary(name):
        return os.path.join(rigs.BUILD, "control", name)

    def write_config(self):
        with open(self.config_path, "w", encoding="utf-8") as file:
            json.dump(self.config, file, indent=2)

    def spawn(self):
        """Start sluiced and do not wait until it answers."""
        self.write_config()
        self.process = self.rig.spawn("lb", self.binary("sluiced"), "--config", self.config_path)

    def start(self):
        self.spawn()
        rigs.wait_until(self.answers, "sluiced answers", START_TIMEOUT_S)
        self.rig.finish_lb()
        return self

    def answers(self):
        if self.process.poll() is not None:
            raise rigs.RigError(f"sluiced ended with {self.process.returncode}\n{self.log()}")
        try:
            self.rpc("DescribeAccountLimits")
        except (ConnectionError, FileNotFoundError):
            return False
        return True

    def stop(self):
        """SIGTERM: an orderly end; the packet path goes on. Returns the exit status."""
        if self.process is None:
            return None
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired as late:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"sluiced did not end on SIGTERM\n{self.log()}") from late
        self.process = None
        return status

    def kill9(self):
        self.process.kill()
        self.process.wait()
        self.process = None

    @property
    def forwards_alone(self):
        """Whether packets are forwarded while sluiced is not there."""
        return self.rig.engine == "xdp"

    def restart(self):
        self.stop()
        return self.start()

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    # --- talking to it ------------------------------------------------------

    def connect(self, timeout_s=30):
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(timeout_s)
        client.connect(self.socket_path)
        return client

    def rpc(self, method, **params):
        """One call on a connection of its own; returns the result or raises ApiError."""
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        with self.connect() as client:
            client.sendall(json.dumps(request).encode() + b"\n")
            with client.makefile("rb") as lines:
                line = lines.readline()
        if not line:
            raise ConnectionResetError("connection closed before the answer")
        answer = json.loads(line)
        if "error" in answer:
            error = answer["error"]
            raise ApiError(method, (error.get("data") or {}).get("Code", error["code"]),
                           error["message"])
        return answer["result"]

    def child_pid(self, name):
        """The running process of sluiced's that has this name, or None."""
        pid = self.process.pid
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as children:
            for child in children.read().split():
                try:
                    with open(f"/proc/{child}/status", encoding="ascii") as status:
                        lines = dict(line.split(":\t", 1) for line in status.read().splitlines())
                except FileNotFoundError:
                    continue
                if lines["Name"] == name and not lines["State"].startswith("Z"):
                    return int(child)
        return None

    def ctl_run(self, *args):
        """sluicectl as a person calls it; returns what subprocess.run() does."""
        return rigs.run(self.binary("sluicectl"), "--socket", self.socket_path, *args, check=False)

    def ctl(self, *args):
        """sluicectl --output json; returns what it printed, parsed (None for nothing)."""
        done = self.ctl_run("--output", "json", *args)
        if done.returncode != 0:
            raise AssertionError(f"sluicectl {' '.join(args)}: exit {done.returncode}\n"
                                 f"{done.stdout}{done.stderr}")
        return json.loads(done.stdout) if done.stdout.strip() else None

    # --- services -----------------------------------------------------------

    def service(self, name, targets, **options):
        return Service(self, name, targets, **options)

    def drops(self):
        """Dropped packets by reason, those that are not zero."""
        return {drop["Reason"]: drop["Packets"] for drop in self.rpc("DescribeEngine")["Drops"]
                if drop["Packets"] > 0}


# Attributes for a service under a load of which nothing may fail: on a machine that is all busy a
# task may answer no check within 150 ms, twice, and its connections would be ended, as they should.
STANDARD_CHECKS = {"sluice.health_check.interval_ms": "off",
                   "sluice.health_check.timeout_ms": "off"}


class Service:
    """A load balancer with one listener that forwards to one group of tasks.

    Health checks go to a port that every task has open, whatever the service's does; check: other
    members of CreateTargetGroup.
    """

    def __init__(self, sluice, name, targets, protocol="TCP", port=80, target_port=None, family=4,
                 preserve=None, attributes=None, listener_attributes=None, check=None):
        self.sluice, self.name, self.port, self.family = sluice, name, port, family
        self.target_port = target_port or port
        rpc = sluice.rpc
        self.lb_arn = rpc("CreateLoadBalancer", Name=name, Type="network", Scheme="internal",
                          IpAddressType="ipv4" if family == 4 else "dualstack",
                          Subnets=[SUBNET])["LoadBalancers"][0]["LoadBalancerArn"]
        self.tg_arn = rpc("CreateTargetGroup", Name=name, Protocol=protocol, Port=self.target_port,
                          VpcId=VPC, TargetType="ip", IpAddressType=f"ipv{family}",
                          HealthyThresholdCount=2, UnhealthyThresholdCount=2,
                          **{"HealthCheckPort": str(rigs.CHECK_PORT), **(check or {})}
                          )["TargetGroups"][0]["TargetGroupArn"]
        # short, so that what a test drains does not hold the group, and verdicts come soon
        wanted = {"deregistration_delay.timeout_seconds": "0",
                  "sluice.health_check.interval_ms": "200",
                  "sluice.health_check.timeout_ms": "150", **(attributes or {})}
        if preserve is not None:
            wanted["preserve_client_ip.enabled"] = str(preserve).lower()
        self.set_attributes(wanted)
        self.listener_arn = rpc(
            "CreateListener", LoadBalancerArn=self.lb_arn, Protocol=protocol, Port=port,
            DefaultActions=[{"Type": "forward", "TargetGroupArn": self.tg_arn}],
        )["Listeners"][0]["ListenerArn"]
        if listener_attributes:
            rpc("ModifyListenerAttributes", ListenerArn=self.listener_arn,
                Attributes=_attribute_list(listener_attributes))
        self.vip = self._find_vip()
        if targets:
            self.register(*targets)

    def _find_vip(self):
        (balancer,) = self.sluice.rpc("DescribeLoadBalancers",
                                      LoadBalancerArns=[self.lb_arn])["LoadBalancers"]
        key = "PrivateIPv4Address" if self.family == 4 else "IPv6Address"
        return next(address[key] for zone in balancer["AvailabilityZones"]
                    for address in zone["LoadBalancerAddresses"] if key in address)

    def set_attributes(self, wanted):
        self.sluice.rpc("ModifyTargetGroupAttributes", TargetGroupArn=self.tg_arn,
                        Attributes=_attribute_list(wanted))

    def _descriptions(self, tasks):
        return [{"Id": task.address(self.family), "Port": self.target_port} for task in tasks]

    def register(self, *tasks, wait=True):
        """wait: until they are healthy."""
        self.sluice.rpc("RegisterTargets", TargetGroupArn=self.tg_arn,
                        Targets=self._descriptions(tasks))
        if wait:
            self.wait_for("healthy", *tasks)

    def wait_for(self, state, *tasks):
        wanted = {task.address(self.family) for task in tasks}
        rigs.wait_until(lambda: wanted <= {where for where, now in self.health().items()
                                           if now == state}, f"{wanted} {state}")

    def deregister(self, *tasks):
        self.sluice.rpc("DeregisterTargets", TargetGroupArn=self.tg_arn,
                        Targets=self._descriptions(tasks))

    def health(self):
        """{target id: state} of what is registered or draining."""
        answer = self.sluice.rpc("DescribeTargetHealth", TargetGroupArn=self.tg_arn)
        return {entry["Target"]["Id"]: entry["TargetHealth"]["State"]
                for entry in answer["TargetHealthDescriptions"]}

    def metrics(self):
        """(values of the load balancer, of the group, {target id: its values})"""
        balancer = group = None
        targets = {}
        for entry in self.sluice.rpc("DescribeMetrics",
                                     LoadBalancerArn=self.lb_arn)["Metrics"]:
            if "Target" in entry:
                targets[entry["Target"]["Id"]] = entry["Values"]
            elif "TargetGroupArn" in entry:
                group = entry["Values"]
            else:
                balancer = entry["Values"]
        return balancer, group, targets

    @property
    def host(self):
        return self.vip if self.family == 4 else f"[{self.vip}]"

    def url(self, path="/"):
        return f"http://{self.host}:{self.port}{path}"

    def delete(self):
        self.sluice.rpc("DeleteLoadBalancer", LoadBalancerArn=self.lb_arn)
        self.sluice.rpc("DeleteTargetGroup", TargetGroupArn=self.tg_arn)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.delete()


class Watch:
    """The changes of targets' states from now on."""

    def __init__(self, sluice):
        self.client = sluice.connect()
        self.lines = self.client.makefile("rb")
        request = {"jsonrpc": "2.0", "id": 1, "method": "Watch",
                   "params": {"Events": ["TargetStateChanged"]}}
        self.client.sendall(json.dumps(request).encode() + b"\n")
        assert "result" in json.loads(self.lines.readline())

    def next(self):
        return json.loads(self.lines.readline())["params"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.lines.close()
        self.client.close()


def _attribute_list(attributes):
    return [{"Key": key, "Value": value} for key, value in attributes.items()]
