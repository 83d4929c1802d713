/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Gate: how many packets of one port the kernel is given, so that a flood of
 * packets that are not ours keeps neither workers nor kernel from their work.
 *
 * A token bucket of a tenth of a second. Its last eighth is kept for ARP and
 * ICMPv6: a flood of anything else must not make neighbours unreachable.
 */
#ifndef SLUICE_DPDK_GATE_H
#define SLUICE_DPDK_GATE_H

#include <stdbool.h>
#include <stdint.h>

struct gate {
	uint64_t filled_ns; /* when tokens were last added */
	uint64_t tokens;    /* in ns of the rate: a packet costs 1e9 / rate */
	uint64_t cost;
};

/** A full gate for @pps packets a second, 1 to 1,000,000,000. */
struct gate gate_open(uint32_t pps, uint64_t now_ns);

/** Whether one more packet may pass. @vital: it is ARP or ICMPv6 */
bool gate_admits(struct gate *gate, uint64_t now_ns, bool vital);

/** Whether a frame is ARP or ICMPv6, VLAN tags or not. */
bool gate_is_vital(const unsigned char *frame, uint32_t bytes);

#endif
