/* SPDX-License-Identifier: BSD-3-Clause */
/* What the engine tells: counters, drops, flows, itself. */
#include "engine_internal.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

_Static_assert((int)SL_CLOSE_COUNT == (int)ENGINE_CLOSE_COUNT &&
		       (int)SL_CLOSE_NO_TARGET == (int)ENGINE_CLOSE_NO_TARGET,
	       "the packet path and control name the same reasons");

static const char *state_name(const struct sl_flow_record *record)
{
	switch (record->state) {
	case SL_FLOW_HALF_OPEN:
	case SL_FLOW_ANSWERED:
		return "half-open";
	case SL_FLOW_ESTABLISHED:
		return record->closing ? "closing" : "established";
	case SL_FLOW_UDP:
		return "udp";
	default:
		return "lingering";
	}
}

struct engine_flow engine_flow_of(const struct sl_flow_record *record, uint64_t now_ns)
{
	bool v6 = record->family == 6;
	uint32_t idle = (uint32_t)(now_ns >> SL_TICK_SHIFT) - record->end_ticks;
	uint64_t end_ns = now_ns - ((uint64_t)idle << SL_TICK_SHIFT);

	return (struct engine_flow){
		.client = vip_table_from_words(v6, record->client),
		.vip = vip_table_from_words(v6, record->vip),
		.nat = vip_table_from_words(v6, record->nat),
		.target = vip_table_from_words(v6, record->target),
		.client_port = ntohs(record->client_port),
		.vip_port = ntohs(record->vip_port),
		.nat_port = ntohs(record->nat_port),
		.target_port = ntohs(record->target_port),
		.protocol = record->protocol,
		.state = state_name(record),
		.reason = (enum engine_close_reason)record->reason,
		.listener_id = record->listener_id,
		.group_id = record->group_id,
		.client_bytes = record->client_bytes,
		.client_packets = record->client_packets,
		.target_bytes = record->target_bytes,
		.target_packets = record->target_packets,
		.start_ns = record->start_ns,
		/* ticks are coarser than the start: a flow does not end before it began */
		.end_ns = end_ns > record->start_ns ? end_ns : record->start_ns,
		.connect_us = record->connect_us,
		.zone = record->zone,
		.fail_open = record->fail_open,
	};
}

int engine_listener_counters(const struct engine *engine, uint64_t listener_id,
			     struct engine_counters *ret_counters)
{
	return listeners_counters(engine->listeners, listener_id, ret_counters);
}

int engine_group_counters(const struct engine *engine, uint64_t group_id,
			  struct engine_counters *ret_counters)
{
	return groups_counters(engine->groups, group_id, ret_counters);
}

int engine_target_counters(const struct engine *engine, uint64_t group_id,
			   const struct in6_addr *address, uint16_t port,
			   struct engine_counters *ret_counters)
{
	return groups_target_counters(engine->groups, group_id, address, port, ret_counters);
}

size_t engine_drops(const struct engine *engine, struct engine_drop *drops, size_t max)
{
	static const struct engine_drop reasons[SL_DROP_COUNT] = {
#define X(symbol, name, sentence) {name, sentence, 0},
		SL_DROP_REASONS(X)
#undef X
	};
	size_t n = 0;

	for (size_t reason = SL_DROP_NONE + 1; reason < SL_DROP_COUNT && n < max; reason++) {
		drops[n] = reasons[reason];
		for (uint32_t cpu = 0; cpu < engine->tables.config->cpus; cpu++)
			drops[n].packets += engine->tables.cpu_counts[cpu].drops[reason];
		n++;
	}
	return n;
}

void engine_describe(const struct engine *engine, struct engine_info *ret_info)
{
	const struct sl_config *config = engine->tables.config;
	struct engine_info info = {
		.kind = engine->ops->kind,
		.layout_version = config->layout_version,
		.taken_over = engine->taken_over,
		.max_flows = config->family[0].flows,
		.max_flows_ipv6 = config->family[1].flows,
		.max_targets = config->max_targets,
		.flow_records_lost = engine->tables.pools[0].records_lost +
				     engine->tables.pools[1].records_lost,
		.n_interfaces = engine->ports.n,
	};
	uint64_t flows4, flows6;

	for (uint32_t cpu = 0; cpu < config->cpus; cpu++)
		info.refusals_unrecorded += engine->tables.cpu_counts[cpu].refusals_unrecorded;
	groups_count(engine->groups, &info.groups, &info.targets);
	listeners_count(engine->listeners, &info.listeners, &flows4, &flows6);
	info.flows = (uint32_t)flows4;
	info.flows_ipv6 = (uint32_t)flows6;
	for (unsigned int i = 0; i < engine->ports.n; i++) {
		const struct port *port = &engine->ports.list[i];

		snprintf(info.interfaces[i].name, sizeof(info.interfaces[i].name), "%s",
			 port->name);
		info.interfaces[i].mode = engine->ops->mode(engine->backend, port);
		info.interfaces[i].up = port->up;
	}
	if (engine->ops->describe != NULL)
		engine->ops->describe(engine->backend, &info);
	*ret_info = info;
}

/* --- flows ---------------------------------------------------------------- */

static bool matches(const struct engine_flow *flow, const struct engine_flow_filter *filter)
{
	static const struct in6_addr any = IN6ADDR_ANY_INIT;

	return (filter->listener_id == 0 || filter->listener_id == flow->listener_id) &&
	       (filter->group_id == 0 || filter->group_id == flow->group_id) &&
	       (filter->client_port == 0 || filter->client_port == flow->client_port) &&
	       (filter->target_port == 0 || filter->target_port == flow->target_port) &&
	       (address_equal(&filter->client, &any) ||
		address_equal(&filter->client, &flow->client)) &&
	       (address_equal(&filter->target, &any) ||
		address_equal(&filter->target, &flow->target));
}

/* Read a flow that packets may change or end meanwhile: false when it is none. */
static bool read_flow(struct sl_tables *tables, bool v6, uint32_t number,
		      struct sl_flow_record *record)
{
	const struct sl_flow_line *client = sl_line(tables, v6, 2 * number);
	const struct sl_flow_line *target = sl_line(tables, v6, 2 * number + 1);
	__u32 control = SL_READ(client->control);
	__u32 state = SL_CONTROL_STATE(control);

	if (state <= SL_FLOW_NEW || state >= SL_FLOW_ENDING)
		return false;
	SL_ORDER();
	sl_record_fill(tables, v6, record, client, target, sl_cold(tables, v6, number), control);
	return sl_line_unchanged(client, SL_CONTROL_VERSION(control));
}

/* The cursor counts through the flow numbers of IPv4, then those of IPv6. */
void engine_flows(const struct engine *engine, uint64_t *cursor, size_t max_scan,
		  const struct engine_flow_filter *filter,
		  bool (*visit)(void *context, const struct engine_flow *flow), void *context)
{
	struct sl_tables tables = engine->tables;
	const uint64_t flows4 = tables.config->family[0].flows;
	const uint64_t all = flows4 + tables.config->family[1].flows;

	tables.now_ns = engine_now_ns();
	for (; max_scan > 0 && *cursor < all; max_scan--) {
		bool v6 = *cursor >= flows4;
		uint64_t number = (v6 ? *cursor - flows4 : *cursor) + 1;
		struct sl_flow_record record;
		struct engine_flow flow;

		if (number > tables.pools[v6].fresh) { /* no number above was ever used */
			*cursor = v6 ? all : flows4;
			continue;
		}
		++*cursor;
		if (!read_flow(&tables, v6, (uint32_t)number, &record))
			continue;
		flow = engine_flow_of(&record, tables.now_ns);
		if (matches(&flow, filter) && !visit(context, &flow))
			break;
	}
	if (*cursor >= all)
		*cursor = UINT64_MAX;
}
