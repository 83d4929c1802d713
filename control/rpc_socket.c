/* SPDX-License-Identifier: BSD-3-Clause */
#define _GNU_SOURCE /* struct ucred */
#include "control/rpc_socket.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKET_MODE_UMASK 0117 /* leaves 0660 of 0777 */

static int find_group(const char *name, gid_t *ret_gid)
{
	struct group entry, *found = NULL;
	char buffer[16384];
	int r;

	if (name[0] == '\0') {
		*ret_gid = RPC_SOCKET_NO_GROUP;
		return 0;
	}
	r = getgrnam_r(name, &entry, buffer, sizeof(buffer), &found);
	if (found == NULL)
		return r > 0 ? -r : -ENOENT;
	*ret_gid = found->gr_gid;
	return 0;
}

static void make_directory(const char *path)
{
	char directory[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	char *slash;

	snprintf(directory, sizeof(directory), "%s", path);
	slash = strrchr(directory, '/');
	if (slash == NULL || slash == directory)
		return;
	*slash = '\0';
	if (mkdir(directory, 0755) == 0)
		(void)chmod(directory, 0755); /* whatever the umask is */
					      /* bind() tells what is wrong with it */
}

/* Returns 0 when nobody listens there and the name is free now. */
static int remove_stale(const struct sockaddr_un *address)
{
	struct stat st;
	int fd;
	int r;

	if (lstat(address->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	/* not to wait when its queue is full: that is a living one too */
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	r = connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;
	close(fd);
	if (r != -ECONNREFUSED)
		return r == 0 || r == -EAGAIN ? -EADDRINUSE : r;
	return unlink(address->sun_path) < 0 ? -errno : 0;
}

static int bind_path(int fd, const struct sockaddr_un *address)
{
	mode_t mask = umask(SOCKET_MODE_UMASK); /* there is no moment at which others may connect */
	int r;

	r = bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;
	umask(mask);
	return r;
}

static const char *explain(int error)
{
	switch (error) {
	case -EADDRINUSE:
		return "another process listens on it; is another sluiced running?";
	case -EEXIST:
		return "something that is no socket has that name";
	default:
		return strerror(-error);
	}
}

int rpc_socket_open(const char *path, const char *group, int *ret_fd, gid_t *ret_gid,
		    char error[RPC_SOCKET_ERROR_MAX])
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	gid_t gid;
	int fd = -1;
	int r;

	r = find_group(group, &gid);
	if (r < 0) {
		snprintf(error, RPC_SOCKET_ERROR_MAX, "no group '%s' to own the control socket: %s",
			 group, r == -ENOENT ? "there is none of that name" : strerror(-r));
		return r;
	}
	r = -ENAMETOOLONG;
	if (strlen(path) >= sizeof(address.sun_path))
		goto fail;
	strcpy(address.sun_path, path);
	make_directory(path);
	r = remove_stale(&address);
	if (r < 0)
		goto fail;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	r = fd < 0 ? -errno : bind_path(fd, &address);
	if (r < 0)
		goto fail;
	if (gid != RPC_SOCKET_NO_GROUP && chown(path, (uid_t)-1, gid) < 0) {
		r = -errno;
		unlink(path);
		goto fail;
	}
	*ret_fd = fd;
	*ret_gid = gid;
	return 0;
fail:
	snprintf(error, RPC_SOCKET_ERROR_MAX, "control socket %.200s cannot be made: %s", path,
		 explain(r));
	if (fd >= 0)
		close(fd);
	return r;
}

static bool is_member(int fd, gid_t gid)
{
	socklen_t len = 0;
	gid_t *groups;
	bool found = false;
	size_t i;

	/* the groups that the kernel noted at connect(): no look into files that may have changed */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &len) == 0 || errno != ERANGE)
		return false;
	groups = malloc(len);
	if (groups == NULL)
		return false;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) == 0) {
		for (i = 0; i < len / sizeof(*groups); i++)
			found = found || groups[i] == gid;
	}
	free(groups);
	return found;
}

bool rpc_socket_allows(int fd, gid_t gid, uid_t *ret_uid)
{
	struct ucred peer = {.uid = (uid_t)-1};
	socklen_t len = sizeof(peer);

	*ret_uid = (uid_t)-1;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return false;
	*ret_uid = peer.uid;
	if (peer.uid == 0 || peer.uid == geteuid())
		return true;
	return gid != RPC_SOCKET_NO_GROUP && (peer.gid == gid || is_member(fd, gid));
}
