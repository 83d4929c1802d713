/* SPDX-License-Identifier: BSD-3-Clause */
/* sluice-health: probes targets for sluiced, with no rights of its own. */
#include "healthcheck/prober.h"
#include "healthcheck/sandbox.h"

#include <curl/curl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define USER_DEFAULT "sluice-health"
#define EXIT_USAGE 2

static const char help[] =
	"Usage: sluice-health [--user NAME]\n"
	"\n"
	"Probes targets as sluiced tells it to over the socket on its standard input;\n"
	"sluiced starts it. Ends when that socket is closed.\n"
	"\n"
	"  -u, --user NAME  run as this user when started by root (default " USER_DEFAULT ",\n"
	"                   or nobody if there is none of that name)\n"
	"  -h, --help       show this\n"
	"  -V, --version    show the version\n"
	"\n"
	"Exit status: 0 when the socket was closed, 1 after an error, 2 for a wrong option.\n";

static bool is_our_socket(void)
{
	int type = 0;
	socklen_t len = sizeof(type);

	return getsockopt(STDIN_FILENO, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	       type == SOCK_SEQPACKET;
}

static int run(const char *user)
{
	char error[SANDBOX_ERROR_MAX];
	int r;

	if (!is_our_socket()) {
		fputs("sluice-health: standard input is no socket of sluiced, which starts it\n",
		      stderr);
		return EXIT_USAGE;
	}
	if (sandbox_enter(user, error) < 0) {
		fprintf(stderr, "sluice-health: %s\n", error);
		return EXIT_FAILURE;
	}
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		fputs("sluice-health: libcurl cannot be set up\n", stderr);
		return EXIT_FAILURE;
	}
	r = prober_run(STDIN_FILENO);
	curl_global_cleanup();
	if (r < 0)
		fprintf(stderr, "sluice-health: %s\n", strerror(-r));
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"user", required_argument, NULL, 'u'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{NULL, 0, NULL, 0},
	};
	const char *user = USER_DEFAULT;
	int option;

	while ((option = getopt_long(argc, argv, "u:hV", options, NULL)) != -1) {
		switch (option) {
		case 'u':
			user = optarg;
			break;
		case 'h':
			fputs(help, stdout);
			return EXIT_SUCCESS;
		case 'V':
			puts("sluice-health " SLUICE_VERSION);
			return EXIT_SUCCESS;
		default:
			fputs("Try 'sluice-health --help'.\n", stderr);
			return EXIT_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "sluice-health: '%s' is no option\nTry 'sluice-health --help'.\n",
			argv[optind]);
		return EXIT_USAGE;
	}
	return run(user);
}
