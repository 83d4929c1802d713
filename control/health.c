/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/health.h"

#include "control/model.h"

static const struct health_text texts[HEALTH_STATE_COUNT] = {
	[HEALTH_NOT_REGISTERED] = {"unused", "Target.NotRegistered",
				   "Target is not registered to the target group"},
	[HEALTH_DRAINING] = {"draining", "Target.DeregistrationInProgress",
			     "Target deregistration is in progress"},
	[HEALTH_GROUP_NOT_IN_USE] = {"unused", "Target.NotInUse",
				     "Target group is not configured to receive traffic from the "
				     "load balancer"},
	[HEALTH_ZONE_NOT_ENABLED] = {"unused", "Target.NotInUse",
				     "Target is in an Availability Zone that is not enabled for "
				     "the load balancer"},
	[HEALTH_IP_UNUSABLE] = {"unused", "Target.IpUnusable",
				"The IP address cannot be used as a target, as it is in use by a "
				"load balancer"},
	[HEALTH_HEALTHY] = {"healthy", NULL, NULL},
};

struct health_text health_text(enum health_state state)
{
	return texts[state];
}

enum health_state health_of(const struct model *model, const struct target *target)
{
	const struct load_balancer *load_balancer = target->group->load_balancer;

	if (model_target_is_draining(target))
		return HEALTH_DRAINING;
	if (load_balancer == NULL)
		return HEALTH_GROUP_NOT_IN_USE;
	if (target->zone != MODEL_ZONE_ALL && !load_balancer->zones[target->zone].enabled)
		return HEALTH_ZONE_NOT_ENABLED;
	if (model_vip(model, &target->key.address) != NULL)
		return HEALTH_IP_UNUSABLE;
	return HEALTH_HEALTHY;
}

enum engine_target_state health_engine_state(enum health_state state)
{
	return state == HEALTH_HEALTHY ? ENGINE_TARGET_ACTIVE : ENGINE_TARGET_IDLE;
}

bool health_fails_open(const struct group *group)
{
	(void)group; /* no target in use is ever unhealthy */
	return false;
}

bool health_is_healthy(enum health_state state)
{
	return state == HEALTH_HEALTHY;
}

bool health_is_unhealthy(enum health_state state)
{
	(void)state;
	return false;
}
