/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The part of the model that lives by itself: targets whose state changes by
 * probes and by time, and groups that fail open because of it.
 */
#ifndef SLUICE_MODEL_HEALTH_H
#define SLUICE_MODEL_HEALTH_H

#include "control/model.h"

/**
 * Take an event to a target's machine; in memory alone, and the next deadline.
 * Returns 0 or -ENOMEM, for which the turn is given up.
 */
int model_health_step(struct model *model, struct target *target, enum machine_event event,
		      int64_t now_ms);

/** Bring a target's machine up to date with the settings and the use of its group, and see that
 *  the prober learns of it. As model_health_step(). */
int model_health_look(struct model *model, struct target *target, int64_t now_ms);

/** Take a target that is not registered any more out of engine, store and memory. */
int model_health_leave(struct model *model, struct target *target);

/** Tell Watch clients when the state is another than the last told. */
void model_health_tell(struct model *model, struct target *target);

/** Tell the engine of the groups that began or ceased to fail open in this turn. Behind it the
 *  turn may be committed. Returns 0, or an error for which the turn is given up. */
int model_health_settle(struct model *model);

/** Do what time demands of targets at @now_ms. */
void model_health_tick(struct model *model, int64_t now_ms);

/** Take over what @old, which is about to go, knows of the health of targets. */
void model_health_take_over(struct model *model, struct model *old);

#endif
