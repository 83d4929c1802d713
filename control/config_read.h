/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Config read: from a JSON object into a struct, by a table of its keys. All
 * errors are -EINVAL, with a sentence that names the file and the key and says
 * what it may be.
 */
#ifndef SLUICE_CONFIG_READ_H
#define SLUICE_CONFIG_READ_H

#include "control/config.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_KEY_PATH_MAX 128 /* "zones[7].vip_pool[15]" and a key of a stranger */

struct config_reader {
	const char *name;		/* of the file */
	char path[CONFIG_KEY_PATH_MAX]; /* of the value being read */
	char *error;			/* CONFIG_ERROR_MAX bytes */
};

/* One key of an object: how it is read, into which place, and what it may be. A table of them
 * ends with one without a key. */
struct config_field {
	const char *key;
	int (*read)(struct config_reader *reader, const struct config_field *field, json_t *value,
		    void *base);
	int (*read_entry)(struct config_reader *reader, const char *text, unsigned int index,
			  void *into);
	int (*finish)(struct config_reader *reader,
		      void *element); /* of a list, when it was read */
	size_t offset;		      /* of the member in the struct that the object fills */
	size_t count_offset;	      /* lists: of the member that counts the entries */
	size_t element_bytes;	      /* lists of objects */
	uint32_t min, max;	      /* numbers: the range; texts: bytes; lists: entries */
	bool (*valid)(const char *text);
	const char *allowed; /* texts: what @valid wants; lists of objects: what they are called */
	const char *const *choices;
	const struct config_field *fields; /* of the object, or of each in the list */
	bool required;
};

/* clang-format off */
#define CONFIG_TEXT(key_, type, member, min_, valid_, allowed_, required_) \
	{ .key = key_, .read = config_read_text, .offset = offsetof(type, member), .min = min_, \
	  .max = sizeof(((type *)NULL)->member) - 1, .valid = valid_, .allowed = allowed_, \
	  .required = required_ }
#define CONFIG_NUMBER(key_, type, member, min_, max_) \
	{ .key = key_, .read = config_read_number, .offset = offsetof(type, member), \
	  .min = min_, .max = max_ }
#define CONFIG_CHOICE(key_, type, member, choices_) \
	{ .key = key_, .read = config_read_choice, .offset = offsetof(type, member), \
	  .choices = choices_ }
#define CONFIG_SECTION(key_, fields_) \
	{ .key = key_, .read = config_read_section, .fields = fields_ }
/* Of strings, into member[], counted in n_member. */
#define CONFIG_LIST(key_, entry_, type, member, min_, max_, required_) \
	{ .key = key_, .read = config_read_list, .read_entry = entry_, \
	  .offset = offsetof(type, member), .count_offset = offsetof(type, n_##member), \
	  .min = min_, .max = max_, .required = required_ }
/* Of objects, into member[], counted in n_member. */
#define CONFIG_OBJECTS(key_, noun_, type, member, fields_, finish_, min_, max_, required_) \
	{ .key = key_, .read = config_read_objects, .allowed = noun_, .fields = fields_, \
	  .finish = finish_, .offset = offsetof(type, member), \
	  .count_offset = offsetof(type, n_##member), \
	  .element_bytes = sizeof(((type *)NULL)->member[0]), \
	  .min = min_, .max = max_, .required = required_ }
/* clang-format on */

/** Write an error about the value at reader->path; it may be cut short. Returns -EINVAL. */
int config_read_fail(struct config_reader *reader, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/** Go down into a key or an entry. Returns what config_read_pop() needs to come back. */
size_t config_read_push_key(struct config_reader *reader, const char *key);
size_t config_read_push_index(struct config_reader *reader, size_t index);
void config_read_pop(struct config_reader *reader, size_t len);

/** Read all keys of an object into @base; keys that no field has are errors. Returns 0 or
 *  -EINVAL, as all below. */
int config_read_object(struct config_reader *reader, const struct config_field *fields,
		       json_t *object, void *base);
int config_read_number_in(struct config_reader *reader, const json_t *value, uint32_t min,
			  uint32_t max, uint32_t *ret_number);

/* --- for config_field.read ------------------------------------------------- */

/** An object that fills the same struct, or one at field->offset in it. */
int config_read_section(struct config_reader *reader, const struct config_field *field,
			json_t *value, void *base);
int config_read_text(struct config_reader *reader, const struct config_field *field, json_t *value,
		     void *base);
/** true or false, into a bool. */
int config_read_truth(struct config_reader *reader, const struct config_field *field, json_t *value,
		      void *base);
int config_read_number(struct config_reader *reader, const struct config_field *field,
		       json_t *value, void *base);
/** The place of the text in @choices is the value of the enum. */
int config_read_choice(struct config_reader *reader, const struct config_field *field,
		       json_t *value, void *base);
/** A list of strings; field->read_entry gets each, with field->offset's place in @base. */
int config_read_list(struct config_reader *reader, const struct config_field *field, json_t *value,
		     void *base);
/** A list of objects; field->finish gets each when its keys were read. */
int config_read_objects(struct config_reader *reader, const struct config_field *field,
			json_t *value, void *base);

/* --- for config_field.read_entry: into an array of theirs ------------------ */

int config_read_address(struct config_reader *reader, const char *text, unsigned int index,
			void *into);
int config_read_prefix(struct config_reader *reader, const char *text, unsigned int index,
		       void *into);

/* --- for config_field.valid ------------------------------------------------ */

bool config_is_name(const char *text);
bool config_is_owner(const char *text);
bool config_is_path(const char *text);
bool config_is_interface(const char *text);

#define CONFIG_PATH_ALLOWED "an absolute path of a file"
#define CONFIG_INTERFACE_ALLOWED "the name of a network interface"

#endif
