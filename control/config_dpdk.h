/* SPDX-License-Identifier: BSD-3-Clause */
/* The dpdk engine's section of the config. */
#ifndef SLUICE_CONFIG_DPDK_H
#define SLUICE_CONFIG_DPDK_H

#include "control/config_read.h"

/** The keys of engine.dpdk; they fill a struct engine_dpdk. */
extern const struct config_field config_dpdk_fields[];

void config_dpdk_defaults(struct engine_dpdk *dpdk);

/**
 * Check what no single key tells: keys that belong to the other engine, the same
 * device, interface or CPU twice, a dpdk engine without ports.
 *
 * @section  the engine's section as it was written; NULL: none was
 *
 * Returns 0, or -EINVAL by config_read_fail().
 */
int config_dpdk_check(struct config_reader *reader, const json_t *section,
		      const struct engine_config *engine);

#endif
