/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/actions_fixture.c"
#include "control/model_names.h"
#include "tests/unit/fake_engine.c"

#include <signal.h>
#include <sys/resource.h>

#define REGISTER "{'TargetGroupArn': '%s', 'Targets': [%s]}"

/* Everything the API tells, as one text. */
static char *dump(struct fixture *f, const char *const arns[], size_t n)
{
	json_t *all = json_array();
	char *text;

	json_array_append_new(all, call(f, "DescribeLoadBalancers", "{}"));
	json_array_append_new(all, call(f, "DescribeTargetGroups", "{}"));
	for (size_t i = 0; i < n; i++) {
		if (strstr(arns[i], ":loadbalancer/") != NULL) {
			json_array_append_new(all, call(f, "DescribeListeners",
							"{'LoadBalancerArn': '%s'}", arns[i]));
			json_array_append_new(all, call(f, "DescribeLoadBalancerAttributes",
							"{'LoadBalancerArn': '%s'}", arns[i]));
		} else if (strstr(arns[i], ":targetgroup/") != NULL) {
			json_array_append_new(all, call(f, "DescribeTargetHealth",
							"{'TargetGroupArn': '%s'}", arns[i]));
			json_array_append_new(all, call(f, "DescribeTargetGroupAttributes",
							"{'TargetGroupArn': '%s'}", arns[i]));
		} else {
			json_array_append_new(all, call(f, "DescribeListenerAttributes",
							"{'ListenerArn': '%s'}", arns[i]));
		}
		json_array_append_new(all,
				      call(f, "DescribeTags", "{'ResourceArns': ['%s']}", arns[i]));
	}
	text = json_dumps(all, JSON_INDENT(1));
	json_decref(all);
	return text;
}

/* As a restart of sluiced does; with @fresh the engine has forgotten all. */
static void restart(struct fixture *f, bool fresh)
{
	model_close(f->model);
	store_close(f->store);
	if (fresh) {
		fake_engine_free(f->engine);
		f->engine = fake_engine_new();
	}
	open_store(f);
	if (open_model(f) < 0)
		fail_msg("%s", f->error.message);
}

static void a_restart_finds_everything_again(void **state)
{
	struct fixture *f = fixture_new(two_zones);
	char lb[ARN_MAX], one[ARN_MAX], two[ARN_MAX], ls[ARN_MAX], ls2[ARN_MAX], *before, *after;
	const char *const arns[] = {lb, one, two, ls, ls2};

	(void)state;
	new_tg(f, one, "one", "TCP");
	create(f, lb, "LoadBalancers.0.LoadBalancerArn", "CreateLoadBalancer",
	       "{'Name': 'web', 'IpAddressType': 'dualstack', 'Scheme': 'internal', 'Tags': "
	       "[{'Key': 'a', 'Value': 'b'}, {'Key': 'ä', 'Value': ''}]}");
	new_listener(f, ls, lb, "TCP", 80, one);
	create(f, two, "TargetGroups.0.TargetGroupArn", "CreateTargetGroup",
	       "{'Name': 'two', 'Protocol': 'TCP_UDP', 'Port': 53, 'HealthCheckProtocol': 'HTTP', "
	       "'HealthCheckPath': '/up', 'HealthCheckPort': '99', 'Matcher': {'HttpCode': "
	       "'200'}}");
	new_listener(f, ls2, lb, "TCP_UDP", 53, two);
	/* the older listener now names the younger group */
	CALL(f, "ModifyListener",
	     "{'ListenerArn': '%s', 'DefaultActions': [{'Type': 'forward', 'ForwardConfig': "
	     "{'TargetGroups': [{'TargetGroupArn': '%s', 'Weight': 7}, {'TargetGroupArn': '%s', "
	     "'Weight': 0}], 'TargetGroupStickinessConfig': {'Enabled': true}}}]}",
	     ls, two, one);
	CALL(f, "ModifyListenerAttributes",
	     "{'ListenerArn': '%s', 'Attributes': [{'Key': 'tcp.idle_timeout.seconds', 'Value': "
	     "'77'}]}",
	     ls);
	CALL(f, "ModifyTargetGroupAttributes",
	     "{'TargetGroupArn': '%s', 'Attributes': [{'Key': 'stickiness.enabled', 'Value': "
	     "'true'}]}",
	     one);
	CALL(f, "ModifyLoadBalancerAttributes",
	     "{'LoadBalancerArn': '%s', 'Attributes': [{'Key': 'access_logs.s3.bucket', 'Value': "
	     "'x-bucket'}]}",
	     lb);
	CALL(f, "RegisterTargets", REGISTER, one,
	     "{'Id': '10.0.1.5'}, {'Id': '10.0.2.5', 'Port': 1}, {'Id': '172.16.0.1', "
	     "'AvailabilityZone': 'all'}, {'Id': '10.0.1.6'}");
	CALL(f, "RegisterTargets", REGISTER, two, "{'Id': '10.0.1.5'}");
	CALL(f, "DeregisterTargets", REGISTER, one, "{'Id': '10.0.1.6'}");
	before = dump(f, arns, 5);
	assert_non_null(strstr(before, "draining"));
	for (int fresh = 0; fresh < 2; fresh++) {
		restart(f, fresh);
		after = dump(f, arns, 5);
		assert_string_equal(after, before);
		free(after);
		assert_int_equal(HASH_COUNT(f->engine->vips), 4);
		assert_int_equal(HASH_COUNT(f->engine->targets), 5);
		assert_int_equal(fake_engine_target(f->engine, id_of(one), "10.0.1.6", 8080)->state,
				 ENGINE_TARGET_IDLE);
		assert_int_equal(
			fake_engine_listener(f->engine, id_of(ls))->listener.tcp_idle_timeout_s,
			77);
		assert_in_range(model_next_tick_ms(f->model), 1, 300000);
	}
	free(before);
	fixture_free(f);
}

static void what_was_deleted_stays_deleted(void **state)
{
	struct fixture *f = fixture_new(two_zones);
	char lb[ARN_MAX], one[ARN_MAX], two[ARN_MAX], ls[ARN_MAX];

	(void)state;
	new_lb(f, lb, "web");
	new_tg(f, one, "one", "TCP");
	new_tg(f, two, "two", "TCP");
	new_listener(f, ls, lb, "TCP", 80, one);
	CALL(f, "RegisterTargets", REGISTER, one, "{'Id': '10.0.1.5'}, {'Id': '10.0.1.6'}");
	CALL(f, "RegisterTargets", REGISTER, two, "{'Id': '10.0.1.5'}");
	CALL(f, "DeleteLoadBalancer", "{'LoadBalancerArn': '%s'}", lb);
	CALL(f, "DeleteTargetGroup", "{'TargetGroupArn': '%s'}", one);
	restart(f, false);
	assert_int_equal(HASH_COUNT(f->model->load_balancers), 0);
	assert_int_equal(HASH_COUNT(f->model->listeners), 0);
	assert_int_equal(HASH_COUNT(f->model->groups), 1);
	assert_int_equal(HASH_COUNT(f->engine->targets), 1);
	fixture_free(f);
}

static void a_drain_that_ended_while_we_were_away_ends_at_once(void **state)
{
	struct fixture *f = fixture_new(two_zones);
	char lb[ARN_MAX], tg[ARN_MAX], ls[ARN_MAX];

	(void)state;
	new_lb(f, lb, "web");
	new_tg(f, tg, "t", "TCP");
	new_listener(f, ls, lb, "TCP", 80, tg);
	CALL(f, "ModifyTargetGroupAttributes",
	     "{'TargetGroupArn': '%s', 'Attributes': [{'Key': "
	     "'deregistration_delay.timeout_seconds', 'Value': '1'}]}",
	     tg);
	CALL(f, "RegisterTargets", REGISTER, tg, "{'Id': '10.0.1.5'}");
	CALL(f, "DeregisterTargets", REGISTER, tg, "{'Id': '10.0.1.5'}");
	usleep(1100 * 1000);
	restart(f, false);
	assert_int_equal(HASH_COUNT(f->engine->targets), 1);
	assert_int_equal(model_next_tick_ms(f->model), 0);
	model_tick(f->model, model_now_ms());
	commit(f);
	restart(f, false);
	assert_int_equal(HASH_COUNT(f->engine->targets), 0);
	assert_int_equal(model_next_tick_ms(f->model), -1);
	fixture_free(f);
}

static void what_was_not_committed_is_not_there(void **state)
{
	struct fixture *f = fixture_new(two_zones);
	char tg[ARN_MAX];
	json_t *params, *result;

	(void)state;
	new_tg(f, tg, "t", "TCP");
	json_array_clear(f->events);
	params = json_pack("{s:s, s:[{s:s}]}", "TargetGroupArn", tg, "Targets", "Id", "10.0.1.5");
	result = try_call(f, "RegisterTargets", params);
	assert_non_null(result);
	json_decref(result);
	json_decref(params);
	assert_int_equal(json_array_size(f->events), 0); /* told to nobody yet */
	restart(f, false);				 /* as kill -9 would */
	assert_int_equal(HASH_COUNT(f->engine->targets), 0);
	fixture_free(f);
}

/* A file system that refuses to grow files: what a full disk does. */
static void disk_full(bool full)
{
	struct rlimit limit;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = full ? 0 : limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_failed_commit_takes_memory_and_engine_back(void **state)
{
	struct fixture *f = fixture_new(two_zones);
	char lb[ARN_MAX], tg[ARN_MAX], ls[ARN_MAX], *before, *after;
	const char *const arns[] = {lb, tg, ls};
	json_t *params, *result;

	(void)state;
	new_lb(f, lb, "web");
	new_tg(f, tg, "t", "TCP");
	new_listener(f, ls, lb, "TCP", 80, tg);
	CALL(f, "RegisterTargets", REGISTER, tg, "{'Id': '10.0.1.5'}");
	before = dump(f, arns, 3);
	json_array_clear(f->events);
	disk_full(true);
	params = json_pack("{s:s, s:[{s:s}, {s:s}]}", "TargetGroupArn", tg, "Targets", "Id",
			   "10.0.1.6", "Id", "10.0.1.7");
	result = try_call(f, "RegisterTargets", params);
	json_decref(params);
	json_decref(result);
	params = json_pack("{s:s}", "ListenerArn", ls);
	result = try_call(f, "DeleteListener", params);
	json_decref(params);
	json_decref(result);
	assert_true(model_commit(f->model) < 0);
	disk_full(false);
	assert_int_equal(json_array_size(f->events), 0);
	assert_int_equal(HASH_COUNT(f->engine->targets), 1);
	assert_int_equal(HASH_COUNT(f->engine->listeners), 1);
	assert_false(f->engine->staged);
	after = dump(f, arns, 3);
	assert_string_equal(after, before);
	free(before);
	free(after);
	/* and work goes on */
	CALL(f, "RegisterTargets", REGISTER, tg, "{'Id': '10.0.1.6'}");
	restart(f, true);
	assert_int_equal(HASH_COUNT(f->engine->targets), 2);
	fixture_free(f);
}

static void an_engine_failure_gives_the_turn_up(void **state)
{
	struct fixture *f = fixture_new(two_zones);
	char tg[ARN_MAX];

	(void)state;
	new_tg(f, tg, "t", "TCP");
	CALL(f, "RegisterTargets", REGISTER, tg, "{'Id': '10.0.1.5'}");
	f->engine->target_error = -EIO;
	call_fails(f, "InternalFailure", "RegisterTargets", REGISTER, tg, "{'Id': '10.0.1.6'}");
	/* what comes behind in the same turn fails too, for it could not be kept */
	call_fails(f, "InternalFailure", "DescribeTargetGroups", "%s", "{}");
	assert_int_equal(model_commit(f->model), -EIO);
	assert_true(model_next_tick_ms(f->model) > 0); /* the engine still fails: try again */
	call_fails(f, "InternalFailure", "DescribeTargetGroups", "%s", "{}");
	f->engine->target_error = 0;
	assert_int_equal(model_commit(f->model), -EIO); /* of the calls before */
	assert_int_equal(model_commit(f->model), 0);
	CALL(f, "RegisterTargets", REGISTER, tg, "{'Id': '10.0.1.6'}");
	assert_int_equal(HASH_COUNT(f->engine->targets), 2);
	fixture_free(f);
}

static void a_full_maglev_arena_is_tried_again(void **state)
{
	struct fixture *f = fixture_new(two_zones);
	json_t *params = json_pack("{s:s, s:s, s:i}", "Name", "t", "Protocol", "TCP", "Port", 80);
	json_t *result = try_call(f, "CreateTargetGroup", params);

	(void)state;
	json_decref(params);
	json_decref(result);
	f->engine->commit_error = -ENOSPC;
	assert_int_equal(model_commit(f->model), -ENOSPC);
	assert_true(model_next_tick_ms(f->model) >= 0);
	f->engine->commit_error = 0;
	model_tick(f->model, model_now_ms());
	assert_int_equal(model_commit(f->model), 0);
	assert_false(f->engine->staged);
	assert_int_equal(model_next_tick_ms(f->model), -1);
	CALL(f, "DescribeTargetGroups", "{'Names': ['t']}");
	fixture_free(f);
}

static void documents_of_nobody_are_refused(void **state)
{
	static const struct {
		const char *key, *document;
	} bad[] = {
		{"rule/0000000000000001", "{}"},
		{"lb/0000000000000001", "{}"},
		{"lb/1", "{}"},
		{"lb/0000000000000001",
		 "{'Name': 'x', 'Internal': false, 'Dualstack': false, 'CreatedTime': 1, 'Zones': "
		 "[{'Name': 'mars', 'IPv4': '10.9.1.0'}], 'Attributes': {}, 'Tags': {}}"},
		{"lb/0000000000000001",
		 "{'Name': 'x', 'Internal': false, 'Dualstack': true, 'CreatedTime': 1, 'Zones': "
		 "[{'Name': 'rig-1a', 'IPv4': '10.9.1.0'}], 'Attributes': {}, 'Tags': {}}"},
		{"lb/0000000000000001",
		 "{'Name': 'x', 'Internal': false, 'Dualstack': false, 'CreatedTime': 1, 'Zones': "
		 "[], 'Attributes': {'zonal': 'true'}, 'Tags': {}}"},
		{"group/0000000000000001", "{'Name': 'x'}"},
		{"target/0000000000000001/10.0.0.1/80", "{'Zone': 'all'}"},
		{"listener/0000000000000001",
		 "{'LoadBalancer': '0000000000000009', 'Port': 80, 'Protocol': 'TCP', "
		 "'TargetGroups': [], 'Sticky': false, 'Attributes': {}, 'Tags': {}}"},
	};
	struct fixture *f = fixture_new(two_zones);

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char *text = quoted(bad[i].document);
		json_t *document = json_loads(text, 0, NULL);

		assert_non_null(document);
		model_close(f->model);
		f->model = NULL;
		assert_int_equal(store_put(f->store, bad[i].key, document), 0);
		assert_int_equal(store_commit(f->store), 0);
		assert_int_equal(open_model(f), -EBADMSG);
		if (strstr(f->error.message, bad[i].key) == NULL &&
		    strstr(f->error.message, "mars") == NULL)
			fail_msg("does not say where: %s", f->error.message);
		assert_int_equal(store_delete(f->store, bad[i].key), 0);
		assert_int_equal(store_commit(f->store), 0);
		assert_int_equal(open_model(f), 0);
		json_decref(document);
		free(text);
	}
	fixture_free(f);
}

static void names_of_ids_are_told_while_the_objects_live(void **state)
{
	struct fixture *f = fixture_new(two_zones);
	char lb[ARN_MAX], tg[ARN_MAX], ls[ARN_MAX], text[ARN_MAX];

	(void)state;
	new_lb(f, lb, "web");
	new_tg(f, tg, "t", "TCP");
	new_listener(f, ls, lb, "TCP", 80, tg);
	assert_int_equal(model_arn_of_load_balancer(f->model, id_of(lb), text), 0);
	assert_string_equal(text, lb);
	assert_int_equal(model_arn_of_group(f->model, id_of(tg), text), 0);
	assert_string_equal(text, tg);
	assert_int_equal(model_arn_of_listener(f->model, id_of(ls), text), 0);
	assert_string_equal(text, ls);
	CALL(f, "DeleteLoadBalancer", "{'LoadBalancerArn': '%s'}", lb);
	assert_int_equal(model_arn_of_listener(f->model, id_of(ls), text), -ENOENT);
	assert_int_equal(model_arn_of_load_balancer(f->model, id_of(lb), text), -ENOENT);
	assert_int_equal(model_arn_of_group(f->model, 1, text), -ENOENT);
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_restart_finds_everything_again),
		cmocka_unit_test(what_was_deleted_stays_deleted),
		cmocka_unit_test(a_drain_that_ended_while_we_were_away_ends_at_once),
		cmocka_unit_test(what_was_not_committed_is_not_there),
		cmocka_unit_test(a_failed_commit_takes_memory_and_engine_back),
		cmocka_unit_test(an_engine_failure_gives_the_turn_up),
		cmocka_unit_test(a_full_maglev_arena_is_tried_again),
		cmocka_unit_test(documents_of_nobody_are_refused),
		cmocka_unit_test(names_of_ids_are_told_while_the_objects_live),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
