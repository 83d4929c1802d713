/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packets: built from a description, cut into fragments, quoted in ICMP errors,
 * and checked by a slow model that shares no code with the packet path.
 *
 * A description names what a test is about; all else is something ordinary
 * (TTL 64, a data offset that fits, checksums that are right).
 */
#ifndef SLUICE_TESTS_PACKETS_H
#define SLUICE_TESTS_PACKETS_H

#include "dataplane/core/packet.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACKET_HEADROOM 256 /* as the kernel gives an XDP program */
#define PACKET_MAX 3072	    /* bytes of a frame */
#define PACKET_TAILROOM 64

struct packet {
	size_t length;
	unsigned char *data; /* in the room; at an even address, as in the kernel */
	unsigned char room[PACKET_HEADROOM + PACKET_MAX + PACKET_TAILROOM]
		__attribute__((aligned(64)));
};

struct packet_end {
	__be32 address[4]; /* IPv4: first word */
	uint16_t port;
};

struct packet_spec {
	bool v6;
	uint8_t protocol; /* SL_TCP, SL_UDP, or any other for a bare payload */
	struct packet_end from, to;
	uint8_t from_mac[SL_MAC_BYTES], to_mac[SL_MAC_BYTES];
	uint16_t vlan[SL_MAX_VLAN_TAGS]; /* tag control words; 0: no tag */
	uint8_t ttl;			 /* 0: 64 */
	uint8_t tos;			 /* type of service, traffic class */
	uint16_t id;
	bool dont_fragment;
	uint8_t ip_options;   /* bytes: IPv4 options, or an IPv6 destination options header;
				 a multiple of 4 or of 8 */
	uint8_t tcp_flags;
	uint32_t seq, ack;
	uint8_t tcp_options; /* bytes, a multiple of 4 */
	uint8_t options[40]; /* which; a first 0: no operations */
	uint16_t payload;    /* bytes */
	uint8_t fill;	     /* of the payload: byte i is fill + i */
	bool no_checksum;    /* UDP with 0 for a checksum */
	uint8_t padding;     /* bytes behind the IP packet, as a short Ethernet frame has them */
};

/** An address from its text, IPv4 or IPv6; aborts on anything else. */
struct packet_end packet_end(const char *address, uint16_t port);

void packet_build(struct packet *packet, const struct packet_spec *spec);

/** Take raw bytes. @length is at most PACKET_MAX. */
void packet_set(struct packet *packet, const void *bytes, size_t length);
void packet_copy(struct packet *packet, const struct packet *from);

/** Where the IP header is, behind up to two VLAN tags, and what follows it and its options. */
size_t packet_l3(const struct packet *packet);
size_t packet_l4(const struct packet *packet);

/**
 * A fragment of a whole packet.
 *
 * @offset, @bytes  of the IP payload; @offset is a multiple of 8
 * @id              of the datagram
 */
void packet_fragment(struct packet *packet, const struct packet *whole, size_t offset,
		     size_t bytes, bool more, uint32_t id);

struct packet_error {
	struct packet_end from, to; /* ports unused */
	uint8_t from_mac[SL_MAC_BYTES], to_mac[SL_MAC_BYTES];
	uint8_t ttl; /* 0: 64 */
	uint8_t type, code;
	uint32_t mtu;
};

/** An ICMP or ICMPv6 error that quotes the first @quoted bytes of an IP packet. */
void packet_icmp_error(struct packet *packet, const struct packet_error *error,
		       const struct packet *cause, size_t quoted);

/** RFC 1071, byte by byte: the checksum of a message, in host order. */
uint16_t packet_checksum_slow(uint32_t pseudo, const unsigned char *bytes, size_t length);

/**
 * Check a whole frame: lengths fit each other, and the IPv4 header, TCP, UDP,
 * ICMP and ICMPv6 checksums are right. Fragments: only the IP header.
 *
 * Returns NULL, or what is wrong.
 */
const char *packet_flaw(const unsigned char *data, size_t length);

#endif
