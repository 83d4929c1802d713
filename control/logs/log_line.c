/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/logs/log_line.h"

#include "dataplane/engine.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define US_PER_S 1000000u
#define S_PER_DAY 86400u

static const char digit_pairs[] = "00010203040506070809101112131415161718192021222324"
				  "25262728293031323334353637383940414243444546474849"
				  "50515253545556575859606162636465666768697071727374"
				  "75767778798081828384858687888990919293949596979899";

/* Each of these writes at @at and returns the place behind. */

static char *put_text(char *at, const char *text)
{
	size_t len = strlen(text);

	memcpy(at, text, len);
	return at + len;
}

static char *put_number(char *at, uint64_t number)
{
	char digits[20];
	char *first = digits + sizeof(digits);
	size_t len;

	while (number >= 100) {
		first -= 2;
		memcpy(first, &digit_pairs[number % 100 * 2], 2);
		number /= 100;
	}
	if (number >= 10) {
		first -= 2;
		memcpy(first, &digit_pairs[number * 2], 2);
	} else {
		*--first = (char)('0' + number);
	}
	len = (size_t)(digits + sizeof(digits) - first);
	memcpy(at, first, len);
	return at + len;
}

static char *put_two_digits(char *at, uint64_t number)
{
	memcpy(at, &digit_pairs[number * 2], 2);
	return at + 2;
}

static char *put_hex(char *at, uint64_t number, unsigned int digits)
{
	while (digits-- > 0)
		*at++ = "0123456789abcdef"[number >> (4 * digits) & 15];
	return at;
}

/* Microseconds as milliseconds with three decimals. */
static char *put_ms(char *at, uint64_t us)
{
	uint64_t rest = us % 1000;

	at = put_number(at, us / 1000);
	*at++ = '.';
	*at++ = (char)('0' + rest / 100);
	return put_two_digits(at, rest % 100);
}

static char *put_v4(char *at, const uint8_t bytes[4])
{
	for (int i = 0; i < 4; i++) {
		if (i > 0)
			*at++ = '.';
		at = put_number(at, bytes[i]);
	}
	return at;
}

/* RFC 5952: no leading zeros, the first of the longest runs of at least two zero groups as "::". */
static char *put_v6(char *at, const uint8_t bytes[16])
{
	int run = -1, run_length = 1; /* a run must be longer */
	uint16_t groups[8];

	for (int i = 0, length = 0; i < 8; i++) {
		groups[i] = (uint16_t)(bytes[2 * i] << 8 | bytes[2 * i + 1]);
		length = groups[i] == 0 ? length + 1 : 0;
		if (length > run_length) {
			run = i - length + 1;
			run_length = length;
		}
	}
	for (int i = 0; i < 8; i++) {
		unsigned int digits = groups[i] > 0xfff	 ? 4
				      : groups[i] > 0xff ? 3
				      : groups[i] > 0xf	 ? 2
							 : 1;

		if (i == run) {
			*at++ = ':';
			*at++ = ':';
			i += run_length - 1;
			continue;
		}
		if (i > 0 && i != run + run_length)
			*at++ = ':';
		at = put_hex(at, groups[i], digits);
	}
	return at;
}

/* "192.0.2.1:80", "[2001:db8::1]:80" and a space. */
static char *put_end(char *at, const struct in6_addr *address, uint16_t port)
{
	if (address_is_v4(address)) {
		at = put_v4(at, &address->s6_addr[12]);
	} else {
		*at++ = '[';
		at = put_v6(at, address->s6_addr);
		*at++ = ']';
	}
	*at++ = ':';
	at = put_number(at, port);
	*at++ = ' ';
	return at;
}

static char *put_time(char *at, struct log_line_time *last, uint64_t us)
{
	uint64_t second = us / US_PER_S;
	uint64_t of_day = second % S_PER_DAY;
	char *text = last->text;

	if (second != last->second) {
		if (second / S_PER_DAY != last->day) {
			time_t seconds = (time_t)second;
			struct tm tm = {};
			char date[LOG_LINE_TIME_BYTES + 16];

			gmtime_r(&seconds, &tm);
			strftime(date, sizeof(date), "%Y-%m-%dT", &tm);
			memcpy(text, date, 11);
			last->day = second / S_PER_DAY;
		}
		put_two_digits(text + 11, of_day / 3600);
		text[13] = ':';
		put_two_digits(text + 14, of_day / 60 % 60);
		text[16] = ':';
		put_two_digits(text + 17, of_day % 60);
		last->second = second;
	}
	memcpy(at, text, LOG_LINE_TIME_BYTES);
	return at + LOG_LINE_TIME_BYTES;
}

void log_line_init(struct log_line *formatter)
{
	memset(formatter, 0, sizeof(*formatter));
	formatter->start.second = formatter->end.second = UINT64_MAX;
	formatter->start.day = formatter->end.day = UINT64_MAX;
}

/* Fields 1 to 11. */
static char *put_first_fields(char *at, struct log_line *formatter, const struct record *record,
			      const char *load_balancer)
{
	uint64_t us = record->end_us > record->start_us ? record->end_us - record->start_us : 0;

	at = put_text(at, record->protocol == IPPROTO_UDP ? "udp 2.0 " : "tcp 2.0 ");
	at = put_time(at, &formatter->end, record->end_us);
	at = put_text(at, " net/");
	at = put_text(at, load_balancer);
	*at++ = '/';
	at = put_hex(at, record->load_balancer_id, 16);
	*at++ = ' ';
	at = put_hex(at, record->listener_id, 16);
	*at++ = ' ';
	at = put_end(at, &record->client, record->client_port);
	at = put_end(at, &record->vip, record->vip_port);
	at = put_number(at, us / 1000);
	at = put_text(at, " - ");
	at = put_number(at, record->client_bytes);
	*at++ = ' ';
	return put_number(at, record->target_bytes);
}

/* Fields 23 to 25: what a refused flow has not, or not wholly. */
static char *put_target(char *at, const struct record *record)
{
	bool refused = record->reason >= ENGINE_CLOSE_ENDED;

	at = refused ? put_text(at, "- ") : put_end(at, &record->target, record->target_port);
	if (record->group[0] != '\0') {
		at = put_text(at, "targetgroup/");
		at = put_text(at, record->group);
		*at++ = '/';
		at = put_hex(at, record->group_id, 16);
		*at++ = ' ';
	} else {
		at = put_text(at, "- ");
	}
	return refused ? put_text(at, "- ") : put_end(at, &record->nat, record->nat_port);
}

size_t log_line_format(struct log_line *formatter, const struct record *record,
		       const char *load_balancer, char line[LOG_LINE_MAX])
{
	static const char *const starts[] = {
		[RECORD_START_NONE] = " - ",
		[RECORD_START_HEALTHY] = " healthy ",
		[RECORD_START_FAILOPEN] = " failopen ",
	};
	const char *zone = record->zone < LOG_LINE_ZONES ? formatter->zones[record->zone] : "";
	char *at;

	at = put_first_fields(line, formatter, record, load_balancer);
	at = put_text(at, " - - - - - - - - - - ");
	at = put_time(at, &formatter->start, record->start_us);
	*at++ = ' ';
	at = put_target(at, record);
	at = put_number(at, record->client_packets);
	*at++ = ',';
	at = put_number(at, record->target_packets);
	*at++ = ' ';
	at = record->connect_us != 0 ? put_ms(at, record->connect_us) : put_text(at, "-");
	*at++ = ' ';
	at = put_text(at, engine_close_reason_name(record->reason));
	at = put_text(at, record->start <= RECORD_START_FAILOPEN ? starts[record->start] : " - ");
	at = put_text(at, zone[0] != '\0' ? zone : "-");
	at = put_text(at, " - ");
	at = put_number(at, record->start_us);
	*at++ = ',';
	at = put_number(at, record->end_us);
	*at++ = '\n';
	return (size_t)(at - line);
}
