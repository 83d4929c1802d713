/* SPDX-License-Identifier: BSD-3-Clause */
#include "healthcheck/messages.h"

#include <errno.h>
#include <string.h>

#define STATUS_MIN 200
#define STATUS_MAX 599

static const struct {
	const char *name, *text;
	enum probe_verdict verdict;
} results[] = {
#define X(symbol, value, verdict, name, text) [value] = {name, text, PROBE_##verdict},
	PROBE_RESULTS(X)
#undef X
};

const char *messages_result_name(uint32_t result)
{
	return result < PROBE_RESULT_COUNT ? results[result].name : "unknown";
}

const char *messages_result_text(uint32_t result)
{
	return result < PROBE_RESULT_COUNT ? results[result].text : "unknown";
}

enum probe_verdict messages_verdict(uint32_t result)
{
	return result < PROBE_RESULT_COUNT ? results[result].verdict : PROBE_OWN_FAULT;
}

size_t messages_size(uint32_t type)
{
	switch (type) {
	case MESSAGE_PUT:
		return offsetof(struct message, put) + sizeof(struct probe_put);
	case MESSAGE_REMOVE:
		return offsetof(struct message, remove) + sizeof(struct probe_remove);
	case MESSAGE_REPORT:
		return offsetof(struct message, report) + sizeof(struct probe_report);
	case MESSAGE_HEARTBEAT:
		return offsetof(struct message, put);
	default:
		return 0;
	}
}

static bool in_range(uint32_t value, uint32_t min, uint32_t max)
{
	return value >= min && value <= max;
}

/* Terminated, and nothing that ends a line or a word of a request. */
static bool is_word(const char *text, size_t size)
{
	size_t len = strnlen(text, size);

	for (size_t i = 0; i < len; i++) {
		if (text[i] <= ' ' || text[i] > '~')
			return false;
	}
	return len < size;
}

static bool http_is_valid(const struct probe_put *put)
{
	if (put->protocol == PROBE_TCP)
		return put->n_ranges == 0 && put->host[0] == '\0' && put->path[0] == '\0';
	if (!in_range(put->n_ranges, 1, MESSAGES_RANGES_MAX) || put->host[0] == '\0' ||
	    put->path[0] != '/')
		return false;
	for (size_t i = 0; i < put->n_ranges; i++) {
		if (!in_range(put->ranges[i].first, STATUS_MIN, STATUS_MAX) ||
		    !in_range(put->ranges[i].last, put->ranges[i].first, STATUS_MAX))
			return false;
	}
	return true;
}

static bool put_is_valid(const struct probe_put *put)
{
	return put->protocol <= PROBE_HTTPS && put->port != 0 && put->proxy_v2 <= 1 &&
	       in_range(put->interval_ms, MESSAGES_INTERVAL_MIN_MS, MESSAGES_INTERVAL_MAX_MS) &&
	       in_range(put->timeout_ms, MESSAGES_TIMEOUT_MIN_MS, MESSAGES_TIMEOUT_MAX_MS) &&
	       put->timeout_ms <= put->interval_ms &&
	       (put->source_port_min == 0) == (put->source_port_max == 0) &&
	       put->source_port_min <= put->source_port_max &&
	       (IN6_IS_ADDR_UNSPECIFIED(&put->source) ||
		!IN6_IS_ADDR_V4MAPPED(&put->source) == !IN6_IS_ADDR_V4MAPPED(&put->target)) &&
	       is_word(put->host, sizeof(put->host)) && is_word(put->path, MESSAGES_PATH_MAX + 1) &&
	       http_is_valid(put);
}

static bool report_is_valid(const struct probe_report *report)
{
	return report->result < PROBE_RESULT_COUNT && report->http_status <= 999 &&
	       report->reserved == 0;
}

int messages_decode(const void *bytes, size_t len, bool from_prober, struct message *ret_message)
{
	struct message message = {0};
	bool valid;

	if (len < offsetof(struct message, put) || len > sizeof(message))
		return -EBADMSG;
	memcpy(&message, bytes, len);
	if (len != messages_size(message.type) || message.reserved != 0 ||
	    (message.type >= MESSAGE_REPORT) != from_prober)
		return -EBADMSG;
	valid = message.type == MESSAGE_PUT	 ? put_is_valid(&message.put)
		: message.type == MESSAGE_REPORT ? report_is_valid(&message.report)
						 : true;
	if (!valid)
		return -EBADMSG;
	*ret_message = message;
	return 0;
}
