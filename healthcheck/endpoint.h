/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Endpoint: a TCP socket on its way from one of the balancer's own addresses to
 * a target, and whose fault it is when it does not get there.
 */
#ifndef SLUICE_ENDPOINT_H
#define SLUICE_ENDPOINT_H

#include "healthcheck/messages.h"

/**
 * Start connecting, without blocking.
 *
 * @put         says from where to where
 * @cursor      where to begin in the range of source ports; moved past the port
 *              taken. A target meets a port again only after all others, when
 *              the kernel has long forgotten the connection before.
 * @ret_fd      connected once it is writable and SO_ERROR is 0; the caller closes it
 * @ret_result  what to report; written only on failure
 *
 * Returns 0, or the negative errno of the call that failed.
 */
int endpoint_connect(const struct probe_put *put, uint32_t *cursor, int *ret_fd,
		     enum probe_result *ret_result);

/** Bytes that were read from a connected socket so far; 0 when the kernel does not say. */
uint64_t endpoint_bytes_read(int fd);

/** What an error (errno) of a socket that was connecting or connected says about the target. */
enum probe_result endpoint_result(int error);

#endif
