/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/ctl_shorthand.h"

#include "control/ctl_value.h"

#include <stdlib.h>
#include <string.h>

struct cursor {
	const char *at;
	const char *what;
	unsigned int depth;
	struct ctl_error *error;
};

static int parse_value(struct cursor *c, const char *stop, json_t **ret_value);

static int fail(struct cursor *c, const char *expected)
{
	if (*c->at == '\0')
		return ctl_fail(c->error, CTL_EXIT_USAGE, "%s: %s expected at the end", c->what,
				expected);
	return ctl_fail(c->error, CTL_EXIT_USAGE, "%s: %s expected before '%.40s'", c->what,
			expected, c->at);
}

static int to_json(struct cursor *c, const char *text, size_t len, json_t **ret_value)
{
	json_t *value = json_stringn(text, len);

	if (value == NULL)
		return ctl_fail(c->error, CTL_EXIT_USAGE, "%s: the value is not UTF-8", c->what);
	*ret_value = value;
	return 0;
}

static int parse_quoted(struct cursor *c, json_t **ret_value)
{
	char quote = *c->at++;
	char *text = malloc(strlen(c->at) + 1);
	size_t len = 0;
	int r;

	if (text == NULL)
		return ctl_fail_memory(c->error);
	for (; *c->at != quote && *c->at != '\0'; c->at++) {
		if (*c->at == '\\' && (c->at[1] == quote || c->at[1] == '\\'))
			c->at++;
		text[len++] = *c->at;
	}
	if (*c->at == quote) {
		c->at++;
		r = to_json(c, text, len, ret_value);
	} else {
		r = fail(c, quote == '"' ? "\"" : "'");
	}
	free(text);
	return r;
}

/* Whether what follows the comma at @at is no KEY=, so part of the value before it. */
static bool goes_on(const char *at, const char *stop)
{
	size_t len = strcspn(at + 1, "=,");

	return strchr(stop, ']') == NULL && at[1] != '\0' && at[1 + len] != '=' &&
	       strchr("\"'[{", at[1]) == NULL;
}

static int parse_plain(struct cursor *c, const char *stop, json_t **ret_value)
{
	char *text = malloc(strlen(c->at) + 1);
	size_t len = 0;
	int r;

	if (text == NULL)
		return ctl_fail_memory(c->error);
	for (; *c->at != '\0' && strchr(stop, *c->at) == NULL; c->at++) {
		if (*c->at == '\\' && c->at[1] == ',')
			c->at++;
		else if (*c->at == ',' && !goes_on(c->at, stop))
			break;
		text[len++] = *c->at;
	}
	r = to_json(c, text, len, ret_value);
	free(text);
	return r;
}

static int parse_list(struct cursor *c, json_t **ret_value)
{
	json_t *list = json_array(), *entry;
	int r = 0;

	c->at++;
	while (r == 0 && *c->at != ']') {
		r = parse_value(c, "]", &entry);
		if (r == 0 && json_array_append_new(list, entry) < 0)
			r = ctl_fail_memory(c->error);
		if (r == 0 && *c->at == ',')
			c->at++;
		else if (r == 0 && *c->at != ']')
			r = fail(c, ", or ]");
	}
	if (r < 0) {
		json_decref(list);
		return r;
	}
	c->at++;
	*ret_value = list;
	return 0;
}

static int parse_pair(struct cursor *c, const char *stop, json_t *object)
{
	size_t len = strcspn(c->at, "=,[]{}\"' ");
	json_t *value;
	char *key;
	int r;

	if (len == 0 || c->at[len] != '=')
		return fail(c, "KEY=VALUE");
	key = strndup(c->at, len);
	if (key == NULL)
		return ctl_fail_memory(c->error);
	if (json_object_get(object, key) != NULL) {
		r = ctl_fail(c->error, CTL_EXIT_USAGE, "%s: '%.40s' is given twice", c->what, key);
		goto out;
	}
	c->at += len + 1;
	r = parse_value(c, stop, &value);
	if (r == 0 && json_object_set_new(object, key, value) < 0)
		r = ctl_fail(c->error, CTL_EXIT_USAGE, "%s: a key is not UTF-8", c->what);
out:
	free(key);
	return r;
}

/* Up to the one character in @stop, or to the end when there is none. */
static int parse_pairs(struct cursor *c, const char *stop, json_t **ret_value)
{
	json_t *object = json_object();
	int r;

	do {
		r = parse_pair(c, stop, object);
	} while (r == 0 && *c->at == ',' && c->at++ != NULL);
	if (r == 0 && *c->at != *stop)
		r = fail(c, *stop == '}' ? ", or }" : ",");
	if (r < 0) {
		json_decref(object);
		return r;
	}
	*ret_value = object;
	return 0;
}

static int parse_nested(struct cursor *c, json_t **ret_value)
{
	int r;

	if (c->depth == CTL_DEPTH_MAX)
		return ctl_fail(c->error, CTL_EXIT_USAGE, "%s: more than %d brackets deep", c->what,
				CTL_DEPTH_MAX);
	c->depth++;
	if (*c->at == '[') {
		r = parse_list(c, ret_value);
	} else {
		c->at++;
		r = parse_pairs(c, "}", ret_value);
		if (r == 0)
			c->at++;
	}
	c->depth--;
	return r;
}

static int parse_value(struct cursor *c, const char *stop, json_t **ret_value)
{
	if (*c->at == '[' || *c->at == '{')
		return parse_nested(c, ret_value);
	if (*c->at == '"' || *c->at == '\'')
		return parse_quoted(c, ret_value);
	return parse_plain(c, stop, ret_value);
}

int ctl_shorthand_parse(const char *what, const char *text, json_t **ret_object,
			struct ctl_error *error)
{
	struct cursor c = {.at = text, .what = what, .error = error};

	return parse_pairs(&c, "", ret_object);
}
