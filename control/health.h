/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Health: what a target's state (healthcheck/machine.h) depends on here, and
 * what follows from it: for the engine, for the group, and for the prober.
 */
#ifndef SLUICE_HEALTH_H
#define SLUICE_HEALTH_H

#include "dataplane/engine.h"
#include "healthcheck/machine.h"
#include "healthcheck/messages.h"

#include <stdbool.h>

struct config;
struct group;
struct model;
struct target;

/** The group's settings for its targets' machines. */
void health_rules(const struct group *group, struct machine_rules *ret_rules);

/** What the group and its load balancer are to the target; the first that is true in the order
 *  of the states. */
enum machine_event health_use(const struct model *model, const struct target *target);

/**
 * The zones in which the group fails open, as a mask: so few of the targets that
 * their VIPs may choose are healthy that all of them get new flows, as NLB does
 * (target_group_health.unhealthy_state_routing.*).
 */
uint8_t health_fails_open(const struct group *group);

/** State and zones of the target for the engine; group->fail_open holds. */
void health_engine_target(const struct target *target, struct engine_target *ret_target);

/** Whether the state counts in HealthyHostCount, and in UnHealthyHostCount. */
bool health_is_healthy(enum machine_state state);
bool health_is_unhealthy(enum machine_state state);

/** Interval and timeout of the group's probes, in milliseconds. */
void health_times(const struct config *config, const struct group *group, uint32_t *ret_interval_ms,
		  uint32_t *ret_timeout_ms);

/** How a target in use is to be probed; id and generation stay 0. */
void health_probe(const struct model *model, const struct target *target,
		  struct probe_put *ret_put);

#endif
