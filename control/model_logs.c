/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/model_logs.h"

#include "control/model.h"

#include <stdio.h>
#include <utlist.h>

static void fill(const struct load_balancer *load_balancer, struct logs_destination *ret)
{
	const struct attributes *attributes = &load_balancer->attributes;

	*ret = (struct logs_destination){.load_balancer_id = load_balancer->id};
	snprintf(ret->load_balancer, sizeof(ret->load_balancer), "%s", load_balancer->name);
	snprintf(ret->bucket, sizeof(ret->bucket), "%s",
		 attributes_get(attributes, ATTRIBUTE_LOGS_BUCKET));
	snprintf(ret->prefix, sizeof(ret->prefix), "%s",
		 attributes_get(attributes, ATTRIBUTE_LOGS_PREFIX));
}

void model_logs_visit(const struct model *model, const struct model_logs_visitor *visitor)
{
	struct load_balancer *load_balancer, *load_balancer_next;
	struct listener *listener, *listener_next;
	struct logs_destination destination;
	const struct group *group;

	model_each (model->load_balancers, load_balancer, hh) {
		if (!attributes_is_true(&load_balancer->attributes, ATTRIBUTE_LOGS_ENABLED))
			continue;
		fill(load_balancer, &destination);
		visitor->load_balancer(visitor->context, &destination);
		model_each (load_balancer->listeners, listener, hh_port)
			visitor->listener(visitor->context, listener->id);
		DL_FOREACH (load_balancer->groups, group)
			visitor->group(visitor->context, group->id, group->name);
	}
}

bool model_logs_has_listener(const struct model *model, uint64_t id)
{
	const struct listener *found;

	HASH_FIND(hh, model->listeners, &id, sizeof(id), found);
	return found != NULL;
}

bool model_logs_has_load_balancer(const struct model *model, uint64_t id)
{
	const struct load_balancer *found;

	HASH_FIND(hh, model->load_balancers, &id, sizeof(id), found);
	return found != NULL;
}
