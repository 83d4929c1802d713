/* SPDX-License-Identifier: BSD-3-Clause */
/* What ended a command of sluicectl: a sentence for a person, and the exit code. */
#ifndef SLUICE_CTL_ERROR_H
#define SLUICE_CTL_ERROR_H

#define CTL_ERROR_MAX 4096 /* bytes of the text, with its NUL; the rest is cut off */

enum ctl_exit {
	CTL_EXIT_OK = 0,
	CTL_EXIT_IO = 1,    /* sluiced not reachable, or gone; output not written */
	CTL_EXIT_USAGE = 2, /* the command line is wrong; nothing was asked of sluiced */
	CTL_EXIT_API = 254, /* sluiced answered with an error; the AWS CLI's code */
	CTL_EXIT_WAIT = 255 /* what `wait` waited for did not come; the AWS CLI's code */
};

struct ctl_error {
	enum ctl_exit exit_code;
	char api_code[64]; /* "TargetGroupNotFound"; empty unless CTL_EXIT_API */
	char text[CTL_ERROR_MAX];
};

/**
 * Fill the error.
 *
 * Returns the errno that stands for the exit code: -EINVAL (usage), -EIO,
 * -EREMOTEIO (API) or -ETIMEDOUT (wait).
 */
int ctl_fail(struct ctl_error *error, enum ctl_exit exit_code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/** ctl_fail() for want of memory. */
int ctl_fail_memory(struct ctl_error *error);

/** The error of an operation, worded as the AWS CLI words it. Returns -EREMOTEIO. */
int ctl_fail_api(struct ctl_error *error, const char *operation, const char *api_code,
		 const char *message);

#endif
