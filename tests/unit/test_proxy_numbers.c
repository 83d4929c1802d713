/* SPDX-License-Identifier: BSD-3-Clause */
/* Flows with a PROXY header: the numbers of either side, ICMP errors, resets, and whole streams. */
#include "proxy_talk.h"

/* --- numbers ------------------------------------------------------------------- */

static void acknowledgements_come_back_in_the_clients_numbers(void **state)
{
	static const struct {
		uint32_t ack, back;
	} cases[] = {{0, 0}, {1, 0}, {50, 0}, {99, 0}, {100, 0}, {101, 1}, {300, 200}};

	for (int i = 0; i < 4; i++) {
		struct talk talk;
		struct packet packet;

		talk_begin(&talk, *state, i & 1, WORLD_PROXIED, i & 2 ? -120u : 1000,
			   (uint16_t)(5000 + i));
		client_sends(&talk, 0, SL_TCP_ACK, 300, &packet);
		for (size_t n = 0; n < sizeof(cases) / sizeof(cases[0]); n++) {
			target_sends(&talk, cases[n].ack, SL_TCP_ACK, &packet);
			assert_int_equal(ack_of(&packet), talk.begin + cases[n].back);
			assert_int_equal(seq_of(&packet), 70000);
		}
	}
}

static void a_target_that_does_not_acknowledge_is_left_alone(void **state)
{
	struct talk talk;
	struct packet packet;

	talk_begin(&talk, *state, false, WORLD_PROXIED, 1000, 5000);
	target_sends(&talk, 300, SL_TCP_RST, &packet);
	assert_int_equal(ack_of(&packet), talk.begin + 300);
}

static void numbers_may_come_round_as_often_as_they_like(void **state)
{
	for (int v6 = 0; v6 < 2; v6++) {
		struct talk talk;
		struct packet packet;

		talk_begin(&talk, *state, v6, WORLD_PROXIED, 1000, 5000);
		client_sends(&talk, 0, SL_TCP_ACK, 10, &packet);
		target_sends(&talk, HEADER + 10, SL_TCP_ACK, &packet);
		for (uint32_t i = 1; i < 32; i++) { /* up to 4 GiB on */
			const uint32_t at = i << 27;

			client_sends(&talk, at, SL_TCP_ACK, 10, &packet);
			assert_int_equal(payload_bytes(&packet), 10);
			assert_int_equal(seq_of(&packet), talk.begin + HEADER + at);
			target_sends(&talk, HEADER + at + 10, SL_TCP_ACK, &packet);
			assert_int_equal(ack_of(&packet), talk.begin + at + 10);
		}
		/* the number of the first byte, but not the byte */
		client_sends(&talk, 0, SL_TCP_ACK, 10, &packet);
		assert_int_equal(payload_bytes(&packet), 10);
		assert_int_equal(seq_of(&packet), talk.begin + HEADER);
		target_sends(&talk, 50, SL_TCP_ACK, &packet);
		assert_int_equal(ack_of(&packet), talk.begin - 50);
	}
}

static void edges_of_sack_come_back_in_the_clients_numbers(void **state)
{
	for (int odd = 0; odd < 2; odd++)
		for (int settled = 0; settled < 2; settled++) {
			struct packet_spec spec;
			struct packet packet;
			struct talk talk;
			unsigned char *options;

			talk_begin(&talk, *state, odd, WORLD_PROXIED, -150u,
				   (uint16_t)(5000 + settled));
			client_sends(&talk, 0, SL_TCP_ACK, 1000, &packet);
			spec = target_says(&talk, settled ? HEADER + 1 : 0, SL_TCP_ACK);
			spec.tcp_options = 20;
			memset(spec.options, 1, 20);
			spec.options[odd] = 5;
			spec.options[odd + 1] = 18;
			put32(&spec.options[odd + 2], talk.begin + 300);
			put32(&spec.options[odd + 6], talk.begin + 400);
			put32(&spec.options[odd + 10], talk.begin + (settled ? 800 : 50));
			put32(&spec.options[odd + 14], talk.begin + (settled ? 900 : 120));
			path_sends(talk.path, &spec, talk.side, WORLD_CLIENT_SIDE, &packet);
			options = packet.data + packet_l4(&packet) + 20;
			assert_int_equal(get32(options + odd + 2), talk.begin + 200);
			assert_int_equal(get32(options + odd + 6), talk.begin + 300);
			assert_int_equal(get32(options + odd + 10),
					 talk.begin + (settled ? 700 : 0));
			assert_int_equal(get32(options + odd + 14),
					 talk.begin + (settled ? 800 : 20));
		}
}

static void a_broken_option_ends_the_search(void **state)
{
	static const uint8_t broken[][8] = {{5, 0, 1, 1, 1, 1, 1, 1}, {5, 1, 1, 1, 1, 1, 1, 1},
					    {5, 9, 1, 1, 1, 1, 1, 1}, {5, 255, 1, 1, 1, 1, 1, 1},
					    {5, 7, 1, 1, 1, 1, 1, 1}, {1, 1, 1, 1, 1, 1, 1, 5},
					    {1, 0, 5, 10, 1, 1, 1, 1}};

	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		struct packet_spec spec;
		struct packet packet;
		struct talk talk;

		talk_begin(&talk, *state, i & 1, WORLD_PROXIED, 1000, (uint16_t)(5000 + i));
		spec = target_says(&talk, 200, SL_TCP_ACK);
		spec.tcp_options = 8;
		memcpy(spec.options, broken[i], 8);
		path_sends(talk.path, &spec, talk.side, WORLD_CLIENT_SIDE, &packet);
		assert_memory_equal(packet.data + packet_l4(&packet) + 20, broken[i], 8);
	}
}

/* --- links ------------------------------------------------------------------------- */

static void a_packet_too_big_with_the_header_is_answered_as_it_came(void **state)
{
	for (int v6 = 0; v6 < 2; v6++) {
		const size_t header = v6 ? 40 : 20;
		const uint16_t most = (uint16_t)(WORLD_MTU - HEADER - header - 20);
		struct packet_spec spec;
		struct packet sent, packet;
		struct talk talk;

		talk_begin(&talk, *state, v6, WORLD_PROXIED, 1000, 5000);
		spec = client_says(&talk, 0, SL_TCP_ACK, (uint16_t)(most + 1));
		packet_build(&sent, &spec);
		path_sends(talk.path, &spec, WORLD_CLIENT_SIDE, WORLD_CLIENT_SIDE, &packet);
		assert_int_equal(get32(packet.data + 14 + header + 4), WORLD_MTU - HEADER);
		assert_memory_equal(packet.data + 14 + header + 8, sent.data + 14, header + 20);
		client_sends(&talk, 0, SL_TCP_ACK, most, &packet);
		assert_has_header(&talk, &packet, most);
		if (!v6) { /* the kernel cuts it */
			spec.dont_fragment = false;
			assert_int_equal(
				world_send(&talk.path->world, &spec, WORLD_CLIENT_SIDE, &packet),
				SL_PASS);
			assert_has_header(&talk, &packet, (uint16_t)(most + 1));
		}
	}
}

/* What the client is told of a packet that got lost behind us. */
static void assert_quoted(struct talk *talk, const struct packet *cause, uint32_t seq,
			  size_t quoted)
{
	const size_t header = talk->v6 ? 40 : 20;
	struct packet_error error = {
		.from = talk->target.from,
		.to = talk->target.to,
		.type = talk->v6 ? SL_ICMPV6_PACKET_TOO_BIG : SL_ICMP_UNREACHABLE,
		.code = talk->v6 ? 0 : SL_ICMP_FRAGMENTATION_NEEDED,
		.mtu = 1400,
	};
	struct packet packet;
	int verdict;

	memcpy(error.from_mac, talk->target.from_mac, 6);
	memcpy(error.to_mac, talk->target.to_mac, 6);
	packet_icmp_error(&packet, &error, cause, header + quoted);
	verdict = world_receive(&talk->path->world, &packet, 2);
	assert_int_equal(SL_VERDICT(verdict), SL_SEND);
	assert_null(packet_flaw(packet.data, packet.length));
	assert_int_equal(get32(packet.data + 14 + header + 4), 1400 - HEADER);
	assert_int_equal(get32(packet.data + 14 + 2 * header + 8 + 4), seq);
}

static void errors_quote_the_clients_numbers_and_leave_room(void **state)
{
	for (int v6 = 0; v6 < 2; v6++)
		for (size_t quoted = 8; quoted <= 20; quoted += 12) {
			struct packet first, second, packet;
			struct talk talk;

			talk_begin(&talk, *state, v6, WORLD_PROXIED, -30u,
				   (uint16_t)(5000 + quoted));
			client_sends(&talk, 0, SL_TCP_ACK, 50, &first);
			client_sends(&talk, 50, SL_TCP_ACK, 50, &second);
			assert_quoted(&talk, &first, talk.begin, quoted);
			assert_quoted(&talk, &second, talk.begin + 50, quoted);
			target_sends(&talk, HEADER + 10, SL_TCP_ACK, &packet);
			assert_quoted(&talk, &second, talk.begin + 50, quoted);
		}
}

static void urgent_data_stays_where_it_is(void **state)
{
	struct packet packet;
	struct talk talk;
	struct packet_spec spec;
	unsigned char *tcp;

	talk_begin(&talk, *state, false, WORLD_PROXIED, 1000, 5000);
	spec = client_says(&talk, 0, SL_TCP_ACK | SL_TCP_URG, 10);
	packet_build(&packet, &spec);
	tcp = packet.data + packet_l4(&packet);
	tcp[19] = 7; /* and the checksum goes with it */
	put32(tcp + 16, get32(tcp + 16) - (7u << 16));
	assert_null(packet_flaw(packet.data, packet.length));
	assert_int_equal(SL_VERDICT(world_receive(&talk.path->world, &packet, 1)), SL_SEND);
	assert_null(packet_flaw(packet.data, packet.length));
	assert_int_equal(packet.data[packet_l4(&packet) + 19], 107);
}

/* --- the end ------------------------------------------------------------------------ */

static void resets_of_ours_are_in_the_numbers_of_whom_they_are_for(void **state)
{
	for (int v6 = 0; v6 < 2; v6++) {
		struct path *path = *state;
		struct packet_spec spec;
		struct packet packet;
		struct talk talk;
		uint32_t flow;

		talk_begin(&talk, path, v6, WORLD_PROXIED, 1000, 5000);
		spec = client_says(&talk, 0, SL_TCP_ACK, 10);
		spec.ack = 70001;
		path_sends(path, &spec, WORLD_CLIENT_SIDE, talk.side, &packet);
		target_sends(&talk, HEADER + 10, SL_TCP_ACK, &packet);
		flow = world_flow(&path->world, &talk.client);
		assert_int_equal(sl_line(&path->tables, v6, 2 * flow)->last_ack, SL_BE32(70001));
		assert_int_equal(sl_line(&path->tables, v6, 2 * flow + 1)->last_ack,
				 SL_BE32(talk.begin + HEADER + 10));
		/* what the path itself answers, when the target ends its flows */
		path->tables.targets[path->world.target[v6][WORLD_PROXIED][0]].ends = SL_ENDS_TCP;
		path_sends(path, &spec, WORLD_CLIENT_SIDE, WORLD_CLIENT_SIDE, &packet);
		assert_int_equal(flags_of(&packet), SL_TCP_RST);
		assert_int_equal(seq_of(&packet), 70001);
		spec = target_says(&talk, HEADER + 10, SL_TCP_ACK);
		path_sends(path, &spec, talk.side, talk.side, &packet);
		assert_int_equal(flags_of(&packet), SL_TCP_RST);
		assert_int_equal(seq_of(&packet), talk.begin + HEADER + 10);
		path->tables.targets[path->world.target[v6][WORLD_PROXIED][0]].ends = 0;
	}
}

static void the_next_connection_from_the_same_port_has_a_header_again(void **state)
{
	struct packet packet;
	struct talk talk;

	talk_begin(&talk, *state, false, WORLD_PROXIED, 1000, 5000);
	client_sends(&talk, 0, SL_TCP_ACK, 10, &packet);
	target_sends(&talk, HEADER + 10, SL_TCP_ACK, &packet);
	client_sends(&talk, 10, SL_TCP_RST, 0, &packet);
	assert_int_equal(seq_of(&packet), talk.begin + HEADER + 10);
	talk_begin(&talk, *state, false, WORLD_PROXIED, 90000, 5000);
	client_sends(&talk, 0, SL_TCP_ACK, 10, &packet);
	assert_has_header(&talk, &packet, 10);
}

/* --- a stream, against a slow model ---------------------------------------------------- */

#define STREAM_MAX 600

struct model {
	struct talk talk;
	uint32_t bytes;			   /* that the client has to say; then its FIN */
	uint32_t una, next;		   /* of the client: acknowledged, sent */
	bool got[HEADER + STREAM_MAX + 1]; /* of the target; the FIN counts as one */
	uint8_t stream[HEADER + STREAM_MAX];
	uint32_t lost, repeated, headers, sacked;
};

static uint32_t random_below(uint64_t *random, uint32_t n)
{
	*random = *random * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)((*random >> 32) * n >> 32);
}

static uint32_t contiguous(const struct model *m)
{
	uint32_t n = 0;

	while (n <= HEADER + m->bytes && m->got[n])
		n++;
	return n;
}

/* The target takes what it has not yet; no byte may ever come out another. */
static void target_takes(struct model *m, const struct packet *packet)
{
	size_t bytes;
	const unsigned char *payload = payload_of(packet, &bytes);
	uint32_t at = seq_of(packet) - m->talk.begin;

	if (bytes == 0 && !(flags_of(packet) & SL_TCP_FIN))
		return;
	m->headers += at == 0;
	for (uint32_t i = 0; i < bytes; i++) {
		assert_true(at + i < HEADER + m->bytes);
		if (m->got[at + i])
			assert_int_equal(m->stream[at + i], payload[i]);
		m->got[at + i] = true;
		m->stream[at + i] = payload[i];
	}
	if (flags_of(packet) & SL_TCP_FIN) {
		assert_int_equal(at + bytes, HEADER + m->bytes);
		m->got[HEADER + m->bytes] = true;
	}
}

/* New bytes, or old ones in other pieces, or nothing but an acknowledgement. */
static void client_turn(struct model *m, uint64_t *random)
{
	bool again = m->next > m->bytes || random_below(random, 3) == 0;
	uint32_t back = random_below(random, 2) ? random_below(random, m->next - m->una + 1) : 0;
	uint32_t from = again ? m->una + back : m->next;
	uint32_t bytes = random_below(random, 120);
	uint8_t flags = SL_TCP_ACK;
	struct packet packet;

	if (from > m->bytes) /* its FIN was sent */
		from = random_below(random, 2) ? m->bytes : m->bytes + 1;
	if (from <= m->bytes) {
		bytes = bytes > m->bytes - from ? m->bytes - from : bytes;
		if (from + bytes == m->bytes && random_below(random, 2))
			flags |= SL_TCP_FIN;
	} else {
		bytes = 0;
	}
	client_sends(&m->talk, from, flags, (uint16_t)bytes, &packet);
	if (from + bytes + (flags & SL_TCP_FIN) > m->next)
		m->next = from + bytes + (flags & SL_TCP_FIN);
	m->repeated += again;
	if (random_below(random, 3) == 0)
		m->lost++; /* behind us */
	else
		target_takes(m, &packet);
}

static void assert_is_back(const struct model *m, uint32_t number, uint32_t before)
{
	uint32_t back = number - m->talk.begin;

	/* an old one may lie before the first byte, once numbers may have come round */
	assert_true(back == (before < HEADER ? 0 : before - HEADER) || back == before - HEADER);
}

static void target_turn(struct model *m, uint64_t *random)
{
	uint32_t ack = contiguous(m), left = ack, right;
	struct packet_spec spec = target_says(&m->talk, ack, SL_TCP_ACK);
	struct packet packet;

	while (left <= HEADER + m->bytes && !m->got[left])
		left++;
	right = left;
	while (right <= HEADER + m->bytes && m->got[right])
		right++;
	if (left < right) {
		spec.tcp_options = 12;
		memcpy(spec.options, "\1\1\5\12", 4);
		put32(&spec.options[4], m->talk.begin + left);
		put32(&spec.options[8], m->talk.begin + right);
	}
	path_sends(m->talk.path, &spec, m->talk.side, WORLD_CLIENT_SIDE, &packet);
	assert_is_back(m, ack_of(&packet), ack);
	if (left < right) {
		const unsigned char *options = packet.data + packet_l4(&packet) + 20;

		assert_is_back(m, get32(options + 4), left);
		assert_is_back(m, get32(options + 8), right);
		m->sacked++;
	}
	if (random_below(random, 3) != 0 && ack > HEADER && ack - HEADER > m->una)
		m->una = ack - HEADER;
}

static void run_model(struct model *m, struct path *path, uint32_t number, uint64_t *random)
{
	uint8_t want[HEADER + STREAM_MAX];

	talk_begin(&m->talk, path, random_below(random, 2),
		   random_below(random, 2) ? WORLD_PROXIED : WORLD_PROXIED_FIRST,
		   random_below(random, 2) ? random_below(random, UINT32_MAX)
					   : UINT32_MAX - random_below(random, 700),
		   (uint16_t)(5000 + number));
	m->bytes = random_below(random, STREAM_MAX);
	for (int turn = 0; contiguous(m) <= HEADER + m->bytes; turn++) {
		assert_true(turn < 10000);
		if (random_below(random, 3) == 0)
			target_turn(m, random);
		else
			client_turn(m, random);
	}
	target_turn(m, random);
	memcpy(want, m->talk.header, HEADER);
	for (uint32_t i = 0; i < m->bytes; i++)
		want[HEADER + i] = (uint8_t)i;
	assert_memory_equal(m->stream, want, HEADER + m->bytes);
}

static void a_target_reads_the_header_and_the_clients_bytes_whatever_is_lost(void **state)
{
	uint64_t random = 20261130;
	uint32_t lost = 0, repeated = 0, headers = 0, sacked = 0;
	const uint32_t runs = 400;

	for (uint32_t i = 0; i < runs; i++) {
		struct model *m = calloc(1, sizeof(*m));

		assert_non_null(m);
		run_model(m, *state, i, &random);
		lost += m->lost;
		repeated += m->repeated;
		headers += m->headers;
		sacked += m->sacked;
		free(m);
	}
	assert_true(lost > runs && repeated > runs && headers > runs && sacked > runs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PATH_TEST(acknowledgements_come_back_in_the_clients_numbers),
		PATH_TEST(a_target_that_does_not_acknowledge_is_left_alone),
		PATH_TEST(numbers_may_come_round_as_often_as_they_like),
		PATH_TEST(edges_of_sack_come_back_in_the_clients_numbers),
		PATH_TEST(a_broken_option_ends_the_search),
		PATH_TEST(a_packet_too_big_with_the_header_is_answered_as_it_came),
		PATH_TEST(errors_quote_the_clients_numbers_and_leave_room),
		PATH_TEST(urgent_data_stays_where_it_is),
		PATH_TEST(resets_of_ours_are_in_the_numbers_of_whom_they_are_for),
		PATH_TEST(the_next_connection_from_the_same_port_has_a_header_again),
		PATH_TEST(a_target_reads_the_header_and_the_clients_bytes_whatever_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
