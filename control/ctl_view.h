/* SPDX-License-Identifier: BSD-3-Clause */
/* View: what columns a list of a reply is shown in, by the list's name. */
#ifndef SLUICE_CTL_VIEW_H
#define SLUICE_CTL_VIEW_H

#include "control/ctl_table.h"

#include <jansson.h>

struct ctl_view {
	const char *list; /* "TargetHealthDescriptions" */
	const struct ctl_column *columns;
	/** Append to @rows what is shown of an entry: objects. NULL: the entry itself. */
	void (*expand)(const json_t *entry, json_t *rows);
};

/** The view of the list, or NULL. */
const struct ctl_view *ctl_view_find(const char *list);

/** Add a list's entries to the table. Returns 0 or -ENOMEM. */
int ctl_view_rows(const struct ctl_view *view, const json_t *list, struct ctl_table *table);

/**
 * Print objects and lists as a person reads them: "Name  value" lines, nested
 * names with dots; lists of objects as tables of their own below, without
 * entries whose Packets are 0. A list of one object that is all there is is
 * shown as that object. Returns 0 or -ENOMEM.
 */
int ctl_view_record(FILE *out, enum ctl_format format, const json_t *object);

#endif
