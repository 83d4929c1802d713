/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * Fragments. The first one has ports and follows its flow; it leaves a note
 * that later ones of the same datagram follow. A later fragment that comes
 * before the first, or whose note was overwritten, is dropped if it concerns
 * us: it could only arrive at the wrong place. Datagrams from and to targets
 * that are of no flow are noted as the kernel's.
 */
#ifndef SL_FRAGMENT_H
#define SL_FRAGMENT_H

#include "parse.h"
#include "rewrite.h"
#include "select.h"

#define SL_FRAGMENT_UNKNOWN 0xffffffffu /* above the number of any line */
#define SL_FRAGMENT_TICKS SL_TICKS_OF_MS(30000) /* RFC 8200 §4.5 gives 60 s, RFC 1122 60 to 120 */

SL_INLINE struct sl_fragment *sl_fragment_of(sl_tables_t t, bool v6, const struct sl_packet *p)
{
	__u64 hash = sl_config(t)->seed[0];

	for (int i = 0; i < SL_WORDS(v6); i++)
		hash = sl_mix(hash, (__u64)p->key.saddr[i] << 32 | p->key.daddr[i]);
	hash = sl_mix(hash, (__u64)p->key.protocol << 32 | p->fragment_id);
	return sl_fragment(t, (__u32)(hash >> 32) % SL_FRAGMENTS);
}

SL_INLINE int sl_fragment_note_family(sl_tables_t t, sl_frame_t *frame, bool v6, __u32 l3,
				      __u32 line, __u16 version)
{
	struct sl_fragment *note;
	struct sl_packet p;

	if (l3 > SL_L3_OFFSET_MAX ||
	    (v6 ? sl_parse6(frame, l3, &p) : sl_parse4(frame, l3, &p)) != SL_PARSED_FLOW)
		return 0;
	note = sl_fragment_of(t, v6, &p);
	if (note == NULL)
		return 0;
	SL_WRITE(note->family, 0);
	SL_ORDER();
	for (int i = 0; i < SL_WORDS(v6); i++) {
		note->saddr[i] = p.key.saddr[i];
		note->daddr[i] = p.key.daddr[i];
	}
	note->id = p.fragment_id;
	note->line = line;
	note->version = version;
	note->protocol = p.key.protocol;
	note->seen = sl_now_ticks(t);
	SL_ORDER();
	SL_WRITE(note->family, v6 ? 6 : 4);
	return 0;
}

/** Remember which line the first fragment of a datagram takes, before it is rewritten. */
SL_GLOBAL int sl_fragment_note4(sl_tables_t t, sl_frame_t *frame, __u32 l3, __u32 line,
				__u32 version)
{
	return sl_fragment_note_family(t, frame, false, l3, line, (__u16)version);
}

SL_GLOBAL int sl_fragment_note6(sl_tables_t t, sl_frame_t *frame, __u32 l3, __u32 line,
				__u32 version)
{
	return sl_fragment_note_family(t, frame, true, l3, line, (__u16)version);
}

/**
 * The line a later fragment follows. 0: its datagram is the kernel's;
 * SL_FRAGMENT_UNKNOWN: nothing is known of it.
 */
SL_INLINE __u32 sl_fragment_line(sl_tables_t t, bool v6, const struct sl_packet *p,
				 __u16 *ret_version)
{
	const struct sl_fragment *note = sl_fragment_of(t, v6, p);
	bool equal;
	__u32 line;

	if (note == NULL || SL_READ(note->family) != (v6 ? 6 : 4))
		return SL_FRAGMENT_UNKNOWN;
	SL_ORDER();
	equal = note->id == p->fragment_id && note->protocol == p->key.protocol;
	for (int i = 0; i < SL_WORDS(v6); i++)
		equal = equal && note->saddr[i] == p->key.saddr[i] &&
			note->daddr[i] == p->key.daddr[i];
	if (!equal || sl_now_ticks(t) - note->seen > SL_FRAGMENT_TICKS)
		return SL_FRAGMENT_UNKNOWN;
	line = note->line;
	*ret_version = note->version;
	SL_ORDER();
	return SL_READ(note->family) == (v6 ? 6 : 4) ? line : SL_FRAGMENT_UNKNOWN;
}

/** Whether a packet that fits no flow would still be ours to deliver. */
SL_INLINE bool sl_concerns_us(sl_tables_t t, bool v6, const struct sl_flow_key *key)
{
	return sl_vip_find(t, v6, key->daddr, 0, 0) != NULL ||
	       sl_vip_find(t, v6, key->saddr, 0, 0) != NULL;
}

/** A packet that is broken or cannot be mapped: dropped if it concerns us, else the kernel's. */
SL_INLINE int sl_refuse(sl_tables_t t, bool v6, const struct sl_flow_key *key, enum sl_drop reason)
{
	return sl_concerns_us(t, v6, key) ? sl_drop(t, reason) : SL_PASS;
}

SL_INLINE int sl_fragment_family(sl_tables_t t, sl_frame_t *frame, bool v6, __u32 l3)
{
	struct sl_found found = {};
	const struct sl_port *port;
	struct sl_rewrite r;
	struct sl_packet p;
	bool known;
	__u32 mtu;

	if ((v6 ? sl_parse6(frame, l3, &p) : sl_parse4(frame, l3, &p)) != SL_PARSED_FRAGMENT)
		return SL_PASS;
	found.number = sl_fragment_line(t, v6, &p, &found.version);
	found.line = sl_line(t, v6, found.number);
	if (found.number == 0)
		return SL_PASS;
	if (found.line == NULL || !sl_rewrite_read(t, v6, &found, &r))
		return sl_refuse(t, v6, &p.key, SL_DROP_FRAGMENT);
	if (p.ttl <= 1)
		return sl_drop(t, SL_DROP_TTL_EXPIRED);
	known = r.hop != SL_NEXT_HOP_NONE;
	port = sl_hop_port(t, r.hop);
	if (known && sl_too_big(port, p.ip_length, &mtu)) {
		if (p.fragment & SL_IPV4_DONT_FRAGMENT)
			return sl_drop(t, SL_DROP_TOO_BIG);
		known = false; /* the kernel fragments it further */
	}
	sl_count_packet(t, found.line, &r, (__u8)p.key.protocol, p.ip_length);
	if (v6)
		sl_rewrite_l3_6(p.l3, &r, known);
	else
		sl_rewrite_l3_4(p.l3, &r, known);
	return known ? sl_send(t, frame, l3, r.hop, port) : SL_PASS;
}

SL_GLOBAL int sl_fragment4(sl_tables_t t, sl_frame_t *frame, __u32 l3)
{
	return l3 > SL_L3_OFFSET_MAX ? SL_PASS : sl_fragment_family(t, frame, false, l3);
}

SL_GLOBAL int sl_fragment6(sl_tables_t t, sl_frame_t *frame, __u32 l3)
{
	return l3 > SL_L3_OFFSET_MAX ? SL_PASS : sl_fragment_family(t, frame, true, l3);
}

#endif
