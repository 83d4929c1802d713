/* SPDX-License-Identifier: BSD-3-Clause */
#define HASH_NONFATAL_OOM 1 /* an element that was not added has hh.tbl NULL */
#include "dataplane/neighbours.h"

#include <libmnl/libmnl.h>
#include <utlist.h>

#include <errno.h>
#include <linux/neighbour.h>
#include <stdlib.h>
#include <string.h>

#define HAS_MAC (NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY)

struct neighbour *neighbours_get(struct neighbours *neighbours, const struct neighbour_key *key)
{
	struct neighbour *neighbour;

	HASH_FIND(hh, neighbours->table, key, sizeof(*key), neighbour);
	if (neighbour != NULL)
		return neighbour;
	neighbour = calloc(1, sizeof(*neighbour));
	if (neighbour == NULL)
		return NULL;
	neighbour->key = *key;
	HASH_ADD(hh, neighbours->table, key, sizeof(neighbour->key), neighbour);
	if (neighbour->hh.tbl == NULL) {
		free(neighbour);
		return NULL;
	}
	return neighbour;
}

bool neighbour_is_resolved(const struct neighbour *neighbour)
{
	return neighbour->has_mac && (neighbour->state & HAS_MAC) != 0;
}

static void note_changed(struct neighbours *neighbours, struct neighbour *neighbour)
{
	if (neighbour->changed)
		return;
	neighbour->changed = true;
	DL_APPEND2(neighbours->changed, neighbour, changed_prev, changed_next);
}

static void update(struct neighbour *neighbour, const struct ndmsg *message,
		   const struct nlattr *const *table)
{
	const struct nlattr *mac = table[NDA_LLADDR], *flags = table[NDA_FLAGS_EXT];
	bool was_managed = neighbour->managed;

	neighbour->in_kernel = true;
	neighbour->state = message->ndm_state;
	neighbour->managed = flags != NULL && (mnl_attr_get_u32(flags) & NTF_EXT_MANAGED) != 0;
	neighbour->has_mac = mac != NULL && mnl_attr_get_payload_len(mac) == NEIGHBOUR_MAC_LEN;
	if (neighbour->has_mac)
		memcpy(neighbour->mac, mnl_attr_get_payload(mac), NEIGHBOUR_MAC_LEN);
	if (was_managed && !neighbour->managed)
		neighbour->asked = false;
}

static void gone(struct neighbour *neighbour)
{
	neighbour->in_kernel = neighbour->managed = neighbour->asked = neighbour->has_mac = false;
	neighbour->state = NUD_NONE;
}

int neighbours_take(struct neighbours *neighbours, const struct nlmsghdr *header)
{
	const struct ndmsg *message = mnl_nlmsg_get_payload(header);
	struct neighbour_key key = {.ifindex = (uint32_t)message->ndm_ifindex};
	const struct nlattr *table[NDA_MAX + 1];
	struct neighbour *neighbour;

	if ((message->ndm_family != AF_INET && message->ndm_family != AF_INET6) ||
	    (message->ndm_flags & NTF_PROXY) != 0)
		return 0;
	netlink_attributes(header, sizeof(*message), table, NDA_MAX);
	if (table[NDA_DST] == NULL ||
	    netlink_get_address(mnl_attr_get_payload(table[NDA_DST]),
				mnl_attr_get_payload_len(table[NDA_DST]), &key.address) < 0)
		return 0;
	if (header->nlmsg_type == RTM_NEWNEIGH) {
		neighbour = neighbours_get(neighbours, &key);
		if (neighbour == NULL)
			return -ENOMEM;
		update(neighbour, message, table);
	} else {
		HASH_FIND(hh, neighbours->table, &key, sizeof(key), neighbour);
		if (neighbour == NULL)
			return 0;
		gone(neighbour);
	}
	note_changed(neighbours, neighbour);
	return 0;
}

void neighbours_forget(struct neighbours *neighbours)
{
	struct neighbour *neighbour, *next;

	HASH_ITER(hh, neighbours->table, neighbour, next) {
		gone(neighbour);
		note_changed(neighbours, neighbour);
	}
}

/*
 * Make a neighbour managed, or no longer: then NTF_USE, the only other way to
 * change flags and leave state and MAC address alone, probes it once more.
 */
static int set_managed(struct neighbours *neighbours, const struct neighbour *neighbour,
		       bool managed)
{
	struct nlmsghdr *header;
	struct ndmsg *message;

	header = netlink_begin(neighbours->requests, RTM_NEWNEIGH,
			       NLM_F_ACK | NLM_F_REPLACE | (managed ? NLM_F_CREATE : 0),
			       sizeof(*message), &message);
	message->ndm_family = netlink_family(&neighbour->key.address);
	message->ndm_ifindex = (int)neighbour->key.ifindex;
	message->ndm_state = NUD_NONE;
	message->ndm_flags = managed ? 0 : NTF_USE;
	netlink_put_address(header, NDA_DST, &neighbour->key.address);
	if (managed)
		mnl_attr_put_u32(header, NDA_FLAGS_EXT, NTF_EXT_MANAGED);
	return netlink_request(neighbours->requests, NULL, NULL);
}

/*
 * When it fails the kernel's table is full or the link is gone. There is nothing
 * to be done then: packets of flows make the kernel try again, and the event of
 * its success leads here again.
 */
void neighbours_manage(struct neighbours *neighbours, struct neighbour *neighbour)
{
	if (neighbour->managed || neighbour->asked ||
	    (neighbour->state & (NUD_PERMANENT | NUD_NOARP)) != 0)
		return; /* managing a permanent entry would end its permanence */
	neighbour->asked = set_managed(neighbours, neighbour, true) == 0;
}

static void drop_unneeded(struct neighbours *neighbours, struct neighbour *neighbour)
{
	if (neighbour->in_kernel || neighbour->changed || neighbour->watches != NULL)
		return;
	HASH_DEL(neighbours->table, neighbour);
	free(neighbour);
}

void neighbours_release(struct neighbours *neighbours, struct neighbour *neighbour)
{
	if (neighbour->managed || neighbour->asked)
		(void)set_managed(neighbours, neighbour, false); /* or it is gone already */
	neighbour->asked = false;
	drop_unneeded(neighbours, neighbour);
}

struct neighbour *neighbours_next_changed(struct neighbours *neighbours)
{
	while (neighbours->changed != NULL) {
		struct neighbour *neighbour = neighbours->changed;

		neighbour->changed = false;
		DL_DELETE2(neighbours->changed, neighbour, changed_prev, changed_next);
		if (neighbour->watches != NULL) {
			neighbours_manage(neighbours, neighbour);
			return neighbour;
		}
		drop_unneeded(neighbours, neighbour);
	}
	return NULL;
}

void neighbours_clear(struct neighbours *neighbours)
{
	struct neighbour *neighbour, *next;

	HASH_ITER(hh, neighbours->table, neighbour, next) {
		HASH_DEL(neighbours->table, neighbour);
		free(neighbour);
	}
	neighbours->changed = NULL;
}
