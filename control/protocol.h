/* SPDX-License-Identifier: BSD-3-Clause */
/* Protocol: of a listener or a target group, and which of them go together. All pure. */
#ifndef SLUICE_PROTOCOL_H
#define SLUICE_PROTOCOL_H

#include <stdbool.h>

enum protocol { PROTOCOL_TCP, PROTOCOL_UDP, PROTOCOL_TCP_UDP };

/** The API's name, as "TCP_UDP". */
const char *protocol_name(enum protocol protocol);

/** Returns 0, or -EINVAL when @name is none of the three. */
int protocol_parse(const char *name, enum protocol *ret_protocol);

/** Whether a listener of protocol @listener may forward to a group of protocol @group. */
bool protocol_fits(enum protocol listener, enum protocol group);

bool protocol_has_tcp(enum protocol protocol);
bool protocol_has_udp(enum protocol protocol);

/* All values of ProtocolEnum, as validation errors list them. */
#define PROTOCOL_ENUM "[HTTP, HTTPS, TCP, TLS, UDP, TCP_UDP, GENEVE, QUIC, TCP_QUIC]"

#endif
