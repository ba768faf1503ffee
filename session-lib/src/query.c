/*
 * Reading: one statement on the session's own state, row by row, for programs
 * that bring no SQLite of their own (or a different one).
 *
 * Between our own steps the connection is in reader mode: its authorizer lets
 * nothing but reading through, whoever prepares.
 */

#include "query.h"

#include <stdlib.h>
#include <string.h>

#include "store/database.h"

static int sql_failed(struct lds_session *session, int rc, const char *doing) {
	int r = database_error(state_database(session->state), rc, doing, &session->error);

	if (r == ERROR_REFUSED || rc == SQLITE_AUTH)
		session->error.code = r = LDS_INVALID;
	return r;
}

/* Is there nothing but space and comments? */
static bool is_blank(sqlite3 *db, const char *tail) {
	sqlite3_stmt *statement = NULL;
	bool blank = sqlite3_prepare_v2(db, tail, -1, &statement, NULL) == SQLITE_OK && !statement;

	sqlite3_finalize(statement);
	return blank;
}

static int prepare(struct lds_session *session, const char *sql, sqlite3_stmt **ret) {
	sqlite3 *db = state_database(session->state);
	sqlite3_stmt *statement = NULL;
	const char *tail = "";
	int rc = sqlite3_prepare_v2(db, sql, -1, &statement, &tail);

	if (rc != SQLITE_OK)
		return sql_failed(session, rc, "prepare a query");
	if (!statement)
		return session_fail(session, LDS_INVALID, "the query was empty");
	if (!sqlite3_stmt_readonly(statement) || sqlite3_column_count(statement) == 0 || !is_blank(db, tail)) {
		sqlite3_finalize(statement);
		return session_fail(session, LDS_INVALID, "a query is one statement that only reads");
	}
	*ret = statement;
	return 0;
}

static int find_parameter(sqlite3_stmt *statement, const char *name) {
	char text[EVENT_NAME_BYTES_MAX + 2];

	if (name[0] == ':' || name[0] == '@' || name[0] == '$')
		return sqlite3_bind_parameter_index(statement, name);
	if (strlen(name) > EVENT_NAME_BYTES_MAX)
		return 0;
	text[0] = ':';
	strcpy(text + 1, name);
	return sqlite3_bind_parameter_index(statement, text);
}

static int bind_value(sqlite3_stmt *statement, int index, const struct lds_value *value) {
	switch (value->type) {
	case LDS_NULL:
		return sqlite3_bind_null(statement, index);
	case LDS_INTEGER:
		return sqlite3_bind_int64(statement, index, value->integer);
	case LDS_REAL:
		return sqlite3_bind_double(statement, index, value->real);
	case LDS_TEXT:
		return sqlite3_bind_text64(statement, index, value->text ? value->text : "", value->bytes, SQLITE_TRANSIENT,
		                           SQLITE_UTF8);
	case LDS_BLOB:
		return sqlite3_bind_blob64(statement, index, value->text ? value->text : "", value->bytes, SQLITE_TRANSIENT);
	}
	return SQLITE_MISUSE;
}

static int bind(struct lds_session *session, sqlite3_stmt *statement, const struct lds_parameter *parameters,
                size_t n) {
	int count = sqlite3_bind_parameter_count(statement);

	for (size_t i = 0; i < n; i++) {
		const char *name = parameters[i].name;
		int index = name ? find_parameter(statement, name) : i < (size_t)count ? (int)i + 1 : 0;
		int rc;

		if (index == 0 && name)
			return session_fail(session, LDS_INVALID, "the query has no parameter %s", name);
		if (index == 0)
			return session_fail(session, LDS_INVALID, "the query has %d parameters, %zu were given", count, n);
		rc = bind_value(statement, index, &parameters[i].value);
		if (rc == SQLITE_MISUSE)
			return session_fail(session, LDS_INVALID, "parameter %zu had no type that is known", i + 1);
		if (rc != SQLITE_OK)
			return sql_failed(session, rc, "bind a parameter");
	}
	return 0;
}

int rows_open(struct lds_session *session, const char *sql, const struct lds_parameter *parameters, size_t n_parameters,
              struct lds_rows **ret_rows) {
	struct lds_rows *rows = calloc(1, sizeof(*rows));
	int r = rows ? prepare(session, sql, &rows->statement) : error_no_memory(&session->error);

	if (r == 0)
		r = bind(session, rows->statement, parameters, n_parameters);
	if (r < 0) {
		if (rows)
			sqlite3_finalize(rows->statement);
		free(rows);
		return r;
	}
	rows->session = session;
	TAILQ_INSERT_TAIL(&session->rows, rows, list);
	*ret_rows = rows;
	return 0;
}

int lds_query(struct lds_session *session, const char *sql, const struct lds_parameter *parameters, size_t n_parameters,
              struct lds_rows **ret_rows) {
	int r = session_enter(session);

	if (r < 0)
		return r;
	if (!sql || !ret_rows || (n_parameters > 0 && !parameters))
		return session_fail(session, LDS_INVALID, "a query without its text or a place for its rows");
	return rows_open(session, sql, parameters, n_parameters, ret_rows);
}

static int enter(const struct lds_rows *rows) {
	return rows ? session_enter(rows->session) : LDS_INVALID;
}

int lds_rows_columns(const struct lds_rows *rows) {
	return enter(rows) < 0 ? 0 : sqlite3_column_count(rows->statement);
}

const char *lds_rows_name(const struct lds_rows *rows, int column) {
	if (enter(rows) < 0 || column < 0 || column >= sqlite3_column_count(rows->statement))
		return NULL;
	return sqlite3_column_name(rows->statement, column);
}

int lds_rows_next(struct lds_rows *rows) {
	int r = enter(rows), rc;

	if (r < 0)
		return r;
	rows->on_row = false;
	if (rows->ended)
		return 0;
	rc = sqlite3_step(rows->statement);
	if (rc == SQLITE_ROW) {
		rows->on_row = true;
		return LDS_ROW;
	}
	rows->ended = true;
	r = rc == SQLITE_DONE ? 0 : sql_failed(rows->session, rc, "read a row");
	sqlite3_reset(rows->statement); /* its read is over: it holds nothing back any more */
	return r;
}

int lds_rows_value(const struct lds_rows *rows, int column, struct lds_value *ret_value) {
	sqlite3_stmt *statement;
	struct lds_value value = { 0 };

	if (enter(rows) < 0 || !ret_value || !rows->on_row || column < 0 || column >= sqlite3_column_count(rows->statement))
		return LDS_INVALID;
	statement = rows->statement;
	switch (sqlite3_column_type(statement, column)) {
	case SQLITE_INTEGER:
		value.type = LDS_INTEGER;
		value.integer = sqlite3_column_int64(statement, column);
		break;
	case SQLITE_FLOAT:
		value.type = LDS_REAL;
		value.real = sqlite3_column_double(statement, column);
		break;
	case SQLITE_TEXT:
		value.type = LDS_TEXT;
		value.text = (const char *)sqlite3_column_text(statement, column);
		value.bytes = (size_t)sqlite3_column_bytes(statement, column);
		break;
	case SQLITE_BLOB:
		value.type = LDS_BLOB;
		value.text = sqlite3_column_blob(statement, column);
		value.bytes = (size_t)sqlite3_column_bytes(statement, column);
		break;
	default:
		break;
	}
	if (value.type == LDS_TEXT && !value.text)
		return error_no_memory(&rows->session->error);
	*ret_value = value;
	return 0;
}

void lds_rows_close(struct lds_rows *rows) {
	if (enter(rows) < 0 || rows->lent)
		return;
	rows_free(rows);
}

void rows_free(struct lds_rows *rows) {
	TAILQ_REMOVE(&rows->session->rows, rows, list);
	sqlite3_finalize(rows->statement);
	free(rows);
}

void rows_rewind(struct lds_rows *rows) {
	sqlite3_reset(rows->statement);
	rows->ended = rows->on_row = false;
}

void rows_close_all(struct lds_session *session) {
	while (!TAILQ_EMPTY(&session->rows))
		rows_free(TAILQ_FIRST(&session->rows));
}

struct sqlite3 *lds_db(struct lds_session *session) {
	return session_enter(session) < 0 ? NULL : state_database(session->state);
}
