/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two network namespaces, which end with the process; needs root. The includer
 * defines _GNU_SOURCE, for unshare().
 *
 *     this process                    a child
 *     near  10.0.0.1/24, fd00::1/64   far   10.0.0.2/24, .3, fd00::2/64   02:..:02
 *     near2 10.2.0.1/24               far2  10.2.0.2/24                   02:..:22
 */
#ifndef SLUICE_NEXT_HOPS_FIXTURE_H
#define SLUICE_NEXT_HOPS_FIXTURE_H

#include "dataplane/next_hops.h"

#include "dataplane/address.h"

#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define WAIT_S 10

static const uint8_t far_mac[] = {2, 0, 0, 0, 0, 2};
static const uint8_t far2_mac[] = {2, 0, 0, 0, 0, 0x22};

struct fixture {
	struct next_hops *next_hops;
	unsigned int near, near2;
	unsigned int n_changes; /* calls of changed() */
};

static pid_t far_process; /* whose namespace is the far side */

static void run(const char *format, ...)
{
	char command[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	if (system(command) != 0)
		fail_msg("failed: %s", command);
}

static void run_far(const char *command)
{
	run("nsenter --net=/proc/%d/ns/net %s", (int)far_process, command);
}

static struct in6_addr parsed(const char *text)
{
	struct in6_addr address;

	assert_int_equal(address_parse(text, &address), 0);
	return address;
}

/* A process that holds a namespace; it ends with this one. */
static int start_far(void)
{
	int ready[2];
	char byte;

	if (pipe(ready) != 0)
		return -1;
	far_process = fork();
	if (far_process == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWNET) != 0 || write(ready[1], "r", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	if (far_process < 0 || read(ready[0], &byte, 1) != 1)
		return -1;
	close(ready[0]);
	return 0;
}

static int enter_namespaces(void **state)
{
	(void)state;
	if (unshare(CLONE_NEWNET) != 0 || start_far() != 0) {
		perror("unshare(CLONE_NEWNET), which needs root");
		return -1;
	}
	return 0;
}

static int leave_namespaces(void **state)
{
	(void)state;
	kill(far_process, SIGKILL);
	waitpid(far_process, NULL, 0);
	return 0;
}

static void note_change(void *context, const struct in6_addr *address, const struct next_hop *hop)
{
	struct fixture *fixture = context;

	(void)address;
	(void)hop;
	fixture->n_changes++;
}

/* Each test has fresh links, so that none sees another's neighbours and routes. */
static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	run("ip link add near address 02:00:00:00:00:01 type veth "
	    "peer name far address 02:00:00:00:00:02 netns %d", (int)far_process);
	run("ip link add near2 address 02:00:00:00:00:21 type veth "
	    "peer name far2 address 02:00:00:00:00:22 netns %d", (int)far_process);
	/* IPv6 is slow to begin on a new link: ask for 4 s; else the kernel rests for 5 s between */
	run("echo 0 >/proc/sys/net/ipv6/conf/near/accept_dad");
	run("for f in 4 6; do d=/proc/sys/net/ipv$f/neigh/near; echo 20 >$d/retrans_time_ms; "
	    "echo 200 >$d/mcast_solicit; done");
	run("ip address add 10.0.0.1/24 dev near && ip address add fd00::1/64 dev near nodad");
	run("ip address add 10.2.0.1/24 dev near2");
	run("ip link set lo up && ip link set near up && ip link set near2 up");
	run_far("ip address add 10.0.0.2/24 dev far");
	run_far("ip address add 10.0.0.3/24 dev far");
	run_far("ip address add fd00::2/64 dev far nodad");
	run_far("ip address add 10.2.0.2/24 dev far2");
	run_far("ip link set far up");
	run_far("ip link set far2 up");
	fixture->near = if_nametoindex("near");
	fixture->near2 = if_nametoindex("near2");
	assert_int_equal(next_hops_open(note_change, fixture, &fixture->next_hops), 0);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	next_hops_close(fixture->next_hops);
	run("ip link del near && ip link del near2");
	free(fixture);
	return 0;
}

static struct next_hop watch(struct fixture *fixture, const char *text)
{
	struct in6_addr address = parsed(text);
	struct next_hop hop;

	assert_int_equal(next_hops_watch(fixture->next_hops, &address, &hop), 0);
	return hop;
}

static void unwatch(struct fixture *fixture, const char *text)
{
	struct in6_addr address = parsed(text);

	assert_int_equal(next_hops_unwatch(fixture->next_hops, &address), 0);
}

/* What was last told of a watched address. */
static struct next_hop told(struct fixture *fixture, const char *text)
{
	struct next_hop hop = watch(fixture, text);

	unwatch(fixture, text);
	return hop;
}

static time_t now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/* Process what is there, and wait for more if there is nothing. False: time is up. */
static bool process(struct fixture *fixture, time_t until_s)
{
	struct pollfd pollfd = {.fd = next_hops_fd(fixture->next_hops), .events = POLLIN};

	if (now_s() > until_s)
		return false;
	if (poll(&pollfd, 1, 100) > 0)
		assert_int_equal(next_hops_process(fixture->next_hops), 0);
	return true;
}

/* Until @text is resolved to @mac behind @ifindex; NULL: until it is not resolved, but routed
 * there (@ifindex 0: not routed). */
static void wait_for_hop(struct fixture *fixture, const char *text, unsigned int ifindex,
			 const uint8_t *mac)
{
	time_t until_s = now_s() + WAIT_S;

	for (;;) {
		struct next_hop hop = told(fixture, text);

		if (hop.ifindex == ifindex && hop.resolved == (mac != NULL) &&
		    (mac == NULL || memcmp(hop.mac, mac, sizeof(hop.mac)) == 0))
			return;
		if (!process(fixture, until_s))
			fail_msg("%s: ifindex %u resolved %d mac ..:%02x", text, hop.ifindex,
				 hop.resolved, hop.mac[5]);
	}
}

/* Whether a line of `ip neigh show ADDRESS` contains @word. */
static bool neighbour_is(const char *address, const char *word)
{
	char command[256];

	snprintf(command, sizeof(command), "ip neigh show %s nud all | grep -qw %s", address, word);
	return system(command) == 0;
}

#endif
