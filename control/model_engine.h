/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Staging of the model's objects in the engine. A failure gives the turn up
 * (model_give_up()) unless said otherwise; results are 0 or negative errno.
 */
#ifndef SLUICE_MODEL_ENGINE_H
#define SLUICE_MODEL_ENGINE_H

#include "control/model.h"

/** Put the group, not its targets. The first put of a group may return -ENOSPC without giving
 *  the turn up: there is no room for another group. */
int model_engine_put_group(struct model *model, const struct group *group);
int model_engine_remove_group(struct model *model, const struct group *group);

/** Bring a target's health up to date and put it as that wants it; Watch clients and the prober
 *  learn of it. */
int model_engine_put_target(struct model *model, struct target *target);
/** The same for a target whose health is up to date. */
int model_engine_stage_target(struct model *model, struct target *target);
/** For one that is not registered any more. */
int model_engine_remove_target(struct model *model, struct target *target);

/** Put a group and all its targets: its use, its zones or its settings have changed. */
int model_engine_refresh(struct model *model, struct group *group);

/**
 * Put a listener. Its groups must be known to the engine.
 *
 * Returns 0, or -EEXIST or -ENOSPC without giving the turn up.
 */
int model_engine_put_listener(struct model *model, const struct listener *listener);
int model_engine_remove_listener(struct model *model, const struct listener *listener);

/** Add the VIP to its interface. Failures (of netlink) do not give the turn up. */
int model_engine_put_vip(struct model *model, const struct vip *vip);
int model_engine_remove_vip(struct model *model, const struct vip *vip);

/** Refresh targets that have the address of a VIP that came or went. */
int model_engine_refresh_address(struct model *model, const struct in6_addr *address);

/** Make the engine what the model is, whatever it was. @error tells what it could not do. */
int model_engine_reconcile(struct model *model, char error[ENGINE_ERROR_MAX]);

#endif
