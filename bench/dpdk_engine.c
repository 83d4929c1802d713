/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The whole dpdk engine at work: net_pcap plays the packets of established
 * flows in a circle, the workers forward them, net_null swallows them. Counts
 * what was forwarded while the workers had their CPUs, by schedstat: what else
 * runs on the machine does not count. Run in a network namespace of its own by
 * bench/dpdk.py, which makes the pcap files with this program, too.
 *
 * Writes one JSON object: packets forwarded, and the ns of CPU of each worker.
 */
#include "rig.h"

#include "dataplane/backend.h"

#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_ethdev.h>

#define SWALLOW_DEVICE "net_null0,no-rx=1"
#define WARM_MS 300
#define MBUF_BYTES 2560	   /* with what the pool needs beside it */
#define SPARE_MBUFS 32768u /* beside those that hold the pcap files' packets */
#define TASKS_DIR "/proc/self/task"

struct bench {
	bool udp;
	uint32_t flows;
	unsigned int seconds;
	struct engine_config config;
	struct backend *backend;
	struct sl_tables tables; /* control's view */
	struct sl_scratch scratch;
	struct rig rig;
	uint16_t swallower; /* DPDK's number of net_null */
};

struct sample {
	struct rig_counts counts;
	uint64_t swallowed;
	uint64_t cpu_ns[ENGINE_MAX_WORKERS];
};

static int fail(const char *what)
{
	fprintf(stderr, "bench_dpdk_engine: %s\n", what);
	return -EIO;
}

/* --- pcap files ----------------------------------------------------------- */

struct pcap_header {
	uint32_t magic;
	uint16_t major, minor;
	uint32_t zone, accuracy, snap_bytes, link_type;
};

struct pcap_record {
	uint32_t seconds, microseconds, bytes, wire_bytes;
};

/* One packet of each client whose flow's number is @part modulo @parts. */
static int pcap_write(const char *path, bool udp, uint32_t flows, uint32_t part, uint32_t parts)
{
	const struct pcap_header header = {0xa1b2c3d4, 2, 4, 0, 0, 65535, 1 /* Ethernet */};
	struct datapath_plan plan = rig_order(flows, false);
	const struct rig_kind kind = {.udp = udp};
	FILE *file = fopen(path, "w");

	if (file == NULL)
		return fail(path);
	fwrite(&header, sizeof(header), 1, file);
	for (uint32_t i = 0; i < flows; i++) {
		uint32_t flow = datapath_place(&plan, i);
		unsigned char frame[RIG_FRAME_BYTES];
		struct datapath_packet packet;
		struct pcap_record record = {};

		if (flow % parts != part)
			continue;
		datapath_packet(&plan, flow, 0, &packet);
		record.bytes = (uint32_t)rig_frame(&kind, &packet, SL_TCP_ACK, frame);
		record.wire_bytes = record.bytes;
		fwrite(&record, sizeof(record), 1, file);
		fwrite(frame, record.bytes, 1, file);
	}
	return ferror(file) | fclose(file) ? fail(path) : 0;
}

/* --- the engine ----------------------------------------------------------- */

static int config_read(struct bench *bench, char **files)
{
	struct engine_dpdk *dpdk = &bench->config.dpdk;
	size_t length = (size_t)snprintf(dpdk->ports[0].device, ENGINE_DEVICE_MAX, "net_pcap0");

	for (unsigned int i = 0; i < dpdk->n_workers; i++) { /* a queue for each worker */
		if (files[i] == NULL)
			return fail("a file for each worker's queue, please");
		length += (size_t)snprintf(dpdk->ports[0].device + length,
					   ENGINE_DEVICE_MAX - length, ",rx_pcap=%s", files[i]);
		if (length >= ENGINE_DEVICE_MAX)
			return fail("shorter names of files, please");
	}
	length += (size_t)snprintf(dpdk->ports[0].device + length, ENGINE_DEVICE_MAX - length,
				   ",infinite_rx=1");
	if (length >= ENGINE_DEVICE_MAX)
		return fail("shorter names of files, please");
	snprintf(dpdk->ports[1].device, ENGINE_DEVICE_MAX, SWALLOW_DEVICE);
	for (unsigned int i = 0; i < 2; i++) {
		snprintf(dpdk->ports[i].interface, IF_NAMESIZE, "bench%u", i);
		dpdk->ports[i].mtu = 1500;
	}
	dpdk->n_ports = 2;
	dpdk->idle = ENGINE_IDLE_POLL;
	dpdk->kernel_pps = 1000;
	dpdk->memory_mib = (uint32_t)(((uint64_t)bench->flows + SPARE_MBUFS) * MBUF_BYTES >> 20);
	bench->config.kind = ENGINE_DPDK;
	bench->config.max_flows = DATAPATH_FLOWS_MAX;
	bench->config.max_flows_ipv6 = TABLES_MIN_FLOWS;
	bench->config.max_targets = 1000;
	bench->config.snat_port_min = 1024;
	bench->config.snat_port_max = 65535;
	return 0;
}

static int engine_run(struct bench *bench)
{
	const struct rig_kind kind = {.udp = bench->udp};
	char error[ENGINE_ERROR_MAX];
	struct ports ports = {.tables = &bench->tables, .n = 2};
	uint32_t ifindex[2];
	bool taken_over;

	if (backend_dpdk.open(&bench->config, &bench->backend, &bench->tables, &taken_over,
			      error) < 0)
		return fail(error);
	for (unsigned int i = 0; i < 2; i++)
		ifindex[i] = if_nametoindex(bench->config.dpdk.ports[i].interface);
	bench->tables.scratch = &bench->scratch;
	tables_count_on(&bench->tables, bench->tables.config->cpus - 1);
	rig_fill(&kind, &bench->tables, ifindex, &bench->rig);
	for (unsigned int i = 0; i < 2; i++) {
		ports.list[i].carrier_index = ifindex[i];
		ports.list[i].number = (uint16_t)bench->rig.port[i];
	}
	if (rig_establish(&bench->rig, bench->flows) < 0)
		return fail("a packet of a hand-shake was not forwarded");
	if (rte_eth_dev_get_port_by_name("net_null0", &bench->swallower) < 0)
		return fail("there is no net_null0");
	return backend_dpdk.start(bench->backend, &ports, error) < 0 ? fail(error) : 0;
}

/* --- measuring ------------------------------------------------------------ */

static int file_read(const char *path, char *text, size_t room)
{
	FILE *file = fopen(path, "r");
	size_t n = file != NULL ? fread(text, 1, room - 1, file) : 0;

	text[n] = '\0';
	if (file != NULL)
		fclose(file);
	return n > 0 ? 0 : fail(path);
}

/* The ns that DPDK's threads had a CPU for: first field of their schedstat. */
static int cpu_read(unsigned int n_workers, uint64_t ret_ns[ENGINE_MAX_WORKERS])
{
	DIR *tasks = opendir(TASKS_DIR);
	unsigned int found = 0, worker;
	struct dirent *task;
	char path[300], text[128];

	if (tasks == NULL)
		return fail(TASKS_DIR);
	while ((task = readdir(tasks)) != NULL) {
		if (task->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), TASKS_DIR "/%s/comm", task->d_name);
		if (file_read(path, text, sizeof(text)) < 0 ||
		    (sscanf(text, "lcore-worker-%u", &worker) != 1 &&
		     sscanf(text, "rte-worker-%u", &worker) != 1))
			continue;
		snprintf(path, sizeof(path), TASKS_DIR "/%s/schedstat", task->d_name);
		if (worker == 0 || worker > n_workers || file_read(path, text, sizeof(text)) < 0)
			break;
		ret_ns[worker - 1] = strtoull(text, NULL, 10);
		found++;
	}
	closedir(tasks);
	return found == n_workers ? 0 : fail("the workers' threads are not found");
}

static int sample_take(const struct bench *bench, struct sample *ret_sample)
{
	struct rte_eth_stats stats;

	ret_sample->counts = rig_counts(&bench->rig);
	if (rte_eth_stats_get(bench->swallower, &stats) < 0)
		return fail("net_null0 has no statistics");
	ret_sample->swallowed = stats.opackets;
	return cpu_read(bench->config.dpdk.n_workers, ret_sample->cpu_ns);
}

static void wait_ms(unsigned int ms)
{
	const struct timespec span = {ms / 1000, ms % 1000 * 1000000L};

	nanosleep(&span, NULL);
}

/* Everything forwarded on flows that were there, and sent. */
static int check(const struct sample *before, const struct sample *after)
{
	uint64_t packets = after->counts.packets - before->counts.packets;
	uint64_t swallowed = after->swallowed - before->swallowed;

	if (packets == 0)
		return fail("nothing was forwarded");
	if (after->counts.drops != before->counts.drops)
		return fail("packets were dropped");
	if (after->counts.new_flows != before->counts.new_flows)
		return fail("a packet was of no flow, and made one");
	/* the two are not read in the same moment */
	if (swallowed < packets - packets / 50 || swallowed > packets + packets / 50)
		return fail("what was forwarded is not what left");
	return 0;
}

static int measure(const struct bench *bench)
{
	unsigned int n_workers = bench->config.dpdk.n_workers;
	struct sample before, after;

	wait_ms(WARM_MS);
	if (sample_take(bench, &before) < 0)
		return -EIO;
	wait_ms(1000 * bench->seconds);
	if (sample_take(bench, &after) < 0 || check(&before, &after) < 0)
		return -EIO;
	printf("{\"packets\": %llu, \"hugepages\": %s, \"cpu_ns\": [",
	       (unsigned long long)(after.counts.packets - before.counts.packets),
	       rte_eal_has_hugepages() ? "true" : "false");
	for (unsigned int i = 0; i < n_workers; i++)
		printf("%s%llu", i == 0 ? "" : ", ",
		       (unsigned long long)(after.cpu_ns[i] - before.cpu_ns[i]));
	printf("]}\n");
	return 0;
}

static int run(bool udp, uint32_t flows, char **arguments)
{
	struct bench *bench = calloc(1, sizeof(*bench));
	char error[ENGINE_ERROR_MAX];
	char *core;
	int r;

	if (bench == NULL)
		return fail("no memory");
	bench->udp = udp;
	bench->flows = flows;
	bench->seconds = (unsigned int)atoi(arguments[0]);
	snprintf(bench->config.dpdk.table_dir, ENGINE_DIR_MAX, "%s", arguments[1]);
	for (core = strtok(arguments[2], ","); core != NULL; core = strtok(NULL, ","))
		bench->config.dpdk.workers[bench->config.dpdk.n_workers++] = (uint32_t)atoi(core);
	r = config_read(bench, arguments + 3);
	if (r == 0)
		r = engine_run(bench);
	if (r == 0)
		r = measure(bench);
	if (bench->backend != NULL && backend_dpdk.detach(bench->backend, error) < 0)
		r = fail(error);
	backend_dpdk.close(bench->backend);
	free(bench);
	return r;
}

int main(int argc, char **argv)
{
	bool udp = argc > 3 && strcmp(argv[2], "udp") == 0;
	uint32_t flows = argc > 3 ? (uint32_t)atoi(argv[3]) : 0;

	if (argc == 7 && strcmp(argv[1], "pcap") == 0)
		return pcap_write(argv[4], udp, flows, (uint32_t)atoi(argv[5]),
				  (uint32_t)atoi(argv[6])) < 0;
	if (argc >= 8 && strcmp(argv[1], "run") == 0)
		return run(udp, flows, argv + 4) < 0;
	fprintf(stderr, "usage: bench_dpdk_engine pcap udp|tcp FLOWS FILE PART PARTS\n"
			"       bench_dpdk_engine run udp|tcp FLOWS SECONDS TABLE_DIR CORE[,CORE...] "
			"FILE...\n");
	return 2;
}
