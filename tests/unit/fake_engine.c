/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/fake_engine.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EACH(head, it) HASH_ITER (hh, head, it, it##_next)

struct engine *fake_engine_new(void)
{
	struct engine *engine = calloc(1, sizeof(*engine));

	assert(engine != NULL);
	engine->max_targets = 65535;
	return engine;
}

static void clear_unseen(struct engine *engine)
{
	struct fake_group *group, *group_next;
	struct fake_target *target, *target_next;
	struct fake_listener *listener, *listener_next;
	struct fake_vip *vip, *vip_next;

	EACH(engine->listeners, listener)
	{
		if (!listener->seen) {
			HASH_DEL(engine->listeners, listener);
			free(listener);
		}
	}
	EACH(engine->targets, target)
	{
		if (!target->seen) {
			HASH_DEL(engine->targets, target);
			free(target);
		}
	}
	EACH(engine->groups, group)
	{
		if (!group->seen) {
			HASH_DEL(engine->groups, group);
			free(group);
		}
	}
	EACH(engine->vips, vip)
	{
		if (!vip->seen) {
			HASH_DEL(engine->vips, vip);
			free(vip);
		}
	}
}

void engine_reconcile_begin(struct engine *engine)
{
	struct fake_group *group, *group_next;
	struct fake_target *target, *target_next;
	struct fake_listener *listener, *listener_next;
	struct fake_vip *vip, *vip_next;

	EACH(engine->listeners, listener)
	listener->seen = false;
	EACH(engine->targets, target)
	target->seen = false;
	EACH(engine->groups, group)
	group->seen = false;
	EACH(engine->vips, vip)
	vip->seen = false;
}

int engine_reconcile_end(struct engine *engine, char error[ENGINE_ERROR_MAX])
{
	(void)error;
	clear_unseen(engine);
	engine->staged = false;
	return 0;
}

void fake_engine_free(struct engine *engine)
{
	engine_reconcile_begin(engine);
	clear_unseen(engine);
	free(engine);
}

const struct fake_group *fake_engine_group(const struct engine *engine, uint64_t id)
{
	struct fake_group *group;

	HASH_FIND(hh, engine->groups, &id, sizeof(id), group);
	return group;
}

const struct fake_listener *fake_engine_listener(const struct engine *engine, uint64_t id)
{
	struct fake_listener *listener;

	HASH_FIND(hh, engine->listeners, &id, sizeof(id), listener);
	return listener;
}

static struct fake_target *find_target(const struct engine *engine, uint64_t group_id,
				       const struct in6_addr *address, uint16_t port)
{
	struct fake_target key = {.key = {group_id, *address, port}}, *target;

	HASH_FIND(hh, engine->targets, &key.key, sizeof(key.key), target);
	return target;
}

const struct engine_target *fake_engine_target(const struct engine *engine, uint64_t group_id,
					       const char *address, uint16_t port)
{
	const struct fake_target *target;
	struct in6_addr parsed;

	assert(address_parse(address, &parsed) == 0);
	target = find_target(engine, group_id, &parsed, port);
	return target != NULL ? &target->target : NULL;
}

int engine_vip_put(struct engine *engine, const struct engine_vip *vip)
{
	struct fake_vip *found;

	if (engine->vip_error != 0 && engine->vip_error_after-- == 0) {
		engine->vip_error_after = 0;
		return engine->vip_error;
	}
	HASH_FIND(hh, engine->vips, &vip->address, sizeof(vip->address), found);
	if (found == NULL) {
		found = calloc(1, sizeof(*found));
		assert(found != NULL);
		found->address = vip->address;
		HASH_ADD(hh, engine->vips, address, sizeof(found->address), found);
	}
	found->zone = vip->zone;
	found->seen = engine->staged = true;
	return 0;
}

int engine_vip_remove(struct engine *engine, const struct engine_vip *vip)
{
	struct fake_vip *found;

	HASH_FIND(hh, engine->vips, &vip->address, sizeof(vip->address), found);
	engine->staged = true;
	if (found != NULL) {
		HASH_DEL(engine->vips, found);
		free(found);
	}
	return 0;
}

int engine_group_put(struct engine *engine, uint64_t group_id, const struct engine_group *group)
{
	struct fake_group *found;

	HASH_FIND(hh, engine->groups, &group_id, sizeof(group_id), found);
	if (found == NULL) {
		if (engine->group_error != 0)
			return engine->group_error;
		found = calloc(1, sizeof(*found));
		assert(found != NULL);
		found->id = group_id;
		HASH_ADD(hh, engine->groups, id, sizeof(found->id), found);
	}
	found->group = *group;
	found->seen = engine->staged = true;
	return 0;
}

int engine_group_remove(struct engine *engine, uint64_t group_id)
{
	struct fake_group *found;
	struct fake_target *target, *target_next;
	struct fake_listener *listener, *listener_next;

	HASH_FIND(hh, engine->groups, &group_id, sizeof(group_id), found);
	if (found == NULL)
		return -ENOENT;
	EACH(engine->listeners, listener)
	{
		for (unsigned int i = 0; i < listener->listener.n_groups; i++)
			assert(listener->listener.groups[i].group_id != group_id);
	}
	EACH(engine->targets, target)
	{
		if (target->key.group_id == group_id) {
			HASH_DEL(engine->targets, target);
			free(target);
		}
	}
	HASH_DEL(engine->groups, found);
	free(found);
	engine->staged = true;
	return 0;
}

int engine_target_put(struct engine *engine, uint64_t group_id, const struct engine_target *target)
{
	struct fake_target *found;

	if (engine->target_error != 0)
		return engine->target_error;
	if (fake_engine_group(engine, group_id) == NULL)
		return -ENOENT;
	found = find_target(engine, group_id, &target->address, target->port);
	if (found == NULL) {
		if (HASH_COUNT(engine->targets) >= engine->max_targets)
			return -ENOSPC;
		found = calloc(1, sizeof(*found));
		assert(found != NULL);
		found->key.group_id = group_id;
		found->key.address = target->address;
		found->key.port = target->port;
		HASH_ADD(hh, engine->targets, key, sizeof(found->key), found);
	}
	found->target = *target;
	found->seen = engine->staged = true;
	engine->target_puts++;
	return 0;
}

int engine_target_remove(struct engine *engine, uint64_t group_id, const struct in6_addr *address,
			 uint16_t port, bool end_flows)
{
	struct fake_target *found = find_target(engine, group_id, address, port);

	if (found == NULL)
		return -ENOENT;
	HASH_DEL(engine->targets, found);
	free(found);
	engine->staged = true;
	engine->removed_ending_flows += end_flows;
	engine->removed_keeping_flows += !end_flows;
	return 0;
}

uint32_t engine_targets_free(const struct engine *engine)
{
	return engine->max_targets - HASH_COUNT(engine->targets);
}

int engine_listener_put(struct engine *engine, uint64_t listener_id,
			const struct engine_listener *listener)
{
	struct fake_listener *found, *other, *other_next;

	assert(listener->n_vips > 0 && listener->n_groups > 0);
	for (unsigned int i = 0; i < listener->n_groups; i++) {
		if (fake_engine_group(engine, listener->groups[i].group_id) == NULL)
			return -ENOENT;
	}
	EACH(engine->listeners, other)
	{
		if (other->id != listener_id && other->listener.port == listener->port &&
		    address_equal(&other->listener.vips[0].address, &listener->vips[0].address))
			return -EEXIST;
	}
	HASH_FIND(hh, engine->listeners, &listener_id, sizeof(listener_id), found);
	if (found == NULL) {
		if (engine->listener_error != 0)
			return engine->listener_error;
		found = calloc(1, sizeof(*found));
		assert(found != NULL);
		found->id = listener_id;
		HASH_ADD(hh, engine->listeners, id, sizeof(found->id), found);
	}
	found->listener = *listener;
	found->seen = engine->staged = true;
	return 0;
}

int engine_listener_remove(struct engine *engine, uint64_t listener_id)
{
	struct fake_listener *found;

	HASH_FIND(hh, engine->listeners, &listener_id, sizeof(listener_id), found);
	if (found == NULL)
		return -ENOENT;
	HASH_DEL(engine->listeners, found);
	free(found);
	engine->staged = true;
	return 0;
}

int engine_commit(struct engine *engine)
{
	if (engine->commit_error != 0)
		return engine->commit_error;
	engine->staged = false;
	engine->commits++;
	return 0;
}

/* Numbers that tell the objects apart. */
static void fill_counters(struct engine_counters *ret, uint64_t base)
{
	*ret = (struct engine_counters){
		.active_flows = base + 3,
		.active_flows_tcp = base + 1,
		.active_flows_udp = 2,
		.new_flows_tcp = base + 4,
		.new_flows_udp = 5,
		.processed_packets = base + 6,
		.processed_bytes = base + 15,
		.processed_bytes_tcp = base + 7,
		.processed_bytes_udp = 8,
		.client_resets = base + 9,
		.target_resets = base + 10,
		.elb_resets = base + 11,
		.rejected_flows_tcp = base + 12,
		.rejected_flows_udp = 13,
		.port_allocation_errors = base + 14,
		.unhealthy_routing_flows = base + 16,
	};
}

int engine_listener_counters(const struct engine *engine, uint64_t listener_id,
			     struct engine_counters *ret_counters)
{
	if (fake_engine_listener(engine, listener_id) == NULL)
		return -ENOENT;
	fill_counters(ret_counters, 100);
	return 0;
}

int engine_group_counters(const struct engine *engine, uint64_t group_id,
			  struct engine_counters *ret_counters)
{
	if (fake_engine_group(engine, group_id) == NULL)
		return -ENOENT;
	fill_counters(ret_counters, 200);
	return 0;
}

int engine_target_counters(const struct engine *engine, uint64_t group_id,
			   const struct in6_addr *address, uint16_t port,
			   struct engine_counters *ret_counters)
{
	if (find_target(engine, group_id, address, port) == NULL)
		return -ENOENT;
	fill_counters(ret_counters, 300);
	if (engine->idle)
		ret_counters->active_flows = 0;
	return 0;
}

void engine_describe(const struct engine *engine, struct engine_info *ret_info)
{
	(void)engine;
	*ret_info = (struct engine_info){.kind = "fake", .flow_records_lost = 41,
					 .refusals_unrecorded = 42};
}
