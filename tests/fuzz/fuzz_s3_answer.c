/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as what S3 or an endpoint of credentials answers: the first byte says which. */
#include "control/logs/credentials.h"
#include "control/logs/s3_xml.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void check_credentials(int r, const struct credentials *found, const char *error)
{
	if (r < 0) {
		require(error[0] != '\0');
		return;
	}
	/* what goes into headers breaks none */
	require(found->access_key[0] != '\0' && found->secret_key[0] != '\0');
	require(strpbrk(found->access_key, " \r\n\t") == NULL);
	require(strpbrk(found->secret_key, " \r\n\t") == NULL);
	require(strpbrk(found->token, " \r\n\t") == NULL);
}

/* A rule that was set is there, and setting it again changes nothing. */
static void set_rule(const char *text, size_t len)
{
	char *next = NULL, *again = NULL;
	size_t next_len = 0, again_len = 0;
	int r = s3_xml_set_rule(text, len, "ours", "p/", 30, &next, &next_len);

	require(r == 1 || r == 0 || r == -EBADMSG);
	if (r != 1)
		return;
	require(s3_xml_set_rule(next, next_len, "ours", "p/", 30, &again, &again_len) == 0);
	require(s3_xml_set_rule(next, next_len, "ours", "p/", 0, &again, &again_len) == 1);
	free(again);
	free(next);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char code[S3_CODE_MAX], message[S3_MESSAGE_MAX], id[S3_UPLOAD_ID_MAX];
	char error[CREDENTIALS_ERROR_MAX] = "";
	const char *text = (const char *)data + 1;
	struct credentials found;

	if (size == 0)
		return 0;
	size--;
	switch (data[0]) {
	case 'e':
		s3_xml_error(text, size, code, message);
		break;
	case 'i':
		require(s3_xml_upload_id(text, size, id) < 0 || id[0] != '\0');
		break;
	case 'u':
		require(s3_xml_find_upload(text, size, "key", id) < 0 || id[0] != '\0');
		break;
	case 'c':
		s3_xml_completed(text, size);
		break;
	case 'r':
		set_rule(text, size);
		break;
	case 'f':
		check_credentials(credentials_parse_file(text, size, "default", &found, error),
				  &found, error);
		break;
	case 'j':
		check_credentials(credentials_parse_json(text, size, &found, error), &found, error);
		break;
	}
	return 0;
}
