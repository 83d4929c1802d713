# SPDX-License-Identifier: BSD-3-Clause
"""HTTP through a TCP listener: both families, with and without the client's address kept."""
import pytest
from rig import wait_until
from traffic import curl, who_answers

REQUESTS = 60


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("preserve", [False, True], ids=["nat", "preserved"])
def test_requests_reach_all_targets_from_the_right_address(rig, sluice, family, preserve):
    with sluice.service("web", rig.tasks, family=family, preserve=preserve) as web:
        rig.forget_requests()
        answers = who_answers(rig, web.url(), REQUESTS)
        assert answers.total() == REQUESTS
        assert set(answers) == {"task1", "task2", "task3"}
        if preserve:
            source = rig.client_v4 if family == 4 else rig.client_v6
        else:
            source = rig.snat[0 if family == 4 else 1]
        for task in rig.tasks:
            # nginx logs behind its answer
            wait_until(lambda t=task: len(rig.requests(t)) == answers[t.name], "all are logged")
            assert set(rig.requests(task)) == {source}


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("preserve", [False, True], ids=["nat", "preserved"])
def test_a_large_file_arrives_whole(rig, sluice, family, preserve):
    with sluice.service("big", rig.tasks[:1], family=family, preserve=preserve) as big:
        size = curl(rig, big.url("/big"), "-o", "/dev/null", "-w", "%{size_download}")
        assert int(size) == 32 << 20


def test_the_target_port_may_differ_from_the_listeners(rig, sluice):
    with sluice.service("ported", rig.tasks, port=8443, target_port=80) as ported:
        assert curl(rig, ported.url()).strip() in {"task1", "task2", "task3"}


def test_preservation_can_be_switched_for_new_flows(rig, sluice):
    with sluice.service("switched", rig.tasks[:1], preserve=False) as switched:
        rig.forget_requests()
        curl(rig, switched.url())
        switched.set_attributes({"preserve_client_ip.enabled": "true"})
        curl(rig, switched.url())
        assert rig.requests(rig.tasks[0]) == [rig.snat[0], rig.client_v4]


def test_the_listener_goes_and_its_port_is_the_kernels_again(rig, sluice):
    with sluice.service("gone", rig.tasks) as gone:
        curl(rig, gone.url())
        sluice.rpc("DeleteListener", ListenerArn=gone.listener_arn)
        done = rig.exec("client", "curl", "-sS", "--max-time", "5", gone.url(), check=False)
        assert done.returncode == 7, done.stderr  # refused by the kernel, which owns the VIP


def test_what_is_not_for_a_vip_is_routed_as_before(rig, sluice):
    """Client and task talk past Sluice, through the same interfaces."""
    with sluice.service("beside", rig.tasks, preserve=True) as beside:
        for task in rig.tasks:
            for host in (task.v4, f"[{task.v6}]"):
                assert curl(rig, f"http://{host}/").strip() == task.name
        assert beside.metrics()[0]["NewFlowCount"] == 0
