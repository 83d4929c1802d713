/* SPDX-License-Identifier: BSD-3-Clause */
#include "records.h"

#include <rte_ring.h>
#include <rte_ring_elem.h>

#include <errno.h>

#define QUEUE_RECORDS 16384 /* what one thread can end while control is busy for 50 ms and more */
#define RECORDS_A_TURN 64

_Static_assert(sizeof(struct sl_flow_record) % 4 == 0, "rte_ring takes elements of 32-bit words");

size_t records_bytes(void)
{
	return (size_t)rte_ring_get_memsize_elem(sizeof(struct sl_flow_record), QUEUE_RECORDS);
}

int records_open(struct record_queue *queue, void *memory, bool taken_over,
		 struct sl_flow_pool *pools)
{
	struct rte_ring *ring = memory;

	queue->pools = pools;
	queue->ring = ring;
	if (!taken_over)
		return rte_ring_init(ring, "sluice_records", QUEUE_RECORDS,
				     RING_F_SP_ENQ | RING_F_SC_DEQ);
	if (ring->size != QUEUE_RECORDS || ring->mask != QUEUE_RECORDS - 1 ||
	    ring->flags != (RING_F_SP_ENQ | RING_F_SC_DEQ))
		return -EPROTO;
	pools[0].records_lost += ring->prod.head - ring->prod.tail;
	ring->prod.head = ring->prod.tail;
	ring->cons.head = ring->cons.tail;
	return 0;
}

static void put(void *context, const struct sl_flow_record *record)
{
	struct record_queue *queue = context;

	if (rte_ring_sp_enqueue_elem(queue->ring, (void *)(uintptr_t)record, sizeof(*record)) != 0)
		SL_FETCH_ADD(&queue->pools[record->family == 6].records_lost, 1);
}

void records_follow(struct record_queue *queue, struct sl_tables *tables)
{
	tables->flow_ended = put;
	tables->context = queue;
}

bool records_wait(const struct record_queue *queue)
{
	return !rte_ring_empty(queue->ring);
}

unsigned int records_take(struct record_queue *queue, unsigned int max,
			  void (*flow_ended)(void *context, const struct sl_flow_record *record),
			  void *context)
{
	struct sl_flow_record records[RECORDS_A_TURN];
	unsigned int taken = 0, n;

	do {
		n = max - taken < RECORDS_A_TURN ? max - taken : RECORDS_A_TURN;
		n = rte_ring_dequeue_burst_elem_start(queue->ring, records, sizeof(records[0]), n,
						      NULL);
		for (unsigned int i = 0; i < n; i++)
			flow_ended(context, &records[i]);
		if (n != 0)
			rte_ring_dequeue_elem_finish(queue->ring, n);
		taken += n;
	} while (n != 0 && taken < max);
	return taken;
}
