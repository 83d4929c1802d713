/* SPDX-License-Identifier: BSD-3-Clause */
/* The engine as control/ knows it: the model's way to packets, and its life. */
#include "engine_fixture.h"

#include <poll.h>

/* --- the model ------------------------------------------------------------ */

static void the_engine_tells_what_it_is(void **state)
{
	struct fixture *fixture = *state;
	struct engine_info info;

	engine_describe(fixture->engine, &info);
	assert_string_equal(info.kind, "memory");
	assert_int_equal(info.layout_version, SL_LAYOUT_VERSION);
	assert_false(info.taken_over);
	assert_int_equal(info.max_flows, 1024);
	assert_int_equal(info.max_flows_ipv6, 1024);
	assert_int_equal(info.max_targets, 16);
	assert_int_equal(info.targets, 4);
	assert_int_equal(info.groups, 2);
	assert_int_equal(info.listeners, 2);
	assert_int_equal(info.n_interfaces, 0);
	assert_int_equal(engine_targets_free(fixture->engine), 12);
}

static void nothing_is_forwarded_before_the_commit(void **state)
{
	struct fixture *fixture = *state;
	struct packet_spec spec = request(false, SL_TCP, 1);
	struct packet packet, before;

	put_model(fixture->engine);
	packet_build(&before, &spec);
	assert_int_equal(receive(fixture, &spec, &packet), SL_PASS);
	assert_memory_equal(packet.data, before.data, before.length);
	assert_int_equal(engine_commit(fixture->engine), 0);
	begin(fixture, false, SL_TCP, 1);
	assert_int_equal(engine_listener_remove(fixture->engine, WEB), 0);
	begin(fixture, false, SL_TCP, 2);
	assert_int_equal(engine_commit(fixture->engine), 0);
	spec.from.port = 2003;
	packet_build(&before, &spec);
	assert_int_equal(receive(fixture, &spec, &packet), SL_PASS);
	assert_memory_equal(packet.data, before.data, before.length);
	assert_int_equal(all_flows(fixture->engine, &any_flow).n, 2); /* they live on */
}

static void flows_of_a_target_taken_out_with_them_are_reset(void **state)
{
	struct fixture *fixture = *state;
	struct packet_spec spec = request(false, SL_TCP, 1);
	struct engine_counters c;
	struct in6_addr target;
	struct packet packet;

	begin(fixture, false, SL_TCP, 1);
	target = all_flows(fixture->engine, &any_flow).last.target;
	spec.tcp_flags = SL_TCP_ACK;
	assert_int_equal(engine_target_remove(fixture->engine, GROUP, &target, 8080, true), 0);
	assert_int_equal(receive(fixture, &spec, &packet), SL_PASS);
	assert_int_equal(engine_commit(fixture->engine), 0);
	assert_int_equal(receive(fixture, &spec, &packet), SL_SEND); /* back, a RST */
	assert_int_equal(engine_listener_counters(fixture->engine, WEB, &c), 0);
	assert_int_equal(c.elb_resets, 1);
}

static void vips_may_be_put_again_and_elsewhere(void **state)
{
	struct fixture *fixture = *state;
	struct engine_vip vip = {.address = address("192.0.2.1"), .zone = 0};
	const struct vip_key key = {.address = vip.address};
	struct vip_table *table = fixture->engine->vip_table;

	assert_int_equal(engine_vip_put(fixture->engine, &vip), 0);
	assert_int_equal(vip_table_find(table, &key)->users, 1);
	assert_int_equal(vip_table_find(table, &key)->zone, 0);
	vip.zone = 1;
	assert_int_equal(engine_vip_put(fixture->engine, &vip), 0);
	assert_int_equal(vip_table_find(table, &key)->users, 1);
	assert_int_equal(vip_table_find(table, &key)->zone, 1);
	assert_int_equal(engine_vip_remove(fixture->engine, &vip), 0);
	assert_null(vip_table_find(table, &key));
	assert_int_equal(engine_vip_remove(fixture->engine, &vip), 0);
}

static void a_reconciliation_removes_what_was_not_put(void **state)
{
	struct fixture *fixture = *state;
	const struct engine_vip vip4 = {.address = address("192.0.2.1")};
	const struct vip_key key4 = {.address = vip4.address};
	const struct vip_key key6 = {.address = address("2001:db8::1")};
	const struct engine_group group = {.zones = 3};
	struct engine_listener listener = listener_to(GROUP, "192.0.2.1");
	char error[ENGINE_ERROR_MAX];
	struct engine_info info;

	begin(fixture, false, SL_TCP, 1);
	engine_reconcile_begin(fixture->engine);
	assert_int_equal(engine_vip_put(fixture->engine, &vip4), 0);
	assert_int_equal(engine_group_put(fixture->engine, GROUP, &group), 0);
	put_target(fixture->engine, GROUP, "10.0.0.1");
	assert_int_equal(engine_listener_put(fixture->engine, WEB, &listener), 0);
	assert_int_equal(engine_reconcile_end(fixture->engine, error), 0);
	engine_describe(fixture->engine, &info);
	assert_int_equal(info.listeners, 1);
	assert_int_equal(info.groups, 1);
	assert_int_equal(info.targets, 1);
	assert_non_null(vip_table_find(fixture->engine->vip_table, &key4));
	assert_null(vip_table_find(fixture->engine->vip_table, &key6));
	assert_int_equal(all_flows(fixture->engine, &any_flow).n, 1);
	begin(fixture, false, SL_TCP, 2);
}

static void snat_addresses_are_ours(void **state)
{
	struct fixture *fixture = *state;
	const struct vip_key keys[] = {{.address = address("10.1.0.1")},
				       {.address = address("fd00:1::2")}};
	const struct sl_zone *zones = fixture->engine->tables.zones;
	char error[ENGINE_ERROR_MAX];

	for (int i = 0; i < 2; i++)
		assert_int_equal(vip_table_find(fixture->engine->vip_table, &keys[i])->kind,
				 SL_VIP_OURS);
	assert_int_equal(zones[0].n_snat4, 1);
	assert_int_equal(zones[1].n_snat6, 1);
	assert_int_equal(zones[1].snat4[0], inet_addr("10.1.0.2"));
	assert_int_equal(zones[2].n_snat4, 0);
	/* a reconciliation leaves them */
	engine_reconcile_begin(fixture->engine);
	assert_int_equal(engine_reconcile_end(fixture->engine, error), 0);
	assert_non_null(vip_table_find(fixture->engine->vip_table, &keys[0]));
}

/* --- life ----------------------------------------------------------------- */

static void the_descriptor_calls_for_the_regular_work(void **state)
{
	struct fixture *fixture = *state;
	struct pollfd poll_fd = {.fd = engine_poll_fd(fixture->engine), .events = POLLIN};

	assert_int_equal(poll(&poll_fd, 1, 5000), 1);
	engine_process(fixture->engine);
	assert_int_equal(poll(&poll_fd, 1, 0), 0);
	engine_process(fixture->engine); /* nothing to do */
	assert_int_equal(poll(&poll_fd, 1, 5000), 1);
}

static void settings_out_of_range_are_named(void **state)
{
	static const struct {
		size_t field;
		uint32_t good[2], bad[2];
		const char *name;
	} cases[] = {
#define CASE(field, min, max) \
	{offsetof(struct engine_config, field), {min, max}, {(min) - 1, (max) + 1}, #field}
		CASE(max_flows, 1024, 8388608),
		CASE(max_flows_ipv6, 1024, 8388608),
		CASE(max_targets, 1, 65535),
#undef CASE
	};
	const struct engine_events events = {};
	char error[ENGINE_ERROR_MAX];
	struct engine *engine = NULL;
	struct engine_config config;
	struct sl_config plan;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (int end = 0; end < 2; end++) {
			config = settings();
			*(uint32_t *)(void *)((char *)&config + cases[i].field) = cases[i].good[end];
			assert_int_equal(tables_plan(&config, 1, &plan, error), 0);
			*(uint32_t *)(void *)((char *)&config + cases[i].field) = cases[i].bad[end];
			assert_int_equal(engine_open(&config, &events, &engine, error), -EINVAL);
			assert_memory_equal(error, cases[i].name, strlen(cases[i].name));
			assert_non_null(strstr(error, "it must be between"));
			assert_null(engine);
		}
	config = settings();
	config.snat_port_min = 1023;
	assert_int_equal(engine_open(&config, &events, &engine, error), -EINVAL);
	assert_memory_equal(error, "snat_ports", 10);
	config.snat_port_min = 5001;
	config.snat_port_max = 5000;
	assert_int_equal(engine_open(&config, &events, &engine, error), -EINVAL);
	config.snat_port_min = 5000;
	assert_int_equal(engine_open(&config, &events, &engine, error), 0);
	assert_int_equal(engine_detach(engine, error), 0);
	engine_close(engine);
	engine_close(NULL);
}

static void close_reasons_have_the_names_of_the_access_log(void **state)
{
	(void)state;
	assert_string_equal(engine_close_reason_name(ENGINE_CLOSE_FIN), "fin");
	assert_string_equal(engine_close_reason_name(ENGINE_CLOSE_RST_TARGET), "rst_target");
	for (int reason = 0; reason < ENGINE_CLOSE_COUNT; reason++)
		assert_string_not_equal(engine_close_reason_name(reason), "unknown");
	assert_string_equal(engine_close_reason_name(ENGINE_CLOSE_COUNT), "unknown");
	assert_string_equal(engine_close_reason_name((enum engine_close_reason)-1), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ENGINE_TEST(the_engine_tells_what_it_is),
		cmocka_unit_test_setup_teardown(nothing_is_forwarded_before_the_commit, setup_empty,
						teardown),
		ENGINE_TEST(flows_of_a_target_taken_out_with_them_are_reset),
		ENGINE_TEST(vips_may_be_put_again_and_elsewhere),
		ENGINE_TEST(a_reconciliation_removes_what_was_not_put),
		ENGINE_TEST(snat_addresses_are_ours),
		ENGINE_TEST(the_descriptor_calls_for_the_regular_work),
		cmocka_unit_test(settings_out_of_range_are_named),
		cmocka_unit_test(close_reasons_have_the_names_of_the_access_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
