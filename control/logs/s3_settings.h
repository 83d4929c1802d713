/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * S3 settings: where objects go and how, as the config's "access_logs" says.
 * No secret is in here: sluice-logs alone reads those, from their source.
 */
#ifndef SLUICE_S3_SETTINGS_H
#define SLUICE_S3_SETTINGS_H

#include <stdint.h>

#define S3_REGION_MAX 63
#define S3_ENDPOINT_MAX 255
#define S3_PATH_MAX 1023
#define S3_PROFILE_MAX 63
#define S3_KMS_KEY_MAX 2047
#define S3_TIMEOUT_MAX_S 300
#define S3_RETRY_MAX_S 3600
#define S3_PART_MIN_MIB 5 /* S3's rule, for all parts but the last */
#define S3_PART_MAX_MIB 64

enum s3_credentials_source {
	S3_CREDENTIALS_AUTO, /* the first of those below that is there */
	S3_CREDENTIALS_ENVIRONMENT,
	S3_CREDENTIALS_FILE,
	S3_CREDENTIALS_CONTAINER, /* AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI */
	S3_CREDENTIALS_INSTANCE,  /* IMDSv2 */
};

enum s3_encryption { S3_ENCRYPTION_NONE, S3_ENCRYPTION_AES256, S3_ENCRYPTION_KMS };

struct s3_settings {
	char region[S3_REGION_MAX + 1]; /* of the signatures */
	char endpoint[S3_ENDPOINT_MAX +
		      1];	       /* "https://host[:port]"; "" for AWS's own in the region */
	char ca_file[S3_PATH_MAX + 1]; /* "" for the system's */
	char credentials_file[S3_PATH_MAX + 1]; /* AWS shared credentials format */
	char profile[S3_PROFILE_MAX + 1];	/* section of that file */
	char kms_key_id[S3_KMS_KEY_MAX + 1];	/* "" for the bucket's default key */
	uint32_t credentials;			/* enum s3_credentials_source */
	uint32_t encryption;			/* enum s3_encryption */
	uint32_t path_style;			/* 1: bucket in the path; 0: in the host name */
	uint32_t timeout_s;			/* to connect, and without a byte moving */
	uint32_t retry_max_s; /* the longest pause between tries; they begin at a second */
	uint32_t part_mib;    /* larger files are sent in parts of this size */
};

#endif
