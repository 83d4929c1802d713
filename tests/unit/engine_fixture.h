/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Engine fixture: an engine on tables in plain memory, over which packets of
 * the tests run through the native packet path. Include last: cmocka's header
 * has needs.
 */
#ifndef SLUICE_TESTS_ENGINE_FIXTURE_H
#define SLUICE_TESTS_ENGINE_FIXTURE_H

#include "dataplane/engine_internal.h"
#include "world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WEB 11
#define WEB6 12
#define GROUP 21
#define GROUP6 22
#define IFINDEX 3
#define MANY 300u /* flows of each family, at most */

static const uint8_t port_mac[SL_MAC_BYTES] = {2, 0, 0, 0, 0, 1};

struct fixture {
	struct engine *engine;
	struct sl_tables path; /* the packet path's view */
};

static inline struct engine_config settings(void)
{
	struct engine_config config = {
		.kind = ENGINE_MEMORY,
		.n_zones = 2,
		.max_flows = 1024,
		.max_flows_ipv6 = 1024,
		.max_targets = 16,
		.snat_port_min = 1024,
		.snat_port_max = 65535,
	};

	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(address_parse("10.1.0.1", &config.zones[i].snat[0]), 0);
		assert_int_equal(address_parse("fd00:1::1", &config.zones[i].snat[1]), 0);
		config.zones[i].n_snat = 2;
		config.zones[i].snat[0].s6_addr[15] = (uint8_t)(i + 1);
		config.zones[i].snat[1].s6_addr[15] = (uint8_t)(i + 1);
	}
	return config;
}

static inline struct in6_addr address(const char *text)
{
	struct in6_addr parsed;

	assert_int_equal(address_parse(text, &parsed), 0);
	return parsed;
}

static inline void put_target(struct engine *engine, uint64_t group, const char *where)
{
	const struct engine_target target = {.address = address(where), .port = 8080, .zones = 3};

	assert_int_equal(engine_target_put(engine, group, &target), 0);
}

static inline struct engine_listener listener_to(uint64_t group, const char *vip)
{
	return (struct engine_listener){
		.vips[0] = {.address = address(vip)},
		.n_vips = 1,
		.port = 80,
		.tcp = true,
		.udp = true,
		.tcp_idle_timeout_s = 350,
		.udp_idle_timeout_s = 120,
		.groups[0] = {group, 1},
		.n_groups = 1,
	};
}

/* One group of two targets and one listener for each family. */
static inline void put_model(struct engine *engine)
{
	const struct engine_group group = {.zones = 3};
	const struct engine_vip vip4 = {.address = address("192.0.2.1")};
	const struct engine_vip vip6 = {.address = address("2001:db8::1")};
	struct engine_listener listener;

	assert_int_equal(engine_vip_put(engine, &vip4), 0);
	assert_int_equal(engine_vip_put(engine, &vip6), 0);
	assert_int_equal(engine_group_put(engine, GROUP, &group), 0);
	assert_int_equal(engine_group_put(engine, GROUP6, &group), 0);
	put_target(engine, GROUP, "10.0.0.1");
	put_target(engine, GROUP, "10.0.0.2");
	put_target(engine, GROUP6, "fd00::1");
	put_target(engine, GROUP6, "fd00::2");
	listener = listener_to(GROUP, "192.0.2.1");
	assert_int_equal(engine_listener_put(engine, WEB, &listener), 0);
	listener = listener_to(GROUP6, "2001:db8::1");
	assert_int_equal(engine_listener_put(engine, WEB6, &listener), 0);
}

static inline int setup_empty(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	const struct engine_config config = settings();
	const struct engine_events events = {};
	char error[ENGINE_ERROR_MAX];
	struct sl_port *port;

	if (fixture == NULL || engine_open(&config, &events, &fixture->engine, error) != 0)
		return -1;
	fixture->path = fixture->engine->tables;
	fixture->path.now_ns = engine_now_ns();
	port = &fixture->path.ports[sl_port_home(IFINDEX, 0, 0)];
	memcpy(port->mac, port_mac, sizeof(port_mac));
	port->mtu = 1500;
	port->up = 1;
	port->ifindex = IFINDEX;
	*state = fixture;
	return 0;
}

static inline int setup(void **state)
{
	struct fixture *fixture;

	if (setup_empty(state) != 0)
		return -1;
	fixture = *state;
	put_model(fixture->engine);
	return engine_commit(fixture->engine);
}

static inline int teardown(void **state)
{
	struct fixture *fixture = *state;

	engine_close(fixture->engine);
	free(fixture);
	return 0;
}

/* Packet of client @n to the VIP; a SYN unless other flags are set afterwards. */
static inline struct packet_spec request(bool v6, uint8_t protocol, uint32_t n)
{
	struct packet_spec spec = {
		.v6 = v6,
		.protocol = protocol,
		.from = packet_end(v6 ? "2001:db8:9::1" : "198.18.0.1", (uint16_t)(2000 + n)),
		.to = packet_end(v6 ? "2001:db8::1" : "192.0.2.1", 80),
		.from_mac = {2, 0, 0, 0, 0, 9},
		.tcp_flags = SL_TCP_SYN,
		.seq = n,
	};

	memcpy(spec.to_mac, port_mac, sizeof(port_mac));
	return spec;
}

/* Returns the verdict. Without next hops, what goes to a target is the kernel's to send. */
static inline int receive(struct fixture *fixture, const struct packet_spec *spec, struct packet *packet)
{
	struct world world = {.t = &fixture->path};

	packet_build(packet, spec);
	return SL_VERDICT(world_receive(&world, packet, IFINDEX));
}

static inline void begin(struct fixture *fixture, bool v6, uint8_t protocol, uint32_t n)
{
	const struct packet_spec spec = request(v6, protocol, n);
	struct packet packet;

	assert_int_equal(receive(fixture, &spec, &packet), SL_PASS);
	/* addressed to a target now, from a SNAT address */
	assert_memory_not_equal(packet.data + packet_l3(&packet) + (v6 ? 24 : 16), spec.to.address,
				v6 ? 16 : 4);
}

/* --- flows seen ----------------------------------------------------------- */

struct seen {
	struct engine_flow last;
	uint32_t n, stop_at;
	uint8_t times[2][MANY]; /* family, client's port - 2000 */
};

static inline bool note(void *context, const struct engine_flow *flow)
{
	struct seen *seen = context;
	bool v6 = !address_is_v4(&flow->client);

	seen->last = *flow;
	if (flow->client_port - 2000u < MANY)
		seen->times[v6][flow->client_port - 2000u]++;
	return ++seen->n != seen->stop_at;
}

static inline struct seen all_flows(struct engine *engine, const struct engine_flow_filter *filter)
{
	uint64_t cursor = 0;
	struct seen seen = {};

	engine_flows(engine, &cursor, SIZE_MAX, filter, note, &seen);
	assert_true(cursor == UINT64_MAX);
	return seen;
}

static const struct engine_flow_filter any_flow __attribute__((unused));

#define ENGINE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
