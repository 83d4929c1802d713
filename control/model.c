/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/model.h"

#include "control/model_engine.h"
#include "control/model_health.h"
#include "control/model_names.h"
#include "control/model_store.h"
#include "control/store.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RETRY_MS 1000 /* between attempts to get out of a failure */

int64_t model_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

const char *model_format_time(int64_t time_ms, char text[MODEL_TIME_MAX])
{
	time_t seconds = (time_t)(time_ms / 1000);
	struct tm tm;
	size_t len;

	if (gmtime_r(&seconds, &tm) == NULL)
		memset(&tm, 0, sizeof(tm));
	len = strftime(text, MODEL_TIME_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text + len, MODEL_TIME_MAX - len, ".%03dZ", (int)(time_ms % 1000));
	return text;
}

const char *model_load_balancer_arn(const struct model *model,
				    const struct load_balancer *load_balancer, char text[ARN_MAX])
{
	struct arn arn = {.type = ARN_LOAD_BALANCER,
			  .load_balancer_id = load_balancer->id,
			  .id = load_balancer->id};

	memcpy(arn.name, load_balancer->name, sizeof(arn.name));
	return arn_format(model->config, &arn, text);
}

const char *model_listener_arn(const struct model *model, const struct listener *listener,
			       char text[ARN_MAX])
{
	struct arn arn = {.type = ARN_LISTENER,
			  .load_balancer_id = listener->load_balancer->id,
			  .id = listener->id};

	memcpy(arn.name, listener->load_balancer->name, sizeof(arn.name));
	return arn_format(model->config, &arn, text);
}

const char *model_group_arn(const struct model *model, const struct group *group,
			    char text[ARN_MAX])
{
	struct arn arn = {.type = ARN_TARGET_GROUP, .id = group->id};

	memcpy(arn.name, group->name, sizeof(arn.name));
	return arn_format(model->config, &arn, text);
}

int model_arn_of_load_balancer(const struct model *model, uint64_t id, char text[ARN_MAX])
{
	const struct load_balancer *found;

	HASH_FIND(hh, model->load_balancers, &id, sizeof(id), found);
	if (found == NULL)
		return -ENOENT;
	model_load_balancer_arn(model, found, text);
	return 0;
}

int model_arn_of_listener(const struct model *model, uint64_t id, char text[ARN_MAX])
{
	const struct listener *found;

	HASH_FIND(hh, model->listeners, &id, sizeof(id), found);
	if (found == NULL)
		return -ENOENT;
	model_listener_arn(model, found, text);
	return 0;
}

int model_arn_of_group(const struct model *model, uint64_t id, char text[ARN_MAX])
{
	const struct group *found;

	HASH_FIND(hh, model->groups, &id, sizeof(id), found);
	if (found == NULL)
		return -ENOENT;
	model_group_arn(model, found, text);
	return 0;
}

int model_give_up(struct model *model, int error)
{
	if (error == -EINVAL) /* which means an error of the API to whoever called us */
		error = -EIO;
	if (model->failed == 0)
		model->failed = error;
	return error;
}

void model_event(struct model *model, const char *name, json_t *members)
{
	char time[MODEL_TIME_MAX];
	json_t *event = json_pack("{s:s, s:s}", "Event", name, "Time",
				  model_format_time(model_now_ms(), time));

	if (model->events == NULL)
		model->events = json_array();
	if (event == NULL || members == NULL || json_object_update(event, members) < 0 ||
	    json_array_append(model->events, event) < 0)
		model_give_up(model, -ENOMEM);
	json_decref(event);
	json_decref(members);
}

static void clear(struct model *model)
{
	struct load_balancer *load_balancer, *load_balancer_next;
	struct group *group, *group_next;

	model_each (model->load_balancers, load_balancer, hh)
		model_drop_load_balancer(model, load_balancer);
	model_each (model->groups, group, hh)
		model_drop_group(model, group);
	deadlines_free(&model->deadlines);
	json_decref(model->events);
	model->events = NULL;
}

int model_open(const struct config *config, struct store *store, struct engine *engine,
	       const struct model_events *events, struct model **ret_model, char error[512])
{
	struct model *model = calloc(1, sizeof(*model));
	char engine_error[ENGINE_ERROR_MAX] = "";
	int r;

	if (model == NULL) {
		snprintf(error, 512, "out of memory");
		return -ENOMEM;
	}
	model->config = config;
	model->store = store;
	model->engine = engine;
	model->checks = calloc(1, sizeof(*model->checks));
	if (model->checks == NULL) {
		snprintf(error, 512, "out of memory");
		r = -ENOMEM;
		goto fail;
	}
	if (events != NULL)
		model->on = *events;
	r = model_store_load(model, error);
	if (r < 0)
		goto fail;
	r = model_engine_reconcile(model, engine_error);
	if (r < 0) {
		snprintf(error, 512, "%s", engine_error[0] != '\0' ? engine_error : strerror(-r));
		goto fail;
	}
	*ret_model = model;
	return 0;
fail:
	model_close(model);
	return r;
}

void model_close(struct model *model)
{
	if (model == NULL)
		return;
	/* the last verdicts; without them the next start begins with somewhat older ones */
	if (model->checks != NULL && model->failed == 0 && model->save_at_ms != 0)
		store_commit(model->store);
	clear(model);
	if (model->checks != NULL)
		checks_clear(model->checks);
	free(model->checks);
	free(model);
}

/* Take memory and engine back to what the store holds. */
static int reload(struct model *model)
{
	struct model next = {.config = model->config,
			     .store = model->store,
			     .engine = model->engine,
			     .checks = model->checks,
			     .on = model->on};
	char error[512];
	int r;

	store_rollback(model->store);
	r = model_store_load(&next, error);
	if (r < 0) {
		clear(&next); /* the old model stays, but runs no action until a reload works */
		return r;
	}
	model_health_take_over(&next, model);
	clear(model);
	next.failed = model->failed;
	*model = next;
	return model_engine_reconcile(model, error);
}

static void emit_events(struct model *model)
{
	json_t *events = model->events, *event;
	size_t i;

	model->events = NULL;
	json_array_foreach (events, i, event) {
		if (model->on.emit != NULL)
			model->on.emit(model->on.context, event);
	}
	json_decref(events);
}

int model_commit(struct model *model)
{
	int r = 0;

	if (model->failed == 0)
		model_health_settle(model);
	if (model->failed == 0 && model->staged_store) {
		model->failed = store_commit(model->store);
		model->save_at_ms = 0;
	}
	if (model->failed != 0) {
		r = model->failed;
		model->staged_store = model->staged_engine = false;
		if (reload(model) == 0)
			model->failed = 0;
		return r;
	}
	if (model->staged_engine) {
		r = engine_commit(model->engine);
		model->uncommitted_engine = r < 0;
	}
	model->staged_store = model->staged_engine = false;
	emit_events(model);
	return r;
}

int64_t model_next_tick_ms(const struct model *model)
{
	const struct deadline *first = deadlines_first(&model->deadlines);
	int64_t at_ms = first != NULL ? first->at_ms : INT64_MAX, wait;

	if (model->failed != 0 || model->uncommitted_engine)
		return RETRY_MS;
	if (model->save_at_ms != 0 && model->save_at_ms < at_ms)
		at_ms = model->save_at_ms;
	if (at_ms == INT64_MAX)
		return -1;
	wait = at_ms - model_now_ms();
	return wait > 0 ? wait : 0;
}

void model_tick(struct model *model, int64_t now_ms)
{
	if (model->failed != 0)
		return; /* the commit tries to recover */
	if (model->uncommitted_engine)
		model->staged_engine = true;
	if (model->save_at_ms != 0 && model->save_at_ms <= now_ms)
		model->staged_store = true;
	model_health_tick(model, now_ms);
}
