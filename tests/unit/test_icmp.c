/* SPDX-License-Identifier: BSD-3-Clause */
/* ICMP errors about flows, and fragments of their datagrams. */
#include "path.h"

#define FULL SIZE_MAX

struct error_rig {
	struct path *path;
	bool v6;
	uint8_t protocol;
	struct packet_spec client, answer;
	struct packet sent[2];	    /* as client and target sent them */
	struct packet received[2];  /* as target and client got them */
};

/* A packet each way on a new flow. */
static void exchange(struct error_rig *rig, struct path *path, int variant,
		     enum world_service service)
{
	rig->path = path;
	rig->v6 = variant & 1;
	rig->protocol = variant & 2 ? SL_TCP : SL_UDP;
	rig->client = world_packet(&path->world, rig->v6, rig->protocol, service, 1,
				   (uint16_t)(7000 + variant));
	rig->client.payload = 40;
	packet_build(&rig->sent[0], &rig->client);
	path_sends(path, &rig->client, WORLD_CLIENT_SIDE, WORLD_TARGET_SIDE, &rig->received[0]);
	rig->answer = world_answer(&rig->received[0]);
	rig->answer.payload = 40;
	if (rig->protocol == SL_TCP)
		rig->answer.tcp_flags = SL_TCP_SYN | SL_TCP_ACK;
	packet_build(&rig->sent[1], &rig->answer);
	path_sends(path, &rig->answer, WORLD_TARGET_SIDE, WORLD_CLIENT_SIDE, &rig->received[1]);
}

/*
 * An error about the packet that one side got, and what the other side is told.
 *
 * @side  0: from the target's side about what the client sent; 1: the other way
 */
static void make_error(const struct error_rig *rig, int side, bool router, size_t quoted,
		       struct packet *ret_packet)
{
	const struct packet_spec *back = side == 0 ? &rig->answer : &rig->client;
	const struct packet *cause = &rig->received[side];
	struct packet_error error = {
		.from = back->from,
		.to = back->to,
		.type = rig->v6 ? SL_ICMPV6_PACKET_TOO_BIG : SL_ICMP_UNREACHABLE,
		.code = rig->v6 ? 0 : SL_ICMP_FRAGMENTATION_NEEDED,
		.mtu = 1400,
	};

	if (router)
		error.from = packet_end(rig->v6 ? "2001:db8:f::1" : "203.0.113.1", 0);
	memcpy(error.from_mac, back->from_mac, 6);
	memcpy(error.to_mac, back->to_mac, 6);
	packet_icmp_error(ret_packet, &error, cause,
			  quoted == FULL ? cause->length - 14 : quoted);
}

/* The quote is the packet as its sender sent it, but for the hops it made since. */
static void assert_quotes(const struct packet *error, const struct packet *sent, bool v6,
			  size_t quoted)
{
	const size_t header = v6 ? 40 : 20, ttl = v6 ? 7 : 8;
	const unsigned char *quote = error->data + 14 + header + 8, *was = sent->data + 14;

	assert_int_equal(error->length, 14 + header + 8 + quoted);
	assert_memory_equal(quote, was, ttl);
	assert_int_equal(quote[ttl], was[ttl] - 1);
	if (v6) {
		assert_memory_equal(quote + 8, was + 8, quoted - 8);
	} else {
		assert_int_equal(packet_checksum_slow(0, quote, header), 0);
		assert_memory_equal(quote + 12, was + 12, quoted - 12);
	}
}

static void assert_error_follows(struct error_rig *rig, int side, bool router, size_t quoted)
{
	enum world_port in = side == 0 ? WORLD_TARGET_SIDE : WORLD_CLIENT_SIDE;
	enum world_port out = side == 0 ? WORLD_CLIENT_SIDE : WORLD_TARGET_SIDE;
	const struct packet_spec *sender = side == 0 ? &rig->client : &rig->answer;
	struct packet packet, before;
	const size_t at = 14 + (rig->v6 ? 8 : 12), bytes = rig->v6 ? 16 : 4;
	int verdict;

	make_error(rig, side, router, quoted, &packet);
	make_error(rig, side, router, quoted, &before);
	if (quoted == FULL)
		quoted = before.length - 14 - (rig->v6 ? 40 : 20) - 8;
	verdict = world_receive(&rig->path->world, &packet, rig->path->world.ifindex[in]);
	assert_int_equal(SL_VERDICT(verdict), SL_SEND);
	assert_int_equal(SL_VERDICT_PORT(verdict), rig->path->world.port[out]);
	assert_null(packet_flaw(packet.data, packet.length));
	/* from whom the sender talked to, whoever noticed; to the sender and its MAC */
	assert_memory_equal(packet.data + at, sender->to.address, bytes);
	assert_memory_equal(packet.data + at + bytes, sender->from.address, bytes);
	assert_memory_equal(packet.data, sender->from_mac, 6);
	/* type, code and MTU stay */
	assert_memory_equal(packet.data + at + 2 * bytes, before.data + at + 2 * bytes, 2);
	assert_memory_equal(packet.data + at + 2 * bytes + 4, before.data + at + 2 * bytes + 4, 4);
	assert_quotes(&packet, &rig->sent[side], rig->v6, quoted);
}

static void errors_follow_their_flow_both_ways_and_quote_what_was_sent(void **state)
{
	struct error_rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	for (int variant = 0; variant < 4; variant++)
		for (int preserved = 0; preserved < 2; preserved++) {
			exchange(rig, *state, variant + 4 * preserved,
				 preserved ? WORLD_PRESERVED : WORLD_SNAT);
			for (int i = 0; i < 4; i++) {
				const size_t header = rig->v6 ? 40 : 20;

				/* RFC 792: 8 bytes are enough; a whole TCP header has a checksum */
				assert_error_follows(rig, i & 1, i & 2, header + 8);
				assert_error_follows(rig, i & 1, i & 2, header + 18);
				assert_error_follows(rig, i & 1, i & 2, header + 20);
				assert_error_follows(rig, i & 1, i & 2, FULL);
			}
		}
	free(rig);
}

static void every_kind_of_error_follows_and_nothing_else_does(void **state)
{
	struct error_rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	for (int variant = 0; variant < 4; variant++) {
		exchange(rig, *state, variant, WORLD_SNAT);
		for (uint32_t type = 0; type < 256; type++) {
			bool error = rig->v6 ? type >= 1 && type <= 4 :
					       type == 3 || type == 4 || type == 11 || type == 12;
			struct packet packet, before;
			int verdict;

			make_error(rig, 0, false, FULL, &before);
			before.data[packet_l4(&before)] = (unsigned char)type;
			packet_copy(&packet, &before);
			verdict = world_receive(&rig->path->world, &packet, 2);
			assert_int_equal(SL_VERDICT(verdict), error ? SL_SEND : SL_PASS);
			if (!error)
				assert_memory_equal(packet.data, before.data, before.length);
		}
	}
	free(rig);
}

static void errors_about_no_flow_are_the_kernels(void **state)
{
	struct error_rig *rig = calloc(1, sizeof(*rig));
	struct packet packet, before;

	assert_non_null(rig);
	for (int variant = 0; variant < 4; variant++) {
		exchange(rig, *state, variant, WORLD_SNAT);
		rig->received[0].data[packet_l4(&rig->received[0])] ^= 0x10; /* the source port */
		make_error(rig, 0, false, FULL, &before);
		packet_copy(&packet, &before);
		assert_int_equal(world_receive(&rig->path->world, &packet, 2), SL_PASS);
		assert_memory_equal(packet.data, before.data, before.length);
	}
	free(rig);
}

static void bytes_behind_the_message_are_no_quote(void **state)
{
	struct error_rig *rig = calloc(1, sizeof(*rig));
	struct packet packet, before;

	assert_non_null(rig);
	for (int variant = 0; variant < 4; variant++) {
		size_t header, whole;

		exchange(rig, *state, variant, WORLD_SNAT);
		header = rig->v6 ? 40 : 20;
		/* the frame goes on with what would be quoted, the message does not */
		make_error(rig, 0, false, header + 7, &before);
		make_error(rig, 0, false, FULL, &packet);
		whole = packet.length;
		memcpy(packet.data, before.data, before.length);
		assert_int_equal(world_receive(&rig->path->world, &packet, 2), SL_PASS);
		/* a checksum field there is not quoted, and must not be counted as changed */
		make_error(rig, 0, false, header + 8, &before);
		make_error(rig, 0, false, FULL, &packet);
		memcpy(packet.data, before.data, before.length);
		assert_int_equal(packet.length, whole);
		assert_int_equal(SL_VERDICT(world_receive(&rig->path->world, &packet, 2)),
				 SL_SEND);
		assert_null(packet_flaw(packet.data, packet.length));
	}
	free(rig);
}

static void an_error_at_the_end_of_its_ttl_is_dropped(void **state)
{
	struct error_rig *rig = calloc(1, sizeof(*rig));
	struct packet packet;

	assert_non_null(rig);
	for (int variant = 0; variant < 4; variant++) {
		exchange(rig, *state, variant, WORLD_SNAT);
		make_error(rig, 0, false, FULL, &packet);
		packet.data[14 + (rig->v6 ? 7 : 8)] = 1;
		assert_int_equal(world_receive(&rig->path->world, &packet, 2), SL_DROP);
	}
	assert_int_equal(world_drops(&rig->path->world, SL_DROP_TTL_EXPIRED), 4);
	free(rig);
}

/* --- fragments ------------------------------------------------------------ */

static const uint8_t sides[] = {WORLD_CLIENT_SIDE, WORLD_TARGET_SIDE};

/* The datagram that travels in pieces: the client's first, or the target's answer. */
static void make_datagram(struct path *path, bool v6, int side, enum world_service service,
			  struct packet *ret_packet)
{
	struct packet_spec spec = world_packet(&path->world, v6, SL_UDP, service, 1, 5000);
	struct packet packet;

	if (side == 1) {
		path_sends(path, &spec, WORLD_CLIENT_SIDE, WORLD_TARGET_SIDE, &packet);
		spec = world_answer(&packet);
	}
	spec.payload = 2000;
	packet_build(ret_packet, &spec);
}

static int receive_fragment(struct path *path, int side, const struct packet *whole,
			    size_t offset, size_t bytes, bool more, struct packet *ret_packet)
{
	packet_fragment(ret_packet, whole, offset, bytes, more, 0xabcd);
	return world_receive(&path->world, ret_packet, path->world.ifindex[sides[side]]);
}

static void fragments_follow_the_first_one_and_make_up_the_whole_datagram(void **state)
{
	const size_t cuts[] = {0, 1000, 1400, 2008};
	struct path *path = *state;
	struct packet whole, packet, sum;

	for (int i = 0; i < 4; i++) {
		bool v6 = i & 1;
		int side = i / 2;

		make_datagram(path, v6, side, WORLD_SNAT, &whole);
		for (int piece = 0; piece < 3; piece++) {
			size_t bytes = cuts[piece + 1] - cuts[piece], from;
			int verdict = receive_fragment(path, side, &whole, cuts[piece], bytes,
						       piece < 2, &packet);

			assert_int_equal(SL_VERDICT(verdict), SL_SEND);
			assert_int_equal(SL_VERDICT_PORT(verdict),
					 path->world.port[sides[!side]]);
			assert_null(packet_flaw(packet.data, packet.length));
			from = packet_l4(&packet) + (v6 ? 8 : 0);
			assert_int_equal(packet.length - from, bytes);
			if (piece == 0) /* a whole datagram to put the pieces in */
				packet_copy(&sum, &whole);
			memcpy(sum.data, packet.data, packet_l4(&packet));
			memcpy(sum.data + packet_l4(&whole) + cuts[piece], packet.data + from,
			       bytes);
		}
		/* put together, its checksum is right: ports and addresses changed in all pieces */
		if (v6) {
			sum.data[14 + 6] = SL_UDP;
			sum.data[14 + 4] = 2008 >> 8;
			sum.data[14 + 5] = 2008 & 0xff;
		} else {
			unsigned char *ip = sum.data + 14;
			uint16_t check;

			ip[2] = (20 + 2008) >> 8;
			ip[3] = (20 + 2008) & 0xff;
			memset(ip + 6, 0, 2);
			memset(ip + 10, 0, 2);
			check = packet_checksum_slow(0, ip, 20);
			ip[10] = (unsigned char)(check >> 8);
			ip[11] = (unsigned char)check;
		}
		assert_null(packet_flaw(sum.data, sum.length));
	}
}

static void a_fragment_whose_first_is_unknown_is_dropped_if_it_concerns_us(void **state)
{
	struct path *path = *state;
	struct packet whole, packet;

	for (int i = 0; i < 4; i++) {
		make_datagram(path, i & 1, i / 2, WORLD_SNAT, &whole);
		assert_int_equal(receive_fragment(path, i / 2, &whole, 1000, 1008, false, &packet),
				 SL_DROP);
		assert_int_equal(world_drops(&path->world, SL_DROP_FRAGMENT), i + 1);
	}
}

static void fragments_that_do_not_concern_us_are_the_kernels(void **state)
{
	struct path *path = *state;
	struct packet whole, packet, before;

	for (int v6 = 0; v6 < 2; v6++) {
		struct packet_spec spec = world_packet(&path->world, v6, SL_UDP, WORLD_SNAT, 1, 5);

		spec.to = packet_end(v6 ? "2001:db8:9::1" : "203.0.113.9", 80);
		spec.payload = 2000;
		packet_build(&whole, &spec);
		packet_fragment(&before, &whole, 1000, 1008, false, 0xabcd);
		assert_int_equal(receive_fragment(path, 0, &whole, 1000, 1008, false, &packet),
				 SL_PASS);
		assert_memory_equal(packet.data, before.data, before.length);
	}
}

/* Targets whose clients are preserved route through the balancer whatever else they say. */
static void fragments_of_a_targets_own_traffic_are_the_kernels(void **state)
{
	struct path *path = *state;
	struct packet whole, packet, before;

	for (int i = 0; i < 4; i++) {
		bool v6 = i & 1, outwards = i & 2;
		struct packet_spec spec = world_packet(&path->world, v6, SL_UDP, WORLD_SNAT, 1, 5);
		struct packet_end target = {.port = 2049};

		memcpy(target.address, path->tables.targets[path->world.target[v6][0][0]].address,
		       16);
		spec.to = packet_end(v6 ? "2001:db8:9::1" : "203.0.113.9", 2049);
		spec.from = outwards ? target : spec.to;
		spec.to = outwards ? spec.to : target;
		spec.payload = 2000;
		packet_build(&whole, &spec);
		for (size_t offset = 0; offset < 2000; offset += 1000) {
			packet_fragment(&before, &whole, offset, 1000, true, 0xabcd);
			assert_int_equal(receive_fragment(path, 0, &whole, offset, 1000, true,
							  &packet), SL_PASS);
			assert_memory_equal(packet.data, before.data, before.length);
		}
	}
}

static void a_fragment_follows_no_longer_than_its_time(void **state)
{
	struct path *path = *state;
	struct packet whole, packet;

	make_datagram(path, false, 0, WORLD_SNAT, &whole);
	receive_fragment(path, 0, &whole, 0, 1000, true, &packet);
	path->tables.now_ns += (uint64_t)SL_FRAGMENT_TICKS << SL_TICK_SHIFT;
	assert_int_equal(SL_VERDICT(receive_fragment(path, 0, &whole, 1000, 1008, false, &packet)),
			 SL_SEND);
	path->tables.now_ns += 1ull << SL_TICK_SHIFT;
	assert_int_equal(receive_fragment(path, 0, &whole, 1000, 1008, false, &packet), SL_DROP);
}

static void a_fragment_never_follows_a_flow_that_took_its_flows_place(void **state)
{
	struct path *path = *state;
	struct packet_spec spec = world_packet(&path->world, false, SL_UDP, WORLD_SNAT, 1, 5000);
	struct packet_spec other = world_packet(&path->world, false, SL_UDP, WORLD_SNAT, 2, 5000);
	struct packet whole, packet;
	uint32_t flow;

	make_datagram(path, false, 0, WORLD_SNAT, &whole);
	receive_fragment(path, 0, &whole, 0, 1000, true, &packet);
	flow = world_flow(&path->world, &spec);
	assert_int_equal(sl_flow_end(&path->tables, false, flow,
				     sl_line(&path->tables, false, 2 * flow)->control,
				     SL_CLOSE_IDLE), 1);
	while (flow != world_flow(&path->world, &other)) { /* until the number is used again */
		other.from.port++;
		path_sends(path, &other, WORLD_CLIENT_SIDE, WORLD_TARGET_SIDE, &packet);
	}
	assert_int_equal(receive_fragment(path, 0, &whole, 1000, 1008, false, &packet), SL_DROP);
}

/* Path MTU: the first piece told the sender, or went through the kernel. */
static void a_later_fragment_too_big_for_the_link_is_the_kernels_or_dropped(void **state)
{
	struct path *path = *state;
	struct packet whole, packet;

	for (int v6 = 0; v6 < 2; v6++) {
		make_datagram(path, v6, 0, WORLD_NARROW, &whole);
		assert_int_equal(SL_VERDICT(receive_fragment(path, 0, &whole, 0, 400, true,
							     &packet)), SL_SEND);
		assert_int_equal(receive_fragment(path, 0, &whole, 400, 1400, true, &packet),
				 v6 ? SL_DROP : SL_PASS);
		if (!v6) {
			assert_true(path_is_snat(path_source(&packet), false));
			assert_null(packet_flaw(packet.data, packet.length));
		}
	}
	assert_int_equal(world_drops(&path->world, SL_DROP_TOO_BIG), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PATH_TEST(errors_follow_their_flow_both_ways_and_quote_what_was_sent),
		PATH_TEST(every_kind_of_error_follows_and_nothing_else_does),
		PATH_TEST(errors_about_no_flow_are_the_kernels),
		PATH_TEST(bytes_behind_the_message_are_no_quote),
		PATH_TEST(an_error_at_the_end_of_its_ttl_is_dropped),
		PATH_TEST(fragments_follow_the_first_one_and_make_up_the_whole_datagram),
		PATH_TEST(a_fragment_whose_first_is_unknown_is_dropped_if_it_concerns_us),
		PATH_TEST(fragments_that_do_not_concern_us_are_the_kernels),
		PATH_TEST(fragments_of_a_targets_own_traffic_are_the_kernels),
		PATH_TEST(a_fragment_follows_no_longer_than_its_time),
		PATH_TEST(a_fragment_never_follows_a_flow_that_took_its_flows_place),
		PATH_TEST(a_later_fragment_too_big_for_the_link_is_the_kernels_or_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
