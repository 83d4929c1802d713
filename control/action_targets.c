/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/actions.h"
#include "control/model_engine.h"
#include "control/model_health.h"
#include "control/model_store.h"
#include "control/target_address.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Read Id and Port of a TargetDescription; the group's port is the default. */
static int read_key(const struct params *entry, const struct group *group, struct target_key *ret)
{
	const char *id = NULL;
	long port = group->port;
	int r;

	r = params_only(entry, "Id Port AvailabilityZone QuicServerId");
	if (r == 0)
		r = params_require(entry, "Id");
	if (r == 0)
		r = params_string(entry, "Id", &id);
	if (r == 0)
		r = params_integer(entry, "Port", 1, UINT16_MAX, &port);
	if (r < 0)
		return r;
	*ret = (struct target_key){.port = (uint32_t)port};
	if (address_parse(id, &ret->address) < 0)
		return params_fail(entry, "ValidationError",
				   "The IP address '%s' is not a valid %s address", id,
				   group->ipv6 ? "IPv6" : "IPv4");
	return 0;
}

/* The entries of Targets, of which there must be one at least. */
static int target_list(const struct params *params, const json_t **ret_list)
{
	int r;

	*ret_list = NULL;
	r = params_require(params, "Targets");
	if (r == 0)
		r = params_list(params, "Targets", SIZE_MAX, ret_list);
	if (r == 0 && json_array_size(*ret_list) == 0)
		r = params_fail_constraint(params, "Targets", "[]",
					   "Member must have length greater than or equal to 1");
	return r;
}

struct arrivals {		/* what a RegisterTargets call brings */
	struct target *targets; /* by key: new ones, and draining ones to be taken back */
	unsigned int n, n_new;
};

static void free_arrivals(struct arrivals *arrivals)
{
	struct target *target, *target_next;

	model_each (arrivals->targets, target, hh) {
		HASH_DELETE(hh, arrivals->targets, target);
		free(target);
	}
}

static int add_arrival(struct arrivals *arrivals, const struct group *group,
		       const struct target_key *key, int zone)
{
	const struct target *present = model_target(group, &key->address, (uint16_t)key->port);
	struct target *target;

	if (present != NULL && machine_is_registered(&present->machine))
		return 0; /* registered already: nothing changes */
	HASH_FIND(hh, arrivals->targets, key, sizeof(*key), target);
	if (target != NULL)
		return 0; /* twice in this call */
	target = calloc(1, sizeof(*target));
	if (target == NULL)
		return -ENOMEM;
	target->key = *key;
	target->zone = zone;
	HASH_ADD(hh, arrivals->targets, key, sizeof(target->key), target);
	if (target->hh.tbl == NULL) {
		free(target);
		return -ENOMEM;
	}
	arrivals->n++;
	arrivals->n_new += present == NULL;
	return 0;
}

static int read_arrival(const struct model *model, const struct params *entry,
			const struct group *group, struct arrivals *arrivals)
{
	const char *zone_name = NULL;
	struct target_key key;
	int r, zone;

	r = read_key(entry, group, &key);
	if (r == 0)
		r = params_string(entry, "AvailabilityZone", &zone_name);
	if (r == 0 && params_has(entry, "QuicServerId"))
		r = params_fail(entry, "ValidationError",
				"A QUIC server ID cannot be specified for target groups with the "
				"%s protocol",
				protocol_name(group->protocol));
	if (r == 0)
		r = target_address_check(model, entry, group, &key.address);
	if (r == 0)
		r = target_address_zone(model, entry, &key.address, zone_name, &zone);
	return r == 0 ? add_arrival(arrivals, group, &key, zone) : r;
}

static int check_room(const struct model *model, const struct params *params,
		      const struct group *group, const struct arrivals *arrivals)
{
	char arn[ARN_MAX];

	if (group->n_registered + arrivals->n > QUOTA_GROUP_TARGETS)
		return params_fail(params, "TooManyTargets",
				   "You have reached the maximum number of targets for the target "
				   "group '%s': %d",
				   model_group_arn(model, group, arn), QUOTA_GROUP_TARGETS);
	if (group->load_balancer != NULL &&
	    model_count_targets(group->load_balancer) + arrivals->n > QUOTA_TARGETS)
		return params_fail(params, "TooManyTargets",
				   "You have reached the maximum number of targets for the load "
				   "balancer '%s': %d",
				   group->load_balancer->name, QUOTA_TARGETS);
	if (arrivals->n_new > engine_targets_free(model->engine))
		return params_fail(params, "TooManyTargets",
				   "The engine has no room for %u more targets; its setting "
				   "max_targets bounds all target groups together",
				   arrivals->n_new);
	return 0;
}

static int register_one(struct model *model, struct group *group, struct target *arrival)
{
	struct target *target =
		model_target(group, &arrival->key.address, (uint16_t)arrival->key.port);
	int r = 0;

	if (target != NULL) { /* it was draining */
		target->zone = arrival->zone;
		free(arrival);
	} else {
		target = arrival;
		r = model_add_target(model, group, target);
		if (r < 0)
			free(target);
	}
	if (r == 0)
		r = model_health_step(model, target, MACHINE_REGISTER, model_now_ms());
	if (r == 0)
		r = model_engine_put_target(model, target);
	return r == 0 ? model_store_save_target(model, target) : r;
}

int action_register_targets(struct model *model, const struct params *params, json_t *result)
{
	struct arrivals arrivals = {0};
	struct target *target, *target_next;
	const json_t *list;
	struct group *group;
	int r;

	(void)result;
	r = actions_group(model, params, &group);
	if (r == 0)
		r = target_list(params, &list);
	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < json_array_size(list); i++) {
		struct params entry;

		r = params_entry(params, "Targets", list, i, &entry);
		if (r == 0)
			r = read_arrival(model, &entry, group, &arrivals);
	}
	if (r == 0)
		r = check_room(model, params, group, &arrivals);
	model_each (arrivals.targets, target, hh) {
		if (r < 0)
			break;
		HASH_DELETE(hh, arrivals.targets, target);
		r = register_one(model, group, target);
	}
	free_arrivals(&arrivals);
	return r;
}

static int deregister_one(struct model *model, struct target *target)
{
	int r;

	if (!machine_is_registered(&target->machine))
		return 0;
	r = model_health_step(model, target, MACHINE_DEREGISTER, model_now_ms());
	if (r == 0 && target->machine.state == MACHINE_NOT_REGISTERED)
		return model_health_leave(model, target);
	if (r == 0)
		r = model_engine_put_target(model, target);
	return r == 0 ? model_store_save_target(model, target) : r;
}

int action_deregister_targets(struct model *model, const struct params *params, json_t *result)
{
	struct target_key key;
	struct params entry;
	const json_t *list;
	struct group *group;
	int r;

	(void)result;
	r = actions_group(model, params, &group);
	if (r == 0)
		r = target_list(params, &list);
	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < json_array_size(list); i++) {
		r = params_entry(params, "Targets", list, i, &entry);
		if (r == 0)
			r = read_key(&entry, group, &key);
	}
	for (size_t i = 0; r == 0 && i < json_array_size(list); i++) {
		struct target *target;

		r = params_entry(params, "Targets", list, i, &entry);
		if (r == 0)
			r = read_key(&entry, group, &key);
		if (r < 0)
			break;
		target = model_target(group, &key.address, (uint16_t)key.port);
		if (target != NULL) /* the API forgives deregistering a stranger */
			r = deregister_one(model, target);
	}
	return r;
}

static json_t *show_health(const struct model *model, const struct group *group,
			   const struct target_key *key, const struct target *target,
			   bool with_probe)
{
	struct machine_text text =
		machine_text(target != NULL ? target->machine.state : MACHINE_NOT_REGISTERED);
	char address[ADDRESS_TEXT_MAX], check_port[8];
	const char *zone = NULL;

	if (target != NULL)
		zone = target->zone == MODEL_ZONE_ALL ? "all"
						      : model->config->zones[target->zone].name;
	with_probe = with_probe && target != NULL && target->probe_ms != 0;
	snprintf(check_port, sizeof(check_port), "%u",
		 group->check.port != 0 ? group->check.port : (uint16_t)key->port);
	return json_pack("{s:{s:s, s:i, s:s*}, s:s, s:{s:s, s:s*, s:s*}, s:{s:s, s:s, s:s}, s:o*}",
			 "Target", "Id", address_format(&key->address, address), "Port",
			 (int)key->port, "AvailabilityZone", zone, "HealthCheckPort", check_port,
			 "TargetHealth", "State", text.state, "Reason", text.reason, "Description",
			 text.description, "AdministrativeOverride", "State", "no_override",
			 "Reason", "AdministrativeOverride.NoOverride", "Description",
			 "No override is currently active on target", "LastProbe",
			 with_probe ? model_show_probe(target) : NULL);
}

static int describe_asked(const struct model *model, const struct params *params,
			  const struct group *group, const json_t *list, bool with_probe,
			  json_t *result)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < json_array_size(list); i++) {
		struct params entry;
		struct target_key key;

		r = params_entry(params, "Targets", list, i, &entry);
		if (r == 0)
			r = read_key(&entry, group, &key);
		if (r == 0)
			r = actions_append(
				result, "TargetHealthDescriptions",
				show_health(model, group, &key,
					    model_target(group, &key.address, (uint16_t)key.port),
					    with_probe));
	}
	return r;
}

/* What the API can include, anomaly detection, is of application load balancers; LastProbe is
 * ours. */
static int read_include(const struct params *params, bool *ret_with_probe)
{
	const json_t *include = NULL;
	int r = params_list(params, "Include", ACTIONS_ARNS_MAX, &include);

	for (size_t i = 0; r == 0 && i < json_array_size(include); i++) {
		const char *what = NULL;

		r = params_entry_string(params, "Include", include, i, &what);
		if (r == 0 && !params_in_values("[AnomalyDetection, All, LastProbe]", what))
			r = params_fail_constraint(params, "Include", what,
						   "Member must satisfy enum value set: "
						   "[AnomalyDetection, All, LastProbe]");
		else if (r == 0)
			*ret_with_probe |= strcmp(what, "LastProbe") == 0;
	}
	return r;
}

int action_describe_target_health(struct model *model, const struct params *params, json_t *result)
{
	const json_t *list = NULL;
	struct target *target, *target_next;
	struct group *group;
	bool with_probe = false;
	int r;

	r = actions_group(model, params, &group);
	if (r == 0)
		r = params_list(params, "Targets", SIZE_MAX, &list);
	if (r == 0)
		r = read_include(params, &with_probe);
	if (r == 0)
		r = actions_list(result, "TargetHealthDescriptions");
	if (r < 0)
		return r;
	if (json_array_size(list) > 0)
		return describe_asked(model, params, group, list, with_probe, result);
	model_each (group->targets, target, hh) {
		if (r == 0)
			r = actions_append(
				result, "TargetHealthDescriptions",
				show_health(model, group, &target->key, target, with_probe));
	}
	return r;
}
