/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Machine: the state of one target's health. Pure: events in; state, reason,
 * description, what follows for flows, and the next deadline out. It sends no
 * probe and reads no clock; the time is milliseconds of the caller's clock.
 *
 * States, reasons and descriptions are NLB's. As NLB does, the first success of
 * a new target makes it healthy whatever the healthy threshold; a threshold of N
 * means N results in a row.
 */
#ifndef SLUICE_MACHINE_H
#define SLUICE_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(symbol, state, reason, description); reason and description NULL when healthy */
#define MACHINE_STATES(X)                                                                        \
	X(NOT_REGISTERED, "unused", "Target.NotRegistered",                                      \
	  "Target is not registered to the target group")                                        \
	X(GROUP_NOT_IN_USE, "unused", "Target.NotInUse",                                         \
	  "Target group is not configured to receive traffic from the load balancer")            \
	X(ZONE_NOT_ENABLED, "unused", "Target.NotInUse",                                         \
	  "Target is in an Availability Zone that is not enabled for the load balancer")         \
	X(IP_UNUSABLE, "unused", "Target.IpUnusable",                                            \
	  "The IP address cannot be used as a target, as it is in use by a load balancer")       \
	X(REGISTERING, "initial", "Elb.RegistrationInProgress",                                  \
	  "Target registration is in progress")                                                  \
	X(CHECKING, "initial", "Elb.InitialHealthChecking", "Initial health checks in progress") \
	X(HEALTHY, "healthy", NULL, NULL)                                                        \
	X(UNHEALTHY, "unhealthy", "Target.FailedHealthChecks", "Health checks failed")           \
	X(UNHEALTHY_DRAINING, "unhealthy.draining", "Target.FailedHealthChecks",                 \
	  "Health checks failed")                                                                \
	X(DRAINING, "draining", "Target.DeregistrationInProgress",                               \
	  "Target deregistration is in progress")

enum machine_state {
#define X(symbol, state, reason, description) MACHINE_##symbol,
	MACHINE_STATES(X)
#undef X
		MACHINE_STATE_COUNT
};

enum machine_event {
	/* what the group and its load balancer are to the target; the last one told holds */
	MACHINE_IS_IN_USE,
	MACHINE_GROUP_IS_NOT_IN_USE,
	MACHINE_ZONE_IS_NOT_ENABLED,
	MACHINE_IP_IS_UNUSABLE,

	MACHINE_REGISTER,   /* also takes back a draining target */
	MACHINE_DEREGISTER, /* begins to drain, unless there is no delay or no traffic */
	MACHINE_PROPAGATE,  /* its checks begin */
	MACHINE_SUCCEED,    /* a probe did */
	MACHINE_FAIL,
	MACHINE_IDLE, /* the target has no flows */
	MACHINE_LOOK, /* time has passed, or the rules have changed; this alone ends draining */
	MACHINE_EVENT_COUNT
};

struct machine_rules {					 /* the group's settings, as of now */
	uint32_t healthy_threshold, unhealthy_threshold; /* 1 or more */
	bool unhealthy_termination;    /* target_health_state.unhealthy.connection_termination */
	int64_t unhealthy_draining_ms; /* without termination: flows live so long; 0: for ever */
	int64_t deregistration_delay_ms;
	bool end_when_idle; /* draining ends with the last flow */
};

enum machine_flows {			 /* of a target, when its group does not fail open */
		     MACHINE_FLOWS_NEW,	 /* it gets new flows */
		     MACHINE_FLOWS_KEPT, /* none; those it has live on */
		     MACHINE_FLOWS_MOVE, /* none; TCP lives on, UDP flows move to other targets */
		     MACHINE_FLOWS_END,	 /* none; those it has end now */
};

struct machine { /* all zero: not registered, in use */
	enum machine_state state;
	enum machine_event use; /* the last of the first four events */
	uint32_t run;		/* results in a row that speak against the state */
	int64_t unhealthy_ms;	/* when the target became unhealthy */
	int64_t until_ms;	/* time changes the state then: MACHINE_LOOK; 0: never */
};

/** Take an event. Returns whether the state changed. Events that mean nothing in a state are
 *  ignored: a probe may end behind a deregistration. */
bool machine_step(struct machine *machine, const struct machine_rules *rules,
		  enum machine_event event, int64_t now_ms);

/**
 * Be what a machine was before a restart.
 *
 * @state   MACHINE_REGISTERING, _HEALTHY, _UNHEALTHY or _DRAINING
 * @at_ms   when it became unhealthy; when draining ends
 */
void machine_restore(struct machine *machine, enum machine_state state, int64_t at_ms);

/** What follows for flows; the group may fail open, and then it does not. */
enum machine_flows machine_flows(const struct machine *machine, const struct machine_rules *rules);

/** Whether the target is to be probed. */
bool machine_is_probed(const struct machine *machine);

/** Whether the target counts as registered: not while it drains. */
bool machine_is_registered(const struct machine *machine);

struct machine_text {
	const char *state, *reason, *description;
};
struct machine_text machine_text(enum machine_state state);

#endif
