/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Store: the durable copy of the model. One SQLite database in WAL mode with
 * full sync: what store_commit() returned 0 for survives kill -9 and power loss.
 * Documents are JSON objects under text keys; their meaning is the model's.
 *
 * Threading: one thread. Changes gather in one open transaction until
 * store_commit(), so that many API calls share one sync (group commit).
 */
#ifndef SLUICE_STORE_H
#define SLUICE_STORE_H

#include <jansson.h>
#include <stddef.h>

#define STORE_ERROR_MAX 512
#define STORE_VERSION 1 /* PRAGMA user_version; a newer one is refused */

struct store;

/**
 * Open the database, or create it where there is none.
 *
 * Returns 0, -EPROTO (written by a newer version), -EBADMSG (damaged: it is
 * left untouched), -EBUSY (another process has it), -EIO, -ENOMEM, or what the
 * file system said. @error tells which file and what to do.
 */
int store_open(const char *path, struct store **ret_store, char error[STORE_ERROR_MAX]);
void store_close(struct store *store); /* rolls back what is not committed; NULL is fine */

/** Stage a document. Borrowed. Returns 0, -EIO, -ENOSPC, -ENOMEM. */
int store_put(struct store *store, const char *key, const json_t *document);
/** Stage a removal; 0 also when there was none. */
int store_delete(struct store *store, const char *key);
/** Stage the removal of every key that begins with @prefix. */
int store_delete_prefix(struct store *store, const char *prefix);

/** Make everything staged durable: 0, -EIO or -ENOSPC, and then nothing of it is there. */
int store_commit(struct store *store);
void store_rollback(struct store *store);

/**
 * Visit all documents in the order in which their keys were first put.
 *
 * Stops at the first non-zero return of @visit and returns it. -EBADMSG when a
 * document does not parse.
 */
int store_load(struct store *store, int (*visit)(void *context, const char *key, json_t *document),
	       void *context);

#endif
