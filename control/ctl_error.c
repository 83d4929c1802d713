/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/ctl_error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

int ctl_fail(struct ctl_error *error, enum ctl_exit exit_code, const char *format, ...)
{
	va_list args;

	error->exit_code = exit_code;
	error->api_code[0] = '\0';
	va_start(args, format);
	vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
	switch (exit_code) {
	case CTL_EXIT_USAGE:
		return -EINVAL;
	case CTL_EXIT_API:
		return -EREMOTEIO;
	case CTL_EXIT_WAIT:
		return -ETIMEDOUT;
	default:
		return -EIO;
	}
}

int ctl_fail_memory(struct ctl_error *error)
{
	return ctl_fail(error, CTL_EXIT_IO, "out of memory");
}

int ctl_fail_api(struct ctl_error *error, const char *operation, const char *api_code,
		 const char *message)
{
	int r;

	r = ctl_fail(error, CTL_EXIT_API,
		     "An error occurred (%s) when calling the %s operation: %s", api_code,
		     operation, message);
	snprintf(error->api_code, sizeof(error->api_code), "%s", api_code);
	return r;
}
