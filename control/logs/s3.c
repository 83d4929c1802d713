/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/logs/s3.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <utlist.h>

#define HEADER_MAX (CREDENTIALS_TOKEN_MAX + 64)

struct s3 {
	struct s3_settings settings;
	struct http *http;
	struct credential_source *source;
	struct s3_call *calls;
};

struct s3_call {
	struct s3 *s3;
	struct credential_waiter waiter;
	struct http_call *http;
	const void *body;
	size_t body_len;
	bool makes_object, wants_md5;
	char method[8];
	char url[S3_URL_MAX];
	s3_done *done;
	void *context;
	struct s3_call *prev, *next;
};

/* --- addresses ---------------------------------------------------------------- */

bool s3_encode(char *to, size_t size, const char *text, const char *keep)
{
	size_t len = strlen(to);

	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			     (c >= '0' && c <= '9') || strchr("-._~", c) != NULL ||
			     strchr(keep, c) != NULL;

		if (len + (plain ? 1 : 3) >= size)
			return false;
		len += (size_t)sprintf(to + len, plain ? "%c" : "%%%02X", c);
	}
	return true;
}

static bool append(char *to, size_t size, const char *text)
{
	size_t len = strlen(to), added = strlen(text);

	if (len + added >= size)
		return false;
	memcpy(to + len, text, added + 1);
	return true;
}

/* The endpoint with the bucket in it, in either style. */
static bool put_bucket(const struct s3_settings *settings, const char *bucket, char *url)
{
	char standard[S3_REGION_MAX + 64];
	const char *endpoint = settings->endpoint, *host;

	if (endpoint[0] == '\0') {
		snprintf(standard, sizeof(standard), "https://s3.%s.amazonaws.com",
			 settings->region);
		endpoint = standard;
	}
	host = strstr(endpoint, "://");
	if (!settings->path_style && host != NULL) {
		host += strlen("://");
		snprintf(url, S3_URL_MAX, "%.*s", (int)(host - endpoint), endpoint);
		return s3_encode(url, S3_URL_MAX, bucket, "") && append(url, S3_URL_MAX, ".") &&
		       append(url, S3_URL_MAX, host) && append(url, S3_URL_MAX, "/");
	}
	return append(url, S3_URL_MAX, endpoint) && append(url, S3_URL_MAX, "/") &&
	       s3_encode(url, S3_URL_MAX, bucket, "");
}

int s3_url(const struct s3_settings *settings, const struct s3_request *request,
	   char ret_url[S3_URL_MAX])
{
	bool fits;

	ret_url[0] = '\0';
	fits = put_bucket(settings, request->bucket, ret_url);
	if (request->key != NULL) {
		if (settings->path_style)
			fits = fits && append(ret_url, S3_URL_MAX, "/");
		fits = fits && s3_encode(ret_url, S3_URL_MAX, request->key, "/");
	}
	if (request->query != NULL)
		fits = fits && append(ret_url, S3_URL_MAX, "?") &&
		       append(ret_url, S3_URL_MAX, request->query);
	return fits ? 0 : -ENAMETOOLONG;
}

/* --- headers --------------------------------------------------------------------- */

struct headers {
	struct curl_slist *list;
	bool failed;
};

static void add(struct headers *headers, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void add(struct headers *headers, const char *format, ...)
{
	char text[HEADER_MAX];
	struct curl_slist *list;
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	list = curl_slist_append(headers->list, text);
	if (list == NULL)
		headers->failed = true;
	else
		headers->list = list;
}

static void add_digest(struct headers *headers, const struct s3_call *call)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	char text[2 * EVP_MAX_MD_SIZE + 1];
	unsigned int len = 0;

	if (!EVP_Digest(call->body, call->body_len, digest, &len, EVP_sha256(), NULL))
		headers->failed = true;
	for (unsigned int i = 0; i < len; i++)
		snprintf(text + 2 * i, 3, "%02x", digest[i]);
	add(headers, "x-amz-content-sha256: %s", text);
	if (!call->wants_md5)
		return;
	if (!EVP_Digest(call->body, call->body_len, digest, &len, EVP_md5(), NULL))
		headers->failed = true;
	EVP_EncodeBlock((unsigned char *)text, digest, (int)len);
	add(headers, "Content-MD5: %s", text);
}

static void add_object(struct headers *headers, const struct s3_settings *settings)
{
	add(headers, "x-amz-acl: bucket-owner-full-control");
	if (settings->encryption == S3_ENCRYPTION_AES256)
		add(headers, "x-amz-server-side-encryption: AES256");
	if (settings->encryption != S3_ENCRYPTION_KMS)
		return;
	add(headers, "x-amz-server-side-encryption: aws:kms");
	if (settings->kms_key_id[0] != '\0')
		add(headers, "x-amz-server-side-encryption-aws-kms-key-id: %s",
		    settings->kms_key_id);
}

/* libcurl signs every header given here. Never an empty "Expect:", which is signed but not sent,
 * nor an X-Amz-Date, which is sent twice: 7.88 does so. */
static struct headers make_headers(const struct s3_call *call,
				   const struct credentials *credentials)
{
	struct headers headers = {NULL, false};

	add_digest(&headers, call);
	if (credentials->token[0] != '\0')
		add(&headers, "x-amz-security-token: %s", credentials->token);
	if (call->makes_object)
		add_object(&headers, &call->s3->settings);
	if (call->makes_object)
		add(&headers, "Content-Type: application/octet-stream");
	else if (call->body != NULL)
		add(&headers, "Content-Type: application/xml");
	return headers;
}

/* --- results ----------------------------------------------------------------------- */

static void free_call(struct s3_call *call)
{
	DL_DELETE(call->s3->calls, call);
	free(call);
}

/* done() may close the whole client. */
static void finish(struct s3_call *call, const struct s3_result *result)
{
	s3_done *done = call->done;
	void *context = call->context;

	free_call(call);
	done(context, result);
}

static int error_of(long status, const char *code)
{
	if (status / 100 == 2)
		return 0;
	if (status == 403)
		return -EACCES;
	if (status == 404)
		return -ENOENT;
	if (status == 501)
		return -EOPNOTSUPP;
	if (status >= 500 || status == 429 || strcmp(code, "SlowDown") == 0 ||
	    strcmp(code, "RequestTimeout") == 0)
		return -EAGAIN;
	return -EPROTO;
}

/* Signatures hold a time, so a wrong clock looks like a wrong key: tell them apart. */
static void explain(const struct http_answer *answer, const char *code, char text[S3_TEXT_MAX])
{
	size_t len = strlen(text);

	if (strcmp(code, "RequestTimeTooSkewed") == 0 && answer->date_s != 0)
		snprintf(text + len, S3_TEXT_MAX - len,
			 " (the server's clock is %+lld s from ours: set one of them right)",
			 (long long)(answer->date_s - (int64_t)time(NULL)));
}

static void answered(void *context, const struct http_answer *answer)
{
	struct s3_call *call = context;
	char code[S3_CODE_MAX] = "", message[S3_MESSAGE_MAX] = "", text[S3_TEXT_MAX];
	struct s3_result result = {
		.error = answer->error,
		.text = text,
		.code = code,
		.body = answer->body,
		.body_len = answer->body_len,
		.etag = answer->etag,
	};

	snprintf(text, sizeof(text), "%s", answer->error != 0 ? answer->text : "");
	if (answer->error == 0 && answer->status / 100 != 2) {
		s3_xml_error(answer->body, answer->body_len, code, message);
		snprintf(text, sizeof(text), "HTTP %ld%s%s%s%s", answer->status,
			 code[0] != '\0' ? " " : "", code, message[0] != '\0' ? ": " : "", message);
		result.error = error_of(answer->status, code);
		explain(answer, code, text);
		if (answer->status == 403)
			credential_source_refused(call->s3->source);
	}
	finish(call, &result);
}

static void fail(struct s3_call *call, int r, const char *text)
{
	const struct s3_result result = {
		.error = r,
		.text = text,
		.code = "",
		.body = "",
		.etag = "",
	};

	finish(call, &result);
}

/* --- calls --------------------------------------------------------------------------- */

/* Takes a call whose waiting is over to the server. Returns 0 or -ENOMEM. */
static int begin(struct s3_call *call, const struct credentials *credentials)
{
	const struct s3_settings *settings = &call->s3->settings;
	struct headers headers = make_headers(call, credentials);
	const struct http_request request = {
		.method = call->method,
		.url = call->url,
		.headers = headers.list,
		.body = call->body,
		.body_len = call->body_len,
		.ca_file = settings->ca_file,
		.timeout_ms = settings->timeout_s * 1000,
		.signer = credentials,
		.region = settings->region,
	};

	if (headers.failed) {
		curl_slist_free_all(headers.list);
		return -ENOMEM;
	}
	return http_send(call->s3->http, &request, answered, call, &call->http);
}

static void got_credentials(void *context, const struct credentials *credentials, const char *error)
{
	struct s3_call *call = context;

	if (credentials == NULL)
		fail(call, -EACCES, error);
	else if (begin(call, credentials) < 0)
		fail(call, -ENOMEM, "out of memory");
}

int s3_send(struct s3 *s3, const struct s3_request *request, s3_done *done, void *context,
	    struct s3_call **ret_call)
{
	const struct credentials *credentials;
	struct s3_call *call = calloc(1, sizeof(*call));
	int r = 0;

	if (call == NULL)
		return -ENOMEM;
	*call = (struct s3_call){
		.s3 = s3,
		.waiter = {.done = got_credentials, .context = call},
		.body = request->body,
		.body_len = request->body_len,
		.makes_object = request->makes_object,
		.wants_md5 = request->wants_md5,
		.done = done,
		.context = context,
	};
	DL_APPEND(s3->calls, call);
	snprintf(call->method, sizeof(call->method), "%s", request->method);
	r = s3_url(&s3->settings, request, call->url);
	if (r < 0)
		goto fail;
	credentials = credential_source_get(s3->source);
	if (credentials == NULL)
		credential_source_wait(s3->source, &call->waiter);
	else
		r = begin(call, credentials);
	if (r < 0)
		goto fail;
	*ret_call = call;
	return 0;
fail:
	free_call(call);
	return r;
}

void s3_cancel(struct s3_call *call)
{
	if (call == NULL)
		return;
	credential_source_cancel(call->s3->source, &call->waiter);
	http_cancel(call->http);
	free_call(call);
}

int s3_open(uv_loop_t *loop, const struct s3_settings *settings, struct s3 **ret_s3)
{
	struct s3 *s3 = calloc(1, sizeof(*s3));
	int r;

	if (s3 == NULL)
		return -ENOMEM;
	s3->settings = *settings;
	r = http_open(loop, &s3->http);
	if (r == 0)
		r = credential_source_open(s3->http, loop, &s3->settings, &s3->source);
	if (r < 0) {
		s3_close(s3);
		return r;
	}
	*ret_s3 = s3;
	return 0;
}

void s3_close(struct s3 *s3)
{
	if (s3 == NULL)
		return;
	while (s3->calls != NULL)
		s3_cancel(s3->calls);
	credential_source_close(s3->source);
	http_close(s3->http);
	free(s3);
}
