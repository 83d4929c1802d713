/* SPDX-License-Identifier: BSD-3-Clause */
/* Flows that are ended in the kernel's tables, and the RSTs on the wire. Needs root. */
#define _GNU_SOURCE
#include "xdp_rig.h"

#define CLIENT "10.9.0.2"
#define FLOWS 300u /* more than one step ends */
#define FIRST_PORT 3000
#define CLIENT_ACK 0x11110000u /* each flow adds its number */
#define TARGET_ACK 0x22220000u

/* TCP port 80 of the VIP, to the one target in this state. */
static void put_model(struct rig *rig, enum engine_target_state state)
{
	const struct engine_vip vip = {.address = address(RIG_VIP)};
	const struct engine_group group = {.zones = 1};
	const struct engine_target target = {
		.address = address(RIG_TARGET), .port = 8080, .zones = 1, .state = state};
	const struct engine_listener listener = {
		.vips[0] = vip,
		.n_vips = 1,
		.port = 80,
		.tcp = true,
		.tcp_idle_timeout_s = 350,
		.udp_idle_timeout_s = 120,
		.groups[0] = {RIG_GROUP, 1},
		.n_groups = 1,
	};

	assert_int_equal(engine_vip_put(rig->engine, &vip), 0);
	assert_int_equal(engine_group_put(rig->engine, RIG_GROUP, &group), 0);
	assert_int_equal(engine_target_put(rig->engine, RIG_GROUP, &target), 0);
	assert_int_equal(engine_listener_put(rig->engine, RIG_LISTENER, &listener), 0);
}

static void start(struct rig *rig, enum engine_target_state state)
{
	assert_int_equal(rig_open(rig), 0);
	engine_reconcile_begin(rig->engine);
	put_model(rig, state);
	assert_int_equal(engine_reconcile_end(rig->engine, rig->error), 0);
}

static void put_target(struct rig *rig, enum engine_target_state state)
{
	const struct engine_target target = {
		.address = address(RIG_TARGET), .port = 8080, .zones = 1, .state = state};

	assert_int_equal(engine_target_put(rig->engine, RIG_GROUP, &target), 0);
	assert_int_equal(engine_commit(rig->engine), 0);
}

static void send_frame(struct rig *rig, const struct packet_spec *spec)
{
	struct packet packet;

	packet_build(&packet, spec);
	assert_int_equal(send(rig->far, packet.data, packet.length, 0), packet.length);
}

/* Establish flow @n; the client's own port is free, so SNAT uses it, too. */
static void establish(struct rig *rig, uint32_t n)
{
	struct packet_spec client = {
		.protocol = SL_TCP,
		.from = packet_end(CLIENT, (uint16_t)(FIRST_PORT + n)),
		.to = packet_end(RIG_VIP, 80),
		.from_mac = {2, 0, 0, 0, 0, 2},
		.tcp_flags = SL_TCP_SYN,
	};
	struct packet_spec target = {
		.protocol = SL_TCP,
		.from = packet_end(RIG_TARGET, 8080),
		.to = packet_end(RIG_SNAT, (uint16_t)(FIRST_PORT + n)),
		.from_mac = {2, 0, 0, 0, 0, 3},
		.tcp_flags = SL_TCP_SYN | SL_TCP_ACK,
		.ack = TARGET_ACK + n,
	};
	struct interface near;

	assert_int_equal(interface_describe("near", &near), 0);
	memcpy(client.to_mac, near.mac, sizeof(near.mac));
	memcpy(target.to_mac, near.mac, sizeof(near.mac));
	send_frame(rig, &client);
	send_frame(rig, &target);
	client.tcp_flags = SL_TCP_ACK;
	client.ack = CLIENT_ACK + n;
	send_frame(rig, &client);
}

static bool is_established(void *context, const struct engine_flow *flow)
{
	*(uint32_t *)context += strcmp(flow->state, "established") == 0;
	return true;
}

static void establish_all(struct rig *rig)
{
	const struct engine_flow_filter any = {};
	uint64_t end_ms = now_ms() + RIG_PATIENCE_MS;
	const int room = 8 << 20; /* for all that is sent until it is read */
	uint32_t n = 0;

	assert_int_equal(setsockopt(rig->far, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)), 0);
	for (uint32_t i = 0; i < FLOWS; i++)
		establish(rig, i);
	while (n != FLOWS && now_ms() < end_ms) {
		uint64_t cursor = 0;

		n = 0;
		engine_flows(rig->engine, &cursor, SIZE_MAX, &any, is_established, &n);
	}
	assert_int_equal(n, FLOWS);
}

/* What came out: RSTs to the clients and to the target, by flow. */
struct heard {
	uint8_t client[FLOWS], target[FLOWS];
	uint32_t n;
};

static void hear(struct heard *heard, const unsigned char *frame, size_t length)
{
	const struct sl_ipv4 *ip = (const void *)(frame + sizeof(struct sl_eth));
	const struct sl_tcp *tcp = (const void *)(ip + 1);
	uint32_t n = SL_FROM_BE16(tcp->dport) - FIRST_PORT;

	if (length < 54 || frame[12] != 8 || ip->protocol != SL_TCP || tcp->flags != SL_TCP_RST)
		return;
	assert_null(packet_flaw(frame, length));
	if (ip->daddr == inet_addr(CLIENT)) {
		assert_int_equal(ip->saddr, inet_addr(RIG_VIP));
		assert_int_equal(tcp->sport, SL_BE16(80));
		assert_int_equal(SL_FROM_BE32(tcp->seq), CLIENT_ACK + n);
		assert_int_equal(frame[5], 2);
		heard->client[n]++;
	} else {
		n = SL_FROM_BE16(tcp->sport) - FIRST_PORT;
		assert_int_equal(ip->daddr, inet_addr(RIG_TARGET));
		assert_int_equal(ip->saddr, inet_addr(RIG_SNAT));
		assert_int_equal(SL_FROM_BE32(tcp->seq), TARGET_ACK + n);
		assert_int_equal(frame[5], 3);
		heard->target[n]++;
	}
	heard->n++;
}

/* Let the engine work, and read what comes out, until all have heard. */
static void expect_resets(struct rig *rig)
{
	uint64_t end_ms = now_ms() + RIG_PATIENCE_MS;
	struct heard heard = {};
	unsigned char frame[2048];

	while (heard.n < 2 * FLOWS && now_ms() < end_ms) {
		struct pollfd ready = {.fd = engine_poll_fd(rig->engine), .events = POLLIN};
		ssize_t length;

		if (poll(&ready, 1, 1) == 1)
			engine_process(rig->engine);
		while ((length = recv(rig->far, frame, sizeof(frame), MSG_DONTWAIT)) > 0)
			hear(&heard, frame, (size_t)length);
	}
	assert_int_equal(heard.n, 2 * FLOWS);
	for (uint32_t i = 0; i < FLOWS; i++) {
		assert_int_equal(heard.client[i], 1);
		assert_int_equal(heard.target[i], 1);
	}
	assert_int_equal(rig_flows(rig), 0);
}

static void expect_counters(struct rig *rig, enum engine_close_reason reason)
{
	struct engine_counters counters;

	assert_int_equal(engine_listener_counters(rig->engine, RIG_LISTENER, &counters), 0);
	assert_int_equal(counters.elb_resets, 2 * FLOWS);
	assert_int_equal(counters.active_flows, 0);
	assert_int_equal(rig->n_ended, FLOWS);
	assert_int_equal(rig->ended.reason, reason);
}

static void both_sides_of_a_failed_targets_flows_are_reset_at_once(void **state)
{
	struct rig *rig = *state;

	start(rig, ENGINE_TARGET_ACTIVE);
	establish_all(rig);
	put_target(rig, ENGINE_TARGET_ENDING);
	expect_resets(rig);
	expect_counters(rig, ENGINE_CLOSE_RST_LB_UNHEALTHY);
}

static void both_sides_of_a_departed_targets_flows_are_reset_at_once(void **state)
{
	const struct in6_addr where = address(RIG_TARGET);
	struct rig *rig = *state;

	start(rig, ENGINE_TARGET_ACTIVE);
	establish_all(rig);
	assert_int_equal(engine_target_remove(rig->engine, RIG_GROUP, &where, 8080, true), 0);
	assert_int_equal(engine_commit(rig->engine), 0);
	expect_resets(rig);
	expect_counters(rig, ENGINE_CLOSE_RST_LB_DEREG);
}

static void a_walk_that_a_kill_cut_short_goes_on_after_the_restart(void **state)
{
	struct rig *rig = *state;

	start(rig, ENGINE_TARGET_ACTIVE);
	establish_all(rig);
	put_target(rig, ENGINE_TARGET_ENDING);
	rig_close(rig); /* before the first step */
	start(rig, ENGINE_TARGET_ENDING);
	expect_resets(rig);
}

static void a_target_found_healthy_after_a_restart_keeps_its_flows(void **state)
{
	struct rig *rig = *state;

	start(rig, ENGINE_TARGET_ACTIVE);
	establish_all(rig);
	put_target(rig, ENGINE_TARGET_ENDING);
	rig_close(rig);
	start(rig, ENGINE_TARGET_ACTIVE);
	for (int i = 0; i < 100; i++)
		engine_process(rig->engine);
	assert_int_equal(rig_flows(rig), FLOWS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(both_sides_of_a_failed_targets_flows_are_reset_at_once),
		RIG_TEST(both_sides_of_a_departed_targets_flows_are_reset_at_once),
		RIG_TEST(a_walk_that_a_kill_cut_short_goes_on_after_the_restart),
		RIG_TEST(a_target_found_healthy_after_a_restart_keeps_its_flows),
	};

	return cmocka_run_group_tests(tests, rig_enter, rig_leave);
}
