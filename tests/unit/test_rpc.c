/* SPDX-License-Identifier: BSD-3-Clause */
/* RPC: requests, and the commit that they share. */
#define _GNU_SOURCE
#include "tests/unit/rpc_rig.h"

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

static void sends_all_of_a_reply_to_who_says_no_more(void **state)
{
	struct fixture *f = *state;
	int fd, i;

	start(f);
	fd = dial(f);
	say(fd,
	    "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"Big\",\"params\":{\"Bytes\":900000}}\n");
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	until(f, f->calls == 1);
	for (i = 0; i < 20; i++) /* it reads the end while the reply is on its way */
		uv_run(&f->loop, UV_RUN_NOWAIT);
	assert_int_equal(f->gone, 0);
	assert_int_equal(strlen(hear(f, fd)), 900000 + strlen(RESULT("1")));
	assert_null(hear(f, fd));
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
		TEST(sends_all_of_a_reply_to_who_says_no_more),
		TEST(runs_the_next_request_when_the_last_is_answered),
		TEST(commits_once_for_all_and_answers_after_it),
		TEST(answers_internal_failure_to_all_when_the_commit_fails),
		TEST(sends_events_behind_the_reply_of_their_turn),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
