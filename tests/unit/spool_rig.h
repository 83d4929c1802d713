/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Spool rig: a queue and a spool in a directory of their own, an uploader that
 * only notes what it is given, and a reader of what lies in the spool. Each
 * record has its number as its client's bytes, so a line tells which it is.
 */
#ifndef TEST_SPOOL_RIG_H
#define TEST_SPOOL_RIG_H

#include "control/logs/log_line.h"
#include "control/logs/spool.h"
#include "dataplane/engine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#define SPOOL_RIG_UPLOADS 4096
#define SPOOL_RIG_ROOM 4096u
#define SPOOL_RIG_NOW_MS 1588291200000 /* a whole hour */

struct spool_rig {
	char dir[64], spool_dir[80], queue_path[80];
	struct logs_settings settings;
	struct record_queue *queue;
	struct spool *spool;
	struct upload *uploads[SPOOL_RIG_UPLOADS]; /* finished and not stored or dropped */
	unsigned int n_uploads, finished, dropped, warnings;
	char warning[SPOOL_ERROR_MAX]; /* the last one */
	uint64_t put;		       /* records */
	int64_t now_ms;
};

static inline void spool_rig_finished(void *context, struct upload *upload)
{
	struct spool_rig *rig = context;

	assert_true(rig->n_uploads < SPOOL_RIG_UPLOADS);
	rig->uploads[rig->n_uploads++] = upload;
	rig->finished++;
}

static inline void spool_rig_forget(struct spool_rig *rig, const struct upload *upload)
{
	unsigned int i;

	for (i = 0; i < rig->n_uploads && rig->uploads[i] != upload; i++)
		;
	assert_true(i < rig->n_uploads);
	memmove(&rig->uploads[i], &rig->uploads[i + 1],
		(--rig->n_uploads - i) * sizeof(rig->uploads[0]));
}

static inline void spool_rig_dropped(void *context, struct upload *upload)
{
	struct spool_rig *rig = context;

	rig->dropped++;
	spool_rig_forget(rig, upload);
}

static inline void spool_rig_warn(void *context, const char *text)
{
	struct spool_rig *rig = context;

	rig->warnings++;
	snprintf(rig->warning, sizeof(rig->warning), "%s", text);
}

static inline void spool_rig_put_destination(struct spool_rig *rig, uint64_t id, const char *bucket,
					     const char *prefix)
{
	struct logs_destination destination = {.load_balancer_id = id};

	snprintf(destination.load_balancer, sizeof(destination.load_balancer), "lb-%u",
		 (unsigned int)id);
	snprintf(destination.bucket, sizeof(destination.bucket), "%s", bucket);
	snprintf(destination.prefix, sizeof(destination.prefix), "%s", prefix);
	assert_int_equal(spool_put(rig->spool, &destination), 0);
}

static inline int spool_rig_try_open(struct spool_rig *rig, char error[SPOOL_ERROR_MAX])
{
	const struct spool_events events = {rig, spool_rig_finished, spool_rig_dropped,
					    spool_rig_warn};

	rig->n_uploads = 0;
	return spool_open(&rig->settings, rig->queue, &events, &rig->spool, error);
}

/* Begin, or begin again, with load balancers 1 and 2. */
static inline void spool_rig_open(struct spool_rig *rig)
{
	char error[SPOOL_ERROR_MAX];

	if (spool_rig_try_open(rig, error) < 0)
		fail_msg("%s", error);
	spool_rig_put_destination(rig, 1, "bucket-1", "");
	spool_rig_put_destination(rig, 2, "bucket-2", "logs");
}

static inline struct spool_rig *spool_rig_make(void)
{
	struct spool_rig *rig = calloc(1, sizeof(*rig));
	char error[RECORD_QUEUE_ERROR_MAX];

	assert_non_null(rig);
	snprintf(rig->dir, sizeof(rig->dir), "/tmp/sluice-test-spool-XXXXXX");
	assert_non_null(mkdtemp(rig->dir));
	snprintf(rig->spool_dir, sizeof(rig->spool_dir), "%s/spool", rig->dir);
	snprintf(rig->queue_path, sizeof(rig->queue_path), "%s/queue", rig->dir);
	assert_int_equal(mkdir(rig->spool_dir, 0700), 0);
	rig->settings = (struct logs_settings){
		.account_id = "123456789012",
		.region = "us-east-1",
		.spool_bytes_max = 1 << 30,
		.file_bytes_max = 1 << 26,
		.interval_s = 300,
	};
	snprintf(rig->settings.spool_dir, sizeof(rig->settings.spool_dir), "%s", rig->spool_dir);
	assert_int_equal(record_queue_open(rig->queue_path, SPOOL_RIG_ROOM, &rig->queue, error), 0);
	rig->now_ms = SPOOL_RIG_NOW_MS;
	return rig;
}

static inline int spool_rig_remove(const char *path, const struct stat *stat, int type,
				   struct FTW *ftw)
{
	(void)stat;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline int spool_rig_setup(void **state)
{
	struct spool_rig *rig = spool_rig_make();

	spool_rig_open(rig);
	*state = rig;
	return 0;
}

static inline int spool_rig_teardown(void **state)
{
	struct spool_rig *rig = *state;

	spool_close(rig->spool);
	record_queue_close(rig->queue);
	nftw(rig->dir, spool_rig_remove, 16, FTW_DEPTH | FTW_PHYS);
	free(rig);
	return 0;
}

static inline struct record spool_rig_record(uint64_t load_balancer_id, uint64_t number)
{
	return (struct record){
		.load_balancer_id = load_balancer_id,
		.client_bytes = number,
		.start_us = SPOOL_RIG_NOW_MS * 1000,
		.end_us = SPOOL_RIG_NOW_MS * 1000 + number,
		.client_port =
			(uint16_t)(number * 7919), /* lines that do not compress to nothing */
		.nat_port = (uint16_t)(number * 104729),
		.protocol = IPPROTO_TCP,
		.reason = ENGINE_CLOSE_FIN,
		.start = RECORD_START_HEALTHY,
	};
}

/* Returns how many the queue took. */
static inline unsigned int spool_rig_put(struct spool_rig *rig, uint64_t load_balancer_id,
					 unsigned int n)
{
	unsigned int taken = 0;

	for (unsigned int i = 0; i < n; i++) {
		struct record record = spool_rig_record(load_balancer_id, rig->put);

		if (!record_queue_put(rig->queue, &record))
			break;
		rig->put++;
		taken++;
	}
	return taken;
}

static inline unsigned int spool_rig_take(struct spool_rig *rig)
{
	return spool_take(rig->spool, record_queue_end(rig->queue), rig->now_ms);
}

/* Let time pass and take: what came is in files then. */
static inline unsigned int spool_rig_take_after(struct spool_rig *rig, int64_t ms)
{
	rig->now_ms += ms;
	return spool_rig_take(rig);
}

/* --- reading -------------------------------------------------------------------- */

struct spool_rig_lines {
	uint8_t *seen; /* by number: how often */
	uint64_t room, n;
	bool in_order; /* within each file */
};

static inline void spool_rig_note_line(struct spool_rig_lines *lines, const char *line,
				       uint64_t *last)
{
	unsigned long long number;

	/* field 10, received_bytes */
	assert_int_equal(sscanf(line, "tcp 2.0 %*s %*s %*s %*s %*s %*s - %llu ", &number), 1);
	assert_true(number < lines->room);
	lines->seen[number]++;
	lines->n++;
	lines->in_order = lines->in_order && (*last == UINT64_MAX || number > *last);
	*last = number;
}

/* As a user would: any gzip reader, line by line. */
static inline void spool_rig_read_file(struct spool_rig_lines *lines, const char *path)
{
	gzFile file = gzopen(path, "rb");
	char line[2 * LOG_LINE_MAX];
	uint64_t last = UINT64_MAX;

	assert_non_null(file);
	while (gzgets(file, line, sizeof(line)) != NULL) {
		assert_int_equal(line[strlen(line) - 1], '\n');
		spool_rig_note_line(lines, line, &last);
	}
	assert_int_equal(gzclose(file), Z_OK); /* Z_BUF_ERROR: it ends in the middle */
}

/* Read all log files of the spool, open ones too. The caller frees seen. */
static inline struct spool_rig_lines spool_rig_read(const struct spool_rig *rig)
{
	struct spool_rig_lines lines = {.room = rig->put + 1, .in_order = true};
	DIR *spool = opendir(rig->spool_dir), *place;
	const struct dirent *dir, *file;
	char path[1024];

	lines.seen = calloc(lines.room, 1);
	assert_non_null(lines.seen);
	assert_non_null(spool);
	while ((dir = readdir(spool)) != NULL) {
		snprintf(path, sizeof(path), "%s/%s", rig->spool_dir, dir->d_name);
		place = dir->d_name[0] == '.' ? NULL : opendir(path);
		while (place != NULL && (file = readdir(place)) != NULL) {
			if (file->d_name[0] == '.' || strncmp(file->d_name, "place", 5) == 0)
				continue;
			snprintf(path, sizeof(path), "%s/%s/%s", rig->spool_dir, dir->d_name,
				 file->d_name);
			spool_rig_read_file(&lines, path);
		}
		if (place != NULL)
			closedir(place);
	}
	closedir(spool);
	return lines;
}

/* Each record put is in the spool exactly once. */
static inline void spool_rig_assert_all(const struct spool_rig *rig)
{
	struct spool_rig_lines lines = spool_rig_read(rig);

	for (uint64_t i = 0; i < rig->put; i++) {
		if (lines.seen[i] != 1)
			fail_msg("record %llu of %llu is there %u times", (unsigned long long)i,
				 (unsigned long long)rig->put, lines.seen[i]);
	}
	assert_true(lines.in_order);
	free(lines.seen);
}

#define SPOOL_TEST(f) cmocka_unit_test_setup_teardown(f, spool_rig_setup, spool_rig_teardown)

#endif
