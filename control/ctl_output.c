/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/ctl_output.h"

#include "control/ctl_view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define INDENT 4

struct ctl_output {
	FILE *out;
	enum ctl_format format;
	const struct ctl_command *command;
	const struct ctl_view *view; /* NULL: as a record */
	struct ctl_table *table;
	size_t entries; /* of the list, printed as JSON */
};

struct ctl_output *ctl_output_open(FILE *out, enum ctl_format format,
				   const struct ctl_command *command)
{
	struct ctl_output *output = calloc(1, sizeof(*output));

	if (output == NULL)
		return NULL;
	output->out = out;
	output->format = format;
	output->command = command;
	if (command->list != NULL)
		output->view = ctl_view_find(command->list);
	if (output->view == NULL || format == CTL_JSON)
		return output;
	output->table = ctl_table_open(out, format, output->view->columns);
	if (output->table == NULL) {
		free(output);
		return NULL;
	}
	return output;
}

/* As json_dumpf(), but further in. No string of JSON has a newline in it. */
static int dump_entry(FILE *out, const json_t *entry)
{
	char *text = json_dumps(entry, JSON_INDENT(INDENT) | JSON_ENCODE_ANY);
	char *line, *rest = text;

	if (text == NULL)
		return -ENOMEM;
	while ((line = strsep(&rest, "\n")) != NULL)
		fprintf(out, "%s%*s%s", line == text ? "" : "\n", 2 * INDENT, "", line);
	free(text);
	return 0;
}

static int add_entries(struct ctl_output *output, const json_t *list)
{
	json_t *entry;
	size_t i;
	int r = 0;

	json_array_foreach ((json_t *)list, i, entry) {
		if (output->entries++ == 0)
			fprintf(output->out, "{\n%*s\"%s\": [\n", INDENT, "",
				output->command->list);
		else
			fputs(",\n", output->out);
		r = dump_entry(output->out, entry);
		if (r < 0)
			break;
	}
	return r;
}

int ctl_output_page(struct ctl_output *output, const json_t *result)
{
	const json_t *list = NULL;
	int r;

	if (output->command->list != NULL)
		list = json_object_get(result, output->command->list);
	if (output->format == CTL_JSON) {
		if (output->command->page_max > 0)
			return add_entries(output, list);
		r = json_dumpf(result, output->out, JSON_INDENT(INDENT) | JSON_ENCODE_ANY);
		fputc('\n', output->out);
		return r == 0 ? 0 : -ENOMEM;
	}
	if (output->table == NULL)
		return ctl_view_record(output->out, output->format, result);
	r = ctl_view_rows(output->view, list, output->table);
	if (r == 0)
		ctl_table_flush(output->table);
	return r;
}

void ctl_output_end(struct ctl_output *output, const char *next_token)
{
	json_t *token;
	char *text;

	if (output->format != CTL_JSON || output->command->page_max == 0)
		return;
	if (output->entries == 0)
		fprintf(output->out, "{\n%*s\"%s\": [", INDENT, "", output->command->list);
	else
		fprintf(output->out, "\n%*s", INDENT, "");
	fputc(']', output->out);
	token = next_token != NULL ? json_string(next_token) : NULL;
	text = token != NULL ? json_dumps(token, JSON_ENCODE_ANY) : NULL;
	if (text != NULL)
		fprintf(output->out, ",\n%*s\"NextToken\": %s", INDENT, "", text);
	fputs("\n}\n", output->out);
	free(text);
	json_decref(token);
}

void ctl_output_free(struct ctl_output *output)
{
	if (output == NULL)
		return;
	ctl_table_free(output->table);
	free(output);
}
