/* A backend that takes little at once: what fits is split into batches, what never could is refused or named. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "tests/upstream/world.h"

static int start(void **state) {
	struct world *world;

	world_create(state);
	world = *state;
	snprintf(world->url, sizeof(world->url), "small:%s/log.db", world->folder);
	device_start(&world->a);
	return 0;
}

static void many_events_go_in_small_batches(void **state) {
	struct world *world = *state;

	device_notes(&world->a, "a", 50);
	device_unit(&world->a, "u", 4);
	device_notes(&world->a, "b", 3);
	device_attach(world, &world->a);
	device_sync(&world->a);
	device_join(world, &world->b);
	device_sync(&world->b);

	expect_confirmed(&world->b, 57);
	expect_same(&world->a, &world->b);
}

static void an_event_over_the_limit_is_refused_at_its_commit(void **state) {
	struct world *world = *state;

	device_attach(world, &world->a);
	device_sync(&world->a);
	device_long_note(&world->a, "long", 1500);
	device_note(&world->a, "short");
	device_sync(&world->a);

	expect_refused(&world->a, 1);
	expect_confirmed(&world->a, 1);
	expect_count(&world->a, "SELECT count(*) FROM note", 1);
	assert_int_equal(world->a.n_refused, 1);
	assert_non_null(strstr(world->a.last_reason, "the backend takes 1000"));
}

static void a_unit_over_the_limit_is_refused_at_its_commit(void **state) {
	struct world *world = *state;

	device_attach(world, &world->a);
	device_sync(&world->a);
	device_unit(&world->a, "u", 5);

	expect_refused(&world->a, 5);
	assert_non_null(strstr(world->a.last_reason, "the unit has 5 events"));
}

static void a_client_only_event_has_no_such_limit(void **state) {
	struct world *world = *state;
	char id[1501] = { 0 };

	memset(id, 'm', sizeof(id) - 1);
	device_attach(world, &world->a);
	device_sync(&world->a);
	device_mark(&world->a, id);

	expect_refused(&world->a, 0);
	expect_count(&world->a, "SELECT count(*) FROM mark", 1);
}

static void one_that_was_committed_before_the_limit_was_known_is_refused_by_the_backend(void **state) {
	struct world *world = *state;

	device_note(&world->a, "first");
	device_long_note(&world->a, "long", 1500);
	device_note(&world->a, "last");
	device_attach(world, &world->a);
	device_sync(&world->a);

	expect_refused(&world->a, 1);
	expect_confirmed(&world->a, 2);
	expect_count(&world->a, "SELECT count(*) FROM note", 2);
}

static void a_unit_that_no_batch_can_hold_is_named_and_pulling_goes_on(void **state) {
	struct world *world = *state;

	device_note(&world->a, "first");
	device_unit(&world->a, "u", 6);
	device_attach(world, &world->a);
	expect_error_text(&world->a, "the unit of 6 events at e2 is more than the backend takes at once");
	assert_int_equal(device_try_sync(&world->a), LDS_REFUSED);
	expect_confirmed(&world->a, 1);
	device_join(world, &world->b);
	device_note(&world->b, "b");
	device_sync(&world->b);

	expect_confirmed(&world->a, 2);
	expect_pending(&world->a, 6);
	expect_error_text(&world->a, "at e2 is more than");
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, start, world_remove)

int main(void) {
	const struct CMUnitTest tests[] = {
		STORY(many_events_go_in_small_batches),
		STORY(an_event_over_the_limit_is_refused_at_its_commit),
		STORY(a_unit_over_the_limit_is_refused_at_its_commit),
		STORY(a_client_only_event_has_no_such_limit),
		STORY(one_that_was_committed_before_the_limit_was_known_is_refused_by_the_backend),
		STORY(a_unit_that_no_batch_can_hold_is_named_and_pulling_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
