/* SPDX-License-Identifier: BSD-3-Clause */
#include "packets.h"

#include "dataplane/core/checksum.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROUNDS 200000

static uint64_t random_state; /* the tests alone; each seeds it */

static uint32_t random_word(void)
{
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(random_state >> 32);
}

static uint16_t to_wire(uint16_t value)
{
	return (uint16_t)(value << 8 | value >> 8);
}

/* RFC 1624 section 4: HC 0xDD2F, m 0x5555, m' 0x3285 give 0x0000, where RFC 1141 gives 0xFFFF. */
static void gives_zero_in_the_example_of_rfc_1624(void **state)
{
	uint64_t delta = sl_csum_delta16(0, to_wire(0x5555), to_wire(0x3285));

	(void)state;
	assert_int_equal(sl_csum_apply(to_wire(0xdd2f), delta), 0x0000);
}

/* RFC 1071 section 3: the words 0001 f203 f4f5 f6f7 add up to ddf2. */
static void adds_up_the_example_of_rfc_1071(void **state)
{
	static const unsigned char bytes[8] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
	uint16_t words[4];

	(void)state;
	memcpy(words, bytes, sizeof(words));
	assert_int_equal(to_wire(sl_csum_fold(sl_csum_words(0, words, 4))), 0xddf2);
	assert_int_equal(packet_checksum_slow(0, bytes, sizeof(bytes)), (uint16_t)~0xddf2);
}

static void folds_any_sum_to_what_repeated_folding_gives(void **state)
{
	static const uint64_t edges[] = {0, 1, 0xffff, 0x10000, 0x1fffe, 0xffffffff, 0x100000000,
					 0xffffffffffff, 0xffff0000ffff0000, 0xfffffffffffffff};

	(void)state;
	random_state = 1;
	for (size_t i = 0; i < ROUNDS; i++) {
		uint64_t sum = (uint64_t)random_word() << 32 | random_word(), slow;

		sum = i < sizeof(edges) / sizeof(edges[0]) ? edges[i] : sum >> (16 + i % 48);
		for (slow = sum; slow >> 16 != 0;)
			slow = (slow & 0xffff) + (slow >> 16);
		assert_int_equal(sl_csum_fold(sum), slow);
	}
}

/* A checksum is right if the words it covers add up to 0xffff with it. */
static bool is_right(const uint16_t *words, size_t n, uint16_t check)
{
	uint32_t sum = check;

	for (size_t i = 0; i < n; i++)
		sum += words[i];
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff;
}

static void stays_right_through_random_changes_of_fields(void **state)
{
	uint16_t words[24], check;
	size_t zero = 0;

	(void)state;
	random_state = 2;
	for (size_t i = 0; i < 24; i++)
		words[i] = (uint16_t)random_word();
	check = (uint16_t)~sl_csum_fold(sl_csum_words(0, words, 24));
	for (size_t i = 0; i < ROUNDS; i++) {
		uint32_t at = random_word() % 23, old, next = random_word();
		uint64_t delta = 0;

		if (i % 5 == 0)
			next = i % 2 ? 0xffffffff : 0;
		memcpy(&old, &words[at], 4);
		delta = sl_csum_delta32(delta, old, next);
		memcpy(&words[at], &next, 4);
		at = random_word() % 24;
		next = random_word() & 0xffff;
		delta = sl_csum_delta16(delta, words[at], (uint16_t)next);
		words[at] = (uint16_t)next;
		/* folded deltas, as flow lines keep them, do as well */
		check = sl_csum_apply(check, i % 3 ? delta : sl_csum_fold(delta));
		assert_true(is_right(words, 24, check));
		zero += check == 0;
	}
	assert_true(zero > 0); /* the corner of RFC 1624 was met */
}

static void a_wrong_checksum_stays_as_wrong_as_it_was(void **state)
{
	uint16_t words[10], check;

	(void)state;
	random_state = 3;
	for (size_t i = 0; i < 10; i++)
		words[i] = (uint16_t)random_word();
	check = (uint16_t)~sl_csum_fold(sl_csum_words(0, words, 10));
	for (int i = 0; i < 1000; i++) {
		uint16_t next = (uint16_t)random_word();
		uint16_t wrong = (uint16_t)(check ^ 0x0400);

		wrong = sl_csum_apply(wrong, sl_csum_delta16(0, words[3], next));
		check = sl_csum_apply(check, sl_csum_delta16(0, words[3], next));
		words[3] = next;
		assert_true(is_right(words, 10, check));
		assert_false(is_right(words, 10, wrong));
	}
}

static void folded_deltas_need_fewer_steps_for_the_same(void **state)
{
	static const uint32_t ends[] = {0, 1, 2, 0xfffd, 0xfffe, 0xffff, 0x10000, 0x1fffc, 0x1fffd,
					0x1fffe}; /* of one and of two folded deltas */

	(void)state;
	for (uint32_t check = 0; check < 0x10000; check++)
		for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
			assert_int_equal(sl_csum_apply_folded((uint16_t)check, ends[i]),
					 sl_csum_apply((uint16_t)check, ends[i]));
	for (uint32_t delta = 0; delta < 0x1ffff; delta++)
		assert_int_equal(sl_csum_apply_folded((uint16_t)(delta * 31), delta),
				 sl_csum_apply((uint16_t)(delta * 31), delta));
}

static void udp_without_a_checksum_stays_without(void **state)
{
	(void)state;
	for (uint32_t delta = 0; delta < 0x10000; delta++)
		assert_int_equal(sl_csum_apply_udp(0, (uint16_t)delta), 0);
}

static void udp_never_gets_a_zero_for_a_checksum(void **state)
{
	size_t ones = 0;

	(void)state;
	for (uint32_t check = 1; check < 0x10000; check += 7)
		for (uint32_t delta = 0; delta < 0x10000; delta += 61) {
			uint16_t got = sl_csum_apply_udp((uint16_t)check, (uint16_t)delta);
			uint16_t plain = sl_csum_apply((uint16_t)check, delta);

			assert_int_not_equal(got, 0);
			assert_int_equal(got, plain != 0 ? plain : 0xffff);
			ones += plain == 0;
		}
	assert_true(ones > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_zero_in_the_example_of_rfc_1624),
		cmocka_unit_test(adds_up_the_example_of_rfc_1071),
		cmocka_unit_test(folds_any_sum_to_what_repeated_folding_gives),
		cmocka_unit_test(stays_right_through_random_changes_of_fields),
		cmocka_unit_test(a_wrong_checksum_stays_as_wrong_as_it_was),
		cmocka_unit_test(folded_deltas_need_fewer_steps_for_the_same),
		cmocka_unit_test(udp_without_a_checksum_stays_without),
		cmocka_unit_test(udp_never_gets_a_zero_for_a_checksum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
