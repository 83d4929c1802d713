/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/config_s3.h"

#include <stdio.h>
#include <string.h>

static bool is_url(const char *text)
{
	const char *host = strstr(text, "://");

	if (text[0] == '\0')
		return true;
	if (strncmp(text, "https://", 8) != 0 && strncmp(text, "http://", 7) != 0)
		return false;
	return host[3] != '\0' && strpbrk(host + 3, "/?#@ \t\r\n") == NULL;
}

/* They go into URLs' and requests' headers. */
static bool is_printable(const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text <= ' ' || *text >= 0x7f)
			return false;
	}
	return true;
}

#define PRINTABLE_ALLOWED "ASCII without spaces"

static const char *const addressings[] = {"virtual", "path", NULL};
static const char *const encryptions[] = {
	[S3_ENCRYPTION_NONE] = "none",
	[S3_ENCRYPTION_AES256] = "AES256",
	[S3_ENCRYPTION_KMS] = "aws:kms",
	[S3_ENCRYPTION_KMS + 1] = NULL,
};
static const char *const sources[] = {
	[S3_CREDENTIALS_AUTO] = "auto",		[S3_CREDENTIALS_ENVIRONMENT] = "environment",
	[S3_CREDENTIALS_FILE] = "file",		[S3_CREDENTIALS_CONTAINER] = "container",
	[S3_CREDENTIALS_INSTANCE] = "instance", [S3_CREDENTIALS_INSTANCE + 1] = NULL,
};

#define SETTINGS struct s3_settings

static const struct config_field credential_fields[] = {
	CONFIG_CHOICE("source", SETTINGS, credentials, sources),
	CONFIG_TEXT("file", SETTINGS, credentials_file, 1, config_is_path, CONFIG_PATH_ALLOWED,
		    false),
	CONFIG_TEXT("profile", SETTINGS, profile, 1, is_printable, PRINTABLE_ALLOWED, false),
	{.key = NULL},
};
const struct config_field config_s3_fields[] = {
	CONFIG_TEXT("endpoint", SETTINGS, endpoint, 0, is_url,
		    "http://HOST[:PORT] or https://HOST[:PORT]", false),
	CONFIG_TEXT("region", SETTINGS, region, 1, config_is_name, "letters, digits and hyphens",
		    false),
	CONFIG_CHOICE("addressing", SETTINGS, path_style, addressings),
	CONFIG_TEXT("ca_file", SETTINGS, ca_file, 1, config_is_path, CONFIG_PATH_ALLOWED, false),
	CONFIG_CHOICE("encryption", SETTINGS, encryption, encryptions),
	CONFIG_TEXT("kms_key_id", SETTINGS, kms_key_id, 1, is_printable, PRINTABLE_ALLOWED, false),
	CONFIG_SECTION("credentials", credential_fields),
	CONFIG_NUMBER("timeout_seconds", SETTINGS, timeout_s, 1, S3_TIMEOUT_MAX_S),
	CONFIG_NUMBER("retry_max_seconds", SETTINGS, retry_max_s, 1, S3_RETRY_MAX_S),
	CONFIG_NUMBER("part_mib", SETTINGS, part_mib, S3_PART_MIN_MIB, S3_PART_MAX_MIB),
	{.key = NULL},
};

void config_s3_defaults(struct s3_settings *settings)
{
	snprintf(settings->profile, sizeof(settings->profile), "default");
	settings->timeout_s = 30;
	settings->retry_max_s = 60;
	settings->part_mib = 8;
}
