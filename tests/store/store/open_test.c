/*
 * Opening a store: whatever happened to the state file, the state is that of the
 * log; and a log that lost events is held, not followed.
 */

#include "fixture.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int set_up(void **data) {
	struct place *place = malloc(sizeof(*place));

	assert_non_null(place);
	place_make(place);
	*data = place;
	return 0;
}

static int tear_down(void **data) {
	place_remove(*data);
	free(*data);
	return 0;
}

/* Three confirmed events, then pending ones of both worlds. */
static struct store *make_content(const struct place *place) {
	struct store *store = open_store(place);

	set_has_backend(store, true);
	push(store, added(1, "a"));
	push(store, added(2, "b"));
	push(store, renamed(3, "a", "A"));
	confirm(store, synced(3));
	push(store, make_event(4, "looked", "{\"id\":\"b\"}"));
	push(store, renamed(5, "b", "B"));
	push(store, added(6, "c"));
	return store;
}

static const char content[] = "task\t\"a\"\t\"A\"\t1\n"
							  "task\t\"b\"\t\"B\"\t1\n"
							  "task\t\"c\"\t\"title of c\"\t0\n"
							  "ui\t\"b\"\t1\n"
							  "voids 0\n";

static void expect_content(const struct place *place) {
	struct store *store = open_store(place);

	assert_dump(store, content);
	assert_is_replay(store);
	store_close(store);
	/* And once more, from what the first opening left. */
	store = open_store(place);
	assert_dump(store, content);
	store_close(store);
}

/* -- New and old stores -- */

static void a_new_store_has_its_schema_and_an_empty_state(void **data) {
	struct store *store = open_store(*data);
	struct stat st;

	assert_int_equal(store->schema->version, 1);
	assert_string_equal(store->schema->text, schema_1);
	assert_dump(store, "voids 0\n");
	assert_is_replay(store);
	assert_int_equal(stat(((struct place *)*data)->state, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	store_close(store);
}

static void a_store_that_is_absent_is_not_made_unasked(void **data) {
	const struct place *place = *data;
	const struct store_options options = { .folder = place->folder };
	struct store *store = NULL;
	struct error error = { 0 };

	assert_int_equal(store_open(&store, &options, &error), ERROR_NOT_FOUND);
	assert_null(store);
	assert_false(exists(place->log));
	assert_false(exists(place->state));
}

static void a_new_store_with_a_bad_schema_leaves_nothing(void **data) {
	const struct place *place = *data;
	struct store_options options = { .folder = place->folder, .create = true, .schema = "-- store x version 0\n" };
	struct store *store = NULL;
	struct error error = { 0 };

	assert_int_equal(store_open(&store, &options, &error), ERROR_SCHEMA);
	options.schema = NULL;
	assert_int_equal(store_open(&store, &options, &error), ERROR_INVALID);
	assert_null(store);
	assert_false(exists(place->log));
}

static void the_schema_in_force_counts_not_the_given_one(void **data) {
	struct store *store = make_content(*data);

	store_close(store);
	store = try_open(*data, schema_2);
	assert_int_equal(store->schema->version, 1);
	assert_dump(store, content);
	store_close(store);
}

/* -- The state file can be lost, damaged, old or foreign -- */

static void a_deleted_state_is_made_again(void **data) {
	const struct place *place = *data;

	store_close(make_content(place));
	remove_state(place);
	expect_content(place);
}

static void side_files_without_their_state_do_no_harm(void **data) {
	const struct place *place = *data;
	struct store *store = make_content(place);
	struct kept kept;

	keep_state(place, &kept);
	store_close(store);
	assert_true(kept.n[1] > 0);
	put_back(place, &kept);
	unlink(place->state);
	expect_content(place);
	kept_finish(&kept);
}

/* Every length near a page's end, and many others. */
static bool is_tried(size_t n, size_t all) {
	return n < 120 || all - n < 40 || n % 4096 < 2 || n % 4096 == 4095 || n % 997 == 0;
}

static void a_state_cut_at_any_length_is_made_again(void **data) {
	const struct place *place = *data;
	uint8_t *state;
	size_t n;

	store_close(make_content(place));
	state = read_file(place->state, &n);
	for (size_t cut = 0; cut < n; cut++) {
		if (!is_tried(cut, n))
			continue;
		remove_state(place);
		write_file(place->state, state, cut);
		expect_content(place);
	}
	free(state);
}

/* Here SQLite itself would read zeros for what is missing. */
static void a_state_cut_beside_its_write_ahead_log_is_made_again(void **data) {
	const struct place *place = *data;
	struct store *store = make_content(place);
	struct kept kept;

	store = reopen(store, place);
	push(store, renamed(7, "c", "title of c"));
	keep_state(place, &kept);
	store_close(store);
	assert_true(kept.n[1] > 0);
	for (size_t cut = 0; cut < kept.n[0]; cut += 512) {
		put_back(place, &kept);
		assert_int_equal(truncate(place->state, (off_t)cut), 0);
		store = open_store(place);
		assert_is_replay(store);
		store_close(store);
	}
	kept_finish(&kept);
}

static void a_write_ahead_log_cut_at_any_length_costs_only_work(void **data) {
	const struct place *place = *data;
	struct store *store = make_content(place);
	struct kept kept;

	keep_state(place, &kept);
	store_close(store);
	for (size_t cut = 0; cut < kept.n[1]; cut++) {
		if (!is_tried(cut, kept.n[1]))
			continue;
		put_back(place, &kept);
		assert_int_equal(truncate(place->state_wal, (off_t)cut), 0);
		expect_content(place);
	}
	kept_finish(&kept);
}

static void garbage_in_the_place_of_a_state_is_replaced(void **data) {
	const struct place *place = *data;
	static uint8_t garbage[20000];

	store_close(make_content(place));
	for (size_t i = 0; i < sizeof(garbage); i++)
		garbage[i] = (uint8_t)(i * 131 >> 3);
	write_file(place->state, garbage, sizeof(garbage));
	expect_content(place);
	remove_state(place);
	write_file(place->state, "SQLite format 3", 16);
	expect_content(place);
	remove_state(place);
	write_file(place->state, "", 0);
	expect_content(place);
}

static void another_database_in_the_place_of_a_state_is_replaced(void **data) {
	const struct place *place = *data;

	store_close(make_content(place));
	remove_state(place);
	change_file(place->state, "CREATE TABLE leaderd_state (one); INSERT INTO leaderd_state VALUES (1)");
	expect_content(place);
}

static void an_older_copy_of_the_state_is_rolled_forward(void **data) {
	const struct place *place = *data;
	struct store *store = open_store(place);
	struct kept kept;

	push(store, added(90, "z"));
	store_close(store);
	keep_state(place, &kept);
	store = open_store(place);
	push(store, renamed(91, "z", "Z"));
	push(store, make_event(92, "removed", "{\"id\":\"z\"}"));
	store_close(store);
	put_back(place, &kept);

	store = open_store(place);

	assert_dump(store, "voids 0\n");
	assert_is_replay(store);
	store_close(store);
	kept_finish(&kept);
}

static void a_state_of_another_schema_is_made_again(void **data) {
	const struct place *place = *data;
	struct place other;
	struct kept kept;

	store_close(make_content(place));
	place_make(&other);
	store_close(try_open(&other, other_schema)); /* without events: it must not look like a loss */
	keep_state(&other, &kept);
	put_back(place, &kept);
	expect_content(place);
	kept_finish(&kept);
	place_remove(&other);
}

static void an_unfinished_state_is_made_again(void **data) {
	const struct place *place = *data;

	store_close(make_content(place));
	change_file(place->state, "UPDATE leaderd_state SET complete = 0; DELETE FROM task");
	expect_content(place);
}

static void a_state_of_another_sqlite_is_made_again(void **data) {
	const struct place *place = *data;

	store_close(make_content(place));
	change_file(place->state, "UPDATE leaderd_state SET sqlite = 'other'; DELETE FROM task");
	expect_content(place);
}

static void a_state_whose_journal_is_damaged_is_made_again(void **data) {
	const struct place *place = *data;
	struct store *store = make_content(place);
	struct event *event = added(7, "d");
	struct kept kept;

	store_close(store);
	change_file(place->state, "UPDATE leaderd_journal SET images = x'00112233'");
	keep_state(place, &kept);
	remove_state(place);
	store = open_store(place);
	pull_unit(store, &event, 1, LIVES);
	store_close(store);
	put_back(place, &kept);

	store = open_store(place);

	assert_is_replay(store);
	store_close(store);
	kept_finish(&kept);
}

static void what_an_interrupted_rebuild_left_is_removed(void **data) {
	const struct place *place = *data;

	store_close(make_content(place));
	write_file(place->new_state, "half", 4);
	expect_content(place);
	assert_false(exists(place->new_state));
}

/* -- The state behind the log -- */

static void a_state_that_missed_a_commit_is_rolled_forward(void **data) {
	const struct place *place = *data;
	struct store *store = make_content(place);
	struct event *event = added(7, "d");

	assert_int_equal(push_unit(store, &event, 1, DIES_BEFORE_STATE), 0);
	store = reopen(store, place);
	assert_head(store, synced(6));
	assert_is_replay(store);
	store_close(store);
}

static void a_state_on_an_abandoned_branch_goes_back_and_then_forward(void **data) {
	const struct place *place = *data;
	struct store *store = make_content(place);
	struct event *event = renamed(7, "b", "from elsewhere");

	pull_unit(store, &event, 1, DIES_BEFORE_STATE);
	assert_int_equal(status_of(store).generation, 1);
	store = reopen(store, place);
	assert_dump(
		store, "task\t\"a\"\t\"A\"\t1\ntask\t\"b\"\t\"B\"\t2\ntask\t\"c\"\t\"title of c\"\t0\nui\t\"b\"\t1\nvoids 0\n");
	assert_is_replay(store);
	store_close(store);
}

/* Proves that the journal did it: what it cannot see stays. */
static void an_abandoned_branch_is_left_by_the_journal_not_by_a_rebuild(void **data) {
	const struct place *place = *data;
	struct store *store = make_content(place);
	struct event *event = added(7, "d");

	pull_unit(store, &event, 1, DIES_BEFORE_STATE);
	store_close(store);
	change_file(place->state, "INSERT INTO task VALUES ('mark', 'by hand', 0)");
	store = open_store(place);
	assert_non_null(sqlite3_db_filename(state_database(store->state), "main"));
	assert_dump(store, "task\t\"a\"\t\"A\"\t1\ntask\t\"b\"\t\"B\"\t1\ntask\t\"c\"\t\"title of c\"\t0\n"
	                   "task\t\"d\"\t\"title of d\"\t0\ntask\t\"mark\"\t\"by hand\"\t0\nui\t\"b\"\t1\nvoids 0\n");
	store_close(store);
}

static void several_rebases_behind_is_as_good_as_one(void **data) {
	const struct place *place = *data;
	struct store *store = make_content(place);
	struct kept kept;

	store_close(store);
	keep_state(place, &kept);
	store = open_store(place);
	for (unsigned i = 0; i < 3; i++) {
		char id[] = { (char)('p' + (int)i), '\0' };

		pull(store, added(10 + i, id));
		push(store, renamed(20 + i, id, "ours"));
	}
	assert_int_equal(status_of(store).generation, 3);
	store_close(store);
	put_back(place, &kept);
	store = open_store(place);
	assert_is_replay(store);
	store_close(store);
	kept_finish(&kept);
}

static void an_abandoned_branch_beyond_the_journal_is_made_again(void **data) {
	const struct place *place = *data;
	struct store *store = make_content(place);
	struct event *event = renamed(7, "b", "from elsewhere");

	pull_unit(store, &event, 1, DIES_BEFORE_STATE);
	store_close(store);
	change_file(place->state, "DELETE FROM leaderd_journal; UPDATE leaderd_state SET journal_events = 0, "
	                          "journal_bytes = 0, base_global = head_global, base_client = head_client, "
	                          "base_id = head_id, base_hash = head_hash");
	store = open_store(place);
	assert_is_replay(store);
	store_close(store);
}

static void a_state_commit_that_failed_is_caught_up_in_the_running_store(void **data) {
	const struct place *place = *data;
	struct store *store = make_content(place);
	struct event *event = added(7, "d");
	struct error error = { 0 };

	pull_unit(store, &event, 1, DIES_BEFORE_STATE);
	assert_int_equal(store_roll_forward(store, &error), 0);
	assert_is_replay(store);
	/* And again, with nothing to do. */
	assert_int_equal(store_roll_forward(store, &error), 0);
	assert_is_replay(store);
	store_close(store);
}

/* -- Lost logs -- */

static void keep_log(const struct place *place, struct kept *ret) {
	ret->data[0] = read_file(place->log, &ret->n[0]);
	ret->data[1] = NULL;
	ret->n[1] = 0;
}

static void put_log_back(const struct place *place, const struct kept *kept) {
	write_file(place->log, kept->data[0], kept->n[0]);
}

static void expect_held(const struct place *place, const char *text) {
	struct kept state, after;
	struct store *store;
	struct error error = { 0 };

	keep_state(place, &state);
	store = try_open(place, NULL);
	assert_hold(store, ERROR_CORRUPT, text);
	assert_non_null(store->log);
	assert_int_equal(store_roll_forward(store, &error), ERROR_HOLD);
	assert_int_equal(store_install_schema(store, schema_2, NULL, &error), ERROR_HOLD);
	assert_int_equal(store_rebuild(store, false, &error), ERROR_CORRUPT);
	assert_non_null(strstr(error.text, text));
	store_close(store);
	keep_state(place, &after);
	assert_int_equal(after.n[0], state.n[0]);
	assert_memory_equal(after.data[0], state.data[0], state.n[0]);
	kept_finish(&state);
	kept_finish(&after);
}

static void accept(const struct place *place, uint64_t above) {
	struct store *store = try_open(place, NULL);
	struct error error = { 0 };

	assert_int_equal(store_rebuild(store, true, &error), 0);
	assert_int_equal(store->hold.code, 0);
	assert_true(status_of(store).generation > above);
	assert_is_replay(store);
	push(store, added(80, "after the loss"));
	store = reopen(store, place);
	assert_is_replay(store);
	store_close(store);
}

static void an_older_log_is_held_and_its_missing_events_are_named(void **data) {
	const struct place *place = *data;
	struct store *store = make_content(place);
	struct kept log;

	store_close(store);
	keep_log(place, &log);
	store = open_store(place);
	push(store, added(7, "d"));
	push(store, make_event(8, "looked", "{\"id\":\"d\"}"));
	push(store, added(9, "e"));
	store_close(store);
	put_log_back(place, &log);

	expect_held(place, "has lost e6 to e7, which its state holds in generation 0; the log ends at e5 in generation 0");
	accept(place, 0);
	kept_finish(&log);
}

static void an_older_log_that_went_on_differently_is_held(void **data) {
	const struct place *place = *data;
	struct store *store = make_content(place);
	struct kept log, state;

	store_close(store);
	keep_log(place, &log);
	store = open_store(place);
	push(store, added(7, "d"));
	store_close(store);
	keep_state(place, &state);
	put_log_back(place, &log);
	remove_state(place);
	store = open_store(place);
	push(store, added(8, "other"));
	push(store, added(9, "another"));
	store_close(store);
	put_back(place, &state);

	expect_held(place, "has lost e6, which its state holds");
	accept(place, 0);
	kept_finish(&log);
	kept_finish(&state);
}

static void a_log_of_a_lower_generation_is_held_though_it_holds_every_event(void **data) {
	const struct place *place = *data;
	struct store *store = make_content(place);
	struct kept log;
	struct error error = { 0 };

	store_close(store);
	keep_log(place, &log);
	store = open_store(place);
	assert_int_equal(eventlog_begin(store->log, &error), 0);
	assert_int_equal(eventlog_bump_generation(store->log, &error), 0);
	assert_int_equal(eventlog_bump_generation(store->log, &error), 0);
	assert_int_equal(eventlog_commit(store->log, &error), 0);
	store = reopen(store, place);
	store_close(store);
	put_log_back(place, &log);

	expect_held(place, "is older than its state, which stands at e5 in generation 2");
	accept(place, 2);
	kept_finish(&log);
}

static void a_loss_beyond_the_journal_is_held_too(void **data) {
	const struct place *place = *data;
	struct store *store = open_store(place); /* no backend: nothing is journaled for long */
	struct kept log;

	push(store, added(1, "a"));
	store_close(store);
	keep_log(place, &log);
	store = open_store(place);
	push(store, added(2, "b"));
	push(store, added(3, "c"));
	store_close(store);
	put_log_back(place, &log);

	expect_held(place, "has lost events up to e3");
	accept(place, 0);
	kept_finish(&log);
}

static void a_log_that_is_gone_is_held_when_it_is_made_anew(void **data) {
	const struct place *place = *data;
	struct store *store;

	store_close(make_content(place));
	unlink(place->log);
	store = try_open(place, schema_1);
	assert_hold(store, ERROR_CORRUPT, "has lost events up to e5");
	store_close(store);
	accept(place, 0);
}

/* Opening such a state for writing would throw it away, and the proof with it. */
static void a_loss_shows_in_a_state_of_another_schema_too(void **data) {
	const struct place *place = *data;
	struct store *store = make_content(place);
	struct kept log;
	struct error error = { 0 };

	store_close(store);
	keep_log(place, &log);
	store = open_store(place);
	assert_int_equal(store_install_schema(store, schema_2, NULL, &error), 0);
	push(store, added(7, "d"));
	store_close(store);
	put_log_back(place, &log);

	expect_held(place, "has lost e6");
	accept(place, 0);
	kept_finish(&log);
}

static void a_state_with_an_absurd_generation_can_still_be_given_up(void **data) {
	const struct place *place = *data;

	store_close(make_content(place));
	change_file(place->state, "UPDATE leaderd_state SET head_generation = 1 << 60");
	accept(place, 0);
}

/* -- Damaged logs -- */

static void a_log_that_is_no_log_is_held_and_nothing_is_touched(void **data) {
	const struct place *place = *data;
	struct store *store;
	struct error error = { 0 };
	uint8_t *found;
	size_t n;

	store_close(make_content(place));
	write_file(place->log, no_database, sizeof(no_database));
	store = try_open(place, schema_1);
	assert_hold(store, ERROR_CORRUPT, "");
	assert_null(store->log);
	assert_int_equal(store_rebuild(store, true, &error), ERROR_CORRUPT);
	assert_int_equal(store_roll_forward(store, &error), ERROR_HOLD);
	assert_int_equal(store_install_schema(store, schema_2, NULL, &error), ERROR_HOLD);
	store_close(store);
	found = read_file(place->log, &n);
	assert_int_equal(n, sizeof(no_database));
	assert_true(exists(place->state));
	free(found);
}

static void damage_in_the_middle_of_the_log_is_held_when_the_state_needs_it(void **data) {
	const struct place *place = *data;
	struct store *store = make_content(place);

	for (unsigned i = 0; i < 100; i++)
		push(store, renamed(100 + i, "a", "again"));
	store_close(store);
	change_file(place->log, "UPDATE event_log SET args = replace(args, 'title of b', 'title of X') WHERE global = 2");
	/* The end of the log is sound, and the state has all of it. */
	store = open_store(place);
	store_close(store);
	remove_state(place);
	store = try_open(place, NULL);
	assert_hold(store, ERROR_CORRUPT, "e2 ");
	store_close(store);
}

static void a_hole_in_the_log_is_held_when_the_state_needs_it(void **data) {
	const struct place *place = *data;
	struct store *store = make_content(place);

	for (unsigned i = 0; i < 100; i++)
		push(store, renamed(100 + i, "a", "again"));
	store_close(store);
	change_file(place->log, "DELETE FROM event_log WHERE global = 2");
	remove_state(place);
	store = try_open(place, NULL);
	assert_hold(store, ERROR_CORRUPT, "event log");
	store_close(store);
}

int main(void) {
#define STORY(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		STORY(a_new_store_has_its_schema_and_an_empty_state),
		STORY(a_store_that_is_absent_is_not_made_unasked),
		STORY(a_new_store_with_a_bad_schema_leaves_nothing),
		STORY(the_schema_in_force_counts_not_the_given_one),
		STORY(a_deleted_state_is_made_again),
		STORY(side_files_without_their_state_do_no_harm),
		STORY(a_state_cut_at_any_length_is_made_again),
		STORY(a_state_cut_beside_its_write_ahead_log_is_made_again),
		STORY(a_write_ahead_log_cut_at_any_length_costs_only_work),
		STORY(garbage_in_the_place_of_a_state_is_replaced),
		STORY(another_database_in_the_place_of_a_state_is_replaced),
		STORY(an_older_copy_of_the_state_is_rolled_forward),
		STORY(a_state_of_another_schema_is_made_again),
		STORY(an_unfinished_state_is_made_again),
		STORY(a_state_of_another_sqlite_is_made_again),
		STORY(a_state_whose_journal_is_damaged_is_made_again),
		STORY(what_an_interrupted_rebuild_left_is_removed),
		STORY(a_state_that_missed_a_commit_is_rolled_forward),
		STORY(a_state_on_an_abandoned_branch_goes_back_and_then_forward),
		STORY(an_abandoned_branch_is_left_by_the_journal_not_by_a_rebuild),
		STORY(several_rebases_behind_is_as_good_as_one),
		STORY(an_abandoned_branch_beyond_the_journal_is_made_again),
		STORY(a_state_commit_that_failed_is_caught_up_in_the_running_store),
		STORY(an_older_log_is_held_and_its_missing_events_are_named),
		STORY(an_older_log_that_went_on_differently_is_held),
		STORY(a_log_of_a_lower_generation_is_held_though_it_holds_every_event),
		STORY(a_loss_beyond_the_journal_is_held_too),
		STORY(a_log_that_is_gone_is_held_when_it_is_made_anew),
		STORY(a_loss_shows_in_a_state_of_another_schema_too),
		STORY(a_state_with_an_absurd_generation_can_still_be_given_up),
		STORY(a_log_that_is_no_log_is_held_and_nothing_is_touched),
		STORY(damage_in_the_middle_of_the_log_is_held_when_the_state_needs_it),
		STORY(a_hole_in_the_log_is_held_when_the_state_needs_it),
	};
#undef STORY

	return cmocka_run_group_tests(tests, NULL, NULL);
}
