/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/checks.h"

#include <errno.h>
#include <stdlib.h>
#include <utlist.h>

int checks_add(struct checks *checks, struct target *target, struct check **ret_check)
{
	struct check *check = calloc(1, sizeof(*check));

	if (check == NULL)
		return -ENOMEM;
	check->id = ++checks->last_id;
	check->target = target;
	HASH_ADD(hh, checks->by_id, id, sizeof(check->id), check);
	if (check->hh.tbl == NULL) {
		free(check);
		return -ENOMEM;
	}
	checks_queue(checks, check);
	*ret_check = check;
	return 0;
}

void checks_queue(struct checks *checks, struct check *check)
{
	if (check->queued)
		return;
	check->queued = true;
	DL_APPEND(checks->queue, check);
}

static void unqueue(struct checks *checks, struct check *check)
{
	if (check->queued)
		DL_DELETE(checks->queue, check);
	check->queued = false;
}

void checks_free(struct checks *checks, struct check *check)
{
	unqueue(checks, check);
	HASH_DELETE(hh, checks->by_id, check);
	free(check);
}

void checks_drop(struct checks *checks, struct check *check)
{
	if (check == NULL)
		return;
	check->target = NULL;
	if (check->told == 0)
		checks_free(checks, check);
	else
		checks_queue(checks, check);
}

void checks_restart(struct checks *checks)
{
	struct check *check, *next;

	HASH_ITER (hh, checks->by_id, check, next) {
		check->told = 0;
		if (check->target == NULL)
			checks_free(checks, check);
		else
			checks_queue(checks, check);
	}
}

struct check *checks_next(struct checks *checks)
{
	struct check *check = checks->queue;

	if (check != NULL)
		unqueue(checks, check);
	return check;
}

struct check *checks_reported(const struct checks *checks, const struct probe_report *report)
{
	struct check *check;

	HASH_FIND(hh, checks->by_id, &report->id, sizeof(report->id), check);
	return check != NULL && check->target != NULL && check->told != 0 &&
			       check->generation == report->generation
		       ? check
		       : NULL;
}

/* FNV-1a: a message that differs from the last one must not pass for it by chance. */
uint64_t checks_digest(const struct probe_put *put)
{
	const unsigned char *byte = (const unsigned char *)put;
	uint64_t digest = 0xcbf29ce484222325;

	for (size_t i = 0; i < sizeof(*put); i++)
		digest = (digest ^ byte[i]) * 0x100000001b3;
	return digest != 0 ? digest : 1;
}

void checks_clear(struct checks *checks)
{
	struct check *check, *next;

	HASH_ITER (hh, checks->by_id, check, next)
		checks_free(checks, check);
}
