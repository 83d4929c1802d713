/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Log: lines of the daemon on stderr, "2026-01-31T12:00:00.000Z warning text".
 * The only place that prints; who stops or retries because of an error logs it,
 * once. Control characters are shown as '?', so foreign texts make no lines.
 */
#ifndef SLUICE_LOG_H
#define SLUICE_LOG_H

#include <stdint.h>

#define LOG_TIME_MAX 32

void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** CLOCK_REALTIME in milliseconds. */
int64_t log_now_ms(void);
/** Write a time, not before 1970, as "2026-01-31T12:00:00.000Z". Returns @text. */
const char *log_format_time(int64_t time_ms, char text[LOG_TIME_MAX]);

#endif
