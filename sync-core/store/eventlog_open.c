/*
 * Opening the event log: the ladder of formats, the cheap check of its end, and
 * the view that is kept in memory.
 */

#include "store/eventlog_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "model/notation.h"
#include "store/database.h"
#include "store/hash.h"

#define APPLICATION_ID 0x6c646576 /* "ldev" */
#define TAIL_ROWS 64u             /* newest rows that opening proves, and their links */

#define EVENT_DEFINITIONS                                                                                          \
	"global INTEGER NOT NULL, client INTEGER NOT NULL, id BLOB NOT NULL, unit BLOB, unit_index INTEGER NOT NULL, " \
	"unit_count INTEGER NOT NULL, version INTEGER NOT NULL, time_ms INTEGER NOT NULL, counter INTEGER NOT NULL, "  \
	"generation INTEGER NOT NULL, digest INTEGER NOT NULL, content_hash BLOB NOT NULL, chain_hash BLOB NOT NULL, " \
	"local_hash BLOB NOT NULL, checksum INTEGER NOT NULL, client_id TEXT NOT NULL, session_id TEXT NOT NULL, "     \
	"name TEXT NOT NULL, args TEXT NOT NULL, origins BLOB, sync_metadata BLOB"

/* The present format, as SQLite keeps the texts: opening compares them. */
static const char *const definitions[] = {
	"CREATE TABLE event_log (number INTEGER PRIMARY KEY, " EVENT_DEFINITIONS ") STRICT",
	"CREATE INDEX event_log_id ON event_log (id)",
	"CREATE TABLE displaced (ordinal INTEGER PRIMARY KEY, number INTEGER NOT NULL, " EVENT_DEFINITIONS ") STRICT",
	"CREATE TABLE staged (ordinal INTEGER PRIMARY KEY, " EVENT_DEFINITIONS ") STRICT",
	"CREATE TABLE refused (ordinal INTEGER PRIMARY KEY, " EVENT_DEFINITIONS ", reported INTEGER NOT NULL, "
	"reason TEXT NOT NULL) STRICT",
	"CREATE UNIQUE INDEX refused_id ON refused (id)",
	"CREATE TABLE forgotten (id BLOB PRIMARY KEY NOT NULL, content_hash BLOB NOT NULL, checksum INTEGER NOT NULL) "
	"STRICT, WITHOUT ROWID",
	"CREATE TABLE schema_text (ordinal INTEGER PRIMARY KEY, version INTEGER NOT NULL, text TEXT NOT NULL, "
	"checksum INTEGER NOT NULL) STRICT",
	"CREATE TABLE status (one INTEGER PRIMARY KEY, client_id TEXT NOT NULL, generation INTEGER NOT NULL, "
	"upstream_global INTEGER NOT NULL, upstream_chain_hash BLOB NOT NULL, lineage BLOB NOT NULL, "
	"epoch INTEGER NOT NULL, time_ms INTEGER NOT NULL, counter INTEGER NOT NULL, has_backend INTEGER NOT NULL, "
	"refused_ordinal INTEGER NOT NULL, cursor BLOB, staged_cursor BLOB, checksum INTEGER NOT NULL) STRICT",
};
#define N_DEFINITIONS (sizeof(definitions) / sizeof(definitions[0]))

/* -- The ladder: step n brings a file of format n to format n + 1, inside the
 * one transaction of the whole climb. A file without content has format 0. -- */

static int write_first_status(sqlite3 *db, struct error *error) {
	struct log_view view = { 0 };
	uint8_t random[CLIENT_ID_BYTES / 2];
	char sql[640];

	arc4random_buf(random, sizeof(random));
	hex_print(view.status.client_id, random, sizeof(random));
	hash_bytes(&view.cursor_hash, NULL, 0);
	hash_bytes(&view.staged_cursor_hash, NULL, 0);
	sqlite3_snprintf(sizeof(sql), sql,
	                 "INSERT INTO status (one, client_id, generation, upstream_global, upstream_chain_hash, lineage, "
	                 "epoch, time_ms, counter, has_backend, refused_ordinal, checksum) "
	                 "VALUES (1, '%s', 0, 0, zeroblob(32), zeroblob(16), 0, 0, 0, 0, 0, %lld)",
	                 view.status.client_id, (long long)status_checksum(&view));
	return database_execute(db, sql, error);
}

static int climb_to_1(sqlite3 *db, struct error *error) {
	int r = 0;

	for (size_t i = 0; r == 0 && i < N_DEFINITIONS; i++)
		r = database_execute(db, definitions[i], error);
	return r == 0 ? write_first_status(db, error) : r;
}

static int (*const ladder[])(sqlite3 *db, struct error *error) = { climb_to_1 };
static_assert(sizeof(ladder) / sizeof(ladder[0]) == EVENTLOG_FORMAT, "one step of the ladder for each format");

static int climb(sqlite3 *db, int format, struct error *error) {
	char sql[96];
	int r = database_execute(db, "BEGIN IMMEDIATE", error);

	if (r < 0)
		return r;
	while (r == 0 && format < EVENTLOG_FORMAT)
		r = ladder[format++](db, error);
	sqlite3_snprintf(sizeof(sql), sql, "PRAGMA application_id = %d; PRAGMA user_version = %d", APPLICATION_ID, EVENTLOG_FORMAT);
	if (r == 0)
		r = database_execute(db, sql, error);
	if (r == 0)
		r = database_execute(db, "COMMIT", error);
	if (r < 0 && database_in_transaction(db))
		sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	return r;
}

static int read_number(sqlite3 *db, const char *sql, sqlite3_int64 *ret, struct error *error) {
	sqlite3_stmt *statement = NULL;
	int r = database_prepare(&statement, db, sql, error);

	if (r < 0)
		return r;
	int rc = sqlite3_step(statement);

	if (rc == SQLITE_ROW)
		*ret = sqlite3_column_int64(statement, 0);
	else
		r = database_error(db, rc, "read the format of the event log", error);
	sqlite3_finalize(statement);
	return r;
}

static int bring_to_format(struct eventlog *log, const struct eventlog_options *options, struct error *error) {
	sqlite3_int64 application = 0, format = 0, n_definitions = 0;
	int r = read_number(log->db, "PRAGMA application_id", &application, error);

	if (r == 0)
		r = read_number(log->db, "PRAGMA user_version", &format, error);
	if (r == 0)
		r = read_number(log->db, "SELECT count(*) FROM sqlite_schema", &n_definitions, error);
	if (r < 0)
		return r;
	if (application == 0 && format == 0 && n_definitions == 0) {
		/* What a crash during creation leaves. */
		if (!options->create || options->read_only)
			return error_set(error, ERROR_NOT_FOUND, "%.200s holds no event log", options->path);
	} else if (application != APPLICATION_ID || format < 1) {
		return error_set(error, ERROR_CORRUPT, "%.200s is no event log", options->path);
	}
	if (format > EVENTLOG_FORMAT)
		return error_set(error, ERROR_VERSION, "%.200s has format %lld, this program knows up to format %d",
		                 options->path, format, EVENTLOG_FORMAT);
	if (format == EVENTLOG_FORMAT)
		return 0;
	if (options->read_only)
		return error_set(error, ERROR_VERSION,
		                 "%.200s has format %lld and must be opened for writing once, "
		                 "to become format %d",
		                 options->path, format, EVENTLOG_FORMAT);
	return climb(log->db, (int)format, error);
}

/* Statements depend on these texts, and no hash covers them. */
int log_check_definitions(struct eventlog *log, struct error *error) {
	sqlite3_stmt *statement = NULL;
	size_t n_found = 0, n_rows = 0;
	int rc, r = database_prepare(&statement, log->db, "SELECT sql FROM sqlite_schema", error);

	if (r < 0)
		return r;
	while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
		const char *sql = (const char *)sqlite3_column_text(statement, 0);

		n_rows++;
		for (size_t i = 0; sql && i < N_DEFINITIONS; i++)
			n_found += strcmp(sql, definitions[i]) == 0;
	}
	if (rc != SQLITE_DONE)
		r = database_error(log->db, rc, "read the tables of the event log", error);
	else if (n_found != N_DEFINITIONS || n_rows != N_DEFINITIONS)
		r = error_set(error, ERROR_CORRUPT, "the tables of %.200s are not those of its format", log->path);
	sqlite3_finalize(statement);
	return r;
}

/* -- The view -- */

int64_t status_checksum(const struct log_view *view) {
	const struct eventlog_status *status = &view->status;
	struct checksum sum;

	checksum_init(&sum, "status");
	checksum_add(&sum, status->client_id, strlen(status->client_id));
	checksum_add_u64(&sum, status->generation);
	checksum_add_u64(&sum, status->upstream_head.global);
	checksum_add(&sum, status->upstream_chain_hash.bytes, sizeof(struct hash));
	checksum_add(&sum, status->lineage, sizeof(status->lineage));
	checksum_add_u64(&sum, status->epoch);
	checksum_add_u64(&sum, view->saved_hlc.time_ms);
	checksum_add_u64(&sum, view->saved_hlc.counter);
	checksum_add_u64(&sum, status->has_backend);
	checksum_add_u64(&sum, status->refused_ordinal);
	checksum_add(&sum, view->cursor_hash.bytes, sizeof(struct hash));
	checksum_add(&sum, view->staged_cursor_hash.bytes, sizeof(struct hash));
	return checksum_finish(&sum);
}

static void hash_column(sqlite3_stmt *statement, int column, struct hash *ret) {
	const void *data = sqlite3_column_blob(statement, column);

	hash_bytes(ret, data, data ? (size_t)sqlite3_column_bytes(statement, column) : 0);
}

static bool column_status(sqlite3_stmt *statement, struct log_view *view) {
	struct eventlog_status *status = &view->status;

	if (!log_column_bytes(statement, 0, status->client_id, CLIENT_ID_BYTES) ||
	    !log_column_bytes(statement, 3, status->upstream_chain_hash.bytes, sizeof(struct hash)) ||
	    !log_column_bytes(statement, 4, status->lineage, sizeof(status->lineage)))
		return false;
	status->generation = (uint64_t)sqlite3_column_int64(statement, 1);
	status->upstream_head.global = (uint64_t)sqlite3_column_int64(statement, 2);
	status->epoch = (uint64_t)sqlite3_column_int64(statement, 5);
	view->saved_hlc.time_ms = (uint64_t)sqlite3_column_int64(statement, 6);
	view->saved_hlc.counter = (uint32_t)sqlite3_column_int64(statement, 7);
	status->has_backend = sqlite3_column_int64(statement, 8) != 0;
	status->refused_ordinal = (uint64_t)sqlite3_column_int64(statement, 9);
	hash_column(statement, 10, &view->cursor_hash);
	hash_column(statement, 11, &view->staged_cursor_hash);
	return status_checksum(view) == sqlite3_column_int64(statement, 12);
}

static int load_status(struct eventlog *log, struct log_view *view, struct error *error) {
	sqlite3_stmt *statement = NULL;
	int r = log_statement(log, STATEMENT_STATUS_READ, &statement, error);

	if (r == 0)
		r = log_step(log, statement, "read the status of the event log", error);
	if (r < 0)
		return r;
	if (r == 0 || !column_status(statement, view))
		r = error_set(error, ERROR_CORRUPT, "the status row of %.200s is missing or contradicts its checksum",
		              log->path);
	else
		r = 0;
	sqlite3_reset(statement);
	return r;
}

int log_check_link(const struct row *previous, const struct row *row, struct error *error) {
	struct event expected = { .entry = row->event->entry };
	struct event root = { 0 };
	const struct event *before = previous ? previous->event : &root;
	const char *wrong = NULL;
	char at[POSITION_TEXT_BYTES], after[POSITION_TEXT_BYTES];

	log_make_hashes(&before->chain_hash, &before->local_hash, &expected);
	if (!position_equal(row->event->entry.at,
	                    position_next(before->entry.at, position_is_client_only(row->event->entry.at))))
		wrong = "is not the next position";
	else if (row->number != (previous ? previous->number + 1 : 1))
		wrong = "has a number that does not follow";
	else if (!hash_equal(&expected.local_hash, &row->event->local_hash))
		wrong = "has a local hash that does not follow";
	else if (!hash_equal(&expected.chain_hash, &row->event->chain_hash))
		wrong = "has a chain hash that does not follow";
	if (!wrong)
		return 0;
	position_print(at, row->event->entry.at);
	position_print(after, before->entry.at);
	return error_set(error, ERROR_CORRUPT, "%s in the event log, after %s, %s", at, after, wrong);
}

/* Walks the newest rows, newest first; the first of them is the head. */
static int load_tail(struct eventlog *log, struct log_view *view, struct error *error) {
	struct eventlog_status *status = &view->status;
	struct row newer = { 0 }, row = { 0 };
	sqlite3_stmt *statement = NULL;
	size_t n_rows = 0;
	int r = log_statement(log, STATEMENT_READ_REVERSE, &statement, error);

	if (r < 0)
		return r;
	log_bind_u64(statement, 1, (uint64_t)INT64_MIN);
	log_bind_u64(statement, 2, INT64_MAX);
	while (n_rows <= TAIL_ROWS && (r = log_step(log, statement, "read the end of the event log", error)) == 1) {
		r = log_column_row(statement, TABLE_LOG, NULL, &row, error);
		if (r == 0 && newer.event)
			r = log_check_link(&row, &newer, error);
		if (r == 0 && n_rows++ == 0) {
			status->head = row.event->entry.at;
			status->local_hash = row.event->local_hash;
			status->chain_hash = row.event->chain_hash;
			status->n_events = row.number;
			view->head_hlc = row.event->hlc;
		}
		event_destroy(newer.event);
		newer = row;
		row.event = NULL;
		if (r < 0)
			break;
	}
	if (r == 0 && n_rows > 0 && n_rows <= TAIL_ROWS)
		r = log_check_link(NULL, &newer, error);
	sqlite3_reset(statement);
	event_destroy(newer.event);
	return r < 0 ? r : 0;
}

/* What status and rows say of each other. */
static int check_view(struct eventlog *log, const struct log_view *view, struct error *error) {
	const struct eventlog_status *status = &view->status;
	struct hash chain = { { 0 } };
	char at[POSITION_TEXT_BYTES], head[POSITION_TEXT_BYTES];
	int r = 0;

	if (!position_is_root(status->upstream_head))
		r = log_hashes_at(log, status->upstream_head, NULL, &chain, NULL, error);
	if (r < 0 && r != ERROR_NOT_FOUND)
		return r;
	if (r == 0 && hash_equal(&chain, &status->upstream_chain_hash))
		return 0;
	position_print(at, status->upstream_head);
	position_print(head, status->head);
	return error_set(error, ERROR_CORRUPT, "the backend's head %s %s (the log ends at %s)", at,
	                 r == 0 ? "has another chain hash in the event log" : "does not stand in the event log", head);
}

int log_load_view(struct eventlog *log, struct log_view *ret, struct error *error) {
	struct log_view view = { 0 };
	int r = load_status(log, &view, error);

	if (r == 0)
		r = load_tail(log, &view, error);
	if (r == 0)
		r = check_view(log, &view, error);
	if (r == 0)
		r = eventlog_refused_count(log, &view.n_refused, error);
	if (r < 0)
		return r;
	view.status.hlc = hlc_later(view.saved_hlc, view.head_hlc);
	*ret = view;
	return 0;
}

/* -- Open and close -- */

static int count_wal_pages(void *data, sqlite3 *db, const char *name, int pages) {
	struct eventlog *log = data;

	log->wal_pages = pages;
	return SQLITE_OK;
}

/* A sync that failed may have left frames that can be read but were never
 * written: they are written again, into the database, before anything relies on
 * them. A full disk or a reader only puts that off. */
static int settle_wal(struct eventlog *log, struct error *error) {
	int rc = sqlite3_wal_checkpoint_v2(log->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);

	sqlite3_wal_hook(log->db, count_wal_pages, log);
	if (rc == SQLITE_OK || (rc & 0xff) == SQLITE_FULL || (rc & 0xff) == SQLITE_BUSY)
		return 0;
	return database_error(log->db, rc, "settle the event log", error);
}

static int open_parts(struct eventlog *log, const struct eventlog_options *options, struct error *error) {
	struct stat st;
	int r;

	if ((options->read_only || !options->create) && lstat(options->path, &st) < 0 && errno == ENOENT)
		return error_set(error, ERROR_NOT_FOUND, "there is no event log %.200s", options->path);
	r = database_open(&log->db, options->path, options->read_only ? DATABASE_READ_ONLY : DATABASE_DURABLE, error);
	if (r == 0)
		r = bring_to_format(log, options, error);
	/* One snapshot: another process may be writing. */
	if (r == 0)
		r = database_execute(log->db, "BEGIN", error);
	if (r == 0)
		r = log_check_definitions(log, error);
	if (r == 0)
		r = log_load_view(log, &log->view, error);
	if (r == 0)
		r = database_execute(log->db, "COMMIT", error);
	if (r == 0 && !log->read_only)
		r = settle_wal(log, error);
	return r;
}

int eventlog_open(struct eventlog **ret, const struct eventlog_options *options, struct error *error) {
	struct eventlog *log = calloc(1, sizeof(*log));
	int r;

	if (!log)
		return error_no_memory(error);
	log->read_only = options->read_only;
	log->path = strdup(options->path);
	r = log->path ? open_parts(log, options, error) : error_no_memory(error);
	if (r < 0) {
		eventlog_close(log);
		return r;
	}
	*ret = log;
	return 0;
}

struct eventlog *eventlog_close(struct eventlog *log) {
	if (!log)
		return NULL;
	if (log->db)
		log_fail(log, 0);
	log->db = database_close(log->db); /* finalizes the statements */
	free(log->path);
	free(log);
	return NULL;
}
