/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * udp_echo PORT [NAME]: answers every datagram, IPv4 and IPv6, with what it
 * carried; with NAME, "NAME " stands before it. Batches, so that it is not what
 * a benchmark measures.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define BATCH 64
#define NAME_MAX_BYTES 64
#define DATAGRAM_MAX 65535

struct slot {
	struct sockaddr_in6 peer;
	char control[256];   /* IPV6_PKTINFO: answer from the address that was asked */
	struct iovec iov[2]; /* name, datagram */
};

static int udp_echo_socket(in_port_t port)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	int one = 1, zero = 0;
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);

	if (fd < 0)
		err(1, "socket");
	if (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero)) < 0)
		err(1, "IPV6_V6ONLY");
	if (setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &one, sizeof(one)) < 0)
		err(1, "IPV6_RECVPKTINFO");
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0)
		err(1, "bind to port %u", port);
	return fd;
}

int main(int argc, char **argv)
{
	static char data[BATCH][DATAGRAM_MAX];
	static struct mmsghdr messages[BATCH];
	static struct slot slots[BATCH];
	char name[NAME_MAX_BYTES] = "";
	size_t name_len;
	long port;
	int fd;

	if (argc < 2 || argc > 3 || (port = strtol(argv[1], NULL, 10)) < 1 || port > 65535)
		errx(2, "usage: udp_echo PORT [NAME]");
	if (argc == 3)
		snprintf(name, sizeof(name), "%s ", argv[2]);
	name_len = strlen(name);
	fd = udp_echo_socket((in_port_t)port);

	for (;;) {
		int n;

		for (int i = 0; i < BATCH; i++) {
			slots[i].iov[0] = (struct iovec){data[i], DATAGRAM_MAX - NAME_MAX_BYTES};
			messages[i].msg_hdr = (struct msghdr){
				.msg_name = &slots[i].peer,
				.msg_namelen = sizeof(slots[i].peer),
				.msg_iov = slots[i].iov,
				.msg_iovlen = 1,
				.msg_control = slots[i].control,
				.msg_controllen = sizeof(slots[i].control),
			};
		}
		n = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL);
		if (n < 0) {
			/* an ICMP error about an earlier answer is reported here */
			if (errno == EINTR || errno == ECONNREFUSED || errno == EHOSTUNREACH ||
			    errno == ENETUNREACH)
				continue;
			err(1, "recvmmsg");
		}
		for (int i = 0; i < n; i++) {
			slots[i].iov[0] = (struct iovec){name, name_len};
			slots[i].iov[1] = (struct iovec){data[i], messages[i].msg_len};
			messages[i].msg_hdr.msg_iovlen = 2;
		}
		for (int sent = 0; sent < n;) {
			int r = sendmmsg(fd, messages + sent, (unsigned int)(n - sent), 0);

			sent += r > 0 ? r
				      : 1; /* a datagram that cannot be sent is lost, as UDP's are */
		}
	}
}
