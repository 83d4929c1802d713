/* SPDX-License-Identifier: BSD-3-Clause */
#include "gate.h"

#include <linux/if_ether.h>
#include <netinet/in.h>
#include <netinet/ip6.h>
#include <stddef.h>

#define NS_PER_S 1000000000ull
#define BURST_NS (NS_PER_S / 10)
#define VITAL_NS (BURST_NS / 8)
#define TAG_BYTES 4
#define MAX_TAGS 2

struct gate gate_open(uint32_t pps, uint64_t now_ns)
{
	uint64_t cost = NS_PER_S / pps;

	/* at a slow rate the burst is shorter than two packets, of which one is a vital one's */
	return (struct gate){.filled_ns = now_ns, .tokens = BURST_NS, .cost = cost};
}

static uint64_t room_for(const struct gate *gate, uint64_t share_ns)
{
	return share_ns > gate->cost ? share_ns : gate->cost;
}

bool gate_admits(struct gate *gate, uint64_t now_ns, bool vital)
{
	uint64_t reserve = room_for(gate, VITAL_NS), full = reserve + room_for(gate, BURST_NS);

	gate->tokens += now_ns - gate->filled_ns;
	gate->filled_ns = now_ns;
	if (gate->tokens > full)
		gate->tokens = full;
	if (gate->tokens < gate->cost + (vital ? 0 : reserve))
		return false;
	gate->tokens -= gate->cost;
	return true;
}

static uint16_t type_at(const unsigned char *frame, uint32_t offset)
{
	return (uint16_t)(frame[offset] << 8 | frame[offset + 1]);
}

bool gate_is_vital(const unsigned char *frame, uint32_t bytes)
{
	uint32_t type_offset = offsetof(struct ethhdr, h_proto);
	uint16_t type;

	for (int tags = 0; tags <= MAX_TAGS; tags++, type_offset += TAG_BYTES) {
		if (type_offset + sizeof(type) > bytes)
			return false;
		type = type_at(frame, type_offset);
		if (type != ETH_P_8021Q && type != ETH_P_8021AD)
			break;
	}
	if (type == ETH_P_ARP)
		return true;
	return type == ETH_P_IPV6 && bytes >= type_offset + sizeof(type) + sizeof(struct ip6_hdr) &&
	       frame[type_offset + sizeof(type) + offsetof(struct ip6_hdr, ip6_nxt)] ==
		       IPPROTO_ICMPV6;
}
