/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Interface: what the engines read and set of a network interface, in the
 * network namespace of the calling process. Each call is complete in itself:
 * it opens what it needs and may wait for the kernel's configuration lock.
 */
#ifndef SLUICE_INTERFACE_H
#define SLUICE_INTERFACE_H

#include "address.h"

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#define INTERFACE_MAC_LEN 6

struct interface {
	unsigned int index;
	uint8_t mac[INTERFACE_MAC_LEN]; /* zero when it has none of this length */
	uint32_t mtu;		   /* bytes of an IP packet */
	bool up;		   /* brought up, and there is a carrier */
	unsigned int parent_index; /* interface below a VLAN sub-interface; 0 for any other, and
				      when it lies in another network namespace */
	uint16_t vlan_id;	   /* of a VLAN sub-interface; 0 for any other */
	bool veth;		   /* one end of a pair */
};

/** Returns 0, -ENODEV (no such interface), -ENOMEM or what the kernel said. */
int interface_describe(const char *name, struct interface *ret_interface);

/**
 * Add an address with the full prefix, /32 or /128. An IPv6 address needs no
 * duplicate detection, adds no prefix route and is deprecated from the start,
 * so that the kernel chooses it as a source for no connection of its own (an
 * IPv4 one is not chosen while the interface has an earlier address).
 *
 * @ret_added  false when the interface had it already
 *
 * Returns 0, -ENODEV, -ENOMEM or what the kernel said, e.g. -EPERM.
 */
int interface_add_address(const char *name, const struct in6_addr *address, bool *ret_added);

/**
 * Whether @address is on this interface's link: inside the prefix of one of its
 * addresses, which must be shorter than the whole address.
 *
 * @ret_on_link  false, too, when there is no such interface
 *
 * Returns 0, or -ENOMEM or what the kernel said.
 */
int interface_reaches(const char *name, const struct in6_addr *address, bool *ret_on_link);

/** Take such an address away. Returns 0, -EADDRNOTAVAIL (it was not there), -ENODEV, -ENOMEM or
 *  what the kernel said. */
int interface_remove_address(const char *name, const struct in6_addr *address);

/**
 * Give an interface an address of its own, with the route to the network around
 * it. An IPv6 address needs no duplicate detection. It is no error when the
 * interface has the address already.
 *
 * Returns 0, -ENODEV, -ENOMEM or what the kernel said.
 */
int interface_assign(const char *name, const struct address_prefix *prefix);

/**
 * Tell the neighbours that @address is here now: they may know it at another
 * MAC address, and the kernel does not tell them when one is added.
 *
 * Sends a gratuitous ARP request and reply (RFC 5227 section 3; some systems
 * heed only one of the two) or an unsolicited neighbour advertisement that
 * overrides (RFC 4861 section 7.2.6), once. A VLAN sub-interface tags the frames.
 *
 * Returns 0, -ENODEV, -ENETDOWN (the interface is down), -EAFNOSUPPORT (its
 * addresses are no Ethernet addresses) or what the kernel said, e.g. -EPERM.
 */
int interface_announce(unsigned int index, const struct in6_addr *address);

/**
 * Write net.ipv4.conf.NAME.KEY or net.ipv6.conf.NAME.KEY.
 *
 * @family  AF_INET or AF_INET6
 * @key     e.g. "accept_local", "rp_filter", "forwarding"
 *
 * Returns 0, -EINVAL (a name or key with a slash, or another family), -ENOENT
 * (no such interface or key) or what the kernel said, e.g. -EROFS.
 */
int interface_set_sysctl(const char *name, int family, const char *key, int value);

#endif
