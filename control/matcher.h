/* SPDX-License-Identifier: BSD-3-Clause */
/* Matcher: which HTTP status codes a health check takes for healthy, "200", "200,202", "200-399". */
#ifndef SLUICE_MATCHER_H
#define SLUICE_MATCHER_H

#include "healthcheck/messages.h"

#define MATCHER_MAX 255 /* characters; MESSAGES_RANGES_MAX ranges are in that many at most */

/**
 * Read a matcher: codes and ranges from 200 to 599, with commas between.
 *
 * Returns how many ranges, or -EINVAL.
 */
int matcher_parse(const char *text, struct probe_range ret_ranges[MESSAGES_RANGES_MAX]);

#endif
