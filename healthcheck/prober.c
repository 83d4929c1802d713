/* SPDX-License-Identifier: BSD-3-Clause */
#include "healthcheck/prober.h"

#include "healthcheck/messages.h"
#include "healthcheck/probe.h"
#include "healthcheck/schedule.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <uthash.h>
#include <uv.h>

#define READ_BATCH 64 /* messages; then timers and answers get their turn */

struct prober;

struct check {
	struct prober *prober;
	struct probe_put put;
	struct probe *probe; /* NULL between probes */
	uint64_t begun_ms;   /* the last probe */
	uint32_t port_cursor;
	uv_timer_t timer; /* to the end of the probe, or between probes to the next: a timeout is
			     never longer than the interval */
	struct probe_report report;
	bool has_report; /* in the queue */
	STAILQ_ENTRY(check) queue;
	UT_hash_handle hh; /* by put.id */
};

struct prober {
	uv_loop_t loop;
	uv_poll_t socket;
	uv_timer_t heartbeat;
	int fd;
	struct probe_pool *pool;
	struct check *checks;
	STAILQ_HEAD(, check) reports; /* to be sent */
	bool has_heartbeat;	      /* to be sent, before the reports */
	bool stopped;
	int result;
};

static void on_socket(uv_poll_t *poll, int status, int events);

/* --- the end ------------------------------------------------------------------------------ */

static void on_check_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void drop_report(struct check *check)
{
	if (check->has_report)
		STAILQ_REMOVE(&check->prober->reports, check, check, queue);
	check->has_report = false;
}

static void remove_check(struct check *check)
{
	drop_report(check);
	probe_cancel(check->probe);
	HASH_DEL(check->prober->checks, check);
	uv_close((uv_handle_t *)&check->timer, on_check_closed);
}

/* Nothing is left to do on the loop then, and it ends. */
static void stop(struct prober *prober, int result)
{
	struct check *check, *next;

	if (prober->stopped)
		return;
	prober->stopped = true;
	prober->result = result;
	HASH_ITER (hh, prober->checks, check, next)
		remove_check(check);
	probe_pool_close(prober->pool);
	uv_close((uv_handle_t *)&prober->heartbeat, NULL);
	uv_close((uv_handle_t *)&prober->socket, NULL);
}

/* --- to sluiced --------------------------------------------------------------------------- */

static int send_message(const struct prober *prober, const struct message *message)
{
	ssize_t n = send(prober->fd, message, messages_size(message->type),
			 MSG_DONTWAIT | MSG_NOSIGNAL);

	return n < 0 ? -errno : 0;
}

static int send_waiting(struct prober *prober)
{
	struct message message = {.type = MESSAGE_HEARTBEAT};
	struct check *check;
	int r;

	if (prober->has_heartbeat) {
		r = send_message(prober, &message);
		if (r < 0)
			return r;
		prober->has_heartbeat = false;
	}
	message.type = MESSAGE_REPORT;
	while ((check = STAILQ_FIRST(&prober->reports)) != NULL) {
		message.report = check->report;
		r = send_message(prober, &message);
		if (r < 0)
			return r;
		STAILQ_REMOVE_HEAD(&prober->reports, queue);
		check->has_report = false;
	}
	return 0;
}

/* Send what the socket takes, and the rest when it takes more. */
static void flush(struct prober *prober)
{
	int events = UV_READABLE;
	int r = send_waiting(prober);

	if (r == -EAGAIN || r == -ENOBUFS)
		events |= UV_WRITABLE;
	else if (r < 0)
		return stop(prober, r == -EPIPE || r == -ECONNRESET ? 0 : r);
	r = uv_poll_start(&prober->socket, events, on_socket);
	if (r < 0)
		stop(prober, r);
}

static void on_heartbeat(uv_timer_t *timer)
{
	struct prober *prober = timer->data;

	prober->has_heartbeat = true;
	flush(prober);
}

/* --- probes ------------------------------------------------------------------------------- */

static void begin_probe(uv_timer_t *timer);

static void wait_for_next(struct check *check, enum probe_result result)
{
	struct prober *prober = check->prober;
	uint64_t due = schedule_next(check->put.id, check->put.interval_ms, check->begun_ms);
	uint64_t now, retry;

	uv_update_time(&prober->loop);
	now = uv_now(&prober->loop);
	retry = now + PROBER_RETRY_MS;
	if (messages_verdict(result) == PROBE_OWN_FAULT && retry < due)
		due = retry;
	uv_timer_start(&check->timer, begin_probe, due > now ? due - now : 0, 0);
}

static void on_outcome(void *context, const struct probe_outcome *outcome)
{
	struct check *check = context;

	check->probe = NULL;
	check->report = (struct probe_report){
		.id = check->put.id,
		.generation = check->put.generation,
		.result = outcome->result,
		.duration_us = outcome->duration_us,
		.error = (uint32_t)outcome->error,
		.http_status = outcome->http_status,
	};
	if (!check->has_report)
		STAILQ_INSERT_TAIL(&check->prober->reports, check, queue);
	check->has_report = true;
	wait_for_next(check, outcome->result);
	flush(check->prober); /* may end it all */
}

static void end_probe(uv_timer_t *timer)
{
	struct check *check = timer->data;

	probe_expire(check->probe);
}

static void begin_probe(uv_timer_t *timer)
{
	struct check *check = timer->data;
	struct prober *prober = check->prober;
	struct probe_outcome outcome;

	uv_update_time(&prober->loop);
	check->begun_ms = uv_now(&prober->loop);
	check->probe = probe_start(prober->pool, &check->put, &check->port_cursor, on_outcome,
				   check, &outcome);
	if (check->probe == NULL)
		on_outcome(check, &outcome);
	else
		uv_timer_start(&check->timer, end_probe, check->put.timeout_ms, 0);
}

/* --- from sluiced ------------------------------------------------------------------------- */

static struct check *find_check(struct prober *prober, uint64_t id)
{
	struct check *check;

	HASH_FIND(hh, prober->checks, &id, sizeof(id), check);
	return check;
}

static int put_check(struct prober *prober, const struct probe_put *put)
{
	struct check *check = find_check(prober, put->id);

	if (check != NULL) {
		drop_report(check);
		probe_cancel(check->probe);
		check->probe = NULL;
		check->put = *put;
	} else {
		check = calloc(1, sizeof(*check));
		if (check == NULL)
			return -ENOMEM;
		check->prober = prober;
		check->put = *put;
		check->port_cursor = (uint32_t)put->id; /* targets begin at different ports */
		uv_timer_init(&prober->loop, &check->timer);
		check->timer.data = check;
		HASH_ADD(hh, prober->checks, put.id, sizeof(check->put.id), check);
	}
	begin_probe(&check->timer);
	return 0;
}

/* Returns 1 when there was a message, 0 when there is none, or a negative errno. */
static int take_message(struct prober *prober)
{
	struct message message;
	struct check *check;
	ssize_t len;
	int r;

	len = recv(prober->fd, &message, sizeof(message), MSG_DONTWAIT | MSG_TRUNC);
	if (len < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (len == 0)
		return -EPIPE; /* closed */
	r = messages_decode(&message, (size_t)len, false, &message);
	if (r < 0)
		return r;
	if (message.type == MESSAGE_PUT) {
		r = put_check(prober, &message.put);
	} else {
		check = find_check(prober, message.remove.id);
		if (check != NULL)
			remove_check(check);
	}
	return r < 0 ? r : 1;
}

static void on_socket(uv_poll_t *poll, int status, int events)
{
	struct prober *prober = poll->data;
	/* libuv's word for an error of the socket: sluiced closed it with reports unread */
	int r = status < 0 ? -ECONNRESET : 1;
	int i;

	if (events & UV_WRITABLE)
		flush(prober);
	for (i = 0; i < READ_BATCH && r > 0 && !prober->stopped; i++)
		r = take_message(prober);
	if (r < 0)
		stop(prober, r == -EPIPE || r == -ECONNRESET ? 0 : r);
}

/* --- */

static int open_handles(struct prober *prober)
{
	int r;

	r = uv_poll_init(&prober->loop, &prober->socket, prober->fd);
	if (r < 0)
		return r;
	uv_timer_init(&prober->loop, &prober->heartbeat);
	prober->socket.data = prober;
	prober->heartbeat.data = prober;
	r = probe_pool_open(&prober->loop, &prober->pool);
	if (r == 0)
		r = uv_timer_start(&prober->heartbeat, on_heartbeat, 0, MESSAGES_HEARTBEAT_MS);
	if (r == 0)
		r = uv_poll_start(&prober->socket, UV_READABLE, on_socket);
	if (r < 0)
		stop(prober, r);
	return r;
}

int prober_run(int fd)
{
	struct prober prober = {.fd = fd};
	int r;

	STAILQ_INIT(&prober.reports);
	r = uv_loop_init(&prober.loop);
	if (r < 0)
		return r;
	r = open_handles(&prober);
	uv_run(&prober.loop, UV_RUN_DEFAULT); /* closes handles, too */
	uv_loop_close(&prober.loop);
	return r < 0 ? r : prober.result;
}
