/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/attributes.h"
#include "control/logs/logs_messages.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct action_error error;

/* Change one attribute; 0 or -EINVAL with `error` filled. */
static int change(struct attributes *attributes, const char *key, const char *value)
{
	json_t *object = json_pack("{s:[{s:s, s:s}]}", "Attributes", "Key", key, "Value", value);
	struct params params = {.object = object, .error = &error};
	struct attributes next;
	int r;

	memset(&error, 0, sizeof(error));
	r = attributes_change(attributes, &params, &next);
	if (r == 0) {
		attributes_free(attributes);
		*attributes = next;
	}
	json_decref(object);
	return r;
}

static struct attributes of(enum attribute_owner owner, enum protocol protocol)
{
	return (struct attributes){.owner = owner, .protocol = protocol};
}

static const char *described(const struct attributes *attributes, const char *key, char value[128])
{
	json_t *list = attributes_describe(attributes), *entry;
	size_t i;

	snprintf(value, 128, "(absent)");
	json_array_foreach (list, i, entry) {
		if (strcmp(json_string_value(json_object_get(entry, "Key")), key) == 0)
			snprintf(value, 128, "%s",
				 json_string_value(json_object_get(entry, "Value")));
	}
	json_decref(list);
	return value;
}

struct standard {
	enum attribute_owner owner;
	const char *key, *tcp, *udp; /* defaults; NULL: it does not apply */
};

#define LB ATTRIBUTE_OF_LOAD_BALANCER
#define TG ATTRIBUTE_OF_TARGET_GROUP
#define TGH "target_group_health."
#define PLACEMENT "proxy_protocol_v2.client_to_server.header_placement"

static const struct standard standards[] = {
	{LB, "access_logs.s3.enabled", "false", "false"},
	{LB, "access_logs.s3.bucket", "", ""},
	{LB, "access_logs.s3.prefix", "", ""},
	{LB, "deletion_protection.enabled", "false", "false"},
	{LB, "load_balancing.cross_zone.enabled", "false", "false"},
	{LB, "ipv6.deny_all_igw_traffic", "false", "false"},
	{LB, "dns_record.client_routing_policy", "any_availability_zone", "any_availability_zone"},
	{LB, "secondary_ips.auto_assigned.per_subnet", "0", "0"},
	{LB, "zonal_shift.config.enabled", "false", "false"},
	{TG, "deregistration_delay.timeout_seconds", "300", "300"},
	{TG, "deregistration_delay.connection_termination.enabled", "false", "true"},
	{TG, "preserve_client_ip.enabled", "false", "true"},
	{TG, "proxy_protocol_v2.enabled", "false", "false"},
	{TG, PLACEMENT, "on_first_ack_with_payload", "on_first_ack_with_payload"},
	{TG, "stickiness.enabled", "false", "false"},
	{TG, "stickiness.type", "source_ip", "source_ip"},
	{TG, "load_balancing.cross_zone.enabled", "use_load_balancer_configuration",
	 "use_load_balancer_configuration"},
	{TG, TGH "dns_failover.minimum_healthy_targets.count", "1", "1"},
	{TG, TGH "dns_failover.minimum_healthy_targets.percentage", "off", "off"},
	{TG, TGH "unhealthy_state_routing.minimum_healthy_targets.count", "1", "1"},
	{TG, TGH "unhealthy_state_routing.minimum_healthy_targets.percentage", "off", "off"},
	{TG, "target_health_state.unhealthy.connection_termination.enabled", "true", "false"},
	{TG, "target_health_state.unhealthy.draining_interval_seconds", "0", "0"},
	{TG, "sluice.deregistration_delay.end_when_idle", "false", "false"},
	{TG, "sluice.health_check.interval_ms", "off", "off"},
	{TG, "sluice.health_check.timeout_ms", "off", "off"},
	{ATTRIBUTE_OF_LISTENER, "tcp.idle_timeout.seconds", "350", NULL},
};

static void all_defaults_are_those_of_the_reference(void **state)
{
	size_t total = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(standards) / sizeof(standards[0]); i++) {
		const struct standard *s = &standards[i];
		struct attributes tcp = of(s->owner, PROTOCOL_TCP);
		struct attributes udp = of(s->owner, PROTOCOL_UDP);
		struct attributes both = of(s->owner, PROTOCOL_TCP_UDP);
		char value[128];

		assert_string_equal(described(&tcp, s->key, value), s->tcp);
		assert_string_equal(described(&udp, s->key, value),
				    s->udp != NULL ? s->udp : "(absent)");
		assert_string_equal(described(&both, s->key, value),
				    s->udp != NULL ? s->udp : s->tcp);
	}
	for (int owner = 0; owner < 3; owner++) {
		struct attributes a = of((enum attribute_owner)owner, PROTOCOL_TCP);
		json_t *list = attributes_describe(&a);

		total += json_array_size(list);
		json_decref(list);
	}
	assert_int_equal(total, sizeof(standards) / sizeof(standards[0]));
}

static void an_internal_load_balancer_denies_igw_traffic_by_default(void **state)
{
	struct attributes a = of(LB, PROTOCOL_TCP);
	char value[128];

	(void)state;
	a.internal = true;
	assert_string_equal(described(&a, "ipv6.deny_all_igw_traffic", value), "true");
	assert_int_equal(change(&a, "ipv6.deny_all_igw_traffic", "false"), 0);
	assert_string_equal(described(&a, "ipv6.deny_all_igw_traffic", value), "false");
	attributes_free(&a);
}

struct trial {
	enum attribute_owner owner;
	enum protocol protocol;
	const char *key, *value;
	const char *code, *message; /* NULL: accepted; message NULL: any */
};

#define V "ValidationError"
#define I "InvalidConfigurationRequest"
#define TCP PROTOCOL_TCP
#define UDP PROTOCOL_UDP
#define BOTH PROTOCOL_TCP_UDP
#define LS ATTRIBUTE_OF_LISTENER

static const struct trial trials[] = {
	{TG, TCP, "deregistration_delay.timeout_seconds", "0", NULL, NULL},
	{TG, TCP, "deregistration_delay.timeout_seconds", "3600", NULL, NULL},
	{TG, TCP, "deregistration_delay.timeout_seconds", "3601", V,
	 "'deregistration_delay.timeout_seconds' value '3601' must be between '0-3600' "
	 "inclusive"},
	{TG, TCP, "deregistration_delay.timeout_seconds", "-1", V, NULL},
	{TG, TCP, "deregistration_delay.timeout_seconds", "", V, NULL},
	{TG, TCP, "deregistration_delay.timeout_seconds", "1x", V, NULL},
	{TG, TCP, "deregistration_delay.timeout_seconds", "007", V, NULL},
	{TG, TCP, "deregistration_delay.timeout_seconds", "99999999999999999999", V, NULL},
	{TG, TCP, "preserve_client_ip.enabled", "true", NULL, NULL},
	{TG, TCP, "preserve_client_ip.enabled", "TRUE", V,
	 "'preserve_client_ip.enabled' must be one of [true, false]"},
	{TG, UDP, "preserve_client_ip.enabled", "true", NULL, NULL},
	{TG, UDP, "preserve_client_ip.enabled", "false", I, NULL},
	{TG, BOTH, "preserve_client_ip.enabled", "false", I, NULL},
	{TG, UDP, "deregistration_delay.connection_termination.enabled", "false", NULL, NULL},
	{TG, UDP, "target_health_state.unhealthy.connection_termination.enabled", "true", I, NULL},
	{TG, TCP, "target_health_state.unhealthy.draining_interval_seconds", "1", I, NULL},
	{TG, UDP, "target_health_state.unhealthy.draining_interval_seconds", "360000", NULL, NULL},
	{TG, UDP, "target_health_state.unhealthy.draining_interval_seconds", "360001", V, NULL},
	{TG, TCP, "proxy_protocol_v2.enabled", "false", NULL, NULL},
	{TG, TCP, "proxy_protocol_v2.enabled", "true", NULL, NULL},
	{TG, BOTH, "proxy_protocol_v2.enabled", "true", NULL, NULL},
	{TG, TCP, "proxy_protocol_v2.enabled", "on", V,
	 "'proxy_protocol_v2.enabled' must be one of [true, false]"},
	{TG, UDP, "proxy_protocol_v2.enabled", "false", NULL, NULL},
	{TG, UDP, "proxy_protocol_v2.enabled", "true", I,
	 "'proxy_protocol_v2.enabled' cannot be 'true' for target groups with the UDP protocol"},
	{TG, TCP, PLACEMENT, "on_first_ack", NULL, NULL},
	{TG, BOTH, PLACEMENT, "on_first_ack", NULL, NULL},
	{TG, UDP, PLACEMENT, "on_first_ack", I, NULL},
	{TG, TCP, PLACEMENT, "on_syn", V,
	 "'" PLACEMENT "' must be one of [on_first_ack_with_payload, on_first_ack]"},
	{TG, TCP, "stickiness.enabled", "true", NULL, NULL},
	{TG, TCP, "stickiness.type", "lb_cookie", I,
	 "Stickiness type 'lb_cookie' is not supported for target groups with the TCP "
	 "protocol"},
	{TG, TCP, "stickiness.type", "cookie", V,
	 "'Stickiness type' must be one of [app_cookie, lb_cookie, source_ip]"},
	{TG, TCP, "stickiness.type", "app_cookie, lb_cookie", V, NULL},
	{TG, TCP, "stickiness.type", "", V, NULL},
	{TG, TCP, "load_balancing.cross_zone.enabled", "true", NULL, NULL},
	{TG, TCP, "load_balancing.cross_zone.enabled", "use", V, NULL},
	{TG, TCP, TGH "dns_failover.minimum_healthy_targets.count", "off", NULL, NULL},
	{TG, TCP, TGH "dns_failover.minimum_healthy_targets.count", "0", V, NULL},
	{TG, TCP, TGH "dns_failover.minimum_healthy_targets.percentage", "100", NULL, NULL},
	{TG, TCP, TGH "dns_failover.minimum_healthy_targets.percentage", "101", V, NULL},
	{TG, TCP, TGH "unhealthy_state_routing.minimum_healthy_targets.count", "off", V, NULL},
	{TG, TCP, TGH "unhealthy_state_routing.minimum_healthy_targets.count", "2", I, NULL},
	{TG, TCP, "no.such.key", "1", V,
	 "Target group attribute key 'no.such.key' is not recognized"},
	{TG, TCP, "slow_start.duration_seconds", "30", I,
	 "Target group attribute key 'slow_start.duration_seconds' is not supported on target "
	 "groups with the TCP protocol"},
	{TG, TCP, "deletion_protection.enabled", "true", V, NULL},
	{TG, TCP, "", "1", V, NULL},
	{TG, TCP, "a b", "1", V, NULL},
	{LB, TCP, "deletion_protection.enabled", "true", NULL, NULL},
	{LB, TCP, "load_balancing.cross_zone.enabled", "true", NULL, NULL},
	{LB, TCP, "access_logs.s3.enabled", "false", NULL, NULL},
	{LB, TCP, "access_logs.s3.enabled", "true", I, NULL},
	{LB, TCP, "access_logs.s3.prefix", "x/AWSLogs", I, NULL},
	{LB, TCP, "zonal_shift.config.enabled", "true", I, NULL},
	{LB, TCP, "secondary_ips.auto_assigned.per_subnet", "1", I, NULL},
	{LB, TCP, "secondary_ips.auto_assigned.per_subnet", "8", V, NULL},
	{LB, TCP, "dns_record.client_routing_policy", "availability_zone_affinity", NULL, NULL},
	{LB, TCP, "idle_timeout.timeout_seconds", "60", I,
	 "Load balancer attribute key 'idle_timeout.timeout_seconds' is not supported on load "
	 "balancers with type 'network'"},
	{LB, TCP, "routing.http2.enabled", "true", I, NULL},
	{LB, TCP, "nonsense", "true", V,
	 "Load balancer attribute key 'nonsense' is not recognized"},
	{LS, TCP, "tcp.idle_timeout.seconds", "60", NULL, NULL},
	{LS, BOTH, "tcp.idle_timeout.seconds", "6000", NULL, NULL},
	{LS, TCP, "tcp.idle_timeout.seconds", "59", V,
	 "'tcp.idle_timeout.seconds' value '59' must be between '60-6000' inclusive"},
	{LS, TCP, "tcp.idle_timeout.seconds", "6001", V, NULL},
	{LS, UDP, "tcp.idle_timeout.seconds", "60", I, NULL},
};

static void each_change_is_answered_as_the_reference_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(trials) / sizeof(trials[0]); i++) {
		const struct trial *t = &trials[i];
		struct attributes a = of(t->owner, t->protocol);
		char value[128];
		int r = change(&a, t->key, t->value);

		if ((r == 0) != (t->code == NULL) || (r != 0 && strcmp(error.code, t->code) != 0))
			fail_msg("%s=%s: %d %s: %s", t->key, t->value, r, error.code,
				 error.message);
		if (r != 0) {
			assert_int_equal(r, -EINVAL);
			assert_null(a.changed); /* nothing changed */
			if (t->message != NULL)
				assert_string_equal(error.message, t->message);
			continue;
		}
		assert_string_equal(described(&a, t->key, value), t->value);
		attributes_free(&a);
	}
}

static void a_call_changes_all_or_nothing(void **state)
{
	struct attributes a = of(TG, PROTOCOL_TCP), next = {0};
	json_t *object =
		json_pack("{s:[{s:s, s:s}, {s:s, s:s}]}", "Attributes", "Key", "stickiness.enabled",
			  "Value", "true", "Key", "bad", "Value", "x");
	struct params params = {.object = object, .error = &error};

	(void)state;
	assert_int_equal(attributes_change(&a, &params, &next), -EINVAL);
	assert_false(attributes_is_true(&a, ATTRIBUTE_STICKINESS));
	assert_null(next.changed);
	json_decref(object);
}

static void at_most_20_attributes_come_in_a_call(void **state)
{
	for (int n = ATTRIBUTES_MAX_PER_CALL; n <= ATTRIBUTES_MAX_PER_CALL + 1; n++) {
		struct attributes a = of(TG, PROTOCOL_TCP), next = {0};
		json_t *list = json_array(), *object = json_pack("{s:o}", "Attributes", list);
		struct params params = {.object = object, .error = &error};

		for (int i = 0; i < n; i++)
			json_array_append_new(list,
					      json_pack("{s:s, s:s}", "Key", "stickiness.enabled",
							"Value", "true"));
		assert_int_equal(attributes_change(&a, &params, &next),
				 n <= ATTRIBUTES_MAX_PER_CALL ? 0 : -EINVAL);
		attributes_free(&next);
		json_decref(object);
	}
	(void)state;
}

static int change_to_length(struct attributes *a, const char *key, size_t len)
{
	char value[ATTRIBUTE_VALUE_MAX + 2];

	assert_true(len < sizeof(value));
	memset(value, 'b', len);
	value[len] = '\0';
	return change(a, key, value);
}

static void texts_have_limits(void **state)
{
	struct attributes a = of(LB, PROTOCOL_TCP);

	(void)state;
	assert_int_equal(change_to_length(&a, "access_logs.s3.prefix", LOGS_PREFIX_MAX), 0);
	assert_int_equal(change_to_length(&a, "access_logs.s3.prefix", LOGS_PREFIX_MAX + 1),
			 -EINVAL);
	assert_int_equal(change_to_length(&a, "access_logs.s3.prefix", ATTRIBUTE_VALUE_MAX + 1),
			 -EINVAL);
	assert_int_equal(change_to_length(&a, "access_logs.s3.bucket", LOGS_BUCKET_MAX), 0);
	assert_int_equal(change_to_length(&a, "access_logs.s3.bucket", LOGS_BUCKET_MAX + 1),
			 -EINVAL);
	assert_int_equal(change_to_length(&a, "access_logs.s3.bucket", 3), 0);
	assert_int_equal(change_to_length(&a, "access_logs.s3.bucket", 2), -EINVAL);
	attributes_free(&a);
}

static void a_bucket_has_a_name_that_s3_takes(void **state)
{
	static const char *const wrong[] = {"Bucket", "my bucket", "my/bucket", "-bucket", ".bucket",
					    "my..bucket", ("b\xc3\xbc" "cket")};
	struct attributes a = of(LB, PROTOCOL_TCP);

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(change(&a, "access_logs.s3.bucket", wrong[i]), -EINVAL);
	assert_int_equal(change(&a, "access_logs.s3.bucket", "my-bucket.2"), 0);
	attributes_free(&a);
}

static void logs_are_enabled_with_a_bucket_only(void **state)
{
	struct attributes a = of(LB, PROTOCOL_TCP);

	(void)state;
	assert_int_equal(change(&a, "access_logs.s3.enabled", "true"), -EINVAL);
	assert_int_equal(change(&a, "access_logs.s3.bucket", "my-bucket"), 0);
	assert_int_equal(change(&a, "access_logs.s3.enabled", "true"), 0);
	assert_int_equal(change(&a, "access_logs.s3.bucket", ""), -EINVAL);
	assert_int_equal(change(&a, "access_logs.s3.enabled", "false"), 0);
	assert_int_equal(change(&a, "access_logs.s3.bucket", ""), 0);
	attributes_free(&a);
}

static void going_back_to_the_default_leaves_nothing_to_store(void **state)
{
	struct attributes a = of(TG, PROTOCOL_TCP);

	(void)state;
	assert_int_equal(change(&a, "stickiness.enabled", "true"), 0);
	assert_int_equal(json_object_size(a.changed), 1);
	assert_int_equal(change(&a, "stickiness.enabled", "false"), 0);
	assert_int_equal(json_object_size(a.changed), 0);
	attributes_free(&a);
}

static void the_store_is_not_trusted(void **state)
{
	const char *const bad[] = {"{\"no.such\": \"1\"}", "{\"stickiness.enabled\": true}",
				   "{\"stickiness.enabled\": \"maybe\"}", "[]"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct attributes a = of(TG, PROTOCOL_TCP);
		json_t *json = json_loads(bad[i], 0, NULL);

		assert_int_equal(attributes_load(&a, json), -EBADMSG);
		attributes_free(&a);
		json_decref(json);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_defaults_are_those_of_the_reference),
		cmocka_unit_test(an_internal_load_balancer_denies_igw_traffic_by_default),
		cmocka_unit_test(each_change_is_answered_as_the_reference_says),
		cmocka_unit_test(a_call_changes_all_or_nothing),
		cmocka_unit_test(at_most_20_attributes_come_in_a_call),
		cmocka_unit_test(texts_have_limits),
		cmocka_unit_test(a_bucket_has_a_name_that_s3_takes),
		cmocka_unit_test(logs_are_enabled_with_a_bucket_only),
		cmocka_unit_test(going_back_to_the_default_leaves_nothing_to_store),
		cmocka_unit_test(the_store_is_not_trusted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
