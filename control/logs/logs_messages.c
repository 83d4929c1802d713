/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/logs/logs_messages.h"

#include <errno.h>
#include <string.h>

#define HEADER_BYTES offsetof(struct logs_message, settings)

static const struct {
	size_t body;
	bool from_logs;
} types[] = {
	[LOGS_SETTINGS] = {sizeof(struct logs_settings), false},
	[LOGS_PUT] = {sizeof(struct logs_destination), false},
	[LOGS_REMOVE] = {sizeof(struct logs_destination), false},
	[LOGS_TEST] = {sizeof(struct logs_test), false},
	[LOGS_READY] = {0, true},
	[LOGS_TESTED] = {sizeof(struct logs_tested), true},
	[LOGS_FAILED] = {sizeof(struct logs_text), true},
	[LOGS_WARNING] = {sizeof(struct logs_text), true},
};
#define TYPES (sizeof(types) / sizeof(types[0]))

size_t logs_messages_size(uint32_t type)
{
	return type >= LOGS_SETTINGS && type < TYPES ? HEADER_BYTES + types[type].body : 0;
}

#define ENDS(text) (memchr(text, '\0', sizeof(text)) != NULL)

static bool s3_is_good(const struct s3_settings *s3)
{
	return ENDS(s3->region) && ENDS(s3->endpoint) && ENDS(s3->ca_file) &&
	       ENDS(s3->credentials_file) && ENDS(s3->profile) && ENDS(s3->kms_key_id);
}

static bool settings_are_good(const struct logs_settings *settings)
{
	for (int i = 0; i < LOGS_MAX_ZONES; i++) {
		if (!ENDS(settings->zones[i]))
			return false;
	}
	return ENDS(settings->account_id) && ENDS(settings->region) && ENDS(settings->spool_dir) &&
	       settings->spool_dir[0] == '/' && settings->interval_s >= LOGS_INTERVAL_MIN_S &&
	       settings->interval_s <= LOGS_INTERVAL_MAX_S && s3_is_good(&settings->s3);
}

static bool destination_is_good(const struct logs_destination *destination)
{
	return ENDS(destination->load_balancer) && ENDS(destination->bucket) &&
	       ENDS(destination->prefix);
}

static bool body_is_good(const struct logs_message *message)
{
	switch ((enum logs_message_type)message->type) {
	case LOGS_SETTINGS:
		return settings_are_good(&message->settings);
	case LOGS_PUT:
	case LOGS_REMOVE:
		return destination_is_good(&message->destination);
	case LOGS_TEST:
		return destination_is_good(&message->test.destination);
	case LOGS_READY:
		return true;
	case LOGS_TESTED:
		return ENDS(message->tested.text);
	case LOGS_FAILED:
	case LOGS_WARNING:
		return ENDS(message->text.text);
	}
	return false;
}

int logs_messages_decode(const void *bytes, size_t len, bool from_logs,
			 struct logs_message *ret_message)
{
	struct logs_message message;

	if (len < HEADER_BYTES || len > sizeof(message))
		return -EBADMSG;
	memcpy(&message, bytes, len);
	if (message.reserved != 0 || logs_messages_size(message.type) != len ||
	    types[message.type].from_logs != from_logs || !body_is_good(&message))
		return -EBADMSG;
	*ret_message = message;
	return 0;
}
