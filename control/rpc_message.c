/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/rpc_message.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXACT_INTEGERS 9007199254740992.0 /* 2^53: up to here a double tells them apart */

/* --- lines ------------------------------------------------------------------ */

int rpc_lines_feed(struct rpc_lines *lines, const char *bytes, size_t len)
{
	size_t used = lines->end - lines->start;
	size_t size;
	char *grown;

	if (lines->start > 0) {
		memmove(lines->bytes, lines->bytes + lines->start, used);
		lines->scanned -= lines->start;
		lines->start = 0;
		lines->end = used;
	}
	if (used + len > lines->size) {
		for (size = lines->size + 1024; size < used + len; size *= 2)
			;
		grown = realloc(lines->bytes, size);
		if (grown == NULL)
			return -ENOMEM;
		lines->bytes = grown;
		lines->size = size;
	}
	memcpy(lines->bytes + used, bytes, len);
	lines->end += len;
	return 0;
}

/* Returns the place of the next newline behind start, or NULL; drops empty lines. */
static const char *find_newline(struct rpc_lines *lines)
{
	const char *newline;

	for (;;) {
		if (lines->scanned == lines->end)
			return NULL;
		newline = memchr(lines->bytes + lines->scanned, '\n', lines->end - lines->scanned);
		if (newline == NULL) {
			lines->scanned = lines->end;
			return NULL;
		}
		if (newline != lines->bytes + lines->start)
			return newline;
		lines->scanned = ++lines->start;
	}
}

bool rpc_lines_ready(struct rpc_lines *lines)
{
	const char *newline = find_newline(lines);

	if (newline == NULL)
		return lines->end - lines->start > RPC_MESSAGE_MAX;
	lines->scanned = (size_t)(newline - lines->bytes); /* found at once by the next call */
	return true;
}

int rpc_lines_next(struct rpc_lines *lines, const char **ret_line, size_t *ret_len)
{
	const char *newline = find_newline(lines);
	size_t len;

	len = newline == NULL ? lines->end - lines->start
			      : (size_t)(newline - lines->bytes) - lines->start;
	if (len > RPC_MESSAGE_MAX) {
		lines->scanned = lines->start;
		return -EMSGSIZE;
	}
	if (newline == NULL) {
		if (lines->start == lines->end) /* idle: hold no memory for it */
			rpc_lines_free(lines);
		return 0;
	}
	*ret_line = lines->bytes + lines->start;
	*ret_len = len;
	lines->start += len + 1;
	lines->scanned = lines->start;
	return 1;
}

void rpc_lines_free(struct rpc_lines *lines)
{
	free(lines->bytes);
	memset(lines, 0, sizeof(*lines));
}

/* --- messages ---------------------------------------------------------------- */

/*
 * A number too large for 64 bits is some parameter out of range: let the action
 * say so, which sees a real number. The id was a whole number: keep it one.
 */
static json_t *parse_with_large_numbers(const char *line, size_t len)
{
	json_t *message, *id;
	double value;

	message = json_loadb(line, len, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, NULL);
	id = json_object_get(message, "id");
	if (json_is_real(id)) {
		value = json_real_value(id);
		if (value >= -EXACT_INTEGERS && value <= EXACT_INTEGERS &&
		    (double)(json_int_t)value == value)
			json_object_set_new(message, "id", json_integer((json_int_t)value));
	}
	return message;
}

static bool is_id(const json_t *id)
{
	return json_is_string(id) || json_is_number(id) || json_is_null(id);
}

/* What is wrong with a message; NULL when it is a request. */
static const char *find_fault(const json_t *message, enum rpc_code *ret_code)
{
	const char *version = json_string_value(json_object_get(message, "jsonrpc"));
	const json_t *id = json_object_get(message, "id");
	const json_t *params = json_object_get(message, "params");

	*ret_code = RPC_INVALID_REQUEST;
	if (json_is_array(message))
		return "Batches are not supported: send one request a line";
	if (!json_is_object(message))
		return "A request must be an object";
	if (version == NULL || strcmp(version, "2.0") != 0)
		return "'jsonrpc' must be \"2.0\"";
	if (id != NULL && !is_id(id))
		return "'id' must be a string, a number or null";
	if (!json_is_string(json_object_get(message, "method")))
		return "'method' must be a string";
	*ret_code = RPC_INVALID_PARAMS;
	if (params != NULL && !json_is_object(params))
		return "'params' must be an object";
	return NULL;
}

static int refuse(json_t *id, enum rpc_code code, const char *message, json_t **ret_reply)
{
	json_t *reply;

	reply = rpc_message_error(id, code, message, "Sender", "ValidationError");
	if (reply == NULL)
		return -ENOMEM;
	*ret_reply = reply;
	return code == RPC_PARSE_ERROR ? -EBADMSG : -EINVAL;
}

int rpc_request_parse(const char *line, size_t len, struct rpc_request *ret_request,
		      json_t **ret_reply)
{
	char text[JSON_ERROR_TEXT_LENGTH + 64];
	enum rpc_code code;
	json_error_t where;
	const char *fault;
	json_t *message;
	json_t *id;
	int r;

	message = json_loadb(line, len, JSON_REJECT_DUPLICATES, &where);
	if (message == NULL && json_error_code(&where) == json_error_numeric_overflow)
		message = parse_with_large_numbers(line, len);
	if (message == NULL) {
		/* its text may quote the line, and that may be no UTF-8 */
		snprintf(text, sizeof(text), "Not JSON, at byte %d: %s", where.position,
			 json_error_code(&where) == json_error_invalid_utf8 ? "invalid UTF-8"
									    : where.text);
		r = refuse(NULL, RPC_PARSE_ERROR, text, ret_reply);
		return r != -ENOMEM ? r : refuse(NULL, RPC_PARSE_ERROR, "Not JSON", ret_reply);
	}
	id = json_object_get(message, "id");
	fault = find_fault(message, &code);
	if (fault != NULL) {
		r = refuse(is_id(id) ? id : NULL, code, fault, ret_reply);
		json_decref(message);
		return r;
	}
	*ret_request = (struct rpc_request){
		.message = message,
		.method = json_string_value(json_object_get(message, "method")),
		.params = json_object_get(message, "params"),
		.id = id,
	};
	return 0;
}

void rpc_request_clear(struct rpc_request *request)
{
	json_decref(request->message);
	memset(request, 0, sizeof(*request));
}

json_t *rpc_message_result(json_t *id, json_t *result)
{
	return json_pack("{s:s, s:O, s:o}", "jsonrpc", "2.0", "id", id, "result", result);
}

json_t *rpc_message_error(json_t *id, enum rpc_code code, const char *message, const char *type,
			  const char *name)
{
	json_t *data;

	data = json_pack("{s:i, s:s, s:{s:s, s:s}}", "code", (int)code, "message", message, "data",
			 "Type", type, "Code", name);
	if (data == NULL)
		return NULL;
	return json_pack("{s:s, s:O, s:o}", "jsonrpc", "2.0", "id", id != NULL ? id : json_null(),
			 "error", data);
}

json_t *rpc_message_event(json_t *event)
{
	return json_pack("{s:s, s:s, s:O}", "jsonrpc", "2.0", "method", "Event", "params", event);
}

char *rpc_message_line(const json_t *message, size_t *ret_len)
{
	char *line;
	size_t len;

	line = json_dumps(message, JSON_COMPACT);
	if (line == NULL)
		return NULL;
	len = strlen(line);
	line[len] = '\n'; /* in the place of the NUL: a line has a length */
	*ret_len = len + 1;
	return line;
}
