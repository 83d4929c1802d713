/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/engine_report.h"

#define DROPS_MAX 64

static json_t *report_interfaces(const struct engine_info *info)
{
	json_t *list = json_array();
	unsigned int i;

	for (i = 0; i < info->n_interfaces; i++) {
		if (json_array_append_new(list, json_pack("{s:s, s:s, s:b}", "Name",
							  info->interfaces[i].name, "Mode",
							  info->interfaces[i].mode, "Up",
							  (int)info->interfaces[i].up)) < 0)
			goto fail;
	}
	return list;
fail:
	json_decref(list);
	return NULL;
}

static json_t *report_device(const struct engine_device *device)
{
	return json_pack(
		"{s:s, s:s, s:s, s:s, s:i, s:i, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
		"Device", device->name, "Interface", device->interface, "Driver", device->driver,
		"Offloads", device->offloads, "Queues", (int)device->queues, "Mtu",
		(int)device->mtu, "Up", (int)device->up, "Received", (json_int_t)device->received,
		"Sent", (json_int_t)device->sent, "Missed", (json_int_t)device->missed,
		"SendDropped", (json_int_t)device->tx_dropped, "TooLong",
		(json_int_t)device->too_long, "ToKernel", (json_int_t)device->to_kernel,
		"FromKernel", (json_int_t)device->from_kernel, "ToKernelLimited",
		(json_int_t)device->to_kernel_limited, "KernelDropped",
		(json_int_t)device->kernel_dropped);
}

static json_t *report_dpdk(const struct engine_dpdk_info *dpdk)
{
	json_t *workers = json_array(), *devices = json_array();
	unsigned int i;

	for (i = 0; i < dpdk->n_workers; i++) {
		if (json_array_append_new(workers, json_integer((json_int_t)dpdk->workers[i])) < 0)
			goto fail;
	}
	for (i = 0; i < dpdk->n_devices; i++) {
		if (json_array_append_new(devices, report_device(&dpdk->devices[i])) < 0)
			goto fail;
	}
	return json_pack("{s:o, s:s, s:b, s:b, s:o}", "WorkerCpus", workers, "Idle", dpdk->idle,
			 "PacketsInHugePages", (int)dpdk->huge_packets, "TablesInHugePages",
			 (int)dpdk->huge_tables, "Devices", devices);
fail:
	json_decref(workers);
	json_decref(devices);
	return NULL;
}

static json_t *report_drops(const struct engine *engine)
{
	struct engine_drop drops[DROPS_MAX];
	json_t *list = json_array();
	size_t i, n;

	n = engine_drops(engine, drops, DROPS_MAX);
	for (i = 0; i < n; i++) {
		if (json_array_append_new(list,
					  json_pack("{s:s, s:s, s:I}", "Reason", drops[i].reason,
						    "Text", drops[i].text, "Packets",
						    (json_int_t)drops[i].packets)) < 0)
			goto fail;
	}
	return list;
fail:
	json_decref(list);
	return NULL;
}

static json_t *report_ended(const uint64_t ended[ENGINE_CLOSE_ENDED])
{
	json_t *counts = json_object();
	unsigned int i;

	for (i = 0; i < ENGINE_CLOSE_ENDED; i++) {
		if (json_object_set_new(counts, engine_close_reason_name(i),
					json_integer((json_int_t)ended[i])) < 0)
			goto fail;
	}
	return counts;
fail:
	json_decref(counts);
	return NULL;
}

json_t *engine_report(const struct engine *engine, const uint64_t ended[ENGINE_CLOSE_ENDED])
{
	struct engine_info info;
	json_t *dpdk = NULL; /* stays out of other engines' reports */

	engine_describe(engine, &info);
	if (info.dpdk.n_devices != 0) {
		dpdk = report_dpdk(&info.dpdk);
		if (dpdk == NULL)
			return NULL;
	}
	/* a part that is NULL makes the whole NULL, and the other parts are let go */
	return json_pack(
		"{s:s, s:I, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, "
		"s:o*}",
		"Kind", info.kind, "LayoutVersion", (json_int_t)info.layout_version, "TakenOver",
		(int)info.taken_over, "Flows", (json_int_t)info.flows, "MaxFlows",
		(json_int_t)info.max_flows, "FlowsIpv6", (json_int_t)info.flows_ipv6,
		"MaxFlowsIpv6", (json_int_t)info.max_flows_ipv6, "Targets",
		(json_int_t)info.targets, "MaxTargets", (json_int_t)info.max_targets, "Listeners",
		(json_int_t)info.listeners, "TargetGroups", (json_int_t)info.groups,
		"FlowRecordsLost", (json_int_t)info.flow_records_lost, "RefusalsUnrecorded",
		(json_int_t)info.refusals_unrecorded, "Interfaces", report_interfaces(&info),
		"Drops", report_drops(engine), "FlowsEnded", report_ended(ended), "Dpdk", dpdk);
}
