/* Two devices and one backend that works: what is committed on either ends up the same on both. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "tests/upstream/world.h"

static int start_two(void **state) {
	struct world *world;

	world_create(state);
	world = *state;
	world_use_file(world);
	device_join(world, &world->a);
	device_join(world, &world->b);
	return 0;
}

static int start_one(void **state) {
	struct world *world;

	world_create(state);
	world = *state;
	world_use_file(world);
	device_start(&world->a);
	return 0;
}

static void what_one_device_commits_reaches_the_other(void **state) {
	struct world *world = *state;

	device_notes(&world->a, "a", 5);
	device_sync(&world->a);

	expect_count(&world->b, "SELECT count(*) FROM note", 5);
	expect_confirmed(&world->b, 5);
	expect_same(&world->a, &world->b);
}

static void two_that_commit_at_once_converge(void **state) {
	struct world *world = *state;

	for (unsigned i = 0; i < 20; i++) {
		char prefix[16];

		snprintf(prefix, sizeof(prefix), "%u-", i);
		device_notes(&world->a, prefix, 3);
		snprintf(prefix, sizeof(prefix), "b%u-", i);
		device_notes(&world->b, prefix, 2);
	}
	device_sync(&world->a);
	device_sync(&world->b);
	device_sync(&world->a);

	expect_confirmed(&world->a, 100);
	expect_pending(&world->a, 0);
	expect_count(&world->a, "SELECT count(*) FROM note", 100);
	expect_count(&world->b, "SELECT count(*) FROM note", 100);
	expect_same(&world->a, &world->b);
}

static void what_was_committed_offline_is_rebased_behind_the_others(void **state) {
	struct world *world = *state;

	device_offline(&world->b, false);
	device_notes(&world->b, "b", 3);
	device_mark(&world->b, "m1");
	device_notes(&world->a, "a", 4);
	device_sync(&world->a);
	expect_confirmed(&world->b, 0);
	device_online(&world->b);
	device_sync(&world->b);

	expect_confirmed(&world->b, 7);
	expect_confirmed(&world->a, 7);
	expect_count(&world->a, "SELECT count(*) FROM note", 7);
	expect_count(&world->b, "SELECT count(*) FROM mark", 1);
	expect_count(&world->a, "SELECT count(*) FROM mark", 0);
	expect_same(&world->a, &world->b);
}

static void a_device_that_does_not_push_still_pulls(void **state) {
	struct world *world = *state;

	device_offline(&world->b, true);
	device_notes(&world->b, "b", 3);
	device_notes(&world->a, "a", 2);
	device_sync(&world->a);

	expect_confirmed(&world->b, 2);
	expect_pending(&world->b, 3);
	assert_int_equal(device_try_sync(&world->b), LDS_NOT_RUNNING);
	assert_non_null(strstr(lda_last_error(world->b.admin), "3 events wait"));
	device_online(&world->b);
	expect_pending(&world->b, 0);
	expect_confirmed(&world->a, 5);
	expect_same(&world->a, &world->b);
}

static void offline_outlives_a_restart(void **state) {
	struct world *world = *state;

	device_offline(&world->a, false);
	device_notes(&world->a, "a", 2);
	device_stop(&world->a);
	device_restart(&world->a);

	expect_state(&world->a, "off");
	expect_pending(&world->a, 2);
	assert_int_equal(device_try_sync(&world->a), LDS_NOT_RUNNING);
	device_online(&world->a);
	device_sync(&world->a);
	expect_confirmed(&world->b, 2);
	expect_same(&world->a, &world->b);
}

static void a_store_with_a_backend_follows_it_before_anyone_asks(void **state) {
	struct world *world = *state;

	device_stop(&world->b);
	device_notes(&world->a, "a", 3);
	device_sync(&world->a);
	raw_daemon_start(&world->b.daemon);

	expect_log_confirmed(&world->b, 3);
	raw_daemon_stop(&world->b.daemon);
	device_restart(&world->b);
	expect_same(&world->a, &world->b);
}

static void a_unit_is_never_split_and_a_large_one_travels(void **state) {
	struct world *world = *state;

	device_offline(&world->a, false);
	device_notes(&world->a, "n", 700);
	device_unit(&world->a, "u", 1024);
	device_notes(&world->a, "m", 3);
	device_online(&world->a);
	device_sync(&world->a);

	expect_confirmed(&world->b, 1727);
	expect_same(&world->a, &world->b);
}

static void a_conflict_is_refused_on_one_device_and_on_no_other(void **state) {
	struct world *world = *state;

	device_offline(&world->b, false);
	device_note(&world->b, "same");
	device_note(&world->a, "same");
	device_sync(&world->a);
	device_online(&world->b);
	device_sync(&world->b);

	expect_refused(&world->b, 1);
	expect_refused(&world->a, 0);
	expect_count(&world->b, "SELECT count(*) FROM note", 1);
	expect_confirmed(&world->b, 1);
	expect_same(&world->a, &world->b);
	lds_wait(world->b.session, NULL, LDS_CONFIRMED, WAIT_MS);
	assert_int_equal(world->b.n_refused, 1);
	assert_non_null(strstr(world->b.last_reason, "UNIQUE"));
}

static void a_backend_can_be_attached_late(void **state) {
	struct world *world = *state;

	device_notes(&world->a, "a", 1000);
	device_mark(&world->a, "m");
	device_attach(world, &world->a);
	device_sync(&world->a);
	device_join(world, &world->b);
	device_sync(&world->b);

	expect_confirmed(&world->a, 1000);
	expect_confirmed(&world->b, 1000);
	expect_same(&world->a, &world->b);
}

static void attached_late_to_a_backend_with_other_events_it_rebases_all(void **state) {
	struct world *world = *state;

	device_notes(&world->a, "a", 1000);
	device_join(world, &world->b);
	device_notes(&world->b, "b", 30);
	device_sync(&world->b);
	device_attach(world, &world->a);
	device_sync(&world->a);

	expect_confirmed(&world->a, 1030);
	expect_confirmed(&world->b, 1030);
	expect_count(&world->a, "SELECT count(*) FROM note", 1030);
	expect_count(&world->b, "SELECT count(*) FROM note", 1030);
	expect_same(&world->a, &world->b);
}

static void a_detached_store_goes_on_alone_and_can_come_back(void **state) {
	struct world *world = *state;

	device_notes(&world->a, "a", 2);
	device_sync(&world->a);
	assert_int_equal(lda_backend_set(world->a.admin, STORE, NULL), 0);
	assert_int_equal(device_try_sync(&world->a), LDS_NO_BACKEND);
	device_notes(&world->a, "alone", 2);
	device_notes(&world->b, "b", 2);
	device_sync(&world->b);
	expect_confirmed(&world->b, 4);
	device_attach(world, &world->a);
	device_sync(&world->a);

	expect_confirmed(&world->a, 6);
	expect_confirmed(&world->b, 6);
	expect_same(&world->a, &world->b);
}

static void what_was_confirmed_is_told_to_who_waits(void **state) {
	struct world *world = *state;

	device_note(&world->a, "n1");
	assert_int_equal(lds_wait(world->a.session, NULL, LDS_CONFIRMED, WAIT_MS), 0);
	device_offline(&world->a, false);
	device_note(&world->a, "n2");
	assert_int_equal(lds_wait(world->a.session, NULL, LDS_CONFIRMED, 100), LDS_TIMEOUT);
}

static void a_leader_that_was_killed_loses_and_doubles_nothing(void **state) {
	struct world *world = *state;

	for (unsigned i = 0; i < 5; i++) {
		char prefix[16];

		snprintf(prefix, sizeof(prefix), "k%u-", i);
		device_notes(&world->a, prefix, 40);
		device_kill(&world->a);
		device_restart(&world->a);
	}
	device_sync(&world->a);

	expect_confirmed(&world->a, 200);
	expect_confirmed(&world->b, 200);
	expect_count(&world->a, "SELECT count(*) FROM note", 200);
	expect_same(&world->a, &world->b);
}

#define TWO(name) cmocka_unit_test_setup_teardown(name, start_two, world_remove)
#define ONE(name) cmocka_unit_test_setup_teardown(name, start_one, world_remove)

int main(void) {
	const struct CMUnitTest tests[] = {
		TWO(what_one_device_commits_reaches_the_other),
		TWO(two_that_commit_at_once_converge),
		TWO(what_was_committed_offline_is_rebased_behind_the_others),
		TWO(a_device_that_does_not_push_still_pulls),
		TWO(offline_outlives_a_restart),
		TWO(a_store_with_a_backend_follows_it_before_anyone_asks),
		TWO(a_unit_is_never_split_and_a_large_one_travels),
		TWO(a_conflict_is_refused_on_one_device_and_on_no_other),
		ONE(a_backend_can_be_attached_late),
		ONE(attached_late_to_a_backend_with_other_events_it_rebases_all),
		TWO(a_detached_store_goes_on_alone_and_can_come_back),
		TWO(what_was_confirmed_is_told_to_who_waits),
		TWO(a_leader_that_was_killed_loses_and_doubles_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
