/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The dpdk engine and the program the kernel runs must do the same to every
 * packet: verdict, bytes, tables, flow records. Both get the same tables, clock
 * and packets: the dpdk engine's worker function in bursts of mbufs, the kernel
 * one by one by BPF_PROG_TEST_RUN, in a network namespace of its own whose
 * interfaces the packets come in by.
 */
#define _GNU_SOURCE

#include "generator.h"

#include "tests/unit/bursts.h"

#include "dataplane/tables.h"
#include "dataplane/xdp/xdp_program.h"

#include "sl_xdp.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define STEPS 600000
#define FLOWS 1024
#define SNAT_PORTS 64	  /* so few that they run out */
#define COMPARE_EVERY 500 /* steps */
#define RECORDS_MAX 4096  /* between two comparisons */
#define OUT_MAX 4096	  /* bytes of a packet that comes out of the kernel */
#define INTERFACES 3

struct records {
	struct sl_flow_record record[RECORDS_MAX];
	uint32_t n;
};

/* Packets of one interface, waiting to be taken together. */
struct burst {
	uint32_t ifindex;
	unsigned int n, size;
	struct packet packets[BURST_MAX];
	int verdicts[BURST_MAX]; /* once taken: natively */
};

struct rig {
	struct xdp_program program;
	struct ring_buffer *ring;
	struct sl_tables flat;
	struct world kernel, native;
	struct records kernel_records, native_records;
	uint64_t ended[SL_CLOSE_COUNT];
	uint64_t verdicts[5]; /* enum xdp_action */
	uint64_t headers;     /* packets that grew as by nothing but a PROXY header */
	struct burst bursts[INTERFACES];
	struct packet before[BURST_MAX]; /* of the burst that is taken */
};

static void note_record(void *context, const struct sl_flow_record *record)
{
	struct records *records = context;

	assert_true(records->n < RECORDS_MAX);
	memcpy(&records->record[records->n++], record, sizeof(*record));
}

static int note_kernel_record(void *context, void *data, size_t size)
{
	assert_true(size >= sizeof(struct sl_flow_record));
	note_record(context, data);
	return 0;
}

static void make_interfaces(uint32_t ret_ifindex[INTERFACES])
{
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	assert_int_equal(system("ip link add client0 type veth peer name client1 && "
				"ip link add target0 type veth peer name target1 && "
				"ip link add narrow0 type veth peer name narrow1"), 0);
	ret_ifindex[0] = if_nametoindex("client0");
	ret_ifindex[1] = if_nametoindex("target0");
	ret_ifindex[2] = if_nametoindex("narrow0");
}

/* Counters are per CPU: both sides must count on the same one. */
static uint32_t stay_on_one_cpu(void)
{
	uint32_t cpu = (uint32_t)sched_getcpu();
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	assert_int_equal(sched_setaffinity(0, sizeof(set), &set), 0);
	return cpu;
}

static int setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	struct sl_config config = world_config(FLOWS, FLOWS, 256,
					       (uint32_t)libbpf_num_possible_cpus());
	struct xdp_program_options options = {.config = &config, .clock_is_set = true};
	char error[ENGINE_ERROR_MAX];
	uint32_t ifindex[INTERFACES];

	assert_non_null(rig);
	*state = rig;
	bursts_start();
	config.snat_port_max = (uint16_t)(config.snat_port_min + SNAT_PORTS - 1);
	make_interfaces(ifindex);
	if (xdp_program_load(&options, &rig->program, error) < 0)
		fail_msg("%s", error);
	assert_int_equal(tables_allocate(&config, &rig->flat), 0);
	tables_count_on(&rig->flat, stay_on_one_cpu());
	rig->flat.flow_ended = note_record;
	rig->flat.context = &rig->native_records;
	rig->ring = ring_buffer__new(bpf_map__fd(rig->program.skeleton->maps.sl_records),
				     note_kernel_record, &rig->kernel_records, NULL);
	assert_non_null(rig->ring);
	world_begin(&rig->kernel, &rig->program.tables);
	world_fill(&rig->kernel, ifindex);
	world_begin(&rig->native, &rig->flat);
	world_fill(&rig->native, ifindex);
	for (int i = 0; i < INTERFACES; i++)
		rig->bursts[i].ifindex = ifindex[i];
	for (uint32_t number = 0; number < SL_MAX_PORTS; number++) {
		uint32_t device = rig->flat.ports[number].ifindex;

		if (device != 0)
			assert_int_equal(
				bpf_map_update_elem(
					bpf_map__fd(rig->program.skeleton->maps.sl_devices),
					&number, &device, BPF_ANY), 0);
	}
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	ring_buffer__free(rig->ring);
	xdp_program_close(&rig->program);
	tables_free(&rig->flat);
	free(rig);
	return 0;
}

/* --- one step on both sides ---------------------------------------------- */

static void describe(const char *what, const struct packet *p)
{
	fprintf(stderr, "%s: %zu bytes", what, p->length);
	for (size_t i = 0; i < p->length && i < 256; i++)
		fprintf(stderr, "%s%02x", i % 32 ? " " : "\n", p->data[i]);
	fprintf(stderr, "\n");
}

static uint32_t run_kernel(struct rig *rig, const struct bpf_program *program,
			   const struct packet *packet, uint32_t ifindex, unsigned char *out,
			   size_t *out_length)
{
	struct xdp_md context = {
		.data_end = (__u32)packet->length,
		.ingress_ifindex = ifindex,
	};
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = packet->data,
		    .data_size_in = (__u32)packet->length, .data_out = out,
		    .data_size_out = (__u32)*out_length, .ctx_in = &context,
		    .ctx_size_in = sizeof(context), .repeat = 1);

	*xdp_program_clock(&rig->program) = rig->kernel.t->now_ns;
	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(program), &run), 0);
	*out_length = run.data_size_out;
	return run.retval;
}

/* The native verdict as bpf/sl_xdp.bpf.c tells it to the kernel. */
static uint32_t as_xdp_action(const struct rig *rig, int verdict, uint32_t ifindex)
{
	const struct sl_port *port = &rig->flat.ports[SL_VERDICT_PORT(verdict)];

	switch (SL_VERDICT(verdict)) {
	case SL_PASS:
		return XDP_PASS;
	case SL_DROP:
		return XDP_DROP;
	}
	return port->ifindex == ifindex && !port->redirect ? XDP_TX : XDP_REDIRECT;
}

/* A packet of a burst that was taken natively meets the kernel. */
static void compare_packet(struct rig *rig, const struct burst *burst, unsigned int i)
{
	const struct packet *native = &burst->packets[i];
	uint32_t want = as_xdp_action(rig, burst->verdicts[i], burst->ifindex), action;
	unsigned char out[OUT_MAX];
	size_t length = sizeof(out);
	struct packet kernel;

	action = run_kernel(rig, rig->program.skeleton->progs.sl_xdp, &rig->before[i],
			    burst->ifindex, out, &length);
	rig->verdicts[action]++;
	if (action != XDP_DROP && length >= rig->before[i].length + SL_PROXY_BYTES - 8)
		rig->headers++;
	if (action == want && (action == XDP_DROP || (length == native->length &&
						      memcmp(out, native->data, length) == 0)))
		return;
	fprintf(stderr, "packet %u of a burst of %u:\n", i, burst->n);
	describe("as it came", &rig->before[i]);
	describe("as it left the worker", native);
	packet_set(&kernel, out, length);
	describe("as it left the kernel", &kernel);
	fail_msg("XDP action %u in the kernel, %u by the worker", action, want);
}

/* Both sides take the packets of a burst, which become what came out. */
static void take(struct rig *rig, struct burst *burst)
{
	for (unsigned int i = 0; i < burst->n; i++)
		packet_copy(&rig->before[i], &burst->packets[i]);
	bursts_receive(&rig->flat, burst->ifindex, burst->packets, burst->n, burst->verdicts);
	for (unsigned int i = 0; i < burst->n; i++)
		compare_packet(rig, burst, i);
}

static void sweep(struct rig *rig)
{
	unsigned char out[64];
	size_t out_length = sizeof(out);
	struct packet frame;

	packet_set(&frame, "sweep, sweep, sweep, sweep, sweep", 32);
	assert_int_equal(run_kernel(rig, rig->program.skeleton->progs.sl_sweep_now, &frame,
				    rig->kernel.ifindex[0], out, &out_length), XDP_PASS);
	sl_flow_sweep(&rig->flat, false, 1u << 22);
	sl_flow_sweep(&rig->flat, true, 1u << 22);
}

static void compare_tables(struct rig *rig)
{
	for (enum table table = 0; table < TABLE_COUNT; table++) {
		const unsigned char *kernel = tables_place(&rig->program.tables, table);
		const unsigned char *native = tables_place(&rig->flat, table);
		size_t record = tables_record_bytes(table);
		size_t bytes = record * tables_records(table, rig->flat.config);

		if (memcmp(kernel, native, bytes) == 0)
			continue;
		for (size_t i = 0; i < bytes; i++)
			if (kernel[i] != native[i])
				fail_msg("table %s, record %zu, byte %zu: %u in the kernel, "
					 "%u natively", tables_name(table), i / record, i % record,
					 kernel[i], native[i]);
	}
	assert_true(ring_buffer__consume(rig->ring) >= 0);
	assert_int_equal(rig->kernel_records.n, rig->native_records.n);
	assert_memory_equal(rig->kernel_records.record, rig->native_records.record,
			    rig->native_records.n * sizeof(struct sl_flow_record));
	for (uint32_t i = 0; i < rig->native_records.n; i++)
		rig->ended[rig->native_records.record[i].reason]++;
	rig->kernel_records.n = rig->native_records.n = 0;
}

/* --- known packets -------------------------------------------------------- */

struct packet_case {
	const char *text;
	enum world_service service;
	uint8_t protocol;
	uint8_t flags;
	bool begun; /* its flow is made by a SYN or a datagram before it in the burst */
	uint8_t ahead; /* of that SYN, in numbers of the sequence */
	uint8_t ttl, ip_options;
	uint16_t payload, vlan;
	bool dont_fragment;
	void (*spoil)(struct packet *packet);
	enum xdp_action want;
};

static void not_our_mac(struct packet *packet)
{
	packet->data[5] ^= 0x40;
}

static void other_destination(struct packet *packet)
{
	packet->data[packet_l4(packet) - 1] ^= 0x40; /* the last byte of the address */
}

static void other_port(struct packet *packet)
{
	packet->data[packet_l4(packet) + 2] ^= 0x40;
}

static void cut_in_l4(struct packet *packet)
{
	size_t l3 = packet_l3(packet);

	packet->length = packet_l4(packet) + 7;
	if (packet->data[l3] >> 4 == 6)
		packet->data[l3 + 5] = 7;
	else
		packet->data[l3 + 3] = 27;
}

static void bad_data_offset(struct packet *packet)
{
	packet->data[packet_l4(packet) + 12] = 0x40;
}

static void bad_udp_length(struct packet *packet)
{
	packet->data[packet_l4(packet) + 4] = 0x40;
}

static void arp(struct packet *packet)
{
	packet->data[12] = 0x08;
	packet->data[13] = 0x06;
}

#define SYN SL_TCP_SYN
#define ACK SL_TCP_ACK
static const struct packet_case cases[] = {
	{"SYN, SNAT", WORLD_SNAT, SL_TCP, SYN, .want = XDP_REDIRECT},
	{"SYN, preserved", WORLD_PRESERVED, SL_TCP, SYN, .want = XDP_REDIRECT},
	{"SYN, sticky", WORLD_STICKY, SL_TCP, SYN, .want = XDP_REDIRECT},
	{"SYN, weighted groups", WORLD_WEIGHTED, SL_TCP, SYN, .want = XDP_REDIRECT},
	{"datagram, SNAT", WORLD_SNAT, SL_UDP, .want = XDP_REDIRECT},
	{"datagram, preserved", WORLD_PRESERVED, SL_UDP, .want = XDP_REDIRECT},
	{"large datagram", WORLD_SNAT, SL_UDP, .payload = 1400, .want = XDP_REDIRECT},
	{"SYN again", WORLD_SNAT, SL_TCP, SYN, .begun = true, .want = XDP_REDIRECT},
	{"data on a flow", WORLD_SNAT, SL_TCP, ACK, .begun = true, .payload = 999,
	 .want = XDP_REDIRECT},
	{"RST on a flow", WORLD_SNAT, SL_TCP, SL_TCP_RST, .begun = true, .want = XDP_REDIRECT},
	{"options", WORLD_SNAT, SL_TCP, SYN, .ip_options = 24, .want = XDP_REDIRECT},
	{"target behind a VLAN", WORLD_TAGGED, SL_TCP, SYN, .want = XDP_REDIRECT},
	{"target behind a VLAN in a VLAN, one arm", WORLD_DOUBLE_TAGGED, SL_TCP, SYN,
	 .want = XDP_TX},
	{"priority tag", WORLD_SNAT, SL_TCP, SYN, .vlan = 0x2000, .want = XDP_REDIRECT},
	{"VLAN that is no port", WORLD_SNAT, SL_TCP, SYN, .vlan = 77, .want = XDP_PASS},
	{"target without a next hop", WORLD_UNRESOLVED, SL_TCP, SYN, .want = XDP_PASS},
	{"no target: RST", WORLD_EMPTY, SL_TCP, SYN, .want = XDP_TX},
	{"no target: dropped datagram", WORLD_EMPTY, SL_UDP, .want = XDP_DROP},
	{"ACK on no flow: RST", WORLD_SNAT, SL_TCP, ACK, .want = XDP_TX},
	{"data on no flow: RST", WORLD_SNAT, SL_TCP, ACK, .payload = 500, .want = XDP_TX},
	{"SYN-ACK on no flow: RST", WORLD_SNAT, SL_TCP, SYN | ACK, .want = XDP_TX},
	{"no flags on no flow: RST", WORLD_SNAT, SL_TCP, 0, .want = XDP_TX},
	{"RST on no flow", WORLD_SNAT, SL_TCP, SL_TCP_RST, .want = XDP_DROP},
	{"TTL 1: time exceeded", WORLD_SNAT, SL_TCP, SYN, .ttl = 1, .want = XDP_TX},
	{"too big for the link: MTU", WORLD_NARROW, SL_UDP, .payload = 1400,
	 .dont_fragment = true, .want = XDP_TX},
	{"first data, with a PROXY header", WORLD_PROXIED, SL_TCP, ACK, .begun = true, .ahead = 1,
	 .payload = 999, .want = XDP_REDIRECT},
	{"data behind a PROXY header", WORLD_PROXIED, SL_TCP, ACK, .begun = true, .ahead = 2,
	 .payload = 999, .want = XDP_REDIRECT},
	{"first ACK, no PROXY header yet", WORLD_PROXIED, SL_TCP, ACK, .begun = true, .ahead = 1,
	 .want = XDP_REDIRECT},
	{"FIN, with a PROXY header", WORLD_PROXIED, SL_TCP, ACK | SL_TCP_FIN, .begun = true,
	 .ahead = 1, .want = XDP_REDIRECT},
	{"first ACK, with a PROXY header", WORLD_PROXIED_FIRST, SL_TCP, ACK, .begun = true,
	 .ahead = 1, .want = XDP_REDIRECT},
	{"data where a PROXY header goes", WORLD_PROXIED, SL_TCP, ACK, .begun = true,
	 .payload = 999, .want = XDP_DROP},
	{"SYN with data, to a PROXY header", WORLD_PROXIED, SL_TCP, SYN, .payload = 999,
	 .want = XDP_REDIRECT},
	{"too big with a PROXY header: MTU", WORLD_PROXIED, SL_TCP, ACK, .begun = true, .ahead = 1,
	 .payload = 1400, .dont_fragment = true, .want = XDP_TX},
	{"datagram, no PROXY header", WORLD_PROXIED, SL_UDP, .payload = 999, .want = XDP_REDIRECT},
	{"another's MAC", WORLD_SNAT, SL_TCP, SYN, .spoil = not_our_mac, .want = XDP_PASS},
	{"another's address", WORLD_SNAT, SL_TCP, SYN, .spoil = other_destination,
	 .want = XDP_PASS},
	{"SYN to no listener", WORLD_SNAT, SL_TCP, SYN, .spoil = other_port, .want = XDP_PASS},
	{"ARP", WORLD_SNAT, SL_TCP, SYN, .spoil = arp, .want = XDP_PASS},
	{"cut TCP header", WORLD_SNAT, SL_TCP, SYN, .spoil = cut_in_l4, .want = XDP_DROP},
	{"cut UDP header", WORLD_SNAT, SL_UDP, .spoil = cut_in_l4, .want = XDP_DROP},
	{"TCP data offset of 4", WORLD_SNAT, SL_TCP, SYN, .spoil = bad_data_offset,
	 .want = XDP_DROP},
	{"UDP longer than IP", WORLD_SNAT, SL_UDP, .spoil = bad_udp_length, .want = XDP_DROP},
};
#undef SYN
#undef ACK

static void run_case(struct rig *rig, bool v6, size_t number)
{
	const struct packet_case *c = &cases[number];
	struct burst *burst = &rig->bursts[WORLD_CLIENT_SIDE];
	struct packet_spec spec = world_packet(&rig->native, v6, c->protocol, c->service, 1,
					       (uint16_t)(20000 + number));

	burst->n = 0;
	if (c->begun)
		packet_build(&burst->packets[burst->n++], &spec);
	spec.tcp_flags = c->flags;
	spec.seq += c->ahead;
	spec.ttl = c->ttl;
	spec.ip_options = c->ip_options;
	spec.payload = c->payload;
	spec.vlan[0] = c->vlan;
	spec.dont_fragment = c->dont_fragment;
	packet_build(&burst->packets[burst->n], &spec);
	if (c->spoil != NULL)
		c->spoil(&burst->packets[burst->n]);
	burst->n++;
	take(rig, burst);
	if (as_xdp_action(rig, burst->verdicts[burst->n - 1], burst->ifindex) != c->want)
		fail_msg("IPv%d, %s: not XDP action %u", v6 ? 6 : 4, c->text, c->want);
	compare_tables(rig);
}

static void treats_known_packets_alike_and_as_wanted(void **state)
{
	struct rig *rig = *state;

	for (int v6 = 0; v6 < 2; v6++)
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
			run_case(rig, v6, i);
}

/* --- random packets ------------------------------------------------------- */

/* The run must have reached what there is to reach, or it proved little. */
static void assert_all_was_met(const struct rig *rig)
{
	/* these need a race, a driver without room, or a later fragment that may not be
	 * fragmented (tests/unit/test_icmp.c), which chance alone brings too rarely */
	static const uint64_t elsewhere = 1ull << SL_DROP_NONE | 1ull << SL_DROP_RACE |
					  1ull << SL_DROP_ADJUST | 1ull << SL_DROP_TOO_BIG;

	for (enum sl_drop reason = 0; reason < SL_DROP_COUNT; reason++)
		if (!(elsewhere >> reason & 1) && world_drops(&rig->native, reason) == 0)
			fail_msg("no packet was dropped for reason %u", reason);
	for (int reason = 0; reason < SL_CLOSE_COUNT; reason++)
		if (rig->ended[reason] == 0)
			fail_msg("no flow ended for reason %d", reason);
	assert_true(rig->verdicts[XDP_PASS] > STEPS / 100);
	assert_true(rig->verdicts[XDP_DROP] > STEPS / 100);
	assert_true(rig->verdicts[XDP_TX] > STEPS / 100);
	assert_true(rig->verdicts[XDP_REDIRECT] > STEPS / 4);
	assert_int_equal(rig->verdicts[XDP_ABORTED], 0);
	printf("%llu PROXY headers\n", (unsigned long long)rig->headers);
	assert_true(rig->headers > STEPS / 2000);
}

static struct burst *burst_of(struct rig *rig, uint32_t ifindex)
{
	struct burst *burst = rig->bursts;

	while (burst->ifindex != ifindex)
		burst++;
	return burst;
}

/* What came in by an interface is taken when enough of it waits. What the model and the clock
 * did meanwhile, they did on both sides. */
static void step_done(struct rig *rig, struct generator *g, struct burst *burst)
{
	if (++burst->n < burst->size)
		return;
	take(rig, burst);
	for (unsigned int i = 0; i < burst->n; i++)
		if (SL_VERDICT(burst->verdicts[i]) == SL_SEND)
			generator_learn(g, &burst->packets[i],
					SL_VERDICT_PORT(burst->verdicts[i]));
	burst->n = 0;
	burst->size = 1 + generator_below(g, BURST_MAX);
}

static void treats_random_packets_alike(void **state)
{
	struct generator *g = malloc(sizeof(*g));
	const char *given = getenv("SLUICE_TEST_SEED");
	uint64_t seed = given != NULL ? strtoull(given, NULL, 0) : 20240611;
	struct packet *packet = malloc(sizeof(*packet));
	struct rig *rig = *state;

	assert_non_null(g);
	assert_non_null(packet);
	printf("seed %llu (SLUICE_TEST_SEED)\n", (unsigned long long)seed);
	memset(rig->verdicts, 0, sizeof(rig->verdicts));
	generator_begin(g, seed, &rig->kernel, &rig->native);
	for (int i = 0; i < INTERFACES; i++)
		rig->bursts[i].n = 0;
	for (uint32_t step = 1; step <= STEPS; step++) {
		uint32_t ifindex;

		switch (generator_next(g, packet, &ifindex)) {
		case GENERATED_PACKET: {
			struct burst *burst = burst_of(rig, ifindex);

			packet_copy(&burst->packets[burst->n], packet);
			step_done(rig, g, burst);
			break;
		}
		case GENERATED_SWEEP:
			sweep(rig);
			break;
		case GENERATED_CHANGE:
			break;
		}
		if (step % COMPARE_EVERY == 0)
			compare_tables(rig);
	}
	free(packet);
	free(g);
	compare_tables(rig);
	assert_null(world_flaw(&rig->native, false));
	assert_null(world_flaw(&rig->native, true));
	assert_all_was_met(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(treats_known_packets_alike_and_as_wanted),
		cmocka_unit_test(treats_random_packets_alike),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
