/* SPDX-License-Identifier: BSD-3-Clause */
#include "groups_internal.h"
#include "maglev.h"

#include <errno.h>
#include <stdlib.h>

static uint32_t chunks_of(uint32_t entries)
{
	return (entries + SL_MAGLEV_CHUNK - 1) / SL_MAGLEV_CHUNK;
}

static uint16_t *entries_at(struct groups *groups, uint32_t chunk)
{
	return groups->tables->maglev[chunk].target;
}

/* Seeds a target's permutation: the same wherever and whenever it is registered. */
static uint64_t identity(const struct target *target)
{
	struct sl_flow_key key = {.dport = target->key.port};

	vip_table_words(&target->key.address, key.daddr);
	return sl_key_hash(sl_select_seed, true, &key);
}

static uint32_t choosable(const struct group *group, unsigned int zone, struct maglev_target *list)
{
	const struct target *target, *next;
	uint32_t n = 0;

	HASH_ITER(hh, group->targets, target, next) {
		if (target->removed || target->state != ENGINE_TARGET_ACTIVE ||
		    !(target->zones & 1u << zone))
			continue;
		list[n++] = (struct maglev_target){identity(target), target->number};
	}
	return n;
}

/* Replace the table of one zone. */
static int build_zone(struct groups *groups, struct group *group, unsigned int zone,
		      const struct maglev_target *list, uint32_t n, uint64_t now_ns)
{
	struct sl_group *record = &groups->tables->groups[group->number];
	uint64_t old = record->maglev[zone];
	uint32_t old_first = (uint32_t)(old >> 32), old_size = (uint32_t)old, room, first, size;
	int r;

	if (n == 0) {
		SL_WRITE(record->maglev[zone], 0);
	} else {
		room = maglev_room(n, old_size);
		r = arena_take(groups->arena, chunks_of(room), now_ns, &first);
		if (r == -ENOSPC && old_size != 0) { /* the smallest table, at the price of remapping */
			room = maglev_room(n, 0);
			old_size = 0;
			r = arena_take(groups->arena, chunks_of(room), now_ns, &first);
		}
		if (r < 0)
			return r;
		r = maglev_build(list, n, old_size != 0 ? entries_at(groups, old_first) : NULL,
				 old_size, entries_at(groups, first), &size);
		if (r < 0) {
			arena_untake(groups->arena, first, chunks_of(room));
			return r;
		}
		SL_ORDER();
		SL_WRITE(record->maglev[zone], (uint64_t)first << 32 | size);
		arena_untake(groups->arena, first + chunks_of(size),
			     chunks_of(room) - chunks_of(size));
		room = size;
	}
	if (group->room[zone] != 0)
		arena_give(groups->arena, old_first, chunks_of(group->room[zone]), now_ns);
	group->room[zone] = n == 0 ? 0 : room;
	return 0;
}

int groups_build(struct groups *groups, struct group *group, uint64_t now_ns)
{
	uint32_t most = HASH_COUNT(group->targets);
	struct maglev_target *list = calloc(most + 1, sizeof(*list));
	int r = 0;

	if (list == NULL)
		return -ENOMEM;
	for (unsigned int zone = 0; zone < SL_MAX_ZONES && r == 0; zone++) {
		uint32_t n = 0;

		if (group->settings.zones & 1u << zone)
			n = choosable(group, zone, list);
		if (n != 0 || group->room[zone] != 0)
			r = build_zone(groups, group, zone, list, n, now_ns);
	}
	free(list);
	return r;
}

void groups_unbuild(struct groups *groups, struct group *group, uint64_t now_ns)
{
	for (unsigned int zone = 0; zone < SL_MAX_ZONES; zone++)
		if (group->room[zone] != 0)
			build_zone(groups, group, zone, NULL, 0, now_ns); /* cannot fail */
}

int groups_adopt_tables(struct groups *groups, struct group *group)
{
	const struct sl_group *record = &groups->tables->groups[group->number];

	for (unsigned int zone = 0; zone < SL_MAX_ZONES; zone++) {
		uint32_t size = (uint32_t)record->maglev[zone];

		if (size == 0)
			continue;
		if (arena_claim(groups->arena, (uint32_t)(record->maglev[zone] >> 32),
				chunks_of(size)) != 0)
			return -ENOSPC;
		/* what it had room for beyond its size is free again */
		group->room[zone] = size;
	}
	return 0;
}
