/*
 * What stands in the database of a state, beside the app's tables (format 1):
 *
 *   leaderd_state    one row: the fingerprint (format, hash of the schema's text,
 *                    SQLite's source id), the completion mark, the head, the
 *                    journal's base (the newest event that undo cannot take
 *                    back), ordinals and sizes of the journal, number of voids
 *   leaderd_journal  one row per event behind the base, oldest first. Ordinals
 *                    have no gaps: rows are only added and dropped at the end and
 *                    dropped at the front, and an undone ordinal is used again
 *   leaderd_void     confirmed events without effect, and why
 *
 * Numbers that are unsigned in memory are stored as SQLite's signed ones.
 */

#include "store/state.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "store/database.h"
#include "store/state_private.h"

#define HEAD_DEFINITION(name)                                                                           \
	name "_global INTEGER NOT NULL, " name "_client INTEGER NOT NULL, " name "_id BLOB NOT NULL, " name \
		 "_generation INTEGER NOT NULL, " name "_hash BLOB NOT NULL, "

static const char own_tables[] =
	"CREATE TABLE leaderd_state (one INTEGER PRIMARY KEY CHECK (one = 1), format INTEGER NOT NULL, "
	"schema BLOB NOT NULL, sqlite TEXT NOT NULL, complete INTEGER NOT NULL, " HEAD_DEFINITION("head") HEAD_DEFINITION(
		"base") "journal_next INTEGER NOT NULL, journal_events INTEGER NOT NULL, journal_bytes INTEGER NOT NULL, "
				"voids INTEGER NOT NULL) STRICT;"
				"CREATE TABLE leaderd_journal (ordinal INTEGER PRIMARY KEY, global INTEGER NOT NULL, "
				"client INTEGER NOT NULL, id BLOB NOT NULL, generation INTEGER NOT NULL, local_hash BLOB NOT NULL, "
				"images BLOB NOT NULL) STRICT;"
				"CREATE TABLE leaderd_void (global INTEGER NOT NULL, client INTEGER NOT NULL, id BLOB NOT NULL, "
				"reason TEXT NOT NULL, PRIMARY KEY (global, client)) STRICT, WITHOUT ROWID;"
				"INSERT INTO leaderd_state VALUES (1, 0, x'', '', 0, 0, 0, zeroblob(16), 0, zeroblob(32), "
				"0, 0, zeroblob(16), 0, zeroblob(32), 1, 0, 0, 0)";

int state_connect(struct state *state, struct error *error) {
	enum database_kind kind = !state->path ? DATABASE_MEMORY : state->read_only ? DATABASE_READ_ONLY : DATABASE_DERIVED;
	int r = database_open(&state->db, state->path, kind, error);

	if (r < 0)
		return r;
	/* The hook comes first: see capture_install. */
	capture_install(&state->capture, state->db);
	/* The first to read the file, so that damage is called damage. */
	r = database_execute(state->db, "SELECT count(*) FROM sqlite_schema", error);
	if (r < 0)
		return r == ERROR_REFUSED ? error_set(error, ERROR_CORRUPT, "this database holds no state") : r;
	state->guard = (struct schema_authorizer){ .mode = AUTHORIZER_OWN };
	return schema_authorizer_install(state->db, &state->guard, error);
}

int state_bind_head(sqlite3_stmt *statement, int first, const struct state_head *head) {
	int rc = sqlite3_bind_int64(statement, first, (int64_t)head->at.global);

	if (rc == SQLITE_OK)
		rc = sqlite3_bind_int64(statement, first + 1, (int64_t)head->at.client);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_blob(statement, first + 2, head->id.bytes, sizeof(head->id.bytes), SQLITE_STATIC);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_int64(statement, first + 3, (int64_t)head->generation);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_blob(statement, first + 4, head->local_hash.bytes, sizeof(head->local_hash.bytes),
		                       SQLITE_STATIC);
	return rc;
}

bool state_column_head(sqlite3_stmt *statement, int first, struct state_head *ret) {
	const void *id = sqlite3_column_blob(statement, first + 2);
	bool good = id && sqlite3_column_bytes(statement, first + 2) == (int)sizeof(ret->id.bytes);
	const void *hash = sqlite3_column_blob(statement, first + 4);

	good = good && hash && sqlite3_column_bytes(statement, first + 4) == (int)sizeof(ret->local_hash.bytes);
	if (!good)
		return false;
	ret->at.global = (uint64_t)sqlite3_column_int64(statement, first);
	ret->at.client = (uint64_t)sqlite3_column_int64(statement, first + 1);
	ret->generation = (uint64_t)sqlite3_column_int64(statement, first + 3);
	memcpy(ret->id.bytes, id, sizeof(ret->id.bytes));
	memcpy(ret->local_hash.bytes, hash, sizeof(ret->local_hash.bytes));
	return true;
}

int state_save_row(struct state *state, struct error *error) {
	const struct state_row *row = &state->row;
	sqlite3_stmt *statement = NULL;
	int rc;
	int r = state_own(state, OWN_SAVE, &statement, error);

	if (r < 0)
		return r;
	rc = sqlite3_bind_int(statement, 1, row->complete);
	if (rc == SQLITE_OK)
		rc = state_bind_head(statement, 2, &row->head);
	if (rc == SQLITE_OK)
		rc = state_bind_head(statement, 7, &row->base);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_int64(statement, 12, (int64_t)row->journal_next);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_int64(statement, 13, (int64_t)row->journal_events);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_int64(statement, 14, (int64_t)row->journal_bytes);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_int64(statement, 15, (int64_t)row->n_voids);
	if (rc != SQLITE_OK)
		return database_error(state->db, rc, "bind the state's head", error);
	return state_step(state, statement, "write the state's head", error);
}

static int mark_fingerprint(struct state *state, struct error *error) {
	sqlite3_stmt *statement = NULL;
	int rc = sqlite3_prepare_v2(state->db, "UPDATE leaderd_state SET format = ?1, schema = ?2, sqlite = ?3", -1,
	                            &statement, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_bind_int(statement, 1, STATE_FORMAT);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_blob(statement, 2, state->schema->fingerprint.bytes, sizeof(state->schema->fingerprint.bytes),
		                       SQLITE_STATIC);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_text(statement, 3, sqlite3_sourceid(), -1, SQLITE_STATIC);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(statement);
	rc = rc == SQLITE_DONE ? 0 : database_error(state->db, rc, "write the state's fingerprint", error);
	sqlite3_finalize(statement);
	return rc;
}

static int create_tables(struct state *state, struct error *error) {
	int r = database_execute(state->db, own_tables, error);

	for (size_t i = 0; r == 0 && i < state->schema->n_definitions; i++)
		r = database_execute(state->db, state->schema->definitions[i].sql, error);
	return r < 0 ? r : mark_fingerprint(state, error);
}

int state_create(struct state *state, struct error *error) {
	int r = database_execute(state->db, "BEGIN IMMEDIATE", error);

	if (r == 0)
		r = create_tables(state, error);
	if (r == 0)
		r = database_execute(state->db, "COMMIT", error);
	if (r < 0 && database_in_transaction(state->db))
		sqlite3_exec(state->db, "ROLLBACK", NULL, NULL, NULL);
	if (r == ERROR_REFUSED)
		r = error_set(error, ERROR_SCHEMA, "the schema's tables could not be made: %s", sqlite3_errmsg(state->db));
	return r < 0 ? r : state_load(state, true, error);
}

static bool take_row(sqlite3_stmt *statement, struct state_row *ret) {
	struct state_row row = {
		.complete = sqlite3_column_int(statement, 0) == 1,
		.journal_next = (uint64_t)sqlite3_column_int64(statement, 11),
		.journal_events = (uint64_t)sqlite3_column_int64(statement, 12),
		.journal_bytes = (uint64_t)sqlite3_column_int64(statement, 13),
		.n_voids = (uint64_t)sqlite3_column_int64(statement, 14),
	};

	if (!state_column_head(statement, 1, &row.head) || !state_column_head(statement, 6, &row.base) ||
	    row.journal_events >= row.journal_next)
		return false;
	*ret = row;
	return true;
}

static bool is_fingerprint(struct state *state, sqlite3_stmt *statement, bool same_sqlite) {
	const void *schema = sqlite3_column_blob(statement, 16);
	const char *sqlite = (const char *)sqlite3_column_text(statement, 17);
	const struct hash *wanted = &state->schema->fingerprint;

	return sqlite3_column_int(statement, 15) == STATE_FORMAT && schema &&
	       sqlite3_column_bytes(statement, 16) == (int)sizeof(wanted->bytes) &&
	       memcmp(schema, wanted->bytes, sizeof(wanted->bytes)) == 0 &&
	       (!same_sqlite || (sqlite && strcmp(sqlite, sqlite3_sourceid()) == 0));
}

int state_load_row(struct state *state, bool same_sqlite, struct error *error) {
	sqlite3_stmt *statement = NULL;
	struct state_row row;
	int r = state_own(state, OWN_LOAD, &statement, error);
	int rc;

	if (r < 0)
		return r;
	rc = sqlite3_step(statement);
	if (rc == SQLITE_DONE)
		r = error_set(error, ERROR_CORRUPT, "this database holds no state");
	else if (rc != SQLITE_ROW)
		r = database_error(state->db, rc, "read the state's head", error);
	else if (!is_fingerprint(state, statement, same_sqlite))
		r = error_set(error, ERROR_VERSION, "this state was made under another schema, SQLite or format");
	else if (!take_row(statement, &row))
		r = error_set(error, ERROR_CORRUPT, "the state's head is damaged");
	else
		r = 0;
	sqlite3_reset(statement);
	if (r < 0)
		return r;
	state->row = state->stored = row;
	return 0;
}

int state_load(struct state *state, bool same_sqlite, struct error *error) {
	int r = state_load_row(state, same_sqlite, error);

	if (r == 0)
		r = state_learn_schema(state, error);
	return r;
}

int state_remove_files(const char *path, struct error *error) {
	/* The database goes first: a WAL without one is removed by SQLite itself, but
	 * a database without its WAL may be torn by a checkpoint and look whole. */
	static const char *const suffixes[] = { "", "-wal", "-shm", "-journal" };
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		char *file = sqlite3_mprintf("%s%s", path, suffixes[i]);

		if (!file)
			return error_no_memory(error);
		if (unlink(file) < 0 && errno != ENOENT)
			r = error_set(error, errno == EACCES || errno == EPERM ? ERROR_PERMISSION : ERROR_IO,
			              "cannot remove %s: %s", file, strerror(errno));
		sqlite3_free(file);
	}
	return r;
}

/* The state's connection keeps its database and gets the other's pages. It cannot
 * be deserialized itself: json_each and the like, once used, would keep pointing
 * at the schema that deserializing frees (SQLite 3.40 crashes at the next use).
 * The backup also moves the schema's cookie on, so the app's statements notice. */
static int copy_pages(struct state *state, sqlite3 *from, struct error *error) {
	sqlite3_backup *backup = sqlite3_backup_init(state->db, "main", from, "main");
	int rc;

	if (!backup)
		return database_error(state->db, sqlite3_extended_errcode(state->db), "take over an image", error);
	sqlite3_backup_step(backup, -1);
	rc = sqlite3_backup_finish(backup);
	if (rc == SQLITE_OK)
		return 0;
	/* What the image says of itself, such as its page size, made it fail. */
	if ((rc & 0xff) == SQLITE_NOTADB || (rc & 0xff) == SQLITE_READONLY || database_is_event_fault(rc))
		return error_set(error, ERROR_CORRUPT, "these bytes are no image of a state");
	return database_error(state->db, rc, "take over an image", error);
}

int state_exchange_memory(struct state *state, uint8_t *data, uint64_t bytes, struct error *error) {
	sqlite3 *from = NULL;
	int r;

	state_forget_schema(state);
	r = database_open(&from, NULL, DATABASE_MEMORY, error);
	if (r < 0) {
		sqlite3_free(data);
		return r;
	}
	if (data) {
		/* Frees the bytes even when it fails. */
		int rc = sqlite3_deserialize(from, "main", data, (sqlite3_int64)bytes, (sqlite3_int64)bytes,
		                             SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_READONLY);

		if (rc != SQLITE_OK)
			r = database_error(from, rc, "open an image", error);
	}
	if (r == 0)
		r = copy_pages(state, from, error);
	database_close(from);
	return r;
}
