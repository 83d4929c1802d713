/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How long the XDP program takes for a packet: BPF_PROG_TEST_RUN of a driver
 * that makes each packet another flow's and calls the program, less the time
 * of the same driver around a program that does nothing. Every run is checked:
 * the program must have forwarded each of its packets.
 *
 * Writes one JSON object a line: case, metric, unit and the value of each round.
 * bench/datapath.py makes a table of it.
 */
#define _GNU_SOURCE /* sched_setaffinity */
#include "rig.h"

#include "dataplane/xdp/xdp_program.h"

#include "datapath.skel.h"
#include "sl_xdp.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS_MAX 64
#define REPEAT DATAPATH_RUN	/* packets of one run */
#define NEW_FLOWS 262144u	/* of one run; the table holds four times as many */
#define WARM_MAX 262144u	/* packets sent before a run, so that it finds its caches filled */
#define LRU_SPARE 4096u		/* entries that the LRU hash keeps in free lists of each CPU */
#define LRU_BATCH 4096u

#define FITTED_FLOWS 65536u	/* a table of just as many flows as it holds, like the LRU hash's */

enum rig_name {
	TCP4_NAT,
	TCP4_PRESERVED,
	TCP6_NAT,
	UDP4_NAT,
	NEW_TCP4_NAT,
	FITTED_TCP4_NAT,
	RIGS
};

static const struct {
	const char *name;
	struct rig_kind kind;
} rig_specs[RIGS] = {
	[TCP4_NAT] = {"tcp4_nat", {}},
	[TCP4_PRESERVED] = {"tcp4_preserved", {.preserve = true}},
	[TCP6_NAT] = {"tcp6_nat", {.v6 = true}},
	[UDP4_NAT] = {"udp4_nat", {.udp = true}},
	[NEW_TCP4_NAT] = {"tcp4_nat_new_flow", {}},
	[FITTED_TCP4_NAT] = {"tcp4_nat_fitted_table_65536", {.max_flows = FITTED_FLOWS}},
};

enum expect { FORWARDED, CREATED, PASSED, FOUND };

struct bench_case {
	char name[64];
	struct rig *rig;
	struct rig_kind kind;
	int program_fd;
	struct datapath_plan plan;
	uint32_t repeat;
	enum expect expect;
	double ns[ROUNDS_MAX], driver_ns[ROUNDS_MAX];
};

struct bench {
	struct rig rigs[RIGS];
	struct xdp_program programs[RIGS]; /* of the rigs */
	struct datapath *skeleton;
	struct bench_case cases[RIGS + 1];
	unsigned int n_cases, rounds;
	uint32_t flows_max; /* cases of more are left out */
	const char *only; /* cases whose name holds this */
};

static int fail(const char *what)
{
	fprintf(stderr, "bench_datapath: %s\n", what);
	return -EIO;
}

static struct datapath_plan plan_for(uint32_t flows, bool both_ways, bool preserve, uint32_t vip)
{
	struct datapath_plan plan = rig_order(flows, both_ways);

	plan.preserve = preserve;
	plan.vip = vip;
	return plan;
}

static int compare(const void *a, const void *b)
{
	const __u64 *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/*
 * ns a packet, of the median window of a run: windows in which another process
 * got the processor do not count, nor does what happens around the run.
 */
static double window_median(const __u64 *stamps, uint32_t n)
{
	__u64 spans[DATAPATH_WINDOWS];

	for (uint32_t i = 0; i + 1 < n; i++)
		spans[i] = stamps[i + 1] - stamps[i];
	qsort(spans, n - 1, sizeof(spans[0]), compare);
	return (double)spans[(n - 1) / 2] / DATAPATH_WINDOW;
}

/* Run a driver around a program; *ret_ns is the time of one packet. */
static int drive(struct bench *bench, struct bench_case *c, int program_fd, uint32_t repeat,
		 int want_verdict, double *ret_ns)
{
	unsigned char frame[RIG_FRAME_BYTES];
	struct datapath_packet packet;
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .repeat = (int)repeat);
	const struct bpf_program *driver = c->kind.v6 ? bench->skeleton->progs.drive6 :
							bench->skeleton->progs.drive4;
	uint32_t zero = 0;
	int r;

	datapath_packet(&c->plan, 0, 0, &packet);
	run.data_size_in = (uint32_t)rig_frame(&c->kind, &packet,
					       c->expect == CREATED ? SL_TCP_SYN : SL_TCP_ACK, frame);
	c->plan.first = c->plan.next;
	bench->skeleton->bss->plan = c->plan;
	r = bpf_map_update_elem(bpf_map__fd(bench->skeleton->maps.under_test), &zero, &program_fd,
				BPF_ANY);
	if (r < 0)
		return r;
	r = bpf_prog_test_run_opts(bpf_program__fd(driver), &run);
	if (r < 0)
		return r;
	*ret_ns = window_median(bench->skeleton->bss->window_ns, repeat / DATAPATH_WINDOW);
	c->plan.next += repeat;
	return (int)run.retval == want_verdict ? 0 : fail("a program gave another verdict");
}

static int check(const struct bench *bench, const struct bench_case *c, uint64_t sent,
		 const struct rig_counts *before)
{
	struct rig_counts after;

	if (c->expect == FOUND)
		return bench->skeleton->bss->lru_misses == 0 ? 0 : fail("a look-up missed");
	after = rig_counts(c->rig);
	if (after.drops != before->drops)
		return fail("packets were dropped");
	if (after.packets - before->packets != (c->expect == PASSED ? 0 : sent))
		return fail("not every packet was forwarded");
	if (after.new_flows - before->new_flows != (c->expect == CREATED ? sent : 0))
		return fail("not every packet of a new flow made one, or others did");
	return 0;
}

/* How many packets fill the caches with what a run will find there: whole windows. */
static uint32_t warm_packets(uint32_t period)
{
	if (period < 2 * DATAPATH_WINDOW)
		return 2 * DATAPATH_WINDOW;
	return period < WARM_MAX ? period : WARM_MAX / 4;
}

/* One round of one case. */
static int measure(struct bench *bench, struct bench_case *c, unsigned int round)
{
	int verdict = c->expect == PASSED ? XDP_PASS : XDP_TX;
	int nothing_fd = bpf_program__fd(bench->skeleton->progs.nothing);
	uint32_t warm = warm_packets(c->plan.mask + 1);
	struct rig_counts before = {};
	double driver_ns, ns, ignored;
	uint64_t sent = c->repeat;
	int r;

	r = drive(bench, c, nothing_fd, c->repeat, XDP_TX, &driver_ns);
	if (r < 0)
		return r;
	if (c->rig != NULL)
		before = rig_counts(c->rig);
	if (c->expect != CREATED) {
		r = drive(bench, c, c->program_fd, warm, verdict, &ignored);
		if (r < 0)
			return r;
		sent += warm;
	}
	r = drive(bench, c, c->program_fd, c->repeat, verdict, &ns);
	if (r == 0)
		r = check(bench, c, sent, &before);
	if (r == 0 && c->expect == CREATED && rig_end_flows(c->rig) != c->repeat)
		r = fail("new flows were not there to end");
	c->ns[round] = ns - driver_ns;
	c->driver_ns[round] = driver_ns;
	return r;
}

static void values_print(const char *name, const double *values, unsigned int n)
{
	printf("{\"case\": \"%s\", \"metric\": \"ns_per_packet\", \"unit\": \"ns\", \"values\": [",
	       name);
	for (unsigned int i = 0; i < n; i++)
		printf("%s%.2f", i == 0 ? "" : ", ", values[i]);
	printf("]}\n");
	fflush(stdout);
}

/* All rounds of the cases, the cases in turn: what else the machine does meets all alike. */
static int cases_run(struct bench *bench)
{
	for (unsigned int round = 0; round < bench->rounds; round++) {
		for (unsigned int i = 0; i < bench->n_cases; i++) {
			int r = measure(bench, &bench->cases[i], round);

			if (r < 0) {
				fprintf(stderr, "bench_datapath: in %s\n", bench->cases[i].name);
				return r;
			}
		}
	}
	for (unsigned int i = 0; i < bench->n_cases; i++)
		values_print(bench->cases[i].name, bench->cases[i].ns, bench->rounds);
	return 0;
}

static struct bench_case *case_add(struct bench *bench, const char *name)
{
	struct bench_case *c = &bench->cases[bench->n_cases];

	if (bench->only != NULL && strstr(name, bench->only) == NULL)
		return NULL;
	memset(c, 0, sizeof(*c));
	snprintf(c->name, sizeof(c->name), "%s", name);
	c->repeat = REPEAT;
	bench->n_cases++;
	return c;
}

/* The program of a rig is loaded when a case first needs it. */
static int rig_ready(struct bench *bench, enum rig_name name, uint32_t flows)
{
	static const uint32_t loopback[2] = {RIG_LOOPBACK, RIG_LOOPBACK};
	const struct rig_kind *kind = &rig_specs[name].kind;
	struct xdp_program *program = &bench->programs[name];
	struct xdp_program_options options = {};
	struct rig *rig = &bench->rigs[name];
	char error[ENGINE_ERROR_MAX];
	struct sl_config config;

	if (program->skeleton == NULL) {
		options.config = &config;
		if (rig_plan(kind, (uint32_t)libbpf_num_possible_cpus(), &config, error) < 0 ||
		    xdp_program_load(&options, program, error) < 0)
			return fail(error);
		rig_fill(kind, &program->tables, loopback, rig);
	}
	return rig_establish(rig, flows) == 0 ? 0 : fail("a hand-shake was not forwarded");
}

static int case_of_rig(struct bench *bench, enum rig_name name, const char *label, uint32_t flows,
		       struct bench_case **ret_case)
{
	struct rig *rig = &bench->rigs[name];
	struct bench_case *c = case_add(bench, label);
	int r;

	*ret_case = c;
	if (c == NULL)
		return 0;
	r = rig_ready(bench, name, flows);
	if (r < 0)
		return r;
	c->rig = rig;
	c->kind = rig->kind;
	c->program_fd = bpf_program__fd(bench->programs[name].skeleton->progs.sl_xdp);
	c->plan = plan_for(flows, true, rig->kind.preserve, DATAPATH_VIP);
	c->expect = FORWARDED;
	return 0;
}

static int lru_fill(struct bench *bench, const struct datapath_plan *plan, uint32_t flows)
{
	struct datapath_key *keys = calloc(LRU_BATCH, sizeof(*keys));
	struct datapath_value *values = calloc(LRU_BATCH, sizeof(*values));
	LIBBPF_OPTS(bpf_map_batch_opts, options);
	int r = keys == NULL || values == NULL ? -ENOMEM : 0;

	for (uint32_t done = 0; r == 0 && done < flows;) {
		uint32_t count = flows - done < LRU_BATCH ? flows - done : LRU_BATCH;

		for (uint32_t i = 0; i < count; i++) {
			struct datapath_packet packet;

			datapath_packet(plan, done + i, 0, &packet);
			keys[i] = (struct datapath_key){
				.saddr = {packet.saddr},
				.daddr = {packet.daddr},
				.sport = packet.sport,
				.dport = packet.dport,
				.protocol = SL_TCP,
			};
		}
		done += count;
		r = bpf_map_update_batch(bpf_map__fd(bench->skeleton->maps.lru), keys, values,
					 &count, &options);
	}
	free(keys);
	free(values);
	return r;
}

/* Clients' packets alone: other balancers keep one entry a flow. */
static int case_of_lru(struct bench *bench, uint32_t flows)
{
	struct bench_case *c;
	char name[64];

	snprintf(name, sizeof(name), "lru_hash_lookup_%u", flows);
	c = case_add(bench, name);
	if (c == NULL)
		return 0;
	c->program_fd = bpf_program__fd(bench->skeleton->progs.look_up);
	c->plan = plan_for(flows, false, false, DATAPATH_VIP);
	c->expect = FOUND;
	return lru_fill(bench, &c->plan, flows);
}

static int skeleton_load(struct bench *bench, uint32_t lru_entries)
{
	int r;

	datapath__destroy(bench->skeleton);
	bench->n_cases = 0;
	bench->skeleton = datapath__open();
	if (bench->skeleton == NULL)
		return -errno;
	r = bpf_map__set_max_entries(bench->skeleton->maps.lru, lru_entries);
	return r < 0 ? r : datapath__load(bench->skeleton);
}

static int run_established(struct bench *bench, uint32_t flows)
{
	int r = skeleton_load(bench, flows + LRU_SPARE);

	for (enum rig_name name = 0; r == 0 && name < NEW_TCP4_NAT; name++) {
		struct bench_case *c;
		char label[64];

		snprintf(label, sizeof(label), "%s_established_%u", rig_specs[name].name, flows);
		r = case_of_rig(bench, name, label, flows, &c);
	}
	if (r == 0 && flows == FITTED_FLOWS) {
		struct bench_case *c;

		r = case_of_rig(bench, FITTED_TCP4_NAT, rig_specs[FITTED_TCP4_NAT].name, flows, &c);
	}
	if (r == 0)
		r = case_of_lru(bench, flows);
	return r < 0 ? r : cases_run(bench);
}

static int run_others(struct bench *bench)
{
	struct bench_case *c;
	int r = skeleton_load(bench, 1);

	if (r == 0)
		r = case_of_rig(bench, NEW_TCP4_NAT, rig_specs[NEW_TCP4_NAT].name, 0, &c);
	if (r == 0 && c != NULL) {
		c->plan = plan_for(NEW_FLOWS, false, false, DATAPATH_VIP);
		c->repeat = NEW_FLOWS;
		c->expect = CREATED;
	}
	if (r == 0)
		r = case_of_rig(bench, TCP4_NAT, "not_ours", bench->flows_max, &c);
	if (r == 0 && c != NULL) {
		c->plan = plan_for(65536, false, false, DATAPATH_FOREIGN);
		c->expect = PASSED;
	}
	r = r < 0 ? r : cases_run(bench);
	if (r == 0 && c != NULL)
		values_print("null", c->driver_ns, bench->rounds);
	return r;
}

static int arguments_read(struct bench *bench, int argc, char **argv)
{
	int i = 1;

	for (; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--rounds") == 0)
			bench->rounds = (unsigned int)atoi(argv[i + 1]);
		else if (strcmp(argv[i], "--flows-max") == 0)
			bench->flows_max = (uint32_t)atoi(argv[i + 1]);
		else if (strcmp(argv[i], "--only") == 0)
			bench->only = argv[i + 1];
		else
			break;
	}
	if (i != argc || bench->rounds == 0 || bench->rounds > ROUNDS_MAX ||
	    bench->flows_max == 0 || bench->flows_max > DATAPATH_FLOWS_MAX) {
		fprintf(stderr, "usage: bench_datapath [--rounds 1..%d] [--flows-max 1..%u] "
				"[--only PART_OF_CASE]\n",
			ROUNDS_MAX, DATAPATH_FLOWS_MAX);
		return -EINVAL;
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const uint32_t flows[] = {1, 1024, 65536, DATAPATH_FLOWS_MAX};
	struct bench bench = {.rounds = 7, .flows_max = DATAPATH_FLOWS_MAX};
	cpu_set_t here;
	int r = arguments_read(&bench, argc, argv);

	if (r < 0)
		return 2;
	CPU_ZERO(&here);
	CPU_SET((size_t)sched_getcpu(), &here);
	sched_setaffinity(0, sizeof(here), &here);
	for (size_t i = 0; r == 0 && i < sizeof(flows) / sizeof(flows[0]); i++) {
		if (flows[i] <= bench.flows_max)
			r = run_established(&bench, flows[i]);
	}
	if (r == 0)
		r = run_others(&bench);
	if (r < 0)
		fprintf(stderr, "bench_datapath: %s\n", strerror(-r));
	for (enum rig_name name = 0; name < RIGS; name++)
		xdp_program_close(&bench.programs[name]);
	datapath__destroy(bench.skeleton);
	return r < 0;
}
