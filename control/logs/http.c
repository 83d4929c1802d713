/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/logs/http.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define STALLED_BYTES_PER_S 1 /* fewer than this over the timeout: the transfer stands still */

struct http_call {
	struct http *http;
	CURL *easy;
	struct curl_slist *headers;
	const char *body;
	size_t body_len, body_sent;
	char *answer;
	size_t answer_len;
	char error[CURL_ERROR_SIZE];
	http_done *done;
	void *context;
	struct http_call *prev, *next;
};

/* A socket of libcurl's, watched. */
struct watch {
	uv_poll_t poll;
	struct http *http;
	curl_socket_t fd;
};

struct http {
	CURLM *multi;
	uv_timer_t timer;
	struct http_call *calls;
	bool dispatching, closing; /* closed from within a done() */
};

/* --- the loop -------------------------------------------------------------- */

static int error_of(CURLcode code)
{
	switch (code) {
	case CURLE_OK:
		return 0;
	case CURLE_OPERATION_TIMEDOUT:
		return -ETIMEDOUT;
	case CURLE_COULDNT_CONNECT:
		return -ECONNREFUSED;
	case CURLE_WRITE_ERROR: /* take_body() refused more */
		return -EMSGSIZE;
	case CURLE_OUT_OF_MEMORY:
		return -ENOMEM;
	default:
		return -EIO;
	}
}

static void free_call(struct http_call *call)
{
	if (call->easy != NULL)
		curl_easy_cleanup(call->easy);
	curl_slist_free_all(call->headers);
	free(call->answer);
	free(call);
}

static void read_headers(CURL *easy, struct http_answer *answer)
{
	struct curl_header *header;

	if (curl_easy_header(easy, "ETag", 0, CURLH_HEADER, -1, &header) == CURLHE_OK)
		snprintf(answer->etag, sizeof(answer->etag), "%s", header->value);
	if (curl_easy_header(easy, "Date", 0, CURLH_HEADER, -1, &header) == CURLHE_OK) {
		answer->date_s = curl_getdate(header->value, NULL);
		if (answer->date_s < 0)
			answer->date_s = 0;
	}
}

static void finish(struct http_call *call, CURLcode code)
{
	struct http_answer answer = {
		.error = error_of(code),
		.text = call->error[0] != '\0' ? call->error : curl_easy_strerror(code),
		.body = call->answer != NULL ? call->answer : "",
		.body_len = call->answer_len,
	};

	curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &answer.status);
	if (code == CURLE_OK)
		read_headers(call->easy, &answer);
	curl_multi_remove_handle(call->http->multi, call->easy);
	DL_DELETE(call->http->calls, call);
	call->done(call->context, &answer);
	free_call(call);
}

static void on_http_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void release(struct http *http)
{
	curl_multi_cleanup(http->multi);
	uv_close((uv_handle_t *)&http->timer, on_http_closed);
}

static void finish_done(struct http *http)
{
	struct http_call *call;
	CURLMsg *message;
	int left;

	http->dispatching = true;
	while (!http->closing && (message = curl_multi_info_read(http->multi, &left)) != NULL) {
		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &call);
		finish(call, message->data.result);
	}
	http->dispatching = false;
	if (http->closing)
		release(http);
}

static void on_socket(uv_poll_t *poll, int status, int events)
{
	struct watch *watch = poll->data;
	struct http *http = watch->http;
	int action = 0, running;

	if (status < 0)
		action = CURL_CSELECT_ERR;
	if (events & UV_READABLE)
		action |= CURL_CSELECT_IN;
	if (events & UV_WRITABLE)
		action |= CURL_CSELECT_OUT;
	curl_multi_socket_action(http->multi, watch->fd, action, &running);
	finish_done(http);
}

static void on_timer(uv_timer_t *timer)
{
	struct http *http = timer->data;
	int running;

	curl_multi_socket_action(http->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	finish_done(http);
}

static int set_timer(CURLM *multi, long timeout_ms, void *context)
{
	struct http *http = context;

	(void)multi;
	if (timeout_ms < 0)
		return uv_timer_stop(&http->timer);
	return uv_timer_start(&http->timer, on_timer, (uint64_t)timeout_ms, 0);
}

static void on_watch_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static struct watch *watch_new(struct http *http, curl_socket_t fd)
{
	struct watch *watch = calloc(1, sizeof(*watch));

	if (watch == NULL)
		return NULL;
	watch->http = http;
	watch->fd = fd;
	if (uv_poll_init_socket(http->timer.loop, &watch->poll, fd) < 0) {
		free(watch);
		return NULL;
	}
	watch->poll.data = watch;
	curl_multi_assign(http->multi, fd, watch);
	return watch;
}

static int set_events(CURL *easy, curl_socket_t fd, int what, void *context, void *socket_context)
{
	struct watch *watch = socket_context;
	int events = 0;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (watch != NULL)
			uv_close((uv_handle_t *)&watch->poll, on_watch_closed);
		return 0;
	}
	if (watch == NULL)
		watch = watch_new(context, fd);
	if (watch == NULL)
		return -1; /* fails the transfer */
	if (what & CURL_POLL_IN)
		events |= UV_READABLE;
	if (what & CURL_POLL_OUT)
		events |= UV_WRITABLE;
	return uv_poll_start(&watch->poll, events, on_socket);
}

int http_open(uv_loop_t *loop, struct http **ret_http)
{
	struct http *http = calloc(1, sizeof(*http));

	if (http == NULL)
		return -ENOMEM;
	http->multi = curl_multi_init();
	if (http->multi == NULL) {
		free(http);
		return -ENOMEM;
	}
	uv_timer_init(loop, &http->timer);
	http->timer.data = http;
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, set_events);
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, set_timer);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
	*ret_http = http;
	return 0;
}

void http_close(struct http *http)
{
	if (http == NULL)
		return;
	while (http->calls != NULL)
		http_cancel(http->calls);
	http->closing = true;
	if (!http->dispatching)
		release(http);
}

/* --- one call -------------------------------------------------------------- */

static size_t give_body(char *to, size_t size, size_t n, void *context)
{
	struct http_call *call = context;
	size_t len = call->body_len - call->body_sent;

	if (len > size * n)
		len = size * n;
	memcpy(to, call->body + call->body_sent, len);
	call->body_sent += len;
	return len;
}

/* libcurl sends again what a connection lost that had gone stale in its cache. */
static int seek_body(void *context, curl_off_t offset, int origin)
{
	struct http_call *call = context;

	if (origin != SEEK_SET || offset < 0 || (size_t)offset > call->body_len)
		return CURL_SEEKFUNC_CANTSEEK;
	call->body_sent = (size_t)offset;
	return CURL_SEEKFUNC_OK;
}

static size_t take_body(char *from, size_t size, size_t n, void *context)
{
	struct http_call *call = context;
	size_t len = size * n;
	char *grown;

	if (call->answer_len + len > HTTP_BODY_MAX)
		return 0;
	grown = realloc(call->answer, call->answer_len + len + 1);
	if (grown == NULL)
		return 0;
	memcpy(grown + call->answer_len, from, len);
	call->answer = grown;
	call->answer_len += len;
	grown[call->answer_len] = '\0';
	return len;
}

static void set_method(struct http_call *call, const struct http_request *request)
{
	CURL *easy = call->easy;

	if (strcmp(request->method, "PUT") == 0) {
		curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(easy, CURLOPT_READFUNCTION, give_body);
		curl_easy_setopt(easy, CURLOPT_READDATA, call);
		curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, seek_body);
		curl_easy_setopt(easy, CURLOPT_SEEKDATA, call);
		curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)request->body_len);
	} else if (strcmp(request->method, "POST") == 0) {
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_len);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS,
				 request->body != NULL ? request->body : "");
	} else {
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
	}
}

static void set_limits(CURL *easy, const struct http_request *request)
{
	uint32_t timeout_s = (request->timeout_ms + 999) / 1000;

	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)request->timeout_ms);
	curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, (long)STALLED_BYTES_PER_S);
	curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)timeout_s);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms * HTTP_TOTAL_FACTOR);
}

static int set_signer(CURL *easy, const struct http_request *request)
{
	char provider[128];

	if (request->signer == NULL)
		return 0;
	snprintf(provider, sizeof(provider), "aws:amz:%s:s3", request->region);
	/* as two options: an access key may contain a colon */
	if (curl_easy_setopt(easy, CURLOPT_AWS_SIGV4, provider) != CURLE_OK ||
	    curl_easy_setopt(easy, CURLOPT_USERNAME, request->signer->access_key) != CURLE_OK ||
	    curl_easy_setopt(easy, CURLOPT_PASSWORD, request->signer->secret_key) != CURLE_OK)
		return -ENOMEM;
	return 0;
}

int http_send(struct http *http, const struct http_request *request, http_done *done, void *context,
	      struct http_call **ret_call)
{
	struct http_call *call = calloc(1, sizeof(*call));

	if (call == NULL) {
		curl_slist_free_all(request->headers);
		return -ENOMEM;
	}
	*call = (struct http_call){
		.http = http,
		.easy = curl_easy_init(),
		.headers = request->headers,
		.body = request->body,
		.body_len = request->body_len,
		.done = done,
		.context = context,
	};
	if (call->easy == NULL)
		goto fail;
	curl_easy_setopt(call->easy, CURLOPT_PRIVATE, call);
	curl_easy_setopt(call->easy, CURLOPT_ERRORBUFFER, call->error);
	curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, call->headers);
	curl_easy_setopt(call->easy, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(call->easy, CURLOPT_WRITEDATA, call);
	if (request->ca_file != NULL && request->ca_file[0] != '\0')
		curl_easy_setopt(call->easy, CURLOPT_CAINFO, request->ca_file);
	set_limits(call->easy, request);
	set_method(call, request);
	if (curl_easy_setopt(call->easy, CURLOPT_URL, request->url) != CURLE_OK ||
	    set_signer(call->easy, request) < 0 ||
	    curl_multi_add_handle(http->multi, call->easy) != CURLM_OK)
		goto fail;
	DL_APPEND(http->calls, call);
	if (ret_call != NULL)
		*ret_call = call;
	return 0;
fail:
	free_call(call);
	return -ENOMEM;
}

void http_cancel(struct http_call *call)
{
	if (call == NULL)
		return;
	curl_multi_remove_handle(call->http->multi, call->easy);
	DL_DELETE(call->http->calls, call);
	free_call(call);
}
