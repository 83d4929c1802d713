/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/actions_fixture.h"

/* Two zones with cidrs: rig-1a (10.0.1.0/24) and rig-1b (10.0.2.0/24). */
const char *const two_zones =
	"{'region': 'us-east-1', 'account_id': '123456789012', 'vpc_id': 'vpc-sluice',"
	" 'zones': ["
	"{'name': 'rig-1a', 'interface': 'lo', 'vip_pool': ['10.9.1.0/29', 'fd09:1::/64'],"
	" 'cidrs': ['10.0.1.0/24', 'fd00:1::/64'], 'snat': ['10.9.1.8', 'fd09:3::1']},"
	"{'name': 'rig-1b', 'interface': 'lo', 'vip_pool': ['10.9.2.0/29', 'fd09:2::/64'],"
	" 'cidrs': ['10.0.2.0/24', 'fd00:2::/64'], 'snat': ['10.9.2.8']}]}";

/* One zone without cidrs. */
const char *const one_zone =
	"{'region': 'us-east-1', 'account_id': '123456789012', 'vpc_id': 'vpc-sluice',"
	" 'zones': [{'name': 'rig-1a', 'interface': 'lo', 'vip_pool': ['10.9.1.0/24'],"
	" 'snat': ['10.9.0.1']}]}";

char *quoted(const char *text)
{
	char *copy = strdup(text);

	assert_non_null(copy);
	for (char *c = copy; *c != '\0'; c++) {
		if (*c == '\'')
			*c = '"';
	}
	return copy;
}

static void remember_event(void *context, json_t *event)
{
	struct fixture *f = context;

	json_array_append(f->events, event);
}

int open_model(struct fixture *f)
{
	struct model_events events = {.context = f, .emit = remember_event};
	char error[512] = "";
	int r = model_open(f->config, f->store, f->engine, &events, &f->model, error);

	if (r < 0)
		snprintf(f->error.message, sizeof(f->error.message), "%s", error);
	return r;
}

void open_store(struct fixture *f)
{
	char error[STORE_ERROR_MAX] = "";

	if (store_open(f->path, &f->store, error) < 0)
		fail_msg("%s", error);
}

/* --- the prober ------------------------------------------------------------------------ */

static void prober_forgets(struct fixture *f)
{
	struct fake_check *check, *next;

	HASH_ITER (hh, f->checks, check, next) {
		HASH_DEL(f->checks, check);
		free(check);
	}
}

void prober_restarts(struct fixture *f)
{
	prober_forgets(f);
	model_restart_probes(f->model);
}

/* As the prober's end does: nothing that it would refuse is ever sent. */
static void take_message(struct fixture *f, const struct message *message)
{
	struct message checked;
	struct fake_check *check;
	uint64_t id;

	assert_int_equal(messages_decode(message, messages_size(message->type), false, &checked),
			 0);
	id = checked.type == MESSAGE_PUT ? checked.put.id : checked.remove.id;
	HASH_FIND(hh, f->checks, &id, sizeof(id), check);
	if (checked.type == MESSAGE_REMOVE) {
		assert_non_null(check);
		HASH_DEL(f->checks, check);
		free(check);
		f->removals++;
		return;
	}
	if (check == NULL) {
		check = calloc(1, sizeof(*check));
		assert_non_null(check);
		check->id = id;
		HASH_ADD(hh, f->checks, id, sizeof(check->id), check);
	}
	check->put = checked.put;
	f->puts++;
}

static void report(struct fixture *f, const struct probe_put *put, enum probe_result result)
{
	const struct probe_report report = {.id = put->id,
					    .generation = put->generation,
					    .result = result,
					    .duration_us = 1500,
					    .http_status = result == PROBE_STATUS ? 503 : 0};

	model_report(f->model, &report, model_now_ms());
}

void prober_runs(struct fixture *f)
{
	struct message message;

	while (model_next_probe(f->model, &message)) {
		take_message(f, &message);
		if (message.type == MESSAGE_PUT && f->probe_result >= 0)
			report(f, &message.put, (enum probe_result)f->probe_result);
	}
}

const struct probe_put *probed(struct fixture *f, const char *address, uint16_t port)
{
	struct fake_check *check, *next;
	struct in6_addr parsed;

	assert_int_equal(address_parse(address, &parsed), 0);
	HASH_ITER (hh, f->checks, check, next) {
		if (address_equal(&check->put.target, &parsed) && check->put.port == port)
			return &check->put;
	}
	return NULL;
}

void probe(struct fixture *f, const char *address, uint16_t port, enum probe_result result,
	   unsigned int times)
{
	const struct probe_put *put = probed(f, address, port);

	assert_non_null(put);
	for (unsigned int i = 0; i < times; i++)
		report(f, put, result);
	commit(f);
}

void commit(struct fixture *f)
{
	prober_runs(f);
	assert_int_equal(model_commit(f->model), 0);
	assert_false(f->engine->staged);
}

struct fixture *fixture_new(const char *config)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char error[CONFIG_ERROR_MAX] = "", *text = quoted(config);

	assert_non_null(f);
	strcpy(f->directory, "/tmp/sluice-actions-XXXXXX");
	assert_non_null(mkdtemp(f->directory));
	snprintf(f->path, sizeof(f->path), "%s/sluice.db", f->directory);
	if (config_parse("test", text, strlen(text), &f->config, error) < 0)
		fail_msg("%s", error);
	free(text);
	f->engine = fake_engine_new();
	f->events = json_array();
	f->probe_result = PROBE_OK;
	open_store(f);
	assert_int_equal(open_model(f), 0);
	return f;
}

void fixture_free(struct fixture *f)
{
	char path[128];

	model_close(f->model);
	store_close(f->store);
	prober_forgets(f);
	fake_engine_free(f->engine);
	config_free(f->config);
	json_decref(f->events);
	unlink(f->path);
	snprintf(path, sizeof(path), "%s-wal", f->path);
	unlink(path);
	snprintf(path, sizeof(path), "%s-shm", f->path);
	unlink(path);
	assert_int_equal(rmdir(f->directory), 0);
	free(f);
}

/* Call an action; NULL when it failed, and then f->error tells why. */
json_t *try_call(struct fixture *f, const char *action, const json_t *params)
{
	json_t *result = NULL;
	int r;

	memset(&f->error, 0, sizeof(f->error));
	r = action_run(f->model, action, params, &result, &f->error);
	assert_true((r == 0) == (result != NULL));
	return result;
}

static json_t *params_v(const char *format, va_list args)
{
	char text[16384], *json;
	json_error_t error;
	json_t *params;

	vsnprintf(text, sizeof(text), format, args);
	json = quoted(text);
	params = json_loads(json, 0, &error);
	if (params == NULL)
		fail_msg("%s: %s", error.text, json);
	free(json);
	return params;
}

/* Call an action that must succeed, and commit. Takes @params; the caller owns the result. */
static json_t *call_json(struct fixture *f, const char *action, json_t *params)
{
	json_t *result = try_call(f, action, params);

	json_decref(params);
	if (result == NULL)
		fail_msg("%s: %s: %s", action, f->error.code, f->error.message);
	commit(f);
	return result;
}

json_t *call(struct fixture *f, const char *action, const char *format, ...)
{
	json_t *params;
	va_list args;

	va_start(args, format);
	params = params_v(format, args);
	va_end(args);
	return call_json(f, action, params);
}

/* Call an action that must fail with @code, leaving the error in f->error. */
void call_fails(struct fixture *f, const char *code, const char *action, const char *format, ...)
{
	json_t *params, *result;
	va_list args;

	va_start(args, format);
	params = params_v(format, args);
	va_end(args);
	result = try_call(f, action, params);
	json_decref(params);
	if (result != NULL)
		fail_msg("%s succeeded, should have failed with %s", action, code);
	if (strcmp(f->error.code, code) != 0)
		fail_msg("%s: %s, not %s: %s", action, f->error.code, code, f->error.message);
}

/* A string of a result by path: "LoadBalancers.0.LoadBalancerArn". */
const json_t *at_path(const json_t *json, const char *path)
{
	char name[64];

	while (*path != '\0') {
		size_t len = strcspn(path, ".");

		assert_true(len < sizeof(name));
		memcpy(name, path, len);
		name[len] = '\0';
		json = json_is_array(json) ? json_array_get(json, strtoul(name, NULL, 10))
					   : json_object_get(json, name);
		path += len + (path[len] == '.');
	}
	return json;
}

const char *text_at(const json_t *json, const char *path)
{
	const char *text = json_string_value(at_path(json, path));

	return text != NULL ? text : "(none)";
}

/* Create a thing and return its ARN in @arn, from @path of the result. */
const char *create(struct fixture *f, char arn[ARN_MAX], const char *path, const char *action,
		   const char *format, ...)
{
	json_t *params, *result;
	va_list args;

	va_start(args, format);
	params = params_v(format, args);
	va_end(args);
	result = call_json(f, action, params);
	snprintf(arn, ARN_MAX, "%s", text_at(result, path));
	json_decref(result);
	return arn;
}

const char *new_lb(struct fixture *f, char arn[ARN_MAX], const char *name)
{
	return create(f, arn, "LoadBalancers.0.LoadBalancerArn", "CreateLoadBalancer",
		      "{'Name': '%s', 'Type': 'network'}", name);
}

const char *new_tg(struct fixture *f, char arn[ARN_MAX], const char *name, const char *protocol)
{
	return create(f, arn, "TargetGroups.0.TargetGroupArn", "CreateTargetGroup",
		      "{'Name': '%s', 'Protocol': '%s', 'Port': 8080, 'VpcId': 'vpc-sluice', "
		      "'TargetType': 'ip'}",
		      name, protocol);
}

const char *new_listener(struct fixture *f, char arn[ARN_MAX], const char *lb, const char *protocol,
			 int port, const char *tg)
{
	return create(f, arn, "Listeners.0.ListenerArn", "CreateListener",
		      "{'LoadBalancerArn': '%s', 'Protocol': '%s', 'Port': %d, "
		      "'DefaultActions': [{'Type': 'forward', 'TargetGroupArn': '%s'}]}",
		      lb, protocol, port, tg);
}

/* The id at the end of an ARN. */
uint64_t id_of(const char *arn)
{
	return strtoull(strrchr(arn, '/') + 1, NULL, 16);
}

/* "healthy", or "unused/Target.NotInUse", of a target on port 8080. */
const char *health(struct fixture *f, const char *tg, const char *address, char text[64])
{
	json_t *result = call(f, "DescribeTargetHealth",
			      "{'TargetGroupArn': '%s', 'Targets': [{'Id': '%s'}]}", tg, address);
	const char *state = text_at(result, "TargetHealthDescriptions.0.TargetHealth.State");
	const char *reason = text_at(result, "TargetHealthDescriptions.0.TargetHealth.Reason");

	snprintf(text, 64, "%s%s%s", state, reason[0] != '(' ? "/" : "",
		 reason[0] != '(' ? reason : "");
	json_decref(result);
	return text;
}
