/* SPDX-License-Identifier: BSD-3-Clause */
/* What must hold in the flow table, whatever happened. */
#include "world.h"

#include <stdlib.h>
#include <string.h>

struct check {
	const struct world *world;
	bool v6;
	uint32_t flows;
	uint8_t *free_count; /* per flow: how often it is on a free list */
	uint8_t *line_count; /* per line: how often a slot names it */
	uint32_t *spilled;   /* per bucket: keys found in their second one */
};

static bool flow_is_live(const struct check *c, uint32_t flow)
{
	uint32_t state = world_state(c->world, c->v6, flow);

	return state != SL_FLOW_FREE && state != SL_FLOW_NEW && state != SL_FLOW_ENDING;
}

static const char *free_lists_flaw(struct check *c)
{
	const struct sl_flow_pool *pool = &c->world->t->pools[c->v6];

	if (pool->fresh > c->flows)
		return "more flow numbers are in use than there are";
	for (int shard = 0; shard < SL_POOL_SHARDS; shard++) {
		uint32_t flow = (uint32_t)pool->shard[shard].head;

		while (flow != 0) {
			if (flow > pool->fresh)
				return "a number never used is on a free list";
			if (c->free_count[flow]++ != 0)
				return "a number is on a free list twice";
			flow = c->world->t->cold[c->v6][flow].next_free;
		}
	}
	return NULL;
}

static const char *slot_flaw(struct check *c, uint32_t slot, uint32_t bucket, bool at_home)
{
	const struct sl_config *config = c->world->t->config;
	const struct sl_family_config *family = &config->family[c->v6];
	uint32_t at = sl_slot_line(family, slot);
	const struct sl_flow_line *line = sl_line(c->world->t, c->v6, at);
	struct sl_flow_key key = {};
	uint64_t hash;

	if (slot == 0)
		return NULL;
	if (line == NULL || at < 2 || !flow_is_live(c, at / 2))
		return "a slot names no live flow";
	if (c->line_count[at]++ != 0)
		return "two slots name one line";
	sl_line_key(line, c->v6, &key);
	hash = sl_key_hash(config->seed, c->v6, &key);
	if ((slot ^ sl_slot_tag(family, hash)) >> family->line_bits)
		return "the tag in a slot is not its key's";
	if (bucket != sl_first_bucket(family, hash)) {
		if (at_home || bucket != sl_second_bucket(family, hash))
			return "a key is in a bucket that is not its own";
		c->spilled[sl_first_bucket(family, hash)]++;
	}
	if (sl_index_find(c->world->t, c->v6, &key, hash, 0) != at)
		return "a key is in the index twice, or cannot be found";
	return NULL;
}

static const char *bucket_flaw(struct check *c, uint32_t number)
{
	const struct sl_bucket *bucket = &c->world->t->buckets[c->v6][number];
	const char *flaw = slot_flaw(c, *sl_home_slot(c->world->t, c->v6, number), number, true);

	for (int i = 0; i < SL_BUCKET_SLOTS && flaw == NULL; i++)
		flaw = slot_flaw(c, bucket->slot[i], number, false);
	return flaw;
}

static const char *flow_flaw(struct check *c, uint32_t flow)
{
	const struct sl_flow_pool *pool = &c->world->t->pools[c->v6];
	const struct sl_flow_line *client = sl_line(c->world->t, c->v6, 2 * flow);
	const struct sl_flow_line *target = sl_line(c->world->t, c->v6, 2 * flow + 1);
	bool live = flow_is_live(c, flow);

	if (live && flow > pool->fresh)
		return "a flow lives whose number was never given out";
	if (flow > pool->fresh)
		return NULL;
	if (live != (c->free_count[flow] == 0))
		return live ? "a live flow is on a free list" : "a flow number is lost";
	if (c->line_count[2 * flow] != live || c->line_count[2 * flow + 1] != live)
		return "a live flow is not in the index";
	if (client->version != target->version || (client->version & 1) == live)
		return "the versions of a flow's lines are wrong";
	if (live && SL_CONTROL_VERSION(client->control) != client->version)
		return "the control word is of another version than the lines";
	return NULL;
}

static const char *check_run(struct check *c)
{
	uint32_t buckets = c->world->t->config->family[c->v6].buckets;
	const char *flaw = free_lists_flaw(c);

	for (uint32_t i = 0; i < buckets && flaw == NULL; i++)
		flaw = bucket_flaw(c, i);
	for (uint32_t i = 0; i < buckets && flaw == NULL; i++)
		if (c->world->t->buckets[c->v6][i].spilled != c->spilled[i])
			flaw = "the count of spilled keys is wrong";
	for (uint32_t flow = 1; flow <= c->flows && flaw == NULL; flow++)
		flaw = flow_flaw(c, flow);
	return flaw;
}

const char *world_flaw(const struct world *world, bool v6)
{
	uint32_t flows = world->t->config->family[v6].flows;
	struct check c = {
		.world = world,
		.v6 = v6,
		.flows = flows,
		.free_count = calloc(flows + 1, 1),
		.line_count = calloc(2 * (flows + 1), 1),
		.spilled = calloc(world->t->config->family[v6].buckets, sizeof(uint32_t)),
	};
	const char *flaw = c.free_count == NULL || c.line_count == NULL || c.spilled == NULL ?
				   "out of memory" :
				   check_run(&c);

	free(c.free_count);
	free(c.line_count);
	free(c.spilled);
	return flaw;
}
