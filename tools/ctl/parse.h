#ifndef LEADERCTL_PARSE_H
#define LEADERCTL_PARSE_H

/*
 * The command line: which sub-command, which options, which words. What is
 * unknown is answered with what may have been meant.
 */

#include "command.h"

/* Fills *ret. 0; a STATUS_* that was reported; or negative: help or version was
 * asked for and printed. The caller frees with call_finish. */
int call_parse(struct call *ret, int argc, char **argv);
void call_finish(struct call *call);

/* Reports a mistake in the words of a sub-command; returns STATUS_USAGE. */
int usage_error(const struct call *call, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The value of an option as a number; `fallback` when it was not given. */
int call_number(const struct call *call, enum option_id option, uint64_t least, uint64_t most, uint64_t fallback,
                uint64_t *ret);

#endif
