/* SPDX-License-Identifier: BSD-3-Clause */
/* Probes on a loop that the test turns, against sockets of its own on loopback. */
#include "healthcheck/endpoint.h"
#include "healthcheck/probe.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define TIMEOUT_MS 100
#define RESPONSES 400
#define RESPONSE_MAX 600
#define STATUS_AT 9 /* in "HTTP/1.1 200" */

struct fixture {
	uv_loop_t loop;
	struct probe_pool *pool;
	struct probe_put put;
	int listener;
	uint32_t cursor;
	unsigned int n_done;
	struct probe_outcome outcome;
};

static const uint8_t loopback[16] = {[10] = 0xff, 0xff, 127, 0, 0, 1};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);

	assert_non_null(f);
	assert_int_equal(uv_loop_init(&f->loop), 0);
	assert_int_equal(probe_pool_open(&f->loop, &f->pool), 0);
	f->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(f->listener, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(f->listener, 16), 0);
	assert_int_equal(getsockname(f->listener, (struct sockaddr *)&address, &len), 0);
	f->put = (struct probe_put){
		.protocol = PROBE_HTTP,
		.timeout_ms = TIMEOUT_MS,
		.port = ntohs(address.sin_port),
		.n_ranges = 1,
		.ranges = {{200, 299}},
		.host = "10.0.0.1:80",
		.path = "/",
	};
	memcpy(&f->put.target, loopback, sizeof(loopback));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	probe_pool_close(f->pool);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0); /* nothing was left on it */
	close(f->listener);
	free(f);
	return 0;
}

static void on_done(void *context, const struct probe_outcome *outcome)
{
	struct fixture *f = context;

	f->n_done++;
	f->outcome = *outcome;
}

static struct probe *start(struct fixture *f)
{
	struct probe *probe;

	f->n_done = 0;
	probe = probe_start(f->pool, &f->put, &f->cursor, on_done, f, &f->outcome);
	assert_non_null(probe);
	return probe;
}

/* Turn the loop until the target has the request; returns its end of the connection. */
static int take_request(struct fixture *f)
{
	char request[4096];
	ssize_t n = -1;
	int fd = accept(f->listener, NULL, NULL);

	assert_true(fd >= 0);
	while (n < 0 && f->n_done == 0) {
		uv_run(&f->loop, UV_RUN_NOWAIT);
		n = recv(fd, request, sizeof(request), MSG_DONTWAIT);
	}
	assert_true(n > 0);
	assert_memory_equal(request, "GET / HTTP/1.1\r\n", 16);
	return fd;
}

static void turn_until_done(struct fixture *f)
{
	while (f->n_done == 0)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(f->n_done, 1);
}

static void expires_in_a_timeout_when_nothing_came(void **state)
{
	struct fixture *f = *state;
	struct probe *probe = start(f);
	int fd = take_request(f);

	probe_expire(probe);
	assert_int_equal(f->n_done, 1);
	assert_int_equal(f->outcome.result, PROBE_TIMEOUT);
	close(fd);
}

static void is_no_judge_of_an_answer_that_it_came_too_late_to_see(void **state)
{
	struct fixture *f = *state;
	struct probe *probe = start(f);
	int fd = take_request(f);

	assert_int_equal(send(fd, "HTTP", 4, 0), 4);
	probe_expire(probe); /* in time: an answer that is not complete is none */
	assert_int_equal(f->outcome.result, PROBE_TIMEOUT);
	close(fd);

	probe = start(f);
	fd = take_request(f);
	assert_int_equal(send(fd, "HTTP", 4, 0), 4);
	usleep((TIMEOUT_MS + PROBE_STALL_MS + 1) * 1000);
	probe_expire(probe);
	assert_int_equal(f->outcome.result, PROBE_STALLED);
	close(fd);

	probe = start(f);
	fd = take_request(f);
	usleep((TIMEOUT_MS + PROBE_STALL_MS + 1) * 1000);
	probe_expire(probe); /* late as well, but still nothing came */
	assert_int_equal(f->outcome.result, PROBE_TIMEOUT);
	close(fd);
}

static void ends_without_a_word_when_cancelled(void **state)
{
	struct fixture *f = *state;
	int fd;

	probe_cancel(NULL);
	probe_cancel(start(f)); /* connecting */
	fd = accept(f->listener, NULL, NULL);
	close(fd);
	uv_run(&f->loop, UV_RUN_NOWAIT);
	assert_int_equal(f->n_done, 0);
}

static void ends_without_a_word_when_cancelled_amid_the_answer(void **state)
{
	struct fixture *f = *state;
	struct probe *probe = start(f);
	int fd = take_request(f);

	assert_int_equal(send(fd, "HTTP/1.1 200 OK\r\n", 17, 0), 17);
	uv_run(&f->loop, UV_RUN_NOWAIT);
	probe_cancel(probe);
	uv_run(&f->loop, UV_RUN_NOWAIT);
	assert_int_equal(f->n_done, 0);
	close(fd);
}

static void tells_what_happened_before_it_began(void **state)
{
	struct fixture *f = *state;
	struct rlimit limit, none;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = (struct rlimit){0, limit.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_null(probe_start(f->pool, &f->put, &f->cursor, on_done, f, &f->outcome));
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(f->outcome.result, PROBE_NO_DESCRIPTORS);
	assert_int_equal(f->outcome.error, EMFILE);
	assert_int_equal(f->n_done, 0);

	f->put.source = f->put.target;
	f->put.source.s6_addr[12] = 192; /* 192.0.0.1 */
	assert_null(probe_start(f->pool, &f->put, &f->cursor, on_done, f, &f->outcome));
	assert_int_equal(f->outcome.result, PROBE_NO_SOURCE);
}

static void every_error_of_a_connection_is_the_targets(void **state)
{
	static const struct {
		int error;
		enum probe_result result;
	} cases[] = {
		{ECONNREFUSED, PROBE_REFUSED},
		{ECONNRESET, PROBE_RESET},
		{EPIPE, PROBE_RESET},
		{ETIMEDOUT, PROBE_TIMEOUT},
		{EHOSTUNREACH, PROBE_UNREACHABLE},
		{ENETUNREACH, PROBE_UNREACHABLE},
		{EACCES, PROBE_UNREACHABLE},
		{ENOPROTOOPT, PROBE_UNREACHABLE},
	};
	int error;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(endpoint_result(cases[i].error), cases[i].result);
	for (error = 1; error < 134; error++)
		assert_int_equal(messages_verdict(endpoint_result(error)), PROBE_FAILURE);
}

/* --- responses that nobody thought of -------------------------------------------------------- */

static size_t mutate(char response[RESPONSE_MAX])
{
	static const char whole[] = "HTTP/1.1 200 OK\r\nServer: target\r\nContent-Length: 2\r\n"
				    "Transfer-Encoding: chunked\r\nConnection: keep-alive\r\n"
				    "Location: http://127.0.0.1:1/\r\n\r\nok";
	size_t len = sizeof(whole) - 1;
	int n = rand() % 8;

	memcpy(response, whole, len);
	response[STATUS_AT] = (char)('1' + rand() % 5);
	while (n-- > 0) {
		size_t at = (size_t)rand() % len;

		switch (rand() % 4) {
		case 0:
			response[at] = (char)rand();
			break;
		case 1:
			len = at + 1; /* cut off */
			break;
		case 2: /* doubled */
			if (len + at < RESPONSE_MAX) {
				memcpy(response + len, response, at);
				len += at;
			}
			break;
		default:
			response[at] = "\r\n :/019"[rand() % 8];
		}
	}
	return len;
}

static void whatever_a_target_answers_is_no_fault_of_ours(void **state)
{
	struct fixture *f = *state;
	char response[RESPONSE_MAX];
	unsigned int found[PROBE_RESULT_COUNT] = {0};
	size_t len;
	int fd, i;

	srand(5);
	for (i = 0; i < RESPONSES; i++) {
		(void)start(f);
		fd = take_request(f);
		len = mutate(response);
		assert_int_equal(send(fd, response, len, MSG_NOSIGNAL), len);
		close(fd);
		turn_until_done(f);
		assert_int_not_equal(messages_verdict(f->outcome.result), PROBE_OWN_FAULT);
		assert_true((f->outcome.http_status != 0) ==
			    (f->outcome.result == PROBE_OK || f->outcome.result == PROBE_STATUS));
		found[f->outcome.result]++;
	}
	assert_true(found[PROBE_OK] > 10 && found[PROBE_STATUS] > 0 && found[PROBE_CLOSED] > 10 &&
		    found[PROBE_RESPONSE] > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(expires_in_a_timeout_when_nothing_came),
		TEST(is_no_judge_of_an_answer_that_it_came_too_late_to_see),
		TEST(ends_without_a_word_when_cancelled),
		TEST(ends_without_a_word_when_cancelled_amid_the_answer),
		TEST(tells_what_happened_before_it_began),
		TEST(every_error_of_a_connection_is_the_targets),
		TEST(whatever_a_target_answers_is_no_fault_of_ours),
	};
	int failed;

	curl_global_init(CURL_GLOBAL_DEFAULT);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	curl_global_cleanup();
	return failed;
}
