/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Probe: one check of one target, from the first SYN to the verdict.
 *
 * It connects, sends the PROXY header and the request if the check has them,
 * and closes as soon as it knows: a TCP check when the handshake is done, an
 * HTTP check when the head of the response is complete; no body is read. What
 * the target does costs at most PROBE_READ_MAX bytes, and the time until
 * probe_expire(). libcurl speaks HTTP and TLS, over a socket that is ours.
 *
 * All on the thread of one libuv loop.
 */
#ifndef SLUICE_PROBE_H
#define SLUICE_PROBE_H

#include "healthcheck/messages.h"

#include <uv.h>

#define PROBE_READ_MAX 32768 /* bytes until the head is complete: interim responses, TLS and all */
#define PROBE_PROXY_HEADER_LEN 100

/** A clock that runs out later than this was not looked at: what came meanwhile may have come in
 *  time. Short of it, a target that always has a byte under way would never time out. */
#define PROBE_STALL_MS 100

/** PROXY protocol v2, command LOCAL, byte for byte what NLB's health checks begin with. */
extern const uint8_t probe_proxy_header[PROBE_PROXY_HEADER_LEN];

struct probe;
struct probe_pool;

struct probe_outcome {
	enum probe_result result;
	int error;		  /* errno behind it, 0: none */
	unsigned int http_status; /* 0: none came */
	uint32_t duration_us;
};

/** The probe is over; called once unless it was cancelled, never from within probe_start(). */
typedef void (*probe_done_fn)(void *context, const struct probe_outcome *outcome);

/**
 * Make what the probes of a loop share: libcurl's multi handle, and idle easy
 * handles for reuse. curl_global_init() comes before.
 *
 * Returns 0 or -ENOMEM.
 */
int probe_pool_open(uv_loop_t *loop, struct probe_pool **ret_pool);

/** Free it; NULL is fine. No probe may run; the loop must run until its handles are closed. */
void probe_pool_close(struct probe_pool *pool);

/**
 * Start a probe.
 *
 * @put     must stay as it is until the probe is over
 * @cursor  of the source port, see endpoint_connect()
 *
 * Returns the probe; it is the pool's, and gone when @done is called or
 * probe_cancel() returns. NULL when it was over before it began: then
 * *ret_outcome has the result, and @done is not called.
 */
struct probe *probe_start(struct probe_pool *pool, const struct probe_put *put, uint32_t *cursor,
			  probe_done_fn done, void *context, struct probe_outcome *ret_outcome);

/**
 * Its time is up: it ends, by @done. In PROBE_TIMEOUT; or, when the clock ran
 * out while this process was held up, in PROBE_STALLED.
 */
void probe_expire(struct probe *probe);

/** End it without an outcome. NULL is fine. */
void probe_cancel(struct probe *probe);

#endif
