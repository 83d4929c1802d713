/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * How flows end: who may, when, and what is left behind. A flow is ended by
 * whoever moves its control word to SL_FLOW_ENDING; there is exactly one.
 */
#ifndef SL_FLOW_END_H
#define SL_FLOW_END_H

#include "flow_index.h"
#include "flow_pool.h"

#define SL_HALF_OPEN_TICKS SL_TICKS_OF_MS(30000) /* nlb reference 5.6: half-open */
#define SL_LINGER_TICKS SL_TICKS_OF_MS(4000)	 /* after FIN both ways: late retransmissions */
#define SL_RESET_TICKS SL_TICKS_OF_MS(2000)	 /* after a RST */
#define SL_VICTIM_SCAN 1024 /* flows looked at for one that may give way, when some are known */
#define SL_VICTIM_GLANCE 32 /* the same, when the last sweep saw none */

/* What of a flow's identity the end has to take apart. */
SL_INLINE void sl_line_key(const struct sl_flow_line *line, bool v6, struct sl_flow_key *key)
{
	const int words = SL_WORDS(v6);

	for (int i = 0; i < words; i++) {
		key->saddr[i] = line->address[i];
		key->daddr[i] = line->address[words + i];
	}
	key->sport = line->sport;
	key->dport = line->dport;
	key->protocol = line->protocol;
}

SL_INLINE void sl_line_unlink(sl_tables_t t, bool v6, struct sl_flow_line *line, __u32 number,
			      __u16 dead_version)
{
	struct sl_flow_key key;

	sl_line_key(line, v6, &key);
	SL_WRITE(line->version, dead_version);
	SL_ORDER();
	sl_index_remove(t, v6, sl_key_hash(sl_config(t)->seed, v6, &key), number);
}

SL_INLINE enum sl_l4 sl_l4_of(__u8 protocol)
{
	return protocol == SL_UDP ? SL_L4_UDP : SL_L4_TCP;
}

/** Count a flow as ended: once, when it closes or is removed. */
SL_INLINE void sl_count_ended(sl_tables_t t, const struct sl_flow_line *line, __u64 by)
{
	struct sl_listener_counters *l = sl_count_listener(t, line->listener);
	struct sl_target_counters *g = sl_count_target(t, line->target);
	enum sl_l4 l4 = sl_l4_of(line->protocol);

	if (l != NULL)
		l->ended_flows[l4] += by;
	if (g != NULL)
		g->ended_flows[l4] += by;
}

SL_INLINE void sl_count_freed(sl_tables_t t, const struct sl_flow_line *line)
{
	struct sl_listener_counters *l = sl_count_listener(t, line->listener);
	struct sl_target_counters *g = sl_count_target(t, line->target);

	if (l != NULL)
		l->freed_flows++;
	if (g != NULL)
		g->freed_flows++;
}

SL_INLINE bool sl_state_is_closed(__u32 state)
{
	return state == SL_FLOW_LINGERING || state == SL_FLOW_RESET;
}

SL_INLINE bool sl_state_may_give_way(__u32 state)
{
	return state == SL_FLOW_HALF_OPEN || state == SL_FLOW_ANSWERED || sl_state_is_closed(state);
}

/** Why a flow in this state ends when nothing but time ends it. */
SL_INLINE enum sl_close_reason sl_reason_of(__u32 control)
{
	switch (SL_CONTROL_STATE(control)) {
	case SL_FLOW_LINGERING:
		return SL_CLOSE_FIN;
	case SL_FLOW_RESET:
		return SL_CONTROL_FLAGS(control) & SL_FLAG_RST_BY_TARGET ? SL_CLOSE_RST_TARGET :
									   SL_CLOSE_RST_CLIENT;
	case SL_FLOW_HALF_OPEN:
	case SL_FLOW_ANSWERED:
		return SL_CLOSE_SYN_TIMEOUT;
	default:
		return SL_CLOSE_IDLE;
	}
}

/** Why a flow ends that its target ends (sl_target_ends). */
SL_INLINE enum sl_close_reason sl_reason_of_target(const struct sl_target *target)
{
	return target->state == SL_TARGET_REMOVED ? SL_CLOSE_RST_LB_DEREG : SL_CLOSE_RST_LB_UNHEALTHY;
}

SL_INLINE void sl_copy_address(__be32 to[4], const __be32 *from, bool v6)
{
	for (int i = 0; i < 4; i++)
		to[i] = i < SL_WORDS(v6) ? from[i] : 0;
}

SL_INLINE __u64 sl_line_packets(const struct sl_flow_line *line)
{
	return (__u64)(line->packets_high / SL_PACKETS_HIGH_ONE) << 32 | line->packets;
}

/** Ticks since either side sent something; never negative. */
SL_INLINE __u32 sl_flow_idle_ticks(const struct sl_flow_line *client,
				   const struct sl_flow_line *target, __u32 now)
{
	__s32 a = (__s32)(now - SL_READ(client->last_seen));
	__s32 b = (__s32)(now - SL_READ(target->last_seen));
	__s32 idle = a < b ? a : b;

	return idle < 0 ? 0 : (__u32)idle;
}

/** Write down a flow, live or ended. Both lines and the control word are of one moment. */
SL_INLINE void sl_record_fill(sl_tables_t t, bool v6, struct sl_flow_record *r,
			      const struct sl_flow_line *client, const struct sl_flow_line *target,
			      const struct sl_flow_cold *cold, __u32 control)
{
	const struct sl_listener *listener = sl_listener(t, client->listener);
	const struct sl_group *group = sl_group(t, client->group);
	__u32 now = sl_now_ticks(t);
	const int w = SL_WORDS(v6);

	sl_copy_address(r->client, &client->address[0], v6);
	sl_copy_address(r->vip, &client->address[w], v6);
	sl_copy_address(r->nat, &client->address[2 * w], v6);
	sl_copy_address(r->target, &client->address[3 * w], v6);
	r->client_port = client->sport;
	r->vip_port = client->dport;
	r->nat_port = client->new_sport;
	r->target_port = client->new_dport;
	r->client_bytes = client->bytes;
	r->client_packets = sl_line_packets(client);
	r->target_bytes = target->bytes;
	r->target_packets = sl_line_packets(target);
	r->start_ns = cold->start_ns;
	r->end_ticks = now - sl_flow_idle_ticks(client, target, now);
	r->connect_us = cold->connect_us;
	r->listener_id = listener != NULL ? listener->id : 0;
	r->group_id = group != NULL ? group->id : 0;
	r->family = v6 ? 6 : 4;
	r->protocol = client->protocol;
	r->state = (__u8)SL_CONTROL_STATE(control);
	r->reason = 0;
	r->zone = cold->zone;
	r->fail_open = cold->fail_open;
	r->closing = (SL_CONTROL_FLAGS(control) & (SL_FLAG_CLIENT_FIN | SL_FLAG_TARGET_FIN)) != 0;
	r->reserved = 0;
}

/** Whether a flow in this state is anybody's to end: not while it is made or removed. */
SL_INLINE bool sl_state_is_live(__u32 state)
{
	return state > SL_FLOW_NEW && state < SL_FLOW_ENDING;
}

SL_INLINE int sl_flow_end_family(sl_tables_t t, bool v6, __u32 flow, __u32 control,
				 enum sl_close_reason reason)
{
	struct sl_flow_line *client = sl_line(t, v6, 2 * flow);
	struct sl_flow_line *target = sl_line(t, v6, 2 * flow + 1);
	struct sl_flow_cold *cold = sl_cold(t, v6, flow);
	struct sl_flow_pool *pool = sl_pool(t, v6);
	__u16 dead = SL_CONTROL_VERSION(control) + 1;
	struct sl_flow_record *record;

	if (client == NULL || target == NULL || cold == NULL || pool == NULL)
		return 0;
	/* or two processors could both move "ending" to "ending" and give the number back twice */
	if (!sl_state_is_live(SL_CONTROL_STATE(control)) ||
	    SL_CAS(&client->control, control,
		   SL_CONTROL(SL_CONTROL_VERSION(control), SL_CONTROL_STATE(control),
			      SL_FLOW_ENDING)) != control)
		return 0;
	sl_line_unlink(t, v6, client, 2 * flow, dead);
	sl_line_unlink(t, v6, target, 2 * flow + 1, dead);
	if (!sl_state_is_closed(SL_CONTROL_STATE(control)))
		sl_count_ended(t, client, 1);
	sl_count_freed(t, client);
	record = sl_record_open(t);
	if (record != NULL) {
		sl_record_fill(t, v6, record, client, target, cold, control);
		record->reason = reason;
		/* time or we close it now; its peers did so with their last packet */
		if (!sl_state_is_closed(SL_CONTROL_STATE(control)))
			record->end_ticks = sl_now_ticks(t);
		sl_record_close(t, record);
	} else {
		SL_FETCH_ADD(&pool->records_lost, 1);
	}
	SL_WRITE(client->control, SL_CONTROL(dead, 0, SL_FLOW_FREE));
	SL_ORDER();
	sl_pool_give(t, v6, flow);
	return 1;
}

/**
 * End a flow: out of the index, counted, recorded, number given back.
 *
 * @control  the control word that led to the decision; a flow that changed
 *           since is left alone
 *
 * Returns 1 if this call ended it.
 */
SL_GLOBAL int sl_flow_end(sl_tables_t t, __u32 v6, __u32 flow, __u32 control, __u32 reason)
{
	if (v6)
		return sl_flow_end_family(t, true, flow, control, reason);
	return sl_flow_end_family(t, false, flow, control, reason);
}

/** How long a flow in this state may be idle, in ticks. */
SL_INLINE __u32 sl_flow_patience(sl_tables_t t, __u32 state, const struct sl_flow_line *client)
{
	const struct sl_listener *listener;

	switch (state) {
	case SL_FLOW_HALF_OPEN:
	case SL_FLOW_ANSWERED:
		return SL_HALF_OPEN_TICKS;
	case SL_FLOW_LINGERING:
		return SL_LINGER_TICKS;
	case SL_FLOW_RESET:
		return SL_RESET_TICKS;
	}
	listener = sl_listener(t, client->listener);
	if (listener == NULL)
		return 0;
	return state == SL_FLOW_UDP ? listener->udp_idle : listener->tcp_idle;
}

enum sl_verdict_on_flow { SL_KEEP, SL_MAY_GIVE_WAY, SL_ENDED };

/** Look at one flow: end it if its time is over; tell what it is worth otherwise. */
SL_INLINE enum sl_verdict_on_flow sl_flow_examine(sl_tables_t t, bool v6, __u32 flow, bool evict)
{
	struct sl_flow_line *client = sl_line(t, v6, 2 * flow);
	struct sl_flow_line *target = sl_line(t, v6, 2 * flow + 1);
	__u32 control, state;

	if (client == NULL || target == NULL)
		return SL_KEEP;
	control = SL_READ(client->control);
	state = SL_CONTROL_STATE(control);
	if (!sl_state_is_live(state))
		return SL_KEEP;
	SL_ORDER();
	if (sl_flow_idle_ticks(client, target, sl_now_ticks(t)) >= sl_flow_patience(t, state, client))
		return sl_flow_end(t, v6, flow, control, sl_reason_of(control)) ? SL_ENDED : SL_KEEP;
	if (!sl_state_may_give_way(state))
		return SL_KEEP;
	if (!evict)
		return SL_MAY_GIVE_WAY;
	return sl_flow_end(t, v6, flow, control,
			   sl_state_is_closed(state) ? sl_reason_of(control) : SL_CLOSE_EVICTED) ?
		       SL_ENDED :
		       SL_KEEP;
}

struct sl_scan {
	sl_tables_t tables;
	__u32 v6;
	__u32 limit; /* highest flow number to look at */
	__u32 ended;
};

static long sl_evict_step(__u32 i, void *context)
{
	struct sl_scan *scan = context;
	struct sl_flow_pool *pool = sl_pool(scan->tables, scan->v6);
	enum sl_verdict_on_flow verdict;
	__u32 flow;

	(void)i;
	if (pool == NULL || scan->limit == 0)
		return 1;
	flow = SL_FETCH_ADD(&pool->hand, 1) % scan->limit + 1;
	if (scan->v6)
		verdict = sl_flow_examine(scan->tables, true, flow, true);
	else
		verdict = sl_flow_examine(scan->tables, false, flow, true);
	scan->ended += verdict == SL_ENDED;
	return scan->ended != 0;
}

/**
 * Make room in a full table: end one flow that is half-open, lingering or
 * expired. A live established flow never gives way. Bounded, and the search
 * goes on where the last one stopped.
 *
 * Returns 1 if a flow gave way.
 */
SL_GLOBAL int sl_flow_evict(sl_tables_t t, __u32 v6)
{
	struct sl_scan scan = {
		.tables = t,
		.v6 = v6,
		.limit = v6 ? sl_config(t)->family[1].flows : sl_config(t)->family[0].flows,
	};
	struct sl_flow_pool *pool = v6 ? sl_pool(t, true) : sl_pool(t, false);

	if (pool == NULL)
		return 0;
	SL_LOOP(SL_READ(pool->evictable) != 0 ? SL_VICTIM_SCAN : SL_VICTIM_GLANCE, sl_evict_step,
		&scan);
	return scan.ended != 0;
}

static long sl_sweep_step(__u32 i, void *context)
{
	struct sl_scan *scan = context;
	struct sl_flow_pool *pool = sl_pool(scan->tables, scan->v6);
	enum sl_verdict_on_flow verdict;
	__u32 flow;

	(void)i;
	if (pool == NULL)
		return 1;
	flow = pool->sweep_next + 1;
	if (flow > pool->fresh || flow > scan->limit) { /* a whole sweep is done */
		pool->evictable = pool->sweep_count;
		pool->sweep_count = 0;
		pool->sweep_next = 0;
		return 1;
	}
	pool->sweep_next = flow;
	if (scan->v6)
		verdict = sl_flow_examine(scan->tables, true, flow, false);
	else
		verdict = sl_flow_examine(scan->tables, false, flow, false);
	pool->sweep_count += verdict == SL_MAY_GIVE_WAY;
	scan->ended += verdict == SL_ENDED;
	return 0;
}

/**
 * Go on with the sweep: end flows whose time is over, and stop at the end of
 * the table. One sweeper at a time.
 *
 * @count  how many flows to look at, at most
 *
 * Returns how many flows it ended.
 */
SL_GLOBAL int sl_flow_sweep(sl_tables_t t, __u32 v6, __u32 count)
{
	struct sl_scan scan = {
		.tables = t,
		.v6 = v6,
		.limit = v6 ? sl_config(t)->family[1].flows : sl_config(t)->family[0].flows,
	};

	SL_LOOP(count, sl_sweep_step, &scan);
	return (int)scan.ended;
}

#endif
