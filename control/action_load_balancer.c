/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/actions.h"
#include "control/model_engine.h"
#include "control/model_store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define IP_ADDRESS_TYPES "[ipv4, dualstack]"

json_t *actions_show_zones(const struct model *model, const struct load_balancer *load_balancer)
{
	json_t *zones = json_array();

	for (unsigned int i = 0; i < model->config->n_zones; i++) {
		const struct load_balancer_zone *zone = &load_balancer->zones[i];
		char v4[ADDRESS_TEXT_MAX], v6[ADDRESS_TEXT_MAX];

		if (!zone->enabled)
			continue;
		if (json_array_append_new(
			    zones, json_pack("{s:s, s:s, s:[{s:s, s:s*}]}", "ZoneName",
					     model->config->zones[i].name, "SubnetId",
					     model->config->zones[i].subnet_id,
					     "LoadBalancerAddresses", "PrivateIPv4Address",
					     address_format(&zone->v4.address, v4), "IPv6Address",
					     load_balancer->dualstack
						     ? address_format(&zone->v6.address, v6)
						     : NULL)) < 0) {
			json_decref(zones);
			return NULL;
		}
	}
	return zones;
}

json_t *actions_show_load_balancer(const struct model *model,
				   const struct load_balancer *load_balancer)
{
	char arn[ARN_MAX], dns[ARN_DNS_MAX], created[MODEL_TIME_MAX];

	return json_pack("{s:s, s:s, s:s*, s:s, s:s, s:s, s:s, s:{s:s}, s:s, s:o, s:s, s:s}",
			 "LoadBalancerArn", model_load_balancer_arn(model, load_balancer, arn),
			 "DNSName",
			 arn_dns_name(model->config, load_balancer->name, load_balancer->id, dns),
			 "CanonicalHostedZoneId", arn_hosted_zone(model->config->region),
			 "CreatedTime", model_format_time(load_balancer->created_ms, created),
			 "LoadBalancerName", load_balancer->name, "Scheme",
			 load_balancer->internal ? "internal" : "internet-facing", "VpcId",
			 model->config->vpc_id, "State", "Code", "active", "Type", "network",
			 "AvailabilityZones", actions_show_zones(model, load_balancer),
			 "IpAddressType", load_balancer->dualstack ? "dualstack" : "ipv4",
			 "EnablePrefixForIpv6SourceNat", "off");
}

/* Parameters of other kinds of load balancer, or of what this version does not do. */
static int refuse_others(const struct params *params)
{
	const json_t *groups = NULL;
	const char *type = "network", *prefix = "off";
	int r;

	r = params_enum(params, "Type", "[application, network, gateway]", &type);
	if (r == 0)
		r = params_list(params, "SecurityGroups", SIZE_MAX, &groups);
	if (r == 0)
		r = params_enum(params, "EnablePrefixForIpv6SourceNat", "[on, off]", &prefix);
	if (r == 0 &&
	    (params_has(params, "IpamPools") || params_has(params, "CustomerOwnedIpv4Pool")))
		r = params_fail(params, "InvalidConfigurationRequest",
				"Address pools are not supported; VIPs come from the zones' pools");
	if (r < 0)
		return r;
	if (strcmp(type, "network") != 0)
		return params_fail(params, "InvalidConfigurationRequest",
				   "Load balancers with type '%s' are not supported; the type "
				   "must be 'network'",
				   type);
	if (json_array_size(groups) > 0)
		return params_fail(params, "InvalidConfigurationRequest",
				   "Security groups are not supported");
	if (strcmp(prefix, "on") == 0)
		return params_fail(params, "InvalidConfigurationRequest",
				   "Source NAT prefixes are not supported");
	return 0;
}

static int read_ip_address_type(const struct params *params, bool *ret_dualstack)
{
	const char *type = *ret_dualstack ? "dualstack" : "ipv4";
	int r;

	r = params_enum(params, "IpAddressType", IP_ADDRESS_TYPES, &type);
	if (r == 0)
		*ret_dualstack = strcmp(type, "dualstack") == 0;
	return r;
}

/* Whether a second CreateLoadBalancer asks for what is there. */
static bool same_settings(const struct load_balancer *present, bool internal, bool dualstack,
			  const struct zone_plan plan[ENGINE_MAX_ZONES])
{
	if (present->internal != internal || present->dualstack != dualstack)
		return false;
	for (unsigned int i = 0; i < ENGINE_MAX_ZONES; i++) {
		const struct load_balancer_zone *zone = &present->zones[i];

		if (zone->enabled != plan[i].enabled ||
		    (plan[i].fixed_v4 && !address_equal(&plan[i].v4, &zone->v4.address)) ||
		    (plan[i].fixed_v6 && !address_equal(&plan[i].v6, &zone->v6.address)))
			return false;
	}
	return true;
}

static struct load_balancer *new_load_balancer(const char *name, bool internal, json_t *tags)
{
	struct load_balancer *load_balancer = calloc(1, sizeof(*load_balancer));

	if (load_balancer == NULL || arn_new_id(&load_balancer->id) < 0) {
		free(load_balancer);
		return NULL;
	}
	strcpy(load_balancer->name, name);
	load_balancer->internal = internal;
	load_balancer->created_ms = model_now_ms();
	load_balancer->attributes.owner = ATTRIBUTE_OF_LOAD_BALANCER;
	load_balancer->attributes.internal = internal;
	load_balancer->tags = json_incref(tags);
	return load_balancer;
}

static void tell(struct model *model, const char *event, const struct load_balancer *load_balancer)
{
	char arn[ARN_MAX];

	model_event(model, event,
		    json_pack("{s:s}", "LoadBalancerArn",
			      model_load_balancer_arn(model, load_balancer, arn)));
}

/* All checks are done, but the interface may still refuse an address. */
static int create(struct model *model, const struct params *params, const char *name, bool internal,
		  bool dualstack, const struct zone_plan plan[ENGINE_MAX_ZONES], json_t *result)
{
	struct load_balancer *load_balancer;
	json_t *tags;
	int r;

	r = actions_tags(params, &tags);
	if (r < 0)
		return r;
	load_balancer = new_load_balancer(name, internal, tags);
	json_decref(tags);
	if (load_balancer == NULL)
		return -ENOMEM;
	r = model_add_load_balancer(model, load_balancer);
	if (r < 0) {
		model_free_load_balancer(load_balancer);
		return r;
	}
	r = actions_apply_zones(model, params, load_balancer, dualstack, plan);
	if (r == -EINVAL)
		model_drop_load_balancer(model, load_balancer);
	if (r < 0)
		return r;
	tell(model, "LoadBalancerCreated", load_balancer);
	r = model_store_save_load_balancer(model, load_balancer);
	if (r < 0)
		return r;
	return actions_append(result, "LoadBalancers",
			      actions_show_load_balancer(model, load_balancer));
}

int action_create_load_balancer(struct model *model, const struct params *params, json_t *result)
{
	struct zone_plan plan[ENGINE_MAX_ZONES];
	struct load_balancer *present;
	const char *name = NULL, *scheme = "internet-facing";
	bool dualstack = false;
	int r;

	r = actions_name(params, "Load balancer", &name);
	if (r == 0 && strncmp(name, "internal-", strlen("internal-")) == 0)
		r = params_fail(params, "ValidationError",
				"Load balancer name '%s' cannot begin with 'internal-'", name);
	if (r == 0)
		r = refuse_others(params);
	if (r == 0)
		r = params_enum(params, "Scheme", "[internet-facing, internal]", &scheme);
	if (r == 0)
		r = read_ip_address_type(params, &dualstack);
	if (r == 0)
		r = actions_read_zones(model, params, dualstack, false, plan);
	if (r < 0)
		return r;
	present = model_load_balancer_named(model, name);
	if (present != NULL) {
		if (!same_settings(present, strcmp(scheme, "internal") == 0, dualstack, plan))
			return params_fail(params, "DuplicateLoadBalancerName",
					   "A load balancer with the same name '%s' exists, but "
					   "with different settings",
					   name);
		return actions_append(result, "LoadBalancers",
				      actions_show_load_balancer(model, present));
	}
	if (HASH_COUNT(model->load_balancers) >= QUOTA_LOAD_BALANCERS)
		return params_fail(params, "TooManyLoadBalancers",
				   "You have reached the maximum number of load balancers: %d",
				   QUOTA_LOAD_BALANCERS);
	r = actions_choose_vips(model, params, NULL, dualstack, plan);
	if (r < 0)
		return r;
	return create(model, params, name, strcmp(scheme, "internal") == 0, dualstack, plan,
		      result);
}

static int describe_arns(const struct model *model, const struct params *params, const json_t *arns,
			 json_t *result)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < json_array_size(arns); i++) {
		struct load_balancer *found;
		const char *arn = NULL;

		r = params_entry_string(params, "LoadBalancerArns", arns, i, &arn);
		if (r == 0)
			r = actions_load_balancer_by_arn(
				model, params, arn, "One or more load balancers not found", &found);
		if (r == 0)
			r = actions_append(result, "LoadBalancers",
					   actions_show_load_balancer(model, found));
	}
	return r;
}

static int describe_names(const struct model *model, const struct params *params,
			  const json_t *names, json_t *result)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < json_array_size(names); i++) {
		struct load_balancer *found = NULL;
		const char *name = NULL;

		r = params_entry_string(params, "Names", names, i, &name);
		if (r == 0)
			found = model_load_balancer_named(model, name);
		if (r == 0 && found == NULL)
			r = params_fail(params, "LoadBalancerNotFound",
					"One or more load balancers not found");
		if (r == 0)
			r = actions_append(result, "LoadBalancers",
					   actions_show_load_balancer(model, found));
	}
	return r;
}

static int describe_page(const struct model *model, const struct params *params,
			 const struct page *page, json_t *result)
{
	struct load_balancer *it = model->load_balancers;
	uint64_t last = 0;
	int r = 0;

	if (page->after != 0) {
		HASH_FIND(hh, model->load_balancers, &page->after, sizeof(page->after), it);
		if (it == NULL)
			return actions_bad_marker(params);
		it = it->hh.next;
	}
	for (size_t n = 0; r == 0 && it != NULL && n < page->size; n++, it = it->hh.next) {
		last = it->id;
		r = actions_append(result, "LoadBalancers", actions_show_load_balancer(model, it));
	}
	return r == 0 && it != NULL ? actions_next_page(result, last) : r;
}

int action_describe_load_balancers(struct model *model, const struct params *params, json_t *result)
{
	const json_t *arns = NULL, *names = NULL;
	struct page page;
	int r;

	r = actions_page(params, &page);
	if (r == 0)
		r = params_list(params, "LoadBalancerArns", ACTIONS_ARNS_MAX, &arns);
	if (r == 0)
		r = params_list(params, "Names", ACTIONS_ARNS_MAX, &names);
	if (r == 0)
		r = actions_list(result, "LoadBalancers");
	if (r < 0)
		return r;
	if (json_array_size(arns) > 0 && json_array_size(names) > 0)
		return params_fail(params, "ValidationError",
				   "Load balancer names and load balancer ARNs cannot be "
				   "specified at the same time");
	if (json_array_size(arns) > 0)
		return describe_arns(model, params, arns, result);
	if (json_array_size(names) > 0)
		return describe_names(model, params, names, result);
	return describe_page(model, params, &page, result);
}

static int remove_load_balancer(struct model *model, struct load_balancer *load_balancer)
{
	struct zone_plan none[ENGINE_MAX_ZONES] = {0};
	struct listener *listener, *listener_next;
	int r;

	model_each (load_balancer->listeners, listener, hh_port) {
		r = actions_remove_listener(model, listener);
		if (r < 0)
			return r;
	}
	r = actions_apply_zones(model, NULL, load_balancer, load_balancer->dualstack, none);
	if (r == 0)
		r = model_store_delete_load_balancer(model, load_balancer);
	if (r < 0)
		return r;
	tell(model, "LoadBalancerDeleted", load_balancer);
	model_drop_load_balancer(model, load_balancer);
	return 0;
}

int action_delete_load_balancer(struct model *model, const struct params *params, json_t *result)
{
	struct load_balancer *load_balancer;
	char arn[ARN_MAX];
	int r;

	(void)result;
	r = actions_load_balancer(model, params, &load_balancer);
	if (r == -EINVAL && strcmp(params->error->code, "LoadBalancerNotFound") == 0)
		return 0; /* the API forgives a second deletion */
	if (r < 0)
		return r;
	if (attributes_is_true(&load_balancer->attributes, ATTRIBUTE_DELETION_PROTECTION))
		return params_fail(params, "OperationNotPermitted",
				   "Load balancer '%s' cannot be deleted because deletion "
				   "protection is enabled",
				   model_load_balancer_arn(model, load_balancer, arn));
	return remove_load_balancer(model, load_balancer);
}

static int check_family(const struct load_balancer *load_balancer, const struct params *params,
			bool dualstack)
{
	const struct group *group;

	DL_FOREACH (load_balancer->groups, group) {
		if (group->ipv6 && !dualstack)
			return params_fail(params, "InvalidConfigurationRequest",
					   "The IP address type cannot be 'ipv4' while a listener "
					   "forwards to the target group '%s' with IP address type "
					   "'ipv6'",
					   group->name);
	}
	return 0;
}

static int change_zones(struct model *model, const struct params *params,
			struct load_balancer *load_balancer, bool dualstack,
			struct zone_plan plan[ENGINE_MAX_ZONES])
{
	struct listener *listener, *listener_next;
	struct group *group;
	int r;

	r = check_family(load_balancer, params, dualstack);
	if (r == 0)
		r = actions_choose_vips(model, params, load_balancer, dualstack, plan);
	if (r == 0)
		r = actions_apply_zones(model, params, load_balancer, dualstack, plan);
	if (r < 0)
		return r;
	model_each (load_balancer->listeners, listener, hh_port) {
		r = model_engine_put_listener(model, listener);
		if (r < 0)
			return model_give_up(model, r);
	}
	DL_FOREACH (load_balancer->groups, group) {
		r = model_engine_refresh(model, group);
		if (r < 0)
			return r;
	}
	return model_store_save_load_balancer(model, load_balancer);
}

int action_set_subnets(struct model *model, const struct params *params, json_t *result)
{
	struct zone_plan plan[ENGINE_MAX_ZONES];
	struct load_balancer *load_balancer;
	const char *prefix = "off";
	bool dualstack;
	int r;

	r = actions_load_balancer(model, params, &load_balancer);
	if (r < 0)
		return r;
	dualstack = load_balancer->dualstack;
	r = read_ip_address_type(params, &dualstack);
	if (r == 0)
		r = params_enum(params, "EnablePrefixForIpv6SourceNat", "[on, off]", &prefix);
	if (r == 0 && strcmp(prefix, "on") == 0)
		r = params_fail(params, "InvalidConfigurationRequest",
				"Source NAT prefixes are not supported");
	if (r == 0)
		r = actions_read_zones(model, params, dualstack, true, plan);
	if (r == 0)
		r = change_zones(model, params, load_balancer, dualstack, plan);
	if (r == 0)
		r = actions_set(result, "AvailabilityZones",
				actions_show_zones(model, load_balancer));
	if (r == 0)
		r = actions_set(result, "IpAddressType",
				json_string(dualstack ? "dualstack" : "ipv4"));
	if (r == 0)
		r = actions_set(result, "EnablePrefixForIpv6SourceNat", json_string("off"));
	return r;
}

int action_set_ip_address_type(struct model *model, const struct params *params, json_t *result)
{
	struct zone_plan plan[ENGINE_MAX_ZONES] = {0};
	struct load_balancer *load_balancer;
	bool dualstack = false;
	int r;

	r = actions_load_balancer(model, params, &load_balancer);
	if (r == 0)
		r = params_require(params, "IpAddressType");
	if (r == 0)
		r = read_ip_address_type(params, &dualstack);
	if (r < 0)
		return r;
	for (unsigned int i = 0; i < ENGINE_MAX_ZONES; i++)
		plan[i].enabled = load_balancer->zones[i].enabled;
	r = change_zones(model, params, load_balancer, dualstack, plan);
	if (r < 0)
		return r;
	return actions_set(result, "IpAddressType", json_string(dualstack ? "dualstack" : "ipv4"));
}
