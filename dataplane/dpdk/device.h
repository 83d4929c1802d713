/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Device: a port of the machine as DPDK drives it, with one receive and one
 * send queue for each worker. One thread opens, starts and closes.
 */
#ifndef SLUICE_DPDK_DEVICE_H
#define SLUICE_DPDK_DEVICE_H

#include "dataplane/engine.h"

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

struct rte_mempool;

#define DEVICE_NONE UINT16_MAX

struct device {
	uint16_t id;	 /* as DPDK numbers it; DEVICE_NONE: not open */
	uint16_t queues; /* of each direction */
	uint32_t mtu;
	char driver[32];	       /* "net_af_xdp" */
	char kernel_name[IF_NAMESIZE]; /* the interface it is driven through; "": none */
	uint8_t mac[6];
	uint64_t rx_offloads, tx_offloads; /* those in use */
	bool started;
};

/** Whether a device is software: it costs a core nothing to let it wait. */
bool device_is_virtual(const char *name);

/**
 * Memory for packets of these ports.
 *
 * @ret_mbufs  how many
 *
 * Returns their memory in MiB; settings->memory_mib, when set, decides.
 */
uint32_t device_memory_mib(const struct engine_dpdk *settings, unsigned int n_workers,
			   uint32_t *ret_mbufs);

/** Make the pool of @mbufs buffers, each of which holds the largest frame of any port in one
 *  segment. Returns NULL with rte_errno set. */
struct rte_mempool *device_pool(const struct engine_dpdk *settings, uint32_t mbufs);

/**
 * Find and configure a device.
 *
 * @what  "engine.dpdk.ports[0]", for errors
 *
 * Returns 0, -ENODEV (there is none of that name, or its driver refuses), -EINVAL (too few
 * queues, an MTU out of its range) or what DPDK said, with a sentence in @error.
 */
int device_open(const struct engine_dpdk_port *settings, const char *what, unsigned int n_queues,
		bool interrupts, struct rte_mempool *pool, struct device *ret_device,
		char error[ENGINE_ERROR_MAX]);

/** Let packets come and go. Returns 0 or what DPDK said. */
int device_start(struct device *device);

/** Whether a worker can wait for packets of a started device without looking for them; only after
 *  device_open() with interrupts. */
bool device_has_interrupts(const struct device *device);

/** Stop and close; one that is not open is fine. */
void device_close(struct device *device);

/** Whether frames can be sent and come in. May be called by another thread. */
bool device_link_is_up(const struct device *device);

/** Fill in what the device itself knows. */
void device_describe(const struct device *device, struct engine_device *ret_device);

#endif
