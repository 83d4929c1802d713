// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * The packet generator's two ends: `generate` runs on frames that the kernel
 * makes up (BPF_F_TEST_XDP_LIVE_FRAMES) and sends each out as a datagram of
 * the next flow, `sink` counts and drops them where they arrive.
 */
#include <linux/bpf.h>
#include <linux/in.h>

#include <bpf/bpf_helpers.h>

#include "generator.h"

#define SOURCE_PORT_MIN 1024u
#define SOURCE_PORTS 60000u
#define SPINS_MAX (1u << 20) /* readings of the clock while a batch waits for its time */

struct frame model;		  /* of every datagram */
const volatile __u32 ifindex;	  /* to send by */
const volatile __u32 flows = 1;	  /* datagrams go round so many */
const volatile __u32 first_saddr; /* host order; flows beyond SOURCE_PORTS use the next ones */
const volatile __u16 port;	  /* host order: what the sink counts */

__u64 interval_ns; /* between batches */
__u32 batch = 1;   /* packets; the kernel delivers so many at once */
__u64 generated, arrived;
static __u64 due_ns; /* of the next batch */

static __always_inline __u16 checksum(const struct sl_ipv4 *ip)
{
	const __u16 *words = (const void *)ip;
	__u32 sum = 0;

	for (unsigned int i = 0; i < sizeof(*ip) / 2; i++)
		sum += words[i];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)~sum;
}

static long spin(__u32 i, void *context)
{
	(void)i;
	(void)context;
	return bpf_ktime_get_ns() >= due_ns;
}

/* A call into the kernel takes milliseconds to begin, so the pace is kept in here. */
static __always_inline void wait_for_batch(void)
{
	__u64 now_ns = bpf_ktime_get_ns();

	if (due_ns + 1000000 < now_ns) /* behind by 1 ms: no burst to make up for it */
		due_ns = now_ns;
	else
		bpf_loop(SPINS_MAX, spin, 0, 0);
	due_ns += interval_ns;
}

SEC("xdp")
int generate(struct xdp_md *context)
{
	struct frame *frame = (void *)(long)context->data;
	/* an odd factor: flows come in no order that a cache could guess */
	__u32 flow = (__u32)(generated++ * 2654435761u) % flows;

	if ((void *)(frame + 1) > (void *)(long)context->data_end)
		return XDP_ABORTED;
	if (generated % batch == 0)
		wait_for_batch();
	/* the kernel hands out the same frames again, rewritten on their way */
	__builtin_memcpy(frame, &model, sizeof(*frame));
	frame->ip.saddr = SL_BE32(first_saddr + flow / SOURCE_PORTS);
	frame->ip.check = checksum(&frame->ip);
	frame->udp.sport = SL_BE16(SOURCE_PORT_MIN + flow % SOURCE_PORTS);
	return bpf_redirect(ifindex, 0);
}

SEC("xdp")
int sink(struct xdp_md *context)
{
	const struct frame *frame = (void *)(long)context->data;

	if ((const void *)(frame + 1) > (void *)(long)context->data_end ||
	    frame->eth.type != SL_BE16(SL_ETHERTYPE_IPV4) || frame->ip.protocol != SL_UDP ||
	    frame->udp.dport != SL_BE16(port))
		return XDP_PASS;
	__sync_fetch_and_add(&arrived, 1);
	return XDP_DROP;
}

char _license[] SEC("license") = "Dual BSD/GPL";
