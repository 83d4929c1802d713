/* SPDX-License-Identifier: BSD-3-Clause */
/* RPC rig: a server and its clients in one thread, for the tests of rpc.c. */
#ifndef SLUICE_TEST_RPC_RIG_H
#define SLUICE_TEST_RPC_RIG_H

#include "control/rpc.h"

#include "control/rpc_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define DEADLINE_S 20
#define WATCHERS_MAX 4

struct fixture {
	uv_loop_t loop;
	struct rpc_server *server;
	struct rpc_options options;
	char directory[64];
	char path[96];
	unsigned int commits, calls, calls_at_commit, gone, notes;
	int commit_result;
	const int *silent; /* fds that must have nothing to read while we commit, -1 at the end */
	struct rpc_client *waiting; /* called "Wait" */
	struct rpc_client *watchers[WATCHERS_MAX];
	unsigned int n_watchers;
	bool emit; /* an event in each commit */
};

/* --- a handler ------------------------------------------------------------------------ */

static inline void on_call(void *context, struct rpc_client *client,
			   const struct rpc_request *request)
{
	struct fixture *f = context;
	json_int_t n;
	char *text;

	f->calls++;
	if (strcmp(request->method, "Echo") == 0) {
		rpc_reply(client,
			  request->params != NULL ? json_incref(request->params) : json_object());
	} else if (strcmp(request->method, "Big") == 0) {
		n = json_integer_value(json_object_get(request->params, "Bytes"));
		text = malloc((size_t)n + 1);
		memset(text, 'x', (size_t)n);
		text[n] = '\0';
		rpc_reply(client, json_string(text));
		free(text);
	} else if (strcmp(request->method, "Wait") == 0) {
		assert_null(f->waiting);
		f->waiting = client;
	} else if (strcmp(request->method, "Watch") == 0) {
		assert_true(f->n_watchers < WATCHERS_MAX);
		f->watchers[f->n_watchers++] = client;
		rpc_reply(client, json_object());
	} else if (strcmp(request->method, "Stop") == 0) {
		rpc_reply(client, json_object());
		rpc_stop(f->server);
	} else {
		rpc_reply_error(client, RPC_METHOD_NOT_FOUND, "no such", "Sender", "InvalidAction");
	}
}

static inline void broadcast(struct fixture *f, const char *line)
{
	unsigned int i;

	for (i = f->n_watchers; i > 0; i--) /* on_gone() closes the gap */
		rpc_notify(f->watchers[i - 1], line, strlen(line));
}

static inline int on_commit(void *context)
{
	struct fixture *f = context;
	const int *fd;
	char byte;

	f->commits++;
	f->calls_at_commit = f->calls;
	for (fd = f->silent; fd != NULL && *fd >= 0; fd++)
		assert_int_equal(recv(*fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT), -1);
	if (f->emit)
		broadcast(f, "{\"event\":1}\n");
	return f->commit_result;
}

static inline void on_gone(void *context, struct rpc_client *client)
{
	struct fixture *f = context;
	unsigned int i;

	f->gone++;
	if (f->waiting == client)
		f->waiting = NULL;
	for (i = 0; i < f->n_watchers; i++) {
		if (f->watchers[i] == client)
			f->watchers[i--] = f->watchers[--f->n_watchers];
	}
}

static inline void on_note(void *context, const char *text)
{
	struct fixture *f = context;

	assert_true(strlen(text) > 0);
	f->notes++;
}

/* --- a rig: the server and its clients in one thread ---------------------------------- */

static inline int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return -1;
	signal(SIGPIPE, SIG_IGN);
	strcpy(f->directory, "/tmp/sluice-rpc-XXXXXX");
	if (mkdtemp(f->directory) == NULL || chmod(f->directory, 0755) < 0)
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/run/control.sock", f->directory);
	uv_loop_init(&f->loop);
	f->options = (struct rpc_options){
		.path = f->path,
		.group = "",
		.max_clients = 16,
		.write_timeout_ms = RPC_WRITE_TIMEOUT_MS,
	};
	*state = f;
	return 0;
}

static inline void start(struct fixture *f)
{
	struct rpc_handler handler = {f, on_call, on_commit, on_gone, on_note};
	char error[RPC_ERROR_MAX];

	if (rpc_open(&f->loop, &f->options, &handler, &f->server, error) < 0)
		fail_msg("%s", error);
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;
	char directory[96];

	if (f->server != NULL) {
		rpc_stop(f->server);
		uv_run(&f->loop, UV_RUN_DEFAULT);
		rpc_free(f->server);
	}
	if (uv_loop_close(&f->loop) != 0)
		return -1; /* a handle was left */
	snprintf(directory, sizeof(directory), "%s/run", f->directory);
	rmdir(directory);
	if (rmdir(f->directory) < 0)
		return -1; /* the socket was left */
	free(f);
	return 0;
}

static inline time_t now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/* Turn the loop until the condition holds. */
#define until(f, condition)                                             \
	do {                                                            \
		time_t deadline_s_ = now_s() + DEADLINE_S;              \
		while (!(condition)) {                                  \
			uv_run(&(f)->loop, UV_RUN_NOWAIT);              \
			if (now_s() > deadline_s_)                      \
				fail_msg("never true: %s", #condition); \
		}                                                       \
	} while (0)

static inline int connect_to(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd;

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	strcpy(address.sun_path, path);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		close(fd);
		return -errno;
	}
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

static inline int dial(struct fixture *f)
{
	unsigned int before = rpc_clients(f->server);
	int fd = connect_to(f->path);

	assert_true(fd >= 0);
	until(f, rpc_clients(f->server) == before + 1);
	return fd;
}

static inline void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), 0), strlen(text));
}

/* Send more than the socket's buffer takes. */
static inline void say_all(struct fixture *f, int fd, const char *text, size_t len)
{
	ssize_t n;

	while (len > 0) {
		n = send(fd, text, len, 0);
		if (n > 0) {
			text += n;
			len -= (size_t)n;
		} else {
			assert_int_equal(errno, EAGAIN);
			uv_run(&f->loop, UV_RUN_NOWAIT);
		}
	}
}

/* The next line, without its end; NULL when the server closed the connection. */
static const char *hear(struct fixture *f, int fd)
{
	static char line[3 * 1024 * 1024];
	time_t deadline_s = now_s() + DEADLINE_S;
	size_t len = 0, peeked;
	char *newline;
	ssize_t n;

	for (;;) {
		n = recv(fd, line + len, sizeof(line) - len - 1, MSG_PEEK);
		if (n == 0 || (n < 0 && errno == ECONNRESET))
			return NULL;
		if (n > 0) {
			peeked = (size_t)n;
			newline = memchr(line + len, '\n', peeked);
			if (newline != NULL)
				peeked = (size_t)(newline + 1 - (line + len));
			assert_int_equal(recv(fd, line + len, peeked, 0), peeked);
			len += peeked;
			if (newline != NULL) {
				*newline = '\0';
				return line;
			}
			assert_true(len < sizeof(line) - 1);
		}
		uv_run(&f->loop, UV_RUN_NOWAIT);
		if (now_s() > deadline_s)
			fail_msg("no answer");
	}
}

static inline void expect(struct fixture *f, int fd, const char *want)
{
	const char *line = hear(f, fd);

	assert_non_null(line);
	assert_string_equal(line, want);
}

/* The server answers others as ever. */
static inline void expect_unhurt(struct fixture *f, int fd)
{
	say(fd, "{\"jsonrpc\":\"2.0\",\"id\":77,\"method\":\"Echo\"}\n");
	expect(f, fd, "{\"jsonrpc\":\"2.0\",\"id\":77,\"result\":{}}");
}

#define REQUEST(id, method) "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":\"" method "\"}\n"
#define RESULT(id) "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"result\":{}}"
#define ERROR_TAIL(name) "\",\"data\":{\"Type\":\"Sender\",\"Code\":\"" name "\"}}}"

#endif
