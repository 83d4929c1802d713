/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The packet path, over a world with targets and services. An input is a
 * sequence of operations: raw frames, packets of services and their answers,
 * damage to these, ICMP errors, fragments, time, states of targets, sweeps.
 *
 * Beside what the sanitizers see: a packet that was right comes out right, a
 * dropped or passed one is not sent, and the flow table is whole at the end.
 */
#define _GNU_SOURCE

#include "tests/unit/world.h"

#include "dataplane/tables.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FLOWS 1024
#define OPERATIONS 64 /* of one input */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

struct input {
	const uint8_t *at, *end;
};

struct run {
	struct input in;
	struct sl_tables tables;
	struct world world;
	struct packet packet; /* the one being handled */
	struct packet sent;   /* the last that left for a port */
	uint32_t sent_ifindex;
};

static uint32_t take(struct input *in, uint32_t bytes)
{
	uint32_t value = 0;

	for (uint32_t i = 0; i < bytes && in->at < in->end; i++)
		value |= (uint32_t)*in->at++ << (8 * i);
	return value;
}

static void require(bool what, const char *text)
{
	if (!what) {
		fprintf(stderr, "%s\n", text);
		abort();
	}
}

/* Bytes of a frame that carries TCP, up to the end of its header. */
static size_t packet_headers(const struct packet *packet)
{
	size_t l4 = packet_l4(packet);

	return packet->length < l4 + 20 ? 0 : l4 + (packet->data[l4 + 12] >> 4) * 4u;
}

static void receive(struct run *run, uint32_t ifindex)
{
	bool was_right = packet_flaw(run->packet.data, run->packet.length) == NULL;
	struct packet before;
	const char *flaw;
	int verdict;

	packet_copy(&before, &run->packet);
	verdict = world_receive(&run->world, &run->packet, ifindex);
	require(SL_VERDICT(verdict) <= SL_SEND, "no verdict");
	if (SL_VERDICT(verdict) == SL_DROP)
		return;
	flaw = packet_flaw(run->packet.data, run->packet.length);
	if (was_right && flaw != NULL)
		require(false, flaw);
	if (SL_VERDICT(verdict) == SL_PASS) {
		/* but for a PROXY header, or data in the SYN before it */
		require(run->packet.length == before.length ||
				run->packet.length == before.length + SL_PROXY_BYTES ||
				(run->packet.length < before.length &&
				 run->packet.length == packet_headers(&run->packet)),
			"a passed packet was resized");
		return;
	}
	require(SL_VERDICT_PORT(verdict) < SL_MAX_PORTS &&
			run->tables.ports[SL_VERDICT_PORT(verdict)].ifindex != 0,
		"sent by a port that is none");
	packet_copy(&run->sent, &run->packet);
	run->sent_ifindex = run->tables.ports[SL_VERDICT_PORT(verdict)].ifindex;
}

static uint32_t some_ifindex(struct run *run)
{
	return run->world.ifindex[take(&run->in, 1) % WORLD_PORTS];
}

static void raw_frame(struct run *run)
{
	uint32_t ifindex = some_ifindex(run), length = take(&run->in, 2) % (PACKET_MAX - 64);

	if (length > (size_t)(run->in.end - run->in.at))
		length = (uint32_t)(run->in.end - run->in.at);
	packet_set(&run->packet, run->in.at, length);
	run->in.at += length;
	receive(run, ifindex);
}

static void build_client(struct run *run, struct packet_spec *ret_spec)
{
	uint32_t bits = take(&run->in, 4);

	*ret_spec = world_packet(&run->world, bits & 1, bits & 2 ? SL_TCP : SL_UDP,
				 (bits >> 2 & 0xf) % WORLD_SERVICES, 1 + (bits >> 6 & 3),
				 (uint16_t)(5000 + (bits >> 8 & 3)));
	ret_spec->tcp_flags = (uint8_t)(bits >> 16);
	ret_spec->payload = (uint16_t)(bits >> 24) * 7;
	ret_spec->dont_fragment = bits >> 10 & 1;
	ret_spec->ttl = bits >> 11 & 1 ? 1 : 0;
	ret_spec->ip_options = bits >> 12 & 1 ? 16 : 0;
	/* behind the SYN, as far as is of interest to a PROXY header */
	ret_spec->seq += bits >> 13 & 7;
}

static void answer(struct run *run, struct packet_spec *ret_spec)
{
	size_t l4 = packet_l4(&run->sent);

	if (run->sent.length < l4 + 8) {
		build_client(run, ret_spec);
		return;
	}
	*ret_spec = world_answer(&run->sent);
	ret_spec->tcp_flags = (uint8_t)take(&run->in, 1);
	ret_spec->seq = take(&run->in, 1);
	ret_spec->ack = 1000 + take(&run->in, 1);
}

/* Build a packet; then change or cut some bytes of it. */
static void built_packet(struct run *run, bool from_client, bool damaged)
{
	uint32_t ifindex = from_client || run->sent_ifindex == 0 ?
				   run->world.ifindex[WORLD_CLIENT_SIDE] :
				   run->sent_ifindex;
	struct packet_spec spec;

	if (from_client || run->sent_ifindex == 0)
		build_client(run, &spec);
	else
		answer(run, &spec);
	packet_build(&run->packet, &spec);
	for (uint32_t n = damaged ? take(&run->in, 1) % 8 : 0; n > 0; n--) {
		uint32_t at = take(&run->in, 2) % (uint32_t)run->packet.length;

		run->packet.data[at] = (uint8_t)take(&run->in, 1);
	}
	if (damaged) {
		uint32_t cut = take(&run->in, 1);

		run->packet.length -= cut < run->packet.length ? cut : 0;
	}
	receive(run, ifindex);
}

static void icmp_error(struct run *run)
{
	struct packet_error error = {.mtu = 1300};
	struct packet_spec back;
	size_t quoted, most;

	if (run->sent_ifindex == 0 || run->sent.length < packet_l4(&run->sent) + 8)
		return;
	back = world_answer(&run->sent);
	most = run->sent.length - packet_l3(&run->sent);
	quoted = take(&run->in, 2) % (most + 1);
	error.from = back.from;
	error.to = back.to;
	error.type = (uint8_t)take(&run->in, 1);
	error.code = (uint8_t)take(&run->in, 1);
	memcpy(error.from_mac, back.from_mac, sizeof(error.from_mac));
	memcpy(error.to_mac, back.to_mac, sizeof(error.to_mac));
	packet_icmp_error(&run->packet, &error, &run->sent, quoted);
	for (uint32_t n = take(&run->in, 1) % 4; n > 0; n--) {
		uint32_t at = take(&run->in, 2) % (uint32_t)run->packet.length;

		run->packet.data[at] = (uint8_t)take(&run->in, 1);
	}
	receive(run, run->sent_ifindex);
}

static void fragments(struct run *run)
{
	uint32_t bits = take(&run->in, 2);
	struct packet_spec spec;
	struct packet whole;

	build_client(run, &spec);
	spec.payload = 600;
	packet_build(&whole, &spec);
	for (uint32_t i = 0; i < 3; i++) { /* any of three pieces, in any order */
		uint32_t piece = bits >> 2 * i & 3;

		if (piece == 3)
			continue;
		packet_fragment(&run->packet, &whole, 200 * piece, 200, piece < 2,
				bits >> 8 & 3);
		receive(run, run->world.ifindex[WORLD_CLIENT_SIDE]);
	}
}

static void change(struct run *run)
{
	uint32_t bits = take(&run->in, 2);
	uint16_t target = (uint16_t)((bits >> 4) % run->world.n_targets);

	switch (bits & 0xf) {
	case 0:
		run->tables.targets[target].next_hop = SL_NEXT_HOP_NONE;
		break;
	case 1:
		run->tables.ports[run->world.port[(bits >> 4) % WORLD_PORTS]].up ^= 1;
		break;
	case 2:
		run->tables.groups[(bits >> 4) % run->world.n_groups].flags ^=
			1u << (bits >> 12 & 3);
		break;
	case 3:
		sl_flow_sweep(&run->tables, bits >> 4 & 1, 1u << 20);
		break;
	case 4:
	case 5:
	case 6:
	case 7:
		world_set_target(&run->world, target, SL_TARGET_ACTIVE + (bits & 3) % 3);
		run->tables.targets[target].ends = (bits & 3) == 0 ? 0 : bits >> 2 & 3;
		break;
	default:
		world_wait_ms(&run->world, (uint64_t)(bits >> 4) << (bits & 7));
	}
}

/* The world as every input finds it; libFuzzer has no place to hand it over in. */
static struct run fresh;

static size_t bytes_of(enum table table)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t bytes = tables_record_bytes(table) * tables_records(table, fresh.tables.config);

	return (bytes + page - 1) / page * page;
}

/* Put the tables into files that are mapped privately: what an input changed is then forgotten
 * by one call a table, instead of building a world for each. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	world_make(&fresh.world, &fresh.tables, FLOWS);
	for (enum table table = 0; table < TABLE_COUNT; table++) {
		void *memory = tables_place(&fresh.tables, table);
		size_t bytes = bytes_of(table);
		int fd = memfd_create("table", 0);

		require(fd >= 0 && ftruncate(fd, (off_t)bytes) == 0 &&
				write(fd, memory, bytes) == (ssize_t)bytes &&
				mmap(memory, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED,
				     fd, 0) == memory,
			"the tables cannot be mapped");
		close(fd);
	}
	return 0;
}

static void begin(struct run *run, const uint8_t *data, size_t size)
{
	for (enum table table = 0; table < TABLE_COUNT; table++)
		require(madvise(tables_place(&fresh.tables, table), bytes_of(table),
				MADV_DONTNEED) == 0, "the tables cannot be reset");
	run->in = (struct input){data, data + size};
	run->tables = fresh.tables;
	run->world = fresh.world;
	run->world.t = &run->tables;
	run->sent_ifindex = 0;
	packet_set(&run->sent, data, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run *run = calloc(1, sizeof(*run));

	require(run != NULL, "out of memory");
	begin(run, data, size);
	for (int i = 0; i < OPERATIONS && run->in.at < run->in.end; i++) {
		uint32_t operation = take(&run->in, 1) % 8;

		switch (operation) {
		case 0:
			raw_frame(run);
			break;
		case 1:
		case 2:
		case 3:
			built_packet(run, operation == 1, operation == 3);
			break;
		case 4:
			built_packet(run, true, true);
			break;
		case 5:
			icmp_error(run);
			break;
		case 6:
			fragments(run);
			break;
		default:
			change(run);
		}
	}
	for (int v6 = 0; v6 < 2; v6++) {
		const char *flaw = run->tables.pools[v6].fresh == 0 ? NULL :
								      world_flaw(&run->world, v6);

		if (flaw != NULL)
			require(false, flaw);
	}
	free(run);
	return 0;
}
