/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bucket test: writes one small object at once, to learn whether logs can be
 * written to a bucket. NLB does so when access logs are configured.
 */
#ifndef SLUICE_BUCKET_TEST_H
#define SLUICE_BUCKET_TEST_H

#include "control/logs/s3.h"

struct bucket_test; /* on its way */

/** @result 0, -EACCES (the bucket refused, or is not there), -ETIMEDOUT, or as in struct s3_result.
 *  @text is valid during the call; the test is over and freed behind it. */
typedef void bucket_test_done(void *context, int result, const char *text);

/**
 * Begin. A refusal is tried once more, with credentials fetched anew.
 *
 * Returns 0 or -ENOMEM. @done is called within @timeout_ms, once, unless cancelled; never from
 * within.
 */
int bucket_test_begin(uv_loop_t *loop, struct s3 *s3, const char *bucket, const char *key,
		      const char *body, uint32_t timeout_ms, bucket_test_done *done, void *context,
		      struct bucket_test **ret_test);
/** To be called before s3_close(); NULL is fine. */
void bucket_test_cancel(struct bucket_test *test);

#endif
