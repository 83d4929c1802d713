/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * Tables: the flat memory that the packet path reads and that user space maps.
 *
 * Every table is an array of fixed-size records, so that a BPF array map, a
 * file in hugetlbfs and plain memory serve alike. Control writes the model's
 * mirror (VIPs, listeners, groups, targets, ports, zones) with plain stores:
 * whatever a reader must see whole is one aligned word, and a record is filled
 * before the word that makes it reachable is stored. Removed records stay
 * unused until no flow names them, so a reader never meets a foreign one.
 *
 * A change of any layout here must raise SL_LAYOUT_VERSION.
 */
#ifndef SL_TABLES_H
#define SL_TABLES_H

#include "packet.h"

#define SL_LAYOUT_VERSION 5u

#define SL_BUCKET_SLOTS 15
#define SL_MAX_GROUPS 4096    /* target groups */
#define SL_MAX_LISTENERS 4096
#define SL_MAX_ZONES 8
#define SL_MAX_SNAT 16	      /* addresses of one family in one zone */
#define SL_MAX_PORTS 64	      /* interfaces and VLANs the path sends to */
#define SL_PORT_PROBES 8      /* places where a port may stand in their table */
#define SL_MAX_WEIGHTED 5     /* groups of one listener */
#define SL_MAGLEV_CHUNK 32    /* entries of one 64-byte record */
#define SL_POOL_SHARDS 8      /* free lists of one flow pool */
#define SL_FRAGMENTS 8192     /* datagrams whose fragments are followed */
#define SL_NONE 0xffffu	      /* no target, no port */

/* Time is counted in ticks of 2^20 ns (1.05 ms): a shift instead of a division
 * for every packet. A tick count wraps after 52 days; only differences count. */
#define SL_TICK_SHIFT 20
#define SL_TICKS_OF_MS(ms) ((__u32)((__u64)(ms) * 1000000 >> SL_TICK_SHIFT))

/* --- why a packet was dropped -------------------------------------------- */

#define SL_DROP_REASONS(X)                                                                    \
	X(NONE, "none", "not dropped")                                                        \
	X(TRUNCATED, "truncated", "a header runs past the end of the packet")                 \
	X(MALFORMED, "malformed", "a length field contradicts another")                       \
	X(FRAGMENT, "fragment", "fragment without ports of no known datagram")                \
	X(NO_TARGET, "no_target", "the target group has no target for the flow")              \
	X(PORT_ALLOCATION, "port_allocation", "no SNAT port is free towards the target")      \
	X(NO_SNAT_ADDRESS, "no_snat_address", "the zone has no SNAT address of the family")   \
	X(TABLE_FULL, "table_full", "the flow table holds only live flows")                   \
	X(RACE, "race", "two processors made the same flow at once; the sender repeats")      \
	X(RST_UNWANTED, "rst_unwanted", "RST on no flow")                                     \
	X(REPLY_LIMIT, "reply_limit", "more ICMP errors to send than the limit allows")       \
	X(TTL_EXPIRED, "ttl_expired", "time to live ended here and no answer is due")         \
	X(TOO_BIG, "too_big", "larger than the next link and no answer is due")               \
	X(ADJUST, "adjust", "the driver gave no room to resize the packet")                   \
	X(PORT_DOWN, "port_down", "the interface towards the peer is not served any more")

enum sl_drop {
#define X(symbol, name, text) SL_DROP_##symbol,
	SL_DROP_REASONS(X) SL_DROP_COUNT
#undef X
};

/* --- flows --------------------------------------------------------------- */

/*
 * Index of the flow table: 64 bytes, 15 slots. A slot is 0 or a tag of the
 * key's hash above the number of the flow line that holds the key.
 */
struct sl_bucket {
	__u32 slot[SL_BUCKET_SLOTS];
	__u32 spilled; /* keys that had to go to their second bucket */
};

/*
 * One slot more of each of 16 buckets, side by side: the home slot, where a key
 * goes if it is free. In a table that is far from full nearly all keys are at
 * home, and these lines are few enough to stay in the processor's cache.
 */
#define SL_HOMES 16
struct sl_homes {
	__u32 slot[SL_HOMES];
};

enum sl_flow_state {
	SL_FLOW_FREE,
	SL_FLOW_NEW,	     /* being made, owned by one processor */
	SL_FLOW_HALF_OPEN,   /* SYN seen */
	SL_FLOW_ANSWERED,    /* SYN-ACK seen, the client's ACK not yet */
	SL_FLOW_ESTABLISHED, /* FINs seen are in the flags */
	SL_FLOW_LINGERING,   /* FIN both ways */
	SL_FLOW_RESET,	     /* RST seen */
	SL_FLOW_UDP,
	SL_FLOW_ENDING, /* being removed, owned by one processor; the state before is in the flags */
};

/* control word of a flow: one CAS moves the state of exactly this flow */
#define SL_CONTROL_STATE(c) ((c)&0xff)
#define SL_CONTROL_FLAGS(c) ((c) >> 8 & 0xff)
#define SL_CONTROL_VERSION(c) ((__u16)((c) >> 16))
#define SL_CONTROL(version, flags, state) \
	((__u32)(version) << 16 | (__u32)(flags) << 8 | (__u32)(state))
#define SL_FLAG_CLIENT_FIN 0x01
#define SL_FLAG_TARGET_FIN 0x02
#define SL_FLAG_RST_BY_TARGET 0x04 /* who sent the RST of SL_FLOW_RESET */

/*
 * One direction of a flow, as its packets look on arrival and what becomes of
 * them. 48 bytes, then addresses: an IPv4 line is one cache line, an IPv6 line
 * two. Line 2n is the client's direction of flow n, line 2n + 1 the target's.
 */
struct sl_flow_line {
	__be16 sport;
	__be16 dport;
	__u8 protocol;
	__u8 packets_high; /* bits 32..38 of the packet count, above SL_LINE_PROXY */
	__u16 version;	   /* odd while the line is no flow's */
	__be16 new_sport;
	__be16 new_dport;
	__u16 l3_delta; /* folded checksum deltas: addresses */
	__u16 l4_delta; /* addresses and ports */
	__u64 bytes;	/* IP lengths */
	__u32 packets;
	__u32 last_seen; /* ticks */
	__be32 last_ack; /* newest acknowledgement seen: where a RST to the other side begins */
	__u16 target;
	__u16 listener;
	union {
		struct { /* client's line */
			__u32 control;
			__u16 group;
			__u16 way_back; /* digest of the MAC and port its packets come from */
		};
		struct { /* target's line: the way back to the client */
			__u8 client_mac[SL_MAC_BYTES];
			__u16 client_port; /* number in the port table */
		};
	};
	__be32 address[]; /* saddr, daddr, new saddr, new daddr: 1 or 4 words each */
};

#define SL_LINE_PROXY 1 /* in packets_high of both lines: the flow has a PROXY header */
#define SL_PACKETS_HIGH_ONE 2

#define SL_LINE_BYTES_V4 64
#define SL_LINE_BYTES_V6 128

/* When a flow's target gets a PROXY header in front of what the client sends. */
enum sl_proxy_mode {
	SL_PROXY_NEVER,
	SL_PROXY_WITH_PAYLOAD, /* with the client's first bytes, or with its FIN */
	SL_PROXY_FIRST_ACK,    /* with the client's first ACK, or any later packet */
};

/* What an established packet never needs, unless its flow has a PROXY header. */
struct sl_flow_cold {
	__u64 start_ns;
	__u32 connect_us; /* SYN to SYN-ACK; 0 before */
	__u32 next_free;  /* free list */
	__u8 fail_open; /* chosen while its group failed open */
	__u8 zone;
	__u8 proxy; /* enum sl_proxy_mode */
	__u8 settled; /* the target acknowledged the whole header */
	__be32 isn; /* the client's, if there is a PROXY header; else 0 */
	__u8 unused[8];
};

/* Where unused flow numbers are: below `fresh` on the free lists or in use,
 * from `fresh` on never used. Number 0 is none. */
struct sl_flow_pool {
	__u32 fresh __attribute__((aligned(64)));
	__u32 hand __attribute__((aligned(64))); /* where the search for a victim goes on */
	__u32 evictable; /* half-open and lingering flows met by the last whole sweep */
	__u32 sweep_count; /* of the running one */
	__u32 sweep_next;  /* flow number */
	__u64 records_lost;
	struct {
		__u64 head __attribute__((aligned(64))); /* change count above flow number */
	} shard[SL_POOL_SHARDS];
};

/* A datagram whose first fragment was sent on: fragments without ports follow. */
struct sl_fragment {
	__be32 saddr[4];
	__be32 daddr[4];
	__be32 id;
	__u32 line; /* with the line's version: which flow */
	__u16 version;
	__u8 protocol;
	__u8 family; /* 4 or 6; 0 while it is written */
	__u32 seen;  /* ticks */
	__u32 reserved[4];
};

/* --- the model's mirror -------------------------------------------------- */

/* Entries of the address table: what an address (and port) is to us. */
enum sl_vip_kind {
	SL_VIP_LISTENER = 1, /* address, port and protocol of a listener */
	SL_VIP_OURS = 2,     /* VIP or SNAT address; port and protocol 0 */
	SL_VIP_TARGET = 3,   /* address of a target; port and protocol 0 */
};

struct sl_vip {
	__be32 address[4]; /* IPv4: first word, others 0 */
	__be16 port;
	__u8 protocol;
	__u8 kind;
	__u8 family; /* 4 or 6 */
	__u8 zone;
	__u16 listener;
	__u32 users; /* control only: how many want it */
	__u32 reserved;
};

struct sl_weighted {
	__u16 group;
	__u16 weight;
};

/* The groups a listener forwards to, with their weights. */
struct sl_forwarding {
	__u32 weights; /* their sum */
	__u8 n_groups;
	__u8 sticky_groups;
	__u16 reserved;
	struct sl_weighted groups[SL_MAX_WEIGHTED];
	__u32 padding;
};

struct sl_listener {
	__u64 id;	 /* of the ARN; 0: free */
	__u32 tcp_idle;	 /* ticks */
	__u32 udp_idle;	 /* ticks */
	__u32 active;	 /* which forwarding holds: the other is filled, then this flips */
	__u32 removed;	 /* control only: no packet finds it any more */
	struct sl_forwarding forwarding[2];
	__u32 padding[10];
};

#define SL_GROUP_PRESERVE 0x01 /* preserve_client_ip.enabled */
#define SL_GROUP_STICKY 0x02   /* stickiness.enabled, source_ip */
#define SL_GROUP_PROXY 0x04    /* proxy_protocol_v2.enabled; TCP flows take it when they begin */
#define SL_GROUP_PROXY_FIRST_ACK 0x08 /* its header_placement is on_first_ack */
#define SL_GROUP_FAIL_OPEN_BIT 8 /* of the first zone, the others above it */

struct sl_group {
	__u64 id; /* 0: free */
	__u32 flags;
	__u32 removed; /* control only: flows of its targets live on */
	/* per zone: Maglev table, number of the first chunk above number of entries */
	__u64 maglev[SL_MAX_ZONES];
	__u64 retained[6]; /* control only: counters of targets that left, as sl_target_counters */
};

enum sl_target_state {
	SL_TARGET_FREE,
	SL_TARGET_ACTIVE,  /* gets new flows */
	SL_TARGET_IDLE,	   /* gets none; flows live on */
	SL_TARGET_REMOVED, /* left its group; flows live on */
};

/* Flows that a target in any state ends. Control walks the table and ends them at
 * once; packets that come before it, or while it is away, end them, too. */
#define SL_ENDS_TCP 0x01 /* with a RST */
#define SL_ENDS_UDP 0x02 /* the client's next datagram begins a new flow */

struct sl_target {
	__be32 address[4]; /* IPv4: first word */
	__u64 next_hop;	   /* MAC in the low 6 bytes, port above; SL_NEXT_HOP_NONE */
	__be16 port;
	__u16 group;
	__u8 family; /* 4 or 6 */
	__u8 state;  /* enum sl_target_state */
	__u8 zones;  /* control only: mask */
	__u8 ends;   /* mask of SL_ENDS_… */
};

#define SL_NEXT_HOP_NONE (~0ull)
#define SL_NEXT_HOP_PORT(hop) ((__u16)((hop) >> 48))

/*
 * An interface, or a VLAN on one. The table is a hash table of itself: a port
 * stands at the first free place from sl_port_home() on. A change of a port is
 * a change of single words, and ifindex is written last.
 */
struct sl_port {
	__u32 ifindex; /* of the device that carries the VLAN; 0: unused */
	__u16 vlan[SL_MAX_VLAN_TAGS]; /* outer, inner; 0: none */
	__u8 mac[SL_MAC_BYTES];
	__u16 mtu; /* of IP packets */
	__u8 up;
	__u8 redirect; /* sends back only by redirection: see bpf/sl_xdp.bpf.c */
	__u8 reserved[14];
};

struct sl_zone {
	__u32 n_snat4;
	__u32 n_snat6;
	__be32 snat4[SL_MAX_SNAT];
	__be32 snat6[SL_MAX_SNAT][4];
	__u8 padding[56];
};

struct sl_maglev_chunk {
	__u16 target[SL_MAGLEV_CHUNK];
};

/* --- counters: one record a CPU and object, numbered cpu * objects + object --- */

enum sl_l4 { SL_L4_TCP, SL_L4_UDP, SL_L4_COUNT };

struct sl_listener_counters {
	__u64 packets[SL_L4_COUNT];
	__u64 bytes[SL_L4_COUNT];
	__u64 new_flows[SL_L4_COUNT];
	__u64 ended_flows[SL_L4_COUNT]; /* closed; may linger on */
	__u64 freed_flows;		/* entries given back */
	__u64 client_resets;
	__u64 target_resets;
	__u64 elb_resets;
	__u64 rejected_flows[SL_L4_COUNT];
	__u64 port_allocation_errors;
	__u64 unhealthy_routing_flows;
};

struct sl_target_counters {
	__u64 packets;
	__u64 bytes;
	__u64 new_flows[SL_L4_COUNT];
	__u64 ended_flows[SL_L4_COUNT];
	__u64 freed_flows;
	__u64 reserved;
};

/* Not of any object; also what limits our own ICMP errors. */
struct sl_cpu_counters {
	__u64 drops[SL_DROP_COUNT];
	__u64 reply_tick;   /* when the tokens were last filled up */
	__u64 reply_tokens; /* ICMP errors this CPU may still send in that tick */
	__u64 refusal_tick;   /* the same for records of refused flows */
	__u64 refusal_tokens;
	__u64 refusals_unrecorded;
	__u64 padding[(SL_DROP_COUNT + 5 + 7) / 8 * 8 - SL_DROP_COUNT - 5];
};

/* --- what never changes while the tables live ---------------------------- */

struct sl_family_config {
	__u32 buckets;
	__u32 flows;	 /* numbers 1 … flows are used */
	__u32 line_bits; /* low bits of a slot; the tag is above */
	__u32 reserved;
};

struct sl_config {
	__u32 magic;
	__u32 layout_version;
	struct sl_family_config family[2]; /* IPv4, IPv6 */
	__u64 seed[2]; /* of the flow table's hash */
	__u32 max_targets;
	__u32 vip_buckets;
	__u32 max_vips;
	__u32 maglev_chunks;
	__u32 cpus; /* that count: those of the packet path, and control as the last */
	__u16 snat_port_min;
	__u16 snat_port_max;
	__u32 padding[12];
};

#define SL_MAGIC 0x53756c31u /* "Sul1" */

/*
 * A flow that ended, or was refused, for user space. Numbers are those of the
 * tables. A refused flow has no nat, no target and no packets, and maybe no group.
 */
struct sl_flow_record {
	__be32 client[4], vip[4], nat[4], target[4];
	__be16 client_port, vip_port, nat_port, target_port;
	__u64 client_bytes, client_packets, target_bytes, target_packets;
	__u64 start_ns;
	__u32 end_ticks;
	__u32 connect_us;
	__u64 listener_id, group_id;
	__u8 family;
	__u8 protocol;
	__u8 reason; /* enum sl_close_reason */
	__u8 state;  /* enum sl_flow_state before the end */
	__u8 zone;
	__u8 fail_open; /* chosen while its group failed open */
	__u8 closing;	/* live flows: a FIN was seen */
	__u8 reserved;
};

enum sl_close_reason { /* order of enum engine_close_reason (engine.h) */
	SL_CLOSE_FIN,
	SL_CLOSE_RST_CLIENT,
	SL_CLOSE_RST_TARGET,
	SL_CLOSE_IDLE,
	SL_CLOSE_SYN_TIMEOUT,
	SL_CLOSE_EVICTED,
	SL_CLOSE_RST_LB_UNHEALTHY,
	SL_CLOSE_RST_LB_DEREG,
	SL_CLOSE_NO_TARGET, /* from here on: refused, never a flow */
	SL_CLOSE_PORT_ALLOC,
	SL_CLOSE_TABLE_FULL,
	SL_CLOSE_COUNT,
};

#define SL_ASSERT_SIZE(type, bytes) _Static_assert(sizeof(type) == (bytes), #type " is shared memory")
SL_ASSERT_SIZE(struct sl_bucket, 64);
SL_ASSERT_SIZE(struct sl_flow_line, 48);
SL_ASSERT_SIZE(struct sl_flow_cold, 32);
SL_ASSERT_SIZE(struct sl_flow_pool, 128 + 64 * SL_POOL_SHARDS);
SL_ASSERT_SIZE(struct sl_fragment, 64);
SL_ASSERT_SIZE(struct sl_vip, 32);
SL_ASSERT_SIZE(struct sl_listener, 128);
SL_ASSERT_SIZE(struct sl_group, 128);
SL_ASSERT_SIZE(struct sl_target, 32);
SL_ASSERT_SIZE(struct sl_port, 32);
SL_ASSERT_SIZE(struct sl_zone, 384);
SL_ASSERT_SIZE(struct sl_maglev_chunk, 64);
SL_ASSERT_SIZE(struct sl_listener_counters, 128);
SL_ASSERT_SIZE(struct sl_target_counters, 64);
SL_ASSERT_SIZE(struct sl_config, 128);
SL_ASSERT_SIZE(struct sl_flow_record, 144);
_Static_assert(sizeof(struct sl_cpu_counters) % 64 == 0, "no false sharing between CPUs");

/* --- what an engine brings ----------------------------------------------- */

/*
 * An engine defines sl_tables_t (its handle of the tables), sl_frame_t (a
 * packet in its hands) and the functions declared in engine_api.h before it
 * includes the rest of the core.
 */

#endif
