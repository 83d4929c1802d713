/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Backend dpdk: workers take packets from ports that DPDK drives; a tap stands
 * for each port in the kernel. Packets are forwarded while this process lives;
 * its tables and taps stay for the next one.
 */
#include "dataplane/backend.h"

#include "device.h"
#include "eal.h"
#include "repair.h"
#include "service.h"
#include "table_file.h"
#include "tap.h"
#include "worker.h"

#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_mempool.h>
#include <rte_ring.h>
#include <urcu-qsbr.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define KERNEL_RING 1024 /* packets that wait for a tap or a worker */
#define RECORDS_AT_ONCE 4096

struct backend {
	const struct engine_dpdk *settings;
	struct eal eal;
	struct table_file file;
	struct rte_mempool *pool;
	struct device devices[ENGINE_MAX_INTERFACES];
	struct tap taps[ENGINE_MAX_INTERFACES];
	unsigned int n_ports; /* of which devices and taps were tried to open */
	enum engine_idle idle;
	struct worker *workers;
	unsigned int n_workers;
	struct rte_ring *from_kernel;
	struct service service;
	int records_fd, wake_fd;
	atomic_bool stop;
};

static int fail_with(char error[ENGINE_ERROR_MAX], int r, const char *what)
{
	snprintf(error, ENGINE_ERROR_MAX, "%s: %s", what, strerror(-r));
	return r;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* --- opening -------------------------------------------------------------- */

static enum engine_idle choose_idle(const struct engine_dpdk *settings)
{
	if (settings->idle != ENGINE_IDLE_AUTO)
		return settings->idle;
	for (unsigned int i = 0; i < settings->n_ports; i++)
		if (!device_is_virtual(settings->ports[i].device))
			return ENGINE_IDLE_POLL;
	return ENGINE_IDLE_SLEEP;
}

static int open_ports(struct backend *backend, char error[ENGINE_ERROR_MAX])
{
	bool interrupts = backend->idle == ENGINE_IDLE_INTERRUPT;

	for (unsigned int i = 0; i < backend->settings->n_ports; i++) {
		const struct engine_dpdk_port *settings = &backend->settings->ports[i];
		struct device *device = &backend->devices[i];
		char what[32];
		int r;

		backend->n_ports++;
		backend->taps[i].fd = -1;
		snprintf(what, sizeof(what), "engine.dpdk.ports[%u]", i);
		r = device_open(settings, what, backend->n_workers, interrupts, backend->pool,
				device, error);
		if (r == 0)
			r = tap_open(settings, device->mac, &backend->taps[i], error);
		if (r < 0)
			return r;
	}
	return 0;
}

static struct rte_ring *new_ring(const char *name, unsigned int number)
{
	char full[RTE_RING_NAMESIZE];

	snprintf(full, sizeof(full), "sluice_%s_%u", name, number);
	return rte_ring_create(full, KERNEL_RING, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
}

static int open_records(const struct backend *backend, unsigned int number,
			struct record_queue *queue, struct sl_tables *tables)
{
	void *memory = backend->file.queues + number * records_bytes();

	records_follow(queue, tables);
	return records_open(queue, memory, !backend->file.fresh, tables->pools);
}

static int open_worker(struct backend *backend, unsigned int number, const struct sl_tables *tables)
{
	struct worker *worker = &backend->workers[number];
	int r;

	worker->number = number;
	worker->tables = *tables;
	tables_count_on(&worker->tables, number);
	worker->tables.scratch = &worker->scratch;
	worker->idle = backend->idle;
	worker->wake_fd = backend->wake_fd;
	worker->stop = &backend->stop;
	r = open_records(backend, number, &worker->records, &worker->tables);
	if (r < 0)
		return r;
	worker->to_kernel = new_ring("to_kernel", number);
	worker->from_kernel = number == 0 ? backend->from_kernel : NULL;
	if (worker->to_kernel == NULL)
		return -rte_errno;
	worker->n_ports = backend->n_ports;
	for (unsigned int i = 0; i < backend->n_ports; i++) {
		struct worker_port *port = &worker->ports[i];

		port->device = backend->devices[i].id;
		port->ifindex = backend->taps[i].ifindex;
	}
	return 0;
}

static int open_service(struct backend *backend, const struct sl_tables *tables)
{
	struct service *service = &backend->service;

	service->tables = *tables;
	tables_count_on(&service->tables, backend->n_workers);
	service->tables.scratch = &service->scratch;
	service->n_ports = backend->n_ports;
	for (unsigned int i = 0; i < backend->n_ports; i++) {
		service->ports[i].device = &backend->devices[i];
		service->ports[i].tap = &backend->taps[i];
	}
	service->workers = backend->workers;
	service->n_workers = backend->n_workers;
	service->pool = backend->pool;
	service->from_kernel = backend->from_kernel;
	service->records_fd = backend->records_fd;
	service->wake_fd = backend->idle == ENGINE_IDLE_INTERRUPT ? backend->wake_fd : -1;
	service->epoll_fd = -1;
	service->stop = &backend->stop;
	return open_records(backend, backend->n_workers, &service->records, &service->tables);
}

static int open_threads(struct backend *backend, const struct sl_tables *tables)
{
	int r = 0;

	backend->records_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	backend->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (backend->records_fd < 0 || backend->wake_fd < 0)
		return -errno;
	backend->from_kernel = new_ring("from_kernel", 0);
	if (backend->from_kernel == NULL)
		return -rte_errno;
	backend->workers = aligned_alloc(
		RTE_CACHE_LINE_SIZE,
		RTE_ALIGN_CEIL(backend->n_workers * sizeof(struct worker), RTE_CACHE_LINE_SIZE));
	if (backend->workers == NULL)
		return -ENOMEM;
	memset(backend->workers, 0, backend->n_workers * sizeof(struct worker));
	for (unsigned int i = 0; r == 0 && i < backend->n_workers; i++)
		r = open_worker(backend, i, tables);
	if (r == 0)
		r = open_service(backend, tables);
	return r;
}

static void close_threads(struct backend *backend)
{
	for (unsigned int i = 0; backend->workers != NULL && i < backend->n_workers; i++)
		rte_ring_free(backend->workers[i].to_kernel);
	rte_ring_free(backend->from_kernel);
	free(backend->workers);
	if (backend->records_fd >= 0)
		close(backend->records_fd);
	if (backend->wake_fd >= 0)
		close(backend->wake_fd);
}

static void stop_threads(struct backend *backend)
{
	atomic_store(&backend->stop, true);
	rte_eal_mp_wait_lcore();
	service_join(&backend->service);
}

static void dpdk_close(struct backend *backend)
{
	if (backend == NULL)
		return;
	if (backend->eal.started) {
		stop_threads(backend);
		for (unsigned int i = 0; i < backend->n_ports; i++) {
			device_close(&backend->devices[i]);
			tap_close(&backend->taps[i]);
		}
		close_threads(backend);
		rte_mempool_free(backend->pool);
	}
	eal_stop(&backend->eal);
	table_file_close(&backend->file);
	free(backend);
}

/* Taps and file of a first start that failed. */
static void leave_nothing(struct backend *backend)
{
	for (unsigned int i = 0; i < backend->n_ports; i++)
		tap_remove(&backend->taps[i]);
	table_file_remove(&backend->file);
}

static int open_eal(struct backend *backend, const struct engine_config *config,
		    char error[ENGINE_ERROR_MAX])
{
	unsigned int n_workers = config->dpdk.n_workers != 0 ? config->dpdk.n_workers : 1;
	uint32_t mbufs, memory_mib = device_memory_mib(&config->dpdk, n_workers, &mbufs);
	int r = eal_start(&backend->eal, config, memory_mib, error);

	if (r < 0)
		return r;
	backend->n_workers = backend->eal.n_workers;
	backend->idle = choose_idle(&config->dpdk);
	backend->pool = device_pool(&config->dpdk, mbufs);
	return backend->pool != NULL ? 0 : fail_with(error, -rte_errno, "memory for packets");
}

static int dpdk_open(const struct engine_config *config, struct backend **ret_backend,
		     struct sl_tables *ret_tables, bool *ret_taken_over,
		     char error[ENGINE_ERROR_MAX])
{
	struct backend *backend = calloc(1, sizeof(*backend));
	unsigned int n_workers = config->dpdk.n_workers != 0 ? config->dpdk.n_workers : 1;
	struct sl_tables tables = {};
	int r;

	if (backend == NULL)
		return -ENOMEM;
	backend->settings = &config->dpdk;
	backend->records_fd = backend->wake_fd = -1;
	r = table_file_open(config, n_workers, &backend->file, &tables, error);
	if (r == 0)
		r = open_eal(backend, config, error);
	if (r == 0)
		r = open_ports(backend, error);
	if (r == 0) {
		r = open_threads(backend, &tables);
		if (r < 0)
			fail_with(error, r, "the workers' queues");
	}
	if (r == 0 && !backend->file.fresh) {
		r = repair_tables(&backend->service.tables);
		if (r < 0)
			fail_with(error, r, "the tables of the last run");
	}
	if (r < 0) {
		if (backend->file.fresh)
			leave_nothing(backend);
		dpdk_close(backend);
		return r;
	}
	*ret_tables = tables;
	*ret_taken_over = !backend->file.fresh;
	*ret_backend = backend;
	return 0;
}

/* --- running -------------------------------------------------------------- */

static int place_of(const struct backend *backend, unsigned int ifindex)
{
	for (unsigned int i = 0; i < backend->n_ports; i++)
		if (backend->taps[i].ifindex == ifindex)
			return (int)i;
	return -ENODEV;
}

/* Which port the packet path means by a number of the port table. */
static int map_ports(struct backend *backend, const struct ports *ports,
		     char error[ENGINE_ERROR_MAX])
{
	for (unsigned int i = 0; i < ports->n; i++) {
		const struct port *port = &ports->list[i];
		int place = place_of(backend, port->carrier_index);

		if (place < 0) {
			snprintf(error, ENGINE_ERROR_MAX,
				 "interface %s is none of engine.dpdk.ports, nor a VLAN on one",
				 port->name);
			return place;
		}
		for (unsigned int w = 0; w < backend->n_workers; w++)
			backend->workers[w].port_of[port->number] = (uint8_t)place;
	}
	return 0;
}

static int launch_workers(struct backend *backend)
{
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < backend->n_workers; i++) {
		struct worker *worker = &backend->workers[i];

		for (unsigned int p = 0; p < worker->n_ports; p++)
			worker->ports[p].gate = gate_open(
				backend->settings->kernel_pps / backend->n_workers, now_ns());
		r = rte_eal_remote_launch(worker_run, worker, i + 1);
	}
	return r;
}

static int dpdk_start(struct backend *backend, const struct ports *ports,
		      char error[ENGINE_ERROR_MAX])
{
	int r = map_ports(backend, ports, error);

	if (r < 0)
		return r;
	for (unsigned int i = 0; i < backend->n_ports; i++) {
		r = device_start(&backend->devices[i]);
		if (r < 0)
			return fail_with(error, r, backend->settings->ports[i].device);
		if (backend->idle != ENGINE_IDLE_INTERRUPT ||
		    device_has_interrupts(&backend->devices[i]))
			continue;
		snprintf(error, ENGINE_ERROR_MAX,
			 "engine.dpdk.idle is \"interrupt\", and the driver of ports[%u], %s, has "
			 "no "
			 "receive interrupts; make it \"poll\" or \"sleep\"",
			 i, backend->devices[i].driver);
		return -EINVAL;
	}
	r = service_start(&backend->service);
	if (r == 0)
		r = launch_workers(backend);
	return r == 0 ? 0 : fail_with(error, r, "the workers do not start");
}

static int dpdk_detach(struct backend *backend, char error[ENGINE_ERROR_MAX])
{
	int first = 0, r;

	stop_threads(backend);
	for (unsigned int i = 0; i < backend->n_ports; i++) {
		device_close(&backend->devices[i]);
		r = tap_remove(&backend->taps[i]);
		if (r < 0 && first == 0)
			first = fail_with(error, r, backend->taps[i].name);
	}
	r = table_file_remove(&backend->file);
	if (r < 0 && first == 0)
		first = fail_with(error, r, backend->file.path);
	return first;
}

static void dpdk_wait_for_readers(struct backend *backend)
{
	(void)backend;
	synchronize_rcu();
}

/* --- what it tells -------------------------------------------------------- */

static int dpdk_records_fd(const struct backend *backend)
{
	return backend->records_fd;
}

static void dpdk_records(struct backend *backend,
			 void (*flow_ended)(void *context, const struct sl_flow_record *record),
			 void *context)
{
	uint64_t wakes;

	/* first, so that what comes behind the last record taken wakes again */
	if (read(backend->records_fd, &wakes, sizeof(wakes)) < 0 && errno != EAGAIN)
		return;
	for (unsigned int i = 0; i < backend->n_workers; i++)
		records_take(&backend->workers[i].records, RECORDS_AT_ONCE, flow_ended, context);
	records_take(&backend->service.records, RECORDS_AT_ONCE, flow_ended, context);
}

static const char *dpdk_mode(const struct backend *backend, const struct port *port)
{
	int place = place_of(backend, port->carrier_index);

	return place < 0 ? "none" : backend->devices[place].driver;
}

static void describe_port(const struct backend *backend, unsigned int number,
			  struct engine_device *ret_device)
{
	const struct service_port_counters *service = &backend->service.ports[number].counters;

	snprintf(ret_device->name, sizeof(ret_device->name), "%s",
		 backend->settings->ports[number].device);
	snprintf(ret_device->interface, sizeof(ret_device->interface), "%s",
		 backend->taps[number].name);
	device_describe(&backend->devices[number], ret_device);
	for (unsigned int i = 0; i < backend->n_workers; i++) {
		const struct worker_port_counters *c = &backend->workers[i].ports[number].counters;

		ret_device->tx_dropped += c->tx_dropped;
		ret_device->too_long += c->segmented;
		ret_device->to_kernel += c->kernel_packets;
		ret_device->to_kernel_limited += c->kernel_limited;
		ret_device->kernel_dropped += c->kernel_overflow;
	}
	ret_device->from_kernel = service->from_kernel;
	ret_device->kernel_dropped += service->from_kernel_dropped + service->to_kernel_dropped;
}

static void dpdk_describe(const struct backend *backend, struct engine_info *info)
{
	static const char *const idle[] = {
		[ENGINE_IDLE_AUTO] = "auto",
		[ENGINE_IDLE_POLL] = "poll",
		[ENGINE_IDLE_SLEEP] = "sleep",
		[ENGINE_IDLE_INTERRUPT] = "interrupt",
	};
	struct engine_dpdk_info *dpdk = &info->dpdk;

	memcpy(dpdk->workers, backend->eal.workers, sizeof(dpdk->workers));
	dpdk->n_workers = backend->n_workers;
	dpdk->idle = idle[backend->idle];
	dpdk->huge_packets = backend->eal.hugepages;
	dpdk->huge_tables = backend->file.huge;
	dpdk->n_devices = backend->n_ports;
	for (unsigned int i = 0; i < backend->n_ports; i++)
		describe_port(backend, i, &dpdk->devices[i]);
}

const struct backend_ops backend_dpdk = {
	.kind = "dpdk",
	.open = dpdk_open,
	.start = dpdk_start,
	.detach = dpdk_detach,
	.close = dpdk_close,
	.records_fd = dpdk_records_fd,
	.records = dpdk_records,
	.mode = dpdk_mode,
	.describe = dpdk_describe,
	.wait_for_readers = dpdk_wait_for_readers,
};
