/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Operation: what the commands of sluicectl do once their line is understood.
 * All print to @out and return 0 or what ctl_fail() returned.
 */
#ifndef SLUICE_CTL_OPERATION_H
#define SLUICE_CTL_OPERATION_H

#include "control/ctl_args.h"
#include "control/ctl_client.h"

#include <stdio.h>

/** Call the operation of the command's name, all its pages, and print what it says. */
int ctl_operation_run(struct ctl_client *client, const struct ctl_args *args, FILE *out,
		      struct ctl_error *error);

/** Call any method with any parameters: `call`. */
int ctl_operation_call(struct ctl_client *client, const struct ctl_args *args, FILE *out,
		       struct ctl_error *error);

/** Ask again and again until what was waited for is there: `wait ...`. */
int ctl_wait_run(struct ctl_client *client, const struct ctl_args *args, struct ctl_error *error);

/** Print events until @args say to stop: `watch`. */
int ctl_watch_run(struct ctl_client *client, const struct ctl_args *args, FILE *out,
		  struct ctl_error *error);

/** Show rates, live when @out is a terminal: `top`. */
int ctl_top_run(struct ctl_client *client, const struct ctl_args *args, FILE *out,
		struct ctl_error *error);

#endif
