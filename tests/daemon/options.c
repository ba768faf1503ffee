/* The daemon's command line. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "leaderd/src/options.h"

/* Parses the words, which end in NULL. */
static int parse(struct options *ret, struct error *error, const char *const *words) {
	char program[] = "leaderd", *argv[16] = { program };
	int argc = 1;

	while (words[argc - 1]) {
		argv[argc] = (char *)words[argc - 1];
		argc++;
	}
	return options_parse(ret, argc, argv, error);
}

#define PARSE(ret, error, ...) parse(ret, error, (const char *const[]){ __VA_ARGS__, NULL })

static void expect_refused(const char *const *words, const char *named) {
	struct options options = { .data_dir = "untouched" };
	struct error error = { 0 };

	assert_int_equal(parse(&options, &error, words), ERROR_INVALID);
	if (!strstr(error.text, named))
		fail_msg("\"%s\" does not name %s", error.text, named);
	assert_string_equal(options.data_dir, "untouched");
}

#define EXPECT_REFUSED(named, ...) expect_refused((const char *const[]){ __VA_ARGS__, NULL }, named)

static void without_options_nothing_is_given(void **state) {
	struct options options = { .help = true };
	struct error error;

	assert_int_equal(parse(&options, &error, (const char *const[]){ NULL }), 0);
	assert_null(options.data_dir);
	assert_null(options.socket);
	assert_null(options.config);
	assert_false(options.help || options.version || options.check_config);
}

static void each_option_is_taken_in_both_forms(void **state) {
	struct options options;
	struct error error;

	assert_int_equal(PARSE(&options, &error, "--data-dir", "/d", "--socket=/s", "--config", "f", "--check-config"), 0);
	assert_string_equal(options.data_dir, "/d");
	assert_string_equal(options.socket, "/s");
	assert_string_equal(options.config, "f");
	assert_true(options.check_config);
}

static void the_newest_of_two_values_is_taken(void **state) {
	struct options options;
	struct error error;

	assert_int_equal(PARSE(&options, &error, "--socket", "/a", "--socket", "/b"), 0);
	assert_string_equal(options.socket, "/b");
}

static void help_and_version_have_short_forms(void **state) {
	struct options options;
	struct error error;

	assert_int_equal(PARSE(&options, &error, "-hV"), 0);
	assert_true(options.help && options.version);
	assert_int_equal(PARSE(&options, &error, "--help", "--version"), 0);
	assert_true(options.help && options.version);
}

static void what_is_wrong_is_refused_by_name(void **state) {
	EXPECT_REFUSED("--frobnicate", "--frobnicate");
	EXPECT_REFUSED("-x", "-x");
	EXPECT_REFUSED("--socket", "--data-dir", "/d", "--socket");
	EXPECT_REFUSED("--socket had an empty value", "--socket", "");
	EXPECT_REFUSED("--data-dir had an empty value", "--data-dir=");
	EXPECT_REFUSED("--config had an empty value", "--config", "");
	EXPECT_REFUSED("--help=yes", "--help=yes");
	EXPECT_REFUSED("--c", "--c"); /* config or check-config? */
	EXPECT_REFUSED("\"start\"", "start");
	EXPECT_REFUSED("\"start\"", "--data-dir", "/d", "start", "--version");
}

static void the_help_names_every_option_and_has_examples(void **state) {
	static const char *const needed[] = { "--data-dir", "--socket", "--config", "--check-config", "--help", "--version",
		                                  "Examples:",  "SIGTERM",  "SIGHUP",   "Exit status" };

	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if (!strstr(options_help(), needed[i]))
			fail_msg("the help does not name %s", needed[i]);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_options_nothing_is_given),
		cmocka_unit_test(each_option_is_taken_in_both_forms),
		cmocka_unit_test(the_newest_of_two_values_is_taken),
		cmocka_unit_test(help_and_version_have_short_forms),
		cmocka_unit_test(what_is_wrong_is_refused_by_name),
		cmocka_unit_test(the_help_names_every_option_and_has_examples),
	};

	return cmocka_run_group_tests_name("daemon/options", tests, NULL, NULL);
}
