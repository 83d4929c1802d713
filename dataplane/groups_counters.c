/* SPDX-License-Identifier: BSD-3-Clause */
#include "groups_internal.h"

#include <errno.h>
#include <string.h>

enum { RETAINED_PACKETS, RETAINED_BYTES, RETAINED_NEW, RETAINED_ENDED = RETAINED_NEW + SL_L4_COUNT };

struct sl_target_counters groups_count_target(const struct groups *groups, uint16_t number)
{
	const struct sl_config *config = groups->tables->config;
	struct sl_target_counters sum = {};

	for (uint32_t cpu = 0; cpu < config->cpus; cpu++) {
		const struct sl_target_counters *c =
			&groups->tables->target_counts[(size_t)cpu * config->max_targets + number];

		sum.packets += c->packets;
		sum.bytes += c->bytes;
		sum.freed_flows += c->freed_flows;
		for (int l4 = 0; l4 < SL_L4_COUNT; l4++) {
			sum.new_flows[l4] += c->new_flows[l4];
			sum.ended_flows[l4] += c->ended_flows[l4];
		}
	}
	return sum;
}

void groups_count_clear(struct groups *groups, uint16_t number)
{
	const struct sl_config *config = groups->tables->config;

	for (uint32_t cpu = 0; cpu < config->cpus; cpu++)
		memset(&groups->tables->target_counts[(size_t)cpu * config->max_targets + number], 0,
		       sizeof(struct sl_target_counters));
}

static void count_add(struct engine_counters *to, const struct sl_target_counters *c)
{
	to->processed_packets += c->packets;
	to->processed_bytes += c->bytes;
	to->new_flows_tcp += c->new_flows[SL_L4_TCP];
	to->new_flows_udp += c->new_flows[SL_L4_UDP];
	/* read while packets count, "ended" may seem to be ahead */
	if (c->new_flows[SL_L4_TCP] > c->ended_flows[SL_L4_TCP])
		to->active_flows_tcp += c->new_flows[SL_L4_TCP] - c->ended_flows[SL_L4_TCP];
	if (c->new_flows[SL_L4_UDP] > c->ended_flows[SL_L4_UDP])
		to->active_flows_udp += c->new_flows[SL_L4_UDP] - c->ended_flows[SL_L4_UDP];
	to->active_flows = to->active_flows_tcp + to->active_flows_udp;
}

void groups_retain(struct groups *groups, const struct group *group,
		   const struct sl_target_counters *c)
{
	struct sl_group *record = &groups->tables->groups[group->number];

	record->retained[RETAINED_PACKETS] += c->packets;
	record->retained[RETAINED_BYTES] += c->bytes;
	for (int l4 = 0; l4 < SL_L4_COUNT; l4++) {
		record->retained[RETAINED_NEW + l4] += c->new_flows[l4];
		record->retained[RETAINED_ENDED + l4] += c->ended_flows[l4];
	}
}

int groups_counters(const struct groups *groups, uint64_t id, struct engine_counters *ret_counters)
{
	const struct group *group = groups_find(groups, id);
	struct sl_target_counters c = {};
	const struct target *target, *next;
	const __u64 *retained;

	if (group == NULL)
		return -ENOENT;
	memset(ret_counters, 0, sizeof(*ret_counters));
	retained = groups->tables->groups[group->number].retained;
	c.packets = retained[RETAINED_PACKETS];
	c.bytes = retained[RETAINED_BYTES];
	for (int l4 = 0; l4 < SL_L4_COUNT; l4++) {
		c.new_flows[l4] = retained[RETAINED_NEW + l4];
		c.ended_flows[l4] = retained[RETAINED_ENDED + l4];
	}
	count_add(ret_counters, &c);
	HASH_ITER(hh, group->targets, target, next) {
		c = groups_count_target(groups, target->number);
		count_add(ret_counters, &c);
	}
	for (target = group->leaving; target != NULL; target = target->next_leaving) {
		c = groups_count_target(groups, target->number);
		count_add(ret_counters, &c);
	}
	return 0;
}

int groups_target_counters(const struct groups *groups, uint64_t id, const struct in6_addr *address,
			   uint16_t port, struct engine_counters *ret_counters)
{
	const struct group *group = groups_find(groups, id);
	struct target_key key = groups_target_key(address, port);
	const struct target *target = group != NULL ? groups_target_find(group, &key) : NULL;
	struct sl_target_counters c;

	if (target == NULL)
		return -ENOENT;
	c = groups_count_target(groups, target->number);
	memset(ret_counters, 0, sizeof(*ret_counters));
	count_add(ret_counters, &c);
	return 0;
}
