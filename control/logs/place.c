/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/logs/place.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PLACE_FILE "place.json"
#define PLACE_FILE_NEW "place.json.new"
#define DATE_DIGITS 8
#define PLACE_FILE_BYTES_MAX 16384

/* FNV-1a: to tell places of one load balancer apart. */
static uint64_t hash_text(uint64_t hash, const char *text)
{
	do {
		hash = (hash ^ (unsigned char)*text) * 0x100000001b3ull;
	} while (*text++ != '\0');
	return hash;
}

static struct place *allocate(void)
{
	struct place *place = calloc(1, sizeof(*place));

	if (place != NULL) {
		place->dir_fd = -1;
		place->until = UINT64_MAX;
		segment_init(&place->segment);
	}
	return place;
}

struct place *place_new(const struct logs_settings *settings,
			const struct logs_destination *destination)
{
	struct place *place = allocate();
	uint64_t hash = 0xcbf29ce484222325ull;

	if (place == NULL)
		return NULL;
	place->load_balancer_id = destination->load_balancer_id;
	snprintf(place->load_balancer, sizeof(place->load_balancer), "%s",
		 destination->load_balancer);
	snprintf(place->bucket, sizeof(place->bucket), "%s", destination->bucket);
	log_object_folder(settings, destination->prefix, place->folder);
	log_object_stem(settings, destination, place->stem);
	hash = hash_text(hash, place->bucket);
	hash = hash_text(hash, place->folder);
	hash = hash_text(hash, place->stem);
	snprintf(place->dir, sizeof(place->dir), "%016" PRIx64 "-%016" PRIx64,
		 place->load_balancer_id, hash);
	return place;
}

void place_free(struct place *place)
{
	if (place == NULL)
		return;
	segment_reset(&place->segment);
	if (place->dir_fd >= 0)
		close(place->dir_fd);
	free(place);
}

/* --- place.json --------------------------------------------------------------- */

static int write_place(const struct place *place)
{
	json_t *json;
	int fd, r = 0;

	json = json_pack("{s:s, s:s, s:s, s:s}", "LoadBalancer", place->load_balancer, "Bucket",
			 place->bucket, "Folder", place->folder, "Stem", place->stem);
	if (json == NULL)
		return -ENOMEM;
	fd = openat(place->dir_fd, PLACE_FILE_NEW, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0) {
		r = -errno;
		json_decref(json);
		return r;
	}
	errno = 0;
	if (json_dumpfd(json, fd, JSON_INDENT(1)) != 0)
		r = errno != 0 ? -errno : -ENOMEM;
	if (r == 0 && (fsync(fd) != 0 ||
		       renameat(place->dir_fd, PLACE_FILE_NEW, place->dir_fd, PLACE_FILE) != 0 ||
		       fsync(place->dir_fd) != 0))
		r = -errno;
	close(fd);
	json_decref(json);
	return r;
}

static bool copy_text(const json_t *json, const char *key, char *to, size_t size)
{
	const char *text = json_string_value(json_object_get(json, key));

	return text != NULL && strlen(text) < size && snprintf(to, size, "%s", text) > 0;
}

static int read_place(struct place *place)
{
	json_error_t error;
	json_t *json;
	int fd, r = -EBADMSG;

	fd = openat(place->dir_fd, PLACE_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? -EBADMSG : -errno;
	json = json_loadfd(fd, JSON_REJECT_DUPLICATES, &error);
	close(fd);
	if (copy_text(json, "LoadBalancer", place->load_balancer, sizeof(place->load_balancer)) &&
	    copy_text(json, "Bucket", place->bucket, sizeof(place->bucket)) &&
	    copy_text(json, "Folder", place->folder, sizeof(place->folder)) &&
	    copy_text(json, "Stem", place->stem, sizeof(place->stem)))
		r = 0;
	json_decref(json);
	return r;
}

int place_load(int spool_fd, const char *dir, struct place **ret_place)
{
	struct place *place;
	char *end;
	int r;

	if (strlen(dir) >= PLACE_DIR_MAX || !isxdigit((unsigned char)dir[0]))
		return -EBADMSG;
	place = allocate();
	if (place == NULL)
		return -ENOMEM;
	snprintf(place->dir, sizeof(place->dir), "%s", dir);
	place->load_balancer_id = strtoull(dir, &end, 16);
	place->dir_fd = openat(spool_fd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (*end != '-')
		r = -EBADMSG;
	else if (place->dir_fd < 0)
		r = errno == ENOTDIR || errno == ELOOP ? -EBADMSG : -errno;
	else
		r = read_place(place);
	if (r < 0) {
		place_free(place);
		return r;
	}
	*ret_place = place;
	return 0;
}

static int make_dir(struct place *place, int spool_fd)
{
	int r;

	if (place->dir_fd >= 0)
		return 0;
	if (mkdirat(spool_fd, place->dir, 0700) != 0 && errno != EEXIST)
		return -errno;
	place->dir_fd =
		openat(spool_fd, place->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (place->dir_fd < 0)
		return -errno;
	r = write_place(place);
	if (r == 0 && fsync(spool_fd) != 0)
		r = -errno;
	if (r < 0) { /* the next try begins anew */
		close(place->dir_fd);
		place->dir_fd = -1;
	}
	return r;
}

/* --- the segment --------------------------------------------------------------- */

static const char *segment_name(const struct segment *segment, char name[32])
{
	snprintf(name, 32, PLACE_OPEN_PREFIX "%" PRId64, segment->end_s);
	return name;
}

int place_open_segment(struct place *place, int spool_fd, int64_t now_ms, uint32_t interval_s)
{
	struct segment *segment = &place->segment;
	char name[32];
	int r;

	if (segment->fd >= 0)
		return 0;
	r = make_dir(place, spool_fd);
	if (r < 0)
		return r;
	segment->end_s = (now_ms / 1000 / interval_s + 1) * interval_s;
	segment->began_ms = now_ms;
	segment->fd = openat(place->dir_fd, segment_name(segment, name),
			     O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	return segment->fd < 0 ? -errno : 0;
}

void place_note_last(struct place *place, const struct segment_content *content)
{
	if (!content->has_last || (place->has_last && place->last_record >= content->last_record))
		return;
	place->has_last = true;
	place->last_record = content->last_record;
}

int place_adopt_segment(struct place *place, const char *name, uint64_t queue_id,
			uint32_t interval_s, struct segment_content *ret_content)
{
	struct segment *segment = &place->segment;
	char *end;
	int r;

	segment->end_s = strtoll(name + strlen(PLACE_OPEN_PREFIX), &end, 10);
	if (*end != '\0' || segment->end_s < 0)
		return -EBADMSG;
	segment->fd = openat(place->dir_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (segment->fd < 0)
		return -errno;
	r = segment_repair(segment->fd, true, queue_id, ret_content);
	if (r < 0)
		return r;
	segment->bytes = ret_content->bytes;
	segment->records = ret_content->records;
	segment->began_ms = (segment->end_s - interval_s) * 1000;
	segment->unsynced = true;
	place_note_last(place, ret_content);
	return 0;
}

/* --- finished files ------------------------------------------------------------- */

bool place_is_finished_name(const char *name)
{
	size_t len = strlen(name);

	return strspn(name, "0123456789") == DATE_DIGITS && name[DATE_DIGITS] == '.' && len > 16 &&
	       strcmp(name + len - strlen(".log.gz"), ".log.gz") == 0;
}

void place_free_file(struct spool_file *file)
{
	if (file == NULL)
		return;
	free((char *)file->upload.path);
	free((char *)file->upload.key);
	free(file);
}

struct spool_file *place_file(struct place *place, const char *spool_dir, const char *name)
{
	struct spool_file *file;
	char key[LOG_OBJECT_KEY_MAX];
	size_t len = strlen(spool_dir) + strlen(place->dir) + strlen(name) + 3;
	char *path;

	if (!place_is_finished_name(name))
		return NULL;
	file = calloc(1, sizeof(*file));
	if (file == NULL)
		return NULL;
	log_object_key(place->folder, name, name + DATE_DIGITS + 1, key);
	path = malloc(len);
	if (path == NULL) {
		free(file);
		return NULL;
	}
	file->place = place;
	snprintf(path, len, "%s/%s/%s", spool_dir, place->dir, name);
	file->upload.path = path;
	file->name = path + strlen(path) - strlen(name);
	file->upload.bucket = place->bucket;
	file->upload.key = strdup(key);
	if (file->upload.key == NULL) {
		place_free_file(file);
		return NULL;
	}
	return file;
}

/* Choose the name, and with it the key. */
static int finished_name(const struct place *place, int64_t now_ms, char name[NAME_MAX + 1])
{
	char random[LOG_OBJECT_RANDOM_BYTES], object[LOG_OBJECT_NAME_MAX],
		date[LOG_OBJECT_DATE_MAX];
	int r = log_object_random(random);

	if (r < 0)
		return r;
	log_object_date(now_ms / 1000, date);
	log_object_name(place->stem, place->segment.end_s, random, object);
	snprintf(name, NAME_MAX + 1, "%s.%s", date, object);
	return 0;
}

int place_finish(struct place *place, const char *spool_dir, int64_t now_ms,
		 struct spool_file **ret_file)
{
	struct segment *segment = &place->segment;
	struct spool_file *file = NULL;
	char from[32], name[NAME_MAX + 1];
	int r;

	segment_name(segment, from);
	if (segment->bytes == 0) {
		r = unlinkat(place->dir_fd, from, 0) == 0 ? 0 : -errno;
		goto finish;
	}
	r = finished_name(place, now_ms, name);
	if (r < 0)
		return r;
	file = place_file(place, spool_dir, name);
	if (file == NULL)
		return -ENOMEM;
	if (fdatasync(segment->fd) != 0 ||
	    renameat(place->dir_fd, from, place->dir_fd, name) != 0 || fsync(place->dir_fd) != 0) {
		r = -errno;
		place_free_file(file);
		return r;
	}
	file->upload.bytes = segment->bytes;
	file->records = segment->records;
	file->began_ms = segment->began_ms;
	place->files++;
finish:
	close(segment->fd);
	segment->fd = -1;
	segment->bytes = segment->records = 0;
	segment->unsynced = false;
	*ret_file = file;
	return r;
}

void place_remove_file(const struct spool_file *file)
{
	unlinkat(file->place->dir_fd, file->name, 0);
	file->place->files--;
}

void place_remove(struct place *place, int spool_fd)
{
	if (place->dir_fd < 0)
		return;
	unlinkat(place->dir_fd, PLACE_FILE, 0);
	unlinkat(place->dir_fd, PLACE_FILE_NEW, 0);
	unlinkat(spool_fd, place->dir, AT_REMOVEDIR);
}
