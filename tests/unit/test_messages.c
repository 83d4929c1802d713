/* SPDX-License-Identifier: BSD-3-Clause */
#include "healthcheck/messages.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct message http_put(void)
{
	struct message message = {.type = MESSAGE_PUT};
	struct probe_put *put = &message.put;

	put->id = 7;
	put->generation = 3;
	put->protocol = PROBE_HTTP;
	put->interval_ms = 30000;
	put->timeout_ms = 6000;
	put->target.s6_addr[10] = put->target.s6_addr[11] = 0xff;
	put->target.s6_addr[12] = 10;
	put->port = 8080;
	put->n_ranges = 1;
	put->ranges[0] = (struct probe_range){200, 399};
	strcpy(put->host, "10.0.0.16:80");
	strcpy(put->path, "/");
	return message;
}

static struct message tcp_put(void)
{
	struct message message = http_put();

	message.put.protocol = PROBE_TCP;
	message.put.n_ranges = 0;
	message.put.host[0] = message.put.path[0] = '\0';
	return message;
}

static int decode(const struct message *message, bool from_prober)
{
	struct message out;

	memset(&out, 0xa5, sizeof(out));
	if (messages_decode(message, messages_size(message->type), from_prober, &out) < 0)
		return -EBADMSG;
	assert_memory_equal(&out, message, messages_size(message->type));
	return 0;
}

static void what_was_sent_is_what_arrives(void **state)
{
	struct message put = http_put(), tcp = tcp_put();
	struct message removal = {.type = MESSAGE_REMOVE, .remove.id = UINT64_MAX};
	struct message heartbeat = {.type = MESSAGE_HEARTBEAT};
	struct message report = {.type = MESSAGE_REPORT,
				 .report = {.id = 1, .result = PROBE_STATUS, .http_status = 503}};

	(void)state;
	assert_int_equal(decode(&put, false), 0);
	assert_int_equal(decode(&tcp, false), 0);
	assert_int_equal(decode(&removal, false), 0);
	assert_int_equal(decode(&heartbeat, true), 0);
	assert_int_equal(decode(&report, true), 0);
}

static void each_end_sends_its_own_types_only(void **state)
{
	struct message put = tcp_put(), heartbeat = {.type = MESSAGE_HEARTBEAT};

	(void)state;
	assert_int_equal(decode(&put, true), -EBADMSG);
	assert_int_equal(decode(&heartbeat, false), -EBADMSG);
}

static void a_message_has_exactly_the_length_of_its_type(void **state)
{
	struct message put = tcp_put(), out;
	size_t len = messages_size(MESSAGE_PUT);

	(void)state;
	for (size_t n = 0; n <= sizeof(put); n++)
		assert_int_equal(messages_decode(&put, n, false, &out), n == len ? 0 : -EBADMSG);
	put.type = MESSAGE_HEARTBEAT + 1;
	assert_int_equal(messages_decode(&put, len, false, &out), -EBADMSG);
	assert_int_equal(messages_decode(&put, len, true, &out), -EBADMSG);
	put = tcp_put();
	put.reserved = 1;
	assert_int_equal(messages_decode(&put, len, false, &out), -EBADMSG);
}

#define REFUSED(change)                                              \
	do {                                                         \
		struct message message = http_put();                 \
		struct probe_put *put = &message.put;                \
		change;                                              \
		assert_int_equal(decode(&message, false), -EBADMSG); \
	} while (0)
#define ACCEPTED(change)                                      \
	do {                                                  \
		struct message message = http_put();          \
		struct probe_put *put = &message.put;         \
		change;                                       \
		assert_int_equal(decode(&message, false), 0); \
	} while (0)

static void each_member_of_a_put_is_held_to_its_range(void **state)
{
	(void)state;
	REFUSED(put->protocol = PROBE_HTTPS + 1);
	REFUSED(put->port = 0);
	REFUSED(put->interval_ms = put->timeout_ms = MESSAGES_INTERVAL_MIN_MS - 1);
	ACCEPTED(put->interval_ms = put->timeout_ms = MESSAGES_INTERVAL_MIN_MS);
	ACCEPTED(put->interval_ms = MESSAGES_INTERVAL_MAX_MS);
	REFUSED(put->interval_ms = MESSAGES_INTERVAL_MAX_MS + 1);
	REFUSED(put->timeout_ms = MESSAGES_TIMEOUT_MIN_MS - 1);
	ACCEPTED(put->interval_ms = put->timeout_ms = MESSAGES_TIMEOUT_MAX_MS);
	REFUSED(put->interval_ms = put->timeout_ms = MESSAGES_TIMEOUT_MAX_MS + 1);
	REFUSED(put->timeout_ms = put->interval_ms + 1);
	REFUSED(put->proxy_v2 = 2);
	REFUSED(put->source_port_min = 1);
	REFUSED(put->source_port_max = 1);
	REFUSED(put->source_port_min = 2; put->source_port_max = 1);
	ACCEPTED(put->source_port_min = put->source_port_max = 61440);
}

static void both_addresses_are_of_one_family(void **state)
{
	(void)state;
	ACCEPTED(put->source = put->target);
	REFUSED(put->source.s6_addr[0] = 0xfd);
	ACCEPTED(put->target.s6_addr[0] = 0xfd; put->source = put->target);
}

static void no_text_breaks_a_request(void **state)
{
	(void)state;
	REFUSED(strcpy(put->path, ""));
	REFUSED(strcpy(put->path, "health"));
	REFUSED(strcpy(put->path, "/a b"));
	REFUSED(strcpy(put->path, "/a\r\nX: y"));
	REFUSED(strcpy(put->path, "/\x7f"));
	REFUSED(strcpy(put->path, "/\xc3\xa4"));
	REFUSED(strcpy(put->host, ""));
	REFUSED(strcpy(put->host, "a\nb"));
	ACCEPTED(memset(put->path + 1, 'x', MESSAGES_PATH_MAX - 1));
	REFUSED(memset(put->path + 1, 'x', MESSAGES_PATH_MAX));
	ACCEPTED(memset(put->host, 'x', MESSAGES_HOST_MAX));
	REFUSED(memset(put->host, 'x', MESSAGES_HOST_MAX + 1));
}

static void status_ranges_lie_within_200_and_599(void **state)
{
	(void)state;
	REFUSED(put->n_ranges = 0);
	REFUSED(put->n_ranges = MESSAGES_RANGES_MAX + 1);
	REFUSED(put->ranges[0].first = 199);
	REFUSED(put->ranges[0].last = 600);
	REFUSED(put->ranges[0].first = 400);
	ACCEPTED(put->ranges[0] = ((struct probe_range){599, 599}));
	REFUSED(put->n_ranges = 2);
}

static void a_tcp_check_has_nothing_of_http(void **state)
{
	(void)state;
	REFUSED(put->protocol = PROBE_TCP);
	REFUSED(put->protocol = PROBE_TCP; put->n_ranges = 0; put->host[0] = '\0');
}

static void a_report_is_held_to_its_range(void **state)
{
	struct message message = {.type = MESSAGE_REPORT};

	(void)state;
	message.report.result = PROBE_RESULT_COUNT - 1;
	message.report.http_status = 999;
	assert_int_equal(decode(&message, true), 0);
	message.report.result = PROBE_RESULT_COUNT;
	assert_int_equal(decode(&message, true), -EBADMSG);
	message.report.result = PROBE_OK;
	message.report.http_status = 1000;
	assert_int_equal(decode(&message, true), -EBADMSG);
	message.report.http_status = 0;
	message.report.reserved = 1;
	assert_int_equal(decode(&message, true), -EBADMSG);
}

static void every_result_has_a_name_and_a_verdict(void **state)
{
	unsigned int own_faults = 0;

	(void)state;
	for (uint32_t i = 0; i < PROBE_RESULT_COUNT; i++) {
		assert_true(strlen(messages_result_name(i)) > 1);
		assert_true(strlen(messages_result_text(i)) > 1);
		own_faults += messages_verdict(i) == PROBE_OWN_FAULT;
	}
	assert_int_equal(messages_verdict(PROBE_OK), PROBE_SUCCESS);
	assert_int_equal(messages_verdict(PROBE_REFUSED), PROBE_FAILURE);
	assert_int_equal(messages_verdict(PROBE_NO_DESCRIPTORS), PROBE_OWN_FAULT);
	assert_int_equal(own_faults, 6);
	assert_string_equal(messages_result_name(PROBE_RESULT_COUNT), "unknown");
	assert_int_equal(messages_verdict(PROBE_RESULT_COUNT), PROBE_OWN_FAULT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_sent_is_what_arrives),
		cmocka_unit_test(each_end_sends_its_own_types_only),
		cmocka_unit_test(a_message_has_exactly_the_length_of_its_type),
		cmocka_unit_test(each_member_of_a_put_is_held_to_its_range),
		cmocka_unit_test(both_addresses_are_of_one_family),
		cmocka_unit_test(no_text_breaks_a_request),
		cmocka_unit_test(status_ranges_lie_within_200_and_599),
		cmocka_unit_test(a_tcp_check_has_nothing_of_http),
		cmocka_unit_test(a_report_is_held_to_its_range),
		cmocka_unit_test(every_result_has_a_name_and_a_verdict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
