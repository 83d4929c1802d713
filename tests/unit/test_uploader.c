/* SPDX-License-Identifier: BSD-3-Clause */
/* Files on their way to a server that does what a test wants. */
#include "tests/unit/fake_s3.c"

#include "control/logs/uploader.h"

#include <errno.h>
#include <openssl/evp.h>
#include <unistd.h>

#define FILES_MAX 16
#define NOT_FOUND "<Error><Code>NoSuchBucket</Code><Message>gone</Message></Error>"
#define SLOW_DOWN "<Error><Code>SlowDown</Code></Error>"
#define PART_BYTES ((size_t)S3_PART_MIN_MIB << 20)

struct rig {
	struct fake_s3 fake;
	struct uploader *uploader;
	struct s3_settings settings;
	char dir[64], keys[128];
	struct upload files[FILES_MAX];
	char paths[FILES_MAX][128];
	unsigned int n_files, n_stored, n_wanted, n_failed;
	const struct upload *stored[FILES_MAX];
	char failure[UPLOADER_TEXT_MAX], warning[UPLOADER_TEXT_MAX], answer[UPLOADER_TEXT_MAX];
	int test_result;
	uint64_t test_id;
	bool done;
};

static void write_keys(struct rig *rig, const char *access_key)
{
	FILE *file = fopen(rig->keys, "w");

	assert_non_null(file);
	fprintf(file, "[default]\naws_access_key_id=%s\naws_secret_access_key=secret\n",
		access_key);
	fclose(file);
}

static void on_stored(void *context, struct upload *upload)
{
	struct rig *rig = context;

	rig->stored[rig->n_stored++] = upload;
	rig->done = rig->n_stored == rig->n_wanted;
}

static void on_failed(void *context, const char *text)
{
	struct rig *rig = context;

	rig->n_failed++;
	snprintf(rig->failure, sizeof(rig->failure), "%s", text);
}

static void on_warning(void *context, const char *text)
{
	struct rig *rig = context;

	snprintf(rig->warning, sizeof(rig->warning), "%s", text);
	rig->done = true;
}

static void on_tested(void *context, uint64_t id, int result, const char *text)
{
	struct rig *rig = context;

	rig->test_id = id;
	rig->test_result = result;
	snprintf(rig->answer, sizeof(rig->answer), "%s", text);
	rig->done = true;
}

static int setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	fake_open(&rig->fake);
	snprintf(rig->dir, sizeof(rig->dir), "/tmp/sluice-uploader-XXXXXX");
	assert_non_null(mkdtemp(rig->dir));
	snprintf(rig->keys, sizeof(rig->keys), "%s/keys", rig->dir);
	write_keys(rig, "AKID");
	rig->settings = (struct s3_settings){
		.region = "eu-test-1",
		.profile = "default",
		.credentials = S3_CREDENTIALS_FILE,
		.path_style = 1,
		.timeout_s = 1,
		.retry_max_s = 1,
		.part_mib = S3_PART_MIN_MIB,
	};
	snprintf(rig->settings.endpoint, sizeof(rig->settings.endpoint), "%s", rig->fake.endpoint);
	snprintf(rig->settings.credentials_file, sizeof(rig->settings.credentials_file), "%s",
		 rig->keys);
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	uploader_close(rig->uploader);
	fake_shut(&rig->fake);
	for (unsigned int i = 0; i < rig->n_files; i++)
		unlink(rig->paths[i]);
	unlink(rig->keys);
	assert_int_equal(rmdir(rig->dir), 0);
	free(rig);
	return 0;
}

static void begin(struct rig *rig, void (*answer)(struct fake_s3 *, const struct fake_request *,
						  struct fake_answer *))
{
	const struct uploader_events events = {rig, on_stored, on_failed, on_warning, on_tested};
	char error[UPLOADER_TEXT_MAX];

	rig->fake.answer = answer;
	assert_int_equal(
		uploader_open(rig->fake.loop, &rig->settings, &events, &rig->uploader, error), 0);
}

/* A file of so many bytes, each with another content. */
static struct upload *add(struct rig *rig, const char *bucket, const char *key, size_t bytes)
{
	unsigned int n = rig->n_files++;
	struct upload *upload = &rig->files[n];
	FILE *file;

	snprintf(rig->paths[n], sizeof(rig->paths[n]), "%s/file%u", rig->dir, n);
	file = fopen(rig->paths[n], "w");
	assert_non_null(file);
	for (size_t i = 0; i < bytes; i++)
		fputc((int)('a' + (i / 977 + n) % 26), file);
	fclose(file);
	*upload = (struct upload){
		.path = rig->paths[n], .bucket = bucket, .key = key, .bytes = bytes};
	assert_int_equal(uploader_add(rig->uploader, upload), 0);
	rig->n_wanted++;
	return upload;
}

static void run(struct rig *rig)
{
	fake_run_until(&rig->fake, &rig->done);
	rig->done = false;
}

static void assert_starts(const char *text, const char *start)
{
	if (strncmp(text, start, strlen(start)) != 0)
		fail_msg("'%s' does not begin with '%s'", text, start);
}

static void assert_has(const char *text, const char *part)
{
	if (text == NULL || strstr(text, part) == NULL)
		fail_msg("'%s' does not hold '%s'", text, part);
}

/* --- one PUT --------------------------------------------------------------------- */

static void accept_all(struct fake_s3 *fake, const struct fake_request *request,
		       struct fake_answer *answer)
{
	(void)fake;
	(void)request;
	(void)answer;
}

static void a_file_goes_in_one_signed_put(void **state)
{
	struct rig *rig = *state;
	const struct fake_request *request = &rig->fake.requests[0];
	unsigned char digest[32];
	char hex[65];

	rig->settings.encryption = S3_ENCRYPTION_KMS;
	snprintf(rig->settings.kms_key_id, sizeof(rig->settings.kms_key_id), "arn:key");
	begin(rig, accept_all);
	add(rig, "logs", "a prefix/AWSLogs/1+2~3/\xc3\xa4.log.gz", 3000);
	run(rig);
	assert_int_equal(rig->fake.n_requests, 1);
	assert_string_equal(request->line, "PUT /logs/a%20prefix/AWSLogs/1%2B2~3/%C3%A4.log.gz");
	assert_int_equal(request->body_len, 3000);
	EVP_Digest(request->body, request->body_len, digest, NULL, EVP_sha256(), NULL);
	for (int i = 0; i < 32; i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	assert_string_equal(fake_header(request, "x-amz-content-sha256"), hex);
	assert_string_equal(fake_header(request, "x-amz-acl"), "bucket-owner-full-control");
	assert_string_equal(fake_header(request, "x-amz-server-side-encryption"), "aws:kms");
	assert_string_equal(fake_header(request, "x-amz-server-side-encryption-aws-kms-key-id"),
			    "arn:key");
	assert_starts(fake_header(request, "Authorization"), "AWS4-HMAC-SHA256 Credential=AKID/");
	assert_has(fake_header(request, "Authorization"), "/eu-test-1/s3/aws4_request");
	assert_has(fake_header(request, "Authorization"), ";x-amz-acl;x-amz-content-sha256;");
}

static void slow_down_once(struct fake_s3 *fake, const struct fake_request *request,
			   struct fake_answer *answer)
{
	(void)request;
	if (fake->n_requests == 1)
		*answer = (struct fake_answer){503, "", SLOW_DOWN};
}

static void a_failed_try_is_repeated_under_the_same_key(void **state)
{
	struct rig *rig = *state;
	struct uploader_counters counters;

	begin(rig, slow_down_once);
	add(rig, "logs", "key", 10);
	run(rig);
	assert_int_equal(rig->fake.n_requests, 2);
	assert_string_equal(rig->fake.requests[0].line, rig->fake.requests[1].line);
	assert_string_equal(rig->failure, "s3://logs/key: HTTP 503 SlowDown");
	uploader_counters(rig->uploader, &counters);
	assert_int_equal(counters.stored, 1);
	assert_int_equal(counters.bytes, 10);
	assert_int_equal(counters.failures, 1);
}

static void accept_new_keys(struct fake_s3 *fake, const struct fake_request *request,
			    struct fake_answer *answer)
{
	struct rig *rig = (struct rig *)((char *)fake - offsetof(struct rig, fake));

	if (strstr(fake_header(request, "Authorization"), "Credential=NEW/") != NULL)
		return;
	*answer = (struct fake_answer){403, "", "<Error><Code>InvalidAccessKeyId</Code></Error>"};
	write_keys(rig, "NEW");
}

static void credentials_are_read_again_after_a_403(void **state)
{
	struct rig *rig = *state;

	begin(rig, accept_new_keys);
	add(rig, "logs", "key", 10);
	run(rig);
	assert_int_equal(rig->fake.n_requests, 2);
	assert_string_equal(rig->failure, "s3://logs/key: HTTP 403 InvalidAccessKeyId");
}

static void wrong_clock_once(struct fake_s3 *fake, const struct fake_request *request,
			     struct fake_answer *answer)
{
	(void)request;
	if (fake->n_requests == 1)
		*answer = (struct fake_answer){
			403, "Date: Sat, 01 Jan 2000 00:00:00 GMT\r\n",
			"<Error><Code>RequestTimeTooSkewed</Code><Message>no</Message></Error>"};
}

static void a_wrong_clock_is_told_with_its_distance(void **state)
{
	struct rig *rig = *state;

	begin(rig, wrong_clock_once);
	add(rig, "logs", "key", 10);
	run(rig);
	assert_has(rig->failure, "RequestTimeTooSkewed: no (the server's clock is -");
	assert_has(rig->failure, " s from ours");
}

static void hang_close_and_flood(struct fake_s3 *fake, const struct fake_request *request,
				 struct fake_answer *answer)
{
	(void)request;
	if (fake->n_requests <= 3)
		answer->status = 1 - (int)fake->n_requests;
}

static void a_server_that_hangs_closes_or_floods_costs_a_try(void **state)
{
	struct rig *rig = *state;

	begin(rig, hang_close_and_flood);
	add(rig, "logs", "key", 10);
	run(rig);
	assert_int_equal(rig->fake.n_requests, 4);
	assert_int_equal(rig->n_failed, 3);
}

static void refuse_bad(struct fake_s3 *fake, const struct fake_request *request,
		       struct fake_answer *answer)
{
	(void)fake;
	if (strncmp(request->line, "PUT /bad/", 9) == 0)
		*answer = (struct fake_answer){404, "", NOT_FOUND};
}

static void a_bucket_that_refuses_holds_up_no_other(void **state)
{
	struct rig *rig = *state;
	unsigned int to_bad = 0;

	begin(rig, refuse_bad);
	for (int i = 0; i < 6; i++)
		add(rig, "bad", "key", 10);
	for (int i = 0; i < 6; i++)
		add(rig, "good", "key", 10);
	rig->n_wanted = 6;
	run(rig);
	for (size_t i = 0; i < rig->fake.n_requests; i++)
		to_bad += strncmp(rig->fake.requests[i].line, "PUT /bad/", 9) == 0;
	/* no more than were under way when the first failed */
	assert_in_range(to_bad, 1, 4);
	assert_string_equal(rig->failure, "s3://bad/key: HTTP 404 NoSuchBucket: gone");
	for (int i = 0; i < 6; i++) /* in their order */
		assert_ptr_equal(rig->stored[i], &rig->files[6 + i]);
}

static void a_file_that_cannot_be_read_lets_others_pass(void **state)
{
	struct rig *rig = *state;

	begin(rig, accept_all);
	add(rig, "logs", "gone", 10);
	unlink(rig->paths[0]);
	add(rig, "logs", "empty", 0);
	add(rig, "logs", "good", 10);
	rig->n_wanted = 1;
	run(rig);
	assert_ptr_equal(rig->stored[0], &rig->files[2]);
	assert_true(rig->n_failed >= 1);
	uploader_forget(&rig->files[0]);
	uploader_forget(&rig->files[1]);
}

static void hang(struct fake_s3 *fake, const struct fake_request *request,
		 struct fake_answer *answer)
{
	struct rig *rig = (struct rig *)((char *)fake - offsetof(struct rig, fake));

	if (strcmp(request->line, "PUT /logs/evicted") == 0) {
		answer->status = 0;
		rig->done = true;
	}
}

static void a_file_under_way_can_be_forgotten(void **state)
{
	struct rig *rig = *state;
	struct upload *evicted;

	begin(rig, hang);
	evicted = add(rig, "logs", "evicted", 10);
	run(rig);
	uploader_forget(evicted);
	memset(evicted, 0xff, sizeof(*evicted));
	add(rig, "logs", "next", 10);
	rig->n_wanted = 1;
	run(rig);
	assert_ptr_equal(rig->stored[0], &rig->files[1]);
}

/* --- parts ------------------------------------------------------------------------- */

#define NO_UPLOADS "<ListMultipartUploadsResult></ListMultipartUploadsResult>"
#define LEFTOVER                                                 \
	"<ListMultipartUploadsResult><Upload><Key>dir/key</Key>" \
	"<UploadId>old/id</UploadId></Upload></ListMultipartUploadsResult>"
#define CREATED                                                        \
	"<InitiateMultipartUploadResult><UploadId>new+id</UploadId></" \
	"InitiateMultipartUploadResult>"
#define COMPLETED "<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>"

enum { PARTS_GOOD, PART_FAILS, COMPLETE_FAILS };

static bool asks(const struct fake_request *request, const char *line)
{
	return strncmp(request->line, line, strlen(line)) == 0;
}

static void serve_parts(struct fake_s3 *fake, const struct fake_request *request,
			struct fake_answer *answer)
{
	static char etag[64];

	if (asks(request, "GET /logs?prefix=dir%2Fkey&uploads=")) {
		answer->body = fake->n_requests == 1 ? LEFTOVER : NO_UPLOADS;
	} else if (asks(request, "DELETE /logs/dir/key?uploadId=")) {
		answer->status = 204;
	} else if (asks(request, "POST /logs/dir/key?uploads=")) {
		assert_string_equal(fake_header(request, "x-amz-acl"), "bucket-owner-full-control");
		answer->body = CREATED;
	} else if (asks(request, "PUT /logs/dir/key?partNumber=")) {
		assert_null(fake_header(request, "x-amz-acl"));
		snprintf(etag, sizeof(etag), "ETag: \"e%c\"\r\n", request->line[29]);
		answer->headers = etag;
		if (fake->phase == PART_FAILS && request->line[29] == '2') {
			*answer = (struct fake_answer){503, "", SLOW_DOWN};
			fake->phase = PARTS_GOOD;
		}
	} else {
		assert_true(asks(request, "POST /logs/dir/key?uploadId=new%2Bid"));
		answer->body = COMPLETED;
		if (fake->phase == COMPLETE_FAILS) {
			answer->body = "<Error><Code>InternalError</Code></Error>";
			fake->phase = PARTS_GOOD;
		}
	}
}

static void assert_lines(struct rig *rig, size_t from, const char *const *lines)
{
	for (; *lines != NULL; lines++, from++) {
		assert_true(from < rig->fake.n_requests);
		assert_string_equal(rig->fake.requests[from].line, *lines);
	}
	assert_int_equal(from, rig->fake.n_requests);
}

#define LIST "GET /logs?prefix=dir%2Fkey&uploads="
#define CREATE "POST /logs/dir/key?uploads="
#define PART(n) "PUT /logs/dir/key?partNumber=" n "&uploadId=new%2Bid"
#define ABORT(id) "DELETE /logs/dir/key?uploadId=" id
#define COMPLETE "POST /logs/dir/key?uploadId=new%2Bid"

static void a_large_file_goes_in_parts_behind_the_leftovers(void **state)
{
	static const char *const lines[] = {LIST,      ABORT("old%2Fid"), LIST,
					    CREATE,    PART("1"),	  PART("2"),
					    PART("3"), COMPLETE,	  NULL};
	struct rig *rig = *state;
	const size_t bytes = 2 * PART_BYTES + 7;
	const struct fake_request *parts = &rig->fake.requests[4];

	begin(rig, serve_parts);
	add(rig, "logs", "dir/key", bytes);
	run(rig);
	assert_lines(rig, 0, lines);
	assert_int_equal(parts[0].body_len, PART_BYTES);
	assert_int_equal(parts[1].body_len, PART_BYTES);
	assert_int_equal(parts[2].body_len, 7);
	for (size_t i = 0; i < bytes; i++) {
		const struct fake_request *part = &parts[i / PART_BYTES];

		if (part->body[i % PART_BYTES] != (char)('a' + i / 977 % 26))
			fail_msg("byte %zu differs", i);
	}
	assert_has(rig->fake.requests[7].body,
		   "<Part><PartNumber>2</PartNumber><ETag>\"e2\"</ETag></Part>");
}

static void a_file_of_just_one_part_goes_in_one_put(void **state)
{
	struct rig *rig = *state;

	begin(rig, accept_all);
	add(rig, "logs", "dir/key", PART_BYTES);
	run(rig);
	assert_int_equal(rig->fake.n_requests, 1);
	assert_string_equal(rig->fake.requests[0].line, "PUT /logs/dir/key");
}

static void a_part_that_fails_aborts_and_all_begins_anew(void **state)
{
	static const char *const lines[] = {LIST,      ABORT("old%2Fid"), LIST, CREATE, PART("1"),
					    PART("2"), ABORT("new%2Bid"), LIST, CREATE, PART("1"),
					    PART("2"), COMPLETE,	  NULL};
	struct rig *rig = *state;

	rig->fake.phase = PART_FAILS;
	begin(rig, serve_parts);
	add(rig, "logs", "dir/key", PART_BYTES + 1);
	run(rig);
	assert_lines(rig, 0, lines);
	assert_string_equal(rig->failure, "s3://logs/dir/key: HTTP 503 SlowDown");
}

static void an_error_behind_http_200_is_an_error(void **state)
{
	struct rig *rig = *state;

	rig->fake.phase = COMPLETE_FAILS;
	begin(rig, serve_parts);
	add(rig, "logs", "dir/key", PART_BYTES + 1);
	run(rig);
	assert_string_equal(rig->failure,
			    "s3://logs/dir/key: HTTP 200 with an error: InternalError: ");
	assert_int_equal(rig->n_failed, 1);
}

/* --- tests of buckets and rules ------------------------------------------------------- */

static void a_bucket_is_tested_with_an_object(void **state)
{
	struct rig *rig = *state;

	begin(rig, accept_all);
	assert_int_equal(uploader_test(rig->uploader, 77, "logs", "AWSLogs/1/Test", "Enable"), 0);
	run(rig);
	assert_int_equal(rig->test_id, 77);
	assert_int_equal(rig->test_result, 0);
	assert_string_equal(rig->fake.requests[0].line, "PUT /logs/AWSLogs/1/Test");
	assert_string_equal(rig->fake.requests[0].body, "Enable");
}

static void a_bucket_that_is_not_there_refuses_its_test(void **state)
{
	struct rig *rig = *state;

	begin(rig, refuse_bad);
	assert_int_equal(uploader_test(rig->uploader, 1, "bad", "AWSLogs/1/Test", "Enable"), 0);
	run(rig);
	assert_int_equal(rig->test_result, -EACCES);
	assert_string_equal(rig->answer, "HTTP 404 NoSuchBucket: gone");
}

static void a_test_uses_credentials_that_were_just_changed(void **state)
{
	struct rig *rig = *state;

	begin(rig, accept_new_keys);
	assert_int_equal(uploader_test(rig->uploader, 1, "logs", "AWSLogs/1/Test", "Enable"), 0);
	run(rig);
	assert_int_equal(rig->test_result, 0);
	assert_int_equal(rig->fake.n_requests, 2);
}

static void serve_rules(struct fake_s3 *fake, const struct fake_request *request,
			struct fake_answer *answer)
{
	struct rig *rig = (struct rig *)((char *)fake - offsetof(struct rig, fake));

	if (asks(request, "GET /logs?lifecycle=")) {
		*answer = (struct fake_answer){
			404, "", "<Error><Code>NoSuchLifecycleConfiguration</Code></Error>"};
		return;
	}
	assert_string_equal(request->line, "PUT /logs?lifecycle=");
	rig->done = true;
}

static void a_lifecycle_rule_is_set_with_its_md5(void **state)
{
	struct rig *rig = *state;
	const struct fake_request *request = &rig->fake.requests[1];
	unsigned char digest[16], text[32];

	begin(rig, serve_rules);
	assert_int_equal(uploader_expire(rig->uploader, "logs", "p/AWSLogs/", 30), 0);
	run(rig);
	assert_has(request->body, "<Prefix>p/AWSLogs/</Prefix>");
	assert_has(request->body, "<Days>30</Days>");
	EVP_Digest(request->body, request->body_len, digest, NULL, EVP_md5(), NULL);
	EVP_EncodeBlock(text, digest, sizeof(digest));
	assert_string_equal(fake_header(request, "Content-MD5"), (char *)text);
}

static void cannot(struct fake_s3 *fake, const struct fake_request *request,
		   struct fake_answer *answer)
{
	(void)fake;
	(void)request;
	*answer = (struct fake_answer){501, "", "<Error><Code>NotImplemented</Code></Error>"};
}

static void a_server_without_lifecycle_rules_is_told_of(void **state)
{
	struct rig *rig = *state;

	begin(rig, cannot);
	assert_int_equal(uploader_expire(rig->uploader, "logs", "p/AWSLogs/", 30), 0);
	run(rig);
	assert_string_equal(rig->warning,
			    "logs below s3://logs/p/AWSLogs/ will not be deleted after 30 days: "
			    "the bucket's lifecycle rule cannot be set: HTTP 501 NotImplemented");
}

/* --- credentials from endpoints --------------------------------------------------------- */

#define KEYS(end)                                                                \
	"{\"AccessKeyId\":\"META\",\"SecretAccessKey\":\"s\",\"Token\":\"tok\"," \
	"\"Expiration\":\"" end "\"}"

static void serve_metadata(struct fake_s3 *fake, const struct fake_request *request,
			   struct fake_answer *answer)
{
	if (asks(request, "GET /container")) {
		assert_string_equal(fake_header(request, "Authorization"), "Basic abc");
		/* the first ones are good for no request any more */
		answer->body = fake->phase++ == 0 ? KEYS("2020-01-01T00:00:00Z")
						  : KEYS("2999-01-01T00:00:00Z");
	} else if (asks(request, "PUT /latest/api/token")) {
		assert_string_equal(fake_header(request, "X-aws-ec2-metadata-token-ttl-seconds"),
				    "21600");
		answer->body = "imds-token";
	} else if (asks(request, "GET /latest/meta-data/iam/security-credentials/")) {
		assert_string_equal(fake_header(request, "X-aws-ec2-metadata-token"), "imds-token");
		answer->body =
			request->line[47] == '\0' ? "the-role" : KEYS("2999-01-01T00:00:00Z");
	} else {
		assert_string_equal(fake_header(request, "x-amz-security-token"), "tok");
		assert_has(fake_header(request, "Authorization"), "Credential=META/");
		assert_has(fake_header(request, "Authorization"), ";x-amz-security-token");
	}
}

static void a_container_gets_its_keys_from_its_endpoint(void **state)
{
	struct rig *rig = *state;
	char url[128];

	snprintf(url, sizeof(url), "%s/container?id=1", rig->fake.endpoint);
	setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url, 1);
	setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "Basic abc", 1);
	rig->settings.credentials = S3_CREDENTIALS_CONTAINER;
	begin(rig, serve_metadata);
	add(rig, "logs", "one", 10);
	run(rig);
	add(rig, "logs", "two", 10); /* with keys that had to be fetched again */
	run(rig);
	add(rig, "logs", "three", 10); /* and those last */
	run(rig);
	assert_int_equal(rig->fake.phase, 2);
	unsetenv("AWS_CONTAINER_CREDENTIALS_FULL_URI");
	unsetenv("AWS_CONTAINER_AUTHORIZATION_TOKEN");
}

static void an_instance_gets_its_keys_from_its_metadata(void **state)
{
	static const char *const lines[] = {
		"PUT /latest/api/token", "GET /latest/meta-data/iam/security-credentials/",
		"GET /latest/meta-data/iam/security-credentials/the-role", "PUT /logs/key", NULL};
	struct rig *rig = *state;

	setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", rig->fake.endpoint, 1);
	rig->settings.credentials = S3_CREDENTIALS_AUTO; /* nothing else is there */
	rig->settings.credentials_file[0] = '\0';
	begin(rig, serve_metadata);
	add(rig, "logs", "key", 10);
	run(rig);
	assert_lines(rig, 0, lines);
	unsetenv("AWS_EC2_METADATA_SERVICE_ENDPOINT");
}

static void a_container_endpoint_on_another_host_needs_https(void **state)
{
	struct rig *rig = *state;

	setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://192.0.2.1/keys", 1);
	rig->settings.credentials = S3_CREDENTIALS_CONTAINER;
	begin(rig, serve_metadata);
	assert_int_equal(uploader_test(rig->uploader, 1, "logs", "key", "x"), 0);
	run(rig);
	assert_int_equal(rig->test_result, -EACCES);
	assert_has(rig->answer, "must be https, or of this host");
	unsetenv("AWS_CONTAINER_CREDENTIALS_FULL_URI");
}

/* --- settings ------------------------------------------------------------------------------ */

static void settings_out_of_range_are_refused(void **state)
{
	struct rig *rig = *state;
	const struct uploader_events events = {rig, on_stored, on_failed, on_warning, on_tested};
	struct s3_settings settings = rig->settings;
	struct uploader *uploader = NULL;
	char error[UPLOADER_TEXT_MAX];

	settings.part_mib = S3_PART_MIN_MIB - 1;
	assert_int_equal(uploader_open(rig->fake.loop, &settings, &events, &uploader, error),
			 -EINVAL);
	settings.part_mib = S3_PART_MIN_MIB;
	snprintf(settings.endpoint, sizeof(settings.endpoint), "ftp://x");
	assert_int_equal(uploader_open(rig->fake.loop, &settings, &events, &uploader, error),
			 -EINVAL);
	assert_string_equal(error,
			    "the endpoint must be http://HOST[:PORT] or https://HOST[:PORT]");
	assert_null(uploader);
}

static void pauses_double_up_to_their_limit_with_jitter(void **state)
{
	(void)state;
	srand(5);
	for (unsigned int failures = 1; failures < 100; failures++) {
		uint32_t whole = failures < 7 ? 1000u << (failures - 1) : 60000;

		whole = whole > 60000 ? 60000 : whole;
		assert_int_equal(uploader_pause_ms(failures, 60000, 0), whole / 2);
		assert_int_equal(uploader_pause_ms(failures, 60000, whole / 2), whole);
		for (int i = 0; i < 100; i++)
			assert_in_range(uploader_pause_ms(failures, 60000, (uint32_t)rand()),
					whole / 2, whole);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_file_goes_in_one_signed_put),
		TEST(a_failed_try_is_repeated_under_the_same_key),
		TEST(credentials_are_read_again_after_a_403),
		TEST(a_wrong_clock_is_told_with_its_distance),
		TEST(a_server_that_hangs_closes_or_floods_costs_a_try),
		TEST(a_bucket_that_refuses_holds_up_no_other),
		TEST(a_file_that_cannot_be_read_lets_others_pass),
		TEST(a_file_under_way_can_be_forgotten),
		TEST(a_large_file_goes_in_parts_behind_the_leftovers),
		TEST(a_file_of_just_one_part_goes_in_one_put),
		TEST(a_part_that_fails_aborts_and_all_begins_anew),
		TEST(an_error_behind_http_200_is_an_error),
		TEST(a_bucket_is_tested_with_an_object),
		TEST(a_bucket_that_is_not_there_refuses_its_test),
		TEST(a_test_uses_credentials_that_were_just_changed),
		TEST(a_lifecycle_rule_is_set_with_its_md5),
		TEST(a_server_without_lifecycle_rules_is_told_of),
		TEST(a_container_gets_its_keys_from_its_endpoint),
		TEST(an_instance_gets_its_keys_from_its_metadata),
		TEST(a_container_endpoint_on_another_host_needs_https),
		TEST(settings_out_of_range_are_refused),
		cmocka_unit_test(pauses_double_up_to_their_limit_with_jitter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
