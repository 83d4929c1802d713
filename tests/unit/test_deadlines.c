/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/deadlines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define N 200
#define STEPS 20000

/* The slow model: the smallest of all that are set. */
static int64_t slow_first(const int64_t at[N])
{
	int64_t first = -1;

	for (size_t i = 0; i < N; i++) {
		if (at[i] >= 0 && (first < 0 || at[i] < first))
			first = at[i];
	}
	return first;
}

static void agrees_with_slow_model(void **state)
{
	struct deadline all[N] = {0};
	struct deadlines heap = {0};
	int64_t slow[N];
	unsigned int emptied = 0, moved = 0;

	(void)state;
	srand(7);
	for (size_t i = 0; i < N; i++)
		slow[i] = -1;
	for (unsigned int step = 0; step < STEPS; step++) {
		size_t i = (size_t)rand() % N;
		struct deadline *first;

		/* stretches of mostly adding and of mostly removing */
		if (rand() % 100 < (step / 1000 % 2 == 0 ? 80 : 5)) {
			moved += slow[i] >= 0;
			slow[i] = rand() % 1000;
			assert_int_equal(deadlines_set(&heap, &all[i], slow[i]), 0);
			assert_true(all[i].place != 0);
		} else {
			slow[i] = -1;
			deadlines_clear(&heap, &all[i]);
			assert_int_equal(all[i].place, 0);
		}
		first = deadlines_first(&heap);
		assert_true((first != NULL ? first->at_ms : -1) == slow_first(slow));
		emptied += first == NULL;
	}
	assert_true(emptied > 0 && moved > 100);
	deadlines_free(&heap);
	assert_null(deadlines_first(&heap));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_slow_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
