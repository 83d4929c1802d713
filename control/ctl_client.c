/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/ctl_client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define READ_BYTES 65536
#define EVENTS_MAX 65536 /* that came during calls and are kept */
#define FOREVER (-1)

struct ctl_client {
	int fd;
	json_int_t id; /* of the last request */
	char *bytes;   /* what came and is no whole line yet: bytes[start .. end) */
	size_t size, start, end, scanned;
	json_t *events;
};

/* --- messages ----------------------------------------------------------------------- */

static int fail_reply(struct ctl_error *error, const char *why)
{
	return ctl_fail(error, CTL_EXIT_IO, "sluiced answered what is no JSON-RPC: %s", why);
}

static int parse_error(const json_t *object, const char *method, struct ctl_error *error)
{
	const json_t *data = json_object_get(object, "data");
	const char *message = json_string_value(json_object_get(object, "message"));
	const char *code = json_string_value(json_object_get(data, "Code"));
	char number[32];

	if (message == NULL)
		return fail_reply(error, "an error without a message");
	if (code == NULL) {
		snprintf(number, sizeof(number), "%lld",
			 (long long)json_integer_value(json_object_get(object, "code")));
		code = number;
	}
	return ctl_fail_api(error, method, code, message);
}

static int understand(json_t *message, json_int_t id, const char *method, json_t **ret_value,
		      struct ctl_error *error)
{
	json_t *reply_id = json_object_get(message, "id");
	json_t *result = json_object_get(message, "result");
	json_t *failure = json_object_get(message, "error");

	if (json_is_string(json_object_get(message, "method"))) {
		*ret_value = json_incref(json_object_get(message, "params"));
		return json_is_object(*ret_value) ? 1 : fail_reply(error, "an event that is none");
	}
	if (json_is_object(failure) && (json_is_null(reply_id) || json_is_integer(reply_id)))
		return parse_error(failure, method, error);
	if (!json_is_integer(reply_id) || json_integer_value(reply_id) != id)
		return fail_reply(error, "not the reply to our request");
	if (result == NULL)
		return fail_reply(error, "neither a result nor an error");
	*ret_value = json_incref(result);
	return 0;
}

int ctl_client_parse(const char *line, size_t len, json_int_t id, const char *method,
		     json_t **ret_value, struct ctl_error *error)
{
	json_t *message, *value = NULL;
	json_error_t where;
	int r;

	message = json_loadb(line, len, 0, &where);
	if (message == NULL)
		return fail_reply(error, json_error_code(&where) == json_error_invalid_utf8
						 ? "invalid UTF-8"
						 : where.text);
	r = understand(message, id, method, &value, error);
	json_decref(message);
	if (r < 0)
		json_decref(value);
	else
		*ret_value = value;
	return r;
}

/* --- bytes ---------------------------------------------------------------------------- */

static int fail_gone(struct ctl_error *error, const char *method)
{
	if (method == NULL)
		return ctl_fail(error, CTL_EXIT_IO, "sluiced closed the connection");
	return ctl_fail(
		error, CTL_EXIT_IO, "sluiced closed the connection before it answered %s%s", method,
		strncmp(method, "Describe", 8) == 0 ? "" : ": it may have been done or not");
}

static int send_all(struct ctl_client *client, const char *bytes, size_t len, const char *method,
		    struct ctl_error *error)
{
	ssize_t n;

	while (len > 0) {
		n = send(client->fd, bytes, len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
			return 0; /* why it hung up may be there to read */
		if (n < 0 && errno == EAGAIN)
			return ctl_fail(error, CTL_EXIT_IO, "sluiced did not take %s in %d s",
					method, CTL_TIMEOUT_MS / 1000);
		if (n < 0)
			return ctl_fail(error, CTL_EXIT_IO, "sending to sluiced: %s",
					strerror(errno));
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

static int grow(struct ctl_client *client, struct ctl_error *error)
{
	size_t size;
	char *bytes;

	if (client->start > 0) {
		memmove(client->bytes, client->bytes + client->start, client->end - client->start);
		client->end -= client->start;
		client->scanned -= client->start;
		client->start = 0;
	}
	if (client->size - client->end >= READ_BYTES)
		return 0;
	if (client->end > CTL_REPLY_MAX)
		return ctl_fail(error, CTL_EXIT_IO, "sluiced answered more than %zu MiB",
				CTL_REPLY_MAX >> 20);
	size = client->size * 2 + READ_BYTES;
	bytes = realloc(client->bytes, size);
	if (bytes == NULL)
		return ctl_fail_memory(error);
	client->bytes = bytes;
	client->size = size;
	return 0;
}

/* @method is NULL while no reply is due. */
static int receive(struct ctl_client *client, int timeout_ms, const char *method,
		   struct ctl_error *error)
{
	struct pollfd ready = {.fd = client->fd, .events = POLLIN};
	ssize_t n;
	int r;

	r = grow(client, error);
	if (r < 0)
		return r;
	do {
		r = poll(&ready, 1, timeout_ms);
	} while (r < 0 && errno == EINTR);
	if (r == 0)
		return ctl_fail(error, CTL_EXIT_IO, "sluiced did not answer %s in %d s", method,
				timeout_ms / 1000);
	do {
		n = read(client->fd, client->bytes + client->end, client->size - client->end);
	} while (n < 0 && errno == EINTR);
	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return fail_gone(error, method);
	if (n < 0)
		return ctl_fail(error, CTL_EXIT_IO, "reading from sluiced: %s", strerror(errno));
	client->end += (size_t)n;
	return 0;
}

/* The next line, which stays valid until the next call. */
static int next_line(struct ctl_client *client, int timeout_ms, const char *method,
		     const char **ret_line, size_t *ret_len, struct ctl_error *error)
{
	const char *newline;
	int r;

	for (;;) {
		newline = client->scanned == client->end
				  ? NULL
				  : memchr(client->bytes + client->scanned, '\n',
					   client->end - client->scanned);
		if (newline != NULL)
			break;
		client->scanned = client->end;
		r = receive(client, timeout_ms, method, error);
		if (r < 0)
			return r;
	}
	*ret_line = client->bytes + client->start;
	*ret_len = (size_t)(newline - *ret_line);
	client->start += *ret_len + 1;
	client->scanned = client->start;
	return 0;
}

/* --- calls ------------------------------------------------------------------------------ */

static int await_reply(struct ctl_client *client, const char *method, json_t **ret_result,
		       struct ctl_error *error)
{
	const char *line;
	json_t *value;
	size_t len;
	int r;

	for (;;) {
		r = next_line(client, CTL_TIMEOUT_MS, method, &line, &len, error);
		if (r == 0)
			r = ctl_client_parse(line, len, client->id, method, &value, error);
		if (r < 0)
			return r;
		if (r == 0) {
			*ret_result = value;
			return 0;
		}
		if (json_array_size(client->events) == EVENTS_MAX)
			json_array_remove(client->events, 0);
		if (json_array_append_new(client->events, value) < 0)
			return ctl_fail_memory(error);
	}
}

int ctl_client_call(struct ctl_client *client, const char *method, const json_t *params,
		    json_t **ret_result, struct ctl_error *error)
{
	json_t *request;
	char *text = NULL;
	size_t len;
	int r;

	request = json_pack("{s:s, s:I, s:s, s:O}", "jsonrpc", "2.0", "id", ++client->id, "method",
			    method, "params", params);
	if (request != NULL)
		text = json_dumps(request, JSON_COMPACT);
	json_decref(request);
	if (text == NULL)
		return ctl_fail(error, CTL_EXIT_IO, "out of memory, or '%.40s' is not UTF-8",
				method);
	len = strlen(text);
	if (len > CTL_REQUEST_MAX) {
		r = ctl_fail(error, CTL_EXIT_USAGE,
			     "the request has %zu bytes; sluiced takes %d at most: split it", len,
			     CTL_REQUEST_MAX);
	} else {
		text[len] = '\n'; /* in the place of the NUL */
		r = send_all(client, text, len + 1, method, error);
	}
	free(text);
	return r == 0 ? await_reply(client, method, ret_result, error) : r;
}

int ctl_client_turn_page(const char *method, json_t *params, const json_t *result,
			 struct ctl_error *error)
{
	json_t *next = json_object_get(result, "NextMarker");

	if (!json_is_string(next) || *json_string_value(next) == '\0')
		return 0;
	if (json_equal(next, json_object_get(params, "Marker")))
		return ctl_fail(error, CTL_EXIT_IO, "sluiced gave the same page of %s twice",
				method);
	json_object_set(params, "Marker", next);
	return 1;
}

int ctl_client_list(struct ctl_client *client, const char *method, json_t *params, const char *list,
		    json_t **ret_list, struct ctl_error *error)
{
	json_t *all = json_array(), *result, *page;
	int r;

	do {
		r = ctl_client_call(client, method, params, &result, error);
		if (r < 0)
			break;
		page = json_object_get(result, list);
		if (json_is_array(page))
			r = json_array_extend(all, page);
		r = r < 0 ? ctl_fail_memory(error)
			  : ctl_client_turn_page(method, params, result, error);
		json_decref(result);
	} while (r > 0);
	if (r < 0)
		json_decref(all);
	else
		*ret_list = all;
	return r;
}

int ctl_client_event(struct ctl_client *client, json_t **ret_event, struct ctl_error *error)
{
	const char *line;
	json_t *value;
	size_t len;
	int r;

	if (json_array_size(client->events) > 0) {
		*ret_event = json_incref(json_array_get(client->events, 0));
		json_array_remove(client->events, 0);
		return 0;
	}
	do {
		r = next_line(client, FOREVER, NULL, &line, &len, error);
		if (r == 0)
			r = ctl_client_parse(line, len, client->id, "Watch", &value, error);
		if (r == 0) /* a second reply to a request: not an event */
			json_decref(value);
	} while (r == 0);
	if (r < 0)
		return r;
	*ret_event = value;
	return 0;
}

/* --- connection --------------------------------------------------------------------------- */

static int fail_connect(struct ctl_error *error, const char *path, int number)
{
	const char *hint = "";

	if (number == ENOENT || number == ECONNREFUSED)
		hint = ": is sluiced running, and is this its socket (--socket)?";
	else if (number == EACCES)
		hint = ": you must be root or in the group of its config's socket_group";
	return ctl_fail(error, CTL_EXIT_IO, "cannot connect to sluiced at %s: %s%s", path,
			strerror(number), hint);
}

int ctl_client_open(const char *path, struct ctl_client **ret_client, struct ctl_error *error)
{
	const struct timeval timeout = {.tv_sec = CTL_TIMEOUT_MS / 1000};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct ctl_client *client;
	int r;

	if (strlen(path) >= sizeof(address.sun_path))
		return ctl_fail(error, CTL_EXIT_USAGE, "the socket's path is longer than %zu bytes",
				sizeof(address.sun_path) - 1);
	memcpy(address.sun_path, path, strlen(path));
	client = calloc(1, sizeof(*client));
	if (client == NULL)
		return ctl_fail_memory(error);
	client->events = json_array();
	client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (client->fd < 0 || client->events == NULL) {
		r = ctl_fail(error, CTL_EXIT_IO, "no socket: %s", strerror(errno));
		goto fail;
	}
	/* holds for connect() too, when sluiced has its hands full */
	setsockopt(client->fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	if (connect(client->fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		r = fail_connect(error, path, errno);
		goto fail;
	}
	*ret_client = client;
	return 0;
fail:
	ctl_client_close(client);
	return r;
}

void ctl_client_close(struct ctl_client *client)
{
	if (client == NULL)
		return;
	if (client->fd >= 0)
		close(client->fd);
	json_decref(client->events);
	free(client->bytes);
	free(client);
}
