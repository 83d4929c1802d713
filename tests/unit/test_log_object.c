/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/logs/log_object.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct logs_settings settings = {.account_id = "123456789012", .region = "us-east-2"};
static const struct logs_destination destination = {
	.load_balancer_id = 0x1234567890abcdef,
	.load_balancer = "my-loadbalancer",
	.bucket = "my-bucket",
	.prefix = "prefix",
};

/* The example of NLB's documentation. */
static void a_key_is_made_as_nlb_makes_it(void **state)
{
	char folder[LOG_OBJECT_FOLDER_MAX], stem[LOG_OBJECT_STEM_MAX], name[LOG_OBJECT_NAME_MAX];
	char date[LOG_OBJECT_DATE_MAX], key[LOG_OBJECT_KEY_MAX];

	(void)state;
	log_object_folder(&settings, destination.prefix, folder);
	log_object_stem(&settings, &destination, stem);
	log_object_name(stem, 1588291200, "20sg8hgm", name);
	log_object_date(1588291200, date);
	log_object_key(folder, date, name, key);
	assert_string_equal(key, "prefix/AWSLogs/123456789012/elasticloadbalancing/us-east-2/"
				 "2020/05/01/123456789012_elasticloadbalancing_us-east-2_net."
				 "my-loadbalancer.1234567890abcdef_20200501T0000Z_20sg8hgm.log.gz");
}

static void an_end_within_a_minute_counts_as_its_end(void **state)
{
	char name[LOG_OBJECT_NAME_MAX];

	(void)state;
	log_object_name("x", 1588291200 - 59, "aaaaaaaa", name);
	assert_string_equal(name, "x_20200501T0000Z_aaaaaaaa.log.gz");
	log_object_name("x", 1588291200 + 1, "aaaaaaaa", name);
	assert_string_equal(name, "x_20200501T0001Z_aaaaaaaa.log.gz");
}

static void a_prefix_may_be_missing_or_have_slashes(void **state)
{
	static const char *const cases[][2] = {
		{"", "AWSLogs/123456789012/elasticloadbalancing/us-east-2"},
		{"/", "AWSLogs/123456789012/elasticloadbalancing/us-east-2"},
		{"a/b/", "a/b/AWSLogs/123456789012/elasticloadbalancing/us-east-2"},
		{"/a", "a/AWSLogs/123456789012/elasticloadbalancing/us-east-2"},
	};
	char folder[LOG_OBJECT_FOLDER_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		log_object_folder(&settings, cases[i][0], folder);
		assert_string_equal(folder, cases[i][1]);
	}
}

static void the_longest_names_fit(void **state)
{
	struct logs_settings long_settings = {.account_id = "123456789012"};
	struct logs_destination long_destination = {.load_balancer_id = UINT64_MAX};
	char folder[LOG_OBJECT_FOLDER_MAX], stem[LOG_OBJECT_STEM_MAX], name[LOG_OBJECT_NAME_MAX];
	char key[LOG_OBJECT_KEY_MAX], body[256];

	(void)state;
	memset(long_settings.region, 'r', LOGS_NAME_MAX);
	memset(long_destination.load_balancer, 'n', LOGS_NAME_MAX);
	memset(long_destination.prefix, 'p', LOGS_PREFIX_MAX);
	log_object_folder(&long_settings, long_destination.prefix, folder);
	log_object_stem(&long_settings, &long_destination, stem);
	assert_non_null(strstr(stem, "n.ffffffffffffffff"));
	log_object_name(stem, 1588291200, "aaaaaaaa", name);
	log_object_key(folder, "20200501", name, key);
	assert_int_equal(strlen(key), strlen(folder) + strlen("/2020/05/01/") + strlen(name));
	assert_string_equal(key + strlen(key) - 7, ".log.gz");
	assert_in_range(strlen(name), 200, 255 - sizeof("20200501."));
	log_object_test(&long_settings, &long_destination, 0, key, body);
	assert_string_equal(key + LOGS_PREFIX_MAX, "/AWSLogs/123456789012/ELBAccessLogTestFile");
}

static void the_test_object_is_that_of_nlb(void **state)
{
	char key[LOG_OBJECT_KEY_MAX], body[256];

	(void)state;
	log_object_test(&settings, &destination, 1489861030999, key, body);
	assert_string_equal(key, "prefix/AWSLogs/123456789012/ELBAccessLogTestFile");
	assert_string_equal(
		body, "Enable AccessLog for ELB: my-loadbalancer at 2017-03-18T18:17:10.999Z");
}

static void random_parts_are_lower_case_letters_and_digits_and_differ(void **state)
{
	char a[LOG_OBJECT_RANDOM_BYTES + 1] = "", b[LOG_OBJECT_RANDOM_BYTES + 1] = "";

	(void)state;
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(log_object_random(a), 0);
		assert_int_equal(strspn(a, "abcdefghijklmnopqrstuvwxyz0123456789"), 8);
		assert_string_not_equal(a, b);
		memcpy(b, a, sizeof(b));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_is_made_as_nlb_makes_it),
		cmocka_unit_test(an_end_within_a_minute_counts_as_its_end),
		cmocka_unit_test(a_prefix_may_be_missing_or_have_slashes),
		cmocka_unit_test(the_longest_names_fit),
		cmocka_unit_test(the_test_object_is_that_of_nlb),
		cmocka_unit_test(random_parts_are_lower_case_letters_and_digits_and_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
