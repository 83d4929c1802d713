/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/arn.h"

#include "control/config.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define BASE "arn:aws:elasticloadbalancing:us-east-1:123456789012:"

static const struct config here = {.region = "us-east-1", .account_id = "123456789012"};

static void what_is_formatted_parses_back(void **state)
{
	const struct arn arns[] = {
		{ARN_LOAD_BALANCER, "web", 0x0123456789abcdef, 0x0123456789abcdef},
		{ARN_LISTENER, "web", 0x0123456789abcdef, 0xfedcba9876543210},
		{ARN_TARGET_GROUP, "t", 0, 1},
	};
	const char *const texts[] = {
		BASE "loadbalancer/net/web/0123456789abcdef",
		BASE "listener/net/web/0123456789abcdef/fedcba9876543210",
		BASE "targetgroup/t/0000000000000001",
	};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		char text[ARN_MAX];
		struct arn arn;

		assert_string_equal(arn_format(&here, &arns[i], text), texts[i]);
		assert_int_equal(arn_parse(&here, text, &arn), 0);
		assert_int_equal(arn.type, arns[i].type);
		assert_string_equal(arn.name, arns[i].name);
		assert_true(arn.id == arns[i].id);
		assert_true(arn.load_balancer_id == arns[i].load_balancer_id);
	}
}

static void malformed_and_foreign_arns_are_refused(void **state)
{
	const char *const texts[] = {
		"",
		"web",
		"arn:aws:elasticloadbalancing:us-east-1:123456789012",
		"arn:aws:elasticloadbalancing:us-west-2:123456789012:targetgroup/t/"
		"0000000000000001",
		"arn:aws:elasticloadbalancing:us-east-1:999999999999:targetgroup/t/"
		"0000000000000001",
		"arn:aws-cn:elasticloadbalancing:us-east-1:123456789012:targetgroup/t/"
		"0000000000000001",
		BASE "targetgroup/t/000000000000001",
		BASE "targetgroup/t/0000000000000000001",
		BASE "targetgroup/t/000000000000000G",
		BASE "targetgroup/t/000000000000000A",
		BASE "targetgroup/t/0000000000000001/",
		BASE "targetgroup//0000000000000001",
		BASE "targetgroup/0000000000000001",
		BASE "targetgroup/123456789012345678901234567890123/0000000000000001",
		BASE "loadbalancer/app/web/0123456789abcdef",
		BASE "loadbalancer/net/web",
		BASE "listener/net/web/0123456789abcdef",
		BASE "listener/net/web/0123456789abcdef/fedcba9876543210/1",
		BASE "listener-rule/net/web/0123456789abcdef/fedcba9876543210/0123456789abcdef",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct arn arn = {.id = 42};

		if (arn_parse(&here, texts[i], &arn) != -EINVAL)
			fail_msg("accepted: %s", texts[i]);
		assert_true(arn.id == 42);
	}
}

static void longer_ids_of_aws_are_read_as_an_id_that_nobody_has(void **state)
{
	struct arn arn;

	(void)state;
	assert_int_equal(arn_parse(&here, BASE "targetgroup/t/000000000000000123", &arn), 0);
	assert_true(arn.id == 0);
	assert_int_equal(arn_parse(&here,
				   BASE
				   "targetgroup/12345678901234567890123456789012/ffffffffffffffff",
				   &arn),
			 0);
	assert_true(arn.id == UINT64_MAX);
}

static void the_partition_follows_the_region(void **state)
{
	const struct config cn = {.region = "cn-north-1", .account_id = "123456789012"};
	const struct config gov = {.region = "us-gov-west-1", .account_id = "123456789012"};
	const struct arn arn = {ARN_TARGET_GROUP, "t", 0, 1};
	char text[ARN_MAX];

	(void)state;
	assert_string_equal(arn_format(&cn, &arn, text),
			    "arn:aws-cn:elasticloadbalancing:cn-north-1:123456789012:targetgroup/t/"
			    "0000000000000001");
	assert_string_equal(
		arn_format(&gov, &arn, text),
		"arn:aws-us-gov:elasticloadbalancing:us-gov-west-1:123456789012:targetgroup/t/"
		"0000000000000001");
}

static void the_longest_arn_and_dns_name_fit(void **state)
{
	struct config config = {.account_id = "123456789012"};
	struct arn arn = {.type = ARN_LISTENER, .load_balancer_id = UINT64_MAX, .id = 7}, back;
	char text[ARN_MAX], dns[ARN_DNS_MAX];

	(void)state;
	memset(config.region, 'r', sizeof(config.region) - 1);
	memset(arn.name, 'n', sizeof(arn.name) - 1);
	assert_int_equal(arn_parse(&config, arn_format(&config, &arn, text), &back), 0);
	assert_true(back.id == 7);
	arn_dns_name(&config, arn.name, UINT64_MAX, dns);
	assert_string_equal(dns + strlen(dns) - strlen(".amazonaws.com"), ".amazonaws.com");
}

static void names_and_zones_are_those_of_aws(void **state)
{
	char text[ARN_DNS_MAX];

	(void)state;
	assert_string_equal(arn_dns_name(&here, "n", 0x0123456789abcdef, text),
			    "n-0123456789abcdef.elb.us-east-1.amazonaws.com");
	assert_string_equal(arn_hosted_zone("us-east-1"), "Z26RNL4JYFTOTI");
	assert_string_equal(arn_hosted_zone("eu-north-1"), "Z1UDT6IFJ4EJM");
	assert_null(arn_hosted_zone("mars-east-1"));
}

static void ids_differ_and_are_never_0(void **state)
{
	uint64_t ids[64];

	(void)state;
	for (size_t i = 0; i < 64; i++) {
		assert_int_equal(arn_new_id(&ids[i]), 0);
		assert_true(ids[i] != 0);
		for (size_t j = 0; j < i; j++)
			assert_true(ids[i] != ids[j]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_formatted_parses_back),
		cmocka_unit_test(malformed_and_foreign_arns_are_refused),
		cmocka_unit_test(longer_ids_of_aws_are_read_as_an_id_that_nobody_has),
		cmocka_unit_test(the_partition_follows_the_region),
		cmocka_unit_test(the_longest_arn_and_dns_name_fit),
		cmocka_unit_test(names_and_zones_are_those_of_aws),
		cmocka_unit_test(ids_differ_and_are_never_0),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
