#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/database.h"

void read_file(struct bytes *ret, const char *path) {
	FILE *file = fopen(path, "re");
	char piece[4096];
	size_t n;

	assert_non_null(file);
	while ((n = fread(piece, 1, sizeof(piece), file)) > 0)
		assert_int_equal(bytes_add(ret, piece, n), 0);
	assert_int_equal(ferror(file), 0);
	fclose(file);
	assert_int_equal(bytes_add_u8(ret, 0), 0);
	ret->n--;
}

struct schema *load(const char *text) {
	struct schema *schema = NULL;
	struct error error = { 0 };

	if (schema_load(&schema, text, strlen(text), "test.sql", &error) < 0)
		fail_msg("%s", error.text);
	return schema;
}

struct schema *load_shipped(const char *name) {
	struct bytes text = { 0 };
	struct schema *schema;
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", SCHEMAS_FOLDER, name);
	read_file(&text, path);
	schema = load((const char *)text.data);
	bytes_finish(&text);
	return schema;
}

void run(sqlite3 *db, const char *sql) {
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
}

sqlite3 *open_tables(const struct schema *schema) {
	struct error error = { 0 };
	sqlite3 *db = NULL;

	assert_int_equal(database_open(&db, NULL, DATABASE_MEMORY, &error), 0);
	assert_int_equal(schema_functions_install(db, NULL, &error), 0);
	for (size_t i = 0; i < schema->n_definitions; i++)
		run(db, schema->definitions[i].sql);
	return db;
}

static int step_all(sqlite3 *db, const char *sql, const struct arguments *arguments, const struct event *event) {
	struct error error = { 0 };
	sqlite3_stmt *statement = NULL;
	int rc;

	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
	assert_int_equal(arguments_bind(arguments, event, statement, &error), 0);
	do
		rc = sqlite3_step(statement);
	while (rc == SQLITE_ROW);
	sqlite3_finalize(statement);
	return rc;
}

int materialize(sqlite3 *db, const struct schema *schema, const struct event *event) {
	const struct schema_event *definition = schema_find_event(schema, event->name, event->version);
	struct arguments *arguments = NULL;
	struct error error = { 0 };
	int rc = SQLITE_DONE;

	assert_non_null(definition);
	if (arguments_parse(&arguments, definition, event->args, event->args_bytes, &error) < 0)
		fail_msg("%s", error.text);
	run(db, "SAVEPOINT event");
	for (size_t i = 0; rc == SQLITE_DONE && i < definition->n_statements; i++)
		rc = step_all(db, definition->statements[i].sql, arguments, event);
	if (rc != SQLITE_DONE)
		run(db, "ROLLBACK TO event");
	run(db, "RELEASE event");
	arguments_destroy(arguments);
	return rc;
}

void dump(struct bytes *ret, sqlite3 *db, const char *sql) {
	sqlite3_stmt *statement = NULL;

	if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	while (sqlite3_step(statement) == SQLITE_ROW)
		for (int i = 0; i < sqlite3_column_count(statement); i++) {
			const char *text = (const char *)sqlite3_column_text(statement, i);

			text = text ? text : "NULL";
			assert_int_equal(bytes_add(ret, text, strlen(text)), 0);
			assert_int_equal(bytes_add_u8(ret, i + 1 < sqlite3_column_count(statement) ? '|' : '\n'), 0);
		}
	assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
	assert_int_equal(bytes_add_u8(ret, 0), 0);
	ret->n--;
}

struct event *make_event(const char *name, const char *args, char client, unsigned n) {
	struct event *event = event_create(name, args, strlen(args));

	assert_non_null(event);
	event->version = 1;
	memset(event->client_id, client, CLIENT_ID_BYTES);
	snprintf(event->session_id, sizeof(event->session_id), "session-%c", client);
	event->hlc = (struct hlc){ .time_ms = 1700000000000u + n / 16, .counter = n % 16 };
	event->entry.id.bytes[0] = (uint8_t)client;
	event->entry.id.bytes[14] = (uint8_t)(n >> 8);
	event->entry.id.bytes[15] = (uint8_t)n;
	return event;
}

uint64_t seed_of_test(void) {
	const char *text = getenv("LEADERD_SEED");
	uint64_t seed = text ? strtoull(text, NULL, 0) : 20240229;

	print_message("seed %llu (LEADERD_SEED sets another)\n", (unsigned long long)seed);
	return seed;
}

/* splitmix64 */
uint64_t next_random(uint64_t *state) {
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}
