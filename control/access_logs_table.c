/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/access_logs_table.h"

#include "control/model_logs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DELETED_MAX 64 /* deleted load balancers whose last flows are still logged */

struct access_logs_group {
	uint64_t id;
	char name[RECORD_GROUP_MAX];
	UT_hash_handle hh;
};

struct access_logs_place {
	uint64_t id; /* of the load balancer */
	struct logs_destination destination;
	bool seen;    /* in the sync that runs */
	bool dropped; /* to be taken back */
	bool told;
	UT_hash_handle hh;
};

struct sync {
	struct access_logs_table *table;
	uint64_t load_balancer_id;
};

/* Out of memory, an entry is missing until a later sync has it. */
#define ADD(head, entry)                          \
	do {                                      \
		HASH_ADD(hh, head, id, 8, entry); \
		if ((entry)->hh.tbl == NULL)      \
			free(entry);              \
	} while (0)

static void see_load_balancer(void *context, const struct logs_destination *destination)
{
	struct sync *sync = context;
	struct access_logs_place *place;

	sync->load_balancer_id = destination->load_balancer_id;
	HASH_FIND(hh, sync->table->places, &destination->load_balancer_id, 8, place);
	if (place == NULL) {
		place = calloc(1, sizeof(*place));
		if (place == NULL)
			return;
		place->id = destination->load_balancer_id;
		place->destination = *destination;
		place->seen = true;
		ADD(sync->table->places, place);
		return;
	}
	place->seen = true;
	if (place->dropped) {
		place->dropped = false;
		place->told = false;
	}
	if (memcmp(&place->destination, destination, sizeof(*destination)) == 0)
		return;
	place->destination = *destination;
	place->told = false;
}

static void see_listener(void *context, uint64_t id)
{
	struct sync *sync = context;
	struct access_logs_listener *listener;

	HASH_FIND(hh, sync->table->listeners, &id, 8, listener);
	if (listener != NULL)
		return;
	listener = calloc(1, sizeof(*listener));
	if (listener == NULL)
		return;
	listener->id = id;
	listener->load_balancer_id = sync->load_balancer_id;
	ADD(sync->table->listeners, listener);
}

static void see_group(void *context, uint64_t id, const char *name)
{
	struct sync *sync = context;
	struct access_logs_group *group;

	HASH_FIND(hh, sync->table->groups, &id, 8, group);
	if (group != NULL)
		return;
	group = calloc(1, sizeof(*group));
	if (group == NULL)
		return;
	group->id = id;
	snprintf(group->name, sizeof(group->name), "%s", name);
	ADD(sync->table->groups, group);
}

static void forget_listeners(struct access_logs_table *table)
{
	struct access_logs_listener *listener, *next;

	HASH_ITER (hh, table->listeners, listener, next) {
		HASH_DEL(table->listeners, listener);
		free(listener);
	}
}

static void forget_groups(struct access_logs_table *table)
{
	struct access_logs_group *group, *next;

	HASH_ITER (hh, table->groups, group, next) {
		HASH_DEL(table->groups, group);
		free(group);
	}
}

void access_logs_table_clear(struct access_logs_table *table)
{
	struct access_logs_place *place, *next;

	HASH_ITER (hh, table->places, place, next) {
		HASH_DEL(table->places, place);
		free(place);
	}
	forget_listeners(table);
	forget_groups(table);
}

/* --- following the model ---------------------------------------------------------------- */

/* Its records are wanted no more. What sluice-logs was told is taken back by the next tell(). */
static void drop_place(struct access_logs_table *table, struct access_logs_place *place)
{
	struct access_logs_listener *listener, *next;

	HASH_ITER (hh, table->listeners, listener, next) {
		if (listener->load_balancer_id != place->id)
			continue;
		HASH_DEL(table->listeners, listener);
		free(listener);
	}
	place->dropped = true;
	place->told = false;
}

/* What was not seen has its logs disabled now, or was deleted: then its last flows follow. */
static void look_at_unseen(struct access_logs_table *table, const struct model *model)
{
	struct access_logs_place *place, *next;
	unsigned int deleted = 0;

	HASH_ITER (hh, table->places, place, next)
		deleted += !place->seen && !place->dropped;
	HASH_ITER (hh, table->places, place, next) {
		if (place->seen || place->dropped)
			continue;
		if (deleted > DELETED_MAX || model_logs_has_load_balancer(model, place->id)) {
			drop_place(table, place);
			deleted--;
		}
	}
}

void access_logs_table_sync(struct access_logs_table *table, const struct model *model)
{
	struct sync sync = {.table = table};
	const struct model_logs_visitor visitor = {&sync, see_load_balancer, see_listener,
						   see_group};
	struct access_logs_place *place, *next;

	if (HASH_COUNT(table->listeners) > ACCESS_LOGS_TABLE_MAX)
		forget_listeners(table);
	if (HASH_COUNT(table->groups) > ACCESS_LOGS_TABLE_MAX)
		forget_groups(table);
	HASH_ITER (hh, table->places, place, next)
		place->seen = false;
	model_logs_visit(model, &visitor);
	look_at_unseen(table, model);
}

bool access_logs_table_is_empty(const struct access_logs_table *table)
{
	return table->places == NULL;
}

const struct access_logs_listener *access_logs_table_listener(const struct access_logs_table *table,
							      uint64_t id)
{
	struct access_logs_listener *listener;

	HASH_FIND(hh, table->listeners, &id, 8, listener);
	return listener;
}

void access_logs_table_group(const struct access_logs_table *table, uint64_t id,
			     char name[RECORD_GROUP_MAX])
{
	struct access_logs_group *group;

	HASH_FIND(hh, table->groups, &id, 8, group);
	if (group != NULL)
		memcpy(name, group->name, RECORD_GROUP_MAX);
	else
		memset(name, 0, RECORD_GROUP_MAX);
}

/* --- telling ------------------------------------------------------------------------------ */

int access_logs_table_tell(struct access_logs_table *table,
			   int (*send)(void *context, enum logs_message_type type,
				       const struct logs_destination *destination),
			   void *context)
{
	struct access_logs_place *place, *next;
	int r;

	HASH_ITER (hh, table->places, place, next) {
		if (place->told)
			continue;
		r = send(context, place->dropped ? LOGS_REMOVE : LOGS_PUT, &place->destination);
		if (r < 0)
			return r;
		place->told = true;
		if (place->dropped) {
			HASH_DEL(table->places, place);
			free(place);
		}
	}
	return 0;
}

void access_logs_table_forget_told(struct access_logs_table *table)
{
	struct access_logs_place *place, *next;

	HASH_ITER (hh, table->places, place, next)
		place->told = false;
}
