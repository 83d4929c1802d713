/* SPDX-License-Identifier: BSD-3-Clause */
/* Output: the reply of an operation, page by page, in the format that was asked for. */
#ifndef SLUICE_CTL_OUTPUT_H
#define SLUICE_CTL_OUTPUT_H

#include "control/ctl_args.h"
#include "control/ctl_error.h"

#include <jansson.h>
#include <stdio.h>

struct ctl_output;

/**
 * Begin. The stream and the command are borrowed. Returns NULL when out of memory.
 *
 * A command whose replies come in pages prints one document of them all.
 */
struct ctl_output *ctl_output_open(FILE *out, enum ctl_format format,
				   const struct ctl_command *command);

/** Print a reply, or a page of it. Returns 0 or -ENOMEM. */
int ctl_output_page(struct ctl_output *output, const json_t *result);

/** End the document; @next_token tells where more would begin, or is NULL. */
void ctl_output_end(struct ctl_output *output, const char *next_token);

void ctl_output_free(struct ctl_output *output); /* NULL is fine */

#endif
