/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

/* uthash leaves hh.tbl NULL when it had no memory (HASH_NONFATAL_OOM). */
#define ADDED(object, handle) ((object)->handle.tbl != NULL)

struct load_balancer *model_load_balancer(const struct model *model, const struct arn *arn)
{
	struct load_balancer *found;

	HASH_FIND(hh, model->load_balancers, &arn->load_balancer_id, sizeof(uint64_t), found);
	return found != NULL && strcmp(found->name, arn->name) == 0 ? found : NULL;
}

struct listener *model_listener(const struct model *model, const struct arn *arn)
{
	struct listener *found;

	HASH_FIND(hh, model->listeners, &arn->id, sizeof(uint64_t), found);
	return found != NULL && found->load_balancer == model_load_balancer(model, arn) ? found
											: NULL;
}

struct group *model_group(const struct model *model, const struct arn *arn)
{
	struct group *found;

	HASH_FIND(hh, model->groups, &arn->id, sizeof(uint64_t), found);
	return found != NULL && strcmp(found->name, arn->name) == 0 ? found : NULL;
}

struct load_balancer *model_load_balancer_named(const struct model *model, const char *name)
{
	struct load_balancer *found;

	HASH_FIND(hh_name, model->load_balancers_by_name, name, strlen(name), found);
	return found;
}

struct group *model_group_named(const struct model *model, const char *name)
{
	struct group *found;

	HASH_FIND(hh_name, model->groups_by_name, name, strlen(name), found);
	return found;
}

struct target *model_target(const struct group *group, const struct in6_addr *address,
			    uint16_t port)
{
	struct target_key key = {.address = *address, .port = port};
	struct target *found;

	HASH_FIND(hh, group->targets, &key, sizeof(key), found);
	return found;
}

const struct vip *model_vip(const struct model *model, const struct in6_addr *address)
{
	struct vip *found;

	HASH_FIND(hh, model->vips, address, sizeof(*address), found);
	return found;
}

int model_add_vip(struct model *model, struct vip *vip)
{
	HASH_ADD(hh, model->vips, address, sizeof(vip->address), vip);
	return ADDED(vip, hh) ? 0 : -ENOMEM;
}

void model_drop_vip(struct model *model, struct vip *vip)
{
	if (vip->load_balancer == NULL)
		return;
	if (vip->hh.tbl != NULL)
		HASH_DELETE(hh, model->vips, vip);
	*vip = (struct vip){0};
}

int model_add_load_balancer(struct model *model, struct load_balancer *load_balancer)
{
	HASH_ADD(hh, model->load_balancers, id, sizeof(load_balancer->id), load_balancer);
	if (!ADDED(load_balancer, hh))
		return -ENOMEM;
	HASH_ADD_KEYPTR(hh_name, model->load_balancers_by_name, load_balancer->name,
			strlen(load_balancer->name), load_balancer);
	if (!ADDED(load_balancer, hh_name)) {
		HASH_DELETE(hh, model->load_balancers, load_balancer);
		return -ENOMEM;
	}
	return 0;
}

void model_free_load_balancer(struct load_balancer *load_balancer)
{
	if (load_balancer == NULL)
		return;
	attributes_free(&load_balancer->attributes);
	json_decref(load_balancer->tags);
	free(load_balancer);
}

void model_drop_load_balancer(struct model *model, struct load_balancer *load_balancer)
{
	struct listener *listener, *listener_next;

	model_each (load_balancer->listeners, listener, hh_port)
		model_drop_listener(model, listener);
	for (unsigned int i = 0; i < ENGINE_MAX_ZONES; i++) {
		model_drop_vip(model, &load_balancer->zones[i].v4);
		model_drop_vip(model, &load_balancer->zones[i].v6);
	}
	HASH_DELETE(hh_name, model->load_balancers_by_name, load_balancer);
	HASH_DELETE(hh, model->load_balancers, load_balancer);
	model_free_load_balancer(load_balancer);
}

void model_use_groups(const struct listener *listener)
{
	for (unsigned int i = 0; i < listener->forward.n; i++) {
		struct group *group = listener->forward.to[i].group;

		if (group->uses++ > 0)
			continue;
		group->load_balancer = listener->load_balancer;
		DL_APPEND(group->load_balancer->groups, group);
	}
}

void model_release_groups(const struct listener *listener)
{
	for (unsigned int i = 0; i < listener->forward.n; i++) {
		struct group *group = listener->forward.to[i].group;

		if (--group->uses > 0)
			continue;
		DL_DELETE(group->load_balancer->groups, group);
		group->prev = group->next = NULL;
		group->load_balancer = NULL;
	}
}

int model_add_listener(struct model *model, struct listener *listener)
{
	struct load_balancer *load_balancer = listener->load_balancer;

	HASH_ADD(hh, model->listeners, id, sizeof(listener->id), listener);
	if (!ADDED(listener, hh))
		return -ENOMEM;
	HASH_ADD(hh_port, load_balancer->listeners, port, sizeof(listener->port), listener);
	if (!ADDED(listener, hh_port)) {
		HASH_DELETE(hh, model->listeners, listener);
		return -ENOMEM;
	}
	model_use_groups(listener);
	return 0;
}

void model_free_listener(struct listener *listener)
{
	if (listener == NULL)
		return;
	attributes_free(&listener->attributes);
	json_decref(listener->tags);
	free(listener);
}

void model_drop_listener(struct model *model, struct listener *listener)
{
	model_release_groups(listener);
	HASH_DELETE(hh_port, listener->load_balancer->listeners, listener);
	HASH_DELETE(hh, model->listeners, listener);
	model_free_listener(listener);
}

int model_add_group(struct model *model, struct group *group)
{
	HASH_ADD(hh, model->groups, id, sizeof(group->id), group);
	if (!ADDED(group, hh))
		return -ENOMEM;
	HASH_ADD_KEYPTR(hh_name, model->groups_by_name, group->name, strlen(group->name), group);
	if (!ADDED(group, hh_name)) {
		HASH_DELETE(hh, model->groups, group);
		return -ENOMEM;
	}
	return 0;
}

void model_free_group(struct group *group)
{
	if (group == NULL)
		return;
	attributes_free(&group->attributes);
	json_decref(group->tags);
	free(group);
}

void model_drop_group(struct model *model, struct group *group)
{
	struct target *target, *target_next;

	model_each (group->targets, target, hh)
		model_drop_target(model, target);
	model_settled(model, group);
	HASH_DELETE(hh_name, model->groups_by_name, group);
	HASH_DELETE(hh, model->groups, group);
	model_free_group(group);
}

int model_add_target(struct model *model, struct group *group, struct target *target)
{
	(void)model;
	target->group = group;
	HASH_ADD(hh, group->targets, key, sizeof(target->key), target);
	return ADDED(target, hh) ? 0 : -ENOMEM;
}

void model_drop_target(struct model *model, struct target *target)
{
	deadlines_clear(&model->deadlines, &target->deadline);
	checks_drop(model->checks, target->check);
	if (machine_is_registered(&target->machine))
		target->group->n_registered--;
	HASH_DELETE(hh, target->group->targets, target);
	free(target);
}

void model_settled(struct model *model, struct group *group)
{
	if (group->unsettled)
		DL_DELETE2(model->unsettled, group, prev_unsettled, next_unsettled);
	group->unsettled = false;
}

bool model_group_crosses_zones(const struct group *group)
{
	const char *value = attributes_get(&group->attributes, ATTRIBUTE_GROUP_CROSS_ZONE);

	if (strcmp(value, "use_load_balancer_configuration") != 0)
		return strcmp(value, "true") == 0;
	return group->load_balancer != NULL &&
	       attributes_is_true(&group->load_balancer->attributes, ATTRIBUTE_LB_CROSS_ZONE);
}

uint8_t model_zones(const struct load_balancer *load_balancer)
{
	uint8_t zones = 0;

	for (unsigned int i = 0; i < ENGINE_MAX_ZONES; i++) {
		if (load_balancer->zones[i].enabled)
			zones |= (uint8_t)(1U << i);
	}
	return zones;
}

uint8_t model_target_zones(const struct target *target, bool crosses)
{
	const struct load_balancer *load_balancer = target->group->load_balancer;

	if (load_balancer == NULL)
		return 0;
	if (target->zone == MODEL_ZONE_ALL)
		return model_zones(load_balancer);
	if (!load_balancer->zones[target->zone].enabled)
		return 0;
	return crosses ? model_zones(load_balancer) : (uint8_t)(1U << target->zone);
}

unsigned int model_count_targets(const struct load_balancer *load_balancer)
{
	const struct group *group;
	unsigned int n = 0;

	DL_FOREACH (load_balancer->groups, group)
		n += group->n_registered;
	return n;
}
