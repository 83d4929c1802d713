/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Segment: the log file that lines are being written to. Lines collect in
 * memory and go to the file as a gzip member; what is not in the file yet is
 * still in the record queue, so nothing is lost with the process.
 */
#ifndef SLUICE_SEGMENT_H
#define SLUICE_SEGMENT_H

#include "control/logs/gzip_member.h"
#include "control/logs/log_line.h"

#include <stdbool.h>

struct segment {
	int fd;		  /* -1: no file yet */
	int64_t end_s;	  /* of the interval, since 1970 */
	uint64_t bytes;	  /* of whole members */
	uint64_t records; /* in them */
	int64_t began_ms;
	bool unsynced;
	/* what is not in the file yet */
	char *text; /* GZIP_MEMBER_TEXT_MAX bytes; NULL before the first line */
	size_t text_bytes;
	uint32_t text_records;
	uint64_t text_last; /* number of the newest record */
};

void segment_init(struct segment *segment);
/** Close the file and free the text; it can be used again. */
void segment_reset(struct segment *segment);

/** Whether a line more fits the text; if not, write it out first. */
bool segment_has_room(const struct segment *segment);

/** Add a line. There must be room. Returns 0 or -ENOMEM. */
int segment_add(struct segment *segment, struct log_line *formatter, const struct record *record,
		uint64_t number, const char *load_balancer);

/**
 * Write the text to the file as one member.
 *
 * Returns 0, also when there is none; or what write() said (-ENOSPC, -EIO),
 * and then the file is as it was and the text is kept.
 */
int segment_write(struct segment *segment, struct gzip_compressor *compressor, uint64_t queue_id);

struct segment_content {
	uint64_t bytes, records; /* of good members */
	uint64_t cut_bytes;	 /* behind them */
	uint64_t cut_records;	 /* as far as headers tell */
	bool has_last;		 /* a member is of the queue that was asked for */
	uint64_t last_record;	 /* of that queue */
};

/**
 * Look at a file that an earlier process wrote, and cut off what is behind its
 * last good member.
 *
 * @whole  check the text of each member too; else headers only, unless they are wrong
 *
 * Returns 0 or a negative errno.
 */
int segment_repair(int fd, bool whole, uint64_t queue_id, struct segment_content *ret_content);

#endif
