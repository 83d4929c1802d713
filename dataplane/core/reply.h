/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * Reply: what the balancer itself answers, made in place from the packet that
 * asked for it and sent back where that came from: TCP RST (RFC 9293 §3.10.7.1)
 * and the two ICMP errors a router owes (RFC 1812 §4.3, RFC 4443 §3).
 */
#ifndef SL_REPLY_H
#define SL_REPLY_H

#include "parse.h"
#include "rewrite.h"

#define SL_REPLY_TTL 64
#define SL_REPLY_PER_TICK 16 /* ICMP errors a CPU may send in 1.05 ms (RFC 1812 §4.3.2.8) */
#define SL_QUOTE_MAX 128     /* bytes of the packet quoted in an ICMP error */

/** Turn a frame round. */
SL_INLINE void sl_swap_macs(sl_frame_t *frame)
{
	struct sl_eth *eth = sl_frame_data(frame);
	__u8 mac[SL_MAC_BYTES];

	if ((void *)(eth + 1) > sl_frame_end(frame))
		return;
	__builtin_memcpy(mac, eth->source, SL_MAC_BYTES);
	__builtin_memcpy(eth->source, eth->destination, SL_MAC_BYTES);
	__builtin_memcpy(eth->destination, mac, SL_MAC_BYTES);
}

/** An IPv4 header without options; checksum filled in. */
SL_INLINE void sl_ipv4_write(struct sl_ipv4 *ip, __u32 length, __u8 protocol, __be32 saddr,
			     __be32 daddr)
{
	ip->version_ihl = 0x45;
	ip->tos = 0;
	ip->total_length = SL_BE16(length);
	ip->id = 0;
	ip->fragment = SL_BE16(SL_IPV4_DONT_FRAGMENT);
	ip->ttl = SL_REPLY_TTL;
	ip->protocol = protocol;
	ip->check = 0;
	ip->saddr = saddr;
	ip->daddr = daddr;
	ip->check = (__u16)~sl_csum_fold(sl_csum_words(0, ip, sizeof(*ip) / 2));
}

SL_INLINE void sl_ipv6_write(struct sl_ipv6 *ip, __u32 payload, __u8 next, const __be32 *saddr,
			     const __be32 *daddr)
{
	ip->version_class_label = SL_BE32(0x60000000);
	ip->payload_length = SL_BE16(payload);
	ip->next_header = next;
	ip->hop_limit = SL_REPLY_TTL;
	for (int i = 0; i < 4; i++) {
		ip->saddr[i] = saddr[i];
		ip->daddr[i] = daddr[i];
	}
}

/** Sum of a pseudo-header: addresses, length, protocol (RFC 9293 §3.1, RFC 8200 §8.1). */
SL_INLINE __u64 sl_csum_pseudo(bool v6, const __be32 *saddr, const __be32 *daddr, __u32 length,
			       __u8 protocol)
{
	__u64 sum = (__u64)SL_BE16(length) + SL_BE16(protocol);

	for (int i = 0; i < SL_WORDS(v6); i++)
		sum += (__u64)saddr[i] + daddr[i];
	return sum;
}

/** RST for a TCP segment: into @tcp, except for the checksum. */
SL_INLINE void sl_rst_write(struct sl_tcp *tcp, const struct sl_packet *p, __u32 segment_length)
{
	bool acknowledges = p->tcp_flags & SL_TCP_ACK;

	tcp->sport = p->key.dport;
	tcp->dport = p->key.sport;
	tcp->seq = acknowledges ? p->ack : 0;
	tcp->ack = acknowledges ? 0 : SL_BE32(SL_FROM_BE32(p->seq) + segment_length);
	tcp->data_offset = sizeof(*tcp) / 4 << 4;
	tcp->flags = acknowledges ? SL_TCP_RST : SL_TCP_RST | SL_TCP_ACK;
	tcp->window = 0;
	tcp->check = 0;
	tcp->urgent = 0;
}

SL_INLINE int sl_reply_rst_family(sl_tables_t t, sl_frame_t *frame, bool v6, __u32 l3, __u32 port)
{
	const __u32 header = v6 ? sizeof(struct sl_ipv6) : sizeof(struct sl_ipv4);
	enum sl_parsed parsed;
	struct sl_packet p;
	struct sl_tcp *tcp;
	__u32 segment;
	__u64 sum;
	void *ip;
	int cut;

	parsed = v6 ? sl_parse6(frame, l3, &p) : sl_parse4(frame, l3, &p);
	if (parsed != SL_PARSED_FLOW || p.key.protocol != SL_TCP)
		return sl_drop(t, SL_DROP_MALFORMED);
	if (p.tcp_flags & SL_TCP_RST)
		return sl_drop(t, SL_DROP_RST_UNWANTED);
	tcp = p.l4;
	segment = p.ip_length - p.l4_offset - (__u32)(tcp->data_offset >> 4) * 4;
	segment += ((p.tcp_flags & SL_TCP_SYN) != 0) + ((p.tcp_flags & SL_TCP_FIN) != 0);
	cut = (int)(l3 + header + sizeof(*tcp)) -
	      (int)(sl_frame_end(frame) - sl_frame_data(frame));
	if (cut > 0 || (cut < 0 && sl_frame_resize(frame, 0, cut) != 0))
		return sl_drop(t, SL_DROP_ADJUST);
	ip = sl_frame_data(frame) + SL_MASKED(l3, SL_L3_OFFSET_MASK);
	tcp = ip + header;
	if ((void *)(tcp + 1) > sl_frame_end(frame))
		return sl_drop(t, SL_DROP_ADJUST);
	sl_rst_write(tcp, &p, segment);
	if (v6)
		sl_ipv6_write(ip, sizeof(*tcp), SL_TCP, p.key.daddr, p.key.saddr);
	else
		sl_ipv4_write(ip, header + sizeof(*tcp), SL_TCP, p.key.daddr[0], p.key.saddr[0]);
	sum = sl_csum_pseudo(v6, p.key.saddr, p.key.daddr, sizeof(*tcp), SL_TCP);
	tcp->check = (__u16)~sl_csum_fold(sl_csum_words(sum, tcp, sizeof(*tcp) / 2));
	sl_swap_macs(frame);
	return SL_SEND_TO(port);
}

/** Answer a TCP segment with a RST. @port: where it came in. Returns a verdict. */
SL_GLOBAL int sl_reply_rst(sl_tables_t t, sl_frame_t *frame, __u32 v6, __u32 l3, __u32 port)
{
	if (l3 > SL_L3_OFFSET_MAX || l3 < sizeof(struct sl_eth))
		return SL_PASS;
	if (v6)
		return sl_reply_rst_family(t, frame, true, l3, port);
	return sl_reply_rst_family(t, frame, false, l3, port);
}

/** Whether this CPU may send one more ICMP error now. */
SL_INLINE bool sl_reply_allowed(sl_tables_t t)
{
	struct sl_cpu_counters *c = sl_count_cpu(t);
	__u32 now = sl_now_ticks(t);

	if (c == NULL)
		return false;
	if (c->reply_tick != now) {
		c->reply_tick = now;
		c->reply_tokens = SL_REPLY_PER_TICK;
	}
	if (c->reply_tokens == 0)
		return false;
	c->reply_tokens--;
	return true;
}

/** Bytes of the packet to quote: an even number of those that are there. */
SL_INLINE __u32 sl_quote_length(const struct sl_packet *p)
{
	__u32 length = p->ip_length < SL_QUOTE_MAX ? p->ip_length : SL_QUOTE_MAX;

	return length & ~1u;
}

/** Sum the ICMP message that begins at @icmp; bounded by @end. */
SL_INLINE __u64 sl_csum_message(__u64 sum, const void *icmp, __u32 length, const void *end)
{
	for (__u32 i = 0; i < (sizeof(struct sl_icmp) + SL_QUOTE_MAX) / 2; i++) {
		const __u16 *word = (const __u16 *)icmp + i;

		if (2 * i >= length || (const void *)(word + 1) > end)
			break;
		sum += *word;
	}
	return sum;
}

SL_INLINE int sl_reply_icmp_family(sl_tables_t t, sl_frame_t *frame, bool v6, __u32 l3, __u32 port,
				   __u32 mtu)
{
	const __u32 header = v6 ? sizeof(struct sl_ipv6) : sizeof(struct sl_ipv4);
	const __u32 growth = header + sizeof(struct sl_icmp);
	struct sl_icmp *icmp;
	struct sl_packet p;
	__u32 quote, length;
	struct sl_eth *eth;
	__u64 sum = 0;
	void *ip;
	int cut;

	if ((v6 ? sl_parse6(frame, l3, &p) : sl_parse4(frame, l3, &p)) != SL_PARSED_FLOW)
		return sl_drop(t, SL_DROP_MALFORMED);
	if (!sl_reply_allowed(t))
		return sl_drop(t, SL_DROP_REPLY_LIMIT);
	quote = sl_quote_length(&p);
	length = sizeof(*icmp) + quote;
	cut = (int)(l3 + quote) - (int)(sl_frame_end(frame) - sl_frame_data(frame));
	if (sl_frame_resize(frame, -(int)growth, cut) != 0)
		return sl_drop(t, SL_DROP_ADJUST);
	eth = sl_frame_data(frame);
	if ((void *)eth + growth + SL_L3_OFFSET_MAX > sl_frame_end(frame))
		return sl_drop(t, SL_DROP_ADJUST);
	__builtin_memcpy(eth, (void *)eth + growth, SL_L3_OFFSET_MAX);
	ip = (void *)eth + SL_MASKED(l3, SL_L3_OFFSET_MASK);
	icmp = ip + header;
	if ((void *)(icmp + 1) > sl_frame_end(frame))
		return sl_drop(t, SL_DROP_ADJUST);
	icmp->check = 0;
	icmp->reserved = 0;
	icmp->mtu = v6 || mtu != 0 ? SL_BE16(mtu) : 0;
	if (v6) {
		icmp->type = mtu != 0 ? SL_ICMPV6_PACKET_TOO_BIG : SL_ICMPV6_TIME_EXCEEDED;
		icmp->code = 0;
		sl_ipv6_write(ip, length, SL_ICMPV6, p.key.daddr, p.key.saddr);
		sum = sl_csum_pseudo(true, p.key.daddr, p.key.saddr, length, SL_ICMPV6);
	} else {
		icmp->type = mtu != 0 ? SL_ICMP_UNREACHABLE : SL_ICMP_TIME_EXCEEDED;
		icmp->code = mtu != 0 ? SL_ICMP_FRAGMENTATION_NEEDED : 0;
		sl_ipv4_write(ip, header + length, SL_ICMP, p.key.daddr[0], p.key.saddr[0]);
	}
	sum = sl_csum_message(sum, icmp, length, sl_frame_end(frame));
	icmp->check = (__u16)~sl_csum_fold(sum);
	sl_swap_macs(frame);
	return SL_SEND_TO(port);
}

/**
 * Answer a packet with an ICMP error from the address it was sent to: "time
 * exceeded" (@mtu 0), or "too big" for a link of @mtu bytes.
 */
SL_GLOBAL int sl_reply_icmp4(sl_tables_t t, sl_frame_t *frame, __u32 l3, __u32 port, __u32 mtu)
{
	if (l3 > SL_L3_OFFSET_MAX || l3 < sizeof(struct sl_eth))
		return SL_PASS;
	return sl_reply_icmp_family(t, frame, false, l3, port, mtu);
}

SL_GLOBAL int sl_reply_icmp6(sl_tables_t t, sl_frame_t *frame, __u32 l3, __u32 port, __u32 mtu)
{
	if (l3 > SL_L3_OFFSET_MAX || l3 < sizeof(struct sl_eth))
		return SL_PASS;
	return sl_reply_icmp_family(t, frame, true, l3, port, mtu);
}

#endif
