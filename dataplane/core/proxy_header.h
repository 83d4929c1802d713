/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * The PROXY protocol v2 header (haproxy's proxy-protocol.txt §2.2) as NLB sends
 * it, reference 5.9: 100 bytes for either family, with a CRC32C over all of
 * them, filled up by a NOOP; and how it is put in front of a packet's payload.
 */
#ifndef SL_PROXY_HEADER_H
#define SL_PROXY_HEADER_H

#include "parse.h"
#include "proxy_numbers.h"

#define SL_PROXY_FIXED_BYTES 16 /* signature, command, family, length */
#define SL_PROXY_TLV_BYTES 3	/* type, length */
#define SL_PROXY_CRC_BYTES 4
enum { SL_PROXY_TLV_CRC32C = 0x03, SL_PROXY_TLV_NOOP = 0x04 };
enum { SL_PROXY_TCP4 = 0x11, SL_PROXY_TCP6 = 0x21 };

#define SL_HEADERS_MASK 511 /* holds the length of all headers up to the end of TCP's */

/* CRC32C of the 16 values of half a byte: RFC 3720 §12.1, reflected. A table for whole bytes
 * would be faster, but a flow needs it once. */
static const __u32 sl_crc32c_half[16] = {
	0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
	0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
	0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

SL_INLINE __u32 sl_crc32c(const __u8 *bytes, __u32 n)
{
	__u32 crc = ~0u;

	for (__u32 i = 0; i < n; i++) {
		crc ^= bytes[i];
		crc = crc >> 4 ^ sl_crc32c_half[crc & 15];
		crc = crc >> 4 ^ sl_crc32c_half[crc & 15];
	}
	return ~crc;
}

/** Write the header of a client's flow. @at: SL_PROXY_BYTES that are there. */
SL_INLINE void sl_proxy_write(__u8 *at, bool v6, const struct sl_flow_key *key)
{
	const __u8 fixed[SL_PROXY_FIXED_BYTES] = {
		0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a,
		0x21 /* version 2, PROXY */, v6 ? SL_PROXY_TCP6 : SL_PROXY_TCP4,
		0x00, SL_PROXY_BYTES - SL_PROXY_FIXED_BYTES,
	};
	const __u32 address = 4 * SL_WORDS(v6);
	__u8 *ports = at + SL_PROXY_FIXED_BYTES + 2 * address;
	__u8 *crc = ports + 4, *noop = crc + SL_PROXY_TLV_BYTES + SL_PROXY_CRC_BYTES;
	__u32 sum;

	__builtin_memset(at, 0, SL_PROXY_BYTES);
	__builtin_memcpy(at, fixed, sizeof(fixed));
	__builtin_memcpy(at + SL_PROXY_FIXED_BYTES, key->saddr, address);
	__builtin_memcpy(at + SL_PROXY_FIXED_BYTES + address, key->daddr, address);
	__builtin_memcpy(ports, &key->sport, sizeof(key->sport));
	__builtin_memcpy(ports + 2, &key->dport, sizeof(key->dport));
	crc[0] = SL_PROXY_TLV_CRC32C;
	crc[2] = SL_PROXY_CRC_BYTES;
	noop[0] = SL_PROXY_TLV_NOOP;
	noop[2] = (__u8)(at + SL_PROXY_BYTES - (noop + SL_PROXY_TLV_BYTES));
	sum = SL_BE32(sl_crc32c(at, SL_PROXY_BYTES));
	__builtin_memcpy(crc + SL_PROXY_TLV_BYTES, &sum, SL_PROXY_CRC_BYTES);
}

/** Move two bytes of the headers to the front of a frame that grew there. */
static long sl_proxy_move_step(__u32 i, void *context)
{
	sl_frame_t *frame = *(sl_frame_t **)context;
	__u16 *to = sl_frame_data(frame) + SL_MASKED(2 * i, SL_HEADERS_MASK);

	if ((void *)to + SL_PROXY_BYTES + sizeof(*to) > sl_frame_end(frame))
		return 1;
	*to = to[SL_PROXY_BYTES / sizeof(*to)];
	return 0;
}

/** Change the length of an IP packet. Returns what its TCP checksum gains by the pseudo-header. */
SL_INLINE __u64 sl_ip_resize(bool v6, void *l3, const struct sl_packet *p, int by)
{
	const __u32 length = p->ip_length - p->l4_offset;
	struct sl_ipv4 *ip4 = l3;
	struct sl_ipv6 *ip6 = l3;
	__be16 total;

	if (v6) {
		ip6->payload_length = SL_BE16(p->ip_length - sizeof(*ip6) + by);
	} else {
		total = ip4->total_length;
		ip4->total_length = SL_BE16(p->ip_length + by);
		ip4->check =
			sl_csum_apply(ip4->check, sl_csum_delta16(0, total, ip4->total_length));
	}
	return sl_csum_delta16(0, SL_BE16(length), SL_BE16(length + by));
}

/**
 * Put the header in front of a packet's payload. @headers: bytes of the frame
 * up to there. Returns false when the driver gave no room.
 */
SL_INLINE bool sl_proxy_insert(sl_frame_t *frame, bool v6, __u32 l3, const struct sl_packet *p,
			       __u32 headers)
{
	sl_frame_t *moved = frame; /* bpf_loop() takes a context on the stack only */
	struct sl_tcp *tcp;
	void *data, *ip;
	__u64 delta;
	__u8 *at;

	if (sl_frame_resize(frame, -SL_PROXY_BYTES, 0) != 0)
		return false;
	SL_LOOP(headers / 2, sl_proxy_move_step, &moved);
	data = sl_frame_data(frame);
	ip = data + SL_MASKED(l3, SL_L3_OFFSET_MASK);
	tcp = data + SL_MASKED(l3 + p->l4_offset, SL_HEADERS_MASK);
	at = data + SL_MASKED(headers, SL_HEADERS_MASK);
	if (ip + sizeof(struct sl_ipv6) > sl_frame_end(frame) ||
	    (void *)(tcp + 1) > sl_frame_end(frame) ||
	    (void *)(at + SL_PROXY_BYTES) > sl_frame_end(frame))
		return false;
	sl_proxy_write(at, v6, &p->key);
	delta = sl_ip_resize(v6, ip, p, SL_PROXY_BYTES);
	delta = sl_csum_words(delta, at, SL_PROXY_BYTES / 2);
	if (tcp->flags & SL_TCP_URG) { /* it points into the payload */
		__be16 urgent = tcp->urgent;

		tcp->urgent = SL_BE16(SL_FROM_BE16(urgent) + SL_PROXY_BYTES);
		delta = sl_csum_delta16(delta, urgent, tcp->urgent);
	}
	tcp->check = sl_csum_apply(tcp->check, delta);
	return true;
}

#endif
