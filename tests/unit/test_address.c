/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct in6_addr parsed(const char *text)
{
	struct in6_addr address;

	assert_int_equal(address_parse(text, &address), 0);
	return address;
}

static void a_text_comes_back_in_its_one_spelling(void **state)
{
	static const char *const cases[][2] = {
		{"10.0.1.5", "10.0.1.5"},
		{"0.0.0.0", "0.0.0.0"},
		{"255.255.255.255", "255.255.255.255"},
		{"::", "::"},
		{"::1", "::1"},
		{"FD00:0:0::00AB", "fd00::ab"},
		{"64:ff9b::192.0.2.1", "64:ff9b::c000:201"},
		{"ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255",
		 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct in6_addr address = parsed(cases[i][0]);
		char text[ADDRESS_TEXT_MAX];

		assert_ptr_equal(address_format(&address, text), text);
		assert_string_equal(text, cases[i][1]);
	}
}

static void what_is_no_address_is_refused_and_nothing_written(void **state)
{
	static const char *const cases[] = {
		"", " ", "10.0.0", "10.0.0.256", "10.0.0.01", "010.0.0.1", "10.0.0.1 ", " 10.0.0.1",
		"10.0.0.1/32", "0x0a000001", "167772161", "10.0.0.-1", ":", ":::", "1:2:3:4:5:6:7",
		"1:2:3:4:5:6:7:8:9", "1::2::3", "12345::", "g::", "fe80::1%lo", "[::1]",
		"::ffff:10.0.0.1", "::FFFF:a00:1", "0:0:0:0:0:ffff:10.0.0.1", "localhost",
	};
	struct in6_addr before, address;

	(void)state;
	memset(&before, 0xa5, sizeof(before));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		address = before;
		if (address_parse(cases[i], &address) != -EINVAL)
			fail_msg("\"%s\" was taken", cases[i]);
		assert_memory_equal(&address, &before, sizeof(before));
	}
}

static void an_ipv4_address_is_held_in_its_mapped_form(void **state)
{
	static const uint8_t mapped[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 1, 5};
	struct in6_addr address = parsed("10.0.1.5"), other = parsed("10.0.1.6");
	struct in6_addr v6 = parsed("::10.0.1.5");

	(void)state;
	assert_memory_equal(&address, mapped, sizeof(mapped));
	assert_true(address_is_v4(&address));
	assert_int_equal(address_to_v4(&address), inet_addr("10.0.1.5"));
	other = address_from_v4(inet_addr("10.0.1.5"));
	assert_true(address_equal(&address, &other));
	assert_false(address_is_v4(&v6));
	assert_false(address_equal(&address, &v6));
}

static void a_prefix_is_read(void **state)
{
	struct address_prefix prefix;

	(void)state;
	assert_int_equal(address_prefix_parse("10.16.0.0/12", &prefix), 0);
	assert_int_equal(prefix.length, 12);
	assert_int_equal(address_to_v4(&prefix.address), inet_addr("10.16.0.0"));
	assert_int_equal(address_prefix_parse("10.0.0.1/32", &prefix), 0);
	assert_int_equal(prefix.length, 32);
	assert_int_equal(address_prefix_parse("0.0.0.0/0", &prefix), 0);
	assert_int_equal(prefix.length, 0);
	assert_int_equal(address_prefix_parse("fd00:0:0:8000::/49", &prefix), 0);
	assert_int_equal(prefix.length, 49);
	assert_int_equal(address_prefix_parse("::/0", &prefix), 0);
	assert_int_equal(prefix.length, 0);
	/* the longest text there is */
	assert_int_equal(address_prefix_parse("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255/128",
					      &prefix), 0);
	assert_int_equal(prefix.length, 128);
}

static void what_is_no_prefix_is_refused_and_nothing_written(void **state)
{
	static const char *const cases[] = {
		"", "/", "/24", "10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/+8",
		"10.0.0.0/ 8", "10.0.0.0/8 ", "10.0.0.0/08", "10.0.0.0/8/8", "10.0.0.0/x",
		"10.0.0.0/4294967304", "10.0.0.1/31", "10.0.0.0/6", "128.0.0.0/0", "fd00::/129",
		"fd00::1/127", "fd00::/7", "::ffff:10.0.0.0/104", "10.0.0/8",
		"0ffff:ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255/128",
	};
	struct address_prefix before, prefix;

	(void)state;
	memset(&before, 0xa5, sizeof(before));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		prefix = before;
		if (address_prefix_parse(cases[i], &prefix) != -EINVAL)
			fail_msg("\"%s\" was taken", cases[i]);
		assert_memory_equal(&prefix, &before, sizeof(before));
	}
}

/* Bit by bit, what address_prefix_contains() does by whole bytes. */
static int slow_contains(const struct in6_addr *prefix, unsigned int n_bits,
			 const struct in6_addr *address)
{
	for (unsigned int bit = 0; bit < n_bits; bit++) {
		if (((prefix->s6_addr[bit / 8] ^ address->s6_addr[bit / 8]) & 0x80 >> bit % 8) != 0)
			return 0;
	}
	return 1;
}

static void a_prefix_contains_what_the_slow_model_says(void **state)
{
	struct in6_addr v4 = parsed("192.168.77.19"), v6 = parsed("fd12:3456:789a:bcde:f012::7");
	unsigned int inside = 0, outside = 0;

	(void)state;
	for (unsigned int length = 0; length <= 128; length++) {
		for (unsigned int flip = 0; flip < 128; flip++) {
			struct address_prefix p6 = {v6, length}, p4 = {v4, length};
			struct in6_addr other = v6;
			int want;

			other.s6_addr[flip / 8] ^= (uint8_t)(0x80 >> flip % 8);
			want = slow_contains(&v6, length, &other);
			assert_int_equal(address_prefix_contains(&p6, &other), want);
			*(want ? &inside : &outside) += 1;
			if (length > 32 || flip < 96)
				continue;
			other = v4;
			other.s6_addr[flip / 8] ^= (uint8_t)(0x80 >> flip % 8);
			assert_int_equal(address_prefix_contains(&p4, &other),
					 slow_contains(&v4, 96 + length, &other));
		}
	}
	assert_true(inside > 1000 && outside > 1000);
}

static void a_prefix_contains_no_address_of_the_other_family(void **state)
{
	struct in6_addr v4 = parsed("10.0.0.1"), v6 = parsed("fd00::1");
	struct address_prefix prefix;

	(void)state;
	assert_int_equal(address_prefix_parse("::/0", &prefix), 0);
	assert_true(address_prefix_contains(&prefix, &v6));
	assert_false(address_prefix_contains(&prefix, &v4));
	assert_int_equal(address_prefix_parse("0.0.0.0/0", &prefix), 0);
	assert_true(address_prefix_contains(&prefix, &v4));
	assert_false(address_prefix_contains(&prefix, &v6));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_text_comes_back_in_its_one_spelling),
		cmocka_unit_test(what_is_no_address_is_refused_and_nothing_written),
		cmocka_unit_test(an_ipv4_address_is_held_in_its_mapped_form),
		cmocka_unit_test(a_prefix_is_read),
		cmocka_unit_test(what_is_no_prefix_is_refused_and_nothing_written),
		cmocka_unit_test(a_prefix_contains_what_the_slow_model_says),
		cmocka_unit_test(a_prefix_contains_no_address_of_the_other_family),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
