/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two processors at one small flow table: the same flows are made, used, ended
 * and swept by both at once. What a packet becomes must always be right, and
 * the table must be whole afterwards.
 */
#include "path.h"

#include <pthread.h>
#include <stdatomic.h>

#define WORKERS 2
#define ROUNDS 400000
#define KEYS 3000 /* many more than flows, so that flow numbers change hands all the time */
#define HOT_KEYS 16
#define RECENT 64

struct worker {
	pthread_t thread;
	struct sl_tables tables; /* a view of its own, as flat.h says */
	struct sl_scratch scratch;
	struct world world;
	uint64_t random;
	bool sweeps;
	atomic_uint *ready;
	const char *flaw;
	struct packet_spec recent[RECENT]; /* answers to packets that left */
	uint32_t n_recent;
	uint64_t sent, ended;
};

static uint32_t below(struct worker *w, uint32_t n)
{
	w->random = w->random * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)((w->random >> 32) * n >> 32);
}

static void count_end(void *context, const struct sl_flow_record *record)
{
	struct worker *w = context;

	if (record->reason >= SL_CLOSE_NO_TARGET && record->reason < SL_CLOSE_COUNT)
		return; /* the table was full */
	w->ended++;
	/* no packet may be counted yet: the other processor may find the target gone first */
	if (record->reason >= SL_CLOSE_COUNT ||
	    ntohs(record->target_port) != WORLD_TARGET_PORT)
		w->flaw = "a record of no flow";
}

static struct packet_spec some_packet(struct worker *w)
{
	static const uint8_t some[] = {SL_TCP_SYN, SL_TCP_SYN, SL_TCP_SYN, SL_TCP_ACK, SL_TCP_ACK,
				       SL_TCP_ACK | SL_TCP_FIN, SL_TCP_ACK | SL_TCP_FIN,
				       SL_TCP_RST};
	uint32_t key = below(w, below(w, 2) ? HOT_KEYS : KEYS);
	struct packet_spec spec;

	if (w->n_recent != 0 && below(w, 3) == 0) {
		spec = w->recent[below(w, w->n_recent)];
		spec.tcp_flags = some[3 + below(w, 5)] | SL_TCP_ACK;
		return spec;
	}
	spec = world_packet(&w->world, key & 1, key & 2 ? SL_TCP : SL_UDP,
			    key & 4 ? WORLD_SNAT : WORLD_PRESERVED, 1 + key % 7,
			    (uint16_t)(5000 + key));
	if (spec.protocol == SL_TCP)
		spec.tcp_flags = some[below(w, sizeof(some))];
	return spec;
}

/* Where it may be: on its way to a target, or back to a client from the VIP's service. */
static const char *way_flaw(const struct worker *w, const struct packet *packet, uint32_t port)
{
	struct packet_spec answer = world_answer(packet);

	if (packet_flaw(packet->data, packet->length) != NULL)
		return packet_flaw(packet->data, packet->length);
	if (port == w->world.port[WORLD_TARGET_SIDE])
		return answer.from.port == WORLD_TARGET_PORT ? NULL : "sent to no target";
	if (answer.to.port != WORLD_SERVICE_PORT(WORLD_SNAT) &&
	    answer.to.port != WORLD_SERVICE_PORT(WORLD_PRESERVED))
		return "sent from no service";
	return NULL;
}

static void round_of(struct worker *w)
{
	struct packet_spec spec = some_packet(w);
	bool by_target = spec.from.port == WORLD_TARGET_PORT;
	struct packet packet;
	int verdict;

	verdict = world_send(&w->world, &spec, by_target ? WORLD_TARGET_SIDE : WORLD_CLIENT_SIDE,
			     &packet);
	if (SL_VERDICT(verdict) != SL_SEND)
		return;
	w->sent++;
	if (by_target && SL_VERDICT_PORT(verdict) == w->world.port[WORLD_TARGET_SIDE])
		return; /* a RST for a target that is gone */
	w->flaw = w->flaw != NULL ? w->flaw : way_flaw(w, &packet, SL_VERDICT_PORT(verdict));
	if (SL_VERDICT_PORT(verdict) == w->world.port[WORLD_TARGET_SIDE])
		w->recent[w->n_recent < RECENT ? w->n_recent++ : below(w, RECENT)] =
			world_answer(&packet);
}

static void *work(void *context)
{
	struct worker *w = context;

	atomic_fetch_add(w->ready, 1);
	while (atomic_load(w->ready) < WORKERS)
		;
	for (uint32_t i = 0; i < ROUNDS && w->flaw == NULL; i++) {
		round_of(w);
		if (i % 16 == 0)
			world_wait_ms(&w->world, 10);
		if (!w->sweeps)
			continue;
		if (i % 64 == 0) { /* one sweeper at a time */
			sl_flow_sweep(&w->tables, false, 100);
			sl_flow_sweep(&w->tables, true, 100);
		}
		if (i % 512 == 0) { /* packets of both find that the target ends their flows */
			w->tables.targets[below(w, 12)].ends = SL_ENDS_TCP | SL_ENDS_UDP;
		} else if (i % 512 == 64) {
			for (uint32_t n = 0; n < w->world.n_targets; n++)
				w->tables.targets[n].ends = 0;
		}
	}
	return NULL;
}

static uint64_t live_flows(const struct world *world)
{
	uint64_t live = 0;

	for (int v6 = 0; v6 < 2; v6++)
		for (uint32_t flow = 1; flow <= PATH_FLOWS; flow++)
			live += world_state(world, v6, flow) != SL_FLOW_FREE;
	return live;
}

static void two_processors_leave_the_table_whole_and_no_packet_wrong(void **state)
{
	struct worker *workers = calloc(WORKERS, sizeof(*workers));
	struct path *path = *state;
	uint64_t made = 0, freed = 0, ended = 0;
	atomic_uint ready = 0;

	assert_non_null(workers);
	for (uint32_t i = 0; i < WORKERS; i++) {
		struct worker *w = &workers[i];

		w->tables = path->tables;
		tables_count_on(&w->tables, i);
		w->tables.scratch = &w->scratch;
		w->tables.flow_ended = count_end;
		w->tables.context = w;
		w->world = path->world;
		w->world.t = &w->tables;
		w->random = 1 + i;
		w->sweeps = i == 0;
		w->ready = &ready;
		assert_int_equal(pthread_create(&w->thread, NULL, work, w), 0);
	}
	for (uint32_t i = 0; i < WORKERS; i++) {
		assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
		if (workers[i].flaw != NULL)
			fail_msg("worker %u: %s", i, workers[i].flaw);
		assert_true(workers[i].sent > ROUNDS / 4);
		ended += workers[i].ended;
	}
	for (int v6 = 0; v6 < 2; v6++)
		if (world_flaw(&path->world, v6) != NULL)
			fail_msg("IPv%d: %s", v6 ? 6 : 4, world_flaw(&path->world, v6));
	for (uint32_t i = 0; i < WORKERS * SL_MAX_LISTENERS; i++) {
		const struct sl_listener_counters *l = &path->tables.listener_counts[i];

		made += l->new_flows[SL_L4_TCP] + l->new_flows[SL_L4_UDP];
		freed += l->freed_flows;
	}
	assert_true(freed > ROUNDS / 20);
	assert_int_equal(ended, freed);
	assert_int_equal(made - freed, live_flows(&path->world));
	free(workers);
}

#define CLOSINGS 2000  /* of each flow */
#define CLOSED_FLOWS 4 /* few, so that both are at the same one time and again */

struct closer {
	pthread_t thread;
	struct sl_tables tables;
	uint32_t side; /* 1: the target's */
	atomic_uint *arrived;
	uint32_t open; /* flows that were still open when both had closed them */
};

/* Spins: a thread that sleeps comes too late to be at a flow at the same time. */
static void meet(struct closer *c, uint32_t times)
{
	atomic_fetch_add(c->arrived, 1);
	for (uint32_t i = 1; atomic_load(c->arrived) < 2 * times; i++)
		if (i % 1024 == 0) /* the other one may wait for this processor */
			sched_yield();
}

/* Close one side of every flow, again and again, in step with the other closer. */
static void *close_all(void *context)
{
	struct closer *c = context;

	for (uint32_t round = 0; round < CLOSINGS; round++) {
		meet(c, 3 * round + 1);
		for (uint32_t flow = 1; flow <= CLOSED_FLOWS; flow++)
			sl_track(&c->tables, false, 2 * flow + c->side,
				 sl_line(&c->tables, false, 2 * flow)->version,
				 SL_TCP_FIN | SL_TCP_ACK);
		meet(c, 3 * round + 2);
		for (uint32_t flow = 1; flow <= CLOSED_FLOWS && c->side == 0; flow++) {
			struct sl_flow_line *line = sl_line(&c->tables, false, 2 * flow);

			c->open += SL_CONTROL_STATE(line->control) != SL_FLOW_LINGERING;
			line->control = SL_CONTROL(line->version, 0, SL_FLOW_ESTABLISHED);
		}
		meet(c, 3 * round + 3);
	}
	return NULL;
}

static void fins_that_both_sides_send_at_once_close_a_flow(void **state)
{
	struct path *path = *state;
	struct closer closers[2];
	atomic_uint arrived = 0;

	for (uint32_t i = 0; i < CLOSED_FLOWS; i++) {
		struct packet_spec answer, spec = world_packet(&path->world, false, SL_TCP, WORLD_SNAT,
							       1, (uint16_t)(5000 + i));

		path_establish(path, &spec, WORLD_TARGET_SIDE, &answer);
	}
	for (uint32_t i = 0; i < 2; i++) {
		closers[i] = (struct closer){
			.tables = path->tables, .side = i, .arrived = &arrived};
		tables_count_on(&closers[i].tables, i);
		assert_int_equal(pthread_create(&closers[i].thread, NULL, close_all, &closers[i]),
				 0);
	}
	for (uint32_t i = 0; i < 2; i++)
		assert_int_equal(pthread_join(closers[i].thread, NULL), 0);
	assert_int_equal(closers[0].open, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PATH_TEST(two_processors_leave_the_table_whole_and_no_packet_wrong),
		PATH_TEST(fins_that_both_sides_send_at_once_close_a_flow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
