/* The small parts of leaderctl that need no leader: what was meant, UTF-8, one JSON line, events on their way. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flights.h"
#include "json_line.h"
#include "nearest.h"
#include "utf8.h"

/* ---- nearest ------------------------------------------------------------------------ */

static void distance_counts_added_removed_changed_and_swapped_letters(void **unused) {
	assert_int_equal(word_distance("status", "status"), 0);
	assert_int_equal(word_distance("sttus", "status"), 1);
	assert_int_equal(word_distance("statuss", "status"), 1);
	assert_int_equal(word_distance("stotus", "status"), 1);
	assert_int_equal(word_distance("sattus", "status"), 1);
	assert_int_equal(word_distance("", "abc"), 3);
	assert_int_equal(word_distance("kitten", "sitting"), 3);
}

static void long_words_are_far_from_everything(void **unused) {
	char word[200];

	memset(word, 'a', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	assert_false(word_is_near(word, "status"));
	assert_false(word_is_near(word, word));
}

static void short_words_have_to_be_nearer_than_long_ones(void **unused) {
	assert_true(word_is_near("rnu", "run"));
	assert_false(word_is_near("fan", "run"));
	assert_true(word_is_near("include-clientony", "include-client-only"));
}

/* ---- UTF-8 -------------------------------------------------------------------------- */

static void characters_of_each_length_are_measured(void **unused) {
	assert_int_equal(utf8_character("a", 1), 1);
	assert_int_equal(utf8_character("ü", 2), 2);
	assert_int_equal(utf8_character("→", 3), 3);
	assert_int_equal(utf8_character("\xf0\x9f\x98\x80", 4), 4);
}

static void bytes_that_are_no_character_have_no_length(void **unused) {
	static const char *const wrong[] = { "\x80", "\xc0\x80", "\xc3", "\xe0\x80\x80", "\xed\xa0\x80", "\xf0\x80\x80\x80",
		                                 "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xc3(" };

	assert_int_equal(utf8_character("", 0), 0);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(utf8_character(wrong[i], strlen(wrong[i])), 0);
	assert_int_equal(utf8_character("→", 2), 0);
}

static void controls_are_those_of_ascii_and_latin_1(void **unused) {
	assert_true(utf8_is_control("\x1b", 1));
	assert_true(utf8_is_control("\x7f", 1));
	assert_true(utf8_is_control("\xc2\x9b", 2));
	assert_false(utf8_is_control(" ", 1));
	assert_false(utf8_is_control("\xc2\xa0", 2));
}

static void repair_replaces_byte_by_byte(void **unused) {
	size_t n = 0;
	char *repaired = utf8_repair("a\xff\xfe\xc3\xbc", 5, &n);

	assert_non_null(repaired);
	assert_int_equal(n, 9);
	assert_memory_equal(repaired, "a\xef\xbf\xbd\xef\xbf\xbd\xc3\xbc", 9);
	free(repaired);
}

/* ---- one JSON line ------------------------------------------------------------------- */

static struct json_line read_good(const char *text) {
	struct json_line line = { 0 };
	char reason[200] = "";

	if (json_line_read(&line, text, strlen(text), reason, sizeof(reason)) != 0)
		fail_msg("%s: %s", text, reason);
	return line;
}

static void arguments_are_the_bytes_that_stand_there(void **unused) {
	struct json_line line = read_good(" { \"args\" : { \"a\" : [ 1 , {\"}\":\"]\\\"\"} ] } , \"name\" : \"x\\u0079\" } ");

	assert_string_equal(line.name, "xy");
	assert_int_equal(line.version, 0);
	assert_int_equal(line.args_bytes, strlen("{ \"a\" : [ 1 , {\"}\":\"]\\\"\"} ] }"));
	assert_memory_equal(line.args, "{ \"a\" : [ 1 , {\"}\":\"]\\\"\"} ] }", line.args_bytes);
	json_line_finish(&line);
}

static void arguments_of_any_kind_are_left_to_the_library(void **unused) {
	static const char *const kinds[] = { "{}", "[]", "7", "null", "\"text\"", "{\"a\":1,\"a\":2}", "{nonsense}",
		                                 "123456789012345678901234567890" };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct json_line line;
		char text[200];

		snprintf(text, sizeof(text), "{\"name\":\"x\",\"version\":2,\"args\":%s}", kinds[i]);
		line = read_good(text);
		assert_int_equal(line.version, 2);
		assert_int_equal(line.args_bytes, strlen(kinds[i]));
		assert_memory_equal(line.args, kinds[i], line.args_bytes);
		json_line_finish(&line);
	}
}

static void expect_bad(const char *text, size_t n, const char *why) {
	struct json_line line = { 0 };
	char reason[200] = "", *copy = malloc(n > 0 ? n : 1);

	/* Without a NUL behind it, so that reading past the end is noticed. */
	assert_non_null(copy);
	memcpy(copy, text, n);
	if (json_line_read(&line, copy, n, reason, sizeof(reason)) == 0)
		fail_msg("taken: %s", text);
	if (!strstr(reason, why))
		fail_msg("%s: \"%s\" does not say \"%s\"", text, reason, why);
	assert_null(line.name);
	free(copy);
}

static void mistakes_are_named(void **unused) {
	static const struct {
		const char *text, *why;
	} bad[] = {
		{ "", "malformed JSON" },
		{ "[]", "no object" },
		{ "\"x\"", "no object" },
		{ "{}", "no \"name\"" },
		{ "{\"name\":\"x\"}", "no \"args\"" },
		{ "{\"args\":{}}", "no \"name\"" },
		{ "{\"name\":null,\"args\":{}}", "no string" },
		{ "{\"name\":\"x\",\"args\":{},\"more\":1}", "\"more\" is no member" },
		{ "{\"name\":\"x\",\"args\":{},\"args\":{}}", "\"args\" stands there twice" },
		{ "{\"name\":\"x\",\"args\":{},\"version\":0}", "\"version\"" },
		{ "{\"name\":\"x\",\"args\":{},\"version\":4294967296}", "\"version\"" },
		{ "{\"name\":\"x\",\"args\":{},\"version\":\"1\"}", "\"version\"" },
		{ "{\"name\":\"x\",\"args\":{}", "malformed JSON in column" },
		{ "{\"name\":\"x\",\"args\":{}} x", "malformed JSON in column" },
		{ "{\"name\":\"x\",\"args\":{\"a\":\"", "malformed JSON in column" },
		{ "{\"name\":\"x\",\"args\":{\"a\":\"\\", "malformed JSON in column" },
		{ "{\"name\":\"x\" \"args\":{}}", "malformed JSON in column" },
		{ "{\"name\":\"x\",\"args\":}", "malformed JSON in column" },
		{ "{name:\"x\",\"args\":{}}", "malformed JSON in column" },
		{ "{\"name\":\"\xff\",\"args\":{}}", "malformed JSON in column" },
		{ "}", "malformed JSON in column" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		expect_bad(bad[i].text, strlen(bad[i].text), bad[i].why);
	expect_bad("{\"name\":\"x\",\0\"args\":{}}", 23, "NUL");
}

static void every_beginning_of_a_line_is_a_mistake(void **unused) {
	static const char text[] = "{\"name\":\"todo\\u0041\",\"version\":1,\"args\":{\"a\":[{\"b\":\"c\\\\\"}]}}";

	for (size_t n = 0; n < strlen(text); n++)
		expect_bad(text, n, "");
}

/* ---- flights -------------------------------------------------------------------------- */

static struct lds_id id_of(unsigned number) {
	struct lds_id id = { { 0 } };

	memcpy(id.bytes, &number, sizeof(number));
	return id;
}

static void flights_leave_in_the_order_in_which_they_came(void **unused) {
	struct flights flights = { 0 };
	unsigned added = 0, left = 0;

	/* Three rounds through the ring. */
	while (left < 3 * FLIGHTS_MAX) {
		while (!flights_is_full(&flights)) {
			struct lds_id id = id_of(added);

			flights_add(&flights, &id, added++);
		}
		for (unsigned i = 0; i < 100; i++, left++) {
			assert_int_equal(flights_oldest(&flights)->line, left);
			flights_drop_oldest(&flights);
		}
	}
}

static void refused_flights_are_counted_while_they_are_there(void **unused) {
	struct flights flights = { 0 };
	struct lds_id one = id_of(1), two = id_of(2), none = id_of(3);

	flights_add(&flights, &one, 1);
	flights_add(&flights, &two, 2);
	flights_refuse(&flights, flights_find(&flights, &two));
	flights_refuse(&flights, flights_find(&flights, &two));
	assert_int_equal(flights.n_refused, 1);
	assert_null(flights_find(&flights, &none));
	flights_drop_oldest(&flights);
	assert_int_equal(flights.n_refused, 1);
	flights_drop_oldest(&flights);
	assert_int_equal(flights.n_refused, 0);
	assert_null(flights_oldest(&flights));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(distance_counts_added_removed_changed_and_swapped_letters),
		cmocka_unit_test(long_words_are_far_from_everything),
		cmocka_unit_test(short_words_have_to_be_nearer_than_long_ones),
		cmocka_unit_test(characters_of_each_length_are_measured),
		cmocka_unit_test(bytes_that_are_no_character_have_no_length),
		cmocka_unit_test(controls_are_those_of_ascii_and_latin_1),
		cmocka_unit_test(repair_replaces_byte_by_byte),
		cmocka_unit_test(arguments_are_the_bytes_that_stand_there),
		cmocka_unit_test(arguments_of_any_kind_are_left_to_the_library),
		cmocka_unit_test(mistakes_are_named),
		cmocka_unit_test(every_beginning_of_a_line_is_a_mistake),
		cmocka_unit_test(flights_leave_in_the_order_in_which_they_came),
		cmocka_unit_test(refused_flights_are_counted_while_they_are_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
