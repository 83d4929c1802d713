/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * World: tables filled for tests: ports, zones, VIPs, listeners, groups and
 * targets, written as dataplane/core/tables.h says. The same calls in the same
 * order fill plain memory and the kernel's maps alike.
 */
#ifndef SLUICE_TESTS_WORLD_H
#define SLUICE_TESTS_WORLD_H

#include "packets.h"

#include "dataplane/flat.h"

#define WORLD_TARGETS 3 /* of each service, less where the service says so */
#define WORLD_MTU 1500
#define WORLD_NARROW_MTU 1280
#define WORLD_START_NS (1000ull * 1000000000) /* what the clock says first */

/* Each listens on TCP and UDP, on both VIPs, at WORLD_SERVICE_PORT(). */
enum world_service {
	WORLD_SNAT,	    /* client IP not preserved */
	WORLD_PRESERVED,    /* client IP preserved */
	WORLD_STICKY,	    /* SNAT, source-IP stickiness */
	WORLD_WEIGHTED,	    /* 3 parts to the group of WORLD_SNAT, 1 to that of WORLD_PRESERVED */
	WORLD_EMPTY,	    /* a group without targets */
	WORLD_UNRESOLVED,   /* one target without a next hop */
	WORLD_TAGGED,	    /* one target behind VLAN 100 */
	WORLD_DOUBLE_TAGGED, /* one target behind VLAN 20 in VLAN 10 */
	WORLD_NARROW,	    /* one target behind a link of WORLD_NARROW_MTU */
	WORLD_PROXIED,	    /* one target that gets PROXY headers, SNAT */
	WORLD_PROXIED_FIRST, /* the same with the client's first ACK; client IP preserved */
	WORLD_SERVICES,
};
#define WORLD_SERVICE_PORT(service) ((uint16_t)(1000 + (service)))
#define WORLD_TARGET_PORT 8080

enum world_port { /* the ports of the world, in the order they were added */
	WORLD_CLIENT_SIDE,
	WORLD_TARGET_SIDE,
	WORLD_VLAN_SIDE,
	WORLD_QINQ_SIDE,
	WORLD_NARROW_SIDE,
	WORLD_PORTS,
};

struct world {
	struct sl_tables *t;
	uint32_t n_vips, n_groups, n_listeners, n_targets, n_chunks;
	uint32_t ifindex[WORLD_PORTS];
	uint32_t port[WORLD_PORTS]; /* numbers in the port table */
	uint16_t listener[2][WORLD_SERVICES], group[2][WORLD_SERVICES];
	uint16_t target[2][WORLD_SERVICES][WORLD_TARGETS];
};

/** Sizes for tests; everything else is fixed, the seeds too. Aborts when out of range. */
struct sl_config world_config(uint32_t flows, uint32_t flows_ipv6, uint32_t max_targets,
			      uint32_t cpus);

/** Begin with tables that are all zero beside their config. */
void world_begin(struct world *world, struct sl_tables *tables);

/** Everything described above. @ifindex of the client's, the target's and the narrow interface. */
void world_fill(struct world *world, const uint32_t ifindex[3]);

/** Begin and fill over tables in plain memory, which world_free() frees; interfaces 1, 2 and 3. */
void world_make(struct world *world, struct sl_tables *tables, uint32_t flows);

uint32_t world_add_port(struct world *world, uint32_t ifindex, uint16_t outer, uint16_t inner,
			uint8_t mac_end, uint16_t mtu);
void world_add_snat(struct world *world, uint32_t zone, const char *address);
void world_add_vip(struct world *world, enum sl_vip_kind kind, const struct packet_end *end,
		   uint8_t protocol, uint16_t listener, uint8_t zone);
void world_remove_vip(struct world *world, const struct packet_end *end, uint8_t protocol);
uint16_t world_add_listener(struct world *world, uint32_t tcp_idle_ms, uint32_t udp_idle_ms);
void world_forward_to(struct world *world, uint16_t listener, uint16_t group, uint16_t weight);
/** @max_targets  room for Maglev tables: what world_spread() may find */
uint16_t world_add_group(struct world *world, uint32_t flags, uint32_t max_targets);
uint16_t world_add_target(struct world *world, uint16_t group, const struct packet_end *end,
			  uint64_t hop);

/** Build the Maglev table of a group anew from its active targets, for every zone. */
void world_spread(struct world *world, uint16_t group);

/** Change a target's state and spread its group. */
void world_set_target(struct world *world, uint16_t target, enum sl_target_state state);

/** MACs of the test's own making: 02:00:00:00:b4:b5. */
uint64_t world_mac(uint8_t b4, uint8_t b5);
uint64_t world_hop(uint32_t port, uint64_t mac);
void world_mac_bytes(uint64_t mac, uint8_t bytes[SL_MAC_BYTES]);

struct packet_end world_vip(bool v6, enum world_service service);
struct packet_end world_client(bool v6, uint32_t number, uint16_t port);

/** What client @number sends to a service: a SYN for TCP. */
struct packet_spec world_packet(const struct world *world, bool v6, uint8_t protocol,
				enum world_service service, uint32_t number, uint16_t port);

/**
 * What the receiver of a packet that left the balancer answers: ends and MACs
 * turned round, all else ordinary.
 */
struct packet_spec world_answer(const struct packet *packet);

/** Hand a packet to the path, as coming in by an interface. Returns a verdict. */
int world_receive(struct world *world, struct packet *packet, uint32_t ifindex);

/** Build and receive; @ret_packet is what came out. */
int world_send(struct world *world, const struct packet_spec *spec, enum world_port port,
	       struct packet *ret_packet);

/** Let time pass. */
void world_wait_ms(struct world *world, uint64_t ms);

/** Numbers of the flow of a packet that a client sent, 0 when there is none. */
uint32_t world_flow(const struct world *world, const struct packet_spec *spec);

/** State of a flow (enum sl_flow_state), 0 when it is none. */
uint32_t world_state(const struct world *world, bool v6, uint32_t flow);

/** Drops for a reason, on all CPUs. */
uint64_t world_drops(const struct world *world, enum sl_drop reason);

/**
 * Check what must hold whatever happened: each live flow has both its keys in
 * the index, exactly once, and each slot names a line of a live flow; a number
 * is in use, on one free list, or never used; counts of spilled keys are right.
 *
 * Returns NULL or what does not hold.
 */
const char *world_flaw(const struct world *world, bool v6);

#endif
