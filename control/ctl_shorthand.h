/* SPDX-License-Identifier: BSD-3-Clause */
/* Shorthand (see ctl_value.h) to JSON of strings, lists and objects. */
#ifndef SLUICE_CTL_SHORTHAND_H
#define SLUICE_CTL_SHORTHAND_H

#include "control/ctl_error.h"

#include <jansson.h>

/**
 * Read KEY=VALUE,KEY=VALUE.
 *
 * @what  names the flag in errors
 *
 * Returns 0 with a new object, or what ctl_fail() returned.
 */
int ctl_shorthand_parse(const char *what, const char *text, json_t **ret_object,
			struct ctl_error *error);

#endif
