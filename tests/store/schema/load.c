#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/hash.h"
#include "support.h"

#define STORE "-- store test version 1\n"

static void expect_refused(const char *text, size_t n, int code, const char *message) {
	struct schema *schema = NULL;
	struct error error = { 0 };

	assert_int_equal(schema_load(&schema, text, n, "app.sql", &error), code);
	assert_null(schema);
	assert_int_equal(error.code, code);
	assert_string_equal(error.text, message);
}

static void add(struct bytes *text, const char *piece) {
	assert_int_equal(bytes_add(text, piece, strlen(piece)), 0);
}

/* STORE, then `format` with each number from 0 to n - 1, then `end`. */
static void make_text(struct bytes *text, const char *begin, const char *format, unsigned n, const char *end) {
	char piece[200];

	bytes_clear(text);
	add(text, STORE);
	add(text, begin);
	for (unsigned i = 0; i < n; i++) {
		sqlite3_snprintf(sizeof(piece), piece, format, i);
		add(text, piece);
	}
	add(text, end);
}

static void expect_bound(const char *begin, const char *format, const char *end, unsigned max, const char *message) {
	struct bytes text = { 0 };
	struct schema *schema;

	make_text(&text, begin, format, max, end);
	assert_int_equal(bytes_add_u8(&text, 0), 0);
	schema = load((const char *)text.data);
	schema_destroy(schema);
	make_text(&text, begin, format, max + 1, end);
	expect_refused((const char *)text.data, text.n, ERROR_SCHEMA, message);
	bytes_finish(&text);
}

static void a_schema_is_what_its_text_says(void **state) {
	static const char text[] =
		"-- store org.example.notes version 7\n"
		"CREATE TABLE zoo (b INTEGER NOT NULL, a TEXT NOT NULL, c, PRIMARY KEY (a, b)) WITHOUT ROWID;\n"
		"CREATE TABLE Ape (id INTEGER PRIMARY KEY, zoo TEXT);\n"
		"CREATE TABLE ape_view (session TEXT PRIMARY KEY NOT NULL);\n"
		"CREATE INDEX by_zoo ON Ape (zoo);\n"
		"-- event came@3(name TEXT, weight REAL?) \n"
		"INSERT INTO ape (zoo)\n"
		"  VALUES (:name);\n"
		"SELECT 1; SELECT 2;\n"
		"-- event seen(flag BOOLEAN, n INTEGER, data JSON?, raw BLOB) client-only\n"
		"INSERT INTO ape_view VALUES (:session_id);\n";
	struct schema *schema = load(text);
	struct hash fingerprint;

	hash_bytes(&fingerprint, text, strlen(text));
	assert_true(hash_equal(&schema->fingerprint, &fingerprint));
	assert_string_equal(schema->text, text);
	assert_string_equal(schema->store_name, "org.example.notes");
	assert_int_equal(schema->version, 7);
	assert_int_equal(schema->n_definitions, 4);
	assert_int_equal(schema->definitions[3].line, 5);

	assert_int_equal(schema->n_tables, 3);
	assert_string_equal(schema->tables[0].name, "Ape");
	assert_string_equal(schema->tables[1].name, "ape_view");
	assert_string_equal(schema->tables[2].name, "zoo");
	assert_int_equal(schema->tables[0].world, WORLD_SYNCED);
	assert_int_equal(schema->tables[1].world, WORLD_CLIENT_ONLY);
	assert_int_equal(schema->tables[2].world, WORLD_SYNCED);
	assert_false(schema->tables[0].without_rowid);
	assert_true(schema->tables[2].without_rowid);
	assert_int_equal(schema->tables[2].n_columns, 3);
	assert_int_equal(schema->tables[2].n_key_columns, 2);
	assert_int_equal(schema->tables[2].key_columns[0], 1);
	assert_int_equal(schema->tables[2].key_columns[1], 0);

	assert_int_equal(schema->n_events, 2);
	assert_string_equal(schema->events[0].name, "came");
	assert_int_equal(schema->events[0].version, 3);
	assert_int_equal(schema->events[0].line, 6);
	assert_int_equal(schema->events[0].n_statements, 3);
	assert_string_equal(schema->events[0].statements[0].sql, "INSERT INTO ape (zoo)\n  VALUES (:name);");
	assert_int_equal(schema->events[0].statements[2].line, 9);
	assert_string_equal(schema->events[0].arguments[1].name, "weight");
	assert_int_equal(schema->events[0].arguments[1].type, ARGUMENT_REAL);
	assert_true(schema->events[0].arguments[1].optional);
	assert_false(schema->events[0].client_only);
	assert_true(schema->events[1].client_only);
	assert_int_equal(schema->events[1].version, 1);
	assert_int_equal(schema->events[1].n_arguments, 4);
	schema_destroy(schema);
}

static void tables_and_events_are_found_by_name(void **state) {
	struct schema *schema = load(STORE "CREATE TABLE b (id TEXT PRIMARY KEY NOT NULL);\n"
	                                   "CREATE TABLE A (id TEXT PRIMARY KEY NOT NULL);\n"
	                                   "CREATE TABLE c (id TEXT PRIMARY KEY NOT NULL);\n"
	                                   "-- event e@2(x TEXT?)\n"
	                                   "-- event e@1(x TEXT) becomes e: SELECT :x AS x\n"
	                                   "-- event f(x TEXT)\n");

	assert_int_equal(schema_find_table(schema, "A"), 0);
	assert_int_equal(schema_find_table(schema, "b"), 1);
	assert_int_equal(schema_find_table(schema, "c"), 2);
	assert_int_equal(schema_find_table(schema, "B"), 1);
	assert_int_equal(schema_find_table(schema, "a"), 0);
	assert_int_equal(schema_find_table(schema, "d"), -1);
	assert_ptr_equal(schema_find_event(schema, "e", 0), &schema->events[0]);
	assert_ptr_equal(schema_find_event(schema, "e", 1), &schema->events[1]);
	assert_ptr_equal(schema_find_event(schema, "f", 0), &schema->events[2]);
	assert_null(schema_find_event(schema, "e", 3));
	assert_null(schema_find_event(schema, "g", 0));
	schema_destroy(schema);
}

static void a_lift_knows_what_it_becomes(void **state) {
	struct schema *schema = load(STORE "-- event e@1(a TEXT) becomes e@2: SELECT :a AS b\n"
	                                   "-- event e@2(b TEXT) becomes f: SELECT :b AS d;\n"
	                                   "-- event f@1(c TEXT) becomes f:\n"
	                                   "  SELECT :c AS d\n"
	                                   "-- event f@4(d TEXT)\n");

	assert_string_equal(schema->events[0].becomes, "e");
	assert_int_equal(schema->events[0].becomes_version, 2);
	assert_int_equal(schema->events[0].becomes_index, 1);
	assert_int_equal(schema->events[1].becomes_version, 4);
	assert_int_equal(schema->events[1].becomes_index, 3);
	assert_int_equal(schema->events[2].becomes_index, 3);
	assert_int_equal(schema->events[2].n_statements, 1);
	assert_int_equal(schema->events[2].statements[0].line, 5);
	assert_null(schema->events[3].becomes);
	assert_int_equal(schema_event_mode(&schema->events[0]), AUTHORIZER_LIFT);
	assert_int_equal(schema_event_mode(&schema->events[3]), AUTHORIZER_SYNCED);
	schema_destroy(schema);
}

static void a_byte_that_is_no_text_is_named_with_its_line(void **state) {
	static const char nul[] = STORE "-- a\0b\n";
	static const char latin[] = STORE "\n-- caf\xe9\n";
	static const char cut[] = STORE "-- \xe2\x82";
	static const char surrogate[] = STORE "-- \xed\xa0\x80\n";

	expect_refused(nul, sizeof(nul) - 1, ERROR_SCHEMA, "app.sql:2: a NUL byte in the text");
	expect_refused(latin, sizeof(latin) - 1, ERROR_SCHEMA, "app.sql:3: the text is not UTF-8");
	expect_refused(cut, sizeof(cut) - 1, ERROR_SCHEMA, "app.sql:2: the text is not UTF-8");
	expect_refused(surrogate, sizeof(surrogate) - 1, ERROR_SCHEMA, "app.sql:2: the text is not UTF-8");
	expect_refused("", 0, ERROR_SCHEMA, "app.sql:1: expected '-- store NAME version N' first");
}

static void a_text_is_bounded(void **state) {
	size_t n = SCHEMA_BYTES_MAX + 1;
	char *text = malloc(n);
	struct schema *schema = NULL;
	struct error error = { 0 };

	assert_non_null(text);
	memset(text, ' ', n);
	memcpy(text, STORE, strlen(STORE));
	assert_int_equal(schema_load(&schema, text, n - 1, "app.sql", &error), 0);
	schema_destroy(schema);
	expect_refused(text, n, ERROR_TOO_LARGE, "app.sql: the schema has 262145 bytes, at most 262144 are allowed");
	free(text);
}

static void every_list_is_bounded(void **state) {
	expect_bound("", "CREATE TABLE t%u (id TEXT PRIMARY KEY NOT NULL);\n", "", SCHEMA_TABLES_MAX,
	             "app.sql:258: more than 256 tables");
	expect_bound("", "-- event e%u()\n", "", SCHEMA_EVENTS_MAX, "app.sql:1026: more than 1024 event definitions");
	expect_bound("-- event e(first TEXT", ", a%u TEXT", ")\n", SCHEMA_ARGUMENTS_MAX - 1,
	             "app.sql:2: event 'e' has more than 64 arguments");
	expect_bound("-- event e()\n", "SELECT %u;\n", "", SCHEMA_STATEMENTS_MAX,
	             "app.sql:67: event 'e' has more than 64 statements");
}

static void a_name_is_bounded(void **state) {
	char text[400];
	struct schema *schema;

	snprintf(text, sizeof(text), STORE "-- event e%0*d()\n", (int)EVENT_NAME_BYTES_MAX - 1, 1);
	schema = load(text);
	assert_int_equal(strlen(schema->events[0].name), EVENT_NAME_BYTES_MAX);
	schema_destroy(schema);
	snprintf(text, sizeof(text), STORE "-- event e%0*d()\n", (int)EVENT_NAME_BYTES_MAX, 1);
	expect_refused(text, strlen(text), ERROR_SCHEMA,
	               "app.sql:2: expected an event's name: letters, digits and _, at most 128");
	snprintf(text, sizeof(text), STORE "-- event e(e%0*d TEXT)\n", (int)EVENT_NAME_BYTES_MAX, 1);
	expect_refused(text, strlen(text), ERROR_SCHEMA, "app.sql:2: an argument's name has more than 128 bytes");
	snprintf(text, sizeof(text), STORE "CREATE TABLE t%0*d (id TEXT PRIMARY KEY NOT NULL);\n", 200, 1);
	expect_refused(text, strlen(text), ERROR_SCHEMA,
	               "app.sql:2: the name 't000000000000000000000000000000000000000...' is too long");
}

static void make_lifts(struct bytes *text, unsigned n_lifts) {
	char piece[100];

	bytes_clear(text);
	add(text, STORE);
	for (unsigned i = 1; i <= n_lifts; i++) {
		snprintf(piece, sizeof(piece), "-- event e@%u(a TEXT) becomes e@%u: SELECT :a AS a\n", i, i + 1);
		add(text, piece);
	}
	snprintf(piece, sizeof(piece), "-- event e@%u(a TEXT)\n", n_lifts + 1);
	add(text, piece);
	assert_int_equal(bytes_add_u8(text, 0), 0);
	text->n--;
}

static void lifts_in_a_row_are_bounded(void **state) {
	struct bytes text = { 0 };

	make_lifts(&text, SCHEMA_LIFTS_MAX);
	schema_destroy(load((const char *)text.data));
	make_lifts(&text, SCHEMA_LIFTS_MAX + 1);
	expect_refused((const char *)text.data, text.n, ERROR_SCHEMA, "app.sql:2: event e@1 is lifted more than 32 times");
	bytes_finish(&text);
}

static void of_a_long_label_the_end_is_shown(void **state) {
	struct schema *schema = NULL;
	struct error error = { 0 };
	char label[600];

	memset(label, 'x', sizeof(label));
	strcpy(label + sizeof(label) - 9, "/app.sql");
	assert_int_equal(schema_load(&schema, "SELECT", 6, label, &error), ERROR_SCHEMA);
	assert_non_null(strstr(error.text, "/app.sql:1: the statement is not ended by ';'"));
}

/* Whatever is cut off, changed or repeated: an answer, and nothing broken. */
static void a_damaged_text_is_refused_or_loads(void **state) {
	uint64_t random = seed_of_test();
	struct bytes text = { 0 };

	read_file(&text, SCHEMAS_FOLDER "/todos.sql");
	for (int i = 0; i < 400; i++) {
		struct schema *schema = NULL;
		struct error error = { 0 };
		size_t n = text.n - next_random(&random) % 40;
		char *damaged = malloc(n);
		int r;

		assert_non_null(damaged);
		memcpy(damaged, text.data, n);
		for (uint64_t k = next_random(&random) % 4; k > 0; k--)
			damaged[next_random(&random) % n] = "-'\"(;:@/* \n,\0x"[next_random(&random) % 14];
		r = schema_load(&schema, damaged, n, "app.sql", &error);
		assert_true(r == 0 || r == ERROR_SCHEMA);
		assert_true((r == 0) == (schema != NULL));
		assert_true(r == 0 || strncmp(error.text, "app.sql:", 8) == 0);
		schema_destroy(schema);
		free(damaged);
	}
	bytes_finish(&text);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_schema_is_what_its_text_says),
		cmocka_unit_test(tables_and_events_are_found_by_name),
		cmocka_unit_test(a_lift_knows_what_it_becomes),
		cmocka_unit_test(a_byte_that_is_no_text_is_named_with_its_line),
		cmocka_unit_test(a_text_is_bounded),
		cmocka_unit_test(every_list_is_bounded),
		cmocka_unit_test(a_name_is_bounded),
		cmocka_unit_test(lifts_in_a_row_are_bounded),
		cmocka_unit_test(of_a_long_label_the_end_is_shown),
		cmocka_unit_test(a_damaged_text_is_refused_or_loads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
