/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Access-log table: whose flows are logged, by listener, and the names of their
 * target groups. Follows the model, but remembers what was deleted, for flows
 * outlive their listener; and knows what sluice-logs was told.
 */
#ifndef SLUICE_ACCESS_LOGS_TABLE_H
#define SLUICE_ACCESS_LOGS_TABLE_H

#include "control/logs/logs_messages.h"
#include "control/logs/record_queue.h"

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#define ACCESS_LOGS_TABLE_MAX 16384 /* listeners or groups; above it deleted ones are forgotten */

struct model;

struct access_logs_listener {
	uint64_t id, load_balancer_id;
	UT_hash_handle hh;
};

struct access_logs_group;
struct access_logs_place;

struct access_logs_table {
	struct access_logs_place *places; /* where the logs of a load balancer go */
	struct access_logs_listener *listeners;
	struct access_logs_group *groups;
};

/** Take over what the model says now. */
void access_logs_table_sync(struct access_logs_table *table, const struct model *model);
void access_logs_table_clear(struct access_logs_table *table);

/** Whether nobody's flows are logged. */
bool access_logs_table_is_empty(const struct access_logs_table *table);

/** The listener, if its flows are logged; else NULL. */
const struct access_logs_listener *access_logs_table_listener(const struct access_logs_table *table,
							      uint64_t id);

/** Write the group's name; "" when it is not known. */
void access_logs_table_group(const struct access_logs_table *table, uint64_t id,
			     char name[RECORD_GROUP_MAX]);

/**
 * Call @send for what changed since it was called last: LOGS_PUT and LOGS_REMOVE. Stops at its
 * first error, and goes on there the next time. Returns 0 or that error.
 */
int access_logs_table_tell(struct access_logs_table *table,
			   int (*send)(void *context, enum logs_message_type type,
				       const struct logs_destination *destination),
			   void *context);
/** Who was told is another now: all is told again. */
void access_logs_table_forget_told(struct access_logs_table *table);

#endif
