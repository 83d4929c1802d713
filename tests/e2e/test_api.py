# SPDX-License-Identifier: BSD-3-Clause
"""The API as a person meets it, through sluicectl; details of each rule are unit-tested."""
import json

import pytest
from rig import wait_until
from sluice import SUBNET, VPC, ApiError

pytestmark = pytest.mark.engine("xdp", reason="no packet is involved")


@pytest.fixture
def group(sluice):
    """A TCP group of no load balancer."""
    arn = sluice.rpc("CreateTargetGroup", Name="api", Protocol="TCP", Port=80, VpcId=VPC,
                     TargetType="ip")["TargetGroups"][0]["TargetGroupArn"]
    yield arn
    sluice.rpc("DeleteTargetGroup", TargetGroupArn=arn)


def refused(sluice, method, **params):
    with pytest.raises(ApiError) as caught:
        sluice.rpc(method, **params)
    return caught.value


def test_a_life_by_sluicectl(sluice):
    ctl = sluice.ctl
    (balancer,) = ctl("create-load-balancer", "--name", "life", "--type", "network", "--scheme",
                      "internal", "--subnets", SUBNET)["LoadBalancers"]
    assert balancer["LoadBalancerArn"].startswith(
        "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/net/life/")
    (made,) = ctl("create-target-group", "--name", "life", "--protocol", "TCP", "--port", "80",
                  "--vpc-id", VPC, "--target-type", "ip")["TargetGroups"]
    (listener,) = ctl("create-listener", "--load-balancer-arn", "life", "--protocol", "TCP",
                      "--port", "80", "--default-actions",
                      "Type=forward,TargetGroupArn=life")["Listeners"]
    ctl("register-targets", "--target-group-arn", "life", "--targets", "Id=10.77.1.11,Port=80",
        "Id=10.77.1.12")

    def health():
        answer = ctl("describe-target-health", "--target-group-arn", made["TargetGroupArn"])
        return [(each["Target"]["Id"], each["Target"]["Port"], each["TargetHealth"]["State"])
                for each in answer["TargetHealthDescriptions"]]

    wait_until(lambda: health() == [("10.77.1.11", 80, "healthy"), ("10.77.1.12", 80, "healthy")],
               "both targets are healthy")
    ctl("modify-listener-attributes", "--listener-arn", listener["ListenerArn"], "--attributes",
        "Key=tcp.idle_timeout.seconds,Value=600")
    attributes = ctl("describe-listener-attributes", "--listener-arn", listener["ListenerArn"])
    assert {"Key": "tcp.idle_timeout.seconds", "Value": "600"} in attributes["Attributes"]
    ctl("add-tags", "--resource-arns", balancer["LoadBalancerArn"], "--tags", "Key=team,Value=edge")
    tags = ctl("describe-tags", "--resource-arns", balancer["LoadBalancerArn"])["TagDescriptions"]
    assert tags[0]["Tags"] == [{"Key": "team", "Value": "edge"}]
    ctl("deregister-targets", "--target-group-arn", "life", "--targets", "Id=10.77.1.11")
    ctl("delete-listener", "--listener-arn", listener["ListenerArn"])
    ctl("delete-load-balancer", "--load-balancer-arn", "life")
    ctl("delete-target-group", "--target-group-arn", "life")
    assert sluice.rpc("DescribeTargetGroups")["TargetGroups"] == []


def test_errors_reach_the_person(sluice):
    done = sluice.ctl_run("describe-target-groups", "--names", "nowhere")
    assert done.returncode != 0
    assert "TargetGroupNotFound" in done.stderr
    assert "One or more target groups not found" in done.stderr
    done = sluice.ctl_run("register-targets", "--target-group-arn")
    assert done.returncode != 0 and done.stderr


def test_help_and_tables(sluice):
    done = sluice.ctl_run("--help")
    assert done.returncode == 0 and "register-targets" in done.stdout
    done = sluice.ctl_run("register-targets", "--help")
    assert done.returncode == 0 and "--targets" in done.stdout
    done = sluice.ctl_run("describe-account-limits")
    assert done.returncode == 0 and "network-load-balancers" in done.stdout
    with pytest.raises(json.JSONDecodeError):
        json.loads(done.stdout)


@pytest.mark.parametrize("targets, code", [
    ([{"Id": "10.77.1.11", "Port": 0}], "ValidationError"),
    ([{"Id": "10.77.1.11", "Port": 65536}], "ValidationError"),
    ([{"Id": "10.77.1.11", "Port": "80"}], "ValidationError"),
    ([{"Id": "10.77.1.300"}], "ValidationError"),
    ([{"Id": "fd77:1::11"}], "ValidationError"),
    ([{"Port": 80}], "ValidationError"),
    ([{"Id": "10.77.1.11", "Colour": "red"}], "ValidationError"),
    ([{"Id": "10.99.0.1"}], "ValidationError"),
    ([], "ValidationError"),
], ids=["port 0", "port 65536", "port as text", "no address", "other family", "no id",
        "unknown member", "outside without zone", "none"])
def test_a_bad_registration_changes_nothing(sluice, group, targets, code):
    good = [{"Id": "10.77.1.12", "Port": 80}] if targets else []
    error = refused(sluice, "RegisterTargets", TargetGroupArn=group, Targets=good + targets)
    assert error.code == code, error
    answer = sluice.rpc("DescribeTargetHealth", TargetGroupArn=group)
    assert answer["TargetHealthDescriptions"] == []


def test_the_same_target_twice_is_one(sluice, group):
    for _ in range(2):
        sluice.rpc("RegisterTargets", TargetGroupArn=group, Targets=[{"Id": "10.77.1.11"}])
    answer = sluice.rpc("DescribeTargetHealth", TargetGroupArn=group)["TargetHealthDescriptions"]
    assert [(each["Target"]["Port"], each["TargetHealth"]["State"], each["TargetHealth"]["Reason"])
            for each in answer] == [(80, "unused", "Target.NotInUse")]


def test_a_group_in_use_cannot_be_deleted(rig, sluice):
    with sluice.service("used", rig.tasks) as used:
        error = refused(sluice, "DeleteTargetGroup", TargetGroupArn=used.tg_arn)
        assert error.code == "ResourceInUse"
        assert error.message == \
            f"Target group '{used.tg_arn}' is currently in use by a listener or a rule"


def test_names_are_taken_once(sluice, group):
    error = refused(sluice, "CreateTargetGroup", Name="api", Protocol="TCP", Port=81, VpcId=VPC,
                    TargetType="ip")
    assert error.code == "DuplicateTargetGroupName"
    assert error.message == \
        "A target group with the same name 'api' exists, but with different settings"


def test_a_fixed_vip_is_given_once(sluice):
    mapping = [{"SubnetId": SUBNET, "PrivateIPv4Address": "10.77.0.150"}]
    (one,) = sluice.rpc("CreateLoadBalancer", Name="one", Type="network", Scheme="internal",
                        SubnetMappings=mapping)["LoadBalancers"]
    address = one["AvailabilityZones"][0]["LoadBalancerAddresses"][0]
    assert address["PrivateIPv4Address"] == "10.77.0.150"
    with pytest.raises(ApiError):
        sluice.rpc("CreateLoadBalancer", Name="two", Type="network", Scheme="internal",
                   SubnetMappings=mapping)
    sluice.rpc("DeleteLoadBalancer", LoadBalancerArn=one["LoadBalancerArn"])


def test_address_families_do_not_mix(rig, sluice):
    with sluice.service("four", rig.tasks) as four:
        error = refused(sluice, "RegisterTargets", TargetGroupArn=four.tg_arn,
                        Targets=[{"Id": rig.tasks[0].v6, "Port": 80}])
        assert error.code == "ValidationError"


def test_check_tells_what_is_wrong_with_a_config(rig, sluice):
    from rig import run
    good = run(sluice.binary("sluiced"), "--check", "--config", sluice.config_path, check=False)
    assert good.returncode == 0, good.stderr
    bad_path = sluice.config_path + ".bad"
    with open(bad_path, "w", encoding="utf-8") as file:
        json.dump({**sluice.config, "colour": "red"}, file)
    bad = run(sluice.binary("sluiced"), "--check", "--config", bad_path, check=False)
    assert bad.returncode != 0
    assert "colour" in bad.stderr and bad_path in bad.stderr
