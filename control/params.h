/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Params: typed members of an action's parameters, with the API's error texts.
 *
 * A getter of an absent member (or of one that is null) leaves its result
 * untouched and returns 0, so the caller's initial value is the default. A
 * wrong one fills the error and returns -EINVAL.
 */
#ifndef SLUICE_PARAMS_H
#define SLUICE_PARAMS_H

#include "control/action.h"

#include <jansson.h>
#include <stdbool.h>

#define PARAMS_PATH_MAX 128

struct params {
	const json_t *object; /* borrowed */
	struct action_error *error;
	char path[PARAMS_PATH_MAX]; /* of @object in the API's notation; "" for the outermost */
};

/** Fill the error; a text that is too long is cut between two characters. Returns -EINVAL. */
int params_fail(const struct params *params, const char *code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/** The API's form for a value that breaks a rule of its shape. Returns -EINVAL. */
int params_fail_constraint(const struct params *params, const char *name, const char *value,
			   const char *constraint);

/** Refuse members not in @names, a list of names with single spaces between. */
int params_only(const struct params *params, const char *names);

/** Refuse a call that lacks @name. */
int params_require(const struct params *params, const char *name);

/** Whether the member is there and not null. */
bool params_has(const struct params *params, const char *name);

/** A string, borrowed from the object. */
int params_string(const struct params *params, const char *name, const char **ret_string);

/** Whether @value stands in @values, "[a, b, c]". */
bool params_in_values(const char *values, const char *value);

/** A string out of @values, shown in errors: "[ipv4, dualstack]". */
int params_enum(const struct params *params, const char *name, const char *values,
		const char **ret_string);

/** An integer from @min to @max. */
int params_integer(const struct params *params, const char *name, long min, long max,
		   long *ret_number);

int params_boolean(const struct params *params, const char *name, bool *ret_boolean);

/** A list, borrowed; NULL stays NULL when absent. @max entries at most. */
int params_list(const struct params *params, const char *name, size_t max, const json_t **ret_list);

/** An object inside, as params of its own; *ret_found tells whether it is there. */
int params_object(const struct params *params, const char *name, struct params *ret_inner,
		  bool *ret_found);

/** Entry @index of a list got from member @name: an object. */
int params_entry(const struct params *params, const char *name, const json_t *list, size_t index,
		 struct params *ret_entry);

/** Entry @index of a list got from member @name: a string, borrowed. */
int params_entry_string(const struct params *params, const char *name, const json_t *list,
			size_t index, const char **ret_string);

#endif
