/* SPDX-License-Identifier: BSD-3-Clause */
/* The prober on a thread of its own; the test is its sluiced. */
#include "healthcheck/messages.h"
#include "healthcheck/prober.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define WAIT_MS 20000 /* for what must come; a machine may be busy */
#define IDS 40
#define STEPS 4000

enum target {
	OPEN,
	CLOSED,
	MUTE, /* nobody accepts there, let alone answers */
	TARGETS
};

struct fixture {
	pthread_t thread;
	int ours, theirs;
	int result; /* of the prober */
	int sockets[TARGETS];
	uint16_t ports[TARGETS];
};

static void *run(void *context)
{
	struct fixture *f = context;

	f->result = prober_run(f->theirs);
	return NULL;
}

static int open_port(bool listening, uint16_t *ret_port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listening ? listen(fd, SOMAXCONN) : 0, 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	*ret_port = ntohs(address.sin_port);
	return fd;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int pair[2], i;

	assert_non_null(f);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	f->ours = pair[0];
	f->theirs = pair[1];
	for (i = 0; i < TARGETS; i++)
		f->sockets[i] = open_port(i != CLOSED, &f->ports[i]);
	assert_int_equal(pthread_create(&f->thread, NULL, run, f), 0);
	*state = f;
	return 0;
}

/* End the prober; returns what it ended with. */
static int end(struct fixture *f)
{
	if (f->ours >= 0) {
		close(f->ours);
		assert_int_equal(pthread_join(f->thread, NULL), 0);
		f->ours = -1;
	}
	return f->result;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	int i;

	end(f);
	close(f->theirs);
	for (i = 0; i < TARGETS; i++)
		close(f->sockets[i]);
	free(f);
	return 0;
}

static void tell(struct fixture *f, const struct message *message)
{
	size_t size = messages_size(message->type);

	assert_int_equal(send(f->ours, message, size, 0), size);
}

static void put(struct fixture *f, uint64_t id, uint32_t generation, enum target target)
{
	struct message message = {.type = MESSAGE_PUT};
	struct probe_put *check = &message.put;

	*check = (struct probe_put){
		.id = id,
		.generation = generation,
		.interval_ms = 100,
		.timeout_ms = 100,
		.port = f->ports[target],
		.target.s6_addr = {[10] = 0xff, 0xff, 127, 0, 0, 1},
	};
	if (target == MUTE) {
		check->protocol = PROBE_HTTP;
		check->n_ranges = 1;
		check->ranges[0] = (struct probe_range){200, 399};
		strcpy(check->host, "10.0.0.1:80");
		strcpy(check->path, "/");
	}
	tell(f, &message);
}

static void take_off(struct fixture *f, uint64_t id)
{
	struct message message = {.type = MESSAGE_REMOVE, .remove.id = id};

	tell(f, &message);
}

/* The next report, or false when there is none for so long. Accepts connections meanwhile, lest
 * the listener's queue fill up. */
static bool hear(struct fixture *f, int wait_ms, struct probe_report *ret_report)
{
	struct message message;
	struct pollfd ready = {.fd = f->ours, .events = POLLIN};
	char bytes[sizeof(message)];
	ssize_t len;
	int fd;

	for (;;) {
		while ((fd = accept(f->sockets[OPEN], NULL, NULL)) >= 0)
			close(fd);
		if (poll(&ready, 1, wait_ms) == 0)
			return false;
		len = recv(f->ours, bytes, sizeof(bytes), 0);
		assert_int_equal(messages_decode(bytes, (size_t)len, true, &message), 0);
		if (message.type == MESSAGE_REPORT) {
			*ret_report = message.report;
			return true;
		}
	}
}

static void hear_of(struct fixture *f, uint64_t id, uint32_t generation,
		    struct probe_report *ret_report)
{
	do {
		assert_true(hear(f, WAIT_MS, ret_report));
	} while (ret_report->id != id || ret_report->generation != generation);
}

static void says_that_it_lives_before_all_else(void **state)
{
	struct fixture *f = *state;
	struct message message;
	char bytes[sizeof(message)];
	ssize_t len = recv(f->ours, bytes, sizeof(bytes), 0);

	assert_int_equal(messages_decode(bytes, (size_t)len, true, &message), 0);
	assert_int_equal(message.type, MESSAGE_HEARTBEAT);
}

static void reports_each_probe_with_its_reason(void **state)
{
	struct fixture *f = *state;
	struct probe_report report;

	put(f, 1, 7, OPEN);
	hear_of(f, 1, 7, &report);
	assert_int_equal(report.result, PROBE_OK);
	assert_int_equal(report.error, 0);
	put(f, 2, 8, CLOSED);
	hear_of(f, 2, 8, &report);
	assert_int_equal(report.result, PROBE_REFUSED);
	assert_int_equal(report.error, ECONNREFUSED);
	hear_of(f, 1, 7, &report); /* and goes on */
	assert_int_equal(end(f), 0);
}

static void ends_at_a_message_it_cannot_be_meant_to_get(void **state)
{
	struct fixture *f = *state;
	struct message message = {.type = MESSAGE_HEARTBEAT}; /* a prober's */

	put(f, 1, 1, MUTE);
	tell(f, &message);
	assert_int_equal(pthread_join(f->thread, NULL), 0);
	assert_int_equal(f->result, -EBADMSG);
	close(f->ours);
	f->ours = -1;
}

/*
 * Checks put, put anew and taken off at random. Whatever is reported is of a check that the prober
 * was told, in the generation that it last saw or an older one under way; once it has seen all,
 * of those that remain alone, and of each.
 */
static void agrees_with_slow_model(void **state)
{
	struct fixture *f = *state;
	struct {
		uint32_t generation; /* 0: taken off */
		enum target target;
	} model[IDS] = {0};
	bool heard[IDS] = {false};
	struct probe_report report;
	unsigned int i, n = 0, remaining = 0;
	uint32_t generation = 0;

	srand(3);
	for (i = 0; i < STEPS; i++) {
		unsigned int id = (unsigned int)rand() % IDS;

		if (rand() % 3 > 0) {
			model[id].generation = ++generation;
			model[id].target = (enum target)(rand() % TARGETS);
			put(f, id, generation, model[id].target);
		} else {
			model[id].generation = 0;
			take_off(f, id);
		}
		while (hear(f, 0, &report)) {
			assert_in_range(report.id, 0, IDS - 1);
			assert_in_range(report.generation, 1, generation);
			n++;
		}
	}
	put(f, IDS, ++generation, OPEN);
	hear_of(f, IDS, generation, &report); /* it has read all that came before */
	take_off(f, IDS);
	for (i = 0; i < IDS; i++)
		remaining += model[i].generation != 0;
	assert_in_range(remaining, 5, IDS - 5);
	while (remaining > 0) {
		assert_true(hear(f, WAIT_MS, &report));
		if (report.id == IDS)
			continue;
		assert_int_equal(report.generation, model[report.id].generation);
		assert_true(report.result == (model[report.id].target == OPEN ? PROBE_OK
					      : model[report.id].target == CLOSED
						      ? PROBE_REFUSED
						      : PROBE_TIMEOUT) ||
			    messages_verdict(report.result) == PROBE_OWN_FAULT);
		remaining -= !heard[report.id];
		heard[report.id] = true;
	}
	assert_true(n > 100);
	assert_int_equal(end(f), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(says_that_it_lives_before_all_else),
		TEST(reports_each_probe_with_its_reason),
		TEST(ends_at_a_message_it_cannot_be_meant_to_get),
		TEST(agrees_with_slow_model),
	};
	int failed;

	curl_global_init(CURL_GLOBAL_DEFAULT);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	curl_global_cleanup();
	return failed;
}
