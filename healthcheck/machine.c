/* SPDX-License-Identifier: BSD-3-Clause */
#include "healthcheck/machine.h"

static const struct machine_text texts[] = {
#define X(symbol, state, reason, description) [MACHINE_##symbol] = {state, reason, description},
	MACHINE_STATES(X)
#undef X
};

struct machine_text machine_text(enum machine_state state)
{
	return texts[state];
}

bool machine_is_probed(const struct machine *machine)
{
	return machine->state >= MACHINE_REGISTERING &&
	       machine->state <= MACHINE_UNHEALTHY_DRAINING;
}

bool machine_is_registered(const struct machine *machine)
{
	return machine->state != MACHINE_NOT_REGISTERED && machine->state != MACHINE_DRAINING;
}

static bool is_unhealthy(const struct machine *machine)
{
	return machine->state == MACHINE_UNHEALTHY || machine->state == MACHINE_UNHEALTHY_DRAINING;
}

static void enter(struct machine *machine, enum machine_state state)
{
	machine->state = state;
	machine->run = 0;
	machine->until_ms = 0;
}

/* Where a registration begins; all that was known of the target is forgotten. */
static void begin(struct machine *machine)
{
	static const enum machine_state first[] = {
		[MACHINE_IS_IN_USE] = MACHINE_REGISTERING,
		[MACHINE_GROUP_IS_NOT_IN_USE] = MACHINE_GROUP_NOT_IN_USE,
		[MACHINE_ZONE_IS_NOT_ENABLED] = MACHINE_ZONE_NOT_ENABLED,
		[MACHINE_IP_IS_UNUSABLE] = MACHINE_IP_UNUSABLE,
	};

	enter(machine, first[machine->use]);
}

static int64_t unhealthy_end_ms(const struct machine *machine, const struct machine_rules *rules)
{
	return machine->unhealthy_ms + rules->unhealthy_draining_ms;
}

/* Unhealthy targets drain for a time counted from the verdict, whenever the rules change. */
static void settle_unhealthy(struct machine *machine, const struct machine_rules *rules,
			     int64_t now_ms)
{
	bool drains = !rules->unhealthy_termination && now_ms < unhealthy_end_ms(machine, rules);

	machine->state = drains ? MACHINE_UNHEALTHY_DRAINING : MACHINE_UNHEALTHY;
	machine->until_ms = drains ? unhealthy_end_ms(machine, rules) : 0;
}

/* Draw the conclusions from what is known. */
static void settle(struct machine *machine, const struct machine_rules *rules, int64_t now_ms)
{
	switch (machine->state) {
	case MACHINE_CHECKING:
	case MACHINE_HEALTHY:
		if (machine->run < rules->unhealthy_threshold)
			break;
		enter(machine, MACHINE_UNHEALTHY);
		machine->unhealthy_ms = now_ms;
		settle_unhealthy(machine, rules, now_ms);
		break;
	case MACHINE_UNHEALTHY:
	case MACHINE_UNHEALTHY_DRAINING:
		if (machine->run >= rules->healthy_threshold)
			enter(machine, MACHINE_HEALTHY);
		else
			settle_unhealthy(machine, rules, now_ms);
		break;
	default:
		break;
	}
}

static void take_result(struct machine *machine, bool success)
{
	if (machine->state == MACHINE_REGISTERING || machine->state == MACHINE_CHECKING) {
		if (success)
			enter(machine, MACHINE_HEALTHY);
		else
			machine->state = MACHINE_CHECKING;
	}
	if (success == is_unhealthy(machine))
		machine->run++;
	else
		machine->run = 0;
}

static void deregister(struct machine *machine, const struct machine_rules *rules, int64_t now_ms)
{
	/* without a listener there is no traffic to drain */
	if (rules->deregistration_delay_ms == 0 || machine->state == MACHINE_GROUP_NOT_IN_USE) {
		enter(machine, MACHINE_NOT_REGISTERED);
		return;
	}
	enter(machine, MACHINE_DRAINING);
	machine->until_ms = now_ms + rules->deregistration_delay_ms;
}

bool machine_step(struct machine *machine, const struct machine_rules *rules,
		  enum machine_event event, int64_t now_ms)
{
	enum machine_state was = machine->state;

	switch (event) {
	case MACHINE_REGISTER:
		if (!machine_is_registered(machine))
			begin(machine);
		break;
	case MACHINE_DEREGISTER:
		if (machine_is_registered(machine))
			deregister(machine, rules, now_ms);
		break;
	case MACHINE_PROPAGATE:
		if (machine->state == MACHINE_REGISTERING)
			machine->state = MACHINE_CHECKING;
		break;
	case MACHINE_SUCCEED:
	case MACHINE_FAIL:
		if (machine_is_probed(machine))
			take_result(machine, event == MACHINE_SUCCEED);
		break;
	case MACHINE_IDLE:
		if (machine->state == MACHINE_DRAINING && rules->end_when_idle)
			enter(machine, MACHINE_NOT_REGISTERED);
		break;
	case MACHINE_LOOK:
		if (machine->state == MACHINE_DRAINING && now_ms >= machine->until_ms)
			enter(machine, MACHINE_NOT_REGISTERED);
		break;
	default: /* a use */
		if (machine->use == event)
			break;
		machine->use = event;
		if (machine_is_registered(machine))
			begin(machine);
		break;
	}
	settle(machine, rules, now_ms);
	return machine->state != was;
}

void machine_restore(struct machine *machine, enum machine_state state, int64_t at_ms)
{
	*machine = (struct machine){.state = state};
	if (state == MACHINE_UNHEALTHY)
		machine->unhealthy_ms = at_ms;
	if (state == MACHINE_DRAINING)
		machine->until_ms = at_ms;
}

enum machine_flows machine_flows(const struct machine *machine, const struct machine_rules *rules)
{
	if (machine->state == MACHINE_HEALTHY)
		return MACHINE_FLOWS_NEW;
	if (machine->state != MACHINE_UNHEALTHY)
		return MACHINE_FLOWS_KEPT;
	/* with an interval, who is not draining any more has drained */
	return rules->unhealthy_termination || rules->unhealthy_draining_ms > 0
		       ? MACHINE_FLOWS_END
		       : MACHINE_FLOWS_MOVE;
}
