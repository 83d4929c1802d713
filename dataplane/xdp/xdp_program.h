/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * XDP program: the object built from bpf/, loaded, with its maps mapped as the
 * tables of tables.h. Attaches to nothing: the xdp engine does, tests and
 * benchmarks run it with BPF_PROG_TEST_RUN.
 */
#ifndef SLUICE_XDP_PROGRAM_H
#define SLUICE_XDP_PROGRAM_H

#include "dataplane/tables.h"

#include <stdbool.h>

#define XDP_PROGRAM_RECORDS_BYTES (4u << 20) /* ring buffer of flow records, about 25,000 */

struct xdp_program {
	struct sl_xdp *skeleton;
	struct sl_tables tables; /* the maps' memory; config and layout as in tables.h */
};

struct xdp_program_options {
	const struct sl_config *config;
	const char *pin_dir; /* NULL: nothing is pinned. Else maps pinned there are taken over,
				and maps that are not are pinned */
	bool clock_is_set; /* time is *xdp_program_clock(): for tests */
};

/**
 * Load the program.
 *
 * @error  receives a sentence, with what libbpf or the verifier said
 *
 * Returns 0, or libbpf's negative error. The caller ends with xdp_program_close(),
 * which leaves pinned maps alone.
 */
int xdp_program_load(const struct xdp_program_options *options, struct xdp_program *ret_program,
		     char error[ENGINE_ERROR_MAX]);
void xdp_program_close(struct xdp_program *program); /* all zero is fine */

/** The clock of a program loaded with clock_is_set: CLOCK_MONOTONIC in ns, writable. */
uint64_t *xdp_program_clock(const struct xdp_program *program);

/** Start the sweep of the flow table in the kernel, or hand a running one to this program. */
int xdp_program_start_sweeping(const struct xdp_program *program);

#endif
