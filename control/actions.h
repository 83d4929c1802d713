/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Actions: what the action_*.c files share. An action fills its result object
 * and returns 0; -EINVAL with the error of the API filled and nothing changed;
 * or another negative errno, which action_run() answers with InternalFailure
 * and for which the turn is given up.
 */
#ifndef SLUICE_ACTIONS_H
#define SLUICE_ACTIONS_H

#include "control/model.h"
#include "control/params.h"

#define ACTIONS_PAGE_MAX 400 /* entries of a page, and the default */
#define ACTIONS_ARNS_MAX 20  /* ARNs or names in one call */

typedef int action_function(struct model *model, const struct params *params, json_t *result);

action_function action_create_load_balancer, action_describe_load_balancers,
	action_delete_load_balancer, action_set_subnets, action_set_ip_address_type;
action_function action_create_target_group, action_describe_target_groups,
	action_modify_target_group, action_delete_target_group;
action_function action_create_listener, action_describe_listeners, action_modify_listener,
	action_delete_listener;
action_function action_register_targets, action_deregister_targets, action_describe_target_health;
action_function action_describe_load_balancer_attributes, action_modify_load_balancer_attributes,
	action_describe_target_group_attributes, action_modify_target_group_attributes,
	action_describe_listener_attributes, action_modify_listener_attributes;
action_function action_add_tags, action_remove_tags, action_describe_tags;
action_function action_describe_account_limits, action_describe_metrics;

/* --- finding objects (actions_common.c) ---------------------------------- */

/** The object whose ARN member @name holds; the member is required. */
int actions_load_balancer(const struct model *model, const struct params *params,
			  struct load_balancer **ret_load_balancer);
int actions_listener(const struct model *model, const struct params *params,
		     struct listener **ret_listener);
int actions_group(const struct model *model, const struct params *params, struct group **ret_group);
/** The same for a given ARN; @missing is the message when there is no such object. */
int actions_load_balancer_by_arn(const struct model *model, const struct params *params,
				 const char *arn, const char *missing,
				 struct load_balancer **ret_load_balancer);
int actions_listener_by_arn(const struct model *model, const struct params *params, const char *arn,
			    const char *missing, struct listener **ret_listener);
int actions_group_by_arn(const struct model *model, const struct params *params, const char *arn,
			 const char *missing, struct group **ret_group);

/** Check the Name of a new object; @kind as "Target group". */
int actions_name(const struct params *params, const char *kind, const char **ret_name);

/** Read and check Tags into a new object of key and value, owned by the caller. */
int actions_tags(const struct params *params, json_t **ret_tags);
/** Check one tag key. */
int actions_tag_key(const struct params *params, const char *key);

/* --- results ------------------------------------------------------------- */

/** Append to a list of the result, making it; takes @item's reference, NULL: out of memory. */
int actions_append(json_t *result, const char *list, json_t *item);
/** Make an empty list in the result. */
int actions_list(json_t *result, const char *list);
/** Set a member; takes @value's reference, NULL: out of memory. */
int actions_set(json_t *result, const char *member, json_t *value);

struct page {
	size_t size;
	uint64_t after; /* id of the last object of the page before; 0: from the start */
};

int actions_page(const struct params *params, struct page *ret_page);
int actions_bad_marker(const struct params *params);
/** The target group that a page begins with, NULL behind the last; -EINVAL when the page before
 *  ended with a group that is gone. */
int actions_page_groups(const struct model *model, const struct params *params,
			const struct page *page, struct group **ret_first);
/** Tell that there is more behind the object with this id. */
int actions_next_page(json_t *result, uint64_t last_id);

/** An object as the API shows it; NULL when out of memory. */
json_t *actions_show_load_balancer(const struct model *model,
				   const struct load_balancer *load_balancer);
json_t *actions_show_zones(const struct model *model, const struct load_balancer *load_balancer);
json_t *actions_show_listener(const struct model *model, const struct listener *listener);
json_t *actions_show_group(const struct model *model, const struct group *group);

/* --- listeners (action_listener.c) --------------------------------------- */

/** Take a listener out of engine, store and memory, and tell Watch clients. */
int actions_remove_listener(struct model *model, struct listener *listener);

/* --- zones of load balancers (action_subnets.c) -------------------------- */

/** Whether the address is a SNAT address of a zone. */
bool actions_is_snat(const struct config *config, const struct in6_addr *address);

struct zone_plan {
	bool enabled, fixed_v4, fixed_v6; /* fixed: asked for by the caller */
	struct in6_addr v4, v6;
};

/** Read Subnets or SubnetMappings; without them all zones, unless @required. */
int actions_read_zones(const struct model *model, const struct params *params, bool dualstack,
		       bool required, struct zone_plan plan[ENGINE_MAX_ZONES]);
/** Choose the addresses that are not fixed; @load_balancer keeps those it has. */
int actions_choose_vips(const struct model *model, const struct params *params,
			const struct load_balancer *load_balancer, bool dualstack,
			struct zone_plan plan[ENGINE_MAX_ZONES]);
/** Give a load balancer the zones and VIPs of the plan, in the engine and in memory. */
int actions_apply_zones(struct model *model, const struct params *params,
			struct load_balancer *load_balancer, bool dualstack,
			const struct zone_plan plan[ENGINE_MAX_ZONES]);

#endif
