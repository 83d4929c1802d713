/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * HTTP: requests of sluice-logs, many at once on one event loop.
 *
 * A server can cost a request its timeout and nothing else: answers are cut off
 * at HTTP_BODY_MAX, redirects are not followed, and a transfer that stands still
 * or never ends is given up. Proxies of the environment are not used.
 *
 * Threading: all in the thread of the loop.
 */
#ifndef SLUICE_HTTP_H
#define SLUICE_HTTP_H

#include "control/logs/credentials.h"

#include <curl/curl.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#define HTTP_BODY_MAX (1024 * 1024) /* bytes; a bucket's lifecycle of 1,000 rules is the largest */
#define HTTP_ETAG_MAX 128
#define HTTP_TOTAL_FACTOR 20 /* a transfer that moves, but slowly, ends after so many timeouts */

struct http;
struct http_call; /* one request on its way */

struct http_request {
	const char *method, *url;
	struct curl_slist *headers; /* taken over, also when the call fails */
	const void *body;	    /* borrowed until the answer; NULL: none */
	size_t body_len;
	const char *ca_file; /* PEM; "" or NULL: those of the system */
	uint32_t timeout_ms; /* to connect, and without a byte moving */
	/* SigV4, by libcurl: who signs, for which region; NULL: not signed */
	const struct credentials *signer;
	const char *region;
};

struct http_answer {
	int error;	  /* 0: there is a status; else -ETIMEDOUT, -EMSGSIZE, -EIO or so */
	const char *text; /* of the error; valid during the call */
	long status;
	const char *body; /* ends in a NUL that body_len does not count */
	size_t body_len;
	char etag[HTTP_ETAG_MAX]; /* as sent, with its quotes; "" for none */
	int64_t date_s;		  /* the server's clock, UNIX time; 0: it did not tell */
};

/** Called once, unless the call is cancelled; never from within http_send(). */
typedef void http_done(void *context, const struct http_answer *answer);

/** Returns 0 or -ENOMEM. The loop is borrowed. */
int http_open(uv_loop_t *loop, struct http **ret_http);
/** Cancels all calls. To be called before the loop's last run, which frees it; NULL is fine. */
void http_close(struct http *http);

/** Begin a request; everything but headers and body is copied. Returns 0 or -ENOMEM. */
int http_send(struct http *http, const struct http_request *request, http_done *done, void *context,
	      struct http_call **ret_call);
/** Give up: done is not called. The call is freed. NULL is fine. */
void http_cancel(struct http_call *call);

#endif
