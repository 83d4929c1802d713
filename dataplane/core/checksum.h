/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * Internet checksum (RFC 1071), whole and incremental (RFC 1624).
 *
 * Sums are kept unfolded in 64 bits and in the byte order of the packet: the
 * checksum does not care which order, as long as it is one (RFC 1071 §2B).
 */
#ifndef SL_CHECKSUM_H
#define SL_CHECKSUM_H

#include "compat.h"

/** Fold an unfolded sum of at most 2^48 words to 16 bits; not complemented. */
SL_INLINE __u16 sl_csum_fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)sum;
}

/** Add what a change of one 32-bit field brings to a delta. */
SL_INLINE __u64 sl_csum_delta32(__u64 delta, __be32 old, __be32 new)
{
	return delta + (__u32)~old + new;
}

/** Add what a change of one 16-bit field brings to a delta. */
SL_INLINE __u64 sl_csum_delta16(__u64 delta, __be16 old, __be16 new)
{
	return delta + (__u16)~old + new;
}

/**
 * The checksum after fields changed.
 *
 * @check  as found in the packet
 * @delta  sum of sl_csum_delta…() over the changed fields, folded or not
 *
 * RFC 1624 eqn. 3, HC' = ~(~HC + ~m + m'). The older form of RFC 1141 gives
 * 0xffff where 0 is right: see the example of RFC 1624 §4, a unit test.
 */
SL_INLINE __u16 sl_csum_apply(__u16 check, __u64 delta)
{
	return (__u16)~sl_csum_fold((__u64)(__u16)~check + delta);
}

/**
 * The same for at most two folded deltas (@delta: their sum): all that an established packet
 * needs, with fewer steps.
 */
SL_INLINE __u16 sl_csum_apply_folded(__u16 check, __u32 delta)
{
	__u32 sum = (check ^ 0xffffu) + delta;

	sum += sum << 16 | sum >> 16; /* the upper half: both halves, and their carry */
	return (__u16)(~sum >> 16);
}

/**
 * The same for UDP, and one folded delta: 0 on the wire means "no checksum" and stays 0; a computed
 * 0 is sent as 0xffff (RFC 768).
 */
SL_INLINE __u16 sl_csum_apply_udp(__u16 check, __u16 delta)
{
	__u16 updated;

	if (check == 0)
		return 0;
	updated = sl_csum_apply_folded(check, delta);
	return updated == 0 ? 0xffff : updated;
}

/** Add @words 16-bit words to a sum. A constant count, so that loops unroll. */
SL_INLINE __u64 sl_csum_words(__u64 sum, const void *data, __u32 words)
{
	const __u16 *word = data;

	for (__u32 i = 0; i < words; i++)
		sum += word[i];
	return sum;
}

#endif
