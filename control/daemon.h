/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Daemon: sluiced running. Puts store, engine, model and control socket
 * together on one event loop, in one thread.
 *
 * Methods of its own beside the actions: DescribeEngine (engine_report.h),
 * DescribeFlows (flow_scan.h), Watch (watch.h) and Shutdown {"Detach": boolean},
 * an orderly exit after which forwarding goes on, unless Detach is true.
 */
#ifndef SLUICE_DAEMON_H
#define SLUICE_DAEMON_H

struct config;

/**
 * Run until SIGTERM, SIGINT or Shutdown; logs what goes wrong.
 *
 * Ignores SIGPIPE and raises the limit of open files, for the whole process.
 * Returns 0 after an orderly end, or a negative errno.
 */
int daemon_run(const struct config *config);

#endif
