/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Table: rows in columns as wide as needed, or with tabs between (text).
 *
 * Rows are held until ctl_table_flush(), which gives columns the width that the
 * rows so far need: a reply of many pages is printed page by page.
 */
#ifndef SLUICE_CTL_TABLE_H
#define SLUICE_CTL_TABLE_H

#include "control/ctl_args.h"

#include <stdio.h>

#define CTL_COLUMNS_MAX 16

struct ctl_column { /* a list of them, one at least, ends with a NULL title */
	const char *title;
	const char *path; /* as ctl_cell_path(), in a row */
	bool right;	  /* numbers: aligned to the right */
};

struct ctl_table;

/**
 * A table that prints to @out, with a line of titles unless @format is text.
 * Columns and stream are borrowed. Returns NULL when out of memory.
 */
struct ctl_table *ctl_table_open(FILE *out, enum ctl_format format,
				 const struct ctl_column *columns);

/** Add a row: what the columns' paths find in @row, "-" for nothing. Returns 0 or -ENOMEM. */
int ctl_table_row(struct ctl_table *table, const json_t *row);

/** Print the rows added since the last call; the first call prints the titles, unless empty. */
void ctl_table_flush(struct ctl_table *table);

void ctl_table_free(struct ctl_table *table); /* NULL is fine; prints nothing */

#endif
