/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/ctl_value.h"

#include "control/ctl_shorthand.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_SCHEME "file://"
#define PATH_MAX_BYTES 160 /* of a value's place in errors: "--targets[3].Port" */

/* --- words to text and JSON ------------------------------------------------------- */

/* The file's text without its last newline; malloc()ed. */
static int read_file(const char *what, const char *path, char **ret_text, struct ctl_error *error)
{
	char *text = malloc(CTL_FILE_MAX + 2);
	FILE *file;
	size_t len;
	int r = 0;

	if (text == NULL)
		return ctl_fail_memory(error);
	file = fopen(path, "re");
	if (file == NULL) {
		r = ctl_fail(error, CTL_EXIT_USAGE, "%s: %s: %s", what, path, strerror(errno));
		free(text);
		return r;
	}
	errno = 0;
	len = fread(text, 1, CTL_FILE_MAX + 1, file);
	if (ferror(file))
		r = ctl_fail(error, CTL_EXIT_USAGE, "%s: %s: %s", what, path, strerror(errno));
	else if (len > CTL_FILE_MAX)
		r = ctl_fail(error, CTL_EXIT_USAGE, "%s: %s is larger than %d bytes", what, path,
			     CTL_FILE_MAX);
	else if (memchr(text, '\0', len) != NULL)
		r = ctl_fail(error, CTL_EXIT_USAGE, "%s: %s is not a text file", what, path);
	fclose(file);
	if (r < 0) {
		free(text);
		return r;
	}
	if (len > 0 && text[len - 1] == '\n')
		len--;
	text[len] = '\0';
	*ret_text = text;
	return 0;
}

/* The word, or what the file it names holds; malloc()ed. */
static int read_word(const char *what, const char *word, char **ret_text, struct ctl_error *error)
{
	if (strncmp(word, FILE_SCHEME, strlen(FILE_SCHEME)) == 0)
		return read_file(what, word + strlen(FILE_SCHEME), ret_text, error);
	*ret_text = strdup(word);
	return *ret_text != NULL ? 0 : ctl_fail_memory(error);
}

static int parse_json(const char *what, const char *text, json_t **ret_value,
		      struct ctl_error *error)
{
	json_error_t where;
	json_t *value;

	value = json_loads(text, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &where);
	if (value == NULL)
		return ctl_fail(error, CTL_EXIT_USAGE, "%s: not JSON: line %d, column %d: %s", what,
				where.line, where.column, where.text);
	*ret_value = value;
	return 0;
}

int ctl_value_json(const char *what, const char *word, json_t **ret_value, struct ctl_error *error)
{
	char *text;
	int r;

	r = read_word(what, word, &text, error);
	if (r < 0)
		return r;
	r = parse_json(what, text, ret_value, error);
	free(text);
	return r;
}

/* --- conversion to what a field is --------------------------------------------------- */

static int convert(const struct ctl_field *field, const char *path, const json_t *value,
		   json_t **ret_value, struct ctl_error *error);

static int convert_number(const char *path, const json_t *value, json_t **ret_value,
			  struct ctl_error *error)
{
	const char *text = json_string_value(value);
	long long number = json_integer_value(value);
	char *end;

	if (!json_is_integer(value) && text == NULL)
		return ctl_fail(error, CTL_EXIT_USAGE, "%s: a whole number expected", path);
	if (text != NULL) {
		errno = 0;
		number = strtoll(text, &end, 10);
		if (errno != 0 || end == text || *end != '\0' || isspace((unsigned char)*text))
			return ctl_fail(error, CTL_EXIT_USAGE, "%s: '%.40s' is not a whole number",
					path, text);
	}
	*ret_value = json_integer(number);
	return 0;
}

static int convert_truth(const char *path, const json_t *value, json_t **ret_value,
			 struct ctl_error *error)
{
	const char *text = json_string_value(value);

	if (text != NULL && strcasecmp(text, "true") == 0)
		*ret_value = json_true();
	else if (text != NULL && strcasecmp(text, "false") == 0)
		*ret_value = json_false();
	else if (json_is_boolean(value))
		*ret_value = json_boolean(json_boolean_value(value));
	else
		return ctl_fail(error, CTL_EXIT_USAGE, "%s: true or false expected", path);
	return 0;
}

/* "Id, Port, AvailabilityZone" */
static void list_fields(const struct ctl_field *fields, char *text, size_t size)
{
	size_t len = 0;

	text[0] = '\0';
	for (; fields->name != NULL && len < size; fields++)
		len += (size_t)snprintf(text + len, size - len, "%s%s", len > 0 ? ", " : "",
					fields->name);
}

static int convert_shape(const struct ctl_field *fields, const char *path, const json_t *value,
			 json_t **ret_value, struct ctl_error *error)
{
	json_t *object = json_object(), *member = NULL, *in;
	char text[512], inner[PATH_MAX_BYTES];
	const struct ctl_field *field;
	const char *key;
	int r = 0;

	if (!json_is_object(value))
		r = ctl_fail(error, CTL_EXIT_USAGE, "%s: KEY=VALUE or a JSON object expected",
			     path);
	json_object_foreach ((json_t *)value, key, in) {
		for (field = fields; field->name != NULL && strcmp(field->name, key) != 0; field++)
			;
		if (field->name == NULL) {
			list_fields(fields, text, sizeof(text));
			r = ctl_fail(error, CTL_EXIT_USAGE,
				     "%s: unknown key '%.40s', must be one of: %s", path, key,
				     text);
			break;
		}
		snprintf(inner, sizeof(inner), "%s.%s", path, key);
		r = convert(field, inner, in, &member, error);
		if (r < 0)
			break;
		json_object_set_new(object, key, member);
	}
	if (r < 0)
		json_decref(object);
	else
		*ret_value = object;
	return r;
}

static int convert_list(const struct ctl_field *field, const char *path, const json_t *value,
			json_t **ret_value, struct ctl_error *error)
{
	json_t *list = json_array(), *entry = NULL;
	char inner[PATH_MAX_BYTES];
	size_t i;
	int r = 0;

	if (!json_is_array(value))
		r = ctl_fail(error, CTL_EXIT_USAGE, "%s: a list expected", path);
	for (i = 0; r == 0 && i < json_array_size(value); i++) {
		const json_t *in = json_array_get(value, i);

		snprintf(inner, sizeof(inner), "%s[%zu]", path, i);
		if (field->kind == CTL_SHAPES)
			r = convert_shape(field->fields, inner, in, &entry, error);
		else if (json_is_string(in))
			entry = json_copy((json_t *)in);
		else
			r = ctl_fail(error, CTL_EXIT_USAGE, "%s: a string expected", inner);
		if (r == 0)
			json_array_append_new(list, entry);
	}
	if (r < 0)
		json_decref(list);
	else
		*ret_value = list;
	return r;
}

static int convert(const struct ctl_field *field, const char *path, const json_t *value,
		   json_t **ret_value, struct ctl_error *error)
{
	switch (field->kind) {
	case CTL_NUMBER:
		return convert_number(path, value, ret_value, error);
	case CTL_TRUTH:
	case CTL_SWITCH:
		return convert_truth(path, value, ret_value, error);
	case CTL_SHAPE:
		return convert_shape(field->fields, path, value, ret_value, error);
	case CTL_TEXTS:
	case CTL_SHAPES:
		return convert_list(field, path, value, ret_value, error);
	case CTL_TEXT:
		break;
	}
	if (!json_is_string(value))
		return ctl_fail(error, CTL_EXIT_USAGE, "%s: a string expected", path);
	*ret_value = json_copy((json_t *)value);
	return 0;
}

/* --- flags ------------------------------------------------------------------------------ */

/* One word as it is written, not yet converted. */
static int parse_word(const struct ctl_field *field, const char *what, const char *text,
		      json_t **ret_value, struct ctl_error *error)
{
	bool shape = field->kind == CTL_SHAPE || field->kind == CTL_SHAPES;
	bool list = field->kind == CTL_TEXTS || field->kind == CTL_SHAPES;
	char first = text[strspn(text, " \t\r\n")];

	if ((shape && first == '{') || (list && first == '['))
		return parse_json(what, text, ret_value, error);
	if (shape)
		return ctl_shorthand_parse(what, text, ret_value, error);
	*ret_value = json_string(text);
	if (*ret_value == NULL)
		return ctl_fail(error, CTL_EXIT_USAGE, "%s: the value is not UTF-8", what);
	return 0;
}

static int parse_words(const struct ctl_field *field, const char *what, char *const *words,
		       size_t n, json_t *list, struct ctl_error *error)
{
	json_t *value = NULL;
	char *text;
	size_t i;
	int r;

	for (i = 0; i < n; i++) {
		r = read_word(what, words[i], &text, error);
		if (r < 0)
			return r;
		r = parse_word(field, what, text, &value, error);
		free(text);
		if (r < 0)
			return r;
		r = json_is_array(value) ? json_array_extend(list, value)
					 : json_array_append(list, value);
		json_decref(value);
		if (r < 0)
			return ctl_fail_memory(error);
	}
	return 0;
}

int ctl_value_parse(const struct ctl_field *field, const char *what, char *const *words, size_t n,
		    json_t **ret_value, struct ctl_error *error)
{
	bool list = field->kind == CTL_TEXTS || field->kind == CTL_SHAPES;
	json_t *values;
	int r;

	if (n == 0)
		return ctl_fail(error, CTL_EXIT_USAGE, "%s needs a value", what);
	if (n > 1 && !list)
		return ctl_fail(error, CTL_EXIT_USAGE, "%s takes one value; what is '%.40s'?", what,
				words[1]);
	values = json_array();
	r = parse_words(field, what, words, n, values, error);
	if (r == 0)
		r = convert(field, what, list ? values : json_array_get(values, 0), ret_value,
			    error);
	json_decref(values);
	return r;
}
