/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Values of flags, as the AWS CLI reads them: plain, in shorthand
 * (Id=10.0.1.5,Port=8080), as JSON, or out of a file (file://path).
 *
 * Shorthand is KEY=VALUE,KEY=VALUE with a value that is plain, 'quoted' or
 * "quoted", {KEY=VALUE,...} or [VALUE,...]. Kinder than the AWS CLI: what
 * follows a comma and has no = is still the same value (HttpCode=200,202).
 * A comma elsewhere is written \, or within quotes.
 */
#ifndef SLUICE_CTL_VALUE_H
#define SLUICE_CTL_VALUE_H

#include "control/ctl_commands.h"
#include "control/ctl_error.h"

#include <jansson.h>

#define CTL_FILE_MAX (1024 * 1024) /* bytes of a file://: a request is no larger */
#define CTL_DEPTH_MAX 8		   /* of brackets in shorthand */

/**
 * Read the value of a flag or operand.
 *
 * @field  what it is; numbers and truths within shapes are converted by it
 * @what   names it in errors: "--targets"
 * @words  as typed behind it, @n of them
 *
 * Returns 0 with a new reference, or what ctl_fail() returned.
 */
int ctl_value_parse(const struct ctl_field *field, const char *what, char *const *words, size_t n,
		    json_t **ret_value, struct ctl_error *error);

/** JSON text, or file:// of it. Returns 0 with a new reference, or what ctl_fail() returned. */
int ctl_value_json(const char *what, const char *word, json_t **ret_value, struct ctl_error *error);

#endif
