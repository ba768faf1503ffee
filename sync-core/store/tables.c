/*
 * Facts on the app's tables, asked from SQLite itself. A primary key column is
 * another name of the rowid exactly when the table has a rowid and no index
 * stands for its primary key: "INTEGER PRIMARY KEY" has none, but
 * "INTEGER PRIMARY KEY DESC" and "INT PRIMARY KEY" do.
 */

#include "store/tables.h"

#include <stdlib.h>
#include <string.h>

#include "store/database.h"

int sql_add(struct bytes *sql, const char *text) {
	return bytes_add(sql, text, strlen(text));
}

int sql_add_name(struct bytes *sql, const char *name) {
	int r = bytes_add_u8(sql, '"');

	for (; r == 0 && *name; name++) {
		if (*name == '"')
			r = bytes_add_u8(sql, '"');
		if (r == 0)
			r = bytes_add_u8(sql, (uint8_t)*name);
	}
	return r < 0 ? r : bytes_add_u8(sql, '"');
}

static int read_error(sqlite3 *db, int rc, struct error *error) {
	return database_error(db, rc, "read what the tables are", error);
}

/* A query with a table's name as its parameter, and one number as its answer. */
static int ask_number(sqlite3 *db, const char *sql, const char *name, int *ret, struct error *error) {
	sqlite3_stmt *statement = NULL;
	int number = 0;
	int rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(statement);
	if (rc == SQLITE_ROW) {
		number = sqlite3_column_int(statement, 0);
		rc = SQLITE_OK;
	}
	rc = rc == SQLITE_OK ? 0 : read_error(db, rc, error);
	sqlite3_finalize(statement);
	if (rc == 0)
		*ret = number;
	return rc;
}

static int take_columns(struct table *table, int n_max, sqlite3 *db, sqlite3_stmt *statement, struct error *error) {
	int rc;

	while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
		const char *column = (const char *)sqlite3_column_text(statement, 0);

		if (table->n_columns == n_max)
			return error_set(error, ERROR_CORRUPT, "a table has more columns than the schema says");
		table->columns[table->n_columns] = column ? strdup(column) : NULL;
		if (!table->columns[table->n_columns])
			return error_no_memory(error);
		table->n_columns++;
	}
	return rc == SQLITE_DONE ? 0 : read_error(db, rc, error);
}

static int load_columns(struct table *table, sqlite3 *db, const struct schema_table *of, struct error *error) {
	sqlite3_stmt *statement = NULL;
	int rc, r;

	table->columns = calloc((size_t)of->n_columns, sizeof(*table->columns));
	if (!table->columns)
		return error_no_memory(error);
	rc = sqlite3_prepare_v2(db, "SELECT name FROM pragma_table_info(?1) ORDER BY cid", -1, &statement, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_text(statement, 1, of->name, -1, SQLITE_STATIC);
	r = rc == SQLITE_OK ? take_columns(table, of->n_columns, db, statement, error) : read_error(db, rc, error);
	sqlite3_finalize(statement);
	if (r == 0 && table->n_columns != of->n_columns)
		r = error_set(error, ERROR_CORRUPT, "the table %s is not the schema's", of->name);
	return r;
}

static int load_table(struct tables *tables, struct table *table, sqlite3 *db, const struct schema_table *of,
                      struct error *error) {
	int key_indexes, keys;
	int r = load_columns(table, db, of, error);

	if (r == 0)
		r = ask_number(db, "SELECT count(*) FROM pragma_index_list(?1) WHERE origin = 'pk'", of->name, &key_indexes,
		               error);
	if (r == 0)
		r = ask_number(db, "SELECT count(*) FROM pragma_foreign_key_list(?1)", of->name, &keys, error);
	if (r < 0)
		return r;
	table->rowid_is_key = !of->without_rowid && key_indexes == 0;
	tables->foreign_keys = tables->foreign_keys || keys > 0;
	return 0;
}

int tables_load(struct tables *tables, sqlite3 *db, const struct schema *schema, struct error *error) {
	struct tables loaded = { .n = schema->n_tables };
	int r = 0;

	loaded.list = calloc(loaded.n ? loaded.n : 1, sizeof(*loaded.list));
	if (!loaded.list)
		return error_no_memory(error);
	for (size_t i = 0; r == 0 && i < loaded.n; i++)
		r = load_table(&loaded, &loaded.list[i], db, &schema->tables[i], error);
	if (r < 0) {
		tables_finish(&loaded);
		return r;
	}
	*tables = loaded;
	return 0;
}

void tables_finish(struct tables *tables) {
	for (size_t i = 0; tables->list && i < tables->n; i++) {
		for (int j = 0; j < tables->list[i].n_columns; j++)
			free(tables->list[i].columns[j]);
		free(tables->list[i].columns);
	}
	free(tables->list);
	*tables = (struct tables){ 0 };
}
