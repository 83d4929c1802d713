/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * In a network namespace of its own, which ends with the process; needs root.
 *
 *     veth: near ---- far, dot.10 ---- other (down)
 *     near.10: VLAN sub-interface, where the kernel can make one
 */
#define _GNU_SOURCE /* unshare */
#include "dataplane/interface.h"

#include "dataplane/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define FRAME_MAX 2048
#define WAIT_MS 5000

static void run(const char *command)
{
	if (system(command) != 0)
		fail_msg("failed: %s", command);
}

static struct in6_addr parsed(const char *text)
{
	struct in6_addr address;

	assert_int_equal(address_parse(text, &address), 0);
	return address;
}

static int enter_namespace(void **state)
{
	(void)state;
	if (unshare(CLONE_NEWNET) != 0) {
		perror("unshare(CLONE_NEWNET), which needs root");
		return -1;
	}
	run("ip link set lo up");
	run("ip link add near address 02:00:00:00:00:01 type veth peer name far");
	run("ip link set near mtu 1400 up");
	run("ip link set far up");
	run("ip link add dot.10 type veth peer name other");
	return 0;
}

/* A kernel without 8021q is no fault of ours; the skipped test says so. */
static void need_vlan(void)
{
	if (if_nametoindex("near.10") != 0)
		return;
	if (system("ip link add link near name near.10 type vlan id 10") != 0) {
		print_message("this kernel makes no VLAN sub-interfaces\n");
		skip();
	}
	run("ip link set near.10 up");
}

static void an_interface_is_described(void **state)
{
	static const uint8_t mac[] = {2, 0, 0, 0, 0, 1};
	struct interface interface;

	(void)state;
	assert_int_equal(interface_describe("near", &interface), 0);
	assert_int_equal(interface.index, if_nametoindex("near"));
	assert_memory_equal(interface.mac, mac, sizeof(mac));
	assert_int_equal(interface.mtu, 1400);
	assert_true(interface.up);
	assert_int_equal(interface.parent_index, 0); /* a veth's peer is no parent */
	assert_int_equal(interface.vlan_id, 0);
	run("ip link set far down");
	assert_int_equal(interface_describe("near", &interface), 0);
	assert_false(interface.up); /* no carrier */
	run("ip link set far up");
	run("ip link set near down");
	assert_int_equal(interface_describe("near", &interface), 0);
	assert_false(interface.up);
	run("ip link set near up");
}

static void a_vlan_sub_interface_is_described(void **state)
{
	struct interface interface;

	(void)state;
	need_vlan();
	assert_int_equal(interface_describe("near.10", &interface), 0);
	assert_int_equal(interface.index, if_nametoindex("near.10"));
	assert_int_equal(interface.parent_index, if_nametoindex("near"));
	assert_int_equal(interface.vlan_id, 10);
	assert_true(interface.up);
}

static void what_is_no_interface_is_not_described(void **state)
{
	struct interface interface = {.index = 4711};

	(void)state;
	assert_int_equal(interface_describe("nosuch", &interface), -ENODEV);
	assert_int_equal(interface_describe("a-name-longer-than-any", &interface), -ENODEV);
	assert_int_not_equal(interface_describe("", &interface), 0);
	assert_int_equal(interface.index, 4711);
}

/* The prefix length with which an interface has an address, or -1. */
static int find_address(const char *name, const char *text)
{
	struct in6_addr wanted = parsed(text);
	struct ifaddrs *list, *item;
	int length = -1;

	assert_int_equal(getifaddrs(&list), 0);
	for (item = list; item != NULL; item = item->ifa_next) {
		const uint8_t *mask;
		struct in6_addr has;
		size_t n;

		if (item->ifa_addr == NULL || strcmp(item->ifa_name, name) != 0)
			continue;
		if (item->ifa_addr->sa_family == AF_INET) {
			has = address_from_v4(((struct sockaddr_in *)item->ifa_addr)->sin_addr.s_addr);
			mask = (uint8_t *)&((struct sockaddr_in *)item->ifa_netmask)->sin_addr;
			n = 4;
		} else if (item->ifa_addr->sa_family == AF_INET6) {
			has = ((struct sockaddr_in6 *)item->ifa_addr)->sin6_addr;
			mask = (uint8_t *)&((struct sockaddr_in6 *)item->ifa_netmask)->sin6_addr;
			n = 16;
		} else {
			continue;
		}
		if (!address_equal(&has, &wanted))
			continue;
		length = 0;
		for (size_t i = 0; i < n; i++)
			length += __builtin_popcount(mask[i]);
	}
	freeifaddrs(list);
	return length;
}

static void an_address_is_added_once_and_removed_once(void **state)
{
	static const char *const cases[] = {"198.51.100.7", "2001:db8::7"};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct in6_addr address = parsed(cases[i]);
		bool added = false;

		assert_int_equal(interface_remove_address("near", &address), -EADDRNOTAVAIL);
		assert_int_equal(interface_add_address("near", &address, &added), 0);
		assert_true(added);
		assert_int_equal(find_address("near", cases[i]), i == 0 ? 32 : 128);
		assert_int_equal(interface_add_address("near", &address, &added), 0);
		assert_false(added);
		assert_int_equal(interface_remove_address("near", &address), 0);
		assert_int_equal(find_address("near", cases[i]), -1);
		assert_int_equal(interface_remove_address("near", &address), -EADDRNOTAVAIL);
	}
}

static void an_address_needs_an_interface(void **state)
{
	struct in6_addr address = parsed("198.51.100.7");
	bool added = true;

	(void)state;
	assert_int_equal(interface_add_address("nosuch", &address, &added), -ENODEV);
	assert_int_equal(interface_remove_address("nosuch", &address), -ENODEV);
	assert_true(added);
}

/* Usable at once (no duplicate detection), without a route of its own, and
 * never the source of what the machine itself sends. */
static void an_ipv6_address_is_usable_but_never_chosen(void **state)
{
	struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = htons(9),
				  .sin6_addr = parsed("2001:db8:1::9")}, from;
	struct in6_addr vip = parsed("2001:db8:1::8"), own = parsed("2001:db8:1:0:8000::1");
	struct sockaddr_in6 as_vip = {.sin6_family = AF_INET6, .sin6_addr = vip};
	socklen_t len = sizeof(from);
	bool added;
	int fd;

	(void)state;
	/* the VIP has the longer common prefix with the destination (RFC 6724 rule 8) */
	run("ip -6 address add 2001:db8:1:0:8000::1/64 dev near nodad");
	assert_int_equal(interface_add_address("near", &vip, &added), 0);
	fd = socket(AF_INET6, SOCK_DGRAM, 0);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&from, &len), 0);
	assert_true(address_equal(&from.sin6_addr, &own));
	close(fd);
	fd = socket(AF_INET6, SOCK_DGRAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&as_vip, sizeof(as_vip)), 0);
	close(fd);
	run("test -z \"$(ip -6 route show 2001:db8:1::8)\"");
	run("ip -6 address show dev near | grep -q 'inet6 2001:db8:1::8/128 .*deprecated'");
	run("! ip -6 address show dev near tentative | grep -q 2001:db8:1::8");
	assert_int_equal(interface_remove_address("near", &vip), 0);
	run("ip -6 address flush dev near scope global");
}

static int open_receiver(const char *name, uint16_t protocol)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(protocol),
				 .sll_ifindex = (int)if_nametoindex(name)};
	int fd = socket(AF_PACKET, SOCK_RAW, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

/* The next frame that came in and contains @bytes at @at, so that the kernel's own do not count. */
static size_t receive(int fd, uint8_t frame[FRAME_MAX], size_t at, const void *bytes, size_t size)
{
	for (;;) {
		struct pollfd pollfd = {.fd = fd, .events = POLLIN};
		ssize_t n;

		assert_int_equal(poll(&pollfd, 1, WAIT_MS), 1);
		n = recv(fd, frame, FRAME_MAX, 0);
		if (n >= (ssize_t)(at + size) && memcmp(frame + at, bytes, size) == 0)
			return (size_t)n;
	}
}

static void an_ipv4_address_is_announced_by_arp(void **state)
{
	static const uint8_t request[42] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x08, 0x06,
		0, 1, 8, 0, 6, 4, 0, 1,
		2, 0, 0, 0, 0, 1, 198, 51, 100, 7, 0, 0, 0, 0, 0, 0, 198, 51, 100, 7};
	static const uint8_t reply[42] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x08, 0x06,
		0, 1, 8, 0, 6, 4, 0, 2,
		2, 0, 0, 0, 0, 1, 198, 51, 100, 7, 2, 0, 0, 0, 0, 1, 198, 51, 100, 7};
	struct in6_addr address = parsed("198.51.100.7");
	int fd = open_receiver("far", ETH_P_ARP);
	uint8_t frame[FRAME_MAX];

	(void)state;
	assert_int_equal(interface_announce(if_nametoindex("near"), &address), 0);
	assert_true(receive(fd, frame, 28, &request[28], 4) >= sizeof(request));
	assert_memory_equal(frame, request, sizeof(request));
	assert_true(receive(fd, frame, 28, &request[28], 4) >= sizeof(reply));
	assert_memory_equal(frame, reply, sizeof(reply));
	close(fd);
}

static void a_neighbour_that_knew_it_elsewhere_learns(void **state)
{
	static const char *const cases[] = {"198.51.100.7", "2001:db8::7"};

	(void)state;
	/* "far" plays the neighbour: its entry for the address is wrong and stale */
	run("ip address add 198.51.100.100/24 dev far");
	run("ip -6 address add 2001:db8::100/64 dev far nodad");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct in6_addr address = parsed(cases[i]);
		char command[256];

		snprintf(command, sizeof(command),
			 "ip neigh replace %s lladdr 02:00:00:00:00:99 dev far nud stale", cases[i]);
		run(command);
		/* ARP entries are locked for a second after a change (neigh locktime) */
		run("echo 0 >/proc/sys/net/ipv4/neigh/far/locktime");
		assert_int_equal(interface_announce(if_nametoindex("near"), &address), 0);
		snprintf(command, sizeof(command),
			 "for _ in $(seq 500); do ip neigh show %s dev far | "
			 "grep -q 02:00:00:00:00:01 && exit 0; done; ip neigh; exit 1", cases[i]);
		run(command);
	}
	run("ip address flush dev far scope global");
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static void an_ipv6_address_is_announced_by_an_advertisement(void **state)
{
	struct in6_addr address = parsed("2001:db8::7"), all_nodes = parsed("ff02::1");
	static const uint8_t ethernet[14] = {0x33, 0x33, 0, 0, 0, 1, 2, 0, 0, 0, 0, 1, 0x86, 0xdd};
	static const uint8_t option[8] = {2, 1, 2, 0, 0, 0, 0, 1};
	int fd = open_receiver("far", ETH_P_IPV6);
	uint32_t sum = IPPROTO_ICMPV6 + 32;
	uint8_t frame[FRAME_MAX];

	(void)state;
	assert_int_equal(interface_announce(if_nametoindex("near"), &address), 0);
	assert_int_equal(receive(fd, frame, 22, &address, sizeof(address)), 86);
	assert_memory_equal(frame, ethernet, sizeof(ethernet));
	assert_int_equal(frame[14] >> 4, 6);
	assert_int_equal(frame[18] << 8 | frame[19], 32);
	assert_int_equal(frame[20], IPPROTO_ICMPV6);
	assert_int_equal(frame[21], 255);
	assert_memory_equal(frame + 38, &all_nodes, sizeof(all_nodes));
	assert_int_equal(frame[54], 136); /* neighbour advertisement */
	assert_int_equal(frame[58], 0x20); /* override */
	assert_memory_equal(frame + 62, &address, sizeof(address));
	assert_memory_equal(frame + 78, option, sizeof(option));
	for (size_t i = 22; i < 86; i += 2)
		sum += (uint32_t)(frame[i] << 8 | frame[i + 1]);
	assert_int_equal(fold(sum), 0xffff);
	close(fd);
}

static void a_vlan_sub_interface_announces_with_its_tag(void **state)
{
	struct in6_addr address = parsed("198.51.100.8");
	in_addr_t v4 = address_to_v4(&address);
	uint8_t frame[FRAME_MAX], control[256];
	struct iovec iov = {frame, sizeof(frame)};
	unsigned int tag = 0;
	int fd, on = 1;

	(void)state;
	need_vlan();
	fd = open_receiver("far", ETH_P_ALL);
	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)), 0);
	assert_int_equal(interface_announce(if_nametoindex("near.10"), &address), 0);
	do { /* the tag may come beside the frame, so both forms are looked for */
		struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
					 .msg_controllen = sizeof(control)};
		struct pollfd pollfd = {.fd = fd, .events = POLLIN};
		size_t at = 28;
		ssize_t n;

		assert_int_equal(poll(&pollfd, 1, WAIT_MS), 1);
		n = recvmsg(fd, &message, 0);
		if (n > 18 && frame[12] == 0x81 && frame[13] == 0) {
			tag = (unsigned int)(frame[14] << 8 | frame[15]);
			at += 4;
		}
		for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c != NULL;
		     c = CMSG_NXTHDR(&message, c)) {
			struct tpacket_auxdata data;

			memcpy(&data, CMSG_DATA(c), sizeof(data));
			if ((data.tp_status & TP_STATUS_VLAN_VALID) != 0)
				tag = data.tp_vlan_tci;
		}
		if (n < (ssize_t)at + 4 || memcmp(frame + at, &v4, 4) != 0)
			tag = 0;
	} while (tag == 0);
	assert_int_equal(tag, 10);
	close(fd);
}

static void what_cannot_be_announced_says_why(void **state)
{
	struct in6_addr v4 = parsed("198.51.100.7"), v6 = parsed("2001:db8::7");

	(void)state;
	assert_int_equal(interface_announce(4711, &v4), -ENODEV);
	assert_int_equal(interface_announce(if_nametoindex("dot.10"), &v4), -ENETDOWN);
	assert_int_equal(interface_announce(if_nametoindex("dot.10"), &v6), -ENETDOWN);
	assert_int_equal(interface_announce(if_nametoindex("lo"), &v4), -EAFNOSUPPORT);
}

static int read_number(const char *path)
{
	FILE *file = fopen(path, "r");
	int value;

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%d", &value), 1);
	fclose(file);
	return value;
}

static void a_sysctl_is_set(void **state)
{
	(void)state;
	assert_int_equal(interface_set_sysctl("near", AF_INET, "accept_local", 1), 0);
	assert_int_equal(read_number("/proc/sys/net/ipv4/conf/near/accept_local"), 1);
	assert_int_equal(interface_set_sysctl("near", AF_INET, "accept_local", 0), 0);
	assert_int_equal(read_number("/proc/sys/net/ipv4/conf/near/accept_local"), 0);
	assert_int_equal(interface_set_sysctl("dot.10", AF_INET, "rp_filter", 2), 0);
	assert_int_equal(read_number("/proc/sys/net/ipv4/conf/dot.10/rp_filter"), 2);
	assert_int_equal(interface_set_sysctl("near", AF_INET6, "forwarding", 1), 0);
	assert_int_equal(read_number("/proc/sys/net/ipv6/conf/near/forwarding"), 1);
}

static void a_sysctl_that_is_none_says_why(void **state)
{
	char name[5000];

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(interface_set_sysctl("nosuch", AF_INET, "forwarding", 1), -ENOENT);
	assert_int_equal(interface_set_sysctl("near", AF_INET, "nosuch", 1), -ENOENT);
	assert_int_equal(interface_set_sysctl("../near", AF_INET, "forwarding", 1), -EINVAL);
	assert_int_equal(interface_set_sysctl("..", AF_INET, "forwarding", 1), -EINVAL);
	assert_int_equal(interface_set_sysctl("near", AF_INET, "../../ip_forward", 1), -EINVAL);
	assert_int_equal(interface_set_sysctl("", AF_INET, "forwarding", 1), -EINVAL);
	assert_int_equal(interface_set_sysctl("near", AF_UNIX, "forwarding", 1), -EINVAL);
	assert_int_equal(interface_set_sysctl(name, AF_INET, "forwarding", 1), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_interface_is_described),
		cmocka_unit_test(a_vlan_sub_interface_is_described),
		cmocka_unit_test(what_is_no_interface_is_not_described),
		cmocka_unit_test(an_address_is_added_once_and_removed_once),
		cmocka_unit_test(an_address_needs_an_interface),
		cmocka_unit_test(an_ipv6_address_is_usable_but_never_chosen),
		cmocka_unit_test(an_ipv4_address_is_announced_by_arp),
		cmocka_unit_test(an_ipv6_address_is_announced_by_an_advertisement),
		cmocka_unit_test(a_neighbour_that_knew_it_elsewhere_learns),
		cmocka_unit_test(a_vlan_sub_interface_announces_with_its_tag),
		cmocka_unit_test(what_cannot_be_announced_says_why),
		cmocka_unit_test(a_sysctl_is_set),
		cmocka_unit_test(a_sysctl_that_is_none_says_why),
	};

	return cmocka_run_group_tests(tests, enter_namespace, NULL);
}
