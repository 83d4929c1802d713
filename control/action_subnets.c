/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/actions.h"
#include "control/model_engine.h"
#include "control/model_store.h"

#include <errno.h>
#include <string.h>
#include <utlist.h>

/* The zone whose subnet id, or name, is @subnet; -1 when there is none. */
static int zone_of_subnet(const struct config *config, const char *subnet)
{
	for (unsigned int i = 0; i < config->n_zones; i++) {
		if (strcmp(config->zones[i].subnet_id, subnet) == 0 ||
		    strcmp(config->zones[i].name, subnet) == 0)
			return (int)i;
	}
	return -1;
}

static int enable_zone(const struct model *model, const struct params *params, const char *subnet,
		       struct zone_plan plan[ENGINE_MAX_ZONES], struct zone_plan **ret_zone)
{
	int zone = zone_of_subnet(model->config, subnet);

	if (zone < 0)
		return params_fail(params, "SubnetNotFound", "The subnet ID '%s' does not exist",
				   subnet);
	if (plan[zone].enabled)
		return params_fail(params, "InvalidConfigurationRequest",
				   "A load balancer cannot be attached to multiple subnets in the "
				   "same Availability Zone");
	plan[zone].enabled = true;
	*ret_zone = &plan[zone];
	return 0;
}

static int read_address(const struct params *entry, const char *name, bool v4,
			struct in6_addr *ret_address, bool *ret_fixed)
{
	const char *text = NULL;
	int r;

	r = params_string(entry, name, &text);
	if (r < 0 || text == NULL)
		return r;
	if (address_parse(text, ret_address) < 0 || address_is_v4(ret_address) != v4)
		return params_fail(entry, "ValidationError",
				   "The IP address '%s' is not a valid %s address", text,
				   v4 ? "IPv4" : "IPv6");
	*ret_fixed = true;
	return 0;
}

static int read_mapping(const struct model *model, const struct params *entry, bool dualstack,
			struct zone_plan plan[ENGINE_MAX_ZONES])
{
	const char *subnet = NULL, *allocation = NULL;
	struct zone_plan *zone;
	int r;

	r = params_only(entry, "SubnetId AllocationId PrivateIPv4Address IPv6Address "
			       "SourceNatIpv6Prefix");
	if (r == 0)
		r = params_require(entry, "SubnetId");
	if (r == 0)
		r = params_string(entry, "SubnetId", &subnet);
	if (r == 0)
		r = params_string(entry, "AllocationId", &allocation);
	if (r == 0)
		r = enable_zone(model, entry, subnet, plan, &zone);
	if (r < 0)
		return r;
	if (allocation != NULL)
		return params_fail(entry, "AllocationIdNotFound",
				   "The allocation ID '%s' does not exist", allocation);
	if (params_has(entry, "SourceNatIpv6Prefix"))
		return params_fail(entry, "InvalidConfigurationRequest",
				   "Source NAT prefixes are not supported");
	/* AWS takes a private address for internal load balancers only; here all
	 * addresses are the owner's own, so Scheme makes no difference */
	r = read_address(entry, "PrivateIPv4Address", true, &zone->v4, &zone->fixed_v4);
	if (r == 0)
		r = read_address(entry, "IPv6Address", false, &zone->v6, &zone->fixed_v6);
	if (r == 0 && zone->fixed_v6 && !dualstack)
		return params_fail(entry, "InvalidConfigurationRequest",
				   "An IPv6 address can be specified for load balancers with IP "
				   "address type 'dualstack' only");
	return r;
}

int actions_read_zones(const struct model *model, const struct params *params, bool dualstack,
		       bool required, struct zone_plan plan[ENGINE_MAX_ZONES])
{
	const json_t *subnets = NULL, *mappings = NULL;
	struct zone_plan *zone;
	int r;

	memset(plan, 0, sizeof(*plan) * ENGINE_MAX_ZONES);
	r = params_list(params, "Subnets", SIZE_MAX, &subnets);
	if (r == 0)
		r = params_list(params, "SubnetMappings", SIZE_MAX, &mappings);
	if (r < 0)
		return r;
	if (json_array_size(subnets) > 0 && json_array_size(mappings) > 0)
		return params_fail(params, "ValidationError",
				   "You must specify either subnets or subnet mappings, not both");
	if (json_array_size(subnets) == 0 && json_array_size(mappings) == 0) {
		if (required)
			return params_fail(params, "ValidationError",
					   "You must specify subnets or subnet mappings");
		for (unsigned int i = 0; i < model->config->n_zones; i++)
			plan[i].enabled = true;
	}
	for (size_t i = 0; r == 0 && i < json_array_size(subnets); i++) {
		const char *subnet = NULL;

		r = params_entry_string(params, "Subnets", subnets, i, &subnet);
		if (r == 0)
			r = enable_zone(model, params, subnet, plan, &zone);
	}
	for (size_t i = 0; r == 0 && i < json_array_size(mappings); i++) {
		struct params entry;

		r = params_entry(params, "SubnetMappings", mappings, i, &entry);
		if (r == 0)
			r = read_mapping(model, &entry, dualstack, plan);
	}
	return r;
}

bool actions_is_snat(const struct config *config, const struct in6_addr *address)
{
	for (unsigned int i = 0; i < config->n_zones; i++) {
		for (unsigned int j = 0; j < config->zones[i].n_snat; j++) {
			if (address_equal(&config->zones[i].snat[j], address))
				return true;
		}
	}
	return false;
}

static void increment(struct in6_addr *address)
{
	for (int i = 15; i >= 0 && ++address->s6_addr[i] == 0; i--)
		;
}

/* The lowest free address of the pool. Every step but the last meets an address in use, so even a
 * /64 is searched quickly. The config keeps pools apart from each other and from SNAT addresses. */
static bool next_free(const struct model *model, unsigned int zone, bool v4,
		      struct in6_addr *ret_address)
{
	const struct config_zone *config = &model->config->zones[zone];

	for (unsigned int i = 0; i < config->n_vip_pool; i++) {
		const struct address_prefix *prefix = &config->vip_pool[i];
		struct in6_addr at = prefix->address;

		if (address_is_v4(&prefix->address) != v4)
			continue;
		for (; address_prefix_contains(prefix, &at); increment(&at)) {
			if (model_vip(model, &at) == NULL) {
				*ret_address = at;
				return true;
			}
		}
	}
	return false;
}

static int check_fixed(const struct model *model, const struct params *params, unsigned int zone,
		       const struct in6_addr *address)
{
	const struct config_zone *config = &model->config->zones[zone];
	char text[ADDRESS_TEXT_MAX];
	bool inside = false;

	for (unsigned int i = 0; i < config->n_vip_pool; i++)
		inside = inside || address_prefix_contains(&config->vip_pool[i], address);
	if (!inside)
		return params_fail(params, "InvalidConfigurationRequest",
				   "The IP address '%s' is not in the address pool of subnet '%s'",
				   address_format(address, text), config->subnet_id);
	if (model_vip(model, address) != NULL)
		return params_fail(params, "ResourceInUse", "The IP address '%s' is in use",
				   address_format(address, text));
	return 0;
}

static int choose(const struct model *model, const struct params *params, const struct vip *present,
		  bool v4, bool fixed, unsigned int zone, struct zone_plan plan[ENGINE_MAX_ZONES])
{
	struct in6_addr *address = v4 ? &plan[zone].v4 : &plan[zone].v6;

	if (present != NULL && present->load_balancer != NULL) {
		if (fixed && !address_equal(address, &present->address))
			return params_fail(params, "InvalidConfigurationRequest",
					   "The address of a load balancer in subnet '%s' cannot "
					   "be changed; remove the subnet first",
					   model->config->zones[zone].subnet_id);
		*address = present->address;
		return 0;
	}
	if (fixed)
		return check_fixed(model, params, zone, address);
	if (next_free(model, zone, v4, address))
		return 0;
	return params_fail(params, "InvalidSubnet",
			   "Not enough IP space available in %s: no free %s address in its VIP "
			   "pool",
			   model->config->zones[zone].subnet_id, v4 ? "IPv4" : "IPv6");
}

int actions_choose_vips(const struct model *model, const struct params *params,
			const struct load_balancer *load_balancer, bool dualstack,
			struct zone_plan plan[ENGINE_MAX_ZONES])
{
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < model->config->n_zones; i++) {
		const struct load_balancer_zone *present =
			load_balancer != NULL ? &load_balancer->zones[i] : NULL;

		if (!plan[i].enabled)
			continue;
		r = choose(model, params, present != NULL ? &present->v4 : NULL, true,
			   plan[i].fixed_v4, i, plan);
		if (r == 0 && dualstack)
			r = choose(model, params, present != NULL ? &present->v6 : NULL, false,
				   plan[i].fixed_v6, i, plan);
	}
	return r;
}

struct vip_change { /* of one VIP slot of a load balancer */
	struct vip *slot;
	struct vip next; /* load_balancer NULL: there shall be none */
};

static size_t list_changes(struct load_balancer *load_balancer, bool dualstack,
			   const struct zone_plan plan[ENGINE_MAX_ZONES],
			   struct vip_change changes[ENGINE_MAX_VIPS])
{
	size_t n = 0;

	for (unsigned int i = 0; i < ENGINE_MAX_ZONES; i++) {
		for (int v6 = 0; v6 < 2; v6++) {
			struct load_balancer_zone *zone = &load_balancer->zones[i];
			struct vip *slot = v6 ? &zone->v6 : &zone->v4;
			bool wanted = plan[i].enabled && (!v6 || dualstack);

			if (wanted == (slot->load_balancer != NULL))
				continue;
			changes[n].slot = slot;
			changes[n].next = (struct vip){
				.address = v6 ? plan[i].v6 : plan[i].v4,
				.load_balancer = wanted ? load_balancer : NULL,
				.zone = i,
			};
			n++;
		}
	}
	return n;
}

/* What can fail for reasons outside comes first, and is undone. */
static int put_new_vips(struct model *model, const struct params *params,
			const struct vip_change *changes, size_t n)
{
	char text[ADDRESS_TEXT_MAX];

	for (size_t i = 0; i < n; i++) {
		int r = 0;

		if (changes[i].next.load_balancer != NULL)
			r = model_engine_put_vip(model, &changes[i].next);
		if (r == 0)
			continue;
		for (size_t j = 0; j < i; j++) {
			if (changes[j].next.load_balancer != NULL)
				model_engine_remove_vip(model, &changes[j].next);
		}
		return params_fail(params, "InvalidConfigurationRequest",
				   "The IP address '%s' cannot be added to interface '%s': %s",
				   address_format(&changes[i].next.address, text),
				   model->config->zones[changes[i].next.zone].interface,
				   strerror(-r));
	}
	return 0;
}

static int apply_changes(struct model *model, const struct vip_change *changes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct vip *slot = changes[i].slot;
		struct in6_addr address = slot->address;
		int r;

		if (changes[i].next.load_balancer != NULL) {
			*slot = changes[i].next;
			address = slot->address;
			r = model_add_vip(model, slot);
		} else {
			r = model_engine_remove_vip(model, slot);
			model_drop_vip(model, slot);
		}
		if (r == 0)
			r = model_engine_refresh_address(model, &address);
		if (r < 0)
			return model_give_up(model, r);
	}
	return 0;
}

int actions_apply_zones(struct model *model, const struct params *params,
			struct load_balancer *load_balancer, bool dualstack,
			const struct zone_plan plan[ENGINE_MAX_ZONES])
{
	struct vip_change changes[ENGINE_MAX_VIPS];
	size_t n = list_changes(load_balancer, dualstack, plan, changes);
	int r;

	r = put_new_vips(model, params, changes, n);
	if (r < 0)
		return r;
	load_balancer->dualstack = dualstack;
	for (unsigned int i = 0; i < ENGINE_MAX_ZONES; i++)
		load_balancer->zones[i].enabled = plan[i].enabled;
	return apply_changes(model, changes, n);
}
