/* SPDX-License-Identifier: BSD-3-Clause */
/* The URLs of S3 calls, whose every byte is signed. */
#include "control/logs/s3.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROUNDS 20000

static struct s3_settings settings_of(const char *endpoint, bool path_style)
{
	struct s3_settings settings = {.region = "eu-test-1", .path_style = path_style};

	snprintf(settings.endpoint, sizeof(settings.endpoint), "%s", endpoint);
	return settings;
}

static void urls_are_of_either_style(void **state)
{
	static const struct {
		const char *endpoint, *key, *query, *url;
		bool path_style;
	} cases[] = {
		{"http://s3:9000", "a/b", NULL, "http://s3:9000/logs/a/b", true},
		{"http://s3:9000", NULL, "uploads=", "http://s3:9000/logs?uploads=", true},
		{"https://s3.net", "a b", NULL, "https://logs.s3.net/a%20b", false},
		{"https://s3.net", NULL, "lifecycle=", "https://logs.s3.net/?lifecycle=", false},
		{"", "a", NULL, "https://logs.s3.eu-test-1.amazonaws.com/a", false},
		{"", "a", NULL, "https://s3.eu-test-1.amazonaws.com/logs/a", true},
	};
	char url[S3_URL_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct s3_settings settings = settings_of(cases[i].endpoint, cases[i].path_style);
		const struct s3_request request = {
			.bucket = "logs", .key = cases[i].key, .query = cases[i].query};

		assert_int_equal(s3_url(&settings, &request, url), 0);
		assert_string_equal(url, cases[i].url);
	}
}

static void the_longest_key_fits(void **state)
{
	struct s3_settings settings = settings_of("https://s3.net", true);
	char key[S3_KEY_MAX], query[S3_URL_MAX], url[S3_URL_MAX];
	const struct s3_request request = {.bucket = "logs", .key = key, .query = query};

	(void)state;
	memset(key, '\xff', sizeof(key) - 1);
	key[sizeof(key) - 1] = '\0';
	memset(query, 'q', sizeof(query));
	query[3 * S3_UPLOAD_ID_MAX] = '\0';
	assert_int_equal(s3_url(&settings, &request, url), 0);
	query[3 * S3_UPLOAD_ID_MAX] = 'q';
	query[sizeof(query) - 1] = '\0';
	assert_int_equal(s3_url(&settings, &request, url), -ENAMETOOLONG);
}

/* The slow model: RFC 3986 §2.3 by a table of what is left alone. */
static void slow_encode(const char *text, const char *keep, char *to)
{
	static const char plain[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

	for (to[0] = '\0'; *text != '\0'; text++) {
		char piece[4];

		snprintf(piece, sizeof(piece), "%%%02X", (unsigned char)*text);
		if (strchr(plain, *text) != NULL || strchr(keep, *text) != NULL)
			snprintf(piece, sizeof(piece), "%c", *text);
		strcat(to, piece);
	}
}

static void encoding_agrees_with_slow_model(void **state)
{
	unsigned int too_long = 0, fitting = 0;

	(void)state;
	srand(11);
	for (int round = 0; round < ROUNDS; round++) {
		size_t len = (size_t)rand() % 40, size = 1 + (size_t)rand() % 100;
		const char *keep = rand() % 2 ? "/" : "";
		char text[48], slow[160], fast[100] = "";

		for (size_t i = 0; i < len; i++)
			text[i] = (char)(1 + rand() % 255);
		text[len] = '\0';
		slow_encode(text, keep, slow);
		if (s3_encode(fast, size, text, keep)) {
			assert_string_equal(fast, slow);
			fitting++;
		} else {
			assert_true(strlen(slow) >= size);
			assert_memory_equal(fast, slow, strlen(fast));
			too_long++;
		}
	}
	assert_true(too_long > 1000 && fitting > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(urls_are_of_either_style),
		cmocka_unit_test(the_longest_key_fits),
		cmocka_unit_test(encoding_agrees_with_slow_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
