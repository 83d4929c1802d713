/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Log line: a flow record as a line of the access log.
 *
 * The first 22 fields are those of an NLB access log entry of version 2.0, with
 * "-" where they are about TLS, and type "tcp" or "udp". README.md tells those
 * that follow. Hand-written, for a busy balancer ends 500,000 flows a second.
 *
 * Threading: one formatter a thread.
 */
#ifndef SLUICE_LOG_LINE_H
#define SLUICE_LOG_LINE_H

#include "control/logs/record_queue.h"

#include <stddef.h>

#define LOG_LINE_MAX 1024    /* bytes of the longest line, with its newline */
#define LOG_LINE_NAME_MAX 64 /* bytes of a load balancer's or zone's name, with its NUL */
#define LOG_LINE_ZONES 8
#define LOG_LINE_TIME_BYTES 19 /* 2026-01-31T12:00:00 */

struct log_line {				       /* a formatter */
	char zones[LOG_LINE_ZONES][LOG_LINE_NAME_MAX]; /* by place in the config; "" is "-" */
	/* the last times written: they seldom change from line to line */
	struct log_line_time {
		uint64_t second, day; /* of the epoch */
		char text[LOG_LINE_TIME_BYTES];
	} start, end;
};

void log_line_init(struct log_line *formatter);

/** Write one line, not terminated. @load_balancer: its name. Returns its bytes. */
size_t log_line_format(struct log_line *formatter, const struct record *record,
		       const char *load_balancer, char line[LOG_LINE_MAX]);

#endif
