/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Credential source: where the keys for S3 come from, and when they are fetched
 * again: before they expire, and after a server refused them.
 *
 * Environment variables are those of the AWS SDKs: AWS_ACCESS_KEY_ID,
 * AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN; AWS_CONTAINER_CREDENTIALS_FULL_URI or
 * _RELATIVE_URI with AWS_CONTAINER_AUTHORIZATION_TOKEN or _TOKEN_FILE (Fargate);
 * AWS_EC2_METADATA_SERVICE_ENDPOINT (IMDSv2; default the link-local address of EC2).
 */
#ifndef SLUICE_CREDENTIAL_SOURCE_H
#define SLUICE_CREDENTIAL_SOURCE_H

#include "control/logs/credentials.h"
#include "control/logs/http.h"
#include "control/logs/s3_settings.h"

#include <stdbool.h>

#define CREDENTIAL_REFRESH_S 300 /* before they expire; AWS has new ones by then */
#define CREDENTIAL_FILE_MAX (64 * 1024)

struct credential_source;

/** Who waits for credentials; the caller's memory until done() or the cancel. */
struct credential_waiter {
	/** @credentials is NULL, with a sentence in @error, when there are none. Borrowed. */
	void (*done)(void *context, const struct credentials *credentials, const char *error);
	void *context;
	struct credential_waiter *prev, *next;
	bool waits;
};

/** Settings are borrowed. Returns 0 or -ENOMEM. Reads nothing yet. */
int credential_source_open(struct http *http, uv_loop_t *loop, const struct s3_settings *settings,
			   struct credential_source **ret_source);
/** Waiters are forgotten. To be called before http_close() and the loop's last run; NULL is
 *  fine. */
void credential_source_close(struct credential_source *source);

/** The credentials at hand, NULL when they must be waited for. Valid until the loop goes on. */
const struct credentials *credential_source_get(struct credential_source *source);
/** Fetch them; done() is called later, never from within. */
void credential_source_wait(struct credential_source *source, struct credential_waiter *waiter);
/** Also when it does not wait. */
void credential_source_cancel(struct credential_source *source, struct credential_waiter *waiter);
/** A server refused what the source gave: fetch again before the next use. */
void credential_source_refused(struct credential_source *source);

#endif
