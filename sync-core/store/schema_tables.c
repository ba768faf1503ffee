/*
 * The tables of a schema: made in memory, then looked at through SQLite's own
 * catalogue, so that what is checked is what SQLite understood.
 */

#include "store/schema_private.h"

#include <stdlib.h>
#include <string.h>

#include "store/sql_text.h"

/* A default is evaluated at check time; it may not make more than this. */
#define DEFAULT_BYTES_MAX (1024 * 1024)
/* OE_Rollback of SQLite's programs. */
#define HALT_ROLLBACK 1

int schema_sql_error(struct schema_checker *checker, const char *sql, unsigned line, int rc) {
	int offset = sqlite3_error_offset(checker->db);

	if ((rc & 0xff) == SQLITE_NOMEM)
		return error_no_memory(checker->error);
	if (checker->authorizer.reason[0] != '\0')
		return schema_violation(checker->error, checker->label, line, "%s", checker->authorizer.reason);
	for (int i = 0; i < offset && sql[i] != '\0'; i++)
		line += sql[i] == '\n';
	return schema_violation(checker->error, checker->label, line, "%s", sqlite3_errmsg(checker->db));
}

/* Formats SQL with SQLite's own %w and %Q, and prepares it as ours. */
static int prepare_own(struct schema_checker *checker, sqlite3_stmt **ret, const char *format, ...) {
	va_list list;
	char *sql;
	int rc;

	va_start(list, format);
	sql = sqlite3_vmprintf(format, list);
	va_end(list);
	if (!sql)
		return SQLITE_NOMEM;
	rc = sqlite3_prepare_v2(checker->db, sql, -1, ret, NULL);
	sqlite3_free(sql);
	return rc;
}

static void set_mode(struct schema_checker *checker, enum authorizer_mode mode) {
	schema_authorizer_clear(&checker->authorizer);
	checker->authorizer.mode = mode;
}

int schema_check_rollback(struct schema_checker *checker, const char *sql, unsigned line) {
	enum authorizer_mode mode = checker->authorizer.mode;
	sqlite3_stmt *statement = NULL;
	bool found = false;
	int rc;

	checker->authorizer.mode = AUTHORIZER_OWN;
	rc = prepare_own(checker, &statement, "EXPLAIN %s", sql);
	while (rc == SQLITE_OK && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
		const char *opcode = (const char *)sqlite3_column_text(statement, 1);

		if (opcode && strncmp(opcode, "Halt", 4) == 0 && sqlite3_column_int(statement, 2) != 0 &&
		    sqlite3_column_int(statement, 3) == HALT_ROLLBACK)
			found = true;
		rc = SQLITE_OK;
	}
	sqlite3_finalize(statement);
	checker->authorizer.mode = mode;
	if (rc != SQLITE_DONE)
		return schema_sql_error(checker, "", line, rc);
	if (found)
		return schema_violation(checker->error, checker->label, line,
		                        "ROLLBACK on a conflict is refused: it would end the transaction of other events too");
	return 0;
}

static int add_table(struct schema_checker *checker, const struct schema_statement *definition) {
	size_t n = checker->n_tables;
	struct table_check *table = &checker->tables[n];

	if (n == SCHEMA_TABLES_MAX)
		return schema_violation(checker->error, checker->label, definition->line, "more than %u tables",
		                        SCHEMA_TABLES_MAX);
	table->name = strdup(checker->authorizer.created);
	if (!table->name)
		return error_no_memory(checker->error);
	table->line = definition->line;
	table->ordinal = n;
	table->replaces = sql_asks_for_replace(definition->sql);
	checker->n_tables++;
	return 0;
}

/* Changes with every definition that has an effect; -1 without memory. */
static int schema_cookie(struct schema_checker *checker) {
	sqlite3_stmt *row = NULL;
	int cookie = -1;

	set_mode(checker, AUTHORIZER_OWN);
	if (prepare_own(checker, &row, "PRAGMA schema_version") == SQLITE_OK && sqlite3_step(row) == SQLITE_ROW)
		cookie = sqlite3_column_int(row, 0);
	sqlite3_finalize(row);
	return cookie;
}

/* What SQLite would accept and its catalogue would not show. */
static int check_definition_text(struct schema_checker *checker, const struct schema_statement *definition) {
	unsigned line = definition->line;
	const char *clock = sql_names_the_clock(definition->sql, &line);

	if (clock)
		return schema_violation(checker->error, checker->label, line, "%s", clock);
	if (sql_has_words(definition->sql, "INITIALLY", "DEFERRED"))
		return schema_violation(
			checker->error, checker->label, definition->line,
			"a deferred foreign key is refused: it would fail with the whole group of events, not with its own");
	return 0;
}

static int run_definition(struct schema_checker *checker, const struct schema_statement *definition) {
	sqlite3_stmt *statement = NULL;
	int rc, r = 0;

	set_mode(checker, AUTHORIZER_DEFINE);
	rc = sqlite3_prepare_v2(checker->db, definition->sql, -1, &statement, NULL);
	if (rc == SQLITE_OK && statement)
		rc = sqlite3_step(statement);
	if (rc != SQLITE_DONE && rc != SQLITE_OK)
		r = schema_sql_error(checker, definition->sql, definition->line, rc);
	sqlite3_finalize(statement);
	if (r == 0 && checker->authorizer.created_table)
		r = add_table(checker, definition);
	return r;
}

static int define(struct schema_checker *checker, const struct schema_statement *definition) {
	int r = check_definition_text(checker, definition);
	int before, after;

	if (r < 0)
		return r;
	before = schema_cookie(checker);
	r = run_definition(checker, definition);
	if (r < 0)
		return r;
	after = schema_cookie(checker);
	if (before < 0 || after < 0)
		return error_no_memory(checker->error);
	if (before == after)
		return schema_violation(checker->error, checker->label, definition->line,
		                        "creates nothing: the name exists already");
	return 0;
}

static int compare_tables(const void *a, const void *b) {
	return strcmp(((const struct table_check *)a)->name, ((const struct table_check *)b)->name);
}

/* From here on checker->tables and schema->tables have one order. */
static int list_tables(struct schema_checker *checker) {
	struct schema *schema = checker->schema;
	size_t n = checker->n_tables;

	if (n == 0)
		return 0;
	qsort(checker->tables, n, sizeof(checker->tables[0]), compare_tables);
	schema->tables = calloc(n, sizeof(*schema->tables));
	if (!schema->tables)
		return error_no_memory(checker->error);
	for (; schema->n_tables < n; schema->n_tables++) {
		schema->tables[schema->n_tables].name = strdup(checker->tables[schema->n_tables].name);
		if (!schema->tables[schema->n_tables].name)
			return error_no_memory(checker->error);
	}
	return 0;
}

/* The text of a default is an expression of its own: prepared under the same
 * rules as a lift, and evaluated, because a function may refuse its arguments. */
static int check_default(struct schema_checker *checker, const struct table_check *table, const char *column,
                         const char *text) {
	sqlite3_stmt *statement = NULL;
	char *sql = sqlite3_mprintf("SELECT %s", text);
	int limit = sqlite3_limit(checker->db, SQLITE_LIMIT_LENGTH, DEFAULT_BYTES_MAX);
	int rc = SQLITE_NOMEM, r = 0;

	set_mode(checker, AUTHORIZER_LIFT);
	if (sql)
		rc = sqlite3_prepare_v2(checker->db, sql, -1, &statement, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(statement);
	if ((rc & 0xff) == SQLITE_NOMEM)
		r = error_no_memory(checker->error);
	else if (rc != SQLITE_ROW)
		r = schema_violation(checker->error, checker->label, table->line, "the default of column '%.80s': %s", column,
		                     checker->authorizer.reason[0] ? checker->authorizer.reason : sqlite3_errmsg(checker->db));
	sqlite3_finalize(statement);
	sqlite3_free(sql);
	sqlite3_limit(checker->db, SQLITE_LIMIT_LENGTH, limit);
	checker->authorizer.mode = AUTHORIZER_OWN;
	return r;
}

/* One row of table_xinfo: cid, name, type, notnull, dflt_value, pk, hidden. */
static int check_column(struct schema_checker *checker, const struct table_check *check, struct schema_table *table,
                        sqlite3_stmt *row) {
	static const char *const rowids[] = { "rowid", "oid", "_rowid_" };
	const char *name = (const char *)sqlite3_column_text(row, 1);
	const char *value = (const char *)sqlite3_column_text(row, 4);
	int key = sqlite3_column_int(row, 5);

	if (!name)
		return error_no_memory(checker->error);
	for (size_t i = 0; i < sizeof(rowids) / sizeof(rowids[0]); i++)
		if (sqlite3_stricmp(name, rowids[i]) == 0)
			return schema_violation(checker->error, checker->label, check->line,
			                        "column '%s' of table '%s' hides the rowid that undo needs", name, table->name);
	if (sqlite3_column_int(row, 6) != 0)
		return schema_violation(checker->error, checker->label, check->line,
		                        "generated columns are refused: column '%.80s' of table '%s'", name, table->name);
	if (key > 0)
		table->n_key_columns++;
	table->n_columns++;
	return value ? check_default(checker, check, name, value) : 0;
}

static int open_columns(struct schema_checker *checker, sqlite3_stmt **ret, const char *name) {
	return prepare_own(checker, ret, "SELECT * FROM pragma_table_xinfo(%Q)", name);
}

static int check_columns(struct schema_checker *checker, const struct table_check *check, struct schema_table *table) {
	sqlite3_stmt *row = NULL;
	int rc = open_columns(checker, &row, table->name);
	int r = 0;

	while (r == 0 && rc == SQLITE_OK && (rc = sqlite3_step(row)) == SQLITE_ROW) {
		r = check_column(checker, check, table, row);
		rc = SQLITE_OK;
	}
	if (r == 0 && rc != SQLITE_DONE)
		r = schema_sql_error(checker, "", check->line, rc);
	sqlite3_finalize(row);
	return r;
}

/* INTEGER PRIMARY KEY is the rowid, which is never NULL, whatever it says; every
 * other key has an index. (INTEGER PRIMARY KEY DESC is such another one.) */
static int find_rowid_alias(struct schema_checker *checker, const struct table_check *check,
                            const struct schema_table *table, bool *ret) {
	sqlite3_stmt *row = NULL;
	int rc = prepare_own(checker, &row, "SELECT 1 FROM pragma_index_list(%Q) WHERE origin = 'pk'", table->name);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(row);
	sqlite3_finalize(row);
	*ret = rc == SQLITE_DONE && !table->without_rowid;
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : schema_sql_error(checker, "", check->line, rc);
}

static int list_key(struct schema_checker *checker, const struct table_check *check, struct schema_table *table) {
	sqlite3_stmt *row = NULL;
	bool is_alias;
	int rc, r;

	if (table->n_key_columns == 0)
		return schema_violation(checker->error, checker->label, check->line, "table '%s' has no primary key",
		                        table->name);
	table->key_columns = calloc((size_t)table->n_key_columns, sizeof(*table->key_columns));
	if (!table->key_columns)
		return error_no_memory(checker->error);
	r = find_rowid_alias(checker, check, table, &is_alias);
	if (r < 0)
		return r;
	rc = open_columns(checker, &row, table->name);
	while (r == 0 && rc == SQLITE_OK && (rc = sqlite3_step(row)) == SQLITE_ROW) {
		int key = sqlite3_column_int(row, 5);

		rc = SQLITE_OK;
		if (key == 0)
			continue;
		table->key_columns[key - 1] = sqlite3_column_int(row, 0);
		if (sqlite3_column_int(row, 3) == 0 && !is_alias)
			r = schema_violation(checker->error, checker->label, check->line,
			                     "column '%.80s' is in the primary key of table '%s' and must be NOT NULL",
			                     (const char *)sqlite3_column_text(row, 1), table->name);
	}
	if (r == 0 && rc != SQLITE_DONE)
		r = schema_sql_error(checker, "", check->line, rc);
	sqlite3_finalize(row);
	return r;
}

static int find_rowid(struct schema_checker *checker, const struct table_check *check, struct schema_table *table) {
	sqlite3_stmt *row = NULL;
	int rc = prepare_own(checker, &row, "SELECT wr FROM pragma_table_list(%Q) WHERE schema = 'main'", table->name);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(row);
	if (rc == SQLITE_ROW)
		table->without_rowid = sqlite3_column_int(row, 0) != 0;
	sqlite3_finalize(row);
	return rc == SQLITE_ROW ? 0 : schema_sql_error(checker, "", check->line, rc);
}

static int check_references(struct schema_checker *checker, size_t child) {
	const struct table_check *check = &checker->tables[child];
	sqlite3_stmt *row = NULL;
	int rc = prepare_own(checker, &row, "SELECT \"table\" FROM pragma_foreign_key_list(%Q)", check->name);
	int r = 0;

	while (r == 0 && rc == SQLITE_OK && (rc = sqlite3_step(row)) == SQLITE_ROW) {
		const char *name = (const char *)sqlite3_column_text(row, 0);
		int parent = name ? schema_find_table(checker->schema, name) : -1;

		rc = SQLITE_OK;
		if (parent < 0)
			r = schema_violation(checker->error, checker->label, check->line,
			                     "table '%s' references table '%.80s', which the schema does not create", check->name,
			                     name ? name : "");
		else
			checker->references[child][parent] = true;
	}
	if (r == 0 && rc != SQLITE_DONE)
		r = schema_sql_error(checker, "", check->line, rc);
	sqlite3_finalize(row);
	return r;
}

/* Does a chain of foreign keys lead from the table back to it? */
static bool leads_back(const struct schema_checker *checker, size_t table) {
	bool reached[SCHEMA_TABLES_MAX] = { false };
	size_t waiting[SCHEMA_TABLES_MAX];
	size_t n_waiting = 0;

	for (size_t from = table;; from = waiting[--n_waiting]) {
		for (size_t to = 0; to < checker->schema->n_tables; to++)
			if (checker->references[from][to] && !reached[to]) {
				reached[to] = true;
				waiting[n_waiting++] = to;
			}
		if (reached[table] || n_waiting == 0)
			return reached[table];
	}
}

/* What the constraints of a table make of a row, seen in the program of an
 * INSERT: conflict clauses, and foreign keys whose parent key is not unique. */
static int check_constraints(struct schema_checker *checker, size_t index) {
	struct table_check *check = &checker->tables[index];
	sqlite3_str *sql = sqlite3_str_new(checker->db);
	char *text;
	int r;

	sqlite3_str_appendf(sql, "INSERT INTO \"%w\" VALUES (", check->name);
	for (int i = 0; i < checker->schema->tables[index].n_columns; i++)
		sqlite3_str_appendall(sql, i == 0 ? "?" : ", ?");
	sqlite3_str_appendall(sql, ")");
	text = sqlite3_str_finish(sql);
	if (!text)
		return error_no_memory(checker->error);
	r = schema_check_rollback(checker, text, check->line);
	sqlite3_free(text);
	if (r < 0)
		return r;
	check->references_itself = leads_back(checker, index);
	if (check->replaces && check->references_itself)
		return schema_violation(checker->error, checker->label, check->line,
		                        "ON CONFLICT REPLACE on table '%s', which references itself, cannot be undone exactly",
		                        check->name);
	return 0;
}

static int check_table(struct schema_checker *checker, size_t index) {
	const struct table_check *check = &checker->tables[index];
	struct schema_table *table = &checker->schema->tables[index];
	int r = find_rowid(checker, check, table);

	if (r == 0)
		r = check_columns(checker, check, table);
	if (r == 0)
		r = list_key(checker, check, table);
	return r == 0 ? check_references(checker, index) : r;
}

int schema_check_tables(struct schema_checker *checker) {
	struct schema *schema = checker->schema;
	size_t by_line[SCHEMA_TABLES_MAX];
	int r = 0;

	for (size_t i = 0; r == 0 && i < schema->n_definitions; i++)
		r = define(checker, &schema->definitions[i]);
	set_mode(checker, AUTHORIZER_OWN);
	if (r == 0)
		r = list_tables(checker);
	for (size_t i = 0; r == 0 && i < schema->n_tables; i++)
		by_line[checker->tables[i].ordinal] = i;
	for (size_t i = 0; r == 0 && i < schema->n_tables; i++)
		r = check_table(checker, by_line[i]);
	for (size_t i = 0; r == 0 && i < schema->n_tables; i++)
		r = check_constraints(checker, by_line[i]);
	return r;
}
