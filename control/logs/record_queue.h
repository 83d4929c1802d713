/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Record queue: how flow records get from sluiced to sluice-logs. Memory that
 * both map, a file on a tmpfs, so that what is in it outlives either process.
 *
 * One writer, one reader, no lock and no system call. A record stays in the
 * queue until the reader says that it is in the spool (record_queue_release());
 * when the queue is full the writer drops the newest, and counts it. Records
 * are numbered from 0 on for the life of the file, and the file has an id, so
 * that the reader can tell after a crash which ones it had stored already.
 *
 * Neither side trusts the other: numbers out of range lose records, not memory.
 */
#ifndef SLUICE_RECORD_QUEUE_H
#define SLUICE_RECORD_QUEUE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#define RECORD_QUEUE_RECORDS 131072 /* a power of two; 0.25 s at 500,000 records a second */
#define RECORD_QUEUE_ERROR_MAX 256
#define RECORD_GROUP_MAX 33 /* bytes of a target group's name with its NUL */

/* State of the target when the flow began; NONE: there was none, the flow was refused. */
enum record_start { RECORD_START_NONE, RECORD_START_HEALTHY, RECORD_START_FAILOPEN };

/* A flow that ended or was refused. Addresses are in the form of address.h; target, nat and
 * group are zero where there were none. */
struct record {
	uint64_t load_balancer_id, listener_id, group_id;
	uint64_t start_us, end_us; /* since 1970, of one clock: their difference is exact */
	uint64_t client_bytes, client_packets, target_bytes, target_packets;
	struct in6_addr client, vip, nat, target;
	uint16_t client_port, vip_port, nat_port, target_port;
	uint32_t connect_us; /* 0: the target never answered */
	uint8_t protocol;    /* IPPROTO_TCP or IPPROTO_UDP */
	uint8_t reason;	     /* enum engine_close_reason */
	uint8_t start;	     /* enum record_start */
	uint8_t zone;	     /* by place in the config */
	char group[RECORD_GROUP_MAX];
	uint8_t reserved[7];
};
_Static_assert(sizeof(struct record) == 192, "shared memory");

/* Why a record is not in the log, or not any more. The names are for DescribeAccessLogs. */
#define RECORD_DROPS(X)                                                                          \
	X(QUEUE_FULL, "queue_full", "sluice-logs is away, or cannot write to the spool")         \
	X(UNKNOWN_LISTENER, "unknown_listener", "the listener was deleted before sluiced began") \
	X(NO_DESTINATION, "no_destination", "its load balancer went while sluice-logs was away") \
	X(SPOOL_FULL, "spool_full", "the spool was at its limit; the oldest files went")         \
	X(DISK_FULL, "disk_full", "the disk of the spool was full; the oldest files went")       \
	X(DAMAGED, "damaged", "a file in the spool was damaged behind its last good block")

enum record_drop {
#define X(symbol, name, text) RECORD_DROP_##symbol,
	RECORD_DROPS(X)
#undef X
		RECORD_DROP_COUNT
};

/* Counters in the queue's memory: they outlive both processes, too. */
struct record_counters {
	_Alignas(64) uint64_t dropped_by_writer[RECORD_DROP_COUNT];
	_Alignas(64) uint64_t dropped_by_reader[RECORD_DROP_COUNT];
	uint64_t records;	/* written to the spool */
	uint64_t spooled_bytes; /* in it now */
	uint64_t spooled_files;
	uint64_t oldest_unsent_ms; /* since 1970, when the oldest file was begun; 0: none */
	uint64_t uploads, upload_bytes, upload_failures;
};

struct record_queue;

/**
 * For sluiced: make the queue at @path, or take over the one that is there with what it holds.
 *
 * @records  room, a power of two; a file of another size is made anew when it is empty
 *
 * Returns 0, -EBUSY (another process writes to it), -EEXIST (a file that is no queue, or one of
 * another version with records in it), or what the system said; with a sentence in @error.
 */
int record_queue_open(const char *path, uint32_t records, struct record_queue **ret_queue,
		      char error[RECORD_QUEUE_ERROR_MAX]);

/** For sluice-logs: use the queue that was inherited. Returns 0, -EBADMSG or an errno; the
 *  descriptor stays the caller's. */
int record_queue_attach(int fd, struct record_queue **ret_queue);

void record_queue_close(struct record_queue *queue); /* NULL is fine */

/** To hand on to the reader; stays the queue's. */
int record_queue_fd(const struct record_queue *queue);

/** Writer: append a copy. Returns false when the queue is full; that is counted. */
bool record_queue_put(struct record_queue *queue, const struct record *record);

/** Reader: number behind the newest record, and of the first one not released. */
uint64_t record_queue_end(const struct record_queue *queue);
uint64_t record_queue_begin(const struct record_queue *queue);
/** Reader: a record between these two; valid until it is released. */
const struct record *record_queue_at(const struct record_queue *queue, uint64_t number);
/** Reader: all before @number are in the spool. */
void record_queue_release(struct record_queue *queue, uint64_t number);

uint64_t record_queue_id(const struct record_queue *queue);
uint32_t record_queue_room(const struct record_queue *queue);

/** Both read them all; each changes its own only. */
struct record_counters *record_queue_counters(struct record_queue *queue);

/** "queue_full"; and a sentence. */
const char *record_drop_name(enum record_drop reason);
const char *record_drop_text(enum record_drop reason);

#endif
