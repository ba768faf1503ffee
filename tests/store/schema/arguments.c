#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "store/database.h"
#include "support.h"

static const char events[] = "-- store test version 1\n"
							 "-- event all(t TEXT?, i INTEGER?, r REAL?, b BOOLEAN?, j JSON?, x BLOB?)\n"
							 "-- event need(id TEXT)\n"
							 "-- event needJson(j JSON)\n"
							 "-- event none()\n";

/* What an argument becomes: typeof and quote of each, in one row. */
static const char shows[] = "SELECT typeof(:t) || ' ' || quote(:t), typeof(:i) || ' ' || quote(:i), "
							"typeof(:r) || ' ' || quote(:r), typeof(:b) || ' ' || quote(:b), "
							"typeof(:j) || ' ' || quote(:j), typeof(:x) || ' ' || quote(:x)";

static const struct {
	const char *event;
	const char *args;
	const char *found; /* the error's text; NULL: accepted */
} checks[] = {
	{ "none", "{}", NULL },
	{ "none", " { } ", NULL },
	{ "need", "{\"id\":\"\"}", NULL },
	{ "need", "{\"\\u0069d\":\"x\"}", NULL },
	{ "all", "{}", NULL },
	{ "all", "{\"t\":null,\"i\":null,\"r\":null,\"b\":null,\"j\":null,\"x\":null}", NULL },
	{ "needJson", "{\"j\":[{\"deep\":[null,true]}]}", NULL },
	{ "all", "{\"i\":9223372036854775807}", NULL },
	{ "all", "{\"i\":-9223372036854775808}", NULL },

	{ "none", "", "the arguments of event none@1 are no JSON object, at byte 0: '[' or '{' expected" },
	{ "none", "[]", "the arguments of event none@1 must be a JSON object" },
	{ "none", "\"x\"", "'[' or '{' expected" },
	{ "none", "{", "no JSON object" },
	{ "none", "{} {}", "end of file expected" },
	{ "none", "{}x", "end of file expected" },
	{ "none", "{\"a\":1}", "event none@1 has no argument 'a'" },
	{ "need", "{\"id\":\"x\",\"more\":1}", "event need@1 has no argument 'more'" },
	{ "need", "{}", "argument 'id' of event need@1 is missing" },
	{ "need", "{\"ID\":\"x\"}", "argument 'id' of event need@1 is missing" },
	{ "need", "{\"id\":null}", "argument 'id' of event need@1 must be a string" },
	{ "need", "{\"id\":\"a\",\"id\":\"b\"}", "argument 'id' of event need@1 is no JSON, at byte 14: duplicate object key" },
	{ "need", "{\"id\":\"a\",\"\\u0069d\":\"b\"}", "duplicate object key" },
	{ "needJson", "{\"j\":{\"a\":1,\"a\":2}}", "duplicate object key" },
	{ "needJson", "{\"j\":null}", "argument 'j' of event needJson@1 must be a JSON value" },
	{ "need", "{\"id\":\"a\\u0000b\"}", "argument 'id' of event need@1 is no JSON" },
	{ "need", "{\"id\":\"\xff\"}", "argument 'id' of event need@1 is no JSON" },
	{ "need", "{\"id\":\"\\ud800\"}", "invalid Unicode" },
	{ "need", "{id:\"x\"}", "no JSON object" },
	{ "need", "{\"id\":'x'}", "argument 'id' of event need@1 is no JSON" },
	{ "need", "{\"id\":\"x\",}", "is no JSON" },
	{ "all", "{\"t\":1}", "argument 't' of event all@1 must be a string" },
	{ "all", "{\"i\":\"1\"}", "argument 'i' of event all@1 must be an integer" },
	{ "all", "{\"i\":1.0}", "argument 'i' of event all@1 must be an integer" },
	{ "all", "{\"i\":1e3}", "argument 'i' of event all@1 must be an integer" },
	{ "all", "{\"i\":true}", "argument 'i' of event all@1 must be an integer" },
	{ "all", "{\"i\":9223372036854775808}", "argument 'i' of event all@1 is no JSON, at byte 24: too big integer" },
	{ "all", "{\"i\":-9223372036854775809}", "argument 'i' of event all@1 is no JSON, at byte 25: too big negative integer" },
	{ "all", "{\"i\":01}", "argument 'i' of event all@1 is no JSON" },
	{ "all", "{\"r\":\"1\"}", "argument 'r' of event all@1 must be a number" },
	{ "all", "{\"r\":1e999}", "argument 'r' of event all@1 is no JSON, at byte 10: real number overflow" },
	{ "all", "{\"r\":NaN}", "argument 'r' of event all@1 is no JSON" },
	{ "all", "{\"b\":1}", "argument 'b' of event all@1 must be true or false" },
	{ "all", "{\"b\":\"true\"}", "argument 'b' of event all@1 must be true or false" },
	{ "all", "{\"x\":1}", "argument 'x' of event all@1 must be a string in base64" },
	{ "all", "{\"x\":\"A\"}", "argument 'x' of event all@1 must be a string in base64" },
	{ "all", "{\"x\":\"AA\"}", "base64" },
	{ "all", "{\"x\":\"AA=A\"}", "base64" },
	{ "all", "{\"x\":\"A===\"}", "base64" },
	{ "all", "{\"x\":\"====\"}", "base64" },
	{ "all", "{\"x\":\"AAA\"}", "base64" },
	{ "all", "{\"x\":\"AAAA\\n\"}", "base64" },
	{ "all", "{\"x\":\"AA A\"}", "base64" },
	{ "all", "{\"x\":\"_-AA\"}", "base64" },
	{ "all", "{\"x\":\"AB==\"}", "base64" },
	{ "all", "{\"x\":\"AAB=\"}", "base64" },
	{ "all", "{\"x\":\"AA==AAAA\"}", "base64" },
};

static const struct {
	const char *args;
	const char *shown;
} binds[] = {
	{ "{}", "null NULL|null NULL|null NULL|null NULL|null NULL|null NULL\n" },
	{ "{\"t\":\"it's\",\"i\":-7,\"r\":2,\"b\":true,\"j\":1,\"x\":\"AP8=\"}",
	  "text 'it''s'|integer -7|real 2.0|integer 1|text '1'|blob X'00FF'\n" },
	{ "{\"t\":\"\",\"r\":-0.25,\"b\":false,\"j\":\"\",\"x\":\"\"}",
	  "text ''|null NULL|real -0.25|integer 0|text '\"\"'|blob X''\n" },
	{ "{\"t\":\"\\u00e9\\n\\ud83d\\ude00\"}",
	  "text '\xc3\xa9\n\xf0\x9f\x98\x80'|null NULL|null NULL|null NULL|null NULL|null NULL\n" },
	{ "{\"x\":\"TWFu\",\"i\":9223372036854775807,\"r\":1e2}",
	  "null NULL|integer 9223372036854775807|real 100.0|null NULL|null NULL|blob X'4D616E'\n" },
	/* JSON keeps its spelling: order, numbers and escapes; only space between tokens goes. */
	{ "{ \"j\" : { \"b\" : 1.50 , \"a\" : [ 1e2 , \"x \\u0079 \\\" ] }\" , null ] } , \"t\" : \"}\" }",
	  "text '}'|null NULL|null NULL|null NULL|"
	  "text '{\"b\":1.50,\"a\":[1e2,\"x \\u0079 \\\" ] }\",null]}'|null NULL\n" },
	{ "{\"t\":\"\\\"j\\\":1\",\"\\u006a\":\n[]\n}",
	  "text '\"j\":1'|null NULL|null NULL|null NULL|text '[]'|null NULL\n" },
	{ "{\"j\":-0.0,\"i\":0}", "null NULL|integer 0|null NULL|null NULL|text '-0.0'|null NULL\n" },
	{ "{\"j\":true }", "null NULL|null NULL|null NULL|null NULL|text 'true'|null NULL\n" },
};

static void arguments_are_accepted_or_refused_by_their_definition(void **state) {
	struct schema *schema = load(events);

	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		const struct schema_event *event = schema_find_event(schema, checks[i].event, 0);
		struct error error = { 0 };
		int r = arguments_check(event, checks[i].args, strlen(checks[i].args), &error);

		if (r != (checks[i].found ? ERROR_INVALID : 0) || (checks[i].found && !strstr(error.text, checks[i].found)))
			fail_msg("%s %s: %d \"%s\", expected \"%s\"", checks[i].event, checks[i].args, r, error.text,
			         checks[i].found ? checks[i].found : "0");
	}
	schema_destroy(schema);
}

static void a_refusal_does_not_quote_the_users_text(void **state) {
	static const char args[] = "{\"id\":secret}";
	struct schema *schema = load(events);
	struct error error = { 0 };

	assert_int_equal(arguments_check(schema_find_event(schema, "need", 0), args, strlen(args), &error), ERROR_INVALID);
	assert_null(strstr(error.text, "secret"));
	schema_destroy(schema);
}

static void a_nul_byte_is_no_json(void **state) {
	static const char args[] = "{\"id\":\"a\0b\"}";
	struct schema *schema = load(events);
	struct error error = { 0 };

	assert_int_equal(arguments_check(schema_find_event(schema, "need", 0), args, sizeof(args) - 1, &error),
	                 ERROR_INVALID);
	assert_int_equal(arguments_check(schema_find_event(schema, "none", 0), "{}\0", 3, &error), ERROR_INVALID);
	schema_destroy(schema);
}

static void arguments_are_bounded(void **state) {
	struct schema *schema = load(events);
	struct error error = { 0 };
	size_t n = EVENT_ARGS_BYTES_MAX + 1;
	char *args = malloc(n);

	assert_non_null(args);
	memset(args, ' ', n);
	memcpy(args, "{}", 2);
	assert_int_equal(arguments_check(schema_find_event(schema, "none", 0), args, n - 1, &error), 0);
	assert_int_equal(arguments_check(schema_find_event(schema, "none", 0), args, n, &error), ERROR_TOO_LARGE);
	assert_string_equal(error.text, "the arguments of event none@1 have 262145 bytes, at most 262144 are allowed");
	/* Deeper than any reader follows: an answer, not an overflow. */
	memset(args, '[', n);
	memcpy(args, "{\"j\":", 5);
	assert_int_equal(arguments_check(schema_find_event(schema, "needJson", 0), args, n - 1, &error), ERROR_INVALID);
	free(args);
	schema_destroy(schema);
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql) {
	sqlite3_stmt *statement = NULL;

	if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	return statement;
}

/* Binds the arguments of `event` and shows the one row that `sql` gives. */
static void show(struct bytes *ret, sqlite3 *db, const struct schema_event *definition, const struct event *event,
                 const char *sql) {
	struct arguments *arguments = NULL;
	struct error error = { 0 };
	sqlite3_stmt *statement = prepare(db, sql);

	if (arguments_parse(&arguments, definition, event->args, event->args_bytes, &error) < 0)
		fail_msg("%s: %s", event->args, error.text);
	assert_int_equal(arguments_bind(arguments, event, statement, &error), 0);
	/* What was bound is a copy. */
	arguments_destroy(arguments);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	bytes_clear(ret);
	for (int i = 0; i < sqlite3_column_count(statement); i++) {
		const char *text = (const char *)sqlite3_column_text(statement, i);

		assert_non_null(text);
		assert_int_equal(bytes_add(ret, text, strlen(text)), 0);
		assert_int_equal(bytes_add_u8(ret, i + 1 < sqlite3_column_count(statement) ? '|' : '\n'), 0);
	}
	assert_int_equal(bytes_add_u8(ret, 0), 0);
	sqlite3_finalize(statement);
}

static void arguments_are_bound_by_their_type(void **state) {
	struct schema *schema = load(events);
	sqlite3 *db = open_tables(schema);
	struct bytes shown = { 0 };

	for (size_t i = 0; i < sizeof(binds) / sizeof(binds[0]); i++) {
		struct event *event = make_event("all", binds[i].args, 'a', 1);

		show(&shown, db, schema_find_event(schema, "all", 0), event, shows);
		assert_string_equal((const char *)shown.data, binds[i].shown);
		event_destroy(event);
	}
	bytes_finish(&shown);
	database_close(db);
	schema_destroy(schema);
}

static void what_is_always_bound_comes_from_the_event(void **state) {
	struct schema *schema = load(events);
	sqlite3 *db = open_tables(schema);
	struct bytes shown = { 0 };
	struct event *event = make_event("need", "{ \"id\" : \"x\" }", 'a', 33);
	char hlc[HLC_TEXT_BYTES], id[EVENT_ID_TEXT_BYTES], expected[512];

	hlc_print(hlc, event->hlc, event->client_id, event->session_id);
	event_id_print(id, &event->entry.id);
	sqlite3_snprintf(sizeof(expected), expected, "%s|%s|session-a|%s|1700000000002 integer|{ \"id\" : \"x\" }|x\n", id,
	                 event->client_id, hlc);
	show(&shown, db, schema_find_event(schema, "need", 0), event,
	     "SELECT :event_id, :client_id, :session_id, :hlc, :time_ms || ' ' || typeof(:time_ms), :args, :id");
	assert_string_equal((const char *)shown.data, expected);

	event_destroy(event);
	bytes_finish(&shown);
	database_close(db);
	schema_destroy(schema);
}

static const struct {
	const char *select;
	const char *lifted; /* NULL: does not fit */
} lifts[] = {
	{ "SELECT 1 AS i", "{\"i\":1}" },
	{ "SELECT NULL AS i, NULL AS t", "{}" },
	{ "SELECT 'a\"\\' || char(10, 233) AS t", "{\"t\":\"a\\\"\\\\\\u000a\xc3\xa9\"}" },
	{ "SELECT 0.1 AS r", "{\"r\":0.10000000000000001}" },
	{ "SELECT 3 AS r", "{\"r\":3}" },
	{ "SELECT 2.0 AS r", "{\"r\":2}" },
	{ "SELECT 1 AS b, 'x' AS t", "{\"t\":\"x\",\"b\":true}" },
	{ "SELECT 0 AS b", "{\"b\":false}" },
	{ "SELECT '{\"a\": [1]}' AS j", "{\"j\":{\"a\": [1]}}" },
	{ "SELECT x'' AS x", "{\"x\":\"\"}" },
	{ "SELECT x'4d' AS x", "{\"x\":\"TQ==\"}" },
	{ "SELECT x'4d61' AS x", "{\"x\":\"TWE=\"}" },
	{ "SELECT x'4d616e' AS x", "{\"x\":\"TWFu\"}" },
	{ "SELECT -9223372036854775808 AS i", "{\"i\":-9223372036854775808}" },
	{ "SELECT 1 AS t", NULL },
	{ "SELECT x'ff' AS t", NULL },
	{ "SELECT CAST(x'ff' AS TEXT) AS t", NULL },
	{ "SELECT CAST(x'610062' AS TEXT) AS t", NULL },
	{ "SELECT '1' AS i", NULL },
	{ "SELECT 1.0 AS i", NULL },
	{ "SELECT '1' AS r", NULL },
	{ "SELECT 9e999 AS r", NULL },
	{ "SELECT 2 AS b", NULL },
	{ "SELECT 'true' AS b", NULL },
	{ "SELECT '{' AS j", NULL },
	{ "SELECT '1,\"t\":\"x\"' AS j", NULL },
	{ "SELECT '{\"a\":1,\"a\":2}' AS j", NULL },
	{ "SELECT 5 AS j", NULL },
	{ "SELECT 'TQ==' AS x", NULL },
};

static void a_row_becomes_the_arguments_of_the_newer_event(void **state) {
	struct schema *schema = load(events);
	const struct schema_event *all = schema_find_event(schema, "all", 0);
	sqlite3 *db = open_tables(schema);

	for (size_t i = 0; i < sizeof(lifts) / sizeof(lifts[0]); i++) {
		sqlite3_stmt *row = prepare(db, lifts[i].select);
		struct bytes text = { 0 };
		struct error error = { 0 };
		int r;

		assert_int_equal(bytes_add(&text, "old", 3), 0);
		assert_int_equal(sqlite3_step(row), SQLITE_ROW);
		r = arguments_lift(&text, all, row, &error);
		if (lifts[i].lifted) {
			assert_int_equal(r, 0);
			assert_int_equal(text.n, strlen(lifts[i].lifted));
			assert_memory_equal(text.data, lifts[i].lifted, text.n);
			assert_int_equal(arguments_check(all, (const char *)text.data, text.n, &error), 0);
		} else {
			if (r != ERROR_INVALID)
				fail_msg("%s: %d", lifts[i].select, r);
			assert_non_null(strstr(error.text, "does not fit argument"));
			assert_memory_equal(text.data, "old", 3); /* untouched */
		}
		sqlite3_finalize(row);
		bytes_finish(&text);
	}
	database_close(db);
	schema_destroy(schema);
}

/* An app may have set a locale whose decimal point is a comma. */
static void numbers_do_not_follow_the_locale(void **state) {
	struct schema *schema = load(events);
	const struct schema_event *all = schema_find_event(schema, "all", 0);
	sqlite3 *db = open_tables(schema);
	struct event *event = make_event("all", "{\"r\":1.5}", 'a', 1);
	struct bytes shown = { 0 };
	sqlite3_stmt *row = prepare(db, "SELECT 1.5 AS r");
	struct error error = { 0 };

	if (!setlocale(LC_NUMERIC, "de_DE.UTF-8"))
		print_message("de_DE.UTF-8 is not installed: run in the C locale\n");
	show(&shown, db, all, event, "SELECT :r");
	assert_string_equal((const char *)shown.data, "1.5\n");
	assert_int_equal(sqlite3_step(row), SQLITE_ROW);
	assert_int_equal(arguments_lift(&shown, all, row, &error), 0);
	assert_memory_equal(shown.data, "{\"r\":1.5}", 9);
	setlocale(LC_NUMERIC, "C");

	sqlite3_finalize(row);
	bytes_finish(&shown);
	event_destroy(event);
	database_close(db);
	schema_destroy(schema);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arguments_are_accepted_or_refused_by_their_definition),
		cmocka_unit_test(a_refusal_does_not_quote_the_users_text),
		cmocka_unit_test(a_nul_byte_is_no_json),
		cmocka_unit_test(arguments_are_bounded),
		cmocka_unit_test(arguments_are_bound_by_their_type),
		cmocka_unit_test(what_is_always_bound_comes_from_the_event),
		cmocka_unit_test(a_row_becomes_the_arguments_of_the_newer_event),
		cmocka_unit_test(numbers_do_not_follow_the_locale),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
