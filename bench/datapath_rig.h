/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rig of the datapath benchmark: the XDP program with its tables filled as
 * control would fill them, and with flows made by the core itself, compiled
 * natively and working on the kernel's tables.
 */
#ifndef SLUICE_BENCH_DATAPATH_RIG_H
#define SLUICE_BENCH_DATAPATH_RIG_H

#include "bench/datapath.h"
#include "dataplane/xdp/xdp_program.h"

#define RIG_FRAME_BYTES 74 /* Ethernet, IPv6, TCP; IPv4 packets take less */

struct rig_kind {
	bool v6;
	bool udp;
	bool preserve;
	uint32_t max_flows; /* of the table; 0: the default, DATAPATH_FLOWS_MAX */
};

struct rig {
	struct rig_kind kind;
	struct xdp_program program;
	uint32_t flows; /* established ones */
};

struct rig_counts {
	uint64_t packets;   /* that the targets and listeners were charged with */
	uint64_t new_flows;
	uint64_t drops;
};

/** Load the program and fill all tables but the flows'. Returns 0 or a negative
 *  errno with a sentence in @error; rig_close() takes half-made ones, too. */
int rig_open(const struct rig_kind *kind, struct rig *ret_rig, char error[ENGINE_ERROR_MAX]);
void rig_close(struct rig *rig);

/** Establish flows until there are @flows. Returns 0, or -EIO when the core did not
 *  forward a packet of a hand-shake. */
int rig_establish(struct rig *rig, uint32_t flows);

/** End all flows, in random order as flows end: numbers are then reused at random.
 *  Returns how many. */
uint32_t rig_end_flows(struct rig *rig);

/** Counters over all CPUs. */
struct rig_counts rig_counts(const struct rig *rig);

/** Write a frame of a flow; its length is the return value. */
size_t rig_frame(const struct rig_kind *kind, const struct datapath_packet *packet,
		 uint8_t tcp_flags, unsigned char frame[RIG_FRAME_BYTES]);

#endif
