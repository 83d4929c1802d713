/* SPDX-License-Identifier: BSD-3-Clause */
#define _GNU_SOURCE /* unshare */
#include "next_hops_fixture.h"

#define MANY 65536
#define MANY_NEIGHBOURS 500

static void an_address_on_a_link_gets_resolved_without_traffic(void **state)
{
	struct fixture *fixture = *state;
	static const char *const cases[] = {"10.0.0.2", "fd00::2"};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct next_hop hop = watch(fixture, cases[i]);

		assert_int_equal(hop.ifindex, fixture->near);
		assert_false(hop.resolved);
		assert_false(hop.local);
		wait_for_hop(fixture, cases[i], fixture->near, far_mac);
		assert_true(neighbour_is(cases[i], "managed"));
	}
	assert_int_equal(fixture->n_changes, 2);
}

static void a_known_neighbour_is_there_at_once(void **state)
{
	struct fixture *fixture = *state;
	struct next_hops *second;
	struct in6_addr address = parsed("10.0.0.2");
	struct next_hop hop;

	watch(fixture, "10.0.0.2");
	wait_for_hop(fixture, "10.0.0.2", fixture->near, far_mac);
	assert_int_equal(next_hops_open(note_change, fixture, &second), 0);
	assert_int_equal(next_hops_watch(second, &address, &hop), 0);
	assert_true(hop.resolved);
	assert_memory_equal(hop.mac, far_mac, sizeof(far_mac));
	next_hops_close(second);
}

static void the_last_unwatch_ends_the_management(void **state)
{
	struct fixture *fixture = *state;
	struct in6_addr address = parsed("10.0.0.2");

	watch(fixture, "10.0.0.2");
	watch(fixture, "10.0.0.2");
	wait_for_hop(fixture, "10.0.0.2", fixture->near, far_mac);
	unwatch(fixture, "10.0.0.2");
	assert_true(neighbour_is("10.0.0.2", "managed"));
	unwatch(fixture, "10.0.0.2");
	assert_false(neighbour_is("10.0.0.2", "managed"));
	assert_true(neighbour_is("10.0.0.2", "02:00:00:00:00:02"));
	assert_int_equal(next_hops_unwatch(fixture->next_hops, &address), -ENOENT);
	/* and it can be watched again, also before that event was taken in */
	assert_true(watch(fixture, "10.0.0.2").resolved);
	assert_int_equal(next_hops_process(fixture->next_hops), 0);
	assert_true(neighbour_is("10.0.0.2", "managed"));
}

static void closing_ends_the_management(void **state)
{
	struct fixture *fixture = *state;

	watch(fixture, "10.0.0.2");
	watch(fixture, "fd00::2");
	assert_true(neighbour_is("10.0.0.2", "managed"));
	assert_true(neighbour_is("fd00::2", "managed"));
	next_hops_close(fixture->next_hops);
	fixture->next_hops = NULL;
	assert_false(neighbour_is("10.0.0.2", "managed"));
	assert_false(neighbour_is("fd00::2", "managed"));
}

static void a_permanent_neighbour_is_left_alone(void **state)
{
	struct fixture *fixture = *state;
	static const uint8_t mac[] = {2, 0, 0, 0, 0, 0x99};
	struct next_hop hop;

	run("ip neigh add 10.0.0.9 lladdr 02:00:00:00:00:99 dev near nud permanent");
	assert_int_equal(next_hops_process(fixture->next_hops), 0);
	hop = watch(fixture, "10.0.0.9");
	assert_true(hop.resolved);
	assert_memory_equal(hop.mac, mac, sizeof(mac));
	assert_true(neighbour_is("10.0.0.9", "PERMANENT"));
	assert_false(neighbour_is("10.0.0.9", "managed"));
	unwatch(fixture, "10.0.0.9");
	assert_true(neighbour_is("10.0.0.9", "PERMANENT"));
}

static void a_neighbour_that_is_deleted_is_resolved_again(void **state)
{
	struct fixture *fixture = *state;

	watch(fixture, "10.0.0.2");
	watch(fixture, "fd00::2");
	wait_for_hop(fixture, "10.0.0.2", fixture->near, far_mac);
	wait_for_hop(fixture, "fd00::2", fixture->near, far_mac);
	run("ip neigh del 10.0.0.2 dev near && ip neigh del fd00::2 dev near");
	fixture->n_changes = 0;
	while (fixture->n_changes < 2)
		assert_true(process(fixture, now_s() + WAIT_S));
	wait_for_hop(fixture, "10.0.0.2", fixture->near, far_mac);
	wait_for_hop(fixture, "fd00::2", fixture->near, far_mac);
	assert_true(neighbour_is("10.0.0.2", "managed"));
	assert_true(neighbour_is("fd00::2", "managed"));
}

static void a_neighbour_that_falls_silent_fails_and_comes_back(void **state)
{
	struct fixture *fixture = *state;

	run("echo 2 >/proc/sys/net/ipv4/neigh/near/mcast_solicit");
	watch(fixture, "10.0.0.3");
	wait_for_hop(fixture, "10.0.0.3", fixture->near, far_mac);
	run_far("ip address del 10.0.0.3/24 dev far");
	run("ip neigh change 10.0.0.3 dev near nud failed"); /* what 30 s of silence do */
	wait_for_hop(fixture, "10.0.0.3", fixture->near, NULL);
	run_far("ip address add 10.0.0.3/24 dev far");
	run("ip neigh replace 10.0.0.3 dev near use managed"); /* what a packet does */
	wait_for_hop(fixture, "10.0.0.3", fixture->near, far_mac);
}

static void a_neighbour_with_a_new_mac_is_told(void **state)
{
	struct fixture *fixture = *state;
	static const uint8_t mac[] = {2, 0, 0, 0, 0, 0x77};

	watch(fixture, "10.0.0.2");
	watch(fixture, "192.0.2.1");
	run("ip route add 192.0.2.0/24 via 10.0.0.2");
	wait_for_hop(fixture, "192.0.2.1", fixture->near, far_mac);
	run("ip neigh replace 10.0.0.2 lladdr 02:00:00:00:00:77 dev near nud permanent");
	wait_for_hop(fixture, "10.0.0.2", fixture->near, mac);
	wait_for_hop(fixture, "192.0.2.1", fixture->near, mac);
}

static void a_route_leads_to_its_gateway(void **state)
{
	struct fixture *fixture = *state;

	run("ip route add 192.0.2.0/24 via 10.0.0.2");
	run("ip -6 route add 2001:db8::/32 via fd00::2");
	run("ip route add 198.51.100.0/24 via inet6 fd00::2 dev near");
	watch(fixture, "192.0.2.1");
	watch(fixture, "2001:db8::1");
	watch(fixture, "198.51.100.1");
	wait_for_hop(fixture, "192.0.2.1", fixture->near, far_mac);
	wait_for_hop(fixture, "2001:db8::1", fixture->near, far_mac);
	wait_for_hop(fixture, "198.51.100.1", fixture->near, far_mac);
	/* the gateways are managed, and nothing tries to resolve what lies behind them */
	assert_true(neighbour_is("10.0.0.2", "managed"));
	assert_true(neighbour_is("fd00::2", "managed"));
	assert_false(neighbour_is("192.0.2.1", "dev"));
	assert_false(neighbour_is("198.51.100.1", "dev"));
}

static void a_watch_follows_its_route(void **state)
{
	struct fixture *fixture = *state;
	struct next_hop hop = watch(fixture, "192.0.2.1");

	assert_int_equal(hop.ifindex, 0);
	assert_false(hop.resolved || hop.local);
	run("ip route add default via 10.0.0.2");
	wait_for_hop(fixture, "192.0.2.1", fixture->near, far_mac);
	run("ip route add 192.0.2.0/25 via 10.2.0.2");
	wait_for_hop(fixture, "192.0.2.1", fixture->near2, far2_mac);
	/* what is nobody's gateway any more is not managed any more */
	assert_false(neighbour_is("10.0.0.2", "managed"));
	run("ip route replace 192.0.2.0/25 via 10.0.0.2");
	wait_for_hop(fixture, "192.0.2.1", fixture->near, far_mac);
	run("ip route add unreachable 192.0.2.1/32");
	wait_for_hop(fixture, "192.0.2.1", 0, NULL);
	run("ip route del unreachable 192.0.2.1/32 && ip route add blackhole 192.0.2.0/26");
	fixture->n_changes = 0;
	run("ip route del blackhole 192.0.2.0/26");
	wait_for_hop(fixture, "192.0.2.1", fixture->near, far_mac);
	run("ip route add table 77 default via 10.2.0.2 && ip rule add to 192.0.2.0/24 table 77");
	wait_for_hop(fixture, "192.0.2.1", fixture->near2, far2_mac);
	run("ip rule del to 192.0.2.0/24 table 77");
	wait_for_hop(fixture, "192.0.2.1", fixture->near, far_mac);
}

static void a_route_elsewhere_tells_nothing(void **state)
{
	struct fixture *fixture = *state;

	run("ip route add default via 10.0.0.2");
	watch(fixture, "192.0.2.1");
	watch(fixture, "10.2.0.2");
	wait_for_hop(fixture, "192.0.2.1", fixture->near, far_mac);
	wait_for_hop(fixture, "10.2.0.2", fixture->near2, far2_mac);
	fixture->n_changes = 0;
	run("ip route add 203.0.113.0/24 via 10.2.0.2 && ip route del 203.0.113.0/24");
	run("ip link set near2 promisc on && ip link set near2 promisc off");
	run("ip route add 192.0.2.0/24 via 10.2.0.2"); /* the one that does */
	wait_for_hop(fixture, "192.0.2.1", fixture->near2, far2_mac);
	assert_int_equal(fixture->n_changes, 1);
}

static void an_address_of_this_machine_has_no_next_hop(void **state)
{
	struct fixture *fixture = *state;
	static const char *const cases[] = {"10.0.0.1", "fd00::1", "127.0.0.1"};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct next_hop hop = watch(fixture, cases[i]);

		assert_true(hop.local);
		assert_false(hop.resolved);
		assert_int_equal(hop.ifindex, 0);
	}
	watch(fixture, "10.0.0.2");
	watch(fixture, "fd00::2");
	wait_for_hop(fixture, "10.0.0.2", fixture->near, far_mac);
	wait_for_hop(fixture, "fd00::2", fixture->near, far_mac);
	run("ip address add 10.0.0.2/32 dev near2 && ip address add fd00::2/128 dev near2 nodad");
	wait_for_hop(fixture, "10.0.0.2", 0, NULL);
	wait_for_hop(fixture, "fd00::2", 0, NULL);
	assert_true(told(fixture, "10.0.0.2").local && told(fixture, "fd00::2").local);
	run("ip address del 10.0.0.2/32 dev near2 && ip address del fd00::2/128 dev near2");
	wait_for_hop(fixture, "10.0.0.2", fixture->near, far_mac);
	wait_for_hop(fixture, "fd00::2", fixture->near, far_mac);
}

static void a_link_that_goes_down_gives_way_to_another(void **state)
{
	struct fixture *fixture = *state;

	run("ip route add default via 10.2.0.2 metric 10");
	run("ip route add default via 10.0.0.2 metric 5");
	watch(fixture, "192.0.2.1");
	watch(fixture, "10.0.0.3");
	wait_for_hop(fixture, "192.0.2.1", fixture->near, far_mac);
	wait_for_hop(fixture, "10.0.0.3", fixture->near, far_mac);
	run("ip link set near down");
	wait_for_hop(fixture, "192.0.2.1", fixture->near2, far2_mac);
	wait_for_hop(fixture, "10.0.0.3", fixture->near2, far2_mac); /* so it says */
	run("ip link set near up && ip route add default via 10.0.0.2 metric 5");
	wait_for_hop(fixture, "192.0.2.1", fixture->near, far_mac);
	wait_for_hop(fixture, "10.0.0.3", fixture->near, far_mac);
}

static void a_carrier_that_is_lost_and_found_is_told(void **state)
{
	struct fixture *fixture = *state;

	watch(fixture, "10.0.0.2");
	watch(fixture, "fd00::2");
	wait_for_hop(fixture, "10.0.0.2", fixture->near, far_mac);
	wait_for_hop(fixture, "fd00::2", fixture->near, far_mac);
	run_far("ip link set far down");
	wait_for_hop(fixture, "10.0.0.2", fixture->near, NULL);
	run_far("ip link set far up");
	run_far("ip address replace fd00::2/64 dev far nodad");
	wait_for_hop(fixture, "10.0.0.2", fixture->near, far_mac);
	wait_for_hop(fixture, "fd00::2", fixture->near, far_mac);
}

static void a_link_that_is_removed_is_told(void **state)
{
	struct fixture *fixture = *state;

	watch(fixture, "10.2.0.2");
	wait_for_hop(fixture, "10.2.0.2", fixture->near2, far2_mac);
	run("ip link del near2");
	wait_for_hop(fixture, "10.2.0.2", 0, NULL);
	run("ip link add near2 type veth peer name other2"); /* tear_down() wants one */
}

static unsigned long count_netlink_drops(void)
{
	FILE *file = fopen("/proc/net/netlink", "r");
	unsigned long drops, sum = 0;
	char line[256];

	assert_non_null(file);
	while (fgets(line, sizeof(line), file) != NULL) {
		if (sscanf(line, "%*s %*s %*s %*s %*s %*s %*s %*s %lu", &drops) == 1)
			sum += drops;
	}
	fclose(file);
	return sum;
}

static void lost_events_are_made_up_for(void **state)
{
	struct fixture *fixture = *state;
	time_t until_s = now_s() + WAIT_S;

	run("ip route add 192.0.2.0/24 via 10.0.0.2");
	watch(fixture, "192.0.2.1");
	watch(fixture, "10.0.0.3");
	watch(fixture, "10.2.0.2");
	wait_for_hop(fixture, "192.0.2.1", fixture->near, far_mac);
	wait_for_hop(fixture, "10.0.0.3", fixture->near, far_mac);
	wait_for_hop(fixture, "10.2.0.2", fixture->near2, far2_mac);
	for (unsigned int round = 0; count_netlink_drops() == 0; round++) {
		assert_true(now_s() < until_s);
		run("for i in $(seq 4000); do echo route replace 203.0.113.$((i %% 250))/32 "
		    "via 10.2.0.2 metric $((i + %u)); done | ip -batch -", round * 4000);
	}
	/* none of these events arrives */
	run("ip route replace 192.0.2.0/24 via 10.2.0.2");
	run("ip neigh del 10.0.0.3 dev near");
	wait_for_hop(fixture, "192.0.2.1", fixture->near2, far2_mac);
	wait_for_hop(fixture, "10.0.0.3", fixture->near, far_mac);
	assert_true(neighbour_is("10.0.0.3", "managed"));
	assert_true(told(fixture, "10.2.0.2").resolved);
}

static void many_addresses_behind_one_gateway_move_together(void **state)
{
	struct fixture *fixture = *state;
	time_t until_s = now_s() + 3 * WAIT_S;
	unsigned int n_calls = 0;
	struct next_hop hop;

	run("ip route add default via 10.0.0.2");
	watch(fixture, "10.2.0.2");
	wait_for_hop(fixture, "10.2.0.2", fixture->near2, far2_mac);
	for (uint32_t i = 0; i < MANY; i++) {
		struct in6_addr address = address_from_v4(htonl(0xc6120000 + i)); /* 198.18/15 */

		assert_int_equal(next_hops_watch(fixture->next_hops, &address, &hop), 0);
	}
	wait_for_hop(fixture, "198.18.255.255", fixture->near, far_mac);
	fixture->n_changes = 0;
	run("ip route add 198.18.0.0/15 via 10.2.0.2");
	while (fixture->n_changes < MANY) { /* by slices, not all in one call */
		unsigned int before = fixture->n_changes;

		assert_true(process(fixture, until_s));
		n_calls += fixture->n_changes != before;
	}
	assert_true(n_calls >= MANY / 1024);
	assert_int_equal(fixture->n_changes, MANY);
	wait_for_hop(fixture, "198.18.0.0", fixture->near2, far2_mac);
	wait_for_hop(fixture, "198.18.255.255", fixture->near2, far2_mac);
	assert_false(neighbour_is("10.0.0.2", "managed"));
	for (uint32_t i = 0; i < MANY; i++) {
		struct in6_addr address = address_from_v4(htonl(0xc6120000 + i));

		assert_int_equal(next_hops_unwatch(fixture->next_hops, &address), 0);
	}
	unwatch(fixture, "10.2.0.2");
	assert_false(neighbour_is("10.2.0.2", "managed"));
}

static void many_neighbours_are_resolved(void **state)
{
	struct fixture *fixture = *state;
	time_t until_s = now_s() + WAIT_S;
	struct next_hop hop;

	/* the table's limit is one for all namespaces, and other tests use it as well */
	run_far("ip route add local 10.3.0.0/16 dev lo");
	run("ip route add 10.3.0.0/16 dev near src 10.0.0.1");
	for (uint32_t i = 0; i < MANY_NEIGHBOURS; i++) {
		struct in6_addr address = address_from_v4(htonl(0x0a030100 + i));

		assert_int_equal(next_hops_watch(fixture->next_hops, &address, &hop), 0);
		assert_int_equal(hop.ifindex, fixture->near);
	}
	while (fixture->n_changes < MANY_NEIGHBOURS)
		assert_true(process(fixture, until_s));
	for (uint32_t i = 0; i < MANY_NEIGHBOURS; i++) {
		struct in6_addr address = address_from_v4(htonl(0x0a030100 + i));

		assert_int_equal(next_hops_watch(fixture->next_hops, &address, &hop), 0);
		assert_true(hop.resolved);
	}
}

#define test_of(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_of(an_address_on_a_link_gets_resolved_without_traffic),
		test_of(a_known_neighbour_is_there_at_once),
		test_of(the_last_unwatch_ends_the_management),
		test_of(closing_ends_the_management),
		test_of(a_permanent_neighbour_is_left_alone),
		test_of(a_neighbour_that_is_deleted_is_resolved_again),
		test_of(a_neighbour_that_falls_silent_fails_and_comes_back),
		test_of(a_neighbour_with_a_new_mac_is_told),
		test_of(a_route_leads_to_its_gateway),
		test_of(a_watch_follows_its_route),
		test_of(a_route_elsewhere_tells_nothing),
		test_of(an_address_of_this_machine_has_no_next_hop),
		test_of(a_link_that_goes_down_gives_way_to_another),
		test_of(a_carrier_that_is_lost_and_found_is_told),
		test_of(a_link_that_is_removed_is_told),
		test_of(lost_events_are_made_up_for),
		test_of(many_addresses_behind_one_gateway_move_together),
		test_of(many_neighbours_are_resolved),
	};

	return cmocka_run_group_tests(tests, enter_namespaces, leave_namespaces);
}
