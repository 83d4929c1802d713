/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sequences of actions on a model with the memory engine. The input is read as
 * a tape of choices: an action, then the values of its parameters. Most calls
 * are sane: whole, with values that may well be accepted (ARNs of objects that
 * exist, addresses of the zones); the others are anything. After each commit the
 * invariants below hold: counts agree with what is counted, the engine knows
 * exactly what the model knows. An error always has a code, and none is internal.
 * At the end a reload from the store finds the same objects.
 */
#include "control/action.h"
#include "control/config.h"
#include "control/model.h"
#include "control/store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#define CALLS_MAX 64
#define LIST_MAX 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct tape {
	const uint8_t *data;
	size_t size;
	bool sane; /* the call being made */
};

static struct {
	struct config *config;
	struct store *store;
	struct engine *engine;
	struct model *model;
	int64_t now_ms;
} rig;

static const char config_text[] =
	"{\"region\": \"us-east-1\", \"account_id\": \"123456789012\","
	" \"engine\": {\"kind\": \"memory\", \"max_flows\": 1024, \"max_flows_ipv6\": 1024,"
	" \"max_targets\": 12}, \"zones\": ["
	"{\"name\": \"a\", \"interface\": \"lo\","
	" \"vip_pool\": [\"10.9.1.0/30\", \"fd09:1::/126\"],"
	" \"cidrs\": [\"10.0.1.0/24\", \"fd00:1::/64\"], \"snat\": [\"10.9.1.8\"]},"
	"{\"name\": \"b\", \"interface\": \"lo\","
	" \"vip_pool\": [\"10.9.2.0/30\", \"fd09:2::/126\"],"
	" \"cidrs\": [\"10.0.2.0/24\"], \"snat\": [\"10.9.2.8\"]}]}";

static void require(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "broken: %s\n", what);
	abort();
}

static unsigned int take(struct tape *tape, unsigned int below)
{
	if (tape->size == 0)
		return 0;
	tape->size--;
	return *tape->data++ % below;
}

/* --- values ---------------------------------------------------------------------------- */

static json_t *pick(struct tape *tape, const char *const *texts, unsigned int n)
{
	return json_string(texts[take(tape, n)]);
}

/* One of the texts; a sane call takes of the first @n_sane. */
#define PICK(tape, n_sane, ...)                        \
	pick(tape, (const char *const[]){__VA_ARGS__}, \
	     (tape)->sane ? (n_sane)                   \
			  : sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static json_t *an_arn(struct tape *tape, unsigned int kind)
{
	char arn[ARN_MAX] = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/no/"
			    "0000000000000001";
	unsigned int skip = take(tape, 6);

	if (skip == 5 && !tape->sane) /* of the wrong kind, or of nothing */
		kind = take(tape, 4);
	if (kind == 0) {
		struct load_balancer *at = rig.model->load_balancers;

		for (; at != NULL && skip > 0 && at->hh.next != NULL; skip--)
			at = at->hh.next;
		if (at != NULL)
			model_load_balancer_arn(rig.model, at, arn);
	} else if (kind == 1) {
		struct group *at = rig.model->groups;

		for (; at != NULL && skip > 0 && at->hh.next != NULL; skip--)
			at = at->hh.next;
		if (at != NULL)
			model_group_arn(rig.model, at, arn);
	} else if (kind == 2) {
		struct listener *at = rig.model->listeners;

		for (; at != NULL && skip > 0 && at->hh.next != NULL; skip--)
			at = at->hh.next;
		if (at != NULL)
			model_listener_arn(rig.model, at, arn);
	}
	return json_string(arn);
}

static json_t *junk(struct tape *tape)
{
	switch (take(tape, 8)) {
	case 0:
		return json_null();
	case 1:
		return json_true();
	case 2:
		return json_integer((json_int_t)take(tape, 256) - 3);
	case 3:
		return json_real(0.5);
	case 4:
		return json_array();
	case 5:
		return json_object();
	case 6:
		return json_pack("[{s:[i, n]}]", "Key", 1);
	default:
		return json_string("x\xc3\xa4\x01 ]\"'%s%n,[a");
	}
}

static json_t *value_of(struct tape *tape, const char *member);

/* An object with some of the members named in @names. */
static json_t *an_object(struct tape *tape, const char *names)
{
	json_t *object = json_object();
	char name[64];

	while (*names != '\0') {
		size_t len = strcspn(names, " ");

		snprintf(name, sizeof(name), "%.*s", (int)len, names);
		names += len + (names[len] == ' ');
		if (tape->sane || take(tape, 16) != 15)
			json_object_set_new(object, name, value_of(tape, name));
	}
	return object;
}

/* A sane list has at most @max entries. */
static json_t *a_list(struct tape *tape, const char *entry, unsigned int max)
{
	json_t *list = json_array();

	for (unsigned int n = tape->sane ? 1 + take(tape, max) : take(tape, LIST_MAX + 1); n > 0;
	     n--)
		json_array_append_new(list, strchr(entry, ' ') != NULL ? an_object(tape, entry)
								       : value_of(tape, entry));
	return list;
}

static json_t *a_port(struct tape *tape)
{
	static const int ports[] = {80, 81, 53, 5, 0, 1, 65535, 65536, -1, 999};

	return json_integer(ports[take(tape, tape->sane ? 4 : 10)]);
}

/* Attributes that fit their values, for sane calls. */
static json_t *an_attribute(struct tape *tape)
{
	static const struct {
		const char *key, *value;
	} all[] = {
		{"deregistration_delay.timeout_seconds", "0"},
		{"deregistration_delay.timeout_seconds", "60"},
		{"deregistration_delay.connection_termination.enabled", "true"},
		{"stickiness.enabled", "true"},
		{"stickiness.enabled", "false"},
		{"preserve_client_ip.enabled", "true"},
		{"load_balancing.cross_zone.enabled", "true"},
		{"load_balancing.cross_zone.enabled", "false"},
		{"load_balancing.cross_zone.enabled", "use_load_balancer_configuration"},
		{"deletion_protection.enabled", "true"},
		{"deletion_protection.enabled", "false"},
		{"tcp.idle_timeout.seconds", "60"},
		{"target_health_state.unhealthy.connection_termination.enabled", "false"},
		{"target_health_state.unhealthy.draining_interval_seconds", "1"},
		{"target_group_health.dns_failover.minimum_healthy_targets.count", "off"},
		{"routing.http2.enabled", "true"},
		{"a", "b"},
	};
	unsigned int i = take(tape, sizeof(all) / sizeof(all[0]));
	json_t *entry = json_pack("{s:s, s:s}", "Key", all[i].key, "Value", all[i].value);

	if (!tape->sane && take(tape, 4) == 3)
		json_object_set_new(entry, take(tape, 2) ? "Key" : "Value",
				    PICK(tape, 1, "", "off", "99999", "x", "1"));
	return entry;
}

#define TUPLES "TargetGroupArn Weight"

static const struct {
	const char *member, *entry; /* of a list: the members of its objects, or one name */
	unsigned int max;	    /* entries of a sane one */
} lists[] = {
	{"Targets", "Id Port", 4},
	{"Targets", "Id AvailabilityZone", 4},
	{"Attributes", "Attribute", 2},
	{"Tags", "Key Value", 2},
	{"Subnets", "SubnetId", 1},
	{"SubnetMappings", "SubnetId", 2},
	{"SubnetMappings", "SubnetId PrivateIPv4Address IPv6Address", 1},
	{"DefaultActions", "Type TargetGroupArn", 1},
	{"DefaultActions", "Type ForwardConfig", 1},
	{"TargetGroups", TUPLES, 2},
	{"ResourceArns", "AnyArn", 3},
	{"LoadBalancerArns", "LoadBalancerArn", 2},
	{"TargetGroupArns", "TargetGroupArn", 2},
	{"ListenerArns", "ListenerArn", 2},
	{"Names", "Name", 1},
	{"TagKeys", "Key", 2},
};

#define N_LISTS (sizeof(lists) / sizeof(lists[0]))

static json_t *text_of(struct tape *tape, const char *member)
{
	if (strcmp(member, "Name") == 0)
		return PICK(tape, 4, "a", "b", "c", "d", "a--b", "-", "internal-a");
	if (strcmp(member, "Protocol") == 0)
		return PICK(tape, 3, "TCP", "UDP", "TCP_UDP", "TLS", "HTTP", "x");
	if (strcmp(member, "IpAddressType") == 0)
		return PICK(tape, 1, "ipv4", "ipv6", "dualstack", "x");
	if (strcmp(member, "Id") == 0)
		return PICK(tape, 4, "10.0.1.5", "10.0.1.6", "10.0.2.5", "10.0.2.6", "10.9.1.0",
			    "172.16.0.1", "10.9.1.1", "10.9.1.8", "fd00:1::5", "fd77::1", "8.8.8.8",
			    "::1", "i-1", "");
	if (strcmp(member, "AvailabilityZone") == 0)
		return PICK(tape, 2, "a", "b", "all", "c");
	if (strcmp(member, "SubnetId") == 0)
		return PICK(tape, 3, "a", "subnet-b", "b", "c");
	if (strcmp(member, "PrivateIPv4Address") == 0)
		return PICK(tape, 2, "10.9.1.1", "10.9.2.1", "10.9.2.3", "10.9.1.4", "x");
	if (strcmp(member, "IPv6Address") == 0)
		return PICK(tape, 2, "fd09:1::1", "fd09:2::3", "fd09:2::4");
	if (strcmp(member, "Type") == 0)
		return PICK(tape, 1, "forward", "network", "redirect", "x");
	if (strcmp(member, "Scheme") == 0)
		return PICK(tape, 2, "internal", "internet-facing", "x");
	if (strcmp(member, "HealthCheckProtocol") == 0)
		return PICK(tape, 3, "TCP", "HTTP", "HTTPS", "UDP");
	if (strcmp(member, "HealthCheckPort") == 0)
		return PICK(tape, 2, "traffic-port", "80", "65536", "");
	if (strcmp(member, "HealthCheckPath") == 0)
		return PICK(tape, 2, "/", "/a", "", "x");
	if (strcmp(member, "Value") == 0)
		return PICK(tape, 4, "true", "false", "0", "1", "60", "3600", "off", "x",
			    "use_load_balancer_configuration");
	if (strcmp(member, "Key") == 0)
		return PICK(tape, 2, "a", "b", "aws:a", "", "c");
	return NULL;
}

static json_t *value_of(struct tape *tape, const char *member)
{
	json_t *text;

	if (!tape->sane && take(tape, 24) == 23)
		return junk(tape);
	for (size_t i = 0; i < N_LISTS; i++) {
		/* of two ways to write the same list the first is taken half the time */
		if (strcmp(lists[i].member, member) == 0 &&
		    (i + 1 == N_LISTS || strcmp(lists[i + 1].member, member) != 0 || take(tape, 2)))
			return a_list(tape, lists[i].entry, lists[i].max);
	}
	text = text_of(tape, member);
	if (text != NULL)
		return text;
	if (strcmp(member, "Attribute") == 0)
		return an_attribute(tape);
	if (strcmp(member, "LoadBalancerArn") == 0)
		return an_arn(tape, 0);
	if (strcmp(member, "TargetGroupArn") == 0)
		return an_arn(tape, 1);
	if (strcmp(member, "ListenerArn") == 0)
		return an_arn(tape, 2);
	if (strcmp(member, "AnyArn") == 0)
		return an_arn(tape, take(tape, 3));
	if (strcmp(member, "ForwardConfig") == 0)
		return an_object(tape, "TargetGroups TargetGroupStickinessConfig");
	if (strcmp(member, "TargetGroupStickinessConfig") == 0)
		return an_object(tape, "Enabled");
	if (strcmp(member, "Enabled") == 0)
		return json_boolean(take(tape, 2));
	if (strcmp(member, "Matcher") == 0)
		return json_pack("{s:s}", "HttpCode", "200-299,404");
	return a_port(tape); /* Port, Weight, PageSize, thresholds: all are numbers */
}

/* --- calls ----------------------------------------------------------------------------- */

static const struct {
	const char *name, *members;
} calls[] = {
	{"CreateLoadBalancer", "Name Subnets"},
	{"CreateLoadBalancer", "Name SubnetMappings IpAddressType Scheme Type Tags"},
	{"CreateTargetGroup", "Name Protocol Port"},
	{"CreateTargetGroup",
	 "Name Protocol Port IpAddressType HealthCheckProtocol HealthCheckPort HealthCheckPath "
	 "HealthCheckIntervalSeconds HealthCheckTimeoutSeconds Matcher Tags"},
	{"CreateListener", "LoadBalancerArn Protocol Port DefaultActions"},
	{"CreateListener", "LoadBalancerArn Protocol Port DefaultActions Tags"},
	{"RegisterTargets", "TargetGroupArn Targets"},
	{"RegisterTargets", "TargetGroupArn Targets"},
	{"DeregisterTargets", "TargetGroupArn Targets"},
	{"DescribeTargetHealth", "TargetGroupArn Targets"},
	{"ModifyListener", "ListenerArn Port"},
	{"ModifyListener", "ListenerArn Port Protocol DefaultActions"},
	{"ModifyTargetGroup", "TargetGroupArn HealthCheckProtocol HealthCheckPath"},
	{"ModifyTargetGroupAttributes", "TargetGroupArn Attributes"},
	{"ModifyLoadBalancerAttributes", "LoadBalancerArn Attributes"},
	{"ModifyListenerAttributes", "ListenerArn Attributes"},
	{"DescribeTargetGroupAttributes", "TargetGroupArn"},
	{"DescribeLoadBalancerAttributes", "LoadBalancerArn"},
	{"DescribeListenerAttributes", "ListenerArn"},
	{"SetSubnets", "LoadBalancerArn SubnetMappings IpAddressType"},
	{"SetSubnets", "LoadBalancerArn Subnets"},
	{"SetIpAddressType", "LoadBalancerArn IpAddressType"},
	{"DeleteListener", "ListenerArn"},
	{"DeleteLoadBalancer", "LoadBalancerArn"},
	{"DeleteTargetGroup", "TargetGroupArn"},
	{"DescribeLoadBalancers", "PageSize"},
	{"DescribeLoadBalancers", "LoadBalancerArns"},
	{"DescribeTargetGroups", "Names"},
	{"DescribeTargetGroups", "TargetGroupArns LoadBalancerArn PageSize"},
	{"DescribeListeners", "LoadBalancerArn PageSize"},
	{"DescribeListeners", "ListenerArns"},
	{"AddTags", "ResourceArns Tags"},
	{"RemoveTags", "ResourceArns TagKeys"},
	{"DescribeTags", "ResourceArns"},
	{"DescribeAccountLimits", "PageSize"},
	{"DescribeMetrics", "PageSize"},
	{"NoSuchAction", "Name"},
};

static void check_answer(int r, json_t *result, const struct action_error *error)
{
	json_t *text;

	require((r == 0) == (result != NULL), "a result, or an error");
	if (r == 0) {
		char *dump = json_dumps(result, JSON_COMPACT);

		require(dump != NULL, "the result can be sent");
		free(dump);
		return;
	}
	require(r == -EINVAL || r == -ENOENT, "no other results");
	require(error->code[0] != '\0' && error->message[0] != '\0', "an error says what is wrong");
	require(strcmp(error->code, "InternalFailure") != 0, "no internal failure");
	text = json_string(error->message);
	require(text != NULL, "the message is UTF-8");
	json_decref(text);
}

static void run_call(struct tape *tape)
{
	unsigned int which = take(tape, sizeof(calls) / sizeof(calls[0]));
	json_t *params, *result = NULL;
	struct action_error error = {0};
	int r;

	tape->sane = take(tape, 4) != 3;
	params = an_object(tape, calls[which].members);
	r = action_run(rig.model, calls[which].name, params, &result, &error);
	check_answer(r, result, &error);
	json_decref(result);
	json_decref(params);
}

/* --- invariants ------------------------------------------------------------------------ */

static unsigned int check_group(const struct group *group)
{
	unsigned int registered = 0, uses = 0;
	struct listener *listener;
	struct target *target;

	for (target = group->targets; target != NULL; target = target->hh.next) {
		struct engine_counters counters;

		require(target->group == group, "a target knows its group");
		registered += machine_is_registered(&target->machine);
		require(address_is_v4(&target->key.address) != group->ipv6, "families do not mix");
		require(target->told == target->machine.state, "told what it is");
		require(machine_is_probed(&target->machine) ==
				(target->check != NULL && target->check->told != 0),
			"who is in use is probed");
		require(engine_target_counters(rig.engine, group->id, &target->key.address,
					       (uint16_t)target->key.port, &counters) == 0,
			"the engine knows the target");
	}
	require(group->n_registered == registered, "targets are counted");
	for (listener = rig.model->listeners; listener != NULL; listener = listener->hh.next) {
		for (unsigned int i = 0; i < listener->forward.n; i++) {
			if (listener->forward.to[i].group != group)
				continue;
			uses++;
			require(group->load_balancer == listener->load_balancer,
				"a group is of one load balancer");
		}
	}
	require(group->uses == uses, "uses are counted");
	require((group->load_balancer != NULL) == (uses > 0), "used groups have a load balancer");
	return HASH_COUNT(group->targets);
}

static void check_load_balancer(const struct load_balancer *load_balancer)
{
	for (unsigned int i = 0; i < ENGINE_MAX_ZONES; i++) {
		const struct load_balancer_zone *zone = &load_balancer->zones[i];

		require((zone->v4.load_balancer != NULL) == zone->enabled, "a VIP in each zone");
		require((zone->v6.load_balancer != NULL) ==
				(zone->enabled && load_balancer->dualstack),
			"IPv6 if dualstack");
	}
	require(model_zones(load_balancer) != 0, "a load balancer has a zone");
}

static void check_invariants(void)
{
	struct load_balancer *load_balancer;
	struct engine_info info;
	struct group *group;
	unsigned int targets = 0;

	for (group = rig.model->groups; group != NULL; group = group->hh.next)
		targets += check_group(group);
	for (load_balancer = rig.model->load_balancers; load_balancer != NULL;
	     load_balancer = load_balancer->hh.next)
		check_load_balancer(load_balancer);
	engine_describe(rig.engine, &info);
	require(info.groups == HASH_COUNT(rig.model->groups), "the engine has the same groups");
	require(info.listeners == HASH_COUNT(rig.model->listeners), "and the same listeners");
	require(info.targets == targets, "and the same targets");
	require((model_next_tick_ms(rig.model) < 0) ==
			(rig.model->deadlines.n == 0 && rig.model->save_at_ms == 0),
		"a tick comes for each deadline");
}

/* --- the prober ------------------------------------------------------------------------ */

/* It probes what it is told to at once, with any result, or with none. */
static void run_prober(struct tape *tape)
{
	struct message message, checked;

	if (take(tape, 32) == 31)
		model_restart_probes(rig.model);
	while (model_next_probe(rig.model, &message)) {
		require(messages_decode(&message, messages_size(message.type), false, &checked) ==
				0,
			"the prober understands it");
		if (message.type != MESSAGE_PUT)
			continue;
		for (unsigned int n = take(tape, 4); n > 0; n--) {
			const struct probe_report report = {
				.id = message.put.id,
				.generation = message.put.generation - (take(tape, 16) == 15),
				.result = take(tape, PROBE_RESULT_COUNT)};

			model_report(rig.model, &report, model_now_ms());
		}
	}
}

/* --- the rig --------------------------------------------------------------------------- */

static void open_engine(void)
{
	const struct engine_events events = {0};
	char error[ENGINE_ERROR_MAX];

	if (engine_open(&rig.config->engine, &events, &rig.engine, error) < 0)
		require(false, error);
}

static void open_model(void)
{
	char error[512] = "";

	if (model_open(rig.config, rig.store, rig.engine, NULL, &rig.model, error) < 0)
		require(false, error);
}

static void open_rig(void)
{
	char directory[] = "/dev/shm/fuzz-action-XXXXXX", path[64];
	char error[CONFIG_ERROR_MAX];

	if (config_parse("fuzz", config_text, sizeof(config_text) - 1, &rig.config, error) < 0)
		require(false, error);
	require(mkdtemp(directory) != NULL, "a directory");
	snprintf(path, sizeof(path), "%s/db", directory);
	if (store_open(path, &rig.store, error) < 0)
		require(false, error);
	/* nobody but us needs it: gone with the process, however that ends */
	unlink(path);
	snprintf(path, sizeof(path), "%s/db-wal", directory);
	unlink(path);
	snprintf(path, sizeof(path), "%s/db-shm", directory);
	unlink(path);
	rmdir(directory);
}

static void reopen(void)
{
	unsigned int load_balancers = HASH_COUNT(rig.model->load_balancers);
	unsigned int groups = HASH_COUNT(rig.model->groups);
	unsigned int listeners = HASH_COUNT(rig.model->listeners);

	model_close(rig.model);
	open_model();
	require(HASH_COUNT(rig.model->load_balancers) == load_balancers, "load balancers are kept");
	require(HASH_COUNT(rig.model->groups) == groups, "groups are kept");
	require(HASH_COUNT(rig.model->listeners) == listeners, "listeners are kept");
	run_prober(&(struct tape){0});
	require(model_commit(rig.model) == 0, "a commit works");
	check_invariants();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tape tape = {data, size, false};

	if (rig.config == NULL)
		open_rig();
	open_engine();
	open_model();
	rig.now_ms = model_now_ms();
	for (unsigned int n = 0; tape.size > 0 && n < CALLS_MAX; n++) {
		run_call(&tape);
		if (take(&tape, 4) == 3)
			continue; /* the next call is of the same turn */
		run_prober(&tape);
		require(model_commit(rig.model) == 0, "a commit works");
		check_invariants();
		if (take(&tape, 16) == 15) {
			rig.now_ms += 1000 * (int64_t)take(&tape, 256);
			model_tick(rig.model, rig.now_ms);
		}
	}
	run_prober(&tape);
	require(model_commit(rig.model) == 0, "a commit works");
	check_invariants();
	reopen();
	model_close(rig.model);
	require(store_delete_prefix(rig.store, "") == 0 && store_commit(rig.store) == 0,
		"the store is emptied");
	engine_close(rig.engine);
	return 0;
}
