/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * Select: which listener a packet is for, and which target a new flow gets.
 *
 * Target choice is NLB's flow hash (protocol, addresses, ports and, for TCP,
 * the initial sequence number; reference 5.3) or, with stickiness, the source
 * address alone, looked up in the group's Maglev table (Eisenbud et al., NSDI
 * 2016, §3.4). The hash has a fixed seed: balancers that share VIPs by ECMP
 * choose alike.
 */
#ifndef SL_SELECT_H
#define SL_SELECT_H

#include "flow_index.h"

static const __u64 sl_select_seed[2] = {0x736c756963652e31ull, 0x666c6f7768617368ull};

/** Hash of an entry of the address table. */
SL_INLINE __u64 sl_vip_hash(const __u64 seed[2], bool v6, const __be32 *address, __be16 port,
			    __u8 protocol)
{
	__u64 hash = seed[1];

	for (int i = 0; i < SL_WORDS(v6); i++)
		hash = sl_mix(hash, address[i]);
	hash = sl_mix(hash, seed[0] ^ ((__u32)port << 8 | protocol));
	return hash ^ hash >> 29;
}

#define SL_VIP_NUMBER_BITS 17 /* low bits of a slot of the address table; the tag is above */

/**
 * Look an address up: a listener's (with port and protocol), or what the bare
 * address is to us (port and protocol 0).
 *
 * Returns NULL when it is nothing to us.
 */
SL_INLINE struct sl_vip *sl_vip_find(sl_tables_t t, bool v6, const __be32 *address, __be16 port,
				     __u8 protocol)
{
	const struct sl_config *c = sl_config(t);
	__u64 hash = sl_vip_hash(c->seed, v6, address, port, protocol);
	const struct sl_bucket *bucket =
		sl_vip_bucket(t, (__u32)((hash >> 32) * c->vip_buckets >> 32));
	__u32 tag = (__u32)hash << SL_VIP_NUMBER_BITS;

	if (bucket == NULL)
		return NULL;
	for (int i = 0; i < SL_BUCKET_SLOTS; i++) {
		__u32 slot = SL_READ(bucket->slot[i]);
		struct sl_vip *vip;
		bool equal = true;

		if (slot == 0 || (slot ^ tag) >> SL_VIP_NUMBER_BITS)
			continue;
		SL_ORDER();
		vip = sl_vip(t, slot & ((1u << SL_VIP_NUMBER_BITS) - 1));
		if (vip == NULL || vip->port != port || vip->protocol != protocol ||
		    vip->family != (v6 ? 6 : 4))
			continue;
		for (int w = 0; w < SL_WORDS(v6); w++)
			equal = equal && vip->address[w] == address[w];
		if (equal)
			return vip;
	}
	return NULL;
}

struct sl_choice {
	__u16 group;
	__u16 target; /* SL_NONE: the group has none */
	__u32 group_flags;
};

/** Whether the chosen group fails open in a zone, 0 or 1. */
SL_INLINE __u8 sl_fails_open(const struct sl_choice *choice, __u32 zone)
{
	return choice->group_flags >> (SL_GROUP_FAIL_OPEN_BIT + zone % SL_MAX_ZONES) & 1;
}

/** Choose a group by weight; SL_NONE when all weights are 0. */
SL_INLINE __u32 sl_select_group(const struct sl_forwarding *f, __u32 hash)
{
	__u32 point = (__u32)((__u64)hash * f->weights >> 32);

	for (int i = 0; i < SL_MAX_WEIGHTED; i++) {
		if (i >= f->n_groups)
			break;
		if (point < f->groups[i].weight)
			return f->groups[i].group;
		point -= f->groups[i].weight;
	}
	return SL_NONE;
}

/** Choose group and target of a new flow. @isn: TCP's initial sequence number, 0 for UDP. */
SL_INLINE struct sl_choice sl_select(sl_tables_t t, bool v6, const struct sl_listener *listener,
				     __u32 zone, const struct sl_flow_key *key, __be32 isn)
{
	const struct sl_forwarding *forwarding = &listener->forwarding[SL_READ(listener->active) & 1];
	struct sl_choice choice = {.group = SL_NONE, .target = SL_NONE};
	__u64 flow_hash = sl_mix(sl_key_hash(sl_select_seed, v6, key), isn) * 0xd6e8feb86659fd93ull;
	__u64 source_hash = sl_vip_hash(sl_select_seed, v6, key->saddr, 0, 0);
	const struct sl_maglev_chunk *chunk;
	const struct sl_group *group;
	__u64 table, entry;
	__u32 number;

	/* low half for the group, high half for the target: independent choices */
	number = sl_select_group(forwarding,
				 (__u32)(forwarding->sticky_groups ? source_hash : flow_hash));
	group = sl_group(t, number);
	if (group == NULL || zone >= SL_MAX_ZONES)
		return choice;
	choice.group = (__u16)number;
	choice.group_flags = SL_READ(group->flags);
	table = SL_READ(group->maglev[zone]);
	entry = ((choice.group_flags & SL_GROUP_STICKY ? source_hash : flow_hash) >> 32) *
			(__u32)table >> 32;
	if ((__u32)table == 0)
		return choice;
	chunk = sl_maglev_chunk(t, (__u32)(table >> 32) + (__u32)entry / SL_MAGLEV_CHUNK);
	if (chunk != NULL)
		choice.target = chunk->target[entry % SL_MAGLEV_CHUNK];
	return choice;
}

#endif
