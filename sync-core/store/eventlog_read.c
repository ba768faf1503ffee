/*
 * Reading the event log: one event, a page of them, and what is known of an id.
 */

#include "store/eventlog_internal.h"

#include <stdlib.h>
#include <string.h>

#include "model/notation.h"

/* Rows that one page may look at: a filter that matches little must not turn a
 * page into a walk through the whole log. */
#define PAGE_ROWS_MAX (16u * PAGE_EVENTS_MAX)

/* -- One event -- */

/* Steps a statement that finds at most one event. */
static int take_one(struct eventlog *log, sqlite3_stmt *statement, struct event **ret, struct error *error) {
	struct row row = { 0 };
	int r = log_step(log, statement, "read an event of the event log", error);

	if (r == 0)
		return ERROR_NOT_FOUND;
	if (r == 1)
		r = log_column_row(statement, TABLE_LOG, NULL, &row, error);
	sqlite3_reset(statement);
	if (r == 0)
		*ret = row.event;
	return r;
}

/* -- From position to row. Rows are numbered from 1 without a gap and positions
 * grow with them, so row n holds a global of at most n, and n - global is the
 * number of client-only rows up to there: that bounds the search. Without
 * client-only events it is one look. -- */

static int read_last(struct eventlog *log, uint64_t *ret_n, struct position *ret_head, struct error *error) {
	sqlite3_stmt *statement = NULL;
	int r = log_statement(log, STATEMENT_LAST, &statement, error);

	if (r == 0)
		r = log_step(log, statement, "read the newest row of the event log", error);
	if (r < 0)
		return r;
	*ret_n = r == 1 ? (uint64_t)sqlite3_column_int64(statement, 0) : 0;
	*ret_head = r == 1 ? log_column_position(statement, 1) : POSITION_ROOT;
	sqlite3_reset(statement);
	return 0;
}

static int read_position(struct eventlog *log, uint64_t number, struct position *ret, struct error *error) {
	sqlite3_stmt *statement = NULL;
	int r = log_statement(log, STATEMENT_POSITION, &statement, error);

	if (r < 0)
		return r;
	log_bind_u64(statement, 1, number);
	r = log_step(log, statement, "read a position in the event log", error);
	if (r < 0)
		return r;
	if (r == 0)
		return error_set(error, ERROR_CORRUPT, "the event log has no row %llu", (unsigned long long)number);
	*ret = log_column_position(statement, 0);
	sqlite3_reset(statement);
	return 0;
}

int log_rows_up_to(struct eventlog *log, struct position at, bool inclusive, uint64_t *ret, struct error *error) {
	struct position head, middle_at;
	uint64_t n, low, high;
	int r = read_last(log, &n, &head, error);

	if (r < 0)
		return r;
	if (position_compare(at, head) > 0 || (inclusive && position_equal(at, head))) {
		*ret = n;
		return 0;
	}
	/* The answer lies in low .. high: row low is before `at`, row high + 1 is not. */
	low = at.global > 0 ? at.global - 1 : 0;
	high = n - (head.global - at.global);
	while (low < high) {
		uint64_t middle = high - (high - low) / 2;

		r = read_position(log, middle, &middle_at, error);
		if (r < 0)
			return r;
		if (position_compare(middle_at, at) < (inclusive ? 1 : 0))
			low = middle;
		else
			high = middle - 1;
	}
	*ret = low;
	return 0;
}

static int get_at(struct eventlog *log, struct position at, struct event **ret, struct error *error) {
	struct event *event = NULL;
	char text[POSITION_TEXT_BYTES];
	uint64_t number;
	sqlite3_stmt *statement = NULL;
	int r = log_rows_up_to(log, at, true, &number, error);

	if (r == 0)
		r = log_statement(log, STATEMENT_GET, &statement, error);
	if (r < 0)
		return r;
	log_bind_u64(statement, 1, number);
	r = take_one(log, statement, &event, error);
	if (r == ERROR_NOT_FOUND || (r == 0 && !position_equal(event->entry.at, at))) {
		event_destroy(event);
		position_print(text, at);
		return error_set(error, ERROR_NOT_FOUND, "there is no event at %s", text);
	}
	if (r == 0)
		*ret = event;
	return r;
}

int eventlog_get(struct eventlog *log, struct position at, struct event **ret, struct error *error) {
	int r = log_begin_snapshot(log, error);

	if (r < 0)
		return r;
	r = get_at(log, at, ret, error);
	log_end_snapshot(log);
	return r < 0 ? log_fail_reading(log, r) : 0;
}

int eventlog_find(struct eventlog *log, const struct event_id *id, struct event **ret, struct error *error) {
	char text[EVENT_ID_TEXT_BYTES];
	sqlite3_stmt *statement = NULL;
	int r = log_statement(log, STATEMENT_FIND, &statement, error);

	if (r == 0)
		r = log_bind_blob(log, statement, 1, id->bytes, sizeof(id->bytes), error);
	if (r == 0)
		r = take_one(log, statement, ret, error);
	if (r == ERROR_NOT_FOUND) {
		event_id_print(text, id);
		error_set(error, r, "there is no event %s in the event log", text);
	}
	return r < 0 ? log_fail_reading(log, r) : 0;
}

static bool column_hashes(sqlite3_stmt *statement, struct hash *ret_chain, struct hash *ret_local) {
	return log_column_bytes(statement, 2, ret_chain->bytes, sizeof(ret_chain->bytes)) &&
	       log_column_bytes(statement, 3, ret_local->bytes, sizeof(ret_local->bytes));
}

int log_hashes_at(struct eventlog *log, struct position at, uint64_t *ret_number, struct hash *ret_chain,
                  struct hash *ret_local, struct error *error) {
	struct hash chain, local;
	char text[POSITION_TEXT_BYTES];
	uint64_t number;
	sqlite3_stmt *statement = NULL;
	int r = log_rows_up_to(log, at, true, &number, error);

	if (r == 0)
		r = log_statement(log, STATEMENT_HASHES, &statement, error);
	if (r < 0)
		return r;
	log_bind_u64(statement, 1, number);
	r = log_step(log, statement, "read a hash of the event log", error);
	if (r < 0)
		return r;
	position_print(text, at);
	if (r == 0 || !position_equal(log_column_position(statement, 0), at))
		r = error_set(error, ERROR_NOT_FOUND, "there is no event at %s", text);
	else if (!column_hashes(statement, &chain, &local))
		r = error_set(error, ERROR_CORRUPT, "the row at %s in the event log has no hashes", text);
	sqlite3_reset(statement);
	if (r < 0)
		return r;
	if (ret_number)
		*ret_number = number;
	if (ret_chain)
		*ret_chain = chain;
	if (ret_local)
		*ret_local = local;
	return 0;
}

int eventlog_local_hash(struct eventlog *log, struct position at, struct hash *ret, struct error *error) {
	int r;

	if (position_is_root(at)) {
		*ret = (struct hash){ { 0 } };
		return 0;
	}
	r = log_begin_snapshot(log, error);
	if (r < 0)
		return r;
	r = log_hashes_at(log, at, NULL, NULL, ret, error);
	log_end_snapshot(log);
	return r < 0 ? log_fail_reading(log, r) : 0;
}

int log_rewrite_metadata(struct eventlog *log, struct position at, const void *data, size_t n_bytes,
                         struct error *error) {
	struct event *event;
	uint64_t number;
	sqlite3_stmt *statement = NULL;
	int r = eventlog_get(log, at, &event, error);

	if (r < 0)
		return r;
	r = log_hashes_at(log, at, &number, NULL, NULL, error);
	if (r == 0)
		r = log_statement(log, STATEMENT_SET_METADATA, &statement, error);
	if (r == 0) {
		/* Lent for the checksum only. */
		free(event->sync_metadata);
		event->sync_metadata = n_bytes ? (uint8_t *)data : NULL;
		event->sync_metadata_bytes = n_bytes;
		log_bind_u64(statement, 1, number);
		log_bind_u64(statement, 3, (uint64_t)row_checksum(TABLE_LOG, number, event, NULL));
		event->sync_metadata = NULL;
		r = log_bind_blob(log, statement, 2, n_bytes ? data : NULL, n_bytes, error);
	}
	if (r == 0)
		r = log_run(log, statement, "keep sync metadata in the event log", error);
	event_destroy(event);
	return r;
}

/* -- What is known of an id -- */

/* Steps a statement that selects content_hash in `column` for an id. 1: known,
 * *ret says with which content; 0: not known there. */
static int step_known(struct eventlog *log, sqlite3_stmt *statement, const struct event_id *id, int column,
                      struct hash *ret, struct error *error) {
	int r = log_bind_blob(log, statement, 1, id->bytes, sizeof(id->bytes), error);

	if (r == 0)
		r = log_step(log, statement, "look an id up in the event log", error);
	if (r == 1 && !log_column_bytes(statement, column, ret->bytes, sizeof(ret->bytes)))
		r = error_set(error, ERROR_CORRUPT, "an id in the event log has no content hash");
	return r;
}

static int known_logged(struct eventlog *log, const struct event_id *id, struct hash *ret, struct position *ret_at,
                        struct error *error) {
	sqlite3_stmt *statement = NULL;
	int r = log_statement(log, STATEMENT_LOCATE, &statement, error);

	if (r == 0)
		r = step_known(log, statement, id, 2, ret, error);
	if (r == 1)
		*ret_at = log_column_position(statement, 0);
	if (r >= 0)
		sqlite3_reset(statement);
	return r;
}

static int known_refused(struct eventlog *log, const struct event_id *id, struct hash *ret, struct error *error) {
	struct refused_event refused = { 0 };
	int r = log_find_refused(log, id, &refused, error);

	if (r == 1)
		*ret = refused.event->entry.content;
	refused_event_finish(&refused);
	return r;
}

static int known_forgotten(struct eventlog *log, const struct event_id *id, struct hash *ret, struct error *error) {
	sqlite3_stmt *statement = NULL;
	int r = log_statement(log, STATEMENT_FORGOTTEN_FIND, &statement, error);

	if (r == 0)
		r = step_known(log, statement, id, 1, ret, error);
	if (r == 1 && sqlite3_column_int64(statement, 2) != forgotten_checksum(id, ret))
		r = error_set(error, ERROR_CORRUPT, "a forgotten refusal contradicts its checksum");
	sqlite3_reset(statement);
	return r;
}

int eventlog_known(struct eventlog *log, const struct event_id *id, const struct hash *content,
                   enum eventlog_known *ret, struct position *ret_at, struct error *error) {
	enum eventlog_known known = KNOWN_LOGGED;
	struct position at = POSITION_ROOT;
	struct hash found;
	int r = known_logged(log, id, &found, &at, error);

	if (r == 0) {
		known = KNOWN_REFUSED;
		r = known_refused(log, id, &found, error);
	}
	if (r == 0) {
		known = KNOWN_FORGOTTEN;
		r = known_forgotten(log, id, &found, error);
	}
	if (r < 0)
		return log_fail_reading(log, r);
	if (r == 0)
		known = KNOWN_NOT;
	else if (!hash_equal(&found, content))
		known = KNOWN_OTHER;
	if (known == KNOWN_LOGGED && ret_at)
		*ret_at = at;
	*ret = known;
	return 0;
}

/* -- Pages -- */

/* Binds the numbers of the first and the last row that the query can mean. */
static int bind_range(struct eventlog *log, const struct eventlog_query *query, sqlite3_stmt *statement,
                      struct error *error) {
	bool from_head = query->reverse && position_is_root(query->after);
	uint64_t before = 0, last = INT64_MAX; /* rows before + 1 .. last */
	uint64_t *after_end = query->reverse ? &last : &before;
	uint64_t *until_end = query->reverse ? &before : &last;
	int r = 0;

	if (!from_head)
		r = log_rows_up_to(log, query->after, !query->reverse, after_end, error);
	if (r == 0 && query->has_until)
		r = log_rows_up_to(log, query->until, !query->reverse, until_end, error);
	if (r < 0)
		return r;
	log_bind_u64(statement, 1, before + 1);
	log_bind_u64(statement, 2, last);
	return 0;
}

static bool matches(const struct eventlog_query *query, const struct event *event) {
	return (query->include_client_only || !event->entry.client_only) &&
	       (!query->name || strcmp(query->name, event->name) == 0) &&
	       (!query->client_id || strcmp(query->client_id, event->client_id) == 0);
}

struct page {
	struct event **events; /* the caller's */
	size_t n, bytes;
	struct position last;
	bool over; /* the next match would not fit */
};

/* Takes the row into the page, passes over it, or finds the page full. */
static int take_row(sqlite3_stmt *statement, const struct eventlog_query *query, struct page *page,
                    struct error *error) {
	struct row row;
	int r = log_column_row(statement, TABLE_LOG, NULL, &row, error);

	if (r < 0)
		return r;
	if (!matches(query, row.event)) {
		page->last = row.event->entry.at;
	} else if (page->n == query->n_max || (page->n > 0 && page->bytes + row.event->args_bytes > query->bytes_max)) {
		page->over = true;
	} else {
		page->last = row.event->entry.at;
		page->bytes += row.event->args_bytes;
		page->events[page->n++] = row.event;
		return 0;
	}
	event_destroy(row.event);
	return 0;
}

static int read_page(struct eventlog *log, const struct eventlog_query *query, struct page *page, struct error *error) {
	sqlite3_stmt *statement = NULL;
	int r = log_statement(log, query->reverse ? STATEMENT_READ_REVERSE : STATEMENT_READ_FORWARD, &statement, error);

	if (r == 0)
		r = bind_range(log, query, statement, error);
	if (r < 0)
		return r;
	for (unsigned n_rows = 0; n_rows < PAGE_ROWS_MAX && page->n < query->n_max && !page->over; n_rows++) {
		r = log_step(log, statement, "read a page of the event log", error);
		if (r != 1)
			break;
		r = take_row(statement, query, page, error);
		if (r < 0)
			break;
	}
	sqlite3_reset(statement);
	if (r < 0)
		log_destroy_events(page->events, page->n);
	return r;
}

int eventlog_read(struct eventlog *log, const struct eventlog_query *query, struct event **ret, size_t *ret_n,
                  struct position *ret_last, struct error *error) {
	struct page page = { .events = ret, .last = query->after };
	int r;

	if (query->n_max == 0 || query->n_max > PAGE_EVENTS_MAX)
		return log_fail(log, error_set(error, ERROR_INVALID, "a page of %zu events was asked for, 1 to %u are allowed",
		                               query->n_max, PAGE_EVENTS_MAX));
	r = log_begin_snapshot(log, error);
	if (r < 0)
		return r;
	r = read_page(log, query, &page, error);
	log_end_snapshot(log);
	if (r < 0)
		return log_fail(log, r);
	*ret_n = page.n;
	if (ret_last)
		*ret_last = page.last;
	return 0;
}
