/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The model's objects as documents in the store: "lb/ID", "group/ID",
 * "listener/ID" and "target/GROUP-ID/ADDRESS/PORT". A failure to stage gives
 * the turn up (model_give_up()); results are 0 or negative errno.
 */
#ifndef SLUICE_MODEL_STORE_H
#define SLUICE_MODEL_STORE_H

#include "control/model.h"

int model_store_save_load_balancer(struct model *model, const struct load_balancer *load_balancer);
int model_store_save_listener(struct model *model, const struct listener *listener);
int model_store_save_group(struct model *model, const struct group *group);
int model_store_save_target(struct model *model, const struct target *target);
/** Stage a target whose health alone changed. No packet waits for the disk: it is made durable
 *  with the next action, or a second later. */
void model_store_save_health(struct model *model, const struct target *target);

int model_store_delete_load_balancer(struct model *model,
				     const struct load_balancer *load_balancer);
int model_store_delete_listener(struct model *model, const struct listener *listener);
int model_store_delete_group(struct model *model, const struct group *group); /* and targets */
int model_store_delete_target(struct model *model, const struct target *target);

/**
 * Fill an empty model from its store.
 *
 * Returns 0; -EBADMSG (@error names the key), -ENOMEM or -EIO, and then the
 * model holds a part of it.
 */
int model_store_load(struct model *model, char error[512]);

#endif
