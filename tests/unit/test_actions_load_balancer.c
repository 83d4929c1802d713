/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/actions_fixture.c"
#include "tests/unit/fake_engine.c"

#define Z0 "LoadBalancers.0.AvailabilityZones.0."
#define Z1 "LoadBalancers.0.AvailabilityZones.1."
#define ADDRESS "LoadBalancerAddresses.0.PrivateIPv4Address"
#define ADDRESS6 "LoadBalancerAddresses.0.IPv6Address"

static void a_load_balancer_is_shown_as_the_api_shows_it(void **state)
{
	struct fixture *f = fixture_new(two_zones);
	json_t *r = call(f, "CreateLoadBalancer",
			 "{'Name': 'web', 'Type': 'network', 'Scheme': 'internal', 'Tags': "
			 "[{'Key': 'a', 'Value': 'b'}]}");
	const char *arn = text_at(r, "LoadBalancers.0.LoadBalancerArn");
	char dns[ARN_DNS_MAX];

	(void)state;
	snprintf(dns, sizeof(dns), "web-%s.elb.us-east-1.amazonaws.com", strrchr(arn, '/') + 1);
	assert_string_equal(text_at(r, "LoadBalancers.0.DNSName"), dns);
	assert_string_equal(text_at(r, "LoadBalancers.0.LoadBalancerName"), "web");
	assert_string_equal(text_at(r, "LoadBalancers.0.CanonicalHostedZoneId"), "Z26RNL4JYFTOTI");
	assert_string_equal(text_at(r, "LoadBalancers.0.Scheme"), "internal");
	assert_string_equal(text_at(r, "LoadBalancers.0.VpcId"), "vpc-sluice");
	assert_string_equal(text_at(r, "LoadBalancers.0.State.Code"), "active");
	assert_string_equal(text_at(r, "LoadBalancers.0.Type"), "network");
	assert_string_equal(text_at(r, "LoadBalancers.0.IpAddressType"), "ipv4");
	assert_int_equal(strlen(text_at(r, "LoadBalancers.0.CreatedTime")),
			 strlen("2026-08-01T10:00:00.000Z"));
	assert_null(at_path(r, "LoadBalancers.0.SecurityGroups"));
	assert_string_equal(text_at(r, Z0 "ZoneName"), "rig-1a");
	assert_string_equal(text_at(r, Z0 "SubnetId"), "subnet-rig-1a");
	assert_string_equal(text_at(r, Z0 ADDRESS), "10.9.1.0");
	assert_string_equal(text_at(r, Z1 ADDRESS), "10.9.2.0");
	assert_string_equal(text_at(r, Z1 ADDRESS6), "(none)");
	assert_int_equal(HASH_COUNT(f->engine->vips), 2);
	assert_string_equal(text_at(json_array_get(f->events, 0), "Event"), "LoadBalancerCreated");
	assert_string_equal(text_at(json_array_get(f->events, 0), "LoadBalancerArn"), arn);
	assert_string_not_equal(text_at(json_array_get(f->events, 0), "Time"), "(none)");
	json_decref(r);
	fixture_free(f);
}

static void vips_come_from_the_pool_lowest_first_and_go_back(void **state)
{
	struct fixture *f = fixture_new(two_zones);
	char arn[ARN_MAX], lb[ARN_MAX];
	json_t *r;

	(void)state;
	for (int i = 0; i < 8; i++) { /* a /29 has eight */
		char name[16];

		snprintf(name, sizeof(name), "lb%d", i);
		new_lb(f, i == 3 ? lb : arn, name);
	}
	call_fails(f, "InvalidSubnet", "CreateLoadBalancer", "{'Name': 'lb8', 'Type': 'network'}");
	assert_int_equal(HASH_COUNT(f->engine->vips), 16);
	CALL(f, "DeleteLoadBalancer", "{'LoadBalancerArn': '%s'}", lb);
	assert_int_equal(HASH_COUNT(f->engine->vips), 14);
	r = call(f, "CreateLoadBalancer", "{'Name': 'lb9'}");
	assert_string_equal(text_at(r, Z0 ADDRESS), "10.9.1.3");
	json_decref(r);
	fixture_free(f);
}

static void a_given_address_must_be_in_the_pool_and_free(void **state)
{
	struct fixture *f = fixture_new(two_zones);
	json_t *r = call(f, "CreateLoadBalancer",
			 "{'Name': 'a', 'SubnetMappings': [{'SubnetId': 'subnet-rig-1b', "
			 "'PrivateIPv4Address': '10.9.2.5'}]}");

	(void)state;
	assert_string_equal(text_at(r, Z0 "ZoneName"), "rig-1b");
	assert_string_equal(text_at(r, Z0 ADDRESS), "10.9.2.5");
	json_decref(r);
#define MAPPING(entry) "{'Name': 'b', 'SubnetMappings': [" entry "]}"
	call_fails(f, "ResourceInUse", "CreateLoadBalancer",
		   MAPPING("{'SubnetId': 'subnet-rig-1b', 'PrivateIPv4Address': '10.9.2.5'}"));
	call_fails(f, "InvalidConfigurationRequest", "CreateLoadBalancer",
		   MAPPING("{'SubnetId': 'subnet-rig-1b', 'PrivateIPv4Address': '10.9.1.5'}"));
	call_fails(f, "ValidationError", "CreateLoadBalancer",
		   MAPPING("{'SubnetId': 'subnet-rig-1b', 'PrivateIPv4Address': 'fd09:1::1'}"));
	call_fails(f, "ValidationError", "CreateLoadBalancer",
		   MAPPING("{'SubnetId': 'subnet-rig-1b', 'PrivateIPv4Address': '10.9.2'}"));
	call_fails(f, "InvalidConfigurationRequest", "CreateLoadBalancer",
		   MAPPING("{'SubnetId': 'rig-1a', 'IPv6Address': 'fd09:1::5'}"));
	call_fails(f, "AllocationIdNotFound", "CreateLoadBalancer",
		   MAPPING("{'SubnetId': 'rig-1a', 'AllocationId': 'eipalloc-1'}"));
	call_fails(f, "SubnetNotFound", "CreateLoadBalancer", MAPPING("{'SubnetId': 'nowhere'}"));
	call_fails(f, "ValidationError", "CreateLoadBalancer", MAPPING("{'Subnet': 'rig-1a'}"));
	call_fails(f, "ValidationError", "CreateLoadBalancer", MAPPING("'rig-1a'"));
	call_fails(f, "InvalidConfigurationRequest", "CreateLoadBalancer",
		   MAPPING("{'SubnetId': 'rig-1a'}, {'SubnetId': 'subnet-rig-1a'}"));
	assert_int_equal(HASH_COUNT(f->engine->vips), 1);
	fixture_free(f);
}

static void dualstack_has_an_address_of_both_families(void **state)
{
	struct fixture *f = fixture_new(two_zones);
	json_t *r = call(f, "CreateLoadBalancer",
			 "{'Name': 'a', 'IpAddressType': 'dualstack', 'SubnetMappings': "
			 "[{'SubnetId': 'rig-1a', 'IPv6Address': 'fd09:1::77'}, {'SubnetId': "
			 "'rig-1b'}]}");

	(void)state;
	assert_string_equal(text_at(r, "LoadBalancers.0.IpAddressType"), "dualstack");
	assert_string_equal(text_at(r, Z0 ADDRESS), "10.9.1.0");
	assert_string_equal(text_at(r, Z0 ADDRESS6), "fd09:1::77");
	assert_string_equal(text_at(r, Z1 ADDRESS6), "fd09:2::");
	assert_int_equal(HASH_COUNT(f->engine->vips), 4);
	json_decref(r);
	fixture_free(f);
}

static void creating_again_is_idempotent_or_refused(void **state)
{
	struct fixture *f = fixture_new(two_zones);
	char arn[ARN_MAX], again[ARN_MAX];

	(void)state;
	new_lb(f, arn, "web");
	assert_string_equal(new_lb(f, again, "web"), arn);
	CALL(f, "CreateLoadBalancer", "{'Name': 'web', 'Subnets': ['rig-1b', 'subnet-rig-1a']}");
	CALL(f, "CreateLoadBalancer",
	     "{'Name': 'web', 'SubnetMappings': [{'SubnetId': 'rig-1a', 'PrivateIPv4Address': "
	     "'10.9.1.0'}, {'SubnetId': 'rig-1b'}]}");
	call_fails(f, "DuplicateLoadBalancerName", "CreateLoadBalancer",
		   "{'Name': 'web', 'Scheme': 'internal'}");
	assert_string_equal(f->error.message, "A load balancer with the same name 'web' exists, "
					      "but with different settings");
	call_fails(f, "DuplicateLoadBalancerName", "CreateLoadBalancer",
		   "{'Name': 'web', 'Subnets': ['rig-1a']}");
	call_fails(f, "DuplicateLoadBalancerName", "CreateLoadBalancer",
		   "{'Name': 'web', 'IpAddressType': 'dualstack'}");
	call_fails(f, "DuplicateLoadBalancerName", "CreateLoadBalancer",
		   "{'Name': 'web', 'SubnetMappings': [{'SubnetId': 'rig-1a', "
		   "'PrivateIPv4Address': '10.9.1.1'}, {'SubnetId': 'rig-1b'}]}");
	assert_int_equal(HASH_COUNT(f->model->load_balancers), 1);
	fixture_free(f);
}

static void wrong_parameters_are_refused_as_the_reference_says(void **state)
{
	struct fixture *f = fixture_new(two_zones);

	(void)state;
	call_fails(f, "ValidationError", "CreateLoadBalancer", "{'Type': 'network'}");
	call_fails(f, "ValidationError", "CreateLoadBalancer", "{'Name': 7}");
	call_fails(f, "ValidationError", "CreateLoadBalancer", "{'Name': 'internal-x'}");
	call_fails(f, "ValidationError", "CreateLoadBalancer", "{'Name': '-x'}");
	call_fails(f, "ValidationError", "CreateLoadBalancer", "{'Name': 'x_y'}");
	call_fails(f, "ValidationError", "CreateLoadBalancer",
		   "{'Name': '123456789012345678901234567890123'}");
	assert_string_equal(f->error.message,
			    "Load balancer name '123456789012345678901234567890123' cannot be "
			    "longer than '32' characters");
	call_fails(f, "ValidationError", "CreateLoadBalancer",
		   "{'Name': 'x', 'IpAddressType': 'ipv5'}");
	assert_string_equal(
		f->error.message,
		"1 validation error detected: Value 'ipv5' at 'ipAddressType' failed to satisfy "
		"constraint: Member must satisfy enum value set: [ipv4, dualstack]");
	call_fails(f, "InvalidConfigurationRequest", "CreateLoadBalancer",
		   "{'Name': 'x', 'Type': 'application'}");
	call_fails(f, "ValidationError", "CreateLoadBalancer", "{'Name': 'x', 'Type': 'router'}");
	call_fails(f, "ValidationError", "CreateLoadBalancer", "{'Name': 'x', 'Scheme': 'open'}");
	call_fails(f, "InvalidConfigurationRequest", "CreateLoadBalancer",
		   "{'Name': 'x', 'SecurityGroups': ['sg-1']}");
	call_fails(f, "ValidationError", "CreateLoadBalancer", "{'Name': 'x', 'Colour': 'red'}");
	call_fails(f, "ValidationError", "CreateLoadBalancer",
		   "{'Name': 'x', 'Subnets': ['rig-1a'], 'SubnetMappings': [{'SubnetId': "
		   "'rig-1b'}]}");
	call_fails(f, "ValidationError", "CreateLoadBalancer", "{'Name': 'x', 'Subnets': 'a'}");
	call_fails(f, "DuplicateTagKeys", "CreateLoadBalancer",
		   "{'Name': 'x', 'Tags': [{'Key': 'a'}, {'Key': 'a'}]}");
	assert_int_equal(HASH_COUNT(f->model->load_balancers), 0);
	assert_int_equal(HASH_COUNT(f->engine->vips), 0);
	CALL(f, "CreateLoadBalancer", "{'Name': 'x', 'SecurityGroups': []}");
	fixture_free(f);
}

static void an_address_the_interface_refuses_leaves_nothing_behind(void **state)
{
	struct fixture *f = fixture_new(two_zones);
	char arn[ARN_MAX];

	(void)state;
	f->engine->vip_error = -ENODEV;
	f->engine->vip_error_after = 1; /* the second zone's */
	call_fails(f, "InvalidConfigurationRequest", "CreateLoadBalancer", "{'Name': 'x'}");
	assert_int_equal(HASH_COUNT(f->engine->vips), 0);
	assert_int_equal(HASH_COUNT(f->model->vips), 0);
	assert_int_equal(HASH_COUNT(f->model->load_balancers), 0);
	f->engine->vip_error = 0;
	new_lb(f, arn, "x");
	fixture_free(f);
}

static void at_most_50_load_balancers(void **state)
{
	struct fixture *f = fixture_new(one_zone);
	char arn[ARN_MAX], name[16];

	(void)state;
	for (int i = 0; i < QUOTA_LOAD_BALANCERS; i++) {
		snprintf(name, sizeof(name), "lb%d", i);
		new_lb(f, arn, name);
	}
	call_fails(f, "TooManyLoadBalancers", "CreateLoadBalancer", "{'Name': 'one-more'}");
	fixture_free(f);
}

static void describing_finds_by_arn_and_name_and_pages(void **state)
{
	struct fixture *f = fixture_new(one_zone);
	char arns[5][ARN_MAX], names[5][16], marker[32];
	json_t *r;

	(void)state;
	for (int i = 0; i < 5; i++) {
		snprintf(names[i], sizeof(names[i]), "lb%d", i);
		new_lb(f, arns[i], names[i]);
	}
	r = call(f, "DescribeLoadBalancers", "{'PageSize': 2}");
	assert_int_equal(json_array_size(at_path(r, "LoadBalancers")), 2);
	snprintf(marker, sizeof(marker), "%s", text_at(r, "NextMarker"));
	json_decref(r);
	/* one more comes between the pages, one that was seen stays: nothing is told twice */
	new_lb(f, arns[0], "late");
	r = call(f, "DescribeLoadBalancers", "{'PageSize': 400, 'Marker': '%s'}", marker);
	assert_int_equal(json_array_size(at_path(r, "LoadBalancers")), 4);
	assert_string_equal(text_at(r, "LoadBalancers.0.LoadBalancerName"), "lb2");
	assert_string_equal(text_at(r, "LoadBalancers.3.LoadBalancerName"), "late");
	assert_null(at_path(r, "NextMarker"));
	json_decref(r);
	r = call(f, "DescribeLoadBalancers", "{'Names': ['lb3', 'lb1']}");
	assert_string_equal(text_at(r, "LoadBalancers.0.LoadBalancerArn"), arns[3]);
	json_decref(r);
	r = call(f, "DescribeLoadBalancers", "{'LoadBalancerArns': ['%s']}", arns[2]);
	assert_string_equal(text_at(r, "LoadBalancers.0.LoadBalancerName"), "lb2");
	json_decref(r);
	call_fails(f, "LoadBalancerNotFound", "DescribeLoadBalancers", "{'Names': ['lb1', 'no']}");
	assert_string_equal(f->error.message, "One or more load balancers not found");
	call_fails(f, "ValidationError", "DescribeLoadBalancers",
		   "{'LoadBalancerArns': ['arn:aws:x']}");
	assert_string_equal(f->error.message, "'arn:aws:x' is not a valid load balancer ARN");
	call_fails(f, "ValidationError", "DescribeLoadBalancers", "{'PageSize': 0}");
	call_fails(f, "ValidationError", "DescribeLoadBalancers", "{'PageSize': 401}");
	call_fails(f, "ValidationError", "DescribeLoadBalancers", "{'Marker': 'zz'}");
	call_fails(f, "ValidationError", "DescribeLoadBalancers", "{'Marker': '0000000000000001'}");
	fixture_free(f);
}

static void describing_nothing_gives_an_empty_list(void **state)
{
	struct fixture *f = fixture_new(one_zone);
	json_t *r = call(f, "DescribeLoadBalancers", "{}");

	(void)state;
	assert_true(json_is_array(at_path(r, "LoadBalancers")));
	json_decref(r);
	fixture_free(f);
}

static void deletion_takes_listeners_along_and_forgives_strangers(void **state)
{
	struct fixture *f = fixture_new(two_zones);
	char lb[ARN_MAX], tg[ARN_MAX], ls[ARN_MAX], h[64];

	(void)state;
	new_lb(f, lb, "web");
	new_tg(f, tg, "t", "TCP");
	new_listener(f, ls, lb, "TCP", 80, tg);
	CALL(f, "RegisterTargets", "{'TargetGroupArn': '%s', 'Targets': [{'Id': '10.0.1.5'}]}", tg);
	CALL(f, "ModifyLoadBalancerAttributes",
	     "{'LoadBalancerArn': '%s', 'Attributes': [{'Key': 'deletion_protection.enabled', "
	     "'Value': 'true'}]}",
	     lb);
	call_fails(f, "OperationNotPermitted", "DeleteLoadBalancer", "{'LoadBalancerArn': '%s'}",
		   lb);
	CALL(f, "ModifyLoadBalancerAttributes",
	     "{'LoadBalancerArn': '%s', 'Attributes': [{'Key': 'deletion_protection.enabled', "
	     "'Value': 'false'}]}",
	     lb);
	CALL(f, "DeleteLoadBalancer", "{'LoadBalancerArn': '%s'}", lb);
	assert_int_equal(HASH_COUNT(f->engine->listeners), 0);
	assert_int_equal(HASH_COUNT(f->engine->vips), 0);
	assert_int_equal(fake_engine_group(f->engine, id_of(tg))->group.zones, 0);
	assert_string_equal(health(f, tg, "10.0.1.5", h), "unused/Target.NotInUse");
	CALL(f, "DeleteLoadBalancer", "{'LoadBalancerArn': '%s'}", lb);
	call_fails(f, "LoadBalancerNotFound", "DescribeListeners", "{'LoadBalancerArn': '%s'}", lb);
	call_fails(f, "ValidationError", "DeleteLoadBalancer", "{'LoadBalancerArn': 'web'}");
	call_fails(f, "ValidationError", "DeleteLoadBalancer", "{}");
	fixture_free(f);
}

static void subnets_can_be_added_and_removed(void **state)
{
	struct fixture *f = fixture_new(two_zones);
	char tg[ARN_MAX], ls[ARN_MAX], lb[ARN_MAX], h[64];
	json_t *r;

	(void)state;
	create(f, lb, "LoadBalancers.0.LoadBalancerArn", "CreateLoadBalancer",
	       "{'Name': 'web', 'Subnets': ['rig-1a']}");
	new_tg(f, tg, "t", "TCP");
	new_listener(f, ls, lb, "TCP", 80, tg);
	CALL(f, "RegisterTargets",
	     "{'TargetGroupArn': '%s', 'Targets': [{'Id': '10.0.1.5'}, {'Id': '10.0.2.5'}]}", tg);
	assert_string_equal(health(f, tg, "10.0.1.5", h), "healthy");
	assert_string_equal(health(f, tg, "10.0.2.5", h), "unused/Target.NotInUse");
	assert_int_equal(fake_engine_target(f->engine, id_of(tg), "10.0.2.5", 8080)->zones, 0);
	r = call(f, "SetSubnets",
		 "{'LoadBalancerArn': '%s', 'SubnetMappings': [{'SubnetId': 'rig-1a'}, "
		 "{'SubnetId': 'rig-1b', 'PrivateIPv4Address': '10.9.2.4'}]}",
		 lb);
	assert_string_equal(
		text_at(r, "AvailabilityZones.1.LoadBalancerAddresses.0.PrivateIPv4Address"),
		"10.9.2.4");
	json_decref(r);
	assert_string_equal(health(f, tg, "10.0.2.5", h), "healthy");
	assert_int_equal(fake_engine_listener(f->engine, id_of(ls))->listener.n_vips, 2);
	assert_int_equal(fake_engine_group(f->engine, id_of(tg))->group.zones, 3);
	assert_int_equal(fake_engine_target(f->engine, id_of(tg), "10.0.2.5", 8080)->zones, 2);
	CALL(f, "SetSubnets", "{'LoadBalancerArn': '%s', 'Subnets': ['rig-1b']}", lb);
	assert_string_equal(health(f, tg, "10.0.1.5", h), "unused/Target.NotInUse");
	assert_string_equal(health(f, tg, "10.0.2.5", h), "healthy");
	assert_int_equal(HASH_COUNT(f->engine->vips), 1);
	call_fails(f, "InvalidConfigurationRequest", "SetSubnets",
		   "{'LoadBalancerArn': '%s', 'SubnetMappings': [{'SubnetId': 'rig-1b', "
		   "'PrivateIPv4Address': '10.9.2.5'}]}",
		   lb);
	call_fails(f, "ValidationError", "SetSubnets", "{'LoadBalancerArn': '%s'}", lb);
	call_fails(f, "ValidationError", "SetSubnets", "{'LoadBalancerArn': '%s', 'Subnets': []}",
		   lb);
	fixture_free(f);
}

static void the_address_type_can_change_while_no_ipv6_group_is_used(void **state)
{
	struct fixture *f = fixture_new(two_zones);
	char lb[ARN_MAX], tg[ARN_MAX], ls[ARN_MAX];
	const struct fake_listener *listener;
	json_t *r;

	(void)state;
	new_lb(f, lb, "web");
	create(f, tg, "TargetGroups.0.TargetGroupArn", "CreateTargetGroup",
	       "{'Name': 'six', 'Protocol': 'UDP', 'Port': 53, 'IpAddressType': 'ipv6'}");
	call_fails(f, "InvalidConfigurationRequest", "CreateListener",
		   "{'LoadBalancerArn': '%s', 'Protocol': 'UDP', 'Port': 53, 'DefaultActions': "
		   "[{'Type': 'forward', 'TargetGroupArn': '%s'}]}",
		   lb, tg);
	r = call(f, "SetIpAddressType", "{'LoadBalancerArn': '%s', 'IpAddressType': 'dualstack'}",
		 lb);
	assert_string_equal(text_at(r, "IpAddressType"), "dualstack");
	json_decref(r);
	assert_int_equal(HASH_COUNT(f->engine->vips), 4);
	new_listener(f, ls, lb, "UDP", 53, tg);
	listener = fake_engine_listener(f->engine, id_of(ls));
	assert_int_equal(listener->listener.n_vips, 2);
	assert_false(address_is_v4(&listener->listener.vips[0].address));
	assert_true(listener->listener.udp && !listener->listener.tcp);
	assert_int_equal(listener->listener.udp_idle_timeout_s, 120);
	call_fails(f, "InvalidConfigurationRequest", "SetIpAddressType",
		   "{'LoadBalancerArn': '%s', 'IpAddressType': 'ipv4'}", lb);
	CALL(f, "DeleteListener", "{'ListenerArn': '%s'}", ls);
	CALL(f, "SetIpAddressType", "{'LoadBalancerArn': '%s', 'IpAddressType': 'ipv4'}", lb);
	assert_int_equal(HASH_COUNT(f->engine->vips), 2);
	call_fails(f, "ValidationError", "SetIpAddressType", "{'LoadBalancerArn': '%s'}", lb);
	fixture_free(f);
}

static void cross_zone_widens_what_targets_serve(void **state)
{
	struct fixture *f = fixture_new(two_zones);
	char lb[ARN_MAX], tg[ARN_MAX], ls[ARN_MAX];

	(void)state;
	new_lb(f, lb, "web");
	new_tg(f, tg, "t", "TCP");
	new_listener(f, ls, lb, "TCP", 80, tg);
	CALL(f, "RegisterTargets",
	     "{'TargetGroupArn': '%s', 'Targets': [{'Id': '10.0.2.5'}, {'Id': '172.16.0.1', "
	     "'AvailabilityZone': 'all'}]}",
	     tg);
#define ZONES(address) fake_engine_target(f->engine, id_of(tg), address, 8080)->zones
#define SET(what, arn, value)                                         \
	CALL(f, "Modify" what "Attributes",                           \
	     "{'" what "Arn': '%s', 'Attributes': [{'Key': "          \
	     "'load_balancing.cross_zone.enabled', 'Value': '%s'}]}", \
	     arn, value)
	assert_int_equal(ZONES("10.0.2.5"), 2);
	assert_int_equal(ZONES("172.16.0.1"), 3);
	SET("LoadBalancer", lb, "true");
	assert_int_equal(ZONES("10.0.2.5"), 3);
	SET("TargetGroup", tg, "false");
	assert_int_equal(ZONES("10.0.2.5"), 2);
	SET("LoadBalancer", lb, "false");
	SET("TargetGroup", tg, "true");
	assert_int_equal(ZONES("10.0.2.5"), 3);
	SET("TargetGroup", tg, "use_load_balancer_configuration");
	assert_int_equal(ZONES("10.0.2.5"), 2);
	assert_int_equal(ZONES("172.16.0.1"), 3);
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_load_balancer_is_shown_as_the_api_shows_it),
		cmocka_unit_test(vips_come_from_the_pool_lowest_first_and_go_back),
		cmocka_unit_test(a_given_address_must_be_in_the_pool_and_free),
		cmocka_unit_test(dualstack_has_an_address_of_both_families),
		cmocka_unit_test(creating_again_is_idempotent_or_refused),
		cmocka_unit_test(wrong_parameters_are_refused_as_the_reference_says),
		cmocka_unit_test(an_address_the_interface_refuses_leaves_nothing_behind),
		cmocka_unit_test(at_most_50_load_balancers),
		cmocka_unit_test(describing_finds_by_arn_and_name_and_pages),
		cmocka_unit_test(describing_nothing_gives_an_empty_list),
		cmocka_unit_test(deletion_takes_listeners_along_and_forgives_strangers),
		cmocka_unit_test(subnets_can_be_added_and_removed),
		cmocka_unit_test(the_address_type_can_change_while_no_ipv6_group_is_used),
		cmocka_unit_test(cross_zone_widens_what_targets_serve),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
