/* SPDX-License-Identifier: BSD-3-Clause */
/* What probe.c (the connection) and probe_http.c (what is said over it) share. */
#ifndef SLUICE_PROBE_INTERNAL_H
#define SLUICE_PROBE_INTERNAL_H

#include "healthcheck/probe.h"

#include <curl/curl.h>
#include <stdbool.h>

#define PROBE_IDLE_MAX 64 /* easy handles kept for reuse */

struct probe_pool {
	uv_loop_t *loop;
	CURLM *multi;
	uv_timer_t timer; /* libcurl's */
	CURL *idle[PROBE_IDLE_MAX];
	unsigned int n_idle;
};

struct probe {
	struct probe_pool *pool;
	const struct probe_put *put;
	probe_done_fn done;
	void *context;
	uint64_t started_ns;
	uv_poll_t poll; /* of fd: first the connection's, then libcurl's */
	int events;	/* what it waits for, of UV_READABLE and UV_WRITABLE */
	int fd;
	/* HTTP and HTTPS */
	CURL *easy; /* NULL: not that far */
	struct curl_slist *headers;
	bool opened; /* libcurl was given fd */
	bool head_complete;
};

/** The probe is over with that result: free it, and tell. */
void probe_finish(struct probe *probe, enum probe_result result, int error,
		  unsigned int http_status);

/** Wait for these events of the socket from now on; 0: for none. Returns 0 or a negative errno. */
int probe_wait(struct probe *probe, int events, uv_poll_cb on_event);

/** Set up libcurl's side of a pool. Returns 0 or -ENOMEM. */
int probe_http_open(struct probe_pool *pool);
void probe_http_close(struct probe_pool *pool);

/** Go on with the request: the socket is connected. The probe may be over on return. */
void probe_http_start(struct probe *probe);

/** Take libcurl off the probe; nothing if it is not on it. */
void probe_http_stop(struct probe *probe);

#endif
