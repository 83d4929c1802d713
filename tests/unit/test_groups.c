/* SPDX-License-Identifier: BSD-3-Clause */
/* Target groups: what is staged, what packets see, and when numbers are used again. */
#include "model_fixture.h"

#define GROUP 0x1234
#define OTHER 0x5678
#define FLOWS MODEL_FLOWS

/* --- staging -------------------------------------------------------------- */

static void packets_see_a_change_from_its_commit_on(void **state)
{
	struct model_fixture *model = *state;

	model_put_group(model, GROUP);
	assert_int_equal(model_put_target(model, GROUP, 1, ENGINE_TARGET_ACTIVE), 0);
	assert_int_equal(model_choose(model, GROUP, 0, 0).target, SL_NONE);
	assert_int_equal(model_commit(model), 0);
	assert_int_equal(model_choose(model, GROUP, 0, 0).target,
			 model_number(model, 1, SL_TARGET_ACTIVE));

	assert_int_equal(model_put_target(model, GROUP, 2, ENGINE_TARGET_ACTIVE), 0);
	assert_int_equal(model_flows_of(model, GROUP, 0, 2, SL_TARGET_IDLE), 0);
	assert_int_equal(model_remove_target(model, GROUP, 1, false), 0);
	assert_int_equal(model_flows_of(model, GROUP, 0, 1, SL_TARGET_ACTIVE), FLOWS);
	assert_int_equal(model_commit(model), 0);
	assert_int_equal(model_flows_of(model, GROUP, 0, 1, SL_TARGET_REMOVED), 0);
	assert_int_equal(model_flows_of(model, GROUP, 0, 2, SL_TARGET_ACTIVE), FLOWS);
}

static void settings_reach_packets_with_the_commit(void **state)
{
	struct engine_group settings = {
		.preserve_client_ip = true, .sticky_source_ip = true, .proxy_header = true,
		.proxy_first_ack = true, .fail_open = 0x82};
	struct model_fixture *model = *state;
	const struct sl_group *record;

	assert_int_equal(groups_put(model->groups, GROUP, &settings), 0);
	record = &model->tables.groups[groups_number(model->groups, GROUP)];
	assert_int_equal(record->id, GROUP);
	assert_int_equal(record->flags, 0);
	assert_int_equal(model_commit(model), 0);
	assert_int_equal(record->flags, SL_GROUP_PRESERVE | SL_GROUP_STICKY | SL_GROUP_PROXY |
						SL_GROUP_PROXY_FIRST_ACK | 0x8200);
	settings = (struct engine_group){.sticky_source_ip = true};
	assert_int_equal(groups_put(model->groups, GROUP, &settings), 0);
	assert_int_equal(model_commit(model), 0);
	assert_int_equal(record->flags, SL_GROUP_STICKY);
}

static void targets_share_the_flows_evenly(void **state)
{
	struct model_fixture *model = *state;
	uint32_t counts[MODEL_TARGETS], moved = 0;
	uint16_t before[FLOWS], left;

	model_put_group(model, GROUP);
	for (uint32_t n = 0; n < 4; n++)
		assert_int_equal(model_put_target(model, GROUP, n, ENGINE_TARGET_ACTIVE), 0);
	assert_int_equal(model_commit(model), 0);
	model_spread(model, GROUP, 0, counts);
	for (uint32_t n = 0; n < 4; n++)
		assert_in_range(counts[model_number(model, n, SL_TARGET_ACTIVE)],
				FLOWS / 4 * 9 / 10, FLOWS / 4 * 11 / 10);

	left = model_number(model, 2, SL_TARGET_ACTIVE);
	for (uint32_t n = 0; n < FLOWS; n++)
		before[n] = model_choose(model, GROUP, 0, n).target;
	assert_int_equal(model_put_target(model, GROUP, 2, ENGINE_TARGET_IDLE), 0);
	assert_int_equal(model_commit(model), 0);
	for (uint32_t n = 0; n < FLOWS; n++) {
		uint16_t after = model_choose(model, GROUP, 0, n).target;

		assert_int_not_equal(after, left);
		moved += after != before[n];
	}
	assert_in_range(moved, counts[left], FLOWS * 2 / 4);
}

static void a_draining_target_gets_no_new_flow_until_it_is_active_again(void **state)
{
	struct model_fixture *model = *state;

	model_put_group(model, GROUP);
	assert_int_equal(model_put_target(model, GROUP, 1, ENGINE_TARGET_ACTIVE), 0);
	assert_int_equal(model_put_target(model, GROUP, 2, ENGINE_TARGET_ACTIVE), 0);
	assert_int_equal(model_commit(model), 0);
	assert_true(model_flows_of(model, GROUP, 0, 1, SL_TARGET_ACTIVE) > 0);
	assert_int_equal(model_put_target(model, GROUP, 1, ENGINE_TARGET_IDLE), 0);
	assert_int_equal(model_commit(model), 0);
	assert_int_equal(model_flows_of(model, GROUP, 0, 1, SL_TARGET_IDLE), 0);
	assert_int_equal(model_put_target(model, GROUP, 1, ENGINE_TARGET_ACTIVE), 0);
	assert_int_equal(model_commit(model), 0);
	assert_true(model_flows_of(model, GROUP, 0, 1, SL_TARGET_ACTIVE) > 0);
	assert_int_equal(model_put_target(model, GROUP, 1, ENGINE_TARGET_IDLE), 0);
	assert_int_equal(model_put_target(model, GROUP, 2, ENGINE_TARGET_IDLE), 0);
	assert_int_equal(model_commit(model), 0);
	assert_int_equal(model_choose(model, GROUP, 0, 0).target, SL_NONE);
}

static void a_target_serves_its_zones_alone(void **state)
{
	struct engine_target target = {
		.address = model_target_address(1), .port = 80, .zones = 1u << 0};
	struct model_fixture *model = *state;
	struct engine_group group = {.zones = 0x3};

	assert_int_equal(groups_put(model->groups, GROUP, &group), 0);
	assert_int_equal(groups_target_put(model->groups, GROUP, &target), 0);
	target.address = model_target_address(2);
	target.zones = 1u << 1 | 1u << 2;
	assert_int_equal(groups_target_put(model->groups, GROUP, &target), 0);
	assert_int_equal(model_commit(model), 0);
	assert_int_equal(model_flows_of(model, GROUP, 0, 1, SL_TARGET_ACTIVE), FLOWS);
	assert_int_equal(model_flows_of(model, GROUP, 1, 2, SL_TARGET_ACTIVE), FLOWS);
	assert_int_equal(model_choose(model, GROUP, 2, 0).target, SL_NONE); /* no zone of the group */
	group.zones = 0x4;
	assert_int_equal(groups_put(model->groups, GROUP, &group), 0);
	assert_int_equal(model_commit(model), 0);
	assert_int_equal(model_choose(model, GROUP, 0, 0).target, SL_NONE);
	assert_int_equal(model_choose(model, GROUP, 1, 0).target, SL_NONE);
	assert_int_equal(model_flows_of(model, GROUP, 2, 2, SL_TARGET_ACTIVE), FLOWS);
}

static void what_is_unknown_is_refused(void **state)
{
	struct model_fixture *model = *state;
	struct engine_counters counters;
	struct in6_addr address = model_target_address(1);

	assert_int_equal(model_put_target(model, GROUP, 1, ENGINE_TARGET_ACTIVE), -ENOENT);
	assert_int_equal(model_remove_target(model, GROUP, 1, false), -ENOENT);
	assert_int_equal(groups_remove(model->groups, GROUP), -ENOENT);
	assert_int_equal(groups_number(model->groups, GROUP), -ENOENT);
	assert_int_equal(groups_counters(model->groups, GROUP, &counters), -ENOENT);
	model_put_group(model, GROUP);
	assert_int_equal(model_remove_target(model, GROUP, 1, false), -ENOENT);
	assert_int_equal(groups_target_counters(model->groups, GROUP, &address, 80, &counters),
			 -ENOENT);
	assert_int_equal(model_put_target(model, GROUP, 1, ENGINE_TARGET_ACTIVE), 0);
	assert_int_equal(groups_target_counters(model->groups, GROUP, &address, 81, &counters),
			 -ENOENT);
	assert_int_equal(model_remove_target(model, GROUP, 1, false), 0);
	assert_int_equal(model_remove_target(model, GROUP, 1, false), -ENOENT);
	assert_int_equal(groups_remove(model->groups, GROUP), 0);
	assert_int_equal(groups_remove(model->groups, GROUP), -ENOENT);
	assert_int_equal(groups_number(model->groups, GROUP), -ENOENT);
	assert_int_equal(model_put_target(model, GROUP, 1, ENGINE_TARGET_ACTIVE), -ENOENT);
}

static void removing_and_putting_again_in_one_commit_changes_nothing(void **state)
{
	struct model_fixture *model = *state;
	uint32_t groups, targets;
	uint16_t number;

	model_put_group(model, GROUP);
	assert_int_equal(model_put_target(model, GROUP, 1, ENGINE_TARGET_ACTIVE), 0);
	assert_int_equal(model_commit(model), 0);
	number = model_number(model, 1, SL_TARGET_ACTIVE);
	assert_int_equal(model_remove_target(model, GROUP, 1, true), 0);
	assert_int_equal(model_put_target(model, GROUP, 1, ENGINE_TARGET_ACTIVE), 0);
	assert_int_equal(model_commit(model), 0);
	assert_int_equal(model_number(model, 1, SL_TARGET_ACTIVE), number);
	assert_int_equal(model_choose(model, GROUP, 0, 0).target, number);
	groups_count(model->groups, &groups, &targets);
	assert_int_equal(groups, 1);
	assert_int_equal(targets, 1);
	/* and that its flows were to end is forgotten */
	assert_int_equal(groups_remove(model->groups, GROUP), 0);
	assert_int_equal(model_commit(model), 0);
	assert_int_equal(model_number(model, 1, SL_TARGET_REMOVED), number);
}

static void a_group_put_again_behind_its_removal_is_empty(void **state)
{
	struct model_fixture *model = *state;

	model_put_group(model, GROUP);
	assert_int_equal(model_put_target(model, GROUP, 1, ENGINE_TARGET_ACTIVE), 0);
	assert_int_equal(model_put_target(model, GROUP, 2, ENGINE_TARGET_ACTIVE), 0);
	assert_int_equal(model_commit(model), 0);
	assert_int_equal(groups_remove(model->groups, GROUP), 0);
	model_put_group(model, GROUP);
	assert_int_equal(model_put_target(model, GROUP, 2, ENGINE_TARGET_ACTIVE), 0);
	assert_int_equal(model_commit(model), 0);
	assert_int_equal(model_flows_of(model, GROUP, 0, 1, SL_TARGET_REMOVED), 0);
	assert_int_equal(model_flows_of(model, GROUP, 0, 2, SL_TARGET_ACTIVE), FLOWS);
}

/* A listener may turn from a group to another, and the group go, in one commit. */
static void a_group_serves_until_it_is_let_go(void **state)
{
	struct model_fixture *model = *state;
	const struct sl_group *record;

	model_put_group(model, GROUP);
	assert_int_equal(model_put_target(model, GROUP, 1, ENGINE_TARGET_ACTIVE), 0);
	assert_int_equal(model_commit(model), 0);
	record = &model->tables.groups[groups_number(model->groups, GROUP)];
	assert_int_equal(groups_remove(model->groups, GROUP), 0);
	assert_int_equal(groups_commit(model->groups, model->now_ns), 0);
	assert_int_not_equal((uint32_t)record->maglev[0], 0);
	assert_int_not_equal(model_number(model, 1, SL_TARGET_ACTIVE), SL_NONE);
	groups_let_go(model->groups, model->now_ns);
	assert_int_equal(record->maglev[0], 0);
	assert_int_not_equal(model_number(model, 1, SL_TARGET_REMOVED), SL_NONE);
}

/* --- next hops ------------------------------------------------------------ */

static void targets_of_one_address_share_their_next_hop(void **state)
{
	struct engine_target target = {.address = model_target_address(1), .port = 81, .zones = 1};
	struct model_fixture *model = *state;
	const struct sl_target *one, *two;

	model_put_group(model, GROUP);
	assert_int_equal(model_put_target(model, GROUP, 1, ENGINE_TARGET_ACTIVE), 0);
	one = &model->tables.targets[model_number(model, 1, SL_TARGET_IDLE)];
	assert_int_equal(model_commit(model), 0);
	model_put_group(model, OTHER);
	assert_int_equal(groups_target_put(model->groups, OTHER, &target), 0);
	two = &model->tables.targets[model_number(model, 1, SL_TARGET_IDLE)];
	assert_int_equal(one->next_hop, MODEL_HOP(1));
	assert_int_equal(two->next_hop, MODEL_HOP(1));
	assert_int_equal(model->n_watched, 1);
	groups_next_hop(model->groups, &target.address, MODEL_HOP(9));
	groups_next_hop(model->groups, &(struct in6_addr){}, MODEL_HOP(8)); /* nobody's */
	assert_int_equal(one->next_hop, MODEL_HOP(9));
	assert_int_equal(two->next_hop, MODEL_HOP(9));
	assert_int_equal(model_commit(model), 0);

	/* what left keeps its next hop fresh while it has flows */
	model_counts(model, 0, (uint16_t)(two - model->tables.targets))->new_flows[SL_L4_TCP] = 1;
	assert_int_equal(groups_remove(model->groups, OTHER), 0);
	assert_int_equal(model_remove_target(model, GROUP, 1, false), 0);
	assert_int_equal(model_commit(model), 0);
	model_tidy(model);
	assert_int_equal(one->state, SL_TARGET_FREE);
	groups_next_hop(model->groups, &target.address, MODEL_HOP(10));
	assert_int_equal(two->next_hop, MODEL_HOP(10));
	assert_int_equal(model->n_watched, 1);
	model_counts(model, 1, (uint16_t)(two - model->tables.targets))->freed_flows = 1;
	model_tidy(model);
	assert_int_equal(two->state, SL_TARGET_FREE);
	assert_int_equal(model->n_watched, 0);
}

static void an_address_is_known_while_a_target_has_it(void **state)
{
	struct vip_key key = {.address = model_target_address(1)};
	struct model_fixture *model = *state;

	model_put_group(model, GROUP);
	assert_int_equal(model_put_target(model, GROUP, 1, ENGINE_TARGET_ACTIVE), 0);
	assert_int_equal(model_commit(model), 0);
	assert_int_equal(vip_table_find(model->vips, &key)->kind, SL_VIP_TARGET);
	assert_int_equal(model_remove_target(model, GROUP, 1, false), 0);
	assert_int_equal(model_commit(model), 0);
	assert_non_null(vip_table_find(model->vips, &key));
	model_tidy(model);
	assert_null(vip_table_find(model->vips, &key));
}

/* --- numbers -------------------------------------------------------------- */

static void a_number_rests_until_its_flows_are_gone(void **state)
{
	struct model_fixture *model = *state;
	uint16_t number;

	model_put_group(model, GROUP);
	assert_int_equal(groups_targets_free(model->groups), MODEL_TARGETS);
	assert_int_equal(model_put_target(model, GROUP, 1, ENGINE_TARGET_ACTIVE), 0);
	assert_int_equal(groups_targets_free(model->groups), MODEL_TARGETS - 1);
	assert_int_equal(model_commit(model), 0);
	number = model_number(model, 1, SL_TARGET_ACTIVE);
	model_counts(model, 0, number)->new_flows[SL_L4_TCP] = 2;
	model_counts(model, 1, number)->new_flows[SL_L4_UDP] = 1;
	model_counts(model, 1, number)->freed_flows = 2;
	assert_int_equal(model_remove_target(model, GROUP, 1, false), 0);
	model_tidy(model); /* staged only: it is still there */
	assert_int_equal(groups_targets_free(model->groups), MODEL_TARGETS - 1);
	assert_int_equal(groups_commit(model->groups, model->now_ns), 0);
	model_tidy(model);
	assert_int_equal(model_number(model, 1, SL_TARGET_REMOVED), number);
	assert_int_equal(groups_targets_free(model->groups), MODEL_TARGETS - 1);
	model_counts(model, 0, number)->freed_flows = 1;
	model_tidy(model);
	assert_int_equal(model_number(model, 1, SL_TARGET_REMOVED), SL_NONE);
	assert_int_equal(groups_targets_free(model->groups), MODEL_TARGETS);
	assert_int_equal(model_counts(model, 0, number)->new_flows[SL_L4_TCP], 0);
	assert_int_equal(model_counts(model, 1, number)->freed_flows, 0);
}

static void a_number_without_flows_rests_for_packets_in_flight(void **state)
{
	struct model_fixture *model = *state;

	model_put_group(model, GROUP);
	assert_int_equal(model_put_target(model, GROUP, 1, ENGINE_TARGET_ACTIVE), 0);
	assert_int_equal(model_commit(model), 0);
	assert_int_equal(model_remove_target(model, GROUP, 1, true), 0);
	assert_int_equal(groups_commit(model->groups, model->now_ns), 0);
	groups_tidy(model->groups, model->now_ns + 2 * MODEL_SECOND - 1);
	assert_int_not_equal(model_number(model, 1, SL_TARGET_REMOVED), SL_NONE);
	groups_tidy(model->groups, model->now_ns + 2 * MODEL_SECOND);
	assert_int_equal(model_number(model, 1, SL_TARGET_REMOVED), SL_NONE);
	assert_int_equal(groups_targets_free(model->groups), MODEL_TARGETS);
}

static void all_targets_and_no_more_find_room(void **state)
{
	struct model_fixture *model = *state;
	uint32_t groups, targets;

	model_put_group(model, GROUP);
	for (uint32_t n = 0; n < MODEL_TARGETS; n++)
		assert_int_equal(model_put_target(model, GROUP, n, ENGINE_TARGET_ACTIVE), 0);
	assert_int_equal(groups_targets_free(model->groups), 0);
	assert_int_equal(model_put_target(model, GROUP, MODEL_TARGETS, ENGINE_TARGET_ACTIVE),
			 -ENOSPC);
	assert_int_equal(model_put_target(model, GROUP, 5, ENGINE_TARGET_IDLE), 0); /* there already */
	assert_int_equal(model_commit(model), 0);
	groups_count(model->groups, &groups, &targets);
	assert_int_equal(targets, MODEL_TARGETS);
	assert_int_equal(model_flows_of(model, GROUP, 0, 5, SL_TARGET_IDLE), 0);
	for (uint32_t n = 6; n < MODEL_TARGETS; n++)
		assert_int_not_equal(model_number(model, n, SL_TARGET_ACTIVE), SL_NONE);
	/* the number of one that left is used again, but not before it rested */
	assert_int_equal(model_remove_target(model, GROUP, 5, false), 0);
	assert_int_equal(model_commit(model), 0);
	assert_int_equal(model_put_target(model, GROUP, MODEL_TARGETS, ENGINE_TARGET_ACTIVE),
			 -ENOSPC);
	model_tidy(model);
	assert_int_equal(model_put_target(model, GROUP, MODEL_TARGETS, ENGINE_TARGET_ACTIVE), 0);
	assert_int_equal(model_commit(model), 0);
	assert_true(model_flows_of(model, GROUP, 0, MODEL_TARGETS, SL_TARGET_ACTIVE) > 0);
}

static void a_target_that_returns_keeps_number_and_flows(void **state)
{
	struct model_fixture *model = *state;
	uint16_t number;

	model_put_group(model, GROUP);
	assert_int_equal(model_put_target(model, GROUP, 1, ENGINE_TARGET_ACTIVE), 0);
	assert_int_equal(model_commit(model), 0);
	number = model_number(model, 1, SL_TARGET_ACTIVE);
	model_counts(model, 0, number)->new_flows[SL_L4_TCP] = 1;
	assert_int_equal(model_remove_target(model, GROUP, 1, false), 0);
	assert_int_equal(model_commit(model), 0);
	model_tidy(model);
	assert_int_equal(model_put_target(model, GROUP, 1, ENGINE_TARGET_ACTIVE), 0);
	assert_int_equal(model_choose(model, GROUP, 0, 0).target, SL_NONE);
	assert_int_equal(model_commit(model), 0);
	assert_int_equal(model_number(model, 1, SL_TARGET_ACTIVE), number);
	assert_int_equal(model_choose(model, GROUP, 0, 0).target, number);
	assert_int_equal(model_counts(model, 0, number)->new_flows[SL_L4_TCP], 1);
	assert_int_equal(groups_targets_free(model->groups), MODEL_TARGETS - 1);
}

static void a_target_whose_flows_end_returns_as_a_new_one(void **state)
{
	struct model_fixture *model = *state;
	uint16_t old, number;

	model_put_group(model, GROUP);
	assert_int_equal(model_put_target(model, GROUP, 1, ENGINE_TARGET_ACTIVE), 0);
	assert_int_equal(model_commit(model), 0);
	old = model_number(model, 1, SL_TARGET_ACTIVE);
	model_counts(model, 0, old)->new_flows[SL_L4_TCP] = 1;
	assert_int_equal(model_remove_target(model, GROUP, 1, true), 0);
	assert_int_equal(model_commit(model), 0);
	assert_int_equal(model_put_target(model, GROUP, 1, ENGINE_TARGET_ACTIVE), 0);
	assert_int_equal(model_commit(model), 0);
	number = model_number(model, 1, SL_TARGET_ACTIVE);
	assert_int_not_equal(number, old);
	assert_int_equal(model_number(model, 1, SL_TARGET_REMOVED), old);
	model_counts(model, 0, old)->freed_flows = 1;
	model_tidy(model);
	assert_int_equal(model_number(model, 1, SL_TARGET_REMOVED), SL_NONE);
	assert_int_equal(model_number(model, 1, SL_TARGET_ACTIVE), number);
	assert_int_equal(model->n_watched, 1);
}

static void groups_find_room_up_to_the_limit(void **state)
{
	struct model_fixture *model = *state;
	struct engine_group group = {.zones = 1};
	uint32_t n_groups, n_targets;
	int number;

	for (uint64_t id = 1; id <= SL_MAX_GROUPS; id++)
		assert_int_equal(groups_put(model->groups, id, &group), 0);
	assert_int_equal(groups_put(model->groups, SL_MAX_GROUPS + 1, &group), -ENOSPC);
	assert_int_equal(model_commit(model), 0);
	number = groups_number(model->groups, 77);
	assert_int_equal(groups_remove(model->groups, 77), 0);
	assert_int_equal(model_commit(model), 0);
	model_tidy(model);
	assert_int_equal(groups_put(model->groups, SL_MAX_GROUPS + 1, &group), 0);
	assert_int_equal(groups_number(model->groups, SL_MAX_GROUPS + 1), number);
	groups_count(model->groups, &n_groups, &n_targets);
	assert_int_equal(n_groups, SL_MAX_GROUPS);
}

static void a_groups_number_rests_while_its_targets_have_flows(void **state)
{
	struct model_fixture *model = *state;
	uint16_t target;
	int number;

	model_put_group(model, GROUP);
	assert_int_equal(model_put_target(model, GROUP, 1, ENGINE_TARGET_ACTIVE), 0);
	assert_int_equal(model_commit(model), 0);
	number = groups_number(model->groups, GROUP);
	target = model_number(model, 1, SL_TARGET_ACTIVE);
	model_counts(model, 0, target)->new_flows[SL_L4_TCP] = 1;
	assert_int_equal(groups_remove(model->groups, GROUP), 0);
	assert_int_equal(model_commit(model), 0);
	model_tidy(model);
	assert_int_equal(model->tables.groups[number].id, GROUP); /* flow records name it */
	model_put_group(model, GROUP);
	assert_int_not_equal(groups_number(model->groups, GROUP), number);
	model_counts(model, 0, target)->freed_flows = 1;
	model_tidy(model);
	assert_int_equal(model->tables.groups[number].id, 0);
	assert_int_equal(groups_targets_free(model->groups), MODEL_TARGETS);
}

/* --- counters ------------------------------------------------------------- */

static void a_group_keeps_the_counts_of_targets_that_left(void **state)
{
	struct in6_addr address = model_target_address(1);
	struct model_fixture *model = *state;
	struct engine_counters c;
	uint16_t number;

	model_put_group(model, GROUP);
	assert_int_equal(model_put_target(model, GROUP, 1, ENGINE_TARGET_ACTIVE), 0);
	assert_int_equal(model_commit(model), 0);
	number = model_number(model, 1, SL_TARGET_ACTIVE);
	for (uint32_t cpu = 0; cpu < MODEL_CPUS; cpu++)
		*model_counts(model, cpu, number) = (struct sl_target_counters){
			.packets = 10, .bytes = 1000, .new_flows = {3, 2}, .ended_flows = {2, 1},
			.freed_flows = 4};
	assert_int_equal(groups_target_counters(model->groups, GROUP, &address, 80, &c), 0);
	assert_int_equal(c.processed_packets, 20);
	assert_int_equal(c.processed_bytes, 2000);
	assert_int_equal(c.new_flows_tcp, 6);
	assert_int_equal(c.new_flows_udp, 4);
	assert_int_equal(c.active_flows_tcp, 2);
	assert_int_equal(c.active_flows_udp, 2);
	assert_int_equal(c.active_flows, 4);

	assert_int_equal(model_remove_target(model, GROUP, 1, false), 0);
	assert_int_equal(model_commit(model), 0);
	assert_int_equal(groups_target_counters(model->groups, GROUP, &address, 80, &c), -ENOENT);
	assert_int_equal(groups_counters(model->groups, GROUP, &c), 0);
	assert_int_equal(c.processed_bytes, 2000); /* while its flows live on */
	assert_int_equal(c.active_flows, 4);
	for (uint32_t cpu = 0; cpu < MODEL_CPUS; cpu++) {
		model_counts(model, cpu, number)->ended_flows[SL_L4_TCP] = 3;
		model_counts(model, cpu, number)->ended_flows[SL_L4_UDP] = 2;
		model_counts(model, cpu, number)->freed_flows = 5;
	}
	model_tidy(model);
	assert_int_equal(model_number(model, 1, SL_TARGET_REMOVED), SL_NONE);
	assert_int_equal(groups_counters(model->groups, GROUP, &c), 0);
	assert_int_equal(c.processed_packets, 20);
	assert_int_equal(c.processed_bytes, 2000);
	assert_int_equal(c.new_flows_tcp, 6);
	assert_int_equal(c.new_flows_udp, 4);
	assert_int_equal(c.active_flows, 0);
	/* the next of that number begins at nothing */
	assert_int_equal(model_put_target(model, GROUP, 1, ENGINE_TARGET_ACTIVE), 0);
	assert_int_equal(groups_target_counters(model->groups, GROUP, &address, 80, &c), 0);
	assert_int_equal(c.processed_packets, 0);
	assert_int_equal(groups_counters(model->groups, GROUP, &c), 0);
	assert_int_equal(c.processed_packets, 20);
}

static void counts_read_amid_packets_are_never_negative(void **state)
{
	struct in6_addr address = model_target_address(1);
	struct model_fixture *model = *state;
	struct engine_counters c;

	model_put_group(model, GROUP);
	assert_int_equal(model_put_target(model, GROUP, 1, ENGINE_TARGET_ACTIVE), 0);
	assert_int_equal(model_commit(model), 0);
	*model_counts(model, 0, model_number(model, 1, SL_TARGET_ACTIVE)) =
		(struct sl_target_counters){.new_flows = {1, 1}, .ended_flows = {2, 2}};
	assert_int_equal(groups_target_counters(model->groups, GROUP, &address, 80, &c), 0);
	assert_int_equal(c.active_flows, 0);
	assert_int_equal(c.active_flows_tcp, 0);
	assert_int_equal(c.active_flows_udp, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MODEL_TEST(packets_see_a_change_from_its_commit_on),
		MODEL_TEST(settings_reach_packets_with_the_commit),
		MODEL_TEST(targets_share_the_flows_evenly),
		MODEL_TEST(a_draining_target_gets_no_new_flow_until_it_is_active_again),
		MODEL_TEST(a_target_serves_its_zones_alone),
		MODEL_TEST(what_is_unknown_is_refused),
		MODEL_TEST(removing_and_putting_again_in_one_commit_changes_nothing),
		MODEL_TEST(a_group_put_again_behind_its_removal_is_empty),
		MODEL_TEST(a_group_serves_until_it_is_let_go),
		MODEL_TEST(targets_of_one_address_share_their_next_hop),
		MODEL_TEST(an_address_is_known_while_a_target_has_it),
		MODEL_TEST(a_number_rests_until_its_flows_are_gone),
		MODEL_TEST(a_number_without_flows_rests_for_packets_in_flight),
		MODEL_TEST(all_targets_and_no_more_find_room),
		MODEL_TEST(a_target_that_returns_keeps_number_and_flows),
		MODEL_TEST(a_target_whose_flows_end_returns_as_a_new_one),
		MODEL_TEST(groups_find_room_up_to_the_limit),
		MODEL_TEST(a_groups_number_rests_while_its_targets_have_flows),
		MODEL_TEST(a_group_keeps_the_counts_of_targets_that_left),
		MODEL_TEST(counts_read_amid_packets_are_never_negative),
	};

	groups_close(NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
