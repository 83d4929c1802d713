/* SPDX-License-Identifier: BSD-3-Clause */
#include "repair.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Flows that an object has. */
struct held {
	uint32_t all;
	uint32_t open[SL_L4_COUNT]; /* not closed yet */
};

struct repair {
	struct sl_tables *tables;
	struct held *listeners, *targets;
	int taken_back;
};

/* A number that is no flow's. What was made or ended when its process was killed is lost. */
static void take_back(struct repair *repair, bool v6, uint32_t flow, struct sl_flow_line *client,
		      struct sl_flow_line *target)
{
	uint16_t dead = client->version | 1; /* the client's line is always written first */

	if (SL_CONTROL_STATE(client->control) != SL_FLOW_FREE) {
		repair->tables->pools[v6].records_lost++;
		repair->taken_back++;
	}
	client->version = target->version = dead;
	client->control = SL_CONTROL(dead, 0, SL_FLOW_FREE);
	sl_pool_give(repair->tables, v6, flow);
}

static void hold(struct held *held, const struct sl_flow_line *client, uint32_t state)
{
	held->all++;
	if (!sl_state_is_closed(state))
		held->open[sl_l4_of(client->protocol)]++;
}

static void look_at(struct repair *repair, bool v6, uint32_t flow)
{
	struct sl_flow_line *client = sl_line(repair->tables, v6, 2 * flow);
	struct sl_flow_line *target = sl_line(repair->tables, v6, 2 * flow + 1);
	uint32_t state = SL_CONTROL_STATE(client->control);

	if (sl_state_is_live(state)) {
		if (client->listener < SL_MAX_LISTENERS)
			hold(&repair->listeners[client->listener], client, state);
		if (client->target < repair->tables->config->max_targets)
			hold(&repair->targets[client->target], client, state);
		return;
	}
	take_back(repair, v6, flow, client, target);
}

static void look_at_family(struct repair *repair, bool v6)
{
	struct sl_flow_pool *pool = &repair->tables->pools[v6];
	uint32_t flows = repair->tables->config->family[v6].flows;

	if (pool->fresh > flows)
		pool->fresh = flows;
	for (unsigned int shard = 0; shard < SL_POOL_SHARDS; shard++)
		pool->shard[shard].head &=
			~(uint64_t)UINT32_MAX; /* empty; the change count stays */
	for (uint32_t flow = 1; flow <= pool->fresh; flow++)
		look_at(repair, v6, flow);
}

static bool index_line(struct sl_tables *tables, bool v6, uint32_t number)
{
	struct sl_flow_key key = {};

	sl_line_key(sl_line(tables, v6, number), v6, &key);
	return sl_index_insert(tables, v6, sl_key_hash(tables->config->seed, v6, &key), number);
}

/*
 * Slots of flows that were taken back, and counts that go with them, are found
 * by no key: their lines may be half written. So the index is made anew; every
 * live flow was in it, and has room in it now.
 */
static void index_again(struct sl_tables *tables, bool v6)
{
	uint32_t buckets = tables->config->family[v6].buckets;

	memset(tables->buckets[v6], 0, buckets * sizeof(struct sl_bucket));
	memset(tables->homes[v6], 0, (buckets + SL_HOMES - 1) / SL_HOMES * sizeof(struct sl_homes));
	for (uint32_t flow = 1; flow <= tables->pools[v6].fresh; flow++) {
		const struct sl_flow_line *client = sl_line(tables, v6, 2 * flow);

		if (!sl_state_is_live(SL_CONTROL_STATE(client->control)))
			continue;
		if (!index_line(tables, v6, 2 * flow) || !index_line(tables, v6, 2 * flow + 1))
			tables->pools[v6].records_lost++; /* unfound, it idles out */
	}
}

/* --- counters ------------------------------------------------------------- */

struct counts {				/* of one object in one view */
	__u64 *new_flows, *ended_flows; /* by protocol */
	__u64 *freed_flows;
};

static struct counts counts_of_listener(const struct sl_tables *tables, uint32_t cpu,
					uint32_t number)
{
	struct sl_listener_counters *c = &tables->listener_counts[cpu * SL_MAX_LISTENERS + number];

	return (struct counts){c->new_flows, c->ended_flows, &c->freed_flows};
}

static struct counts counts_of_target(const struct sl_tables *tables, uint32_t cpu, uint32_t number)
{
	struct sl_target_counters *c =
		&tables->target_counts[(size_t)cpu * tables->config->max_targets + number];

	return (struct counts){c->new_flows, c->ended_flows, &c->freed_flows};
}

/* What begun flows less ended ones are too many, or (modulo 2^64) too few. */
static void settle(struct repair *repair, const struct held *held, uint32_t number,
		   struct counts (*counts_of)(const struct sl_tables *tables, uint32_t cpu,
					      uint32_t number))
{
	uint64_t open[SL_L4_COUNT] = {}, kept = 0;
	struct counts ours = counts_of(repair->tables, repair->tables->cpu, number);

	for (uint32_t cpu = 0; cpu < repair->tables->config->cpus; cpu++) {
		struct counts c = counts_of(repair->tables, cpu, number);

		for (int l4 = 0; l4 < SL_L4_COUNT; l4++) {
			open[l4] += c.new_flows[l4] - c.ended_flows[l4];
			kept += c.new_flows[l4];
		}
		kept -= *c.freed_flows;
	}
	for (int l4 = 0; l4 < SL_L4_COUNT; l4++)
		ours.ended_flows[l4] += open[l4] - held->open[l4];
	*ours.freed_flows += kept - held->all;
}

int repair_tables(struct sl_tables *tables)
{
	const uint32_t max_targets = tables->config->max_targets;
	struct repair repair = {
		.tables = tables,
		.listeners = calloc(SL_MAX_LISTENERS, sizeof(struct held)),
		.targets = calloc(max_targets, sizeof(struct held)),
	};
	int r = -ENOMEM;

	if (repair.listeners == NULL || repair.targets == NULL)
		goto done;
	for (int v6 = 0; v6 <= 1; v6++) {
		int before = repair.taken_back;

		look_at_family(&repair, v6);
		if (repair.taken_back != before)
			index_again(tables, v6);
	}
	for (uint32_t i = 0; i < SL_MAX_LISTENERS; i++)
		settle(&repair, &repair.listeners[i], i, counts_of_listener);
	for (uint32_t i = 0; i < max_targets; i++)
		settle(&repair, &repair.targets[i], i, counts_of_target);
	r = repair.taken_back;
done:
	free(repair.listeners);
	free(repair.targets);
	return r;
}
