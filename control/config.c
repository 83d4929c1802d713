/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/config.h"

#include "control/config_rules.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONFIG_FILE_MAX (1024 * 1024) /* bytes; a whole one takes a few thousand */
#define CONFIG_NAME_SHOWN_MAX 200     /* bytes of the file's name in an error */
#define CONFIG_KEY_PATH_MAX 128	      /* "zones[7].vip_pool[15]" and a key of a stranger */

#define FLOWS_MIN 1024
#define FLOWS_MAX 8388608
#define TARGETS_MAX 65535
#define CLIENTS_MAX 65536
#define PORT_MIN 1024 /* below, ports are those of servers, and only root binds to them */
#define PORT_MAX 65535
#define SNAT_PORT_MAX_DEFAULT 61439

struct reader {
	const char *name; /* of the file */
	struct config *config;
	char path[CONFIG_KEY_PATH_MAX]; /* of the value being read */
	char *error;
};

/* One key of an object: how it is read, into which place, and what it may be. */
struct field {
	const char *key;
	int (*read)(struct reader *reader, const struct field *field, json_t *value, void *base);
	int (*read_entry)(struct reader *reader, const char *text, unsigned int index, void *into);
	size_t offset;	     /* of the member in the struct that the object fills */
	size_t count_offset; /* lists: of the member that counts the entries */
	uint32_t min, max;   /* numbers: the range; texts: bytes; lists: entries */
	bool (*valid)(const char *text);
	const char *allowed; /* texts: what @valid wants, for a person */
	const char *const *choices;
	const struct field *fields; /* sections: their keys */
	bool required;
};

/* Error texts may be cut short; the caller's own texts are not. */
static int fail(struct reader *reader, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static int fail(struct reader *reader, const char *format, ...)
{
	va_list args;
	int len;

	len = snprintf(reader->error, CONFIG_ERROR_MAX, "%.*s: %s%s", CONFIG_NAME_SHOWN_MAX,
		       reader->name, reader->path, reader->path[0] != '\0' ? ": " : "");
	va_start(args, format);
	vsnprintf(reader->error + len, CONFIG_ERROR_MAX - (size_t)len, format, args);
	va_end(args);
	return -EINVAL;
}

static size_t path_push_key(struct reader *reader, const char *key)
{
	size_t len = strlen(reader->path);

	snprintf(reader->path + len, sizeof(reader->path) - len, "%s%s", len > 0 ? "." : "", key);
	return len;
}

static size_t path_push_index(struct reader *reader, size_t index)
{
	size_t len = strlen(reader->path);

	snprintf(reader->path + len, sizeof(reader->path) - len, "[%zu]", index);
	return len;
}

static void path_pop(struct reader *reader, size_t len)
{
	reader->path[len] = '\0';
}

static const struct field *find_field(const struct field *fields, const char *key)
{
	for (; fields->key != NULL; fields++) {
		if (strcmp(fields->key, key) == 0)
			return fields;
	}
	return NULL;
}

static int read_object(struct reader *reader, const struct field *fields, json_t *object,
		       void *base)
{
	const struct field *field;
	const char *key;
	json_t *value;
	size_t len;
	int r;

	if (!json_is_object(object))
		return fail(reader, "must be an object");
	json_object_foreach (object, key, value) {
		len = path_push_key(reader, key);
		field = find_field(fields, key);
		r = field == NULL ? fail(reader, "unknown key")
				  : field->read(reader, field, value, base);
		if (r < 0)
			return r;
		path_pop(reader, len);
	}
	for (field = fields; field->key != NULL; field++) {
		if (field->required && json_object_get(object, field->key) == NULL) {
			path_push_key(reader, field->key);
			return fail(reader, "is missing");
		}
	}
	return 0;
}

static int read_section(struct reader *reader, const struct field *field, json_t *value, void *base)
{
	return read_object(reader, field->fields, value, base);
}

static int read_text(struct reader *reader, const struct field *field, json_t *value, void *base)
{
	const char *text = json_string_value(value);
	size_t len = json_string_length(value);

	if (text == NULL)
		return fail(reader, "must be a string");
	if (len < field->min || len > field->max)
		return fail(reader, "must have %u to %u characters", field->min, field->max);
	if (!field->valid(text))
		return fail(reader, "'%s' must be %s", text, field->allowed);
	memcpy((char *)base + field->offset, text, len + 1);
	return 0;
}

static int number_in(struct reader *reader, const json_t *value, uint32_t min, uint32_t max,
		     uint32_t *ret_number)
{
	json_int_t number = json_integer_value(value);

	if (!json_is_integer(value) || number < min || number > max)
		return fail(reader, "must be a whole number from %u to %u", min, max);
	*ret_number = (uint32_t)number;
	return 0;
}

static int read_number(struct reader *reader, const struct field *field, json_t *value, void *base)
{
	uint32_t number = 0;
	int r;

	r = number_in(reader, value, field->min, field->max, &number);
	if (r == 0)
		memcpy((char *)base + field->offset, &number, sizeof(number));
	return r;
}

/* The place of the text in @choices is the value of the enum. */
static int read_choice(struct reader *reader, const struct field *field, json_t *value, void *base)
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
	return fail(reader, "must be one of %s", list);
}

/* First and last port of a range, into two uint16_t in a row. */
static int read_ports(struct reader *reader, const struct field *field, json_t *value, void *base)
{
	uint16_t *into = (void *)((char *)base + field->offset);
	uint32_t ports[2];
	size_t i, len;
	int r;

	if (json_array_size(value) != 2)
		return fail(reader, "must be a list of two numbers, first and last port");
	for (i = 0; i < 2; i++) {
		len = path_push_index(reader, i);
		r = number_in(reader, json_array_get(value, i), field->min, field->max, &ports[i]);
		if (r < 0)
			return r;
		path_pop(reader, len);
	}
	if (ports[0] > ports[1])
		return fail(reader, "the first port must not be above the last");
	into[0] = (uint16_t)ports[0];
	into[1] = (uint16_t)ports[1];
	return 0;
}

/* A list of strings; field->read_entry gets each, with field->offset's place in @base. */
static int read_list(struct reader *reader, const struct field *field, json_t *value, void *base)
{
	unsigned int i, n = (unsigned int)json_array_size(value);
	const char *text;
	size_t len;
	int r;

	if (!json_is_array(value) || n < field->min || n > field->max)
		return fail(reader, "must be a list of %u to %u strings", field->min, field->max);
	for (i = 0; i < n; i++) {
		len = path_push_index(reader, i);
		text = json_string_value(json_array_get(value, i));
		r = text == NULL ? fail(reader, "must be a string")
				 : field->read_entry(reader, text, i, (char *)base + field->offset);
		if (r < 0)
			return r;
		path_pop(reader, len);
	}
	if (field->count_offset != 0)
		memcpy((char *)base + field->count_offset, &n, sizeof(n));
	return 0;
}

static int read_address(struct reader *reader, const char *text, unsigned int index, void *into)
{
	struct in6_addr *addresses = into;

	if (address_parse(text, &addresses[index]) < 0)
		return fail(reader, "'%s' must be an IPv4 or IPv6 address", text);
	return 0;
}

static int read_prefix(struct reader *reader, const char *text, unsigned int index, void *into)
{
	struct address_prefix *prefixes = into;

	if (address_prefix_parse(text, &prefixes[index]) < 0)
		return fail(reader,
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
static bool is_name(const char *text)
{
	return only_of(text, "-");
}

static bool is_account(const char *text)
{
	return strspn(text, "0123456789") == 12;
}

/* Of a user or a group, as shadow-utils makes them; for a group, "" stands for root alone. */
static bool is_owner(const char *text)
{
	return text[0] != '-' && only_of(text, "-_.");
}

static bool is_path(const char *text)
{
	return text[0] == '/' && text[strlen(text) - 1] != '/';
}

/* As the kernel's dev_valid_name(). */
static bool is_interface(const char *text)
{
	return strcmp(text, ".") != 0 && strcmp(text, "..") != 0 &&
	       strpbrk(text, "/: \t\n\v\f\r") == NULL;
}

#define NAME_ALLOWED "letters, digits and hyphens"
#define PATH_ALLOWED "an absolute path of a file"
#define INTERFACE_ALLOWED "the name of a network interface"

/* --- interfaces -------------------------------------------------------------- */

/* Returns 0, -EEXIST or -ENOSPC. */
static int add_interface(struct engine_config *engine, const char *name)
{
	unsigned int i;

	for (i = 0; i < engine->n_interfaces; i++) {
		if (strcmp(engine->interfaces[i], name) == 0)
			return -EEXIST;
	}
	if (engine->n_interfaces == ENGINE_MAX_INTERFACES)
		return -ENOSPC;
	snprintf(engine->interfaces[engine->n_interfaces++], IF_NAMESIZE, "%s", name);
	return 0;
}

static int read_interface(struct reader *reader, const char *text, unsigned int index, void *into)
{
	(void)index;
	if (text[0] == '\0' || strlen(text) >= IF_NAMESIZE || !is_interface(text))
		return fail(reader, "'%s' must be " INTERFACE_ALLOWED ", 1 to %d characters", text,
			    IF_NAMESIZE - 1);
	if (add_interface(into, text) == -EEXIST)
		return fail(reader, "'%s' stands there twice", text);
	return 0;
}

/* --- the keys ---------------------------------------------------------------- */

/* clang-format off */
#define TEXT(key_, type, member, min_, valid_, allowed_, required_) \
	{ .key = key_, .read = read_text, .offset = offsetof(type, member), .min = min_, \
	  .max = sizeof(((type *)NULL)->member) - 1, .valid = valid_, .allowed = allowed_, \
	  .required = required_ }
#define NUMBER(key_, member, min_, max_) \
	{ .key = key_, .read = read_number, .offset = offsetof(struct config, member), \
	  .min = min_, .max = max_ }
#define CHOICE(key_, member, choices_) \
	{ .key = key_, .read = read_choice, .offset = offsetof(struct config, member), \
	  .choices = choices_ }
#define PORTS(key_, member_of_first) \
	{ .key = key_, .read = read_ports, .offset = offsetof(struct config, member_of_first), \
	  .min = PORT_MIN, .max = PORT_MAX }
#define SECTION(key_, fields_) { .key = key_, .read = read_section, .fields = fields_ }
#define LIST(key_, entry_, member, min_, max_, required_) \
	{ .key = key_, .read = read_list, .read_entry = entry_, \
	  .offset = offsetof(struct config_zone, member), \
	  .count_offset = offsetof(struct config_zone, n_##member), \
	  .min = min_, .max = max_, .required = required_ }
/* clang-format on */

static const struct field zone_fields[] = {
	TEXT("name", struct config_zone, name, 1, is_name, NAME_ALLOWED, true),
	TEXT("subnet_id", struct config_zone, subnet_id, 1, is_name, NAME_ALLOWED, false),
	TEXT("interface", struct config_zone, interface, 1, is_interface, INTERFACE_ALLOWED, true),
	LIST("vip_pool", read_prefix, vip_pool, 1, CONFIG_MAX_VIP_RANGES, true),
	LIST("snat", read_address, snat, 0, ENGINE_MAX_SNAT, false),
	LIST("cidrs", read_prefix, cidrs, 0, CONFIG_MAX_TARGET_CIDRS, false),
	{.key = NULL},
};

static int default_subnet_id(struct reader *reader, struct config_zone *zone)
{
	char name[CONFIG_NAME_MAX];

	if (zone->subnet_id[0] != '\0')
		return 0;
	memcpy(name, zone->name, sizeof(name));
	if (snprintf(zone->subnet_id, sizeof(zone->subnet_id), "subnet-%s", name) >=
	    (int)sizeof(zone->subnet_id))
		return fail(reader, "needs a subnet_id: the name is too long to make one of");
	return 0;
}

static int read_zones(struct reader *reader, const struct field *field, json_t *value, void *base)
{
	struct config *config = base;
	struct config_zone *zone;
	size_t i, len, n = json_array_size(value);
	int r;

	if (!json_is_array(value) || n < field->min || n > field->max)
		return fail(reader, "must be a list of %u to %u zones", field->min, field->max);
	for (i = 0; i < n; i++) {
		zone = &config->zones[i];
		len = path_push_index(reader, i);
		r = read_object(reader, zone_fields, json_array_get(value, i), zone);
		if (r < 0)
			return r;
		r = default_subnet_id(reader, zone);
		if (r < 0)
			return r;
		path_pop(reader, len);
	}
	config->n_zones = (unsigned int)n;
	return 0;
}

static const char *const kinds[] = {
	[ENGINE_MEMORY] = "memory",
	[ENGINE_XDP] = "xdp",
	[ENGINE_XDP + 1] = NULL,
};
static const char *const attach_modes[] = {
	[ENGINE_ATTACH_AUTO] = "auto",
	[ENGINE_ATTACH_NATIVE] = "native",
	[ENGINE_ATTACH_GENERIC] = "generic",
	[ENGINE_ATTACH_GENERIC + 1] = NULL,
};
_Static_assert(sizeof(enum engine_kind) == sizeof(unsigned int), "read_choice() writes both");
_Static_assert(offsetof(struct config, engine.snat_port_max) ==
			       offsetof(struct config, engine.snat_port_min) + sizeof(uint16_t) &&
		       offsetof(struct config, health_port_max) ==
			       offsetof(struct config, health_port_min) + sizeof(uint16_t),
	       "read_ports() writes them in a row");

static const struct field socket_fields[] = {
	TEXT("path", struct config, socket_path, 1, is_path, PATH_ALLOWED, false),
	TEXT("group", struct config, socket_group, 0, is_owner, "the name of a group", false),
	{.key = NULL},
};
static const struct field store_fields[] = {
	TEXT("path", struct config, store_path, 1, is_path, PATH_ALLOWED, false),
	{.key = NULL},
};
static const struct field engine_fields[] = {
	CHOICE("kind", engine.kind, kinds),
	CHOICE("attach", engine.attach, attach_modes),
	TEXT("pin_dir", struct config, pin_dir, 1, is_path, "an absolute path", false),
	NUMBER("max_flows", engine.max_flows, FLOWS_MIN, FLOWS_MAX),
	NUMBER("max_flows_ipv6", engine.max_flows_ipv6, FLOWS_MIN, FLOWS_MAX),
	NUMBER("max_targets", engine.max_targets, 1, TARGETS_MAX),
	PORTS("snat_ports", engine.snat_port_min),
	{.key = "interfaces",
	 .read = read_list,
	 .read_entry = read_interface,
	 .offset = offsetof(struct config, engine),
	 .max = ENGINE_MAX_INTERFACES},
	{.key = NULL},
};
static const struct field health_fields[] = {
	TEXT("user", struct config, health_user, 1, is_owner, "the name of a user", false),
	PORTS("source_ports", health_port_min),
	{.key = NULL},
};
static const struct field config_fields[] = {
	TEXT("region", struct config, region, 1, is_name, NAME_ALLOWED, false),
	TEXT("account_id", struct config, account_id, 12, is_account, "12 digits", false),
	TEXT("vpc_id", struct config, vpc_id, 1, is_name, NAME_ALLOWED, false),
	SECTION("socket", socket_fields),
	SECTION("store", store_fields),
	NUMBER("max_clients", max_clients, 1, CLIENTS_MAX),
	SECTION("engine", engine_fields),
	SECTION("health", health_fields),
	{.key = "zones", .read = read_zones, .min = 1, .max = ENGINE_MAX_ZONES, .required = true},
	{.key = NULL},
};

static void set_defaults(struct config *config)
{
	snprintf(config->region, sizeof(config->region), "us-east-1");
	snprintf(config->account_id, sizeof(config->account_id), "123456789012");
	snprintf(config->vpc_id, sizeof(config->vpc_id), "vpc-sluice");
	snprintf(config->socket_path, sizeof(config->socket_path), "/run/sluice/control.sock");
	snprintf(config->store_path, sizeof(config->store_path), "/var/lib/sluice/sluice.db");
	snprintf(config->pin_dir, sizeof(config->pin_dir), "/sys/fs/bpf/sluice");
	config->max_clients = 2000;
	config->engine.kind = ENGINE_XDP;
	config->engine.attach = ENGINE_ATTACH_AUTO;
	config->engine.max_flows = 1048576;
	config->engine.max_flows_ipv6 = 262144;
	config->engine.max_targets = TARGETS_MAX;
	config->engine.snat_port_min = PORT_MIN;
	config->engine.snat_port_max = SNAT_PORT_MAX_DEFAULT;
	config->engine.pin_dir = config->pin_dir;
	snprintf(config->health_user, sizeof(config->health_user), "sluice-health");
	config->health_port_min = SNAT_PORT_MAX_DEFAULT + 1;
	config->health_port_max = PORT_MAX;
}

/* What the engine must know of the zones. */
static int fill_engine(struct reader *reader)
{
	struct config *config = reader->config;
	struct engine_zone *to;
	unsigned int z;

	for (z = 0; z < config->n_zones; z++) {
		const struct config_zone *from = &config->zones[z];

		to = &config->engine.zones[z];
		memcpy(to->interface, from->interface, sizeof(to->interface));
		memcpy(to->snat, from->snat, sizeof(to->snat));
		to->n_snat = from->n_snat;
		if (add_interface(&config->engine, from->interface) == -ENOSPC) {
			snprintf(reader->path, sizeof(reader->path), "zones[%u].interface", z);
			return fail(reader,
				    "is one interface too many: zones and "
				    "engine.interfaces may name %d",
				    ENGINE_MAX_INTERFACES);
		}
	}
	config->engine.n_zones = config->n_zones;
	return 0;
}

static int check_rules(struct reader *reader)
{
	char text[CONFIG_ERROR_MAX];

	return config_rules_check(reader->config, text) == 0 ? 0 : fail(reader, "%s", text);
}

int config_parse(const char *name, const char *text, size_t len, struct config **ret_config,
		 char error[CONFIG_ERROR_MAX])
{
	struct reader reader = {.name = name, .error = error};
	json_error_t where;
	json_t *root = NULL;
	int r = -ENOMEM;

	reader.config = calloc(1, sizeof(*reader.config));
	if (reader.config == NULL) {
		fail(&reader, "out of memory");
		goto fail;
	}
	set_defaults(reader.config);
	root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &where);
	if (root == NULL) {
		r = fail(&reader, "line %d, column %d: %s", where.line, where.column, where.text);
		goto fail;
	}
	r = read_object(&reader, config_fields, root, reader.config);
	if (r == 0)
		r = check_rules(&reader);
	if (r == 0)
		r = fill_engine(&reader);
	if (r < 0)
		goto fail;
	json_decref(root);
	*ret_config = reader.config;
	return 0;
fail:
	json_decref(root);
	config_free(reader.config);
	return r;
}

/* Returns the number of bytes read, at most @size, or an error. */
static ssize_t read_all(int fd, char *buffer, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while (len < size) {
		n = read(fd, buffer + len, size - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

int config_load(const char *path, struct config **ret_config, char error[CONFIG_ERROR_MAX])
{
	char *text;
	ssize_t len = -ENOMEM;
	int fd = -1;
	int r;

	text = malloc(CONFIG_FILE_MAX + 1);
	if (text != NULL) {
		fd = open(path, O_RDONLY | O_CLOEXEC);
		len = fd < 0 ? -errno : read_all(fd, text, CONFIG_FILE_MAX + 1);
	}
	if (len < 0) {
		r = (int)len;
		snprintf(error, CONFIG_ERROR_MAX, "%s: cannot be read: %s", path, strerror(-r));
	} else if (len > CONFIG_FILE_MAX) {
		r = -EINVAL;
		snprintf(error, CONFIG_ERROR_MAX, "%s: must not be larger than %d bytes", path,
			 CONFIG_FILE_MAX);
	} else {
		r = config_parse(path, text, (size_t)len, ret_config, error);
	}
	if (fd >= 0)
		close(fd);
	free(text);
	return r;
}

void config_free(struct config *config)
{
	free(config);
}
