/*
 * The log sink. One write for a line, so that lines of several processes do not
 * mix; a line that cannot be written is lost, and the daemon goes on.
 */

#include "leaderd/src/log_sink.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"

/* Longer than any line and what stands before it. */
#define LINE_BYTES (LOG_LINE_BYTES_MAX + 32u)

/* What systemd asks of services: JOURNAL_STREAM is the device and inode of the
 * journal's end. INVOCATION_ID would not do: a terminal's shell inherits it too. */
static bool stderr_is_journal(void) {
	const char *stream = getenv("JOURNAL_STREAM");
	uintmax_t device, inode;
	struct stat found;

	return stream && sscanf(stream, "%ju:%ju", &device, &inode) == 2 && fstat(STDERR_FILENO, &found) == 0 &&
	       found.st_dev == device && found.st_ino == inode;
}

static void write_line(const char *before, const char *line) {
	char text[LINE_BYTES];
	int n = snprintf(text, sizeof(text), "%s%s\n", before, line);

	if (n > 0 && (size_t)n < sizeof(text) && write(STDERR_FILENO, text, (size_t)n) < 0)
		return;
}

static void on_line_for_journal(enum log_level level, const char *line, void *data) {
	static const char *const priorities[] = { "<3>", "<4>", "<5>", "<7>" };

	write_line(priorities[level], line);
}

static void on_line(enum log_level level, const char *line, void *data) {
	static const char *const names[] = { "leaderd: error: ", "leaderd: warning: ", "leaderd: ", "leaderd: debug: " };

	write_line(names[level], line);
}

void log_sink_start(enum log_level up_to) {
	log_set_sink(stderr_is_journal() ? on_line_for_journal : on_line, NULL, up_to);
}
