/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/flow_scan.h"

#include "control/log.h"
#include "control/model_names.h"
#include "control/params.h"
#include "dataplane/engine.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

#define NS_PER_MS 1000000
#define MARKER_LEN 16 /* hex digits of a cursor */

struct scan {
	TAILQ_ENTRY(scan) link;
	struct flow_scanner *scanner;
	struct rpc_client *client;
	struct engine_flow_filter filter;
	uint64_t load_balancer_id; /* 0: any */
	uint64_t known_listener;   /* the last one compared with it ... */
	bool known_match;	   /* ... and how that ended */
	uint64_t cursor;
	size_t page_size;
	json_t *flows;
	bool failed; /* out of memory */
};

struct flow_scanner {
	const struct config *config;
	const struct model *model;
	const struct engine *engine;
	uv_idle_t idle; /* active while there are scans */
	TAILQ_HEAD(scan_list, scan) scans;
};

static void free_scan(struct scan *scan)
{
	if (scan == NULL)
		return;
	json_decref(scan->flows);
	free(scan);
}

/* --- parameters -------------------------------------------------------------------- */

typedef int name_function(const struct model *model, uint64_t id, char text[ARN_MAX]);

struct arn_filter {
	const char *name; /* of the parameter */
	enum arn_type type;
	name_function *arn_of;
	const char *kind, *code, *label;
};

static const struct arn_filter arn_filters[] = {
	{"LoadBalancerArn", ARN_LOAD_BALANCER, model_arn_of_load_balancer, "load balancer",
	 "LoadBalancerNotFound", "Load balancer"},
	{"ListenerArn", ARN_LISTENER, model_arn_of_listener, "listener", "ListenerNotFound",
	 "Listener"},
	{"TargetGroupArn", ARN_TARGET_GROUP, model_arn_of_group, "target group",
	 "TargetGroupNotFound", "Target group"},
};

/* The id that the parameter names; untouched without one. */
static int read_arn(const struct flow_scanner *scanner, const struct params *params,
		    const struct arn_filter *filter, uint64_t *ret_id)
{
	const char *text = NULL;
	char known[ARN_MAX];
	struct arn arn;
	int r;

	r = params_string(params, filter->name, &text);
	if (r < 0 || text == NULL)
		return r;
	if (arn_parse(scanner->config, text, &arn) < 0 || arn.type != filter->type)
		return params_fail(params, "ValidationError", "'%s' is not a valid %s ARN", text,
				   filter->kind);
	if (filter->arn_of(scanner->model, arn.id, known) < 0 || strcmp(known, text) != 0)
		return params_fail(params, filter->code, "%s '%s' not found", filter->label, text);
	*ret_id = arn.id;
	return 0;
}

static int read_address(const struct params *params, const char *name, struct in6_addr *ret_address)
{
	const char *text = NULL;
	int r;

	r = params_string(params, name, &text);
	if (r < 0 || text == NULL)
		return r;
	if (address_parse(text, ret_address) < 0)
		return params_fail(params, "ValidationError",
				   "The IP address '%.64s' is not a valid IPv4 or IPv6 address",
				   text);
	return 0;
}

static int read_port(const struct params *params, const char *name, uint16_t *ret_port)
{
	long port = 0;
	int r;

	r = params_integer(params, name, 1, 65535, &port);
	if (r == 0)
		*ret_port = (uint16_t)port;
	return r;
}

static int read_page(const struct params *params, struct scan *scan)
{
	long size = FLOW_SCAN_PAGE_DEFAULT;
	const char *marker = NULL;
	int r;

	r = params_integer(params, "PageSize", 1, FLOW_SCAN_PAGE_MAX, &size);
	if (r == 0)
		r = params_string(params, "Marker", &marker);
	if (r < 0)
		return r;
	scan->page_size = (size_t)size;
	if (marker == NULL)
		return 0;
	if (strlen(marker) != MARKER_LEN || strspn(marker, "0123456789abcdef") != MARKER_LEN)
		return params_fail(params, "ValidationError", "The marker is not valid");
	scan->cursor = strtoull(marker, NULL, 16);
	return 0;
}

static int read_params(struct scan *scan, const struct params *params)
{
	uint64_t *ids[] = {&scan->load_balancer_id, &scan->filter.listener_id,
			   &scan->filter.group_id};
	size_t i;
	int r;

	r = params_only(params, "LoadBalancerArn ListenerArn TargetGroupArn ClientIp ClientPort "
				"TargetIp TargetPort PageSize Marker");
	for (i = 0; r == 0 && i < sizeof(ids) / sizeof(ids[0]); i++)
		r = read_arn(scan->scanner, params, &arn_filters[i], ids[i]);
	if (r == 0)
		r = read_address(params, "ClientIp", &scan->filter.client);
	if (r == 0)
		r = read_port(params, "ClientPort", &scan->filter.client_port);
	if (r == 0)
		r = read_address(params, "TargetIp", &scan->filter.target);
	if (r == 0)
		r = read_port(params, "TargetPort", &scan->filter.target_port);
	if (r == 0)
		r = read_page(params, scan);
	return r;
}

/* --- flows ---------------------------------------------------------------------------- */

static bool is_of_load_balancer(struct scan *scan, uint64_t listener_id)
{
	char text[ARN_MAX];
	struct arn arn;

	if (scan->load_balancer_id == 0)
		return true;
	if (scan->known_listener != listener_id) {
		scan->known_listener = listener_id;
		scan->known_match =
			model_arn_of_listener(scan->scanner->model, listener_id, text) == 0 &&
			arn_parse(scan->scanner->config, text, &arn) == 0 &&
			arn.load_balancer_id == scan->load_balancer_id;
	}
	return scan->known_match;
}

static int set_endpoint(json_t *object, const char *ip_name, const struct in6_addr *address,
			const char *port_name, uint16_t port)
{
	char text[ADDRESS_TEXT_MAX];

	return json_object_set_new(object, ip_name, json_string(address_format(address, text))) |
	       json_object_set_new(object, port_name, json_integer(port));
}

/* A time of CLOCK_MONOTONIC by the clock on the wall. */
static int set_time(json_t *object, const char *name, uint64_t time_ns)
{
	struct timespec now;
	char text[LOG_TIME_MAX];
	int64_t ago_ms;

	clock_gettime(CLOCK_MONOTONIC, &now);
	ago_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / NS_PER_MS -
		 (int64_t)(time_ns / NS_PER_MS);
	return json_object_set_new(object, name,
				   json_string(log_format_time(log_now_ms() - ago_ms, text)));
}

static int set_name(const struct flow_scanner *scanner, json_t *object, const char *name,
		    name_function *arn_of, uint64_t id)
{
	char text[ARN_MAX];

	if (arn_of(scanner->model, id, text) < 0)
		return 0;
	return json_object_set_new(object, name, json_string(text));
}

static json_t *describe(const struct flow_scanner *scanner, const struct engine_flow *flow)
{
	json_t *object;
	int r;

	object = json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I}", "Protocol",
			   flow->protocol == IPPROTO_TCP ? "TCP" : "UDP", "State", flow->state,
			   "ClientBytes", (json_int_t)flow->client_bytes, "ClientPackets",
			   (json_int_t)flow->client_packets, "TargetBytes",
			   (json_int_t)flow->target_bytes, "TargetPackets",
			   (json_int_t)flow->target_packets, "ConnectMicroseconds",
			   (json_int_t)flow->connect_us);
	if (object == NULL)
		return NULL;
	r = set_endpoint(object, "ClientIp", &flow->client, "ClientPort", flow->client_port);
	r |= set_endpoint(object, "VipIp", &flow->vip, "VipPort", flow->vip_port);
	r |= set_endpoint(object, "NatIp", &flow->nat, "NatPort", flow->nat_port);
	r |= set_endpoint(object, "TargetIp", &flow->target, "TargetPort", flow->target_port);
	r |= set_time(object, "StartTime", flow->start_ns);
	r |= set_time(object, "LastPacketTime", flow->end_ns);
	r |= set_name(scanner, object, "ListenerArn", model_arn_of_listener, flow->listener_id);
	r |= set_name(scanner, object, "TargetGroupArn", model_arn_of_group, flow->group_id);
	if (r < 0) {
		json_decref(object);
		return NULL;
	}
	return object;
}

static bool visit(void *context, const struct engine_flow *flow)
{
	struct scan *scan = context;

	if (!is_of_load_balancer(scan, flow->listener_id))
		return true;
	if (json_array_append_new(scan->flows, describe(scan->scanner, flow)) < 0) {
		scan->failed = true;
		return false;
	}
	return json_array_size(scan->flows) < scan->page_size;
}

static void finish(struct scan *scan)
{
	struct rpc_client *client = scan->client;
	json_t *result = NULL;
	char marker[MARKER_LEN + 1];

	if (!scan->failed)
		result = json_pack("{s:O}", "Flows", scan->flows);
	if (result != NULL && scan->cursor != UINT64_MAX) {
		snprintf(marker, sizeof(marker), "%016" PRIx64, scan->cursor);
		if (json_object_set_new(result, "NextMarker", json_string(marker)) < 0) {
			json_decref(result);
			result = NULL;
		}
	}
	free_scan(scan);
	rpc_reply(client, result);
}

/* One piece of one scan in each turn of the loop. */
static void step(uv_idle_t *idle)
{
	struct flow_scanner *scanner = idle->data;
	struct scan *scan = TAILQ_FIRST(&scanner->scans);

	if (scan == NULL) {
		uv_idle_stop(idle);
		return;
	}
	TAILQ_REMOVE(&scanner->scans, scan, link);
	engine_flows(scanner->engine, &scan->cursor, FLOW_SCAN_ENTRIES, &scan->filter, visit, scan);
	if (scan->failed || scan->cursor == UINT64_MAX ||
	    json_array_size(scan->flows) >= scan->page_size)
		finish(scan);
	else
		TAILQ_INSERT_TAIL(&scanner->scans, scan, link);
}

/* --- beginning and end ------------------------------------------------------------------- */

int flow_scan_open(uv_loop_t *loop, const struct config *config, const struct model *model,
		   const struct engine *engine, struct flow_scanner **ret_scanner)
{
	struct flow_scanner *scanner;

	scanner = calloc(1, sizeof(*scanner));
	if (scanner == NULL)
		return -ENOMEM;
	scanner->config = config;
	scanner->model = model;
	scanner->engine = engine;
	TAILQ_INIT(&scanner->scans);
	uv_idle_init(loop, &scanner->idle);
	uv_unref((uv_handle_t *)&scanner->idle);
	scanner->idle.data = scanner;
	*ret_scanner = scanner;
	return 0;
}

static void closed(uv_handle_t *handle)
{
	free(handle->data);
}

void flow_scan_close(struct flow_scanner *scanner)
{
	struct scan *scan;

	if (scanner == NULL)
		return;
	while ((scan = TAILQ_FIRST(&scanner->scans)) != NULL) {
		TAILQ_REMOVE(&scanner->scans, scan, link);
		free_scan(scan);
	}
	uv_close((uv_handle_t *)&scanner->idle, closed);
}

int flow_scan_begin(struct flow_scanner *scanner, struct rpc_client *client, const json_t *params,
		    struct action_error *error)
{
	json_t *empty = json_object();
	struct params outer = {.object = params != NULL ? params : empty, .error = error};
	struct scan *scan;
	int r = -ENOMEM;

	scan = calloc(1, sizeof(*scan));
	if (scan == NULL || empty == NULL)
		goto fail;
	scan->scanner = scanner;
	scan->client = client;
	scan->flows = json_array();
	if (scan->flows == NULL)
		goto fail;
	r = read_params(scan, &outer);
	if (r < 0)
		goto fail;
	json_decref(empty);
	TAILQ_INSERT_TAIL(&scanner->scans, scan, link);
	uv_idle_start(&scanner->idle, step);
	return 0;
fail:
	json_decref(empty);
	free_scan(scan);
	return r;
}

void flow_scan_forget(struct flow_scanner *scanner, const struct rpc_client *client)
{
	struct scan *scan;

	TAILQ_FOREACH(scan, &scanner->scans, link)
	{
		if (scan->client == client) {
			TAILQ_REMOVE(&scanner->scans, scan, link);
			free_scan(scan);
			return;
		}
	}
}
