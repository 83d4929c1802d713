/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/netlink.h"

#include "dataplane/address.h"

#include <libmnl/libmnl.h>

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define REQUEST_MAX 4096
#define ANSWER_MAX 32768 /* the kernel fills up to this in one piece of a dump */

struct netlink {
	struct mnl_socket *socket;
	uint32_t sequence;
	_Alignas(struct nlmsghdr) char request[REQUEST_MAX];
	_Alignas(struct nlmsghdr) char answer[ANSWER_MAX];
};

int netlink_open(struct netlink **ret_netlink)
{
	struct netlink *netlink = calloc(1, sizeof(*netlink));
	int r;

	if (netlink == NULL)
		return -ENOMEM;
	netlink->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (netlink->socket == NULL || mnl_socket_bind(netlink->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		r = -errno;
		goto fail;
	}
	*ret_netlink = netlink;
	return 0;
fail:
	netlink_close(netlink);
	return r;
}

void netlink_close(struct netlink *netlink)
{
	if (netlink == NULL)
		return;
	if (netlink->socket != NULL)
		mnl_socket_close(netlink->socket);
	free(netlink);
}

struct nlmsghdr *netlink_begin(struct netlink *netlink, uint16_t type, uint16_t flags,
			       size_t header_size, void *ret_header)
{
	struct nlmsghdr *header = mnl_nlmsg_put_header(netlink->request);

	header->nlmsg_type = type;
	header->nlmsg_flags = NLM_F_REQUEST | flags;
	header->nlmsg_seq = ++netlink->sequence;
	*(void **)ret_header = mnl_nlmsg_put_extra_header(header, header_size);
	return header;
}

static int send_request(struct netlink *netlink)
{
	const struct nlmsghdr *header = (const void *)netlink->request;
	ssize_t n;

	do
		n = mnl_socket_sendto(netlink->socket, header, header->nlmsg_len);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

/*
 * Go through one piece of the answer. mnl_cb_run() will not do: at
 * NLM_F_DUMP_INTR it gives up and leaves the rest in the socket.
 *
 * Returns 1 when the answer is complete, 0 when more follows, or the kernel's error.
 */
static int take_answer(struct netlink *netlink, size_t size,
		       void (*message)(void *context, const struct nlmsghdr *header), void *context)
{
	const struct nlmsghdr *request = (const void *)netlink->request;
	const struct nlmsghdr *header = (const void *)netlink->answer;
	bool single = (request->nlmsg_flags & (NLM_F_DUMP | NLM_F_ACK)) == 0;
	int left = (int)size;

	for (; mnl_nlmsg_ok(header, left); header = mnl_nlmsg_next(header, &left)) {
		const struct nlmsgerr *error = mnl_nlmsg_get_payload(header);

		if (header->nlmsg_seq != request->nlmsg_seq)
			continue;
		if (header->nlmsg_type == NLMSG_DONE)
			return 1;
		if (header->nlmsg_type == NLMSG_ERROR) {
			if (mnl_nlmsg_get_payload_len(header) < sizeof(*error))
				return -EBADMSG;
			return error->error < 0 ? error->error : 1;
		}
		if (header->nlmsg_type < NLMSG_MIN_TYPE)
			continue;
		if (message != NULL)
			message(context, header);
		if (single)
			return 1;
	}
	return 0;
}

int netlink_request(struct netlink *netlink,
		    void (*message)(void *context, const struct nlmsghdr *header), void *context)
{
	int r = send_request(netlink);

	while (r == 0) {
		ssize_t n = mnl_socket_recvfrom(netlink->socket, netlink->answer,
						sizeof(netlink->answer));

		if (n >= 0)
			r = take_answer(netlink, (size_t)n, message, context);
		else if (errno != EINTR)
			r = -errno;
	}
	return r < 0 ? r : 0;
}

uint8_t netlink_family(const struct in6_addr *address)
{
	return address_is_v4(address) ? AF_INET : AF_INET6;
}

void netlink_put_address(struct nlmsghdr *header, uint16_t type, const struct in6_addr *address)
{
	in_addr_t v4 = address_to_v4(address);

	if (address_is_v4(address))
		mnl_attr_put(header, type, sizeof(v4), &v4);
	else
		mnl_attr_put(header, type, sizeof(*address), address);
}

int netlink_get_address(const void *data, size_t size, struct in6_addr *ret_address)
{
	in_addr_t v4;

	if (size == sizeof(v4)) {
		memcpy(&v4, data, sizeof(v4));
		*ret_address = address_from_v4(v4);
	} else if (size == sizeof(*ret_address)) {
		memcpy(ret_address, data, sizeof(*ret_address));
	} else {
		return -EINVAL;
	}
	return 0;
}

void netlink_attributes(const struct nlmsghdr *header, size_t header_size,
			const struct nlattr **table, unsigned int max)
{
	const struct nlattr *attribute;

	memset(table, 0, (max + 1) * sizeof(table[0]));
	mnl_attr_for_each(attribute, header, (unsigned int)header_size) {
		if (mnl_attr_get_type(attribute) <= max)
			table[mnl_attr_get_type(attribute)] = attribute;
	}
}
