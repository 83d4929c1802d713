/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ports: the interfaces an engine serves, as the port table shows them to the
 * packet path. A VLAN sub-interface is a port on the device below it, its
 * carrier, which is the one that packets come in by. One thread.
 */
#ifndef SLUICE_PORTS_H
#define SLUICE_PORTS_H

#include "engine.h"
#include "flat.h"

#include <net/if.h>
#include <stdbool.h>

struct port {
	char name[IF_NAMESIZE];
	unsigned int ifindex; /* of the interface itself */
	char carrier[IF_NAMESIZE];
	unsigned int carrier_index;
	uint16_t number; /* in the port table */
	bool up;
};

struct ports {
	struct sl_tables *tables;
	struct port list[ENGINE_MAX_INTERFACES];
	unsigned int n;
};

/**
 * Look the interfaces up and enter them in the port table; ports in the table
 * that are none of them are taken out.
 *
 * Returns 0, or -ENODEV, -ENOSPC or what the kernel said, with a sentence in @error.
 */
int ports_open(struct ports *ports, struct sl_tables *tables, const struct engine_config *config,
	       char error[ENGINE_ERROR_MAX]);

/**
 * Look again: MAC addresses, MTUs and links may have changed.
 *
 * @changed  called with a sentence for each interface that went up or down
 */
void ports_refresh(struct ports *ports, void (*changed)(void *context, const char *what),
		   void *context);

/** Number of the port that is interface @ifindex, or SL_NONE. */
uint16_t ports_number(const struct ports *ports, unsigned int ifindex);

#endif
