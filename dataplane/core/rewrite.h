/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * Rewrite: what a flow line does to a packet, and how the packet leaves.
 * Type of service, ECN and options pass untouched; the time to live goes down
 * by one, as a router must (RFC 1812 §5.3.1, RFC 8200 §3).
 */
#ifndef SL_REWRITE_H
#define SL_REWRITE_H

#include "checksum.h"
#include "flow_index.h"

/* What becomes of a packet. */
enum sl_verdict {
	SL_PASS, /* the kernel's */
	SL_DROP,
	SL_SEND, /* through the port in the bits above */
};
#define SL_VERDICT(v) ((v)&0xff)
#define SL_VERDICT_PORT(v) ((__u32)(v) >> 8)
#define SL_SEND_TO(port) ((int)(SL_SEND | (__u32)(port) << 8))

/*
 * What sl_forward4() and sl_forward6() leave to sl_settle() beside a verdict.
 * The way there is short on purpose: the kernel allows 512 bytes of stack for
 * a whole chain of calls.
 */
enum sl_need {
	SL_NEED_FLOW = SL_SEND + 1, /* no flow has this packet */
	SL_NEED_CHECK,		    /* one has, but may be over */
	SL_NEED_CREATE,		    /* sl_scratch() says which flow to make */
	SL_NEED_RST,
	SL_NEED_ICMP,	  /* it is an ICMP message */
	SL_NEED_FRAGMENT, /* it is a later fragment */
	SL_NEED_PROXY,	  /* its flow has a PROXY header: sl_translate() first */
	SL_NEED_TIME_EXCEEDED,
	SL_NEED_TOO_BIG, /* MTU of the next link in the bits above */
	SL_NEED_WHOLE,	 /* only plain packets were asked for: sl_forward() takes it */
};

SL_INLINE int sl_drop(sl_tables_t t, enum sl_drop reason)
{
	sl_count_drop(t, reason);
	return SL_DROP;
}

/* A line's rewrite, read in one moment. */
struct sl_rewrite {
	__be32 saddr[4];
	__be32 daddr[4];
	__be16 sport;
	__be16 dport;
	__u16 l3_delta;
	__u16 l4_delta;
	__u16 target;
	__u16 listener;
	__u8 ends; /* SL_ENDS_… of its target */
	__u64 hop; /* SL_NEXT_HOP_… */
};

/**
 * Where packets of a line go: the target's next hop, or the way back to the client.
 * Which it is, is known late: so both are read, and one is taken without a branch.
 */
SL_INLINE __u64 sl_line_hop(const struct sl_flow_line *line, __u32 number,
			    const struct sl_target *target)
{
	__u64 back = SL_READ(*(const __u64 *)line->client_mac);
	__u64 onward = target != NULL ? SL_READ(target->next_hop) : SL_NEXT_HOP_NONE;

	return onward ^ ((onward ^ back) & SL_IF_TARGETS(number));
}

/** Whether a target with these SL_ENDS_… ends a flow, of which a packet came on line @number. */
SL_INLINE bool sl_target_ends(__u8 ends, __u8 protocol, __u32 number)
{
	if (protocol != SL_UDP)
		return ends & SL_ENDS_TCP;
	/* what the target still answers passes: the flow moves with the client's next datagram */
	return (ends & SL_ENDS_UDP) && !(number & 1);
}

/** Read the rewrite of a line. Returns false when the line changed hands since it was found. */
SL_INLINE bool sl_rewrite_read(sl_tables_t t, bool v6, const struct sl_found *found,
			       struct sl_rewrite *r)
{
	const struct sl_flow_line *line = found->line;
	const struct sl_target *target;
	const int words = SL_WORDS(v6);

	for (int i = 0; i < words; i++) {
		r->saddr[i] = line->address[2 * words + i];
		r->daddr[i] = line->address[3 * words + i];
	}
	r->sport = line->new_sport;
	r->dport = line->new_dport;
	r->l3_delta = line->l3_delta;
	r->l4_delta = line->l4_delta;
	r->target = line->target;
	r->listener = line->listener;
	target = sl_target(t, r->target);
	r->ends = target != NULL ? SL_READ(target->ends) : 0;
	r->hop = sl_line_hop(line, found->number, target);
	return sl_line_unchanged(line, found->version);
}

/** Whether a packet does not fit the link it must leave by; *ret_mtu: what would. */
SL_INLINE bool sl_too_big(const struct sl_port *port, __u32 ip_length, __u32 *ret_mtu)
{
	if (port == NULL || SL_LIKELY(ip_length <= port->mtu))
		return false;
	*ret_mtu = port->mtu;
	return true;
}

/** Count a packet that a line sends on, and keep its flow from idling. */
SL_INLINE void sl_count_packet(sl_tables_t t, struct sl_flow_line *line,
			       const struct sl_rewrite *r, __u8 protocol, __u32 ip_length)
{
	enum sl_l4 l4 = protocol == SL_UDP ? SL_L4_UDP : SL_L4_TCP;
	struct sl_listener_counters *listener;
	struct sl_target_counters *target;

	line->last_seen = sl_now_ticks(t);
	line->bytes += ip_length;
	if (SL_UNLIKELY(++line->packets == 0))
		line->packets_high += SL_PACKETS_HIGH_ONE;
	listener = sl_count_listener(t, r->listener);
	if (SL_LIKELY(listener != NULL)) {
		listener->packets[l4]++;
		listener->bytes[l4] += ip_length;
	}
	target = sl_count_target(t, r->target);
	if (SL_LIKELY(target != NULL)) {
		target->packets++;
		target->bytes += ip_length;
	}
}

/** Change an IPv4 header. The checksum stays as wrong as it came. */
SL_INLINE void sl_rewrite_l3_4(struct sl_ipv4 *ip, const struct sl_rewrite *r, bool hop)
{
	__u32 delta = r->l3_delta;

	SL_PUT32(ip->saddr, r->saddr[0]);
	SL_PUT32(ip->daddr, r->daddr[0]);
	if (hop) {
		ip->ttl--;
		delta += 0xfffe; /* ~ttl + (ttl - 1): the low byte of a word, one less */
	}
	ip->check = sl_csum_apply_folded(ip->check, delta);
}

SL_INLINE void sl_rewrite_l3_6(struct sl_ipv6 *ip, const struct sl_rewrite *r, bool hop)
{
	for (int i = 0; i < 4; i++) {
		SL_PUT32(ip->saddr[i], r->saddr[i]);
		SL_PUT32(ip->daddr[i], r->daddr[i]);
	}
	if (hop)
		ip->hop_limit--;
}

/** Change ports and checksum. */
SL_INLINE void sl_rewrite_l4(void *l4, const void *end, __u8 protocol, const struct sl_rewrite *r)
{
	struct sl_tcp *tcp = l4;
	struct sl_udp *udp = l4;

	if (protocol == SL_TCP && SL_STILL((const void *)(tcp + 1) <= end)) {
		tcp->sport = r->sport;
		tcp->dport = r->dport;
		tcp->check = sl_csum_apply_folded(tcp->check, r->l4_delta);
	} else if (protocol == SL_UDP && SL_STILL((const void *)(udp + 1) <= end)) {
		udp->sport = r->sport;
		udp->dport = r->dport;
		udp->check = sl_csum_apply_udp(udp->check, r->l4_delta);
	}
}

/**
 * Give a packet the VLAN tags of the port it leaves by. The priority of a tag
 * that was there stays.
 */
SL_GLOBAL int sl_retag(sl_tables_t t, sl_frame_t *frame, __u32 l3, __u32 number)
{
	const struct sl_port *port = sl_port(t, number);
	struct sl_eth *eth = sl_frame_data(frame);
	__u32 has, wants;
	struct sl_vlan *tag;
	__be16 type, priority = 0;

	if (port == NULL || l3 < sizeof(*eth) || l3 > SL_L3_OFFSET_MAX ||
	    (void *)eth + SL_L3_OFFSET_MAX > sl_frame_end(frame))
		return -1;
	has = (l3 - sizeof(*eth)) / sizeof(*tag);
	wants = (port->vlan[0] != 0) + (port->vlan[1] != 0);
	tag = (void *)(eth + 1);
	type = eth->type;
	if (has >= 1) {
		priority = tag[0].tci & (__be16)~SL_BE16(SL_VLAN_ID_MASK);
		type = has == 1 ? tag[0].type : tag[1].type;
	}
	if (has != wants && sl_frame_resize(frame, ((int)has - (int)wants) * (int)sizeof(*tag), 0))
		return -1;
	eth = sl_frame_data(frame);
	tag = (void *)(eth + 1);
	if ((void *)eth + SL_L3_OFFSET_MAX > sl_frame_end(frame))
		return -1;
	eth->type = wants == 0 ? type : SL_BE16(wants == 2 ? SL_ETHERTYPE_QINQ : SL_ETHERTYPE_VLAN);
	if (wants >= 1) {
		tag[0].tci = SL_BE16(port->vlan[0]) | priority;
		tag[0].type = wants == 2 ? SL_BE16(SL_ETHERTYPE_VLAN) : type;
	}
	if (wants == 2) {
		tag[1].tci = SL_BE16(port->vlan[1]) | priority;
		tag[1].type = type;
	}
	return 0;
}

/** The port that a next hop is reached by; NULL: the kernel has yet to find it. */
SL_INLINE const struct sl_port *sl_hop_port(sl_tables_t t, __u64 hop)
{
	return sl_port(t, SL_NEXT_HOP_PORT(hop));
}

/** Address a finished frame to a next hop. @port: sl_hop_port() of it. */
SL_INLINE int sl_leave(sl_tables_t t, sl_frame_t *frame, __u64 hop, const struct sl_port *port)
{
	struct sl_eth *eth = sl_frame_data(frame);

	if (!SL_STILL((void *)(eth + 1) <= sl_frame_end(frame)))
		return sl_drop(t, SL_DROP_ADJUST);
	*(__u16 *)&eth->destination[0] = (__u16)hop;
	*(__u16 *)&eth->destination[2] = (__u16)(hop >> 16);
	*(__u16 *)&eth->destination[4] = (__u16)(hop >> 32);
	__builtin_memcpy(eth->source, port->mac, SL_MAC_BYTES);
	return SL_SEND_TO(SL_NEXT_HOP_PORT(hop));
}

/** Send a finished IP packet to a next hop. @port: sl_hop_port() of it. */
SL_INLINE int sl_send(sl_tables_t t, sl_frame_t *frame, __u32 l3, __u64 hop,
		      const struct sl_port *port)
{
	if (port == NULL || port->ifindex == 0 || !port->up)
		return sl_drop(t, SL_DROP_PORT_DOWN);
	if (SL_UNLIKELY(l3 != sizeof(struct sl_eth) || port->vlan[0] != 0) &&
	    sl_retag(t, frame, l3, SL_NEXT_HOP_PORT(hop)) != 0)
		return sl_drop(t, SL_DROP_ADJUST);
	return sl_leave(t, frame, hop, port);
}

#endif
