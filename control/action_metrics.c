/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DescribeMetrics, our own action: counters under their CloudWatch names, of
 * load balancers (sums over their listeners), target groups and targets. They
 * count up since the object was made; a client takes differences. Without a
 * selector everything is told; with LoadBalancerArn that one with its groups
 * and their targets; with TargetGroupArn that group with its targets. A page
 * ends behind a whole group, so it may be longer than PageSize.
 */
#include "control/actions.h"

#include <errno.h>
#include <stdio.h>

static void add(struct engine_counters *sum, const struct engine_counters *more)
{
	sum->active_flows += more->active_flows;
	sum->active_flows_tcp += more->active_flows_tcp;
	sum->active_flows_udp += more->active_flows_udp;
	sum->new_flows_tcp += more->new_flows_tcp;
	sum->new_flows_udp += more->new_flows_udp;
	sum->processed_packets += more->processed_packets;
	sum->processed_bytes += more->processed_bytes;
	sum->processed_bytes_tcp += more->processed_bytes_tcp;
	sum->processed_bytes_udp += more->processed_bytes_udp;
	sum->client_resets += more->client_resets;
	sum->target_resets += more->target_resets;
	sum->elb_resets += more->elb_resets;
	sum->rejected_flows_tcp += more->rejected_flows_tcp;
	sum->rejected_flows_udp += more->rejected_flows_udp;
	sum->port_allocation_errors += more->port_allocation_errors;
	sum->unhealthy_routing_flows += more->unhealthy_routing_flows;
}

/* What load balancers, groups and targets all have. */
static json_t *show_common(const struct engine_counters *c)
{
	return json_pack(
		"{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "ActiveFlowCount",
		(json_int_t)c->active_flows, "ActiveFlowCount_TCP", (json_int_t)c->active_flows_tcp,
		"ActiveFlowCount_UDP", (json_int_t)c->active_flows_udp, "NewFlowCount",
		(json_int_t)(c->new_flows_tcp + c->new_flows_udp), "NewFlowCount_TCP",
		(json_int_t)c->new_flows_tcp, "NewFlowCount_UDP", (json_int_t)c->new_flows_udp,
		"ProcessedBytes", (json_int_t)c->processed_bytes, "ProcessedBytes_TCP",
		(json_int_t)c->processed_bytes_tcp, "ProcessedBytes_UDP",
		(json_int_t)c->processed_bytes_udp, "ProcessedPackets",
		(json_int_t)c->processed_packets, "TCP_Client_Reset_Count",
		(json_int_t)c->client_resets, "TCP_Target_Reset_Count",
		(json_int_t)c->target_resets);
}

/* What only a listener can tell, for packets that reached no target. */
static json_t *show_listener_values(const struct engine_counters *c)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "TCP_ELB_Reset_Count",
			 (json_int_t)c->elb_resets, "RejectedFlowCount",
			 (json_int_t)(c->rejected_flows_tcp + c->rejected_flows_udp),
			 "RejectedFlowCount_TCP", (json_int_t)c->rejected_flows_tcp,
			 "RejectedFlowCount_UDP", (json_int_t)c->rejected_flows_udp,
			 "PortAllocationErrorCount", (json_int_t)c->port_allocation_errors,
			 "UnhealthyRoutingFlowCount", (json_int_t)c->unhealthy_routing_flows);
}

static int show_load_balancer(const struct model *model, const struct load_balancer *load_balancer,
			      json_t *result)
{
	struct engine_counters sum = {0}, one;
	struct listener *listener, *listener_next;
	json_t *values, *more;
	char arn[ARN_MAX];

	model_each (load_balancer->listeners, listener, hh_port) {
		if (engine_listener_counters(model->engine, listener->id, &one) == 0)
			add(&sum, &one);
	}
	values = show_common(&sum);
	more = show_listener_values(&sum);
	if (values != NULL && more != NULL)
		json_object_update(values, more);
	json_decref(more);
	return actions_append(result, "Metrics",
			      json_pack("{s:s, s:o}", "LoadBalancerArn",
					model_load_balancer_arn(model, load_balancer, arn),
					"Values", values));
}

static int show_targets(const struct model *model, const struct group *group, json_t *result)
{
	struct target *target, *target_next;
	char arn[ARN_MAX], address[ADDRESS_TEXT_MAX];
	int r = 0;

	model_group_arn(model, group, arn);
	model_each (group->targets, target, hh) {
		struct engine_counters counters = {0};

		if (r < 0)
			break;
		if (engine_target_counters(model->engine, group->id, &target->key.address,
					   (uint16_t)target->key.port, &counters) < 0)
			continue; /* staged, not known to the packet path yet */
		r = actions_append(
			result, "Metrics",
			json_pack("{s:s, s:{s:s, s:i}, s:o}", "TargetGroupArn", arn, "Target", "Id",
				  address_format(&target->key.address, address), "Port",
				  (int)target->key.port, "Values", show_common(&counters)));
	}
	return r;
}

static int show_group(const struct model *model, const struct group *group, json_t *result)
{
	struct engine_counters counters = {0};
	struct target *target, *target_next;
	json_int_t healthy = 0, unhealthy = 0;
	json_t *values;
	char arn[ARN_MAX];
	int r;

	model_each (group->targets, target, hh) {
		healthy += health_is_healthy(target->machine.state);
		unhealthy += health_is_unhealthy(target->machine.state);
	}
	engine_group_counters(model->engine, group->id, &counters); /* -ENOENT: all zero */
	values = show_common(&counters);
	if (values == NULL ||
	    json_object_set_new(values, "HealthyHostCount", json_integer(healthy)) < 0 ||
	    json_object_set_new(values, "UnHealthyHostCount", json_integer(unhealthy)) < 0) {
		json_decref(values);
		return -ENOMEM;
	}
	r = actions_append(result, "Metrics",
			   json_pack("{s:s, s:o}", "TargetGroupArn",
				     model_group_arn(model, group, arn), "Values", values));
	return r == 0 ? show_targets(model, group, result) : r;
}

static int show_groups(const struct model *model, const struct params *params,
		       const struct load_balancer *only, const struct page *page, json_t *result)
{
	struct group *it = NULL;
	uint64_t last = 0;
	int r;

	r = actions_page_groups(model, params, page, &it);
	for (; r == 0 && it != NULL; it = it->hh.next) {
		if (only != NULL && it->load_balancer != only)
			continue;
		if (last != 0 && json_array_size(json_object_get(result, "Metrics")) >= page->size)
			return actions_next_page(result, last);
		last = it->id;
		r = show_group(model, it, result);
	}
	return r;
}

int action_describe_metrics(struct model *model, const struct params *params, json_t *result)
{
	struct load_balancer *only = NULL, *load_balancer, *load_balancer_next;
	struct group *group;
	struct page page;
	int r;

	r = actions_page(params, &page);
	if (r == 0)
		r = actions_list(result, "Metrics");
	if (r < 0)
		return r;
	if (params_has(params, "TargetGroupArn")) {
		r = actions_group(model, params, &group);
		return r == 0 ? show_group(model, group, result) : r;
	}
	if (params_has(params, "LoadBalancerArn"))
		r = actions_load_balancer(model, params, &only);
	if (r < 0)
		return r;
	model_each (model->load_balancers, load_balancer, hh) {
		if (r == 0 && page.after == 0 && (only == NULL || only == load_balancer))
			r = show_load_balancer(model, load_balancer, result);
	}
	return r == 0 ? show_groups(model, params, only, &page, result) : r;
}
