/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/actions.h"
#include "control/logs/logs_messages.h"
#include "control/model_engine.h"
#include "control/model_store.h"

#include <stdio.h>
#include <string.h>
#include <utlist.h>

static int show(json_t *result, const struct attributes *attributes)
{
	return actions_set(result, "Attributes", attributes_describe(attributes));
}

/* Take the changed set, keeping the old one to compare with or to go back to. */
static void swap(struct attributes *a, struct attributes *b)
{
	struct attributes tmp = *a;

	*a = *b;
	*b = tmp;
}

int action_describe_load_balancer_attributes(struct model *model, const struct params *params,
					     json_t *result)
{
	struct load_balancer *load_balancer;
	int r = actions_load_balancer(model, params, &load_balancer);

	return r == 0 ? show(result, &load_balancer->attributes) : r;
}

int action_modify_load_balancer_attributes(struct model *model, const struct params *params,
					   json_t *result)
{
	struct load_balancer *load_balancer;
	struct attributes other;
	struct group *group;
	int r;

	r = actions_load_balancer(model, params, &load_balancer);
	if (r == 0)
		r = attributes_change(&load_balancer->attributes, params, &other);
	if (r < 0)
		return r;
	swap(&load_balancer->attributes, &other);
	if (attributes_is_true(&other, ATTRIBUTE_LB_CROSS_ZONE) !=
	    attributes_is_true(&load_balancer->attributes, ATTRIBUTE_LB_CROSS_ZONE)) {
		DL_FOREACH (load_balancer->groups, group) {
			if (r == 0)
				r = model_engine_refresh(model, group);
		}
	}
	attributes_free(&other);
	if (r == 0)
		r = model_store_save_load_balancer(model, load_balancer);
	return r == 0 ? show(result, &load_balancer->attributes) : r;
}

static bool is_same(const struct attributes *a, const struct attributes *b,
		    enum attribute attribute)
{
	return strcmp(attributes_get(a, attribute), attributes_get(b, attribute)) == 0;
}

bool action_wants_bucket_test(struct model *model, const json_t *object,
			      struct logs_destination *ret_destination)
{
	struct action_error error;
	const struct params params = {.object = object, .error = &error};
	struct load_balancer *load_balancer;
	struct attributes next;
	const char *bucket;
	bool wants;

	if (!json_is_object(object) || actions_load_balancer(model, &params, &load_balancer) < 0 ||
	    attributes_change(&load_balancer->attributes, &params, &next) < 0)
		return false;
	bucket = attributes_get(&next, ATTRIBUTE_LOGS_BUCKET);
	wants = bucket[0] != '\0' &&
		(!is_same(&load_balancer->attributes, &next, ATTRIBUTE_LOGS_BUCKET) ||
		 !is_same(&load_balancer->attributes, &next, ATTRIBUTE_LOGS_PREFIX) ||
		 (!is_same(&load_balancer->attributes, &next, ATTRIBUTE_LOGS_ENABLED) &&
		  attributes_is_true(&next, ATTRIBUTE_LOGS_ENABLED)));
	if (wants) {
		memset(ret_destination, 0, sizeof(*ret_destination));
		ret_destination->load_balancer_id = load_balancer->id;
		snprintf(ret_destination->load_balancer, sizeof(ret_destination->load_balancer),
			 "%s", load_balancer->name);
		snprintf(ret_destination->bucket, sizeof(ret_destination->bucket), "%s", bucket);
		snprintf(ret_destination->prefix, sizeof(ret_destination->prefix), "%s",
			 attributes_get(&next, ATTRIBUTE_LOGS_PREFIX));
	}
	attributes_free(&next);
	return wants;
}

int action_describe_target_group_attributes(struct model *model, const struct params *params,
					    json_t *result)
{
	struct group *group;
	int r = actions_group(model, params, &group);

	return r == 0 ? show(result, &group->attributes) : r;
}

/* A group that shares a listener with others may be sticky only if the listener is. */
static int check_stickiness(const struct params *params, const struct group *group)
{
	struct listener *listener, *listener_next;

	if (group->load_balancer == NULL ||
	    !attributes_is_true(&group->attributes, ATTRIBUTE_STICKINESS))
		return 0;
	model_each (group->load_balancer->listeners, listener, hh_port) {
		const struct forward *forward = &listener->forward;

		for (unsigned int i = 0; i < forward->n; i++) {
			if (forward->to[i].group == group && forward->n > 1 && !forward->sticky)
				return params_fail(params, "InvalidConfigurationRequest",
						   "You cannot enable stickiness on the target "
						   "group '%s' while a listener forwards to it "
						   "and others without target group stickiness",
						   group->name);
		}
	}
	return 0;
}

/* Our own intervals of health checks, which the config must allow. */
static int check_times(const struct model *model, const struct params *params,
		       const struct group *group)
{
	long interval_ms = attributes_number(&group->attributes, ATTRIBUTE_CHECK_INTERVAL_MS);
	long timeout_ms = attributes_number(&group->attributes, ATTRIBUTE_CHECK_TIMEOUT_MS);

	if ((interval_ms != 0 || timeout_ms != 0) && !model->config->health_fast_intervals)
		return params_fail(params, "InvalidConfigurationRequest",
				   "'sluice.health_check.interval_ms' and "
				   "'sluice.health_check.timeout_ms' can be set only with "
				   "health.fast_intervals in the config file");
	if (timeout_ms > (interval_ms != 0 ? interval_ms : (long)group->check.interval_s * 1000))
		return params_fail(params, "InvalidConfigurationRequest",
				   "'sluice.health_check.timeout_ms' must not be above the "
				   "interval");
	return 0;
}

int action_modify_target_group_attributes(struct model *model, const struct params *params,
					  json_t *result)
{
	struct attributes other;
	struct group *group;
	int r;

	r = actions_group(model, params, &group);
	if (r < 0)
		return r;
	r = attributes_change(&group->attributes, params, &other);
	if (r < 0)
		return r;
	swap(&group->attributes, &other);
	r = check_stickiness(params, group);
	if (r == 0)
		r = check_times(model, params, group);
	if (r < 0)
		swap(&group->attributes, &other);
	attributes_free(&other);
	if (r < 0)
		return r;
	r = model_engine_refresh(model, group);
	if (r == 0)
		r = model_store_save_group(model, group);
	return r == 0 ? show(result, &group->attributes) : r;
}

int action_describe_listener_attributes(struct model *model, const struct params *params,
					json_t *result)
{
	struct listener *listener;
	int r = actions_listener(model, params, &listener);

	return r == 0 ? show(result, &listener->attributes) : r;
}

int action_modify_listener_attributes(struct model *model, const struct params *params,
				      json_t *result)
{
	struct attributes next;
	struct listener *listener;
	int r;

	r = actions_listener(model, params, &listener);
	if (r == 0)
		r = attributes_change(&listener->attributes, params, &next);
	if (r < 0)
		return r;
	attributes_free(&listener->attributes);
	listener->attributes = next;
	r = model_engine_put_listener(model, listener);
	if (r == 0)
		r = model_store_save_listener(model, listener);
	return r == 0 ? show(result, &listener->attributes) : r;
}
