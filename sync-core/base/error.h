#ifndef LEADERD_BASE_ERROR_H
#define LEADERD_BASE_ERROR_H

/*
 * Errors: how every function of leaderd tells what went wrong.
 *
 * A function returns 0 for success, a negative ERROR_* for a failure, or a
 * positive code that is a documented outcome of that very function.
 * Negative codes travel up unchanged. The place that knows the cause fills a
 * struct error once: one line, past tense, no line end. Callers add context
 * only where it helps a human act (error_prefix). Outputs are untouched on
 * failure.
 *
 * The numbers are part of the session library's ABI (LDS_* in
 * leaderd/session.h); a static assertion there ties the two lists.
 */

#include <stdarg.h>
#include <stddef.h>

enum {
	ERROR_INVALID = -1,      /* the caller's request or input is malformed */
	ERROR_NO_MEMORY = -2,    /* allocation failed; nothing has happened */
	ERROR_IO = -3,           /* the operating system failed a read, write or sync */
	ERROR_FULL = -4,         /* a bound is reached or the disk is full; nothing has happened */
	ERROR_REFUSED = -5,      /* a materializer refused the event; nothing has happened */
	ERROR_NOT_FOUND = -6,    /* no such store, event or file */
	ERROR_CONFLICT = -7,     /* exists already, other content, or another owner */
	ERROR_CORRUPT = -8,      /* stored bytes contradict their hashes or each other */
	ERROR_PROTOCOL = -9,     /* a peer broke the protocol */
	ERROR_SCHEMA = -10,      /* the schema text breaks a rule; the text says where */
	ERROR_TOO_LARGE = -11,   /* over a bound of limits.h */
	ERROR_NOT_RUNNING = -12, /* no leader listens there */
	ERROR_TIMEOUT = -13,     /* the time given ran out; may be asked again */
	ERROR_UNKNOWN = -14,     /* the outcome is not known; may be asked again by id */
	ERROR_NO_BACKEND = -15,  /* the store has no backend that could confirm */
	ERROR_HOLD = -16,        /* the store is on hold; its status says why */
	ERROR_VERSION = -17,     /* newer format or protocol than this program knows */
	ERROR_PERMISSION = -18,  /* wrong owner, mode or user */
	ERROR_BUSY = -19,        /* not now: a statement or a step is under way */
	ERROR_LAST = -19
};

struct error {
	int code;       /* 0: none */
	char text[480]; /* one line, always NUL-terminated */
};

/* Fills `e` (NULL is accepted) and returns `code`, so that a failure is one
 * line: return error_set(e, ERROR_IO, "cannot open %s: %s", path, ...). */
int error_set(struct error *e, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Puts "context: " before the text of a filled error; returns e->code. With
 * NULL it returns ERROR_UNKNOWN: where `e` is optional, return your own code. */
int error_prefix(struct error *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ERROR_NO_MEMORY with its text; never allocates. */
int error_no_memory(struct error *e);

/* The name of a code, such as "refused" or "not found"; never NULL. */
const char *error_name(int code);

#endif
