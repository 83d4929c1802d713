/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * S3 XML: the documents that S3 answers with and wants. Pure; no entity of a
 * document is expanded and nothing is fetched for it.
 */
#ifndef SLUICE_S3_XML_H
#define SLUICE_S3_XML_H

#include <stddef.h>
#include <stdint.h>

#define S3_CODE_MAX 64
#define S3_MESSAGE_MAX 256
#define S3_UPLOAD_ID_MAX 1024
#define S3_KEY_MAX 1025	   /* S3's 1,024 bytes and a NUL */
#define S3_RULE_ID_MAX 256 /* of a lifecycle rule, with its NUL */
#define S3_EXPIRATION_DAYS_MAX 36500

/** The code and the message of an error answer; "" for what it does not have. */
void s3_xml_error(const char *text, size_t len, char ret_code[S3_CODE_MAX],
		  char ret_message[S3_MESSAGE_MAX]);

/** The id of an upload in the answer to CreateMultipartUpload. Returns 0 or -EBADMSG. */
int s3_xml_upload_id(const char *text, size_t len, char ret_id[S3_UPLOAD_ID_MAX]);

/**
 * The first of a bucket's unfinished uploads that is of this very key, in the
 * answer to ListMultipartUploads. Returns 0, -ENOENT or -EBADMSG.
 */
int s3_xml_find_upload(const char *text, size_t len, const char *key,
		       char ret_id[S3_UPLOAD_ID_MAX]);

/** The ETag in the answer to CompleteMultipartUpload: with HTTP 200 it may be an error yet.
 *  Returns 0 or -EBADMSG. */
int s3_xml_completed(const char *text, size_t len);

/**
 * The body of CompleteMultipartUpload.
 *
 * @etags    of the parts, in their order, as the server sent them
 * @ret_len  without the NUL
 *
 * Returns a string for free(), NULL when out of memory.
 */
char *s3_xml_complete(const char *const *etags, unsigned int n, size_t *ret_len);

/**
 * A bucket's lifecycle configuration with one rule of ours in it: objects below
 * @prefix go after @days. The other rules stay as they are.
 *
 * @text      the configuration it has; NULL for none
 * @rule_id   names the rule; one of that name is replaced
 * @days      0 takes the rule out
 * @ret_text  for free(); NULL: nothing is left, the configuration must be deleted
 *
 * Returns 1 when it changed, 0 when it is so already (*ret_text is not written), -EBADMSG, -ENOMEM.
 */
int s3_xml_set_rule(const char *text, size_t len, const char *rule_id, const char *prefix,
		    uint32_t days, char **ret_text, size_t *ret_len);

#endif
