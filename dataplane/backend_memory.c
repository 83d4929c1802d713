/* SPDX-License-Identifier: BSD-3-Clause */
/* Backend without packets: tables in plain memory, for tests and sluiced --check. */
#include "backend.h"

#include <errno.h>
#include <stdlib.h>

struct backend {
	struct sl_tables tables;
};

static int memory_open(const struct engine_config *config, struct backend **ret_backend,
		       struct sl_tables *ret_tables, bool *ret_taken_over,
		       char error[ENGINE_ERROR_MAX])
{
	struct backend *backend;
	struct sl_config plan;
	int r;

	r = tables_plan(config, 1, &plan, error);
	if (r < 0)
		return r;
	backend = calloc(1, sizeof(*backend));
	if (backend == NULL)
		return -ENOMEM;
	r = tables_allocate(&plan, &backend->tables);
	if (r < 0) {
		free(backend);
		return r;
	}
	*ret_tables = backend->tables;
	*ret_taken_over = false;
	*ret_backend = backend;
	return 0;
}

static int memory_start(struct backend *backend, const struct ports *ports,
			char error[ENGINE_ERROR_MAX])
{
	(void)backend;
	(void)ports;
	(void)error;
	return 0;
}

static int memory_detach(struct backend *backend, char error[ENGINE_ERROR_MAX])
{
	(void)backend;
	(void)error;
	return 0;
}

static void memory_close(struct backend *backend)
{
	if (backend == NULL)
		return;
	tables_free(&backend->tables);
	free(backend);
}

static int memory_records_fd(const struct backend *backend)
{
	(void)backend;
	return -1;
}

static void memory_records(struct backend *backend,
			   void (*flow_ended)(void *context, const struct sl_flow_record *record),
			   void *context)
{
	(void)backend;
	(void)flow_ended;
	(void)context;
}

static const char *memory_mode(const struct backend *backend, const struct port *port)
{
	(void)backend;
	(void)port;
	return "none";
}

const struct backend_ops backend_memory = {
	.kind = "memory",
	.open = memory_open,
	.start = memory_start,
	.detach = memory_detach,
	.close = memory_close,
	.records_fd = memory_records_fd,
	.records = memory_records,
	.mode = memory_mode,
};
