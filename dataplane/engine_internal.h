/* SPDX-License-Identifier: BSD-3-Clause */
/* What engine.c (life and model) and engine_tell.c (what it tells) share. */
#ifndef SLUICE_ENGINE_INTERNAL_H
#define SLUICE_ENGINE_INTERNAL_H

#include "backend.h"
#include "groups.h"
#include "listeners.h"
#include "next_hops.h"
#include "termination.h"
#include "vip_table.h"

struct engine_vip_entry {
	struct engine_vip vip;
	bool seen;	   /* put since the reconciliation began */
	bool on_interface; /* this process saw to it that its interface has it */
};

struct engine {
	struct engine_config config;
	struct engine_events events;
	const struct backend_ops *ops;
	struct backend *backend;
	struct sl_tables tables;
	bool taken_over, started;
	struct vip_table *vip_table;
	struct groups *groups;
	struct listeners *listeners;
	struct ports ports;
	struct next_hops *next_hops; /* NULL without packets */
	struct engine_vip_entry *vips;
	size_t n_vips, room_vips;
	struct termination *termination;
	int epoll_fd, timer_fd;
};

/** CLOCK_MONOTONIC in ns. */
uint64_t engine_now_ns(void);

/** A table record as engine.h shows a flow. */
struct engine_flow engine_flow_of(const struct sl_flow_record *record, uint64_t now_ns);

#endif
