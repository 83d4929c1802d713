/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Maglev tables by the same rules as dataplane/maglev.c, one step at a time:
 * no bitmap, no index, no count is kept.
 */
#ifndef SLUICE_MAGLEV_MODEL_H
#define SLUICE_MAGLEV_MODEL_H

#include "dataplane/maglev.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GROUP_MAX 1000
#define NOBODY UINT16_MAX

struct group {
	struct maglev_target targets[GROUP_MAX];
	uint32_t n;
	uint16_t *table;
	uint32_t size;
};

static uint64_t slow_mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

static uint32_t slow_step(uint64_t id, uint32_t turn, uint32_t size)
{
	uint64_t hash = slow_mix(id);

	return (uint32_t)(((hash & UINT32_MAX) + turn * ((hash >> 32) | 1)) % size);
}

static uint32_t slow_count(const uint16_t *table, uint32_t size, uint16_t value)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < size; i++)
		n += table[i] == value;
	return n;
}

static void slow_sort(struct maglev_target *targets, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		for (uint32_t j = i + 1; j < n; j++) {
			if (targets[j].id < targets[i].id) {
				struct maglev_target swap = targets[i];

				targets[i] = targets[j];
				targets[j] = swap;
			}
		}
	}
}

static int slow_place(const struct maglev_target *sorted, uint32_t n, uint16_t value)
{
	for (uint32_t i = 0; i < n; i++) {
		if (sorted[i].value == value)
			return (int)i;
	}
	return -1;
}

/* What each has and may have; returns the sum of the ids of those that have nothing. */
static uint64_t slow_quotas(const struct maglev_target *sorted, uint32_t n, const uint16_t *table,
			    uint32_t size, uint32_t *has, uint32_t *quota)
{
	uint32_t extra = size % n;
	uint64_t newcomers = 0;

	for (uint32_t i = 0; i < n; i++) {
		has[i] = slow_count(table, size, sorted[i].value);
		quota[i] = size / n;
		if (has[i] > size / n && extra > 0) {
			quota[i]++;
			extra--;
		}
		if (has[i] == 0)
			newcomers += sorted[i].id;
	}
	for (uint32_t i = 0; extra > 0; i++) {
		if (quota[i] == size / n) {
			quota[i]++;
			extra--;
		}
	}
	return newcomers;
}

static void slow_settle(const struct maglev_target *sorted, uint32_t n, uint16_t *table,
			uint32_t size)
{
	uint32_t quota[GROUP_MAX], has[GROUP_MAX], turn[GROUP_MAX] = {0}, grain = size;
	uint64_t newcomers;
	bool over, claimed;

	for (uint32_t right = 128; right < 128 * n || grain * right > size;) {
		if (right < 128 * n)
			right *= 2;
		else
			grain /= 2;
	}
	for (uint32_t i = 0; i < size; i++) {
		if (slow_place(sorted, n, table[i]) < 0)
			table[i] = NOBODY;
	}
	newcomers = slow_quotas(sorted, n, table, size, has, quota);
	for (uint32_t step = 0;; step++) {
		uint32_t entry = slow_step(newcomers, step, size);
		int place = slow_place(sorted, n, table[entry]);

		over = false;
		for (uint32_t i = 0; i < n; i++)
			over = over || has[i] > quota[i];
		if (!over)
			break;
		if (place >= 0 && has[place] > quota[place]) {
			table[entry] = NOBODY;
			has[place]--;
		}
	}
	for (uint32_t i = 0; i < size; i++) {
		for (uint32_t k = 1; k < grain && table[i] == NOBODY; k *= 2) {
			int place = slow_place(sorted, n, table[i ^ k]);

			if (place >= 0 && has[place] < quota[place]) {
				table[i] = table[i ^ k];
				has[place]++;
			}
		}
	}
	do {
		claimed = false;
		for (uint32_t i = 0; i < n; i++) {
			uint32_t entry = slow_step(sorted[i].id, turn[i]++, size);

			if (has[i] == quota[i])
				continue;
			entry -= entry % grain;
			while (table[entry] != NOBODY)
				entry = (entry + 1) % size;
			do {
				table[entry++] = sorted[i].value;
				has[i]++;
			} while (entry % grain != 0 && table[entry] == NOBODY &&
				 has[i] < quota[i]);
			claimed = true;
		}
	} while (claimed);
}

static uint16_t *slow_build(const struct group *group, uint32_t *ret_size)
{
	uint32_t size = 128, budget, split = 0, moved;
	struct maglev_target sorted[GROUP_MAX];
	uint16_t *table, *half;

	memcpy(sorted, group->targets, sizeof(sorted));
	slow_sort(sorted, group->n);
	while (size < 128 * group->n || size < group->size)
		size *= 2;
	table = malloc(size * sizeof(*table));
	half = malloc(size * sizeof(*table));
	assert_true(table != NULL && half != NULL);
	for (uint32_t i = 0; i < size; i++)
		table[i] = group->size == 0 ? NOBODY : group->table[i / (size / group->size)];
	slow_settle(sorted, group->n, table, size);
	for (budget = size / (2 * (group->n + 1)); size > 128 && size / 2 >= 128 * group->n;
	     budget = (budget - moved) / 2) {
		split = moved = 0;
		for (uint32_t i = 0; i < size / 2; i++) {
			split += table[2 * i] != table[2 * i + 1];
			half[i] = table[2 * i];
		}
		if (split > budget)
			break;
		slow_settle(sorted, group->n, half, size / 2);
		for (uint32_t i = 0; i < size; i++)
			moved += table[i] != half[i / 2];
		if (moved > budget)
			break;
		size /= 2;
		memcpy(table, half, size * sizeof(*table));
	}
	free(half);
	*ret_size = size;
	return table;
}

#endif
