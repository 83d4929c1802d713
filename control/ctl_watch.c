/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/ctl_operation.h"

#include "control/ctl_cell.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

static void print_value(FILE *out, const json_t *value)
{
	json_t *shown = json_object_get(value, "Id") != NULL /* a target */
				? ctl_cell_endpoint(value, "Id", "Port")
				: json_incref((json_t *)value);
	char *text = json_is_string(shown) ? strdup(json_string_value(shown))
					   : json_dumps(shown, JSON_COMPACT | JSON_ENCODE_ANY);

	if (text != NULL)
		ctl_cell_print(out, text);
	free(text);
	json_decref(shown);
}

/* "TIME  EVENT  Name=value Name=value": what an event has beside these two differs. */
static void print_event(FILE *out, enum ctl_format format, const json_t *event)
{
	const char *gap = format == CTL_LINES ? "\t" : "  ";
	const char *name;
	json_t *value;

	if (format == CTL_JSON) {
		json_dumpf(event, out, JSON_COMPACT);
		fputc('\n', out);
		return;
	}
	ctl_cell_path(out, event, "Time");
	fputs(gap, out);
	ctl_cell_path(out, event, "Event");
	json_object_foreach ((json_t *)event, name, value) {
		if (strcmp(name, "Time") == 0 || strcmp(name, "Event") == 0)
			continue;
		fputs(gap, out);
		ctl_cell_print(out, name);
		fputc('=', out);
		print_value(out, value);
	}
	fputc('\n', out);
}

int ctl_watch_run(struct ctl_client *client, const struct ctl_args *args, FILE *out,
		  struct ctl_error *error)
{
	json_t *result, *event;
	long left;
	int r;

	r = ctl_args_local_number(args, "count", 1, LONG_MAX, LONG_MAX, &left, error);
	if (r == 0)
		r = ctl_client_call(client, "Watch", args->params, &result, error);
	if (r < 0)
		return r;
	json_decref(result);
	for (; left > 0; left--) {
		r = ctl_client_event(client, &event, error);
		if (r < 0)
			return r;
		print_event(out, args->format, event);
		json_decref(event);
		if (fflush(out) != 0)
			return 0; /* whoever opened the stream sees its error */
	}
	return 0;
}
