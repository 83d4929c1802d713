/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * RPC: the server of the control socket. JSON-RPC 2.0 over a UNIX stream
 * socket, one message a line, requests of a connection in order and one at a
 * time.
 *
 * Group commit: the requests that arrive in one turn of the event loop are run
 * one after the other, then handler.commit() is called once, and only then are
 * their replies sent. If it fails each of them is answered InternalFailure.
 *
 * Nobody hurts others: a connection that does not read is not read from, and
 * cut off when it stands still for too long or when events pile up; one that
 * sends garbage is told so and cut off; each turn takes RPC_TURN_REQUESTS of a
 * connection at most.
 *
 * Threading: all in the thread of the loop. The process must ignore SIGPIPE.
 */
#ifndef SLUICE_RPC_H
#define SLUICE_RPC_H

#include "control/rpc_message.h"

#include <stdint.h>
#include <uv.h>

#define RPC_ERROR_MAX 512
#define RPC_TURN_REQUESTS 64		/* of one connection in one turn */
#define RPC_QUEUE_PAUSE (1024 * 1024)	/* unsent bytes at which a connection's requests wait */
#define RPC_QUEUE_MAX (8 * 1024 * 1024) /* unsent bytes at which an event cuts it off */
#define RPC_WRITE_TIMEOUT_MS 30000	/* a good setting of rpc_options.write_timeout_ms */
#define RPC_STOP_TIMEOUT_MS 1000	/* for the last replies when the server stops */

struct rpc_server;
struct rpc_client; /* one connection */

struct rpc_options {
	const char *path, *group;  /* as rpc_socket_open() */
	unsigned int max_clients;  /* those above are told so and closed */
	uint64_t write_timeout_ms; /* without a byte taken by a client that owes reading */
};

struct rpc_handler {
	void *context;
	/**
	 * Run a request and answer it with rpc_reply() or rpc_reply_error(), at
	 * once or later; the next request of that client waits for it. @request
	 * is valid only during the call.
	 */
	void (*call)(void *context, struct rpc_client *client, const struct rpc_request *request);
	/** Make durable what the calls of this turn did. Returns 0 or a negative errno. */
	int (*commit)(void *context);
	/** The connection ends: forget the client, and the call it may wait for. */
	void (*gone)(void *context, struct rpc_client *client);
	/** An operator may want to know: a sentence on a peer that was refused or cut off. */
	void (*note)(void *context, const char *text);
};

/**
 * Open the socket and serve it. Options are copied, but for their texts.
 *
 * Returns 0, or what rpc_socket_open() or the system said, with a sentence in @error.
 */
int rpc_open(uv_loop_t *loop, const struct rpc_options *options, const struct rpc_handler *handler,
	     struct rpc_server **ret_server, char error[RPC_ERROR_MAX]);

/**
 * Take no more connections and requests, send what is still to be sent (for
 * RPC_STOP_TIMEOUT_MS at most) and close; the loop then has no handle of it.
 * May be called from within the handler's functions. A second call does nothing.
 */
void rpc_stop(struct rpc_server *server);

/** Free a server after rpc_stop(), when the loop has come to its end; NULL is fine. */
void rpc_free(struct rpc_server *server);

/** Have handler.commit() called at the end of this turn, or of the next if it is past. */
void rpc_commit_soon(struct rpc_server *server);

unsigned int rpc_clients(const struct rpc_server *server);

/** Answer the client's request; takes @result over. NULL (out of memory) answers InternalFailure. */
void rpc_reply(struct rpc_client *client, json_t *result);
/** Answer with an error; the parameters are those of rpc_message_error(). */
void rpc_reply_error(struct rpc_client *client, enum rpc_code code, const char *message,
		     const char *type, const char *name);

/** Send a line as from rpc_message_line(); copied. Cuts the client off above RPC_QUEUE_MAX. */
void rpc_notify(struct rpc_client *client, const char *line, size_t len);

#endif
