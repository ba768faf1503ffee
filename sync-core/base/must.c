/*
 * must(): the end of a process whose own state contradicts itself. It goes to
 * stderr past the log sink, which may be part of what is broken; the eventlog
 * is what a restart continues from.
 */

#include <stdio.h>
#include <stdlib.h>

#include "base/must.h"

_Noreturn void must_failed(const char *condition, const char *file, int line) {
	fprintf(stderr, "%s:%d: must hold but does not: %s\n", file, line, condition);
	abort();
}
