/* SPDX-License-Identifier: BSD-3-Clause */
/* Listeners: which packets are led to them, and to which groups they lead. */
#include "dataplane/listeners.h"

#include "model_fixture.h"

#define GROUP 100u /* and the two behind it */
#define WEB 1
#define DNS 2

struct fixture {
	struct model_fixture *model;
	struct listeners *listeners;
};

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	void *model;

	if (fixture == NULL || model_setup(&model) != 0)
		return -1;
	fixture->model = model;
	for (uint32_t i = 0; i < 3; i++)
		model_put_group(fixture->model, GROUP + i);
	*state = fixture;
	return listeners_open(&fixture->model->tables, fixture->model->vips, fixture->model->groups,
			      &fixture->listeners);
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;
	void *model = fixture->model;

	listeners_close(fixture->listeners);
	model_teardown(&model);
	free(fixture);
	return 0;
}

static void restart(struct fixture *fixture)
{
	listeners_close(fixture->listeners);
	model_close(fixture->model);
	model_open(fixture->model);
	assert_int_equal(listeners_open(&fixture->model->tables, fixture->model->vips,
					fixture->model->groups, &fixture->listeners),
			 0);
}

static void commit(struct fixture *fixture)
{
	assert_int_equal(model_commit(fixture->model), 0);
	assert_int_equal(listeners_commit(fixture->listeners, fixture->model->now_ns), 0);
	fixture->model->now_ns += MODEL_SECOND;
}

static void tidy(struct fixture *fixture)
{
	fixture->model->now_ns += 10 * MODEL_SECOND;
	listeners_tidy(fixture->listeners, fixture->model->now_ns);
}

/* TCP on one VIP in zone 0, to GROUP. */
static struct engine_listener plain(const char *vip, uint16_t port)
{
	return (struct engine_listener){
		.vips[0] = {.address = model_address(vip)},
		.n_vips = 1,
		.port = port,
		.tcp = true,
		.tcp_idle_timeout_s = 350,
		.udp_idle_timeout_s = 120,
		.groups[0] = {GROUP, 1},
		.n_groups = 1,
	};
}

static int put(struct fixture *fixture, uint64_t id, const struct engine_listener *listener)
{
	return listeners_put(fixture->listeners, id, listener);
}

/* The address entry a packet finds, or NULL. */
static const struct sl_vip *entry(struct fixture *fixture, const char *vip, uint16_t port,
				  uint8_t protocol)
{
	struct in6_addr address = model_address(vip);
	__be32 words[4];
	bool v6 = vip_table_words(&address, words);

	return sl_vip_find(&fixture->model->tables, v6, words, htons(port), protocol);
}

/* The listener a packet finds. */
static const struct sl_listener *seen(struct fixture *fixture, const char *vip, uint16_t port,
				      uint8_t protocol)
{
	const struct sl_vip *found = entry(fixture, vip, port, protocol);

	return found != NULL ? &fixture->model->tables.listeners[found->listener] : NULL;
}

static uint64_t seen_id(struct fixture *fixture, const char *vip, uint16_t port)
{
	const struct sl_listener *listener = seen(fixture, vip, port, IPPROTO_TCP);

	return listener != NULL ? listener->id : 0;
}

static struct sl_listener_counters *counts(struct fixture *fixture, uint32_t cpu,
					   const struct sl_listener *listener)
{
	size_t number = (size_t)(listener - fixture->model->tables.listeners);

	return &fixture->model->tables.listener_counts[cpu * SL_MAX_LISTENERS + number];
}

/* --- tests ---------------------------------------------------------------- */

static void packets_are_led_to_it_from_the_commit_on(void **state)
{
	struct engine_listener listener = plain("192.0.2.1", 80);
	struct fixture *fixture = *state;
	const struct sl_listener *record;

	assert_int_equal(put(fixture, WEB, &listener), 0);
	assert_null(seen(fixture, "192.0.2.1", 80, IPPROTO_TCP));
	commit(fixture);
	record = seen(fixture, "192.0.2.1", 80, IPPROTO_TCP);
	assert_non_null(record);
	assert_int_equal(record->id, WEB);
	assert_int_equal(record->tcp_idle, SL_TICKS_OF_MS(350000));
	assert_int_equal(record->udp_idle, SL_TICKS_OF_MS(120000));
	assert_null(seen(fixture, "192.0.2.1", 80, IPPROTO_UDP));
	assert_null(seen(fixture, "192.0.2.1", 81, IPPROTO_TCP));
	assert_null(seen(fixture, "192.0.2.2", 80, IPPROTO_TCP));
	assert_int_equal(listeners_remove(fixture->listeners, WEB), 0);
	assert_non_null(seen(fixture, "192.0.2.1", 80, IPPROTO_TCP));
	commit(fixture);
	assert_null(seen(fixture, "192.0.2.1", 80, IPPROTO_TCP));
	assert_int_equal(listeners_remove(fixture->listeners, WEB), -ENOENT);
}

static void it_listens_on_all_its_vips_and_protocols(void **state)
{
	struct engine_listener listener = plain("192.0.2.1", 53);
	struct fixture *fixture = *state;
	char text[ADDRESS_TEXT_MAX];

	listener.udp = true;
	listener.n_vips = ENGINE_MAX_VIPS;
	for (unsigned int i = 0; i < ENGINE_MAX_VIPS; i++)
		listener.vips[i] = (struct engine_vip){address_from_v4(htonl(0xc0000200 + i)), i % 8};
	assert_int_equal(put(fixture, DNS, &listener), 0);
	commit(fixture);
	for (unsigned int i = 0; i < ENGINE_MAX_VIPS; i++) {
		address_format(&listener.vips[i].address, text);
		assert_int_equal(entry(fixture, text, 53, IPPROTO_TCP)->zone, i % 8);
		assert_int_equal(entry(fixture, text, 53, IPPROTO_UDP)->zone, i % 8);
	}
	/* fewer, and one in another zone */
	listener.tcp = false;
	listener.n_vips = 2;
	listener.vips[1].zone = 7;
	assert_int_equal(put(fixture, DNS, &listener), 0);
	commit(fixture);
	assert_int_equal(entry(fixture, "192.0.2.0", 53, IPPROTO_UDP)->zone, 0);
	assert_int_equal(entry(fixture, "192.0.2.1", 53, IPPROTO_UDP)->zone, 7);
	assert_null(entry(fixture, "192.0.2.0", 53, IPPROTO_TCP));
	assert_null(entry(fixture, "192.0.2.2", 53, IPPROTO_UDP));
}

static void a_change_keeps_number_and_counters(void **state)
{
	struct engine_listener listener = plain("192.0.2.1", 80);
	struct fixture *fixture = *state;
	const struct sl_listener *record;
	struct engine_counters counters;

	assert_int_equal(put(fixture, WEB, &listener), 0);
	commit(fixture);
	record = seen(fixture, "192.0.2.1", 80, IPPROTO_TCP);
	counts(fixture, 0, record)->new_flows[SL_L4_TCP] = 5;
	listener.port = 8080;
	listener.tcp_idle_timeout_s = 6000;
	listener.groups[0].group_id = GROUP + 1;
	assert_int_equal(put(fixture, WEB, &listener), 0);
	assert_int_equal(record->tcp_idle, SL_TICKS_OF_MS(350000));
	commit(fixture);
	assert_null(seen(fixture, "192.0.2.1", 80, IPPROTO_TCP));
	assert_ptr_equal(seen(fixture, "192.0.2.1", 8080, IPPROTO_TCP), record);
	assert_int_equal(record->tcp_idle, SL_TICKS_OF_MS(6000000));
	assert_int_equal(record->forwarding[record->active].groups[0].group,
			 groups_number(fixture->model->groups, GROUP + 1));
	assert_int_equal(listeners_counters(fixture->listeners, WEB, &counters), 0);
	assert_int_equal(counters.new_flows_tcp, 5);
}

static void weights_reach_packets_in_one_step(void **state)
{
	struct engine_listener listener = plain("192.0.2.1", 80);
	struct fixture *fixture = *state;
	const struct sl_forwarding *forwarding;
	const struct sl_listener *record;
	uint32_t active;

	listener.n_groups = 3;
	listener.groups[1] = (struct engine_weighted){GROUP + 1, 999};
	listener.groups[2] = (struct engine_weighted){GROUP + 2, 0};
	listener.sticky_groups = true;
	assert_int_equal(put(fixture, WEB, &listener), 0);
	commit(fixture);
	record = seen(fixture, "192.0.2.1", 80, IPPROTO_TCP);
	active = record->active;
	forwarding = &record->forwarding[active];
	assert_int_equal(forwarding->n_groups, 3);
	assert_int_equal(forwarding->weights, 1000);
	assert_int_equal(forwarding->groups[1].weight, 999);
	assert_int_equal(forwarding->groups[1].group,
			 groups_number(fixture->model->groups, GROUP + 1));
	assert_true(forwarding->sticky_groups);
	/* the one in use is not touched: the other is filled, then they change places */
	listener.groups[2].weight = 7;
	listener.sticky_groups = false;
	assert_int_equal(put(fixture, WEB, &listener), 0);
	commit(fixture);
	assert_int_equal(record->active, !active);
	assert_int_equal(record->forwarding[active].weights, 1000);
	assert_int_equal(record->forwarding[!active].weights, 1007);
	assert_false(record->forwarding[!active].sticky_groups);
	/* nothing changes: nothing is written */
	assert_int_equal(put(fixture, WEB, &listener), 0);
	commit(fixture);
	assert_int_equal(record->active, !active);
}

static void groups_share_new_flows_by_weight(void **state)
{
	struct engine_listener listener = plain("192.0.2.1", 80);
	struct fixture *fixture = *state;
	const struct sl_listener *record;
	uint32_t chosen[3] = {};

	listener.n_groups = 3;
	listener.groups[0].weight = 30;
	listener.groups[1] = (struct engine_weighted){GROUP + 1, 0};
	listener.groups[2] = (struct engine_weighted){GROUP + 2, 10};
	assert_int_equal(put(fixture, WEB, &listener), 0);
	commit(fixture);
	record = seen(fixture, "192.0.2.1", 80, IPPROTO_TCP);
	for (uint32_t n = 0; n < MODEL_FLOWS; n++) {
		const struct sl_flow_key key = model_key(n);
		struct sl_choice choice =
			sl_select(&fixture->model->tables, false, record, 0, &key, 0);

		for (uint32_t i = 0; i < 3; i++)
			chosen[i] += choice.group ==
				     groups_number(fixture->model->groups, GROUP + i);
	}
	assert_int_equal(chosen[1], 0);
	assert_int_equal(chosen[0] + chosen[2], MODEL_FLOWS);
	assert_in_range(chosen[2], MODEL_FLOWS / 4 * 95 / 100, MODEL_FLOWS / 4 * 105 / 100);
}

static void one_address_and_port_is_one_listeners(void **state)
{
	struct engine_listener web = plain("192.0.2.1", 80), other = plain("192.0.2.9", 80);
	struct fixture *fixture = *state;

	assert_int_equal(put(fixture, WEB, &web), 0);
	assert_int_equal(put(fixture, DNS, &other), 0);
	other = plain("192.0.2.1", 80);
	assert_int_equal(put(fixture, DNS, &other), -EEXIST); /* staged in the same commit */
	commit(fixture);
	assert_int_equal(put(fixture, DNS, &other), -EEXIST);
	assert_int_equal(put(fixture, 3, &other), -EEXIST);
	assert_int_equal(seen_id(fixture, "192.0.2.9", 80), DNS);
	other.n_vips = 2; /* one of two is enough */
	other.vips[1] = other.vips[0];
	other.vips[0].address = model_address("192.0.2.9");
	assert_int_equal(put(fixture, DNS, &other), -EEXIST);
	other.tcp = false; /* another protocol is another listener's */
	other.udp = true;
	assert_int_equal(put(fixture, DNS, &other), 0);
	commit(fixture);
	assert_int_equal(seen_id(fixture, "192.0.2.1", 80), WEB);
	assert_int_equal(seen(fixture, "192.0.2.1", 80, IPPROTO_UDP)->id, DNS);
	/* the same again is no conflict with itself */
	assert_int_equal(put(fixture, WEB, &web), 0);
	commit(fixture);
	/* and a place that its owner is about to leave is free */
	web.port = 81;
	assert_int_equal(put(fixture, WEB, &web), 0);
	other = plain("192.0.2.1", 80);
	assert_int_equal(put(fixture, 3, &other), 0);
	web.port = 80;
	assert_int_equal(put(fixture, WEB, &web), -EEXIST);
	commit(fixture);
	assert_int_equal(seen_id(fixture, "192.0.2.1", 80), 3);
	assert_int_equal(seen_id(fixture, "192.0.2.1", 81), WEB);
}

static void one_goes_and_another_comes_in_one_commit(void **state)
{
	struct engine_listener listener = plain("192.0.2.1", 80);
	struct fixture *fixture = *state;

	assert_int_equal(put(fixture, WEB, &listener), 0);
	commit(fixture);
	assert_int_equal(listeners_remove(fixture->listeners, WEB), 0);
	assert_int_equal(put(fixture, DNS, &listener), 0);
	assert_int_equal(seen_id(fixture, "192.0.2.1", 80), WEB);
	commit(fixture);
	assert_int_equal(seen_id(fixture, "192.0.2.1", 80), DNS);
	/* two that exchange their ports */
	listener.port = 81;
	assert_int_equal(put(fixture, WEB, &listener), 0);
	commit(fixture);
	listener.port = 82;
	assert_int_equal(put(fixture, WEB, &listener), 0);
	listener.port = 81;
	assert_int_equal(put(fixture, DNS, &listener), 0);
	listener.port = 80;
	assert_int_equal(put(fixture, WEB, &listener), 0);
	commit(fixture);
	assert_int_equal(seen_id(fixture, "192.0.2.1", 80), WEB);
	assert_int_equal(seen_id(fixture, "192.0.2.1", 81), DNS);
	assert_int_equal(seen_id(fixture, "192.0.2.1", 82), 0);
	/* removed and put again: it stays */
	assert_int_equal(listeners_remove(fixture->listeners, WEB), 0);
	listener.port = 80;
	assert_int_equal(put(fixture, WEB, &listener), 0);
	commit(fixture);
	assert_int_equal(seen_id(fixture, "192.0.2.1", 80), WEB);
}

static void an_unknown_group_is_refused(void **state)
{
	struct engine_listener listener = plain("192.0.2.1", 80);
	struct fixture *fixture = *state;
	struct engine_counters counters;

	listener.n_groups = 2;
	listener.groups[1] = (struct engine_weighted){GROUP + 9, 1};
	assert_int_equal(put(fixture, WEB, &listener), -ENOENT);
	assert_int_equal(listeners_counters(fixture->listeners, WEB, &counters), -ENOENT);
	commit(fixture);
	assert_null(seen(fixture, "192.0.2.1", 80, IPPROTO_TCP));
	assert_int_equal(groups_remove(fixture->model->groups, GROUP + 1), 0);
	listener.groups[1].group_id = GROUP + 1;
	assert_int_equal(put(fixture, WEB, &listener), -ENOENT);
}

static void a_number_rests_until_its_flows_are_gone(void **state)
{
	struct engine_listener listener = plain("192.0.2.1", 80);
	struct fixture *fixture = *state;
	const struct sl_listener *record;
	uint64_t flows4, flows6;
	uint32_t n;

	assert_int_equal(put(fixture, WEB, &listener), 0);
	commit(fixture);
	record = seen(fixture, "192.0.2.1", 80, IPPROTO_TCP);
	counts(fixture, 0, record)->new_flows[SL_L4_TCP] = 2;
	counts(fixture, 1, record)->freed_flows = 1;
	assert_int_equal(listeners_remove(fixture->listeners, WEB), 0);
	commit(fixture);
	tidy(fixture);
	assert_int_equal(record->id, WEB); /* flow records name it */
	listeners_count(fixture->listeners, &n, &flows4, &flows6);
	assert_int_equal(n, 0);
	assert_int_equal(flows4, 1);
	assert_int_equal(flows6, 0);
	assert_int_equal(put(fixture, DNS, &listener), 0);
	commit(fixture);
	assert_ptr_not_equal(seen(fixture, "192.0.2.1", 80, IPPROTO_TCP), record);
	counts(fixture, 0, record)->freed_flows = 1;
	listeners_tidy(fixture->listeners, fixture->model->now_ns);
	assert_int_equal(record->id, 0);
	assert_int_equal(counts(fixture, 0, record)->new_flows[SL_L4_TCP], 0);
	assert_int_equal(counts(fixture, 1, record)->freed_flows, 0);
}

static void listeners_find_room_up_to_the_limit(void **state)
{
	struct engine_listener listener = plain("192.0.2.1", 1);
	struct fixture *fixture = *state;

	for (uint64_t id = 1; id <= SL_MAX_LISTENERS; id++) {
		listener.port = (uint16_t)id;
		assert_int_equal(put(fixture, id, &listener), 0);
	}
	listener.port++;
	assert_int_equal(put(fixture, SL_MAX_LISTENERS + 1, &listener), -ENOSPC);
	commit(fixture);
	assert_int_equal(put(fixture, SL_MAX_LISTENERS + 1, &listener), -ENOSPC);
	for (uint16_t port = 1; port <= SL_MAX_LISTENERS; port++)
		assert_int_equal(seen_id(fixture, "192.0.2.1", port), port);
	assert_int_equal(listeners_remove(fixture->listeners, 17), 0);
	commit(fixture);
	assert_int_equal(put(fixture, SL_MAX_LISTENERS + 1, &listener), -ENOSPC);
	tidy(fixture);
	assert_int_equal(put(fixture, SL_MAX_LISTENERS + 1, &listener), 0);
	commit(fixture);
	assert_int_equal(seen_id(fixture, "192.0.2.1", SL_MAX_LISTENERS + 1), SL_MAX_LISTENERS + 1);
	assert_int_equal(seen_id(fixture, "192.0.2.1", 17), 0);
}

static void a_full_address_table_is_tried_again(void **state)
{
	struct engine_listener listener = plain("192.0.2.1", 80);
	struct fixture *fixture = *state;
	struct model_fixture *model = fixture->model;
	uint32_t room = model->tables.config->max_vips - 1;

	for (uint32_t n = 0; n < room; n++) {
		struct in6_addr address = address_from_v4(htonl(n));

		assert_int_equal(vip_table_hold(model->vips, &address, SL_VIP_TARGET, 0), 0);
	}
	assert_int_equal(put(fixture, WEB, &listener), 0);
	assert_int_equal(listeners_commit(fixture->listeners, model->now_ns), -ENOSPC);
	assert_int_equal(vip_table_release(model->vips, &(struct in6_addr){
					.s6_addr = {[10] = 0xff, [11] = 0xff, [15] = 9}}), 0);
	assert_int_equal(listeners_commit(fixture->listeners, model->now_ns), 0);
	assert_int_equal(seen_id(fixture, "192.0.2.1", 80), WEB);
}

static void counters_are_sums_over_the_processors(void **state)
{
	struct engine_listener listener = plain("2001:db8::1", 80);
	struct fixture *fixture = *state;
	uint64_t flows4, flows6;
	struct engine_counters c;
	uint32_t n;

	assert_int_equal(put(fixture, WEB, &listener), 0);
	commit(fixture);
	for (uint32_t cpu = 0; cpu < MODEL_CPUS; cpu++)
		*counts(fixture, cpu, seen(fixture, "2001:db8::1", 80, IPPROTO_TCP)) =
			(struct sl_listener_counters){
				.packets = {10, 20}, .bytes = {100, 200}, .new_flows = {7, 8},
				.ended_flows = {3, 1}, .freed_flows = 2, .client_resets = 1,
				.target_resets = 2, .elb_resets = 3, .rejected_flows = {4, 5},
				.port_allocation_errors = 6, .unhealthy_routing_flows = 7};
	assert_int_equal(listeners_counters(fixture->listeners, WEB, &c), 0);
	assert_int_equal(c.active_flows_tcp, 8);
	assert_int_equal(c.active_flows_udp, 14);
	assert_int_equal(c.active_flows, 22);
	assert_int_equal(c.new_flows_tcp, 14);
	assert_int_equal(c.new_flows_udp, 16);
	assert_int_equal(c.processed_packets, 60);
	assert_int_equal(c.processed_bytes, 600);
	assert_int_equal(c.processed_bytes_tcp, 200);
	assert_int_equal(c.processed_bytes_udp, 400);
	assert_int_equal(c.client_resets, 2);
	assert_int_equal(c.target_resets, 4);
	assert_int_equal(c.elb_resets, 6);
	assert_int_equal(c.rejected_flows_tcp, 8);
	assert_int_equal(c.rejected_flows_udp, 10);
	assert_int_equal(c.port_allocation_errors, 12);
	assert_int_equal(c.unhealthy_routing_flows, 14);
	listeners_count(fixture->listeners, &n, &flows4, &flows6);
	assert_int_equal(n, 1);
	assert_int_equal(flows4, 0);
	assert_int_equal(flows6, 26);
}

static void the_next_process_takes_listeners_over(void **state)
{
	struct engine_listener web = plain("192.0.2.1", 80), dns = plain("192.0.2.1", 53);
	struct fixture *fixture = *state;
	const struct sl_listener *record, *left;
	struct engine_counters c;

	dns.udp = true;
	assert_int_equal(put(fixture, WEB, &web), 0);
	assert_int_equal(put(fixture, DNS, &dns), 0);
	commit(fixture);
	record = seen(fixture, "192.0.2.1", 80, IPPROTO_TCP);
	left = seen(fixture, "192.0.2.1", 53, IPPROTO_UDP);
	counts(fixture, 0, record)->packets[SL_L4_TCP] = 3;
	counts(fixture, 0, left)->new_flows[SL_L4_UDP] = 1;
	restart(fixture);
	assert_ptr_equal(seen(fixture, "192.0.2.1", 80, IPPROTO_TCP), record);
	listeners_reconcile_begin(fixture->listeners);
	for (uint32_t i = 0; i < 3; i++)
		model_put_group(fixture->model, GROUP + i);
	web.vips[0].zone = 1;
	assert_int_equal(put(fixture, WEB, &web), 0);
	listeners_reconcile_end(fixture->listeners);
	assert_non_null(seen(fixture, "192.0.2.1", 53, IPPROTO_TCP)); /* staged only */
	commit(fixture);
	assert_ptr_equal(seen(fixture, "192.0.2.1", 80, IPPROTO_TCP), record);
	assert_int_equal(entry(fixture, "192.0.2.1", 80, IPPROTO_TCP)->zone, 1);
	assert_null(seen(fixture, "192.0.2.1", 53, IPPROTO_TCP));
	assert_null(seen(fixture, "192.0.2.1", 53, IPPROTO_UDP));
	assert_int_equal(listeners_counters(fixture->listeners, WEB, &c), 0);
	assert_int_equal(c.processed_packets, 3);
	/* one that left with flows is still leaving after the next restart */
	restart(fixture);
	assert_int_equal(listeners_counters(fixture->listeners, DNS, &c), -ENOENT);
	tidy(fixture);
	assert_int_equal(left->id, DNS);
	counts(fixture, 1, left)->freed_flows = 1;
	tidy(fixture);
	assert_int_equal(left->id, 0);
	assert_int_equal(seen_id(fixture, "192.0.2.1", 80), WEB);
}

/* Or the next listener of that number would get its packets. */
static void entries_that_lead_nowhere_are_removed_at_a_take_over(void **state)
{
	struct fixture *fixture = *state;
	struct vip_key key = {model_address("192.0.2.1"), 80, IPPROTO_TCP};

	assert_int_equal(vip_table_put(fixture->model->vips, &key, SL_VIP_LISTENER, 9, 0), 0);
	restart(fixture);
	assert_null(entry(fixture, "192.0.2.1", 80, IPPROTO_TCP));
}

#define LISTENER_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LISTENER_TEST(packets_are_led_to_it_from_the_commit_on),
		LISTENER_TEST(it_listens_on_all_its_vips_and_protocols),
		LISTENER_TEST(a_change_keeps_number_and_counters),
		LISTENER_TEST(weights_reach_packets_in_one_step),
		LISTENER_TEST(groups_share_new_flows_by_weight),
		LISTENER_TEST(one_address_and_port_is_one_listeners),
		LISTENER_TEST(one_goes_and_another_comes_in_one_commit),
		LISTENER_TEST(an_unknown_group_is_refused),
		LISTENER_TEST(a_number_rests_until_its_flows_are_gone),
		LISTENER_TEST(listeners_find_room_up_to_the_limit),
		LISTENER_TEST(a_full_address_table_is_tried_again),
		LISTENER_TEST(counters_are_sums_over_the_processors),
		LISTENER_TEST(the_next_process_takes_listeners_over),
		LISTENER_TEST(entries_that_lead_nowhere_are_removed_at_a_take_over),
	};

	listeners_close(NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
