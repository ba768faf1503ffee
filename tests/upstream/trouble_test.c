/*
 * A backend and an adapter that do everything wrong, by a story: nothing wrong is
 * ever applied, the status says what it was, the apps notice nothing, and when it
 * is over all is as it should be.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "tests/upstream/world.h"

static struct world *begin(void **state, const char *story) {
	struct world *world = *state;

	world_use_story(world, story);
	device_join(world, &world->a);
	return world;
}

/* A has six events confirmed; B comes, and gets the page wrong the first time. */
static void expect_page_is_turned_down(void **state, const char *story, const char *text) {
	struct world *world = begin(state, story);

	device_notes(&world->a, "a", 6);
	device_sync(&world->a);
	device_join(world, &world->b);
	expect_error_text(&world->b, text);
	expect_count(&world->b, "SELECT count(*) FROM note", 0);

	device_sync(&world->b);
	expect_no_error(&world->b);
	expect_confirmed(&world->b, 6);
	expect_same(&world->a, &world->b);
}

/* ---- pages ----------------------------------------------------------------------- */

static void a_gap_is_named_and_pulled_again(void **state) {
	expect_page_is_turned_down(state, "pull gap 3\n", "sent e4 where e3 was expected");
}

static void a_repeated_event_is_named_and_pulled_again(void **state) {
	expect_page_is_turned_down(state, "pull repeat 2\n", "sent e2 where e3 was expected");
}

static void events_out_of_order_are_named_and_pulled_again(void **state) {
	expect_page_is_turned_down(state, "pull swap 4\n", "sent e5 where e4 was expected");
}

static void an_altered_event_is_named_and_pulled_again(void **state) {
	expect_page_is_turned_down(state, "pull alter 2\n", "the hash of e2 was not the one expected");
}

static void a_page_without_its_end_is_named_and_pulled_again(void **state) {
	expect_page_is_turned_down(state, "pull cut\n", "said that it ends at e6, its last event is e5");
}

static void a_page_from_the_beginning_again_is_never_applied(void **state) {
	struct world *world = begin(state, "pull ok\npull again\n");

	device_notes(&world->a, "a", 3);
	device_sync(&world->a);
	device_join(world, &world->b);
	expect_confirmed(&world->b, 3);
	device_notes(&world->a, "more", 3);
	device_sync(&world->b);

	expect_confirmed(&world->b, 6);
	expect_count(&world->b, "SELECT count(*) FROM note", 6);
	expect_same(&world->a, &world->b);
}

static void a_known_id_with_other_content_is_held(void **state) {
	struct world *world = begin(state, "push lose\n2 x pull rewrite 1\n");

	device_note(&world->a, "n1");
	expect_state(&world->a, "held");
	expect_error_text(&world->a, "e1 has an id that is known here with other content");
	expect_confirmed(&world->a, 0);
	assert_int_equal(device_try_sync(&world->a), LDS_HOLD);
	device_sync(&world->a);

	expect_confirmed(&world->a, 1);
}

static void a_history_that_was_rewritten_for_one_device_is_found_at_its_next_pull(void **state) {
	struct world *world = begin(state, "pull rewrite 2\n");

	device_notes(&world->a, "a", 6);
	device_sync(&world->a);
	device_join(world, &world->b);

	expect_state(&world->b, "held");
	expect_error_text(&world->b, "forked");
	expect_state(&world->a, "following");
}

/* ---- pushes ------------------------------------------------------------------------ */

static void lost_acknowledgements_double_nothing(void **state) {
	struct world *world = begin(state, "every 3 push lose\n");

	for (unsigned i = 0; i < 10; i++) {
		char id[16];

		snprintf(id, sizeof(id), "n%u", i);
		device_note(&world->a, id);
		device_sync(&world->a);
	}
	device_join(world, &world->b);
	device_sync(&world->b);

	expect_confirmed(&world->a, 10);
	expect_confirmed(&world->b, 10);
	expect_count(&world->b, "SELECT count(*) FROM note", 10);
	expect_same(&world->a, &world->b);
}

static void a_lost_acknowledgement_in_front_of_anothers_events_doubles_nothing(void **state) {
	struct world *world = begin(state, "push lose\n");

	device_join(world, &world->b);
	device_offline(&world->b, false);
	device_notes(&world->b, "b", 3);
	device_notes(&world->a, "a", 3);
	device_online(&world->b);
	device_sync(&world->b);
	device_sync(&world->a);
	device_sync(&world->b);

	expect_confirmed(&world->a, 6);
	expect_confirmed(&world->b, 6);
	expect_count(&world->a, "SELECT count(*) FROM note", 6);
	expect_same(&world->a, &world->b);
}

static void an_event_that_the_backend_refuses_is_kept_with_its_reason(void **state) {
	struct world *world = begin(state, "push refuse 2 not allowed here\n");

	device_offline(&world->a, false);
	device_notes(&world->a, "a", 4);
	device_online(&world->a);
	device_sync(&world->a);

	expect_confirmed(&world->a, 3);
	expect_refused(&world->a, 1);
	expect_count(&world->a, "SELECT count(*) FROM note", 3);
	expect_count(&world->a, "SELECT count(*) FROM note WHERE id = 'a2'", 0);
	lds_wait(world->a.session, NULL, LDS_CONFIRMED, WAIT_MS);
	assert_int_equal(world->a.n_refused, 1);
	assert_string_equal(world->a.last_reason, "not allowed here");
}

static void a_unit_is_refused_whole(void **state) {
	struct world *world = begin(state, "push refuse 3 not allowed here\n");

	device_offline(&world->a, false);
	device_note(&world->a, "first");
	device_unit(&world->a, "u", 3);
	device_note(&world->a, "last");
	device_online(&world->a);
	device_sync(&world->a);

	expect_confirmed(&world->a, 2);
	expect_refused(&world->a, 3);
	expect_count(&world->a, "SELECT count(*) FROM note WHERE id IN ('first', 'last')", 2);
}

static void a_leader_whose_pushes_are_refused_goes_on_pulling(void **state) {
	struct world *world = begin(state, "push refuse none this device may only read\n");

	device_note(&world->a, "n1");
	expect_error_text(&world->a, "this device may only read");
	assert_int_equal(device_try_sync(&world->a), 0); /* the story is over: it is allowed now */

	expect_confirmed(&world->a, 1);
}

static void what_is_refused_for_now_is_pushed_again(void **state) {
	struct world *world = begin(state, "push refuse-for-now all come back\npush later not yet\n");

	device_note(&world->a, "n1");
	device_sync(&world->a);

	expect_confirmed(&world->a, 1);
	expect_refused(&world->a, 0);
}

static void a_backend_that_says_behind_without_news_is_asked_again_later(void **state) {
	struct world *world = begin(state, "3 x push behind\n");

	device_note(&world->a, "n1");
	device_sync(&world->a);

	expect_confirmed(&world->a, 1);
}

static void an_acceptance_of_something_else_is_a_hold(void **state) {
	struct world *world = begin(state, "push wrong-head\n");

	device_note(&world->a, "n1");
	expect_state(&world->a, "held");
	expect_error_text(&world->a, "something else than what was pushed");
	expect_confirmed(&world->a, 0);
	device_sync(&world->a); /* what stands there is ours after all */

	expect_confirmed(&world->a, 1);
}

/* ---- adapters ------------------------------------------------------------------------- */

static void an_adapter_that_dies_costs_a_pause(void **state) {
	struct world *world = begin(state, "open crash\npush crash\n2 x look crash\n");

	device_notes(&world->a, "a", 3);
	device_sync(&world->a);

	expect_confirmed(&world->a, 3);
	expect_no_error(&world->a);
}

static void an_adapter_that_talks_nonsense_costs_a_pause(void **state) {
	struct world *world = begin(state, "open nonsense\npush nonsense\n");

	expect_error_text(&world->a, "nonsense");
	device_notes(&world->a, "a", 3);
	device_sync(&world->a);

	expect_confirmed(&world->a, 3);
	expect_no_error(&world->a);
}

static void an_adapter_that_hangs_keeps_nobody_waiting(void **state) {
	struct world *world = begin(state, "push hang\n");

	device_note(&world->a, "n1");
	expect_state(&world->a, "pushing");
	device_notes(&world->a, "more", 100);
	expect_pending(&world->a, 101);
	device_offline(&world->a, false);
	expect_state(&world->a, "off");
	device_online(&world->a);
	device_sync(&world->a);

	expect_confirmed(&world->a, 101);
}

static void an_adapter_that_did_it_and_never_answers_doubles_nothing(void **state) {
	struct world *world = begin(state, "push mute\n");

	device_note(&world->a, "n1");
	expect_state(&world->a, "pushing");
	device_stop(&world->a);
	device_restart(&world->a);
	device_note(&world->a, "n2");
	device_sync(&world->a);

	expect_confirmed(&world->a, 2);
	expect_count(&world->a, "SELECT count(*) FROM note", 2);
}

static void a_backend_out_of_reach_is_tried_again(void **state) {
	struct world *world = begin(state, "2 x open problem input/output no route to the host\n");

	expect_error_text(&world->a, "no route to the host");
	device_note(&world->a, "n1");
	device_sync(&world->a);

	expect_confirmed(&world->a, 1);
	expect_no_error(&world->a);
}

static void a_wrong_password_is_held_until_someone_acts(void **state) {
	struct world *world = begin(state, "open problem permission the password was wrong\n");

	expect_state(&world->a, "held");
	expect_error_text(&world->a, "the password was wrong");
	device_note(&world->a, "n1");
	expect_pending(&world->a, 1);
	device_sync(&world->a);

	expect_confirmed(&world->a, 1);
}

static void a_full_backend_keeps_everything_pending(void **state) {
	struct world *world = begin(state, "2 x push problem full the disk was full\n");

	device_note(&world->a, "n1");
	expect_error_text(&world->a, "the disk was full");
	device_sync(&world->a);

	expect_confirmed(&world->a, 1);
}

static void another_stores_log_is_held(void **state) {
	struct world *world = begin(state, "open ok\nopen lineage\n");

	device_note(&world->a, "n1");
	device_sync(&world->a);
	device_offline(&world->a, false);
	device_online(&world->a);

	expect_state(&world->a, "held");
	expect_error_text(&world->a, "another store's");
	device_note(&world->a, "n2");
	expect_pending(&world->a, 1);
	device_sync(&world->a);
	expect_confirmed(&world->a, 2);
}

static void a_new_epoch_with_the_same_history_is_taken(void **state) {
	struct world *world = begin(state, "open ok\nopen epoch\n");
	struct lda_stores *stores;

	device_note(&world->a, "n1");
	device_sync(&world->a);
	stores = device_status(&world->a);
	uint64_t epoch = stores->items[0].epoch;
	lda_stores_free(stores);
	device_offline(&world->a, false);
	device_online(&world->a);
	device_note(&world->a, "n2");
	device_sync(&world->a);

	stores = device_status(&world->a);
	assert_int_equal(stores->items[0].epoch, epoch + 1);
	assert_int_equal(strlen(stores->items[0].lineage), 32);
	lda_stores_free(stores);
	expect_confirmed(&world->a, 2);
}

static void a_missing_adapter_is_told_at_once(void **state) {
	struct world *world = *state;

	device_start(&world->a);
	assert_int_equal(lda_backend_set(world->a.admin, STORE, "carrier-pigeon:/coop"), LDS_INVALID);
	assert_int_equal(lda_backend_set(world->a.admin, STORE, "pigeon:/coop"), LDS_NOT_FOUND);
	assert_non_null(strstr(lda_last_error(world->a.admin), "leaderd-backend-pigeon"));
	assert_int_equal(lda_backend_set(world->a.admin, STORE, "file://me:secret@host/log"), LDS_INVALID);
	assert_null(strstr(lda_last_error(world->a.admin), "secret"));
	assert_int_equal(device_try_sync(&world->a), LDS_NO_BACKEND);
	assert_int_equal(lda_offline(world->a.admin, STORE, 0), LDS_NO_BACKEND);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, world_create, world_remove)

int main(void) {
	const struct CMUnitTest tests[] = {
		STORY(a_gap_is_named_and_pulled_again),
		STORY(a_repeated_event_is_named_and_pulled_again),
		STORY(events_out_of_order_are_named_and_pulled_again),
		STORY(an_altered_event_is_named_and_pulled_again),
		STORY(a_page_without_its_end_is_named_and_pulled_again),
		STORY(a_page_from_the_beginning_again_is_never_applied),
		STORY(a_known_id_with_other_content_is_held),
		STORY(a_history_that_was_rewritten_for_one_device_is_found_at_its_next_pull),
		STORY(lost_acknowledgements_double_nothing),
		STORY(a_lost_acknowledgement_in_front_of_anothers_events_doubles_nothing),
		STORY(an_event_that_the_backend_refuses_is_kept_with_its_reason),
		STORY(a_unit_is_refused_whole),
		STORY(a_leader_whose_pushes_are_refused_goes_on_pulling),
		STORY(what_is_refused_for_now_is_pushed_again),
		STORY(a_backend_that_says_behind_without_news_is_asked_again_later),
		STORY(an_acceptance_of_something_else_is_a_hold),
		STORY(an_adapter_that_dies_costs_a_pause),
		STORY(an_adapter_that_talks_nonsense_costs_a_pause),
		STORY(an_adapter_that_hangs_keeps_nobody_waiting),
		STORY(an_adapter_that_did_it_and_never_answers_doubles_nothing),
		STORY(a_backend_out_of_reach_is_tried_again),
		STORY(a_wrong_password_is_held_until_someone_acts),
		STORY(a_full_backend_keeps_everything_pending),
		STORY(another_stores_log_is_held),
		STORY(a_new_epoch_with_the_same_history_is_taken),
		STORY(a_missing_adapter_is_told_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
