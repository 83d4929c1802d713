/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line of sluicectl, read by the table of commands. */
#ifndef SLUICE_CTL_ARGS_H
#define SLUICE_CTL_ARGS_H

#include "control/ctl_commands.h"
#include "control/ctl_error.h"

#include <jansson.h>
#include <stdbool.h>

#define CTL_OPERANDS_MAX 2

enum ctl_format { CTL_TABLE, CTL_JSON, CTL_LINES /* --output text */ };

struct ctl_args {
	const struct ctl_command *command; /* NULL: none was given */
	const char *socket;		   /* of --socket, or NULL; borrowed from argv */
	enum ctl_format format;
	bool help, version;
	json_t *params; /* of the operation, by the API's names; names not yet resolved */
	json_t *local;	/* flags for sluicectl itself, named alike */
	const char *operands[CTL_OPERANDS_MAX];
	unsigned int n_operands;
};

/**
 * Read a command line.
 *
 * @words  without the program's name, @n of them; borrowed by the result
 *
 * With --help or --version what is missing is no error. Returns 0 (free with
 * ctl_args_clear()), or what ctl_fail() returned; then error->text says what
 * is wrong, and *ret_args has the command as far as it was found and nothing
 * to free.
 */
int ctl_args_parse(char *const *words, size_t n, struct ctl_args *ret_args,
		   struct ctl_error *error);
void ctl_args_clear(struct ctl_args *args);

/**
 * The command that the words begin with, flags aside; NULL when there is none.
 *
 * @ret_used  how many words name it (1, or 2 for "wait ..."); may be NULL
 */
const struct ctl_command *ctl_args_command(char *const *words, size_t n, size_t *ret_used);

/** A number among args->local that is at least @min, or @fallback when absent. */
int ctl_args_local_number(const struct ctl_args *args, const char *name, long min, long max,
			  long fallback, long *ret_number, struct ctl_error *error);

#endif
