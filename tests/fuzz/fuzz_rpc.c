/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any bytes on the control socket, in pieces of any size: the first byte of the
 * input chooses the size. Cutting into lines must not depend on the pieces, and
 * each line gives a request or a reply that can be sent.
 */
#include "control/rpc_message.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void check_message(json_t *message)
{
	json_t *back;
	size_t len = 0;
	char *line;

	require(message != NULL);
	line = rpc_message_line(message, &len);
	require(line != NULL && len > 1 && memchr(line, '\n', len) == line + len - 1);
	back = json_loadb(line, len - 1, JSON_REJECT_DUPLICATES, NULL);
	require(back != NULL);
	require(strcmp(json_string_value(json_object_get(back, "jsonrpc")), "2.0") == 0);
	json_decref(back);
	free(line);
	json_decref(message);
}

/* Returns whether the sender may send more. */
static bool check_line(const char *line, size_t len)
{
	struct rpc_request request;
	json_t *reply = NULL;
	int r;

	r = rpc_request_parse(line, len, &request, &reply);
	if (r < 0) {
		require(r == -EINVAL || r == -EBADMSG);
		check_message(reply);
		return r == -EINVAL;
	}
	require(request.method != NULL && reply == NULL);
	require(request.params == NULL || json_is_object(request.params));
	if (request.id != NULL) {
		check_message(rpc_message_result(request.id, json_object()));
		check_message(rpc_message_error(request.id, RPC_SERVER_ERROR, request.method,
						"Sender", "ValidationError"));
	}
	rpc_request_clear(&request);
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rpc_lines lines = {.bytes = NULL};
	size_t piece, at, len, expected = 0;
	bool open = true, ready;
	const char *line;
	int r;

	if (size < 2)
		return 0;
	piece = (size_t)data[0] + 1;
	data++;
	size--;
	for (at = 0; open && at < size; at += piece) {
		if (piece > size - at)
			piece = size - at;
		require(rpc_lines_feed(&lines, (const char *)data + at, piece) == 0);
		for (;;) {
			ready = rpc_lines_ready(&lines);
			r = rpc_lines_next(&lines, &line, &len);
			require(ready == (r != 0));
			if (r <= 0)
				break;
			/* the same line stands in the input, behind the last one */
			while (data[expected] == '\n')
				expected++;
			require(len > 0 && memcmp(line, data + expected, len) == 0);
			require(data[expected + len] == '\n');
			expected += len + 1;
			open = open && check_line(line, len);
		}
	}
	rpc_lines_free(&lines);
	return 0;
}
