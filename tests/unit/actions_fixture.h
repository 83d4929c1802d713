/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A model on a store in a temporary directory and a fake engine, and short
 * ways to call actions. A test_actions_*.c file includes actions_fixture.c and
 * fake_engine.c. Parameters are written as JSON with ' for ".
 */
#ifndef SLUICE_TEST_ACTIONS_FIXTURE_H
#define SLUICE_TEST_ACTIONS_FIXTURE_H

#include "control/action.h"
#include "control/config.h"
#include "control/model.h"
#include "control/store.h"
#include "tests/unit/fake_engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct fake_check {
	uint64_t id;
	struct probe_put put;
	UT_hash_handle hh;
};

struct fixture {
	struct config *config;
	struct store *store;
	struct engine *engine;
	struct model *model;
	json_t *events;		   /* all that were emitted */
	struct fake_check *checks; /* what the prober was told */
	int probe_result; /* enum probe_result of the probe that each put begins with; -1: none */
	unsigned int puts, removals; /* messages to the prober */
	char directory[64];
	char path[96];
	struct action_error error; /* of the last call that failed */
};

/* Two zones with cidrs: rig-1a (10.0.1.0/24) and rig-1b (10.0.2.0/24). */
extern const char *const two_zones;
/* One zone without cidrs. */
extern const char *const one_zone;

struct fixture *fixture_new(const char *config);
void fixture_free(struct fixture *f);
/* Parts of fixture_new(), for tests that restart. */
void open_store(struct fixture *f);
int open_model(struct fixture *f); /* its sentence is in f->error.message */

/* The prober: take the model's messages, and answer each put as f->probe_result says. Every call
 * ends with it. */
void prober_runs(struct fixture *f);
/* A new prober, that was told nothing. */
void prober_restarts(struct fixture *f);
/* What it was told of a target; NULL when it does not probe it. */
const struct probe_put *probed(struct fixture *f, const char *address, uint16_t port);
/* Probes of a target end so, and the turn. */
void probe(struct fixture *f, const char *address, uint16_t port, enum probe_result result,
	   unsigned int times);

/* A copy with " for '; free() it. */
char *quoted(const char *text);

/* Call an action; NULL when it failed, and then f->error tells why. No commit. */
json_t *try_call(struct fixture *f, const char *action, const json_t *params);
/* Call an action that must succeed, and commit. The caller owns the result. */
json_t *call(struct fixture *f, const char *action, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
#define CALL(f, ...) json_decref(call(f, __VA_ARGS__))
/* Call an action that must fail with @code, leaving the error in f->error. */
void call_fails(struct fixture *f, const char *code, const char *action, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* A value of a result by path: "LoadBalancers.0.LoadBalancerArn"; NULL, or "(none)". */
const json_t *at_path(const json_t *json, const char *path);
const char *text_at(const json_t *json, const char *path);

/* Create a thing and return its ARN in @arn, from @path of the result. */
const char *create(struct fixture *f, char arn[ARN_MAX], const char *path, const char *action,
		   const char *format, ...) __attribute__((format(printf, 5, 6)));
const char *new_lb(struct fixture *f, char arn[ARN_MAX], const char *name);
const char *new_tg(struct fixture *f, char arn[ARN_MAX], const char *name, const char *protocol);
const char *new_listener(struct fixture *f, char arn[ARN_MAX], const char *lb, const char *protocol,
			 int port, const char *tg);

/* The id at the end of an ARN. */
uint64_t id_of(const char *arn);
/* Commit, and the prober runs. */
void commit(struct fixture *f);
/* "healthy", or "unused/Target.NotInUse", of a target on port 8080. */
const char *health(struct fixture *f, const char *tg, const char *address, char text[64]);

#endif
