/* SPDX-License-Identifier: BSD-3-Clause */
#include "table_file.h"

#include "records.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define VIEWS_BESIDE_WORKERS 1 /* that count: the service thread's */
#define FILE_NAME "tables"
#define PLAIN_DIR "/run/sluice"
#define HUGE_DIR "/dev/hugepages" /* where systemd mounts a hugetlbfs */

static int fail_with(const struct table_file *file, int r, const char *what,
		     char error[ENGINE_ERROR_MAX])
{
	snprintf(error, ENGINE_ERROR_MAX, "%s %.150s: %s", what, file->path, strerror(-r));
	return r;
}

/* A file on a disk would outlive a reboot, and the clock that its flows are dated by. */
static int check_file_system(struct table_file *file, const char *dir,
			     enum engine_hugepages hugepages, char error[ENGINE_ERROR_MAX])
{
	struct statfs fs;

	if (fstatfs(file->fd, &fs) != 0)
		return fail_with(file, -errno, "the file system of", error);
	file->huge = fs.f_type == HUGETLBFS_MAGIC;
	file->page_bytes = (size_t)(file->huge ? fs.f_bsize : sysconf(_SC_PAGESIZE));
	if (!file->huge && hugepages == ENGINE_HUGEPAGES_ON) {
		snprintf(
			error, ENGINE_ERROR_MAX,
			"engine.dpdk.hugepages is \"on\", but engine.dpdk.table_dir %.80s is on no "
			"hugetlbfs; run `mount -t hugetlbfs none " HUGE_DIR "`",
			dir);
		return -EINVAL;
	}
	if (file->huge || fs.f_type == TMPFS_MAGIC)
		return 0;
	snprintf(error, ENGINE_ERROR_MAX,
		 "engine.dpdk.table_dir %.100s must be on a tmpfs or a hugetlbfs, as /run and "
		 "/dev/hugepages are",
		 dir);
	return -EINVAL;
}

static int lock(const struct table_file *file, int fd, char error[ENGINE_ERROR_MAX])
{
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno != EWOULDBLOCK)
		return fail_with(file, -errno, "locking", error);
	snprintf(error, ENGINE_ERROR_MAX, "another process holds the engine at %.150s", file->path);
	return -EBUSY;
}

/* Open and lock; again when the file was removed in between. */
static int open_locked(struct table_file *file, char error[ENGINE_ERROR_MAX])
{
	struct stat status;
	int fd, r;

	for (;;) {
		fd = open(file->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (fd < 0)
			return fail_with(file, -errno, "engine.dpdk.table_dir:", error);
		r = lock(file, fd, error);
		if (r == 0 && fstat(fd, &status) != 0)
			r = fail_with(file, -errno, "looking at", error);
		if (r == 0 && status.st_nlink != 0)
			break;
		close(fd);
		if (r < 0)
			return r;
	}
	file->fd = fd;
	file->bytes = (size_t)status.st_size;
	return 0;
}

static int map(struct table_file *file, char error[ENGINE_ERROR_MAX])
{
	/* populated, so that no worker waits for a page */
	void *memory = mmap(NULL, file->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
			    file->fd, 0);

	if (memory == MAP_FAILED) {
		int r = -errno;

		if (!file->huge)
			return fail_with(file, r, "mapping", error);
		snprintf(error, ENGINE_ERROR_MAX,
			 "%.60s needs %zu free huge pages of %zu KiB: %s; raise "
			 "/sys/kernel/mm/hugepages/hugepages-%zukB/nr_hugepages by as many",
			 file->path, file->bytes / file->page_bytes, file->page_bytes / 1024,
			 strerror(-r), file->page_bytes / 1024);
		return r;
	}
	file->memory = memory;
	if (!file->huge)
		madvise(memory, file->bytes, MADV_HUGEPAGE); /* where the tmpfs allows it */
	return 0;
}

static void unmap(struct table_file *file)
{
	if (file->memory != NULL)
		munmap(file->memory, file->bytes);
	file->memory = NULL;
}

static size_t rounded(const struct table_file *file, const struct sl_config *config)
{
	/* control, the last that counts, has no queue */
	size_t bytes = tables_bind_block(NULL, config, NULL) + (config->cpus - 1) * records_bytes();

	return (bytes + file->page_bytes - 1) / file->page_bytes * file->page_bytes;
}

static int create(struct table_file *file, const struct engine_config *settings, uint32_t cpus,
		  char error[ENGINE_ERROR_MAX])
{
	struct sl_config config, *place;
	int r = tables_plan(settings, cpus, &config, error);

	if (r < 0)
		return r;
	file->fresh = true;
	file->bytes = rounded(file, &config);
	/* emptied first: what a half-made file holds must not be taken for zeros */
	if (ftruncate(file->fd, 0) != 0 || ftruncate(file->fd, (off_t)file->bytes) != 0)
		return fail_with(file, -errno, "making", error);
	r = file->huge ? 0 : -posix_fallocate(file->fd, 0, (off_t)file->bytes);
	if (r < 0) {
		snprintf(error, ENGINE_ERROR_MAX,
			 "the flow table takes %zu MiB at %.120s: %s; lower engine.max_flows or "
			 "choose "
			 "another engine.dpdk.table_dir",
			 file->bytes >> 20, file->path, strerror(-r));
		return r;
	}
	r = map(file, error);
	if (r < 0)
		return r;
	place = file->memory;
	*place = config;
	place->magic = 0;
	__atomic_store_n(&place->magic, config.magic, __ATOMIC_RELEASE); /* now it is whole */
	return 0;
}

static int check(const struct table_file *file, const struct engine_config *settings, uint32_t cpus,
		 char error[ENGINE_ERROR_MAX])
{
	const struct sl_config *found = file->memory;
	int r;

	if (found->magic == SL_MAGIC && found->layout_version == SL_LAYOUT_VERSION &&
	    found->cpus != cpus + 1) { /* control's */
		snprintf(
			error, ENGINE_ERROR_MAX,
			"the tables that are kept are of %u workers, and engine.dpdk.workers names "
			"%u; name as many, or run `sluicectl shutdown --detach` first: flows are "
			"lost",
			found->cpus - 1 - VIEWS_BESIDE_WORKERS, cpus - VIEWS_BESIDE_WORKERS);
		return -EPROTO;
	}
	r = tables_check(found, settings, cpus, error);

	if (r < 0 || file->bytes >= rounded(file, found))
		return r;
	snprintf(error, ENGINE_ERROR_MAX, "%.150s is cut short; remove it: flows are lost",
		 file->path);
	return -EPROTO;
}

static int take_over(struct table_file *file, const struct engine_config *settings, uint32_t cpus,
		     char error[ENGINE_ERROR_MAX])
{
	const struct sl_config *found;
	int r;

	if (file->bytes < sizeof(*found))
		return create(file, settings, cpus, error);
	r = map(file, error);
	if (r < 0)
		return r;
	found = file->memory;
	if (found->magic != 0)
		return check(file, settings, cpus, error);
	unmap(file);
	return create(file, settings, cpus, error);
}

static int open_in(const char *dir, const struct engine_config *settings, uint32_t cpus,
		   struct table_file *file, char error[ENGINE_ERROR_MAX])
{
	int r;

	*file = (struct table_file){.fd = -1};
	if (snprintf(file->path, sizeof(file->path), "%s/" FILE_NAME, dir) >=
	    (int)sizeof(file->path))
		return fail_with(file, -ENAMETOOLONG, "engine.dpdk.table_dir:", error);
	if (mkdir(dir, 0700) != 0 && errno != EEXIST)
		return fail_with(file, -errno, "making the folder of", error);
	r = open_locked(file, error);
	if (r == 0)
		r = check_file_system(file, dir, settings->dpdk.hugepages, error);
	if (r == 0)
		r = take_over(file, settings, cpus, error);
	if (r < 0 && (file->fresh || (file->fd >= 0 && file->bytes == 0)))
		table_file_remove(file); /* the first error is told */
	return r;
}

/* Without a table_dir: huge pages where there are enough, unless flows lie elsewhere. */
static int open_somewhere(const struct engine_config *settings, uint32_t cpus,
			  struct table_file *file, char error[ENGINE_ERROR_MAX])
{
	enum engine_hugepages hugepages = settings->dpdk.hugepages;
	struct statfs fs;
	int r;

	if (hugepages == ENGINE_HUGEPAGES_ON)
		return open_in(HUGE_DIR "/sluice", settings, cpus, file, error);
	if (hugepages == ENGINE_HUGEPAGES_AUTO && access(PLAIN_DIR "/" FILE_NAME, F_OK) != 0 &&
	    statfs(HUGE_DIR, &fs) == 0 && fs.f_type == HUGETLBFS_MAGIC) {
		r = open_in(HUGE_DIR "/sluice", settings, cpus, file, error);
		if (r != -ENOMEM)
			return r;
		table_file_close(file);
	}
	return open_in(PLAIN_DIR, settings, cpus, file, error);
}

int table_file_open(const struct engine_config *settings, uint32_t n_workers,
		    struct table_file *ret_file, struct sl_tables *ret_tables,
		    char error[ENGINE_ERROR_MAX])
{
	uint32_t cpus = n_workers + VIEWS_BESIDE_WORKERS;
	const char *dir = settings->dpdk.table_dir;
	int r = dir[0] != '\0' ? open_in(dir, settings, cpus, ret_file, error)
			       : open_somewhere(settings, cpus, ret_file, error);

	if (r < 0)
		return r;
	ret_file->queues = (char *)ret_file->memory +
			   tables_bind_block(ret_tables, ret_file->memory, ret_file->memory);
	return 0;
}

void table_file_close(struct table_file *file)
{
	unmap(file);
	if (file->fd >= 0)
		close(file->fd);
	file->fd = -1;
}

int table_file_remove(struct table_file *file)
{
	char *name = strrchr(file->path, '/');
	int r = 0;

	if (unlink(file->path) != 0)
		return -errno;
	*name = '\0';
	if (rmdir(file->path) != 0 && errno != ENOTEMPTY && errno != EBUSY)
		r = -errno;
	*name = '/';
	return r;
}
