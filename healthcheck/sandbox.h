/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sandbox: takes from the calling process what it does not need. What parses
 * the answers of strangers, targets or S3 servers, holds nothing worth taking over.
 */
#ifndef SLUICE_SANDBOX_H
#define SLUICE_SANDBOX_H

#include <sys/types.h>

#define SANDBOX_ERROR_MAX 256

/**
 * Raise the limit of open files to its ceiling, close every descriptor but
 * 0, 1 and 2, and, as root, become @user without groups and capabilities. In any case no
 * capability remains, none can be had back, and execve() grants none.
 *
 * @user   by name; if the system has no such user, SANDBOX_FALLBACK_ID
 * @error  says what failed; written only on failure
 *
 * Returns 0, or a negative errno: the process is then half-way and must end.
 */
int sandbox_enter(const char *user, char error[SANDBOX_ERROR_MAX]);

/** The user and group that sandbox_enter() changes to. */
void sandbox_ids(const char *user, uid_t *ret_uid, gid_t *ret_gid);

/** User and group of a process whose own user does not exist: Debian's nobody and nogroup. */
#define SANDBOX_FALLBACK_ID 65534

#endif
