/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/watch.h"

#include "control/log.h"
#include "control/params.h"
#include "dataplane/engine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define PERIOD_MS 1000
#define DROPS_MAX 64
#define EVENTS_MAX 16 /* names in one call */

static const char *const names[] = {
	"TargetStateChanged", "LoadBalancerCreated", "LoadBalancerDeleted",
	"ListenerCreated",    "ListenerDeleted",     "TargetGroupCreated",
	"TargetGroupDeleted", "EngineChanged",	     "FlowsRefused",
	"AccessLogsChanged",  "FlowRecordsDropped",
};
#define NAMES (sizeof(names) / sizeof(names[0]))

/* The engine's reasons that refuse a flow; others drop packets of any. */
static const char *const refusals[] = {"no_target", "port_allocation", "no_snat_address",
				       "table_full"};
#define REFUSALS (sizeof(refusals) / sizeof(refusals[0]))

struct watcher {
	TAILQ_ENTRY(watcher) link;
	struct rpc_client *client;
	bool wants[NAMES];
	bool wants_all; /* also what has no name here */
};

struct watch {
	const struct engine *engine;
	uv_timer_t timer; /* active while there are watchers */
	TAILQ_HEAD(watcher_list, watcher) watchers;
	unsigned int n;
	uint64_t refused[REFUSALS]; /* packets, when last looked at */
};

/* Visit the counters of refusals; @emit false only notes where they stand. */
static void look_at_refusals(struct watch *watch, bool emit)
{
	struct engine_drop drops[DROPS_MAX];
	char time[LOG_TIME_MAX];
	json_t *event;
	size_t n, i, j;

	n = engine_drops(watch->engine, drops, DROPS_MAX);
	for (i = 0; i < n; i++) {
		for (j = 0; j < REFUSALS && strcmp(drops[i].reason, refusals[j]) != 0; j++)
			;
		if (j == REFUSALS || drops[i].packets == watch->refused[j])
			continue;
		event = !emit ? NULL
			      : json_pack("{s:s, s:s, s:s, s:s, s:I}", "Event", "FlowsRefused",
					  "Time", log_format_time(log_now_ms(), time), "Reason",
					  drops[i].reason, "Message", drops[i].text, "Packets",
					  (json_int_t)(drops[i].packets - watch->refused[j]));
		watch->refused[j] = drops[i].packets;
		if (event != NULL)
			watch_emit(watch, event);
		json_decref(event);
	}
}

static void second_passed(uv_timer_t *timer)
{
	look_at_refusals(timer->data, true);
}

int watch_open(uv_loop_t *loop, const struct engine *engine, struct watch **ret_watch)
{
	struct watch *watch;

	watch = calloc(1, sizeof(*watch));
	if (watch == NULL)
		return -ENOMEM;
	watch->engine = engine;
	TAILQ_INIT(&watch->watchers);
	uv_timer_init(loop, &watch->timer);
	uv_unref((uv_handle_t *)&watch->timer);
	watch->timer.data = watch;
	*ret_watch = watch;
	return 0;
}

static void closed(uv_handle_t *handle)
{
	free(handle->data);
}

void watch_close(struct watch *watch)
{
	struct watcher *watcher;

	if (watch == NULL)
		return;
	while ((watcher = TAILQ_FIRST(&watch->watchers)) != NULL)
		watch_remove(watch, watcher->client);
	uv_close((uv_handle_t *)&watch->timer, closed);
}

static int choose(struct watcher *watcher, const struct params *params)
{
	const json_t *list = NULL;
	const char *name;
	size_t i, j;
	int r;

	r = params_only(params, "Events");
	if (r == 0)
		r = params_list(params, "Events", EVENTS_MAX, &list);
	watcher->wants_all = list == NULL;
	for (i = 0; r == 0 && i < json_array_size(list); i++) {
		r = params_entry_string(params, "Events", list, i, &name);
		for (j = 0; r == 0 && j < NAMES && strcmp(names[j], name) != 0; j++)
			;
		if (r == 0 && j == NAMES)
			r = params_fail(params, "ValidationError",
					"Event '%.64s' must be one of [" WATCH_EVENTS "]", name);
		else if (r == 0)
			watcher->wants[j] = true;
	}
	return r;
}

int watch_add(struct watch *watch, struct rpc_client *client, const json_t *params,
	      struct action_error *error)
{
	json_t *empty = json_object();
	struct params outer = {.object = params != NULL ? params : empty, .error = error};
	struct watcher *watcher;
	int r = -ENOMEM;

	watcher = calloc(1, sizeof(*watcher));
	if (watcher == NULL || empty == NULL)
		goto fail;
	watcher->client = client;
	r = choose(watcher, &outer);
	if (r < 0)
		goto fail;
	json_decref(empty);
	watch_remove(watch, client);
	TAILQ_INSERT_TAIL(&watch->watchers, watcher, link);
	if (watch->n++ == 0) {
		look_at_refusals(watch, false);
		uv_timer_start(&watch->timer, second_passed, PERIOD_MS, PERIOD_MS);
	}
	return 0;
fail:
	json_decref(empty);
	free(watcher);
	return r;
}

void watch_remove(struct watch *watch, const struct rpc_client *client)
{
	struct watcher *watcher;

	TAILQ_FOREACH(watcher, &watch->watchers, link)
	{
		if (watcher->client == client)
			break;
	}
	if (watcher == NULL)
		return;
	TAILQ_REMOVE(&watch->watchers, watcher, link);
	free(watcher);
	if (--watch->n == 0)
		uv_timer_stop(&watch->timer);
}

unsigned int watch_clients(const struct watch *watch)
{
	return watch->n;
}

static bool is_wanted(const struct watcher *watcher, const char *name)
{
	size_t i;

	for (i = 0; i < NAMES; i++) {
		if (strcmp(names[i], name) == 0 && watcher->wants[i])
			return true;
	}
	return watcher->wants_all;
}

void watch_emit(struct watch *watch, json_t *event)
{
	const char *name = json_string_value(json_object_get(event, "Event"));
	struct watcher *watcher, *next;
	json_t *message;
	char *line = NULL;
	size_t len;

	if (watch->n == 0 || name == NULL)
		return;
	message = rpc_message_event(event);
	if (message != NULL)
		line = rpc_message_line(message, &len);
	json_decref(message);
	for (watcher = TAILQ_FIRST(&watch->watchers); line != NULL && watcher != NULL;
	     watcher = next) {
		next = TAILQ_NEXT(watcher, link); /* who is too slow is removed by rpc_notify() */
		if (is_wanted(watcher, name))
			rpc_notify(watcher->client, line, len);
	}
	free(line);
}

void watch_emit_engine_changed(struct watch *watch, const char *text)
{
	char time[LOG_TIME_MAX];
	json_t *event;

	event = json_pack("{s:s, s:s, s:s}", "Event", "EngineChanged", "Time",
			  log_format_time(log_now_ms(), time), "Message", text);
	if (event != NULL)
		watch_emit(watch, event);
	json_decref(event);
}
