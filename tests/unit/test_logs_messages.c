/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/logs/logs_messages.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct logs_message message, decoded;

static int decode(bool from_logs)
{
	memset(&decoded, 0xaa, sizeof(decoded));
	return logs_messages_decode(&message, logs_messages_size(message.type), from_logs,
				    &decoded);
}

static void begin(uint32_t type)
{
	memset(&message, 0, sizeof(message));
	message.type = type;
	if (type == LOGS_SETTINGS) {
		snprintf(message.settings.spool_dir, sizeof(message.settings.spool_dir), "/x");
		message.settings.interval_s = LOGS_INTERVAL_MIN_S;
	}
}

static void each_type_has_its_length_and_direction(void **state)
{
	(void)state;
	for (uint32_t type = LOGS_SETTINGS; type <= LOGS_WARNING; type++) {
		bool from_logs = type >= LOGS_READY;
		size_t size;

		begin(type);
		size = logs_messages_size(type);
		assert_int_equal(decode(from_logs), 0);
		assert_memory_equal(&decoded, &message, size);
		assert_int_equal(decode(!from_logs), -EBADMSG);
		assert_int_equal(logs_messages_decode(&message, size - 1, from_logs, &decoded),
				 -EBADMSG);
		assert_int_equal(logs_messages_decode(&message, size + 1, from_logs, &decoded),
				 -EBADMSG);
		message.reserved = 1;
		assert_int_equal(decode(from_logs), -EBADMSG);
	}
	assert_int_equal(logs_messages_size(0), 0);
	assert_int_equal(logs_messages_size(LOGS_WARNING + 1), 0);
	assert_int_equal(logs_messages_size(UINT32_MAX), 0);
}

static void texts_must_end(void **state)
{
	(void)state;
	begin(LOGS_PUT);
	memset(message.destination.prefix, 'p', sizeof(message.destination.prefix));
	assert_int_equal(decode(false), -EBADMSG);
	begin(LOGS_TEST);
	memset(message.test.destination.bucket, 'b', sizeof(message.test.destination.bucket));
	assert_int_equal(decode(false), -EBADMSG);
	begin(LOGS_SETTINGS);
	memset(message.settings.zones[LOGS_MAX_ZONES - 1], 'z', LOGS_NAME_MAX + 1);
	assert_int_equal(decode(false), -EBADMSG);
	begin(LOGS_SETTINGS);
	memset(message.settings.s3.kms_key_id, 'k', sizeof(message.settings.s3.kms_key_id));
	assert_int_equal(decode(false), -EBADMSG);
	begin(LOGS_FAILED);
	memset(message.text.text, 't', sizeof(message.text.text));
	assert_int_equal(decode(true), -EBADMSG);
	begin(LOGS_TESTED);
	memset(message.tested.text, 't', sizeof(message.tested.text));
	assert_int_equal(decode(true), -EBADMSG);
}

static void settings_have_a_spool_and_an_interval_in_range(void **state)
{
	(void)state;
	begin(LOGS_SETTINGS);
	message.settings.interval_s = LOGS_INTERVAL_MAX_S;
	assert_int_equal(decode(false), 0);
	message.settings.interval_s = LOGS_INTERVAL_MAX_S + 1;
	assert_int_equal(decode(false), -EBADMSG);
	message.settings.interval_s = 0; /* would be divided by */
	assert_int_equal(decode(false), -EBADMSG);
	begin(LOGS_SETTINGS);
	message.settings.spool_dir[0] = 'x';
	assert_int_equal(decode(false), -EBADMSG);
}

static void the_largest_message_fits_a_packet(void **state)
{
	(void)state;
	assert_true(sizeof(struct logs_message) < 16384);
	assert_int_equal(logs_messages_decode(&message, 3, true, &decoded), -EBADMSG);
	assert_int_equal(logs_messages_decode(&message, 0, true, &decoded), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_type_has_its_length_and_direction),
		cmocka_unit_test(texts_must_end),
		cmocka_unit_test(settings_have_a_spool_and_an_interval_in_range),
		cmocka_unit_test(the_largest_message_fits_a_packet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
