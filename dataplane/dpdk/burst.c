/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A burst goes through in stages, each over all frames, so that what one frame
 * waits for from memory comes while others are worked on:
 *
 *   parse, hash ─▶ home slots, buckets ─▶ flow lines ─▶ forward, in order
 *
 * All but the last only find out about a frame itself and ask for memory. What
 * they fetched may be another flow's by the time of the last, which asks the
 * tables anew: the result is that of frame by frame.
 *
 * Most frames are plain: untagged, no options, no fragment, TCP or UDP. The last
 * stage is compiled once for each kind of these, and does not look again at what
 * the first has seen; what then turns out not to leave plain begins anew.
 */
#include "burst.h"

#include <rte_mbuf.h>
#include <rte_prefetch.h>

#define HEADERS_AHEAD 4u /* frames whose headers are fetched before they are parsed */
#define PLAIN_L3 sizeof(struct sl_eth)
#define PLAIN_BYTES (int)(PLAIN_L3 + sizeof(struct sl_ipv4)) /* all that is_plain() looks at */

/* How a frame goes on; odd for IPv6. */
enum pending_way {
	PENDING_KERNEL,	    /* not for the path */
	PENDING_WHOLE4 = 2, /* the path begins anew with it */
	PENDING_WHOLE6,
	PENDING_TCP4, /* plain, see is_plain() */
	PENDING_TCP6,
	PENDING_UDP4,
	PENDING_UDP6,
};

/* What is known of a frame before its turn comes. */
struct pending {
	uint8_t way; /* enum pending_way */
	uint8_t l3;  /* unless it is plain */
	uint32_t port; /* the same */
	uint32_t number; /* of the line that may hold its key */
	struct sl_flow_line *line; /* NULL: none is known */
	const uint32_t *home; /* NULL: nothing to look up */
	uint64_t hash;
};

/* A burst on its way. */
struct burst {
	const struct sl_port *untagged; /* where frames without a tag come in; NULL: nowhere */
	uint32_t untagged_number;
	uint32_t ifindex;
	unsigned int n_away; /* whose keys are not at home */
	uint8_t away[BURST_MAX];
	struct pending pending[BURST_MAX];
};

SL_INLINE void frame_of(struct rte_mbuf *mbuf, sl_frame_t *ret_frame)
{
	ret_frame->data = rte_pktmbuf_mtod(mbuf, unsigned char *);
	ret_frame->end = ret_frame->data + mbuf->data_len;
	ret_frame->room = mbuf->buf_addr;
	ret_frame->room_end = ret_frame->room + mbuf->buf_len;
}

/* --- parse, hash ----------------------------------------------------------- */

SL_INLINE enum sl_parsed parse(sl_frame_t *frame, bool v6, uint32_t l3, struct sl_packet *packet)
{
	return v6 ? sl_parse6(frame, l3, packet) : sl_parse4(frame, l3, packet);
}

/* Whether the headers of an untagged frame, if whole, have nothing that most have not. */
SL_INLINE bool is_plain(const sl_frame_t *frame, bool v6, uint8_t protocol)
{
	const struct sl_ipv4 *ip4 = (const void *)(frame->data + PLAIN_L3);
	const struct sl_ipv6 *ip6 = (const void *)(frame->data + PLAIN_L3);

	if (v6)
		return ip6->next_header == protocol && ip6->hop_limit > 1;
	return ip4->version_ihl == 0x45 && ip4->protocol == protocol && ip4->ttl > 1 &&
	       (ip4->fragment & SL_BE16(SL_IPV4_MORE_FRAGMENTS | SL_IPV4_OFFSET_MASK)) == 0;
}

SL_INLINE void pending_begin_whole(struct pending *p, bool v6, uint32_t l3, uint32_t port)
{
	p->way = v6 ? PENDING_WHOLE6 : PENDING_WHOLE4;
	p->l3 = (uint8_t)l3;
	p->port = port;
	p->home = NULL;
}

SL_INLINE void pending_parse(struct sl_tables *t, sl_frame_t *frame, struct pending *p, bool v6,
			     uint32_t l3, uint32_t port, enum pending_way way)
{
	const struct sl_config *config = t->config;
	struct sl_packet packet;

	p->way = (uint8_t)way;
	if (SL_UNLIKELY(parse(frame, v6, l3, &packet) != SL_PARSED_FLOW)) {
		pending_begin_whole(p, v6, l3, port);
		return;
	}
	p->hash = sl_key_hash(config->seed, v6, &packet.key);
	p->home = sl_home_slot(t, v6, sl_first_bucket(&config->family[v6], p->hash));
	rte_prefetch0(p->home);
}

/* What is not plain. */
static __rte_noinline void pending_begin_odd(struct sl_tables *t, const struct burst *burst,
					     struct rte_mbuf *mbuf, struct pending *p)
{
	const struct sl_port *port;
	struct sl_tags tags;
	sl_frame_t frame;
	bool v6;

	frame_of(mbuf, &frame);
	p->way = PENDING_KERNEL;
	p->home = NULL;
	if (!sl_untag(&frame, &tags))
		return;
	port = sl_port_find(t, burst->ifindex, tags.vlan[0], tags.vlan[1], &p->port);
	if (!sl_is_ours(&frame, port, tags.type))
		return;
	v6 = tags.type != SL_BE16(SL_ETHERTYPE_IPV4);
	pending_begin_whole(p, v6, tags.l3, p->port);
	if (v6)
		pending_parse(t, &frame, p, true, tags.l3, p->port, PENDING_WHOLE6);
	else
		pending_parse(t, &frame, p, false, tags.l3, p->port, PENDING_WHOLE4);
}

SL_INLINE void pending_begin(struct sl_tables *t, const struct burst *burst, struct rte_mbuf *mbuf,
			     struct pending *p)
{
	uint32_t port = burst->untagged_number;
	sl_frame_t frame;
	__be16 type;

	frame_of(mbuf, &frame);
	if (SL_UNLIKELY(frame.end - frame.data < PLAIN_BYTES)) {
		pending_begin_odd(t, burst, mbuf, p);
		return;
	}
	type = ((const struct sl_eth *)frame.data)->type;
	if (SL_UNLIKELY(!sl_is_ours(&frame, burst->untagged, type)))
		pending_begin_odd(t, burst, mbuf, p);
	else if (SL_LIKELY(type == SL_BE16(SL_ETHERTYPE_IPV4)) && is_plain(&frame, false, SL_TCP))
		pending_parse(t, &frame, p, false, PLAIN_L3, port, PENDING_TCP4);
	else if (type == SL_BE16(SL_ETHERTYPE_IPV4) && is_plain(&frame, false, SL_UDP))
		pending_parse(t, &frame, p, false, PLAIN_L3, port, PENDING_UDP4);
	else if (type == SL_BE16(SL_ETHERTYPE_IPV6) && is_plain(&frame, true, SL_TCP))
		pending_parse(t, &frame, p, true, PLAIN_L3, port, PENDING_TCP6);
	else if (type == SL_BE16(SL_ETHERTYPE_IPV6) && is_plain(&frame, true, SL_UDP))
		pending_parse(t, &frame, p, true, PLAIN_L3, port, PENDING_UDP6);
	else
		pending_begin_odd(t, burst, mbuf, p);
}

/* --- home slots, buckets, flow lines ----------------------------------------- */

/* Ask for the line that a slot names. Returns false when the slot is not the packet's. */
SL_INLINE bool line_fetch(struct sl_tables *t, struct pending *p, bool v6, uint32_t slot)
{
	const struct sl_family_config *c = &t->config->family[v6];

	if ((slot ^ sl_slot_tag(c, p->hash)) >> c->line_bits != 0)
		return false;
	p->number = sl_slot_line(c, slot);
	p->line = sl_line(t, v6, p->number);
	rte_prefetch0(p->line);
	if (v6)
		rte_prefetch0((const char *)p->line + SL_LINE_BYTES_V6 / 2);
	return true;
}

SL_INLINE bool is_v6(const struct pending *p)
{
	return p->way & 1;
}

SL_INLINE struct sl_bucket *pending_bucket(struct sl_tables *t, const struct pending *p)
{
	return sl_bucket(t, is_v6(p), sl_first_bucket(&t->config->family[is_v6(p)], p->hash));
}

SL_INLINE void look_at_home(struct sl_tables *t, struct burst *burst, unsigned int i)
{
	struct pending *p = &burst->pending[i];
	uint32_t slot;

	if (SL_UNLIKELY(p->home == NULL))
		return;
	slot = SL_READ(*p->home);
	if (SL_LIKELY(!is_v6(p)) ? line_fetch(t, p, false, slot) : line_fetch(t, p, true, slot))
		return;
	p->line = NULL;
	rte_prefetch0(pending_bucket(t, p));
	burst->away[burst->n_away++] = (uint8_t)i;
}

SL_INLINE void look_into_bucket(struct sl_tables *t, struct pending *p, bool v6)
{
	const struct sl_bucket *bucket = pending_bucket(t, p);

	if (line_fetch(t, p, v6, SL_READ(bucket->slot[sl_place(p->hash)])))
		return;
	for (int i = 0; i < SL_BUCKET_SLOTS; i++)
		if (line_fetch(t, p, v6, SL_READ(bucket->slot[i])))
			return;
}

/* --- forward ---------------------------------------------------------------- */

static __rte_noinline int forward_whole(struct sl_tables *t, struct rte_mbuf *mbuf, bool v6,
					uint32_t l3, uint32_t port)
{
	sl_frame_t frame;
	int verdict;

	frame_of(mbuf, &frame);
	verdict = v6 ? sl_forward(t, &frame, true, l3, port) :
		       sl_forward(t, &frame, false, l3, port);
	mbuf->data_off = (uint16_t)(frame.data - frame.room);
	mbuf->data_len = (uint16_t)(frame.end - frame.data);
	mbuf->pkt_len = mbuf->data_len;
	return verdict;
}

SL_INLINE int forward_plain(struct sl_tables *t, uint32_t port, struct rte_mbuf *mbuf,
			    const struct pending *p, bool v6, uint8_t protocol)
{
	int verdict = SL_NEED_WHOLE;
	struct sl_packet packet;
	struct sl_found found;
	sl_frame_t frame;

	frame_of(mbuf, &frame);
	/* nobody else has the frame: what was looked at before it was hashed is not looked at again */
	if (!is_plain(&frame, v6, protocol) ||
	    parse(&frame, v6, PLAIN_L3, &packet) != SL_PARSED_FLOW)
		__builtin_unreachable();
	packet.fragment &= SL_IPV4_DONT_FRAGMENT; /* what is_plain() said, for the compiler */
	if (SL_LIKELY(p->line != NULL &&
		      sl_line_is(p->line, p->number, v6, &packet.key, true, &found)))
		verdict = sl_forward_found(t, &frame, v6, PLAIN_L3, port, &packet, &found, false,
					   true);
	return SL_LIKELY(SL_VERDICT(verdict) <= SL_SEND) ?
		       verdict : forward_whole(t, mbuf, v6, PLAIN_L3, port);
}

SL_INLINE int pending_end(struct sl_tables *t, const struct burst *burst, struct rte_mbuf *mbuf,
			  const struct pending *p)
{
	uint32_t port = burst->untagged_number;

	if (SL_LIKELY(p->way == PENDING_TCP4))
		return forward_plain(t, port, mbuf, p, false, SL_TCP);
	if (p->way == PENDING_UDP4)
		return forward_plain(t, port, mbuf, p, false, SL_UDP);
	if (p->way == PENDING_TCP6)
		return forward_plain(t, port, mbuf, p, true, SL_TCP);
	if (p->way == PENDING_UDP6)
		return forward_plain(t, port, mbuf, p, true, SL_UDP);
	if (p->way == PENDING_KERNEL)
		return SL_PASS;
	return forward_whole(t, mbuf, is_v6(p), p->l3, p->port);
}

void burst_handle(struct sl_tables *tables, uint32_t ifindex, struct rte_mbuf **mbufs,
		  unsigned int n, int *verdicts)
{
	struct burst burst;

	burst.ifindex = ifindex;
	burst.untagged = sl_port_find(tables, ifindex, 0, 0, &burst.untagged_number);
	burst.n_away = 0;
	for (unsigned int i = 0; i < n && i < HEADERS_AHEAD; i++)
		rte_prefetch0(rte_pktmbuf_mtod(mbufs[i], void *));
	for (unsigned int i = 0; i < n; i++) {
		if (i + HEADERS_AHEAD < n)
			rte_prefetch0(rte_pktmbuf_mtod(mbufs[i + HEADERS_AHEAD], void *));
		pending_begin(tables, &burst, mbufs[i], &burst.pending[i]);
	}
	for (unsigned int i = 0; i < n; i++)
		look_at_home(tables, &burst, i);
	for (unsigned int i = 0; i < burst.n_away; i++) {
		struct pending *p = &burst.pending[burst.away[i]];

		if (is_v6(p))
			look_into_bucket(tables, p, true);
		else
			look_into_bucket(tables, p, false);
	}
	for (unsigned int i = 0; i < n; i++)
		verdicts[i] = pending_end(tables, &burst, mbufs[i], &burst.pending[i]);
}
