/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Talk: a client and a target that talk over a flow with a PROXY header, and what
 * their packets say, read by code of its own. Include after cmocka, as path.h is.
 */
#ifndef SLUICE_TESTS_PROXY_TALK_H
#define SLUICE_TESTS_PROXY_TALK_H

#include "path.h"

#define HEADER SL_PROXY_BYTES

/* A connection, once its handshake is done. Byte n of what the client sends is n. */
struct talk {
	struct path *path;
	bool v6;
	enum world_port side; /* of the target */
	uint32_t begin;	      /* number of the client's first byte */
	struct packet_spec client, target;
	uint8_t header[HEADER];
};

/* --- looking into packets --------------------------------------------------- */

static inline uint32_t get32(const unsigned char *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline void put32(unsigned char *at, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		at[i] = (unsigned char)(value >> (24 - 8 * i));
}

static inline uint32_t seq_of(const struct packet *packet)
{
	return get32(packet->data + packet_l4(packet) + 4);
}

static inline uint32_t ack_of(const struct packet *packet)
{
	return get32(packet->data + packet_l4(packet) + 8);
}

static inline uint8_t flags_of(const struct packet *packet)
{
	return packet->data[packet_l4(packet) + 13];
}

static const unsigned char *payload_of(const struct packet *packet, size_t *ret_bytes)
{
	const unsigned char *tcp = packet->data + packet_l4(packet);
	const unsigned char *payload = tcp + (tcp[12] >> 4) * 4;

	*ret_bytes = (size_t)(packet->data + packet->length - payload);
	return payload;
}

static inline size_t payload_bytes(const struct packet *packet)
{
	size_t bytes;

	payload_of(packet, &bytes);
	return bytes;
}

/* CRC32C bit by bit. */
static inline uint32_t slow_crc32c(const uint8_t *bytes, size_t n)
{
	uint32_t crc = 0xffffffff;

	for (size_t i = 0; i < n; i++) {
		crc ^= bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return crc ^ 0xffffffff;
}

/* The header of reference 5.9, written down apart from the code under test. */
static inline void slow_header(const struct packet_spec *client, uint8_t ret[HEADER])
{
	static const uint8_t start[] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a,
					0x51, 0x55, 0x49, 0x54, 0x0a, 0x21};
	size_t bytes = client->v6 ? 16 : 4, at = 16;

	memset(ret, 0, HEADER);
	memcpy(ret, start, sizeof(start));
	ret[13] = client->v6 ? 0x21 : 0x11;
	ret[15] = 84;
	memcpy(ret + at, client->from.address, bytes);
	memcpy(ret + at + bytes, client->to.address, bytes);
	at += 2 * bytes;
	ret[at] = (uint8_t)(client->from.port >> 8);
	ret[at + 1] = (uint8_t)client->from.port;
	ret[at + 2] = (uint8_t)(client->to.port >> 8);
	ret[at + 3] = (uint8_t)client->to.port;
	ret[at + 4] = 3;
	ret[at + 6] = 4;
	ret[at + 11] = 4;
	ret[at + 13] = (uint8_t)(HEADER - at - 14);
	put32(ret + at + 7, slow_crc32c(ret, HEADER));
}

/* --- talking ---------------------------------------------------------------- */

/* What the client sends from its byte @at on. */
static inline struct packet_spec client_says(const struct talk *talk, uint32_t at, uint8_t flags,
					     uint16_t bytes)
{
	struct packet_spec spec = talk->client;

	spec.seq = talk->begin + at;
	spec.tcp_flags = flags;
	spec.payload = bytes;
	spec.fill = (uint8_t)at;
	return spec;
}

/* The target acknowledges @ack bytes of its own count: with the header. */
static inline struct packet_spec target_says(const struct talk *talk, uint32_t ack, uint8_t flags)
{
	struct packet_spec spec = talk->target;

	spec.seq = 70000;
	spec.ack = talk->begin + ack;
	spec.tcp_flags = flags;
	return spec;
}

static inline void client_sends(struct talk *talk, uint32_t at, uint8_t flags, uint16_t bytes,
				struct packet *ret_packet)
{
	struct packet_spec spec = client_says(talk, at, flags, bytes);

	path_sends(talk->path, &spec, WORLD_CLIENT_SIDE, talk->side, ret_packet);
}

static inline void target_sends(struct talk *talk, uint32_t ack, uint8_t flags,
				struct packet *ret_packet)
{
	struct packet_spec spec = target_says(talk, ack, flags);

	path_sends(talk->path, &spec, talk->side, WORLD_CLIENT_SIDE, ret_packet);
}

static inline void assert_has_header(const struct talk *talk, const struct packet *packet,
				     uint16_t bytes)
{
	size_t length;
	const unsigned char *payload = payload_of(packet, &length);

	assert_int_equal(seq_of(packet), talk->begin);
	assert_int_equal(length, HEADER + bytes);
	assert_memory_equal(payload, talk->header, HEADER);
	for (uint32_t i = 0; i < bytes; i++)
		assert_int_equal(payload[HEADER + i], (uint8_t)i);
}

/* Up to the SYN-ACK. */
static inline void talk_open(struct talk *talk, struct path *path, bool v6,
			     enum world_service service, uint32_t isn, uint16_t port)
{
	struct packet packet;

	*talk = (struct talk){.path = path, .v6 = v6, .begin = isn + 1, .side = WORLD_TARGET_SIDE};
	talk->client = world_packet(&path->world, v6, SL_TCP, service, 1, port);
	talk->client.dont_fragment = true;
	slow_header(&talk->client, talk->header);
	client_sends(talk, -1u, SL_TCP_SYN, 0, &packet);
	assert_int_equal(seq_of(&packet), isn);
	talk->target = world_answer(&packet);
	talk->target.payload = 0;
	target_sends(talk, 0, SL_TCP_SYN | SL_TCP_ACK, &packet);
	assert_int_equal(ack_of(&packet), talk->begin);
}

static inline void talk_begin(struct talk *talk, struct path *path, bool v6,
			      enum world_service service, uint32_t isn, uint16_t port)
{
	struct packet packet;

	talk_open(talk, path, v6, service, isn, port);
	client_sends(talk, 0, SL_TCP_ACK, 0, &packet);
	if (service == WORLD_PROXIED_FIRST)
		assert_has_header(talk, &packet, 0);
	else
		assert_int_equal(payload_bytes(&packet), 0);
	assert_int_equal(seq_of(&packet), talk->begin);
}

static inline struct sl_flow_cold *cold_of(const struct talk *talk)
{
	return sl_cold(&talk->path->tables, talk->v6,
		       world_flow(&talk->path->world, &talk->client));
}

#endif
