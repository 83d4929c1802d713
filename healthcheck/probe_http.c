/* SPDX-License-Identifier: BSD-3-Clause */
#include "healthcheck/probe_internal.h"

#include "healthcheck/endpoint.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define USER_AGENT "ELB-HealthChecker/2.0"
#define HEADER_MAX (sizeof("Host: ") + MESSAGES_HOST_MAX)
#define READ_BUFFER_BYTES 1024L /* the least; each probe under way has one */
#define STATUS_FINAL_MIN 200	/* below: interim responses, RFC 9110 section 15.2 */

/* --- the response ------------------------------------------------------------------------ */

static size_t on_header(char *line, size_t size, size_t n, void *context)
{
	struct probe *probe = context;
	long status = 0;

	(void)size; /* always 1 */
	if (line[0] != '\r' && line[0] != '\n')
		return n;
	curl_easy_getinfo(probe->easy, CURLINFO_RESPONSE_CODE, &status);
	probe->head_complete = status >= STATUS_FINAL_MIN;
	return probe->head_complete ? 0 : n; /* 0 ends the transfer: that was all we need */
}

static size_t on_body(char *bytes, size_t size, size_t n, void *context)
{
	(void)bytes;
	(void)size;
	(void)n;
	(void)context;
	return 0; /* comes only after a status that libcurl, unlike us, takes for final */
}

static bool matches(const struct probe_put *put, long status)
{
	unsigned int i;

	for (i = 0; i < put->n_ranges; i++) {
		if (status >= put->ranges[i].first && status <= put->ranges[i].last)
			return true;
	}
	return false;
}

/* libcurl has limits of its own, but calls it a lack of memory when a line reaches them. */
static bool has_read_too_much(const struct probe *probe)
{
	return !probe->head_complete && endpoint_bytes_read(probe->fd) > PROBE_READ_MAX;
}

/* The result of a transfer that ended before the head was complete. */
static enum probe_result failure_of(const struct probe *probe, CURLcode code, long error)
{
	if (has_read_too_much(probe))
		return PROBE_RESPONSE;
	switch (code) {
	case CURLE_OK: /* it closed within the head */
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE:
		return PROBE_CLOSED;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CIPHER:
		return PROBE_TLS;
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_COULDNT_CONNECT:
		return error != 0 ? endpoint_result((int)error) : PROBE_RESET;
	case CURLE_OUT_OF_MEMORY:
		return PROBE_NO_MEMORY;
	default: /* libcurl has many names for what it cannot read */
		return endpoint_bytes_read(probe->fd) > 0 ? PROBE_RESPONSE : PROBE_INTERNAL;
	}
}

static void on_done(struct probe *probe, CURLcode code)
{
	long status = 0, error = 0;

	curl_easy_getinfo(probe->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(probe->easy, CURLINFO_OS_ERRNO, &error);
	if (probe->head_complete)
		probe_finish(probe, matches(probe->put, status) ? PROBE_OK : PROBE_STATUS, 0,
			     (unsigned int)status);
	else
		probe_finish(probe, failure_of(probe, code, error), (int)error, 0);
}

/* --- libcurl on the loop ------------------------------------------------------------------ */

static void finish_done(struct probe_pool *pool)
{
	const CURLMsg *message;
	char *probe;
	int left;

	while ((message = curl_multi_info_read(pool->multi, &left)) != NULL) {
		if (message->msg == CURLMSG_DONE &&
		    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &probe) == CURLE_OK)
			on_done((struct probe *)probe, message->data.result);
	}
}

static void on_socket_event(uv_poll_t *poll, int status, int events)
{
	struct probe *probe = poll->data;
	struct probe_pool *pool = probe->pool;
	int running, action = 0;

	if (events & UV_READABLE)
		action |= CURL_CSELECT_IN;
	if (events & UV_WRITABLE)
		action |= CURL_CSELECT_OUT;
	if (status < 0)
		action = CURL_CSELECT_ERR;
	curl_multi_socket_action(pool->multi, probe->fd, action, &running);
	if ((events & UV_READABLE) && has_read_too_much(probe))
		probe_finish(probe, PROBE_RESPONSE, 0, 0);
	finish_done(pool);
}

static void on_timer(uv_timer_t *timer)
{
	struct probe_pool *pool = timer->data;
	int running;

	curl_multi_socket_action(pool->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	finish_done(pool);
}

static int set_timer(CURLM *multi, long timeout_ms, void *context)
{
	struct probe_pool *pool = context;

	(void)multi;
	if (timeout_ms < 0)
		return uv_timer_stop(&pool->timer);
	return uv_timer_start(&pool->timer, on_timer, (uint64_t)timeout_ms, 0);
}

static int set_events(CURL *easy, curl_socket_t fd, int what, void *context, void *assigned)
{
	struct probe_pool *pool = context;
	struct probe *probe = assigned;
	char *owner = NULL;

	if (probe == NULL) { /* the first call for this socket */
		curl_easy_getinfo(easy, CURLINFO_PRIVATE, &owner);
		probe = (struct probe *)owner;
		curl_multi_assign(pool->multi, fd, probe);
	}
	switch (what) {
	case CURL_POLL_IN:
		return probe_wait(probe, UV_READABLE, on_socket_event);
	case CURL_POLL_OUT:
		return probe_wait(probe, UV_WRITABLE, on_socket_event);
	case CURL_POLL_INOUT:
		return probe_wait(probe, UV_READABLE | UV_WRITABLE, on_socket_event);
	default:
		return probe_wait(probe, 0, NULL);
	}
}

/* --- the request -------------------------------------------------------------------------- */

static curl_socket_t give_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct probe *probe = context;

	(void)purpose;
	(void)address;
	if (probe->opened)
		return CURL_SOCKET_BAD; /* there is but one connection to a probe */
	probe->opened = true;
	return probe->fd;
}

static int tell_connected(void *context, curl_socket_t fd, curlsocktype purpose)
{
	(void)context;
	(void)fd;
	(void)purpose;
	return CURL_SOCKOPT_ALREADY_CONNECTED;
}

static int keep_socket(void *context, curl_socket_t fd)
{
	(void)context;
	(void)fd;
	return 0; /* the probe closes it */
}

/* Wants `easy` and `code`, which keeps the first error. */
#define SET(option, value) code = code != CURLE_OK ? code : curl_easy_setopt(easy, option, value)

/* What is the same for every probe. */
static CURL *make_easy(void)
{
	CURL *easy = curl_easy_init();
	CURLcode code = CURLE_OK;

	if (easy == NULL)
		return NULL;
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_PROXY, ""); /* whatever the environment says */
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_USERAGENT, USER_AGENT);
	SET(CURLOPT_BUFFERSIZE, READ_BUFFER_BYTES);
	SET(CURLOPT_FRESH_CONNECT, 1L);
	SET(CURLOPT_FORBID_REUSE, 1L);
	SET(CURLOPT_OPENSOCKETFUNCTION, give_socket);
	SET(CURLOPT_SOCKOPTFUNCTION, tell_connected);
	SET(CURLOPT_CLOSESOCKETFUNCTION, keep_socket);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_WRITEFUNCTION, on_body);
	/* NLB verifies no certificate; so weak keys and old signatures are no reason either */
	SET(CURLOPT_SSL_VERIFYPEER, 0L);
	SET(CURLOPT_SSL_VERIFYHOST, 0L);
	SET(CURLOPT_CAINFO, NULL);
	SET(CURLOPT_CAPATH, NULL);
	SET(CURLOPT_SSL_CIPHER_LIST, "DEFAULT:@SECLEVEL=0");
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2); /* or later */
	SET(CURLOPT_SSL_SESSIONID_CACHE, 0L);
	if (code == CURLE_OK)
		return easy;
	curl_easy_cleanup(easy);
	return NULL;
}

static bool add_header(struct curl_slist **headers, const char *line)
{
	struct curl_slist *longer = curl_slist_append(*headers, line);

	if (longer != NULL)
		*headers = longer;
	return longer != NULL;
}

/* What is this probe's own. */
static bool set_request(struct probe *probe)
{
	const struct probe_put *put = probe->put;
	char host[HEADER_MAX];
	CURL *easy = probe->easy;
	CURLcode code = CURLE_OK;

	snprintf(host, sizeof(host), "Host: %s", put->host);
	if (!add_header(&probe->headers, host) || !add_header(&probe->headers, "Connection: close"))
		return false;
	/* The socket is connected, so any address will do; and libcurl walks through all that it
	   remembers when it meets a new one. As a number, it is not sent as TLS server name. */
	SET(CURLOPT_URL, put->protocol == PROBE_HTTPS ? "https://127.0.0.1/" : "http://127.0.0.1/");
	SET(CURLOPT_REQUEST_TARGET, put->path); /* as it is: URLs are tidied up */
	SET(CURLOPT_HTTPHEADER, probe->headers);
	SET(CURLOPT_OPENSOCKETDATA, probe);
	SET(CURLOPT_HEADERDATA, probe);
	SET(CURLOPT_PRIVATE, probe);
	return code == CURLE_OK && curl_multi_add_handle(probe->pool->multi, easy) == CURLM_OK;
}

void probe_http_start(struct probe *probe)
{
	struct probe_pool *pool = probe->pool;

	probe_wait(probe, 0, NULL); /* libcurl says what to wait for */
	probe->easy = pool->n_idle > 0 ? pool->idle[--pool->n_idle] : make_easy();
	if (probe->easy == NULL || !set_request(probe))
		probe_finish(probe, PROBE_NO_MEMORY, ENOMEM, 0);
}

void probe_http_stop(struct probe *probe)
{
	struct probe_pool *pool = probe->pool;

	if (probe->easy != NULL) {
		curl_multi_remove_handle(pool->multi, probe->easy);
		curl_easy_setopt(probe->easy, CURLOPT_HTTPHEADER, NULL);
		if (pool->n_idle < PROBE_IDLE_MAX)
			pool->idle[pool->n_idle++] = probe->easy;
		else
			curl_easy_cleanup(probe->easy);
		probe->easy = NULL;
	}
	curl_slist_free_all(probe->headers);
	probe->headers = NULL;
}

/* --- the pool ----------------------------------------------------------------------------- */

int probe_http_open(struct probe_pool *pool)
{
	pool->multi = curl_multi_init();
	if (pool->multi == NULL)
		return -ENOMEM;
	curl_multi_setopt(pool->multi, CURLMOPT_SOCKETFUNCTION, set_events);
	curl_multi_setopt(pool->multi, CURLMOPT_SOCKETDATA, pool);
	curl_multi_setopt(pool->multi, CURLMOPT_TIMERFUNCTION, set_timer);
	curl_multi_setopt(pool->multi, CURLMOPT_TIMERDATA, pool);
	uv_timer_init(pool->loop, &pool->timer);
	pool->timer.data = pool;
	return 0;
}

void probe_http_close(struct probe_pool *pool)
{
	while (pool->n_idle > 0)
		curl_easy_cleanup(pool->idle[--pool->n_idle]);
	curl_multi_cleanup(pool->multi);
}
