#ifndef LEADERD_TESTS_STORE_STORE_CRASH_H
#define LEADERD_TESTS_STORE_STORE_CRASH_H

/*
 * Death at any moment: everything that changes a file, below SQLite and in the
 * store itself (rename, unlink), is counted, and at the k-th of these the process
 * ends at once. What was written before stays, as it does when a process is
 * killed. A test that links crash.c wraps rename and unlink.
 */

#include <stdbool.h>

#define CRASHED 77 /* the exit status */

/* To be called once, before the first database is opened. */
void crash_install(void);

/* The k-th change from now on, k from 1, is the last: it does not happen, or with
 * `torn`, if it is a write, half of it does. 0: never. */
void crash_at(unsigned long k, bool torn);

#endif
