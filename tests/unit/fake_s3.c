/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An HTTP server in the loop of a test, for tests that include this file. It
 * keeps each request, and a function of the test answers it, or lets it hang.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <uv.h>

#include <cmocka.h>

#define FAKE_REQUESTS_MAX 64
#define FAKE_HEAD_MAX 16384
#define FAKE_DEADLINE_MS 20000

struct fake_request {
	char head[FAKE_HEAD_MAX]; /* request line and headers */
	char line[2048];	  /* "PUT /bucket/key" */
	char *body;
	size_t body_len;
};

struct fake_answer {
	int status; /* 0: no answer ever; -1: close the connection; -2: a body without end */
	const char *headers, *body;
};

struct fake_s3 {
	uv_loop_t *loop;
	uv_tcp_t listener;
	uv_timer_t deadline;
	char endpoint[64];
	struct fake_request requests[FAKE_REQUESTS_MAX];
	size_t n_requests;
	void (*answer)(struct fake_s3 *fake, const struct fake_request *request,
		       struct fake_answer *answer);
	unsigned int phase; /* the test's */
	bool late;
};

struct fake_peer {
	uv_tcp_t tcp;
	struct fake_s3 *fake;
	struct fake_request *request;
	size_t head_len, want;
	char buffer[65536];
};

static void fake_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void fake_close(struct fake_peer *peer)
{
	if (!uv_is_closing((uv_handle_t *)&peer->tcp))
		uv_close((uv_handle_t *)&peer->tcp, fake_closed);
}

static void fake_written(uv_write_t *write, int status)
{
	(void)status;
	free(write);
}

static void fake_write(struct fake_peer *peer, const char *text, size_t len)
{
	uv_write_t *write = malloc(sizeof(*write) + len);
	uv_buf_t buffer = uv_buf_init((char *)(write + 1), (unsigned int)len);

	memcpy(buffer.base, text, len);
	uv_write(write, (uv_stream_t *)&peer->tcp, &buffer, 1, fake_written);
}

static void fake_reply(struct fake_peer *peer)
{
	struct fake_answer answer = {200, "", ""};
	char text[8192];
	int len;

	peer->fake->answer(peer->fake, peer->request, &answer);
	peer->request = NULL;
	if (answer.status == 0)
		return;
	if (answer.status == -1) {
		fake_close(peer);
		return;
	}
	if (answer.status == -2) {
		char *endless = calloc(1, 2 * 1024 * 1024);

		fake_write(peer, "HTTP/1.1 503 X\r\n\r\n", 18);
		fake_write(peer, endless, 2 * 1024 * 1024);
		free(endless);
		return;
	}
	len = snprintf(text, sizeof(text), "HTTP/1.1 %d X\r\n%sContent-Length: %zu\r\n\r\n%s",
		       answer.status, answer.headers, strlen(answer.body), answer.body);
	fake_write(peer, text, (size_t)len);
}

/** A header's value, NULL without it. Valid until the next call. */
static const char *fake_header(const struct fake_request *request, const char *name)
{
	static char value[9000];
	const char *line = request->head;
	size_t len = strlen(name);

	while ((line = strstr(line, "\r\n")) != NULL) {
		line += 2;
		if (strncasecmp(line, name, len) == 0 && line[len] == ':') {
			snprintf(value, sizeof(value), "%.*s", (int)strcspn(line + len + 2, "\r"),
				 line + len + 2);
			return value;
		}
	}
	return NULL;
}

static void fake_begin_body(struct fake_peer *peer)
{
	struct fake_request *request = peer->request;
	const char *length;

	sscanf(request->head, "%2000[^\r]", request->line);
	*strrchr(request->line, ' ') = '\0';
	length = fake_header(request, "Content-Length");
	peer->want = length != NULL ? strtoul(length, NULL, 10) : 0;
	request->body = malloc(peer->want + 1);
	request->body[peer->want] = '\0';
	if (fake_header(request, "Expect") != NULL)
		fake_write(peer, "HTTP/1.1 100 Continue\r\n\r\n", 25);
}

static void fake_take(struct fake_peer *peer, const char *bytes, size_t len)
{
	while (len > 0) {
		if (peer->request == NULL) {
			assert_true(peer->fake->n_requests < FAKE_REQUESTS_MAX);
			peer->request = &peer->fake->requests[peer->fake->n_requests++];
			peer->head_len = 0;
		}
		if (peer->request->body == NULL) {
			assert_true(peer->head_len + 1 < FAKE_HEAD_MAX);
			peer->request->head[peer->head_len++] = *bytes++;
			len--;
			if (strstr(peer->request->head, "\r\n\r\n") == NULL)
				continue;
			fake_begin_body(peer);
		} else {
			size_t n = peer->want - peer->request->body_len;

			n = n < len ? n : len;
			memcpy(peer->request->body + peer->request->body_len, bytes, n);
			peer->request->body_len += n;
			bytes += n;
			len -= n;
		}
		if (peer->request->body_len == peer->want)
			fake_reply(peer);
	}
}

static void fake_room(uv_handle_t *handle, size_t hint, uv_buf_t *buffer)
{
	struct fake_peer *peer = handle->data;

	(void)hint;
	*buffer = uv_buf_init(peer->buffer, sizeof(peer->buffer));
}

static void fake_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buffer)
{
	struct fake_peer *peer = stream->data;

	if (len < 0)
		fake_close(peer);
	else
		fake_take(peer, buffer->base, (size_t)len);
}

static void fake_connected(uv_stream_t *listener, int status)
{
	struct fake_peer *peer = calloc(1, sizeof(*peer));

	assert_int_equal(status, 0);
	peer->fake = listener->data;
	uv_tcp_init(peer->fake->loop, &peer->tcp);
	peer->tcp.data = peer;
	assert_int_equal(uv_accept(listener, (uv_stream_t *)&peer->tcp), 0);
	uv_read_start((uv_stream_t *)&peer->tcp, fake_room, fake_read);
}

static void fake_late(uv_timer_t *timer)
{
	struct fake_s3 *fake = timer->data;

	fake->late = true;
}

/** Run the loop until *done, which must be before the deadline. */
static void fake_run_until(struct fake_s3 *fake, const bool *done)
{
	fake->late = false;
	uv_timer_start(&fake->deadline, fake_late, FAKE_DEADLINE_MS, 0);
	while (!*done && !fake->late)
		uv_run(fake->loop, UV_RUN_ONCE);
	uv_timer_stop(&fake->deadline);
	assert_false(fake->late);
}

static void fake_open(struct fake_s3 *fake)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int len = sizeof(address);

	fake->loop = malloc(sizeof(*fake->loop));
	uv_loop_init(fake->loop);
	uv_timer_init(fake->loop, &fake->deadline);
	fake->deadline.data = fake;
	uv_tcp_init(fake->loop, &fake->listener);
	fake->listener.data = fake;
	assert_int_equal(uv_tcp_bind(&fake->listener, (struct sockaddr *)&address, 0), 0);
	assert_int_equal(uv_listen((uv_stream_t *)&fake->listener, 16, fake_connected), 0);
	uv_tcp_getsockname(&fake->listener, (struct sockaddr *)&address, &len);
	snprintf(fake->endpoint, sizeof(fake->endpoint), "http://127.0.0.1:%u",
		 ntohs(address.sin_port));
}

static void fake_close_peer(uv_handle_t *handle, void *context)
{
	struct fake_s3 *fake = context;

	if (uv_is_closing(handle))
		return;
	if (handle == (uv_handle_t *)&fake->listener || handle == (uv_handle_t *)&fake->deadline)
		uv_close(handle, NULL);
	else if (handle->type == UV_TCP)
		uv_close(handle, fake_closed);
}

/** Behind the close of all else in the loop; that nothing is left of it is checked. */
static void fake_shut(struct fake_s3 *fake)
{
	uv_walk(fake->loop, fake_close_peer, fake);
	uv_run(fake->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(fake->loop), 0);
	free(fake->loop);
	for (size_t i = 0; i < fake->n_requests; i++)
		free(fake->requests[i].body);
}
