/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * ICMP errors about a flow: sent on to the flow's other side, with the quoted
 * packet turned back into what that side had sent, so that path MTU discovery
 * and port unreachable work through NAT (RFC 5508 §4.2, RFC 792: 8 quoted bytes
 * behind the header must do).
 *
 * The quoted packet had been rewritten by the flow's one line; so the error
 * belongs to the other line, whose key is the quoted one turned round, and it
 * takes that line's way.
 */
#ifndef SL_ICMP_H
#define SL_ICMP_H

#include "parse.h"
#include "proxy_numbers.h"
#include "rewrite.h"

#define SL_QUOTED_L4 8	   /* bytes behind the quoted IP header that are always there */
#define SL_QUOTED_CHECK 18 /* as many as reach behind the checksum of TCP */

/**
 * Turn the quoted ports back. @room: bytes of the message from @l4 on; behind
 * them the frame may be padded. Returns what the ICMP checksum gains.
 */
SL_INLINE __u64 sl_icmp_quoted_l4(void *l4, const void *end, __u32 room, __u8 protocol,
				  const struct sl_rewrite *r)
{
	struct sl_udp *udp = l4;
	struct sl_tcp *tcp = l4;
	__u64 delta = 0;
	__u16 before;

	udp->sport = r->dport;
	udp->dport = r->sport;
	if (protocol == SL_UDP) {
		before = udp->check;
		udp->check = sl_csum_apply_udp(before, r->l4_delta);
		delta = sl_csum_delta16(0, before, udp->check);
	} else if (room >= SL_QUOTED_CHECK && l4 + SL_QUOTED_CHECK <= end) {
		before = tcp->check;
		tcp->check = sl_csum_apply(before, r->l4_delta);
		delta = sl_csum_delta16(0, before, tcp->check);
	}
	/* ports and addresses of the quoted packet changed just as l4_delta says */
	return delta + r->l4_delta;
}

/** Find the line an error takes. Returns false when it is about no flow of ours. *ret_numbers: for
 *  a quote of what a client sent behind its PROXY header; mode SL_PROXY_NEVER: it is none. */
SL_INLINE bool sl_icmp_line(sl_tables_t t, bool v6, const struct sl_flow_key *key,
			    struct sl_rewrite *r, struct sl_numbers *ret_numbers)
{
	__u64 hash = sl_key_hash(sl_config(t)->seed, v6, key);
	struct sl_found found;

	*ret_numbers = (struct sl_numbers){.mode = SL_PROXY_NEVER};
	if (!sl_index_search(t, v6, key, hash, 0, &found) || !sl_rewrite_read(t, v6, &found, r))
		return false;
	return !found.proxied || !(found.number & 1) || sl_numbers_read(t, v6, &found, ret_numbers);
}

/** Turn a quoted sequence number back: as if l4_delta had changed it, too. */
SL_INLINE void sl_icmp_quoted_seq(void *l4, const struct sl_numbers *n, struct sl_rewrite *r)
{
	struct sl_quoted_tcp { /* all that must be there */
		__be16 sport;
		__be16 dport;
		__be32 seq;
	} SL_WIRE *tcp = l4;
	__be32 before = tcp->seq;

	if (n->mode == SL_PROXY_NEVER)
		return;
	tcp->seq = sl_numbers_back(n, before);
	r->l4_delta = sl_csum_fold(sl_csum_delta32(r->l4_delta, before, tcp->seq));
}

SL_GLOBAL int sl_icmp4(sl_tables_t t, sl_frame_t *frame, __u32 l3)
{
	void *end = sl_frame_end(frame), *data = sl_frame_data(frame);
	struct sl_ipv4 *ip, *quoted;
	struct sl_flow_key key = {};
	__u32 before_l4, length;
	struct sl_icmp *icmp;
	struct sl_numbers numbers;
	struct sl_rewrite r;
	struct sl_udp *l4;
	__u16 before;
	__u64 delta;

	if (l3 > SL_L3_OFFSET_MAX)
		return SL_PASS;
	ip = data + SL_MASKED(l3, SL_L3_OFFSET_MASK);
	if ((void *)(ip + 1) > end)
		return SL_PASS;
	icmp = (void *)ip + (ip->version_ihl & 0xf) * 4;
	quoted = (void *)(icmp + 1);
	if ((void *)(quoted + 1) > end)
		return SL_PASS;
	if ((ip->fragment & ~SL_BE16(SL_IPV4_DONT_FRAGMENT)) != 0 ||
	    (icmp->type != SL_ICMP_UNREACHABLE && icmp->type != SL_ICMP_TIME_EXCEEDED &&
	     icmp->type != SL_ICMP_PARAMETER_PROBLEM && icmp->type != SL_ICMP_SOURCE_QUENCH))
		return SL_PASS;
	if (quoted->version_ihl >> 4 != 4 || (quoted->version_ihl & 0xf) < 5 ||
	    (quoted->fragment & SL_BE16(SL_IPV4_OFFSET_MASK)) ||
	    (quoted->protocol != SL_TCP && quoted->protocol != SL_UDP))
		return SL_PASS;
	l4 = (void *)quoted + (quoted->version_ihl & 0xf) * 4;
	before_l4 = ((ip->version_ihl & 0xf) + (quoted->version_ihl & 0xf)) * 4 + sizeof(*icmp);
	length = SL_FROM_BE16(ip->total_length);
	if ((void *)l4 + SL_QUOTED_L4 > end || length < before_l4 + SL_QUOTED_L4)
		return SL_PASS;
	key.saddr[0] = quoted->daddr;
	key.daddr[0] = quoted->saddr;
	key.sport = l4->dport;
	key.dport = l4->sport;
	key.protocol = quoted->protocol;
	if (!sl_icmp_line(t, false, &key, &r, &numbers) || r.hop == SL_NEXT_HOP_NONE)
		return SL_PASS;
	if (ip->ttl <= 1)
		return sl_drop(t, SL_DROP_TTL_EXPIRED);
	before = quoted->check;
	quoted->saddr = r.daddr[0];
	quoted->daddr = r.saddr[0];
	quoted->check = sl_csum_apply(before, r.l3_delta);
	delta = sl_csum_delta16(0, before, quoted->check);
	sl_icmp_quoted_seq(l4, &numbers, &r);
	if (numbers.mode != SL_PROXY_NEVER && icmp->type == SL_ICMP_UNREACHABLE &&
	    icmp->code == SL_ICMP_FRAGMENTATION_NEEDED) {
		before = icmp->mtu;
		icmp->mtu = SL_BE16(sl_proxy_mtu(SL_FROM_BE16(before)));
		delta = sl_csum_delta16(delta, before, icmp->mtu);
	}
	delta += sl_icmp_quoted_l4(l4, end, length - before_l4, quoted->protocol, &r);
	icmp->check = sl_csum_apply(icmp->check, delta);
	/* the outer source may be a router's, which no line knows */
	r.l3_delta = sl_csum_fold(sl_csum_delta32(sl_csum_delta32(0, ip->saddr, r.saddr[0]),
						  ip->daddr, r.daddr[0]));
	sl_rewrite_l3_4(ip, &r, true);
	return sl_send(t, frame, l3, r.hop, sl_hop_port(t, r.hop));
}

SL_GLOBAL int sl_icmp6(sl_tables_t t, sl_frame_t *frame, __u32 l3)
{
	void *end = sl_frame_end(frame), *data = sl_frame_data(frame);
	struct sl_ipv6 *ip, *quoted;
	struct sl_flow_key key = {};
	struct sl_icmpv6 *icmp;
	struct sl_numbers numbers;
	struct sl_rewrite r;
	struct sl_udp *l4;
	__u64 delta;
	__u32 room;

	if (l3 > SL_L3_OFFSET_MAX)
		return SL_PASS;
	ip = data + SL_MASKED(l3, SL_L3_OFFSET_MASK);
	icmp = (void *)(ip + 1);
	quoted = (void *)(icmp + 1);
	l4 = (void *)(quoted + 1);
	if ((void *)l4 + SL_QUOTED_L4 > end)
		return SL_PASS;
	room = SL_FROM_BE16(ip->payload_length);
	if (room < sizeof(*icmp) + sizeof(*quoted) + SL_QUOTED_L4)
		return SL_PASS;
	room -= sizeof(*icmp) + sizeof(*quoted);
	if (ip->next_header != SL_ICMPV6 || icmp->type < SL_ICMPV6_UNREACHABLE ||
	    icmp->type > SL_ICMPV6_PARAMETER_PROBLEM)
		return SL_PASS;
	if ((__u8)quoted->version_class_label >> 4 != 6 ||
	    (quoted->next_header != SL_TCP && quoted->next_header != SL_UDP))
		return SL_PASS;
	for (int i = 0; i < 4; i++) {
		key.saddr[i] = quoted->daddr[i];
		key.daddr[i] = quoted->saddr[i];
	}
	key.sport = l4->dport;
	key.dport = l4->sport;
	key.protocol = quoted->next_header;
	if (!sl_icmp_line(t, true, &key, &r, &numbers) || r.hop == SL_NEXT_HOP_NONE)
		return SL_PASS;
	if (ip->hop_limit <= 1)
		return sl_drop(t, SL_DROP_TTL_EXPIRED);
	for (int i = 0; i < 4; i++) {
		quoted->saddr[i] = r.daddr[i];
		quoted->daddr[i] = r.saddr[i];
	}
	sl_icmp_quoted_seq(l4, &numbers, &r);
	delta = sl_icmp_quoted_l4(l4, end, room, quoted->next_header, &r);
	if (numbers.mode != SL_PROXY_NEVER && icmp->type == SL_ICMPV6_PACKET_TOO_BIG) {
		__be32 before = icmp->mtu;

		icmp->mtu = SL_BE32(sl_proxy_mtu(SL_FROM_BE32(before)));
		delta = sl_csum_delta32(delta, before, icmp->mtu);
	}
	for (int i = 0; i < 4; i++) { /* the pseudo-header */
		delta = sl_csum_delta32(delta, ip->saddr[i], r.saddr[i]);
		delta = sl_csum_delta32(delta, ip->daddr[i], r.daddr[i]);
	}
	icmp->check = sl_csum_apply(icmp->check, delta);
	sl_rewrite_l3_6(ip, &r, true);
	return sl_send(t, frame, l3, r.hop, sl_hop_port(t, r.hop));
}

#endif
