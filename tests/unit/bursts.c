/* SPDX-License-Identifier: BSD-3-Clause */
#include "bursts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mbuf.h>

static struct rte_mempool *pool; /* as DPDK itself: one a process */

static void require(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "bursts: %s: %s\n", what, rte_strerror(rte_errno));
	abort();
}

void bursts_start(void)
{
	char *arguments[] = {"bursts", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry",
			     "-m", "16", "-l", "0", "--log-level", "error"};

	require(rte_eal_init(sizeof(arguments) / sizeof(arguments[0]), arguments) >= 0, "EAL");
	pool = rte_pktmbuf_pool_create("bursts", 2 * BURST_MAX, 0, 0,
				       RTE_PKTMBUF_HEADROOM + PACKET_MAX, SOCKET_ID_ANY);
	require(pool != NULL, "mbufs");
}

void bursts_receive(struct sl_tables *tables, uint32_t ifindex, struct packet *packets,
		    unsigned int n, int *ret_verdicts)
{
	struct rte_mbuf *mbufs[BURST_MAX];

	require(n == 0 || rte_pktmbuf_alloc_bulk(pool, mbufs, n) == 0, "no mbuf left");
	for (unsigned int i = 0; i < n; i++) {
		void *data = rte_pktmbuf_append(mbufs[i], (uint16_t)packets[i].length);

		require(data != NULL, "a packet larger than an mbuf");
		memcpy(data, packets[i].data, packets[i].length);
	}
	burst_handle(tables, ifindex, mbufs, n, ret_verdicts);
	for (unsigned int i = 0; i < n; i++) {
		const char *flaw;

		require(rte_mbuf_check(mbufs[i], 1, &flaw) == 0, "a broken mbuf came out");
		require(mbufs[i]->nb_segs == 1, "an mbuf became several");
		packet_set(&packets[i], rte_pktmbuf_mtod(mbufs[i], void *), mbufs[i]->data_len);
	}
	rte_pktmbuf_free_bulk(mbufs, n);
}
