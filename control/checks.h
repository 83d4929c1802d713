/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Checks: what the prober was told of each target, and what it is still to be
 * told. A queue of targets rather than of messages: a message is made when the
 * prober takes it, so it is always of the latest, and a prober that is slow or
 * away costs no memory.
 */
#ifndef SLUICE_CHECKS_H
#define SLUICE_CHECKS_H

#include "healthcheck/messages.h"

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct target;

struct check {
	uint64_t id;
	struct target *target; /* NULL: it is gone, and the prober is to be told */
	uint32_t generation;   /* of what the prober was told last */
	uint64_t told;	       /* a digest of that; 0: the prober knows nothing of it */
	bool queued;
	struct check *prev, *next; /* in the queue */
	UT_hash_handle hh;	   /* by id */
};

struct checks { /* all zero: none */
	struct check *by_id, *queue;
	uint64_t last_id;
};

/** Add the check of a target, and queue it. Returns 0 or -ENOMEM. */
int checks_add(struct checks *checks, struct target *target, struct check **ret_check);
/** Something of the target changed that the prober may have to know. */
void checks_queue(struct checks *checks, struct check *check);
/** The target goes, and the check behind it; NULL is fine. */
void checks_drop(struct checks *checks, struct check *check);
/** A new prober knows nothing. */
void checks_restart(struct checks *checks);
/** Take the first out of the queue; NULL when there is none. One without target is to be given
 *  to checks_free(). */
struct check *checks_next(struct checks *checks);
void checks_free(struct checks *checks, struct check *check);
/** The check that a report is of; NULL when it is of none, or of what is no longer asked. */
struct check *checks_reported(const struct checks *checks, const struct probe_report *report);
/** Never 0. */
uint64_t checks_digest(const struct probe_put *put);
/** Free all of them. */
void checks_clear(struct checks *checks);

#endif
