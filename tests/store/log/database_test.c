/* How databases are opened, and which of SQLite's codes becomes which of ours. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log_fixture.h"
#include "store/database.h"

static char *query_text(sqlite3 *db, const char *sql) {
	sqlite3_stmt *statement = NULL;
	struct error error;
	char *text;

	assert_int_equal(database_prepare(&statement, db, sql, &error), 0);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	text = strdup((const char *)sqlite3_column_text(statement, 0));
	sqlite3_finalize(statement);
	return text;
}

static void assert_query(sqlite3 *db, const char *sql, const char *expected) {
	char *text = query_text(db, sql);

	assert_string_equal(text, expected);
	free(text);
}

static sqlite3 *open_kind(const char *path, enum database_kind kind) {
	sqlite3 *db = NULL;
	struct error error = { 0 };

	if (database_open(&db, path, kind, &error) < 0)
		fail_msg("%s", error.text);
	return db;
}

static void a_new_file_and_its_side_files_belong_to_the_user_alone(void **state) {
	struct place place;
	struct stat st;
	mode_t mask = umask(0);

	place_make(&place);
	sqlite3 *db = open_kind(place.path, DATABASE_DURABLE);
	assert_int_equal(database_execute(db, "CREATE TABLE t (a)", NULL), 0);

	assert_int_equal(stat(place.path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(stat(place.wal, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	database_close(db);
	umask(mask);
	place_remove(&place);
}

static void each_kind_has_its_durability(void **state) {
	struct place place;

	place_make(&place);
	sqlite3 *db = open_kind(place.path, DATABASE_DURABLE);
	assert_query(db, "PRAGMA journal_mode", "wal");
	assert_query(db, "PRAGMA synchronous", "2");
	assert_query(db, "PRAGMA wal_autocheckpoint", "0");
	database_close(db);

	db = open_kind(place.path, DATABASE_DERIVED);
	assert_query(db, "PRAGMA journal_mode", "wal");
	assert_query(db, "PRAGMA synchronous", "1");
	database_close(db);

	db = open_kind(NULL, DATABASE_MEMORY);
	assert_query(db, "PRAGMA journal_mode", "memory");
	database_close(db);
	place_remove(&place);
}

static void every_kind_is_defensive(void **state) {
	sqlite3 *db = open_kind(NULL, DATABASE_MEMORY);

	assert_query(db, "PRAGMA trusted_schema", "0");
	assert_query(db, "PRAGMA foreign_keys", "1");
	assert_query(db, "PRAGMA secure_delete", "0");
	/* Defensive: the schema table cannot be written, whatever is asked. */
	assert_int_equal(database_execute(db, "PRAGMA writable_schema = ON", NULL), 0);
	assert_int_equal(database_execute(db, "DELETE FROM sqlite_schema", NULL), ERROR_REFUSED);
	/* A misspelt column is no string. */
	assert_int_equal(database_execute(db, "SELECT \"nothing\"", NULL), ERROR_REFUSED);
	database_close(db);
}

static void a_symbolic_link_is_not_followed_but_folders_behind_one_are(void **state) {
	struct place place;
	struct error error = { 0 };
	char link_path[128], folder_link[128], through[192];
	sqlite3 *db = NULL;

	place_make(&place);
	snprintf(link_path, sizeof(link_path), "%s/link.db", place.folder);
	snprintf(folder_link, sizeof(folder_link), "%s-link", place.folder);
	snprintf(through, sizeof(through), "%s/eventlog.db", folder_link);
	database_close(open_kind(place.path, DATABASE_DURABLE));
	assert_int_equal(symlink(place.path, link_path), 0);
	assert_int_equal(symlink(place.folder, folder_link), 0);

	for (int kind = DATABASE_DURABLE; kind <= DATABASE_READ_ONLY; kind++) {
		assert_int_equal(database_open(&db, link_path, kind, &error), ERROR_PERMISSION);
		assert_null(db);
	}
	database_close(open_kind(through, DATABASE_DURABLE));
	unlink(folder_link);
	place_remove(&place);
}

static void what_cannot_be_opened_says_why(void **state) {
	struct place place;
	struct error error = { 0 };
	char path[128];
	sqlite3 *db = NULL;

	place_make(&place);
	assert_int_equal(database_open(&db, place.path, DATABASE_READ_ONLY, &error), ERROR_NOT_FOUND);
	assert_int_not_equal(access(place.path, F_OK), 0);
	snprintf(path, sizeof(path), "%s/nowhere/eventlog.db", place.folder);
	assert_int_equal(database_open(&db, path, DATABASE_DURABLE, &error), ERROR_NOT_FOUND);
	assert_int_equal(database_open(&db, place.folder, DATABASE_DURABLE, &error), ERROR_PERMISSION);
	snprintf(path, sizeof(path), "%s/", place.folder);
	assert_int_equal(database_open(&db, path, DATABASE_DURABLE, &error), ERROR_INVALID);
	write_file(place.path, (const uint8_t *)"this is a text, and long enough to be looked at as a database is not", 68);
	assert_int_equal(database_open(&db, place.path, DATABASE_DURABLE, &error), ERROR_CORRUPT);
	assert_non_null(strstr(error.text, place.path));
	assert_null(db);
	place_remove(&place);
}

static void a_read_only_database_is_not_written(void **state) {
	struct place place;
	struct error error;

	place_make(&place);
	sqlite3 *writer = open_kind(place.path, DATABASE_DURABLE);
	assert_int_equal(database_execute(writer, "CREATE TABLE t (a); INSERT INTO t VALUES (1)", NULL), 0);
	sqlite3 *reader = open_kind(place.path, DATABASE_READ_ONLY);

	assert_query(reader, "SELECT count(*) FROM t", "1");
	assert_true(database_execute(reader, "DELETE FROM t", &error) < 0);
	assert_int_equal(database_execute(writer, "INSERT INTO t VALUES (2)", NULL), 0);
	assert_query(reader, "SELECT count(*) FROM t", "2");
	database_close(reader);
	database_close(writer);
	place_remove(&place);
}

static void codes_are_the_events_fault_or_the_environments(void **state) {
	static const struct {
		int rc, code;
		bool event_fault;
	} cases[] = {
		{ SQLITE_CONSTRAINT_UNIQUE, ERROR_REFUSED, true },
		{ SQLITE_CONSTRAINT_FOREIGNKEY, ERROR_REFUSED, true },
		{ SQLITE_MISMATCH, ERROR_REFUSED, true },
		{ SQLITE_TOOBIG, ERROR_REFUSED, true },
		{ SQLITE_ERROR, ERROR_REFUSED, true },
		{ SQLITE_ERROR_SNAPSHOT, ERROR_IO, false },
		{ SQLITE_FULL, ERROR_FULL, false },
		{ SQLITE_NOMEM, ERROR_NO_MEMORY, false },
		{ SQLITE_IOERR_NOMEM, ERROR_NO_MEMORY, false },
		{ SQLITE_IOERR_FSYNC, ERROR_IO, false },
		{ SQLITE_CORRUPT_INDEX, ERROR_CORRUPT, false },
		{ SQLITE_NOTADB, ERROR_CORRUPT, false },
		{ SQLITE_BUSY_SNAPSHOT, ERROR_BUSY, false },
		{ SQLITE_LOCKED, ERROR_BUSY, false },
		{ SQLITE_INTERRUPT, ERROR_BUSY, false },
		{ SQLITE_AUTH, ERROR_IO, false },
		{ SQLITE_SCHEMA, ERROR_IO, false },
		{ SQLITE_CANTOPEN, ERROR_IO, false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct error error = { 0 };

		assert_int_equal(database_is_event_fault(cases[i].rc), cases[i].event_fault);
		assert_int_equal(database_error(NULL, cases[i].rc, "do it", &error), cases[i].code);
		assert_non_null(strstr(error.text, "cannot do it: "));
	}
}

static void an_error_names_what_was_done_and_the_cause(void **state) {
	sqlite3 *db = open_kind(NULL, DATABASE_MEMORY);
	struct error error = { 0 };
	sqlite3_stmt *statement = NULL;

	assert_int_equal(database_execute(db, "INSERT INTO nowhere VALUES (1)", &error), ERROR_REFUSED);
	assert_string_equal(error.text, "cannot run \"INSERT INTO nowhere VALUES (1)\": no such table: nowhere");
	assert_int_equal(database_prepare(&statement, db, "SELEC", &error), ERROR_REFUSED);
	assert_null(statement);
	database_close(db);
}

static void closing_finalizes_what_is_still_prepared(void **state) {
	sqlite3 *db = open_kind(NULL, DATABASE_MEMORY);
	sqlite3_stmt *statement = NULL;

	assert_int_equal(database_prepare(&statement, db, "SELECT 1", NULL), 0);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	assert_null(database_close(db));
	assert_null(database_close(NULL));
}

static void a_transaction_is_seen(void **state) {
	sqlite3 *db = open_kind(NULL, DATABASE_MEMORY);

	assert_false(database_in_transaction(db));
	assert_int_equal(database_execute(db, "BEGIN", NULL), 0);
	assert_true(database_in_transaction(db));
	database_close(db);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_file_and_its_side_files_belong_to_the_user_alone),
		cmocka_unit_test(each_kind_has_its_durability),
		cmocka_unit_test(every_kind_is_defensive),
		cmocka_unit_test(a_symbolic_link_is_not_followed_but_folders_behind_one_are),
		cmocka_unit_test(what_cannot_be_opened_says_why),
		cmocka_unit_test(a_read_only_database_is_not_written),
		cmocka_unit_test(codes_are_the_events_fault_or_the_environments),
		cmocka_unit_test(an_error_names_what_was_done_and_the_cause),
		cmocka_unit_test(closing_finalizes_what_is_still_prepared),
		cmocka_unit_test(a_transaction_is_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
