/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A burst must do to packets and tables what sl_receive() does frame by frame,
 * also where packets of one burst make, end and make anew the same flow.
 */
#include "bursts.h"
#include "path.h"

#define ROUNDS 20000
#define CLIENTS 3 /* few, so that packets of a burst meet */
#define RECENT 16

struct twins {
	struct path slow, fast;
	struct packet packets[BURST_MAX];
	struct packet recent[RECENT]; /* that left for a target, to be answered */
	uint32_t n_recent;
	uint64_t random;
	uint64_t verdicts[SL_SEND + 1];
};

static void path_open(struct path *path)
{
	world_make(&path->world, &path->tables, PATH_FLOWS);
	path->tables.flow_ended = path_note;
	path->tables.context = path;
}

static int twins_setup(void **state)
{
	struct twins *twins = calloc(1, sizeof(*twins));

	if (twins == NULL)
		return -1;
	path_open(&twins->slow);
	path_open(&twins->fast);
	twins->random = 1;
	*state = twins;
	return 0;
}

static int twins_teardown(void **state)
{
	struct twins *twins = *state;

	tables_free(&twins->slow.tables);
	tables_free(&twins->fast.tables);
	free(twins);
	return 0;
}

static uint32_t below(struct twins *twins, uint32_t n)
{
	twins->random = twins->random * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)((twins->random >> 32) * n >> 32);
}

static void compare_tables(const struct twins *twins)
{
	for (enum table table = 0; table < TABLE_COUNT; table++)
		assert_memory_equal(tables_place(&twins->fast.tables, table),
				    tables_place(&twins->slow.tables, table),
				    tables_record_bytes(table) *
					    tables_records(table, twins->slow.tables.config));
	assert_int_equal(twins->fast.n_records, twins->slow.n_records);
	assert_memory_equal(twins->fast.records, twins->slow.records, sizeof(twins->slow.records));
}

/* Both take twins->packets; what comes out must be the same. */
static void take(struct twins *twins, enum world_port side, unsigned int n)
{
	uint32_t ifindex = twins->slow.world.ifindex[side];
	struct packet slow[BURST_MAX];
	int verdicts[BURST_MAX], want;

	for (unsigned int i = 0; i < n; i++)
		packet_copy(&slow[i], &twins->packets[i]);
	bursts_receive(&twins->fast.tables, ifindex, twins->packets, n, verdicts);
	for (unsigned int i = 0; i < n; i++) {
		want = world_receive(&twins->slow.world, &slow[i], ifindex);
		assert_int_equal(verdicts[i], want);
		assert_int_equal(twins->packets[i].length, slow[i].length);
		assert_memory_equal(twins->packets[i].data, slow[i].data, slow[i].length);
		twins->verdicts[SL_VERDICT(want)]++;
		if (side == WORLD_CLIENT_SIDE && SL_VERDICT(want) == SL_SEND)
			packet_copy(&twins->recent[twins->n_recent++ % RECENT], &slow[i]);
	}
}

static void takes_one_flow_from_its_syn_to_its_second_life_in_a_burst(void **state)
{
	static const uint8_t flags[] = {SL_TCP_SYN, SL_TCP_ACK, SL_TCP_RST, SL_TCP_SYN, SL_TCP_ACK};
	struct twins *twins = *state;

	for (int v6 = 0; v6 < 2; v6++) {
		struct packet_spec spec = world_packet(&twins->slow.world, v6, SL_TCP, WORLD_SNAT, 1,
						       7000);

		for (unsigned int i = 0; i < sizeof(flags); i++) {
			spec.tcp_flags = flags[i];
			packet_build(&twins->packets[i], &spec);
		}
		take(twins, WORLD_CLIENT_SIDE, sizeof(flags));
		compare_tables(twins);
	}
	assert_int_equal(twins->verdicts[SL_SEND], 2 * sizeof(flags));
	assert_int_equal(twins->fast.n_records, 2); /* of the first lives */
}

static void takes_an_empty_burst_and_a_full_one(void **state)
{
	struct twins *twins = *state;

	take(twins, WORLD_CLIENT_SIDE, 0);
	for (uint16_t i = 0; i < BURST_MAX; i++) {
		struct packet_spec spec = world_packet(&twins->slow.world, i & 1, SL_UDP, WORLD_SNAT,
						       1, 6000 + i);

		packet_build(&twins->packets[i], &spec);
	}
	take(twins, WORLD_CLIENT_SIDE, BURST_MAX);
	compare_tables(twins);
	assert_int_equal(twins->verdicts[SL_SEND], BURST_MAX);
}

static void make_packet(struct twins *twins, enum world_port side, struct packet *ret_packet)
{
	static const uint8_t flags[] = {SL_TCP_SYN, SL_TCP_ACK, SL_TCP_ACK, SL_TCP_ACK | SL_TCP_FIN,
					SL_TCP_RST, SL_TCP_SYN | SL_TCP_ACK};
	struct packet_spec spec;

	if (side == WORLD_CLIENT_SIDE)
		spec = world_packet(&twins->slow.world, below(twins, 2),
				    below(twins, 4) ? SL_TCP : SL_UDP, below(twins, WORLD_SERVICES),
				    1 + below(twins, CLIENTS), (uint16_t)(5000 + below(twins, 2)));
	else
		spec = world_answer(&twins->recent[below(twins, RECENT)]);
	spec.tcp_flags = flags[below(twins, sizeof(flags))];
	spec.payload = (uint16_t)below(twins, 100);
	spec.ttl = below(twins, 50) == 0 ? 1 : 64;
	if (below(twins, 30) == 0)
		spec.to_mac[5] ^= 0x20;
	if (below(twins, 30) == 0)
		spec.vlan[0] = below(twins, 2) ? 0x2000 : 999;
	packet_build(ret_packet, &spec);
	if (below(twins, 30) == 0)
		ret_packet->length = 14 + below(twins, (uint32_t)ret_packet->length - 14);
}

static void does_what_frame_by_frame_does(void **state)
{
	struct twins *twins = *state;

	printf("seed %llu\n", (unsigned long long)twins->random);
	for (uint32_t round = 0; round < ROUNDS; round++) {
		bool answers = twins->n_recent >= RECENT && below(twins, 2);
		unsigned int n = 1 + below(twins, BURST_MAX);

		for (unsigned int i = 0; i < n; i++)
			make_packet(twins, answers ? WORLD_TARGET_SIDE : WORLD_CLIENT_SIDE,
				    &twins->packets[i]);
		take(twins, answers ? WORLD_TARGET_SIDE : WORLD_CLIENT_SIDE, n);
		if (below(twins, 4) == 0) {
			uint64_t ms = below(twins, 2) ? below(twins, 100) : below(twins, 400000);

			world_wait_ms(&twins->slow.world, ms);
			world_wait_ms(&twins->fast.world, ms);
		}
		if (round % 1000 == 0)
			compare_tables(twins);
	}
	compare_tables(twins);
	assert_true(twins->verdicts[SL_PASS] > ROUNDS / 10);
	assert_true(twins->verdicts[SL_DROP] > ROUNDS / 10);
	assert_true(twins->verdicts[SL_SEND] > ROUNDS);
	assert_true(twins->fast.n_records > ROUNDS / 100);
}

#define TWINS_TEST(f) cmocka_unit_test_setup_teardown(f, twins_setup, twins_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TWINS_TEST(takes_one_flow_from_its_syn_to_its_second_life_in_a_burst),
		TWINS_TEST(takes_an_empty_burst_and_a_full_one),
		TWINS_TEST(does_what_frame_by_frame_does),
	};

	bursts_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
