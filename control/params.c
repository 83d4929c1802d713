/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/params.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define VALUE_SHOWN_MAX 512 /* bytes of an offending value that an error repeats */
#define NAME_MAX_BYTES 64

/* Cut a UTF-8 text that snprintf() may have broken inside a character. */
static void trim_utf8(char *text)
{
	size_t len = strlen(text), at = len;
	unsigned int need;

	while (at > 0 && ((unsigned char)text[at - 1] & 0xc0) == 0x80)
		at--;
	if (at == 0)
		return;
	need = (unsigned char)text[at - 1] >= 0xf0   ? 3
	       : (unsigned char)text[at - 1] >= 0xe0 ? 2
	       : (unsigned char)text[at - 1] >= 0xc0 ? 1
						     : 0;
	if (len - at < need)
		text[at - 1] = '\0';
}

int params_fail(const struct params *params, const char *code, const char *format, ...)
{
	struct action_error *error = params->error;
	va_list args;

	snprintf(error->code, sizeof(error->code), "%s", code);
	va_start(args, format);
	vsnprintf(error->message, sizeof(error->message), format, args);
	va_end(args);
	trim_utf8(error->message);
	return -EINVAL;
}

/* "targets.1.member.port": the API writes members with a small first letter. */
static const char *member_path(const struct params *params, const char *name,
			       char path[PARAMS_PATH_MAX + NAME_MAX_BYTES])
{
	snprintf(path, PARAMS_PATH_MAX + NAME_MAX_BYTES, "%s%s%c%s", params->path,
		 params->path[0] != '\0' ? "." : "", name[0] | 0x20, name + 1);
	return path;
}

int params_fail_constraint(const struct params *params, const char *name, const char *value,
			   const char *constraint)
{
	char path[PARAMS_PATH_MAX + NAME_MAX_BYTES], shown[VALUE_SHOWN_MAX];

	snprintf(shown, sizeof(shown), "%s", value);
	trim_utf8(shown);
	return params_fail(params, "ValidationError",
			   "1 validation error detected: Value '%s' at '%s' failed to satisfy "
			   "constraint: %s",
			   shown, member_path(params, name, path), constraint);
}

static int fail_type(const struct params *params, const char *name, const char *type)
{
	char path[PARAMS_PATH_MAX + NAME_MAX_BYTES];

	return params_fail(params, "ValidationError",
			   "1 validation error detected: Value at '%s' failed to satisfy "
			   "constraint: Member must be of type %s",
			   member_path(params, name, path), type);
}

static bool in_names(const char *names, const char *name)
{
	size_t len = strlen(name);
	const char *at = names;

	if (len == 0)
		return false;
	while ((at = strstr(at, name)) != NULL) {
		if ((at == names || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0'))
			return true;
		at += len;
	}
	return false;
}

int params_only(const struct params *params, const char *names)
{
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)params->object, key, value) {
		char shown[VALUE_SHOWN_MAX];

		if (strchr(key, ' ') == NULL && in_names(names, key))
			continue;
		snprintf(shown, sizeof(shown), "%s", key);
		trim_utf8(shown);
		return params_fail(params, "ValidationError",
				   "Unknown parameter '%s' in %s, must be one of: %s", shown,
				   params->path[0] != '\0' ? params->path : "input",
				   names[0] != '\0' ? names : "(none)");
	}
	return 0;
}

static const json_t *member(const struct params *params, const char *name)
{
	const json_t *value = json_object_get(params->object, name);

	return json_is_null(value) ? NULL : value;
}

bool params_has(const struct params *params, const char *name)
{
	return member(params, name) != NULL;
}

int params_require(const struct params *params, const char *name)
{
	char path[PARAMS_PATH_MAX + NAME_MAX_BYTES];

	if (params_has(params, name))
		return 0;
	return params_fail(params, "ValidationError",
			   "1 validation error detected: Value null at '%s' failed to satisfy "
			   "constraint: Member must not be null",
			   member_path(params, name, path));
}

int params_string(const struct params *params, const char *name, const char **ret_string)
{
	const json_t *value = member(params, name);

	if (value == NULL)
		return 0;
	if (!json_is_string(value))
		return fail_type(params, name, "String");
	*ret_string = json_string_value(value);
	return 0;
}

bool params_in_values(const char *values, const char *value)
{
	size_t len = strlen(value);
	const char *at = values;

	if (len == 0 || strpbrk(value, "[], ") != NULL)
		return false;
	while ((at = strstr(at, value)) != NULL) {
		if ((at[-1] == '[' || at[-1] == ' ') && (at[len] == ',' || at[len] == ']'))
			return true;
		at += len;
	}
	return false;
}

int params_enum(const struct params *params, const char *name, const char *values,
		const char **ret_string)
{
	const char *value = NULL;
	char constraint[VALUE_SHOWN_MAX];
	int r;

	r = params_string(params, name, &value);
	if (r < 0 || value == NULL)
		return r;
	if (params_in_values(values, value)) {
		*ret_string = value;
		return 0;
	}
	snprintf(constraint, sizeof(constraint), "Member must satisfy enum value set: %s", values);
	return params_fail_constraint(params, name, value, constraint);
}

int params_integer(const struct params *params, const char *name, long min, long max,
		   long *ret_number)
{
	const json_t *value = member(params, name);
	char shown[32], constraint[96];
	json_int_t number;

	if (value == NULL)
		return 0;
	if (!json_is_integer(value))
		return fail_type(params, name, "Integer");
	number = json_integer_value(value);
	if (number >= min && number <= max) {
		*ret_number = (long)number;
		return 0;
	}
	snprintf(shown, sizeof(shown), "%" JSON_INTEGER_FORMAT, number);
	snprintf(constraint, sizeof(constraint), "Member must have value %s than or equal to %ld",
		 number < min ? "greater" : "less", number < min ? min : max);
	return params_fail_constraint(params, name, shown, constraint);
}

int params_boolean(const struct params *params, const char *name, bool *ret_boolean)
{
	const json_t *value = member(params, name);

	if (value == NULL)
		return 0;
	if (!json_is_boolean(value))
		return fail_type(params, name, "Boolean");
	*ret_boolean = json_is_true(value);
	return 0;
}

int params_list(const struct params *params, const char *name, size_t max, const json_t **ret_list)
{
	const json_t *value = member(params, name);
	char path[PARAMS_PATH_MAX + NAME_MAX_BYTES];

	if (value == NULL)
		return 0;
	if (!json_is_array(value))
		return fail_type(params, name, "List");
	if (json_array_size(value) > max)
		return params_fail(params, "ValidationError",
				   "1 validation error detected: Value at '%s' failed to satisfy "
				   "constraint: Member must have length less than or equal to %zu",
				   member_path(params, name, path), max);
	*ret_list = value;
	return 0;
}

int params_object(const struct params *params, const char *name, struct params *ret_inner,
		  bool *ret_found)
{
	const json_t *value = member(params, name);
	char path[PARAMS_PATH_MAX + NAME_MAX_BYTES];

	*ret_found = value != NULL;
	if (value == NULL)
		return 0;
	if (!json_is_object(value))
		return fail_type(params, name, "Structure");
	*ret_inner = (struct params){.object = value, .error = params->error};
	snprintf(ret_inner->path, sizeof(ret_inner->path), "%.*s", PARAMS_PATH_MAX - 1,
		 member_path(params, name, path));
	return 0;
}

int params_entry(const struct params *params, const char *name, const json_t *list, size_t index,
		 struct params *ret_entry)
{
	const json_t *value = json_array_get(list, index);
	char path[PARAMS_PATH_MAX + NAME_MAX_BYTES];

	*ret_entry = (struct params){.object = value, .error = params->error};
	snprintf(ret_entry->path, sizeof(ret_entry->path), "%.80s.%zu.member",
		 member_path(params, name, path), index + 1);
	if (json_is_object(value))
		return 0;
	return params_fail(params, "ValidationError",
			   "1 validation error detected: Value at '%s' failed to satisfy "
			   "constraint: Member must be of type Structure",
			   ret_entry->path);
}

int params_entry_string(const struct params *params, const char *name, const json_t *list,
			size_t index, const char **ret_string)
{
	const json_t *value = json_array_get(list, index);
	char path[PARAMS_PATH_MAX + NAME_MAX_BYTES];

	if (json_is_string(value)) {
		*ret_string = json_string_value(value);
		return 0;
	}
	return params_fail(params, "ValidationError",
			   "1 validation error detected: Value at '%s.%zu.member' failed to "
			   "satisfy constraint: Member must be of type String",
			   member_path(params, name, path), index + 1);
}
