/* SPDX-License-Identifier: BSD-3-Clause */
/* What becomes of packets on their way through: addresses, MACs, tags, counters. */
#include "path.h"

static const uint8_t protocols[] = {SL_TCP, SL_UDP};

static void first_packet_reaches_a_target_from_a_snat_address(void **state)
{
	struct path *path = *state;
	struct packet packet;

	for (int i = 0; i < 4; i++) {
		struct packet_spec spec = world_packet(&path->world, i & 1, protocols[i / 2],
						       WORLD_SNAT, 1, 5000);
		struct packet_end to;
		uint16_t target;

		path_sends(path, &spec, WORLD_CLIENT_SIDE, WORLD_TARGET_SIDE, &packet);
		assert_true(path_is_snat(path_source(&packet), spec.v6));
		assert_int_equal(path_source(&packet).port, 5000); /* it is free towards the target */
		to = path_destination(&packet);
		assert_int_equal(to.port, WORLD_TARGET_PORT);
		for (target = 0; target < WORLD_TARGETS; target++)
			if (memcmp(path->tables.targets[path->world.target[spec.v6][WORLD_SNAT]
								  [target]].address,
				   to.address, 16) == 0)
				break;
		assert_true(target < WORLD_TARGETS);
		/* to the MAC of the target's next hop, from that of the port */
		spec = world_answer(&packet);
		assert_memory_equal(spec.to_mac, path->tables.ports[path->world.port[1]].mac, 6);
		assert_int_equal(spec.from_mac[4], 0x10 + WORLD_SNAT);
		assert_int_equal(spec.from_mac[5], target);
	}
}

static void answers_come_back_from_the_vip_to_the_clients_mac(void **state)
{
	struct path *path = *state;
	struct packet packet;

	for (int i = 0; i < 8; i++) {
		enum world_service service = i & 4 ? WORLD_PRESERVED : WORLD_SNAT;
		struct packet_spec spec = world_packet(&path->world, i & 1, protocols[i / 2 % 2],
						       service, 9, 5000), answer;

		path_sends(path, &spec, WORLD_CLIENT_SIDE, WORLD_TARGET_SIDE, &packet);
		answer = world_answer(&packet);
		path_sends(path, &answer, WORLD_TARGET_SIDE, WORLD_CLIENT_SIDE, &packet);
		assert_end_equal(path_source(&packet), spec.to);
		assert_end_equal(path_destination(&packet), spec.from);
		assert_memory_equal(packet.data, spec.from_mac, 6);
		assert_memory_equal(packet.data + 6, spec.to_mac, 6);
	}
}

static void preserved_flows_keep_the_clients_address_and_port(void **state)
{
	struct path *path = *state;
	struct packet packet;

	for (int i = 0; i < 4; i++) {
		struct packet_spec spec = world_packet(&path->world, i & 1, protocols[i / 2],
						       WORLD_PRESERVED, 1, 6000);

		path_sends(path, &spec, WORLD_CLIENT_SIDE, WORLD_TARGET_SIDE, &packet);
		assert_end_equal(path_source(&packet), spec.from);
		assert_int_equal(path_destination(&packet).port, WORLD_TARGET_PORT);
	}
}

/* RFC 1812 5.3.1, RFC 2474, RFC 3168: a router takes one from the TTL and leaves DSCP and ECN. */
static void nothing_else_of_a_packet_changes(void **state)
{
	struct path *path = *state;
	struct packet packet, before;

	for (int i = 0; i < 8; i++) {
		struct packet_spec spec = world_packet(&path->world, i & 1, protocols[i / 2 % 2],
						       WORLD_SNAT, 3, 6001);
		size_t l4, l3 = 14;

		spec.tos = 0xb9; /* expedited forwarding, ECT(1) */
		spec.ttl = 2;
		spec.id = 4711;
		spec.ip_options = i & 4 ? 8 : 0;
		spec.tcp_options = spec.protocol == SL_TCP ? 12 : 0;
		spec.payload = 701;
		packet_build(&before, &spec);
		path_sends(path, &spec, WORLD_CLIENT_SIDE, WORLD_TARGET_SIDE, &packet);
		assert_int_equal(packet.length, before.length);
		l4 = packet_l4(&packet);
		if (spec.v6) {
			assert_memory_equal(packet.data + l3, before.data + l3, 7);
			assert_int_equal(packet.data[l3 + 7], 1);
			assert_memory_equal(packet.data + l3 + 40, before.data + l3 + 40, l4 - 54);
		} else {
			assert_memory_equal(packet.data + l3, before.data + l3, 8);
			assert_int_equal(packet.data[l3 + 8], 1);
			assert_memory_equal(packet.data + l3 + 20, before.data + l3 + 20, l4 - 34);
		}
		if (spec.protocol == SL_TCP) {
			assert_memory_equal(packet.data + l4 + 4, before.data + l4 + 4, 12);
			l4 += 10;
		} else {
			assert_memory_equal(packet.data + l4 + 4, before.data + l4 + 4, 2);
		}
		assert_memory_equal(packet.data + l4 + 8, before.data + l4 + 8,
				    packet.length - l4 - 8);
	}
}

static void udp_without_a_checksum_stays_without(void **state)
{
	struct path *path = *state;
	struct packet_spec spec = world_packet(&path->world, false, SL_UDP, WORLD_SNAT, 1, 5000);
	struct packet packet;

	spec.no_checksum = true;
	path_sends(path, &spec, WORLD_CLIENT_SIDE, WORLD_TARGET_SIDE, &packet);
	assert_int_equal(packet.data[14 + 20 + 6], 0);
	assert_int_equal(packet.data[14 + 20 + 7], 0);
}

static void counts_packets_bytes_and_flows_exactly(void **state)
{
	struct path *path = *state;
	struct packet packet;

	for (int i = 0; i < 4; i++) {
		bool v6 = i & 1;
		enum sl_l4 l4 = i / 2;
		struct packet_spec spec = world_packet(&path->world, v6, protocols[l4],
						       WORLD_SNAT, 1, 5000), answer;
		const struct sl_listener_counters *l =
			&path->tables.listener_counts[path->world.listener[v6][WORLD_SNAT]];
		const struct sl_target_counters *t;
		uint64_t bytes = 0;

		for (int n = 0; n < 10; n++) {
			spec.payload = (uint16_t)(100 * n);
			path_sends(path, &spec, WORLD_CLIENT_SIDE, WORLD_TARGET_SIDE, &packet);
			bytes += packet.length - 14;
		}
		answer = world_answer(&packet);
		path_sends(path, &answer, WORLD_TARGET_SIDE, WORLD_CLIENT_SIDE, &packet);
		bytes += packet.length - 14;
		t = &path->tables.target_counts[sl_line(&path->tables, v6,
							2 * world_flow(&path->world, &spec))
							->target];
		assert_int_equal(l->packets[l4], 11);
		assert_int_equal(l->bytes[l4], bytes);
		assert_int_equal(l->new_flows[l4], 1);
		assert_int_equal(l->ended_flows[l4], 0);
		assert_int_equal(t->new_flows[l4], 1);
		assert_true(t->packets >= 11 && t->bytes >= bytes);
	}
}

static void frames_to_another_mac_are_the_kernels(void **state)
{
	struct path *path = *state;
	struct packet_spec spec = world_packet(&path->world, false, SL_TCP, WORLD_SNAT, 1, 5000);

	for (int bit = 0; bit < 48; bit++) {
		spec.to_mac[bit / 8] ^= (uint8_t)(1 << bit % 8);
		path_passes(path, &spec, WORLD_CLIENT_SIDE);
		spec.to_mac[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	path_passes(path, &spec, WORLD_TARGET_SIDE); /* our MAC, but of the other interface */
}

static void what_is_not_ours_is_the_kernels(void **state)
{
	struct path *path = *state;

	for (int i = 0; i < 4; i++) {
		struct packet_spec spec = world_packet(&path->world, i & 1, protocols[i / 2],
						       WORLD_SNAT, 1, 5000);

		spec.to.port = 999; /* no listener */
		path_passes(path, &spec, WORLD_CLIENT_SIDE);
		spec.to = packet_end(spec.v6 ? "2001:db8:1::11" : "192.0.2.11",
				     WORLD_SERVICE_PORT(WORLD_SNAT));
		path_passes(path, &spec, WORLD_CLIENT_SIDE);
		spec.protocol = 132; /* SCTP */
		path_passes(path, &spec, WORLD_CLIENT_SIDE);
	}
}

static void broken_packets_are_counted_if_ours_and_the_kernels_if_not(void **state)
{
	struct path *path = *state;
	struct packet packet;

	for (int ours = 0; ours < 2; ours++)
		for (int v6 = 0; v6 < 2; v6++) {
			struct packet_spec spec = world_packet(&path->world, v6, SL_TCP,
							       WORLD_SNAT, 1, 5000);

			if (!ours)
				spec.to = packet_end(v6 ? "2001:db8:9::1" : "203.0.113.9", 80);
			packet_build(&packet, &spec);
			packet.data[packet_l4(&packet) + 12] = 0x40;
			assert_int_equal(world_receive(&path->world, &packet, 1),
					 ours ? SL_DROP : SL_PASS);
			packet_build(&packet, &spec);
			if (v6)
				packet.data[14 + 5] = 19;
			else
				packet.data[14 + 3] = 39;
			assert_int_equal(world_receive(&path->world, &packet, 1),
					 ours ? SL_DROP : SL_PASS);
		}
	assert_int_equal(world_drops(&path->world, SL_DROP_MALFORMED), 2);
	assert_int_equal(world_drops(&path->world, SL_DROP_TRUNCATED), 2);
}

static void tags_are_those_of_the_port_a_packet_leaves_by(void **state)
{
	static const struct {
		enum world_service service;
		enum world_port side;
		size_t tags;
		unsigned char want[10];
	} cases[] = {
		{WORLD_TAGGED, WORLD_VLAN_SIDE, 1, {0x81, 0, 0, 100}},
		{WORLD_DOUBLE_TAGGED, WORLD_QINQ_SIDE, 2, {0x88, 0xa8, 0, 10, 0x81, 0, 0, 20}},
	};
	struct path *path = *state;
	struct packet packet;

	for (size_t i = 0; i < 2; i++)
		for (int v6 = 0; v6 < 2; v6++) {
			struct packet_spec spec = world_packet(&path->world, v6, SL_UDP,
							       cases[i].service, 1, 5000), answer;

			path_sends(path, &spec, WORLD_CLIENT_SIDE, cases[i].side, &packet);
			assert_int_equal(packet_l3(&packet), 14 + 4 * cases[i].tags);
			assert_memory_equal(packet.data + 12, cases[i].want, 4 * cases[i].tags);
			answer = world_answer(&packet);
			path_sends(path, &answer, cases[i].side, WORLD_CLIENT_SIDE, &packet);
			assert_int_equal(packet_l3(&packet), 14);
			assert_int_equal(packet.data[12] << 8 | packet.data[13],
					 v6 ? SL_ETHERTYPE_IPV6 : SL_ETHERTYPE_IPV4);
		}
}

/* Client behind one VLAN, target behind another or two; the priority goes along. */
static void tags_are_exchanged_between_ports_of_different_vlans(void **state)
{
	struct path *path = *state;
	struct packet packet;

	for (enum world_service service = WORLD_TAGGED; service <= WORLD_DOUBLE_TAGGED; service++) {
		enum world_port side = service == WORLD_TAGGED ? WORLD_VLAN_SIDE : WORLD_QINQ_SIDE;
		enum world_port from = service == WORLD_TAGGED ? WORLD_QINQ_SIDE : WORLD_VLAN_SIDE;
		struct packet_spec spec = world_packet(&path->world, false, SL_UDP, service, 1,
						       5000), answer;

		spec.vlan[0] = 0xa000 | (from == WORLD_QINQ_SIDE ? 10 : 100);
		spec.vlan[1] = from == WORLD_QINQ_SIDE ? 20 : 0;
		memcpy(spec.to_mac, path->tables.ports[path->world.port[from]].mac, 6);
		path_sends(path, &spec, from, side, &packet);
		answer = world_answer(&packet);
		assert_int_equal(answer.vlan[0], 0xa000 | (side == WORLD_QINQ_SIDE ? 10 : 100));
		assert_int_equal(answer.vlan[1], side == WORLD_QINQ_SIDE ? 0xa000 | 20 : 0);
		path_sends(path, &answer, side, from, &packet);
		answer = world_answer(&packet);
		assert_int_equal(answer.vlan[0], spec.vlan[0]);
	}
}

static void the_way_back_follows_the_client_to_another_mac_and_port(void **state)
{
	struct path *path = *state;
	struct packet packet;

	for (int v6 = 0; v6 < 2; v6++) {
		struct packet_spec spec = world_packet(&path->world, v6, SL_TCP, WORLD_SNAT, 1,
						       5000), answer;

		path_establish(path, &spec, WORLD_TARGET_SIDE, &answer);
		spec.from_mac[3] = 0x99; /* a router took over */
		path_sends(path, &spec, WORLD_CLIENT_SIDE, WORLD_TARGET_SIDE, &packet);
		path_sends(path, &answer, WORLD_TARGET_SIDE, WORLD_CLIENT_SIDE, &packet);
		assert_memory_equal(packet.data, spec.from_mac, 6);
		/* and one on the other side of the balancer */
		memcpy(spec.to_mac, path->tables.ports[path->world.port[WORLD_NARROW_SIDE]].mac, 6);
		path_sends(path, &spec, WORLD_NARROW_SIDE, WORLD_TARGET_SIDE, &packet);
		path_sends(path, &answer, WORLD_TARGET_SIDE, WORLD_NARROW_SIDE, &packet);
		assert_memory_equal(packet.data, spec.from_mac, 6);
	}
}

static void an_unresolved_next_hop_sends_the_rewritten_packet_through_the_kernel(void **state)
{
	struct path *path = *state;
	struct packet packet;

	for (int v6 = 0; v6 < 2; v6++) {
		struct packet_spec spec = world_packet(&path->world, v6, SL_TCP, WORLD_UNRESOLVED,
						       1, 5000);
		uint16_t number = path->world.target[v6][WORLD_UNRESOLVED][0];
		struct packet_end nat, target;

		assert_int_equal(world_send(&path->world, &spec, WORLD_CLIENT_SIDE, &packet),
				 SL_PASS);
		assert_null(packet_flaw(packet.data, packet.length));
		nat = path_source(&packet);
		target = path_destination(&packet);
		assert_true(path_is_snat(nat, v6));
		assert_memory_equal(target.address, path->tables.targets[number].address, 16);
		assert_int_equal(packet.data[14 + (v6 ? 7 : 8)], 64); /* the kernel counts the hop */
		path->tables.targets[number].next_hop =
			world_hop(path->world.port[WORLD_TARGET_SIDE], world_mac(1, 2));
		path_sends(path, &spec, WORLD_CLIENT_SIDE, WORLD_TARGET_SIDE, &packet);
		assert_end_equal(path_source(&packet), nat);
		assert_end_equal(path_destination(&packet), target);
	}
}

static void a_port_that_is_down_drops(void **state)
{
	struct path *path = *state;
	struct packet_spec spec = world_packet(&path->world, false, SL_TCP, WORLD_SNAT, 1, 5000);

	path->tables.ports[path->world.port[WORLD_TARGET_SIDE]].up = 0;
	path_drops(path, &spec, WORLD_CLIENT_SIDE, SL_DROP_PORT_DOWN);
}

static void flows_outlive_their_listener(void **state)
{
	struct path *path = *state;
	struct packet_spec spec = world_packet(&path->world, false, SL_TCP, WORLD_SNAT, 1, 5000);
	struct packet_spec answer, other = spec;
	struct packet packet;

	path_establish(path, &spec, WORLD_TARGET_SIDE, &answer);
	world_remove_vip(&path->world, &spec.to, SL_TCP);
	path_sends(path, &spec, WORLD_CLIENT_SIDE, WORLD_TARGET_SIDE, &packet);
	path_sends(path, &answer, WORLD_TARGET_SIDE, WORLD_CLIENT_SIDE, &packet);
	other.from.port++;
	other.tcp_flags = SL_TCP_SYN;
	path_passes(path, &other, WORLD_CLIENT_SIDE);
}

static void a_group_without_targets_refuses(void **state)
{
	struct path *path = *state;

	for (int v6 = 0; v6 < 2; v6++) {
		struct packet_spec spec = world_packet(&path->world, v6, SL_UDP, WORLD_EMPTY, 1, 1);
		const struct sl_listener_counters *l =
			&path->tables.listener_counts[path->world.listener[v6][WORLD_EMPTY]];

		path_drops(path, &spec, WORLD_CLIENT_SIDE, SL_DROP_NO_TARGET);
		assert_int_equal(l->rejected_flows[SL_L4_UDP], 1);
		assert_int_equal(l->new_flows[SL_L4_UDP], 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PATH_TEST(first_packet_reaches_a_target_from_a_snat_address),
		PATH_TEST(answers_come_back_from_the_vip_to_the_clients_mac),
		PATH_TEST(preserved_flows_keep_the_clients_address_and_port),
		PATH_TEST(nothing_else_of_a_packet_changes),
		PATH_TEST(udp_without_a_checksum_stays_without),
		PATH_TEST(counts_packets_bytes_and_flows_exactly),
		PATH_TEST(frames_to_another_mac_are_the_kernels),
		PATH_TEST(what_is_not_ours_is_the_kernels),
		PATH_TEST(broken_packets_are_counted_if_ours_and_the_kernels_if_not),
		PATH_TEST(tags_are_those_of_the_port_a_packet_leaves_by),
		PATH_TEST(tags_are_exchanged_between_ports_of_different_vlans),
		PATH_TEST(the_way_back_follows_the_client_to_another_mac_and_port),
		PATH_TEST(an_unresolved_next_hop_sends_the_rewritten_packet_through_the_kernel),
		PATH_TEST(a_port_that_is_down_drops),
		PATH_TEST(flows_outlive_their_listener),
		PATH_TEST(a_group_without_targets_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
