/*
 * The canonical text of a state, one line a row, tables by name, rows by primary
 * key:
 *
 *   table TAB value TAB value ... LF      values in column order
 *
 *   NULL     null
 *   INTEGER  decimal
 *   REAL     17 significant digits, always with a point or an exponent; -inf, inf
 *   TEXT     in double quotes; the quote and the backslash behind a backslash,
 *            control characters as \u00XX, everything else as it is
 *   BLOB     x'hexadecimal digits'
 *
 * Table names are written as texts are, without the quotes. So equal states have
 * equal dumps, and different ones different dumps.
 */

#include "store/state.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/must.h"
#include "store/database.h"
#include "store/state_private.h"

struct dump {
	int (*write)(const char *text, size_t n, void *data);
	void *data;
	struct bytes line;
};

static int add_escaped(struct bytes *line, const uint8_t *text, size_t n) {
	static const char digits[] = "0123456789abcdef";
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		if (text[i] < 0x20 || text[i] == 0x7f) {
			char escape[] = { '\\', 'u', '0', '0', digits[text[i] >> 4], digits[text[i] & 15] };

			r = bytes_add(line, escape, sizeof(escape));
			continue;
		}
		if (text[i] == '"' || text[i] == '\\')
			r = bytes_add_u8(line, '\\');
		if (r == 0)
			r = bytes_add_u8(line, text[i]);
	}
	return r;
}

static int add_real(struct bytes *line, double real) {
	char text[40], plain[40];
	size_t n = 0;

	if (isinf(real))
		return sql_add(line, real < 0 ? "-inf" : "inf");
	snprintf(text, sizeof(text), "%.17g", real);
	/* The program's locale may have another decimal point. */
	for (const char *at = text; *at; at++) {
		if (strchr("0123456789+-e", *at))
			plain[n++] = *at;
		else if (n == 0 || plain[n - 1] != '.')
			plain[n++] = '.';
	}
	plain[n] = '\0';
	if (!strpbrk(plain, ".e"))
		strcpy(plain + n, ".0");
	return sql_add(line, plain);
}

static int add_blob(struct bytes *line, const uint8_t *data, size_t n) {
	int r = sql_add(line, "x'");

	if (r == 0)
		r = bytes_reserve(line, 2 * n + 1);
	if (r < 0)
		return r;
	hex_print((char *)line->data + line->n, data, n);
	line->n += 2 * n;
	return bytes_add_u8(line, '\'');
}

static int add_column(struct bytes *line, sqlite3_stmt *statement, int column) {
	char number[24];
	const void *data;
	int r;

	switch (sqlite3_column_type(statement, column)) {
	case SQLITE_NULL:
		return sql_add(line, "null");
	case SQLITE_INTEGER:
		snprintf(number, sizeof(number), "%lld", (long long)sqlite3_column_int64(statement, column));
		return sql_add(line, number);
	case SQLITE_FLOAT:
		return add_real(line, sqlite3_column_double(statement, column));
	case SQLITE_BLOB:
		data = sqlite3_column_blob(statement, column);
		if (!data && sqlite3_column_bytes(statement, column) > 0)
			return ERROR_NO_MEMORY;
		return add_blob(line, data, (size_t)sqlite3_column_bytes(statement, column));
	default:
		data = sqlite3_column_text(statement, column);
		if (!data)
			return ERROR_NO_MEMORY;
		r = bytes_add_u8(line, '"');
		if (r == 0)
			r = add_escaped(line, data, (size_t)sqlite3_column_bytes(statement, column));
		return r < 0 ? r : bytes_add_u8(line, '"');
	}
}

static int add_row(struct bytes *line, const char *table, sqlite3_stmt *statement) {
	int r = add_escaped(line, (const uint8_t *)table, strlen(table));

	for (int i = 0; r == 0 && i < sqlite3_column_count(statement); i++) {
		r = bytes_add_u8(line, '\t');
		if (r == 0)
			r = add_column(line, statement, i);
	}
	return r < 0 ? r : bytes_add_u8(line, '\n');
}

static int add_query(struct bytes *sql, const struct schema_table *of, const struct table *table) {
	int r = 0;

	for (int i = 0; r == 0 && i < table->n_columns; i++) {
		r = sql_add(sql, i == 0 ? "SELECT " : ", ");
		if (r == 0)
			r = sql_add_name(sql, table->columns[i]);
	}
	if (r == 0)
		r = sql_add(sql, " FROM ");
	if (r == 0)
		r = sql_add_name(sql, of->name);
	for (int i = 0; r == 0 && i < of->n_key_columns; i++) {
		r = sql_add(sql, i == 0 ? " ORDER BY " : ", ");
		if (r == 0)
			r = sql_add_name(sql, table->columns[of->key_columns[i]]);
	}
	return r < 0 ? r : bytes_add_u8(sql, '\0');
}

static int dump_rows(struct state *state, struct dump *dump, const char *table, sqlite3_stmt *statement,
                     struct error *error) {
	int rc;

	while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
		bytes_clear(&dump->line);
		if (add_row(&dump->line, table, statement) < 0)
			return error_no_memory(error);

		int stopped = dump->write((const char *)dump->line.data, dump->line.n, dump->data);

		if (stopped)
			return stopped;
	}
	return rc == SQLITE_DONE ? 0 : database_error(state->db, rc, "dump the state", error);
}

static int dump_table(struct state *state, struct dump *dump, size_t index, struct error *error) {
	const struct schema_table *of = &state->schema->tables[index];
	sqlite3_stmt *statement = NULL;
	int r;

	bytes_clear(&dump->line);
	if (add_query(&dump->line, of, &state->tables.list[index]) < 0)
		return error_no_memory(error);
	r = database_prepare(&statement, state->db, (const char *)dump->line.data, error);
	if (r == 0)
		r = dump_rows(state, dump, of->name, statement, error);
	sqlite3_finalize(statement);
	return r;
}

int state_dump(struct state *state, bool synced_only, int (*write)(const char *text, size_t n, void *data), void *data,
               struct error *error) {
	struct dump dump = { .write = write, .data = data };
	bool own_snapshot;
	int r = 0;

	if (!state->db || !state->materializers)
		return error_set(error, ERROR_IO, "the state was left empty by a reset that failed");
	state_enter(state);
	/* All tables as of one moment, even beside a program that is writing. */
	own_snapshot = !database_in_transaction(state->db);
	if (own_snapshot)
		r = state_run(state, OWN_BEGIN_READ, "begin a dump", error);
	for (size_t i = 0; r == 0 && i < state->schema->n_tables; i++)
		if (!synced_only || state->schema->tables[i].world == WORLD_SYNCED)
			r = dump_table(state, &dump, i, error);
	if (own_snapshot && database_in_transaction(state->db))
		state_run(state, OWN_ROLLBACK, "end a dump", NULL);
	bytes_finish(&dump.line);
	state_leave(state);
	return r;
}
