/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packet generator: sends small UDP datagrams of many flows out of an interface
 * at a rate, and counts those that arrive at another, in another namespace.
 *
 *   bench_generator INTERFACE MAC SADDR DADDR PORT FLOWS SINK_NETNS SINK_INTERFACE
 *
 * Then, for each line "RATE SECONDS" on its input, one JSON line: packets a
 * second wanted and sent, how many were sent and how many arrived.
 */
#define _GNU_SOURCE
#include "generator.h"
#include "generator.skel.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BATCH 32	     /* packets that leave at once: a veth holds 256 */
#define SETTLE_NS 100000000u /* for what is still under way */

struct sender {
	struct generator *skeleton;
	struct frame frame;
};

static _Noreturn void die(const char *what, int error)
{
	fprintf(stderr, "bench_generator: %s: %s\n", what, strerror(error));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void frame_fill(struct frame *frame, const char *mac, const char *daddr, uint16_t port)
{
	unsigned int byte[SL_MAC_BYTES];

	if (sscanf(mac, "%x:%x:%x:%x:%x:%x", &byte[0], &byte[1], &byte[2], &byte[3], &byte[4],
		   &byte[5]) != SL_MAC_BYTES)
		die(mac, EINVAL);
	for (int i = 0; i < SL_MAC_BYTES; i++)
		frame->eth.destination[i] = (__u8)byte[i];
	frame->eth.source[0] = 2; /* locally administered */
	frame->eth.type = SL_BE16(SL_ETHERTYPE_IPV4);
	frame->ip.version_ihl = 0x45;
	frame->ip.total_length = SL_BE16(sizeof(*frame) - sizeof(frame->eth));
	frame->ip.ttl = 64;
	frame->ip.protocol = SL_UDP;
	if (inet_pton(AF_INET, daddr, &frame->ip.daddr) != 1)
		die(daddr, EINVAL);
	frame->udp.dport = SL_BE16(port);
	frame->udp.length = SL_BE16(sizeof(frame->udp) + GENERATOR_PAYLOAD_BYTES);
}

/* Attach the sink in its namespace, and come back. It goes with this process. */
static void attach_sink(struct generator *skeleton, const char *netns, const char *interface)
{
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int there = open(netns, O_RDONLY | O_CLOEXEC);
	unsigned int ifindex;

	if (home < 0 || there < 0 || setns(there, CLONE_NEWNET) != 0)
		die(netns, errno);
	ifindex = if_nametoindex(interface);
	if (ifindex == 0)
		die(interface, errno);
	skeleton->links.sink = bpf_program__attach_xdp(skeleton->progs.sink, (int)ifindex);
	if (skeleton->links.sink == NULL)
		die("attaching the sink", errno);
	if (setns(home, CLONE_NEWNET) != 0)
		die("going back", errno);
	close(home);
	close(there);
}

static void sender_open(struct sender *sender, char **args)
{
	struct generator *skeleton = generator__open();
	uint16_t port = (uint16_t)atoi(args[4]);
	struct in_addr saddr;

	if (skeleton == NULL)
		die("opening the programs", errno);
	frame_fill(&sender->frame, args[1], args[3], port);
	skeleton->rodata->ifindex = if_nametoindex(args[0]);
	skeleton->rodata->flows = (__u32)atoi(args[5]);
	skeleton->rodata->port = port;
	skeleton->data->batch = BATCH;
	skeleton->bss->model = sender->frame;
	if (skeleton->rodata->ifindex == 0 || skeleton->rodata->flows == 0 ||
	    inet_pton(AF_INET, args[2], &saddr) != 1)
		die("arguments", EINVAL);
	skeleton->rodata->first_saddr = ntohl(saddr.s_addr);
	if (generator__load(skeleton) != 0)
		die("loading the programs", errno);
	attach_sink(skeleton, args[6], args[7]);
	sender->skeleton = skeleton;
}

static void sender_run(struct sender *sender, double rate, double seconds)
{
	struct xdp_md context = {.data_end = sizeof(sender->frame)};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = &sender->frame,
		    .data_size_in = sizeof(sender->frame), .ctx_in = &context,
		    .ctx_size_in = sizeof(context), .batch_size = BATCH,
		    .repeat = (int)(rate * seconds / BATCH) * BATCH,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES);
	struct generator__bss *bss = sender->skeleton->bss;
	uint64_t sent = bss->generated, arrived = bss->arrived;
	uint64_t begin = now_ns(), spent;

	bss->interval_ns = (uint64_t)(BATCH * 1e9 / rate);
	if (bpf_prog_test_run_opts(bpf_program__fd(sender->skeleton->progs.generate), &options) !=
	    0)
		die("sending", errno);
	spent = now_ns() - begin;
	nanosleep(&(struct timespec){.tv_nsec = SETTLE_NS}, NULL);
	sent = bss->generated - sent;
	printf("{\"wanted\": %.0f, \"rate\": %.0f, \"sent\": %" PRIu64 ", \"arrived\": %" PRIu64
	       "}\n",
	       rate, (double)sent * 1e9 / (double)spent, sent, (uint64_t)bss->arrived - arrived);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct sender sender = {};
	double rate, seconds;

	if (argc != 9) {
		fprintf(stderr, "usage: bench_generator INTERFACE MAC SADDR DADDR PORT FLOWS "
				"SINK_NETNS SINK_INTERFACE\n");
		return 2;
	}
	sender_open(&sender, argv + 1);
	while (scanf("%lf %lf", &rate, &seconds) == 2)
		sender_run(&sender, rate, seconds);
	generator__destroy(sender.skeleton);
	return 0;
}
