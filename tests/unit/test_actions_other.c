/* SPDX-License-Identifier: BSD-3-Clause */
/* Tags, limits, metrics, and what holds for all actions. */
#include "tests/unit/actions_fixture.c"
#include "tests/unit/fake_engine.c"

static void tags_are_added_described_and_removed(void **state)
{
	struct fixture *f = fixture_new(two_zones);
	char lb[ARN_MAX], tg[ARN_MAX], ls[ARN_MAX];
	json_t *r;

	(void)state;
	new_lb(f, lb, "web");
	new_tg(f, tg, "t", "TCP");
	new_listener(f, ls, lb, "TCP", 80, tg);
	CALL(f, "AddTags",
	     "{'ResourceArns': ['%s', '%s', '%s'], 'Tags': [{'Key': 'a', 'Value': '1'}, {'Key': "
	     "'b'}]}",
	     lb, tg, ls);
	CALL(f, "AddTags", "{'ResourceArns': ['%s'], 'Tags': [{'Key': 'a', 'Value': '2'}]}", tg);
	CALL(f, "RemoveTags", "{'ResourceArns': ['%s'], 'TagKeys': ['b', 'never-there']}", ls);
	r = call(f, "DescribeTags", "{'ResourceArns': ['%s', '%s', '%s']}", ls, tg, lb);
	assert_string_equal(text_at(r, "TagDescriptions.0.ResourceArn"), ls);
	assert_int_equal(json_array_size(at_path(r, "TagDescriptions.0.Tags")), 1);
	assert_string_equal(text_at(r, "TagDescriptions.1.Tags.0.Value"), "2");
	assert_string_equal(text_at(r, "TagDescriptions.2.Tags.1.Key"), "b");
	assert_string_equal(text_at(r, "TagDescriptions.2.Tags.1.Value"), "");
	json_decref(r);
	fixture_free(f);
}

static void tags_keep_their_bounds(void **state)
{
	struct fixture *f = fixture_new(two_zones);
	char tg[ARN_MAX], other[ARN_MAX], list[8192] = "", key[160];
	json_t *r;

	(void)state;
	new_tg(f, tg, "t", "TCP");
	new_tg(f, other, "u", "TCP");
	for (int i = 0; i < QUOTA_TAGS; i++)
		snprintf(list + strlen(list), sizeof(list) - strlen(list),
			 "%s{'Key': 'k%d', 'Value': 'v'}", i > 0 ? ", " : "", i);
	CALL(f, "AddTags", "{'ResourceArns': ['%s'], 'Tags': [%s]}", tg, list);
	call_fails(f, "TooManyTags", "AddTags",
		   "{'ResourceArns': ['%s', '%s'], 'Tags': [{'Key': 'one-more'}]}", other, tg);
	r = call(f, "DescribeTags", "{'ResourceArns': ['%s']}", other);
	assert_int_equal(json_array_size(at_path(r, "TagDescriptions.0.Tags")), 0);
	json_decref(r);
	CALL(f, "AddTags", "{'ResourceArns': ['%s'], 'Tags': [{'Key': 'k7', 'Value': 'w'}]}", tg);
	memset(key, 'k', sizeof(key));
	key[128] = '\0';
	CALL(f, "AddTags", "{'ResourceArns': ['%s'], 'Tags': [{'Key': '%s'}]}", other, key);
	key[128] = 'k';
	key[129] = '\0';
#define BAD(code, tag) \
	call_fails(f, code, "AddTags", "{'ResourceArns': ['%s'], 'Tags': [%s]}", other, tag)
	call_fails(f, "ValidationError", "AddTags",
		   "{'ResourceArns': ['%s'], 'Tags': [{'Key': '%s'}]}", other, key);
	BAD("ValidationError", "{'Key': ''}");
	BAD("ValidationError", "{'Value': 'x'}");
	BAD("ValidationError", "{'Key': 'AWS:x'}");
	BAD("ValidationError", "{'Key': 'a\\u0007'}");
	BAD("ValidationError", "{'Key': 'a\\u0085'}");
	BAD("ValidationError", "{'Key': 'a', 'Value': 'x?'}");
	BAD("ValidationError", "{'Key': 'a', 'Colour': 'red'}");
	BAD("DuplicateTagKeys", "{'Key': 'a'}, {'Key': 'a'}");
	CALL(f, "AddTags",
	     "{'ResourceArns': ['%s'], 'Tags': [{'Key': 'Grün und_.:/=+-@', 'Value': '東京'}]}",
	     other);
	call_fails(f, "ValidationError", "AddTags", "{'ResourceArns': ['%s']}", other);
	call_fails(f, "ValidationError", "DescribeTags", "{'ResourceArns': ['arn:x']}");
	call_fails(f, "ValidationError", "DescribeTags", "{}");
	CALL(f, "DeleteTargetGroup", "{'TargetGroupArn': '%s'}", other);
	call_fails(f, "TargetGroupNotFound", "DescribeTags", "{'ResourceArns': ['%s']}", other);
	fixture_free(f);
}

static void at_most_20_resources_in_a_call(void **state)
{
	struct fixture *f = fixture_new(two_zones);
	char tg[ARN_MAX], list[21 * (ARN_MAX + 4)] = "";

	(void)state;
	new_tg(f, tg, "t", "TCP");
	for (int i = 1; i <= 21; i++) {
		snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s'%s'",
			 i > 1 ? ", " : "", tg);
		if (i == 20)
			CALL(f, "DescribeTags", "{'ResourceArns': [%s]}", list);
	}
	call_fails(f, "ValidationError", "DescribeTags", "{'ResourceArns': [%s]}", list);
	fixture_free(f);
}

static void limits_are_told_as_strings_in_pages(void **state)
{
	struct fixture *f = fixture_new(two_zones);
	json_t *r = call(f, "DescribeAccountLimits", "{}"), *limit;
	size_t i, n = json_array_size(at_path(r, "Limits"));
	bool found = false;

	(void)state;
	json_array_foreach ((json_t *)at_path(r, "Limits"), i, limit) {
		if (strcmp(text_at(limit, "Name"), "targets-per-network-load-balancer") == 0) {
			assert_string_equal(text_at(limit, "Max"), "3000");
			found = true;
		}
	}
	assert_true(found);
	json_decref(r);
	r = call(f, "DescribeAccountLimits", "{'PageSize': 4}");
	assert_int_equal(json_array_size(at_path(r, "Limits")), 4);
	limit = call(f, "DescribeAccountLimits", "{'Marker': '%s'}", text_at(r, "NextMarker"));
	assert_int_equal(json_array_size(at_path(limit, "Limits")), n - 4);
	assert_null(at_path(limit, "NextMarker"));
	json_decref(limit);
	json_decref(r);
	call_fails(f, "ValidationError", "DescribeAccountLimits", "{'Marker': 'ffffffffffffffff'}");
	fixture_free(f);
}

static long value(const json_t *entry, const char *name)
{
	const json_t *number = json_object_get(json_object_get(entry, "Values"), name);

	assert_true(json_is_integer(number));
	return (long)json_integer_value(number);
}

static void metrics_have_the_names_of_cloudwatch(void **state)
{
	struct fixture *f = fixture_new(two_zones);
	char lb[ARN_MAX], tg[ARN_MAX], ls[ARN_MAX];
	json_t *r, *m;

	(void)state;
	new_lb(f, lb, "web");
	new_tg(f, tg, "t", "TCP_UDP");
	new_listener(f, ls, lb, "TCP", 80, tg);
	new_listener(f, ls, lb, "UDP", 81, tg);
	CALL(f, "RegisterTargets",
	     "{'TargetGroupArn': '%s', 'Targets': [{'Id': '10.0.1.5'}, {'Id': '10.0.1.6'}]}", tg);
	CALL(f, "DeregisterTargets", "{'TargetGroupArn': '%s', 'Targets': [{'Id': '10.0.1.6'}]}",
	     tg);
	r = call(f, "DescribeMetrics", "{}");
	m = json_object_get(r, "Metrics");
	assert_int_equal(json_array_size(m), 4);
	/* the load balancer: the sum of its two listeners */
	assert_string_equal(text_at(json_array_get(m, 0), "LoadBalancerArn"), lb);
	assert_int_equal(value(json_array_get(m, 0), "ActiveFlowCount"), 2 * 103);
	assert_int_equal(value(json_array_get(m, 0), "ActiveFlowCount_TCP"), 2 * 101);
	assert_int_equal(value(json_array_get(m, 0), "ActiveFlowCount_UDP"), 2 * 2);
	assert_int_equal(value(json_array_get(m, 0), "NewFlowCount"), 2 * 109);
	assert_int_equal(value(json_array_get(m, 0), "NewFlowCount_TCP"), 2 * 104);
	assert_int_equal(value(json_array_get(m, 0), "NewFlowCount_UDP"), 2 * 5);
	assert_int_equal(value(json_array_get(m, 0), "ProcessedPackets"), 2 * 106);
	assert_int_equal(value(json_array_get(m, 0), "ProcessedBytes"), 2 * 115);
	assert_int_equal(value(json_array_get(m, 0), "ProcessedBytes_TCP"), 2 * 107);
	assert_int_equal(value(json_array_get(m, 0), "ProcessedBytes_UDP"), 2 * 8);
	assert_int_equal(value(json_array_get(m, 0), "TCP_Client_Reset_Count"), 2 * 109);
	assert_int_equal(value(json_array_get(m, 0), "TCP_Target_Reset_Count"), 2 * 110);
	assert_int_equal(value(json_array_get(m, 0), "TCP_ELB_Reset_Count"), 2 * 111);
	assert_int_equal(value(json_array_get(m, 0), "RejectedFlowCount"), 2 * 125);
	assert_int_equal(value(json_array_get(m, 0), "RejectedFlowCount_TCP"), 2 * 112);
	assert_int_equal(value(json_array_get(m, 0), "PortAllocationErrorCount"), 2 * 114);
	assert_int_equal(value(json_array_get(m, 0), "UnhealthyRoutingFlowCount"), 2 * 116);
	assert_string_equal(text_at(json_array_get(m, 1), "TargetGroupArn"), tg);
	assert_null(at_path(json_array_get(m, 1), "Target"));
	assert_int_equal(value(json_array_get(m, 1), "ActiveFlowCount"), 203);
	assert_int_equal(value(json_array_get(m, 1), "HealthyHostCount"), 1);
	assert_int_equal(value(json_array_get(m, 1), "UnHealthyHostCount"), 0);
	assert_string_equal(text_at(json_array_get(m, 2), "TargetGroupArn"), tg);
	assert_string_equal(text_at(json_array_get(m, 2), "Target.Id"), "10.0.1.5");
	assert_int_equal(json_integer_value(at_path(json_array_get(m, 2), "Target.Port")), 8080);
	assert_int_equal(value(json_array_get(m, 2), "NewFlowCount_TCP"), 304);
	json_decref(r);
	r = call(f, "DescribeMetrics", "{'TargetGroupArn': '%s'}", tg);
	assert_int_equal(json_array_size(at_path(r, "Metrics")), 3);
	json_decref(r);
	fixture_free(f);
}

static void metrics_come_in_pages_of_whole_groups(void **state)
{
	struct fixture *f = fixture_new(two_zones);
	char lb[ARN_MAX], tg[ARN_MAX], ls[ARN_MAX], name[16], marker[32] = "";
	unsigned int groups = 0, targets = 0, lbs = 0, pages = 0;

	(void)state;
	new_lb(f, lb, "web");
	for (int i = 0; i < 5; i++) {
		snprintf(name, sizeof(name), "t%d", i);
		new_tg(f, tg, name, "TCP");
		CALL(f, "RegisterTargets",
		     "{'TargetGroupArn': '%s', 'Targets': [{'Id': '10.0.1.5'}, {'Id': "
		     "'10.0.1.6'}]}",
		     tg);
		if (i < 3)
			new_listener(f, ls, lb, "TCP", 80 + i, tg);
	}
	do {
		json_t *r = call(f, "DescribeMetrics", "{'PageSize': 3, 'Marker': '%s'}", marker);
		json_t *entry;
		size_t i;

		json_array_foreach (json_object_get(r, "Metrics"), i, entry) {
			lbs += json_object_get(entry, "LoadBalancerArn") != NULL;
			targets += json_object_get(entry, "Target") != NULL;
			groups += json_object_get(entry, "TargetGroupArn") != NULL &&
				  json_object_get(entry, "Target") == NULL;
		}
		snprintf(marker, sizeof(marker), "%s",
			 at_path(r, "NextMarker") != NULL ? text_at(r, "NextMarker") : "");
		json_decref(r);
		pages++;
	} while (marker[0] != '\0');
	assert_int_equal(lbs, 1);
	assert_int_equal(groups, 5);
	assert_int_equal(targets, 10);
	assert_int_equal(pages, 5);
	{
		json_t *r = call(f, "DescribeMetrics", "{'LoadBalancerArn': '%s'}", lb);

		assert_int_equal(json_array_size(at_path(r, "Metrics")), 1 + 3 * 3);
		json_decref(r);
	}
	fixture_free(f);
}

static void strange_calls_are_refused(void **state)
{
	struct fixture *f = fixture_new(two_zones);
	json_t *result = NULL, *list = json_array();

	(void)state;
	assert_int_equal(action_run(f->model, "MakeCoffee", NULL, &result, &f->error), -ENOENT);
	assert_string_equal(f->error.code, "InvalidAction");
	assert_int_equal(action_run(f->model, "DescribeTargetGroups", list, &result, &f->error),
			 -EINVAL);
	assert_string_equal(f->error.code, "ValidationError");
	assert_null(result);
	json_decref(list);
	assert_int_equal(action_run(f->model, "DescribeTargetGroups", NULL, &result, &f->error), 0);
	json_decref(result);
	assert_int_equal(f->engine->commits, 0); /* nothing was changed, so nothing is committed */
	call_fails(f, "ValidationError", "DescribeTargetGroups", "{'Name': 'x'}");
	call_fails(f, "ValidationError", "DescribeTargetGroups", "{'Names Marker': 'x'}");
	call_fails(f, "ValidationError", "DescribeTargetGroups", "{'': 'x'}");
	CALL(f, "DescribeTargetGroups", "{'Names': null}");
	fixture_free(f);
}

static void a_long_error_ends_between_two_characters(void **state)
{
	struct fixture *f = fixture_new(two_zones);

	(void)state;
	for (size_t len = 1980; len < 2060; len++) {
		char name[3 * 2060 + 1];
		json_t *params, *result, *message;

		name[0] = '\0';
		memset(name, 'x', len % 3);
		for (size_t i = len % 3; i + 3 <= len * 2; i += 3)
			memcpy(name + i, "\xe6\x9d\xb1", 4);
		params = json_pack("{s:s, s:s, s:i}", "Name", name, "Protocol", "TCP", "Port", 1);
		assert_non_null(params);
		result = try_call(f, "CreateTargetGroup", params);
		assert_null(result);
		assert_true(strlen(f->error.message) > 1500);
		message = json_string(f->error.message); /* NULL when not UTF-8 */
		assert_non_null(message);
		json_decref(message);
		json_decref(params);
	}
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tags_are_added_described_and_removed),
		cmocka_unit_test(tags_keep_their_bounds),
		cmocka_unit_test(at_most_20_resources_in_a_call),
		cmocka_unit_test(limits_are_told_as_strings_in_pages),
		cmocka_unit_test(metrics_have_the_names_of_cloudwatch),
		cmocka_unit_test(metrics_come_in_pages_of_whole_groups),
		cmocka_unit_test(strange_calls_are_refused),
		cmocka_unit_test(a_long_error_ends_between_two_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
