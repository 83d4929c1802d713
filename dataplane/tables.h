/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tables: how large each table is, and where it lies. One list serves the
 * kernel's maps and plain memory alike.
 */
#ifndef SLUICE_TABLES_H
#define SLUICE_TABLES_H

#include "engine.h"
#include "flat.h"

#include <stddef.h>
#include <stdint.h>

enum table {
	TABLE_CONFIG,
	TABLE_HOMES4,
	TABLE_HOMES6,
	TABLE_BUCKETS4,
	TABLE_BUCKETS6,
	TABLE_LINES4,
	TABLE_LINES6,
	TABLE_COLD4,
	TABLE_COLD6,
	TABLE_POOLS,
	TABLE_FRAGMENTS,
	TABLE_VIP_BUCKETS,
	TABLE_VIPS,
	TABLE_LISTENERS,
	TABLE_GROUPS,
	TABLE_TARGETS,
	TABLE_PORTS,
	TABLE_ZONES,
	TABLE_MAGLEV,
	TABLE_CURSORS,
	TABLE_LISTENER_COUNTS,
	TABLE_TARGET_COUNTS,
	TABLE_CPU_COUNTS,
	TABLE_COUNT,
};

#define TABLES_MIN_FLOWS 1024u
#define TABLES_MAX_FLOWS 8388608u
#define TABLES_MAX_TARGETS 65535u

/** Name of the BPF map that holds a table, e.g. "sl_lines4". */
const char *tables_name(enum table table);

/** Bytes of one record, and how many records tables of this config have. */
size_t tables_record_bytes(enum table table);
uint32_t tables_records(enum table table, const struct sl_config *config);

/**
 * Work out the config of new tables: sizes from the settings, seeds from the
 * kernel's random numbers.
 *
 * @cpus  on which the packet path counts; control counts on one more
 *
 * Returns 0, or -EINVAL with a sentence in @error that names the setting and
 * its range.
 */
int tables_plan(const struct engine_config *settings, uint32_t cpus, struct sl_config *ret_config,
		char error[ENGINE_ERROR_MAX]);

/**
 * Whether tables that exist fit the settings.
 *
 * Returns 0, or -EPROTO with a sentence in @error: another layout version or
 * other sizes.
 */
int tables_check(const struct sl_config *found, const struct engine_config *settings, uint32_t cpus,
		 char error[ENGINE_ERROR_MAX]);

/** Note where a table lies; NULL: nowhere. */
void tables_bind(struct sl_tables *tables, enum table table, void *memory);

/** Where a table lies; NULL when it was not bound. */
void *tables_place(const struct sl_tables *tables, enum table table);

/** Have a thread's view count as one CPU: below the config's cpus. The counters must be bound. */
void tables_count_on(struct sl_tables *tables, uint32_t cpu);

/**
 * Bind all tables to one block of memory, each at the start of a page.
 *
 * @memory  page-aligned; the config stands at its beginning. NULL: only count
 *
 * Returns how many bytes the block has.
 */
size_t tables_bind_block(struct sl_tables *tables, const struct sl_config *config, void *memory);

/**
 * Make tables in plain memory, zeroed and with @config copied in.
 *
 * Returns 0 or -ENOMEM; tables_free() takes half-made ones, too.
 */
int tables_allocate(const struct sl_config *config, struct sl_tables *ret_tables);
void tables_free(struct sl_tables *tables);

#endif
