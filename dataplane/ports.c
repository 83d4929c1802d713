/* SPDX-License-Identifier: BSD-3-Clause */
#include "ports.h"

#include "interface.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct position { /* where a port stands: on which device, behind which tags */
	unsigned int carrier;
	uint16_t vlan[SL_MAX_VLAN_TAGS];
	bool veth;
};

/* Follow VLAN sub-interfaces down to the device that carries them. */
static int position_of(const struct interface *link, struct position *ret_position)
{
	struct position position = {.carrier = link->index};
	struct interface below = *link;
	char name[IF_NAMESIZE];

	while (below.vlan_id != 0) {
		int r;

		if (position.vlan[SL_MAX_VLAN_TAGS - 1] != 0 || below.parent_index == 0)
			return -ENOTSUP;
		position.vlan[1] = position.vlan[0];
		position.vlan[0] = below.vlan_id;
		if (if_indextoname(below.parent_index, name) == NULL)
			return -errno;
		r = interface_describe(name, &below);
		if (r < 0)
			return r;
		position.carrier = below.index;
	}
	position.veth = below.veth;
	*ret_position = position;
	return 0;
}

static bool stands_at(const struct sl_port *port, const struct position *position)
{
	return port->ifindex == position->carrier && port->vlan[0] == position->vlan[0] &&
	       port->vlan[1] == position->vlan[1];
}

static int number_for(const struct sl_tables *tables, const struct position *position)
{
	uint32_t home = sl_port_home(position->carrier, position->vlan[0], position->vlan[1]);
	int free = -ENOSPC;

	for (uint32_t i = 0; i < SL_PORT_PROBES; i++) {
		uint32_t number = (home + i) % SL_MAX_PORTS;

		if (stands_at(&tables->ports[number], position))
			return (int)number;
		if (tables->ports[number].ifindex == 0 && free < 0)
			free = (int)number;
	}
	return free;
}

static void write_port(struct sl_port *record, const struct interface *link,
		       const struct position *position)
{
	memcpy(record->mac, link->mac, sizeof(record->mac));
	record->mtu = (__u16)(link->mtu > UINT16_MAX ? UINT16_MAX : link->mtu);
	record->up = link->up;
	record->redirect = position->veth;
	for (int i = 0; i < SL_MAX_VLAN_TAGS; i++)
		record->vlan[i] = position->vlan[i];
	SL_ORDER();
	SL_WRITE(record->ifindex, position->carrier);
}

static int port_open(struct ports *ports, const char *name)
{
	struct port *port = &ports->list[ports->n];
	struct position position;
	struct interface link;
	int r;

	r = interface_describe(name, &link);
	if (r == 0)
		r = position_of(&link, &position);
	if (r == 0)
		r = number_for(ports->tables, &position);
	if (r < 0)
		return r;
	port->number = (uint16_t)r;
	snprintf(port->name, sizeof(port->name), "%s", name);
	port->ifindex = link.index;
	port->carrier_index = position.carrier;
	if (if_indextoname(position.carrier, port->carrier) == NULL)
		return -errno;
	port->up = link.up;
	write_port(&ports->tables->ports[port->number], &link, &position);
	ports->n++;
	return 0;
}

static bool is_used(const struct ports *ports, uint32_t number)
{
	for (unsigned int i = 0; i < ports->n; i++)
		if (ports->list[i].number == number)
			return true;
	return false;
}

int ports_open(struct ports *ports, struct sl_tables *tables, const struct engine_config *config,
	       char error[ENGINE_ERROR_MAX])
{
	memset(ports, 0, sizeof(*ports));
	ports->tables = tables;
	for (unsigned int i = 0; i < config->n_interfaces; i++) {
		int r = port_open(ports, config->interfaces[i]);

		if (r < 0) {
			snprintf(error, ENGINE_ERROR_MAX, "interface %s: %s", config->interfaces[i],
				 r == -ENODEV ? "there is no such interface" : strerror(-r));
			return r;
		}
	}
	for (uint32_t number = 0; number < SL_MAX_PORTS; number++)
		if (!is_used(ports, number))
			memset(&tables->ports[number], 0, sizeof(struct sl_port));
	return 0;
}

void ports_refresh(struct ports *ports, void (*changed)(void *context, const char *what),
		   void *context)
{
	for (unsigned int i = 0; i < ports->n; i++) {
		struct port *port = &ports->list[i];
		struct sl_port *record = &ports->tables->ports[port->number];
		struct position position;
		struct interface link;
		char what[64];
		bool up;

		up = interface_describe(port->name, &link) == 0 && link.index == port->ifindex &&
		     link.up;
		if (up && position_of(&link, &position) == 0)
			write_port(record, &link, &position);
		record->up = up;
		if (up == port->up)
			continue;
		port->up = up;
		snprintf(what, sizeof(what), "interface %s is %s", port->name, up ? "up" : "down");
		changed(context, what);
	}
}

uint16_t ports_number(const struct ports *ports, unsigned int ifindex)
{
	for (unsigned int i = 0; i < ports->n; i++)
		if (ports->list[i].ifindex == ifindex)
			return ports->list[i].number;
	return SL_NONE;
}
