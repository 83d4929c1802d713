/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Groups: control's side of the target groups and targets in the tables. Keeps
 * track of numbers, stages changes, and builds the Maglev tables when they are
 * committed. Numbers of groups and targets that left are used again only when
 * no flow names them any more.
 *
 * One thread. Tables that were taken over are read in by groups_open(); what
 * is not put again between groups_reconcile_begin() and
 * groups_reconcile_end() is removed.
 */
#ifndef SLUICE_GROUPS_H
#define SLUICE_GROUPS_H

#include "engine.h"
#include "flat.h"
#include "vip_table.h"

struct groups;

struct groups_callbacks {
	void *context;
	/** A first target of this address appears, and the last one is gone. watch() returns the
	 *  next hop as of now, SL_NEXT_HOP_NONE when it is not known yet. */
	uint64_t (*watch)(void *context, const struct in6_addr *address);
	void (*unwatch)(void *context, const struct in6_addr *address);
};

/** Everything is borrowed and outlives the groups. Returns 0 or -ENOMEM. */
int groups_open(struct sl_tables *tables, struct vip_table *vips,
		const struct groups_callbacks *callbacks, struct groups **ret_groups);
void groups_close(struct groups *groups); /* the tables stay as they are; NULL is fine */

/* As in engine.h. */
int groups_put(struct groups *groups, uint64_t id, const struct engine_group *group);
int groups_remove(struct groups *groups, uint64_t id);
int groups_target_put(struct groups *groups, uint64_t id, const struct engine_target *target);
int groups_target_remove(struct groups *groups, uint64_t id, const struct in6_addr *address,
			 uint16_t port, bool end_flows);
uint32_t groups_targets_free(const struct groups *groups);
/** All but removals, which groups_let_go() does: behind whatever makes packets stop using the
 *  groups. @now_ns: CLOCK_MONOTONIC */
int groups_commit(struct groups *groups, uint64_t now_ns);
void groups_let_go(struct groups *groups, uint64_t now_ns);
void groups_reconcile_begin(struct groups *groups);
void groups_reconcile_end(struct groups *groups);

/** Whether, since the last call, a target began to end its TCP flows; or did so when its table
 *  was taken over. */
bool groups_take_ending(struct groups *groups);

/** Give numbers back that no flow names any more. Call about once a second. */
void groups_tidy(struct groups *groups, uint64_t now_ns);

/** Number of a group in the tables, or -ENOENT. */
int groups_number(const struct groups *groups, uint64_t id);

/** The next hop of an address that is watched is now @hop. */
void groups_next_hop(struct groups *groups, const struct in6_addr *address, uint64_t hop);

int groups_counters(const struct groups *groups, uint64_t id, struct engine_counters *ret_counters);
int groups_target_counters(const struct groups *groups, uint64_t id, const struct in6_addr *address,
			   uint16_t port, struct engine_counters *ret_counters);

/** How many groups and targets there are, leaving ones not counted. */
void groups_count(const struct groups *groups, uint32_t *ret_groups, uint32_t *ret_targets);

#endif
