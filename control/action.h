/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Action: one call of the ELBv2 API on the model, by name, JSON in and out.
 *
 * The socket server (rpc.c) is a thin shell around action_run(); whatever else
 * speaks the API later runs the same. Each action validates everything first,
 * then changes the model in memory and stages the change in the store and in
 * the engine. Nothing is answered before model_commit() made all that was
 * staged durable and visible to packets, once for all the calls of one turn of
 * the event loop.
 */
#ifndef SLUICE_ACTION_H
#define SLUICE_ACTION_H

#include "healthcheck/messages.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define ACTION_MESSAGE_MAX 2048

struct config;
struct engine;
struct logs_destination;
struct model;
struct store;

/** An ELBv2 error: the wire code ("TargetGroupNotFound") and the sentence for a person. */
struct action_error {
	char code[64];
	char message[ACTION_MESSAGE_MAX];
};

struct model_events {
	void *context;
	/** One event for Watch clients: {"Event": "TargetStateChanged", "Time": …, …}. Borrowed. */
	void (*emit)(void *context, json_t *event);
};

/**
 * Build the model from the store and bring the engine in line with it.
 *
 * Config, store and engine are borrowed and outlive the model. Returns 0,
 * -EBADMSG (the store holds what no version wrote; @error names the key),
 * -ENOMEM or what the engine said.
 */
int model_open(const struct config *config, struct store *store, struct engine *engine,
	       const struct model_events *events, struct model **ret_model, char error[512]);
void model_close(struct model *model); /* NULL is fine */

/**
 * Run an action.
 *
 * @name        "RegisterTargets"
 * @params      object with the API's parameter names; borrowed; NULL means {}
 * @ret_result  new reference, an object with the API's result shape
 * @ret_error   filled when the result is not 0
 *
 * Returns 0; -EINVAL with an error of the API and nothing changed; -ENOENT when
 * there is no such action (code InvalidAction).
 */
int action_run(struct model *model, const char *name, const json_t *params, json_t **ret_result,
	       struct action_error *ret_error);

/**
 * Whether ModifyLoadBalancerAttributes with these parameters makes access logs go to a bucket, or
 * would if they were enabled, to which they do not go now: then that has to be tested first, as
 * NLB does. @ret_destination is filled then. False when the action will fail anyhow.
 */
bool action_wants_bucket_test(struct model *model, const json_t *params,
			      struct logs_destination *ret_destination);

/**
 * Make what the actions since the last commit staged durable, then visible.
 *
 * Returns 0, or an error: then every call since the last commit must be answered
 * with InternalFailure. Memory and engine were taken back to what the store
 * holds; should that fail too, actions answer InternalFailure until a later
 * commit manages it. With -ENOSPC of engine_commit() alone the change stays, is
 * durable, and becomes visible by a later tick and commit.
 */
int model_commit(struct model *model);

/* --- probes ----------------------------------------------------------------- */

/**
 * The next message for the prober; false when it has been told everything.
 *
 * What the actions of a turn changed may be taken before the commit, so that
 * targets answer while the disk does; should the commit fail, a later message
 * takes it back.
 */
bool model_next_probe(struct model *model, struct message *ret_message);
/** The prober is a new one: all messages come again. No target's state changes. */
void model_restart_probes(struct model *model);
/** A probe ended, @now_ms as in model_tick(). Stages what follows, and needs a commit. Reports
 *  of checks that are no longer asked for are ignored, and so is our own fault. */
void model_report(struct model *model, const struct probe_report *report, int64_t now_ms);

/* --- time -------------------------------------------------------------------- */

/** Milliseconds until model_tick() has something to do (draining ends), -1 for never. */
int64_t model_next_tick_ms(const struct model *model);
/** Do what time demands at @now_ms (CLOCK_REALTIME: draining survives a restart); stages, and needs a commit. */
void model_tick(struct model *model, int64_t now_ms);

#endif
