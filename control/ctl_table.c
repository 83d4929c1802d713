/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/ctl_table.h"

#include "control/ctl_cell.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct ctl_table {
	FILE *out;
	enum ctl_format format;
	const struct ctl_column *columns;
	size_t n_columns;
	size_t widths[CTL_COLUMNS_MAX];
	char **cells; /* of rows not yet printed, row by row */
	size_t n_cells, size;
	bool has_titles; /* printed */
};

struct ctl_table *ctl_table_open(FILE *out, enum ctl_format format,
				 const struct ctl_column *columns)
{
	struct ctl_table *table = calloc(1, sizeof(*table));

	if (table == NULL)
		return NULL;
	table->out = out;
	table->format = format;
	table->columns = columns;
	while (table->n_columns < CTL_COLUMNS_MAX && columns[table->n_columns].title != NULL) {
		table->widths[table->n_columns] = ctl_cell_width(columns[table->n_columns].title);
		table->n_columns++;
	}
	return table;
}

static char *make_cell(const json_t *row, const char *path)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		return NULL;
	ctl_cell_path(out, row, path);
	if (ftell(out) == 0)
		fputc('-', out);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

int ctl_table_row(struct ctl_table *table, const json_t *row)
{
	size_t size, i, width;
	char **cells, *cell;

	if (table->n_cells + table->n_columns > table->size) {
		size = table->size * 2 + table->n_columns;
		cells = realloc(table->cells, size * sizeof(*cells));
		if (cells == NULL)
			return -ENOMEM;
		table->cells = cells;
		table->size = size;
	}
	for (i = 0; i < table->n_columns; i++) {
		cell = make_cell(row, table->columns[i].path);
		if (cell == NULL) {
			while (i-- > 0)
				free(table->cells[--table->n_cells]);
			return -ENOMEM;
		}
		table->cells[table->n_cells++] = cell;
		width = ctl_cell_width(cell);
		if (width > table->widths[i])
			table->widths[i] = width;
	}
	return 0;
}

static void put_cell(const struct ctl_table *table, size_t column, const char *text)
{
	size_t pad = table->widths[column] - ctl_cell_width(text);
	bool last = column + 1 == table->n_columns;

	if (table->format == CTL_TABLE && table->columns[column].right)
		fprintf(table->out, "%*s", (int)pad, "");
	ctl_cell_print(table->out, text); /* titles may come out of a reply, too */
	if (last)
		fputc('\n', table->out);
	else if (table->format == CTL_LINES)
		fputc('\t', table->out);
	else
		fprintf(table->out, "%*s", table->columns[column].right ? 2 : (int)pad + 2, "");
}

void ctl_table_flush(struct ctl_table *table)
{
	size_t i;

	if (!table->has_titles && table->format == CTL_TABLE && *table->columns[0].title != '\0') {
		for (i = 0; i < table->n_columns; i++)
			put_cell(table, i, table->columns[i].title);
	}
	table->has_titles = true;
	for (i = 0; i < table->n_cells; i++) {
		put_cell(table, i % table->n_columns, table->cells[i]);
		free(table->cells[i]);
	}
	table->n_cells = 0;
}

void ctl_table_free(struct ctl_table *table)
{
	if (table == NULL)
		return;
	while (table->n_cells > 0)
		free(table->cells[--table->n_cells]);
	free(table->cells);
	free(table);
}
