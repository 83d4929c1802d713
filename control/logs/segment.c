/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/logs/segment.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

void segment_init(struct segment *segment)
{
	memset(segment, 0, sizeof(*segment));
	segment->fd = -1;
}

void segment_reset(struct segment *segment)
{
	if (segment->fd >= 0)
		close(segment->fd);
	free(segment->text);
	segment_init(segment);
}

bool segment_has_room(const struct segment *segment)
{
	return segment->text_bytes + LOG_LINE_MAX <= GZIP_MEMBER_TEXT_MAX;
}

int segment_add(struct segment *segment, struct log_line *formatter, const struct record *record,
		uint64_t number, const char *load_balancer)
{
	if (segment->text == NULL)
		segment->text = malloc(GZIP_MEMBER_TEXT_MAX);
	if (segment->text == NULL)
		return -ENOMEM;
	segment->text_bytes += log_line_format(formatter, record, load_balancer,
					       segment->text + segment->text_bytes);
	segment->text_records++;
	segment->text_last = number;
	return 0;
}

static int write_at(int fd, const char *bytes, size_t len, uint64_t offset)
{
	while (len > 0) {
		ssize_t n = pwrite(fd, bytes, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		bytes += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

int segment_write(struct segment *segment, struct gzip_compressor *compressor, uint64_t queue_id)
{
	struct gzip_member member = {
		.records = segment->text_records,
		.queue_id = queue_id,
		.last_record = segment->text_last,
	};
	char out[GZIP_MEMBER_MAX];
	int r;

	if (segment->text_bytes == 0)
		return 0;
	gzip_member_write(compressor, segment->text, segment->text_bytes, &member, out);
	r = write_at(segment->fd, out, member.bytes, segment->bytes);
	if (r < 0) {
		/* or the next member would stand behind a torn one; recovery does the same */
		return ftruncate(segment->fd, (off_t)segment->bytes) == 0 ? r : -errno;
	}
	segment->bytes += member.bytes;
	segment->records += member.records;
	segment->unsynced = true;
	segment->text_bytes = 0;
	segment->text_records = 0;
	return 0;
}

/* Walk the members; stops in front of the first bad one. Returns 0 or -ENOMEM. */
static int walk(const unsigned char *file, size_t len, bool whole, uint64_t queue_id, void *room,
		struct segment_content *content)
{
	struct gzip_member member;
	size_t at = 0;
	int r = 0;

	*content = (struct segment_content){};
	while (at < len && gzip_member_peek(file + at, len - at, &member) == 0) {
		r = member.bytes > len - at ? -EBADMSG : 0;
		if (r == 0 && whole)
			r = gzip_member_check(file + at, len - at, room);
		if (r < 0) {
			content->cut_records = member.records;
			break;
		}
		at += member.bytes;
		content->records += member.records;
		if (member.queue_id == queue_id) {
			content->has_last = true;
			content->last_record = member.last_record;
		}
	}
	content->bytes = at;
	content->cut_bytes = len - at;
	return r == -ENOMEM ? r : 0;
}

int segment_repair(int fd, bool whole, uint64_t queue_id, struct segment_content *ret_content)
{
	struct segment_content content = {};
	struct stat stat;
	unsigned char *file;
	void *room;
	int r;

	if (fstat(fd, &stat) != 0)
		return -errno;
	if (stat.st_size == 0) {
		*ret_content = content;
		return 0;
	}
	room = malloc(GZIP_MEMBER_TEXT_MAX);
	if (room == NULL)
		return -ENOMEM;
	file = mmap(NULL, (size_t)stat.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (file == MAP_FAILED) {
		free(room);
		return -errno;
	}
	r = walk(file, (size_t)stat.st_size, whole, queue_id, room, &content);
	if (r == 0 && !whole && content.cut_bytes > 0)
		r = walk(file, (size_t)stat.st_size, true, queue_id, room, &content);
	munmap(file, (size_t)stat.st_size);
	free(room);
	if (r == 0 && content.cut_bytes > 0 &&
	    (ftruncate(fd, (off_t)content.bytes) != 0 || fsync(fd) != 0))
		r = -errno;
	*ret_content = content;
	return r;
}
