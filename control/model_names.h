/* SPDX-License-Identifier: BSD-3-Clause */
/* Model names: the ARNs of the ids that the engine tells, for DescribeFlows. Implemented by the
 * model. */
#ifndef SLUICE_MODEL_NAMES_H
#define SLUICE_MODEL_NAMES_H

#include "control/arn.h"

#include <stdint.h>

struct model;

/** Write the ARN of the object with that id. Returns 0, or -ENOENT: it was deleted, or never was. */
int model_arn_of_load_balancer(const struct model *model, uint64_t id, char text[ARN_MAX]);
int model_arn_of_listener(const struct model *model, uint64_t id, char text[ARN_MAX]);
int model_arn_of_group(const struct model *model, uint64_t id, char text[ARN_MAX]);

#endif
