/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Arena: which chunks of the Maglev memory are free. Chunks given back rest for
 * ARENA_GRACE_NS before they are used again, so that a packet that has just
 * read where a table lies still finds that table there; they rest shorter only
 * when nothing else is left, and then the packet path sees by the target's
 * group that it read another group's table. One thread.
 */
#ifndef SLUICE_ARENA_H
#define SLUICE_ARENA_H

#include <stdint.h>

#define ARENA_GRACE_NS 20000000ull

struct arena;

/** Make an arena of @chunks free chunks. Returns 0 or -ENOMEM. */
int arena_new(uint32_t chunks, struct arena **ret_arena);
void arena_free(struct arena *arena); /* NULL is fine */

/**
 * Take @count chunks in a row: the first place that fits.
 *
 * @now_ns  CLOCK_MONOTONIC
 *
 * Returns 0, -ENOSPC (nowhere are so many in a row) or -ENOMEM.
 */
int arena_take(struct arena *arena, uint32_t count, uint64_t now_ns, uint32_t *ret_first);

/** Take these very chunks: for tables that are there already. Returns 0, -ENOSPC when one of
 *  them is not free, or -ENOMEM. */
int arena_claim(struct arena *arena, uint32_t first, uint32_t count);

/** Give chunks back that no packet ever saw: they need no rest. Never fails, as arena_give(). */
void arena_untake(struct arena *arena, uint32_t first, uint32_t count);

/** Give chunks back. Never fails: without memory to note them down they stay taken. */
void arena_give(struct arena *arena, uint32_t first, uint32_t count, uint64_t now_ns);

#endif
