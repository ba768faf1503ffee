/*
 * The guard of a connection: one authorizer for check time and run time, so
 * that what was accepted is what runs.
 *
 * SQLite asks it while a statement is prepared, and again when a statement is
 * prepared anew inside sqlite3_step. Everything that is not listed is denied,
 * actions of later SQLite versions included. Cascades of foreign keys are asked
 * about like any other write.
 */

#include "store/schema.h"

#include <string.h>

#include "base/text.h"

/* Only the first reason counts: SQLite may go on asking after a denial. */
static int deny(struct schema_authorizer *authorizer, const char *format, const char *name) {
	if (authorizer->reason[0] == '\0') {
		sqlite3_snprintf(sizeof(authorizer->reason), authorizer->reason, format, name ? name : "");
		text_make_line(authorizer->reason);
	}
	return SQLITE_DENY;
}

static bool has_prefix(const char *name, const char *prefix) {
	return sqlite3_strnicmp(name, prefix, (int)strlen(prefix)) == 0;
}

static bool is_main(const char *database) {
	return !database || strcmp(database, "main") == 0;
}

static bool is_json_table(const char *name) {
	return sqlite3_stricmp(name, "json_each") == 0 || sqlite3_stricmp(name, "json_tree") == 0;
}

/* A table that is read for its number of rows alone is asked about without a
 * column, as it was written, and so are the names that WITH introduces. The
 * latter are no tables, so nothing is read; SQLite's own tables, the pragmas
 * that pose as tables and ours are not let through as one of them. */
static bool may_be_common_table(const char *name, const char *column, const char *database) {
	return column && *column == '\0' && !database && !has_prefix(name, "sqlite_") && !has_prefix(name, "pragma_") &&
	       !has_prefix(name, "leaderd_");
}

static int find_table(const struct schema_authorizer *authorizer, const char *name, const char *database) {
	return authorizer->schema && is_main(database) ? schema_find_table(authorizer->schema, name) : -1;
}

static int authorize_read(struct schema_authorizer *authorizer, const char *name, const char *column,
                          const char *database) {
	int table = find_table(authorizer, name, database);
	const struct schema_table *tables = authorizer->schema ? authorizer->schema->tables : NULL;

	if (table < 0 && (is_json_table(name) || may_be_common_table(name, column, database)))
		return SQLITE_OK;
	if (table < 0)
		return deny(authorizer, "reads '%s', which is no table of the schema", name);
	if (authorizer->mode == AUTHORIZER_LIFT)
		return deny(authorizer, "a lift sees the old event only, it may not read table '%s'", name);
	if (authorizer->mode == AUTHORIZER_SYNCED && tables[table].world == WORLD_CLIENT_ONLY)
		return deny(authorizer, "a synced event may not read the client-only table '%s'", name);
	authorizer->reads[table] = true;
	return SQLITE_OK;
}

static int authorize_write(struct schema_authorizer *authorizer, const char *name, const char *database) {
	int table = find_table(authorizer, name, database);
	const struct schema_table *tables = authorizer->schema ? authorizer->schema->tables : NULL;

	if (authorizer->mode == AUTHORIZER_LIFT)
		return deny(authorizer, "a lift is one SELECT, it may not write table '%s'", name);
	if (table < 0)
		return deny(authorizer, "writes '%s', which is no table of the schema", name);
	if (authorizer->mode == AUTHORIZER_SYNCED && tables[table].world != WORLD_SYNCED)
		return deny(authorizer, "a synced event may not write the client-only table '%s'", name);
	if (authorizer->mode == AUTHORIZER_CLIENT_ONLY && tables[table].world != WORLD_CLIENT_ONLY)
		return deny(authorizer, "a client-only event may not write the synced table '%s'", name);
	if (!authorizer->has_target) {
		authorizer->has_target = true;
		authorizer->target = table;
	}
	authorizer->writes[table] = true;
	return SQLITE_OK;
}

static int authorize_function(struct schema_authorizer *authorizer, const char *name) {
	if (schema_function_is_allowed(name))
		return SQLITE_OK;
	return deny(authorizer, "the function %s() is not allowed: it is not known to give the same result everywhere",
	            name);
}

static int authorize_materializer(struct schema_authorizer *authorizer, int action, const char *first,
                                  const char *second, const char *database) {
	switch (action) {
	case SQLITE_SELECT:
		return SQLITE_OK;
	case SQLITE_READ:
		return authorize_read(authorizer, first, second, database);
	case SQLITE_INSERT:
	case SQLITE_UPDATE:
	case SQLITE_DELETE:
		return authorize_write(authorizer, first, database);
	case SQLITE_FUNCTION:
		return authorize_function(authorizer, second);
	case SQLITE_RECURSIVE:
		return deny(authorizer, "recursive WITH is not allowed: it need not end%s", "");
	case SQLITE_PRAGMA:
		return deny(authorizer, "PRAGMA %s is not allowed", first);
	default:
		return deny(authorizer, "a materializer is made of SELECT, INSERT, UPDATE and DELETE%s", "");
	}
}

static int authorize_reader(struct schema_authorizer *authorizer, int action, const char *first, const char *second,
                            const char *database) {
	static const char *const pragmas[] = { "table_info", "table_xinfo", "table_list",      "index_list",
		                                   "index_info", "index_xinfo", "foreign_key_list" };
	int table;

	switch (action) {
	case SQLITE_SELECT:
	case SQLITE_RECURSIVE:
		return SQLITE_OK;
	case SQLITE_READ:
		table = find_table(authorizer, first, database);
		if (table >= 0)
			authorizer->reads[table] = true;
		return SQLITE_OK;
	case SQLITE_FUNCTION:
		return sqlite3_stricmp(second, "load_extension") == 0 ? deny(authorizer, "%s() is not allowed", second)
		                                                      : SQLITE_OK;
	case SQLITE_PRAGMA:
		for (size_t i = 0; i < sizeof(pragmas) / sizeof(pragmas[0]); i++)
			if (sqlite3_stricmp(first, pragmas[i]) == 0)
				return SQLITE_OK;
		return deny(authorizer, "PRAGMA %s is not allowed on this connection", first);
	default:
		return deny(authorizer, "only reading is allowed on this connection%s", "");
	}
}

/* SQLite's own catalogue is written by every CREATE. */
static bool is_catalogue(const char *name) {
	return strcmp(name, "sqlite_master") == 0 || strcmp(name, "sqlite_schema") == 0;
}

static int authorize_create(struct schema_authorizer *authorizer, const char *name, bool is_table) {
	if (sqlite3_stricmp(name, "sqlite_sequence") == 0)
		return deny(authorizer, "AUTOINCREMENT is refused: its counter is state outside the app's tables%s", "");
	if (has_prefix(name, "leaderd_"))
		return deny(authorizer, "the name '%s' is reserved: leaderd_ is the prefix of leaderd's own tables", name);
	if (strlen(name) >= sizeof(authorizer->created))
		return deny(authorizer, "the name '%.40s...' is too long", name);
	/* The indexes of PRIMARY KEY and UNIQUE are made in passing. */
	if (has_prefix(name, "sqlite_"))
		return SQLITE_OK;
	sqlite3_snprintf(sizeof(authorizer->created), authorizer->created, "%s", name);
	authorizer->created_table = is_table;
	return SQLITE_OK;
}

static int authorize_definition(struct schema_authorizer *authorizer, int action, const char *first, const char *second,
                                const char *database) {
	switch (action) {
	case SQLITE_CREATE_TABLE:
		return authorize_create(authorizer, first, true);
	case SQLITE_CREATE_INDEX:
		return authorize_create(authorizer, first, false);
	case SQLITE_REINDEX:
	case SQLITE_READ: /* the table's own columns, in CHECK and in indexes */
		return SQLITE_OK;
	case SQLITE_INSERT:
	case SQLITE_UPDATE:
	case SQLITE_DELETE:
		if (!is_main(database))
			return deny(authorizer, "temporary tables are no state%s", "");
		return is_catalogue(first) ? SQLITE_OK : deny(authorizer, "writes '%s'", first);
	case SQLITE_FUNCTION:
		if (sqlite3_stricmp(second, "refuse") == 0)
			return deny(authorizer, "%s() belongs into materializers", second);
		return authorize_function(authorizer, second);
	case SQLITE_SELECT:
		return deny(authorizer, "a SELECT is not allowed in a definition%s", "");
	default:
		return deny(authorizer, "only CREATE TABLE and CREATE INDEX may stand before the first event%s", "");
	}
}

static int authorize(void *data, int action, const char *first, const char *second, const char *database,
                     const char *trigger) {
	struct schema_authorizer *authorizer = data;

	switch (authorizer->mode) {
	case AUTHORIZER_OWN:
		return SQLITE_OK;
	case AUTHORIZER_READER:
		return authorize_reader(authorizer, action, first, second, database);
	case AUTHORIZER_DEFINE:
		return authorize_definition(authorizer, action, first, second, database);
	case AUTHORIZER_SYNCED:
	case AUTHORIZER_CLIENT_ONLY:
	case AUTHORIZER_LIFT:
	case AUTHORIZER_CHECK:
		return authorize_materializer(authorizer, action, first, second, database);
	}
	return SQLITE_DENY;
}

void schema_authorizer_clear(struct schema_authorizer *authorizer) {
	memset(authorizer->reads, 0, sizeof(authorizer->reads));
	memset(authorizer->writes, 0, sizeof(authorizer->writes));
	authorizer->reason[0] = '\0';
	authorizer->created[0] = '\0';
	authorizer->created_table = false;
	authorizer->has_target = false;
}

/* The first use of json_each declares it, which the authorizer would be asked
 * about as a definition: so it is used once before there is one. */
static int prime_json(sqlite3 *db) {
	int rc = sqlite3_exec(db, "SELECT 1 FROM json_each('[1]')", NULL, NULL, NULL);

	return rc == SQLITE_OK ? sqlite3_exec(db, "SELECT 1 FROM json_tree('[1]')", NULL, NULL, NULL) : rc;
}

int schema_authorizer_install(sqlite3 *db, struct schema_authorizer *authorizer, struct error *error) {
	int r = schema_functions_install(db, authorizer, error);
	int rc;

	if (r < 0)
		return r;
	schema_authorizer_clear(authorizer);
	rc = prime_json(db);
	if (rc == SQLITE_OK)
		rc = sqlite3_set_authorizer(db, authorize, authorizer);
	if (rc == SQLITE_OK)
		return 0;
	return rc == SQLITE_NOMEM ? error_no_memory(error)
	                          : error_set(error, ERROR_IO, "cannot guard the connection: %s", sqlite3_errstr(rc));
}
