/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * Flow pool: which flow numbers are unused. Numbers never used before come from
 * a counter, given-back ones from lock-free stacks (Treiber 1986): each head
 * carries a change count, so that a number taken and given back meanwhile does
 * not fool a compare-and-swap (ABA). Several stacks keep processors apart.
 */
#ifndef SL_FLOW_POOL_H
#define SL_FLOW_POOL_H

#include "engine_api.h"

#define SL_POOL_RETRIES 8 /* of a compare-and-swap lost to another processor */

SL_INLINE __u32 sl_shard_pop(sl_tables_t t, bool v6, struct sl_flow_pool *pool, __u32 shard)
{
	shard &= SL_POOL_SHARDS - 1;
	for (int i = 0; i < SL_POOL_RETRIES; i++) {
		__u64 head = SL_READ(pool->shard[shard].head);
		const struct sl_flow_cold *cold;
		__u64 next;

		if ((__u32)head == 0)
			return 0;
		cold = sl_cold(t, v6, (__u32)head);
		if (cold == NULL)
			return 0;
		next = ((head >> 32) + 1) << 32 | SL_READ(cold->next_free);
		if (SL_CAS(&pool->shard[shard].head, head, next) == head)
			return (__u32)head;
	}
	return 0;
}

/**
 * Take an unused flow number.
 *
 * @spread  any number: processors with different ones rarely meet
 *
 * Returns 0 when none is left.
 */
SL_INLINE __u32 sl_pool_take(sl_tables_t t, bool v6, __u32 spread)
{
	struct sl_flow_pool *pool = sl_pool(t, v6);
	__u32 flows = sl_config(t)->family[v6].flows;
	__u32 number;

	if (pool == NULL)
		return 0;
	number = sl_shard_pop(t, v6, pool, spread);
	if (number != 0)
		return number;
	if (SL_READ(pool->fresh) < flows) {
		number = SL_FETCH_ADD(&pool->fresh, 1) + 1;
		if (number <= flows)
			return number;
		SL_FETCH_ADD(&pool->fresh, -1);
	}
	for (__u32 i = 1; i < SL_POOL_SHARDS; i++) {
		number = sl_shard_pop(t, v6, pool, spread + i);
		if (number != 0)
			return number;
	}
	return 0;
}

/** Give a flow number back. @return false when other processors kept winning: never seen, and
 *  then the number is lost until the tables are taken over. */
SL_INLINE bool sl_pool_give(sl_tables_t t, bool v6, __u32 number)
{
	struct sl_flow_pool *pool = sl_pool(t, v6);
	struct sl_flow_cold *cold = sl_cold(t, v6, number);
	__u32 shard = number & (SL_POOL_SHARDS - 1);

	if (pool == NULL || cold == NULL)
		return false;
	for (int i = 0; i < 4 * SL_POOL_RETRIES; i++) {
		__u64 head = SL_READ(pool->shard[shard].head);
		__u64 next = ((head >> 32) + 1) << 32 | number;

		SL_WRITE(cold->next_free, (__u32)head);
		SL_ORDER();
		if (SL_CAS(&pool->shard[shard].head, head, next) == head)
			return true;
	}
	return false;
}

#endif
