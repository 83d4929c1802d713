/* SPDX-License-Identifier: BSD-3-Clause */
#include "groups.h"

#include "groups_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define GRACE_NS 2000000000ull /* a number rests this long after it left: packets in flight */

struct group *groups_find(const struct groups *groups, uint64_t id)
{
	struct group *group;

	HASH_FIND(hh, groups->by_id, &id, sizeof(id), group);
	return group;
}

struct target_key groups_target_key(const struct in6_addr *address, uint16_t port)
{
	return (struct target_key){.address = *address, .port = port};
}

struct target *groups_target_find(const struct group *group, const struct target_key *key)
{
	struct target *target;

	HASH_FIND(hh, group->targets, key, sizeof(*key), target);
	return target;
}

void groups_mark_dirty(struct groups *groups, struct group *group)
{
	if (group->dirty)
		return;
	group->dirty = true;
	group->next_dirty = groups->dirty;
	groups->dirty = group;
}

/* --- addresses: next hops and the address table ------------------------- */

int groups_address_hold(struct groups *groups, struct target *target)
{
	struct sl_target *record = &groups->tables->targets[target->number];
	struct address *entry;
	int r;

	r = vip_table_hold(groups->vips, &target->key.address, SL_VIP_TARGET, 0);
	if (r < 0)
		return r;
	HASH_FIND(hh, groups->addresses, &target->key.address, sizeof(struct in6_addr), entry);
	if (entry == NULL) {
		entry = calloc(1, sizeof(*entry));
		if (entry == NULL) {
			vip_table_release(groups->vips, &target->key.address);
			return -ENOMEM;
		}
		entry->address = target->key.address;
		HASH_ADD(hh, groups->addresses, address, sizeof(entry->address), entry);
		entry->hop = groups->callbacks.watch(groups->callbacks.context, &entry->address);
	}
	DL_PREPEND2(entry->targets, target, prev_same, next_same);
	SL_WRITE(record->next_hop, entry->hop);
	return 0;
}

static void address_release(struct groups *groups, struct target *target)
{
	struct address *entry;

	vip_table_release(groups->vips, &target->key.address);
	HASH_FIND(hh, groups->addresses, &target->key.address, sizeof(struct in6_addr), entry);
	if (entry == NULL)
		return;
	DL_DELETE2(entry->targets, target, prev_same, next_same);
	if (entry->targets != NULL)
		return;
	groups->callbacks.unwatch(groups->callbacks.context, &entry->address);
	HASH_DEL(groups->addresses, entry);
	free(entry);
}

void groups_next_hop(struct groups *groups, const struct in6_addr *address, uint64_t hop)
{
	struct address *entry;

	HASH_FIND(hh, groups->addresses, address, sizeof(*address), entry);
	if (entry == NULL)
		return;
	entry->hop = hop;
	for (const struct target *target = entry->targets; target != NULL; target = target->next_same)
		SL_WRITE(groups->tables->targets[target->number].next_hop, hop);
}

/* --- numbers -------------------------------------------------------------- */

void groups_free_number(struct groups *groups, uint16_t number)
{
	uint32_t room = groups->tables->config->max_targets;

	groups->free_targets[(groups->head_target + groups->n_free_targets++) % room] = number;
}

static uint16_t target_take_number(struct groups *groups)
{
	uint16_t number = groups->free_targets[groups->head_target];

	groups->head_target = (groups->head_target + 1) % groups->tables->config->max_targets;
	groups->n_free_targets--;
	return number;
}

static void group_forget(struct groups *groups, struct group *group)
{
	struct sl_group *record = &groups->tables->groups[group->number];

	memset(record, 0, sizeof(*record));
	groups->free_groups[groups->n_free_groups++] = group->number;
	free(group);
}

void groups_target_leave(struct groups *groups, struct group *group, struct target *target)
{
	DL_PREPEND2(group->leaving, target, prev_leaving, next_leaving);
	if (groups->tables->targets[target->number].ends == 0)
		HASH_ADD(hh_back, group->back, key, sizeof(target->key), target);
}

static void target_unleave(struct groups *groups, struct group *group, struct target *target)
{
	if (groups->tables->targets[target->number].ends == 0)
		HASH_DELETE(hh_back, group->back, target);
	DL_DELETE2(group->leaving, target, prev_leaving, next_leaving);
}

/* The targets that left and that no flow names any more. */
static void group_tidy(struct groups *groups, struct group *group, uint64_t now_ns)
{
	struct target *target, *next;

	DL_FOREACH_SAFE2(group->leaving, target, next, next_leaving) {
		struct sl_target_counters c = groups_count_target(groups, target->number);

		if (now_ns - target->left_ns < GRACE_NS ||
		    c.freed_flows != c.new_flows[SL_L4_TCP] + c.new_flows[SL_L4_UDP])
			continue;
		groups_retain(groups, group, &c);
		groups_count_clear(groups, target->number);
		address_release(groups, target);
		target_unleave(groups, group, target);
		memset(&groups->tables->targets[target->number], 0, sizeof(struct sl_target));
		groups_free_number(groups, target->number);
		free(target);
	}
}

void groups_tidy(struct groups *groups, uint64_t now_ns)
{
	struct group *group, *next, **place = &groups->gone;

	HASH_ITER(hh, groups->by_id, group, next)
		group_tidy(groups, group, now_ns);
	while (*place != NULL) {
		group = *place;
		group_tidy(groups, group, now_ns);
		if (group->leaving != NULL) {
			place = &group->next_dirty;
			continue;
		}
		*place = group->next_dirty;
		group_forget(groups, group);
	}
}

/* --- staging -------------------------------------------------------------- */

int groups_number(const struct groups *groups, uint64_t id)
{
	const struct group *group = groups_find(groups, id);

	return group != NULL && !group->removed ? group->number : -ENOENT;
}

int groups_put(struct groups *groups, uint64_t id, const struct engine_group *settings)
{
	struct group *group = groups_find(groups, id);

	if (group == NULL) {
		if (groups->n_free_groups == 0)
			return -ENOSPC;
		group = calloc(1, sizeof(*group));
		if (group == NULL)
			return -ENOMEM;
		group->id = id;
		group->number = groups->free_groups[--groups->n_free_groups];
		groups->tables->groups[group->number] = (struct sl_group){.id = id};
		HASH_ADD(hh, groups->by_id, id, sizeof(group->id), group);
	}
	group->settings = *settings;
	group->removed = false;
	group->seen = true;
	groups_mark_dirty(groups, group);
	return 0;
}

int groups_remove(struct groups *groups, uint64_t id)
{
	struct group *group = groups_find(groups, id);
	struct target *target, *next;

	if (group == NULL || group->removed)
		return -ENOENT;
	group->removed = true;
	HASH_ITER(hh, group->targets, target, next)
		target->removed = true;
	groups_mark_dirty(groups, group);
	return 0;
}

/* A target that left, and whose flows live on, comes back as it was. */
static struct target *target_return(struct groups *groups, struct group *group,
				    const struct target_key *key)
{
	struct target *target;

	HASH_FIND(hh_back, group->back, key, sizeof(*key), target);
	if (target == NULL)
		return NULL;
	target_unleave(groups, group, target);
	HASH_ADD(hh, group->targets, key, sizeof(target->key), target);
	return target;
}

static int target_new(struct groups *groups, struct group *group, const struct target_key *key,
		      struct target **ret_target)
{
	struct sl_target *record;
	struct target *target;
	int r;

	if (groups->n_free_targets == 0)
		return -ENOSPC;
	target = calloc(1, sizeof(*target));
	if (target == NULL)
		return -ENOMEM;
	target->key = *key;
	target->number = target_take_number(groups);
	record = &groups->tables->targets[target->number];
	memset(record, 0, sizeof(*record));
	record->family = vip_table_words(&key->address, record->address) ? 6 : 4;
	record->port = htons(key->port);
	record->group = group->number;
	r = groups_address_hold(groups, target);
	if (r < 0) {
		groups_free_number(groups, target->number);
		free(target);
		return r;
	}
	record->state = SL_TARGET_IDLE;
	HASH_ADD(hh, group->targets, key, sizeof(target->key), target);
	*ret_target = target;
	return 0;
}

int groups_target_put(struct groups *groups, uint64_t id, const struct engine_target *wanted)
{
	struct group *group = groups_find(groups, id);
	struct target_key key = groups_target_key(&wanted->address, wanted->port);
	struct target *target;
	int r;

	if (group == NULL || group->removed)
		return -ENOENT;
	target = groups_target_find(group, &key);
	if (target == NULL) {
		target = target_return(groups, group, &key);
		if (target == NULL) {
			r = target_new(groups, group, &key, &target);
			if (r < 0)
				return r;
		}
		groups->n_targets++;
	}
	target->state = wanted->state;
	target->zones = wanted->zones;
	target->seen = true;
	target->removed = false;
	target->end_flows = false;
	groups_mark_dirty(groups, group);
	return 0;
}

int groups_target_remove(struct groups *groups, uint64_t id, const struct in6_addr *address,
			 uint16_t port, bool end_flows)
{
	struct group *group = groups_find(groups, id);
	struct target_key key = groups_target_key(address, port);
	struct target *target = group != NULL ? groups_target_find(group, &key) : NULL;

	if (target == NULL || target->removed)
		return -ENOENT;
	target->removed = true;
	target->end_flows = end_flows;
	groups_mark_dirty(groups, group);
	return 0;
}

uint32_t groups_targets_free(const struct groups *groups)
{
	return groups->n_free_targets;
}

void groups_count(const struct groups *groups, uint32_t *ret_groups, uint32_t *ret_targets)
{
	*ret_groups = HASH_COUNT(groups->by_id);
	*ret_targets = groups->n_targets;
}

/* --- commit --------------------------------------------------------------- */

static void group_write(struct groups *groups, struct group *group)
{
	struct sl_group *record = &groups->tables->groups[group->number];
	uint32_t flags = 0;

	if (group->settings.preserve_client_ip)
		flags |= SL_GROUP_PRESERVE;
	if (group->settings.sticky_source_ip)
		flags |= SL_GROUP_STICKY;
	if (group->settings.proxy_header)
		flags |= SL_GROUP_PROXY;
	if (group->settings.proxy_first_ack)
		flags |= SL_GROUP_PROXY_FIRST_ACK;
	flags |= (uint32_t)group->settings.fail_open << SL_GROUP_FAIL_OPEN_BIT;
	SL_WRITE(record->flags, flags);
}

static uint8_t flows_that_end(const struct target *target)
{
	if (target->removed)
		return target->end_flows ? SL_ENDS_TCP | SL_ENDS_UDP : 0;
	switch (target->state) {
	case ENGINE_TARGET_UNHEALTHY:
		return SL_ENDS_UDP;
	case ENGINE_TARGET_ENDING:
		return SL_ENDS_TCP | SL_ENDS_UDP;
	default:
		return 0;
	}
}

static void write_ends(struct groups *groups, struct sl_target *record, uint8_t ends)
{
	groups->ending |= (ends & ~record->ends & SL_ENDS_TCP) != 0;
	SL_WRITE(record->ends, ends);
}

/* Behind the swap of the tables: no new flow reaches them any more. */
static void targets_write(struct groups *groups, struct group *group, uint64_t now_ns)
{
	struct target *target, *next;

	HASH_ITER(hh, group->targets, target, next) {
		struct sl_target *record = &groups->tables->targets[target->number];

		record->zones = target->zones;
		if (target->removed)
			record->state = SL_TARGET_REMOVED;
		else
			record->state = target->state == ENGINE_TARGET_ACTIVE ? SL_TARGET_ACTIVE :
										SL_TARGET_IDLE;
		write_ends(groups, record, flows_that_end(target));
		if (!target->removed)
			continue;
		HASH_DEL(group->targets, target);
		groups->n_targets--;
		target->left_ns = now_ns;
		groups_target_leave(groups, group, target);
	}
}

static void group_leave(struct groups *groups, struct group *group, uint64_t now_ns)
{
	groups_unbuild(groups, group, now_ns);
	targets_write(groups, group, now_ns);
	SL_WRITE(groups->tables->groups[group->number].removed, 1);
	HASH_DEL(groups->by_id, group);
	group->next_dirty = groups->gone;
	groups->gone = group;
}

int groups_commit(struct groups *groups, uint64_t now_ns)
{
	struct group *kept = NULL; /* removed ones, and those that a later commit tries again */
	int r = 0;

	while (groups->dirty != NULL) {
		struct group *group = groups->dirty;
		int built = 0;

		groups->dirty = group->next_dirty;
		if (!group->removed) {
			group_write(groups, group);
			built = groups_build(groups, group, now_ns);
			if (built == 0) {
				targets_write(groups, group, now_ns);
				group->dirty = false;
				continue;
			}
			r = built;
		}
		group->next_dirty = kept;
		kept = group;
	}
	groups->dirty = kept;
	return r;
}

bool groups_take_ending(struct groups *groups)
{
	bool ending = groups->ending;

	groups->ending = false;
	return ending;
}

void groups_let_go(struct groups *groups, uint64_t now_ns)
{
	struct group **place = &groups->dirty;

	while (*place != NULL) {
		struct group *group = *place;

		if (!group->removed) {
			place = &group->next_dirty;
			continue;
		}
		*place = group->next_dirty;
		group->dirty = false;
		group_leave(groups, group, now_ns);
	}
}
