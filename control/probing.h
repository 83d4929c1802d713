/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Probing: sluice-health as the model's prober. Gives it the model's messages,
 * and its reports to the model; keeps it running.
 *
 * Threading: all in the thread of the loop, which is not kept running.
 */
#ifndef SLUICE_PROBING_H
#define SLUICE_PROBING_H

#include "control/action.h"

#include <uv.h>

#define PROBING_ERROR_MAX 512
#define PROBING_SILENCE_MAX_MS 5000 /* without a heartbeat sluice-health hangs */

struct config;
struct probing;

struct probing_events {
	void *context;
	/** The model has changed: commit it at the end of this turn. */
	void (*changed)(void *context);
};

/**
 * Start sluice-health. Config and model are borrowed.
 *
 * Returns 0, -ENOENT (there is no such program), or what the system said, with a
 * sentence in @error.
 */
int probing_open(uv_loop_t *loop, const struct config *config, struct model *model,
		 const struct probing_events *events, struct probing **ret_probing,
		 char error[PROBING_ERROR_MAX]);
/** To be called before the loop's last run, which frees it; NULL is fine. */
void probing_close(struct probing *probing);

/** Send what the model has to say; before the commit of a turn. */
void probing_send(struct probing *probing);

#endif
