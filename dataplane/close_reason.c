/* SPDX-License-Identifier: BSD-3-Clause */
/* Names of the close reasons: apart from the engine, for those who only read records. */
#include "engine.h"

const char *engine_close_reason_name(enum engine_close_reason reason)
{
	static const char *const names[ENGINE_CLOSE_COUNT] = {
		[ENGINE_CLOSE_FIN] = "fin",
		[ENGINE_CLOSE_RST_CLIENT] = "rst_client",
		[ENGINE_CLOSE_RST_TARGET] = "rst_target",
		[ENGINE_CLOSE_IDLE] = "idle",
		[ENGINE_CLOSE_SYN_TIMEOUT] = "syn_timeout",
		[ENGINE_CLOSE_EVICTED] = "evicted",
		[ENGINE_CLOSE_RST_LB_UNHEALTHY] = "rst_lb_unhealthy",
		[ENGINE_CLOSE_RST_LB_DEREG] = "rst_lb_dereg",
		[ENGINE_CLOSE_NO_TARGET] = "no_target",
		[ENGINE_CLOSE_PORT_ALLOC] = "port_alloc",
		[ENGINE_CLOSE_TABLE_FULL] = "table_full",
	};

	return (unsigned int)reason < ENGINE_CLOSE_COUNT ? names[reason] : "unknown";
}
