#ifndef LEADERD_STORE_SCHEMA_PRIVATE_H
#define LEADERD_STORE_SCHEMA_PRIVATE_H

/*
 * The steps of schema_load, each a file of its own: parse the text
 * (schema_parse.c, schema_line.c), link the versions of an event (schema_link.c),
 * make and check the tables (schema_tables.c), prepare and
 * check what the events do (schema_events.c), and look at who writes what
 * (schema_worlds.c).
 */

#include "store/schema.h"
#include "store/sql_text.h"

/* Who was seen using a table: an event, and the line of its statement. */
struct table_use {
	const struct schema_event *event; /* NULL: nobody */
	unsigned line;
};

/* What is known of a table while the schema is checked. */
struct table_check {
	char *name;             /* owned; as SQLite spells it */
	unsigned line;          /* of its CREATE TABLE */
	size_t ordinal;         /* among the tables, in file order */
	bool replaces;          /* a constraint of it says ON CONFLICT REPLACE */
	bool references_itself; /* by a foreign key, directly or through other tables */
	struct table_use synced_writer;
	struct table_use client_writer;
	struct table_use synced_reader; /* the first one */
};

struct schema_checker {
	struct schema *schema;
	const char *label;
	sqlite3 *db; /* in memory, with the schema's tables */
	struct schema_authorizer authorizer;
	size_t n_tables;                                       /* of `tables` */
	struct table_check tables[SCHEMA_TABLES_MAX];          /* in the order of schema->tables once that is made */
	bool references[SCHEMA_TABLES_MAX][SCHEMA_TABLES_MAX]; /* [child][parent] */
	struct error *error;
};

/* Fills `error` with "label:line: reason"; returns ERROR_SCHEMA. */
int schema_violation(struct error *error, const char *label, unsigned line, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Names, events, statements; schema->tables stays empty. */
int schema_parse(struct schema *schema, const char *label, struct error *error);
/* One section line, `line` from behind "-- store" or "-- event" to its end. The
 * event is appended to schema->events; `line` ends up behind what was read: the
 * line's end, or the ':' after which a lift's SELECT begins. */
int schema_parse_store_line(struct schema *schema, struct sql_reader line, const char *label, struct error *error);
int schema_parse_event_line(struct schema *schema, struct sql_reader *line, const char *label, struct error *error);
/* Room for one more at the end of an array that doubles; NULL without memory. */
void *schema_grow(void *array, size_t n, size_t size);
/* Resolves `becomes`, and refuses what is defined twice or leads nowhere. */
int schema_link_events(struct schema *schema, const char *label, struct error *error);

/* Runs the definitions on checker->db; fills schema->tables. */
int schema_check_tables(struct schema_checker *checker);
int schema_check_events(struct schema_checker *checker);
/* Gives each table its world; expects what schema_check_events recorded. */
int schema_check_worlds(struct schema_checker *checker);

/* ON CONFLICT ROLLBACK and OR ROLLBACK, wherever they stand, show as a Halt with
 * p2 = 1 in the program. They would end the transaction of all events. */
int schema_check_rollback(struct schema_checker *checker, const char *sql, unsigned line);

/* The violation that a failed or denied prepare of SQL, which begins on `line`,
 * stands for. */
int schema_sql_error(struct schema_checker *checker, const char *sql, unsigned line, int rc);

#endif
