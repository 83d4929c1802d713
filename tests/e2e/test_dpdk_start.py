# SPDX-License-Identifier: BSD-3-Clause
"""The dpdk engine starts on any kind of port, or says in one line why not and what to do."""
import json
import os

import pytest
from rig import run, unmount
from sluice import Sluice
from traffic import HttpConnection, curl

pytestmark = pytest.mark.engine("dpdk", reason="its settings and devices")


def change(**settings):
    return lambda rig, dpdk: dpdk.update(settings)


def change_port(**settings):
    return lambda rig, dpdk: dpdk["ports"][1].update(settings)



def taken_interface(rig, dpdk):
    dpdk["ports"][1]["interface"] = rig.port("tasks")


REFUSALS = {
    "a device of no interface": (change_port(device="net_af_xdp1,iface=nowhere"),
                                 ["engine.dpdk.ports[1].device", "net_af_xdp1"]),
    "an unknown driver": (change_port(device="net_nonsense0"),
                          ["engine.dpdk.ports[1].device", "net_nonsense0"]),
    "an empty PCI slot": (change_port(device="0000:7f:1f.7"),
                          ["engine.dpdk.ports[1].device", "0000:7f:1f.7"]),
    "a device twice": (change_port(device="net_af_xdp0,iface=tasks-port"),
                       ["engine.dpdk.ports[1].device", "earlier port"]),
    "an interface twice": (change_port(interface="clients"),
                           ["engine.dpdk.ports[1].interface", "earlier port"]),
    "an interface that is no tap": (taken_interface, ["tasks-port", "no tap"]),
    "a CPU that is not there": (change(workers=[1000]),
                                ["engine.dpdk.workers[0] is 1000", "this process may use"]),
    "a CPU beyond all": (change(workers=[1024]), ["engine.dpdk.workers[0]", "0 to 1023"]),
    "a CPU twice": (change(workers=[1, 1]), ["engine.dpdk.workers[1]", "earlier worker"]),
    "more workers than queues": (change(workers=[0, 1]), ["1 queue,", "2 workers", "fewer workers"]),
    "huge pages, but not for the tables": (change(hugepages="on"),
                                           ["engine.dpdk.hugepages", "engine.dpdk.table_dir",
                                            "mount -t hugetlbfs"]),
    "no interrupts": (change(idle="interrupt"),
                      ["engine.dpdk.idle", "net_af_xdp", '"poll" or "sleep"']),
    "an MTU above the device's": (change_port(mtu=1600),
                                  ["engine.dpdk.ports[1].mtu is 1600", "ip link set"]),
    "an MTU out of range": (change_port(mtu=9001), ["engine.dpdk.ports[1].mtu", "1280 to 9000"]),
    "no ports": (change(ports=[]), ["engine.dpdk.ports"]),
    "a table folder on /proc": (change(table_dir="/proc"), ["/proc"]),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_bad_setting_is_refused_and_nothing_is_left(rig, name):
    setting, texts = REFUSALS[name]
    sluice = Sluice(rig)
    setting(rig, sluice.config["engine"]["dpdk"])
    refused(rig, sluice, texts)


@pytest.mark.parametrize("key, value", [("attach", "native"), ("pin_dir", "/sys/fs/bpf/sluice")])
def test_settings_of_the_xdp_engine_are_refused(rig, key, value):
    refused(rig, Sluice(rig, **{key: value}), [f"engine.{key}", "xdp engine"])


def test_a_zone_on_an_interface_of_no_port_is_refused(rig):
    sluice = Sluice(rig)
    sluice.config["zones"][0]["interface"] = "lo"
    refused(rig, sluice, ["lo", "engine.dpdk.ports"])


def refused(rig, sluice, texts):
    sluice.write_config()
    done = rig.exec("lb", sluice.binary("sluiced"), "--config", sluice.config_path, check=False)
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    for text in texts:
        assert text in last, done.stderr
    links = json.loads(rig.exec("lb", "ip", "-j", "link", "show").stdout)
    assert {link["ifname"] for link in links} == {"lo", *rig.ports()}
    assert not os.path.exists(sluice.table_dir)


NR_HUGEPAGES = "/proc/sys/vm/nr_hugepages"
# of 2 MiB: for 16 MiB of packets, 64 MiB for DPDK and the tables of 1,024 flows; and so many more
# that a sluiced of another process of the tests, which takes what is there, leaves enough
PAGES = 256


def add_hugepages(count):
    with open(NR_HUGEPAGES, "r+", encoding="ascii") as file:
        there = int(file.read())
        file.seek(0)
        file.write(str(max(there + count, 0)))


@pytest.fixture
def huge_dir(rig):
    """A hugetlbfs of the test's own."""
    path = os.path.join(rig.dir, "huge")
    os.makedirs(path)
    run("mount", "-t", "hugetlbfs", "none", path)
    yield path
    unmount(path)
    os.rmdir(path)


def test_too_few_huge_pages_are_refused_with_the_command_that_makes_them(rig, huge_dir):
    sluice = Sluice(rig)
    sluice.config["engine"]["dpdk"].update(hugepages="on", memory_mib=65536,
                                           table_dir=os.path.join(huge_dir, "sluice"))
    refused(rig, sluice, ["huge pages", "nr_hugepages"])


def test_everything_lies_in_huge_pages_where_they_are(rig, huge_dir):
    sluice = Sluice(rig, max_flows=1024, max_flows_ipv6=1024, max_targets=64)
    sluice.config["engine"]["dpdk"].update(hugepages="on", memory_mib=16,
                                           table_dir=os.path.join(huge_dir, "sluice"))
    add_hugepages(PAGES)
    try:
        sluice.start()
        with sluice.service("huge", rig.tasks) as huge, \
                HttpConnection(rig, huge.vip, huge.port) as kept:
            owner = kept.get()
            sluice.kill9()
            sluice.start()
            info = sluice.rpc("DescribeEngine")
            assert info["TakenOver"] is True
            assert info["Dpdk"]["PacketsInHugePages"] is True
            assert info["Dpdk"]["TablesInHugePages"] is True
            assert kept.get() == owner
            assert os.listdir(huge_dir) == ["sluice"]  # packets have no file
        sluice.ctl("shutdown", "--detach")
        assert sluice.process.wait(20) == 0
        assert os.listdir(huge_dir) == []
    finally:
        if sluice.process.poll() is None:
            sluice.kill9()
        add_hugepages(-PAGES)


@pytest.mark.parametrize("device", [
    "net_null0", "net_null0,size=64", "net_tap0,iface=dtap0",
    "net_memif0,role=server,socket={dir}/memif.sock", "net_pcap0,rx_pcap={dir}/in,tx_pcap={dir}/out",
], ids=["null", "null of 64 bytes", "tap", "memif", "pcap"])
def test_every_kind_of_virtual_device_starts(rig, device):
    """With traffic: net_af_xdp and net_af_packet, in the other tests."""
    with open(os.path.join(rig.dir, "in"), "wb") as pcap:  # the header of an empty capture
        pcap.write(bytes.fromhex("d4c3b2a1020004000000000000000000ffff000001000000"))
    sluice = Sluice(rig)
    dpdk = sluice.config["engine"]["dpdk"]
    dpdk["ports"][0]["device"] = device.format(dir=rig.dir)
    sluice.start()
    try:
        report = sluice.rpc("DescribeEngine")["Dpdk"]["Devices"][0]
        assert report["Driver"] == device.split("0")[0]
        assert report["Queues"] == 1
    finally:
        sluice.ctl("shutdown", "--detach")
        assert sluice.process.wait(20) == 0


def test_describe_engine_tells_what_the_engine_runs_on(rig, sluice):
    info = sluice.rpc("DescribeEngine")
    assert info["Kind"] == "dpdk"
    dpdk = info["Dpdk"]
    assert dpdk["Idle"] == "sleep"  # the default where all devices are virtual
    assert len(dpdk["WorkerCpus"]) == 1
    assert dpdk["TablesInHugePages"] is False  # the rig's tables lie on a tmpfs
    for device, interface in zip(dpdk["Devices"], rig.interfaces):
        assert device["Interface"] == interface
        assert (device["Driver"], device["Queues"], device["Mtu"]) == ("net_af_xdp", 1, 1500)
        assert device["Up"] is True
        assert device["Offloads"]
    with sluice.service("seen", rig.tasks) as seen:
        before = device_counters(sluice)
        curl(rig, seen.url())
        after = device_counters(sluice)
        assert all(later > earlier for earlier, later in zip(before, after))
    done = sluice.ctl_run("describe-engine")
    assert done.returncode == 0
    for text in ("net_af_xdp", "sleep", *rig.interfaces):
        assert text in done.stdout


def device_counters(sluice):
    return [device[key] for device in sluice.rpc("DescribeEngine")["Dpdk"]["Devices"]
            for key in ("Received", "Sent")]
