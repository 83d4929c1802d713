/* SPDX-License-Identifier: BSD-3-Clause */
#include "tap.h"

#include "dataplane/netlink.h"

#include <libmnl/libmnl.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define TUN_DEVICE "/dev/net/tun"
#define OUR_ALIAS "made by sluice" /* tells a tap that we made from one that an operator made */

static int fail_with(char error[ENGINE_ERROR_MAX], int r, const char *name, const char *what)
{
	snprintf(error, ENGINE_ERROR_MAX, "tap interface %s: %s: %s", name, what, strerror(-r));
	return r;
}

static struct ifreq request_for(const char *name)
{
	struct ifreq request = {0};

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	return request;
}

/* --- the alias ------------------------------------------------------------ */

static int set_alias(const struct tap *tap)
{
	struct netlink *netlink = NULL;
	struct ifinfomsg *link;
	struct nlmsghdr *header;
	int r = netlink_open(&netlink);

	if (r < 0)
		return r;
	header = netlink_begin(netlink, RTM_SETLINK, NLM_F_ACK, sizeof(*link), &link);
	link->ifi_family = AF_UNSPEC;
	link->ifi_index = (int)tap->ifindex;
	mnl_attr_put_strz(header, IFLA_IFALIAS, OUR_ALIAS);
	r = netlink_request(netlink, NULL, NULL);
	netlink_close(netlink);
	return r;
}

static void read_alias(void *context, const struct nlmsghdr *header)
{
	const struct nlattr *table[IFLA_MAX + 1];
	bool *ours = context;

	netlink_attributes(header, sizeof(struct ifinfomsg), table, IFLA_MAX);
	*ours = table[IFLA_IFALIAS] != NULL &&
		strcmp(mnl_attr_get_str(table[IFLA_IFALIAS]), OUR_ALIAS) == 0;
}

static bool is_ours(const struct tap *tap)
{
	struct netlink *netlink = NULL;
	struct ifinfomsg *link;
	bool ours = false;

	if (netlink_open(&netlink) < 0)
		return false;
	netlink_begin(netlink, RTM_GETLINK, 0, sizeof(*link), &link);
	link->ifi_index = (int)tap->ifindex;
	if (netlink_request(netlink, read_alias, &ours) < 0)
		ours = false;
	netlink_close(netlink);
	return ours;
}

/* --- opening -------------------------------------------------------------- */

static int attach(struct tap *tap, char error[ENGINE_ERROR_MAX])
{
	struct ifreq request = request_for(tap->name);
	bool was_there = if_nametoindex(tap->name) != 0;
	int r;

	tap->fd = open(TUN_DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (tap->fd < 0) {
		r = fail_with(error, -errno, tap->name, TUN_DEVICE);
		if (r == -ENOENT || r == -ENODEV)
			snprintf(error, ENGINE_ERROR_MAX,
				 "tap interface %s: there is no " TUN_DEVICE "; run `modprobe tun`",
				 tap->name);
		return r;
	}
	request.ifr_flags = IFF_TAP | IFF_NO_PI;
	if (ioctl(tap->fd, TUNSETIFF, &request) != 0) {
		r = -errno;
		if (r == -EBUSY)
			return fail_with(error, r, tap->name, "another process holds it");
		if (r == -EINVAL && was_there)
			return fail_with(error, r, tap->name,
					 "there is an interface of that name, and it is no tap");
		return fail_with(error, r, tap->name, "it cannot be made");
	}
	tap->ifindex = if_nametoindex(tap->name);
	if (was_there)
		return 0;
	r = set_alias(tap);
	if (r == 0 && ioctl(tap->fd, TUNSETPERSIST, 1) != 0)
		r = -errno;
	return r == 0 ? 0 : fail_with(error, r, tap->name, "it cannot be made to last");
}

static int set_up(const struct tap *tap, const uint8_t mac[INTERFACE_MAC_LEN], uint32_t mtu,
		  char error[ENGINE_ERROR_MAX])
{
	struct ifreq request = request_for(tap->name);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const char *what = "its MAC address";
	int r = 0;

	if (fd < 0)
		return fail_with(error, -errno, tap->name, "socket");
	request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
	memcpy(request.ifr_hwaddr.sa_data, mac, INTERFACE_MAC_LEN);
	if (ioctl(fd, SIOCSIFHWADDR, &request) != 0)
		goto fail;
	what = "its MTU";
	request.ifr_mtu = (int)mtu;
	if (ioctl(fd, SIOCSIFMTU, &request) != 0)
		goto fail;
	what = "bringing it up";
	if (ioctl(fd, SIOCGIFFLAGS, &request) != 0)
		goto fail;
	request.ifr_flags |= IFF_UP;
	if (ioctl(fd, SIOCSIFFLAGS, &request) == 0)
		goto done;
fail:
	r = fail_with(error, -errno, tap->name, what);
done:
	close(fd);
	return r;
}

int tap_open(const struct engine_dpdk_port *port, const uint8_t mac[INTERFACE_MAC_LEN],
	     struct tap *ret_tap, char error[ENGINE_ERROR_MAX])
{
	struct tap *tap = ret_tap;
	int r;

	*tap = (struct tap){.fd = -1};
	snprintf(tap->name, sizeof(tap->name), "%s", port->interface);
	r = attach(tap, error);
	if (r == 0)
		r = set_up(tap, mac, port->mtu, error);
	for (unsigned int i = 0; r == 0 && i < port->n_addresses; i++) {
		char text[ADDRESS_TEXT_MAX];

		r = interface_assign(tap->name, &port->addresses[i]);
		if (r < 0)
			fail_with(error, r, tap->name,
				  address_format(&port->addresses[i].address, text));
	}
	return r;
}

void tap_close(struct tap *tap)
{
	if (tap->fd >= 0)
		close(tap->fd);
	tap->fd = -1;
}

int tap_remove(struct tap *tap)
{
	int r = 0;

	if (tap->fd >= 0 && is_ours(tap) && ioctl(tap->fd, TUNSETPERSIST, 0) != 0)
		r = -errno;
	tap_close(tap);
	return r;
}

/* --- frames --------------------------------------------------------------- */

ssize_t tap_read(const struct tap *tap, void *frame, size_t room)
{
	ssize_t bytes = read(tap->fd, frame, room);

	return bytes < 0 ? -errno : bytes;
}

int tap_write(const struct tap *tap, const void *frame, size_t bytes)
{
	return write(tap->fd, frame, bytes) < 0 ? -errno : 0;
}

int tap_set_carrier(const struct tap *tap, bool up)
{
	int carrier = up;

	return ioctl(tap->fd, TUNSETCARRIER, &carrier) == 0 ? 0 : -errno;
}
