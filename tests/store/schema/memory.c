/* The k-th allocation fails, for each k until the story succeeds: a clean
 * ERROR_NO_MEMORY, and nothing was handed out. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "store/database.h"
#include "support.h"

#define ALLOCATIONS_MAX 400

static int countdown; /* 0: none fails */

static bool fails(void) {
	return countdown > 0 && --countdown == 0;
}

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *data, size_t n);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *data, size_t n);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t n);

void *__wrap_malloc(size_t n) {
	return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size) {
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *data, size_t n) {
	return fails() ? NULL : __real_realloc(data, n);
}

char *__wrap_strdup(const char *text) {
	return fails() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t n) {
	return fails() ? NULL : __real_strndup(text, n);
}

static const char text[] = "-- store test version 1\n"
						   "CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY DEFAULT (date(0)));\n"
						   "CREATE TABLE u (id TEXT PRIMARY KEY NOT NULL, t TEXT REFERENCES t (id));\n"
						   "CREATE INDEX i ON t (v);\n"
						   "-- event e@1(id TEXT) becomes e: SELECT :id AS id, :id AS other, x'00' AS raw\n"
						   "-- event e@2(id TEXT, other TEXT?, data JSON?, raw BLOB?)\n"
						   "INSERT INTO t (id) VALUES (:id);\n"
						   "UPDATE t SET v = date(:time_ms, 'unixepoch');\n"
						   "DELETE FROM u;\n"
						   "-- event f(id TEXT) client-only\n";

static void a_schema_that_found_no_memory_leaves_nothing_behind(void **state) {
	for (int k = 1; k < ALLOCATIONS_MAX; k++) {
		struct schema *schema = NULL;
		struct error error = { 0 };
		int r;

		countdown = k;
		r = schema_load(&schema, text, strlen(text), "test.sql", &error);
		if (countdown > 0) {
			countdown = 0;
			assert_int_equal(r, 0);
			assert_true(k > 30);
			schema_destroy(schema);
			return;
		}
		if (r != ERROR_NO_MEMORY)
			fail_msg("allocation %d: %d %s", k, r, error.text);
		assert_int_equal(error.code, ERROR_NO_MEMORY);
		assert_null(schema);
	}
	fail_msg("it still allocated after %d", ALLOCATIONS_MAX);
}

static void arguments_that_found_no_memory_leave_nothing_behind(void **state) {
	static const char args[] = "{\"id\":\"x\",\"raw\":\"AAAA\",\"data\":[1, 2]}";
	struct schema *schema = load(text);
	const struct schema_event *definition = schema_find_event(schema, "e", 0);

	for (int k = 1; k < ALLOCATIONS_MAX; k++) {
		struct arguments *arguments = NULL;
		struct error error = { 0 };
		int r;

		countdown = k;
		r = arguments_parse(&arguments, definition, args, strlen(args), &error);
		if (countdown > 0) {
			countdown = 0;
			assert_int_equal(r, 0);
			assert_true(k > 5);
			arguments_destroy(arguments);
			schema_destroy(schema);
			return;
		}
		assert_int_equal(r, ERROR_NO_MEMORY);
		assert_null(arguments);
	}
	fail_msg("it still allocated after %d", ALLOCATIONS_MAX);
}

static void a_lift_that_found_no_memory_changes_nothing(void **state) {
	struct schema *schema = load(text);
	const struct schema_event *definition = schema_find_event(schema, "e", 0);
	sqlite3 *db = open_tables(schema);
	sqlite3_stmt *row = NULL;
	struct bytes lifted = { 0 };
	int k;

	assert_int_equal(sqlite3_prepare_v2(db, "SELECT hex(zeroblob(200)) AS id, '[1]' AS data", -1, &row, NULL),
	                 SQLITE_OK);
	assert_int_equal(sqlite3_step(row), SQLITE_ROW);
	for (k = 1; k < ALLOCATIONS_MAX; k++) {
		struct error error = { 0 };
		int r;

		countdown = k;
		r = arguments_lift(&lifted, definition, row, &error);
		if (countdown > 0) {
			countdown = 0;
			assert_int_equal(r, 0);
			break;
		}
		assert_int_equal(r, ERROR_NO_MEMORY);
		assert_int_equal(error.code, ERROR_NO_MEMORY);
		assert_int_equal(lifted.n, 0);
	}
	assert_in_range(k, 3, ALLOCATIONS_MAX - 1);

	sqlite3_finalize(row);
	bytes_finish(&lifted);
	database_close(db);
	schema_destroy(schema);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_schema_that_found_no_memory_leaves_nothing_behind),
		cmocka_unit_test(arguments_that_found_no_memory_leave_nothing_behind),
		cmocka_unit_test(a_lift_that_found_no_memory_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
