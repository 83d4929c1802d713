/* SPDX-License-Identifier: BSD-3-Clause */
/* The tables' file: made, kept, taken over, refused. /dev/shm is a tmpfs everywhere. */
#include "dataplane/dpdk/table_file.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define WORKERS 2

struct fixture {
	char dir[64];
	struct engine_config settings;
	struct table_file file;
	struct sl_tables tables;
	char error[ENGINE_ERROR_MAX];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	snprintf(f->dir, sizeof(f->dir), "/dev/shm/sluice-test-%d", (int)getpid());
	f->settings = (struct engine_config){
		.kind = ENGINE_DPDK,
		.max_flows = 1024,
		.max_flows_ipv6 = 2048,
		.max_targets = 16,
		.snat_port_min = 1024,
		.snat_port_max = 65535,
		.n_zones = 1,
	};
	snprintf(f->settings.dpdk.table_dir, sizeof(f->settings.dpdk.table_dir), "%s", f->dir);
	f->file.fd = -1;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	table_file_remove(&f->file);
	table_file_close(&f->file);
	free(f);
	return 0;
}

static int open_again(struct fixture *f)
{
	memset(&f->tables, 0, sizeof(f->tables));
	return table_file_open(&f->settings, WORKERS, &f->file, &f->tables, f->error);
}

static void must_open(struct fixture *f)
{
	if (open_again(f) != 0)
		fail_msg("%s", f->error);
}

static bool exists(const struct fixture *f)
{
	return access(f->dir, F_OK) == 0;
}

static void what_was_written_is_there_again(void **state)
{
	struct fixture *f = *state;
	struct sl_config config;

	must_open(f);
	assert_true(f->file.fresh);
	assert_false(f->file.huge);
	assert_int_equal(f->tables.config->family[1].flows, 2048);
	config = *f->tables.config;
	/* the last byte of the last table, and one in the middle */
	f->tables.cpu_counts[config.cpus - 1].drops[SL_DROP_RACE] = 7;
	sl_line(&f->tables, true, 2 * 2048 + 1)->packets = 9;
	table_file_close(&f->file);

	must_open(f);
	assert_false(f->file.fresh);
	assert_memory_equal(f->tables.config, &config, sizeof(config));
	assert_int_equal(f->tables.cpu_counts[config.cpus - 1].drops[SL_DROP_RACE], 7);
	assert_int_equal(sl_line(&f->tables, true, 2 * 2048 + 1)->packets, 9);
}

static void tables_begin_at_pages_and_do_not_overlap(void **state)
{
	struct fixture *f = *state;
	char *end = NULL;

	must_open(f);
	for (enum table table = 0; table < TABLE_COUNT; table++) {
		char *place = tables_place(&f->tables, table);

		assert_int_equal((uintptr_t)place % 4096, 0);
		assert_true(place >= end);
		end = place + tables_record_bytes(table) * tables_records(table, f->tables.config);
	}
	assert_true(end <= (char *)f->file.memory + f->file.bytes);
}

static void a_second_process_is_refused(void **state)
{
	struct fixture *f = *state;
	struct table_file other = {.fd = -1};
	struct sl_tables tables;

	must_open(f);
	assert_int_equal(table_file_open(&f->settings, WORKERS, &other, &tables, f->error), -EBUSY);
	assert_non_null(strstr(f->error, "another process holds the engine"));
	table_file_close(&other);
	assert_true(exists(f)); /* and the first one's file stays */
}

static void a_file_whose_making_was_cut_off_is_made_anew(void **state)
{
	struct fixture *f = *state;
	uint64_t seed;

	must_open(f);
	seed = f->tables.config->seed[0];
	f->tables.config->magic = 0; /* as before its last step */
	f->tables.targets[3].port = 5;
	table_file_close(&f->file);

	must_open(f);
	assert_true(f->file.fresh);
	assert_int_not_equal(f->tables.config->seed[0], seed);
	assert_int_equal(f->tables.targets[3].port, 0);
}

static void an_empty_file_is_made_anew(void **state)
{
	struct fixture *f = *state;
	char path[80];
	int fd;

	assert_int_equal(mkdir(f->dir, 0700), 0);
	snprintf(path, sizeof(path), "%s/tables", f->dir);
	fd = open(path, O_RDWR | O_CREAT, 0600);
	assert_true(fd >= 0);
	close(fd);
	must_open(f);
	assert_true(f->file.fresh);
}

static void refuses(struct fixture *f, int r, const char *text)
{
	assert_int_equal(open_again(f), r);
	if (strstr(f->error, text) == NULL)
		fail_msg("'%s' does not say '%s'", f->error, text);
	table_file_close(&f->file);
}

static void other_sizes_and_versions_are_refused_and_kept(void **state)
{
	struct fixture *f = *state;

	must_open(f);
	table_file_close(&f->file);
	f->settings.max_flows = 2048;
	refuses(f, -EPROTO, "max_flows 1024");
	f->settings.max_flows = 1024;
	must_open(f);
	f->tables.config->layout_version++;
	table_file_close(&f->file);
	refuses(f, -EPROTO, "layout version");
	assert_true(exists(f));
}

static void another_number_of_workers_is_refused(void **state)
{
	struct fixture *f = *state;

	must_open(f);
	table_file_close(&f->file);
	assert_int_equal(table_file_open(&f->settings, WORKERS + 1, &f->file, &f->tables, f->error),
			 -EPROTO);
	assert_non_null(strstr(f->error, "are of 2 workers, and engine.dpdk.workers names 3"));
	table_file_close(&f->file);
	must_open(f);
}

static void a_file_cut_short_is_refused(void **state)
{
	struct fixture *f = *state;

	must_open(f);
	assert_int_equal(ftruncate(f->file.fd, (off_t)f->file.bytes - 4096), 0);
	table_file_close(&f->file);
	refuses(f, -EPROTO, "cut short");
}

static void a_disk_is_refused(void **state)
{
	struct fixture *f = *state;

	/* never a tmpfs: it outlives reboots (file-hierarchy(7)) */
	snprintf(f->dir, sizeof(f->dir), "/var/tmp/sluice-test-%d", (int)getpid());
	snprintf(f->settings.dpdk.table_dir, sizeof(f->settings.dpdk.table_dir), "%s", f->dir);
	refuses(f, -EINVAL, "must be on a tmpfs or a hugetlbfs");
	assert_false(exists(f));
}

static void hugepages_are_asked_for_where_there_are_none(void **state)
{
	struct fixture *f = *state;

	f->settings.dpdk.hugepages = ENGINE_HUGEPAGES_ON;
	refuses(f, -EINVAL, "is on no hugetlbfs");
	assert_false(exists(f));
}

static void a_refused_setting_leaves_nothing(void **state)
{
	struct fixture *f = *state;

	f->settings.max_targets = 0;
	refuses(f, -EINVAL, "max_targets is 0");
	assert_false(exists(f));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(what_was_written_is_there_again),
		TEST(tables_begin_at_pages_and_do_not_overlap),
		TEST(a_second_process_is_refused),
		TEST(a_file_whose_making_was_cut_off_is_made_anew),
		TEST(an_empty_file_is_made_anew),
		TEST(other_sizes_and_versions_are_refused_and_kept),
		TEST(another_number_of_workers_is_refused),
		TEST(a_file_cut_short_is_refused),
		TEST(a_disk_is_refused),
		TEST(hugepages_are_asked_for_where_there_are_none),
		TEST(a_refused_setting_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
