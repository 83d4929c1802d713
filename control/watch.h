/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Watch: the stream of events to the control clients that asked for it.
 *
 * Events: those of the model (TargetStateChanged, with the probe that brought it
 * about, LoadBalancerCreated and so on), EngineChanged {"Message"}, and FlowsRefused {"Reason", "Message",
 * "Packets"}, at most once a second for each reason, from the engine's counters
 * of dropped packets. AccessLogsChanged {"Message"} when uploads begin to fail or
 * work again and the like, FlowRecordsDropped {"Reason", "Message", "Records"} at
 * most once a second for each reason.
 */
#ifndef SLUICE_WATCH_H
#define SLUICE_WATCH_H

#include "control/action.h"
#include "control/rpc.h"

#define WATCH_EVENTS                                                                      \
	"TargetStateChanged, LoadBalancerCreated, LoadBalancerDeleted, ListenerCreated, " \
	"ListenerDeleted, TargetGroupCreated, TargetGroupDeleted, EngineChanged, FlowsRefused, "   \
	"AccessLogsChanged, FlowRecordsDropped"

struct watch;

/** Returns 0 or -ENOMEM. Loop and engine are borrowed; the loop is not kept running. */
int watch_open(uv_loop_t *loop, const struct engine *engine, struct watch **ret_watch);
/** To be called before the loop's last run, which frees it; NULL is fine. */
void watch_close(struct watch *watch);

/**
 * Send a client events from now on; a second call for a client replaces its choice.
 *
 * @params  {"Events": [names]}; all events without. NULL means {}
 *
 * Returns 0, -EINVAL with @error filled, or -ENOMEM.
 */
int watch_add(struct watch *watch, struct rpc_client *client, const json_t *params,
	      struct action_error *error);
/** Also when it does not watch. */
void watch_remove(struct watch *watch, const struct rpc_client *client);
unsigned int watch_clients(const struct watch *watch);

/** Send {"Event": name, …} to those who want it; borrowed. */
void watch_emit(struct watch *watch, json_t *event);
/** Send an EngineChanged. */
void watch_emit_engine_changed(struct watch *watch, const char *message);

#endif
