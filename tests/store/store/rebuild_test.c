/*
 * Rebuilding a state, replacing a schema, and what replays leave out: voids and
 * duplicates.
 */

#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bytes.h"

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

static void push_many(struct store *store, unsigned first, unsigned n) {
	for (unsigned i = 0; i < n; i++) {
		char id[16];

		snprintf(id, sizeof(id), "t%u", first + i);
		push(store, added(first + i, id));
	}
}

/* -- Rebuilding -- */

struct progress {
	unsigned calls;
	uint64_t done, all;
	unsigned interrupt_at; /* call number; 0: never */
};

static bool count(uint64_t done, uint64_t all, void *data) {
	struct progress *progress = data;

	assert_true(done >= progress->done || done == 0);
	assert_true(done <= all);
	progress->done = done;
	progress->all = all;
	return ++progress->calls == progress->interrupt_at;
}

static struct store *open_watched(const struct place *place, struct progress *progress, struct error *error) {
	const struct store_options options = { .folder = place->folder,
		                                   .on_progress = count,
		                                   .on_progress_data = progress };
	struct store *store = NULL;

	return store_open(&store, &options, error) == 0 ? store : NULL;
}

static void a_rebuild_takes_back_what_was_changed_by_hand(void **data) {
	const struct place *place = *data;
	struct store *store = open_store(place);
	struct error error = { 0 };

	push_many(store, 1, 3);
	store_close(store);
	change_file(place->state, "UPDATE task SET title = 'by hand'");
	store = open_store(place);

	assert_int_equal(store_rebuild(store, false, &error), 0);

	assert_is_replay(store);
	assert_false(exists(place->new_state));
	push_many(store, 4, 2);
	assert_is_replay(store);
	store_close(store);
}

static void a_rebuild_tells_how_far_it_is(void **data) {
	const struct place *place = *data;
	struct progress progress = { 0 };
	struct error error = { 0 };
	struct store *store = open_store(place);

	push_many(store, 1, 700);
	store_close(store);
	store = open_watched(place, &progress, &error);
	assert_int_equal(progress.calls, 0); /* nothing was rebuilt */
	assert_int_equal(store_rebuild(store, false, &error), 0);
	assert_true(progress.calls >= 3);
	assert_int_equal(progress.done, 700);
	assert_int_equal(progress.all, 700);
	store_close(store);
}

static void an_interrupted_rebuild_leaves_the_old_state_in_force(void **data) {
	const struct place *place = *data;
	struct progress progress = { .interrupt_at = 2 };
	struct error error = { 0 };
	struct store *store = open_store(place);
	struct state *state;

	push_many(store, 1, 700);
	store_close(store);
	store = open_watched(place, &progress, &error);
	state = store->state;

	assert_int_equal(store_rebuild(store, false, &error), ERROR_BUSY);

	assert_non_null(strstr(error.text, "interrupted after 512 of 700 events"));
	assert_ptr_equal(store->state, state);
	assert_int_equal(store->hold.code, 0);
	assert_false(exists(place->new_state));
	assert_is_replay(store);
	push_many(store, 1001, 1);
	store = reopen(store, place);
	assert_is_replay(store);
	store_close(store);
}

static void an_opening_that_must_rebuild_can_be_interrupted_and_tried_again(void **data) {
	const struct place *place = *data;
	struct progress progress = { .interrupt_at = 2 };
	struct error error = { 0 };
	struct store *store = open_store(place);

	push_many(store, 1, 700);
	store_close(store);
	remove_state(place);
	assert_null(open_watched(place, &progress, &error));
	assert_int_equal(error.code, ERROR_BUSY);
	store = open_store(place);
	assert_is_replay(store);
	store_close(store);
}

/* Straight into the log: the state is left behind. */
static void append_many(struct store *store, unsigned first, unsigned n) {
	struct error error = { 0 };

	assert_int_equal(eventlog_begin(store->log, &error), 0);
	for (unsigned i = 0; i < n; i++) {
		struct event *event;
		char id[16];

		snprintf(id, sizeof(id), "t%u", first + i);
		event = added(first + i, id);
		event->entry.at = position_next(status_of(store).head, false);
		assert_int_equal(eventlog_append(store->log, event, &error), 0);
		event_destroy(event);
	}
	assert_int_equal(eventlog_commit(store->log, &error), 0);
}

static void expect_rows(struct store *store, unsigned n) {
	sqlite3_stmt *statement = NULL;

	assert_int_equal(
		sqlite3_prepare_v2(state_database(store->state), "SELECT count(*) FROM task", -1, &statement, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	assert_int_equal(sqlite3_column_int(statement, 0), n);
	sqlite3_finalize(statement);
}

static void a_log_of_several_batches_is_replayed_after_an_interruption_in_the_second(void **data) {
	const struct place *place = *data;
	unsigned n = 2 * REBUILD_BATCH_EVENTS + 10;
	struct progress progress = { .interrupt_at = REBUILD_BATCH_EVENTS / PAGE_EVENTS_MAX + 10 };
	struct store_verification result;
	struct error error = { 0 };
	struct store *store = open_store(place);

	append_many(store, 1, n);
	store_close(store);
	remove_state(place);
	assert_null(open_watched(place, &progress, &error));
	assert_int_equal(error.code, ERROR_BUSY);
	assert_true(progress.done > REBUILD_BATCH_EVENTS);
	/* What is half done says so. */
	assert_int_equal(store_verify(place->folder, NULL, NULL, NULL, &result, &error), 0);
	assert_int_equal(result.state_head.global, 0);

	store = open_store(place);

	assert_head(store, synced(n));
	expect_rows(store, n);
	/* Rolling forward goes in batches too. */
	append_many(store, n + 1, n);
	assert_int_equal(store_roll_forward(store, &error), 0);
	assert_head(store, synced(2 * n));
	expect_rows(store, 2 * n);
	store_close(store);
}

static void the_journal_of_a_rebuilt_state_reaches_back_to_what_is_confirmed(void **data) {
	const struct place *place = *data;
	struct store *store = open_store(place);
	struct error error = { 0 };
	struct state_head row;

	set_has_backend(store, true);
	push_many(store, 1, 6);
	confirm(store, synced(4));
	assert_int_equal(store_rebuild(store, false, &error), 0);
	assert_int_equal(state_journal_base(store->state).global, 4);
	assert_true(state_journal_row(store->state, synced(5), &row));
	/* So a rebase needs no rebuild. */
	pull(store, added(100, "elsewhere"));
	assert_is_replay(store);
	store_close(store);
}

static struct store *make_beyond_journal(const struct place *place) {
	struct store *store = open_store(place);

	set_has_backend(store, true);
	push_many(store, 1, 3);
	confirm(store, synced(2));
	shorten_journal(store);
	push_many(store, 4, 3);
	return store;
}

static void a_rebase_beyond_the_journal_makes_the_state_anew(void **data) {
	const struct place *place = *data;
	struct store *store = make_beyond_journal(place);
	struct stat before, after;

	assert_int_equal(stat(place->state, &before), 0);
	pull(store, added(100, "elsewhere"));
	assert_int_equal(stat(place->state, &after), 0);
	assert_true(before.st_ino != after.st_ino);
	assert_is_replay(store);
	pull(store, added(101, "again"));
	assert_is_replay(store);
	store = reopen(store, place);
	assert_is_replay(store);
	store_close(store);
}

/* The state is in its place before the log knows of the rebase, or never will. */
static void a_rebase_beyond_the_journal_that_is_given_up_is_no_loss(void **data) {
	const struct place *place = *data;
	struct store *store = make_beyond_journal(place);
	struct error error = { 0 };

	assert_int_equal(state_begin(store->state, &error), 0);
	assert_int_equal(eventlog_begin(store->log, &error), 0);
	assert_int_equal(eventlog_displace(store->log, synced(2), &error), 0);
	assert_int_equal(store_undo(store, synced(2), &error), 0);
	assert_head(store, synced(2));
	state_rollback(store->state);
	eventlog_rollback(store->log);
	store = reopen(store, place);
	assert_head(store, synced(6));
	assert_is_replay(store);
	store_close(store);
}

static void without_a_backend_no_journal_is_kept(void **data) {
	struct store *store = open_store(*data);
	struct error error = { 0 };

	push_many(store, 1, 6);
	assert_int_equal(state_journal_base(store->state).global, 6);
	assert_int_equal(store_rebuild(store, false, &error), 0);
	assert_int_equal(state_journal_base(store->state).global, 6);
	store_close(store);
}

static void nothing_is_exchanged_under_an_open_statement(void **data) {
	struct store *store = open_store(*data);
	struct error error = { 0 };
	sqlite3_stmt *statement;

	push_many(store, 1, 2);
	assert_int_equal(sqlite3_prepare_v2(state_database(store->state), "SELECT id FROM task", -1, &statement, NULL), 0);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	assert_int_equal(store_rebuild(store, false, &error), ERROR_BUSY);
	assert_int_equal(store_install_schema(store, schema_2, NULL, &error), ERROR_BUSY);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	sqlite3_finalize(statement);
	assert_int_equal(store_rebuild(store, false, &error), 0);
	assert_is_replay(store);
	store_close(store);
}

/* -- Units -- */

/* Units of every length around a page's, so that pages cut them everywhere. The
 * last event of every second one does not apply: what stood before it in another
 * page must be void with it. */
static void units_cut_by_pages_are_replayed_whole(void **data) {
	const struct place *place = *data;
	struct store *store = open_store(place);
	struct event *unit[300];
	unsigned number = 1, n_void = 0;
	struct error error = { 0 };

	set_has_backend(store, true);
	for (unsigned n = 250; n <= 300; n += 7) {
		for (unsigned i = 0; i < n; i++) {
			char id[16];

			snprintf(id, sizeof(id), "u%u", number);
			unit[i] = i + 1 == n && n % 2 ? renamed(number, "nobody", "x") : added(number, id);
			number++;
		}
		join(unit, n);
		pull_unit(store, unit, n, LIVES);
		n_void += n % 2 ? n : 0;
	}
	assert_int_equal(store_rebuild(store, false, &error), 0);
	assert_int_equal(state_voids(store->state), n_void);
	assert_is_replay(store);
	store_close(store);
}

static void the_longest_unit_is_replayed(void **data) {
	const struct place *place = *data;
	struct store *store = open_store(place);
	struct event *unit[UNIT_EVENTS_MAX];

	push(store, added(9999, "before"));
	for (unsigned i = 0; i < UNIT_EVENTS_MAX; i++) {
		char id[16];

		snprintf(id, sizeof(id), "u%u", i);
		unit[i] = added(i + 1, id);
	}
	join(unit, UNIT_EVENTS_MAX);
	assert_int_equal(push_unit(store, unit, UNIT_EVENTS_MAX, DIES_BEFORE_STATE), 0);
	store = reopen(store, place);
	assert_is_replay(store);
	store_close(store);
}

/* -- Voids -- */

static void a_confirmed_unit_that_does_not_apply_is_void_as_a_whole(void **data) {
	const struct place *place = *data;
	struct store *store = open_store(place);
	struct event *unit[] = { added(2, "b"), renamed(3, "nobody", "x") };
	struct error error = { 0 };

	set_has_backend(store, true);
	pull(store, added(1, "a"));
	join(unit, 2);
	pull_unit(store, unit, 2, LIVES);
	assert_dump(store, "task\t\"a\"\t\"title of a\"\t0\nvoids 2\n");
	assert_is_replay(store);
	assert_int_equal(store_rebuild(store, false, &error), 0);
	assert_dump(store, "task\t\"a\"\t\"title of a\"\t0\nvoids 2\n");
	store = reopen(store, place);
	assert_is_replay(store);
	store_close(store);
}

static void an_event_that_the_schema_does_not_know_is_void(void **data) {
	const struct place *place = *data;
	struct store *store = open_store(place);

	set_has_backend(store, true);
	pull(store, added(1, "a"));
	pull(store, make_event(2, "counted", "{\"id\":\"a\"}"));
	assert_dump(store, "task\t\"a\"\t\"title of a\"\t0\nvoids 1\n");
	remove_state(place);
	store = reopen(store, place);
	assert_is_replay(store);
	store_close(store);
}

static void an_id_that_a_backend_confirms_twice_counts_once(void **data) {
	const struct place *place = *data;
	struct store *store = open_store(place);
	struct event *late = added(4, "late");
	struct error error = { 0 };

	set_has_backend(store, true);
	pull(store, added(1, "a"));
	pull(store, renamed(2, "a", "A"));
	pull(store, renamed(2, "a", "A"));                  /* the same event */
	pull(store, renamed(1, "a", "of another content")); /* only the same id */
	pull_unit(store, &late, 1, DIES_BEFORE_STATE);
	store = reopen(store, place);
	assert_dump(store, "task\t\"a\"\t\"A\"\t1\ntask\t\"late\"\t\"title of late\"\t0\nvoids 2\n");
	assert_is_replay(store);
	assert_int_equal(store_rebuild(store, false, &error), 0);
	assert_is_replay(store);
	store_close(store);
}

static void a_unit_with_a_duplicate_in_it_is_void_before_and_behind_the_log(void **data) {
	const struct place *place = *data;
	struct store *store = open_store(place);
	struct event *first[] = { added(2, "b"), added(1, "c") };  /* id 1 stands before */
	struct event *second[] = { added(5, "d"), added(5, "e") }; /* an id twice in one unit */
	struct error error = { 0 };

	set_has_backend(store, true);
	pull(store, added(1, "a"));
	join(first, 2);
	pull_unit(store, first, 2, LIVES);
	join(second, 2);
	pull_unit(store, second, 2, LIVES);
	assert_dump(store, "task\t\"a\"\t\"title of a\"\t0\nvoids 4\n");
	assert_int_equal(store_rebuild(store, false, &error), 0);
	assert_dump(store, "task\t\"a\"\t\"title of a\"\t0\nvoids 4\n");
	store_close(store);
}

static void a_refused_event_that_is_confirmed_after_all_counts(void **data) {
	const struct place *place = *data;
	struct store *store = open_store(place);
	struct event *event = renamed(2, "a", "A");

	set_has_backend(store, true);
	assert_int_equal(push_unit(store, &event, 1, LIVES), STATE_REFUSED);
	pull(store, added(1, "a"));
	pull(store, renamed(2, "a", "A"));
	assert_dump(store, "task\t\"a\"\t\"A\"\t1\nvoids 0\n");
	assert_is_replay(store);
	store_close(store);
}

/* -- Schemas -- */

static void a_higher_version_lifts_what_the_log_holds(void **data) {
	const struct place *place = *data;
	struct store *store = open_store(place);
	struct error error = { 0 };

	set_has_backend(store, true);
	pull(store, added(1, "a"));
	pull(store, make_event(2, "counted", "{\"id\":\"a\"}")); /* unknown so far */
	push(store, added(3, "b"));

	assert_int_equal(store_install_schema(store, schema_2, "tasks.sql", &error), 0);

	assert_int_equal(store->schema->version, 2);
	assert_dump(store, "task\t\"a\"\t\"title of a\"\t100\t\"light\"\n"
	                   "task\t\"b\"\t\"title of b\"\t0\t\"light\"\nvoids 0\n");
	assert_is_replay(store);
	assert_false(exists(place->new_state));
	push(store, added(4, "c")); /* of version 1 still */
	store_close(store);
	store = try_open(place, NULL);
	assert_int_equal(store->schema->version, 2);
	assert_is_replay(store);
	store_close(store);
}

static void the_schema_in_force_is_installed_without_work(void **data) {
	struct store *store = open_store(*data);
	struct error error = { 0 };
	struct state *state = store->state;

	assert_int_equal(store_install_schema(store, schema_1, NULL, &error), 0);
	assert_ptr_equal(store->state, state);
	store_close(store);
}

static void expect_not_installed(struct store *store, const char *text, int code, const char *part) {
	struct error error = { 0 };
	struct state *state = store->state;
	uint32_t version = store->schema->version;
	struct bytes in_force = { 0 };

	assert_int_equal(store_install_schema(store, text, "new.sql", &error), code);
	if (!strstr(error.text, part))
		fail_msg("\"%s\" does not say \"%s\"", error.text, part);
	assert_ptr_equal(store->state, state);
	assert_int_equal(store->schema->version, version);
	assert_int_equal(store->hold.code, 0);
	assert_int_equal(eventlog_schema(store->log, &in_force, NULL, &error), 0);
	assert_int_equal(in_force.n, store->schema->text_bytes);
	assert_memory_equal(in_force.data, store->schema->text, in_force.n);
	assert_is_replay(store);
	bytes_finish(&in_force);
}

static void a_lower_version_the_same_one_changed_and_a_bad_one_are_refused(void **data) {
	const struct place *place = *data;
	struct store *store = open_store(place);
	struct error error = { 0 };

	push_many(store, 1, 3);
	expect_not_installed(store, other_schema, ERROR_CONFLICT, "version 1 of the schema is in force with another text");
	expect_not_installed(store, "CREATE TABLE x (y)", ERROR_SCHEMA, "new.sql:1:");
	assert_int_equal(store_install_schema(store, schema_2, NULL, &error), 0);
	expect_not_installed(store, schema_1, ERROR_CONFLICT, "version 1 of the schema is lower than 2");
	assert_false(exists(place->new_state));
	store_close(store);
}

static void an_interrupted_installation_leaves_the_old_schema_in_force(void **data) {
	const struct place *place = *data;
	struct progress progress = { .interrupt_at = 1 };
	struct error error = { 0 };
	struct store *store = open_store(place);

	push_many(store, 1, 300);
	store_close(store);
	store = open_watched(place, &progress, &error);
	progress.done = 0;
	expect_not_installed(store, schema_2, ERROR_BUSY, "interrupted");
	assert_false(exists(place->new_state));
	store_close(store);
}

/* Version 2 whose materializer of `added` reads the table to the tenth power: a
 * few rows are too many. */
static const char endless[] =
	"-- store tasks version 2\n"
	"CREATE TABLE task (id TEXT PRIMARY KEY NOT NULL, n INTEGER NOT NULL) STRICT;\n"
	"-- event added(id TEXT, title TEXT)\n"
	"INSERT INTO task SELECT :id, count(*) FROM task a, task b, task c, task d, task e, task f, task g, task h,\n"
	"  task i, task j;\n";

static void a_schema_that_runs_over_its_budget_is_not_installed(void **data) {
	const struct place *place = *data;
	struct store *store = open_store(place);

	push_many(store, 1, 9);
	expect_not_installed(store, endless, ERROR_HOLD, "added: the statement on line 4");
	push_many(store, 101, 1);
	assert_is_replay(store);
	store_close(store);
}

static void a_store_whose_log_runs_over_its_budget_is_held_until_another_schema_comes(void **data) {
	const struct place *place = *data;
	struct store *store = try_open(place, endless);
	struct error error = { 0 };

	append_many(store, 1, 9);
	assert_int_equal(store_roll_forward(store, &error), ERROR_HOLD);
	assert_hold(store, ERROR_HOLD, "added: the statement on line 4");
	store_close(store);
	store = try_open(place, NULL);
	assert_hold(store, ERROR_HOLD, "added: the statement on line 4");
	char *version_3 = strdup(schema_2);

	assert_non_null(version_3);
	strstr(version_3, "version 2")[8] = '3';
	assert_int_equal(store_install_schema(store, version_3, NULL, &error), 0);
	assert_int_equal(store->hold.code, 0);
	assert_is_replay(store);
	free(version_3);
	store_close(store);
}

int main(void) {
#define STORY(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		STORY(a_rebuild_takes_back_what_was_changed_by_hand),
		STORY(a_rebuild_tells_how_far_it_is),
		STORY(an_interrupted_rebuild_leaves_the_old_state_in_force),
		STORY(an_opening_that_must_rebuild_can_be_interrupted_and_tried_again),
		STORY(a_log_of_several_batches_is_replayed_after_an_interruption_in_the_second),
		STORY(the_journal_of_a_rebuilt_state_reaches_back_to_what_is_confirmed),
		STORY(a_rebase_beyond_the_journal_makes_the_state_anew),
		STORY(a_rebase_beyond_the_journal_that_is_given_up_is_no_loss),
		STORY(without_a_backend_no_journal_is_kept),
		STORY(nothing_is_exchanged_under_an_open_statement),
		STORY(units_cut_by_pages_are_replayed_whole),
		STORY(the_longest_unit_is_replayed),
		STORY(a_confirmed_unit_that_does_not_apply_is_void_as_a_whole),
		STORY(an_event_that_the_schema_does_not_know_is_void),
		STORY(an_id_that_a_backend_confirms_twice_counts_once),
		STORY(a_unit_with_a_duplicate_in_it_is_void_before_and_behind_the_log),
		STORY(a_refused_event_that_is_confirmed_after_all_counts),
		STORY(a_higher_version_lifts_what_the_log_holds),
		STORY(the_schema_in_force_is_installed_without_work),
		STORY(a_lower_version_the_same_one_changed_and_a_bad_one_are_refused),
		STORY(an_interrupted_installation_leaves_the_old_schema_in_force),
		STORY(a_schema_that_runs_over_its_budget_is_not_installed),
		STORY(a_store_whose_log_runs_over_its_budget_is_held_until_another_schema_comes),
	};
#undef STORY

	return cmocka_run_group_tests(tests, NULL, NULL);
}
