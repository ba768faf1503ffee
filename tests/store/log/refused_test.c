/* What is known of an id, refusals, and the schemas of a store. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "log_fixture.h"
#include "store/database.h"

/* -- What is known, refused, forgotten -- */

static enum eventlog_known known(struct eventlog *log, unsigned number, bool same_content) {
	struct event *event = make_at(number, synced(1));
	struct position at = POSITION_ROOT;
	enum eventlog_known known = 99;

	if (!same_content)
		event->entry.content.bytes[0] ^= 1;
	assert_int_equal(eventlog_known(log, &event->entry.id, &event->entry.content, &known, &at, NULL), 0);
	event_destroy(event);
	return known;
}

static void refuse_number(struct eventlog *log, unsigned number, const char *session, const char *reason) {
	struct event *event = make(&(struct recipe){ .number = number, .at = synced(9), .session = session });

	assert_int_equal(eventlog_refuse(log, &event, 1, reason, NULL), 0);
	event_destroy(event);
}

static void an_id_is_known_in_five_ways(void **state) {
	struct eventlog *log = *state;
	struct event *event = make_at(1, synced(1));
	struct event_id forgotten = id_of(3);
	enum eventlog_known how;
	struct position at;

	begin(log);
	append(log, make_at(1, synced(1)));
	refuse_number(log, 2, NULL, "no such todo");
	refuse_number(log, 3, NULL, "no such todo");
	assert_int_equal(eventlog_forget(log, &forgotten, NULL), 0);
	commit(log);
	log = reopen(state);

	assert_int_equal(eventlog_known(log, &event->entry.id, &event->entry.content, &how, &at, NULL), 0);
	assert_int_equal(how, KNOWN_LOGGED);
	assert_at(at, synced(1));
	assert_int_equal(known(log, 2, true), KNOWN_REFUSED);
	assert_int_equal(known(log, 3, true), KNOWN_FORGOTTEN);
	assert_int_equal(known(log, 4, true), KNOWN_NOT);
	for (unsigned number = 1; number <= 3; number++)
		assert_int_equal(known(log, number, false), KNOWN_OTHER);
	assert_verifies(log);
	event_destroy(event);
}

static void an_id_that_was_confirmed_twice_is_found_where_it_stood_first(void **state) {
	struct eventlog *log = *state;
	struct event_id id = id_of(1);
	struct event *found = NULL;

	begin(log);
	append(log, make_at(1, synced(1)));
	append(log, make_at(2, synced(2)));
	append(log, make_at(1, synced(3)));
	commit(log);

	assert_int_equal(eventlog_find(log, &id, &found, NULL), 0);
	assert_at(found->entry.at, synced(1));
	assert_verifies(log);
	event_destroy(found);
}

static void a_refused_unit_is_kept_with_its_reason_in_order(void **state) {
	struct eventlog *log = *state;
	struct refused_event refused[8];
	struct event *unit[3];
	size_t n;

	make_unit(unit, 5, 3, synced(4));
	begin(log);
	refuse_number(log, 1, "other", "first");
	assert_int_equal(eventlog_refuse(log, unit, 3, "no such todo", NULL), 0);
	commit(log);
	log = reopen(state);

	assert_int_equal(status_of(log).refused_ordinal, 4);
	assert_int_equal(eventlog_refused(log, 1, "app", true, refused, 8, &n, NULL), 0);
	assert_int_equal(n, 3);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(refused[i].ordinal, 2 + i);
		assert_string_equal(refused[i].reason, "no such todo");
		assert_false(refused[i].reported);
		assert_true(event_id_equal(&refused[i].event->entry.id, &unit[i]->entry.id));
		assert_at(refused[i].event->entry.at, synced(4 + i));
		refused_event_finish(&refused[i]);
		event_destroy(unit[i]);
	}
	assert_verifies(log);
}

static void refused_events_are_read_page_by_page(void **state) {
	struct eventlog *log = *state;
	struct refused_event refused[2];
	uint64_t after = 0, count;
	size_t n, all = 0;

	begin(log);
	for (unsigned number = 1; number <= 5; number++)
		refuse_number(log, number, NULL, "");
	commit(log);
	do {
		assert_int_equal(eventlog_refused(log, after, NULL, false, refused, 2, &n, NULL), 0);
		for (size_t i = 0; i < n; i++) {
			assert_int_equal(refused[i].ordinal, ++after);
			refused_event_finish(&refused[i]);
		}
		all += n;
	} while (n > 0);
	assert_int_equal(all, 5);
	assert_int_equal(eventlog_refused_count(log, &count, NULL), 0);
	assert_int_equal(count, 5);
}

static void reported_refusals_are_told_apart_by_session(void **state) {
	struct eventlog *log = *state;
	struct refused_event refused[8];
	size_t n;

	begin(log);
	refuse_number(log, 1, "app", "");
	refuse_number(log, 2, "other", "");
	refuse_number(log, 3, "app", "");
	refuse_number(log, 4, "app", "");
	assert_int_equal(eventlog_mark_reported(log, "app", 3, NULL), 0);
	commit(log);
	log = reopen(state);

	assert_int_equal(eventlog_refused(log, 0, NULL, true, refused, 8, &n, NULL), 0);
	assert_int_equal(n, 2);
	assert_int_equal(refused[0].ordinal, 2);
	assert_int_equal(refused[1].ordinal, 4);
	refused_event_finish(&refused[0]);
	refused_event_finish(&refused[1]);
	assert_int_equal(eventlog_refused(log, 0, "app", false, refused, 8, &n, NULL), 0);
	assert_int_equal(n, 3);
	assert_true(refused[0].reported && refused[1].reported && !refused[2].reported);
	while (n > 0)
		refused_event_finish(&refused[--n]);
	assert_verifies(log);
}

static void forgetting_one_event_forgets_its_unit_and_no_other(void **state) {
	struct eventlog *log = *state;
	struct event *unit[3];
	struct event_id middle = id_of(6);
	uint64_t count;

	make_unit(unit, 5, 3, synced(4));
	begin(log);
	refuse_number(log, 1, NULL, "");
	assert_int_equal(eventlog_refuse(log, unit, 3, "", NULL), 0);
	refuse_number(log, 9, NULL, "");
	assert_int_equal(eventlog_forget(log, &middle, NULL), 0);
	commit(log);

	assert_int_equal(eventlog_refused_count(log, &count, NULL), 0);
	assert_int_equal(count, 2);
	assert_int_equal(known(log, 1, true), KNOWN_REFUSED);
	assert_int_equal(known(log, 9, true), KNOWN_REFUSED);
	for (unsigned i = 0; i < 3; i++) {
		enum eventlog_known how;

		assert_int_equal(eventlog_known(log, &unit[i]->entry.id, &unit[i]->entry.content, &how, NULL, NULL), 0);
		assert_int_equal(how, KNOWN_FORGOTTEN);
		event_destroy(unit[i]);
	}
	/* Numbers are not used again. */
	begin(log);
	refuse_number(log, 10, NULL, "");
	commit(log);
	assert_int_equal(status_of(log).refused_ordinal, 6);
	begin(log);
	assert_int_equal(eventlog_forget(log, &middle, NULL), ERROR_NOT_FOUND);
	assert_verifies(log);
}

static void refusing_twice_is_a_conflict(void **state) {
	struct event *event = make_at(1, synced(1));

	begin(*state);
	refuse_number(*state, 1, NULL, "");
	assert_int_equal(eventlog_refuse(*state, &event, 1, "", NULL), ERROR_CONFLICT);
	event_destroy(event);
}

static void a_refused_event_that_is_confirmed_is_refused_no_more(void **state) {
	struct eventlog *log = *state;
	uint64_t count;

	begin(log);
	refuse_number(log, 1, NULL, "");
	refuse_number(log, 2, NULL, "");
	commit(log);
	log = reopen(state);
	begin(log);
	append(log, make_at(1, synced(1)));
	commit(log);

	assert_int_equal(eventlog_refused_count(log, &count, NULL), 0);
	assert_int_equal(count, 1);
	assert_int_equal(known(log, 1, true), KNOWN_LOGGED);
	assert_verifies(log);
}

/* -- Schemas -- */

static void assert_schema(struct eventlog *log, uint32_t version, const char *expected) {
	struct bytes text = { 0 };
	uint32_t found;

	assert_int_equal(eventlog_schema(log, &text, &found, NULL), 0);
	assert_int_equal(found, version);
	assert_int_equal(text.n, strlen(expected));
	assert_memory_equal(text.data, expected, text.n);
	bytes_finish(&text);
}

static void a_newer_schema_takes_over_and_its_predecessors_stay(void **state) {
	struct eventlog *log = *state;
	struct bytes text = { 0 };
	sqlite3 *db = NULL;
	sqlite3_stmt *statement = NULL;

	assert_int_equal(eventlog_schema(log, &text, NULL, NULL), ERROR_NOT_FOUND);
	begin(log);
	assert_int_equal(eventlog_install_schema(log, "one", 3, 1, NULL), 0);
	assert_int_equal(eventlog_install_schema(log, "three", 5, 3, NULL), 0);
	commit(log);
	assert_schema(reopen(state), 3, "three");
	assert_verifies(*state);

	*state = eventlog_close(*state);
	assert_int_equal(database_open(&db, story_place.path, DATABASE_READ_ONLY, NULL), 0);
	assert_int_equal(database_prepare(&statement, db, "SELECT group_concat(text) FROM schema_text", NULL), 0);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	assert_string_equal(sqlite3_column_text(statement, 0), "one,three");
	database_close(db);
}

static void a_lower_or_a_different_schema_of_one_version_is_a_conflict(void **state) {
	struct eventlog *log = *state;

	begin(log);
	assert_int_equal(eventlog_install_schema(log, "two", 3, 2, NULL), 0);
	assert_int_equal(eventlog_install_schema(log, "two", 3, 2, NULL), 0);
	commit(log);
	begin(log);
	assert_int_equal(eventlog_install_schema(log, "TWO", 3, 2, NULL), ERROR_CONFLICT);
	begin(log);
	assert_int_equal(eventlog_install_schema(log, "one", 3, 1, NULL), ERROR_CONFLICT);
	assert_schema(log, 2, "two");
}

int main(void) {
	const struct CMUnitTest tests[] = {
		story(an_id_is_known_in_five_ways),
		story(an_id_that_was_confirmed_twice_is_found_where_it_stood_first),
		story(a_refused_unit_is_kept_with_its_reason_in_order),
		story(refused_events_are_read_page_by_page),
		story(reported_refusals_are_told_apart_by_session),
		story(forgetting_one_event_forgets_its_unit_and_no_other),
		story(refusing_twice_is_a_conflict),
		story(a_refused_event_that_is_confirmed_is_refused_no_more),
		story(a_newer_schema_takes_over_and_its_predecessors_stay),
		story(a_lower_or_a_different_schema_of_one_version_is_a_conflict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
