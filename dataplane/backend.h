/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Backend: the part of an engine that differs from kind to kind: where the
 * tables lie, and how packets come and go. engine.c does the rest.
 */
#ifndef SLUICE_BACKEND_H
#define SLUICE_BACKEND_H

#include "engine.h"
#include "ports.h"
#include "tables.h"

struct backend;

struct backend_ops {
	const char *kind;

	/** Bring tables into being, or take over those that are there. The tables are the
	 *  backend's. Errors as engine_open(). */
	int (*open)(const struct engine_config *config, struct backend **ret_backend,
		    struct sl_tables *ret_tables, bool *ret_taken_over, char error[ENGINE_ERROR_MAX]);

	/** Let packets in; where another program handles them, replace it in one step. */
	int (*start)(struct backend *backend, const struct ports *ports,
		     char error[ENGINE_ERROR_MAX]);

	/** Stop for good and leave nothing behind. */
	int (*detach)(struct backend *backend, char error[ENGINE_ERROR_MAX]);

	void (*close)(struct backend *backend); /* NULL is fine */

	/** Descriptor that is readable when flow records wait, or -1. */
	int (*records_fd)(const struct backend *backend);
	void (*records)(struct backend *backend,
			void (*flow_ended)(void *context, const struct sl_flow_record *record),
			void *context);

	/** How packets of a port are taken in: "native", "generic", a driver's name. */
	const char *(*mode)(const struct backend *backend, const struct port *port);

	/** Tell of what no other kind has. NULL: nothing. */
	void (*describe)(const struct backend *backend, struct engine_info *info);

	/** Wait until every packet that was on its way when this was called is through: what it
	 *  could see of the tables no packet sees any more. NULL: after a time of grace. */
	void (*wait_for_readers)(struct backend *backend);
};

extern const struct backend_ops backend_memory;
extern const struct backend_ops backend_xdp;
extern const struct backend_ops backend_dpdk;

#endif
