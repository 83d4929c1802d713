// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * Drivers and references of the datapath benchmark. BPF_PROG_TEST_RUN with a
 * repeat does not restore the packet between rounds, so a driver writes what
 * the program under test changes, for another flow each time, and tail-calls
 * that program. The same driver around `nothing` is what gets subtracted.
 */
#include "datapath.h"

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} under_test SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1); /* set by the loader */
	__type(key, struct datapath_key);
	__type(value, struct datapath_value);
} lru SEC(".maps");

struct datapath_plan plan;
__u64 window_ns[DATAPATH_WINDOWS]; /* CLOCK_MONOTONIC, at the begin of each */
__u64 lru_misses;

/* Whole words, although 14 bytes of Ethernet header leave them unaligned: the
 * driver should cost little. */
#define PUT32(field, value) (*(__u32 *)(void *)&(field) = (value))

static __always_inline void write_macs(struct sl_eth *eth)
{
	*(__u16 *)&eth->destination[0] = DATAPATH_MAC_WORD;
	*(__u16 *)&eth->destination[2] = 0;
	*(__u16 *)&eth->destination[4] = DATAPATH_OUR_MAC_WORD;
	*(__u16 *)&eth->source[0] = DATAPATH_MAC_WORD;
	*(__u16 *)&eth->source[2] = 0;
	*(__u16 *)&eth->source[4] = DATAPATH_PEER_MAC_WORD;
}

static __always_inline void next_packet(struct datapath_packet *packet)
{
	__u32 place = datapath_place(&plan, plan.next);
	__u32 from_target = place & plan.both_ways;

	if ((plan.next - plan.first) % DATAPATH_WINDOW == 0)
		window_ns[(plan.next - plan.first) / DATAPATH_WINDOW % DATAPATH_WINDOWS] =
			bpf_ktime_get_ns();
	plan.next++;
	datapath_packet(&plan, place >> (plan.both_ways & 31), from_target, packet);
}

SEC("xdp")
int drive4(struct xdp_md *frame)
{
	struct sl_eth *eth = (void *)(long)frame->data;
	struct sl_ipv4 *ip = (void *)(eth + 1);
	struct sl_udp *l4 = (void *)(ip + 1);
	struct datapath_packet packet;

	if ((void *)(l4 + 1) > (void *)(long)frame->data_end)
		return XDP_ABORTED;
	next_packet(&packet);
	write_macs(eth);
	ip->ttl = 64;
	PUT32(ip->saddr, packet.saddr);
	PUT32(ip->daddr, packet.daddr);
	l4->sport = packet.sport;
	l4->dport = packet.dport;
	bpf_tail_call_static(frame, &under_test, 0);
	return XDP_ABORTED;
}

SEC("xdp")
int drive6(struct xdp_md *frame)
{
	struct sl_eth *eth = (void *)(long)frame->data;
	struct sl_ipv6 *ip = (void *)(eth + 1);
	struct sl_udp *l4 = (void *)(ip + 1);
	struct datapath_packet packet;

	if ((void *)(l4 + 1) > (void *)(long)frame->data_end)
		return XDP_ABORTED;
	next_packet(&packet);
	write_macs(eth);
	ip->hop_limit = 64;
	PUT32(ip->saddr[3], packet.saddr); /* the other words are the same in all addresses */
	PUT32(ip->daddr[3], packet.daddr);
	l4->sport = packet.sport;
	l4->dport = packet.dport;
	bpf_tail_call_static(frame, &under_test, 0);
	return XDP_ABORTED;
}

SEC("xdp")
int nothing(struct xdp_md *frame)
{
	(void)frame;
	return XDP_TX;
}

/* One look-up of the packet's key, and nothing else. */
SEC("xdp")
int look_up(struct xdp_md *frame)
{
	struct sl_eth *eth = (void *)(long)frame->data;
	struct sl_ipv4 *ip = (void *)(eth + 1);
	struct sl_udp *l4 = (void *)(ip + 1);
	struct datapath_key key = {};

	if ((void *)(l4 + 1) > (void *)(long)frame->data_end)
		return XDP_ABORTED;
	key.saddr[0] = *(__u32 *)(void *)&ip->saddr;
	key.daddr[0] = *(__u32 *)(void *)&ip->daddr;
	key.sport = l4->sport;
	key.dport = l4->dport;
	key.protocol = ip->protocol;
	if (bpf_map_lookup_elem(&lru, &key) == NULL) {
		lru_misses++;
		return XDP_DROP;
	}
	return XDP_TX;
}

char bench_license[] SEC("license") = "Dual BSD/GPL";
