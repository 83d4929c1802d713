/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/action.h"

#include "control/actions.h"

#include <errno.h>
#include <string.h>

#define HEALTH_CHECK_MEMBERS                                                          \
	"HealthCheckProtocol HealthCheckPort HealthCheckPath HealthCheckEnabled "     \
	"HealthCheckIntervalSeconds HealthCheckTimeoutSeconds HealthyThresholdCount " \
	"UnhealthyThresholdCount Matcher"

static const struct {
	const char *name;
	const char *members; /* of the parameters */
	action_function *run;
} actions[] = {
	{"AddTags", "ResourceArns Tags", action_add_tags},
	{"CreateListener",
	 "LoadBalancerArn Protocol Port SslPolicy Certificates DefaultActions AlpnPolicy Tags "
	 "MutualAuthentication",
	 action_create_listener},
	{"CreateLoadBalancer",
	 "Name Subnets SubnetMappings SecurityGroups Scheme Tags Type IpAddressType "
	 "CustomerOwnedIpv4Pool EnablePrefixForIpv6SourceNat IpamPools",
	 action_create_load_balancer},
	{"CreateTargetGroup",
	 "Name Protocol ProtocolVersion Port VpcId TargetType Tags IpAddressType "
	 "TargetControlPort " HEALTH_CHECK_MEMBERS,
	 action_create_target_group},
	{"DeleteListener", "ListenerArn", action_delete_listener},
	{"DeleteLoadBalancer", "LoadBalancerArn", action_delete_load_balancer},
	{"DeleteTargetGroup", "TargetGroupArn", action_delete_target_group},
	{"DeregisterTargets", "TargetGroupArn Targets", action_deregister_targets},
	{"DescribeAccountLimits", "Marker PageSize", action_describe_account_limits},
	{"DescribeListenerAttributes", "ListenerArn", action_describe_listener_attributes},
	{"DescribeListeners", "LoadBalancerArn ListenerArns Marker PageSize",
	 action_describe_listeners},
	{"DescribeLoadBalancerAttributes", "LoadBalancerArn",
	 action_describe_load_balancer_attributes},
	{"DescribeLoadBalancers", "LoadBalancerArns Names Marker PageSize",
	 action_describe_load_balancers},
	{"DescribeMetrics", "LoadBalancerArn TargetGroupArn Marker PageSize",
	 action_describe_metrics},
	{"DescribeTags", "ResourceArns", action_describe_tags},
	{"DescribeTargetGroupAttributes", "TargetGroupArn",
	 action_describe_target_group_attributes},
	{"DescribeTargetGroups", "LoadBalancerArn TargetGroupArns Names Marker PageSize",
	 action_describe_target_groups},
	{"DescribeTargetHealth", "TargetGroupArn Targets Include", action_describe_target_health},
	{"ModifyListener",
	 "ListenerArn Port Protocol SslPolicy Certificates DefaultActions AlpnPolicy "
	 "MutualAuthentication",
	 action_modify_listener},
	{"ModifyListenerAttributes", "ListenerArn Attributes", action_modify_listener_attributes},
	{"ModifyLoadBalancerAttributes", "LoadBalancerArn Attributes",
	 action_modify_load_balancer_attributes},
	{"ModifyTargetGroup", "TargetGroupArn " HEALTH_CHECK_MEMBERS, action_modify_target_group},
	{"ModifyTargetGroupAttributes", "TargetGroupArn Attributes",
	 action_modify_target_group_attributes},
	{"RegisterTargets", "TargetGroupArn Targets", action_register_targets},
	{"RemoveTags", "ResourceArns TagKeys", action_remove_tags},
	{"SetIpAddressType", "LoadBalancerArn IpAddressType", action_set_ip_address_type},
	{"SetSubnets",
	 "LoadBalancerArn Subnets SubnetMappings IpAddressType EnablePrefixForIpv6SourceNat",
	 action_set_subnets},
};

static int fail_internal(const struct params *params)
{
	return params_fail(params, "InternalFailure",
			   "The request processing has failed because of an unknown error, "
			   "exception or failure.");
}

static int run(struct model *model, action_function *function, const char *members,
	       const struct params *params, json_t **ret_result)
{
	json_t *result;
	int r;

	if (model->failed != 0)
		return fail_internal(params);
	if (!json_is_object(params->object))
		return params_fail(params, "ValidationError", "Parameters must be an object");
	r = params_only(params, members);
	if (r < 0)
		return r;
	result = json_object();
	r = result != NULL ? function(model, params, result) : -ENOMEM;
	if (r < 0 || model->failed != 0) {
		json_decref(result);
		if (r == -EINVAL && model->failed == 0)
			return r;
		model_give_up(model, r != 0 ? r : -ENOMEM);
		return fail_internal(params);
	}
	*ret_result = result;
	return 0;
}

int action_run(struct model *model, const char *name, const json_t *params, json_t **ret_result,
	       struct action_error *ret_error)
{
	json_t *empty = params == NULL ? json_object() : NULL;
	struct params outer = {.object = params != NULL ? params : empty, .error = ret_error};
	int r = -ENOENT;

	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]) && r == -ENOENT; i++) {
		if (strcmp(actions[i].name, name) == 0)
			r = run(model, actions[i].run, actions[i].members, &outer, ret_result);
	}
	json_decref(empty);
	if (r == -ENOENT)
		params_fail(&outer, "InvalidAction", "Could not find operation %.128s", name);
	return r;
}
