/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Records: flows that ended, on their way from the thread that ended them to
 * the control thread. One queue for each thread, in memory that outlives the
 * process; what finds it full is counted as lost. One thread puts, one takes.
 */
#ifndef SLUICE_DPDK_RECORDS_H
#define SLUICE_DPDK_RECORDS_H

#include "dataplane/flat.h"

#include <stdbool.h>
#include <stddef.h>

struct rte_ring;

struct record_queue {
	struct rte_ring *ring;
	struct sl_flow_pool *pools; /* count what is lost */
};

/** Bytes of a queue's memory, which must begin at a multiple of 64. */
size_t records_bytes(void);

/**
 * Make a queue, or go on with one.
 *
 * @taken_over  the memory holds the queue of a process that is gone: what waits
 *              there is handed over, a record that was being written is counted
 *              as lost
 *
 * Returns 0, or -EPROTO: it holds the queue of another release of DPDK.
 */
int records_open(struct record_queue *queue, void *memory, bool taken_over,
		 struct sl_flow_pool *pools);

/** Let the flows that end in these tables go to the queue. */
void records_follow(struct record_queue *queue, struct sl_tables *tables);

bool records_wait(const struct record_queue *queue);

/**
 * Hand over at most @max records. They leave the queue when they were handed
 * over: a process that is killed meanwhile leaves some to be handed over again.
 *
 * Returns how many there were.
 */
unsigned int records_take(struct record_queue *queue, unsigned int max,
			  void (*flow_ended)(void *context, const struct sl_flow_record *record),
			  void *context);

#endif
