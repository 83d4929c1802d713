/* SPDX-License-Identifier: BSD-3-Clause */
/* Model logs: what of the model the access logs need. Implemented on the model. */
#ifndef SLUICE_MODEL_LOGS_H
#define SLUICE_MODEL_LOGS_H

#include "control/logs/logs_messages.h"

#include <stdbool.h>

struct model;

struct model_logs_visitor {
	void *context;
	/** A load balancer whose access logs are enabled; followed by the listeners and groups
	 *  that it has now. */
	void (*load_balancer)(void *context, const struct logs_destination *destination);
	void (*listener)(void *context, uint64_t id);
	void (*group)(void *context, uint64_t id, const char *name);
};

void model_logs_visit(const struct model *model, const struct model_logs_visitor *visitor);

/** Whether there is one with that id. */
bool model_logs_has_listener(const struct model *model, uint64_t id);

bool model_logs_has_load_balancer(const struct model *model, uint64_t id);

#endif
