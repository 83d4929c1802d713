/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Engine: the packet path as control/ knows it.
 *
 * Control owns the model and calls the functions below; the engine keeps a
 * mirror of it in flat tables that the packet path reads. A change is staged by
 * the put and remove calls and becomes visible to packets in engine_commit(),
 * which returns only when the path does what was asked. Objects are named by
 * the 64-bit number that ends their ARN, so an engine that outlived sluiced is
 * taken over by putting the whole model again between engine_reconcile_begin()
 * and engine_reconcile_end().
 *
 * Threading: one control thread calls everything here; no call may block on
 * traffic. Addresses are struct in6_addr with IPv4 mapped (address.h). Ports
 * and numbers are in host order.
 */
#ifndef SLUICE_ENGINE_H
#define SLUICE_ENGINE_H

#include "address.h"

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ENGINE_ERROR_MAX 256	   /* bytes of an error text, with its NUL */
#define ENGINE_MAX_INTERFACES 16   /* interfaces one engine serves */
#define ENGINE_MAX_ZONES 8	   /* zones, the bits of a zone mask */
#define ENGINE_MAX_SNAT 16	   /* SNAT addresses of one zone, both families together */
#define ENGINE_MAX_WEIGHTED 5	   /* target groups of one listener */
#define ENGINE_MAX_VIPS 16	   /* VIPs of one listener: two families in each zone */
#define ENGINE_MAX_WORKERS 32
#define ENGINE_MAX_PORT_ADDRESSES 8
#define ENGINE_DEVICE_MAX 128 /* bytes of a device's name and arguments, with the NUL */
#define ENGINE_DIR_MAX 256
#define ENGINE_MAX_EAL 16
#define ENGINE_EAL_MAX 128
#define ENGINE_MAX_GROUP_TARGETS 1000 /* targets in one group, draining ones not counted */

struct engine;

enum engine_kind {
	ENGINE_MEMORY, /* tables only, no packets: unit tests, sluiced --check */
	ENGINE_XDP,
	ENGINE_DPDK,
};

enum engine_attach { ENGINE_ATTACH_AUTO, ENGINE_ATTACH_NATIVE, ENGINE_ATTACH_GENERIC };

struct engine_zone {
	char interface[IF_NAMESIZE]; /* VIPs and SNAT addresses are added to it */
	struct in6_addr snat[ENGINE_MAX_SNAT];
	unsigned int n_snat;
};

enum engine_hugepages { ENGINE_HUGEPAGES_AUTO, ENGINE_HUGEPAGES_ON, ENGINE_HUGEPAGES_OFF };

enum engine_idle { /* what a worker does that finds no packets */
	ENGINE_IDLE_AUTO,      /* sleep where all devices are virtual, else poll */
	ENGINE_IDLE_POLL,      /* ask again at once: the lowest latency, one whole core */
	ENGINE_IDLE_SLEEP,     /* sleep for a while, ever longer up to 250 us */
	ENGINE_IDLE_INTERRUPT, /* sleep until the device interrupts */
};

struct engine_dpdk_port {
	char device[ENGINE_DEVICE_MAX]; /* PCI address, or virtual device with its arguments */
	char interface[IF_NAMESIZE];	/* the tap by which the kernel sees the port */
	struct address_prefix addresses[ENGINE_MAX_PORT_ADDRESSES]; /* added to the tap */
	unsigned int n_addresses;
	uint32_t mtu; /* of IP packets, 1,280 to 9,000 */
};

struct engine_dpdk {
	struct engine_dpdk_port ports[ENGINE_MAX_INTERFACES];
	unsigned int n_ports;
	uint32_t workers[ENGINE_MAX_WORKERS]; /* CPU of each; none: the last this process may use */
	unsigned int n_workers;
	enum engine_hugepages hugepages;
	enum engine_idle idle;
	uint32_t memory_mib;   /* for packets; 0: what the ports need */
	uint32_t kernel_pps;   /* packets a second and port that the kernel is given, at most */
	char table_dir[ENGINE_DIR_MAX]; /* of the tables' file: on a tmpfs or hugetlbfs; "": chosen */
	char eal[ENGINE_MAX_EAL][ENGINE_EAL_MAX]; /* more arguments for DPDK */
	unsigned int n_eal;
};

struct engine_config {
	enum engine_kind kind;
	enum engine_attach attach;
	const char *pin_dir; /* below a bpffs; made if missing. ENGINE_XDP only */
	struct engine_dpdk dpdk; /* ENGINE_DPDK only */
	char interfaces[ENGINE_MAX_INTERFACES][IF_NAMESIZE];
	unsigned int n_interfaces;
	struct engine_zone zones[ENGINE_MAX_ZONES]; /* a zone is named by its place here */
	unsigned int n_zones;
	uint32_t max_flows;	 /* IPv4 flows, 1,024 to 8,388,608 */
	uint32_t max_flows_ipv6; /* IPv6 flows, same range */
	uint32_t max_targets;	 /* registrations over all groups, 1 to 65,535 */
	uint16_t snat_port_min;	 /* 1,024 .. snat_port_max */
	uint16_t snat_port_max;
};

enum engine_close_reason { /* how a flow ended; the texts are those of the access log */
	ENGINE_CLOSE_FIN,
	ENGINE_CLOSE_RST_CLIENT,
	ENGINE_CLOSE_RST_TARGET,
	ENGINE_CLOSE_IDLE,
	ENGINE_CLOSE_SYN_TIMEOUT,
	ENGINE_CLOSE_EVICTED,	/* gave way to a new flow in a full table */
	ENGINE_CLOSE_RST_LB_UNHEALTHY, /* its target failed (UDP: the flow moved) */
	ENGINE_CLOSE_RST_LB_DEREG,     /* its target left */
	ENGINE_CLOSE_ENDED,	       /* above: a flow ended; from here on: it was refused */
	ENGINE_CLOSE_NO_TARGET = ENGINE_CLOSE_ENDED,
	ENGINE_CLOSE_PORT_ALLOC, /* no SNAT port or address */
	ENGINE_CLOSE_TABLE_FULL,
	ENGINE_CLOSE_COUNT,
};

/** The close reason's name, as "fin" or "rst_client"; "unknown" when out of range. */
const char *engine_close_reason_name(enum engine_close_reason reason);

struct engine_flow { /* a live flow, or the record of an ended or refused one */
	struct in6_addr client, vip, nat, target; /* nat: what the target sees as source */
	uint16_t client_port, vip_port, nat_port, target_port;
	uint8_t protocol;	/* IPPROTO_TCP or IPPROTO_UDP */
	const char *state;	/* "half-open", "established", "closing", "lingering", "udp" */
	enum engine_close_reason reason; /* not of live flows */
	uint64_t listener_id, group_id;
	uint64_t client_bytes, client_packets; /* from the client, IP headers included */
	uint64_t target_bytes, target_packets; /* from the target */
	uint64_t start_ns, end_ns; /* CLOCK_MONOTONIC; end_ns of a live flow: last packet */
	unsigned int zone;	   /* of the VIP */
	bool fail_open;		   /* begun while its group failed open */
	uint32_t connect_us;	/* SYN to the target's SYN-ACK; 0 when there was none */
};

struct engine_events {
	void *context;
	/** A flow ended, or was refused: then it has no nat, no target, and maybe no group_id.
	 *  The record is valid only during the call. */
	void (*flow_ended)(void *context, const struct engine_flow *flow);
	/** Something an operator wants to know happened, e.g. "interface eth0 is down". */
	void (*changed)(void *context, const char *what);
};

/**
 * Start an engine, or take over the one whose tables are pinned below pin_dir.
 *
 * Nothing of the path changes before engine_reconcile_end(): a taken-over
 * engine keeps forwarding what it knew.
 *
 * @error receives a sentence that says what is wrong and what to do
 *
 * Returns 0, -EINVAL (a setting out of range), -EBUSY (another process holds
 * the engine), -EPROTO (pinned tables of another layout version or size),
 * -ENODEV (no such interface), -ENOMEM, or what the kernel said.
 */
int engine_open(const struct engine_config *config, const struct engine_events *events,
		struct engine **ret_engine, char error[ENGINE_ERROR_MAX]);

/** Give the engine up; NULL is fine. The xdp engine goes on forwarding. */
void engine_close(struct engine *engine);

/**
 * Stop forwarding: detach from the interfaces, remove pins, VIPs and SNAT
 * addresses. The engine is then only good for engine_close().
 *
 * Returns 0 or the first error; goes on behind an error.
 */
int engine_detach(struct engine *engine, char error[ENGINE_ERROR_MAX]);

/**
 * File descriptor to poll for reading; call engine_process() when it is ready.
 * Owned by the engine. Never fails.
 */
int engine_poll_fd(const struct engine *engine);

/** Handle what came in: flow records, neighbour and link changes. Calls the events; bounded work. */
void engine_process(struct engine *engine);

/* --- the model ----------------------------------------------------------- */

struct engine_group {
	bool preserve_client_ip;
	bool sticky_source_ip; /* stickiness.enabled, stickiness.type source_ip */
	bool proxy_header;     /* TCP flows that begin from now on get a PROXY v2 header */
	bool proxy_first_ack;  /* with the client's first ACK; else with its first payload */
	uint8_t fail_open;     /* mask of the zones where health does not matter: count flows as such */
	uint8_t zones;	       /* mask of the zones in which a listener uses this group */
};

enum engine_target_state {
	ENGINE_TARGET_ACTIVE,	 /* gets new flows */
	ENGINE_TARGET_IDLE,	 /* gets none; flows live on (draining) */
	ENGINE_TARGET_UNHEALTHY, /* gets none; a UDP flow moves with its client's next datagram */
	ENGINE_TARGET_ENDING,	 /* the same, and TCP flows end now: a RST to both sides */
};

struct engine_target {
	struct in6_addr address;
	uint16_t port;
	enum engine_target_state state;
	uint8_t zones; /* mask of the zones whose VIPs may choose it */
};

struct engine_weighted {
	uint64_t group_id;
	uint32_t weight; /* 0 to 999 */
};

struct engine_vip {
	struct in6_addr address;
	unsigned int zone;
};

struct engine_listener {
	struct engine_vip vips[ENGINE_MAX_VIPS]; /* all of one family */
	unsigned int n_vips;
	uint16_t port;
	bool tcp, udp;
	uint32_t tcp_idle_timeout_s, udp_idle_timeout_s;
	struct engine_weighted groups[ENGINE_MAX_WEIGHTED];
	unsigned int n_groups;
	bool sticky_groups; /* TargetGroupStickinessConfig: choose the group by source address */
};

/** Add the address of a load balancer to its zone's interface. Returns 0, also when it is there
 *  already, -ENOSPC, -ENOMEM or what netlink said. */
int engine_vip_put(struct engine *engine, const struct engine_vip *vip);
/** Returns 0, also when it was not there. */
int engine_vip_remove(struct engine *engine, const struct engine_vip *vip);

/** Add a target group or change its settings. Returns 0 or -ENOSPC (no free group slot). */
int engine_group_put(struct engine *engine, uint64_t group_id, const struct engine_group *group);
/** Remove a group with its targets; their flows live on. No listener may use it. -ENOENT. */
int engine_group_remove(struct engine *engine, uint64_t group_id);

/**
 * Add a target or change its state. What the state says of flows holds from the
 * commit on: the next packet of a flow meets it, and engine_process() takes care of
 * those that send none, a bounded number in each call.
 *
 * Returns 0, -ENOENT (no such group), -ENOSPC (no free target slot) or -ENOMEM.
 */
int engine_target_put(struct engine *engine, uint64_t group_id, const struct engine_target *target);

/**
 * Take a target out.
 *
 * @end_flows  true: its flows end now, TCP with a RST to both sides; false: they
 *             live until they end
 *
 * Returns 0 or -ENOENT.
 */
int engine_target_remove(struct engine *engine, uint64_t group_id, const struct in6_addr *address,
			 uint16_t port, bool end_flows);

/** How many more targets engine_target_put() can add. Slots of removed targets that
 *  still have flows are not free yet. */
uint32_t engine_targets_free(const struct engine *engine);

/** Add a listener or change it; established flows keep their target. -ENOENT (a group is
 *  unknown), -EEXIST (address and port belong to another listener), -ENOSPC. */
int engine_listener_put(struct engine *engine, uint64_t listener_id,
			const struct engine_listener *listener);
/** Packets to it are the kernel's from the commit on; its flows live on. -ENOENT. */
int engine_listener_remove(struct engine *engine, uint64_t listener_id);

/**
 * Make everything staged visible to packets; costs in proportion to what was
 * staged. Returns 0, or -ENOSPC when the Maglev arena is full: then groups keep
 * the table they had, and a later commit tries again.
 */
int engine_commit(struct engine *engine);

/** Between these two the whole model is put again; what was not put is removed at the end. */
void engine_reconcile_begin(struct engine *engine);
int engine_reconcile_end(struct engine *engine, char error[ENGINE_ERROR_MAX]);

/* --- what it tells ------------------------------------------------------- */

struct engine_counters { /* names as in nlb metrics; since the object was first put */
	uint64_t active_flows; /* may lag behind by one sweep of the flow table */
	uint64_t active_flows_tcp, active_flows_udp;
	uint64_t new_flows_tcp, new_flows_udp;
	uint64_t processed_packets, processed_bytes;
	uint64_t processed_bytes_tcp, processed_bytes_udp;
	uint64_t client_resets, target_resets, elb_resets;
	uint64_t rejected_flows_tcp, rejected_flows_udp, port_allocation_errors, unhealthy_routing_flows;
};

/** Counters of one object. Returns 0 or -ENOENT; groups and targets have no elb_resets and
 *  nothing behind it. A group's counters include targets that have left. */
int engine_listener_counters(const struct engine *engine, uint64_t listener_id,
			     struct engine_counters *ret_counters);
int engine_group_counters(const struct engine *engine, uint64_t group_id,
			  struct engine_counters *ret_counters);
int engine_target_counters(const struct engine *engine, uint64_t group_id,
			   const struct in6_addr *address, uint16_t port,
			   struct engine_counters *ret_counters);

struct engine_drop {
	const char *reason; /* stable identifier, e.g. "truncated" */
	const char *text;   /* a sentence */
	uint64_t packets;
};

/** Dropped packets by reason; returns how many entries @drops got, at most @max. */
size_t engine_drops(const struct engine *engine, struct engine_drop *drops, size_t max);

struct engine_device { /* a port of the dpdk engine */
	char name[ENGINE_DEVICE_MAX]; /* with its arguments */
	char interface[IF_NAMESIZE];  /* its tap */
	char driver[32];
	char offloads[160]; /* in use: "tx MBUF_FAST_FREE"; "none" */
	unsigned int queues;
	uint32_t mtu;
	bool up;
	/* packets; those of the device itself are since it was opened */
	uint64_t received, sent;
	uint64_t missed;	  /* the workers were too slow for them */
	uint64_t tx_dropped;	  /* the device took no more */
	uint64_t too_long;	  /* beyond its MTU */
	uint64_t to_kernel, from_kernel;
	uint64_t to_kernel_limited; /* above kernel_pps */
	uint64_t kernel_dropped;    /* kernel or workers took no more */
};

struct engine_dpdk_info {
	uint32_t workers[ENGINE_MAX_WORKERS]; /* CPU of each */
	unsigned int n_workers;
	const char *idle;
	bool huge_packets, huge_tables; /* what lies in huge pages */
	struct engine_device devices[ENGINE_MAX_INTERFACES];
	unsigned int n_devices; /* 0 in other engines */
};

struct engine_info {
	const char *kind;	 /* "xdp", "dpdk", "memory" */
	uint32_t layout_version; /* of the tables */
	bool taken_over;	 /* the tables outlived an earlier sluiced */
	uint32_t max_flows, max_flows_ipv6, flows, flows_ipv6; /* flows: live and lingering */
	uint32_t max_targets, targets, listeners, groups;
	uint64_t flow_records_lost; /* ends that found the ring buffer full */
	uint64_t refusals_unrecorded; /* refused flows above the limit of their records */
	struct {
		char name[IF_NAMESIZE];
		const char *mode; /* "native", "generic"; a driver's name in the dpdk engine */
		bool up;
	} interfaces[ENGINE_MAX_INTERFACES];
	unsigned int n_interfaces;
	struct engine_dpdk_info dpdk;
};
void engine_describe(const struct engine *engine, struct engine_info *ret_info);

struct engine_flow_filter { /* a field left zero (ids) or :: (addresses) matches all */
	uint64_t listener_id, group_id;
	struct in6_addr client, target;
	uint16_t client_port, target_port;
};

/**
 * Visit live flows, at most @max_scan table entries a call, so that a caller
 * can spread a large table over many turns of its event loop.
 *
 * @cursor  0 to begin; advanced; UINT64_MAX when the table's end was reached
 * @visit   returns false to stop: the cursor then stands behind that flow
 *
 * A flow that lives through all calls of a pass is seen exactly once.
 */
void engine_flows(const struct engine *engine, uint64_t *cursor, size_t max_scan,
		  const struct engine_flow_filter *filter,
		  bool (*visit)(void *context, const struct engine_flow *flow), void *context);

#endif
