/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/ctl_view.h"

#include "control/ctl_cell.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 16 /* of objects in objects; below it is compact JSON */

struct record {
	json_t *lines;	   /* [{"Name": ..., "Value": ...}] */
	json_t *tables;	   /* {name: list of objects} */
	bool is_unwrapped; /* one object of the API: all of it as lines */
};

static const struct ctl_column line_columns[] = {
	{"", "Name", false},
	{"", "Value", false},
	{NULL, NULL, false},
};

static bool is_list_of_objects(const json_t *value)
{
	return json_is_array(value) && json_is_object(json_array_get(value, 0));
}

/* Of counters of packets only those that count something are worth a line. */
static bool is_idle(const json_t *entry)
{
	const json_t *packets = json_object_get(entry, "Packets");

	return json_is_integer(packets) && json_integer_value(packets) == 0;
}

static void collect_table(struct record *record, const char *name, const json_t *list)
{
	json_t *kept = json_array(), *entry;
	size_t i;

	json_array_foreach ((json_t *)list, i, entry) {
		if (!is_idle(entry))
			json_array_append(kept, entry);
	}
	if (json_array_size(kept) > 0)
		json_object_set(record->tables, name, kept);
	json_decref(kept);
}

static void collect(struct record *record, const char *name, const json_t *value,
		    unsigned int depth);

static void collect_members(struct record *record, const char *name, const json_t *object,
			    unsigned int depth)
{
	const char *key;
	json_t *member, *path;

	json_object_foreach ((json_t *)object, key, member) {
		path = *name == '\0' ? json_string(key) : json_sprintf("%s.%s", name, key);
		if (path != NULL)
			collect(record, json_string_value(path), member, depth + 1);
		json_decref(path);
	}
}

static void collect(struct record *record, const char *name, const json_t *value,
		    unsigned int depth)
{
	json_t *entry, *path;
	size_t i;

	if (json_is_object(value) && depth < DEPTH_MAX) {
		collect_members(record, name, value, depth);
	} else if (is_list_of_objects(value) && depth == 1 && !record->is_unwrapped) {
		collect_table(record, name, value);
	} else if (is_list_of_objects(value) && depth < DEPTH_MAX) {
		json_array_foreach ((json_t *)value, i, entry) {
			path = json_sprintf("%s[%zu]", name, i);
			if (path != NULL)
				collect(record, json_string_value(path), entry, depth + 1);
			json_decref(path);
		}
	} else {
		json_array_append_new(record->lines,
				      json_pack("{s:s, s:O}", "Name", name, "Value", value));
	}
}

/* {"TargetGroups": [{...}]}, as Create and Modify answer: what is inside alone. */
static const json_t *unwrap(const json_t *object)
{
	const json_t *list = json_object_iter_value(json_object_iter((json_t *)object));

	if (json_object_size(object) == 1 && is_list_of_objects(list) && json_array_size(list) == 1)
		return json_array_get(list, 0);
	return object;
}

/* A table of all keys that the first entry has. */
static int print_list(FILE *out, enum ctl_format format, const json_t *list)
{
	struct ctl_column columns[CTL_COLUMNS_MAX + 1] = {{NULL, NULL, false}};
	const json_t *first = json_array_get(list, 0);
	struct ctl_table *table;
	size_t n = 0, i;
	const char *key;
	json_t *value;
	int r = 0;

	json_object_foreach ((json_t *)first, key, value) {
		if (n < CTL_COLUMNS_MAX && strpbrk(key, ".[|") == NULL && *key != '\0')
			columns[n++] = (struct ctl_column){key, key, json_is_number(value)};
	}
	if (n == 0)
		return 0;
	table = ctl_table_open(out, format, columns);
	if (table == NULL)
		return -ENOMEM;
	json_array_foreach ((json_t *)list, i, value) {
		if (r == 0)
			r = ctl_table_row(table, value);
	}
	if (r == 0)
		ctl_table_flush(table);
	ctl_table_free(table);
	return r;
}

static int print_lines(FILE *out, enum ctl_format format, const json_t *lines)
{
	struct ctl_table *table = ctl_table_open(out, format, line_columns);
	json_t *line;
	size_t i;
	int r = 0;

	if (table == NULL)
		return -ENOMEM;
	json_array_foreach ((json_t *)lines, i, line) {
		if (r == 0)
			r = ctl_table_row(table, line);
	}
	if (r == 0)
		ctl_table_flush(table);
	ctl_table_free(table);
	return r;
}

int ctl_view_record(FILE *out, enum ctl_format format, const json_t *object)
{
	struct record record = {json_array(), json_object(), unwrap(object) != object};
	const char *name;
	json_t *list;
	int r = -ENOMEM;

	if (record.lines == NULL || record.tables == NULL)
		goto out;
	collect(&record, "", unwrap(object), 0);
	r = json_array_size(record.lines) > 0 ? print_lines(out, format, record.lines) : 0;
	json_object_foreach (record.tables, name, list) {
		if (r < 0)
			break;
		if (format == CTL_TABLE) {
			fputc('\n', out);
			ctl_cell_print(out, name);
			fputc('\n', out);
		}
		r = print_list(out, format, list);
	}
out:
	json_decref(record.lines);
	json_decref(record.tables);
	return r;
}
