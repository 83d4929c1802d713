/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/arn.h"

#include "control/config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define ID_DIGITS 16
#define ID_DIGITS_MAX 18 /* longest id AWS has given out */

static const struct {
	const char *region, *zone;
} hosted_zones[] = {
	{"af-south-1", "Z203XCE67M25HM"},	   {"ap-east-1", "Z12Y7K3UBGUAD1"},
	{"ap-northeast-1", "Z31USIVHYNEOWT"},	   {"ap-northeast-2", "ZIBE1TIR4HY56"},
	{"ap-northeast-3", "Z1GWIQ4HH19I5X"},	   {"ap-south-1", "ZVDDRBQ08TROA"},
	{"ap-south-2", "Z0711778386UTO08407HT"},   {"ap-southeast-1", "ZKVM4W9LS7TM"},
	{"ap-southeast-2", "ZCT6FZBF4DROD"},	   {"ap-southeast-3", "Z01971771FYVNCOVWJU1G"},
	{"ca-central-1", "Z2EPGBW3API2WT"},	   {"cn-north-1", "Z3QFB96KMJ7ED6"},
	{"cn-northwest-1", "ZQEIKTCZ8352D"},	   {"eu-central-1", "Z3F0SRJ5LGBH90"},
	{"eu-central-2", "Z02239872DOALSIDCX66S"}, {"eu-north-1", "Z1UDT6IFJ4EJM"},
	{"eu-south-1", "Z23146JA1KNAFP"},	   {"eu-south-2", "Z1011216NVTVYADP1SSV"},
	{"eu-west-1", "Z2IFOLAFXWLO4F"},	   {"eu-west-2", "ZD4D7Y8KGAS4G"},
	{"eu-west-3", "Z1CMS0P5QUZ6D5"},	   {"me-central-1", "Z00282643NTTLPANJJG2P"},
	{"me-south-1", "Z3QSRYVP46NYYV"},	   {"sa-east-1", "ZTK26PT1VY4CU"},
	{"us-east-1", "Z26RNL4JYFTOTI"},	   {"us-east-2", "ZLMOA37VPKANP"},
	{"us-gov-east-1", "Z1ZSMQQ6Q24QQ8"},	   {"us-gov-west-1", "ZMG1MZ2THAWF1"},
	{"us-west-1", "Z24FKFUX50B4VW"},	   {"us-west-2", "Z18D5FSROUN65G"},
};

int arn_new_id(uint64_t *ret_id)
{
	uint64_t id = 0;

	while (id == 0) {
		ssize_t n = getrandom(&id, sizeof(id), 0);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n != (ssize_t)sizeof(id))
			id = 0;
	}
	*ret_id = id;
	return 0;
}

static const char *partition(const char *region)
{
	if (strncmp(region, "cn-", 3) == 0)
		return "aws-cn";
	if (strncmp(region, "us-gov-", 7) == 0)
		return "aws-us-gov";
	return "aws";
}

static void prefix(const struct config *config, char text[ARN_MAX])
{
	snprintf(text, ARN_MAX, "arn:%s:elasticloadbalancing:%s:%s:", partition(config->region),
		 config->region, config->account_id);
}

static bool skip(const char **at, const char *text)
{
	size_t len = strlen(text);

	if (strncmp(*at, text, len) != 0)
		return false;
	*at += len;
	return true;
}

/* A name up to the next slash, which is taken too. */
static bool take_name(const char **at, char name[ARN_NAME_MAX])
{
	size_t len = strcspn(*at, "/");

	if (len == 0 || len >= ARN_NAME_MAX || (*at)[len] != '/')
		return false;
	memcpy(name, *at, len);
	name[len] = '\0';
	*at += len + 1;
	return true;
}

static bool take_id(const char **at, uint64_t *ret_id)
{
	size_t len = strspn(*at, "0123456789abcdef");
	uint64_t id = 0;

	if (len < ID_DIGITS || len > ID_DIGITS_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = (*at)[i];

		id = id << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	*ret_id = len == ID_DIGITS ? id : 0;
	*at += len;
	return true;
}

int arn_parse(const struct config *config, const char *text, struct arn *ret_arn)
{
	char start[ARN_MAX];
	struct arn arn = {0};
	const char *at = text;

	prefix(config, start);
	if (!skip(&at, start))
		return -EINVAL;
	if (skip(&at, "loadbalancer/net/")) {
		arn.type = ARN_LOAD_BALANCER;
		if (!take_name(&at, arn.name) || !take_id(&at, &arn.id))
			return -EINVAL;
		arn.load_balancer_id = arn.id;
	} else if (skip(&at, "listener/net/")) {
		arn.type = ARN_LISTENER;
		if (!take_name(&at, arn.name) || !take_id(&at, &arn.load_balancer_id) ||
		    !skip(&at, "/") || !take_id(&at, &arn.id))
			return -EINVAL;
	} else if (skip(&at, "targetgroup/")) {
		arn.type = ARN_TARGET_GROUP;
		if (!take_name(&at, arn.name) || !take_id(&at, &arn.id))
			return -EINVAL;
	} else {
		return -EINVAL;
	}
	if (*at != '\0')
		return -EINVAL;
	*ret_arn = arn;
	return 0;
}

const char *arn_format(const struct config *config, const struct arn *arn, char text[ARN_MAX])
{
	size_t len;

	prefix(config, text);
	len = strlen(text);
	switch (arn->type) {
	case ARN_LOAD_BALANCER:
		snprintf(text + len, ARN_MAX - len, "loadbalancer/net/%s/%016" PRIx64, arn->name,
			 arn->id);
		break;
	case ARN_LISTENER:
		snprintf(text + len, ARN_MAX - len, "listener/net/%s/%016" PRIx64 "/%016" PRIx64,
			 arn->name, arn->load_balancer_id, arn->id);
		break;
	case ARN_TARGET_GROUP:
		snprintf(text + len, ARN_MAX - len, "targetgroup/%s/%016" PRIx64, arn->name,
			 arn->id);
		break;
	}
	return text;
}

const char *arn_dns_name(const struct config *config, const char *name, uint64_t id,
			 char text[ARN_DNS_MAX])
{
	snprintf(text, ARN_DNS_MAX, "%s-%016" PRIx64 ".elb.%s.amazonaws.com", name, id,
		 config->region);
	return text;
}

const char *arn_hosted_zone(const char *region)
{
	for (size_t i = 0; i < sizeof(hosted_zones) / sizeof(hosted_zones[0]); i++) {
		if (strcmp(hosted_zones[i].region, region) == 0)
			return hosted_zones[i].zone;
	}
	return NULL;
}
