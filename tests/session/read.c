/* Reading a session's state, and being told when it changed. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scripted_leader.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#define ADDED(n) "{\"id\":\"" n "\",\"text\":\"t\"}"

static struct scripted_leader leader;
static struct lds_session *session;

static int set_up(void **state) {
	(void)state;
	scripted_start(&leader, NOTES_1);
	session = scripted_session(&leader);
	return 0;
}

static int tear_down(void **state) {
	(void)state;
	lds_close(session);
	scripted_stop(&leader);
	return 0;
}

/* ---- rows -------------------------------------------------------------------------- */

static void rows_have_names_types_and_values(void **state) {
	struct lds_rows *rows;
	struct lds_value value;

	assert_int_equal(
		lds_query(session, "SELECT 1 AS i, 2.5 AS r, 'te' || 'xt' AS t, x'0102' AS b, NULL AS n", NULL, 0, &rows), 0);
	assert_int_equal(lds_rows_columns(rows), 5);
	assert_string_equal(lds_rows_name(rows, 2), "t");
	assert_null(lds_rows_name(rows, 5));
	assert_int_equal(lds_rows_value(rows, 0, &value), LDS_INVALID); /* no row yet */
	assert_int_equal(lds_rows_next(rows), LDS_ROW);
	assert_int_equal(lds_rows_value(rows, 0, &value), 0);
	assert_int_equal(value.type, LDS_INTEGER);
	assert_int_equal(value.integer, 1);
	assert_int_equal(lds_rows_value(rows, 1, &value), 0);
	assert_int_equal(value.type, LDS_REAL);
	assert_true(value.real == 2.5);
	assert_int_equal(lds_rows_value(rows, 2, &value), 0);
	assert_int_equal(value.type, LDS_TEXT);
	assert_string_equal(value.text, "text");
	assert_int_equal(value.bytes, 4);
	assert_int_equal(lds_rows_value(rows, 3, &value), 0);
	assert_int_equal(value.type, LDS_BLOB);
	assert_memory_equal(value.text, "\1\2", 2);
	assert_int_equal(lds_rows_value(rows, 4, &value), 0);
	assert_int_equal(value.type, LDS_NULL);
	assert_int_equal(lds_rows_value(rows, 5, &value), LDS_INVALID);
	assert_int_equal(lds_rows_next(rows), 0);
	assert_int_equal(lds_rows_next(rows), 0);
	lds_rows_close(rows);
	lds_rows_close(NULL);
}

static void parameters_are_bound_by_name_and_by_order(void **state) {
	struct lds_parameter named[] = {
		{ "text", { .type = LDS_TEXT, .text = "t", .bytes = 1 } },
		{ ":id", { .type = LDS_TEXT, .text = "a", .bytes = 1 } },
	};
	struct lds_parameter ordered[] = { { NULL, { .type = LDS_INTEGER, .integer = 20 } },
		                               { NULL, { .type = LDS_REAL, .real = 2.0 } } };
	struct lds_parameter unknown = { "nobody", { .type = LDS_NULL } };
	struct lds_rows *rows;
	struct lds_value value;

	assert_int_equal(lds_commit(session, "noteAdded", ADDED("a"), NULL), 0);
	assert_int_equal(lds_query(session, "SELECT 1 FROM note WHERE id = :id AND text = :text", named, 2, &rows), 0);
	assert_int_equal(lds_rows_next(rows), LDS_ROW);
	lds_rows_close(rows);
	assert_int_equal(lds_query(session, "SELECT ? / ?", ordered, 2, &rows), 0);
	assert_int_equal(lds_rows_next(rows), LDS_ROW);
	assert_int_equal(lds_rows_value(rows, 0, &value), 0);
	assert_true(value.real == 10.0);
	lds_rows_close(rows);
	assert_int_equal(lds_query(session, "SELECT 1", &unknown, 1, &rows), LDS_INVALID);
	assert_int_equal(lds_query(session, "SELECT ?", ordered, 2, &rows), LDS_INVALID);
}

static void only_one_reading_statement_is_a_query(void **state) {
	static const char *const refused[] = {
		"",
		"  -- nothing\n",
		"SELECT",
		"SELECT 1; SELECT 2",
		"INSERT INTO note VALUES ('x', 'y')",
		"DELETE FROM note",
		"CREATE TABLE t (a)",
		"BEGIN",
		"SAVEPOINT s",
		"ATTACH ':memory:' AS m",
		"PRAGMA user_version",
		"PRAGMA query_only = 0",
		"VACUUM",
		"SELECT * FROM nowhere",
		"UPDATE note SET text = '' RETURNING id",
	};
	struct lds_rows *rows = NULL;

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		if (lds_query(session, refused[i], NULL, 0, &rows) != LDS_INVALID)
			fail_msg("taken as a query: %s", refused[i]);
		assert_true(strlen(lds_last_error(session)) > 0);
	}
	assert_null(rows);
	assert_int_equal(lds_query(session, "SELECT 1 ; -- done", NULL, 0, &rows), 0);
	lds_rows_close(rows);
}

static void the_apps_own_connection_reads_and_no_more(void **state) {
	static const char *const refused[] = { "INSERT INTO note VALUES ('x', 'y')",
		                                   "BEGIN",
		                                   "SAVEPOINT s",
		                                   "ROLLBACK",
		                                   "PRAGMA foreign_keys = OFF",
		                                   "ATTACH ':memory:' AS m",
		                                   "DROP TABLE note" };
	sqlite3 *db = lds_db(session);

	assert_non_null(db);
	assert_int_equal(lds_commit(session, "noteAdded", ADDED("a"), NULL), 0);
	assert_int_equal(sqlite3_exec(db, "SELECT * FROM note", NULL, NULL, NULL), SQLITE_OK);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		if (sqlite3_exec(db, refused[i], NULL, NULL, NULL) != SQLITE_AUTH)
			fail_msg("not refused: %s", refused[i]);
	assert_int_equal(session_count(session, "SELECT count(*) FROM note"), 1);
}

/* An unfinalized statement must not keep the connection alive, or crash. */
static void close_copes_with_open_statements(void **state) {
	sqlite3_stmt *statement;
	struct lds_rows *rows;

	assert_int_equal(lds_query(session, "SELECT 1", NULL, 0, &rows), 0);
	assert_int_equal(sqlite3_prepare_v2(lds_db(session), "SELECT 1", -1, &statement, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	assert_int_equal(lds_close(session), 0);
	session = NULL;
}

/* ---- tables ------------------------------------------------------------------------- */

struct told {
	unsigned n;
	char tables[128];
	int64_t notes;
	struct lds_subscription *ends;
	bool commits;
};

static void on_tables(struct lds_session *of, const char *const *tables, size_t n_tables, void *data) {
	struct told *told = data;

	told->n++;
	told->tables[0] = '\0';
	for (size_t i = 0; i < n_tables; i++) {
		strcat(told->tables, tables[i]);
		strcat(told->tables, " ");
	}
	told->notes = session_count(of, "SELECT count(*) FROM note");
	if (told->commits) {
		told->commits = false;
		assert_true(lds_commit(of, "noteAdded", ADDED("fromCallback"), NULL) >= 0);
	}
	lds_unsubscribe(told->ends);
	told->ends = NULL;
}

static void own_commits_are_told_at_the_next_process(void **state) {
	static const char *const notes[] = { "note" }, *const ui[] = { "ui" };
	struct told about_notes = { 0 }, about_ui = { 0 }, about_all = { 0 };

	assert_int_equal(lds_subscribe(session, notes, 1, on_tables, &about_notes, NULL), 0);
	assert_int_equal(lds_subscribe(session, ui, 1, on_tables, &about_ui, NULL), 0);
	assert_int_equal(lds_subscribe(session, NULL, 0, on_tables, &about_all, NULL), 0);
	session_settle(session);
	assert_int_equal(lds_get_deadline(session), UINT64_MAX);

	assert_int_equal(lds_commit(session, "noteAdded", ADDED("a"), NULL), 0);
	assert_int_equal(about_notes.n, 0);
	assert_true(lds_get_deadline(session) != UINT64_MAX);
	session_settle(session);

	assert_int_equal(about_notes.n, 1);
	assert_string_equal(about_notes.tables, "note ");
	assert_int_equal(about_notes.notes, 1);
	assert_int_equal(about_ui.n, 0);
	assert_int_equal(about_all.n, 1);
	assert_int_equal(lds_get_deadline(session), UINT64_MAX);

	assert_int_equal(lds_commit(session, "filterChanged", "{\"filter\":\"x\"}", NULL), 0);
	session_settle(session);
	assert_int_equal(about_ui.n, 1);
	assert_int_equal(about_notes.n, 1);
}

static void a_refused_commit_tells_of_no_change(void **state) {
	struct told told = { 0 };

	assert_int_equal(lds_subscribe(session, NULL, 0, on_tables, &told, NULL), 0);
	assert_int_equal(lds_commit(session, "noteAdded", ADDED("a"), NULL), 0);
	session_settle(session);
	assert_int_equal(lds_commit(session, "noteAdded", ADDED("a"), NULL), LDS_REFUSED);
	session_settle(session);
	assert_int_equal(told.n, 1);
}

static void callbacks_see_the_whole_change(void **state) {
	struct told told = { 0 };

	assert_int_equal(lds_subscribe(session, NULL, 0, on_tables, &told, NULL), 0);
	for (int i = 0; i < 3; i++) {
		char args[64];

		sprintf(args, "{\"id\":\"%d\",\"text\":\"t\"}", i);
		scripted_foreign(&leader, "noteAdded", args);
	}
	scripted_say_feed(&leader, &(struct scripted_feed){ 0 });
	session_settle(session);

	assert_int_equal(told.n, 1);
	assert_int_equal(told.notes, 3);
}

static void a_callback_may_commit_and_unsubscribe(void **state) {
	struct told told = { .commits = true };

	assert_int_equal(lds_subscribe(session, NULL, 0, on_tables, &told, &told.ends), 0);
	assert_int_equal(lds_commit(session, "noteAdded", ADDED("a"), NULL), 0);
	session_settle(session);

	assert_int_equal(told.n, 1); /* it ended itself, so its own commit is not told */
	assert_int_equal(session_count(session, "SELECT count(*) FROM note"), 2);
	session_settle(session);
	assert_int_equal(told.n, 1);
}

static void subscriptions_are_checked_and_bounded(void **state) {
	static const char *const unknown[] = { "nowhere" };
	struct told told = { 0 };

	assert_int_equal(lds_subscribe(session, unknown, 1, on_tables, &told, NULL), LDS_INVALID);
	assert_int_equal(lds_subscribe(session, NULL, 0, NULL, &told, NULL), LDS_INVALID);
	for (unsigned i = 0; i < SESSION_SUBSCRIPTIONS_MAX; i++)
		assert_int_equal(lds_subscribe(session, NULL, 0, on_tables, &told, NULL), 0);
	assert_int_equal(lds_subscribe(session, NULL, 0, on_tables, &told, NULL), LDS_FULL);
	lds_unsubscribe(NULL);
}

/* ---- queries ---------------------------------------------------------------------------- */

struct rows_told {
	unsigned n;
	char ids[64];
};

static void on_rows(struct lds_session *of, struct lds_rows *rows, void *data) {
	struct rows_told *told = data;
	struct lds_value value;

	(void)of;
	told->n++;
	told->ids[0] = '\0';
	while (lds_rows_next(rows) == LDS_ROW) {
		assert_int_equal(lds_rows_value(rows, 0, &value), 0);
		strcat(told->ids, value.text);
	}
	lds_rows_close(rows); /* borrowed: nothing happens */
}

static void a_query_is_called_back_once_and_when_its_rows_differ(void **state) {
	struct lds_parameter parameter = { "text", { .type = LDS_TEXT, .text = "t", .bytes = 1 } };
	struct rows_told told = { 0 };
	struct lds_subscription *subscription;

	assert_int_equal(lds_subscribe_query(session, "SELECT id FROM note WHERE text = :text ORDER BY id", &parameter, 1,
	                                     on_rows, &told, &subscription),
	                 0);
	assert_true(lds_get_deadline(session) != UINT64_MAX);
	session_settle(session);
	assert_int_equal(told.n, 1);
	assert_string_equal(told.ids, "");

	assert_int_equal(lds_commit(session, "noteAdded", ADDED("a"), NULL), 0);
	session_settle(session);
	assert_int_equal(told.n, 2);
	assert_string_equal(told.ids, "a");

	assert_int_equal(lds_commit(session, "noteAdded", "{\"id\":\"b\",\"text\":\"other\"}", NULL), 0);
	session_settle(session);
	assert_int_equal(told.n, 2); /* a change, but not of these rows */

	lds_unsubscribe(subscription);
	assert_int_equal(lds_commit(session, "noteAdded", ADDED("c"), NULL), 0);
	session_settle(session);
	assert_int_equal(told.n, 2);
	assert_int_equal(lds_subscribe_query(session, "DELETE FROM note", NULL, 0, on_rows, &told, NULL), LDS_INVALID);
}

/* ---- status ------------------------------------------------------------------------------ */

struct status_told {
	unsigned n;
	struct lds_status status;
};

static void on_status(struct lds_session *of, const struct lds_status *status, void *data) {
	struct status_told *told = data;

	(void)of;
	told->n++;
	told->status = *status;
}

static void status_is_called_back_when_it_changed(void **state) {
	struct status_told told = { 0 };

	lds_on_status(session, on_status, &told);
	assert_int_equal(lds_commit(session, "noteAdded", ADDED("a"), NULL), 0);
	session_settle(session);
	assert_int_equal(told.n, 1);
	assert_int_equal(told.status.pending, 1);
	session_settle(session);
	assert_int_equal(told.n, 1);

	scripted_leave(&leader);
	session_settle(session);
	assert_int_equal(told.status.connection, LDS_DISCONNECTED);
}

/* ---- texts ------------------------------------------------------------------------------- */

static void ids_and_positions_have_one_text_form(void **state) {
	struct lds_id id = { { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 } }, parsed;
	struct lds_position position;
	char text[LDS_POSITION_TEXT_BYTES];

	lds_id_print(text, &id);
	assert_string_equal(text, "01020304-0506-0708-090a-0b0c0d0e0f10");
	assert_int_equal(lds_id_parse(&parsed, text), 0);
	assert_memory_equal(&parsed, &id, sizeof(id));
	assert_int_equal(lds_id_parse(&parsed, "01020304"), LDS_INVALID);
	assert_int_equal(lds_position_parse(&position, "e5.1"), 0);
	assert_int_equal(position.global, 5);
	assert_int_equal(position.client, 1);
	lds_position_print(text, position);
	assert_string_equal(text, "e5.1");
	assert_int_equal(lds_position_parse(&position, "5"), LDS_INVALID);
	assert_int_equal(lds_position_parse(&position, NULL), LDS_INVALID);
}

static void every_code_has_a_name(void **state) {
	assert_string_equal(lds_code_name(LDS_QUEUED), "queued");
	assert_string_equal(lds_code_name(LDS_REFUSED), "refused");
	for (int code = LDS_BUSY; code <= LDS_NEWER; code++)
		assert_non_null(lds_code_name(code));
	assert_non_null(lds_code_name(-1000));
	assert_non_null(lds_code_name(1000));
	assert_non_null(strstr(lds_version(), "protocol 1"));
}

static void an_event_has_a_notation(void **state) {
	struct lds_position origins[] = { { 5, 0 }, { 3, 0 } };
	struct lds_event event = { .size = sizeof(event),
		                       .name = "noteAdded",
		                       .position = { 8, 0 },
		                       .generation = 2,
		                       .origins = origins,
		                       .n_origins = 2 };
	char text[64], cut[4];

	assert_int_equal(lds_event_notation(text, sizeof(text), &event, "C", 0), strlen("C:e8'/e5'/e3'"));
	assert_string_equal(text, "C:e8'/e5'/e3'");
	lds_event_notation(text, sizeof(text), &event, NULL,
	                   LDS_NOTATION_GENERATION | LDS_NOTATION_NAME | LDS_NOTATION_NO_ORIGINS);
	assert_string_equal(text, "e8r2'{noteAdded}");
	event.confirmed = 1;
	lds_event_notation(text, sizeof(text), &event, NULL, 0);
	assert_string_equal(text, "e8");
	assert_int_equal(lds_event_notation(cut, sizeof(cut), &event, "Device", 0), strlen("Device:e8"));
	assert_string_equal(cut, "Dev");
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
	const struct CMUnitTest tests[] = {
		STORY(rows_have_names_types_and_values),
		STORY(parameters_are_bound_by_name_and_by_order),
		STORY(only_one_reading_statement_is_a_query),
		STORY(the_apps_own_connection_reads_and_no_more),
		STORY(close_copes_with_open_statements),
		STORY(own_commits_are_told_at_the_next_process),
		STORY(a_refused_commit_tells_of_no_change),
		STORY(callbacks_see_the_whole_change),
		STORY(a_callback_may_commit_and_unsubscribe),
		STORY(subscriptions_are_checked_and_bounded),
		STORY(a_query_is_called_back_once_and_when_its_rows_differ),
		STORY(status_is_called_back_when_it_changed),
		cmocka_unit_test(ids_and_positions_have_one_text_form),
		cmocka_unit_test(every_code_has_a_name),
		cmocka_unit_test(an_event_has_a_notation),
	};

	return cmocka_run_group_tests_name("session/read", tests, NULL, NULL);
}
