/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/actions.h"
#include "control/model_engine.h"
#include "control/model_store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define CHECK_PROTOCOLS "[HTTP, HTTPS, TCP, TLS, UDP, TCP_UDP, GENEVE, QUIC, TCP_QUIC]"

static const char *const check_names[] = {
	[CHECK_TCP] = "TCP",
	[CHECK_HTTP] = "HTTP",
	[CHECK_HTTPS] = "HTTPS",
};

static const struct health_check check_defaults = {
	.protocol = CHECK_TCP,
	.interval_s = 30,
	.healthy_threshold = 5,
	.unhealthy_threshold = 2,
};

json_t *actions_show_group(const struct model *model, const struct group *group)
{
	const struct health_check *check = &group->check;
	bool http = check->protocol != CHECK_TCP;
	char arn[ARN_MAX], lb_arn[ARN_MAX], port[8];
	json_t *shown;

	snprintf(port, sizeof(port), "%u", check->port);
	shown = json_pack(
		"{s:s, s:s, s:s, s:i, s:s, s:s, s:s, s:b, s:i, s:i, s:i, s:i, s:[], s:s, s:s}",
		"TargetGroupArn", model_group_arn(model, group, arn), "TargetGroupName",
		group->name, "Protocol", protocol_name(group->protocol), "Port", (int)group->port,
		"VpcId", model->config->vpc_id, "HealthCheckProtocol", check_names[check->protocol],
		"HealthCheckPort", check->port != 0 ? port : "traffic-port", "HealthCheckEnabled",
		1, "HealthCheckIntervalSeconds", (int)check->interval_s,
		"HealthCheckTimeoutSeconds", (int)check->timeout_s, "HealthyThresholdCount",
		(int)check->healthy_threshold, "UnhealthyThresholdCount",
		(int)check->unhealthy_threshold, "LoadBalancerArns", "TargetType", "ip",
		"IpAddressType", group->ipv6 ? "ipv6" : "ipv4");
	if (shown == NULL)
		return NULL;
	if ((http && (json_object_set_new(shown, "HealthCheckPath", json_string(check->path)) < 0 ||
		      json_object_set_new(shown, "Matcher",
					  json_pack("{s:s}", "HttpCode", check->matcher)) < 0)) ||
	    (group->load_balancer != NULL &&
	     actions_append(shown, "LoadBalancerArns",
			    json_string(model_load_balancer_arn(model, group->load_balancer,
								lb_arn))) < 0)) {
		json_decref(shown);
		return NULL;
	}
	return shown;
}

static int read_check_protocol(const struct params *params, struct health_check *check)
{
	const char *name = check_names[check->protocol];
	int r;

	r = params_enum(params, "HealthCheckProtocol", CHECK_PROTOCOLS, &name);
	if (r < 0)
		return r;
	for (size_t i = 0; i < sizeof(check_names) / sizeof(check_names[0]); i++) {
		if (strcmp(check_names[i], name) == 0) {
			check->protocol = (enum check_protocol)i;
			return 0;
		}
	}
	return params_fail(params, "ValidationError",
			   "Health check protocol '%s' must be one of 'HTTP, HTTPS, TCP'", name);
}

static int read_check_port(const struct params *params, struct health_check *check)
{
	const char *text = NULL;
	long port;
	char *end;
	int r;

	r = params_string(params, "HealthCheckPort", &text);
	if (r < 0 || text == NULL)
		return r;
	if (strcmp(text, "traffic-port") == 0) {
		check->port = 0;
		return 0;
	}
	port = strtol(text, &end, 10);
	if (text[0] < '1' || text[0] > '9' || *end != '\0' || port > UINT16_MAX)
		return params_fail(params, "ValidationError",
				   "Health check port '%s' must be 'traffic-port' or a number "
				   "from 1 to 65535",
				   text);
	check->port = (uint16_t)port;
	return 0;
}

/* Visible ASCII: what goes into a request as it is. */
static bool path_is_valid(const char *path)
{
	size_t len = 0;

	while (path[len] > ' ' && path[len] <= '~')
		len++;
	return path[0] == '/' && path[len] == '\0' && len <= MODEL_CHECK_PATH_MAX;
}

static int read_check_http(const struct params *params, struct health_check *check)
{
	const char *path = NULL, *code = NULL;
	struct probe_range ranges[MESSAGES_RANGES_MAX];
	struct params matcher;
	bool found;
	int r;

	r = params_string(params, "HealthCheckPath", &path);
	if (r == 0)
		r = params_object(params, "Matcher", &matcher, &found);
	if (r == 0 && found)
		r = params_only(&matcher, "HttpCode GrpcCode");
	if (r == 0 && found)
		r = params_string(&matcher, "HttpCode", &code);
	if (r == 0 && found && params_has(&matcher, "GrpcCode"))
		r = params_fail(params, "InvalidConfigurationRequest",
				"GRPC codes are not supported for this target group");
	if (r < 0)
		return r;
	if (check->protocol == CHECK_TCP) {
		check->path[0] = check->matcher[0] = '\0';
		if (path == NULL && code == NULL)
			return 0;
		return params_fail(params, "InvalidConfigurationRequest",
				   "Health check %s cannot be specified for health checks with "
				   "the TCP protocol",
				   path != NULL ? "path" : "matcher");
	}
	if (path != NULL && !path_is_valid(path))
		return params_fail(params, "ValidationError",
				   "Health check path '%.64s' must begin with '/' and have at "
				   "most %d characters, all of them visible ASCII",
				   path, MODEL_CHECK_PATH_MAX);
	if (code != NULL && matcher_parse(code, ranges) < 0)
		return params_fail(params, "ValidationError",
				   "Health check matcher HTTP code '%.64s' must be within "
				   "'200-599' inclusive",
				   code);
	if (path != NULL || check->path[0] == '\0')
		strcpy(check->path, path != NULL ? path : "/");
	if (code != NULL || check->matcher[0] == '\0')
		strcpy(check->matcher, code != NULL ? code : "200-399");
	return 0;
}

static int read_number(const struct params *params, const char *name, long min, long max,
		       uint32_t *number)
{
	long value = *number;
	int r = params_integer(params, name, min, max, &value);

	*number = (uint32_t)value;
	return r;
}

/* Health-check members over what @check holds; timeout_s 0 stands for the protocol's default. */
static int read_check(const struct params *params, struct health_check *check)
{
	bool enabled = true;
	int r;

	r = params_boolean(params, "HealthCheckEnabled", &enabled);
	if (r == 0 && !enabled)
		r = params_fail(params, "InvalidConfigurationRequest",
				"Health check enabled must be true for target groups with target "
				"type 'ip'");
	if (r == 0)
		r = read_check_protocol(params, check);
	if (r == 0)
		r = read_check_port(params, check);
	if (r == 0)
		r = read_check_http(params, check);
	if (check->timeout_s == 0)
		check->timeout_s = check->protocol == CHECK_HTTP ? 6 : 10;
	if (r == 0)
		r = read_number(params, "HealthCheckIntervalSeconds", 5, 300, &check->interval_s);
	if (r == 0)
		r = read_number(params, "HealthCheckTimeoutSeconds", 2, 120, &check->timeout_s);
	if (r == 0)
		r = read_number(params, "HealthyThresholdCount", 2, 10, &check->healthy_threshold);
	if (r == 0)
		r = read_number(params, "UnhealthyThresholdCount", 2, 10,
				&check->unhealthy_threshold);
	if (r == 0 && check->timeout_s > check->interval_s)
		r = params_fail(params, "ValidationError",
				"Health check timeout '%u' must be smaller than or equal to the "
				"interval '%u'",
				check->timeout_s, check->interval_s);
	return r;
}

static int read_protocol(const struct params *params, enum protocol *ret_protocol)
{
	const char *name = NULL;
	int r;

	r = params_enum(params, "Protocol", PROTOCOL_ENUM, &name);
	if (r < 0)
		return r;
	if (name == NULL)
		return params_fail(params, "ValidationError", "A protocol must be specified");
	if (protocol_parse(name, ret_protocol) < 0)
		return params_fail(params, "InvalidConfigurationRequest",
				   "Target groups with the %s protocol are not supported; the "
				   "protocol must be one of 'TCP, UDP, TCP_UDP'",
				   name);
	return 0;
}

/* VpcId may be left out, for there is one; the target type is 'ip' for the same reason. */
static int refuse_others(const struct model *model, const struct params *params)
{
	const char *vpc = NULL, *type = "ip";
	int r;

	r = params_string(params, "VpcId", &vpc);
	if (r == 0 && vpc != NULL && strcmp(vpc, model->config->vpc_id) != 0)
		r = params_fail(params, "ValidationError", "The VPC ID '%s' is not found", vpc);
	if (r == 0)
		r = params_enum(params, "TargetType", "[instance, ip, lambda, alb]", &type);
	if (r == 0 && strcmp(type, "ip") != 0)
		r = params_fail(params, "InvalidConfigurationRequest",
				"Target groups with target type '%s' are not supported; the "
				"target type must be 'ip'",
				type);
	if (r == 0 && params_has(params, "ProtocolVersion"))
		r = params_fail(params, "InvalidConfigurationRequest",
				"You cannot specify a protocol version for target groups with "
				"this protocol");
	if (r == 0 && params_has(params, "TargetControlPort"))
		r = params_fail(params, "InvalidConfigurationRequest",
				"Target control ports are not supported");
	return r;
}

static int read_group(const struct model *model, const struct params *params, struct group *group)
{
	const char *name = NULL, *family = "ipv4";
	long port = 0;
	int r;

	r = actions_name(params, "Target group", &name);
	if (r == 0 && strstr(name, "--") != NULL)
		r = params_fail(params, "ValidationError",
				"1 validation error detected: Value '%s' at "
				"'targetGroup.targetGroupArn.targetGroupName' failed to satisfy "
				"constraint: Member must satisfy regular expression pattern: "
				"(?!.*--)(?!^-)(?!.*-$)^[A-Za-z0-9-]+$",
				name);
	if (r == 0)
		r = read_protocol(params, &group->protocol);
	if (r == 0)
		r = params_integer(params, "Port", 1, UINT16_MAX, &port);
	if (r == 0 && port == 0)
		r = params_fail(params, "ValidationError", "A port must be specified");
	if (r == 0)
		r = refuse_others(model, params);
	if (r == 0)
		r = params_enum(params, "IpAddressType", "[ipv4, ipv6]", &family);
	group->check = check_defaults;
	if (r == 0)
		r = read_check(params, &group->check);
	if (r < 0)
		return r;
	strcpy(group->name, name);
	group->port = (uint16_t)port;
	group->ipv6 = strcmp(family, "ipv6") == 0;
	group->attributes.owner = ATTRIBUTE_OF_TARGET_GROUP;
	group->attributes.protocol = group->protocol;
	return actions_tags(params, &group->tags);
}

static bool same_check(const struct health_check *a, const struct health_check *b)
{
	return a->protocol == b->protocol && a->port == b->port && a->interval_s == b->interval_s &&
	       a->timeout_s == b->timeout_s && a->healthy_threshold == b->healthy_threshold &&
	       a->unhealthy_threshold == b->unhealthy_threshold && strcmp(a->path, b->path) == 0 &&
	       strcmp(a->matcher, b->matcher) == 0;
}

static int create_again(const struct model *model, const struct params *params,
			const struct group *present, const struct group *asked, json_t *result)
{
	if (present->protocol != asked->protocol || present->port != asked->port ||
	    present->ipv6 != asked->ipv6 || !same_check(&present->check, &asked->check))
		return params_fail(params, "DuplicateTargetGroupName",
				   "A target group with the same name '%s' exists, but with "
				   "different settings",
				   present->name);
	return actions_append(result, "TargetGroups", actions_show_group(model, present));
}

static int fail_full(const struct params *params, unsigned int quota)
{
	return params_fail(params, "TooManyTargetGroups",
			   "You have reached the maximum number of target groups: %u", quota);
}

static void tell(struct model *model, const char *event, const struct group *group)
{
	char arn[ARN_MAX];

	model_event(model, event,
		    json_pack("{s:s}", "TargetGroupArn", model_group_arn(model, group, arn)));
}

int action_create_target_group(struct model *model, const struct params *params, json_t *result)
{
	struct group *group = calloc(1, sizeof(*group)), *present;
	int r;

	if (group == NULL)
		return -ENOMEM;
	r = read_group(model, params, group);
	if (r < 0)
		goto discard;
	present = model_group_named(model, group->name);
	if (present != NULL) {
		r = create_again(model, params, present, group, result);
		goto discard;
	}
	if (HASH_COUNT(model->groups) >= QUOTA_GROUPS) {
		r = fail_full(params, QUOTA_GROUPS);
		goto discard;
	}
	r = arn_new_id(&group->id);
	if (r == 0)
		r = model_engine_put_group(model, group);
	if (r == -ENOSPC)
		r = fail_full(params, HASH_COUNT(model->groups));
	if (r == 0)
		r = model_add_group(model, group);
	if (r < 0)
		goto discard;
	tell(model, "TargetGroupCreated", group);
	r = model_store_save_group(model, group);
	return r == 0 ? actions_append(result, "TargetGroups", actions_show_group(model, group))
		      : r;
discard:
	model_free_group(group);
	return r;
}

int action_modify_target_group(struct model *model, const struct params *params, json_t *result)
{
	struct health_check check;
	struct group *group;
	int r;

	r = actions_group(model, params, &group);
	if (r < 0)
		return r;
	check = group->check;
	r = read_check(params, &check);
	if (r < 0)
		return r;
	group->check = check;
	r = model_engine_refresh(model, group);
	if (r == 0)
		r = model_store_save_group(model, group);
	return r == 0 ? actions_append(result, "TargetGroups", actions_show_group(model, group))
		      : r;
}

int action_delete_target_group(struct model *model, const struct params *params, json_t *result)
{
	struct group *group;
	char arn[ARN_MAX];
	int r;

	(void)result;
	r = actions_group(model, params, &group);
	if (r == -EINVAL && strcmp(params->error->code, "TargetGroupNotFound") == 0)
		return 0; /* the API lists no such error for this call */
	if (r < 0)
		return r;
	if (group->load_balancer != NULL)
		return params_fail(params, "ResourceInUse",
				   "Target group '%s' is currently in use by a listener or a rule",
				   model_group_arn(model, group, arn));
	r = model_engine_remove_group(model, group);
	if (r == 0)
		r = model_store_delete_group(model, group);
	if (r < 0)
		return r;
	tell(model, "TargetGroupDeleted", group);
	model_drop_group(model, group);
	return 0;
}

static int describe_arns(const struct model *model, const struct params *params, const json_t *arns,
			 json_t *result)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < json_array_size(arns); i++) {
		struct group *found;
		const char *arn = NULL;

		r = params_entry_string(params, "TargetGroupArns", arns, i, &arn);
		if (r == 0)
			r = actions_group_by_arn(model, params, arn,
						 "One or more target groups not found", &found);
		if (r == 0)
			r = actions_append(result, "TargetGroups",
					   actions_show_group(model, found));
	}
	return r;
}

static int describe_names(const struct model *model, const struct params *params,
			  const json_t *names, json_t *result)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < json_array_size(names); i++) {
		struct group *found = NULL;
		const char *name = NULL;

		r = params_entry_string(params, "Names", names, i, &name);
		if (r == 0)
			found = model_group_named(model, name);
		if (r == 0 && found == NULL)
			r = params_fail(params, "TargetGroupNotFound",
					"One or more target groups not found");
		if (r == 0)
			r = actions_append(result, "TargetGroups",
					   actions_show_group(model, found));
	}
	return r;
}

/* All groups, or those of one load balancer. */
static int describe_page(const struct model *model, const struct params *params,
			 const struct load_balancer *load_balancer, const struct page *page,
			 json_t *result)
{
	struct group *it = NULL;
	uint64_t last = 0;
	size_t n = 0;
	int r;

	r = actions_page_groups(model, params, page, &it);
	for (; r == 0 && it != NULL; it = it->hh.next) {
		if (load_balancer != NULL && it->load_balancer != load_balancer)
			continue;
		if (n++ == page->size)
			return actions_next_page(result, last);
		last = it->id;
		r = actions_append(result, "TargetGroups", actions_show_group(model, it));
	}
	return r;
}

int action_describe_target_groups(struct model *model, const struct params *params, json_t *result)
{
	const json_t *arns = NULL, *names = NULL;
	struct load_balancer *load_balancer = NULL;
	struct page page;
	int r;

	r = actions_page(params, &page);
	if (r == 0)
		r = params_list(params, "TargetGroupArns", ACTIONS_PAGE_MAX, &arns);
	if (r == 0)
		r = params_list(params, "Names", ACTIONS_PAGE_MAX, &names);
	if (r < 0)
		return r;
	if ((json_array_size(arns) > 0) + (json_array_size(names) > 0) +
		    params_has(params, "LoadBalancerArn") >
	    1)
		return params_fail(params, "ValidationError",
				   "Target group names, target group ARNs, and a load balancer "
				   "ARN cannot be specified at the same time");
	if (params_has(params, "LoadBalancerArn"))
		r = actions_load_balancer(model, params, &load_balancer);
	if (r == 0)
		r = actions_list(result, "TargetGroups");
	if (r < 0)
		return r;
	if (json_array_size(arns) > 0)
		return describe_arns(model, params, arns, result);
	if (json_array_size(names) > 0)
		return describe_names(model, params, names, result);
	return describe_page(model, params, load_balancer, &page, result);
}
