/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/target_address.h"

#include "control/actions.h"

#include <arpa/inet.h>
#include <string.h>

static const struct {
	in_addr_t network;
	unsigned int length;
} private_ranges[] = {
	/* NLB takes "ip" targets outside its VPC from these alone */
	{0x0a000000, 8},  /* 10.0.0.0/8 */
	{0x64400000, 10}, /* 100.64.0.0/10 */
	{0xac100000, 12}, /* 172.16.0.0/12 */
	{0xc0a80000, 16}, /* 192.168.0.0/16 */
};

static bool is_private(const struct in6_addr *address)
{
	if (!address_is_v4(address))
		return (address->s6_addr[0] & 0xfe) == 0xfc; /* fc00::/7, RFC 4193 */
	for (size_t i = 0; i < sizeof(private_ranges) / sizeof(private_ranges[0]); i++) {
		in_addr_t mask = ~(in_addr_t)0 << (32 - private_ranges[i].length);

		if ((ntohl(address_to_v4(address)) & mask) == private_ranges[i].network)
			return true;
	}
	return false;
}

static const char *why_not_unicast(const struct in6_addr *address)
{
	if (address_is_v4(address)) {
		in_addr_t v4 = ntohl(address_to_v4(address));

		if (v4 >> 24 == 0)
			return "unspecified";
		if (v4 >> 24 == 127)
			return "loopback";
		if (v4 >> 16 == 0xa9fe)
			return "link-local";
		return v4 >> 28 == 0xe ? "multicast" : v4 >> 28 == 0xf ? "reserved" : NULL;
	}
	if (IN6_IS_ADDR_UNSPECIFIED(address))
		return "unspecified";
	if (IN6_IS_ADDR_LOOPBACK(address))
		return "loopback";
	if (IN6_IS_ADDR_LINKLOCAL(address))
		return "link-local";
	return IN6_IS_ADDR_MULTICAST(address) ? "multicast" : NULL;
}

/* The zone whose cidrs hold the address; MODEL_ZONE_ALL when none does. */
static int zone_of(const struct config *config, const struct in6_addr *address)
{
	for (unsigned int i = 0; i < config->n_zones; i++) {
		for (unsigned int j = 0; j < config->zones[i].n_cidrs; j++) {
			if (address_prefix_contains(&config->zones[i].cidrs[j], address))
				return (int)i;
		}
	}
	return MODEL_ZONE_ALL;
}

/* Whether any zone says which targets are its own, of this family. */
static bool zones_have_cidrs(const struct config *config, bool v4)
{
	for (unsigned int i = 0; i < config->n_zones; i++) {
		for (unsigned int j = 0; j < config->zones[i].n_cidrs; j++) {
			if (address_is_v4(&config->zones[i].cidrs[j].address) == v4)
				return true;
		}
	}
	return false;
}

int target_address_check(const struct model *model, const struct params *params,
			 const struct group *group, const struct in6_addr *address)
{
	bool v4 = address_is_v4(address);
	char text[ADDRESS_TEXT_MAX];
	const char *why;

	address_format(address, text);
	if (v4 == group->ipv6)
		return params_fail(params, "ValidationError",
				   "The IP address '%s' is not a valid %s address, as the IP "
				   "address type '%s' of the target group demands",
				   text, v4 ? "IPv6" : "IPv4", v4 ? "ipv6" : "ipv4");
	why = why_not_unicast(address);
	if (why != NULL)
		return params_fail(params, "ValidationError",
				   "The IP address '%s' cannot be used as a target, as it is a %s "
				   "address",
				   text, why);
	if (model_vip(model, address) != NULL)
		return params_fail(params, "InvalidTarget",
				   "The IP address '%s' cannot be used as a target, as it is in "
				   "use by a load balancer",
				   text);
	if (actions_is_snat(model->config, address))
		return params_fail(params, "InvalidTarget",
				   "The IP address '%s' cannot be used as a target, as it is a "
				   "source address of the load balancers",
				   text);
	if (is_private(address) || zone_of(model->config, address) != MODEL_ZONE_ALL)
		return 0;
	return params_fail(params, "ValidationError",
			   "The IP address '%s' cannot be used as a target: it must be in %s, or "
			   "in the cidrs of a zone",
			   text,
			   v4 ? "10.0.0.0/8, 100.64.0.0/10, 172.16.0.0/12 or 192.168.0.0/16"
			      : "fc00::/7");
}

int target_address_zone(const struct model *model, const struct params *params,
			const struct in6_addr *address, const char *zone_name, int *ret_zone)
{
	const struct config *config = model->config;
	int own = zone_of(config, address), named = MODEL_ZONE_ALL;
	char text[ADDRESS_TEXT_MAX];

	address_format(address, text);
	if (zone_name == NULL) {
		if (own == MODEL_ZONE_ALL && zones_have_cidrs(config, address_is_v4(address)))
			return params_fail(params, "ValidationError",
					   "The Availability Zone is required for IP address '%s' "
					   "because it is not in the VPC",
					   text);
		*ret_zone = own;
		return 0;
	}
	for (unsigned int i = 0; i < config->n_zones; i++) {
		if (strcmp(config->zones[i].name, zone_name) == 0)
			named = (int)i;
	}
	if (named == MODEL_ZONE_ALL && strcmp(zone_name, "all") != 0)
		return params_fail(params, "ValidationError",
				   "The Availability Zone '%s' is not valid", zone_name);
	if (own != MODEL_ZONE_ALL && named != own)
		return params_fail(params, "ValidationError",
				   "The IP address '%s' is within the VPC, and cannot have its "
				   "Availability Zone overridden to '%s' from '%s'",
				   text, zone_name, config->zones[own].name);
	*ret_zone = named;
	return 0;
}
