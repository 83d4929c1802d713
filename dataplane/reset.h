/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reset: the RST by which the balancer tells one side of a TCP flow that the
 * flow has ended, built from what the flow's lines say.
 */
#ifndef SLUICE_RESET_H
#define SLUICE_RESET_H

#include "flat.h"

#include <stdbool.h>
#include <stdint.h>

#define RESET_MAX (SL_L3_OFFSET_MAX + sizeof(struct sl_ipv6) + sizeof(struct sl_tcp))

struct reset {
	uint32_t ifindex; /* of the device that the frame is to leave by */
	uint32_t length;
	unsigned char frame[RESET_MAX];
};

/**
 * Build the RST for the side whose packets come on a line.
 *
 * Its sequence number is the last acknowledgement that this side sent, which is
 * the one that RFC 9293 §3.10.7.4 obeys. Where data is under way to it, it
 * answers with an acknowledgement (RFC 5961 §3.2), and that finds no flow and
 * gets a RST with the number it names.
 *
 * @line  the side's direction of the flow, or a copy
 * @hop   the next hop towards it, as tables.h has it
 *
 * Returns false when nobody can be reached there: the hop is not resolved, or
 * its interface is down.
 */
bool reset_build(struct sl_tables *tables, bool v6, const struct sl_flow_line *line, uint64_t hop,
		 struct reset *ret_reset);

#endif
