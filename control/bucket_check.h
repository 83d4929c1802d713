/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bucket check: keeps calls that set a bucket for access logs waiting until
 * sluice-logs has written its test object there. NLB does so, and changes nothing
 * when the bucket refuses.
 */
#ifndef SLUICE_BUCKET_CHECK_H
#define SLUICE_BUCKET_CHECK_H

#include "control/action.h"
#include "control/logs/logs_messages.h"

#include <jansson.h>

#define BUCKET_CHECKS_MAX 64 /* calls that wait at once */

struct bucket_checks;
struct rpc_client;

struct bucket_check_events {
	void *context;
	/** Begin a test, as access_logs_test(); forget it, as access_logs_forget(). */
	int (*test)(void *context, const struct logs_destination *destination,
		    void (*done)(void *test_context, int result, const char *text),
		    void *test_context);
	void (*forget)(void *context, const void *test_context);
	/** The end of a check: the call may be run (@error is NULL), or must be refused. */
	void (*done)(void *context, struct rpc_client *client, const json_t *params,
		     const struct action_error *error);
};

/** Events are copied. Returns 0 or -ENOMEM. */
int bucket_checks_open(const struct bucket_check_events *events, struct bucket_checks **ret_checks);
/** Calls that wait are dropped; NULL is fine. */
void bucket_checks_close(struct bucket_checks *checks);

/**
 * Check a bucket for a client's call with @params, which are copied.
 *
 * Returns 0, and done() is called later; or -EINVAL with @error filled, -ENOMEM.
 */
int bucket_checks_begin(struct bucket_checks *checks, struct rpc_client *client,
			const json_t *params, const struct logs_destination *destination,
			struct action_error *error);

/** The client has gone; its call is not run. Also when it waits for nothing. */
void bucket_checks_forget(struct bucket_checks *checks, const struct rpc_client *client);

#endif
