/*
 * Refused events: kept with their reason until they are forgotten, and their ids
 * for ever after that.
 */

#include "store/eventlog_internal.h"

#include <stdlib.h>
#include <string.h>

#define COLUMN_REPORTED ROW_EXTRA
#define COLUMN_REASON (ROW_EXTRA + 1)

/* What the checksum of a refused row covers beside the event. */
struct hash refused_extra(bool reported, const char *reason, size_t reason_bytes) {
	struct checksum sum;
	struct hash hash;

	checksum_init(&sum, "reason");
	checksum_add_u64(&sum, reported);
	checksum_add(&sum, reason, reason_bytes);
	crypto_generichash_final(&sum.state, hash.bytes, sizeof(hash.bytes));
	return hash;
}

int64_t forgotten_checksum(const struct event_id *id, const struct hash *content) {
	struct checksum sum;

	checksum_init(&sum, "forgotten");
	checksum_add(&sum, id->bytes, sizeof(id->bytes));
	checksum_add(&sum, content->bytes, sizeof(content->bytes));
	return checksum_finish(&sum);
}

void refused_event_finish(struct refused_event *refused) {
	event_destroy(refused->event);
	free(refused->reason);
	*refused = (struct refused_event){ 0 };
}

int log_column_refused(sqlite3_stmt *statement, struct refused_event *ret, struct error *error) {
	const char *reason = sqlite3_column_blob(statement, COLUMN_REASON);
	size_t n = (size_t)sqlite3_column_bytes(statement, COLUMN_REASON);
	bool reported = sqlite3_column_int64(statement, COLUMN_REPORTED) != 0;
	struct hash extra = refused_extra(reported, reason ? reason : "", n);
	struct row row;
	char *copy = malloc(n + 1);
	int r;

	if (!copy)
		return error_no_memory(error);
	if (n)
		memcpy(copy, reason, n);
	copy[n] = '\0';
	r = log_column_row(statement, TABLE_REFUSED, &extra, &row, error);
	if (r < 0) {
		free(copy);
		return r;
	}
	*ret = (struct refused_event){ .ordinal = row.number, .event = row.event, .reason = copy, .reported = reported };
	return 0;
}

/* -- Refusing -- */

static int refuse_event(struct eventlog *log, struct event *event, const char *reason, struct error *error) {
	struct hash extra = refused_extra(false, reason, strlen(reason));
	struct row row = { log->view.status.refused_ordinal + 1, event, TABLE_REFUSED, &extra };
	struct row_scratch scratch;
	sqlite3_stmt *statement = NULL;
	int r = log_check_event(event, error);

	if (r == 0)
		r = log_statement(log, STATEMENT_REFUSED_WRITE, &statement, error);
	if (r == 0)
		r = log_bind_row(log, statement, &row, &scratch, error);
	if (r < 0)
		return r;
	log_bind_u64(statement, COLUMN_REPORTED + 1, 0);
	r = log_bind_text(log, statement, COLUMN_REASON + 1, reason, strlen(reason), error);
	if (r == 0)
		r = log_run(log, statement, "keep a refused event", error);
	if (r < 0)
		return r;
	log->view.status.refused_ordinal++;
	log->view.n_refused++;
	log->view.status_changed = true;
	return 0;
}

/* Is the event refused already? Said here, before the index would. */
static int check_not_refused(struct eventlog *log, const struct event *event, struct error *error) {
	struct refused_event refused = { 0 };
	char text[EVENT_ID_TEXT_BYTES];
	int r = log_find_refused(log, &event->entry.id, &refused, error);

	refused_event_finish(&refused);
	if (r != 1)
		return r;
	event_id_print(text, &event->entry.id);
	return error_set(error, ERROR_CONFLICT, "the event %s is among the refused already", text);
}

int eventlog_refuse(struct eventlog *log, struct event *const *unit, size_t n_events, const char *reason,
                    struct error *error) {
	int r = log_require_transaction(log, error);

	for (size_t i = 0; r == 0 && i < n_events; i++) {
		r = check_not_refused(log, unit[i], error);
		if (r == 0)
			r = refuse_event(log, unit[i], reason, error);
	}
	return r < 0 ? log_fail(log, r) : 0;
}

/* -- Reading -- */

int log_find_refused(struct eventlog *log, const struct event_id *id, struct refused_event *ret, struct error *error) {
	sqlite3_stmt *statement = NULL;
	int r = log_statement(log, STATEMENT_REFUSED_FIND, &statement, error);

	if (r == 0)
		r = log_bind_blob(log, statement, 1, id->bytes, sizeof(id->bytes), error);
	if (r == 0)
		r = log_step(log, statement, "look an id up among the refused", error);
	if (r != 1)
		return r;
	r = log_column_refused(statement, ret, error);
	sqlite3_reset(statement);
	return r < 0 ? r : 1;
}

struct refused_range {
	uint64_t after;
	uint64_t up_to;
	const char *session_id; /* NULL: all */
	bool unreported_only;
};

static int select_refused(struct eventlog *log, const struct refused_range *range, sqlite3_stmt **ret,
                          struct error *error) {
	sqlite3_stmt *statement = NULL;
	int r = log_statement(log, STATEMENT_REFUSED_READ, &statement, error);

	if (r < 0)
		return r;
	log_bind_u64(statement, 1, range->after > INT64_MAX ? INT64_MAX : range->after);
	log_bind_u64(statement, 2, range->up_to > INT64_MAX ? INT64_MAX : range->up_to);
	log_bind_u64(statement, 4, range->unreported_only);
	r = log_bind_text(log, statement, 3, range->session_id, range->session_id ? strlen(range->session_id) : 0, error);
	if (r == 0)
		*ret = statement;
	return r;
}

int eventlog_refused(struct eventlog *log, uint64_t after, const char *session_id, bool unreported_only,
                     struct refused_event *ret, size_t n_max, size_t *ret_n, struct error *error) {
	struct refused_range range = { after, INT64_MAX, session_id, unreported_only };
	sqlite3_stmt *statement = NULL;
	size_t n = 0;
	int r = select_refused(log, &range, &statement, error);

	if (r < 0)
		return log_fail_reading(log, r);
	while (n < n_max && (r = log_step(log, statement, "read the refused events", error)) == 1) {
		r = log_column_refused(statement, &ret[n], error);
		if (r < 0)
			break;
		n++;
	}
	sqlite3_reset(statement);
	if (r < 0) {
		while (n > 0)
			refused_event_finish(&ret[--n]);
		return log_fail_reading(log, r);
	}
	*ret_n = n;
	return 0;
}

int eventlog_refused_count(struct eventlog *log, uint64_t *ret, struct error *error) {
	sqlite3_stmt *statement = NULL;
	int r = log_statement(log, STATEMENT_REFUSED_COUNT, &statement, error);

	if (r == 0)
		r = log_step(log, statement, "count the refused events", error);
	if (r < 0)
		return log_fail_reading(log, r);
	*ret = (uint64_t)sqlite3_column_int64(statement, 0);
	sqlite3_reset(statement);
	return 0;
}

/* -- Reporting and forgetting -- */

static int mark_row(struct eventlog *log, const struct refused_event *refused, struct error *error) {
	struct hash extra = refused_extra(true, refused->reason, strlen(refused->reason));
	sqlite3_stmt *statement = NULL;
	int r = log_statement(log, STATEMENT_REFUSED_REPORT, &statement, error);

	if (r < 0)
		return r;
	log_bind_u64(statement, 1, refused->ordinal);
	log_bind_u64(statement, 2, (uint64_t)row_checksum(TABLE_REFUSED, refused->ordinal, refused->event, &extra));
	return log_run(log, statement, "mark refused events as reported", error);
}

/* Marks the next unreported row of the range. 1: done with it, *after is its
 * ordinal; 0: there is none. A row is never written under the statement that
 * reads it. */
static int mark_next(struct eventlog *log, struct refused_range *range, struct error *error) {
	struct refused_event refused = { 0 };
	sqlite3_stmt *statement = NULL;
	int r = select_refused(log, range, &statement, error);

	if (r == 0)
		r = log_step(log, statement, "read the refused events", error);
	if (r != 1)
		return r;
	r = log_column_refused(statement, &refused, error);
	sqlite3_reset(statement);
	if (r == 0)
		r = mark_row(log, &refused, error);
	range->after = refused.ordinal;
	refused_event_finish(&refused);
	return r < 0 ? r : 1;
}

int eventlog_mark_reported(struct eventlog *log, const char *session_id, uint64_t up_to, struct error *error) {
	struct refused_range range = { 0, up_to, session_id, true };
	int r = log_require_transaction(log, error);

	if (r < 0)
		return r;
	while ((r = mark_next(log, &range, error)) == 1)
		;
	return r < 0 ? log_fail(log, r) : 0;
}

static int delete_row(struct eventlog *log, uint64_t ordinal, struct error *error) {
	sqlite3_stmt *statement = NULL;
	int r = log_statement(log, STATEMENT_REFUSED_DELETE, &statement, error);

	if (r < 0)
		return r;
	log_bind_u64(statement, 1, ordinal);
	r = log_run(log, statement, "remove a refused event", error);
	if (r == 0)
		log->view.n_refused--;
	return r;
}

int log_drop_refused(struct eventlog *log, const struct event_id *id, struct error *error) {
	struct refused_event refused = { 0 };
	int r = log_find_refused(log, id, &refused, error);

	if (r == 1)
		r = delete_row(log, refused.ordinal, error);
	refused_event_finish(&refused);
	return r;
}

static int remember_id(struct eventlog *log, const struct entry *entry, struct error *error) {
	sqlite3_stmt *statement = NULL;
	int r = log_statement(log, STATEMENT_FORGOTTEN_WRITE, &statement, error);

	if (r == 0)
		r = log_bind_blob(log, statement, 1, entry->id.bytes, sizeof(entry->id.bytes), error);
	if (r == 0)
		r = log_bind_blob(log, statement, 2, entry->content.bytes, sizeof(entry->content.bytes), error);
	if (r < 0)
		return r;
	log_bind_u64(statement, 3, (uint64_t)forgotten_checksum(&entry->id, &entry->content));
	return log_run(log, statement, "keep the id of a forgotten event", error);
}

/* Forgets the next row of a unit within the range. 1: there was one; 0: none. */
static int forget_next(struct eventlog *log, const struct event_id *unit, struct refused_range *range,
                       struct error *error) {
	struct refused_event refused = { 0 };
	sqlite3_stmt *statement = NULL;
	int r = select_refused(log, range, &statement, error);

	if (r == 0)
		r = log_step(log, statement, "read the refused events", error);
	if (r != 1)
		return r;
	r = log_column_refused(statement, &refused, error);
	sqlite3_reset(statement);
	if (r == 0 && event_id_equal(&refused.event->entry.unit, unit)) {
		r = remember_id(log, &refused.event->entry, error);
		if (r == 0)
			r = delete_row(log, refused.ordinal, error);
	}
	range->after = refused.ordinal;
	refused_event_finish(&refused);
	return r < 0 ? r : 1;
}

int eventlog_forget(struct eventlog *log, const struct event_id *id, struct error *error) {
	struct refused_event refused = { 0 };
	struct refused_range range = { 0 };
	char text[EVENT_ID_TEXT_BYTES];
	int r = log_require_transaction(log, error);

	if (r < 0)
		return r;
	r = log_find_refused(log, id, &refused, error);
	if (r == 0) {
		event_id_print(text, id);
		r = error_set(error, ERROR_NOT_FOUND, "the event %s is not among the refused", text);
	}
	if (r < 0)
		return log_fail(log, r);
	/* A unit is refused whole: its rows stand within its size of this one. */
	range.after =
		refused.ordinal > refused.event->entry.unit_count ? refused.ordinal - refused.event->entry.unit_count : 0;
	range.up_to = refused.ordinal + refused.event->entry.unit_count;
	while ((r = forget_next(log, &refused.event->entry.unit, &range, error)) == 1)
		;
	refused_event_finish(&refused);
	return r < 0 ? log_fail(log, r) : 0;
}
