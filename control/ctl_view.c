/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/ctl_view.h"

#include "control/ctl_cell.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- what is made for showing --------------------------------------------------------- */

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text != NULL ? text : "";
}

static long long number_of(const json_t *object, const char *name)
{
	return (long long)json_integer_value(json_object_get(object, name));
}

static void expand_load_balancer(const json_t *entry, json_t *rows)
{
	json_t *row = json_copy((json_t *)entry);
	char *zones = NULL;
	size_t len, i, j;
	json_t *zone, *address;
	FILE *out = open_memstream(&zones, &len);

	if (out == NULL) {
		json_decref(row);
		return;
	}
	json_array_foreach (json_object_get(entry, "AvailabilityZones"), i, zone) {
		json_array_foreach (json_object_get(zone, "LoadBalancerAddresses"), j, address) {
			const char *v4 = text_of(address, "PrivateIPv4Address");
			const char *v6 = text_of(address, "IPv6Address");

			fprintf(out, "%s%s%s%s", ftell(out) > 0 ? "," : "", v4,
				*v4 != '\0' && *v6 != '\0' ? "," : "", v6);
		}
	}
	fclose(out);
	json_object_set_new(row, "Addresses", json_string(zones != NULL ? zones : ""));
	free(zones);
	json_array_append_new(rows, row);
}

/* "blue=9,green=1", or "tasks" when there is one */
static json_t *show_forward(const json_t *entry)
{
	const json_t *action = json_array_get(json_object_get(entry, "DefaultActions"), 0);
	const json_t *groups =
		json_object_get(json_object_get(action, "ForwardConfig"), "TargetGroups");
	json_t *shown, *group;
	char *text = NULL, *name;
	size_t len, i;
	FILE *out;

	if (json_array_size(groups) < 2) {
		name = ctl_cell_arn_name(text_of(action, "TargetGroupArn"));
		shown = json_string(name);
		free(name);
		return shown;
	}
	out = open_memstream(&text, &len);
	if (out == NULL)
		return NULL;
	json_array_foreach ((json_t *)groups, i, group) {
		name = ctl_cell_arn_name(text_of(group, "TargetGroupArn"));
		fprintf(out, "%s%s=%lld", i > 0 ? "," : "", name != NULL ? name : "",
			number_of(group, "Weight"));
		free(name);
	}
	fclose(out);
	shown = json_string(text);
	free(text);
	return shown;
}

static void expand_listener(const json_t *entry, json_t *rows)
{
	char *name = ctl_cell_arn_name(text_of(entry, "LoadBalancerArn"));
	json_t *row = json_copy((json_t *)entry);

	json_object_set_new(
		row, "Listener",
		json_sprintf("%s:%lld", name != NULL ? name : "", number_of(entry, "Port")));
	json_object_set_new(row, "Forwards", show_forward(entry));
	json_array_append_new(rows, row);
	free(name);
}

static void expand_group(const json_t *entry, json_t *rows)
{
	json_t *row = json_copy((json_t *)entry);

	json_object_set_new(row, "HealthCheck",
			    json_sprintf("%s:%s %llds", text_of(entry, "HealthCheckProtocol"),
					 text_of(entry, "HealthCheckPort"),
					 number_of(entry, "HealthCheckIntervalSeconds")));
	json_array_append_new(rows, row);
}

/* "timeout 6000.3 ms", "status 503 1.2 ms": how the last probe ended, and what it took. */
static void expand_health(const json_t *entry, json_t *rows)
{
	const json_t *probe = json_object_get(entry, "LastProbe");
	json_t *row = json_copy((json_t *)entry);
	long long code = number_of(probe, "HttpCode");
	char status[24] = "";

	if (code != 0)
		snprintf(status, sizeof(status), " %lld", code);
	if (probe != NULL)
		json_object_set_new(
			row, "Probe",
			json_sprintf("%s%s %.1f ms", text_of(probe, "Result"), status,
				     (double)number_of(probe, "DurationMicroseconds") / 1000));
	json_array_append_new(rows, row);
}

static void expand_tags(const json_t *entry, json_t *rows)
{
	json_t *tag, *row;
	size_t i;

	json_array_foreach (json_object_get(entry, "Tags"), i, tag) {
		row = json_copy(tag);
		json_object_set(row, "ResourceArn", json_object_get(entry, "ResourceArn"));
		json_array_append_new(rows, row);
	}
}

static void expand_flow(const json_t *entry, json_t *rows)
{
	static const char *const ends[][3] = {
		{"Client", "ClientIp", "ClientPort"},
		{"Vip", "VipIp", "VipPort"},
		{"Nat", "NatIp", "NatPort"},
		{"Target", "TargetIp", "TargetPort"},
	};
	json_t *row = json_copy((json_t *)entry);

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		json_object_set_new(row, ends[i][0],
				    ctl_cell_endpoint(entry, ends[i][1], ends[i][2]));
	json_array_append_new(rows, row);
}

static void expand_metrics(const json_t *entry, json_t *rows)
{
	const json_t *target = json_object_get(entry, "Target");
	json_t *row = json_copy(json_object_get(entry, "Values"));
	bool group = json_object_get(entry, "TargetGroupArn") != NULL;

	if (row == NULL)
		return;
	json_object_set(row, "Arn",
			json_object_get(entry, group ? "TargetGroupArn" : "LoadBalancerArn"));
	json_object_set_new(row, "Kind",
			    json_string(target != NULL ? "target"
					: group	       ? "target group"
						       : "load balancer"));
	if (target != NULL)
		json_object_set_new(row, "Target", ctl_cell_endpoint(target, "Id", "Port"));
	json_array_append_new(rows, row);
}

/* --- columns ------------------------------------------------------------------------------ */

/* clang-format off */
#define COLUMNS(...) (const struct ctl_column[]) { __VA_ARGS__, { NULL, NULL, false } }

static const struct ctl_view views[] = {
	{ "LoadBalancers",
	  COLUMNS({ "Name", "LoadBalancerName", false }, { "State", "State.Code", false },
		  { "Scheme", "Scheme", false }, { "IpAddressType", "IpAddressType", false },
		  { "Zones", "AvailabilityZones[].ZoneName", false },
		  { "Addresses", "Addresses", false }, { "Created", "CreatedTime", false }),
	  expand_load_balancer },
	{ "AvailabilityZones",
	  COLUMNS({ "Zone", "ZoneName", false }, { "Subnet", "SubnetId", false },
		  { "IPv4", "LoadBalancerAddresses[].PrivateIPv4Address", false },
		  { "IPv6", "LoadBalancerAddresses[].IPv6Address", false }),
	  NULL },
	{ "TargetGroups",
	  COLUMNS({ "Name", "TargetGroupName", false }, { "Protocol", "Protocol", false },
		  { "Port", "Port", true }, { "TargetType", "TargetType", false },
		  { "IpAddressType", "IpAddressType", false },
		  { "HealthCheck", "HealthCheck", false },
		  { "LoadBalancer", "LoadBalancerArns[]|name", false }),
	  expand_group },
	{ "Listeners",
	  COLUMNS({ "Listener", "Listener", false }, { "Protocol", "Protocol", false },
		  { "Port", "Port", true }, { "Forwards", "Forwards", false }),
	  expand_listener },
	{ "TargetHealthDescriptions",
	  COLUMNS({ "Target", "Target.Id", false }, { "Port", "Target.Port", true },
		  { "Zone", "Target.AvailabilityZone", false },
		  { "State", "TargetHealth.State", false },
		  { "Reason", "TargetHealth.Reason", false },
		  { "Last probe", "Probe", false },
		  { "Description", "TargetHealth.Description", false }),
	  expand_health },
	{ "Attributes", COLUMNS({ "Key", "Key", false }, { "Value", "Value", false }), NULL },
	{ "TagDescriptions",
	  COLUMNS({ "Resource", "ResourceArn", false }, { "Key", "Key", false },
		  { "Value", "Value", false }),
	  expand_tags },
	{ "Limits", COLUMNS({ "Name", "Name", false }, { "Max", "Max", true }), NULL },
	{ "Flows",
	  COLUMNS({ "Proto", "Protocol", false }, { "State", "State", false },
		  { "Client", "Client", false }, { "VIP", "Vip", false },
		  { "Target sees", "Nat", false }, { "Target", "Target", false },
		  { "Group", "TargetGroupArn|name", false },
		  { "Client pkts", "ClientPackets", true },
		  { "Target pkts", "TargetPackets", true },
		  { "Client bytes", "ClientBytes", true },
		  { "Target bytes", "TargetBytes", true }),
	  expand_flow },
	{ "Metrics",
	  COLUMNS({ "Kind", "Kind", false }, { "Name", "Arn|name", false },
		  { "Target", "Target", false }, { "ActiveFlowCount", "ActiveFlowCount", true },
		  { "NewFlowCount", "NewFlowCount", true },
		  { "ProcessedPackets", "ProcessedPackets", true },
		  { "ProcessedBytes", "ProcessedBytes", true },
		  { "RejectedFlowCount", "RejectedFlowCount", true },
		  { "Healthy", "HealthyHostCount", true },
		  { "UnHealthy", "UnHealthyHostCount", true }),
	  expand_metrics },
};
/* clang-format on */

const struct ctl_view *ctl_view_find(const char *list)
{
	for (size_t i = 0; i < sizeof(views) / sizeof(views[0]); i++) {
		if (strcmp(views[i].list, list) == 0)
			return &views[i];
	}
	return NULL;
}

int ctl_view_rows(const struct ctl_view *view, const json_t *list, struct ctl_table *table)
{
	json_t *rows = json_array(), *entry;
	size_t i;
	int r = rows != NULL ? 0 : -ENOMEM;

	json_array_foreach ((json_t *)list, i, entry) {
		if (view->expand != NULL)
			view->expand(entry, rows);
		else
			json_array_append(rows, entry);
	}
	json_array_foreach (rows, i, entry) {
		if (r == 0)
			r = ctl_table_row(table, entry);
	}
	json_decref(rows);
	return r;
}
