/* SPDX-License-Identifier: BSD-3-Clause */
#include "healthcheck/endpoint.h"

#include "dataplane/address.h"

#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h> /* its tcp_info is longer than that of <netinet/tcp.h> */
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT_TRIES 32 /* of one probe */

enum probe_result endpoint_result(int error)
{
	switch (error) {
	case ECONNREFUSED:
		return PROBE_REFUSED;
	case ECONNRESET:
	case EPIPE:
		return PROBE_RESET;
	case ETIMEDOUT:
		return PROBE_TIMEOUT;
	default: /* no route, and whatever else ICMP tells from the way */
		return PROBE_UNREACHABLE;
	}
}

static enum probe_result socket_result(int error)
{
	switch (error) {
	case EMFILE:
	case ENFILE:
		return PROBE_NO_DESCRIPTORS;
	case ENOMEM:
	case ENOBUFS:
		return PROBE_NO_MEMORY;
	default:
		return PROBE_INTERNAL;
	}
}

static enum probe_result bind_result(int error)
{
	switch (error) {
	case EADDRINUSE:
		return PROBE_NO_PORT;
	case EADDRNOTAVAIL:
		return PROBE_NO_SOURCE;
	default:
		return socket_result(error);
	}
}

static enum probe_result connect_result(int error)
{
	switch (error) {
	case EADDRNOTAVAIL: /* a connection of these addresses and ports is there still */
	case EAGAIN:	    /* the same, when the kernel chooses the port */
		return PROBE_NO_PORT;
	case EINVAL:
	case ENOMEM:
	case ENOBUFS:
		return socket_result(error);
	default:
		return endpoint_result(error);
	}
}

static socklen_t socket_address(const struct in6_addr *address, uint16_t port,
				struct sockaddr_storage *ret_address)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret_address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret_address;

	memset(ret_address, 0, sizeof(*ret_address));
	if (address_is_v4(address)) {
		v4->sin_family = AF_INET;
		v4->sin_addr.s_addr = address_to_v4(address);
		v4->sin_port = htons(port);
		return sizeof(*v4);
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_addr = *address;
	v6->sin6_port = htons(port);
	return sizeof(*v6);
}

/* Port 0: the kernel chooses one when the socket connects. */
static int bind_source(int fd, const struct in6_addr *source, uint16_t port)
{
	struct sockaddr_storage address;
	socklen_t len = socket_address(source, port, &address);
	const int on = 1;
	/* one port towards many targets: only all four numbers together must be unique */
	int r = port == 0 ? setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on))
			  : setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));

	return r < 0 || bind(fd, (struct sockaddr *)&address, len) < 0 ? -errno : 0;
}

static int try_connect(const struct probe_put *put, uint16_t source_port, int *ret_fd,
		       enum probe_result *ret_result)
{
	struct sockaddr_storage address;
	socklen_t len = socket_address(&put->target, put->port, &address);
	int fd, r = 0;

	fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
	if (fd < 0) {
		r = -errno;
		*ret_result = socket_result(-r);
		return r;
	}
	if (!IN6_IS_ADDR_UNSPECIFIED(&put->source))
		r = bind_source(fd, &put->source, source_port);
	if (r < 0) {
		*ret_result = bind_result(-r);
		goto fail;
	}
	if (connect(fd, (struct sockaddr *)&address, len) < 0 && errno != EINPROGRESS) {
		r = -errno;
		*ret_result = connect_result(-r);
		goto fail;
	}
	*ret_fd = fd;
	return 0;
fail:
	close(fd);
	return r;
}

int endpoint_connect(const struct probe_put *put, uint32_t *cursor, int *ret_fd,
		     enum probe_result *ret_result)
{
	uint32_t ports = (uint32_t)put->source_port_max - put->source_port_min + 1;
	enum probe_result result = PROBE_INTERNAL;
	int r, i;

	if (put->source_port_min == 0)
		return try_connect(put, 0, ret_fd, ret_result);
	for (i = 0; i < PORT_TRIES; i++) {
		r = try_connect(put, (uint16_t)(put->source_port_min + (*cursor)++ % ports), ret_fd,
				&result);
		if (r == 0 || result != PROBE_NO_PORT)
			break;
	}
	if (r < 0)
		*ret_result = result;
	return r;
}

uint64_t endpoint_bytes_read(int fd)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);
	int unread = 0;

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0 ||
	    ioctl(fd, SIOCINQ, &unread) < 0 || info.tcpi_bytes_received < (uint64_t)unread)
		return 0;
	return info.tcpi_bytes_received - (uint64_t)unread;
}
