/* SPDX-License-Identifier: BSD-3-Clause */
/* What groups.c (numbers and staging) and groups_maglev.c (tables) share. */
#ifndef SLUICE_GROUPS_INTERNAL_H
#define SLUICE_GROUPS_INTERNAL_H

#include "arena.h"
#include "groups.h"

#include <uthash.h>
#include <utlist.h>

struct target_key {
	struct in6_addr address;
	uint16_t port;
	uint16_t reserved; /* hashed: always 0 */
};

struct target {
	struct target_key key;
	uint16_t number;
	uint8_t zones;
	enum engine_target_state state;
	bool seen;	 /* put since the reconciliation began */
	bool removed;	 /* staged: leaves with the next commit */
	bool end_flows;	 /* with it, its flows */
	uint64_t left_ns; /* when it left */
	struct target *next_leaving, *prev_leaving;
	struct target *next_same, *prev_same; /* of the same address */
	UT_hash_handle hh, hh_back;
};

struct group {
	uint64_t id;
	uint16_t number;
	struct engine_group settings;
	struct target *targets; /* hash by key */
	struct target *leaving; /* left, but flows name them */
	struct target *back;	/* hash by key of those that come back as they were when put again */
	uint32_t room[SL_MAX_ZONES]; /* entries that each zone's table has room for; 0: none */
	bool seen, removed, dirty;
	struct group *next_dirty;
	UT_hash_handle hh;
};

/* All targets of one address: they share a next hop. */
struct address {
	struct in6_addr address;
	uint64_t hop;
	struct target *targets;
	UT_hash_handle hh;
};

struct groups {
	struct sl_tables *tables;
	struct vip_table *vips;
	struct groups_callbacks callbacks;
	struct arena *arena;
	struct group *by_id;
	struct address *addresses;
	struct group *dirty;
	struct group *gone; /* let go, but targets of it are leaving; linked by next_dirty */
	uint16_t *free_targets; /* ring, oldest first */
	uint32_t n_free_targets, head_target;
	uint16_t *free_groups;
	uint32_t n_free_groups;
	uint32_t n_targets;
	bool ending; /* a target began to end TCP flows: groups_take_ending() */
};

/* groups.c */
struct group *groups_find(const struct groups *groups, uint64_t id);
struct target_key groups_target_key(const struct in6_addr *address, uint16_t port);
struct target *groups_target_find(const struct group *group, const struct target_key *key);
void groups_mark_dirty(struct groups *groups, struct group *group);
void groups_free_number(struct groups *groups, uint16_t number);
/** A target is out of its group's hash; its record's state says how it left. */
void groups_target_leave(struct groups *groups, struct group *group, struct target *target);
/** Watch the next hop of a target's address. 0, -ENOMEM, -ENOSPC. */
int groups_address_hold(struct groups *groups, struct target *target);

/* groups_counters.c */
/** Sum over the CPUs. */
struct sl_target_counters groups_count_target(const struct groups *groups, uint16_t number);
void groups_count_clear(struct groups *groups, uint16_t number);
/** Keep the counters of a target that is forgotten in its group's. */
void groups_retain(struct groups *groups, const struct group *group,
		   const struct sl_target_counters *c);

/* groups_maglev.c */
/** Build the tables of a group from its targets and let packets see them. 0, -ENOSPC, -ENOMEM. */
int groups_build(struct groups *groups, struct group *group, uint64_t now_ns);

/** Give the memory of a group's tables back. */
void groups_unbuild(struct groups *groups, struct group *group, uint64_t now_ns);

/** Note the tables of a group that was taken over. 0 or -ENOSPC. */
int groups_adopt_tables(struct groups *groups, struct group *group);

#endif
