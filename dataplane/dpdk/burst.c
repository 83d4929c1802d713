/* SPDX-License-Identifier: BSD-3-Clause */
#include "burst.h"

#include <rte_mbuf.h>

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

void burst_handle(struct sl_tables *tables, uint32_t ifindex, struct rte_mbuf **mbufs,
		  unsigned int n, int *verdicts)
{
	for (unsigned int i = 0; i < n; i++) {
		sl_frame_t frame;

		frame_of(mbufs[i], &frame);
		verdicts[i] = sl_receive(tables, &frame, ifindex);
		frame_keep(mbufs[i], &frame);
	}
}
