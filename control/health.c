/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/health.h"

#include "control/matcher.h"
#include "control/model.h"

#include <stdio.h>
#include <string.h>

void health_rules(const struct group *group, struct machine_rules *ret_rules)
{
	const struct attributes *attributes = &group->attributes;

	*ret_rules = (struct machine_rules){
		.healthy_threshold = group->check.healthy_threshold,
		.unhealthy_threshold = group->check.unhealthy_threshold,
		.unhealthy_termination =
			attributes_is_true(attributes, ATTRIBUTE_UNHEALTHY_TERMINATION),
		.unhealthy_draining_ms =
			attributes_number(attributes, ATTRIBUTE_UNHEALTHY_DRAINING) * 1000,
		.deregistration_delay_ms =
			attributes_number(attributes, ATTRIBUTE_DEREGISTRATION_DELAY) * 1000,
		.end_when_idle = attributes_is_true(attributes, ATTRIBUTE_END_WHEN_IDLE),
	};
}

enum machine_event health_use(const struct model *model, const struct target *target)
{
	const struct load_balancer *load_balancer = target->group->load_balancer;

	if (load_balancer == NULL)
		return MACHINE_GROUP_IS_NOT_IN_USE;
	if (target->zone != MODEL_ZONE_ALL && !load_balancer->zones[target->zone].enabled)
		return MACHINE_ZONE_IS_NOT_ENABLED;
	if (model_vip(model, &target->key.address) != NULL)
		return MACHINE_IP_IS_UNUSABLE;
	return MACHINE_IS_IN_USE;
}

bool health_is_healthy(enum machine_state state)
{
	return state == MACHINE_HEALTHY;
}

bool health_is_unhealthy(enum machine_state state)
{
	return state == MACHINE_UNHEALTHY || state == MACHINE_UNHEALTHY_DRAINING;
}

/* --- failing open ---------------------------------------------------------------------- */

uint8_t health_fails_open(const struct group *group)
{
	const struct attributes *attributes = &group->attributes;
	unsigned long least =
		(unsigned long)attributes_number(attributes, ATTRIBUTE_ROUTING_FAILOVER_COUNT);
	unsigned long percentage = (unsigned long)attributes_number(
		attributes, ATTRIBUTE_ROUTING_FAILOVER_PERCENTAGE); /* 0: off */
	unsigned long registered[ENGINE_MAX_ZONES] = {0}, healthy[ENGINE_MAX_ZONES] = {0};
	bool crosses = model_group_crosses_zones(group);
	const struct target *target, *target_next;
	uint8_t zones, mask = 0;

	if (group->load_balancer == NULL)
		return 0;
	model_each (group->targets, target, hh) {
		if (!machine_is_probed(&target->machine))
			continue;
		zones = model_target_zones(target, crosses);
		for (unsigned int zone = 0; zone < ENGINE_MAX_ZONES; zone++) {
			registered[zone] += zones >> zone & 1U;
			healthy[zone] += zones >> zone & health_is_healthy(target->machine.state);
		}
	}
	for (unsigned int zone = 0; zone < ENGINE_MAX_ZONES; zone++) {
		if (healthy[zone] < least || healthy[zone] * 100 < percentage * registered[zone])
			mask |= (uint8_t)(1U << zone);
	}
	return mask & model_zones(group->load_balancer);
}

static enum engine_target_state engine_state(const struct target *target)
{
	struct machine_rules rules;

	health_rules(target->group, &rules);
	switch (machine_flows(&target->machine, &rules)) {
	case MACHINE_FLOWS_NEW:
		return ENGINE_TARGET_ACTIVE;
	case MACHINE_FLOWS_MOVE:
		return ENGINE_TARGET_UNHEALTHY;
	case MACHINE_FLOWS_END:
		return ENGINE_TARGET_ENDING;
	default:
		return ENGINE_TARGET_IDLE;
	}
}

void health_engine_target(const struct target *target, struct engine_target *ret_target)
{
	uint8_t zones = model_target_zones(target, model_group_crosses_zones(target->group));
	uint8_t open = zones & target->group->fail_open;

	*ret_target = (struct engine_target){
		.address = target->key.address,
		.port = (uint16_t)target->key.port,
		.state = engine_state(target),
		.zones = zones,
	};
	if (ret_target->state == ENGINE_TARGET_ACTIVE || open == 0 ||
	    !machine_is_probed(&target->machine))
		return;
	ret_target->state = ENGINE_TARGET_ACTIVE;
	ret_target->zones = open;
}

/* --- probes ------------------------------------------------------------------------------ */

static const enum probe_protocol probe_protocols[] = {
	[CHECK_TCP] = PROBE_TCP,
	[CHECK_HTTP] = PROBE_HTTP,
	[CHECK_HTTPS] = PROBE_HTTPS,
};

void health_times(const struct config *config, const struct group *group, uint32_t *ret_interval_ms,
		  uint32_t *ret_timeout_ms)
{
	long interval_ms = attributes_number(&group->attributes, ATTRIBUTE_CHECK_INTERVAL_MS);
	long timeout_ms = attributes_number(&group->attributes, ATTRIBUTE_CHECK_TIMEOUT_MS);
	bool fast = config->health_fast_intervals;

	*ret_interval_ms =
		fast && interval_ms > 0 ? (uint32_t)interval_ms : group->check.interval_s * 1000;
	*ret_timeout_ms =
		fast && timeout_ms > 0 ? (uint32_t)timeout_ms : group->check.timeout_s * 1000;
	if (*ret_timeout_ms > *ret_interval_ms)
		*ret_timeout_ms = *ret_interval_ms;
}

/* The zone whose node does the probing: the target's own, or the first. */
static unsigned int probing_zone(const struct target *target)
{
	const struct load_balancer *load_balancer = target->group->load_balancer;
	unsigned int zone = 0;

	if (target->zone != MODEL_ZONE_ALL)
		return (unsigned int)target->zone;
	while (zone + 1 < ENGINE_MAX_ZONES && !load_balancer->zones[zone].enabled)
		zone++;
	return zone;
}

/* The lowest port of a listener that forwards to the group. */
static uint16_t listener_port(const struct group *group)
{
	struct listener *listener, *listener_next;
	uint16_t port = UINT16_MAX;

	model_each (group->load_balancer->listeners, listener, hh_port) {
		for (unsigned int i = 0; i < listener->forward.n; i++) {
			if (listener->forward.to[i].group == group && listener->port < port)
				port = listener->port;
		}
	}
	return port;
}

static void fill_http(const struct target *target, unsigned int zone, struct probe_put *put)
{
	const struct group *group = target->group;
	const struct load_balancer_zone *node = &group->load_balancer->zones[zone];
	char address[ADDRESS_TEXT_MAX];

	address_format(group->ipv6 ? &node->v6.address : &node->v4.address, address);
	snprintf(put->host, sizeof(put->host), group->ipv6 ? "[%s]:%u" : "%s:%u", address,
		 listener_port(group));
	strcpy(put->path, group->check.path);
	put->n_ranges = (uint16_t)matcher_parse(group->check.matcher, put->ranges);
}

void health_probe(const struct model *model, const struct target *target, struct probe_put *ret_put)
{
	const struct group *group = target->group;
	unsigned int zone = probing_zone(target);
	const struct config_zone *place = &model->config->zones[zone];

	memset(ret_put, 0, sizeof(*ret_put));
	ret_put->protocol = probe_protocols[group->check.protocol];
	health_times(model->config, group, &ret_put->interval_ms, &ret_put->timeout_ms);
	ret_put->target = target->key.address;
	ret_put->port = group->check.port != 0 ? group->check.port : (uint16_t)target->key.port;
	for (unsigned int i = place->n_snat; i-- > 0;) {
		if (address_is_v4(&place->snat[i]) != group->ipv6)
			ret_put->source = place->snat[i];
	}
	ret_put->source_port_min = model->config->health_port_min;
	ret_put->source_port_max = model->config->health_port_max;
	ret_put->proxy_v2 = attributes_is_true(&group->attributes, ATTRIBUTE_PROXY_PROTOCOL);
	if (group->check.protocol != CHECK_TCP)
		fill_http(target, zone, ret_put);
}
