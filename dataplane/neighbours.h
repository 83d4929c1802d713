/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Neighbours: a mirror of the kernel's neighbour entries, and those that it is
 * asked to manage. A part of next_hops.c, which feeds it with netlink messages
 * and hangs its watches onto the entries; same rules.
 */
#ifndef SLUICE_NEIGHBOURS_H
#define SLUICE_NEIGHBOURS_H

#include "dataplane/netlink.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

#define NEIGHBOUR_MAC_LEN 6

struct watch;

struct neighbour_key {
	struct in6_addr address;
	uint32_t ifindex;
};
_Static_assert(sizeof(struct neighbour_key) == 20, "hashed and compared as bytes");

/* A neighbour that the kernel has, or that is the gateway of a watched address, or both. */
struct neighbour {
	struct neighbour_key key;
	struct watch *watches; /* the user's list; NULL if it is nobody's gateway */
	struct neighbour *changed_prev, *changed_next;
	uint16_t state; /* NUD_... */
	uint8_t mac[NEIGHBOUR_MAC_LEN];
	bool has_mac;
	bool in_kernel;
	bool managed; /* says the kernel */
	bool asked;   /* to manage it, since it last came into being */
	bool changed; /* in neighbours->changed */
	UT_hash_handle hh;
};

struct neighbours { /* zeroed is empty, save @requests */
	struct netlink *requests; /* the user's */
	struct neighbour *table;
	struct neighbour *changed;
};

/** Find or make an entry; it lives until neighbours_release(). NULL: no memory. */
struct neighbour *neighbours_get(struct neighbours *neighbours, const struct neighbour_key *key);

/** Whether the kernel would send to it now, to neighbour->mac. */
bool neighbour_is_resolved(const struct neighbour *neighbour);

/** Take an RTM_NEWNEIGH or RTM_DELNEIGH in; what it changes is for neighbours_next_changed().
 *  Returns 0, also when it is of no interest, or -ENOMEM. */
int neighbours_take(struct neighbours *neighbours, const struct nlmsghdr *header);

/** Forget what the kernel told; all entries become changed ones. */
void neighbours_forget(struct neighbours *neighbours);

/** Have the kernel resolve an entry and keep it resolved, unless it does or the entry is
 *  permanent. Asks once for each life of the entry. */
void neighbours_manage(struct neighbours *neighbours, struct neighbour *neighbour);

/** The next watched entry that changed, once; NULL behind the last. It is managed again if the
 *  kernel lost it. */
struct neighbour *neighbours_next_changed(struct neighbours *neighbours);

/**
 * An entry lost its last watch: the kernel need not manage it any more, and it is
 * freed unless the kernel has it.
 *
 * The flag is taken away from any neighbour that was watched, whoever set it:
 * else those that a killed process left behind would be managed for ever.
 */
void neighbours_release(struct neighbours *neighbours, struct neighbour *neighbour);

/** Free all entries. */
void neighbours_clear(struct neighbours *neighbours);

#endif
