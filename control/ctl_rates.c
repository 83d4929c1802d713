/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/ctl_rates.h"

#include "control/ctl_cell.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct ctl_rates {
	json_t *last; /* {key: Values} */
	int64_t last_ms;
};

static const struct {
	const char *counter, *rate;
} rated[] = {
	{"NewFlowCount", "NewFlowsPerSecond"},
	{"ProcessedPackets", "PacketsPerSecond"},
	{"ProcessedBytes", "BytesPerSecond"},
};
#define RATED (sizeof(rated) / sizeof(rated[0]))

struct ctl_rates *ctl_rates_open(void)
{
	return calloc(1, sizeof(struct ctl_rates));
}

void ctl_rates_free(struct ctl_rates *rates)
{
	if (rates == NULL)
		return;
	json_decref(rates->last);
	free(rates);
}

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text != NULL ? text : "";
}

/* What tells one entry from all others: its ARN, and the target's address and port. */
static json_t *key_of(const json_t *entry)
{
	const json_t *target = json_object_get(entry, "Target");

	return json_sprintf("%s%s %s %lld", text_of(entry, "LoadBalancerArn"),
			    text_of(entry, "TargetGroupArn"), text_of(target, "Id"),
			    (long long)json_integer_value(json_object_get(target, "Port")));
}

static json_t *name_of(const json_t *entry)
{
	const json_t *target = json_object_get(entry, "Target");
	json_t *name;
	char *text;

	if (target != NULL)
		return ctl_cell_endpoint(target, "Id", "Port");
	text = ctl_cell_arn_name(json_object_get(entry, "LoadBalancerArn") != NULL
					 ? text_of(entry, "LoadBalancerArn")
					 : text_of(entry, "TargetGroupArn"));
	name = text != NULL ? json_string(text) : NULL;
	free(text);
	return name;
}

static json_t *rate_entry(const struct ctl_rates *rates, const json_t *entry, const char *key,
			  int depth, int64_t now_ms)
{
	const json_t *values = json_object_get(entry, "Values");
	const json_t *before = json_object_get(rates->last, key);
	double seconds = (double)(now_ms - rates->last_ms) / 1000, change;
	json_t *row;

	row = json_pack("{s:i, s:o, s:I}", "Depth", depth, "Name", name_of(entry), "ActiveFlows",
			json_integer_value(json_object_get(values, "ActiveFlowCount")));
	for (size_t i = 0; row != NULL && i < RATED; i++) {
		change = (double)json_integer_value(json_object_get(values, rated[i].counter)) -
			 (double)json_integer_value(json_object_get(before, rated[i].counter));
		if (rates->last == NULL || seconds <= 0 || change < 0)
			change = 0;
		json_object_set_new(row, rated[i].rate,
				    json_real(change > 0 ? change / seconds : 0));
	}
	return row;
}

/* {group's ARN: its load balancer's ARN} */
static json_t *map_owners(const json_t *groups)
{
	json_t *owners = json_object(), *group;
	size_t i;

	json_array_foreach ((json_t *)groups, i, group)
		json_object_set(owners, text_of(group, "TargetGroupArn"),
				json_array_get(json_object_get(group, "LoadBalancerArns"), 0));
	return owners;
}

struct update {
	const struct ctl_rates *rates;
	json_t *now, *rows;
	int64_t now_ms;
};

static void add(struct update *update, const json_t *entry, int depth)
{
	json_t *key = key_of(entry);

	if (key == NULL)
		return;
	json_object_set(update->now, json_string_value(key), json_object_get(entry, "Values"));
	json_array_append_new(update->rows, rate_entry(update->rates, entry, json_string_value(key),
						       depth, update->now_ms));
	json_decref(key);
}

static void add_groups(struct update *update, const json_t *entries)
{
	json_t *entry;
	size_t i;

	json_array_foreach ((json_t *)entries, i, entry)
		add(update, entry, json_object_get(entry, "Target") != NULL ? 2 : 1);
}

/* {load balancer's ARN: entries of its groups and their targets}; "" for groups without one */
static json_t *sort_by_owner(const json_t *metrics, const json_t *groups)
{
	json_t *owners = map_owners(groups), *sorted = json_object(), *entry;
	const char *group, *owner;
	size_t i;

	json_array_foreach ((json_t *)metrics, i, entry) {
		group = text_of(entry, "TargetGroupArn");
		if (*group == '\0')
			continue;
		owner = text_of(owners, group);
		if (json_object_get(sorted, owner) == NULL)
			json_object_set_new(sorted, owner, json_array());
		json_array_append(json_object_get(sorted, owner), entry);
	}
	json_decref(owners);
	return sorted;
}

json_t *ctl_rates_update(struct ctl_rates *rates, const json_t *metrics, const json_t *groups,
			 int64_t now_ms)
{
	struct update update = {rates, json_object(), json_array(), now_ms};
	json_t *sorted = sort_by_owner(metrics, groups), *entry;
	const char *arn;
	size_t i;

	if (update.now == NULL || update.rows == NULL || sorted == NULL) {
		json_decref(sorted);
		json_decref(update.now);
		json_decref(update.rows);
		return NULL;
	}
	json_array_foreach ((json_t *)metrics, i, entry) {
		arn = text_of(entry, "LoadBalancerArn");
		if (*arn == '\0')
			continue;
		add(&update, entry, 0);
		add_groups(&update, json_object_get(sorted, arn));
		json_object_del(sorted, arn);
	}
	json_object_foreach (sorted, arn, entry)
		add_groups(&update, entry);
	json_decref(sorted);
	json_decref(rates->last);
	rates->last = update.now;
	rates->last_ms = now_ms;
	return update.rows;
}
