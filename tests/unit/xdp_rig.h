/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * XDP rig: an engine in the kernel, in a network namespace and on a bpf file
 * system of this process alone; needs root. Include last: cmocka's header has
 * needs. The includer defines _GNU_SOURCE, for unshare().
 *
 *     near  10.9.0.1/24   the engine's interface; VIP 192.0.2.1, SNAT 10.9.0.100
 *     far   its peer: client 10.9.0.2 and target 10.9.0.3 are frames sent and seen here
 */
#ifndef SLUICE_TESTS_XDP_RIG_H
#define SLUICE_TESTS_XDP_RIG_H

#include "dataplane/engine_internal.h"
#include "dataplane/interface.h"
#include "packets.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define RIG_LISTENER 11
#define RIG_GROUP 21
#define RIG_FLOWS 8192
#define RIG_PATIENCE_MS 15000 /* for what happens within 5 s on an idle machine */
#define RIG_VIP "192.0.2.1"
#define RIG_SNAT "10.9.0.100"
#define RIG_TARGET "10.9.0.3"

struct rig {
	char pin_dir[96];
	struct engine_config config;
	struct engine *engine;
	int far; /* packet socket */
	uint32_t n_ended;
	struct engine_flow ended; /* the last one */
	char changed[128];	  /* the last of them */
	char error[ENGINE_ERROR_MAX];
};

static inline void run(const char *format, ...)
{
	char command[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	if (system(command) != 0)
		fail_msg("failed: %s", command);
}

static inline uint64_t now_ms(void)
{
	return engine_now_ns() / 1000000;
}

static inline struct in6_addr address(const char *text)
{
	struct in6_addr parsed;

	assert_int_equal(address_parse(text, &parsed), 0);
	return parsed;
}

/* --- what is there -------------------------------------------------------- */

static inline uint32_t program_on(const char *interface)
{
	uint32_t id = 0;

	assert_int_equal(bpf_xdp_query_id((int)if_nametoindex(interface), 0, &id), 0);
	return id;
}

/* Takes the address away to find out. */
static inline bool had_address(const char *interface, const char *text)
{
	struct in6_addr a = address(text);

	return interface_remove_address(interface, &a) == 0;
}

static inline bool has_pin(const struct rig *rig, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", rig->pin_dir, name);
	return access(path, F_OK) == 0;
}

/* Memory of a pinned table, of at least these bytes. */
static inline void *pinned(const struct rig *rig, const char *name, size_t bytes)
{
	char path[256];
	void *memory;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", rig->pin_dir, name);
	fd = bpf_obj_get(path);
	assert_true(fd >= 0);
	bytes = (bytes + 4095) & ~4095ull;
	memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	assert_ptr_not_equal(memory, MAP_FAILED);
	return memory;
}

/* --- the engine ----------------------------------------------------------- */

static inline void rig_ended(void *context, const struct engine_flow *flow)
{
	struct rig *rig = context;

	rig->n_ended++;
	rig->ended = *flow;
}

static inline void rig_changed(void *context, const char *what)
{
	struct rig *rig = context;

	snprintf(rig->changed, sizeof(rig->changed), "%s", what);
}

static inline int rig_open(struct rig *rig)
{
	const struct engine_events events = {rig, rig_ended, rig_changed};

	assert_null(rig->engine);
	return engine_open(&rig->config, &events, &rig->engine, rig->error);
}

static inline void rig_close(struct rig *rig)
{
	engine_close(rig->engine);
	rig->engine = NULL;
}

/* UDP port 80 of the VIP, to the one target. */
static inline int rig_reconcile(struct rig *rig)
{
	const struct engine_vip vip = {.address = address(RIG_VIP)};
	const struct engine_group group = {.zones = 1};
	const struct engine_target target = {.address = address(RIG_TARGET), .port = 8080, .zones = 1};
	const struct engine_listener listener = {
		.vips[0] = vip,
		.n_vips = 1,
		.port = 80,
		.udp = true,
		.tcp_idle_timeout_s = 350,
		.udp_idle_timeout_s = 120,
		.groups[0] = {RIG_GROUP, 1},
		.n_groups = 1,
	};

	engine_reconcile_begin(rig->engine);
	assert_int_equal(engine_vip_put(rig->engine, &vip), 0);
	assert_int_equal(engine_group_put(rig->engine, RIG_GROUP, &group), 0);
	assert_int_equal(engine_target_put(rig->engine, RIG_GROUP, &target), 0);
	assert_int_equal(engine_listener_put(rig->engine, RIG_LISTENER, &listener), 0);
	return engine_reconcile_end(rig->engine, rig->error);
}

static inline void rig_start(struct rig *rig)
{
	if (rig_open(rig) != 0 || rig_reconcile(rig) != 0)
		fail_msg("%s", rig->error);
}

static inline bool count_flow(void *context, const struct engine_flow *flow)
{
	(void)flow;
	++*(uint32_t *)context;
	return true;
}

static inline uint32_t rig_flows(struct rig *rig)
{
	const struct engine_flow_filter any = {};
	uint64_t cursor = 0;
	uint32_t n = 0;

	while (cursor != UINT64_MAX)
		engine_flows(rig->engine, &cursor, SIZE_MAX, &any, count_flow, &n);
	return n;
}

/* --- traffic -------------------------------------------------------------- */

/* A datagram from the client's port to the VIP comes out to the target, through SNAT. */
static inline bool forwards(struct rig *rig, uint16_t port)
{
	struct packet_spec spec = {
		.protocol = SL_UDP,
		.from = packet_end("10.9.0.2", port),
		.to = packet_end(RIG_VIP, 80),
		.from_mac = {2, 0, 0, 0, 0, 2},
		.payload = 20,
	};
	uint64_t end_ms = now_ms() + 2000;
	unsigned char got[2048];
	struct packet packet;
	struct interface near;

	assert_int_equal(interface_describe(rig->config.interfaces[0], &near), 0);
	memcpy(spec.to_mac, near.mac, sizeof(near.mac));
	packet_build(&packet, &spec);
	assert_int_equal(send(rig->far, packet.data, packet.length, 0), packet.length);
	while (now_ms() < end_ms) {
		struct pollfd ready = {.fd = rig->far, .events = POLLIN};
		const struct sl_ipv4 *ip = (const void *)(got + sizeof(struct sl_eth));
		ssize_t n;

		if (poll(&ready, 1, (int)(end_ms - now_ms())) != 1)
			break;
		n = recv(rig->far, got, sizeof(got), 0);
		if (n < 62 || got[12] != 8 || got[13] != 0 || ip->protocol != SL_UDP ||
		    ip->saddr != inet_addr(RIG_SNAT) || ip->daddr != inet_addr(RIG_TARGET))
			continue;
		assert_null(packet_flaw(got, (size_t)n));
		return true;
	}
	return false;
}

static inline void make_veths(struct rig *rig)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};

	if (rig->far >= 0)
		close(rig->far);
	run("ip link add near type veth peer name far");
	run("ethtool -K far gro on tx off >/dev/null");
	run("ip link set far up && ip link set near up && ip addr add 10.9.0.1/24 dev near");
	run("ip neigh replace 10.9.0.3 lladdr 02:00:00:00:00:03 dev near nud permanent");
	to.sll_ifindex = (int)if_nametoindex("far");
	rig->far = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
	assert_true(rig->far >= 0);
	assert_int_equal(bind(rig->far, (struct sockaddr *)&to, sizeof(to)), 0);
}

/* --- setup ---------------------------------------------------------------- */

static char rig_mount_point[64];

static inline int rig_enter(void **state)
{
	(void)state;
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) != 0 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
		perror("namespaces, which need root");
		return -1;
	}
	snprintf(rig_mount_point, sizeof(rig_mount_point), "/tmp/sluice-xdp-XXXXXX");
	if (mkdtemp(rig_mount_point) == NULL || mount("bpf", rig_mount_point, "bpf", 0, NULL) != 0) {
		perror("bpf file system");
		return -1;
	}
	return system("ip link set lo up");
}

static inline int rig_leave(void **state)
{
	(void)state;
	return umount(rig_mount_point) == 0 ? rmdir(rig_mount_point) : -1;
}

static inline int rig_setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	if (rig == NULL)
		return -1;
	rig->far = -1;
	snprintf(rig->pin_dir, sizeof(rig->pin_dir), "%s/engine", rig_mount_point);
	rig->config = (struct engine_config){
		.kind = ENGINE_XDP,
		.pin_dir = rig->pin_dir,
		.interfaces[0] = "near",
		.n_interfaces = 1,
		.zones[0] = {.interface = "near", .snat[0] = address(RIG_SNAT), .n_snat = 1},
		.n_zones = 1,
		.max_flows = RIG_FLOWS,
		.max_flows_ipv6 = 1024,
		.max_targets = 16,
		.snat_port_min = 1024,
		.snat_port_max = 65535,
	};
	make_veths(rig);
	*state = rig;
	return 0;
}

static inline int rig_teardown(void **state)
{
	struct rig *rig = *state;

	engine_close(rig->engine);
	close(rig->far);
	run("ip link del near 2>/dev/null; rm -rf %s", rig->pin_dir);
	free(rig);
	return 0;
}

#define RIG_TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

#endif
