/* SPDX-License-Identifier: BSD-3-Clause */
/* Where access logs go, and when a bucket is tested for it. */
#include "tests/unit/actions_fixture.c"
#include "tests/unit/fake_engine.c"

#include "control/logs/logs_messages.h"

#define CHANGE(list) "{'LoadBalancerArn': '%s', 'Attributes': [" list "]}"
#define BUCKET(value) "{'Key': 'access_logs.s3.bucket', 'Value': '" value "'}"
#define PREFIX(value) "{'Key': 'access_logs.s3.prefix', 'Value': '" value "'}"
#define ENABLED(value) "{'Key': 'access_logs.s3.enabled', 'Value': '" value "'}"
#define OTHER "{'Key': 'load_balancing.cross_zone.enabled', 'Value': 'true'}"

static bool wants(struct fixture *f, const char *format, const char *lb,
		  struct logs_destination *destination)
{
	char *json = quoted(format);
	char text[1024];
	json_t *params;
	bool result;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(text, sizeof(text), json, lb);
#pragma GCC diagnostic pop
	free(json);
	params = json_loads(text, 0, NULL);
	assert_non_null(params);
	result = action_wants_bucket_test(f->model, params, destination);
	json_decref(params);
	return result;
}

static void a_bucket_is_tested_when_logs_would_go_elsewhere(void **state)
{
	struct fixture *f = fixture_new(two_zones);
	struct logs_destination to;
	char lb[ARN_MAX];

	(void)state;
	new_lb(f, lb, "web");
	assert_true(wants(f, CHANGE(BUCKET("one") "," PREFIX("a/b")), lb, &to));
	assert_string_equal(to.bucket, "one");
	assert_string_equal(to.prefix, "a/b");
	assert_string_equal(to.load_balancer, "web");
	assert_int_equal(to.load_balancer_id, id_of(lb));
	assert_true(wants(f, CHANGE(BUCKET("one") "," ENABLED("true")), lb, &to));

	CALL(f, "ModifyLoadBalancerAttributes", CHANGE(BUCKET("one")), lb);
	assert_false(wants(f, CHANGE(BUCKET("one")), lb, &to));
	assert_false(wants(f, CHANGE(OTHER), lb, &to));
	assert_true(wants(f, CHANGE(PREFIX("p")), lb, &to));
	assert_true(wants(f, CHANGE(ENABLED("true")), lb, &to));
	assert_true(wants(f, CHANGE(BUCKET("two")), lb, &to));
	assert_string_equal(to.bucket, "two");

	CALL(f, "ModifyLoadBalancerAttributes", CHANGE(ENABLED("true")), lb);
	assert_false(wants(f, CHANGE(ENABLED("false")), lb, &to));
	assert_false(wants(f, CHANGE(ENABLED("false") "," BUCKET("")), lb, &to));
	fixture_free(f);
}

static void no_bucket_is_tested_for_a_call_that_fails_anyhow(void **state)
{
	struct fixture *f = fixture_new(two_zones);
	struct logs_destination to;
	char lb[ARN_MAX];

	(void)state;
	new_lb(f, lb, "web");
	assert_false(wants(f, CHANGE(BUCKET("one")), "arn:nonsense", &to));
	assert_false(wants(f, CHANGE(BUCKET("Wrong!")), lb, &to));
	assert_false(wants(f, CHANGE(BUCKET("one") "," PREFIX("AWSLogs")), lb, &to));
	assert_false(wants(f, "{}", lb, &to));
	assert_false(action_wants_bucket_test(f->model, NULL, &to));
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bucket_is_tested_when_logs_would_go_elsewhere),
		cmocka_unit_test(no_bucket_is_tested_for_a_call_that_fails_anyhow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
