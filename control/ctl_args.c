/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/ctl_args.h"

#include "control/ctl_value.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define SUGGEST_DISTANCE 3 /* typing errors up to which a name is suggested */

/* --- suggestions ------------------------------------------------------------------ */

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Levenshtein's edit distance; names too long to be ours are far from all. */
static size_t distance(const char *a, const char *b)
{
	size_t row[CTL_NAME_MAX + 1];
	size_t len_a = strlen(a), len_b = strlen(b), diagonal, above;

	if (len_a > CTL_NAME_MAX || len_b > CTL_NAME_MAX)
		return SIZE_MAX;
	for (size_t j = 0; j <= len_b; j++)
		row[j] = j;
	for (size_t i = 1; i <= len_a; i++) {
		diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= len_b; j++) {
			above = row[j];
			row[j] = least(least(row[j] + 1, row[j - 1] + 1),
				       diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[len_b];
}

static void consider(const char *typed, const char *name, const char **best, size_t *best_distance)
{
	size_t d = distance(typed, name);

	if (d < *best_distance) {
		*best = name;
		*best_distance = d;
	}
}

static int fail_command(const char *typed, struct ctl_error *error)
{
	const struct ctl_command *command;
	size_t best_distance = SUGGEST_DISTANCE + 1;
	const char *best = NULL;

	if (strcmp(typed, "wait") == 0)
		return ctl_fail(error, CTL_EXIT_USAGE,
				"wait for what? e.g. 'wait target-in-service'");
	for (command = ctl_commands(); command->name != NULL; command++)
		consider(typed, command->name, &best, &best_distance);
	if (best != NULL)
		return ctl_fail(error, CTL_EXIT_USAGE,
				"there is no command '%.40s'; did you mean '%s'?", typed, best);
	return ctl_fail(error, CTL_EXIT_USAGE, "there is no command '%.40s'", typed);
}

static int fail_flag(const struct ctl_command *command, const char *typed, struct ctl_error *error)
{
	size_t best_distance = SUGGEST_DISTANCE + 1;
	const struct ctl_flag *flag;
	const char *best = NULL;

	for (flag = command->flags; flag->field.name != NULL; flag++)
		consider(typed + 2, flag->field.name, &best, &best_distance);
	for (flag = ctl_commands_global_flags(); flag->field.name != NULL; flag++)
		consider(typed + 2, flag->field.name, &best, &best_distance);
	if (best != NULL)
		return ctl_fail(error, CTL_EXIT_USAGE,
				"there is no flag '%.40s'; did you mean '--%s'?", typed, best);
	return ctl_fail(error, CTL_EXIT_USAGE, "there is no flag '%.40s'", typed);
}

/* --- words -------------------------------------------------------------------------- */

static bool is_flag(const char *word)
{
	return strncmp(word, "--", 2) == 0 || strcmp(word, "-h") == 0;
}

static bool is_list(const struct ctl_flag *flag)
{
	return flag->field.kind == CTL_TEXTS || flag->field.kind == CTL_SHAPES;
}

/* How many of the words behind a flag are its values. */
static size_t count_values(const struct ctl_flag *flag, char *const *words, size_t n)
{
	size_t count = 0;

	switch (flag->field.kind) {
	case CTL_SWITCH:
		return 0;
	case CTL_TRUTH:
		return n > 0 && (strcmp(words[0], "true") == 0 || strcmp(words[0], "false") == 0);
	default:
		while (count < n && !is_flag(words[count]) && (is_list(flag) || count == 0))
			count++;
		return count;
	}
}

const struct ctl_command *ctl_args_command(char *const *words, size_t n, size_t *ret_used)
{
	const struct ctl_command *command;
	char two_words[2 * CTL_NAME_MAX];
	size_t used = 1;

	if (n == 0)
		return NULL;
	command = ctl_commands_find(words[0]);
	if (command == NULL && n > 1) {
		snprintf(two_words, sizeof(two_words), "%s %s", words[0], words[1]);
		command = ctl_commands_find(two_words);
		used = 2;
	}
	if (command != NULL && ret_used != NULL)
		*ret_used = used;
	return command;
}

/* --- flags ---------------------------------------------------------------------------- */

static int take_output(struct ctl_args *args, const char *name, struct ctl_error *error)
{
	static const char *const names[] = {
		[CTL_TABLE] = "table",
		[CTL_JSON] = "json",
		[CTL_LINES] = "text",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i], name) == 0) {
			args->format = (enum ctl_format)i;
			return 0;
		}
	}
	return ctl_fail(error, CTL_EXIT_USAGE, "--output must be one of table, json, text");
}

static int take_global(struct ctl_args *args, const struct ctl_flag *flag, char *const *values,
		       size_t n, struct ctl_error *error)
{
	const char *name = flag->field.name;

	if (strcmp(name, "help") == 0)
		args->help = true;
	else if (strcmp(name, "version") == 0)
		args->version = true;
	else if (n == 0)
		return ctl_fail(error, CTL_EXIT_USAGE, "--%s needs a value", name);
	else if (strcmp(name, "socket") == 0)
		args->socket = values[0];
	else
		return take_output(args, values[0], error);
	return 0;
}

static int store(struct ctl_args *args, const struct ctl_flag *flag, json_t *value,
		 struct ctl_error *error)
{
	json_t *object = flag->local ? args->local : args->params;
	char camel[CTL_NAME_MAX];

	ctl_commands_camel(flag->field.name, camel);
	if (json_object_get(object, camel) != NULL) {
		json_decref(value);
		return ctl_fail(error, CTL_EXIT_USAGE, "--%s is given twice", flag->field.name);
	}
	if (json_object_set_new(object, camel, value) < 0)
		return ctl_fail_memory(error);
	return 0;
}

/* --flag, --flag=value or --no-flag; @ret_truth is what it says without a value. */
static const struct ctl_flag *find_flag(const struct ctl_command *command, const char *word,
					bool *ret_truth, const char **ret_value)
{
	const struct ctl_flag *flag;
	size_t len;

	if (strcmp(word, "-h") == 0)
		word = "--help";
	len = strcspn(word + 2, "=");
	*ret_truth = true;
	*ret_value = word[2 + len] == '=' ? word + 2 + len + 1 : NULL;
	flag = ctl_commands_flag(command, word + 2, len);
	if (flag != NULL || strncmp(word, "--no-", 5) != 0)
		return flag;
	*ret_truth = false;
	flag = ctl_commands_flag(command, word + 5, len - 3);
	return flag != NULL && flag->field.kind == CTL_TRUTH ? flag : NULL;
}

/* Take the flag at words[*at] and its values. */
static int take_flag(struct ctl_args *args, char *const *words, size_t n, size_t *at,
		     struct ctl_error *error)
{
	const char *word = words[(*at)++], *joined;
	char *const *values = words + *at;
	char *one[1];
	char what[CTL_NAME_MAX + 2];
	const struct ctl_flag *flag;
	json_t *value;
	size_t count;
	bool truth;
	int r;

	flag = find_flag(args->command, word, &truth, &joined);
	if (flag == NULL)
		return fail_flag(args->command, word, error);
	if (joined != NULL) {
		one[0] = (char *)joined;
		values = one;
		count = 1;
	} else {
		count = truth ? count_values(flag, values, n - *at) : 0;
		*at += count;
	}
	snprintf(what, sizeof(what), "--%s", flag->field.name);
	if (joined != NULL && (flag->field.kind == CTL_SWITCH || !truth))
		return ctl_fail(error, CTL_EXIT_USAGE, "%s takes no value", what);
	if (ctl_commands_flag(NULL, flag->field.name, strlen(flag->field.name)) == flag)
		return take_global(args, flag, values, count, error);
	if (count == 0 && (flag->field.kind == CTL_SWITCH || flag->field.kind == CTL_TRUTH))
		return store(args, flag, json_boolean(truth), error);
	r = ctl_value_parse(&flag->field, what, values, count, &value, error);
	return r == 0 ? store(args, flag, value, error) : r;
}

static int check_complete(const struct ctl_args *args, struct ctl_error *error)
{
	const struct ctl_flag *flag;
	char camel[CTL_NAME_MAX];

	for (flag = args->command->flags; flag->field.name != NULL; flag++) {
		ctl_commands_camel(flag->field.name, camel);
		if (flag->required && json_object_get(args->params, camel) == NULL)
			return ctl_fail(error, CTL_EXIT_USAGE, "--%s is missing", flag->field.name);
	}
	if (args->n_operands < args->command->operands_min)
		return ctl_fail(error, CTL_EXIT_USAGE, "%s is missing", args->command->operands);
	return 0;
}

/* --- the line ----------------------------------------------------------------------------- */

/* Global flags may stand before the command. Returns where the command is. */
static int take_leading(struct ctl_args *args, char *const *words, size_t n, size_t *at,
			struct ctl_error *error)
{
	const struct ctl_flag *flag;
	const char *joined;
	bool truth;
	int r;

	while (*at < n && is_flag(words[*at])) {
		flag = find_flag(NULL, words[*at], &truth, &joined);
		if (flag == NULL)
			return ctl_fail(error, CTL_EXIT_USAGE,
					"'%.40s' before the command is not a flag of sluicectl",
					words[*at]);
		r = take_flag(args, words, n, at, error);
		if (r < 0)
			return r;
	}
	return 0;
}

static int take_words(struct ctl_args *args, char *const *words, size_t n, size_t at,
		      struct ctl_error *error)
{
	int r = 0;

	while (r == 0 && at < n) {
		if (is_flag(words[at])) {
			r = take_flag(args, words, n, &at, error);
		} else if (args->n_operands < args->command->operands_max) {
			args->operands[args->n_operands++] = words[at++];
		} else {
			r = ctl_fail(error, CTL_EXIT_USAGE, "what is '%.40s'?", words[at]);
		}
	}
	return r;
}

static int parse(struct ctl_args *args, char *const *words, size_t n, struct ctl_error *error)
{
	size_t at = 0, used;
	int r;

	r = take_leading(args, words, n, &at, error);
	if (r == 0 && at < n && strcmp(words[at], "help") == 0) {
		args->help = true;
		at++;
	}
	if (r < 0 || at == n)
		return r;
	args->command = ctl_args_command(words + at, n - at, &used);
	if (args->command == NULL)
		return fail_command(words[at], error);
	r = take_words(args, words, n, at + used, error);
	if (args->help || args->version)
		return 0;
	return r == 0 ? check_complete(args, error) : r;
}

int ctl_args_parse(char *const *words, size_t n, struct ctl_args *ret_args, struct ctl_error *error)
{
	struct ctl_args args = {.params = json_object(), .local = json_object()};
	int r;

	if (args.params == NULL || args.local == NULL)
		r = ctl_fail_memory(error);
	else
		r = parse(&args, words, n, error);
	if (r < 0) {
		json_decref(args.params);
		json_decref(args.local);
		args.params = args.local = NULL;
	}
	*ret_args = args;
	return r;
}

void ctl_args_clear(struct ctl_args *args)
{
	json_decref(args->params);
	json_decref(args->local);
	memset(args, 0, sizeof(*args));
}

int ctl_args_local_number(const struct ctl_args *args, const char *name, long min, long max,
			  long fallback, long *ret_number, struct ctl_error *error)
{
	char camel[CTL_NAME_MAX];
	const json_t *value;

	ctl_commands_camel(name, camel);
	value = json_object_get(args->local, camel);
	*ret_number = value != NULL ? (long)json_integer_value(value) : fallback;
	if (value != NULL && (*ret_number < min || *ret_number > max))
		return ctl_fail(error, CTL_EXIT_USAGE, "--%s must be from %ld to %ld", name, min,
				max);
	return 0;
}
