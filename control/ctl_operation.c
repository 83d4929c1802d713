/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/ctl_operation.h"

#include "control/ctl_output.h"
#include "control/ctl_resolve.h"
#include "control/ctl_value.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

/* Ask for no more in a page than what is still wanted. */
static void size_page(const struct ctl_args *args, long size, long wanted)
{
	json_object_set_new(args->params, "PageSize", json_integer(size < wanted ? size : wanted));
}

static int run_pages(struct ctl_client *client, const struct ctl_args *args, const char *method,
		     struct ctl_output *output, struct ctl_error *error)
{
	const json_t *size = json_object_get(args->params, "PageSize");
	json_t *token = json_object_get(args->local, "StartingToken"), *result;
	long page_size, wanted;
	int more, r;

	r = ctl_args_local_number(args, "max-items", 1, LONG_MAX, LONG_MAX, &wanted, error);
	if (r < 0)
		return r;
	page_size = size != NULL ? (long)json_integer_value(size) : args->command->page_max;
	if (token != NULL)
		json_object_set(args->params, "Marker", token);
	do {
		size_page(args, page_size, wanted);
		r = ctl_client_call(client, method, args->params, &result, error);
		if (r < 0)
			return r;
		r = ctl_output_page(output, result);
		wanted -= (long)json_array_size(json_object_get(result, args->command->list));
		more = ctl_client_turn_page(method, args->params, result, error);
		json_decref(result);
		if (r < 0)
			return ctl_fail_memory(error);
	} while (more > 0 && wanted > 0);
	if (more < 0)
		return more;
	ctl_output_end(output,
		       more == 0 ? NULL
				 : json_string_value(json_object_get(args->params, "Marker")));
	return 0;
}

static int run_once(struct ctl_client *client, const struct ctl_args *args, const char *method,
		    struct ctl_output *output, struct ctl_error *error)
{
	json_t *result;
	int r;

	r = ctl_client_call(client, method, args->params, &result, error);
	if (r < 0)
		return r;
	r = ctl_output_page(output, result);
	json_decref(result);
	return r == 0 ? 0 : ctl_fail_memory(error);
}

int ctl_operation_run(struct ctl_client *client, const struct ctl_args *args, FILE *out,
		      struct ctl_error *error)
{
	struct ctl_output *output;
	char method[CTL_NAME_MAX];
	int r;

	r = ctl_resolve(client, args->command, args->params, error);
	if (r < 0)
		return r;
	if (args->command->include != NULL && args->format != CTL_JSON)
		json_object_set_new(args->params, "Include",
				    json_pack("[s]", args->command->include));
	output = ctl_output_open(out, args->format, args->command);
	if (output == NULL)
		return ctl_fail_memory(error);
	ctl_commands_camel(args->command->name, method);
	if (args->command->page_max > 0)
		r = run_pages(client, args, method, output, error);
	else
		r = run_once(client, args, method, output, error);
	ctl_output_free(output);
	return r;
}

int ctl_operation_call(struct ctl_client *client, const struct ctl_args *args, FILE *out,
		       struct ctl_error *error)
{
	json_t *params = NULL, *result;
	int r = 0;

	if (args->n_operands > 1)
		r = ctl_value_json("call", args->operands[1], &params, error);
	else
		params = json_object();
	if (r == 0 && !json_is_object(params))
		r = ctl_fail(error, CTL_EXIT_USAGE, "call: the parameters must be a JSON object");
	if (r == 0)
		r = ctl_client_call(client, args->operands[0], params, &result, error);
	json_decref(params);
	if (r < 0)
		return r;
	r = json_dumpf(result, out, JSON_INDENT(4) | JSON_ENCODE_ANY);
	fputc('\n', out);
	json_decref(result);
	return r == 0 ? 0 : ctl_fail_memory(error);
}
