/* SPDX-License-Identifier: BSD-3-Clause */
/* Help: what the table of commands says, for a person. */
#ifndef SLUICE_CTL_HELP_H
#define SLUICE_CTL_HELP_H

#include "control/ctl_commands.h"

#include <stdio.h>

/** All commands, the global flags, exit codes. */
void ctl_help_overview(FILE *out);

/** One command: its flags with their types and ranges, and an example. */
void ctl_help_command(FILE *out, const struct ctl_command *command);

#endif
