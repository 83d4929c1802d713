/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Engine report: the result of DescribeEngine, what an engine says of itself.
 *
 * {"Kind", "LayoutVersion", "TakenOver", "Flows", "MaxFlows", "FlowsIpv6",
 * "MaxFlowsIpv6", "Targets", "MaxTargets", "Listeners", "TargetGroups",
 * "FlowRecordsLost", "RefusalsUnrecorded", "Interfaces": [{"Name", "Mode", "Up"}], "Drops":
 * [{"Reason", "Text", "Packets"}], "FlowsEnded": {"fin": count, …}}
 *
 * and of the dpdk engine "Dpdk": {"WorkerCpus": [cpu], "Idle", "PacketsInHugePages",
 * "TablesInHugePages", "Devices": [{"Device", "Interface", "Driver", "Offloads",
 * "Queues", "Mtu", "Up", "Received", "Sent", "Missed", "SendDropped", "TooLong",
 * "ToKernel", "FromKernel", "ToKernelLimited", "KernelDropped"}]}
 */
#ifndef SLUICE_ENGINE_REPORT_H
#define SLUICE_ENGINE_REPORT_H

#include "dataplane/engine.h"

#include <jansson.h>

/**
 * Describe an engine.
 *
 * @ended  flows that ended since sluiced started, by reason
 *
 * Returns a new reference, NULL when out of memory.
 */
json_t *engine_report(const struct engine *engine, const uint64_t ended[ENGINE_CLOSE_ENDED]);

#endif
