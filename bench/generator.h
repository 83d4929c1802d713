/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* What generator.c and generator.bpf.c share. */
#ifndef SLUICE_BENCH_GENERATOR_H
#define SLUICE_BENCH_GENERATOR_H

#include "dataplane/core/packet.h"

#define GENERATOR_PAYLOAD_BYTES 18 /* to the least Ethernet frame */

struct frame {
	struct sl_eth eth;
	struct sl_ipv4 ip;
	struct sl_udp udp;
	__u8 payload[GENERATOR_PAYLOAD_BYTES];
} SL_WIRE;

#endif
