# SPDX-License-Identifier: BSD-3-Clause
"""Flows outlive sluiced, in the xdp engine forwarding does: kill -9, restart, upgrade."""
import json
import os
import threading

import pytest
from rig import wait_until
from sluice import STANDARD_CHECKS, ApiError
from traffic import HttpConnection, Load, curl, udp_ask, who_answers


@pytest.mark.engine("xdp", reason="the kernel forwards while sluiced is down")
@pytest.mark.parametrize("preserve", [False, True], ids=["nat", "preserved"])
def test_kill_9_under_load_fails_no_request(rig, sluice, preserve):
    with sluice.service("killed", rig.tasks, preserve=preserve,
                        attributes=STANDARD_CHECKS) as killed:
        with HttpConnection(rig, killed.vip, killed.port) as kept, Load(rig, killed.url()) as load:
            owner = kept.get()
            wait_until(lambda: killed.metrics()[0]["NewFlowCount_TCP"] > 1000, "load", 30)
            before = killed.metrics()[0]
            sluice.kill9()
            rig.forget_requests()
            # new connections and the kept one, while nothing of ours runs in user space
            wait_until(lambda: len(rig.requests(rig.tasks[0])) > 1000, "load without sluiced", 30)
            assert kept.get() == owner
            sluice.start()
            assert sluice.rpc("DescribeEngine")["TakenOver"] is True
            rig.forget_requests()
            wait_until(lambda: len(rig.requests(rig.tasks[0])) > 1000, "load after", 30)
            assert kept.get() == owner
            after = killed.metrics()[0]
            load.stop()
        assert load.failed == 0, load.output
        assert after["NewFlowCount_TCP"] >= before["NewFlowCount_TCP"] + 2000
        assert after["ProcessedBytes"] > before["ProcessedBytes"]
        assert set(who_answers(rig, killed.url(), 60)) == {"task1", "task2", "task3"}


@pytest.mark.engine("xdp", reason="one program replaces another while packets pass")
def test_restarts_under_load_fail_no_request(rig, sluice):
    """Each start puts a freshly loaded program in the place of the running one."""
    with sluice.service("upgraded", rig.tasks, attributes=STANDARD_CHECKS) as upgraded:
        with HttpConnection(rig, upgraded.vip, upgraded.port) as kept, \
                Load(rig, upgraded.url()) as load:
            owner = kept.get()
            ids = set()
            for _ in range(3):
                assert sluice.stop() == 0
                sluice.start()
                ids.add(xdp_program(rig))
                assert kept.get() == owner
            load.stop()
        assert load.failed == 0, load.output
        assert load.requests > 100
        assert len(ids) == 3


def xdp_program(rig):
    """Id of the program on the clients' interface, 0 for none."""
    (link,) = json.loads(rig.exec("lb", "ip", "-j", "-d", "link", "show", "dev",
                                  rig.interfaces[0]).stdout)
    return link.get("xdp", {}).get("prog", {}).get("id", 0)


def test_flows_are_listed_again_after_a_restart(rig, sluice):
    with sluice.service("listed", rig.tasks) as listed:
        with HttpConnection(rig, listed.vip, listed.port) as kept:
            kept.get()
            sluice.kill9()
            sluice.start()
            flows = sluice.rpc("DescribeFlows", ListenerArn=listed.listener_arn)["Flows"]
            (local_address, local_port) = kept.socket.getsockname()
            assert [(flow["ClientIp"], flow["ClientPort"]) for flow in flows] == \
                [(local_address, local_port)]


def test_every_acknowledged_registration_survives_kill_9(rig, sluice):
    with sluice.service("durable", [], target_port=80) as durable:
        acknowledged = []

        def register_on():
            for port in range(1000, 60000):
                try:
                    sluice.rpc("RegisterTargets", TargetGroupArn=durable.tg_arn,
                               Targets=[{"Id": rig.tasks[0].v4, "Port": port}])
                except (ConnectionError, OSError, ApiError):
                    return
                acknowledged.append(port)

        worker = threading.Thread(target=register_on)
        worker.start()
        wait_until(lambda: len(acknowledged) > 50, "registrations")
        sluice.kill9()
        worker.join()
        sluice.start()
        answer = sluice.rpc("DescribeTargetHealth", TargetGroupArn=durable.tg_arn)
        stored = {entry["Target"]["Port"] for entry in answer["TargetHealthDescriptions"]}
        assert set(acknowledged) <= stored
        assert len(stored) <= len(acknowledged) + 1  # the call that got no answer


def test_what_was_changed_in_the_store_while_away_is_put_right(rig, sluice):
    """The engine may know more than the store (kill between commit and reply): the store wins."""
    with sluice.service("right", rig.tasks) as right:
        curl(rig, right.url())
        sluice.stop()
        for suffix in ("", "-wal", "-shm"):
            if os.path.exists(sluice.store_path + suffix):
                os.rename(sluice.store_path + suffix, sluice.store_path + suffix + ".away")
        sluice.start()
        assert sluice.rpc("DescribeLoadBalancers")["LoadBalancers"] == []
        done = rig.exec("client", "curl", "-sS", "--max-time", "1", right.url(), check=False)
        assert done.returncode != 0
        sluice.stop()
        for suffix in ("", "-wal", "-shm"):
            if os.path.exists(sluice.store_path + suffix):
                os.unlink(sluice.store_path + suffix)
            if os.path.exists(sluice.store_path + suffix + ".away"):
                os.rename(sluice.store_path + suffix + ".away", sluice.store_path + suffix)
        sluice.start()
        curl(rig, right.url())


def test_tables_of_another_size_are_refused_and_kept(rig, sluice):
    with sluice.service("sized", rig.tasks) as sized:
        sluice.stop()
        original = sluice.config["engine"]["max_flows"]
        sluice.config["engine"]["max_flows"] = original * 2
        sluice.spawn()
        assert sluice.process.wait(20) != 0
        assert "max_flows" in sluice.log()
        if sluice.forwards_alone:
            assert curl(rig, sized.url()).strip() in {"task1", "task2", "task3"}
        sluice.config["engine"]["max_flows"] = original
        sluice.start()
        assert sluice.rpc("DescribeEngine")["TakenOver"] is True


def test_a_second_sluiced_is_refused(rig, sluice):
    with sluice.service("first", rig.tasks) as first:
        done = rig.exec("lb", sluice.binary("sluiced"), "--config", sluice.config_path, check=False)
        assert done.returncode != 0
        assert done.stderr.strip() != ""
        assert curl(rig, first.url()).strip() in {"task1", "task2", "task3"}
        sluice.rpc("DescribeAccountLimits")


def test_a_udp_flow_keeps_its_target_over_a_restart(rig, sluice):
    for task in rig.tasks:
        rig.start_echo(task, 5302, with_name=True)
    with sluice.service("udp", rig.tasks, protocol="UDP", port=5302) as udp:
        owner = udp_ask(rig, udp.vip, udp.port, source_port=41000)
        sluice.kill9()
        if sluice.forwards_alone:
            assert udp_ask(rig, udp.vip, udp.port, source_port=41000) == owner
        sluice.start()
        assert udp_ask(rig, udp.vip, udp.port, source_port=41000) == owner
