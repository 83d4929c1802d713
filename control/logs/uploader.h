/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Uploader: brings finished files from the spool to S3, and tries until they
 * are there. It never gives up a file by itself, and a file has one bucket and
 * one key for all its life, so an object exists once however often it is sent.
 *
 * Files of a bucket go in the order in which they were added, several at once.
 * After a failure the bucket is tried with one file at a time, after pauses that
 * double, with jitter; other buckets do not wait for it.
 *
 * Threading: all in the thread of the loop; nothing here waits.
 */
#ifndef SLUICE_UPLOADER_H
#define SLUICE_UPLOADER_H

#include "control/logs/s3_settings.h"

#include <stdint.h>
#include <uv.h>

#define UPLOADER_TEXT_MAX 512 /* bytes of a sentence, with its NUL */

struct uploader;

/* A finished file: never written again. Owned by who adds it. */
struct upload {
	const char *path;	  /* absolute */
	const char *bucket, *key; /* key as S3 has it: not percent-encoded */
	uint64_t bytes;
	/* the uploader's while it has the file */
	struct upload *prev, *next;
	struct uploader_bucket *to;
	struct transfer *transfer; /* NULL while it waits */
	uint64_t place;		   /* in the order of sending */
};

struct uploader_events {
	void *context;
	/** The object is in S3; the uploader has forgotten the file, which may be freed. */
	void (*stored)(void *context, struct upload *upload);
	/** A try failed and another will follow: a sentence with bucket, key and reason. */
	void (*failed)(void *context, const char *text);
	/** An operator must know: the clock is wrong, a bucket has no lifecycle rules, … */
	void (*warn)(void *context, const char *text);
	/** The answer to uploader_test(): 0, or a negative errno (-EACCES: refused by the
	 *  bucket) with a sentence. */
	void (*tested)(void *context, uint64_t id, int result, const char *text);
};

/** Begin. Settings are copied. Returns 0, -EINVAL, -ENOMEM, with a sentence in @error. */
int uploader_open(uv_loop_t *loop, const struct s3_settings *settings,
		  const struct uploader_events *events, struct uploader **ret_uploader,
		  char error[UPLOADER_TEXT_MAX]);
/** Stop what runs; files stay as they are. To be called before the loop's last run, which
 *  frees it; NULL is fine. */
void uploader_close(struct uploader *uploader);

/** Send a file; those added first go first. Returns 0, or -ENOMEM: the file was not added. */
int uploader_add(struct uploader *uploader, struct upload *upload);
/** Let go of a file that was added and is not stored yet, whatever is under way with it. */
void uploader_forget(struct upload *upload);

/**
 * Write the object that ModifyLoadBalancerAttributes tests a bucket with (reference: an
 * ELBAccessLogTestFile). uploader_events.tested gets @id within UPLOADER_TEST_TIMEOUT_MS.
 * Returns 0 or -ENOMEM.
 */
#define UPLOADER_TEST_TIMEOUT_MS 5000
int uploader_test(struct uploader *uploader, uint64_t id, const char *bucket, const char *key,
		  const char *body);

/** Have the server delete objects below @prefix after so many days; 0: no longer. A server that
 *  cannot is told of by uploader_events.warn. Returns 0 or -ENOMEM. */
int uploader_expire(struct uploader *uploader, const char *bucket, const char *prefix,
		    uint32_t days);

/** The pause after so many failures in a row (1 and more): between a half and the whole of
 *  what doubling gives, as @random (any number) says. */
uint32_t uploader_pause_ms(unsigned int failures, uint32_t retry_max_ms, uint32_t random);

struct uploader_counters {
	uint64_t stored;   /* objects */
	uint64_t bytes;	   /* of them */
	uint64_t failures; /* tries that failed */
};
void uploader_counters(const struct uploader *uploader, struct uploader_counters *ret_counters);

#endif
