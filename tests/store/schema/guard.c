/* The guard at run time: what each mode of the connection lets through. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "store/database.h"
#include "support.h"

static const char text[] =
	"-- store test version 1\n"
	"CREATE TABLE shared (id TEXT PRIMARY KEY NOT NULL, v ANY);\n"
	"CREATE TABLE child (id TEXT PRIMARY KEY NOT NULL, p TEXT REFERENCES shared (id) ON DELETE CASCADE);\n"
	"CREATE TABLE mine (id TEXT PRIMARY KEY NOT NULL);\n"
	"-- event a(id TEXT)\n"
	"INSERT INTO shared (id) VALUES (:id);\n"
	"-- event b(id TEXT) client-only\n"
	"INSERT INTO mine (id) VALUES (:id);\n";

struct guarded {
	struct schema *schema;
	sqlite3 *db;
	struct schema_authorizer authorizer;
};

static int open_guarded(void **state) {
	static struct guarded guarded;
	struct error error = { 0 };

	guarded = (struct guarded){ .schema = load(text) };
	assert_int_equal(database_open(&guarded.db, NULL, DATABASE_MEMORY, &error), 0);
	guarded.authorizer.schema = guarded.schema;
	assert_int_equal(schema_authorizer_install(guarded.db, &guarded.authorizer, &error), 0);
	for (size_t i = 0; i < guarded.schema->n_definitions; i++)
		run(guarded.db, guarded.schema->definitions[i].sql);
	run(guarded.db, "CREATE TABLE leaderd_journal (n INTEGER PRIMARY KEY)");
	*state = &guarded;
	return 0;
}

static int close_guarded(void **state) {
	struct guarded *guarded = *state;

	database_close(guarded->db);
	schema_destroy(guarded->schema);
	return 0;
}

/* Prepares and steps to the end in a mode; the first result that is no row. */
static int try(struct guarded *guarded, enum authorizer_mode mode, const char *sql) {
	sqlite3_stmt *statement = NULL;
	int rc;

	schema_authorizer_clear(&guarded->authorizer);
	guarded->authorizer.mode = mode;
	rc = sqlite3_prepare_v2(guarded->db, sql, -1, &statement, NULL);
	while (rc == SQLITE_OK || rc == SQLITE_ROW)
		rc = sqlite3_step(statement);
	sqlite3_finalize(statement);
	guarded->authorizer.mode = AUTHORIZER_OWN;
	return rc;
}

static void expect_denied(struct guarded *guarded, enum authorizer_mode mode, const char *sql, const char *reason) {
	int rc = try(guarded, mode, sql);

	/* For a function SQLite's code is that of any other mistake. */
	if ((rc != SQLITE_AUTH && rc != SQLITE_ERROR) || strcmp(guarded->authorizer.reason, reason) != 0)
		fail_msg("%s: %d, \"%s\"", sql, rc, guarded->authorizer.reason);
}

static void expect_done(struct guarded *guarded, enum authorizer_mode mode, const char *sql) {
	int rc = try(guarded, mode, sql);

	if (rc != SQLITE_DONE)
		fail_msg("%s: %d %s (%s)", sql, rc, sqlite3_errmsg(guarded->db), guarded->authorizer.reason);
}

static void our_own_statements_may_do_everything(void **state) {
	expect_done(*state, AUTHORIZER_OWN, "CREATE TABLE leaderd_other (n)");
	expect_done(*state, AUTHORIZER_OWN, "INSERT INTO leaderd_journal VALUES (1)");
	expect_done(*state, AUTHORIZER_OWN, "BEGIN");
	expect_done(*state, AUTHORIZER_OWN, "SAVEPOINT s");
	expect_done(*state, AUTHORIZER_OWN, "COMMIT");
}

static void a_synced_event_stays_in_its_world(void **state) {
	expect_done(*state, AUTHORIZER_SYNCED, "INSERT INTO shared (id) VALUES ('x')");
	expect_done(*state, AUTHORIZER_SYNCED, "SELECT count(*) FROM shared");
	expect_denied(*state, AUTHORIZER_SYNCED, "INSERT INTO mine VALUES ('x')",
	              "a synced event may not write the client-only table 'mine'");
	expect_denied(*state, AUTHORIZER_SYNCED, "SELECT id FROM mine",
	              "a synced event may not read the client-only table 'mine'");
	expect_denied(*state, AUTHORIZER_SYNCED, "SELECT count(*) FROM mine",
	              "a synced event may not read the client-only table 'mine'");
}

static void a_client_only_event_reads_both_worlds_and_writes_its_own(void **state) {
	expect_done(*state, AUTHORIZER_CLIENT_ONLY, "INSERT INTO mine SELECT id FROM shared");
	expect_denied(*state, AUTHORIZER_CLIENT_ONLY, "DELETE FROM shared",
	              "a client-only event may not write the synced table 'shared'");
}

static void no_event_reaches_what_is_not_the_apps(void **state) {
	static const enum authorizer_mode modes[] = { AUTHORIZER_SYNCED, AUTHORIZER_CLIENT_ONLY, AUTHORIZER_LIFT,
		                                          AUTHORIZER_CHECK };

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		expect_denied(*state, modes[i], "SELECT n FROM leaderd_journal",
		              "reads 'leaderd_journal', which is no table of the schema");
		expect_denied(*state, modes[i], "SELECT count(*) FROM leaderd_journal",
		              "reads 'leaderd_journal', which is no table of the schema");
		expect_denied(*state, modes[i], "SELECT random()",
		              "the function random() is not allowed: it is not known to give the same result everywhere");
		expect_denied(*state, modes[i], "BEGIN", "a materializer is made of SELECT, INSERT, UPDATE and DELETE");
		expect_denied(*state, modes[i], "PRAGMA foreign_keys = OFF", "PRAGMA foreign_keys is not allowed");
	}
	expect_denied(*state, AUTHORIZER_SYNCED, "DELETE FROM leaderd_journal",
	              "writes 'leaderd_journal', which is no table of the schema");
	expect_denied(*state, AUTHORIZER_LIFT, "SELECT id FROM shared",
	              "a lift sees the old event only, it may not read table 'shared'");
	expect_done(*state, AUTHORIZER_LIFT, "SELECT value FROM json_each('[1,2]')");
}

static void a_reader_reads_and_does_nothing_else(void **state) {
	struct guarded *guarded = *state;

	expect_done(*state, AUTHORIZER_READER, "SELECT s.id, random(), sqrt(2) FROM shared AS s, mine");
	assert_true(guarded->authorizer.reads[schema_find_table(guarded->schema, "shared")]);
	assert_false(guarded->authorizer.reads[schema_find_table(guarded->schema, "child")]);
	expect_done(*state, AUTHORIZER_READER,
	            "WITH RECURSIVE n(i) AS (SELECT 1 UNION SELECT i + 1 FROM n WHERE i < 9) SELECT i FROM n");
	expect_done(*state, AUTHORIZER_READER, "SELECT name FROM sqlite_schema");
	expect_done(*state, AUTHORIZER_READER, "PRAGMA table_info(shared)");
	expect_denied(*state, AUTHORIZER_READER, "BEGIN", "only reading is allowed on this connection");
	expect_denied(*state, AUTHORIZER_READER, "SAVEPOINT s", "only reading is allowed on this connection");
	expect_denied(*state, AUTHORIZER_READER, "DELETE FROM shared", "only reading is allowed on this connection");
	expect_denied(*state, AUTHORIZER_READER, "CREATE TEMP TABLE x (y)", "only reading is allowed on this connection");
	expect_denied(*state, AUTHORIZER_READER, "ATTACH ':memory:' AS other",
	              "only reading is allowed on this connection");
	expect_denied(*state, AUTHORIZER_READER, "PRAGMA journal_mode = DELETE",
	              "PRAGMA journal_mode is not allowed on this connection");
}

static void what_a_statement_uses_is_recorded_cascades_included(void **state) {
	struct guarded *guarded = *state;
	struct schema_authorizer *authorizer = &guarded->authorizer;
	int child = schema_find_table(guarded->schema, "child");
	int shared = schema_find_table(guarded->schema, "shared");

	expect_done(guarded, AUTHORIZER_CHECK, "DELETE FROM shared WHERE id = 'x'");

	assert_true(authorizer->writes[shared]);
	assert_true(authorizer->writes[child]);
	assert_true(authorizer->has_target);
	assert_int_equal(authorizer->target, shared);
	schema_authorizer_clear(authorizer);
	assert_false(authorizer->writes[shared]);
	assert_false(authorizer->has_target);
}

static void expect_row(struct guarded *guarded, const char *sql, const char *expected) {
	struct bytes found = { 0 };

	dump(&found, guarded->db, sql);
	assert_string_equal((const char *)found.data, expected);
	bytes_finish(&found);
}

static void refuse_gives_its_reason(void **state) {
	struct guarded *guarded = *state;

	assert_int_equal(try(guarded, AUTHORIZER_SYNCED, "SELECT refuse('no such todo')"), SQLITE_ERROR);
	assert_string_equal(sqlite3_errmsg(guarded->db), REFUSE_PREFIX "no such todo");
	assert_true(database_is_event_fault(sqlite3_extended_errcode(guarded->db)));
	assert_int_equal(try(guarded, AUTHORIZER_SYNCED, "SELECT refuse(NULL)"), SQLITE_ERROR);
	assert_string_equal(sqlite3_errmsg(guarded->db), REFUSE_PREFIX "no reason given");
	expect_done(guarded, AUTHORIZER_SYNCED, "SELECT refuse('no') WHERE 0");
}

static void dates_are_those_of_sqlite_but_for_the_clock(void **state) {
	static const char *const clocks[] = {
		"SELECT date('n' || 'ow')",
		"SELECT datetime('NO' || 'W', '+1 day')",
		"SELECT time(0, 'utc' || '')",
		"SELECT julianday(1, 'localtime')",
		"SELECT strftime('%s', 'no' || 'w')",
		"SELECT unixepoch(lower('NOW'))",
		"SELECT date(CAST(x'6e6f77' AS BLOB))",
		"SELECT date()",
		"SELECT strftime('%Y')",
		"SELECT date(0, ' Now ')",
	};
	struct guarded *guarded = *state;

	expect_row(guarded, "SELECT date('2024-02-29', '+1 year'), time('12:34:56.789'), datetime(1700000000, 'unixepoch')",
	           "2025-03-01|12:34:56|2023-11-14 22:13:20\n");
	expect_row(guarded,
	           "SELECT julianday('2000-01-01 12:00'), unixepoch('2000-01-01'), strftime('%j now', '2024-12-31')",
	           "2451545.0|946684800|366 now\n");
	expect_row(guarded, "SELECT date(NULL), date('nonsense'), typeof(julianday(0))", "NULL|NULL|real\n");
	for (size_t i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++) {
		if (try(guarded, AUTHORIZER_SYNCED, clocks[i]) != SQLITE_ERROR)
			fail_msg("%s was not refused", clocks[i]);
		assert_string_equal(sqlite3_errmsg(guarded->db), "the clock and the time zone are not for materializers");
		expect_done(guarded, AUTHORIZER_READER, clocks[i]);
	}
}

static void json_tables_are_known_before_an_event_asks_for_them(void **state) {
	expect_done(*state, AUTHORIZER_SYNCED, "INSERT INTO shared (id) SELECT value FROM json_each('[\"p\",\"q\"]')");
	expect_done(*state, AUTHORIZER_SYNCED, "SELECT fullkey FROM json_tree('{}')");
}

static void only_listed_functions_are_allowed(void **state) {
	assert_true(schema_function_is_allowed("json_extract"));
	assert_true(schema_function_is_allowed("JSON_EXTRACT"));
	assert_true(schema_function_is_allowed("->>"));
	assert_true(schema_function_is_allowed("refuse"));
	assert_false(schema_function_is_allowed("random"));
	assert_false(schema_function_is_allowed("sin"));
	assert_false(schema_function_is_allowed("current_timestamp"));
	assert_false(schema_function_is_allowed(""));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(our_own_statements_may_do_everything, open_guarded, close_guarded),
		cmocka_unit_test_setup_teardown(a_synced_event_stays_in_its_world, open_guarded, close_guarded),
		cmocka_unit_test_setup_teardown(a_client_only_event_reads_both_worlds_and_writes_its_own, open_guarded,
		                                close_guarded),
		cmocka_unit_test_setup_teardown(no_event_reaches_what_is_not_the_apps, open_guarded, close_guarded),
		cmocka_unit_test_setup_teardown(a_reader_reads_and_does_nothing_else, open_guarded, close_guarded),
		cmocka_unit_test_setup_teardown(what_a_statement_uses_is_recorded_cascades_included, open_guarded,
		                                close_guarded),
		cmocka_unit_test_setup_teardown(refuse_gives_its_reason, open_guarded, close_guarded),
		cmocka_unit_test_setup_teardown(dates_are_those_of_sqlite_but_for_the_clock, open_guarded, close_guarded),
		cmocka_unit_test_setup_teardown(json_tables_are_known_before_an_event_asks_for_them, open_guarded,
		                                close_guarded),
		cmocka_unit_test(only_listed_functions_are_allowed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
