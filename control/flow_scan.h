/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Flow scan: DescribeFlows. Walks the flow table a piece in each turn of the
 * event loop, so that the largest table delays no other request; scans of
 * several clients take turns.
 *
 * Parameters: LoadBalancerArn, ListenerArn, TargetGroupArn, ClientIp,
 * ClientPort, TargetIp, TargetPort (all filters, and-ed), PageSize (1 to 1,000,
 * default 100), Marker. Result: {"Flows": [{"Protocol", "State", "ClientIp",
 * "ClientPort", "VipIp", "VipPort", "NatIp", "NatPort", "TargetIp",
 * "TargetPort", "ListenerArn", "TargetGroupArn", "ClientBytes",
 * "ClientPackets", "TargetBytes", "TargetPackets", "StartTime",
 * "LastPacketTime", "ConnectMicroseconds"}, …], "NextMarker"}. The ARN of what
 * was deleted under its flows is missing.
 */
#ifndef SLUICE_FLOW_SCAN_H
#define SLUICE_FLOW_SCAN_H

#include "control/action.h"
#include "control/rpc.h"

#define FLOW_SCAN_ENTRIES 16384 /* of the flow table in one turn of the loop */
#define FLOW_SCAN_PAGE_MAX 1000
#define FLOW_SCAN_PAGE_DEFAULT 100

struct flow_scanner;

/** Returns 0 or -ENOMEM. All are borrowed; the loop is not kept running. */
int flow_scan_open(uv_loop_t *loop, const struct config *config, const struct model *model,
		   const struct engine *engine, struct flow_scanner **ret_scanner);
/** To be called before the loop's last run, which frees it; NULL is fine. */
void flow_scan_close(struct flow_scanner *scanner);

/**
 * Begin a scan, which ends with rpc_reply() to the client.
 *
 * Returns 0, -EINVAL with @error filled, or -ENOMEM: then nothing was begun.
 */
int flow_scan_begin(struct flow_scanner *scanner, struct rpc_client *client, const json_t *params,
		    struct action_error *error);
/** Give up the client's scan, if it has one. */
void flow_scan_forget(struct flow_scanner *scanner, const struct rpc_client *client);

#endif
