/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Log object: how the objects of a load balancer's access log are named, which
 * is as NLB names them:
 *
 * [PREFIX/]AWSLogs/ACCOUNT/elasticloadbalancing/REGION/yyyy/mm/dd/
 *     ACCOUNT_elasticloadbalancing_REGION_net.NAME.ID_yyyymmddThhmmZ_RANDOM.log.gz
 *
 * The folder tells the day of delivery, the name the end of the interval. Pure
 * but for log_object_random().
 */
#ifndef SLUICE_LOG_OBJECT_H
#define SLUICE_LOG_OBJECT_H

#include "control/logs/logs_messages.h"

#define LOG_OBJECT_KEY_MAX 1025	  /* bytes of a key with its NUL; S3's limit */
#define LOG_OBJECT_FOLDER_MAX 768 /* up to the region */
#define LOG_OBJECT_STEM_MAX 192	  /* of the name, up to the load balancer's id */
#define LOG_OBJECT_NAME_MAX 232	  /* of the name; a file of the spool has more around it */
#define LOG_OBJECT_DATE_MAX 9	  /* "20260131" */
#define LOG_OBJECT_RANDOM_BYTES 8 /* lower-case letters and digits */

/** "PREFIX/AWSLogs/ACCOUNT/elasticloadbalancing/REGION". */
void log_object_folder(const struct logs_settings *settings, const char *prefix,
		       char folder[LOG_OBJECT_FOLDER_MAX]);

/** "ACCOUNT_elasticloadbalancing_REGION_net.NAME.ID". */
void log_object_stem(const struct logs_settings *settings,
		     const struct logs_destination *destination, char stem[LOG_OBJECT_STEM_MAX]);

/** @end_s: of the interval, since 1970; rounded up to a minute. */
void log_object_name(const char *stem, int64_t end_s, const char random[LOG_OBJECT_RANDOM_BYTES],
		     char name[LOG_OBJECT_NAME_MAX]);

/** A day as yyyymmdd. */
void log_object_date(int64_t now_s, char date[LOG_OBJECT_DATE_MAX]);

/** Put a key together; @date as from log_object_date(). */
void log_object_key(const char *folder, const char *date, const char *name,
		    char key[LOG_OBJECT_KEY_MAX]);

/** The object that is written when a bucket is set: key and body, as NLB's. */
void log_object_test(const struct logs_settings *settings,
		     const struct logs_destination *destination, int64_t now_ms,
		     char key[LOG_OBJECT_KEY_MAX], char body[256]);

/** Returns 0 or what getrandom() said. */
int log_object_random(char random[LOG_OBJECT_RANDOM_BYTES]);

#endif
