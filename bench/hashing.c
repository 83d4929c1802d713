/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What part of the hash space changes its target when one of N comes or goes,
 * and how evenly the targets share it. One JSON line for each N.
 */
#include "dataplane/maglev.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint32_t sizes[] = {2, 3, 5, 10, 20, 50, 100, 200, 500, 999};

struct table {
	uint16_t *entries;
	uint32_t size;
};

/* Targets 1 … n, as they are after `old`. */
static struct table build(uint32_t n, const struct table *old)
{
	struct maglev_target *targets = calloc(n, sizeof(*targets));
	uint32_t old_size = old != NULL ? old->size : 0;
	struct table table = {
		.entries = calloc(maglev_room(n, old_size), sizeof(*table.entries)),
	};

	for (uint32_t i = 0; targets != NULL && i < n; i++)
		targets[i] = (struct maglev_target){
			.id = (i + 1) * UINT64_C(0x9e3779b97f4a7c15),
			.value = (uint16_t)(i + 1),
		};
	if (targets == NULL || table.entries == NULL ||
	    maglev_build(targets, n, old != NULL ? old->entries : NULL, old_size, table.entries,
			 &table.size) != 0) {
		fprintf(stderr, "bench_hashing: no table of %u targets\n", n);
		exit(1);
	}
	free(targets);
	return table;
}

/* Share of all hashes that two tables send to different targets. */
static double moved(const struct table *a, const struct table *b)
{
	uint32_t size = a->size > b->size ? a->size : b->size, differ = 0;

	for (uint32_t i = 0; i < size; i++)
		differ += a->entries[(uint64_t)i * a->size / size] !=
			  b->entries[(uint64_t)i * b->size / size];
	return (double)differ / size;
}

/* The largest share of a target, in shares of an even spread. */
static double largest(const struct table *table, uint32_t n)
{
	uint32_t *shares = calloc(n + 1, sizeof(*shares)), most = 0;

	if (shares == NULL)
		exit(1);
	for (uint32_t i = 0; i < table->size; i++) {
		uint32_t share = ++shares[table->entries[i]];

		most = share > most ? share : most;
	}
	free(shares);
	return (double)most * n / table->size;
}

int main(void)
{
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint32_t n = sizes[i];
		struct table before = build(n, NULL), more = build(n + 1, &before);
		struct table less = build(n, &more); /* the one that came goes again */

		printf("{\"targets\": %" PRIu32 ", \"added\": %.6f, \"removed\": %.6f, "
		       "\"largest\": %.6f}\n",
		       n, moved(&before, &more), moved(&more, &less), largest(&before, n));
		free(before.entries);
		free(more.entries);
		free(less.entries);
	}
	return 0;
}
