/*
 * Errors: filling them. Nothing here allocates, so a lack of memory can be
 * told like anything else.
 */

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

static const char *const names[] = {
	[0] = "none",
	[-ERROR_INVALID] = "invalid",
	[-ERROR_NO_MEMORY] = "no memory",
	[-ERROR_IO] = "input/output",
	[-ERROR_FULL] = "full",
	[-ERROR_REFUSED] = "refused",
	[-ERROR_NOT_FOUND] = "not found",
	[-ERROR_CONFLICT] = "conflict",
	[-ERROR_CORRUPT] = "corrupt",
	[-ERROR_PROTOCOL] = "protocol",
	[-ERROR_SCHEMA] = "schema",
	[-ERROR_TOO_LARGE] = "too large",
	[-ERROR_NOT_RUNNING] = "not running",
	[-ERROR_TIMEOUT] = "timeout",
	[-ERROR_UNKNOWN] = "outcome unknown",
	[-ERROR_NO_BACKEND] = "no backend",
	[-ERROR_HOLD] = "on hold",
	[-ERROR_VERSION] = "newer version",
	[-ERROR_PERMISSION] = "permission",
	[-ERROR_BUSY] = "busy",
};

_Static_assert(sizeof(names) / sizeof(names[0]) == -ERROR_LAST + 1, "every code has a name");

/* Formatted apart first: an argument may be the very text that is replaced. */
static void format_line(char ret[static sizeof(((struct error *)NULL)->text)], const char *format, va_list arguments) {
	if (vsnprintf(ret, sizeof(((struct error *)NULL)->text), format, arguments) < 0)
		strcpy(ret, "the text of this error could not be formatted");
	text_make_line(ret);
}

int error_set(struct error *e, int code, const char *format, ...) {
	struct error filled = { .code = code };
	va_list arguments;

	if (e == NULL)
		return code;

	va_start(arguments, format);
	format_line(filled.text, format, arguments);
	va_end(arguments);

	*e = filled;
	return code;
}

int error_prefix(struct error *e, const char *format, ...) {
	struct error context;
	va_list arguments;

	if (e == NULL)
		return ERROR_UNKNOWN;
	if (e->code == 0)
		return 0;

	va_start(arguments, format);
	format_line(context.text, format, arguments);
	va_end(arguments);

	return error_set(e, e->code, "%s: %s", context.text, e->text);
}

int error_no_memory(struct error *e) {
	return error_set(e, ERROR_NO_MEMORY, "memory ran out");
}

const char *error_name(int code) {
	if (code > 0 || code < ERROR_LAST)
		return "not a code";
	return names[-code];
}
