/* SPDX-License-Identifier: BSD-3-Clause */
#include "healthcheck/machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct machine_rules standard = {
	.healthy_threshold = 5,
	.unhealthy_threshold = 2,
	.unhealthy_termination = true,
	.deregistration_delay_ms = 300000,
};

/* --- every transition ------------------------------------------------------------ */

#define USE MACHINE_IS_IN_USE
#define REG MACHINE_REGISTER
#define DEREG MACHINE_DEREGISTER
#define GO MACHINE_PROPAGATE
#define OK MACHINE_SUCCEED
#define BAD MACHINE_FAIL
#define LOOK MACHINE_LOOK
#define END (-1)

static const struct transition {
	const char *what;
	int64_t draining_ms; /* of unhealthy targets; above 0: without termination */
	int64_t delay_ms;    /* of deregistration; 0: the standard one */
	int before[12];	     /* events, one a second from 0 */
	enum machine_state from;
	int event;
	int64_t at_ms; /* of the event; 0: a second behind the last */
	enum machine_state to;
} transitions[] = {
	/* clang-format off */
	{"registered, no listener", 0, 0, {MACHINE_GROUP_IS_NOT_IN_USE, END}, MACHINE_NOT_REGISTERED,
	 REG, 0, MACHINE_GROUP_NOT_IN_USE},
	{"registered, zone off", 0, 0, {MACHINE_ZONE_IS_NOT_ENABLED, END}, MACHINE_NOT_REGISTERED,
	 REG, 0, MACHINE_ZONE_NOT_ENABLED},
	{"registered, a VIP", 0, 0, {MACHINE_IP_IS_UNUSABLE, END}, MACHINE_NOT_REGISTERED,
	 REG, 0, MACHINE_IP_UNUSABLE},
	{"registered, in use", 0, 0, {END}, MACHINE_NOT_REGISTERED, REG, 0, MACHINE_REGISTERING},
	{"a listener comes", 0, 0, {MACHINE_GROUP_IS_NOT_IN_USE, REG, END}, MACHINE_GROUP_NOT_IN_USE,
	 USE, 0, MACHINE_REGISTERING},
	{"the zone comes", 0, 0, {MACHINE_ZONE_IS_NOT_ENABLED, REG, END}, MACHINE_ZONE_NOT_ENABLED,
	 USE, 0, MACHINE_REGISTERING},
	{"a listener, but the zone is off", 0, 0, {MACHINE_GROUP_IS_NOT_IN_USE, REG, END},
	 MACHINE_GROUP_NOT_IN_USE, MACHINE_ZONE_IS_NOT_ENABLED, 0, MACHINE_ZONE_NOT_ENABLED},
	{"the VIP goes", 0, 0, {MACHINE_IP_IS_UNUSABLE, REG, END}, MACHINE_IP_UNUSABLE,
	 USE, 0, MACHINE_REGISTERING},
	{"checks begin", 0, 0, {REG, END}, MACHINE_REGISTERING, GO, 0, MACHINE_CHECKING},
	{"the first success", 0, 0, {REG, GO, END}, MACHINE_CHECKING, OK, 0, MACHINE_HEALTHY},
	{"a success behind a failure", 0, 0, {REG, GO, BAD, END}, MACHINE_CHECKING,
	 OK, 0, MACHINE_HEALTHY},
	{"a new target's first failure", 0, 0, {REG, GO, END}, MACHINE_CHECKING,
	 BAD, 0, MACHINE_CHECKING},
	{"a new target's second failure", 0, 0, {REG, GO, BAD, END}, MACHINE_CHECKING,
	 BAD, 0, MACHINE_UNHEALTHY},
	{"a new target's second failure, with grace", 9000, 0, {REG, GO, BAD, END},
	 MACHINE_CHECKING, BAD, 0, MACHINE_UNHEALTHY_DRAINING},
	{"one failure", 0, 0, {REG, GO, OK, END}, MACHINE_HEALTHY, BAD, 0, MACHINE_HEALTHY},
	{"failures not in a row", 0, 0, {REG, GO, OK, BAD, OK, END}, MACHINE_HEALTHY,
	 BAD, 0, MACHINE_HEALTHY},
	{"failures in a row", 0, 0, {REG, GO, OK, BAD, END}, MACHINE_HEALTHY,
	 BAD, 0, MACHINE_UNHEALTHY},
	{"failures in a row, with grace", 9000, 0, {REG, GO, OK, BAD, END}, MACHINE_HEALTHY,
	 BAD, 0, MACHINE_UNHEALTHY_DRAINING},
	{"within the grace", 9000, 0, {REG, GO, OK, BAD, BAD, END}, MACHINE_UNHEALTHY_DRAINING,
	 LOOK, 4000 + 8999, MACHINE_UNHEALTHY_DRAINING},
	{"the grace ends", 9000, 0, {REG, GO, OK, BAD, BAD, END}, MACHINE_UNHEALTHY_DRAINING,
	 LOOK, 4000 + 9000, MACHINE_UNHEALTHY},
	{"a probe finds the grace over", 9000, 0, {REG, GO, OK, BAD, BAD, END},
	 MACHINE_UNHEALTHY_DRAINING, BAD, 4000 + 9000, MACHINE_UNHEALTHY},
	{"four successes within the grace", 60000, 0, {REG, GO, BAD, BAD, OK, OK, OK, END},
	 MACHINE_UNHEALTHY_DRAINING, OK, 0, MACHINE_UNHEALTHY_DRAINING},
	{"five successes within the grace", 60000, 0, {REG, GO, BAD, BAD, OK, OK, OK, OK, END},
	 MACHINE_UNHEALTHY_DRAINING, OK, 0, MACHINE_HEALTHY},
	{"four successes", 0, 0, {REG, GO, BAD, BAD, OK, OK, OK, END}, MACHINE_UNHEALTHY,
	 OK, 0, MACHINE_UNHEALTHY},
	{"five successes", 0, 0, {REG, GO, BAD, BAD, OK, OK, OK, OK, END}, MACHINE_UNHEALTHY,
	 OK, 0, MACHINE_HEALTHY},
	{"five successes, not in a row", 0, 0, {REG, GO, BAD, BAD, OK, OK, OK, OK, BAD, END},
	 MACHINE_UNHEALTHY, OK, 0, MACHINE_UNHEALTHY},
	{"the last listener goes", 0, 0, {REG, GO, OK, END}, MACHINE_HEALTHY,
	 MACHINE_GROUP_IS_NOT_IN_USE, 0, MACHINE_GROUP_NOT_IN_USE},
	{"the last listener of a sick one goes", 0, 0, {REG, GO, BAD, BAD, END}, MACHINE_UNHEALTHY,
	 MACHINE_GROUP_IS_NOT_IN_USE, 0, MACHINE_GROUP_NOT_IN_USE},
	{"the zone goes", 0, 0, {REG, GO, OK, END}, MACHINE_HEALTHY,
	 MACHINE_ZONE_IS_NOT_ENABLED, 0, MACHINE_ZONE_NOT_ENABLED},
	{"the address becomes a VIP", 0, 0, {REG, GO, OK, END}, MACHINE_HEALTHY,
	 MACHINE_IP_IS_UNUSABLE, 0, MACHINE_IP_UNUSABLE},
	{"a new listener asks for new checks", 0, 0,
	 {REG, GO, OK, MACHINE_GROUP_IS_NOT_IN_USE, END}, MACHINE_GROUP_NOT_IN_USE,
	 USE, 0, MACHINE_REGISTERING},
	{"registered again", 0, 0, {REG, GO, OK, END}, MACHINE_HEALTHY, REG, 0, MACHINE_HEALTHY},
	{"deregistered", 0, 0, {REG, GO, OK, END}, MACHINE_HEALTHY, DEREG, 0, MACHINE_DRAINING},
	{"deregistered while initial", 0, 0, {REG, END}, MACHINE_REGISTERING,
	 DEREG, 0, MACHINE_DRAINING},
	{"deregistered while unhealthy", 0, 0, {REG, GO, BAD, BAD, END}, MACHINE_UNHEALTHY,
	 DEREG, 0, MACHINE_DRAINING},
	{"deregistered while in its grace", 9000, 0, {REG, GO, BAD, BAD, END},
	 MACHINE_UNHEALTHY_DRAINING, DEREG, 0, MACHINE_DRAINING},
	{"deregistered without a listener", 0, 0, {MACHINE_GROUP_IS_NOT_IN_USE, REG, END},
	 MACHINE_GROUP_NOT_IN_USE, DEREG, 0, MACHINE_NOT_REGISTERED},
	{"deregistered in a zone that went", 0, 0,
	 {REG, GO, OK, MACHINE_ZONE_IS_NOT_ENABLED, END}, MACHINE_ZONE_NOT_ENABLED,
	 DEREG, 0, MACHINE_DRAINING},
	{"deregistered without a delay", 0, -1, {REG, GO, OK, END}, MACHINE_HEALTHY,
	 DEREG, 0, MACHINE_NOT_REGISTERED},
	{"deregistered again", 0, 5000, {REG, GO, OK, DEREG, END}, MACHINE_DRAINING,
	 DEREG, 3000 + 4999, MACHINE_DRAINING},
	{"a second deregistration delays nothing", 0, 5000, {REG, GO, OK, DEREG, DEREG, END},
	 MACHINE_DRAINING, LOOK, 3000 + 5000, MACHINE_NOT_REGISTERED},
	{"within the delay", 0, 5000, {REG, GO, OK, DEREG, END}, MACHINE_DRAINING,
	 LOOK, 3000 + 4999, MACHINE_DRAINING},
	{"the delay ends", 0, 5000, {REG, GO, OK, DEREG, END}, MACHINE_DRAINING,
	 LOOK, 3000 + 5000, MACHINE_NOT_REGISTERED},
	{"a probe ends behind the deregistration", 0, 0, {REG, GO, OK, DEREG, END},
	 MACHINE_DRAINING, OK, 0, MACHINE_DRAINING},
	{"taken back", 0, 0, {REG, GO, OK, DEREG, END}, MACHINE_DRAINING,
	 REG, 0, MACHINE_REGISTERING},
	{"taken back without a listener", 0, 0,
	 {REG, GO, OK, DEREG, MACHINE_GROUP_IS_NOT_IN_USE, END}, MACHINE_DRAINING,
	 REG, 0, MACHINE_GROUP_NOT_IN_USE},
	{"the listener goes while draining", 0, 0, {REG, GO, OK, DEREG, END}, MACHINE_DRAINING,
	 MACHINE_GROUP_IS_NOT_IN_USE, 0, MACHINE_DRAINING},
	{"no flows, which nobody asked about", 0, 0, {REG, GO, OK, DEREG, END}, MACHINE_DRAINING,
	 MACHINE_IDLE, 0, MACHINE_DRAINING},
	{"a probe of a stranger", 0, 0, {END}, MACHINE_NOT_REGISTERED,
	 OK, 0, MACHINE_NOT_REGISTERED},
	{"deregistration of a stranger", 0, 0, {END}, MACHINE_NOT_REGISTERED,
	 DEREG, 0, MACHINE_NOT_REGISTERED},
	/* clang-format on */
};

static struct machine_rules rules_of(const struct transition *t)
{
	struct machine_rules rules = standard;

	rules.unhealthy_termination = t->draining_ms == 0;
	rules.unhealthy_draining_ms = t->draining_ms;
	if (t->delay_ms != 0)
		rules.deregistration_delay_ms = t->delay_ms < 0 ? 0 : t->delay_ms;
	return rules;
}

static void every_transition_is_the_api_s(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(transitions) / sizeof(transitions[0]); i++) {
		const struct transition *t = &transitions[i];
		const struct machine_rules rules = rules_of(t);
		struct machine machine = {0};
		int64_t now_ms = 0;
		bool changed;

		for (const int *event = t->before; *event != END; event++, now_ms += 1000)
			machine_step(&machine, &rules, (enum machine_event) * event, now_ms);
		if (machine.state != t->from)
			fail_msg("%s: begins in state %d", t->what, machine.state);
		changed = machine_step(&machine, &rules, (enum machine_event)t->event,
				       t->at_ms != 0 ? t->at_ms : now_ms);
		if (machine.state != t->to)
			fail_msg("%s: ends in state %d", t->what, machine.state);
		assert_int_equal(changed, t->from != t->to);
	}
}

/* --- what follows ---------------------------------------------------------------- */

static void run(struct machine *machine, const struct machine_rules *rules, const char *events,
		int64_t now_ms)
{
	static const char letters[] = "    RDPSFIL"; /* behind the four uses */

	for (; *events != '\0'; events++)
		machine_step(machine, rules,
			     (enum machine_event)(strchr(letters, *events) - letters), now_ms);
}

static void flows_follow_the_state(void **state)
{
	struct machine_rules rules = standard;
	struct machine machine = {0};

	(void)state;
	run(&machine, &rules, "R", 0);
	assert_int_equal(machine_flows(&machine, &rules), MACHINE_FLOWS_KEPT);
	run(&machine, &rules, "PS", 0);
	assert_int_equal(machine_flows(&machine, &rules), MACHINE_FLOWS_NEW);
	run(&machine, &rules, "FF", 1000);
	assert_int_equal(machine_flows(&machine, &rules), MACHINE_FLOWS_END);
	rules.unhealthy_termination = false;
	run(&machine, &rules, "L", 1000);
	assert_int_equal(machine_flows(&machine, &rules), MACHINE_FLOWS_MOVE);
	rules.unhealthy_draining_ms = 10000;
	run(&machine, &rules, "L", 1000);
	assert_int_equal(machine.state, MACHINE_UNHEALTHY_DRAINING);
	assert_int_equal(machine.until_ms, 11000);
	assert_int_equal(machine_flows(&machine, &rules), MACHINE_FLOWS_KEPT);
	run(&machine, &rules, "L", 11000);
	assert_int_equal(machine_flows(&machine, &rules), MACHINE_FLOWS_END);
	run(&machine, &rules, "D", 12000);
	assert_int_equal(machine_flows(&machine, &rules), MACHINE_FLOWS_KEPT);
}

static void changed_rules_hold_at_once(void **state)
{
	struct machine_rules rules = standard;
	struct machine machine = {0};

	(void)state;
	rules.unhealthy_threshold = 4;
	run(&machine, &rules, "RPSFFF", 0);
	assert_int_equal(machine.state, MACHINE_HEALTHY);
	rules.unhealthy_threshold = 3;
	run(&machine, &rules, "L", 500);
	assert_int_equal(machine.state, MACHINE_UNHEALTHY);
	rules.unhealthy_termination = false;
	rules.unhealthy_draining_ms = 1000;
	run(&machine, &rules, "L", 1499); /* counted from the verdict, not from the change */
	assert_int_equal(machine.state, MACHINE_UNHEALTHY_DRAINING);
	rules.unhealthy_draining_ms = 900;
	run(&machine, &rules, "L", 1499);
	assert_int_equal(machine.state, MACHINE_UNHEALTHY);
	run(&machine, &rules, "SS", 2000);
	rules.healthy_threshold = 2;
	run(&machine, &rules, "L", 2000);
	assert_int_equal(machine.state, MACHINE_HEALTHY);
}

static void draining_ends_with_the_last_flow_when_asked_to(void **state)
{
	struct machine_rules rules = standard;
	struct machine machine = {0};

	(void)state;
	rules.end_when_idle = true;
	run(&machine, &rules, "RPSI", 0);
	assert_int_equal(machine.state, MACHINE_HEALTHY);
	run(&machine, &rules, "DL", 1000);
	assert_int_equal(machine.state, MACHINE_DRAINING);
	run(&machine, &rules, "I", 2000);
	assert_int_equal(machine.state, MACHINE_NOT_REGISTERED);
}

static void a_restart_forgets_no_verdict_and_no_time(void **state)
{
	struct machine_rules rules = standard;
	struct machine machine;

	(void)state;
	machine_restore(&machine, MACHINE_HEALTHY, 0);
	run(&machine, &rules, "F", 5000);
	assert_int_equal(machine.state, MACHINE_HEALTHY);
	machine_restore(&machine, MACHINE_REGISTERING, 0);
	run(&machine, &rules, "S", 5000);
	assert_int_equal(machine.state, MACHINE_HEALTHY);
	rules.unhealthy_termination = false;
	rules.unhealthy_draining_ms = 3000;
	machine_restore(&machine, MACHINE_UNHEALTHY, 4000);
	run(&machine, &rules, "L", 5000);
	assert_int_equal(machine.state, MACHINE_UNHEALTHY_DRAINING);
	assert_int_equal(machine.until_ms, 7000);
	machine_restore(&machine, MACHINE_DRAINING, 6000);
	run(&machine, &rules, "L", 5999);
	assert_int_equal(machine.state, MACHINE_DRAINING);
	run(&machine, &rules, "L", 6000);
	assert_int_equal(machine.state, MACHINE_NOT_REGISTERED);
}

/* --- against a slow model ---------------------------------------------------------- */

/* Everything that happened since the registration (or the use) began, in full. */
struct history {
	bool registered, draining, propagated;
	enum machine_event use;
	char results[4096]; /* 'S' and 'F' since the last verdict */
	char verdict;	    /* 'H', 'U' or 0 */
	int64_t verdict_ms, draining_until_ms;
};

static void forget(struct history *h)
{
	h->propagated = false;
	h->verdict = 0;
	h->results[0] = '\0';
}

static unsigned int tail(const char *results, char result)
{
	size_t len = strlen(results);
	unsigned int n = 0;

	while (len > 0 && results[len - 1] == result) {
		len--;
		n++;
	}
	return n;
}

static void judge(struct history *h, const struct machine_rules *rules, int64_t now_ms)
{
	char next = h->verdict;

	if (h->verdict == 0 && strchr(h->results, 'S') != NULL)
		next = 'H';
	else if (h->verdict != 'U' && tail(h->results, 'F') >= rules->unhealthy_threshold)
		next = 'U';
	else if (h->verdict == 'U' && tail(h->results, 'S') >= rules->healthy_threshold)
		next = 'H';
	if (next == h->verdict)
		return;
	h->verdict = next;
	h->verdict_ms = now_ms;
	h->results[0] = '\0';
}

static bool is_probed(const struct history *h)
{
	return h->registered && !h->draining && h->use == MACHINE_IS_IN_USE;
}

static void happen(struct history *h, const struct machine_rules *rules, enum machine_event event,
		   int64_t now_ms)
{
	if (event <= MACHINE_IP_IS_UNUSABLE) {
		if (event != h->use)
			forget(h);
		h->use = event;
	}
	if (event == MACHINE_REGISTER && (!h->registered || h->draining)) {
		forget(h);
		h->registered = true;
		h->draining = false;
	}
	if (event == MACHINE_DEREGISTER && h->registered && !h->draining) {
		h->draining = true;
		h->draining_until_ms = now_ms + rules->deregistration_delay_ms;
		if (h->use == MACHINE_GROUP_IS_NOT_IN_USE || rules->deregistration_delay_ms == 0)
			h->registered = false;
	}
	if (event == MACHINE_PROPAGATE && is_probed(h))
		h->propagated = true;
	if ((event == MACHINE_SUCCEED || event == MACHINE_FAIL) && is_probed(h)) {
		h->propagated = true;
		strcat(h->results, event == MACHINE_SUCCEED ? "S" : "F");
		assert_true(strlen(h->results) < sizeof(h->results) - 1);
	}
	if (event == MACHINE_IDLE && h->draining && rules->end_when_idle)
		h->registered = false;
	if (h->draining && event == MACHINE_LOOK && now_ms >= h->draining_until_ms)
		h->registered = false;
	h->draining = h->draining && h->registered;
	judge(h, rules, now_ms);
}

static enum machine_state state_of(const struct history *h, const struct machine_rules *rules,
				   int64_t now_ms)
{
	static const enum machine_state unused[] = {
		[MACHINE_GROUP_IS_NOT_IN_USE] = MACHINE_GROUP_NOT_IN_USE,
		[MACHINE_ZONE_IS_NOT_ENABLED] = MACHINE_ZONE_NOT_ENABLED,
		[MACHINE_IP_IS_UNUSABLE] = MACHINE_IP_UNUSABLE,
	};

	if (!h->registered)
		return MACHINE_NOT_REGISTERED;
	if (h->draining)
		return MACHINE_DRAINING;
	if (h->use != MACHINE_IS_IN_USE)
		return unused[h->use];
	if (h->verdict == 0)
		return h->propagated ? MACHINE_CHECKING : MACHINE_REGISTERING;
	if (h->verdict == 'H')
		return MACHINE_HEALTHY;
	return !rules->unhealthy_termination &&
			       now_ms - h->verdict_ms < rules->unhealthy_draining_ms
		       ? MACHINE_UNHEALTHY_DRAINING
		       : MACHINE_UNHEALTHY;
}

static struct machine_rules any_rules(void)
{
	struct machine_rules rules = {
		.healthy_threshold = 2 + (uint32_t)rand() % 4,
		.unhealthy_threshold = 2 + (uint32_t)rand() % 4,
		.unhealthy_termination = rand() % 2 == 0,
		.deregistration_delay_ms = rand() % 3 == 0 ? 0 : rand() % 20,
		.end_when_idle = rand() % 2 == 0,
	};

	if (!rules.unhealthy_termination && rand() % 2 == 0)
		rules.unhealthy_draining_ms = rand() % 20;
	return rules;
}

static enum machine_event any_event(void)
{
	int n = rand() % 100;

	if (n < 4)
		return (enum machine_event)n;
	if (n < 12) /* mostly in use, or nothing else would happen */
		return MACHINE_IS_IN_USE;
	if (n < 20)
		return MACHINE_REGISTER;
	if (n < 23)
		return MACHINE_DEREGISTER;
	if (n < 30)
		return MACHINE_PROPAGATE;
	if (n < 57)
		return MACHINE_SUCCEED;
	if (n < 90)
		return MACHINE_FAIL;
	return n < 93 ? MACHINE_IDLE : MACHINE_LOOK;
}

static void agrees_with_slow_model(void **state)
{
	const unsigned int seed = 20261121;
	unsigned int seen[MACHINE_STATE_COUNT] = {0};

	(void)state;
	print_message("seed %u\n", seed);
	srand(seed);
	for (int round = 0; round < 3000; round++) {
		struct machine_rules rules = any_rules();
		struct machine machine = {0};
		struct history history = {0};
		int64_t now_ms = 1000;

		for (int i = 0; i < 200; i++) {
			enum machine_event event = any_event();
			enum machine_state was = machine.state, want;

			now_ms += rand() % 4;
			if (rand() % 40 == 0) {
				rules = any_rules();
				event = MACHINE_LOOK;
			}
			happen(&history, &rules, event, now_ms);
			want = state_of(&history, &rules, now_ms);
			assert_int_equal(machine_step(&machine, &rules, event, now_ms),
					 want != was);
			if (machine.state != want)
				fail_msg("round %d, step %d, event %d: %d, not %d", round, i, event,
					 machine.state, want);
			/* nobody waits for a time that has passed */
			assert_true(want != MACHINE_UNHEALTHY_DRAINING ||
				    machine.until_ms > now_ms);
			assert_int_equal(machine.until_ms != 0,
					 want == MACHINE_DRAINING ||
						 want == MACHINE_UNHEALTHY_DRAINING);
			assert_int_equal(machine_is_probed(&machine), is_probed(&history));
			seen[want]++;
		}
	}
	/* the run must have been everywhere, or it proved nothing */
	for (int i = 0; i < MACHINE_STATE_COUNT; i++)
		assert_true(seen[i] > 1000);
}

static void texts_are_the_api_s(void **state)
{
	(void)state;
	assert_string_equal(machine_text(MACHINE_UNHEALTHY_DRAINING).state, "unhealthy.draining");
	assert_string_equal(machine_text(MACHINE_REGISTERING).reason, "Elb.RegistrationInProgress");
	assert_string_equal(machine_text(MACHINE_CHECKING).description,
			    "Initial health checks in progress");
	for (int i = 0; i < MACHINE_STATE_COUNT; i++) {
		struct machine_text text = machine_text((enum machine_state)i);

		assert_int_equal(text.reason == NULL, i == MACHINE_HEALTHY);
		assert_int_equal(text.description == NULL, i == MACHINE_HEALTHY);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_transition_is_the_api_s),
		cmocka_unit_test(flows_follow_the_state),
		cmocka_unit_test(changed_rules_hold_at_once),
		cmocka_unit_test(draining_ends_with_the_last_flow_when_asked_to),
		cmocka_unit_test(a_restart_forgets_no_verdict_and_no_time),
		cmocka_unit_test(agrees_with_slow_model),
		cmocka_unit_test(texts_are_the_api_s),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
