/* SPDX-License-Identifier: BSD-3-Clause */
#include "maglev_model.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t random_state; /* the tests alone; each seeds it */

static uint32_t random_below(uint32_t n)
{
	random_state = random_state * 6364136223846793005 + 1442695040888963407;
	return (uint32_t)((random_state >> 32) * n >> 32);
}

static struct group *group_new(uint32_t n)
{
	struct group *group = calloc(1, sizeof(*group));

	assert_non_null(group);
	for (; group->n < n; group->n++)
		group->targets[group->n] =
			(struct maglev_target){group->n + 1, (uint16_t)(group->n * 7)};
	return group;
}

static void group_free(struct group *group)
{
	free(group->table);
	free(group);
}

/* Build the next table from the one the group has, which the caller gets. */
static uint16_t *group_build(struct group *group, uint32_t *ret_old_size)
{
	uint16_t *old = group->table;
	uint32_t room = maglev_room(group->n, group->size);

	*ret_old_size = group->size;
	group->table = malloc(room * sizeof(*group->table));
	assert_non_null(group->table);
	assert_int_equal(maglev_build(group->targets, group->n, old, group->size, group->table,
				      &group->size), 0);
	assert_true(group->size <= room);
	assert_true(group->size >= maglev_table_size(group->n));
	return old;
}

static void group_rebuild(struct group *group)
{
	uint32_t old_size;

	free(group_build(group, &old_size));
}

/* Every entry names a target, and no two differ by more than one entry. */
static void assert_even(const struct group *group)
{
	uint32_t *n_entries = calloc(NOBODY + 1, sizeof(*n_entries));
	uint32_t min = UINT32_MAX, max = 0, sum = 0;

	assert_non_null(n_entries);
	for (uint32_t i = 0; i < group->size; i++)
		n_entries[group->table[i]]++;
	for (uint32_t i = 0; i < group->n; i++) {
		uint32_t n = n_entries[group->targets[i].value];

		min = n < min ? n : min;
		max = n > max ? n : max;
		sum += n;
	}
	free(n_entries);
	assert_int_equal(sum, group->size);
	assert_true(max - min <= 1);
	assert_true(min >= MAGLEV_ENTRIES_MIN);
	assert_true((max - min) * 100 * group->n <= group->size); /* within 1 % of the mean */
}

/* How much of the hash space two tables send to different targets, in parts of @unit. */
static uint32_t count_remapped(const uint16_t *a, uint32_t a_size, const uint16_t *b,
			       uint32_t b_size, uint32_t unit)
{
	uint32_t n = 0;

	for (uint64_t i = 0; i < unit; i++)
		n += a[i * a_size / unit] != b[i * b_size / unit];
	return n;
}

/* Rebuild after one target came to or left a group; of @n, counted with it. */
static uint32_t rebuild_within_bound(struct group *group, uint32_t n)
{
	uint32_t old_size, unit, remapped;
	uint16_t *old = group_build(group, &old_size);

	unit = old_size > group->size ? old_size : group->size;
	remapped = count_remapped(old, old_size, group->table, group->size, unit);
	free(old);
	if ((uint64_t)remapped * n > 2ULL * unit)
		fail_msg("%u of %u remapped among %u targets", remapped, unit, n);
	assert_true(remapped > 0 || n == 1);
	assert_even(group);
	return remapped;
}

static void group_add(struct group *group, uint64_t id, uint16_t value)
{
	group->targets[group->n++] = (struct maglev_target){id, value};
}

static void group_take(struct group *group, uint32_t place)
{
	group->targets[place] = group->targets[--group->n];
}

/* --- tests ---------------------------------------------------------------- */

static void a_size_gives_each_target_128_to_256_entries(void **state)
{
	(void)state;
	assert_int_equal(maglev_table_size(1), 128);
	assert_int_equal(maglev_table_size(2), 256);
	assert_int_equal(maglev_table_size(3), 512);
	assert_int_equal(maglev_table_size(512), 65536);
	assert_int_equal(maglev_table_size(513), 131072);
	assert_int_equal(maglev_table_size(1000), 131072);
	assert_int_equal(maglev_table_size(MAGLEV_TARGETS_MAX), 8388608);
	for (uint32_t n = 2; n <= MAGLEV_TARGETS_MAX; n++) {
		uint32_t size = maglev_table_size(n);

		assert_true(size >= 128 * n && size < 256 * n);
	}
	assert_int_equal(maglev_room(3, 0), 512);
	assert_int_equal(maglev_room(3, 256), 512);
	assert_int_equal(maglev_room(3, 1024), 1024);
}

static void a_table_from_nothing_is_even(void **state)
{
	(void)state;
	for (uint32_t n = 1; n <= GROUP_MAX; n += 1 + n / 9) {
		struct group *group = group_new(n);

		group_rebuild(group);
		assert_int_equal(group->size, maglev_table_size(n));
		assert_even(group);
		group_free(group);
	}
}

/* Neighbouring hashes must not all lead to one target: who hashes by source
 * address has clients that differ in few bits. */
static void a_table_from_nothing_is_mixed(void **state)
{
	struct group *group = group_new(100);
	uint32_t same = 0;

	(void)state;
	group_rebuild(group);
	for (uint32_t i = 1; i < group->size; i++)
		same += group->table[i] == group->table[i - 1];
	assert_true(same * 10 < group->size);
	group_free(group);
}

/* Each run of changes begins from nothing, grows past sizes and shrinks again. */
static void agrees_with_slow_model(void **state)
{
	uint32_t grown = 0, shrunk = 0, kept = 0;

	(void)state;
	random_state = 1;
	for (uint32_t run = 0; run < 12; run++) {
		struct group *group = group_new(1 + random_below(6));
		uint64_t next_id = 1000;

		for (uint32_t change = 0; change < 40; change++) {
			uint32_t slow_size, old_size, n_add = random_below(3),
				 n_take = random_below(3);
			uint16_t *slow;

			if (change % 20 >= 10)
				n_take *= 3;
			for (; n_take > 0 && group->n > 1; n_take--)
				group_take(group, random_below(group->n));
			for (; n_add > 0; n_add--, next_id++)
				group_add(group, slow_mix(next_id), (uint16_t)next_id);
			slow = slow_build(group, &slow_size);
			free(group_build(group, &old_size));
			assert_int_equal(group->size, slow_size);
			assert_memory_equal(group->table, slow, slow_size * sizeof(*slow));
			free(slow);
			grown += group->size > old_size;
			shrunk += group->size < old_size;
			kept += group->size == old_size;
		}
		group_free(group);
	}
	assert_true(grown > 10 && shrunk > 10 && kept > 10);
}

static void one_more_target_remaps_at_most_2_of_n(void **state)
{
	struct group *group = group_new(1);
	uint32_t sizes = 0;

	(void)state;
	group_rebuild(group);
	while (group->n < GROUP_MAX) {
		uint32_t old_size = group->size, n = group->n + 1, remapped;

		group_add(group, slow_mix(n), (uint16_t)(n * 7));
		remapped = rebuild_within_bound(group, n);
		/* nothing but the newcomer's share, also where the size steps */
		assert_true(remapped <= group->size / n + 1);
		sizes += group->size != old_size;
	}
	assert_int_equal(sizes, 10);
	group_free(group);
}

/* From 1,000 down to one, in random order, through every size. */
static void one_target_less_remaps_at_most_2_of_n(void **state)
{
	struct group *group = group_new(GROUP_MAX);
	uint32_t sizes = 0;

	(void)state;
	random_state = 2;
	group_rebuild(group);
	while (group->n > 1) {
		uint32_t old_size = group->size;

		group_take(group, random_below(group->n));
		rebuild_within_bound(group, group->n + 1);
		sizes += group->size != old_size;
		if (group->n == 8) /* lags behind, but not for ever */
			assert_true(group->size <= 16 * maglev_table_size(8));
	}
	assert_int_equal(group->size, MAGLEV_ENTRIES_MIN);
	assert_true(sizes > 3);
	group_free(group);
}

static void targets_that_come_and_go_remap_at_most_2_of_n(void **state)
{
	uint32_t came = 0, left = 0, next = GROUP_MAX;

	(void)state;
	random_state = 3;
	for (uint32_t n = 2; n < GROUP_MAX; n += 1 + n / 3) {
		struct group *group = group_new(n);

		group_rebuild(group);
		for (uint32_t change = 0; change < 30; change++) {
			uint32_t among = group->n;

			if (among == 1 || (among < GROUP_MAX && random_below(2) == 0)) {
				next++;
				group_add(group, slow_mix(next), (uint16_t)(next * 7));
				among++;
				came++;
			} else {
				group_take(group, random_below(among));
				left++;
			}
			rebuild_within_bound(group, among);
		}
		group_free(group);
	}
	assert_true(came > 100 && left > 100);
}

/* A rolling deployment: as many again come at once, then the old ones go at once. */
static void many_changes_at_once_move_no_more_than_they_must(void **state)
{
	struct group *group = group_new(300);
	uint32_t old_size, moved = 0;
	uint16_t *old;

	(void)state;
	group_rebuild(group);
	for (uint32_t i = 300; i < 600; i++)
		group_add(group, i + 1, (uint16_t)(i * 7));
	old = group_build(group, &old_size);
	assert_even(group);
	for (uint32_t i = 0; i < group->size; i++) {
		if (group->table[i] / 7 < 300) /* an old one: it had this entry before */
			assert_int_equal(group->table[i], old[(uint64_t)i * old_size / group->size]);
		else
			moved++;
	}
	assert_in_range(moved, group->size / 2 - 300, group->size / 2 + 300);
	free(old);
	memmove(group->targets, group->targets + 300, 300 * sizeof(group->targets[0]));
	group->n = 300;
	old = group_build(group, &old_size);
	assert_even(group);
	assert_int_equal(group->size, old_size);
	for (uint32_t i = 0; i < group->size; i++) {
		if (old[i] / 7 >= 300)
			assert_int_equal(group->table[i], old[i]);
	}
	free(old);
	group_free(group);
}

static void the_order_of_the_list_does_not_matter(void **state)
{
	struct group *a = group_new(200), *b = group_new(200);

	(void)state;
	random_state = 4;
	for (uint32_t change = 0; change < 3; change++) {
		for (uint32_t i = b->n - 1; i > 0; i--) {
			uint32_t j = random_below(i + 1);
			struct maglev_target swap = b->targets[i];

			b->targets[i] = b->targets[j];
			b->targets[j] = swap;
		}
		group_rebuild(a);
		group_rebuild(b);
		assert_int_equal(a->size, b->size);
		assert_memory_equal(a->table, b->table, a->size * sizeof(*a->table));
		group_add(a, 5000 + change, (uint16_t)(5000 + change));
		group_add(b, 5000 + change, (uint16_t)(5000 + change));
	}
	group_free(a);
	group_free(b);
}

static void nothing_changed_changes_nothing(void **state)
{
	struct group *group = group_new(77);
	uint32_t old_size;
	uint16_t *old;

	(void)state;
	group_rebuild(group);
	old = group_build(group, &old_size);
	assert_int_equal(group->size, old_size);
	assert_memory_equal(group->table, old, old_size * sizeof(*old));
	free(old);
	group_free(group);
}

/* Unhealthy for a moment: its clients by source address find it again. */
static void a_target_that_returns_gets_some_of_its_entries_back(void **state)
{
	struct group *group = group_new(50);
	struct maglev_target away = group->targets[20];
	uint32_t first_size, back = 0, had = 0;
	uint16_t *first;

	(void)state;
	group_rebuild(group);
	first = group->table;
	first_size = group->size;
	group->table = malloc(first_size * sizeof(*first));
	assert_non_null(group->table);
	memcpy(group->table, first, first_size * sizeof(*first));
	group_take(group, 20);
	group_rebuild(group);
	group_add(group, away.id, away.value);
	group_rebuild(group);
	assert_int_equal(group->size, first_size);
	for (uint32_t i = 0; i < first_size; i++) {
		had += first[i] == away.value;
		back += first[i] == away.value && group->table[i] == away.value;
	}
	assert_true(back * 3 > had);
	free(first);
	group_free(group);
}

static void what_is_no_group_is_refused(void **state)
{
	struct maglev_target targets[] = {{1, 10}, {2, 20}, {3, 30}};
	uint16_t table[1024], old[512] = {0};
	uint32_t size = 4711;

	(void)state;
	assert_int_equal(maglev_build(targets, 0, NULL, 0, table, &size), -EINVAL);
	assert_int_equal(maglev_build(targets, MAGLEV_TARGETS_MAX + 1, NULL, 0, table, &size),
			 -EINVAL);
	assert_int_equal(maglev_build(targets, 3, NULL, 128, table, &size), -EINVAL);
	assert_int_equal(maglev_build(targets, 3, old, 0, table, &size), -EINVAL);
	assert_int_equal(maglev_build(targets, 3, old, 64, table, &size), -EINVAL);
	assert_int_equal(maglev_build(targets, 3, old, 384, table, &size), -EINVAL);
	targets[2].value = 10;
	assert_int_equal(maglev_build(targets, 3, NULL, 0, table, &size), -EINVAL);
	targets[2].value = MAGLEV_VALUE_MAX + 1;
	assert_int_equal(maglev_build(targets, 3, NULL, 0, table, &size), -EINVAL);
	targets[2] = (struct maglev_target){1, 30};
	assert_int_equal(maglev_build(targets, 3, NULL, 0, table, &size), -EINVAL);
	assert_int_equal(size, 4711);
	targets[2] = (struct maglev_target){3, MAGLEV_VALUE_MAX};
	assert_int_equal(maglev_build(targets, 3, NULL, 0, table, &size), 0);
	assert_int_equal(size, 512);
}

static void the_largest_group_is_built(void **state)
{
	struct maglev_target *targets = calloc(MAGLEV_TARGETS_MAX, sizeof(*targets));
	uint32_t *n_entries = calloc(MAGLEV_TARGETS_MAX, sizeof(*n_entries)), size;
	uint16_t *table = malloc(maglev_table_size(MAGLEV_TARGETS_MAX) * sizeof(*table));

	(void)state;
	assert_true(targets != NULL && n_entries != NULL && table != NULL);
	for (uint32_t i = 0; i < MAGLEV_TARGETS_MAX; i++)
		targets[i] = (struct maglev_target){UINT64_MAX - i, (uint16_t)i};
	assert_int_equal(maglev_build(targets, MAGLEV_TARGETS_MAX, NULL, 0, table, &size), 0);
	assert_int_equal(size, maglev_table_size(MAGLEV_TARGETS_MAX));
	for (uint32_t i = 0; i < size; i++)
		n_entries[table[i]]++;
	for (uint32_t i = 0; i < MAGLEV_TARGETS_MAX; i++)
		assert_in_range(n_entries[i], 128, 129);
	free(table);
	free(n_entries);
	free(targets);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_size_gives_each_target_128_to_256_entries),
		cmocka_unit_test(a_table_from_nothing_is_even),
		cmocka_unit_test(a_table_from_nothing_is_mixed),
		cmocka_unit_test(agrees_with_slow_model),
		cmocka_unit_test(one_more_target_remaps_at_most_2_of_n),
		cmocka_unit_test(one_target_less_remaps_at_most_2_of_n),
		cmocka_unit_test(targets_that_come_and_go_remap_at_most_2_of_n),
		cmocka_unit_test(many_changes_at_once_move_no_more_than_they_must),
		cmocka_unit_test(the_order_of_the_list_does_not_matter),
		cmocka_unit_test(nothing_changed_changes_nothing),
		cmocka_unit_test(a_target_that_returns_gets_some_of_its_entries_back),
		cmocka_unit_test(what_is_no_group_is_refused),
		cmocka_unit_test(the_largest_group_is_built),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
