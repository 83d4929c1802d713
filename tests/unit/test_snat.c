/* SPDX-License-Identifier: BSD-3-Clause */
/* SNAT ports: which are taken, when they are free, and flows that need them. */
#include "path.h"

#define PORTS 64512u /* 1024 … 65535 */

/* Number of a SNAT address and port among those of zone 0. */
static uint32_t place_of(const struct path *path, struct packet_end nat)
{
	assert_true(nat.port >= 1024);
	for (uint32_t i = 0; i < path->tables.zones[0].n_snat4; i++)
		if (path->tables.zones[0].snat4[i] == nat.address[0])
			return i * PORTS + nat.port - 1024;
	fail_msg("no SNAT address");
	return 0;
}

static struct packet_spec numbered(struct path *path, uint32_t number)
{
	return world_packet(&path->world, false, SL_TCP, WORLD_TAGGED, 1 + number / 60000,
			    (uint16_t)(1024 + number % 60000));
}

/* One target and so many flows to it as there are ports. Returns how many SYNs it took. */
static uint32_t exhaust(struct path *path, uint32_t all, uint8_t *taken)
{
	struct packet packet;
	uint32_t flows = 0, syns = 0;

	while (flows < all) {
		struct packet_spec spec = numbered(path, syns++);
		int verdict = world_send(&path->world, &spec, WORLD_CLIENT_SIDE, &packet);
		uint32_t place;

		/* a search that gave up goes on where it stopped, so this ends */
		assert_true(syns < all + 4 * all / SL_SNAT_TRIES + 1000);
		if (SL_VERDICT(verdict) == SL_DROP)
			continue;
		assert_int_equal(SL_VERDICT(verdict), SL_SEND);
		place = place_of(path, path_source(&packet));
		assert_int_equal(taken[place]++, 0); /* no port twice */
		flows++;
	}
	return syns;
}

static void every_port_of_every_address_serves_one_flow_to_a_target(void **state)
{
	struct path *path = calloc(1, sizeof(*path));
	uint8_t *taken = calloc(2, PORTS);

	(void)state;
	assert_non_null(path);
	for (uint32_t addresses = 1; addresses <= 2; addresses++) {
		const struct sl_listener_counters *l;
		uint32_t syns, refused;
		struct packet packet;

		world_make(&path->world, &path->tables, 140000);
		path->tables.zones[0].n_snat4 = addresses;
		l = &path->tables.listener_counts[path->world.listener[0][WORLD_TAGGED]];
		memset(taken, 0, 2 * PORTS);
		syns = exhaust(path, addresses * PORTS, taken);
		refused = syns - addresses * PORTS;
		assert_int_equal(l->new_flows[SL_L4_TCP], addresses * PORTS);
		/* none left: refused and counted, and nobody else notices */
		for (uint32_t i = 0; i < 1000; i++) {
			struct packet_spec spec = numbered(path, syns + i);

			path_drops(path, &spec, WORLD_CLIENT_SIDE, SL_DROP_PORT_ALLOCATION);
		}
		assert_int_equal(l->port_allocation_errors, refused + 1000);
		assert_int_equal(l->rejected_flows[SL_L4_TCP], 0);
		assert_int_equal(l->ended_flows[SL_L4_TCP], 0);
		/* the same ports serve another target, and another protocol */
		for (uint32_t i = 0; i < 1000; i++) {
			struct packet_spec spec = world_packet(&path->world, false,
							       i & 1 ? SL_TCP : SL_UDP,
							       i & 1 ? WORLD_DOUBLE_TAGGED :
								       WORLD_TAGGED,
							       9, (uint16_t)(5000 + i));

			path_sends(path, &spec, WORLD_CLIENT_SIDE,
				   i & 1 ? WORLD_QINQ_SIDE : WORLD_VLAN_SIDE, &packet);
		}
		assert_null(world_flaw(&path->world, false));
		tables_free(&path->tables);
	}
	free(taken);
	free(path);
}

static void a_port_is_free_again_when_its_flow_has_lingered(void **state)
{
	struct path *path = *state;
	struct packet packet;

	for (int v6 = 0; v6 < 2; v6++) {
		struct packet_spec spec = world_packet(&path->world, v6, SL_TCP, WORLD_TAGGED, 1,
						       5000), answer, other;
		struct packet_end nat;

		path->tables.config->snat_port_min = path->tables.config->snat_port_max = 2000;
		path->tables.zones[0].n_snat4 = path->tables.zones[0].n_snat6 = 1;
		other = world_packet(&path->world, v6, SL_TCP, WORLD_TAGGED, 2, 5000);
		path_establish(path, &spec, WORLD_VLAN_SIDE, &answer);
		nat = answer.to;
		assert_int_equal(nat.port, 2000);
		path_drops(path, &other, WORLD_CLIENT_SIDE, SL_DROP_PORT_ALLOCATION);
		spec.tcp_flags = answer.tcp_flags = SL_TCP_FIN | SL_TCP_ACK;
		path_sends(path, &spec, WORLD_CLIENT_SIDE, WORLD_VLAN_SIDE, &packet);
		path_sends(path, &answer, WORLD_VLAN_SIDE, WORLD_CLIENT_SIDE, &packet);
		path_drops(path, &other, WORLD_CLIENT_SIDE, SL_DROP_PORT_ALLOCATION);
		path->tables.now_ns += (uint64_t)(SL_LINGER_TICKS - 1) << SL_TICK_SHIFT;
		path_drops(path, &other, WORLD_CLIENT_SIDE, SL_DROP_PORT_ALLOCATION);
		path->tables.now_ns += 1ull << SL_TICK_SHIFT;
		/* no sweep is needed */
		path_sends(path, &other, WORLD_CLIENT_SIDE, WORLD_VLAN_SIDE, &packet);
		assert_end_equal(path_source(&packet), nat);
		assert_int_equal(world_flow(&path->world, &spec), 0);
		assert_null(world_flaw(&path->world, v6));
	}
}

static void a_client_keeps_its_port_where_it_is_free(void **state)
{
	struct path *path = *state;
	struct packet packet;

	for (uint32_t port = 3000; port > 0; port -= 6) {
		struct packet_spec spec = world_packet(&path->world, false, SL_TCP, WORLD_TAGGED,
						       1, (uint16_t)port);

		path_sends(path, &spec, WORLD_CLIENT_SIDE, WORLD_VLAN_SIDE, &packet);
		if (port >= 1024)
			assert_int_equal(path_source(&packet).port, port);
		else
			assert_true(path_source(&packet).port >= 1024);
	}
}

/* A target that comes back in another slot still has the old one's ports in TIME_WAIT. */
static void targets_begin_at_ports_far_apart(void **state)
{
	static const int sides[2] = {WORLD_VLAN_SIDE, WORLD_QINQ_SIDE};
	struct path *path = *state;
	uint32_t first[2], apart;

	for (int i = 0; i < 2; i++) {
		struct packet_spec spec = world_packet(&path->world, false, SL_TCP,
						       i == 0 ? WORLD_TAGGED : WORLD_DOUBLE_TAGGED,
						       1, 1023); /* a port that no SNAT has */
		struct packet packet;

		path_sends(path, &spec, WORLD_CLIENT_SIDE, sides[i], &packet);
		first[i] = path_source(&packet).port;
	}
	apart = first[0] > first[1] ? first[0] - first[1] : first[1] - first[0];
	assert_in_range(apart, 1000, PORTS - 1000);
}

static void several_addresses_share_the_flows(void **state)
{
	struct path *path = *state;
	uint32_t flows[2] = {0, 0};
	struct packet packet;

	for (uint32_t i = 0; i < 1000; i++) {
		/* all want one port: the search must use both addresses alike */
		struct packet_spec spec = world_packet(&path->world, false, SL_UDP, WORLD_TAGGED,
						       1 + i, 5000);

		path_sends(path, &spec, WORLD_CLIENT_SIDE, WORLD_VLAN_SIDE, &packet);
		flows[place_of(path, path_source(&packet)) / PORTS]++;
	}
	assert_in_range(flows[0], 450, 550);
}

static void without_a_snat_address_only_preserved_flows_begin(void **state)
{
	struct path *path = *state;
	struct packet packet;

	path->tables.zones[0].n_snat4 = path->tables.zones[0].n_snat6 = 0;
	for (int v6 = 0; v6 < 2; v6++) {
		struct packet_spec spec = world_packet(&path->world, v6, SL_TCP, WORLD_SNAT, 1,
						       5000);

		path_drops(path, &spec, WORLD_CLIENT_SIDE, SL_DROP_NO_SNAT_ADDRESS);
		assert_int_equal(path->tables.listener_counts[path->world.listener[v6][WORLD_SNAT]]
					 .port_allocation_errors, 1);
		spec = world_packet(&path->world, v6, SL_TCP, WORLD_PRESERVED, 1, 5000);
		path_sends(path, &spec, WORLD_CLIENT_SIDE, WORLD_TARGET_SIDE, &packet);
		assert_null(world_flaw(&path->world, v6));
	}
}

/* Reference 5.8: NLB lets such a connection time out. */
static void a_target_that_is_its_own_client_is_snated_though_preserved(void **state)
{
	struct path *path = *state;
	struct packet packet;

	for (int i = 0; i < 4; i++) {
		bool v6 = i & 1;
		struct packet_spec spec = world_packet(&path->world, v6, i & 2 ? SL_TCP : SL_UDP,
						       WORLD_PRESERVED, 1, 0), answer;
		uint32_t hairpins = 0;

		memcpy(spec.to_mac, path->tables.ports[path->world.port[WORLD_TARGET_SIDE]].mac, 6);
		for (uint16_t port = 30000; port < 30060; port++) {
			uint16_t first = path->world.target[v6][WORLD_PRESERVED][0];

			spec.from.port = port;
			memcpy(spec.from.address, path->tables.targets[first].address, 16);
			path_sends(path, &spec, WORLD_TARGET_SIDE, WORLD_TARGET_SIDE, &packet);
			if (memcmp(path_destination(&packet).address, spec.from.address, 16) != 0) {
				assert_end_equal(path_source(&packet), spec.from);
				continue; /* another target: nothing special */
			}
			assert_true(path_is_snat(path_source(&packet), v6));
			answer = world_answer(&packet);
			path_sends(path, &answer, WORLD_TARGET_SIDE, WORLD_TARGET_SIDE, &packet);
			assert_end_equal(path_source(&packet), spec.to);
			assert_end_equal(path_destination(&packet), spec.from);
			hairpins++;
		}
		assert_in_range(hairpins, 5, 40);
	}
}

/* A client talks to one target from one port by two VIPs: the second flow is SNATed. */
static void a_preserved_flow_that_would_collide_is_snated(void **state)
{
	struct path *path = *state;
	struct packet packet;

	for (int v6 = 0; v6 < 2; v6++) {
		struct packet_spec one = world_packet(&path->world, v6, SL_UDP, WORLD_PRESERVED, 1,
						      5000), two = one, answer;
		uint16_t listener = path->world.listener[v6][WORLD_PRESERVED];

		for (int i = 1; i < WORLD_TARGETS; i++) /* one target alone */
			world_set_target(&path->world,
					 path->world.target[v6][WORLD_PRESERVED][i],
					 SL_TARGET_IDLE);
		two.to.port = 4444;
		world_add_vip(&path->world, SL_VIP_LISTENER, &two.to, SL_UDP, listener, 0);
		path_sends(path, &one, WORLD_CLIENT_SIDE, WORLD_TARGET_SIDE, &packet);
		assert_end_equal(path_source(&packet), one.from);
		path_sends(path, &two, WORLD_CLIENT_SIDE, WORLD_TARGET_SIDE, &packet);
		assert_true(path_is_snat(path_source(&packet), v6));
		answer = world_answer(&packet);
		path_sends(path, &answer, WORLD_TARGET_SIDE, WORLD_CLIENT_SIDE, &packet);
		assert_end_equal(path_source(&packet), two.to);
		assert_end_equal(path_destination(&packet), two.from);
		assert_null(world_flaw(&path->world, v6));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_port_of_every_address_serves_one_flow_to_a_target),
		PATH_TEST(a_port_is_free_again_when_its_flow_has_lingered),
		PATH_TEST(a_client_keeps_its_port_where_it_is_free),
		PATH_TEST(targets_begin_at_ports_far_apart),
		PATH_TEST(several_addresses_share_the_flows),
		PATH_TEST(without_a_snat_address_only_preserved_flows_begin),
		PATH_TEST(a_target_that_is_its_own_client_is_snated_though_preserved),
		PATH_TEST(a_preserved_flow_that_would_collide_is_snated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
