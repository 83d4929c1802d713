/* SPDX-License-Identifier: BSD-3-Clause */
/* Records between threads, and between a process that was killed and the next. */
#include "dataplane/dpdk/records.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define MANY 100000 /* more than any queue holds */

struct fixture {
	void *memory;
	struct sl_flow_pool pools[2];
	struct sl_tables tables;
	struct record_queue queue;
	uint64_t taken, next; /* expected number of the next record */
	bool any_first;	      /* the next record may have any number */
	uint64_t kill_at;     /* number at which the process is killed; 0: never */
};

static struct fixture fixture;

static int setup(void **state)
{
	struct fixture *f = &fixture;

	memset(f, 0, sizeof(*f));
	f->memory = mmap(NULL, records_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			 -1, 0);
	assert_ptr_not_equal(f->memory, MAP_FAILED);
	assert_int_equal(records_open(&f->queue, f->memory, false, f->pools), 0);
	records_follow(&f->queue, &f->tables);
	f->next = 1;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return munmap(fixture.memory, records_bytes());
}

/* A flow whose start tells its number ends. */
static void end_flow(struct fixture *f, uint64_t number, uint8_t family)
{
	struct sl_flow_record *record = sl_record_open(&f->tables);

	assert_non_null(record);
	*record = (struct sl_flow_record){.start_ns = number, .family = family};
	sl_record_close(&f->tables, record);
}

static void ended(void *context, const struct sl_flow_record *record)
{
	struct fixture *f = context;

	if (f->any_first)
		f->next = record->start_ns;
	f->any_first = false;
	if (record->start_ns != f->next++)
		fail_msg("record %llu is not the next", (unsigned long long)record->start_ns);
	f->taken++;
	if (record->start_ns == f->kill_at)
		raise(SIGKILL);
}

static void records_come_in_their_order(void **state)
{
	struct fixture *f = *state;

	assert_false(records_wait(&f->queue));
	for (uint64_t number = 1; number <= 3000; number++) {
		end_flow(f, number, 4);
		if (number % 700 == 0)
			assert_int_equal(records_take(&f->queue, 100, ended, f), 100);
	}
	assert_true(records_wait(&f->queue));
	assert_int_equal(records_take(&f->queue, MANY, ended, f), 3000 - 4 * 100);
	assert_false(records_wait(&f->queue));
	assert_int_equal(records_take(&f->queue, MANY, ended, f), 0);
}

static void what_a_full_queue_refuses_is_counted(void **state)
{
	struct fixture *f = *state;

	for (uint64_t number = 1; number <= MANY; number++)
		end_flow(f, number, 6);
	records_take(&f->queue, MANY, ended, f);
	assert_true(f->taken > 1000);
	assert_int_equal(f->taken + f->pools[1].records_lost, MANY);
	assert_int_equal(f->pools[0].records_lost, 0);
}

static void the_next_process_gets_what_waits(void **state)
{
	struct fixture *f = *state;

	for (uint64_t number = 1; number <= 50; number++)
		end_flow(f, number, 4);
	memset(&f->queue, 0, sizeof(f->queue));
	assert_int_equal(records_open(&f->queue, f->memory, true, f->pools), 0);
	end_flow(f, 51, 4);
	assert_int_equal(records_take(&f->queue, MANY, ended, f), 51);
	assert_int_equal(f->pools[0].records_lost, 0);
}

static void what_was_being_handed_over_is_handed_over_again(void **state)
{
	struct fixture *f = *state;
	int status;
	pid_t child;

	for (uint64_t number = 1; number <= 500; number++)
		end_flow(f, number, 4);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		f->kill_at = 200;
		records_take(&f->queue, MANY, ended, f);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(records_open(&f->queue, f->memory, true, f->pools), 0);
	/* some of those before it come twice, it and all behind it are there */
	f->any_first = true;
	records_take(&f->queue, MANY, ended, f);
	assert_in_range(500 - f->taken, 1, 199);
	assert_int_equal(f->next, 501);
}

static void memory_of_another_kind_is_refused(void **state)
{
	struct fixture *f = *state;

	memset(f->memory, 0xff, 256);
	assert_int_equal(records_open(&f->queue, f->memory, true, f->pools), -EPROTO);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(records_come_in_their_order),
		TEST(what_a_full_queue_refuses_is_counted),
		TEST(the_next_process_gets_what_waits),
		TEST(what_was_being_handed_over_is_handed_over_again),
		TEST(memory_of_another_kind_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
