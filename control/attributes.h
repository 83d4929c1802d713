/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Attributes: the string settings of load balancers, target groups and
 * listeners. One table says which exist, what they may hold, their defaults,
 * and for whom they can be changed. A set keeps only what was changed.
 */
#ifndef SLUICE_ATTRIBUTES_H
#define SLUICE_ATTRIBUTES_H

#include "control/params.h"
#include "control/protocol.h"

#include <jansson.h>
#include <stdbool.h>

#define ATTRIBUTES_MAX_PER_CALL 20
#define ATTRIBUTE_KEY_MAX 256
#define ATTRIBUTE_VALUE_MAX 1024

enum attribute_owner {
	ATTRIBUTE_OF_LOAD_BALANCER,
	ATTRIBUTE_OF_TARGET_GROUP,
	ATTRIBUTE_OF_LISTENER,
};

enum attribute { /* in the order of the table in attributes.c */
		 ATTRIBUTE_LOGS_ENABLED,
		 ATTRIBUTE_LOGS_BUCKET,
		 ATTRIBUTE_LOGS_PREFIX,
		 ATTRIBUTE_DELETION_PROTECTION,
		 ATTRIBUTE_LB_CROSS_ZONE,
		 ATTRIBUTE_IPV6_DENY_IGW,
		 ATTRIBUTE_ROUTING_POLICY,
		 ATTRIBUTE_SECONDARY_IPS,
		 ATTRIBUTE_ZONAL_SHIFT,

		 ATTRIBUTE_DEREGISTRATION_DELAY,
		 ATTRIBUTE_DEREGISTRATION_TERMINATION,
		 ATTRIBUTE_PRESERVE_CLIENT_IP,
		 ATTRIBUTE_PROXY_PROTOCOL,
		 ATTRIBUTE_PROXY_PLACEMENT,
		 ATTRIBUTE_STICKINESS,
		 ATTRIBUTE_STICKINESS_TYPE,
		 ATTRIBUTE_GROUP_CROSS_ZONE,
		 ATTRIBUTE_DNS_FAILOVER_COUNT,
		 ATTRIBUTE_DNS_FAILOVER_PERCENTAGE,
		 ATTRIBUTE_ROUTING_FAILOVER_COUNT,
		 ATTRIBUTE_ROUTING_FAILOVER_PERCENTAGE,
		 ATTRIBUTE_UNHEALTHY_TERMINATION,
		 ATTRIBUTE_UNHEALTHY_DRAINING,
		 ATTRIBUTE_END_WHEN_IDLE,
		 ATTRIBUTE_CHECK_INTERVAL_MS,
		 ATTRIBUTE_CHECK_TIMEOUT_MS,

		 ATTRIBUTE_TCP_IDLE_TIMEOUT,

		 ATTRIBUTE_COUNT
};

struct attributes {
	enum attribute_owner owner;
	enum protocol protocol; /* of a target group or a listener: decides defaults and locks */
	bool internal;		/* of a load balancer: its Scheme is internal */
	json_t *changed;	/* key to value; owned; NULL: all are defaults */
};

void attributes_free(struct attributes *attributes); /* half-built and freed ones are fine */

/** The value, or the default for this owner. Valid until the set changes. */
const char *attributes_get(const struct attributes *attributes, enum attribute attribute);
bool attributes_is_true(const struct attributes *attributes, enum attribute attribute);
/** The value as a number; 0 for "off" and what is no number. */
long attributes_number(const struct attributes *attributes, enum attribute attribute);

/**
 * Make a copy of a set with the changes of an action's Attributes parameter.
 *
 * Returns 0 with *ret_next owned by the caller (attributes_free()), -EINVAL
 * with the error of the first wrong change, -ENOMEM.
 */
int attributes_change(const struct attributes *attributes, const struct params *params,
		      struct attributes *ret_next);

/** The API's list [{"Key", "Value"}] of all that apply to this owner. NULL when out of memory. */
json_t *attributes_describe(const struct attributes *attributes);

/**
 * Take changed values from the store: an object of strings.
 *
 * Returns 0, -EBADMSG (unknown key or wrong value), -ENOMEM.
 */
int attributes_load(struct attributes *attributes, const json_t *changed);

#endif
