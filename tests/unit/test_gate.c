/* SPDX-License-Identifier: BSD-3-Clause */
/* What of a port's packets the kernel is given. */
#include "dataplane/dpdk/gate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define NS_PER_S 1000000000ull
#define START 5000000000000ull

/* Offer packets evenly for a while; how many of each kind pass. */
static void offer(struct gate *gate, uint64_t *now, uint64_t seconds, uint32_t pps,
		  uint32_t vital_of_1000, uint32_t *ret_plain, uint32_t *ret_vital)
{
	*ret_plain = *ret_vital = 0;
	for (uint64_t i = 0; i < seconds * pps; i++) {
		bool vital = i % 1000 < vital_of_1000;

		*now += NS_PER_S / pps;
		if (gate_admits(gate, *now, vital))
			++*(vital ? ret_vital : ret_plain);
	}
}

static void passes_all_below_its_rate(void **state)
{
	uint64_t now = START;
	struct gate gate = gate_open(1000, now);
	uint32_t plain, vital;

	(void)state;
	offer(&gate, &now, 20, 900, 100, &plain, &vital);
	assert_int_equal(plain + vital, 20 * 900);
}

static void holds_its_rate_in_a_flood(void **state)
{
	static const uint32_t rates[] = {1, 100, 1000, 50000};
	uint32_t plain, vital;

	(void)state;
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		uint64_t now = START;
		struct gate gate = gate_open(rates[i], now);

		offer(&gate, &now, 10, 200000, 0, &plain, &vital);
		/* and at most the burst above it */
		assert_in_range(plain, 10 * rates[i] - 1, 10 * rates[i] + rates[i] / 8 + 2);
	}
}

static void a_flood_leaves_room_for_what_is_vital(void **state)
{
	uint64_t now = START;
	struct gate gate = gate_open(1000, now);
	uint32_t plain, vital;

	(void)state;
	/* 100,000 a second, of which 100 are ARP */
	offer(&gate, &now, 10, 100000, 1, &plain, &vital);
	assert_int_equal(vital, 10 * 100);
	assert_in_range(plain, 10 * 800, 10 * 1000);
}

static void rest_fills_it_for_one_burst_and_no_more(void **state)
{
	uint64_t now = START;
	struct gate gate = gate_open(1000, now);
	uint32_t passed = 0;

	(void)state;
	now += 3600 * NS_PER_S;
	for (int i = 0; i < 10000; i++)
		passed += gate_admits(&gate, now, false);
	assert_int_equal(passed, 100); /* a tenth of a second's */
}

static void tells_vital_frames(void **state)
{
	unsigned char frame[128] = {0};

	(void)state;
	memcpy(frame + 12, "\x08\x06", 2);
	assert_true(gate_is_vital(frame, 42));
	assert_true(gate_is_vital(frame, 14));
	assert_false(gate_is_vital(frame, 13));
	memcpy(frame + 12, "\x08\x00", 2);
	assert_false(gate_is_vital(frame, 60));
	memcpy(frame + 12, "\x86\xdd", 2);
	frame[14 + 6] = 58;
	assert_true(gate_is_vital(frame, 14 + 40));
	assert_false(gate_is_vital(frame, 14 + 39));
	frame[14 + 6] = 17;
	assert_false(gate_is_vital(frame, 60));
	memcpy(frame + 12, "\x88\xa8\x00\x05\x81\x00\x00\x06\x08\x06", 10);
	assert_true(gate_is_vital(frame, 60));
	assert_false(gate_is_vital(frame, 21));
	memcpy(frame + 12, "\x81\x00\x00\x05\x81\x00\x00\x06\x81\x00\x00\x07\x08\x06", 14);
	assert_false(gate_is_vital(frame, 60)); /* three tags: nobody's */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(passes_all_below_its_rate),
		cmocka_unit_test(holds_its_rate_in_a_flood),
		cmocka_unit_test(a_flood_leaves_room_for_what_is_vital),
		cmocka_unit_test(rest_fills_it_for_one_burst_and_no_more),
		cmocka_unit_test(tells_vital_frames),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
