/* SPDX-License-Identifier: BSD-3-Clause */
#include "healthcheck/schedule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define DAY_MS (24u * 3600 * 1000)
#define INTERVAL_MAX_MS 300000u

/* The slow model: try every millisecond, from half an interval on, for the place that the same
 * check has in a later interval. */
static uint64_t slow_next(uint64_t id, uint32_t interval_ms, uint64_t begun_ms)
{
	uint64_t phase = schedule_next(id, interval_ms, DAY_MS) % interval_ms;
	uint64_t at = begun_ms + interval_ms / 2;

	while (at % interval_ms != phase)
		at++;
	return at;
}

static void agrees_with_slow_model(void **state)
{
	unsigned int longer = 0, shorter = 0;

	(void)state;
	srand(11);
	for (unsigned int i = 0; i < 20000; i++) {
		uint64_t id = (uint64_t)rand() << 32 | (uint64_t)rand();
		uint32_t interval_ms = 1 + (uint32_t)rand() % 2000;
		uint64_t begun_ms = (uint64_t)rand();
		uint64_t next = schedule_next(id, interval_ms, begun_ms);

		assert_int_equal(next, slow_next(id, interval_ms, begun_ms));
		longer += next - begun_ms > interval_ms;
		shorter += next - begun_ms < interval_ms;
	}
	assert_true(longer > 1000 && shorter > 1000);
}

static void keeps_its_place_however_late_a_probe_begins(void **state)
{
	const uint32_t interval_ms = 5000;

	(void)state;
	for (uint64_t id = 0; id < 100; id++) {
		uint64_t due = schedule_next(id, interval_ms, 1234567);

		for (unsigned int i = 0; i < 100; i++) {
			uint64_t late = due + id * 7 % (interval_ms / 2);

			assert_int_equal(schedule_next(id, interval_ms, late), due + interval_ms);
			due += interval_ms;
		}
	}
}

/* In any tenth of the interval, a tenth of the probes: the worst case of 10,000 is within 1 %. */
static void spreads_checks_evenly(void **state)
{
	static const uint32_t intervals[] = {100, 5000, 30000, INTERVAL_MAX_MS};
	static const uint64_t first_ids[] = {0, 1, 987654321, UINT64_MAX - 5000};
	enum { CHECKS = 10000, PARTS = 10 };

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		for (size_t f = 0; f < 4; f++) {
			unsigned int parts[PARTS] = {0};

			for (uint64_t id = 0; id < CHECKS; id++) {
				uint64_t at = schedule_next(first_ids[f] + id, intervals[i], 0);

				parts[at % intervals[i] * PARTS / intervals[i]]++;
			}
			for (unsigned int part = 0; part < PARTS; part++)
				assert_in_range(parts[part], CHECKS / PARTS - 10,
						CHECKS / PARTS + 10);
		}
	}
}

static void a_short_interval_works_too(void **state)
{
	(void)state;
	for (uint64_t begun = 0; begun < 10; begun++) {
		assert_int_equal(schedule_next(99, 1, begun), begun);
		assert_in_range(schedule_next(99, 2, begun), begun + 1, begun + 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_slow_model),
		cmocka_unit_test(keeps_its_place_however_late_a_probe_begins),
		cmocka_unit_test(spreads_checks_evenly),
		cmocka_unit_test(a_short_interval_works_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
