/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How long the worker function of the dpdk engine takes for a packet: bursts of
 * packets of other flows, in shuffled order, written into mbufs; the clock runs
 * while burst_handle() does, not while packets are made. Every packet must have
 * been sent on, by the counters too.
 *
 * Writes one JSON object a line: case, metric, unit and the value of each round.
 * bench/dpdk.py makes a table of it.
 */
#define _GNU_SOURCE /* sched_getcpu */
#include "rig.h"

#include "dataplane/dpdk/burst.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>

#define ROUNDS_MAX 64
#define ROUND_PACKETS 2097152u
#define WINDOWS (ROUND_PACKETS / DATAPATH_WINDOW)
#define MBUFS 512u /* in flight in turn, as the descriptors of a queue */

struct bench {
	struct sl_tables tables;
	struct rig rig;
	struct rte_mbuf *mbufs[MBUFS];
	uint32_t next_mbuf;
	uint64_t window_cycles[WINDOWS];
	unsigned int rounds;
	uint32_t only_flows; /* 0: each case */
};

static int fail(const char *what)
{
	fprintf(stderr, "bench_dpdk_worker: %s\n", what);
	return -EIO;
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static int eal_start(void)
{
	char core[16];
	char *arguments[] = {"bench_dpdk_worker", "--no-pci", "--no-huge", "--no-shconf", "-m", "64",
			     "--no-telemetry", "--log-level", "error", "-l", core};

	snprintf(core, sizeof(core), "%d", sched_getcpu());
	return rte_eal_init(sizeof(arguments) / sizeof(arguments[0]), arguments);
}

static int bench_open(struct bench *bench)
{
	static const uint32_t ifindex[2] = {1, 1}; /* any */
	const struct rig_kind kind = {};
	char error[ENGINE_ERROR_MAX];
	struct sl_config config;
	struct rte_mempool *pool;

	if (eal_start() < 0)
		return fail(rte_strerror(rte_errno));
	pool = rte_pktmbuf_pool_create("bench", MBUFS, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
				       SOCKET_ID_ANY);
	if (pool == NULL || rte_pktmbuf_alloc_bulk(pool, bench->mbufs, MBUFS) != 0)
		return fail("no memory for mbufs");
	if (rig_plan(&kind, 1, &config, error) < 0)
		return fail(error);
	if (tables_allocate(&config, &bench->tables) < 0)
		return fail("no memory for the tables");
	for (enum table table = 0; table < TABLE_COUNT; table++)
		madvise(tables_place(&bench->tables, table),
			tables_record_bytes(table) * tables_records(table, &config), MADV_HUGEPAGE);
	rig_fill(&kind, &bench->tables, ifindex, &bench->rig);
	return 0;
}

/* Write the next burst into mbufs; the plan says whose packets. */
static void burst_make(struct bench *bench, struct datapath_plan *plan, struct rte_mbuf **burst)
{
	for (uint32_t i = 0; i < BURST_MAX; i++) {
		struct rte_mbuf *mbuf = bench->mbufs[bench->next_mbuf++ % MBUFS];
		uint32_t place = datapath_place(plan, plan->next++);
		struct datapath_packet packet;

		datapath_packet(plan, place / 2, place & 1, &packet);
		rte_pktmbuf_reset(mbuf);
		mbuf->data_len = (uint16_t)rig_frame(&bench->rig.kind, &packet, SL_TCP_ACK,
						     rte_pktmbuf_mtod(mbuf, unsigned char *));
		mbuf->pkt_len = mbuf->data_len;
		burst[i] = mbuf;
	}
}

/* A window of packets; *ret_cycles is what burst_handle() took. */
static int window_run(struct bench *bench, struct datapath_plan *plan, uint64_t *ret_cycles)
{
	struct rte_mbuf *burst[BURST_MAX];
	int verdicts[BURST_MAX];

	*ret_cycles = 0;
	for (uint32_t sent = 0; sent < DATAPATH_WINDOW; sent += BURST_MAX) {
		uint64_t begin;

		burst_make(bench, plan, burst);
		begin = rte_rdtsc_precise();
		burst_handle(&bench->tables, bench->rig.ifindex[0], burst, BURST_MAX, verdicts);
		*ret_cycles += rte_rdtsc_precise() - begin;
		for (uint32_t i = 0; i < BURST_MAX; i++)
			if (SL_VERDICT(verdicts[i]) != SL_SEND)
				return fail("a packet was not sent on");
	}
	return 0;
}

/* One round of one case: cycles a packet, of the median window. */
static int round_run(struct bench *bench, struct datapath_plan *plan, double *ret_cycles)
{
	struct rig_counts before = rig_counts(&bench->rig), after;

	for (uint32_t i = 0; i < WINDOWS; i++)
		if (window_run(bench, plan, &bench->window_cycles[i]) < 0)
			return -EIO;
	after = rig_counts(&bench->rig);
	if (after.packets - before.packets != ROUND_PACKETS || after.drops != before.drops ||
	    after.new_flows != before.new_flows)
		return fail("the counters say that not every packet was an established flow's");
	qsort(bench->window_cycles, WINDOWS, sizeof(bench->window_cycles[0]), compare);
	*ret_cycles = (double)bench->window_cycles[WINDOWS / 2] / DATAPATH_WINDOW;
	return 0;
}

static void values_print(uint32_t flows, const char *metric, const char *unit, const double *values,
			 unsigned int n, double scale)
{
	printf("{\"case\": \"worker_tcp4_nat_%u\", \"metric\": \"%s\", \"unit\": \"%s\", "
	       "\"values\": [", flows, metric, unit);
	for (unsigned int i = 0; i < n; i++)
		printf("%s%.2f", i == 0 ? "" : ", ", values[i] * scale);
	printf("]}\n");
}

static int case_run(struct bench *bench, uint32_t flows)
{
	struct datapath_plan plan = rig_order(flows, true);
	double cycles[ROUNDS_MAX], warm;
	int r = 0;

	if (rig_establish(&bench->rig, flows) < 0)
		return fail("a hand-shake was not forwarded");
	r = round_run(bench, &plan, &warm);
	for (unsigned int i = 0; r == 0 && i < bench->rounds; i++)
		r = round_run(bench, &plan, &cycles[i]);
	if (r < 0)
		return r;
	values_print(flows, "ns_per_packet", "ns", cycles, bench->rounds,
		     1e9 / (double)rte_get_tsc_hz());
	values_print(flows, "cycles_per_packet", "TSC cycles", cycles, bench->rounds, 1);
	return 0;
}

static int arguments_read(struct bench *bench, int argc, char **argv)
{
	int i = 1;

	for (; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--rounds") == 0)
			bench->rounds = (unsigned int)atoi(argv[i + 1]);
		else if (strcmp(argv[i], "--flows") == 0)
			bench->only_flows = (uint32_t)atoi(argv[i + 1]);
		else
			break;
	}
	if (i != argc || bench->rounds == 0 || bench->rounds > ROUNDS_MAX) {
		fprintf(stderr, "usage: bench_dpdk_worker [--rounds 1..%d] [--flows N]\n",
			ROUNDS_MAX);
		return -EINVAL;
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const uint32_t flows[] = {1, 1024, 65536, DATAPATH_FLOWS_MAX};
	struct bench bench = {.rounds = 7};
	int r;

	if (arguments_read(&bench, argc, argv) < 0)
		return 2;
	r = bench_open(&bench);
	for (size_t i = 0; r == 0 && i < sizeof(flows) / sizeof(flows[0]); i++)
		if (bench.only_flows == 0 || bench.only_flows == flows[i])
			r = case_run(&bench, flows[i]);
	tables_free(&bench.tables);
	rte_eal_cleanup();
	return r < 0;
}
