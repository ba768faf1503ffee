/* Traces; see trace.h. */

#include "model/trace.h"

#include <stdarg.h>
#include <stdio.h>

void trace_write(char ret[TRACE_BYTES_MAX], const char *format, ...) {
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(ret, TRACE_BYTES_MAX, format, arguments);
	va_end(arguments);
}
