/* SPDX-License-Identifier: BSD-3-Clause */
/* What the engine tells of its flows: one by one, and counted. */
#include "engine_fixture.h"

static void a_flow_is_seen_as_it_is(void **state)
{
	struct fixture *fixture = *state;
	struct in6_addr one = address("10.0.0.1"), two = address("10.0.0.2"), expected;
	uint64_t before = engine_now_ns();
	struct seen seen;

	fixture->path.now_ns = engine_now_ns();
	begin(fixture, false, SL_TCP, 5);
	seen = all_flows(fixture->engine, &any_flow);
	assert_int_equal(seen.n, 1);
	expected = address("198.18.0.1");
	assert_true(address_equal(&seen.last.client, &expected));
	expected = address("192.0.2.1");
	assert_true(address_equal(&seen.last.vip, &expected));
	expected = address("10.1.0.1");
	assert_true(address_equal(&seen.last.nat, &expected));
	assert_true(address_equal(&seen.last.target, &one) ||
		    address_equal(&seen.last.target, &two));
	assert_int_equal(seen.last.client_port, 2005);
	assert_int_equal(seen.last.vip_port, 80);
	assert_int_equal(seen.last.target_port, 8080);
	assert_in_range(seen.last.nat_port, 1024, 65535);
	assert_int_equal(seen.last.protocol, IPPROTO_TCP);
	assert_string_equal(seen.last.state, "half-open");
	assert_int_equal(seen.last.listener_id, WEB);
	assert_int_equal(seen.last.group_id, GROUP);
	assert_int_equal(seen.last.client_packets, 1);
	assert_int_equal(seen.last.client_bytes, 40);
	assert_int_equal(seen.last.target_packets, 0);
	assert_true(seen.last.start_ns >= before && seen.last.start_ns <= engine_now_ns());
	assert_true(seen.last.end_ns + 2000000 >= seen.last.start_ns); /* in ticks of 1.05 ms */
	assert_true(seen.last.end_ns <= engine_now_ns());
}

static void a_state_is_named_as_users_know_it(void **state)
{
	static const struct {
		uint32_t flags, state;
		const char *name;
	} cases[] = {
		{0, SL_FLOW_HALF_OPEN, "half-open"},
		{0, SL_FLOW_ANSWERED, "half-open"},
		{0, SL_FLOW_ESTABLISHED, "established"},
		{SL_FLAG_CLIENT_FIN, SL_FLOW_ESTABLISHED, "closing"},
		{SL_FLAG_TARGET_FIN, SL_FLOW_ESTABLISHED, "closing"},
		{SL_FLAG_CLIENT_FIN | SL_FLAG_TARGET_FIN, SL_FLOW_LINGERING, "lingering"},
		{0, SL_FLOW_RESET, "lingering"},
		{0, SL_FLOW_UDP, "udp"},
	};
	struct fixture *fixture = *state;
	struct sl_flow_line *line;

	begin(fixture, false, SL_TCP, 0);
	line = sl_line(&fixture->path, false, 2);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		line->control = SL_CONTROL(line->version, cases[i].flags, cases[i].state);
		assert_string_equal(all_flows(fixture->engine, &any_flow).last.state, cases[i].name);
	}
	/* one that is just being made or removed is none */
	line->control = SL_CONTROL(line->version, 0, SL_FLOW_NEW);
	assert_int_equal(all_flows(fixture->engine, &any_flow).n, 0);
	line->control = SL_CONTROL(line->version, 0, SL_FLOW_ENDING);
	assert_int_equal(all_flows(fixture->engine, &any_flow).n, 0);
	line->control = SL_CONTROL((uint16_t)(line->version - 2), 0, SL_FLOW_ESTABLISHED);
	assert_int_equal(all_flows(fixture->engine, &any_flow).n, 0);
}

static void make_many(struct fixture *fixture)
{
	for (uint32_t n = 0; n < MANY; n++) {
		begin(fixture, false, SL_TCP, n);
		begin(fixture, true, SL_UDP, n);
	}
}

static void a_pass_in_small_steps_sees_each_flow_once(void **state)
{
	struct fixture *fixture = *state;
	struct seen seen = {};
	uint64_t cursor = 0;
	uint32_t calls = 0;

	make_many(fixture);
	for (; cursor != UINT64_MAX; calls++)
		engine_flows(fixture->engine, &cursor, 7, &any_flow, note, &seen);
	assert_in_range(calls, 2 * MANY / 7, 2 * MANY / 7 + 3);
	assert_int_equal(seen.n, 2 * MANY);
	for (uint32_t n = 0; n < MANY; n++) {
		assert_int_equal(seen.times[0][n], 1);
		assert_int_equal(seen.times[1][n], 1);
	}
	engine_flows(fixture->engine, &cursor, 7, &any_flow, note, &seen); /* behind the end */
	assert_int_equal(seen.n, 2 * MANY);
	assert_true(cursor == UINT64_MAX);
}

static void a_pass_that_is_stopped_goes_on_behind_the_flow(void **state)
{
	struct fixture *fixture = *state;
	uint64_t cursor = 0;
	struct seen seen = {};

	make_many(fixture);
	for (seen.stop_at = 1; seen.stop_at <= 2 * MANY; seen.stop_at++) {
		assert_true(cursor != UINT64_MAX);
		engine_flows(fixture->engine, &cursor, SIZE_MAX, &any_flow, note, &seen);
		assert_int_equal(seen.n, seen.stop_at);
	}
	engine_flows(fixture->engine, &cursor, SIZE_MAX, &any_flow, note, &seen);
	assert_true(cursor == UINT64_MAX);
	for (uint32_t n = 0; n < MANY; n++)
		assert_true(seen.times[0][n] == 1 && seen.times[1][n] == 1);
}

static void an_empty_table_is_passed_at_once(void **state)
{
	struct fixture *fixture = *state;
	uint64_t cursor = 0;
	struct seen seen = {};

	engine_flows(fixture->engine, &cursor, 2, &any_flow, note, &seen);
	assert_true(cursor == UINT64_MAX);
	assert_int_equal(seen.n, 0);
}

static void flows_that_ended_amid_a_pass_are_not_seen(void **state)
{
	struct fixture *fixture = *state;
	uint64_t cursor = 0;
	struct seen seen = {.stop_at = 10};

	make_many(fixture);
	engine_flows(fixture->engine, &cursor, SIZE_MAX, &any_flow, note, &seen);
	fixture->path.now_ns += 31ull * 1000000000; /* half-open ones have 30 s */
	sl_flow_sweep(&fixture->path, false, UINT32_MAX);
	engine_flows(fixture->engine, &cursor, SIZE_MAX, &any_flow, note, &seen);
	assert_int_equal(seen.n, 10 + MANY);
	for (uint32_t n = 0; n < MANY; n++)
		assert_int_equal(seen.times[1][n], 1);
}

static void filters_let_through_what_matches_all_of_them(void **state)
{
	struct fixture *fixture = *state;
	struct engine_flow_filter filter = {};
	uint32_t to_one;

	make_many(fixture);
	filter.listener_id = WEB;
	assert_int_equal(all_flows(fixture->engine, &filter).n, MANY);
	filter.group_id = GROUP;
	assert_int_equal(all_flows(fixture->engine, &filter).n, MANY);
	filter.group_id = GROUP6;
	assert_int_equal(all_flows(fixture->engine, &filter).n, 0);
	filter = (struct engine_flow_filter){.client = address("198.18.0.1")};
	assert_int_equal(all_flows(fixture->engine, &filter).n, MANY);
	filter.client_port = 2007;
	assert_int_equal(all_flows(fixture->engine, &filter).n, 1);
	filter = (struct engine_flow_filter){.target = address("10.0.0.1"), .target_port = 8080};
	to_one = all_flows(fixture->engine, &filter).n;
	filter.target = address("10.0.0.2");
	assert_int_equal(all_flows(fixture->engine, &filter).n, MANY - to_one);
	assert_in_range(to_one, MANY / 4, MANY * 3 / 4);
	filter.target_port = 8081;
	assert_int_equal(all_flows(fixture->engine, &filter).n, 0);
}

/* --- counters ------------------------------------------------------------- */

static void flows_are_counted_where_they_belong(void **state)
{
	struct fixture *fixture = *state;
	struct in6_addr one = address("10.0.0.1"), two = address("10.0.0.2");
	struct engine_counters listener, group, first, second;
	struct engine_info info;

	for (uint32_t n = 0; n < 40; n++)
		begin(fixture, false, n % 2 ? SL_TCP : SL_UDP, n);
	assert_int_equal(engine_listener_counters(fixture->engine, WEB, &listener), 0);
	assert_int_equal(engine_group_counters(fixture->engine, GROUP, &group), 0);
	assert_int_equal(engine_target_counters(fixture->engine, GROUP, &one, 8080, &first), 0);
	assert_int_equal(engine_target_counters(fixture->engine, GROUP, &two, 8080, &second), 0);
	assert_int_equal(listener.new_flows_tcp, 20);
	assert_int_equal(listener.new_flows_udp, 20);
	assert_int_equal(listener.active_flows, 40);
	assert_int_equal(listener.processed_packets, 40);
	assert_int_equal(listener.processed_bytes, 20 * 40 + 20 * 28);
	assert_int_equal(listener.processed_bytes_tcp, 20 * 40);
	assert_int_equal(group.active_flows, 40);
	assert_int_equal(group.processed_bytes, listener.processed_bytes);
	assert_int_equal(first.active_flows + second.active_flows, 40);
	assert_true(first.active_flows > 0 && second.active_flows > 0);
	engine_describe(fixture->engine, &info);
	assert_int_equal(info.flows, 40);
	assert_int_equal(info.flows_ipv6, 0);
	assert_int_equal(engine_listener_counters(fixture->engine, GROUP, &listener), -ENOENT);
	assert_int_equal(engine_group_counters(fixture->engine, WEB, &listener), -ENOENT);
	assert_int_equal(engine_target_counters(fixture->engine, GROUP, &one, 1, &listener), -ENOENT);
}

static uint64_t drops_of(struct engine *engine, const char *reason)
{
	struct engine_drop drops[SL_DROP_COUNT];
	size_t n = engine_drops(engine, drops, SL_DROP_COUNT);

	assert_int_equal(n, SL_DROP_COUNT - 1); /* "not dropped" is no reason */
	for (size_t i = 0; i < n; i++)
		if (strcmp(drops[i].reason, reason) == 0) {
			assert_true(strlen(drops[i].text) > 0);
			return drops[i].packets;
		}
	fail_msg("no drop is called %s", reason);
	return 0;
}

static void refusals_are_counted_by_reason(void **state)
{
	struct fixture *fixture = *state;
	struct engine_group nobody = {};
	struct packet_spec spec = request(false, SL_UDP, 1);
	struct engine_drop drops[2];
	struct engine_counters c;
	struct packet packet;

	assert_int_equal(engine_group_put(fixture->engine, GROUP, &nobody), 0);
	assert_int_equal(engine_commit(fixture->engine), 0);
	assert_int_equal(drops_of(fixture->engine, "no_target"), 0);
	assert_int_equal(receive(fixture, &spec, &packet), SL_DROP);
	assert_int_equal(drops_of(fixture->engine, "no_target"), 1);
	assert_int_equal(drops_of(fixture->engine, "truncated"), 0);
	assert_int_equal(engine_listener_counters(fixture->engine, WEB, &c), 0);
	assert_int_equal(c.rejected_flows_udp, 1);
	assert_int_equal(c.rejected_flows_tcp, 0);
	assert_int_equal(engine_drops(fixture->engine, drops, 2), 2);
	assert_int_equal(engine_drops(fixture->engine, drops, 0), 0);
}

static void flow_records_that_nobody_takes_are_counted(void **state)
{
	struct fixture *fixture = *state;
	struct engine_info info;

	begin(fixture, false, SL_TCP, 1);
	begin(fixture, true, SL_TCP, 1);
	fixture->path.now_ns += 31ull * 1000000000;
	sl_flow_sweep(&fixture->path, false, UINT32_MAX);
	sl_flow_sweep(&fixture->path, true, UINT32_MAX);
	engine_describe(fixture->engine, &info);
	assert_int_equal(info.flow_records_lost, 2);
	assert_int_equal(info.flows + info.flows_ipv6, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ENGINE_TEST(a_flow_is_seen_as_it_is),
		ENGINE_TEST(a_state_is_named_as_users_know_it),
		ENGINE_TEST(a_pass_in_small_steps_sees_each_flow_once),
		ENGINE_TEST(a_pass_that_is_stopped_goes_on_behind_the_flow),
		ENGINE_TEST(an_empty_table_is_passed_at_once),
		ENGINE_TEST(flows_that_ended_amid_a_pass_are_not_seen),
		ENGINE_TEST(filters_let_through_what_matches_all_of_them),
		ENGINE_TEST(flows_are_counted_where_they_belong),
		ENGINE_TEST(refusals_are_counted_by_reason),
		ENGINE_TEST(flow_records_that_nobody_takes_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
