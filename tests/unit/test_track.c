/* SPDX-License-Identifier: BSD-3-Clause */
/* The life of a flow: states, timeouts, how it ends and what is written down. */
#include "path.h"

/* The millisecond before and after a number of ticks have passed. */
static void wait_ticks(struct path *path, uint32_t ticks)
{
	path->tables.now_ns += (uint64_t)ticks << SL_TICK_SHIFT;
}

static uint32_t state_of(struct path *path, const struct packet_spec *spec)
{
	return world_state(&path->world, spec->v6, world_flow(&path->world, spec));
}

/* Lives @ticks - 1 beyond its last packet and not one more. */
static void assert_ends_after(struct path *path, const struct packet_spec *spec, uint32_t ticks,
			      enum sl_close_reason reason)
{
	uint32_t ended = path->n_records;

	wait_ticks(path, ticks - 1);
	path_sweep(path);
	assert_int_not_equal(world_flow(&path->world, spec), 0);
	wait_ticks(path, 1);
	path_sweep(path);
	assert_int_equal(world_flow(&path->world, spec), 0);
	assert_int_equal(path->n_records, ended + 1);
	assert_int_equal(path->records[ended % PATH_RECORDS].reason, reason);
	assert_null(world_flaw(&path->world, spec->v6));
}

static void a_handshake_leads_from_half_open_to_established(void **state)
{
	struct path *path = *state;
	struct packet packet;

	for (int v6 = 0; v6 < 2; v6++) {
		struct packet_spec spec = world_packet(&path->world, v6, SL_TCP, WORLD_SNAT, 1,
						       5000), answer;
		const struct sl_flow_cold *cold;

		path_sends(path, &spec, WORLD_CLIENT_SIDE, WORLD_TARGET_SIDE, &packet);
		assert_int_equal(state_of(path, &spec), SL_FLOW_HALF_OPEN);
		answer = world_answer(&packet);
		path_sends(path, &spec, WORLD_CLIENT_SIDE, WORLD_TARGET_SIDE, &packet);
		assert_int_equal(state_of(path, &spec), SL_FLOW_HALF_OPEN);
		path->tables.now_ns += 12345678;
		answer.tcp_flags = SL_TCP_SYN | SL_TCP_ACK;
		path_sends(path, &answer, WORLD_TARGET_SIDE, WORLD_CLIENT_SIDE, &packet);
		assert_int_equal(state_of(path, &spec), SL_FLOW_ANSWERED);
		cold = sl_cold(&path->tables, v6, world_flow(&path->world, &spec));
		assert_int_equal(cold->connect_us, 12345);
		path->tables.now_ns += 1000000;
		path_sends(path, &answer, WORLD_TARGET_SIDE, WORLD_CLIENT_SIDE, &packet);
		assert_int_equal(cold->connect_us, 12345); /* the first answer counts */
		spec.tcp_flags = SL_TCP_ACK;
		path_sends(path, &spec, WORLD_CLIENT_SIDE, WORLD_TARGET_SIDE, &packet);
		assert_int_equal(state_of(path, &spec), SL_FLOW_ESTABLISHED);
	}
}

static void an_unanswered_syn_is_forgotten_after_30_seconds(void **state)
{
	struct path *path = *state;
	struct packet packet;

	for (int v6 = 0; v6 < 2; v6++) {
		struct packet_spec spec = world_packet(&path->world, v6, SL_TCP, WORLD_SNAT, 1,
						       5000);

		path_sends(path, &spec, WORLD_CLIENT_SIDE, WORLD_TARGET_SIDE, &packet);
		assert_ends_after(path, &spec, SL_TICKS_OF_MS(30000), SL_CLOSE_SYN_TIMEOUT);
	}
}

static void an_established_flow_idles_as_long_as_its_listener_says(void **state)
{
	static const uint32_t seconds[] = {60, 350, 6000};
	struct path *path = *state;

	for (int i = 0; i < 6; i++) {
		struct packet_spec spec = world_packet(&path->world, i & 1, SL_TCP, WORLD_SNAT, 1,
						       5000), answer;
		uint32_t ticks = SL_TICKS_OF_MS(seconds[i / 2] * 1000);

		path->tables.listeners[path->world.listener[i & 1][WORLD_SNAT]].tcp_idle = ticks;
		path_establish(path, &spec, WORLD_TARGET_SIDE, &answer);
		assert_ends_after(path, &spec, ticks, SL_CLOSE_IDLE);
	}
}

static void a_packet_of_either_side_keeps_a_flow_alive(void **state)
{
	struct path *path = *state;
	struct packet packet;

	for (int i = 0; i < 4; i++) {
		uint8_t protocol = i & 2 ? SL_TCP : SL_UDP;
		struct packet_spec spec = world_packet(&path->world, i & 1, protocol, WORLD_SNAT,
						       1, 5000), answer;
		uint32_t ticks = SL_TICKS_OF_MS(protocol == SL_TCP ? 350000 : 120000);

		if (protocol == SL_TCP) {
			path_establish(path, &spec, WORLD_TARGET_SIDE, &answer);
		} else {
			path_sends(path, &spec, WORLD_CLIENT_SIDE, WORLD_TARGET_SIDE, &packet);
			answer = world_answer(&packet);
		}
		wait_ticks(path, ticks - 1);
		path_sends(path, &spec, WORLD_CLIENT_SIDE, WORLD_TARGET_SIDE, &packet);
		wait_ticks(path, ticks - 1);
		path_sends(path, &answer, WORLD_TARGET_SIDE, WORLD_CLIENT_SIDE, &packet);
		assert_ends_after(path, &spec, ticks, SL_CLOSE_IDLE);
	}
}

static void timers_go_on_when_the_tick_counter_wraps(void **state)
{
	struct path *path = *state;
	struct packet packet;

	/* the counter wraps in the middle of each wait */
	for (int i = 0; i < 3; i++) {
		struct packet_spec spec = world_packet(&path->world, false,
						       i == 2 ? SL_UDP : SL_TCP, WORLD_SNAT, 1,
						       (uint16_t)(5000 + i)), answer;
		uint32_t ticks = SL_TICKS_OF_MS(i == 0 ? 30000 : i == 1 ? 350000 : 120000);

		path->tables.now_ns = ((uint64_t)(i + 1) << 32 << SL_TICK_SHIFT) -
				      ((uint64_t)ticks / 2 << SL_TICK_SHIFT);
		if (i == 1)
			path_establish(path, &spec, WORLD_TARGET_SIDE, &answer);
		else
			path_sends(path, &spec, WORLD_CLIENT_SIDE, WORLD_TARGET_SIDE, &packet);
		assert_ends_after(path, &spec, ticks,
				  i == 0 ? SL_CLOSE_SYN_TIMEOUT : SL_CLOSE_IDLE);
	}
}

static void fins_of_both_sides_make_a_flow_linger(void **state)
{
	struct path *path = *state;
	struct packet packet;

	for (int i = 0; i < 4; i++) {
		bool v6 = i & 1, client_first = i & 2;
		struct packet_spec spec = world_packet(&path->world, v6, SL_TCP, WORLD_SNAT, 1,
						       (uint16_t)(5000 + i)), answer;
		const struct sl_listener_counters *l =
			&path->tables.listener_counts[path->world.listener[v6][WORLD_SNAT]];
		uint64_t ended = l->ended_flows[SL_L4_TCP], freed = l->freed_flows;

		path_establish(path, &spec, WORLD_TARGET_SIDE, &answer);
		spec.tcp_flags = answer.tcp_flags = SL_TCP_FIN | SL_TCP_ACK;
		for (int side = 0; side < 2; side++) {
			assert_int_equal(state_of(path, &spec), SL_FLOW_ESTABLISHED);
			if ((side == 0) == client_first)
				path_sends(path, &spec, WORLD_CLIENT_SIDE, WORLD_TARGET_SIDE,
					   &packet);
			else
				path_sends(path, &answer, WORLD_TARGET_SIDE, WORLD_CLIENT_SIDE,
					   &packet);
		}
		assert_int_equal(state_of(path, &spec), SL_FLOW_LINGERING);
		assert_int_equal(l->ended_flows[SL_L4_TCP], ended + 1);
		assert_int_equal(l->freed_flows, freed);
		/* the last ACK and what is sent again still pass */
		spec.tcp_flags = SL_TCP_ACK;
		path_sends(path, &spec, WORLD_CLIENT_SIDE, WORLD_TARGET_SIDE, &packet);
		path_sends(path, &answer, WORLD_TARGET_SIDE, WORLD_CLIENT_SIDE, &packet);
		spec.tcp_flags = SL_TCP_RST; /* a RST now is nobody's doing */
		path_sends(path, &spec, WORLD_CLIENT_SIDE, WORLD_TARGET_SIDE, &packet);
		assert_ends_after(path, &spec, SL_LINGER_TICKS, SL_CLOSE_FIN);
		assert_int_equal(l->ended_flows[SL_L4_TCP], ended + 1);
		assert_int_equal(l->freed_flows, freed + 1);
	}
}

static void a_half_closed_flow_lives_on(void **state)
{
	struct path *path = *state;
	struct packet_spec spec = world_packet(&path->world, false, SL_TCP, WORLD_SNAT, 1, 5000);
	struct packet_spec answer;
	struct packet packet;

	path_establish(path, &spec, WORLD_TARGET_SIDE, &answer);
	spec.tcp_flags = SL_TCP_FIN | SL_TCP_ACK;
	path_sends(path, &spec, WORLD_CLIENT_SIDE, WORLD_TARGET_SIDE, &packet);
	path_sends(path, &spec, WORLD_CLIENT_SIDE, WORLD_TARGET_SIDE, &packet); /* again */
	answer.payload = 1000;
	path_sends(path, &answer, WORLD_TARGET_SIDE, WORLD_CLIENT_SIDE, &packet);
	assert_int_equal(state_of(path, &spec), SL_FLOW_ESTABLISHED);
	assert_ends_after(path, &spec, SL_TICKS_OF_MS(350000), SL_CLOSE_IDLE);
}

static void a_rst_ends_a_flow_by_the_name_of_who_sent_it(void **state)
{
	struct path *path = *state;
	struct packet packet;

	for (int i = 0; i < 8; i++) {
		bool v6 = i & 1, by_client = i & 2, half_open = i & 4;
		struct packet_spec spec = world_packet(&path->world, v6, SL_TCP, WORLD_SNAT, 1,
						       (uint16_t)(5000 + i)), answer;
		const struct sl_listener_counters *l =
			&path->tables.listener_counts[path->world.listener[v6][WORLD_SNAT]];
		struct sl_listener_counters before = *l;

		if (half_open) {
			path_sends(path, &spec, WORLD_CLIENT_SIDE, WORLD_TARGET_SIDE, &packet);
			answer = world_answer(&packet);
		} else {
			path_establish(path, &spec, WORLD_TARGET_SIDE, &answer);
		}
		spec.tcp_flags = answer.tcp_flags = SL_TCP_RST;
		if (by_client)
			path_sends(path, &spec, WORLD_CLIENT_SIDE, WORLD_TARGET_SIDE, &packet);
		else
			path_sends(path, &answer, WORLD_TARGET_SIDE, WORLD_CLIENT_SIDE, &packet);
		assert_int_equal(state_of(path, &spec), SL_FLOW_RESET);
		assert_int_equal(l->client_resets, before.client_resets + by_client);
		assert_int_equal(l->target_resets, before.target_resets + !by_client);
		assert_int_equal(l->ended_flows[SL_L4_TCP], before.ended_flows[SL_L4_TCP] + 1);
		assert_ends_after(path, &spec, SL_RESET_TICKS,
				  by_client ? SL_CLOSE_RST_CLIENT : SL_CLOSE_RST_TARGET);
		assert_int_equal(l->ended_flows[SL_L4_TCP], before.ended_flows[SL_L4_TCP] + 1);
	}
}

/* A blind RST (RFC 5961) is no end: whoever holds the connection goes on. */
static void a_client_that_goes_on_after_a_rst_keeps_its_flow(void **state)
{
	struct path *path = *state;
	struct packet_spec spec = world_packet(&path->world, false, SL_TCP, WORLD_SNAT, 1, 5000);
	const struct sl_listener_counters *l =
		&path->tables.listener_counts[path->world.listener[0][WORLD_SNAT]];
	struct packet_spec answer;
	struct packet packet;

	path_establish(path, &spec, WORLD_TARGET_SIDE, &answer);
	spec.tcp_flags = SL_TCP_RST;
	path_sends(path, &spec, WORLD_CLIENT_SIDE, WORLD_TARGET_SIDE, &packet);
	assert_int_equal(l->ended_flows[SL_L4_TCP], 1);
	spec.tcp_flags = SL_TCP_ACK;
	path_sends(path, &spec, WORLD_CLIENT_SIDE, WORLD_TARGET_SIDE, &packet);
	assert_int_equal(state_of(path, &spec), SL_FLOW_ESTABLISHED);
	assert_int_equal(l->ended_flows[SL_L4_TCP], 0);
	assert_ends_after(path, &spec, SL_TICKS_OF_MS(350000), SL_CLOSE_IDLE);
	assert_int_equal(l->ended_flows[SL_L4_TCP], 1);
}

static void a_new_syn_on_a_closed_flow_begins_a_new_one(void **state)
{
	struct path *path = *state;
	struct packet packet;

	for (int i = 0; i < 4; i++) {
		bool v6 = i & 1, reset = i & 2;
		struct packet_spec spec = world_packet(&path->world, v6, SL_TCP, WORLD_SNAT, 1,
						       (uint16_t)(5000 + i)), answer;
		uint32_t ended = path->n_records;
		uint64_t new_flows;

		path_establish(path, &spec, WORLD_TARGET_SIDE, &answer);
		spec.tcp_flags = answer.tcp_flags = reset ? SL_TCP_RST : SL_TCP_FIN | SL_TCP_ACK;
		path_sends(path, &spec, WORLD_CLIENT_SIDE, WORLD_TARGET_SIDE, &packet);
		path_sends(path, &answer, WORLD_TARGET_SIDE, WORLD_CLIENT_SIDE, &packet);
		new_flows = path->tables.listener_counts[path->world.listener[v6][WORLD_SNAT]]
				    .new_flows[SL_L4_TCP];
		spec.tcp_flags = SL_TCP_SYN;
		spec.seq += 100000;
		path_sends(path, &spec, WORLD_CLIENT_SIDE, WORLD_TARGET_SIDE, &packet);
		assert_int_equal(state_of(path, &spec), SL_FLOW_HALF_OPEN);
		assert_int_equal(path->n_records, ended + 1);
		assert_int_equal(path->records[ended].reason,
				 reset ? SL_CLOSE_RST_TARGET : SL_CLOSE_FIN);
		assert_int_equal(path->tables.listener_counts[path->world.listener[v6][WORLD_SNAT]]
					 .new_flows[SL_L4_TCP], new_flows + 1);
		assert_null(world_flaw(&path->world, v6));
	}
}

static void a_syn_on_a_live_flow_changes_nothing(void **state)
{
	struct path *path = *state;
	struct packet_spec spec = world_packet(&path->world, false, SL_TCP, WORLD_SNAT, 1, 5000);
	struct packet_spec answer;
	struct packet packet;
	uint32_t flow = path_establish(path, &spec, WORLD_TARGET_SIDE, &answer);

	spec.tcp_flags = SL_TCP_SYN;
	spec.seq++;
	path_sends(path, &spec, WORLD_CLIENT_SIDE, WORLD_TARGET_SIDE, &packet);
	assert_int_equal(world_flow(&path->world, &spec), flow);
	assert_int_equal(state_of(path, &spec), SL_FLOW_ESTABLISHED);
}

static void a_repeated_syn_finds_its_flow_though_its_target_gets_no_new_ones(void **state)
{
	struct path *path = *state;
	struct packet packet, again;

	for (int v6 = 0; v6 < 2; v6++) {
		struct packet_spec spec = world_packet(&path->world, v6, SL_TCP, WORLD_SNAT, 1,
						       5000);
		uint32_t flow;

		path_sends(path, &spec, WORLD_CLIENT_SIDE, WORLD_TARGET_SIDE, &packet);
		flow = world_flow(&path->world, &spec);
		world_set_target(&path->world, sl_line(&path->tables, v6, 2 * flow)->target,
				 SL_TARGET_IDLE);
		path_sends(path, &spec, WORLD_CLIENT_SIDE, WORLD_TARGET_SIDE, &again);
		assert_int_equal(again.length, packet.length);
		assert_memory_equal(again.data, packet.data, packet.length);
	}
}

static void a_flow_that_its_target_ends_begins_anew_at_another_target(void **state)
{
	struct path *path = *state;
	struct packet packet;

	for (int i = 0; i < 8; i++) {
		bool v6 = i & 1, udp = i & 2;
		struct packet_spec spec = world_packet(&path->world, v6, udp ? SL_UDP : SL_TCP,
						       WORLD_SNAT, 1, (uint16_t)(5000 + i));
		uint32_t ended = path->n_records;
		struct packet_end first;
		uint16_t target;

		path_sends(path, &spec, WORLD_CLIENT_SIDE, WORLD_TARGET_SIDE, &packet);
		first = path_destination(&packet);
		target = sl_line(&path->tables, v6, 2 * world_flow(&path->world, &spec))->target;
		world_set_target(&path->world, target, i & 4 ? SL_TARGET_REMOVED : SL_TARGET_IDLE);
		path->tables.targets[target].ends = udp ? SL_ENDS_UDP : SL_ENDS_TCP;
		path_sends(path, &spec, WORLD_CLIENT_SIDE, WORLD_TARGET_SIDE, &packet);
		assert_memory_not_equal(path_destination(&packet).address, first.address, 16);
		assert_int_equal(path->n_records, ended + 1);
		assert_int_equal(path->records[ended].reason,
				 i & 4 ? SL_CLOSE_RST_LB_DEREG : SL_CLOSE_RST_LB_UNHEALTHY);
		world_set_target(&path->world, target, SL_TARGET_ACTIVE);
		path->tables.targets[target].ends = 0;
	}
}

static void only_the_client_moves_a_udp_flow_that_its_target_ends(void **state)
{
	struct path *path = *state;
	struct packet packet;

	for (int v6 = 0; v6 < 2; v6++) {
		struct packet_spec udp = world_packet(&path->world, v6, SL_UDP, WORLD_SNAT, 1, 5000);
		struct packet_spec tcp = world_packet(&path->world, v6, SL_TCP, WORLD_SNAT, 1, 5000);
		struct packet_spec answer, tcp_answer;
		uint32_t flow, ended = path->n_records;

		path_establish(path, &tcp, WORLD_TARGET_SIDE, &tcp_answer);
		path_sends(path, &udp, WORLD_CLIENT_SIDE, WORLD_TARGET_SIDE, &packet);
		answer = world_answer(&packet);
		flow = world_flow(&path->world, &udp);
		for (uint32_t i = 0; i < path->world.n_targets; i++)
			path->tables.targets[i].ends = SL_ENDS_UDP;
		path_sends(path, &answer, WORLD_TARGET_SIDE, WORLD_CLIENT_SIDE, &packet);
		path_sends(path, &tcp, WORLD_CLIENT_SIDE, WORLD_TARGET_SIDE, &packet);
		path_sends(path, &tcp_answer, WORLD_TARGET_SIDE, WORLD_CLIENT_SIDE, &packet);
		assert_int_equal(world_flow(&path->world, &udp), flow);
		assert_int_equal(path->n_records, ended);
		path_sends(path, &udp, WORLD_CLIENT_SIDE, WORLD_TARGET_SIDE, &packet);
		assert_int_equal(path->n_records, ended + 1);
		for (uint32_t i = 0; i < path->world.n_targets; i++)
			path->tables.targets[i].ends = 0;
	}
}

static void no_flow_ends_because_its_target_gets_no_new_ones(void **state)
{
	static const enum sl_target_state states[] = {SL_TARGET_IDLE, SL_TARGET_REMOVED};
	struct path *path = *state;
	struct packet packet;

	for (int i = 0; i < 4; i++) {
		bool v6 = i & 1;
		struct packet_spec spec = world_packet(&path->world, v6, SL_TCP, WORLD_SNAT, 1,
						       (uint16_t)(5000 + i)), answer;
		uint32_t flow = path_establish(path, &spec, WORLD_TARGET_SIDE, &answer);
		uint16_t target = sl_line(&path->tables, v6, 2 * flow)->target;
		uint32_t ended = path->n_records;

		world_set_target(&path->world, target, states[i / 2]);
		path_sweep(path);
		assert_int_equal(path->n_records, ended);
		path_sends(path, &spec, WORLD_CLIENT_SIDE, WORLD_TARGET_SIDE, &packet);
		assert_int_equal(world_flow(&path->world, &spec), flow);
		world_set_target(&path->world, target, SL_TARGET_ACTIVE);
	}
}

static void a_record_tells_all_of_a_flow(void **state)
{
	struct path *path = *state;
	struct packet packet, from_client, from_target;

	for (int v6 = 0; v6 < 2; v6++) {
		struct packet_spec spec = world_packet(&path->world, v6, SL_UDP, WORLD_SNAT, 7,
						       5000), answer;
		uint64_t start_ns = path->tables.now_ns;
		const struct sl_flow_record *r = &path->records[v6];

		path_sends(path, &spec, WORLD_CLIENT_SIDE, WORLD_TARGET_SIDE, &from_client);
		answer = world_answer(&from_client);
		wait_ticks(path, 1000);
		answer.payload = 300;
		path_sends(path, &answer, WORLD_TARGET_SIDE, WORLD_CLIENT_SIDE, &from_target);
		path_sends(path, &answer, WORLD_TARGET_SIDE, WORLD_CLIENT_SIDE, &packet);
		wait_ticks(path, SL_TICKS_OF_MS(120000) + 7);
		path_sweep(path);
		assert_int_equal(path->n_records, v6 + 1);
		assert_memory_equal(r->client, spec.from.address, 16);
		assert_memory_equal(r->vip, spec.to.address, 16);
		assert_memory_equal(r->nat, path_source(&from_client).address, 16);
		assert_memory_equal(r->target, path_destination(&from_client).address, 16);
		assert_int_equal(ntohs(r->client_port), 5000);
		assert_int_equal(ntohs(r->vip_port), WORLD_SERVICE_PORT(WORLD_SNAT));
		assert_int_equal(ntohs(r->nat_port), path_source(&from_client).port);
		assert_int_equal(ntohs(r->target_port), WORLD_TARGET_PORT);
		assert_int_equal(r->client_packets, 1);
		assert_int_equal(r->client_bytes, from_client.length - 14);
		assert_int_equal(r->target_packets, 2);
		assert_int_equal(r->target_bytes, 2 * (from_target.length - 14));
		assert_int_equal(r->start_ns, start_ns);
		assert_int_equal(r->end_ticks, sl_now_ticks(&path->tables));
		assert_int_equal(r->listener_id, 1000 + path->world.listener[v6][WORLD_SNAT]);
		assert_int_equal(r->group_id, 2000 + path->world.group[v6][WORLD_SNAT]);
		assert_int_equal(r->family, v6 ? 6 : 4);
		assert_int_equal(r->protocol, SL_UDP);
		assert_int_equal(r->reason, SL_CLOSE_IDLE);
		assert_int_equal(r->state, SL_FLOW_UDP);
	}
}

static void a_record_that_finds_no_room_is_counted(void **state)
{
	struct path *path = *state;
	struct packet_spec spec = world_packet(&path->world, false, SL_UDP, WORLD_SNAT, 7, 5000);
	struct packet packet;

	path->tables.flow_ended = NULL; /* no room */
	path_sends(path, &spec, WORLD_CLIENT_SIDE, WORLD_TARGET_SIDE, &packet);
	wait_ticks(path, SL_TICKS_OF_MS(120000));
	path_sweep(path);
	assert_int_equal(world_flow(&path->world, &spec), 0);
	assert_int_equal(path->tables.pools[0].records_lost, 1);
}

/* What is being made or removed is nobody else's to end: its number would be given back twice. */
static void a_flow_is_ended_once(void **state)
{
	static const enum sl_flow_state theirs[] = {SL_FLOW_FREE, SL_FLOW_NEW, SL_FLOW_ENDING};
	struct path *path = *state;
	struct packet_spec spec = world_packet(&path->world, false, SL_UDP, WORLD_SNAT, 7, 5000);
	struct packet packet;
	struct sl_flow_line *line;
	uint32_t flow, control;

	path_sends(path, &spec, WORLD_CLIENT_SIDE, WORLD_TARGET_SIDE, &packet);
	flow = world_flow(&path->world, &spec);
	line = sl_line(&path->tables, false, 2 * flow);
	control = line->control;
	for (int i = 0; i < 3; i++) {
		line->control = SL_CONTROL(SL_CONTROL_VERSION(control), 0, theirs[i]);
		assert_int_equal(sl_flow_end(&path->tables, false, flow, line->control,
					     SL_CLOSE_IDLE), 0);
		assert_int_equal(path->n_records, 0);
	}
	line->control = control;
	assert_int_equal(sl_flow_end(&path->tables, false, flow, control, SL_CLOSE_IDLE), 1);
	assert_int_equal(sl_flow_end(&path->tables, false, flow, control, SL_CLOSE_IDLE), 0);
	assert_int_equal(path->n_records, 1);
	assert_null(world_flaw(&path->world, false));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PATH_TEST(a_handshake_leads_from_half_open_to_established),
		PATH_TEST(an_unanswered_syn_is_forgotten_after_30_seconds),
		PATH_TEST(an_established_flow_idles_as_long_as_its_listener_says),
		PATH_TEST(a_packet_of_either_side_keeps_a_flow_alive),
		PATH_TEST(timers_go_on_when_the_tick_counter_wraps),
		PATH_TEST(fins_of_both_sides_make_a_flow_linger),
		PATH_TEST(a_half_closed_flow_lives_on),
		PATH_TEST(a_rst_ends_a_flow_by_the_name_of_who_sent_it),
		PATH_TEST(a_client_that_goes_on_after_a_rst_keeps_its_flow),
		PATH_TEST(a_new_syn_on_a_closed_flow_begins_a_new_one),
		PATH_TEST(a_syn_on_a_live_flow_changes_nothing),
		PATH_TEST(a_repeated_syn_finds_its_flow_though_its_target_gets_no_new_ones),
		PATH_TEST(a_flow_that_its_target_ends_begins_anew_at_another_target),
		PATH_TEST(only_the_client_moves_a_udp_flow_that_its_target_ends),
		PATH_TEST(no_flow_ends_because_its_target_gets_no_new_ones),
		PATH_TEST(a_record_tells_all_of_a_flow),
		PATH_TEST(a_record_that_finds_no_room_is_counted),
		PATH_TEST(a_flow_is_ended_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
