/* SPDX-License-Identifier: BSD-3-Clause */
/* Config rules: what must hold between the values of a config; pure. */
#ifndef SLUICE_CONFIG_RULES_H
#define SLUICE_CONFIG_RULES_H

#include "control/config.h"

/**
 * Check the zones against each other: names and subnets once each, VIP pools
 * and SNAT addresses unicast and nowhere twice, targets' prefixes in one zone.
 *
 * Returns 0, or -EINVAL with "key: what is wrong" in @error.
 */
int config_rules_check(const struct config *config, char error[CONFIG_ERROR_MAX]);

#endif
