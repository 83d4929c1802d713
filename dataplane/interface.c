/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/interface.h"

#include "dataplane/address.h"
#include "dataplane/netlink.h"

#include <libmnl/libmnl.h>

#include <errno.h>
#include <ifaddrs.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <netinet/icmp6.h>
#include <netinet/ip6.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOWER_UP (1u << 16) /* IFF_LOWER_UP; linux/if.h does not go with net/if.h */
#define FOREVER UINT32_MAX  /* lifetime of an address, seconds */
#define ND_HOP_LIMIT 255    /* RFC 4861 section 7.1.2: anything else was forwarded */

static void read_kind(const struct nlattr *link_info, struct interface *interface)
{
	const struct nlattr *kind = NULL, *data = NULL, *attribute;

	mnl_attr_for_each_nested(attribute, link_info) {
		if (mnl_attr_get_type(attribute) == IFLA_INFO_KIND)
			kind = attribute;
		if (mnl_attr_get_type(attribute) == IFLA_INFO_DATA)
			data = attribute;
	}
	interface->veth = kind != NULL && strcmp(mnl_attr_get_str(kind), "veth") == 0;
	if (kind == NULL || data == NULL || strcmp(mnl_attr_get_str(kind), "vlan") != 0)
		return;
	mnl_attr_for_each_nested(attribute, data) {
		if (mnl_attr_get_type(attribute) == IFLA_VLAN_ID)
			interface->vlan_id = mnl_attr_get_u16(attribute);
	}
}

static void read_link(void *context, const struct nlmsghdr *header)
{
	const struct ifinfomsg *link = mnl_nlmsg_get_payload(header);
	const struct nlattr *table[IFLA_MAX + 1];
	struct interface *interface = context;

	netlink_attributes(header, sizeof(*link), table, IFLA_MAX);
	interface->index = (unsigned int)link->ifi_index;
	interface->up = (link->ifi_flags & IFF_UP) != 0 && (link->ifi_flags & LOWER_UP) != 0;
	if (table[IFLA_ADDRESS] != NULL &&
	    mnl_attr_get_payload_len(table[IFLA_ADDRESS]) == INTERFACE_MAC_LEN)
		memcpy(interface->mac, mnl_attr_get_payload(table[IFLA_ADDRESS]), INTERFACE_MAC_LEN);
	if (table[IFLA_MTU] != NULL)
		interface->mtu = mnl_attr_get_u32(table[IFLA_MTU]);
	if (table[IFLA_LINKINFO] != NULL)
		read_kind(table[IFLA_LINKINFO], interface);
	if (interface->vlan_id != 0 && table[IFLA_LINK] != NULL && table[IFLA_LINK_NETNSID] == NULL)
		interface->parent_index = mnl_attr_get_u32(table[IFLA_LINK]);
}

int interface_describe(const char *name, struct interface *ret_interface)
{
	struct interface interface = {0};
	struct netlink *netlink = NULL;
	struct ifinfomsg *link;
	struct nlmsghdr *header;
	int r;

	if (strnlen(name, IF_NAMESIZE) == IF_NAMESIZE)
		return -ENODEV;
	r = netlink_open(&netlink);
	if (r < 0)
		return r;
	header = netlink_begin(netlink, RTM_GETLINK, 0, sizeof(*link), &link);
	link->ifi_family = AF_UNSPEC;
	mnl_attr_put_strz(header, IFLA_IFNAME, name);
	r = netlink_request(netlink, read_link, &interface);
	netlink_close(netlink);
	if (r < 0)
		return r;
	*ret_interface = interface;
	return 0;
}

/* RTM_NEWADDR and RTM_DELADDR. @ours: an IPv6 address that serves, and is nobody's own. */
static int change_address(const char *name, const struct address_prefix *prefix, bool ours,
			  uint16_t type, uint16_t flags)
{
	struct ifa_cacheinfo lifetime = {.ifa_prefered = 0, .ifa_valid = FOREVER};
	const struct in6_addr *address = &prefix->address;
	unsigned int index = if_nametoindex(name);
	struct netlink *netlink = NULL;
	struct ifaddrmsg *message;
	struct nlmsghdr *header;
	int r;

	if (index == 0)
		return -ENODEV;
	r = netlink_open(&netlink);
	if (r < 0)
		return r;
	header = netlink_begin(netlink, type, NLM_F_ACK | flags, sizeof(*message), &message);
	message->ifa_family = netlink_family(address);
	message->ifa_prefixlen = (uint8_t)prefix->length;
	message->ifa_scope = RT_SCOPE_UNIVERSE;
	message->ifa_index = index;
	netlink_put_address(header, IFA_LOCAL, address);
	netlink_put_address(header, IFA_ADDRESS, address);
	if (type == RTM_NEWADDR && !address_is_v4(address)) {
		mnl_attr_put_u32(header, IFA_FLAGS,
				 IFA_F_NODAD | (ours ? IFA_F_NOPREFIXROUTE : 0));
		if (ours)
			mnl_attr_put(header, IFA_CACHEINFO, sizeof(lifetime), &lifetime);
	}
	r = netlink_request(netlink, NULL, NULL);
	netlink_close(netlink);
	return r;
}

static struct address_prefix whole(const struct in6_addr *address)
{
	return (struct address_prefix){*address, address_is_v4(address) ? 32 : 128};
}

int interface_add_address(const char *name, const struct in6_addr *address, bool *ret_added)
{
	struct address_prefix prefix = whole(address);
	int r = change_address(name, &prefix, true, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);

	if (r < 0 && r != -EEXIST)
		return r;
	*ret_added = r == 0;
	return 0;
}

int interface_remove_address(const char *name, const struct in6_addr *address)
{
	struct address_prefix prefix = whole(address);

	return change_address(name, &prefix, true, RTM_DELADDR, 0);
}

int interface_assign(const char *name, const struct address_prefix *prefix)
{
	int r = change_address(name, prefix, false, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);

	return r == -EEXIST ? 0 : r;
}

struct arp_frame {
	struct ethhdr ethernet;
	struct arphdr arp;
	uint8_t sender_mac[INTERFACE_MAC_LEN];
	in_addr_t sender;
	uint8_t target_mac[INTERFACE_MAC_LEN];
	in_addr_t target;
} __attribute__((packed));

struct advertisement_frame {
	struct ethhdr ethernet;
	struct ip6_hdr ip;
	struct nd_neighbor_advert advert;
	struct nd_opt_hdr option;
	uint8_t mac[INTERFACE_MAC_LEN];
} __attribute__((packed));

_Static_assert(sizeof(struct arp_frame) == 42, "ARP for Ethernet and IPv4");
_Static_assert(sizeof(struct advertisement_frame) == 86, "advertisement with one option");

static int send_frame(int fd, unsigned int index, const void *frame, size_t size)
{
	const struct ethhdr *ethernet = frame;
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_protocol = ethernet->h_proto,
		.sll_ifindex = (int)index,
		.sll_halen = ETH_ALEN,
	};

	memcpy(to.sll_addr, ethernet->h_dest, ETH_ALEN);
	if (sendto(fd, frame, size, 0, (const struct sockaddr *)&to, sizeof(to)) < 0)
		return errno == ENXIO ? -ENODEV : -errno;
	return 0;
}

static int announce_v4(int fd, unsigned int index, const uint8_t *mac,
		       const struct in6_addr *address)
{
	static const uint16_t operations[] = {ARPOP_REQUEST, ARPOP_REPLY};
	struct arp_frame frame = {
		.ethernet.h_proto = htons(ETH_P_ARP),
		.arp.ar_hrd = htons(ARPHRD_ETHER),
		.arp.ar_pro = htons(ETH_P_IP),
		.arp.ar_hln = INTERFACE_MAC_LEN,
		.arp.ar_pln = sizeof(in_addr_t),
		.sender = address_to_v4(address),
		.target = address_to_v4(address),
	};

	memset(frame.ethernet.h_dest, 0xff, ETH_ALEN);
	memcpy(frame.ethernet.h_source, mac, ETH_ALEN);
	memcpy(frame.sender_mac, mac, INTERFACE_MAC_LEN);
	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
		int r;

		frame.arp.ar_op = htons(operations[i]);
		if (operations[i] == ARPOP_REPLY)
			memcpy(frame.target_mac, mac, INTERFACE_MAC_LEN);
		r = send_frame(fd, index, &frame, sizeof(frame));
		if (r < 0)
			return r;
	}
	return 0;
}

static uint32_t sum_words(uint32_t sum, const void *data, size_t size)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < size; i += 2)
		sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
	return sum;
}

static int announce_v6(int fd, unsigned int index, const uint8_t *mac,
		       const struct in6_addr *address)
{
	const size_t size = sizeof(struct advertisement_frame) -
			    offsetof(struct advertisement_frame, advert);
	struct advertisement_frame frame = {
		.ethernet = {.h_dest = {0x33, 0x33, 0, 0, 0, 1}, .h_proto = htons(ETH_P_IPV6)},
		.ip.ip6_flow = htonl(6u << 28),
		.ip.ip6_plen = htons((uint16_t)size),
		.ip.ip6_nxt = IPPROTO_ICMPV6,
		.ip.ip6_hlim = ND_HOP_LIMIT,
		.ip.ip6_src = *address,
		.ip.ip6_dst.s6_addr = {[0] = 0xff, [1] = 0x02, [15] = 1}, /* all nodes */
		.advert.nd_na_type = ND_NEIGHBOR_ADVERT,
		.advert.nd_na_flags_reserved = ND_NA_FLAG_OVERRIDE,
		.advert.nd_na_target = *address,
		.option = {.nd_opt_type = ND_OPT_TARGET_LINKADDR, .nd_opt_len = 1},
	};
	uint32_t sum;

	memcpy(frame.ethernet.h_source, mac, ETH_ALEN);
	memcpy(frame.mac, mac, INTERFACE_MAC_LEN);
	sum = sum_words(IPPROTO_ICMPV6 + (uint32_t)size, &frame.ip.ip6_src,
			sizeof(frame.ip.ip6_src) + sizeof(frame.ip.ip6_dst));
	sum = sum_words(sum, (const uint8_t *)&frame + offsetof(struct advertisement_frame, advert),
			size);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	frame.advert.nd_na_cksum = htons((uint16_t)~sum);
	return send_frame(fd, index, &frame, sizeof(frame));
}

int interface_announce(unsigned int index, const struct in6_addr *address)
{
	struct ifreq request = {0};
	const uint8_t *mac = (const uint8_t *)request.ifr_hwaddr.sa_data;
	int fd, r;

	if (if_indextoname(index, request.ifr_name) == NULL)
		return -ENODEV;
	/* protocol 0: sends only, never receives */
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (ioctl(fd, SIOCGIFHWADDR, &request) < 0)
		r = -errno;
	else if (request.ifr_hwaddr.sa_family != ARPHRD_ETHER)
		r = -EAFNOSUPPORT;
	else if (address_is_v4(address))
		r = announce_v4(fd, index, mac, address);
	else
		r = announce_v6(fd, index, mac, address);
	close(fd);
	return r;
}

/* A name that stays within the folder it is put into. */
static bool is_file_name(const char *name)
{
	return name[0] != '\0' && strchr(name, '/') == NULL && strcmp(name, ".") != 0 &&
	       strcmp(name, "..") != 0;
}

int interface_set_sysctl(const char *name, int family, const char *key, int value)
{
	char path[PATH_MAX], text[16];
	int fd, n, r = 0;

	if (!is_file_name(name) || !is_file_name(key) || (family != AF_INET && family != AF_INET6))
		return -EINVAL;
	/* not the dotted form, because a name may hold dots, as eth0.10 does */
	n = snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s/%s",
		     family == AF_INET ? "ipv4" : "ipv6", name, key);
	if (n < 0 || (size_t)n >= sizeof(path))
		return -EINVAL;
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = snprintf(text, sizeof(text), "%d", value);
	if (write(fd, text, (size_t)n) != n)
		r = -errno;
	close(fd);
	return r;
}

static unsigned int mask_length(const struct sockaddr *mask, size_t offset, size_t bytes)
{
	const unsigned char *byte = (const unsigned char *)mask + offset;
	unsigned int length = 0;

	for (size_t i = 0; i < bytes; i++)
		length += (unsigned int)__builtin_popcount(byte[i]);
	return length;
}

static bool prefix_of(const struct ifaddrs *entry, struct address_prefix *ret_prefix)
{
	if (entry->ifa_addr == NULL || entry->ifa_netmask == NULL)
		return false;
	if (entry->ifa_addr->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)entry->ifa_addr;

		ret_prefix->address = address_from_v4(in->sin_addr.s_addr);
		ret_prefix->length = mask_length(entry->ifa_netmask,
						 offsetof(struct sockaddr_in, sin_addr), 4);
		return ret_prefix->length < 32;
	}
	if (entry->ifa_addr->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)entry->ifa_addr;

		ret_prefix->address = in6->sin6_addr;
		ret_prefix->length = mask_length(entry->ifa_netmask,
						 offsetof(struct sockaddr_in6, sin6_addr), 16);
		return ret_prefix->length < 128;
	}
	return false;
}

int interface_reaches(const char *name, const struct in6_addr *address, bool *ret_on_link)
{
	struct address_prefix prefix;
	struct ifaddrs *all;
	bool found = false;

	if (getifaddrs(&all) != 0)
		return -errno;
	for (const struct ifaddrs *entry = all; entry != NULL && !found; entry = entry->ifa_next)
		found = strcmp(entry->ifa_name, name) == 0 && prefix_of(entry, &prefix) &&
			address_prefix_contains(&prefix, address);
	freeifaddrs(all);
	*ret_on_link = found;
	return 0;
}
