/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/logs/log_object.h"

#include "control/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define SERVICE "elasticloadbalancing"

/* "PREFIX/AWSLogs/ACCOUNT/"; a slash at an end of the prefix would make an empty folder. */
static int put_account_folder(const struct logs_settings *settings, const char *prefix, char *text,
			      size_t size)
{
	size_t len;

	prefix += strspn(prefix, "/");
	len = strlen(prefix);
	while (len > 0 && prefix[len - 1] == '/')
		len--;
	return snprintf(text, size, "%.*s%sAWSLogs/%s/", (int)len, prefix, len > 0 ? "/" : "",
			settings->account_id);
}

void log_object_folder(const struct logs_settings *settings, const char *prefix,
		       char folder[LOG_OBJECT_FOLDER_MAX])
{
	int len = put_account_folder(settings, prefix, folder, LOG_OBJECT_FOLDER_MAX);

	snprintf(folder + len, LOG_OBJECT_FOLDER_MAX - (size_t)len, SERVICE "/%s",
		 settings->region);
}

void log_object_stem(const struct logs_settings *settings,
		     const struct logs_destination *destination, char stem[LOG_OBJECT_STEM_MAX])
{
	snprintf(stem, LOG_OBJECT_STEM_MAX, "%s_" SERVICE "_%s_net.%.64s.%016" PRIx64,
		 settings->account_id, settings->region, destination->load_balancer,
		 destination->load_balancer_id);
}

void log_object_name(const char *stem, int64_t end_s, const char random[LOG_OBJECT_RANDOM_BYTES],
		     char name[LOG_OBJECT_NAME_MAX])
{
	time_t minute = (time_t)((end_s + 59) / 60 * 60);
	char time[32];
	struct tm tm = {};

	gmtime_r(&minute, &tm);
	strftime(time, sizeof(time), "%Y%m%dT%H%MZ", &tm);
	snprintf(name, LOG_OBJECT_NAME_MAX, "%s_%s_%.*s.log.gz", stem, time,
		 LOG_OBJECT_RANDOM_BYTES, random);
}

void log_object_date(int64_t now_s, char date[LOG_OBJECT_DATE_MAX])
{
	time_t seconds = (time_t)now_s;
	struct tm tm = {};

	gmtime_r(&seconds, &tm);
	strftime(date, LOG_OBJECT_DATE_MAX, "%Y%m%d", &tm);
}

void log_object_key(const char *folder, const char *date, const char *name,
		    char key[LOG_OBJECT_KEY_MAX])
{
	snprintf(key, LOG_OBJECT_KEY_MAX, "%s/%.4s/%.2s/%.2s/%s", folder, date, date + 4, date + 6,
		 name);
}

void log_object_test(const struct logs_settings *settings,
		     const struct logs_destination *destination, int64_t now_ms,
		     char key[LOG_OBJECT_KEY_MAX], char body[256])
{
	char time[LOG_TIME_MAX];
	int len = put_account_folder(settings, destination->prefix, key, LOG_OBJECT_KEY_MAX);

	snprintf(key + len, LOG_OBJECT_KEY_MAX - (size_t)len, "ELBAccessLogTestFile");
	snprintf(body, 256, "Enable AccessLog for ELB: %s at %s", destination->load_balancer,
		 log_format_time(now_ms, time));
}

int log_object_random(char random[LOG_OBJECT_RANDOM_BYTES])
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	uint64_t bits;

	if (getrandom(&bits, sizeof(bits), 0) != sizeof(bits))
		return -errno;
	for (int i = 0; i < LOG_OBJECT_RANDOM_BYTES; i++, bits /= sizeof(letters) - 1)
		random[i] = letters[bits % (sizeof(letters) - 1)];
	return 0;
}
