/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rates: what happened each second between two answers of DescribeMetrics, in
 * the order load balancer, its groups, their targets. Pure: time is an argument.
 */
#ifndef SLUICE_CTL_RATES_H
#define SLUICE_CTL_RATES_H

#include <jansson.h>

struct ctl_rates;

/** Returns NULL when out of memory. */
struct ctl_rates *ctl_rates_open(void);
void ctl_rates_free(struct ctl_rates *rates); /* NULL is fine */

/**
 * Take in the counters at @now_ms (any clock that does not jump) and tell rates
 * since the last call.
 *
 * @metrics  the list "Metrics" of DescribeMetrics; borrowed
 * @groups   the list "TargetGroups" of DescribeTargetGroups, which tells whose
 *           load balancer a group is; borrowed
 *
 * Returns a new list of {"Depth": 0|1|2, "Name", "ActiveFlows",
 * "NewFlowsPerSecond", "PacketsPerSecond", "BytesPerSecond"}, NULL when out of
 * memory. What was not there the last time counts from 0 when there was a last
 * time; a counter that went back (a new engine) counts as 0.
 */
json_t *ctl_rates_update(struct ctl_rates *rates, const json_t *metrics, const json_t *groups,
			 int64_t now_ms);

#endif
