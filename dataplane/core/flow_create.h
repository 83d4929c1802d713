/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * How flows begin: a target, a source address and port towards it that no
 * other flow uses, and both directions in the index.
 *
 * The index itself says which SNAT ports are taken: the key of the target's
 * direction holds the target's address and port and the SNAT address and port,
 * and a key is in the index once.
 */
#ifndef SL_FLOW_CREATE_H
#define SL_FLOW_CREATE_H

#include "checksum.h"
#include "flow_end.h"
#include "proxy_numbers.h"
#include "select.h"

#define SL_SNAT_TRIES 128 /* ports looked at for one flow */
/* Between the first ports of two target slots: 2^32 over the golden ratio. A target that is
 * registered again, in another slot, has sockets in TIME_WAIT for the ports that it began with. */
#define SL_SNAT_STRIDE 0x9e3779b1u

/* What the first packet of a flow says, and where it came in. */
struct sl_create {
	struct sl_flow_key key;
	__be32 isn; /* TCP's initial sequence number; 0 for UDP */
	__u8 drop; /* out: enum sl_drop */
	__u16 port;
	__u16 group; /* out: chosen; SL_NONE: not yet */
	__u8 client_mac[SL_MAC_BYTES] __attribute__((aligned(2)));
	__u16 listener;
	__u32 zone;
};

/** A next hop (tables.h) from its parts. @mac: aligned to 2 bytes, as in a frame. */
SL_INLINE __u64 sl_hop(const __u8 *mac, __u32 port)
{
	const __u16 *words = (const void *)mac;

	return words[0] | (__u64)words[1] << 16 | (__u64)words[2] << 32 | (__u64)port << 48;
}

/** 16 bits that change when the way back to the client does. */
SL_INLINE __u16 sl_way_back(__u64 hop)
{
	return (__u16)(hop * 0x9e3779b97f4a7c15ull >> 48);
}

struct sl_snat_search {
	struct sl_flow_key key; /* of the target's direction; its destination is searched for */
	__u32 zone;
	__u32 target;
	__be16 wanted; /* the client's own port comes first: it keeps TIME_WAIT of the target apart */
	__u16 found;
};

struct sl_scratch {
	struct sl_create create;
	struct sl_snat_search search;
	struct sl_walk walk;
};

SL_INLINE bool sl_key_is_free(sl_tables_t t, bool v6, const struct sl_flow_key *key)
{
	__u64 hash = sl_key_hash(sl_config(t)->seed, v6, key);
	__u32 line = sl_index_find(t, v6, key, hash, 0);

	return line == 0 || sl_flow_examine(t, v6, line / 2, false) == SL_ENDED;
}

SL_INLINE long sl_snat_try(sl_tables_t t, bool v6, struct sl_snat_search *s, __u32 i)
{
	const struct sl_config *c = sl_config(t);
	const struct sl_zone *zone = sl_zone(t, s->zone);
	__u32 ports = (__u32)c->snat_port_max - c->snat_port_min + 1;
	__u32 *cursor = sl_snat_cursor(t, s->target);
	__u32 n, place, port;

	if (zone == NULL || cursor == NULL)
		return 1;
	n = v6 ? zone->n_snat6 : zone->n_snat4;
	if (n == 0 || n > SL_MAX_SNAT)
		return 1;
	if (i == 0) {
		port = SL_FROM_BE16(s->wanted);
		if (port < c->snat_port_min || port > c->snat_port_max)
			return 0;
		place = port % n;
	} else {
		place = SL_FETCH_ADD(cursor, 1) + s->target * SL_SNAT_STRIDE;
		port = c->snat_port_min + place / n % ports;
		place %= n;
	}
	place = (__u32)SL_MASKED(place, SL_MAX_SNAT - 1);
	for (int w = 0; w < SL_WORDS(v6); w++)
		s->key.daddr[w] = v6 ? zone->snat6[place][w] : zone->snat4[place];
	s->key.dport = SL_BE16(port);
	s->found = sl_key_is_free(t, v6, &s->key);
	return s->found;
}

struct sl_snat_loop { /* bpf_loop() takes a context on the stack only */
	sl_tables_t tables;
	__u32 v6;
};

static long sl_snat_step(__u32 i, void *context)
{
	const struct sl_snat_loop *loop = context;
	struct sl_scratch *scratch = sl_scratch(loop->tables);

	if (scratch == NULL)
		return 1;
	if (loop->v6)
		return sl_snat_try(loop->tables, true, &scratch->search, i);
	return sl_snat_try(loop->tables, false, &scratch->search, i);
}

/** Fill one line of a flow. Its version must be odd. */
SL_INLINE void sl_line_fill(struct sl_flow_line *line, bool v6, const struct sl_flow_key *key,
			    const __be32 *new_saddr, const __be32 *new_daddr, __be16 new_sport,
			    __be16 new_dport)
{
	const int words = SL_WORDS(v6);
	__u64 delta = 0;

	for (int i = 0; i < words; i++) {
		line->address[i] = key->saddr[i];
		line->address[words + i] = key->daddr[i];
		line->address[2 * words + i] = new_saddr[i];
		line->address[3 * words + i] = new_daddr[i];
		delta = sl_csum_delta32(delta, key->saddr[i], new_saddr[i]);
		delta = sl_csum_delta32(delta, key->daddr[i], new_daddr[i]);
	}
	line->l3_delta = sl_csum_fold(delta);
	delta = sl_csum_delta16(delta, key->sport, new_sport);
	delta = sl_csum_delta16(delta, key->dport, new_dport);
	line->l4_delta = sl_csum_fold(delta);
	line->sport = key->sport;
	line->dport = key->dport;
	line->protocol = key->protocol;
	line->new_sport = new_sport;
	line->new_dport = new_dport;
	line->bytes = 0;
	line->packets = 0;
	line->packets_high = 0;
	line->last_ack = 0;
}

SL_INLINE void sl_flow_abandon(sl_tables_t t, bool v6, __u32 flow, struct sl_flow_line *client,
			       struct sl_flow_line *target, __u16 dead)
{
	SL_WRITE(client->version, dead);
	SL_WRITE(target->version, dead);
	SL_WRITE(client->control, SL_CONTROL(dead, 0, SL_FLOW_FREE));
	SL_ORDER();
	sl_pool_give(t, v6, flow);
}

SL_INLINE void sl_count_created(sl_tables_t t, const struct sl_create *c,
				const struct sl_choice *choice)
{
	struct sl_listener_counters *l = sl_count_listener(t, c->listener);
	struct sl_target_counters *g = sl_count_target(t, choice->target);
	enum sl_l4 l4 = sl_l4_of(c->key.protocol);

	if (l != NULL) {
		l->new_flows[l4]++;
		l->unhealthy_routing_flows += sl_fails_open(choice, c->zone);
	}
	if (g != NULL)
		g->new_flows[l4]++;
}

/** Take a flow number, making room if need be; 0: the table is full of live flows. */
SL_INLINE __u32 sl_flow_number(sl_tables_t t, bool v6, __u32 spread)
{
	__u32 flow = sl_pool_take(t, v6, spread);

	if (SL_LIKELY(flow != 0) || !sl_flow_evict(t, v6))
		return flow;
	return sl_pool_take(t, v6, spread);
}

/**
 * Put a filled flow into the index.
 *
 * Returns its client's line, the line of another processor that made the same
 * flow first, or 0 with *ret_drop set; the flow number is given back in the
 * last two cases.
 */
SL_INLINE __u32 sl_flow_publish(sl_tables_t t, bool v6, __u32 flow, const struct sl_flow_key *key,
				const struct sl_flow_key *reverse, __u8 *ret_drop)
{
	struct sl_flow_line *client = sl_line(t, v6, 2 * flow);
	struct sl_flow_line *target = sl_line(t, v6, 2 * flow + 1);
	__u64 hash = sl_key_hash(sl_config(t)->seed, v6, key);
	__u64 reverse_hash = sl_key_hash(sl_config(t)->seed, v6, reverse);
	__u32 other = 0;
	__u16 live;

	*ret_drop = SL_DROP_TABLE_FULL;
	if (client == NULL || target == NULL)
		return 0;
	live = client->version + 1;
	SL_ORDER();
	SL_WRITE(client->version, live);
	SL_WRITE(target->version, live);
	if (sl_index_insert(t, v6, reverse_hash, 2 * flow + 1)) {
		*ret_drop = SL_DROP_RACE;
		if (sl_index_find(t, v6, reverse, reverse_hash, 2 * flow + 1) == 0) {
			*ret_drop = SL_DROP_TABLE_FULL;
			if (sl_index_insert(t, v6, hash, 2 * flow)) {
				other = sl_index_find(t, v6, key, hash, 2 * flow);
				if (other == 0)
					return 2 * flow;
				sl_index_remove(t, v6, hash, 2 * flow);
			}
		}
		sl_index_remove(t, v6, reverse_hash, 2 * flow + 1);
	}
	sl_flow_abandon(t, v6, flow, client, target, live + 1);
	return other;
}

/** Find the target's direction a key that is free: preserved, or through SNAT. */
SL_INLINE bool sl_reverse_key(sl_tables_t t, bool v6, const struct sl_create *c,
			      const struct sl_target *target, __u32 number, bool preserve,
			      struct sl_snat_search *s)
{
	struct sl_snat_loop loop = {.tables = t, .v6 = v6};
	bool hairpin = true;

	s->key.sport = target->port;
	s->key.dport = c->key.sport;
	s->key.protocol = c->key.protocol;
	for (int w = 0; w < SL_WORDS(v6); w++) {
		s->key.saddr[w] = target->address[w];
		s->key.daddr[w] = c->key.saddr[w];
		hairpin = hairpin && c->key.saddr[w] == target->address[w];
	}
	/* a target that is its own client, or a client that reaches the same
	 * target from the same port by two VIPs: only SNAT tells them apart */
	if (preserve && !hairpin && sl_key_is_free(t, v6, &s->key))
		return true;
	s->zone = c->zone;
	s->target = number;
	s->wanted = c->key.sport;
	s->found = 0;
	SL_LOOP(SL_SNAT_TRIES, sl_snat_step, &loop);
	return s->found;
}

SL_INLINE bool sl_zone_can_snat(sl_tables_t t, bool v6, __u32 number)
{
	const struct sl_zone *zone = sl_zone(t, number);

	return zone != NULL && (v6 ? zone->n_snat6 : zone->n_snat4) != 0;
}

/** Whether and when a flow's target gets a PROXY header. */
SL_INLINE __u8 sl_proxy_mode(const struct sl_create *c, const struct sl_choice *choice)
{
	if (c->key.protocol != SL_TCP || !(choice->group_flags & SL_GROUP_PROXY))
		return SL_PROXY_NEVER;
	return choice->group_flags & SL_GROUP_PROXY_FIRST_ACK ? SL_PROXY_FIRST_ACK :
								SL_PROXY_WITH_PAYLOAD;
}

/** Fill both lines of flow number @flow, which is ours alone. */
SL_INLINE void sl_flow_fill(sl_tables_t t, bool v6, __u32 flow, const struct sl_create *c,
			    const struct sl_choice *choice, const struct sl_flow_key *reverse)
{
	struct sl_flow_line *client = sl_line(t, v6, 2 * flow);
	struct sl_flow_line *target = sl_line(t, v6, 2 * flow + 1);
	struct sl_flow_cold *cold = sl_cold(t, v6, flow);
	__u32 now = sl_now_ticks(t);
	__u16 dead;

	if (client == NULL || target == NULL || cold == NULL)
		return;
	dead = client->version | 1;
	SL_WRITE(client->version, dead);
	SL_WRITE(target->version, dead);
	SL_WRITE(client->control, SL_CONTROL(dead, 0, SL_FLOW_NEW));
	SL_ORDER();
	sl_line_fill(client, v6, &c->key, reverse->daddr, reverse->saddr, reverse->dport,
		     reverse->sport);
	sl_line_fill(target, v6, reverse, c->key.daddr, c->key.saddr, c->key.dport, c->key.sport);
	client->last_seen = now;
	target->last_seen = now;
	client->target = target->target = choice->target;
	client->listener = target->listener = c->listener;
	client->group = choice->group;
	client->way_back = sl_way_back(sl_hop(c->client_mac, c->port));
	__builtin_memcpy(target->client_mac, c->client_mac, SL_MAC_BYTES);
	target->client_port = c->port;
	cold->proxy = sl_proxy_mode(c, choice);
	cold->settled = 0;
	cold->isn = 0;
	if (cold->proxy != SL_PROXY_NEVER) {
		client->packets_high = target->packets_high = SL_LINE_PROXY;
		cold->isn = c->isn;
	}
	cold->start_ns = sl_now_ns(t);
	cold->connect_us = 0;
	cold->zone = (__u8)c->zone;
	cold->fail_open = sl_fails_open(choice, c->zone);
}

SL_INLINE __u32 sl_flow_create_family(sl_tables_t t, bool v6)
{
	struct sl_scratch *scratch = sl_scratch(t);
	const struct sl_listener *listener;
	struct sl_snat_search *search;
	struct sl_flow_line *client;
	struct sl_create *c;
	const struct sl_target *target;
	struct sl_choice choice;
	__u32 flow, line;

	if (scratch == NULL)
		return 0;
	c = &scratch->create;
	search = &scratch->search;
	c->drop = SL_DROP_NO_TARGET;
	c->group = SL_NONE;
	listener = sl_listener(t, c->listener);
	if (listener == NULL)
		return 0;
	choice = sl_select(t, v6, listener, c->zone, &c->key, c->isn);
	c->group = choice.group;
	target = sl_target(t, choice.target);
	if (choice.target == SL_NONE || target == NULL)
		return 0;
	c->drop = SL_DROP_RACE;
	if (target->group != choice.group) /* the table was replaced while it was read */
		return 0;
	if (!sl_reverse_key(t, v6, c, target, choice.target,
			    choice.group_flags & SL_GROUP_PRESERVE, search)) {
		c->drop = sl_zone_can_snat(t, v6, c->zone) ? SL_DROP_PORT_ALLOCATION :
							     SL_DROP_NO_SNAT_ADDRESS;
		return 0;
	}
	c->drop = SL_DROP_TABLE_FULL;
	flow = sl_flow_number(t, v6, c->key.sport >> 8);
	if (flow == 0)
		return 0;
	sl_flow_fill(t, v6, flow, c, &choice, &search->key);
	line = sl_flow_publish(t, v6, flow, &c->key, &search->key, &c->drop);
	if (line != 2 * flow)
		return line;
	client = sl_line(t, v6, line);
	if (client == NULL)
		return 0;
	sl_count_created(t, c, &choice);
	SL_WRITE(client->control, SL_CONTROL(client->version, 0,
					     c->key.protocol == SL_UDP ? SL_FLOW_UDP :
									 SL_FLOW_HALF_OPEN));
	return line;
}

/**
 * Make a flow for the packet that the scratch's `create` describes.
 *
 * Returns the number of its client's line, or 0 with create.drop set; the
 * caller counts the refusal.
 */
SL_GLOBAL int sl_flow_create4(sl_tables_t t)
{
	return (int)sl_flow_create_family(t, false);
}

SL_GLOBAL int sl_flow_create6(sl_tables_t t)
{
	return (int)sl_flow_create_family(t, true);
}

#endif
