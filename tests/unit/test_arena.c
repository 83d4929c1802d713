/* SPDX-License-Identifier: BSD-3-Clause */
/* The arena of Maglev memory, against a slow model that looks at every chunk. */
#include "dataplane/arena.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CHUNKS 1000u
#define STEPS 100000
#define HELD_MAX 200

enum chunk_state { FREE, RESTING, TAKEN };

struct slow {
	enum chunk_state state[CHUNKS];
	uint64_t until_ns[CHUNKS];
};

struct held {
	uint32_t first, count;
};

struct random {
	uint64_t state;
};

static uint32_t random_below(struct random *random, uint32_t limit)
{
	random->state = random->state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)((random->state >> 33) % limit);
}

static void slow_wake(struct slow *slow, uint64_t now_ns)
{
	for (uint32_t i = 0; i < CHUNKS; i++)
		if (slow->state[i] == RESTING && slow->until_ns[i] <= now_ns)
			slow->state[i] = FREE;
}

static bool slow_is_free(const struct slow *slow, uint32_t first, uint32_t count)
{
	if (first + count > CHUNKS)
		return false;
	for (uint32_t i = first; i < first + count; i++)
		if (slow->state[i] != FREE)
			return false;
	return true;
}

static int64_t slow_first_fit(const struct slow *slow, uint32_t count)
{
	for (uint32_t first = 0; first + count <= CHUNKS; first++)
		if (slow_is_free(slow, first, count))
			return first;
	return -ENOSPC;
}

static int64_t slow_take(struct slow *slow, uint32_t count, uint64_t now_ns, bool *ret_hurried)
{
	int64_t first;

	slow_wake(slow, now_ns);
	first = slow_first_fit(slow, count);
	if (first < 0) {
		slow_wake(slow, UINT64_MAX);
		first = slow_first_fit(slow, count);
		*ret_hurried = first >= 0;
	}
	return first;
}

static void slow_set(struct slow *slow, uint32_t first, uint32_t count, enum chunk_state state,
		     uint64_t until_ns)
{
	for (uint32_t i = first; i < first + count; i++) {
		slow->state[i] = state;
		slow->until_ns[i] = until_ns;
	}
}

static void agrees_with_the_slow_model(void **state)
{
	struct random random = {20240607};
	uint32_t n_held = 0, refused = 0, hurried = 0, claims = 0, refused_claims = 0, taken = 0;
	static struct slow slow;
	struct held held[HELD_MAX];
	uint64_t now_ns = 1;
	struct arena *arena;

	(void)state;
	memset(&slow, 0, sizeof(slow));
	assert_int_equal(arena_new(CHUNKS, &arena), 0);
	for (int step = 0; step < STEPS; step++) {
		uint32_t action = random_below(&random, 100), count = 1 + random_below(&random, 60);

		now_ns += random_below(&random, ARENA_GRACE_NS / 4);
		if (action < 45 && n_held < HELD_MAX) {
			bool in_a_hurry = false;
			uint32_t first = UINT32_MAX;
			int64_t expected = slow_take(&slow, count, now_ns, &in_a_hurry);
			int r = arena_take(arena, count, now_ns, &first);

			assert_int_equal(r, expected < 0 ? expected : 0);
			refused += r < 0;
			hurried += in_a_hurry;
			if (r < 0) {
				assert_int_equal(first, UINT32_MAX);
				continue;
			}
			assert_int_equal(first, expected);
			slow_set(&slow, first, count, TAKEN, 0);
			held[n_held++] = (struct held){first, count};
			taken++;
		} else if (action < 55 && n_held < HELD_MAX) {
			uint32_t first = random_below(&random, CHUNKS);
			bool can = slow_is_free(&slow, first, count);

			assert_int_equal(arena_claim(arena, first, count), can ? 0 : -ENOSPC);
			claims += can;
			refused_claims += !can;
			if (!can)
				continue;
			slow_set(&slow, first, count, TAKEN, 0);
			held[n_held++] = (struct held){first, count};
		} else if (n_held != 0) {
			uint32_t which = random_below(&random, n_held);
			struct held given = held[which];

			held[which] = held[--n_held];
			if (action < 65) {
				arena_untake(arena, given.first, given.count);
				slow_set(&slow, given.first, given.count, FREE, 0);
			} else {
				arena_give(arena, given.first, given.count, now_ns);
				slow_set(&slow, given.first, given.count, RESTING,
					 now_ns + ARENA_GRACE_NS);
			}
		}
	}
	arena_free(arena);
	/* the run must have met all of these, or it proved nothing */
	assert_true(taken > 10000 && refused > 100 && hurried > 100);
	assert_true(claims > 100 && refused_claims > 100);
}

static void all_of_it_can_be_taken_at_once_and_again(void **state)
{
	struct arena *arena;
	uint32_t first;

	(void)state;
	assert_int_equal(arena_new(CHUNKS, &arena), 0);
	for (uint64_t round = 0; round < 3; round++) {
		assert_int_equal(arena_take(arena, CHUNKS + 1, 0, &first), -ENOSPC);
		assert_int_equal(arena_take(arena, CHUNKS, 0, &first), 0);
		assert_int_equal(first, 0);
		assert_int_equal(arena_take(arena, 1, 0, &first), -ENOSPC);
		/* in pieces that join again, every other one first */
		for (uint32_t i = 0; i < CHUNKS; i += 2)
			arena_give(arena, i, 1, 0);
		for (uint32_t i = 1; i < CHUNKS; i += 2)
			arena_give(arena, i, 1, 0);
	}
	arena_free(arena);
}

static void given_chunks_rest_while_others_are_free(void **state)
{
	struct arena *arena;
	uint32_t first;

	(void)state;
	assert_int_equal(arena_new(30, &arena), 0);
	assert_int_equal(arena_take(arena, 10, 100, &first), 0);
	assert_int_equal(first, 0);
	arena_give(arena, 0, 10, 100);
	assert_int_equal(arena_take(arena, 10, 100 + ARENA_GRACE_NS - 1, &first), 0);
	assert_int_equal(first, 10);
	assert_int_equal(arena_take(arena, 10, 100 + ARENA_GRACE_NS, &first), 0);
	assert_int_equal(first, 0);
	/* nothing else is left: no rest */
	arena_give(arena, 10, 10, 100 + ARENA_GRACE_NS);
	assert_int_equal(arena_take(arena, 20, 100 + ARENA_GRACE_NS, &first), 0);
	assert_int_equal(first, 10);
	arena_free(arena);
}

static void what_nobody_saw_needs_no_rest(void **state)
{
	struct arena *arena;
	uint32_t first;

	(void)state;
	assert_int_equal(arena_new(30, &arena), 0);
	assert_int_equal(arena_take(arena, 10, 0, &first), 0);
	arena_untake(arena, 4, 6);
	arena_untake(arena, 4, 0);
	assert_int_equal(arena_take(arena, 6, 0, &first), 0);
	assert_int_equal(first, 4);
	arena_free(arena);
}

static void a_claim_takes_just_these_chunks(void **state)
{
	struct arena *arena;
	uint32_t first;

	(void)state;
	assert_int_equal(arena_new(30, &arena), 0);
	assert_int_equal(arena_claim(arena, 10, 10), 0);
	assert_int_equal(arena_claim(arena, 10, 1), -ENOSPC);
	assert_int_equal(arena_claim(arena, 19, 1), -ENOSPC);
	assert_int_equal(arena_claim(arena, 9, 2), -ENOSPC);
	assert_int_equal(arena_claim(arena, 29, 2), -ENOSPC);
	assert_int_equal(arena_claim(arena, 30, 1), -ENOSPC);
	assert_int_equal(arena_claim(arena, UINT32_MAX, 2), -ENOSPC);
	assert_int_equal(arena_claim(arena, 0, 10), 0);
	assert_int_equal(arena_claim(arena, 29, 1), 0);
	assert_int_equal(arena_take(arena, 9, 0, &first), 0);
	assert_int_equal(first, 20);
	assert_int_equal(arena_take(arena, 1, 0, &first), -ENOSPC);
	arena_free(arena);
}

static void freeing_nothing_is_fine(void **state)
{
	(void)state;
	arena_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_the_slow_model),
		cmocka_unit_test(all_of_it_can_be_taken_at_once_and_again),
		cmocka_unit_test(given_chunks_rest_while_others_are_free),
		cmocka_unit_test(what_nobody_saw_needs_no_rest),
		cmocka_unit_test(a_claim_takes_just_these_chunks),
		cmocka_unit_test(freeing_nothing_is_fine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
