/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Logs daemon: what sluice-logs does. Ten times a second it takes what is in the
 * record queue and in its socket; uploads go on meanwhile. When the socket is
 * closed it writes out what it has, and ends; files in the spool stay for the
 * next one.
 */
#ifndef SLUICE_LOGS_DAEMON_H
#define SLUICE_LOGS_DAEMON_H

#include "control/logs/record_queue.h"

#define LOGS_DAEMON_TICK_MS 100

/**
 * Serve until sluiced closes the socket.
 *
 * @fd     of the socket: logs_messages.h
 * @queue  attached; borrowed
 *
 * Returns 0; -EBADMSG (sluiced sent what makes no sense), -ENOMEM, or what the system said.
 */
int logs_daemon_run(int fd, struct record_queue *queue);

#endif
