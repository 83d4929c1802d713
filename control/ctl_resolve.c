/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/ctl_resolve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct resolver {
	struct ctl_client *client;
	struct ctl_error *error;
};

/* --- one name --------------------------------------------------------------------------- */

/* The ARN of the one thing that Describe... finds by its name. */
static int find_by_name(struct resolver *resolver, const char *method, const char *list,
			const char *member, const char *name, json_t **ret_arn)
{
	json_t *params = json_pack("{s:[s]}", "Names", name), *result = NULL, *arn;
	int r;

	if (params == NULL)
		return ctl_fail_memory(resolver->error);
	r = ctl_client_call(resolver->client, method, params, &result, resolver->error);
	json_decref(params);
	if (r < 0)
		return r;
	arn = json_object_get(json_array_get(json_object_get(result, list), 0), member);
	if (json_is_string(arn))
		*ret_arn = json_incref(arn);
	else
		r = ctl_fail(resolver->error, CTL_EXIT_IO, "sluiced's answer to %s has no %s",
			     method, member);
	json_decref(result);
	return r;
}

static int find_load_balancer(struct resolver *resolver, const char *name, json_t **ret_arn)
{
	return find_by_name(resolver, "DescribeLoadBalancers", "LoadBalancers", "LoadBalancerArn",
			    name, ret_arn);
}

static int find_group(struct resolver *resolver, const char *name, json_t **ret_arn)
{
	return find_by_name(resolver, "DescribeTargetGroups", "TargetGroups", "TargetGroupArn",
			    name, ret_arn);
}

static int find_port(struct resolver *resolver, json_t *params, long long port, json_t **ret_arn)
{
	json_t *listeners, *listener, *arn = NULL;
	size_t i;
	int r;

	r = ctl_client_list(resolver->client, "DescribeListeners", params, "Listeners", &listeners,
			    resolver->error);
	if (r < 0)
		return r;
	json_array_foreach (listeners, i, listener) {
		if (json_integer_value(json_object_get(listener, "Port")) == port)
			arn = json_object_get(listener, "ListenerArn");
	}
	if (json_is_string(arn))
		*ret_arn = json_incref(arn);
	else
		r = ctl_fail_api(resolver->error, "DescribeListeners", "ListenerNotFound",
				 "One or more listeners not found");
	json_decref(listeners);
	return r;
}

static int find_listener(struct resolver *resolver, const char *name, json_t **ret_arn)
{
	const char *colon = strrchr(name, ':');
	char *end = NULL, *balancer;
	long long port = 0;
	json_t *params, *arn = NULL;
	int r;

	if (colon != NULL)
		port = strtoll(colon + 1, &end, 10);
	if (port < 1 || port > 65535 || *end != '\0')
		return ctl_fail(resolver->error, CTL_EXIT_USAGE,
				"'%.80s' names no listener: give its ARN, or LOAD-BALANCER:PORT",
				name);
	balancer = strndup(name, (size_t)(colon - name));
	if (balancer == NULL)
		return ctl_fail_memory(resolver->error);
	r = find_load_balancer(resolver, balancer, &arn);
	free(balancer);
	if (r < 0)
		return r;
	params = json_pack("{s:o}", "LoadBalancerArn", arn);
	r = params != NULL ? find_port(resolver, params, port, ret_arn)
			   : ctl_fail_memory(resolver->error);
	json_decref(params);
	return r;
}

/* A load balancer and a target group may have the same name. */
static int find_any(struct resolver *resolver, const char *name, json_t **ret_arn)
{
	json_t *balancer = NULL, *group = NULL;
	int r;

	if (strchr(name, ':') != NULL)
		return find_listener(resolver, name, ret_arn);
	r = find_load_balancer(resolver, name, &balancer);
	if (r < 0 && strcmp(resolver->error->api_code, "LoadBalancerNotFound") != 0)
		return r;
	r = find_group(resolver, name, &group);
	if (r < 0 && strcmp(resolver->error->api_code, "TargetGroupNotFound") != 0) {
		json_decref(balancer);
		return r;
	}
	if (balancer != NULL && group != NULL) {
		json_decref(balancer);
		json_decref(group);
		return ctl_fail(resolver->error, CTL_EXIT_USAGE,
				"'%.80s' is a load balancer and a target group: give the ARN",
				name);
	}
	if (balancer == NULL && group == NULL)
		return ctl_fail(resolver->error, CTL_EXIT_USAGE,
				"'%.80s' is neither a load balancer nor a target group", name);
	*ret_arn = balancer != NULL ? balancer : group;
	return 0;
}

/* @ret_value: a new reference to the ARN, or to @value itself. */
static int resolve_text(struct resolver *resolver, enum ctl_ref ref, json_t *value,
			json_t **ret_value)
{
	const char *text = json_string_value(value);

	if (text == NULL || ref == CTL_REF_NONE || strncmp(text, "arn:", 4) == 0) {
		*ret_value = json_incref(value);
		return 0;
	}
	switch (ref) {
	case CTL_REF_LOAD_BALANCER:
		return find_load_balancer(resolver, text, ret_value);
	case CTL_REF_TARGET_GROUP:
		return find_group(resolver, text, ret_value);
	case CTL_REF_LISTENER:
		return find_listener(resolver, text, ret_value);
	default:
		return find_any(resolver, text, ret_value);
	}
}

/* --- all of them -------------------------------------------------------------------------- */

static int resolve_value(struct resolver *resolver, const struct ctl_field *field, json_t *value,
			 json_t **ret_value);

static int resolve_members(struct resolver *resolver, const struct ctl_field *fields,
			   json_t *object)
{
	json_t *value, *resolved;
	int r = 0;

	for (; r == 0 && fields->name != NULL; fields++) {
		value = json_object_get(object, fields->name);
		if (value == NULL)
			continue;
		r = resolve_value(resolver, fields, value, &resolved);
		if (r == 0)
			json_object_set_new(object, fields->name, resolved);
	}
	return r;
}

static int resolve_entries(struct resolver *resolver, const struct ctl_field *field, json_t *list)
{
	json_t *entry, *resolved;
	size_t i;
	int r = 0;

	json_array_foreach (list, i, entry) {
		if (field->kind == CTL_SHAPES) {
			r = resolve_members(resolver, field->fields, entry);
		} else {
			r = resolve_text(resolver, field->ref, entry, &resolved);
			if (r == 0)
				json_array_set_new(list, i, resolved);
		}
		if (r < 0)
			break;
	}
	return r;
}

static int resolve_value(struct resolver *resolver, const struct ctl_field *field, json_t *value,
			 json_t **ret_value)
{
	int r;

	if (field->kind == CTL_SHAPE)
		r = resolve_members(resolver, field->fields, value);
	else if (field->kind == CTL_TEXTS || field->kind == CTL_SHAPES)
		r = resolve_entries(resolver, field, value);
	else
		return resolve_text(resolver, field->ref, value, ret_value);
	if (r == 0)
		*ret_value = json_incref(value);
	return r;
}

int ctl_resolve(struct ctl_client *client, const struct ctl_command *command, json_t *params,
		struct ctl_error *error)
{
	struct resolver resolver = {.client = client, .error = error};
	const struct ctl_flag *flag;
	char camel[CTL_NAME_MAX];
	json_t *value, *resolved;
	int r = 0;

	for (flag = command->flags; r == 0 && flag->field.name != NULL; flag++) {
		ctl_commands_camel(flag->field.name, camel);
		value = json_object_get(params, camel);
		if (value == NULL)
			continue;
		r = resolve_value(&resolver, &flag->field, value, &resolved);
		if (r == 0)
			json_object_set_new(params, camel, resolved);
	}
	return r;
}
