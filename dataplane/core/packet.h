/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * Wire formats. Every struct is `packed, aligned(2)`: behind a 14-byte
 * Ethernet header nothing is aligned better, and plain `packed` makes the BPF
 * backend load byte by byte.
 */
#ifndef SL_PACKET_H
#define SL_PACKET_H

#include "compat.h"

#define SL_WIRE __attribute__((packed, aligned(2)))

/*
 * A 32-bit field in one access where the type would make clang use two for
 * BPF: there, IP and L4 headers lie on multiples of 4 (NET_IP_ALIGN), or the
 * machine does not care. Likewise any 8 bytes, which are anywhere: BPF's verifier
 * allows that where the machine does not care.
 */
#ifdef __bpf__
#define SL_GET32(field) (*(const __u32 *)(const void *)&(field))
#define SL_PUT32(field, value) (*(__u32 *)(void *)&(field) = (value))
#define SL_GET64(from) (*(const __u64 *)(const void *)(from))
#else
#define SL_GET32(field) (field)
#define SL_PUT32(field, value) ((field) = (value))
#define SL_GET64(from)                                         \
	({                                                     \
		__u64 v_;                                      \
		__builtin_memcpy(&v_, (from), sizeof(v_));     \
		v_;                                            \
	})
#endif

#define SL_MAC_BYTES 6
#define SL_ETHERTYPE_IPV4 0x0800
#define SL_ETHERTYPE_IPV6 0x86dd
#define SL_ETHERTYPE_VLAN 0x8100   /* IEEE 802.1Q */
#define SL_ETHERTYPE_QINQ 0x88a8   /* IEEE 802.1ad */
#define SL_VLAN_ID_MASK 0x0fff
#define SL_MAX_VLAN_TAGS 2

struct sl_eth {
	__u8 destination[SL_MAC_BYTES];
	__u8 source[SL_MAC_BYTES];
	__be16 type;
} SL_WIRE;

struct sl_vlan {
	__be16 tci;
	__be16 type; /* of what follows */
} SL_WIRE;

#define SL_L3_OFFSET_MAX (sizeof(struct sl_eth) + SL_MAX_VLAN_TAGS * sizeof(struct sl_vlan))
#define SL_L3_OFFSET_MASK 31 /* holds SL_L3_OFFSET_MAX */

enum sl_protocol { /* IANA protocol numbers */
	SL_HOP_BY_HOP = 0,
	SL_ICMP = 1,
	SL_TCP = 6,
	SL_UDP = 17,
	SL_ROUTING = 43,
	SL_FRAGMENT_HEADER = 44,
	SL_ICMPV6 = 58,
	SL_DESTINATION_OPTIONS = 60,
};

struct sl_ipv4 {
	__u8 version_ihl;
	__u8 tos;
	__be16 total_length;
	__be16 id;
	__be16 fragment;
	__u8 ttl;
	__u8 protocol;
	__u16 check;
	__be32 saddr;
	__be32 daddr;
} SL_WIRE;

#define SL_IPV4_DONT_FRAGMENT 0x4000
#define SL_IPV4_MORE_FRAGMENTS 0x2000
#define SL_IPV4_OFFSET_MASK 0x1fff

struct sl_ipv6 {
	__be32 version_class_label;
	__be16 payload_length;
	__u8 next_header;
	__u8 hop_limit;
	__be32 saddr[4];
	__be32 daddr[4];
} SL_WIRE;

struct sl_ipv6_extension {
	__u8 next_header;
	__u8 length; /* in 8 bytes, the first 8 not counted */
	__u8 type;   /* routing header */
	__u8 segments_left;
} SL_WIRE;

struct sl_ipv6_fragment {
	__u8 next_header;
	__u8 reserved;
	__be16 offset_more; /* offset in bits 15..3, "more" in bit 0 */
	__be32 id;
} SL_WIRE;

struct sl_tcp {
	__be16 sport;
	__be16 dport;
	__be32 seq;
	__be32 ack;
	__u8 data_offset; /* in 4 bytes, high half */
	__u8 flags;
	__be16 window;
	__u16 check;
	__be16 urgent;
} SL_WIRE;

#define SL_TCP_FIN 0x01
#define SL_TCP_SYN 0x02
#define SL_TCP_RST 0x04
#define SL_TCP_PSH 0x08
#define SL_TCP_ACK 0x10
#define SL_TCP_URG 0x20

struct sl_udp {
	__be16 sport;
	__be16 dport;
	__be16 length;
	__u16 check;
} SL_WIRE;

struct sl_icmp {
	__u8 type;
	__u8 code;
	__u16 check;
	__be16 reserved;
	__be16 mtu; /* destination unreachable, fragmentation needed (RFC 1191) */
} SL_WIRE;

struct sl_icmpv6 {
	__u8 type;
	__u8 code;
	__u16 check;
	__be32 mtu; /* packet too big (RFC 4443 §3.2) */
} SL_WIRE;

enum { /* RFC 792, RFC 4443 */
	SL_ICMP_UNREACHABLE = 3,
	SL_ICMP_FRAGMENTATION_NEEDED = 4, /* a code of the above */
	SL_ICMP_SOURCE_QUENCH = 4,
	SL_ICMP_TIME_EXCEEDED = 11,
	SL_ICMP_PARAMETER_PROBLEM = 12,
	SL_ICMPV6_UNREACHABLE = 1,
	SL_ICMPV6_PACKET_TOO_BIG = 2,
	SL_ICMPV6_TIME_EXCEEDED = 3,
	SL_ICMPV6_PARAMETER_PROBLEM = 4,
};

#endif
