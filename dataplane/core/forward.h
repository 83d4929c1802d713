/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * Forward: the packet path, from a frame to a verdict. An engine calls
 * sl_receive() for each frame; all else in core/ is called from here.
 *
 *   frame ─▶ parse ─▶ flow known? ─▶ rewrite ─▶ send
 *                        │ no                        the kernel's: SL_PASS
 *                        └▶ listener? ─▶ make flow ─▶ rewrite ─▶ send
 *
 * What an established packet does not need stands in functions of its own
 * (SL_GLOBAL), which parse the packet again.
 */
#ifndef SL_FORWARD_H
#define SL_FORWARD_H

#include "flow_create.h"
#include "fragment.h"
#include "icmp.h"
#include "proxy.h"
#include "refusal.h"
#include "reply.h"
#include "track.h"

/** A packet without a flow: whose is it? Returns SL_PASS, SL_NEED_RST or SL_NEED_CREATE. */
SL_INLINE int sl_miss_family(sl_tables_t t, sl_frame_t *frame, bool v6, __u32 l3, __u32 port)
{
	struct sl_scratch *scratch = sl_scratch(t);
	struct sl_listener_counters *counters;
	const struct sl_vip *vip;
	const struct sl_eth *eth;
	struct sl_create *c;
	struct sl_packet p;

	if (scratch == NULL ||
	    (v6 ? sl_parse6(frame, l3, &p) : sl_parse4(frame, l3, &p)) != SL_PARSED_FLOW)
		return SL_PASS;
	vip = sl_vip_find(t, v6, p.key.daddr, p.key.dport, p.key.protocol);
	/* a target's own traffic, routed by the kernel: all of it, not only the first fragments */
	if (vip == NULL && SL_UNLIKELY(p.fragment & SL_IPV4_MORE_FRAGMENTS) &&
	    sl_concerns_us(t, v6, &p.key))
		(void)(v6 ? sl_fragment_note6(t, frame, l3, 0, 0) :
			    sl_fragment_note4(t, frame, l3, 0, 0));
	eth = sl_frame_data(frame);
	if (vip == NULL || (const void *)(eth + 1) > sl_frame_end(frame))
		return SL_PASS;
	if (p.key.protocol == SL_TCP &&
	    (p.tcp_flags & (SL_TCP_STATE_FLAGS | SL_TCP_ACK)) != SL_TCP_SYN) {
		counters = sl_count_listener(t, vip->listener);
		if (counters != NULL && !(p.tcp_flags & SL_TCP_RST))
			counters->elb_resets++;
		return SL_NEED_RST;
	}
	c = &scratch->create;
	for (int i = 0; i < SL_WORDS(v6); i++) {
		c->key.saddr[i] = p.key.saddr[i];
		c->key.daddr[i] = p.key.daddr[i];
	}
	c->key.sport = p.key.sport;
	c->key.dport = p.key.dport;
	c->key.protocol = p.key.protocol;
	c->isn = p.seq;
	c->port = (__u16)port;
	__builtin_memcpy(c->client_mac, eth->source, SL_MAC_BYTES);
	c->listener = vip->listener;
	c->zone = vip->zone;
	return SL_NEED_CREATE;
}

SL_GLOBAL int sl_miss4(sl_tables_t t, sl_frame_t *frame, __u32 l3, __u32 port)
{
	return l3 > SL_L3_OFFSET_MAX ? SL_PASS : sl_miss_family(t, frame, false, l3, port);
}

SL_GLOBAL int sl_miss6(sl_tables_t t, sl_frame_t *frame, __u32 l3, __u32 port)
{
	return l3 > SL_L3_OFFSET_MAX ? SL_PASS : sl_miss_family(t, frame, true, l3, port);
}

/** Find a packet's line by its key. */
SL_INLINE bool sl_line_of(sl_tables_t t, bool v6, const struct sl_packet *p, struct sl_found *found)
{
	__u64 hash = sl_key_hash(sl_config(t)->seed, v6, &p->key);

	return sl_index_search(t, v6, &p->key, hash, 0, found);
}

SL_INLINE bool sl_tcp_begins(__u8 tcp_flags)
{
	return (tcp_flags & (SL_TCP_SYN | SL_TCP_ACK)) == SL_TCP_SYN;
}

SL_INLINE int sl_stale_family(sl_tables_t t, sl_frame_t *frame, bool v6, __u32 l3)
{
	struct sl_listener_counters *listener;
	const struct sl_flow_line *client;
	const struct sl_target *target;
	struct sl_found found;
	struct sl_packet p;
	bool ends, closed;
	__u32 control;

	if (l3 > SL_L3_OFFSET_MAX ||
	    (v6 ? sl_parse6(frame, l3, &p) : sl_parse4(frame, l3, &p)) != SL_PARSED_FLOW ||
	    !sl_line_of(t, v6, &p, &found))
		return -SL_NEED_FLOW;
	client = sl_line(t, v6, found.number & ~1u);
	if (client == NULL)
		return -SL_NEED_FLOW;
	control = SL_READ(client->control);
	target = sl_target(t, client->target);
	closed = sl_state_is_closed(SL_CONTROL_STATE(control));
	ends = !closed && target != NULL &&
	       sl_target_ends(target->ends, (__u8)p.key.protocol, found.number);
	if (ends && p.key.protocol == SL_TCP && !sl_tcp_begins(p.tcp_flags)) {
		listener = sl_count_listener(t, client->listener);
		/* the flow stays until control takes it, so that both sides get their RST */
		if (listener != NULL && !(p.tcp_flags & SL_TCP_RST))
			listener->elb_resets++;
		return -SL_NEED_RST;
	}
	/* a SYN begins anew, or the client would be refused though other targets live */
	if (closed && sl_tcp_begins(p.tcp_flags))
		sl_flow_end(t, v6, found.number / 2, control, sl_reason_of(control));
	else if (ends && target != NULL)
		sl_flow_end(t, v6, found.number / 2, control, sl_reason_of_target(target));
	else
		return (int)found.number;
	return -SL_NEED_FLOW;
}

/**
 * A packet on a flow that may be over: its target ends it, or a SYN comes on a
 * closed one. Returns the number of its line when the flow goes on,
 * -SL_NEED_FLOW when it was ended, or -SL_NEED_RST.
 */
SL_GLOBAL int sl_stale4(sl_tables_t t, sl_frame_t *frame, __u32 l3)
{
	return sl_stale_family(t, frame, false, l3);
}

SL_GLOBAL int sl_stale6(sl_tables_t t, sl_frame_t *frame, __u32 l3)
{
	return sl_stale_family(t, frame, true, l3);
}

/** Keep the way back to the client fresh: routers fail over while flows live. */
SL_INLINE void sl_refresh_way_back(sl_tables_t t, sl_frame_t *frame, bool v6,
				   const struct sl_found *found, __u32 port)
{
	const struct sl_eth *eth = sl_frame_data(frame);
	struct sl_flow_line *target;
	__u16 digest;
	__u64 hop;

	if (!SL_STILL((const void *)(eth + 1) <= sl_frame_end(frame)))
		return;
	/* sl_hop() in one access: behind the MAC stands the type */
	hop = SL_GET64(eth->source) << 16 >> 16 | (__u64)port << 48;
	digest = sl_way_back(hop);
	if (SL_LIKELY(((found->line->way_back ^ digest) & ~SL_IF_TARGETS(found->number)) == 0))
		return;
	target = sl_line(t, v6, found->number | 1);
	if (target == NULL)
		return;
	SL_WRITE(*(__u64 *)target->client_mac, hop);
	found->line->way_back = digest;
}

/** TCP state and acknowledgement of a packet on a line. */
SL_INLINE void sl_follow_tcp(sl_tables_t t, bool v6, const struct sl_found *found,
			     const struct sl_packet *p)
{
	struct sl_flow_line *line = found->line;
	struct sl_listener_counters *listener;
	/* a client's packet may settle the state */
	__u64 unsettled = (SL_CONTROL_STATE(line->control) ^ SL_FLOW_ESTABLISHED) &
			  ~SL_IF_TARGETS(found->number);

	if (p->tcp_flags & SL_TCP_ACK)
		line->last_ack = p->ack;
	if (SL_LIKELY(((p->tcp_flags & SL_TCP_STATE_FLAGS) | unsettled) == 0))
		return;
	sl_track(t, v6, found->number, found->version, p->tcp_flags);
	if (p->tcp_flags & SL_TCP_RST) {
		listener = sl_count_listener(t, line->listener);
		if (listener != NULL && !(found->number & 1))
			listener->client_resets++;
		else if (listener != NULL)
			listener->target_resets++;
	}
}

/** Whether a packet leaves as it came, but for its addresses: whole, untagged, and it fits. */
SL_INLINE bool sl_leaves_plain(__u32 l3, const struct sl_packet *p, const struct sl_port *way)
{
	return way != NULL && way->up && way->vlan[0] == 0 && p->ip_length <= way->mtu &&
	       l3 == sizeof(struct sl_eth) && p->ttl > 1 &&
	       !(p->fragment & SL_IPV4_MORE_FRAGMENTS);
}

/** A packet that does not leave plain. Returns 0 when it goes on, to its next hop if *ret_routed,
 *  else to the kernel; or an enum sl_need. */
SL_INLINE int sl_look_closer(sl_tables_t t, sl_frame_t *frame, bool v6, __u32 l3,
			     const struct sl_packet *p, const struct sl_found *found,
			     const struct sl_rewrite *r, const struct sl_port *way,
			     bool *ret_routed)
{
	__u32 mtu = 0;

	if (p->ttl <= 1)
		return SL_NEED_TIME_EXCEEDED;
	*ret_routed = r->hop != SL_NEXT_HOP_NONE;
	if (*ret_routed && sl_too_big(way, p->ip_length, &mtu)) {
		if (p->fragment & SL_IPV4_DONT_FRAGMENT)
			return (int)(SL_NEED_TOO_BIG | mtu << 8);
		*ret_routed = false;
	}
	if (found->proxied)
		return SL_NEED_PROXY;
	if ((p->fragment & SL_IPV4_MORE_FRAGMENTS) && v6)
		sl_fragment_note6(t, frame, l3, found->number, found->version);
	else if (p->fragment & SL_IPV4_MORE_FRAGMENTS)
		sl_fragment_note4(t, frame, l3, found->number, found->version);
	return 0;
}

/** Rewrite a packet as its line says, and send it. @only_plain: if it leaves plain. */
SL_INLINE int sl_forward_on(sl_tables_t t, sl_frame_t *frame, bool v6, __u32 l3, __u32 port,
			    const struct sl_packet *p, const struct sl_found *found,
			    const struct sl_rewrite *r, bool only_plain)
{
	const struct sl_port *way = sl_hop_port(t, r->hop);
	const bool plain = sl_leaves_plain(l3, p, way) && !found->proxied;
	bool routed = true;
	int need;

	if (SL_UNLIKELY(!plain)) {
		if (only_plain)
			return SL_NEED_WHOLE;
		need = sl_look_closer(t, frame, v6, l3, p, found, r, way, &routed);
		if (need != 0)
			return need;
	}
	sl_refresh_way_back(t, frame, v6, found, port);
	if (p->key.protocol == SL_TCP)
		sl_follow_tcp(t, v6, found, p);
	sl_count_packet(t, found->line, r, (__u8)p->key.protocol, p->ip_length);
	/* the kernel finds the next hop, or fragments; and counts the hop itself */
	if (v6)
		sl_rewrite_l3_6(p->l3, r, routed);
	else
		sl_rewrite_l3_4(p->l3, r, routed);
	sl_rewrite_l4(p->l4, sl_frame_end(frame), p->key.protocol, r);
	if (SL_LIKELY(plain))
		return sl_leave(t, frame, r->hop, way);
	return routed ? sl_send(t, frame, l3, r->hop, way) : SL_PASS;
}

/**
 * Forward a packet on the line that holds its key. @made: the flow was made for
 * it, and needs no check. Returns a verdict or an enum sl_need; the latter before
 * it changed anything.
 */
SL_INLINE int sl_forward_found(sl_tables_t t, sl_frame_t *frame, bool v6, __u32 l3, __u32 port,
			       const struct sl_packet *p, const struct sl_found *found, bool made,
			       bool only_plain)
{
	struct sl_rewrite r;

	if (SL_UNLIKELY(!sl_rewrite_read(t, v6, found, &r)))
		return sl_drop(t, SL_DROP_RACE);
	if (SL_UNLIKELY(((p->tcp_flags & SL_TCP_SYN) | r.ends) != 0) && !made &&
	    (sl_tcp_begins(p->tcp_flags) ||
	     sl_target_ends(r.ends, (__u8)p->key.protocol, found->number)))
		return SL_NEED_CHECK;
	return sl_forward_on(t, frame, v6, l3, port, p, found, &r, only_plain);
}

SL_INLINE int sl_forward_family(sl_tables_t t, sl_frame_t *frame, bool v6, __u32 l3, __u32 port,
				__u32 number)
{
	struct sl_packet p;
	enum sl_parsed parsed = v6 ? sl_parse6(frame, l3, &p) : sl_parse4(frame, l3, &p);
	struct sl_found found;

	if (SL_UNLIKELY(parsed != SL_PARSED_FLOW)) {
		switch (parsed) {
		case SL_PARSED_ICMP:
			return SL_NEED_ICMP;
		case SL_PARSED_FRAGMENT:
			return SL_NEED_FRAGMENT;
		case SL_PARSED_TRUNCATED:
			return sl_refuse(t, v6, &p.key, SL_DROP_TRUNCATED);
		case SL_PARSED_MALFORMED:
			return sl_refuse(t, v6, &p.key, SL_DROP_MALFORMED);
		default:
			return SL_PASS;
		}
	}
	if (SL_LIKELY(number == 0)) {
		if (SL_UNLIKELY(!sl_line_of(t, v6, &p, &found)))
			return SL_NEED_FLOW;
	} else if (!sl_line_holds(t, v6, number, &p.key, 0, &found)) {
		return sl_drop(t, SL_DROP_RACE);
	} else if (found.proxied) { /* translated by now, but for what the line notes */
		found.proxied = false;
		if (number & 1)
			p.ack = found.line->last_ack;
	}
	return sl_forward_found(t, frame, v6, l3, port, &p, &found, number != 0, false);
}

/**
 * Forward an IPv4 packet.
 *
 * @number  the line it takes, if the caller made it or translated the packet; 0 to look it up
 *
 * Returns a verdict or an enum sl_need.
 */
SL_GLOBAL int sl_forward4(sl_tables_t t, sl_frame_t *frame, __u32 l3, __u32 port, __u32 number)
{
	return l3 > SL_L3_OFFSET_MAX ? SL_PASS :
				       sl_forward_family(t, frame, false, l3, port, number);
}

/** The same for IPv6. */
SL_GLOBAL int sl_forward6(sl_tables_t t, sl_frame_t *frame, __u32 l3, __u32 port, __u32 number)
{
	return l3 > SL_L3_OFFSET_MAX ? SL_PASS :
				       sl_forward_family(t, frame, true, l3, port, number);
}

/** A packet goes on, on a line. Returns a verdict or an enum sl_need. */
SL_INLINE int sl_forward_line(sl_tables_t t, sl_frame_t *frame, bool v6, __u32 l3, __u32 port,
			      __u32 number)
{
	const struct sl_flow_line *line = sl_line(t, v6, number);

	if (line != NULL && (line->packets_high & SL_LINE_PROXY))
		return SL_NEED_PROXY;
	return v6 ? sl_forward6(t, frame, l3, port, number) :
		    sl_forward4(t, frame, l3, port, number);
}

/** A packet without a flow: make one if it may begin one. Returns a verdict or an enum sl_need. */
SL_INLINE int sl_begin(sl_tables_t t, sl_frame_t *frame, bool v6, __u32 l3, __u32 port)
{
	int verdict = v6 ? sl_miss6(t, frame, l3, port) : sl_miss4(t, frame, l3, port);
	__u32 line;

	if (verdict != SL_NEED_CREATE)
		return verdict;
	line = (__u32)(v6 ? sl_flow_create6(t) : sl_flow_create4(t));
	if (line == 0)
		return sl_refused(t, v6) ? SL_NEED_RST : SL_DROP;
	return sl_forward_line(t, frame, v6, l3, port, line);
}

/** A packet on a flow that may be over. Returns a verdict or an enum sl_need. */
SL_INLINE int sl_check(sl_tables_t t, sl_frame_t *frame, bool v6, __u32 l3, __u32 port)
{
	int line = v6 ? sl_stale6(t, frame, l3) : sl_stale4(t, frame, l3);

	if (line <= 0)
		return -line;
	return sl_forward_line(t, frame, v6, l3, port, (__u32)line);
}

/** A packet of a flow with a PROXY header. Returns a verdict or an enum sl_need. */
SL_INLINE int sl_translate(sl_tables_t t, sl_frame_t *frame, bool v6, __u32 l3, __u32 port)
{
	int line = v6 ? sl_proxy6(t, frame, l3) : sl_proxy4(t, frame, l3);

	if (line <= 0)
		return -line;
	return v6 ? sl_forward6(t, frame, l3, port, (__u32)line) :
		    sl_forward4(t, frame, l3, port, (__u32)line);
}

/** What a packet needs beyond its flow's rewrite. @verdict: of sl_forward4() and
 *  sl_forward6(). Returns a verdict. */
SL_INLINE int sl_settle(sl_tables_t t, sl_frame_t *frame, bool v6, __u32 l3, __u32 port,
			int verdict)
{
	__u32 mtu;

	if (SL_LIKELY(SL_VERDICT(verdict) <= SL_SEND))
		return verdict;
	if (SL_VERDICT(verdict) == SL_NEED_CHECK)
		verdict = sl_check(t, frame, v6, l3, port);
	if (SL_VERDICT(verdict) == SL_NEED_FLOW)
		verdict = sl_begin(t, frame, v6, l3, port);
	if (SL_VERDICT(verdict) == SL_NEED_PROXY)
		verdict = sl_translate(t, frame, v6, l3, port);
	mtu = SL_VERDICT_PORT(verdict);
	switch (SL_VERDICT(verdict)) {
	case SL_NEED_RST:
		return sl_reply_rst(t, frame, v6, l3, port);
	case SL_NEED_ICMP:
		return v6 ? sl_icmp6(t, frame, l3) : sl_icmp4(t, frame, l3);
	case SL_NEED_FRAGMENT:
		return v6 ? sl_fragment6(t, frame, l3) : sl_fragment4(t, frame, l3);
	case SL_NEED_TIME_EXCEEDED:
		mtu = 0;
		/* fallthrough */
	case SL_NEED_TOO_BIG:
		return v6 ? sl_reply_icmp6(t, frame, l3, port, mtu) :
			    sl_reply_icmp4(t, frame, l3, port, mtu);
	}
	return verdict;
}

/** Where a port would stand in the port table. */
SL_INLINE __u32 sl_port_home(__u32 ifindex, __u32 outer, __u32 inner)
{
	return (ifindex * 31 + outer * 7 + inner) % SL_MAX_PORTS;
}

/** The port that a frame came in by; NULL: not served. */
SL_INLINE const struct sl_port *sl_port_find(sl_tables_t t, __u32 ifindex, __u32 outer, __u32 inner,
					     __u32 *ret_number)
{
	__u32 home = sl_port_home(ifindex, outer, inner);

	for (__u32 i = 0; i < SL_PORT_PROBES; i++) {
		__u32 number = (home + i) % SL_MAX_PORTS;
		const struct sl_port *port = sl_port(t, number);

		if (port != NULL && port->ifindex == ifindex && port->vlan[0] == outer &&
		    port->vlan[1] == inner) {
			*ret_number = number;
			return port;
		}
	}
	return NULL;
}

/** Whether a MAC in a frame is a port's. One comparison: what follows both is cut off. */
SL_INLINE bool sl_mac_is(const __u8 *mac, const struct sl_port *port)
{
	return (SL_GET64(mac) ^ SL_GET64(port->mac)) << 16 == 0;
}

/** Forward an IP packet; returns a verdict. */
SL_INLINE int sl_forward(sl_tables_t t, sl_frame_t *frame, bool v6, __u32 l3, __u32 port)
{
	int verdict = v6 ? sl_forward6(t, frame, l3, port, 0) : sl_forward4(t, frame, l3, port, 0);

	return sl_settle(t, frame, v6, l3, port, verdict);
}

/* The head of a frame. */
struct sl_tags {
	__u32 vlan[SL_MAX_VLAN_TAGS]; /* outer, inner; 0: none */
	__u32 l3;		      /* where what it carries begins */
	__be16 type;		      /* and what that is */
};

/** Read the head of a frame; false: it is cut off. */
SL_INLINE bool sl_untag(sl_frame_t *frame, struct sl_tags *ret_tags)
{
	void *end = sl_frame_end(frame);
	struct sl_eth *eth = sl_frame_data(frame);
	__u32 l3 = sizeof(*eth);
	__be16 type;

	if ((void *)(eth + 1) > end)
		return false;
	type = eth->type;
	ret_tags->vlan[0] = ret_tags->vlan[1] = 0;
	for (int i = 0; i < SL_MAX_VLAN_TAGS; i++) {
		const struct sl_vlan *tag = (void *)eth + l3;

		if (SL_LIKELY(type != SL_BE16(SL_ETHERTYPE_VLAN) &&
			      type != SL_BE16(SL_ETHERTYPE_QINQ)))
			break;
		if ((const void *)(tag + 1) > end)
			return false;
		ret_tags->vlan[i] = SL_FROM_BE16(tag->tci) & SL_VLAN_ID_MASK;
		type = tag->type;
		l3 += sizeof(*tag);
	}
	ret_tags->l3 = l3;
	ret_tags->type = type;
	return true;
}

/** Whether a frame that came in by a port is for the path: it is for us, and carries IP. */
SL_INLINE bool sl_is_ours(sl_frame_t *frame, const struct sl_port *port, __be16 type)
{
	const struct sl_eth *eth = sl_frame_data(frame);

	return port != NULL && SL_STILL((const void *)(eth + 1) <= sl_frame_end(frame)) &&
	       sl_mac_is(eth->destination, port) &&
	       (type == SL_BE16(SL_ETHERTYPE_IPV4) || type == SL_BE16(SL_ETHERTYPE_IPV6));
}

/**
 * Take a frame that came in by an interface. Rewrites it in place.
 *
 * Returns SL_PASS, SL_DROP (counted by reason), or SL_SEND with the number of
 * the port to send it by (SL_VERDICT_PORT).
 */
SL_INLINE int sl_receive(sl_tables_t t, sl_frame_t *frame, __u32 ifindex)
{
	const struct sl_port *port;
	struct sl_tags tags;
	__u32 number;

	if (!sl_untag(frame, &tags))
		return SL_PASS;
	port = sl_port_find(t, ifindex, tags.vlan[0], tags.vlan[1], &number);
	if (!sl_is_ours(frame, port, tags.type))
		return SL_PASS;
	if (tags.type == SL_BE16(SL_ETHERTYPE_IPV4))
		return sl_forward(t, frame, false, tags.l3, number);
	return sl_forward(t, frame, true, tags.l3, number);
}

#endif
