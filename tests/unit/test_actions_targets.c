/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/actions_fixture.c"
#include "tests/unit/fake_engine.c"

#define REGISTER "{'TargetGroupArn': '%s', 'Targets': [%s]}"
#define REGISTER_WITH "{'TargetGroupArn': '%s', 'Targets': [{'Id': '10.0.1.5'}, %s]}"

struct rig {
	struct fixture *f;
	char lb[ARN_MAX], tg[ARN_MAX], ls[ARN_MAX];
};

/* A load balancer in both zones with a group of TCP on port 80. */
static struct rig rig_new(const char *config)
{
	struct rig rig = {.f = fixture_new(config)};

	new_lb(rig.f, rig.lb, "web");
	new_tg(rig.f, rig.tg, "tasks", "TCP");
	new_listener(rig.f, rig.ls, rig.lb, "TCP", 80, rig.tg);
	return rig;
}

static void set_attribute(struct rig *rig, const char *key, const char *value)
{
	CALL(rig->f, "ModifyTargetGroupAttributes",
	     "{'TargetGroupArn': '%s', 'Attributes': [{'Key': '%s', 'Value': '%s'}]}", rig->tg, key,
	     value);
}

static const struct engine_target *engine_target(struct rig *rig, const char *address)
{
	return fake_engine_target(rig->f->engine, id_of(rig->tg), address, 8080);
}

/* The last event: "10.0.1.5:8080 unused -> healthy". */
static const char *last_event(struct fixture *f, char text[96])
{
	const json_t *event = json_array_get(f->events, json_array_size(f->events) - 1);

	snprintf(text, 96, "%s:%d %s -> %s", text_at(event, "Target.Id"),
		 (int)json_integer_value(at_path(event, "Target.Port")), text_at(event, "Previous"),
		 text_at(event, "State"));
	return text;
}

static void a_target_goes_through_its_life(void **state)
{
	struct rig rig = {.f = fixture_new(two_zones)};
	struct fixture *f = rig.f;
	char h[64], event[96];
	json_t *r;

	(void)state;
	new_lb(f, rig.lb, "web");
	new_tg(f, rig.tg, "tasks", "TCP");
	CALL(f, "RegisterTargets", REGISTER, rig.tg, "{'Id': '10.0.1.5'}");
	assert_string_equal(health(f, rig.tg, "10.0.1.5", h), "unused/Target.NotInUse");
	assert_int_equal(engine_target(&rig, "10.0.1.5")->state, ENGINE_TARGET_IDLE);
	new_listener(f, rig.ls, rig.lb, "TCP", 80, rig.tg);
	assert_string_equal(health(f, rig.tg, "10.0.1.5", h), "healthy");
	assert_int_equal(engine_target(&rig, "10.0.1.5")->state, ENGINE_TARGET_ACTIVE);
	assert_int_equal(engine_target(&rig, "10.0.1.5")->zones, 1);
	r = call(f, "DeregisterTargets", REGISTER, rig.tg, "{'Id': '10.0.1.5', 'Port': 8080}");
	assert_int_equal(json_object_size(r), 0);
	json_decref(r);
	assert_string_equal(health(f, rig.tg, "10.0.1.5", h),
			    "draining/Target.DeregistrationInProgress");
	assert_string_equal(last_event(f, event), "10.0.1.5:8080 healthy -> draining");
	assert_int_equal(engine_target(&rig, "10.0.1.5")->state, ENGINE_TARGET_IDLE);
	CALL(f, "RegisterTargets", REGISTER, rig.tg, "{'Id': '10.0.1.5'}");
	assert_string_equal(health(f, rig.tg, "10.0.1.5", h), "healthy");
	assert_int_equal(model_next_tick_ms(f->model), -1);
	CALL(f, "DeregisterTargets", REGISTER, rig.tg, "{'Id': '10.0.1.5'}");
	assert_in_range(model_next_tick_ms(f->model), 1, 300000);
	model_tick(f->model, model_now_ms() + 290000);
	assert_int_equal(model_commit(f->model), 0);
	assert_non_null(engine_target(&rig, "10.0.1.5"));
	model_tick(f->model, model_now_ms() + 300001);
	assert_int_equal(model_commit(f->model), 0);
	assert_null(engine_target(&rig, "10.0.1.5"));
	assert_int_equal(f->engine->removed_keeping_flows, 1);
	assert_string_equal(last_event(f, event), "10.0.1.5:8080 draining -> unused");
	assert_string_equal(health(f, rig.tg, "10.0.1.5", h), "unused/Target.NotRegistered");
	r = call(f, "DescribeTargetHealth", "{'TargetGroupArn': '%s'}", rig.tg);
	assert_int_equal(json_array_size(at_path(r, "TargetHealthDescriptions")), 0);
	json_decref(r);
	assert_int_equal(model_next_tick_ms(f->model), -1);
	fixture_free(f);
}

static void health_is_described_as_the_api_does(void **state)
{
	struct rig rig = rig_new(two_zones);
	struct fixture *f = rig.f;
	json_t *r;

	(void)state;
	CALL(f, "RegisterTargets", REGISTER, rig.tg,
	     "{'Id': '10.0.2.5', 'Port': 81}, {'Id': '172.16.0.1', 'AvailabilityZone': 'all'}");
	r = call(f, "DescribeTargetHealth", "{'TargetGroupArn': '%s', 'Include': ['All']}", rig.tg);
#define D0 "TargetHealthDescriptions.0."
	assert_string_equal(text_at(r, D0 "Target.Id"), "10.0.2.5");
	assert_int_equal(json_integer_value(at_path(r, D0 "Target.Port")), 81);
	assert_string_equal(text_at(r, D0 "Target.AvailabilityZone"), "rig-1b");
	assert_string_equal(text_at(r, D0 "HealthCheckPort"), "81");
	assert_string_equal(text_at(r, D0 "TargetHealth.State"), "healthy");
	assert_null(at_path(r, D0 "TargetHealth.Reason"));
	assert_null(at_path(r, D0 "TargetHealth.Description"));
	assert_string_equal(text_at(r, D0 "AdministrativeOverride.State"), "no_override");
	assert_string_equal(text_at(r, D0 "AdministrativeOverride.Reason"),
			    "AdministrativeOverride.NoOverride");
	assert_string_equal(text_at(r, D0 "AdministrativeOverride.Description"),
			    "No override is currently active on target");
	assert_string_equal(text_at(r, "TargetHealthDescriptions.1.Target.AvailabilityZone"),
			    "all");
	json_decref(r);
	CALL(f, "ModifyTargetGroup", "{'TargetGroupArn': '%s', 'HealthCheckPort': '9000'}", rig.tg);
	r = call(f, "DescribeTargetHealth", REGISTER, rig.tg, "{'Id': '10.0.1.77'}");
	assert_string_equal(text_at(r, D0 "TargetHealth.State"), "unused");
	assert_string_equal(text_at(r, D0 "TargetHealth.Reason"), "Target.NotRegistered");
	assert_string_equal(text_at(r, D0 "TargetHealth.Description"),
			    "Target is not registered to the target group");
	assert_int_equal(json_integer_value(at_path(r, D0 "Target.Port")), 8080);
	assert_string_equal(text_at(r, D0 "HealthCheckPort"), "9000");
	json_decref(r);
	call_fails(f, "ValidationError", "DescribeTargetHealth", REGISTER, rig.tg,
		   "{'Id': 'i-0123'}");
	fixture_free(f);
}

static void a_registered_target_is_told_to_watchers(void **state)
{
	struct rig rig = rig_new(two_zones);
	const json_t *event;

	(void)state;
	json_array_clear(rig.f->events);
	CALL(rig.f, "RegisterTargets", REGISTER, rig.tg, "{'Id': '10.0.1.5'}");
	assert_int_equal(json_array_size(rig.f->events), 3);
	event = json_array_get(rig.f->events, 0);
	assert_string_equal(text_at(event, "Event"), "TargetStateChanged");
	assert_string_equal(text_at(event, "TargetGroupArn"), rig.tg);
	assert_string_equal(text_at(event, "Target.Id"), "10.0.1.5");
	assert_string_equal(text_at(event, "Previous"), "unused");
	assert_string_equal(text_at(event, "State"), "initial");
	assert_string_equal(text_at(event, "Reason"), "Elb.RegistrationInProgress");
	assert_null(at_path(event, "Probe"));
	event = json_array_get(rig.f->events, 1);
	assert_string_equal(text_at(event, "State"), "initial");
	assert_string_equal(text_at(event, "Reason"), "Elb.InitialHealthChecking");
	event = json_array_get(rig.f->events, 2);
	assert_string_equal(text_at(event, "Previous"), "initial");
	assert_string_equal(text_at(event, "State"), "healthy");
	assert_null(at_path(event, "Reason"));
	assert_string_equal(text_at(event, "Probe.Result"), "ok");
	assert_int_equal(json_integer_value(at_path(event, "Probe.DurationMicroseconds")), 1500);
	fixture_free(rig.f);
}

static void identity_is_address_and_port(void **state)
{
	struct rig rig = rig_new(two_zones);
	struct fixture *f = rig.f;
	unsigned int puts;
	json_t *r;

	(void)state;
	CALL(f, "RegisterTargets", REGISTER, rig.tg,
	     "{'Id': '10.0.1.5'}, {'Id': '10.0.1.5', 'Port': 8080}, {'Id': '10.0.1.5', 'Port': "
	     "8081}");
	r = call(f, "DescribeTargetHealth", "{'TargetGroupArn': '%s'}", rig.tg);
	assert_int_equal(json_array_size(at_path(r, "TargetHealthDescriptions")), 2);
	json_decref(r);
	puts = f->engine->target_puts;
	CALL(f, "RegisterTargets", REGISTER, rig.tg, "{'Id': '10.0.1.5'}");
	assert_int_equal(f->engine->target_puts, puts); /* idempotent: nothing was done */
	CALL(f, "DeregisterTargets", REGISTER, rig.tg, "{'Id': '10.0.1.5'}"); /* the group's port */
	CALL(f, "DeregisterTargets", REGISTER, rig.tg, "{'Id': '10.0.1.9'}"); /* a stranger */
	CALL(f, "DeregisterTargets", REGISTER, rig.tg, "{'Id': '10.0.1.5'}"); /* again */
	r = call(f, "DescribeTargetHealth", "{'TargetGroupArn': '%s'}", rig.tg);
	assert_string_equal(text_at(r, "TargetHealthDescriptions.0.TargetHealth.State"),
			    "draining");
	assert_string_equal(text_at(r, "TargetHealthDescriptions.1.TargetHealth.State"), "healthy");
	json_decref(r);
	fixture_free(f);
}

static const struct {
	const char *target, *code, *message; /* message NULL: any */
} wrong[] = {
	{"{}", "ValidationError", NULL},
	{"{'Id': 5}", "ValidationError", NULL},
	{"'10.0.1.6'", "ValidationError", NULL},
	{"{'Id': 'i-0123456789abcdef0'}", "ValidationError", NULL},
	{"{'Id': '10.0.1'}", "ValidationError",
	 "The IP address '10.0.1' is not a valid IPv4 address"},
	{"{'Id': '10.0.1.6', 'Port': 0}", "ValidationError", NULL},
	{"{'Id': '10.0.1.6', 'Port': 65536}", "ValidationError",
	 "1 validation error detected: Value '65536' at 'targets.2.member.port' failed to "
	 "satisfy constraint: Member must have value less than or equal to 65535"},
	{"{'Id': '10.0.1.6', 'Port': '80'}", "ValidationError", NULL},
	{"{'Id': '10.0.1.6', 'Weight': 3}", "ValidationError", NULL},
	{"{'Id': '10.0.1.6', 'QuicServerId': '0x0123456789abcdef'}", "ValidationError", NULL},
	{"{'Id': 'fd00:1::5'}", "ValidationError",
	 "The IP address 'fd00:1::5' is not a valid IPv4 address, as the IP address type "
	 "'ipv4' of the target group demands"},
	{"{'Id': '::ffff:10.0.1.6'}", "ValidationError", NULL},
	{"{'Id': '127.0.0.1'}", "ValidationError", NULL},
	{"{'Id': '0.0.0.0'}", "ValidationError", NULL},
	{"{'Id': '224.0.0.1'}", "ValidationError", NULL},
	{"{'Id': '255.255.255.255'}", "ValidationError", NULL},
	{"{'Id': '169.254.1.1'}", "ValidationError", NULL},
	{"{'Id': '8.8.8.8', 'AvailabilityZone': 'all'}", "ValidationError", NULL},
	{"{'Id': '11.0.0.1', 'AvailabilityZone': 'all'}", "ValidationError", NULL},
	{"{'Id': '100.128.0.1', 'AvailabilityZone': 'all'}", "ValidationError", NULL},
	{"{'Id': '172.32.0.1', 'AvailabilityZone': 'all'}", "ValidationError", NULL},
	{"{'Id': '10.9.1.0'}", "InvalidTarget",
	 "The IP address '10.9.1.0' cannot be used as a target, as it is in use by a load "
	 "balancer"},
	{"{'Id': '10.9.2.8', 'AvailabilityZone': 'all'}", "InvalidTarget", NULL},
	{"{'Id': '10.0.1.6', 'AvailabilityZone': 'all'}", "ValidationError",
	 "The IP address '10.0.1.6' is within the VPC, and cannot have its Availability "
	 "Zone overridden to 'all' from 'rig-1a'"},
	{"{'Id': '10.0.1.6', 'AvailabilityZone': 'rig-1b'}", "ValidationError", NULL},
	{"{'Id': '10.0.1.6', 'AvailabilityZone': 'mars'}", "ValidationError", NULL},
	{"{'Id': '172.16.0.1'}", "ValidationError",
	 "The Availability Zone is required for IP address '172.16.0.1' because it is not "
	 "in the VPC"},
};

static void wrong_targets_are_refused_and_change_nothing(void **state)
{
	struct rig rig = rig_new(two_zones);
	struct fixture *f = rig.f;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		call_fails(f, wrong[i].code, "RegisterTargets", REGISTER_WITH, rig.tg,
			   wrong[i].target);
		if (wrong[i].message != NULL)
			assert_string_equal(f->error.message, wrong[i].message);
		assert_int_equal(HASH_COUNT(f->engine->targets), 0);
	}
	call_fails(f, "ValidationError", "RegisterTargets", "{'TargetGroupArn': '%s'}", rig.tg);
	call_fails(f, "ValidationError", "RegisterTargets", REGISTER, rig.tg, "");
	call_fails(f, "ValidationError", "RegisterTargets",
		   "{'TargetGroupArn': '%s', 'Targets': {'Id': '10.0.1.5'}}", rig.tg);
	call_fails(f, "ValidationError", "DeregisterTargets", REGISTER, rig.tg,
		   "{'Id': '10.0.1.5'}, {'Id': 'x'}");
	call_fails(f, "ValidationError", "RegisterTargets", "{'Targets': [{'Id': '10.0.1.5'}]}");
	CALL(f, "DeleteListener", "{'ListenerArn': '%s'}", rig.ls);
	CALL(f, "DeleteTargetGroup", "{'TargetGroupArn': '%s'}", rig.tg);
	call_fails(f, "TargetGroupNotFound", "RegisterTargets", REGISTER, rig.tg,
		   "{'Id': '10.0.1.5'}");
	call_fails(f, "TargetGroupNotFound", "DeregisterTargets", REGISTER, rig.tg,
		   "{'Id': '10.0.1.5'}");
	call_fails(f, "TargetGroupNotFound", "DescribeTargetHealth", "{'TargetGroupArn': '%s'}",
		   rig.tg);
	fixture_free(f);
}

static void private_ranges_and_zone_cidrs_are_accepted_to_their_ends(void **state)
{
	struct rig rig = rig_new(two_zones);

	(void)state;
	CALL(rig.f, "RegisterTargets", REGISTER, rig.tg,
	     "{'Id': '10.255.255.255', 'AvailabilityZone': 'rig-1a'},"
	     "{'Id': '100.64.0.0', 'AvailabilityZone': 'all'},"
	     "{'Id': '100.127.255.255', 'AvailabilityZone': 'all'},"
	     "{'Id': '172.31.255.255', 'AvailabilityZone': 'all'},"
	     "{'Id': '192.168.0.1', 'AvailabilityZone': 'rig-1b'},"
	     "{'Id': '10.0.2.255'}, {'Id': '10.0.1.1', 'AvailabilityZone': 'rig-1a'}");
	assert_int_equal(engine_target(&rig, "192.168.0.1")->zones, 2);
	assert_int_equal(engine_target(&rig, "100.64.0.0")->zones, 3);
	fixture_free(rig.f);
}

static void without_cidrs_a_target_is_in_all_zones(void **state)
{
	struct rig rig = rig_new(one_zone);
	json_t *r;

	(void)state;
	CALL(rig.f, "RegisterTargets", REGISTER, rig.tg, "{'Id': '10.0.1.5'}");
	r = call(rig.f, "DescribeTargetHealth", "{'TargetGroupArn': '%s'}", rig.tg);
	assert_string_equal(text_at(r, "TargetHealthDescriptions.0.Target.AvailabilityZone"),
			    "all");
	json_decref(r);
	fixture_free(rig.f);
}

static void an_ipv6_group_takes_ipv6_targets(void **state)
{
	struct fixture *f = fixture_new(two_zones);
	char tg[ARN_MAX];

	(void)state;
	create(f, tg, "TargetGroups.0.TargetGroupArn", "CreateTargetGroup",
	       "{'Name': 'six', 'Protocol': 'TCP', 'Port': 8080, 'IpAddressType': 'ipv6'}");
	CALL(f, "RegisterTargets", REGISTER, tg,
	     "{'Id': 'fd00:1::5'}, {'Id': 'fd77::1', 'AvailabilityZone': 'all'}");
	assert_non_null(fake_engine_target(f->engine, id_of(tg), "fd00:1::5", 8080));
	call_fails(f, "ValidationError", "RegisterTargets", REGISTER, tg, "{'Id': '10.0.1.5'}");
	call_fails(f, "ValidationError", "RegisterTargets", REGISTER, tg,
		   "{'Id': 'fe80::1', 'AvailabilityZone': 'all'}");
	call_fails(f, "ValidationError", "RegisterTargets", REGISTER, tg,
		   "{'Id': '::1', 'AvailabilityZone': 'all'}");
	call_fails(f, "ValidationError", "RegisterTargets", REGISTER, tg,
		   "{'Id': '2001:4860:4860::8888', 'AvailabilityZone': 'all'}");
	call_fails(f, "ValidationError", "RegisterTargets", REGISTER, tg, "{'Id': 'fd77::2'}");
	fixture_free(f);
}

static void delay_0_and_unused_groups_let_targets_go_at_once(void **state)
{
	struct rig rig = rig_new(two_zones);
	struct fixture *f = rig.f;
	char h[64];

	(void)state;
	CALL(f, "RegisterTargets", REGISTER, rig.tg,
	     "{'Id': '10.0.1.5'}, {'Id': '10.0.1.6'}, {'Id': '10.0.1.7'}");
	set_attribute(&rig, "deregistration_delay.timeout_seconds", "0");
	set_attribute(&rig, "deregistration_delay.connection_termination.enabled", "true");
	CALL(f, "DeregisterTargets", REGISTER, rig.tg, "{'Id': '10.0.1.5'}");
	assert_string_equal(health(f, rig.tg, "10.0.1.5", h), "unused/Target.NotRegistered");
	assert_int_equal(f->engine->removed_ending_flows, 1);
	set_attribute(&rig, "deregistration_delay.timeout_seconds", "3600");
	CALL(f, "DeregisterTargets", REGISTER, rig.tg, "{'Id': '10.0.1.6'}");
	CALL(f, "DeleteListener", "{'ListenerArn': '%s'}", rig.ls);
	/* one that was draining goes on; one that deregisters now has nothing to drain */
	assert_string_equal(health(f, rig.tg, "10.0.1.6", h),
			    "draining/Target.DeregistrationInProgress");
	CALL(f, "DeregisterTargets", REGISTER, rig.tg, "{'Id': '10.0.1.7'}");
	assert_string_equal(health(f, rig.tg, "10.0.1.7", h), "unused/Target.NotRegistered");
	CALL(f, "DeleteTargetGroup", "{'TargetGroupArn': '%s'}", rig.tg);
	assert_int_equal(model_next_tick_ms(f->model), -1);
	fixture_free(f);
}

/* REGISTER parameters of targets 10.X.0.0 and up. */
static json_t *many(const char *tg, unsigned int base, unsigned int n)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < n; i++) {
		char id[32];

		snprintf(id, sizeof(id), "10.%u.%u.%u", base, i / 250, i % 250 + 1);
		json_array_append_new(
			list, json_pack("{s:s, s:s}", "Id", id, "AvailabilityZone", "rig-1a"));
	}
	return json_pack("{s:s, s:o}", "TargetGroupArn", tg, "Targets", list);
}

static const char *run(struct fixture *f, const char *action, json_t *params)
{
	json_t *result = try_call(f, action, params);

	json_decref(params);
	json_decref(result);
	assert_int_equal(model_commit(f->model), 0);
	return result != NULL ? "ok" : f->error.code;
}

static void a_group_holds_1000_targets(void **state)
{
	struct rig rig = rig_new(two_zones);
	struct fixture *f = rig.f;

	(void)state;
	assert_string_equal(run(f, "RegisterTargets", many(rig.tg, 60, 1001)), "TooManyTargets");
	assert_int_equal(HASH_COUNT(f->engine->targets), 0);
	assert_string_equal(run(f, "RegisterTargets", many(rig.tg, 60, 1000)), "ok");
	assert_int_equal(HASH_COUNT(f->engine->targets), 1000);
	assert_string_equal(run(f, "RegisterTargets", many(rig.tg, 60, 1000)), "ok");
	assert_string_equal(run(f, "RegisterTargets", many(rig.tg, 61, 1)), "TooManyTargets");
	/* draining ones do not count, and come back when there is room */
	assert_string_equal(run(f, "DeregisterTargets", many(rig.tg, 60, 1)), "ok");
	assert_string_equal(run(f, "RegisterTargets", many(rig.tg, 61, 1)), "ok");
	assert_string_equal(run(f, "RegisterTargets", many(rig.tg, 60, 1)), "TooManyTargets");
	assert_string_equal(run(f, "DeregisterTargets", many(rig.tg, 60, 1000)), "ok");
	assert_string_equal(run(f, "RegisterTargets", many(rig.tg, 60, 999)), "ok");
	fixture_free(f);
}

static void a_load_balancer_bounds_its_targets(void **state)
{
	struct rig rig = rig_new(two_zones);
	struct fixture *f = rig.f;
	char tg[4][ARN_MAX], ls[ARN_MAX], name[16];

	(void)state;
	for (int i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), "t%d", i);
		new_tg(f, tg[i], name, "TCP");
	}
	for (int i = 0; i < 2; i++) {
		assert_string_equal(run(f, "RegisterTargets", many(tg[i], 60, 1000)), "ok");
		new_listener(f, ls, rig.lb, "TCP", i + 1, tg[i]);
	}
	assert_string_equal(run(f, "RegisterTargets", many(rig.tg, 60, 500)), "ok");
	assert_string_equal(run(f, "RegisterTargets", many(tg[2], 60, 501)), "ok");
	call_fails(f, "TooManyTargets", "CreateListener",
		   "{'LoadBalancerArn': '%s', 'Protocol': 'TCP', 'Port': 3, 'DefaultActions': "
		   "[{'Type': 'forward', 'TargetGroupArn': '%s'}]}",
		   rig.lb, tg[2]);
	assert_int_equal(fake_engine_group(f->engine, id_of(tg[2]))->group.zones, 0);
	/* in place of a group of 1,000 it fits */
	CALL(f, "ModifyListener",
	     "{'ListenerArn': '%s', 'DefaultActions': [{'Type': 'forward', 'TargetGroupArn': "
	     "'%s'}]}",
	     ls, tg[2]);
	CALL(f, "ModifyListener",
	     "{'ListenerArn': '%s', 'DefaultActions': [{'Type': 'forward', 'TargetGroupArn': "
	     "'%s'}]}",
	     ls, tg[1]);
	assert_string_equal(run(f, "DeregisterTargets", many(tg[2], 60, 1)), "ok");
	new_listener(f, ls, rig.lb, "TCP", 3, tg[2]);
	assert_string_equal(run(f, "RegisterTargets", many(rig.tg, 61, 1)), "TooManyTargets");
	assert_string_equal(run(f, "DeregisterTargets", many(rig.tg, 60, 1)), "ok");
	assert_string_equal(run(f, "RegisterTargets", many(rig.tg, 61, 1)), "ok");
	fixture_free(f);
}

static void the_engines_room_bounds_all_groups_together(void **state)
{
	struct rig rig = rig_new(two_zones);
	struct fixture *f = rig.f;

	(void)state;
	f->engine->max_targets = 3;
	assert_string_equal(run(f, "RegisterTargets", many(rig.tg, 60, 4)), "TooManyTargets");
	assert_string_equal(run(f, "RegisterTargets", many(rig.tg, 60, 3)), "ok");
	assert_string_equal(run(f, "DeregisterTargets", many(rig.tg, 60, 1)), "ok");
	assert_string_equal(run(f, "RegisterTargets", many(rig.tg, 61, 1)), "TooManyTargets");
	assert_string_equal(run(f, "RegisterTargets", many(rig.tg, 60, 1)), "ok"); /* taken back */
	fixture_free(f);
}

static void a_target_whose_address_becomes_a_vip_is_unusable(void **state)
{
	struct rig rig = rig_new(two_zones);
	struct fixture *f = rig.f;
	char h[64], lb[ARN_MAX];

	(void)state;
	CALL(f, "RegisterTargets", REGISTER, rig.tg,
	     "{'Id': '10.9.1.1', 'AvailabilityZone': 'all'}");
	assert_string_equal(health(f, rig.tg, "10.9.1.1", h), "healthy");
	new_lb(f, lb, "second"); /* takes the pool's next address */
	assert_string_equal(health(f, rig.tg, "10.9.1.1", h), "unused/Target.IpUnusable");
	assert_int_equal(engine_target(&rig, "10.9.1.1")->state, ENGINE_TARGET_IDLE);
	CALL(f, "DeleteLoadBalancer", "{'LoadBalancerArn': '%s'}", lb);
	assert_string_equal(health(f, rig.tg, "10.9.1.1", h), "healthy");
	assert_int_equal(engine_target(&rig, "10.9.1.1")->state, ENGINE_TARGET_ACTIVE);
	fixture_free(f);
}

static void drains_end_in_order_of_their_ends(void **state)
{
	struct rig rig = rig_new(two_zones);
	struct fixture *f = rig.f;
	int64_t now = model_now_ms();

	(void)state;
	CALL(f, "RegisterTargets", REGISTER, rig.tg, "{'Id': '10.0.1.5'}, {'Id': '10.0.1.6'}");
	set_attribute(&rig, "deregistration_delay.timeout_seconds", "1000");
	CALL(f, "DeregisterTargets", REGISTER, rig.tg, "{'Id': '10.0.1.5'}");
	set_attribute(&rig, "deregistration_delay.timeout_seconds", "10");
	CALL(f, "DeregisterTargets", REGISTER, rig.tg, "{'Id': '10.0.1.6'}");
	assert_in_range(model_next_tick_ms(f->model), 1, 10000);
	model_tick(f->model, now + 500000);
	assert_int_equal(model_commit(f->model), 0);
	assert_non_null(engine_target(&rig, "10.0.1.5"));
	assert_null(engine_target(&rig, "10.0.1.6"));
	assert_in_range(model_next_tick_ms(f->model), 900000, 1000000);
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_target_goes_through_its_life),
		cmocka_unit_test(health_is_described_as_the_api_does),
		cmocka_unit_test(a_registered_target_is_told_to_watchers),
		cmocka_unit_test(identity_is_address_and_port),
		cmocka_unit_test(wrong_targets_are_refused_and_change_nothing),
		cmocka_unit_test(private_ranges_and_zone_cidrs_are_accepted_to_their_ends),
		cmocka_unit_test(without_cidrs_a_target_is_in_all_zones),
		cmocka_unit_test(an_ipv6_group_takes_ipv6_targets),
		cmocka_unit_test(delay_0_and_unused_groups_let_targets_go_at_once),
		cmocka_unit_test(a_group_holds_1000_targets),
		cmocka_unit_test(a_load_balancer_bounds_its_targets),
		cmocka_unit_test(the_engines_room_bounds_all_groups_together),
		cmocka_unit_test(a_target_whose_address_becomes_a_vip_is_unusable),
		cmocka_unit_test(drains_end_in_order_of_their_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
