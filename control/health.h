/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Health: the one place that says what state a target is in, and what follows
 * from it for new flows. There are no health checks yet, so a registered
 * target that can get traffic is healthy.
 */
#ifndef SLUICE_HEALTH_H
#define SLUICE_HEALTH_H

#include "dataplane/engine.h"

#include <stdbool.h>

struct group;
struct model;
struct target;

enum health_state {
	HEALTH_NOT_REGISTERED,
	HEALTH_DRAINING,
	HEALTH_GROUP_NOT_IN_USE, /* no listener forwards to the group */
	HEALTH_ZONE_NOT_ENABLED, /* the target's zone, for the load balancer */
	HEALTH_IP_UNUSABLE,	 /* the address has become a VIP */
	HEALTH_HEALTHY,
	HEALTH_STATE_COUNT
};

struct health_text { /* as the API has them; reason and description NULL when healthy */
	const char *state, *reason, *description;
};

struct health_text health_text(enum health_state state);

/** The state of a target of a group; the first that is true in the order of the enum. */
enum health_state health_of(const struct model *model, const struct target *target);

/** What the engine does with a target in that state. */
enum engine_target_state health_engine_state(enum health_state state);

/** Whether the group sends new flows to targets that are not healthy, for none is. */
bool health_fails_open(const struct group *group);

/** Whether the state counts in HealthyHostCount, and in UnHealthyHostCount. */
bool health_is_healthy(enum health_state state);
bool health_is_unhealthy(enum health_state state);

#endif
