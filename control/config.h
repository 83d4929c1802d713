/* SPDX-License-Identifier: BSD-3-Clause */
/* Config: the settings file of sluiced, JSON. README.md shows one whole. */
#ifndef SLUICE_CONFIG_H
#define SLUICE_CONFIG_H

#include "control/logs/logs_messages.h"
#include "dataplane/address.h"
#include "dataplane/engine.h"

#include <stdbool.h>
#include <stdint.h>

#define CONFIG_NAME_MAX 64
#define CONFIG_PATH_MAX 108	   /* of a socket, as sun_path */
#define CONFIG_MAX_VIP_RANGES 16   /* entries of a zone's vip_pool */
#define CONFIG_MAX_TARGET_CIDRS 16 /* entries of a zone's cidrs */
#define CONFIG_ERROR_MAX 512

/* What AWS calls an Availability Zone with its one subnet. */
struct config_zone {
	char name[CONFIG_NAME_MAX];	 /* "rig-1a": ZoneName, AvailabilityZone */
	char subnet_id[CONFIG_NAME_MAX]; /* "subnet-rig1a": SubnetId; default "subnet-" + name */
	char interface[IF_NAMESIZE];
	struct address_prefix vip_pool[CONFIG_MAX_VIP_RANGES]; /* where VIPs are taken from */
	unsigned int n_vip_pool;
	struct address_prefix cidrs[CONFIG_MAX_TARGET_CIDRS]; /* targets inside are in this zone */
	unsigned int n_cidrs;
	struct in6_addr snat[ENGINE_MAX_SNAT];
	unsigned int n_snat;
};

struct config {
	char region[CONFIG_NAME_MAX];	  /* "us-east-1" */
	char account_id[13];		  /* 12 digits */
	char vpc_id[CONFIG_NAME_MAX];	  /* "vpc-sluice" */
	char socket_path[CONFIG_PATH_MAX]; /* "/run/sluice/control.sock" */
	char socket_group[CONFIG_NAME_MAX]; /* group that may connect beside root; "" for root alone */
	char store_path[4096];		  /* "/var/lib/sluice/sluice.db" */
	char pin_dir[4096];		  /* "/sys/fs/bpf/sluice" */
	unsigned int max_clients;	  /* connections to the control socket */
	bool health_fast_intervals; /* groups may be checked more often than NLB allows */
	char health_user[CONFIG_NAME_MAX]; /* whom sluice-health runs as; see there */
	uint16_t health_port_min;	  /* source ports of probes; none is SNAT's */
	uint16_t health_port_max;
	char logs_queue[4096]; /* "/run/sluice/records", where sluice-logs gets flow records from */
	char logs_user[CONFIG_NAME_MAX]; /* whom sluice-logs runs as */
	unsigned int logs_spool_mib, logs_file_kib;
	struct logs_settings logs; /* what sluice-logs is told, with names of zones */
	struct config_zone zones[ENGINE_MAX_ZONES];
	unsigned int n_zones;
	struct engine_config engine; /* filled from "engine" and from the zones; its pin_dir points to ours */
};

/**
 * Read a config file.
 *
 * @error  receives a sentence that names file, line or key, and the allowed range
 *
 * Unknown keys are errors. Returns 0 with *ret_config owned by the caller
 * (config_free()), -ENOENT and such when the file cannot be read, -EINVAL, -ENOMEM.
 */
int config_load(const char *path, struct config **ret_config, char error[CONFIG_ERROR_MAX]);

/** The same from memory; @name stands for the file in errors. For tests and fuzzing. */
int config_parse(const char *name, const char *text, size_t len, struct config **ret_config,
		 char error[CONFIG_ERROR_MAX]);

void config_free(struct config *config); /* NULL is fine */

#endif
