/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/ctl_commands.h"

#include <ctype.h>
#include <string.h>

#define LB CTL_REF_LOAD_BALANCER
#define TG CTL_REF_TARGET_GROUP
#define END                                                  \
	{                                                    \
		{NULL, 0, 0, NULL, NULL}, NULL, false, false \
	}

/* Tables of one entry a row: */
/* clang-format off */

/* --- shapes ------------------------------------------------------------------ */

static const struct ctl_field target_fields[] = {
	{ "Id", CTL_TEXT, 0, "IP address", NULL },
	{ "Port", CTL_NUMBER, 0, "1-65535", NULL },
	{ "AvailabilityZone", CTL_TEXT, 0, "zone or 'all'", NULL },
	{ "QuicServerId", CTL_TEXT, 0, NULL, NULL },
	{ NULL, 0, 0, NULL, NULL },
};
static const struct ctl_field key_value_fields[] = {
	{ "Key", CTL_TEXT, 0, NULL, NULL },
	{ "Value", CTL_TEXT, 0, NULL, NULL },
	{ NULL, 0, 0, NULL, NULL },
};
static const struct ctl_field subnet_mapping_fields[] = {
	{ "SubnetId", CTL_TEXT, 0, NULL, NULL },
	{ "PrivateIPv4Address", CTL_TEXT, 0, "IPv4 address", NULL },
	{ "IPv6Address", CTL_TEXT, 0, "IPv6 address", NULL },
	{ "AllocationId", CTL_TEXT, 0, NULL, NULL },
	{ "SourceNatIpv6Prefix", CTL_TEXT, 0, NULL, NULL },
	{ NULL, 0, 0, NULL, NULL },
};
static const struct ctl_field matcher_fields[] = {
	{ "HttpCode", CTL_TEXT, 0, "200-599", NULL },
	{ "GrpcCode", CTL_TEXT, 0, NULL, NULL },
	{ NULL, 0, 0, NULL, NULL },
};
static const struct ctl_field weighted_fields[] = {
	{ "TargetGroupArn", CTL_TEXT, TG, NULL, NULL },
	{ "Weight", CTL_NUMBER, 0, "0-999", NULL },
	{ NULL, 0, 0, NULL, NULL },
};
static const struct ctl_field group_stickiness_fields[] = {
	{ "Enabled", CTL_TRUTH, 0, "true|false", NULL },
	{ "DurationSeconds", CTL_NUMBER, 0, NULL, NULL },
	{ NULL, 0, 0, NULL, NULL },
};
static const struct ctl_field forward_fields[] = {
	{ "TargetGroups", CTL_SHAPES, 0, NULL, weighted_fields },
	{ "TargetGroupStickinessConfig", CTL_SHAPE, 0, NULL, group_stickiness_fields },
	{ NULL, 0, 0, NULL, NULL },
};
static const struct ctl_field action_fields[] = {
	{ "Type", CTL_TEXT, 0, "forward", NULL },
	{ "TargetGroupArn", CTL_TEXT, TG, NULL, NULL },
	{ "ForwardConfig", CTL_SHAPE, 0, NULL, forward_fields },
	{ "Order", CTL_NUMBER, 0, NULL, NULL },
	{ NULL, 0, 0, NULL, NULL },
};

/* --- flags that several commands have ------------------------------------------ */

#define LB_ARN(required) \
	{ { "load-balancer-arn", CTL_TEXT, LB, NULL, NULL }, "the load balancer: ARN or name", \
	  required, false }
#define TG_ARN(required) \
	{ { "target-group-arn", CTL_TEXT, TG, NULL, NULL }, "the target group: ARN or name", \
	  required, false }
#define LISTENER_ARN(required) \
	{ { "listener-arn", CTL_TEXT, CTL_REF_LISTENER, NULL, NULL }, \
	  "the listener: ARN, or LOAD-BALANCER:PORT", required, false }
#define LB_ARNS \
	{ { "load-balancer-arns", CTL_TEXTS, LB, NULL, NULL }, "only these: ARNs or names", \
	  false, false }
#define NAMES \
	{ { "names", CTL_TEXTS, 0, "up to 20", NULL }, "only those of these names", false, false }
#define TAGS(required) \
	{ { "tags", CTL_SHAPES, 0, "up to 50", key_value_fields }, "Key=team,Value=edge ...", \
	  required, false }
#define RESOURCE_ARNS \
	{ { "resource-arns", CTL_TEXTS, CTL_REF_ANY, "up to 20", NULL }, \
	  "ARNs; names of load balancers or target groups; LOAD-BALANCER:PORT for a listener", \
	  true, false }
#define ATTRIBUTES \
	{ { "attributes", CTL_SHAPES, 0, "up to 20", key_value_fields }, \
	  "Key=NAME,Value=VALUE ...; the describe command lists the names", true, false }
#define TARGETS(required, text) \
	{ { "targets", CTL_SHAPES, 0, NULL, target_fields }, text, required, false }
#define PAGES(range) \
	{ { "page-size", CTL_NUMBER, 0, range, NULL }, "entries to ask for at a time", false, \
	  false }, \
	{ { "max-items", CTL_NUMBER, 0, "1 or more", NULL }, \
	  "stop behind so many entries; all without it", false, true }, \
	{ { "starting-token", CTL_TEXT, 0, NULL, NULL }, \
	  "go on where --max-items stopped: its NextToken", false, true }
#define SUBNETS \
	{ { "subnets", CTL_TEXTS, 0, "subnet ids", NULL }, \
	  "one for each zone; each zone gives a free address", false, false }, \
	{ { "subnet-mappings", CTL_SHAPES, 0, NULL, subnet_mapping_fields }, \
	  "instead of --subnets, to choose addresses", false, false }
#define IP_ADDRESS_TYPE(required) \
	{ { "ip-address-type", CTL_TEXT, 0, "ipv4|dualstack", NULL }, \
	  "address families of the VIPs (ipv4)", required, false }
#define HEALTH_CHECK \
	{ { "health-check-protocol", CTL_TEXT, 0, "TCP|HTTP|HTTPS", NULL }, "(TCP)", false, \
	  false }, \
	{ { "health-check-port", CTL_TEXT, 0, "traffic-port or 1-65535", NULL }, \
	  "(traffic-port)", false, false }, \
	{ { "health-check-path", CTL_TEXT, 0, "1-1024 characters", NULL }, \
	  "of HTTP and HTTPS checks (/)", false, false }, \
	{ { "health-check-enabled", CTL_TRUTH, 0, "true|false", NULL }, "(true)", false, false }, \
	{ { "health-check-interval-seconds", CTL_NUMBER, 0, "5-300", NULL }, "(30)", false, \
	  false }, \
	{ { "health-check-timeout-seconds", CTL_NUMBER, 0, "2-120", NULL }, \
	  "at most the interval (10; HTTP 6)", false, false }, \
	{ { "healthy-threshold-count", CTL_NUMBER, 0, "2-10", NULL }, \
	  "successes until an unhealthy target is healthy (5)", false, false }, \
	{ { "unhealthy-threshold-count", CTL_NUMBER, 0, "2-10", NULL }, \
	  "failures until a target is unhealthy (2)", false, false }, \
	{ { "matcher", CTL_SHAPE, 0, NULL, matcher_fields }, \
	  "HttpCode=200-399: what HTTP and HTTPS checks take for healthy", false, false }
#define LISTENER_PROTOCOL "TCP|UDP|TCP_UDP"
#define DEFAULT_ACTIONS(required) \
	{ { "default-actions", CTL_SHAPES, 0, "one action", action_fields }, \
	  "Type=forward,TargetGroupArn=GROUP; weighted groups with ForwardConfig", required, false }
#define WAIT_TIMEOUT \
	{ { "timeout", CTL_NUMBER, 0, "seconds, 1 or more", NULL }, "give up behind it (600)", \
	  false, true }
#define FLAGS(...) (const struct ctl_flag[]) { __VA_ARGS__, END }
#define NO_FLAGS (const struct ctl_flag[]) { END }

/* --- the table ------------------------------------------------------------------- */

#define BALANCERS "Load balancers"
#define GROUPS "Target groups"
#define MEMBERS "Targets"
#define LISTENERS "Listeners"
#define ALL "Tags and limits"
#define RUNNING "The running sluiced"
#define WAITING "Waiting"

static const struct ctl_command commands[] = {
	{ .name = "create-load-balancer",
	  .section = BALANCERS,
	  .summary = "Make a load balancer: addresses (VIPs) that listeners listen on.",
	  .flags = FLAGS(
		  { { "name", CTL_TEXT, 0, "up to 32 of a-z A-Z 0-9 -", NULL }, "", true, false },
		  SUBNETS,
		  { { "scheme", CTL_TEXT, 0, "internet-facing|internal", NULL },
		    "(internet-facing)", false, false },
		  { { "type", CTL_TEXT, 0, "network", NULL }, "", false, false },
		  IP_ADDRESS_TYPE(false), TAGS(false)),
	  .example = "sluicectl create-load-balancer --name web --subnets subnet-rig1a\n"
		     "sluicectl create-load-balancer --name web \\\n"
		     "    --subnet-mappings SubnetId=subnet-rig1a,PrivateIPv4Address=10.0.0.9\n" },
	{ .name = "describe-load-balancers",
	  .section = BALANCERS,
	  .summary = "Show load balancers, their state and addresses.",
	  .flags = FLAGS(LB_ARNS, NAMES, PAGES("1-400")),
	  .example = "sluicectl describe-load-balancers --names web\n",
	  .list = "LoadBalancers",
	  .page_max = 400 },
	{ .name = "delete-load-balancer",
	  .section = BALANCERS,
	  .summary = "Delete a load balancer and its listeners.",
	  .flags = FLAGS(LB_ARN(true)),
	  .example = "sluicectl delete-load-balancer --load-balancer-arn web\n" },
	{ .name = "set-subnets",
	  .section = BALANCERS,
	  .summary = "Say anew in which zones a load balancer has addresses: the complete list.",
	  .flags = FLAGS(LB_ARN(true), SUBNETS, IP_ADDRESS_TYPE(false)),
	  .example = "sluicectl set-subnets --load-balancer-arn web "
		     "--subnets subnet-rig1a subnet-rig1b\n",
	  .list = "AvailabilityZones" },
	{ .name = "set-ip-address-type",
	  .section = BALANCERS,
	  .summary = "Give a load balancer IPv6 addresses as well, or take them away.",
	  .flags = FLAGS(LB_ARN(true), IP_ADDRESS_TYPE(true)),
	  .example = "sluicectl set-ip-address-type --load-balancer-arn web "
		     "--ip-address-type dualstack\n" },
	{ .name = "describe-load-balancer-attributes",
	  .section = BALANCERS,
	  .summary = "Show a load balancer's attributes.",
	  .flags = FLAGS(LB_ARN(true)),
	  .example = "sluicectl describe-load-balancer-attributes --load-balancer-arn web\n",
	  .list = "Attributes" },
	{ .name = "modify-load-balancer-attributes",
	  .section = BALANCERS,
	  .summary = "Change a load balancer's attributes.",
	  .flags = FLAGS(LB_ARN(true), ATTRIBUTES),
	  .example = "sluicectl modify-load-balancer-attributes --load-balancer-arn web \\\n"
		     "    --attributes Key=load_balancing.cross_zone.enabled,Value=true\n",
	  .list = "Attributes" },

	{ .name = "create-listener",
	  .section = LISTENERS,
	  .summary = "Take in flows on a port of a load balancer and forward them.",
	  .flags = FLAGS(LB_ARN(true),
			 { { "protocol", CTL_TEXT, 0, LISTENER_PROTOCOL, NULL }, "", true, false },
			 { { "port", CTL_NUMBER, 0, "1-65535", NULL }, "", true, false },
			 DEFAULT_ACTIONS(true), TAGS(false)),
	  .example =
		  "sluicectl create-listener --load-balancer-arn web --protocol TCP --port 80 \\\n"
		  "    --default-actions Type=forward,TargetGroupArn=tasks\n"
		  "sluicectl create-listener --load-balancer-arn web --protocol TCP --port 81 \\\n"
		  "    --default-actions 'Type=forward,ForwardConfig={TargetGroups=["
		  "{TargetGroupArn=blue,Weight=9},\\\n"
		  "    {TargetGroupArn=green,Weight=1}]}'\n" },
	{ .name = "describe-listeners",
	  .section = LISTENERS,
	  .summary = "Show the listeners of a load balancer, or some by their ARNs.",
	  .flags = FLAGS(LB_ARN(false),
			 { { "listener-arns", CTL_TEXTS, CTL_REF_LISTENER, NULL, NULL },
			   "only these: ARNs, or LOAD-BALANCER:PORT", false, false },
			 PAGES("1-400")),
	  .example = "sluicectl describe-listeners --load-balancer-arn web\n",
	  .list = "Listeners",
	  .page_max = 400 },
	{ .name = "modify-listener",
	  .section = LISTENERS,
	  .summary = "Change a listener; established flows stay with their targets.",
	  .flags = FLAGS(LISTENER_ARN(true),
			 { { "protocol", CTL_TEXT, 0, LISTENER_PROTOCOL, NULL }, "", false, false },
			 { { "port", CTL_NUMBER, 0, "1-65535", NULL }, "", false, false },
			 DEFAULT_ACTIONS(false)),
	  .example = "sluicectl modify-listener --listener-arn web:80 \\\n"
		     "    --default-actions Type=forward,TargetGroupArn=green\n" },
	{ .name = "delete-listener",
	  .section = LISTENERS,
	  .summary = "Delete a listener; established flows live on.",
	  .flags = FLAGS(LISTENER_ARN(true)),
	  .example = "sluicectl delete-listener --listener-arn web:80\n" },
	{ .name = "describe-listener-attributes",
	  .section = LISTENERS,
	  .summary = "Show a listener's attributes.",
	  .flags = FLAGS(LISTENER_ARN(true)),
	  .example = "sluicectl describe-listener-attributes --listener-arn web:80\n",
	  .list = "Attributes" },
	{ .name = "modify-listener-attributes",
	  .section = LISTENERS,
	  .summary = "Change a listener's attributes.",
	  .flags = FLAGS(LISTENER_ARN(true), ATTRIBUTES),
	  .example = "sluicectl modify-listener-attributes --listener-arn web:80 \\\n"
		     "    --attributes Key=tcp.idle_timeout.seconds,Value=600\n",
	  .list = "Attributes" },

	{ .name = "create-target-group",
	  .section = GROUPS,
	  .summary = "Make a target group: where a listener forwards to.",
	  .flags = FLAGS(
		  { { "name", CTL_TEXT, 0, "up to 32 of a-z A-Z 0-9 -", NULL }, "", true, false },
		  { { "protocol", CTL_TEXT, 0, LISTENER_PROTOCOL, NULL }, "", true, false },
		  { { "port", CTL_NUMBER, 0, "1-65535", NULL },
		    "of targets registered without one", true, false },
		  { { "vpc-id", CTL_TEXT, 0, NULL, NULL }, "(the config's)", false, false },
		  { { "target-type", CTL_TEXT, 0, "ip", NULL }, "(ip)", false, false },
		  { { "ip-address-type", CTL_TEXT, 0, "ipv4|ipv6", NULL }, "(ipv4)", false, false },
		  HEALTH_CHECK, TAGS(false)),
	  .example = "sluicectl create-target-group --name tasks --protocol TCP --port 8080\n" },
	{ .name = "describe-target-groups",
	  .section = GROUPS,
	  .summary = "Show target groups.",
	  .flags = FLAGS(LB_ARN(false),
			 { { "target-group-arns", CTL_TEXTS, TG, NULL, NULL },
			   "only these: ARNs or names", false, false },
			 NAMES, PAGES("1-400")),
	  .example = "sluicectl describe-target-groups --load-balancer-arn web\n",
	  .list = "TargetGroups",
	  .page_max = 400 },
	{ .name = "modify-target-group",
	  .section = GROUPS,
	  .summary = "Change a target group's health checks.",
	  .flags = FLAGS(TG_ARN(true), HEALTH_CHECK),
	  .example = "sluicectl modify-target-group --target-group-arn tasks "
		     "--health-check-interval-seconds 10\n" },
	{ .name = "delete-target-group",
	  .section = GROUPS,
	  .summary = "Delete a target group that no listener uses.",
	  .flags = FLAGS(TG_ARN(true)),
	  .example = "sluicectl delete-target-group --target-group-arn tasks\n" },
	{ .name = "describe-target-group-attributes",
	  .section = GROUPS,
	  .summary = "Show a target group's attributes.",
	  .flags = FLAGS(TG_ARN(true)),
	  .example = "sluicectl describe-target-group-attributes --target-group-arn tasks\n",
	  .list = "Attributes" },
	{ .name = "modify-target-group-attributes",
	  .section = GROUPS,
	  .summary = "Change a target group's attributes.",
	  .flags = FLAGS(TG_ARN(true), ATTRIBUTES),
	  .example = "sluicectl modify-target-group-attributes --target-group-arn tasks \\\n"
		     "    --attributes Key=deregistration_delay.timeout_seconds,Value=60 \\\n"
		     "    Key=preserve_client_ip.enabled,Value=true\n",
	  .list = "Attributes" },

	{ .name = "register-targets",
	  .section = MEMBERS,
	  .summary = "Register targets: all of them, or none when one is wrong.",
	  .flags = FLAGS(TG_ARN(true),
			 TARGETS(true, "Id=10.0.1.5,Port=8080 ...; Port defaults to the group's")),
	  .example = "sluicectl register-targets --target-group-arn tasks \\\n"
		     "    --targets Id=10.0.1.5,Port=8080 Id=10.0.1.6,Port=8080\n"
		     "sluicectl register-targets --target-group-arn tasks "
		     "--targets file://targets.json\n" },
	{ .name = "deregister-targets",
	  .section = MEMBERS,
	  .summary = "Take targets out: no new flows; old ones have the deregistration delay.",
	  .flags = FLAGS(TG_ARN(true), TARGETS(true, "Id=10.0.1.5,Port=8080 ...")),
	  .example = "sluicectl deregister-targets --target-group-arn tasks "
		     "--targets Id=10.0.1.5\n" },
	{ .name = "describe-target-health",
	  .section = MEMBERS,
	  .summary = "Show targets and their states.",
	  .flags = FLAGS(TG_ARN(true), TARGETS(false, "only these, also when not registered"),
			 { { "include", CTL_TEXTS, 0, "LastProbe", NULL },
			   "also tell this; the table does unasked", false, false }),
	  .example = "sluicectl describe-target-health --target-group-arn tasks\n",
	  .list = "TargetHealthDescriptions",
	  .include = "LastProbe" },

	{ .name = "add-tags",
	  .section = ALL,
	  .summary = "Tag load balancers, listeners or target groups.",
	  .flags = FLAGS(RESOURCE_ARNS, TAGS(true)),
	  .example = "sluicectl add-tags --resource-arns web --tags Key=team,Value=edge\n" },
	{ .name = "remove-tags",
	  .section = ALL,
	  .summary = "Take tags away.",
	  .flags = FLAGS(RESOURCE_ARNS, { { "tag-keys", CTL_TEXTS, 0, NULL, NULL },
					  "keys of the tags", true, false }),
	  .example = "sluicectl remove-tags --resource-arns web --tag-keys team\n" },
	{ .name = "describe-tags",
	  .section = ALL,
	  .summary = "Show tags.",
	  .flags = FLAGS(RESOURCE_ARNS),
	  .example = "sluicectl describe-tags --resource-arns web web:80 tasks\n",
	  .list = "TagDescriptions" },
	{ .name = "describe-account-limits",
	  .section = ALL,
	  .summary = "Show how many of each thing there may be.",
	  .flags = FLAGS(PAGES("1-400")),
	  .example = "sluicectl describe-account-limits\n",
	  .list = "Limits",
	  .page_max = 400 },

	{ .name = "describe-access-logs",
	  .section = RUNNING,
	  .summary = "Show what became of flow records: written, uploaded, waiting, dropped.",
	  .flags = NO_FLAGS,
	  .example = "sluicectl describe-access-logs\n" },
	{ .name = "describe-engine",
	  .section = RUNNING,
	  .summary = "Show the packet path: interfaces, fill of its tables, dropped packets.",
	  .flags = NO_FLAGS,
	  .example = "sluicectl describe-engine\n" },
	{ .name = "describe-flows",
	  .section = RUNNING,
	  .summary = "Show live flows; filters are and-ed.",
	  .flags = FLAGS(LB_ARN(false), LISTENER_ARN(false), TG_ARN(false),
			 { { "client-ip", CTL_TEXT, 0, "IP address", NULL }, "", false, false },
			 { { "client-port", CTL_NUMBER, 0, "1-65535", NULL }, "", false, false },
			 { { "target-ip", CTL_TEXT, 0, "IP address", NULL }, "", false, false },
			 { { "target-port", CTL_NUMBER, 0, "1-65535", NULL }, "", false, false },
			 PAGES("1-1000")),
	  .example = "sluicectl describe-flows --target-ip 10.0.1.5 --max-items 20\n",
	  .list = "Flows",
	  .page_max = 1000 },
	{ .name = "describe-metrics",
	  .section = RUNNING,
	  .summary = "Show counters, named as in CloudWatch, since each thing was made.",
	  .flags = FLAGS(LB_ARN(false), TG_ARN(false), PAGES("1-400")),
	  .example = "sluicectl describe-metrics --load-balancer-arn web --output json\n",
	  .list = "Metrics",
	  .page_max = 400 },
	{ .name = "watch",
	  .section = RUNNING,
	  .summary = "Print events as they happen, a line each, until interrupted.",
	  .flags = FLAGS({ { "events", CTL_TEXTS, 0,
			     "TargetStateChanged|LoadBalancerCreated|LoadBalancerDeleted|"
			     "ListenerCreated|ListenerDeleted|TargetGroupCreated|"
			     "TargetGroupDeleted|EngineChanged|FlowsRefused",
			     NULL },
			   "only these", false, false },
			 { { "count", CTL_NUMBER, 0, "1 or more", NULL },
			   "end behind so many events", false, true }),
	  .example = "sluicectl watch --events TargetStateChanged FlowsRefused\n" },
	{ .name = "top",
	  .section = RUNNING,
	  .summary = "Show flows, packets and bytes a second, by load balancer and target. q quits.",
	  .flags = FLAGS(LB_ARN(false),
			 { { "interval", CTL_NUMBER, 0, "seconds, 1-3600", NULL }, "(1)", false,
			   true },
			 { { "count", CTL_NUMBER, 0, "1 or more", NULL },
			   "end behind so many screens", false, true }),
	  .example = "sluicectl top\nsluicectl top --count 1 --interval 10 | cat\n" },
	{ .name = "shutdown",
	  .section = RUNNING,
	  .summary = "Stop sluiced. Packets are forwarded on, unless with --detach.",
	  .flags = FLAGS({ { "detach", CTL_SWITCH, 0, NULL, NULL },
			   "stop forwarding too: take program, flows and addresses away", false,
			   false }),
	  .example = "sluicectl shutdown\nsluicectl shutdown --detach\n" },
	{ .name = "call",
	  .section = RUNNING,
	  .summary = "Call any method of the control socket and print its reply as JSON.",
	  .operands = "METHOD [JSON]",
	  .operands_min = 1,
	  .operands_max = 2,
	  .flags = NO_FLAGS,
	  .example = "sluicectl call DescribeLoadBalancers '{\"Names\": [\"web\"]}'\n"
		     "sluicectl call RegisterTargets file://request.json\n" },

	{ .name = "wait target-in-service",
	  .section = WAITING,
	  .summary = "Wait until there are targets and all of them are healthy.",
	  .flags = FLAGS(TG_ARN(true), TARGETS(false, "only these"), WAIT_TIMEOUT),
	  .example = "sluicectl wait target-in-service --target-group-arn tasks\n" },
	{ .name = "wait target-deregistered",
	  .section = WAITING,
	  .summary = "Wait until no target is registered or draining any more.",
	  .flags = FLAGS(TG_ARN(true), TARGETS(false, "only these"), WAIT_TIMEOUT),
	  .example = "sluicectl wait target-deregistered --target-group-arn tasks "
		     "--targets Id=10.0.1.5\n" },
	{ .name = "wait load-balancer-exists",
	  .section = WAITING,
	  .summary = "Wait until load balancers exist.",
	  .flags = FLAGS(LB_ARNS, NAMES, WAIT_TIMEOUT),
	  .example = "sluicectl wait load-balancer-exists --names web\n" },
	{ .name = "wait load-balancer-available",
	  .section = WAITING,
	  .summary = "Wait until load balancers are active.",
	  .flags = FLAGS(LB_ARNS, NAMES, WAIT_TIMEOUT),
	  .example = "sluicectl wait load-balancer-available --names web\n" },
	{ .name = "wait load-balancers-deleted",
	  .section = WAITING,
	  .summary = "Wait until load balancers are gone.",
	  .flags = FLAGS(LB_ARNS, NAMES, WAIT_TIMEOUT),
	  .example = "sluicectl wait load-balancers-deleted --names web\n" },
	{ .name = NULL },
};

static const struct ctl_flag global_flags[] = {
	{ { "socket", CTL_TEXT, 0, "path", NULL },
	  "of sluiced ($SLUICE_SOCKET, or /run/sluice/control.sock)", false, true },
	{ { "output", CTL_TEXT, 0, "table|json|text", NULL },
	  "for people (table), programs, or tab-separated", false, true },
	{ { "help", CTL_SWITCH, 0, NULL, NULL }, "say what a command does", false, true },
	{ { "version", CTL_SWITCH, 0, NULL, NULL }, "", false, true },
	END,
};
/* clang-format on */

const struct ctl_command *ctl_commands(void)
{
	return commands;
}

const struct ctl_command *ctl_commands_find(const char *name)
{
	const struct ctl_command *command;

	for (command = commands; command->name != NULL; command++) {
		if (strcmp(command->name, name) == 0)
			return command;
	}
	return NULL;
}

static const struct ctl_flag *find(const struct ctl_flag *flags, const char *name, size_t len)
{
	const struct ctl_flag *flag;

	for (flag = flags; flag->field.name != NULL; flag++) {
		if (strlen(flag->field.name) == len && memcmp(flag->field.name, name, len) == 0)
			return flag;
	}
	return NULL;
}

const struct ctl_flag *ctl_commands_flag(const struct ctl_command *command, const char *name,
					 size_t len)
{
	const struct ctl_flag *flag = find(global_flags, name, len);

	return flag != NULL || command == NULL ? flag : find(command->flags, name, len);
}

const struct ctl_flag *ctl_commands_global_flags(void)
{
	return global_flags;
}

void ctl_commands_camel(const char *name, char ret_camel[CTL_NAME_MAX])
{
	bool upper = true;
	size_t len = 0;

	for (; *name != '\0' && len < CTL_NAME_MAX - 1; name++) {
		if (*name == '-' || *name == ' ') {
			upper = true;
			continue;
		}
		ret_camel[len++] = (char)(upper ? toupper((unsigned char)*name) : *name);
		upper = false;
	}
	ret_camel[len] = '\0';
}
