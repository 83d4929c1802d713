/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * Refusal: a flow that could not be made is counted and recorded like one that
 * ended. Records are limited, so that a flood of SYNs to a group without
 * targets does not push the records of real flows out; counters are exact.
 */
#ifndef SL_REFUSAL_H
#define SL_REFUSAL_H

#include "flow_create.h"

#define SL_REFUSALS_PER_TICK 4 /* records of one CPU: about 3,800 a second */

/** Whether this CPU may write down one more refused flow now. */
SL_INLINE bool sl_refusal_allowed(sl_tables_t t, struct sl_cpu_counters *c)
{
	__u32 now = sl_now_ticks(t);

	if (c->refusal_tick != now) {
		c->refusal_tick = now;
		c->refusal_tokens = SL_REFUSALS_PER_TICK;
	}
	if (c->refusal_tokens == 0)
		return false;
	c->refusal_tokens--;
	return true;
}

SL_INLINE enum sl_close_reason sl_refusal_reason(__u8 drop)
{
	switch (drop) {
	case SL_DROP_TABLE_FULL:
		return SL_CLOSE_TABLE_FULL;
	case SL_DROP_PORT_ALLOCATION:
	case SL_DROP_NO_SNAT_ADDRESS:
		return SL_CLOSE_PORT_ALLOC;
	default:
		return SL_CLOSE_NO_TARGET;
	}
}

SL_INLINE int sl_refusal_record_family(sl_tables_t t, bool v6)
{
	const struct sl_scratch *scratch = sl_scratch(t);
	struct sl_cpu_counters *counters = sl_count_cpu(t);
	const struct sl_listener *listener;
	const struct sl_group *group;
	const struct sl_create *c;
	struct sl_flow_record *r;

	if (scratch == NULL || counters == NULL)
		return 0;
	c = &scratch->create;
	r = sl_refusal_allowed(t, counters) ? sl_record_open(t) : NULL;
	if (r == NULL) {
		counters->refusals_unrecorded++;
		return 0;
	}
	listener = sl_listener(t, c->listener);
	group = sl_group(t, c->group);
	__builtin_memset(r, 0, sizeof(*r));
	sl_copy_address(r->client, c->key.saddr, v6);
	sl_copy_address(r->vip, c->key.daddr, v6);
	r->client_port = c->key.sport;
	r->vip_port = c->key.dport;
	r->start_ns = sl_now_ns(t);
	r->end_ticks = sl_now_ticks(t);
	r->listener_id = listener != NULL ? listener->id : 0;
	r->group_id = group != NULL ? group->id : 0;
	r->family = v6 ? 6 : 4;
	r->protocol = c->key.protocol;
	r->reason = sl_refusal_reason(c->drop);
	r->zone = (__u8)c->zone;
	sl_record_close(t, r);
	return 0;
}

/** Write down the flow of the scratch's `create` as refused, if the limit allows. */
SL_GLOBAL int sl_refusal_record(sl_tables_t t, __u32 v6)
{
	if (v6)
		return sl_refusal_record_family(t, true);
	return sl_refusal_record_family(t, false);
}

/** Count and record a refused flow. Returns whether its sender is told at once, by a RST. */
SL_INLINE bool sl_refused(sl_tables_t t, bool v6)
{
	const struct sl_scratch *scratch = sl_scratch(t);
	struct sl_listener_counters *listener;
	const struct sl_create *c;

	if (scratch == NULL)
		return false;
	c = &scratch->create;
	listener = sl_count_listener(t, c->listener);
	if (listener != NULL) {
		if (c->drop == SL_DROP_PORT_ALLOCATION || c->drop == SL_DROP_NO_SNAT_ADDRESS)
			listener->port_allocation_errors++;
		else if (c->drop != SL_DROP_RACE)
			listener->rejected_flows[sl_l4_of(c->key.protocol)]++;
	}
	sl_count_drop(t, c->drop);
	if (c->drop != SL_DROP_RACE) /* its sender repeats, and then it is a flow */
		sl_refusal_record(t, v6);
	/* nobody is there to answer: tell the client at once */
	if (c->key.protocol != SL_TCP || c->drop != SL_DROP_NO_TARGET)
		return false;
	if (listener != NULL)
		listener->elb_resets++;
	return true;
}

#endif
