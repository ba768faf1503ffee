/* The log's lines, as a terminal, a file and the journal see them. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "leaderd/src/log_sink.h"
#include "scratch.h"

struct capture {
	int kept; /* the real stderr */
	int fd;
};

/* From here on stderr is a file. */
static struct capture capture_begin(void **state) {
	struct capture capture = { .kept = dup(STDERR_FILENO) };

	capture.fd = open(scratch_path(state, "stderr"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(capture.kept >= 0 && capture.fd >= 0);
	assert_int_equal(dup2(capture.fd, STDERR_FILENO), STDERR_FILENO);
	return capture;
}

static void capture_end(struct capture capture, const char *expected) {
	char text[2 * LOG_LINE_BYTES_MAX] = "";
	ssize_t n;

	assert_int_equal(dup2(capture.kept, STDERR_FILENO), STDERR_FILENO);
	close(capture.kept);
	log_set_sink(NULL, NULL, LOG_LEVEL_ERROR);
	n = pread(capture.fd, text, sizeof(text) - 1, 0);
	close(capture.fd);
	assert_true(n >= 0);
	assert_string_equal(text, expected);
}

static void log_one_of_each(void) {
	log_error("a");
	log_warning("b");
	log_notice("c");
	log_debug("d");
}

static void set_journal(int device_off, int inode_off) {
	struct stat found;
	char stream[64];

	assert_int_equal(fstat(STDERR_FILENO, &found), 0);
	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)found.st_dev + (uintmax_t)device_off,
	         (uintmax_t)found.st_ino + (uintmax_t)inode_off);
	setenv("JOURNAL_STREAM", stream, 1);
}

static void elsewhere_the_level_stands_before_the_line(void **state) {
	struct capture capture = capture_begin(state);

	unsetenv("JOURNAL_STREAM");
	log_sink_start(LOG_LEVEL_DEBUG);
	log_one_of_each();
	capture_end(capture, "leaderd: error: a\nleaderd: warning: b\nleaderd: c\nleaderd: debug: d\n");
}

static void the_journal_gets_priorities(void **state) {
	struct capture capture = capture_begin(state);

	set_journal(0, 0);
	log_sink_start(LOG_LEVEL_DEBUG);
	log_one_of_each();
	capture_end(capture, "<3>a\n<4>b\n<5>c\n<7>d\n");
}

static void a_stream_that_is_not_our_stderr_is_not_the_journal(void **state) {
	struct capture capture = capture_begin(state);

	set_journal(0, 1);
	log_sink_start(LOG_LEVEL_ERROR);
	log_one_of_each();
	set_journal(1, 0);
	log_sink_start(LOG_LEVEL_ERROR);
	log_one_of_each();
	setenv("JOURNAL_STREAM", "nonsense", 1);
	log_sink_start(LOG_LEVEL_ERROR);
	log_one_of_each();
	capture_end(capture, "leaderd: error: a\nleaderd: error: a\nleaderd: error: a\n");
}

static void lines_above_the_level_are_not_written(void **state) {
	struct capture capture = capture_begin(state);

	unsetenv("JOURNAL_STREAM");
	log_sink_start(LOG_LEVEL_WARNING);
	log_one_of_each();
	capture_end(capture, "leaderd: error: a\nleaderd: warning: b\n");
}

static void the_longest_line_is_written_whole(void **state) {
	struct capture capture = capture_begin(state);
	char text[LOG_LINE_BYTES_MAX], expected[LOG_LINE_BYTES_MAX + 64];

	unsetenv("JOURNAL_STREAM");
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	log_sink_start(LOG_LEVEL_DEBUG);
	log_warning("%s", text);
	snprintf(expected, sizeof(expected), "leaderd: warning: %s\n", text);
	capture_end(capture, expected);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(elsewhere_the_level_stands_before_the_line),
		cmocka_unit_test(the_journal_gets_priorities),
		cmocka_unit_test(a_stream_that_is_not_our_stderr_is_not_the_journal),
		cmocka_unit_test(lines_above_the_level_are_not_written),
		cmocka_unit_test(the_longest_line_is_written_whole),
	};

	return cmocka_run_group_tests_name("daemon/log_sink", tests, scratch_setup, scratch_teardown);
}
