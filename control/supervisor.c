/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/supervisor.h"

#include "control/log.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TURN_MESSAGES 256 /* of one turn of the loop */
#define LIVED_MS 30000	  /* who lived so long starts again without a longer pause */
#define WATCH_MS 500	  /* between looks at a process that may hang */
#define STALL_MS 2000	  /* a look that late: it was us who hung */

struct supervisor {
	uv_loop_t *loop;
	struct supervisor_options options;
	struct supervisor_events on;
	uv_process_t process;
	uv_poll_t poll;
	uv_timer_t timer; /* the pause before a start, or the watch over a process */
	bool runs;	  /* the process has not ended */
	bool connected;	  /* poll watches fd */
	bool closing;
	unsigned int handles; /* that are not closed yet */
	int fd;
	uint64_t pause_ms, started_ms, heard_ms, watched_ms;
	unsigned int starts;
	char message[SUPERVISOR_MESSAGE_MAX];
};

static int start(struct supervisor *supervisor);

static void closed(uv_handle_t *handle)
{
	struct supervisor *supervisor = handle->data;

	if (--supervisor->handles == 0 && supervisor->closing)
		free(supervisor);
}

static void disconnect(struct supervisor *supervisor)
{
	if (!supervisor->connected)
		return;
	supervisor->connected = false;
	uv_close((uv_handle_t *)&supervisor->poll, closed);
	close(supervisor->fd); /* which libuv allows from here on */
}

/* --- starting anew -------------------------------------------------------------------- */

static void pause_over(uv_timer_t *timer)
{
	struct supervisor *supervisor = timer->data;
	int r = start(supervisor);

	if (r < 0)
		log_error("%s cannot be started: %s", supervisor->options.name, strerror(-r));
}

/* By the end of the pause the handles of the last start are closed. */
static void start_later(struct supervisor *supervisor)
{
	uint64_t pause_ms = supervisor->pause_ms;

	if (uv_now(supervisor->loop) - supervisor->started_ms >= LIVED_MS)
		pause_ms = SUPERVISOR_PAUSE_MIN_MS;
	supervisor->pause_ms =
		pause_ms * 2 < SUPERVISOR_PAUSE_MAX_MS ? pause_ms * 2 : SUPERVISOR_PAUSE_MAX_MS;
	uv_timer_start(&supervisor->timer, pause_over, pause_ms, 0);
}

static void ended(uv_process_t *process, int64_t status, int signal_number)
{
	struct supervisor *supervisor = process->data;

	if (signal_number != 0)
		log_error("%s ended by signal %d", supervisor->options.name, signal_number);
	else
		log_error("%s ended with status %d", supervisor->options.name, (int)status);
	supervisor->runs = false;
	uv_close((uv_handle_t *)process, closed);
	disconnect(supervisor);
	start_later(supervisor);
}

/* It is of no use any more; ended() follows. */
static void end(struct supervisor *supervisor, const char *why)
{
	log_error("%s %s", supervisor->options.name, why);
	disconnect(supervisor);
	uv_process_kill(&supervisor->process, SIGKILL);
}

static void watch(uv_timer_t *timer)
{
	struct supervisor *supervisor = timer->data;
	uint64_t now_ms = uv_now(supervisor->loop);

	/* what it sent while we did not look is not read yet */
	if (now_ms - supervisor->watched_ms > STALL_MS)
		supervisor->heard_ms = now_ms;
	supervisor->watched_ms = now_ms;
	if (now_ms - supervisor->heard_ms <= supervisor->options.silence_max_ms)
		return;
	uv_timer_stop(timer);
	end(supervisor, "hangs: it is killed");
}

/* --- messages ------------------------------------------------------------------------- */

static void readable(struct supervisor *supervisor)
{
	for (int i = 0; i < TURN_MESSAGES && supervisor->connected; i++) {
		ssize_t len = recv(supervisor->fd, supervisor->message, sizeof(supervisor->message),
				   MSG_DONTWAIT | MSG_TRUNC);

		if (len < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (len <= 0) {
			end(supervisor, "closed its socket");
			return;
		}
		supervisor->heard_ms = uv_now(supervisor->loop);
		if ((size_t)len > sizeof(supervisor->message) ||
		    !supervisor->on.message(supervisor->on.context, supervisor->message,
					    (size_t)len)) {
			end(supervisor, "sent a message that makes no sense");
			return;
		}
	}
}

static void ready(uv_poll_t *poll, int status, int events)
{
	struct supervisor *supervisor = poll->data;

	if (status < 0) {
		end(supervisor, uv_strerror(status));
		return;
	}
	if (events & UV_WRITABLE) {
		uv_poll_start(poll, UV_READABLE, ready);
		supervisor->on.writable(supervisor->on.context);
	}
	if (events & (UV_READABLE | UV_DISCONNECT) && supervisor->connected)
		readable(supervisor);
}

int supervisor_send(struct supervisor *supervisor, const void *bytes, size_t len)
{
	if (!supervisor->connected)
		return -ENOTCONN;
	if (send(supervisor->fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len)
		return 0;
	if (errno == EAGAIN || errno == ENOBUFS || errno == EINTR) {
		uv_poll_start(&supervisor->poll, UV_READABLE | UV_WRITABLE, ready);
		return -EAGAIN;
	}
	return -ENOTCONN; /* it has ended, and the loop is about to tell */
}

/* --- a process ------------------------------------------------------------------------ */

static int spawn(struct supervisor *supervisor, int fd)
{
	uv_stdio_container_t stdio[3] = {
		{.flags = UV_INHERIT_FD, .data.fd = fd},
		{.flags = UV_IGNORE},
		{.flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO},
	};
	char *args[SUPERVISOR_ARGS_MAX + 2] = {(char *)supervisor->options.path};
	const uv_process_options_t options = {
		.exit_cb = ended,
		.file = supervisor->options.path,
		.args = args,
		.stdio_count = 3,
		.stdio = stdio,
	};
	int r;

	for (size_t i = 0; i < SUPERVISOR_ARGS_MAX; i++)
		args[i + 1] = (char *)supervisor->options.args[i];
	r = uv_spawn(supervisor->loop, &supervisor->process, &options);
	supervisor->process.data = supervisor;
	supervisor->handles++;
	if (r < 0) { /* the handle was begun nevertheless */
		uv_close((uv_handle_t *)&supervisor->process, closed);
		return r;
	}
	uv_unref((uv_handle_t *)&supervisor->process);
	supervisor->runs = true;
	return 0;
}

static int connect_to(struct supervisor *supervisor, int fd)
{
	int r = uv_poll_init(supervisor->loop, &supervisor->poll, fd);

	if (r < 0)
		return r;
	supervisor->poll.data = supervisor;
	supervisor->handles++;
	supervisor->fd = fd;
	supervisor->connected = true;
	uv_unref((uv_handle_t *)&supervisor->poll);
	return uv_poll_start(&supervisor->poll, UV_READABLE, ready);
}

static int start(struct supervisor *supervisor)
{
	int fds[2], r;

	supervisor->started_ms = supervisor->heard_ms = supervisor->watched_ms =
		uv_now(supervisor->loop);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0) {
		r = -errno;
		start_later(supervisor);
		return r;
	}
	r = spawn(supervisor, fds[1]);
	close(fds[1]);
	if (r < 0)
		goto fail;
	r = connect_to(supervisor, fds[0]);
	if (r < 0) {
		if (!supervisor->connected)
			close(fds[0]);
		end(supervisor, uv_strerror(r));
		return r;
	}
	supervisor->starts++;
	if (supervisor->options.silence_max_ms > 0)
		uv_timer_start(&supervisor->timer, watch, WATCH_MS, WATCH_MS);
	supervisor->on.started(supervisor->on.context);
	return 0;
fail:
	close(fds[0]);
	start_later(supervisor);
	return r;
}

int supervisor_open(uv_loop_t *loop, const struct supervisor_options *options,
		    const struct supervisor_events *events, struct supervisor **ret_supervisor)
{
	struct supervisor *supervisor = calloc(1, sizeof(*supervisor));
	int r;

	if (supervisor == NULL)
		return -ENOMEM;
	supervisor->loop = loop;
	supervisor->options = *options;
	supervisor->on = *events;
	supervisor->pause_ms = SUPERVISOR_PAUSE_MIN_MS;
	uv_timer_init(loop, &supervisor->timer);
	uv_unref((uv_handle_t *)&supervisor->timer);
	supervisor->timer.data = supervisor;
	supervisor->handles = 1;
	uv_update_time(loop);
	*ret_supervisor = supervisor; /* started() may send already */
	r = start(supervisor);
	if (r < 0) {
		*ret_supervisor = NULL;
		supervisor_close(supervisor);
	}
	return r;
}

void supervisor_close(struct supervisor *supervisor)
{
	if (supervisor == NULL)
		return;
	supervisor->closing = true;
	disconnect(supervisor);
	if (supervisor->runs)
		uv_close((uv_handle_t *)&supervisor->process, closed);
	uv_close((uv_handle_t *)&supervisor->timer, closed);
}

unsigned int supervisor_starts(const struct supervisor *supervisor)
{
	return supervisor->starts;
}

static bool is_there(char *ret_path, size_t size, const char *folder, const char *between,
		     const char *program)
{
	int len = snprintf(ret_path, size, "%s/%s%s", folder, between, program);

	return len > 0 && (size_t)len < size && access(ret_path, X_OK) == 0;
}

int supervisor_find(const char *program, const char *build_dir, char *ret_path, size_t size)
{
	char self[4096], between[64];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (len < 0)
		return -errno;
	self[len] = '\0';
	*strrchr(self, '/') = '\0';
	snprintf(between, sizeof(between), "../%s/", build_dir);
	if (is_there(ret_path, size, self, between, program) ||
	    is_there(ret_path, size, self, "", program))
		return 0;
	return -ENOENT;
}
