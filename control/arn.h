/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ARNs, ids, DNS names and hosted zones of load balancers, listeners and
 * target groups. An object is named by a random 64-bit number, which ends its
 * ARN as 16 hex digits. Pure but for arn_new_id().
 */
#ifndef SLUICE_ARN_H
#define SLUICE_ARN_H

#include <stdint.h>

#define ARN_MAX 320	/* bytes of an ARN with its NUL */
#define ARN_DNS_MAX 192 /* bytes of a DNS name with its NUL */
#define ARN_NAME_MAX 33 /* bytes of an object's name with its NUL */

struct config;

enum arn_type { ARN_LOAD_BALANCER, ARN_LISTENER, ARN_TARGET_GROUP };

struct arn {
	enum arn_type type;
	char name[ARN_NAME_MAX];   /* of the load balancer or target group */
	uint64_t load_balancer_id; /* 0 for a target group */
	uint64_t id;		   /* of the object; 0 is never given to one */
};

/** A new random id, never 0. Returns 0 or what getrandom() said. */
int arn_new_id(uint64_t *ret_id);

/**
 * Read an ARN of a network load balancer, its listener or a target group.
 *
 * Ids of 17 or 18 digits, which AWS has given out, are read as id 0, for they
 * can only name what does not exist here.
 *
 * Returns 0, or -EINVAL: malformed, or of another account or region.
 */
int arn_parse(const struct config *config, const char *text, struct arn *ret_arn);

/** Write the ARN that @arn describes. Returns @text. */
const char *arn_format(const struct config *config, const struct arn *arn, char text[ARN_MAX]);

/** Write a load balancer's DNSName: "name-id.elb.region.amazonaws.com". Returns @text. */
const char *arn_dns_name(const struct config *config, const char *name, uint64_t id,
			 char text[ARN_DNS_MAX]);

/** Route 53's hosted zone of network load balancers in a region; NULL for an unknown region. */
const char *arn_hosted_zone(const char *region);

#endif
