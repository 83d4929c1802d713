/* SPDX-License-Identifier: BSD-3-Clause */
/* Watch and log, with clients and drop counters of this test's own. */
#include "control/watch.h"

#include "control/log.h"
#include "dataplane/engine.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct engine {
	struct engine_drop drops[3];
};

struct rpc_client {
	struct watch *watch;
	unsigned int events;
	char last[512];
	bool gone; /* is cut off by the next event */
};

struct fixture {
	uv_loop_t loop;
	uv_prepare_t alive; /* keeps the loop running, as the control socket does */
	struct engine engine;
	struct watch *watch;
	struct rpc_client clients[3];
	struct action_error error;
};

size_t engine_drops(const struct engine *engine, struct engine_drop *drops, size_t max)
{
	assert_true(max >= 3);
	memcpy(drops, engine->drops, sizeof(engine->drops));
	return 3;
}

void rpc_notify(struct rpc_client *client, const char *line, size_t len)
{
	assert_in_range(len, 2, sizeof(client->last) - 1);
	assert_int_equal(line[len - 1], '\n');
	client->events++;
	memcpy(client->last, line, len - 1);
	client->last[len - 1] = '\0';
	if (client->gone)
		watch_remove(client->watch, client);
}

static void nothing(uv_prepare_t *prepare)
{
	(void)prepare;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	size_t i;

	if (f == NULL)
		return -1;
	uv_loop_init(&f->loop);
	uv_prepare_init(&f->loop, &f->alive);
	uv_prepare_start(&f->alive, nothing);
	f->engine.drops[0] = (struct engine_drop){"truncated", "short", 1};
	f->engine.drops[1] = (struct engine_drop){"table_full", "no room", 5};
	f->engine.drops[2] = (struct engine_drop){"no_target", "nowhere", 9};
	*state = f;
	if (watch_open(&f->loop, &f->engine, &f->watch) < 0)
		return -1;
	for (i = 0; i < 3; i++)
		f->clients[i].watch = f->watch;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	int r;

	watch_close(f->watch);
	uv_close((uv_handle_t *)&f->alive, NULL);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	r = uv_loop_close(&f->loop);
	free(f);
	return r;
}

static int add(struct fixture *f, unsigned int client, const char *text)
{
	json_t *params = text == NULL ? NULL : json_loads(text, 0, NULL);
	int r;

	assert_true(text == NULL || params != NULL);
	r = watch_add(f->watch, &f->clients[client], params, &f->error);
	json_decref(params);
	return r;
}

static void emit(struct fixture *f, const char *name)
{
	json_t *event = json_pack("{s:s, s:i}", "Event", name, "N", 1);

	watch_emit(f->watch, event);
	json_decref(event);
}

static void sends_each_client_what_it_chose(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(add(f, 0, NULL), 0);
	assert_int_equal(add(f, 1, "{\"Events\":[\"TargetStateChanged\",\"ListenerCreated\"]}"), 0);
	assert_int_equal(add(f, 2, "{\"Events\":[]}"), 0);
	emit(f, "TargetStateChanged");
	assert_string_equal(f->clients[1].last,
			    "{\"jsonrpc\":\"2.0\",\"method\":\"Event\",\"params\":"
			    "{\"Event\":\"TargetStateChanged\",\"N\":1}}");
	emit(f, "ListenerDeleted");
	emit(f, "ListenerCreated");
	watch_emit_engine_changed(f->watch, "interface eth0 is down");
	assert_non_null(strstr(f->clients[0].last, "\"Message\":\"interface eth0 is down\""));
	assert_int_equal(f->clients[0].events, 4);
	assert_int_equal(f->clients[1].events, 2);
	assert_int_equal(f->clients[2].events, 0);
	/* a second call replaces the choice */
	assert_int_equal(add(f, 1, "{\"Events\":[\"EngineChanged\"]}"), 0);
	assert_int_equal(watch_clients(f->watch), 3);
	emit(f, "TargetStateChanged");
	watch_emit_engine_changed(f->watch, "x");
	assert_int_equal(f->clients[1].events, 3);
}

static void goes_on_when_one_is_cut_off(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(add(f, 0, NULL), 0);
	assert_int_equal(add(f, 1, NULL), 0);
	assert_int_equal(add(f, 2, NULL), 0);
	f->clients[0].gone = f->clients[1].gone = true;
	emit(f, "ListenerCreated");
	emit(f, "ListenerCreated");
	assert_int_equal(f->clients[0].events, 1);
	assert_int_equal(f->clients[1].events, 1);
	assert_int_equal(f->clients[2].events, 2);
	watch_remove(f->watch, &f->clients[2]);
	watch_remove(f->watch, &f->clients[2]);
	emit(f, "ListenerCreated");
	assert_int_equal(f->clients[2].events, 2);
	assert_int_equal(watch_clients(f->watch), 0);
}

static void refuses_names_of_no_event(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(add(f, 0, "{\"Events\":[\"Targetstatechanged\"]}"), -EINVAL);
	assert_string_equal(f->error.code, "ValidationError");
	assert_non_null(strstr(f->error.message, WATCH_EVENTS));
	assert_int_equal(add(f, 0, "{\"Events\":[1]}"), -EINVAL);
	assert_int_equal(add(f, 0, "{\"Events\":\"EngineChanged\"}"), -EINVAL);
	assert_int_equal(add(f, 0, "{\"Event\":[]}"), -EINVAL);
	assert_int_equal(watch_clients(f->watch), 0);
}

/* Every name that the error offers can be chosen. */
static void knows_all_names_it_offers(void **state)
{
	struct fixture *f = *state;
	char names[] = WATCH_EVENTS, params[128];
	unsigned int n = 0;
	char *name, *rest = NULL;

	for (name = strtok_r(names, ", ", &rest); name != NULL;
	     name = strtok_r(NULL, ", ", &rest)) {
		snprintf(params, sizeof(params), "{\"Events\":[\"%s\"]}", name);
		assert_int_equal(add(f, 0, params), 0);
		emit(f, name);
		assert_int_equal(f->clients[0].events, ++n);
	}
	assert_int_equal(n, 11);
}

static void tells_of_refused_flows_since_the_watch_began(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(add(f, 0, "{\"Events\":[\"FlowsRefused\"]}"), 0);
	f->engine.drops[0].packets += 100;
	f->engine.drops[1].packets += 7;
	while (f->clients[0].events == 0)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_non_null(strstr(f->clients[0].last,
			       "\"Reason\":\"table_full\",\"Message\":\"no room\","
			       "\"Packets\":7}"));
	f->engine.drops[2].packets += 1;
	while (f->clients[0].events == 1)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_non_null(strstr(f->clients[0].last, "\"Reason\":\"no_target\""));
	assert_non_null(strstr(f->clients[0].last, "\"Packets\":1}"));
	assert_int_equal(f->clients[0].events, 2);
}

/* --- log ------------------------------------------------------------------------------------ */

static void log_lines_are_one_line_each(void **state)
{
	char text[4096], long_text[3000];
	int fds[2], saved;
	ssize_t n;

	(void)state;
	memset(long_text, 'x', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	assert_int_equal(pipe(fds), 0);
	saved = dup(STDERR_FILENO);
	dup2(fds[1], STDERR_FILENO);
	log_warning("peer said '%s'", "a\nb\x1b[31m\x7f\xc3\xa9");
	log_error("%s", long_text);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(fds[1]);
	n = read(fds[0], text, sizeof(text) - 1);
	close(fds[0]);
	assert_true(n > 0);
	text[n] = '\0';
	assert_non_null(strstr(text, "Z warning peer said 'a?b?[31m?\xc3\xa9'\n20"));
	assert_int_equal(text[n - 1], '\n');
	assert_ptr_equal(strchr(strchr(text, '\n') + 1, '\n'), text + n - 1);
}

static void times_are_written_as_the_api_does(void **state)
{
	char text[LOG_TIME_MAX];

	(void)state;
	assert_string_equal(log_format_time(1709210096007, text), "2024-02-29T12:34:56.007Z");
	assert_string_equal(log_format_time(0, text), "1970-01-01T00:00:00.000Z");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	static const struct CMUnitTest tests[] = {
		TEST(sends_each_client_what_it_chose),
		TEST(goes_on_when_one_is_cut_off),
		TEST(refuses_names_of_no_event),
		TEST(knows_all_names_it_offers),
		TEST(tells_of_refused_flows_since_the_watch_began),
		cmocka_unit_test(log_lines_are_one_line_each),
		cmocka_unit_test(times_are_written_as_the_api_does),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
