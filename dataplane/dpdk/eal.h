/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * EAL: DPDK's own start and end, once a process. One thread, which is the same
 * afterwards: it keeps the CPUs it may run on.
 */
#ifndef SLUICE_DPDK_EAL_H
#define SLUICE_DPDK_EAL_H

#include "dataplane/engine.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define EAL_LAST_MAX 160

struct eal {
	FILE *log;
	char last[EAL_LAST_MAX]; /* what DPDK logged last, for an error text */
	bool started;
	bool hugepages;
	uint32_t workers[ENGINE_MAX_WORKERS]; /* CPU of each; worker i is lcore i + 1 */
	unsigned int n_workers;
};

/**
 * Check the workers' CPUs and start DPDK. It leaves no file behind, even when
 * the process is killed. What it logs goes to stderr.
 *
 * @memory_mib  what packets need; taken from huge pages unless the settings or
 *              their lack forbid it
 *
 * Returns 0, -EINVAL (a CPU that this process may not use, or one named twice),
 * -ENOMEM (huge pages were asked for and are not there) or what DPDK said, with
 * a sentence in @error.
 */
int eal_start(struct eal *eal, const struct engine_config *config, uint32_t memory_mib,
	      char error[ENGINE_ERROR_MAX]);

/** End DPDK; it cannot be started again in this process. */
void eal_stop(struct eal *eal);

/** Whether a device is on the PCI bus: its name begins with an address there. */
bool eal_is_pci(const char *device);

#endif
