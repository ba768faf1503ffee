/*
 * The rows of the undo journal: one per event behind the base, applied or
 * skipped. Their ordinals have no gaps and grow with the positions, so a position
 * is found by halving, and the journal needs no second index.
 */

#include "store/state.h"

#include "base/must.h"
#include "store/database.h"
#include "store/state_private.h"

static int two_numbers(struct state *state, enum own_statement which, uint64_t first, uint64_t second,
                       sqlite3_stmt **ret, struct error *error) {
	int rc;
	int r = state_own(state, which, ret, error);

	if (r < 0)
		return r;
	rc = sqlite3_bind_int64(*ret, 1, (int64_t)first);
	if (rc == SQLITE_OK && sqlite3_bind_parameter_count(*ret) > 1)
		rc = sqlite3_bind_int64(*ret, 2, (int64_t)second);
	return rc == SQLITE_OK ? 0 : database_error(state->db, rc, "bind an ordinal", error);
}

static int missing(struct state *state, int rc, uint64_t ordinal, struct error *error) {
	if (rc == SQLITE_DONE || rc == SQLITE_ROW)
		return error_set(error, ERROR_CORRUPT, "row %llu of the undo journal is missing or damaged",
		                 (unsigned long long)ordinal);
	return database_error(state->db, rc, "read the undo journal", error);
}

static int read_head(struct state *state, uint64_t ordinal, struct state_head *ret, struct error *error) {
	sqlite3_stmt *statement = NULL;
	int rc;
	int r = two_numbers(state, OWN_JOURNAL_HEAD, ordinal, 0, &statement, error);

	if (r < 0)
		return r;
	rc = sqlite3_step(statement);
	if (rc != SQLITE_ROW || !state_column_head(statement, 1, ret))
		r = missing(state, rc, ordinal, error);
	sqlite3_reset(statement);
	return r;
}

static uint64_t oldest(const struct state *state) {
	return state->row.journal_next - state->row.journal_events;
}

/* The newest row at or before `at`: its ordinal, or oldest - 1 when there is
 * none; then *ret_head is the base. */
static int find(struct state *state, struct position at, uint64_t *ret_ordinal, struct state_head *ret_head,
                struct error *error) {
	uint64_t low = oldest(state), high = state->row.journal_next; /* rows below `low` are at or before `at` */
	struct state_head found = state->row.base;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;
		struct state_head head;
		int r = read_head(state, middle, &head, error);

		if (r < 0)
			return r;
		if (position_compare(head.at, at) <= 0) {
			low = middle + 1;
			found = head;
		} else {
			high = middle;
		}
	}
	*ret_ordinal = low - 1;
	*ret_head = found;
	return 0;
}

static int sum_bytes(struct state *state, uint64_t from, uint64_t to, uint64_t *ret, struct error *error) {
	sqlite3_stmt *statement = NULL;
	int rc;
	int r = two_numbers(state, OWN_JOURNAL_BYTES, from, to, &statement, error);

	if (r < 0)
		return r;
	rc = sqlite3_step(statement);
	if (rc == SQLITE_ROW)
		*ret = (uint64_t)sqlite3_column_int64(statement, 0);
	else
		r = missing(state, rc, from, error);
	sqlite3_reset(statement);
	return r;
}

/* Drops the rows from `from` to `to`, which are the oldest or the newest. */
static int drop(struct state *state, uint64_t from, uint64_t to, struct error *error) {
	struct state_row *row = &state->row;
	sqlite3_stmt *statement = NULL;
	uint64_t bytes = 0, n = to - from + 1;
	int r;

	if (from > to)
		return 0;
	must(from == oldest(state) || to == row->journal_next - 1);
	r = sum_bytes(state, from, to, &bytes, error);
	if (r == 0)
		r = two_numbers(state, OWN_JOURNAL_DROP, from, to, &statement, error);
	if (r == 0)
		r = state_step(state, statement, "trim the undo journal", error);
	if (r < 0)
		return r;
	if ((uint64_t)sqlite3_changes(state->db) != n || bytes > row->journal_bytes)
		return error_set(error, ERROR_CORRUPT, "the undo journal has other rows than its head says");
	if (to == row->journal_next - 1)
		row->journal_next = from;
	row->journal_events -= n;
	row->journal_bytes -= bytes;
	state->changed = true;
	return 0;
}

static int keep_bounds(struct state *state, struct error *error) {
	while (state->row.journal_events > state->journal_events_max ||
	       state->row.journal_bytes > state->journal_bytes_max) {
		struct state_head base;
		int r = read_head(state, oldest(state), &base, error);

		if (r == 0)
			r = drop(state, oldest(state), oldest(state), error);
		if (r < 0)
			return r;
		state->row.base = base;
	}
	return 0;
}

/* What is left cannot be undone any more. */
static int drop_all(struct state *state, const struct state_head *base, struct error *error) {
	int r = drop(state, oldest(state), state->row.journal_next - 1, error);

	if (r == 0)
		state->row.base = *base;
	return r;
}

int journal_add(struct state *state, const struct state_head *head, const struct bytes *images, struct error *error) {
	static const uint8_t nothing[1];
	struct state_row *row = &state->row;
	sqlite3_stmt *statement = NULL;
	int rc;
	int r;

	row->head = *head;
	state->changed = true;
	if (!images)
		return drop_all(state, head, error);
	r = two_numbers(state, OWN_JOURNAL_ADD, row->journal_next, 0, &statement, error);
	if (r < 0)
		return r;
	rc = state_bind_head(statement, 2, head);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_blob64(statement, 7, images->n ? images->data : nothing, images->n, SQLITE_STATIC);
	if (rc != SQLITE_OK)
		return database_error(state->db, rc, "bind an event's images", error);
	r = state_step(state, statement, "write the undo journal", error);
	if (r < 0)
		return r;
	row->journal_next++;
	row->journal_events++;
	row->journal_bytes += images->n;
	return keep_bounds(state, error);
}

static int undo_row(struct state *state, uint64_t ordinal, struct error *error) {
	sqlite3_stmt *statement = NULL;
	int rc;
	int r = two_numbers(state, OWN_JOURNAL_IMAGES, ordinal, 0, &statement, error);

	if (r < 0)
		return r;
	rc = sqlite3_step(statement);
	if (rc == SQLITE_ROW) {
		const uint8_t *images = sqlite3_column_blob(statement, 0);
		size_t n = (size_t)sqlite3_column_bytes(statement, 0);

		/* Borrowed from the row under way: nothing below touches the journal. */
		r = n > 0 && !images ? error_no_memory(error) : undo_images(&state->undo, images, n, error);
	} else {
		r = missing(state, rc, ordinal, error);
	}
	sqlite3_reset(statement);
	return r;
}

static int undo_rows(struct state *state, uint64_t down_to, struct error *error) {
	int r = 0;

	/* Cascades are images of their own. The PRAGMA would do nothing inside a
	 * transaction, and either makes every statement prepare again. */
	if (state->tables.foreign_keys)
		sqlite3_db_config(state->db, SQLITE_DBCONFIG_ENABLE_FKEY, 0, NULL);
	for (uint64_t ordinal = state->row.journal_next - 1; r == 0 && ordinal >= down_to; ordinal--)
		r = undo_row(state, ordinal, error);
	if (state->tables.foreign_keys)
		sqlite3_db_config(state->db, SQLITE_DBCONFIG_ENABLE_FKEY, 1, NULL);
	return r;
}

static int drop_voids(struct state *state, struct position after, struct error *error) {
	sqlite3_stmt *statement = NULL;
	int r;

	if (state->row.n_voids == 0)
		return 0;
	r = two_numbers(state, OWN_VOID_DROP, after.global, after.client, &statement, error);
	if (r == 0)
		r = state_step(state, statement, "take back a void", error);
	if (r == 0)
		state->row.n_voids -= (uint64_t)sqlite3_changes(state->db);
	return r;
}

static int undo_to(struct state *state, struct position to, struct error *error) {
	struct state_head head;
	uint64_t ordinal;
	int r;

	if (position_compare(to, state->row.head.at) >= 0)
		return 0;
	if (position_compare(to, state->row.base.at) < 0)
		return STATE_BEYOND_JOURNAL;
	r = find(state, to, &ordinal, &head, error);
	if (r == 0)
		r = undo_rows(state, ordinal + 1, error);
	if (r == 0)
		r = drop(state, ordinal + 1, state->row.journal_next - 1, error);
	if (r == 0)
		r = drop_voids(state, head.at, error);
	if (r < 0)
		return r;
	state->row.head = head;
	state->changed = true;
	return 0;
}

static int trim_to(struct state *state, struct position up_to, struct error *error) {
	struct state_head base;
	uint64_t ordinal;
	int r;

	if (position_compare(up_to, state->row.head.at) >= 0)
		return drop_all(state, &state->row.head, error);
	if (position_compare(up_to, state->row.base.at) <= 0)
		return 0;
	r = find(state, up_to, &ordinal, &base, error);
	if (r == 0)
		r = drop(state, oldest(state), ordinal, error);
	if (r < 0)
		return r;
	state->row.base = base;
	return keep_bounds(state, error);
}

/* The head may be given anew where it stands, or moved on over nothing; a
 * position behind it only gets its hash and generation. */
static int set_head(struct state *state, const struct state_head *head, struct error *error) {
	struct state_row *row = &state->row;
	int order = position_compare(head->at, row->head.at);
	sqlite3_stmt *statement = NULL;
	struct state_head found;
	uint64_t ordinal;
	int r = find(state, head->at, &ordinal, &found, error);

	if (r < 0)
		return r;
	state->changed = true;
	if (order > 0 || (order == 0 && !position_equal(found.at, head->at))) {
		if (row->journal_events == 0)
			row->base = *head;
		row->head = *head;
		return 0;
	}
	if (!position_equal(found.at, head->at))
		return 0;
	if (!event_id_equal(&found.id, &head->id))
		return error_set(error, ERROR_INVALID, "another event stands at the position of the new head");
	if (ordinal < oldest(state)) {
		row->base = *head;
	} else {
		r = two_numbers(state, OWN_JOURNAL_CORRECT, ordinal, head->generation, &statement, error);
		if (r < 0)
			return r;
		if (sqlite3_bind_blob(statement, 3, head->local_hash.bytes, sizeof(head->local_hash.bytes), SQLITE_STATIC) !=
		    SQLITE_OK)
			return error_no_memory(error);
		r = state_step(state, statement, "correct the undo journal", error);
	}
	if (r == 0 && order == 0)
		row->head = *head;
	return r;
}

static int finish(struct state *state, int r) {
	if (r < 0)
		state_abandon(state);
	state_leave(state);
	return r;
}

int state_undo(struct state *state, struct position to, struct error *error) {
	must(state->open);
	state_enter(state);
	return finish(state, undo_to(state, to, error));
}

int state_trim(struct state *state, struct position up_to, struct error *error) {
	must(state->open);
	state_enter(state);
	return finish(state, trim_to(state, up_to, error));
}

int state_set_head(struct state *state, const struct state_head *head, struct error *error) {
	must(state->open);
	state_enter(state);
	return finish(state, set_head(state, head, error));
}

bool state_journal_row(struct state *state, struct position at, struct state_head *ret) {
	struct state_head found;
	uint64_t ordinal;
	bool is_found;

	state_enter(state);
	is_found = position_compare(at, state->row.base.at) >= 0 && find(state, at, &ordinal, &found, NULL) == 0;
	state_leave(state);
	if (is_found)
		*ret = found;
	return is_found;
}
