/* SPDX-License-Identifier: BSD-3-Clause */
/* What sluiced puts into the record queue; there is no sluice-logs beside this program. */
#include "tests/unit/actions_fixture.c"
#include "tests/unit/fake_engine.c"

#include "control/access_logs.h"
#include "control/log.h"
#include "control/logs/record_queue.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <uv.h>

struct rig {
	struct fixture *f;
	uv_loop_t loop;
	struct access_logs *logs;
	struct record_queue *queue; /* as the reader has it */
	char lb[ARN_MAX], tg[ARN_MAX], listener[ARN_MAX], silent_listener[ARN_MAX];
	char event[512]; /* the last one */
};

static void emitted(void *context, json_t *event)
{
	struct rig *rig = context;

	snprintf(rig->event, sizeof(rig->event), "%s: %s", text_at(event, "Event"),
		 text_at(event, "Message"));
}

static void open_logs(struct rig *rig)
{
	const struct access_logs_events events = {rig, emitted};

	assert_int_equal(uv_loop_init(&rig->loop), 0);
	assert_int_equal(access_logs_open(&rig->loop, rig->f->config, rig->f->model, rig->f->engine,
					  &events, &rig->logs),
			 0);
}

static void close_logs(struct rig *rig)
{
	access_logs_close(rig->logs);
	uv_run(&rig->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&rig->loop), 0);
}

static void enable(struct rig *rig)
{
	CALL(rig->f, "ModifyLoadBalancerAttributes",
	     "{'LoadBalancerArn': '%s', 'Attributes': [{'Key': 'access_logs.s3.enabled', 'Value': "
	     "'true'}, {'Key': 'access_logs.s3.bucket', 'Value': 'my-bucket'}]}",
	     rig->lb);
	access_logs_sync(rig->logs);
}

static void attach(struct rig *rig)
{
	int fd = open(rig->f->config->logs_queue, O_RDWR);

	assert_true(fd >= 0);
	assert_int_equal(record_queue_attach(fd, &rig->queue), 0);
	close(fd);
}

static int setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	char other[ARN_MAX], other_tg[ARN_MAX];

	assert_non_null(rig);
	rig->f = fixture_new(two_zones);
	new_lb(rig->f, rig->lb, "web");
	new_tg(rig->f, rig->tg, "tasks", "TCP");
	new_listener(rig->f, rig->listener, rig->lb, "TCP", 80, rig->tg);
	new_lb(rig->f, other, "silent");
	new_tg(rig->f, other_tg, "others", "TCP");
	new_listener(rig->f, rig->silent_listener, other, "TCP", 80, other_tg);
	snprintf(rig->f->config->logs_queue, sizeof(rig->f->config->logs_queue), "%s/run/records",
		 rig->f->directory);
	snprintf(rig->f->config->logs.spool_dir, sizeof(rig->f->config->logs.spool_dir), "%s/logs",
		 rig->f->directory);
	open_logs(rig);
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;
	char path[sizeof(rig->f->config->logs_queue)];

	record_queue_close(rig->queue);
	close_logs(rig);
	snprintf(path, sizeof(path), "%s", rig->f->config->logs_queue);
	unlink(path);
	*strrchr(path, '/') = '\0';
	rmdir(path);
	fixture_free(rig->f);
	free(rig);
	return 0;
}

static uint64_t mono_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static struct engine_flow flow_of(const struct rig *rig, const char *listener)
{
	struct engine_flow flow = {
		.client_port = 5000,
		.vip_port = 80,
		.nat_port = 6000,
		.target_port = 8080,
		.protocol = IPPROTO_TCP,
		.state = "lingering",
		.reason = ENGINE_CLOSE_RST_TARGET,
		.listener_id = id_of(listener),
		.group_id = id_of(rig->tg),
		.client_bytes = 1,
		.client_packets = 2,
		.target_bytes = 3,
		.target_packets = 4,
		.start_ns = mono_ns() - 2000000000,
		.end_ns = mono_ns() - 1000000000,
		.zone = 1,
		.connect_us = 77,
	};

	assert_int_equal(address_parse("10.0.0.1", &flow.client), 0);
	assert_int_equal(address_parse("10.9.1.0", &flow.vip), 0);
	assert_int_equal(address_parse("10.1.0.1", &flow.nat), 0);
	assert_int_equal(address_parse("10.0.1.5", &flow.target), 0);
	return flow;
}

static void record(struct rig *rig, const char *listener)
{
	struct engine_flow flow = flow_of(rig, listener);

	access_logs_record(rig->logs, &flow);
}

static void nothing_is_started_before_it_is_wanted(void **state)
{
	struct rig *rig = *state;

	record(rig, rig->listener);
	assert_int_equal(access(rig->f->config->logs_queue, F_OK), -1);
	assert_string_equal(rig->event, "");
}

static void a_flow_of_a_logged_load_balancer_is_queued_as_it_was(void **state)
{
	struct rig *rig = *state;
	struct engine_flow flow = flow_of(rig, rig->listener);
	const struct record *r;
	int64_t now_us;

	enable(rig);
	assert_non_null(strstr(rig->event, "AccessLogsChanged: "));
	assert_non_null(strstr(rig->event, "sluice-logs cannot be started"));
	attach(rig);
	access_logs_record(rig->logs, &flow);
	record(rig, rig->silent_listener);
	assert_int_equal(record_queue_end(rig->queue), 1);
	r = record_queue_at(rig->queue, 0);
	assert_int_equal(r->load_balancer_id, id_of(rig->lb));
	assert_int_equal(r->listener_id, id_of(rig->listener));
	assert_int_equal(r->group_id, id_of(rig->tg));
	assert_string_equal(r->group, "tasks");
	assert_memory_equal(&r->client, &flow.client, 16);
	assert_memory_equal(&r->vip, &flow.vip, 16);
	assert_memory_equal(&r->nat, &flow.nat, 16);
	assert_memory_equal(&r->target, &flow.target, 16);
	assert_int_equal(r->client_port, 5000);
	assert_int_equal(r->vip_port, 80);
	assert_int_equal(r->nat_port, 6000);
	assert_int_equal(r->target_port, 8080);
	assert_int_equal(r->client_bytes + 10 * r->client_packets + 100 * r->target_bytes +
				 1000 * r->target_packets,
			 4321);
	assert_int_equal(r->connect_us, 77);
	assert_int_equal(r->reason, ENGINE_CLOSE_RST_TARGET);
	assert_int_equal(r->start, RECORD_START_HEALTHY);
	assert_int_equal(r->zone, 1);
	assert_int_equal(r->end_us - r->start_us, (flow.end_ns - flow.start_ns) / 1000);
	now_us = log_now_ms() * 1000;
	assert_in_range(r->end_us, now_us - 60000000, now_us);
}

static void the_start_tells_fail_open_and_refusal(void **state)
{
	struct rig *rig = *state;
	struct engine_flow flow = flow_of(rig, rig->listener);

	enable(rig);
	attach(rig);
	flow.fail_open = true;
	access_logs_record(rig->logs, &flow);
	flow.reason = ENGINE_CLOSE_NO_TARGET;
	flow.group_id = 0;
	access_logs_record(rig->logs, &flow);
	assert_int_equal(record_queue_at(rig->queue, 0)->start, RECORD_START_FAILOPEN);
	assert_int_equal(record_queue_at(rig->queue, 1)->start, RECORD_START_NONE);
	assert_string_equal(record_queue_at(rig->queue, 1)->group, "");
}

static void an_unknown_listener_is_counted(void **state)
{
	struct rig *rig = *state;
	struct engine_flow flow = flow_of(rig, rig->listener);
	json_t *report;

	enable(rig);
	flow.listener_id = 12345;
	access_logs_record(rig->logs, &flow);
	report = access_logs_report(rig->logs);
	assert_int_equal(json_integer_value(at_path(report, "Dropped.0.Records")), 41);
	assert_int_equal(json_integer_value(at_path(report, "Dropped.1.Records")), 42);
	assert_string_equal(text_at(report, "Dropped.3.Reason"), "unknown_listener");
	assert_int_equal(json_integer_value(at_path(report, "Dropped.3.Records")), 1);
	assert_int_equal(json_integer_value(at_path(report, "QueuedRecords")), 0);
	json_decref(report);
}

/* A killed sluiced lets go of records in the engine only behind the last of a turn. */
static void records_that_come_again_after_a_restart_are_queued_once(void **state)
{
	struct rig *rig = *state;
	struct engine_flow flows[5], fresh;

	enable(rig);
	attach(rig);
	for (int i = 0; i < 5; i++) {
		flows[i] = flow_of(rig, rig->listener);
		flows[i].client_port = (uint16_t)(7000 + i);
		access_logs_record(rig->logs, &flows[i]);
	}
	close_logs(rig);
	open_logs(rig);
	for (int i = 2; i < 5; i++)
		access_logs_record(rig->logs, &flows[i]);
	assert_int_equal(record_queue_end(rig->queue), 5);
	fresh = flows[4];
	fresh.client_bytes++;
	access_logs_record(rig->logs, &fresh);
	fresh = flows[4]; /* the same client again, two seconds later */
	fresh.start_ns += 2000000000;
	fresh.end_ns += 500000000;
	access_logs_record(rig->logs, &fresh);
	assert_int_equal(record_queue_end(rig->queue), 7);
	fresh = flows[4];
	fresh.end_ns = mono_ns(); /* ended since: none of theirs */
	access_logs_record(rig->logs, &fresh);
	assert_int_equal(record_queue_end(rig->queue), 8);
}

static void a_queue_that_another_holds_is_told_of_once(void **state)
{
	struct rig *rig = *state;
	char error[RECORD_QUEUE_ERROR_MAX], path[sizeof(rig->f->config->logs_queue)];
	struct record_queue *other;

	snprintf(path, sizeof(path), "%s", rig->f->config->logs_queue);
	*strrchr(path, '/') = '\0';
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(record_queue_open(rig->f->config->logs_queue, 8, &other, error), 0);
	enable(rig);
	assert_non_null(strstr(rig->event, "another process writes to it"));
	rig->event[0] = '\0';
	access_logs_sync(rig->logs);
	record(rig, rig->listener);
	assert_string_equal(rig->event, "");
	record_queue_close(other);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_is_started_before_it_is_wanted),
		TEST(a_flow_of_a_logged_load_balancer_is_queued_as_it_was),
		TEST(the_start_tells_fail_open_and_refusal),
		TEST(an_unknown_listener_is_counted),
		TEST(records_that_come_again_after_a_restart_are_queued_once),
		TEST(a_queue_that_another_holds_is_told_of_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
