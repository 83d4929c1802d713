/* SPDX-License-Identifier: BSD-3-Clause */
/* The access_logs section of the config. */
#include "control/config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ZONES                                                                   \
	"\"zones\": [{\"name\": \"a\", \"interface\": \"eth0\", \"vip_pool\": " \
	"[\"10.0.0.16/28\"]}]"

/* Parse a config with this access_logs section; NULL: refused, with the error. */
static struct config *parse(const char *section, char error[CONFIG_ERROR_MAX])
{
	struct config *config = NULL;
	char text[8192];

	snprintf(text, sizeof(text),
		 "{\"region\": \"eu-west-1\", \"access_logs\": {%s}, " ZONES "}", section);
	if (config_parse("c", text, strlen(text), &config, error) < 0)
		return NULL;
	return config;
}

static void every_key_is_read(void **state)
{
	char error[CONFIG_ERROR_MAX];
	struct config *c = parse(
		"\"queue\": \"/q\", \"spool_dir\": \"/s\", \"spool_mib\": 2, \"file_kib\": 2048, "
		"\"interval_seconds\": 1, \"user\": \"logger\", "
		"\"lb_access_logs_expiration_days\": 30, "
		"\"s3\": {\"endpoint\": \"https://s3.example.net:9000\", \"region\": \"r-1\", "
		"\"addressing\": \"path\", \"ca_file\": \"/ca.pem\", \"encryption\": \"aws:kms\", "
		"\"kms_key_id\": \"arn:k\", \"credentials\": {\"source\": \"file\", \"file\": "
		"\"/keys\", \"profile\": \"logs\"}, \"timeout_seconds\": 300, "
		"\"retry_max_seconds\": 3600, \"part_mib\": 64}",
		error);

	(void)state;
	assert_non_null(c);
	assert_string_equal(c->logs_queue, "/q");
	assert_string_equal(c->logs_user, "logger");
	assert_string_equal(c->logs.spool_dir, "/s");
	assert_int_equal(c->logs.spool_bytes_max, 2 << 20);
	assert_int_equal(c->logs.file_bytes_max, 2 << 20);
	assert_int_equal(c->logs.interval_s, 1);
	assert_int_equal(c->logs.expiration_days, 30);
	assert_string_equal(c->logs.region, "eu-west-1");
	assert_string_equal(c->logs.s3.region, "r-1");
	assert_string_equal(c->logs.s3.endpoint, "https://s3.example.net:9000");
	assert_int_equal(c->logs.s3.path_style, 1);
	assert_string_equal(c->logs.s3.ca_file, "/ca.pem");
	assert_int_equal(c->logs.s3.encryption, S3_ENCRYPTION_KMS);
	assert_string_equal(c->logs.s3.kms_key_id, "arn:k");
	assert_int_equal(c->logs.s3.credentials, S3_CREDENTIALS_FILE);
	assert_string_equal(c->logs.s3.credentials_file, "/keys");
	assert_string_equal(c->logs.s3.profile, "logs");
	assert_int_equal(c->logs.s3.timeout_s, 300);
	assert_int_equal(c->logs.s3.retry_max_s, 3600);
	assert_int_equal(c->logs.s3.part_mib, 64);
	config_free(c);
}

static void what_is_left_out_has_its_default(void **state)
{
	char error[CONFIG_ERROR_MAX];
	struct config *c = parse("", error);

	(void)state;
	assert_non_null(c);
	assert_int_equal(c->logs.interval_s, 300);
	assert_int_equal(c->logs.spool_bytes_max, 4ull << 30);
	assert_int_equal(c->logs.expiration_days, 0);
	assert_string_equal(c->logs.s3.region, "eu-west-1");
	assert_string_equal(c->logs.s3.endpoint, "");
	assert_int_equal(c->logs.s3.path_style, 0);
	assert_int_equal(c->logs.s3.encryption, S3_ENCRYPTION_NONE);
	assert_int_equal(c->logs.s3.credentials, S3_CREDENTIALS_AUTO);
	assert_string_equal(c->logs.s3.profile, "default");
	assert_int_equal(c->logs.s3.timeout_s, 30);
	assert_int_equal(c->logs.s3.retry_max_s, 60);
	assert_int_equal(c->logs.s3.part_mib, 8);
	config_free(c);
}

static const struct refusal {
	const char *section, *error;
} refusals[] = {
	{"\"interval_seconds\": 0",
	 "access_logs.interval_seconds: must be a whole number from 1 to 3600"},
	{"\"interval_seconds\": 3601",
	 "access_logs.interval_seconds: must be a whole number from 1 to 3600"},
	{"\"lb_access_logs_expiration_days\": 36501",
	 "access_logs.lb_access_logs_expiration_days: must be a whole number from 0 to 36500"},
	{"\"spool_mib\": 1, \"file_kib\": 2048",
	 "access_logs.file_kib: a file of 2048 KiB does not fit a spool_mib of 1"},
	{"\"s3\": []", "access_logs.s3: must be an object"},
	{"\"s3\": {\"endpoint\": \"s3.example.net\"}",
	 "access_logs.s3.endpoint: 's3.example.net' must be http://HOST[:PORT] or "
	 "https://HOST[:PORT]"},
	{"\"s3\": {\"endpoint\": \"https://s3.example.net/path\"}",
	 "access_logs.s3.endpoint: 'https://s3.example.net/path' must be http://HOST[:PORT] or "
	 "https://HOST[:PORT]"},
	{"\"s3\": {\"endpoint\": \"https://\"}",
	 "access_logs.s3.endpoint: 'https://' must be http://HOST[:PORT] or https://HOST[:PORT]"},
	{"\"s3\": {\"addressing\": \"host\"}",
	 "access_logs.s3.addressing: must be one of \"virtual\", \"path\""},
	{"\"s3\": {\"encryption\": \"aes256\"}",
	 "access_logs.s3.encryption: must be one of \"none\", \"AES256\", \"aws:kms\""},
	{"\"s3\": {\"kms_key_id\": \"a b\"}",
	 "access_logs.s3.kms_key_id: 'a b' must be ASCII without spaces"},
	{"\"s3\": {\"ca_file\": \"ca.pem\"}",
	 "access_logs.s3.ca_file: 'ca.pem' must be an absolute path of a file"},
	{"\"s3\": {\"credentials\": {\"secret\": \"x\"}}",
	 "access_logs.s3.credentials.secret: unknown key"},
	{"\"s3\": {\"timeout_seconds\": 301}",
	 "access_logs.s3.timeout_seconds: must be a whole number from 1 to 300"},
	{"\"s3\": {\"retry_max_seconds\": 0}",
	 "access_logs.s3.retry_max_seconds: must be a whole number from 1 to 3600"},
	{"\"s3\": {\"part_mib\": 4}",
	 "access_logs.s3.part_mib: must be a whole number from 5 to 64"},
	{"\"s3\": {\"part_mib\": 65}",
	 "access_logs.s3.part_mib: must be a whole number from 5 to 64"},
};

static void what_cannot_be_is_refused_by_name_and_range(void **state)
{
	char error[CONFIG_ERROR_MAX], want[CONFIG_ERROR_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		assert_null(parse(refusals[i].section, error));
		snprintf(want, sizeof(want), "c: %s", refusals[i].error);
		assert_string_equal(error, want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_is_read),
		cmocka_unit_test(what_is_left_out_has_its_default),
		cmocka_unit_test(what_cannot_be_is_refused_by_name_and_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
