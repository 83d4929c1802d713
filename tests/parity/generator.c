/* SPDX-License-Identifier: BSD-3-Clause */
#include "generator.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define CLIENTS 24
#define CLIENT_PORTS 40

void generator_begin(struct generator *g, uint64_t seed, struct world *first,
		     struct world *second)
{
	memset(g, 0, sizeof(*g));
	g->random = seed;
	g->worlds[0] = first;
	g->worlds[1] = second;
}

uint32_t generator_below(struct generator *g, uint32_t n)
{
	g->random = g->random * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)((g->random >> 32) * n >> 32);
}

static bool one_in(struct generator *g, uint32_t n)
{
	return generator_below(g, n) == 0;
}

void generator_learn(struct generator *g, const struct packet *packet, uint32_t port)
{
	uint32_t at = g->n_recent < GENERATOR_RECENT ? g->n_recent++ :
						       generator_below(g, GENERATOR_RECENT);

	packet_copy(&g->recent[at], packet);
	g->recent_ifindex[at] = g->worlds[0]->t->ports[port].ifindex;
}

static uint8_t tcp_flags(struct generator *g)
{
	static const uint8_t usual[] = {
		SL_TCP_ACK, SL_TCP_ACK, SL_TCP_ACK | SL_TCP_PSH, SL_TCP_ACK | SL_TCP_FIN,
		SL_TCP_ACK | SL_TCP_FIN, SL_TCP_SYN | SL_TCP_ACK, SL_TCP_SYN | SL_TCP_ACK,
		SL_TCP_RST, SL_TCP_RST | SL_TCP_ACK, SL_TCP_SYN,
	};

	if (one_in(g, 20))
		return (uint8_t)generator_below(g, 256);
	return usual[generator_below(g, sizeof(usual))];
}

/* Now and then a loop of routers: many packets at their end in one moment. */
static bool in_storm(const struct generator *g)
{
	return (g->steps & 0x3fff) < 256;
}

/* Options of any kind, also cut ones; the numbers of SACK are near those of world_packet(). */
static void tcp_options(struct generator *g, struct packet_spec *spec)
{
	static const uint8_t kinds[] = {1, 2, 5, 5, 8, 30, 34};
	uint32_t at = 0;

	spec->tcp_options = (uint8_t)(4 * generator_below(g, 11));
	memset(spec->options, 1, sizeof(spec->options));
	if (one_in(g, 4))
		return;
	while (at + 20 <= sizeof(spec->options)) {
		uint8_t kind = kinds[generator_below(g, sizeof(kinds))];
		uint32_t length = kind == 2 ? 4 : kind == 5 ? 2 + 8 * (1 + generator_below(g, 2)) :
							      2 + generator_below(g, 10);

		spec->options[at] = kind;
		spec->options[at + 1] = (uint8_t)(one_in(g, 20) ? generator_below(g, 256) : length);
		for (uint32_t i = 2; i < length; i++)
			spec->options[at + i] = (uint8_t)generator_below(g, 256);
		for (uint32_t i = 2; kind == 5 && i < length; i += 4) {
			uint32_t edge = htonl(1000 + generator_below(g, 300));

			memcpy(&spec->options[at + i], &edge, sizeof(edge));
		}
		at += kind == 1 ? 1 : length;
	}
}

/* What may differ in any packet. */
static void vary(struct generator *g, struct packet_spec *spec)
{
	spec->seq = generator_below(g, UINT32_MAX);
	spec->ack = generator_below(g, UINT32_MAX);
	spec->tos = (uint8_t)generator_below(g, 256);
	spec->id = (uint16_t)generator_below(g, 65536);
	spec->fill = (uint8_t)generator_below(g, 256);
	spec->payload = (uint16_t)generator_below(g, one_in(g, 8) ? 1473 : 64);
	spec->dont_fragment = one_in(g, 2);
	spec->no_checksum = one_in(g, 4);
	if (one_in(g, 10))
		spec->ttl = (uint8_t)(1 + generator_below(g, 3));
	if (in_storm(g) && one_in(g, 2))
		spec->ttl = 1;
	if (one_in(g, 10))
		spec->ip_options = (uint8_t)(spec->v6 ? 8 * generator_below(g, 28) :
							4 * generator_below(g, 11));
	if (one_in(g, 4))
		tcp_options(g, spec);
	if (one_in(g, 10))
		spec->padding = (uint8_t)generator_below(g, 32);
	if (one_in(g, 30)) { /* also with a priority, also VLAN 0 */
		static const uint16_t tags[] = {100, 0xa000 | 100, 0xe000, 10, 20, 999};

		spec->vlan[0] = tags[generator_below(g, 6)];
		spec->vlan[1] = one_in(g, 2) ? tags[generator_below(g, 6)] : 0;
	}
	if (one_in(g, 50)) /* the client's router changed, or the frame is another's */
		spec->from_mac[5] ^= 1;
	if (one_in(g, 50))
		spec->to_mac[5] ^= (uint8_t)generator_below(g, 8);
}

static void from_client(struct generator *g, struct packet_spec *ret_spec)
{
	const struct world *world = g->worlds[0];
	/* services that share paths come seldom */
	enum world_service service = generator_below(g, one_in(g, 4) ? WORLD_SERVICES : 2);
	struct packet_spec spec;
	bool few = one_in(g, 8); /* flows, which so get further */
	uint32_t zero_isn;

	if (few)
		service = one_in(g, 2) ? WORLD_PROXIED : WORLD_PROXIED_FIRST;
	spec = world_packet(world, one_in(g, 2), few || one_in(g, 2) ? SL_TCP : SL_UDP, service,
			    1 + generator_below(g, few ? 4 : CLIENTS),
			    (uint16_t)(5000 + generator_below(g, few ? 4 : CLIENT_PORTS)));
	zero_isn = spec.seq;
	/* the same flow again, perhaps in the same burst: begun, reset and begun anew */
	if (g->last.ttl != 0 && one_in(g, 8))
		spec = g->last;
	spec.ttl = 64;
	g->last = spec;
	vary(g, &spec);
	if (spec.protocol == SL_TCP && one_in(g, 2))
		spec.tcp_flags = tcp_flags(g);
	if (one_in(g, 2)) /* the first bytes that a client sends are where PROXY headers go */
		spec.seq = zero_isn;
	if (spec.seq == zero_isn && !(spec.tcp_flags & SL_TCP_SYN))
		spec.seq += one_in(g, 2) ? 1 : generator_below(g, 200);
	if (one_in(g, 40)) /* no service, or none of ours */
		spec.to.port = (uint16_t)generator_below(g, 65536);
	if (one_in(g, 60)) /* a target that is its own client */
		memcpy(spec.from.address,
		       world->t->targets[world->target[spec.v6][service][0]].address, 16);
	*ret_spec = spec;
}

/* A packet towards where one that left came from. */
static void answer(struct generator *g, struct packet_spec *ret_spec, uint32_t *ret_ifindex)
{
	uint32_t at = generator_below(g, g->n_recent);

	*ret_spec = world_answer(&g->recent[at]);
	*ret_ifindex = g->recent_ifindex[at];
	if (one_in(g, 4) || ret_spec->vlan[0] != 0 || in_storm(g)) {
		uint16_t vlan[2] = {ret_spec->vlan[0], ret_spec->vlan[1]};

		vary(g, ret_spec);
		memcpy(ret_spec->vlan, vlan, sizeof(vlan));
	}
	if (ret_spec->protocol != SL_TCP)
		return;
	ret_spec->tcp_flags = tcp_flags(g);
	if (one_in(g, 2)) { /* acknowledge it, or a little more: a PROXY header before it */
		const struct packet *recent = &g->recent[at];
		uint32_t seq;

		memcpy(&seq, recent->data + packet_l4(recent) + 4, sizeof(seq));
		ret_spec->ack = ntohl(seq) + (one_in(g, 2) ? 1 : generator_below(g, 400));
	}
}

static void icmp_error(struct generator *g, struct packet *packet, uint32_t *ret_ifindex)
{
	static const uint8_t types4[] = {3, 3, 4, 11, 12, 0, 8, 5};
	static const uint8_t types6[] = {1, 2, 3, 4, 128, 129, 135, 136};
	uint32_t at = generator_below(g, g->n_recent);
	const struct packet *cause = &g->recent[at];
	size_t l3 = packet_l3(cause), ip_bytes = cause->length - l3;
	bool v6 = cause->data[l3] >> 4 == 6;
	struct packet_spec back = world_answer(cause);
	struct packet_error error = {
		.from = back.from,
		.to = back.to,
		.type = (v6 ? types6 : types4)[generator_below(g, 8)],
		.code = (uint8_t)generator_below(g, 5),
		.mtu = 1400,
		.ttl = one_in(g, 10) ? 1 : 64,
	};
	size_t least = packet_l4(cause) - l3 + 8;

	if (one_in(g, 3)) /* from a router on the way */
		error.from = packet_end(v6 ? "2001:db8:f::1" : "203.0.113.1", 0);
	memcpy(error.from_mac, back.from_mac, SL_MAC_BYTES);
	memcpy(error.to_mac, back.to_mac, SL_MAC_BYTES);
	if (ip_bytes > 1200)
		ip_bytes = 1200;
	packet_icmp_error(packet, &error, cause,
			  one_in(g, 2) || ip_bytes < least ?
				  ip_bytes :
				  least + generator_below(g, (uint32_t)(ip_bytes - least + 1)));
	*ret_ifindex = g->recent_ifindex[at];
}

/* The next piece of a datagram; pieces of one come one after the other, some twice or late. */
static void fragment(struct generator *g, struct packet *packet, uint32_t *ret_ifindex)
{
	struct packet_spec spec;
	size_t payload, offset, piece;

	if (g->pieces.length == 0 || g->pieces_at > 6) {
		uint32_t ifindex = g->worlds[0]->ifindex[WORLD_CLIENT_SIDE];

		if (one_in(g, 2) || g->n_recent == 0)
			from_client(g, &spec);
		else
			answer(g, &spec, &ifindex);
		g->piece_bytes = one_in(g, 2) ? 200 : WORLD_NARROW_MTU;
		spec.payload = (uint16_t)(g->piece_bytes + generator_below(g, 2 * g->piece_bytes));
		if (spec.payload > PACKET_MAX - 200)
			spec.payload = PACKET_MAX - 200;
		spec.padding = 0;
		spec.ip_options = spec.v6 ? 0 : spec.ip_options;
		if (one_in(g, 3) && ifindex == g->worlds[0]->ifindex[WORLD_CLIENT_SIDE])
			spec.to = world_vip(spec.v6, WORLD_NARROW);
		packet_build(&g->pieces, &spec);
		g->pieces_at = one_in(g, 6);
		g->pieces_ifindex = ifindex;
	}
	payload = g->pieces.length - packet_l4(&g->pieces);
	/* a later piece may be too big for a link that the first one fits */
	piece = g->pieces_at == 0 ? 200 : g->piece_bytes;
	offset = g->pieces_at == 0 ? 0 : 200 + piece * (g->pieces_at - 1);
	g->pieces_at++;
	if (offset >= payload) {
		offset = 0;
		g->pieces_at = 7;
	}
	packet_fragment(packet, &g->pieces, offset,
			payload - offset < piece ? payload - offset : piece,
			offset + piece < payload, 77 + g->pieces_ifindex);
	*ret_ifindex = g->pieces_ifindex;
}

/* Damage: bytes changed, or the end cut off. Not below an Ethernet header: no driver does that. */
static void damage(struct generator *g, struct packet *packet)
{
	uint32_t where = one_in(g, 2) ? 54 : (uint32_t)packet->length;

	if (one_in(g, 3)) {
		packet->length = 14 + generator_below(g, (uint32_t)packet->length - 13);
		return;
	}
	for (uint32_t n = 1 + generator_below(g, 4); n > 0; n--) {
		uint32_t at = generator_below(g, where);

		if (at >= 12 && at < packet->length)
			packet->data[at] = (uint8_t)generator_below(g, 256);
	}
}

static void next_packet(struct generator *g, struct packet *packet, uint32_t *ret_ifindex)
{
	uint32_t kind = generator_below(g, 100);
	struct packet_spec spec;

	*ret_ifindex = g->worlds[0]->ifindex[WORLD_CLIENT_SIDE];
	if (kind < 12) {
		fragment(g, packet, ret_ifindex);
	} else if (kind < 20 && g->n_recent != 0) {
		icmp_error(g, packet, ret_ifindex);
	} else if (kind < 60 && g->n_recent != 0) {
		answer(g, &spec, ret_ifindex);
		packet_build(packet, &spec);
	} else {
		from_client(g, &spec);
		packet_build(packet, &spec);
	}
	if (one_in(g, 10))
		damage(g, packet);
	if (one_in(g, 100)) /* by another interface */
		*ret_ifindex = g->worlds[0]->ifindex[generator_below(g, WORLD_PORTS)];
}

/* In turns, time passes quickly, so that flows end, and slowly, so that tables fill. */
static void pass_time(struct generator *g)
{
	static const uint32_t up_to_ms[] = {2, 2, 2, 100, 100, 3000, 40000, 400000};
	bool quickly = (g->steps & 0x4000) != 0 && one_in(g, 8);
	uint64_t ms = generator_below(g, up_to_ms[generator_below(g, quickly ? 8 : 5)]);

	for (int i = 0; i < GENERATOR_WORLDS && !in_storm(g); i++)
		world_wait_ms(g->worlds[i], ms);
}

static void change_target(struct generator *g)
{
	static const enum sl_target_state states[] = {SL_TARGET_ACTIVE, SL_TARGET_ACTIVE,
						      SL_TARGET_IDLE, SL_TARGET_REMOVED};
	static const uint8_t ends[] = {0, 0, SL_ENDS_UDP, SL_ENDS_TCP | SL_ENDS_UDP};
	uint16_t target = (uint16_t)generator_below(g, g->worlds[0]->n_targets);
	enum sl_target_state state = states[generator_below(g, 4)];
	uint8_t mask = state == SL_TARGET_ACTIVE ? 0 : ends[generator_below(g, 4)];
	uint32_t what = generator_below(g, 4);

	for (int i = 0; i < GENERATOR_WORLDS; i++) {
		struct sl_target *t = &g->worlds[i]->t->targets[target];

		if (what != 0) {
			world_set_target(g->worlds[i], target, state);
			t->ends = mask;
		} else if (t->next_hop == SL_NEXT_HOP_NONE) {
			t->next_hop = world_hop(g->worlds[i]->port[WORLD_TARGET_SIDE],
						world_mac(0x77, (uint8_t)target));
		} else {
			t->next_hop = SL_NEXT_HOP_NONE;
		}
	}
}

static void change_listener(struct generator *g)
{
	bool v6 = one_in(g, 2);
	uint8_t protocol = one_in(g, 2) ? SL_TCP : SL_UDP;
	enum world_service service = generator_below(g, WORLD_SERVICES);
	struct packet_end vip = world_vip(v6, service);

	for (int i = 0; i < GENERATOR_WORLDS; i++) {
		struct world *w = g->worlds[i];

		/* a removed one comes back at once, under another number */
		world_remove_vip(w, &vip, protocol);
		if (w->n_vips + 1 < w->t->config->max_vips)
			world_add_vip(w, SL_VIP_LISTENER, &vip, protocol, w->listener[v6][service],
				      0);
	}
}

static void change_port(struct generator *g)
{
	uint32_t at = generator_below(g, WORLD_PORTS);
	bool redirect = one_in(g, 3);

	for (int i = 0; i < GENERATOR_WORLDS; i++) {
		struct sl_port *port = &g->worlds[i]->t->ports[g->worlds[i]->port[at]];

		if (redirect)
			port->redirect = !port->redirect;
		else
			port->up = !port->up;
	}
}

static void change_zone(struct generator *g)
{
	uint32_t snat = generator_below(g, 3);

	for (int i = 0; i < GENERATOR_WORLDS; i++)
		g->worlds[i]->t->zones[0].n_snat4 = g->worlds[i]->t->zones[0].n_snat6 = snat;
}

static void change_group(struct generator *g)
{
	uint16_t group = (uint16_t)generator_below(g, g->worlds[0]->n_groups);
	uint32_t flag = 1u << generator_below(g, 4);

	for (int i = 0; i < GENERATOR_WORLDS; i++)
		g->worlds[i]->t->groups[group].flags ^= flag;
}

/* Undo what only makes everything fail: long stretches without targets teach nothing. */
static void heal(struct generator *g)
{
	for (int i = 0; i < GENERATOR_WORLDS; i++) {
		struct world *w = g->worlds[i];

		for (uint16_t target = 0; target < w->n_targets; target++) {
			world_set_target(w, target, SL_TARGET_ACTIVE);
			w->t->targets[target].ends = 0;
		}
		for (uint32_t port = 0; port < WORLD_PORTS; port++)
			w->t->ports[w->port[port]].up = 1;
		w->t->zones[0].n_snat4 = w->t->zones[0].n_snat6 = 2;
	}
}

static void change_model(struct generator *g)
{
	switch (generator_below(g, 9)) {
	case 0:
	case 1:
	case 2:
		change_target(g);
		break;
	case 3:
		change_listener(g);
		break;
	case 4:
		change_port(g);
		break;
	case 5:
		change_group(g);
		break;
	case 6:
		change_zone(g);
		break;
	default:
		heal(g);
	}
}

enum generated generator_next(struct generator *g, struct packet *packet, uint32_t *ifindex)
{
	uint32_t kind = generator_below(g, 1000);

	g->steps++;
	if (kind >= 100) {
		next_packet(g, packet, ifindex);
		return GENERATED_PACKET;
	}
	if (kind < 2)
		return GENERATED_SWEEP;
	if (kind < 12)
		change_model(g);
	else
		pass_time(g);
	return GENERATED_CHANGE;
}
