/* SPDX-License-Identifier: BSD-3-Clause */
/* The access_logs section of the config. */
#ifndef SLUICE_CONFIG_LOGS_H
#define SLUICE_CONFIG_LOGS_H

#include "control/config_read.h"

/** The keys of access_logs; they fill a struct config. */
extern const struct config_field config_logs_fields[];

void config_logs_defaults(struct config *config);

/** Check what no single key tells, and fill in what follows from others. Returns 0, or -EINVAL by
 *  config_read_fail(). */
int config_logs_finish(struct config_reader *reader, struct config *config);

#endif
