/* SPDX-License-Identifier: BSD-3-Clause */
/* Keys for S3 from the texts they come in. */
#include "control/logs/credentials.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const char file[] = "# keys\n"
			   "[default]\r\n"
			   "aws_access_key_id = AKIDEXAMPLE \r\n"
			   "aws_secret_access_key=with/slash+plus=equals\r\n"
			   "region = eu-central-1\n"
			   "\n"
			   "[ other ]\n"
			   "\taws_access_key_id = test:tester\n"
			   "; aws_session_token = no\n"
			   "aws_secret_access_key = secret\n"
			   "aws_session_token = token\n"
			   "[half]\n"
			   "aws_access_key_id = alone\n";

static int parse(const char *text, const char *profile, struct credentials *found, char *error)
{
	return credentials_parse_file(text, strlen(text), profile, found, error);
}

static void a_shared_file_gives_the_keys_of_one_profile(void **state)
{
	char error[CREDENTIALS_ERROR_MAX];
	struct credentials found;

	(void)state;
	assert_int_equal(parse(file, "default", &found, error), 0);
	assert_string_equal(found.access_key, "AKIDEXAMPLE");
	assert_string_equal(found.secret_key, "with/slash+plus=equals");
	assert_string_equal(found.token, "");
	assert_int_equal(found.expires_s, 0);

	assert_int_equal(parse(file, "other", &found, error), 0);
	assert_string_equal(found.access_key, "test:tester");
	assert_string_equal(found.token, "token");
}

static void what_a_file_lacks_is_named(void **state)
{
	struct credentials found = {.access_key = "untouched"};
	char error[CREDENTIALS_ERROR_MAX];

	(void)state;
	assert_int_equal(parse(file, "nobody", &found, error), -ENOENT);
	assert_string_equal(error, "there is no profile [nobody]");
	assert_int_equal(parse(file, "half", &found, error), -EBADMSG);
	assert_string_equal(error, "the secret key is missing");
	assert_int_equal(parse("[a]\naws_secret_access_key = b\n", "a", &found, error), -EBADMSG);
	assert_string_equal(error, "the access key is missing");
	assert_int_equal(parse("", "a", &found, error), -ENOENT);
	assert_string_equal(found.access_key, "untouched");
}

static void a_key_of_the_longest_length_is_taken_and_no_longer_one(void **state)
{
	char key[CREDENTIALS_KEY_MAX + 1], text[CREDENTIALS_KEY_MAX + 128];
	char error[CREDENTIALS_ERROR_MAX];
	struct credentials found;

	(void)state;
	memset(key, 'k', sizeof(key));
	for (size_t over = 0; over <= 1; over++) {
		snprintf(text, sizeof(text),
			 "[p]\naws_access_key_id=%.*s\naws_secret_access_key=s\n",
			 (int)(CREDENTIALS_KEY_MAX - 1 + over), key);
		assert_int_equal(parse(text, "p", &found, error), over ? -EBADMSG : 0);
	}
	assert_string_equal(error, "the access key must not be longer than 255 characters");
}

static void a_key_that_would_break_a_header_is_refused(void **state)
{
	static const char *const bad[] = {"a b", "a\nX: y", "a\tb", "\xc3\xa4", "a\x7f"};
	char error[CREDENTIALS_ERROR_MAX];
	struct credentials found;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(credentials_set(bad[i], "s", NULL, &found, error), -EBADMSG);
		assert_int_equal(credentials_set("a", bad[i], NULL, &found, error), -EBADMSG);
		assert_int_equal(credentials_set("a", "s", bad[i], &found, error), -EBADMSG);
		assert_string_equal(error, "the session token holds blanks or control characters");
	}
}

static int parse_json(const char *text, struct credentials *found, char *error)
{
	return credentials_parse_json(text, strlen(text), found, error);
}

static void a_metadata_answer_gives_keys_and_their_end(void **state)
{
	char error[CREDENTIALS_ERROR_MAX];
	struct credentials found;

	(void)state;
	assert_int_equal(parse_json("{\"Code\":\"Success\",\"AccessKeyId\":\"ASIA\","
				    "\"SecretAccessKey\":\"s\",\"Token\":\"t\","
				    "\"Expiration\":\"2026-11-21T06:00:01Z\"}",
				    &found, error),
			 0);
	assert_string_equal(found.access_key, "ASIA");
	assert_string_equal(found.token, "t");
	assert_int_equal(found.expires_s, 1795240801);
}

static void a_broken_metadata_answer_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"[]",
		"{\"AccessKeyId\":\"a\"}",
		"{\"AccessKeyId\":1,\"SecretAccessKey\":\"s\"}",
		"{\"AccessKeyId\":\"a\",\"SecretAccessKey\":\"s\",\"Expiration\":\"tomorrow\"}",
		"{\"AccessKeyId\":\"a\",\"SecretAccessKey\":\"s\"",
	};
	char error[CREDENTIALS_ERROR_MAX];
	struct credentials found;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(parse_json(bad[i], &found, error), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_shared_file_gives_the_keys_of_one_profile),
		cmocka_unit_test(what_a_file_lacks_is_named),
		cmocka_unit_test(a_key_of_the_longest_length_is_taken_and_no_longer_one),
		cmocka_unit_test(a_key_that_would_break_a_header_is_refused),
		cmocka_unit_test(a_metadata_answer_gives_keys_and_their_end),
		cmocka_unit_test(a_broken_metadata_answer_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
