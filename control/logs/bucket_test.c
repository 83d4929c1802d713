/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/logs/bucket_test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRIES 2 /* the first may use credentials that were changed since */

struct bucket_test {
	struct s3 *s3;
	struct s3_call *call;
	uv_timer_t timer;
	char *bucket, *key, *body;
	unsigned int tries;
	bucket_test_done *done;
	void *context;
};

static void on_closed(uv_handle_t *handle)
{
	struct bucket_test *test = handle->data;

	free(test->bucket);
	free(test->key);
	free(test->body);
	free(test);
}

static void close_test(struct bucket_test *test)
{
	uv_close((uv_handle_t *)&test->timer, on_closed);
}

static void finish(struct bucket_test *test, int result, const char *text)
{
	close_test(test);
	test->done(test->context, result, text);
}

static void answered(void *context, const struct s3_result *result);

static int try_once(struct bucket_test *test)
{
	const struct s3_request request = {
		.method = "PUT",
		.bucket = test->bucket,
		.key = test->key,
		.body = test->body,
		.body_len = strlen(test->body),
		.makes_object = true,
	};

	test->tries++;
	return s3_send(test->s3, &request, answered, test, &test->call);
}

static void answered(void *context, const struct s3_result *result)
{
	struct bucket_test *test = context;

	test->call = NULL;
	if (result->error == -EACCES && test->tries < TRIES && try_once(test) == 0)
		return;
	finish(test, result->error == -ENOENT ? -EACCES : result->error, result->text);
}

static void on_timeout(uv_timer_t *timer)
{
	struct bucket_test *test = timer->data;

	s3_cancel(test->call);
	finish(test, -ETIMEDOUT, "the server did not answer in time");
}

int bucket_test_begin(uv_loop_t *loop, struct s3 *s3, const char *bucket, const char *key,
		      const char *body, uint32_t timeout_ms, bucket_test_done *done, void *context,
		      struct bucket_test **ret_test)
{
	struct bucket_test *test = calloc(1, sizeof(*test));
	int r = -ENOMEM;

	if (test == NULL)
		return -ENOMEM;
	*test = (struct bucket_test){
		.s3 = s3,
		.bucket = strdup(bucket),
		.key = strdup(key),
		.body = strdup(body),
		.done = done,
		.context = context,
	};
	uv_timer_init(loop, &test->timer);
	test->timer.data = test;
	if (test->bucket != NULL && test->key != NULL && test->body != NULL)
		r = try_once(test);
	if (r < 0) {
		close_test(test);
		return r;
	}
	uv_timer_start(&test->timer, on_timeout, timeout_ms, 0);
	*ret_test = test;
	return 0;
}

void bucket_test_cancel(struct bucket_test *test)
{
	if (test == NULL)
		return;
	s3_cancel(test->call);
	close_test(test);
}
