/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VIP table: writes the address table that packets are looked up in: listeners
 * by address, port and protocol; our own and the targets' addresses. One
 * writer; readers need no lock, an entry is whole before it can be found.
 */
#ifndef SLUICE_VIP_TABLE_H
#define SLUICE_VIP_TABLE_H

#include "address.h"
#include "flat.h"

struct vip_table;

struct vip_key {
	struct in6_addr address;
	uint16_t port;	  /* 0 with protocol 0: the bare address */
	uint8_t protocol; /* IPPROTO_TCP, IPPROTO_UDP or 0 */
};

/** Write to @tables, which are borrowed; entries that are there stay, without users. Returns 0 or
 *  -ENOMEM. */
int vip_table_open(struct sl_tables *tables, struct vip_table **ret_table);
void vip_table_close(struct vip_table *table); /* entries stay; NULL is fine */

/** The entry of a key, or NULL. Owned by the table, good until it is removed. */
struct sl_vip *vip_table_find(struct vip_table *table, const struct vip_key *key);

/**
 * Add an entry, or change what the entry of this key says.
 *
 * @kind, @listener, @zone  see struct sl_vip
 *
 * Returns 0 or -ENOSPC.
 */
int vip_table_put(struct vip_table *table, const struct vip_key *key, enum sl_vip_kind kind,
		  uint16_t listener, uint8_t zone);

/** Remove an entry; 0 or -ENOENT. */
int vip_table_remove(struct vip_table *table, const struct vip_key *key);

/** One user more or less of a bare address of @kind; the entry goes with the last one. 0,
 *  -ENOSPC or -ENOENT. */
int vip_table_hold(struct vip_table *table, const struct in6_addr *address, enum sl_vip_kind kind,
		   uint8_t zone);
int vip_table_release(struct vip_table *table, const struct in6_addr *address);

/** Remove bare addresses that have no users: after tables were taken over. */
void vip_table_purge(struct vip_table *table);

/** An entry's address. */
struct in6_addr vip_table_address(const struct sl_vip *vip);

/** An address in the form of the tables: 4 words, IPv4 in the first. Returns whether it is IPv6. */
bool vip_table_words(const struct in6_addr *address, __be32 words[4]);
/** And back. */
struct in6_addr vip_table_from_words(bool v6, const __be32 *words);

#endif
