/* SPDX-License-Identifier: BSD-3-Clause */
/* Begin and end of the groups: taking over tables that are there, and letting go. */
#include "groups_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

void groups_reconcile_begin(struct groups *groups)
{
	struct group *group, *next_group;
	struct target *target, *next;

	HASH_ITER(hh, groups->by_id, group, next_group) {
		group->seen = false;
		HASH_ITER(hh, group->targets, target, next)
			target->seen = false;
	}
}

void groups_reconcile_end(struct groups *groups)
{
	struct group *group, *next_group;
	struct target *target, *next;

	HASH_ITER(hh, groups->by_id, group, next_group) {
		if (!group->seen) {
			groups_remove(groups, group->id);
			continue;
		}
		HASH_ITER(hh, group->targets, target, next) {
			if (target->seen)
				continue;
			target->removed = true;
			target->end_flows = false;
			groups_mark_dirty(groups, group);
		}
	}
}

static int group_adopt(struct groups *groups, uint16_t number, struct group **ret_group)
{
	struct sl_group *record = &groups->tables->groups[number];
	struct group *group = calloc(1, sizeof(*group));

	if (group == NULL)
		return -ENOMEM;
	group->id = record->id;
	group->number = number;
	group->settings.preserve_client_ip = record->flags & SL_GROUP_PRESERVE;
	group->settings.sticky_source_ip = record->flags & SL_GROUP_STICKY;
	group->settings.proxy_header = record->flags & SL_GROUP_PROXY;
	group->settings.proxy_first_ack = record->flags & SL_GROUP_PROXY_FIRST_ACK;
	group->settings.fail_open = (uint8_t)(record->flags >> SL_GROUP_FAIL_OPEN_BIT);
	group->removed = record->removed;
	*ret_group = group;
	if (group->removed) {
		group->next_dirty = groups->gone;
		groups->gone = group;
		return 0;
	}
	HASH_ADD(hh, groups->by_id, id, sizeof(group->id), group);
	return groups_adopt_tables(groups, group);
}

static enum engine_target_state state_of(const struct sl_target *record)
{
	if (record->ends != 0)
		return record->ends & SL_ENDS_TCP ? ENGINE_TARGET_ENDING : ENGINE_TARGET_UNHEALTHY;
	return record->state == SL_TARGET_ACTIVE ? ENGINE_TARGET_ACTIVE : ENGINE_TARGET_IDLE;
}

static int target_adopt(struct groups *groups, uint16_t number, struct group *group)
{
	struct sl_target *record = &groups->tables->targets[number];
	struct target *target;
	uint64_t hop = record->next_hop;

	if (group == NULL)
		return -EPROTO;
	target = calloc(1, sizeof(*target));
	if (target == NULL)
		return -ENOMEM;
	target->key = groups_target_key(&(struct in6_addr){}, ntohs(record->port));
	target->key.address = vip_table_from_words(record->family == 6, record->address);
	target->number = number;
	target->zones = record->zones;
	target->state = state_of(record);
	groups->ending |= (record->ends & SL_ENDS_TCP) != 0;
	if (groups_address_hold(groups, target) != 0) {
		free(target);
		return -ENOMEM;
	}
	if (record->next_hop == SL_NEXT_HOP_NONE)
		SL_WRITE(record->next_hop, hop); /* until netlink knows better */
	if (!group->removed &&
	    (record->state == SL_TARGET_ACTIVE || record->state == SL_TARGET_IDLE)) {
		HASH_ADD(hh, group->targets, key, sizeof(target->key), target);
		groups->n_targets++;
	} else {
		groups_target_leave(groups, group, target);
	}
	return 0;
}

static int adopt(struct groups *groups)
{
	struct group **by_number = calloc(SL_MAX_GROUPS, sizeof(struct group *));
	const struct sl_config *config = groups->tables->config;
	int r = by_number == NULL ? -ENOMEM : 0;

	for (uint32_t i = SL_MAX_GROUPS; i-- > 0 && r == 0;) {
		if (groups->tables->groups[i].id != 0)
			r = group_adopt(groups, (uint16_t)i, &by_number[i]);
		else
			groups->free_groups[groups->n_free_groups++] = (uint16_t)i;
	}
	for (uint32_t i = 0; i < config->max_targets && r == 0; i++) {
		const struct sl_target *record = &groups->tables->targets[i];

		if (record->state == SL_TARGET_FREE)
			groups_free_number(groups, (uint16_t)i);
		else
			r = target_adopt(groups, (uint16_t)i,
					 record->group < SL_MAX_GROUPS ? by_number[record->group] :
									 NULL);
	}
	free(by_number);
	return r;
}

int groups_open(struct sl_tables *tables, struct vip_table *vips,
		const struct groups_callbacks *callbacks, struct groups **ret_groups)
{
	struct groups *groups = calloc(1, sizeof(*groups));
	int r = -ENOMEM;

	if (groups == NULL)
		return -ENOMEM;
	groups->tables = tables;
	groups->vips = vips;
	groups->callbacks = *callbacks;
	groups->free_targets = calloc(tables->config->max_targets, sizeof(uint16_t));
	groups->free_groups = calloc(SL_MAX_GROUPS, sizeof(uint16_t));
	if (groups->free_targets == NULL || groups->free_groups == NULL)
		goto fail;
	r = arena_new(tables->config->maglev_chunks, &groups->arena);
	if (r == 0)
		r = adopt(groups);
	if (r < 0)
		goto fail;
	*ret_groups = groups;
	return 0;
fail:
	groups_close(groups);
	return r;
}

static void group_free(struct group *group)
{
	struct target *target, *next;

	HASH_ITER(hh, group->targets, target, next) {
		HASH_DEL(group->targets, target);
		free(target);
	}
	HASH_CLEAR(hh_back, group->back);
	while (group->leaving != NULL) {
		target = group->leaving;
		group->leaving = target->next_leaving;
		free(target);
	}
	free(group);
}

void groups_close(struct groups *groups)
{
	struct group *group, *next;
	struct address *address, *next_address;

	if (groups == NULL)
		return;
	HASH_ITER(hh, groups->by_id, group, next) {
		HASH_DEL(groups->by_id, group);
		group_free(group);
	}
	while (groups->gone != NULL) {
		group = groups->gone;
		groups->gone = group->next_dirty;
		group_free(group);
	}
	HASH_ITER(hh, groups->addresses, address, next_address) {
		HASH_DEL(groups->addresses, address);
		free(address);
	}
	arena_free(groups->arena);
	free(groups->free_targets);
	free(groups->free_groups);
	free(groups);
}
