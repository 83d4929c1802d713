/* SPDX-License-Identifier: BSD-3-Clause */
/* sluicectl: sets up a running sluiced over its control socket and shows what it does. */
#include "control/ctl_args.h"
#include "control/ctl_client.h"
#include "control/ctl_complete.h"
#include "control/ctl_cell.h"
#include "control/ctl_help.h"
#include "control/ctl_operation.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COMPLETE_TIMEOUT_S 2 /* a shell must not hang on Tab */

static const char *socket_path(const char *option)
{
	const char *path = option != NULL ? option : getenv("SLUICE_SOCKET");

	return path != NULL && *path != '\0' ? path : CTL_SOCKET_DEFAULT;
}

/* --- completion --------------------------------------------------------------------------- */

struct asking {
	struct ctl_client *client;
	struct ctl_error error;
};

static json_t *ask(struct asking *asking, const char *method, const char *list, json_t *params)
{
	json_t *found = NULL;

	if (ctl_client_list(asking->client, method, params, list, &found, &asking->error) < 0)
		found = NULL;
	json_decref(params);
	return found;
}

static void print_names(const json_t *list, const char *member, const char *prefix, FILE *out)
{
	json_t *entry;
	size_t i;

	json_array_foreach ((json_t *)list, i, entry) {
		fputs(prefix, out);
		ctl_cell_path(out, entry, member);
		fputc('\n', out);
	}
}

static void print_listeners(struct asking *asking, const json_t *balancers, const char *prefix,
			    FILE *out)
{
	json_t *entry, *arn, *listeners, *listener;
	size_t i, j;

	json_array_foreach ((json_t *)balancers, i, entry) {
		arn = json_object_get(entry, "LoadBalancerArn");
		listeners = ask(asking, "DescribeListeners", "Listeners",
				json_pack("{s:O}", "LoadBalancerArn", arn));
		json_array_foreach (listeners, j, listener) {
			fputs(prefix, out);
			ctl_cell_path(out, entry, "LoadBalancerName");
			fputc(':', out);
			ctl_cell_path(out, listener, "Port");
			fputc('\n', out);
		}
		json_decref(listeners);
	}
}

static void complete_names(void *context, enum ctl_ref ref, const char *prefix, FILE *out)
{
	struct asking *asking = context;
	json_t *found;

	if (ref != CTL_REF_TARGET_GROUP) {
		found = ask(asking, "DescribeLoadBalancers", "LoadBalancers", json_object());
		if (ref != CTL_REF_LISTENER)
			print_names(found, "LoadBalancerName", prefix, out);
		if (ref != CTL_REF_LOAD_BALANCER)
			print_listeners(asking, found, prefix, out);
		json_decref(found);
	}
	if (ref == CTL_REF_TARGET_GROUP || ref == CTL_REF_ANY) {
		found = ask(asking, "DescribeTargetGroups", "TargetGroups", json_object());
		print_names(found, "TargetGroupName", prefix, out);
		json_decref(found);
	}
}

/* Without sluiced there are no names to offer, and nobody to tell why. */
static int complete(char *const *words, size_t n)
{
	struct asking asking = {.client = NULL};
	const char *path = NULL;

	for (size_t i = 0; i + 2 < n; i++) {
		if (strcmp(words[i], "--socket") == 0)
			path = words[i + 1];
	}
	alarm(COMPLETE_TIMEOUT_S);
	ctl_client_open(socket_path(path), &asking.client, &asking.error);
	ctl_complete(words, n, asking.client != NULL ? complete_names : NULL, &asking, stdout);
	ctl_client_close(asking.client);
	return CTL_EXIT_OK;
}

/* --- commands ------------------------------------------------------------------------------- */

static int run(const struct ctl_args *args, struct ctl_error *error)
{
	const char *name = args->command->name;
	struct ctl_client *client;
	int r;

	r = ctl_client_open(socket_path(args->socket), &client, error);
	if (r < 0)
		return r;
	if (strcmp(name, "call") == 0)
		r = ctl_operation_call(client, args, stdout, error);
	else if (strcmp(name, "watch") == 0)
		r = ctl_watch_run(client, args, stdout, error);
	else if (strcmp(name, "top") == 0)
		r = ctl_top_run(client, args, stdout, error);
	else if (strncmp(name, "wait ", 5) == 0)
		r = ctl_wait_run(client, args, error);
	else
		r = ctl_operation_run(client, args, stdout, error);
	ctl_client_close(client);
	return r;
}

static void print_error(const struct ctl_args *args, const struct ctl_error *error)
{
	if (error->exit_code == CTL_EXIT_USAGE || error->exit_code == CTL_EXIT_IO)
		fputs("sluicectl: ", stderr);
	ctl_cell_print(stderr, error->text);
	fputc('\n', stderr);
	if (error->exit_code != CTL_EXIT_USAGE)
		return;
	fprintf(stderr, "'sluicectl%s%s --help' says more\n", args->command != NULL ? " " : "",
		args->command != NULL ? args->command->name : "");
}

/* Output that got lost is an error as well. */
static int finish(int exit_code)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return exit_code;
	fprintf(stderr, "sluicectl: writing the output: %s\n", strerror(errno));
	return CTL_EXIT_IO;
}

int main(int argc, char **argv)
{
	struct ctl_error error = {.exit_code = CTL_EXIT_OK};
	struct ctl_args args;
	int r;

	if (argc > 2 && strcmp(argv[1], "__complete") == 0)
		return complete(argv + 2, (size_t)argc - 2);
	r = ctl_args_parse(argv + 1, argc > 0 ? (size_t)argc - 1 : 0, &args, &error);
	if (r == 0 && args.version) {
		puts("sluicectl " SLUICE_VERSION);
	} else if (r == 0 && args.command == NULL && !args.help) {
		r = ctl_fail(&error, CTL_EXIT_USAGE, "which command? e.g. describe-load-balancers");
	} else if (r == 0 && args.help && args.command == NULL) {
		ctl_help_overview(stdout);
	} else if (r == 0 && args.help) {
		ctl_help_command(stdout, args.command);
	} else if (r == 0) {
		r = run(&args, &error);
	}
	fflush(stdout);
	if (r < 0)
		print_error(&args, &error);
	ctl_args_clear(&args);
	return finish(r < 0 ? (int)error.exit_code : CTL_EXIT_OK);
}
