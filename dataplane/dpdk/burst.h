/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Burst: the packet path over mbufs, as a worker takes them from a port.
 */
#ifndef SLUICE_DPDK_BURST_H
#define SLUICE_DPDK_BURST_H

#include "dataplane/flat.h"

#include <stdint.h>

#define BURST_MAX 32u /* mbufs of one call */

struct rte_mbuf;

/**
 * Handle frames that came in by one interface, in their order.
 *
 * @tables    this worker's view; its now_ns is the time of the whole burst
 * @ifindex   of the interface, as in the port table
 * @mbufs     each of one segment that is nobody else's; rewritten in place,
 *            their data grows into head- and tailroom and shrinks
 * @n         how many, at most BURST_MAX
 * @verdicts  out: what sl_receive() (core/forward.h) would say to each
 *
 * The mbufs stay the caller's, whatever the verdict. Takes no lock, makes no
 * system call, allocates nothing; other workers may do the same over the same
 * memory at the same time.
 */
void burst_handle(struct sl_tables *tables, uint32_t ifindex, struct rte_mbuf **mbufs,
		  unsigned int n, int *verdicts);

#endif
