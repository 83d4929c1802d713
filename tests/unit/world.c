/* SPDX-License-Identifier: BSD-3-Clause */
#include "world.h"

#include "dataplane/maglev.h"
#include "dataplane/tables.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TCP_IDLE_MS 350000
#define UDP_IDLE_MS 120000

static void require(bool what, const char *text)
{
	if (!what) {
		fprintf(stderr, "world: %s\n", text);
		abort();
	}
}

struct sl_config world_config(uint32_t flows, uint32_t flows_ipv6, uint32_t max_targets,
			      uint32_t cpus)
{
	struct engine_config settings = {
		.kind = ENGINE_MEMORY,
		.max_flows = flows,
		.max_flows_ipv6 = flows_ipv6,
		.max_targets = max_targets,
		.snat_port_min = 1024,
		.snat_port_max = 65535,
	};
	char error[ENGINE_ERROR_MAX];
	struct sl_config config;

	require(tables_plan(&settings, cpus, &config, error) == 0, "sizes out of range");
	config.seed[0] = 0x0123456789abcdefull;
	config.seed[1] = 0xfedcba9876543210ull;
	return config;
}

void world_begin(struct world *world, struct sl_tables *tables)
{
	*world = (struct world){.t = tables};
	tables->now_ns = WORLD_START_NS;
}

uint64_t world_mac(uint8_t b4, uint8_t b5)
{
	return 0x02 | (uint64_t)b4 << 32 | (uint64_t)b5 << 40;
}

void world_mac_bytes(uint64_t mac, uint8_t bytes[SL_MAC_BYTES])
{
	for (int i = 0; i < SL_MAC_BYTES; i++)
		bytes[i] = (uint8_t)(mac >> (8 * i));
}

uint64_t world_hop(uint32_t port, uint64_t mac)
{
	return (uint64_t)port << 48 | mac;
}

uint32_t world_add_port(struct world *world, uint32_t ifindex, uint16_t outer, uint16_t inner,
			uint8_t mac_end, uint16_t mtu)
{
	uint32_t home = sl_port_home(ifindex, outer, inner);

	for (uint32_t i = 0; i < SL_PORT_PROBES; i++) {
		uint32_t number = (home + i) % SL_MAX_PORTS;
		struct sl_port *port = &world->t->ports[number];

		if (port->ifindex != 0)
			continue;
		port->vlan[0] = outer;
		port->vlan[1] = inner;
		world_mac_bytes(world_mac(0, mac_end), port->mac);
		port->mtu = mtu;
		port->up = 1;
		port->ifindex = ifindex;
		return number;
	}
	require(false, "no place for the port");
	return SL_NONE;
}

static bool is_v6(const struct packet_end *end)
{
	return end->address[1] != 0 || end->address[2] != 0 || end->address[3] != 0;
}

void world_add_snat(struct world *world, uint32_t zone, const char *address)
{
	struct packet_end end = packet_end(address, 0);
	struct sl_zone *z = &world->t->zones[zone];

	if (is_v6(&end)) {
		require(z->n_snat6 < SL_MAX_SNAT, "too many SNAT addresses");
		memcpy(z->snat6[z->n_snat6++], end.address, sizeof(end.address));
	} else {
		require(z->n_snat4 < SL_MAX_SNAT, "too many SNAT addresses");
		z->snat4[z->n_snat4++] = end.address[0];
	}
	world_add_vip(world, SL_VIP_OURS, &end, 0, 0, 0);
}

/* Put VIP @next (0: none) in the place of VIP @old (0: a free one). */
static void vip_exchange(struct world *world, const struct packet_end *end, uint8_t protocol,
			 uint32_t old, uint32_t next)
{
	const struct sl_config *c = world->t->config;
	uint64_t hash = sl_vip_hash(c->seed, is_v6(end), end->address, htons(end->port), protocol);
	uint32_t tag = (uint32_t)hash << SL_VIP_NUMBER_BITS;
	uint32_t number = (uint32_t)((hash >> 32) * c->vip_buckets >> 32);
	struct sl_bucket *bucket = &world->t->vip_buckets[number];

	for (int i = 0; i < SL_BUCKET_SLOTS; i++)
		if (bucket->slot[i] == (old == 0 ? 0 : tag | old)) {
			bucket->slot[i] = next == 0 ? 0 : tag | next;
			return;
		}
	require(false, "no place for the VIP");
}

void world_add_vip(struct world *world, enum sl_vip_kind kind, const struct packet_end *end,
		   uint8_t protocol, uint16_t listener, uint8_t zone)
{
	struct sl_vip *vip = &world->t->vips[++world->n_vips];

	require(world->n_vips < world->t->config->max_vips, "too many VIPs");
	*vip = (struct sl_vip){
		.port = htons(end->port),
		.protocol = protocol,
		.kind = kind,
		.family = is_v6(end) ? 6 : 4,
		.zone = zone,
		.listener = listener,
	};
	memcpy(vip->address, end->address, sizeof(vip->address));
	vip_exchange(world, end, protocol, 0, world->n_vips);
}

void world_remove_vip(struct world *world, const struct packet_end *end, uint8_t protocol)
{
	struct sl_vip *vip = sl_vip_find(world->t, is_v6(end), end->address, htons(end->port),
					 protocol);

	require(vip != NULL, "no such VIP");
	vip_exchange(world, end, protocol, (uint32_t)(vip - world->t->vips), 0);
}

uint16_t world_add_listener(struct world *world, uint32_t tcp_idle_ms, uint32_t udp_idle_ms)
{
	uint16_t number = (uint16_t)world->n_listeners++;
	struct sl_listener *listener = &world->t->listeners[number];

	listener->tcp_idle = SL_TICKS_OF_MS(tcp_idle_ms);
	listener->udp_idle = SL_TICKS_OF_MS(udp_idle_ms);
	listener->id = 1000u + number;
	return number;
}

void world_forward_to(struct world *world, uint16_t listener, uint16_t group, uint16_t weight)
{
	struct sl_forwarding *f = &world->t->listeners[listener].forwarding[0];

	require(f->n_groups < SL_MAX_WEIGHTED, "too many groups");
	f->groups[f->n_groups++] = (struct sl_weighted){group, weight};
	f->weights += weight;
}

static uint32_t chunks_of(uint32_t n_targets)
{
	return n_targets == 0 ? 0 : maglev_table_size(n_targets) / SL_MAGLEV_CHUNK;
}

uint16_t world_add_group(struct world *world, uint32_t flags, uint32_t max_targets)
{
	uint16_t number = (uint16_t)world->n_groups++;
	struct sl_group *group = &world->t->groups[number];

	group->id = 2000u + number;
	group->flags = flags;
	for (int zone = 0; zone < SL_MAX_ZONES; zone++) /* no entries yet */
		group->maglev[zone] = (uint64_t)world->n_chunks << 32;
	world->n_chunks += chunks_of(max_targets);
	require(world->n_chunks <= world->t->config->maglev_chunks, "too many groups");
	return number;
}

uint16_t world_add_target(struct world *world, uint16_t group, const struct packet_end *end,
			  uint64_t hop)
{
	uint16_t number = (uint16_t)world->n_targets++;
	struct packet_end bare = *end;
	struct sl_target *target = &world->t->targets[number];

	require(number < world->t->config->max_targets, "too many targets");
	memcpy(target->address, end->address, sizeof(target->address));
	target->port = htons(end->port);
	target->group = group;
	target->family = is_v6(end) ? 6 : 4;
	target->next_hop = hop;
	target->state = SL_TARGET_ACTIVE;
	bare.port = 0;
	if (sl_vip_find(world->t, is_v6(end), end->address, 0, 0) == NULL)
		world_add_vip(world, SL_VIP_TARGET, &bare, 0, 0, 0);
	return number;
}

void world_spread(struct world *world, uint16_t number)
{
	struct sl_group *group = &world->t->groups[number];
	uint32_t chunk = (uint32_t)(group->maglev[0] >> 32), n = 0, size = 0;
	struct maglev_target *targets = calloc(world->n_targets + 1, sizeof(*targets));

	require(targets != NULL, "out of memory");
	for (uint32_t i = 0; i < world->n_targets; i++)
		if (world->t->targets[i].group == number &&
		    world->t->targets[i].state == SL_TARGET_ACTIVE)
			targets[n++] = (struct maglev_target){i + 1, (uint16_t)i};
	if (n != 0)
		require(maglev_build(targets, n, NULL, 0, world->t->maglev[chunk].target,
				     &size) == 0, "no Maglev table");
	for (int zone = 0; zone < SL_MAX_ZONES; zone++)
		group->maglev[zone] = (uint64_t)chunk << 32 | size;
	free(targets);
}

void world_set_target(struct world *world, uint16_t target, enum sl_target_state state)
{
	world->t->targets[target].state = state;
	world_spread(world, world->t->targets[target].group);
}

/* --- the world of world.h ------------------------------------------------ */

struct packet_end world_vip(bool v6, enum world_service service)
{
	return packet_end(v6 ? "2001:db8:1::10" : "192.0.2.10", WORLD_SERVICE_PORT(service));
}

struct packet_end world_client(bool v6, uint32_t number, uint16_t port)
{
	struct packet_end end = packet_end(v6 ? "2001:db8:2::" : "198.18.0.0", port);
	__be32 *last = &end.address[v6 ? 3 : 0];

	*last = htonl(ntohl(*last) + number);
	return end;
}

/* Where the targets of a service are reached. */
static uint32_t side_of(enum world_service service)
{
	switch (service) {
	case WORLD_TAGGED:
		return WORLD_VLAN_SIDE;
	case WORLD_DOUBLE_TAGGED:
		return WORLD_QINQ_SIDE;
	case WORLD_NARROW:
		return WORLD_NARROW_SIDE;
	default:
		return WORLD_TARGET_SIDE;
	}
}

static uint32_t targets_of(enum world_service service)
{
	if (service == WORLD_EMPTY)
		return 0;
	return service <= WORLD_WEIGHTED ? WORLD_TARGETS : 1;
}

static void fill_service(struct world *world, bool v6, enum world_service service)
{
	uint32_t n = targets_of(service), port = world->port[side_of(service)];
	static const uint32_t flags[WORLD_SERVICES] = {
		[WORLD_PRESERVED] = SL_GROUP_PRESERVE,
		[WORLD_STICKY] = SL_GROUP_STICKY,
		[WORLD_PROXIED] = SL_GROUP_PROXY,
		[WORLD_PROXIED_FIRST] =
			SL_GROUP_PROXY | SL_GROUP_PROXY_FIRST_ACK | SL_GROUP_PRESERVE,
	};
	uint16_t listener = world_add_listener(world, TCP_IDLE_MS, UDP_IDLE_MS);
	uint16_t group = world_add_group(world, flags[service], n);
	struct packet_end vip = world_vip(v6, service);

	world->listener[v6][service] = listener;
	world->group[v6][service] = group;
	for (uint32_t i = 0; i < n; i++) {
		struct packet_end end = packet_end(v6 ? "fd00::" : "10.0.0.0", WORLD_TARGET_PORT);
		uint64_t hop = world_hop(port, world_mac((uint8_t)(0x10 + service), (uint8_t)i));

		end.address[v6 ? 3 : 0] |= htonl((uint32_t)service << 8 | (i + 1));
		world->target[v6][service][i] = world_add_target(
			world, group, &end, service == WORLD_UNRESOLVED ? SL_NEXT_HOP_NONE : hop);
	}
	world_spread(world, group);
	if (service == WORLD_WEIGHTED) {
		world_forward_to(world, listener, world->group[v6][WORLD_SNAT], 3);
		world_forward_to(world, listener, world->group[v6][WORLD_PRESERVED], 1);
	} else {
		world_forward_to(world, listener, group, 1);
	}
	world_add_vip(world, SL_VIP_LISTENER, &vip, SL_TCP, listener, 0);
	world_add_vip(world, SL_VIP_LISTENER, &vip, SL_UDP, listener, 0);
}

void world_fill(struct world *world, const uint32_t ifindex[3])
{
	static const uint16_t vlans[WORLD_PORTS][2] = {
		[WORLD_VLAN_SIDE] = {100, 0},
		[WORLD_QINQ_SIDE] = {10, 20},
	};
	static const uint8_t device[WORLD_PORTS] = {
		[WORLD_CLIENT_SIDE] = 0, [WORLD_TARGET_SIDE] = 1, [WORLD_VLAN_SIDE] = 1,
		[WORLD_QINQ_SIDE] = 0,	 [WORLD_NARROW_SIDE] = 2,
	};

	for (int i = 0; i < WORLD_PORTS; i++) {
		world->ifindex[i] = ifindex[device[i]];
		world->port[i] = world_add_port(world, world->ifindex[i], vlans[i][0], vlans[i][1],
						(uint8_t)(i + 1),
						i == WORLD_NARROW_SIDE ? WORLD_NARROW_MTU :
									 WORLD_MTU);
	}
	world_add_snat(world, 0, "10.1.0.1");
	world_add_snat(world, 0, "10.1.0.2");
	world_add_snat(world, 0, "fd00:1::1");
	world_add_snat(world, 0, "fd00:1::2");
	for (int v6 = 0; v6 < 2; v6++) {
		struct packet_end bare = world_vip(v6, 0);

		bare.port = 0;
		world_add_vip(world, SL_VIP_OURS, &bare, 0, 0, 0);
		for (enum world_service service = 0; service < WORLD_SERVICES; service++)
			fill_service(world, v6, service);
	}
}

void world_make(struct world *world, struct sl_tables *tables, uint32_t flows)
{
	static const uint32_t ifindex[3] = {1, 2, 3};
	struct sl_config config = world_config(flows, flows, 256, 2);

	require(tables_allocate(&config, tables) == 0, "out of memory");
	world_begin(world, tables);
	world_fill(world, ifindex);
}

/* --- traffic ------------------------------------------------------------- */

struct packet_spec world_packet(const struct world *world, bool v6, uint8_t protocol,
				enum world_service service, uint32_t number, uint16_t port)
{
	struct packet_spec spec = {
		.v6 = v6,
		.protocol = protocol,
		.from = world_client(v6, number, port),
		.to = world_vip(v6, service),
		.tcp_flags = protocol == SL_TCP ? SL_TCP_SYN : 0,
		.seq = 1000 + number,
		.payload = protocol == SL_TCP ? 0 : 32,
	};

	world_mac_bytes(world_mac(0xcc, (uint8_t)number), spec.from_mac);
	memcpy(spec.to_mac, world->t->ports[world->port[WORLD_CLIENT_SIDE]].mac, SL_MAC_BYTES);
	return spec;
}

struct packet_spec world_answer(const struct packet *packet)
{
	size_t l3 = packet_l3(packet), l4 = packet_l4(packet);
	const unsigned char *ip = packet->data + l3, *ports = packet->data + l4;
	struct packet_spec spec = {.v6 = ip[0] >> 4 == 6, .payload = 16};
	size_t bytes = spec.v6 ? 16 : 4, at = spec.v6 ? 8 : 12;

	spec.protocol = spec.v6 ? ip[6] : ip[9];
	if (spec.v6 && ip[6] == SL_DESTINATION_OPTIONS)
		spec.protocol = ip[40];
	memcpy(spec.to.address, ip + at, bytes);
	memcpy(spec.from.address, ip + at + bytes, bytes);
	spec.to.port = (uint16_t)(ports[0] << 8 | ports[1]);
	spec.from.port = (uint16_t)(ports[2] << 8 | ports[3]);
	memcpy(spec.to_mac, packet->data + 6, SL_MAC_BYTES);
	memcpy(spec.from_mac, packet->data, SL_MAC_BYTES);
	for (size_t i = 0; 14 + 4 * (i + 1) <= l3; i++)
		spec.vlan[i] = (uint16_t)(packet->data[14 + 4 * i] << 8 |
					  packet->data[15 + 4 * i]);
	if (spec.protocol == SL_TCP)
		spec.tcp_flags = SL_TCP_ACK;
	return spec;
}

/* The frame ends where its memory does, so that a sanitizer sees whoever reads beyond it. */
int world_receive(struct world *world, struct packet *packet, uint32_t ifindex)
{
	unsigned char *room = malloc(PACKET_HEADROOM + packet->length);
	sl_frame_t frame = {
		.data = room + PACKET_HEADROOM,
		.end = room + PACKET_HEADROOM + packet->length,
		.room = room,
		.room_end = room + PACKET_HEADROOM + packet->length,
	};
	int verdict;

	require(room != NULL, "out of memory");
	memcpy(frame.data, packet->data, packet->length);
	verdict = sl_receive(world->t, &frame, ifindex);
	require(frame.data >= room && frame.end <= frame.room_end, "a frame left its room");
	packet_set(packet, frame.data, (size_t)(frame.end - frame.data));
	free(room);
	return verdict;
}

int world_send(struct world *world, const struct packet_spec *spec, enum world_port port,
	       struct packet *ret_packet)
{
	packet_build(ret_packet, spec);
	return world_receive(world, ret_packet, world->ifindex[port]);
}

void world_wait_ms(struct world *world, uint64_t ms)
{
	world->t->now_ns += ms * 1000000;
}

uint32_t world_flow(const struct world *world, const struct packet_spec *spec)
{
	struct sl_flow_key key = {
		.sport = htons(spec->from.port),
		.dport = htons(spec->to.port),
		.protocol = spec->protocol,
	};

	memcpy(key.saddr, spec->from.address, sizeof(key.saddr));
	memcpy(key.daddr, spec->to.address, sizeof(key.daddr));
	return sl_index_find(world->t, spec->v6, &key,
			     sl_key_hash(world->t->config->seed, spec->v6, &key), 0) / 2;
}

uint32_t world_state(const struct world *world, bool v6, uint32_t flow)
{
	return flow == 0 ? 0 : SL_CONTROL_STATE(sl_line(world->t, v6, 2 * flow)->control);
}

uint64_t world_drops(const struct world *world, enum sl_drop reason)
{
	uint64_t drops = 0;

	for (uint32_t cpu = 0; cpu < world->t->config->cpus; cpu++)
		drops += world->t->cpu_counts[cpu].drops[reason];
	return drops;
}
