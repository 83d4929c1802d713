/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/config_read.h"

#include "dataplane/address.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define NAME_SHOWN_MAX 200 /* bytes of the file's name in an error */

int config_read_fail(struct config_reader *reader, const char *format, ...)
{
	va_list args;
	int len;

	len = snprintf(reader->error, CONFIG_ERROR_MAX, "%.*s: %s%s", NAME_SHOWN_MAX, reader->name,
		       reader->path, reader->path[0] != '\0' ? ": " : "");
	va_start(args, format);
	vsnprintf(reader->error + len, CONFIG_ERROR_MAX - (size_t)len, format, args);
	va_end(args);
	return -EINVAL;
}

size_t config_read_push_key(struct config_reader *reader, const char *key)
{
	size_t len = strlen(reader->path);

	snprintf(reader->path + len, sizeof(reader->path) - len, "%s%s", len > 0 ? "." : "", key);
	return len;
}

size_t config_read_push_index(struct config_reader *reader, size_t index)
{
	size_t len = strlen(reader->path);

	snprintf(reader->path + len, sizeof(reader->path) - len, "[%zu]", index);
	return len;
}

void config_read_pop(struct config_reader *reader, size_t len)
{
	reader->path[len] = '\0';
}

static const struct config_field *find_field(const struct config_field *fields, const char *key)
{
	for (; fields->key != NULL; fields++) {
		if (strcmp(fields->key, key) == 0)
			return fields;
	}
	return NULL;
}

int config_read_object(struct config_reader *reader, const struct config_field *fields,
		       json_t *object, void *base)
{
	const struct config_field *field;
	const char *key;
	json_t *value;
	size_t len;
	int r;

	if (!json_is_object(object))
		return config_read_fail(reader, "must be an object");
	json_object_foreach (object, key, value) {
		len = config_read_push_key(reader, key);
		field = find_field(fields, key);
		r = field == NULL ? config_read_fail(reader, "unknown key")
				  : field->read(reader, field, value, base);
		if (r < 0)
			return r;
		config_read_pop(reader, len);
	}
	for (field = fields; field->key != NULL; field++) {
		if (field->required && json_object_get(object, field->key) == NULL) {
			config_read_push_key(reader, field->key);
			return config_read_fail(reader, "is missing");
		}
	}
	return 0;
}

int config_read_section(struct config_reader *reader, const struct config_field *field,
			json_t *value, void *base)
{
	return config_read_object(reader, field->fields, value, (char *)base + field->offset);
}

int config_read_text(struct config_reader *reader, const struct config_field *field, json_t *value,
		     void *base)
{
	const char *text = json_string_value(value);
	size_t len = json_string_length(value);

	if (text == NULL)
		return config_read_fail(reader, "must be a string");
	if (len < field->min || len > field->max)
		return config_read_fail(reader, "must have %u to %u characters", field->min,
					field->max);
	if (!field->valid(text))
		return config_read_fail(reader, "'%s' must be %s", text, field->allowed);
	memcpy((char *)base + field->offset, text, len + 1);
	return 0;
}

int config_read_number_in(struct config_reader *reader, const json_t *value, uint32_t min,
			  uint32_t max, uint32_t *ret_number)
{
	json_int_t number = json_integer_value(value);

	if (!json_is_integer(value) || number < min || number > max)
		return config_read_fail(reader, "must be a whole number from %u to %u", min, max);
	*ret_number = (uint32_t)number;
	return 0;
}

int config_read_truth(struct config_reader *reader, const struct config_field *field, json_t *value,
		      void *base)
{
	if (!json_is_boolean(value))
		return config_read_fail(reader, "must be true or false");
	*(bool *)((char *)base + field->offset) = json_is_true(value);
	return 0;
}

int config_read_number(struct config_reader *reader, const struct config_field *field,
		       json_t *value, void *base)
{
	uint32_t number = 0;
	int r;

	r = config_read_number_in(reader, value, field->min, field->max, &number);
	if (r == 0)
		memcpy((char *)base + field->offset, &number, sizeof(number));
	return r;
}

int config_read_choice(struct config_reader *reader, const struct config_field *field,
		       json_t *value, void *base)
{
	const char *text = json_string_value(value);
	char list[64] = "";
	unsigned int i;

	for (i = 0; field->choices[i] != NULL; i++) {
		if (text != NULL && strcmp(text, field->choices[i]) == 0) {
			memcpy((char *)base + field->offset, &i, sizeof(i));
			return 0;
		}
		snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s\"%s\"",
			 i > 0 ? ", " : "", field->choices[i]);
	}
	return config_read_fail(reader, "must be one of %s", list);
}

int config_read_list(struct config_reader *reader, const struct config_field *field, json_t *value,
		     void *base)
{
	unsigned int i, n = (unsigned int)json_array_size(value);
	const char *text;
	size_t len;
	int r;

	if (!json_is_array(value) || n < field->min || n > field->max)
		return config_read_fail(reader, "must be a list of %u to %u strings", field->min,
					field->max);
	for (i = 0; i < n; i++) {
		len = config_read_push_index(reader, i);
		text = json_string_value(json_array_get(value, i));
		r = text == NULL ? config_read_fail(reader, "must be a string")
				 : field->read_entry(reader, text, i, (char *)base + field->offset);
		if (r < 0)
			return r;
		config_read_pop(reader, len);
	}
	if (field->count_offset != 0)
		memcpy((char *)base + field->count_offset, &n, sizeof(n));
	return 0;
}

int config_read_objects(struct config_reader *reader, const struct config_field *field,
			json_t *value, void *base)
{
	unsigned int i, n = (unsigned int)json_array_size(value);
	size_t len;
	int r;

	if (!json_is_array(value) || n < field->min || n > field->max)
		return config_read_fail(reader, "must be a list of %u to %u %s", field->min,
					field->max, field->allowed);
	for (i = 0; i < n; i++) {
		void *element = (char *)base + field->offset + i * field->element_bytes;

		len = config_read_push_index(reader, i);
		r = config_read_object(reader, field->fields, json_array_get(value, i), element);
		if (r == 0)
			r = field->finish(reader, element);
		if (r < 0)
			return r;
		config_read_pop(reader, len);
	}
	memcpy((char *)base + field->count_offset, &n, sizeof(n));
	return 0;
}

int config_read_address(struct config_reader *reader, const char *text, unsigned int index,
			void *into)
{
	struct in6_addr *addresses = into;

	if (address_parse(text, &addresses[index]) < 0)
		return config_read_fail(reader, "'%s' must be an IPv4 or IPv6 address", text);
	return 0;
}

int config_read_prefix(struct config_reader *reader, const char *text, unsigned int index,
		       void *into)
{
	struct address_prefix *prefixes = into;

	if (address_prefix_parse(text, &prefixes[index]) < 0)
		return config_read_fail(
			reader,
			"'%s' must be a prefix such as 10.0.0.16/28 or fd00::100/120, "
			"with no bit set behind its length",
			text);
	return 0;
}

/* --- what texts may be ------------------------------------------------------ */

static bool only_of(const char *text, const char *others)
{
	for (; *text != '\0'; text++) {
		bool plain = (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') ||
			     (*text >= '0' && *text <= '9');

		if (!plain && strchr(others, *text) == NULL)
			return false;
	}
	return true;
}

/* They become parts of ARNs and DNS names. */
bool config_is_name(const char *text)
{
	return only_of(text, "-");
}

/* Of a user or a group, as shadow-utils makes them; for a group, "" stands for root alone. */
bool config_is_owner(const char *text)
{
	return text[0] != '-' && only_of(text, "-_.");
}

bool config_is_path(const char *text)
{
	return text[0] == '/' && text[strlen(text) - 1] != '/';
}

/* As the kernel's dev_valid_name(). */
bool config_is_interface(const char *text)
{
	return strcmp(text, ".") != 0 && strcmp(text, "..") != 0 &&
	       strpbrk(text, "/: \t\n\v\f\r") == NULL;
}
