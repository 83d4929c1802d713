/* SPDX-License-Identifier: BSD-3-Clause */
#include "arena.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct extent {
	uint32_t first, count;
};

struct resting {
	struct extent extent;
	uint64_t until_ns;
	struct resting *next;
};

struct arena {
	struct extent *free; /* ascending, never adjacent */
	size_t n_free, room;
	struct resting *oldest, **newest;
};

int arena_new(uint32_t chunks, struct arena **ret_arena)
{
	struct arena *arena = calloc(1, sizeof(*arena));

	if (arena == NULL)
		return -ENOMEM;
	arena->newest = &arena->oldest;
	arena->room = 64;
	arena->free = calloc(arena->room, sizeof(*arena->free));
	if (arena->free == NULL) {
		free(arena);
		return -ENOMEM;
	}
	arena->free[arena->n_free++] = (struct extent){0, chunks};
	*ret_arena = arena;
	return 0;
}

void arena_free(struct arena *arena)
{
	if (arena == NULL)
		return;
	while (arena->oldest != NULL) {
		struct resting *next = arena->oldest->next;

		free(arena->oldest);
		arena->oldest = next;
	}
	free(arena->free);
	free(arena);
}

static int extents_insert(struct arena *arena, size_t place, struct extent extent)
{
	if (arena->n_free == arena->room) {
		struct extent *more = realloc(arena->free, 2 * arena->room * sizeof(*more));

		if (more == NULL)
			return -ENOMEM;
		arena->free = more;
		arena->room *= 2;
	}
	memmove(&arena->free[place + 1], &arena->free[place],
		(arena->n_free - place) * sizeof(*arena->free));
	arena->free[place] = extent;
	arena->n_free++;
	return 0;
}

static void extents_remove(struct arena *arena, size_t place)
{
	arena->n_free--;
	memmove(&arena->free[place], &arena->free[place + 1],
		(arena->n_free - place) * sizeof(*arena->free));
}

static int extents_add(struct arena *arena, struct extent extent)
{
	struct extent *all = arena->free;
	size_t place = 0;
	bool joins_before, joins_behind;

	while (place < arena->n_free && all[place].first < extent.first)
		place++;
	joins_before = place > 0 && all[place - 1].first + all[place - 1].count == extent.first;
	joins_behind = place < arena->n_free && extent.first + extent.count == all[place].first;
	if (!joins_before && !joins_behind)
		return extents_insert(arena, place, extent);
	if (!joins_before) {
		all[place].first = extent.first;
		all[place].count += extent.count;
		return 0;
	}
	all[place - 1].count += extent.count;
	if (joins_behind) {
		all[place - 1].count += all[place].count;
		extents_remove(arena, place);
	}
	return 0;
}

static void wake_rested(struct arena *arena, uint64_t now_ns)
{
	while (arena->oldest != NULL && arena->oldest->until_ns <= now_ns) {
		struct resting *rested = arena->oldest;

		if (extents_add(arena, rested->extent) != 0)
			return; /* no memory: tried again next time */
		arena->oldest = rested->next;
		if (arena->oldest == NULL)
			arena->newest = &arena->oldest;
		free(rested);
	}
}

static int extents_cut(struct arena *arena, size_t place, struct extent cut)
{
	struct extent *whole = &arena->free[place];
	struct extent behind = {cut.first + cut.count,
				whole->first + whole->count - cut.first - cut.count};

	if (cut.first == whole->first) {
		*whole = behind;
		if (behind.count == 0)
			extents_remove(arena, place);
		return 0;
	}
	if (behind.count != 0 && extents_insert(arena, place + 1, behind) != 0)
		return -ENOMEM;
	arena->free[place].count = cut.first - arena->free[place].first;
	return 0;
}

static int first_fit(struct arena *arena, uint32_t count, uint32_t *ret_first)
{
	for (size_t place = 0; place < arena->n_free; place++) {
		uint32_t first = arena->free[place].first;
		int r;

		if (arena->free[place].count < count)
			continue;
		r = extents_cut(arena, place, (struct extent){first, count});
		if (r == 0)
			*ret_first = first;
		return r;
	}
	return -ENOSPC;
}

int arena_take(struct arena *arena, uint32_t count, uint64_t now_ns, uint32_t *ret_first)
{
	int r;

	wake_rested(arena, now_ns);
	r = first_fit(arena, count, ret_first);
	if (r != -ENOSPC)
		return r;
	wake_rested(arena, UINT64_MAX);
	return first_fit(arena, count, ret_first);
}

int arena_claim(struct arena *arena, uint32_t first, uint32_t count)
{
	for (size_t place = 0; place < arena->n_free; place++) {
		const struct extent *e = &arena->free[place];

		if (e->first <= first && first - e->first < e->count &&
		    count <= e->count - (first - e->first))
			return extents_cut(arena, place, (struct extent){first, count});
	}
	return -ENOSPC;
}

void arena_untake(struct arena *arena, uint32_t first, uint32_t count)
{
	if (count != 0)
		(void)extents_add(arena, (struct extent){first, count});
}

void arena_give(struct arena *arena, uint32_t first, uint32_t count, uint64_t now_ns)
{
	struct resting *resting = calloc(1, sizeof(*resting));

	if (resting == NULL || count == 0) {
		free(resting);
		return;
	}
	resting->extent = (struct extent){first, count};
	resting->until_ns = now_ns + ARENA_GRACE_NS;
	*arena->newest = resting;
	arena->newest = &resting->next;
}
