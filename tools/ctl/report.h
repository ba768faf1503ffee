#ifndef LEADERCTL_REPORT_H
#define LEADERCTL_REPORT_H

/*
 * Failures: one line on standard error that says what went wrong and what to
 * do, and the exit status that goes with it.
 */

enum exit_status {
	STATUS_OK = 0,
	STATUS_FAILURE = 1,
	STATUS_USAGE = 2,
	STATUS_NOT_RUNNING = 3,
	STATUS_NOT_FOUND = 4,
	STATUS_CONFLICT = 5, /* or refused */
	STATUS_CORRUPT = 6
};

/* The exit status for a code of leaderd/session.h or base/error.h, which agree. */
int status_of_code(int code);

/* "leaderctl: ..." in one line; control characters become spaces. Returns `status`. */
int report(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Reports a failure of the library by its text, with a hint at what to do where
 * the code alone tells; returns its exit status. */
int report_code(int code, const char *text);

/* Memory or the end: the program is short-lived and holds nothing that its end
 * would hurt. */
void *must_have(void *memory);

#endif
