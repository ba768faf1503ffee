/* The event log: how it is opened, what is appended, and what survives. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "log_fixture.h"
#include "store/database.h"
#include "store/hash.h"

/* -- Opening -- */

static void a_new_log_is_empty_and_has_a_client_id(void **state) {
	struct eventlog_status status = status_of(*state);

	assert_at(status.head, POSITION_ROOT);
	assert_int_equal(strlen(status.client_id), CLIENT_ID_BYTES);
	assert_int_equal(status.n_events, 0);
	assert_int_equal(status.generation, 0);
	assert_verifies(*state);
	assert_string_equal(status_of(reopen(state)).client_id, status.client_id);
}

static void an_absent_log_is_not_made_unless_asked_for(void **state) {
	struct eventlog_options options = { .path = "/no-such-folder/eventlog.db" };
	struct eventlog *log = NULL;
	struct error error = { 0 };

	assert_int_equal(eventlog_open(&log, &options, &error), ERROR_NOT_FOUND);
	options.read_only = options.create = true;
	assert_int_equal(eventlog_open(&log, &options, &error), ERROR_NOT_FOUND);
	assert_null(log);
}

static void an_empty_file_of_a_creation_that_crashed_becomes_a_log(void **state) {
	struct eventlog_options options = { .path = story_place.path };
	struct eventlog *log = NULL;
	struct error error = { 0 };

	*state = eventlog_close(*state);
	write_file(story_place.path, (const uint8_t *)"", 0);

	assert_int_equal(eventlog_open(&log, &options, &error), ERROR_NOT_FOUND);
	*state = open_log(&story_place);
	commit_numbers(*state, 1, 1);
	assert_verifies(*state);
}

static void change_file(const char *sql) {
	sqlite3 *db = NULL;
	struct error error = { 0 };

	assert_int_equal(database_open(&db, story_place.path, DATABASE_DURABLE, &error), 0);
	if (database_execute(db, sql, &error) < 0)
		fail_msg("%s", error.text);
	database_close(db);
}

static void a_newer_format_is_refused_and_not_touched(void **state) {
	struct eventlog_options options = { .path = story_place.path, .create = true };
	struct eventlog *log = NULL;
	struct error error = { 0 };
	size_t n_before, n_after;

	*state = eventlog_close(*state);
	change_file("PRAGMA user_version = 7");
	uint8_t *before = read_file(story_place.path, &n_before);

	assert_int_equal(eventlog_open(&log, &options, &error), ERROR_VERSION);

	assert_non_null(strstr(error.text, "format 7"));
	assert_non_null(strstr(error.text, "format 1"));
	uint8_t *after = read_file(story_place.path, &n_after);
	assert_int_equal(n_before, n_after);
	assert_memory_equal(before, after, n_before);
	free(before);
	free(after);
}

static void a_database_that_is_no_event_log_is_refused(void **state) {
	struct eventlog_options options = { .path = story_place.path, .create = true };
	struct eventlog *log = NULL;
	struct error error = { 0 };

	*state = eventlog_close(*state);
	change_file("PRAGMA application_id = 5");
	assert_int_equal(eventlog_open(&log, &options, &error), ERROR_CORRUPT);
	change_file("PRAGMA application_id = 0x6c646576; DROP INDEX event_log_id");
	assert_int_equal(eventlog_open(&log, &options, &error), ERROR_CORRUPT);
	assert_null(log);
}

/* -- Appending -- */

static void appending_hashes_and_moves_the_head(void **state) {
	struct eventlog *log = *state;
	struct event *first = make_at(1, synced(1)), *local = make_at(2, client_only(1, 1)), *second = make_at(3, synced(2));
	struct hash zero = { { 0 } }, chain, expected;

	begin(log);
	assert_int_equal(eventlog_append(log, first, NULL), 0);
	assert_int_equal(eventlog_append(log, local, NULL), 0);
	assert_int_equal(eventlog_append(log, second, NULL), 0);
	commit(log);

	hash_chain(&chain, &zero, synced(1), &first->entry.content);
	assert_true(hash_equal(&first->chain_hash, &chain));
	/* Client-only rows stand in the local hash and not in the chain. */
	assert_true(hash_equal(&local->chain_hash, &chain));
	hash_chain(&expected, &chain, synced(2), &second->entry.content);
	assert_true(hash_equal(&second->chain_hash, &expected));
	hash_local(&expected, &local->local_hash, synced(2), &second->entry.content);
	assert_true(hash_equal(&second->local_hash, &expected));

	struct eventlog_status status = status_of(log);
	assert_at(status.head, synced(2));
	assert_true(hash_equal(&status.local_hash, &second->local_hash));
	assert_true(hash_equal(&status.chain_hash, &second->chain_hash));
	assert_int_equal(status.n_events, 3);
	assert_verifies(log);
	event_destroy(first);
	event_destroy(local);
	event_destroy(second);
}

static void hashes_can_be_had_before_appending(void **state) {
	struct eventlog *log = *state;
	struct event *events[3] = { make_at(1, synced(1)), make_at(2, client_only(1, 1)), make_at(3, synced(2)) };
	struct hash chain[3], local[3];

	for (int i = 0; i < 3; i++) {
		eventlog_hashes(log, i ? events[i - 1] : NULL, events[i]);
		chain[i] = events[i]->chain_hash;
		local[i] = events[i]->local_hash;
	}
	begin(log);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(eventlog_append(log, events[i], NULL), 0);
		assert_true(hash_equal(&events[i]->chain_hash, &chain[i]));
		assert_true(hash_equal(&events[i]->local_hash, &local[i]));
		event_destroy(events[i]);
	}
	commit(log);
}

static void every_field_of_an_event_comes_back(void **state) {
	struct eventlog *log = *state;
	struct event *event = make_at(1, synced(1)), *found = NULL;
	const char args[] = { '{', '"', 'a', '"', ':', '"', '\0', (char)0xff, '"', '}' };

	event->generation = 3;
	for (uint64_t i = 0; i < 10; i++)
		event_add_origin(event, (struct position){ UINT64_C(1) << (6 * i), i });
	event->digest = UINT64_MAX;
	event->sync_metadata = malloc(4);
	memcpy(event->sync_metadata, "meta", 4);
	event->sync_metadata_bytes = 4;
	free(event->args);
	event->args = calloc(1, sizeof(args) + 1);
	memcpy(event->args, args, sizeof(args));
	event->args_bytes = sizeof(args);
	hash_content(&event->entry.content, event);
	begin(log);
	assert_int_equal(eventlog_append(log, event, NULL), 0);
	commit(log);
	log = reopen(state);

	assert_int_equal(eventlog_find(log, &event->entry.id, &found, NULL), 0);
	assert_memory_equal(&found->entry.id, &event->entry.id, sizeof(event->entry.id));
	assert_memory_equal(&found->entry.unit, &event->entry.unit, sizeof(event->entry.unit));
	assert_int_equal(found->generation, 3);
	assert_int_equal(found->n_origins, ORIGINS_MAX);
	assert_memory_equal(found->origins, event->origins, sizeof(event->origins));
	assert_true(found->digest == UINT64_MAX);
	assert_int_equal(found->args_bytes, sizeof(args));
	assert_memory_equal(found->args, args, sizeof(args));
	assert_memory_equal(found->sync_metadata, "meta", 4);
	assert_true(hash_equal(&found->chain_hash, &event->chain_hash));
	assert_true(hash_equal(&found->local_hash, &event->local_hash));
	assert_int_equal(status_of(log).generation, 3);
	event_destroy(found);
	event_destroy(event);
}

static void a_gap_or_a_repeat_is_refused_and_ends_the_transaction(void **state) {
	struct eventlog *log = *state;
	const struct position wrong[] = { synced(2), synced(4), client_only(2, 2), client_only(3, 1), client_only(1, 1),
		                          POSITION_ROOT };
	struct error error = { 0 };

	commit_numbers(log, 1, 2);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct event *event = make_at(9, wrong[i]);

		begin(log);
		append(log, make_at(3, synced(3)));
		event->entry.at.global += wrong[i].global >= 2; /* behind e3 */
		assert_int_equal(eventlog_append(log, event, &error), ERROR_CORRUPT);
		assert_non_null(strstr(error.text, "expected e4, or e3.1"));
		/* The transaction is over, and nothing of it has happened. */
		assert_int_equal(eventlog_commit(log, &error), ERROR_INVALID);
		assert_at(status_of(log).head, synced(2));
		event_destroy(event);
	}
	assert_chain(log, "e1 e2");
	assert_verifies(log);
}

static void an_event_that_contradicts_its_content_hash_is_not_logged(void **state) {
	struct event *event = make_at(1, synced(1));
	struct error error = { 0 };

	event->args[1] = 'X';
	begin(*state);
	assert_int_equal(eventlog_append(*state, event, &error), ERROR_INVALID);
	assert_at(status_of(*state).head, POSITION_ROOT);
	event_destroy(event);
}

static void nothing_is_changed_outside_of_a_transaction(void **state) {
	struct event *event = make_at(1, synced(1));
	struct hash zero = { { 0 } };

	assert_int_equal(eventlog_append(*state, event, NULL), ERROR_INVALID);
	assert_int_equal(eventlog_displace(*state, POSITION_ROOT, NULL), ERROR_INVALID);
	assert_int_equal(eventlog_set_upstream(*state, POSITION_ROOT, &zero, "", 0, NULL), ERROR_INVALID);
	assert_int_equal(eventlog_bump_generation(*state, NULL), ERROR_INVALID);
	assert_int_equal(eventlog_commit(*state, NULL), ERROR_INVALID);
	begin(*state);
	assert_int_equal(eventlog_begin(*state, NULL), ERROR_BUSY);
	assert_int_equal(eventlog_verify(*state, NULL, NULL, NULL), ERROR_BUSY);
	assert_int_equal(eventlog_checkpoint(*state, NULL), ERROR_BUSY);
	event_destroy(event);
}

static void a_rollback_takes_the_status_back_too(void **state) {
	struct eventlog *log = *state;
	char *before, *after;

	commit_numbers(log, 1, 5);
	before = content_of(log);
	begin(log);
	append(log, make_at(6, synced(6)));
	assert_int_equal(eventlog_displace(log, synced(3), NULL), 0);
	assert_int_equal(eventlog_install_schema(log, "text", 4, 1, NULL), 0);
	assert_int_equal(eventlog_set_has_backend(log, true, NULL), 0);
	eventlog_rollback(log);
	after = content_of(log);

	assert_string_equal(before, after);
	free(before);
	free(after);
	eventlog_rollback(log); /* harmless */
}

static void what_was_committed_is_there_after_reopening(void **state) {
	struct eventlog *log = *state;
	char *before, *after;

	commit_numbers(log, 1, 200);
	begin(log);
	append(log, make_at(201, client_only(200, 1)));
	struct hash chain = status_of(log).chain_hash;
	assert_int_equal(eventlog_set_upstream(log, synced(200), &chain, "cursor-200", 10, NULL), 0);
	uint8_t lineage[16] = { 1, 2, 3 };
	assert_int_equal(eventlog_set_lineage(log, lineage, 4, NULL), 0);
	assert_int_equal(eventlog_set_has_backend(log, true, NULL), 0);
	assert_int_equal(eventlog_install_schema(log, "-- store a version 1\n", 21, 1, NULL), 0);
	commit(log);
	before = content_of(log);
	log = reopen(state);
	after = content_of(log);

	assert_string_equal(before, after);
	assert_verifies(log);
	free(before);
	free(after);
}

/* -- The clock -- */

static void the_clock_never_falls(void **state) {
	struct eventlog *log = *state;
	struct event *pulled = make_at(2, synced(2));

	commit_numbers(log, 100, 1); /* 1700000000100 */
	begin(log);
	append(log, pulled);
	commit(log);
	assert_int_equal(status_of(log).hlc.time_ms, 1700000000100);
	assert_int_equal(status_of(reopen(state)).hlc.time_ms, 1700000000100);

	log = *state;
	begin(log);
	assert_int_equal(eventlog_set_clock(log, (struct hlc){ 1800000000000, 9 }, NULL), 0);
	assert_int_equal(eventlog_set_clock(log, (struct hlc){ 1, 1 }, NULL), 0);
	commit(log);
	log = reopen(state);
	assert_int_equal(status_of(log).hlc.time_ms, 1800000000000);
	assert_int_equal(status_of(log).hlc.counter, 9);

	/* Nor when the row that had moved it is gone. */
	begin(log);
	struct event *late = make_at(3, synced(3));
	late->hlc.time_ms = 1900000000000;
	hash_content(&late->entry.content, late);
	append(log, late);
	commit(log);
	begin(log);
	struct event *taken[4];
	size_t n;
	assert_int_equal(eventlog_displace(log, synced(1), NULL), 0);
	assert_int_equal(eventlog_take_displaced(log, taken, 4, &n, NULL), 0);
	while (n > 0)
		event_destroy(taken[--n]);
	commit(log);
	assert_int_equal(status_of(reopen(state)).hlc.time_ms, 1900000000000);
}

/* -- Upstream -- */

static void the_upstream_head_must_stand_in_the_log(void **state) {
	struct eventlog *log = *state;
	struct error error = { 0 };
	struct event *event = NULL;

	commit_numbers(log, 1, 3);
	assert_int_equal(eventlog_get(log, synced(2), &event, NULL), 0);
	begin(log);
	assert_int_equal(eventlog_set_upstream(log, synced(3), &event->chain_hash, "c", 1, NULL), 0);
	assert_int_equal(eventlog_commit(log, &error), ERROR_CORRUPT);
	assert_non_null(strstr(error.text, "e3"));
	begin(log);
	assert_int_equal(eventlog_set_upstream(log, synced(4), &event->chain_hash, "c", 1, NULL), 0);
	assert_int_equal(eventlog_commit(log, &error), ERROR_CORRUPT);
	assert_at(status_of(log).upstream_head, POSITION_ROOT);
	begin(log);
	assert_int_equal(eventlog_set_upstream(log, synced(2), &event->chain_hash, "c", 1, NULL), 0);
	commit(log);
	assert_at(status_of(log).upstream_head, synced(2));
	assert_verifies(log);
	event_destroy(event);
}

static void a_note_of_the_adapter_is_kept_with_the_event(void **state) {
	struct eventlog *log = *state;
	struct event *event = NULL;

	commit_numbers(log, 1, 3);
	begin(log);
	assert_int_equal(eventlog_set_sync_metadata(log, synced(2), "seq 9", 5, NULL), 0);
	commit(log);
	log = reopen(state);
	assert_int_equal(eventlog_get(log, synced(2), &event, NULL), 0);
	assert_int_equal(event->sync_metadata_bytes, 5);
	assert_memory_equal(event->sync_metadata, "seq 9", 5);
	assert_verifies(log);
	begin(log);
	assert_int_equal(eventlog_set_sync_metadata(log, synced(9), "x", 1, NULL), ERROR_NOT_FOUND);
	event_destroy(event);
}

/* -- Beside a writer -- */

static void a_read_only_log_sees_commits_and_writes_nothing(void **state) {
	struct eventlog_options options = { .path = story_place.path, .read_only = true };
	struct eventlog *reader = NULL;
	struct error error = { 0 };

	commit_numbers(*state, 1, 2);
	assert_int_equal(eventlog_open(&reader, &options, &error), 0);
	assert_at(status_of(reader).head, synced(2));
	assert_int_equal(eventlog_begin(reader, &error), ERROR_PERMISSION);
	commit_numbers(*state, 3, 100);
	assert_verifies(reader);
	struct event *event = NULL;
	assert_int_equal(eventlog_get(reader, synced(102), &event, &error), 0);
	event_destroy(event);
	eventlog_close(reader);
}

static void a_checkpoint_empties_the_count_of_pages(void **state) {
	struct eventlog *log = *state;

	commit_numbers(log, 1, 50);
	assert_true(eventlog_wal_pages(log) > 0);
	assert_int_equal(eventlog_checkpoint(log, NULL), 0);
	assert_int_equal(eventlog_wal_pages(log), 0);
	commit_numbers(log, 51, 1);
	assert_in_range(eventlog_wal_pages(log), 1, 8); /* and not all of them again */
	assert_verifies(log);
}

static void verify_tells_its_progress(uint64_t done, uint64_t all, void *data) {
	uint64_t *last = data;

	assert_int_equal(all, 3000);
	assert_true(done > *last);
	*last = done;
}

static void verify_reports_until_it_is_done(void **state) {
	uint64_t last = 0;

	for (unsigned i = 0; i < 3; i++)
		commit_numbers(*state, 1 + 1000 * i, 1000);
	assert_int_equal(eventlog_verify(*state, verify_tells_its_progress, &last, NULL), 0);
	assert_int_equal(last, 3000);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		story(a_new_log_is_empty_and_has_a_client_id),
		story(an_absent_log_is_not_made_unless_asked_for),
		story(an_empty_file_of_a_creation_that_crashed_becomes_a_log),
		story(a_newer_format_is_refused_and_not_touched),
		story(a_database_that_is_no_event_log_is_refused),
		story(appending_hashes_and_moves_the_head),
		story(hashes_can_be_had_before_appending),
		story(every_field_of_an_event_comes_back),
		story(a_gap_or_a_repeat_is_refused_and_ends_the_transaction),
		story(an_event_that_contradicts_its_content_hash_is_not_logged),
		story(nothing_is_changed_outside_of_a_transaction),
		story(a_rollback_takes_the_status_back_too),
		story(what_was_committed_is_there_after_reopening),
		story(the_clock_never_falls),
		story(the_upstream_head_must_stand_in_the_log),
		story(a_note_of_the_adapter_is_kept_with_the_event),
		story(a_read_only_log_sees_commits_and_writes_nothing),
		story(a_checkpoint_empties_the_count_of_pages),
		story(verify_reports_until_it_is_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
