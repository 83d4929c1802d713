/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * A flow with a PROXY header: its client's first byte is byte 100 of what its
 * target reads. So the client's sequence numbers are 100 less than the target's,
 * and what the target says of them (acknowledgements, SACK, quotes in ICMP
 * errors) is turned back. The other direction's numbers are the same on both sides.
 */
#ifndef SL_PROXY_NUMBERS_H
#define SL_PROXY_NUMBERS_H

#include "checksum.h"
#include "flow_index.h"

#define SL_PROXY_BYTES 100 /* NLB's headers are all of this length: reference 5.9 */

/* A flow's numbers, read in one moment. */
struct sl_numbers {
	__u32 begin; /* of the client's first byte, which both sides agree on until there is one */
	__u8 mode;   /* enum sl_proxy_mode */
	bool settled; /* the header is there: numbers are 100 apart, whatever they are */
};

/** Read the numbers of a flow. Returns false when its line changed hands since it was found. */
SL_INLINE bool sl_numbers_read(sl_tables_t t, bool v6, const struct sl_found *found,
			       struct sl_numbers *n)
{
	const struct sl_flow_cold *cold = sl_cold(t, v6, found->number / 2);

	if (cold == NULL)
		return false;
	n->begin = SL_FROM_BE32(cold->isn) + 1;
	n->mode = cold->proxy;
	n->settled = cold->settled;
	return sl_line_unchanged(found->line, found->version);
}

/**
 * A number that the target acknowledges or quotes, as its client knows it. What lies within the
 * header is the client's first byte; once the header is settled, numbers may have come round.
 */
SL_INLINE __be32 sl_numbers_back(const struct sl_numbers *n, __be32 number)
{
	__u32 ahead = SL_FROM_BE32(number) - n->begin;

	if (!n->settled && (__s32)ahead <= 0)
		return number;
	if (!n->settled && ahead < SL_PROXY_BYTES)
		return SL_BE32(n->begin);
	return SL_BE32(SL_FROM_BE32(number) - SL_PROXY_BYTES);
}

/** What fits a link beside the header: packets of the client's that are larger wait for it. */
SL_INLINE __u32 sl_proxy_mtu(__u32 mtu)
{
	return mtu > 2 * SL_PROXY_BYTES ? mtu - SL_PROXY_BYTES : mtu;
}

/* A walk through a packet's options, or its payload. Offsets are from the start of the frame. */
struct sl_walk {
	__u64 sum; /* out: what was met, or what the checksum gains */
	__u32 at, end;
	__u32 edges;  /* of a SACK option that are to come */
	__u32 blanks; /* bytes of an option to take out */
	struct sl_numbers numbers;
	bool syn;
	bool answers; /* SYN-ACK */
};

/* bpf_loop() takes a context on the stack only; what changes is kept elsewhere, in the scratch,
 * or the verifier would follow its values through every step. */
struct sl_walk_loop {
	sl_tables_t tables;
	sl_frame_t *frame;
};

#endif
