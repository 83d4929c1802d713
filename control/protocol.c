/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/protocol.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

static const char *const names[] = {
	[PROTOCOL_TCP] = "TCP",
	[PROTOCOL_UDP] = "UDP",
	[PROTOCOL_TCP_UDP] = "TCP_UDP",
};

const char *protocol_name(enum protocol protocol)
{
	return names[protocol];
}

int protocol_parse(const char *name, enum protocol *ret_protocol)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i], name) == 0) {
			*ret_protocol = (enum protocol)i;
			return 0;
		}
	}
	return -EINVAL;
}

bool protocol_fits(enum protocol listener, enum protocol group)
{
	return listener == group || group == PROTOCOL_TCP_UDP;
}

bool protocol_has_tcp(enum protocol protocol)
{
	return protocol != PROTOCOL_UDP;
}

bool protocol_has_udp(enum protocol protocol)
{
	return protocol != PROTOCOL_TCP;
}
