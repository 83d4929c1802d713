/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Gzip member: a piece of a log file that stands for itself. A file is a row of
 * members, which gunzip reads as one (RFC 1952 §2.2), so what was written
 * before a crash stays readable, and what was torn is found and cut off.
 *
 * A member's extra field (subfield "SL") says how long it is and which records
 * are in it. Compression is ISA-L's, level 1: zlib's fastest manages about
 * 500,000 lines a second here without anything else.
 */
#ifndef SLUICE_GZIP_MEMBER_H
#define SLUICE_GZIP_MEMBER_H

#include <stddef.h>
#include <stdint.h>

#define GZIP_MEMBER_TEXT_MAX (256u * 1024)		    /* bytes before compression */
#define GZIP_MEMBER_MAX (GZIP_MEMBER_TEXT_MAX + 16u * 1024) /* and after, at worst */
#define GZIP_MEMBER_HEADER_BYTES 48			    /* what gzip_member_peek() wants */

struct gzip_member {
	uint32_t bytes;	      /* of the whole member */
	uint32_t records;     /* lines in it */
	uint64_t queue_id;    /* where they came from ... */
	uint64_t last_record; /* ... and the number of the last one there */
};

struct gzip_compressor;

int gzip_compressor_open(struct gzip_compressor **ret_compressor); /* 0 or -ENOMEM */
void gzip_compressor_close(struct gzip_compressor *compressor);	   /* NULL is fine */

/**
 * Make a member.
 *
 * @text    at most GZIP_MEMBER_TEXT_MAX bytes
 * @member  in: records, queue_id and last_record; out: bytes
 * @out     GZIP_MEMBER_MAX bytes
 */
void gzip_member_write(struct gzip_compressor *compressor, const void *text, size_t text_bytes,
		       struct gzip_member *member, void *out);

/**
 * Read what a member's header says.
 *
 * Returns 0, or -EBADMSG when it is not one of ours, or cut short.
 */
int gzip_member_peek(const void *bytes, size_t len, struct gzip_member *ret_member);

/**
 * Check a whole member, its text included.
 *
 * @text  GZIP_MEMBER_TEXT_MAX bytes of room for the text; NULL to leave it
 *
 * Returns the bytes of the text, -EBADMSG when it is damaged or cut short, -ENOMEM.
 */
int gzip_member_check(const void *bytes, size_t len, void *text);

#endif
