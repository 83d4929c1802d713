/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/config.h"

#include <errno.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define ZONE "\"name\": \"a\", \"interface\": \"eth0\", \"vip_pool\": [\"10.0.0.16/28\"]"
#define ZONES "\"zones\": [{" ZONE "}]"

static const char whole[] =
	"{\"region\": \"eu-west-1\", \"account_id\": \"000000000001\", \"vpc_id\": \"vpc-rig\",\n"
	" \"socket\": {\"path\": \"/tmp/s.sock\", \"group\": \"sluice\"},\n"
	" \"store\": {\"path\": \"/tmp/s.db\"}, \"max_clients\": 7,\n"
	" \"engine\": {\"kind\": \"memory\", \"attach\": \"generic\", \"pin_dir\": \"/tmp/pins\",\n"
	"  \"max_flows\": 1024, \"max_flows_ipv6\": 8388608, \"max_targets\": 1,\n"
	"  \"snat_ports\": [2000, 2000], \"interfaces\": [\"eth9\", \"eth1\"]},\n"
	" \"health\": {\"user\": \"probe\", \"source_ports\": [1024, 1999],"
	"  \"fast_intervals\": true},\n"
	" \"access_logs\": {\"queue\": \"/tmp/q\", \"spool_dir\": \"/tmp/l\", \"spool_mib\": 8192,\n"
	"  \"file_kib\": 64, \"interval_seconds\": 3600, \"user\": \"logs\",\n"
	"  \"lb_access_logs_expiration_days\": 90},\n"
	" \"zones\": [\n"
	"  {\"name\": \"rig-1a\", \"subnet_id\": \"subnet-x\", \"interface\": \"eth0\",\n"
	"   \"vip_pool\": [\"10.0.0.16/28\", \"fd00::100/120\"],\n"
	"   \"snat\": [\"10.0.1.2\", \"fd00::2\"], \"cidrs\": [\"10.1.0.0/16\", "
	"\"10.1.2.0/24\"]},\n"
	"  {\"name\": \"rig-1b\", \"interface\": \"eth1\", \"vip_pool\": [\"10.0.0.32/32\"]}]}";

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
	struct config *c = must_parse(whole);
	char text[ADDRESS_TEXT_MAX];

	(void)state;
	assert_string_equal(c->region, "eu-west-1");
	assert_string_equal(c->account_id, "000000000001");
	assert_string_equal(c->vpc_id, "vpc-rig");
	assert_string_equal(c->socket_path, "/tmp/s.sock");
	assert_string_equal(c->socket_group, "sluice");
	assert_string_equal(c->store_path, "/tmp/s.db");
	assert_string_equal(c->pin_dir, "/tmp/pins");
	assert_ptr_equal(c->engine.pin_dir, c->pin_dir);
	assert_int_equal(c->max_clients, 7);
	assert_string_equal(c->logs_queue, "/tmp/q");
	assert_string_equal(c->logs_user, "logs");
	assert_string_equal(c->logs.spool_dir, "/tmp/l");
	assert_int_equal(c->logs.spool_bytes_max, 8ull << 30);
	assert_int_equal(c->logs.file_bytes_max, 65536);
	assert_int_equal(c->logs.interval_s, 3600);
	assert_int_equal(c->logs.expiration_days, 90);
	assert_string_equal(c->logs.account_id, "000000000001");
	assert_string_equal(c->logs.region, "eu-west-1");
	assert_string_equal(c->logs.s3.region, "eu-west-1");
	assert_string_equal(c->logs.zones[1], "rig-1b");
	assert_int_equal(c->engine.kind, ENGINE_MEMORY);
	assert_int_equal(c->engine.attach, ENGINE_ATTACH_GENERIC);
	assert_int_equal(c->engine.max_flows, 1024);
	assert_int_equal(c->engine.max_flows_ipv6, 8388608);
	assert_int_equal(c->engine.max_targets, 1);
	assert_int_equal(c->engine.snat_port_min, 2000);
	assert_int_equal(c->engine.snat_port_max, 2000);
	assert_string_equal(c->health_user, "probe");
	assert_int_equal(c->health_port_min, 1024);
	assert_int_equal(c->health_port_max, 1999);
	assert_true(c->health_fast_intervals);
	assert_int_equal(c->n_zones, 2);
	assert_string_equal(c->zones[0].name, "rig-1a");
	assert_string_equal(c->zones[0].subnet_id, "subnet-x");
	assert_string_equal(c->zones[0].interface, "eth0");
	assert_int_equal(c->zones[0].n_vip_pool, 2);
	assert_string_equal(address_format(&c->zones[0].vip_pool[1].address, text), "fd00::100");
	assert_int_equal(c->zones[0].vip_pool[1].length, 120);
	assert_int_equal(c->zones[0].n_cidrs, 2);
	assert_int_equal(c->zones[0].cidrs[1].length, 24);
	assert_int_equal(c->zones[0].n_snat, 2);
	assert_string_equal(c->zones[1].subnet_id, "subnet-rig-1b");
	assert_int_equal(c->zones[1].n_snat, 0);
	config_free(c);
}

static void gives_the_engine_the_zones_and_all_interfaces_once(void **state)
{
	struct config *c = must_parse(whole);
	char text[ADDRESS_TEXT_MAX];

	(void)state;
	assert_int_equal(c->engine.n_interfaces, 3);
	assert_string_equal(c->engine.interfaces[0], "eth9");
	assert_string_equal(c->engine.interfaces[1], "eth1");
	assert_string_equal(c->engine.interfaces[2], "eth0");
	assert_int_equal(c->engine.n_zones, 2);
	assert_string_equal(c->engine.zones[1].interface, "eth1");
	assert_int_equal(c->engine.zones[0].n_snat, 2);
	assert_string_equal(address_format(&c->engine.zones[0].snat[0], text), "10.0.1.2");
	config_free(c);
}

static void has_defaults_for_all_but_the_zones(void **state)
{
	struct config *c = must_parse("{" ZONES "}");

	(void)state;
	assert_string_equal(c->region, "us-east-1");
	assert_int_equal(strlen(c->account_id), 12);
	assert_string_equal(c->vpc_id, "vpc-sluice");
	assert_string_equal(c->socket_path, "/run/sluice/control.sock");
	assert_string_equal(c->socket_group, "");
	assert_string_equal(c->store_path, "/var/lib/sluice/sluice.db");
	assert_string_equal(c->pin_dir, "/sys/fs/bpf/sluice");
	assert_int_equal(c->max_clients, 2000);
	assert_int_equal(c->engine.kind, ENGINE_XDP);
	assert_int_equal(c->engine.attach, ENGINE_ATTACH_AUTO);
	assert_int_equal(c->engine.max_flows, 1048576);
	assert_int_equal(c->engine.max_flows_ipv6, 262144);
	assert_int_equal(c->engine.max_targets, 65535);
	assert_int_equal(c->engine.snat_port_min, 1024);
	assert_int_equal(c->engine.snat_port_max, 61439);
	assert_string_equal(c->health_user, "sluice-health");
	assert_string_equal(c->logs_queue, "/run/sluice/records");
	assert_string_equal(c->logs_user, "sluice-logs");
	assert_string_equal(c->logs.spool_dir, "/var/lib/sluice/logs");
	assert_int_equal(c->logs.spool_bytes_max, 4ull << 30);
	assert_int_equal(c->logs.file_bytes_max, 64 << 20);
	assert_int_equal(c->logs.interval_s, 300);
	assert_int_equal(c->logs.expiration_days, 0);
	assert_int_equal(c->health_port_min, 61440);
	assert_int_equal(c->health_port_max, 65535);
	assert_false(c->health_fast_intervals);
	config_free(c);
}

struct bad {
	const char *text;
	const char *error; /* behind the file's name: its beginning */
};

#define ENGINE(body) "{\"engine\": {" body "}, " ZONES "}"
#define LOGS(body) "{\"access_logs\": {" body "}, " ZONES "}"
#define HEALTH(body) "{\"health\": {" body "}, " ZONES "}"
#define MORE_ZONE(body) "{\"zones\": [{" ZONE ", " body "}]}"
#define SECOND(body)                                                    \
	"{\"zones\": [{" ZONE ", \"snat\": [\"10.0.1.2\"], \"cidrs\": " \
	"[\"10.1.0.0/16\"]}, {\"interface\": \"eth0\", " body "}]}"

static const struct bad bad[] = {
	/* JSON */
	{"", "line 1, column 0: "},
	{"{\n\n\"zones\": [}", "line 3, column "},
	{"{\"region\": \"a\", \"region\": \"b\", " ZONES "}", "line 1, column 24: duplicate"},
	{"[]", "must be an object"},
	{"{} {}", "line 1, column 4: "},
	/* keys */
	{"{}", "zones: is missing"},
	{"{\"Region\": \"a\", " ZONES "}", "Region: unknown key"},
	{ENGINE("\"flows\": 1"), "engine.flows: unknown key"},
	{"{\"zones\": [{\"name\": \"a\"}]}", "zones[0].interface: is missing"},
	{"{\"zones\": [{" ZONE "}, {" ZONE ", \"nat\": 1}]}", "zones[1].nat: unknown key"},
	/* types */
	{"{\"region\": 1, " ZONES "}", "region: must be a string"},
	{"{\"socket\": \"/a\", " ZONES "}", "socket: must be an object"},
	{"{\"zones\": {}}", "zones: must be a list of 1 to 8 zones"},
	{"{\"zones\": []}", "zones: must be a list of 1 to 8 zones"},
	{"{\"zones\": [1]}", "zones[0]: must be an object"},
	{"{\"max_clients\": 1.0, " ZONES "}",
	 "max_clients: must be a whole number from 1 to 65536"},
	{"{\"max_clients\": \"1\", " ZONES "}", "max_clients: must be a whole number"},
	{MORE_ZONE("\"snat\": \"10.0.0.1\""), "zones[0].snat: must be a list of 0 to 16 strings"},
	{MORE_ZONE("\"snat\": [7]"), "zones[0].snat[0]: must be a string"},
	/* ranges, one beyond each end */
	{"{\"max_clients\": 0, " ZONES "}", "max_clients: must be"},
	{"{\"max_clients\": 65537, " ZONES "}", "max_clients: must be"},
	{"{\"max_clients\": -1, " ZONES "}", "max_clients: must be"},
	{ENGINE("\"max_flows\": 1023"),
	 "engine.max_flows: must be a whole number from 1024 to 8388608"},
	{ENGINE("\"max_flows\": 8388609"), "engine.max_flows: must be"},
	{ENGINE("\"max_flows\": 4294968320"), "engine.max_flows: must be"},
	{ENGINE("\"max_flows_ipv6\": 1023"), "engine.max_flows_ipv6: must be"},
	{ENGINE("\"max_targets\": 0"),
	 "engine.max_targets: must be a whole number from 1 to 65535"},
	{ENGINE("\"max_targets\": 65536"), "engine.max_targets: must be"},
	{ENGINE("\"snat_ports\": [1023, 2000]"), "engine.snat_ports[0]: must be"},
	{ENGINE("\"snat_ports\": [1024, 65536]"), "engine.snat_ports[1]: must be"},
	{ENGINE("\"snat_ports\": [2001, 2000]"), "engine.snat_ports: the first port"},
	{ENGINE("\"snat_ports\": [2000]"), "engine.snat_ports: must be a list of two"},
	{ENGINE("\"snat_ports\": [1024, 61440]"),
	 "health.source_ports: 61440 to 65535 overlaps engine.snat_ports, 1024 to 61440"},
	{HEALTH("\"fast_intervals\": 1"), "health.fast_intervals: must be true or false"},
	{HEALTH("\"source_ports\": [61439, 61441]"), "health.source_ports: 61439 to 61441 overl"},
	{HEALTH("\"source_ports\": [1023, 1100]"), "health.source_ports[0]: must be"},
	{LOGS("\"spool_dir\": \"logs\""), "access_logs.spool_dir: 'logs' must be an absolute path"},
	{LOGS("\"queue\": \"/run/\""), "access_logs.queue: '/run/' must be an absolute path of a file"},
	{LOGS("\"user\": \"-u\""), "access_logs.user: '-u' must be the name of a user"},
	{LOGS("\"interval_seconds\": 0"),
	 "access_logs.interval_seconds: must be a whole number from 1 to 3600"},
	{LOGS("\"interval_seconds\": 3601"),
	 "access_logs.interval_seconds: must be a whole number from 1 to 3600"},
	{LOGS("\"spool_mib\": 0"), "access_logs.spool_mib: must be a whole number from 1 to 16777216"},
	{LOGS("\"file_kib\": 63"), "access_logs.file_kib: must be a whole number from 64 to 5242880"},
	{LOGS("\"spool_mib\": 1, \"file_kib\": 2048"),
	 "access_logs.file_kib: a file of 2048 KiB does not fit a spool_mib of 1"},
	{LOGS("\"lb_access_logs_expiration_days\": 36501"),
	 "access_logs.lb_access_logs_expiration_days: must be a whole number from 0 to 36500"},
	{HEALTH("\"source_ports\": [61440, 65536]"), "health.source_ports[1]: must be"},
	{HEALTH("\"user\": \"\""), "health.user: must have 1 to 63 characters"},
	{HEALTH("\"user\": \"a b\""), "health.user: 'a b' must be the name of a user"},
	/* texts */
	{"{\"account_id\": \"12345678901\", " ZONES "}", "account_id: must have 12 to 12 char"},
	{"{\"account_id\": \"12345678901x\", " ZONES "}",
	 "account_id: '12345678901x' must be 12 d"},
	{"{\"region\": \"eu/1\", " ZONES "}", "region: 'eu/1' must be letters"},
	{"{\"region\": \"\", " ZONES "}", "region: must have 1 to 63 characters"},
	{"{\"socket\": {\"path\": \"s.sock\"}, " ZONES "}", "socket.path: 's.sock' must be an abs"},
	{"{\"socket\": {\"path\": \"/a/\"}, " ZONES "}", "socket.path: '/a/' must be an abs"},
	{"{\"socket\": {\"group\": \"-x\"}, " ZONES "}", "socket.group: '-x' must be"},
	{"{\"store\": {\"path\": \"\"}, " ZONES "}", "store.path: must have 1 to 4095 characters"},
	{ENGINE("\"kind\": \"ebpf\""), "engine.kind: must be one of \"memory\", \"xdp\", \"dpdk\""},
	{ENGINE("\"attach\": 1"),
	 "engine.attach: must be one of \"auto\", \"native\", \"generic\""},
	{ENGINE("\"interfaces\": [\"\"]"), "engine.interfaces[0]: '' must be the name"},
	{ENGINE("\"interfaces\": [\"e\", \"a234567890123456\"]"), "engine.interfaces[1]: 'a2345"},
	{ENGINE("\"interfaces\": [\"e\", \"e\"]"), "engine.interfaces[1]: 'e' stands there twice"},
	{"{\"zones\": [{\"interface\": \"a/b\"}]}", "zones[0].interface: 'a/b' must be the name"},
	{"{\"zones\": [{\"interface\": \"..\"}]}", "zones[0].interface: '..' must be the name"},
	/* addresses */
	{MORE_ZONE("\"snat\": [\"10.0.1\"]"), "zones[0].snat[0]: '10.0.1' must be an IPv4 or"},
	{MORE_ZONE("\"snat\": [\"10.0.1.2\", \"::1\"]"), "zones[0].snat[1]: must be a unicast"},
	{MORE_ZONE("\"snat\": [\"10.0.1.2\", \"10.0.1.2\"]"),
	 "zones[0].snat[1]: is zones[0].snat[0]"},
	{MORE_ZONE("\"snat\": [\"10.0.0.31\"]"),
	 "zones[0].snat[0]: lies inside zones[0].vip_pool[0]"},
	{MORE_ZONE("\"cidrs\": [\"10.0.0.1/24\"]"),
	 "zones[0].cidrs[0]: '10.0.0.1/24' must be a pre"},
	{"{\"zones\": [{\"vip_pool\": []}]}", "zones[0].vip_pool: must be a list of 1 to 16"},
	{"{\"zones\": [{\"name\": \"a\", \"interface\": \"e\", \"vip_pool\": [\"0.0.0.0/0\"]}]}",
	 "zones[0].vip_pool[0]: must hold unicast"},
	{"{\"zones\": [{\"name\": \"a\", \"interface\": \"e\", \"vip_pool\": [\"ff02::/16\"]}]}",
	 "zones[0].vip_pool[0]: must hold unicast"},
	/* zones against each other */
	{SECOND("\"name\": \"a\", \"vip_pool\": [\"10.9.0.0/28\"]"),
	 "zones[1].name: 'a' names zones[0]"},
	{SECOND("\"name\": \"b\", \"subnet_id\": \"subnet-a\", \"vip_pool\": [\"10.9.0.0/28\"]"),
	 "zones[1].subnet_id: 'subnet-a' names zones[0]"},
	{SECOND("\"name\": \"b\", \"vip_pool\": [\"10.9.0.0/28\", \"10.0.0.20/30\"]"),
	 "zones[1].vip_pool[1]: overlaps zones[0].vip_pool[0]"},
	{SECOND("\"name\": \"b\", \"vip_pool\": [\"10.9.0.0/28\", \"10.8.0.0/13\"]"),
	 "zones[1].vip_pool[1]: overlaps zones[1].vip_pool[0]"},
	{SECOND("\"name\": \"b\", \"vip_pool\": [\"10.0.1.0/24\"]"),
	 "zones[0].snat[0]: lies inside zones[1].vip_pool[0]"},
	{SECOND("\"name\": \"b\", \"vip_pool\": [\"10.9.0.0/28\"], \"snat\": [\"10.0.1.2\"]"),
	 "zones[1].snat[0]: is zones[0].snat[0] again"},
	{SECOND("\"name\": \"b\", \"vip_pool\": [\"10.9.0.0/28\"], \"cidrs\": [\"0.0.0.0/0\"]"),
	 "zones[1].cidrs[0]: overlaps zones[0].cidrs[0]"},
};

static void names_the_key_of_every_error(void **state)
{
	char error[CONFIG_ERROR_MAX], want[CONFIG_ERROR_MAX];
	struct config *config;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		config = NULL;
		strcpy(error, "no error");
		snprintf(want, sizeof(want), "test.json: %s", bad[i].error);
		if (config_parse("test.json", bad[i].text, strlen(bad[i].text), &config, error) !=
			    -EINVAL ||
		    strncmp(error, want, strlen(want)) != 0)
			fail_msg("%s\ngave: %s\nwant: %s", bad[i].text, error, want);
		assert_null(config);
	}
}

static void takes_texts_up_to_their_limit(void **state)
{
	char text[1024], path[CONFIG_PATH_MAX], name[CONFIG_NAME_MAX];
	char error[CONFIG_ERROR_MAX];
	struct config *config;

	(void)state;
	memset(path, 'p', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	snprintf(text, sizeof(text),
		 "{\"socket\": {\"path\": \"%s\"}, \"zones\": [{\"name\": \"%s\", \"subnet_id\": "
		 "\"s\", "
		 "\"interface\": \"a23456789012345\", \"vip_pool\": [\"10.0.0.16/28\"]}]}",
		 path, name);
	config = must_parse(text);
	assert_string_equal(config->socket_path, path);
	assert_string_equal(config->zones[0].name, name);
	config_free(config);

	snprintf(text, sizeof(text), "{\"socket\": {\"path\": \"%sx\"}}", path);
	assert_int_equal(config_parse("f", text, strlen(text), &config, error), -EINVAL);
	assert_string_equal(error, "f: socket.path: must have 1 to 107 characters");
	snprintf(text, sizeof(text),
		 "{\"zones\": [{\"name\": \"%s\", \"interface\": \"e\", "
		 "\"vip_pool\": [\"10.0.0.16/28\"]}]}",
		 name);
	assert_int_equal(config_parse("f", text, strlen(text), &config, error), -EINVAL);
	assert_string_equal(error, "f: zones[0]: needs a subnet_id: the name is too long to make "
				   "one of");
}

static void takes_sixteen_interfaces_and_no_more(void **state)
{
	char error[CONFIG_ERROR_MAX];
	struct config *config;
	char list[256] = "";
	char text[512];
	unsigned int i;

	(void)state;
	for (i = 0; i < ENGINE_MAX_INTERFACES - 1; i++)
		snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s\"x%u\"",
			 i > 0 ? "," : "", i);
	snprintf(text, sizeof(text), "{\"engine\": {\"interfaces\": [%s]}, " ZONES "}", list);
	config = must_parse(text);
	assert_int_equal(config->engine.n_interfaces, ENGINE_MAX_INTERFACES);
	config_free(config);
	snprintf(text, sizeof(text), "{\"engine\": {\"interfaces\": [%s,\"y\"]}, " ZONES "}", list);
	assert_int_equal(config_parse("f", text, strlen(text), &config, error), -EINVAL);
	assert_string_equal(error, "f: zones[0].interface: is one interface too many: zones, "
				   "engine.interfaces and engine.dpdk.ports may name 16");
}

static void long_names_leave_room_for_the_error(void **state)
{
	char name[2 * CONFIG_ERROR_MAX], text[2 * CONFIG_ERROR_MAX];
	char error[CONFIG_ERROR_MAX];
	struct config *config;

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(config_parse(name, "{}", 2, &config, error), -EINVAL);
	assert_non_null(strstr(error, "n: zones: is missing"));
	snprintf(text, sizeof(text), "{\"%.900s\": 1}", name);
	assert_int_equal(config_parse(name, text, strlen(text), &config, error), -EINVAL);
	assert_non_null(strstr(error, ": unknown key"));
}

static void loads_a_file(void **state)
{
	char path[] = "/tmp/sluice-config-XXXXXX";
	char error[CONFIG_ERROR_MAX] = "";
	struct config *config = NULL;
	char spaces[4096];
	int fd, i;

	(void)state;
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, whole, sizeof(whole) - 1), sizeof(whole) - 1);
	assert_int_equal(config_load(path, &config, error), 0);
	assert_string_equal(config->region, "eu-west-1");
	config_free(config);

	memset(spaces, ' ', sizeof(spaces));
	for (i = 0; i < 256; i++) /* 1 MiB of them, behind the object */
		assert_int_equal(write(fd, spaces, sizeof(spaces)), sizeof(spaces));
	assert_int_equal(config_load(path, &config, error), -EINVAL);
	assert_non_null(strstr(error, "must not be larger than 1048576 bytes"));
	close(fd);
	unlink(path);
	assert_int_equal(config_load(path, &config, error), -ENOENT);
	assert_non_null(strstr(error, path));
	assert_int_equal(config_load("/tmp", &config, error), -EISDIR);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_every_key),
		cmocka_unit_test(gives_the_engine_the_zones_and_all_interfaces_once),
		cmocka_unit_test(has_defaults_for_all_but_the_zones),
		cmocka_unit_test(names_the_key_of_every_error),
		cmocka_unit_test(takes_texts_up_to_their_limit),
		cmocka_unit_test(takes_sixteen_interfaces_and_no_more),
		cmocka_unit_test(long_names_leave_room_for_the_error),
		cmocka_unit_test(loads_a_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
