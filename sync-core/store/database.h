#ifndef LEADERD_STORE_DATABASE_H
#define LEADERD_STORE_DATABASE_H

/*
 * An SQLite connection as leaderd uses it: defensive, trusted_schema off,
 * mode 0600, foreign keys on, secure_delete off, no strings in double quotes; the
 * file itself is no symbolic link. And the one place where SQLite's result codes
 * become ours.
 */

#include <sqlite3.h>
#include <stdbool.h>

#include "base/error.h"

enum database_kind {
	DATABASE_DURABLE,   /* WAL, synchronous=FULL: the event log */
	DATABASE_DERIVED,   /* WAL, synchronous=NORMAL: state that a log can remake */
	DATABASE_READ_ONLY, /* an existing file, beside a program that may be writing it */
	DATABASE_MEMORY     /* path is ignored */
};

/* Opens, creating a file when the kind allows it. The caller closes with
 * database_close. Codes: NOT_FOUND, PERMISSION, IO, FULL, CORRUPT, NO_MEMORY. */
int database_open(sqlite3 **ret, const char *path, enum database_kind kind, struct error *error);

/* Finalizes what is still prepared, closes, returns NULL; accepts NULL. */
sqlite3 *database_close(sqlite3 *db);

/* Runs statements that return no rows. */
int database_execute(sqlite3 *db, const char *sql, struct error *error);
int database_prepare(sqlite3_stmt **ret, sqlite3 *db, const char *sql, struct error *error);

/* Is `rc` (extended or not) the event's own fault: constraint, mismatch, too
 * big, and plain SQL errors such as refuse() or malformed JSON? Everything else
 * (FULL, IOERR, NOMEM, BUSY, LOCKED, INTERRUPT, CORRUPT, SCHEMA, AUTH, ...) is
 * the environment's. */
bool database_is_event_fault(int rc);

/* Fills `error` from the connection's last error; returns the ERROR_* for rc:
 * FULL -> FULL, NOMEM -> NO_MEMORY, CORRUPT and NOTADB -> CORRUPT, BUSY, LOCKED
 * and INTERRUPT -> BUSY, event faults -> REFUSED, the rest -> IO. `doing` is a
 * phrase such as "append to the event log". */
int database_error(sqlite3 *db, int rc, const char *doing, struct error *error);

/* True while a transaction is open. FULL, IOERR, NOMEM and INTERRUPT can end
 * the whole transaction by themselves: ask after each failed statement. */
bool database_in_transaction(sqlite3 *db);

#endif
