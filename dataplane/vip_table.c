/* SPDX-License-Identifier: BSD-3-Clause */
#include "vip_table.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct vip_table {
	struct sl_tables *tables;
	uint32_t *free; /* ring of free numbers, oldest first: an entry just removed rests longest */
	uint32_t n_free, head;
};

bool vip_table_words(const struct in6_addr *address, __be32 words[4])
{
	memset(words, 0, 4 * sizeof(*words));
	if (address_is_v4(address)) {
		words[0] = address_to_v4(address);
		return false;
	}
	memcpy(words, address, sizeof(*address));
	return true;
}

struct in6_addr vip_table_from_words(bool v6, const __be32 *words)
{
	struct in6_addr address;

	if (!v6)
		return address_from_v4(words[0]);
	memcpy(&address, words, sizeof(address));
	return address;
}

struct in6_addr vip_table_address(const struct sl_vip *vip)
{
	return vip_table_from_words(vip->family == 6, vip->address);
}

static struct sl_vip *find_record(struct sl_tables *tables, const struct sl_vip *vip)
{
	return sl_vip_find(tables, vip->family == 6, vip->address, vip->port, vip->protocol);
}

int vip_table_open(struct sl_tables *tables, struct vip_table **ret_table)
{
	struct vip_table *table = calloc(1, sizeof(*table));

	if (table == NULL)
		return -ENOMEM;
	table->tables = tables;
	table->free = calloc(tables->config->max_vips, sizeof(*table->free));
	if (table->free == NULL) {
		free(table);
		return -ENOMEM;
	}
	for (uint32_t i = 1; i < tables->config->max_vips; i++) { /* slot 0 means "empty" */
		struct sl_vip *vip = &tables->vips[i];

		vip->users = 0;
		if (vip->family != 0 && find_record(tables, vip) != vip)
			vip->family = 0; /* its writer died half-way */
		if (vip->family == 0)
			table->free[table->n_free++] = i;
	}
	*ret_table = table;
	return 0;
}

void vip_table_close(struct vip_table *table)
{
	if (table == NULL)
		return;
	free(table->free);
	free(table);
}

struct sl_vip *vip_table_find(struct vip_table *table, const struct vip_key *key)
{
	__be32 words[4];
	bool v6 = vip_table_words(&key->address, words);

	return sl_vip_find(table->tables, v6, words, htons(key->port), key->protocol);
}

/* The slot of a key's bucket that holds @number, or 0 for a free one; NULL: none. */
static __u32 *slot_of(struct vip_table *table, const struct vip_key *key, uint32_t number,
		      __u32 *ret_slot)
{
	const struct sl_config *config = table->tables->config;
	struct sl_bucket *bucket;
	__be32 words[4];
	bool v6 = vip_table_words(&key->address, words);
	__u64 hash = sl_vip_hash(config->seed, v6, words, htons(key->port), key->protocol);
	__u32 wanted = number == 0 ? 0 : (__u32)hash << SL_VIP_NUMBER_BITS | number;

	*ret_slot = (__u32)hash << SL_VIP_NUMBER_BITS;
	bucket = &table->tables->vip_buckets[(hash >> 32) * config->vip_buckets >> 32];
	for (int i = 0; i < SL_BUCKET_SLOTS; i++)
		if (bucket->slot[i] == wanted)
			return &bucket->slot[i];
	return NULL;
}

/* A reader sees family, zone and listener change at once. */
static void target_of_entry(struct sl_vip *vip, bool v6, uint16_t listener, uint8_t zone)
{
	typedef uint32_t __attribute__((may_alias)) whole;
	const struct sl_vip next = {.family = v6 ? 6 : 4, .zone = zone, .listener = listener};

	_Static_assert(offsetof(struct sl_vip, family) % sizeof(whole) == 0 &&
			       offsetof(struct sl_vip, listener) + sizeof(next.listener) ==
				       offsetof(struct sl_vip, family) + sizeof(whole),
		       "they stand in one word");
	SL_WRITE(*(whole *)&vip->family, *(const whole *)&next.family);
}

int vip_table_put(struct vip_table *table, const struct vip_key *key, enum sl_vip_kind kind,
		  uint16_t listener, uint8_t zone)
{
	struct sl_vip *vip = vip_table_find(table, key);
	uint32_t number;
	__u32 *slot, tag;
	bool v6;

	if (vip != NULL) {
		vip->kind = kind;
		target_of_entry(vip, vip->family == 6, listener, zone);
		return 0;
	}
	slot = slot_of(table, key, 0, &tag);
	if (slot == NULL || table->n_free == 0)
		return -ENOSPC;
	number = table->free[table->head];
	table->head = (table->head + 1) % table->tables->config->max_vips;
	table->n_free--;
	vip = &table->tables->vips[number];
	memset(vip, 0, sizeof(*vip));
	v6 = vip_table_words(&key->address, vip->address);
	vip->port = htons(key->port);
	vip->protocol = key->protocol;
	vip->kind = kind;
	target_of_entry(vip, v6, listener, zone);
	SL_ORDER();
	SL_WRITE(*slot, tag | number);
	return 0;
}

int vip_table_remove(struct vip_table *table, const struct vip_key *key)
{
	struct sl_vip *vip = vip_table_find(table, key);
	uint32_t number, place;
	__u32 *slot, tag;

	if (vip == NULL)
		return -ENOENT;
	number = (uint32_t)(vip - table->tables->vips);
	slot = slot_of(table, key, number, &tag);
	if (slot == NULL)
		return -ENOENT;
	SL_WRITE(*slot, 0);
	SL_ORDER();
	vip->family = 0;
	place = (table->head + table->n_free) % table->tables->config->max_vips;
	table->free[place] = number;
	table->n_free++;
	return 0;
}

int vip_table_hold(struct vip_table *table, const struct in6_addr *address, enum sl_vip_kind kind,
		   uint8_t zone)
{
	struct vip_key key = {.address = *address};
	struct sl_vip *vip = vip_table_find(table, &key);

	if (vip == NULL) {
		int r = vip_table_put(table, &key, kind, 0, zone);

		if (r < 0)
			return r;
		vip = vip_table_find(table, &key);
	} else if (kind == SL_VIP_OURS) { /* a target is a load balancer, too */
		vip->kind = SL_VIP_OURS;
		target_of_entry(vip, vip->family == 6, 0, zone);
	}
	vip->users++;
	return 0;
}

void vip_table_purge(struct vip_table *table)
{
	for (uint32_t i = 1; i < table->tables->config->max_vips; i++) {
		const struct sl_vip *vip = &table->tables->vips[i];
		struct vip_key key = {.address = vip_table_address(vip)};

		if (vip->family != 0 && vip->kind != SL_VIP_LISTENER && vip->users == 0)
			vip_table_remove(table, &key);
	}
}

int vip_table_release(struct vip_table *table, const struct in6_addr *address)
{
	struct vip_key key = {.address = *address};
	struct sl_vip *vip = vip_table_find(table, &key);

	if (vip == NULL || vip->users == 0)
		return -ENOENT;
	return --vip->users == 0 ? vip_table_remove(table, &key) : 0;
}
