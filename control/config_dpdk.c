/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/config_dpdk.h"

#include <stdio.h>
#include <string.h>

#define MTU_MIN 1280 /* IPv6 asks for no less: RFC 8200 section 5 */
#define MTU_MAX 9000
#define MTU_DEFAULT 1500
#define CPU_MAX 1023 /* of a cpu_set_t */
#define MEMORY_MIN_MIB 16
#define MEMORY_MAX_MIB 65536
#define KERNEL_PPS_MIN 100
#define KERNEL_PPS_MAX 10000000
#define KERNEL_PPS_DEFAULT 50000

/* --- texts ------------------------------------------------------------------ */

/* One word: it becomes an argument. */
static bool is_word(const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text <= ' ' || *text > '~')
			return false;
	}
	return true;
}

static int read_interface_address(struct config_reader *reader, const char *text,
				  unsigned int index, void *into)
{
	struct address_prefix *prefixes = into;

	if (address_prefix_of_interface(text, &prefixes[index]) < 0)
		return config_read_fail(reader,
					"'%s' must be an address and the length of its network's "
					"prefix, such as 10.0.0.1/24 or fd00::1/64",
					text);
	return 0;
}

static int read_argument(struct config_reader *reader, const char *text, unsigned int index,
			 void *into)
{
	char(*arguments)[ENGINE_EAL_MAX] = into;

	if (text[0] == '\0' || strlen(text) >= ENGINE_EAL_MAX || !is_word(text))
		return config_read_fail(reader, "'%s' must be one argument of 1 to %d characters",
					text, ENGINE_EAL_MAX - 1);
	snprintf(arguments[index], ENGINE_EAL_MAX, "%s", text);
	return 0;
}

static int read_workers(struct config_reader *reader, const struct config_field *field,
			json_t *value, void *base)
{
	struct engine_dpdk *dpdk = base;
	unsigned int i, n = (unsigned int)json_array_size(value);

	if (!json_is_array(value) || n < 1 || n > ENGINE_MAX_WORKERS)
		return config_read_fail(reader, "must be a list of 1 to %d CPU numbers",
					ENGINE_MAX_WORKERS);
	for (i = 0; i < n; i++) {
		size_t len = config_read_push_index(reader, i);
		int r = config_read_number_in(reader, json_array_get(value, i), field->min,
					      field->max, &dpdk->workers[i]);

		if (r < 0)
			return r;
		config_read_pop(reader, len);
	}
	dpdk->n_workers = n;
	return 0;
}

static int finish_port(struct config_reader *reader, void *element)
{
	struct engine_dpdk_port *port = element;

	(void)reader;
	if (port->mtu == 0)
		port->mtu = MTU_DEFAULT;
	return 0;
}

/* --- the keys --------------------------------------------------------------- */

static const char *const hugepages[] = {
	[ENGINE_HUGEPAGES_AUTO] = "auto",
	[ENGINE_HUGEPAGES_ON] = "on",
	[ENGINE_HUGEPAGES_OFF] = "off",
	[ENGINE_HUGEPAGES_OFF + 1] = NULL,
};
static const char *const idle_modes[] = {
	[ENGINE_IDLE_AUTO] = "auto",	    [ENGINE_IDLE_POLL] = "poll",
	[ENGINE_IDLE_SLEEP] = "sleep",	    [ENGINE_IDLE_INTERRUPT] = "interrupt",
	[ENGINE_IDLE_INTERRUPT + 1] = NULL,
};

static const struct config_field port_fields[] = {
	CONFIG_TEXT("device", struct engine_dpdk_port, device, 1, is_word,
		    "a PCI address or a virtual device with its arguments, without spaces", true),
	CONFIG_TEXT("interface", struct engine_dpdk_port, interface, 1, config_is_interface,
		    CONFIG_INTERFACE_ALLOWED, true),
	CONFIG_LIST("addresses", read_interface_address, struct engine_dpdk_port, addresses, 0,
		    ENGINE_MAX_PORT_ADDRESSES, false),
	CONFIG_NUMBER("mtu", struct engine_dpdk_port, mtu, MTU_MIN, MTU_MAX),
	{.key = NULL},
};

const struct config_field config_dpdk_fields[] = {
	CONFIG_OBJECTS("ports", "ports", struct engine_dpdk, ports, port_fields, finish_port, 1,
		       ENGINE_MAX_INTERFACES, true),
	{.key = "workers", .read = read_workers, .max = CPU_MAX},
	CONFIG_CHOICE("hugepages", struct engine_dpdk, hugepages, hugepages),
	CONFIG_CHOICE("idle", struct engine_dpdk, idle, idle_modes),
	CONFIG_NUMBER("memory_mib", struct engine_dpdk, memory_mib, MEMORY_MIN_MIB, MEMORY_MAX_MIB),
	CONFIG_NUMBER("kernel_pps", struct engine_dpdk, kernel_pps, KERNEL_PPS_MIN, KERNEL_PPS_MAX),
	CONFIG_TEXT("table_dir", struct engine_dpdk, table_dir, 1, config_is_path,
		    "an absolute path", false),
	CONFIG_LIST("eal", read_argument, struct engine_dpdk, eal, 0, ENGINE_MAX_EAL, false),
	{.key = NULL},
};

void config_dpdk_defaults(struct engine_dpdk *dpdk)
{
	dpdk->kernel_pps = KERNEL_PPS_DEFAULT;
}

/* --- what no single key tells ------------------------------------------------ */

static int fail_at(struct config_reader *reader, const char *what, unsigned int index,
		   const char *key, const char *problem)
{
	snprintf(reader->path, sizeof(reader->path), "engine.dpdk.%s[%u]%s", what, index, key);
	return config_read_fail(reader, "%s", problem);
}

/* Devices are the same when their names are, whatever their arguments. */
static bool same_device(const char *a, const char *b)
{
	size_t len = strcspn(a, ",");

	return len == strcspn(b, ",") && strncmp(a, b, len) == 0;
}

static int check_twice(struct config_reader *reader, const struct engine_dpdk *dpdk)
{
	unsigned int i, j;

	for (i = 0; i < dpdk->n_ports; i++) {
		for (j = 0; j < i; j++) {
			if (same_device(dpdk->ports[i].device, dpdk->ports[j].device))
				return fail_at(reader, "ports", i, ".device",
					       "is the device of an earlier port");
			if (strcmp(dpdk->ports[i].interface, dpdk->ports[j].interface) == 0)
				return fail_at(reader, "ports", i, ".interface",
					       "is the interface of an earlier port");
		}
	}
	for (i = 0; i < dpdk->n_workers; i++) {
		for (j = 0; j < i; j++) {
			if (dpdk->workers[i] == dpdk->workers[j])
				return fail_at(reader, "workers", i, "",
					       "is the CPU of an earlier worker");
		}
	}
	return 0;
}

int config_dpdk_check(struct config_reader *reader, const json_t *section,
		      const struct engine_config *engine)
{
	static const char *const of_xdp[] = {"attach", "pin_dir"};
	size_t i;

	if (engine->kind != ENGINE_DPDK) {
		if (json_object_get(section, "dpdk") == NULL)
			return 0;
		config_read_push_key(reader, "engine.dpdk");
		return config_read_fail(reader, "needs engine.kind to be \"dpdk\"");
	}
	for (i = 0; i < sizeof(of_xdp) / sizeof(of_xdp[0]); i++) {
		if (json_object_get(section, of_xdp[i]) == NULL)
			continue;
		config_read_push_key(reader, "engine");
		config_read_push_key(reader, of_xdp[i]);
		return config_read_fail(reader,
					"is of the xdp engine, and engine.kind is \"dpdk\"");
	}
	if (engine->dpdk.n_ports == 0) {
		config_read_push_key(reader, "engine.dpdk.ports");
		return config_read_fail(reader, "is missing: the dpdk engine serves what it names");
	}
	return check_twice(reader, &engine->dpdk);
}
