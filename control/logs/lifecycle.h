/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lifecycle: has a bucket's server delete what grew old below a prefix, by one
 * rule of ours in the bucket's lifecycle configuration; the rules of others stay.
 */
#ifndef SLUICE_LIFECYCLE_H
#define SLUICE_LIFECYCLE_H

#include "control/logs/s3.h"

struct lifecycle; /* a change on its way */

/** @error 0, or as in struct s3_result with @text, which is valid during the call. */
typedef void lifecycle_done(void *context, int error, const char *text);

/**
 * Set the rule for a prefix; 0 days takes it out.
 *
 * S3 knows no change of one rule alone: who else changes the bucket's rules at
 * the same moment may undo this, or be undone.
 *
 * Returns 0 or -ENOMEM. @done is called once, unless cancelled; never from within.
 */
int lifecycle_set(struct s3 *s3, const char *bucket, const char *prefix, uint32_t days,
		  lifecycle_done *done, void *context, struct lifecycle **ret_lifecycle);
/** NULL is fine. */
void lifecycle_cancel(struct lifecycle *lifecycle);

#endif
