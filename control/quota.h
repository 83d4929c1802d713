/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Quotas: AWS's defaults, as DescribeAccountLimits reports them. One differs:
 * AWS allows 500 targets in an Availability Zone of a load balancer. A machine
 * often has one zone only, so here one may hold all targets of the load balancer.
 */
#ifndef SLUICE_QUOTA_H
#define SLUICE_QUOTA_H

#include "dataplane/engine.h"

#define QUOTA_LOAD_BALANCERS 50
#define QUOTA_LISTENERS 50 /* per load balancer */
#define QUOTA_TARGETS 3000 /* per load balancer */
#define QUOTA_GROUP_TARGETS ENGINE_MAX_GROUP_TARGETS
#define QUOTA_GROUPS 3000
#define QUOTA_ACTION_GROUPS ENGINE_MAX_WEIGHTED
#define QUOTA_TAGS 50 /* per resource */

#endif
