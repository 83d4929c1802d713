/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Service: the thread beside the workers for all that makes system calls or
 * takes its time: packets between taps and workers, the sweep of the flow
 * table, the wake-up of the control thread, the links of the ports.
 */
#ifndef SLUICE_DPDK_SERVICE_H
#define SLUICE_DPDK_SERVICE_H

#include "device.h"
#include "records.h"
#include "tap.h"
#include "worker.h"

#include <pthread.h>

struct service_port_counters {
	uint64_t from_kernel;	      /* packets that the kernel sent */
	uint64_t from_kernel_dropped; /* no buffer was free */
	uint64_t to_kernel_dropped;   /* the kernel refused them */
};

struct service_port {
	struct device *device;
	struct tap *tap;
	bool up;
	struct service_port_counters counters;
};

struct service {
	struct sl_tables tables;
	struct sl_scratch scratch;
	struct record_queue records;
	struct service_port ports[ENGINE_MAX_INTERFACES];
	unsigned int n_ports;
	struct worker *workers;
	unsigned int n_workers;
	struct rte_mempool *pool;
	struct rte_ring *from_kernel; /* of the first worker */
	int records_fd;		      /* written when records wait */
	int wake_fd;		      /* written when from_kernel was filled; -1: nobody waits */
	int epoll_fd;
	const atomic_bool *stop;
	pthread_t thread;
	bool runs;
};

/** Start the thread; the fields above it are filled. Returns 0 or what the kernel said. */
int service_start(struct service *service);

/** Wait for its end, after *stop was set. One that does not run is fine. */
void service_join(struct service *service);

#endif
