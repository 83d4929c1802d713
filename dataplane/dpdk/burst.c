/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A burst goes through in three stages, each over all frames, so that what one
 * frame waits for from memory comes while others are worked on:
 *
 *   parse, hash ─▶ home slots ask for flow lines ─▶ forward, in order
 *
 * Only the first two are of the burst alone, and they write nothing but what
 * they found out about a frame itself. What they fetched may be another flow's
 * by the third, which asks the tables anew: the result is that of frame by frame.
 */
#include "burst.h"

#include <rte_mbuf.h>
#include <rte_prefetch.h>

#define HEADERS_AHEAD 4u /* frames whose headers are fetched before they are parsed */

/* What is known of a frame before its turn comes. */
struct pending {
	sl_frame_t frame;
	struct sl_arrival arrival;
	bool arrived; /* an IP packet in a frame for us, or it is the kernel's */
	bool is_flow; /* parsed as a packet of a flow; else the path parses it again */
	struct sl_packet packet;
	uint64_t hash;
	uint32_t line; /* that may hold its key; 0: none */
	const struct sl_bucket *bucket; /* to look into; NULL: no need */
};

static void frame_of(struct rte_mbuf *mbuf, sl_frame_t *ret_frame)
{
	ret_frame->data = rte_pktmbuf_mtod(mbuf, unsigned char *);
	ret_frame->end = ret_frame->data + mbuf->data_len;
	ret_frame->room = mbuf->buf_addr;
	ret_frame->room_end = ret_frame->room + mbuf->buf_len;
}

static void frame_keep(struct rte_mbuf *mbuf, const sl_frame_t *frame)
{
	mbuf->data_off = (uint16_t)(frame->data - frame->room);
	mbuf->data_len = (uint16_t)(frame->end - frame->data);
	mbuf->pkt_len = mbuf->data_len;
}

SL_INLINE void pending_parse(struct sl_tables *t, struct pending *p, bool v6)
{
	enum sl_parsed parsed = v6 ? sl_parse6(&p->frame, p->arrival.l3, &p->packet) :
				     sl_parse4(&p->frame, p->arrival.l3, &p->packet);
	const uint32_t *home;

	p->is_flow = parsed == SL_PARSED_FLOW;
	if (!p->is_flow)
		return;
	p->hash = sl_key_hash(t->config->seed, v6, &p->packet.key);
	home = sl_home_slot(t, v6, sl_first_bucket(&t->config->family[v6], p->hash));
	if (home != NULL)
		rte_prefetch0(home);
}

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

/* Look at the home slot, else have the bucket fetched. */
SL_INLINE void look_at_home(struct sl_tables *t, struct pending *p, bool v6)
{
	uint32_t first = sl_first_bucket(&t->config->family[v6], p->hash);
	const uint32_t *home = sl_home_slot(t, v6, first);

	p->bucket = NULL;
	if (home == NULL || line_fetch(t, p, v6, SL_READ(*home)))
		return;
	p->bucket = sl_bucket(t, v6, first);
	rte_prefetch0(p->bucket);
}

SL_INLINE void look_into_bucket(struct sl_tables *t, struct pending *p, bool v6)
{
	if (line_fetch(t, p, v6, SL_READ(p->bucket->slot[sl_place(p->hash)])))
		return;
	for (int i = 0; i < SL_BUCKET_SLOTS; i++)
		if (line_fetch(t, p, v6, SL_READ(p->bucket->slot[i])))
			return;
}

SL_INLINE int pending_forward(struct sl_tables *t, struct pending *p, bool v6)
{
	const struct sl_arrival *a = &p->arrival;
	struct sl_found found;
	int verdict;

	if (SL_UNLIKELY(!sl_line_holds(t, v6, p->line, &p->packet.key, 0, &found)))
		return sl_forward(t, &p->frame, v6, a->l3, a->port);
	verdict = sl_forward_found(t, &p->frame, v6, a->l3, a->port, &p->packet, &found, false);
	return sl_settle(t, &p->frame, v6, a->l3, a->port, verdict);
}

void burst_handle(struct sl_tables *tables, uint32_t ifindex, struct rte_mbuf **mbufs,
		  unsigned int n, int *verdicts)
{
	struct pending pending[BURST_MAX];

	for (unsigned int i = 0; i < n && i < HEADERS_AHEAD; i++)
		rte_prefetch0(rte_pktmbuf_mtod(mbufs[i], void *));
	for (unsigned int i = 0; i < n; i++) {
		struct pending *p = &pending[i];

		if (i + HEADERS_AHEAD < n)
			rte_prefetch0(rte_pktmbuf_mtod(mbufs[i + HEADERS_AHEAD], void *));
		frame_of(mbufs[i], &p->frame);
		p->arrived = sl_arrive(tables, &p->frame, ifindex, &p->arrival);
		p->is_flow = false;
		p->line = 0;
		if (SL_UNLIKELY(!p->arrived))
			continue;
		if (p->arrival.v6)
			pending_parse(tables, p, true);
		else
			pending_parse(tables, p, false);
	}
	for (unsigned int i = 0; i < n; i++) {
		if (SL_UNLIKELY(!pending[i].is_flow))
			continue;
		if (pending[i].arrival.v6)
			look_at_home(tables, &pending[i], true);
		else
			look_at_home(tables, &pending[i], false);
	}
	for (unsigned int i = 0; i < n; i++) {
		if (SL_LIKELY(!pending[i].is_flow || pending[i].bucket == NULL))
			continue;
		if (pending[i].arrival.v6)
			look_into_bucket(tables, &pending[i], true);
		else
			look_into_bucket(tables, &pending[i], false);
	}
	for (unsigned int i = 0; i < n; i++) {
		struct pending *p = &pending[i];

		if (SL_UNLIKELY(!p->arrived))
			verdicts[i] = SL_PASS;
		else
			verdicts[i] = p->arrival.v6 ? pending_forward(tables, p, true) :
						      pending_forward(tables, p, false);
		frame_keep(mbufs[i], &p->frame);
	}
}
