/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOG_LINE_MAX 1024 /* longer ones are cut */

const char *log_format_time(int64_t time_ms, char text[LOG_TIME_MAX])
{
	time_t seconds = (time_t)(time_ms / 1000);
	struct tm day;
	size_t len;

	gmtime_r(&seconds, &day);
	len = strftime(text, LOG_TIME_MAX, "%Y-%m-%dT%H:%M:%S", &day);
	snprintf(text + len, LOG_TIME_MAX - len, ".%03uZ", (unsigned int)(time_ms % 1000));
	return text;
}

int64_t log_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void write_line(const char *level, const char *format, va_list args)
{
	char line[LOG_LINE_MAX], time_text[LOG_TIME_MAX];
	size_t len;
	char *c;

	snprintf(line, sizeof(line), "%s %s ", log_format_time(log_now_ms(), time_text), level);
	len = strlen(line);
	vsnprintf(line + len, sizeof(line) - len, format, args);
	for (c = line; *c != '\0'; c++) {
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	}
	len = strlen(line);
	if (len == sizeof(line) - 1)
		len--;
	line[len] = '\n';
	/* one call, so that lines of several processes on one stderr do not mix */
	if (write(STDERR_FILENO, line, len + 1) < 0)
		return; /* there is no other place to say so */
}

void log_error(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	write_line("error", format, args);
	va_end(args);
}

void log_warning(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	write_line("warning", format, args);
	va_end(args);
}

void log_info(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	write_line("info", format, args);
	va_end(args);
}
