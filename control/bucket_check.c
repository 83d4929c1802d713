/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/bucket_check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

struct check {
	struct bucket_checks *checks;
	struct rpc_client *client;
	json_t *params;
	char bucket[LOGS_BUCKET_MAX + 1];
	struct check *prev, *next;
};

struct bucket_checks {
	struct bucket_check_events on;
	struct check *waiting;
	unsigned int n_waiting;
};

static void fill(struct action_error *error, const char *code, const char *bucket,
		 const char *reason)
{
	snprintf(error->code, sizeof(error->code), "%s", code);
	snprintf(error->message, sizeof(error->message), "Bucket %s could not be tested: %s",
		 bucket, reason);
}

static void free_check(struct check *check)
{
	DL_DELETE(check->checks->waiting, check);
	check->checks->n_waiting--;
	json_decref(check->params);
	free(check);
}

static void tested(void *context, int result, const char *text)
{
	struct check *check = context;
	struct bucket_checks *checks = check->checks;
	struct rpc_client *client = check->client;
	json_t *params = json_incref(check->params);
	struct action_error error;

	if (result == -EACCES) {
		snprintf(error.code, sizeof(error.code), "InvalidConfigurationRequest");
		snprintf(error.message, sizeof(error.message),
			 "Access Denied for bucket: %s. Please check S3bucket permission",
			 check->bucket);
	} else if (result != 0) {
		fill(&error, "ServiceUnavailable", check->bucket, text);
	}
	free_check(check);
	checks->on.done(checks->on.context, client, params, result != 0 ? &error : NULL);
	json_decref(params);
}

int bucket_checks_begin(struct bucket_checks *checks, struct rpc_client *client,
			const json_t *params, const struct logs_destination *destination,
			struct action_error *error)
{
	struct check *check;
	int r;

	if (checks->n_waiting >= BUCKET_CHECKS_MAX) {
		fill(error, "Throttling", destination->bucket, "too many tests are under way");
		return -EINVAL;
	}
	check = calloc(1, sizeof(*check));
	if (check == NULL)
		return -ENOMEM;
	check->checks = checks;
	check->client = client;
	check->params = json_deep_copy(params);
	snprintf(check->bucket, sizeof(check->bucket), "%s", destination->bucket);
	DL_APPEND(checks->waiting, check);
	checks->n_waiting++;
	r = check->params != NULL ? 0 : -ENOMEM;
	if (r == 0)
		r = checks->on.test(checks->on.context, destination, tested, check);
	if (r < 0) {
		fill(error, "ServiceUnavailable", destination->bucket, strerror(-r));
		free_check(check);
		return -EINVAL;
	}
	return 0;
}

static void cancel(struct check *check)
{
	check->checks->on.forget(check->checks->on.context, check);
	free_check(check);
}

void bucket_checks_forget(struct bucket_checks *checks, const struct rpc_client *client)
{
	struct check *check, *next;

	DL_FOREACH_SAFE(checks->waiting, check, next)
	{
		if (check->client == client)
			cancel(check);
	}
}

int bucket_checks_open(const struct bucket_check_events *events, struct bucket_checks **ret_checks)
{
	struct bucket_checks *checks = calloc(1, sizeof(*checks));

	if (checks == NULL)
		return -ENOMEM;
	checks->on = *events;
	*ret_checks = checks;
	return 0;
}

void bucket_checks_close(struct bucket_checks *checks)
{
	if (checks == NULL)
		return;
	while (checks->waiting != NULL)
		cancel(checks->waiting);
	free(checks);
}
