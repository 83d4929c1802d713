/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls that wait until a bucket was tested. */
#include "control/bucket_check.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct rig {
	struct bucket_checks *checks;
	struct logs_destination tested;
	void (*answer)(void *test_context, int result, const char *text);
	void *test_context[BUCKET_CHECKS_MAX + 1];
	unsigned int n_tests, n_done, n_forgotten;
	const void *forgotten;
	int test_result;
	struct rpc_client *client;
	char params[128];
	struct action_error error; /* code "": passed */
};

static int begin_test(void *context, const struct logs_destination *destination,
		      void (*answer)(void *test_context, int result, const char *text),
		      void *test_context)
{
	struct rig *rig = context;

	rig->tested = *destination;
	rig->answer = answer;
	if (rig->test_result == 0)
		rig->test_context[rig->n_tests++] = test_context;
	return rig->test_result;
}

static void forget_test(void *context, const void *test_context)
{
	struct rig *rig = context;

	rig->forgotten = test_context;
	rig->n_forgotten++;
}

static void done(void *context, struct rpc_client *client, const json_t *params,
		 const struct action_error *error)
{
	struct rig *rig = context;
	char *text = json_dumps(params, JSON_COMPACT);

	rig->n_done++;
	rig->client = client;
	snprintf(rig->params, sizeof(rig->params), "%s", text);
	rig->error = error != NULL ? *error : (struct action_error){.code = ""};
	free(text);
}

static int setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	const struct bucket_check_events events = {rig, begin_test, forget_test, done};

	assert_int_equal(bucket_checks_open(&events, &rig->checks), 0);
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	bucket_checks_close(rig->checks);
	/* each test was answered, or forgotten */
	assert_int_equal(rig->n_done + rig->n_forgotten, rig->n_tests);
	free(rig);
	return 0;
}

/* Clients are only handed around, never looked into. */
static struct rpc_client *client_of(uintptr_t number)
{
	return (struct rpc_client *)(number * 16);
}

static int begin(struct rig *rig, uintptr_t client, const char *bucket)
{
	struct logs_destination destination = {.load_balancer_id = 9};
	json_t *params = json_pack("{s:s}", "Bucket", bucket);
	int r;

	snprintf(destination.bucket, sizeof(destination.bucket), "%s", bucket);
	r = bucket_checks_begin(rig->checks, client_of(client), params, &destination, &rig->error);
	json_decref(params);
	return r;
}

static void a_call_goes_on_when_its_bucket_was_written_to(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(begin(rig, 1, "one"), 0);
	assert_string_equal(rig->tested.bucket, "one");
	assert_int_equal(rig->n_done, 0);
	rig->answer(rig->test_context[0], 0, "");
	assert_int_equal(rig->n_done, 1);
	assert_ptr_equal(rig->client, client_of(1));
	assert_string_equal(rig->params, "{\"Bucket\":\"one\"}");
	assert_string_equal(rig->error.code, "");
}

static void a_bucket_that_refuses_is_told_in_the_words_of_nlb(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(begin(rig, 1, "one"), 0);
	rig->answer(rig->test_context[0], -EACCES, "HTTP 403 AccessDenied");
	assert_string_equal(rig->error.code, "InvalidConfigurationRequest");
	assert_string_equal(rig->error.message,
			    "Access Denied for bucket: one. Please check S3bucket permission");
}

static void a_server_in_trouble_is_no_refusal(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(begin(rig, 1, "one"), 0);
	rig->answer(rig->test_context[0], -EAGAIN, "HTTP 503 SlowDown");
	assert_string_equal(rig->error.code, "ServiceUnavailable");
	assert_string_equal(rig->error.message,
			    "Bucket one could not be tested: HTTP 503 SlowDown");
}

static void a_test_that_cannot_begin_fails_the_call_at_once(void **state)
{
	struct rig *rig = *state;

	rig->test_result = -ENOMEM;
	assert_int_equal(begin(rig, 1, "one"), -EINVAL);
	assert_string_equal(rig->error.code, "ServiceUnavailable");
	assert_int_equal(rig->n_done, 0);
}

static void a_client_that_went_is_forgotten_and_no_other(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(begin(rig, 1, "one"), 0);
	assert_int_equal(begin(rig, 2, "two"), 0);
	bucket_checks_forget(rig->checks, client_of(1));
	bucket_checks_forget(rig->checks, client_of(3));
	assert_int_equal(rig->n_forgotten, 1);
	assert_ptr_equal(rig->forgotten, rig->test_context[0]);
	rig->answer(rig->test_context[1], 0, "");
	assert_ptr_equal(rig->client, client_of(2));
	assert_string_equal(rig->params, "{\"Bucket\":\"two\"}");
}

static void no_more_calls_wait_than_the_limit(void **state)
{
	struct rig *rig = *state;

	for (uintptr_t i = 1; i <= BUCKET_CHECKS_MAX; i++)
		assert_int_equal(begin(rig, i, "one"), 0);
	assert_int_equal(begin(rig, 99, "one"), -EINVAL);
	assert_string_equal(rig->error.code, "Throttling");
	rig->answer(rig->test_context[7], 0, "");
	assert_int_equal(begin(rig, 99, "one"), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_call_goes_on_when_its_bucket_was_written_to),
		TEST(a_bucket_that_refuses_is_told_in_the_words_of_nlb),
		TEST(a_server_in_trouble_is_no_refusal),
		TEST(a_test_that_cannot_begin_fails_the_call_at_once),
		TEST(a_client_that_went_is_forgotten_and_no_other),
		TEST(no_more_calls_wait_than_the_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
