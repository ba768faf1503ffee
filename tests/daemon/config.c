/* The configuration file: what is taken, and how each mistake is told. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "leaderd/src/config.h"
#include "scratch.h"

static void expect_taken(void **state, const char *text, struct config *ret) {
	const char *file = scratch_path(state, "leaderd.conf");
	struct error error = { 0 };

	scratch_write(file, text);
	if (config_read(ret, file, &error) < 0)
		fail_msg("%s", error.text);
}

/* The text behind "<file>:" is given: "<line>: <reason>". */
static void expect_refused(void **state, const char *text, const char *reason) {
	const char *file = scratch_path(state, "leaderd.conf");
	struct config config = { .socket = "untouched" };
	struct error error = { 0 };

	scratch_write(file, text);
	assert_int_equal(config_read(&config, file, &error), ERROR_INVALID);
	assert_memory_equal(error.text, file, strlen(file));
	assert_string_equal(error.text + strlen(file) + 1, reason);
	assert_string_equal(config.socket, "untouched");
}

static void an_empty_file_leaves_the_defaults(void **state) {
	struct config config = { .socket = "x", .has_log_level = true };

	expect_taken(state, "", &config);
	assert_string_equal(config.data_dir, "");
	assert_string_equal(config.socket, "");
	assert_int_equal(config.log_level, LOG_LEVEL_NOTICE);
	assert_false(config.has_log_level);
}

static void every_key_is_taken(void **state) {
	struct config config;

	expect_taken(state, "# mine\n[daemon]\ndata-dir = /srv/my data\nsocket=/run/x/s ; why\nlog-level : debug\n",
	             &config);
	assert_string_equal(config.data_dir, "/srv/my data");
	assert_string_equal(config.socket, "/run/x/s");
	assert_int_equal(config.log_level, LOG_LEVEL_DEBUG);
	assert_true(config.has_log_level);
}

static void each_level_has_its_name(void **state) {
	for (enum log_level level = LOG_LEVEL_ERROR; level <= LOG_LEVEL_DEBUG; level++) {
		struct config config;
		char text[64];

		snprintf(text, sizeof(text), "[daemon]\nlog-level = %s\n", config_log_level_name(level));
		expect_taken(state, text, &config);
		assert_int_equal(config.log_level, level);
	}
}

static void layout_does_not_matter(void **state) {
	struct config config;

	/* A byte order mark, carriage returns, indented keys, no newline at the end. */
	expect_taken(state,
	             "\xef\xbb\xbf[daemon]\r\n\tdata-dir = /a\r\n\r\n   socket = /b\r\n ; x\n\tlog-level = error",
	             &config);
	assert_string_equal(config.data_dir, "/a");
	assert_string_equal(config.socket, "/b");
	assert_int_equal(config.log_level, LOG_LEVEL_ERROR);
}

static void what_is_unknown_is_refused(void **state) {
	expect_refused(state, "[daemon]\nsokcet = /x\n", "2: unknown key sokcet; there are data-dir, socket and log-level");
	expect_refused(state, "[deamon]\nsocket = /x\n", "1: unknown section [deamon]; there is only [daemon]");
	expect_refused(state, "[daemon]\n\n\n[store]\n", "4: unknown section [store]; there is only [daemon]");
	expect_refused(state, "\xef\xbb\xbf[x]\nsocket = /x\n", "2: unknown section [x]; there is only [daemon]");
	expect_refused(state, "[daemon]\nSocket = /x\n", "2: unknown key Socket; there are data-dir, socket and log-level");
}

static void what_is_malformed_is_refused(void **state) {
	expect_refused(state, "socket = /x\n[daemon]\n", "1: the key socket stood before the line [daemon]");
	expect_refused(state, "[daemon]\nsocket\n", "2: neither [section] nor key = value");
	expect_refused(state, "[daemon\nsocket = /x\n", "1: a section's name had no closing ]");
	expect_refused(state, "[daemon]\nsocket = /a\nsocket = /b\n", "3: socket was given twice");
	expect_refused(state, "[daemon]\ndata-dir = /a\n[daemon]\ndata-dir = /a\n", "4: data-dir was given twice");
	expect_refused(state, "[daemon]\nlog-level=error\nlog-level=error\n", "3: log-level was given twice");
	/* The first of two mistakes, whoever finds it. */
	expect_refused(state, "[daemon]\nnothing\nx = 1\n", "2: neither [section] nor key = value");
	expect_refused(state, "[daemon]\nx = 1\nnothing\n", "2: unknown key x; there are data-dir, socket and log-level");
}

static void wrong_values_are_refused(void **state) {
	expect_refused(state, "[daemon]\nlog-level = loud\n",
	               "2: log-level must be error, warning, notice or debug, and was \"loud\"");
	expect_refused(state, "[daemon]\nlog-level =\n",
	               "2: log-level must be error, warning, notice or debug, and was \"\"");
	expect_refused(state, "[daemon]\ndata-dir = data\n", "2: data-dir must be an absolute path, and was \"data\"");
	expect_refused(state, "[daemon]\ndata-dir = ~/data\n", "2: data-dir must be an absolute path, and was \"~/data\"");
	expect_refused(state, "[daemon]\nsocket =\n", "2: socket must be an absolute path, and was \"\"");
	expect_refused(state, "[daemon]\nsocket = /run/\n", "2: the socket path \"/run/\" names no file");
}

static void a_socket_path_that_is_too_long_is_refused(void **state) {
	char path[109], text[256], reason[256];

	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	snprintf(text, sizeof(text), "[daemon]\nsocket = %s\n", path);
	snprintf(reason, sizeof(reason), "2: a socket path may have 107 bytes, this one had 108: %s", path);
	expect_refused(state, text, reason);
}

static void a_line_that_is_too_long_is_refused_and_not_split(void **state) {
	char text[1200];

	memset(text, 'x', sizeof(text));
	memcpy(text, "[daemon]\ndata-dir = /", 21);
	/* Behind the bound stands what would be a key of its own. */
	strcpy(text + sizeof(text) - 20, "socket = /x\n");
	expect_refused(state, text, "2: the line was longer than 198 bytes");
}

static void a_nul_is_refused(void **state) {
	const char *file = scratch_path(state, "nul.conf");
	FILE *to = fopen(file, "w");
	struct config config;
	struct error error;

	assert_non_null(to);
	assert_int_equal(fwrite("[daemon]\nsocket = /x\0y\n", 1, 23, to), 23);
	assert_int_equal(fclose(to), 0);
	assert_int_equal(config_read(&config, file, &error), ERROR_INVALID);
	assert_non_null(strstr(error.text, ":2: the line held a NUL"));
}

static void a_file_that_is_absent_is_told_apart(void **state) {
	const char *file = scratch_path(state, "absent.conf");
	struct config config;
	struct error error;

	assert_int_equal(config_read(&config, file, &error), ERROR_NOT_FOUND);
	assert_non_null(strstr(error.text, file));
}

static void what_is_no_regular_file_is_refused_at_once(void **state) {
	const char *pipe = scratch_path(state, "pipe");
	struct config config;
	struct error error;

	assert_int_equal(mkfifo(pipe, 0600), 0);
	assert_int_equal(config_read(&config, pipe, &error), ERROR_INVALID); /* and does not wait for a writer */
	assert_int_equal(config_read(&config, *state, &error), ERROR_INVALID);
	assert_non_null(strstr(error.text, "no regular file"));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_file_leaves_the_defaults),
		cmocka_unit_test(every_key_is_taken),
		cmocka_unit_test(each_level_has_its_name),
		cmocka_unit_test(layout_does_not_matter),
		cmocka_unit_test(what_is_unknown_is_refused),
		cmocka_unit_test(what_is_malformed_is_refused),
		cmocka_unit_test(wrong_values_are_refused),
		cmocka_unit_test(a_socket_path_that_is_too_long_is_refused),
		cmocka_unit_test(a_line_that_is_too_long_is_refused_and_not_split),
		cmocka_unit_test(a_nul_is_refused),
		cmocka_unit_test(a_file_that_is_absent_is_told_apart),
		cmocka_unit_test(what_is_no_regular_file_is_refused_at_once),
	};

	return cmocka_run_group_tests_name("daemon/config", tests, scratch_setup, scratch_teardown);
}
