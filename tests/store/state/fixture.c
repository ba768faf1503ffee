#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "store/state_private.h"

struct schema *make_schema(const char *text) {
	struct schema *schema = NULL;
	struct error error = { 0 };

	if (schema_load(&schema, text, strlen(text), "test.sql", &error) < 0)
		fail_msg("%s", error.text);
	return schema;
}

struct position synced(uint64_t global) {
	return (struct position){ global, 0 };
}

struct position client_only(uint64_t global, uint64_t client) {
	return (struct position){ global, client };
}

struct event *make_event(struct position at, const char *name, const char *args) {
	struct event *event = event_create(name, args, strlen(args));

	assert_non_null(event);
	event->version = 1;
	event->generation = 1;
	event->entry.at = at;
	event->entry.client_only = at.client != 0;
	event->entry.unit_count = 1;
	memcpy(event->entry.id.bytes, &at, sizeof(event->entry.id.bytes));
	event->entry.unit = event->entry.id;
	memcpy(event->local_hash.bytes, &at, sizeof(at));
	event->hlc.time_ms = 1700000000000 + at.global;
	strcpy(event->client_id, "00112233445566778899aabbccddeeff");
	strcpy(event->session_id, "test");
	return event;
}

struct state *open_memory(const struct schema *schema) {
	struct state_options options = { .schema = schema };
	struct state *state = NULL;
	struct error error = { 0 };

	if (state_open(&state, &options, &error) != 0)
		fail_msg("%s", error.text);
	return state;
}

int commit_event(struct state *state, struct position at, const char *name, const char *args, struct error *error) {
	struct event *event = make_event(at, name, args);
	int r;

	assert_int_equal(state_begin(state, error), 0);
	r = state_apply(state, &event, 1, error);
	if (r >= 0)
		assert_int_equal(state_commit(state, error), 0);
	event_destroy(event);
	return r;
}

void commit_good(struct state *state, struct position at, const char *name, const char *args) {
	struct error error = { 0 };

	if (commit_event(state, at, name, args, &error) != 0)
		fail_msg("%s %s: %s", name, args, error.text);
}

int undo_to(struct state *state, struct position to) {
	struct error error = { 0 };
	int r;

	assert_int_equal(state_begin(state, &error), 0);
	r = state_undo(state, to, &error);
	if (r < 0)
		fail_msg("%s", error.text);
	assert_int_equal(state_commit(state, &error), 0);
	return r;
}

static int add_text(const char *text, size_t n, void *data) {
	assert_int_equal(bytes_add(data, text, n), 0);
	return 0;
}

char *dump_of(struct state *state) {
	struct bytes text = { 0 };
	struct error error = { 0 };

	if (state_dump(state, false, add_text, &text, &error) != 0)
		fail_msg("%s", error.text);
	add_text("", 1, &text);
	return (char *)text.data;
}

static sqlite3_stmt *prepare(struct state *state, const char *sql) {
	sqlite3_stmt *statement = NULL;

	if (sqlite3_prepare_v2(state_database(state), sql, -1, &statement, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(state_database(state)));
	return statement;
}

static void add_rows(struct state *state, const struct schema_table *table, struct bytes *text) {
	char *sql = sqlite3_mprintf("SELECT %s* FROM \"%w\" ORDER BY 1%s", table->without_rowid ? "" : "rowid, ", table->name,
	                            table->n_columns > 1 ? ", 2" : "");
	sqlite3_stmt *statement = prepare(state, sql);
	char *line;

	sqlite3_free(sql);
	while (sqlite3_step(statement) == SQLITE_ROW) {
		add_text(table->name, strlen(table->name), text);
		for (int i = 0; i < sqlite3_column_count(statement); i++) {
			int type = sqlite3_column_type(statement, i);

			if (type == SQLITE_FLOAT)
				line = sqlite3_mprintf(" %d:%!.20g", type, sqlite3_column_double(statement, i));
			else
				line = sqlite3_mprintf(" %d:%d:%s", type, sqlite3_column_bytes(statement, i),
				                       (const char *)sqlite3_column_text(statement, i));
			add_text(line, strlen(line), text);
			sqlite3_free(line);
		}
		add_text("\n", 1, text);
	}
	assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
}


char *deep_dump_of(struct state *state) {
	const struct schema *schema = state->schema;
	struct bytes text = { 0 };

	for (size_t i = 0; i < schema->n_tables; i++)
		add_rows(state, &schema->tables[i], &text);
	add_text("", 1, &text);
	return (char *)text.data;
}

void assert_dump(struct state *state, const char *expected) {
	char *dump = dump_of(state);

	assert_string_equal(dump, expected);
	free(dump);
}

void assert_head(struct state *state, struct position at) {
	struct state_head head;

	state_head(state, &head);
	assert_int_equal(head.at.global, at.global);
	assert_int_equal(head.at.client, at.client);
}

void assert_sound(struct state *state) {
	sqlite3_stmt *statement = prepare(state, "PRAGMA integrity_check");

	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	assert_string_equal(sqlite3_column_text(statement, 0), "ok");
	sqlite3_finalize(statement);
	statement = prepare(state, "PRAGMA foreign_key_check");
	assert_int_equal(sqlite3_step(statement), SQLITE_DONE);
	sqlite3_finalize(statement);
}

int64_t query_number(struct state *state, const char *sql) {
	sqlite3_stmt *statement = prepare(state, sql);
	int64_t number;

	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	number = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return number;
}

char *make_path(void) {
	const char *parent = getenv("TMPDIR");
	char *folder = NULL, *path = NULL;

	assert_true(asprintf(&folder, "%s/leaderd-state-XXXXXX", parent ? parent : P_tmpdir) > 0);
	assert_non_null(mkdtemp(folder));
	assert_true(asprintf(&path, "%s/state.db", folder) > 0);
	free(folder);
	return path;
}

void remove_path(char *path) {
	static const char *const suffixes[] = { "", "-wal", "-shm", "-journal" };

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		char *file = NULL;

		assert_true(asprintf(&file, "%s%s", path, suffixes[i]) > 0);
		unlink(file);
		free(file);
	}
	*strrchr(path, '/') = '\0';
	assert_int_equal(rmdir(path), 0);
	free(path);
}
