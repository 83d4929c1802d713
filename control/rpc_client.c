/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/rpc_client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void note(struct rpc_client *client, const char *text)
{
	client->server->on.note(client->server->on.context, text);
}

/* Bytes of client->writing that the system has not taken yet. */
static size_t left_to_write(const struct rpc_client *client)
{
	return uv_stream_get_write_queue_size((const uv_stream_t *)&client->pipe);
}

/* Bytes that the peer has not taken yet. */
static size_t unsent(const struct rpc_client *client)
{
	return client->held_bytes + client->out_len + left_to_write(client);
}

static bool may_run(const struct rpc_client *client)
{
	return !client->closing && !client->ending && !client->busy &&
	       unsent(client) < RPC_QUEUE_PAUSE;
}

static void want_flush(struct rpc_client *client)
{
	struct rpc_server *server = client->server;

	if (client->to_flush || client->closing)
		return;
	client->to_flush = true;
	TAILQ_INSERT_TAIL(&server->flush, client, flush_link);
	rpc_server_wake(server);
}

/* --- the end -------------------------------------------------------------------- */

static void clear_held(struct rpc_client *client)
{
	struct rpc_held *held;

	while ((held = STAILQ_FIRST(&client->held)) != NULL) {
		STAILQ_REMOVE_HEAD(&client->held, link);
		json_decref(held->id);
		free(held);
	}
	client->held_bytes = 0;
}

static void closed(uv_handle_t *handle)
{
	struct rpc_client *client = handle->data;
	struct rpc_server *server = client->server;

	clear_held(client);
	rpc_lines_free(&client->lines);
	json_decref(client->id);
	free(client->writing);
	free(client->out);
	free(client);
	rpc_server_client_closed(server);
}

void rpc_client_close(struct rpc_client *client)
{
	struct rpc_server *server = client->server;

	if (client->closing)
		return;
	client->closing = true;
	server->n_clients--;
	TAILQ_REMOVE(&server->clients, client, link);
	if (client->is_ready)
		TAILQ_REMOVE(&server->ready, client, ready_link);
	if (client->to_flush)
		TAILQ_REMOVE(&server->flush, client, flush_link);
	client->is_ready = client->to_flush = false;
	server->on.gone(server->on.context, client);
	uv_close((uv_handle_t *)&client->pipe, closed);
}

/* --- reading ---------------------------------------------------------------------- */

static void offer_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
	struct rpc_client *client = handle->data;

	(void)suggested;
	*buffer = uv_buf_init(client->server->buffer, RPC_READ_SIZE);
}

static void received(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer);

/* Bring all that follows from the client's state about: who may change it, calls this last. */
static void settle(struct rpc_client *client)
{
	struct rpc_server *server = client->server;
	bool ready, read;

	if (client->closing)
		return;
	ready = rpc_lines_ready(&client->lines);
	if (client->eof && !ready && !client->busy)
		client->ending = true;
	if (client->ending && !client->busy && unsent(client) == 0) {
		rpc_client_close(client);
		return;
	}
	if (ready && may_run(client) && !client->is_ready) {
		client->is_ready = true;
		TAILQ_INSERT_TAIL(&server->ready, client, ready_link);
		rpc_server_wake(server);
	}
	/* at most one unfinished line is kept, and what comes with its end in one read */
	read = may_run(client) && !ready && !client->eof;
	if (read && !client->reading)
		uv_read_start((uv_stream_t *)&client->pipe, offer_buffer, received);
	else if (!read && client->reading)
		uv_read_stop((uv_stream_t *)&client->pipe);
	client->reading = read;
}

static void received(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
	struct rpc_client *client = stream->data;

	if (n == UV_EOF) { /* what follows the last newline is half a line: not for us */
		client->eof = true;
	} else if (n < 0) {
		rpc_client_close(client);
		return;
	} else if (rpc_lines_feed(&client->lines, buffer->base, (size_t)n) < 0) {
		note(client, "control client cut off: out of memory");
		rpc_client_close(client);
		return;
	}
	settle(client);
}

void rpc_client_start(struct rpc_client *client)
{
	settle(client);
}

void rpc_client_end(struct rpc_client *client)
{
	client->ending = true;
	settle(client);
}

/* --- running ------------------------------------------------------------------------ */

/* Keep a line until the commit; takes the reference of @id. */
static void hold(struct rpc_client *client, json_t *id, const char *line, size_t len)
{
	struct rpc_held *held;

	held = malloc(sizeof(*held) + len);
	if (held == NULL) {
		json_decref(id);
		note(client, "control client cut off: out of memory");
		rpc_client_close(client);
		return;
	}
	held->id = id;
	held->len = len;
	memcpy(held->line, line, len);
	STAILQ_INSERT_TAIL(&client->held, held, link);
	client->held_bytes += len;
	want_flush(client);
}

/* Takes both references. */
static void hold_message(struct rpc_client *client, json_t *id, json_t *message)
{
	size_t len = 0;
	char *line = NULL;

	if (message != NULL)
		line = rpc_message_line(message, &len);
	json_decref(message);
	if (line == NULL) {
		json_decref(id);
		note(client, "control client cut off: no memory for its reply");
		rpc_client_close(client);
		return;
	}
	hold(client, id, line, len);
	free(line);
}

/* Refuse what could not be read; the client is not trusted with another line. */
static void run_too_long(struct rpc_client *client)
{
	char text[64];

	snprintf(text, sizeof(text), "A message must not be longer than %d bytes", RPC_MESSAGE_MAX);
	note(client, "control client cut off: its message is too long");
	client->ending = true;
	hold_message(
		client, NULL,
		rpc_message_error(NULL, RPC_INVALID_REQUEST, text, "Sender", "ValidationError"));
}

static void run_line(struct rpc_client *client, const char *line, size_t len)
{
	struct rpc_server *server = client->server;
	struct rpc_request request;
	json_t *reply = NULL;
	int r;

	r = rpc_request_parse(line, len, &request, &reply);
	if (r == 0) {
		client->id = json_incref(request.id);
		client->busy = true;
		server->uncommitted = true;
		server->on.call(server->on.context, client, &request);
		rpc_request_clear(&request);
		return;
	}
	if (r != -EINVAL) {
		note(client, "control client cut off: it does not send JSON");
		client->ending = true;
	}
	hold_message(client, NULL, reply); /* NULL when out of memory: closes */
}

void rpc_client_run(struct rpc_client *client)
{
	const char *line;
	unsigned int i;
	size_t len;
	int r;

	for (i = 0; i < RPC_TURN_REQUESTS && may_run(client); i++) {
		r = rpc_lines_next(&client->lines, &line, &len);
		if (r == 0)
			break;
		if (r < 0)
			run_too_long(client);
		else
			run_line(client, line, len);
	}
	settle(client);
}

/* Hold the answer of the request being run; takes the reference of @message. */
static void answer(struct rpc_client *client, json_t *message)
{
	json_t *id = client->id;

	client->id = NULL;
	client->busy = false;
	if (id != NULL)
		hold_message(client, id, message);
	else
		json_decref(message);
	want_flush(client); /* also without an answer: the next request may run */
}

void rpc_reply(struct rpc_client *client, json_t *result)
{
	if (result == NULL) {
		rpc_reply_error(client, RPC_SERVER_ERROR, "Out of memory", "Receiver",
				"InternalFailure");
		return;
	}
	if (client->id == NULL) {
		json_decref(result);
		answer(client, NULL);
		return;
	}
	answer(client, rpc_message_result(client->id, result));
}

void rpc_reply_error(struct rpc_client *client, enum rpc_code code, const char *message,
		     const char *type, const char *name)
{
	json_t *reply;

	if (client->id == NULL) {
		answer(client, NULL);
		return;
	}
	reply = rpc_message_error(client->id, code, message, type, name);
	if (reply == NULL) /* a text that quotes half a character */
		reply = rpc_message_error(client->id, code, name, type, name);
	answer(client, reply);
}

void rpc_notify(struct rpc_client *client, const char *line, size_t len)
{
	if (client->closing || client->ending)
		return;
	if (unsent(client) + len > RPC_QUEUE_MAX) {
		note(client, "control client cut off: it reads too slowly for its events");
		rpc_client_close(client);
		return;
	}
	hold(client, NULL, line, len);
}

/* --- writing -------------------------------------------------------------------------- */

static int append(struct rpc_client *client, const char *bytes, size_t len)
{
	size_t size = client->out_size;
	char *grown;

	if (client->out_len + len > size) {
		for (size += 1024; size < client->out_len + len; size *= 2)
			;
		grown = realloc(client->out, size);
		if (grown == NULL)
			return -ENOMEM;
		client->out = grown;
		client->out_size = size;
	}
	memcpy(client->out + client->out_len, bytes, len);
	client->out_len += len;
	return 0;
}

static int append_failure(struct rpc_client *client, json_t *id, int error)
{
	char text[128];
	json_t *message;
	char *line = NULL;
	size_t len;
	int r = -ENOMEM;

	snprintf(text, sizeof(text), "The change could not be stored (%s); nothing was changed",
		 strerror(-error));
	message = rpc_message_error(id, RPC_SERVER_ERROR, text, "Receiver", "InternalFailure");
	if (message != NULL)
		line = rpc_message_line(message, &len);
	if (line != NULL)
		r = append(client, line, len);
	free(line);
	json_decref(message);
	return r;
}

static void written(uv_write_t *write, int status);

static void start_write(struct rpc_client *client)
{
	struct rpc_server *server = client->server;
	uv_buf_t buffer;

	if (client->writing != NULL || client->out_len == 0)
		return;
	client->writing = client->out;
	buffer = uv_buf_init(client->out, (unsigned int)client->out_len);
	client->progress_ms = uv_now(server->loop);
	client->left = client->out_len;
	client->out = NULL;
	client->out_len = client->out_size = 0;
	client->write.data = client;
	if (uv_write(&client->write, (uv_stream_t *)&client->pipe, &buffer, 1, written) < 0)
		rpc_client_close(client);
	else
		rpc_server_watch_writes(server);
}

static void written(uv_write_t *write, int status)
{
	struct rpc_client *client = write->data;

	if (client->closing) /* closed() frees the rest */
		return;
	free(client->writing);
	client->writing = NULL;
	if (status < 0) {
		rpc_client_close(client);
		return;
	}
	start_write(client);
	settle(client);
}

void rpc_client_flush(struct rpc_client *client, int error)
{
	struct rpc_held *held;
	int r = 0;

	STAILQ_FOREACH(held, &client->held, link)
	{
		if (error != 0 && held->id != NULL)
			r = append_failure(client, held->id, error);
		else
			r = append(client, held->line, held->len);
		if (r < 0)
			break;
	}
	clear_held(client);
	if (r < 0) {
		note(client, "control client cut off: out of memory");
		rpc_client_close(client);
		return;
	}
	start_write(client);
	settle(client);
}

void rpc_client_check_progress(struct rpc_client *client, uint64_t now_ms)
{
	if (client->writing == NULL)
		return;
	if (left_to_write(client) != client->left) {
		client->left = left_to_write(client);
		client->progress_ms = now_ms;
	} else if (now_ms - client->progress_ms >= client->server->options.write_timeout_ms) {
		note(client, "control client cut off: it does not read its replies");
		rpc_client_close(client);
	}
}
