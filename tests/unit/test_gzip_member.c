/* SPDX-License-Identifier: BSD-3-Clause */
/* Members are read back by zlib: what others do with the files. */
#include "control/logs/gzip_member.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#define SEED 20261121u

struct fixture {
	struct gzip_compressor *compressor;
	unsigned char text[GZIP_MEMBER_TEXT_MAX], read[4 * GZIP_MEMBER_TEXT_MAX];
	unsigned char file[4 * GZIP_MEMBER_MAX];
	size_t file_bytes;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	srandom(SEED);
	*state = f;
	return gzip_compressor_open(&f->compressor);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	gzip_compressor_close(f->compressor);
	free(f);
	return 0;
}

static struct gzip_member add(struct fixture *f, size_t bytes, uint64_t last)
{
	struct gzip_member member = {
		.records = 7, .queue_id = 0x1122334455667788, .last_record = last};

	gzip_member_write(f->compressor, f->text, bytes, &member, f->file + f->file_bytes);
	f->file_bytes += member.bytes;
	return member;
}

/* As gunzip does: member after member. */
static size_t gunzip(struct fixture *f)
{
	z_stream stream = {
		.next_in = f->file,
		.avail_in = (unsigned int)f->file_bytes,
		.next_out = f->read,
		.avail_out = sizeof(f->read),
	};

	assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
	while (stream.avail_in > 0) {
		assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
		assert_int_equal(inflateReset(&stream), Z_OK);
	}
	inflateEnd(&stream);
	return sizeof(f->read) - stream.avail_out;
}

static void fill(struct fixture *f, size_t bytes, unsigned int letters)
{
	for (size_t i = 0; i < bytes; i++)
		f->text[i] = (unsigned char)((unsigned int)random() % letters);
}

static void zlib_reads_what_is_written(void **state)
{
	/* letters: of all the same to not compressible at all */
	static const unsigned int letters[] = {1, 2, 16, 256};
	static const size_t sizes[] = {1, 300, 65535, 65536, 65537, GZIP_MEMBER_TEXT_MAX};
	struct fixture *f = *state;

	for (size_t l = 0; l < sizeof(letters) / sizeof(letters[0]); l++) {
		for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
			fill(f, sizes[s], letters[l]);
			f->file_bytes = 0;
			assert_in_range(add(f, sizes[s], 0).bytes, 1, GZIP_MEMBER_MAX);
			assert_int_equal(gunzip(f), sizes[s]);
			assert_memory_equal(f->read, f->text, sizes[s]);
			assert_int_equal(gzip_member_check(f->file, f->file_bytes, f->read),
					 sizes[s]);
			assert_memory_equal(f->read, f->text, sizes[s]);
		}
	}
}

static void a_row_of_members_is_one_text(void **state)
{
	struct fixture *f = *state;

	fill(f, 3000, 30);
	add(f, 1000, 1);
	memmove(f->text, f->text + 1000, 2000);
	add(f, 2000, 2);
	assert_int_equal(gunzip(f), 3000);
	assert_memory_equal(f->read + 1000, f->text, 2000);
}

static void a_member_tells_its_length_and_records(void **state)
{
	struct fixture *f = *state;
	struct gzip_member written = add(f, 500, 12345678901234), read;

	assert_int_equal(gzip_member_peek(f->file, f->file_bytes, &read), 0);
	assert_memory_equal(&read, &written, sizeof(read));
	assert_int_equal(read.bytes, f->file_bytes);
}

static void a_member_cut_short_anywhere_is_found(void **state)
{
	struct fixture *f = *state;

	fill(f, 400, 20);
	add(f, 400, 1);
	for (size_t len = 0; len < f->file_bytes; len++)
		assert_int_equal(gzip_member_check(f->file, len, f->read), -EBADMSG);
	assert_int_equal(gzip_member_check(f->file, f->file_bytes, f->read), 400);
}

/* What a power cut leaves: blocks that were never written are zero, or hold something else. */
static void a_changed_byte_is_found_or_does_not_matter_to_the_text(void **state)
{
	struct fixture *f = *state;
	unsigned char text[400];
	unsigned int found = 0;

	fill(f, sizeof(text), 20);
	memcpy(text, f->text, sizeof(text));
	add(f, sizeof(text), 1);
	for (size_t i = 0; i < f->file_bytes; i++) {
		unsigned char was = f->file[i];

		f->file[i] = (unsigned char)(was ^ (1 + random() % 255));
		if (gzip_member_check(f->file, f->file_bytes, f->read) == -EBADMSG)
			found++;
		else /* a record number, or a bit of padding */
			assert_memory_equal(f->read, text, sizeof(text));
		f->file[i] = was;
	}
	assert_true(found > f->file_bytes * 3 / 4);
	memset(f->file + f->file_bytes / 2, 0, f->file_bytes);
	assert_int_equal(gzip_member_check(f->file, f->file_bytes, f->read), -EBADMSG);
}

static void other_gzip_files_are_not_ours(void **state)
{
	struct fixture *f = *state;
	struct gzip_member member;
	z_stream stream = {.next_in = f->text,
			   .avail_in = 1000,
			   .next_out = f->file,
			   .avail_out = sizeof(f->file)};

	assert_int_equal(deflateInit2(&stream, 1, Z_DEFLATED, 15 + 16, 8, 0), Z_OK);
	assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
	deflateEnd(&stream);
	assert_int_equal(gzip_member_peek(f->file, stream.total_out, &member), -EBADMSG);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(zlib_reads_what_is_written),
		TEST(a_row_of_members_is_one_text),
		TEST(a_member_tells_its_length_and_records),
		TEST(a_member_cut_short_anywhere_is_found),
		TEST(a_changed_byte_is_found_or_does_not_matter_to_the_text),
		TEST(other_gzip_files_are_not_ours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
