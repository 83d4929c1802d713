/* SPDX-License-Identifier: BSD-3-Clause */
/* PROXY protocol headers: what they say, when they are sent, and that no client replaces them. */
#include "proxy_talk.h"

/* --- the header -------------------------------------------------------------- */

static void checksums_of_captured_headers_are_recomputed(void **state)
{
	static const struct {
		uint8_t begin[64];
		size_t n;
		uint32_t crc;
	} captured[] = {
		{{0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a, 0x21,
		  0x11, 0x00, 0x54, 0x7b, 0x67, 0xc9, 0x9a, 0xac, 0x1f, 0x0c, 0x37, 0xb1, 0x16,
		  0x02, 0x4b, 0x03, 0x00, 0x04, 0,    0,    0,	  0,	0x04, 0x00, 0x3e},
		 38,
		 0x08942207},
		{{0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a, 0x20,
		  0x11, 0x00, 0x54, 0x03, 0x00, 0x04, 0,    0,	  0,	0,    0x04, 0x00, 0x4a},
		 26,
		 0xbce5951f},
		{{0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a, 0x21,
		  0x11, 0x00, 0x54, 0xac, 0x1f, 0x07, 0x71, 0xac, 0x1f, 0x0a, 0x1f, 0xc8, 0xf2,
		  0x00, 0x50, 0x03, 0x00, 0x04, 0,    0,    0,	  0,	0xea, 0x00, 0x17, 0x01,
		  'v',	'p',  'c',  'e',  '-',	'0',  '8',  'd',  '2',	'b',  'f',  '1',  '5',
		  'f',	'a',  'c',  '5',  '0',	'0',  '1',  'c',  '9',	0x04, 0x00, 0x24},
		 64,
		 0xe8d6892d},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(captured) / sizeof(captured[0]); i++) {
		uint8_t header[HEADER] = {};

		memcpy(header, captured[i].begin, captured[i].n);
		assert_int_equal(sl_crc32c(header, HEADER), captured[i].crc);
		assert_int_equal(slow_crc32c(header, HEADER), captured[i].crc);
	}
}

static void a_header_is_byte_for_byte_as_captured(void **state)
{
	static const uint8_t captured[] = {
		0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a, 0x21,
		0x11, 0x00, 0x54, 0x7b, 0x67, 0xc9, 0x9a, 0xac, 0x1f, 0x0c, 0x37, 0xb1, 0x16,
		0x02, 0x4b, 0x03, 0x00, 0x04, 0x08, 0x94, 0x22, 0x07, 0x04, 0x00, 0x3e};
	struct packet_end from = packet_end("123.103.201.154", 0);
	struct packet_end to = packet_end("172.31.12.55", 0);
	struct sl_flow_key key = {.sport = htons(45334), .dport = htons(587)};
	uint8_t header[HEADER + 1], zeroes[HEADER] = {};

	(void)state;
	key.saddr[0] = from.address[0];
	key.daddr[0] = to.address[0];
	memset(header, 0xaa, sizeof(header));
	sl_proxy_write(header, false, &key);
	assert_memory_equal(header, captured, sizeof(captured));
	assert_memory_equal(header + sizeof(captured), zeroes, HEADER - sizeof(captured));
	assert_int_equal(header[HEADER], 0xaa);
}

static void a_header_of_ipv6_is_as_long(void **state)
{
	struct talk talk;
	struct packet packet;
	size_t bytes;
	const unsigned char *payload;

	talk_begin(&talk, *state, true, WORLD_PROXIED, 1000, 5000);
	client_sends(&talk, 0, SL_TCP_ACK, 10, &packet);
	payload = payload_of(&packet, &bytes);
	assert_int_equal(bytes, 110);
	assert_int_equal(payload[13], 0x21);
	assert_int_equal(payload[15], 84);
	assert_int_equal(payload[59], 4);  /* NOOP */
	assert_int_equal(payload[61], 38); /* bytes of it */
}

/* --- when it is sent ----------------------------------------------------------- */

static void the_header_goes_with_the_first_payload_again_and_again(void **state)
{
	for (int i = 0; i < 4; i++) {
		bool v6 = i & 1;
		struct talk talk;
		struct packet packet;

		talk_begin(&talk, *state, v6, WORLD_PROXIED, i & 2 ? -50u : 1000,
			   (uint16_t)(5000 + i));
		client_sends(&talk, 0, SL_TCP_ACK, 0, &packet); /* again: nothing yet */
		assert_int_equal(payload_bytes(&packet), 0);
		client_sends(&talk, 0, SL_TCP_ACK | SL_TCP_PSH, 77, &packet);
		assert_has_header(&talk, &packet, 77);
		client_sends(&talk, 77, SL_TCP_ACK, 100, &packet);
		assert_int_equal(seq_of(&packet), talk.begin + HEADER + 77);
		assert_int_equal(payload_bytes(&packet), 100);
		/* lost: the client repeats, and in other pieces */
		client_sends(&talk, 0, SL_TCP_ACK, 1300, &packet);
		assert_has_header(&talk, &packet, 1300);
		client_sends(&talk, 0, SL_TCP_ACK, 1, &packet);
		assert_has_header(&talk, &packet, 1);
	}
}

static void what_overtook_the_header_leaves_it_room(void **state)
{
	struct talk talk;
	struct packet packet;

	talk_begin(&talk, *state, false, WORLD_PROXIED, 1000, 5000);
	client_sends(&talk, 50, SL_TCP_ACK, 50, &packet);
	assert_int_equal(seq_of(&packet), talk.begin + HEADER + 50);
	client_sends(&talk, 0, SL_TCP_ACK, 50, &packet);
	assert_has_header(&talk, &packet, 50);
}

static void a_fin_without_data_brings_the_header(void **state)
{
	struct talk talk;
	struct packet packet;

	talk_begin(&talk, *state, false, WORLD_PROXIED, 1000, 5000);
	client_sends(&talk, 0, SL_TCP_ACK | SL_TCP_FIN, 0, &packet);
	assert_has_header(&talk, &packet, 0);
	assert_int_equal(flags_of(&packet), SL_TCP_ACK | SL_TCP_FIN);
	target_sends(&talk, HEADER + 1, SL_TCP_ACK, &packet);
	assert_int_equal(ack_of(&packet), talk.begin + 1);
	client_sends(&talk, 1, SL_TCP_ACK, 0, &packet);
	assert_int_equal(seq_of(&packet), talk.begin + HEADER + 1);
}

static void with_the_first_ack_it_goes_until_the_target_has_it(void **state)
{
	for (int v6 = 0; v6 < 2; v6++) {
		struct talk talk;
		struct packet packet;

		talk_begin(&talk, *state, v6, WORLD_PROXIED_FIRST, 1000, 5000);
		target_sends(&talk, 0, SL_TCP_ACK, &packet); /* it speaks first */
		assert_int_equal(ack_of(&packet), talk.begin);
		client_sends(&talk, 0, SL_TCP_ACK, 0, &packet);
		assert_has_header(&talk, &packet, 0);
		target_sends(&talk, HEADER, SL_TCP_ACK, &packet);
		assert_int_equal(ack_of(&packet), talk.begin);
		client_sends(&talk, 0, SL_TCP_ACK, 0, &packet);
		assert_int_equal(payload_bytes(&packet), 0);
		assert_int_equal(seq_of(&packet), talk.begin + HEADER);
		client_sends(&talk, 0, SL_TCP_ACK, 5, &packet);
		assert_int_equal(payload_bytes(&packet), 5);
		assert_int_equal(seq_of(&packet), talk.begin + HEADER);
	}
}

static void a_reset_without_data_brings_no_header(void **state)
{
	for (enum world_service s = WORLD_PROXIED; s <= WORLD_PROXIED_FIRST; s++) {
		struct talk talk;
		struct packet packet;

		talk_begin(&talk, *state, false, s, 1000, 5000);
		client_sends(&talk, 0, SL_TCP_RST | SL_TCP_ACK, 0, &packet);
		assert_int_equal(payload_bytes(&packet), 0);
		assert_int_equal(seq_of(&packet), talk.begin);
	}
}

static void udp_of_the_same_group_has_no_header(void **state)
{
	struct path *path = *state;
	struct packet_spec spec = world_packet(&path->world, false, SL_UDP, WORLD_PROXIED, 1, 5000);
	struct packet packet;

	path_sends(path, &spec, WORLD_CLIENT_SIDE, WORLD_TARGET_SIDE, &packet);
	assert_int_equal(packet.length, 14 + 20 + 8 + spec.payload);
}

static void a_flow_keeps_what_it_began_with(void **state)
{
	struct path *path = *state;
	uint32_t *flags = &path->tables.groups[path->world.group[0][WORLD_PROXIED]].flags;
	struct talk with, without;
	struct packet packet;

	talk_begin(&with, path, false, WORLD_PROXIED, 1000, 5000);
	*flags = 0;
	client_sends(&with, 0, SL_TCP_ACK, 10, &packet);
	assert_has_header(&with, &packet, 10);
	talk_open(&without, path, false, WORLD_PROXIED, 1000, 5001);
	*flags = SL_GROUP_PROXY | SL_GROUP_PROXY_FIRST_ACK;
	client_sends(&without, 0, SL_TCP_ACK, 0, &packet);
	client_sends(&without, 0, SL_TCP_ACK, 10, &packet);
	assert_int_equal(payload_bytes(&packet), 10);
	client_sends(&with, 10, SL_TCP_ACK, 10, &packet);
	assert_int_equal(seq_of(&packet), with.begin + 110);
}

static void packets_are_counted_beside_the_flag(void **state)
{
	struct path *path = *state;
	struct sl_flow_line *line;
	struct packet packet;
	struct talk talk;

	talk_begin(&talk, path, false, WORLD_PROXIED, 1000, 5000);
	line = sl_line(&path->tables, false, 2 * world_flow(&path->world, &talk.client));
	line->packets = UINT32_MAX;
	client_sends(&talk, 0, SL_TCP_ACK, 10, &packet);
	assert_true(sl_line_packets(line) == 1ull << 32);
	line->packets = UINT32_MAX;
	line->packets_high = 0xff; /* the count comes round, the flag stays */
	client_sends(&talk, 0, SL_TCP_ACK, 10, &packet);
	assert_true(sl_line_packets(line) == 0);
	client_sends(&talk, 0, SL_TCP_ACK, 10, &packet);
	assert_has_header(&talk, &packet, 10);
}

/* --- the handshake ---------------------------------------------------------------- */

static void the_mss_of_the_target_leaves_room_for_the_header(void **state)
{
	static const struct {
		uint16_t mss, lowered;
	} cases[] = {{1460, 1360}, {8960, 8860}, {536, 436}, {256, 156},
		     {201, 101},   {200, 200},	 {48, 48}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct packet_spec spec;
		struct packet packet;
		struct talk talk;
		unsigned char *options;

		talk_open(&talk, *state, i & 1, WORLD_PROXIED, 1000, (uint16_t)(5000 + i));
		spec = target_says(&talk, 0, SL_TCP_SYN | SL_TCP_ACK);
		spec.tcp_options = 8;
		memcpy(spec.options, "\1\2\4\0\0\1\1\1", 8); /* at an odd place */
		spec.options[3] = (uint8_t)(cases[i].mss >> 8);
		spec.options[4] = (uint8_t)cases[i].mss;
		path_sends(talk.path, &spec, talk.side, WORLD_CLIENT_SIDE, &packet);
		options = packet.data + packet_l4(&packet) + 20;
		assert_int_equal(options[3] << 8 | options[4], cases[i].lowered);
		spec = client_says(&talk, -1u, SL_TCP_SYN, 0);
		spec.tcp_options = 4;
		memcpy(spec.options, "\2\4\5\xb4", 4); /* the client's stays */
		path_sends(talk.path, &spec, WORLD_CLIENT_SIDE, talk.side, &packet);
		assert_memory_equal(packet.data + packet_l4(&packet) + 20, "\2\4\5\xb4", 4);
	}
}

static void mptcp_is_not_offered_to_the_target(void **state)
{
	struct packet_spec spec;
	struct packet packet;
	struct talk talk;

	talk_open(&talk, *state, false, WORLD_PROXIED, 1000, 5000);
	spec = client_says(&talk, -1u, SL_TCP_SYN, 0);
	spec.tcp_options = 12;
	memcpy(spec.options, "\2\4\5\xb4\1\36\4\0\x81\4\2\1", 12);
	path_sends(talk.path, &spec, WORLD_CLIENT_SIDE, talk.side, &packet);
	assert_memory_equal(packet.data + packet_l4(&packet) + 20, "\2\4\5\xb4\1\1\1\1\1\4\2\1",
			    12);
}

static void data_in_a_syn_is_cut_off(void **state)
{
	for (uint16_t bytes = 1; bytes < 4; bytes++)
		for (int padding = 0; padding < 2; padding++) {
			uint16_t port = (uint16_t)(5000 + 10 * bytes + padding);
			struct path *path = *state;
			struct packet_spec spec = world_packet(&path->world, bytes & 1, SL_TCP,
							       WORLD_PROXIED, 1, port);
			struct packet packet;

			spec.payload = (uint16_t)(bytes * 433);
			spec.tcp_flags = SL_TCP_SYN;
			spec.fill = 0xf7;
			spec.padding = padding ? 5 : 0;
			path_sends(path, &spec, WORLD_CLIENT_SIDE, WORLD_TARGET_SIDE, &packet);
			assert_int_equal(payload_bytes(&packet), 0);
			assert_int_equal(flags_of(&packet), SL_TCP_SYN);
			spec.tcp_flags = SL_TCP_SYN | SL_TCP_FIN; /* on a flow that is there */
			path_sends(path, &spec, WORLD_CLIENT_SIDE, WORLD_TARGET_SIDE, &packet);
			assert_int_equal(payload_bytes(&packet), 0);
			assert_int_equal(flags_of(&packet), SL_TCP_SYN);
		}
}

/* --- what a client must not be able to do -------------------------------------------- */

static void data_that_would_take_the_headers_place_is_dropped(void **state)
{
	struct talk talk;
	struct packet_spec spec;
	struct packet packet;

	talk_begin(&talk, *state, false, WORLD_PROXIED, 1000, 5000);
	spec = client_says(&talk, -1u, SL_TCP_ACK, 101);
	path_drops(talk.path, &spec, WORLD_CLIENT_SIDE, SL_DROP_MALFORMED);
	spec = client_says(&talk, -1000u, SL_TCP_ACK, 1001);
	path_drops(talk.path, &spec, WORLD_CLIENT_SIDE, SL_DROP_MALFORMED);
	spec = client_says(&talk, -1u, SL_TCP_ACK | SL_TCP_FIN, 1);
	path_drops(talk.path, &spec, WORLD_CLIENT_SIDE, SL_DROP_MALFORMED);
	client_sends(&talk, -1u, SL_TCP_ACK, 1, &packet); /* a keepalive probe */
	assert_int_equal(seq_of(&packet), talk.begin - 1);
	client_sends(&talk, -1u, SL_TCP_ACK, 0, &packet);
	assert_int_equal(payload_bytes(&packet), 0);
}

static void where_the_stream_begins_is_what_the_target_says(void **state)
{
	struct talk talk;
	struct packet packet;

	/* the first SYN was lost on its way on, and the client began anew */
	talk_open(&talk, *state, false, WORLD_PROXIED, 1000, 5000);
	sl_line(&talk.path->tables, false, 2 * world_flow(&talk.path->world, &talk.client))
		->control &= ~0xffu;
	sl_line(&talk.path->tables, false, 2 * world_flow(&talk.path->world, &talk.client))
		->control |= SL_FLOW_HALF_OPEN;
	client_sends(&talk, 4999, SL_TCP_SYN, 0, &packet);
	assert_int_equal(seq_of(&packet), talk.begin + 4999);
	assert_int_equal(cold_of(&talk)->isn, SL_BE32(1000)); /* it says so, not more */
	talk.begin += 5000;
	target_sends(&talk, 0, SL_TCP_SYN | SL_TCP_ACK, &packet);
	assert_int_equal(ack_of(&packet), talk.begin);
	client_sends(&talk, 0, SL_TCP_ACK, 10, &packet);
	assert_has_header(&talk, &packet, 10);
}

static void a_target_that_forgot_a_connection_gets_a_header_for_the_next(void **state)
{
	struct talk talk;
	struct packet packet;

	talk_begin(&talk, *state, false, WORLD_PROXIED, 1000, 5000);
	client_sends(&talk, 0, SL_TCP_ACK, 10, &packet);
	target_sends(&talk, HEADER + 10, SL_TCP_ACK, &packet);
	target_sends(&talk, 0, SL_TCP_SYN | SL_TCP_ACK, &packet); /* late */
	assert_true(cold_of(&talk)->settled);
	talk.begin = 7001;
	client_sends(&talk, -1u, SL_TCP_SYN, 0, &packet);
	assert_int_equal(seq_of(&packet), 7000);
	target_sends(&talk, 0, SL_TCP_SYN | SL_TCP_ACK, &packet);
	assert_int_equal(ack_of(&packet), 7001);
	client_sends(&talk, 0, SL_TCP_ACK, 10, &packet);
	assert_has_header(&talk, &packet, 10);
}

static void acknowledgements_of_an_older_connection_settle_nothing(void **state)
{
	struct path *path = *state;
	struct packet packet;
	struct talk talk = {.path = path, .begin = 1001, .side = WORLD_TARGET_SIDE};

	talk.client = world_packet(&path->world, false, SL_TCP, WORLD_PROXIED, 1, 5000);
	client_sends(&talk, -1u, SL_TCP_SYN, 0, &packet);
	talk.target = world_answer(&packet);
	talk.target.payload = 0;
	target_sends(&talk, 5000, SL_TCP_ACK, &packet); /* TIME_WAIT */
	assert_false(cold_of(&talk)->settled);
	target_sends(&talk, 0, SL_TCP_SYN | SL_TCP_ACK, &packet);
	target_sends(&talk, 5000, SL_TCP_RST | SL_TCP_ACK, &packet);
	assert_false(cold_of(&talk)->settled);
	target_sends(&talk, HEADER, SL_TCP_ACK, &packet);
	assert_true(cold_of(&talk)->settled);
}

static void a_wrong_checksum_stays_wrong(void **state)
{
	for (int v6 = 0; v6 < 2; v6++) {
		struct packet_spec specs[3];
		struct talk talk;

		talk_begin(&talk, *state, v6, WORLD_PROXIED, 1000, 5000);
		specs[0] = client_says(&talk, 0, SL_TCP_ACK, 11);
		specs[1] = client_says(&talk, 11, SL_TCP_ACK, 11);
		specs[2] = client_says(&talk, -1u, SL_TCP_SYN, 11);
		for (int i = 0; i < 3; i++) {
			struct packet packet;

			packet_build(&packet, &specs[i]);
			packet.data[packet_l4(&packet) + 16] ^= 0x10;
			assert_int_equal(SL_VERDICT(world_receive(&talk.path->world, &packet, 1)),
					 SL_SEND);
			assert_string_equal(packet_flaw(packet.data, packet.length),
					    "TCP checksum");
		}
	}
}

static void a_fragment_is_no_place_for_a_header(void **state)
{
	for (int v6 = 0; v6 < 2; v6++) {
		struct packet_spec spec;
		struct packet whole, piece;
		struct talk talk;
		uint64_t drops;

		talk_begin(&talk, *state, v6, WORLD_PROXIED, 1000, 5000);
		drops = world_drops(&talk.path->world, SL_DROP_FRAGMENT);
		for (uint32_t at = 0; at < 2; at++) {
			spec = client_says(&talk, at, SL_TCP_ACK, 1000);
			packet_build(&whole, &spec);
			packet_fragment(&piece, &whole, 0, 400, true, 77);
			assert_int_equal(SL_VERDICT(world_receive(&talk.path->world, &piece, 1)),
					 at == 0 ? SL_DROP : SL_SEND);
		}
		assert_int_equal(world_drops(&talk.path->world, SL_DROP_FRAGMENT), drops + 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PATH_TEST(checksums_of_captured_headers_are_recomputed),
		PATH_TEST(a_header_is_byte_for_byte_as_captured),
		PATH_TEST(a_header_of_ipv6_is_as_long),
		PATH_TEST(the_header_goes_with_the_first_payload_again_and_again),
		PATH_TEST(what_overtook_the_header_leaves_it_room),
		PATH_TEST(a_fin_without_data_brings_the_header),
		PATH_TEST(with_the_first_ack_it_goes_until_the_target_has_it),
		PATH_TEST(a_reset_without_data_brings_no_header),
		PATH_TEST(udp_of_the_same_group_has_no_header),
		PATH_TEST(a_flow_keeps_what_it_began_with),
		PATH_TEST(packets_are_counted_beside_the_flag),
		PATH_TEST(the_mss_of_the_target_leaves_room_for_the_header),
		PATH_TEST(mptcp_is_not_offered_to_the_target),
		PATH_TEST(data_in_a_syn_is_cut_off),
		PATH_TEST(data_that_would_take_the_headers_place_is_dropped),
		PATH_TEST(where_the_stream_begins_is_what_the_target_says),
		PATH_TEST(a_target_that_forgot_a_connection_gets_a_header_for_the_next),
		PATH_TEST(acknowledgements_of_an_older_connection_settle_nothing),
		PATH_TEST(a_wrong_checksum_stays_wrong),
		PATH_TEST(a_fragment_is_no_place_for_a_header),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
