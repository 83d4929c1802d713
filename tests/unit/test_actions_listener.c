/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/actions_fixture.c"
#include "tests/unit/fake_engine.c"

#define FORWARD "'DefaultActions': [{'Type': 'forward', 'TargetGroupArn': '%s'}]"
#define WEIGHTED \
	"'DefaultActions': [{'Type': 'forward', 'ForwardConfig': {'TargetGroups': [%s]%s}}]"

static void a_listener_is_shown_in_both_forms(void **state)
{
	struct fixture *f = fixture_new(two_zones);
	char lb[ARN_MAX], tg[ARN_MAX];
	const struct engine_listener *engine;
	json_t *r, *ls;

	(void)state;
	new_lb(f, lb, "web");
	new_tg(f, tg, "t", "TCP");
	r = call(f, "CreateListener",
		 "{'LoadBalancerArn': '%s', 'Protocol': 'TCP', 'Port': 80, " FORWARD "}", lb, tg);
	ls = json_array_get(json_object_get(r, "Listeners"), 0);
	assert_string_equal(text_at(ls, "LoadBalancerArn"), lb);
	assert_string_equal(text_at(ls, "Protocol"), "TCP");
	assert_int_equal(json_integer_value(at_path(ls, "Port")), 80);
#define ACTION "DefaultActions.0."
	assert_string_equal(text_at(ls, ACTION "Type"), "forward");
	assert_string_equal(text_at(ls, ACTION "TargetGroupArn"), tg);
	assert_string_equal(text_at(ls, ACTION "ForwardConfig.TargetGroups.0.TargetGroupArn"), tg);
	assert_int_equal(
		json_integer_value(at_path(ls, ACTION "ForwardConfig.TargetGroups.0.Weight")), 1);
	assert_true(json_is_false(
		at_path(ls, ACTION "ForwardConfig.TargetGroupStickinessConfig.Enabled")));
	engine = &fake_engine_listener(f->engine, id_of(text_at(ls, "ListenerArn")))->listener;
	assert_int_equal(engine->n_vips, 2);
	assert_int_equal(engine->port, 80);
	assert_true(engine->tcp && !engine->udp);
	assert_int_equal(engine->tcp_idle_timeout_s, 350);
	assert_int_equal(engine->n_groups, 1);
	assert_int_equal(fake_engine_group(f->engine, id_of(tg))->group.zones, 3);
	json_decref(r);
	fixture_free(f);
}

static void weighted_groups_reach_the_engine(void **state)
{
	struct fixture *f = fixture_new(two_zones);
	char lb[ARN_MAX], tg[6][ARN_MAX], tuples[6 * (ARN_MAX + 64)] = "", name[16];
	const struct engine_listener *engine;
	json_t *r;

	(void)state;
	new_lb(f, lb, "web");
	for (int i = 0; i < 6; i++) {
		snprintf(name, sizeof(name), "t%d", i);
		new_tg(f, tg[i], name, i == 2 ? "TCP_UDP" : "TCP");
	}
	for (int i = 0; i < 5; i++)
		snprintf(tuples + strlen(tuples), sizeof(tuples) - strlen(tuples),
			 "%s{'TargetGroupArn': '%s', 'Weight': %d}", i > 0 ? ", " : "", tg[i],
			 i == 0	  ? 0
			 : i == 4 ? 999
				  : i);
	r = call(f, "CreateListener",
		 "{'LoadBalancerArn': '%s', 'Protocol': 'TCP', 'Port': 80, " WEIGHTED "}", lb,
		 tuples,
		 ", 'TargetGroupStickinessConfig': {'Enabled': true, 'DurationSeconds': 60}");
	engine = &fake_engine_listener(f->engine, id_of(text_at(r, "Listeners.0.ListenerArn")))
			  ->listener;
	assert_int_equal(engine->n_groups, 5);
	assert_int_equal(engine->groups[0].weight, 0);
	assert_int_equal(engine->groups[4].weight, 999);
	assert_true(engine->groups[3].group_id == id_of(tg[3]));
	assert_true(engine->sticky_groups);
	assert_null(at_path(r, "Listeners.0.DefaultActions.0.TargetGroupArn"));
	json_decref(r);
	snprintf(tuples + strlen(tuples), sizeof(tuples) - strlen(tuples),
		 ", {'TargetGroupArn': '%s'}", tg[5]);
	call_fails(f, "InvalidLoadBalancerAction", "CreateListener",
		   "{'LoadBalancerArn': '%s', 'Protocol': 'TCP', 'Port': 81, " WEIGHTED "}", lb,
		   tuples, "");
	fixture_free(f);
}

static void wrong_parameters_are_refused_as_the_reference_says(void **state)
{
	struct fixture *f = fixture_new(two_zones);
	char lb[ARN_MAX], tcp[ARN_MAX], udp[ARN_MAX], message[3 * ARN_MAX];

	(void)state;
	new_lb(f, lb, "web");
	new_tg(f, tcp, "tcp", "TCP");
	new_tg(f, udp, "udp", "UDP");
#define TRY(code, format, ...)                                                             \
	call_fails(f, code, "CreateListener", "{'LoadBalancerArn': '%s', " format "}", lb, \
		   __VA_ARGS__)
	TRY("ValidationError", "'Protocol': 'TCP', " FORWARD, tcp);
	assert_string_equal(f->error.message, "A listener port must be specified");
	TRY("ValidationError", "'Port': 80, " FORWARD, tcp);
	assert_string_equal(f->error.message, "A listener protocol must be specified");
	TRY("ValidationError", "'Port': 80, 'Protocol': 'HTTP', " FORWARD, tcp);
	assert_string_equal(f->error.message,
			    "Listener protocol 'HTTP' must be one of 'UDP, TCP, TLS, TCP_UDP'");
	TRY("UnsupportedProtocol", "'Port': 80, 'Protocol': 'TLS', " FORWARD, tcp);
	TRY("ValidationError", "'Port': 80, 'Protocol': 'tcp', " FORWARD, tcp);
	TRY("ValidationError", "'Port': 65536, 'Protocol': 'TCP', " FORWARD, tcp);
	TRY("ValidationError", "'Port': 80, 'Protocol': '%s'", "TCP");
	TRY("ValidationError", "'Port': 80, 'Protocol': '%s', 'DefaultActions': []", "TCP");
	TRY("TooManyActions",
	    "'Port': 80, 'Protocol': '%s', 'DefaultActions': [{'Type': 'forward'}, {'Type': "
	    "'forward'}]",
	    "TCP");
	TRY("ValidationError", "'Port': 80, 'Protocol': '%s', 'DefaultActions': [{'Type': 'go'}]",
	    "TCP");
	assert_non_null(strstr(f->error.message, "Value 'go' at 'actions.1.member.type' failed"));
	TRY("InvalidLoadBalancerAction",
	    "'Port': 80, 'Protocol': '%s', 'DefaultActions': [{'Type': 'redirect'}]", "TCP");
	TRY("ValidationError",
	    "'Port': 80, 'Protocol': '%s', 'DefaultActions': [{'Type': 'forward'}]", "TCP");
	TRY("InvalidConfigurationRequest",
	    "'Port': 80, 'Protocol': 'TCP', 'SslPolicy': 'x', " FORWARD, tcp);
	TRY("InvalidConfigurationRequest",
	    "'Port': 80, 'Protocol': 'TCP', 'Certificates': [{}], " FORWARD, tcp);
	TRY("IncompatibleProtocols", "'Port': 80, 'Protocol': 'TCP', " FORWARD, udp);
	snprintf(message, sizeof(message),
		 "The listener and its associated target group '%s' have incompatible protocols: "
		 "'TCP' and 'UDP'",
		 udp);
	assert_string_equal(f->error.message, message);
	TRY("IncompatibleProtocols", "'Port': 80, 'Protocol': 'UDP', " FORWARD, tcp);
	TRY("IncompatibleProtocols", "'Port': 80, 'Protocol': 'TCP_UDP', " FORWARD, tcp);
	TRY("ValidationError", "'Port': 80, 'Protocol': 'TCP', " FORWARD, lb);
	fixture_free(f);
}

static void wrong_groups_are_refused_as_the_reference_says(void **state)
{
	struct fixture *f = fixture_new(two_zones);
	char lb[ARN_MAX], other[ARN_MAX], tcp[ARN_MAX], both[ARN_MAX], ls[ARN_MAX];
	char message[3 * ARN_MAX], tuples[3 * ARN_MAX];

	(void)state;
	new_lb(f, lb, "web");
	new_lb(f, other, "other");
	new_tg(f, tcp, "tcp", "TCP");
	new_tg(f, both, "both", "TCP_UDP");
	snprintf(tuples, sizeof(tuples), "{'TargetGroupArn': '%s'}, {'TargetGroupArn': '%s'}", tcp,
		 tcp);
	TRY("ValidationError", "'Port': 80, 'Protocol': 'TCP', " WEIGHTED, tuples, "");
	snprintf(tuples, sizeof(tuples), "{'TargetGroupArn': '%s', 'Weight': 1000}", tcp);
	TRY("ValidationError", "'Port': 80, 'Protocol': 'TCP', " WEIGHTED, tuples, "");
	TRY("InvalidLoadBalancerAction", "'Port': 80, 'Protocol': 'TCP', " WEIGHTED, "", "");
	new_listener(f, ls, other, "TCP_UDP", 80, both);
	TRY("TargetGroupAssociationLimit", "'Port': 80, 'Protocol': 'TCP', " FORWARD, both);
	snprintf(message, sizeof(message),
		 "The following target groups cannot be associated with more than one load "
		 "balancer: %s",
		 both);
	assert_string_equal(f->error.message, message);
	assert_int_equal(HASH_COUNT(f->engine->listeners), 1);
	assert_int_equal(fake_engine_group(f->engine, id_of(tcp))->group.zones, 0);
	fixture_free(f);
}

static void the_same_port_is_the_same_listener_or_refused(void **state)
{
	struct fixture *f = fixture_new(two_zones);
	char lb[ARN_MAX], tcp[ARN_MAX], udp[ARN_MAX], first[ARN_MAX], again[ARN_MAX];
	char message[3 * ARN_MAX];

	(void)state;
	new_lb(f, lb, "dns");
	new_tg(f, tcp, "tcp", "TCP");
	new_tg(f, udp, "udp", "UDP");
	new_listener(f, first, lb, "TCP", 53, tcp);
	assert_string_equal(new_listener(f, again, lb, "TCP", 53, tcp), first);
	call_fails(f, "DuplicateListener", "CreateListener",
		   "{'LoadBalancerArn': '%s', 'Protocol': 'UDP', 'Port': 53, " FORWARD "}", lb,
		   udp);
	snprintf(message, sizeof(message),
		 "A listener already exists on this port for this load balancer '%s'", lb);
	assert_string_equal(f->error.message, message);
	fixture_free(f);
}

static void at_most_50_listeners_on_a_load_balancer(void **state)
{
	struct fixture *f = fixture_new(two_zones);
	char lb[ARN_MAX], tg[ARN_MAX], ls[ARN_MAX];

	(void)state;
	new_lb(f, lb, "web");
	new_tg(f, tg, "t", "TCP");
	for (int i = 1; i <= QUOTA_LISTENERS; i++)
		new_listener(f, ls, lb, "TCP", i, tg);
	call_fails(f, "TooManyListeners", "CreateListener",
		   "{'LoadBalancerArn': '%s', 'Protocol': 'TCP', 'Port': 1000, " FORWARD "}", lb,
		   tg);
	CALL(f, "DeleteListener", "{'ListenerArn': '%s'}", ls);
	new_listener(f, ls, lb, "TCP", 1000, tg);
	fixture_free(f);
}

static void a_full_engine_refuses_one_more_listener(void **state)
{
	struct fixture *f = fixture_new(two_zones);
	char lb[ARN_MAX], tg[ARN_MAX], ls[ARN_MAX];

	(void)state;
	new_lb(f, lb, "web");
	new_tg(f, tg, "t", "TCP");
	f->engine->listener_error = -ENOSPC;
	call_fails(f, "TooManyListeners", "CreateListener",
		   "{'LoadBalancerArn': '%s', 'Protocol': 'TCP', 'Port': 80, " FORWARD "}", lb, tg);
	CALL(f, "DeleteTargetGroup", "{'TargetGroupArn': '%s'}", tg); /* it is not in use */
	f->engine->listener_error = 0;
	new_tg(f, tg, "t", "TCP");
	new_listener(f, ls, lb, "TCP", 80, tg);
	fixture_free(f);
}

static void modifying_moves_port_protocol_and_groups(void **state)
{
	struct fixture *f = fixture_new(two_zones);
	char lb[ARN_MAX], one[ARN_MAX], two[ARN_MAX], ls[ARN_MAX], other[ARN_MAX], h[64];
	json_t *r;

	(void)state;
	new_lb(f, lb, "web");
	new_tg(f, one, "one", "TCP");
	new_tg(f, two, "two", "TCP_UDP");
	new_listener(f, ls, lb, "TCP", 80, one);
	new_listener(f, other, lb, "TCP", 81, one);
	CALL(f, "DeleteListener", "{'ListenerArn': '%s'}", other);
	new_listener(f, other, lb, "TCP_UDP", 90, two);
	CALL(f, "RegisterTargets", "{'TargetGroupArn': '%s', 'Targets': [{'Id': '10.0.1.5'}]}",
	     one);
	CALL(f, "ModifyListenerAttributes",
	     "{'ListenerArn': '%s', 'Attributes': [{'Key': 'tcp.idle_timeout.seconds', 'Value': "
	     "'60'}]}",
	     ls);
	assert_int_equal(fake_engine_listener(f->engine, id_of(ls))->listener.tcp_idle_timeout_s,
			 60);
	call_fails(f, "ValidationError", "ModifyListener", "{'ListenerArn': '%s', 'Port': 90}", ls);
	assert_string_equal(f->error.message, "Listener port '90' is already in use");
	call_fails(f, "IncompatibleProtocols", "ModifyListener",
		   "{'ListenerArn': '%s', 'Protocol': 'UDP'}", ls);
	r = call(f, "ModifyListener", "{'ListenerArn': '%s', 'Port': 8000, 'Protocol': 'TCP'}", ls);
	assert_int_equal(json_integer_value(at_path(r, "Listeners.0.Port")), 8000);
	json_decref(r);
	assert_int_equal(fake_engine_listener(f->engine, id_of(ls))->listener.port, 8000);
	assert_int_equal(fake_engine_listener(f->engine, id_of(ls))->listener.tcp_idle_timeout_s,
			 60);
	assert_string_equal(health(f, one, "10.0.1.5", h), "healthy");
	/* over to the other group and protocol: the first group falls out of use */
	CALL(f, "ModifyListener", "{'ListenerArn': '%s', 'Protocol': 'UDP', " FORWARD "}", ls, two);
	assert_string_equal(health(f, one, "10.0.1.5", h), "unused/Target.NotInUse");
	assert_int_equal(fake_engine_group(f->engine, id_of(one))->group.zones, 0);
	assert_true(fake_engine_listener(f->engine, id_of(ls))->listener.udp);
	r = call(f, "DescribeListenerAttributes", "{'ListenerArn': '%s'}", ls);
	assert_int_equal(json_array_size(at_path(r, "Attributes")), 0);
	json_decref(r);
	CALL(f, "DeleteTargetGroup", "{'TargetGroupArn': '%s'}", one);
	CALL(f, "ModifyListener", "{'ListenerArn': '%s'}", ls);
	fixture_free(f);
}

static void sticky_groups_need_a_sticky_action(void **state)
{
	struct fixture *f = fixture_new(two_zones);
	char lb[ARN_MAX], one[ARN_MAX], two[ARN_MAX], tuples[3 * ARN_MAX];
	const char *const sticky = ", 'TargetGroupStickinessConfig': {'Enabled': true}";

	(void)state;
	new_lb(f, lb, "web");
	new_tg(f, one, "one", "TCP");
	new_tg(f, two, "two", "TCP");
#define STICKY(tg)                                                                        \
	"{'TargetGroupArn': '%s', 'Attributes': [{'Key': 'stickiness.enabled', 'Value': " \
	"'true'}]}",                                                                      \
		tg
	CALL(f, "ModifyTargetGroupAttributes", STICKY(one));
	snprintf(tuples, sizeof(tuples), "{'TargetGroupArn': '%s'}, {'TargetGroupArn': '%s'}", one,
		 two);
	call_fails(f, "InvalidConfigurationRequest", "CreateListener",
		   "{'LoadBalancerArn': '%s', 'Protocol': 'TCP', 'Port': 80, " WEIGHTED "}", lb,
		   tuples, "");
	CALL(f, "CreateListener",
	     "{'LoadBalancerArn': '%s', 'Protocol': 'TCP', 'Port': 80, " WEIGHTED "}", lb, tuples,
	     sticky);
	CALL(f, "ModifyTargetGroupAttributes", STICKY(two));
	fixture_free(f);
	f = fixture_new(two_zones);
	new_lb(f, lb, "web");
	new_tg(f, one, "one", "TCP");
	new_tg(f, two, "two", "TCP");
	snprintf(tuples, sizeof(tuples), "{'TargetGroupArn': '%s'}, {'TargetGroupArn': '%s'}", one,
		 two);
	CALL(f, "CreateListener",
	     "{'LoadBalancerArn': '%s', 'Protocol': 'TCP', 'Port': 80, " WEIGHTED "}", lb, tuples,
	     "");
	call_fails(f, "InvalidConfigurationRequest", "ModifyTargetGroupAttributes", STICKY(two));
	fixture_free(f);
}

static void describing_needs_exactly_one_selector(void **state)
{
	struct fixture *f = fixture_new(two_zones);
	char lb[ARN_MAX], tg[ARN_MAX], ls[3][ARN_MAX], marker[32];
	json_t *r;

	(void)state;
	new_lb(f, lb, "web");
	new_tg(f, tg, "t", "TCP");
	for (int i = 0; i < 3; i++)
		new_listener(f, ls[i], lb, "TCP", 80 + i, tg);
	call_fails(f, "ValidationError", "DescribeListeners", "{}");
	assert_string_equal(f->error.message,
			    "You must specify either listener ARNs or a load balancer ARN");
	r = call(f, "DescribeListeners", "{'LoadBalancerArn': '%s', 'PageSize': 2}", lb);
	assert_int_equal(json_array_size(at_path(r, "Listeners")), 2);
	snprintf(marker, sizeof(marker), "%s", text_at(r, "NextMarker"));
	json_decref(r);
	r = call(f, "DescribeListeners", "{'LoadBalancerArn': '%s', 'Marker': '%s'}", lb, marker);
	assert_string_equal(text_at(r, "Listeners.0.ListenerArn"), ls[2]);
	json_decref(r);
	r = call(f, "DescribeListeners", "{'ListenerArns': ['%s', '%s']}", ls[2], ls[0]);
	assert_string_equal(text_at(r, "Listeners.1.ListenerArn"), ls[0]);
	json_decref(r);
	CALL(f, "DeleteListener", "{'ListenerArn': '%s'}", ls[1]);
	call_fails(f, "ListenerNotFound", "DeleteListener", "{'ListenerArn': '%s'}", ls[1]);
	call_fails(f, "ListenerNotFound", "DescribeListeners", "{'ListenerArns': ['%s']}", ls[1]);
	assert_string_equal(f->error.message, "One or more listeners not found");
	assert_string_equal(
		text_at(json_array_get(f->events, json_array_size(f->events) - 1), "Event"),
		"ListenerDeleted");
	fixture_free(f);
}

static void a_dualstack_listener_serves_the_family_of_its_group(void **state)
{
	struct fixture *f = fixture_new(two_zones);
	char lb[ARN_MAX], four[ARN_MAX], six[ARN_MAX], ls[ARN_MAX], tuples[3 * ARN_MAX];

	(void)state;
	create(f, lb, "LoadBalancers.0.LoadBalancerArn", "CreateLoadBalancer",
	       "{'Name': 'd', 'IpAddressType': 'dualstack'}");
	new_tg(f, four, "four", "TCP");
	create(f, six, "TargetGroups.0.TargetGroupArn", "CreateTargetGroup",
	       "{'Name': 'six', 'Protocol': 'TCP', 'Port': 80, 'IpAddressType': 'ipv6'}");
	new_listener(f, ls, lb, "TCP", 4, four);
	assert_true(address_is_v4(
		&fake_engine_listener(f->engine, id_of(ls))->listener.vips[0].address));
	assert_int_equal(fake_engine_listener(f->engine, id_of(ls))->listener.n_vips, 2);
	new_listener(f, ls, lb, "TCP", 6, six);
	assert_false(address_is_v4(
		&fake_engine_listener(f->engine, id_of(ls))->listener.vips[1].address));
	snprintf(tuples, sizeof(tuples), "{'TargetGroupArn': '%s'}, {'TargetGroupArn': '%s'}", four,
		 six);
	call_fails(f, "InvalidConfigurationRequest", "CreateListener",
		   "{'LoadBalancerArn': '%s', 'Protocol': 'TCP', 'Port': 80, " WEIGHTED "}", lb,
		   tuples, "");
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_listener_is_shown_in_both_forms),
		cmocka_unit_test(weighted_groups_reach_the_engine),
		cmocka_unit_test(wrong_parameters_are_refused_as_the_reference_says),
		cmocka_unit_test(wrong_groups_are_refused_as_the_reference_says),
		cmocka_unit_test(the_same_port_is_the_same_listener_or_refused),
		cmocka_unit_test(at_most_50_listeners_on_a_load_balancer),
		cmocka_unit_test(a_full_engine_refuses_one_more_listener),
		cmocka_unit_test(modifying_moves_port_protocol_and_groups),
		cmocka_unit_test(sticky_groups_need_a_sticky_action),
		cmocka_unit_test(describing_needs_exactly_one_selector),
		cmocka_unit_test(a_dualstack_listener_serves_the_family_of_its_group),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
