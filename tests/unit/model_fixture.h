/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Model fixture: empty tables in plain memory with control's side of groups
 * over them, for tests that look at the result as packets do. Include last:
 * cmocka's header has needs.
 */
#ifndef SLUICE_TESTS_MODEL_FIXTURE_H
#define SLUICE_TESTS_MODEL_FIXTURE_H

#include "dataplane/groups.h"
#include "dataplane/tables.h"
#include "dataplane/vip_table.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MODEL_TARGETS 64
#define MODEL_CPUS 2
#define MODEL_ZONES 2
#define MODEL_FLOWS 20000u /* that are spread to look at a table */
#define MODEL_SECOND 1000000000ull
#define MODEL_HOP(n) ((uint64_t)7 << 48 | (n)) /* a next hop by port 7 */

struct model_fixture {
	struct sl_tables tables;
	struct vip_table *vips;
	struct groups *groups;
	uint64_t hop;		 /* what watch() answers */
	int n_watched;		 /* addresses watched now */
	uint64_t now_ns;
};

static inline uint64_t model_watch(void *context, const struct in6_addr *address)
{
	struct model_fixture *model = context;

	(void)address;
	model->n_watched++;
	return model->hop;
}

static inline void model_unwatch(void *context, const struct in6_addr *address)
{
	struct model_fixture *model = context;

	(void)address;
	model->n_watched--;
}

static inline void model_open(struct model_fixture *model)
{
	const struct groups_callbacks callbacks = {model, model_watch, model_unwatch};

	model->n_watched = 0;
	assert_int_equal(vip_table_open(&model->tables, &model->vips), 0);
	assert_int_equal(groups_open(&model->tables, model->vips, &callbacks, &model->groups), 0);
}

static inline void model_close(struct model_fixture *model)
{
	groups_close(model->groups);
	vip_table_close(model->vips);
}

/* @chunks  of the Maglev arena; 0: as planned */
static inline int model_make(void **state, uint32_t chunks)
{
	const struct engine_config settings = {
		.max_flows = 1024,
		.max_flows_ipv6 = 1024,
		.max_targets = MODEL_TARGETS,
		.n_zones = MODEL_ZONES,
		.snat_port_min = 1024,
		.snat_port_max = 65535,
	};
	struct model_fixture *model = calloc(1, sizeof(*model));
	char error[ENGINE_ERROR_MAX];
	struct sl_config config;

	if (model == NULL || tables_plan(&settings, MODEL_CPUS, &config, error) != 0)
		return -1;
	config.seed[0] = 1;
	config.seed[1] = 2;
	if (chunks != 0)
		config.maglev_chunks = chunks;
	if (tables_allocate(&config, &model->tables) != 0)
		return -1;
	model->hop = MODEL_HOP(1);
	model->now_ns = 1000 * MODEL_SECOND;
	model_open(model);
	*state = model;
	return 0;
}

static inline int model_setup(void **state)
{
	return model_make(state, 0);
}

static inline int model_teardown(void **state)
{
	struct model_fixture *model = *state;

	model_close(model);
	tables_free(&model->tables);
	free(model);
	return 0;
}

#define MODEL_TEST(f) cmocka_unit_test_setup_teardown(f, model_setup, model_teardown)

static inline struct in6_addr model_address(const char *text)
{
	struct in6_addr parsed;

	assert_int_equal(address_parse(text, &parsed), 0);
	return parsed;
}

/* Address of target @n; the port is always 80. */
static inline struct in6_addr model_target_address(uint32_t n)
{
	return address_from_v4(htonl(0x0a000000 + n));
}

static inline int model_put_target(struct model_fixture *model, uint64_t group, uint32_t n,
				   enum engine_target_state state)
{
	const struct engine_target target = {
		.address = model_target_address(n),
		.port = 80,
		.state = state,
		.zones = 0xff,
	};

	return groups_target_put(model->groups, group, &target);
}

static inline int model_remove_target(struct model_fixture *model, uint64_t group, uint32_t n,
				      bool end_flows)
{
	struct in6_addr address = model_target_address(n);

	return groups_target_remove(model->groups, group, &address, 80, end_flows);
}

static inline void model_put_group(struct model_fixture *model, uint64_t id)
{
	const struct engine_group group = {.zones = (1u << MODEL_ZONES) - 1};

	assert_int_equal(groups_put(model->groups, id, &group), 0);
}

static inline int model_commit(struct model_fixture *model)
{
	int r = groups_commit(model->groups, model->now_ns);

	groups_let_go(model->groups, model->now_ns);
	model->now_ns += MODEL_SECOND;
	return r;
}

/* Let what left rest long enough, and give its numbers back. */
static inline void model_tidy(struct model_fixture *model)
{
	model->now_ns += 10 * MODEL_SECOND;
	groups_tidy(model->groups, model->now_ns);
}

/* A flow's key, as good as any other number's. */
static inline struct sl_flow_key model_key(uint32_t n)
{
	return (struct sl_flow_key){
		.saddr = {htonl(0xc6120000 + n / 16)},
		.daddr = {htonl(0xc0000201)},
		.sport = htons((uint16_t)(1024 + n)),
		.dport = htons(80),
		.protocol = SL_TCP,
	};
}

/* Which target flow @n of a zone would get now by a listener that leads to this group alone. */
static inline struct sl_choice model_choose(struct model_fixture *model, uint64_t group,
					    uint32_t zone, uint32_t n)
{
	int number = groups_number(model->groups, group);
	const struct sl_listener listener = {
		.forwarding[0] = {.weights = 1,
				  .n_groups = 1,
				  .groups[0] = {number < 0 ? SL_NONE : (uint16_t)number, 1}},
	};
	const struct sl_flow_key key = model_key(n);

	return sl_select(&model->tables, false, &listener, zone, &key, 0);
}

/* Number of target @n in a state, SL_NONE when there is none. */
static inline uint16_t model_number(struct model_fixture *model, uint32_t n,
				    enum sl_target_state state)
{
	struct in6_addr address = model_target_address(n);
	__be32 words[4];

	vip_table_words(&address, words);
	for (uint32_t i = 0; i < MODEL_TARGETS; i++) {
		const struct sl_target *target = &model->tables.targets[i];

		if (target->state == state && target->address[0] == words[0])
			return (uint16_t)i;
	}
	return SL_NONE;
}

static inline struct sl_target_counters *model_counts(struct model_fixture *model, uint32_t cpu,
						      uint16_t number)
{
	return &model->tables.target_counts[cpu * MODEL_TARGETS + number];
}

/* How many of MODEL_FLOWS flows a group gives to each target; by number. */
static inline void model_spread(struct model_fixture *model, uint64_t group, uint32_t zone,
				uint32_t counts[MODEL_TARGETS])
{
	memset(counts, 0, MODEL_TARGETS * sizeof(*counts));
	for (uint32_t n = 0; n < MODEL_FLOWS; n++) {
		uint16_t target = model_choose(model, group, zone, n).target;

		if (target != SL_NONE)
			counts[target]++;
	}
}

/* How many of them target @n gets, which must be in this state. */
static inline uint32_t model_flows_of(struct model_fixture *model, uint64_t group, uint32_t zone,
				      uint32_t n, enum sl_target_state state)
{
	uint16_t number = model_number(model, n, state);
	uint32_t counts[MODEL_TARGETS];

	assert_int_not_equal(number, SL_NONE);
	model_spread(model, group, zone, counts);
	return counts[number];
}

#endif
