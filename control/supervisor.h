/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Supervisor: runs one of our unprivileged processes and keeps it running.
 *
 * The process gets its end of a SOCK_SEQPACKET socket pair as fd 0, nothing as
 * fd 1 and our stderr as fd 2; it must end when the socket does. It is started
 * again when it ends, and killed and started again when nothing was heard of it
 * for too long; each time with a longer pause, until it has lived for a while.
 *
 * Threading: all in the thread of the loop, which is not kept running.
 */
#ifndef SLUICE_SUPERVISOR_H
#define SLUICE_SUPERVISOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#define SUPERVISOR_PAUSE_MIN_MS 100   /* before the first new start */
#define SUPERVISOR_PAUSE_MAX_MS 10000 /* it doubles up to here */
#define SUPERVISOR_ARGS_MAX 8
#define SUPERVISOR_MESSAGE_MAX 65536 /* bytes; a longer message ends the process */

struct supervisor;

struct supervisor_options {		       /* copied, but for the texts */
	const char *name;		       /* for the log: "sluice-health" */
	const char *path;		       /* of the program */
	const char *args[SUPERVISOR_ARGS_MAX]; /* behind argv[0]; the rest NULL */
	uint64_t silence_max_ms; /* a process silent for longer hangs; 0: it may be silent */
};

struct supervisor_events {
	void *context;
	/** It runs, and knows nothing of what was sent to the one before. */
	void (*started)(void *context);
	/** A message of it came; valid during the call. Returns false when it makes no sense: then
	 *  the process is ended. */
	bool (*message)(void *context, const void *bytes, size_t len);
	/** There is room again, behind a supervisor_send() that had none. */
	void (*writable)(void *context);
};

/**
 * Start the process.
 *
 * A program that cannot be started is an error; one that ends is not.
 *
 * Returns 0, -ENOENT, -EACCES, -ENOMEM or what the system said.
 */
int supervisor_open(uv_loop_t *loop, const struct supervisor_options *options,
		    const struct supervisor_events *events, struct supervisor **ret_supervisor);

/** Close the socket, which ends the process, and free the supervisor in the loop's next run. May
 *  be called from within an event; NULL is fine. */
void supervisor_close(struct supervisor *supervisor);

/** Send a message. Returns 0, -EAGAIN (no room: writable() tells when there is), -ENOTCONN (it
 *  does not run: started() tells when it does). */
int supervisor_send(struct supervisor *supervisor, const void *bytes, size_t len);

/** Times the process was started. */
unsigned int supervisor_starts(const struct supervisor *supervisor);

/**
 * Find a program of ours: in @build_dir ("healthcheck") of the build tree, or
 * beside the one that runs.
 *
 * Returns 0, or -ENOENT: then *ret_path is where it should have been installed.
 */
int supervisor_find(const char *program, const char *build_dir, char *ret_path, size_t size);

#endif
