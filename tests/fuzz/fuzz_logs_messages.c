/* SPDX-License-Identifier: BSD-3-Clause */
/* What arrives on the socket between sluiced and sluice-logs, at either end. */
#include "control/logs/logs_messages.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_end(const char *text, size_t room)
{
	if (memchr(text, '\0', room) == NULL)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct logs_message message;

	for (int from_logs = 0; from_logs < 2; from_logs++) {
		if (logs_messages_decode(data, size, from_logs, &message) != 0)
			continue;
		if (logs_messages_size(message.type) != size)
			abort();
		if (message.type == LOGS_SETTINGS)
			must_end(message.settings.s3.kms_key_id,
				 sizeof(message.settings.s3.kms_key_id));
		if (message.type == LOGS_PUT)
			must_end(message.destination.prefix, sizeof(message.destination.prefix));
		if (message.type == LOGS_TESTED)
			must_end(message.tested.text, sizeof(message.tested.text));
	}
	return 0;
}
