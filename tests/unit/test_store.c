/* SPDX-License-Identifier: BSD-3-Clause */
#define _GNU_SOURCE
#include "control/store.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define KEYS_MAX 64

struct fixture {
	char directory[64];
	char path[128];
	char wal[136];
};

struct seen {
	char keys[KEYS_MAX][32];
	json_int_t values[KEYS_MAX];
	size_t n;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return -1;
	strcpy(f->directory, "/tmp/sluice-store-XXXXXX");
	if (mkdtemp(f->directory) == NULL)
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/sub/sluice.db", f->directory);
	snprintf(f->wal, sizeof(f->wal), "%s-wal", f->path);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char directory[128];

	unlink(f->path);
	unlink(f->wal);
	snprintf(directory, sizeof(directory), "%s/sub", f->directory);
	rmdir(directory);
	if (rmdir(f->directory) < 0)
		return -1; /* something else was left there */
	free(f);
	return 0;
}

static struct store *must_open(const struct fixture *f)
{
	char error[STORE_ERROR_MAX] = "";
	struct store *store = NULL;
	int r;

	r = store_open(f->path, &store, error);
	if (r < 0)
		fail_msg("%d: %s", r, error);
	return store;
}

static int put(struct store *store, const char *key, json_int_t value)
{
	json_t *document = json_pack("{s:I}", "value", value);
	int r;

	r = store_put(store, key, document);
	json_decref(document);
	return r;
}

static int note(void *context, const char *key, json_t *document)
{
	struct seen *seen = context;

	assert_true(seen->n < KEYS_MAX);
	snprintf(seen->keys[seen->n], sizeof(seen->keys[0]), "%s", key);
	seen->values[seen->n++] = json_integer_value(json_object_get(document, "value"));
	return 0;
}

/* "key=value key=value " of what the store holds, in its order */
static const char *contents(struct store *store, char text[1024])
{
	struct seen seen = {.n = 0};
	size_t i, len = 0;

	assert_int_equal(store_load(store, note, &seen), 0);
	text[0] = '\0';
	for (i = 0; i < seen.n; i++)
		len += (size_t)snprintf(text + len, 1024 - len, "%s=%lld ", seen.keys[i],
					(long long)seen.values[i]);
	return text;
}

static void keeps_what_was_committed_and_nothing_else(void **state)
{
	const struct fixture *f = *state;
	struct store *store = must_open(f);
	char text[1024];

	assert_int_equal(put(store, "a", 1), 0);
	assert_int_equal(put(store, "b", 2), 0);
	assert_int_equal(store_commit(store), 0);
	assert_int_equal(put(store, "c", 3), 0);
	store_rollback(store);
	assert_int_equal(put(store, "d", 4), 0);
	store_close(store);

	store = must_open(f);
	assert_string_equal(contents(store, text), "a=1 b=2 ");
	assert_int_equal(store_commit(store), 0); /* nothing staged is fine */
	store_close(store);
}

static void loads_in_the_order_of_the_first_put(void **state)
{
	const struct fixture *f = *state;
	struct store *store = must_open(f);
	char text[1024];

	assert_int_equal(put(store, "z", 1), 0);
	assert_int_equal(put(store, "m", 2), 0);
	assert_int_equal(put(store, "a", 3), 0);
	assert_int_equal(store_commit(store), 0);
	assert_int_equal(put(store, "z", 4), 0);
	assert_int_equal(store_delete(store, "m"), 0);
	assert_int_equal(store_delete(store, "never"), 0);
	assert_int_equal(put(store, "b", 5), 0);
	assert_int_equal(put(store, "m", 6), 0);
	assert_int_equal(store_commit(store), 0);
	store_close(store);

	store = must_open(f);
	assert_string_equal(contents(store, text), "z=4 a=3 b=5 m=6 ");
	store_close(store);
}

static void deletes_exactly_what_has_the_prefix(void **state)
{
	static const char *const keys[] = {"tg/1",   "tg/1/",	"tg/1/a", "tg/1/\xf4\x8f\xbf\xbe",
					   "tg/1/%", "tg/10/a", "tg/1a",  "TG/1/a",
					   "tg0"};
	const struct fixture *f = *state;
	struct store *store = must_open(f);
	char text[1024];
	size_t i;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		assert_int_equal(put(store, keys[i], (json_int_t)i), 0);
	assert_int_equal(store_delete_prefix(store, "tg/1/"), 0);
	assert_int_equal(store_delete_prefix(store, "none"), 0);
	assert_int_equal(store_commit(store), 0);
	assert_string_equal(contents(store, text), "tg/1=0 tg/10/a=5 tg/1a=6 TG/1/a=7 tg0=8 ");
	assert_int_equal(store_delete_prefix(store, ""), 0);
	assert_string_equal(contents(store, text), "");
	store_close(store);
}

static int stop_at_second(void *context, const char *key, json_t *document)
{
	int *n = context;

	(void)key;
	(void)document;
	return ++*n == 2 ? 77 : 0;
}

static void load_stops_where_the_visitor_says(void **state)
{
	const struct fixture *f = *state;
	struct store *store = must_open(f);
	int n = 0;

	assert_int_equal(put(store, "a", 1), 0);
	assert_int_equal(put(store, "b", 1), 0);
	assert_int_equal(put(store, "c", 1), 0);
	assert_int_equal(store_load(store, stop_at_second, &n), 77);
	assert_int_equal(n, 2);
	store_close(store);
}

static void is_private_to_its_owner(void **state)
{
	const struct fixture *f = *state;
	struct stat st;

	store_close(must_open(f));
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

/* Open in a child: SQLite knows its own locks within a process. */
static int open_elsewhere(const struct fixture *f)
{
	struct store *store = NULL;
	char error[STORE_ERROR_MAX];
	int status;
	pid_t pid;

	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int r = store_open(f->path, &store, error);

		_exit(r < 0 && strstr(error, f->path) != NULL ? -r : r < 0 ? 254 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return -WEXITSTATUS(status);
}

static void refuses_a_second_process_from_open_to_close(void **state)
{
	const struct fixture *f = *state;
	struct store *store = must_open(f);
	struct store *second = NULL;
	char error[STORE_ERROR_MAX];

	assert_int_equal(open_elsewhere(f), -EBUSY);
	assert_int_equal(store_open(f->path, &second, error), -EBUSY);
	assert_int_equal(open_elsewhere(f), -EBUSY);
	assert_int_equal(put(store, "a", 1), 0);
	assert_int_equal(store_commit(store), 0);
	assert_int_equal(open_elsewhere(f), -EBUSY);
	store_close(store);
	assert_int_equal(open_elsewhere(f), 0);
}

/* --- files that are refused --------------------------------------------------- */

struct image {
	unsigned char *bytes;
	size_t len;
};

static struct image read_image(const char *path)
{
	struct image image = {.len = 0};
	struct stat st;
	FILE *file;

	if (stat(path, &st) < 0)
		return image;
	image.bytes = malloc((size_t)st.st_size + 1);
	file = fopen(path, "rb");
	assert_non_null(file);
	image.len = fread(image.bytes, 1, (size_t)st.st_size, file);
	assert_int_equal(image.len, st.st_size);
	fclose(file);
	return image;
}

static void write_image(const char *path, const struct image *image)
{
	FILE *file = fopen(path, "wb");

	assert_non_null(file);
	assert_int_equal(fwrite(image->bytes, 1, image->len, file), image->len);
	assert_int_equal(fclose(file), 0);
}

static void assert_image(const char *path, const struct image *want)
{
	struct image image = read_image(path);

	assert_int_equal(image.len, want->len);
	if (want->len > 0)
		assert_memory_equal(image.bytes, want->bytes, want->len);
	free(image.bytes);
}

static void assert_refused(const struct fixture *f, int want, const char *word)
{
	struct image before = read_image(f->path), log = read_image(f->wal);
	char error[STORE_ERROR_MAX] = "";
	struct store *store = NULL;

	assert_int_equal(store_open(f->path, &store, error), want);
	assert_null(store);
	assert_non_null(strstr(error, f->path));
	assert_non_null(strstr(error, word));
	assert_image(f->path, &before);
	assert_image(f->wal, &log);
	free(before.bytes);
	free(log.bytes);
}

static void sql(const struct fixture *f, const char *text)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static void refuses_a_newer_version(void **state)
{
	const struct fixture *f = *state;

	store_close(must_open(f));
	sql(f, "PRAGMA user_version = 2");
	assert_refused(f, -EPROTO, "newer");
	sql(f, "PRAGMA user_version = 1");
	store_close(must_open(f));
}

static void refuses_the_databases_of_others(void **state)
{
	const struct fixture *f = *state;
	char directory[128];

	snprintf(directory, sizeof(directory), "%s/sub", f->directory);
	assert_int_equal(mkdir(directory, 0700), 0);
	sql(f, "CREATE TABLE theirs (a); INSERT INTO theirs VALUES (1)");
	assert_refused(f, -EBADMSG, "no store of sluiced");
	sql(f, "PRAGMA application_id = 1399616867; PRAGMA user_version = 1");
	assert_refused(f, -EBADMSG, "no store of sluiced"); /* our mark, not our table */
}

static void fill(struct store *store, unsigned int n)
{
	char key[32];
	unsigned int i;

	for (i = 0; i < n; i++) {
		snprintf(key, sizeof(key), "targetgroup/%u", i * 7919 % n);
		assert_int_equal(put(store, key, i), 0);
	}
	assert_int_equal(store_commit(store), 0);
}

static void refuses_what_is_no_database(void **state)
{
	const struct fixture *f = *state;
	struct image text = {(unsigned char *)"this is no database, however it is named", 40};
	struct store *store;
	struct image image;

	store_close(must_open(f));
	write_image(f->path, &text);
	assert_refused(f, -EBADMSG, "damaged");

	unlink(f->path);
	store = must_open(f);
	fill(store, 600);
	store_close(store);
	image = read_image(f->path);
	image.len -= 5000; /* the end is missing */
	write_image(f->path, &image);
	free(image.bytes);
	assert_refused(f, -EBADMSG, "damaged");
}

static void refuses_a_directory_and_a_place_it_may_not_use(void **state)
{
	const struct fixture *f = *state;
	struct fixture elsewhere = {.path = "/proc/sluice/none/sluice.db", .wal = "/nowhere"};

	assert_int_equal(mkdir(f->path, 0700), -1); /* not without its parent */
	assert_refused(&elsewhere, -ENOENT, "No such file");
	snprintf(elsewhere.path, sizeof(elsewhere.path), "%s", f->directory);
	assert_int_not_equal(open_elsewhere(&elsewhere), 0);
}

static int count(void *context, const char *key, json_t *document)
{
	(void)key;
	(void)document;
	++*(unsigned int *)context;
	return 0;
}

/*
 * Overwrite each page in turn. Every such file must be refused and left as it
 * was, or (where the bytes are not in use) still hold all documents.
 */
static void refuses_damaged_pages_and_leaves_them(void **state)
{
	const struct fixture *f = *state;
	struct store *store = must_open(f);
	char error[STORE_ERROR_MAX];
	unsigned int refused = 0, n;
	struct image good, bad;
	size_t at;

	fill(store, 600);
	store_close(store);
	good = read_image(f->path);
	for (at = 0; at + 4096 <= good.len; at += 4096) {
		bad = read_image(f->path);
		memset(bad.bytes + at, 0xa5, 200);
		write_image(f->path, &bad);
		free(bad.bytes);
		if (store_open(f->path, &store, error) == 0) {
			n = 0;
			assert_int_equal(store_load(store, count, &n), 0);
			assert_int_equal(n, 600);
			store_close(store);
		} else {
			assert_refused(f, -EBADMSG, "damaged");
			refused++;
		}
		write_image(f->path, &good);
	}
	assert_true(refused > 5);
	store = must_open(f);
	store_close(store);
	free(good.bytes);
}

static void a_document_that_is_no_object_fails_the_load(void **state)
{
	const struct fixture *f = *state;
	struct seen seen = {.n = 0};
	struct store *store;

	store_close(must_open(f));
	sql(f, "INSERT INTO document (key, body) VALUES ('a', '{\"value\":1}'), ('b', '[1')");
	store = must_open(f);
	assert_int_equal(store_load(store, note, &seen), -EBADMSG);
	assert_int_equal(seen.n, 1);
	store_close(store);
}

/* --- trouble while running ------------------------------------------------------ */

/*
 * No file may grow: what a full disk, a quota and a limit look like. In a child,
 * so that the limit does not outlive the test.
 */
static int disk_full(const struct fixture *f)
{
	struct rlimit limit = {0, 0};
	char text[1024], key[32];
	struct store *store;
	struct stat st;
	unsigned int i;
	int r;

	store = must_open(f);
	if (put(store, "kept", 1) != 0 || store_commit(store) != 0 || stat(f->wal, &st) < 0)
		return 1;
	signal(SIGXFSZ, SIG_IGN);
	limit.rlim_cur = (rlim_t)st.st_size + 1000;
	limit.rlim_max = RLIM_INFINITY;
	if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
		return 2;
	for (i = 0; i < 100; i++) {
		snprintf(key, sizeof(key), "lost/%u", i);
		if (put(store, key, 2) != 0)
			return 3;
	}
	if (store_commit(store) != -ENOSPC)
		return 4;
	if (strcmp(contents(store, text), "kept=1 ") != 0)
		return 5;
	if (put(store, "lost too", 3) != 0 || store_commit(store) != -ENOSPC)
		return 6;
	limit.rlim_cur = RLIM_INFINITY;
	if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
		return 7;
	r = put(store, "kept too", 4);
	if (r != 0 || store_commit(store) != 0)
		return 8;
	return strcmp(contents(store, text), "kept=1 kept too=4 ") == 0 ? 0 : 9;
}

static void a_full_disk_loses_the_commit_and_nothing_before(void **state)
{
	const struct fixture *f = *state;
	struct store *store;
	char text[1024];
	int status;
	pid_t pid;

	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(disk_full(f)); /* without closing: as if killed */
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	store = must_open(f);
	assert_string_equal(contents(store, text), "kept=1 kept too=4 ");
	store_close(store);
}

/* A put that failed takes the whole transaction with it, also when others follow. */
static void a_failed_put_fails_the_commit(void **state)
{
	const struct fixture *f = *state;
	struct store *store = must_open(f);
	json_t *loop = json_object();
	char text[1024];

	assert_int_equal(put(store, "a", 1), 0);
	assert_int_equal(store_commit(store), 0);
	assert_int_equal(put(store, "b", 1), 0);
	/* a document that contains itself cannot be written */
	assert_int_equal(json_object_set_new(loop, "inner", json_array()), 0);
	assert_int_equal(json_array_append(json_object_get(loop, "inner"), loop), 0);
	assert_int_equal(store_put(store, "c", loop), -ENOMEM);
	json_array_clear(json_object_get(loop, "inner"));
	json_decref(loop);
	assert_int_equal(put(store, "d", 1), -ENOMEM);
	assert_int_equal(store_commit(store), -ENOMEM);
	assert_string_equal(contents(store, text), "a=1 ");
	assert_int_equal(put(store, "e", 1), 0);
	assert_int_equal(store_commit(store), 0);
	assert_string_equal(contents(store, text), "a=1 e=1 ");
	store_close(store);
}

/* Commit and acknowledge until killed. */
static void commit_forever(const struct fixture *f, uint32_t first, int fd)
{
	struct store *store;
	char key[32];
	uint32_t i;

	store = must_open(f);
	for (i = first;; i++) {
		snprintf(key, sizeof(key), "key/%u", i);
		if (put(store, key, i) != 0 || put(store, "last", i) != 0 ||
		    store_commit(store) != 0 || write(fd, &i, sizeof(i)) != sizeof(i))
			_exit(1);
	}
}

struct check {
	uint32_t acknowledged;
	uint32_t keys;
	json_int_t last;
};

static int check_key(void *context, const char *key, json_t *document)
{
	json_int_t value = json_integer_value(json_object_get(document, "value"));
	struct check *check = context;

	if (strcmp(key, "last") == 0) {
		check->last = value;
		return 0;
	}
	assert_int_equal(strtoul(key + 4, NULL, 10), check->keys);
	assert_int_equal(value, check->keys);
	check->keys++;
	return 0;
}

static void holds_all_that_was_acknowledged_before_a_kill(void **state)
{
	const struct fixture *f = *state;
	struct check check = {.acknowledged = 0};
	struct store *store;
	unsigned int round;
	int status;

	srandom(20240607);
	for (round = 0; round < 12; round++) {
		uint32_t key, target = check.keys + 1 + (uint32_t)random() % 40;
		int fds[2];
		pid_t pid;

		assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0)
			commit_forever(f, check.keys, fds[1]);
		close(fds[1]);
		while (check.acknowledged < target &&
		       read(fds[0], &key, sizeof(key)) == sizeof(key))
			check.acknowledged = key + 1;
		usleep((useconds_t)random() % 2000); /* into the midst of a commit */
		kill(pid, SIGKILL);
		while (read(fds[0], &key, sizeof(key)) == sizeof(key))
			check.acknowledged = key + 1;
		close(fds[0]);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));

		store = must_open(f);
		check.keys = 0;
		check.last = -1;
		assert_int_equal(store_load(store, check_key, &check), 0);
		assert_true(check.keys >= check.acknowledged && check.keys >= target);
		/* both keys of a commit, or none of it */
		assert_int_equal(check.last, (json_int_t)check.keys - 1);
		store_close(store);
	}
	assert_true(check.keys > 100);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	static const struct CMUnitTest tests[] = {
		TEST(keeps_what_was_committed_and_nothing_else),
		TEST(loads_in_the_order_of_the_first_put),
		TEST(deletes_exactly_what_has_the_prefix),
		TEST(load_stops_where_the_visitor_says),
		TEST(is_private_to_its_owner),
		TEST(refuses_a_second_process_from_open_to_close),
		TEST(refuses_a_newer_version),
		TEST(refuses_the_databases_of_others),
		TEST(refuses_what_is_no_database),
		TEST(refuses_a_directory_and_a_place_it_may_not_use),
		TEST(refuses_damaged_pages_and_leaves_them),
		TEST(a_document_that_is_no_object_fails_the_load),
		TEST(a_full_disk_loses_the_commit_and_nothing_before),
		TEST(a_failed_put_fails_the_commit),
		TEST(holds_all_that_was_acknowledged_before_a_kill),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
