/* SPDX-License-Identifier: BSD-3-Clause */
/* Resolve: ARNs for the names that a person gives, by asking sluiced. */
#ifndef SLUICE_CTL_RESOLVE_H
#define SLUICE_CTL_RESOLVE_H

#include "control/ctl_client.h"
#include "control/ctl_commands.h"

/**
 * Replace the names in a command's parameters by ARNs. What begins with "arn:"
 * stays as it is.
 *
 * Returns 0 or what ctl_fail() returned; then some may have been replaced.
 */
int ctl_resolve(struct ctl_client *client, const struct ctl_command *command, json_t *params,
		struct ctl_error *error);

#endif
