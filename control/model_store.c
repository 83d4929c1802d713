/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/model_store.h"

#include "control/store.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define KEY_MAX 128
#define SAVE_MS 1000 /* until what probes changed is made durable */

static int save(struct model *model, const char *key, json_t *document)
{
	int r = document != NULL ? store_put(model->store, key, document) : -ENOMEM;

	json_decref(document);
	model->staged_store = true;
	return r == 0 ? 0 : model_give_up(model, r);
}

static int erase(struct model *model, const char *key)
{
	int r = store_delete(model->store, key);

	model->staged_store = true;
	return r == 0 ? 0 : model_give_up(model, r);
}

static const char *key_of(const char *kind, uint64_t id, char key[KEY_MAX])
{
	snprintf(key, KEY_MAX, "%s/%016" PRIx64, kind, id);
	return key;
}

static const char *target_key(const struct target *target, char key[KEY_MAX])
{
	char address[ADDRESS_TEXT_MAX];

	snprintf(key, KEY_MAX, "target/%016" PRIx64 "/%s/%" PRIu32, target->group->id,
		 address_format(&target->key.address, address), target->key.port);
	return key;
}

/* An object that is never NULL, for the "O" of json_pack(). */
static json_t *or_empty(json_t *object)
{
	return object != NULL ? json_incref(object) : json_object();
}

int model_store_save_load_balancer(struct model *model, const struct load_balancer *load_balancer)
{
	char key[KEY_MAX], v4[ADDRESS_TEXT_MAX], v6[ADDRESS_TEXT_MAX];
	json_t *zones = json_array();

	for (unsigned int i = 0; i < model->config->n_zones; i++) {
		const struct load_balancer_zone *zone = &load_balancer->zones[i];

		if (!zone->enabled)
			continue;
		json_array_append_new(
			zones,
			json_pack("{s:s, s:s, s:s*}", "Name", model->config->zones[i].name, "IPv4",
				  address_format(&zone->v4.address, v4), "IPv6",
				  load_balancer->dualstack ? address_format(&zone->v6.address, v6)
							   : NULL));
	}
	return save(model, key_of("lb", load_balancer->id, key),
		    json_pack("{s:s, s:b, s:b, s:I, s:o, s:o, s:o}", "Name", load_balancer->name,
			      "Internal", load_balancer->internal, "Dualstack",
			      load_balancer->dualstack, "CreatedTime",
			      (json_int_t)load_balancer->created_ms, "Zones", zones, "Attributes",
			      or_empty(load_balancer->attributes.changed), "Tags",
			      or_empty(load_balancer->tags)));
}

int model_store_save_listener(struct model *model, const struct listener *listener)
{
	char key[KEY_MAX], id[17];
	json_t *groups = json_array();

	for (unsigned int i = 0; i < listener->forward.n; i++) {
		snprintf(id, sizeof(id), "%016" PRIx64, listener->forward.to[i].group->id);
		json_array_append_new(groups, json_pack("{s:s, s:i}", "Id", id, "Weight",
							(int)listener->forward.to[i].weight));
	}
	snprintf(id, sizeof(id), "%016" PRIx64, listener->load_balancer->id);
	return save(model, key_of("listener", listener->id, key),
		    json_pack("{s:s, s:i, s:s, s:o, s:b, s:o, s:o}", "LoadBalancer", id, "Port",
			      (int)listener->port, "Protocol", protocol_name(listener->protocol),
			      "TargetGroups", groups, "Sticky", listener->forward.sticky,
			      "Attributes", or_empty(listener->attributes.changed), "Tags",
			      or_empty(listener->tags)));
}

int model_store_save_group(struct model *model, const struct group *group)
{
	const struct health_check *check = &group->check;
	char key[KEY_MAX];

	return save(model, key_of("group", group->id, key),
		    json_pack("{s:s, s:s, s:i, s:b, s:{s:i, s:i, s:i, s:i, s:i, s:i, s:s, s:s}, "
			      "s:o, s:o}",
			      "Name", group->name, "Protocol", protocol_name(group->protocol),
			      "Port", (int)group->port, "IPv6", group->ipv6, "HealthCheck",
			      "Protocol", (int)check->protocol, "Port", (int)check->port,
			      "IntervalSeconds", (int)check->interval_s, "TimeoutSeconds",
			      (int)check->timeout_s, "HealthyThreshold",
			      (int)check->healthy_threshold, "UnhealthyThreshold",
			      (int)check->unhealthy_threshold, "Path", check->path, "Matcher",
			      check->matcher, "Attributes", or_empty(group->attributes.changed),
			      "Tags", or_empty(group->tags)));
}

static json_t *show_target(const struct model *model, const struct target *target)
{
	const struct machine *machine = &target->machine;
	const char *zone =
		target->zone == MODEL_ZONE_ALL ? "all" : model->config->zones[target->zone].name;
	json_t *document = json_pack("{s:s}", "Zone", zone);

	if (machine->state == MACHINE_DRAINING)
		json_object_set_new(document, "DrainingUntil", json_integer(machine->until_ms));
	if (health_is_healthy(machine->state))
		json_object_set_new(document, "Healthy", json_true());
	if (health_is_unhealthy(machine->state))
		json_object_set_new(document, "UnhealthySince",
				    json_integer(machine->unhealthy_ms));
	return document;
}

int model_store_save_target(struct model *model, const struct target *target)
{
	char key[KEY_MAX];

	return save(model, target_key(target, key), show_target(model, target));
}

void model_store_save_health(struct model *model, const struct target *target)
{
	json_t *document = show_target(model, target);
	char key[KEY_MAX];

	/* a failure fails the commit that comes to it */
	if (document != NULL)
		store_put(model->store, target_key(target, key), document);
	json_decref(document);
	if (model->save_at_ms == 0)
		model->save_at_ms = model_now_ms() + SAVE_MS;
}

int model_store_delete_load_balancer(struct model *model, const struct load_balancer *load_balancer)
{
	char key[KEY_MAX];

	return erase(model, key_of("lb", load_balancer->id, key));
}

int model_store_delete_listener(struct model *model, const struct listener *listener)
{
	char key[KEY_MAX];

	return erase(model, key_of("listener", listener->id, key));
}

int model_store_delete_group(struct model *model, const struct group *group)
{
	char key[KEY_MAX];
	int r;

	snprintf(key, sizeof(key), "target/%016" PRIx64 "/", group->id);
	r = store_delete_prefix(model->store, key);
	if (r < 0)
		return model_give_up(model, r);
	return erase(model, key_of("group", group->id, key));
}

int model_store_delete_target(struct model *model, const struct target *target)
{
	char key[KEY_MAX];

	return erase(model, target_key(target, key));
}
