/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Netlink: requests to the kernel's routing socket and what its messages hold.
 *
 * Requests are answered within the kernel's send path, so waiting for an
 * answer is two system calls and no sleep, save that some requests wait for
 * the kernel's configuration lock. Addresses are struct in6_addr with IPv4
 * mapped, as everywhere. One thread at a time per struct netlink.
 */
#ifndef SLUICE_NETLINK_H
#define SLUICE_NETLINK_H

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

struct netlink;

/** Open a routing socket in the caller's network namespace. Returns 0, -ENOMEM or what the
 *  kernel said. */
int netlink_open(struct netlink **ret_netlink);

/** NULL is fine. */
void netlink_close(struct netlink *netlink);

/**
 * Begin a request.
 *
 * @type         RTM_...
 * @flags        NLM_F_...; NLM_F_REQUEST is added
 * @header_size  of the struct that follows, e.g. sizeof(struct rtmsg)
 * @ret_header   that struct, zeroed; valid until the next call
 *
 * Returns the message, for libmnl's mnl_attr_put functions; few attributes fit,
 * 4 KiB in all. Never fails.
 */
struct nlmsghdr *netlink_begin(struct netlink *netlink, uint16_t type, uint16_t flags,
			       size_t header_size, void *ret_header);

/**
 * Send the request and wait for its answer: of a dump all of it, with NLM_F_ACK
 * the acknowledgement, else one message.
 *
 * @message  called for each message of the answer, valid during the call; NULL
 *           if there is nothing to learn
 *
 * Returns 0, the kernel's error for this request, or what the socket said.
 * Dumps may miss what changed while they ran: subscribe to the changes first.
 */
int netlink_request(struct netlink *netlink,
		    void (*message)(void *context, const struct nlmsghdr *header), void *context);

/** Add an address as an attribute of 4 or 16 bytes. */
void netlink_put_address(struct nlmsghdr *header, uint16_t type, const struct in6_addr *address);

/**
 * Read an address attribute of @size bytes at @data.
 *
 * Returns 0, or -EINVAL: neither 4 nor 16 bytes.
 */
int netlink_get_address(const void *data, size_t size, struct in6_addr *ret_address);

/** AF_INET or AF_INET6. */
uint8_t netlink_family(const struct in6_addr *address);

/**
 * Find attributes by type.
 *
 * @header_size  of the struct behind the netlink header
 * @table        gets, at each type up to @max, the last attribute of that type
 *               or NULL; room for @max + 1
 */
void netlink_attributes(const struct nlmsghdr *header, size_t header_size,
			const struct nlattr **table, unsigned int max);

#endif
