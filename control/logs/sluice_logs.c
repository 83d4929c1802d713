/* SPDX-License-Identifier: BSD-3-Clause */
/* sluice-logs: writes access logs and brings them to S3, with no rights but to its spool. */
#include "control/logs/logs_daemon.h"
#include "healthcheck/sandbox.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define USER_DEFAULT "sluice-logs"
#define EXIT_USAGE 2

static const char help[] =
	"Usage: sluice-logs --queue FILE --spool DIR [--user NAME]\n"
	"\n"
	"Writes the flow records in FILE as access logs below DIR, and brings them to S3, as\n"
	"sluiced tells it to over the socket on its standard input; sluiced starts it. Ends\n"
	"when that socket is closed.\n"
	"\n"
	"  -q, --queue FILE  where sluiced puts flow records\n"
	"  -s, --spool DIR   where logs lie until they are in S3; made if missing\n"
	"  -u, --user NAME   run as this user when started by root (default " USER_DEFAULT ",\n"
	"                    or nobody if there is none of that name)\n"
	"  -h, --help        show this\n"
	"  -V, --version     show the version\n"
	"\n"
	"Exit status: 0 when the socket was closed, 1 after an error, 2 for a wrong option.\n";

struct arguments {
	const char *queue, *spool, *user;
};

static bool is_our_socket(void)
{
	int type = 0;
	socklen_t len = sizeof(type);

	return getsockopt(STDIN_FILENO, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	       type == SOCK_SEQPACKET;
}

static int fail(const char *what, int error)
{
	fprintf(stderr, "sluice-logs: %s: %s\n", what, strerror(-error));
	return error;
}

/* What needs the rights we begin with. */
static int open_as_root(const struct arguments *arguments, struct record_queue **ret_queue)
{
	uid_t uid;
	gid_t gid;
	int fd, r;

	fd = open(arguments->queue, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return fail(arguments->queue, -errno);
	r = record_queue_attach(fd, ret_queue);
	close(fd); /* the memory stays */
	if (r < 0)
		return fail(arguments->queue, r);
	if (mkdir(arguments->spool, 0700) != 0 && errno != EEXIST)
		return fail(arguments->spool, -errno);
	if (geteuid() != 0)
		return 0;
	sandbox_ids(arguments->user, &uid, &gid);
	return chown(arguments->spool, uid, gid) == 0 ? 0 : fail(arguments->spool, -errno);
}

static int run(const struct arguments *arguments)
{
	struct record_queue *queue = NULL;
	char error[SANDBOX_ERROR_MAX];
	int r;

	if (!is_our_socket()) {
		fputs("sluice-logs: standard input is no socket of sluiced, which starts it\n",
		      stderr);
		return EXIT_USAGE;
	}
	/* a service manager ends us together with sluiced, whose last records are still to come */
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	umask(077);
	if (open_as_root(arguments, &queue) < 0)
		return EXIT_FAILURE;
	if (setpriority(PRIO_PROCESS, 0, 0) < 0) { /* sluiced's is higher; here is nothing urgent */
		fail("setpriority", -errno);
		return EXIT_FAILURE;
	}
	if (sandbox_enter(arguments->user, error) < 0) {
		fprintf(stderr, "sluice-logs: %s\n", error);
		return EXIT_FAILURE;
	}
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		fputs("sluice-logs: libcurl cannot be set up\n", stderr);
		return EXIT_FAILURE;
	}
	r = logs_daemon_run(STDIN_FILENO, queue);
	curl_global_cleanup();
	record_queue_close(queue);
	if (r < 0)
		fail("it ends", r);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"queue", required_argument, NULL, 'q'}, {"spool", required_argument, NULL, 's'},
		{"user", required_argument, NULL, 'u'},	 {"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},	 {NULL, 0, NULL, 0},
	};
	struct arguments arguments = {.user = USER_DEFAULT};
	int option;

	while ((option = getopt_long(argc, argv, "q:s:u:hV", options, NULL)) != -1) {
		switch (option) {
		case 'q':
			arguments.queue = optarg;
			break;
		case 's':
			arguments.spool = optarg;
			break;
		case 'u':
			arguments.user = optarg;
			break;
		case 'h':
			fputs(help, stdout);
			return EXIT_SUCCESS;
		case 'V':
			puts("sluice-logs " SLUICE_VERSION);
			return EXIT_SUCCESS;
		default:
			fputs("Try 'sluice-logs --help'.\n", stderr);
			return EXIT_USAGE;
		}
	}
	if (optind < argc || arguments.queue == NULL || arguments.spool == NULL) {
		fputs("sluice-logs: it wants --queue and --spool, and nothing behind the options\n"
		      "Try 'sluice-logs --help'.\n",
		      stderr);
		return EXIT_USAGE;
	}
	return run(&arguments);
}
