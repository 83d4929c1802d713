/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/model_store.h"
#include "control/store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct load {
	struct model *model;
	json_t *listeners; /* {key: document}, for when all groups are there */
	char *error;	   /* 512 bytes */
};

static int fail_key(const struct load *load, const char *key, const char *why)
{
	snprintf(load->error, 512, "store: %s: %s", key, why);
	return -EBADMSG;
}

/* 16 hex digits at @text, followed by @end. */
static bool parse_id(const char *text, char end, uint64_t *ret_id)
{
	char *stop;

	if (strspn(text, "0123456789abcdef") != 16 || text[16] != end)
		return false;
	*ret_id = strtoull(text, &stop, 16);
	return true;
}

static int zone_named(const struct model *model, const char *name)
{
	for (unsigned int i = 0; i < model->config->n_zones; i++) {
		if (strcmp(model->config->zones[i].name, name) == 0)
			return (int)i;
	}
	return -1;
}

static int load_vip(struct model *model, struct load_balancer *load_balancer, struct vip *vip,
		    unsigned int zone, const char *text, bool v4)
{
	if (text == NULL || address_parse(text, &vip->address) < 0 ||
	    address_is_v4(&vip->address) != v4 || model_vip(model, &vip->address) != NULL)
		return -EBADMSG;
	vip->load_balancer = load_balancer;
	vip->zone = zone;
	return model_add_vip(model, vip);
}

static int load_zones(const struct load *load, const char *key, const json_t *zones,
		      struct load_balancer *load_balancer)
{
	size_t i;
	json_t *entry;

	json_array_foreach ((json_t *)zones, i, entry) {
		const char *name, *v4, *v6 = NULL;
		struct load_balancer_zone *zone;
		int place, r;

		if (json_unpack(entry, "{s:s, s:s, s?s}", "Name", &name, "IPv4", &v4, "IPv6", &v6) <
		    0)
			return fail_key(load, key, "a zone does not parse");
		place = zone_named(load->model, name);
		if (place < 0) {
			snprintf(load->error, 512,
				 "store: load balancer %s uses zone %s, which the config file "
				 "lacks",
				 load_balancer->name, name);
			return -EBADMSG;
		}
		zone = &load_balancer->zones[place];
		if (zone->enabled)
			return fail_key(load, key, "a zone is there twice");
		zone->enabled = true;
		r = load_vip(load->model, load_balancer, &zone->v4, (unsigned int)place, v4, true);
		if (r == 0 && load_balancer->dualstack)
			r = load_vip(load->model, load_balancer, &zone->v6, (unsigned int)place, v6,
				     false);
		if (r < 0)
			return r == -EBADMSG ? fail_key(load, key, "a VIP is wrong or taken") : r;
	}
	return 0;
}

static bool copy_name(char name[ARN_NAME_MAX], const char *from)
{
	return snprintf(name, ARN_NAME_MAX, "%s", from) < ARN_NAME_MAX;
}

static int load_attributes(const struct load *load, const char *key, struct attributes *attributes,
			   const json_t *changed)
{
	int r = attributes_load(attributes, changed);

	return r == -EBADMSG ? fail_key(load, key, "an attribute is wrong") : r;
}

static int load_load_balancer(const struct load *load, const char *key, json_t *document)
{
	struct model *model = load->model;
	struct load_balancer *load_balancer = calloc(1, sizeof(*load_balancer));
	const char *name;
	int internal, dualstack, r;
	json_int_t created;
	json_t *zones, *changed, *tags;

	if (load_balancer == NULL)
		return -ENOMEM;
	if (!parse_id(key + strlen("lb/"), '\0', &load_balancer->id) ||
	    json_unpack(document, "{s:s, s:b, s:b, s:I, s:o, s:o, s:o}", "Name", &name, "Internal",
			&internal, "Dualstack", &dualstack, "CreatedTime", &created, "Zones",
			&zones, "Attributes", &changed, "Tags", &tags) < 0 ||
	    !copy_name(load_balancer->name, name) || !json_is_object(tags) ||
	    model_load_balancer_named(model, name) != NULL) {
		model_free_load_balancer(load_balancer);
		return fail_key(load, key, "does not parse as a load balancer");
	}
	load_balancer->internal = internal != 0;
	load_balancer->dualstack = dualstack != 0;
	load_balancer->created_ms = created;
	load_balancer->tags = json_incref(tags);
	load_balancer->attributes.owner = ATTRIBUTE_OF_LOAD_BALANCER;
	load_balancer->attributes.internal = load_balancer->internal;
	r = model_add_load_balancer(model, load_balancer);
	if (r < 0) {
		model_free_load_balancer(load_balancer);
		return r;
	}
	r = load_attributes(load, key, &load_balancer->attributes, changed);
	return r == 0 ? load_zones(load, key, zones, load_balancer) : r;
}

static bool unpack_group(struct group *group, const json_t *document, json_t **ret_changed,
			 json_t **ret_tags)
{
	struct health_check *check = &group->check;
	const char *name, *protocol, *path, *matcher;
	int port, ipv6, check_protocol, check_port, interval, timeout, healthy, unhealthy;

	if (json_unpack((json_t *)document,
			"{s:s, s:s, s:i, s:b, s:{s:i, s:i, s:i, s:i, s:i, s:i, s:s, s:s}, s:o, "
			"s:o}",
			"Name", &name, "Protocol", &protocol, "Port", &port, "IPv6", &ipv6,
			"HealthCheck", "Protocol", &check_protocol, "Port", &check_port,
			"IntervalSeconds", &interval, "TimeoutSeconds", &timeout,
			"HealthyThreshold", &healthy, "UnhealthyThreshold", &unhealthy, "Path",
			&path, "Matcher", &matcher, "Attributes", ret_changed, "Tags",
			ret_tags) < 0 ||
	    !copy_name(group->name, name) || protocol_parse(protocol, &group->protocol) < 0 ||
	    port < 1 || port > UINT16_MAX || check_port < 0 || check_port > UINT16_MAX ||
	    check_protocol < CHECK_TCP || check_protocol > CHECK_HTTPS || interval < 1 ||
	    timeout < 1 || healthy < 1 || unhealthy < 1 || !json_is_object(*ret_tags) ||
	    strlen(path) > MODEL_CHECK_PATH_MAX || strlen(matcher) > MATCHER_MAX)
		return false;
	group->port = (uint16_t)port;
	group->ipv6 = ipv6 != 0;
	check->protocol = (enum check_protocol)check_protocol;
	check->port = (uint16_t)check_port;
	check->interval_s = (uint32_t)interval;
	check->timeout_s = (uint32_t)timeout;
	check->healthy_threshold = (uint32_t)healthy;
	check->unhealthy_threshold = (uint32_t)unhealthy;
	strcpy(check->path, path);
	strcpy(check->matcher, matcher);
	return true;
}

static int load_group(const struct load *load, const char *key, json_t *document)
{
	struct group *group = calloc(1, sizeof(*group));
	json_t *changed, *tags;
	int r;

	if (group == NULL)
		return -ENOMEM;
	if (!parse_id(key + strlen("group/"), '\0', &group->id) ||
	    !unpack_group(group, document, &changed, &tags) ||
	    model_group_named(load->model, group->name) != NULL) {
		model_free_group(group);
		return fail_key(load, key, "does not parse as a target group");
	}
	group->tags = json_incref(tags);
	group->attributes.owner = ATTRIBUTE_OF_TARGET_GROUP;
	group->attributes.protocol = group->protocol;
	r = model_add_group(load->model, group);
	if (r < 0) {
		model_free_group(group);
		return r;
	}
	return load_attributes(load, key, &group->attributes, changed);
}

/* "target/GROUP-ID/ADDRESS/PORT" */
static bool parse_target_key(const struct model *model, const char *key, struct group **ret_group,
			     struct target_key *ret_key)
{
	const char *at = key + strlen("target/"), *slash;
	char address[ADDRESS_TEXT_MAX];
	uint64_t id;
	long port;
	char *stop;

	if (!parse_id(at, '/', &id))
		return false;
	at += 17;
	slash = strchr(at, '/');
	if (slash == NULL || (size_t)(slash - at) >= sizeof(address))
		return false;
	memcpy(address, at, (size_t)(slash - at));
	address[slash - at] = '\0';
	port = strtol(slash + 1, &stop, 10);
	HASH_FIND(hh, model->groups, &id, sizeof(id), *ret_group);
	if (*ret_group == NULL || slash[1] == '\0' || *stop != '\0' || port < 1 ||
	    port > UINT16_MAX || address_parse(address, &ret_key->address) < 0)
		return false;
	ret_key->port = (uint32_t)port;
	return true;
}

static int load_target(const struct load *load, const char *key, json_t *document)
{
	struct target *target = calloc(1, sizeof(*target));
	struct group *group;
	json_int_t until = 0, unhealthy_since = 0;
	const char *zone;
	int healthy = 0, r;

	if (target == NULL)
		return -ENOMEM;
	if (!parse_target_key(load->model, key, &group, &target->key) ||
	    json_unpack(document, "{s:s, s?I, s?b, s?I}", "Zone", &zone, "DrainingUntil", &until,
			"Healthy", &healthy, "UnhealthySince", &unhealthy_since) < 0 ||
	    model_target(group, &target->key.address, (uint16_t)target->key.port) != NULL) {
		free(target);
		return fail_key(load, key, "does not parse as a target");
	}
	target->zone = strcmp(zone, "all") == 0 ? MODEL_ZONE_ALL : zone_named(load->model, zone);
	if (target->zone < 0 && strcmp(zone, "all") != 0) {
		free(target);
		return fail_key(load, key, "names a zone that the config file lacks");
	}
	r = model_add_target(load->model, group, target);
	if (r < 0) {
		free(target);
		return r;
	}
	if (until != 0)
		machine_restore(&target->machine, MACHINE_DRAINING, until);
	else if (unhealthy_since != 0)
		machine_restore(&target->machine, MACHINE_UNHEALTHY, unhealthy_since);
	else
		machine_restore(&target->machine, healthy ? MACHINE_HEALTHY : MACHINE_REGISTERING,
				0);
	group->n_registered += machine_is_registered(&target->machine);
	return 0;
}

static bool unpack_forward(const struct model *model, const json_t *groups,
			   const struct load_balancer *load_balancer, struct forward *forward)
{
	size_t i;
	json_t *entry;

	if (!json_is_array(groups) || json_array_size(groups) < 1 ||
	    json_array_size(groups) > QUOTA_ACTION_GROUPS)
		return false;
	json_array_foreach ((json_t *)groups, i, entry) {
		const char *text;
		struct group *group;
		uint64_t id;
		int weight;

		if (json_unpack(entry, "{s:s, s:i}", "Id", &text, "Weight", &weight) < 0 ||
		    !parse_id(text, '\0', &id) || weight < 0)
			return false;
		HASH_FIND(hh, model->groups, &id, sizeof(id), group);
		if (group == NULL || (group->ipv6 && !load_balancer->dualstack) ||
		    (group->load_balancer != NULL && group->load_balancer != load_balancer))
			return false;
		forward->to[i].group = group;
		forward->to[i].weight = (uint32_t)weight;
	}
	forward->n = (unsigned int)json_array_size(groups);
	return true;
}

static bool unpack_listener(const struct model *model, const json_t *document,
			    struct listener *listener, json_t **ret_changed)
{
	const char *text, *protocol;
	json_t *groups, *tags;
	uint64_t id;
	int port, sticky;

	if (json_unpack((json_t *)document, "{s:s, s:i, s:s, s:o, s:b, s:o, s:o}", "LoadBalancer",
			&text, "Port", &port, "Protocol", &protocol, "TargetGroups", &groups,
			"Sticky", &sticky, "Attributes", ret_changed, "Tags", &tags) < 0 ||
	    !parse_id(text, '\0', &id) || protocol_parse(protocol, &listener->protocol) < 0 ||
	    port < 1 || port > UINT16_MAX || !json_is_object(tags))
		return false;
	HASH_FIND(hh, model->load_balancers, &id, sizeof(id), listener->load_balancer);
	if (listener->load_balancer == NULL ||
	    !unpack_forward(model, groups, listener->load_balancer, &listener->forward))
		return false;
	listener->port = (uint16_t)port;
	listener->forward.sticky = sticky != 0;
	listener->tags = json_incref(tags);
	return true;
}

static int load_listener(const struct load *load, const char *key, json_t *document)
{
	struct listener *listener = calloc(1, sizeof(*listener)), *other;
	json_t *changed;
	int r;

	if (listener == NULL)
		return -ENOMEM;
	if (!parse_id(key + strlen("listener/"), '\0', &listener->id) ||
	    !unpack_listener(load->model, document, listener, &changed)) {
		model_free_listener(listener);
		return fail_key(load, key, "does not parse as a listener");
	}
	HASH_FIND(hh_port, listener->load_balancer->listeners, &listener->port,
		  sizeof(listener->port), other);
	listener->attributes.owner = ATTRIBUTE_OF_LISTENER;
	listener->attributes.protocol = listener->protocol;
	r = other != NULL ? fail_key(load, key, "its port has another listener")
			  : model_add_listener(load->model, listener);
	if (r < 0) {
		model_free_listener(listener);
		return r;
	}
	return load_attributes(load, key, &listener->attributes, changed);
}

static int load_document(void *context, const char *key, json_t *document)
{
	const struct load *load = context;

	if (strncmp(key, "lb/", 3) == 0)
		return load_load_balancer(load, key, document);
	if (strncmp(key, "group/", 6) == 0)
		return load_group(load, key, document);
	if (strncmp(key, "target/", 7) == 0)
		return load_target(load, key, document);
	if (strncmp(key, "listener/", 9) == 0)
		return json_object_set(load->listeners, key, document) < 0 ? -ENOMEM : 0;
	return fail_key(load, key, "this version knows no such document");
}

int model_store_load(struct model *model, char error[512])
{
	struct load load = {.model = model, .listeners = json_object(), .error = error};
	const char *key;
	json_t *document;
	int r;

	if (load.listeners == NULL)
		return -ENOMEM;
	snprintf(error, 512, "store: a document does not parse");
	r = store_load(model->store, load_document, &load);
	/* a listener may have been changed to forward to a group younger than itself */
	json_object_foreach (load.listeners, key, document) {
		if (r == 0)
			r = load_listener(&load, key, document);
	}
	json_decref(load.listeners);
	if (r < 0 && r != -EBADMSG)
		snprintf(error, 512, "store: cannot be read: %s", strerror(-r));
	return r;
}
