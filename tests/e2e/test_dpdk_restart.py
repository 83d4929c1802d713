# SPDX-License-Identifier: BSD-3-Clause
"""The dpdk engine forwards nothing while sluiced is away, and loses no flow by that."""
import os

import pytest
import rig as rigs
from sluice import STANDARD_CHECKS
from traffic import HttpConnection, Load, udp_ask

pytestmark = pytest.mark.engine("dpdk", reason="the xdp engine forwards on: test_restart.py")
BYTES_A_SECOND = "16M"  # of a transfer that must outlive a restart


def end(sluice, how):
    pid = sluice.process.pid
    getattr(sluice, how)()
    return pid


@pytest.mark.parametrize("how", ["stop", "kill9"])
@pytest.mark.parametrize("preserve", [False, True], ids=["nat", "preserved"])
def test_a_transfer_outlives_a_restart(rig, sluice, how, preserve):
    path = os.path.join(rig.dir, "received")
    with sluice.service("big", rig.tasks, preserve=preserve) as big:
        curl = rig.spawn("client", "curl", "-sS", "--limit-rate", BYTES_A_SECOND, "--max-time",
                         "60", "-o", path, big.url("/big"))
        rigs.wait_until(lambda: os.path.exists(path) and os.path.getsize(path) > 1 << 20,
                        "the transfer is under way")
        end(sluice, how)
        assert os.path.getsize(path) < rigs.BIG_BYTES
        sluice.start()
        assert sluice.rpc("DescribeEngine")["TakenOver"] is True
        assert curl.wait(60) == 0
        assert os.path.getsize(path) == rigs.BIG_BYTES
        os.unlink(path)


@pytest.mark.parametrize("how", ["stop", "kill9"])
def test_idle_connections_and_udp_flows_outlive_restarts(rig, sluice, how):
    port = {"stop": 5310, "kill9": 5311}[how]
    for task in rig.tasks:
        rig.start_echo(task, port, with_name=True)
    with sluice.service("kept", rig.tasks) as kept, \
            sluice.service("six", rig.tasks, family=6, preserve=True) as six, \
            sluice.service("udp", rig.tasks, protocol="UDP", port=port) as udp:
        connections = [HttpConnection(rig, one.vip, one.port) for one in (kept, six)
                       for _ in range(20)]
        owners = [connection.get() for connection in connections]
        owner = udp_ask(rig, udp.vip, port, source_port=42000)
        for _ in range(2):
            end(sluice, how)
            sluice.start()
            assert [connection.get() for connection in connections] == owners
            assert udp_ask(rig, udp.vip, port, source_port=42000) == owner
        for connection in connections:
            connection.close()


def test_restarts_under_load_break_no_request(rig, sluice):
    """A request may come late, by as much as sluiced was away; none is refused or reset."""
    with sluice.service("loaded", rig.tasks, attributes=STANDARD_CHECKS) as loaded, \
            Load(rig, loaded.url()) as load:
        for how in ("stop", "kill9", "stop"):
            before = len(rig.requests(rig.tasks[0]))
            rigs.wait_until(lambda n=before: len(rig.requests(rig.tasks[0])) > n + 100,
                            "requests pass", 30)
            end(sluice, how)
            sluice.start()
        load.stop()
        assert load.broken == 0, load.output


@pytest.mark.parametrize("how", ["stop", "kill9"])
def test_nothing_of_dpdk_is_left_behind(rig, sluice, how):
    def traces(pid):
        """Sockets and hugepage files are named by the prefix that sluiced gives DPDK."""
        return [name for directory in ("/var/run/dpdk", "/dev/hugepages")
                if os.path.isdir(directory) for name in os.listdir(directory)
                if name.startswith(f"sluice-{pid}")]

    pid = end(sluice, how)
    assert traces(pid) == []
    sluice.start()
    assert traces(sluice.process.pid) == []  # nothing that a kill -9 could leave


def test_another_number_of_workers_is_refused_and_said(rig, sluice):
    with sluice.service("sized", rig.tasks) as sized, \
            HttpConnection(rig, sized.vip, sized.port) as kept:
        owner = kept.get()
        sluice.stop()
        dpdk = sluice.config["engine"]["dpdk"]
        devices = [port["device"] for port in dpdk["ports"]]
        dpdk["workers"] = [0, 1]
        for i, port in enumerate(dpdk["ports"]):
            port["device"] = f"net_af_packet{i},iface={rig.port(port['interface'])},qpairs=2"
        sluice.spawn()
        assert sluice.process.wait(20) != 0
        assert "workers" in sluice.log()
        del dpdk["workers"]
        for port, device in zip(dpdk["ports"], devices):
            port["device"] = device
        sluice.start()
        assert sluice.rpc("DescribeEngine")["TakenOver"] is True
        assert kept.get() == owner
