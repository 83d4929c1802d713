/* SPDX-License-Identifier: BSD-3-Clause */
/* What is written down of flows that could not be made. */
#include "path.h"

static const struct sl_flow_record *last_record(const struct path *path)
{
	assert_true(path->n_records > 0);
	return &path->records[(path->n_records - 1) % PATH_RECORDS];
}

static void a_flow_that_finds_no_target_is_recorded(void **state)
{
	struct path *path = *state;

	for (int v6 = 0; v6 < 2; v6++) {
		struct packet_spec spec = world_packet(&path->world, v6, SL_UDP, WORLD_EMPTY, 1,
						       5000);
		const struct sl_flow_record *r;
		struct sl_flow_record zero = {};

		path_drops(path, &spec, WORLD_CLIENT_SIDE, SL_DROP_NO_TARGET);
		r = last_record(path);
		assert_int_equal(path->n_records, v6 + 1);
		assert_int_equal(r->reason, SL_CLOSE_NO_TARGET);
		assert_memory_equal(r->client, spec.from.address, 16);
		assert_memory_equal(r->vip, spec.to.address, 16);
		assert_int_equal(ntohs(r->client_port), 5000);
		assert_int_equal(ntohs(r->vip_port), WORLD_SERVICE_PORT(WORLD_EMPTY));
		assert_int_equal(r->protocol, SL_UDP);
		assert_int_equal(r->family, v6 ? 6 : 4);
		assert_int_equal(r->start_ns, path->tables.now_ns);
		assert_int_equal(r->end_ticks, sl_now_ticks(&path->tables));
		assert_int_equal(r->listener_id, 1000 + path->world.listener[v6][WORLD_EMPTY]);
		assert_int_equal(r->group_id, 2000 + path->world.group[v6][WORLD_EMPTY]);
		assert_memory_equal(r->target, zero.target, 16);
		assert_memory_equal(r->nat, zero.nat, 16);
		assert_int_equal(r->client_packets, 0);
	}
}

static void a_flow_without_a_snat_port_or_address_is_recorded(void **state)
{
	struct path *path = *state;
	struct packet_spec spec = world_packet(&path->world, false, SL_TCP, WORLD_SNAT, 1, 5000);

	path->tables.zones[0].n_snat4 = 0;
	path_drops(path, &spec, WORLD_CLIENT_SIDE, SL_DROP_NO_SNAT_ADDRESS);
	assert_int_equal(path->n_records, 1);
	assert_int_equal(last_record(path)->reason, SL_CLOSE_PORT_ALLOC);
	assert_int_equal(last_record(path)->group_id,
			 2000 + path->world.group[0][WORLD_SNAT]);
}

static void a_flow_for_which_the_table_has_no_room_is_recorded(void **state)
{
	struct path *path = *state;
	struct packet_spec spec = world_packet(&path->world, false, SL_UDP, WORLD_SNAT, 1, 1024);
	struct packet packet;

	for (uint32_t i = 0; i < PATH_FLOWS; i++, spec.from.port++)
		path_sends(path, &spec, WORLD_CLIENT_SIDE, WORLD_TARGET_SIDE, &packet);
	assert_int_equal(path->n_records, 0);
	path_drops(path, &spec, WORLD_CLIENT_SIDE, SL_DROP_TABLE_FULL);
	assert_int_equal(path->n_records, 1);
	assert_int_equal(last_record(path)->reason, SL_CLOSE_TABLE_FULL);
	assert_int_equal(ntohs(last_record(path)->client_port), spec.from.port);
}

static void a_flood_of_refused_flows_is_recorded_up_to_the_limit_and_counted(void **state)
{
	struct path *path = *state;
	struct packet_spec spec = world_packet(&path->world, false, SL_UDP, WORLD_EMPTY, 1, 5000);
	const struct sl_cpu_counters *counters = path->tables.cpu_counts;

	for (int i = 0; i < 100; i++)
		path_drops(path, &spec, WORLD_CLIENT_SIDE, SL_DROP_NO_TARGET);
	assert_int_equal(path->n_records, SL_REFUSALS_PER_TICK);
	assert_int_equal(counters->refusals_unrecorded, 100 - SL_REFUSALS_PER_TICK);
	path->tables.now_ns += 1 << SL_TICK_SHIFT;
	path_drops(path, &spec, WORLD_CLIENT_SIDE, SL_DROP_NO_TARGET);
	assert_int_equal(path->n_records, SL_REFUSALS_PER_TICK + 1);
	assert_int_equal(counters->refusals_unrecorded, 100 - SL_REFUSALS_PER_TICK);
}

static void a_refusal_that_finds_no_room_for_its_record_is_counted(void **state)
{
	struct path *path = *state;
	struct packet_spec spec = world_packet(&path->world, true, SL_UDP, WORLD_EMPTY, 1, 5000);

	path->tables.flow_ended = NULL;
	path_drops(path, &spec, WORLD_CLIENT_SIDE, SL_DROP_NO_TARGET);
	assert_int_equal(path->tables.cpu_counts->refusals_unrecorded, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PATH_TEST(a_flow_that_finds_no_target_is_recorded),
		PATH_TEST(a_flow_without_a_snat_port_or_address_is_recorded),
		PATH_TEST(a_flow_for_which_the_table_has_no_room_is_recorded),
		PATH_TEST(a_flood_of_refused_flows_is_recorded_up_to_the_limit_and_counted),
		PATH_TEST(a_refusal_that_finds_no_room_for_its_record_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
