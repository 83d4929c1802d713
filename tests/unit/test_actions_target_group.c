/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/actions_fixture.c"
#include "tests/unit/fake_engine.c"

#define NEW "'Name': 't', 'Protocol': 'TCP', 'Port': 80"

static void a_target_group_is_shown_with_the_defaults_of_the_reference(void **state)
{
	struct fixture *f = fixture_new(two_zones);
	json_t *r = call(f, "CreateTargetGroup", "{" NEW ", 'VpcId': 'vpc-sluice'}"), *tg;

	(void)state;
	tg = json_array_get(json_object_get(r, "TargetGroups"), 0);
	assert_string_equal(text_at(tg, "TargetGroupName"), "t");
	assert_string_equal(text_at(tg, "Protocol"), "TCP");
	assert_int_equal(json_integer_value(at_path(tg, "Port")), 80);
	assert_string_equal(text_at(tg, "VpcId"), "vpc-sluice");
	assert_string_equal(text_at(tg, "TargetType"), "ip");
	assert_string_equal(text_at(tg, "IpAddressType"), "ipv4");
	assert_string_equal(text_at(tg, "HealthCheckProtocol"), "TCP");
	assert_string_equal(text_at(tg, "HealthCheckPort"), "traffic-port");
	assert_true(json_is_true(at_path(tg, "HealthCheckEnabled")));
	assert_int_equal(json_integer_value(at_path(tg, "HealthCheckIntervalSeconds")), 30);
	assert_int_equal(json_integer_value(at_path(tg, "HealthCheckTimeoutSeconds")), 10);
	assert_int_equal(json_integer_value(at_path(tg, "HealthyThresholdCount")), 5);
	assert_int_equal(json_integer_value(at_path(tg, "UnhealthyThresholdCount")), 2);
	assert_int_equal(json_array_size(at_path(tg, "LoadBalancerArns")), 0);
	assert_true(json_is_array(at_path(tg, "LoadBalancerArns")));
	assert_null(at_path(tg, "HealthCheckPath"));
	assert_null(at_path(tg, "Matcher"));
	assert_null(at_path(tg, "ProtocolVersion"));
	assert_string_equal(text_at(json_array_get(f->events, 0), "Event"), "TargetGroupCreated");
	json_decref(r);
	r = call(f, "CreateTargetGroup",
		 "{'Name': 'h', 'Protocol': 'UDP', 'Port': 53, 'HealthCheckProtocol': 'HTTP', "
		 "'HealthCheckPort': '8081'}");
	assert_string_equal(text_at(r, "TargetGroups.0.HealthCheckPath"), "/");
	assert_string_equal(text_at(r, "TargetGroups.0.Matcher.HttpCode"), "200-399");
	assert_string_equal(text_at(r, "TargetGroups.0.HealthCheckPort"), "8081");
	assert_int_equal(json_integer_value(at_path(r, "TargetGroups.0.HealthCheckTimeoutSeconds")),
			 6);
	json_decref(r);
	fixture_free(f);
}

static const struct {
	const char *params, *code, *message; /* message NULL: any */
} refused[] = {
	{"{'Protocol': 'TCP', 'Port': 80}", "ValidationError", NULL},
	{"{'Name': 't', 'Protocol': 'TCP'}", "ValidationError", "A port must be specified"},
	{"{'Name': 't', 'Port': 80}", "ValidationError", "A protocol must be specified"},
	{"{" NEW ", 'VpcId': 'vpc-1'}", "ValidationError", "The VPC ID 'vpc-1' is not found"},
	{"{'Name': '123456789012345678901234567890123', 'Protocol': 'TCP', 'Port': 80}",
	 "ValidationError",
	 "Target group name '123456789012345678901234567890123' cannot be longer than '32' "
	 "characters"},
	{"{'Name': 'a.b', 'Protocol': 'TCP', 'Port': 80}", "ValidationError",
	 "Target group name 'a.b' can only contain characters that are alphanumeric characters "
	 "or hyphens(-)"},
	{"{'Name': 'a-', 'Protocol': 'TCP', 'Port': 80}", "ValidationError",
	 "Target group name 'a-' cannot begin or end with '-'"},
	{"{'Name': 'a--b', 'Protocol': 'TCP', 'Port': 80}", "ValidationError",
	 "1 validation error detected: Value 'a--b' at "
	 "'targetGroup.targetGroupArn.targetGroupName' failed to satisfy constraint: Member must "
	 "satisfy regular expression pattern: (?!.*--)(?!^-)(?!.*-$)^[A-Za-z0-9-]+$"},
	{"{'Name': '', 'Protocol': 'TCP', 'Port': 80}", "ValidationError", NULL},
	{"{'Name': 't', 'Protocol': 'TCP', 'Port': 0}", "ValidationError",
	 "1 validation error detected: Value '0' at 'port' failed to satisfy constraint: Member "
	 "must have value greater than or equal to 1"},
	{"{'Name': 't', 'Protocol': 'TCP', 'Port': 65536}", "ValidationError",
	 "1 validation error detected: Value '65536' at 'port' failed to satisfy constraint: "
	 "Member must have value less than or equal to 65535"},
	{"{'Name': 't', 'Protocol': 'TCP', 'Port': '80'}", "ValidationError", NULL},
	{"{'Name': 't', 'Protocol': 'SCTP', 'Port': 80}", "ValidationError", NULL},
	{"{'Name': 't', 'Protocol': 'TLS', 'Port': 80}", "InvalidConfigurationRequest", NULL},
	{"{'Name': 't', 'Protocol': 'HTTP', 'Port': 80}", "InvalidConfigurationRequest", NULL},
	{"{" NEW ", 'TargetType': 'instance'}", "InvalidConfigurationRequest", NULL},
	{"{" NEW ", 'TargetType': 'alb'}", "InvalidConfigurationRequest", NULL},
	{"{" NEW ", 'TargetType': 'host'}", "ValidationError", NULL},
	{"{" NEW ", 'IpAddressType': 'dualstack'}", "ValidationError", NULL},
	{"{" NEW ", 'HealthCheckProtocol': 'UDP'}", "ValidationError", NULL},
	{"{" NEW ", 'HealthCheckPort': '0'}", "ValidationError", NULL},
	{"{" NEW ", 'HealthCheckPort': '65536'}", "ValidationError", NULL},
	{"{" NEW ", 'HealthCheckPort': 'http'}", "ValidationError", NULL},
	{"{" NEW ", 'HealthCheckPort': 80}", "ValidationError", NULL},
	{"{" NEW ", 'HealthCheckPath': '/x'}", "InvalidConfigurationRequest", NULL},
	{"{" NEW ", 'HealthCheckProtocol': 'HTTP', 'HealthCheckPath': 'x'}", "ValidationError",
	 NULL},
	{"{" NEW ", 'HealthCheckProtocol': 'HTTP', 'Matcher': {'HttpCode': '199'}}",
	 "ValidationError", NULL},
	{"{" NEW ", 'HealthCheckProtocol': 'HTTP', 'Matcher': {'HttpCode': '200-600'}}",
	 "ValidationError", NULL},
	{"{" NEW ", 'HealthCheckProtocol': 'HTTP', 'Matcher': {'HttpCode': '300-200'}}",
	 "ValidationError", NULL},
	{"{" NEW ", 'HealthCheckProtocol': 'HTTP', 'Matcher': {'HttpCode': '200,'}}",
	 "ValidationError", NULL},
	{"{" NEW ", 'HealthCheckProtocol': 'HTTP', 'Matcher': '200'}", "ValidationError", NULL},
	{"{" NEW ", 'HealthCheckEnabled': false}", "InvalidConfigurationRequest", NULL},
	{"{" NEW ", 'HealthCheckIntervalSeconds': 4}", "ValidationError", NULL},
	{"{" NEW ", 'HealthCheckIntervalSeconds': 301}", "ValidationError", NULL},
	{"{" NEW ", 'HealthCheckTimeoutSeconds': 1}", "ValidationError", NULL},
	{"{" NEW ", 'HealthCheckTimeoutSeconds': 121}", "ValidationError", NULL},
	{"{" NEW ", 'HealthyThresholdCount': 1}", "ValidationError", NULL},
	{"{" NEW ", 'HealthyThresholdCount': 11}", "ValidationError", NULL},
	{"{" NEW ", 'UnhealthyThresholdCount': 1}", "ValidationError", NULL},
	{"{" NEW ", 'UnhealthyThresholdCount': 11}", "ValidationError", NULL},
	{"{" NEW ", 'HealthCheckIntervalSeconds': 20, 'HealthCheckTimeoutSeconds': 21}",
	 "ValidationError",
	 "Health check timeout '21' must be smaller than or equal to the interval '20'"},
	{"{" NEW ", 'Tags': [{'Key': 'aws:x', 'Value': 'y'}]}", "ValidationError", NULL},
	{"{" NEW ", 'Tags': [{'Key': '', 'Value': 'y'}]}", "ValidationError", NULL},
	{"{" NEW ", 'Tags': [{'Key': 'x*', 'Value': 'y'}]}", "ValidationError", NULL},
	{"{" NEW ", 'ProtocolVersion': 'HTTP2'}", "InvalidConfigurationRequest", NULL},
};

static void wrong_parameters_are_refused_as_the_reference_says(void **state)
{
	struct fixture *f = fixture_new(two_zones);

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		call_fails(f, refused[i].code, "CreateTargetGroup", "%s", refused[i].params);
		if (refused[i].message != NULL)
			assert_string_equal(f->error.message, refused[i].message);
	}
	assert_int_equal(HASH_COUNT(f->model->groups), 0);
	assert_int_equal(HASH_COUNT(f->engine->groups), 0);
	fixture_free(f);
}

static void limits_themselves_are_accepted(void **state)
{
	struct fixture *f = fixture_new(two_zones);

	(void)state;
	CALL(f, "CreateTargetGroup",
	     "{'Name': '12345678901234567890123456789012', 'Protocol': 'TCP_UDP', 'Port': 65535, "
	     "'HealthCheckIntervalSeconds': 300, 'HealthCheckTimeoutSeconds': 120, "
	     "'HealthyThresholdCount': 10, 'UnhealthyThresholdCount': 10, 'HealthCheckPort': "
	     "'65535', 'HealthCheckProtocol': 'HTTPS', 'HealthCheckPath': '/x', 'Matcher': "
	     "{'HttpCode': '200,204,300-599'}}");
	CALL(f, "CreateTargetGroup",
	     "{'Name': 'a', 'Protocol': 'TCP', 'Port': 1, 'HealthCheckIntervalSeconds': 5, "
	     "'HealthCheckTimeoutSeconds': 2, 'HealthyThresholdCount': 2, "
	     "'UnhealthyThresholdCount': 2, 'HealthCheckPort': '1'}");
	fixture_free(f);
}

static void creating_again_is_idempotent_or_refused(void **state)
{
	struct fixture *f = fixture_new(two_zones);
	char first[ARN_MAX], again[ARN_MAX];

	(void)state;
	new_tg(f, first, "t", "TCP");
	assert_string_equal(new_tg(f, again, "t", "TCP"), first);
	call_fails(f, "DuplicateTargetGroupName", "CreateTargetGroup",
		   "{'Name': 't', 'Protocol': 'UDP', 'Port': 8080}");
	assert_string_equal(
		f->error.message,
		"A target group with the same name 't' exists, but with different settings");
	call_fails(f, "DuplicateTargetGroupName", "CreateTargetGroup",
		   "{'Name': 't', 'Protocol': 'TCP', 'Port': 8080, 'HealthyThresholdCount': 3}");
	CALL(f, "DeleteTargetGroup", "{'TargetGroupArn': '%s'}", first);
	assert_string_not_equal(new_tg(f, again, "t", "TCP"), first);
	fixture_free(f);
}

static void only_health_checks_can_be_modified(void **state)
{
	struct fixture *f = fixture_new(two_zones);
	char tg[ARN_MAX];
	json_t *r;

	(void)state;
	new_tg(f, tg, "t", "TCP");
	r = call(f, "ModifyTargetGroup",
		 "{'TargetGroupArn': '%s', 'HealthCheckProtocol': 'HTTP', 'HealthCheckPath': "
		 "'/up', 'HealthyThresholdCount': 3}",
		 tg);
	assert_string_equal(text_at(r, "TargetGroups.0.HealthCheckPath"), "/up");
	assert_string_equal(text_at(r, "TargetGroups.0.Matcher.HttpCode"), "200-399");
	json_decref(r);
	call_fails(f, "ValidationError", "ModifyTargetGroup",
		   "{'TargetGroupArn': '%s', 'HealthCheckIntervalSeconds': 5}", tg);
	assert_string_equal(
		f->error.message,
		"Health check timeout '10' must be smaller than or equal to the interval '5'");
	call_fails(f, "ValidationError", "ModifyTargetGroup",
		   "{'TargetGroupArn': '%s', 'Port': 81}", tg);
	r = call(f, "ModifyTargetGroup", "{'TargetGroupArn': '%s', 'HealthCheckProtocol': 'TCP'}",
		 tg);
	assert_null(at_path(r, "TargetGroups.0.HealthCheckPath"));
	assert_int_equal(json_integer_value(at_path(r, "TargetGroups.0.HealthyThresholdCount")), 3);
	json_decref(r);
	fixture_free(f);
}

static void a_group_in_use_cannot_be_deleted(void **state)
{
	struct fixture *f = fixture_new(two_zones);
	char lb[ARN_MAX], tg[ARN_MAX], ls[ARN_MAX], message[2 * ARN_MAX];

	(void)state;
	new_lb(f, lb, "web");
	new_tg(f, tg, "t", "TCP");
	new_listener(f, ls, lb, "TCP", 80, tg);
	call_fails(f, "ResourceInUse", "DeleteTargetGroup", "{'TargetGroupArn': '%s'}", tg);
	snprintf(message, sizeof(message),
		 "Target group '%s' is currently in use by a listener or a rule", tg);
	assert_string_equal(f->error.message, message);
	CALL(f, "DeleteListener", "{'ListenerArn': '%s'}", ls);
	CALL(f, "RegisterTargets", "{'TargetGroupArn': '%s', 'Targets': [{'Id': '10.0.1.5'}]}", tg);
	CALL(f, "DeleteTargetGroup", "{'TargetGroupArn': '%s'}", tg);
	assert_int_equal(HASH_COUNT(f->engine->groups), 0);
	assert_int_equal(HASH_COUNT(f->engine->targets), 0);
	CALL(f, "DeleteTargetGroup", "{'TargetGroupArn': '%s'}", tg);
	call_fails(f, "TargetGroupNotFound", "ModifyTargetGroup", "{'TargetGroupArn': '%s'}", tg);
	snprintf(message, sizeof(message), "Target group '%s' not found", tg);
	assert_string_equal(f->error.message, message);
	fixture_free(f);
}

static void a_full_engine_refuses_one_more_group(void **state)
{
	struct fixture *f = fixture_new(two_zones);
	char tg[ARN_MAX];

	(void)state;
	f->engine->group_error = -ENOSPC;
	call_fails(f, "TooManyTargetGroups", "CreateTargetGroup", "{" NEW "}");
	assert_int_equal(model_commit(f->model), 0);
	assert_int_equal(HASH_COUNT(f->model->groups), 0);
	f->engine->group_error = 0;
	new_tg(f, tg, "t", "TCP");
	fixture_free(f);
}

static void describing_selects_in_one_way_only(void **state)
{
	struct fixture *f = fixture_new(two_zones);
	char lb[ARN_MAX], one[ARN_MAX], two[ARN_MAX], three[ARN_MAX], ls[ARN_MAX], marker[32];
	json_t *r;

	(void)state;
	new_lb(f, lb, "web");
	new_tg(f, one, "one", "TCP");
	new_tg(f, two, "two", "TCP");
	new_tg(f, three, "three", "TCP");
	new_listener(f, ls, lb, "TCP", 80, two);
	r = call(f, "DescribeTargetGroups", "{'LoadBalancerArn': '%s'}", lb);
	assert_int_equal(json_array_size(at_path(r, "TargetGroups")), 1);
	assert_string_equal(text_at(r, "TargetGroups.0.TargetGroupArn"), two);
	assert_string_equal(text_at(r, "TargetGroups.0.LoadBalancerArns.0"), lb);
	json_decref(r);
	r = call(f, "DescribeTargetGroups", "{'Names': ['three', 'one']}");
	assert_string_equal(text_at(r, "TargetGroups.1.TargetGroupArn"), one);
	json_decref(r);
	r = call(f, "DescribeTargetGroups", "{'TargetGroupArns': ['%s']}", three);
	assert_string_equal(text_at(r, "TargetGroups.0.TargetGroupName"), "three");
	json_decref(r);
	r = call(f, "DescribeTargetGroups", "{'PageSize': 3}");
	assert_int_equal(json_array_size(at_path(r, "TargetGroups")), 3);
	assert_null(at_path(r, "NextMarker"));
	json_decref(r);
	r = call(f, "DescribeTargetGroups", "{'PageSize': 1}");
	snprintf(marker, sizeof(marker), "%s", text_at(r, "NextMarker"));
	json_decref(r);
	r = call(f, "DescribeTargetGroups", "{'PageSize': 2, 'Marker': '%s'}", marker);
	assert_string_equal(text_at(r, "TargetGroups.0.TargetGroupName"), "two");
	assert_null(at_path(r, "NextMarker"));
	json_decref(r);
	call_fails(f, "ValidationError", "DescribeTargetGroups",
		   "{'Names': ['one'], 'LoadBalancerArn': '%s'}", lb);
	assert_string_equal(f->error.message,
			    "Target group names, target group ARNs, and a load balancer ARN cannot "
			    "be specified at the same time");
	call_fails(f, "TargetGroupNotFound", "DescribeTargetGroups", "{'Names': ['four']}");
	assert_string_equal(f->error.message, "One or more target groups not found");
	call_fails(f, "ValidationError", "DescribeTargetGroups", "{'TargetGroupArns': ['%s']}", lb);
	fixture_free(f);
}

static void attributes_reach_the_engine(void **state)
{
	struct fixture *f = fixture_new(two_zones);
	char tcp[ARN_MAX], udp[ARN_MAX];
	json_t *r;

	(void)state;
	new_tg(f, tcp, "tcp", "TCP");
	new_tg(f, udp, "udp", "UDP");
	assert_false(fake_engine_group(f->engine, id_of(tcp))->group.preserve_client_ip);
	assert_true(fake_engine_group(f->engine, id_of(udp))->group.preserve_client_ip);
	r = call(f, "ModifyTargetGroupAttributes",
		 "{'TargetGroupArn': '%s', 'Attributes': [{'Key': 'preserve_client_ip.enabled', "
		 "'Value': 'true'}, {'Key': 'stickiness.enabled', 'Value': 'true'}]}",
		 tcp);
	assert_int_equal(json_array_size(at_path(r, "Attributes")), 17);
	json_decref(r);
	assert_true(fake_engine_group(f->engine, id_of(tcp))->group.preserve_client_ip);
	assert_true(fake_engine_group(f->engine, id_of(tcp))->group.sticky_source_ip);
	assert_false(fake_engine_group(f->engine, id_of(tcp))->group.proxy_header);
	json_decref(call(f, "ModifyTargetGroupAttributes",
			 "{'TargetGroupArn': '%s', 'Attributes': [{'Key': "
			 "'proxy_protocol_v2.enabled', 'Value': 'true'}]}",
			 tcp));
	assert_true(fake_engine_group(f->engine, id_of(tcp))->group.proxy_header);
	assert_false(fake_engine_group(f->engine, id_of(tcp))->group.proxy_first_ack);
	json_decref(call(f, "ModifyTargetGroupAttributes",
			 "{'TargetGroupArn': '%s', 'Attributes': [{'Key': "
			 "'proxy_protocol_v2.client_to_server.header_placement', 'Value': "
			 "'on_first_ack'}]}",
			 tcp));
	assert_true(fake_engine_group(f->engine, id_of(tcp))->group.proxy_first_ack);
	r = call(f, "DescribeTargetGroupAttributes", "{'TargetGroupArn': '%s'}", tcp);
	assert_int_equal(json_array_size(at_path(r, "Attributes")), 17);
	json_decref(r);
	call_fails(f, "ValidationError", "ModifyTargetGroupAttributes",
		   "{'TargetGroupArn': '%s', 'Attributes': [{'Key': 'stickiness.enabled', 'Value': "
		   "'false'}, {'Key': 'x', 'Value': 'y'}]}",
		   tcp);
	assert_true(fake_engine_group(f->engine, id_of(tcp))->group.sticky_source_ip);
	call_fails(f, "ValidationError", "ModifyTargetGroupAttributes", "{'TargetGroupArn': '%s'}",
		   tcp);
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_target_group_is_shown_with_the_defaults_of_the_reference),
		cmocka_unit_test(wrong_parameters_are_refused_as_the_reference_says),
		cmocka_unit_test(limits_themselves_are_accepted),
		cmocka_unit_test(creating_again_is_idempotent_or_refused),
		cmocka_unit_test(only_health_checks_can_be_modified),
		cmocka_unit_test(a_group_in_use_cannot_be_deleted),
		cmocka_unit_test(a_full_engine_refuses_one_more_group),
		cmocka_unit_test(describing_selects_in_one_way_only),
		cmocka_unit_test(attributes_reach_the_engine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
