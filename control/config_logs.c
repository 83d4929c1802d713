/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/config_logs.h"

#include "control/config_s3.h"

#include <stdio.h>
#include <string.h>

#define FILE_KIB_MIN 64
#define FILE_KIB_MAX (5u << 20) /* 5 GiB: what S3 takes in one piece */
#define SPOOL_MIB_MIN 1
#define SPOOL_MIB_MAX (16u << 20)
#define EXPIRATION_DAYS_MAX 36500

const struct config_field config_logs_fields[] = {
	CONFIG_TEXT("queue", struct config, logs_queue, 1, config_is_path, CONFIG_PATH_ALLOWED,
		    false),
	CONFIG_TEXT("spool_dir", struct config, logs.spool_dir, 1, config_is_path,
		    "an absolute path", false),
	CONFIG_NUMBER("spool_mib", struct config, logs_spool_mib, SPOOL_MIB_MIN, SPOOL_MIB_MAX),
	CONFIG_NUMBER("file_kib", struct config, logs_file_kib, FILE_KIB_MIN, FILE_KIB_MAX),
	CONFIG_NUMBER("interval_seconds", struct config, logs.interval_s, LOGS_INTERVAL_MIN_S,
		      LOGS_INTERVAL_MAX_S),
	CONFIG_TEXT("user", struct config, logs_user, 1, config_is_owner, "the name of a user",
		    false),
	CONFIG_NUMBER("lb_access_logs_expiration_days", struct config, logs.expiration_days, 0,
		      EXPIRATION_DAYS_MAX),
	{.key = "s3",
	 .read = config_read_section,
	 .fields = config_s3_fields,
	 .offset = offsetof(struct config, logs.s3)},
	{.key = NULL},
};

void config_logs_defaults(struct config *config)
{
	snprintf(config->logs_queue, sizeof(config->logs_queue), "/run/sluice/records");
	snprintf(config->logs_user, sizeof(config->logs_user), "sluice-logs");
	snprintf(config->logs.spool_dir, sizeof(config->logs.spool_dir), "/var/lib/sluice/logs");
	config->logs_spool_mib = 4096;
	config->logs_file_kib = 65536;
	config->logs.interval_s = 300;
	config_s3_defaults(&config->logs.s3);
}

int config_logs_finish(struct config_reader *reader, struct config *config)
{
	struct logs_settings *logs = &config->logs;

	if (config->logs_file_kib / 1024 > config->logs_spool_mib) {
		snprintf(reader->path, sizeof(reader->path), "access_logs.file_kib");
		return config_read_fail(reader, "a file of %u KiB does not fit a spool_mib of %u",
					config->logs_file_kib, config->logs_spool_mib);
	}
	logs->spool_bytes_max = (uint64_t)config->logs_spool_mib << 20;
	logs->file_bytes_max = (uint64_t)config->logs_file_kib << 10;
	memcpy(logs->account_id, config->account_id, sizeof(config->account_id));
	memcpy(logs->region, config->region, sizeof(config->region));
	if (logs->s3.region[0] == '\0')
		memcpy(logs->s3.region, config->region, sizeof(config->region));
	for (unsigned int i = 0; i < config->n_zones; i++)
		memcpy(logs->zones[i], config->zones[i].name, sizeof(config->zones[i].name));
	return 0;
}
