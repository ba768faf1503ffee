/*
 * The two queues of events beside the log: displaced ones, which a rebase took
 * out and replays, and staged ones, pulled pages that wait for their successors.
 * Both give whole units back, oldest first.
 */

#include "store/eventlog_internal.h"

#include "base/bytes.h"
#include "base/must.h"
#include "store/database.h"
#include "store/hash.h"

struct queue {
	enum log_statement read;
	enum log_statement remove;
	const char *table;     /* as the rows' checksums name it */
	bool pass_over_logged; /* leave events out whose id stands in the log */
};

/* What was read of a queue: whole units up to `n_whole`, and behind them the
 * beginning of the unit that is being read. */
struct reading {
	struct event **events; /* the caller's */
	size_t n_max;
	size_t n, n_whole;
	size_t bytes;
	sqlite3_int64 last_whole; /* ordinal up to which rows are consumed */
	sqlite3_int64 last;       /* of the newest row read */
	bool any_whole;           /* last_whole is meaningful */
	bool full;
};

static int is_logged(struct eventlog *log, const struct event_id *id, struct error *error) {
	sqlite3_stmt *statement = NULL;
	int r = log_statement(log, STATEMENT_LOCATE, &statement, error);

	if (r == 0)
		r = log_bind_blob(log, statement, 1, id->bytes, sizeof(id->bytes), error);
	if (r == 0)
		r = log_step(log, statement, "look an id up in the event log", error);
	if (r >= 0)
		sqlite3_reset(statement);
	return r;
}

/* What was read so far ends with a whole unit. */
static void close_unit(struct reading *reading, sqlite3_int64 last) {
	reading->n_whole = reading->n;
	reading->last_whole = last;
	reading->any_whole = true;
}

/* Puts one row behind those read, or finds the reading full. */
static int read_row(struct eventlog *log, const struct queue *queue, sqlite3_stmt *statement, struct reading *reading,
                    struct error *error) {
	sqlite3_int64 ordinal = sqlite3_column_int64(statement, ROW_EXTRA);
	struct row row;
	int r = log_column_row(statement, queue->table, NULL, &row, error);

	if (r < 0)
		return r;
	r = queue->pass_over_logged ? is_logged(log, &row.event->entry.id, error) : 0;
	if (r != 0) {
		event_destroy(row.event);
		if (r == 1)
			reading->last = ordinal;
		return r < 0 ? r : 0;
	}
	if (reading->n > 0 && !event_id_equal(&reading->events[reading->n - 1]->entry.unit, &row.event->entry.unit))
		close_unit(reading, reading->last);
	if (reading->n == reading->n_max ||
	    (reading->n_whole > 0 && reading->bytes + row.event->args_bytes > GROUP_BYTES_MAX)) {
		reading->full = true;
		event_destroy(row.event);
		return 0;
	}
	reading->bytes += row.event->args_bytes;
	reading->events[reading->n++] = row.event;
	reading->last = ordinal;
	return 0;
}

static int read_units(struct eventlog *log, const struct queue *queue, struct reading *reading, struct error *error) {
	bool any = false;
	sqlite3_stmt *statement = NULL;
	int r = log_statement(log, queue->read, &statement, error);

	if (r < 0)
		return r;
	while (!reading->full && (r = log_step(log, statement, "read a queue of the event log", error)) == 1) {
		any = true;
		r = read_row(log, queue, statement, reading, error);
		if (r < 0)
			break;
	}
	sqlite3_reset(statement);
	if (r < 0)
		return r;
	if (!reading->full && any)
		close_unit(reading, reading->last);
	for (size_t i = reading->n_whole; i < reading->n; i++)
		reading->events[i] = event_destroy(reading->events[i]);
	reading->n = reading->n_whole;
	if (reading->n == 0 && reading->full)
		return error_set(error, ERROR_INVALID, "%zu events cannot hold the next unit of the queue", reading->n_max);
	return 0;
}

static int take(struct eventlog *log, const struct queue *queue, struct reading *reading, uint64_t *ret_rows,
                struct error *error) {
	sqlite3_stmt *statement = NULL;
	int r = read_units(log, queue, reading, error);

	*ret_rows = 0;
	if (r == 0 && reading->any_whole) {
		r = log_statement(log, queue->remove, &statement, error);
		if (r == 0) {
			log_bind_u64(statement, 1, (uint64_t)reading->last_whole);
			r = log_run(log, statement, "empty a queue of the event log", error);
			*ret_rows = (uint64_t)sqlite3_changes64(log->db);
		}
	}
	if (r < 0)
		log_destroy_events(reading->events, reading->n);
	return r;
}

/* -- Displaced -- */

/* The ordinal of the oldest displaced row, for what is displaced now stood before it. */
static int first_displaced(struct eventlog *log, sqlite3_int64 *ret, struct error *error) {
	sqlite3_stmt *statement = NULL;
	int r = log_statement(log, STATEMENT_DISPLACED_FIRST, &statement, error);

	if (r == 0)
		r = log_step(log, statement, "read the displaced events", error);
	if (r < 0)
		return r;
	*ret = r == 1 ? sqlite3_column_int64(statement, 0) : 0;
	sqlite3_reset(statement);
	return 0;
}

/* Rows behind row `n_kept` go into the queue. */
static int move_rows(struct eventlog *log, uint64_t n_kept, struct error *error) {
	sqlite3_int64 first;
	sqlite3_stmt *statement = NULL;
	int r = first_displaced(log, &first, error);

	if (r == 0)
		r = log_statement(log, STATEMENT_DISPLACE, &statement, error);
	if (r < 0)
		return r;
	log_bind_u64(statement, 1, n_kept);
	/* The newest of them gets the ordinal before `first`. */
	log_bind_u64(statement, 2, (uint64_t)(first - 1 - (sqlite3_int64)log->view.status.n_events));
	r = log_run(log, statement, "displace events of the event log", error);
	if (r == 0) {
		log->view.n_displaced += (uint64_t)sqlite3_changes64(log->db);
		r = log_statement(log, STATEMENT_TRUNCATE, &statement, error);
	}
	if (r < 0)
		return r;
	log_bind_u64(statement, 1, n_kept);
	return log_run(log, statement, "displace events of the event log", error);
}

/* What the status says when `to` is the head. */
struct head {
	uint64_t n_events;
	struct hash chain, local;
	struct hlc hlc;
};

static int read_head(struct eventlog *log, struct position to, struct head *ret, struct error *error) {
	struct event *event;
	int r;

	*ret = (struct head){ 0 };
	if (position_is_root(to))
		return 0;
	r = log_hashes_at(log, to, &ret->n_events, &ret->chain, &ret->local, error);
	if (r == 0)
		r = eventlog_get(log, to, &event, error);
	if (r < 0)
		return r;
	ret->hlc = event->hlc;
	event_destroy(event);
	return 0;
}

int eventlog_displace(struct eventlog *log, struct position to, struct error *error) {
	struct eventlog_status *status = &log->view.status;
	struct head head;
	int r = log_require_transaction(log, error);

	if (r == 0)
		r = read_head(log, to, &head, error);
	if (r == 0)
		r = move_rows(log, head.n_events, error);
	if (r < 0)
		return log_fail(log, r);
	status->head = to;
	status->n_events = head.n_events;
	status->chain_hash = head.chain;
	status->local_hash = head.local;
	log->view.head_hlc = head.hlc;
	log->view.upstream_changed = true;
	return eventlog_bump_generation(log, error);
}

int eventlog_take_displaced(struct eventlog *log, struct event **ret, size_t n_max, size_t *ret_n,
                            struct error *error) {
	static const struct queue displaced = { STATEMENT_DISPLACED_READ, STATEMENT_DISPLACED_DELETE, TABLE_LOG, true };
	struct reading reading = { .events = ret, .n_max = n_max };
	uint64_t n_rows;
	int r = log_require_transaction(log, error);

	if (r == 0)
		r = take(log, &displaced, &reading, &n_rows, error);
	if (r < 0)
		return log_fail(log, r);
	must(n_rows <= log->view.n_displaced);
	log->view.n_displaced -= n_rows;
	*ret_n = reading.n;
	return 0;
}

/* -- Staged -- */

static int last_staged(struct eventlog *log, uint64_t *ret, struct error *error) {
	sqlite3_stmt *statement = NULL;
	int r = log_statement(log, STATEMENT_STAGED_LAST, &statement, error);

	if (r == 0)
		r = log_step(log, statement, "read the staged events", error);
	if (r < 0)
		return r;
	*ret = r == 1 ? (uint64_t)sqlite3_column_int64(statement, 0) : 0;
	sqlite3_reset(statement);
	return 0;
}

static int stage_row(struct eventlog *log, uint64_t ordinal, struct event *event, struct error *error) {
	struct row row = { .number = ordinal, .event = event, .table = TABLE_STAGED };
	struct row_scratch scratch;
	sqlite3_stmt *statement = NULL;
	int r = log_check_event(event, error);

	if (r == 0)
		r = log_statement(log, STATEMENT_STAGED_WRITE, &statement, error);
	if (r == 0)
		r = log_bind_row(log, statement, &row, &scratch, error);
	if (r == 0)
		r = log_run(log, statement, "stage events in the event log", error);
	return r;
}

int eventlog_stage(struct eventlog *log, struct event *const *events, size_t n_events, const void *cursor,
                   size_t cursor_bytes, struct error *error) {
	uint64_t ordinal, n_staged;
	int r = log_require_transaction(log, error);

	if (r == 0)
		r = eventlog_staged_count(log, &n_staged, error);
	if (r == 0 && n_staged + n_events > STAGED_EVENTS_MAX)
		r = error_set(error, ERROR_FULL, "cannot stage %zu events: %llu of at most %u are staged", n_events,
		              (unsigned long long)n_staged, STAGED_EVENTS_MAX);
	if (r == 0)
		r = last_staged(log, &ordinal, error);
	for (size_t i = 0; r == 0 && i < n_events; i++)
		r = stage_row(log, ++ordinal, events[i], error);
	if (r == 0)
		r = log_write_staged_cursor(log, cursor, cursor_bytes, error);
	return r < 0 ? log_fail(log, r) : 0;
}

int eventlog_take_staged(struct eventlog *log, struct event **ret, size_t n_max, size_t *ret_n, struct error *error) {
	static const struct queue staged = { STATEMENT_STAGED_READ, STATEMENT_STAGED_DELETE, TABLE_STAGED, false };
	struct reading reading = { .events = ret, .n_max = n_max };
	uint64_t n_rows, last;
	int r = log_require_transaction(log, error);

	if (r == 0)
		r = take(log, &staged, &reading, &n_rows, error);
	if (r < 0)
		return log_fail(log, r);
	r = last_staged(log, &last, error);
	if (r == 0 && last == 0)
		r = log_write_staged_cursor(log, NULL, 0, error);
	if (r < 0) {
		log_destroy_events(ret, reading.n);
		return log_fail(log, r);
	}
	*ret_n = reading.n;
	return 0;
}

int eventlog_staged_count(struct eventlog *log, uint64_t *ret, struct error *error) {
	sqlite3_stmt *statement = NULL;
	int r = log_statement(log, STATEMENT_STAGED_COUNT, &statement, error);

	if (r == 0)
		r = log_step(log, statement, "count the staged events", error);
	if (r < 0)
		return log_fail_reading(log, r);
	*ret = (uint64_t)sqlite3_column_int64(statement, 0);
	sqlite3_reset(statement);
	return 0;
}

/* -- Cursors -- */

static int read_cursor(struct eventlog *log, enum log_statement which, const struct hash *expected, struct bytes *ret,
                       struct error *error) {
	struct hash found;
	sqlite3_stmt *statement = NULL;
	int r = log_statement(log, which, &statement, error);

	if (r == 0)
		r = log_step(log, statement, "read a cursor of the event log", error);
	if (r < 0)
		return log_fail_reading(log, r);
	const void *data = r == 1 ? sqlite3_column_blob(statement, 0) : NULL;
	size_t n = data ? (size_t)sqlite3_column_bytes(statement, 0) : 0;

	hash_bytes(&found, data, n);
	if (!log->read_only && !hash_equal(&found, expected))
		r = error_set(error, ERROR_CORRUPT, "a cursor in the event log contradicts its hash");
	else
		r = bytes_add(ret, data, n) < 0 ? error_no_memory(error) : 0;
	sqlite3_reset(statement);
	return r < 0 ? log_fail_reading(log, r) : 0;
}

int eventlog_cursor(struct eventlog *log, struct bytes *ret, struct error *error) {
	return read_cursor(log, STATEMENT_CURSOR_READ, &log->view.cursor_hash, ret, error);
}

int eventlog_staged_cursor(struct eventlog *log, struct bytes *ret, struct error *error) {
	return read_cursor(log, STATEMENT_STAGED_CURSOR_READ, &log->view.staged_cursor_hash, ret, error);
}
