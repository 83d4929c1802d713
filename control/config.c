/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/config.h"

#include "control/config_dpdk.h"
#include "control/config_logs.h"
#include "control/config_read.h"
#include "control/config_rules.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONFIG_FILE_MAX (1024 * 1024) /* bytes; a whole one takes a few thousand */

#define FLOWS_MIN 1024
#define FLOWS_MAX 8388608
#define TARGETS_MAX 65535
#define CLIENTS_MAX 65536
#define PORT_MIN 1024 /* below, ports are those of servers, and only root binds to them */
#define PORT_MAX 65535
#define SNAT_PORT_MAX_DEFAULT 61439

/* First and last port of a range, into two uint16_t in a row. */
static int read_ports(struct config_reader *reader, const struct config_field *field, json_t *value,
		      void *base)
{
	uint16_t *into = (void *)((char *)base + field->offset);
	uint32_t ports[2];
	size_t i, len;
	int r;

	if (json_array_size(value) != 2)
		return config_read_fail(reader,
					"must be a list of two numbers, first and last port");
	for (i = 0; i < 2; i++) {
		len = config_read_push_index(reader, i);
		r = config_read_number_in(reader, json_array_get(value, i), field->min, field->max,
					  &ports[i]);
		if (r < 0)
			return r;
		config_read_pop(reader, len);
	}
	if (ports[0] > ports[1])
		return config_read_fail(reader, "the first port must not be above the last");
	into[0] = (uint16_t)ports[0];
	into[1] = (uint16_t)ports[1];
	return 0;
}

/* --- what texts may be ------------------------------------------------------ */

static bool is_account(const char *text)
{
	return strspn(text, "0123456789") == 12;
}

#define NAME_ALLOWED "letters, digits and hyphens"

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

static int read_interface(struct config_reader *reader, const char *text, unsigned int index,
			  void *into)
{
	(void)index;
	if (text[0] == '\0' || strlen(text) >= IF_NAMESIZE || !config_is_interface(text))
		return config_read_fail(
			reader, "'%s' must be " CONFIG_INTERFACE_ALLOWED ", 1 to %d characters",
			text, IF_NAMESIZE - 1);
	if (add_interface(into, text) == -EEXIST)
		return config_read_fail(reader, "'%s' stands there twice", text);
	return 0;
}

/* --- the keys ---------------------------------------------------------------- */

/* clang-format off */
#define PORTS(key_, member_of_first) \
	{ .key = key_, .read = read_ports, .offset = offsetof(struct config, member_of_first), \
	  .min = PORT_MIN, .max = PORT_MAX }
/* clang-format on */

static const struct config_field zone_fields[] = {
	CONFIG_TEXT("name", struct config_zone, name, 1, config_is_name, NAME_ALLOWED, true),
	CONFIG_TEXT("subnet_id", struct config_zone, subnet_id, 1, config_is_name, NAME_ALLOWED,
		    false),
	CONFIG_TEXT("interface", struct config_zone, interface, 1, config_is_interface,
		    CONFIG_INTERFACE_ALLOWED, true),
	CONFIG_LIST("vip_pool", config_read_prefix, struct config_zone, vip_pool, 1,
		    CONFIG_MAX_VIP_RANGES, true),
	CONFIG_LIST("snat", config_read_address, struct config_zone, snat, 0, ENGINE_MAX_SNAT,
		    false),
	CONFIG_LIST("cidrs", config_read_prefix, struct config_zone, cidrs, 0,
		    CONFIG_MAX_TARGET_CIDRS, false),
	{.key = NULL},
};

/* Without a subnet_id it is made of the name. */
static int finish_zone(struct config_reader *reader, void *element)
{
	struct config_zone *zone = element;
	char name[CONFIG_NAME_MAX];

	if (zone->subnet_id[0] != '\0')
		return 0;
	memcpy(name, zone->name, sizeof(name));
	if (snprintf(zone->subnet_id, sizeof(zone->subnet_id), "subnet-%s", name) >=
	    (int)sizeof(zone->subnet_id))
		return config_read_fail(reader,
					"needs a subnet_id: the name is too long to make one of");
	return 0;
}

static const char *const kinds[] = {
	[ENGINE_MEMORY] = "memory",
	[ENGINE_XDP] = "xdp",
	[ENGINE_DPDK] = "dpdk",
	[ENGINE_DPDK + 1] = NULL,
};
static const char *const attach_modes[] = {
	[ENGINE_ATTACH_AUTO] = "auto",
	[ENGINE_ATTACH_NATIVE] = "native",
	[ENGINE_ATTACH_GENERIC] = "generic",
	[ENGINE_ATTACH_GENERIC + 1] = NULL,
};
_Static_assert(sizeof(enum engine_kind) == sizeof(unsigned int),
	       "config_read_choice() writes both");
_Static_assert(offsetof(struct config, engine.snat_port_max) ==
			       offsetof(struct config, engine.snat_port_min) + sizeof(uint16_t) &&
		       offsetof(struct config, health_port_max) ==
			       offsetof(struct config, health_port_min) + sizeof(uint16_t),
	       "read_ports() writes them in a row");

static const struct config_field socket_fields[] = {
	CONFIG_TEXT("path", struct config, socket_path, 1, config_is_path, CONFIG_PATH_ALLOWED,
		    false),
	CONFIG_TEXT("group", struct config, socket_group, 0, config_is_owner, "the name of a group",
		    false),
	{.key = NULL},
};
static const struct config_field store_fields[] = {
	CONFIG_TEXT("path", struct config, store_path, 1, config_is_path, CONFIG_PATH_ALLOWED,
		    false),
	{.key = NULL},
};
static const struct config_field engine_fields[] = {
	CONFIG_CHOICE("kind", struct config, engine.kind, kinds),
	CONFIG_CHOICE("attach", struct config, engine.attach, attach_modes),
	CONFIG_TEXT("pin_dir", struct config, pin_dir, 1, config_is_path, "an absolute path",
		    false),
	CONFIG_NUMBER("max_flows", struct config, engine.max_flows, FLOWS_MIN, FLOWS_MAX),
	CONFIG_NUMBER("max_flows_ipv6", struct config, engine.max_flows_ipv6, FLOWS_MIN, FLOWS_MAX),
	CONFIG_NUMBER("max_targets", struct config, engine.max_targets, 1, TARGETS_MAX),
	PORTS("snat_ports", engine.snat_port_min),
	{.key = "interfaces",
	 .read = config_read_list,
	 .read_entry = read_interface,
	 .offset = offsetof(struct config, engine),
	 .max = ENGINE_MAX_INTERFACES},
	{.key = "dpdk",
	 .read = config_read_section,
	 .offset = offsetof(struct config, engine.dpdk),
	 .fields = config_dpdk_fields},
	{.key = NULL},
};
static const struct config_field health_fields[] = {
	CONFIG_TEXT("user", struct config, health_user, 1, config_is_owner, "the name of a user",
		    false),
	PORTS("source_ports", health_port_min),
	{.key = "fast_intervals",
	 .read = config_read_truth,
	 .offset = offsetof(struct config, health_fast_intervals)},
	{.key = NULL},
};
static const struct config_field config_fields[] = {
	CONFIG_TEXT("region", struct config, region, 1, config_is_name, NAME_ALLOWED, false),
	CONFIG_TEXT("account_id", struct config, account_id, 12, is_account, "12 digits", false),
	CONFIG_TEXT("vpc_id", struct config, vpc_id, 1, config_is_name, NAME_ALLOWED, false),
	CONFIG_SECTION("socket", socket_fields),
	CONFIG_SECTION("store", store_fields),
	CONFIG_NUMBER("max_clients", struct config, max_clients, 1, CLIENTS_MAX),
	CONFIG_SECTION("engine", engine_fields),
	CONFIG_SECTION("health", health_fields),
	CONFIG_SECTION("access_logs", config_logs_fields),
	CONFIG_OBJECTS("zones", "zones", struct config, zones, zone_fields, finish_zone, 1,
		       ENGINE_MAX_ZONES, true),
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
	config_dpdk_defaults(&config->engine.dpdk);
	snprintf(config->health_user, sizeof(config->health_user), "sluice-health");
	config->health_port_min = SNAT_PORT_MAX_DEFAULT + 1;
	config->health_port_max = PORT_MAX;
	config_logs_defaults(config);
}

static int too_many_interfaces(struct config_reader *reader)
{
	return config_read_fail(reader,
				"is one interface too many: zones, engine.interfaces and "
				"engine.dpdk.ports may name %d",
				ENGINE_MAX_INTERFACES);
}

/* What the engine must know of ports and zones. */
static int fill_engine(struct config_reader *reader, struct config *config)
{
	struct engine_zone *to;
	unsigned int z, i;

	for (i = 0; i < config->engine.dpdk.n_ports; i++) {
		if (add_interface(&config->engine, config->engine.dpdk.ports[i].interface) ==
		    -ENOSPC) {
			snprintf(reader->path, sizeof(reader->path),
				 "engine.dpdk.ports[%u].interface", i);
			return too_many_interfaces(reader);
		}
	}
	for (z = 0; z < config->n_zones; z++) {
		const struct config_zone *from = &config->zones[z];

		to = &config->engine.zones[z];
		memcpy(to->interface, from->interface, sizeof(to->interface));
		memcpy(to->snat, from->snat, sizeof(to->snat));
		to->n_snat = from->n_snat;
		if (add_interface(&config->engine, from->interface) == -ENOSPC) {
			snprintf(reader->path, sizeof(reader->path), "zones[%u].interface", z);
			return too_many_interfaces(reader);
		}
	}
	config->engine.n_zones = config->n_zones;
	return 0;
}

static int check_rules(struct config_reader *reader, const struct config *config)
{
	char text[CONFIG_ERROR_MAX];

	return config_rules_check(config, text) == 0 ? 0 : config_read_fail(reader, "%s", text);
}

int config_parse(const char *name, const char *text, size_t len, struct config **ret_config,
		 char error[CONFIG_ERROR_MAX])
{
	struct config_reader reader = {.name = name, .error = error};
	struct config *config = calloc(1, sizeof(*config));
	json_error_t where;
	json_t *root = NULL;
	int r = -ENOMEM;

	if (config == NULL) {
		config_read_fail(&reader, "out of memory");
		goto fail;
	}
	set_defaults(config);
	root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &where);
	if (root == NULL) {
		r = config_read_fail(&reader, "line %d, column %d: %s", where.line, where.column,
				     where.text);
		goto fail;
	}
	r = config_read_object(&reader, config_fields, root, config);
	if (r == 0)
		r = config_dpdk_check(&reader, json_object_get(root, "engine"), &config->engine);
	if (r == 0)
		r = check_rules(&reader, config);
	if (r == 0)
		r = config_logs_finish(&reader, config);
	if (r == 0)
		r = fill_engine(&reader, config);
	if (r < 0)
		goto fail;
	json_decref(root);
	*ret_config = config;
	return 0;
fail:
	json_decref(root);
	config_free(config);
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
