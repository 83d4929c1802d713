/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/attributes.h"

#include "control/logs/logs_messages.h"
#include "healthcheck/messages.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum type {
	TYPE_BOOLEAN,
	TYPE_NUMBER,
	TYPE_NUMBER_OR_OFF,
	TYPE_CHOICE,
	TYPE_TEXT,
};

/* Who may set an attribute to another value than its default. */
enum who {
	WHO_ALL,    /* ranges and types decide */
	WHO_NOBODY, /* asks for what this version does not do */
	WHO_TCP,    /* groups of protocol TCP; the others are locked to their default */
	WHO_ANY_TCP, /* groups of protocol TCP or TCP_UDP */
};

static const struct definition {
	const char *key;
	enum attribute_owner owner;
	enum type type;
	enum who who;
	long min, max;
	const char *standard;	/* the default */
	const char *standard_2; /* of UDP and TCP_UDP groups, of internal load balancers */
	const char *choices;	/* "[a, b]" */
} definitions[] = {
#define LB ATTRIBUTE_OF_LOAD_BALANCER
#define TG ATTRIBUTE_OF_TARGET_GROUP
	[ATTRIBUTE_LOGS_ENABLED] = {.key = "access_logs.s3.enabled",
				    .owner = LB,
				    .type = TYPE_BOOLEAN,
				    .standard = "false"},
	[ATTRIBUTE_LOGS_BUCKET] = {.key = "access_logs.s3.bucket",
				   .owner = LB,
				   .type = TYPE_TEXT,
				   .standard = ""},
	[ATTRIBUTE_LOGS_PREFIX] = {.key = "access_logs.s3.prefix",
				   .owner = LB,
				   .type = TYPE_TEXT,
				   .standard = ""},
	[ATTRIBUTE_DELETION_PROTECTION] = {.key = "deletion_protection.enabled",
					   .owner = LB,
					   .type = TYPE_BOOLEAN,
					   .standard = "false"},
	[ATTRIBUTE_LB_CROSS_ZONE] = {.key = "load_balancing.cross_zone.enabled",
				     .owner = LB,
				     .type = TYPE_BOOLEAN,
				     .standard = "false"},
	[ATTRIBUTE_IPV6_DENY_IGW] = {.key = "ipv6.deny_all_igw_traffic",
				     .owner = LB,
				     .type = TYPE_BOOLEAN,
				     .standard = "false",
				     .standard_2 = "true"},
	[ATTRIBUTE_ROUTING_POLICY] =
		{.key = "dns_record.client_routing_policy",
		 .owner = LB,
		 .type = TYPE_CHOICE,
		 .standard = "any_availability_zone",
		 .choices = "[any_availability_zone, partial_availability_zone_affinity, "
			    "availability_zone_affinity]"},
	[ATTRIBUTE_SECONDARY_IPS] = {.key = "secondary_ips.auto_assigned.per_subnet",
				     .owner = LB,
				     .type = TYPE_NUMBER,
				     .who = WHO_NOBODY,
				     .min = 0,
				     .max = 7,
				     .standard = "0"},
	[ATTRIBUTE_ZONAL_SHIFT] = {.key = "zonal_shift.config.enabled",
				   .owner = LB,
				   .type = TYPE_BOOLEAN,
				   .who = WHO_NOBODY,
				   .standard = "false"},
	[ATTRIBUTE_DEREGISTRATION_DELAY] = {.key = "deregistration_delay.timeout_seconds",
					    .owner = TG,
					    .type = TYPE_NUMBER,
					    .min = 0,
					    .max = 3600,
					    .standard = "300"},
	[ATTRIBUTE_DEREGISTRATION_TERMINATION] =
		{.key = "deregistration_delay.connection_termination.enabled",
		 .owner = TG,
		 .type = TYPE_BOOLEAN,
		 .standard = "false",
		 .standard_2 = "true"},
	[ATTRIBUTE_PRESERVE_CLIENT_IP] = {.key = "preserve_client_ip.enabled",
					  .owner = TG,
					  .type = TYPE_BOOLEAN,
					  .who = WHO_TCP,
					  .standard = "false",
					  .standard_2 = "true"},
	[ATTRIBUTE_PROXY_PROTOCOL] = {.key = "proxy_protocol_v2.enabled",
				      .owner = TG,
				      .type = TYPE_BOOLEAN,
				      .who = WHO_ANY_TCP,
				      .standard = "false"},
	/* AWS has it, too, but only its support sets it */
	[ATTRIBUTE_PROXY_PLACEMENT] = {.key = "proxy_protocol_v2.client_to_server.header_placement",
				       .owner = TG,
				       .type = TYPE_CHOICE,
				       .who = WHO_ANY_TCP,
				       .standard = "on_first_ack_with_payload",
				       .choices = "[on_first_ack_with_payload, on_first_ack]"},
	[ATTRIBUTE_STICKINESS] = {.key = "stickiness.enabled",
				  .owner = TG,
				  .type = TYPE_BOOLEAN,
				  .standard = "false"},
	[ATTRIBUTE_STICKINESS_TYPE] = {.key = "stickiness.type",
				       .owner = TG,
				       .type = TYPE_CHOICE,
				       .standard = "source_ip",
				       .choices = "[app_cookie, lb_cookie, source_ip]"},
	[ATTRIBUTE_GROUP_CROSS_ZONE] = {.key = "load_balancing.cross_zone.enabled",
					.owner = TG,
					.type = TYPE_CHOICE,
					.standard = "use_load_balancer_configuration",
					.choices =
						"[true, false, use_load_balancer_configuration]"},
	[ATTRIBUTE_DNS_FAILOVER_COUNT] =
		{.key = "target_group_health.dns_failover.minimum_healthy_targets.count",
		 .owner = TG,
		 .type = TYPE_NUMBER_OR_OFF,
		 .min = 1,
		 .max = 1000,
		 .standard = "1"},
	[ATTRIBUTE_DNS_FAILOVER_PERCENTAGE] =
		{.key = "target_group_health.dns_failover.minimum_healthy_targets.percentage",
		 .owner = TG,
		 .type = TYPE_NUMBER_OR_OFF,
		 .min = 1,
		 .max = 100,
		 .standard = "off"},
	[ATTRIBUTE_ROUTING_FAILOVER_COUNT] =
		{.key = "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count",
		 .owner = TG,
		 .type = TYPE_NUMBER,
		 .min = 1,
		 .max = 1000,
		 .standard = "1"},
	[ATTRIBUTE_ROUTING_FAILOVER_PERCENTAGE] =
		{.key = "target_group_health.unhealthy_state_routing.minimum_healthy_targets."
			"percentage",
		 .owner = TG,
		 .type = TYPE_NUMBER_OR_OFF,
		 .min = 1,
		 .max = 100,
		 .standard = "off"},
	[ATTRIBUTE_UNHEALTHY_TERMINATION] =
		{.key = "target_health_state.unhealthy.connection_termination.enabled",
		 .owner = TG,
		 .type = TYPE_BOOLEAN,
		 .who = WHO_TCP,
		 .standard = "true",
		 .standard_2 = "false"},
	[ATTRIBUTE_UNHEALTHY_DRAINING] =
		{.key = "target_health_state.unhealthy.draining_interval_seconds",
		 .owner = TG,
		 .type = TYPE_NUMBER,
		 .min = 0,
		 .max = 360000,
		 .standard = "0"},
	/* ours, and off by default */
	[ATTRIBUTE_END_WHEN_IDLE] = {.key = "sluice.deregistration_delay.end_when_idle",
				     .owner = TG,
				     .type = TYPE_BOOLEAN,
				     .standard = "false"},
	[ATTRIBUTE_CHECK_INTERVAL_MS] = {.key = "sluice.health_check.interval_ms",
					 .owner = TG,
					 .type = TYPE_NUMBER_OR_OFF,
					 .min = MESSAGES_INTERVAL_MIN_MS,
					 .max = MESSAGES_INTERVAL_MAX_MS,
					 .standard = "off"},
	[ATTRIBUTE_CHECK_TIMEOUT_MS] = {.key = "sluice.health_check.timeout_ms",
					.owner = TG,
					.type = TYPE_NUMBER_OR_OFF,
					.min = MESSAGES_TIMEOUT_MIN_MS,
					.max = MESSAGES_TIMEOUT_MAX_MS,
					.standard = "off"},
	[ATTRIBUTE_TCP_IDLE_TIMEOUT] = {.key = "tcp.idle_timeout.seconds",
					.owner = ATTRIBUTE_OF_LISTENER,
					.type = TYPE_NUMBER,
					.min = 60,
					.max = 6000,
					.standard = "350"},
#undef LB
#undef TG
};
_Static_assert(sizeof(definitions) / sizeof(definitions[0]) == ATTRIBUTE_COUNT, "one row each");

/* Attributes of other kinds of load balancer: Terraform strips them and tries
 * again when the error says "is not supported". */
static const struct {
	enum attribute_owner owner;
	const char *prefix;
} foreign[] = {
	{ATTRIBUTE_OF_LOAD_BALANCER, "idle_timeout.timeout_seconds"},
	{ATTRIBUTE_OF_LOAD_BALANCER, "client_keep_alive.seconds"},
	{ATTRIBUTE_OF_LOAD_BALANCER, "routing.http"},
	{ATTRIBUTE_OF_LOAD_BALANCER, "waf.fail_open.enabled"},
	{ATTRIBUTE_OF_LOAD_BALANCER, "connection_logs.s3."},
	{ATTRIBUTE_OF_LOAD_BALANCER, "health_check_logs.s3."},
	{ATTRIBUTE_OF_TARGET_GROUP, "slow_start.duration_seconds"},
	{ATTRIBUTE_OF_TARGET_GROUP, "load_balancing.algorithm."},
	{ATTRIBUTE_OF_TARGET_GROUP, "stickiness.lb_cookie."},
	{ATTRIBUTE_OF_TARGET_GROUP, "stickiness.app_cookie."},
	{ATTRIBUTE_OF_TARGET_GROUP, "lambda.multi_value_headers.enabled"},
	{ATTRIBUTE_OF_TARGET_GROUP, "target_failover."},
	{ATTRIBUTE_OF_LISTENER, "routing.http."},
};

static const char *const owner_names[] = {
	[ATTRIBUTE_OF_LOAD_BALANCER] = "Load balancer",
	[ATTRIBUTE_OF_TARGET_GROUP] = "Target group",
	[ATTRIBUTE_OF_LISTENER] = "Listener",
};

void attributes_free(struct attributes *attributes)
{
	json_decref(attributes->changed);
	attributes->changed = NULL;
}

static const char *standard(const struct attributes *attributes, const struct definition *def)
{
	bool second = attributes->owner == ATTRIBUTE_OF_LOAD_BALANCER
			      ? attributes->internal
			      : protocol_has_udp(attributes->protocol);

	return second && def->standard_2 != NULL ? def->standard_2 : def->standard;
}

const char *attributes_get(const struct attributes *attributes, enum attribute attribute)
{
	const struct definition *def = &definitions[attribute];
	const char *value = json_string_value(json_object_get(attributes->changed, def->key));

	return value != NULL ? value : standard(attributes, def);
}

bool attributes_is_true(const struct attributes *attributes, enum attribute attribute)
{
	return strcmp(attributes_get(attributes, attribute), "true") == 0;
}

long attributes_number(const struct attributes *attributes, enum attribute attribute)
{
	return strtol(attributes_get(attributes, attribute), NULL, 10);
}

static bool applies(const struct attributes *attributes, const struct definition *def)
{
	if (def->owner != attributes->owner)
		return false;
	/* the only listener attribute is about TCP */
	return def->owner != ATTRIBUTE_OF_LISTENER || protocol_has_tcp(attributes->protocol);
}

static int fail_key(const struct attributes *attributes, const char *key,
		    const struct params *params)
{
	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
		if (foreign[i].owner != attributes->owner ||
		    strncmp(key, foreign[i].prefix, strlen(foreign[i].prefix)) != 0)
			continue;
		if (attributes->owner == ATTRIBUTE_OF_LOAD_BALANCER)
			return params_fail(params, "InvalidConfigurationRequest",
					   "Load balancer attribute key '%s' is not supported on "
					   "load balancers with type 'network'",
					   key);
		return params_fail(params, "InvalidConfigurationRequest",
				   "%s attribute key '%s' is not supported on %ss with the %s "
				   "protocol",
				   owner_names[attributes->owner], key,
				   attributes->owner == ATTRIBUTE_OF_LISTENER ? "listener"
									      : "target group",
				   protocol_name(attributes->protocol));
	}
	return params_fail(params, "ValidationError", "%s attribute key '%s' is not recognized",
			   owner_names[attributes->owner], key);
}

/* A plain decimal number in range: no sign, no spaces, no leading zeros. */
static bool number_fits(const struct definition *def, const char *value)
{
	size_t len = strlen(value);
	long number;

	if (len == 0 || len > 9 || strspn(value, "0123456789") != len ||
	    (value[0] == '0' && len > 1))
		return false;
	number = strtol(value, NULL, 10);
	return number >= def->min && number <= def->max;
}

static int check_type(const struct definition *def, const char *value, const struct params *params)
{
	const char *name;

	switch (def->type) {
	case TYPE_BOOLEAN:
		if (strcmp(value, "true") == 0 || strcmp(value, "false") == 0)
			return 0;
		return params_fail(params, "ValidationError", "'%s' must be one of [true, false]",
				   def->key);
	case TYPE_NUMBER_OR_OFF:
		if (strcmp(value, "off") == 0)
			return 0;
		/* fallthrough */
	case TYPE_NUMBER:
		if (number_fits(def, value))
			return 0;
		return params_fail(params, "ValidationError",
				   "'%s' value '%s' must be between '%ld-%ld' inclusive%s",
				   def->key, value, def->min, def->max,
				   def->type == TYPE_NUMBER_OR_OFF ? ", or 'off'" : "");
	case TYPE_CHOICE:
		if (params_in_values(def->choices, value))
			return 0;
		name = def == &definitions[ATTRIBUTE_STICKINESS_TYPE] ? "Stickiness type"
								      : def->key;
		return params_fail(params, "ValidationError", "'%s' must be one of %s", name,
				   def->choices);
	case TYPE_TEXT:
		break;
	}
	return 0;
}

/* S3's rule; "" takes the setting back. */
static bool bucket_is_valid(const char *name)
{
	size_t len = strlen(name);

	return len == 0 || (len >= 3 && len <= LOGS_BUCKET_MAX && name[0] != '-' && name[0] != '.' &&
			    strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-.") == len &&
			    strstr(name, "..") == NULL);
}

/* Whether a group or load balancer may have another value than the default. */
static bool may_differ(const struct attributes *attributes, const struct definition *def)
{
	switch (def->who) {
	case WHO_TCP:
		return attributes->protocol == PROTOCOL_TCP;
	case WHO_ANY_TCP:
		return protocol_has_tcp(attributes->protocol);
	default:
		return true;
	}
}

static int check_value(const struct attributes *attributes, const struct definition *def,
		       const char *value, const struct params *params)
{
	int r;

	r = check_type(def, value, params);
	if (r < 0)
		return r;
	if (def == &definitions[ATTRIBUTE_STICKINESS_TYPE] && strcmp(value, "source_ip") != 0)
		return params_fail(params, "InvalidConfigurationRequest",
				   "Stickiness type '%s' is not supported for target groups with "
				   "the %s protocol",
				   value, protocol_name(attributes->protocol));
	if (def == &definitions[ATTRIBUTE_LOGS_PREFIX] && strstr(value, "AWSLogs") != NULL)
		return params_fail(params, "InvalidConfigurationRequest",
				   "'%s' value '%s' must not contain 'AWSLogs'", def->key, value);
	if (def == &definitions[ATTRIBUTE_LOGS_PREFIX] && strlen(value) > LOGS_PREFIX_MAX)
		return params_fail(params, "ValidationError",
				   "'%s' must have length less than or equal to %d", def->key,
				   LOGS_PREFIX_MAX);
	if (def == &definitions[ATTRIBUTE_LOGS_BUCKET] && !bucket_is_valid(value))
		return params_fail(params, "ValidationError",
				   "'%s' value '%.200s' must be the name of an S3 bucket: 3 to %d "
				   "lower-case letters, digits, hyphens and dots",
				   def->key, value, LOGS_BUCKET_MAX);
	if (strcmp(value, standard(attributes, def)) == 0)
		return 0;
	if (def->who == WHO_NOBODY)
		return params_fail(params, "InvalidConfigurationRequest",
				   "'%s' value '%s' is not supported", def->key, value);
	if (!may_differ(attributes, def))
		return params_fail(params, "InvalidConfigurationRequest",
				   "'%s' cannot be '%s' for target groups with the %s protocol",
				   def->key, value, protocol_name(attributes->protocol));
	return 0;
}

static int set(struct attributes *attributes, const char *key, const char *value,
	       const struct params *params)
{
	for (int i = 0; i < ATTRIBUTE_COUNT; i++) {
		const struct definition *def = &definitions[i];
		int r;

		if (def->owner != attributes->owner || strcmp(def->key, key) != 0)
			continue;
		if (!applies(attributes, def))
			return params_fail(params, "InvalidConfigurationRequest",
					   "Listener attribute key '%s' is not supported on "
					   "listeners with the %s protocol",
					   key, protocol_name(attributes->protocol));
		r = check_value(attributes, def, value, params);
		if (r < 0)
			return r;
		/* a value equal to the default is not kept: a default may depend on more */
		if (strcmp(value, standard(attributes, def)) == 0) {
			json_object_del(attributes->changed, key);
			return 0;
		}
		return json_object_set_new(attributes->changed, key, json_string(value)) < 0
			       ? -ENOMEM
			       : 0;
	}
	return fail_key(attributes, key, params);
}

static bool key_is_valid(const char *key)
{
	size_t len = strlen(key);

	return len > 0 && len <= ATTRIBUTE_KEY_MAX &&
	       strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._") ==
		       len;
}

static int change_one(struct attributes *next, const struct params *entry)
{
	const char *key = NULL, *value = "";
	int r;

	r = params_only(entry, "Key Value");
	if (r == 0)
		r = params_require(entry, "Key");
	if (r == 0)
		r = params_string(entry, "Key", &key);
	if (r == 0)
		r = params_string(entry, "Value", &value);
	if (r < 0)
		return r;
	if (!key_is_valid(key))
		return params_fail_constraint(
			entry, "Key", key,
			"Member must satisfy regular expression pattern: ^[a-zA-Z0-9._]+$");
	if (strlen(value) > ATTRIBUTE_VALUE_MAX)
		return params_fail_constraint(entry, "Value", value,
					      "Member must have length less than or equal to 1024");
	return set(next, key, value, entry);
}

/* Rules between attributes. */
static int check_together(const struct attributes *next, const struct params *params)
{
	if (next->owner == ATTRIBUTE_OF_LOAD_BALANCER &&
	    attributes_is_true(next, ATTRIBUTE_LOGS_ENABLED) &&
	    attributes_get(next, ATTRIBUTE_LOGS_BUCKET)[0] == '\0')
		return params_fail(params, "InvalidConfigurationRequest",
				   "'%s' must be set while '%s' is 'true'",
				   definitions[ATTRIBUTE_LOGS_BUCKET].key,
				   definitions[ATTRIBUTE_LOGS_ENABLED].key);
	if (next->owner != ATTRIBUTE_OF_TARGET_GROUP)
		return 0;
	if (attributes_is_true(next, ATTRIBUTE_UNHEALTHY_TERMINATION) &&
	    attributes_number(next, ATTRIBUTE_UNHEALTHY_DRAINING) > 0)
		return params_fail(params, "InvalidConfigurationRequest",
				   "'%s' can be set only while '%s' is 'false'",
				   definitions[ATTRIBUTE_UNHEALTHY_DRAINING].key,
				   definitions[ATTRIBUTE_UNHEALTHY_TERMINATION].key);
	/* to leave DNS later than routing fails over makes no sense: AWS refuses it. "off" is 0 */
	if (attributes_number(next, ATTRIBUTE_DNS_FAILOVER_COUNT) > 0 &&
	    attributes_number(next, ATTRIBUTE_DNS_FAILOVER_COUNT) <
		    attributes_number(next, ATTRIBUTE_ROUTING_FAILOVER_COUNT))
		return params_fail(params, "InvalidConfigurationRequest",
				   "'%s' must be greater than or equal to '%s'",
				   definitions[ATTRIBUTE_DNS_FAILOVER_COUNT].key,
				   definitions[ATTRIBUTE_ROUTING_FAILOVER_COUNT].key);
	if (attributes_number(next, ATTRIBUTE_DNS_FAILOVER_PERCENTAGE) > 0 &&
	    attributes_number(next, ATTRIBUTE_DNS_FAILOVER_PERCENTAGE) <
		    attributes_number(next, ATTRIBUTE_ROUTING_FAILOVER_PERCENTAGE))
		return params_fail(params, "InvalidConfigurationRequest",
				   "'%s' must be greater than or equal to '%s'",
				   definitions[ATTRIBUTE_DNS_FAILOVER_PERCENTAGE].key,
				   definitions[ATTRIBUTE_ROUTING_FAILOVER_PERCENTAGE].key);
	return 0;
}

int attributes_change(const struct attributes *attributes, const struct params *params,
		      struct attributes *ret_next)
{
	struct attributes next = *attributes;
	const json_t *list = NULL;
	int r;

	next.changed = attributes->changed != NULL ? json_copy(attributes->changed) : json_object();
	if (next.changed == NULL)
		return -ENOMEM;
	r = params_require(params, "Attributes");
	if (r == 0)
		r = params_list(params, "Attributes", ATTRIBUTES_MAX_PER_CALL, &list);
	for (size_t i = 0; r == 0 && i < json_array_size(list); i++) {
		struct params entry;

		r = params_entry(params, "Attributes", list, i, &entry);
		if (r == 0)
			r = change_one(&next, &entry);
	}
	if (r == 0)
		r = check_together(&next, params);
	if (r < 0) {
		attributes_free(&next);
		return r;
	}
	*ret_next = next;
	return 0;
}

json_t *attributes_describe(const struct attributes *attributes)
{
	json_t *list = json_array();

	for (int i = 0; i < ATTRIBUTE_COUNT; i++) {
		const struct definition *def = &definitions[i];

		if (!applies(attributes, def))
			continue;
		if (json_array_append_new(
			    list, json_pack("{s:s, s:s}", "Key", def->key, "Value",
					    attributes_get(attributes, (enum attribute)i))) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

int attributes_load(struct attributes *attributes, const json_t *changed)
{
	struct action_error error;
	struct params params = {.object = changed, .error = &error};
	const char *key;
	json_t *value;
	int r;

	if (!json_is_object(changed))
		return -EBADMSG;
	attributes->changed = json_object();
	if (attributes->changed == NULL)
		return -ENOMEM;
	json_object_foreach ((json_t *)changed, key, value) {
		if (!json_is_string(value))
			return -EBADMSG;
		r = set(attributes, key, json_string_value(value), &params);
		if (r < 0)
			return r == -ENOMEM ? r : -EBADMSG;
	}
	return 0;
}
