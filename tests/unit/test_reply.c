/* SPDX-License-Identifier: BSD-3-Clause */
/* What the balancer answers itself: TCP RST, "time exceeded", "too big". */
#include "path.h"

static uint32_t get32(const unsigned char *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* The answer goes back where the packet came from, turned round in every respect. */
static void assert_turned(const struct packet *packet, const struct packet_spec *spec)
{
	size_t l3 = packet_l3(packet), bytes = spec->v6 ? 16 : 4, at = l3 + (spec->v6 ? 8 : 12);

	assert_memory_equal(packet->data, spec->from_mac, 6);
	assert_memory_equal(packet->data + 6, spec->to_mac, 6);
	assert_memory_equal(packet->data + at, spec->to.address, bytes);
	assert_memory_equal(packet->data + at + bytes, spec->from.address, bytes);
}

struct rst_case {
	uint8_t flags;
	uint16_t payload;
	uint32_t seq, ack;
	uint8_t want_flags;
	uint32_t want_seq, want_ack;
};

/* RFC 9293 3.10.7.1: with an ACK <SEQ=SEG.ACK><CTL=RST>, else <SEQ=0><ACK=SEG.SEQ+SEG.LEN>
 * <CTL=RST,ACK>; SYN and FIN count in SEG.LEN. */
static const struct rst_case rst_cases[] = {
	{SL_TCP_ACK, 0, 1000, 2000, SL_TCP_RST, 2000, 0},
	{SL_TCP_ACK | SL_TCP_PSH, 100, 1000, 2000, SL_TCP_RST, 2000, 0},
	{SL_TCP_ACK | SL_TCP_FIN, 0, 1000, 0xffffffff, SL_TCP_RST, 0xffffffff, 0},
	{SL_TCP_SYN | SL_TCP_ACK, 0, 1000, 2000, SL_TCP_RST, 2000, 0},
	{0, 0, 1000, 77, SL_TCP_RST | SL_TCP_ACK, 0, 1000},
	{0, 100, 1000, 77, SL_TCP_RST | SL_TCP_ACK, 0, 1100},
	{SL_TCP_FIN, 0, 1000, 77, SL_TCP_RST | SL_TCP_ACK, 0, 1001},
	{SL_TCP_FIN, 101, 0xffffffff, 77, SL_TCP_RST | SL_TCP_ACK, 0, 101},
	{SL_TCP_SYN | SL_TCP_FIN, 0, 1000, 77, SL_TCP_RST | SL_TCP_ACK, 0, 1002},
};

static void assert_rst(struct path *path, const struct packet_spec *spec,
		       const struct rst_case *c)
{
	struct packet packet;
	const unsigned char *tcp;

	path_sends(path, spec, WORLD_CLIENT_SIDE, WORLD_CLIENT_SIDE, &packet);
	assert_turned(&packet, spec);
	assert_end_equal(path_source(&packet), spec->to);
	assert_end_equal(path_destination(&packet), spec->from);
	assert_int_equal(packet.length, 14 + (spec->v6 ? 40 : 20) + 20);
	tcp = packet.data + packet_l4(&packet);
	assert_int_equal(get32(tcp + 4), c->want_seq);
	assert_int_equal(get32(tcp + 8), c->want_ack);
	assert_int_equal(tcp[12], 0x50);
	assert_int_equal(tcp[13], c->want_flags);
	assert_int_equal(get32(tcp + 14) >> 16, 0); /* window */
	assert_int_equal(tcp[18] << 8 | tcp[19], 0);
}

static void a_segment_on_no_flow_gets_the_rst_of_rfc_9293(void **state)
{
	const size_t n = sizeof(rst_cases) / sizeof(rst_cases[0]);
	struct path *path = *state;

	for (size_t i = 0; i < 4 * n; i++) { /* each in both families, bare and with options */
		const struct rst_case *c = &rst_cases[i / 4];
		struct packet_spec spec = world_packet(&path->world, i & 1, SL_TCP, WORLD_SNAT, 1,
						       5000);

		spec.tcp_flags = c->flags;
		spec.seq = c->seq;
		spec.ack = c->ack;
		spec.payload = c->payload;
		spec.tcp_options = i & 2 ? 20 : 0;
		spec.ip_options = i & 2 ? 8 : 0;
		spec.padding = i & 2 ? 3 : 0;
		assert_rst(path, &spec, c);
	}
	for (int v6 = 0; v6 < 2; v6++)
		assert_int_equal(path->tables.listener_counts[path->world.listener[v6][WORLD_SNAT]]
					 .elb_resets, 2 * n);
}

static void a_syn_for_which_there_is_no_target_gets_a_rst(void **state)
{
	static const struct rst_case want = {
		SL_TCP_SYN, 0, 0, 0, SL_TCP_RST | SL_TCP_ACK, 0, 4243};
	struct path *path = *state;

	for (int v6 = 0; v6 < 2; v6++) {
		struct packet_spec spec = world_packet(&path->world, v6, SL_TCP, WORLD_EMPTY, 1, 5);
		const struct sl_listener_counters *l =
			&path->tables.listener_counts[path->world.listener[v6][WORLD_EMPTY]];

		spec.seq = 4242;
		assert_rst(path, &spec, &want);
		assert_int_equal(l->elb_resets, 1);
		assert_int_equal(l->rejected_flows[SL_L4_TCP], 1);
	}
}

static void a_rst_keeps_the_vlan_tag_of_the_segment(void **state)
{
	struct path *path = *state;
	struct packet_spec spec = world_packet(&path->world, false, SL_TCP, WORLD_SNAT, 1, 5000);
	struct packet packet;

	spec.tcp_flags = SL_TCP_ACK;
	spec.vlan[0] = 0x6000 | 100;
	memcpy(spec.to_mac, path->tables.ports[path->world.port[WORLD_VLAN_SIDE]].mac, 6);
	path_sends(path, &spec, WORLD_VLAN_SIDE, WORLD_VLAN_SIDE, &packet);
	assert_int_equal(world_answer(&packet).vlan[0], 0x6000 | 100);
}

static void a_rst_is_never_answered_with_a_rst(void **state)
{
	struct path *path = *state;

	for (int v6 = 0; v6 < 2; v6++) {
		struct packet_spec spec = world_packet(&path->world, v6, SL_TCP, WORLD_SNAT, 1, 5);

		spec.tcp_flags = SL_TCP_RST;
		path_drops(path, &spec, WORLD_CLIENT_SIDE, SL_DROP_RST_UNWANTED);
		spec.tcp_flags = SL_TCP_RST | SL_TCP_ACK;
		path_drops(path, &spec, WORLD_CLIENT_SIDE, SL_DROP_RST_UNWANTED);
		assert_int_equal(path->tables.listener_counts[path->world.listener[v6][WORLD_SNAT]]
					 .elb_resets, 0);
	}
}

static void both_sides_of_a_flow_get_a_rst_once_its_target_ends_it(void **state)
{
	struct path *path = *state;

	for (int v6 = 0; v6 < 2; v6++) {
		struct packet_spec spec = world_packet(&path->world, v6, SL_TCP, WORLD_SNAT, 1,
						       5000), answer;
		struct packet packet;
		uint32_t flow = path_establish(path, &spec, WORLD_TARGET_SIDE, &answer);

		path->tables.targets[sl_line(&path->tables, v6, 2 * flow)->target].ends =
			SL_ENDS_TCP;
		path_sends(path, &spec, WORLD_CLIENT_SIDE, WORLD_CLIENT_SIDE, &packet);
		assert_turned(&packet, &spec);
		assert_int_equal(packet.data[packet_l4(&packet) + 13], SL_TCP_RST);
		path_sends(path, &answer, WORLD_TARGET_SIDE, WORLD_TARGET_SIDE, &packet);
		assert_turned(&packet, &answer);
		assert_int_equal(packet.data[packet_l4(&packet) + 13], SL_TCP_RST);
		spec.tcp_flags = SL_TCP_RST;
		path_drops(path, &spec, WORLD_CLIENT_SIDE, SL_DROP_RST_UNWANTED);
		assert_int_equal(path->tables.listener_counts[path->world.listener[v6][WORLD_SNAT]]
					 .elb_resets, 2);
	}
}

/* --- ICMP errors ---------------------------------------------------------- */

static void assert_icmp(const struct packet *packet, const struct packet_spec *spec,
			uint8_t type, uint8_t code, uint32_t mtu)
{
	const unsigned char *icmp = packet->data + packet_l4(packet);
	struct packet before;
	size_t quoted = packet->length - packet_l4(packet) - 8;

	assert_turned(packet, spec);
	packet_build(&before, spec);
	assert_int_equal(icmp[0], type);
	assert_int_equal(icmp[1], code);
	assert_int_equal(get32(icmp + 4), mtu);
	/* RFC 792: the header and 8 bytes of what follows, as they came; more if there is more */
	assert_true(quoted >= packet_l4(&before) - packet_l3(&before) + 8);
	assert_memory_equal(icmp + 8, before.data + packet_l3(&before), quoted);
}

static void a_packet_at_the_end_of_its_ttl_is_answered_with_time_exceeded(void **state)
{
	struct path *path = *state;
	struct packet packet;

	for (int v6 = 0; v6 < 2; v6++)
		for (uint16_t payload = 0; payload < 300; payload++) {
			struct packet_spec spec = world_packet(&path->world, v6, SL_UDP,
							       WORLD_SNAT, 1, 5000);

			world_wait_ms(&path->world, 2); /* beyond the limit of one tick */
			spec.ttl = 1;
			spec.payload = payload;
			spec.ip_options = payload % 3 ? 8 : 0;
			path_sends(path, &spec, WORLD_CLIENT_SIDE, WORLD_CLIENT_SIDE, &packet);
			assert_icmp(&packet, &spec, v6 ? 3 : 11, 0, 0);
		}
}

static void a_target_gets_time_exceeded_too(void **state)
{
	struct path *path = *state;
	struct packet packet;

	for (int v6 = 0; v6 < 2; v6++) {
		struct packet_spec spec = world_packet(&path->world, v6, SL_TCP, WORLD_TAGGED, 1,
						       5000), answer;

		path_establish(path, &spec, WORLD_VLAN_SIDE, &answer);
		answer.ttl = 1;
		path_sends(path, &answer, WORLD_VLAN_SIDE, WORLD_VLAN_SIDE, &packet);
		assert_icmp(&packet, &answer, v6 ? 3 : 11, 0, 0);
		assert_int_equal(world_answer(&packet).vlan[0], 100);
	}
}

static void icmp_errors_are_limited_and_the_rest_is_counted(void **state)
{
	struct path *path = *state;
	struct packet_spec spec = world_packet(&path->world, false, SL_UDP, WORLD_SNAT, 1, 5000);
	struct packet packet;

	spec.ttl = 1;
	for (int tick = 0; tick < 3; tick++) {
		for (int i = 0; i < SL_REPLY_PER_TICK; i++)
			path_sends(path, &spec, WORLD_CLIENT_SIDE, WORLD_CLIENT_SIDE, &packet);
		path_drops(path, &spec, WORLD_CLIENT_SIDE, SL_DROP_REPLY_LIMIT);
		path_drops(path, &spec, WORLD_CLIENT_SIDE, SL_DROP_REPLY_LIMIT);
		path->tables.now_ns += 1ull << SL_TICK_SHIFT;
	}
}

static void a_packet_too_big_for_the_next_link_is_answered_with_its_mtu(void **state)
{
	struct path *path = *state;
	struct packet packet;

	for (int v6 = 0; v6 < 2; v6++) {
		struct packet_spec spec = world_packet(&path->world, v6, SL_UDP, WORLD_NARROW, 1,
						       5000);
		uint16_t fits = (uint16_t)(WORLD_NARROW_MTU - (v6 ? 40 : 20) - 8);

		spec.dont_fragment = true;
		spec.payload = fits;
		path_sends(path, &spec, WORLD_CLIENT_SIDE, WORLD_NARROW_SIDE, &packet);
		spec.payload++;
		path_sends(path, &spec, WORLD_CLIENT_SIDE, WORLD_CLIENT_SIDE, &packet);
		assert_icmp(&packet, &spec, v6 ? 2 : 3, v6 ? 0 : 4, WORLD_NARROW_MTU);
	}
}

static void a_packet_that_may_be_fragmented_is_the_kernels_to_fragment(void **state)
{
	struct path *path = *state;
	struct packet_spec spec = world_packet(&path->world, false, SL_UDP, WORLD_NARROW, 1, 5000);
	struct packet packet;

	spec.payload = 1400;
	assert_int_equal(world_send(&path->world, &spec, WORLD_CLIENT_SIDE, &packet), SL_PASS);
	assert_null(packet_flaw(packet.data, packet.length));
	assert_true(path_is_snat(path_source(&packet), false));
	assert_int_equal(path_destination(&packet).port, WORLD_TARGET_PORT);
	assert_int_equal(packet.data[14 + 8], 64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PATH_TEST(a_segment_on_no_flow_gets_the_rst_of_rfc_9293),
		PATH_TEST(a_syn_for_which_there_is_no_target_gets_a_rst),
		PATH_TEST(a_rst_keeps_the_vlan_tag_of_the_segment),
		PATH_TEST(a_rst_is_never_answered_with_a_rst),
		PATH_TEST(both_sides_of_a_flow_get_a_rst_once_its_target_ends_it),
		PATH_TEST(a_packet_at_the_end_of_its_ttl_is_answered_with_time_exceeded),
		PATH_TEST(a_target_gets_time_exceeded_too),
		PATH_TEST(icmp_errors_are_limited_and_the_rest_is_counted),
		PATH_TEST(a_packet_too_big_for_the_next_link_is_answered_with_its_mtu),
		PATH_TEST(a_packet_that_may_be_fragmented_is_the_kernels_to_fragment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
