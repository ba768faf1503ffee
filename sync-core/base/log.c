/*
 * Log front end: one sink, one line at a time, no allocation.
 */

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"

static struct {
	log_sink sink;
	void *data;
	enum log_level up_to;
} target;

void log_set_sink(log_sink sink, void *data, enum log_level up_to) {
	target.sink = sink;
	target.data = data;
	target.up_to = up_to;
}

void log_line(enum log_level level, const char *format, ...) {
	char line[LOG_LINE_BYTES_MAX];
	va_list arguments;

	if (target.sink == NULL || level > target.up_to)
		return;

	va_start(arguments, format);
	int n = vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);

	if (n < 0)
		return;
	/* What a peer or a file named may stand in the line: it must stay one. */
	text_make_line(line);
	target.sink(level, line, target.data);
}
