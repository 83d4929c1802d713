/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/logs/gzip_member.h"

#include <errno.h>
#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>
#include <stdlib.h>
#include <string.h>

#define FLAG_EXTRA 4
#define COMPRESSED_FAST 4 /* XFL */
#define SYSTEM_UNIX 3
#define SUBFIELD_BYTES 32

/* RFC 1952 §2.3; all numbers are little-endian. */
struct header {
	uint8_t magic[2], method, flags;
	uint32_t time;
	uint8_t compression, system;
	uint16_t extra_bytes;
	uint8_t subfield[2];
	uint16_t subfield_bytes;
	uint32_t bytes, records;
	uint64_t queue_id, last_record;
	uint64_t reserved;
} __attribute__((packed));
_Static_assert(sizeof(struct header) == GZIP_MEMBER_HEADER_BYTES, "as on disk");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers go to disk as they are");

struct trailer {
	uint32_t crc, text_bytes;
} __attribute__((packed));

static const struct header blank = {
	.magic = {0x1f, 0x8b},
	.method = 8, /* deflate */
	.flags = FLAG_EXTRA,
	.compression = COMPRESSED_FAST,
	.system = SYSTEM_UNIX,
	.extra_bytes = 4 + SUBFIELD_BYTES,
	.subfield = {'S', 'L'},
	.subfield_bytes = SUBFIELD_BYTES,
};

struct gzip_compressor {
	struct isal_zstream stream;
	uint8_t level_room[ISAL_DEF_LVL1_DEFAULT];
};

int gzip_compressor_open(struct gzip_compressor **ret_compressor)
{
	struct gzip_compressor *compressor = malloc(sizeof(*compressor));

	if (compressor == NULL)
		return -ENOMEM;
	*ret_compressor = compressor;
	return 0;
}

void gzip_compressor_close(struct gzip_compressor *compressor)
{
	free(compressor);
}

void gzip_member_write(struct gzip_compressor *compressor, const void *text, size_t text_bytes,
		       struct gzip_member *member, void *out)
{
	struct isal_zstream *stream = &compressor->stream;
	struct header header = blank;
	struct trailer trailer = {
		.crc = crc32_gzip_refl(0, text, text_bytes),
		.text_bytes = (uint32_t)text_bytes,
	};
	uint8_t *place = out;

	isal_deflate_stateless_init(stream);
	stream->level = 1;
	stream->level_buf = compressor->level_room;
	stream->level_buf_size = sizeof(compressor->level_room);
	stream->next_in = (uint8_t *)text;
	stream->avail_in = (uint32_t)text_bytes;
	stream->next_out = place + sizeof(header);
	stream->avail_out = GZIP_MEMBER_MAX - sizeof(header) - sizeof(trailer);
	stream->end_of_stream = 1;
	isal_deflate_stateless(stream); /* cannot fail: there is room for blocks as they are */
	member->bytes = (uint32_t)(sizeof(header) + stream->total_out + sizeof(trailer));
	header.bytes = member->bytes;
	header.records = member->records;
	header.queue_id = member->queue_id;
	header.last_record = member->last_record;
	memcpy(place, &header, sizeof(header));
	memcpy(place + sizeof(header) + stream->total_out, &trailer, sizeof(trailer));
}

int gzip_member_peek(const void *bytes, size_t len, struct gzip_member *ret_member)
{
	struct header header;

	if (len < sizeof(header))
		return -EBADMSG;
	memcpy(&header, bytes, sizeof(header));
	if (memcmp(&header, &blank, offsetof(struct header, bytes)) != 0 || header.reserved != 0 ||
	    header.bytes <= sizeof(header) + sizeof(struct trailer) ||
	    header.bytes > GZIP_MEMBER_MAX || header.records > GZIP_MEMBER_TEXT_MAX)
		return -EBADMSG;
	*ret_member = (struct gzip_member){
		.bytes = header.bytes,
		.records = header.records,
		.queue_id = header.queue_id,
		.last_record = header.last_record,
	};
	return 0;
}

static int inflate_text(const uint8_t *data, size_t len, const struct trailer *trailer,
			uint8_t *text)
{
	struct inflate_state *state = malloc(sizeof(*state));
	int r;

	if (state == NULL)
		return -ENOMEM;
	isal_inflate_init(state);
	state->next_in = (uint8_t *)data;
	state->avail_in = (uint32_t)len;
	state->next_out = text;
	state->avail_out = GZIP_MEMBER_TEXT_MAX;
	r = isal_inflate_stateless(state);
	if (r != ISAL_DECOMP_OK || state->total_out != trailer->text_bytes ||
	    crc32_gzip_refl(0, text, trailer->text_bytes) != trailer->crc)
		r = -EBADMSG;
	else
		r = (int)trailer->text_bytes;
	free(state);
	return r;
}

int gzip_member_check(const void *bytes, size_t len, void *text)
{
	const uint8_t *place = bytes;
	struct gzip_member member;
	struct trailer trailer;
	void *room = text;
	int r;

	r = gzip_member_peek(bytes, len, &member);
	if (r < 0)
		return r;
	if (len < member.bytes)
		return -EBADMSG;
	memcpy(&trailer, place + member.bytes - sizeof(trailer), sizeof(trailer));
	if (room == NULL)
		room = malloc(GZIP_MEMBER_TEXT_MAX);
	if (room == NULL)
		return -ENOMEM;
	r = inflate_text(place + sizeof(struct header),
			 member.bytes - sizeof(struct header) - sizeof(trailer), &trailer, room);
	if (room != text)
		free(room);
	return r;
}
