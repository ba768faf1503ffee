#ifndef LEADERD_STORE_SCHEMA_H
#define LEADERD_STORE_SCHEMA_H

/*
 * A schema: one SQL file with tables and, for each event, the statements that
 * turn it into state. docs/schema.md specifies the file; schema_load enforces
 * every rule of it when a schema is installed, not when an event arrives.
 */

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/limits.h"
#include "model/event.h"

enum argument_type {
	ARGUMENT_TEXT,
	ARGUMENT_INTEGER,
	ARGUMENT_REAL,
	ARGUMENT_BOOLEAN, /* bound as 0 or 1 */
	ARGUMENT_JSON,    /* bound as its text */
	ARGUMENT_BLOB     /* base64 in JSON, bound as a blob */
};

struct schema_argument {
	char *name;
	enum argument_type type;
	bool optional; /* absent or null binds NULL */
};

struct schema_statement {
	char *sql;
	unsigned line; /* where it starts in the file, from 1 */
};

struct schema_event {
	char *name;
	uint32_t version; /* 1 unless the file says name@n */
	unsigned line;
	bool client_only;
	struct schema_argument *arguments;
	size_t n_arguments;
	struct schema_statement *statements; /* of a lifted event: one SELECT */
	size_t n_statements;
	char *becomes;            /* NULL, or the event that this one is lifted to */
	uint32_t becomes_version; /* of it, never 0 once loaded; the newest unless the file says becomes name@n */
	size_t becomes_index;     /* of it in schema->events; meaningful with becomes */
};

enum schema_world { WORLD_SYNCED, WORLD_CLIENT_ONLY };

struct schema_table {
	char *name;
	bool without_rowid;
	enum schema_world world; /* a table that nobody writes is synced */
	int n_columns;
	int *key_columns; /* the primary key's columns, in key order */
	int n_key_columns;
};

struct schema {
	char *store_name;
	uint32_t version; /* from 1 */
	char *text;       /* the whole file, NUL-terminated */
	size_t text_bytes;
	struct hash fingerprint;              /* hash_bytes of the text */
	struct schema_statement *definitions; /* CREATE TABLE and CREATE INDEX, in file order */
	size_t n_definitions;
	struct schema_table *tables; /* by name, in byte order: a table's index is its number in the journal */
	size_t n_tables;
	struct schema_event *events;
	size_t n_events;
};

/* Parses and checks a schema. `label` is the file's name for messages, which
 * read "label:line: reason" (ERROR_SCHEMA). The caller owns *ret and frees it
 * with schema_destroy. */
int schema_load(struct schema **ret, const char *text, size_t text_bytes, const char *label, struct error *error);
struct schema *schema_destroy(struct schema *schema); /* accepts NULL; returns NULL */

/* The definition of `name` at `version`; version 0 means the newest one. NULL
 * when there is none. Borrowed from the schema. */
const struct schema_event *schema_find_event(const struct schema *schema, const char *name, uint32_t version);
/* The index of a table in schema->tables, or -1. */
int schema_find_table(const struct schema *schema, const char *name);

/* Checks a JSON object of arguments against a definition: syntax, UTF-8,
 * duplicate, unknown, missing and mistyped arguments, integers beyond 64 bit,
 * NUL characters, size. ERROR_INVALID or ERROR_TOO_LARGE, naming the argument. */
int arguments_check(const struct schema_event *definition, const char *args, size_t args_bytes, struct error *error);

/* Parsed once, bound to each statement of a materializer. */
struct arguments;
int arguments_parse(struct arguments **ret, const struct schema_event *definition, const char *args, size_t args_bytes,
                    struct error *error);                         /* as arguments_check */
struct arguments *arguments_destroy(struct arguments *arguments); /* accepts NULL; returns NULL */

/* Binds to a prepared statement of the definition: its own arguments, and
 * :event_id :client_id :session_id :hlc :time_ms of `event`, and :args, the
 * parsed text. Parameters that the statement does not use are passed over.
 * Bound memory is copied. */
int arguments_bind(const struct arguments *arguments, const struct event *event, sqlite3_stmt *statement,
                   struct error *error);

/* Lifting: makes the arguments of `target` from the row at which the SELECT of
 * a `becomes` definition stands (sqlite3_step gave SQLITE_ROW), columns by name,
 * NULLs left out. Replaces the content of `ret` by a JSON object without a NUL,
 * to be given to arguments_parse for `target`, which checks it. A lift must give
 * exactly one row: that is the caller's to check. ERROR_INVALID: a value does not
 * fit the argument's type. */
int arguments_lift(struct bytes *ret, const struct schema_event *target, sqlite3_stmt *row, struct error *error);

/*
 * The guard of a connection that runs materializers: one authorizer, installed
 * once (setting another expires every statement), whose mode the owner changes
 * around each prepare AND each step (a step can prepare again). The date
 * functions follow the mode too: they refuse the clock in all modes but OWN and
 * READER.
 */
enum authorizer_mode {
	AUTHORIZER_OWN,         /* our own statements: everything */
	AUTHORIZER_READER,      /* an app's query: reading, and nothing else; no BEGIN, no SAVEPOINT */
	AUTHORIZER_SYNCED,      /* the materializer of a synced event */
	AUTHORIZER_CLIENT_ONLY, /* the materializer of a client-only event */
	AUTHORIZER_LIFT,        /* the SELECT of a `becomes` definition: no table at all */
	AUTHORIZER_CHECK,       /* a materializer whose tables' worlds are not known yet (schema_load) */
	AUTHORIZER_DEFINE       /* CREATE TABLE and CREATE INDEX (schema_load) */
};

struct schema_authorizer {
	const struct schema *schema; /* borrowed; may be exchanged; NULL: no table is known */
	enum authorizer_mode mode;
	/* What was prepared since the last clear, in every mode but OWN: the tables
	 * used (by index in schema->tables; cascades count as writes), and why the
	 * first denied thing was denied ("" if nothing was). */
	bool reads[SCHEMA_TABLES_MAX];
	bool writes[SCHEMA_TABLES_MAX];
	bool has_target;
	int target; /* the table that the statement itself writes, cascades apart */
	char reason[200];
	char created[200];  /* DEFINE: the table or index that was created */
	bool created_table; /* DEFINE: it is a table */
};

/* Registers the functions, makes json_each and json_tree known, and installs
 * `authorizer` (zeroed by the caller but for schema and mode; it must outlive
 * the connection's last use). To be called once per connection. */
int schema_authorizer_install(sqlite3 *db, struct schema_authorizer *authorizer, struct error *error);

/* Forgets what was recorded; schema and mode stay. */
void schema_authorizer_clear(struct schema_authorizer *authorizer);

/* The mode for the statements of `definition`: LIFT, SYNCED or CLIENT_ONLY. */
enum authorizer_mode schema_event_mode(const struct schema_event *definition);

/* Registers what materializers may call beyond SQLite's own allowed functions,
 * and wraps what could be non-deterministic: refuse(reason), date functions that
 * refuse 'now' and 'localtime' as the mode of `authorizer` says (NULL: always).
 * schema_authorizer_install calls it. */
int schema_functions_install(sqlite3 *db, const struct schema_authorizer *authorizer, struct error *error);

/* May a materializer call this function? (an allow-list, for authorizers) */
bool schema_function_is_allowed(const char *name);

/* The reason of the newest refuse() on this connection is the SQLite error
 * text itself: "refused: reason" becomes sqlite3_errmsg(). */
#define REFUSE_PREFIX "refused: "

#endif
