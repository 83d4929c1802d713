/* SPDX-License-Identifier: BSD-3-Clause */
/* Any words, a line each, as sluicectl's command line, and as one to be completed. */
#include "control/ctl_args.h"
#include "control/ctl_complete.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void parse(char *const *words, size_t n)
{
	struct ctl_error error = {.text = ""};
	struct ctl_args args;
	char *text;

	if (ctl_args_parse(words, n, &args, &error) < 0) {
		require(error.text[0] != '\0' && error.exit_code == CTL_EXIT_USAGE);
		require(args.params == NULL && args.local == NULL);
		return;
	}
	require(json_is_object(args.params) && json_is_object(args.local));
	text = json_dumps(args.params, JSON_COMPACT); /* what is sent is UTF-8 */
	require(text != NULL);
	free(text);
	ctl_args_clear(&args);
}

/* Each candidate begins with what was typed. */
static void complete(char *const *words, size_t n)
{
	size_t len = 0, typed = strlen(words[n - 1]);
	char *text = NULL, *line, *rest;
	FILE *out = open_memstream(&text, &len);

	ctl_complete(words, n, NULL, NULL, out);
	fclose(out);
	for (rest = text; (line = strsep(&rest, "\n")) != NULL && rest != NULL;)
		require(strncmp(line, words[n - 1], typed) == 0);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *input = strndup((const char *)data, size), *words[WORDS_MAX], *word, *rest = input;
	size_t n = 0;

	while (n < WORDS_MAX && (word = strsep(&rest, "\n")) != NULL)
		words[n++] = word;
	if (strstr(input, "file:") == NULL) { /* no files of this machine */
		parse(words, n);
		complete(words, n);
	}
	free(input);
	return 0;
}
