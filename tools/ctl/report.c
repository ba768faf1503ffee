/* Failures; see report.h. */

#include "report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <leaderd/session.h>

int status_of_code(int code) {
	switch (code) {
	case LDS_NOT_RUNNING:
		return STATUS_NOT_RUNNING;
	case LDS_NOT_FOUND:
		return STATUS_NOT_FOUND;
	case LDS_CONFLICT:
	case LDS_REFUSED:
		return STATUS_CONFLICT;
	case LDS_CORRUPT:
		return STATUS_CORRUPT;
	default:
		return code < 0 ? STATUS_FAILURE : STATUS_OK;
	}
}

int report(int status, const char *format, ...) {
	char line[2048];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	for (char *c = line; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = ' ';
	fprintf(stderr, "leaderctl: %s\n", line);
	return status;
}

static const char *hint(int code) {
	switch (code) {
	case LDS_NOT_RUNNING:
		return "; start leaderd, or choose another one with --socket or LEADERD_SOCKET";
	case LDS_TIMEOUT:
		return "; --timeout S waits longer";
	default:
		return "";
	}
}

int report_code(int code, const char *text) {
	if (!text || !*text)
		text = lds_code_name(code);
	return report(status_of_code(code), "%s%s", text, hint(code));
}

void *must_have(void *memory) {
	if (!memory)
		exit(report(STATUS_FAILURE, "out of memory"));
	return memory;
}
