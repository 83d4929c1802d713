/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/actions.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_LEN_MAX 32
#define TAG_KEY_MAX 128	  /* characters */
#define TAG_VALUE_MAX 256 /* characters */

static int parse_arn(const struct model *model, const struct params *params, const char *text,
		     enum arn_type type, const char *kind, struct arn *ret_arn)
{
	if (arn_parse(model->config, text, ret_arn) == 0 && ret_arn->type == type)
		return 0;
	return params_fail(params, "ValidationError", "'%s' is not a valid %s ARN", text, kind);
}

static int fail_missing(const struct params *params, const char *code, const char *kind,
			const char *arn, const char *missing)
{
	if (missing != NULL)
		return params_fail(params, code, "%s", missing);
	return params_fail(params, code, "%s '%s' not found", kind, arn);
}

int actions_load_balancer_by_arn(const struct model *model, const struct params *params,
				 const char *arn, const char *missing,
				 struct load_balancer **ret_load_balancer)
{
	struct load_balancer *found;
	struct arn parsed;
	int r;

	r = parse_arn(model, params, arn, ARN_LOAD_BALANCER, "load balancer", &parsed);
	if (r < 0)
		return r;
	found = model_load_balancer(model, &parsed);
	if (found == NULL)
		return fail_missing(params, "LoadBalancerNotFound", "Load balancer", arn, missing);
	*ret_load_balancer = found;
	return 0;
}

int actions_listener_by_arn(const struct model *model, const struct params *params, const char *arn,
			    const char *missing, struct listener **ret_listener)
{
	struct listener *found;
	struct arn parsed;
	int r;

	r = parse_arn(model, params, arn, ARN_LISTENER, "listener", &parsed);
	if (r < 0)
		return r;
	found = model_listener(model, &parsed);
	if (found == NULL)
		return fail_missing(params, "ListenerNotFound", "Listener", arn, missing);
	*ret_listener = found;
	return 0;
}

int actions_group_by_arn(const struct model *model, const struct params *params, const char *arn,
			 const char *missing, struct group **ret_group)
{
	struct group *found;
	struct arn parsed;
	int r;

	r = parse_arn(model, params, arn, ARN_TARGET_GROUP, "target group", &parsed);
	if (r < 0)
		return r;
	found = model_group(model, &parsed);
	if (found == NULL)
		return fail_missing(params, "TargetGroupNotFound", "Target group", arn, missing);
	*ret_group = found;
	return 0;
}

static int required_string(const struct params *params, const char *name, const char **ret)
{
	int r = params_require(params, name);

	return r == 0 ? params_string(params, name, ret) : r;
}

int actions_load_balancer(const struct model *model, const struct params *params,
			  struct load_balancer **ret_load_balancer)
{
	const char *arn = NULL;
	int r = required_string(params, "LoadBalancerArn", &arn);

	return r == 0 ? actions_load_balancer_by_arn(model, params, arn, NULL, ret_load_balancer)
		      : r;
}

int actions_listener(const struct model *model, const struct params *params,
		     struct listener **ret_listener)
{
	const char *arn = NULL;
	int r = required_string(params, "ListenerArn", &arn);

	return r == 0 ? actions_listener_by_arn(model, params, arn, NULL, ret_listener) : r;
}

int actions_group(const struct model *model, const struct params *params, struct group **ret_group)
{
	const char *arn = NULL;
	int r = required_string(params, "TargetGroupArn", &arn);

	return r == 0 ? actions_group_by_arn(model, params, arn, NULL, ret_group) : r;
}

int actions_name(const struct params *params, const char *kind, const char **ret_name)
{
	const char *name = NULL;
	size_t len;
	int r;

	r = required_string(params, "Name", &name);
	if (r < 0)
		return r;
	len = strlen(name);
	if (len == 0)
		return params_fail_constraint(params, "Name", name,
					      "Member must have length greater than or equal to 1");
	if (len > NAME_LEN_MAX)
		return params_fail(params, "ValidationError",
				   "%s name '%s' cannot be longer than '%d' characters", kind, name,
				   NAME_LEN_MAX);
	for (const char *c = name; *c != '\0'; c++) {
		if (!isascii((unsigned char)*c) || (!isalnum((unsigned char)*c) && *c != '-'))
			return params_fail(params, "ValidationError",
					   "%s name '%s' can only contain characters that are "
					   "alphanumeric characters or hyphens(-)",
					   kind, name);
	}
	if (name[0] == '-' || name[len - 1] == '-')
		return params_fail(params, "ValidationError",
				   "%s name '%s' cannot begin or end with '-'", kind, name);
	*ret_name = name;
	return 0;
}

/* Characters of a UTF-8 text; -1 when one is not allowed in a tag. Of letters, spaces and digits
 * outside ASCII there is no table here: all but control characters pass. */
static int tag_length(const char *text)
{
	int n = 0;

	for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++) {
		if ((*c & 0xc0) == 0x80)
			continue;
		if (*c < 0x80 && !isalnum(*c) && strchr(" _.:/=+-@", *c) == NULL)
			return -1;
		if (*c == 0xc2 && c[1] < 0xa0) /* U+0080 to U+009F */
			return -1;
		n++;
	}
	return n;
}

int actions_tag_key(const struct params *params, const char *key)
{
	int len = tag_length(key);

	if (len < 1 || len > TAG_KEY_MAX)
		return params_fail_constraint(params, "Key", key,
					      "Member must have length between 1 and 128, and "
					      "satisfy regular expression pattern: "
					      "^([\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*)$");
	if (strncasecmp(key, "aws:", 4) == 0)
		return params_fail(params, "ValidationError",
				   "Tag key '%s' cannot begin with 'aws:'", key);
	return 0;
}

static int read_tag(const struct params *entry, json_t *tags)
{
	const char *key = NULL, *value = "";
	int r, len;

	r = params_only(entry, "Key Value");
	if (r == 0)
		r = required_string(entry, "Key", &key);
	if (r == 0)
		r = params_string(entry, "Value", &value);
	if (r == 0)
		r = actions_tag_key(entry, key);
	if (r < 0)
		return r;
	len = tag_length(value);
	if (len < 0 || len > TAG_VALUE_MAX)
		return params_fail_constraint(entry, "Value", value,
					      "Member must have length between 0 and 256, and "
					      "satisfy regular expression pattern: "
					      "^([\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*)$");
	if (json_object_get(tags, key) != NULL)
		return params_fail(entry, "DuplicateTagKeys",
				   "The tag key '%s' is specified more than once", key);
	return json_object_set_new(tags, key, json_string(value)) < 0 ? -ENOMEM : 0;
}

int actions_tags(const struct params *params, json_t **ret_tags)
{
	const json_t *list = NULL;
	json_t *tags;
	int r;

	r = params_list(params, "Tags", SIZE_MAX, &list);
	if (r < 0)
		return r;
	if (json_array_size(list) > QUOTA_TAGS)
		return params_fail(params, "TooManyTags", "A resource can have at most %d tags",
				   QUOTA_TAGS);
	tags = json_object();
	if (tags == NULL)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < json_array_size(list); i++) {
		struct params entry;

		r = params_entry(params, "Tags", list, i, &entry);
		if (r == 0)
			r = read_tag(&entry, tags);
	}
	if (r < 0) {
		json_decref(tags);
		return r;
	}
	*ret_tags = tags;
	return 0;
}

int actions_set(json_t *result, const char *member, json_t *value)
{
	return json_object_set_new(result, member, value) < 0 ? -ENOMEM : 0;
}

int actions_list(json_t *result, const char *list)
{
	return actions_set(result, list, json_array());
}

int actions_append(json_t *result, const char *list, json_t *item)
{
	json_t *array = json_object_get(result, list);

	if (array == NULL) {
		if (actions_list(result, list) < 0) {
			json_decref(item);
			return -ENOMEM;
		}
		array = json_object_get(result, list);
	}
	return json_array_append_new(array, item) < 0 ? -ENOMEM : 0;
}

int actions_bad_marker(const struct params *params)
{
	return params_fail(params, "ValidationError", "The marker is not valid");
}

int actions_page(const struct params *params, struct page *ret_page)
{
	long size = ACTIONS_PAGE_MAX;
	const char *marker = NULL;
	int r;

	*ret_page = (struct page){0};
	r = params_integer(params, "PageSize", 1, ACTIONS_PAGE_MAX, &size);
	if (r == 0)
		r = params_string(params, "Marker", &marker);
	if (r < 0)
		return r;
	ret_page->size = (size_t)size;
	if (marker == NULL || marker[0] == '\0')
		return 0;
	if (strlen(marker) != 16 || strspn(marker, "0123456789abcdef") != 16)
		return actions_bad_marker(params);
	ret_page->after = strtoull(marker, NULL, 16);
	return 0;
}

int actions_page_groups(const struct model *model, const struct params *params,
			const struct page *page, struct group **ret_first)
{
	struct group *last;

	if (page->after == 0) {
		*ret_first = model->groups;
		return 0;
	}
	HASH_FIND(hh, model->groups, &page->after, sizeof(page->after), last);
	if (last == NULL)
		return actions_bad_marker(params);
	*ret_first = last->hh.next;
	return 0;
}

int actions_next_page(json_t *result, uint64_t last_id)
{
	char marker[17];

	snprintf(marker, sizeof(marker), "%016" PRIx64, last_id);
	return actions_set(result, "NextMarker", json_string(marker));
}
