/*
 * An event's arguments against definitions of every type. The first byte chooses
 * the definition, the rest is the text. What passes is JSON for SQLite too, can be
 * parsed and bound, and its text is bound as it was written.
 */

#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "store/schema.h"

static const char schema_text[] =
	"-- store fuzz version 1\n"
	"CREATE TABLE kept (id INTEGER PRIMARY KEY, a, b, c, d, e, f);\n"
	"-- event all(t TEXT, i INTEGER, r REAL, b BOOLEAN, j JSON, x BLOB)\n"
	"INSERT INTO kept (a, b, c, d, e, f) VALUES (:t, :i, :r, :b, :j, :x);\n"
	"-- event some(t TEXT?, i INTEGER?, r REAL?, b BOOLEAN?, j JSON?, x BLOB?)\n"
	"INSERT INTO kept (a, b, c, d, e, f) VALUES (:t, :i, :r, :b, :j, :x);\n"
	"-- event none()\n"
	"INSERT INTO kept (a) VALUES (:args);\n"
	"-- event text(t TEXT)\n"
	"INSERT INTO kept (a) VALUES (:t);\n"
	"-- event json(j JSON)\n"
	"INSERT INTO kept (a) VALUES (:j);\n";

static const struct schema *load(void) {
	static struct schema *schema;
	struct error error = { 0 };

	if (!schema && schema_load(&schema, schema_text, sizeof(schema_text) - 1, "fuzz.sql", &error) < 0)
		must_failed(error.text, __FILE__, __LINE__);
	return schema;
}

static sqlite3 *database(void) {
	static sqlite3 *db;

	must(db || sqlite3_open(":memory:", &db) == SQLITE_OK);
	return db;
}

static void bind(const struct arguments *arguments, const char *sql, const char *args, size_t n) {
	struct event *event = event_create("fuzz", args, n);
	sqlite3_stmt *statement = NULL;
	struct error error = { 0 };

	must(event != NULL);
	must(sqlite3_prepare_v2(database(), sql, -1, &statement, NULL) == SQLITE_OK);
	fuzz_expect(arguments_bind(arguments, event, statement, &error) == 0);
	fuzz_expect(sqlite3_step(statement) == SQLITE_ROW);
	fuzz_expect(sqlite3_column_int(statement, 0) == 1); /* json_valid */
	fuzz_expect((size_t)sqlite3_column_bytes(statement, 1) == n);
	fuzz_expect(memcmp(sqlite3_column_text(statement, 1), args, n) == 0);
	fuzz_expect(sqlite3_column_int(statement, 2) == 1);
	sqlite3_finalize(statement);
	event_destroy(event);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
	struct fuzz_input input = { data, n };
	const struct schema *schema = load();
	const struct schema_event *definition = &schema->events[fuzz_below(&input, (unsigned)schema->n_events)];
	struct arguments *arguments = NULL;
	struct error error = { 0 };
	size_t n_args = input.n;
	char *args = fuzz_text(&input);
	int r = arguments_check(definition, args, n_args, &error);

	fuzz_expect_told(r, &error);
	fuzz_expect(r == 0 || r == ERROR_INVALID || r == ERROR_TOO_LARGE);
	fuzz_expect(arguments_parse(&arguments, definition, args, n_args, &error) == r);
	if (r == 0) {
		bool has_json = definition->n_arguments > 1 || strcmp(definition->name, "json") == 0;

		bind(arguments, has_json ? "SELECT json_valid(:args), :args, :j IS NULL OR json_valid(:j)"
		                         : "SELECT json_valid(:args), :args, 1", args, n_args);
	}
	arguments_destroy(arguments);
	free(args);
	return 0;
}
