/* SPDX-License-Identifier: BSD-3-Clause */
#include "records.h"

#include <rte_errno.h>
#include <rte_ring.h>
#include <rte_ring_elem.h>

#include <stdio.h>

#define QUEUE_RECORDS 16384 /* what one thread can end while control is busy for 50 ms and more */
#define RECORDS_A_TURN 64

_Static_assert(sizeof(struct sl_flow_record) % 4 == 0, "rte_ring takes elements of 32-bit words");

int records_open(struct record_queue *queue, unsigned int number, struct sl_flow_pool *pools)
{
	char name[RTE_RING_NAMESIZE];

	snprintf(name, sizeof(name), "sluice_records_%u", number);
	queue->pools = pools;
	queue->ring = rte_ring_create_elem(name, sizeof(struct sl_flow_record), QUEUE_RECORDS,
					   SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	return queue->ring != NULL ? 0 : -rte_errno;
}

void records_close(struct record_queue *queue)
{
	rte_ring_free(queue->ring);
	queue->ring = NULL;
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
		n = rte_ring_sc_dequeue_burst_elem(queue->ring, records, sizeof(records[0]), n,
						   NULL);
		for (unsigned int i = 0; i < n; i++)
			flow_ended(context, &records[i]);
		taken += n;
	} while (n != 0 && taken < max);
	return taken;
}
