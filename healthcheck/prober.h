/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Prober: the event loop of sluice-health. Probes what sluiced asks for, each
 * target once an interval, and reports every result. It holds no state of
 * targets and decides nothing.
 *
 * It never waits for sluiced: of each check one report at most waits to be
 * sent, the newest.
 */
#ifndef SLUICE_PROBER_H
#define SLUICE_PROBER_H

/** A probe that failed by our own fault is repeated after this, or after its interval if shorter. */
#define PROBER_RETRY_MS 1000

/**
 * Probe until the other end of the socket is closed.
 *
 * @fd  a connected SOCK_SEQPACKET socket, see messages.h; made non-blocking. It
 *      stays the caller's.
 *
 * Needs curl_global_init(). Returns 0 at the end, or a negative errno: -EBADMSG
 * for a message that sluiced of the same version does not send, -ENOMEM, or the
 * failure of a system call.
 */
int prober_run(int fd);

#endif
