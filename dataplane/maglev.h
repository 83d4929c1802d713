/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Maglev: the table through which a flow hash chooses a target of a group.
 *
 * A table is filled as in "Maglev: A Fast and Reliable Software Network Load
 * Balancer" (NSDI 2016) section 3.4: targets claim entries in turns, each along
 * a permutation of its own. Filled from nothing that way, a table of 1,000
 * targets remaps 7/N of the hash space when one target leaves, and all of it
 * when the size changes. Therefore the next table begins as the old one: what
 * the old targets may keep is kept, and turns are taken for the rest alone.
 *
 * A size is a power of two and the entry of a 32-bit hash is
 * (uint64_t)hash * size >> 32, its leading bits, so a table of twice the size
 * is the same choice written twice. What always holds:
 *
 * - two targets differ by at most one entry of 128 or more;
 * - a target that comes to N or leaves N + 1 remaps at most 2/(N + 1) of the
 *   hash space: its own share, and half as much when the table shrinks;
 * - the same old table and the same targets, in whatever order they are
 *   listed, give the same new table.
 *
 * All functions are pure and may be called from any thread.
 */
#ifndef SLUICE_MAGLEV_H
#define SLUICE_MAGLEV_H

#include <stddef.h>
#include <stdint.h>

#define MAGLEV_ENTRIES_MIN 128	 /* entries of a target, at least; up to twice that or one */
#define MAGLEV_TARGETS_MAX 65535 /* targets of one table */
#define MAGLEV_VALUE_MAX 65534	 /* highest value of a target */

struct maglev_target {
	uint64_t id;	/* seeds the permutation; unique in a table, e.g. a hash of address and port */
	uint16_t value; /* what the table holds; unique, and the same as long as the target lives */
};

/**
 * Entries of a table that is built for @n_targets from nothing: a power of two.
 * @n_targets is 1 to MAGLEV_TARGETS_MAX.
 */
uint32_t maglev_table_size(uint32_t n_targets);

/**
 * Entries for which maglev_build() needs room: maglev_table_size(), or
 * @old_size when that is more.
 */
uint32_t maglev_room(uint32_t n_targets, uint32_t old_size);

/**
 * Build a table.
 *
 * The size grows with the group at once. It shrinks by halves, as soon as that
 * moves no more than half a target's share: later than it could, and at the
 * latest when one target is left. Who is short of memory can build from
 * nothing, which gives the smallest size and remaps everything.
 *
 * @targets   in any order
 * @old       the table to change as little as possible; NULL builds from nothing.
 *            Its values are matched with the targets' values; a value that no
 *            target has any more is that of a target that left
 * @old_size  entries of @old as maglev_build() returned them, or 0
 * @table     room for maglev_room(n_targets, old_size) entries; must not overlap @old.
 *            Undefined after an error
 * @ret_size  entries the new table has, a power of two, at most the room
 *
 * Returns 0, -EINVAL (no or too many targets, an id or value twice, a value
 * above MAGLEV_VALUE_MAX, @old_size no size of a table) or -ENOMEM.
 */
int maglev_build(const struct maglev_target *targets, uint32_t n_targets, const uint16_t *old,
		 uint32_t old_size, uint16_t *table, uint32_t *ret_size);

#endif
