/*
 * Images, dumps, and the connection that an app reads with.
 */

#include "fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "store/state_private.h"

static const char text[] =
	"-- store s version 1\n"
	"CREATE TABLE item (id INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL);\n"
	"CREATE TABLE mixed (k TEXT PRIMARY KEY NOT NULL, v);\n"
	"CREATE TABLE \"odd \"\"name\" (k TEXT NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (n, k)) WITHOUT ROWID;\n"
	"CREATE TABLE local (id INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL);\n"
	"-- event added(id INTEGER, name TEXT)\n"
	"INSERT INTO item (id, name) VALUES (:id, :name);\n"
	"-- event removed(id INTEGER)\n"
	"DELETE FROM item WHERE id = :id;\n"
	"-- event mixedText(k TEXT, v TEXT)\n"
	"INSERT INTO mixed (k, v) VALUES (:k, :v);\n"
	"-- event mixedReal(k TEXT, v REAL)\n"
	"INSERT INTO mixed (k, v) VALUES (:k, :v * 1e300);\n"
	"-- event mixedBlob(k TEXT, v BLOB?)\n"
	"INSERT INTO mixed (k, v) VALUES (:k, :v);\n"
	"-- event odd(k TEXT, n INTEGER)\n"
	"INSERT INTO \"odd \"\"name\" (k, n) VALUES (:k, :n);\n"
	"-- event here(id INTEGER, name TEXT) client-only\n"
	"INSERT INTO local (id, name) VALUES (:id, :name);\n";
static const char other_text[] =
	"-- store s version 2\n"
	"CREATE TABLE item (id INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL);\n"
	"-- event added(id INTEGER, name TEXT)\n"
	"INSERT INTO item (id, name) VALUES (:id, :name);\n";

static struct schema *schema, *other_schema;

static int load(void **data) {
	schema = make_schema(text);
	other_schema = make_schema(other_text);
	return 0;
}

static int unload(void **data) {
	schema = schema_destroy(schema);
	other_schema = schema_destroy(other_schema);
	return 0;
}

static int make_fd(void) {
	int fd = memfd_create("image", MFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

/* An image of a state file with three events, the last of them still undoable. */
static int make_image(uint64_t *ret_bytes) {
	char *path = make_path();
	struct state_options options = { .path = path, .schema = schema };
	struct state *state = NULL;
	struct error error = { 0 };
	int fd = make_fd();

	assert_int_equal(state_open(&state, &options, &error), STATE_REBUILD);
	commit_good(state, synced(1), "added", "{\"id\":1,\"name\":\"one\"}");
	commit_good(state, synced(2), "added", "{\"id\":2,\"name\":\"two\"}");
	commit_good(state, synced(3), "removed", "{\"id\":1}");
	assert_int_equal(state_begin(state, &error), 0);
	assert_int_equal(state_trim(state, synced(2), &error), 0);
	assert_int_equal(state_set_complete(state, true, &error), 0);
	assert_int_equal(state_image_write(state, fd, ret_bytes, &error), ERROR_BUSY);
	assert_int_equal(state_commit(state, &error), 0);
	if (state_image_write(state, fd, ret_bytes, &error) != 0)
		fail_msg("%s", error.text);
	state_close(state);
	remove_path(path);
	return fd;
}

static void an_image_is_the_state_with_head_and_journal(void **data) {
	uint64_t bytes;
	int fd = make_image(&bytes);
	struct state *state = open_memory(schema);
	struct error error = { 0 };
	uint8_t header[20];

	assert_int_equal(pread(fd, header, sizeof(header), 0), sizeof(header));
	assert_int_equal(header[18], 1);
	assert_int_equal(header[19], 1);
	commit_good(state, synced(9), "added", "{\"id\":9,\"name\":\"nine\"}");
	if (state_image_read(state, fd, bytes, schema, &error) != 0)
		fail_msg("%s", error.text);
	assert_true(state_is_complete(state));
	assert_head(state, synced(3));
	assert_int_equal(state_journal_base(state).global, 2);
	assert_dump(state, "item\t2\t\"two\"\n");
	assert_int_equal(undo_to(state, synced(2)), 0);
	assert_dump(state, "item\t1\t\"one\"\nitem\t2\t\"two\"\n");
	/* Capture goes on: the hook stands, statements are made anew. */
	commit_good(state, synced(3), "added", "{\"id\":3,\"name\":\"three\"}");
	assert_int_equal(undo_to(state, synced(2)), 0);
	assert_dump(state, "item\t1\t\"one\"\nitem\t2\t\"two\"\n");
	close(fd);
	state_close(state);
}

static void assert_empty(struct state *state, const struct schema *under) {
	assert_head(state, POSITION_ROOT);
	assert_false(state_is_complete(state));
	assert_dump(state, "");
	commit_good(state, synced(1), "added", "{\"id\":1,\"name\":\"one\"}");
	assert_dump(state, "item\t1\t\"one\"\n");
}

static void what_is_no_image_of_this_schema_leaves_an_empty_state(void **data) {
	uint64_t bytes;
	int fd = make_image(&bytes), junk = make_fd();
	struct state *state = open_memory(schema);
	struct error error = { 0 };
	char page[8192] = "SQLite format 3";

	assert_int_equal(state_image_read(state, fd, bytes, other_schema, &error), ERROR_CORRUPT);
	assert_empty(state, other_schema);
	assert_int_equal(state_image_read(state, fd, bytes - 4096, schema, &error), ERROR_CORRUPT);
	assert_empty(state, schema);
	assert_int_equal(state_image_read(state, fd, bytes + 1, schema, &error), ERROR_CORRUPT);
	assert_int_equal(state_image_read(state, fd, 0, schema, &error), ERROR_CORRUPT);
	assert_int_equal(state_image_read(state, fd, SESSION_IMAGE_BYTES_MAX + 1, schema, &error), ERROR_TOO_LARGE);
	assert_empty(state, schema);
	page[18] = page[19] = 1;
	assert_int_equal(write(junk, page, sizeof(page)), sizeof(page));
	assert_int_equal(state_image_read(state, junk, sizeof(page), schema, &error), ERROR_CORRUPT);
	assert_empty(state, schema);
	assert_int_equal(state_image_read(state, -1, bytes, schema, &error), ERROR_IO);
	assert_int_equal(state_image_read(state, fd, bytes, schema, &error), 0);
	assert_head(state, synced(3));
	close(fd);
	close(junk);
	state_close(state);
}

/* Every byte of the header and some behind it, flipped: an error or a state. */
static void a_flipped_byte_in_an_image_does_not_crash(void **data) {
	uint64_t bytes;
	int fd = make_image(&bytes);
	struct state *state = open_memory(schema);

	for (uint64_t at = 0; at < bytes; at += at < 200 ? 1 : 97) {
		struct error error = { 0 };
		uint8_t byte, flipped;

		assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
		flipped = (uint8_t)~byte;
		assert_int_equal(pwrite(fd, &flipped, 1, (off_t)at), 1);
		if (state_image_read(state, fd, bytes, schema, &error) == 0 && state_begin(state, &error) == 0) {
			if (state_undo(state, synced(2), &error) >= 0)
				state_rollback(state);
		}
		assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
	}
	close(fd);
	state_close(state);
}

static void an_image_cannot_become_a_file(void **data) {
	uint64_t bytes;
	int fd = make_image(&bytes);
	char *path = make_path();
	struct state_options options = { .path = path, .schema = schema };
	struct state *state = NULL;
	struct error error = { 0 };

	assert_int_equal(state_open(&state, &options, &error), STATE_REBUILD);
	assert_int_equal(state_image_read(state, fd, bytes, schema, &error), ERROR_INVALID);
	close(fd);
	state_close(state);
	remove_path(path);
}

static sqlite3_stmt *prepare(struct state *state, const char *sql) {
	sqlite3_stmt *statement = NULL;

	if (sqlite3_prepare_v2(state_database(state), sql, -1, &statement, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(state_database(state)));
	return statement;
}

static void nothing_is_exchanged_under_a_busy_statement(void **data) {
	uint64_t bytes;
	int fd = make_image(&bytes);
	struct state *state = open_memory(schema);
	struct error error = { 0 };

	commit_good(state, synced(1), "added", "{\"id\":7,\"name\":\"seven\"}");
	state_set_app_mode(state, true);
	sqlite3_stmt *statement = prepare(state, "SELECT name FROM item");

	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	assert_int_equal(state_image_read(state, fd, bytes, schema, &error), ERROR_BUSY);
	assert_int_equal(state_reset(state, schema, &error), ERROR_BUSY);
	assert_string_equal(sqlite3_column_text(statement, 0), "seven");
	assert_int_equal(sqlite3_step(statement), SQLITE_DONE);
	sqlite3_reset(statement);

	/* A statement that rests sees the new content, on the same connection. */
	sqlite3 *connection = state_database(state);

	assert_int_equal(state_image_read(state, fd, bytes, schema, &error), 0);
	assert_ptr_equal(state_database(state), connection);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	assert_string_equal(sqlite3_column_text(statement, 0), "two");
	sqlite3_reset(statement);
	assert_int_equal(state_reset(state, other_schema, &error), 0);
	assert_int_equal(sqlite3_step(statement), SQLITE_DONE);
	sqlite3_finalize(statement);
	close(fd);
	state_close(state);
}

/* json_each and the pragmas that pose as tables outlive an exchange: they would
 * crash if the connection itself were deserialized. */
static void virtual_tables_outlive_an_image(void **data) {
	uint64_t bytes;
	int fd = make_image(&bytes);
	struct state *state = open_memory(schema);
	struct error error = { 0 };

	state_set_app_mode(state, true);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(query_number(state, "SELECT sum(value) FROM json_each('[1,2]')"), 3);
		assert_int_equal(query_number(state, "SELECT count(*) FROM pragma_table_info('item')"), 2);
		assert_int_equal(state_image_read(state, fd, bytes, schema, &error), 0);
	}
	assert_int_equal(query_number(state, "SELECT sum(value) FROM json_each('[1,2]')"), 3);
	close(fd);
	state_close(state);
}

static void in_app_mode_the_connection_only_reads(void **data) {
	static const char *const denied[] = {
		"BEGIN", "SAVEPOINT a", "COMMIT", "ATTACH ':memory:' AS x", "PRAGMA user_version = 3", "PRAGMA foreign_keys = OFF",
		"CREATE TABLE x (a)", "CREATE TEMP TABLE x (a)", "CREATE TEMP VIEW x AS SELECT 1", "DROP TABLE item",
		"INSERT INTO item VALUES (5, 'x')", "UPDATE item SET name = 'x'", "DELETE FROM item", "REINDEX", "ANALYZE",
		"DELETE FROM leaderd_journal", "ALTER TABLE item ADD COLUMN x", "VACUUM", "SELECT load_extension('x')",
	};
	static const char *const allowed[] = {
		"SELECT * FROM item", "SELECT count(*) FROM item i JOIN mixed m ON i.name = m.k", "SELECT upper(name) FROM item",
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT sum(i) FROM n",
		"SELECT value FROM json_each('[1]')", "SELECT row_number() OVER (ORDER BY id) FROM item",
	};
	struct state *state = open_memory(schema);

	state_set_app_mode(state, true);
	commit_good(state, synced(1), "added", "{\"id\":1,\"name\":\"one\"}");
	for (size_t i = 0; i < sizeof(denied) / sizeof(denied[0]); i++)
		if (sqlite3_exec(state_database(state), denied[i], NULL, NULL, NULL) == SQLITE_OK)
			fail_msg("%s was allowed", denied[i]);
	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
		if (sqlite3_exec(state_database(state), allowed[i], NULL, NULL, NULL) != SQLITE_OK)
			fail_msg("%s was denied", allowed[i]);
	assert_dump(state, "item\t1\t\"one\"\n");

	/* Our own statements go on, also where they must be prepared again. */
	assert_int_equal(sqlite3_db_config(state_database(state), SQLITE_DBCONFIG_ENABLE_FKEY, 0, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_db_config(state_database(state), SQLITE_DBCONFIG_ENABLE_FKEY, 1, NULL), SQLITE_OK);
	commit_good(state, synced(2), "added", "{\"id\":2,\"name\":\"two\"}");
	assert_int_equal(undo_to(state, synced(1)), 0);
	assert_int_equal(sqlite3_exec(state_database(state), "BEGIN", NULL, NULL, NULL), SQLITE_AUTH);
	state_set_app_mode(state, false);
	assert_int_equal(sqlite3_exec(state_database(state), "BEGIN; COMMIT", NULL, NULL, NULL), SQLITE_OK);
	state_close(state);
}

static void an_app_that_reads_does_not_stop_a_commit(void **data) {
	struct state *state = open_memory(schema);

	state_set_app_mode(state, true);
	commit_good(state, synced(1), "added", "{\"id\":1,\"name\":\"one\"}");
	commit_good(state, synced(2), "added", "{\"id\":2,\"name\":\"two\"}");
	sqlite3_stmt *statement = prepare(state, "SELECT id FROM item ORDER BY id");
	struct error error = { 0 };

	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	commit_good(state, synced(3), "added", "{\"id\":3,\"name\":\"three\"}");
	assert_int_equal(commit_event(state, synced(4), "added", "{\"id\":3,\"name\":\"again\"}", &error), STATE_REFUSED);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	assert_int_equal(sqlite3_column_int(statement, 0), 2);
	sqlite3_finalize(statement);
	state_close(state);
}

static int stop(const char *line, size_t n, void *data) {
	return ++*(int *)data == 2 ? -77 : 0;
}

static int count_lines(const char *line, size_t n, void *data) {
	assert_int_equal(line[n - 1], '\n');
	++*(int *)data;
	return 0;
}

static void a_dump_is_canonical(void **data) {
	struct state *state = open_memory(schema);
	struct error error = { 0 };
	int lines = 0;

	commit_good(state, client_only(0, 1), "here", "{\"id\":1,\"name\":\"mine\"}");
	commit_good(state, synced(1), "odd", "{\"k\":\"b\",\"n\":1}");
	commit_good(state, synced(2), "odd", "{\"k\":\"a\",\"n\":2}");
	commit_good(state, synced(3), "odd", "{\"k\":\"a\",\"n\":1}");
	commit_good(state, synced(4), "mixedText", "{\"k\":\"2\",\"v\":\"line\\nquote\\\" back\\\\ \\u00e9\"}");
	commit_good(state, synced(5), "mixedReal", "{\"k\":\"3\",\"v\":1.0}");
	commit_good(state, synced(6), "mixedReal", "{\"k\":\"4\",\"v\":-1e300}");
	commit_good(state, synced(7), "mixedBlob", "{\"k\":\"1\",\"v\":\"AP8=\"}");
	commit_good(state, synced(8), "mixedBlob", "{\"k\":\"0\"}");
	commit_good(state, synced(9), "mixedReal", "{\"k\":\"5\",\"v\":0}");
	commit_good(state, synced(10), "added", "{\"id\":-5,\"name\":\"\"}");
	assert_dump(state,
	            "item\t-5\t\"\"\n"
	            "local\t1\t\"mine\"\n"
	            "mixed\t\"0\"\tnull\n"
	            "mixed\t\"1\"\tx'00ff'\n"
	            "mixed\t\"2\"\t\"line\\u000aquote\\\" back\\\\ \u00e9\"\n"
	            "mixed\t\"3\"\t1.0000000000000001e+300\n"
	            "mixed\t\"4\"\t-inf\n"
	            "mixed\t\"5\"\t0.0\n"
	            "odd \\\"name\t\"a\"\t1\n"
	            "odd \\\"name\t\"b\"\t1\n"
	            "odd \\\"name\t\"a\"\t2\n");
	assert_int_equal(state_dump(state, true, count_lines, &lines, &error), 0);
	assert_int_equal(lines, 10);
	lines = 0;
	assert_int_equal(state_dump(state, true, stop, &lines, &error), -77);
	assert_int_equal(lines, 2);
	assert_int_equal(state_begin(state, &error), 0);
	state_rollback(state);
	state_close(state);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_image_is_the_state_with_head_and_journal),
		cmocka_unit_test(what_is_no_image_of_this_schema_leaves_an_empty_state),
		cmocka_unit_test(a_flipped_byte_in_an_image_does_not_crash),
		cmocka_unit_test(an_image_cannot_become_a_file),
		cmocka_unit_test(nothing_is_exchanged_under_a_busy_statement),
		cmocka_unit_test(virtual_tables_outlive_an_image),
		cmocka_unit_test(in_app_mode_the_connection_only_reads),
		cmocka_unit_test(an_app_that_reads_does_not_stop_a_commit),
		cmocka_unit_test(a_dump_is_canonical),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
