/* SPDX-License-Identifier: BSD-3-Clause */
/* Flow scan, over a flow table and a model of this test's own. */
#include "control/flow_scan.h"

#include "control/config.h"
#include "control/model_names.h"
#include "dataplane/engine.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define ENTRIES 100000 /* of the table */
#define EVERY 50       /* one of so many holds a flow */
#define LISTENERS 4    /* numbered from 1, two of each load balancer */

struct engine {
	size_t largest_scan;
	unsigned int calls;
};

struct rpc_client {
	json_t *reply;
	unsigned int replies;
};

struct fixture {
	uv_loop_t loop;
	uv_prepare_t alive; /* keeps the loop running, as the control socket does */
	struct config config;
	struct engine engine;
	struct flow_scanner *scanner;
	struct rpc_client clients[2];
	struct action_error error;
};

/* --- what the scan uses ------------------------------------------------------------------ */

static struct engine_flow flow_at(uint64_t i)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (struct engine_flow){
		.client = address_from_v4(htonl(0x0a000000 | (uint32_t)i)),
		.vip = address_from_v4(htonl(0xc0a80001)),
		.nat = address_from_v4(htonl(0xc0a80002)),
		.target = address_from_v4(htonl(0xc0a80100 | (uint32_t)i % 200)),
		.client_port = (uint16_t)(1024 + i % 1000),
		.vip_port = 80,
		.nat_port = 2000,
		.target_port = 8080,
		.protocol = i % 2 == 0 ? IPPROTO_TCP : IPPROTO_UDP,
		.state = "established",
		.listener_id = 1 + i / EVERY % LISTENERS,
		.group_id = 7,
		.client_bytes = i,
		.client_packets = 3,
		.target_bytes = UINT32_MAX + i,
		.target_packets = 4,
		.start_ns = (uint64_t)now.tv_sec * 1000000000 - 5000000000,
		.end_ns = (uint64_t)now.tv_sec * 1000000000,
		.connect_us = 123,
	};
}

static bool matches(const struct engine_flow_filter *filter, const struct engine_flow *flow)
{
	static const struct in6_addr any;

	return (filter->listener_id == 0 || filter->listener_id == flow->listener_id) &&
	       (filter->group_id == 0 || filter->group_id == flow->group_id) &&
	       (address_equal(&filter->client, &any) ||
		address_equal(&filter->client, &flow->client)) &&
	       (address_equal(&filter->target, &any) ||
		address_equal(&filter->target, &flow->target)) &&
	       (filter->client_port == 0 || filter->client_port == flow->client_port) &&
	       (filter->target_port == 0 || filter->target_port == flow->target_port);
}

void engine_flows(const struct engine *engine, uint64_t *cursor, size_t max_scan,
		  const struct engine_flow_filter *filter,
		  bool (*visit)(void *context, const struct engine_flow *flow), void *context)
{
	struct engine *counted = (struct engine *)engine;
	struct engine_flow flow;
	size_t n;

	counted->calls++;
	for (n = 0; n < max_scan && *cursor < ENTRIES; n++) {
		uint64_t i = (*cursor)++;

		if (i % EVERY != 0)
			continue;
		flow = flow_at(i);
		if (matches(filter, &flow) && !visit(context, &flow))
			break;
	}
	if (n > counted->largest_scan)
		counted->largest_scan = n;
	if (*cursor >= ENTRIES)
		*cursor = UINT64_MAX;
}

static int write_arn(enum arn_type type, const char *name, uint64_t load_balancer_id, uint64_t id,
		     char text[ARN_MAX])
{
	static const struct config config = {.region = "us-east-1", .account_id = "123456789012"};
	struct arn arn = {.type = type, .load_balancer_id = load_balancer_id, .id = id};

	strcpy(arn.name, name);
	arn_format(&config, &arn, text);
	return 0;
}

int model_arn_of_load_balancer(const struct model *model, uint64_t id, char text[ARN_MAX])
{
	(void)model;
	return id == 100 || id == 101 ? write_arn(ARN_LOAD_BALANCER, "web", id, id, text) : -ENOENT;
}

/* The last one was deleted; its flows live on. */
int model_arn_of_listener(const struct model *model, uint64_t id, char text[ARN_MAX])
{
	(void)model;
	return id < LISTENERS ? write_arn(ARN_LISTENER, "web", 100 + id / 2, id, text) : -ENOENT;
}

int model_arn_of_group(const struct model *model, uint64_t id, char text[ARN_MAX])
{
	(void)model;
	return id == 7 ? write_arn(ARN_TARGET_GROUP, "tasks", 0, id, text) : -ENOENT;
}

void rpc_reply(struct rpc_client *client, json_t *result)
{
	assert_non_null(result);
	json_decref(client->reply);
	client->reply = result;
	client->replies++;
}

/* --- the tests -------------------------------------------------------------------------------- */

static void nothing(uv_prepare_t *prepare)
{
	(void)prepare;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return -1;
	strcpy(f->config.region, "us-east-1");
	strcpy(f->config.account_id, "123456789012");
	uv_loop_init(&f->loop);
	uv_prepare_init(&f->loop, &f->alive);
	uv_prepare_start(&f->alive, nothing);
	*state = f;
	return flow_scan_open(&f->loop, &f->config, NULL, &f->engine, &f->scanner);
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	int r;

	flow_scan_close(f->scanner);
	uv_close((uv_handle_t *)&f->alive, NULL);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	r = uv_loop_close(&f->loop);
	json_decref(f->clients[0].reply);
	json_decref(f->clients[1].reply);
	free(f);
	return r;
}

static int begin(struct fixture *f, struct rpc_client *client, const char *text)
{
	json_t *params = text == NULL ? NULL : json_loads(text, 0, NULL);
	int r;

	assert_true(text == NULL || params != NULL);
	r = flow_scan_begin(f->scanner, client, params, &f->error);
	json_decref(params);
	return r;
}

/* Turn the loop until the client has one answer more. Returns the turns it took. */
static unsigned int finish(struct fixture *f, struct rpc_client *client)
{
	unsigned int before = client->replies, turns;

	for (turns = 0; client->replies == before; turns++) {
		assert_true(turns < 10000);
		uv_run(&f->loop, UV_RUN_NOWAIT);
	}
	return turns;
}

static const json_t *flows(const struct rpc_client *client)
{
	return json_object_get(client->reply, "Flows");
}

static size_t count(struct fixture *f, const char *params)
{
	struct rpc_client *client = &f->clients[0];

	assert_int_equal(begin(f, client, params), 0);
	finish(f, client);
	return json_array_size(flows(client));
}

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static void tells_all_of_a_flow(void **state)
{
	struct fixture *f = *state;
	const json_t *flow;
	char arn[ARN_MAX];

	assert_int_equal(count(f, "{\"ClientIp\":\"10.0.0.50\"}"), 1);
	flow = json_array_get(flows(&f->clients[0]), 0);
	assert_string_equal(text_of(flow, "Protocol"), "TCP");
	assert_string_equal(text_of(flow, "State"), "established");
	assert_string_equal(text_of(flow, "ClientIp"), "10.0.0.50");
	assert_int_equal(json_integer_value(json_object_get(flow, "ClientPort")), 1074);
	assert_string_equal(text_of(flow, "VipIp"), "192.168.0.1");
	assert_int_equal(json_integer_value(json_object_get(flow, "VipPort")), 80);
	assert_string_equal(text_of(flow, "NatIp"), "192.168.0.2");
	assert_int_equal(json_integer_value(json_object_get(flow, "NatPort")), 2000);
	assert_string_equal(text_of(flow, "TargetIp"), "192.168.1.50");
	assert_int_equal(json_integer_value(json_object_get(flow, "TargetPort")), 8080);
	assert_int_equal(json_integer_value(json_object_get(flow, "ClientBytes")), 50);
	assert_int_equal(json_integer_value(json_object_get(flow, "ClientPackets")), 3);
	assert_int_equal(json_integer_value(json_object_get(flow, "TargetBytes")),
			 UINT32_MAX + 50LL);
	assert_int_equal(json_integer_value(json_object_get(flow, "TargetPackets")), 4);
	assert_int_equal(json_integer_value(json_object_get(flow, "ConnectMicroseconds")), 123);
	assert_int_equal(strlen(text_of(flow, "StartTime")), strlen("2026-01-31T12:00:00.000Z"));
	assert_true(strcmp(text_of(flow, "StartTime"), text_of(flow, "LastPacketTime")) < 0);
	model_arn_of_listener(NULL, 2, arn);
	assert_string_equal(text_of(flow, "ListenerArn"), arn);
	model_arn_of_group(NULL, 7, arn);
	assert_string_equal(text_of(flow, "TargetGroupArn"), arn);
}

static void leaves_out_the_name_of_what_was_deleted(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(count(f, "{\"ClientIp\":\"10.0.0.150\"}"), 1);
	assert_null(json_object_get(json_array_get(flows(&f->clients[0]), 0), "ListenerArn"));
}

static void comes_in_pages_each_flow_once(void **state)
{
	struct fixture *f = *state;
	struct rpc_client *client = &f->clients[0];
	size_t total = 0, pages = 0, i;
	char params[128] = "{\"PageSize\":300}";
	const char *marker;

	do {
		assert_int_equal(begin(f, client, params), 0);
		finish(f, client);
		for (i = 0; i < json_array_size(flows(client)); i++, total++) {
			/* each knows its place in the table */
			assert_int_equal(json_integer_value(json_object_get(
						 json_array_get(flows(client), i), "ClientBytes")),
					 total * EVERY);
		}
		marker = text_of(client->reply, "NextMarker");
		snprintf(params, sizeof(params), "{\"PageSize\":300,\"Marker\":\"%s\"}",
			 marker != NULL ? marker : "");
		pages++;
	} while (marker != NULL);
	assert_int_equal(total, ENTRIES / EVERY);
	assert_int_equal(pages, 7);
	assert_int_equal(count(f, NULL), FLOW_SCAN_PAGE_DEFAULT);
	assert_int_equal(count(f, "{\"PageSize\":1}"), 1);
	assert_int_equal(count(f, "{\"PageSize\":1000}"), 1000);
}

static void filters_by_everything(void **state)
{
	struct fixture *f = *state;
	char params[1024], load_balancer[ARN_MAX], listener[ARN_MAX], group[ARN_MAX];
	const size_t each = ENTRIES / EVERY / LISTENERS;

	model_arn_of_listener(NULL, 1, listener);
	model_arn_of_group(NULL, 7, group);
	snprintf(params, sizeof(params), "{\"PageSize\":1000,\"ListenerArn\":\"%s\"}", listener);
	assert_int_equal(count(f, params), each);
	model_arn_of_load_balancer(NULL, 100, load_balancer); /* of listener 1 */
	snprintf(params, sizeof(params), "{\"PageSize\":1000,\"LoadBalancerArn\":\"%s\"}",
		 load_balancer);
	assert_int_equal(count(f, params), each);
	model_arn_of_load_balancer(NULL, 101, load_balancer); /* of listeners 2 and 3 */
	snprintf(params, sizeof(params), "{\"PageSize\":1000,\"LoadBalancerArn\":\"%s\"}",
		 load_balancer);
	assert_int_equal(count(f, params), 2 * each);
	snprintf(params, sizeof(params),
		 "{\"PageSize\":1000,\"LoadBalancerArn\":\"%s\",\"ListenerArn\":\"%s\"}",
		 load_balancer, listener);
	assert_int_equal(count(f, params), 0);
	snprintf(params, sizeof(params), "{\"PageSize\":1000,\"TargetGroupArn\":\"%s\"}", group);
	assert_int_equal(count(f, params), 1000);
	assert_int_equal(count(f, "{\"PageSize\":1000,\"TargetIp\":\"192.168.1.150\"}"),
			 ENTRIES / 200);
	assert_int_equal(count(f, "{\"ClientIp\":\"fd00::1\"}"), 0);
	assert_int_equal(count(f, "{\"PageSize\":1000,\"ClientPort\":1024}"), ENTRIES / 1000);
	assert_int_equal(count(f, "{\"TargetPort\":8081}"), 0);
	assert_int_equal(count(f, "{\"TargetPort\":8080}"), FLOW_SCAN_PAGE_DEFAULT);
}

static void walks_a_bounded_piece_each_turn_and_takes_turns(void **state)
{
	struct fixture *f = *state;
	const unsigned int pieces = (ENTRIES + FLOW_SCAN_ENTRIES - 1) / FLOW_SCAN_ENTRIES;
	unsigned int turns;

	assert_int_equal(begin(f, &f->clients[0], "{\"TargetPort\":1}"), 0);
	assert_int_equal(f->engine.calls, 0); /* not within the call */
	turns = finish(f, &f->clients[0]);
	assert_in_range(turns, pieces, pieces + 1);
	assert_true(f->engine.largest_scan <= FLOW_SCAN_ENTRIES);

	/* a short one does not wait for the end of a long one */
	assert_int_equal(begin(f, &f->clients[0], "{\"TargetPort\":1}"), 0);
	assert_int_equal(begin(f, &f->clients[1], "{\"PageSize\":1}"), 0);
	assert_in_range(finish(f, &f->clients[1]), 1, 3);
	assert_int_equal(f->clients[0].replies, 1);
	finish(f, &f->clients[0]);
}

static void forgets_a_client_that_has_gone(void **state)
{
	struct fixture *f = *state;
	unsigned int calls;

	assert_int_equal(begin(f, &f->clients[0], "{\"TargetPort\":1}"), 0);
	assert_int_equal(begin(f, &f->clients[1], "{\"TargetPort\":1}"), 0);
	uv_run(&f->loop, UV_RUN_NOWAIT);
	flow_scan_forget(f->scanner, &f->clients[0]);
	flow_scan_forget(f->scanner, &f->clients[0]);
	finish(f, &f->clients[1]);
	calls = f->engine.calls;
	uv_run(&f->loop, UV_RUN_NOWAIT);
	uv_run(&f->loop, UV_RUN_NOWAIT);
	assert_int_equal(f->engine.calls, calls);
	assert_int_equal(f->clients[0].replies, 0);
	/* and one that is left at the end is freed with the scanner */
	assert_int_equal(begin(f, &f->clients[0], NULL), 0);
}

struct refusal {
	const char *params;
	const char *code;
	const char *message; /* its beginning */
};

static void refuses_wrong_parameters(void **state)
{
#define ARN "arn:aws:elasticloadbalancing:us-east-1:123456789012:"
	static const struct refusal cases[] = {
		{"{\"Foo\":1}", "ValidationError", "Unknown parameter 'Foo'"},
		{"{\"PageSize\":0}", "ValidationError", "1 validation error detected"},
		{"{\"PageSize\":1001}", "ValidationError", "1 validation error detected"},
		{"{\"PageSize\":\"9\"}", "ValidationError", "1 validation error detected"},
		{"{\"Marker\":\"12\"}", "ValidationError", "The marker is not valid"},
		{"{\"Marker\":\"00000000000000ZZ\"}", "ValidationError", "The marker"},
		{"{\"ClientIp\":\"10.0.0\"}", "ValidationError", "The IP address '10.0.0' is"},
		{"{\"TargetIp\":7}", "ValidationError", "1 validation error detected"},
		{"{\"ClientPort\":0}", "ValidationError", "1 validation error detected"},
		{"{\"TargetPort\":65536}", "ValidationError", "1 validation error detected"},
		{"{\"ListenerArn\":\"x\"}", "ValidationError", "'x' is not a valid listener ARN"},
		{"{\"TargetGroupArn\":\"" ARN "loadbalancer/net/web/0000000000000064\"}",
		 "ValidationError", "'" ARN "loadbalancer/net/web/0000000000000064' is not"},
		{"{\"LoadBalancerArn\":\"" ARN "loadbalancer/net/web/0000000000000063\"}",
		 "LoadBalancerNotFound", "Load balancer '" ARN},
		{"{\"LoadBalancerArn\":\"" ARN "loadbalancer/net/other/0000000000000064\"}",
		 "LoadBalancerNotFound", "Load balancer '" ARN},
		{"{\"TargetGroupArn\":\"" ARN "targetgroup/tasks/0000000000000008\"}",
		 "TargetGroupNotFound", "Target group '" ARN},
		{"{\"ListenerArn\":\"" ARN "listener/net/web/0000000000000064/0000000000000009\"}",
		 "ListenerNotFound", "Listener '" ARN},
	};
#undef ARN
	struct fixture *f = *state;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(&f->error, 0, sizeof(f->error));
		assert_int_equal(begin(f, &f->clients[0], cases[i].params), -EINVAL);
		assert_string_equal(f->error.code, cases[i].code);
		if (strncmp(f->error.message, cases[i].message, strlen(cases[i].message)) != 0)
			fail_msg("%s: %s", cases[i].params, f->error.message);
	}
	uv_run(&f->loop, UV_RUN_NOWAIT);
	assert_int_equal(f->engine.calls, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	static const struct CMUnitTest tests[] = {
		TEST(tells_all_of_a_flow),
		TEST(leaves_out_the_name_of_what_was_deleted),
		TEST(comes_in_pages_each_flow_once),
		TEST(filters_by_everything),
		TEST(walks_a_bounded_piece_each_turn_and_takes_turns),
		TEST(forgets_a_client_that_has_gone),
		TEST(refuses_wrong_parameters),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
