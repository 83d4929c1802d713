/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The dpdk engine's life, and what it refuses to start with, in a network
 * namespace of its own. DPDK starts once a process, so each engine runs in a
 * child, which tells by shared memory what it met. Packets are the matter of
 * tests/e2e.
 */
#define _GNU_SOURCE /* unshare */
#include "dataplane/engine.h"
#include "dataplane/interface.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define GROUP_ID 7

enum ending { CLOSE, DETACH, KILL };

struct outcome { /* of the child */
	int opened, started;
	char error[ENGINE_ERROR_MAX];
	struct engine_info info;
	unsigned int groups; /* before the model was put again */
};

struct fixture {
	struct engine_config config;
	struct outcome *outcome;
};

static int shell(const char *command)
{
	int status = system(command);

	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int make_namespace(void **state)
{
	(void)state;
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	assert_int_equal(shell("ip link add veth0 type veth peer name veth1 && "
			       "ip link set veth0 up && ip link set veth1 up && "
			       "ip link set lo up"),
			 0);
	return 0;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->config = (struct engine_config){
		.kind = ENGINE_DPDK,
		.interfaces = {"tap0"},
		.n_interfaces = 1,
		.zones = {{.interface = "tap0", .n_snat = 1}},
		.n_zones = 1,
		.max_flows = 1024,
		.max_flows_ipv6 = 1024,
		.max_targets = 16,
		.snat_port_min = 1024,
		.snat_port_max = 65535,
		.dpdk =
			{
				.ports = {{.device = "net_null0",
					   .interface = "tap0",
					   .mtu = 1500,
					   .n_addresses = 1}},
				.n_ports = 1,
				.hugepages = ENGINE_HUGEPAGES_OFF,
				.memory_mib = 16,
				.kernel_pps = 1000,
			},
	};
	address_parse("10.9.0.200", &f->config.zones[0].snat[0]);
	address_prefix_of_interface("10.9.0.1/24", &f->config.dpdk.ports[0].addresses[0]);
	snprintf(f->config.dpdk.table_dir, sizeof(f->config.dpdk.table_dir),
		 "/dev/shm/sluice-dpdk-%d", (int)getpid());
	f->outcome = mmap(NULL, sizeof(*f->outcome), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(f->outcome, MAP_FAILED);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char path[ENGINE_DIR_MAX + 16];

	if (if_nametoindex("tap0") != 0)
		shell("ip link del tap0");
	snprintf(path, sizeof(path), "%s/tables", f->config.dpdk.table_dir);
	unlink(path);
	rmdir(f->config.dpdk.table_dir);
	munmap(f->outcome, sizeof(*f->outcome));
	free(f);
	return 0;
}

static void be_engine(const struct fixture *f, enum ending ending)
{
	const struct engine_events events = {};
	const struct engine_group group = {.zones = 1};
	struct outcome *o = f->outcome;
	struct engine *engine = NULL;

	o->opened = engine_open(&f->config, &events, &engine, o->error);
	if (o->opened < 0)
		_exit(0);
	engine_describe(engine, &o->info);
	o->groups = o->info.groups;
	engine_reconcile_begin(engine);
	engine_group_put(engine, GROUP_ID, &group);
	o->started = engine_reconcile_end(engine, o->error);
	if (o->started == 0)
		engine_describe(engine, &o->info);
	if (ending == KILL)
		raise(SIGKILL);
	if (ending == DETACH)
		engine_detach(engine, o->error);
	engine_close(engine);
	_exit(0);
}

static void run_engine(struct fixture *f, enum ending ending)
{
	int status;
	pid_t child;

	memset(f->outcome, 0, sizeof(*f->outcome));
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		be_engine(f, ending);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(ending == KILL ? WIFSIGNALED(status) : status == 0);
	if (f->outcome->opened != 0 || f->outcome->started != 0)
		print_message("%s\n", f->outcome->error);
}

static void refuses(struct fixture *f, int r, const char *text)
{
	run_engine(f, CLOSE);
	assert_int_equal(f->outcome->opened != 0 ? f->outcome->opened : f->outcome->started, r);
	if (strstr(f->outcome->error, text) == NULL)
		fail_msg("'%s' does not say '%s'", f->outcome->error, text);
	assert_int_equal(access(f->config.dpdk.table_dir, F_OK), -1);
}

static void the_tap_stands_for_the_port(void **state)
{
	struct fixture *f = *state;
	const struct engine_device *device = &f->outcome->info.dpdk.devices[0];

	run_engine(f, CLOSE);
	assert_int_equal(f->outcome->started, 0);
	assert_string_equal(f->outcome->info.kind, "dpdk");
	assert_false(f->outcome->info.taken_over);
	assert_int_equal(f->outcome->info.dpdk.n_workers, 1);
	assert_string_equal(f->outcome->info.dpdk.idle, "sleep"); /* all devices are virtual */
	assert_false(f->outcome->info.dpdk.huge_packets);
	assert_int_equal(f->outcome->info.dpdk.n_devices, 1);
	assert_string_equal(device->name, "net_null0");
	assert_string_equal(device->interface, "tap0");
	assert_string_equal(device->driver, "net_null");
	assert_int_equal(device->queues, 1);
	assert_true(device->up);
	/* it outlives the process, with its addresses */
	assert_int_equal(shell("ip -4 addr show dev tap0 | grep -q 'inet 10.9.0.1/24 '"), 0);
	assert_int_equal(shell("ip -4 addr show dev tap0 | grep -q 'inet 10.9.0.200/32 '"), 0);
}

static void what_a_process_left_is_taken_over(void **state)
{
	static const enum ending endings[] = {CLOSE, KILL};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		run_engine(f, endings[i]);
		assert_int_equal(f->outcome->started, 0);
	}
	run_engine(f, DETACH);
	assert_true(f->outcome->info.taken_over);
	assert_int_equal(f->outcome->groups, 1);
	assert_int_equal(f->outcome->started, 0);
}

static void detach_leaves_nothing(void **state)
{
	struct fixture *f = *state;

	run_engine(f, DETACH);
	assert_string_equal(f->outcome->error, "");
	assert_int_equal(if_nametoindex("tap0"), 0);
	assert_int_equal(access(f->config.dpdk.table_dir, F_OK), -1);
}

static void much_memory_for_packets_is_had_without_huge_pages(void **state)
{
	struct fixture *f = *state;

	f->config.dpdk.memory_mib = 512;
	run_engine(f, DETACH);
	assert_int_equal(f->outcome->opened, 0);
	assert_int_equal(f->outcome->started, 0);
}

static void a_tap_of_the_operators_stays(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(shell("ip tuntap add dev tap0 mode tap"), 0);
	run_engine(f, DETACH);
	assert_int_equal(f->outcome->started, 0);
	assert_string_equal(f->outcome->error, "");
	assert_int_not_equal(if_nametoindex("tap0"), 0);
}

static void kernel_ignores_a_device_that_has_an_interface_of_it(void **state)
{
	struct fixture *f = *state;

	snprintf(f->config.dpdk.ports[0].device, ENGINE_DEVICE_MAX, "net_af_packet0,iface=veth0");
	run_engine(f, DETACH);
	assert_int_equal(f->outcome->started, 0);
	assert_int_equal(shell("grep -qx 1 /proc/sys/net/ipv4/conf/veth0/rp_filter && "
			       "grep -qx 1 /proc/sys/net/ipv6/conf/veth0/disable_ipv6"),
			 0);
}

static void unknown_devices_are_refused(void **state)
{
	struct fixture *f = *state;

	snprintf(f->config.dpdk.ports[0].device, ENGINE_DEVICE_MAX, "net_nonsense0");
	refuses(f, -ENODEV, "engine.dpdk.ports[0].device: DPDK finds no port 'net_nonsense0'");
	snprintf(f->config.dpdk.ports[0].device, ENGINE_DEVICE_MAX, "ffff:1f:1f.7");
	refuses(f, -ENODEV, "engine.dpdk.ports[0].device: DPDK finds no port 'ffff:1f:1f.7'");
	snprintf(f->config.dpdk.ports[0].device, ENGINE_DEVICE_MAX, "net_af_packet0,iface=veth9");
	refuses(f, -ENODEV, "engine.dpdk.ports[0].device: DPDK finds no port");
	assert_int_equal(if_nametoindex("tap0"), 0);
}

static void too_few_queues_are_refused(void **state)
{
	struct fixture *f = *state;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		fail_msg("needs two CPUs");
	snprintf(f->config.dpdk.ports[0].device, ENGINE_DEVICE_MAX, "net_af_packet0,iface=veth0");
	f->config.dpdk.workers[1] = 1;
	f->config.dpdk.n_workers = 2;
	refuses(f, -EINVAL, "has 1 queue, and each of the 2 workers needs one");
}

static void another_number_of_workers_is_refused(void **state)
{
	struct fixture *f = *state;

	run_engine(f, CLOSE);
	f->config.dpdk.workers[1] = 1;
	f->config.dpdk.n_workers = 2;
	run_engine(f, CLOSE);
	assert_int_equal(f->outcome->opened, -EPROTO);
	assert_non_null(
		strstr(f->outcome->error, "are of 1 workers, and engine.dpdk.workers names 2"));
}

static void cpus_out_of_range_are_refused(void **state)
{
	struct fixture *f = *state;

	f->config.dpdk.workers[0] = 1023;
	f->config.dpdk.n_workers = 1;
	refuses(f, -EINVAL, "engine.dpdk.workers[0] is 1023; this process may use");
}

static void an_mtu_that_the_device_lacks_is_refused(void **state)
{
	struct fixture *f = *state;

	snprintf(f->config.dpdk.ports[0].device, ENGINE_DEVICE_MAX, "net_af_packet0,iface=veth0");
	f->config.dpdk.ports[0].mtu = 1501;
	refuses(f, -EINVAL, "engine.dpdk.ports[0].mtu is 1501, and the MTU of veth0 is 1500");
}

static void interrupts_that_the_driver_lacks_are_refused(void **state)
{
	struct fixture *f = *state;

	f->config.dpdk.idle = ENGINE_IDLE_INTERRUPT;
	refuses(f, -EINVAL, "has no receive interrupts");
	assert_int_equal(if_nametoindex("tap0"), 0);
}

static void an_interface_that_is_no_tap_is_refused(void **state)
{
	struct fixture *f = *state;

	snprintf(f->config.dpdk.ports[0].interface, IF_NAMESIZE, "veth1");
	refuses(f, -EINVAL, "tap interface veth1: there is an interface of that name");
}

static void an_interface_of_no_port_is_refused(void **state)
{
	struct fixture *f = *state;

	snprintf(f->config.interfaces[1], IF_NAMESIZE, "veth1");
	f->config.n_interfaces = 2;
	refuses(f, -ENODEV, "interface veth1 is none of engine.dpdk.ports");
}

static void wrong_arguments_are_refused(void **state)
{
	struct fixture *f = *state;

	snprintf(f->config.dpdk.eal[0], ENGINE_EAL_MAX, "--nonsense");
	f->config.dpdk.n_eal = 1;
	refuses(f, -EINVAL, "DPDK does not start");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(the_tap_stands_for_the_port),
		TEST(what_a_process_left_is_taken_over),
		TEST(detach_leaves_nothing),
		TEST(much_memory_for_packets_is_had_without_huge_pages),
		TEST(a_tap_of_the_operators_stays),
		TEST(kernel_ignores_a_device_that_has_an_interface_of_it),
		TEST(unknown_devices_are_refused),
		TEST(too_few_queues_are_refused),
		TEST(another_number_of_workers_is_refused),
		TEST(cpus_out_of_range_are_refused),
		TEST(an_mtu_that_the_device_lacks_is_refused),
		TEST(interrupts_that_the_driver_lacks_are_refused),
		TEST(an_interface_that_is_no_tap_is_refused),
		TEST(an_interface_of_no_port_is_refused),
		TEST(wrong_arguments_are_refused),
	};

	return cmocka_run_group_tests(tests, make_namespace, NULL);
}
