/* SPDX-License-Identifier: BSD-3-Clause */
/* The engine in the kernel: its life, its end, and all that may be in its way. */
#define _GNU_SOURCE /* unshare */
#include "xdp_rig.h"

#define RECORDS_AT_ONCE 4096u /* backend_xdp.c */

/* Whether the interface wears exactly this program, and the pins are there. */
static bool serves(const struct rig *rig, uint32_t program)
{
	return program != 0 && program_on("near") == program && has_pin(rig, "sl_lines4");
}

static void it_attaches_when_the_model_is_whole(void **state)
{
	struct rig *rig = *state;
	struct engine_info info;

	assert_int_equal(rig_open(rig), 0);
	assert_int_equal(program_on("near"), 0);
	engine_describe(rig->engine, &info);
	assert_string_equal(info.kind, "xdp");
	assert_false(info.taken_over);
	assert_int_equal(rig_reconcile(rig), 0);
	assert_int_not_equal(program_on("near"), 0);
	engine_describe(rig->engine, &info);
	assert_int_equal(info.n_interfaces, 1);
	assert_string_equal(info.interfaces[0].name, "near");
	assert_string_equal(info.interfaces[0].mode, "native");
	assert_true(info.interfaces[0].up);
	assert_true(forwards(rig, 5000));
	assert_int_equal(rig_flows(rig), 1);
}

static void it_forwards_when_nobody_holds_it_and_is_taken_over(void **state)
{
	struct rig *rig = *state;
	struct engine_counters counters;
	uint32_t program, next;
	struct engine_info info;

	rig_start(rig);
	assert_true(forwards(rig, 5000));
	program = program_on("near");
	rig_close(rig);
	assert_true(serves(rig, program));
	assert_true(forwards(rig, 5000));
	assert_true(forwards(rig, 5001));

	assert_int_equal(rig_open(rig), 0);
	assert_true(serves(rig, program)); /* still the old one */
	engine_describe(rig->engine, &info);
	assert_true(info.taken_over);
	assert_int_equal(rig_flows(rig), 2);
	assert_int_equal(rig_reconcile(rig), 0);
	next = program_on("near");
	assert_int_not_equal(next, program); /* replaced in place */
	assert_true(forwards(rig, 5000));
	assert_true(forwards(rig, 5002));
	assert_int_equal(rig_flows(rig), 3);
	assert_int_equal(engine_listener_counters(rig->engine, RIG_LISTENER, &counters), 0);
	assert_int_equal(counters.new_flows_udp, 3);
	assert_int_equal(counters.processed_packets, 5);
}

static void detaching_leaves_nothing(void **state)
{
	struct rig *rig = *state;

	rig_start(rig);
	assert_true(forwards(rig, 5000));
	assert_int_equal(engine_detach(rig->engine, rig->error), 0);
	assert_int_equal(program_on("near"), 0);
	assert_int_not_equal(access(rig->pin_dir, F_OK), 0);
	assert_false(had_address("near", RIG_VIP));
	assert_false(had_address("near", RIG_SNAT));
	rig_close(rig);
	assert_false(forwards(rig, 5000));
	/* and the next one begins anew */
	rig_start(rig);
	assert_int_equal(rig_flows(rig), 0);
	assert_true(forwards(rig, 5000));
}

static void one_that_was_taken_over_can_be_detached_at_once(void **state)
{
	struct rig *rig = *state;

	rig_start(rig);
	rig_close(rig);
	assert_int_equal(rig_open(rig), 0);
	assert_int_equal(engine_detach(rig->engine, rig->error), 0);
	assert_int_equal(program_on("near"), 0);
	assert_int_not_equal(access(rig->pin_dir, F_OK), 0);
	assert_false(had_address("near", RIG_VIP));
	assert_false(had_address("near", RIG_SNAT));
}

static void one_process_holds_it(void **state)
{
	const struct engine_events events = {};
	struct engine *second = NULL;
	struct rig *rig = *state;
	uint32_t program;

	rig_start(rig);
	program = program_on("near");
	assert_int_equal(engine_open(&rig->config, &events, &second, rig->error), -EBUSY);
	assert_null(second);
	assert_non_null(strstr(rig->error, "another process holds the engine"));
	assert_true(serves(rig, program));
	assert_true(forwards(rig, 5000));
}

static void other_sizes_are_refused_and_forwarding_goes_on(void **state)
{
	struct engine_config good;
	struct rig *rig = *state;
	uint32_t program;

	rig_start(rig);
	program = program_on("near");
	rig_close(rig);
	good = rig->config;
	for (int i = 0; i < 5; i++) {
		rig->config = good;
		*(i == 0   ? &rig->config.max_flows :
		  i == 1   ? &rig->config.max_flows_ipv6 :
		  i == 2   ? &rig->config.max_targets :
			     &rig->config.n_zones) += 1;
		if (i == 4) {
			rig->config = good;
			rig->config.snat_port_max--;
		}
		assert_int_equal(rig_open(rig), -EPROTO);
		assert_non_null(strstr(rig->error, "other sizes (max_flows 8192, max_flows_ipv6 "
						   "1024, max_targets 16, snat_ports 1024-65535, 1 "
						   "zones"));
		assert_non_null(strstr(rig->error, "sluicectl shutdown --detach"));
		assert_non_null(strstr(rig->error, "flows are lost"));
		assert_true(serves(rig, program));
		assert_true(forwards(rig, (uint16_t)(5000 + i)));
	}
	rig->config = good;
	rig_start(rig);
	assert_int_equal(rig_flows(rig), 5);
}

static void tables_of_another_layout_are_refused_and_forwarding_goes_on(void **state)
{
	struct rig *rig = *state;
	struct sl_config *config;
	uint32_t program;

	rig_start(rig);
	program = program_on("near");
	rig_close(rig);
	config = pinned(rig, "sl_saved_config", sizeof(*config));
	config->layout_version = 4711;
	assert_int_equal(rig_open(rig), -EPROTO);
	assert_non_null(strstr(rig->error, "layout version 4711"));
	assert_non_null(strstr(rig->error, "sluicectl shutdown --detach"));
	assert_non_null(strstr(rig->error, "flows are lost"));
	assert_true(serves(rig, program));
	config->layout_version = SL_LAYOUT_VERSION;
	config->magic = 0x12345678;
	assert_int_equal(rig_open(rig), -EPROTO);
	assert_true(serves(rig, program));
	assert_true(forwards(rig, 5000));
	config->magic = SL_MAGIC;
	rig_start(rig);
	assert_int_equal(rig_flows(rig), 1);
	munmap(config, 4096);
}

static int pin_map(const struct rig *rig, const char *name)
{
	char path[256];
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, name, 4, 8, 1, NULL), r;

	assert_true(fd >= 0);
	snprintf(path, sizeof(path), "%s/%s", rig->pin_dir, name);
	r = bpf_obj_pin(fd, path);
	close(fd);
	return r;
}

static void half_made_pins_are_replaced_and_others_left_alone(void **state)
{
	struct rig *rig = *state;
	struct engine_info info;

	/* a process that died amid its start: tables without config, a link to nothing */
	assert_int_equal(mkdir(rig->pin_dir, 0700), 0);
	assert_int_equal(pin_map(rig, "sl_lines4"), 0);
	assert_int_equal(pin_map(rig, "link_4711"), 0);
	assert_int_equal(pin_map(rig, "theirs"), 0);
	rig_start(rig);
	engine_describe(rig->engine, &info);
	assert_false(info.taken_over);
	assert_true(forwards(rig, 5000));
	assert_false(has_pin(rig, "link_4711"));
	assert_int_equal(engine_detach(rig->engine, rig->error), 0);
	assert_false(has_pin(rig, "sl_lines4"));
	assert_true(has_pin(rig, "theirs"));
	rig_close(rig);

	/* with a config that was not written yet */
	rig_start(rig);
	rig_close(rig);
	((struct sl_config *)pinned(rig, "sl_saved_config", 4096))->magic = 0;
	rig_start(rig);
	engine_describe(rig->engine, &info);
	assert_false(info.taken_over);
	assert_true(forwards(rig, 5000));
}

static void a_pin_dir_elsewhere_is_refused(void **state)
{
	char elsewhere[] = "/tmp/sluice-not-bpf-XXXXXX", below[64];
	struct rig *rig = *state;

	assert_non_null(mkdtemp(elsewhere));
	rig->config.pin_dir = elsewhere;
	assert_int_equal(rig_open(rig), -EINVAL);
	assert_non_null(strstr(rig->error, "is not on a bpf file system"));
	assert_non_null(strstr(rig->error, "mount -t bpf bpf /sys/fs/bpf"));
	assert_int_equal(access(elsewhere, F_OK), 0); /* not ours to remove */
	snprintf(below, sizeof(below), "%s/engine", elsewhere);
	rig->config.pin_dir = below;
	assert_int_equal(rig_open(rig), -EINVAL);
	assert_int_not_equal(access(below, F_OK), 0);
	snprintf(below, sizeof(below), "%s/no/engine", elsewhere);
	assert_int_equal(rig_open(rig), -ENOENT);
	assert_non_null(strstr(rig->error, "mount -t bpf bpf /sys/fs/bpf"));
	assert_int_equal(rmdir(elsewhere), 0);
}

static void an_unknown_interface_is_refused_and_nothing_changes(void **state)
{
	struct rig *rig = *state;
	uint32_t program;

	snprintf(rig->config.interfaces[1], IF_NAMESIZE, "nosuch");
	rig->config.n_interfaces = 2;
	assert_int_equal(rig_open(rig), -ENODEV);
	assert_string_equal(rig->error, "interface nosuch: there is no such interface");
	assert_int_not_equal(access(rig->pin_dir, F_OK), 0); /* a fresh one leaves nothing */
	rig->config.n_interfaces = 1;
	rig_start(rig);
	program = program_on("near");
	rig_close(rig);
	rig->config.n_interfaces = 2;
	assert_int_equal(rig_open(rig), -ENODEV);
	assert_true(serves(rig, program));
	assert_true(forwards(rig, 5000));
}

/* --- interfaces ----------------------------------------------------------- */

static void an_interface_made_anew_is_served_after_a_restart(void **state)
{
	uint64_t end_ms = now_ms() + RIG_PATIENCE_MS;
	struct rig *rig = *state;
	struct engine_info info;
	char old_pin[32];

	rig_start(rig);
	snprintf(old_pin, sizeof(old_pin), "link_%u", if_nametoindex("near"));
	assert_true(has_pin(rig, old_pin));
	run("ip link del near");
	make_veths(rig);
	while (rig->changed[0] == '\0' && now_ms() < end_ms) {
		struct pollfd ready = {.fd = engine_poll_fd(rig->engine), .events = POLLIN};

		poll(&ready, 1, 1000);
		engine_process(rig->engine);
	}
	assert_string_equal(rig->changed, "interface near is down");
	engine_describe(rig->engine, &info);
	assert_false(info.interfaces[0].up);
	rig_close(rig);
	rig_start(rig);
	assert_int_not_equal(program_on("near"), 0);
	assert_false(has_pin(rig, old_pin));
	assert_true(forwards(rig, 5000));
	engine_describe(rig->engine, &info);
	assert_true(info.taken_over);
	assert_true(info.interfaces[0].up);
	assert_int_equal(engine_detach(rig->engine, rig->error), 0);
}

static void a_renamed_interface_is_taken_over(void **state)
{
	struct rig *rig = *state;

	rig_start(rig);
	assert_true(forwards(rig, 5000));
	rig_close(rig);
	run("ip link set near down && ip link set near name lan && ip link set lan up");
	run("ip neigh replace 10.9.0.3 lladdr 02:00:00:00:00:03 dev lan nud permanent");
	snprintf(rig->config.interfaces[0], IF_NAMESIZE, "lan");
	snprintf(rig->config.zones[0].interface, IF_NAMESIZE, "lan");
	rig_start(rig);
	assert_true(forwards(rig, 5000));
	assert_int_equal(rig_flows(rig), 1);
	rig_close(rig);
	run("ip link del lan");
}

static void an_interface_that_the_config_no_longer_names_is_let_go(void **state)
{
	struct rig *rig = *state;

	run("ip link add other type veth peer name other2 && ip link set other up");
	snprintf(rig->config.interfaces[1], IF_NAMESIZE, "other");
	rig->config.n_interfaces = 2;
	rig_start(rig);
	assert_int_not_equal(program_on("other"), 0);
	rig_close(rig);
	rig->config.n_interfaces = 1;
	assert_int_equal(rig_open(rig), 0);
	assert_int_not_equal(program_on("other"), 0);
	assert_int_equal(rig_reconcile(rig), 0);
	assert_int_equal(program_on("other"), 0);
	assert_true(forwards(rig, 5000));
	run("ip link del other");
}

static void another_program_in_the_way_is_named(void **state)
{
	struct bpf_insn pass[] = {{.code = 0xb7, .imm = XDP_PASS}, {.code = 0x95}};
	struct rig *rig = *state;
	uint32_t theirs;
	int fd;

	run("ip link add other type veth peer name other2 && ip link set other up");
	fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "theirs", "GPL", pass, 2, NULL);
	assert_true(fd >= 0);
	assert_int_equal(bpf_xdp_attach((int)if_nametoindex("other"), fd, XDP_FLAGS_DRV_MODE, NULL),
			 0);
	close(fd);
	theirs = program_on("other");
	snprintf(rig->config.interfaces[1], IF_NAMESIZE, "other");
	rig->config.n_interfaces = 2;
	assert_int_equal(rig_open(rig), 0);
	assert_true(rig_reconcile(rig) < 0);
	assert_non_null(strstr(rig->error, "another XDP program is attached to other"));
	/* a first start that fails leaves nothing, where it had come already neither */
	assert_int_equal(program_on("near"), 0);
	assert_int_equal(program_on("other"), theirs);
	assert_int_not_equal(access(rig->pin_dir, F_OK), 0);
	assert_false(had_address("near", RIG_VIP));
	run("ip link del other");
}

static void generic_mode_serves_too(void **state)
{
	struct rig *rig = *state;
	struct engine_info info;

	rig->config.attach = ENGINE_ATTACH_GENERIC;
	rig_start(rig);
	engine_describe(rig->engine, &info);
	assert_string_equal(info.interfaces[0].mode, "generic");
	assert_true(forwards(rig, 5000));
}

/* --- addresses ------------------------------------------------------------ */

static void addresses_that_are_nobodys_any_more_are_removed(void **state)
{
	struct engine_vip second = {.address = address("192.0.2.2")};
	struct rig *rig = *state;

	rig_start(rig);
	assert_int_equal(engine_vip_put(rig->engine, &second), 0);
	rig_close(rig);
	rig->config.zones[0].snat[0] = address("10.9.0.101");
	assert_int_equal(rig_open(rig), 0);
	run("ip -o addr show dev near | grep -q 'inet 192.0.2.2/32'"); /* until the model is whole */
	assert_int_equal(rig_reconcile(rig), 0);
	assert_false(had_address("near", "192.0.2.2"));
	assert_false(had_address("near", RIG_SNAT));
	assert_true(had_address("near", "10.9.0.101"));
	assert_true(had_address("near", RIG_VIP));
}

static void addresses_outlast_a_link_that_was_down(void **state)
{
	struct engine_vip vip6 = {.address = address("2001:db8::1")};
	struct rig *rig = *state;

	rig_start(rig);
	assert_int_equal(engine_vip_put(rig->engine, &vip6), 0);
	run("ip link set near down && ip link set near up");
	assert_true(had_address("near", "2001:db8::1"));
	assert_true(had_address("near", RIG_VIP));
	assert_true(had_address("near", RIG_SNAT));
}

/* --- without anybody ------------------------------------------------------ */

/* Make flows, by number, as if they were last seen long ago. */
static void age(struct rig *rig, uint32_t first, uint32_t last)
{
	size_t bytes = (size_t)2 * (RIG_FLOWS + 1) * SL_LINE_BYTES_V4;
	unsigned char *lines = pinned(rig, "sl_lines4", bytes);
	uint32_t long_ago = (uint32_t)(engine_now_ns() >> SL_TICK_SHIFT) - SL_TICKS_OF_MS(200000);

	for (uint32_t i = 2 * first; i <= 2 * last + 1; i++)
		((struct sl_flow_line *)(lines + (size_t)i * SL_LINE_BYTES_V4))->last_seen = long_ago;
	munmap(lines, bytes);
}

static void wait_for_end_of(struct rig *rig, uint32_t flow)
{
	unsigned char *lines = pinned(rig, "sl_lines4", 4096);
	const struct sl_flow_line *line = (const void *)(lines + 2 * flow * SL_LINE_BYTES_V4);
	uint64_t end_ms = now_ms() + RIG_PATIENCE_MS;

	while (SL_CONTROL_STATE(SL_READ(line->control)) != SL_FLOW_FREE) {
		assert_true(now_ms() < end_ms);
		poll(NULL, 0, 20);
	}
	munmap(lines, 4096);
}

static void flows_end_when_nobody_holds_it(void **state)
{
	struct rig *rig = *state;

	rig_start(rig);
	assert_true(forwards(rig, 5000));
	assert_true(forwards(rig, 5001));
	rig_close(rig);
	age(rig, 1, 1);
	wait_for_end_of(rig, 1);
	rig_start(rig);
	assert_int_equal(rig_flows(rig), 1);
	/* and who takes it over learns of the end */
	engine_process(rig->engine);
	assert_int_equal(rig->n_ended, 1);
	assert_int_equal(rig->ended.client_port, 5000);
	assert_int_equal(rig->ended.reason, ENGINE_CLOSE_IDLE);
	assert_int_equal(rig->ended.listener_id, RIG_LISTENER);
	assert_int_equal(rig->ended.group_id, RIG_GROUP);
	assert_string_equal(rig->ended.state, "udp");
	/* the sweep went on with the new program */
	age(rig, 2, 2);
	wait_for_end_of(rig, 2);
	engine_process(rig->engine);
	assert_int_equal(rig->n_ended, 2);
	assert_int_equal(rig->ended.client_port, 5001);
}

/* Flows made by the native path in the kernel's tables: quicker than by packets. */
static void make_flows(struct rig *rig, uint32_t n)
{
	struct sl_tables path = rig->engine->tables;
	struct sl_create *create = &path.scratch->create;
	const struct sl_vip *vip =
		sl_vip_find(&path, false, &(__be32){inet_addr(RIG_VIP)}, htons(80), SL_UDP);

	path.now_ns = engine_now_ns();
	for (uint32_t i = 0; i < n; i++) {
		*create = (struct sl_create){.listener = vip->listener};
		create->key = (struct sl_flow_key){
			.saddr = {inet_addr("10.9.0.2")},
			.daddr = {inet_addr(RIG_VIP)},
			.sport = htons((uint16_t)(1024 + i)),
			.dport = htons(80),
			.protocol = SL_UDP,
		};
		assert_int_not_equal(sl_flow_create4(&path), 0);
	}
}

static void records_come_in_bounded_turns(void **state)
{
	uint32_t n = RECORDS_AT_ONCE + 100, turns = 0, before = 0;
	uint64_t end_ms = now_ms() + RIG_PATIENCE_MS;
	struct rig *rig = *state;

	rig_start(rig);
	make_flows(rig, n);
	assert_int_equal(rig_flows(rig), n);
	age(rig, 1, n);
	while (rig_flows(rig) != 0) {
		assert_true(now_ms() < end_ms);
		poll(NULL, 0, 20);
	}
	while (rig->n_ended < n) {
		struct pollfd ready = {.fd = engine_poll_fd(rig->engine), .events = POLLIN};

		assert_int_equal(poll(&ready, 1, 0), 1);
		engine_process(rig->engine);
		assert_in_range(rig->n_ended - before, 1, RECORDS_AT_ONCE);
		before = rig->n_ended;
		turns++;
	}
	assert_int_equal(turns, 2);
	assert_int_equal(rig->n_ended, n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(it_attaches_when_the_model_is_whole),
		RIG_TEST(it_forwards_when_nobody_holds_it_and_is_taken_over),
		RIG_TEST(detaching_leaves_nothing),
		RIG_TEST(one_that_was_taken_over_can_be_detached_at_once),
		RIG_TEST(one_process_holds_it),
		RIG_TEST(other_sizes_are_refused_and_forwarding_goes_on),
		RIG_TEST(tables_of_another_layout_are_refused_and_forwarding_goes_on),
		RIG_TEST(half_made_pins_are_replaced_and_others_left_alone),
		RIG_TEST(a_pin_dir_elsewhere_is_refused),
		RIG_TEST(an_unknown_interface_is_refused_and_nothing_changes),
		RIG_TEST(an_interface_made_anew_is_served_after_a_restart),
		RIG_TEST(a_renamed_interface_is_taken_over),
		RIG_TEST(an_interface_that_the_config_no_longer_names_is_let_go),
		RIG_TEST(another_program_in_the_way_is_named),
		RIG_TEST(generic_mode_serves_too),
		RIG_TEST(addresses_that_are_nobodys_any_more_are_removed),
		RIG_TEST(addresses_outlast_a_link_that_was_down),
		RIG_TEST(flows_end_when_nobody_holds_it),
		RIG_TEST(records_come_in_bounded_turns),
	};

	return cmocka_run_group_tests(tests, rig_enter, rig_leave);
}
