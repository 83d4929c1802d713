/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages between sluiced and sluice-logs, each one packet of a
 * SOCK_SEQPACKET socket pair. Flow records do not come this way: record_queue.h.
 *
 * sluiced begins with its settings, then says which load balancers log where;
 * sluice-logs answers tests of buckets and tells what an operator must know.
 * Both ends are of one build on one machine, so numbers are in host order, but
 * neither trusts the other: what arrives goes through logs_messages_decode().
 */
#ifndef SLUICE_LOGS_MESSAGES_H
#define SLUICE_LOGS_MESSAGES_H

#include "control/logs/s3_settings.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOGS_NAME_MAX 63
#define LOGS_BUCKET_MAX 63  /* S3's own limits: a bucket's name … */
#define LOGS_PREFIX_MAX 640 /* … and a key of 1,024 bytes, of which the rest is ours */
#define LOGS_PATH_MAX 1023
#define LOGS_TEXT_MAX 511
#define LOGS_MAX_ZONES 8
#define LOGS_INTERVAL_MIN_S 1
#define LOGS_INTERVAL_MAX_S 3600

enum logs_message_type {
	LOGS_SETTINGS = 1, /* to sluice-logs, first and once */
	LOGS_PUT,	   /* to sluice-logs: a load balancer's logs go there from now on */
	LOGS_REMOVE,	   /* to sluice-logs: no more records of it will follow */
	LOGS_TEST,	   /* to sluice-logs: try to write to a bucket */
	LOGS_READY,	   /* from sluice-logs: the spool is open, records are taken */
	LOGS_TESTED,	   /* from sluice-logs: the answer to LOGS_TEST */
	LOGS_FAILED,	   /* from sluice-logs: an upload failed, and will be tried again */
	LOGS_WARNING,	   /* from sluice-logs: for the log and the watching operators */
};

struct logs_settings {
	char account_id[12 + 4]; /* 12 digits */
	char region[LOGS_NAME_MAX + 1];
	char spool_dir[LOGS_PATH_MAX + 1];
	uint64_t spool_bytes_max; /* above it the oldest files go */
	uint64_t file_bytes_max;  /* of one object: a new one is begun above it */
	uint32_t interval_s;	  /* a file holds the records of one interval, at most */
	uint32_t expiration_days; /* lb_access_logs_expiration_days; 0: none */
	char zones[LOGS_MAX_ZONES][LOGS_NAME_MAX + 1]; /* names, by place in the config */
	struct s3_settings s3;
};

struct logs_destination {
	uint64_t load_balancer_id;
	char load_balancer[LOGS_NAME_MAX + 1]; /* name */
	char bucket[LOGS_BUCKET_MAX + 1];
	char prefix[LOGS_PREFIX_MAX + 8]; /* may be empty */
};

struct logs_test {
	uint64_t id; /* of this test; given back */
	struct logs_destination destination;
};

struct logs_tested {
	uint64_t id;
	int64_t result; /* 0, or -EACCES: the bucket refused, or another negative errno */
	char text[LOGS_TEXT_MAX + 1];
};

struct logs_text {
	char text[LOGS_TEXT_MAX + 1];
};

struct logs_message {
	uint32_t type;	   /* enum logs_message_type */
	uint32_t reserved; /* 0 */
	union {
		struct logs_settings settings;
		struct logs_destination destination; /* LOGS_PUT, LOGS_REMOVE */
		struct logs_test test;
		struct logs_tested tested;
		struct logs_text text; /* LOGS_FAILED, LOGS_WARNING */
	};
};

/** Bytes of a message of this type, 0 when there is no such type. */
size_t logs_messages_size(uint32_t type);

/**
 * Take a message from what one recv() gave: length, type, direction, and that
 * texts end are checked, and what would make the
 * receiver write somewhere else.
 *
 * @from_logs  which end sent it
 *
 * Returns 0 with *ret_message filled, or -EBADMSG.
 */
int logs_messages_decode(const void *bytes, size_t len, bool from_logs,
			 struct logs_message *ret_message);

#endif
