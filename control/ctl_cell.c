/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/ctl_cell.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* U+0080 to U+009F: control characters too, the two bytes C2 80 to C2 9F */
static bool is_c1(const unsigned char *at)
{
	return at[0] == 0xc2 && at[1] >= 0x80 && at[1] <= 0x9f;
}

void ctl_cell_print(FILE *out, const char *text)
{
	const unsigned char *at;

	for (at = (const unsigned char *)text; *at != '\0'; at++) {
		if (is_c1(at)) {
			at++;
			fputc('?', out);
		} else {
			fputc(*at < 0x20 || *at == 0x7f ? '?' : *at, out);
		}
	}
}

size_t ctl_cell_width(const char *text)
{
	size_t width = 0;

	for (; *text != '\0'; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

char *ctl_cell_arn_name(const char *arn)
{
	static const char *const kinds[] = {":loadbalancer/net/", ":listener/net/",
					    ":targetgroup/"};
	const char *at;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		at = strstr(arn, kinds[i]);
		if (at != NULL) {
			at += strlen(kinds[i]);
			return strndup(at, strcspn(at, "/"));
		}
	}
	return strdup(arn);
}

static void put_value(FILE *out, const json_t *value, bool name)
{
	char *text = NULL;

	switch (json_typeof(value)) {
	case JSON_STRING:
		text = name ? ctl_cell_arn_name(json_string_value(value))
			    : strdup(json_string_value(value));
		break;
	case JSON_TRUE:
		fputs("true", out);
		break;
	case JSON_FALSE:
		fputs("false", out);
		break;
	case JSON_NULL:
		break;
	default:
		text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
	}
	if (text != NULL)
		ctl_cell_print(out, text);
	free(text);
}

static void put_path(FILE *out, const json_t *value, const char *path, bool *some)
{
	size_t len = strcspn(path, ".[|"), i;
	const json_t *entry;

	if (len > 0)
		value = json_object_getn(value, path, len);
	path += len;
	if (value == NULL)
		return;
	if (strncmp(path, "[]", 2) == 0) {
		path += path[2] == '.' ? 3 : 2;
		json_array_foreach ((json_t *)value, i, entry)
			put_path(out, entry, path, some);
	} else if (*path == '.') {
		put_path(out, value, path + 1, some);
	} else {
		if (*some)
			fputc(',', out);
		*some = true;
		put_value(out, value, strcmp(path, "|name") == 0);
	}
}

void ctl_cell_path(FILE *out, const json_t *object, const char *path)
{
	bool some = false;

	put_path(out, object, path, &some);
}

json_t *ctl_cell_endpoint(const json_t *object, const char *address_member, const char *port_member)
{
	const char *address = json_string_value(json_object_get(object, address_member));
	long long port = (long long)json_integer_value(json_object_get(object, port_member));

	if (address == NULL)
		address = "";
	return strchr(address, ':') != NULL ? json_sprintf("[%s]:%lld", address, port)
					    : json_sprintf("%s:%lld", address, port);
}

void ctl_cell_rate(double value, char text[16])
{
	static const char units[] = " kMGTPE";
	size_t unit = 0;

	if (!(value > 0))
		value = 0;
	while (value >= 999.5 && unit < sizeof(units) - 2) {
		value /= 1000;
		unit++;
	}
	if (unit == 0)
		snprintf(text, 16, "%.0f", value);
	else
		snprintf(text, 16, value < 9.95 ? "%.1f%c" : "%.0f%c", value < 1e9 ? value : 1e9,
			 units[unit]);
}
