/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * Parse: from bytes to a flow key. Nothing is believed: each length is held
 * against the bytes that are there and against the lengths around it.
 */
#ifndef SL_PARSE_H
#define SL_PARSE_H

#include "flow_index.h"

#define SL_IPV6_EXTENSIONS 8	      /* headers looked at; more go to the kernel */
#define SL_IPV6_EXTENSION_BYTES 256   /* of header and extensions; more go to the kernel */
#define SL_IPV6_OFFSET_MASK 511	      /* holds SL_IPV6_EXTENSION_BYTES */

enum sl_parsed {
	SL_PARSED_FLOW,	     /* TCP or UDP with ports */
	SL_PARSED_OTHER,     /* nothing for us: the kernel's */
	SL_PARSED_ICMP,
	SL_PARSED_FRAGMENT,  /* a later fragment, without ports */
	SL_PARSED_TRUNCATED, /* addresses are known; what follows is not whole */
	SL_PARSED_MALFORMED, /* addresses are known; lengths contradict each other */
};

/* A packet taken apart. Holds pointers into the frame: never kept across a resize. */
struct sl_packet {
	struct sl_flow_key key;
	void *l3;
	void *l4;
	__u32 l4_offset; /* from l3 */
	__u32 ip_length; /* from l3 */
	__be32 seq;
	__be32 ack;
	__be32 fragment_id;
	__u8 tcp_flags; /* 0 for UDP */
	__u8 ttl;
	__u16 fragment; /* flags and offset as in an IPv4 header, host order; IPv6: the flags */
};

/** Ports and TCP fields. @room: bytes of the IP packet from l4 on, which are all in the frame. */
SL_INLINE enum sl_parsed sl_parse_l4(void *l4, const void *end, __u32 room, struct sl_packet *p)
{
	const struct sl_tcp *tcp = l4;
	const struct sl_udp *udp = l4;
	__u32 header;

	p->l4 = l4;
	if (p->key.protocol == SL_TCP) {
		if (room < sizeof(*tcp) || !SL_STILL((const void *)(tcp + 1) <= end))
			return SL_PARSED_TRUNCATED;
		header = tcp->data_offset >> 2 & 0x3c; /* bytes */
		if (header < sizeof(*tcp) || header > room)
			return SL_PARSED_MALFORMED;
		p->tcp_flags = tcp->flags;
		p->seq = SL_GET32(tcp->seq);
		p->ack = SL_GET32(tcp->ack);
	} else {
		if (room < sizeof(*udp) || !SL_STILL((const void *)(udp + 1) <= end))
			return SL_PARSED_TRUNCATED;
		if (SL_FROM_BE16(udp->length) < sizeof(*udp) ||
		    (SL_FROM_BE16(udp->length) > room && !(p->fragment & SL_IPV4_MORE_FRAGMENTS)))
			return SL_PARSED_MALFORMED;
		p->tcp_flags = 0;
		p->seq = 0;
		p->ack = 0;
	}
	/* sport and dport stand first in both */
	p->key.sport = udp->sport;
	p->key.dport = udp->dport;
	return SL_PARSED_FLOW;
}

/** @l3: where the IPv4 header begins, in bytes from the start of the frame. */
SL_INLINE enum sl_parsed sl_parse4(sl_frame_t *frame, __u32 l3, struct sl_packet *p)
{
	void *end = sl_frame_end(frame);
	struct sl_ipv4 *ip = sl_frame_data(frame) + SL_MASKED(l3, SL_L3_OFFSET_MASK);
	__u32 header;

	p->l3 = ip;
	if ((void *)(ip + 1) > end)
		return SL_PARSED_OTHER;
	header = (ip->version_ihl & 0xf) * 4;
	p->ip_length = SL_FROM_BE16(ip->total_length);
	/* version 4, and a header of 5 to 15 words, in one comparison */
	if ((__u8)(ip->version_ihl - 0x45) > 0x4f - 0x45 || p->ip_length < header ||
	    p->ip_length > (__u64)(end - (void *)ip))
		return SL_PARSED_OTHER;
	p->ttl = ip->ttl;
	p->fragment_id = ip->id;
	p->key.saddr[0] = SL_GET32(ip->saddr);
	p->key.daddr[0] = SL_GET32(ip->daddr);
	p->key.protocol = ip->protocol;
	p->l4_offset = header;
	p->fragment = SL_FROM_BE16(ip->fragment);
	if (ip->protocol == SL_ICMP)
		return SL_PARSED_ICMP;
	if (ip->protocol != SL_TCP && ip->protocol != SL_UDP)
		return SL_PARSED_OTHER;
	if (SL_UNLIKELY(p->fragment & SL_IPV4_OFFSET_MASK))
		return SL_PARSED_FRAGMENT;
	return sl_parse_l4((void *)ip + header, end, p->ip_length - header, p);
}

/* Where the chain of IPv6 extension headers leads. */
#define SL_CHAIN_OFFSET(c) ((c)&0x1ff)		/* from the start of the IPv6 header */
#define SL_CHAIN_PROTOCOL(c) ((c) >> 16 & 0xff)
#define SL_CHAIN_FIRST 0x1000000		/* first of several fragments */
#define SL_CHAIN_LATER 0x2000000		/* fragment without L4 header */
#define SL_CHAIN_BAD 0x4000000			/* runs past the end, too long, or a routing header in use */

/** Follow the chain. Returns an SL_CHAIN word; *ret_fragment_id is of the fragment header. */
SL_GLOBAL int sl_ipv6_chain(sl_frame_t *frame, __u32 l3)
{
	void *data = sl_frame_data(frame), *end = sl_frame_end(frame);
	struct sl_ipv6 *ip;
	__u32 offset = sizeof(*ip), flags = 0, next;

	if (l3 > SL_L3_OFFSET_MAX)
		return SL_CHAIN_BAD;
	ip = data + SL_MASKED(l3, SL_L3_OFFSET_MASK);
	if ((void *)(ip + 1) > end)
		return SL_CHAIN_BAD;
	next = ip->next_header;
	for (int i = 0; i < SL_IPV6_EXTENSIONS; i++) {
		const struct sl_ipv6_extension *ext;

		if (offset > SL_IPV6_EXTENSION_BYTES) /* before it is cut to SL_CHAIN_OFFSET() */
			return SL_CHAIN_BAD;
		if (next != SL_HOP_BY_HOP && next != SL_ROUTING && next != SL_FRAGMENT_HEADER &&
		    next != SL_DESTINATION_OPTIONS)
			return (int)(offset | next << 16 | flags);
		ext = (void *)ip + offset;
		if ((void *)ext + 8 > end)
			return SL_CHAIN_BAD;
		if (next == SL_FRAGMENT_HEADER) {
			const struct sl_ipv6_fragment *fragment = (const void *)ext;
			__u16 word = SL_FROM_BE16(fragment->offset_more);

			next = fragment->next_header;
			offset += sizeof(*fragment);
			if (word & 0xfff8)
				return (int)(offset | next << 16 | SL_CHAIN_LATER);
			if (word & 1)
				flags |= SL_CHAIN_FIRST;
			continue;
		}
		if (next == SL_ROUTING && ext->segments_left != 0)
			return SL_CHAIN_BAD;
		next = ext->next_header;
		offset += 8 + ext->length * 8u;
	}
	return SL_CHAIN_BAD;
}

/** The identification of the fragment header that stands 8 bytes before L4; 0 when there is none. */
SL_INLINE __be32 sl_ipv6_fragment_id(const struct sl_packet *p, const void *end)
{
	const struct sl_ipv6_fragment *fragment;

	if (p->l4_offset < sizeof(struct sl_ipv6) + sizeof(*fragment))
		return 0;
	fragment = p->l3 + SL_MASKED(p->l4_offset - sizeof(*fragment), SL_IPV6_OFFSET_MASK);
	return (const void *)(fragment + 1) > end ? 0 : fragment->id;
}

SL_INLINE enum sl_parsed sl_parse6(sl_frame_t *frame, __u32 l3, struct sl_packet *p)
{
	void *end = sl_frame_end(frame);
	struct sl_ipv6 *ip = sl_frame_data(frame) + SL_MASKED(l3, SL_L3_OFFSET_MASK);
	__u32 next, chain;

	p->l3 = ip;
	if ((void *)(ip + 1) > end)
		return SL_PARSED_OTHER;
	p->ip_length = sizeof(*ip) + SL_FROM_BE16(ip->payload_length);
	if ((__u8)ip->version_class_label >> 4 != 6 ||
	    p->ip_length > (__u64)(end - (void *)ip))
		return SL_PARSED_OTHER;
	p->ttl = ip->hop_limit;
	p->fragment = SL_IPV4_DONT_FRAGMENT;
	p->fragment_id = 0;
	p->l4_offset = sizeof(*ip);
	for (int i = 0; i < 4; i++) {
		p->key.saddr[i] = SL_GET32(ip->saddr[i]);
		p->key.daddr[i] = SL_GET32(ip->daddr[i]);
	}
	next = ip->next_header;
	if (SL_UNLIKELY(next != SL_TCP && next != SL_UDP && next != SL_ICMPV6)) {
		chain = (__u32)sl_ipv6_chain(frame, l3);
		next = SL_CHAIN_PROTOCOL(chain);
		p->l4_offset = SL_CHAIN_OFFSET(chain);
		if ((chain & SL_CHAIN_BAD) || p->l4_offset > SL_IPV6_EXTENSION_BYTES)
			return SL_PARSED_OTHER;
		if (chain & (SL_CHAIN_FIRST | SL_CHAIN_LATER))
			p->fragment_id = sl_ipv6_fragment_id(p, end);
		if (chain & SL_CHAIN_FIRST)
			p->fragment |= SL_IPV4_MORE_FRAGMENTS;
		p->key.protocol = (__u8)next;
		if (chain & SL_CHAIN_LATER)
			return next == SL_TCP || next == SL_UDP ? SL_PARSED_FRAGMENT :
								  SL_PARSED_OTHER;
	}
	p->key.protocol = (__u8)next;
	if (next == SL_ICMPV6)
		return SL_PARSED_ICMP;
	if (next != SL_TCP && next != SL_UDP)
		return SL_PARSED_OTHER;
	if (p->ip_length < p->l4_offset)
		return SL_PARSED_TRUNCATED;
	return sl_parse_l4((void *)ip + SL_MASKED(p->l4_offset, SL_IPV6_OFFSET_MASK), end,
			   p->ip_length - p->l4_offset, p);
}

#endif
