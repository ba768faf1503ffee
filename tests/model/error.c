/* Errors, the log's front end and the one line that both must stay. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"

static void a_failure_is_filled_and_returned_in_one_line(void **state) {
	struct error e = { 0 };

	assert_int_equal(error_set(&e, ERROR_IO, "cannot open %s: error %d", "/x", 5), ERROR_IO);
	assert_int_equal(e.code, ERROR_IO);
	assert_string_equal(e.text, "cannot open /x: error 5");
}

static void nobody_needs_to_listen(void **state) {
	assert_int_equal(error_set(NULL, ERROR_FULL, "x"), ERROR_FULL);
	assert_int_equal(error_no_memory(NULL), ERROR_NO_MEMORY);
	assert_int_equal(error_prefix(NULL, "x"), ERROR_UNKNOWN);
}

static void context_goes_before_the_text_and_keeps_the_code(void **state) {
	struct error e = { 0 };

	error_set(&e, ERROR_NOT_FOUND, "no such file");
	assert_int_equal(error_prefix(&e, "store %s", "todos"), ERROR_NOT_FOUND);
	assert_int_equal(error_prefix(&e, "leader"), ERROR_NOT_FOUND);
	assert_string_equal(e.text, "leader: store todos: no such file");
}

static void context_for_no_failure_changes_nothing(void **state) {
	struct error e = { 0 };

	assert_int_equal(error_prefix(&e, "store"), 0);
	assert_string_equal(e.text, "");
}

static void a_text_may_be_made_from_itself(void **state) {
	struct error e = { 0 };

	error_set(&e, ERROR_IO, "first");
	error_set(&e, ERROR_FULL, "%s, then second", e.text);
	assert_string_equal(e.text, "first, then second");
	error_prefix(&e, "%s", e.text);
	assert_string_equal(e.text, "first, then second: first, then second");
}

static void a_long_text_is_cut_and_ends(void **state) {
	struct error e = { 0 };
	char text[2000];

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	error_set(&e, ERROR_IO, "%s", text);
	assert_int_equal(strlen(e.text), sizeof(e.text) - 1);
	error_prefix(&e, "context");
	assert_int_equal(strlen(e.text), sizeof(e.text) - 1);
	assert_memory_equal(e.text, "context: xxx", 12);
}

static void a_character_that_the_cut_split_is_no_broken_utf8(void **state) {
	struct error e = { 0 };
	char text[sizeof(e.text) + 2];

	memset(text, 'x', sizeof(text));
	strcpy(text + sizeof(e.text) - 2, "\xe2\x86\x92"); /* one byte of it fits */
	error_set(&e, ERROR_IO, "%s", text);
	assert_string_equal(e.text + sizeof(e.text) - 3, "x?");
}

static void strangers_bytes_do_not_break_the_line(void **state) {
	struct error e = { 0 };

	error_set(&e, ERROR_INVALID, "found \"%s\"", "a\nb\x1b[31m\xff → \xc2\x9b");
	assert_string_equal(e.text, "found \"a b [31m? →   \"");
}

static void lack_of_memory_has_its_text(void **state) {
	struct error e = { 0 };

	assert_int_equal(error_no_memory(&e), ERROR_NO_MEMORY);
	assert_int_equal(e.code, ERROR_NO_MEMORY);
	assert_string_equal(e.text, "memory ran out");
}

static void every_code_has_a_name_of_its_own(void **state) {
	assert_string_equal(error_name(ERROR_REFUSED), "refused");
	assert_string_equal(error_name(ERROR_NOT_FOUND), "not found");
	assert_string_equal(error_name(0), "none");
	assert_string_equal(error_name(1), "not a code");
	assert_string_equal(error_name(ERROR_LAST - 1), "not a code");
	for (int a = 0; a >= ERROR_LAST; a--)
		for (int b = a - 1; b >= ERROR_LAST - 1; b--)
			assert_string_not_equal(error_name(a), error_name(b));
}

/* --- log --- */

struct heard {
	int n;
	enum log_level level;
	char line[LOG_LINE_BYTES_MAX];
};

static void hear(enum log_level level, const char *line, void *data) {
	struct heard *heard = data;

	heard->n++;
	heard->level = level;
	assert_true(strlen(line) < sizeof(heard->line));
	strcpy(heard->line, line);
}

static void the_log_is_silent_without_a_sink(void **state) {
	struct heard heard = { 0 };

	log_error("store=%s nobody hears this", "a");
	log_set_sink(hear, &heard, LOG_LEVEL_DEBUG);
	log_set_sink(NULL, NULL, LOG_LEVEL_DEBUG);
	log_error("nor this");
	assert_int_equal(heard.n, 0);
}

static void the_sink_hears_lines_up_to_its_level(void **state) {
	struct heard heard = { 0 };

	log_set_sink(hear, &heard, LOG_LEVEL_WARNING);
	log_notice("store=a too quiet");
	log_debug("store=a too quiet");
	assert_int_equal(heard.n, 0);
	log_warning("store=%s seq=%d coped", "a", 7);
	assert_int_equal(heard.level, LOG_LEVEL_WARNING);
	assert_string_equal(heard.line, "store=a seq=7 coped");
	log_error("store=a look");
	assert_int_equal(heard.level, LOG_LEVEL_ERROR);
	assert_int_equal(heard.n, 2);

	log_set_sink(hear, &heard, LOG_LEVEL_DEBUG);
	log_debug("now heard");
	assert_int_equal(heard.n, 3);
	log_set_sink(NULL, NULL, LOG_LEVEL_ERROR);
}

static void a_log_line_stays_one_line_and_is_cut(void **state) {
	struct heard heard = { 0 };
	char text[2 * LOG_LINE_BYTES_MAX];

	memset(text, '\n', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	log_set_sink(hear, &heard, LOG_LEVEL_ERROR);
	log_error("%s", text);
	log_set_sink(NULL, NULL, LOG_LEVEL_ERROR);

	assert_int_equal(strlen(heard.line), LOG_LINE_BYTES_MAX - 1);
	assert_null(strchr(heard.line, '\n'));
}

/* --- text --- */

static void expect_character(const char *text, size_t n, uint32_t code) {
	uint32_t found = 0;

	assert_int_equal(text_character(text, &found), n);
	assert_int_equal(found, code);
}

static void characters_of_every_length_are_read(void **state) {
	expect_character("a", 1, 'a');
	expect_character("\x7f", 1, 0x7f);
	expect_character("\xc2\x80", 2, 0x80);
	expect_character("\xdf\xbf", 2, 0x7ff);
	expect_character("\xe0\xa0\x80", 3, 0x800);
	expect_character("→", 3, 0x2192);
	expect_character("\xed\x9f\xbf", 3, 0xd7ff);
	expect_character("\xee\x80\x80", 3, 0xe000);
	expect_character("\xef\xbf\xbf", 3, 0xffff);
	expect_character("\xf0\x90\x80\x80", 4, 0x10000);
	expect_character("\xf4\x8f\xbf\xbf", 4, 0x10ffff);
}

static void bytes_that_are_no_character_are_not_read(void **state) {
	static const char *const wrong[] = {
		"",
		"\x80",
		"\xbf",
		"\xc0\x80",
		"\xc1\xbf",
		"\xc2",
		"\xc2z",
		"\xe2\x86",
		"\xe2\x86z",
		"\xe0\x9f\xbf",
		"\xed\xa0\x80",
		"\xed\xbf\xbf",
		"\xf0\x8f\xbf\xbf",
		"\xf4\x90\x80\x80",
		"\xf5\x80\x80\x80",
		"\xff",
	};
	uint32_t code = 7;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(text_character(wrong[i], &code), 0);
	assert_int_equal(code, 7);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_failure_is_filled_and_returned_in_one_line),
		cmocka_unit_test(nobody_needs_to_listen),
		cmocka_unit_test(context_goes_before_the_text_and_keeps_the_code),
		cmocka_unit_test(context_for_no_failure_changes_nothing),
		cmocka_unit_test(a_text_may_be_made_from_itself),
		cmocka_unit_test(a_long_text_is_cut_and_ends),
		cmocka_unit_test(a_character_that_the_cut_split_is_no_broken_utf8),
		cmocka_unit_test(strangers_bytes_do_not_break_the_line),
		cmocka_unit_test(lack_of_memory_has_its_text),
		cmocka_unit_test(every_code_has_a_name_of_its_own),
		cmocka_unit_test(the_log_is_silent_without_a_sink),
		cmocka_unit_test(the_sink_hears_lines_up_to_its_level),
		cmocka_unit_test(a_log_line_stays_one_line_and_is_cut),
		cmocka_unit_test(characters_of_every_length_are_read),
		cmocka_unit_test(bytes_that_are_no_character_are_not_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
