/* SPDX-License-Identifier: BSD-3-Clause */
/* RPC client: one connection of rpc.c; for rpc.c and rpc_client.c alone. */
#ifndef SLUICE_RPC_CLIENT_H
#define SLUICE_RPC_CLIENT_H

#include "control/rpc.h"

#include <stdbool.h>
#include <sys/queue.h>
#include <sys/types.h>

#define RPC_READ_SIZE (64 * 1024)

/* A message that waits for the commit. */
struct rpc_held {
	STAILQ_ENTRY(rpc_held) link;
	json_t *id; /* of the request it answers; NULL: an event, or nothing was run */
	size_t len;
	char line[];
};

struct rpc_client {
	uv_pipe_t pipe;
	struct rpc_server *server;
	TAILQ_ENTRY(rpc_client) link, ready_link, flush_link;
	struct rpc_lines lines;
	json_t *id; /* of the request being run; NULL: it wants no answer */
	bool busy;  /* a request is being run */
	bool reading;
	bool eof;    /* the peer sends no more */
	bool ending; /* takes no more requests, closes when all is sent */
	bool closing;
	bool is_ready; /* in server->ready: has lines to run */
	bool to_flush; /* in server->flush */
	STAILQ_HEAD(, rpc_held) held;
	size_t held_bytes;
	char *out; /* to be written after what is being written */
	size_t out_len, out_size;
	uv_write_t write;
	char *writing;	      /* NULL when nothing is */
	size_t left;	      /* of it, when last looked at ... */
	uint64_t progress_ms; /* ... and when it last had become less */
};

TAILQ_HEAD(rpc_client_list, rpc_client);

struct rpc_server {
	struct rpc_options options;
	struct rpc_handler on;
	uv_loop_t *loop;
	uv_pipe_t listener;
	uv_check_t check; /* after each poll: run, commit, flush */
	uv_idle_t idle;	  /* active when the next turn must not wait for I/O */
	uv_timer_t timer; /* active while something is being written */
	gid_t gid;
	unsigned int n_clients;
	struct rpc_client_list clients, ready, flush;
	bool uncommitted;
	bool stopping, closed;
	uint64_t stop_deadline_ms;
	unsigned int n_handles;	    /* not yet closed */
	char buffer[RPC_READ_SIZE]; /* what is read goes to the lines at once */
};

/** Take over a connection that was accepted; reads from it. */
void rpc_client_start(struct rpc_client *client);
/** Run some of the requests that are there. */
void rpc_client_run(struct rpc_client *client);
/** Send what is held, or in its place InternalFailure when @error is not 0. */
void rpc_client_flush(struct rpc_client *client, int error);
/** Close what has waited for too long. */
void rpc_client_check_progress(struct rpc_client *client, uint64_t now_ms);
/** Take no more requests; close when all is sent. */
void rpc_client_end(struct rpc_client *client);
/** Close now; the memory lives until the loop has closed the handle. */
void rpc_client_close(struct rpc_client *client);

/** See that a turn of the loop comes soon. */
void rpc_server_wake(struct rpc_server *server);
/** See that rpc_client_check_progress() is called while something is being written. */
void rpc_server_watch_writes(struct rpc_server *server);
/** A connection was closed and is about to be freed. */
void rpc_server_client_closed(struct rpc_server *server);

#endif
