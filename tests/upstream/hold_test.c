/*
 * Backends that forget or fork: every device holds, says exactly what differs, goes
 * on serving its apps, and loses nothing whatever its user decides.
 */

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

static void go_offline(struct world *world) {
	device_offline(&world->a, false);
	device_offline(&world->b, false);
}

static void go_online(struct world *world) {
	device_online(&world->a);
	device_online(&world->b);
}

/* Ten confirmed events on both devices; the backend has lost the newest `n` of them. */
static struct world *shorten(void **state, unsigned n) {
	struct world *world = *state;

	device_notes(&world->a, "a", 10 - n);
	device_sync(&world->a);
	device_sync(&world->b);
	go_offline(world);
	world_back_up(world, "backup");
	go_online(world);
	device_notes(&world->b, "b", n);
	device_sync(&world->b);
	device_sync(&world->a);
	expect_confirmed(&world->a, 10);
	go_offline(world);
	world_restore(world, n == 10 ? NULL : "backup");
	return world;
}

/* A shorter one, and a third device that wrote other events behind what was left. */
static struct world *fork_at(void **state, unsigned n, unsigned n_others) {
	struct world *world = shorten(state, n);

	device_join(world, &world->c);
	device_notes(&world->c, "c", n_others);
	device_sync(&world->c);
	return world;
}

static void expect_hold(struct device *device, const char *text) {
	expect_state(device, "held");
	expect_error_text(device, text);
	assert_int_equal(device_try_sync(device), LDS_HOLD);
	expect_confirmed(device, 10);
}

/* ---- hold --------------------------------------------------------------------------- */

static void a_shorter_backend_is_held_and_named(void **state) {
	struct world *world = shorten(state, 4);

	go_online(world);

	expect_hold(&world->a, "ends at e6, our confirmed head is e10");
	expect_hold(&world->b, "--repair");
}

static void a_held_store_serves_its_apps_and_says_the_same_after_a_restart(void **state) {
	struct world *world = shorten(state, 4);

	device_online(&world->a);
	expect_hold(&world->a, "ends at e6");
	device_notes(&world->a, "more", 3);
	expect_pending(&world->a, 3);
	expect_count(&world->a, "SELECT count(*) FROM note", 13);
	device_stop(&world->a);
	device_restart(&world->a);

	expect_hold(&world->a, "ends at e6");
	expect_pending(&world->a, 3);
	expect_count(&world->a, "SELECT count(*) FROM note", 13);
}

static void a_fork_of_the_same_length_is_found(void **state) {
	struct world *world = fork_at(state, 4, 4);

	go_online(world);

	expect_hold(&world->a, "forked: it ends at e10 with chain hash");
	expect_hold(&world->b, "--adopt");
}

static void a_fork_that_grew_longer_is_found(void **state) {
	struct world *world = fork_at(state, 4, 9);

	go_online(world);

	expect_hold(&world->a, "our confirmed head e10 with chain hash");
	expect_hold(&world->b, "it ends at e15");
}

static void a_wiped_backend_is_held(void **state) {
	struct world *world = shorten(state, 10);

	go_online(world);

	expect_hold(&world->a, "ends at e0, our confirmed head is e10");
}

/* ---- repair ---------------------------------------------------------------------------- */

static void expect_repaired(struct world *world, struct device *device) {
	if (lda_backend_repair(device->admin, STORE, NULL, WAIT_MS) < 0)
		fail_msg("%s", lda_last_error(device->admin));
	expect_state(device, "held");
	expect_error_text(device, "it ends at our confirmed head e10");
	assert_int_equal(device_try_sync(device), LDS_HOLD);
}

static void repair_writes_what_the_backend_lacks_and_holds_until_online(void **state) {
	struct world *world = shorten(state, 4);

	go_online(world);
	device_notes(&world->a, "more", 2);
	expect_hold(&world->a, "shorter");
	expect_hold(&world->b, "shorter");
	expect_repaired(world, &world->a);
	expect_pending(&world->a, 2);
	device_stop(&world->a);
	device_restart(&world->a);
	expect_state(&world->a, "held");
	device_online(&world->a);
	device_sync(&world->a);
	device_sync(&world->b);

	expect_confirmed(&world->a, 12);
	expect_confirmed(&world->b, 12);
	expect_same(&world->a, &world->b);
}

static void repair_restores_a_wiped_backend_for_all(void **state) {
	struct world *world = shorten(state, 10);

	go_online(world);
	expect_hold(&world->a, "ends at e0");
	expect_hold(&world->b, "ends at e0");
	expect_repaired(world, &world->b);
	device_online(&world->b);
	device_sync(&world->b);
	device_sync(&world->a);
	device_join(world, &world->c);
	device_sync(&world->c);

	expect_confirmed(&world->c, 10);
	expect_same(&world->a, &world->b);
	expect_same(&world->a, &world->c);
}

static void a_fork_cannot_be_repaired(void **state) {
	struct world *world = fork_at(state, 4, 3);

	go_online(world);
	expect_hold(&world->a, "forked");

	assert_int_equal(lda_backend_repair(world->a.admin, STORE, NULL, WAIT_MS), LDS_CONFLICT);
	assert_non_null(strstr(lda_last_error(world->a.admin), "forked"));
	expect_hold(&world->a, "forked");
}

static void a_store_moves_to_an_empty_backend_by_repair(void **state) {
	struct world *world = *state;

	device_notes(&world->a, "a", 10);
	device_sync(&world->a);
	snprintf(world->url, sizeof(world->url), "file:%s/new.db", world->folder);
	if (lda_backend_repair(world->a.admin, STORE, world->url, WAIT_MS) < 0)
		fail_msg("%s", lda_last_error(world->a.admin));
	device_online(&world->a);
	device_sync(&world->a);
	device_attach(world, &world->b);
	device_sync(&world->b);
	device_note(&world->b, "b1");
	device_sync(&world->b);

	expect_confirmed(&world->a, 11);
	expect_same(&world->a, &world->b);
}

/* ---- adopt -------------------------------------------------------------------------------- */

static void adopt(struct device *device) {
	if (lda_backend_adopt(device->admin, STORE, NULL, WAIT_MS) < 0)
		fail_msg("%s", lda_last_error(device->admin));
}

static unsigned count_lines(const char *path) {
	FILE *file = fopen(path, "r");
	unsigned n = 0;
	int c;

	assert_non_null(file);
	while ((c = fgetc(file)) != EOF)
		n += c == '\n';
	fclose(file);
	return n;
}

static void adopt_takes_the_history_and_keeps_every_event(void **state) {
	struct world *world = fork_at(state, 4, 5);
	char path[512];

	go_online(world);
	device_notes(&world->a, "more", 3);
	expect_hold(&world->a, "forked");
	adopt(&world->a);
	device_sync(&world->a);
	device_sync(&world->c);

	/* Six common ones, five of c, four that b had made, three pending ones. */
	expect_confirmed(&world->a, 18);
	expect_count(&world->a, "SELECT count(*) FROM note", 18);
	expect_count(&world->c, "SELECT count(*) FROM note WHERE id LIKE 'b%'", 4);
	expect_same(&world->a, &world->c);
	device_find_file(path, &world->a, "adopted-");
	assert_int_equal(count_lines(path), 1 + 13);

	adopt(&world->b);
	device_sync(&world->b);
	expect_confirmed(&world->b, 18);
	expect_same(&world->b, &world->c);
}

static void adopting_a_shorter_history_makes_the_rest_pending_again(void **state) {
	struct world *world = shorten(state, 4);

	go_online(world);
	device_mark(&world->a, "m");
	expect_hold(&world->a, "shorter");
	adopt(&world->a);
	device_sync(&world->a);
	device_sync(&world->b);

	expect_confirmed(&world->a, 10);
	expect_count(&world->a, "SELECT count(*) FROM note", 10);
	expect_count(&world->a, "SELECT count(*) FROM mark", 1);
}

static void adopting_an_empty_backend_makes_everything_pending_again(void **state) {
	struct world *world = shorten(state, 10);

	device_online(&world->a);
	expect_hold(&world->a, "ends at e0");
	adopt(&world->a);
	device_sync(&world->a);

	expect_confirmed(&world->a, 10);
	expect_count(&world->a, "SELECT count(*) FROM note", 10);
}

static void the_log_of_another_store_can_be_adopted(void **state) {
	struct world *world = *state;

	device_notes(&world->a, "a", 10);
	device_sync(&world->a);
	snprintf(world->url, sizeof(world->url), "file:%s/other.db", world->folder);
	device_join(world, &world->c);
	device_notes(&world->c, "c", 5);
	device_sync(&world->c);
	device_attach(world, &world->a);
	expect_hold(&world->a, "lineage");
	adopt(&world->a);
	device_sync(&world->a);
	device_sync(&world->c);

	expect_confirmed(&world->a, 15);
	expect_confirmed(&world->c, 15);
	expect_same(&world->a, &world->c);
}

static void what_does_not_apply_in_the_adopted_history_is_kept_among_the_refused(void **state) {
	struct world *world = shorten(state, 4);

	device_join(world, &world->c);
	device_note(&world->c, "b1");
	device_sync(&world->c);
	device_online(&world->a);
	expect_hold(&world->a, "forked");
	adopt(&world->a);
	device_sync(&world->a);

	expect_confirmed(&world->a, 10);
	expect_refused(&world->a, 1);
	expect_count(&world->a, "SELECT count(*) FROM note", 10);
}

static void an_adoption_that_breaks_off_leaves_everything_as_it_was(void **state) {
	struct world *world = *state;

	device_notes(&world->a, "a", 10);
	device_sync(&world->a);
	world_use_story(world, "3 x pull ok\npull crash\n");
	device_join(world, &world->c);
	device_notes(&world->c, "c", 2000);
	device_sync(&world->c);
	device_attach(world, &world->a);
	expect_hold(&world->a, "lineage");
	assert_int_equal(lda_backend_adopt(world->a.admin, STORE, NULL, WAIT_MS), LDS_NOT_RUNNING);
	expect_hold(&world->a, "lineage");
	expect_count(&world->a, "SELECT count(*) FROM note", 10);
	expect_verifies(&world->a);
	adopt(&world->a);
	device_sync(&world->a);

	expect_confirmed(&world->a, 2010);
	expect_count(&world->a, "SELECT count(*) FROM note", 2010);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, start_two, world_remove)

int main(void) {
	const struct CMUnitTest tests[] = {
		STORY(a_shorter_backend_is_held_and_named),
		STORY(a_held_store_serves_its_apps_and_says_the_same_after_a_restart),
		STORY(a_fork_of_the_same_length_is_found),
		STORY(a_fork_that_grew_longer_is_found),
		STORY(a_wiped_backend_is_held),
		STORY(repair_writes_what_the_backend_lacks_and_holds_until_online),
		STORY(repair_restores_a_wiped_backend_for_all),
		STORY(a_fork_cannot_be_repaired),
		STORY(a_store_moves_to_an_empty_backend_by_repair),
		STORY(adopt_takes_the_history_and_keeps_every_event),
		STORY(adopting_a_shorter_history_makes_the_rest_pending_again),
		STORY(adopting_an_empty_backend_makes_everything_pending_again),
		STORY(the_log_of_another_store_can_be_adopted),
		STORY(what_does_not_apply_in_the_adopted_history_is_kept_among_the_refused),
		STORY(an_adoption_that_breaks_off_leaves_everything_as_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
