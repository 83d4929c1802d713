/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/rpc.h"

#include "control/rpc_client.h"
#include "control/rpc_socket.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 4096	  /* the system's net.core.somaxconn may be less */
#define PROGRESS_CHECKS 8 /* in one write timeout */
#define PROGRESS_MIN_MS 10

/* --- turns -------------------------------------------------------------------------- */

static void nothing(uv_idle_t *idle)
{
	(void)idle;
}

void rpc_server_wake(struct rpc_server *server)
{
	if (!server->closed)
		uv_idle_start(&server->idle, nothing); /* the poll of this turn does not wait */
}

void rpc_commit_soon(struct rpc_server *server)
{
	server->uncommitted = true;
	rpc_server_wake(server);
}

static void run_ready(struct rpc_server *server)
{
	struct rpc_client *last = TAILQ_LAST(&server->ready, rpc_client_list);
	struct rpc_client *client;

	/* those that come to the list again by running wait for the next turn */
	while ((client = TAILQ_FIRST(&server->ready)) != NULL) {
		TAILQ_REMOVE(&server->ready, client, ready_link);
		client->is_ready = false;
		rpc_client_run(client);
		if (client == last)
			break;
	}
}

static void turn(uv_check_t *check)
{
	struct rpc_server *server = check->data;
	struct rpc_client *client;
	int r = 0;

	run_ready(server);
	if (server->uncommitted) {
		server->uncommitted = false;
		r = server->on.commit(server->on.context);
	}
	while ((client = TAILQ_FIRST(&server->flush)) != NULL) {
		TAILQ_REMOVE(&server->flush, client, flush_link);
		client->to_flush = false;
		rpc_client_flush(client, r);
	}
	if (!server->closed && !server->uncommitted && TAILQ_EMPTY(&server->ready) &&
	    TAILQ_EMPTY(&server->flush))
		uv_idle_stop(&server->idle);
}

static void check_progress(uv_timer_t *timer)
{
	struct rpc_server *server = timer->data;
	uint64_t now_ms = uv_now(server->loop);
	struct rpc_client *client, *next;
	bool writing = false;

	for (client = TAILQ_FIRST(&server->clients); client != NULL; client = next) {
		next = TAILQ_NEXT(client, link);
		writing = writing || client->writing != NULL;
		if (server->stopping && now_ms >= server->stop_deadline_ms)
			rpc_client_close(client);
		else
			rpc_client_check_progress(client, now_ms);
	}
	if (!writing && !server->stopping && !server->closed)
		uv_timer_stop(timer);
}

void rpc_server_watch_writes(struct rpc_server *server)
{
	uint64_t period_ms = server->options.write_timeout_ms / PROGRESS_CHECKS;

	if (uv_is_active((uv_handle_t *)&server->timer) || server->stopping)
		return;
	if (period_ms < PROGRESS_MIN_MS)
		period_ms = PROGRESS_MIN_MS;
	uv_timer_start(&server->timer, check_progress, period_ms, period_ms);
}

/* --- connections ---------------------------------------------------------------------- */

static void turn_away(struct rpc_client *client)
{
	char text[96];
	json_t *message;
	char *line = NULL;
	uv_buf_t buffer;
	size_t len;

	snprintf(text, sizeof(text), "All %u connections that max_clients allows are in use",
		 client->server->options.max_clients);
	message = rpc_message_error(NULL, RPC_SERVER_ERROR, text, "Receiver", "ServiceUnavailable");
	if (message != NULL)
		line = rpc_message_line(message, &len);
	json_decref(message);
	if (line != NULL) {
		buffer = uv_buf_init(line, (unsigned int)len);
		uv_try_write((uv_stream_t *)&client->pipe, &buffer, 1); /* fits a fresh socket */
	}
	free(line);
}

static void discarded(uv_handle_t *handle)
{
	struct rpc_client *client = handle->data;
	struct rpc_server *server = client->server;

	free(client);
	rpc_server_client_closed(server);
}

static bool admit(struct rpc_server *server, struct rpc_client *client)
{
	char text[96];
	uid_t uid = (uid_t)-1;
	int fd;

	if (uv_accept((uv_stream_t *)&server->listener, (uv_stream_t *)&client->pipe) < 0 ||
	    uv_fileno((const uv_handle_t *)&client->pipe, &fd) < 0)
		return false;
	if (!rpc_socket_allows(fd, server->gid, &uid)) {
		snprintf(text, sizeof(text), "control client of user %ld refused: not in the group",
			 (long)uid);
		server->on.note(server->on.context, text);
		return false;
	}
	if (server->n_clients >= server->options.max_clients) {
		turn_away(client);
		return false;
	}
	return true;
}

static void connected(uv_stream_t *listener, int status)
{
	struct rpc_server *server = listener->data;
	struct rpc_client *client;

	if (status < 0) {
		server->on.note(server->on.context, "a control client could not be accepted");
		return;
	}
	client = calloc(1, sizeof(*client));
	if (client == NULL) { /* libuv keeps this connection, and takes no other */
		server->on.note(server->on.context, "no memory for control clients from now on");
		return;
	}
	client->server = server;
	STAILQ_INIT(&client->held);
	uv_pipe_init(server->loop, &client->pipe, 0);
	client->pipe.data = client;
	server->n_handles++;
	if (!admit(server, client)) {
		uv_close((uv_handle_t *)&client->pipe, discarded);
		return;
	}
	TAILQ_INSERT_TAIL(&server->clients, client, link);
	server->n_clients++;
	rpc_client_start(client);
}

unsigned int rpc_clients(const struct rpc_server *server)
{
	return server->n_clients;
}

/* --- beginning and end ------------------------------------------------------------------- */

static void handle_closed(uv_handle_t *handle)
{
	struct rpc_server *server = handle->data;

	server->n_handles--;
}

static void close_if_done(struct rpc_server *server)
{
	if (!server->stopping || server->closed || server->n_clients > 0)
		return;
	server->closed = true;
	uv_close((uv_handle_t *)&server->check, handle_closed);
	uv_close((uv_handle_t *)&server->idle, handle_closed);
	uv_close((uv_handle_t *)&server->timer, handle_closed);
}

void rpc_server_client_closed(struct rpc_server *server)
{
	server->n_handles--;
	close_if_done(server);
}

static void init_handles(struct rpc_server *server)
{
	uv_pipe_init(server->loop, &server->listener, 0);
	uv_check_init(server->loop, &server->check);
	uv_idle_init(server->loop, &server->idle);
	uv_timer_init(server->loop, &server->timer);
	server->listener.data = server->check.data = server->idle.data = server->timer.data =
		server;
	server->n_handles = 4;
}

int rpc_open(uv_loop_t *loop, const struct rpc_options *options, const struct rpc_handler *handler,
	     struct rpc_server **ret_server, char error[RPC_ERROR_MAX])
{
	struct rpc_server *server;
	int fd = -1;
	int r;

	server = calloc(1, sizeof(*server));
	if (server == NULL) {
		snprintf(error, RPC_ERROR_MAX, "out of memory");
		return -ENOMEM;
	}
	server->options = *options;
	server->on = *handler;
	server->loop = loop;
	TAILQ_INIT(&server->clients);
	TAILQ_INIT(&server->ready);
	TAILQ_INIT(&server->flush);
	r = rpc_socket_open(options->path, options->group, &fd, &server->gid, error);
	if (r < 0) {
		free(server);
		return r;
	}
	init_handles(server);
	r = listen(fd, BACKLOG) < 0 ? -errno : 0;
	if (r == 0)
		r = uv_pipe_open(&server->listener, fd);
	if (r == 0) {
		fd = -1; /* the handle's now */
		r = uv_listen((uv_stream_t *)&server->listener, BACKLOG, connected);
	}
	if (r == 0)
		r = uv_check_start(&server->check, turn);
	if (r < 0)
		goto fail;
	*ret_server = server;
	return 0;
fail:
	snprintf(error, RPC_ERROR_MAX, "control socket %.200s: %s", options->path, strerror(-r));
	if (fd >= 0)
		close(fd);
	rpc_stop(server);
	uv_run(loop, UV_RUN_NOWAIT); /* lets the closed handles go */
	rpc_free(server);
	return r;
}

void rpc_stop(struct rpc_server *server)
{
	struct rpc_client *client, *next;

	if (server->stopping)
		return;
	server->stopping = true;
	server->stop_deadline_ms = uv_now(server->loop) + RPC_STOP_TIMEOUT_MS;
	uv_close((uv_handle_t *)&server->listener, handle_closed);
	unlink(server->options.path);
	for (client = TAILQ_FIRST(&server->clients); client != NULL; client = next) {
		next = TAILQ_NEXT(client, link);
		rpc_client_end(client);
	}
	uv_timer_start(&server->timer, check_progress, RPC_STOP_TIMEOUT_MS, PROGRESS_MIN_MS);
	close_if_done(server);
}

void rpc_free(struct rpc_server *server)
{
	free(server);
}
