/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/actions.h"
#include "control/model_store.h"

#include <errno.h>

struct tagged { /* a resource that carries tags */
	json_t **tags;
	struct load_balancer *load_balancer; /* one of the three */
	struct listener *listener;
	struct group *group;
};

static int find(const struct model *model, const struct params *params, const char *text,
		struct tagged *ret)
{
	struct arn arn;
	int r;

	*ret = (struct tagged){0};
	if (arn_parse(model->config, text, &arn) < 0)
		return params_fail(params, "ValidationError", "'%s' is not a valid resource ARN",
				   text);
	switch (arn.type) {
	case ARN_LOAD_BALANCER:
		r = actions_load_balancer_by_arn(model, params, text, NULL, &ret->load_balancer);
		ret->tags = r == 0 ? &ret->load_balancer->tags : NULL;
		return r;
	case ARN_LISTENER:
		r = actions_listener_by_arn(model, params, text, NULL, &ret->listener);
		ret->tags = r == 0 ? &ret->listener->tags : NULL;
		return r;
	case ARN_TARGET_GROUP:
		r = actions_group_by_arn(model, params, text, NULL, &ret->group);
		ret->tags = r == 0 ? &ret->group->tags : NULL;
		return r;
	}
	return -EINVAL;
}

static int save(struct model *model, const struct tagged *tagged)
{
	if (tagged->load_balancer != NULL)
		return model_store_save_load_balancer(model, tagged->load_balancer);
	if (tagged->listener != NULL)
		return model_store_save_listener(model, tagged->listener);
	return model_store_save_group(model, tagged->group);
}

/* All resources of ResourceArns. */
static int find_all(const struct model *model, const struct params *params,
		    struct tagged found[ACTIONS_ARNS_MAX], size_t *ret_n)
{
	const json_t *arns = NULL;
	int r;

	r = params_require(params, "ResourceArns");
	if (r == 0)
		r = params_list(params, "ResourceArns", ACTIONS_ARNS_MAX, &arns);
	for (size_t i = 0; r == 0 && i < json_array_size(arns); i++) {
		const char *arn = NULL;

		r = params_entry_string(params, "ResourceArns", arns, i, &arn);
		if (r == 0)
			r = find(model, params, arn, &found[i]);
	}
	if (r == 0)
		*ret_n = json_array_size(arns);
	return r;
}

static size_t count_together(const json_t *present, const json_t *added)
{
	size_t n = json_object_size(present);
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)added, key, value)
		n += json_object_get(present, key) == NULL;
	return n;
}

int action_add_tags(struct model *model, const struct params *params, json_t *result)
{
	struct tagged found[ACTIONS_ARNS_MAX];
	json_t *tags = NULL;
	size_t n = 0;
	int r;

	(void)result;
	r = find_all(model, params, found, &n);
	if (r == 0)
		r = params_require(params, "Tags");
	if (r == 0)
		r = actions_tags(params, &tags);
	for (size_t i = 0; r == 0 && i < n; i++) {
		if (count_together(*found[i].tags, tags) > QUOTA_TAGS)
			r = params_fail(params, "TooManyTags",
					"A resource can have at most %d tags", QUOTA_TAGS);
	}
	for (size_t i = 0; r == 0 && i < n; i++) {
		r = json_object_update(*found[i].tags, tags) < 0 ? -ENOMEM : 0;
		if (r == 0)
			r = save(model, &found[i]);
	}
	json_decref(tags);
	return r;
}

int action_remove_tags(struct model *model, const struct params *params, json_t *result)
{
	struct tagged found[ACTIONS_ARNS_MAX];
	const json_t *keys = NULL;
	const char *key = NULL;
	size_t n = 0;
	int r;

	(void)result;
	r = find_all(model, params, found, &n);
	if (r == 0)
		r = params_require(params, "TagKeys");
	if (r == 0)
		r = params_list(params, "TagKeys", SIZE_MAX, &keys);
	for (size_t i = 0; r == 0 && i < json_array_size(keys); i++) {
		r = params_entry_string(params, "TagKeys", keys, i, &key);
		if (r == 0)
			r = actions_tag_key(params, key);
	}
	for (size_t i = 0; r == 0 && i < n; i++) {
		for (size_t j = 0; j < json_array_size(keys); j++)
			json_object_del(*found[i].tags, json_string_value(json_array_get(keys, j)));
		r = save(model, &found[i]);
	}
	return r;
}

int action_describe_tags(struct model *model, const struct params *params, json_t *result)
{
	struct tagged found[ACTIONS_ARNS_MAX];
	const json_t *arns = json_object_get(params->object, "ResourceArns");
	size_t n = 0;
	int r;

	r = find_all(model, params, found, &n);
	if (r == 0)
		r = actions_list(result, "TagDescriptions");
	for (size_t i = 0; r == 0 && i < n; i++) {
		json_t *list = json_array(), *value;
		const char *key;

		json_object_foreach (*found[i].tags, key, value) {
			if (r == 0 &&
			    json_array_append_new(
				    list, json_pack("{s:s, s:O}", "Key", key, "Value", value)) < 0)
				r = -ENOMEM;
		}
		if (r < 0) {
			json_decref(list);
			break;
		}
		r = actions_append(result, "TagDescriptions",
				   json_pack("{s:O, s:o}", "ResourceArn", json_array_get(arns, i),
					     "Tags", list));
	}
	return r;
}
