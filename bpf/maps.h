/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * The tables as BPF maps, and the functions the core asks of an engine. Array
 * maps that can be mapped: the verifier turns a look-up into an address, user
 * space reads and writes without a system call. Sizes are set by the loader.
 */
#ifndef SL_BPF_MAPS_H
#define SL_BPF_MAPS_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

typedef unsigned int sl_tables_t; /* always 0: there is one set of tables */
typedef struct xdp_md sl_frame_t;

#include "dataplane/core/engine_api.h"

#define SL_TABLE(name, bytes)                              \
	struct {                                           \
		__uint(type, BPF_MAP_TYPE_ARRAY);          \
		__uint(map_flags, BPF_F_MMAPABLE);         \
		__uint(key_size, sizeof(__u32));           \
		__uint(value_size, bytes);                 \
		__uint(max_entries, 1);                    \
	} name SEC(".maps")

SL_TABLE(sl_saved_config, sizeof(struct sl_config)); /* for whoever takes the tables over */
SL_TABLE(sl_homes4, sizeof(struct sl_homes));
SL_TABLE(sl_homes6, sizeof(struct sl_homes));
SL_TABLE(sl_buckets4, sizeof(struct sl_bucket));
SL_TABLE(sl_buckets6, sizeof(struct sl_bucket));
SL_TABLE(sl_lines4, SL_LINE_BYTES_V4);
SL_TABLE(sl_lines6, SL_LINE_BYTES_V6);
SL_TABLE(sl_cold4, sizeof(struct sl_flow_cold));
SL_TABLE(sl_cold6, sizeof(struct sl_flow_cold));
SL_TABLE(sl_pools, sizeof(struct sl_flow_pool));
SL_TABLE(sl_fragments, sizeof(struct sl_fragment));
SL_TABLE(sl_vip_buckets, sizeof(struct sl_bucket));
SL_TABLE(sl_vips, sizeof(struct sl_vip));
SL_TABLE(sl_listeners, sizeof(struct sl_listener));
SL_TABLE(sl_groups, sizeof(struct sl_group));
SL_TABLE(sl_targets, sizeof(struct sl_target));
SL_TABLE(sl_ports, sizeof(struct sl_port));
SL_TABLE(sl_zones, sizeof(struct sl_zone));
SL_TABLE(sl_maglev, sizeof(struct sl_maglev_chunk));
SL_TABLE(sl_cursors, sizeof(__u64));
SL_TABLE(sl_listener_counts, sizeof(struct sl_listener_counters));
SL_TABLE(sl_target_counts, sizeof(struct sl_target_counters));
SL_TABLE(sl_cpu_counts, sizeof(struct sl_cpu_counters));

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} sl_records SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP); /* port number → interface */
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
	__uint(max_entries, SL_MAX_PORTS);
} sl_devices SEC(".maps");

/* A copy of sl_saved_config that the verifier knows to be constant. */
const volatile struct sl_config sl_constants;

/* Tests set the clock; in production the verifier removes the branch. */
const volatile __u8 sl_clock_is_set;
volatile __u64 sl_clock_ns;

#define SL_ACCESSOR(type, name, map)                                     \
	SL_INLINE type *name(sl_tables_t t, __u32 number)                \
	{                                                                \
		(void)t;                                                 \
		return bpf_map_lookup_elem(&map, &number);               \
	}
SL_ACCESSOR(struct sl_fragment, sl_fragment, sl_fragments)
SL_ACCESSOR(struct sl_bucket, sl_vip_bucket, sl_vip_buckets)
SL_ACCESSOR(struct sl_vip, sl_vip, sl_vips)
SL_ACCESSOR(struct sl_listener, sl_listener, sl_listeners)
SL_ACCESSOR(struct sl_group, sl_group, sl_groups)
SL_ACCESSOR(struct sl_target, sl_target, sl_targets)
SL_ACCESSOR(struct sl_port, sl_port, sl_ports)
SL_ACCESSOR(struct sl_zone, sl_zone, sl_zones)
SL_ACCESSOR(struct sl_maglev_chunk, sl_maglev_chunk, sl_maglev)
SL_ACCESSOR(__u32, sl_snat_cursor, sl_cursors)

#define SL_ACCESSOR_FAMILY(type, name, map4, map6)                           \
	SL_INLINE type *name(sl_tables_t t, bool v6, __u32 number)           \
	{                                                                    \
		(void)t;                                                     \
		return v6 ? (type *)bpf_map_lookup_elem(&map6, &number) :    \
			    (type *)bpf_map_lookup_elem(&map4, &number);     \
	}
SL_ACCESSOR_FAMILY(struct sl_homes, sl_homes, sl_homes4, sl_homes6)
SL_ACCESSOR_FAMILY(struct sl_bucket, sl_bucket, sl_buckets4, sl_buckets6)
SL_ACCESSOR_FAMILY(struct sl_flow_line, sl_line, sl_lines4, sl_lines6)
SL_ACCESSOR_FAMILY(struct sl_flow_cold, sl_cold, sl_cold4, sl_cold6)

SL_INLINE struct sl_flow_pool *sl_pool(sl_tables_t t, bool v6)
{
	__u32 number = v6;

	(void)t;
	return bpf_map_lookup_elem(&sl_pools, &number);
}

SL_INLINE const struct sl_config *sl_config(sl_tables_t t)
{
	const struct sl_config *config = (const struct sl_config *)&sl_constants;

	(void)t;
	__asm__("" : "+r"(config)); /* or the compiler would take the zeros for the values */
	return config;
}

SL_INLINE struct sl_listener_counters *sl_count_listener(sl_tables_t t, __u32 number)
{
	__u32 place = bpf_get_smp_processor_id() * SL_MAX_LISTENERS + number;

	(void)t;
	return bpf_map_lookup_elem(&sl_listener_counts, &place);
}

SL_INLINE struct sl_target_counters *sl_count_target(sl_tables_t t, __u32 number)
{
	__u32 place = bpf_get_smp_processor_id() * sl_constants.max_targets + number;

	(void)t;
	return bpf_map_lookup_elem(&sl_target_counts, &place);
}

SL_INLINE struct sl_cpu_counters *sl_count_cpu(sl_tables_t t)
{
	__u32 place = bpf_get_smp_processor_id();

	(void)t;
	return bpf_map_lookup_elem(&sl_cpu_counts, &place);
}

SL_INLINE struct sl_flow_record *sl_record_open(sl_tables_t t)
{
	(void)t;
	return bpf_ringbuf_reserve(&sl_records, sizeof(struct sl_flow_record), 0);
}

SL_INLINE void sl_record_close(sl_tables_t t, struct sl_flow_record *record)
{
	(void)t;
	bpf_ringbuf_submit(record, 0);
}

SL_INLINE __u64 sl_now_ns(sl_tables_t t)
{
	(void)t;
	return sl_clock_is_set ? sl_clock_ns : bpf_ktime_get_ns();
}

SL_INLINE __u32 sl_now_ticks(sl_tables_t t)
{
	(void)t;
	return (__u32)((sl_clock_is_set ? sl_clock_ns : bpf_ktime_get_coarse_ns()) >> SL_TICK_SHIFT);
}

SL_INLINE void *sl_frame_data(sl_frame_t *frame)
{
	return (void *)(long)frame->data;
}

SL_INLINE void *sl_frame_end(sl_frame_t *frame)
{
	return (void *)(long)frame->data_end;
}

SL_INLINE int sl_frame_resize(sl_frame_t *frame, int head, int tail)
{
	if (tail != 0 && bpf_xdp_adjust_tail(frame, tail) != 0)
		return -1;
	return head != 0 ? (int)bpf_xdp_adjust_head(frame, head) : 0;
}

#endif
