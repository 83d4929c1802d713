/* SPDX-License-Identifier: BSD-3-Clause */
#include "healthcheck/probe.h"

#include "healthcheck/endpoint.h"
#include "healthcheck/probe_internal.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define NS_PER_US 1000u
#define NS_PER_MS 1000000u

/* No address block follows, though family and protocol say TCP over IPv4: NLB does so. The CRC32C
 * is over all 100 bytes; a NOOP fills up to the length that NLB's headers always have. */
const uint8_t probe_proxy_header[PROBE_PROXY_HEADER_LEN] = {
	0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a, /* signature */
	0x20, 0x11, 0x00, 0x54,			  /* LOCAL, 84 bytes */
	0x03, 0x00, 0x04, 0xbc, 0xe5, 0x95, 0x1f, /* CRC32C */
	0x04, 0x00, 0x4a,			  /* NOOP, 74 zeroes */
};

int probe_pool_open(uv_loop_t *loop, struct probe_pool **ret_pool)
{
	struct probe_pool *pool = calloc(1, sizeof(*pool));
	int r;

	if (pool == NULL)
		return -ENOMEM;
	pool->loop = loop;
	r = probe_http_open(pool);
	if (r < 0) {
		free(pool);
		return r;
	}
	*ret_pool = pool;
	return 0;
}

static void on_pool_closed(uv_handle_t *handle)
{
	struct probe_pool *pool = handle->data;

	probe_http_close(pool); /* not before: an outcome that closes the pool comes from libcurl */
	free(pool);
}

void probe_pool_close(struct probe_pool *pool)
{
	if (pool != NULL)
		uv_close((uv_handle_t *)&pool->timer, on_pool_closed);
}

static void on_probe_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void probe_cancel(struct probe *probe)
{
	if (probe == NULL)
		return;
	probe_http_stop(probe);
	probe->poll.data = probe;
	uv_close((uv_handle_t *)&probe->poll, on_probe_closed);
	close(probe->fd);
}

static uint64_t elapsed_ns(const struct probe *probe)
{
	return uv_hrtime() - probe->started_ns;
}

void probe_finish(struct probe *probe, enum probe_result result, int error,
		  unsigned int http_status)
{
	uint64_t duration_us = elapsed_ns(probe) / NS_PER_US;
	struct probe_outcome outcome = {
		.result = result,
		.error = error,
		.http_status = http_status,
		.duration_us = duration_us > UINT32_MAX ? UINT32_MAX : (uint32_t)duration_us,
	};
	probe_done_fn done = probe->done;
	void *context = probe->context;

	probe_cancel(probe);
	done(context, &outcome);
}

/* Whether what the probe waits for has come, unseen by the loop so far. */
static bool has_answer(const struct probe *probe)
{
	struct pollfd wanted = {
		.fd = probe->fd,
		.events = (short)((probe->events & UV_READABLE ? POLLIN : 0) |
				  (probe->events & UV_WRITABLE ? POLLOUT : 0)),
	};

	return poll(&wanted, 1, 0) > 0;
}

static int socket_error(int fd)
{
	socklen_t len = sizeof(int);
	int error = 0;

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 ? errno : error;
}

void probe_expire(struct probe *probe)
{
	uint64_t limit_ns = (uint64_t)(probe->put->timeout_ms + PROBE_STALL_MS) * NS_PER_MS;
	/* an ICMP error that the kernel did not take for the last word */
	int error = probe->easy == NULL ? socket_error(probe->fd) : 0;

	if (elapsed_ns(probe) > limit_ns && has_answer(probe))
		probe_finish(probe, PROBE_STALLED, 0, 0);
	else
		probe_finish(probe, error != 0 ? endpoint_result(error) : PROBE_TIMEOUT, error, 0);
}

/* The handshake is over, well or not. */
static void on_connected(uv_poll_t *poll, int status, int events)
{
	struct probe *probe = poll->data;
	int error = socket_error(probe->fd); /* libuv's own, EBADF, stands for any */

	(void)events;
	if (error == 0 && status < 0)
		error = -status;
	if (error == 0 && probe->put->proxy_v2 &&
	    send(probe->fd, probe_proxy_header, sizeof(probe_proxy_header), MSG_NOSIGNAL) < 0)
		error = errno; /* a part is never sent: the send buffer is empty */
	if (error != 0)
		probe_finish(probe, endpoint_result(error), error, 0);
	else if (probe->put->protocol == PROBE_TCP)
		probe_finish(probe, PROBE_OK, 0, 0);
	else
		probe_http_start(probe);
}

int probe_wait(struct probe *probe, int events, uv_poll_cb on_event)
{
	probe->events = events;
	return events == 0 ? uv_poll_stop(&probe->poll)
			   : uv_poll_start(&probe->poll, events, on_event);
}

static void free_unstarted(struct probe *probe)
{
	close(probe->fd);
	free(probe);
}

struct probe *probe_start(struct probe_pool *pool, const struct probe_put *put, uint32_t *cursor,
			  probe_done_fn done, void *context, struct probe_outcome *ret_outcome)
{
	struct probe *probe = calloc(1, sizeof(*probe));
	enum probe_result result = PROBE_NO_MEMORY;
	int r = -ENOMEM;

	if (probe == NULL)
		goto fail;
	probe->pool = pool;
	probe->put = put;
	probe->done = done;
	probe->context = context;
	probe->started_ns = uv_hrtime();
	r = endpoint_connect(put, cursor, &probe->fd, &result);
	if (r < 0) {
		free(probe);
		goto fail;
	}
	result = PROBE_INTERNAL;
	r = uv_poll_init(pool->loop, &probe->poll, probe->fd);
	if (r < 0) {
		free_unstarted(probe);
		goto fail;
	}
	probe->poll.data = probe;
	r = probe_wait(probe, UV_WRITABLE, on_connected);
	if (r < 0) {
		probe_cancel(probe);
		goto fail;
	}
	return probe;
fail:
	*ret_outcome = (struct probe_outcome){.result = result, .error = -r};
	return NULL;
}
