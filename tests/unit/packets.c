/* SPDX-License-Identifier: BSD-3-Clause */
#include "packets.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct packet_end packet_end(const char *address, uint16_t port)
{
	struct packet_end end = {.port = port};
	int family = strchr(address, ':') != NULL ? AF_INET6 : AF_INET;

	if (inet_pton(family, address, end.address) != 1) {
		fprintf(stderr, "no address: %s\n", address);
		abort();
	}
	return end;
}

static void put16(unsigned char *at, uint32_t value)
{
	at[0] = (unsigned char)(value >> 8);
	at[1] = (unsigned char)value;
}

static void put32(unsigned char *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value & 0xffff);
}

static uint32_t get16(const unsigned char *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

uint16_t packet_checksum_slow(uint32_t pseudo, const unsigned char *bytes, size_t length)
{
	uint32_t sum = pseudo;

	for (size_t i = 0; i < length; i++) {
		sum += i % 2 == 0 ? (uint32_t)bytes[i] << 8 : bytes[i];
		sum = (sum & 0xffff) + (sum >> 16);
	}
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* Sum of the pseudo-header of the IP packet at @ip. */
static uint32_t pseudo_sum(const unsigned char *ip, uint8_t protocol, size_t length)
{
	bool v6 = ip[0] >> 4 == 6;
	const unsigned char *addresses = ip + (v6 ? 8 : 12);
	uint32_t sum = protocol + (uint32_t)length;

	for (size_t i = 0; i < (v6 ? 32 : 8); i += 2)
		sum += get16(addresses + i);
	return sum;
}

void packet_set(struct packet *packet, const void *bytes, size_t length)
{
	packet->data = packet->room + PACKET_HEADROOM;
	packet->length = length;
	memcpy(packet->data, bytes, length);
}

void packet_copy(struct packet *packet, const struct packet *from)
{
	packet_set(packet, from->data, from->length);
}

static size_t put_ethernet(unsigned char *at, const uint8_t *to, const uint8_t *from,
			   const uint16_t vlan[SL_MAX_VLAN_TAGS], bool v6)
{
	size_t length = 12;

	memcpy(at, to, SL_MAC_BYTES);
	memcpy(at + 6, from, SL_MAC_BYTES);
	for (int i = 0; i < SL_MAX_VLAN_TAGS && vlan[i] != 0; i++) {
		bool outer_of_two = i == 0 && vlan[1] != 0;

		put16(at + length, outer_of_two ? SL_ETHERTYPE_QINQ : SL_ETHERTYPE_VLAN);
		put16(at + length + 2, vlan[i]);
		length += 4;
	}
	put16(at + length, v6 ? SL_ETHERTYPE_IPV6 : SL_ETHERTYPE_IPV4);
	return length + 2;
}

static size_t put_ipv4(unsigned char *ip, const struct packet_spec *spec, size_t payload)
{
	size_t header = 20 + spec->ip_options;

	memset(ip, 0, header);
	memset(ip + 20, 1 /* no operation */, spec->ip_options);
	ip[0] = (unsigned char)(0x40 | header / 4);
	ip[1] = spec->tos;
	put16(ip + 2, (uint32_t)(header + payload));
	put16(ip + 4, spec->id);
	put16(ip + 6, spec->dont_fragment ? SL_IPV4_DONT_FRAGMENT : 0);
	ip[8] = spec->ttl != 0 ? spec->ttl : 64;
	ip[9] = spec->protocol;
	memcpy(ip + 12, spec->from.address, 4);
	memcpy(ip + 16, spec->to.address, 4);
	put16(ip + 10, packet_checksum_slow(0, ip, header));
	return header;
}

static size_t put_ipv6(unsigned char *ip, const struct packet_spec *spec, size_t payload)
{
	memset(ip, 0, 40 + spec->ip_options);
	ip[0] = (unsigned char)(0x60 | spec->tos >> 4);
	ip[1] = (unsigned char)(spec->tos << 4);
	put16(ip + 4, (uint32_t)(spec->ip_options + payload));
	ip[6] = spec->ip_options != 0 ? SL_DESTINATION_OPTIONS : spec->protocol;
	ip[7] = spec->ttl != 0 ? spec->ttl : 64;
	memcpy(ip + 8, spec->from.address, 16);
	memcpy(ip + 24, spec->to.address, 16);
	if (spec->ip_options != 0) {
		ip[40] = spec->protocol;
		ip[41] = (unsigned char)(spec->ip_options / 8 - 1);
		ip[42] = 1; /* PadN */
		ip[43] = (unsigned char)(spec->ip_options - 4);
	}
	return 40 + spec->ip_options;
}

static size_t l4_bytes(const struct packet_spec *spec)
{
	if (spec->protocol == SL_TCP)
		return 20u + spec->tcp_options;
	return spec->protocol == SL_UDP ? 8 : 0;
}

static void put_l4(unsigned char *ip, unsigned char *l4, const struct packet_spec *spec)
{
	size_t header = l4_bytes(spec), length = header + spec->payload;
	uint16_t check;

	memset(l4, 0, header);
	for (size_t i = 0; i < spec->payload; i++)
		l4[header + i] = (unsigned char)(spec->fill + i);
	if (header == 0)
		return;
	put16(l4, spec->from.port);
	put16(l4 + 2, spec->to.port);
	if (spec->protocol == SL_TCP) {
		put32(l4 + 4, spec->seq);
		put32(l4 + 8, spec->ack);
		l4[12] = (unsigned char)(header / 4 << 4);
		l4[13] = spec->tcp_flags;
		put16(l4 + 14, 64240);
		memset(l4 + 20, 1, spec->tcp_options);
		if (spec->options[0] != 0)
			memcpy(l4 + 20, spec->options, spec->tcp_options);
		put16(l4 + 16, packet_checksum_slow(pseudo_sum(ip, SL_TCP, length), l4, length));
		return;
	}
	put16(l4 + 4, (uint32_t)length);
	if (spec->no_checksum)
		return;
	check = packet_checksum_slow(pseudo_sum(ip, SL_UDP, length), l4, length);
	put16(l4 + 6, check != 0 ? check : 0xffff);
}

void packet_build(struct packet *packet, const struct packet_spec *spec)
{
	size_t payload = l4_bytes(spec) + spec->payload, l3, header;
	unsigned char *ip;

	packet->data = packet->room + PACKET_HEADROOM;
	l3 = put_ethernet(packet->data, spec->to_mac, spec->from_mac, spec->vlan, spec->v6);
	ip = packet->data + l3;
	header = spec->v6 ? put_ipv6(ip, spec, payload) : put_ipv4(ip, spec, payload);
	put_l4(ip, ip + header, spec);
	packet->length = l3 + header + payload;
	memset(packet->data + packet->length, 0xee, spec->padding);
	packet->length += spec->padding;
}

static size_t l3_of(const unsigned char *data, size_t length)
{
	size_t l3 = 14;

	while (l3 < 14 + 4 * SL_MAX_VLAN_TAGS && length >= l3 + 4 &&
	       (get16(data + l3 - 2) == SL_ETHERTYPE_VLAN ||
		get16(data + l3 - 2) == SL_ETHERTYPE_QINQ))
		l3 += 4;
	return l3;
}

size_t packet_l3(const struct packet *packet)
{
	return l3_of(packet->data, packet->length);
}

size_t packet_l4(const struct packet *packet)
{
	size_t l3 = packet_l3(packet);
	const unsigned char *ip = packet->data + l3;

	if (ip[0] >> 4 == 4)
		return l3 + (ip[0] & 0xf) * 4u;
	if (ip[6] == SL_DESTINATION_OPTIONS)
		return l3 + 48 + ip[41] * 8u;
	return l3 + 40;
}

void packet_fragment(struct packet *packet, const struct packet *whole, size_t offset,
		     size_t bytes, bool more, uint32_t id)
{
	size_t l3 = packet_l3(whole), l4 = packet_l4(whole), header = l4 - l3;
	const unsigned char *payload = whole->data + l4 + offset;
	unsigned char *ip;

	packet->data = packet->room + PACKET_HEADROOM;
	memcpy(packet->data, whole->data, l4);
	ip = packet->data + l3;
	if (ip[0] >> 4 == 4) {
		put16(ip + 2, (uint32_t)(header + bytes));
		put16(ip + 4, id);
		put16(ip + 6, (uint32_t)(offset / 8) | (more ? SL_IPV4_MORE_FRAGMENTS : 0));
		put16(ip + 10, 0);
		put16(ip + 10, packet_checksum_slow(0, ip, header));
	} else {
		unsigned char *fragment = ip + header;

		fragment[0] = header == 40 ? ip[6] : ip[40];
		ip[header == 40 ? 6 : 40] = SL_FRAGMENT_HEADER;
		fragment[1] = 0;
		put16(fragment + 2, (uint32_t)offset | more);
		put32(fragment + 4, id);
		header += 8;
		put16(ip + 4, (uint32_t)(header - 40 + bytes));
	}
	memcpy(ip + header, payload, bytes);
	packet->length = l3 + header + bytes;
}

void packet_icmp_error(struct packet *packet, const struct packet_error *error,
		       const struct packet *cause, size_t quoted)
{
	size_t cause_l3 = packet_l3(cause);
	struct packet_spec spec = {
		.v6 = cause->data[cause_l3] >> 4 == 6,
		.from = error->from,
		.to = error->to,
		.ttl = error->ttl,
		.payload = (uint16_t)(8 + quoted),
	};
	unsigned char *ip, *icmp;

	spec.protocol = spec.v6 ? SL_ICMPV6 : SL_ICMP;
	memcpy(spec.from_mac, error->from_mac, SL_MAC_BYTES);
	memcpy(spec.to_mac, error->to_mac, SL_MAC_BYTES);
	packet_build(packet, &spec);
	ip = packet->data + 14;
	icmp = ip + (spec.v6 ? 40 : 20);
	memset(icmp, 0, 8);
	icmp[0] = error->type;
	icmp[1] = error->code;
	put32(icmp + 4, error->mtu);
	memcpy(icmp + 8, cause->data + cause_l3, quoted);
	put16(icmp + 2, packet_checksum_slow(spec.v6 ? pseudo_sum(ip, SL_ICMPV6, 8 + quoted) : 0,
					     icmp, 8 + quoted));
}

/* --- the slow check ------------------------------------------------------ */

static const char *l4_flaw(const unsigned char *ip, uint8_t protocol, const unsigned char *l4,
			   size_t room)
{
	switch (protocol) {
	case SL_TCP:
		if (room < 20 || (l4[12] >> 4) < 5 || (l4[12] >> 4) * 4u > room)
			return "TCP header does not fit";
		if (packet_checksum_slow(pseudo_sum(ip, protocol, room), l4, room) != 0)
			return "TCP checksum";
		return NULL;
	case SL_UDP:
		if (room < 8 || get16(l4 + 4) < 8 || get16(l4 + 4) > room)
			return "UDP length";
		room = get16(l4 + 4);
		if (get16(l4 + 6) != 0 &&
		    packet_checksum_slow(pseudo_sum(ip, protocol, room), l4, room) != 0)
			return "UDP checksum";
		return NULL;
	case SL_ICMP:
		return room < 8 || packet_checksum_slow(0, l4, room) != 0 ? "ICMP checksum" : NULL;
	case SL_ICMPV6:
		return room < 8 || packet_checksum_slow(pseudo_sum(ip, protocol, room), l4, room) ?
			       "ICMPv6 checksum" :
			       NULL;
	}
	return "not TCP, UDP or ICMP";
}

static const char *ipv4_flaw(const unsigned char *ip, size_t room)
{
	size_t header, length;

	if (room < 20)
		return "no room for an IPv4 header";
	header = (ip[0] & 0xf) * 4u;
	length = get16(ip + 2);
	if (ip[0] >> 4 != 4 || header < 20 || length < header || length > room)
		return "IPv4 lengths";
	if (packet_checksum_slow(0, ip, header) != 0)
		return "IPv4 header checksum";
	if ((get16(ip + 6) & (SL_IPV4_MORE_FRAGMENTS | SL_IPV4_OFFSET_MASK)) != 0)
		return NULL;
	return l4_flaw(ip, ip[9], ip + header, length - header);
}

static const char *ipv6_flaw(const unsigned char *ip, size_t room)
{
	size_t at = 40, length;
	uint8_t next, here;

	if (room < 40)
		return "no room for an IPv6 header";
	length = 40 + get16(ip + 4);
	if (ip[0] >> 4 != 6 || length > room)
		return "IPv6 lengths";
	next = ip[6];
	while (next == SL_HOP_BY_HOP || next == SL_ROUTING || next == SL_DESTINATION_OPTIONS ||
	       next == SL_FRAGMENT_HEADER) {
		if (at + 8 > length)
			return "IPv6 extension header";
		if (next == SL_FRAGMENT_HEADER && (get16(ip + at + 2) & 0xfff9) != 0)
			return NULL;
		here = next;
		next = ip[at];
		at += here == SL_FRAGMENT_HEADER ? 8 : 8 + ip[at + 1] * 8u;
	}
	if (at > length)
		return "IPv6 extension header";
	return l4_flaw(ip, next, ip + at, length - at);
}

const char *packet_flaw(const unsigned char *data, size_t length)
{
	size_t l3 = l3_of(data, length);

	if (length < l3)
		return "no Ethernet header";
	switch (get16(data + l3 - 2)) {
	case SL_ETHERTYPE_IPV4:
		return ipv4_flaw(data + l3, length - l3);
	case SL_ETHERTYPE_IPV6:
		return ipv6_flaw(data + l3, length - l3);
	}
	return "not IP";
}
