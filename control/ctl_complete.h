/* SPDX-License-Identifier: BSD-3-Clause */
/* Complete: what may stand where the cursor is; driven by the table of commands. */
#ifndef SLUICE_CTL_COMPLETE_H
#define SLUICE_CTL_COMPLETE_H

#include "control/ctl_commands.h"

#include <stddef.h>
#include <stdio.h>

/* Prints names of things that exist, a line each, each behind @prefix. */
typedef void ctl_complete_names(void *context, enum ctl_ref ref, const char *prefix, FILE *out);

/**
 * Print the candidates for the last word, a line each; each is the whole word.
 *
 * @words  of the command line without the program's name; the last one may be ""
 * @names  asks sluiced for names; NULL: there are none
 *
 * A candidate that ends in = or / wants to be gone on with.
 */
void ctl_complete(char *const *words, size_t n, ctl_complete_names *names, void *context,
		  FILE *out);

#endif
