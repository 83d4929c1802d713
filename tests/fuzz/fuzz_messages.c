/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as a message of the prober's socket: refused, or a message that can be acted upon. */
#include "healthcheck/messages.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void check_put(const struct probe_put *put)
{
	require(put->timeout_ms >= MESSAGES_TIMEOUT_MIN_MS && put->timeout_ms <= put->interval_ms);
	require(put->port != 0 && put->n_ranges <= MESSAGES_RANGES_MAX);
	require(strlen(put->path) <= MESSAGES_PATH_MAX && strlen(put->host) <= MESSAGES_HOST_MAX);
	require(strpbrk(put->path, " \r\n\t") == NULL && strpbrk(put->host, " \r\n\t") == NULL);
	require((put->protocol != PROBE_TCP) == (put->path[0] == '/'));
	for (unsigned int i = 0; i < put->n_ranges; i++)
		require(put->ranges[i].first <= put->ranges[i].last);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct message message;
	bool from_prober = size > 0 && data[0] >= MESSAGE_REPORT;

	if (messages_decode(data, size, from_prober, &message) < 0)
		return 0;
	require(messages_size(message.type) == size);
	require(memcmp(&message, data, size) == 0);
	require(messages_decode(data, size, !from_prober, &message) < 0);
	if (message.type == MESSAGE_PUT)
		check_put(&message.put);
	if (message.type == MESSAGE_REPORT)
		require(messages_result_name(message.report.result)[0] != '\0');
	return 0;
}
