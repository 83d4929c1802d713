/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rig of the benchmarks: tables of an engine filled as control would fill them,
 * and with flows made by the core itself, compiled natively. The tables may be
 * the kernel's or plain memory.
 */
#ifndef SLUICE_BENCH_RIG_H
#define SLUICE_BENCH_RIG_H

#include "bench/datapath.h"
#include "dataplane/tables.h"

#define RIG_LOOPBACK 1 /* where BPF_PROG_TEST_RUN says a packet came in by */
#define RIG_FRAME_BYTES 74 /* Ethernet, IPv6, TCP; IPv4 packets take less */

struct rig_kind {
	bool v6;
	bool udp;
	bool preserve;
	uint32_t max_flows; /* of the table; 0: the default, DATAPATH_FLOWS_MAX */
};

struct rig {
	struct rig_kind kind;
	struct sl_tables *tables; /* not the rig's */
	uint32_t ifindex[2];	  /* where clients' packets come in, and targets' */
	uint32_t port[2];	  /* their numbers in the port table */
	uint32_t flows; /* established ones */
};

struct rig_counts {
	uint64_t packets;   /* that the targets and listeners were charged with */
	uint64_t new_flows;
	uint64_t drops;
};

/** Work out the config of tables for a rig. Returns 0 or a negative errno with a
 *  sentence in @error. */
int rig_plan(const struct rig_kind *kind, uint32_t cpus, struct sl_config *ret_config,
	     char error[ENGINE_ERROR_MAX]);

/**
 * Fill all tables but the flows'. They are zero beside their config, and outlive the rig.
 *
 * @ifindex  of the interfaces towards clients and towards targets, which may be one
 */
void rig_fill(const struct rig_kind *kind, struct sl_tables *tables, const uint32_t ifindex[2],
	      struct rig *ret_rig);

/** Hand a frame to the core, as coming from clients or from targets. Returns 0, or -EIO
 *  when it was not forwarded. */
int rig_send(struct rig *rig, sl_frame_t *frame, uint32_t from_target);

/** Establish flows until there are @flows. Returns 0, or -EIO when the core did not
 *  forward a packet of a hand-shake. */
int rig_establish(struct rig *rig, uint32_t flows);

/** End all flows, in random order as flows end: numbers are then reused at random.
 *  Returns how many. */
uint32_t rig_end_flows(struct rig *rig);

/** Counters over all CPUs. */
struct rig_counts rig_counts(const struct rig *rig);

/** All flows once a round, in shuffled order; @both_ways: a packet of each side. */
struct datapath_plan rig_order(uint32_t flows, bool both_ways);

/** Write a frame of a flow; its length is the return value. */
size_t rig_frame(const struct rig_kind *kind, const struct datapath_packet *packet,
		 uint8_t tcp_flags, unsigned char frame[RIG_FRAME_BYTES]);

#endif
