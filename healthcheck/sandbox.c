/* SPDX-License-Identifier: BSD-3-Clause */
#define _GNU_SOURCE /* close_range() */
#include "healthcheck/sandbox.h"

#include <cap-ng.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

static int fail(char error[SANDBOX_ERROR_MAX], const char *what)
{
	int r = errno != 0 ? -errno : -EPERM; /* libcap-ng does not always set it */

	snprintf(error, SANDBOX_ERROR_MAX, "%s: %s", what, strerror(-r));
	return r;
}

static int raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -1;
	limit.rlim_cur = limit.rlim_max;
	return setrlimit(RLIMIT_NOFILE, &limit);
}

void sandbox_ids(const char *user, uid_t *ret_uid, gid_t *ret_gid)
{
	const struct passwd *entry = getpwnam(user);

	*ret_uid = entry != NULL ? entry->pw_uid : SANDBOX_FALLBACK_ID;
	*ret_gid = entry != NULL ? entry->pw_gid : SANDBOX_FALLBACK_ID;
}

static int drop_user(const char *user, char error[SANDBOX_ERROR_MAX])
{
	uid_t uid;
	gid_t gid;

	sandbox_ids(user, &uid, &gid);
	if (uid == 0) {
		snprintf(error, SANDBOX_ERROR_MAX,
			 "user '%s' is root, which this process must not be", user);
		return -EINVAL;
	}
	errno = 0;
	if (capng_change_id((int)uid, (int)gid, CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING) < 0)
		return fail(error, "changing the user");
	return 0;
}

int sandbox_enter(const char *user, char error[SANDBOX_ERROR_MAX])
{
	int r;

	errno = 0;
	if (raise_file_limit() < 0)
		return fail(error, "raising the limit of open files");
	if (close_range(STDERR_FILENO + 1, ~0U, 0) < 0)
		return fail(error, "closing inherited files");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return fail(error, "renouncing new privileges");
	capng_clear(CAPNG_SELECT_ALL);
	if (geteuid() == 0) {
		r = drop_user(user, error);
		if (r < 0)
			return r;
	}
	errno = 0;
	if (capng_apply(CAPNG_SELECT_CAPS | CAPNG_SELECT_AMBIENT) < 0)
		return fail(error, "dropping capabilities");
	return 0;
}
