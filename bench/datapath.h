/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Datapath benchmark: which packet comes next. The BPF program that drives the
 * one under test and the program that fills its tables work out the same packets.
 *
 * Flow n goes from a client of its own to listener n % DATAPATH_TARGETS, whose
 * group has one target. No two flows of a target have the same client port, so
 * SNAT keeps it, and the target's packets can be told without asking the table.
 */
#ifndef SLUICE_BENCH_DATAPATH_H
#define SLUICE_BENCH_DATAPATH_H

#include "dataplane/core/packet.h"

#define DATAPATH_TARGETS 128u /* a power of two; as many listeners: ports for 2^22 flows and more */
#define DATAPATH_FLOWS_MAX 1048576u
#define DATAPATH_RUN 1048576u	/* most packets of one run */
#define DATAPATH_WINDOW 4096u	/* packets between two looks at the clock; a power of two */
#define DATAPATH_WINDOWS (DATAPATH_RUN / DATAPATH_WINDOW)
#define DATAPATH_FIRST_CLIENT_PORT 1024u
#define DATAPATH_FIRST_VIP_PORT 8000u
#define DATAPATH_TARGET_PORT 9000u

/* Last 32 bits of the addresses, host order; IPv6 has the same prefix for all. */
#define DATAPATH_VIP 0x0a000001u
#define DATAPATH_SNAT 0x0a000002u
#define DATAPATH_FOREIGN 0x0a000003u /* nothing to the balancer */
#define DATAPATH_FIRST_TARGET 0x0a010000u
#define DATAPATH_FIRST_CLIENT 0xc6120000u /* 198.18.0.0/15, RFC 2544 */
#define DATAPATH_CLIENTS 65536u

/* Which packets, and in which order. */
struct datapath_plan {
	__u64 first;	 /* number of the first packet of this run */
	__u64 next;	 /* number of the next packet */
	__u32 mask;	 /* packets of one round through all flows, a power of two, less one */
	__u32 half;	 /* half the bits of mask, rounded up */
	__u32 both_ways; /* 1: clients' and targets' packets, half and half; 0: clients' alone */
	__u32 preserve;	 /* client IP preservation */
	__u32 vip;	 /* DATAPATH_VIP or DATAPATH_FOREIGN */
};

struct datapath_packet {
	__be32 saddr, daddr;
	__be16 sport, dport;
};

/** The packet's place in the order: every place once a round, shuffled (a
 *  multiplication by an odd number and x ^ x >> h are one to one modulo 2^k). */
SL_INLINE __u32 datapath_place(const struct datapath_plan *plan, __u64 number)
{
	__u32 place = ((__u32)number * 0x9e3779b1u + 0x7f4a7c15u) & plan->mask;

	place ^= place >> (plan->half & 31);
	return place * 0x85ebca6bu & plan->mask;
}

/** One or the other, without a branch that would teach the processor's branch
 *  prediction which way the next packet goes. */
SL_INLINE __u32 datapath_choose(__u32 second, __u32 zero, __u32 one)
{
	return zero ^ ((zero ^ one) & (0 - second));
}

SL_INLINE void datapath_packet(const struct datapath_plan *plan, __u32 flow, __u32 from_target,
			       struct datapath_packet *packet)
{
	__u32 n = flow % DATAPATH_TARGETS;
	__be32 client = SL_BE32(DATAPATH_FIRST_CLIENT + flow % DATAPATH_CLIENTS);
	__be32 nat = datapath_choose(plan->preserve, SL_BE32(DATAPATH_SNAT), client);
	__be16 client_port = SL_BE16(DATAPATH_FIRST_CLIENT_PORT + flow / DATAPATH_TARGETS);

	packet->saddr = datapath_choose(from_target, client, SL_BE32(DATAPATH_FIRST_TARGET + n));
	packet->daddr = datapath_choose(from_target, SL_BE32(plan->vip), nat);
	packet->sport = (__be16)datapath_choose(from_target, client_port,
						SL_BE16(DATAPATH_TARGET_PORT));
	packet->dport = (__be16)datapath_choose(from_target, SL_BE16(DATAPATH_FIRST_VIP_PORT + n),
						client_port);
}

#define DATAPATH_PREFIX_WORD 0xfd000000u /* first word of every IPv6 address; then 0, 0 */

/* First and last 16 bits of the MAC addresses, as on the wire; zeros between. */
#define DATAPATH_MAC_WORD SL_BE16(0x0200)
#define DATAPATH_OUR_MAC_WORD SL_BE16(0x0001)
#define DATAPATH_PEER_MAC_WORD SL_BE16(0x0002)

/* Key of the LRU hash that other balancers start with. */
struct datapath_key {
	__be32 saddr[4];
	__be32 daddr[4];
	__be16 sport, dport;
	__u32 protocol;
};
_Static_assert(sizeof(struct datapath_key) == 40, "the benchmark says 40 bytes");

struct datapath_value {
	__u64 words[8];
};

#endif
