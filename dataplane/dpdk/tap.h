/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tap: the interface by which the kernel sees a port. It has the port's MAC
 * address and MTU, so that routes, neighbours, ARP and ND of the kernel are
 * those of the port; what the kernel sends by it leaves by the port.
 *
 * Taps are persistent: addresses, routes and neighbours live while no process
 * serves them. Opening and closing are one thread's; tap_read(), tap_write() and
 * tap_set_carrier() another's.
 */
#ifndef SLUICE_DPDK_TAP_H
#define SLUICE_DPDK_TAP_H

#include "dataplane/engine.h"
#include "dataplane/interface.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct tap {
	char name[IF_NAMESIZE];
	int fd; /* does not block; -1: none */
	unsigned int ifindex;
};

/**
 * Make the tap @port->interface, or take over the one that is there, give it its
 * addresses, and bring it up.
 *
 * Returns 0, -EBUSY (another process holds it), -EINVAL (an interface of that
 * name is no tap), or what the kernel said, with a sentence in @error.
 */
int tap_open(const struct engine_dpdk_port *port, const uint8_t mac[INTERFACE_MAC_LEN],
	     struct tap *ret_tap, char error[ENGINE_ERROR_MAX]);

/** Close; the interface stays. */
void tap_close(struct tap *tap);

/** Close, and take the interface away if tap_open() of whichever process made it. */
int tap_remove(struct tap *tap);

/** Read one frame. Returns its bytes, -EAGAIN when there is none, or what the kernel said. */
ssize_t tap_read(const struct tap *tap, void *frame, size_t room);

/** Give one frame to the kernel. Returns 0, -EAGAIN (no room) or what the kernel said, as -EIO
 *  when the interface is down. */
int tap_write(const struct tap *tap, const void *frame, size_t bytes);

/** Tell the kernel whether the port has a link. Returns 0 or what the kernel said. */
int tap_set_carrier(const struct tap *tap, bool up);

#endif
