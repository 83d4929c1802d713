/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The flow table against a slow obvious model: an array with a place for every
 * flow there can be. Packets go through the whole path; each flow that ends is
 * reported to the model, which must find that it was allowed to end.
 */
#include "path.h"

#define OPERATIONS 220000
#define CLIENTS 40
#define CLIENT_PORTS 30
#define PLACES (2 * 2 * 2 * CLIENTS * CLIENT_PORTS)

struct model_flow {
	bool live, rst_by_target;
	enum sl_flow_state state;
	uint8_t fins; /* bit 0: the client's, bit 1: the target's */
	uint32_t seen; /* ticks of the last packet */
	uint64_t packets[2];
	struct packet_spec client, answer;
};

struct model {
	struct path path;
	uint64_t random;
	uint32_t count[2]; /* live flows of a family */
	struct model_flow flows[PLACES];
	struct model_flow *starting; /* a SYN for it is being handled */
	uint64_t made, refused, refusals_recorded, evicted, reused, expired, found, unknown;
};

static uint32_t below(struct model *m, uint32_t n)
{
	m->random = m->random * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)((m->random >> 32) * n >> 32);
}

static uint32_t idle_of(const struct model *m, const struct model_flow *f)
{
	return (uint32_t)(m->path.tables.now_ns >> SL_TICK_SHIFT) - f->seen;
}

static bool may_give_way(const struct model_flow *f)
{
	return f->live && f->state != SL_FLOW_ESTABLISHED && f->state != SL_FLOW_UDP;
}

static bool is_closed(const struct model_flow *f)
{
	return f->state == SL_FLOW_LINGERING || f->state == SL_FLOW_RESET;
}

static uint32_t patience_ms(const struct model_flow *f)
{
	switch (f->state) {
	case SL_FLOW_HALF_OPEN:
	case SL_FLOW_ANSWERED:
		return 30000;
	case SL_FLOW_LINGERING:
		return 4000;
	case SL_FLOW_RESET:
		return 2000;
	case SL_FLOW_UDP:
		return 120000;
	default:
		return 350000;
	}
}

static bool is_overdue(const struct model *m, const struct model_flow *f)
{
	return idle_of(m, f) >= SL_TICKS_OF_MS(patience_ms(f));
}

static enum sl_close_reason natural_reason(const struct model_flow *f)
{
	switch (f->state) {
	case SL_FLOW_HALF_OPEN:
	case SL_FLOW_ANSWERED:
		return SL_CLOSE_SYN_TIMEOUT;
	case SL_FLOW_LINGERING:
		return SL_CLOSE_FIN;
	case SL_FLOW_RESET:
		return f->rst_by_target ? SL_CLOSE_RST_TARGET : SL_CLOSE_RST_CLIENT;
	default:
		return SL_CLOSE_IDLE;
	}
}

static struct model_flow *flow_of_record(struct model *m, const struct sl_flow_record *r)
{
	for (uint32_t i = 0; i < PLACES; i++) {
		struct model_flow *f = &m->flows[i];

		if (f->live && ntohs(r->client_port) == f->client.from.port &&
		    ntohs(r->vip_port) == f->client.to.port &&
		    r->protocol == f->client.protocol && (r->family == 6) == f->client.v6 &&
		    memcmp(r->client, f->client.from.address, 16) == 0)
			return f;
	}
	fail_msg("a flow ended that did not live");
	return NULL;
}

static void check_record(void *context, const struct sl_flow_record *r)
{
	struct model *m = context;
	struct model_flow *f;

	if (r->reason == SL_CLOSE_TABLE_FULL) {
		m->refusals_recorded++;
		return;
	}
	f = flow_of_record(m, r);
	if (is_overdue(m, f)) {
		assert_int_equal(r->reason, natural_reason(f));
		m->expired++;
	} else if (f == m->starting) { /* a new SYN on a closed flow */
		assert_true(is_closed(f));
		assert_int_equal(r->reason, natural_reason(f));
		m->reused++;
	} else { /* it had to give way */
		assert_true(may_give_way(f));
		assert_int_equal(m->count[f->client.v6], PATH_FLOWS);
		assert_int_equal(r->reason, is_closed(f) ? natural_reason(f) : SL_CLOSE_EVICTED);
		m->evicted++;
	}
	assert_int_equal(r->state, f->state);
	assert_int_equal(r->client_packets, f->packets[0]);
	assert_int_equal(r->target_packets, f->packets[1]);
	f->live = false;
	m->count[f->client.v6]--;
}

static void note_packet(struct model *m, struct model_flow *f, int side, uint8_t flags)
{
	f->seen = (uint32_t)(m->path.tables.now_ns >> SL_TICK_SHIFT);
	f->packets[side]++;
	if (f->client.protocol == SL_UDP)
		return;
	if (flags & SL_TCP_RST) {
		if (f->state != SL_FLOW_LINGERING) {
			f->state = SL_FLOW_RESET;
			f->rst_by_target = side == 1;
		}
	} else if (flags & SL_TCP_SYN) {
		if (side == 1 && (flags & SL_TCP_ACK) && f->state == SL_FLOW_HALF_OPEN)
			f->state = SL_FLOW_ANSWERED;
	} else {
		if (flags & SL_TCP_FIN)
			f->fins |= 1 << side;
		if (side == 0 && (f->state == SL_FLOW_ANSWERED || f->state == SL_FLOW_RESET))
			f->state = SL_FLOW_ESTABLISHED;
		if (f->fins == 3)
			f->state = SL_FLOW_LINGERING;
	}
}

/* No two flows look the same to a target. */
static void assert_unlike_all_others(const struct model *m, const struct model_flow *f)
{
	for (uint32_t i = 0; i < PLACES; i++) {
		const struct model_flow *other = &m->flows[i];

		if (other == f || !other->live || other->answer.to.port != f->answer.to.port ||
		    other->client.protocol != f->client.protocol)
			continue;
		assert_false(memcmp(&other->answer.to, &f->answer.to, sizeof(f->answer.to)) == 0 &&
			     memcmp(&other->answer.from, &f->answer.from,
				    sizeof(f->answer.from)) == 0);
	}
}

static void begin_flow(struct model *m, struct model_flow *f, const struct packet *packet)
{
	assert_true(m->count[f->client.v6] < PATH_FLOWS);
	m->count[f->client.v6]++;
	m->made++;
	f->live = true;
	f->rst_by_target = false;
	f->state = f->client.protocol == SL_UDP ? SL_FLOW_UDP : SL_FLOW_HALF_OPEN;
	f->fins = 0;
	f->packets[0] = 1;
	f->packets[1] = 0;
	f->seen = (uint32_t)(m->path.tables.now_ns >> SL_TICK_SHIFT);
	f->answer = world_answer(packet);
	assert_unlike_all_others(m, f);
}

static void check_refusal(struct model *m, const struct model_flow *f)
{
	const bool v6 = f->client.v6;

	m->refused++;
	assert_int_equal(world_drops(&m->path.world, SL_DROP_TABLE_FULL), m->refused);
	assert_int_equal(m->refusals_recorded + m->path.tables.cpu_counts->refusals_unrecorded,
			 m->refused);
	assert_int_equal(m->count[v6], PATH_FLOWS);
	/* when the last sweep saw flows that may give way, all places are searched */
	for (uint32_t i = 0; i < PLACES && m->path.tables.pools[v6].evictable != 0; i++)
		assert_false(m->flows[i].client.v6 == v6 && may_give_way(&m->flows[i]));
}

static void assert_took_its_way(const struct packet *packet, const struct packet_end *source,
				const struct packet_end *destination)
{
	assert_end_equal(path_source(packet), *source);
	assert_end_equal(path_destination(packet), *destination);
	assert_null(packet_flaw(packet->data, packet->length));
}

static void client_sends(struct model *m, struct model_flow *f)
{
	static const uint8_t some[] = {SL_TCP_SYN, SL_TCP_SYN, SL_TCP_ACK, SL_TCP_ACK, SL_TCP_ACK,
				       SL_TCP_ACK | SL_TCP_FIN, SL_TCP_RST};
	uint8_t flags = some[below(m, sizeof(some))];
	bool tcp = f->client.protocol == SL_TCP, was_live = f->live;
	bool begins = !tcp || flags == SL_TCP_SYN;
	struct packet packet;
	int verdict;

	f->client.tcp_flags = tcp ? flags : 0;
	f->client.seq = below(m, UINT32_MAX);
	m->starting = tcp && flags == SL_TCP_SYN ? f : NULL;
	verdict = world_send(&m->path.world, &f->client, WORLD_CLIENT_SIDE, &packet);
	m->starting = NULL;
	if (was_live && f->live) {
		assert_false(tcp && flags == SL_TCP_SYN && is_closed(f));
		assert_int_equal(SL_VERDICT(verdict), SL_SEND);
		assert_took_its_way(&packet, &f->answer.to, &f->answer.from);
		note_packet(m, f, 0, flags);
		m->found++;
	} else if (!begins) {
		assert_int_equal(SL_VERDICT(verdict), flags & SL_TCP_RST ? SL_DROP : SL_SEND);
		m->unknown++;
	} else if (SL_VERDICT(verdict) == SL_DROP) {
		check_refusal(m, f);
	} else {
		assert_int_equal(SL_VERDICT(verdict), SL_SEND);
		begin_flow(m, f, &packet);
	}
}

static void target_answers(struct model *m, struct model_flow *f)
{
	static const uint8_t some[] = {SL_TCP_SYN | SL_TCP_ACK, SL_TCP_SYN | SL_TCP_ACK,
				       SL_TCP_ACK, SL_TCP_ACK, SL_TCP_ACK | SL_TCP_FIN,
				       SL_TCP_RST};
	uint8_t flags = some[below(m, sizeof(some))];
	struct packet packet;
	int verdict;

	f->answer.tcp_flags = f->client.protocol == SL_TCP ? flags : 0;
	verdict = world_send(&m->path.world, &f->answer, WORLD_TARGET_SIDE, &packet);
	assert_int_equal(SL_VERDICT(verdict), SL_SEND);
	assert_took_its_way(&packet, &f->client.to, &f->client.from);
	note_packet(m, f, 1, flags);
	m->found++;
}

static void time_passes(struct model *m)
{
	static const uint32_t up_to_ms[] = {10, 10, 1000, 1000, 5000, 40000, 400000};
	uint32_t kind = below(m, below(m, 50) == 0 ? 7 : 4);

	world_wait_ms(&m->path.world, 1 + below(m, up_to_ms[kind]));
	path_sweep(&m->path);
	for (uint32_t i = 0; i < PLACES; i++)
		assert_false(m->flows[i].live && is_overdue(m, &m->flows[i]));
}

static void compare_all(struct model *m)
{
	for (uint32_t i = 0; i < PLACES; i++) {
		const struct model_flow *f = &m->flows[i];
		uint32_t flow = world_flow(&m->path.world, &f->client);

		assert_int_equal(flow != 0, f->live);
		if (!f->live)
			continue;
		assert_int_equal(world_state(&m->path.world, f->client.v6, flow), f->state);
		assert_int_equal(world_flow(&m->path.world, &f->answer), flow);
	}
	for (int v6 = 0; v6 < 2; v6++)
		if (world_flaw(&m->path.world, v6) != NULL)
			fail_msg("%s", world_flaw(&m->path.world, v6));
}

static void lay_out(struct model *m)
{
	for (uint32_t i = 0; i < PLACES; i++)
		m->flows[i].client = world_packet(
			&m->path.world, i & 1, i & 2 ? SL_TCP : SL_UDP,
			i & 4 ? WORLD_PRESERVED : WORLD_SNAT, 1 + i / 8 % CLIENTS,
			(uint16_t)(5000 + i / 8 / CLIENTS));
}

static void agrees_with_a_slow_model_over_random_operations(void **state)
{
	struct model *m = calloc(1, sizeof(*m));

	(void)state;
	assert_non_null(m);
	world_make(&m->path.world, &m->path.tables, PATH_FLOWS);
	m->path.tables.flow_ended = check_record;
	m->path.tables.context = m;
	m->random = 20240612;
	printf("seed %llu\n", (unsigned long long)m->random);
	lay_out(m);
	for (uint32_t i = 1; i <= OPERATIONS; i++) {
		/* most on few flows, so that these get on; the rest fills the table */
		static const uint32_t among[] = {PLACES, PLACES, PLACES / 8, PLACES / 100};
		uint32_t at = below(m, among[below(m, 4)]);
		uint32_t kind = below(m, 1000);

		if (kind < 20)
			time_passes(m);
		else if (kind < 400 && m->flows[at].live)
			target_answers(m, &m->flows[at]);
		else
			client_sends(m, &m->flows[at]);
		if (i % 8000 == 0)
			compare_all(m);
	}
	/* the run must have reached each outcome, or it proved nothing */
	assert_true(m->made > 10000 && m->found > 50000 && m->unknown > 10000);
	assert_true(m->refused > 100 && m->evicted > 1000 && m->reused > 100 && m->expired > 1000);
	assert_true(m->refusals_recorded > 100);
	tables_free(&m->path.tables);
	free(m);
}

/* --- capacity ------------------------------------------------------------- */

static void assert_holds_exactly(uint32_t flows)
{
	struct path *path = calloc(1, sizeof(*path));
	struct packet_spec spec;
	struct packet packet;

	assert_non_null(path);
	world_make(&path->world, &path->tables, flows);
	spec = world_packet(&path->world, false, SL_UDP, WORLD_PRESERVED, 1, 1);
	spec.payload = 0;
	for (uint32_t i = 0; i < flows; i++) {
		spec.from = world_client(false, i >> 14, (uint16_t)(1 + (i & 0x3fff)));
		packet_build(&packet, &spec);
		if (SL_VERDICT(world_receive(&path->world, &packet, 1)) != SL_SEND)
			fail_msg("flow %u of %u was refused", i + 1, flows);
	}
	for (uint32_t i = 0; i < 1000; i++) {
		spec.from = world_client(false, 1000 + i, 5000);
		path_drops(path, &spec, WORLD_CLIENT_SIDE, SL_DROP_TABLE_FULL);
	}
	assert_int_equal(path->tables.listener_counts[path->world.listener[0][WORLD_PRESERVED]]
				 .rejected_flows[SL_L4_UDP], 1000);
	for (uint32_t i = 0; i < flows; i += 97) { /* each still finds its way */
		spec.from = world_client(false, i >> 14, (uint16_t)(1 + (i & 0x3fff)));
		assert_int_not_equal(world_flow(&path->world, &spec), 0);
	}
	assert_null(world_flaw(&path->world, false));
	tables_free(&path->tables);
	free(path);
}

static void holds_exactly_as_many_flows_as_it_is_made_for(void **state)
{
	(void)state;
	assert_holds_exactly(1024);
	assert_holds_exactly(1025);
	assert_holds_exactly(65536);
	assert_holds_exactly(1048576);
}

/* --- what gives way ------------------------------------------------------- */

/* A flow in one of six states. Returns whether it may give way. */
static bool make_flow(struct path *path, uint32_t number, struct packet_spec *ret_spec)
{
	bool udp = number % 6 == 0;
	struct packet_spec spec = world_packet(&path->world, false, udp ? SL_UDP : SL_TCP,
					       WORLD_PRESERVED, 1 + number, 5000), answer;
	struct packet packet;

	*ret_spec = spec;
	switch (number % 6) {
	case 0:
	case 1:
		path_sends(path, &spec, WORLD_CLIENT_SIDE, WORLD_TARGET_SIDE, &packet);
		return !udp;
	case 2:
		path_sends(path, &spec, WORLD_CLIENT_SIDE, WORLD_TARGET_SIDE, &packet);
		answer = world_answer(&packet);
		answer.tcp_flags = SL_TCP_SYN | SL_TCP_ACK;
		path_sends(path, &answer, WORLD_TARGET_SIDE, WORLD_CLIENT_SIDE, &packet);
		return true;
	}
	path_establish(path, &spec, WORLD_TARGET_SIDE, &answer);
	if (number % 6 == 3)
		return false;
	spec.tcp_flags = answer.tcp_flags = number % 6 == 4 ? SL_TCP_RST :
							      SL_TCP_FIN | SL_TCP_ACK;
	path_sends(path, &spec, WORLD_CLIENT_SIDE, WORLD_TARGET_SIDE, &packet);
	path_sends(path, &answer, WORLD_TARGET_SIDE, WORLD_CLIENT_SIDE, &packet);
	return true;
}

static void a_full_table_gives_up_all_that_may_give_way_and_no_live_flow(void **state)
{
	struct path *path = *state;
	struct packet_spec specs[PATH_FLOWS], spec;
	bool gives_way[PATH_FLOWS];
	uint32_t n = 0, made = 0;
	struct packet packet;

	for (uint32_t i = 0; i < PATH_FLOWS; i++) {
		gives_way[i] = make_flow(path, i, &specs[i]);
		n += gives_way[i];
	}
	path_sweep(path);
	assert_int_equal(path->n_records, 0);
	for (uint32_t i = 0; i < PATH_FLOWS; i++) {
		spec = world_packet(&path->world, false, SL_UDP, WORLD_PRESERVED, 2000 + i, 5000);
		if (i < n) {
			path_sends(path, &spec, WORLD_CLIENT_SIDE, WORLD_TARGET_SIDE, &packet);
			made++;
		} else {
			assert_true(i > n || path->n_records == n);
			path_drops(path, &spec, WORLD_CLIENT_SIDE, SL_DROP_TABLE_FULL);
		}
	}
	assert_int_equal(made, n);
	for (uint32_t i = 0; i < PATH_FLOWS; i++)
		assert_int_equal(world_flow(&path->world, &specs[i]) != 0, !gives_way[i]);
	assert_null(world_flaw(&path->world, false));
}

static void flood(struct path *path, uint32_t from, uint32_t syns)
{
	struct packet packet;

	for (uint32_t i = 0; i < syns; i++) {
		struct packet_spec spec = world_packet(&path->world, false, SL_TCP, WORLD_SNAT,
						       from + i, 5000);

		world_send(&path->world, &spec, WORLD_CLIENT_SIDE, &packet);
	}
}

static void a_syn_flood_neither_ends_a_live_flow_nor_keeps_clients_out(void **state)
{
	struct path *path = *state;
	struct packet_spec live[200], answers[200];
	uint64_t refused;
	struct packet packet;

	for (uint32_t i = 0; i < 200; i++) {
		live[i] = world_packet(&path->world, false, SL_TCP, WORLD_SNAT, 1 + i, 5000);
		path_establish(path, &live[i], WORLD_TARGET_SIDE, &answers[i]);
	}
	/* before a sweep knows of the flood, the search for a victim is a glance: it may meet
	 * only live flows where these stand side by side, and then goes on behind them */
	flood(path, 1000, 10 * PATH_FLOWS);
	refused = world_drops(&path->world, SL_DROP_TABLE_FULL);
	assert_in_range(refused, 1, 10 * PATH_FLOWS / 50);
	path_sweep(path);
	flood(path, 20000, 10 * PATH_FLOWS);
	assert_int_equal(world_drops(&path->world, SL_DROP_TABLE_FULL), refused);
	for (uint32_t i = 0; i < 200; i++) {
		path_sends(path, &live[i], WORLD_CLIENT_SIDE, WORLD_TARGET_SIDE, &packet);
		path_sends(path, &answers[i], WORLD_TARGET_SIDE, WORLD_CLIENT_SIDE, &packet);
	}
	assert_null(world_flaw(&path->world, false));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_a_slow_model_over_random_operations),
		cmocka_unit_test(holds_exactly_as_many_flows_as_it_is_made_for),
		PATH_TEST(a_full_table_gives_up_all_that_may_give_way_and_no_live_flow),
		PATH_TEST(a_syn_flood_neither_ends_a_live_flow_nor_keeps_clients_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
