/* SPDX-License-Identifier: BSD-3-Clause */
/* The engine's life, and the way of the model into the tables. */
#include "engine.h"

#include "engine_internal.h"
#include "interface.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define TIDY_PERIOD_S 1

uint64_t engine_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static bool has_packets(const struct engine *engine)
{
	return engine->config.kind != ENGINE_MEMORY;
}

/* --- next hops ------------------------------------------------------------ */

static uint64_t hop_of(const struct engine *engine, const struct next_hop *hop)
{
	uint16_t port = ports_number(&engine->ports, hop->ifindex);
	uint64_t word = (uint64_t)port << 48;

	if (!hop->resolved || port == SL_NONE)
		return SL_NEXT_HOP_NONE;
	for (int i = 0; i < SL_MAC_BYTES; i++)
		word |= (uint64_t)hop->mac[i] << (8 * i);
	return word;
}

static void next_hop_changed(void *context, const struct in6_addr *address,
			     const struct next_hop *hop)
{
	struct engine *engine = context;

	groups_next_hop(engine->groups, address, hop_of(engine, hop));
}

static uint64_t watch(void *context, const struct in6_addr *address)
{
	struct engine *engine = context;
	struct next_hop hop;

	if (engine->next_hops == NULL || next_hops_watch(engine->next_hops, address, &hop) != 0)
		return SL_NEXT_HOP_NONE;
	return hop_of(engine, &hop);
}

static void unwatch(void *context, const struct in6_addr *address)
{
	struct engine *engine = context;

	if (engine->next_hops != NULL)
		next_hops_unwatch(engine->next_hops, address);
}

/* --- start ---------------------------------------------------------------- */

/*
 * Packets whose next hop is not resolved yet go to the kernel already
 * rewritten: it must forward them although their source is its own address.
 * And what it forwards for targets must not be bound to one interface.
 */
static int prepare_interface(const char *name, char error[ENGINE_ERROR_MAX])
{
	static const struct {
		int family;
		const char *key;
		int value;
	} settings[] = {
		{AF_INET, "forwarding", 1},
		{AF_INET, "accept_local", 1},
		{AF_INET, "rp_filter", 0},
		{AF_INET, "send_redirects", 0},
		{AF_INET6, "forwarding", 1},
		{AF_INET6, "keep_addr_on_down", 1}, /* or VIPs would be gone when it comes up again */
	};

	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		int r = interface_set_sysctl(name, settings[i].family, settings[i].key,
					     settings[i].value);

		if (r < 0 && !(r == -ENOENT && settings[i].family == AF_INET6)) { /* IPv6 disabled */
			snprintf(error, ENGINE_ERROR_MAX, "interface %s: cannot set %s to %d: %s", name,
				 settings[i].key, settings[i].value, strerror(-r));
			return r;
		}
	}
	return 0;
}

static void write_zone(struct sl_zone *zone, const struct engine_zone *settings)
{
	struct sl_zone next = {};

	for (unsigned int i = 0; i < settings->n_snat; i++) {
		__be32 words[4];

		if (vip_table_words(&settings->snat[i], words))
			memcpy(next.snat6[next.n_snat6++], words, sizeof(words));
		else
			next.snat4[next.n_snat4++] = words[0];
	}
	if (memcmp(zone, &next, sizeof(next)) != 0)
		*zone = next;
}

/*
 * Which interface a SNAT address is added to: the one on whose link the
 * targets are that answer to it, or the zone's own.
 */
static const char *snat_interface(const struct engine *engine, const struct engine_zone *zone,
				  const struct in6_addr *address)
{
	for (unsigned int i = 0; i < engine->config.n_interfaces; i++) {
		const char *name = engine->config.interfaces[i];
		bool on_link;

		if (interface_reaches(name, address, &on_link) == 0 && on_link)
			return name;
	}
	return zone->interface;
}

static int open_zone(struct engine *engine, unsigned int number, char error[ENGINE_ERROR_MAX])
{
	const struct engine_zone *zone = &engine->config.zones[number];
	int r;

	for (unsigned int i = 0; i < zone->n_snat; i++) {
		const char *interface = snat_interface(engine, zone, &zone->snat[i]);
		char text[ADDRESS_TEXT_MAX];
		bool added;

		r = vip_table_hold(engine->vip_table, &zone->snat[i], SL_VIP_OURS, (uint8_t)number);
		if (r == 0 && has_packets(engine))
			r = interface_add_address(interface, &zone->snat[i], &added);
		if (r < 0) {
			snprintf(error, ENGINE_ERROR_MAX, "SNAT address %s on %s: %s",
				 address_format(&zone->snat[i], text), interface, strerror(-r));
			return r;
		}
	}
	write_zone(&engine->tables.zones[number], zone);
	return 0;
}

static int open_network(struct engine *engine, char error[ENGINE_ERROR_MAX])
{
	int r;

	if (!has_packets(engine))
		return 0;
	r = ports_open(&engine->ports, &engine->tables, &engine->config, error);
	for (unsigned int i = 0; r == 0 && i < engine->config.n_interfaces; i++)
		r = prepare_interface(engine->config.interfaces[i], error);
	if (r < 0)
		return r;
	r = next_hops_open(next_hop_changed, engine, &engine->next_hops);
	if (r < 0)
		snprintf(error, ENGINE_ERROR_MAX, "netlink: %s", strerror(-r));
	return r;
}

static int add_fd(int epoll_fd, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	if (fd < 0)
		return 0;
	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -errno;
}

static void flow_ended(void *context, const struct sl_flow_record *record)
{
	struct engine *engine = context;
	struct engine_flow flow = engine_flow_of(record, engine_now_ns());

	if (engine->events.flow_ended != NULL)
		engine->events.flow_ended(engine->events.context, &flow);
}

static int open_poll(struct engine *engine)
{
	struct itimerspec period = {{TIDY_PERIOD_S, 0}, {TIDY_PERIOD_S, 0}};
	int r;

	engine->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	engine->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (engine->epoll_fd < 0 || engine->timer_fd < 0 ||
	    timerfd_settime(engine->timer_fd, 0, &period, NULL) != 0)
		return -errno;
	r = add_fd(engine->epoll_fd, engine->timer_fd);
	if (r == 0)
		r = add_fd(engine->epoll_fd, engine->ops->records_fd(engine->backend));
	if (r == 0)
		r = add_fd(engine->epoll_fd, termination_fd(engine->termination));
	if (r == 0 && engine->next_hops != NULL)
		r = add_fd(engine->epoll_fd, next_hops_fd(engine->next_hops));
	return r;
}

static int vip_entry_add(struct engine *engine, const struct engine_vip *vip,
			 struct engine_vip_entry **ret_entry)
{
	int r;

	if (engine->n_vips == engine->room_vips) {
		size_t room = engine->room_vips == 0 ? 64 : 2 * engine->room_vips;
		struct engine_vip_entry *more = realloc(engine->vips, room * sizeof(*more));

		if (more == NULL)
			return -ENOMEM;
		engine->vips = more;
		engine->room_vips = room;
	}
	r = vip_table_hold(engine->vip_table, &vip->address, SL_VIP_OURS, (uint8_t)vip->zone);
	if (r < 0)
		return r;
	*ret_entry = &engine->vips[engine->n_vips++];
	**ret_entry = (struct engine_vip_entry){.vip = *vip};
	return 0;
}

/* VIPs (and SNAT addresses) that an earlier sluiced added: they are ours to remove. */
static int adopt_vips(struct engine *engine)
{
	for (uint32_t i = 1; i < engine->tables.config->max_vips; i++) {
		const struct sl_vip *record = &engine->tables.vips[i];
		struct engine_vip vip = {.address = vip_table_address(record), .zone = record->zone};
		struct engine_vip_entry *entry;
		int r;

		if (record->family == 0 || record->kind != SL_VIP_OURS || record->users != 0)
			continue;
		r = vip_entry_add(engine, &vip, &entry);
		if (r < 0)
			return r;
	}
	return 0;
}

static int open_model(struct engine *engine, char error[ENGINE_ERROR_MAX])
{
	struct groups_callbacks callbacks = {engine, watch, unwatch};
	int r;

	r = vip_table_open(&engine->tables, &engine->vip_table);
	for (unsigned int i = 0; r == 0 && i < engine->config.n_zones; i++)
		r = open_zone(engine, i, error);
	if (r == 0)
		r = groups_open(&engine->tables, engine->vip_table, &callbacks, &engine->groups);
	if (r == 0)
		r = listeners_open(&engine->tables, engine->vip_table, engine->groups,
				   &engine->listeners);
	if (r == 0)
		r = adopt_vips(engine);
	if (r < 0 && error[0] == '\0')
		snprintf(error, ENGINE_ERROR_MAX, "the tables cannot be filled: %s", strerror(-r));
	return r;
}

/* Leave nothing of an engine that never served. One that was taken over goes on as it did. */
static void undo(struct engine *engine)
{
	char error[ENGINE_ERROR_MAX];

	if (engine->backend != NULL && !engine->taken_over)
		engine_detach(engine, error); /* what went wrong before is the news */
}

static const struct backend_ops *const backends[] = {
	[ENGINE_MEMORY] = &backend_memory,
	[ENGINE_XDP] = &backend_xdp,
	[ENGINE_DPDK] = &backend_dpdk,
};

int engine_open(const struct engine_config *config, const struct engine_events *events,
		struct engine **ret_engine, char error[ENGINE_ERROR_MAX])
{
	struct engine *engine = calloc(1, sizeof(*engine));
	int r;

	snprintf(error, ENGINE_ERROR_MAX, "the engine does not start: out of memory");
	if (engine == NULL)
		return -ENOMEM;
	error[0] = '\0';
	engine->config = *config;
	engine->events = *events;
	engine->epoll_fd = engine->timer_fd = -1;
	engine->ops = backends[config->kind];
	r = engine->ops->open(&engine->config, &engine->backend, &engine->tables, &engine->taken_over, error);
	if (r == 0)
		tables_count_on(&engine->tables, engine->tables.config->cpus - 1);
	if (r == 0)
		r = open_network(engine, error);
	if (r == 0)
		r = open_model(engine, error);
	if (r == 0)
		r = termination_open(&engine->tables, flow_ended, engine, has_packets(engine),
				     &engine->termination);
	if (r == 0 && engine->taken_over)
		termination_begin(engine->termination, engine_now_ns());
	if (r == 0)
		r = open_poll(engine);
	if (r < 0) {
		if (error[0] == '\0')
			snprintf(error, ENGINE_ERROR_MAX, "the engine does not start: %s",
				 strerror(-r));
		undo(engine);
		engine_close(engine);
		return r;
	}
	*ret_engine = engine;
	return 0;
}

void engine_close(struct engine *engine)
{
	if (engine == NULL)
		return;
	if (engine->epoll_fd >= 0)
		close(engine->epoll_fd);
	if (engine->timer_fd >= 0)
		close(engine->timer_fd);
	termination_close(engine->termination);
	listeners_close(engine->listeners);
	groups_close(engine->groups);
	vip_table_close(engine->vip_table);
	next_hops_close(engine->next_hops);
	engine->ops->close(engine->backend);
	free(engine->vips);
	free(engine);
}

int engine_detach(struct engine *engine, char error[ENGINE_ERROR_MAX])
{
	int first = engine->ops->detach(engine->backend, error);

	if (!has_packets(engine))
		return first;
	while (engine->n_vips != 0) {
		struct engine_vip vip = engine->vips[engine->n_vips - 1].vip;
		int r = engine_vip_remove(engine, &vip);

		if (r < 0 && first == 0) {
			snprintf(error, ENGINE_ERROR_MAX, "a VIP cannot be removed: %s",
				 strerror(-r));
			first = r;
		}
	}
	for (unsigned int zone = 0; zone < engine->config.n_zones; zone++) {
		const struct engine_zone *z = &engine->config.zones[zone];

		for (unsigned int i = 0; i < z->n_snat; i++) {
			int r = interface_remove_address(snat_interface(engine, z, &z->snat[i]),
							 &z->snat[i]);

			if (r < 0 && r != -EADDRNOTAVAIL && r != -ENODEV && first == 0) {
				snprintf(error, ENGINE_ERROR_MAX, "SNAT addresses of %s: %s",
					 z->interface, strerror(-r));
				first = r;
			}
		}
	}
	return first;
}

/* --- events --------------------------------------------------------------- */

int engine_poll_fd(const struct engine *engine)
{
	return engine->epoll_fd;
}

static void changed(void *context, const char *what)
{
	struct engine *engine = context;

	if (engine->events.changed != NULL)
		engine->events.changed(engine->events.context, what);
}

void engine_process(struct engine *engine)
{
	uint64_t expirations, now_ns = engine_now_ns();

	engine->ops->records(engine->backend, flow_ended, engine);
	if (engine->next_hops != NULL && next_hops_process(engine->next_hops) != 0)
		changed(engine, "netlink failed; next hops are read again");
	if (termination_step(engine->termination, now_ns) != 0)
		changed(engine, "flows were ended, but not all RSTs could be sent");
	if (read(engine->timer_fd, &expirations, sizeof(expirations)) != sizeof(expirations))
		return;
	ports_refresh(&engine->ports, changed, engine);
	if (engine->ops->wait_for_readers != NULL) /* before numbers and memory are used again */
		engine->ops->wait_for_readers(engine->backend);
	groups_tidy(engine->groups, now_ns);
	listeners_tidy(engine->listeners, now_ns);
}

/* --- the model ------------------------------------------------------------ */

static struct engine_vip_entry *vip_entry(struct engine *engine, const struct in6_addr *address)
{
	for (size_t i = 0; i < engine->n_vips; i++)
		if (address_equal(&engine->vips[i].vip.address, address))
			return &engine->vips[i];
	return NULL;
}

static int vip_to_interface(const struct engine *engine, const struct engine_vip *vip)
{
	const char *interface = engine->config.zones[vip->zone].interface;
	struct interface link;
	bool added = false;
	int r;

	if (!has_packets(engine))
		return 0;
	r = interface_add_address(interface, &vip->address, &added);
	if (r < 0)
		return r;
	/* neighbours that knew the address elsewhere learn it by the next packet if this fails */
	if (added && interface_describe(interface, &link) == 0)
		interface_announce(link.index, &vip->address);
	return 0;
}

int engine_vip_put(struct engine *engine, const struct engine_vip *vip)
{
	struct engine_vip_entry *entry = vip_entry(engine, &vip->address);
	int r = 0;

	if (entry != NULL && entry->vip.zone != vip->zone) {
		r = engine_vip_remove(engine, vip);
		if (r < 0)
			return r;
		entry = NULL;
	}
	if (entry == NULL)
		r = vip_entry_add(engine, vip, &entry);
	if (r < 0)
		return r;
	if (!entry->on_interface)
		r = vip_to_interface(engine, vip);
	if (r < 0) {
		vip_table_release(engine->vip_table, &vip->address);
		*entry = engine->vips[--engine->n_vips];
		return r;
	}
	entry->seen = true;
	entry->on_interface = true;
	return 0;
}

int engine_vip_remove(struct engine *engine, const struct engine_vip *vip)
{
	struct engine_vip_entry *entry = vip_entry(engine, &vip->address);
	int r = 0;

	if (entry == NULL)
		return 0;
	if (has_packets(engine))
		r = interface_remove_address(engine->config.zones[entry->vip.zone].interface,
					     &vip->address);
	vip_table_release(engine->vip_table, &vip->address);
	*entry = engine->vips[--engine->n_vips];
	return r == -EADDRNOTAVAIL || r == -ENODEV ? 0 : r;
}

int engine_group_put(struct engine *engine, uint64_t group_id, const struct engine_group *group)
{
	return groups_put(engine->groups, group_id, group);
}

int engine_group_remove(struct engine *engine, uint64_t group_id)
{
	return groups_remove(engine->groups, group_id);
}

int engine_target_put(struct engine *engine, uint64_t group_id, const struct engine_target *target)
{
	return groups_target_put(engine->groups, group_id, target);
}

int engine_target_remove(struct engine *engine, uint64_t group_id, const struct in6_addr *address,
			 uint16_t port, bool end_flows)
{
	return groups_target_remove(engine->groups, group_id, address, port, end_flows);
}

uint32_t engine_targets_free(const struct engine *engine)
{
	return groups_targets_free(engine->groups);
}

int engine_listener_put(struct engine *engine, uint64_t listener_id,
			const struct engine_listener *listener)
{
	return listeners_put(engine->listeners, listener_id, listener);
}

int engine_listener_remove(struct engine *engine, uint64_t listener_id)
{
	return listeners_remove(engine->listeners, listener_id);
}

int engine_commit(struct engine *engine)
{
	uint64_t now_ns = engine_now_ns();
	/* a new listener finds its groups filled, a group goes when no listener leads to it */
	int groups = groups_commit(engine->groups, now_ns);
	int listeners = listeners_commit(engine->listeners, now_ns);

	groups_let_go(engine->groups, now_ns);
	if (groups != 0) /* now that there is more room */
		groups = groups_commit(engine->groups, now_ns);
	if (groups_take_ending(engine->groups))
		termination_begin(engine->termination, now_ns);
	if (engine->ops->wait_for_readers != NULL) /* no packet goes by the old when we return */
		engine->ops->wait_for_readers(engine->backend);
	return groups != 0 ? groups : listeners;
}

void engine_reconcile_begin(struct engine *engine)
{
	for (size_t i = 0; i < engine->n_vips; i++)
		engine->vips[i].seen = false;
	groups_reconcile_begin(engine->groups);
	listeners_reconcile_begin(engine->listeners);
}

int engine_reconcile_end(struct engine *engine, char error[ENGINE_ERROR_MAX])
{
	int r;

	listeners_reconcile_end(engine->listeners);
	groups_reconcile_end(engine->groups);
	r = engine_commit(engine);
	if (r < 0) {
		snprintf(error, ENGINE_ERROR_MAX, "the tables have no room for the model: %s",
			 strerror(-r));
		return r;
	}
	for (size_t i = engine->n_vips; i-- > 0;) {
		struct engine_vip vip = engine->vips[i].vip;

		if (engine->vips[i].seen)
			continue;
		if (has_packets(engine)) /* a SNAT address that the config no longer names */
			interface_remove_address(snat_interface(engine,
								&engine->config.zones[vip.zone],
								&vip.address),
						 &vip.address);
		if (engine_vip_remove(engine, &vip) != 0)
			changed(engine, "a VIP that is no load balancer's could not be removed");
	}
	vip_table_purge(engine->vip_table);
	if (engine->started)
		return 0;
	r = engine->ops->start(engine->backend, &engine->ports, error);
	engine->started = r == 0;
	if (r < 0)
		undo(engine);
	return r;
}
