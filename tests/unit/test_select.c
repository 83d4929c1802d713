/* SPDX-License-Identifier: BSD-3-Clause */
/* Which listener a packet is for, and which target a flow gets. */
#include "path.h"

#define FLOWS 60000

static struct sl_flow_key key_of(const struct packet_spec *spec)
{
	struct sl_flow_key key = {
		.sport = htons(spec->from.port),
		.dport = htons(spec->to.port),
		.protocol = spec->protocol,
	};

	memcpy(key.saddr, spec->from.address, 16);
	memcpy(key.daddr, spec->to.address, 16);
	return key;
}

static struct sl_choice choose(struct path *path, bool v6, enum world_service service,
			       uint32_t client, uint16_t port, uint32_t isn)
{
	struct packet_spec spec = world_packet(&path->world, v6, SL_TCP, service, client, port);
	struct sl_flow_key key = key_of(&spec);

	return sl_select(&path->tables, v6,
			 &path->tables.listeners[path->world.listener[v6][service]], 0, &key,
			 htonl(isn));
}

/* Each of @n has a share of @total within @percent of @wanted parts in @parts. */
static void assert_share(uint32_t count, uint32_t total, uint32_t wanted, uint32_t parts,
			 uint32_t percent)
{
	uint64_t fair = (uint64_t)total * wanted / parts;

	assert_in_range(count, fair * (100 - percent) / 100, fair * (100 + percent) / 100);
}

static uint32_t which_target(const struct path *path, bool v6, enum world_service service,
			     uint16_t target)
{
	for (uint32_t i = 0; i < WORLD_TARGETS; i++)
		if (path->world.target[v6][service][i] == target)
			return i;
	return WORLD_TARGETS;
}

static void flows_spread_evenly_whatever_part_of_them_differs(void **state)
{
	struct path *path = *state;

	for (int variant = 0; variant < 8; variant++) {
		uint32_t counts[WORLD_TARGETS + 1] = {};
		bool v6 = variant & 1;

		for (uint32_t i = 0; i < FLOWS; i++) {
			uint32_t part = variant / 2; /* client, port, ISN, or all */
			struct sl_choice choice =
				choose(path, v6, WORLD_SNAT, part == 0 || part == 3 ? i : 1,
				       (uint16_t)(part == 1 || part == 3 ? i : 1),
				       part == 2 || part == 3 ? i : 1);

			counts[which_target(path, v6, WORLD_SNAT, choice.target)]++;
		}
		assert_int_equal(counts[WORLD_TARGETS], 0);
		for (int i = 0; i < WORLD_TARGETS; i++)
			assert_share(counts[i], FLOWS, 1, WORLD_TARGETS, 4);
	}
}

static void a_sticky_client_keeps_its_target_and_clients_spread(void **state)
{
	struct path *path = *state;

	for (int v6 = 0; v6 < 2; v6++) {
		uint32_t counts[WORLD_TARGETS + 1] = {};

		for (uint32_t client = 0; client < FLOWS; client++) {
			uint16_t target = choose(path, v6, WORLD_STICKY, client, 1, 1).target;

			for (uint16_t i = 2; i < 6; i++)
				assert_int_equal(
					choose(path, v6, WORLD_STICKY, client, i, i).target,
					target);
			counts[which_target(path, v6, WORLD_STICKY, target)]++;
		}
		assert_int_equal(counts[WORLD_TARGETS], 0);
		for (int i = 0; i < WORLD_TARGETS; i++)
			assert_share(counts[i], FLOWS, 1, WORLD_TARGETS, 4);
	}
}

static void weights_divide_flows_between_groups_and_targets_alike(void **state)
{
	struct path *path = *state;

	for (int v6 = 0; v6 < 2; v6++) {
		uint32_t counts[2][WORLD_TARGETS + 1] = {};

		for (uint32_t i = 0; i < FLOWS; i++) {
			struct sl_choice choice = choose(path, v6, WORLD_WEIGHTED, i, 1, i);
			bool second = choice.group == path->world.group[v6][WORLD_PRESERVED];
			enum world_service service = second ? WORLD_PRESERVED : WORLD_SNAT;

			assert_int_equal(choice.group, path->world.group[v6][service]);
			assert_int_equal(choice.group_flags, second ? SL_GROUP_PRESERVE : 0);
			counts[second][which_target(path, v6, service, choice.target)]++;
		}
		/* choice of group and of target are independent */
		for (int i = 0; i < WORLD_TARGETS; i++) {
			assert_share(counts[0][i], FLOWS, 3, 4 * WORLD_TARGETS, 4);
			assert_share(counts[1][i], FLOWS, 1, 4 * WORLD_TARGETS, 6);
		}
	}
}

static void a_group_of_weight_0_gets_nothing(void **state)
{
	struct path *path = *state;
	struct sl_forwarding *f =
		&path->tables.listeners[path->world.listener[0][WORLD_WEIGHTED]].forwarding[0];

	f->groups[0].weight = 0;
	f->weights = 1;
	for (uint32_t i = 0; i < 1000; i++)
		assert_int_equal(choose(path, false, WORLD_WEIGHTED, i, 1, 1).group,
				 path->world.group[0][WORLD_PRESERVED]);
	f->groups[1].weight = 0;
	f->weights = 0;
	for (uint32_t i = 0; i < 1000; i++)
		assert_int_equal(choose(path, false, WORLD_WEIGHTED, i, 1, 1).target, SL_NONE);
}

static void sticky_groups_keep_a_client_with_its_group(void **state)
{
	struct path *path = *state;
	uint32_t second = 0;

	path->tables.listeners[path->world.listener[0][WORLD_WEIGHTED]]
		.forwarding[0]
		.sticky_groups = 1;
	for (uint32_t client = 0; client < 4000; client++) {
		uint16_t group = choose(path, false, WORLD_WEIGHTED, client, 1, 1).group;

		for (uint16_t i = 2; i < 10; i++)
			assert_int_equal(choose(path, false, WORLD_WEIGHTED, client, i, i).group,
					 group);
		second += group == path->world.group[0][WORLD_PRESERVED];
	}
	assert_share(second, 4000, 1, 4, 15);
}

static void a_listener_flips_between_two_forwardings(void **state)
{
	struct path *path = *state;
	struct sl_listener *listener = &path->tables.listeners[path->world.listener[0][WORLD_SNAT]];

	listener->forwarding[1] = listener->forwarding[0];
	listener->forwarding[1].groups[0].group = path->world.group[0][WORLD_STICKY];
	assert_int_equal(choose(path, false, WORLD_SNAT, 1, 1, 1).group,
			 path->world.group[0][WORLD_SNAT]);
	listener->active = 1;
	assert_int_equal(choose(path, false, WORLD_SNAT, 1, 1, 1).group,
			 path->world.group[0][WORLD_STICKY]);
}

static void each_zone_has_a_table_of_its_own(void **state)
{
	struct path *path = *state;
	struct packet_spec spec = world_packet(&path->world, false, SL_TCP, WORLD_SNAT, 1, 1);
	struct sl_flow_key key = key_of(&spec);
	const struct sl_listener *listener =
		&path->tables.listeners[path->world.listener[0][WORLD_SNAT]];

	path->tables.groups[path->world.group[0][WORLD_SNAT]].maglev[1] = 0; /* no entries */
	assert_int_not_equal(sl_select(&path->tables, false, listener, 0, &key, 0).target, SL_NONE);
	assert_int_equal(sl_select(&path->tables, false, listener, 1, &key, 0).target, SL_NONE);
	assert_int_equal(sl_select(&path->tables, false, listener, SL_MAX_ZONES, &key, 0).target,
			 SL_NONE);
}

/* Balancers that share VIPs by ECMP choose alike, whatever the seeds of their flow tables. */
static void the_choice_does_not_depend_on_the_seeds_of_the_flow_table(void **state)
{
	struct path *path = *state;
	uint16_t targets[500];

	for (uint32_t i = 0; i < 500; i++)
		targets[i] = choose(path, false, WORLD_SNAT, i, 1, i).target;
	path->tables.config->seed[0] ^= 0x5555;
	path->tables.config->seed[1] ^= 0x5555;
	for (uint32_t i = 0; i < 500; i++)
		assert_int_equal(choose(path, false, WORLD_SNAT, i, 1, i).target, targets[i]);
}

static void a_vip_is_found_by_all_of_its_key_and_by_nothing_less(void **state)
{
	struct path *path = *state;

	for (int v6 = 0; v6 < 2; v6++) {
		struct packet_end vip = world_vip(v6, WORLD_STICKY);
		const struct sl_vip *found =
			sl_vip_find(&path->tables, v6, vip.address, htons(vip.port), SL_TCP);

		assert_non_null(found);
		assert_int_equal(found->listener, path->world.listener[v6][WORLD_STICKY]);
		assert_int_equal(found->kind, SL_VIP_LISTENER);
		assert_null(sl_vip_find(&path->tables, v6, vip.address, htons(vip.port), 132));
		assert_null(sl_vip_find(&path->tables, v6, vip.address, vip.port, SL_TCP));
		assert_null(sl_vip_find(&path->tables, !v6, vip.address, htons(vip.port), SL_TCP));
		assert_int_equal(sl_vip_find(&path->tables, v6, vip.address, 0, 0)->kind,
				 SL_VIP_OURS);
		for (int bit = 0; bit < (v6 ? 128 : 32); bit++) {
			vip.address[bit / 32] ^= 1u << bit % 32;
			assert_null(sl_vip_find(&path->tables, v6, vip.address, htons(vip.port),
						SL_TCP));
			vip.address[bit / 32] ^= 1u << bit % 32;
		}
	}
}

static void thousands_of_vips_are_all_found_until_removed(void **state)
{
	struct path *path = *state;
	struct packet_end vip = packet_end("10.77.0.1", 0);

	for (uint32_t port = 1; port < 12000; port++) {
		vip.port = (uint16_t)port;
		world_add_vip(&path->world, SL_VIP_LISTENER, &vip, SL_UDP, (uint16_t)(port % 100),
			      0);
	}
	for (uint32_t port = 1; port < 12000; port += 2) {
		vip.port = (uint16_t)port;
		world_remove_vip(&path->world, &vip, SL_UDP);
	}
	for (uint32_t port = 1; port < 12000; port++) {
		const struct sl_vip *found = sl_vip_find(&path->tables, false, vip.address,
							 htons((uint16_t)port), SL_UDP);

		if (port % 2 != 0)
			assert_null(found);
		else
			assert_int_equal(found->listener, port % 100);
	}
}

static void a_group_fails_open_in_each_zone_by_itself(void **state)
{
	const struct sl_choice choice = {.group_flags =
						 SL_GROUP_STICKY | 0x82u << SL_GROUP_FAIL_OPEN_BIT};

	(void)state;
	for (uint32_t zone = 0; zone < SL_MAX_ZONES; zone++)
		assert_int_equal(sl_fails_open(&choice, zone), zone == 1 || zone == 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PATH_TEST(flows_spread_evenly_whatever_part_of_them_differs),
		cmocka_unit_test(a_group_fails_open_in_each_zone_by_itself),
		PATH_TEST(a_sticky_client_keeps_its_target_and_clients_spread),
		PATH_TEST(weights_divide_flows_between_groups_and_targets_alike),
		PATH_TEST(a_group_of_weight_0_gets_nothing),
		PATH_TEST(sticky_groups_keep_a_client_with_its_group),
		PATH_TEST(a_listener_flips_between_two_forwardings),
		PATH_TEST(each_zone_has_a_table_of_its_own),
		PATH_TEST(the_choice_does_not_depend_on_the_seeds_of_the_flow_table),
		PATH_TEST(a_vip_is_found_by_all_of_its_key_and_by_nothing_less),
		PATH_TEST(thousands_of_vips_are_all_found_until_removed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
