/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Deadlines: a binary heap of things that end at a time. The things embed a
 * struct deadline, so adding needs memory only for a pointer, and taking one
 * out of the middle is O(log n).
 */
#ifndef SLUICE_DEADLINES_H
#define SLUICE_DEADLINES_H

#include <stddef.h>
#include <stdint.h>

struct deadline {
	int64_t at_ms; /* of the owner's clock */
	size_t place;  /* in the heap, from 1; 0: not in it */
};

struct deadlines { /* all zero: empty */
	struct deadline **heap;
	size_t n, room;
};

/** Add @deadline, or move it to @at_ms when it is in already. Returns 0 or -ENOMEM. */
int deadlines_set(struct deadlines *deadlines, struct deadline *deadline, int64_t at_ms);
/** Take @deadline out; nothing happens when it is not in. */
void deadlines_clear(struct deadlines *deadlines, struct deadline *deadline);
/** The earliest, or NULL. */
struct deadline *deadlines_first(const struct deadlines *deadlines);
/** Free the heap, not what is in it. */
void deadlines_free(struct deadlines *deadlines);

#endif
