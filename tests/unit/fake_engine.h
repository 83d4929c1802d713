/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fake engine: implements what the model uses of engine.h in plain lists that a
 * test can look into, checks that the model keeps the contract (it asserts
 * otherwise), and fails on demand. A test includes fake_engine.c.
 */
#ifndef SLUICE_TEST_FAKE_ENGINE_H
#define SLUICE_TEST_FAKE_ENGINE_H

#include "dataplane/engine.h"

#include <uthash.h>

struct fake_target {
	struct {
		uint64_t group_id;
		struct in6_addr address;
		uint64_t port;
	} key;
	struct engine_target target;
	bool seen;
	UT_hash_handle hh;
};

struct fake_group {
	uint64_t id;
	struct engine_group group;
	bool seen;
	UT_hash_handle hh;
};

struct fake_listener {
	uint64_t id;
	struct engine_listener listener;
	bool seen;
	UT_hash_handle hh;
};

struct fake_vip {
	struct in6_addr address;
	unsigned int zone;
	bool seen;
	UT_hash_handle hh;
};

struct engine {
	struct fake_group *groups;
	struct fake_target *targets;
	struct fake_listener *listeners;
	struct fake_vip *vips;
	unsigned int commits, target_puts;
	unsigned int removed_ending_flows, removed_keeping_flows;
	bool staged;
	/* on demand */
	bool idle; /* targets have no flows */
	uint32_t max_targets;
	int vip_error, commit_error, group_error, listener_error, target_error;
	unsigned int vip_error_after; /* VIPs put before vip_error strikes */
};

struct engine *fake_engine_new(void);
void fake_engine_free(struct engine *engine);
const struct fake_group *fake_engine_group(const struct engine *engine, uint64_t id);
const struct fake_listener *fake_engine_listener(const struct engine *engine, uint64_t id);
/** NULL when the engine has no such target. */
const struct engine_target *fake_engine_target(const struct engine *engine, uint64_t group_id,
					       const char *address, uint16_t port);

#endif
