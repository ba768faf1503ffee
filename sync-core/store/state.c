/*
 * The state's life: open, transactions, head. How an event becomes state is told
 * in materialize.c; what it changed is captured by journal.c, kept by
 * journal_rows.c and taken back by undo.c.
 *
 * The one row of leaderd_state is held in memory and written once per
 * transaction; `stored` is what memory goes back to when a transaction ends
 * otherwise.
 */

#include "store/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/must.h"
#include "store/database.h"
#include "store/state_private.h"

#define HEAD_COLUMNS "ordinal, global, client, id, generation, local_hash"

static const char *const own_sql[OWN_N] = {
	[OWN_BEGIN] = "BEGIN IMMEDIATE",
	[OWN_BEGIN_READ] = "BEGIN",
	[OWN_COMMIT] = "COMMIT",
	[OWN_ROLLBACK] = "ROLLBACK",
	[OWN_SAVEPOINT] = "SAVEPOINT leaderd_unit",
	[OWN_RELEASE] = "RELEASE leaderd_unit",
	[OWN_ROLLBACK_TO] = "ROLLBACK TO leaderd_unit",
	[OWN_SAVE] = "UPDATE leaderd_state SET complete = ?1, head_global = ?2, head_client = ?3, head_id = ?4, "
				 "head_generation = ?5, head_hash = ?6, base_global = ?7, base_client = ?8, base_id = ?9, "
				 "base_generation = ?10, base_hash = ?11, journal_next = ?12, journal_events = ?13, "
				 "journal_bytes = ?14, voids = ?15 WHERE one = 1",
	[OWN_LOAD] = "SELECT complete, head_global, head_client, head_id, head_generation, head_hash, base_global, "
				 "base_client, base_id, base_generation, base_hash, journal_next, journal_events, journal_bytes, "
				 "voids, format, schema, sqlite FROM leaderd_state WHERE one = 1",
	[OWN_JOURNAL_ADD] = "INSERT INTO leaderd_journal (" HEAD_COLUMNS ", images) "
						"VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
	[OWN_JOURNAL_HEAD] = "SELECT " HEAD_COLUMNS " FROM leaderd_journal WHERE ordinal = ?1",
	[OWN_JOURNAL_IMAGES] = "SELECT images FROM leaderd_journal WHERE ordinal = ?1",
	[OWN_JOURNAL_CORRECT] = "UPDATE leaderd_journal SET generation = ?2, local_hash = ?3 WHERE ordinal = ?1",
	[OWN_JOURNAL_BYTES] = "SELECT sum(length(images)) FROM leaderd_journal WHERE ordinal BETWEEN ?1 AND ?2",
	[OWN_JOURNAL_DROP] = "DELETE FROM leaderd_journal WHERE ordinal BETWEEN ?1 AND ?2",
	[OWN_VOID_ADD] = "INSERT INTO leaderd_void (global, client, id, reason) VALUES (?1, ?2, ?3, ?4)",
	[OWN_VOID_DROP] = "DELETE FROM leaderd_void WHERE global > ?1 OR (global = ?1 AND client > ?2)",
};

void state_enter(struct state *state) {
	state->guard.mode = AUTHORIZER_OWN;
}

void state_leave(struct state *state) {
	state->guard.mode = state->app_mode ? AUTHORIZER_READER : AUTHORIZER_OWN;
}

void state_set_app_mode(struct state *state, bool app_mode) {
	state->app_mode = app_mode;
	state_leave(state);
}

int state_own(struct state *state, enum own_statement which, sqlite3_stmt **ret, struct error *error) {
	int r = 0;

	if (!state->own[which])
		r = database_prepare(&state->own[which], state->db, own_sql[which], error);
	if (r == 0)
		*ret = state->own[which];
	/* Our tables are there and our statements are right: else it is not a state. */
	return r == ERROR_REFUSED ? error_set(error, ERROR_CORRUPT, "the state's own tables are damaged") : r;
}

int state_step(struct state *state, sqlite3_stmt *statement, const char *doing, struct error *error) {
	int rc = sqlite3_step(statement);
	int r = rc == SQLITE_DONE ? 0 : database_error(state->db, rc, doing, error);

	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	return r == ERROR_REFUSED ? error_set(error, ERROR_CORRUPT, "the state's own tables are damaged: cannot %s", doing)
	                          : r;
}

int state_run(struct state *state, enum own_statement which, const char *doing, struct error *error) {
	sqlite3_stmt *statement = NULL;
	int r = state_own(state, which, &statement, error);

	return r < 0 ? r : state_step(state, statement, doing, error);
}

bool state_is_busy(struct state *state) {
	sqlite3_stmt *statement = NULL;

	while ((statement = sqlite3_next_stmt(state->db, statement)))
		if (sqlite3_stmt_busy(statement))
			return true;
	return false;
}

void state_forget_schema(struct state *state) {
	for (size_t i = 0; i < OWN_N; i++) {
		sqlite3_finalize(state->own[i]);
		state->own[i] = NULL;
	}
	for (size_t i = 0; state->materializers && i < state->schema->n_events; i++) {
		for (size_t j = 0; state->materializers[i] && j < state->schema->events[i].n_statements; j++)
			sqlite3_finalize(state->materializers[i][j]);
		free(state->materializers[i]);
	}
	free(state->materializers);
	state->materializers = NULL;
	undo_finish(&state->undo);
	tables_finish(&state->tables);
	state->capture.schema = NULL;
	state->guard.schema = NULL;
}

int state_learn_schema(struct state *state, struct error *error) {
	const struct schema *schema = state->schema;
	size_t n = schema->n_events ? schema->n_events : 1;
	int r;

	must(!state->materializers);
	r = tables_load(&state->tables, state->db, schema, error);
	if (r == 0)
		r = undo_init(&state->undo, state->db, schema, &state->tables, error);
	if (r == 0 && !(state->materializers = calloc(n, sizeof(*state->materializers))))
		r = error_no_memory(error);
	if (r < 0) {
		state_forget_schema(state);
		return r;
	}
	state->capture.schema = schema;
	state->guard.schema = schema;
	return 0;
}

/* Everything that the connection holds, and the connection. */
static void disconnect(struct state *state) {
	state_forget_schema(state);
	state->db = database_close(state->db);
}

static int make_anew(struct state *state, struct error *error) {
	int r = 0;

	state->row = state->stored = (struct state_row){ 0 };
	if (state->path) {
		disconnect(state);
		r = state_remove_files(state->path, error);
		if (r == 0)
			r = state_connect(state, error);
	}
	if (r == 0)
		r = state_create(state, error);
	if (r < 0 && state->path)
		disconnect(state);
	return r;
}

static int open_read_only(struct state *state, struct error *error) {
	int r = state_connect(state, error);

	if (r == 0)
		r = state_load(state, true, error);
	if (r == 0 && !state->row.complete)
		r = error_set(error, ERROR_BUSY, "the state %s is being rebuilt", state->path);
	return r;
}

static int open_file(struct state *state, struct error *error) {
	struct error why = { 0 };
	struct stat st;
	int r;

	/* Side files without their database belong to one that was deleted. */
	if (lstat(state->path, &st) < 0 && errno == ENOENT) {
		r = make_anew(state, error);
		return r < 0 ? r : STATE_REBUILD;
	}
	r = state_connect(state, &why);
	if (r == 0)
		r = state_load(state, true, &why);
	if (r == 0 && state->row.complete)
		return 0;
	if (r < 0 && r != ERROR_CORRUPT && r != ERROR_VERSION)
		return error_set(error, r, "%s", why.text);
	r = make_anew(state, error);
	return r < 0 ? r : STATE_REBUILD;
}

int state_open(struct state **ret, const struct state_options *options, struct error *error) {
	struct state *state = calloc(1, sizeof(*state));
	int r;

	if (!state)
		return error_no_memory(error);
	state->schema = options->schema;
	state->read_only = options->read_only;
	state->journal_events_max = JOURNAL_EVENTS_MAX;
	state->journal_bytes_max = JOURNAL_BYTES_MAX;
	state->statement_looks_max = STATEMENT_STEPS_MAX / STATEMENT_STEPS_PER_CHECK;
	state->capture.bytes_max = JOURNAL_BYTES_MAX;
	state->capture.on_change = options->on_change;
	state->capture.on_change_data = options->on_change_data;
	if (options->path && !(state->path = strdup(options->path)))
		r = error_no_memory(error);
	else if (state->read_only)
		r = state->path ? open_read_only(state, error)
		                : error_set(error, ERROR_INVALID, "a state in memory cannot be opened read-only");
	else if (state->path)
		r = open_file(state, error);
	else
		r = state_connect(state, error);
	if (r == 0 && !state->path)
		r = make_anew(state, error);
	if (r < 0) {
		state_close(state);
		return r;
	}
	*ret = state;
	return r;
}

struct state *state_close(struct state *state) {
	if (!state)
		return NULL;
	state_enter(state);
	state_rollback(state);
	disconnect(state);
	capture_finish(&state->capture);
	bytes_finish(&state->lifted[0]);
	bytes_finish(&state->lifted[1]);
	free(state->path);
	free(state);
	return NULL;
}

int state_reset(struct state *state, const struct schema *schema, struct error *error) {
	int r = 0;

	must(!state->open);
	if (state->read_only)
		return error_set(error, ERROR_INVALID, "a state opened read-only cannot be reset");
	if (state->db && state_is_busy(state))
		return error_set(error, ERROR_BUSY, "a statement is under way on the state");
	state_enter(state);
	state_forget_schema(state);
	state->schema = schema;
	if (!state->path)
		r = state_exchange_memory(state, NULL, 0, error);
	if (r == 0)
		r = make_anew(state, error);
	state_leave(state);
	return r;
}

void state_head(struct state *state, struct state_head *ret) {
	*ret = state->row.head;
}

struct position state_journal_base(struct state *state) {
	return state->row.base.at;
}

bool state_is_complete(struct state *state) {
	return state->row.complete;
}

uint64_t state_voids(struct state *state) {
	return state->row.n_voids;
}

sqlite3 *state_database(struct state *state) {
	return state->db;
}

int state_begin(struct state *state, struct error *error) {
	int r;

	must(!state->open);
	/* A reset that failed left no database; or a rebuild's owner forgot it. */
	if (!state->db || !state->materializers)
		return error_set(error, ERROR_IO, "the state was left empty by a reset that failed");
	state_enter(state);
	r = state_run(state, state->read_only ? OWN_BEGIN_READ : OWN_BEGIN, "begin a change of the state", error);
	if (r == 0 && state->read_only)
		r = state_load_row(state, true, error);
	state->open = r == 0;
	state->changed = false;
	if (r < 0)
		state_abandon(state);
	state_leave(state);
	return r;
}

int state_commit(struct state *state, struct error *error) {
	int r = 0;

	must(state->open);
	state_enter(state);
	if (state->changed)
		r = state_save_row(state, error);
	if (r == 0)
		r = state_run(state, OWN_COMMIT, "commit the state", error);
	if (r < 0) {
		state_abandon(state);
	} else {
		state->open = false;
		state->changed = false;
		state->stored = state->row;
	}
	state_leave(state);
	return r;
}

void state_abandon(struct state *state) {
	if (state->db && database_in_transaction(state->db) && state_run(state, OWN_ROLLBACK, "roll back", NULL) < 0)
		sqlite3_exec(state->db, "ROLLBACK", NULL, NULL, NULL);
	state->row = state->stored;
	state->open = false;
	state->changed = false;
}

void state_rollback(struct state *state) {
	if (!state->open)
		return;
	state_enter(state);
	state_abandon(state);
	state_leave(state);
}

int state_set_complete(struct state *state, bool complete, struct error *error) {
	must(state->open);
	state->row.complete = complete;
	state->changed = true;
	return 0;
}
