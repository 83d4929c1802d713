/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Path: what the tests of the packet path share: a world for each test, and
 * the flow records that ended in it. Include last: cmocka's header has needs.
 */
#ifndef SLUICE_TESTS_PATH_H
#define SLUICE_TESTS_PATH_H

#include "world.h"

#include "dataplane/tables.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PATH_FLOWS 1024
#define PATH_RECORDS 64

struct path {
	struct sl_tables tables;
	struct world world;
	struct sl_flow_record records[PATH_RECORDS];
	uint32_t n_records; /* all that ended; the last PATH_RECORDS are kept */
};

static inline void path_note(void *context, const struct sl_flow_record *record)
{
	struct path *path = context;

	path->records[path->n_records++ % PATH_RECORDS] = *record;
}

static inline int path_setup(void **state)
{
	struct path *path = calloc(1, sizeof(*path));

	if (path == NULL)
		return -1;
	world_make(&path->world, &path->tables, PATH_FLOWS);
	path->tables.flow_ended = path_note;
	path->tables.context = path;
	*state = path;
	return 0;
}

static inline int path_teardown(void **state)
{
	struct path *path = *state;

	tables_free(&path->tables);
	free(path);
	return 0;
}

#define PATH_TEST(f) cmocka_unit_test_setup_teardown(f, path_setup, path_teardown)

/** The packet is sent on, and by this port; what leaves is a whole and right packet. */
static inline void path_sends(struct path *path, const struct packet_spec *spec,
			      enum world_port in, enum world_port out, struct packet *ret_packet)
{
	int verdict = world_send(&path->world, spec, in, ret_packet);

	assert_int_equal(SL_VERDICT(verdict), SL_SEND);
	assert_int_equal(SL_VERDICT_PORT(verdict), path->world.port[out]);
	if (packet_flaw(ret_packet->data, ret_packet->length) != NULL)
		fail_msg("what leaves has a flaw: %s",
			 packet_flaw(ret_packet->data, ret_packet->length));
}

/** The packet is the kernel's, and as it was. */
static inline void path_passes(struct path *path, const struct packet_spec *spec,
			       enum world_port in)
{
	struct packet before, after;

	packet_build(&before, spec);
	assert_int_equal(world_send(&path->world, spec, in, &after), SL_PASS);
	assert_int_equal(after.length, before.length);
	assert_memory_equal(after.data, before.data, before.length);
}

/** The packet is dropped, and counted for this reason. */
static inline void path_drops(struct path *path, const struct packet_spec *spec,
			      enum world_port in, enum sl_drop reason)
{
	uint64_t drops = world_drops(&path->world, reason);
	struct packet packet;

	assert_int_equal(world_send(&path->world, spec, in, &packet), SL_DROP);
	assert_int_equal(world_drops(&path->world, reason), drops + 1);
}

/** Make a TCP flow from its SYN to the client's ACK. @ret_answer: what the target answers. */
static inline uint32_t path_establish(struct path *path, struct packet_spec *spec,
				      enum world_port side, struct packet_spec *ret_answer)
{
	struct packet packet;
	uint32_t flow;

	spec->tcp_flags = SL_TCP_SYN;
	path_sends(path, spec, WORLD_CLIENT_SIDE, side, &packet);
	*ret_answer = world_answer(&packet);
	ret_answer->tcp_flags = SL_TCP_SYN | SL_TCP_ACK;
	path_sends(path, ret_answer, side, WORLD_CLIENT_SIDE, &packet);
	spec->tcp_flags = SL_TCP_ACK;
	path_sends(path, spec, WORLD_CLIENT_SIDE, side, &packet);
	ret_answer->tcp_flags = SL_TCP_ACK;
	flow = world_flow(&path->world, spec);
	assert_int_equal(world_state(&path->world, spec->v6, flow), SL_FLOW_ESTABLISHED);
	return flow;
}

static inline void path_sweep(struct path *path)
{
	sl_flow_sweep(&path->tables, false, UINT32_MAX);
	sl_flow_sweep(&path->tables, true, UINT32_MAX);
}

/** Where a packet comes from and goes to, read back. */
static inline struct packet_end path_source(const struct packet *packet)
{
	return world_answer(packet).to;
}

static inline struct packet_end path_destination(const struct packet *packet)
{
	return world_answer(packet).from;
}

static inline void assert_end_equal(struct packet_end a, struct packet_end b)
{
	assert_memory_equal(a.address, b.address, sizeof(a.address));
	assert_int_equal(a.port, b.port);
}

/** Whether an address is one of zone 0's two SNAT addresses. */
static inline bool path_is_snat(struct packet_end end, bool v6)
{
	struct packet_end one = packet_end(v6 ? "fd00:1::1" : "10.1.0.1", 0);
	struct packet_end two = packet_end(v6 ? "fd00:1::2" : "10.1.0.2", 0);

	return memcmp(end.address, one.address, 16) == 0 ||
	       memcmp(end.address, two.address, 16) == 0;
}

#endif
