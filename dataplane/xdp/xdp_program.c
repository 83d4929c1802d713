/* SPDX-License-Identifier: BSD-3-Clause */
#include "xdp_program.h"

#include "sl_xdp.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int fail_with(char error[ENGINE_ERROR_MAX], int r, const char *what)
{
	snprintf(error, ENGINE_ERROR_MAX, "%s: %s", what, strerror(-r));
	return r;
}

static struct bpf_map *map_of(const struct sl_xdp *skeleton, enum table table)
{
	return bpf_object__find_map_by_name(skeleton->obj, tables_name(table));
}

static int maps_size(struct sl_xdp *skeleton, const struct sl_config *config)
{
	for (enum table table = 0; table < TABLE_COUNT; table++) {
		int r = bpf_map__set_max_entries(map_of(skeleton, table),
						 tables_records(table, config));

		if (r < 0)
			return r;
	}
	return bpf_map__set_max_entries(skeleton->maps.sl_records, XDP_PROGRAM_RECORDS_BYTES);
}

/*
 * Scratch room, constants and devices belong to a program, everything else
 * outlives it. (The kernel adds a flag to a devmap, for which libbpf 1.1 would
 * not take it over.)
 */
static bool map_is_pinned(const struct bpf_map *map)
{
	return strcmp(bpf_map__name(map), "sl_scratches") != 0 &&
	       strcmp(bpf_map__name(map), "sl_devices") != 0 && !bpf_map__is_internal(map);
}

static int maps_pin(struct sl_xdp *skeleton, const char *pin_dir)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, skeleton->obj) {
		char path[4096];
		int r;

		if (!map_is_pinned(map))
			continue;
		if (snprintf(path, sizeof(path), "%s/%s", pin_dir, bpf_map__name(map)) >=
		    (int)sizeof(path))
			return -ENAMETOOLONG;
		r = bpf_map__set_pin_path(map, path); /* taken over at load if it is there */
		if (r < 0)
			return r;
	}
	return 0;
}

static size_t map_bytes(enum table table, const struct sl_config *config)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t bytes = tables_record_bytes(table) * tables_records(table, config);

	return (bytes + page - 1) / page * page;
}

static int maps_bind(struct xdp_program *program, const struct sl_config *config)
{
	for (enum table table = 0; table < TABLE_COUNT; table++) {
		int fd = bpf_map__fd(map_of(program->skeleton, table));
		void *memory = mmap(NULL, map_bytes(table, config), PROT_READ | PROT_WRITE,
				    MAP_SHARED, fd, 0);

		if (memory == MAP_FAILED)
			return -errno;
		tables_bind(&program->tables, table, memory);
		if (table == TABLE_CONFIG) /* the first: xdp_program_close() goes by it */
			*program->tables.config = *config;
	}
	tables_count_on(&program->tables, 0);
	program->tables.scratch = calloc(1, sizeof(*program->tables.scratch));
	return program->tables.scratch == NULL ? -ENOMEM : 0;
}

int xdp_program_load(const struct xdp_program_options *options, struct xdp_program *ret_program,
		     char error[ENGINE_ERROR_MAX])
{
	struct xdp_program program = {};
	int r;

	program.skeleton = sl_xdp__open();
	if (program.skeleton == NULL)
		return fail_with(error, -errno, "the XDP object does not open");
	r = maps_size(program.skeleton, options->config);
	if (r == 0 && options->pin_dir != NULL)
		r = maps_pin(program.skeleton, options->pin_dir);
	if (r < 0) {
		fail_with(error, r, "the maps cannot be set up");
		goto fail;
	}
	program.skeleton->rodata->sl_constants = *options->config;
	program.skeleton->rodata->sl_clock_is_set = options->clock_is_set;
	r = sl_xdp__load(program.skeleton);
	if (r < 0) {
		fail_with(error, r, "the kernel did not take the XDP program and its maps");
		goto fail;
	}
	r = maps_bind(&program, options->config);
	if (r < 0) {
		fail_with(error, r, "the tables cannot be mapped");
		goto fail;
	}
	*ret_program = program;
	return 0;
fail:
	xdp_program_close(&program);
	return r;
}

void xdp_program_close(struct xdp_program *program)
{
	free(program->tables.scratch);
	if (program->tables.config != NULL) {
		struct sl_config config = *program->tables.config;

		for (enum table table = 0; table < TABLE_COUNT; table++) {
			void *memory = tables_place(&program->tables, table);

			if (memory != NULL)
				munmap(memory, map_bytes(table, &config));
		}
	}
	sl_xdp__destroy(program->skeleton);
	memset(program, 0, sizeof(*program));
}

uint64_t *xdp_program_clock(const struct xdp_program *program)
{
	return (uint64_t *)&program->skeleton->bss->sl_clock_ns;
}

int xdp_program_start_sweeping(const struct xdp_program *program)
{
	unsigned char frame[64] = {};
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = sizeof(frame),
		    .repeat = 1);
	int r = bpf_prog_test_run_opts(bpf_program__fd(program->skeleton->progs.sl_start_sweeping),
				       &run);

	if (r < 0)
		return r;
	return run.retval == XDP_PASS ? 0 : -EIO;
}
