/* SPDX-License-Identifier: BSD-3-Clause */
#include "tables.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#define MAGLEV_ENTRIES_PER_TARGET 256 /* maglev.h: in each zone, at most; and twice while swapping */
#define VIPS_BESIDE_TARGETS 16384u    /* listeners on their VIPs, VIPs and SNAT addresses */
#define KEYS_PER_BUCKET 5	      /* of 16 slots, in a full table: spilling stays rare */
#define VIPS_PER_BUCKET 2	      /* of 15 slots without a second bucket: none overflows */

struct table_spec {
	const char *name;
	size_t bytes;
	size_t member; /* of struct sl_tables */
};

#define SPEC(table, map, record, field) \
	[table] = {map, record, offsetof(struct sl_tables, field)}
static const struct table_spec specs[TABLE_COUNT] = {
	SPEC(TABLE_CONFIG, "sl_saved_config", sizeof(struct sl_config), config),
	SPEC(TABLE_HOMES4, "sl_homes4", sizeof(struct sl_homes), homes[0]),
	SPEC(TABLE_HOMES6, "sl_homes6", sizeof(struct sl_homes), homes[1]),
	SPEC(TABLE_BUCKETS4, "sl_buckets4", sizeof(struct sl_bucket), buckets[0]),
	SPEC(TABLE_BUCKETS6, "sl_buckets6", sizeof(struct sl_bucket), buckets[1]),
	SPEC(TABLE_LINES4, "sl_lines4", SL_LINE_BYTES_V4, lines[0]),
	SPEC(TABLE_LINES6, "sl_lines6", SL_LINE_BYTES_V6, lines[1]),
	SPEC(TABLE_COLD4, "sl_cold4", sizeof(struct sl_flow_cold), cold[0]),
	SPEC(TABLE_COLD6, "sl_cold6", sizeof(struct sl_flow_cold), cold[1]),
	SPEC(TABLE_POOLS, "sl_pools", sizeof(struct sl_flow_pool), pools),
	SPEC(TABLE_FRAGMENTS, "sl_fragments", sizeof(struct sl_fragment), fragments),
	SPEC(TABLE_VIP_BUCKETS, "sl_vip_buckets", sizeof(struct sl_bucket), vip_buckets),
	SPEC(TABLE_VIPS, "sl_vips", sizeof(struct sl_vip), vips),
	SPEC(TABLE_LISTENERS, "sl_listeners", sizeof(struct sl_listener), listeners),
	SPEC(TABLE_GROUPS, "sl_groups", sizeof(struct sl_group), groups),
	SPEC(TABLE_TARGETS, "sl_targets", sizeof(struct sl_target), targets),
	SPEC(TABLE_PORTS, "sl_ports", sizeof(struct sl_port), ports),
	SPEC(TABLE_ZONES, "sl_zones", sizeof(struct sl_zone), zones),
	SPEC(TABLE_MAGLEV, "sl_maglev", sizeof(struct sl_maglev_chunk), maglev),
	SPEC(TABLE_CURSORS, "sl_cursors", sizeof(__u64), cursors),
	SPEC(TABLE_LISTENER_COUNTS, "sl_listener_counts", sizeof(struct sl_listener_counters),
	     listener_counts),
	SPEC(TABLE_TARGET_COUNTS, "sl_target_counts", sizeof(struct sl_target_counters),
	     target_counts),
	SPEC(TABLE_CPU_COUNTS, "sl_cpu_counts", sizeof(struct sl_cpu_counters), cpu_counts),
};

const char *tables_name(enum table table)
{
	return specs[table].name;
}

size_t tables_record_bytes(enum table table)
{
	return specs[table].bytes;
}

uint32_t tables_records(enum table table, const struct sl_config *config)
{
	switch (table) {
	case TABLE_CONFIG:
		return 1;
	case TABLE_HOMES4:
		return (config->family[0].buckets + SL_HOMES - 1) / SL_HOMES;
	case TABLE_HOMES6:
		return (config->family[1].buckets + SL_HOMES - 1) / SL_HOMES;
	case TABLE_BUCKETS4:
		return config->family[0].buckets;
	case TABLE_BUCKETS6:
		return config->family[1].buckets;
	case TABLE_LINES4:
		return 2 * (config->family[0].flows + 1);
	case TABLE_LINES6:
		return 2 * (config->family[1].flows + 1);
	case TABLE_COLD4:
		return config->family[0].flows + 1;
	case TABLE_COLD6:
		return config->family[1].flows + 1;
	case TABLE_POOLS:
		return 2;
	case TABLE_FRAGMENTS:
		return SL_FRAGMENTS;
	case TABLE_VIP_BUCKETS:
		return config->vip_buckets;
	case TABLE_VIPS:
		return config->max_vips;
	case TABLE_LISTENERS:
		return SL_MAX_LISTENERS;
	case TABLE_GROUPS:
		return SL_MAX_GROUPS;
	case TABLE_TARGETS:
	case TABLE_CURSORS:
		return config->max_targets;
	case TABLE_PORTS:
		return SL_MAX_PORTS;
	case TABLE_ZONES:
		return SL_MAX_ZONES;
	case TABLE_MAGLEV:
		return config->maglev_chunks;
	case TABLE_LISTENER_COUNTS:
		return config->cpus * SL_MAX_LISTENERS;
	case TABLE_TARGET_COUNTS:
		return config->cpus * config->max_targets;
	case TABLE_CPU_COUNTS:
		return config->cpus;
	case TABLE_COUNT:
		break;
	}
	return 0;
}

static struct sl_family_config family_plan(uint32_t flows)
{
	struct sl_family_config family = {.flows = flows, .buckets = 2 * flows / KEYS_PER_BUCKET};

	while (2 * (flows + 1) > 1u << family.line_bits)
		family.line_bits++;
	return family;
}

static int setting_check(const char *name, uint32_t value, uint32_t min, uint32_t max,
			 char error[ENGINE_ERROR_MAX])
{
	if (value >= min && value <= max)
		return 0;
	snprintf(error, ENGINE_ERROR_MAX, "%s is %u; it must be between %u and %u", name, value, min,
		 max);
	return -EINVAL;
}

static uint32_t maglev_chunks(uint32_t max_targets, unsigned int n_zones)
{
	return 2 * (max_targets + 1) * (n_zones > 1 ? n_zones : 1) *
	       (MAGLEV_ENTRIES_PER_TARGET / SL_MAGLEV_CHUNK);
}

int tables_plan(const struct engine_config *settings, uint32_t cpus, struct sl_config *ret_config,
		char error[ENGINE_ERROR_MAX])
{
	struct sl_config config = {
		.magic = SL_MAGIC,
		.layout_version = SL_LAYOUT_VERSION,
		.max_targets = settings->max_targets,
		.cpus = cpus + 1,
		.snat_port_min = settings->snat_port_min,
		.snat_port_max = settings->snat_port_max,
	};
	int r;

	r = setting_check("max_flows", settings->max_flows, TABLES_MIN_FLOWS, TABLES_MAX_FLOWS,
			  error);
	if (r == 0)
		r = setting_check("max_flows_ipv6", settings->max_flows_ipv6, TABLES_MIN_FLOWS,
				  TABLES_MAX_FLOWS, error);
	if (r == 0)
		r = setting_check("max_targets", settings->max_targets, 1, TABLES_MAX_TARGETS,
				  error);
	if (r == 0)
		r = setting_check("snat_ports[0]", settings->snat_port_min, 1024,
				  settings->snat_port_max, error);
	if (r < 0)
		return r;
	config.family[0] = family_plan(settings->max_flows);
	config.family[1] = family_plan(settings->max_flows_ipv6);
	config.max_vips = settings->max_targets + VIPS_BESIDE_TARGETS;
	config.vip_buckets = config.max_vips / VIPS_PER_BUCKET;
	config.maglev_chunks = maglev_chunks(settings->max_targets, settings->n_zones);
	if (getrandom(config.seed, sizeof(config.seed), 0) != sizeof(config.seed)) {
		snprintf(error, ENGINE_ERROR_MAX, "getrandom: %s", strerror(errno));
		return -EIO;
	}
	*ret_config = config;
	return 0;
}

int tables_check(const struct sl_config *found, const struct engine_config *settings, uint32_t cpus,
		 char error[ENGINE_ERROR_MAX])
{
	struct sl_config wanted;
	int r;

	if (found->magic != SL_MAGIC || found->layout_version != SL_LAYOUT_VERSION) {
		snprintf(error, ENGINE_ERROR_MAX,
			 "the tables that are kept have layout version %u, this sluiced has %u; run "
			 "`sluicectl shutdown --detach` with the old sluiced, or remove them (pin_dir, "
			 "table_dir): flows are lost",
			 found->magic == SL_MAGIC ? found->layout_version : 0, SL_LAYOUT_VERSION);
		return -EPROTO;
	}
	r = tables_plan(settings, cpus, &wanted, error);
	if (r < 0)
		return r;
	memcpy(wanted.seed, found->seed, sizeof(wanted.seed));
	if (memcmp(&wanted, found, sizeof(wanted)) == 0)
		return 0;
	snprintf(error, ENGINE_ERROR_MAX,
		 "the tables that are kept have other sizes (max_flows %u, max_flows_ipv6 %u, "
		 "max_targets %u, snat_ports %u-%u, %u zones, %u CPUs) than the config; set it to "
		 "these, or run `sluicectl shutdown --detach` first: flows are lost",
		 found->family[0].flows, found->family[1].flows, found->max_targets,
		 found->snat_port_min, found->snat_port_max,
		 found->maglev_chunks / maglev_chunks(found->max_targets, 1), found->cpus - 1);
	return -EPROTO;
}

void tables_bind(struct sl_tables *tables, enum table table, void *memory)
{
	*(void **)((char *)tables + specs[table].member) = memory;
}

void *tables_place(const struct sl_tables *tables, enum table table)
{
	return *(void *const *)((const char *)tables + specs[table].member);
}

void tables_count_on(struct sl_tables *tables, uint32_t cpu)
{
	tables->cpu = cpu;
	tables->own_listener_counts = &tables->listener_counts[(size_t)cpu * SL_MAX_LISTENERS];
	tables->own_target_counts =
		&tables->target_counts[(size_t)cpu * tables->config->max_targets];
}

static size_t table_bytes(enum table table, const struct sl_config *config)
{
	return specs[table].bytes * tables_records(table, config);
}

size_t tables_bind_block(struct sl_tables *tables, const struct sl_config *config, void *memory)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t offset = 0;

	for (enum table table = 0; table < TABLE_COUNT; table++) {
		if (memory != NULL)
			tables_bind(tables, table, (char *)memory + offset);
		offset += (table_bytes(table, config) + page - 1) / page * page;
	}
	if (memory != NULL)
		tables_count_on(tables, 0);
	return offset;
}

int tables_allocate(const struct sl_config *config, struct sl_tables *ret_tables)
{
	memset(ret_tables, 0, sizeof(*ret_tables));
	for (enum table table = 0; table < TABLE_COUNT; table++) {
		void *memory = mmap(NULL, table_bytes(table, config), PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (memory == MAP_FAILED)
			goto fail;
		if (table == TABLE_CONFIG)
			memcpy(memory, config, sizeof(*config));
		tables_bind(ret_tables, table, memory);
	}
	tables_count_on(ret_tables, 0);
	ret_tables->scratch = calloc(1, sizeof(*ret_tables->scratch));
	if (ret_tables->scratch == NULL)
		goto fail;
	return 0;
fail:
	tables_free(ret_tables);
	return -ENOMEM;
}

void tables_free(struct sl_tables *tables)
{
	struct sl_config config;

	free(tables->scratch);
	if (tables->config == NULL)
		return;
	config = *tables->config;
	for (enum table table = 0; table < TABLE_COUNT; table++)
		if (tables_place(tables, table) != NULL)
			munmap(tables_place(tables, table), table_bytes(table, &config));
	memset(tables, 0, sizeof(*tables));
}
