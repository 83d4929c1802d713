/* SPDX-License-Identifier: BSD-3-Clause */
/* The dpdk engine's section of the config. */
#include "control/config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define ZONES \
	"\"zones\": [{\"name\": \"a\", \"interface\": \"t0\", \"vip_pool\": [\"10.0.0.16/28\"]}]"
#define KIND(engine) "{\"engine\": {\"kind\": \"dpdk\", " engine "}, " ZONES "}"
#define PORT0 "{\"device\": \"net_null0\", \"interface\": \"t0\"}"
#define DPDK(keys) KIND("\"dpdk\": {\"ports\": [" PORT0 "]" keys "}")
#define PORTS(list) KIND("\"dpdk\": {\"ports\": [" list "]}")
#define PORT(keys) PORTS("{\"device\": \"net_null0\", \"interface\": \"t0\", " keys "}")

static struct config *must_parse(const char *text)
{
	char error[CONFIG_ERROR_MAX] = "";
	struct config *config = NULL;

	if (config_parse("test.json", text, strlen(text), &config, error) != 0)
		fail_msg("%s", error);
	return config;
}

static void reads_every_key(void **state)
{
	struct config *config = must_parse(KIND(
		"\"interfaces\": [\"t1.5\"], \"dpdk\": {\"ports\": ["
		"{\"device\": \"0000:03:00.0\", \"interface\": \"t0\", \"mtu\": 9000,"
		" \"addresses\": [\"10.77.0.1/24\", \"fd77::1/64\"]},"
		"{\"device\": \"net_af_xdp0,iface=eth1\", \"interface\": \"t1\"}],"
		"\"workers\": [3, 1], \"hugepages\": \"on\", \"idle\": \"interrupt\","
		"\"memory_mib\": 256, \"kernel_pps\": 1000, \"table_dir\": \"/dev/hugepages/x\","
		"\"eal\": [\"--iova-mode=va\", \"-n4\"]}"));
	const struct engine_dpdk *dpdk = &config->engine.dpdk;
	char text[ADDRESS_TEXT_MAX];

	(void)state;
	assert_int_equal(config->engine.kind, ENGINE_DPDK);
	assert_int_equal(dpdk->n_ports, 2);
	assert_string_equal(dpdk->ports[0].device, "0000:03:00.0");
	assert_string_equal(dpdk->ports[0].interface, "t0");
	assert_int_equal(dpdk->ports[0].mtu, 9000);
	assert_int_equal(dpdk->ports[0].n_addresses, 2);
	assert_string_equal(address_format(&dpdk->ports[0].addresses[0].address, text),
			    "10.77.0.1");
	assert_int_equal(dpdk->ports[0].addresses[0].length, 24);
	assert_string_equal(address_format(&dpdk->ports[0].addresses[1].address, text), "fd77::1");
	assert_int_equal(dpdk->ports[0].addresses[1].length, 64);
	assert_string_equal(dpdk->ports[1].device, "net_af_xdp0,iface=eth1");
	assert_int_equal(dpdk->ports[1].n_addresses, 0);
	assert_int_equal(dpdk->ports[1].mtu, 1500);
	assert_int_equal(dpdk->n_workers, 2);
	assert_int_equal(dpdk->workers[0], 3);
	assert_int_equal(dpdk->workers[1], 1);
	assert_int_equal(dpdk->hugepages, ENGINE_HUGEPAGES_ON);
	assert_int_equal(dpdk->idle, ENGINE_IDLE_INTERRUPT);
	assert_int_equal(dpdk->memory_mib, 256);
	assert_int_equal(dpdk->kernel_pps, 1000);
	assert_string_equal(dpdk->table_dir, "/dev/hugepages/x");
	assert_int_equal(dpdk->n_eal, 2);
	assert_string_equal(dpdk->eal[0], "--iova-mode=va");
	assert_string_equal(dpdk->eal[1], "-n4");
	/* the engine serves the taps, and what the config names beside them */
	assert_int_equal(config->engine.n_interfaces, 3);
	assert_string_equal(config->engine.interfaces[0], "t1.5");
	assert_string_equal(config->engine.interfaces[1], "t0");
	assert_string_equal(config->engine.interfaces[2], "t1");
	config_free(config);
}

static void has_defaults(void **state)
{
	struct config *config = must_parse(DPDK(""));
	const struct engine_dpdk *dpdk = &config->engine.dpdk;

	(void)state;
	assert_int_equal(dpdk->n_workers, 0);
	assert_int_equal(dpdk->hugepages, ENGINE_HUGEPAGES_AUTO);
	assert_int_equal(dpdk->idle, ENGINE_IDLE_AUTO);
	assert_int_equal(dpdk->memory_mib, 0);
	assert_int_equal(dpdk->kernel_pps, 50000);
	assert_string_equal(dpdk->table_dir, "");
	config_free(config);
}

static const struct {
	const char *text, *error;
} bad[] = {
	{KIND("\"max_flows\": 1024"), "engine.dpdk.ports: is missing"},
	{KIND("\"dpdk\": {}"), "engine.dpdk.ports: is missing"},
	{KIND("\"dpdk\": []"), "engine.dpdk: must be an object"},
	{PORTS(""), "engine.dpdk.ports: must be a list of 1 to 16 ports"},
	{PORTS("7"), "engine.dpdk.ports[0]: must be an object"},
	{PORTS("{\"interface\": \"t0\"}"), "engine.dpdk.ports[0].device: is missing"},
	{PORTS("{\"device\": \"d\"}"), "engine.dpdk.ports[0].interface: is missing"},
	{PORTS("{\"device\": \"a b\"}"),
	 "engine.dpdk.ports[0].device: 'a b' must be a PCI address"},
	{PORTS("{\"device\": \"\"}"), "engine.dpdk.ports[0].device: must have 1 to 127 char"},
	{PORT("\"mtu\": 1279"),
	 "engine.dpdk.ports[0].mtu: must be a whole number from 1280 to 9000"},
	{PORT("\"mtu\": 9001"), "engine.dpdk.ports[0].mtu: must be"},
	{PORT("\"addresses\": [\"10.0.0.1\"]"),
	 "engine.dpdk.ports[0].addresses[0]: '10.0.0.1' must be an address and the length"},
	{PORT("\"addresses\": [\"10.0.0.1/24\", \"10.0.0.1/33\"]"),
	 "engine.dpdk.ports[0].addresses[1]: '10.0.0.1/33' must"},
	{PORT("\"vlan\": 5"), "engine.dpdk.ports[0].vlan: unknown key"},
	{PORTS(PORT0 ", {\"device\": \"net_null0,size=64\", \"interface\": \"t1\"}"),
	 "engine.dpdk.ports[1].device: is the device of an earlier port"},
	{PORTS(PORT0 ", {\"device\": \"net_null1\", \"interface\": \"t0\"}"),
	 "engine.dpdk.ports[1].interface: is the interface of an earlier port"},
	{DPDK(", \"workers\": []"), "engine.dpdk.workers: must be a list of 1 to 32 CPU numbers"},
	{DPDK(", \"workers\": 1"), "engine.dpdk.workers: must be a list"},
	{DPDK(", \"workers\": [0, 1024]"),
	 "engine.dpdk.workers[1]: must be a whole number from 0 to 1023"},
	{DPDK(", \"workers\": [2, 1, 2]"), "engine.dpdk.workers[2]: is the CPU of an earlier"},
	{DPDK(", \"hugepages\": true"), "engine.dpdk.hugepages: must be one of \"auto\", \"on\""},
	{DPDK(", \"idle\": \"spin\""),
	 "engine.dpdk.idle: must be one of \"auto\", \"poll\", \"sleep\", \"interrupt\""},
	{DPDK(", \"memory_mib\": 15"),
	 "engine.dpdk.memory_mib: must be a whole number from 16 to 65536"},
	{DPDK(", \"kernel_pps\": 99"),
	 "engine.dpdk.kernel_pps: must be a whole number from 100 to 10000000"},
	{DPDK(", \"table_dir\": \"run\""), "engine.dpdk.table_dir: 'run' must be an absolute path"},
	{DPDK(", \"eal\": [\"-n 4\"]"), "engine.dpdk.eal[0]: '-n 4' must be one argument"},
	/* keys of the other engine */
	{"{\"engine\": {\"dpdk\": {\"ports\": [" PORT0 "]}}, " ZONES "}",
	 "engine.dpdk: needs engine.kind to be \"dpdk\""},
	{KIND("\"attach\": \"auto\", \"dpdk\": {\"ports\": [" PORT0 "]}"),
	 "engine.attach: is of the xdp engine"},
	{KIND("\"pin_dir\": \"/sys/fs/bpf/x\", \"dpdk\": {\"ports\": [" PORT0 "]}"),
	 "engine.pin_dir: is of the xdp engine"},
};

static void names_the_key_of_every_error(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char error[CONFIG_ERROR_MAX] = "no error", want[CONFIG_ERROR_MAX];
		struct config *config = NULL;
		int r = config_parse("f", bad[i].text, strlen(bad[i].text), &config, error);

		snprintf(want, sizeof(want), "f: %s", bad[i].error);
		if (r != -EINVAL || strncmp(error, want, strlen(want)) != 0)
			fail_msg("%s\ngave: %s\nwant: %s", bad[i].text, error, want);
		assert_null(config);
	}
}

static void takes_numbers_at_their_limits(void **state)
{
	static const char *const good[] = {
		PORT("\"mtu\": 1280"),
		PORT("\"mtu\": 9000"),
		DPDK(", \"workers\": [0, 1023]"),
		DPDK(", \"memory_mib\": 16"),
		DPDK(", \"memory_mib\": 65536"),
		DPDK(", \"kernel_pps\": 100"),
		DPDK(", \"kernel_pps\": 10000000"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		config_free(must_parse(good[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_every_key),
		cmocka_unit_test(has_defaults),
		cmocka_unit_test(names_the_key_of_every_error),
		cmocka_unit_test(takes_numbers_at_their_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
