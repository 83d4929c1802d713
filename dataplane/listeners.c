/* SPDX-License-Identifier: BSD-3-Clause */
#include "listeners.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#define GRACE_NS 2000000000ull /* a number rests this long after it left: packets in flight */
#define MAX_KEYS (2 * ENGINE_MAX_VIPS) /* each VIP for TCP and UDP */

struct entry {
	struct vip_key key;
	uint8_t zone;
};

struct listener {
	uint64_t id;
	uint16_t number;
	bool seen, removed, dirty;
	bool v6;
	struct engine_listener wanted;
	struct entry entries[MAX_KEYS]; /* in the address table */
	unsigned int n_entries;
	uint64_t left_ns;
	struct listener *next;	/* dirty, or leaving */
	UT_hash_handle hh;
};

struct listeners {
	struct sl_tables *tables;
	struct vip_table *vips;
	const struct groups *groups;
	struct listener *by_id;
	struct listener *by_number[SL_MAX_LISTENERS];
	struct listener *dirty, *leaving;
	uint16_t free[SL_MAX_LISTENERS];
	uint32_t n_free;
};

static struct listener *find(const struct listeners *listeners, uint64_t id)
{
	struct listener *listener;

	HASH_FIND(hh, listeners->by_id, &id, sizeof(id), listener);
	return listener;
}

static void mark_dirty(struct listeners *listeners, struct listener *listener)
{
	if (listener->dirty)
		return;
	listener->dirty = true;
	listener->next = listeners->dirty;
	listeners->dirty = listener;
}

static unsigned int entries_of(const struct engine_listener *wanted, struct entry entries[MAX_KEYS])
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < wanted->n_vips; i++) {
		const struct engine_vip *vip = &wanted->vips[i];

		if (wanted->tcp)
			entries[n++] = (struct entry){{vip->address, wanted->port, IPPROTO_TCP},
						      (uint8_t)vip->zone};
		if (wanted->udp)
			entries[n++] = (struct entry){{vip->address, wanted->port, IPPROTO_UDP},
						      (uint8_t)vip->zone};
	}
	return n;
}

/* To which listener packets are led by a key, or NULL. */
static struct listener *owner_of(const struct listeners *listeners, const struct vip_key *key)
{
	const struct sl_vip *vip = vip_table_find(listeners->vips, key);

	return vip != NULL ? listeners->by_number[vip->listener] : NULL;
}

static bool entries_hold(const struct entry *entries, unsigned int n, const struct vip_key *key)
{
	for (unsigned int i = 0; i < n; i++)
		if (address_equal(&entries[i].key.address, &key->address) &&
		    entries[i].key.port == key->port && entries[i].key.protocol == key->protocol)
			return true;
	return false;
}

static bool collide(const struct engine_listener *a, const struct engine_listener *b)
{
	if (a->port != b->port || !((a->tcp && b->tcp) || (a->udp && b->udp)))
		return false;
	for (unsigned int i = 0; i < a->n_vips; i++)
		for (unsigned int j = 0; j < b->n_vips; j++)
			if (address_equal(&a->vips[i].address, &b->vips[j].address))
				return true;
	return false;
}

/* Whether a listener other than @id will have one of the keys after the commit. */
static bool taken(const struct listeners *listeners, uint64_t id,
		  const struct engine_listener *wanted)
{
	const struct listener *owner;
	struct entry entries[MAX_KEYS];
	unsigned int n = entries_of(wanted, entries);

	for (unsigned int i = 0; i < n; i++) {
		owner = owner_of(listeners, &entries[i].key);
		if (owner != NULL && owner->id != id && !owner->removed &&
		    collide(&owner->wanted, wanted))
			return true;
	}
	for (owner = listeners->dirty; owner != NULL; owner = owner->next)
		if (owner->id != id && !owner->removed && collide(&owner->wanted, wanted))
			return true;
	return false;
}

int listeners_put(struct listeners *listeners, uint64_t id, const struct engine_listener *wanted)
{
	struct listener *listener = find(listeners, id);

	for (unsigned int i = 0; i < wanted->n_groups; i++)
		if (groups_number(listeners->groups, wanted->groups[i].group_id) < 0)
			return -ENOENT;
	if (taken(listeners, id, wanted))
		return -EEXIST;
	if (listener == NULL) {
		if (listeners->n_free == 0)
			return -ENOSPC;
		listener = calloc(1, sizeof(*listener));
		if (listener == NULL)
			return -ENOMEM;
		listener->id = id;
		listener->number = listeners->free[--listeners->n_free];
		listeners->by_number[listener->number] = listener;
		listeners->tables->listeners[listener->number] = (struct sl_listener){.id = id};
		HASH_ADD(hh, listeners->by_id, id, sizeof(listener->id), listener);
	}
	listener->wanted = *wanted;
	listener->v6 = wanted->n_vips != 0 && !address_is_v4(&wanted->vips[0].address);
	listener->seen = true;
	listener->removed = false;
	mark_dirty(listeners, listener);
	return 0;
}

int listeners_remove(struct listeners *listeners, uint64_t id)
{
	struct listener *listener = find(listeners, id);

	if (listener == NULL || listener->removed)
		return -ENOENT;
	listener->removed = true;
	mark_dirty(listeners, listener);
	return 0;
}

/* --- commit --------------------------------------------------------------- */

static __u32 ticks_of(uint32_t seconds)
{
	return SL_TICKS_OF_MS((__u64)seconds * 1000);
}

static bool forwarding_equal(const struct sl_forwarding *a, const struct sl_forwarding *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static void write_record(struct listeners *listeners, const struct listener *listener)
{
	struct sl_listener *record = &listeners->tables->listeners[listener->number];
	const struct engine_listener *wanted = &listener->wanted;
	struct sl_forwarding next = {
		.n_groups = (__u8)wanted->n_groups,
		.sticky_groups = wanted->sticky_groups,
	};

	for (unsigned int i = 0; i < wanted->n_groups; i++) {
		next.groups[i].group = (__u16)groups_number(listeners->groups,
							    wanted->groups[i].group_id);
		next.groups[i].weight = (__u16)wanted->groups[i].weight;
		next.weights += wanted->groups[i].weight;
	}
	record->tcp_idle = ticks_of(wanted->tcp_idle_timeout_s);
	record->udp_idle = ticks_of(wanted->udp_idle_timeout_s);
	if (forwarding_equal(&record->forwarding[record->active], &next))
		return;
	record->forwarding[!record->active] = next;
	SL_ORDER();
	SL_WRITE(record->active, !record->active);
}

/* Packets stop finding the listener by what it does not want any more. */
static void entries_withdraw(struct listeners *listeners, struct listener *listener)
{
	struct entry wanted[MAX_KEYS];
	unsigned int n = listener->removed ? 0 : entries_of(&listener->wanted, wanted), kept = 0;

	for (unsigned int i = 0; i < listener->n_entries; i++) {
		struct entry *entry = &listener->entries[i];

		if (entries_hold(wanted, n, &entry->key))
			listener->entries[kept++] = *entry;
		else
			vip_table_remove(listeners->vips, &entry->key);
	}
	listener->n_entries = kept;
}

static int entries_publish(struct listeners *listeners, struct listener *listener)
{
	struct entry wanted[MAX_KEYS];
	unsigned int n = entries_of(&listener->wanted, wanted);

	for (unsigned int i = 0; i < n; i++) {
		int r = vip_table_put(listeners->vips, &wanted[i].key, SL_VIP_LISTENER,
				      listener->number, wanted[i].zone);

		if (r < 0)
			return r;
		if (!entries_hold(listener->entries, listener->n_entries, &wanted[i].key))
			listener->entries[listener->n_entries++] = wanted[i];
	}
	return 0;
}

int listeners_commit(struct listeners *listeners, uint64_t now_ns)
{
	struct listener *dirty = listeners->dirty, *listener;
	int r = 0;

	/* first what goes, then what comes: a new listener may take an old one's place */
	for (listener = dirty; listener != NULL; listener = listener->next)
		entries_withdraw(listeners, listener);
	listeners->dirty = NULL;
	while (dirty != NULL) {
		int published;

		listener = dirty;
		dirty = listener->next;
		listener->next = NULL;
		listener->dirty = false;
		if (listener->removed) {
			HASH_DEL(listeners->by_id, listener);
			listeners->tables->listeners[listener->number].removed = 1;
			listener->left_ns = now_ns;
			listener->next = listeners->leaving;
			listeners->leaving = listener;
			continue;
		}
		write_record(listeners, listener);
		published = entries_publish(listeners, listener);
		if (published < 0) {
			r = published;
			mark_dirty(listeners, listener);
		}
	}
	return r;
}

/* --- counters ------------------------------------------------------------- */

static struct sl_listener_counters *counts_at(const struct listeners *listeners, uint32_t cpu,
					      uint16_t number)
{
	return &listeners->tables->listener_counts[cpu * SL_MAX_LISTENERS + number];
}

static struct sl_listener_counters count(const struct listeners *listeners, uint16_t number)
{
	struct sl_listener_counters sum = {};
	__u64 *to = (__u64 *)&sum;

	for (uint32_t cpu = 0; cpu < listeners->tables->config->cpus; cpu++) {
		const __u64 *from = (const __u64 *)counts_at(listeners, cpu, number);

		for (size_t i = 0; i < sizeof(sum) / sizeof(*to); i++)
			to[i] += from[i];
	}
	return sum;
}

/* Counters that are read while packets count may seem to be ahead of each other. */
static uint64_t less(uint64_t more, uint64_t gone)
{
	return more > gone ? more - gone : 0;
}

int listeners_counters(const struct listeners *listeners, uint64_t id,
		       struct engine_counters *ret_counters)
{
	const struct listener *listener = find(listeners, id);
	struct sl_listener_counters c;

	if (listener == NULL)
		return -ENOENT;
	c = count(listeners, listener->number);
	*ret_counters = (struct engine_counters){
		.active_flows_tcp = less(c.new_flows[SL_L4_TCP], c.ended_flows[SL_L4_TCP]),
		.active_flows_udp = less(c.new_flows[SL_L4_UDP], c.ended_flows[SL_L4_UDP]),
		.new_flows_tcp = c.new_flows[SL_L4_TCP],
		.new_flows_udp = c.new_flows[SL_L4_UDP],
		.processed_packets = c.packets[SL_L4_TCP] + c.packets[SL_L4_UDP],
		.processed_bytes = c.bytes[SL_L4_TCP] + c.bytes[SL_L4_UDP],
		.processed_bytes_tcp = c.bytes[SL_L4_TCP],
		.processed_bytes_udp = c.bytes[SL_L4_UDP],
		.client_resets = c.client_resets,
		.target_resets = c.target_resets,
		.elb_resets = c.elb_resets,
		.rejected_flows_tcp = c.rejected_flows[SL_L4_TCP],
		.rejected_flows_udp = c.rejected_flows[SL_L4_UDP],
		.port_allocation_errors = c.port_allocation_errors,
		.unhealthy_routing_flows = c.unhealthy_routing_flows,
	};
	ret_counters->active_flows =
		ret_counters->active_flows_tcp + ret_counters->active_flows_udp;
	return 0;
}

static uint64_t flows_held(const struct listeners *listeners, const struct listener *listener)
{
	struct sl_listener_counters c = count(listeners, listener->number);

	return less(c.new_flows[SL_L4_TCP] + c.new_flows[SL_L4_UDP], c.freed_flows);
}

void listeners_count(const struct listeners *listeners, uint32_t *ret_listeners,
		     uint64_t *ret_flows4, uint64_t *ret_flows6)
{
	uint64_t flows[2] = {};

	for (uint32_t i = 0; i < SL_MAX_LISTENERS; i++)
		if (listeners->by_number[i] != NULL)
			flows[listeners->by_number[i]->v6] +=
				flows_held(listeners, listeners->by_number[i]);
	*ret_listeners = HASH_COUNT(listeners->by_id);
	*ret_flows4 = flows[0];
	*ret_flows6 = flows[1];
}

void listeners_tidy(struct listeners *listeners, uint64_t now_ns)
{
	struct listener **place = &listeners->leaving;

	while (*place != NULL) {
		struct listener *listener = *place;

		if (now_ns - listener->left_ns < GRACE_NS || flows_held(listeners, listener) != 0) {
			place = &listener->next;
			continue;
		}
		*place = listener->next;
		for (uint32_t cpu = 0; cpu < listeners->tables->config->cpus; cpu++)
			memset(counts_at(listeners, cpu, listener->number), 0,
			       sizeof(struct sl_listener_counters));
		memset(&listeners->tables->listeners[listener->number], 0,
		       sizeof(struct sl_listener));
		listeners->by_number[listener->number] = NULL;
		listeners->free[listeners->n_free++] = listener->number;
		free(listener);
	}
}

/* --- begin, end, taking over ---------------------------------------------- */

void listeners_reconcile_begin(struct listeners *listeners)
{
	struct listener *listener, *next;

	HASH_ITER(hh, listeners->by_id, listener, next)
		listener->seen = false;
}

void listeners_reconcile_end(struct listeners *listeners)
{
	struct listener *listener, *next;

	HASH_ITER(hh, listeners->by_id, listener, next)
		if (!listener->seen)
			listeners_remove(listeners, listener->id);
}

static int adopt_listener(struct listeners *listeners, uint16_t number)
{
	const struct sl_listener *record = &listeners->tables->listeners[number];
	struct listener *listener = calloc(1, sizeof(*listener));

	if (listener == NULL)
		return -ENOMEM;
	listener->id = record->id;
	listener->number = number;
	listener->removed = record->removed;
	listeners->by_number[number] = listener;
	if (record->removed) {
		listener->next = listeners->leaving;
		listeners->leaving = listener;
	} else {
		HASH_ADD(hh, listeners->by_id, id, sizeof(listener->id), listener);
	}
	return 0;
}

static void adopt_entry(struct listeners *listeners, const struct sl_vip *vip)
{
	struct listener *listener = listeners->by_number[vip->listener];
	struct vip_key key = {vip_table_address(vip), ntohs(vip->port), vip->protocol};

	if (listener == NULL || listener->removed || listener->n_entries == MAX_KEYS) {
		vip_table_remove(listeners->vips, &key); /* or it would lead to the next of this number */
		return;
	}
	listener->v6 = vip->family == 6;
	listener->entries[listener->n_entries++] = (struct entry){key, vip->zone};
}

int listeners_open(struct sl_tables *tables, struct vip_table *vips, const struct groups *groups,
		   struct listeners **ret_listeners)
{
	struct listeners *listeners = calloc(1, sizeof(*listeners));
	int r = 0;

	if (listeners == NULL)
		return -ENOMEM;
	listeners->tables = tables;
	listeners->vips = vips;
	listeners->groups = groups;
	for (uint32_t i = SL_MAX_LISTENERS; i-- > 0 && r == 0;) {
		if (tables->listeners[i].id != 0)
			r = adopt_listener(listeners, (uint16_t)i);
		else
			listeners->free[listeners->n_free++] = (uint16_t)i;
	}
	if (r < 0) {
		listeners_close(listeners);
		return r;
	}
	for (uint32_t i = 1; i < tables->config->max_vips; i++)
		if (tables->vips[i].family != 0 && tables->vips[i].kind == SL_VIP_LISTENER)
			adopt_entry(listeners, &tables->vips[i]);
	*ret_listeners = listeners;
	return 0;
}

void listeners_close(struct listeners *listeners)
{
	if (listeners == NULL)
		return;
	HASH_CLEAR(hh, listeners->by_id);
	for (uint32_t i = 0; i < SL_MAX_LISTENERS; i++)
		free(listeners->by_number[i]);
	free(listeners);
}
