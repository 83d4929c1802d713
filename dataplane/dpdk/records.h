/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Records: flows that ended, on their way from the thread that ended them to
 * the control thread. One queue for each thread; what finds it full is counted
 * as lost. One thread puts, one takes.
 */
#ifndef SLUICE_DPDK_RECORDS_H
#define SLUICE_DPDK_RECORDS_H

#include "dataplane/flat.h"

#include <stdbool.h>

struct rte_ring;

struct record_queue {
	struct rte_ring *ring;
	struct sl_flow_pool *pools; /* count what is lost */
};

/** Make a queue. @number: unlike those of others. Returns 0 or what DPDK said. */
int records_open(struct record_queue *queue, unsigned int number, struct sl_flow_pool *pools);
void records_close(struct record_queue *queue); /* one that was never opened is fine */

/** Let the flows that end in these tables go to the queue. */
void records_follow(struct record_queue *queue, struct sl_tables *tables);

bool records_wait(const struct record_queue *queue);

/** Hand over at most @max records. Returns how many there were. */
unsigned int records_take(struct record_queue *queue, unsigned int max,
			  void (*flow_ended)(void *context, const struct sl_flow_record *record),
			  void *context);

#endif
