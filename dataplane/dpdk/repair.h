/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Repair: put flow tables right that a process left which was killed, maybe in
 * the middle of making or ending a flow.
 */
#ifndef SLUICE_DPDK_REPAIR_H
#define SLUICE_DPDK_REPAIR_H

#include "dataplane/flat.h"

/**
 * Take back flows that were half made or half ended, give every number that no
 * flow has back to the pool, and settle the counters with the flows that live.
 *
 * Nobody else may use the tables meanwhile. Looks at every flow number that was
 * ever used, in their order: some 50 ms for a million.
 *
 * @tables  a view that counts: what was not counted any more is counted there
 *
 * Returns how many flows were taken back, or -ENOMEM.
 */
int repair_tables(struct sl_tables *tables);

#endif
