/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * S3: single calls to a server that speaks its protocol, signed with SigV4.
 *
 * A call is made once; who wants it repeated repeats it (upload.h, uploader.h).
 * It waits for credentials by itself, and has them fetched again after a 403.
 *
 * Threading: all in the thread of the loop.
 */
#ifndef SLUICE_S3_H
#define SLUICE_S3_H

#include "control/logs/credential_source.h"
#include "control/logs/http.h"
#include "control/logs/s3_settings.h"
#include "control/logs/s3_xml.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#define S3_TEXT_MAX 512
#define S3_URL_MAX 8192 /* a key and an upload id of 1,024 bytes each, all of it percent-encoded */

struct s3;
struct s3_call; /* on its way */

struct s3_request {
	const char *method, *bucket;
	const char *key;   /* NULL: the call is about the bucket */
	const char *query; /* "uploads=", sorted and percent-encoded; NULL: none */
	const void *body;  /* borrowed until the result; NULL: none */
	size_t body_len;
	bool makes_object; /* send the ACL bucket-owner-full-control, and encryption */
	bool wants_md5;	   /* send Content-MD5 */
};

struct s3_result {
	int error;	  /* 0: the server did it; else a negative errno. -EACCES: HTTP 403;
			     -ENOENT: HTTP 404; -EOPNOTSUPP: HTTP 501; -EAGAIN: other 5xx,
			     429 and SlowDown; -EPROTO: the rest */
	const char *text; /* of the error: "HTTP 403 AccessDenied: Access Denied." */
	const char *code; /* S3's own, as "NoSuchBucket"; "" when it sent none */
	const char *body;
	size_t body_len;
	const char *etag;
};

/** Called once, unless the call is cancelled; never from within s3_send(). The result is
 *  valid during the call. */
typedef void s3_done(void *context, const struct s3_result *result);

/** Settings are copied. Returns 0 or -ENOMEM. */
int s3_open(uv_loop_t *loop, const struct s3_settings *settings, struct s3 **ret_s3);
/** Cancels all calls; to be called before the loop's last run, which frees it. NULL is fine. */
void s3_close(struct s3 *s3);

/** Begin a call; all but the body is copied. Returns 0, -ENOMEM or -ENAMETOOLONG. */
int s3_send(struct s3 *s3, const struct s3_request *request, s3_done *done, void *context,
	    struct s3_call **ret_call);
/** Give up: done is not called. NULL is fine. */
void s3_cancel(struct s3_call *call);

/** Append @text percent-encoded, as SigV4 wants it, but for the characters in @keep. Returns
 *  false when it does not fit; what is in @to then ends in a NUL too. */
bool s3_encode(char *to, size_t size, const char *text, const char *keep);

/** The URL of a request. Returns 0 or -ENAMETOOLONG. */
int s3_url(const struct s3_settings *settings, const struct s3_request *request,
	   char ret_url[S3_URL_MAX]);

#endif
