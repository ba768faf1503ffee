#ifndef LEADERD_STORE_TABLES_H
#define LEADERD_STORE_TABLES_H

/*
 * What undo, capture and dump must know of the app's tables beyond what the
 * schema says: column names, and where a table keeps its rowid.
 */

#include <sqlite3.h>
#include <stdbool.h>

#include "base/bytes.h"
#include "base/error.h"
#include "store/schema.h"

struct table {
	char **columns; /* names, in table order */
	int n_columns;
	bool rowid_is_key; /* the primary key column is another name of the rowid */
};

struct tables {
	struct table *list; /* parallel to schema->tables */
	size_t n;
	bool foreign_keys; /* some table has one */
};

/* Reads the facts. ERROR_CORRUPT: the database's tables are not the schema's. */
int tables_load(struct tables *tables, sqlite3 *db, const struct schema *schema, struct error *error);
void tables_finish(struct tables *tables); /* leaves it empty */

/* Adds a name to SQL text, in double quotes. */
int sql_add_name(struct bytes *sql, const char *name);
int sql_add(struct bytes *sql, const char *text);

#endif
