/* SPDX-License-Identifier: BSD-3-Clause */
/* sluiced: the daemon. Options, and the config. */
#include "control/config.h"
#include "control/daemon.h"
#include "control/log.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#define CONFIG_DEFAULT "/etc/sluice/sluice.json"
#define EXIT_USAGE 2

static const char help[] =
	"Usage: sluiced [--config FILE] [--check]\n"
	"\n"
	"Load balances TCP and UDP flows as sluicectl tells it to. Runs in the foreground and "
	"logs\n"
	"to stderr. SIGTERM ends it in order; flows are forwarded on until\n"
	"'sluicectl shutdown --detach'.\n"
	"\n"
	"  -c, --config FILE  settings, JSON (default " CONFIG_DEFAULT ")\n"
	"  -C, --check        read the settings, say whether they are good, and exit\n"
	"  -h, --help         show this\n"
	"  -V, --version      show the version\n"
	"\n"
	"Exit status: 0 after an orderly end, 1 after an error, 2 for a wrong option.\n";

static int check(const char *path)
{
	char error[CONFIG_ERROR_MAX];
	struct config *config;

	if (config_load(path, &config, error) < 0) {
		fprintf(stderr, "%s\n", error);
		return EXIT_FAILURE;
	}
	printf("%s: good; %u zones, %u interfaces\n", path, config->n_zones,
	       config->engine.n_interfaces);
	config_free(config);
	return EXIT_SUCCESS;
}

static int run(const char *path)
{
	char error[CONFIG_ERROR_MAX];
	struct config *config;
	int r;

	if (config_load(path, &config, error) < 0) {
		log_error("%s", error);
		return EXIT_FAILURE;
	}
	log_info("sluiced %s, config %s", SLUICE_VERSION, path);
	r = daemon_run(config);
	config_free(config);
	return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"check", no_argument, NULL, 'C'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{NULL, 0, NULL, 0},
	};
	const char *path = CONFIG_DEFAULT;
	bool only_check = false;
	int option;

	while ((option = getopt_long(argc, argv, "c:ChV", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			path = optarg;
			break;
		case 'C':
			only_check = true;
			break;
		case 'h':
			fputs(help, stdout);
			return EXIT_SUCCESS;
		case 'V':
			puts("sluiced " SLUICE_VERSION);
			return EXIT_SUCCESS;
		default:
			fputs("Try 'sluiced --help'.\n", stderr);
			return EXIT_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "sluiced: '%s' is no option\nTry 'sluiced --help'.\n",
			argv[optind]);
		return EXIT_USAGE;
	}
	return only_check ? check(path) : run(path);
}
