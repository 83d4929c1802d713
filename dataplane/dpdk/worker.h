/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Worker: one thread on one CPU that takes bursts from its queue of each port,
 * runs them through the packet path, and sends them. While there are packets
 * it takes no lock, allocates nothing and makes no system call of its own.
 */
#ifndef SLUICE_DPDK_WORKER_H
#define SLUICE_DPDK_WORKER_H

#include "burst.h"
#include "gate.h"
#include "records.h"

#include "dataplane/engine.h"

#include <stdatomic.h>

struct rte_ring;
struct rte_mbuf;

#define WORKER_TX_ROOM (2 * BURST_MAX)

/* Written by the worker alone, read by anyone. */
struct worker_port_counters {
	uint64_t tx_dropped;	  /* the device took no more */
	uint64_t kernel_packets;  /* handed to the service thread */
	uint64_t kernel_limited;  /* above engine.dpdk.kernel_pps */
	uint64_t kernel_overflow; /* the service thread was too slow */
	uint64_t segmented;	  /* larger than the MTU, in several buffers */
};

struct worker_port {
	uint16_t device;  /* as DPDK numbers it */
	uint32_t ifindex; /* of its tap: how the tables name the port */
	struct gate gate;
	unsigned int n_tx;
	struct rte_mbuf *tx[WORKER_TX_ROOM];
	struct worker_port_counters counters;
};

struct worker {
	unsigned int number; /* and its queue on each port */
	struct sl_tables tables;
	struct sl_scratch scratch;
	struct record_queue records;
	struct worker_port ports[ENGINE_MAX_INTERFACES];
	unsigned int n_ports;
	uint8_t port_of[SL_MAX_PORTS]; /* number in the port table → place in ports[] */
	struct rte_ring *to_kernel;    /* mbuf->port: place in ports[] */
	struct rte_ring *from_kernel;  /* the same; NULL: another worker's task */
	enum engine_idle idle;	       /* never ENGINE_IDLE_AUTO */
	int wake_fd; /* ENGINE_IDLE_INTERRUPT: readable when from_kernel is filled */
	const atomic_bool *stop;
	unsigned int empty_rounds;
};

/** The worker's life, until *stop. To be launched on its lcore with a struct worker as
 *  @argument. Returns 0. */
int worker_run(void *argument);

#endif
