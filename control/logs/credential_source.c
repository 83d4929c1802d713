/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/logs/credential_source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>

#define CONTAINER_HOST "http://169.254.170.2"
#define INSTANCE_HOST "http://169.254.169.254"
#define INSTANCE_TOKEN_TTL "21600" /* seconds; the most that EC2 gives */
#define SPARE_S 30		   /* left before the end, a request can still arrive in time */
#define REFRESH_PAUSE_MS 10000	   /* between refreshes that fail while the old keys are good */
#define URL_MAX 2048
#define TOKEN_MAX 4096 /* of a metadata endpoint */

struct credential_source {
	struct http *http;
	const struct s3_settings *settings;
	uv_timer_t timer; /* begins a fetch outside of the caller */
	struct credential_waiter *waiters;
	struct http_call *call;
	struct credentials current, next; /* next: being fetched */
	bool has_current, fetching;
	uint64_t refresh_after_ms;	 /* loop time */
	enum s3_credentials_source kind; /* being tried */
	char instance_token[TOKEN_MAX];
};

static void try_kind(struct credential_source *source);

/* --- the end of a fetch --------------------------------------------------------- */

static void finish(struct credential_source *source, int r, const char *error)
{
	const struct credentials *current = NULL;
	struct credential_waiter *waiter;

	source->fetching = false;
	if (r == 0) {
		source->current = source->next;
		source->has_current = true;
		current = &source->current;
	} else {
		source->refresh_after_ms = uv_now(source->timer.loop) + REFRESH_PAUSE_MS;
	}
	while ((waiter = source->waiters) != NULL) {
		DL_DELETE(source->waiters, waiter);
		waiter->waits = false;
		waiter->done(waiter->context, current, error);
	}
}

/* In the order of AUTO, one that is not there (-ENOENT) leaves it to the next. */
static void end_try(struct credential_source *source, int r, const char *error)
{
	static const char *const names[] = {
		[S3_CREDENTIALS_ENVIRONMENT] = "environment",
		[S3_CREDENTIALS_FILE] = "file",
		[S3_CREDENTIALS_CONTAINER] = "container",
		[S3_CREDENTIALS_INSTANCE] = "instance metadata",
	};
	char text[CREDENTIALS_ERROR_MAX + 64];

	if (r == -ENOENT && source->settings->credentials == S3_CREDENTIALS_AUTO &&
	    source->kind != S3_CREDENTIALS_INSTANCE) {
		source->kind++;
		try_kind(source);
		return;
	}
	snprintf(text, sizeof(text), "credentials of %s: %s", names[source->kind], error);
	finish(source, r, text);
}

/* --- environment and file ------------------------------------------------------- */

static int read_file(const char *path, char *text, size_t size, size_t *ret_len)
{
	size_t len = 0;
	ssize_t n = 1;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	while (n > 0 && len < size) {
		n = read(fd, text + len, size - len);
		if (n > 0)
			len += (size_t)n;
	}
	*ret_len = len;
	close(fd);
	if (n < 0)
		return -EIO;
	return len == size ? -EFBIG : 0;
}

static void try_environment(struct credential_source *source)
{
	char error[CREDENTIALS_ERROR_MAX] = "AWS_ACCESS_KEY_ID is not set";
	const char *access_key = getenv("AWS_ACCESS_KEY_ID");
	int r = -ENOENT;

	if (access_key != NULL && access_key[0] != '\0')
		r = credentials_set(access_key, getenv("AWS_SECRET_ACCESS_KEY"),
				    getenv("AWS_SESSION_TOKEN"), &source->next, error);
	end_try(source, r, error);
}

static void try_file(struct credential_source *source)
{
	const char *path = source->settings->credentials_file;
	char detail[CREDENTIALS_ERROR_MAX], error[CREDENTIALS_ERROR_MAX] = "no file is named";
	char *text = NULL;
	size_t len = 0;
	int r = -ENOENT;

	if (path[0] != '\0') {
		text = malloc(CREDENTIAL_FILE_MAX);
		r = text != NULL ? read_file(path, text, CREDENTIAL_FILE_MAX, &len) : -ENOMEM;
		if (r < 0)
			snprintf(detail, sizeof(detail), "%s", strerror(-r));
		else
			r = credentials_parse_file(text, len, source->settings->profile,
						   &source->next, detail);
		if (r < 0)
			snprintf(error, sizeof(error), "%.120s: %.120s", path, detail);
		if (r == -ENOENT) /* it was named: that is an error, and no reason to go on */
			r = -EBADMSG;
	}
	if (text != NULL)
		explicit_bzero(text, CREDENTIAL_FILE_MAX);
	free(text);
	end_try(source, r, error);
}

/* --- metadata endpoints ----------------------------------------------------------- */

/* Keep the end of a call, and say what was wrong with it. */
static int check_answer(struct credential_source *source, const struct http_answer *answer,
			char error[CREDENTIALS_ERROR_MAX])
{
	source->call = NULL;
	if (answer->error < 0)
		snprintf(error, CREDENTIALS_ERROR_MAX, "%s", answer->text);
	else if (answer->status != 200)
		snprintf(error, CREDENTIALS_ERROR_MAX, "the endpoint answered HTTP %ld",
			 answer->status);
	else
		return 0;
	return answer->error < 0 ? answer->error : -EACCES;
}

static void got_keys(void *context, const struct http_answer *answer)
{
	struct credential_source *source = context;
	char error[CREDENTIALS_ERROR_MAX] = "";
	int r = check_answer(source, answer, error);

	if (r == 0)
		r = credentials_parse_json(answer->body, answer->body_len, &source->next, error);
	end_try(source, r, error);
}

/* Takes @header over. */
static void ask(struct credential_source *source, const char *method, const char *url,
		struct curl_slist *header, http_done *done)
{
	const struct http_request request = {
		.method = method,
		.url = url,
		.headers = header,
		.timeout_ms = source->settings->timeout_s * 1000,
	};

	if (http_send(source->http, &request, done, source, &source->call) < 0)
		end_try(source, -ENOMEM, "out of memory");
}

static bool starts_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

/* The SDKs' rule: no plain HTTP to a host that is not this one or a metadata endpoint. */
static bool is_trusted_uri(const char *uri)
{
	static const char *const trusted[] = {
		"https://",	     "http://127.0.0.1:", "http://127.0.0.1/",
		"http://localhost:", "http://localhost/", "http://[::1]:",
		"http://[::1]/",     CONTAINER_HOST "/",  "http://169.254.170.23/"};

	for (size_t i = 0; i < sizeof(trusted) / sizeof(trusted[0]); i++) {
		if (starts_with(uri, trusted[i]))
			return true;
	}
	return false;
}

/* Returns 0 with *ret_header NULL when no token is configured. */
static int container_token(struct curl_slist **ret_header, char error[CREDENTIALS_ERROR_MAX])
{
	const char *path = getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
	const char *token = getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN");
	char text[TOKEN_MAX], header[TOKEN_MAX + 32];
	size_t len = 0;
	int r;

	*ret_header = NULL;
	if (path != NULL && path[0] != '\0') {
		r = read_file(path, text, sizeof(text) - 1, &len);
		if (r < 0) {
			snprintf(error, CREDENTIALS_ERROR_MAX, "%.128s: %s", path, strerror(-r));
			return -EBADMSG;
		}
		text[len] = '\0';
		token = text;
	}
	if (token == NULL || token[0] == '\0')
		return 0;
	snprintf(header, sizeof(header), "Authorization: %.*s", (int)strcspn(token, "\r\n"), token);
	*ret_header = curl_slist_append(NULL, header);
	return *ret_header != NULL ? 0 : -ENOMEM;
}

static void try_container(struct credential_source *source)
{
	const char *relative = getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
	const char *full = getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI");
	char url[URL_MAX], error[CREDENTIALS_ERROR_MAX] = "out of memory";
	struct curl_slist *header;
	int r;

	if (relative != NULL && relative[0] != '\0') {
		snprintf(url, sizeof(url), "%s%s", CONTAINER_HOST, relative);
	} else if (full != NULL && full[0] != '\0') {
		snprintf(url, sizeof(url), "%s", full);
	} else {
		end_try(source, -ENOENT, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is not set");
		return;
	}
	if (!is_trusted_uri(url)) {
		end_try(source, -EBADMSG,
			"AWS_CONTAINER_CREDENTIALS_FULL_URI must be https, or of this host");
		return;
	}
	r = container_token(&header, error);
	if (r < 0)
		end_try(source, r, error);
	else
		ask(source, "GET", url, header, got_keys);
}

/* IMDSv2: a token, then the name of the role, then its keys. */
static void ask_instance(struct credential_source *source, const char *method, const char *path,
			 http_done *done)
{
	const char *host = getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT");
	char url[URL_MAX], text[TOKEN_MAX + 64];
	struct curl_slist *header;
	size_t len;

	if (host == NULL || host[0] == '\0')
		host = INSTANCE_HOST;
	len = strlen(host);
	if (host[len - 1] == '/')
		len--;
	snprintf(url, sizeof(url), "%.*s/latest/%s", (int)len, host, path);
	if (strcmp(method, "PUT") == 0)
		snprintf(text, sizeof(text),
			 "X-aws-ec2-metadata-token-ttl-seconds: " INSTANCE_TOKEN_TTL);
	else
		snprintf(text, sizeof(text), "X-aws-ec2-metadata-token: %s",
			 source->instance_token);
	header = curl_slist_append(NULL, text);
	if (header == NULL)
		end_try(source, -ENOMEM, "out of memory");
	else
		ask(source, method, url, header, done);
}

static void got_role(void *context, const struct http_answer *answer)
{
	struct credential_source *source = context;
	char path[URL_MAX / 2], error[CREDENTIALS_ERROR_MAX] = "";
	size_t len = strcspn(answer->body, "\r\n");
	int r = check_answer(source, answer, error);

	if (r == 0 && (len == 0 || len > 256 || strcspn(answer->body, " /?#") < len)) {
		snprintf(error, sizeof(error), "the instance has no role");
		r = -EBADMSG;
	}
	if (r < 0) {
		end_try(source, r, error);
		return;
	}
	snprintf(path, sizeof(path), "meta-data/iam/security-credentials/%.*s", (int)len,
		 answer->body);
	ask_instance(source, "GET", path, got_keys);
}

static void got_instance_token(void *context, const struct http_answer *answer)
{
	struct credential_source *source = context;
	char error[CREDENTIALS_ERROR_MAX] = "";
	int r = check_answer(source, answer, error);

	if (r == 0 && (answer->body_len == 0 || answer->body_len >= TOKEN_MAX)) {
		snprintf(error, sizeof(error), "the token must have 1 to %d characters",
			 TOKEN_MAX - 1);
		r = -EBADMSG;
	}
	if (r < 0) {
		end_try(source, r, error);
		return;
	}
	snprintf(source->instance_token, TOKEN_MAX, "%.*s", (int)strcspn(answer->body, "\r\n"),
		 answer->body);
	ask_instance(source, "GET", "meta-data/iam/security-credentials/", got_role);
}

static void try_kind(struct credential_source *source)
{
	switch (source->kind) {
	case S3_CREDENTIALS_AUTO:
	case S3_CREDENTIALS_ENVIRONMENT:
		try_environment(source);
		break;
	case S3_CREDENTIALS_FILE:
		try_file(source);
		break;
	case S3_CREDENTIALS_CONTAINER:
		try_container(source);
		break;
	case S3_CREDENTIALS_INSTANCE:
		ask_instance(source, "PUT", "api/token", got_instance_token);
		break;
	}
}

static void begin(uv_timer_t *timer)
{
	struct credential_source *source = timer->data;

	source->kind = source->settings->credentials == S3_CREDENTIALS_AUTO
			       ? S3_CREDENTIALS_ENVIRONMENT
			       : source->settings->credentials;
	try_kind(source);
}

/* --- the callers' side -------------------------------------------------------------- */

static void fetch(struct credential_source *source)
{
	if (source->fetching)
		return;
	source->fetching = true;
	uv_timer_start(&source->timer, begin, 0, 0);
}

int credential_source_open(struct http *http, uv_loop_t *loop, const struct s3_settings *settings,
			   struct credential_source **ret_source)
{
	struct credential_source *source = calloc(1, sizeof(*source));

	if (source == NULL)
		return -ENOMEM;
	source->http = http;
	source->settings = settings;
	uv_timer_init(loop, &source->timer);
	source->timer.data = source;
	*ret_source = source;
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct credential_source *source = handle->data;

	explicit_bzero(source, sizeof(*source));
	free(source);
}

void credential_source_close(struct credential_source *source)
{
	if (source == NULL)
		return;
	http_cancel(source->call);
	uv_close((uv_handle_t *)&source->timer, on_closed);
}

const struct credentials *credential_source_get(struct credential_source *source)
{
	int64_t left_s = INT64_MAX;

	if (!source->has_current)
		return NULL;
	if (source->current.expires_s != 0)
		left_s = source->current.expires_s - (int64_t)time(NULL);
	if (left_s < SPARE_S)
		return NULL;
	if (left_s < CREDENTIAL_REFRESH_S && uv_now(source->timer.loop) >= source->refresh_after_ms)
		fetch(source);
	return &source->current;
}

void credential_source_wait(struct credential_source *source, struct credential_waiter *waiter)
{
	DL_APPEND(source->waiters, waiter);
	waiter->waits = true;
	fetch(source);
}

void credential_source_cancel(struct credential_source *source, struct credential_waiter *waiter)
{
	if (waiter->waits)
		DL_DELETE(source->waiters, waiter);
	waiter->waits = false;
}

void credential_source_refused(struct credential_source *source)
{
	source->has_current = false;
}
