/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/store.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STORE_APPLICATION_ID 0x536c7563 /* "Sluc", as file(1) shows it */

enum statement { BEGIN, COMMIT, ROLLBACK, PUT, DELETE, DELETE_PREFIX, LOAD, STATEMENT_COUNT };

/* What is prepared once. */
static const char *const statement_sql[STATEMENT_COUNT] = {
	[BEGIN] = "BEGIN IMMEDIATE",
	[COMMIT] = "COMMIT",
	[ROLLBACK] = "ROLLBACK",
	/* an update keeps the id, and so the place in store_load() */
	[PUT] = ("INSERT INTO document (key, body) VALUES (?1, ?2) "
		 "ON CONFLICT (key) DO UPDATE SET body = excluded.body"),
	[DELETE] = "DELETE FROM document WHERE key = ?1",
	/* a range of the index: no text is above the highest code point */
	[DELETE_PREFIX] = "DELETE FROM document WHERE key >= ?1 AND key < ?1 || char(1114111)",
	[LOAD] = "SELECT key, body FROM document ORDER BY id",
};

struct store {
	sqlite3 *db;
	sqlite3_stmt *statements[STATEMENT_COUNT];
	int failed; /* why something staged is lost: the transaction can only be rolled back */
};

/* What the system said when a write to the log failed; sqlite3_system_errno() is later's by then. */
static int log_errno(sqlite3 *db)
{
	sqlite3_file *file = NULL;
	int number = 0;

	sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &file);
	if (file != NULL && file->pMethods != NULL)
		file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &number);
	return number;
}

/* What an SQLite result means to the caller; 0 for the three that are none. */
static int store_errno(sqlite3 *db, int result)
{
	int number;

	switch (result & 0xff) { /* the rest tells variants apart */
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EBADMSG;
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return -EACCES;
	case SQLITE_CANTOPEN:
		number = sqlite3_system_errno(db);
		return number > 0 ? -number : -EIO;
	case SQLITE_IOERR:
		/* a quota and the file size limit are a full disk to us */
		number = log_errno(db);
		return number == ENOSPC || number == EDQUOT || number == EFBIG ? -ENOSPC : -EIO;
	default:
		return -EIO;
	}
}

static int store_exec(struct store *store, const char *sql)
{
	return store_errno(store->db, sqlite3_exec(store->db, sql, NULL, NULL, NULL));
}

/* The first column of the first row of @sql, as a number. */
static int query_number(struct store *store, const char *sql, int64_t *ret_number)
{
	sqlite3_stmt *statement = NULL;
	int result;

	result = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL);
	if (result == SQLITE_OK)
		result = sqlite3_step(statement);
	if (result == SQLITE_ROW)
		*ret_number = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return result == SQLITE_ROW ? 0 : store_errno(store->db, result);
}

/* --- opening ------------------------------------------------------------------ */

/* SQLite would create the file readable to all, and no directory. */
static int make_file(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *directory;
	int fd;

	if (slash != NULL && slash > path) {
		directory = strndup(path, (size_t)(slash - path));
		if (directory == NULL)
			return -ENOMEM;
		(void)mkdir(directory, 0700); /* open() below tells what is wrong */
		free(directory);
	}
	/* O_EXCL: closing a file that SQLite has open as well would drop its locks */
	fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0)
		return errno == EEXIST ? 0 : -errno;
	close(fd);
	return 0;
}

static int check_pages(struct store *store)
{
	sqlite3_stmt *statement = NULL;
	int result;
	int r;

	result = sqlite3_prepare_v2(store->db, "PRAGMA quick_check(1)", -1, &statement, NULL);
	if (result == SQLITE_OK)
		result = sqlite3_step(statement);
	if (result != SQLITE_ROW)
		r = store_errno(store->db, result);
	else
		r = strcmp((const char *)sqlite3_column_text(statement, 0), "ok") == 0 ? 0
										       : -EBADMSG;
	sqlite3_finalize(statement);
	return r;
}

/*
 * Look at what is there, without writing a byte.
 *
 * Returns 1 for a store, 0 for a file in which nothing is yet (a store whose
 * making was interrupted too), -EPROTO, -EBADMSG, -EBUSY and so on.
 */
static int check_content(struct store *store)
{
	int64_t application = 0, version = 0, tables = 0, columns = 0;
	int r;

	r = check_pages(store);
	if (r == 0)
		r = query_number(store, "PRAGMA application_id", &application);
	if (r == 0)
		r = query_number(store, "PRAGMA user_version", &version);
	if (r == 0)
		r = query_number(store, "SELECT count(*) FROM sqlite_schema", &tables);
	if (r == 0)
		r = query_number(store,
				 "SELECT count(*) FROM pragma_table_info('document') "
				 "WHERE name IN ('id', 'key', 'body')",
				 &columns);
	if (r < 0)
		return r;
	if (application == 0 && version == 0 && tables == 0)
		return 0;
	if (application != STORE_APPLICATION_ID || version < 1)
		return -EBADMSG;
	if (version > STORE_VERSION)
		return -EPROTO;
	return columns == 3 ? 1 : -EBADMSG;
}

static int create_content(struct store *store)
{
	char sql[512];

	snprintf(sql, sizeof(sql),
		 "BEGIN IMMEDIATE;"
		 "CREATE TABLE document ("
		 " id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, body TEXT NOT NULL);"
		 "PRAGMA application_id = %d;"
		 "PRAGMA user_version = %d;"
		 "COMMIT",
		 STORE_APPLICATION_ID, STORE_VERSION);
	return store_exec(store, sql);
}

static int prepare_statements(struct store *store)
{
	int result = SQLITE_OK;
	size_t i;

	for (i = 0; result == SQLITE_OK && i < STATEMENT_COUNT; i++)
		result = sqlite3_prepare_v3(store->db, statement_sql[i], -1,
					    SQLITE_PREPARE_PERSISTENT, &store->statements[i], NULL);
	return store_errno(store->db, result);
}

static int open_content(struct store *store)
{
	bool is_new;
	int r;

	/* Locked from the first look on, and with a damaged file even the log stays as it is. */
	sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	r = store_exec(store, "PRAGMA locking_mode = EXCLUSIVE;"
			      "PRAGMA cell_size_check = ON;"
			      "PRAGMA trusted_schema = OFF;"
			      "BEGIN EXCLUSIVE");
	if (r < 0)
		return r;
	r = check_content(store);
	store_exec(store, "ROLLBACK");
	if (r < 0)
		return r;
	is_new = r == 0;
	r = store_exec(store, "PRAGMA journal_mode = WAL;"
			      "PRAGMA synchronous = FULL");
	if (r == 0 && is_new)
		r = create_content(store);
	if (r == 0)
		r = prepare_statements(store);
	if (r == 0)
		sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
	return r;
}

static const char *explain(int error)
{
	switch (error) {
	case -EPROTO:
		return "it was written by a newer version of sluiced, which must be used with it";
	case -EBADMSG:
		return "it is damaged, or no store of sluiced: it was left as it is; restore a "
		       "copy, or move it away to begin an empty one";
	case -EBUSY:
		return "another process has it open; is another sluiced running?";
	default:
		return strerror(-error);
	}
}

int store_open(const char *path, struct store **ret_store, char error[STORE_ERROR_MAX])
{
	struct store *store;
	int r = -ENOMEM;

	store = calloc(1, sizeof(*store));
	if (store == NULL)
		goto fail;
	r = make_file(path);
	if (r < 0)
		goto fail;
	r = sqlite3_open_v2(path, &store->db,
			    SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
			    NULL);
	r = store_errno(store->db, r);
	if (r == 0)
		r = open_content(store);
	if (r < 0)
		goto fail;
	*ret_store = store;
	return 0;
fail:
	snprintf(error, STORE_ERROR_MAX, "store %.200s cannot be used: %s", path, explain(r));
	store_close(store);
	return r;
}

void store_close(struct store *store)
{
	size_t i;

	if (store == NULL)
		return;
	for (i = 0; i < STATEMENT_COUNT; i++)
		sqlite3_finalize(store->statements[i]);
	sqlite3_close(store->db); /* rolls back */
	free(store);
}

/* --- changes -------------------------------------------------------------------- */

static int run(struct store *store, enum statement which)
{
	sqlite3_stmt *statement = store->statements[which];
	int r;

	r = store_errno(store->db, sqlite3_step(statement));
	sqlite3_reset(statement);
	return r;
}

/* Run a statement whose texts are borrowed, inside the open transaction. */
static int stage(struct store *store, enum statement which, const char *key, const char *body)
{
	sqlite3_stmt *statement = store->statements[which];
	int result = SQLITE_OK;
	int r = 0;

	if (store->failed != 0)
		return store->failed;
	if (sqlite3_get_autocommit(store->db))
		r = run(store, BEGIN);
	if (r == 0) {
		result = sqlite3_bind_text(statement, 1, key, -1, SQLITE_STATIC);
		if (result == SQLITE_OK && body != NULL)
			result = sqlite3_bind_text(statement, 2, body, -1, SQLITE_STATIC);
		r = result == SQLITE_OK ? run(store, which) : store_errno(store->db, result);
		sqlite3_clear_bindings(statement);
	}
	/* SQLite may have rolled back already: what follows must not be committed alone. */
	store->failed = r;
	return r;
}

int store_put(struct store *store, const char *key, const json_t *document)
{
	char *body;
	int r;

	body = json_dumps(document, JSON_COMPACT);
	if (body == NULL) {
		store->failed = -ENOMEM;
		return -ENOMEM;
	}
	r = stage(store, PUT, key, body);
	free(body);
	return r;
}

int store_delete(struct store *store, const char *key)
{
	return stage(store, DELETE, key, NULL);
}

int store_delete_prefix(struct store *store, const char *prefix)
{
	return stage(store, DELETE_PREFIX, prefix, NULL);
}

int store_commit(struct store *store)
{
	int r = store->failed;

	if (r == 0 && !sqlite3_get_autocommit(store->db))
		r = run(store, COMMIT);
	if (r < 0)
		store_rollback(store);
	return r;
}

void store_rollback(struct store *store)
{
	store->failed = 0;
	if (!sqlite3_get_autocommit(store->db))
		(void)run(store, ROLLBACK); /* cannot fail: it needs neither disk nor memory */
}

int store_load(struct store *store, int (*visit)(void *context, const char *key, json_t *document),
	       void *context)
{
	sqlite3_stmt *statement = store->statements[LOAD];
	json_t *document;
	int result;
	int r = 0;

	while (r == 0 && (result = sqlite3_step(statement)) == SQLITE_ROW) {
		const char *key = (const char *)sqlite3_column_text(statement, 0);
		const char *body = (const char *)sqlite3_column_text(statement, 1);

		if (key == NULL || body == NULL) {
			r = -ENOMEM;
			break;
		}
		document = json_loads(body, JSON_REJECT_DUPLICATES, NULL);
		r = json_is_object(document) ? visit(context, key, document) : -EBADMSG;
		json_decref(document);
	}
	if (r == 0)
		r = store_errno(store->db, result);
	sqlite3_reset(statement);
	return r;
}
