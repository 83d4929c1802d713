/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tables that a killed process left. A child runs packets over shared memory
 * and is killed at any moment; what it left must be a whole table again, with
 * counters that go with it.
 */
#include "path.h"

#include "dataplane/dpdk/repair.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 300
#define FLOWS 1024
#define KEYS 3000 /* more than flows: they make way for each other all the time */
#define SEED 20260u

struct shared {
	struct sl_tables tables;
	struct world world;
	struct sl_scratch scratch;
	size_t bytes;
	void *memory;
};

static uint32_t random_below(uint32_t *random, uint32_t n)
{
	*random = *random * 1664525u + 1013904223u;
	return (uint32_t)((uint64_t)(*random >> 8) * n >> 24);
}

static int setup(void **state)
{
	static const uint32_t ifindex[3] = {1, 2, 3};
	struct sl_config config = world_config(FLOWS, FLOWS, 64, 1);
	struct shared *shared = calloc(1, sizeof(*shared));

	shared->bytes = tables_bind_block(NULL, &config, NULL);
	shared->memory = mmap(NULL, shared->bytes, PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(shared->memory, MAP_FAILED);
	memcpy(shared->memory, &config, sizeof(config));
	tables_bind_block(&shared->tables, &config, shared->memory);
	shared->tables.scratch = &shared->scratch;
	world_begin(&shared->world, &shared->tables);
	world_fill(&shared->world, ifindex);
	*state = shared;
	return 0;
}

static int teardown(void **state)
{
	struct shared *shared = *state;

	munmap(shared->memory, shared->bytes);
	free(shared);
	return 0;
}

/* Flows of both families and protocols that begin, are reset, expire and give way. */
static void make_traffic(struct shared *shared, uint32_t random)
{
	for (;;) {
		uint32_t key = random_below(&random, KEYS);
		struct packet_spec spec =
			world_packet(&shared->world, key & 1, key & 2 ? SL_TCP : SL_UDP, WORLD_SNAT,
				     1 + key % 7, (uint16_t)(5000 + key));
		struct packet packet;

		spec.tcp_flags = random_below(&random, 3) != 0 ? SL_TCP_SYN : SL_TCP_RST;
		world_send(&shared->world, &spec, WORLD_CLIENT_SIDE, &packet);
		if (random_below(&random, 64) != 0)
			continue;
		world_wait_ms(&shared->world, 1000);
		sl_flow_sweep(&shared->tables, random_below(&random, 2), FLOWS);
	}
}

static void run_and_kill(struct shared *shared, uint32_t random)
{
	struct timespec life = {.tv_nsec = 500000 + random_below(&random, 3000000)};
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		make_traffic(shared, random);
	}
	nanosleep(&life, NULL);
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
}

static uint32_t live_flows(const struct shared *shared)
{
	uint32_t n = 0;

	for (int v6 = 0; v6 <= 1; v6++)
		for (uint32_t flow = 1; flow <= FLOWS; flow++)
			n += sl_state_is_live(world_state(&shared->world, v6, flow));
	return n;
}

static void assert_whole(struct shared *shared)
{
	const struct sl_config *config = shared->tables.config;
	uint64_t of_listeners = 0, of_targets = 0;

	for (int v6 = 0; v6 <= 1; v6++)
		if (world_flaw(&shared->world, v6) != NULL)
			fail_msg("IPv%d: %s", v6 ? 6 : 4, world_flaw(&shared->world, v6));
	for (uint32_t cpu = 0; cpu < config->cpus; cpu++) {
		for (uint32_t i = 0; i < SL_MAX_LISTENERS; i++) {
			const struct sl_listener_counters *c =
				&shared->tables.listener_counts[cpu * SL_MAX_LISTENERS + i];

			of_listeners += c->new_flows[0] + c->new_flows[1] - c->freed_flows;
		}
		for (uint32_t i = 0; i < config->max_targets; i++) {
			const struct sl_target_counters *c =
				&shared->tables.target_counts[cpu * config->max_targets + i];

			of_targets += c->new_flows[0] + c->new_flows[1] - c->freed_flows;
		}
	}
	assert_int_equal(of_listeners, live_flows(shared));
	assert_int_equal(of_targets, live_flows(shared));
}

static void a_killed_process_leaves_tables_that_can_be_put_right(void **state)
{
	struct shared *shared = *state;
	int taken_back = 0;

	print_message("seed %u\n", SEED);
	for (uint32_t round = 0; round < ROUNDS; round++) {
		int r;

		run_and_kill(shared, SEED + round);
		r = repair_tables(&shared->tables);
		assert_true(r >= 0);
		taken_back += r;
		assert_whole(shared);
	}
	assert_true(live_flows(shared) > FLOWS);
	print_message("%d flows taken back\n", taken_back);
	assert_true(taken_back > 0);
}

/* Every state that a flow can be left in, on purpose. */
static void takes_half_made_and_half_ended_flows_back(void **state)
{
	static const uint32_t states[] = {SL_FLOW_NEW, SL_FLOW_ENDING};
	struct shared *shared = *state;

	for (uint32_t i = 0; i < 2; i++) {
		struct packet_spec spec = world_packet(&shared->world, false, SL_TCP, WORLD_SNAT, 1,
						       (uint16_t)(7000 + i));
		struct sl_flow_line *client;
		struct packet packet;
		uint32_t flow;

		assert_int_equal(
			SL_VERDICT(world_send(&shared->world, &spec, WORLD_CLIENT_SIDE, &packet)),
			SL_SEND);
		flow = world_flow(&shared->world, &spec);
		client = sl_line(&shared->tables, false, 2 * flow);
		client->control = SL_CONTROL(client->version, 0, states[i]);
		assert_int_equal(repair_tables(&shared->tables), 1);
		assert_int_equal(world_flow(&shared->world, &spec), 0);
		assert_whole(shared);
		/* and its client is served again */
		assert_int_equal(
			SL_VERDICT(world_send(&shared->world, &spec, WORLD_CLIENT_SIDE, &packet)),
			SL_SEND);
	}
	assert_int_equal(shared->tables.pools[0].records_lost, 2);
}

static void whole_tables_stay_as_they_are(void **state)
{
	struct shared *shared = *state;
	struct packet packet, again;
	struct packet_spec spec;
	uint32_t flow;

	spec = world_packet(&shared->world, true, SL_UDP, WORLD_PRESERVED, 3, 900);
	world_send(&shared->world, &spec, WORLD_CLIENT_SIDE, &packet);
	flow = world_flow(&shared->world, &spec);
	assert_int_equal(repair_tables(&shared->tables), 0);
	assert_int_equal(world_flow(&shared->world, &spec), flow);
	world_send(&shared->world, &spec, WORLD_CLIENT_SIDE, &again);
	assert_int_equal(packet.length, again.length);
	assert_memory_equal(packet.data, again.data, packet.length);
	assert_whole(shared);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_killed_process_leaves_tables_that_can_be_put_right, setup, teardown),
		cmocka_unit_test_setup_teardown(takes_half_made_and_half_ended_flows_back, setup,
						teardown),
		cmocka_unit_test_setup_teardown(whole_tables_stay_as_they_are, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
