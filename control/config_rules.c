/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/config_rules.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct rules {
	const struct config *config;
	char path[64]; /* of the value being checked: "zones[7].vip_pool[15]" */
	char *error;
};

static int fail(struct rules *rules, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int fail(struct rules *rules, const char *format, ...)
{
	va_list args;
	int len;

	len = snprintf(rules->error, CONFIG_ERROR_MAX, "%s: ", rules->path);
	va_start(args, format);
	vsnprintf(rules->error + len, CONFIG_ERROR_MAX - (size_t)len, format, args);
	va_end(args);
	return -EINVAL;
}

static bool prefix_overlaps(const struct address_prefix *a, const struct address_prefix *b)
{
	return address_prefix_contains(a, &b->address) || address_prefix_contains(b, &a->address);
}

/* What no load balancer can own: VIPs and SNAT addresses are plain unicast ones. */
static bool prefix_is_unicast(const struct address_prefix *prefix)
{
	static const char *const others[] = {
		"0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/4", "255.255.255.255/32",
		"::/128",    "::1/128",	    "fe80::/10",   "ff00::/8",
	};
	struct address_prefix other;
	size_t i;

	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (address_prefix_parse(others[i], &other) < 0 || prefix_overlaps(prefix, &other))
			return false;
	}
	return true;
}

static struct address_prefix prefix_of(const struct in6_addr *address)
{
	return (struct address_prefix){*address, address_is_v4(address) ? 32 : 128};
}

static int check_vip_range(struct rules *rules, unsigned int z, unsigned int i)
{
	const struct config *config = rules->config;
	const struct address_prefix *range = &config->zones[z].vip_pool[i];
	unsigned int y, j;

	snprintf(rules->path, sizeof(rules->path), "zones[%u].vip_pool[%u]", z, i);
	if (!prefix_is_unicast(range))
		return fail(rules, "must hold unicast addresses alone, and no loopback or "
				   "link-local ones");
	for (y = 0; y <= z; y++) {
		for (j = 0; j < (y < z ? config->zones[y].n_vip_pool : i); j++) {
			if (prefix_overlaps(range, &config->zones[y].vip_pool[j]))
				return fail(rules, "overlaps zones[%u].vip_pool[%u]", y, j);
		}
	}
	return 0;
}

static int check_snat(struct rules *rules, unsigned int z, unsigned int i)
{
	const struct config *config = rules->config;
	const struct in6_addr *address = &config->zones[z].snat[i];
	const struct address_prefix prefix = prefix_of(address);
	unsigned int y, j;

	snprintf(rules->path, sizeof(rules->path), "zones[%u].snat[%u]", z, i);
	if (!prefix_is_unicast(&prefix))
		return fail(rules, "must be a unicast address, not loopback or link-local");
	for (y = 0; y < config->n_zones; y++) {
		for (j = 0; j < config->zones[y].n_vip_pool; j++) {
			if (address_prefix_contains(&config->zones[y].vip_pool[j], address))
				return fail(rules, "lies inside zones[%u].vip_pool[%u]", y, j);
		}
	}
	for (y = 0; y <= z; y++) {
		for (j = 0; j < (y < z ? config->zones[y].n_snat : i); j++) {
			if (address_equal(&config->zones[y].snat[j], address))
				return fail(rules, "is zones[%u].snat[%u] again", y, j);
		}
	}
	return 0;
}

/* A target is in one zone, so zones must not share addresses; within one they may. */
static int check_cidr(struct rules *rules, unsigned int z, unsigned int i)
{
	const struct config *config = rules->config;
	unsigned int y, j;

	snprintf(rules->path, sizeof(rules->path), "zones[%u].cidrs[%u]", z, i);
	for (y = 0; y < z; y++) {
		for (j = 0; j < config->zones[y].n_cidrs; j++) {
			if (prefix_overlaps(&config->zones[z].cidrs[i], &config->zones[y].cidrs[j]))
				return fail(rules, "overlaps zones[%u].cidrs[%u]", y, j);
		}
	}
	return 0;
}

static int check_zone(struct rules *rules, unsigned int z)
{
	const struct config *config = rules->config;
	const struct config_zone *zone = &config->zones[z];
	unsigned int i;
	int r = 0;

	for (i = 0; i < z; i++) {
		if (strcmp(config->zones[i].name, zone->name) == 0) {
			snprintf(rules->path, sizeof(rules->path), "zones[%u].name", z);
			return fail(rules, "'%s' names zones[%u] already", zone->name, i);
		}
		if (strcmp(config->zones[i].subnet_id, zone->subnet_id) == 0) {
			snprintf(rules->path, sizeof(rules->path), "zones[%u].subnet_id", z);
			return fail(rules, "'%s' names zones[%u] already", zone->subnet_id, i);
		}
	}
	for (i = 0; r == 0 && i < zone->n_vip_pool; i++)
		r = check_vip_range(rules, z, i);
	for (i = 0; r == 0 && i < zone->n_snat; i++)
		r = check_snat(rules, z, i);
	for (i = 0; r == 0 && i < zone->n_cidrs; i++)
		r = check_cidr(rules, z, i);
	return r;
}

/* A probe from a port of SNAT's would meet the flow that has it towards the same target. */
static int check_probe_ports(struct rules *rules)
{
	const struct config *config = rules->config;

	snprintf(rules->path, sizeof(rules->path), "health.source_ports");
	if (config->health_port_min <= config->engine.snat_port_max &&
	    config->health_port_max >= config->engine.snat_port_min)
		return fail(rules, "%u to %u overlaps engine.snat_ports, %u to %u",
			    config->health_port_min, config->health_port_max,
			    config->engine.snat_port_min, config->engine.snat_port_max);
	return 0;
}

int config_rules_check(const struct config *config, char error[CONFIG_ERROR_MAX])
{
	struct rules rules = {.config = config, .error = error};
	unsigned int z;
	int r = check_probe_ports(&rules);

	for (z = 0; r == 0 && z < config->n_zones; z++)
		r = check_zone(&rules, z);
	return r;
}
