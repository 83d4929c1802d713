/* SPDX-License-Identifier: BSD-3-Clause */
/* RPC socket: the UNIX socket of the control plane in the file system, and who may use it. */
#ifndef SLUICE_RPC_SOCKET_H
#define SLUICE_RPC_SOCKET_H

#include <stdbool.h>
#include <sys/types.h>

#define RPC_SOCKET_ERROR_MAX 512
#define RPC_SOCKET_NO_GROUP ((gid_t)-1)

/**
 * Make a listening socket: mode 0660, of @group ("" for the group of the
 * process). Its directory is made if missing; a socket that a dead process left
 * is replaced. Not yet listening: connections are refused until listen().
 *
 * @ret_fd   owned by the caller, close-on-exec; the file is the caller's to unlink
 * @ret_gid  the group, RPC_SOCKET_NO_GROUP when @group is ""
 *
 * Returns 0, -EADDRINUSE (somebody listens there), -EEXIST (there is something
 * that is no socket), -ENOENT (no such group), -ENAMETOOLONG or what the system
 * said; @error then has a sentence.
 */
int rpc_socket_open(const char *path, const char *group, int *ret_fd, gid_t *ret_gid,
		    char error[RPC_SOCKET_ERROR_MAX]);

/**
 * Whether the process that connected @fd may use the socket: root, our own
 * user, or a member of @gid at the time of its connect().
 *
 * @ret_uid  the peer's user, for the log; always written
 */
bool rpc_socket_allows(int fd, gid_t gid, uid_t *ret_uid);

#endif
