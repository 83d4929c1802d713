/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/actions.h"
#include "control/model_engine.h"
#include "control/model_store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define WEIGHT_MAX 999
#define WEIGHT_DEFAULT 1
#define ORDER_MAX 50000
#define DURATION_MAX 604800 /* of group stickiness, seven days */
#define ACTION_TYPES                                                                    \
	"[forward, authenticate-oidc, authenticate-cognito, redirect, fixed-response, " \
	"jwt-validation]"

static json_t *show_forward(const struct model *model, const struct forward *forward)
{
	json_t *groups = json_array(), *action;
	char arn[ARN_MAX];

	for (unsigned int i = 0; i < forward->n; i++)
		json_array_append_new(groups,
				      json_pack("{s:s, s:i}", "TargetGroupArn",
						model_group_arn(model, forward->to[i].group, arn),
						"Weight", (int)forward->to[i].weight));
	action = json_pack("{s:s, s:{s:o, s:{s:b}}}", "Type", "forward", "ForwardConfig",
			   "TargetGroups", groups, "TargetGroupStickinessConfig", "Enabled",
			   forward->sticky);
	if (action != NULL && forward->n == 1)
		json_object_set_new(action, "TargetGroupArn",
				    json_string(model_group_arn(model, forward->to[0].group, arn)));
	return action;
}

json_t *actions_show_listener(const struct model *model, const struct listener *listener)
{
	char arn[ARN_MAX], lb_arn[ARN_MAX];

	return json_pack("{s:s, s:s, s:i, s:s, s:[o]}", "ListenerArn",
			 model_listener_arn(model, listener, arn), "LoadBalancerArn",
			 model_load_balancer_arn(model, listener->load_balancer, lb_arn), "Port",
			 (int)listener->port, "Protocol", protocol_name(listener->protocol),
			 "DefaultActions", show_forward(model, &listener->forward));
}

static int read_tuple(const struct model *model, const struct params *entry,
		      struct forward *forward)
{
	struct group *group;
	long weight = WEIGHT_DEFAULT;
	int r;

	r = params_only(entry, "TargetGroupArn Weight");
	if (r == 0)
		r = actions_group(model, entry, &group);
	if (r == 0)
		r = params_integer(entry, "Weight", 0, WEIGHT_MAX, &weight);
	if (r < 0)
		return r;
	for (unsigned int i = 0; i < forward->n; i++) {
		if (forward->to[i].group == group)
			return params_fail(entry, "ValidationError",
					   "Target group '%s' is specified more than once",
					   group->name);
	}
	forward->to[forward->n].group = group;
	forward->to[forward->n].weight = (uint32_t)weight;
	forward->n++;
	return 0;
}

static int read_stickiness(const struct params *config, struct forward *forward)
{
	struct params stickiness;
	long duration = 0;
	bool found;
	int r;

	r = params_object(config, "TargetGroupStickinessConfig", &stickiness, &found);
	if (r < 0 || !found)
		return r;
	r = params_only(&stickiness, "Enabled DurationSeconds");
	if (r == 0)
		r = params_boolean(&stickiness, "Enabled", &forward->sticky);
	/* checked but not kept: only application load balancers have a duration */
	return r == 0 ? params_integer(&stickiness, "DurationSeconds", 1, DURATION_MAX, &duration)
		      : r;
}

static int read_forward_config(const struct model *model, const struct params *action,
			       struct forward *forward, bool *ret_found)
{
	const json_t *list = NULL;
	struct params config;
	int r;

	r = params_object(action, "ForwardConfig", &config, ret_found);
	if (r < 0 || !*ret_found)
		return r;
	r = params_only(&config, "TargetGroups TargetGroupStickinessConfig");
	if (r == 0)
		r = params_list(&config, "TargetGroups", SIZE_MAX, &list);
	if (r < 0)
		return r;
	if (json_array_size(list) < 1 || json_array_size(list) > QUOTA_ACTION_GROUPS)
		return params_fail(&config, "InvalidLoadBalancerAction",
				   "A forward action must have between 1 and %d target groups",
				   QUOTA_ACTION_GROUPS);
	for (size_t i = 0; r == 0 && i < json_array_size(list); i++) {
		struct params entry;

		r = params_entry(&config, "TargetGroups", list, i, &entry);
		if (r == 0)
			r = read_tuple(model, &entry, forward);
	}
	return r == 0 ? read_stickiness(&config, forward) : r;
}

static int read_action(const struct model *model, const struct params *action,
		       struct forward *forward)
{
	const char *type = NULL;
	struct group *group = NULL;
	long order = 1;
	bool found = false;
	int r;

	r = params_require(action, "Type");
	if (r == 0)
		r = params_enum(action, "Type", ACTION_TYPES, &type);
	if (r == 0 && strcmp(type, "forward") != 0)
		r = params_fail(action, "InvalidLoadBalancerAction",
				"The action type '%s' is not valid with network load balancers",
				type);
	if (r == 0)
		r = params_only(action, "Type TargetGroupArn Order ForwardConfig");
	if (r == 0)
		r = params_integer(action, "Order", 1, ORDER_MAX, &order);
	if (r == 0 && params_has(action, "TargetGroupArn"))
		r = actions_group(model, action, &group);
	if (r == 0)
		r = read_forward_config(model, action, forward, &found);
	if (r < 0)
		return r;
	if (!found && group == NULL)
		return params_fail(action, "ValidationError",
				   "A target group ARN must be specified");
	if (!found) {
		forward->to[0].group = group;
		forward->to[0].weight = WEIGHT_DEFAULT;
		forward->n = 1;
	} else if (group != NULL && (forward->n != 1 || forward->to[0].group != group)) {
		return params_fail(action, "InvalidLoadBalancerAction",
				   "The target group ARN and the forward config must name the "
				   "same single target group");
	}
	return 0;
}

static int read_actions(const struct model *model, const struct params *params,
			struct forward *forward)
{
	const json_t *list = NULL;
	struct params action;
	int r;

	*forward = (struct forward){0};
	r = params_list(params, "DefaultActions", SIZE_MAX, &list);
	if (r < 0)
		return r;
	if (json_array_size(list) == 0)
		return params_fail(params, "ValidationError",
				   "A listener default action must be specified");
	if (json_array_size(list) > 1)
		return params_fail(params, "TooManyActions",
				   "A listener of a network load balancer has exactly one "
				   "default action");
	r = params_entry(params, "Actions", list, 0, &action);
	return r == 0 ? read_action(model, &action, forward) : r;
}

static int check_group(const struct model *model, const struct params *params,
		       const struct load_balancer *load_balancer, enum protocol protocol,
		       const struct forward *forward, const struct group *group)
{
	char arn[ARN_MAX];

	if (group->load_balancer != NULL && group->load_balancer != load_balancer)
		return params_fail(params, "TargetGroupAssociationLimit",
				   "The following target groups cannot be associated with more "
				   "than one load balancer: %s",
				   model_group_arn(model, group, arn));
	if (!protocol_fits(protocol, group->protocol))
		return params_fail(params, "IncompatibleProtocols",
				   "The listener and its associated target group '%s' have "
				   "incompatible protocols: '%s' and '%s'",
				   model_group_arn(model, group, arn), protocol_name(protocol),
				   protocol_name(group->protocol));
	if (group->ipv6 && !load_balancer->dualstack)
		return params_fail(params, "InvalidConfigurationRequest",
				   "The target group '%s' with IP address type 'ipv6' cannot be "
				   "used by a load balancer with IP address type 'ipv4'",
				   model_group_arn(model, group, arn));
	if (group->ipv6 != forward->to[0].group->ipv6)
		return params_fail(params, "InvalidConfigurationRequest",
				   "All target groups of an action must have the same IP "
				   "address type");
	if (forward->n > 1 && !forward->sticky &&
	    attributes_is_true(&group->attributes, ATTRIBUTE_STICKINESS))
		return params_fail(params, "InvalidConfigurationRequest",
				   "Target group stickiness must be enabled in the action, since "
				   "the target group '%s' has stickiness enabled",
				   model_group_arn(model, group, arn));
	return 0;
}

/* Whether the listener, as filled, keeps all rules; @old is what it replaces, or NULL. */
static int check_listener(const struct model *model, const struct params *params,
			  const struct listener *listener, const struct listener *old)
{
	const struct forward *forward = &listener->forward;
	unsigned int targets;
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < forward->n; i++)
		r = check_group(model, params, listener->load_balancer, listener->protocol, forward,
				forward->to[i].group);
	if (r < 0)
		return r;
	/* count as if it were so */
	model_use_groups(listener);
	if (old != NULL)
		model_release_groups(old);
	targets = model_count_targets(listener->load_balancer);
	if (old != NULL)
		model_use_groups(old);
	model_release_groups(listener);
	if (targets <= QUOTA_TARGETS)
		return 0;
	return params_fail(params, "TooManyTargets",
			   "You have reached the maximum number of targets for the load balancer "
			   "'%s': %d",
			   listener->load_balancer->name, QUOTA_TARGETS);
}

/* What belongs to TLS listeners. */
static int refuse_others(const struct params *params)
{
	static const char *const lists[] = {"Certificates", "AlpnPolicy"};

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		const json_t *list = NULL;
		int r = params_list(params, lists[i], SIZE_MAX, &list);

		if (r < 0)
			return r;
		if (json_array_size(list) > 0)
			return params_fail(params, "InvalidConfigurationRequest",
					   "%s cannot be specified for listeners with this "
					   "protocol",
					   lists[i]);
	}
	if (params_has(params, "SslPolicy") || params_has(params, "MutualAuthentication"))
		return params_fail(params, "InvalidConfigurationRequest",
				   "%s cannot be specified for listeners with this protocol",
				   params_has(params, "SslPolicy") ? "SslPolicy"
								   : "MutualAuthentication");
	return 0;
}

static int read_protocol(const struct params *params, enum protocol *ret_protocol)
{
	const char *name = NULL;
	int r;

	r = params_enum(params, "Protocol", PROTOCOL_ENUM, &name);
	if (r < 0 || name == NULL)
		return r;
	if (protocol_parse(name, ret_protocol) == 0)
		return 0;
	if (strcmp(name, "TLS") == 0 || strcmp(name, "QUIC") == 0 || strcmp(name, "TCP_QUIC") == 0)
		return params_fail(params, "UnsupportedProtocol",
				   "Listener protocol '%s' is not supported; it must be one of "
				   "'TCP, UDP, TCP_UDP'",
				   name);
	return params_fail(params, "ValidationError",
			   "Listener protocol '%s' must be one of 'UDP, TCP, TLS, TCP_UDP'", name);
}

static struct listener *listener_on_port(const struct load_balancer *load_balancer, uint16_t port)
{
	struct listener *found;

	HASH_FIND(hh_port, load_balancer->listeners, &port, sizeof(port), found);
	return found;
}

static bool same_forward(const struct forward *a, const struct forward *b)
{
	if (a->n != b->n || a->sticky != b->sticky)
		return false;
	for (unsigned int i = 0; i < a->n; i++) {
		if (a->to[i].group != b->to[i].group || a->to[i].weight != b->to[i].weight)
			return false;
	}
	return true;
}

static int read_listener(const struct model *model, const struct params *params,
			 struct listener *listener)
{
	long port = 0;
	int r;

	r = actions_load_balancer(model, params, &listener->load_balancer);
	if (r == 0)
		r = params_integer(params, "Port", 1, UINT16_MAX, &port);
	if (r == 0 && port == 0)
		r = params_fail(params, "ValidationError", "A listener port must be specified");
	if (r == 0 && !params_has(params, "Protocol"))
		r = params_fail(params, "ValidationError", "A listener protocol must be specified");
	if (r == 0)
		r = read_protocol(params, &listener->protocol);
	if (r == 0)
		r = refuse_others(params);
	if (r == 0)
		r = params_require(params, "DefaultActions");
	if (r == 0)
		r = read_actions(model, params, &listener->forward);
	if (r < 0)
		return r;
	listener->port = (uint16_t)port;
	listener->attributes.owner = ATTRIBUTE_OF_LISTENER;
	listener->attributes.protocol = listener->protocol;
	return actions_tags(params, &listener->tags);
}

static void tell(struct model *model, const char *event, const struct listener *listener)
{
	char arn[ARN_MAX], lb_arn[ARN_MAX];

	model_event(model, event,
		    json_pack("{s:s, s:s}", "ListenerArn", model_listener_arn(model, listener, arn),
			      "LoadBalancerArn",
			      model_load_balancer_arn(model, listener->load_balancer, lb_arn)));
}

static int refresh_groups(struct model *model, const struct forward *forward)
{
	for (unsigned int i = 0; i < forward->n; i++) {
		int r = model_engine_refresh(model, forward->to[i].group);

		if (r < 0)
			return r;
	}
	return 0;
}

/* All checks are done but the engine's own. */
static int create(struct model *model, const struct params *params, struct listener *listener)
{
	int r;

	r = arn_new_id(&listener->id);
	if (r == 0)
		r = model_engine_put_listener(model, listener);
	if (r == -ENOSPC)
		return params_fail(params, "TooManyListeners",
				   "The engine has no room for another listener");
	if (r == 0)
		r = model_add_listener(model, listener);
	return r;
}

int action_create_listener(struct model *model, const struct params *params, json_t *result)
{
	struct listener *listener = calloc(1, sizeof(*listener)), *present;
	char arn[ARN_MAX];
	int r;

	if (listener == NULL)
		return -ENOMEM;
	r = read_listener(model, params, listener);
	if (r < 0)
		goto discard;
	present = listener_on_port(listener->load_balancer, listener->port);
	if (present != NULL) {
		if (present->protocol == listener->protocol &&
		    same_forward(&present->forward, &listener->forward))
			r = actions_append(result, "Listeners",
					   actions_show_listener(model, present));
		else
			r = params_fail(
				params, "DuplicateListener",
				"A listener already exists on this port for this load "
				"balancer '%s'",
				model_load_balancer_arn(model, listener->load_balancer, arn));
		goto discard;
	}
	if (HASH_CNT(hh_port, listener->load_balancer->listeners) >= QUOTA_LISTENERS) {
		r = params_fail(params, "TooManyListeners",
				"You have reached the maximum number of listeners for the load "
				"balancer '%s': %d",
				listener->load_balancer->name, QUOTA_LISTENERS);
		goto discard;
	}
	r = check_listener(model, params, listener, NULL);
	if (r == 0)
		r = create(model, params, listener);
	if (r < 0)
		goto discard;
	r = refresh_groups(model, &listener->forward);
	tell(model, "ListenerCreated", listener);
	if (r == 0)
		r = model_store_save_listener(model, listener);
	return r == 0 ? actions_append(result, "Listeners", actions_show_listener(model, listener))
		      : r;
discard:
	model_free_listener(listener);
	return r;
}

static int move(struct listener *listener, uint16_t port)
{
	struct load_balancer *load_balancer = listener->load_balancer;

	HASH_DELETE(hh_port, load_balancer->listeners, listener);
	listener->port = port;
	HASH_ADD(hh_port, load_balancer->listeners, port, sizeof(listener->port), listener);
	return listener->hh_port.tbl != NULL ? 0 : -ENOMEM;
}

/* Put @next, a copy of @listener with changes, in its place. */
static int replace(struct model *model, struct listener *listener, const struct listener *next)
{
	struct forward before = listener->forward;
	int r;

	model_use_groups(next);
	model_release_groups(listener);
	listener->protocol = next->protocol;
	listener->forward = next->forward;
	listener->attributes.protocol = next->protocol;
	if (!protocol_has_tcp(next->protocol)) /* its one attribute is TCP's */
		attributes_free(&listener->attributes);
	r = next->port != listener->port ? move(listener, next->port) : 0;
	if (r == 0)
		r = model_engine_put_listener(model, listener);
	if (r < 0)
		return model_give_up(model, r);
	r = refresh_groups(model, &before); /* some may not be in use any more */
	if (r == 0)
		r = refresh_groups(model, &listener->forward);
	return r == 0 ? model_store_save_listener(model, listener) : r;
}

int action_modify_listener(struct model *model, const struct params *params, json_t *result)
{
	struct listener *listener, *other, next;
	long port;
	int r;

	r = actions_listener(model, params, &listener);
	if (r < 0)
		return r;
	next = *listener;
	port = listener->port;
	r = params_integer(params, "Port", 1, UINT16_MAX, &port);
	next.port = (uint16_t)port;
	if (r == 0)
		r = read_protocol(params, &next.protocol);
	if (r == 0)
		r = refuse_others(params);
	if (r == 0 && params_has(params, "DefaultActions"))
		r = read_actions(model, params, &next.forward);
	if (r < 0)
		return r;
	other = listener_on_port(listener->load_balancer, next.port);
	if (other != NULL && other != listener)
		return params_fail(params, "ValidationError",
				   "Listener port '%u' is already in use", next.port);
	r = check_listener(model, params, &next, listener);
	if (r == 0)
		r = replace(model, listener, &next);
	return r == 0 ? actions_append(result, "Listeners", actions_show_listener(model, listener))
		      : r;
}

int actions_remove_listener(struct model *model, struct listener *listener)
{
	struct forward forward = listener->forward;
	int r;

	r = model_engine_remove_listener(model, listener);
	if (r == 0)
		r = model_store_delete_listener(model, listener);
	if (r < 0)
		return r;
	tell(model, "ListenerDeleted", listener);
	model_drop_listener(model, listener);
	return refresh_groups(model, &forward);
}

int action_delete_listener(struct model *model, const struct params *params, json_t *result)
{
	struct listener *listener;
	int r;

	(void)result;
	r = actions_listener(model, params, &listener);
	return r == 0 ? actions_remove_listener(model, listener) : r;
}

static int describe_arns(const struct model *model, const struct params *params, const json_t *arns,
			 json_t *result)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < json_array_size(arns); i++) {
		struct listener *found;
		const char *arn = NULL;

		r = params_entry_string(params, "ListenerArns", arns, i, &arn);
		if (r == 0)
			r = actions_listener_by_arn(model, params, arn,
						    "One or more listeners not found", &found);
		if (r == 0)
			r = actions_append(result, "Listeners",
					   actions_show_listener(model, found));
	}
	return r;
}

int action_describe_listeners(struct model *model, const struct params *params, json_t *result)
{
	struct load_balancer *load_balancer = NULL;
	struct listener *it, *after = NULL;
	const json_t *arns = NULL;
	struct page page;
	uint64_t last = 0;
	int r;

	r = actions_page(params, &page);
	if (r == 0)
		r = params_list(params, "ListenerArns", ACTIONS_PAGE_MAX, &arns);
	if (r == 0 && (json_array_size(arns) > 0) == params_has(params, "LoadBalancerArn"))
		r = params_fail(params, "ValidationError",
				"You must specify either listener ARNs or a load balancer ARN");
	if (r == 0)
		r = actions_list(result, "Listeners");
	if (r < 0)
		return r;
	if (json_array_size(arns) > 0)
		return describe_arns(model, params, arns, result);
	r = actions_load_balancer(model, params, &load_balancer);
	if (r < 0)
		return r;
	it = load_balancer->listeners;
	if (page.after != 0) {
		HASH_FIND(hh, model->listeners, &page.after, sizeof(page.after), after);
		if (after == NULL || after->load_balancer != load_balancer)
			return actions_bad_marker(params);
		it = after->hh_port.next;
	}
	for (size_t n = 0; r == 0 && it != NULL && n < page.size; n++, it = it->hh_port.next) {
		last = it->id;
		r = actions_append(result, "Listeners", actions_show_listener(model, it));
	}
	return r == 0 && it != NULL ? actions_next_page(result, last) : r;
}
