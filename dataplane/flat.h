/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Flat: the core compiled for user space, over tables in flat memory. Unit and
 * parity tests, the memory engine and poll-mode workers run packets through it;
 * a process that maps the tables of the kernel reads and fills them with it.
 *
 * struct sl_tables is one thread's view: a worker has a copy with its own cpu,
 * scratch and clock; the memory behind it is shared.
 */
#ifndef SLUICE_FLAT_H
#define SLUICE_FLAT_H

#include <stddef.h>

struct sl_tables;
typedef struct sl_tables *sl_tables_t;

/* A packet and the room around it. */
typedef struct {
	unsigned char *data, *end;
	unsigned char *room, *room_end;
} sl_frame_t;

#include "core/engine_api.h"

struct sl_tables {
	struct sl_config *config;
	struct sl_homes *homes[2]; /* IPv4, IPv6 */
	struct sl_bucket *buckets[2];
	unsigned char *lines[2];
	struct sl_flow_cold *cold[2];
	struct sl_flow_pool *pools;
	struct sl_fragment *fragments;
	struct sl_bucket *vip_buckets;
	struct sl_vip *vips;
	struct sl_listener *listeners;
	struct sl_group *groups;
	struct sl_target *targets;
	struct sl_port *ports;
	struct sl_zone *zones;
	struct sl_maglev_chunk *maglev;
	__u64 *cursors;
	struct sl_listener_counters *listener_counts;
	struct sl_target_counters *target_counts;
	struct sl_cpu_counters *cpu_counts;

	/* of this thread */
	__u32 cpu; /* set by tables_count_on(), with the two below */
	struct sl_listener_counters *own_listener_counts;
	struct sl_target_counters *own_target_counts;
	__u64 now_ns; /* CLOCK_MONOTONIC, set by the thread before it handles packets */
	struct sl_scratch *scratch;
	struct sl_flow_record record;
	void (*flow_ended)(void *context, const struct sl_flow_record *record);
	void *context;
};

/* The tables are there: spares callers the look whether a record in range is NULL. */
#define SL_THERE(record)                       \
	({                                     \
		__typeof__(record) r_ = (record); \
		if (r_ == NULL)                \
			__builtin_unreachable(); \
		r_;                            \
	})

#define SL_FLAT_ACCESSOR(type, name, member, count)           \
	SL_INLINE type *name(sl_tables_t t, __u32 number)     \
	{                                                     \
		return number < (count) ? SL_THERE((type *)&t->member[number]) : NULL; \
	}
SL_FLAT_ACCESSOR(struct sl_fragment, sl_fragment, fragments, SL_FRAGMENTS)
SL_FLAT_ACCESSOR(struct sl_bucket, sl_vip_bucket, vip_buckets, t->config->vip_buckets)
SL_FLAT_ACCESSOR(struct sl_vip, sl_vip, vips, t->config->max_vips)
SL_FLAT_ACCESSOR(struct sl_listener, sl_listener, listeners, SL_MAX_LISTENERS)
SL_FLAT_ACCESSOR(struct sl_group, sl_group, groups, SL_MAX_GROUPS)
SL_FLAT_ACCESSOR(struct sl_target, sl_target, targets, t->config->max_targets)
SL_FLAT_ACCESSOR(struct sl_port, sl_port, ports, SL_MAX_PORTS)
SL_FLAT_ACCESSOR(struct sl_zone, sl_zone, zones, SL_MAX_ZONES)
SL_FLAT_ACCESSOR(struct sl_maglev_chunk, sl_maglev_chunk, maglev, t->config->maglev_chunks)
SL_FLAT_ACCESSOR(__u32, sl_snat_cursor, cursors, t->config->max_targets)

SL_INLINE const struct sl_config *sl_config(sl_tables_t t)
{
	return t->config;
}

SL_INLINE struct sl_homes *sl_homes(sl_tables_t t, bool v6, __u32 number)
{
	return number * SL_HOMES < t->config->family[v6].buckets ?
		       SL_THERE(&t->homes[v6][number]) :
		       NULL;
}

SL_INLINE struct sl_bucket *sl_bucket(sl_tables_t t, bool v6, __u32 number)
{
	return number < t->config->family[v6].buckets ? SL_THERE(&t->buckets[v6][number]) : NULL;
}

SL_INLINE struct sl_flow_line *sl_line(sl_tables_t t, bool v6, __u32 number)
{
	if (number / 2 > t->config->family[v6].flows)
		return NULL;
	return (struct sl_flow_line *)SL_THERE(
		t->lines[v6] + (size_t)number * (v6 ? SL_LINE_BYTES_V6 : SL_LINE_BYTES_V4));
}

SL_INLINE struct sl_flow_cold *sl_cold(sl_tables_t t, bool v6, __u32 flow)
{
	return flow <= t->config->family[v6].flows ? &t->cold[v6][flow] : NULL;
}

SL_INLINE struct sl_flow_pool *sl_pool(sl_tables_t t, bool v6)
{
	return &t->pools[v6];
}

SL_INLINE struct sl_listener_counters *sl_count_listener(sl_tables_t t, __u32 number)
{
	return number < SL_MAX_LISTENERS ? SL_THERE(&t->own_listener_counts[number]) : NULL;
}

SL_INLINE struct sl_target_counters *sl_count_target(sl_tables_t t, __u32 number)
{
	return number < t->config->max_targets ? SL_THERE(&t->own_target_counts[number]) : NULL;
}

SL_INLINE struct sl_cpu_counters *sl_count_cpu(sl_tables_t t)
{
	return &t->cpu_counts[t->cpu];
}

SL_INLINE struct sl_flow_record *sl_record_open(sl_tables_t t)
{
	return t->flow_ended != NULL ? &t->record : NULL;
}

SL_INLINE void sl_record_close(sl_tables_t t, struct sl_flow_record *record)
{
	t->flow_ended(t->context, record);
}

SL_INLINE __u64 sl_now_ns(sl_tables_t t)
{
	return t->now_ns;
}

SL_INLINE __u32 sl_now_ticks(sl_tables_t t)
{
	return (__u32)(t->now_ns >> SL_TICK_SHIFT);
}

SL_INLINE struct sl_scratch *sl_scratch(sl_tables_t t)
{
	return t->scratch;
}

SL_INLINE void *sl_frame_data(sl_frame_t *frame)
{
	return frame->data;
}

SL_INLINE void *sl_frame_end(sl_frame_t *frame)
{
	return frame->end;
}

SL_INLINE int sl_frame_resize(sl_frame_t *frame, int head, int tail)
{
	if (head < frame->room - frame->data || tail > frame->room_end - frame->end ||
	    frame->end + tail < frame->data + head + (int)sizeof(struct sl_eth))
		return -1;
	frame->data += head;
	frame->end += tail;
	return 0;
}

#include "core/forward.h"

#endif
