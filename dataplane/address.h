/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One type for an IPv4 or IPv6 address: struct in6_addr, IPv4 in its mapped
 * form ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2). All functions are pure.
 */
#ifndef SLUICE_ADDRESS_H
#define SLUICE_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>

#define ADDRESS_TEXT_MAX INET6_ADDRSTRLEN

/**
 * Read an address from its text form.
 *
 * @text        dotted IPv4, or IPv6 as RFC 4291 writes it; an IPv4-mapped
 *              IPv6 text is refused, so that an address has one spelling
 * @ret_address written only on success
 *
 * Returns 0, or -EINVAL.
 */
int address_parse(const char *text, struct in6_addr *ret_address);

/** Write @address as text, IPv4 dotted. Returns @text, never fails. */
const char *address_format(const struct in6_addr *address, char text[ADDRESS_TEXT_MAX]);

/** Make the mapped form of an IPv4 address given in network order. */
struct in6_addr address_from_v4(in_addr_t v4);

/** The IPv4 address in network order; meaningful only if address_is_v4(). */
in_addr_t address_to_v4(const struct in6_addr *address);

bool address_is_v4(const struct in6_addr *address);
bool address_equal(const struct in6_addr *a, const struct in6_addr *b);

/** An address prefix. @length counts bits of the address's own family: 0 to 32 or 0 to 128. */
struct address_prefix {
	struct in6_addr address;
	unsigned int length;
};

/**
 * Read "10.0.0.1/24" or "fd00::1/64": the address of an interface and the
 * length of its network's prefix. Returns 0, or -EINVAL.
 */
int address_prefix_of_interface(const char *text, struct address_prefix *ret_prefix);

/**
 * Read "10.0.0.0/24" or "fd00::/64". Bits behind the prefix must be zero.
 *
 * Returns 0, or -EINVAL.
 */
int address_prefix_parse(const char *text, struct address_prefix *ret_prefix);

/** Whether @address is of the prefix's family and lies inside it. */
bool address_prefix_contains(const struct address_prefix *prefix, const struct in6_addr *address);

#endif
