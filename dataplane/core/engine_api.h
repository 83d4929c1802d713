/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * What the core needs of an engine. An engine defines sl_tables_t (its handle
 * of the tables) and sl_frame_t (a packet in its hands), includes this, and
 * defines each function: bpf/maps.h for the kernel, dataplane/flat.h for flat
 * memory. Accessors return NULL for a number out of range.
 */
#ifndef SL_ENGINE_API_H
#define SL_ENGINE_API_H

#include "tables.h"

struct sl_scratch;

SL_INLINE const struct sl_config *sl_config(sl_tables_t t);
SL_INLINE struct sl_homes *sl_homes(sl_tables_t t, bool v6, __u32 number);
SL_INLINE struct sl_bucket *sl_bucket(sl_tables_t t, bool v6, __u32 number);
SL_INLINE struct sl_flow_line *sl_line(sl_tables_t t, bool v6, __u32 number);
SL_INLINE struct sl_flow_cold *sl_cold(sl_tables_t t, bool v6, __u32 flow);
SL_INLINE struct sl_flow_pool *sl_pool(sl_tables_t t, bool v6);
SL_INLINE struct sl_fragment *sl_fragment(sl_tables_t t, __u32 number);
SL_INLINE struct sl_bucket *sl_vip_bucket(sl_tables_t t, __u32 number);
SL_INLINE struct sl_vip *sl_vip(sl_tables_t t, __u32 number);
SL_INLINE struct sl_listener *sl_listener(sl_tables_t t, __u32 number);
SL_INLINE struct sl_group *sl_group(sl_tables_t t, __u32 number);
SL_INLINE struct sl_target *sl_target(sl_tables_t t, __u32 number);
SL_INLINE struct sl_port *sl_port(sl_tables_t t, __u32 number);
SL_INLINE struct sl_zone *sl_zone(sl_tables_t t, __u32 number);
SL_INLINE struct sl_maglev_chunk *sl_maglev_chunk(sl_tables_t t, __u32 number);
/** Where the search for a SNAT port towards a target goes on. */
SL_INLINE __u32 *sl_snat_cursor(sl_tables_t t, __u32 target);
/** Counters of the CPU that runs this. */
SL_INLINE struct sl_listener_counters *sl_count_listener(sl_tables_t t, __u32 number);
SL_INLINE struct sl_target_counters *sl_count_target(sl_tables_t t, __u32 number);
SL_INLINE struct sl_cpu_counters *sl_count_cpu(sl_tables_t t);

/** A record to fill and hand over to user space; NULL when there is no room. */
SL_INLINE struct sl_flow_record *sl_record_open(sl_tables_t t);
SL_INLINE void sl_record_close(sl_tables_t t, struct sl_flow_record *record);

/** CLOCK_MONOTONIC, precise; and in ticks, for which a few ms of resolution are enough. */
SL_INLINE __u64 sl_now_ns(sl_tables_t t);
SL_INLINE __u32 sl_now_ticks(sl_tables_t t);

/** Room of the CPU that runs this, for what would not fit on the kernel's 512-byte stack. */
SL_INLINE struct sl_scratch *sl_scratch(sl_tables_t t);

SL_INLINE void *sl_frame_data(sl_frame_t *frame);
SL_INLINE void *sl_frame_end(sl_frame_t *frame);
/**
 * Move the start of the packet by @head bytes and its end by @tail (positive:
 * towards higher addresses). Pointers into the packet are void afterwards.
 * Returns 0 or a negative number when there is no room.
 */
SL_INLINE int sl_frame_resize(sl_frame_t *frame, int head, int tail);

SL_INLINE void sl_count_drop(sl_tables_t t, enum sl_drop reason)
{
	struct sl_cpu_counters *counters = sl_count_cpu(t);

	if (counters != NULL && reason < SL_DROP_COUNT)
		counters->drops[reason]++;
}

#endif
