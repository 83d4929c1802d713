/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Access logs: sluiced's part. Flow records of load balancers whose logs are
 * enabled go into the record queue; sluice-logs, started here when the first
 * one is enabled (or when there is a spool with something in it), does the
 * rest. A record costs a copy into shared memory and never waits: what finds no
 * room is dropped and counted.
 *
 * Threading: all in the thread of the loop, which is not kept running.
 */
#ifndef SLUICE_ACCESS_LOGS_H
#define SLUICE_ACCESS_LOGS_H

#include "control/config.h"
#include "control/logs/logs_messages.h"

#include <jansson.h>
#include <uv.h>

struct access_logs;
struct model;

struct access_logs_events {
	void *context;
	/** One event for Watch clients. Borrowed. */
	void (*emit)(void *context, json_t *event);
};

/** Config, model and engine are borrowed. Returns 0 or -ENOMEM. */
int access_logs_open(uv_loop_t *loop, const struct config *config, const struct model *model,
		     const struct engine *engine, const struct access_logs_events *events,
		     struct access_logs **ret_logs);
/** Take no more records and end sluice-logs, which writes out what is queued; freed in the loop's
 *  next run. NULL is fine. */
void access_logs_close(struct access_logs *logs);

/** Put the record of a flow that ended or was refused into the queue, if its load balancer's
 *  logs are enabled. */
void access_logs_record(struct access_logs *logs, const struct engine_flow *flow);

/** The model may have changed: follow it. */
void access_logs_sync(struct access_logs *logs);

/**
 * The result of DescribeAccessLogs: {"Running", "Records", "QueuedRecords", "SpooledBytes",
 * "SpooledFiles", "OldestUnsentSeconds", "Uploads", "UploadedBytes", "UploadFailures",
 * "LastError", "LastErrorTime", "Dropped": [{"Reason", "Text", "Records"}]}. New reference;
 * NULL when out of memory.
 */
json_t *access_logs_report(const struct access_logs *logs);

/**
 * Try to write to a bucket, as a change of the attributes wants.
 *
 * @done  called later, once: 0, -EACCES when the bucket refuses, or another negative errno;
 *        with a sentence. Within ACCESS_LOGS_TEST_MS.
 *
 * Returns 0, or -ENOMEM and such, and then @done is not called.
 */
#define ACCESS_LOGS_TEST_MS 8000
int access_logs_test(struct access_logs *logs, const struct logs_destination *destination,
		     void (*done)(void *context, int result, const char *text), void *context);
/** Have @done of all tests with this context not called. */
void access_logs_forget(struct access_logs *logs, const void *context);

#endif
