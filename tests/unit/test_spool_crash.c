/* SPDX-License-Identifier: BSD-3-Clause */
/* What a spool is after its process was killed, or the power cut. */
#define _GNU_SOURCE /* nftw() */
#include "spool_rig.h"

#include <signal.h>
#include <sys/wait.h>

#define SEED 20261121u
#define KILLS 60
#define CUTS 200

static void reopen(struct spool_rig *rig)
{
	spool_close(rig->spool);
	spool_rig_open(rig);
}

static void an_open_file_is_gone_on_with(void **state)
{
	struct spool_rig *rig = *state;

	for (int i = 0; i < 3; i++) {
		spool_rig_put(rig, 1, 5);
		spool_rig_take_after(rig, SPOOL_WRITE_MS);
		reopen(rig);
	}
	assert_int_equal(rig->finished, 0);
	spool_rig_take_after(rig, 300000);
	assert_int_equal(rig->finished, 1);
	assert_int_equal(rig->warnings, 0);
	spool_rig_assert_all(rig);
}

static void finished_files_are_offered_again_oldest_first_under_the_same_key(void **state)
{
	struct spool_rig *rig = *state;
	char keys[3][1100];

	for (int i = 0; i < 3; i++) {
		struct timespec times[2] = {{.tv_sec = 1000 * (i + 1)}, {.tv_sec = 1000 * (i + 1)}};

		spool_rig_put(rig, 1 + (uint64_t)i % 2, 5);
		spool_rig_take_after(rig, SPOOL_WRITE_MS);
		spool_rig_take_after(rig, 300000);
		snprintf(keys[i], sizeof(keys[i]), "%s %s", rig->uploads[i]->bucket,
			 rig->uploads[i]->key);
		assert_int_equal(utimensat(AT_FDCWD, rig->uploads[i]->path, times, 0), 0);
	}
	reopen(rig);
	assert_int_equal(rig->n_uploads, 3);
	for (int i = 0; i < 3; i++) {
		char key[1100];

		snprintf(key, sizeof(key), "%s %s", rig->uploads[i]->bucket, rig->uploads[i]->key);
		assert_string_equal(key, keys[i]);
	}
	spool_rig_assert_all(rig);
}

static void records_that_are_in_a_file_and_still_in_the_queue_are_written_once(void **state)
{
	struct spool_rig *rig = *state;

	spool_rig_put(rig, 1, 5);
	spool_rig_put(rig, 2, 5);
	spool_rig_take(rig);
	spool_rig_take_after(rig, 300000);
	assert_int_equal(rig->finished, 2);
	spool_rig_put(rig, 1, 5);
	spool_rig_take_after(rig, SPOOL_WRITE_MS);
	spool_close(rig->spool);
	record_queue_release(rig->queue, 0); /* as if killed before it could */
	spool_rig_open(rig);
	spool_rig_put(rig, 2, 5);
	spool_rig_take(rig);
	spool_rig_take_after(rig, SPOOL_WRITE_MS);
	assert_int_equal(record_queue_begin(rig->queue), rig->put);
	spool_rig_assert_all(rig);
}

static void another_queue_begins_its_numbers_anew(void **state)
{
	struct spool_rig *rig = *state;
	char error[RECORD_QUEUE_ERROR_MAX];

	spool_rig_put(rig, 1, 20);
	spool_rig_take(rig);
	spool_rig_take_after(rig, SPOOL_WRITE_MS);
	spool_close(rig->spool);
	record_queue_close(rig->queue); /* as after a reboot */
	assert_int_equal(unlink(rig->queue_path), 0);
	assert_int_equal(record_queue_open(rig->queue_path, SPOOL_RIG_ROOM, &rig->queue, error), 0);
	spool_rig_open(rig);
	spool_rig_put(rig, 1, 20);
	spool_rig_take(rig);
	spool_rig_take_after(rig, SPOOL_WRITE_MS);
	spool_rig_assert_all(rig);
}

/* --- torn files --------------------------------------------------------------------- */

/* Path of the one open file of load balancer 1. */
static void open_file_of(const struct spool_rig *rig, char path[512])
{
	DIR *spool = opendir(rig->spool_dir);
	const struct dirent *entry;

	path[0] = '\0';
	while ((entry = readdir(spool)) != NULL) {
		if (strncmp(entry->d_name, "0000000000000001", 16) == 0)
			snprintf(path, 512, "%.80s/%.40s/open.%lld", rig->spool_dir, entry->d_name,
				 (long long)(SPOOL_RIG_NOW_MS / 1000 + 300));
	}
	closedir(spool);
	assert_int_equal(access(path, F_OK), 0);
}

/* Cut at any byte, with zeros or garbage for the rest: what is whole stays, and nothing else. */
static void a_torn_file_is_cut_behind_its_last_whole_member(void **state)
{
	struct spool_rig *rig = *state;
	struct spool_rig_lines lines;
	unsigned int kept = 0, torn = 0;
	char path[512];
	struct stat stat_before;

	srandom(SEED);
	print_message("seed %u\n", SEED);
	for (int i = 0; i < 8; i++) {
		spool_rig_put(rig, 1, 50);
		spool_rig_take_after(rig, SPOOL_WRITE_MS);
	}
	spool_close(rig->spool);
	open_file_of(rig, path);
	for (int i = 0; i < CUTS; i++) {
		off_t cut;
		char noise[64];
		int fd = open(path, O_RDWR);

		assert_int_equal(fstat(fd, &stat_before), 0);
		cut = stat_before.st_size - 1 - random() % 40;
		if (cut < 0)
			cut = 0;
		assert_int_equal(ftruncate(fd, cut), 0);
		memset(noise, i % 3 == 1 ? 0 : (int)random(), sizeof(noise));
		if (i % 3 != 0)
			assert_int_equal(pwrite(fd, noise, sizeof(noise), cut), sizeof(noise));
		close(fd);
		rig->warnings = 0;
		spool_rig_open(rig);
		torn += rig->warnings;
		lines = spool_rig_read(rig); /* fails on anything torn */
		for (uint64_t n = 0; n < rig->put; n++)
			assert_true(lines.seen[n] <= 1);
		kept += lines.n;
		free(lines.seen);
		spool_rig_put(rig, 1, 20); /* it goes on */
		spool_rig_take_after(rig, 0);
		spool_close(rig->spool);
	}
	assert_true(torn > CUTS / 2 && kept > CUTS * 10);
	spool_rig_open(rig);
}

static void a_power_cut_is_counted_as_far_as_it_can_be(void **state)
{
	struct spool_rig *rig = *state;
	char path[512], error[RECORD_QUEUE_ERROR_MAX];
	struct stat file;

	spool_rig_put(rig, 1, 30);
	spool_rig_take(rig);
	spool_rig_take_after(rig, SPOOL_WRITE_MS);
	spool_close(rig->spool);
	record_queue_close(rig->queue);
	unlink(rig->queue_path);
	assert_int_equal(record_queue_open(rig->queue_path, SPOOL_RIG_ROOM, &rig->queue, error), 0);
	open_file_of(rig, path);
	assert_int_equal(stat(path, &file), 0);
	assert_int_equal(truncate(path, file.st_size - 1), 0);
	spool_rig_open(rig);
	assert_int_equal(rig->warnings, 1);
	assert_int_equal(record_queue_counters(rig->queue)->dropped_by_reader[RECORD_DROP_DAMAGED],
			 30);
}

/* --- kill -9 -------------------------------------------------------------------------- */

/* What sluice-logs does all day, at a hurry: small files, short intervals. */
static void child(struct spool_rig *rig)
{
	for (rig->now_ms += 1000;; rig->now_ms += 100)
		spool_rig_take(rig);
}

static void a_process_killed_at_any_moment_loses_no_record_and_writes_none_twice(void **state)
{
	struct spool_rig *rig = *state;
	unsigned int finished;

	srandom(SEED);
	spool_close(rig->spool);
	rig->settings.file_bytes_max = 8192;
	rig->settings.interval_s = 1;
	for (int i = 0; i < KILLS; i++) {
		pid_t pid = fork();
		long rounds = 1 + random() % 40;

		if (pid == 0) {
			spool_rig_open(rig);
			child(rig);
		}
		assert_true(pid > 0);
		for (long round = 0; round < rounds; round++) {
			while (record_queue_end(rig->queue) - record_queue_begin(rig->queue) >
			       SPOOL_RIG_ROOM / 2)
				usleep(100); /* a machine may be too busy to run the child */
			spool_rig_put(rig, 1 + (uint64_t)random() % 2,
				      (unsigned int)random() % 200);
			usleep((useconds_t)(random() % 500));
		}
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
	}
	spool_rig_open(rig);
	finished = rig->n_uploads;
	while (record_queue_begin(rig->queue) < record_queue_end(rig->queue))
		spool_rig_take_after(rig, SPOOL_WRITE_MS);
	assert_true(rig->put > 10000 && finished > 20);
	spool_rig_assert_all(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SPOOL_TEST(an_open_file_is_gone_on_with),
		SPOOL_TEST(finished_files_are_offered_again_oldest_first_under_the_same_key),
		SPOOL_TEST(records_that_are_in_a_file_and_still_in_the_queue_are_written_once),
		SPOOL_TEST(another_queue_begins_its_numbers_anew),
		SPOOL_TEST(a_torn_file_is_cut_behind_its_last_whole_member),
		SPOOL_TEST(a_power_cut_is_counted_as_far_as_it_can_be),
		SPOOL_TEST(a_process_killed_at_any_moment_loses_no_record_and_writes_none_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
