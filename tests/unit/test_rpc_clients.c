/* SPDX-License-Identifier: BSD-3-Clause */
/* RPC: clients that misbehave, many clients, and the end. */
#define _GNU_SOURCE
#include "tests/unit/rpc_rig.h"

#define MANY 1000

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

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	static const struct CMUnitTest tests[] = {
		TEST(waits_for_readers_and_loses_no_reply),
		TEST(cuts_off_who_never_reads),
		TEST(cuts_off_who_does_not_keep_up_with_events),
		TEST(survives_who_closes_without_reading),
		TEST(tells_those_beyond_the_limit_and_closes),
		TEST(serves_a_thousand_connections),
		TEST(stops_with_all_replies_sent),
		TEST(stops_in_time_for_those_who_do_not_read),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
