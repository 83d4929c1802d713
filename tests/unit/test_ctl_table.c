/* SPDX-License-Identifier: BSD-3-Clause */
/* What sluicectl prints: cells, tables, records, pages, rates. */
#include "control/ctl_cell.h"
#include "control/ctl_output.h"
#include "control/ctl_rates.h"
#include "control/ctl_screen.h"
#include "control/ctl_table.h"
#include "control/ctl_view.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LB_ARN "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/net/web/0123"
#define TG_ARN "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/tasks/4567"

static json_t *json(const char *text)
{
	json_error_t error;
	json_t *value = json_loads(text, JSON_DECODE_ANY, &error);

	if (value == NULL)
		fail_msg("%s in %s", error.text, text);
	return value;
}

/* --- cells ---------------------------------------------------------------------------- */

static void cell(const char *expected, const char *object_text, const char *path)
{
	json_t *object = json(object_text);
	char *got = NULL;
	size_t len;
	FILE *out = open_memstream(&got, &len);

	ctl_cell_path(out, object, path);
	fclose(out);
	assert_string_equal(got, expected);
	free(got);
	json_decref(object);
}

static void follows_paths(void **state)
{
	(void)state;
	cell("active", "{\"State\": {\"Code\": \"active\"}}", "State.Code");
	cell("", "{\"State\": {\"Code\": \"active\"}}", "State.Reason");
	cell("", "{\"State\": 5}", "State.Code");
	cell("a,b", "{\"Z\": [{\"N\": \"a\"}, {}, {\"N\": \"b\"}]}", "Z[].N");
	cell("1,2,3", "{\"Z\": [{\"N\": [1, 2]}, {\"N\": [3]}]}", "Z[].N[]");
	cell("", "{\"Z\": 5}", "Z[].N");
	cell("true,false", "{\"Z\": [true, false]}", "Z[]");
	cell("-9223372036854775808", "{\"N\": -9223372036854775808}", "N");
	cell("{\"a\":1}", "{\"N\": {\"a\": 1}}", "N");
	cell("", "{\"N\": null}", "N");
	cell("web,tasks,other", "{\"A\": [\"" LB_ARN "\", \"" TG_ARN "\", \"other\"]}", "A[]|name");
}

static void disarms_control_characters(void **state)
{
	(void)state;
	cell("a?[31mb??c", "{\"N\": \"a\\u001b[31mb\\n\\tc\"}", "N");
	cell("x??y", "{\"N\": \"x\\u0080\\u009by\"}", "N");
	cell("\xc2\xa0\xc3\xa4?", "{\"N\": \"\\u00a0\\u00e4\\u007f\"}", "N");
	assert_int_equal(ctl_cell_width("\xc3\xa4\xe2\x82\xac!"), 3);
}

static void shortens_rates(void **state)
{
	static const struct {
		double value;
		const char *text;
	} cases[] = {
		{0, "0"},	  {0.4, "0"},
		{999.4, "999"},	  {999.5, "1.0k"},
		{1234, "1.2k"},	  {9949, "9.9k"},
		{9950, "10k"},	  {999499, "999k"},
		{999500, "1.0M"}, {1e9, "1.0G"},
		{2.5e18, "2.5E"}, {-5, "0"},
		{NAN, "0"},	  {1e300, "1000000000E"},
	};
	char text[16];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ctl_cell_rate(cases[i].value, text);
		assert_string_equal(text, cases[i].text);
	}
}

/* --- tables ----------------------------------------------------------------------------- */

static const struct ctl_column columns[] = {
	{"Name", "N", false},
	{"Count", "C", true},
	{"Last", "L", false},
	{NULL, NULL, false},
};

static char *table(enum ctl_format format, const char *rows_text, size_t flush_every)
{
	json_t *rows = json(rows_text), *row;
	char *got = NULL;
	size_t len, i;
	FILE *out = open_memstream(&got, &len);
	struct ctl_table *t = ctl_table_open(out, format, columns);

	assert_non_null(t);
	json_array_foreach (rows, i, row) {
		assert_int_equal(ctl_table_row(t, row), 0);
		if ((i + 1) % flush_every == 0)
			ctl_table_flush(t);
	}
	ctl_table_flush(t);
	assert_int_equal(ctl_table_row(t, rows), 0); /* never flushed: freed, not printed */
	ctl_table_free(t);
	fclose(out);
	json_decref(rows);
	return got;
}

static void aligns_columns(void **state)
{
	char *got;

	(void)state;
	got = table(CTL_TABLE,
		    "[{\"N\": \"a\", \"C\": 5, \"L\": \"x\"}, "
		    "{\"N\": \"l\\u00e4nger\", \"C\": 1234567}]",
		    100);
	assert_string_equal(got, "Name      Count  Last\n"
				 "a             5  x\n"
				 "l\xc3\xa4nger  1234567  -\n");
	free(got);
	got = table(CTL_LINES, "[{\"N\": \"a\", \"C\": 5}, {\"L\": \"b\"}]", 100);
	assert_string_equal(got, "a\t5\t-\n-\t-\tb\n");
	free(got);
	got = table(CTL_TABLE, "[]", 1);
	assert_string_equal(got, "Name  Count  Last\n");
	free(got);
}

static void widens_from_page_to_page(void **state)
{
	char *got;

	(void)state;
	got = table(CTL_TABLE, "[{\"N\": \"a\"}, {\"N\": \"abcdef\"}, {\"N\": \"b\"}]", 1);
	assert_string_equal(got, "Name  Count  Last\n"
				 "a         -  -\n"
				 "abcdef      -  -\n"
				 "b           -  -\n");
	free(got);
}

/* --- views and records --------------------------------------------------------------------- */

/* The pages that a command gets, as it prints them. */
static char *printed(const char *command, enum ctl_format format, const char *const *pages,
		     const char *next_token)
{
	char *got = NULL;
	size_t len;
	FILE *out = open_memstream(&got, &len);
	struct ctl_output *output = ctl_output_open(out, format, ctl_commands_find(command));

	assert_non_null(output);
	for (; *pages != NULL; pages++) {
		json_t *page = json(*pages);

		assert_int_equal(ctl_output_page(output, page), 0);
		json_decref(page);
	}
	ctl_output_end(output, next_token);
	ctl_output_free(output);
	fclose(out);
	return got;
}
#define PAGES(...)                \
	(const char *const[])     \
	{                         \
		__VA_ARGS__, NULL \
	}

static void prints(const char *expected, char *got)
{
	assert_string_equal(got, expected);
	free(got);
}

static void shows_lists_in_columns(void **state)
{
	(void)state;
	prints("Target    Port  Zone    State     Reason            Last probe         "
	       "Description\n"
	       "10.0.1.5    80  rack-1  healthy   -                 status 503 1.5 ms  -\n"
	       "fd77::1   8080  -       draining  Target.Something  -                  Some "
	       "text\n",
	       printed("describe-target-health", CTL_TABLE,
		       PAGES("{\"TargetHealthDescriptions\": [{\"Target\": {\"Id\": \"10.0.1.5\", "
			     "\"Port\": 80, \"AvailabilityZone\": \"rack-1\"}, \"TargetHealth\": "
			     "{\"State\": \"healthy\"}, \"LastProbe\": {\"Result\": \"status\", "
			     "\"HttpCode\": 503, \"DurationMicroseconds\": 1500}}, {\"Target\": "
			     "{\"Id\": "
			     "\"fd77::1\", "
			     "\"Port\": 8080}, \"TargetHealth\": {\"State\": \"draining\", "
			     "\"Reason\": \"Target.Something\", \"Description\": \"Some "
			     "text\"}}]}"),
		       NULL));
	prints("Listener  Protocol  Port  Forwards\n"
	       "web:80    TCP         80  tasks\n"
	       "web:81    UDP         81  tasks=9,tasks=1\n",
	       printed("describe-listeners", CTL_TABLE,
		       PAGES("{\"Listeners\": [{\"LoadBalancerArn\": \"" LB_ARN
			     "\", \"Protocol\": \"TCP\", \"Port\": 80, \"DefaultActions\": "
			     "[{\"TargetGroupArn\": \"" TG_ARN
			     "\"}]}, {\"LoadBalancerArn\": \"" LB_ARN
			     "\", \"Protocol\": \"UDP\", \"Port\": 81, \"DefaultActions\": "
			     "[{\"ForwardConfig\": {\"TargetGroups\": [{\"TargetGroupArn\": "
			     "\"" TG_ARN "\", \"Weight\": 9}, {\"TargetGroupArn\": \"" TG_ARN
			     "\", \"Weight\": 1}]}}]}]}"),
		       NULL));
	prints("r1\tk1\tv1\nr1\tk2\t-\n",
	       printed("describe-tags", CTL_LINES,
		       PAGES("{\"TagDescriptions\": [{\"ResourceArn\": \"r1\", \"Tags\": "
			     "[{\"Key\": "
			     "\"k1\", \"Value\": \"v1\"}, {\"Key\": \"k2\", \"Value\": \"\"}]}, "
			     "{\"ResourceArn\": \"r2\", \"Tags\": []}]}"),
		       NULL));
	prints("TCP\testablished\t10.0.0.2:5\t[fd77::1]:80\t1.1.1.1:2\t1.1.1.2:3\t"
	       "tasks\t1\t2\t3\t4\n",
	       printed("describe-flows", CTL_LINES,
		       PAGES("{\"Flows\": [{\"Protocol\": \"TCP\", \"State\": \"established\", "
			     "\"ClientIp\": \"10.0.0.2\", \"ClientPort\": 5, \"VipIp\": "
			     "\"fd77::1\", "
			     "\"VipPort\": 80, \"NatIp\": \"1.1.1.1\", \"NatPort\": 2, "
			     "\"TargetIp\": "
			     "\"1.1.1.2\", \"TargetPort\": 3, \"TargetGroupArn\": \"" TG_ARN
			     "\", \"ClientPackets\": 1, \"TargetPackets\": 2, \"ClientBytes\": 3, "
			     "\"TargetBytes\": 4}]}"),
		       NULL));
}

static void shows_one_object_as_lines(void **state)
{
	(void)state;
	prints("Name           web\n"
	       "State.Code     active\n"
	       "Zones[0].Name  a\n"
	       "Zones[1].Name  b\n",
	       printed("create-load-balancer", CTL_TABLE,
		       PAGES("{\"LoadBalancers\": [{\"Name\": \"web\", \"State\": {\"Code\": "
			     "\"active\"}, \"Zones\": [{\"Name\": \"a\"}, {\"Name\": \"b\"}]}]}"),
		       NULL));
	prints("Kind       xdp\n"
	       "Ended.fin  3\n"
	       "Ended.rst  0\n"
	       "\nInterfaces\n"
	       "Name  Up\n"
	       "eth0  true\n"
	       "\nDrops\n"
	       "Reason  Packets\n"
	       "race          7\n",
	       printed("describe-engine", CTL_TABLE,
		       PAGES("{\"Kind\": \"xdp\", \"Interfaces\": [{\"Name\": \"eth0\", \"Up\": "
			     "true}], "
			     "\"Drops\": [{\"Reason\": \"truncated\", \"Packets\": 0}, "
			     "{\"Reason\": "
			     "\"race\", \"Packets\": 7}], \"Idle\": [{\"Packets\": 0}], "
			     "\"Ended\": {\"fin\": 3, \"rst\": 0}}"),
		       NULL));
	prints("", printed("register-targets", CTL_TABLE, PAGES("{}"), NULL));
	prints("{}\n", printed("register-targets", CTL_JSON, PAGES("{}"), NULL));
}

static void makes_one_document_of_all_pages(void **state)
{
	const char *const *pages =
		PAGES("{\"Limits\": [{\"Name\": \"a\", \"Max\": \"1\"}]}", "{\"Limits\": []}",
		      "{\"Limits\": [{\"Name\": \"b\\nc\", \"Max\": \"2\"}]}");
	json_t *want, *got;
	char *text;

	(void)state;
	prints("Name  Max\na       1\nb?c     2\n",
	       printed("describe-account-limits", CTL_TABLE, pages, NULL));
	text = printed("describe-account-limits", CTL_JSON, pages, NULL);
	assert_string_equal(text, "{\n"
				  "    \"Limits\": [\n"
				  "        {\n"
				  "            \"Name\": \"a\",\n"
				  "            \"Max\": \"1\"\n"
				  "        },\n"
				  "        {\n"
				  "            \"Name\": \"b\\nc\",\n"
				  "            \"Max\": \"2\"\n"
				  "        }\n"
				  "    ]\n"
				  "}\n");
	free(text);
	text = printed("describe-account-limits", CTL_JSON, PAGES("{\"Limits\": []}"), "to\"ken");
	got = json(text);
	want = json("{\"Limits\": [], \"NextToken\": \"to\\\"ken\"}");
	assert_true(json_equal(got, want));
	json_decref(got);
	json_decref(want);
	free(text);
}

/* Whatever shape a reply has, it is printed somehow. */
static void survives_replies_of_another_shape(void **state)
{
	static const char *const replies[] = {
		"{}",
		"[]",
		"null",
		"7",
		"{\"%s\": null}",
		"{\"%s\": {}}",
		"{\"%s\": [null, 7, \"x\", [], {}]}",
		"{\"%s\": [{\"Target\": 5, \"TargetHealth\": [], \"Tags\": [7], \"Values\": 7}]}",
		"{\"%s\": [{\"AvailabilityZones\": [{\"LoadBalancerAddresses\": [7]}, 8]}]}",
		"{\"%s\": [{\"DefaultActions\": [{\"ForwardConfig\": {\"TargetGroups\": [7]}}]}]}",
		"{\"%s\": [{\"DefaultActions\": [{\"ForwardConfig\": {\"TargetGroups\": [{}]}}]}]}",
		"{\"%s\": [{\"LoadBalancerArn\": 7, \"TargetGroupArn\": {}, \"Port\": \"x\"}]}",
	};
	const struct ctl_command *command;
	char text[512];

	(void)state;
	for (command = ctl_commands(); command->name != NULL; command++) {
		for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
			snprintf(text, sizeof(text), replies[i],
				 command->list != NULL ? command->list : "Some");
			for (int format = CTL_TABLE; format <= CTL_LINES; format++)
				free(printed(command->name, (enum ctl_format)format, PAGES(text),
					     NULL));
		}
	}
}

/* --- rates -------------------------------------------------------------------------------- */

#define METRIC(arn, flows, packets, bytes)                                         \
	"{" arn ", \"Values\": {\"ActiveFlowCount\": 4, \"NewFlowCount\": " #flows \
	", \"ProcessedPackets\": " #packets ", \"ProcessedBytes\": " #bytes "}}"
#define OF_LB "\"LoadBalancerArn\": \"" LB_ARN "\""
#define OF_TG "\"TargetGroupArn\": \"" TG_ARN "\""
#define OF_TARGET OF_TG ", \"Target\": {\"Id\": \"fd77::1\", \"Port\": 80}"
#define OF_LONE "\"TargetGroupArn\": \"lone\""
#define GROUPS "[{" OF_TG ", \"LoadBalancerArns\": [\"" LB_ARN "\"]}, {" OF_LONE "}]"

static json_t *update(struct ctl_rates *rates, const char *metrics_text, int64_t now_ms)
{
	json_t *metrics = json(metrics_text), *groups = json(GROUPS), *rows;

	rows = ctl_rates_update(rates, metrics, groups, now_ms);
	assert_non_null(rows);
	json_decref(metrics);
	json_decref(groups);
	return rows;
}

static void row_is(const json_t *rows, size_t i, int depth, const char *name, double flows,
		   double packets, double bytes)
{
	const json_t *row = json_array_get(rows, i);

	assert_non_null(row);
	assert_int_equal(json_integer_value(json_object_get(row, "Depth")), depth);
	assert_string_equal(json_string_value(json_object_get(row, "Name")), name);
	assert_true(json_number_value(json_object_get(row, "NewFlowsPerSecond")) == flows);
	assert_true(json_number_value(json_object_get(row, "PacketsPerSecond")) == packets);
	assert_true(json_number_value(json_object_get(row, "BytesPerSecond")) == bytes);
}

static void takes_differences(void **state)
{
	struct ctl_rates *rates = ctl_rates_open();
	json_t *rows;

	(void)state;
	rows = update(rates,
		      "[" METRIC(OF_LB, 100, 1000, 10000) "," METRIC(OF_LONE, 1, 1, 1) "," METRIC(
			      OF_TG, 50, 500, 5000) "]",
		      5000);
	assert_int_equal(json_array_size(rows), 3);
	row_is(rows, 0, 0, "web", 0, 0, 0);
	row_is(rows, 1, 1, "tasks", 0, 0, 0);
	row_is(rows, 2, 1, "lone", 0, 0, 0);
	json_decref(rows);
	/* two seconds later: a new target, a counter that went back */
	rows = update(rates,
		      "[" METRIC(OF_LB, 110, 1001, 10000) "," METRIC(OF_LONE, 0, 1, 3) "," METRIC(
			      OF_TG, 51, 600, 9000) "," METRIC(OF_TARGET, 2, 20, 200) "]",
		      7000);
	assert_int_equal(json_array_size(rows), 4);
	row_is(rows, 0, 0, "web", 5, 0.5, 0);
	row_is(rows, 1, 1, "tasks", 0.5, 50, 2000);
	row_is(rows, 2, 2, "[fd77::1]:80", 1, 10, 100);
	row_is(rows, 3, 1, "lone", 0, 0, 1);
	json_decref(rows);
	/* no time has passed: no rate is infinite */
	rows = update(rates, "[" METRIC(OF_LB, 200, 2000, 20000) "]", 7000);
	row_is(rows, 0, 0, "web", 0, 0, 0);
	json_decref(rows);
	ctl_rates_free(rates);
}

static void cuts_lines_to_the_screen(void **state)
{
	(void)state;
	assert_int_equal(ctl_screen_fit("abc\ndef", 80), 3);
	assert_int_equal(ctl_screen_fit("abcdef", 3), 3);
	assert_int_equal(ctl_screen_fit("\xc3\xa4\xc3\xb6\xc3\xbc", 2), 4);
	assert_int_equal(ctl_screen_fit("", 2), 0);
	assert_int_equal(ctl_screen_fit("abc", 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(follows_paths),
		cmocka_unit_test(disarms_control_characters),
		cmocka_unit_test(shortens_rates),
		cmocka_unit_test(aligns_columns),
		cmocka_unit_test(widens_from_page_to_page),
		cmocka_unit_test(shows_lists_in_columns),
		cmocka_unit_test(shows_one_object_as_lines),
		cmocka_unit_test(makes_one_document_of_all_pages),
		cmocka_unit_test(survives_replies_of_another_shape),
		cmocka_unit_test(takes_differences),
		cmocka_unit_test(cuts_lines_to_the_screen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
