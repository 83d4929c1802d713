/* SPDX-License-Identifier: BSD-3-Clause */
#define HASH_NONFATAL_OOM 1 /* an element that was not added has hh.tbl NULL */
#include "dataplane/next_hops.h"

#include "dataplane/address.h"
#include "dataplane/neighbours.h"
#include "dataplane/netlink.h"

#include <libmnl/libmnl.h>
#include <uthash.h>
#include <utlist.h>

#include <errno.h>
#include <net/if.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS_PER_CALL 64   /* datagrams of events taken in one next_hops_process() */
#define LOOKUPS_PER_CALL 1024 /* route lookups in one next_hops_process(): about 3 ms */
#define EVENTS_BUFFER_BYTES (4 << 20)
#define DATAGRAM_MAX 32768
#define LOWER_UP (1u << 16) /* IFF_LOWER_UP; linux/if.h does not go with net/if.h */

struct watch {
	struct in6_addr address;
	struct next_hop hop; /* as last told */
	struct neighbour *neighbour; /* NULL without route, and of a local address */
	struct watch *prev, *next;   /* of the same neighbour */
	struct watch *stale_prev, *stale_next;
	unsigned int n_users;
	bool local;
	bool stale; /* in next_hops->stale_watches */
	UT_hash_handle hh;
};

struct link {
	uint32_t ifindex;
	bool up;
	UT_hash_handle hh;
};

struct next_hops {
	void (*changed)(void *context, const struct in6_addr *address, const struct next_hop *hop);
	void *context;
	struct netlink *requests;
	struct mnl_socket *events;
	int fd;	     /* epoll: events and more_fd */
	int more_fd; /* eventfd: readable while a call left work */

	struct watch *watches;
	struct neighbours neighbours;
	struct link *links;
	struct watch *stale_watches; /* whose route is to be looked up again */

	/* what the events taken in this call touch */
	struct address_prefix routes[EVENTS_PER_CALL];
	unsigned int n_routes;
	bool all_routes, link_changed;
	bool lost; /* events, so that everything is to be read again */
	int error; /* in a callback of netlink_request() */
	_Alignas(struct nlmsghdr) char datagram[DATAGRAM_MAX];
};

/* --- watches -------------------------------------------------------------- */

struct route {
	struct neighbour_key gateway; /* ifindex 0 without route */
	bool local;
};

static void take_route(void *context, const struct nlmsghdr *header)
{
	const struct rtmsg *message = mnl_nlmsg_get_payload(header);
	const struct nlattr *table[RTA_MAX + 1], *gateway;
	struct route *route = context;
	const char *data;
	size_t size;

	netlink_attributes(header, sizeof(*message), table, RTA_MAX);
	route->local = message->rtm_type == RTN_LOCAL;
	if (message->rtm_type != RTN_UNICAST || table[RTA_OIF] == NULL)
		return;
	gateway = table[RTA_GATEWAY] != NULL ? table[RTA_GATEWAY] : table[RTA_VIA];
	if (gateway != NULL) {
		data = mnl_attr_get_payload(gateway);
		size = mnl_attr_get_payload_len(gateway);
		if (gateway == table[RTA_VIA]) { /* a gateway of the other family */
			data += offsetof(struct rtvia, rtvia_addr);
			size -= offsetof(struct rtvia, rtvia_addr);
		}
		if (netlink_get_address(data, size, &route->gateway.address) < 0)
			return;
	}
	route->gateway.ifindex = mnl_attr_get_u32(table[RTA_OIF]);
}

static int look_up_route(struct next_hops *next_hops, const struct in6_addr *address,
			 struct route *ret_route)
{
	struct route route = {.gateway.address = *address}; /* on a link it is its own gateway */
	struct nlmsghdr *header;
	struct rtmsg *message;
	int r;

	header = netlink_begin(next_hops->requests, RTM_GETROUTE, 0, sizeof(*message), &message);
	message->rtm_family = netlink_family(address);
	message->rtm_dst_len = address_is_v4(address) ? 32 : 128;
	netlink_put_address(header, RTA_DST, address);
	r = netlink_request(next_hops->requests, take_route, &route);
	if (r == -ENOMEM || r == -ENOBUFS)
		return r;
	*ret_route = r == 0 ? route : (struct route){0}; /* every other error says: no way there */
	return 0;
}

static void detach(struct next_hops *next_hops, struct watch *watch)
{
	struct neighbour *neighbour = watch->neighbour;

	if (neighbour == NULL)
		return;
	watch->neighbour = NULL;
	DL_DELETE(neighbour->watches, watch);
	if (neighbour->watches == NULL)
		neighbours_release(&next_hops->neighbours, neighbour);
}

/* Look the route of a watch up and put it to its neighbour. On an error it stays where it was. */
static int resolve(struct next_hops *next_hops, struct watch *watch)
{
	struct neighbour *neighbour = NULL;
	struct route route;
	int r;

	r = look_up_route(next_hops, &watch->address, &route);
	if (r < 0)
		return r;
	if (route.gateway.ifindex != 0) {
		neighbour = neighbours_get(&next_hops->neighbours, &route.gateway);
		if (neighbour == NULL)
			return -ENOMEM;
	}
	watch->local = route.local;
	if (neighbour == watch->neighbour)
		return 0;
	detach(next_hops, watch);
	watch->neighbour = neighbour;
	if (neighbour != NULL) {
		DL_APPEND(neighbour->watches, watch);
		neighbours_manage(&next_hops->neighbours, neighbour);
	}
	return 0;
}

static struct next_hop hop_of(const struct watch *watch)
{
	const struct neighbour *neighbour = watch->neighbour;
	struct next_hop hop = {.local = watch->local};

	if (neighbour == NULL)
		return hop;
	hop.ifindex = neighbour->key.ifindex;
	hop.resolved = neighbour_is_resolved(neighbour);
	if (hop.resolved)
		memcpy(hop.mac, neighbour->mac, NEIGHBOUR_MAC_LEN);
	return hop;
}

static void tell(struct next_hops *next_hops, struct watch *watch)
{
	struct next_hop hop = hop_of(watch);

	if (hop.ifindex == watch->hop.ifindex && hop.resolved == watch->hop.resolved &&
	    hop.local == watch->hop.local && memcmp(hop.mac, watch->hop.mac, NEIGHBOUR_MAC_LEN) == 0)
		return;
	watch->hop = hop;
	next_hops->changed(next_hops->context, &watch->address, &watch->hop);
}

static void note_stale(struct next_hops *next_hops, struct watch *watch)
{
	if (watch->stale)
		return;
	watch->stale = true;
	DL_APPEND2(next_hops->stale_watches, watch, stale_prev, stale_next);
}

static void forget_stale(struct next_hops *next_hops, struct watch *watch)
{
	if (!watch->stale)
		return;
	watch->stale = false;
	DL_DELETE2(next_hops->stale_watches, watch, stale_prev, stale_next);
}

int next_hops_watch(struct next_hops *next_hops, const struct in6_addr *address,
		    struct next_hop *ret_hop)
{
	struct watch *watch;
	int r;

	HASH_FIND(hh, next_hops->watches, address, sizeof(*address), watch);
	if (watch != NULL) {
		watch->n_users++;
		*ret_hop = watch->hop;
		return 0;
	}
	watch = calloc(1, sizeof(*watch));
	if (watch == NULL)
		return -ENOMEM;
	watch->address = *address;
	watch->n_users = 1;
	r = resolve(next_hops, watch);
	if (r < 0)
		goto fail;
	HASH_ADD(hh, next_hops->watches, address, sizeof(watch->address), watch);
	if (watch->hh.tbl == NULL) {
		r = -ENOMEM;
		goto fail;
	}
	watch->hop = hop_of(watch);
	*ret_hop = watch->hop;
	return 0;
fail:
	detach(next_hops, watch);
	free(watch);
	return r;
}

static void remove_watch(struct next_hops *next_hops, struct watch *watch)
{
	forget_stale(next_hops, watch);
	detach(next_hops, watch);
	HASH_DEL(next_hops->watches, watch);
	free(watch);
}

int next_hops_unwatch(struct next_hops *next_hops, const struct in6_addr *address)
{
	struct watch *watch;

	HASH_FIND(hh, next_hops->watches, address, sizeof(*address), watch);
	if (watch == NULL)
		return -ENOENT;
	if (--watch->n_users == 0)
		remove_watch(next_hops, watch);
	return 0;
}

/* --- events --------------------------------------------------------------- */

/* Counters, XDP programs and much else make link events; only up and down move routes. */
static void take_link(struct next_hops *next_hops, const struct nlmsghdr *header)
{
	const struct ifinfomsg *message = mnl_nlmsg_get_payload(header);
	uint32_t ifindex = (uint32_t)message->ifi_index;
	bool up = (message->ifi_flags & IFF_UP) != 0 && (message->ifi_flags & LOWER_UP) != 0;
	struct link *link;

	if (message->ifi_family != AF_UNSPEC)
		return; /* a bridge speaks about its port */
	HASH_FIND(hh, next_hops->links, &ifindex, sizeof(ifindex), link);
	if (header->nlmsg_type == RTM_DELLINK) {
		if (link != NULL)
			HASH_DEL(next_hops->links, link);
		free(link);
		next_hops->link_changed = true;
		return;
	}
	if (link == NULL) {
		link = calloc(1, sizeof(*link));
		if (link == NULL) {
			next_hops->error = -ENOMEM;
			return;
		}
		link->ifindex = ifindex;
		link->up = !up;
		HASH_ADD(hh, next_hops->links, ifindex, sizeof(link->ifindex), link);
		if (link->hh.tbl == NULL) {
			free(link);
			next_hops->error = -ENOMEM;
			return;
		}
	}
	if (link->up != up)
		next_hops->link_changed = true;
	link->up = up;
}

static void take_changed_route(struct next_hops *next_hops, const struct nlmsghdr *header)
{
	const struct rtmsg *message = mnl_nlmsg_get_payload(header);
	struct address_prefix prefix = {.length = message->rtm_dst_len};
	const struct nlattr *table[RTA_MAX + 1];

	netlink_attributes(header, sizeof(*message), table, RTA_MAX);
	if (table[RTA_DST] != NULL) {
		if (netlink_get_address(mnl_attr_get_payload(table[RTA_DST]),
					mnl_attr_get_payload_len(table[RTA_DST]),
					&prefix.address) < 0)
			return; /* of a family that is none of ours */
	} else if (message->rtm_family == AF_INET) {
		prefix.address = address_from_v4(INADDR_ANY);
	} else if (message->rtm_family != AF_INET6) {
		return;
	}
	if (next_hops->n_routes < EVENTS_PER_CALL)
		next_hops->routes[next_hops->n_routes++] = prefix;
	else
		next_hops->all_routes = true;
}

static void take_event(void *context, const struct nlmsghdr *header)
{
	struct next_hops *next_hops = context;

	switch (header->nlmsg_type) {
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		if (neighbours_take(&next_hops->neighbours, header) < 0)
			next_hops->error = -ENOMEM;
		break;
	case RTM_NEWLINK:
	case RTM_DELLINK:
		take_link(next_hops, header);
		break;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		take_changed_route(next_hops, header);
		break;
	case RTM_NEWRULE:
	case RTM_DELRULE:
	case RTM_NEWNEXTHOP:
	case RTM_DELNEXTHOP:
		next_hops->all_routes = true;
		break;
	default:
		break;
	}
}

/*
 * After a loss all that is left is thrown away: until its buffer was empty once,
 * the socket drops more without another error.
 */
static int drain_events(struct next_hops *next_hops)
{
	for (unsigned int i = 0; i < EVENTS_PER_CALL || next_hops->lost; i++) {
		ssize_t n = mnl_socket_recvfrom(next_hops->events, next_hops->datagram,
						sizeof(next_hops->datagram));
		const struct nlmsghdr *header = (const void *)next_hops->datagram;
		int left = (int)n;

		if (n < 0 && (errno == ENOBUFS || errno == ENOSPC)) /* dropped, or cut */
			next_hops->lost = true;
		else if (n < 0 && errno != EINTR)
			return errno == EAGAIN ? 0 : -errno;
		if (n < 0 || next_hops->lost)
			continue;
		for (; mnl_nlmsg_ok(header, left); header = mnl_nlmsg_next(header, &left))
			take_event(next_hops, header);
	}
	return 0;
}

static void forget_links(struct next_hops *next_hops)
{
	struct link *link, *next;

	HASH_ITER(hh, next_hops->links, link, next) {
		HASH_DEL(next_hops->links, link);
		free(link);
	}
}

static int dump(struct next_hops *next_hops, uint16_t type, size_t header_size)
{
	void *header;
	int r;

	next_hops->error = 0;
	netlink_begin(next_hops->requests, type, NLM_F_DUMP, header_size, &header);
	r = netlink_request(next_hops->requests, take_event, next_hops);
	return r < 0 ? r : next_hops->error;
}

/* Read everything that events would have told. */
static int read_all(struct next_hops *next_hops)
{
	int r;

	neighbours_forget(&next_hops->neighbours);
	forget_links(next_hops);
	r = dump(next_hops, RTM_GETLINK, sizeof(struct ifinfomsg));
	if (r < 0)
		return r;
	r = dump(next_hops, RTM_GETNEIGH, sizeof(struct ndmsg));
	if (r < 0)
		return r;
	next_hops->all_routes = true;
	next_hops->lost = false;
	return 0;
}

/*
 * The event of a link that goes down is sent before its IPv4 routes go, and
 * they go without an event. Asking about a link waits for the lock under which
 * all of that happens.
 */
static int wait_for_routes(struct next_hops *next_hops)
{
	struct ifinfomsg *message;

	netlink_begin(next_hops->requests, RTM_GETLINK, 0, sizeof(*message), &message);
	message->ifi_index = 1; /* lo: always there */
	return netlink_request(next_hops->requests, NULL, NULL);
}

static void find_stale(struct next_hops *next_hops)
{
	struct watch *watch, *next;

	if (next_hops->n_routes == 0 && !next_hops->all_routes)
		return;
	HASH_ITER(hh, next_hops->watches, watch, next) {
		bool stale = next_hops->all_routes;

		for (unsigned int i = 0; i < next_hops->n_routes && !stale; i++)
			stale = address_prefix_contains(&next_hops->routes[i], &watch->address);
		if (stale)
			note_stale(next_hops, watch);
	}
	next_hops->n_routes = 0;
	next_hops->all_routes = false;
}

static int resolve_stale(struct next_hops *next_hops)
{
	for (unsigned int i = 0; i < LOOKUPS_PER_CALL && next_hops->stale_watches != NULL; i++) {
		struct watch *watch = next_hops->stale_watches;
		int r = resolve(next_hops, watch);

		if (r < 0)
			return r;
		forget_stale(next_hops, watch);
		tell(next_hops, watch);
	}
	return 0;
}

/* Behind resolve_stale(), so that no neighbour of a route that is gone is made again. */
static void tell_of_neighbours(struct next_hops *next_hops)
{
	struct neighbour *neighbour;
	struct watch *watch;

	while ((neighbour = neighbours_next_changed(&next_hops->neighbours)) != NULL) {
		DL_FOREACH(neighbour->watches, watch)
			tell(next_hops, watch);
	}
}

static int take_in(struct next_hops *next_hops)
{
	int r;

	next_hops->error = 0;
	r = drain_events(next_hops);
	if (r == 0 && next_hops->error < 0) {
		next_hops->lost = true;
		r = next_hops->error;
	}
	if (r == 0 && next_hops->lost)
		r = read_all(next_hops);
	if (r == 0 && next_hops->link_changed)
		r = wait_for_routes(next_hops);
	if (r < 0)
		return r;
	next_hops->all_routes |= next_hops->link_changed;
	next_hops->link_changed = false;
	find_stale(next_hops);
	return resolve_stale(next_hops);
}

int next_hops_process(struct next_hops *next_hops)
{
	int r = take_in(next_hops);
	eventfd_t more;

	if (r == 0)
		tell_of_neighbours(next_hops);
	(void)eventfd_read(next_hops->more_fd, &more);
	if (r < 0 || next_hops->stale_watches != NULL)
		(void)eventfd_write(next_hops->more_fd, 1);
	return r;
}

int next_hops_fd(const struct next_hops *next_hops)
{
	return next_hops->fd;
}

/* --- start and end -------------------------------------------------------- */

static int subscribe(struct next_hops *next_hops)
{
	static const int groups[] = {
		RTNLGRP_LINK, RTNLGRP_NEIGH, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,
		RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE, RTNLGRP_NEXTHOP,
	};
	int size = EVENTS_BUFFER_BYTES;

	next_hops->events = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (next_hops->events == NULL ||
	    mnl_socket_bind(next_hops->events, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	/* without the privilege the buffer stays small, and events get lost sooner */
	(void)setsockopt(mnl_socket_get_fd(next_hops->events), SOL_SOCKET, SO_RCVBUFFORCE, &size,
			 sizeof(size));
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		int group = groups[i];

		if (mnl_socket_setsockopt(next_hops->events, NETLINK_ADD_MEMBERSHIP, &group,
					  sizeof(group)) < 0)
			return -errno;
	}
	return 0;
}

static int add_to_epoll(const struct next_hops *next_hops, int fd)
{
	struct epoll_event event = {.events = EPOLLIN};

	return epoll_ctl(next_hops->fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

int next_hops_open(void (*changed)(void *context, const struct in6_addr *address,
				   const struct next_hop *hop),
		   void *context, struct next_hops **ret_next_hops)
{
	struct next_hops *next_hops = calloc(1, sizeof(*next_hops));
	int r;

	if (next_hops == NULL)
		return -ENOMEM;
	next_hops->changed = changed;
	next_hops->context = context;
	next_hops->fd = epoll_create1(EPOLL_CLOEXEC);
	next_hops->more_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = next_hops->fd < 0 || next_hops->more_fd < 0 ? -errno : 0;
	if (r < 0)
		goto fail;
	r = netlink_open(&next_hops->requests);
	if (r < 0)
		goto fail;
	next_hops->neighbours.requests = next_hops->requests;
	r = subscribe(next_hops); /* before reading, so that nothing falls between */
	if (r < 0)
		goto fail;
	r = add_to_epoll(next_hops, mnl_socket_get_fd(next_hops->events));
	if (r < 0)
		goto fail;
	r = add_to_epoll(next_hops, next_hops->more_fd);
	if (r < 0)
		goto fail;
	r = read_all(next_hops);
	if (r < 0)
		goto fail;
	*ret_next_hops = next_hops;
	return 0;
fail:
	next_hops_close(next_hops);
	return r;
}

void next_hops_close(struct next_hops *next_hops)
{
	struct watch *watch, *next;

	if (next_hops == NULL)
		return;
	HASH_ITER(hh, next_hops->watches, watch, next)
		remove_watch(next_hops, watch);
	neighbours_clear(&next_hops->neighbours);
	forget_links(next_hops);
	if (next_hops->events != NULL)
		mnl_socket_close(next_hops->events);
	netlink_close(next_hops->requests);
	if (next_hops->more_fd >= 0)
		close(next_hops->more_fd);
	if (next_hops->fd >= 0)
		close(next_hops->fd);
	free(next_hops);
}
