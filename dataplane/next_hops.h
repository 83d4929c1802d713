/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Next hops: to which interface and MAC address packets for an address go,
 * as the kernel's routes and neighbours have it, kept fresh.
 *
 * An address is watched. Its gateway (or the address itself, on a link) becomes
 * a managed neighbour of the kernel (NTF_EXT_MANAGED, Linux 5.16), which the
 * kernel resolves at once and keeps resolved without traffic; permanent entries
 * are left alone. Routes, rules, links and neighbours are followed by their
 * events. A neighbour table of the kernel holds net.ipv4.neigh.default.gc_thresh3
 * entries (1,024 unless set): more watched addresses on a link need more.
 *
 * One thread calls everything here. All addresses are looked up in the network
 * namespace in which next_hops_open() was called.
 */
#ifndef SLUICE_NEXT_HOPS_H
#define SLUICE_NEXT_HOPS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

struct next_hops;

struct next_hop {
	unsigned int ifindex; /* of the route; a VLAN sub-interface is named itself; 0 without route */
	uint8_t mac[6];	      /* zero unless resolved */
	bool resolved;	      /* the kernel would send now, to that MAC address */
	bool local;	      /* the address is one of this machine: there is no next hop */
};

/**
 * Start.
 *
 * @changed  called from next_hops_process() alone, when the next hop of a watched
 *           address is another than was last told; it must not call back into
 *           this module
 *
 * Returns 0, -ENOMEM, -EMFILE or what netlink said.
 */
int next_hops_open(void (*changed)(void *context, const struct in6_addr *address,
				   const struct next_hop *hop),
		   void *context, struct next_hops **ret_next_hops);

/** Stop; what is still watched is unwatched. NULL is fine. */
void next_hops_close(struct next_hops *next_hops);

/**
 * Watch an address; as often as it is unwatched.
 *
 * Costs a route lookup when the address is new, and does not wait for a
 * neighbour that is yet to be resolved: that is told by @changed.
 *
 * @ret_hop  the next hop now
 *
 * Returns 0, -ENOMEM or what the netlink socket said; an address without route
 * is no error but an unresolved next hop.
 */
int next_hops_watch(struct next_hops *next_hops, const struct in6_addr *address,
		    struct next_hop *ret_hop);

/** Undo one next_hops_watch(). The kernel no longer manages a neighbour that nobody needs.
 *  Returns 0 or -ENOENT. */
int next_hops_unwatch(struct next_hops *next_hops, const struct in6_addr *address);

/** File descriptor to poll for reading, then call next_hops_process(). Owned by @next_hops. */
int next_hops_fd(const struct next_hops *next_hops);

/**
 * Take in what happened and tell what changed. Work of one call is bounded: the
 * descriptor stays readable while there is more. Lost events (a full socket)
 * are made up for by reading everything again.
 *
 * Returns 0, or -ENOMEM or what netlink said: then a later call tries again.
 */
int next_hops_process(struct next_hops *next_hops);

#endif
