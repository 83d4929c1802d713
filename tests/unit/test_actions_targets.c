/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/actions_fixture.h"
#include "tests/unit/fake_engine.c"

static void first_session_works(void **state)
{
	struct fixture *f = fixture_new(two_zones);
	char lb[ARN_MAX], tg[ARN_MAX], ls[ARN_MAX], h[64];

	(void)state;
	new_lb(f, lb, "web");
	new_tg(f, tg, "tasks", "TCP");
	CALL(f, "RegisterTargets", "{'TargetGroupArn': '%s', 'Targets': [{'Id': '10.0.1.5'}]}", tg);
	assert_string_equal(health(f, tg, "10.0.1.5", h), "unused/Target.NotInUse");
	new_listener(f, ls, lb, "TCP", 80, tg);
	assert_string_equal(health(f, tg, "10.0.1.5", h), "healthy");
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_session_works),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
