/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PAYLOAD_BYTES 6	   /* an IPv4 TCP frame of 60 bytes: the shortest on Ethernet */

static void address_write(__be32 words[4], bool v6, __be32 last)
{
	memset(words, 0, 4 * sizeof(words[0]));
	words[0] = v6 ? SL_BE32(DATAPATH_PREFIX_WORD) : last;
	if (v6)
		words[3] = last;
}

size_t rig_frame(const struct rig_kind *kind, const struct datapath_packet *packet,
		 uint8_t tcp_flags, unsigned char frame[RIG_FRAME_BYTES])
{
	const uint16_t macs[] = {DATAPATH_MAC_WORD, 0, DATAPATH_OUR_MAC_WORD,
				 DATAPATH_MAC_WORD, 0, DATAPATH_PEER_MAC_WORD};
	size_t l4_bytes = kind->udp ? sizeof(struct sl_udp) : sizeof(struct sl_tcp);
	struct sl_eth *eth = (void *)frame;
	struct sl_ipv4 *ip4 = (void *)(eth + 1);
	struct sl_ipv6 *ip6 = (void *)(eth + 1);
	void *l4 = kind->v6 ? (void *)(ip6 + 1) : (void *)(ip4 + 1);
	struct sl_tcp *tcp = l4;
	struct sl_udp *udp = l4;

	memset(frame, 0, RIG_FRAME_BYTES);
	memcpy(eth, macs, sizeof(macs));
	eth->type = SL_BE16(kind->v6 ? SL_ETHERTYPE_IPV6 : SL_ETHERTYPE_IPV4);
	if (kind->v6) {
		__be32 address[4];

		ip6->version_class_label = SL_BE32(0x60000000);
		ip6->payload_length = SL_BE16(l4_bytes);
		ip6->next_header = kind->udp ? SL_UDP : SL_TCP;
		ip6->hop_limit = 64;
		address_write(address, true, packet->saddr);
		memcpy(ip6->saddr, address, sizeof(address));
		address_write(address, true, packet->daddr);
		memcpy(ip6->daddr, address, sizeof(address));
	} else {
		ip4->version_ihl = 0x45;
		ip4->total_length = SL_BE16(sizeof(*ip4) + l4_bytes + PAYLOAD_BYTES);
		ip4->fragment = SL_BE16(SL_IPV4_DONT_FRAGMENT);
		ip4->ttl = 64;
		ip4->protocol = kind->udp ? SL_UDP : SL_TCP;
		ip4->saddr = packet->saddr;
		ip4->daddr = packet->daddr;
	}
	udp->sport = packet->sport;
	udp->dport = packet->dport;
	if (kind->udp) {
		udp->length = SL_BE16(sizeof(*udp));
		udp->check = 0x1234;
	} else {
		tcp->data_offset = sizeof(*tcp) / 4 << 4;
		tcp->flags = tcp_flags;
	}
	return (size_t)((unsigned char *)l4 - frame) + l4_bytes + (kind->v6 ? 0 : PAYLOAD_BYTES);
}

static void address_put(struct sl_tables *t, const struct sl_vip *vip, uint32_t number)
{
	uint64_t hash = sl_vip_hash(t->config->seed, vip->family == 6, vip->address, vip->port,
				    vip->protocol);
	struct sl_bucket *bucket = &t->vip_buckets[(hash >> 32) * t->config->vip_buckets >> 32];
	unsigned int i = 0;

	t->vips[number] = *vip;
	while (bucket->slot[i] != 0) /* few addresses, many buckets: never full */
		i++;
	bucket->slot[i] = (uint32_t)hash << SL_VIP_NUMBER_BITS | number;
}

/* One listener with a group of one target. @port: towards it. */
static void listener_put(struct sl_tables *t, const struct rig_kind *kind, uint32_t n,
			 uint32_t port)
{
	struct sl_vip vip = {
		.port = SL_BE16(DATAPATH_FIRST_VIP_PORT + n),
		.protocol = kind->udp ? SL_UDP : SL_TCP,
		.kind = SL_VIP_LISTENER,
		.family = kind->v6 ? 6 : 4,
		.listener = (uint16_t)n,
	};
	const uint16_t mac[] = {DATAPATH_MAC_WORD, 0, DATAPATH_PEER_MAC_WORD};
	uint64_t hop = (uint64_t)port << 48;
	struct sl_target *target = &t->targets[n];

	memcpy(&hop, mac, sizeof(mac));
	address_write(target->address, kind->v6, SL_BE32(DATAPATH_FIRST_TARGET + n));
	target->port = SL_BE16(DATAPATH_TARGET_PORT);
	target->family = vip.family;
	target->group = (uint16_t)n;
	target->next_hop = hop;
	target->state = SL_TARGET_ACTIVE;
	t->maglev[n].target[0] = (uint16_t)n;
	t->groups[n] = (struct sl_group){
		.id = n + 1,
		.flags = kind->preserve ? SL_GROUP_PRESERVE : 0,
		.maglev = {(uint64_t)n << 32 | 1},
	};
	t->listeners[n] = (struct sl_listener){
		.id = n + 1,
		.tcp_idle = SL_TICKS_OF_MS(6000000),
		.udp_idle = SL_TICKS_OF_MS(6000000),
		.forwarding[0] = {
			.weights = 1,
			.n_groups = 1,
			.groups = {{.group = (uint16_t)n, .weight = 1}},
		},
	};
	address_write(vip.address, kind->v6, SL_BE32(DATAPATH_VIP));
	address_put(t, &vip, n + 1);
}

/* Returns its number. */
static uint32_t port_put(struct sl_tables *t, uint32_t ifindex)
{
	const uint16_t mac[] = {DATAPATH_MAC_WORD, 0, DATAPATH_OUR_MAC_WORD};
	uint32_t number = sl_port_home(ifindex, 0, 0);
	struct sl_port *port;

	while (t->ports[number].ifindex != 0 && t->ports[number].ifindex != ifindex)
		number = (number + 1) % SL_MAX_PORTS; /* two ports: never far */
	port = &t->ports[number];
	memcpy(port->mac, mac, sizeof(mac));
	port->mtu = 1500;
	port->up = 1;
	port->ifindex = ifindex;
	return number;
}

int rig_plan(const struct rig_kind *kind, uint32_t cpus, struct sl_config *ret_config,
	     char error[ENGINE_ERROR_MAX])
{
	uint32_t max_flows = kind->max_flows != 0 ? kind->max_flows : DATAPATH_FLOWS_MAX;
	struct engine_config settings = {
		.max_flows = kind->v6 ? TABLES_MIN_FLOWS : max_flows,
		.max_flows_ipv6 = kind->v6 ? max_flows : TABLES_MIN_FLOWS,
		.max_targets = 1000,
		.snat_port_min = 1024,
		.snat_port_max = 65535,
	};

	return tables_plan(&settings, cpus, ret_config, error);
}

void rig_fill(const struct rig_kind *kind, struct sl_tables *tables, const uint32_t ifindex[2],
	      struct rig *ret_rig)
{
	struct sl_zone *zone = &tables->zones[0];

	*ret_rig = (struct rig){
		.kind = *kind,
		.tables = tables,
		.ifindex = {ifindex[0], ifindex[1]},
		.port = {port_put(tables, ifindex[0]), port_put(tables, ifindex[1])},
	};
	zone->snat4[0] = SL_BE32(DATAPATH_SNAT);
	address_write(zone->snat6[0], true, SL_BE32(DATAPATH_SNAT));
	zone->n_snat4 = zone->n_snat6 = 1;
	for (uint32_t n = 0; n < DATAPATH_TARGETS; n++)
		listener_put(tables, kind, n, ret_rig->port[1]);
}

struct datapath_plan rig_order(uint32_t flows, bool both_ways)
{
	struct datapath_plan plan = {
		.mask = flows * (both_ways ? 2 : 1) - 1,
		.both_ways = both_ways,
		.vip = DATAPATH_VIP,
	};
	uint32_t bits = plan.mask == 0 ? 0 : 32 - (uint32_t)__builtin_clz(plan.mask);

	plan.half = bits / 2 + 1;
	return plan;
}

static void clock_set(struct sl_tables *t)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	t->now_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

int rig_send(struct rig *rig, sl_frame_t *frame, uint32_t from_target)
{
	int verdict = sl_receive(rig->tables, frame, rig->ifindex[from_target]);

	return SL_VERDICT(verdict) == SL_SEND ? 0 : -EIO;
}

static int packet_send(struct rig *rig, const struct datapath_plan *plan, uint32_t flow,
		       uint32_t from_target, uint8_t tcp_flags)
{
	unsigned char bytes[RIG_FRAME_BYTES];
	struct datapath_packet packet;
	sl_frame_t frame = {.data = bytes, .room = bytes, .room_end = bytes + sizeof(bytes)};

	datapath_packet(plan, flow, from_target, &packet);
	frame.end = bytes + rig_frame(&rig->kind, &packet, tcp_flags, bytes);
	return rig_send(rig, &frame, from_target);
}

int rig_establish(struct rig *rig, uint32_t flows)
{
	const struct datapath_plan plan = {.preserve = rig->kind.preserve, .vip = DATAPATH_VIP};

	clock_set(rig->tables);
	for (; rig->flows < flows; rig->flows++) {
		if (packet_send(rig, &plan, rig->flows, 0, SL_TCP_SYN) != 0 ||
		    packet_send(rig, &plan, rig->flows, 1, SL_TCP_SYN | SL_TCP_ACK) != 0 ||
		    packet_send(rig, &plan, rig->flows, 0, SL_TCP_ACK) != 0)
			return -EIO;
	}
	return 0;
}

uint32_t rig_end_flows(struct rig *rig)
{
	struct sl_tables *t = rig->tables;
	bool v6 = rig->kind.v6;
	uint32_t used = t->pools[v6].fresh, ended = 0;
	struct datapath_plan plan = rig_order(DATAPATH_FLOWS_MAX, false);

	clock_set(t);
	for (uint32_t i = 0; i < DATAPATH_FLOWS_MAX; i++) {
		uint32_t flow = datapath_place(&plan, i) + 1;
		const struct sl_flow_line *line = sl_line(t, v6, 2 * flow);

		if (flow <= used && line != NULL && SL_CONTROL_STATE(line->control) != SL_FLOW_FREE)
			ended += (uint32_t)sl_flow_end(t, v6, flow, line->control, SL_CLOSE_FIN);
	}
	rig->flows = 0;
	return ended;
}

struct rig_counts rig_counts(const struct rig *rig)
{
	const struct sl_tables *t = rig->tables;
	struct rig_counts counts = {};

	for (uint32_t cpu = 0; cpu < t->config->cpus; cpu++) {
		for (uint32_t n = 0; n < DATAPATH_TARGETS; n++) {
			const struct sl_target_counters *target =
				&t->target_counts[cpu * t->config->max_targets + n];

			counts.packets += target->packets;
			counts.new_flows += target->new_flows[SL_L4_TCP] + target->new_flows[SL_L4_UDP];
		}
		for (int reason = 0; reason < SL_DROP_COUNT; reason++)
			counts.drops += t->cpu_counts[cpu].drops[reason];
	}
	return counts;
}
