/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/model_health.h"

#include "control/model_engine.h"
#include "control/model_store.h"

#include <errno.h>
#include <utlist.h>

#define IDLE_LOOK_MS 1000 /* between looks whether a draining target still has flows */

/* --- machines ---------------------------------------------------------------------------- */

static void unsettle(struct model *model, struct group *group)
{
	if (group->unsettled)
		return;
	group->unsettled = true;
	DL_APPEND2(model->unsettled, group, prev_unsettled, next_unsettled);
}

static int schedule(struct model *model, struct target *target, const struct machine_rules *rules,
		    int64_t now_ms)
{
	int64_t at_ms = target->machine.until_ms;

	if (at_ms == 0) {
		deadlines_clear(&model->deadlines, &target->deadline);
		return 0;
	}
	if (target->machine.state == MACHINE_DRAINING && rules->end_when_idle &&
	    at_ms > now_ms + IDLE_LOOK_MS)
		at_ms = now_ms + IDLE_LOOK_MS;
	return deadlines_set(&model->deadlines, &target->deadline, at_ms);
}

int model_health_step(struct model *model, struct target *target, enum machine_event event,
		      int64_t now_ms)
{
	struct machine *machine = &target->machine;
	bool was_registered = machine_is_registered(machine);
	enum machine_state was = machine->state;
	struct machine_rules rules;
	int r;

	health_rules(target->group, &rules);
	machine_step(machine, &rules, event, now_ms);
	if (machine_is_registered(machine) != was_registered)
		target->group->n_registered += was_registered ? -1U : 1U;
	if (health_is_healthy(was) != health_is_healthy(machine->state) ||
	    health_is_unhealthy(was) != health_is_unhealthy(machine->state))
		model_store_save_health(model, target);
	if (machine->state != was)
		unsettle(model, target->group);
	r = schedule(model, target, &rules, now_ms);
	return r == 0 ? 0 : model_give_up(model, r);
}

int model_health_look(struct model *model, struct target *target, int64_t now_ms)
{
	int r = model_health_step(model, target, health_use(model, target), now_ms);

	if (r < 0)
		return r;
	unsettle(model, target->group);
	if (target->check != NULL)
		checks_queue(model->checks, target->check);
	else if (machine_is_probed(&target->machine))
		r = checks_add(model->checks, target, &target->check);
	return r == 0 ? 0 : model_give_up(model, r);
}

/* --- Watch ------------------------------------------------------------------------------ */

json_t *model_show_probe(const struct target *target)
{
	const struct probe_report *probe = &target->probe;
	char time[MODEL_TIME_MAX];

	return json_pack("{s:s, s:s, s:s, s:I, s:o*, s:s*}", "Result",
			 messages_result_name(probe->result), "Message",
			 messages_result_text(probe->result), "Time",
			 model_format_time(target->probe_ms, time), "DurationMicroseconds",
			 (json_int_t)probe->duration_us, "HttpCode",
			 probe->http_status != 0 ? json_integer(probe->http_status) : NULL, "Error",
			 probe->error != 0 ? strerror((int)probe->error) : NULL);
}

void model_health_tell(struct model *model, struct target *target)
{
	enum machine_state state = target->machine.state;
	struct machine_text was = machine_text(target->told), is = machine_text(state);
	char arn[ARN_MAX], address[ADDRESS_TEXT_MAX];
	bool judged = health_is_healthy(state) || health_is_unhealthy(state);

	if (state == target->told)
		return;
	target->told = state;
	model_event(model, "TargetStateChanged",
		    json_pack("{s:s, s:{s:s, s:i}, s:s, s:s, s:s*, s:s*, s:o*}", "TargetGroupArn",
			      model_group_arn(model, target->group, arn), "Target", "Id",
			      address_format(&target->key.address, address), "Port",
			      (int)target->key.port, "Previous", was.state, "State", is.state,
			      "Reason", is.reason, "Description", is.description, "Probe",
			      judged && target->probe_ms != 0 ? model_show_probe(target) : NULL));
}

/* --- groups ------------------------------------------------------------------------------- */

static int put_all(struct model *model, struct group *group)
{
	struct target *target, *target_next;
	int r = model_engine_put_group(model, group);

	model_each (group->targets, target, hh) {
		if (r == 0)
			r = model_engine_stage_target(model, target);
	}
	return r;
}

int model_health_settle(struct model *model)
{
	struct group *group;
	int r = 0;

	while (r == 0 && (group = model->unsettled) != NULL) {
		uint8_t fail_open = health_fails_open(group);

		model_settled(model, group);
		if (fail_open == group->fail_open)
			continue;
		group->fail_open = fail_open;
		r = put_all(model, group);
	}
	return r;
}

int model_health_leave(struct model *model, struct target *target)
{
	int r = model_engine_remove_target(model, target);

	if (r == 0)
		r = model_store_delete_target(model, target);
	if (r == 0)
		model_drop_target(model, target);
	return r;
}

/* --- time ----------------------------------------------------------------------------------- */

static bool is_idle(const struct model *model, const struct target *target)
{
	struct engine_counters counters;

	return engine_target_counters(model->engine, target->group->id, &target->key.address,
				      (uint16_t)target->key.port, &counters) == 0 &&
	       counters.active_flows == 0;
}

static int look_at(struct model *model, struct target *target, int64_t now_ms)
{
	int r;

	r = model_health_step(model, target, MACHINE_LOOK, now_ms);
	if (r == 0 && target->machine.state == MACHINE_DRAINING && is_idle(model, target))
		r = model_health_step(model, target, MACHINE_IDLE, now_ms);
	if (r < 0)
		return r;
	if (target->machine.state != MACHINE_NOT_REGISTERED)
		return model_engine_stage_target(model, target);
	return model_health_leave(model, target);
}

void model_health_tick(struct model *model, int64_t now_ms)
{
	const struct deadline *first;

	while ((first = deadlines_first(&model->deadlines)) != NULL && first->at_ms <= now_ms) {
		struct target *target =
			(struct target *)((char *)first - offsetof(struct target, deadline));

		if (look_at(model, target, now_ms) < 0)
			return;
	}
}

/* --- the prober -------------------------------------------------------------------------------- */

static void make_removal(struct check *check, struct message *ret_message)
{
	*ret_message = (struct message){.type = MESSAGE_REMOVE, .remove.id = check->id};
	check->told = 0;
}

/* Returns whether the prober is to be told. */
static bool make_message(struct model *model, struct check *check, struct message *ret_message)
{
	struct target *target = check->target;
	struct probe_put *put = &ret_message->put;
	uint64_t digest;

	if (!machine_is_probed(&target->machine)) {
		if (check->told == 0)
			return false;
		make_removal(check, ret_message);
		return true;
	}
	*ret_message = (struct message){.type = MESSAGE_PUT};
	health_probe(model, target, put);
	digest = checks_digest(put);
	/* a registration asks for a probe at once, though its check be the old one */
	if (digest == check->told && target->machine.state != MACHINE_REGISTERING)
		return false;
	check->told = digest;
	put->id = check->id;
	put->generation = ++check->generation;
	model_health_step(model, target, MACHINE_PROPAGATE, model_now_ms());
	model_health_tell(model, target);
	return true;
}

bool model_next_probe(struct model *model, struct message *ret_message)
{
	struct check *check;

	while (model->failed == 0 && (check = checks_next(model->checks)) != NULL) {
		if (check->target == NULL) {
			make_removal(check, ret_message);
			checks_free(model->checks, check);
			return true;
		}
		if (make_message(model, check, ret_message))
			return true;
	}
	return false;
}

void model_restart_probes(struct model *model)
{
	checks_restart(model->checks);
}

void model_report(struct model *model, const struct probe_report *report, int64_t now_ms)
{
	struct check *check = checks_reported(model->checks, report);
	enum probe_verdict verdict = messages_verdict(report->result);
	enum machine_state was;
	struct target *target;

	if (model->failed != 0 || check == NULL || verdict == PROBE_OWN_FAULT)
		return;
	target = check->target;
	target->probe = *report;
	target->probe_ms = now_ms;
	was = target->machine.state;
	if (model_health_step(model, target,
			      verdict == PROBE_SUCCESS ? MACHINE_SUCCEED : MACHINE_FAIL,
			      now_ms) == 0 &&
	    target->machine.state != was)
		model_engine_stage_target(model, target);
}

/* --- a reload ------------------------------------------------------------------------------------ */

static void take_over_target(struct target *target, struct target *old)
{
	if (machine_is_registered(&target->machine) != machine_is_registered(&old->machine))
		return;
	target->machine = old->machine;
	target->told = old->told;
	target->probe = old->probe;
	target->probe_ms = old->probe_ms;
	target->check = old->check;
	old->check = NULL;
	if (target->check != NULL)
		target->check->target = target;
}

void model_health_take_over(struct model *model, struct model *old)
{
	struct group *group, *group_next, *other;
	struct target *target, *target_next, *old_target;

	model_each (model->groups, group, hh) {
		HASH_FIND(hh, old->groups, &group->id, sizeof(group->id), other);
		model_each (group->targets, target, hh) {
			old_target = other == NULL ? NULL
						   : model_target(other, &target->key.address,
								  (uint16_t)target->key.port);
			if (old_target != NULL)
				take_over_target(target, old_target);
		}
	}
}
