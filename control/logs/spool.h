/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Spool: access logs on disk, from the record queue to the moment they are in
 * S3. Nothing in it is lost with a process; a power cut takes at most what came
 * within the last SPOOL_SYNC_MS.
 *
 *   SPOOL/lock                       held by the one sluice-logs
 *   SPOOL/ID-HASH/                   a place: one load balancer, bucket and prefix
 *     place.json                     which, and how its objects are named
 *     open.END                       gzip members, until END (s since 1970)
 *     YYYYMMDD.NAME                  finished: day and name make its key for good
 *
 * Records leave the queue when their lines are in a file. Each member says which
 * records it holds, so that those a crash left in both are not written twice.
 *
 * Threading: one thread, which also waits for the disk.
 */
#ifndef SLUICE_SPOOL_H
#define SLUICE_SPOOL_H

#include "control/logs/logs_messages.h"
#include "control/logs/record_queue.h"
#include "control/logs/uploader.h"

#define SPOOL_ERROR_MAX 512
#define SPOOL_WRITE_MS 1000  /* lines wait that long to be compressed together, at most */
#define SPOOL_SYNC_MS 2000   /* and members to be on the disk for sure */
#define SPOOL_TAKE_MAX 65536 /* records of one spool_take() */

struct spool;

struct spool_events {
	void *context;
	/** A file is finished, or was found finished at the start: upload it. It is the spool's,
	 *  until spool_stored(). */
	void (*finished)(void *context, struct upload *upload);
	/** A finished file has to go, stored or not: forget it. */
	void (*dropped)(void *context, struct upload *upload);
	/** An operator must know. */
	void (*warn)(void *context, const char *text);
};

/**
 * Open a spool and repair what a crash left. The directory must be there and the queue
 * attached; both outlive the spool. Calls events.finished for what is to be uploaded.
 *
 * Returns 0, -EBUSY (another process has it), or what the system said; with a sentence.
 */
int spool_open(const struct logs_settings *settings, struct record_queue *queue,
	       const struct spool_events *events, struct spool **ret_spool,
	       char error[SPOOL_ERROR_MAX]);

/** Write out what was taken; NULL is fine. Files stay. */
void spool_close(struct spool *spool);

/** The logs of a load balancer go there from now on. Returns 0 or -ENOMEM. */
int spool_put(struct spool *spool, const struct logs_destination *destination);
/** No more records of it will come. */
void spool_remove(struct spool *spool, uint64_t load_balancer_id);

/**
 * Take records from the queue, write what is due, finish files whose time is over, and keep to
 * the limit of the spool.
 *
 * @end     take records before this number: read before the puts and removes that go with them
 * @now_ms  CLOCK_REALTIME; steps of the clock end a file early
 *
 * Returns how many records it took. Fewer than there are, when the disk is full or broken: the
 * warning says so, and the queue keeps them.
 */
unsigned int spool_take(struct spool *spool, uint64_t end, int64_t now_ms);

/** A file is in S3: remove it, and free the upload. */
void spool_stored(struct spool *spool, struct upload *upload);

#endif
