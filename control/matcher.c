/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/matcher.h"

#include <errno.h>
#include <string.h>

#define CODE_MIN 200
#define CODE_MAX 599

/* Exactly three digits; @at goes behind them. Returns 0 when they are no such code. */
static uint16_t read_code(const char **at)
{
	size_t digits = strspn(*at, "0123456789");
	int code;

	if (digits != 3)
		return 0;
	code = ((*at)[0] - '0') * 100 + ((*at)[1] - '0') * 10 + ((*at)[2] - '0');
	*at += digits;
	return code >= CODE_MIN && code <= CODE_MAX ? (uint16_t)code : 0;
}

int matcher_parse(const char *text, struct probe_range ret_ranges[MESSAGES_RANGES_MAX])
{
	int n = 0;

	if (strlen(text) > MATCHER_MAX)
		return -EINVAL;
	for (;;) {
		struct probe_range *range = &ret_ranges[n++];

		range->first = range->last = read_code(&text);
		if (*text == '-') {
			text++;
			range->last = read_code(&text);
		}
		if (range->first == 0 || range->last < range->first)
			return -EINVAL;
		if (*text == '\0')
			return n;
		if (*text++ != ',' || n == MESSAGES_RANGES_MAX)
			return -EINVAL;
	}
}
