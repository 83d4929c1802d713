/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/logs/lifecycle.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ID_BYTES 8 /* of a prefix's digest, in the rule's name: prefixes are longer than names */

struct lifecycle {
	struct s3 *s3;
	struct s3_call *call;
	char *bucket, *prefix, *body;
	uint32_t days;
	char rule_id[S3_RULE_ID_MAX];
	lifecycle_done *done;
	void *context;
};

static void free_lifecycle(struct lifecycle *lifecycle)
{
	free(lifecycle->bucket);
	free(lifecycle->prefix);
	free(lifecycle->body);
	free(lifecycle);
}

static void finish(struct lifecycle *lifecycle, int error, const char *text)
{
	lifecycle->done(lifecycle->context, error, text);
	free_lifecycle(lifecycle);
}

static int call(struct lifecycle *lifecycle, const char *method, size_t len, s3_done *done)
{
	const struct s3_request request = {
		.method = method,
		.bucket = lifecycle->bucket,
		.query = "lifecycle=",
		.body = lifecycle->body,
		.body_len = len,
		.wants_md5 = lifecycle->body != NULL,
	};

	return s3_send(lifecycle->s3, &request, done, lifecycle, &lifecycle->call);
}

static void changed(void *context, const struct s3_result *result)
{
	finish(context, result->error, result->text);
}

static void got_rules(void *context, const struct s3_result *result)
{
	struct lifecycle *lifecycle = context;
	const char *text = result->body;
	size_t len = 0;
	int r;

	if (strcmp(result->code, "NoSuchLifecycleConfiguration") == 0) {
		text = NULL;
	} else if (result->error != 0) {
		finish(lifecycle, result->error, result->text);
		return;
	}
	r = s3_xml_set_rule(text, result->body_len, lifecycle->rule_id, lifecycle->prefix,
			    lifecycle->days, &lifecycle->body, &len);
	if (r > 0)
		r = call(lifecycle, lifecycle->body != NULL ? "PUT" : "DELETE", len, changed);
	else if (r == 0)
		finish(lifecycle, 0, "");
	if (r < 0)
		finish(lifecycle, r,
		       r == -EBADMSG ? "the server's lifecycle configuration cannot be read"
				     : "out of memory");
}

static int name_rule(struct lifecycle *lifecycle)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	size_t len;

	if (!EVP_Digest(lifecycle->prefix, strlen(lifecycle->prefix), digest, NULL, EVP_sha256(),
			NULL))
		return -ENOMEM;
	len = (size_t)snprintf(lifecycle->rule_id, sizeof(lifecycle->rule_id),
			       "sluice-access-logs-");
	for (int i = 0; i < ID_BYTES; i++)
		len += (size_t)snprintf(lifecycle->rule_id + len, sizeof(lifecycle->rule_id) - len,
					"%02x", digest[i]);
	return 0;
}

int lifecycle_set(struct s3 *s3, const char *bucket, const char *prefix, uint32_t days,
		  lifecycle_done *done, void *context, struct lifecycle **ret_lifecycle)
{
	struct lifecycle *lifecycle = calloc(1, sizeof(*lifecycle));
	int r = -ENOMEM;

	if (lifecycle == NULL)
		return -ENOMEM;
	*lifecycle = (struct lifecycle){
		.s3 = s3,
		.bucket = strdup(bucket),
		.prefix = strdup(prefix),
		.days = days,
		.done = done,
		.context = context,
	};
	if (lifecycle->bucket != NULL && lifecycle->prefix != NULL)
		r = name_rule(lifecycle);
	if (r == 0)
		r = call(lifecycle, "GET", 0, got_rules);
	if (r < 0) {
		free_lifecycle(lifecycle);
		return r;
	}
	*ret_lifecycle = lifecycle;
	return 0;
}

void lifecycle_cancel(struct lifecycle *lifecycle)
{
	if (lifecycle == NULL)
		return;
	s3_cancel(lifecycle->call);
	free_lifecycle(lifecycle);
}
