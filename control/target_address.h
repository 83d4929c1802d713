/* SPDX-License-Identifier: BSD-3-Clause */
/* Target address: which addresses may be targets, and in which zone they are. */
#ifndef SLUICE_TARGET_ADDRESS_H
#define SLUICE_TARGET_ADDRESS_H

#include "control/model.h"
#include "control/params.h"

/**
 * Whether @address may be a target of @group: of its family, unicast, in a
 * zone's cidrs or a private range, and no VIP or SNAT address.
 *
 * Returns 0, or -EINVAL with the error filled.
 */
int target_address_check(const struct model *model, const struct params *params,
			 const struct group *group, const struct in6_addr *address);

/**
 * The zone of an address: that whose cidrs hold it; of an address outside all
 * cidrs the one @zone_name names (NULL: none given), which may be "all".
 *
 * @ret_zone  place in the config, or MODEL_ZONE_ALL
 *
 * Returns 0, or -EINVAL with the error filled.
 */
int target_address_zone(const struct model *model, const struct params *params,
			const struct in6_addr *address, const char *zone_name, int *ret_zone);

#endif
