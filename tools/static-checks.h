/*
 * What gcc's and clang's analyzers are told beyond the source, by tools/static-checks
 * (-include): functions that report a failure return a negative code. Without it
 * each `return error_set(...)` is taken for a possible success, and what the caller
 * does after one is reported as a mistake. Never part of a build.
 */

#ifndef LEADERD_TOOLS_STATIC_CHECKS_H
#define LEADERD_TOOLS_STATIC_CHECKS_H

#ifdef CPPCHECK

/* It reads no system header, and gives up a file where a loop is a macro that it does not know. */
#define LIST_FOREACH(v, h, l) for ((v) = (h)->lh_first; v; (v) = (v)->l.le_next)
#define LIST_FOREACH_SAFE(v, h, l, n) for ((v) = (h)->lh_first; (v) && ((n) = (v)->l.le_next, 1); (v) = (n))
#define STAILQ_FOREACH(v, h, l) for ((v) = (h)->stqh_first; v; (v) = (v)->l.stqe_next)
#define TAILQ_FOREACH(v, h, l) for ((v) = (h)->tqh_first; v; (v) = (v)->l.tqe_next)
#define TAILQ_FOREACH_SAFE(v, h, l, n) for ((v) = (h)->tqh_first; (v) && ((n) = (v)->l.tqe_next, 1); (v) = (n))
#define HASH_ITER(hh, head, e, n) for ((e) = (head); (e) && ((n) = (e)->hh.next, 1); (e) = (n))

#else

#include "base/error.h"

/* No function, so that what is found is told of the caller's line. */
#define ASSUME_FAILURE(call)         \
	({                               \
		int assumed_code = (call);   \
		if (assumed_code >= 0)       \
			__builtin_unreachable(); \
		assumed_code;                \
	})

#define error_set(...) ASSUME_FAILURE(error_set(__VA_ARGS__))
#define error_no_memory(e) ASSUME_FAILURE(error_no_memory(e))

#endif

#endif
