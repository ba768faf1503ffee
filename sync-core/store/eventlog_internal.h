#ifndef LEADERD_STORE_EVENTLOG_INTERNAL_H
#define LEADERD_STORE_EVENTLOG_INTERNAL_H

/*
 * What the files of the event log share: the open log, its prepared
 * statements, and how one event becomes a row and a row an event.
 */

#include <sodium.h>
#include <sqlite3.h>

#include "store/eventlog.h"

/* Statements are prepared when they are first used and kept; their texts stand
 * in eventlog_statement.c. */
enum log_statement {
	STATEMENT_BEGIN,
	STATEMENT_COMMIT,
	STATEMENT_STATUS_READ,
	STATEMENT_STATUS_WRITE,
	STATEMENT_CURSOR_READ,
	STATEMENT_CURSOR_WRITE,
	STATEMENT_STAGED_CURSOR_READ,
	STATEMENT_STAGED_CURSOR_WRITE,
	STATEMENT_APPEND,
	STATEMENT_LAST,
	STATEMENT_POSITION,
	STATEMENT_GET,
	STATEMENT_FIND,
	STATEMENT_LOCATE,
	STATEMENT_HASHES,
	STATEMENT_READ_FORWARD,
	STATEMENT_READ_REVERSE,
	STATEMENT_TRUNCATE,
	STATEMENT_SET_METADATA,
	STATEMENT_DISPLACE,
	STATEMENT_DISPLACED_FIRST,
	STATEMENT_DISPLACED_READ,
	STATEMENT_DISPLACED_DELETE,
	STATEMENT_STAGED_LAST,
	STATEMENT_STAGED_COUNT,
	STATEMENT_STAGED_WRITE,
	STATEMENT_STAGED_READ,
	STATEMENT_STAGED_DELETE,
	STATEMENT_REFUSED_COUNT,
	STATEMENT_REFUSED_WRITE,
	STATEMENT_REFUSED_READ,
	STATEMENT_REFUSED_FIND,
	STATEMENT_REFUSED_REPORT,
	STATEMENT_REFUSED_DELETE,
	STATEMENT_FORGOTTEN_WRITE,
	STATEMENT_FORGOTTEN_FIND,
	STATEMENT_FORGOTTEN_READ,
	STATEMENT_SCHEMA_LAST,
	STATEMENT_SCHEMA_READ,
	STATEMENT_SCHEMA_WRITE,
	STATEMENT_COUNT
};

/* What is known of the log without asking the file. Rolled back by copying. */
struct log_view {
	struct eventlog_status status;
	struct hlc head_hlc;     /* of the newest row */
	struct hlc saved_hlc;    /* as the status row holds it */
	struct hash cursor_hash; /* of the cursor behind the upstream head */
	struct hash staged_cursor_hash;
	uint64_t n_displaced;
	uint64_t n_refused;
	bool status_changed;   /* the status row must be written */
	bool upstream_changed; /* commit compares the upstream head with its row */
};

struct eventlog {
	sqlite3 *db;
	char *path;
	bool read_only;
	bool in_transaction;
	bool in_snapshot; /* a read-only log inside one read of several statements */
	bool stopped;     /* a commit's outcome is unknown: nothing is written until the next open */
	int wal_pages;
	struct log_view view;
	struct log_view before; /* as it was when the transaction began */
	sqlite3_stmt *statements[STATEMENT_COUNT];
};

/* Columns of a row as they are selected: its number (in the log, or among its
 * like in the other tables), the event's, and the table's own. */
#define ROW_NUMBER 0
#define ROW_EVENT 1
#define ROW_EVENT_COLUMNS 21
#define ROW_EXTRA (ROW_EVENT + ROW_EVENT_COLUMNS)

struct row {
	uint64_t number;
	struct event *event;      /* owned by whoever holds the row, when it was read */
	const char *table;        /* part of the checksum, so that no row passes in another table */
	const struct hash *extra; /* covered by the checksum too (refusals); NULL elsewhere */
};

/* -- Statements -- */

/* The statement, reset and ready to be bound; borrowed from the log. */
int log_statement(struct eventlog *log, enum log_statement which, sqlite3_stmt **ret, struct error *error);
/* 1: a row is there. 0: done. Otherwise an error; what SQLite calls the
 * statement's own fault can only come from a damaged file. */
int log_step(struct eventlog *log, sqlite3_stmt *statement, const char *doing, struct error *error);
/* Runs a statement that returns no row, and resets it. */
int log_run(struct eventlog *log, sqlite3_stmt *statement, const char *doing, struct error *error);
int log_bind_blob(struct eventlog *log, sqlite3_stmt *statement, int column, const void *data, size_t n,
                  struct error *error);
int log_bind_text(struct eventlog *log, sqlite3_stmt *statement, int column, const char *text, size_t n,
                  struct error *error);
void log_bind_u64(sqlite3_stmt *statement, int column, uint64_t value);
void log_bind_position(sqlite3_stmt *statement, int column, struct position at); /* two columns */
struct position log_column_position(sqlite3_stmt *statement, int column);
/* Copies exactly n bytes; false if the column holds anything else. */
bool log_column_bytes(sqlite3_stmt *statement, int column, void *ret, size_t n);

/* -- Transactions -- */

/* Rolls back whatever is open and returns `code`: a failed change ends its
 * transaction. */
int log_fail(struct eventlog *log, int code);
/* The same for readers, which may find nothing without harm. */
int log_fail_reading(struct eventlog *log, int code);
/* A read-only log reads through several statements as of one moment. */
int log_begin_snapshot(struct eventlog *log, struct error *error);
void log_end_snapshot(struct eventlog *log);
int log_require_transaction(const struct eventlog *log, struct error *error);

/* -- Rows -- */

/* Is the event fit for a row? ERROR_INVALID or TOO_LARGE names what is not. */
int log_check_event(const struct event *event, struct error *error);
/* Binds number and event columns from 1 on. `scratch` holds the origins while
 * the statement is bound. */
struct row_scratch {
	uint8_t origins[ORIGINS_MAX * 20]; /* two numbers each, ten bytes at most */
	size_t n_origins;
};
int log_bind_row(struct eventlog *log, sqlite3_stmt *statement, const struct row *row, struct row_scratch *scratch,
                 struct error *error);
/* Reads the row that the statement stands on, and proves it: sizes, content
 * hash, checksum. ERROR_CORRUPT names table and position. */
int log_column_row(sqlite3_stmt *statement, const char *table, const struct hash *extra, struct row *ret,
                   struct error *error);
int64_t row_checksum(const char *table, uint64_t number, const struct event *event, const struct hash *extra);
void log_destroy_events(struct event **events, size_t n_events);

/* -- Checksums: the first eight bytes of a BLAKE2b-256 -- */

struct checksum {
	crypto_generichash_state state;
};
void checksum_init(struct checksum *sum, const char *table);
void checksum_add_u64(struct checksum *sum, uint64_t value);
void checksum_add(struct checksum *sum, const void *data, size_t n);
int64_t checksum_finish(struct checksum *sum);

int64_t status_checksum(const struct log_view *view);
int64_t forgotten_checksum(const struct event_id *id, const struct hash *content);
int64_t schema_checksum(uint64_t ordinal, uint32_t version, const struct hash *text_hash);
struct hash refused_extra(bool reported, const char *reason, size_t reason_bytes);

/* -- Parts that several files use -- */

/* The names of tables in checksums and messages; displaced rows keep the log's. */
#define TABLE_LOG "event_log"
#define TABLE_STAGED "staged"
#define TABLE_REFUSED "refused"

/* Hashes of `event` behind a row with these two. */
void log_make_hashes(const struct hash *chain, const struct hash *local, struct event *event);
/* How many rows stand at or before `at`; without `inclusive`, before it. That is
 * also the number of the last of them. */
int log_rows_up_to(struct eventlog *log, struct position at, bool inclusive, uint64_t *ret, struct error *error);
/* What the row at `at` says of itself; each output may be NULL. ERROR_NOT_FOUND. */
int log_hashes_at(struct eventlog *log, struct position at, uint64_t *ret_number, struct hash *ret_chain,
                  struct hash *ret_local, struct error *error);
int log_rewrite_metadata(struct eventlog *log, struct position at, const void *data, size_t n_bytes,
                         struct error *error);
int log_write_staged_cursor(struct eventlog *log, const void *cursor, size_t n, struct error *error);
/* Reads the row that the statement stands on, and proves it. */
int log_column_refused(sqlite3_stmt *statement, struct refused_event *ret, struct error *error);
struct schema_row {
	uint64_t ordinal;
	uint32_t version;
	const char *text; /* borrowed until its statement is reset */
	size_t text_bytes;
};
int log_column_schema(sqlite3_stmt *statement, struct schema_row *ret, struct error *error);
/* 1: *ret is filled, the caller finishes it; 0: the id is not among the refused. */
int log_find_refused(struct eventlog *log, const struct event_id *id, struct refused_event *ret, struct error *error);
/* Removes the refused row of an id that was logged after all. */
int log_drop_refused(struct eventlog *log, const struct event_id *id, struct error *error);

/* -- Parts of opening that verify repeats -- */

int log_load_view(struct eventlog *log, struct log_view *ret, struct error *error);
int log_check_definitions(struct eventlog *log, struct error *error);
/* Does `row` follow `previous` (NULL: it is the first)? */
int log_check_link(const struct row *previous, const struct row *row, struct error *error);

#endif
