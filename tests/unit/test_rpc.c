/* SPDX-License-Identifier: BSD-3-Clause */
#define _GNU_SOURCE
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
#define MANY 1000
#define WATCHERS_MAX 4
#define NOBODY 65534

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

static void on_call(void *context, struct rpc_client *client, const struct rpc_request *request)
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

static void broadcast(struct fixture *f, const char *line)
{
	unsigned int i;

	for (i = f->n_watchers; i > 0; i--) /* on_gone() closes the gap */
		rpc_notify(f->watchers[i - 1], line, strlen(line));
}

static int on_commit(void *context)
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

static void on_gone(void *context, struct rpc_client *client)
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

static void on_note(void *context, const char *text)
{
	struct fixture *f = context;

	assert_true(strlen(text) > 0);
	f->notes++;
}

/* --- a rig: the server and its clients in one thread ---------------------------------- */

static int setup(void **state)
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

static void start(struct fixture *f)
{
	struct rpc_handler handler = {f, on_call, on_commit, on_gone, on_note};
	char error[RPC_ERROR_MAX];

	if (rpc_open(&f->loop, &f->options, &handler, &f->server, error) < 0)
		fail_msg("%s", error);
}

static int teardown(void **state)
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

static time_t now_s(void)
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

static int connect_to(const char *path)
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

static int dial(struct fixture *f)
{
	unsigned int before = rpc_clients(f->server);
	int fd = connect_to(f->path);

	assert_true(fd >= 0);
	until(f, rpc_clients(f->server) == before + 1);
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), 0), strlen(text));
}

/* Send more than the socket's buffer takes. */
static void say_all(struct fixture *f, int fd, const char *text, size_t len)
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

static void expect(struct fixture *f, int fd, const char *want)
{
	const char *line = hear(f, fd);

	assert_non_null(line);
	assert_string_equal(line, want);
}

/* The server answers others as ever. */
static void expect_unhurt(struct fixture *f, int fd)
{
	say(fd, "{\"jsonrpc\":\"2.0\",\"id\":77,\"method\":\"Echo\"}\n");
	expect(f, fd, "{\"jsonrpc\":\"2.0\",\"id\":77,\"result\":{}}");
}

#define REQUEST(id, method) "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":\"" method "\"}\n"
#define RESULT(id) "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"result\":{}}"
#define ERROR_TAIL(name) "\",\"data\":{\"Type\":\"Sender\",\"Code\":\"" name "\"}}}"

/* --- requests ---------------------------------------------------------------------------- */

static void answers_with_the_id_of_the_request(void **state)
{
	struct fixture *f = *state;
	int fd;

	start(f);
	fd = dial(f);
	say(fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"Echo\",\"params\":{\"A\":[1,"
		"\"\\u00e9\"]}}\n");
	expect(f, fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"A\":[1,\"\xc3\xa9\"]}}");
	say(fd, REQUEST("\"x\"", "Echo") REQUEST("null", "Echo") REQUEST("-1.5", "Echo"));
	expect(f, fd, RESULT("\"x\""));
	expect(f, fd, RESULT("null"));
	expect(f, fd, RESULT("-1.5"));
	say(fd, REQUEST("2", "Nope"));
	expect(f, fd,
	       "{\"jsonrpc\":\"2.0\",\"id\":2,\"error\":{\"code\":-32601,\"message\":\"no "
	       "such" ERROR_TAIL("InvalidAction"));
	/* a notification is run, and not answered */
	say(fd, "{\"jsonrpc\":\"2.0\",\"method\":\"Echo\"}\n"
		"{\"jsonrpc\":\"2.0\",\"method\":\"Nope\"}\n" REQUEST("3", "Echo"));
	expect(f, fd, RESULT("3"));
	assert_int_equal(f->calls, 8);
	close(fd);
}

static void takes_a_request_in_pieces(void **state)
{
	static const char request[] = "\n" REQUEST("1", "Echo") "\n\n";
	struct fixture *f = *state;
	char byte[2] = "";
	size_t i;
	int fd;

	start(f);
	fd = dial(f);
	for (i = 0; request[i] != '\0'; i++) {
		byte[0] = request[i];
		say(fd, byte);
		uv_run(&f->loop, UV_RUN_NOWAIT);
		uv_run(&f->loop, UV_RUN_NOWAIT);
	}
	expect(f, fd, RESULT("1"));
	expect_unhurt(f, fd);
	close(fd);
}

struct refusal {
	const char *request;
	const char *id;
	int code;
};

static void refuses_what_is_no_request_and_goes_on(void **state)
{
	static const struct refusal cases[] = {
		{"[]\n", "null", -32600},
		{"[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"Echo\"}]\n", "null", -32600},
		{"{}\n", "null", -32600},
		{"{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"Echo\"}\n", "1", -32600},
		{"{\"jsonrpc\":2.0,\"id\":1,\"method\":\"Echo\"}\n", "1", -32600},
		{"{\"id\":\"a\",\"method\":\"Echo\"}\n", "\"a\"", -32600},
		{"{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"Echo\"}\n", "null", -32600},
		{"{\"jsonrpc\":\"2.0\",\"id\":true,\"method\":\"Echo\"}\n", "null", -32600},
		{"{\"jsonrpc\":\"2.0\",\"id\":5}\n", "5", -32600},
		{"{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":null}\n", "5", -32600},
		{"{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"Echo\",\"params\":[]}\n", "5", -32602},
		{"{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"Echo\",\"params\":null}\n", "5",
		 -32602},
	};
	struct fixture *f = *state;
	char want[128];
	size_t i;
	int fd;

	start(f);
	fd = dial(f);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		say(fd, cases[i].request);
		snprintf(want, sizeof(want),
			 "{\"jsonrpc\":\"2.0\",\"id\":%s,\"error\":{\"code\":%d,", cases[i].id,
			 cases[i].code);
		assert_memory_equal(hear(f, fd), want, strlen(want));
	}
	assert_int_equal(f->calls, 0);
	expect_unhurt(f, fd);
	close(fd);
}

/* The action says what is wrong with a parameter, so it must get to see it. */
static void passes_numbers_on_that_are_too_large(void **state)
{
	struct fixture *f = *state;
	int fd;

	start(f);
	fd = dial(f);
	say(fd, "{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"Echo\","
		"\"params\":{\"Port\":99999999999999999999}}\n");
	expect(f, fd, "{\"jsonrpc\":\"2.0\",\"id\":9,\"result\":{\"Port\":1e20}}");
	close(fd);
}

static void cuts_off_who_sends_garbage(void **state)
{
	static const char *const garbage[] = {
		"GET / HTTP/1.1\r\n",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"Echo\"\n",
		"\xff\xfe\xfd\n",
		"\"\xc3\"\n",
		"{\"a\":1,\"a\":2}\n",
		"{\"a\":1e999}\n",
		"{} {}\n",
		"\"\\u0000\"\n",
		"nonsense \x01\x02\x1b[31m\n",
	};
	static const char want[] = "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32700,";
	struct fixture *f = *state;
	int fd, other;
	size_t i;

	start(f);
	other = dial(f);
	for (i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
		fd = dial(f);
		say(fd, REQUEST("1", "Echo"));
		say(fd, garbage[i]);
		say(fd, REQUEST("2", "Echo"));
		expect(f, fd, RESULT("1"));
		assert_memory_equal(hear(f, fd), want, strlen(want));
		assert_null(hear(f, fd));
		close(fd);
		assert_int_equal(f->gone, i + 1);
		assert_int_equal(f->notes, i + 1);
	}
	assert_int_equal(f->calls, i);
	expect_unhurt(f, other);
	close(other);
}

static void survives_bombs_of_nesting(void **state)
{
	struct fixture *f = *state;
	char *bomb = malloc(RPC_MESSAGE_MAX + 1);
	int fd, other;

	start(f);
	other = dial(f);
	memset(bomb, '[', RPC_MESSAGE_MAX);
	bomb[RPC_MESSAGE_MAX] = '\n';
	fd = dial(f);
	say_all(f, fd, bomb, RPC_MESSAGE_MAX + 1);
	assert_non_null(strstr(hear(f, fd), "-32700"));
	assert_null(hear(f, fd));
	expect_unhurt(f, other);
	close(other);
	close(fd);
	free(bomb);
}

/* A request of @len bytes; its end is not counted. */
static char *request_of(size_t len)
{
	static const char head[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"Echo\",\"x\":\"";
	char *text = malloc(len + 2);

	memset(text, 'x', len);
	memcpy(text, head, strlen(head));
	memcpy(text + len - 2, "\"}\n", 4);
	return text;
}

static void takes_a_mebibyte_and_no_more(void **state)
{
	static const char want[] = "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32600,";
	struct fixture *f = *state;
	char *text;
	int fd, other;

	start(f);
	other = dial(f);
	fd = dial(f);
	text = request_of(RPC_MESSAGE_MAX);
	say_all(f, fd, text, strlen(text));
	expect(f, fd, RESULT("1"));
	say_all(f, fd, text, strlen(text));
	expect(f, fd, RESULT("1"));
	free(text);

	text = request_of(RPC_MESSAGE_MAX + 1);
	say_all(f, fd, text, strlen(text));
	assert_memory_equal(hear(f, fd), want, strlen(want));
	assert_null(hear(f, fd));
	close(fd);

	fd = dial(f); /* without its end */
	say_all(f, fd, text, RPC_MESSAGE_MAX + 1);
	assert_memory_equal(hear(f, fd), want, strlen(want));
	assert_null(hear(f, fd));
	close(fd);
	free(text);
	expect_unhurt(f, other);
	close(other);
}

static void answers_whole_lines_before_the_end_and_drops_half_ones(void **state)
{
	struct fixture *f = *state;
	int fd;

	start(f);
	fd = dial(f);
	say(fd, REQUEST("1", "Echo") REQUEST("2", "Echo") "{\"jsonrpc\":\"2.0\",\"id\":3,");
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	expect(f, fd, RESULT("1"));
	expect(f, fd, RESULT("2"));
	assert_null(hear(f, fd));
	assert_int_equal(f->calls, 2);
	until(f, f->gone == 1);
	close(fd);
}

static void runs_the_next_request_when_the_last_is_answered(void **state)
{
	struct fixture *f = *state;
	int fd, other;

	start(f);
	fd = dial(f);
	other = dial(f);
	say(fd, REQUEST("1", "Wait") REQUEST("2", "Echo"));
	until(f, f->waiting != NULL);
	expect_unhurt(f, other);
	assert_int_equal(f->calls, 2);
	rpc_reply(f->waiting, json_object());
	f->waiting = NULL;
	expect(f, fd, RESULT("1"));
	expect(f, fd, RESULT("2"));
	/* and who does not wait for the answer is told of */
	say(fd, REQUEST("3", "Wait"));
	until(f, f->waiting != NULL);
	f->commit_result = 0;
	close(fd);
	say(other, REQUEST("4", "Echo"));
	expect(f, other, RESULT("4"));
	rpc_reply(f->waiting, json_object());
	until(f, f->gone == 1);
	close(other);
}

/* --- group commit --------------------------------------------------------------------------- */

static void commits_once_for_all_and_answers_after_it(void **state)
{
	struct fixture *f = *state;
	int fds[9];
	int i;

	start(f);
	for (i = 0; i < 8; i++)
		fds[i] = dial(f);
	fds[8] = -1;
	uv_run(&f->loop, UV_RUN_NOWAIT);
	assert_int_equal(f->commits, 0); /* nothing was called */
	f->silent = fds;
	for (i = 0; i < 8; i++)
		say(fds[i], REQUEST("1", "Echo"));
	until(f, f->commits > 0);
	f->silent = NULL;
	assert_int_equal(f->calls_at_commit, 8);
	for (i = 0; i < 8; i++) {
		expect(f, fds[i], RESULT("1"));
		close(fds[i]);
	}
	assert_int_equal(f->commits, 1);
	rpc_commit_soon(f->server);
	until(f, f->commits == 2);
}

static void answers_internal_failure_to_all_when_the_commit_fails(void **state)
{
	static const char want[] =
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32000,\"message\":\"The change "
		"could not be stored (No space left on device); nothing was changed\",\"data\":"
		"{\"Type\":\"Receiver\",\"Code\":\"InternalFailure\"}}}";
	struct fixture *f = *state;
	int fd, other;

	start(f);
	fd = dial(f);
	other = dial(f);
	say(other, REQUEST("5", "Watch"));
	expect(f, other, RESULT("5"));
	f->commit_result = -ENOSPC;
	f->emit = true;
	say(fd, REQUEST("1", "Echo") "{}\n" REQUEST("1", "Nope"));
	expect(f, fd, want);
	assert_non_null(strstr(hear(f, fd), "-32600")); /* it never was run */
	expect(f, fd, want);
	expect(f, other, "{\"event\":1}");
	f->commit_result = 0;
	f->emit = false;
	expect_unhurt(f, fd);
	close(fd);
	close(other);
}

static void sends_events_behind_the_reply_of_their_turn(void **state)
{
	struct fixture *f = *state;
	int fd;

	start(f);
	fd = dial(f);
	f->emit = true;
	say(fd, REQUEST("5", "Watch"));
	expect(f, fd, RESULT("5"));
	expect(f, fd, "{\"event\":1}");
	broadcast(f, "{\"event\":2}\n"); /* outside of any turn */
	expect(f, fd, "{\"event\":2}");
	close(fd);
}

/* --- bad readers ------------------------------------------------------------------------------ */

static void waits_for_readers_and_loses_no_reply(void **state)
{
	enum { N = 3000, SIZE = 4096 };
	struct fixture *f = *state;
	size_t len = 0, got = 0, reply_len;
	char *text = malloc(N * 100);
	int fd, i;

	start(f);
	fd = dial(f);
	for (i = 0; i < N; i++)
		len += (size_t)sprintf(text + len,
				       "{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"Big\","
				       "\"params\":{\"Bytes\":%d}}\n",
				       i, SIZE);
	while (got < len) { /* 12 MB of answers, none of which is read */
		ssize_t n = send(fd, text + got, len - got, 0);

		got += n > 0 ? (size_t)n : 0;
		uv_run(&f->loop, UV_RUN_NOWAIT);
		if (n < 0 && f->calls > 0 && f->commits > 50)
			break;
	}
	for (i = 0; i < 1000; i++)
		uv_run(&f->loop, UV_RUN_NOWAIT);
	/* it stopped at the limit, one turn beyond at most */
	assert_true(f->calls > RPC_QUEUE_PAUSE / SIZE);
	assert_true(f->calls < RPC_QUEUE_PAUSE / SIZE * 2 + RPC_TURN_REQUESTS);
	assert_int_equal(f->gone, 0);
	for (i = 0; i < N; i++) {
		const char *line;
		char id[32];

		if (got < len) {
			ssize_t n = send(fd, text + got, len - got, 0);

			got += n > 0 ? (size_t)n : 0;
		}
		line = hear(f, fd);
		assert_non_null(line);
		reply_len = strlen(line);
		assert_true(reply_len > SIZE);
		snprintf(id, sizeof(id), "\"id\":%d,", i);
		assert_non_null(strstr(line, id));
	}
	free(text);
	close(fd);
}

static void cuts_off_who_never_reads(void **state)
{
	struct fixture *f = *state;
	int fd, other;

	f->options.write_timeout_ms = 200;
	start(f);
	other = dial(f);
	fd = dial(f);
	say(fd,
	    "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"Big\",\"params\":{\"Bytes\":2000000}}\n");
	until(f, f->calls == 1);
	expect_unhurt(f, other);
	until(f, f->gone == 1);
	assert_int_equal(f->notes, 1);
	expect_unhurt(f, other);
	close(fd);
	close(other);
}

static void cuts_off_who_does_not_keep_up_with_events(void **state)
{
	struct fixture *f = *state;
	size_t size = 64 * 1024;
	char *event = malloc(size + 1);
	unsigned int sent;
	int fd, other;

	start(f);
	fd = dial(f);
	other = dial(f);
	say(fd, REQUEST("5", "Watch"));
	expect(f, fd, RESULT("5"));
	memset(event, 'e', size);
	event[size - 1] = '\n';
	event[size] = '\0';
	for (sent = 0; f->n_watchers > 0 && sent < 1000; sent++) {
		broadcast(f, event);
		uv_run(&f->loop, UV_RUN_NOWAIT);
	}
	/* the socket's own buffer holds some beyond our limit */
	assert_in_range(sent, RPC_QUEUE_MAX / size, RPC_QUEUE_MAX / size * 2);
	assert_int_equal(f->gone, 1);
	expect_unhurt(f, other);
	close(fd);
	close(other);
	free(event);
}

static void survives_who_closes_without_reading(void **state)
{
	struct fixture *f = *state;
	int fd, other, i;

	start(f);
	other = dial(f);
	for (i = 0; i < 50; i++) {
		fd = dial(f);
		say(fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"Big\",\"params\":{\"Bytes\":"
			"500000}}\n");
		if (i % 2 == 0)
			until(f, f->calls == (unsigned int)i + 1);
		close(fd);
		until(f, f->gone == (unsigned int)i + 1);
	}
	expect_unhurt(f, other);
	close(other);
}

/* --- connections --------------------------------------------------------------------------------- */

static void tells_those_beyond_the_limit_and_closes(void **state)
{
	struct fixture *f = *state;
	const char *line;
	int fds[3], fd;

	f->options.max_clients = 2;
	start(f);
	fds[0] = dial(f);
	fds[1] = dial(f);
	fds[2] = connect_to(f->path);
	line = hear(f, fds[2]);
	assert_non_null(line);
	assert_non_null(strstr(line, "All 2 connections that max_clients allows are in use"));
	assert_non_null(strstr(line, "ServiceUnavailable"));
	assert_null(hear(f, fds[2]));
	close(fds[2]);
	expect_unhurt(f, fds[0]);
	close(fds[0]);
	until(f, rpc_clients(f->server) == 1);
	fd = dial(f);
	expect_unhurt(f, fd);
	close(fd);
	close(fds[1]);
}

static void serves_a_thousand_connections(void **state)
{
	struct fixture *f = *state;
	struct rlimit limit;
	int *fds = malloc(MANY * sizeof(*fds));
	int i;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_true(limit.rlim_max > 2 * MANY + 64);
	f->options.max_clients = MANY;
	start(f);
	for (i = 0; i < MANY; i++)
		fds[i] = dial(f);
	for (i = 0; i < MANY; i++)
		say(fds[i], REQUEST("1", "Echo") REQUEST("2", "Echo"));
	for (i = MANY - 1; i >= 0; i--) {
		expect(f, fds[i], RESULT("1"));
		expect(f, fds[i], RESULT("2"));
	}
	assert_int_equal(f->calls, 2 * MANY);
	assert_true(f->commits < MANY / 10); /* they shared them */
	for (i = 0; i < MANY; i++)
		close(fds[i]);
	until(f, rpc_clients(f->server) == 0);
	free(fds);
}

static void stops_with_all_replies_sent(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	int fd, other;

	start(f);
	fd = dial(f);
	other = dial(f);
	say(fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"Big\",\"params\":{\"Bytes\":1000000}}"
		"\n" REQUEST("2", "Stop") REQUEST("3", "Echo"));
	assert_int_equal(strlen(hear(f, fd)), 1000000 + strlen(RESULT("1")));
	expect(f, fd, RESULT("2"));
	assert_null(hear(f, fd));
	assert_null(hear(f, other));
	uv_run(&f->loop, UV_RUN_DEFAULT); /* ends: no handle is left */
	assert_int_equal(stat(f->path, &st), -1);
	assert_int_equal(connect_to(f->path), -ENOENT);
	assert_int_equal(f->calls, 2);
	close(fd);
	close(other);
}

static void stops_in_time_for_those_who_do_not_read(void **state)
{
	struct fixture *f = *state;
	time_t begin_s;
	int fd, other;

	start(f);
	fd = dial(f);
	other = dial(f);
	say(fd,
	    "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"Big\",\"params\":{\"Bytes\":2000000}}\n");
	say(other, REQUEST("1", "Wait"));
	until(f, f->calls == 2 && f->waiting != NULL);
	begin_s = now_s();
	rpc_stop(f->server);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_true(now_s() - begin_s <= RPC_STOP_TIMEOUT_MS / 1000 + 1);
	assert_int_equal(f->gone, 2);
	assert_null(f->waiting);
	close(fd);
	close(other);
}

/* --- the socket ------------------------------------------------------------------------------------ */

static void makes_the_socket_for_its_group_alone(void **state)
{
	struct fixture *f = *state;
	struct group *group = getgrnam("daemon");
	char directory[96];
	struct stat st;

	assert_non_null(group);
	f->options.group = geteuid() == 0 ? "daemon" : "";
	umask(0);
	start(f);
	assert_int_equal(umask(022), 0); /* as it was */
	assert_int_equal(stat(f->path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_int_equal(st.st_uid, geteuid());
	assert_int_equal(st.st_gid, geteuid() == 0 ? group->gr_gid : getegid());
	snprintf(directory, sizeof(directory), "%s/run", f->directory);
	assert_int_equal(stat(directory, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
}

static int try_open(struct fixture *f, const char *group, const char *word)
{
	struct rpc_options options = f->options;
	struct rpc_handler handler = {f, on_call, on_commit, on_gone, on_note};
	struct rpc_server *server = NULL;
	char error[RPC_ERROR_MAX] = "";
	int r;

	options.group = group;
	r = rpc_open(&f->loop, &options, &handler, &server, error);
	assert_null(server);
	if (strstr(error, word) == NULL)
		fail_msg("'%s' lacks '%s'", error, word);
	return r;
}

static void refuses_a_living_socket_and_replaces_a_dead_one(void **state)
{
	struct fixture *f = *state;
	char error[RPC_SOCKET_ERROR_MAX];
	gid_t gid;
	int fd, dead;

	assert_int_equal(rpc_socket_open(f->path, "", &dead, &gid, error), 0);
	assert_int_equal(listen(dead, 1), 0);
	assert_int_equal(try_open(f, "", "another sluiced"), -EADDRINUSE);
	close(dead); /* as a killed process does: the file stays */
	start(f);
	fd = dial(f);
	expect_unhurt(f, fd);
	assert_int_equal(try_open(f, "", f->path), -EADDRINUSE);
	expect_unhurt(f, fd);
	close(fd);
}

static void leaves_alone_what_is_no_socket(void **state)
{
	struct fixture *f = *state;
	char directory[96];
	struct stat st;
	int fd;

	snprintf(directory, sizeof(directory), "%s/run", f->directory);
	assert_int_equal(mkdir(directory, 0755), 0);
	fd = open(f->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(try_open(f, "", "no socket"), -EEXIST);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_nlink, 1);
	close(fd);
	unlink(f->path);
	assert_int_equal(try_open(f, "no-such-group", "no group 'no-such-group'"), -ENOENT);
}

struct peer {
	gid_t gid;
	gid_t supplementary;
	bool allowed;
};

/* Connect as another user; the mode of the file is out of the way, as that of a copy might be. */
static void connect_as(const char *path, const struct peer *peer)
{
	pid_t pid;
	int status;

	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (setgroups(1, &peer->supplementary) < 0 || setgid(peer->gid) < 0 ||
		    setuid(NOBODY) < 0)
			_exit(1);
		_exit(connect_to(path) < 0 ? 2 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void knows_the_members_of_its_group(void **state)
{
	static const struct peer peers[] = {
		{NOBODY, NOBODY, false}, {1, NOBODY, true}, {NOBODY, 1, true},
		{2, 3, false},		 {0, 0, false}, /* root's group is not the group */
	};
	struct fixture *f = *state;
	char error[RPC_SOCKET_ERROR_MAX];
	int listener, fd;
	gid_t gid;
	uid_t uid;
	size_t i;

	if (geteuid() != 0) {
		print_message("only root can be other users\n");
		skip();
	}
	assert_int_equal(rpc_socket_open(f->path, "", &listener, &gid, error), 0);
	assert_int_equal(listen(listener, 16), 0);
	assert_int_equal(gid, RPC_SOCKET_NO_GROUP);
	assert_int_equal(chmod(f->path, 0666), 0);
	for (i = 0; i < sizeof(peers) / sizeof(peers[0]); i++) {
		connect_as(f->path, &peers[i]);
		fd = accept(listener, NULL, NULL);
		assert_true(fd >= 0);
		assert_int_equal(rpc_socket_allows(fd, 1, &uid), peers[i].allowed);
		assert_int_equal(uid, NOBODY);
		assert_false(rpc_socket_allows(fd, RPC_SOCKET_NO_GROUP, &uid));
		close(fd);
	}
	fd = connect_to(f->path);
	close(fd);
	fd = accept(listener, NULL, NULL);
	assert_true(rpc_socket_allows(fd, 1, &uid));
	assert_int_equal(uid, 0);
	close(fd);
	close(listener);
	unlink(f->path);
}

static void closes_on_strangers(void **state)
{
	static const struct peer stranger = {NOBODY, NOBODY, false};
	struct fixture *f = *state;

	if (geteuid() != 0) {
		print_message("only root can be other users\n");
		skip();
	}
	f->options.group = "daemon";
	start(f);
	assert_int_equal(chmod(f->path, 0666), 0);
	connect_as(f->path, &stranger);
	until(f, f->notes == 1);
	assert_int_equal(rpc_clients(f->server), 0);
	assert_int_equal(f->gone, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	static const struct CMUnitTest tests[] = {
		TEST(answers_with_the_id_of_the_request),
		TEST(takes_a_request_in_pieces),
		TEST(refuses_what_is_no_request_and_goes_on),
		TEST(passes_numbers_on_that_are_too_large),
		TEST(cuts_off_who_sends_garbage),
		TEST(survives_bombs_of_nesting),
		TEST(takes_a_mebibyte_and_no_more),
		TEST(answers_whole_lines_before_the_end_and_drops_half_ones),
		TEST(runs_the_next_request_when_the_last_is_answered),
		TEST(commits_once_for_all_and_answers_after_it),
		TEST(answers_internal_failure_to_all_when_the_commit_fails),
		TEST(sends_events_behind_the_reply_of_their_turn),
		TEST(waits_for_readers_and_loses_no_reply),
		TEST(cuts_off_who_never_reads),
		TEST(cuts_off_who_does_not_keep_up_with_events),
		TEST(survives_who_closes_without_reading),
		TEST(tells_those_beyond_the_limit_and_closes),
		TEST(serves_a_thousand_connections),
		TEST(stops_with_all_replies_sent),
		TEST(stops_in_time_for_those_who_do_not_read),
		TEST(makes_the_socket_for_its_group_alone),
		TEST(refuses_a_living_socket_and_replaces_a_dead_one),
		TEST(leaves_alone_what_is_no_socket),
		TEST(knows_the_members_of_its_group),
		TEST(closes_on_strangers),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
