/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * Flow index: from a packet's addresses and ports to the flow line that holds
 * them. A key lies in the home slot of its first bucket, in that bucket, or in
 * its second one; the second is looked at only where a key had to spill out of
 * the first. Lookups take no lock and write nothing; a slot is taken and given
 * back by compare-and-swap.
 *
 * A search from slot to slot ends at a place that the processor guesses wrong,
 * and until memory has answered it then does nothing useful. So a key goes where
 * it is looked for first, if that is free: at home, or at its place in the bucket.
 *
 * A slot names a line, the line's version says whether it is anybody's, and the
 * key in the line decides. Whoever uses what it read from a line must look at
 * the version again afterwards (sl_line_unchanged): a line may be given to
 * another flow at any time.
 */
#ifndef SL_FLOW_INDEX_H
#define SL_FLOW_INDEX_H

#include "engine_api.h"

#define SL_WORDS(v6) ((v6) ? 4 : 1) /* 32-bit words of an address */

struct sl_flow_key { /* as in the packet; IPv4 uses the first words */
	__be32 saddr[4];
	__be32 daddr[4];
	__be16 sport;
	__be16 dport;
	__u32 protocol; /* to the end of a 64-bit word: see sl_line_matches() */
};

SL_INLINE __u64 sl_mix(__u64 hash, __u64 value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15ull;
	return hash ^ hash >> 32;
}

/* Two words that stand side by side in a packet, in one. */
SL_INLINE __u64 sl_pair(__be32 first, __be32 second)
{
	return first | (__u64)second << 32;
}

/* Ports and protocol of a key, as they stand at the beginning of a line. */
SL_INLINE __u64 sl_key_head(const struct sl_flow_key *key)
{
	return key->sport | (__u32)key->dport << 16 | (__u64)key->protocol << 32;
}

/** Hash of a key under a seed; all 64 bits are good. */
SL_INLINE __u64 sl_key_hash(const __u64 seed[2], bool v6, const struct sl_flow_key *key)
{
	__u64 hash = seed[0];

	for (int i = 0; i < SL_WORDS(v6); i++)
		hash = sl_mix(hash, sl_pair(key->saddr[i], key->daddr[i]));
	hash = sl_mix(hash, seed[1] ^ sl_key_head(key));
	hash *= 0xd6e8feb86659fd93ull;
	return hash ^ hash >> 29;
}

/* The two buckets come from the two halves of the hash (multiply and shift, so
 * that any number of buckets does), the tag from its low bits. */
SL_INLINE __u32 sl_first_bucket(const struct sl_family_config *c, __u64 hash)
{
	return (__u32)((hash >> 32) * c->buckets >> 32);
}

SL_INLINE __u32 sl_second_bucket(const struct sl_family_config *c, __u64 hash)
{
	return (__u32)((hash & 0xffffffff) * c->buckets >> 32);
}

/* A key's place in a bucket, from bits that keys of one bucket do not share. */
SL_INLINE __u32 sl_place(__u64 hash)
{
	return (__u32)(hash >> 32 & 15) * SL_BUCKET_SLOTS / 16;
}

SL_INLINE __u32 sl_slot_tag(const struct sl_family_config *c, __u64 hash)
{
	return (__u32)hash << c->line_bits;
}

SL_INLINE __u32 sl_slot_line(const struct sl_family_config *c, __u32 slot)
{
	return slot & ((1u << c->line_bits) - 1);
}

typedef __u64 __attribute__((may_alias)) sl_word_t;

/* The first 8 bytes of a line in one access: ports, protocol, and the version in the bits above. */
SL_INLINE __u64 sl_line_head(const struct sl_flow_line *line)
{
	return SL_READ(*(const sl_word_t *)line);
}
#define SL_HEAD_VERSION(head) ((__u16)((head) >> 48))
#define SL_HEAD_PROXY ((__u64)SL_LINE_PROXY << 40) /* the bit above the protocol */

/** Whether a line, whose head is @head, holds a key. @plain: and SL_HEAD_PROXY is not set. */
SL_INLINE bool sl_line_matches(const struct sl_flow_line *line, __u64 head, bool v6,
			       const struct sl_flow_key *key, bool plain)
{
	const int words = SL_WORDS(v6);

	if ((head ^ sl_key_head(key)) << (plain ? 23 : 24) != 0) /* without packets and version */
		return false;
	for (int i = 0; i < words; i++)
		if (sl_pair(line->address[i], line->address[words + i]) !=
		    sl_pair(key->saddr[i], key->daddr[i]))
			return false;
	return true;
}

/* All ones for a line of the target's direction, else 0: to choose without a branch. */
#define SL_IF_TARGETS(number) (0 - (__u64)((number) & 1))

/** Whether a line still is what it was when its version was read. */
SL_INLINE bool sl_line_unchanged(const struct sl_flow_line *line, __u16 version)
{
	SL_ORDER();
	return SL_READ(line->version) == version;
}

/* A line that held a key when its version was read. */
struct sl_found {
	struct sl_flow_line *line;
	__u32 number;
	__u16 version;
	bool proxied; /* SL_LINE_PROXY */
};

/** Whether a line, whose number is @number, holds a key. @plain: and of a flow without header. */
SL_INLINE bool sl_line_is(struct sl_flow_line *line, __u32 number, bool v6,
			  const struct sl_flow_key *key, bool plain, struct sl_found *found)
{
	__u64 head = sl_line_head(line);

	found->line = line;
	found->number = number;
	found->version = SL_HEAD_VERSION(head);
	found->proxied = !plain && (head & SL_HEAD_PROXY);
	SL_ORDER();
	return !(found->version & 1) && sl_line_matches(line, head, v6, key, plain);
}

/** Whether line @number, unless it is line @except, holds a key. */
SL_INLINE bool sl_line_holds(sl_tables_t t, bool v6, __u32 number, const struct sl_flow_key *key,
			     __u32 except, struct sl_found *found)
{
	struct sl_flow_line *line = sl_line(t, v6, number);

	return line != NULL && number != 0 && number != except &&
	       sl_line_is(line, number, v6, key, false, found);
}

/** Whether a slot names a line, other than @except, that holds a key. */
SL_INLINE bool sl_slot_holds(sl_tables_t t, bool v6, __u32 slot, __u64 hash,
			     const struct sl_flow_key *key, __u32 except, struct sl_found *found)
{
	const struct sl_family_config *c = &sl_config(t)->family[v6];

	return (slot ^ sl_slot_tag(c, hash)) >> c->line_bits == 0 &&
	       SL_LIKELY(sl_line_holds(t, v6, sl_slot_line(c, slot), key, except, found));
}

/** Look for a key in one bucket; 0, or the number of its line. */
SL_INLINE __u32 sl_bucket_find(sl_tables_t t, bool v6, const struct sl_bucket *bucket, __u64 hash,
			       const struct sl_flow_key *key, __u32 except)
{
	__u32 slot = SL_READ(bucket->slot[sl_place(hash)]);
	struct sl_found found;

	if (sl_slot_holds(t, v6, slot, hash, key, except, &found))
		return found.number;
	for (int i = 0; i < SL_BUCKET_SLOTS; i++) {
		slot = SL_READ(bucket->slot[i]);
		if (SL_UNLIKELY(sl_slot_holds(t, v6, slot, hash, key, except, &found)))
			return found.number;
	}
	return 0;
}

SL_INLINE __u32 sl_buckets_search(sl_tables_t t, bool v6, const struct sl_flow_key *key, __u64 hash,
				  __u32 except)
{
	const struct sl_family_config *c = &sl_config(t)->family[v6];
	const struct sl_bucket *bucket = sl_bucket(t, v6, sl_first_bucket(c, hash));
	__u32 number;

	if (key == NULL || bucket == NULL)
		return 0;
	number = sl_bucket_find(t, v6, bucket, hash, key, except);
	if (SL_LIKELY(number != 0 || SL_READ(bucket->spilled) == 0))
		return number;
	bucket = sl_bucket(t, v6, sl_second_bucket(c, hash));
	return bucket == NULL ? 0 : sl_bucket_find(t, v6, bucket, hash, key, except);
}

/** Look for a key in its two buckets; 0, or the number of its line, which may be another's by
 *  now. A function of its own, or the verifier would go through all slots once for each kind of
 *  packet. */
SL_GLOBAL __u32 sl_buckets_search4(sl_tables_t t, const struct sl_flow_key *key, __u64 hash,
				   __u32 except)
{
	return sl_buckets_search(t, false, key, hash, except);
}

SL_GLOBAL __u32 sl_buckets_search6(sl_tables_t t, const struct sl_flow_key *key, __u64 hash,
				   __u32 except)
{
	return sl_buckets_search(t, true, key, hash, except);
}

/** The home slot of a bucket's keys. */
SL_INLINE __u32 *sl_home_slot(sl_tables_t t, bool v6, __u32 bucket)
{
	struct sl_homes *homes = sl_homes(t, v6, bucket / SL_HOMES);

	return homes == NULL ? NULL : &homes->slot[bucket % SL_HOMES];
}

/** Find the line that holds a key, except line @except. */
SL_INLINE bool sl_index_search(sl_tables_t t, bool v6, const struct sl_flow_key *key, __u64 hash,
			       __u32 except, struct sl_found *found)
{
	const struct sl_family_config *c = &sl_config(t)->family[v6];
	const __u32 *home = sl_home_slot(t, v6, sl_first_bucket(c, hash));
	__u32 number;

	if (home == NULL)
		return false;
	if (SL_LIKELY(sl_slot_holds(t, v6, SL_READ(*home), hash, key, except, found)))
		return true;
	number = v6 ? sl_buckets_search6(t, key, hash, except) :
		      sl_buckets_search4(t, key, hash, except);
	return number != 0 && sl_line_holds(t, v6, number, key, except, found);
}

/** The line that holds a key, except line @except; 0 when there is none. */
SL_INLINE __u32 sl_index_find(sl_tables_t t, bool v6, const struct sl_flow_key *key, __u64 hash,
			      __u32 except)
{
	struct sl_found found;

	return sl_index_search(t, v6, key, hash, except, &found) ? found.number : 0;
}

/** Exchange a slot if it is @old. */
SL_INLINE bool sl_slot_swap(__u32 *slot, __u32 old, __u32 new)
{
	return SL_READ(*slot) == old && SL_CAS(slot, old, new) == old;
}

/** Exchange one slot of a bucket. */
SL_INLINE bool sl_bucket_swap(struct sl_bucket *bucket, __u64 hash, __u32 old, __u32 new)
{
	if (sl_slot_swap(&bucket->slot[sl_place(hash)], old, new))
		return true;
	for (int i = 0; i < SL_BUCKET_SLOTS; i++)
		if (sl_slot_swap(&bucket->slot[i], old, new))
			return true;
	return false;
}

/**
 * Make a line findable. Its key and an even version must be in place.
 *
 * Two processors may insert the same key at once, so the caller looks with
 * sl_index_find(…, except its line) afterwards and takes its line back where
 * there is another: whichever came second sees the first.
 *
 * Returns false when both buckets are full.
 */
SL_INLINE bool sl_index_insert(sl_tables_t t, bool v6, __u64 hash, __u32 line)
{
	const struct sl_family_config *c = &sl_config(t)->family[v6];
	struct sl_bucket *first = sl_bucket(t, v6, sl_first_bucket(c, hash));
	struct sl_bucket *second = sl_bucket(t, v6, sl_second_bucket(c, hash));
	__u32 *home = sl_home_slot(t, v6, sl_first_bucket(c, hash));
	__u32 slot = sl_slot_tag(c, hash) | line;

	if (first == NULL || second == NULL || home == NULL)
		return false;
	if (sl_slot_swap(home, 0, slot) || sl_bucket_swap(first, hash, 0, slot))
		return true;
	SL_FETCH_ADD(&first->spilled, 1); /* before the key is there, or a reader could miss it */
	if (sl_bucket_swap(second, hash, 0, slot))
		return true;
	SL_FETCH_ADD(&first->spilled, -1);
	return false;
}

/** Undo sl_index_insert(). */
SL_INLINE void sl_index_remove(sl_tables_t t, bool v6, __u64 hash, __u32 line)
{
	const struct sl_family_config *c = &sl_config(t)->family[v6];
	struct sl_bucket *first = sl_bucket(t, v6, sl_first_bucket(c, hash));
	struct sl_bucket *second = sl_bucket(t, v6, sl_second_bucket(c, hash));
	__u32 *home = sl_home_slot(t, v6, sl_first_bucket(c, hash));
	__u32 slot = sl_slot_tag(c, hash) | line;

	if (first == NULL || second == NULL || home == NULL)
		return;
	if (sl_slot_swap(home, slot, 0) || sl_bucket_swap(first, hash, slot, 0))
		return;
	if (sl_bucket_swap(second, hash, slot, 0))
		SL_FETCH_ADD(&first->spilled, -1);
}

#endif
