/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Termination: ends the flows that their targets end (SL_ENDS_...) although no
 * packet of them comes: walks the flow table a piece at a time and tells both
 * sides of each TCP flow with a RST. AWS's NLB waits for the next packet, so
 * that a pooled connection fails with the first request after the end.
 *
 * UDP flows of targets that left are forgotten. Those of failed ones that are
 * still registered wait for the client's next datagram: what the target sends
 * until then may be an answer.
 *
 * A packet that chose its target before a change was visible makes its flow
 * behind the walk's back, so each walk is followed by a late one.
 *
 * The walks also find what an earlier process was ending when it was killed (the
 * kernel's code cannot be; for poll-mode workers see dpdk/repair.h): a flow in whose
 * end nothing moves from one walk to the late one is nobody's, and is removed.
 *
 * One thread. Time is CLOCK_MONOTONIC in ns, passed in by the caller.
 */
#ifndef SLUICE_TERMINATION_H
#define SLUICE_TERMINATION_H

#include "flat.h"

#include <stdbool.h>
#include <stdint.h>

#define TERMINATION_LOOKS 16384		  /* flows looked at in one step */
#define TERMINATION_ENDS 128		  /* flows ended in one step */
#define TERMINATION_LATE_NS 2000000000ull /* from the beginning of a walk to the late one */

struct termination;

/**
 * @tables      borrowed memory; their `cpu` must be one that no packet path counts on
 * @flow_ended  called, within termination_step(), for each flow that it ended
 * @packets     false: RSTs are built and counted, but go nowhere
 *
 * Returns 0, -ENOMEM, or what the kernel said about a packet socket.
 */
int termination_open(const struct sl_tables *tables,
		     void (*flow_ended)(void *context, const struct sl_flow_record *record),
		     void *context, bool packets, struct termination **ret_termination);
void termination_close(struct termination *termination); /* NULL is fine */

/** Readable while termination_step() has something to do. */
int termination_fd(const struct termination *termination);

/** A target began to end its flows, or tables were taken over: walk the whole table from here
 *  on. */
void termination_begin(struct termination *termination, uint64_t now_ns);

/**
 * Go on with the walk, if there is one, for a bounded number of flows. To be called also
 * about once a second, for the late walk.
 *
 * Returns 0; or, with the last step of a walk in which the kernel refused to
 * send a RST, what it said first: that side meets the end of its flow with its
 * next packet.
 */
int termination_step(struct termination *termination, uint64_t now_ns);

#endif
