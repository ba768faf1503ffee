/*
 * What gcc's and clang's analyzers are told beyond the source, by tools/static-checks
 * (-include): functions that report a failure return a negative code. Without it
 * each `return error_set(...)` is taken for a possible success, and what the caller
 * does after one is reported as a mistake. Never part of a build.
 */

#ifndef LEADERD_TOOLS_STATIC_CHECKS_H
#define LEADERD_TOOLS_STATIC_CHECKS_H

#include "base/error.h"

static inline int assume_failure(int code) {
	if (code >= 0)
		__builtin_unreachable();
	return code;
}

#define error_set(...) assume_failure(error_set(__VA_ARGS__))
#define error_no_memory(e) assume_failure(error_no_memory(e))

#endif
