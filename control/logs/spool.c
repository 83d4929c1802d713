/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/logs/spool.h"

#include "control/logs/place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_FILE "lock"
#define TROUBLE_REPEAT_MS 60000 /* between warnings of the same trouble */

TAILQ_HEAD(file_list, spool_file);

struct spool {
	struct logs_settings settings;
	struct spool_events on;
	struct record_queue *queue;
	struct record_counters *counters;
	struct gzip_compressor *compressor;
	struct log_line formatter;
	int dir_fd, lock_fd;
	struct place *places; /* by dir */
	struct file_list files;
	uint64_t finished_bytes; /* of files */
	uint64_t next;		 /* record to take */
	int64_t written_ms, synced_ms;
	int64_t trouble_ms; /* when it was last told that the disk is in trouble; 0: it is not */
};

static void warn(struct spool *spool, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void warn(struct spool *spool, const char *format, ...)
{
	char text[SPOOL_ERROR_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	spool->on.warn(spool->on.context, text);
}

/* A failure that is tried again each turn, and told once a minute. */
static void trouble(struct spool *spool, int error, const char *what, int64_t now_ms)
{
	if (spool->trouble_ms != 0 && now_ms - spool->trouble_ms < TROUBLE_REPEAT_MS &&
	    now_ms >= spool->trouble_ms)
		return;
	spool->trouble_ms = now_ms;
	warn(spool,
	     "access logs: %s in %.300s: %s; records wait, and are dropped when their queue is "
	     "full",
	     what, spool->settings.spool_dir, strerror(-error));
}

/* --- finished files --------------------------------------------------------------- */

static void add_file(struct spool *spool, struct spool_file *file)
{
	struct spool_file *newest = TAILQ_LAST(&spool->files, file_list);

	while (newest != NULL && newest->began_ms > file->began_ms)
		newest = TAILQ_PREV(newest, file_list, link);
	if (newest == NULL)
		TAILQ_INSERT_HEAD(&spool->files, file, link);
	else
		TAILQ_INSERT_AFTER(&spool->files, newest, file, link);
	spool->finished_bytes += file->upload.bytes;
	spool->counters->spooled_files++;
}

static void remove_idle_place(struct spool *spool, struct place *place)
{
	if (place->current || place->files > 0 || place->segment.fd >= 0 ||
	    place->segment.text_bytes > 0)
		return;
	HASH_DEL(spool->places, place);
	place_remove(place, spool->dir_fd);
	place_free(place);
}

static void remove_file(struct spool *spool, struct spool_file *file)
{
	struct place *place = file->place;

	place_remove_file(file);
	TAILQ_REMOVE(&spool->files, file, link);
	spool->finished_bytes -= file->upload.bytes;
	spool->counters->spooled_files--;
	place_free_file(file);
	remove_idle_place(spool, place);
}

void spool_stored(struct spool *spool, struct upload *upload)
{
	spool->counters->uploads++;
	spool->counters->upload_bytes += upload->bytes;
	remove_file(spool, (struct spool_file *)upload);
}

static void finish(struct spool *spool, struct place *place, int64_t now_ms)
{
	struct spool_file *file = NULL;
	int r;

	if (place->segment.fd < 0)
		return;
	r = place_finish(place, spool->settings.spool_dir, now_ms, &file);
	if (r < 0)
		trouble(spool, r, "a log file cannot be finished", now_ms);
	if (r < 0 || file == NULL)
		return;
	add_file(spool, file);
	spool->on.finished(spool->on.context, &file->upload);
}

/* --- room --------------------------------------------------------------------------- */

static uint64_t bytes_on_disk(const struct spool *spool)
{
	uint64_t bytes = spool->finished_bytes;

	for (const struct place *place = spool->places; place != NULL; place = place->hh.next)
		bytes += place->segment.bytes;
	return bytes;
}

/* Give the oldest file up. Returns false when there is none. */
static bool drop_oldest(struct spool *spool, enum record_drop reason)
{
	struct spool_file *oldest = TAILQ_FIRST(&spool->files);

	if (oldest == NULL)
		return false;
	spool->counters->dropped_by_reader[reason] += oldest->records;
	warn(spool, "access logs: %s: %" PRIu64 " records dropped with %s",
	     record_drop_text(reason), oldest->records, oldest->upload.path);
	spool->on.dropped(spool->on.context, &oldest->upload);
	remove_file(spool, oldest);
	return true;
}

static void keep_to_limit(struct spool *spool, int64_t now_ms)
{
	struct place *place, *next;

	while (bytes_on_disk(spool) > spool->settings.spool_bytes_max) {
		if (drop_oldest(spool, RECORD_DROP_SPOOL_FULL))
			continue;
		HASH_ITER (hh, spool->places, place, next)
			finish(spool, place, now_ms);
		if (TAILQ_EMPTY(&spool->files))
			break;
	}
}

/* --- writing ------------------------------------------------------------------------- */

static int write_once(struct spool *spool, struct place *place, int64_t now_ms)
{
	int r = place_open_segment(place, spool->dir_fd, now_ms, spool->settings.interval_s);

	return r < 0 ? r
		     : segment_write(&place->segment, spool->compressor,
				     record_queue_id(spool->queue));
}

/* Write out what a place has collected. */
static int write_place(struct spool *spool, struct place *place, int64_t now_ms)
{
	uint32_t records = place->segment.text_records;
	int r;

	if (records == 0)
		return 0;
	do {
		r = write_once(spool, place, now_ms);
	} while (r == -ENOSPC && drop_oldest(spool, RECORD_DROP_DISK_FULL));
	if (r < 0) {
		trouble(spool, r, "log lines cannot be written", now_ms);
		return r;
	}
	spool->trouble_ms = 0;
	spool->counters->records += records;
	/* if finishing fails, the file grows: that is no reason to keep lines from it */
	if (place->segment.bytes >= spool->settings.file_bytes_max)
		finish(spool, place, now_ms);
	keep_to_limit(spool, now_ms);
	return 0;
}

/* Write out everything, so that what was taken can leave the queue. */
static void write_all(struct spool *spool, int64_t now_ms)
{
	struct place *place, *next;
	int failed = 0, r;

	HASH_ITER (hh, spool->places, place, next) {
		r = write_place(spool, place, now_ms);
		failed = r < 0 ? r : failed;
	}
	if (failed < 0)
		return;
	spool->written_ms = now_ms;
	record_queue_release(spool->queue, spool->next);
}

static void sync_all(struct spool *spool, int64_t now_ms)
{
	struct place *place, *next;

	spool->synced_ms = now_ms;
	HASH_ITER (hh, spool->places, place, next) {
		if (!place->segment.unsynced)
			continue;
		if (fdatasync(place->segment.fd) != 0)
			trouble(spool, -errno, "a log file cannot be synced", now_ms);
		else
			place->segment.unsynced = false;
	}
}

static bool is_over(const struct spool *spool, const struct place *place, int64_t now_ms)
{
	int64_t now_s = now_ms / 1000;

	return place->segment.fd >= 0 &&
	       (now_s >= place->segment.end_s ||
		place->segment.end_s - now_s > spool->settings.interval_s); /* clock set back */
}

static void finish_what_is_over(struct spool *spool, int64_t now_ms)
{
	struct place *place, *next;

	HASH_ITER (hh, spool->places, place, next) {
		if (!is_over(spool, place, now_ms) || write_place(spool, place, now_ms) < 0)
			continue;
		finish(spool, place, now_ms);
		remove_idle_place(spool, place);
	}
}

/* --- taking -------------------------------------------------------------------------- */

static struct place *place_of(const struct spool *spool, uint64_t load_balancer_id)
{
	for (struct place *place = spool->places; place != NULL; place = place->hh.next) {
		if (place->current && place->load_balancer_id == load_balancer_id)
			return place;
	}
	return NULL;
}

/* Returns 0, or an errno when the record must wait. */
static int take(struct spool *spool, const struct record *record, struct place *place,
		int64_t now_ms)
{
	int r = 0;

	if (place == NULL) {
		spool->counters->dropped_by_reader[RECORD_DROP_NO_DESTINATION]++;
		return 0;
	}
	if (place->has_last && spool->next <= place->last_record)
		return 0; /* stored before a crash */
	if (!segment_has_room(&place->segment))
		r = write_place(spool, place, now_ms);
	return r < 0 ? r
		     : segment_add(&place->segment, &spool->formatter, record, spool->next,
				   place->load_balancer);
}

static void count_bytes(struct spool *spool)
{
	const struct spool_file *oldest = TAILQ_FIRST(&spool->files);
	int64_t began_ms = oldest != NULL ? oldest->began_ms : 0;

	for (const struct place *place = spool->places; place != NULL; place = place->hh.next) {
		if (place->segment.fd >= 0 && (began_ms == 0 || place->segment.began_ms < began_ms))
			began_ms = place->segment.began_ms;
	}
	spool->counters->oldest_unsent_ms = (uint64_t)began_ms;
	spool->counters->spooled_bytes = bytes_on_disk(spool);
}

/* Places that were removed, when all records before that were taken. */
static void leave_places(struct spool *spool)
{
	struct place *place, *next;

	HASH_ITER (hh, spool->places, place, next) {
		if (!place->current || place->until > spool->next)
			continue;
		place->current = false;
		remove_idle_place(spool, place);
	}
}

unsigned int spool_take(struct spool *spool, uint64_t end, int64_t now_ms)
{
	struct place *place = NULL;
	unsigned int taken = 0;

	for (; spool->next < end && taken < SPOOL_TAKE_MAX; spool->next++, taken++) {
		const struct record *record = record_queue_at(spool->queue, spool->next);

		if (place == NULL || place->load_balancer_id != record->load_balancer_id)
			place = place_of(spool, record->load_balancer_id);
		if (take(spool, record, place, now_ms) < 0)
			break;
	}
	leave_places(spool);
	/* in small pieces when there is little, before the queue is full when there is much */
	if (now_ms - spool->written_ms >= SPOOL_WRITE_MS || now_ms < spool->written_ms ||
	    spool->next - record_queue_begin(spool->queue) >= record_queue_room(spool->queue) / 4)
		write_all(spool, now_ms);
	finish_what_is_over(spool, now_ms);
	if (now_ms - spool->synced_ms >= SPOOL_SYNC_MS || now_ms < spool->synced_ms)
		sync_all(spool, now_ms);
	count_bytes(spool);
	return taken;
}

/* --- destinations ---------------------------------------------------------------------- */

int spool_put(struct spool *spool, const struct logs_destination *destination)
{
	struct place *place, *known = NULL, *old = place_of(spool, destination->load_balancer_id);

	place = place_new(&spool->settings, destination);
	if (place == NULL)
		return -ENOMEM;
	HASH_FIND_STR(spool->places, place->dir, known);
	if (known == NULL) {
		HASH_ADD_STR(spool->places, dir, place);
		if (place->hh.tbl == NULL) {
			place_free(place);
			return -ENOMEM;
		}
		known = place;
	} else {
		place_free(place);
	}
	if (old != NULL && old != known)
		old->current = false;
	known->current = true;
	known->until = UINT64_MAX;
	return 0;
}

void spool_remove(struct spool *spool, uint64_t load_balancer_id)
{
	struct place *place = place_of(spool, load_balancer_id);

	if (place == NULL)
		return;
	/* what was queued before is still on its way */
	place->until = record_queue_end(spool->queue);
	leave_places(spool);
}

/* --- beginning and end ------------------------------------------------------------------ */

static void note_content(struct spool *spool, const struct place *place, const char *name,
			 const struct segment_content *content)
{
	if (content->cut_bytes == 0)
		return;
	/* what this queue holds still will be written again */
	if (!content->has_last)
		spool->counters->dropped_by_reader[RECORD_DROP_DAMAGED] += content->cut_records;
	warn(spool,
	     "access logs: %s/%s/%s was torn by a crash: cut %" PRIu64 " bytes behind %" PRIu64
	     " good records",
	     spool->settings.spool_dir, place->dir, name, content->cut_bytes, content->records);
}

static int adopt_file(struct spool *spool, struct place *place, const char *name)
{
	struct segment_content content;
	struct spool_file *file;
	struct stat stat;
	int fd, r;

	file = place_file(place, spool->settings.spool_dir, name);
	if (file == NULL)
		return -ENOMEM;
	fd = openat(place->dir_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	r = fd < 0 || fstat(fd, &stat) != 0
		    ? -errno
		    : segment_repair(fd, false, record_queue_id(spool->queue), &content);
	if (fd >= 0)
		close(fd);
	if (r < 0) {
		place_free_file(file);
		return r;
	}
	note_content(spool, place, name, &content);
	place_note_last(place, &content);
	file->upload.bytes = content.bytes;
	file->records = content.records;
	file->began_ms = (int64_t)stat.st_mtim.tv_sec * 1000;
	place->files++;
	add_file(spool, file);
	return 0;
}

/* An unreadable file is left alone, and told: it may be of use to somebody. */
static void adopt_entry(struct spool *spool, struct place *place, const char *name)
{
	struct segment_content content;
	int r;

	if (strncmp(name, PLACE_OPEN_PREFIX, strlen(PLACE_OPEN_PREFIX)) == 0) {
		r = place->segment.fd >= 0
			    ? -EEXIST
			    : place_adopt_segment(place, name, record_queue_id(spool->queue),
						  spool->settings.interval_s, &content);
		if (r == 0)
			note_content(spool, place, name, &content);
	} else if (place_is_finished_name(name)) {
		r = adopt_file(spool, place, name);
	} else {
		return;
	}
	if (r < 0)
		warn(spool, "access logs: %s/%s/%s cannot be read and stays: %s",
		     spool->settings.spool_dir, place->dir, name, strerror(-r));
}

static int each_entry(int dir_fd, struct spool *spool, struct place *place,
		      int (*visit)(struct spool *spool, struct place *place, const char *name))
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct dirent *entry;
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	int r = dir == NULL ? -errno : 0;

	if (dir == NULL && fd >= 0)
		close(fd);
	while (r == 0 && (entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] != '.')
			r = visit(spool, place, entry->d_name);
	}
	if (dir != NULL)
		closedir(dir);
	return r;
}

static int visit_file(struct spool *spool, struct place *place, const char *name)
{
	adopt_entry(spool, place, name);
	return 0;
}

static int visit_place(struct spool *spool, struct place *none, const char *name)
{
	struct place *place;
	int r = place_load(spool->dir_fd, name, &place);

	(void)none;
	if (r == -EBADMSG)
		return 0; /* the lock, or none of ours */
	if (r < 0)
		return r;
	HASH_ADD_STR(spool->places, dir, place);
	if (place->hh.tbl == NULL) {
		place_free(place);
		return -ENOMEM;
	}
	return each_entry(place->dir_fd, spool, place, visit_file);
}

static int lock(struct spool *spool)
{
	spool->lock_fd =
		openat(spool->dir_fd, LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (spool->lock_fd < 0)
		return -errno;
	if (flock(spool->lock_fd, LOCK_EX | LOCK_NB) != 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	return 0;
}

static void copy_zones(struct spool *spool)
{
	_Static_assert(sizeof(spool->formatter.zones) == sizeof(spool->settings.zones), "");
	log_line_init(&spool->formatter);
	memcpy(spool->formatter.zones, spool->settings.zones, sizeof(spool->settings.zones));
}

/* Tell of each file only when all are known: the uploader sends the oldest first. */
static void announce_files(struct spool *spool)
{
	struct spool_file *file;
	struct place *place, *next;

	TAILQ_FOREACH(file, &spool->files, link)
	spool->on.finished(spool->on.context, &file->upload);
	HASH_ITER (hh, spool->places, place, next)
		remove_idle_place(spool, place);
}

static void free_spool(struct spool *spool)
{
	struct spool_file *file;
	struct place *place, *next;

	if (spool == NULL)
		return;
	while ((file = TAILQ_FIRST(&spool->files)) != NULL) {
		TAILQ_REMOVE(&spool->files, file, link);
		place_free_file(file);
	}
	HASH_ITER (hh, spool->places, place, next) {
		HASH_DEL(spool->places, place);
		place_free(place);
	}
	gzip_compressor_close(spool->compressor);
	if (spool->lock_fd >= 0)
		close(spool->lock_fd);
	if (spool->dir_fd >= 0)
		close(spool->dir_fd);
	free(spool);
}

int spool_open(const struct logs_settings *settings, struct record_queue *queue,
	       const struct spool_events *events, struct spool **ret_spool,
	       char error[SPOOL_ERROR_MAX])
{
	struct spool *spool = calloc(1, sizeof(*spool));
	int r = -ENOMEM;

	if (spool == NULL)
		goto fail;
	spool->settings = *settings;
	spool->on = *events;
	spool->queue = queue;
	spool->counters = record_queue_counters(queue);
	spool->next = record_queue_begin(queue);
	spool->dir_fd = spool->lock_fd = -1;
	TAILQ_INIT(&spool->files);
	copy_zones(spool);
	spool->dir_fd = open(settings->spool_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = spool->dir_fd < 0 ? -errno : lock(spool);
	if (r == 0)
		r = gzip_compressor_open(&spool->compressor);
	spool->counters->spooled_files = 0;
	if (r == 0)
		r = each_entry(spool->dir_fd, spool, NULL, visit_place);
	if (r < 0)
		goto fail;
	announce_files(spool);
	count_bytes(spool);
	*ret_spool = spool;
	return 0;
fail:
	snprintf(error, SPOOL_ERROR_MAX, "the spool at %.300s: %s", settings->spool_dir,
		 r == -EBUSY ? "another sluice-logs has it" : strerror(-r));
	free_spool(spool);
	return r;
}

void spool_close(struct spool *spool)
{
	if (spool == NULL)
		return;
	write_all(spool, spool->written_ms);
	sync_all(spool, spool->synced_ms);
	free_spool(spool);
}
