/* SPDX-License-Identifier: BSD-3-Clause */
/* The supervised process is this program again: main() of a child stands below. */
#include "control/supervisor.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_MS 10000
#define SILENCE_MS 300
#define GATE_FD 100 /* of the slow child */

struct rig {
	uv_loop_t loop;
	struct supervisor *supervisor;
	uv_timer_t patience;
	const char *child;
	unsigned int starts, messages, writables, wanted_starts, wanted_messages;
	char last[64];
	bool runs;
	bool senseless; /* every message is */
	int left;	/* messages that flood() has still to send */
	int gate[2];	/* a pipe; the slow child reads no message before this says so */
};

static void look(struct rig *rig)
{
	if (rig->runs && rig->starts >= rig->wanted_starts &&
	    rig->messages >= rig->wanted_messages)
		uv_stop(&rig->loop);
}

static void flood(struct rig *rig)
{
	char text[4000] = "count";

	while (rig->left > 0 && supervisor_send(rig->supervisor, text, sizeof(text)) == 0)
		rig->left--;
	if (strcmp(rig->child, "slow") == 0)
		assert_int_equal(write(rig->gate[1], "", 1), 1);
}

static void started(void *context)
{
	struct rig *rig = context;

	rig->starts++;
	if (strcmp(rig->child, "echo") == 0)
		assert_int_equal(supervisor_send(rig->supervisor, "hello", 6), 0);
	flood(rig);
	look(rig);
}

static bool message(void *context, const void *bytes, size_t len)
{
	struct rig *rig = context;

	assert_true(len <= sizeof(rig->last));
	memcpy(rig->last, bytes, len);
	rig->messages++;
	look(rig);
	return !rig->senseless;
}

static void writable(void *context)
{
	struct rig *rig = context;

	rig->writables++;
	flood(rig);
}

static void too_late(uv_timer_t *timer)
{
	(void)timer;
	fail_msg("not in %d ms", PATIENCE_MS);
}

static void run(struct rig *rig, unsigned int starts, unsigned int messages)
{
	rig->runs = true;
	rig->wanted_starts = starts;
	rig->wanted_messages = messages;
	uv_timer_start(&rig->patience, too_late, PATIENCE_MS, 0);
	uv_run(&rig->loop, UV_RUN_DEFAULT);
}

static struct rig *rig_new(const char *child)
{
	static const struct supervisor_events events = {NULL, started, message, writable};
	struct rig *rig = calloc(1, sizeof(*rig));
	struct supervisor_options options = {
		.name = "child",
		.path = "/proc/self/exe",
		.args = {child},
		.silence_max_ms = strcmp(child, "silent") == 0 ? SILENCE_MS : 0,
	};
	struct supervisor_events on = events;

	assert_non_null(rig);
	rig->child = child;
	on.context = rig;
	if (strcmp(child, "slow") == 0) {
		rig->left = 1000;
		assert_int_equal(pipe(rig->gate), 0);
		assert_int_equal(dup2(rig->gate[0], GATE_FD), GATE_FD); /* the child's, too */
	}
	assert_int_equal(uv_loop_init(&rig->loop), 0);
	uv_timer_init(&rig->loop, &rig->patience);
	assert_int_equal(supervisor_open(&rig->loop, &options, &on, &rig->supervisor), 0);
	return rig;
}

static void rig_free(struct rig *rig)
{
	supervisor_close(rig->supervisor);
	uv_close((uv_handle_t *)&rig->patience, NULL);
	uv_run(&rig->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&rig->loop), 0);
	if (strcmp(rig->child, "slow") == 0) {
		close(rig->gate[0]);
		close(rig->gate[1]);
		close(GATE_FD);
	}
	free(rig);
}

static void messages_go_both_ways(void **state)
{
	struct rig *rig = rig_new("echo");

	(void)state;
	run(rig, 1, 1);
	assert_string_equal(rig->last, "hello");
	assert_int_equal(supervisor_starts(rig->supervisor), 1);
	rig_free(rig);
}

static void a_process_that_ends_is_started_again(void **state)
{
	struct rig *rig = rig_new("exit");

	(void)state;
	run(rig, 3, 0);
	assert_int_equal(supervisor_starts(rig->supervisor), 3);
	rig_free(rig);
}

static void a_process_that_hangs_is_killed_and_started_again(void **state)
{
	struct rig *rig = rig_new("silent");

	(void)state;
	run(rig, 2, 0);
	rig_free(rig);
}

static void a_process_that_lets_go_of_its_socket_is_started_again(void **state)
{
	struct rig *rig = rig_new("deaf");

	(void)state;
	run(rig, 2, 0);
	rig_free(rig);
}

static void a_process_that_talks_nonsense_is_started_again(void **state)
{
	struct rig *rig = rig_new("echo");

	(void)state;
	rig->senseless = true;
	run(rig, 2, 1);
	rig_free(rig);
}

static void a_message_beyond_the_limit_ends_the_process(void **state)
{
	struct rig *rig = rig_new("long");

	(void)state;
	run(rig, 2, 0);
	assert_int_equal(rig->messages, 0);
	rig_free(rig);
}

static void what_has_no_room_is_asked_for_again(void **state)
{
	struct rig *rig = rig_new("slow");

	(void)state;
	run(rig, 1, 1); /* the child answers when it has counted to 1000 */
	assert_int_equal(rig->left, 0);
	assert_true(rig->writables > 0);
	rig_free(rig);
}

static void nothing_is_sent_to_a_process_that_does_not_run(void **state)
{
	struct rig *rig = rig_new("exit");

	(void)state;
	while (supervisor_send(rig->supervisor, "x", 1) != -ENOTCONN)
		uv_run(&rig->loop, UV_RUN_ONCE);
	assert_int_equal(supervisor_send(rig->supervisor, "x", 1), -ENOTCONN);
	rig_free(rig);
}

static void a_program_that_is_not_there_is_an_error(void **state)
{
	const struct supervisor_options options = {.name = "x", .path = "/nonexistent/x"};
	const struct supervisor_events events = {NULL, started, message, writable};
	struct supervisor *supervisor;
	char path[512];
	uv_loop_t loop;

	(void)state;
	assert_int_equal(uv_loop_init(&loop), 0);
	assert_int_equal(supervisor_open(&loop, &options, &events, &supervisor), -ENOENT);
	assert_null(supervisor);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	assert_int_equal(supervisor_find("sluice-nothing", "nowhere", path, sizeof(path)), -ENOENT);
	assert_int_equal(supervisor_find("test_supervisor", "unit", path, sizeof(path)), 0);
	assert_int_equal(access(path, X_OK), 0);
}

/* --- the child ----------------------------------------------------------------------- */

static int child(const char *what)
{
	static char bytes[SUPERVISOR_MESSAGE_MAX + 1];
	ssize_t len;
	int n = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL); /* some do not end with their socket, as they should */
	if (strcmp(what, "exit") == 0)
		return 1;
	if (strcmp(what, "long") == 0)
		send(0, bytes, sizeof(bytes), 0);
	if (strcmp(what, "deaf") == 0)
		close(0);
	if (strcmp(what, "deaf") == 0 || strcmp(what, "silent") == 0)
		pause();
	if (strcmp(what, "slow") == 0 && read(GATE_FD, bytes, 1) != 1)
		return 1;
	while ((len = recv(0, bytes, sizeof(bytes), 0)) > 0) {
		if (strcmp(what, "slow") != 0)
			send(0, bytes, (size_t)len, 0);
		else if (++n == 1000)
			send(0, "done", 5, 0);
	}
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_go_both_ways),
		cmocka_unit_test(a_process_that_ends_is_started_again),
		cmocka_unit_test(a_process_that_hangs_is_killed_and_started_again),
		cmocka_unit_test(a_process_that_lets_go_of_its_socket_is_started_again),
		cmocka_unit_test(a_process_that_talks_nonsense_is_started_again),
		cmocka_unit_test(a_message_beyond_the_limit_ends_the_process),
		cmocka_unit_test(what_has_no_room_is_asked_for_again),
		cmocka_unit_test(nothing_is_sent_to_a_process_that_does_not_run),
		cmocka_unit_test(a_program_that_is_not_there_is_an_error),
	};

	return argc > 1 ? child(argv[1]) : cmocka_run_group_tests(tests, NULL, NULL);
}
