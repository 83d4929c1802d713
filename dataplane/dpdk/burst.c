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
 */
#include "burst.h"

#include <rte_mbuf.h>
#include <rte_prefetch.h>

#define HEADERS_AHEAD 4u /* frames whose headers are fetched before they are parsed */

enum pending_kind {
	PENDING_KERNEL, /* not for the path */
	PENDING_ODD,	/* the path parses it again: no packet of a flow */
	PENDING_FLOW,
};

/* What is known of a frame before its turn comes. */
struct pending {
	uint8_t kind; /* enum pending_kind */
	bool v6;
	uint32_t l3, port;
	uint32_t line; /* that may hold its key; 0: none. From here on of PENDING_FLOW alone */
	const uint32_t *home;
	uint64_t hash;
	struct sl_packet packet;
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

static inline void frame_of(struct rte_mbuf *mbuf, sl_frame_t *ret_frame)
{
	ret_frame->data = rte_pktmbuf_mtod(mbuf, unsigned char *);
	ret_frame->end = ret_frame->data + mbuf->data_len;
	ret_frame->room = mbuf->buf_addr;
	ret_frame->room_end = ret_frame->room + mbuf->buf_len;
}

static inline void frame_keep(struct rte_mbuf *mbuf, const sl_frame_t *frame)
{
	mbuf->data_off = (uint16_t)(frame->data - frame->room);
	mbuf->data_len = (uint16_t)(frame->end - frame->data);
	mbuf->pkt_len = mbuf->data_len;
}

/* --- parse, hash ----------------------------------------------------------- */

SL_INLINE void pending_parse(struct sl_tables *t, sl_frame_t *frame, struct pending *p, bool v6)
{
	const struct sl_config *config = t->config;
	enum sl_parsed parsed = v6 ? sl_parse6(frame, p->l3, &p->packet) :
				     sl_parse4(frame, p->l3, &p->packet);

	p->v6 = v6;
	p->line = 0;
	p->kind = PENDING_ODD;
	if (SL_UNLIKELY(parsed != SL_PARSED_FLOW))
		return;
	p->hash = sl_key_hash(config->seed, v6, &p->packet.key);
	p->home = sl_home_slot(t, v6, sl_first_bucket(&config->family[v6], p->hash));
	if (SL_UNLIKELY(p->home == NULL))
		return;
	rte_prefetch0(p->home);
	p->kind = PENDING_FLOW;
}

static inline void pending_begin(struct sl_tables *t, const struct burst *burst,
				 struct rte_mbuf *mbuf, struct pending *p)
{
	const struct sl_port *port = burst->untagged;
	struct sl_tags tags;
	sl_frame_t frame;

	frame_of(mbuf, &frame);
	p->kind = PENDING_KERNEL;
	if (!sl_untag(&frame, &tags))
		return;
	p->port = burst->untagged_number;
	if (SL_UNLIKELY(tags.l3 != sizeof(struct sl_eth)))
		port = sl_port_find(t, burst->ifindex, tags.vlan[0], tags.vlan[1], &p->port);
	if (SL_UNLIKELY(!sl_is_ours(&frame, port, tags.type)))
		return;
	p->l3 = tags.l3;
	if (tags.type == SL_BE16(SL_ETHERTYPE_IPV4))
		pending_parse(t, &frame, p, false);
	else
		pending_parse(t, &frame, p, true);
}

/* --- home slots, buckets, flow lines ----------------------------------------- */

/* Ask for the line that a slot names. Returns false when the slot is not the packet's. */
SL_INLINE bool line_fetch(struct sl_tables *t, struct pending *p, bool v6, uint32_t slot)
{
	const struct sl_family_config *c = &t->config->family[v6];
	const char *line;

	if ((slot ^ sl_slot_tag(c, p->hash)) >> c->line_bits != 0)
		return false;
	p->line = sl_slot_line(c, slot);
	line = (const char *)sl_line(t, v6, p->line);
	if (line != NULL)
		rte_prefetch0(line);
	if (line != NULL && v6)
		rte_prefetch0(line + SL_LINE_BYTES_V6 / 2);
	return true;
}

static inline struct sl_bucket *pending_bucket(struct sl_tables *t, const struct pending *p)
{
	return sl_bucket(t, p->v6, sl_first_bucket(&t->config->family[p->v6], p->hash));
}

static inline void look_at_home(struct sl_tables *t, struct burst *burst, unsigned int i)
{
	struct pending *p = &burst->pending[i];
	uint32_t slot;

	if (SL_UNLIKELY(p->kind != PENDING_FLOW))
		return;
	slot = SL_READ(*p->home);
	if (p->v6 ? line_fetch(t, p, true, slot) : line_fetch(t, p, false, slot))
		return;
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

SL_INLINE int pending_forward(struct sl_tables *t, sl_frame_t *frame, const struct pending *p,
			      bool v6)
{
	struct sl_found found;
	int verdict;

	/* no line was found, or it is another's by now: the whole way */
	if (SL_UNLIKELY(!sl_line_holds(t, v6, p->line, &p->packet.key, 0, &found)))
		return sl_forward(t, frame, v6, p->l3, p->port);
	verdict = sl_forward_found(t, frame, v6, p->l3, p->port, &p->packet, &found, false);
	return sl_settle(t, frame, v6, p->l3, p->port, verdict);
}

static inline int pending_end(struct sl_tables *t, struct rte_mbuf *mbuf, const struct pending *p)
{
	sl_frame_t frame;
	int verdict;

	if (SL_UNLIKELY(p->kind == PENDING_KERNEL))
		return SL_PASS;
	frame_of(mbuf, &frame);
	verdict = p->v6 ? pending_forward(t, &frame, p, true) :
			  pending_forward(t, &frame, p, false);
	frame_keep(mbuf, &frame);
	return verdict;
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

		if (p->v6)
			look_into_bucket(tables, p, true);
		else
			look_into_bucket(tables, p, false);
	}
	for (unsigned int i = 0; i < n; i++)
		verdicts[i] = pending_end(tables, mbufs[i], &burst.pending[i]);
}
