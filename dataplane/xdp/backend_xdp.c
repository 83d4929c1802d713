/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Backend xdp: maps and links are pinned below pin_dir, so that the kernel goes
 * on forwarding when this process is gone, and the next one takes over.
 */
#include "dataplane/backend.h"

#include "sl_xdp.skel.h"
#include "xdp_program.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define PATH_BYTES 4096
#define TABLE_PREFIX "sl_"
#define LINK_PREFIX "link_" /* pins of links: link_IFINDEX, which a new name does not change */
#define RECORDS_AT_ONCE 4096

struct link {
	unsigned int ifindex;
	int fd;
};

struct backend {
	struct xdp_program program;
	char pin_dir[PATH_BYTES / 2];
	enum engine_attach attach;
	int dir_fd; /* locked: one process holds an engine */
	bool fresh; /* no earlier process left tables */
	struct ring_buffer *ring;
	struct link links[ENGINE_MAX_INTERFACES];
	unsigned int n_links;
	/* of the running records() */
	unsigned int n_records;
	void (*flow_ended)(void *context, const struct sl_flow_record *record);
	void *context;
};

static int fail_with(char error[ENGINE_ERROR_MAX], int r, const char *what, const char *name)
{
	snprintf(error, ENGINE_ERROR_MAX, "%.60s%.120s: %.60s", what, name, strerror(-r));
	return r;
}

static const char *pin_path(const struct backend *backend, const char *prefix, const char *name,
			    char path[PATH_BYTES])
{
	snprintf(path, PATH_BYTES, "%s/%s%.255s", backend->pin_dir, prefix, name);
	return path;
}

/* --- pins ----------------------------------------------------------------- */

static int make_pin_dir(struct backend *backend, const char *name, char error[ENGINE_ERROR_MAX])
{
	struct statfs fs;
	bool made;
	int r;

	if (snprintf(backend->pin_dir, sizeof(backend->pin_dir), "%s", name) >=
	    (int)sizeof(backend->pin_dir))
		return fail_with(error, -ENAMETOOLONG, "pin_dir ", name);
	made = mkdir(backend->pin_dir, 0700) == 0;
	if (!made && errno != EEXIST) {
		r = -errno; /* EPERM: /sys/fs/bpf, and nothing is mounted there */
		snprintf(error, ENGINE_ERROR_MAX,
			 "pin_dir %.100s cannot be made: %s; is there a bpf file system? Run `mount "
			 "-t bpf bpf /sys/fs/bpf`",
			 name, strerror(-r));
		return r;
	}
	backend->dir_fd = open(backend->pin_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (backend->dir_fd < 0)
		return fail_with(error, -errno, "pin_dir ", name);
	if (fstatfs(backend->dir_fd, &fs) == 0 && fs.f_type == BPF_FS_MAGIC)
		return 0;
	if (made)
		rmdir(backend->pin_dir);
	snprintf(error, ENGINE_ERROR_MAX,
		 "pin_dir %.100s is not on a bpf file system; run `mount -t bpf bpf /sys/fs/bpf`",
		 name);
	return -EINVAL;
}

static int lock_pin_dir(const struct backend *backend, char error[ENGINE_ERROR_MAX])
{
	if (flock(backend->dir_fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno != EWOULDBLOCK)
		return fail_with(error, -errno, "locking pin_dir ", backend->pin_dir);
	snprintf(error, ENGINE_ERROR_MAX, "another process holds the engine at %.100s",
		 backend->pin_dir);
	return -EBUSY;
}

static bool is_attached(const struct backend *backend, const char *ifindex)
{
	for (unsigned int i = 0; i < backend->n_links; i++)
		if (backend->links[i].ifindex == strtoul(ifindex, NULL, 10))
			return true;
	return false;
}

/* Take a link off its interface at once, whoever else may hold it. */
static void detach_link(const char *path)
{
	int fd = bpf_obj_get(path);

	if (fd < 0)
		return;
	bpf_link_detach(fd);
	close(fd);
}

/* Remove our pins, or those alone of links that are none of @backend's any more. */
static int unpin(const struct backend *backend, bool old_links_only)
{
	DIR *dir = opendir(backend->pin_dir);
	const struct dirent *entry;
	char path[PATH_BYTES];
	int r = 0;

	if (dir == NULL)
		return -errno;
	while ((entry = readdir(dir)) != NULL) {
		const char *name = entry->d_name;
		bool is_link = strncmp(name, LINK_PREFIX, strlen(LINK_PREFIX)) == 0;

		if (!is_link && strncmp(name, TABLE_PREFIX, strlen(TABLE_PREFIX)) != 0)
			continue;
		if (old_links_only &&
		    (!is_link || is_attached(backend, name + strlen(LINK_PREFIX))))
			continue;
		pin_path(backend, "", name, path);
		if (is_link)
			detach_link(path);
		if (unlink(path) != 0)
			r = -errno;
	}
	closedir(dir);
	return r;
}

static int leave_nothing(const struct backend *backend, char error[ENGINE_ERROR_MAX])
{
	int r = unpin(backend, false);

	if (r < 0)
		return fail_with(error, r, "removing the pins at ", backend->pin_dir);
	/* it stays where others pin, too, or where a file system is mounted */
	if (rmdir(backend->pin_dir) != 0 && errno != ENOTEMPTY && errno != EBUSY)
		return fail_with(error, -errno, "removing ", backend->pin_dir);
	return 0;
}

/* Config of the pinned tables; its magic is 0 when there are none, or half-made ones. */
static int pinned_config(const struct backend *backend, struct sl_config *ret_config)
{
	char path[PATH_BYTES];
	void *memory;
	int fd;

	memset(ret_config, 0, sizeof(*ret_config));
	fd = bpf_obj_get(pin_path(backend, "", tables_name(TABLE_CONFIG), path));
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	memory = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (memory == MAP_FAILED)
		return -errno;
	memcpy(ret_config, memory, sizeof(*ret_config));
	munmap(memory, (size_t)sysconf(_SC_PAGESIZE));
	return 0;
}

static int choose_config(struct backend *backend, const struct engine_config *settings,
			 struct sl_config *ret_config, char error[ENGINE_ERROR_MAX])
{
	uint32_t cpus = (uint32_t)libbpf_num_possible_cpus();
	struct sl_config found;
	int r = pinned_config(backend, &found);

	if (r < 0)
		return fail_with(error, r, "the pinned tables at ", backend->pin_dir);
	if (found.magic != 0) {
		r = tables_check(&found, settings, cpus, error);
		*ret_config = found;
		return r;
	}
	backend->fresh = true;
	r = unpin(backend, false);
	if (r < 0)
		return fail_with(error, r, "half-made pins at ", backend->pin_dir);
	return tables_plan(settings, cpus, ret_config, error);
}

/* --- records -------------------------------------------------------------- */

static int record_received(void *context, void *data, size_t bytes)
{
	struct backend *backend = context;

	if (bytes >= sizeof(struct sl_flow_record) && backend->flow_ended != NULL)
		backend->flow_ended(backend->context, data);
	return ++backend->n_records == RECORDS_AT_ONCE ? -EAGAIN : 0;
}

static int xdp_records_fd(const struct backend *backend)
{
	return ring_buffer__epoll_fd(backend->ring);
}

static void xdp_records(struct backend *backend,
			void (*flow_ended)(void *context, const struct sl_flow_record *record),
			void *context)
{
	backend->flow_ended = flow_ended;
	backend->context = context;
	backend->n_records = 0;
	ring_buffer__consume(backend->ring);
}

/* --- open and close ------------------------------------------------------- */

static int warnings_only(enum libbpf_print_level level, const char *format, va_list arguments)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, format, arguments) : 0;
}

static void xdp_close(struct backend *backend)
{
	if (backend == NULL)
		return;
	ring_buffer__free(backend->ring);
	for (unsigned int i = 0; i < backend->n_links; i++)
		close(backend->links[i].fd);
	xdp_program_close(&backend->program);
	if (backend->dir_fd >= 0)
		close(backend->dir_fd);
	free(backend);
}

static int xdp_open(const struct engine_config *settings, struct backend **ret_backend,
		    struct sl_tables *ret_tables, bool *ret_taken_over,
		    char error[ENGINE_ERROR_MAX])
{
	struct backend *backend = calloc(1, sizeof(*backend));
	struct xdp_program_options options = {};
	struct sl_config config;
	int r;

	if (backend == NULL)
		return -ENOMEM;
	libbpf_set_print(warnings_only);
	backend->dir_fd = -1;
	backend->attach = settings->attach;
	r = make_pin_dir(backend, settings->pin_dir, error);
	if (r == 0)
		r = lock_pin_dir(backend, error);
	if (r == 0)
		r = choose_config(backend, settings, &config, error);
	if (r < 0)
		goto fail;
	options.config = &config;
	options.pin_dir = backend->pin_dir;
	r = xdp_program_load(&options, &backend->program, error);
	if (r < 0)
		goto fail;
	backend->ring = ring_buffer__new(bpf_map__fd(backend->program.skeleton->maps.sl_records),
					 record_received, backend, NULL);
	if (backend->ring == NULL) {
		r = fail_with(error, -errno, "the ring buffer of flow records", "");
		goto fail;
	}
	*ret_tables = backend->program.tables;
	*ret_taken_over = !backend->fresh;
	*ret_backend = backend;
	return 0;
fail:
	if (backend->fresh)
		leave_nothing(backend, (char[ENGINE_ERROR_MAX]){}); /* the first error is told */
	xdp_close(backend);
	return r;
}

/* --- attaching ------------------------------------------------------------ */

/* The link that an earlier process pinned, if it still is on this interface. */
static int pinned_link(const char *path, unsigned int ifindex)
{
	struct bpf_link_info info = {};
	__u32 bytes = sizeof(info);
	int fd = bpf_obj_get(path);

	if (fd < 0)
		return fd;
	if (bpf_obj_get_info_by_fd(fd, &info, &bytes) == 0 && info.xdp.ifindex == ifindex)
		return fd;
	close(fd); /* of an interface that is gone */
	return unlink(path) == 0 ? -ENOENT : -errno;
}

static int create_link(const struct backend *backend, int program_fd, unsigned int ifindex)
{
	LIBBPF_OPTS(bpf_link_create_opts, options, .flags = XDP_FLAGS_DRV_MODE);
	int fd = -EOPNOTSUPP;

	if (backend->attach != ENGINE_ATTACH_GENERIC)
		fd = bpf_link_create(program_fd, (int)ifindex, BPF_XDP, &options);
	if (fd >= 0 || backend->attach == ENGINE_ATTACH_NATIVE || fd == -EBUSY)
		return fd;
	options.flags = XDP_FLAGS_SKB_MODE;
	return bpf_link_create(program_fd, (int)ifindex, BPF_XDP, &options);
}

static int attach_carrier(struct backend *backend, const struct port *port)
{
	int program_fd = bpf_program__fd(backend->program.skeleton->progs.sl_xdp);
	struct link *link = &backend->links[backend->n_links];
	char path[PATH_BYTES], ifindex[16];
	int r;

	snprintf(ifindex, sizeof(ifindex), "%u", port->carrier_index);
	if (is_attached(backend, ifindex)) /* it carries several VLANs */
		return 0;
	pin_path(backend, LINK_PREFIX, ifindex, path);
	link->fd = pinned_link(path, port->carrier_index);
	if (link->fd >= 0) {
		r = bpf_link_update(link->fd, program_fd, NULL);
	} else {
		link->fd = create_link(backend, program_fd, port->carrier_index);
		r = link->fd < 0 ? link->fd : bpf_obj_pin(link->fd, path);
	}
	if (r < 0) {
		if (link->fd >= 0)
			close(link->fd);
		return r;
	}
	link->ifindex = port->carrier_index;
	backend->n_links++;
	return 0;
}

static int xdp_start(struct backend *backend, const struct ports *ports,
		     char error[ENGINE_ERROR_MAX])
{
	int devices = bpf_map__fd(backend->program.skeleton->maps.sl_devices);
	int r = xdp_program_start_sweeping(&backend->program);

	if (r < 0)
		return fail_with(error, r, "the sweep of the flow table does not start", "");
	for (unsigned int i = 0; i < ports->n; i++) {
		__u32 number = ports->list[i].number, ifindex = ports->list[i].carrier_index;

		r = bpf_map_update_elem(devices, &number, &ifindex, BPF_ANY);
		if (r < 0)
			return fail_with(error, r, "cannot send by interface ",
					 ports->list[i].carrier);
	}
	for (unsigned int i = 0; i < ports->n; i++) {
		r = attach_carrier(backend, &ports->list[i]);
		if (r == -EBUSY || r == -EEXIST)
			return fail_with(error, r, "another XDP program is attached to ",
					 ports->list[i].carrier);
		if (r < 0)
			return fail_with(error, r, "XDP cannot be attached to ",
					 ports->list[i].carrier);
	}
	r = unpin(backend, true);
	return r < 0 ? fail_with(error, r, "links of other interfaces", "") : 0;
}

static int xdp_detach(struct backend *backend, char error[ENGINE_ERROR_MAX])
{
	int first = 0, r;

	for (unsigned int i = 0; i < backend->n_links; i++) {
		r = bpf_link_detach(backend->links[i].fd);
		if (r < 0 && first == 0)
			first = fail_with(error, r, "detaching from an interface", "");
	}
	r = leave_nothing(backend, first == 0 ? error : (char[ENGINE_ERROR_MAX]){});
	return first != 0 ? first : r;
}

static const char *xdp_mode(const struct backend *backend, const struct port *port)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);

	(void)backend;
	if (bpf_xdp_query((int)port->carrier_index, 0, &query) != 0)
		return "unknown";
	switch (query.attach_mode) {
	case XDP_ATTACHED_DRV:
		return "native";
	case XDP_ATTACHED_SKB:
		return "generic";
	case XDP_ATTACHED_HW:
		return "offloaded";
	default:
		return "detached";
	}
}

const struct backend_ops backend_xdp = {
	.kind = "xdp",
	.open = xdp_open,
	.start = xdp_start,
	.detach = xdp_detach,
	.close = xdp_close,
	.records_fd = xdp_records_fd,
	.records = xdp_records,
	.mode = xdp_mode,
};
