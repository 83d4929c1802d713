/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * TCP options of a flow with a PROXY header: SACK of its target is in other
 * numbers than its client's, and the MSS must leave room for the header.
 */
#ifndef SL_PROXY_OPTIONS_H
#define SL_PROXY_OPTIONS_H

#include "flow_create.h"

enum sl_option { /* IANA TCP option kinds */
		 SL_OPTION_END = 0,
		 SL_OPTION_NOP = 1,
		 SL_OPTION_MSS = 2,
		 SL_OPTION_SACK = 5,
		 SL_OPTION_MPTCP = 30,
};

#define SL_OPTION_OFFSET_MASK 511 /* holds any offset of an option from the start of a frame */
#define SL_OPTION_STEPS 64	  /* each does one byte at least, of at most 40 */
#define SL_PROXY_MSS_MIN 200	  /* one as small is left alone: the header would take it all */

/** Change a byte of an even or odd offset; options stand anywhere. */
SL_INLINE void sl_option_put(struct sl_walk *w, __u8 *byte, __u32 at, __u8 value)
{
	__u32 shift = (at & 1) * 8;

	w->sum = sl_csum_delta16(w->sum, (__be16)(*byte << shift), (__be16)(value << shift));
	*byte = value;
}

SL_INLINE void sl_option_edge(struct sl_walk *w, __u8 *edge)
{
	__u32 old = (__u32)edge[0] << 24 | (__u32)edge[1] << 16 | (__u32)edge[2] << 8 | edge[3];
	__u32 new = SL_FROM_BE32(sl_numbers_back(&w->numbers, SL_BE32(old)));

	for (__u32 i = 0; i < 4; i++)
		sl_option_put(w, &edge[i], w->at + i, (__u8)(new >> (24 - 8 * i)));
	w->at += 4;
	w->edges--;
}

SL_INLINE void sl_option_mss(struct sl_walk *w, __u8 *option)
{
	__u32 mss = (__u32)option[2] << 8 | option[3];

	if (mss <= SL_PROXY_MSS_MIN)
		return;
	mss -= SL_PROXY_BYTES;
	sl_option_put(w, &option[2], w->at + 2, (__u8)(mss >> 8));
	sl_option_put(w, &option[3], w->at + 3, (__u8)mss);
}

/** One option, or a piece of one that takes several steps. Returns whether it was the last. */
SL_INLINE long sl_option_walk(struct sl_walk *w, __u8 *option, const void *end)
{
	__u32 length;

	if (w->at >= w->end || (const void *)(option + 1) > end)
		return 1;
	if (w->edges > 0 && (const void *)(option + 4) <= end) {
		sl_option_edge(w, option);
		return 0;
	}
	if (w->blanks > 0 || option[0] == SL_OPTION_NOP) {
		if (w->blanks > 0)
			w->blanks--;
		sl_option_put(w, option, w->at++, SL_OPTION_NOP);
		return 0;
	}
	if (option[0] == SL_OPTION_END || (const void *)(option + 2) > end)
		return 1;
	length = option[1];
	if (length < 2 || w->at + length > w->end)
		return 1;
	if (option[0] == SL_OPTION_SACK && !w->answers && (length - 2) % 8 == 0) {
		w->edges = (length - 2) / 4;
		w->at += 2;
		return 0;
	}
	if (option[0] == SL_OPTION_MPTCP && w->syn) {
		w->blanks = length;
		return 0;
	}
	if (option[0] == SL_OPTION_MSS && length == 4 && w->answers &&
	    (const void *)(option + 4) <= end)
		sl_option_mss(w, option);
	w->at += length;
	return 0;
}

static long sl_option_step(__u32 i, void *context)
{
	const struct sl_walk_loop *loop = context;
	struct sl_scratch *scratch = sl_scratch(loop->tables);

	(void)i;
	if (scratch == NULL)
		return 1;
	return sl_option_walk(&scratch->walk,
			      sl_frame_data(loop->frame) +
				      SL_MASKED(scratch->walk.at, SL_OPTION_OFFSET_MASK),
			      sl_frame_end(loop->frame));
}

/**
 * Go through the options of a packet that a target sent, or of a client's SYN.
 * @l4, @headers: where the TCP header begins and ends in the frame. Returns what
 * the checksum gains.
 */
SL_INLINE __u64 sl_proxy_options(sl_tables_t t, sl_frame_t *frame, __u32 l4, __u32 headers,
				 const struct sl_numbers *n, __u8 tcp_flags)
{
	struct sl_walk_loop loop = {.tables = t, .frame = frame};
	struct sl_scratch *scratch = sl_scratch(t);

	if (scratch == NULL)
		return 0;
	scratch->walk = (struct sl_walk){
		.at = l4 + sizeof(struct sl_tcp),
		.end = headers,
		.numbers = *n,
		.syn = tcp_flags & SL_TCP_SYN,
		.answers = (tcp_flags & SL_TCP_SYN) && (tcp_flags & SL_TCP_ACK),
	};
	SL_LOOP(SL_OPTION_STEPS, sl_option_step, &loop);
	return scratch->walk.sum;
}

#endif
