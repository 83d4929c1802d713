/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Listeners: control's side of the listeners in the tables: numbers, staging,
 * and the address table's entries that lead packets to them. One thread.
 */
#ifndef SLUICE_LISTENERS_H
#define SLUICE_LISTENERS_H

#include "engine.h"
#include "flat.h"
#include "groups.h"
#include "vip_table.h"

struct listeners;

/** Everything is borrowed and outlives the listeners. Returns 0 or -ENOMEM. */
int listeners_open(struct sl_tables *tables, struct vip_table *vips, const struct groups *groups,
		   struct listeners **ret_listeners);
void listeners_close(struct listeners *listeners); /* the tables stay; NULL is fine */

/* As in engine.h. */
int listeners_put(struct listeners *listeners, uint64_t id, const struct engine_listener *listener);
int listeners_remove(struct listeners *listeners, uint64_t id);
int listeners_commit(struct listeners *listeners, uint64_t now_ns);
void listeners_reconcile_begin(struct listeners *listeners);
void listeners_reconcile_end(struct listeners *listeners);
int listeners_counters(const struct listeners *listeners, uint64_t id,
		       struct engine_counters *ret_counters);

/** Give numbers back that no flow names any more. Call about once a second. */
void listeners_tidy(struct listeners *listeners, uint64_t now_ns);

/** How many listeners there are, and the flows (live and lingering) of each family. */
void listeners_count(const struct listeners *listeners, uint32_t *ret_listeners,
		     uint64_t *ret_flows4, uint64_t *ret_flows6);

#endif
