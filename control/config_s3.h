/* SPDX-License-Identifier: BSD-3-Clause */
/* The s3 section of access_logs in the config. */
#ifndef SLUICE_CONFIG_S3_H
#define SLUICE_CONFIG_S3_H

#include "control/config_read.h"
#include "control/logs/s3_settings.h"

/** The keys of access_logs.s3; they fill a struct s3_settings. */
extern const struct config_field config_s3_fields[];

void config_s3_defaults(struct s3_settings *settings);

#endif
