/* SPDX-License-Identifier: BSD-3-Clause */
/* Health as the API, the engine, the prober and Watch clients see it. */
#include "tests/unit/actions_fixture.c"
#include "tests/unit/fake_engine.c"

#define TARGETS "{'TargetGroupArn': '%s', 'Targets': [%s]}"
#define ONE "10.0.1.5"
#define TWO "10.0.1.6"
#define OTHER_ZONE "10.0.2.5"
#define THREE_TARGETS "{'Id': '" ONE "'}, {'Id': '" TWO "'}, {'Id': '" OTHER_ZONE "'}"

struct rig {
	struct fixture *f;
	char lb[ARN_MAX], tg[ARN_MAX], ls[ARN_MAX];
};

static struct rig rig_of(const char *config, const char *protocol)
{
	struct rig rig = {.f = fixture_new(config)};

	new_lb(rig.f, rig.lb, "web");
	new_tg(rig.f, rig.tg, "tasks", protocol);
	new_listener(rig.f, rig.ls, rig.lb, protocol, 80, rig.tg);
	return rig;
}

static struct rig rig_new(void)
{
	return rig_of(two_zones, "TCP");
}

static void set_attribute(struct rig *rig, const char *key, const char *value)
{
	CALL(rig->f, "ModifyTargetGroupAttributes",
	     "{'TargetGroupArn': '%s', 'Attributes': [{'Key': '%s', 'Value': '%s'}]}", rig->tg, key,
	     value);
}

static void register_targets(struct rig *rig, const char *targets)
{
	CALL(rig->f, "RegisterTargets", TARGETS, rig->tg, targets);
}

static const struct engine_target *engine_of(struct rig *rig, const char *address)
{
	return fake_engine_target(rig->f->engine, id_of(rig->tg), address, 8080);
}

/* In which zones, as a mask. */
static unsigned int fails_open_in(struct rig *rig)
{
	return fake_engine_group(rig->f->engine, id_of(rig->tg))->group.fail_open;
}

static const json_t *last_event(struct fixture *f)
{
	return json_array_get(f->events, json_array_size(f->events) - 1);
}

/* The target fails as often as it takes. */
static void fall_ill(struct rig *rig, const char *address)
{
	probe(rig->f, address, 8080, PROBE_TIMEOUT, 2);
}

static void tick(struct fixture *f, int64_t now_ms)
{
	model_tick(f->model, now_ms);
	commit(f);
}

/* --- the life of a target ------------------------------------------------------------- */

static void a_new_target_is_initial_until_its_first_success(void **state)
{
	struct rig rig = rig_new();
	struct fixture *f = rig.f;
	char h[64];

	(void)state;
	f->probe_result = -1;
	register_targets(&rig, "{'Id': '" ONE "'}");
	assert_string_equal(health(f, rig.tg, ONE, h), "initial/Elb.InitialHealthChecking");
	probe(f, ONE, 8080, PROBE_REFUSED, 1);
	assert_string_equal(health(f, rig.tg, ONE, h), "initial/Elb.InitialHealthChecking");
	probe(f, ONE, 8080, PROBE_OK, 1);
	assert_string_equal(health(f, rig.tg, ONE, h), "healthy");
	assert_int_equal(engine_of(&rig, ONE)->state, ENGINE_TARGET_ACTIVE);
	fixture_free(f);
}

static void without_a_prober_targets_wait_in_registration(void **state)
{
	struct rig rig = rig_new();
	struct fixture *f = rig.f;
	json_t *params =
		json_pack("{s:s, s:[{s:s}]}", "TargetGroupArn", rig.tg, "Targets", "Id", ONE);
	json_t *result = try_call(f, "RegisterTargets", params);
	char h[64];

	(void)state;
	assert_non_null(result);
	assert_int_equal(model_commit(f->model), 0); /* and nobody asks for messages */
	json_decref(result);
	result = try_call(f, "DescribeTargetHealth", params);
	assert_string_equal(text_at(result, "TargetHealthDescriptions.0.TargetHealth.Reason"),
			    "Elb.RegistrationInProgress");
	json_decref(result);
	json_decref(params);
	assert_string_equal(health(f, rig.tg, ONE, h), "initial/Elb.RegistrationInProgress");
	assert_string_equal(health(f, rig.tg, ONE, h), "healthy"); /* the fixture's prober ran */
	fixture_free(f);
}

static void a_failing_target_tells_why(void **state)
{
	struct rig rig = rig_new();
	struct fixture *f = rig.f;
	const json_t *event;
	char h[64];
	size_t n;

	(void)state;
	register_targets(&rig, "{'Id': '" ONE "'}, {'Id': '" TWO "'}");
	n = json_array_size(f->events);
	probe(f, ONE, 8080, PROBE_STATUS, 1);
	assert_int_equal(json_array_size(f->events), n);
	probe(f, ONE, 8080, PROBE_STATUS, 1);
	assert_int_equal(json_array_size(f->events), n + 1);
	event = last_event(f);
	assert_string_equal(text_at(event, "Previous"), "healthy");
	assert_string_equal(text_at(event, "State"), "unhealthy");
	assert_string_equal(text_at(event, "Reason"), "Target.FailedHealthChecks");
	assert_string_equal(text_at(event, "Description"), "Health checks failed");
	assert_string_equal(text_at(event, "Probe.Result"), "status");
	assert_int_equal(json_integer_value(at_path(event, "Probe.HttpCode")), 503);
	assert_int_equal(json_integer_value(at_path(event, "Probe.DurationMicroseconds")), 1500);
	assert_string_equal(health(f, rig.tg, ONE, h), "unhealthy/Target.FailedHealthChecks");
	probe(f, ONE, 8080, PROBE_OK, 4);
	assert_string_equal(health(f, rig.tg, ONE, h), "unhealthy/Target.FailedHealthChecks");
	probe(f, ONE, 8080, PROBE_OK, 1);
	assert_string_equal(health(f, rig.tg, ONE, h), "healthy");
	fixture_free(f);
}

static void the_last_probe_is_shown_to_those_who_ask(void **state)
{
	struct rig rig = rig_new();
	struct fixture *f = rig.f;
	json_t *r;

	(void)state;
	register_targets(&rig, "{'Id': '" ONE "'}");
	probe(f, ONE, 8080, PROBE_REFUSED, 1);
	r = call(f, "DescribeTargetHealth", "{'TargetGroupArn': '%s'}", rig.tg);
	assert_null(at_path(r, "TargetHealthDescriptions.0.LastProbe"));
	json_decref(r);
	r = call(f, "DescribeTargetHealth", "{'TargetGroupArn': '%s', 'Include': ['LastProbe']}",
		 rig.tg);
	assert_string_equal(text_at(r, "TargetHealthDescriptions.0.LastProbe.Result"), "refused");
	json_decref(r);
	call_fails(f, "ValidationError", "DescribeTargetHealth",
		   "{'TargetGroupArn': '%s', 'Include': ['Everything']}", rig.tg);
	fixture_free(f);
}

static void our_own_fault_makes_nobody_unhealthy(void **state)
{
	struct rig rig = rig_new();
	char h[64];

	(void)state;
	register_targets(&rig, "{'Id': '" ONE "'}");
	for (int result = 0; result < PROBE_RESULT_COUNT; result++) {
		if (messages_verdict((uint32_t)result) == PROBE_OWN_FAULT)
			probe(rig.f, ONE, 8080, (enum probe_result)result, 20);
	}
	assert_string_equal(health(rig.f, rig.tg, ONE, h), "healthy");
	probe(rig.f, ONE, 8080, PROBE_REFUSED, 1);
	probe(rig.f, ONE, 8080, PROBE_NO_PORT, 5); /* nor does it make failures be not in a row */
	probe(rig.f, ONE, 8080, PROBE_REFUSED, 1);
	assert_string_equal(health(rig.f, rig.tg, ONE, h), "unhealthy/Target.FailedHealthChecks");
	fixture_free(rig.f);
}

static void hosts_are_counted_by_their_health(void **state)
{
	struct rig rig = rig_new();
	struct fixture *f = rig.f;
	json_t *r;

	(void)state;
	register_targets(&rig, THREE_TARGETS);
	fall_ill(&rig, ONE);
	f->probe_result = -1;
	register_targets(&rig, "{'Id': '10.0.1.7'}");
	CALL(f, "DeregisterTargets", TARGETS, rig.tg, "{'Id': '" TWO "'}");
	r = call(f, "DescribeMetrics", "{'TargetGroupArn': '%s'}", rig.tg);
	assert_int_equal(json_integer_value(at_path(r, "Metrics.0.Values.HealthyHostCount")), 1);
	assert_int_equal(json_integer_value(at_path(r, "Metrics.0.Values.UnHealthyHostCount")), 1);
	json_decref(r);
	fixture_free(f);
}

/* --- flows of an unhealthy target -------------------------------------------------------- */

static void flows_of_an_unhealthy_target_end_or_not_as_the_group_says(void **state)
{
	struct rig rig = rig_new();
	struct fixture *f = rig.f;
	int64_t now = model_now_ms();
	char h[64];

	(void)state;
	register_targets(&rig, "{'Id': '" ONE "'}, {'Id': '" TWO "'}");
	fall_ill(&rig, ONE);
	assert_int_equal(engine_of(&rig, ONE)->state, ENGINE_TARGET_ENDING);
	probe(f, ONE, 8080, PROBE_OK, 5);
	assert_int_equal(engine_of(&rig, ONE)->state, ENGINE_TARGET_ACTIVE);
	set_attribute(&rig, "target_health_state.unhealthy.connection_termination.enabled",
		      "false");
	fall_ill(&rig, ONE);
	assert_int_equal(engine_of(&rig, ONE)->state, ENGINE_TARGET_UNHEALTHY);
	/* a change of the group holds at once, for those that are unhealthy already, too */
	set_attribute(&rig, "target_health_state.unhealthy.draining_interval_seconds", "100");
	assert_string_equal(health(f, rig.tg, ONE, h),
			    "unhealthy.draining/Target.FailedHealthChecks");
	assert_int_equal(engine_of(&rig, ONE)->state, ENGINE_TARGET_IDLE);
	assert_in_range(model_next_tick_ms(f->model), 0, 100000);
	tick(f, now + 50000);
	assert_int_equal(engine_of(&rig, ONE)->state, ENGINE_TARGET_IDLE);
	tick(f, now + 101000);
	assert_int_equal(engine_of(&rig, ONE)->state, ENGINE_TARGET_ENDING);
	assert_string_equal(text_at(last_event(f), "Previous"), "unhealthy.draining");
	assert_string_equal(text_at(last_event(f), "State"), "unhealthy");
	fixture_free(f);
}

static void udp_flows_of_an_unhealthy_target_move(void **state)
{
	struct rig rig = rig_of(two_zones, "UDP");

	(void)state;
	register_targets(&rig, "{'Id': '" ONE "'}, {'Id': '" TWO "'}");
	fall_ill(&rig, ONE);
	assert_int_equal(engine_of(&rig, ONE)->state, ENGINE_TARGET_UNHEALTHY);
	fixture_free(rig.f);
}

/* --- failing open ----------------------------------------------------------------------- */

static void a_group_without_a_healthy_target_fails_open(void **state)
{
	struct rig rig = rig_new();
	struct fixture *f = rig.f;

	(void)state;
	f->probe_result = -1;
	register_targets(&rig, "{'Id': '" ONE "'}, {'Id': '" TWO "'}");
	assert_int_equal(fails_open_in(&rig), 3); /* nobody was found healthy yet */
	assert_int_equal(engine_of(&rig, ONE)->state, ENGINE_TARGET_ACTIVE);
	probe(f, ONE, 8080, PROBE_OK, 1);
	assert_int_equal(engine_of(&rig, ONE)->state, ENGINE_TARGET_ACTIVE);
	assert_int_equal(engine_of(&rig, TWO)->state, ENGINE_TARGET_IDLE);
	probe(f, TWO, 8080, PROBE_OK, 1);
	fall_ill(&rig, TWO);
	assert_int_equal(engine_of(&rig, TWO)->state, ENGINE_TARGET_ENDING);
	fall_ill(&rig, ONE); /* the last one: nobody's flows end */
	assert_int_equal(engine_of(&rig, ONE)->state, ENGINE_TARGET_ACTIVE);
	assert_int_equal(engine_of(&rig, TWO)->state, ENGINE_TARGET_ACTIVE);
	CALL(f, "DeregisterTargets", TARGETS, rig.tg, "{'Id': '" TWO "'}");
	assert_int_equal(engine_of(&rig, TWO)->state, ENGINE_TARGET_IDLE); /* not even then */
	probe(f, ONE, 8080, PROBE_OK, 5);
	assert_int_equal(engine_of(&rig, ONE)->state, ENGINE_TARGET_ACTIVE);
	fixture_free(f);
}

static void a_zone_fails_open_by_itself(void **state)
{
	struct rig rig = rig_new();
	struct fixture *f = rig.f;

	(void)state;
	register_targets(&rig, THREE_TARGETS ", {'Id': '172.16.0.1', 'AvailabilityZone': 'all'}");
	assert_int_equal(fails_open_in(&rig), 0);
	fall_ill(&rig, "172.16.0.1");
	fall_ill(&rig, OTHER_ZONE); /* nobody is healthy in its zone */
	assert_int_equal(fails_open_in(&rig), 2);
	assert_int_equal(engine_of(&rig, OTHER_ZONE)->state, ENGINE_TARGET_ACTIVE);
	assert_int_equal(engine_of(&rig, OTHER_ZONE)->zones, 2);
	assert_int_equal(engine_of(&rig, "172.16.0.1")->state, ENGINE_TARGET_ACTIVE);
	assert_int_equal(engine_of(&rig, "172.16.0.1")->zones,
			 2); /* the other zone can do without */
	set_attribute(&rig, "load_balancing.cross_zone.enabled", "true");
	assert_int_equal(fails_open_in(&rig), 0);
	assert_int_equal(engine_of(&rig, OTHER_ZONE)->state, ENGINE_TARGET_ENDING);
	assert_int_equal(engine_of(&rig, ONE)->zones, 3);
	fixture_free(f);
}

static void the_group_s_thresholds_decide_when_it_fails_open(void **state)
{
	static const char *const count =
		"target_group_health.unhealthy_state_routing.minimum_healthy_targets.count";
	static const char *const percentage =
		"target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage";
	struct rig rig = rig_new();

	(void)state;
	set_attribute(&rig, "load_balancing.cross_zone.enabled", "true");
	set_attribute(&rig, "target_group_health.dns_failover.minimum_healthy_targets.count", "3");
	register_targets(&rig, THREE_TARGETS);
	set_attribute(&rig, count, "3");
	assert_int_equal(fails_open_in(&rig), 0);
	fall_ill(&rig, ONE);
	assert_int_equal(fails_open_in(&rig), 3);
	assert_int_equal(engine_of(&rig, ONE)->state, ENGINE_TARGET_ACTIVE);
	set_attribute(&rig, count, "2");
	assert_int_equal(fails_open_in(&rig), 0);
	assert_int_equal(engine_of(&rig, ONE)->state, ENGINE_TARGET_ENDING);
	set_attribute(&rig, percentage, "67"); /* 2 of 3 are 66.7 */
	assert_int_equal(fails_open_in(&rig), 3);
	set_attribute(&rig, percentage, "66");
	assert_int_equal(fails_open_in(&rig), 0);
	fixture_free(rig.f);
}

/* --- what the prober is told -------------------------------------------------------------- */

static void a_probe_is_what_the_group_says(void **state)
{
	struct rig rig = {.f = fixture_new(two_zones)};
	const struct probe_put *put;
	char vip[ADDRESS_TEXT_MAX], host[64];
	json_t *r;

	(void)state;
	new_lb(rig.f, rig.lb, "web");
	create(rig.f, rig.tg, "TargetGroups.0.TargetGroupArn", "CreateTargetGroup",
	       "{'Name': 'tasks', 'Protocol': 'TCP', 'Port': 8080, 'HealthCheckProtocol': 'HTTPS', "
	       "'HealthCheckPort': '9000', 'HealthCheckPath': '/up?x=1', 'Matcher': {'HttpCode': "
	       "'200,204-206,301'}, 'HealthCheckIntervalSeconds': 7, 'HealthCheckTimeoutSeconds': "
	       "3}");
	new_listener(rig.f, rig.ls, rig.lb, "TCP", 443, rig.tg);
	new_listener(rig.f, rig.ls, rig.lb, "TCP", 80, rig.tg);
	register_targets(&rig, "{'Id': '" OTHER_ZONE "', 'Port': 81}");
	put = probed(rig.f, OTHER_ZONE, 9000);
	assert_non_null(put);
	assert_int_equal(put->protocol, PROBE_HTTPS);
	assert_int_equal(put->interval_ms, 7000);
	assert_int_equal(put->timeout_ms, 3000);
	assert_string_equal(put->path, "/up?x=1");
	assert_int_equal(put->n_ranges, 3);
	assert_int_equal(put->ranges[1].first, 204);
	assert_int_equal(put->ranges[1].last, 206);
	assert_int_equal(put->ranges[2].last, 301);
	assert_int_equal(put->proxy_v2, 0);
	assert_string_equal(address_format(&put->source, vip), "10.9.2.8"); /* of its own zone */
	assert_int_equal(put->source_port_min, 61440);
	assert_int_equal(put->source_port_max, 65535);
	r = call(rig.f, "DescribeLoadBalancers", "{}");
	snprintf(host, sizeof(host), "%s:80",
		 text_at(r, "LoadBalancers.0.AvailabilityZones.1.LoadBalancerAddresses.0."
			    "PrivateIPv4Address"));
	json_decref(r);
	if (strstr(host, "(none)") == NULL)
		assert_string_equal(put->host, host);
	assert_string_equal(put->host, "10.9.2.0:80");
	fixture_free(rig.f);
}

static void an_ipv6_target_is_probed_from_an_ipv6_address(void **state)
{
	struct rig rig = {.f = fixture_new(two_zones)};
	const struct probe_put *put;
	char text[ADDRESS_TEXT_MAX];

	(void)state;
	create(rig.f, rig.lb, "LoadBalancers.0.LoadBalancerArn", "CreateLoadBalancer",
	       "{'Name': 'web', 'IpAddressType': 'dualstack'}");
	create(rig.f, rig.tg, "TargetGroups.0.TargetGroupArn", "CreateTargetGroup",
	       "{'Name': 'six', 'Protocol': 'TCP', 'Port': 8080, 'IpAddressType': 'ipv6', "
	       "'HealthCheckProtocol': 'HTTP'}");
	new_listener(rig.f, rig.ls, rig.lb, "TCP", 80, rig.tg);
	register_targets(&rig, "{'Id': 'fd00:1::5'}, {'Id': 'fd00:2::5'}");
	put = probed(rig.f, "fd00:1::5", 8080);
	assert_non_null(put);
	assert_string_equal(put->host, "[fd09:1::]:80");
	assert_string_equal(address_format(&put->source, text), "fd09:3::1");
	put = probed(rig.f, "fd00:2::5", 8080);
	assert_non_null(put); /* its zone has no such address: the kernel chooses */
	assert_true(IN6_IS_ADDR_UNSPECIFIED(&put->source));
	fixture_free(rig.f);
}

static void the_prober_is_told_only_what_changed(void **state)
{
	struct rig rig = rig_new();
	struct fixture *f = rig.f;
	struct probe_put old;
	unsigned int puts;
	char h[64];

	(void)state;
	register_targets(&rig, THREE_TARGETS);
	assert_int_equal(f->puts, 3);
	set_attribute(&rig, "stickiness.enabled", "true");
	CALL(f, "ModifyTargetGroup", "{'TargetGroupArn': '%s', 'UnhealthyThresholdCount': 3}",
	     rig.tg);
	fall_ill(&rig, ONE);
	assert_int_equal(f->puts, 3);
	old = *probed(f, ONE, 8080);
	CALL(f, "ModifyTargetGroup",
	     "{'TargetGroupArn': '%s', 'HealthCheckIntervalSeconds': 15, "
	     "'UnhealthyThresholdCount': "
	     "2}",
	     rig.tg);
	assert_int_equal(f->puts, 6);
	assert_int_equal(probed(f, ONE, 8080)->interval_ms, 15000);
	puts = f->puts;
	for (int i = 0; i < 10; i++) /* of the check as it was: they count no more */
		report(f, &old, PROBE_OK);
	commit(f);
	assert_string_equal(health(f, rig.tg, ONE, h), "unhealthy/Target.FailedHealthChecks");
	assert_int_equal(f->puts, puts);
	assert_int_equal(f->removals, 0);
	fixture_free(f);
}

static void who_is_not_in_use_is_not_probed(void **state)
{
	struct rig rig = rig_new();
	struct fixture *f = rig.f;
	char h[64];

	(void)state;
	register_targets(&rig, THREE_TARGETS);
	CALL(f, "DeregisterTargets", TARGETS, rig.tg, "{'Id': '" ONE "'}");
	assert_null(probed(f, ONE, 8080));
	register_targets(&rig, "{'Id': '" ONE "'}"); /* taken back: a probe at once */
	assert_non_null(probed(f, ONE, 8080));
	assert_string_equal(health(f, rig.tg, ONE, h), "healthy");
	CALL(f, "DeleteListener", "{'ListenerArn': '%s'}", rig.ls);
	assert_int_equal(HASH_COUNT(f->checks), 0);
	f->probe_result = -1;
	new_listener(f, rig.ls, rig.lb, "TCP", 80, rig.tg);
	assert_int_equal(HASH_COUNT(f->checks), 3);
	assert_string_equal(health(f, rig.tg, ONE, h), "initial/Elb.InitialHealthChecking");
	CALL(f, "DeleteListener", "{'ListenerArn': '%s'}", rig.ls);
	CALL(f, "DeleteTargetGroup", "{'TargetGroupArn': '%s'}", rig.tg);
	assert_int_equal(HASH_COUNT(f->checks), 0);
	fixture_free(f);
}

static void taken_back_and_asked_for_again_in_one_turn_is_probed_at_once(void **state)
{
	struct rig rig = rig_new();
	struct fixture *f = rig.f;
	json_t *params, *result;
	unsigned int puts;
	char h[64];

	(void)state;
	register_targets(&rig, "{'Id': '" ONE "'}");
	puts = f->puts;
	params = json_pack("{s:s, s:[{s:s}]}", "TargetGroupArn", rig.tg, "Targets", "Id", ONE);
	result = try_call(f, "DeregisterTargets", params);
	assert_non_null(result);
	json_decref(result);
	result = try_call(f, "RegisterTargets", params);
	assert_non_null(result);
	json_decref(result);
	json_decref(params);
	commit(f);
	assert_int_equal(f->puts, puts + 1);
	assert_string_equal(health(f, rig.tg, ONE, h), "healthy");
	fixture_free(f);
}

static void a_new_prober_is_told_everything_and_nobody_flaps(void **state)
{
	struct rig rig = rig_new();
	struct fixture *f = rig.f;
	size_t events;
	char h[64];

	(void)state;
	register_targets(&rig, THREE_TARGETS);
	fall_ill(&rig, ONE);
	CALL(f, "DeregisterTargets", TARGETS, rig.tg, "{'Id': '" TWO "'}");
	events = json_array_size(f->events);
	f->probe_result = -1;
	prober_restarts(f);
	commit(f);
	assert_int_equal(HASH_COUNT(f->checks), 2);
	assert_int_equal(json_array_size(f->events), events);
	assert_string_equal(health(f, rig.tg, ONE, h), "unhealthy/Target.FailedHealthChecks");
	assert_string_equal(health(f, rig.tg, OTHER_ZONE, h), "healthy");
	probe(f, ONE, 8080, PROBE_OK, 5);
	assert_string_equal(health(f, rig.tg, ONE, h), "healthy");
	fixture_free(f);
}

/* --- restarts and failures ------------------------------------------------------------------ */

static void restart(struct fixture *f)
{
	model_close(f->model);
	store_close(f->store);
	prober_forgets(f);
	open_store(f);
	assert_int_equal(open_model(f), 0);
}

static void verdicts_survive_a_restart(void **state)
{
	struct rig rig = rig_new();
	struct fixture *f = rig.f;
	size_t events;
	char h[64];

	(void)state;
	register_targets(&rig, THREE_TARGETS);
	fall_ill(&rig, ONE);
	events = json_array_size(f->events);
	f->probe_result = -1;
	restart(f);
	commit(f);
	assert_string_equal(health(f, rig.tg, ONE, h), "unhealthy/Target.FailedHealthChecks");
	assert_string_equal(health(f, rig.tg, TWO, h), "healthy");
	assert_int_equal(engine_of(&rig, ONE)->state, ENGINE_TARGET_ENDING);
	assert_int_equal(engine_of(&rig, TWO)->state, ENGINE_TARGET_ACTIVE);
	assert_int_equal(json_array_size(f->events), events);
	assert_int_equal(HASH_COUNT(f->checks), 3);
	probe(f, TWO, 8080, PROBE_TIMEOUT, 1);
	assert_string_equal(health(f, rig.tg, TWO, h), "healthy");
	fixture_free(f);
}

static void verdicts_reach_the_disk_without_an_action(void **state)
{
	struct rig rig = rig_new();
	struct fixture *f = rig.f;
	struct model *killed;
	struct store *killed_store;
	char h[64];

	(void)state;
	register_targets(&rig, THREE_TARGETS);
	fall_ill(&rig, ONE);
	assert_in_range(model_next_tick_ms(f->model), 0, 1000);
	tick(f, model_now_ms() + 1000);
	assert_int_equal(model_next_tick_ms(f->model), -1);
	killed = f->model; /* as by kill -9: nothing is saved on the way out */
	killed_store = f->store;
	killed->save_at_ms = 0;
	model_close(killed);
	store_close(killed_store);
	prober_forgets(f);
	open_store(f);
	assert_int_equal(open_model(f), 0);
	f->probe_result = -1;
	assert_string_equal(health(f, rig.tg, ONE, h), "unhealthy/Target.FailedHealthChecks");
	fixture_free(f);
}

static void a_turn_that_is_given_up_forgets_no_verdict(void **state)
{
	struct rig rig = rig_new();
	struct fixture *f = rig.f;
	json_t *params, *result;
	char h[64];

	(void)state;
	register_targets(&rig, THREE_TARGETS);
	fall_ill(&rig, ONE);
	f->probe_result = -1;
	params = json_pack("{s:s, s:[{s:s}]}", "TargetGroupArn", rig.tg, "Targets", "Id",
			   "10.0.1.9");
	f->engine->target_error = -ENOMEM;
	result = try_call(f, "RegisterTargets", params);
	assert_null(result);
	prober_runs(f);
	f->engine->target_error = 0;
	assert_true(model_commit(f->model) < 0);
	json_decref(params);
	commit(f);
	assert_string_equal(health(f, rig.tg, ONE, h), "unhealthy/Target.FailedHealthChecks");
	assert_string_equal(health(f, rig.tg, TWO, h), "healthy");
	assert_int_equal(HASH_COUNT(f->checks), 3); /* the stranger is no longer probed */
	probe(f, ONE, 8080, PROBE_OK, 5);
	assert_string_equal(health(f, rig.tg, ONE, h), "healthy");
	fixture_free(f);
}

/* --- our own extensions --------------------------------------------------------------------- */

static void draining_ends_with_the_last_flow_if_the_group_wants_it(void **state)
{
	struct rig rig = rig_new();
	struct fixture *f = rig.f;
	int64_t now = model_now_ms();

	(void)state;
	register_targets(&rig, "{'Id': '" ONE "'}, {'Id': '" TWO "'}");
	CALL(f, "DeregisterTargets", TARGETS, rig.tg, "{'Id': '" ONE "'}");
	set_attribute(&rig, "sluice.deregistration_delay.end_when_idle", "true");
	assert_in_range(model_next_tick_ms(f->model), 0, 1000); /* for those that drain, too */
	tick(f, now + 1100); /* the fake engine's targets always have flows ... */
	assert_non_null(engine_of(&rig, ONE));
	f->engine->idle = true; /* ... until now */
	tick(f, now + 2200);
	assert_null(engine_of(&rig, ONE));
	assert_non_null(engine_of(&rig, TWO));
	fixture_free(f);
}

static void draining_lasts_its_time_without_flows_if_the_group_does_not(void **state)
{
	struct rig rig = rig_new();
	struct fixture *f = rig.f;
	int64_t now = model_now_ms();

	(void)state;
	register_targets(&rig, "{'Id': '" ONE "'}");
	set_attribute(&rig, "deregistration_delay.timeout_seconds", "10");
	f->engine->idle = true;
	CALL(f, "DeregisterTargets", TARGETS, rig.tg, "{'Id': '" ONE "'}");
	tick(f, now + 9000);
	assert_non_null(engine_of(&rig, ONE));
	tick(f, now + 11000);
	assert_null(engine_of(&rig, ONE));
	fixture_free(f);
}

static void fast_intervals_are_for_those_whose_config_has_them(void **state)
{
	static const char interval[] = "sluice.health_check.interval_ms";
	static const char timeout[] = "sluice.health_check.timeout_ms";
	struct rig rig = rig_new();
	struct fixture *f = rig.f;

	(void)state;
	register_targets(&rig, "{'Id': '" ONE "'}");
#define SET "{'TargetGroupArn': '%s', 'Attributes': [{'Key': '%s', 'Value': '%s'}]}"
	call_fails(f, "InvalidConfigurationRequest", "ModifyTargetGroupAttributes", SET, rig.tg,
		   interval, "100");
	f->config->health_fast_intervals = true;
	call_fails(f, "ValidationError", "ModifyTargetGroupAttributes", SET, rig.tg, interval,
		   "99");
	call_fails(f, "ValidationError", "ModifyTargetGroupAttributes", SET, rig.tg, interval,
		   "300001");
	set_attribute(&rig, interval, "100");
	assert_int_equal(probed(f, ONE, 8080)->interval_ms, 100);
	assert_int_equal(probed(f, ONE, 8080)->timeout_ms, 100); /* never above the interval */
	call_fails(f, "InvalidConfigurationRequest", "ModifyTargetGroupAttributes", SET, rig.tg,
		   timeout, "101");
	set_attribute(&rig, interval, "500");
	set_attribute(&rig, timeout, "200");
	assert_int_equal(probed(f, ONE, 8080)->interval_ms, 500);
	assert_int_equal(probed(f, ONE, 8080)->timeout_ms, 200);
	f->config->health_fast_intervals = false;
	restart(f);
	commit(f);
	assert_int_equal(probed(f, ONE, 8080)->interval_ms, 30000);
	assert_int_equal(probed(f, ONE, 8080)->timeout_ms, 10000);
	fixture_free(f);
}

/* --- against a slow model -------------------------------------------------------------------- */

#define MANY 12

struct slow {
	char address[ADDRESS_TEXT_MAX];
	unsigned int zones; /* mask, without cross-zone */
	enum { SLOW_INITIAL, SLOW_HEALTHY, SLOW_UNHEALTHY, SLOW_GONE } health;
};

/* Whether a zone fails open, by the words of the reference. */
static bool slow_fails_open(const struct slow *all, unsigned int zone, bool crosses,
			    unsigned int count, unsigned int percentage)
{
	unsigned int registered = 0, healthy = 0;

	for (int i = 0; i < MANY; i++) {
		if (all[i].health == SLOW_GONE || !(crosses || all[i].zones & 1U << zone))
			continue;
		registered++;
		healthy += all[i].health == SLOW_HEALTHY;
	}
	return healthy < count ||
	       (percentage > 0 && (double)healthy / registered * 100 < (double)percentage);
}

static void compare(struct rig *rig, const struct slow *all, bool crosses, unsigned int count,
		    unsigned int percentage, unsigned int *opens)
{
	bool open[2] = {slow_fails_open(all, 0, crosses, count, percentage),
			slow_fails_open(all, 1, crosses, count, percentage)};

	*opens += open[0] != open[1];
	for (int i = 0; i < MANY; i++) {
		const struct engine_target *engine = engine_of(rig, all[i].address);
		unsigned int may = crosses ? 3 : all[i].zones, want = may;

		if (all[i].health == SLOW_GONE) {
			assert_null(engine);
			continue;
		}
		if (all[i].health != SLOW_HEALTHY)
			want = may & ((open[0] ? 1U : 0U) | (open[1] ? 2U : 0U));
		assert_int_equal(engine->state == ENGINE_TARGET_ACTIVE, want != 0);
		if (want != 0)
			assert_int_equal(engine->zones, want);
		else
			assert_int_equal(engine->state, all[i].health == SLOW_INITIAL
								? ENGINE_TARGET_IDLE
								: ENGINE_TARGET_ENDING);
	}
}

static void change_one(struct rig *rig, struct slow *one)
{
	char target[96];

	snprintf(target, sizeof(target), "{'Id': '%s'%s}", one->address,
		 one->zones == 3 ? ", 'AvailabilityZone': 'all'" : "");
	if (one->health == SLOW_GONE) {
		register_targets(rig, target);
		one->health = SLOW_INITIAL;
	} else if (rand() % 4 == 0) {
		CALL(rig->f, "DeregisterTargets", TARGETS, rig->tg, target);
		one->health = SLOW_GONE;
	} else if (rand() % 2 == 0) {
		probe(rig->f, one->address, 8080, PROBE_OK, 5);
		one->health = SLOW_HEALTHY;
	} else {
		fall_ill(rig, one->address);
		one->health = SLOW_UNHEALTHY;
	}
}

static void the_engine_agrees_with_a_slow_model(void **state)
{
	const unsigned int seed = 4711;
	struct rig rig = rig_new();
	unsigned int count = 1, percentage = 0, opens = 0;
	struct slow all[MANY];
	bool crosses = false;
	char value[8];

	(void)state;
	print_message("seed %u\n", seed);
	srand(seed);
	rig.f->probe_result = -1;
	set_attribute(&rig, "deregistration_delay.timeout_seconds", "0");
	set_attribute(&rig, "target_group_health.dns_failover.minimum_healthy_targets.count",
		      "off");
	for (int i = 0; i < MANY; i++) {
		static const char *const forms[] = {"10.0.1.%d", "10.0.2.%d", "172.16.0.%d"};

		snprintf(all[i].address, sizeof(all[i].address), forms[i % 3], i + 1);
		all[i].zones = (unsigned int)i % 3 + 1;
		all[i].health = SLOW_GONE;
	}
	for (int step = 0; step < 2000; step++) {
		int what = rand() % 40;

		if (what == 0) {
			crosses = !crosses;
			set_attribute(&rig, "load_balancing.cross_zone.enabled",
				      crosses ? "true" : "false");
		} else if (what == 1) {
			count = 1 + (unsigned int)rand() % 4;
			snprintf(value, sizeof(value), "%u", count);
			set_attribute(&rig,
				      "target_group_health.unhealthy_state_routing."
				      "minimum_healthy_targets.count",
				      value);
		} else if (what == 2) {
			percentage = (unsigned int)rand() % 101;
			snprintf(value, sizeof(value), percentage == 0 ? "off" : "%u", percentage);
			set_attribute(&rig,
				      "target_group_health.unhealthy_state_routing."
				      "minimum_healthy_targets.percentage",
				      value);
		} else {
			change_one(&rig, &all[rand() % MANY]);
		}
		compare(&rig, all, crosses, count, percentage, &opens);
	}
	assert_true(opens > 100); /* the zones went their own ways */
	fixture_free(rig.f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_target_is_initial_until_its_first_success),
		cmocka_unit_test(without_a_prober_targets_wait_in_registration),
		cmocka_unit_test(a_failing_target_tells_why),
		cmocka_unit_test(the_last_probe_is_shown_to_those_who_ask),
		cmocka_unit_test(our_own_fault_makes_nobody_unhealthy),
		cmocka_unit_test(hosts_are_counted_by_their_health),
		cmocka_unit_test(flows_of_an_unhealthy_target_end_or_not_as_the_group_says),
		cmocka_unit_test(udp_flows_of_an_unhealthy_target_move),
		cmocka_unit_test(a_group_without_a_healthy_target_fails_open),
		cmocka_unit_test(a_zone_fails_open_by_itself),
		cmocka_unit_test(the_group_s_thresholds_decide_when_it_fails_open),
		cmocka_unit_test(a_probe_is_what_the_group_says),
		cmocka_unit_test(an_ipv6_target_is_probed_from_an_ipv6_address),
		cmocka_unit_test(the_prober_is_told_only_what_changed),
		cmocka_unit_test(who_is_not_in_use_is_not_probed),
		cmocka_unit_test(taken_back_and_asked_for_again_in_one_turn_is_probed_at_once),
		cmocka_unit_test(a_new_prober_is_told_everything_and_nobody_flaps),
		cmocka_unit_test(verdicts_survive_a_restart),
		cmocka_unit_test(verdicts_reach_the_disk_without_an_action),
		cmocka_unit_test(a_turn_that_is_given_up_forgets_no_verdict),
		cmocka_unit_test(draining_ends_with_the_last_flow_if_the_group_wants_it),
		cmocka_unit_test(draining_lasts_its_time_without_flows_if_the_group_does_not),
		cmocka_unit_test(fast_intervals_are_for_those_whose_config_has_them),
		cmocka_unit_test(the_engine_agrees_with_a_slow_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
