/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/logs/record_queue.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define ROOM 8u
#define CROWD 20000000u /* more than a writer can put before it is killed */
#define KILLS 30

static char path[64];
static char error[RECORD_QUEUE_ERROR_MAX];

static int setup(void **state)
{
	(void)state;
	snprintf(path, sizeof(path), "/tmp/sluice-test-queue-%d", (int)getpid());
	unlink(path);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	return 0;
}

static struct record_queue *open_queue(uint32_t room)
{
	struct record_queue *queue;

	if (record_queue_open(path, room, &queue, error) < 0)
		fail_msg("%s", error);
	return queue;
}

static struct record numbered(uint64_t number)
{
	struct record record;

	memset(&record, (int)(number % 251), sizeof(record));
	record.listener_id = number;
	return record;
}

static void put(struct record_queue *queue, uint64_t first, uint64_t n)
{
	for (uint64_t i = first; i < first + n; i++) {
		struct record record = numbered(i);

		assert_true(record_queue_put(queue, &record));
	}
}

static void assert_holds(struct record_queue *queue, uint64_t begin, uint64_t end)
{
	assert_int_equal(record_queue_begin(queue), begin);
	assert_int_equal(record_queue_end(queue), end);
	for (uint64_t i = begin; i < end; i++) {
		struct record want = numbered(i);

		assert_memory_equal(record_queue_at(queue, i), &want, sizeof(want));
	}
}

static void records_come_out_as_they_were_put(void **state)
{
	struct record_queue *writer = open_queue(ROOM), *reader;

	(void)state;
	assert_int_equal(record_queue_attach(record_queue_fd(writer), &reader), 0);
	assert_int_equal(record_queue_id(reader), record_queue_id(writer));
	for (uint64_t i = 0; i < 50; i += 5) { /* round and round */
		put(writer, i, 5);
		assert_holds(reader, i, i + 5);
		record_queue_release(reader, i + 5);
	}
	record_queue_close(reader);
	record_queue_close(writer);
}

static void a_full_queue_takes_no_more_and_counts(void **state)
{
	struct record_queue *queue = open_queue(ROOM);
	struct record record = numbered(99);
	const uint64_t *dropped = record_queue_counters(queue)->dropped_by_writer;

	(void)state;
	put(queue, 0, ROOM);
	assert_false(record_queue_put(queue, &record));
	assert_false(record_queue_put(queue, &record));
	assert_int_equal(dropped[RECORD_DROP_QUEUE_FULL], 2);
	assert_holds(queue, 0, ROOM);
	record_queue_release(queue, 1);
	put(queue, ROOM, 1);
	assert_holds(queue, 1, ROOM + 1);
	record_queue_close(queue);
}

static void a_reader_that_claims_too_much_stops_the_writer_only(void **state)
{
	struct record_queue *queue = open_queue(ROOM);
	struct record record = numbered(0);

	(void)state;
	put(queue, 0, 2);
	record_queue_release(queue, 3);
	assert_false(record_queue_put(queue, &record));
	record_queue_release(queue, UINT64_MAX - 3);
	put(queue, 2, 1);
	record_queue_close(queue);
}

static void what_it_holds_outlives_the_writer(void **state)
{
	struct record_queue *queue = open_queue(ROOM);
	uint64_t id = record_queue_id(queue);

	(void)state;
	put(queue, 0, 5);
	record_queue_release(queue, 2);
	record_queue_counters(queue)->uploads = 77;
	record_queue_close(queue);
	queue = open_queue(2 * ROOM); /* another size waits until it is empty */
	assert_int_equal(record_queue_id(queue), id);
	assert_int_equal(record_queue_room(queue), ROOM);
	assert_int_equal(record_queue_counters(queue)->uploads, 77);
	assert_holds(queue, 2, 5);
	record_queue_release(queue, 5);
	record_queue_close(queue);
	queue = open_queue(2 * ROOM);
	assert_int_not_equal(record_queue_id(queue), id);
	assert_int_equal(record_queue_room(queue), 2 * ROOM);
	assert_holds(queue, 0, 0);
	record_queue_close(queue);
}

static void a_queue_has_one_writer(void **state)
{
	struct record_queue *queue = open_queue(ROOM), *other;

	(void)state;
	assert_int_equal(record_queue_open(path, ROOM, &other, error), -EBUSY);
	assert_non_null(strstr(error, "another process writes to it"));
	record_queue_close(queue);
}

static void a_half_made_queue_is_made_anew_and_a_strange_file_left_alone(void **state)
{
	struct record_queue *queue;
	int fd = open(path, O_RDWR | O_CREAT, 0600);

	(void)state;
	assert_int_equal(ftruncate(fd, 4096 + ROOM * sizeof(struct record)), 0);
	queue = open_queue(ROOM);
	put(queue, 0, 1);
	record_queue_close(queue);
	assert_int_equal(pwrite(fd, "something", 9, 0), 9);
	assert_int_equal(record_queue_open(path, ROOM, &queue, error), -EEXIST);
	assert_non_null(strstr(error, path));
	assert_int_equal(record_queue_attach(fd, &queue), -EBADMSG);
	close(fd);
}

/* A writer is killed at a random moment: all it put is whole, in order, and nothing else. */
static void a_killed_writer_leaves_whole_records(void **state)
{
	struct record_queue *queue;
	uint64_t before;

	(void)state;
	srandom(20261121);
	for (int i = 0; i < KILLS; i++) {
		pid_t pid;

		queue = open_queue(1u << 16);
		before = record_queue_end(queue);
		record_queue_close(queue);
		pid = fork();
		if (pid == 0) {
			struct record_queue *own;

			if (record_queue_open(path, 1u << 16, &own, error) < 0)
				_exit(1);
			for (uint64_t n = before; n < before + CROWD; n++) {
				struct record record = numbered(n);

				record_queue_put(own, &record);
			}
			_exit(0);
		}
		assert_true(pid > 0);
		usleep((useconds_t)(random() % 3000));
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		queue = open_queue(1u << 16);
		assert_holds(queue, before, record_queue_end(queue));
		record_queue_release(queue, record_queue_end(queue));
		record_queue_close(queue);
	}
	assert_true(before > 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(records_come_out_as_they_were_put),
		TEST(a_full_queue_takes_no_more_and_counts),
		TEST(a_reader_that_claims_too_much_stops_the_writer_only),
		TEST(what_it_holds_outlives_the_writer),
		TEST(a_queue_has_one_writer),
		TEST(a_half_made_queue_is_made_anew_and_a_strange_file_left_alone),
		TEST(a_killed_writer_leaves_whole_records),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
