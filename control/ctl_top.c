/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/ctl_operation.h"

#include "control/ctl_cell.h"
#include "control/ctl_rates.h"
#include "control/ctl_resolve.h"
#include "control/ctl_screen.h"
#include "control/ctl_table.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define INTERVAL_MAX_S 3600

struct top {
	struct ctl_client *client;
	const struct ctl_args *args;
	struct ctl_error *error;
	struct ctl_rates *rates;
	struct ctl_screen *screen; /* NULL: not a terminal, one frame below the other */
	FILE *out;
	long interval_s;
};

static const struct ctl_column columns[] = {
	{"NAME", "Name", false},	{"ACTIVE", "Active", true}, {"NEW/S", "NewFlows", true},
	{"PACKETS/S", "Packets", true}, {"BYTES/S", "Bytes", true}, {NULL, NULL, false},
};

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* --- what sluiced says -------------------------------------------------------------------- */

static int ask(struct top *top, json_t **ret_rows, json_t **ret_engine)
{
	json_t *params = json_deep_copy(top->args->params), *none = json_object();
	json_t *metrics = NULL, *groups = NULL, *engine = NULL;
	int r;

	r = params != NULL && none != NULL ? 0 : ctl_fail_memory(top->error);
	if (r == 0)
		r = ctl_client_call(top->client, "DescribeEngine", none, &engine, top->error);
	if (r == 0)
		r = ctl_client_list(top->client, "DescribeTargetGroups", none, "TargetGroups",
				    &groups, top->error);
	if (r == 0)
		r = ctl_client_list(top->client, "DescribeMetrics", params, "Metrics", &metrics,
				    top->error);
	if (r == 0) {
		*ret_rows = ctl_rates_update(top->rates, metrics, groups, now_ms());
		*ret_engine = *ret_rows != NULL ? json_incref(engine) : NULL;
		r = *ret_rows != NULL ? 0 : ctl_fail_memory(top->error);
	}
	json_decref(engine);
	json_decref(groups);
	json_decref(metrics);
	json_decref(params);
	json_decref(none);
	return r;
}

/* --- a frame -------------------------------------------------------------------------------- */

static void set_rate(json_t *shown, const char *name, const json_t *row, const char *rate)
{
	char text[16];

	ctl_cell_rate(json_number_value(json_object_get(row, rate)), text);
	json_object_set_new(shown, name, json_string(text));
}

static void add_row(struct ctl_table *table, const json_t *row)
{
	json_t *shown = json_object();
	const char *name = json_string_value(json_object_get(row, "Name"));
	int depth = (int)json_integer_value(json_object_get(row, "Depth"));

	json_object_set_new(shown, "Name",
			    json_sprintf("%*s%s", 2 * depth, "", name != NULL ? name : ""));
	set_rate(shown, "Active", row, "ActiveFlows");
	set_rate(shown, "NewFlows", row, "NewFlowsPerSecond");
	set_rate(shown, "Packets", row, "PacketsPerSecond");
	set_rate(shown, "Bytes", row, "BytesPerSecond");
	ctl_table_row(table, shown);
	json_decref(shown);
}

static void print_time(FILE *out)
{
	time_t now = time(NULL);
	struct tm parts;
	char text[16];

	localtime_r(&now, &parts);
	strftime(text, sizeof(text), "%H:%M:%S", &parts);
	fputs(text, out);
}

static void print_frame(const struct top *top, FILE *out, const json_t *rows, const json_t *engine)
{
	struct ctl_table *table;
	json_t *row;
	size_t i;

	print_time(out);
	fprintf(out, "  every %ld s  engine ", top->interval_s);
	ctl_cell_path(out, engine, "Kind");
	fprintf(out, "  flows ");
	ctl_cell_path(out, engine, "Flows");
	fputc('/', out);
	ctl_cell_path(out, engine, "MaxFlows");
	fputs(" IPv4, ", out);
	ctl_cell_path(out, engine, "FlowsIpv6");
	fputc('/', out);
	ctl_cell_path(out, engine, "MaxFlowsIpv6");
	fputs(" IPv6\n", out);
	table = ctl_table_open(out, CTL_TABLE, columns);
	if (table == NULL)
		return;
	json_array_foreach ((json_t *)rows, i, row)
		add_row(table, row);
	ctl_table_flush(table);
	ctl_table_free(table);
}

static void print_json(FILE *out, const json_t *rows, const json_t *engine)
{
	json_t *frame = json_pack("{s:O, s:O}", "Rates", rows, "Engine", engine);

	json_dumpf(frame, out, JSON_COMPACT | JSON_REAL_PRECISION(6));
	fputc('\n', out);
	json_decref(frame);
}

static int show(struct top *top, const json_t *rows, const json_t *engine)
{
	char *text = NULL;
	size_t len = 0;
	FILE *memory;

	if (top->args->format == CTL_JSON) {
		print_json(top->out, rows, engine);
		return fflush(top->out) == 0 ? 0 : -EIO;
	}
	memory = open_memstream(&text, &len);
	if (memory == NULL)
		return ctl_fail_memory(top->error);
	print_frame(top, memory, rows, engine);
	fclose(memory);
	if (top->screen != NULL)
		ctl_screen_show(top->screen, text);
	else
		fprintf(top->out, "%s\n", text);
	free(text);
	return fflush(top->out) == 0 ? 0 : -EIO;
}

/* --- the loop --------------------------------------------------------------------------------- */

/* Rates need two looks: without a screen, nothing is shown of the first. */
static int run(struct top *top, long count)
{
	bool first = true, go_on = true;
	json_t *rows = NULL, *engine = NULL;
	int64_t next_ms = now_ms();
	int r;

	while (count > 0 && go_on) {
		r = ask(top, &rows, &engine);
		if (r < 0)
			return r;
		if (!first || top->screen != NULL) {
			r = show(top, rows, engine);
			count -= !first;
		}
		first = false;
		json_decref(rows);
		json_decref(engine);
		if (r == -EIO)
			return 0; /* whoever opened the stream sees its error */
		if (r < 0)
			return r;
		next_ms += top->interval_s * 1000;
		if (next_ms < now_ms())
			next_ms = now_ms();
		go_on = count == 0 || ctl_screen_wait(top->screen, next_ms - now_ms());
	}
	return 0;
}

int ctl_top_run(struct ctl_client *client, const struct ctl_args *args, FILE *out,
		struct ctl_error *error)
{
	struct top top = {.client = client, .args = args, .error = error, .out = out};
	long count;
	int r;

	r = ctl_args_local_number(args, "interval", 1, INTERVAL_MAX_S, 1, &top.interval_s, error);
	if (r == 0)
		r = ctl_args_local_number(args, "count", 1, LONG_MAX, LONG_MAX, &count, error);
	if (r == 0)
		r = ctl_resolve(client, args->command, args->params, error);
	if (r < 0)
		return r;
	top.rates = ctl_rates_open();
	if (top.rates == NULL)
		return ctl_fail_memory(error);
	if (args->format == CTL_TABLE)
		top.screen = ctl_screen_open(out);
	r = run(&top, count);
	ctl_screen_close(top.screen);
	ctl_rates_free(top.rates);
	return r;
}
