/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/reset.h"
#include "dataplane/termination.h"
#include "path.h"

#include <poll.h>

#define SEED 20260421u
#define CLIENTS 200u /* flows of each protocol and family in the random tests */

/* --- the RST -------------------------------------------------------------- */

/* The side's RST is, byte for byte, what the path answers a packet that acknowledges as much. */
static void assert_reset_as_the_path_answers(struct path *path, struct packet_spec *packet,
					     enum world_port side, uint32_t line)
{
	struct sl_flow_line *of = sl_line(&path->tables, packet->v6, line);
	const struct sl_flow_line *back = sl_line(&path->tables, packet->v6, line | 1);
	uint64_t hop = path->tables.targets[of->target].next_hop;
	struct packet answer;
	struct reset reset;

	if (!(line & 1))
		memcpy(&hop, back->client_mac, sizeof(hop));
	assert_true(reset_build(&path->tables, packet->v6, of, hop, &reset));
	assert_int_equal(reset.ifindex, path->world.ifindex[side]);
	path->tables.targets[of->target].ends = SL_ENDS_TCP;
	packet->tcp_flags = SL_TCP_ACK;
	packet->ack = SL_FROM_BE32(of->last_ack);
	path_sends(path, packet, side, side, &answer);
	path->tables.targets[of->target].ends = 0;
	assert_int_equal(reset.length, answer.length);
	assert_memory_equal(reset.frame, answer.data, answer.length);
}

static void a_reset_is_what_the_path_answers_to_either_side(void **state)
{
	static const enum world_service services[] = {WORLD_SNAT, WORLD_PRESERVED, WORLD_TAGGED,
						      WORLD_DOUBLE_TAGGED};
	static const enum world_port sides[] = {WORLD_TARGET_SIDE, WORLD_TARGET_SIDE,
						WORLD_VLAN_SIDE, WORLD_QINQ_SIDE};
	struct path *path = *state;

	for (int i = 0; i < 8; i++) {
		bool v6 = i & 1;
		struct packet_spec spec = world_packet(&path->world, v6, SL_TCP, services[i / 2], 1,
						       5000), answer;
		uint32_t flow;
		struct packet packet;

		spec.ack = 0x11223344;
		flow = path_establish(path, &spec, sides[i / 2], &answer);
		answer.ack = 0xfffffff0;
		path_sends(path, &answer, sides[i / 2], WORLD_CLIENT_SIDE, &packet);
		assert_int_equal(sl_line(&path->tables, v6, 2 * flow)->last_ack,
				 SL_BE32(0x11223344));
		assert_reset_as_the_path_answers(path, &spec, WORLD_CLIENT_SIDE, 2 * flow);
		assert_reset_as_the_path_answers(path, &answer, sides[i / 2], 2 * flow + 1);
	}
}

static void nobody_is_told_where_there_is_no_way(void **state)
{
	struct path *path = *state;
	struct packet_spec spec = world_packet(&path->world, false, SL_TCP, WORLD_SNAT, 1, 5000);
	struct packet_spec answer;
	uint32_t flow = path_establish(path, &spec, WORLD_TARGET_SIDE, &answer);
	const struct sl_flow_line *line = sl_line(&path->tables, false, 2 * flow + 1);
	uint64_t hop = path->tables.targets[line->target].next_hop;
	struct reset reset;

	assert_false(reset_build(&path->tables, false, line, SL_NEXT_HOP_NONE, &reset));
	assert_true(reset_build(&path->tables, false, line, hop, &reset));
	path->tables.ports[path->world.port[WORLD_TARGET_SIDE]].up = 0;
	assert_false(reset_build(&path->tables, false, line, hop, &reset));
}

/* --- the walk ------------------------------------------------------------- */

struct walk {
	struct path path;
	struct termination *termination;
};

static int walk_setup(void **state)
{
	struct walk *walk = calloc(1, sizeof(*walk));

	if (walk == NULL)
		return -1;
	world_make(&walk->path.world, &walk->path.tables, PATH_FLOWS);
	walk->path.tables.flow_ended = path_note;
	walk->path.tables.context = &walk->path;
	*state = walk;
	return termination_open(&walk->path.tables, path_note, &walk->path, false,
				&walk->termination);
}

static int walk_teardown(void **state)
{
	struct walk *walk = *state;

	termination_close(walk->termination);
	tables_free(&walk->path.tables);
	free(walk);
	return 0;
}

static bool has_work(const struct walk *walk)
{
	struct pollfd ready = {.fd = termination_fd(walk->termination), .events = POLLIN};

	return poll(&ready, 1, 0) == 1;
}

/* Returns how many steps it took. */
static uint32_t walk_on(struct walk *walk)
{
	uint32_t steps = 0;

	while (has_work(walk)) {
		uint32_t before = walk->path.n_records;

		assert_int_equal(termination_step(walk->termination, walk->path.tables.now_ns), 0);
		assert_true(walk->path.n_records - before <= TERMINATION_ENDS);
		steps++;
	}
	assert_int_equal(termination_step(walk->termination, walk->path.tables.now_ns), 0);
	return steps;
}

static uint64_t resets(const struct walk *walk)
{
	const struct sl_tables *t = &walk->path.tables;
	uint64_t n = 0;

	for (uint32_t i = 0; i < t->config->cpus * SL_MAX_LISTENERS; i++)
		n += t->listener_counts[i].elb_resets;
	return n;
}

static void set_ends(struct walk *walk, uint16_t target, enum sl_target_state state, uint8_t ends)
{
	world_set_target(&walk->path.world, target, state);
	walk->path.tables.targets[target].ends = ends;
}

static uint16_t target_of(const struct walk *walk, const struct packet_spec *spec)
{
	struct sl_tables tables = walk->path.tables;

	return sl_line(&tables, spec->v6, 2 * world_flow(&walk->path.world, spec))->target;
}

/* A flow brought to some state: what the slow model knows of it. */
struct model_flow {
	struct packet_spec spec;
	uint32_t flow, state;
	uint16_t target;
};

static struct model_flow make_flow(struct walk *walk, uint32_t i, uint32_t random)
{
	bool v6 = i & 1, udp = i & 2;
	struct model_flow f = {
		.spec = world_packet(&walk->path.world, v6, udp ? SL_UDP : SL_TCP,
				     random & 1 ? WORLD_SNAT : WORLD_PRESERVED, i,
				     (uint16_t)(2000 + i)),
	};
	struct packet_spec answer;
	struct packet packet;

	path_sends(&walk->path, &f.spec, WORLD_CLIENT_SIDE, WORLD_TARGET_SIDE, &packet);
	answer = world_answer(&packet);
	answer.tcp_flags = SL_TCP_SYN | SL_TCP_ACK;
	for (uint32_t step = 0; !udp && step < (random >> 1) % 5; step++) {
		if (step == 0) {
			path_sends(&walk->path, &answer, WORLD_TARGET_SIDE, WORLD_CLIENT_SIDE,
				   &packet);
			continue;
		}
		f.spec.tcp_flags = step == 2 ? SL_TCP_ACK | SL_TCP_FIN : SL_TCP_ACK;
		path_sends(&walk->path, &f.spec, WORLD_CLIENT_SIDE, WORLD_TARGET_SIDE, &packet);
		answer.tcp_flags = step == 3 ? SL_TCP_ACK | SL_TCP_FIN : SL_TCP_ACK;
		path_sends(&walk->path, &answer, WORLD_TARGET_SIDE, WORLD_CLIENT_SIDE, &packet);
	}
	f.flow = world_flow(&walk->path.world, &f.spec);
	f.state = world_state(&walk->path.world, v6, f.flow);
	f.target = target_of(walk, &f.spec);
	return f;
}

static bool is_to_end(const struct walk *walk, const struct model_flow *f)
{
	const struct sl_target *target = &walk->path.tables.targets[f->target];

	if (f->state == SL_FLOW_UDP)
		return (target->ends & SL_ENDS_UDP) && target->state == SL_TARGET_REMOVED;
	return (target->ends & SL_ENDS_TCP) && f->state != SL_FLOW_LINGERING;
}

static uint32_t resets_of(const struct model_flow *f)
{
	return f->state == SL_FLOW_ESTABLISHED ? 2 : f->state == SL_FLOW_ANSWERED ? 1 : 0;
}

static void a_walk_ends_the_flows_that_a_slow_model_names_and_no_others(void **state)
{
	struct model_flow flows[2 * CLIENTS];
	struct walk *walk = *state;
	uint32_t ended = 0, kept = 0;

	srandom(SEED);
	print_message("seed %u\n", SEED);
	for (int round = 0; round < 20; round++) {
		uint64_t resets_due = resets(walk);
		uint32_t records = walk->path.n_records;

		for (uint32_t i = 0; i < 2 * CLIENTS; i++)
			flows[i] = make_flow(walk, i, (uint32_t)random());
		for (uint16_t n = 0; n < walk->path.world.n_targets; n++)
			set_ends(walk, n, random() % 2 ? SL_TARGET_IDLE : SL_TARGET_REMOVED,
				 (uint8_t)(random() % 4));
		termination_begin(walk->termination, walk->path.tables.now_ns);
		walk_on(walk);
		for (uint32_t i = 0; i < 2 * CLIENTS; i++) {
			const struct model_flow *f = &flows[i];
			uint32_t now = world_state(&walk->path.world, f->spec.v6, f->flow);

			if (!is_to_end(walk, f)) {
				assert_int_equal(now, f->state);
				kept++;
				continue;
			}
			assert_int_equal(now, SL_FLOW_FREE);
			resets_due += resets_of(f);
			records++;
			ended++;
		}
		assert_int_equal(walk->path.n_records, records);
		assert_int_equal(resets(walk), resets_due);
		assert_null(world_flaw(&walk->path.world, false));
		assert_null(world_flaw(&walk->path.world, true));
		for (uint16_t n = 0; n < walk->path.world.n_targets; n++)
			set_ends(walk, n, SL_TARGET_ACTIVE, 0);
		world_wait_ms(&walk->path.world, 400000);
		path_sweep(&walk->path);
	}
	assert_true(ended > 1000 && kept > 1000);
}

static void a_record_names_why_the_flow_ended(void **state)
{
	struct walk *walk = *state;

	for (uint32_t i = 0; i < 2; i++) {
		struct packet_spec answer, spec = world_packet(&walk->path.world, i, SL_TCP,
							       WORLD_SNAT, i, 5000);

		path_establish(&walk->path, &spec, WORLD_TARGET_SIDE, &answer);
		set_ends(walk, target_of(walk, &spec), i ? SL_TARGET_REMOVED : SL_TARGET_IDLE,
			 SL_ENDS_TCP);
		termination_begin(walk->termination, walk->path.tables.now_ns);
		walk_on(walk);
		assert_int_equal(walk->path.n_records, i + 1);
		assert_int_equal(walk->path.records[i].reason,
				 i ? SL_CLOSE_RST_LB_DEREG : SL_CLOSE_RST_LB_UNHEALTHY);
	}
}

static void a_target_that_recovers_keeps_its_flows(void **state)
{
	struct walk *walk = *state;
	struct packet_spec answer, spec = world_packet(&walk->path.world, false, SL_TCP, WORLD_SNAT,
						       1, 5000);
	struct packet packet;

	path_establish(&walk->path, &spec, WORLD_TARGET_SIDE, &answer);
	set_ends(walk, target_of(walk, &spec), SL_TARGET_IDLE, SL_ENDS_TCP);
	termination_begin(walk->termination, walk->path.tables.now_ns);
	set_ends(walk, target_of(walk, &spec), SL_TARGET_ACTIVE, 0);
	walk_on(walk);
	path_sends(&walk->path, &spec, WORLD_CLIENT_SIDE, WORLD_TARGET_SIDE, &packet);
	assert_int_equal(walk->path.n_records, 0);
}

static void a_flow_made_behind_the_walks_back_ends_with_the_late_one(void **state)
{
	struct walk *walk = *state;
	struct packet_spec answer, spec = world_packet(&walk->path.world, true, SL_TCP, WORLD_SNAT,
						       1, 5000);
	struct path *path = &walk->path;

	termination_begin(walk->termination, path->tables.now_ns);
	walk_on(walk);
	path_establish(path, &spec, WORLD_TARGET_SIDE, &answer);
	set_ends(walk, target_of(walk, &spec), SL_TARGET_IDLE, SL_ENDS_TCP);
	path->tables.now_ns += TERMINATION_LATE_NS - 1;
	assert_int_equal(walk_on(walk), 0);
	assert_int_equal(path->n_records, 0);
	path->tables.now_ns++;
	assert_int_equal(termination_step(walk->termination, path->tables.now_ns), 0);
	walk_on(walk);
	assert_int_equal(path->n_records, 1);
	path->tables.now_ns += 10 * TERMINATION_LATE_NS;
	assert_int_equal(walk_on(walk), 0);
}

static void a_step_ends_no_more_flows_than_its_bound(void **state)
{
	const uint32_t flows = 3 * TERMINATION_ENDS + 1;
	struct walk *walk = *state;

	for (uint32_t i = 0; i < flows; i++) {
		struct packet_spec answer, spec = world_packet(&walk->path.world, i & 1, SL_TCP,
							       WORLD_SNAT, i, (uint16_t)(2000 + i));

		path_establish(&walk->path, &spec, WORLD_TARGET_SIDE, &answer);
	}
	for (uint16_t n = 0; n < walk->path.world.n_targets; n++)
		set_ends(walk, n, SL_TARGET_REMOVED, SL_ENDS_TCP);
	assert_false(has_work(walk));
	termination_begin(walk->termination, walk->path.tables.now_ns);
	assert_int_equal(walk_on(walk), 4);
	assert_int_equal(walk->path.n_records, flows);
	assert_int_equal(resets(walk), 2 * flows);
}

static uint64_t freed(const struct walk *walk, uint16_t target)
{
	const struct sl_tables *t = &walk->path.tables;
	uint64_t n = 0;

	for (uint32_t cpu = 0; cpu < t->config->cpus; cpu++)
		n += t->target_counts[cpu * t->config->max_targets + target].freed_flows;
	return n;
}

/* How far somebody came with the end of a flow when he was killed. */
static void abandon(struct walk *walk, bool v6, uint32_t flow, int lines_dead)
{
	struct sl_tables *t = &walk->path.tables;

	for (int i = 0; i < 2; i++) {
		struct sl_flow_line *line = sl_line(t, v6, 2 * flow + (uint32_t)i);
		struct sl_flow_key key;

		if (i == 0)
			line->control = SL_CONTROL(SL_CONTROL_VERSION(line->control),
						   SL_CONTROL_STATE(line->control),
						   SL_FLOW_ENDING);
		sl_line_key(line, v6, &key);
		if (i < lines_dead)
			sl_line_unlink(t, v6, line, 2 * flow + (uint32_t)i, line->version | 1);
	}
}

static void what_a_killed_process_left_half_done_is_removed(void **state)
{
	struct walk *walk = *state;
	struct path *path = &walk->path;

	for (int i = 0; i < 6; i++) {
		bool v6 = i & 1;
		int lines_dead = i / 2;
		struct packet_spec answer, spec = world_packet(&path->world, v6, SL_TCP, WORLD_SNAT,
							       1, (uint16_t)(5000 + i));
		uint32_t flow = path_establish(path, &spec, WORLD_TARGET_SIDE, &answer);
		uint16_t target = target_of(walk, &spec);
		uint64_t before = freed(walk, target);

		abandon(walk, v6, flow, lines_dead);
		termination_begin(walk->termination, path->tables.now_ns);
		walk_on(walk);
		assert_int_equal(world_state(&path->world, v6, flow), SL_FLOW_ENDING);
		path->tables.now_ns += TERMINATION_LATE_NS;
		assert_int_equal(termination_step(walk->termination, path->tables.now_ns), 0);
		assert_int_equal(world_state(&path->world, v6, flow), SL_FLOW_FREE);
		assert_null(world_flaw(&path->world, v6));
		/* both lines dead: the next thing that was done, counting, may have been done */
		assert_int_equal(freed(walk, target) - before, lines_dead < 2);
		walk_on(walk);
	}
}

static void what_somebody_still_works_at_is_left_alone(void **state)
{
	struct walk *walk = *state;
	struct path *path = &walk->path;
	struct packet_spec answer, spec = world_packet(&path->world, false, SL_TCP, WORLD_SNAT, 1,
						       5000);
	uint32_t flow = path_establish(path, &spec, WORLD_TARGET_SIDE, &answer);
	struct sl_flow_line *line = sl_line(&path->tables, false, 2 * flow);
	uint32_t was = line->control;
	struct packet packet;

	line->control = SL_CONTROL(SL_CONTROL_VERSION(was), SL_FLOW_ESTABLISHED, SL_FLOW_ENDING);
	termination_begin(walk->termination, path->tables.now_ns);
	walk_on(walk);
	line->control = was; /* another one, made meanwhile */
	path->tables.now_ns += TERMINATION_LATE_NS;
	assert_int_equal(termination_step(walk->termination, path->tables.now_ns), 0);
	path_sends(path, &spec, WORLD_CLIENT_SIDE, WORLD_TARGET_SIDE, &packet);
	assert_int_equal(world_flow(&path->world, &spec), flow);
}

int main(void)
{
#define WALK_TEST(f) cmocka_unit_test_setup_teardown(f, walk_setup, walk_teardown)
	const struct CMUnitTest tests[] = {
		PATH_TEST(a_reset_is_what_the_path_answers_to_either_side),
		PATH_TEST(nobody_is_told_where_there_is_no_way),
		WALK_TEST(a_walk_ends_the_flows_that_a_slow_model_names_and_no_others),
		WALK_TEST(a_record_names_why_the_flow_ended),
		WALK_TEST(a_target_that_recovers_keeps_its_flows),
		WALK_TEST(a_flow_made_behind_the_walks_back_ends_with_the_late_one),
		WALK_TEST(a_step_ends_no_more_flows_than_its_bound),
		WALK_TEST(what_a_killed_process_left_half_done_is_removed),
		WALK_TEST(what_somebody_still_works_at_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
