/*
 * The event log: its file format, its transactions, and everything that
 * changes its rows in place. Step 8 of docs/ARCHITECTURE.md.
 *
 * Format 1 (application_id "ldev", user_version 1), an SQLite database in WAL
 * mode; all tables are STRICT:
 *
 *   event_log    one row per event, keyed by its `number`: rows count from 1
 *                without a gap, in the order of positions. An index on id.
 *   displaced    rows that a rebase took out; empty between transactions.
 *                `ordinal` is their order.
 *   staged       pulled events that wait for their successors, by `ordinal`
 *   refused      refused events, by `ordinal`, with reason and `reported`
 *   forgotten    ids and content hashes of refusals that were dropped or retried
 *   schema_text  every schema that was installed; the newest is in force
 *   status       one row: client id, clock, generation, upstream head with its
 *                chain hash and cursor, lineage, epoch, the cursor of the staged
 *                pages, the newest refusal's ordinal
 *
 * The columns of an event are the same in all tables: global, client; id[16];
 * unit[16], NULL when it equals the id; unit_index, unit_count, version;
 * time_ms, counter (the clock); generation, digest; content_hash, chain_hash,
 * local_hash (hash.h); checksum; client_id, session_id, name, args; origins
 * (packed, see eventlog_row.c), sync_metadata. What is read often stands before
 * what may be long and spill over. Parents follow from positions.
 *
 * Why a number is the key and not (global, client): SQLite appends to a b-tree
 * of integer keys by adding a page and leaves the others full; any other b-tree
 * it balances, rewriting three pages and their parent every few appends. Since
 * positions grow with numbers, a position is found by a search that only
 * client-only events make necessary (log_rows_up_to).
 *
 * What is durable where. A commit of one event changes the last page of
 * event_log and the last page of its index, and nothing else: head, hashes,
 * number of events and, as a rule, the clock are those of the newest row. The
 * status row is written only when it says something that the newest row does
 * not (upstream head, generation, a clock ahead of the newest row's). Two
 * frames, four writes, one sync; when the page is full two frames more.
 *
 * What protects it. Content is covered by the content hash, order by chain and
 * local hash, everything else in a row by its checksum: the first eight bytes of
 * the BLAKE2b-256 of table name, number and every field that no hash covers. The
 * rows of status, refused, forgotten and schema_text have checksums too. A row
 * is proved whenever it is read. SQLite's structures are checked by its own
 * integrity_check in eventlog_verify.
 *
 * The index on id is not unique: a backend may confirm one id twice, and the
 * log keeps what was confirmed (the second has no effect on the state).
 */

#include "store/eventlog_internal.h"

#include <string.h>

#include "model/notation.h"
#include "store/database.h"
#include "store/hash.h"

void eventlog_status(const struct eventlog *log, struct eventlog_status *ret) {
	*ret = log->view.status;
}

int eventlog_wal_pages(const struct eventlog *log) {
	return log->wal_pages;
}

/* -- Transactions -- */

int eventlog_begin(struct eventlog *log, struct error *error) {
	sqlite3_stmt *statement = NULL;
	int r;

	if (log->read_only)
		return error_set(error, ERROR_PERMISSION, "cannot change the event log %.200s: it is open for reading",
		                 log->path);
	if (log->stopped)
		return error_set(error, ERROR_IO, "cannot change the event log %.200s: a sync failed, it must be opened again",
		                 log->path);
	if (log->in_transaction)
		return error_set(error, ERROR_BUSY, "cannot begin in the event log: a transaction is open");
	r = log_statement(log, STATEMENT_BEGIN, &statement, error);
	if (r == 0)
		r = log_run(log, statement, "begin in the event log", error);
	if (r < 0)
		return r;
	log->in_transaction = true;
	log->before = log->view;
	return 0;
}

void eventlog_rollback(struct eventlog *log) {
	log_fail(log, 0);
}

/* Writes the status row if it says something that the rows do not. */
static int flush_status(struct eventlog *log, struct error *error) {
	struct log_view *view = &log->view;
	const struct eventlog_status *status = &view->status;
	struct hlc derived = hlc_later(view->saved_hlc, view->head_hlc);
	sqlite3_stmt *statement = NULL;
	int r;

	if (!view->status_changed && derived.time_ms == status->hlc.time_ms && derived.counter == status->hlc.counter)
		return 0;
	r = log_statement(log, STATEMENT_STATUS_WRITE, &statement, error);
	if (r < 0)
		return r;
	view->saved_hlc = status->hlc;
	log_bind_u64(statement, 1, status->generation);
	log_bind_u64(statement, 2, status->upstream_head.global);
	log_bind_u64(statement, 5, status->epoch);
	log_bind_u64(statement, 6, status->hlc.time_ms);
	log_bind_u64(statement, 7, status->hlc.counter);
	log_bind_u64(statement, 8, status->has_backend);
	log_bind_u64(statement, 9, status->refused_ordinal);
	log_bind_u64(statement, 10, (uint64_t)status_checksum(view));
	r = log_bind_blob(log, statement, 3, status->upstream_chain_hash.bytes, sizeof(struct hash), error);
	if (r == 0)
		r = log_bind_blob(log, statement, 4, status->lineage, sizeof(status->lineage), error);
	if (r == 0)
		r = log_run(log, statement, "write the status of the event log", error);
	view->status_changed = false;
	return r;
}

/* The upstream head must stand in the log with its chain hash. */
static int check_upstream(struct eventlog *log, struct error *error) {
	const struct eventlog_status *status = &log->view.status;
	struct hash chain = { { 0 } };
	char at[POSITION_TEXT_BYTES];
	bool found = true;
	int r;

	if (!log->view.upstream_changed)
		return 0;
	log->view.upstream_changed = false;
	if (!position_is_root(status->upstream_head)) {
		r = log_hashes_at(log, status->upstream_head, NULL, &chain, NULL, error);
		if (r < 0 && r != ERROR_NOT_FOUND)
			return r;
		found = r == 0;
	}
	if (found && hash_equal(&chain, &status->upstream_chain_hash))
		return 0;
	position_print(at, status->upstream_head);
	return error_set(error, ERROR_CORRUPT, "the backend's head %s %s", at,
	                 found ? "has another chain hash in the event log" : "does not stand in the event log");
}

/* A commit that failed in its sync, or for a reason that may have come after
 * it, is neither done nor undone: the file may hold it. Only a full disk is told
 * before the last frame is whole. */
static int commit_failed(struct eventlog *log, int r, struct error *error) {
	log_fail(log, r);
	if (r == ERROR_FULL || r == ERROR_BUSY)
		return r;
	log->stopped = true;
	/* A checkpoint would sync again as if nothing had happened. */
	sqlite3_db_config(log->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	if (error)
		error->code = ERROR_UNKNOWN;
	error_prefix(error, "outcome unknown");
	return ERROR_UNKNOWN;
}

int eventlog_commit(struct eventlog *log, struct error *error) {
	sqlite3_stmt *statement = NULL;
	int r = log_require_transaction(log, error);

	if (r < 0)
		return r;
	if (log->view.n_displaced != 0)
		return log_fail(log, error_set(error, ERROR_INVALID,
		                               "cannot commit to the event log: %llu displaced events were not taken",
		                               (unsigned long long)log->view.n_displaced));
	r = check_upstream(log, error);
	if (r == 0)
		r = flush_status(log, error);
	if (r == 0)
		r = log_statement(log, STATEMENT_COMMIT, &statement, error);
	if (r < 0)
		return log_fail(log, r);
	r = log_run(log, statement, "commit to the event log", error);
	if (r < 0)
		return commit_failed(log, r, error);
	log->in_transaction = false;
	return 0;
}

/* -- Appending -- */

void log_make_hashes(const struct hash *chain, const struct hash *local, struct event *event) {
	/* A client-only event is no link of the chain: it shows the one before it. */
	if (position_is_client_only(event->entry.at))
		event->chain_hash = *chain;
	else
		hash_chain(&event->chain_hash, chain, event->entry.at, &event->entry.content);
	hash_local(&event->local_hash, local, event->entry.at, &event->entry.content);
}

void eventlog_hashes(const struct eventlog *log, const struct event *previous, struct event *event) {
	const struct eventlog_status *status = &log->view.status;

	log_make_hashes(previous ? &previous->chain_hash : &status->chain_hash,
	                previous ? &previous->local_hash : &status->local_hash, event);
}

static int check_next(const struct eventlog *log, const struct event *event, struct error *error) {
	struct position head = log->view.status.head;
	struct position at = event->entry.at;
	char found[POSITION_TEXT_BYTES], synced[POSITION_TEXT_BYTES], client_only[POSITION_TEXT_BYTES];

	if (position_equal(at, position_next(head, position_is_client_only(at))) &&
	    event->entry.client_only == position_is_client_only(at))
		return 0;
	position_print(found, at);
	position_print(synced, position_next(head, false));
	position_print(client_only, position_next(head, true));
	return error_set(error, ERROR_CORRUPT, "cannot append at %s: expected %s, or %s for a client-only event", found,
	                 synced, client_only);
}

static int append_row(struct eventlog *log, struct event *event, struct error *error) {
	struct row row = { .number = log->view.status.n_events + 1, .event = event, .table = TABLE_LOG };
	struct row_scratch scratch;
	sqlite3_stmt *statement = NULL;
	int r = log_statement(log, STATEMENT_APPEND, &statement, error);

	if (r == 0)
		r = log_bind_row(log, statement, &row, &scratch, error);
	if (r == 0)
		r = log_run(log, statement, "append to the event log", error);
	return r;
}

int eventlog_append(struct eventlog *log, struct event *event, struct error *error) {
	struct log_view *view = &log->view;
	struct hash chain = event->chain_hash, local = event->local_hash;
	int r = log_require_transaction(log, error);

	if (r == 0)
		r = check_next(log, event, error);
	if (r == 0)
		r = log_check_event(event, error);
	if (r < 0)
		return log_fail(log, r);
	eventlog_hashes(log, NULL, event);
	r = append_row(log, event, error);
	if (r == 0 && view->n_refused > 0)
		r = log_drop_refused(log, &event->entry.id, error);
	if (r < 0) {
		event->chain_hash = chain;
		event->local_hash = local;
		return log_fail(log, r);
	}
	view->status.head = event->entry.at;
	view->status.local_hash = event->local_hash;
	view->status.chain_hash = event->chain_hash;
	view->status.n_events++;
	view->status.hlc = hlc_later(view->status.hlc, event->hlc);
	view->head_hlc = event->hlc;
	if (event->generation > view->status.generation) {
		view->status.generation = event->generation;
		view->status_changed = true;
	}
	return 0;
}

/* -- Status -- */

static int write_cursor(struct eventlog *log, enum log_statement which, const void *cursor, size_t n,
                        struct error *error) {
	sqlite3_stmt *statement = NULL;
	int r = log_statement(log, which, &statement, error);

	if (r == 0)
		r = log_bind_blob(log, statement, 1, n ? cursor : NULL, n, error);
	if (r == 0)
		r = log_run(log, statement, "keep a cursor in the event log", error);
	if (r < 0)
		return r;
	hash_bytes(which == STATEMENT_CURSOR_WRITE ? &log->view.cursor_hash : &log->view.staged_cursor_hash, cursor, n);
	log->view.status_changed = true;
	return 0;
}

int log_write_staged_cursor(struct eventlog *log, const void *cursor, size_t n, struct error *error) {
	return write_cursor(log, STATEMENT_STAGED_CURSOR_WRITE, cursor, n, error);
}

int eventlog_set_upstream(struct eventlog *log, struct position head, const struct hash *chain_hash, const void *cursor,
                          size_t cursor_bytes, struct error *error) {
	int r = log_require_transaction(log, error);

	if (r == 0 && (position_is_client_only(head) || head.global > INT64_MAX))
		r = error_set(error, ERROR_INVALID, "the backend's head cannot be a client-only event");
	if (r == 0)
		r = write_cursor(log, STATEMENT_CURSOR_WRITE, cursor, cursor_bytes, error);
	if (r < 0)
		return log_fail(log, r);
	log->view.status.upstream_head = head;
	log->view.status.upstream_chain_hash = *chain_hash;
	log->view.upstream_changed = true;
	return 0;
}

int eventlog_set_lineage(struct eventlog *log, const uint8_t lineage[16], uint64_t epoch, struct error *error) {
	struct eventlog_status *status = &log->view.status;
	int r = log_require_transaction(log, error);

	if (r < 0)
		return r;
	memcpy(status->lineage, lineage, sizeof(status->lineage));
	status->epoch = epoch;
	log->view.status_changed = true;
	return 0;
}

int eventlog_set_has_backend(struct eventlog *log, bool has_backend, struct error *error) {
	int r = log_require_transaction(log, error);

	if (r < 0)
		return r;
	log->view.status_changed |= log->view.status.has_backend != has_backend;
	log->view.status.has_backend = has_backend;
	return 0;
}

int eventlog_set_clock(struct eventlog *log, struct hlc hlc, struct error *error) {
	int r = log_require_transaction(log, error);

	if (r == 0 && (hlc.time_ms >> 48 || hlc.counter >> 16))
		r = log_fail(log, error_set(error, ERROR_INVALID, "the clock is past its greatest value"));
	if (r == 0)
		log->view.status.hlc = hlc_later(log->view.status.hlc, hlc);
	return r;
}

int eventlog_bump_generation(struct eventlog *log, struct error *error) {
	int r = log_require_transaction(log, error);

	if (r < 0)
		return r;
	log->view.status.generation++;
	log->view.status_changed = true;
	return 0;
}

int eventlog_set_sync_metadata(struct eventlog *log, struct position at, const void *data, size_t n_bytes,
                               struct error *error) {
	int r = log_require_transaction(log, error);

	if (r == 0 && n_bytes > SYNC_METADATA_BYTES_MAX)
		r = error_set(error, ERROR_TOO_LARGE, "sync metadata of %zu bytes is over the bound of %u", n_bytes,
		              SYNC_METADATA_BYTES_MAX);
	if (r == 0)
		r = log_rewrite_metadata(log, at, data, n_bytes, error);
	return r < 0 ? log_fail(log, r) : 0;
}

int eventlog_checkpoint(struct eventlog *log, struct error *error) {
	int in_wal = 0, done = 0;
	int rc;

	if (log->in_transaction)
		return error_set(error, ERROR_BUSY, "cannot checkpoint the event log: a transaction is open");
	if (log->read_only || log->stopped)
		return error_set(error, ERROR_PERMISSION, "cannot checkpoint the event log: it is not open for writing");
	/* PASSIVE takes what no reader needs and waits for nobody. */
	rc = sqlite3_wal_checkpoint_v2(log->db, NULL, SQLITE_CHECKPOINT_PASSIVE, &in_wal, &done);
	if (rc != SQLITE_OK && rc != SQLITE_BUSY)
		return database_error(log->db, rc, "checkpoint the event log", error);
	log->wal_pages = in_wal > done ? in_wal - done : 0;
	return 0;
}
