/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/logs/record_queue.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC 0x51726f6345656b31ull /* raised by a change of any layout */
#define HEADER_BYTES 4096

struct shared {
	uint64_t magic; /* written last when a queue is made */
	uint64_t id;
	uint32_t records, record_bytes;
	_Alignas(64) uint64_t end;   /* the writer's: records ever put */
	_Alignas(64) uint64_t begin; /* the reader's: records ever released */
	struct record_counters counters;
};
_Static_assert(sizeof(struct shared) <= HEADER_BYTES, "records begin behind it");

struct record_queue {
	int fd;
	bool owns_fd;
	uint32_t records; /* ours: the other side could change that in the shared memory */
	struct shared *shared;
	struct record *ring;
};

static size_t bytes_of(uint32_t records)
{
	return HEADER_BYTES + (size_t)records * sizeof(struct record);
}

static bool is_power_of_two(uint32_t n)
{
	return n != 0 && (n & (n - 1)) == 0;
}

static int map(struct record_queue *queue, uint32_t records)
{
	void *memory =
		mmap(NULL, bytes_of(records), PROT_READ | PROT_WRITE, MAP_SHARED, queue->fd, 0);

	if (memory == MAP_FAILED)
		return -errno;
	queue->records = records;
	queue->shared = memory;
	queue->ring = (struct record *)((unsigned char *)memory + HEADER_BYTES);
	return 0;
}

static void unmap(struct record_queue *queue)
{
	if (queue->shared != NULL)
		munmap(queue->shared, bytes_of(queue->records));
	queue->shared = NULL;
}

/* Map what is in the file. Returns -EBADMSG when that is no queue of this version. */
static int map_existing(struct record_queue *queue, off_t size)
{
	struct shared head;
	ssize_t n;

	n = pread(queue->fd, &head, sizeof(head), 0);
	if (n < 0)
		return -errno;
	if (n != sizeof(head) || head.magic != MAGIC ||
	    head.record_bytes != sizeof(struct record) || !is_power_of_two(head.records) ||
	    (off_t)bytes_of(head.records) != size)
		return -EBADMSG;
	return map(queue, head.records);
}

/* Whether the file may be made anew: it has nothing that anybody could want. */
static bool holds_nothing(struct record_queue *queue)
{
	return queue->shared == NULL || record_queue_end(queue) == record_queue_begin(queue);
}

static int make(struct record_queue *queue, uint32_t records)
{
	int r;

	unmap(queue);
	/* pages that cannot be had later would be a SIGBUS in the middle of a record */
	if (ftruncate(queue->fd, 0) != 0)
		return -errno;
	r = posix_fallocate(queue->fd, 0, (off_t)bytes_of(records));
	if (r != 0)
		return -r;
	r = map(queue, records);
	if (r < 0)
		return r;
	if (getrandom(&queue->shared->id, sizeof(queue->shared->id), 0) < 0)
		return -errno;
	queue->shared->records = records;
	queue->shared->record_bytes = sizeof(struct record);
	__atomic_store_n(&queue->shared->magic, MAGIC, __ATOMIC_RELEASE);
	return 0;
}

static int take_over_or_make(struct record_queue *queue, uint32_t records)
{
	struct stat stat;
	int r;

	if (flock(queue->fd, LOCK_EX | LOCK_NB) != 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	if (fstat(queue->fd, &stat) != 0)
		return -errno;
	r = stat.st_size == 0 ? -ENODATA : map_existing(queue, stat.st_size);
	/* zero where the magic goes: a killed process left it half made */
	if (r == -EBADMSG) {
		uint64_t magic = 1;

		if (pread(queue->fd, &magic, sizeof(magic), 0) != sizeof(magic) || magic != 0)
			return -EEXIST;
	} else if (r == 0 && (queue->records == records || !holds_nothing(queue))) {
		return 0;
	} else if (r < 0 && r != -ENODATA) {
		return r;
	}
	return make(queue, records);
}

int record_queue_open(const char *path, uint32_t records, struct record_queue **ret_queue,
		      char error[RECORD_QUEUE_ERROR_MAX])
{
	struct record_queue *queue = calloc(1, sizeof(*queue));
	int r = -ENOMEM;

	if (queue == NULL)
		goto fail;
	queue->owns_fd = true;
	queue->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	r = queue->fd < 0 ? -errno : take_over_or_make(queue, records);
	if (r < 0)
		goto fail;
	*ret_queue = queue;
	return 0;
fail:
	snprintf(error, RECORD_QUEUE_ERROR_MAX, "the queue of flow records at %.150s: %s", path,
		 r == -EBUSY	? "another process writes to it"
		 : r == -EEXIST ? "the file is no queue of this version; remove it"
				: strerror(-r));
	record_queue_close(queue);
	return r;
}

int record_queue_attach(int fd, struct record_queue **ret_queue)
{
	struct record_queue *queue = calloc(1, sizeof(*queue));
	struct stat stat;
	int r;

	if (queue == NULL)
		return -ENOMEM;
	queue->fd = fd;
	r = fstat(fd, &stat) != 0 ? -errno : map_existing(queue, stat.st_size);
	if (r < 0) {
		record_queue_close(queue);
		return r;
	}
	*ret_queue = queue;
	return 0;
}

void record_queue_close(struct record_queue *queue)
{
	if (queue == NULL)
		return;
	unmap(queue);
	if (queue->owns_fd && queue->fd >= 0)
		close(queue->fd);
	free(queue);
}

int record_queue_fd(const struct record_queue *queue)
{
	return queue->fd;
}

bool record_queue_put(struct record_queue *queue, const struct record *record)
{
	uint64_t end = queue->shared->end;

	/* a reader that claims to be ahead of us is taken as one that stands still */
	if (end - __atomic_load_n(&queue->shared->begin, __ATOMIC_ACQUIRE) >= queue->records) {
		queue->shared->counters.dropped_by_writer[RECORD_DROP_QUEUE_FULL]++;
		return false;
	}
	queue->ring[end & (queue->records - 1)] = *record;
	__atomic_store_n(&queue->shared->end, end + 1, __ATOMIC_RELEASE);
	return true;
}

uint64_t record_queue_end(const struct record_queue *queue)
{
	return __atomic_load_n(&queue->shared->end, __ATOMIC_ACQUIRE);
}

uint64_t record_queue_begin(const struct record_queue *queue)
{
	return queue->shared->begin;
}

const struct record *record_queue_at(const struct record_queue *queue, uint64_t number)
{
	return &queue->ring[number & (queue->records - 1)];
}

void record_queue_release(struct record_queue *queue, uint64_t number)
{
	__atomic_store_n(&queue->shared->begin, number, __ATOMIC_RELEASE);
}

uint64_t record_queue_id(const struct record_queue *queue)
{
	return queue->shared->id;
}

uint32_t record_queue_room(const struct record_queue *queue)
{
	return queue->records;
}

struct record_counters *record_queue_counters(struct record_queue *queue)
{
	return &queue->shared->counters;
}

static const struct {
	const char *name, *text;
} drops[RECORD_DROP_COUNT] = {
#define X(symbol, label, sentence) {label, sentence},
	RECORD_DROPS(X)
#undef X
};

const char *record_drop_name(enum record_drop reason)
{
	return drops[reason].name;
}

const char *record_drop_text(enum record_drop reason)
{
	return drops[reason].text;
}
