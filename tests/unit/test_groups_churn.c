/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Target groups over time: little memory, changes at random against a slow
 * model, and tables taken over by the next process.
 */
#include "model_fixture.h"

#define GROUP 0x1234
#define OTHER 0x5678
#define ENTRIES_PER_CHUNK 32
#define STEPS 2000
#define GROUPS 4u
#define ADDRESSES 40u /* that targets of the random test have; each in any group */

/* --- memory of the Maglev tables ------------------------------------------ */

static int setup_small_arena(void **state)
{
	return model_make(state, (1024 + 512) / ENTRIES_PER_CHUNK);
}

static void a_full_arena_leaves_groups_the_table_they_had(void **state)
{
	struct model_fixture *model = *state;
	struct engine_group one_zone = {.zones = 1};

	assert_int_equal(groups_put(model->groups, GROUP, &one_zone), 0);
	for (uint32_t n = 0; n < 8; n++)
		assert_int_equal(model_put_target(model, GROUP, n, ENGINE_TARGET_ACTIVE), 0);
	assert_int_equal(model_commit(model), 0); /* 1,024 entries; 512 are left */
	assert_int_equal(groups_put(model->groups, OTHER, &one_zone), 0);
	for (uint32_t n = 10; n < 15; n++)
		assert_int_equal(model_put_target(model, OTHER, n, ENGINE_TARGET_ACTIVE), 0);
	assert_int_equal(model_put_target(model, GROUP, 8, ENGINE_TARGET_ACTIVE), 0);
	assert_int_equal(model_commit(model), -ENOSPC);
	assert_int_equal(model_choose(model, OTHER, 0, 0).target, SL_NONE);
	for (uint32_t n = 0; n < 8; n++)
		assert_true(model_flows_of(model, GROUP, 0, n, SL_TARGET_ACTIVE) > 0);
	assert_int_equal(model_commit(model), -ENOSPC); /* tried again */

	assert_int_equal(groups_remove(model->groups, GROUP), 0);
	(void)model_commit(model);
	assert_int_equal(model_commit(model), 0); /* and again, with more room */
	for (uint32_t n = 10; n < 15; n++)
		assert_true(model_flows_of(model, OTHER, 0, n, SL_TARGET_ACTIVE) > 0);
}

static void a_table_too_large_to_keep_is_built_from_nothing(void **state)
{
	struct model_fixture *model = *state;
	struct engine_group one_zone = {.zones = 1};
	const struct sl_group *record;

	assert_int_equal(groups_put(model->groups, GROUP, &one_zone), 0);
	for (uint32_t n = 0; n < 8; n++)
		assert_int_equal(model_put_target(model, GROUP, n, ENGINE_TARGET_ACTIVE), 0);
	assert_int_equal(model_commit(model), 0);
	record = &model->tables.groups[groups_number(model->groups, GROUP)];
	assert_int_equal((uint32_t)record->maglev[0], 1024);
	/* the next table would begin as large as the old one: there is no room for both */
	for (uint32_t n = 4; n < 8; n++)
		assert_int_equal(model_remove_target(model, GROUP, n, false), 0);
	assert_int_equal(model_commit(model), 0);
	assert_int_equal((uint32_t)record->maglev[0], 512);
	for (uint32_t n = 0; n < 4; n++)
		assert_true(model_flows_of(model, GROUP, 0, n, SL_TARGET_ACTIVE) > 0);
}

static int setup_arena_of_two(void **state)
{
	return model_make(state, 2 * 1024 / ENTRIES_PER_CHUNK);
}

static void a_table_that_shrank_makes_room_at_once(void **state)
{
	struct model_fixture *model = *state;
	struct engine_group one_zone = {.zones = 1};

	assert_int_equal(groups_put(model->groups, GROUP, &one_zone), 0);
	for (uint32_t n = 0; n < 8; n++)
		assert_int_equal(model_put_target(model, GROUP, n, ENGINE_TARGET_ACTIVE), 0);
	assert_int_equal(model_commit(model), 0);
	for (uint32_t n = 1; n < 8; n++)
		assert_int_equal(model_remove_target(model, GROUP, n, false), 0);
	assert_int_equal(model_commit(model), 0); /* into the other half, and small in the end */
	assert_int_equal(groups_put(model->groups, OTHER, &one_zone), 0);
	for (uint32_t n = 10; n < 18; n++)
		assert_int_equal(model_put_target(model, OTHER, n, ENGINE_TARGET_ACTIVE), 0);
	assert_int_equal(model_commit(model), 0); /* into the first half */
	assert_int_equal(groups_put(model->groups, 3, &one_zone), 0);
	for (uint32_t n = 20; n < 24; n++)
		assert_int_equal(model_put_target(model, 3, n, ENGINE_TARGET_ACTIVE), 0);
	assert_int_equal(model_commit(model), 0); /* behind the small one */
	assert_int_equal(model_flows_of(model, GROUP, 0, 0, SL_TARGET_ACTIVE), MODEL_FLOWS);
	for (uint32_t n = 10; n < 18; n++)
		assert_true(model_flows_of(model, OTHER, 0, n, SL_TARGET_ACTIVE) > 0);
}

/* --- against a slow model ------------------------------------------------- */

struct slow {
	bool there[GROUPS];
	struct {
		bool registered, active;
	} target[GROUPS][ADDRESSES];
};

static uint32_t random_below(uint64_t *random, uint32_t limit)
{
	*random = *random * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)((*random >> 33) % limit);
}

static uint32_t slow_count(const struct slow *slow, uint32_t group, bool active)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < ADDRESSES; i++)
		n += slow->target[group][i].registered &&
		     (!active || slow->target[group][i].active);
	return n;
}

/* Stage one change; what the tables have no room for must be refused. */
static void change(struct model_fixture *model, struct slow *slow, uint64_t *random)
{
	uint32_t group = random_below(random, GROUPS), n = random_below(random, ADDRESSES);
	uint32_t action = random_below(random, 100), before = groups_targets_free(model->groups);
	int r;

	if (!slow->there[group] || action == 0) {
		model_put_group(model, group + 1);
		slow->there[group] = true;
	} else if (action == 1) {
		assert_int_equal(groups_remove(model->groups, group + 1), 0);
		slow->there[group] = false;
		memset(slow->target[group], 0, sizeof(slow->target[group]));
	} else if (action < 60) {
		bool active = action % 4 != 0;

		r = model_put_target(model, group + 1, n,
				     active ? ENGINE_TARGET_ACTIVE : ENGINE_TARGET_IDLE);
		if (slow->target[group][n].registered)
			assert_int_equal(r, 0);
		else if (r != 0)
			assert_true(r == -ENOSPC && before == 0);
		if (r != 0)
			return;
		slow->target[group][n].registered = true;
		slow->target[group][n].active = active;
	} else {
		r = model_remove_target(model, group + 1, n, action % 2);
		assert_int_equal(r, slow->target[group][n].registered ? 0 : -ENOENT);
		slow->target[group][n].registered = false;
	}
}

/* Packets get each active target, and no other, and none of another group. */
static void check(struct model_fixture *model, const struct slow *slow)
{
	for (uint32_t group = 0; group < GROUPS; group++) {
		uint32_t active = slow_count(slow, group, true), got = 0;
		bool chosen[ADDRESSES] = {};

		for (uint32_t n = 0; n < 2000 && slow->there[group]; n++) {
			struct sl_choice choice = model_choose(model, group + 1, n % MODEL_ZONES, n);
			const struct sl_target *target = &model->tables.targets[choice.target];
			uint32_t address;

			assert_int_equal(choice.target == SL_NONE, active == 0);
			if (active == 0)
				break;
			address = ntohl(target->address[0]) - 0x0a000000;
			assert_int_equal(target->state, SL_TARGET_ACTIVE);
			assert_int_equal(target->group, choice.group);
			assert_true(address < ADDRESSES && slow->target[group][address].active);
			got += !chosen[address];
			chosen[address] = true;
		}
		assert_int_equal(got, slow->there[group] ? active : 0);
	}
}

static void restart(struct model_fixture *model, const struct slow *slow)
{
	model_close(model);
	model_open(model);
	check(model, slow); /* nothing changes for packets */
	groups_reconcile_begin(model->groups);
	for (uint32_t group = 0; group < GROUPS; group++) {
		if (slow->there[group])
			model_put_group(model, group + 1);
		for (uint32_t n = 0; n < ADDRESSES; n++)
			if (slow->target[group][n].registered)
				assert_int_equal(model_put_target(model, group + 1, n,
								  slow->target[group][n].active ?
									  ENGINE_TARGET_ACTIVE :
									  ENGINE_TARGET_IDLE),
						 0);
	}
	groups_reconcile_end(model->groups);
	assert_int_equal(model_commit(model), 0);
	check(model, slow);
}

static void agrees_with_a_slow_model_over_restarts(void **state)
{
	struct model_fixture *model = *state;
	uint32_t restarts = 0, full = 0, registered, groups, targets;
	uint64_t random = 7;
	static struct slow slow;

	memset(&slow, 0, sizeof(slow));
	for (int step = 0; step < STEPS; step++) {
		for (uint32_t n = random_below(&random, 4); n > 0; n--)
			change(model, &slow, &random);
		assert_int_equal(model_commit(model), 0);
		check(model, &slow);
		full += groups_targets_free(model->groups) == 0;
		if (random_below(&random, 3) == 0)
			model_tidy(model);
		if (random_below(&random, 50) == 0) {
			restart(model, &slow);
			restarts++;
		}
		registered = 0;
		for (uint32_t group = 0; group < GROUPS; group++)
			registered += slow_count(&slow, group, false);
		groups_count(model->groups, &groups, &targets);
		assert_int_equal(targets, registered);
		assert_true(groups_targets_free(model->groups) + registered <= MODEL_TARGETS);
	}
	model_tidy(model);
	assert_int_equal(groups_targets_free(model->groups) + registered, MODEL_TARGETS);
	assert_true(restarts > 10 && full > 10);
}

/* --- taking over ---------------------------------------------------------- */

static void fill(struct model_fixture *model)
{
	model_put_group(model, GROUP);
	model_put_group(model, OTHER);
	for (uint32_t n = 0; n < 5; n++)
		assert_int_equal(model_put_target(model, GROUP, n, ENGINE_TARGET_ACTIVE), 0);
	assert_int_equal(model_put_target(model, GROUP, 5, ENGINE_TARGET_IDLE), 0);
	for (uint32_t n = 10; n < 13; n++)
		assert_int_equal(model_put_target(model, OTHER, n, ENGINE_TARGET_ACTIVE), 0);
	assert_int_equal(model_commit(model), 0);
}

static void the_next_process_finds_everything_as_it_was(void **state)
{
	struct model_fixture *model = *state;
	uint16_t chosen[MODEL_FLOWS], number;
	uint32_t groups, targets;
	int group;

	fill(model);
	number = model_number(model, 3, SL_TARGET_ACTIVE);
	group = groups_number(model->groups, GROUP);
	for (uint32_t n = 0; n < MODEL_FLOWS; n++)
		chosen[n] = model_choose(model, GROUP, 0, n).target;
	model_close(model);
	model->hop = SL_NEXT_HOP_NONE; /* netlink does not know yet */
	model_open(model);
	assert_int_equal(groups_number(model->groups, GROUP), group);
	groups_count(model->groups, &groups, &targets);
	assert_int_equal(groups, 2);
	assert_int_equal(targets, 9);
	assert_int_equal(groups_targets_free(model->groups), MODEL_TARGETS - 9);
	assert_int_equal(model->n_watched, 9);
	assert_int_equal(model->tables.targets[number].next_hop, MODEL_HOP(1));
	for (uint32_t n = 0; n < MODEL_FLOWS; n++)
		assert_int_equal(model_choose(model, GROUP, 0, n).target, chosen[n]);
	/* and goes on from there: putting the same again remaps nothing */
	groups_reconcile_begin(model->groups);
	model->hop = MODEL_HOP(2);
	fill(model);
	groups_reconcile_end(model->groups);
	assert_int_equal(model_commit(model), 0);
	assert_int_equal(model_number(model, 3, SL_TARGET_ACTIVE), number);
	assert_int_not_equal(model_number(model, 5, SL_TARGET_IDLE), SL_NONE);
	for (uint32_t n = 0; n < MODEL_FLOWS; n++)
		assert_int_equal(model_choose(model, GROUP, 0, n).target, chosen[n]);
}

static void what_is_not_put_again_goes(void **state)
{
	struct model_fixture *model = *state;
	uint32_t groups, targets;

	fill(model);
	model_close(model);
	model_open(model);
	groups_reconcile_begin(model->groups);
	model_put_group(model, GROUP);
	for (uint32_t n = 1; n < 7; n++)
		assert_int_equal(model_put_target(model, GROUP, n, ENGINE_TARGET_ACTIVE), 0);
	groups_reconcile_end(model->groups);
	assert_int_not_equal(model_number(model, 0, SL_TARGET_ACTIVE), SL_NONE); /* staged only */
	assert_int_equal(model_commit(model), 0);
	assert_int_equal(groups_number(model->groups, OTHER), -ENOENT);
	assert_int_not_equal(model_number(model, 0, SL_TARGET_REMOVED), SL_NONE);
	assert_int_not_equal(model_number(model, 10, SL_TARGET_REMOVED), SL_NONE);
	assert_int_equal(model_flows_of(model, GROUP, 0, 0, SL_TARGET_REMOVED), 0);
	for (uint32_t n = 1; n < 7; n++)
		assert_true(model_flows_of(model, GROUP, 0, n, SL_TARGET_ACTIVE) > 0);
	model_tidy(model);
	groups_count(model->groups, &groups, &targets);
	assert_int_equal(groups, 1);
	assert_int_equal(targets, 6);
	assert_int_equal(groups_targets_free(model->groups), MODEL_TARGETS - 6);
}

static void what_was_staged_only_is_gone_after_a_restart(void **state)
{
	struct model_fixture *model = *state;

	fill(model);
	assert_int_equal(model_put_target(model, GROUP, 20, ENGINE_TARGET_ACTIVE), 0);
	assert_int_equal(model_remove_target(model, GROUP, 1, true), 0);
	model_put_group(model, 99);
	model_close(model);
	model_open(model);
	groups_reconcile_begin(model->groups);
	fill(model);
	groups_reconcile_end(model->groups);
	assert_int_equal(model_commit(model), 0);
	assert_int_equal(groups_number(model->groups, 99), -ENOENT);
	assert_true(model_flows_of(model, GROUP, 0, 1, SL_TARGET_ACTIVE) > 0);
	model_tidy(model);
	assert_int_equal(groups_targets_free(model->groups), MODEL_TARGETS - 9);
}

static void what_left_before_a_restart_rests_on(void **state)
{
	struct model_fixture *model = *state;
	uint16_t with_flows, of_removed_group;
	struct engine_counters counters;
	int number;

	fill(model);
	number = groups_number(model->groups, OTHER);
	with_flows = model_number(model, 1, SL_TARGET_ACTIVE);
	of_removed_group = model_number(model, 10, SL_TARGET_ACTIVE);
	model_counts(model, 1, with_flows)->new_flows[SL_L4_UDP] = 1;
	model_counts(model, 0, of_removed_group)->new_flows[SL_L4_TCP] = 1;
	assert_int_equal(model_remove_target(model, GROUP, 1, true), 0);
	assert_int_equal(model_remove_target(model, GROUP, 2, false), 0);
	assert_int_equal(groups_remove(model->groups, OTHER), 0);
	assert_int_equal(model_commit(model), 0);
	model_close(model);
	model_open(model);
	assert_int_equal(groups_number(model->groups, OTHER), -ENOENT);
	/* put again, it is another group than the one that left */
	model_put_group(model, OTHER);
	assert_int_not_equal(groups_number(model->groups, OTHER), number);
	assert_int_equal(model_commit(model), 0);
	model_close(model);
	model_open(model);
	assert_int_not_equal(groups_number(model->groups, OTHER), number);
	model_tidy(model);
	assert_int_equal(model_number(model, 1, SL_TARGET_REMOVED), with_flows);
	assert_int_equal(model_number(model, 10, SL_TARGET_REMOVED), of_removed_group);
	assert_int_equal(model_number(model, 2, SL_TARGET_REMOVED), SL_NONE);
	assert_int_equal(model->tables.groups[number].id, OTHER);
	assert_int_equal(groups_counters(model->groups, GROUP, &counters), 0);
	assert_int_equal(counters.new_flows_udp, 1);
	model_counts(model, 0, with_flows)->freed_flows = 1;
	model_counts(model, 0, of_removed_group)->freed_flows = 1;
	model_tidy(model);
	assert_int_equal(model->tables.groups[number].id, 0);
	assert_int_equal(groups_targets_free(model->groups), MODEL_TARGETS - 4);
	assert_int_equal(groups_counters(model->groups, GROUP, &counters), 0);
	assert_int_equal(counters.new_flows_udp, 1);
}

/* New tables of the next process must not lie where old ones are. */
static void tables_of_a_take_over_are_not_written_over(void **state)
{
	struct model_fixture *model = *state;
	uint32_t before[MODEL_TARGETS], after[MODEL_TARGETS];

	fill(model);
	model_spread(model, GROUP, 0, before);
	model_close(model);
	model_open(model);
	for (uint64_t id = 1; id <= 10; id++) {
		model_put_group(model, id);
		for (uint32_t n = 20; n < 25; n++)
			assert_int_equal(model_put_target(model, id, n, ENGINE_TARGET_ACTIVE), 0);
		assert_int_equal(model_commit(model), 0);
		model_spread(model, GROUP, 0, after);
		assert_memory_equal(before, after, sizeof(before));
	}
}

static void damaged_tables_are_refused(void **state)
{
	struct model_fixture *model = *state;
	const struct groups_callbacks callbacks = {model, model_watch, model_unwatch};
	struct groups *groups = NULL;
	__u64 *table;

	fill(model);
	/* two groups whose tables overlap */
	table = model->tables.groups[groups_number(model->groups, GROUP)].maglev;
	table[1] = table[0];
	assert_int_equal(groups_open(&model->tables, model->vips, &callbacks, &groups), -ENOSPC);
	table[1] = 0;
	/* a target of no group */
	model->tables.targets[MODEL_TARGETS - 1] =
		(struct sl_target){.state = SL_TARGET_ACTIVE, .family = 4, .group = 4000};
	assert_int_equal(groups_open(&model->tables, model->vips, &callbacks, &groups), -EPROTO);
	model->tables.targets[MODEL_TARGETS - 1].group = SL_NONE;
	assert_int_equal(groups_open(&model->tables, model->vips, &callbacks, &groups), -EPROTO);
	assert_null(groups);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_full_arena_leaves_groups_the_table_they_had,
						setup_small_arena, model_teardown),
		cmocka_unit_test_setup_teardown(a_table_too_large_to_keep_is_built_from_nothing,
						setup_small_arena, model_teardown),
		cmocka_unit_test_setup_teardown(a_table_that_shrank_makes_room_at_once,
						setup_arena_of_two, model_teardown),
		MODEL_TEST(agrees_with_a_slow_model_over_restarts),
		MODEL_TEST(the_next_process_finds_everything_as_it_was),
		MODEL_TEST(what_is_not_put_again_goes),
		MODEL_TEST(what_was_staged_only_is_gone_after_a_restart),
		MODEL_TEST(what_left_before_a_restart_rests_on),
		MODEL_TEST(tables_of_a_take_over_are_not_written_over),
		MODEL_TEST(damaged_tables_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
