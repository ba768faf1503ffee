/* Much at once, in bounded memory. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "tests/upstream/world.h"

#define PEAK_KIB_MAX (64u * 1024u)

/* LEADERD_BULK_EVENTS sets another number than 10,000. */
static unsigned bulk_events(void) {
	const char *text = getenv("LEADERD_BULK_EVENTS");

	return text ? (unsigned)strtoul(text, NULL, 10) : 10000;
}

static void ten_thousand_offline_events_behind_five_hundred_others_are_one_rebase(void **state) {
	struct world *world = *state;
	struct lda_stores *stores;
	unsigned n = bulk_events(), n_others = n / 20;

	world_use_file(world);
	device_join(world, &world->a);
	device_join(world, &world->b);
	device_offline(&world->a, false);
	device_notes(&world->a, "a", n);
	device_notes(&world->b, "b", n_others);
	device_sync(&world->b);
	device_online(&world->a);
	device_sync(&world->a);
	device_sync(&world->b);

	expect_confirmed(&world->a, n + n_others);
	expect_confirmed(&world->b, n + n_others);
	expect_count(&world->b, "SELECT count(*) FROM note", n + n_others);
	stores = device_status(&world->a);
	assert_int_equal(stores->items[0].generation, 1);
	lda_stores_free(stores);
	print_message("peak: %llu and %llu KiB\n", (unsigned long long)device_peak_kib(&world->a),
	              (unsigned long long)device_peak_kib(&world->b));
#ifndef __SANITIZE_ADDRESS__
	assert_in_range(device_peak_kib(&world->a), 1, PEAK_KIB_MAX);
	assert_in_range(device_peak_kib(&world->b), 1, PEAK_KIB_MAX);
#endif
	expect_same(&world->a, &world->b);
}

/* More pages than one differ: they are staged, and the log moves once. */
static void three_thousand_others_in_front_are_staged_and_make_one_rebase(void **state) {
	struct world *world = *state;
	struct lda_stores *stores;

	world_use_file(world);
	device_join(world, &world->a);
	device_join(world, &world->b);
	device_offline(&world->a, false);
	device_notes(&world->a, "a", 300);
	device_notes(&world->b, "b", 3000);
	device_sync(&world->b);
	device_online(&world->a);
	device_sync(&world->a);
	device_sync(&world->b);

	expect_confirmed(&world->a, 3300);
	expect_confirmed(&world->b, 3300);
	stores = device_status(&world->a);
	assert_int_equal(stores->items[0].generation, 1);
	lda_stores_free(stores);
	expect_same(&world->a, &world->b);
}

/* Killed between staged pages: what was staged is pulled afresh. */
static void a_leader_killed_among_staged_pages_starts_that_rebase_again(void **state) {
	struct world *world = *state;

	world_use_story(world, "pull ok\npull hang\n");
	device_join(world, &world->a);
	device_notes(&world->a, "a", 1500);
	device_sync(&world->a);
	device_start(&world->b);
	device_notes(&world->b, "b", 20);
	device_attach(world, &world->b);
	expect_state(&world->b, "pulling");
	device_note(&world->b, "more");
	device_kill(&world->b);
	device_restart(&world->b);
	device_sync(&world->b);
	device_sync(&world->a);

	expect_confirmed(&world->b, 1521);
	expect_confirmed(&world->a, 1521);
	expect_count(&world->b, "SELECT count(*) FROM note", 1521);
	expect_same(&world->a, &world->b);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, world_create, world_remove)

int main(void) {
	const struct CMUnitTest tests[] = {
		STORY(ten_thousand_offline_events_behind_five_hundred_others_are_one_rebase),
		STORY(three_thousand_others_in_front_are_staged_and_make_one_rebase),
		STORY(a_leader_killed_among_staged_pages_starts_that_rebase_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
