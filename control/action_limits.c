/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/actions.h"

#include <stdio.h>
#include <stdlib.h>

static const struct {
	const char *name;
	unsigned int max;
} limits[] = {
	/* the names of DescribeAccountLimits that concern network load balancers */
	{"target-groups", QUOTA_GROUPS},
	{"targets-per-target-group", QUOTA_GROUP_TARGETS},
	{"network-load-balancers", QUOTA_LOAD_BALANCERS},
	{"listeners-per-network-load-balancer", QUOTA_LISTENERS},
	{"targets-per-network-load-balancer", QUOTA_TARGETS},
	{"targets-per-availability-zone-per-network-load-balancer", QUOTA_TARGETS},
	{"target-groups-per-action-on-network-load-balancer", QUOTA_ACTION_GROUPS},
	{"certificates-per-network-load-balancer", 0},
	{"network-load-balancer-enis-per-vpc", QUOTA_LOAD_BALANCERS *ENGINE_MAX_ZONES},
};

#define LIMITS (sizeof(limits) / sizeof(limits[0]))

int action_describe_account_limits(struct model *model, const struct params *params, json_t *result)
{
	struct page page;
	size_t at;
	int r;

	(void)model;
	r = actions_page(params, &page); /* the marker: how many limits were told */
	if (r == 0 && page.after > LIMITS)
		r = actions_bad_marker(params);
	if (r == 0)
		r = actions_list(result, "Limits");
	if (r < 0)
		return r;
	at = (size_t)page.after;
	for (size_t n = 0; r == 0 && at < LIMITS && n < page.size; n++, at++) {
		char max[16];

		snprintf(max, sizeof(max), "%u", limits[at].max);
		r = actions_append(result, "Limits",
				   json_pack("{s:s, s:s}", "Name", limits[at].name, "Max", max));
	}
	return r == 0 && at < LIMITS ? actions_next_page(result, at) : r;
}
