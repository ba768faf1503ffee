/*
 * Verifying the event log: every row of every table, against its neighbours,
 * its hashes, its checksum and the status; then SQLite's own structures.
 */

#include "store/eventlog_internal.h"

#include <stdio.h>
#include <string.h>

#include "model/notation.h"
#include "store/database.h"

#define ROWS_PER_PROGRESS 1024u /* rows between two calls of on_progress */

/* One world's newest unit. Client-only events of a unit stay at home, and in a
 * rebase they can part from its synced ones: each world is looked at alone, and
 * may lack the places that the other holds. */
struct unit_seen {
	struct event_id id;
	uint32_t index;
	uint32_t count;
};

struct walk {
	const struct log_view *view;
	struct row previous;
	struct unit_seen units[2]; /* synced, client-only */
	bool seen_upstream;
};

static int contradiction(struct error *error, const struct event *event, const char *wrong) {
	char at[POSITION_TEXT_BYTES];

	position_print(at, event->entry.at);
	return error_set(error, ERROR_CORRUPT, "%s in the event log %s", at, wrong);
}

static int check_unit(struct walk *walk, const struct event *event, struct error *error) {
	const struct entry *entry = &event->entry;
	struct unit_seen *seen = &walk->units[entry->client_only];
	bool same = event_id_equal(&seen->id, &entry->unit);

	if (same && entry->unit_index == seen->index + 1 && entry->unit_count != seen->count)
		return contradiction(error, event, "gives its unit another size than the event before it");
	/* A backend may confirm a unit twice: then it begins again. */
	if (same && entry->unit_index != 0 && entry->unit_index <= seen->index)
		return contradiction(error, event, "stands out of order in its unit");
	*seen = (struct unit_seen){ entry->unit, entry->unit_index, entry->unit_count };
	return 0;
}

static int check_row(struct walk *walk, const struct row *row, struct error *error) {
	const struct eventlog_status *status = &walk->view->status;
	int r = log_check_link(walk->previous.event ? &walk->previous : NULL, row, error);

	if (r == 0)
		r = check_unit(walk, row->event, error);
	if (r < 0)
		return r;
	if (row->event->generation > status->generation)
		return contradiction(error, row->event, "has a generation above the log's");
	if (position_equal(row->event->entry.at, status->upstream_head)) {
		walk->seen_upstream = true;
		if (!hash_equal(&row->event->chain_hash, &status->upstream_chain_hash))
			return contradiction(error, row->event, "is the backend's head and has another chain hash");
	}
	return 0;
}

static int check_end(const struct walk *walk, struct error *error) {
	const struct eventlog_status *status = &walk->view->status;
	const struct event *last = walk->previous.event;
	char found[POSITION_TEXT_BYTES], expected[POSITION_TEXT_BYTES];

	position_print(found, last ? last->entry.at : POSITION_ROOT);
	if (!position_equal(last ? last->entry.at : POSITION_ROOT, status->head) ||
	    walk->previous.number != status->n_events) {
		position_print(expected, status->head);
		return error_set(error, ERROR_CORRUPT, "the walk through the event log ended at %s, its head is %s", found,
		                 expected);
	}
	if (!position_is_root(status->upstream_head) && !walk->seen_upstream) {
		position_print(expected, status->upstream_head);
		return error_set(error, ERROR_CORRUPT, "the backend's head %s does not stand in the event log", expected);
	}
	return 0;
}

struct progress {
	void (*call)(uint64_t done, uint64_t all, void *data);
	void *data;
};

static int walk_log(struct eventlog *log, const struct log_view *view, const struct progress *progress,
                    struct error *error) {
	struct walk walk = { .view = view };
	struct row row;
	sqlite3_stmt *statement = NULL;
	int r = log_statement(log, STATEMENT_READ_FORWARD, &statement, error);

	if (r < 0)
		return r;
	log_bind_u64(statement, 1, (uint64_t)INT64_MIN);
	log_bind_u64(statement, 2, INT64_MAX);
	while ((r = log_step(log, statement, "walk through the event log", error)) == 1) {
		r = log_column_row(statement, TABLE_LOG, NULL, &row, error);
		if (r < 0)
			break;
		r = check_row(&walk, &row, error);
		event_destroy(walk.previous.event);
		walk.previous = row;
		if (r < 0)
			break;
		if (progress->call && row.number % ROWS_PER_PROGRESS == 0)
			progress->call(row.number, view->status.n_events, progress->data);
	}
	sqlite3_reset(statement);
	if (r == 0)
		r = check_end(&walk, error);
	event_destroy(walk.previous.event);
	return r;
}

/* -- The other tables -- */

static int walk_staged(struct eventlog *log, struct error *error) {
	struct row row;
	sqlite3_stmt *statement = NULL;
	int r = log_statement(log, STATEMENT_STAGED_READ, &statement, error);

	while (r == 0 && (r = log_step(log, statement, "walk through the staged events", error)) == 1) {
		r = log_column_row(statement, TABLE_STAGED, NULL, &row, error);
		if (r == 0)
			event_destroy(row.event);
	}
	sqlite3_reset(statement);
	return r;
}

static int walk_refused(struct eventlog *log, const struct log_view *view, struct error *error) {
	struct refused_event refused[16];
	uint64_t after = 0, found = 0;
	size_t n;
	int r;

	do {
		r = eventlog_refused(log, after, NULL, false, refused, sizeof(refused) / sizeof(refused[0]), &n, error);
		if (r < 0)
			return r;
		for (size_t i = 0; i < n; i++) {
			after = refused[i].ordinal;
			refused_event_finish(&refused[i]);
		}
		found += n;
	} while (n > 0);
	if (found != view->n_refused || after > view->status.refused_ordinal)
		return error_set(error, ERROR_CORRUPT,
		                 "%llu events are refused up to number %llu, the status says %llu and %llu",
		                 (unsigned long long)found, (unsigned long long)after, (unsigned long long)view->n_refused,
		                 (unsigned long long)view->status.refused_ordinal);
	return 0;
}

static int walk_forgotten(struct eventlog *log, struct error *error) {
	sqlite3_stmt *statement = NULL;
	int r = log_statement(log, STATEMENT_FORGOTTEN_READ, &statement, error);

	while (r == 0 && (r = log_step(log, statement, "walk through the forgotten ids", error)) == 1) {
		struct event_id id;
		struct hash content;

		r = 0;
		if (!log_column_bytes(statement, 0, id.bytes, sizeof(id.bytes)) ||
		    !log_column_bytes(statement, 1, content.bytes, sizeof(content.bytes)) ||
		    forgotten_checksum(&id, &content) != sqlite3_column_int64(statement, 2))
			r = error_set(error, ERROR_CORRUPT, "a forgotten refusal contradicts its checksum");
	}
	sqlite3_reset(statement);
	return r;
}

static int walk_schemas(struct eventlog *log, struct error *error) {
	struct schema_row previous = { 0 }, row;
	sqlite3_stmt *statement = NULL;
	int r = log_statement(log, STATEMENT_SCHEMA_READ, &statement, error);

	while (r == 0 && (r = log_step(log, statement, "walk through the schemas", error)) == 1) {
		r = log_column_schema(statement, &row, error);
		if (r == 0 && (row.ordinal != previous.ordinal + 1 || row.version <= previous.version))
			r = error_set(error, ERROR_CORRUPT, "schema %llu in the event log does not follow its predecessor",
			              (unsigned long long)row.ordinal);
		previous = row;
	}
	sqlite3_reset(statement);
	return r;
}

static int check_displaced(struct eventlog *log, struct error *error) {
	sqlite3_stmt *statement = NULL;
	int r = log_statement(log, STATEMENT_DISPLACED_FIRST, &statement, error);

	if (r == 0)
		r = log_step(log, statement, "look for displaced events", error);
	if (r == 1)
		r = error_set(error, ERROR_CORRUPT, "the event log holds displaced events outside of a transaction");
	sqlite3_reset(statement);
	return r;
}

/* Pages, free lists, indexes: what no hash of ours covers. */
static int check_integrity(struct eventlog *log, struct error *error) {
	sqlite3_stmt *statement = NULL;
	int rc, r = database_prepare(&statement, log->db, "PRAGMA integrity_check(1)", error);

	if (r < 0)
		return r;
	rc = sqlite3_step(statement);
	if (rc == SQLITE_ROW) {
		const char *text = (const char *)sqlite3_column_text(statement, 0);

		if (!text)
			r = error_no_memory(error);
		else if (strcmp(text, "ok") != 0)
			r = error_set(error, ERROR_CORRUPT, "the file of the event log is damaged: %.300s", text);
	} else {
		r = database_error(log->db, rc, "check the file of the event log", error);
	}
	sqlite3_finalize(statement);
	return r;
}

static int verify_all(struct eventlog *log, const struct progress *progress, struct error *error) {
	struct log_view view;
	int r = log_check_definitions(log, error);

	if (r == 0)
		r = log_load_view(log, &view, error);
	if (r == 0)
		r = walk_log(log, &view, progress, error);
	if (r == 0)
		r = walk_staged(log, error);
	if (r == 0)
		r = walk_refused(log, &view, error);
	if (r == 0)
		r = walk_forgotten(log, error);
	if (r == 0)
		r = walk_schemas(log, error);
	if (r == 0)
		r = check_displaced(log, error);
	if (r == 0)
		r = check_integrity(log, error);
	if (r == 0 && progress->call)
		progress->call(view.status.n_events, view.status.n_events, progress->data);
	return r;
}

int eventlog_verify(struct eventlog *log, void (*on_progress)(uint64_t done, uint64_t all, void *data), void *data,
                    struct error *error) {
	struct progress progress = { on_progress, data };
	int r;

	if (log->in_transaction)
		return error_set(error, ERROR_BUSY, "cannot verify the event log: a transaction is open");
	/* One snapshot for everything, whoever writes meanwhile. */
	r = database_execute(log->db, "BEGIN", error);
	if (r < 0)
		return r;
	r = verify_all(log, &progress, error);
	/* The transaction may be over already; it has changed nothing. */
	if (database_in_transaction(log->db))
		sqlite3_exec(log->db, "ROLLBACK", NULL, NULL, NULL);
	return r;
}
