/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define V4_OFFSET 12 /* where a mapped address holds its IPv4 address, in bytes */
#define V4_BITS 32
#define V6_BITS 128

int address_parse(const char *text, struct in6_addr *ret_address)
{
	struct in6_addr v6;
	struct in_addr v4;

	if (inet_pton(AF_INET, text, &v4) == 1) {
		*ret_address = address_from_v4(v4.s_addr);
		return 0;
	}
	if (inet_pton(AF_INET6, text, &v6) != 1 || address_is_v4(&v6))
		return -EINVAL;
	*ret_address = v6;
	return 0;
}

const char *address_format(const struct in6_addr *address, char text[ADDRESS_TEXT_MAX])
{
	if (address_is_v4(address))
		return inet_ntop(AF_INET, &address->s6_addr[V4_OFFSET], text, ADDRESS_TEXT_MAX);
	return inet_ntop(AF_INET6, address, text, ADDRESS_TEXT_MAX);
}

struct in6_addr address_from_v4(in_addr_t v4)
{
	struct in6_addr address = {.s6_addr = {[10] = 0xff, [11] = 0xff}};

	memcpy(&address.s6_addr[V4_OFFSET], &v4, sizeof(v4));
	return address;
}

in_addr_t address_to_v4(const struct in6_addr *address)
{
	in_addr_t v4;

	memcpy(&v4, &address->s6_addr[V4_OFFSET], sizeof(v4));
	return v4;
}

bool address_is_v4(const struct in6_addr *address)
{
	return IN6_IS_ADDR_V4MAPPED(address);
}

bool address_equal(const struct in6_addr *a, const struct in6_addr *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* Whether the first @n_bits of both are the same. */
static bool bits_equal(const uint8_t *a, const uint8_t *b, unsigned int n_bits)
{
	uint8_t mask = (uint8_t)(0xff00 >> n_bits % 8);

	if (memcmp(a, b, n_bits / 8) != 0)
		return false;
	return mask == 0 || ((a[n_bits / 8] ^ b[n_bits / 8]) & mask) == 0;
}

/* Only one spelling of a length: no sign, no space, no leading zero. */
static int parse_length(const char *text, unsigned int max, unsigned int *ret_length)
{
	unsigned int length = 0;

	if (text[0] == '\0' || (text[0] == '0' && text[1] != '\0'))
		return -EINVAL;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		length = length * 10 + (unsigned int)(*text - '0');
		if (length > max)
			return -EINVAL;
	}
	*ret_length = length;
	return 0;
}

/* How many bits of a struct in6_addr stand before an address of this one's family. */
static unsigned int bits_before(const struct in6_addr *address)
{
	return address_is_v4(address) ? V6_BITS - V4_BITS : 0;
}

int address_prefix_of_interface(const char *text, struct address_prefix *ret_prefix)
{
	const char *slash = strchr(text, '/');
	struct address_prefix prefix;
	char copy[ADDRESS_TEXT_MAX];
	int r;

	if (slash == NULL || (size_t)(slash - text) >= sizeof(copy))
		return -EINVAL;
	memcpy(copy, text, (size_t)(slash - text));
	copy[slash - text] = '\0';
	r = address_parse(copy, &prefix.address);
	if (r < 0)
		return r;
	r = parse_length(slash + 1, V6_BITS - bits_before(&prefix.address), &prefix.length);
	if (r < 0)
		return r;
	*ret_prefix = prefix;
	return 0;
}

int address_prefix_parse(const char *text, struct address_prefix *ret_prefix)
{
	struct address_prefix prefix;
	int r;

	r = address_prefix_of_interface(text, &prefix);
	if (r < 0)
		return r;
	for (unsigned int bit = bits_before(&prefix.address) + prefix.length; bit < V6_BITS; bit++) {
		if ((prefix.address.s6_addr[bit / 8] & (0x80 >> bit % 8)) != 0)
			return -EINVAL;
	}
	*ret_prefix = prefix;
	return 0;
}

bool address_prefix_contains(const struct address_prefix *prefix, const struct in6_addr *address)
{
	if (address_is_v4(&prefix->address) != address_is_v4(address))
		return false;
	return bits_equal(prefix->address.s6_addr, address->s6_addr,
			  bits_before(address) + prefix->length);
}
