/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/ctl_operation.h"

#include "control/ctl_resolve.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#define TIMEOUT_S 600 /* as the AWS CLI: 40 times 15 s */
#define TIMEOUT_MAX_S 604800
#define PERIOD_NS 200000000

enum verdict { VERDICT_DONE, VERDICT_NOT_YET };

/* Whether all entries of the list have @value at object.member; @empty is the answer for none. */
static enum verdict all_are(const json_t *result, const char *list, const char *object,
			    const char *member, const char *value, enum verdict empty)
{
	const json_t *entries = json_object_get(result, list);
	const char *text;
	json_t *entry;
	size_t i;

	json_array_foreach ((json_t *)entries, i, entry) {
		text = json_string_value(json_object_get(json_object_get(entry, object), member));
		if (text == NULL || strcmp(text, value) != 0)
			return VERDICT_NOT_YET;
	}
	return json_array_size(entries) > 0 ? VERDICT_DONE : empty;
}

static enum verdict in_service(const json_t *result)
{
	return all_are(result, "TargetHealthDescriptions", "TargetHealth", "State", "healthy",
		       VERDICT_NOT_YET);
}

/* By the reason: a registered target of a group not in use is "unused" as well. */
static enum verdict deregistered(const json_t *result)
{
	return all_are(result, "TargetHealthDescriptions", "TargetHealth", "Reason",
		       "Target.NotRegistered", VERDICT_DONE);
}

static enum verdict exists(const json_t *result)
{
	return json_array_size(json_object_get(result, "LoadBalancers")) > 0 ? VERDICT_DONE
									     : VERDICT_NOT_YET;
}

static enum verdict available(const json_t *result)
{
	return all_are(result, "LoadBalancers", "State", "Code", "active", VERDICT_NOT_YET);
}

static enum verdict deleted(const json_t *result)
{
	return exists(result) == VERDICT_DONE ? VERDICT_NOT_YET : VERDICT_DONE;
}

static const struct waiter {
	const char *command;
	const char *method;
	enum verdict (*judge)(const json_t *result);
	const char *api_code; /* an error that is an answer, and ... */
	enum verdict on_code; /* ... which */
} waiters[] = {
	{"wait target-in-service", "DescribeTargetHealth", in_service, "InvalidTarget",
	 VERDICT_NOT_YET},
	{"wait target-deregistered", "DescribeTargetHealth", deregistered, "InvalidTarget",
	 VERDICT_DONE},
	{"wait load-balancer-exists", "DescribeLoadBalancers", exists, "LoadBalancerNotFound",
	 VERDICT_NOT_YET},
	{"wait load-balancer-available", "DescribeLoadBalancers", available, "LoadBalancerNotFound",
	 VERDICT_NOT_YET},
	{"wait load-balancers-deleted", "DescribeLoadBalancers", deleted, "LoadBalancerNotFound",
	 VERDICT_DONE},
};

/* Names are resolved each time: what they name may come and go. */
static int ask(struct ctl_client *client, const struct ctl_args *args, const struct waiter *waiter,
	       enum verdict *ret_verdict, struct ctl_error *error)
{
	json_t *params = json_deep_copy(args->params), *result = NULL;
	int r;

	if (params == NULL)
		return ctl_fail_memory(error);
	r = ctl_resolve(client, args->command, params, error);
	if (r == 0)
		r = ctl_client_call(client, waiter->method, params, &result, error);
	if (r == 0) {
		*ret_verdict = waiter->judge(result);
	} else if (r == -EREMOTEIO && strcmp(error->api_code, waiter->api_code) == 0) {
		*ret_verdict = waiter->on_code;
		r = 0;
	}
	json_decref(params);
	json_decref(result);
	return r;
}

static long seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (long)now.tv_sec;
}

int ctl_wait_run(struct ctl_client *client, const struct ctl_args *args, struct ctl_error *error)
{
	const struct timespec period = {.tv_nsec = PERIOD_NS};
	const struct waiter *waiter = waiters;
	enum verdict verdict;
	long timeout_s, begin_s = seconds_now();
	int r;

	r = ctl_args_local_number(args, "timeout", 1, TIMEOUT_MAX_S, TIMEOUT_S, &timeout_s, error);
	if (r < 0)
		return r;
	while (strcmp(waiter->command, args->command->name) != 0)
		waiter++;
	for (;;) {
		r = ask(client, args, waiter, &verdict, error);
		if (r < 0 || verdict == VERDICT_DONE)
			return r;
		if (seconds_now() - begin_s >= timeout_s)
			return ctl_fail(error, CTL_EXIT_WAIT, "%s: not within %ld s",
					args->command->name, timeout_s);
		nanosleep(&period, NULL);
	}
}
