/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Log: lines of the daemon on stderr, "2026-01-31T12:00:00.000Z warning text".
 * The only place that prints; who stops or retries because of an error logs it,
 * once. Control characters are shown as '?', so foreign texts make no lines.
 */
#ifndef SLUICE_LOG_H
#define SLUICE_LOG_H

#define LOG_TIME_MAX 32

void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** Write the time of day as "2026-01-31T12:00:00.000Z". Returns @text. */
const char *log_time(char text[LOG_TIME_MAX]);

#endif
