/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/maglev.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define NOBODY UINT16_MAX /* an entry without owner; in owner_of: a value without target */
#define WORD_BITS 64

_Static_assert(MAGLEV_VALUE_MAX < NOBODY && MAGLEV_TARGETS_MAX <= NOBODY, "NOBODY is no target");
_Static_assert(MAGLEV_ENTRIES_MIN >= 2 * WORD_BITS, "halves of a table are whole bitmap words");

/* A power-of-two table is walked whole by any odd skip. */
struct walk {
	uint32_t position, skip;
};

struct owner {
	uint64_t id;
	struct walk walk;
	uint32_t n_entries, quota;
	uint16_t value;
};

struct build {
	struct owner *owners; /* by id, so that the order of the list does not matter */
	uint32_t n_owners;
	uint16_t *owner_of;  /* value to place in owners */
	uint16_t *needy;     /* owners below their quota, while turns are taken */
	uint64_t *free_bits; /* of the entries without owner */
};

/* splitmix64's finaliser: ids may be small numbers in a row */
static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

static struct walk walk_of(uint64_t id)
{
	uint64_t hash = mix(id);

	return (struct walk){.position = (uint32_t)hash, .skip = (uint32_t)(hash >> 32) | 1};
}

uint32_t maglev_table_size(uint32_t n_targets)
{
	uint32_t size = MAGLEV_ENTRIES_MIN;

	while (size < n_targets * MAGLEV_ENTRIES_MIN)
		size *= 2;
	return size;
}

uint32_t maglev_room(uint32_t n_targets, uint32_t old_size)
{
	uint32_t size = maglev_table_size(n_targets);

	return size > old_size ? size : old_size;
}

static int compare_owners(const void *a, const void *b)
{
	const struct owner *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

static void build_free(struct build *build)
{
	free(build->owners);
	free(build->owner_of);
	free(build->needy);
	free(build->free_bits);
}

/* Take the targets over. On an error build_free() is still due. */
static int build_init(struct build *build, const struct maglev_target *targets, uint32_t n_targets,
		      uint32_t room)
{
	build->n_owners = n_targets;
	build->owners = calloc(n_targets, sizeof(*build->owners));
	build->owner_of = malloc((NOBODY + 1) * sizeof(*build->owner_of));
	build->needy = malloc(n_targets * sizeof(*build->needy));
	build->free_bits = malloc(room / WORD_BITS * sizeof(*build->free_bits));
	if (build->owners == NULL || build->owner_of == NULL || build->needy == NULL ||
	    build->free_bits == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < n_targets; i++) {
		if (targets[i].value > MAGLEV_VALUE_MAX)
			return -EINVAL;
		build->owners[i].id = targets[i].id;
		build->owners[i].value = targets[i].value;
	}
	qsort(build->owners, n_targets, sizeof(*build->owners), compare_owners);
	memset(build->owner_of, 0xff, (NOBODY + 1) * sizeof(*build->owner_of));
	for (uint32_t i = 0; i < n_targets; i++) {
		struct owner *owner = &build->owners[i];

		if (build->owner_of[owner->value] != NOBODY || (i > 0 && owner[-1].id == owner->id))
			return -EINVAL;
		build->owner_of[owner->value] = (uint16_t)i;
	}
	return 0;
}

/* Put all owners at their start and count what each has; what no owner has is nobody's. */
static void count_entries(struct build *build, uint16_t *table, uint32_t size)
{
	for (uint32_t i = 0; i < build->n_owners; i++) {
		build->owners[i].n_entries = 0;
		build->owners[i].walk = walk_of(build->owners[i].id);
	}
	for (uint32_t i = 0; i < size; i++) {
		uint16_t owner = build->owner_of[table[i]]; /* of NOBODY there is none either */

		if (owner == NOBODY)
			table[i] = NOBODY;
		else
			build->owners[owner].n_entries++;
	}
}

/*
 * Share the entries out evenly. Who has more than the even share is first to
 * get one of those that remain: any other rule would move entries between
 * targets that both stay.
 */
static void set_quotas(struct build *build, uint32_t size)
{
	uint32_t even = size / build->n_owners, remain = size % build->n_owners;

	for (uint32_t i = 0; i < build->n_owners; i++) {
		bool more = remain > 0 && build->owners[i].n_entries > even;

		build->owners[i].quota = even + more;
		remain -= more;
	}
	for (uint32_t i = 0; remain > 0 && i < build->n_owners; i++) {
		if (build->owners[i].quota == even) {
			build->owners[i].quota++;
			remain--;
		}
	}
}

/*
 * Take from each owner what it has above its quota: along the walk of the
 * newcomers, so that a target that was away for a moment gets about half of
 * its old entries back.
 */
static void release(struct build *build, uint16_t *table, uint32_t size)
{
	uint32_t n_over = 0;
	uint64_t newcomers = 0;
	struct walk walk;

	for (uint32_t i = 0; i < build->n_owners; i++) {
		const struct owner *owner = &build->owners[i];

		if (owner->n_entries > owner->quota)
			n_over += owner->n_entries - owner->quota;
		if (owner->n_entries == 0)
			newcomers += owner->id;
	}
	for (walk = walk_of(newcomers); n_over > 0; walk.position += walk.skip) {
		uint16_t *entry = &table[walk.position & (size - 1)];
		struct owner *owner;

		if (*entry == NOBODY)
			continue;
		owner = &build->owners[build->owner_of[*entry]];
		if (owner->n_entries <= owner->quota)
			continue;
		owner->n_entries--;
		n_over--;
		*entry = NOBODY;
	}
}

/*
 * Give a free entry to an owner in need that has the entry beside it, or one
 * beside that pair, and so on up to the grain. Returns whether there was one.
 */
static bool join_neighbour(struct build *build, uint16_t *table, uint32_t i, uint32_t grain)
{
	for (uint32_t k = 1; k < grain; k *= 2) {
		uint16_t value = table[i ^ k];
		struct owner *owner;

		if (value == NOBODY)
			continue;
		owner = &build->owners[build->owner_of[value]];
		if (owner->n_entries < owner->quota) {
			table[i] = value;
			owner->n_entries++;
			return true;
		}
	}
	return false;
}

/* Find the free entries, and join those that can be. */
static void note_free(struct build *build, uint16_t *table, uint32_t size, uint32_t grain)
{
	for (uint32_t base = 0; base < size; base += WORD_BITS) {
		uint64_t bits = 0;

		for (uint32_t i = base; i < base + WORD_BITS; i++) {
			if (table[i] == NOBODY && !join_neighbour(build, table, i, grain))
				bits |= (uint64_t)1 << (i - base);
		}
		build->free_bits[base / WORD_BITS] = bits;
	}
}

/*
 * The first free entry at @start or behind it; there must be one. The paper
 * goes on along the permutation instead, and spends most of its time on the
 * last few entries.
 */
static uint32_t next_free(const uint64_t *free_bits, uint32_t size, uint32_t start)
{
	uint32_t word = start / WORD_BITS;
	uint64_t bits = free_bits[word] & UINT64_MAX << start % WORD_BITS;

	while (bits == 0) {
		word = (word + 1) & (size / WORD_BITS - 1);
		bits = free_bits[word];
	}
	return word * WORD_BITS + (uint32_t)__builtin_ctzll(bits);
}

/* Claim the first free entry of a grain, and what else of the grain is free. */
static void claim(struct build *build, struct owner *owner, uint16_t *table, uint32_t size,
		  uint32_t grain)
{
	uint32_t start = owner->walk.position & (size - grain);
	uint32_t entry = next_free(build->free_bits, size, start);

	do {
		build->free_bits[entry / WORD_BITS] &= ~((uint64_t)1 << entry % WORD_BITS);
		table[entry] = owner->value;
		owner->n_entries++;
		entry++;
	} while (owner->n_entries < owner->quota && (entry & (grain - 1)) != 0 && table[entry] == NOBODY);
	owner->walk.position += owner->walk.skip;
}

/* Those below their quota claim free entries in turns. */
static void take_turns(struct build *build, uint16_t *table, uint32_t size, uint32_t grain)
{
	uint32_t n_needy = 0;

	for (uint32_t i = 0; i < build->n_owners; i++) {
		if (build->owners[i].n_entries < build->owners[i].quota)
			build->needy[n_needy++] = (uint16_t)i;
	}
	while (n_needy > 0) {
		uint32_t n_left = 0;

		for (uint32_t i = 0; i < n_needy; i++) {
			struct owner *owner = &build->owners[build->needy[i]];

			claim(build, owner, table, size, grain);
			if (owner->n_entries < owner->quota)
				build->needy[n_left++] = build->needy[i];
		}
		n_needy = n_left;
	}
}

/*
 * Make a table even and whole that holds values of any target, or NOBODY.
 *
 * In a table that is larger than the group needs, entries are given away by
 * grains, so many neighbours that they would be one entry in a table of the
 * right size: so it becomes one that can be halved.
 */
static void settle(struct build *build, uint16_t *table, uint32_t size)
{
	uint32_t grain = size / maglev_table_size(build->n_owners);

	count_entries(build, table, size);
	set_quotas(build, size);
	release(build, table, size);
	note_free(build, table, size, grain);
	take_turns(build, table, size, grain);
}

/* Entries of @table that halving it changes at once. */
static uint32_t count_split_pairs(const uint16_t *table, uint32_t size)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < size; i += 2)
		n += table[i] != table[i + 1];
	return n;
}

/*
 * Halve the table as long as all halvings together move at most half a target's
 * share, and the table stays as large as the group needs.
 */
static int shrink(struct build *build, uint16_t *table, uint32_t *size)
{
	uint32_t size_min = maglev_table_size(build->n_owners), budget, n_moved;
	uint16_t *half;

	budget = *size / (2 * (build->n_owners + 1));
	if (*size == size_min || count_split_pairs(table, *size) > budget)
		return 0;
	half = malloc(*size / 2 * sizeof(*half));
	if (half == NULL)
		return -ENOMEM;
	while (*size > size_min && count_split_pairs(table, *size) <= budget) {
		for (uint32_t i = 0; i < *size / 2; i++)
			half[i] = table[2 * i];
		settle(build, half, *size / 2);
		n_moved = 0;
		for (uint32_t i = 0; i < *size; i++)
			n_moved += table[i] != half[i / 2];
		if (n_moved > budget)
			break;
		budget = (budget - n_moved) / 2; /* an entry is twice as much from here on */
		*size /= 2;
		memcpy(table, half, *size * sizeof(*table));
	}
	free(half);
	return 0;
}

static bool is_table_size(uint32_t size)
{
	return size >= MAGLEV_ENTRIES_MIN && size <= maglev_table_size(MAGLEV_TARGETS_MAX) &&
	       (size & (size - 1)) == 0;
}

int maglev_build(const struct maglev_target *targets, uint32_t n_targets, const uint16_t *old,
		 uint32_t old_size, uint16_t *table, uint32_t *ret_size)
{
	struct build build = {0};
	uint32_t size;
	int r;

	if (n_targets == 0 || n_targets > MAGLEV_TARGETS_MAX ||
	    (old == NULL ? old_size != 0 : !is_table_size(old_size)))
		return -EINVAL;
	size = maglev_room(n_targets, old_size);
	r = build_init(&build, targets, n_targets, size);
	if (r < 0)
		goto out;
	if (old == NULL) {
		memset(table, 0xff, size * sizeof(*table)); /* NOBODY's */
	} else {
		int doublings = __builtin_ctz(size) - __builtin_ctz(old_size);

		for (uint32_t i = 0; i < size; i++)
			table[i] = old[i >> doublings];
	}
	settle(&build, table, size);
	r = shrink(&build, table, &size);
	if (r < 0)
		goto out;
	*ret_size = size;
out:
	build_free(&build);
	return r;
}
