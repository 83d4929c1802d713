/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/logs/uploader.h"

#include "control/logs/bucket_test.h"
#include "control/logs/lifecycle.h"
#include "control/logs/transfer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <utlist.h>

#define RETRY_MIN_MS 1000
#define AT_ONCE 4	/* transfers over all buckets; each holds a part in memory */
#define EXPIRE_TRIES 20 /* of a lifecycle rule, over about two hours; a new start tries again */
#define EXPIRE_RETRY_MAX_MS (10 * 60 * 1000)

struct uploader_bucket {
	struct uploader *uploader;
	char *name;
	struct upload *waiting, *active;
	unsigned int n_active, failures; /* failures: in a row */
	uv_timer_t pause;
	struct uploader_bucket *prev, *next;
};

struct test {
	struct uploader *uploader;
	struct bucket_test *running;
	uint64_t id;
	struct test *prev, *next;
};

struct expiration {
	struct uploader *uploader;
	struct lifecycle *running; /* NULL between tries */
	uv_timer_t retry;
	char *bucket, *prefix;
	uint32_t days;
	unsigned int failures;
	struct expiration *prev, *next;
};

struct uploader {
	uv_loop_t *loop;
	struct s3 *s3;
	struct s3_settings settings;
	struct uploader_events events;
	struct uploader_bucket *buckets; /* the first is the next to be served */
	unsigned int n_active;
	uint64_t next_place;
	uv_timer_t turn; /* starts transfers outside of the caller */
	struct test *tests;
	struct expiration *expirations;
	struct uploader_counters counters;
};

static void ask_turn(struct uploader *uploader);

uint32_t uploader_pause_ms(unsigned int failures, uint32_t retry_max_ms, uint32_t random)
{
	uint32_t whole = RETRY_MIN_MS;

	while (--failures > 0 && whole < retry_max_ms)
		whole *= 2;
	if (whole > retry_max_ms)
		whole = retry_max_ms;
	return whole / 2 + random % (whole - whole / 2 + 1);
}

/* --- buckets ---------------------------------------------------------------------- */

static void on_bucket_closed(uv_handle_t *handle)
{
	struct uploader_bucket *bucket = handle->data;

	free(bucket->name);
	free(bucket);
}

static struct uploader_bucket *find_bucket(struct uploader *uploader, const char *name)
{
	struct uploader_bucket *bucket;

	DL_FOREACH (uploader->buckets, bucket) {
		if (strcmp(bucket->name, name) == 0)
			return bucket;
	}
	bucket = calloc(1, sizeof(*bucket));
	if (bucket == NULL)
		return NULL;
	bucket->uploader = uploader;
	bucket->name = strdup(name);
	if (bucket->name == NULL) {
		free(bucket);
		return NULL;
	}
	uv_timer_init(uploader->loop, &bucket->pause);
	bucket->pause.data = bucket;
	DL_APPEND(uploader->buckets, bucket);
	return bucket;
}

/* A bucket is dropped with its last file, and its failures with it. */
static void drop_if_empty(struct uploader_bucket *bucket)
{
	if (bucket->waiting != NULL || bucket->active != NULL)
		return;
	DL_DELETE(bucket->uploader->buckets, bucket);
	uv_close((uv_handle_t *)&bucket->pause, on_bucket_closed);
}

static void pause_over(uv_timer_t *timer)
{
	struct uploader_bucket *bucket = timer->data;

	ask_turn(bucket->uploader);
}

static void pause_bucket(struct uploader_bucket *bucket)
{
	uint32_t random = 0;

	/* several at once failed for one reason: that is one failure */
	if (bucket->failures > 0 && uv_is_active((const uv_handle_t *)&bucket->pause))
		return;
	bucket->failures++;
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
		random = (uint32_t)uv_hrtime();
	uv_timer_start(&bucket->pause, pause_over,
		       uploader_pause_ms(bucket->failures,
					 bucket->uploader->settings.retry_max_s * 1000, random),
		       0);
}

/* --- transfers ---------------------------------------------------------------------- */

static void report_failure(struct uploader *uploader, const struct upload *upload, const char *text)
{
	char sentence[UPLOADER_TEXT_MAX];

	uploader->counters.failures++;
	snprintf(sentence, sizeof(sentence), "s3://%.64s/%.192s: %s", upload->bucket, upload->key,
		 text);
	uploader->events.failed(uploader->events.context, sentence);
}

static void end_active(struct upload *upload)
{
	struct uploader_bucket *bucket = upload->to;

	upload->transfer = NULL;
	DL_DELETE(bucket->active, upload);
	bucket->n_active--;
	bucket->uploader->n_active--;
	ask_turn(bucket->uploader);
}

static int compare_places(const struct upload *a, const struct upload *b)
{
	return a->place < b->place ? -1 : a->place > b->place;
}

static void ended(void *context, enum transfer_end end, const char *text)
{
	struct upload *upload = context;
	struct uploader_bucket *bucket = upload->to;
	struct uploader *uploader = bucket->uploader;

	end_active(upload);
	if (end == TRANSFER_DONE) {
		bucket->failures = 0;
		uploader->counters.stored++;
		uploader->counters.bytes += upload->bytes;
		upload->to = NULL;
		drop_if_empty(bucket);
		uploader->events.stored(uploader->events.context, upload);
		return;
	}
	/* one that is itself at fault must not hold up the others for ever */
	if (end != TRANSFER_FAILED)
		upload->place = uploader->next_place++;
	DL_INSERT_INORDER(bucket->waiting, upload, compare_places);
	pause_bucket(bucket);
	report_failure(uploader, upload, text);
}

static bool may_start(const struct uploader_bucket *bucket)
{
	if (bucket->waiting == NULL)
		return false;
	return bucket->failures == 0 ||
	       (bucket->n_active == 0 && !uv_is_active((const uv_handle_t *)&bucket->pause));
}

static void start(struct uploader_bucket *bucket)
{
	struct uploader *uploader = bucket->uploader;
	struct upload *upload = bucket->waiting;

	if (transfer_begin(uploader->loop, uploader->s3, upload,
			   (size_t)uploader->settings.part_mib << 20, ended, upload,
			   &upload->transfer) < 0) {
		pause_bucket(bucket);
		report_failure(uploader, upload, "out of memory");
		return;
	}
	DL_DELETE(bucket->waiting, upload);
	DL_APPEND(bucket->active, upload);
	bucket->n_active++;
	uploader->n_active++;
}

/* One file of each bucket in turn, until there are enough at once. */
static void on_turn(uv_timer_t *timer)
{
	struct uploader *uploader = timer->data;
	struct uploader_bucket *bucket, *first_idle = NULL;

	while (uploader->n_active < AT_ONCE) {
		bucket = uploader->buckets;
		if (bucket == NULL || bucket == first_idle)
			return;
		DL_DELETE(uploader->buckets, bucket);
		DL_APPEND(uploader->buckets, bucket);
		if (may_start(bucket)) {
			first_idle = NULL;
			start(bucket);
		} else if (first_idle == NULL) {
			first_idle = bucket;
		}
	}
}

static void ask_turn(struct uploader *uploader)
{
	uv_timer_start(&uploader->turn, on_turn, 0, 0);
}

int uploader_add(struct uploader *uploader, struct upload *upload)
{
	struct uploader_bucket *bucket = find_bucket(uploader, upload->bucket);

	if (bucket == NULL)
		return -ENOMEM;
	upload->to = bucket;
	upload->transfer = NULL;
	upload->place = uploader->next_place++;
	DL_APPEND(bucket->waiting, upload);
	ask_turn(uploader);
	return 0;
}

void uploader_forget(struct upload *upload)
{
	struct uploader_bucket *bucket = upload->to;

	if (upload->transfer != NULL) {
		transfer_cancel(upload->transfer);
		end_active(upload);
	} else {
		DL_DELETE(bucket->waiting, upload);
	}
	upload->to = NULL;
	drop_if_empty(bucket);
}

/* --- tests of buckets ------------------------------------------------------------------ */

static void tested(void *context, int result, const char *text)
{
	struct test *test = context;
	struct uploader *uploader = test->uploader;
	uint64_t id = test->id;

	DL_DELETE(uploader->tests, test);
	free(test);
	uploader->events.tested(uploader->events.context, id, result, text);
}

int uploader_test(struct uploader *uploader, uint64_t id, const char *bucket, const char *key,
		  const char *body)
{
	struct test *test = calloc(1, sizeof(*test));
	int r = -ENOMEM;

	if (test != NULL) {
		test->uploader = uploader;
		test->id = id;
		r = bucket_test_begin(uploader->loop, uploader->s3, bucket, key, body,
				      UPLOADER_TEST_TIMEOUT_MS, tested, test, &test->running);
	}
	if (r < 0)
		free(test);
	else
		DL_APPEND(uploader->tests, test);
	return r;
}

/* --- expiration ------------------------------------------------------------------------- */

static void on_expiration_closed(uv_handle_t *handle)
{
	struct expiration *expiration = handle->data;

	free(expiration->bucket);
	free(expiration->prefix);
	free(expiration);
}

static void drop_expiration(struct expiration *expiration)
{
	lifecycle_cancel(expiration->running);
	DL_DELETE(expiration->uploader->expirations, expiration);
	uv_close((uv_handle_t *)&expiration->retry, on_expiration_closed);
}

static void try_expiration(uv_timer_t *timer);

/* What the server will say again and again. */
static bool is_final(int error)
{
	return error == -EACCES || error == -EOPNOTSUPP || error == -EBADMSG || error == -EPROTO;
}

static void expiration_set(void *context, int error, const char *text)
{
	struct expiration *expiration = context;
	struct uploader *uploader = expiration->uploader;
	char sentence[UPLOADER_TEXT_MAX];

	expiration->running = NULL;
	if (error == 0) {
		drop_expiration(expiration);
		return;
	}
	snprintf(sentence, sizeof(sentence),
		 "logs below s3://%.64s/%.128s will not be deleted after %u days: the bucket's "
		 "lifecycle rule cannot be set: %.192s",
		 expiration->bucket, expiration->prefix, expiration->days, text);
	expiration->failures++;
	if (expiration->failures == EXPIRE_TRIES || (is_final(error) && expiration->failures > 1)) {
		uploader->events.warn(uploader->events.context, sentence);
		drop_expiration(expiration);
		return;
	}
	uv_timer_start(&expiration->retry, try_expiration,
		       uploader_pause_ms(expiration->failures, EXPIRE_RETRY_MAX_MS, 0), 0);
}

static void try_expiration(uv_timer_t *timer)
{
	struct expiration *expiration = timer->data;
	int r = lifecycle_set(expiration->uploader->s3, expiration->bucket, expiration->prefix,
			      expiration->days, expiration_set, expiration, &expiration->running);

	if (r < 0)
		expiration_set(expiration, r, "out of memory");
}

int uploader_expire(struct uploader *uploader, const char *bucket, const char *prefix,
		    uint32_t days)
{
	struct expiration *expiration, *next;

	DL_FOREACH_SAFE(uploader->expirations, expiration, next)
	{
		if (strcmp(expiration->bucket, bucket) == 0 &&
		    strcmp(expiration->prefix, prefix) == 0)
			drop_expiration(expiration);
	}
	expiration = calloc(1, sizeof(*expiration));
	if (expiration == NULL)
		return -ENOMEM;
	expiration->uploader = uploader;
	expiration->bucket = strdup(bucket);
	expiration->prefix = strdup(prefix);
	expiration->days = days;
	uv_timer_init(uploader->loop, &expiration->retry);
	expiration->retry.data = expiration;
	DL_APPEND(uploader->expirations, expiration);
	if (expiration->bucket == NULL || expiration->prefix == NULL) {
		drop_expiration(expiration);
		return -ENOMEM;
	}
	uv_timer_start(&expiration->retry, try_expiration, 0, 0);
	return 0;
}

/* --- beginning and end -------------------------------------------------------------------- */

void uploader_counters(const struct uploader *uploader, struct uploader_counters *ret_counters)
{
	*ret_counters = uploader->counters;
}

static int check_settings(const struct s3_settings *settings, char error[UPLOADER_TEXT_MAX])
{
	const char *endpoint = settings->endpoint;

	if (endpoint[0] != '\0' && strncmp(endpoint, "http://", 7) != 0 &&
	    strncmp(endpoint, "https://", 8) != 0) {
		snprintf(error, UPLOADER_TEXT_MAX,
			 "the endpoint must be http://HOST[:PORT] or https://HOST[:PORT]");
		return -EINVAL;
	}
	if (settings->timeout_s == 0 || settings->timeout_s > S3_TIMEOUT_MAX_S ||
	    settings->retry_max_s == 0 || settings->retry_max_s > S3_RETRY_MAX_S ||
	    settings->part_mib < S3_PART_MIN_MIB || settings->part_mib > S3_PART_MAX_MIB) {
		snprintf(error, UPLOADER_TEXT_MAX, "a number of the S3 settings is out of range");
		return -EINVAL;
	}
	return 0;
}

int uploader_open(uv_loop_t *loop, const struct s3_settings *settings,
		  const struct uploader_events *events, struct uploader **ret_uploader,
		  char error[UPLOADER_TEXT_MAX])
{
	struct uploader *uploader;
	int r = check_settings(settings, error);

	if (r < 0)
		return r;
	uploader = calloc(1, sizeof(*uploader));
	r = uploader != NULL ? s3_open(loop, settings, &uploader->s3) : -ENOMEM;
	if (r < 0) {
		snprintf(error, UPLOADER_TEXT_MAX, "out of memory");
		free(uploader);
		return r;
	}
	uploader->loop = loop;
	uploader->settings = *settings;
	uploader->events = *events;
	uv_timer_init(loop, &uploader->turn);
	uploader->turn.data = uploader;
	*ret_uploader = uploader;
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void uploader_close(struct uploader *uploader)
{
	struct uploader_bucket *bucket;
	struct test *test;

	if (uploader == NULL)
		return;
	while ((bucket = uploader->buckets) != NULL) /* goes with its last file */
		uploader_forget(bucket->active != NULL ? bucket->active : bucket->waiting);
	while ((test = uploader->tests) != NULL) {
		bucket_test_cancel(test->running);
		DL_DELETE(uploader->tests, test);
		free(test);
	}
	while (uploader->expirations != NULL)
		drop_expiration(uploader->expirations);
	s3_close(uploader->s3);
	uv_close((uv_handle_t *)&uploader->turn, on_closed);
}
