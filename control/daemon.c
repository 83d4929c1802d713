/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/daemon.h"

#include "control/access_logs.h"
#include "control/action.h"
#include "control/bucket_check.h"
#include "control/config.h"
#include "control/engine_report.h"
#include "control/flow_scan.h"
#include "control/log.h"
#include "control/params.h"
#include "control/probing.h"
#include "control/rpc.h"
#include "control/store.h"
#include "control/watch.h"
#include "dataplane/engine.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#define OTHER_FILES 128	  /* that we hold open beside the control clients */
#define CONTROL_NICE (-10)
#define TICK_MAX_MS 10000 /* time of day may jump; the model's deadlines are in it */
#define TICK_MIN_MS 10	  /* a deadline that cannot be met is no reason to spin */
#define COMMIT_RETRY_MS 1000
#define SETS_BUCKET "ModifyLoadBalancerAttributes" /* the one action that may have to wait */

struct daemon {
	const struct config *config;
	struct store *store;
	struct engine *engine;
	struct model *model;
	uv_loop_t loop;
	struct rpc_server *rpc;
	struct watch *watch;
	struct flow_scanner *scanner;
	struct probing *probing;
	struct access_logs *logs;
	struct bucket_checks *bucket_checks;
	uv_timer_t tick;
	uv_poll_t engine_poll;
	uv_signal_t signals[2];
	bool has_handles;
	uint64_t ended[ENGINE_CLOSE_ENDED]; /* flows, by reason */
	struct rpc_client *stop_client;	    /* called Shutdown; may have gone */
	bool called; /* an action, in this turn: the model may have changed */
	bool stop_asked, detach, detached;
};

/* --- methods --------------------------------------------------------------------------- */

static void fail_call(struct rpc_client *client, enum rpc_code code,
		      const struct action_error *error)
{
	static const char *const ours[] = {"InternalFailure", "ServiceUnavailable",
					   "HealthUnavailable", "InsufficientCapacity"};
	const char *type = "Sender";
	size_t i;

	for (i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
		if (strcmp(error->code, ours[i]) == 0)
			type = "Receiver";
	}
	rpc_reply_error(client, code, error->message, type, error->code);
}

/* Answer a call that gave @r: 0 with @result, which is taken over, or an error. */
static void finish_call(struct rpc_client *client, int r, json_t *result,
			const struct action_error *error)
{
	if (r == 0)
		rpc_reply(client, result);
	else if (r == -EINVAL)
		fail_call(client, RPC_SERVER_ERROR, error);
	else if (r == -ENOENT)
		fail_call(client, RPC_METHOD_NOT_FOUND, error);
	else
		rpc_reply_error(client, RPC_SERVER_ERROR, strerror(-r), "Receiver",
				"InternalFailure");
}

static int describe_engine(struct daemon *daemon, struct rpc_client *client,
			   const struct params *params)
{
	int r;

	r = params_only(params, "");
	if (r == 0)
		rpc_reply(client, engine_report(daemon->engine, daemon->ended));
	return r;
}

static int describe_access_logs(struct daemon *daemon, struct rpc_client *client,
				const struct params *params)
{
	int r;

	r = params_only(params, "");
	if (r == 0)
		rpc_reply(client, access_logs_report(daemon->logs));
	return r;
}

static int describe_flows(struct daemon *daemon, struct rpc_client *client,
			  const struct params *params)
{
	return flow_scan_begin(daemon->scanner, client, params->object, params->error);
}

static int watch(struct daemon *daemon, struct rpc_client *client, const struct params *params)
{
	int r;

	r = watch_add(daemon->watch, client, params->object, params->error);
	if (r == 0)
		rpc_reply(client, json_object());
	return r;
}

/* Answered in commit(), behind which nothing more of the engine is needed. */
static int shut_down(struct daemon *daemon, struct rpc_client *client, const struct params *params)
{
	bool detach = false;
	int r;

	r = params_only(params, "Detach");
	if (r == 0)
		r = params_boolean(params, "Detach", &detach);
	if (r < 0)
		return r;
	daemon->stop_asked = true;
	daemon->stop_client = client;
	daemon->detach = detach;
	return 0;
}

/* They answer themselves when they return 0. */
static const struct {
	const char *name;
	int (*run)(struct daemon *daemon, struct rpc_client *client, const struct params *params);
} methods[] = {
	{"DescribeAccessLogs", describe_access_logs},
	{"DescribeEngine", describe_engine},
	{"DescribeFlows", describe_flows},
	{"Shutdown", shut_down},
	{"Watch", watch},
};

static int begin_bucket_test(void *context, const struct logs_destination *destination,
			     void (*done)(void *test_context, int result, const char *text),
			     void *test_context)
{
	struct daemon *daemon = context;

	return access_logs_test(daemon->logs, destination, done, test_context);
}

static void forget_bucket_test(void *context, const void *test_context)
{
	struct daemon *daemon = context;

	access_logs_forget(daemon->logs, test_context);
}

static void run_action(struct daemon *daemon, struct rpc_client *client, const char *name,
		       const json_t *params)
{
	struct action_error error = {.code = ""};
	json_t *result = NULL;
	int r;

	daemon->called = true;
	r = action_run(daemon->model, name, params, &result, &error);
	finish_call(client, r, result, &error);
}

static void bucket_checked(void *context, struct rpc_client *client, const json_t *params,
			   const struct action_error *error)
{
	struct daemon *daemon = context;

	if (error != NULL) {
		finish_call(client, -EINVAL, NULL, error);
		return;
	}
	run_action(daemon, client, SETS_BUCKET, params);
	rpc_commit_soon(daemon->rpc);
}

/* Returns 1 when the call waits for its bucket to be tested, 0 when it need not, or an error. */
static int check_bucket(struct daemon *daemon, struct rpc_client *client,
			const struct rpc_request *request, struct action_error *error)
{
	struct logs_destination destination;
	int r;

	if (strcmp(request->method, SETS_BUCKET) != 0 ||
	    !action_wants_bucket_test(daemon->model, request->params, &destination))
		return 0;
	r = bucket_checks_begin(daemon->bucket_checks, client, request->params, &destination,
				error);
	return r == 0 ? 1 : r;
}

static void call(void *context, struct rpc_client *client, const struct rpc_request *request)
{
	struct daemon *daemon = context;
	struct action_error error = {.code = ""};
	struct params params = {.object = request->params, .error = &error};
	json_t *empty = NULL;
	size_t i;
	int r;

	if (daemon->stop_asked) {
		rpc_reply_error(client, RPC_SERVER_ERROR, "sluiced is shutting down", "Receiver",
				"ServiceUnavailable");
		return;
	}
	for (i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		if (strcmp(methods[i].name, request->method) != 0)
			continue;
		if (params.object == NULL)
			params.object = empty = json_object();
		r = params.object != NULL ? methods[i].run(daemon, client, &params) : -ENOMEM;
		json_decref(empty);
		if (r < 0)
			finish_call(client, r, NULL, &error);
		return;
	}
	r = check_bucket(daemon, client, request, &error);
	if (r == 0)
		run_action(daemon, client, request->method, request->params);
	else if (r < 0)
		finish_call(client, r, NULL, &error);
}

/* --- turns ------------------------------------------------------------------------------ */

static void tick(uv_timer_t *timer);

static void arm_tick(struct daemon *daemon, int64_t min_ms)
{
	int64_t wait_ms = model_next_tick_ms(daemon->model);

	if (wait_ms < 0) {
		uv_timer_stop(&daemon->tick);
		return;
	}
	if (wait_ms < min_ms)
		wait_ms = min_ms;
	if (wait_ms > TICK_MAX_MS)
		wait_ms = TICK_MAX_MS;
	uv_timer_start(&daemon->tick, tick, (uint64_t)wait_ms, 0);
}

static void tick(uv_timer_t *timer)
{
	struct daemon *daemon = timer->data;

	model_tick(daemon->model, log_now_ms());
	rpc_commit_soon(daemon->rpc);
}

static void detach(struct daemon *daemon)
{
	char text[ENGINE_ERROR_MAX] = "";
	char message[ENGINE_ERROR_MAX + 64];
	int r;

	uv_poll_stop(&daemon->engine_poll);
	r = engine_detach(daemon->engine, text);
	daemon->detached = true;
	if (r == 0) {
		log_info("detached: nothing is forwarded from now on");
		return;
	}
	snprintf(message, sizeof(message), "The engine was not wholly detached: %s", text);
	log_error("%s", message);
	if (daemon->stop_client != NULL)
		rpc_reply_error(daemon->stop_client, RPC_SERVER_ERROR, message, "Receiver",
				"InternalFailure");
	daemon->stop_client = NULL;
}

static int commit(void *context)
{
	struct daemon *daemon = context;
	int r;

	if (daemon->detached)
		return 0;
	if (daemon->probing != NULL)
		probing_send(daemon->probing); /* targets answer while the disk does */
	r = model_commit(daemon->model);
	if (r < 0)
		log_error("changes could not be stored and were taken back: %s", strerror(-r));
	if (daemon->called || r < 0)
		access_logs_sync(daemon->logs);
	daemon->called = false;
	arm_tick(daemon, r < 0 ? COMMIT_RETRY_MS : TICK_MIN_MS);
	if (!daemon->stop_asked)
		return r;
	uv_timer_stop(&daemon->tick);
	if (daemon->detach)
		detach(daemon);
	if (daemon->stop_client != NULL)
		rpc_reply(daemon->stop_client, json_object());
	daemon->stop_client = NULL;
	log_info("stopping: asked to by a control client");
	rpc_stop(daemon->rpc);
	return r;
}

static void gone(void *context, struct rpc_client *client)
{
	struct daemon *daemon = context;

	watch_remove(daemon->watch, client);
	bucket_checks_forget(daemon->bucket_checks, client);
	flow_scan_forget(daemon->scanner, client);
	if (daemon->stop_client == client)
		daemon->stop_client = NULL;
}

static void note(void *context, const char *text)
{
	(void)context;
	log_warning("%s", text);
}

static void on_signal(uv_signal_t *handle, int number)
{
	struct daemon *daemon = handle->data;

	log_info("stopping on signal %d: forwarding %s", number,
		 daemon->config->engine.kind == ENGINE_DPDK ? "pauses until the next start"
							    : "goes on");
	rpc_stop(daemon->rpc);
}

/* --- the engine --------------------------------------------------------------------------- */

static void engine_ready(uv_poll_t *poll, int status, int events)
{
	struct daemon *daemon = poll->data;

	(void)events;
	if (status < 0) {
		log_error("the engine cannot be watched any more: %s", uv_strerror(status));
		uv_poll_stop(poll);
		return;
	}
	engine_process(daemon->engine);
}

static void flow_ended(void *context, const struct engine_flow *flow)
{
	struct daemon *daemon = context;

	if (flow->reason < ENGINE_CLOSE_ENDED)
		daemon->ended[flow->reason]++;
	if (daemon->logs != NULL)
		access_logs_record(daemon->logs, flow);
}

static void engine_changed(void *context, const char *what)
{
	struct daemon *daemon = context;

	log_warning("engine: %s", what);
	if (daemon->watch != NULL)
		watch_emit_engine_changed(daemon->watch, what);
}

static void emit(void *context, json_t *event)
{
	struct daemon *daemon = context;

	if (daemon->watch != NULL)
		watch_emit(daemon->watch, event);
}

static void health_changed(void *context)
{
	struct daemon *daemon = context;

	rpc_commit_soon(daemon->rpc);
}

static void log_engine(const struct daemon *daemon)
{
	struct engine_info info;
	unsigned int i;

	engine_describe(daemon->engine, &info);
	log_info("engine %s: %s, %u listeners, %u targets, room for %u IPv4 and %u IPv6 flows",
		 info.kind, info.taken_over ? "taken over with its flows" : "new", info.listeners,
		 info.targets, info.max_flows, info.max_flows_ipv6);
	for (i = 0; i < info.n_interfaces; i++)
		log_info("interface %s: %s mode, %s", info.interfaces[i].name,
			 info.interfaces[i].mode, info.interfaces[i].up ? "up" : "down");
	if (info.dpdk.n_devices != 0)
		log_info("packets in %s pages, flow table in %s pages%s",
			 info.dpdk.huge_packets ? "huge" : "ordinary",
			 info.dpdk.huge_tables ? "huge" : "ordinary",
			 info.dpdk.huge_packets && info.dpdk.huge_tables
				 ? ""
				 : ": slower; see hugepages and table_dir in README.md");
}

/* --- beginning and end --------------------------------------------------------------------- */

/* Each control client is a file. */
static void raise_file_limit(const struct config *config)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		log_warning("the limit of open files cannot be raised: %s", strerror(errno));
	if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < config->max_clients + OTHER_FILES)
		log_warning("max_clients is %u, but only %llu files may be open: raise "
			    "LimitNOFILE",
			    config->max_clients, (unsigned long long)limit.rlim_cur);
}

/* On a machine that is all busy, what control does is little, and waited for. For this thread and
 * what it starts from now on: sluice-health too; the engine's threads are there already. */
static void raise_priority(void)
{
	if (setpriority(PRIO_PROCESS, 0, CONTROL_NICE) < 0)
		log_warning("nice %d cannot be had: %s", CONTROL_NICE, strerror(errno));
}

static int open_parts(struct daemon *daemon)
{
	const struct engine_events engine_events = {daemon, flow_ended, engine_changed};
	const struct model_events model_events = {daemon, emit};
	char store_error[STORE_ERROR_MAX], engine_error[ENGINE_ERROR_MAX], model_error[512];
	int r;

	r = store_open(daemon->config->store_path, &daemon->store, store_error);
	if (r < 0) {
		log_error("%s", store_error);
		return r;
	}
	r = engine_open(&daemon->config->engine, &engine_events, &daemon->engine, engine_error);
	if (r < 0) {
		log_error("engine: %s", engine_error);
		return r;
	}
	r = model_open(daemon->config, daemon->store, daemon->engine, &model_events, &daemon->model,
		       model_error);
	if (r < 0)
		log_error("model: %s", model_error);
	return r;
}

/* Handles that serve, and do not keep the loop running: that is the control socket's part. */
static int open_handles(struct daemon *daemon)
{
	static const int numbers[] = {SIGTERM, SIGINT};
	size_t i;
	int r;

	r = uv_poll_init(&daemon->loop, &daemon->engine_poll, engine_poll_fd(daemon->engine));
	if (r < 0)
		return r;
	uv_unref((uv_handle_t *)&daemon->engine_poll);
	daemon->engine_poll.data = daemon;
	uv_timer_init(&daemon->loop, &daemon->tick);
	uv_unref((uv_handle_t *)&daemon->tick);
	daemon->tick.data = daemon;
	for (i = 0; i < 2; i++) {
		uv_signal_init(&daemon->loop, &daemon->signals[i]);
		uv_unref((uv_handle_t *)&daemon->signals[i]);
		daemon->signals[i].data = daemon;
	}
	daemon->has_handles = true;
	r = uv_poll_start(&daemon->engine_poll, UV_READABLE, engine_ready);
	for (i = 0; r == 0 && i < 2; i++)
		r = uv_signal_start(&daemon->signals[i], on_signal, numbers[i]);
	return r;
}

static int open_services(struct daemon *daemon)
{
	const struct config *config = daemon->config;
	const struct rpc_handler handler = {daemon, call, commit, gone, note};
	const struct access_logs_events logs_events = {daemon, emit};
	const struct bucket_check_events check_events = {daemon, begin_bucket_test,
							 forget_bucket_test, bucket_checked};
	const struct rpc_options options = {
		.path = config->socket_path,
		.group = config->socket_group,
		.max_clients = config->max_clients,
		.write_timeout_ms = RPC_WRITE_TIMEOUT_MS,
	};
	const struct probing_events probing_events = {daemon, health_changed};
	char error[RPC_ERROR_MAX], probing_error[PROBING_ERROR_MAX];
	int r;

	r = open_handles(daemon);
	if (r == 0)
		r = watch_open(&daemon->loop, daemon->engine, &daemon->watch);
	if (r == 0)
		r = flow_scan_open(&daemon->loop, config, daemon->model, daemon->engine,
				   &daemon->scanner);
	if (r == 0)
		r = access_logs_open(&daemon->loop, config, daemon->model, daemon->engine,
				     &logs_events, &daemon->logs);
	if (r == 0)
		r = bucket_checks_open(&check_events, &daemon->bucket_checks);
	if (r < 0) {
		log_error("start: %s", strerror(-r));
		return r;
	}
	r = rpc_open(&daemon->loop, &options, &handler, &daemon->rpc, error);
	if (r < 0) {
		log_error("%s", error);
		return r;
	}
	r = probing_open(&daemon->loop, config, daemon->model, &probing_events, &daemon->probing,
			 probing_error);
	if (r < 0) {
		log_error("%s", probing_error);
		rpc_stop(daemon->rpc);
	}
	return r;
}

static void close_all(struct daemon *daemon)
{
	size_t i;

	probing_close(daemon->probing);
	watch_close(daemon->watch);
	flow_scan_close(daemon->scanner);
	bucket_checks_close(daemon->bucket_checks);
	access_logs_close(daemon->logs);
	daemon->logs = NULL;
	if (daemon->has_handles) {
		uv_close((uv_handle_t *)&daemon->engine_poll, NULL);
		uv_close((uv_handle_t *)&daemon->tick, NULL);
		for (i = 0; i < 2; i++)
			uv_close((uv_handle_t *)&daemon->signals[i], NULL);
	}
	uv_run(&daemon->loop, UV_RUN_DEFAULT); /* until all are closed */
	uv_loop_close(&daemon->loop);
	rpc_free(daemon->rpc);
	daemon->watch = NULL; /* no events from those below */
	model_close(daemon->model);
	engine_close(daemon->engine);
	store_close(daemon->store);
}

int daemon_run(const struct config *config)
{
	struct daemon daemon = {.config = config};
	int r;

	signal(SIGPIPE, SIG_IGN);
	raise_file_limit(config);
	r = uv_loop_init(&daemon.loop);
	if (r < 0) {
		log_error("start: %s", uv_strerror(r));
		return r;
	}
	r = open_parts(&daemon);
	if (r == 0) {
		raise_priority();
		r = open_services(&daemon);
	}
	if (r == 0) {
		log_engine(&daemon);
		log_info("serving %s", config->socket_path);
		rpc_commit_soon(daemon.rpc); /* arms the tick for what drained while we were away */
		uv_run(&daemon.loop, UV_RUN_DEFAULT);
		log_info("stopped");
	}
	close_all(&daemon);
	return r;
}
