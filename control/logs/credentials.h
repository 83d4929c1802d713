/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Credentials: a key pair for S3, and the texts they come in. All functions here
 * are pure; credential_source.h fetches the texts.
 */
#ifndef SLUICE_CREDENTIALS_H
#define SLUICE_CREDENTIALS_H

#include <stddef.h>
#include <stdint.h>

#define CREDENTIALS_KEY_MAX 256
#define CREDENTIALS_TOKEN_MAX 8192 /* AWS names no limit; theirs are below 2 KiB */
#define CREDENTIALS_ERROR_MAX 256

struct credentials {
	char access_key[CREDENTIALS_KEY_MAX];
	char secret_key[CREDENTIALS_KEY_MAX];
	char token[CREDENTIALS_TOKEN_MAX]; /* x-amz-security-token; "" for keys that last */
	int64_t expires_s;		   /* UNIX time; 0: never */
};

/**
 * Read one profile of a shared credentials file, as ~/.aws/credentials:
 * aws_access_key_id, aws_secret_access_key, aws_session_token. Other keys are
 * left alone, and so are lines of other profiles.
 *
 * @error  names what is missing or wrong, never a secret
 *
 * Returns 0, -ENOENT (no such profile), or -EBADMSG (a key is missing, empty, too
 * long, or holds blanks or control characters).
 */
int credentials_parse_file(const char *text, size_t len, const char *profile,
			   struct credentials *ret_credentials, char error[CREDENTIALS_ERROR_MAX]);

/**
 * Read the answer of a metadata endpoint of a container or an instance:
 * {"AccessKeyId", "SecretAccessKey", "Token", "Expiration"}.
 *
 * Returns 0 or -EBADMSG with @error filled.
 */
int credentials_parse_json(const char *text, size_t len, struct credentials *ret_credentials,
			   char error[CREDENTIALS_ERROR_MAX]);

/**
 * Take keys from three strings; NULL is the same as "".
 *
 * Returns 0, or -EBADMSG as credentials_parse_file() with @error filled.
 */
int credentials_set(const char *access_key, const char *secret_key, const char *token,
		    struct credentials *ret_credentials, char error[CREDENTIALS_ERROR_MAX]);

#endif
