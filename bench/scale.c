/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the number of flows costs: the packet path compiled natively, one packet
 * at a time, over tables that fit the flows. For each number of flows one JSON
 * line: ns a packet in random order, ns a flow that is made (three packets), ms
 * of a sweep that finds nothing to end, MiB of tables.
 */
#include "rig.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PACKETS 4194304u /* of one measurement */
#define QUICK_PACKETS 262144u
#define SWEEP_STEP 4096u /* flows that one call of the sweep looks at */

static const uint32_t sizes[] = {1024, 4096, 16384, 65536, 262144, 1048576, 4194304};

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "bench_scale: %s\n", what);
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static double tables_mib(const struct sl_config *config)
{
	uint64_t bytes = 0;

	for (enum table table = 0; table < TABLE_COUNT; table++)
		bytes += tables_record_bytes(table) * (uint64_t)tables_records(table, config);
	return (double)bytes / (1 << 20);
}

/* A frame, and room to write it anew: the path rewrites it in place. */
struct shot {
	unsigned char bytes[RIG_FRAME_BYTES];
	size_t len;
};

static void shoot(struct rig *rig, const struct shot *model, const struct datapath_packet *packet)
{
	unsigned char bytes[RIG_FRAME_BYTES];
	struct sl_ipv4 *ip = (void *)(bytes + sizeof(struct sl_eth));
	struct sl_tcp *tcp = (void *)(ip + 1);
	sl_frame_t frame = {bytes, bytes + model->len, bytes, bytes + sizeof(bytes)};

	memcpy(bytes, model->bytes, sizeof(bytes));
	ip->saddr = packet->saddr;
	ip->daddr = packet->daddr;
	tcp->sport = packet->sport;
	tcp->dport = packet->dport;
	if (rig_send(rig, &frame, 0) != 0)
		die("a packet was not forwarded");
}

/* ns a packet; both directions, flows in random order. */
static double packets_ns(struct rig *rig, uint32_t flows, uint32_t packets)
{
	struct datapath_plan plan = {.mask = 2 * flows - 1, .vip = DATAPATH_VIP};
	struct datapath_packet packet;
	struct shot model;
	uint64_t begin;

	plan.half = (32 - (uint32_t)__builtin_clz(plan.mask)) / 2 + 1;
	datapath_packet(&plan, 0, 0, &packet);
	model.len = rig_frame(&rig->kind, &packet, SL_TCP_ACK, model.bytes);
	begin = now_ns();
	for (uint32_t i = 0; i < packets; i++) {
		uint32_t place = datapath_place(&plan, i);

		datapath_packet(&plan, place >> 1, place & 1, &packet);
		shoot(rig, &model, &packet);
	}
	return (double)(now_ns() - begin) / packets;
}

static double sweep_ms(struct rig *rig, uint32_t flows)
{
	uint64_t begin = now_ns();

	rig->tables->now_ns = begin;
	for (uint32_t done = 0; done < flows; done += SWEEP_STEP)
		if (sl_flow_sweep(rig->tables, false, SWEEP_STEP) != 0)
			die("the sweep ended a live flow");
	return (double)(now_ns() - begin) / 1e6;
}

static void measure(uint32_t flows, uint32_t packets)
{
	static const uint32_t ifindex[2] = {1, 1}; /* any */
	struct rig_kind kind = {.max_flows = flows};
	char error[ENGINE_ERROR_MAX];
	struct sl_tables tables;
	struct sl_config config;
	uint64_t begin;
	double made_ns;
	struct rig rig;

	if (rig_plan(&kind, 1, &config, error) < 0)
		die(error);
	if (tables_allocate(&config, &tables) != 0)
		die("out of memory");
	rig_fill(&kind, &tables, ifindex, &rig);
	begin = now_ns();
	if (rig_establish(&rig, flows) != 0)
		die("a hand-shake was not forwarded");
	made_ns = (double)(now_ns() - begin) / flows;
	packets_ns(&rig, flows, packets / 4); /* fills the caches with what there will be */
	printf("{\"flows\": %" PRIu32 ", \"ns_per_packet\": %.2f, \"ns_per_flow\": %.1f, "
	       "\"sweep_ms\": %.4f, \"tables_mib\": %.2f}\n",
	       flows, packets_ns(&rig, flows, packets), made_ns, sweep_ms(&rig, flows),
	       tables_mib(&config));
	fflush(stdout);
	tables_free(&tables);
}

int main(int argc, char **argv)
{
	bool quick = argc == 2 && strcmp(argv[1], "--quick") == 0;

	if (argc > 2 || (argc == 2 && !quick)) {
		fprintf(stderr, "usage: bench_scale [--quick]\n");
		return 2;
	}
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		measure(sizes[i], quick ? QUICK_PACKETS : PACKETS);
	return 0;
}
