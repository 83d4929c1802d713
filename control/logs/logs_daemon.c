/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/logs/logs_daemon.h"

#include "control/log.h"
#include "control/logs/log_object.h"
#include "control/logs/spool.h"
#include "control/logs/uploader.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <uv.h>

struct logs_daemon {
	uv_loop_t loop;
	uv_timer_t tick;
	int fd;
	struct record_queue *queue;
	struct logs_settings settings;
	bool has_settings;
	bool warned; /* that the spool cannot be opened */
	struct uploader *uploader;
	struct spool *spool;
	int result;
};

/* --- to sluiced ------------------------------------------------------------------------ */

static void send_message(struct logs_daemon *daemon, const struct logs_message *message)
{
	/* a full socket is no reason to wait: the text goes to the log we share with sluiced */
	if (send(daemon->fd, message, logs_messages_size(message->type),
		 MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return;
	if (message->type == LOGS_WARNING || message->type == LOGS_FAILED)
		log_warning("%s", message->text.text);
}

static void send_text(struct logs_daemon *daemon, enum logs_message_type type, const char *text)
{
	struct logs_message message = {.type = type};

	snprintf(message.text.text, sizeof(message.text.text), "%s", text);
	send_message(daemon, &message);
}

static void warn(void *context, const char *text)
{
	send_text(context, LOGS_WARNING, text);
}

/* --- between spool and uploader ---------------------------------------------------------- */

static void finished(void *context, struct upload *upload)
{
	struct logs_daemon *daemon = context;

	if (uploader_add(daemon->uploader, upload) < 0)
		warn(daemon, "access logs: out of memory; a file waits in the spool for a restart");
}

static void dropped(void *context, struct upload *upload)
{
	(void)context;
	uploader_forget(upload);
}

static void stored(void *context, struct upload *upload)
{
	struct logs_daemon *daemon = context;

	spool_stored(daemon->spool, upload);
}

static void failed(void *context, const char *text)
{
	struct logs_daemon *daemon = context;

	record_queue_counters(daemon->queue)->upload_failures++;
	send_text(daemon, LOGS_FAILED, text);
}

static void tested(void *context, uint64_t id, int result, const char *text)
{
	struct logs_message message = {.type = LOGS_TESTED, .tested = {.id = id, .result = result}};

	snprintf(message.tested.text, sizeof(message.tested.text), "%s", text);
	send_message(context, &message);
}

/* --- from sluiced ------------------------------------------------------------------------- */

static int put(struct logs_daemon *daemon, const struct logs_destination *destination)
{
	char folder[LOG_OBJECT_FOLDER_MAX + 1];
	int r;

	r = spool_put(daemon->spool, destination);
	if (r < 0 || daemon->settings.expiration_days == 0)
		return r;
	log_object_folder(&daemon->settings, destination->prefix, folder);
	strcat(folder, "/");
	return uploader_expire(daemon->uploader, destination->bucket, folder,
			       daemon->settings.expiration_days);
}

static int test(struct logs_daemon *daemon, const struct logs_test *test)
{
	char key[LOG_OBJECT_KEY_MAX], body[256];

	log_object_test(&daemon->settings, &test->destination, log_now_ms(), key, body);
	return uploader_test(daemon->uploader, test->id, test->destination.bucket, key, body);
}

static int handle(struct logs_daemon *daemon, const struct logs_message *message)
{
	if (daemon->has_settings != (message->type != LOGS_SETTINGS))
		return -EBADMSG; /* they come first, and once */
	switch ((enum logs_message_type)message->type) {
	case LOGS_SETTINGS:
		daemon->settings = message->settings;
		daemon->has_settings = true;
		return 0;
	case LOGS_PUT:
		return put(daemon, &message->destination);
	case LOGS_REMOVE:
		spool_remove(daemon->spool, message->destination.load_balancer_id);
		return 0;
	case LOGS_TEST:
		return test(daemon, &message->test);
	default:
		return -EBADMSG;
	}
}

/* Returns 1, 0 when there is none, -EPIPE when sluiced is gone, or another errno. */
static int receive(struct logs_daemon *daemon)
{
	struct logs_message message;
	ssize_t len;
	int r;

	len = recv(daemon->fd, &message, sizeof(message), MSG_DONTWAIT | MSG_TRUNC);
	if (len < 0)
		return errno == EAGAIN || errno == EINTR ? 0
		       : errno == ECONNRESET		 ? -EPIPE
							 : -errno;
	if (len == 0)
		return -EPIPE;
	if ((size_t)len > sizeof(message) ||
	    logs_messages_decode(&message, (size_t)len, false, &message) < 0)
		return -EBADMSG;
	r = handle(daemon, &message);
	return r < 0 ? r : 1;
}

/* --- beginning ------------------------------------------------------------------------------ */

static int open_uploader(struct logs_daemon *daemon)
{
	const struct uploader_events events = {daemon, stored, failed, warn, tested};
	char error[UPLOADER_TEXT_MAX];
	int r;

	r = uploader_open(&daemon->loop, &daemon->settings.s3, &events, &daemon->uploader, error);
	if (r < 0)
		log_error("%s", error);
	return r;
}

/* Tried again each tick: the last sluice-logs may still have the spool, or a disk is away. */
static void open_spool(struct logs_daemon *daemon)
{
	const struct spool_events events = {daemon, finished, dropped, warn};
	const struct logs_message ready = {.type = LOGS_READY};
	char error[SPOOL_ERROR_MAX], text[SPOOL_ERROR_MAX];
	int r;

	r = spool_open(&daemon->settings, daemon->queue, &events, &daemon->spool, error);
	if (r == 0) {
		send_message(daemon, &ready);
	} else if (!daemon->warned) {
		snprintf(text, sizeof(text), "access logs wait: %.450s", error);
		warn(daemon, text);
		daemon->warned = true;
	}
}

/* --- ticks ----------------------------------------------------------------------------------- */

/* Messages wait in the socket for the settings to have their effect. */
static int receive_all(struct logs_daemon *daemon)
{
	int r = 1;

	while (r == 1 && (!daemon->has_settings || daemon->spool != NULL)) {
		bool had_settings = daemon->has_settings;

		r = receive(daemon);
		if (r == 1 && !had_settings) {
			r = open_uploader(daemon);
			if (r == 0)
				open_spool(daemon);
			r = r < 0 ? r : 1;
		}
	}
	return r < 0 ? r : 0;
}

static bool is_gone(const struct logs_daemon *daemon)
{
	char byte;

	return recv(daemon->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static void stop(struct logs_daemon *daemon, int result)
{
	daemon->result = result == -EPIPE ? 0 : result;
	uv_close((uv_handle_t *)&daemon->tick, NULL);
	if (daemon->spool != NULL) {
		while (spool_take(daemon->spool, record_queue_end(daemon->queue), log_now_ms()) > 0)
			;
	}
	uploader_close(daemon->uploader);
	spool_close(daemon->spool);
	daemon->spool = NULL;
}

static void tick(uv_timer_t *timer)
{
	struct logs_daemon *daemon = timer->data;
	uint64_t end =
		record_queue_end(daemon->queue); /* before what is said about these records */
	unsigned int taken = 0;
	int r = 0;

	if (daemon->has_settings && daemon->spool == NULL) {
		open_spool(daemon);
		r = daemon->spool == NULL && is_gone(daemon) ? -EPIPE : 0;
	}
	if (r == 0)
		r = receive_all(daemon);
	if (r < 0) {
		stop(daemon, r);
		return;
	}
	if (daemon->spool != NULL)
		taken = spool_take(daemon->spool, end, log_now_ms());
	uv_timer_start(timer, tick, taken == SPOOL_TAKE_MAX ? 0 : LOGS_DAEMON_TICK_MS, 0);
}

int logs_daemon_run(int fd, struct record_queue *queue)
{
	struct logs_daemon daemon = {.fd = fd, .queue = queue};
	int r = uv_loop_init(&daemon.loop);

	if (r < 0)
		return r;
	uv_timer_init(&daemon.loop, &daemon.tick);
	daemon.tick.data = &daemon;
	uv_timer_start(&daemon.tick, tick, 0, 0);
	uv_run(&daemon.loop, UV_RUN_DEFAULT);
	uv_loop_close(&daemon.loop);
	return daemon.result;
}
