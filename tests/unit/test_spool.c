/* SPDX-License-Identifier: BSD-3-Clause */
#define _GNU_SOURCE /* nftw(), unshare() */
#include "spool_rig.h"

#include <sched.h>
#include <sys/mount.h>

static void records_are_in_files_before_they_leave_the_queue(void **state)
{
	struct spool_rig *rig = *state;

	assert_int_equal(spool_rig_take(rig), 0);
	spool_rig_put(rig, 1, 10);
	spool_rig_put(rig, 2, 10);
	assert_int_equal(spool_rig_take(rig), 20);
	assert_int_equal(record_queue_begin(rig->queue), 0);
	spool_rig_take_after(rig, SPOOL_WRITE_MS);
	assert_int_equal(record_queue_begin(rig->queue), 20);
	assert_int_equal(record_queue_counters(rig->queue)->records, 20);
	spool_rig_assert_all(rig);
	assert_int_equal(rig->finished, 0);
}

static void a_busy_queue_is_written_out_before_it_is_full(void **state)
{
	struct spool_rig *rig = *state;

	spool_rig_take(rig);
	for (int i = 0; i < 20; i++) { /* no time passes */
		assert_int_equal(spool_rig_put(rig, 1, SPOOL_RIG_ROOM / 4), SPOOL_RIG_ROOM / 4);
		assert_int_equal(spool_rig_take(rig), SPOOL_RIG_ROOM / 4);
	}
	assert_int_equal(record_queue_begin(rig->queue), 20 * SPOOL_RIG_ROOM / 4);
	spool_rig_assert_all(rig);
}

static void a_file_is_finished_at_the_end_of_its_interval(void **state)
{
	struct spool_rig *rig = *state;
	const struct upload *upload;

	spool_rig_put(rig, 2, 5);
	spool_rig_take(rig);
	spool_rig_take_after(rig, 299999);
	assert_int_equal(rig->finished, 0);
	spool_rig_take_after(rig, 1);
	assert_int_equal(rig->finished, 1);
	upload = rig->uploads[0];
	assert_string_equal(upload->bucket, "bucket-2");
	assert_non_null(strstr(
		upload->key, "logs/AWSLogs/123456789012/elasticloadbalancing/us-east-1/2020/05/01/"
			     "123456789012_elasticloadbalancing_us-east-1_net.lb-2."
			     "0000000000000002_20200501T0005Z_"));
	assert_true(upload->key[0] == 'l');
	assert_int_equal(record_queue_counters(rig->queue)->spooled_files, 1);
	assert_int_equal(record_queue_counters(rig->queue)->spooled_bytes, upload->bytes);
	spool_rig_assert_all(rig);
	spool_rig_take_after(rig, 300000); /* an interval without records has no file */
	assert_int_equal(rig->finished, 1);
}

static void a_file_ends_when_the_clock_is_set_back(void **state)
{
	struct spool_rig *rig = *state;

	spool_rig_put(rig, 1, 5);
	spool_rig_take(rig);
	spool_rig_take_after(rig, SPOOL_WRITE_MS);
	spool_rig_take_after(rig, -3600000);
	assert_int_equal(rig->finished, 1);
	spool_rig_put(rig, 1, 5);
	spool_rig_take_after(rig, SPOOL_WRITE_MS);
	spool_rig_take_after(rig, 300000);
	assert_int_equal(rig->finished, 2);
	spool_rig_assert_all(rig);
}

static void a_large_file_is_followed_by_another_in_the_same_interval(void **state)
{
	struct spool_rig *rig = *state;

	spool_close(rig->spool);
	rig->settings.file_bytes_max = 10000;
	spool_rig_open(rig);
	for (int i = 0; i < 10; i++) {
		spool_rig_put(rig, 1, 1000);
		spool_rig_take_after(rig, SPOOL_WRITE_MS);
	}
	assert_int_equal(rig->finished, 10);
	for (unsigned int i = 1; i < rig->n_uploads; i++)
		assert_string_not_equal(rig->uploads[i]->key, rig->uploads[i - 1]->key);
	spool_rig_assert_all(rig);
}

static void a_stored_file_is_gone_and_so_is_the_place_of_a_deleted_load_balancer(void **state)
{
	struct spool_rig *rig = *state;
	const struct record_counters *counters = record_queue_counters(rig->queue);
	struct upload *upload;
	char path[512];

	spool_rig_put(rig, 1, 5);
	spool_rig_take(rig);
	spool_rig_take_after(rig, 300000);
	upload = rig->uploads[0];
	snprintf(path, sizeof(path), "%s", upload->path);
	assert_int_equal(access(path, F_OK), 0);
	spool_remove(rig->spool, 1);
	assert_int_equal(access(path, F_OK), 0);
	spool_rig_forget(rig, upload);
	spool_stored(rig->spool, upload);
	assert_int_equal(access(path, F_OK), -1);
	*strrchr(path, '/') = '\0';
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(counters->uploads, 1);
	assert_int_equal(counters->spooled_files, 0);
	spool_rig_take(rig);
	assert_int_equal(counters->spooled_bytes, 0);
	assert_int_equal(counters->oldest_unsent_ms, 0);
}

static void another_bucket_gets_the_lines_from_then_on(void **state)
{
	struct spool_rig *rig = *state;

	spool_rig_put(rig, 1, 5);
	spool_rig_take_after(rig, SPOOL_WRITE_MS);
	spool_rig_put_destination(rig, 1, "bucket-3", "");
	spool_rig_put(rig, 1, 7);
	spool_rig_take_after(rig, SPOOL_WRITE_MS);
	spool_rig_take_after(rig, 300000);
	assert_int_equal(rig->finished, 2);
	assert_string_not_equal(rig->uploads[0]->bucket, rig->uploads[1]->bucket);
	spool_rig_put_destination(rig, 1, "bucket-1", ""); /* and back */
	spool_rig_put(rig, 1, 1);
	spool_rig_take_after(rig, SPOOL_WRITE_MS);
	spool_rig_take_after(rig, 300000);
	assert_string_equal(rig->uploads[2]->bucket, "bucket-1");
	spool_rig_assert_all(rig);
}

static void what_was_queued_before_a_removal_is_written(void **state)
{
	struct spool_rig *rig = *state;
	const uint64_t *dropped = record_queue_counters(rig->queue)->dropped_by_reader;

	spool_rig_put(rig, 1, 5);
	spool_remove(rig->spool, 1);
	spool_rig_put(rig, 2, 3);
	spool_rig_take(rig);
	spool_rig_take_after(rig, SPOOL_WRITE_MS);
	assert_int_equal(dropped[RECORD_DROP_NO_DESTINATION], 0);
	spool_rig_assert_all(rig);
	spool_rig_put(rig, 1, 1);
	spool_rig_take(rig);
	assert_int_equal(dropped[RECORD_DROP_NO_DESTINATION], 1);
	spool_rig_put_destination(rig, 1, "bucket-1", "");
	spool_remove(rig->spool, 1);
	spool_rig_put_destination(rig, 1, "bucket-1", ""); /* and stays */
	spool_rig_put(rig, 1, 1);
	spool_rig_take(rig);
	assert_int_equal(dropped[RECORD_DROP_NO_DESTINATION], 1);
}

static void records_of_an_unknown_load_balancer_are_counted_as_dropped(void **state)
{
	struct spool_rig *rig = *state;

	spool_rig_put(rig, 3, 4);
	spool_rig_take_after(rig, SPOOL_WRITE_MS);
	assert_int_equal(record_queue_begin(rig->queue), 4);
	assert_int_equal(
		record_queue_counters(rig->queue)->dropped_by_reader[RECORD_DROP_NO_DESTINATION],
		4);
}

static void at_the_limit_the_oldest_files_go_and_are_told_of(void **state)
{
	struct spool_rig *rig = *state;
	const struct record_counters *counters = record_queue_counters(rig->queue);
	struct spool_rig_lines lines;

	spool_close(rig->spool);
	rig->settings.file_bytes_max = 10000;
	rig->settings.spool_bytes_max = 100000;
	spool_rig_open(rig);
	for (int i = 0; i < 30; i++) {
		spool_rig_put(rig, 1, 1000);
		spool_rig_take_after(rig, SPOOL_WRITE_MS);
		assert_true(counters->spooled_bytes <= 100000);
	}
	assert_true(rig->dropped > 5);
	assert_int_equal(rig->warnings, rig->dropped);
	assert_non_null(strstr(rig->warning, "the spool was at its limit"));
	assert_non_null(strstr(rig->warning, "1000 records"));
	assert_int_equal(counters->dropped_by_reader[RECORD_DROP_SPOOL_FULL], 1000 * rig->dropped);
	lines = spool_rig_read(rig);
	assert_int_equal(lines.n + counters->dropped_by_reader[RECORD_DROP_SPOOL_FULL], rig->put);
	for (uint64_t i = 0; i < rig->put; i++)
		assert_int_equal(lines.seen[i], i >= 1000 * (uint64_t)rig->dropped);
	free(lines.seen);
}

static void a_limit_below_one_file_still_holds(void **state)
{
	struct spool_rig *rig = *state;

	spool_close(rig->spool);
	rig->settings.spool_bytes_max = 1000;
	spool_rig_open(rig);
	spool_rig_put(rig, 1, 1000);
	spool_rig_take(rig);
	spool_rig_take_after(rig, SPOOL_WRITE_MS);
	assert_int_equal(record_queue_counters(rig->queue)->spooled_bytes, 0);
	assert_int_equal(
		record_queue_counters(rig->queue)->dropped_by_reader[RECORD_DROP_SPOOL_FULL], 1000);
}

/* --- full disks ------------------------------------------------------------------- */

/* The rig's directory becomes a file system of its own, for this process alone. */
static void shrink_disk(struct spool_rig *rig, const char *size)
{
	char options[64];

	spool_close(rig->spool);
	assert_int_equal(unshare(CLONE_NEWNS), 0);
	assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	snprintf(options, sizeof(options), "size=%s", size);
	assert_int_equal(mount("tmpfs", rig->spool_dir, "tmpfs", 0, options), 0);
	spool_rig_open(rig);
}

static int disk_teardown(void **state)
{
	struct spool_rig *rig = *state;

	spool_close(rig->spool);
	rig->spool = NULL;
	umount(rig->spool_dir);
	return spool_rig_teardown(state);
}

static void on_a_full_disk_the_oldest_files_go_and_the_newest_lines_stay(void **state)
{
	struct spool_rig *rig = *state;
	const struct record_counters *counters = record_queue_counters(rig->queue);
	struct spool_rig_lines lines;

	rig->settings.file_bytes_max = 10000;
	shrink_disk(rig, "200k");
	for (int i = 0; i < 40; i++) {
		assert_int_equal(spool_rig_put(rig, 1, 1000), 1000);
		spool_rig_take_after(rig, SPOOL_WRITE_MS);
	}
	assert_true(rig->dropped > 5);
	assert_non_null(strstr(rig->warning, "disk of the spool was full"));
	lines = spool_rig_read(rig);
	assert_int_equal(lines.n + counters->dropped_by_reader[RECORD_DROP_DISK_FULL], rig->put);
	for (uint64_t i = 0; i < rig->put; i++)
		assert_true(lines.seen[i] == (i >= rig->put - lines.n));
	free(lines.seen);
}

static void a_disk_filled_by_others_makes_records_wait_and_none_is_torn(void **state)
{
	struct spool_rig *rig = *state;
	char path[128], block[4096] = {};
	int fd;

	shrink_disk(rig, "200k");
	spool_rig_put(rig, 1, 10);
	spool_rig_take_after(rig, SPOOL_WRITE_MS);
	snprintf(path, sizeof(path), "%s/other", rig->spool_dir);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	while (write(fd, block, sizeof(block)) > 0)
		;
	spool_rig_put(rig, 1, 4000);
	for (int i = 0; i < 10; i++)
		spool_rig_take_after(rig, SPOOL_WRITE_MS);
	assert_int_equal(record_queue_begin(rig->queue), 10);
	assert_int_equal(rig->warnings, 1);
	assert_non_null(strstr(rig->warning, strerror(ENOSPC)));
	spool_rig_take_after(rig, 60000);
	assert_int_equal(rig->warnings, 2);
	assert_int_equal(ftruncate(fd, 0), 0);
	close(fd);
	unlink(path);
	spool_rig_take_after(rig, SPOOL_WRITE_MS);
	spool_rig_take_after(rig, SPOOL_WRITE_MS);
	assert_int_equal(record_queue_begin(rig->queue), rig->put);
	spool_rig_assert_all(rig);
}

static void a_spool_has_one_owner(void **state)
{
	struct spool_rig *rig = *state;
	struct spool *mine = rig->spool;
	char error[SPOOL_ERROR_MAX];

	assert_int_equal(spool_rig_try_open(rig, error), -EBUSY);
	assert_non_null(strstr(error, "another sluice-logs has it"));
	rig->spool = mine;
	snprintf(rig->settings.spool_dir, sizeof(rig->settings.spool_dir), "%s/none", rig->dir);
	assert_int_equal(spool_rig_try_open(rig, error), -ENOENT);
	rig->spool = mine;
}

#define DISK_TEST(f) cmocka_unit_test_setup_teardown(f, spool_rig_setup, disk_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SPOOL_TEST(records_are_in_files_before_they_leave_the_queue),
		SPOOL_TEST(a_busy_queue_is_written_out_before_it_is_full),
		SPOOL_TEST(a_file_is_finished_at_the_end_of_its_interval),
		SPOOL_TEST(a_file_ends_when_the_clock_is_set_back),
		SPOOL_TEST(a_large_file_is_followed_by_another_in_the_same_interval),
		SPOOL_TEST(a_stored_file_is_gone_and_so_is_the_place_of_a_deleted_load_balancer),
		SPOOL_TEST(another_bucket_gets_the_lines_from_then_on),
		SPOOL_TEST(what_was_queued_before_a_removal_is_written),
		SPOOL_TEST(records_of_an_unknown_load_balancer_are_counted_as_dropped),
		SPOOL_TEST(at_the_limit_the_oldest_files_go_and_are_told_of),
		SPOOL_TEST(a_limit_below_one_file_still_holds),
		DISK_TEST(on_a_full_disk_the_oldest_files_go_and_the_newest_lines_stay),
		DISK_TEST(a_disk_filled_by_others_makes_records_wait_and_none_is_torn),
		SPOOL_TEST(a_spool_has_one_owner),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
