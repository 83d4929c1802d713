/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * RPC message: JSON-RPC 2.0 (jsonrpc.org/specification), one message a line.
 * Foreign bytes in, requests out; pure, no sockets, so that a fuzzer reaches
 * all of it.
 */
#ifndef SLUICE_RPC_MESSAGE_H
#define SLUICE_RPC_MESSAGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define RPC_MESSAGE_MAX (1024 * 1024) /* bytes of a request, without its newline */

/* Codes of section 5.1; an error of the API has RPC_SERVER_ERROR. */
enum rpc_code {
	RPC_PARSE_ERROR = -32700,
	RPC_INVALID_REQUEST = -32600,
	RPC_METHOD_NOT_FOUND = -32601,
	RPC_INVALID_PARAMS = -32602,
	RPC_SERVER_ERROR = -32000,
};

/* --- lines ------------------------------------------------------------------ */

/* Cuts a stream of bytes into lines. All zero is a fresh one. */
struct rpc_lines {
	char *bytes;
	size_t size, start, end; /* what is there: bytes[start .. end) */
	size_t scanned;		 /* no newline before it */
};

/** Add what was read. Returns 0 or -ENOMEM. */
int rpc_lines_feed(struct rpc_lines *lines, const char *bytes, size_t len);

/**
 * Take the next whole line out; empty ones are passed over.
 *
 * @ret_line  without its newline, not terminated; valid until the next call
 *
 * Returns 1; 0 when there is none yet; -EMSGSIZE when a line is longer than
 * RPC_MESSAGE_MAX, ended or not (then and ever after).
 */
int rpc_lines_next(struct rpc_lines *lines, const char **ret_line, size_t *ret_len);

/** Whether rpc_lines_next() would return something other than 0. */
bool rpc_lines_ready(struct rpc_lines *lines);

void rpc_lines_free(struct rpc_lines *lines); /* is then a fresh one */

/* --- messages ---------------------------------------------------------------- */

struct rpc_request {
	json_t *message; /* owned: the rest lies in it */
	const char *method;
	json_t *params; /* an object, or NULL */
	json_t *id;	/* a string, a number or null; NULL: a notification, not answered */
};

/**
 * Read one request.
 *
 * @ret_reply  what to answer when the result is -EINVAL or -EBADMSG; a new reference
 *
 * Batches are refused: a line each does the same and keeps replies small.
 * Returns 0 (free with rpc_request_clear()); -EINVAL (JSON, but no request);
 * -EBADMSG (no JSON: the sender is not to be trusted with the next line); -ENOMEM.
 */
int rpc_request_parse(const char *line, size_t len, struct rpc_request *ret_request,
		      json_t **ret_reply);
void rpc_request_clear(struct rpc_request *request);

/** A reply; takes @result over, borrows @id. NULL when out of memory. */
json_t *rpc_message_result(json_t *id, json_t *result);

/**
 * An error reply.
 *
 * @id    borrowed; NULL means null: the request could not be read
 * @type  "Sender" or "Receiver": who is to blame
 * @name  the API's error code, as "TargetGroupNotFound"
 *
 * NULL when out of memory, or when @message is no UTF-8.
 */
json_t *rpc_message_error(json_t *id, enum rpc_code code, const char *message, const char *type,
			  const char *name);

/** {"jsonrpc": "2.0", "method": "Event", "params": …}; borrows @event. */
json_t *rpc_message_event(json_t *event);

/** The line to send, newline included. Returns NULL when out of memory. */
char *rpc_message_line(const json_t *message, size_t *ret_len);

#endif
