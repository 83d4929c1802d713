/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/ctl_complete.h"

#include "control/ctl_args.h"

#include <string.h>

struct completion {
	const char *typed; /* the last word */
	ctl_complete_names *names;
	void *context;
	FILE *out;
};

static void offer(const struct completion *c, const char *prefix, const char *text, size_t len,
		  const char *suffix)
{
	size_t typed = strlen(c->typed), before = strlen(prefix);

	if (strncmp(c->typed, prefix, typed < before ? typed : before) != 0)
		return;
	if (typed > before &&
	    (typed - before > len || strncmp(c->typed + before, text, typed - before) != 0))
		return;
	fprintf(c->out, "%s%.*s%s\n", prefix, (int)len, text, suffix);
}

static void offer_values(const struct completion *c, const struct ctl_field *field,
			 const char *prefix)
{
	const char *values = field->values;
	size_t len;

	if (field->ref != CTL_REF_NONE && c->names != NULL)
		c->names(c->context, field->ref, prefix, c->out);
	if (values == NULL || strpbrk(values, " 0123456789") != NULL) {
		if (values == NULL || strstr(values, "ipv4|") == NULL)
			return; /* a range or a description */
	}
	while (*values != '\0') {
		len = strcspn(values, "|");
		offer(c, prefix, values, len, "");
		values += len + (values[len] == '|');
	}
}

/* KEY= behind the last comma, or the value behind KEY=. Brackets are left to the person. */
static void offer_shape(const struct completion *c, const struct ctl_field *fields)
{
	const char *comma = strrchr(c->typed, ','), *segment, *equals;
	char prefix[512];
	size_t len;

	segment = comma != NULL ? comma + 1 : c->typed;
	equals = strchr(segment, '=');
	len = (size_t)((equals != NULL ? equals + 1 : segment) - c->typed);
	if (len >= sizeof(prefix) || strpbrk(c->typed, "{[\"'") != NULL)
		return;
	memcpy(prefix, c->typed, len);
	prefix[len] = '\0';
	for (; fields->name != NULL; fields++) {
		if (equals == NULL)
			offer(c, prefix, fields->name, strlen(fields->name), "=");
		else if (strncmp(fields->name, segment, (size_t)(equals - segment)) == 0 &&
			 fields->name[equals - segment] == '\0')
			offer_values(c, fields, prefix);
	}
	if (comma == NULL && equals == NULL && *c->typed != '\0')
		offer(c, "", "file://", 7, "");
}

static void offer_flags(const struct completion *c, const struct ctl_flag *flags,
			char *const *words, size_t n)
{
	const struct ctl_flag *flag;
	size_t i, len;

	for (flag = flags; flag->field.name != NULL; flag++) {
		len = strlen(flag->field.name);
		for (i = 0; i < n; i++) {
			if (strncmp(words[i], "--", 2) == 0 &&
			    strcmp(words[i] + 2, flag->field.name) == 0)
				break;
		}
		if (i == n) /* not there yet */
			offer(c, "--", flag->field.name, len, "");
	}
}

/* Commands; of two words only the one that is being typed. */
static void offer_commands(const struct completion *c, const char *first)
{
	const struct ctl_command *command;
	size_t len = first != NULL ? strlen(first) : 0;
	const char *space;

	for (command = ctl_commands(); command->name != NULL; command++) {
		space = strchr(command->name, ' ');
		if (first != NULL) {
			if (space == command->name + len && strncmp(command->name, first, len) == 0)
				offer(c, "", space + 1, strlen(space + 1), "");
		} else if (space == NULL) {
			offer(c, "", command->name, strlen(command->name), "");
		}
	}
	if (first == NULL) {
		offer(c, "", "wait", 4, "");
		offer(c, "", "help", 4, "");
	}
}

/* The flag whose value the last word is, or NULL. */
static const struct ctl_flag *pending_flag(const struct ctl_command *command, char *const *words,
					   size_t n)
{
	const struct ctl_flag *flag;
	size_t values = 0;

	while (n > 0 && strncmp(words[n - 1], "--", 2) != 0) {
		values++;
		n--;
	}
	if (n == 0)
		return NULL;
	flag = ctl_commands_flag(command, words[n - 1] + 2, strlen(words[n - 1] + 2));
	if (flag == NULL || flag->field.kind == CTL_SWITCH)
		return NULL;
	if (values > 0 && flag->field.kind != CTL_TEXTS && flag->field.kind != CTL_SHAPES)
		return NULL;
	return flag;
}

static void offer_pending(const struct completion *c, const struct ctl_flag *flag)
{
	if (flag->field.fields != NULL) {
		offer_shape(c, flag->field.fields);
	} else if (flag->field.kind == CTL_TRUTH) {
		offer(c, "", "true", 4, "");
		offer(c, "", "false", 5, "");
	} else {
		offer_values(c, &flag->field, "");
	}
}

void ctl_complete(char *const *words, size_t n, ctl_complete_names *names, void *context, FILE *out)
{
	struct completion c = {.names = names, .context = context, .out = out};
	const struct ctl_command *command;
	const struct ctl_flag *flag;
	size_t at = 0;

	if (n == 0)
		return;
	c.typed = words[--n];
	while (at < n && (strncmp(words[at], "--", 2) == 0 || strcmp(words[at], "help") == 0)) {
		flag = ctl_commands_flag(NULL, words[at] + 2, strlen(words[at] + 2));
		at += flag != NULL && flag->field.kind != CTL_SWITCH ? 2 : 1;
	}
	command = at < n ? ctl_args_command(words + at, n - at, NULL) : NULL;
	flag = pending_flag(command, words, n);
	if (flag != NULL && strncmp(c.typed, "--", 2) != 0) {
		offer_pending(&c, flag);
	} else if (strncmp(c.typed, "--", 2) == 0 || command != NULL) {
		if (command != NULL)
			offer_flags(&c, command->flags, words, n);
		offer_flags(&c, ctl_commands_global_flags(), words, n);
	} else if (at >= n) {
		offer_commands(&c, NULL);
	} else if (at + 1 == n) {
		offer_commands(&c, words[at]);
	}
}
