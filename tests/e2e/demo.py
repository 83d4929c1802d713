#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""demo.py [--engine xdp|dpdk] [--keep | --down]: HTTP and UDP through the balancer, in network namespaces."""
import argparse
import collections
import os
import shlex
import signal
import sys
import time

import rig as rigs
from access_logs import Bucket
from s3 import Swift
from sluice import SUBNET, VPC, Sluice
from traffic import Load, udp_ask, who_answers

NAME = "sluice-demo"
CURL_REQUESTS = 300
DATAGRAMS = 300
WRK_SECONDS = 4
LOAD_SECONDS = 2  # before and after the target leaves
BOTH_PORT = 8080  # the TCP_UDP listener
S3_PORT = 9000
BUCKET = "flow-logs"
LOG_LINES = 3

PICTURE = """
  client               lb (sluiced, {engine:<4})        switch        task1  10.77.1.11  nginx :80
  10.77.0.2 ────────── 10.77.0.1 │ 10.77.1.1 ──── bridge ───── task2  10.77.1.12  nginx :80
                       VIPs from │ SNAT           │            task3  10.77.1.13  nginx :80
                   10.77.0.128/26│ 10.77.1.200    └─────────── echo   10.77.1.20  UDP :7
"""


def say(title):
    print(f"\n\033[1m== {title}\033[0m" if sys.stdout.isatty() else f"\n== {title}", flush=True)


class Demo:
    def __init__(self, rig):
        self.rig = rig
        self.sluice = Sluice(rig)
        self.s3 = Swift(rig, "lb", S3_PORT)
        self.sluice.config["access_logs"].update(self.s3.settings(), interval_seconds=5)
        self.failed = 0

    def ctl(self, *args, show=True):
        """Run sluicectl as a person would, with its command line and its output."""
        if show:
            print(f"$ sluicectl {shlex.join(args)}", flush=True)
        done = self.sluice.ctl_run(*args)
        if done.returncode != 0:
            raise SystemExit(f"sluicectl: exit {done.returncode}: {done.stderr.strip()}")
        if show and done.stdout:
            print("  " + done.stdout.rstrip().replace("\n", "\n  "), flush=True)

    def group(self, name, protocol, port, tasks):
        self.ctl("create-target-group", "--name", name, "--protocol", protocol, "--port", str(port),
                 "--target-type", "ip", "--vpc-id", VPC, show=False)
        self.ctl("register-targets", "--target-group-arn", name, "--targets",
                 *[f"Id={task.v4},Port={port}" for task in tasks])

    def listener(self, protocol, port, group):
        self.ctl("create-listener", "--load-balancer-arn", "demo", "--protocol", protocol,
                 "--port", str(port), "--default-actions", f"Type=forward,TargetGroupArn={group}",
                 show=False)

    def configure(self):
        say("a load balancer with a TCP, a UDP and a TCP_UDP listener")
        self.ctl("create-load-balancer", "--name", "demo", "--type", "network",
                 "--scheme", "internal", "--subnets", SUBNET)
        self.group("web", "TCP", rigs.HTTP_PORT, self.rig.tasks)
        self.group("echo", "UDP", rigs.ECHO_PORT, [self.rig.echo])
        self.group("both", "TCP_UDP", rigs.HTTP_PORT, self.rig.tasks)
        self.listener("TCP", 80, "web")
        self.listener("UDP", rigs.ECHO_PORT, "echo")
        self.listener("TCP_UDP", BOTH_PORT, "both")
        self.ctl("describe-listeners", "--load-balancer-arn", "demo")
        self.ctl("describe-target-health", "--target-group-arn", "web")
        (balancer,) = self.sluice.ctl("describe-load-balancers", "--names", "demo")["LoadBalancers"]
        addresses = balancer["AvailabilityZones"][0]["LoadBalancerAddresses"]
        self.vip = addresses[0]["PrivateIPv4Address"]

    def log_to_s3(self):
        say(f"access logs to S3: OpenStack Swift at {self.s3.endpoint} in the balancer's namespace")
        self.s3.wait()
        self.s3.make_bucket(BUCKET)
        self.ctl("modify-load-balancer-attributes", "--load-balancer-arn", "demo", "--attributes",
                 "Key=access_logs.s3.enabled,Value=true",
                 f"Key=access_logs.s3.bucket,Value={BUCKET}",
                 "Key=access_logs.s3.prefix,Value=nlb")

    def show_logs(self):
        say("flows in the bucket, as the AWS CLI shows them")
        bucket = Bucket(self.s3, BUCKET)
        rigs.wait_until(bucket.lines, "a log file in the bucket", 60, every_s=0.5)
        print(f"$ aws s3 ls --recursive s3://{BUCKET}/")
        print("  " + self.s3.aws("s3", "ls", "--recursive", f"s3://{BUCKET}/").rstrip()
              .replace("\n", "\n  "))
        key, lines = next(iter(bucket.read.items()))
        print(f"$ aws s3 cp s3://{BUCKET}/{key} - | zcat | head -{LOG_LINES}")
        for line in lines[:LOG_LINES]:
            print(f"  {line.text}")
        self.ctl("describe-access-logs")

    def send_traffic(self):
        say(f"traffic from the client to the VIP {self.vip}")
        answers = who_answers(self.rig, f"http://{self.vip}/", CURL_REQUESTS)
        self.show(f"curl, {CURL_REQUESTS} connections to :80", answers, CURL_REQUESTS)

        self.rig.forget_requests()
        with Load(self.rig, f"http://{self.vip}/", connections=32) as load:
            time.sleep(WRK_SECONDS)
            load.stop()
        per_task = collections.Counter(
            {task.name: len(self.rig.requests(task)) for task in self.rig.tasks})
        self.show(f"wrk, {load.per_second():,.0f} new connections a second to :80", per_task,
                  load.requests, load.failed)
        sources = {address for task in self.rig.tasks for address in self.rig.requests(task)}
        print(f"    nginx saw them come from {', '.join(sorted(sources))}: the SNAT address")

        echoed = sum(udp_ask(self.rig, self.vip, rigs.ECHO_PORT, b"%d" % i) == b"%d" % i
                     for i in range(DATAGRAMS))
        self.show(f"UDP, {DATAGRAMS} datagrams to :{rigs.ECHO_PORT}",
                  collections.Counter({"echo": echoed}), DATAGRAMS)

        udp = collections.Counter(udp_ask(self.rig, self.vip, BOTH_PORT, b"x").split()[0].decode()
                                  for _ in range(DATAGRAMS))
        self.show(f"UDP, {DATAGRAMS} sockets to :{BOTH_PORT} (TCP_UDP)", udp, DATAGRAMS)
        tcp = who_answers(self.rig, f"http://{self.vip}:{BOTH_PORT}/", CURL_REQUESTS)
        self.show(f"curl, {CURL_REQUESTS} connections to :{BOTH_PORT} (TCP_UDP)", tcp,
                  CURL_REQUESTS)

    def show(self, what, answers, expected, failed=0):
        """One line on who got how much; remembers what went wrong."""
        counts = ", ".join(f"{name} {count:,}" for name, count in sorted(answers.items()))
        print(f"  {what}: {counts} - {failed} failed", flush=True)
        self.failed += failed + max(0, expected - answers.total())

    def counters(self):
        say("what sluiced counted, and three of its flows")
        self.ctl("describe-metrics", "--load-balancer-arn", "demo")
        self.ctl("describe-flows", "--load-balancer-arn", "demo", "--max-items", "3")

    def new_flows(self, task):
        """How many flows a task has got from the group "web"."""
        metrics = self.sluice.ctl("describe-metrics", "--target-group-arn", "web")["Metrics"]
        return next(entry["Values"]["NewFlowCount"] for entry in metrics
                    if entry.get("Target", {}).get("Id") == task.v4)

    def deregister_under_load(self):
        leaving = self.rig.tasks[1]
        say(f"{leaving.name} leaves under load")
        with Load(self.rig, f"http://{self.vip}/", connections=32) as load:
            time.sleep(LOAD_SECONDS)
            self.ctl("deregister-targets", "--target-group-arn", "web",
                     "--targets", f"Id={leaving.v4},Port={rigs.HTTP_PORT}")
            before = {task: self.new_flows(task) for task in self.rig.tasks}
            time.sleep(LOAD_SECONDS)
            since = {task: self.new_flows(task) - before[task] for task in self.rig.tasks}
            load.stop()
        self.ctl("describe-target-health", "--target-group-arn", "web")
        counts = ", ".join(f"{task.name} {count:,}" for task, count in since.items())
        print(f"  new flows since then: {counts}")
        print(f"  {load.requests:,} requests before and after, {load.failed} failed", flush=True)
        self.failed += load.failed + since[leaving]

    def run(self):
        say("the rig" + PICTURE.format(engine=self.rig.engine).rstrip())
        for task in self.rig.tasks:  # UDP beside nginx, for the TCP_UDP listener
            self.rig.start_echo(task, rigs.HTTP_PORT, with_name=True)
        self.s3.launch()
        self.sluice.start()
        self.ctl("describe-engine")
        self.configure()
        self.log_to_s3()
        self.send_traffic()
        self.counters()
        self.deregister_under_load()
        self.show_logs()


HOW_TO = """
== the rig is up; it is yours. As root:
  export SLUICE_SOCKET={socket} PATH={bin}:$PATH
  sluicectl describe-load-balancers
  sluicectl register-targets --target-group-arn web --targets Id=10.77.1.12,Port=80
  sluicectl watch                                   # or: sluicectl top
  nsenter --net=/var/run/netns/{name}-client curl http://{vip}/
  nsenter --net=/var/run/netns/{name}-client wrk -d5 http://{vip}/
  logs and config: {dir}
take it down: ./run demo --down"""


def main():
    parser = argparse.ArgumentParser(prog="run demo", description=__doc__)
    parser.add_argument("--engine", choices=rigs.ENGINES, default="xdp", help="default: xdp")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--keep", action="store_true", help="leave the rig up")
    which.add_argument("--down", action="store_true", help="take a kept rig down")
    options = parser.parse_args()
    if options.down:
        rigs.down(NAME)
        return 0
    if os.path.isdir(os.path.join(rigs.RUN_DIR, NAME)):
        print("a kept rig is up: taking it down first", flush=True)

    # a TERM ends the demo as Ctrl-C does: with the rig taken down
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    rig = rigs.Rig(NAME, engine=options.engine)
    kept = False
    try:
        rig.up()
        demo = Demo(rig)
        demo.run()
        kept = options.keep
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    except (AssertionError, OSError, rigs.RigError) as error:
        print(f"demo failed: {error}", file=sys.stderr)
        return 1
    finally:
        if not kept:
            rig.down()
    if demo.failed:
        print(f"\n{demo.failed} requests failed or went where they should not", file=sys.stderr)
    else:
        print("\nno request failed", flush=True)
    if kept:
        print(HOW_TO.format(socket=demo.sluice.socket_path, name=NAME, vip=demo.vip, dir=rig.dir,
                            bin=os.path.join(rigs.BUILD, "control")), flush=True)
    return 1 if demo.failed else 0


if __name__ == "__main__":
    sys.exit(main())
