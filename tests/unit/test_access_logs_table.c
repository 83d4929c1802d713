/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/actions_fixture.c"
#include "tests/unit/fake_engine.c"

#include "control/access_logs_table.h"

#include <errno.h>

struct told {
	enum logs_message_type type;
	struct logs_destination destination;
};

struct rig {
	struct fixture *f;
	struct access_logs_table table;
	char lb[ARN_MAX], tg[ARN_MAX], listener[ARN_MAX];
	struct told told[16];
	unsigned int n_told, fail_after; /* sends that work */
};

static int setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	rig->f = fixture_new(two_zones);
	new_lb(rig->f, rig->lb, "web");
	new_tg(rig->f, rig->tg, "tasks", "TCP");
	new_listener(rig->f, rig->listener, rig->lb, "TCP", 80, rig->tg);
	rig->fail_after = UINT32_MAX;
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	access_logs_table_clear(&rig->table);
	fixture_free(rig->f);
	free(rig);
	return 0;
}

static void set(struct rig *rig, const char *lb, const char *key, const char *value)
{
	CALL(rig->f, "ModifyLoadBalancerAttributes",
	     "{'LoadBalancerArn': '%s', 'Attributes': [{'Key': 'access_logs.s3.%s', 'Value': "
	     "'%s'}]}",
	     lb, key, value);
	access_logs_table_sync(&rig->table, rig->f->model);
}

static int note_told(void *context, enum logs_message_type type,
		     const struct logs_destination *destination)
{
	struct rig *rig = context;

	if (rig->fail_after == 0)
		return -EAGAIN;
	rig->fail_after--;
	assert_true(rig->n_told < 16);
	rig->told[rig->n_told++] = (struct told){type, *destination};
	return 0;
}

static int tell(struct rig *rig)
{
	rig->n_told = 0;
	return access_logs_table_tell(&rig->table, note_told, rig);
}

static void assert_told(struct rig *rig, enum logs_message_type type, const char *bucket)
{
	assert_int_equal(tell(rig), 0);
	assert_int_equal(rig->n_told, 1);
	assert_int_equal(rig->told[0].type, type);
	assert_int_equal(rig->told[0].destination.load_balancer_id, id_of(rig->lb));
	assert_string_equal(rig->told[0].destination.load_balancer, "web");
	assert_string_equal(rig->told[0].destination.bucket, bucket);
}

static void nobody_is_logged_before_it_is_enabled(void **state)
{
	struct rig *rig = *state;

	access_logs_table_sync(&rig->table, rig->f->model);
	assert_true(access_logs_table_is_empty(&rig->table));
	set(rig, rig->lb, "bucket", "one-bucket");
	assert_true(access_logs_table_is_empty(&rig->table));
	assert_null(access_logs_table_listener(&rig->table, id_of(rig->listener)));
	assert_int_equal(tell(rig), 0);
	assert_int_equal(rig->n_told, 0);
}

static void an_enabled_load_balancer_is_found_by_its_listeners(void **state)
{
	struct rig *rig = *state;
	char other[ARN_MAX], name[RECORD_GROUP_MAX];

	set(rig, rig->lb, "bucket", "one-bucket");
	set(rig, rig->lb, "prefix", "a/b");
	set(rig, rig->lb, "enabled", "true");
	assert_int_equal(
		access_logs_table_listener(&rig->table, id_of(rig->listener))->load_balancer_id,
		id_of(rig->lb));
	access_logs_table_group(&rig->table, id_of(rig->tg), name);
	assert_string_equal(name, "tasks");
	access_logs_table_group(&rig->table, 1, name);
	assert_string_equal(name, "");
	assert_told(rig, LOGS_PUT, "one-bucket");
	assert_string_equal(rig->told[0].destination.prefix, "a/b");
	assert_int_equal(tell(rig), 0); /* once */
	assert_int_equal(rig->n_told, 0);
	new_listener(rig->f, other, rig->lb, "TCP", 81, rig->tg);
	access_logs_table_sync(&rig->table, rig->f->model);
	assert_non_null(access_logs_table_listener(&rig->table, id_of(other)));
	assert_int_equal(tell(rig), 0);
	assert_int_equal(rig->n_told, 0);
}

static void another_bucket_is_told_and_so_is_the_end(void **state)
{
	struct rig *rig = *state;

	set(rig, rig->lb, "bucket", "one-bucket");
	set(rig, rig->lb, "enabled", "true");
	assert_told(rig, LOGS_PUT, "one-bucket");
	set(rig, rig->lb, "bucket", "another");
	assert_told(rig, LOGS_PUT, "another");
	set(rig, rig->lb, "enabled", "false");
	assert_null(access_logs_table_listener(&rig->table, id_of(rig->listener)));
	assert_told(rig, LOGS_REMOVE, "another");
	assert_true(access_logs_table_is_empty(&rig->table));
	set(rig, rig->lb, "enabled", "true");
	assert_told(rig, LOGS_PUT, "another");
}

static void disabled_and_enabled_before_it_was_told_is_a_put(void **state)
{
	struct rig *rig = *state;

	set(rig, rig->lb, "bucket", "one-bucket");
	set(rig, rig->lb, "enabled", "true");
	assert_told(rig, LOGS_PUT, "one-bucket");
	set(rig, rig->lb, "enabled", "false");
	set(rig, rig->lb, "enabled", "true");
	assert_told(rig, LOGS_PUT, "one-bucket");
	assert_non_null(access_logs_table_listener(&rig->table, id_of(rig->listener)));
}

static void what_was_deleted_is_logged_on_for_its_last_flows(void **state)
{
	struct rig *rig = *state;
	char name[RECORD_GROUP_MAX];

	set(rig, rig->lb, "bucket", "one-bucket");
	set(rig, rig->lb, "enabled", "true");
	assert_int_equal(tell(rig), 0);
	CALL(rig->f, "DeleteLoadBalancer", "{'LoadBalancerArn': '%s'}", rig->lb);
	CALL(rig->f, "DeleteTargetGroup", "{'TargetGroupArn': '%s'}", rig->tg);
	access_logs_table_sync(&rig->table, rig->f->model);
	assert_non_null(access_logs_table_listener(&rig->table, id_of(rig->listener)));
	access_logs_table_group(&rig->table, id_of(rig->tg), name);
	assert_string_equal(name, "tasks");
	assert_int_equal(tell(rig), 0);
	assert_int_equal(rig->n_told, 0);
}

static void a_new_process_is_told_everything(void **state)
{
	struct rig *rig = *state;
	char lb[ARN_MAX];

	new_lb(rig->f, lb, "other");
	set(rig, rig->lb, "bucket", "one-bucket");
	set(rig, rig->lb, "enabled", "true");
	set(rig, lb, "bucket", "two-bucket");
	set(rig, lb, "enabled", "true");
	rig->fail_after = 1; /* its socket is full */
	assert_int_equal(tell(rig), -EAGAIN);
	assert_int_equal(rig->n_told, 1);
	rig->fail_after = UINT32_MAX;
	assert_int_equal(tell(rig), 0);
	assert_int_equal(rig->n_told, 1);
	access_logs_table_forget_told(&rig->table);
	assert_int_equal(tell(rig), 0);
	assert_int_equal(rig->n_told, 2);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nobody_is_logged_before_it_is_enabled),
		TEST(an_enabled_load_balancer_is_found_by_its_listeners),
		TEST(another_bucket_is_told_and_so_is_the_end),
		TEST(disabled_and_enabled_before_it_was_told_is_a_put),
		TEST(what_was_deleted_is_logged_on_for_its_last_flows),
		TEST(a_new_process_is_told_everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
