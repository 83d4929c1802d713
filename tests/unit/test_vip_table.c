/* SPDX-License-Identifier: BSD-3-Clause */
/* The address table, as control writes it and packets read it. */
#include "dataplane/vip_table.h"

#include "dataplane/tables.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define STEPS 60000
#define KEYS 600
#define VIPS_BESIDE_TARGETS 16384u /* entries for max_targets = 0 (tables.c) */

struct fixture {
	struct sl_tables tables;
	struct vip_table *table;
};

static int setup(void **state)
{
	const struct engine_config settings = {
		.max_flows = 1024,
		.max_flows_ipv6 = 1024,
		.max_targets = 1,
		.snat_port_min = 1024,
		.snat_port_max = 65535,
	};
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	char error[ENGINE_ERROR_MAX];
	struct sl_config config;

	if (fixture == NULL || tables_plan(&settings, 1, &config, error) != 0)
		return -1;
	config.seed[0] = 1;
	config.seed[1] = 2;
	if (tables_allocate(&config, &fixture->tables) != 0 ||
	    vip_table_open(&fixture->tables, &fixture->table) != 0)
		return -1;
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	vip_table_close(fixture->table);
	tables_free(&fixture->tables);
	free(fixture);
	return 0;
}

static void reopen(struct fixture *fixture)
{
	vip_table_close(fixture->table);
	assert_int_equal(vip_table_open(&fixture->tables, &fixture->table), 0);
}

static struct in6_addr address(const char *text)
{
	struct in6_addr parsed;

	assert_int_equal(address_parse(text, &parsed), 0);
	return parsed;
}

static struct vip_key key(const char *text, uint16_t port, uint8_t protocol)
{
	return (struct vip_key){address(text), port, protocol};
}

/* Keys of both families that differ by one part only. */
static struct vip_key key_number(uint32_t n)
{
	struct vip_key made = {.port = (uint16_t)(n / 4), .protocol = n % 2 ? 6 : 17};

	if (n % 4 < 2)
		made.address = address_from_v4(htonl(0x0a000000 + n / 16));
	else
		made.address = address("2001:db8::1");
	if (n % 4 >= 2)
		made.address.s6_addr[15] = (uint8_t)(n / 8);
	return made;
}

/* As a packet looks it up. */
static const struct sl_vip *seen(struct fixture *fixture, const struct vip_key *k)
{
	__be32 words[4];
	bool v6 = vip_table_words(&k->address, words);

	return sl_vip_find(&fixture->tables, v6, words, htons(k->port), k->protocol);
}

/* --- tests ---------------------------------------------------------------- */

static void packets_find_what_was_put(void **state)
{
	struct fixture *fixture = *state;
	struct vip_key v4 = key("192.0.2.1", 443, IPPROTO_TCP);
	struct vip_key v6 = key("2001:db8::1", 443, IPPROTO_TCP);
	struct vip_key near[] = {
		key("192.0.2.2", 443, IPPROTO_TCP),	key("192.0.2.1", 444, IPPROTO_TCP),
		key("192.0.2.1", 443, IPPROTO_UDP),	key("192.0.2.1", 0, 0),
		key("2001:db8::2", 443, IPPROTO_TCP),	key("2001:db8::1", 443, IPPROTO_UDP),
		key("2001:db8:0:1::1", 443, IPPROTO_TCP),
	};
	const struct sl_vip *vip;
	struct in6_addr back;

	assert_int_equal(vip_table_put(fixture->table, &v4, SL_VIP_LISTENER, 7, 3), 0);
	assert_int_equal(vip_table_put(fixture->table, &v6, SL_VIP_LISTENER, 9, 1), 0);
	vip = seen(fixture, &v4);
	assert_non_null(vip);
	assert_int_equal(vip->family, 4);
	assert_int_equal(vip->listener, 7);
	assert_int_equal(vip->zone, 3);
	back = vip_table_address(vip);
	assert_true(address_equal(&back, &v4.address));
	vip = seen(fixture, &v6);
	assert_non_null(vip);
	assert_int_equal(vip->family, 6);
	assert_int_equal(vip->listener, 9);
	back = vip_table_address(vip);
	assert_true(address_equal(&back, &v6.address));
	for (size_t i = 0; i < sizeof(near) / sizeof(near[0]); i++)
		assert_null(seen(fixture, &near[i]));
}

static void putting_again_changes_the_entry(void **state)
{
	struct fixture *fixture = *state;
	struct vip_key k = key("192.0.2.1", 443, IPPROTO_TCP);
	const struct sl_vip *before, *after;

	assert_int_equal(vip_table_put(fixture->table, &k, SL_VIP_LISTENER, 7, 3), 0);
	before = seen(fixture, &k);
	assert_int_equal(vip_table_put(fixture->table, &k, SL_VIP_LISTENER, 4095, 7), 0);
	after = seen(fixture, &k);
	assert_ptr_equal(after, before);
	assert_int_equal(after->listener, 4095);
	assert_int_equal(after->zone, 7);
	assert_int_equal(after->family, 4);
	assert_int_equal(vip_table_remove(fixture->table, &k), 0);
	assert_null(seen(fixture, &k));
	assert_int_equal(vip_table_remove(fixture->table, &k), -ENOENT);
}

static void agrees_with_a_slow_model(void **state)
{
	struct fixture *fixture = *state;
	struct {
		bool there;
		uint16_t listener;
		uint8_t zone;
	} slow[KEYS] = {};
	uint32_t put = 0, changed = 0, removed = 0, missing = 0;
	uint64_t random = 42;

	for (int step = 0; step < STEPS; step++) {
		uint32_t n, r;
		struct vip_key k;

		random = random * 6364136223846793005ull + 1442695040888963407ull;
		r = (uint32_t)(random >> 33);
		n = r % KEYS;
		k = key_number(n);
		if (r >> 16 & 1) {
			uint16_t listener = (uint16_t)(r >> 17 & 4095);

			assert_int_equal(vip_table_put(fixture->table, &k, SL_VIP_LISTENER, listener,
						       (uint8_t)(n % 8)),
					 0);
			*(slow[n].there ? &changed : &put) += 1;
			slow[n].there = true;
			slow[n].listener = listener;
			slow[n].zone = (uint8_t)(n % 8);
		} else {
			assert_int_equal(vip_table_remove(fixture->table, &k),
					 slow[n].there ? 0 : -ENOENT);
			*(slow[n].there ? &removed : &missing) += 1;
			slow[n].there = false;
		}
		if (step == STEPS / 2)
			reopen(fixture);
		n = (n + 1) % KEYS; /* another one: still as it was */
		k = key_number(n);
		assert_int_equal(seen(fixture, &k) != NULL, slow[n].there);
		if (slow[n].there) {
			assert_int_equal(seen(fixture, &k)->listener, slow[n].listener);
			assert_int_equal(seen(fixture, &k)->zone, slow[n].zone);
		}
	}
	assert_true(put > 1000 && changed > 1000 && removed > 1000 && missing > 1000);
}

static void a_full_table_refuses_and_recovers(void **state)
{
	struct fixture *fixture = *state;
	uint32_t n = 0, room = fixture->tables.config->max_vips - 1; /* number 0 is none */
	struct vip_key k;

	assert_int_equal(room, VIPS_BESIDE_TARGETS);
	for (n = 0; n < room; n++) {
		k = (struct vip_key){address_from_v4(htonl(n)), 80, IPPROTO_TCP};
		assert_int_equal(vip_table_put(fixture->table, &k, SL_VIP_LISTENER, 1, 0), 0);
	}
	k.address = address("2001:db8::1");
	assert_int_equal(vip_table_put(fixture->table, &k, SL_VIP_LISTENER, 1, 0), -ENOSPC);
	assert_int_equal(vip_table_hold(fixture->table, &k.address, SL_VIP_OURS, 0), -ENOSPC);
	assert_null(seen(fixture, &k));
	/* what is there can still be changed */
	k = (struct vip_key){address_from_v4(htonl(5)), 80, IPPROTO_TCP};
	assert_int_equal(vip_table_put(fixture->table, &k, SL_VIP_LISTENER, 2, 0), 0);
	assert_int_equal(vip_table_remove(fixture->table, &k), 0);
	k.address = address("2001:db8::1");
	assert_int_equal(vip_table_put(fixture->table, &k, SL_VIP_LISTENER, 1, 0), 0);
	for (n = 0; n < room; n++) {
		k = (struct vip_key){address_from_v4(htonl(n)), 80, IPPROTO_TCP};
		assert_int_equal(seen(fixture, &k) != NULL, n != 5);
	}
}

/* A packet that just found an entry must find the same one behind it. */
static void a_removed_entry_rests_longest(void **state)
{
	struct fixture *fixture = *state;
	uint32_t room = fixture->tables.config->max_vips - 1;
	struct vip_key first = key("192.0.2.1", 80, IPPROTO_TCP), k;
	const struct sl_vip *entry;

	assert_int_equal(vip_table_put(fixture->table, &first, SL_VIP_LISTENER, 1, 0), 0);
	entry = seen(fixture, &first);
	assert_int_equal(vip_table_remove(fixture->table, &first), 0);
	for (uint32_t n = 0; n < room - 1; n++) {
		k = (struct vip_key){address_from_v4(htonl(n)), 80, IPPROTO_TCP};
		assert_int_equal(vip_table_put(fixture->table, &k, SL_VIP_LISTENER, 1, 0), 0);
		assert_ptr_not_equal(seen(fixture, &k), entry);
	}
	assert_int_equal(vip_table_put(fixture->table, &first, SL_VIP_LISTENER, 1, 0), 0);
	assert_ptr_equal(seen(fixture, &first), entry);
}

static void an_address_goes_with_its_last_user(void **state)
{
	struct fixture *fixture = *state;
	struct vip_key k = key("10.0.0.1", 0, 0);

	assert_int_equal(vip_table_release(fixture->table, &k.address), -ENOENT);
	assert_int_equal(vip_table_hold(fixture->table, &k.address, SL_VIP_TARGET, 0), 0);
	assert_int_equal(vip_table_hold(fixture->table, &k.address, SL_VIP_TARGET, 0), 0);
	assert_int_equal(seen(fixture, &k)->kind, SL_VIP_TARGET);
	assert_int_equal(vip_table_release(fixture->table, &k.address), 0);
	assert_non_null(seen(fixture, &k));
	assert_int_equal(vip_table_release(fixture->table, &k.address), 0);
	assert_null(seen(fixture, &k));
	assert_int_equal(vip_table_release(fixture->table, &k.address), -ENOENT);
}

static void an_address_that_becomes_a_vip_says_so(void **state)
{
	struct fixture *fixture = *state;
	struct vip_key k = key("10.0.0.1", 0, 0);

	assert_int_equal(vip_table_hold(fixture->table, &k.address, SL_VIP_TARGET, 0), 0);
	assert_int_equal(vip_table_hold(fixture->table, &k.address, SL_VIP_OURS, 5), 0);
	assert_int_equal(vip_table_hold(fixture->table, &k.address, SL_VIP_TARGET, 0), 0);
	assert_int_equal(seen(fixture, &k)->kind, SL_VIP_OURS);
	assert_int_equal(seen(fixture, &k)->zone, 5);
}

static void what_nobody_holds_after_a_take_over_is_purged(void **state)
{
	struct fixture *fixture = *state;
	struct vip_key kept = key("10.0.0.1", 0, 0), left = key("10.0.0.2", 0, 0);
	struct vip_key listener = key("10.0.0.2", 80, IPPROTO_TCP);

	assert_int_equal(vip_table_hold(fixture->table, &kept.address, SL_VIP_TARGET, 0), 0);
	assert_int_equal(vip_table_hold(fixture->table, &left.address, SL_VIP_OURS, 0), 0);
	assert_int_equal(vip_table_put(fixture->table, &listener, SL_VIP_LISTENER, 3, 0), 0);
	reopen(fixture);
	/* still there, and used by nobody yet */
	assert_non_null(seen(fixture, &kept));
	assert_non_null(seen(fixture, &left));
	assert_int_equal(vip_table_release(fixture->table, &left.address), -ENOENT);
	assert_int_equal(vip_table_hold(fixture->table, &kept.address, SL_VIP_TARGET, 0), 0);
	vip_table_purge(fixture->table);
	assert_non_null(seen(fixture, &kept));
	assert_null(seen(fixture, &left));
	assert_non_null(seen(fixture, &listener));
	assert_int_equal(vip_table_release(fixture->table, &kept.address), 0);
	assert_null(seen(fixture, &kept));
}

static void entries_of_a_writer_that_died_half_way_are_free(void **state)
{
	struct fixture *fixture = *state;
	uint32_t room = fixture->tables.config->max_vips - 1;
	struct vip_key whole = key("10.0.0.1", 80, IPPROTO_TCP), k;

	assert_int_equal(vip_table_put(fixture->table, &whole, SL_VIP_LISTENER, 3, 0), 0);
	for (uint32_t i = 1; i <= room; i++) { /* filled, but no slot leads to it */
		if (fixture->tables.vips[i].family == 0) {
			fixture->tables.vips[i] = (struct sl_vip){.family = 4, .kind = SL_VIP_OURS};
			break;
		}
	}
	reopen(fixture);
	assert_non_null(seen(fixture, &whole));
	for (uint32_t n = 0; n < room - 1; n++) {
		k = (struct vip_key){address_from_v4(htonl(n)), 81, IPPROTO_TCP};
		assert_int_equal(vip_table_put(fixture->table, &k, SL_VIP_LISTENER, 1, 0), 0);
	}
	assert_int_equal(seen(fixture, &whole)->listener, 3);
}

static void addresses_survive_the_way_into_the_tables(void **state)
{
	static const char *const texts[] = {"0.0.0.1", "255.255.255.255", "2001:db8::1", "::1"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct in6_addr there = address(texts[i]), back;
		__be32 words[4];
		bool v6 = vip_table_words(&there, words);

		assert_int_equal(v6, i >= 2);
		if (!v6)
			assert_int_equal(words[1] | words[2] | words[3], 0);
		back = vip_table_from_words(v6, words);
		assert_true(address_equal(&there, &back));
	}
}

#define VIP_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		VIP_TEST(packets_find_what_was_put),
		VIP_TEST(putting_again_changes_the_entry),
		VIP_TEST(agrees_with_a_slow_model),
		VIP_TEST(a_full_table_refuses_and_recovers),
		VIP_TEST(a_removed_entry_rests_longest),
		VIP_TEST(an_address_goes_with_its_last_user),
		VIP_TEST(an_address_that_becomes_a_vip_says_so),
		VIP_TEST(what_nobody_holds_after_a_take_over_is_purged),
		VIP_TEST(entries_of_a_writer_that_died_half_way_are_free),
		cmocka_unit_test(addresses_survive_the_way_into_the_tables),
	};

	vip_table_close(NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
