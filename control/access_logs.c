/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/access_logs.h"

#include "control/access_logs_table.h"
#include "control/log.h"
#include "control/logs/record_queue.h"
#include "control/model_logs.h"
#include "control/supervisor.h"
#include "dataplane/engine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PERIOD_MS 1000
#define REPEATED_MAX 256     /* at least what an engine hands over before it lets go of it */
#define CLOCK_STEP_US 500000 /* less is what reading two clocks one after the other gives */

struct test {
	TAILQ_ENTRY(test) link;
	struct logs_test message;
	bool sent;
	uint64_t until_ms;
	void (*done)(void *context, int result, const char *text);
	void *context;
};

struct access_logs {
	uv_loop_t *loop;
	const struct config *config;
	const struct model *model;
	const struct engine *engine;
	struct access_logs_events on;
	char program[4096];
	struct record_queue *queue; /* NULL: not started */
	struct supervisor *supervisor;
	struct access_logs_table table;
	uv_timer_t timer; /* from the start on */
	bool wanted, told_failure;
	bool sent_settings;
	uint64_t began_ns;   /* CLOCK_MONOTONIC, and ... */
	uint64_t end_before; /* ... what the queue held then: see is_repeated() */
	int64_t wall_us;     /* add to CLOCK_MONOTONIC to have the time of day */
	uint64_t told_drops[RECORD_DROP_COUNT];
	char last_error[LOGS_TEXT_MAX + 1];
	int64_t last_error_ms; /* 0: none */
	uint64_t failing_at;   /* uploads when the last failure was told; UINT64_MAX: all is well */
	uint64_t next_test;
	TAILQ_HEAD(, test) tests;
};

/* --- events ----------------------------------------------------------------------------- */

static void emit(struct access_logs *logs, json_t *event)
{
	if (event != NULL)
		logs->on.emit(logs->on.context, event);
	json_decref(event);
}

static void tell(struct access_logs *logs, const char *text)
{
	char time[LOG_TIME_MAX];

	emit(logs, json_pack("{s:s, s:s, s:s}", "Event", "AccessLogsChanged", "Time",
			     log_format_time(log_now_ms(), time), "Message", text));
}

static uint64_t dropped(struct access_logs *logs, enum record_drop reason)
{
	const struct record_counters *counters = record_queue_counters(logs->queue);

	return counters->dropped_by_writer[reason] + counters->dropped_by_reader[reason];
}

static void tell_drops(struct access_logs *logs)
{
	char time[LOG_TIME_MAX];

	for (int reason = 0; reason < RECORD_DROP_COUNT; reason++) {
		uint64_t now = dropped(logs, reason), more = now - logs->told_drops[reason];

		if (more == 0)
			continue;
		logs->told_drops[reason] = now;
		log_warning("access logs: %llu flow records dropped: %s", (unsigned long long)more,
			    record_drop_text(reason));
		emit(logs, json_pack("{s:s, s:s, s:s, s:s, s:I}", "Event", "FlowRecordsDropped",
				     "Time", log_format_time(log_now_ms(), time), "Reason",
				     record_drop_name(reason), "Message", record_drop_text(reason),
				     "Records", (json_int_t)more));
	}
}

static void upload_failed(struct access_logs *logs, const char *text)
{
	memcpy(logs->last_error, text, sizeof(logs->last_error));
	logs->last_error_ms = log_now_ms();
	if (logs->failing_at != UINT64_MAX) /* one more; counted */
		return;
	logs->failing_at = record_queue_counters(logs->queue)->uploads;
	log_error("access logs: %s", text);
	tell(logs, text);
}

static void look_at_uploads(struct access_logs *logs)
{
	if (logs->failing_at == UINT64_MAX ||
	    record_queue_counters(logs->queue)->uploads == logs->failing_at)
		return;
	logs->failing_at = UINT64_MAX;
	log_info("access logs: uploads work again");
	tell(logs, "uploads work again");
}

/* --- tests of buckets --------------------------------------------------------------------- */

static void finish_test(struct access_logs *logs, struct test *test, int result, const char *text)
{
	TAILQ_REMOVE(&logs->tests, test, link);
	if (test->done != NULL)
		test->done(test->context, result, text);
	free(test);
}

static void tested(struct access_logs *logs, const struct logs_tested *answer)
{
	struct test *test;

	TAILQ_FOREACH(test, &logs->tests, link)
	{
		if (test->message.id == answer->id) {
			finish_test(logs, test, (int)answer->result, answer->text);
			return;
		}
	}
}

static void end_late_tests(struct access_logs *logs)
{
	struct test *test, *next;

	for (test = TAILQ_FIRST(&logs->tests); test != NULL; test = next) {
		next = TAILQ_NEXT(test, link);
		if (uv_now(logs->loop) >= test->until_ms)
			finish_test(logs, test, -ETIMEDOUT, "sluice-logs does not answer");
	}
}

/* --- the process ---------------------------------------------------------------------------- */

static int send_settings(struct access_logs *logs)
{
	struct logs_message message = {.type = LOGS_SETTINGS, .settings = logs->config->logs};
	int r;

	if (logs->sent_settings)
		return 0;
	r = supervisor_send(logs->supervisor, &message, logs_messages_size(message.type));
	logs->sent_settings = r == 0;
	return r;
}

static int send_destination(void *context, enum logs_message_type type,
			    const struct logs_destination *destination)
{
	struct access_logs *logs = context;
	struct logs_message message = {.type = type, .destination = *destination};

	return supervisor_send(logs->supervisor, &message, logs_messages_size(type));
}

static int send_tests(struct access_logs *logs)
{
	struct logs_message message = {.type = LOGS_TEST};
	struct test *test;
	int r = 0;

	TAILQ_FOREACH(test, &logs->tests, link)
	{
		message.test = test->message;
		if (r == 0 && !test->sent) {
			r = supervisor_send(logs->supervisor, &message,
					    logs_messages_size(message.type));
			test->sent = r == 0;
		}
	}
	return r;
}

/* Say what it does not know yet; again when there is room in the socket, or a new process. */
static void send_all(struct access_logs *logs)
{
	if (logs->supervisor == NULL || send_settings(logs) < 0 ||
	    access_logs_table_tell(&logs->table, send_destination, logs) < 0)
		return;
	send_tests(logs);
}

static void started(void *context)
{
	struct access_logs *logs = context;
	struct test *test;

	logs->sent_settings = false;
	access_logs_table_forget_told(&logs->table);
	TAILQ_FOREACH(test, &logs->tests, link)
	test->sent = false;
	send_all(logs);
}

static bool message(void *context, const void *bytes, size_t len)
{
	struct access_logs *logs = context;
	struct logs_message received;

	if (logs_messages_decode(bytes, len, true, &received) < 0)
		return false;
	switch ((enum logs_message_type)received.type) {
	case LOGS_READY:
		log_info("access logs: sluice-logs has the spool at %s",
			 logs->config->logs.spool_dir);
		break;
	case LOGS_TESTED:
		tested(logs, &received.tested);
		break;
	case LOGS_FAILED:
		upload_failed(logs, received.text.text);
		break;
	default: /* LOGS_WARNING */
		log_warning("%s", received.text.text);
		tell(logs, received.text.text);
	}
	return true;
}

static void writable(void *context)
{
	send_all(context);
}

/* --- beginning ------------------------------------------------------------------------------- */

static uint64_t mono_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void read_clocks(struct access_logs *logs)
{
	int64_t mono_us = (int64_t)(mono_ns() / 1000), wall_us;
	struct timespec wall;

	clock_gettime(CLOCK_REALTIME, &wall);
	wall_us = wall.tv_sec * 1000000 + wall.tv_nsec / 1000 - mono_us;
	/* both ends of a flow are told by one and the same sum; a step of the clock moves it */
	if (llabs(wall_us - logs->wall_us) > CLOCK_STEP_US)
		logs->wall_us = wall_us;
}

static void second_passed(uv_timer_t *timer);

/* Every folder on the way to a file. */
static void make_folders(const char *path)
{
	char folder[4096];

	for (const char *slash = strchr(path + 1, '/'); slash != NULL;
	     slash = strchr(slash + 1, '/')) {
		snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path), path);
		mkdir(folder, 0755); /* what is wrong shows when the file is opened */
	}
}

static int start(struct access_logs *logs)
{
	const struct supervisor_events events = {logs, started, message, writable};
	const struct supervisor_options options = {
		.name = "sluice-logs",
		.path = logs->program,
		.args = {"--queue", logs->config->logs_queue, "--spool",
			 logs->config->logs.spool_dir, "--user", logs->config->logs_user},
	};
	char error[RECORD_QUEUE_ERROR_MAX];
	int r = 0;

	if (logs->queue == NULL) {
		make_folders(logs->config->logs_queue);
		make_folders(logs->config->logs.spool_dir);
		r = record_queue_open(logs->config->logs_queue, RECORD_QUEUE_RECORDS, &logs->queue,
				      error);
		if (r < 0)
			goto fail;
		logs->began_ns = mono_ns();
		logs->end_before = record_queue_end(logs->queue);
		for (int reason = 0; reason < RECORD_DROP_COUNT; reason++)
			logs->told_drops[reason] = dropped(logs, reason);
	}
	if (logs->supervisor == NULL) {
		r = supervisor_find("sluice-logs", "control/logs", logs->program,
				    sizeof(logs->program));
		if (r == 0)
			r = supervisor_open(logs->loop, &options, &events, &logs->supervisor);
		snprintf(error, sizeof(error), "%.150s cannot be started: %s", logs->program,
			 strerror(-r));
	}
	if (r == 0) {
		logs->told_failure = false;
		return 0;
	}
fail:
	if (!logs->told_failure) {
		log_error("access logs: %s", error);
		tell(logs, error);
		logs->told_failure = true;
	}
	return r;
}

static void want(struct access_logs *logs)
{
	if (!logs->wanted) {
		logs->wanted = true;
		uv_timer_start(&logs->timer, second_passed, PERIOD_MS, PERIOD_MS);
		start(logs);
	}
	send_all(logs);
}

static void second_passed(uv_timer_t *timer)
{
	struct access_logs *logs = timer->data;

	if (logs->supervisor == NULL)
		start(logs);
	read_clocks(logs);
	end_late_tests(logs);
	if (logs->queue == NULL)
		return;
	tell_drops(logs);
	look_at_uploads(logs);
}

int access_logs_open(uv_loop_t *loop, const struct config *config, const struct model *model,
		     const struct engine *engine, const struct access_logs_events *events,
		     struct access_logs **ret_logs)
{
	struct access_logs *logs = calloc(1, sizeof(*logs));

	if (logs == NULL)
		return -ENOMEM;
	logs->loop = loop;
	logs->config = config;
	logs->model = model;
	logs->engine = engine;
	logs->on = *events;
	logs->failing_at = UINT64_MAX;
	TAILQ_INIT(&logs->tests);
	uv_timer_init(loop, &logs->timer);
	uv_unref((uv_handle_t *)&logs->timer);
	logs->timer.data = logs;
	read_clocks(logs);
	access_logs_sync(logs);
	if (access(config->logs.spool_dir, F_OK) == 0)
		want(logs); /* something may lie there that is not in S3 yet */
	*ret_logs = logs;
	return 0;
}

static void closed(uv_handle_t *handle)
{
	free(handle->data);
}

void access_logs_close(struct access_logs *logs)
{
	if (logs == NULL)
		return;
	while (!TAILQ_EMPTY(&logs->tests))
		finish_test(logs, TAILQ_FIRST(&logs->tests), -ESHUTDOWN,
			    "sluiced is shutting down");
	supervisor_close(logs->supervisor);
	record_queue_close(logs->queue);
	access_logs_table_clear(&logs->table);
	uv_close((uv_handle_t *)&logs->timer, closed);
}

void access_logs_sync(struct access_logs *logs)
{
	access_logs_table_sync(&logs->table, logs->model);
	if (access_logs_table_is_empty(&logs->table))
		return;
	want(logs);
}

/* --- records ---------------------------------------------------------------------------------- */

/*
 * A sluiced that was killed may have queued records that it had not yet let go
 * of in the engine: then they come again, among those of flows that ended before
 * this one began. They differ in nothing but what the time of day was taken for.
 */
static bool is_repeated(const struct access_logs *logs, const struct record *record)
{
	uint64_t first = logs->end_before > REPEATED_MAX ? logs->end_before - REPEATED_MAX : 0;

	for (uint64_t number = first; number < logs->end_before; number++) {
		struct record known = *record_queue_at(logs->queue, number);

		if (llabs((int64_t)(known.start_us - record->start_us)) > CLOCK_STEP_US)
			continue;
		known.start_us = record->start_us;
		known.end_us = record->end_us;
		if (memcmp(&known, record, sizeof(known)) == 0)
			return true;
	}
	return false;
}

void access_logs_record(struct access_logs *logs, const struct engine_flow *flow)
{
	const struct access_logs_listener *listener;
	struct record record = {};

	if (logs->queue == NULL)
		return;
	listener = access_logs_table_listener(&logs->table, flow->listener_id);
	if (listener == NULL) {
		if (!model_logs_has_listener(logs->model, flow->listener_id))
			record_queue_counters(logs->queue)
				->dropped_by_writer[RECORD_DROP_UNKNOWN_LISTENER]++;
		return;
	}
	record.load_balancer_id = listener->load_balancer_id;
	record.listener_id = flow->listener_id;
	record.group_id = flow->group_id;
	record.start_us = (uint64_t)(logs->wall_us + (int64_t)(flow->start_ns / 1000));
	record.end_us = (uint64_t)(logs->wall_us + (int64_t)(flow->end_ns / 1000));
	record.client_bytes = flow->client_bytes;
	record.client_packets = flow->client_packets;
	record.target_bytes = flow->target_bytes;
	record.target_packets = flow->target_packets;
	record.client = flow->client;
	record.vip = flow->vip;
	record.nat = flow->nat;
	record.target = flow->target;
	record.client_port = flow->client_port;
	record.vip_port = flow->vip_port;
	record.nat_port = flow->nat_port;
	record.target_port = flow->target_port;
	record.connect_us = flow->connect_us;
	record.protocol = flow->protocol;
	record.reason = (uint8_t)flow->reason;
	record.zone = (uint8_t)flow->zone;
	record.start = flow->reason >= ENGINE_CLOSE_ENDED ? RECORD_START_NONE
		       : flow->fail_open		  ? RECORD_START_FAILOPEN
							  : RECORD_START_HEALTHY;
	access_logs_table_group(&logs->table, flow->group_id, record.group);
	if (flow->end_ns > logs->began_ns || !is_repeated(logs, &record))
		record_queue_put(logs->queue, &record);
}

/* --- tests and reports ------------------------------------------------------------------ */

int access_logs_test(struct access_logs *logs, const struct logs_destination *destination,
		     void (*done)(void *context, int result, const char *text), void *context)
{
	struct test *test = calloc(1, sizeof(*test));

	if (test == NULL)
		return -ENOMEM;
	test->message.id = ++logs->next_test;
	test->message.destination = *destination;
	test->until_ms = uv_now(logs->loop) + ACCESS_LOGS_TEST_MS;
	test->done = done;
	test->context = context;
	TAILQ_INSERT_TAIL(&logs->tests, test, link);
	want(logs);
	return 0;
}

void access_logs_forget(struct access_logs *logs, const void *context)
{
	struct test *test;

	TAILQ_FOREACH(test, &logs->tests, link)
	{
		if (test->context == context)
			test->done = NULL;
	}
}

static void add_drop(json_t *list, const char *reason, const char *text, uint64_t records)
{
	json_array_append_new(list, json_pack("{s:s, s:s, s:I}", "Reason", reason, "Text", text,
					      "Records", (json_int_t)records));
}

static json_t *report_drops(const struct access_logs *logs, const struct record_counters *counters)
{
	struct engine_info info;
	json_t *list = json_array();

	engine_describe(logs->engine, &info);
	add_drop(list, "engine_full", "more flows ended at once than the engine could tell",
		 info.flow_records_lost);
	add_drop(list, "refusal_limit", "more flows were refused at once than are recorded",
		 info.refusals_unrecorded);
	for (int reason = 0; reason < RECORD_DROP_COUNT; reason++)
		add_drop(list, record_drop_name(reason), record_drop_text(reason),
			 counters->dropped_by_writer[reason] + counters->dropped_by_reader[reason]);
	return list;
}

json_t *access_logs_report(const struct access_logs *logs)
{
	static const struct record_counters none;
	const struct record_counters *counters = &none;
	uint64_t queued = 0, now_ms = (uint64_t)log_now_ms(), age_ms = 0;
	char time[LOG_TIME_MAX] = "";

	if (logs->queue != NULL) {
		counters = record_queue_counters(logs->queue);
		queued = record_queue_end(logs->queue) - record_queue_begin(logs->queue);
	}
	if (counters->oldest_unsent_ms != 0 && counters->oldest_unsent_ms < now_ms)
		age_ms = now_ms - counters->oldest_unsent_ms;
	if (logs->last_error_ms != 0)
		log_format_time(logs->last_error_ms, time);
	return json_pack("{s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:s, s:o}", "Running",
			 (int)(logs->supervisor != NULL), "Records", (json_int_t)counters->records,
			 "QueuedRecords", (json_int_t)queued, "SpooledBytes",
			 (json_int_t)counters->spooled_bytes, "SpooledFiles",
			 (json_int_t)counters->spooled_files, "OldestUnsentSeconds",
			 (json_int_t)(age_ms / 1000), "Uploads", (json_int_t)counters->uploads,
			 "UploadedBytes", (json_int_t)counters->upload_bytes, "UploadFailures",
			 (json_int_t)counters->upload_failures, "LastError", logs->last_error,
			 "LastErrorTime", time, "Dropped", report_drops(logs, counters));
}
