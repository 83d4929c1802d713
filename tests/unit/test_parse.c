/* SPDX-License-Identifier: BSD-3-Clause */
#include "world.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static sl_frame_t frame_of(struct packet *packet)
{
	return (sl_frame_t){packet->data, packet->data + packet->length, packet->room,
			    packet->room + sizeof(packet->room)};
}

static enum sl_parsed parse(struct packet *packet, struct sl_packet *p)
{
	sl_frame_t frame = frame_of(packet);
	uint32_t l3 = (uint32_t)packet_l3(packet);

	memset(p, 0, sizeof(*p));
	return packet->data[l3] >> 4 == 6 ? sl_parse6(&frame, l3, p) : sl_parse4(&frame, l3, p);
}

static struct packet_spec spec_of(bool v6, uint8_t protocol)
{
	return (struct packet_spec){
		.v6 = v6,
		.protocol = protocol,
		.from = packet_end(v6 ? "2001:db8::1" : "198.51.100.1", 40000),
		.to = packet_end(v6 ? "2001:db8::2" : "192.0.2.1", 443),
		.tcp_flags = SL_TCP_SYN,
		.seq = 0x01020304,
		.ack = 0x0a0b0c0d,
		.payload = 10,
	};
}

static void assert_flow(const struct sl_packet *p, const struct packet_spec *spec)
{
	assert_int_equal(p->key.protocol, spec->protocol);
	assert_int_equal(p->key.sport, htons(spec->from.port));
	assert_int_equal(p->key.dport, htons(spec->to.port));
	assert_memory_equal(p->key.saddr, spec->from.address, spec->v6 ? 16 : 4);
	assert_memory_equal(p->key.daddr, spec->to.address, spec->v6 ? 16 : 4);
	assert_int_equal(p->ttl, 64);
	if (spec->protocol == SL_TCP) {
		assert_int_equal(p->tcp_flags, spec->tcp_flags);
		assert_int_equal(p->seq, htonl(spec->seq));
		assert_int_equal(p->ack, htonl(spec->ack));
	} else {
		assert_int_equal(p->tcp_flags, 0);
	}
}

static void finds_ports_behind_options_and_extensions_of_every_length(void **state)
{
	struct packet packet;
	struct sl_packet p;

	(void)state;
	for (int v6 = 0; v6 < 2; v6++)
		for (uint32_t options = 0; options <= (v6 ? 216 : 40); options += v6 ? 8 : 4)
			for (int udp = 0; udp < 2; udp++) {
				struct packet_spec spec = spec_of(v6, udp ? SL_UDP : SL_TCP);

				spec.ip_options = (uint8_t)options;
				packet_build(&packet, &spec);
				assert_null(packet_flaw(packet.data, packet.length));
				assert_int_equal(parse(&packet, &p), SL_PARSED_FLOW);
				assert_flow(&p, &spec);
				assert_int_equal(p.l4_offset, (v6 ? 40 : 20) + options);
			}
}

static void leaves_extension_headers_longer_than_the_limit_to_the_kernel(void **state)
{
	struct packet_spec spec = spec_of(true, SL_TCP);
	struct packet packet;
	struct sl_packet p;

	(void)state;
	/* a length of 8 bits in units of 8 bytes must never be taken modulo anything */
	for (uint32_t units = SL_IPV6_EXTENSION_BYTES / 8 - 40 / 8 + 1; units <= 255; units++) {
		uint32_t bytes = 8 * units;

		spec.payload = (uint16_t)(bytes + 64);
		packet_build(&packet, &spec);
		packet.data[14 + 6] = SL_DESTINATION_OPTIONS;
		packet.data[14 + 40] = SL_TCP;
		packet.data[14 + 41] = (unsigned char)(units - 1);
		assert_int_equal(parse(&packet, &p), SL_PARSED_OTHER);
	}
}

static void follows_a_chain_of_extension_headers_as_far_as_its_limit(void **state)
{
	static const uint8_t kinds[] = {SL_HOP_BY_HOP, SL_DESTINATION_OPTIONS, SL_ROUTING};
	struct packet packet, whole;
	struct sl_packet p;

	(void)state;
	for (uint32_t n = 1; n <= SL_IPV6_EXTENSIONS; n++) {
		struct packet_spec spec = spec_of(true, SL_UDP);
		unsigned char *ip;

		spec.payload = 20;
		packet_build(&whole, &spec);
		memcpy(packet.room + PACKET_HEADROOM, whole.data, 54);
		packet.data = packet.room + PACKET_HEADROOM;
		ip = packet.data + 14;
		memcpy(ip + 40 + 8 * n, whole.data + 54, whole.length - 54);
		packet.length = whole.length + 8 * n;
		ip[5] = (unsigned char)(ip[5] + 8 * n);
		ip[6] = kinds[0];
		for (uint32_t i = 0; i < n; i++) {
			memset(ip + 40 + 8 * i, 0, 8);
			ip[40 + 8 * i] = i + 1 < n ? kinds[(i + 1) % 3] : SL_UDP;
		}
		if (n < SL_IPV6_EXTENSIONS) {
			assert_int_equal(parse(&packet, &p), SL_PARSED_FLOW);
			assert_flow(&p, &spec);
			assert_int_equal(p.l4_offset, 40 + 8 * n);
		} else {
			assert_int_equal(parse(&packet, &p), SL_PARSED_OTHER);
		}
		if (n >= 3) { /* a routing header that is still in use changes the destination */
			ip[40 + 8 * 2 + 3] = 1;
			assert_int_equal(parse(&packet, &p), SL_PARSED_OTHER);
		}
	}
}

static void tells_every_truncation_from_a_whole_packet(void **state)
{
	struct packet packet, cut;
	struct sl_packet p;

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct packet_spec spec = spec_of(i & 1, i & 2 ? SL_UDP : SL_TCP);

		packet_build(&packet, &spec);
		for (size_t length = 14; length < packet.length; length++) {
			packet_set(&cut, packet.data, length);
			assert_int_equal(parse(&cut, &p), SL_PARSED_OTHER); /* the IP length is wrong */
		}
		assert_int_equal(parse(&packet, &p), SL_PARSED_FLOW);
	}
}

/* The IP length says less than the headers behind it need. */
static void counts_headers_that_their_ip_length_cuts_as_truncated(void **state)
{
	struct packet packet;
	struct sl_packet p;

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct packet_spec spec = spec_of(i & 1, i & 2 ? SL_UDP : SL_TCP);
		uint32_t header = spec.protocol == SL_TCP ? 20 : 8;

		for (uint32_t room = 0; room <= header; room++) {
			packet_build(&packet, &spec);
			if (spec.v6)
				packet.data[14 + 5] = (unsigned char)room;
			else
				packet.data[14 + 3] = (unsigned char)(20 + room);
			if (spec.protocol == SL_UDP)
				packet.data[packet_l4(&packet) + 5] = 8;
			assert_int_equal(parse(&packet, &p),
					 room < header ? SL_PARSED_TRUNCATED : SL_PARSED_FLOW);
		}
	}
}

static void refuses_lengths_that_contradict_each_other(void **state)
{
	struct packet packet;
	struct sl_packet p;

	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct packet_spec spec = spec_of(v6, SL_TCP);
		unsigned char *l4;

		for (uint32_t offset = 0; offset < 16; offset++) {
			packet_build(&packet, &spec);
			l4 = packet.data + packet_l4(&packet);
			l4[12] = (unsigned char)(offset << 4);
			assert_int_equal(parse(&packet, &p),
					 offset >= 5 && offset * 4 <= 30 ? SL_PARSED_FLOW :
									   SL_PARSED_MALFORMED);
		}
		spec.protocol = SL_UDP;
		for (uint32_t length = 0; length < 40; length++) {
			packet_build(&packet, &spec);
			l4 = packet.data + packet_l4(&packet);
			l4[5] = (unsigned char)length;
			assert_int_equal(parse(&packet, &p),
					 length >= 8 && length <= 18 ? SL_PARSED_FLOW :
								       SL_PARSED_MALFORMED);
		}
	}
}

static void leaves_broken_ip_headers_to_the_kernel(void **state)
{
	struct packet_spec spec = spec_of(false, SL_TCP);
	struct packet packet;
	struct sl_packet p;

	(void)state;
	for (uint32_t first = 0; first < 256; first++) {
		sl_frame_t frame;

		packet_build(&packet, &spec);
		packet.data[14] = (unsigned char)first;
		frame = frame_of(&packet);
		if (first >> 4 != 4 || (first & 0xf) < 5)
			assert_int_equal(sl_parse4(&frame, 14, &p), SL_PARSED_OTHER);
		packet.data[14] = (unsigned char)first;
		if (first >> 4 != 6)
			assert_int_equal(sl_parse6(&frame, 14, &p), SL_PARSED_OTHER);
	}
}

static void other_protocols_are_the_kernels(void **state)
{
	struct packet packet;
	struct sl_packet p;

	(void)state;
	for (int v6 = 0; v6 < 2; v6++)
		for (uint32_t protocol = 0; protocol < 256; protocol++) {
			struct packet_spec spec = spec_of(v6, (uint8_t)protocol);
			enum sl_parsed want = SL_PARSED_OTHER;

			if (protocol == SL_TCP || protocol == SL_UDP)
				want = SL_PARSED_FLOW;
			else if (protocol == (v6 ? SL_ICMPV6 : SL_ICMP))
				want = SL_PARSED_ICMP;
			else if (v6 && (protocol == SL_HOP_BY_HOP || protocol == SL_ROUTING ||
					protocol == SL_FRAGMENT_HEADER ||
					protocol == SL_DESTINATION_OPTIONS))
				continue; /* no protocols but headers */
			packet_build(&packet, &spec);
			assert_int_equal(parse(&packet, &p), want);
		}
}

static void tells_first_fragments_from_later_ones(void **state)
{
	struct packet packet, whole;
	struct sl_packet p;

	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct packet_spec spec = spec_of(v6, SL_UDP);

		spec.payload = 200;
		packet_build(&whole, &spec);
		packet_fragment(&packet, &whole, 0, 104, true, 0x11223344);
		assert_int_equal(parse(&packet, &p), SL_PARSED_FLOW);
		assert_flow(&p, &spec);
		assert_true(p.fragment & SL_IPV4_MORE_FRAGMENTS);
		assert_int_equal(p.fragment_id, v6 ? htonl(0x11223344) : htons(0x3344));
		packet_fragment(&packet, &whole, 104, 104, false, 0x11223344);
		assert_int_equal(parse(&packet, &p), SL_PARSED_FRAGMENT);
		assert_int_equal(p.fragment_id, v6 ? htonl(0x11223344) : htons(0x3344));
		assert_int_equal(p.key.protocol, SL_UDP);
		/* one fragment that is the whole datagram is no fragment */
		packet_fragment(&packet, &whole, 0, 208, false, 0x11223344);
		assert_int_equal(parse(&packet, &p), SL_PARSED_FLOW);
		assert_false(p.fragment & SL_IPV4_MORE_FRAGMENTS);
	}
}

/* A first fragment without the whole TCP header could hide ports from a filter (RFC 1858). */
static void a_tiny_first_fragment_is_truncated(void **state)
{
	struct packet packet, whole;
	struct packet_spec spec = spec_of(false, SL_TCP);
	struct sl_packet p;

	(void)state;
	packet_build(&whole, &spec);
	packet_fragment(&packet, &whole, 0, 16, true, 7);
	assert_int_equal(parse(&packet, &p), SL_PARSED_TRUNCATED);
}

static void ethernet_padding_is_no_part_of_the_packet(void **state)
{
	struct packet_spec spec = spec_of(false, SL_UDP);
	struct packet packet;
	struct sl_packet p;

	(void)state;
	spec.payload = 1;
	spec.padding = 17;
	packet_build(&packet, &spec);
	assert_int_equal(parse(&packet, &p), SL_PARSED_FLOW);
	assert_int_equal(p.ip_length, 29);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_ports_behind_options_and_extensions_of_every_length),
		cmocka_unit_test(leaves_extension_headers_longer_than_the_limit_to_the_kernel),
		cmocka_unit_test(follows_a_chain_of_extension_headers_as_far_as_its_limit),
		cmocka_unit_test(tells_every_truncation_from_a_whole_packet),
		cmocka_unit_test(counts_headers_that_their_ip_length_cuts_as_truncated),
		cmocka_unit_test(refuses_lengths_that_contradict_each_other),
		cmocka_unit_test(leaves_broken_ip_headers_to_the_kernel),
		cmocka_unit_test(other_protocols_are_the_kernels),
		cmocka_unit_test(tells_first_fragments_from_later_ones),
		cmocka_unit_test(a_tiny_first_fragment_is_truncated),
		cmocka_unit_test(ethernet_padding_is_no_part_of_the_packet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
