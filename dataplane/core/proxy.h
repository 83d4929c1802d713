/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * PROXY protocol: what becomes of a packet of a flow whose target gets a header
 * (struct sl_flow_cold), before the flow's line rewrites it like any other.
 *
 * The header travels in front of the client's first byte, in the same packet:
 * whoever repeats that packet repeats the header, so a lost one needs no timer
 * of ours. Nothing that a client sends may take the header's place, or it would
 * choose the address that its target believes.
 */
#ifndef SL_PROXY_H
#define SL_PROXY_H

#include "proxy_header.h"
#include "proxy_options.h"
#include "rewrite.h"

#define SL_FRAME_OFFSET_MASK 0x3fff /* holds any offset in a frame whose SYN may carry data */

/** Add two bytes of a payload to its sum, or the last one. */
static long sl_payload_step(__u32 i, void *context)
{
	const struct sl_walk_loop *loop = context;
	struct sl_scratch *scratch = sl_scratch(loop->tables);
	const void *end = sl_frame_end(loop->frame);
	const __u8 *byte;
	__u32 at;

	if (scratch == NULL)
		return 1;
	at = scratch->walk.at + 2 * i;
	byte = sl_frame_data(loop->frame) + SL_MASKED(at, SL_FRAME_OFFSET_MASK);
	if (at >= scratch->walk.end || (const void *)(byte + 1) > end)
		return 1;
	scratch->walk.sum += byte[0];
	if (at + 1 == scratch->walk.end || (const void *)(byte + 2) > end)
		return 1;
	scratch->walk.sum += (__u32)byte[1] << 8;
	return 0;
}

/** Sum of a payload. @at, @end: offsets from the start of the frame. */
SL_INLINE __u64 sl_payload_sum(sl_tables_t t, sl_frame_t *frame, __u32 at, __u32 end)
{
	struct sl_walk_loop loop = {.tables = t, .frame = frame};
	struct sl_scratch *scratch = sl_scratch(t);

	if (scratch == NULL)
		return 0;
	scratch->walk = (struct sl_walk){.at = at, .end = end};
	SL_LOOP((end - at) / 2 + 1, sl_payload_step, &loop);
	return scratch->walk.sum;
}

/**
 * A client's SYN. Data in it (TCP Fast Open) is cut off: behind it there is no
 * place for the header yet, and the client sends it again. MPTCP is taken out:
 * it numbers bytes on its own, and would not know those of the header.
 */
SL_INLINE int sl_proxy_syn(sl_tables_t t, sl_frame_t *frame, bool v6, __u32 l3,
			   const struct sl_packet *p, const struct sl_found *found,
			   const struct sl_numbers *n, __u32 headers)
{
	struct sl_tcp *tcp = p->l4;
	__u32 end = l3 + p->ip_length, bytes = end - headers;
	__u64 delta;

	if (end > SL_FRAME_OFFSET_MASK)
		return -(int)sl_drop(t, SL_DROP_TOO_BIG);
	delta = sl_proxy_options(t, frame, l3 + p->l4_offset, headers, n, SL_TCP_SYN);
	if (p->tcp_flags & SL_TCP_FIN) { /* it stands behind the data */
		delta = sl_csum_delta16(delta, SL_BE16(SL_TCP_FIN), 0);
		tcp->flags &= (__u8)~SL_TCP_FIN;
	}
	if (bytes != 0) {
		delta += (__u16)~sl_csum_fold(sl_payload_sum(t, frame, headers, end));
		delta += sl_ip_resize(v6, p->l3, p, -(int)bytes);
	}
	tcp->check = sl_csum_apply(tcp->check, delta);
	if (bytes != 0 &&
	    sl_frame_resize(frame, 0,
			    (int)headers - (int)(sl_frame_end(frame) - sl_frame_data(frame))))
		return -(int)sl_drop(t, SL_DROP_ADJUST);
	return (int)found->number;
}

/** The header goes with this packet, if that fits the target's link. */
SL_INLINE int sl_proxy_begin(sl_tables_t t, sl_frame_t *frame, bool v6, __u32 l3,
			     const struct sl_packet *p, const struct sl_found *found, __u32 headers)
{
	const struct sl_target *target = sl_target(t, found->line->target);
	__u64 hop = target != NULL ? SL_READ(target->next_hop) : SL_NEXT_HOP_NONE;
	__u32 mtu;

	if (p->ip_length + SL_PROXY_BYTES > 0xffff)
		return -(int)sl_drop(t, SL_DROP_TOO_BIG);
	/* answered before the packet grows: the client must find in it what it sent */
	if (hop != SL_NEXT_HOP_NONE && (p->fragment & SL_IPV4_DONT_FRAGMENT) &&
	    sl_too_big(sl_hop_port(t, hop), p->ip_length + SL_PROXY_BYTES, &mtu))
		return -(int)(SL_NEED_TOO_BIG | sl_proxy_mtu(mtu) << 8);
	if (!sl_proxy_insert(frame, v6, l3, p, headers))
		return -(int)sl_drop(t, SL_DROP_ADJUST);
	return (int)found->number;
}

SL_INLINE int sl_proxy_onward(sl_tables_t t, sl_frame_t *frame, bool v6, __u32 l3,
			      const struct sl_packet *p, const struct sl_found *found,
			      const struct sl_numbers *n, __u32 headers)
{
	__s32 ahead = (__s32)(SL_FROM_BE32(p->seq) - n->begin);
	__u32 bytes = l3 + p->ip_length - headers + ((p->tcp_flags & SL_TCP_FIN) != 0);
	struct sl_tcp *tcp = p->l4;
	bool syn = p->tcp_flags & SL_TCP_SYN;

	if (!syn && (n->settled || ahead > 0)) {
		tcp->seq = SL_BE32(SL_FROM_BE32(p->seq) + SL_PROXY_BYTES);
		tcp->check = sl_csum_apply(tcp->check, sl_csum_delta32(0, p->seq, tcp->seq));
		return (int)found->number;
	}
	if (p->fragment & SL_IPV4_MORE_FRAGMENTS) /* what is behind it comes without a number */
		return -(int)sl_drop(t, SL_DROP_FRAGMENT);
	if (syn)
		return sl_proxy_syn(t, frame, v6, l3, p, found, n, headers);
	if (ahead < 0 && ahead + (__s32)bytes > 0) /* it would reach into the header */
		return -(int)sl_drop(t, SL_DROP_MALFORMED);
	if (ahead == 0 && !(p->tcp_flags & SL_TCP_RST) &&
	    (bytes != 0 || (n->mode == SL_PROXY_FIRST_ACK && (p->tcp_flags & SL_TCP_ACK))))
		return sl_proxy_begin(t, frame, v6, l3, p, found, headers);
	return (int)found->number;
}

/** Learn from what a target acknowledges where its client's bytes begin, and whether the header is
 *  there. Not from the client: it could let the header seem to be where it is not. */
SL_INLINE void sl_proxy_learn(sl_tables_t t, bool v6, const struct sl_packet *p,
			      const struct sl_found *found, struct sl_numbers *n)
{
	const struct sl_flow_line *client = sl_line(t, v6, found->number & ~1u);
	struct sl_flow_cold *cold = sl_cold(t, v6, found->number / 2);
	__u32 ack = SL_FROM_BE32(p->ack);

	if (client == NULL || cold == NULL || (p->tcp_flags & SL_TCP_RST))
		return;
	if (p->tcp_flags & SL_TCP_SYN) {
		if (cold->isn == SL_BE32(ack - 1)) /* the same again */
			return;
		/* a client that began anew; its target may have forgotten a connection */
		n->begin = ack;
		cold->isn = SL_BE32(ack - 1);
		SL_ORDER();
		cold->settled = n->settled = false;
	} else if (!n->settled && (__s32)(ack - n->begin) >= SL_PROXY_BYTES &&
		   /* or it is about an older connection */
		   SL_CONTROL_STATE(client->control) != SL_FLOW_HALF_OPEN) {
		cold->settled = n->settled = true;
	}
}

/* Whether the options are a timestamp alone, as nearly always: RFC 7323 appendix A. */
SL_INLINE bool sl_tcp_stamped(const struct sl_tcp *tcp, const void *end)
{
	const __u16 *words = (const void *)(tcp + 1);

	return tcp->data_offset >> 4 == 8 && (const void *)(words + 2) <= end &&
	       words[0] == SL_BE16(0x0101) && words[1] == SL_BE16(0x080a);
}

/** A target's packet: its acknowledgement, and SACK, in the client's numbers. */
SL_INLINE int sl_proxy_back(sl_tables_t t, sl_frame_t *frame, bool v6, __u32 l3,
			    const struct sl_packet *p, const struct sl_found *found,
			    struct sl_numbers *n, __u32 headers)
{
	struct sl_tcp *tcp = p->l4;
	__u64 delta;

	if (!(p->tcp_flags & SL_TCP_ACK))
		return (int)found->number;
	/* a RST to the target begins where the target says */
	found->line->last_ack = p->ack;
	sl_proxy_learn(t, v6, p, found, n);
	tcp->ack = sl_numbers_back(n, p->ack);
	delta = sl_csum_delta32(0, p->ack, tcp->ack);
	if (headers != l3 + p->l4_offset + sizeof(*tcp) &&
	    !sl_tcp_stamped(tcp, sl_frame_end(frame)))
		delta += sl_proxy_options(t, frame, l3 + p->l4_offset, headers, n, p->tcp_flags);
	tcp->check = sl_csum_apply(tcp->check, delta);
	return (int)found->number;
}

SL_INLINE int sl_proxy_family(sl_tables_t t, sl_frame_t *frame, bool v6, __u32 l3)
{
	const struct sl_tcp *tcp;
	struct sl_numbers n;
	struct sl_found found;
	struct sl_packet p;
	__u32 headers;

	if (l3 > SL_L3_OFFSET_MAX ||
	    (v6 ? sl_parse6(frame, l3, &p) : sl_parse4(frame, l3, &p)) != SL_PARSED_FLOW)
		return -SL_PASS;
	tcp = p.l4;
	if (p.key.protocol != SL_TCP || !SL_STILL((const void *)(tcp + 1) <= sl_frame_end(frame)))
		return -SL_PASS;
	if (!sl_index_search(t, v6, &p.key, sl_key_hash(sl_config(t)->seed, v6, &p.key), 0,
			     &found) ||
	    !sl_numbers_read(t, v6, &found, &n) || n.mode == SL_PROXY_NEVER)
		return -(int)sl_drop(t, SL_DROP_RACE);
	headers = l3 + p.l4_offset + (tcp->data_offset >> 2 & 0x3c);
	return found.number & 1 ? sl_proxy_back(t, frame, v6, l3, &p, &found, &n, headers)
				: sl_proxy_onward(t, frame, v6, l3, &p, &found, &n, headers);
}

/**
 * Translate a packet of a flow with a PROXY header, in place. Returns the number
 * of the line that rewrites it then, or a negated verdict or SL_NEED_TOO_BIG.
 */
SL_GLOBAL int sl_proxy4(sl_tables_t t, sl_frame_t *frame, __u32 l3)
{
	return sl_proxy_family(t, frame, false, l3);
}

SL_GLOBAL int sl_proxy6(sl_tables_t t, sl_frame_t *frame, __u32 l3)
{
	return sl_proxy_family(t, frame, true, l3);
}

#endif
