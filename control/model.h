/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Model: load balancers, listeners, target groups and targets in memory. For
 * the actions only; others use action.h.
 *
 * Objects live in hashes that keep the order of creation. An action checks
 * everything, then changes objects and calls the save and publish functions,
 * which stage the change in the store and in the engine. When staging fails
 * unexpectedly (disk, memory), the whole turn is given up: model_commit() then
 * takes memory and engine back to what the store holds. So no action needs an
 * undo, but for what it stages before its last check.
 *
 * Threading: one thread. Times are CLOCK_REALTIME in milliseconds.
 */
#ifndef SLUICE_MODEL_H
#define SLUICE_MODEL_H

#include "control/action.h"
#include "control/arn.h"
#include "control/attributes.h"
#include "control/checks.h"
#include "control/config.h"
#include "control/deadlines.h"
#include "control/health.h"
#include "control/matcher.h"
#include "control/protocol.h"
#include "control/quota.h"

#define MODEL_ZONE_ALL (-1) /* of a target: Availability Zone "all" */
#define MODEL_CHECK_PATH_MAX 1024
#define MODEL_UDP_IDLE_TIMEOUT_S 120

struct vip {
	struct in6_addr address;
	struct load_balancer *load_balancer; /* NULL: this family is not in use here */
	unsigned int zone;
	UT_hash_handle hh; /* in model.vips, by address */
};

struct load_balancer_zone {
	bool enabled;
	struct vip v4, v6; /* v6 of dualstack load balancers only */
};

struct load_balancer {
	uint64_t id;
	char name[ARN_NAME_MAX];
	bool internal, dualstack;
	int64_t created_ms;
	struct load_balancer_zone zones[ENGINE_MAX_ZONES]; /* by place in the config */
	struct attributes attributes;
	json_t *tags;		    /* object, key to value */
	struct listener *listeners; /* by port */
	struct group *groups;	    /* list, of those its listeners use */
	UT_hash_handle hh;	    /* in model.load_balancers, by id */
	UT_hash_handle hh_name;
};

struct forward { /* the one action of a listener */
	struct {
		struct group *group;
		uint32_t weight;
	} to[QUOTA_ACTION_GROUPS];
	unsigned int n;
	bool sticky;
};

struct listener {
	uint64_t id;
	struct load_balancer *load_balancer;
	uint16_t port;
	enum protocol protocol;
	struct forward forward;
	struct attributes attributes;
	json_t *tags;
	UT_hash_handle hh; /* in model.listeners, by id */
	UT_hash_handle hh_port;
};

enum check_protocol { CHECK_TCP, CHECK_HTTP, CHECK_HTTPS };

struct health_check {
	enum check_protocol protocol;
	uint16_t port; /* 0: the target's own, "traffic-port" */
	uint32_t interval_s, timeout_s, healthy_threshold, unhealthy_threshold;
	char path[MODEL_CHECK_PATH_MAX + 1]; /* HTTP and HTTPS only, as is the matcher */
	char matcher[MATCHER_MAX + 1];
};

struct group { /* a target group */
	uint64_t id;
	char name[ARN_NAME_MAX];
	enum protocol protocol;
	uint16_t port;
	bool ipv6;
	struct health_check check;
	struct attributes attributes;
	json_t *tags;
	struct target *targets;			       /* by address and port; draining ones too */
	unsigned int n_registered;		       /* targets without draining ones */
	struct load_balancer *load_balancer;	       /* whose listeners use it; NULL: none */
	unsigned int uses;			       /* by listeners */
	struct group *prev, *next;		       /* in load_balancer->groups */
	uint8_t fail_open;			       /* mask of zones, as the engine knows it */
	bool unsettled;				       /* it may be another */
	struct group *prev_unsettled, *next_unsettled; /* in model.unsettled */
	UT_hash_handle hh;			       /* in model.groups, by id */
	UT_hash_handle hh_name;
};

struct target_key {
	struct in6_addr address;
	uint32_t port; /* 32 bits, so that the key has no padding */
};

struct target {
	struct target_key key;
	struct group *group;
	int zone; /* by place in the config, or MODEL_ZONE_ALL */
	struct machine machine;
	struct deadline deadline;  /* in model.deadlines while time may change the state */
	enum machine_state told;   /* to Watch clients */
	struct check *check;	   /* NULL: it was never to be probed */
	struct probe_report probe; /* the last that said something of the target */
	int64_t probe_ms;	   /* when that came; 0: there was none */
	UT_hash_handle hh;	   /* in group->targets */
};

struct model {
	const struct config *config;
	struct store *store;
	struct engine *engine;
	struct model_events on;
	struct load_balancer *load_balancers, *load_balancers_by_name;
	struct listener *listeners;
	struct group *groups, *groups_by_name;
	struct vip *vips;
	struct deadlines deadlines; /* of targets */
	struct checks *checks;
	struct group *unsettled;	  /* list, of those whose targets changed in this turn */
	json_t *events;			  /* to emit when the turn is committed */
	bool staged_store, staged_engine; /* there is something to commit */
	int64_t save_at_ms;	 /* when to commit what model_store_save_health() left; 0 */
	int failed;		 /* why the turn must be given up; 0: it must not */
	bool uncommitted_engine; /* the engine had no room for a table: try again later */
};

/* Members of a uthash in order, also while they are removed. */
#define model_each(head, it, handle) HASH_ITER (handle, head, it, it##_next)

#define MODEL_TIME_MAX 32

int64_t model_now_ms(void);
/** A time as the API writes it: "2026-08-01T10:00:00.000Z". Returns @text. */
const char *model_format_time(int64_t time_ms, char text[MODEL_TIME_MAX]);

/** Find by ARN parts; NULL when there is none of that id and name. */
struct load_balancer *model_load_balancer(const struct model *model, const struct arn *arn);
struct listener *model_listener(const struct model *model, const struct arn *arn);
struct group *model_group(const struct model *model, const struct arn *arn);
struct load_balancer *model_load_balancer_named(const struct model *model, const char *name);
struct group *model_group_named(const struct model *model, const char *name);
struct target *model_target(const struct group *group, const struct in6_addr *address,
			    uint16_t port);
const struct vip *model_vip(const struct model *model, const struct in6_addr *address);

/** ARNs of objects; return @text. */
const char *model_load_balancer_arn(const struct model *model,
				    const struct load_balancer *load_balancer, char text[ARN_MAX]);
const char *model_listener_arn(const struct model *model, const struct listener *listener,
			       char text[ARN_MAX]);
const char *model_group_arn(const struct model *model, const struct group *group,
			    char text[ARN_MAX]);

/** Add a filled object to its hashes; the model owns it from then on. Returns 0 or -ENOMEM, and
 *  then the object is still the caller's. */
int model_add_load_balancer(struct model *model, struct load_balancer *load_balancer);
int model_add_listener(struct model *model, struct listener *listener);
int model_add_group(struct model *model, struct group *group);
int model_add_target(struct model *model, struct group *group, struct target *target);
/** Make an address a VIP, or no longer. */
int model_add_vip(struct model *model, struct vip *vip);
void model_drop_vip(struct model *model, struct vip *vip);

/** Take an object out of memory and free it, with all it owns. */
void model_drop_load_balancer(struct model *model, struct load_balancer *load_balancer);
void model_drop_listener(struct model *model, struct listener *listener);
void model_drop_group(struct model *model, struct group *group);
void model_drop_target(struct model *model, struct target *target);
/** Free objects that were never added; NULL is fine. */
void model_free_load_balancer(struct load_balancer *load_balancer);
void model_free_listener(struct listener *listener);
void model_free_group(struct group *group);

/** Count a listener's groups as used by its load balancer, or no longer. */
void model_use_groups(const struct listener *listener);
void model_release_groups(const struct listener *listener);

/** Take a group out of the list of those whose targets changed. */
void model_settled(struct model *model, struct group *group);

/** Whether targets serve the VIPs of other zones too. */
bool model_group_crosses_zones(const struct group *group);
/** The zones that are enabled for a load balancer, as a mask. */
uint8_t model_zones(const struct load_balancer *load_balancer);
/** The zones whose VIPs may choose the target; 0 when it gets no traffic.
 *  @crosses: model_group_crosses_zones() of its group */
uint8_t model_target_zones(const struct target *target, bool crosses);

/** Registered targets in all groups of a load balancer; its quota is QUOTA_TARGETS. */
unsigned int model_count_targets(const struct load_balancer *load_balancer);

/** Remember that the turn must be given up because of @error (negative errno); returns it. */
int model_give_up(struct model *model, int error);

/** The last probe of a target as events and DescribeTargetHealth show it; NULL: out of memory. */
json_t *model_show_probe(const struct target *target);

/** Queue an event with name and time; takes the reference of @members (NULL: out of memory). */
void model_event(struct model *model, const char *name, json_t *members);

#endif
