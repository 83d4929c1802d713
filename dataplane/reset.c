/* SPDX-License-Identifier: BSD-3-Clause */
#include "reset.h"

#include <string.h>

/* Ethernet header and tags, for a packet to a next hop. Returns the bytes written. */
static uint32_t write_ethernet(unsigned char *frame, bool v6, const struct sl_port *port,
			       uint64_t hop)
{
	const unsigned int tags = (port->vlan[0] != 0) + (port->vlan[1] != 0);
	const __be16 type = v6 ? SL_BE16(SL_ETHERTYPE_IPV6) : SL_BE16(SL_ETHERTYPE_IPV4);
	struct sl_eth *eth = (void *)frame;
	struct sl_vlan *tag = (void *)(eth + 1);

	for (int i = 0; i < SL_MAC_BYTES; i++)
		eth->destination[i] = (__u8)(hop >> 8 * i);
	memcpy(eth->source, port->mac, sizeof(eth->source));
	eth->type = type;
	if (tags != 0)
		eth->type = SL_BE16(tags == 2 ? SL_ETHERTYPE_QINQ : SL_ETHERTYPE_VLAN);
	for (unsigned int i = 0; i < tags; i++) {
		tag[i].tci = SL_BE16(port->vlan[i]);
		tag[i].type = i + 1 < tags ? SL_BE16(SL_ETHERTYPE_VLAN) : type;
	}
	return (uint32_t)(sizeof(*eth) + tags * sizeof(*tag));
}

bool reset_build(struct sl_tables *tables, bool v6, const struct sl_flow_line *line, uint64_t hop,
		 struct reset *ret_reset)
{
	const struct sl_port *port = sl_hop_port(tables, hop);
	const __be32 *from = &line->address[SL_WORDS(v6)], *to = &line->address[0];
	struct reset *r = ret_reset;
	struct sl_tcp *tcp;
	uint64_t sum;
	void *ip;

	if (port == NULL || port->ifindex == 0 || !port->up)
		return false;
	r->ifindex = port->ifindex;
	r->length = write_ethernet(r->frame, v6, port, hop);
	ip = r->frame + r->length;
	r->length += v6 ? sizeof(struct sl_ipv6) : sizeof(struct sl_ipv4);
	tcp = (void *)(r->frame + r->length);
	r->length += sizeof(*tcp);
	if (v6)
		sl_ipv6_write(ip, sizeof(*tcp), SL_TCP, from, to);
	else
		sl_ipv4_write(ip, sizeof(struct sl_ipv4) + sizeof(*tcp), SL_TCP, *from, *to);
	*tcp = (struct sl_tcp){
		.sport = line->dport,
		.dport = line->sport,
		.seq = line->last_ack,
		.data_offset = sizeof(*tcp) / 4 << 4,
		.flags = SL_TCP_RST,
	};
	sum = sl_csum_pseudo(v6, from, to, sizeof(*tcp), SL_TCP);
	tcp->check = (__u16)~sl_csum_fold(sl_csum_words(sum, tcp, sizeof(*tcp) / 2));
	return true;
}
