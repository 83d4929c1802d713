/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Place: the directory in the spool of one load balancer, bucket and prefix,
 * with the segment that is open in it. See spool.h for what the files are.
 */
#ifndef SLUICE_PLACE_H
#define SLUICE_PLACE_H

#include "control/logs/log_object.h"
#include "control/logs/segment.h"
#include "control/logs/uploader.h"

#include <sys/queue.h>
#include <uthash.h>

#define PLACE_OPEN_PREFIX "open."
#define PLACE_DIR_MAX 34 /* "ID-HASH", 16 hex digits each */

struct place {
	char dir[PLACE_DIR_MAX];
	uint64_t load_balancer_id;
	char load_balancer[LOGS_NAME_MAX + 1]; /* name */
	char bucket[LOGS_BUCKET_MAX + 1];
	char folder[LOG_OBJECT_FOLDER_MAX];
	char stem[LOG_OBJECT_STEM_MAX];
	int dir_fd;	/* -1: not made yet */
	bool current;	/* records go there ... */
	uint64_t until; /* ... before this number */
	bool has_last;	/* an earlier process stored records of the queue that is in use ... */
	uint64_t last_record; /* ... up to this one */
	struct segment segment;
	unsigned int files; /* finished ones */
	UT_hash_handle hh;  /* by dir */
};

struct spool_file {	      /* a finished file */
	struct upload upload; /* first: they are the same to the uploader and the spool */
	struct place *place;
	const char *name; /* within upload.path */
	uint64_t records;
	int64_t began_ms;
	TAILQ_ENTRY(spool_file) link; /* in the spool, oldest first */
};

/** A place for a destination; nothing is written. NULL: out of memory. */
struct place *place_new(const struct logs_settings *settings,
			const struct logs_destination *destination);

/**
 * Read a place that is on disk.
 *
 * Returns 0, -EBADMSG when the directory is none, -ENOMEM, or what the system said.
 */
int place_load(int spool_fd, const char *dir, struct place **ret_place);

/** Close it; its text is lost, its files stay. NULL is fine. */
void place_free(struct place *place);

/** Make the directory and the segment's file, where they are missing. Returns 0 or an errno. */
int place_open_segment(struct place *place, int spool_fd, int64_t now_ms, uint32_t interval_s);

/** Go on with a segment that an earlier process left. Returns 0 or an errno. */
int place_adopt_segment(struct place *place, const char *name, uint64_t queue_id,
			uint32_t interval_s, struct segment_content *ret_content);

/** Note which records of the queue in use a file of the place holds. */
void place_note_last(struct place *place, const struct segment_content *content);

bool place_is_finished_name(const char *name);

/** An upload for a finished file in the place. NULL: no name of one, or out of memory. */
struct spool_file *place_file(struct place *place, const char *spool_dir, const char *name);
void place_free_file(struct spool_file *file);

/**
 * Finish the segment: on disk for sure, under its last name.
 *
 * Returns 0 with *ret_file NULL when it was empty, or an errno; then it is still open.
 */
int place_finish(struct place *place, const char *spool_dir, int64_t now_ms,
		 struct spool_file **ret_file);

/** Remove a finished file from the disk. */
void place_remove_file(const struct spool_file *file);

/** Remove the directory, which must have no log files. */
void place_remove(struct place *place, int spool_fd);

#endif
