/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/model_engine.h"

#include "control/model_health.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

static void fill_group(const struct group *group, struct engine_group *ret)
{
	*ret = (struct engine_group){
		.preserve_client_ip =
			attributes_is_true(&group->attributes, ATTRIBUTE_PRESERVE_CLIENT_IP),
		.sticky_source_ip = attributes_is_true(&group->attributes, ATTRIBUTE_STICKINESS),
		.proxy_header = attributes_is_true(&group->attributes, ATTRIBUTE_PROXY_PROTOCOL),
		.proxy_first_ack = strcmp(attributes_get(&group->attributes,
							 ATTRIBUTE_PROXY_PLACEMENT),
					  "on_first_ack") == 0,
		.fail_open = group->fail_open,
		.zones = group->load_balancer != NULL ? model_zones(group->load_balancer) : 0,
	};
}

static void add_vip(struct engine_listener *listener, const struct vip *vip)
{
	if (vip->load_balancer == NULL)
		return;
	listener->vips[listener->n_vips].address = vip->address;
	listener->vips[listener->n_vips].zone = vip->zone;
	listener->n_vips++;
}

static void fill_listener(const struct listener *listener, struct engine_listener *ret)
{
	const struct forward *forward = &listener->forward;
	bool ipv6 = forward->to[0].group->ipv6;

	*ret = (struct engine_listener){
		.port = listener->port,
		.tcp = protocol_has_tcp(listener->protocol),
		.udp = protocol_has_udp(listener->protocol),
		.tcp_idle_timeout_s = (uint32_t)attributes_number(&listener->attributes,
								  ATTRIBUTE_TCP_IDLE_TIMEOUT),
		.udp_idle_timeout_s = MODEL_UDP_IDLE_TIMEOUT_S,
		.n_groups = forward->n,
		.sticky_groups = forward->sticky,
	};
	for (unsigned int i = 0; i < ENGINE_MAX_ZONES; i++) {
		const struct load_balancer_zone *zone = &listener->load_balancer->zones[i];

		/* address families do not mix: only VIPs of the groups' family are served */
		add_vip(ret, ipv6 ? &zone->v6 : &zone->v4);
	}
	for (unsigned int i = 0; i < forward->n; i++) {
		ret->groups[i].group_id = forward->to[i].group->id;
		ret->groups[i].weight = forward->to[i].weight;
	}
}

int model_engine_put_group(struct model *model, const struct group *group)
{
	struct engine_group out;
	int r;

	fill_group(group, &out);
	model->staged_engine = true;
	r = engine_group_put(model->engine, group->id, &out);
	return r == 0 || r == -ENOSPC ? r : model_give_up(model, r);
}

int model_engine_remove_group(struct model *model, const struct group *group)
{
	int r = engine_group_remove(model->engine, group->id);

	model->staged_engine = true;
	return r == 0 ? 0 : model_give_up(model, r);
}

int model_engine_stage_target(struct model *model, struct target *target)
{
	struct engine_target out;
	int r;

	model_health_tell(model, target);
	health_engine_target(target, &out);
	model->staged_engine = true;
	r = engine_target_put(model->engine, target->group->id, &out);
	return r == 0 ? 0 : model_give_up(model, r);
}

int model_engine_put_target(struct model *model, struct target *target)
{
	int r = model_health_look(model, target, model_now_ms());

	return r == 0 ? model_engine_stage_target(model, target) : r;
}

int model_engine_remove_target(struct model *model, struct target *target)
{
	bool end_flows = attributes_is_true(&target->group->attributes,
					    ATTRIBUTE_DEREGISTRATION_TERMINATION);
	int r;

	model_health_tell(model, target);
	model->staged_engine = true;
	r = engine_target_remove(model->engine, target->group->id, &target->key.address,
				 (uint16_t)target->key.port, end_flows);
	return r == 0 ? 0 : model_give_up(model, r);
}

int model_engine_refresh(struct model *model, struct group *group)
{
	struct target *target, *target_next;
	int r;

	r = model_engine_put_group(model, group);
	if (r < 0)
		return model_give_up(model, r);
	model_each (group->targets, target, hh) {
		r = model_engine_put_target(model, target);
		if (r < 0)
			return r;
	}
	return 0;
}

int model_engine_put_listener(struct model *model, const struct listener *listener)
{
	struct engine_listener out;
	int r;

	fill_listener(listener, &out);
	model->staged_engine = true;
	r = engine_listener_put(model->engine, listener->id, &out);
	return r == 0 || r == -EEXIST || r == -ENOSPC ? r : model_give_up(model, r);
}

int model_engine_remove_listener(struct model *model, const struct listener *listener)
{
	int r = engine_listener_remove(model->engine, listener->id);

	model->staged_engine = true;
	return r == 0 ? 0 : model_give_up(model, r);
}

int model_engine_put_vip(struct model *model, const struct vip *vip)
{
	struct engine_vip out = {.address = vip->address, .zone = vip->zone};

	model->staged_engine = true;
	return engine_vip_put(model->engine, &out);
}

int model_engine_remove_vip(struct model *model, const struct vip *vip)
{
	struct engine_vip out = {.address = vip->address, .zone = vip->zone};
	int r = engine_vip_remove(model->engine, &out);

	model->staged_engine = true;
	return r == 0 ? 0 : model_give_up(model, r);
}

int model_engine_refresh_address(struct model *model, const struct in6_addr *address)
{
	struct group *group, *group_next;
	struct target *target, *target_next;
	int r = 0;

	/* rare, and an index by address alone would cost every registration */
	model_each (model->groups, group, hh) {
		model_each (group->targets, target, hh) {
			if (r == 0 && address_equal(&target->key.address, address))
				r = model_engine_put_target(model, target);
		}
	}
	return r;
}

static int put_vips(struct model *model, char error[ENGINE_ERROR_MAX])
{
	struct vip *vip, *vip_next;
	char text[ADDRESS_TEXT_MAX];
	int r;

	model_each (model->vips, vip, hh) {
		r = model_engine_put_vip(model, vip);
		if (r == 0)
			continue;
		snprintf(error, ENGINE_ERROR_MAX, "cannot add the VIP %s to interface %s: %s",
			 address_format(&vip->address, text),
			 model->config->zones[vip->zone].interface, strerror(-r));
		return r;
	}
	return 0;
}

static int put_groups(struct model *model, char error[ENGINE_ERROR_MAX])
{
	struct group *group, *group_next;
	struct target *target, *target_next;
	struct engine_group out;
	int r = 0;

	model_each (model->groups, group, hh) {
		model_each (group->targets, target, hh) {
			if (r == 0)
				r = model_health_look(model, target, model_now_ms());
			target->told = target->machine.state; /* no change of now */
		}
		group->fail_open = health_fails_open(group);
		model_settled(model, group);
		fill_group(group, &out);
		if (r == 0)
			r = engine_group_put(model->engine, group->id, &out);
		model_each (group->targets, target, hh) {
			if (r == 0)
				r = model_engine_stage_target(model, target);
		}
		if (r == 0)
			continue;
		snprintf(error, ENGINE_ERROR_MAX, "the engine refuses target group %s: %s",
			 group->name, strerror(-r));
		return r;
	}
	return 0;
}

static int put_listeners(struct model *model, char error[ENGINE_ERROR_MAX])
{
	struct listener *listener, *listener_next;
	struct engine_listener out;
	int r;

	model_each (model->listeners, listener, hh) {
		fill_listener(listener, &out);
		r = engine_listener_put(model->engine, listener->id, &out);
		if (r == 0)
			continue;
		snprintf(error, ENGINE_ERROR_MAX,
			 "the engine refuses the listener on port %u of load balancer %s: %s",
			 listener->port, listener->load_balancer->name, strerror(-r));
		return r;
	}
	return 0;
}

int model_engine_reconcile(struct model *model, char error[ENGINE_ERROR_MAX])
{
	int r;

	engine_reconcile_begin(model->engine);
	r = put_vips(model, error);
	if (r == 0)
		r = put_groups(model, error);
	if (r == 0)
		r = put_listeners(model, error);
	if (r == 0)
		r = engine_reconcile_end(model->engine, error);
	return r;
}
