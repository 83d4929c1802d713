/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/matcher.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static bool matches(const struct probe_range *ranges, int n, int code)
{
	for (int i = 0; i < n; i++) {
		if (code >= ranges[i].first && code <= ranges[i].last)
			return true;
	}
	return false;
}

static void wrong_ones_are_refused(void **state)
{
	static const char *const wrong[] = {
		"",	    "2",       "20",	      "2000",	     "199",	"600",
		"200-600",  "300-299", "200-",	      "-200",	     "200,",	",200",
		"200,,201", "200 ",    "200-299-399", "2xx",	     "200;201", "0200",
		"200,199",  "+20",     "200--300",    "200-300,20x",
	};
	struct probe_range ranges[MESSAGES_RANGES_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		if (matcher_parse(wrong[i], ranges) != -EINVAL)
			fail_msg("'%s' passes", wrong[i]);
	}
}

static void the_longest_one_has_64_ranges(void **state)
{
	struct probe_range ranges[MESSAGES_RANGES_MAX];
	char text[MATCHER_MAX + 4] = "";

	(void)state;
	for (int i = 0; i < MESSAGES_RANGES_MAX; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%d", i > 0 ? "," : "",
			 200 + i);
	assert_int_equal(strlen(text), MATCHER_MAX);
	assert_int_equal(matcher_parse(text, ranges), MESSAGES_RANGES_MAX);
	assert_int_equal(ranges[MESSAGES_RANGES_MAX - 1].last, 263);
	strcat(text, "-");
	assert_int_equal(matcher_parse(text, ranges), -EINVAL);
}

/* A list of random codes and ranges means what a table of 600 codes says. */
static void agrees_with_slow_model(void **state)
{
	const unsigned int seed = 599;

	(void)state;
	print_message("seed %u\n", seed);
	srand(seed);
	for (int round = 0; round < 2000; round++) {
		struct probe_range ranges[MESSAGES_RANGES_MAX];
		bool want[600] = {false};
		char text[MATCHER_MAX + 1] = "";
		int n = 1 + rand() % 30;

		for (int i = 0; i < n; i++) {
			int first = 200 + rand() % 400, last = first + rand() % (600 - first);
			bool single = rand() % 2 == 0;
			size_t len = strlen(text);

			snprintf(text + len, sizeof(text) - len, single ? "%s%d" : "%s%d-%d",
				 i > 0 ? "," : "", first, last);
			for (int code = first; code <= (single ? first : last); code++)
				want[code] = true;
		}
		assert_int_equal(matcher_parse(text, ranges), n);
		for (int code = 0; code < 600; code++)
			assert_int_equal(matches(ranges, n, code), want[code]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_ones_are_refused),
		cmocka_unit_test(the_longest_one_has_64_ranges),
		cmocka_unit_test(agrees_with_slow_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
