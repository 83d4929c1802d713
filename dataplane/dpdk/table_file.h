/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Table file: the tables, and the records that control has not taken yet, in
 * one file of a tmpfs or hugetlbfs, so that they outlive the process. It is locked while a process uses it. One thread.
 */
#ifndef SLUICE_DPDK_TABLE_FILE_H
#define SLUICE_DPDK_TABLE_FILE_H

#include "dataplane/tables.h"

#include <limits.h>
#include <stdbool.h>

struct table_file {
	char path[PATH_MAX];
	int fd; /* locked; -1: none */
	void *memory;
	char *queues; /* behind the tables: of records, one a worker, and the service thread's */
	size_t bytes;
	size_t page_bytes;
	bool huge;  /* on a hugetlbfs */
	bool fresh; /* no earlier process left tables */
};

/**
 * Take over the file in @settings->dpdk.table_dir, or make it, and map it. Without a table_dir it
 * is in /dev/hugepages/sluice if that can be, or in /run/sluice.
 *
 * What a process left that was killed while it made the file is made anew.
 *
 * @n_workers   each has its own counters, and the service thread behind them
 * @ret_tables  bound to the mapping
 *
 * Returns 0, -EINVAL (another file system, or a setting out of range), -EBUSY (another process
 * holds the file), -EPROTO (another layout version, another number of workers or other sizes),
 * -ENOSPC or -ENOMEM (no room on the file system), or what the kernel said, with a sentence in
 * @error. table_file_close() takes half-opened ones, too.
 */
int table_file_open(const struct engine_config *settings, uint32_t n_workers,
		    struct table_file *ret_file, struct sl_tables *ret_tables,
		    char error[ENGINE_ERROR_MAX]);

/** Unmap and unlock; the file stays. */
void table_file_close(struct table_file *file);

/** Remove the file, and the folder if nothing else is in it; what is mapped stays usable.
 *  Returns 0 or what the kernel said. */
int table_file_remove(struct table_file *file);

#endif
