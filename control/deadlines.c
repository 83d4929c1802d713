/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/deadlines.h"

#include <errno.h>
#include <stdlib.h>

static void place(struct deadlines *deadlines, size_t at, struct deadline *deadline)
{
	deadlines->heap[at - 1] = deadline;
	deadline->place = at;
}

static void sift_up(struct deadlines *deadlines, struct deadline *deadline)
{
	size_t at = deadline->place;

	while (at > 1 && deadlines->heap[at / 2 - 1]->at_ms > deadline->at_ms) {
		place(deadlines, at, deadlines->heap[at / 2 - 1]);
		at /= 2;
	}
	place(deadlines, at, deadline);
}

static void sift_down(struct deadlines *deadlines, struct deadline *deadline)
{
	size_t at = deadline->place;

	while (at * 2 <= deadlines->n) {
		size_t child = at * 2;

		if (child < deadlines->n &&
		    deadlines->heap[child]->at_ms < deadlines->heap[child - 1]->at_ms)
			child++;
		if (deadlines->heap[child - 1]->at_ms >= deadline->at_ms)
			break;
		place(deadlines, at, deadlines->heap[child - 1]);
		at = child;
	}
	place(deadlines, at, deadline);
}

int deadlines_set(struct deadlines *deadlines, struct deadline *deadline, int64_t at_ms)
{
	if (deadline->place == 0) {
		if (deadlines->n == deadlines->room) {
			size_t room = deadlines->room == 0 ? 16 : deadlines->room * 2;
			struct deadline **heap =
				reallocarray(deadlines->heap, room, sizeof(struct deadline *));

			if (heap == NULL)
				return -ENOMEM;
			deadlines->heap = heap;
			deadlines->room = room;
		}
		place(deadlines, ++deadlines->n, deadline);
	}
	deadline->at_ms = at_ms;
	sift_up(deadlines, deadline);
	sift_down(deadlines, deadline);
	return 0;
}

void deadlines_clear(struct deadlines *deadlines, struct deadline *deadline)
{
	struct deadline *last;
	size_t at = deadline->place;

	if (at == 0)
		return;
	deadline->place = 0;
	last = deadlines->heap[--deadlines->n];
	if (last == deadline)
		return;
	place(deadlines, at, last);
	sift_up(deadlines, last);
	sift_down(deadlines, last);
}

struct deadline *deadlines_first(const struct deadlines *deadlines)
{
	return deadlines->n > 0 ? deadlines->heap[0] : NULL;
}

void deadlines_free(struct deadlines *deadlines)
{
	free(deadlines->heap);
	*deadlines = (struct deadlines){0};
}
