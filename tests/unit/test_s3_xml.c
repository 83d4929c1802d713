/* SPDX-License-Identifier: BSD-3-Clause */
/* What S3 answers and wants in XML. */
#include "control/logs/s3_xml.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define NS " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""
#define HEAD "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"

static void an_error_gives_its_code_and_message(void **state)
{
	static const char text[] = HEAD "<Error><Code>NoSuchBucket</Code><Message>It &amp; "
					"all</Message><BucketName>b</BucketName></Error>";
	char code[S3_CODE_MAX], message[S3_MESSAGE_MAX];

	(void)state;
	s3_xml_error(text, sizeof(text) - 1, code, message);
	assert_string_equal(code, "NoSuchBucket");
	assert_string_equal(message, "It & all");
	s3_xml_error("<html>502</html>", 16, code, message);
	assert_string_equal(code, "");
	s3_xml_error("", 0, code, message);
	assert_string_equal(message, "");
}

static void entities_are_not_expanded(void **state)
{
	static const char text[] = "<!DOCTYPE e [<!ENTITY f SYSTEM \"file:///etc/passwd\">]>"
				   "<Error><Code>&f;</Code></Error>";
	char code[S3_CODE_MAX], message[S3_MESSAGE_MAX];

	(void)state;
	s3_xml_error(text, sizeof(text) - 1, code, message);
	assert_string_equal(code, "");
}

static void an_upload_is_found_by_its_very_key(void **state)
{
	static const char text[] =
		HEAD "<ListMultipartUploadsResult" NS "><Bucket>b</Bucket>"
		     "<Upload><Key>logs/a.gz.old</Key><UploadId>1</UploadId></Upload>"
		     "<Upload><Key>logs/a.gz</Key><UploadId>x/+=~2</UploadId></Upload>"
		     "<Upload><Key>logs/a.gz</Key><UploadId>3</UploadId></Upload>"
		     "</ListMultipartUploadsResult>";
	char id[S3_UPLOAD_ID_MAX];

	(void)state;
	assert_int_equal(s3_xml_find_upload(text, sizeof(text) - 1, "logs/a.gz", id), 0);
	assert_string_equal(id, "x/+=~2");
	assert_int_equal(s3_xml_find_upload(text, sizeof(text) - 1, "logs/a", id), -ENOENT);
	assert_int_equal(s3_xml_find_upload("<a/>", 4, "logs/a", id), -EBADMSG);
}

static void an_upload_id_is_taken_if_it_fits(void **state)
{
	char text[S3_UPLOAD_ID_MAX + 128], id[S3_UPLOAD_ID_MAX], long_id[S3_UPLOAD_ID_MAX + 1];

	(void)state;
	memset(long_id, 'i', sizeof(long_id));
	for (int over = 0; over <= 1; over++) {
		snprintf(text, sizeof(text),
			 "<InitiateMultipartUploadResult><UploadId>%.*s</UploadId>"
			 "</InitiateMultipartUploadResult>",
			 S3_UPLOAD_ID_MAX - 1 + over, long_id);
		assert_int_equal(s3_xml_upload_id(text, strlen(text), id), over ? -EBADMSG : 0);
	}
	assert_int_equal(s3_xml_upload_id("<InitiateMultipartUploadResult/>", 32, id), -EBADMSG);
}

static void parts_are_listed_in_order_with_their_etags(void **state)
{
	static const char *const etags[] = {"\"one\"", "<two>"};
	char *text;
	size_t len;

	(void)state;
	text = s3_xml_complete(etags, 2, &len);
	assert_non_null(text);
	assert_int_equal(len, strlen(text));
	assert_string_equal(text, HEAD "<CompleteMultipartUpload" NS ">"
				       "<Part><PartNumber>1</PartNumber><ETag>\"one\"</ETag></Part>"
				       "<Part><PartNumber>2</PartNumber><ETag>&lt;two&gt;</ETag>"
				       "</Part></CompleteMultipartUpload>\n");
	free(text);
}

static int set_rule(const char *old, const char *prefix, uint32_t days, char **ret_text)
{
	size_t len = 0;
	int r = s3_xml_set_rule(old, old != NULL ? strlen(old) : 0, "ours", prefix, days, ret_text,
				&len);

	if (r == 1 && *ret_text != NULL)
		assert_int_equal(len, strlen(*ret_text));
	return r;
}

#define OURS(prefix, days)                                                       \
	"<Rule><ID>ours</ID><Filter><Prefix>" prefix "</Prefix></Filter>"        \
	"<Status>Enabled</Status><Expiration><Days>" days "</Days></Expiration>" \
	"</Rule>"
#define THEIRS                                                                        \
	"<Rule><ID>theirs</ID><Filter><And><Prefix>x</Prefix><Tag><Key>k</Key>"       \
	"<Value>v</Value></Tag></And></Filter><Status>Disabled</Status>"              \
	"<Transition><Days>3</Days><StorageClass>GLACIER</StorageClass></Transition>" \
	"</Rule>"
#define CONFIGURATION(rules) \
	HEAD "<LifecycleConfiguration" NS ">" rules "</LifecycleConfiguration>\n"

static void a_rule_is_added_beside_those_of_others(void **state)
{
	char *text;

	(void)state;
	assert_int_equal(set_rule(NULL, "p/", 30, &text), 1);
	assert_string_equal(text, CONFIGURATION(OURS("p/", "30")));
	free(text);
	assert_int_equal(set_rule(CONFIGURATION(THEIRS), "p/", 30, &text), 1);
	assert_string_equal(text, CONFIGURATION(THEIRS OURS("p/", "30")));
	free(text);
}

static void a_rule_that_is_right_is_left_alone(void **state)
{
	char *text = NULL;

	(void)state;
	assert_int_equal(set_rule(CONFIGURATION(OURS("p/", "30") THEIRS), "p/", 30, &text), 0);
	assert_int_equal(set_rule(CONFIGURATION(THEIRS), "p/", 0, &text), 0);
	assert_null(text);
}

static void a_rule_of_ours_is_replaced_and_taken_out(void **state)
{
	char *text;

	(void)state;
	assert_int_equal(set_rule(CONFIGURATION(OURS("p/", "30") THEIRS), "p/", 31, &text), 1);
	assert_string_equal(text, CONFIGURATION(THEIRS OURS("p/", "31")));
	free(text);
	assert_int_equal(set_rule(CONFIGURATION(OURS("p/", "30") THEIRS), "p/", 0, &text), 1);
	assert_string_equal(text, CONFIGURATION(THEIRS));
	free(text);
	assert_int_equal(set_rule(CONFIGURATION(OURS("p/", "30")), "p/", 0, &text), 1);
	assert_null(text);
}

static void rules_of_ours_become_one(void **state)
{
	char *text;

	(void)state;
	assert_int_equal(set_rule(CONFIGURATION(OURS("p/", "30") THEIRS OURS("p/", "30")), "p/", 30,
				  &text), 1);
	assert_string_equal(text, CONFIGURATION(THEIRS OURS("p/", "30")));
	free(text);
	assert_int_equal(set_rule(CONFIGURATION(OURS("p/", "30") OURS("q/", "1")), "p/", 0, &text),
			 1);
	assert_null(text);
}

static void what_is_no_lifecycle_configuration_is_left_alone(void **state)
{
	char *text = NULL;

	(void)state;
	assert_int_equal(set_rule("<ListBucketResult/>", "p/", 30, &text), -EBADMSG);
	assert_int_equal(set_rule("", "p/", 30, &text), -EBADMSG);
	assert_null(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_error_gives_its_code_and_message),
		cmocka_unit_test(entities_are_not_expanded),
		cmocka_unit_test(an_upload_is_found_by_its_very_key),
		cmocka_unit_test(an_upload_id_is_taken_if_it_fits),
		cmocka_unit_test(parts_are_listed_in_order_with_their_etags),
		cmocka_unit_test(a_rule_is_added_beside_those_of_others),
		cmocka_unit_test(a_rule_that_is_right_is_left_alone),
		cmocka_unit_test(a_rule_of_ours_is_replaced_and_taken_out),
		cmocka_unit_test(rules_of_ours_become_one),
		cmocka_unit_test(what_is_no_lifecycle_configuration_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
