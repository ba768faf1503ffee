/* Default paths and settings: which of option, file and environment is in force. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "leaderd/src/paths.h"
#include "leaderd/src/settings.h"
#include "scratch.h"

static void expect_named(const struct error *error, const char *named) {
	if (!strstr(error->text, named))
		fail_msg("\"%s\" does not name %s", error->text, named);
}

/* Every test starts in an empty environment. */
static int setup(void **state) {
	return clearenv() != 0 || scratch_setup(state);
}

static void the_data_directory_follows_xdg(void **state) {
	char path[PATH_MAX];
	struct error error;

	setenv("HOME", "/home/a", 1);
	assert_int_equal(paths_data_dir(path, &error), 0);
	assert_string_equal(path, "/home/a/.local/share/leaderd");
	setenv("XDG_DATA_HOME", "/data", 1);
	assert_int_equal(paths_data_dir(path, &error), 0);
	assert_string_equal(path, "/data/leaderd");
}

static void a_relative_variable_counts_as_not_set(void **state) {
	char path[PATH_MAX];
	struct error error;

	setenv("HOME", "/home/a", 1);
	setenv("XDG_DATA_HOME", "data", 1);
	setenv("XDG_CONFIG_HOME", "", 1);
	setenv("XDG_RUNTIME_DIR", "run", 1);
	assert_int_equal(paths_data_dir(path, &error), 0);
	assert_string_equal(path, "/home/a/.local/share/leaderd");
	assert_int_equal(paths_config(path, &error), 0);
	assert_string_equal(path, "/home/a/.config/leaderd/leaderd.conf");
	assert_int_equal(paths_socket(path, &error), ERROR_INVALID);
}

static void without_a_place_the_text_says_what_to_set(void **state) {
	char path[PATH_MAX] = "untouched";
	struct error error;

	assert_int_equal(paths_data_dir(path, &error), ERROR_INVALID);
	expect_named(&error, "XDG_DATA_HOME");
	expect_named(&error, "HOME");
	expect_named(&error, "--data-dir");
	assert_int_equal(paths_socket(path, &error), ERROR_INVALID);
	expect_named(&error, "XDG_RUNTIME_DIR");
	expect_named(&error, "--socket");
	assert_string_equal(path, "untouched");
}

static void a_variable_longer_than_a_path_is_refused(void **state) {
	char path[PATH_MAX] = "untouched", long_path[PATH_MAX + 10];
	struct error error;

	memset(long_path, 'x', sizeof(long_path));
	long_path[0] = '/';
	long_path[sizeof(long_path) - 1] = '\0';
	setenv("XDG_DATA_HOME", long_path, 1);
	assert_int_equal(paths_data_dir(path, &error), ERROR_INVALID);
	expect_named(&error, "XDG_DATA_HOME");
	assert_string_equal(path, "untouched");
}

static void a_socket_path_has_107_bytes_at_most(void **state) {
	char path[109];
	struct error error;

	memset(path, 'x', sizeof(path));
	path[107] = '\0';
	assert_int_equal(paths_check_socket(path, &error), 0);
	path[107] = 'x';
	path[108] = '\0';
	assert_int_equal(paths_check_socket(path, &error), ERROR_INVALID);
	expect_named(&error, "107");
	expect_named(&error, path);
}

static void a_path_that_names_no_file_is_none_for_a_socket(void **state) {
	struct error error;

	assert_int_equal(paths_check_socket("", &error), ERROR_INVALID);
	assert_int_equal(paths_check_socket("/run/", &error), ERROR_INVALID);
}

static void a_path_lies_in_its_folder(void **state) {
	static const char *const cases[][2] = {
		{ "/a/b/c", "/a/b" }, { "/a//b", "/a" }, { "/a", "/" }, { "//a", "/" }, { "a", "." }, { "a/b", "a" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char folder[PATH_MAX];

		paths_folder_of(folder, cases[i][0]);
		assert_string_equal(folder, cases[i][1]);
	}
}

static void set_defaults(void **state) {
	setenv("XDG_DATA_HOME", "/data", 1);
	setenv("XDG_RUNTIME_DIR", "/run/user/1", 1);
	setenv("XDG_CONFIG_HOME", *state, 1);
}

static void without_a_file_the_defaults_are_in_force(void **state) {
	const struct options options = { 0 };
	struct settings settings;
	struct error error;

	set_defaults(state);
	assert_int_equal(settings_load(&settings, &options, true, &error), 0);
	assert_string_equal(settings.data_dir, "/data/leaderd");
	assert_string_equal(settings.socket, "/run/user/1/leaderd/socket");
	assert_string_equal(settings.config, scratch_path(state, "leaderd/leaderd.conf"));
	assert_false(settings.config_exists);
	assert_int_equal(settings.log_level, LOG_LEVEL_NOTICE);
}

static void the_file_goes_before_the_defaults_and_options_before_the_file(void **state) {
	const struct options none = { 0 }, options = { .data_dir = "mine", .socket = "/o/s" };
	struct settings settings;
	struct error error;

	set_defaults(state);
	scratch_make_folder(scratch_path(state, "leaderd"), 0700);
	scratch_write(scratch_path(state, "leaderd/leaderd.conf"),
	              "[daemon]\ndata-dir = /f/d\nsocket = /f/s\nlog-level = error\n");
	assert_int_equal(settings_load(&settings, &none, true, &error), 0);
	assert_true(settings.config_exists);
	assert_string_equal(settings.data_dir, "/f/d");
	assert_string_equal(settings.socket, "/f/s");
	assert_int_equal(settings.log_level, LOG_LEVEL_ERROR);
	assert_int_equal(settings_load(&settings, &options, true, &error), 0);
	assert_string_equal(settings.data_dir, "mine");
	assert_string_equal(settings.socket, "/o/s");
	assert_int_equal(settings.log_level, LOG_LEVEL_ERROR);
}

static void a_file_that_is_named_must_exist(void **state) {
	const struct options options = { .config = scratch_path(state, "other.conf") };
	struct settings settings = { .data_dir = "untouched" };
	struct error error;

	set_defaults(state);
	assert_int_equal(settings_load(&settings, &options, true, &error), ERROR_NOT_FOUND);
	expect_named(&error, options.config);
	assert_string_equal(settings.data_dir, "untouched");
}

static void a_broken_default_file_is_not_passed_over(void **state) {
	const struct options options = { 0 };
	struct settings settings;
	struct error error;

	set_defaults(state);
	scratch_make_folder(scratch_path(state, "leaderd"), 0700);
	scratch_write(scratch_path(state, "leaderd/leaderd.conf"), "[daemon]\nx = 1\n");
	assert_int_equal(settings_load(&settings, &options, true, &error), ERROR_INVALID);
	expect_named(&error, "leaderd.conf:2:");
}

static void an_inherited_socket_needs_no_path(void **state) {
	const struct options options = { .data_dir = "/d" };
	struct settings settings;
	struct error error;

	assert_int_equal(settings_load(&settings, &options, false, &error), 0);
	assert_string_equal(settings.socket, "");
	assert_int_equal(settings_load(&settings, &options, true, &error), ERROR_INVALID);
	expect_named(&error, "XDG_RUNTIME_DIR");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, scratch_teardown)
	const struct CMUnitTest tests[] = {
		TEST(the_data_directory_follows_xdg),
		TEST(a_relative_variable_counts_as_not_set),
		TEST(without_a_place_the_text_says_what_to_set),
		TEST(a_variable_longer_than_a_path_is_refused),
		TEST(a_socket_path_has_107_bytes_at_most),
		TEST(a_path_that_names_no_file_is_none_for_a_socket),
		TEST(a_path_lies_in_its_folder),
		TEST(without_a_file_the_defaults_are_in_force),
		TEST(the_file_goes_before_the_defaults_and_options_before_the_file),
		TEST(a_file_that_is_named_must_exist),
		TEST(a_broken_default_file_is_not_passed_over),
		TEST(an_inherited_socket_needs_no_path),
	};

	return cmocka_run_group_tests_name("daemon/paths", tests, NULL, NULL);
}
