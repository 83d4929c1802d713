/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bursts: packets handed to the worker function of the dpdk engine, in real mbufs.
 */
#ifndef SLUICE_TESTS_BURSTS_H
#define SLUICE_TESTS_BURSTS_H

#include "packets.h"

#include "dataplane/dpdk/burst.h"

/** Start DPDK, without huge pages, devices and files, and make mbufs. Once a process; aborts
 *  where it cannot. */
void bursts_start(void);

/**
 * Hand packets that came in by an interface to burst_handle(), together.
 *
 * @packets  become what came out
 * @n        at most BURST_MAX
 */
void bursts_receive(struct sl_tables *tables, uint32_t ifindex, struct packet *packets,
		    unsigned int n, int *ret_verdicts);

#endif
