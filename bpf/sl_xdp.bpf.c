// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * What runs in the kernel: the XDP entry point, and the timer that sweeps the
 * flow table whether or not sluiced is there. All logic is in dataplane/core/.
 */
#include "maps.h"

#include "dataplane/core/forward.h"

#define CLOCK_MONOTONIC 1
#define SWEEP_PERIOD_NS 20000000ull /* 20 ms */
#define SWEEP_STEPS 250		    /* periods for one sweep of the whole table: 5 s */

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sl_scratch);
} sl_scratches SEC(".maps");

SL_INLINE struct sl_scratch *sl_scratch(sl_tables_t t)
{
	__u32 zero = 0;

	(void)t;
	return bpf_map_lookup_elem(&sl_scratches, &zero);
}

SEC("xdp")
int sl_xdp(struct xdp_md *frame)
{
	__u32 ingress = frame->ingress_ifindex;
	int verdict = sl_receive(0, frame, ingress);
	__u32 number = SL_VERDICT_PORT(verdict);
	const struct sl_port *port;

	if (SL_VERDICT(verdict) == SL_PASS)
		return XDP_PASS;
	if (SL_VERDICT(verdict) == SL_DROP)
		return XDP_DROP;
	/* The cheaper way back by the same device. A veth counts XDP_TX as sent,
	 * but wakes its peer only if that runs XDP itself (veth_xdp_flush()). */
	port = sl_port(0, number);
	if (port != NULL && port->ifindex == ingress && !port->redirect)
		return XDP_TX;
	return (int)bpf_redirect_map(&sl_devices, number, XDP_DROP);
}

struct sweeper {
	struct bpf_timer timer;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sweeper);
} sl_sweepers SEC(".maps");

SL_INLINE void sweep_step(bool v6)
{
	const struct sl_flow_pool *pool = sl_pool(0, v6);

	if (pool != NULL && pool->fresh != 0)
		sl_flow_sweep(0, v6, pool->fresh / SWEEP_STEPS + 1);
}

static int sweep(void *map, __u32 *key, struct sweeper *sweeper)
{
	(void)map;
	(void)key;
	sweep_step(false);
	sweep_step(true);
	bpf_timer_start(&sweeper->timer, SWEEP_PERIOD_NS, 0);
	return 0;
}

/*
 * Run once by the loader (BPF_PROG_TEST_RUN), and again by that of a newer
 * program: the timer then calls the newer sweep. Of type XDP because a
 * "syscall" program may not use the coarse clock. Returns XDP_PASS when the
 * timer runs.
 */
SEC("xdp")
int sl_start_sweeping(struct xdp_md *frame)
{
	__u32 zero = 0;
	struct sweeper *sweeper = bpf_map_lookup_elem(&sl_sweepers, &zero);

	(void)frame;
	if (sweeper == NULL)
		return XDP_ABORTED;
	bpf_timer_init(&sweeper->timer, &sl_sweepers, CLOCK_MONOTONIC);
	if (bpf_timer_set_callback(&sweeper->timer, sweep) != 0 ||
	    bpf_timer_start(&sweeper->timer, SWEEP_PERIOD_NS, 0) != 0)
		return XDP_ABORTED;
	return XDP_PASS;
}

/* One whole sweep at once: for tests that set the clock. */
SEC("xdp")
int sl_sweep_now(struct xdp_md *frame)
{
	(void)frame;
	sl_flow_sweep(0, false, 1u << 22);
	sl_flow_sweep(0, true, 1u << 22);
	return XDP_PASS;
}

char sl_license[] SEC("license") = "Dual BSD/GPL";
