/*
 * What the events do: each statement is prepared against the schema's tables
 * under the authorizer, its parameters and its program are looked at, and which
 * tables it uses is written down for schema_worlds.c.
 */

#include "store/schema_private.h"

#include <string.h>

#include "store/sql_text.h"

static bool is_always_bound(const char *name) {
	static const char *const names[] = { "event_id", "client_id", "session_id", "hlc", "time_ms", "args" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

static int find_argument(const struct schema_event *event, const char *name) {
	for (size_t i = 0; i < event->n_arguments; i++)
		if (strcmp(event->arguments[i].name, name) == 0)
			return (int)i;
	return -1;
}

static int check_parameters(struct schema_checker *checker, const struct schema_event *event, unsigned line,
                            sqlite3_stmt *statement) {
	int n = sqlite3_bind_parameter_count(statement);

	for (int i = 1; i <= n; i++) {
		const char *name = sqlite3_bind_parameter_name(statement, i);

		/* A number such as ?7 leaves unnamed gaps before it. */
		if (!name || name[0] != ':')
			return schema_violation(checker->error, checker->label, line, "parameters are written :name, found '%.80s'",
			                        name ? name : "?");
		if (!is_always_bound(name + 1) && find_argument(event, name + 1) < 0)
			return schema_violation(checker->error, checker->label, line, "'%.80s' is no argument of event %s@%u", name,
			                        event->name, event->version);
	}
	return 0;
}

/* The columns of a lift are, by name, the arguments of what it becomes. */
static int check_lift_columns(struct schema_checker *checker, const struct schema_event *event, unsigned line,
                              sqlite3_stmt *statement) {
	const struct schema_event *target = &checker->schema->events[event->becomes_index];
	bool given[SCHEMA_ARGUMENTS_MAX] = { false };

	for (int i = 0; i < sqlite3_column_count(statement); i++) {
		const char *name = sqlite3_column_name(statement, i);
		int argument = name ? find_argument(target, name) : -1;

		if (!name)
			return error_no_memory(checker->error);
		if (argument < 0)
			return schema_violation(checker->error, checker->label, line,
			                        "column '%.80s' is no argument of event %s@%u", name, target->name,
			                        target->version);
		if (given[argument])
			return schema_violation(checker->error, checker->label, line, "column '%.80s' is given twice", name);
		given[argument] = true;
	}
	for (size_t i = 0; i < target->n_arguments; i++)
		if (!given[i] && !target->arguments[i].optional)
			return schema_violation(checker->error, checker->label, line, "argument '%s' of event %s@%u is not given",
			                        target->arguments[i].name, target->name, target->version);
	return 0;
}

static void note(struct table_use *use, const struct schema_event *event, unsigned line) {
	if (!use->event)
		*use = (struct table_use){ .event = event, .line = line };
}

static void note_uses(struct schema_checker *checker, const struct schema_event *event, unsigned line) {
	for (size_t i = 0; i < checker->schema->n_tables; i++) {
		struct table_check *table = &checker->tables[i];

		if (checker->authorizer.writes[i])
			note(event->client_only ? &table->client_writer : &table->synced_writer, event, line);
		if (checker->authorizer.reads[i] && !event->client_only)
			note(&table->synced_reader, event, line);
	}
}

static int check_replace(struct schema_checker *checker, const struct schema_statement *statement) {
	const struct schema_authorizer *authorizer = &checker->authorizer;

	if (!authorizer->has_target || !checker->tables[authorizer->target].references_itself ||
	    !sql_asks_for_replace(statement->sql))
		return 0;
	return schema_violation(checker->error, checker->label, statement->line,
	                        "REPLACE on table '%s', which references itself, cannot be undone exactly",
	                        checker->tables[authorizer->target].name);
}

static int check_prepared(struct schema_checker *checker, const struct schema_event *event,
                          const struct schema_statement *text, sqlite3_stmt *statement) {
	int r = check_parameters(checker, event, text->line, statement);

	if (r == 0 && event->becomes)
		r = check_lift_columns(checker, event, text->line, statement);
	if (r == 0)
		r = schema_check_rollback(checker, text->sql, text->line);
	if (r == 0)
		r = check_replace(checker, text);
	if (r == 0)
		note_uses(checker, event, text->line);
	return r;
}

/* The parser's idea of a statement's end and SQLite's are the same, or this
 * says so. */
static int check_tail(struct schema_checker *checker, const struct schema_statement *text, const char *tail) {
	struct sql_reader reader = { .at = tail, .end = tail + strlen(tail), .line = text->line };

	if (sql_next(&reader).kind == SQL_END)
		return 0;
	return schema_violation(checker->error, checker->label, text->line, "a second statement stands in it");
}

static int check_statement(struct schema_checker *checker, const struct schema_event *event,
                           const struct schema_statement *text) {
	unsigned line = text->line;
	const char *clock = sql_names_the_clock(text->sql, &line);
	sqlite3_stmt *statement = NULL;
	const char *tail = "";
	int rc, r;

	if (clock)
		return schema_violation(checker->error, checker->label, line, "%s", clock);
	schema_authorizer_clear(&checker->authorizer);
	checker->authorizer.mode = event->becomes ? AUTHORIZER_LIFT : AUTHORIZER_CHECK;
	rc = sqlite3_prepare_v2(checker->db, text->sql, -1, &statement, &tail);
	if (rc != SQLITE_OK || !statement)
		return schema_sql_error(checker, text->sql, text->line, rc);
	r = check_tail(checker, text, tail);
	if (r == 0)
		r = check_prepared(checker, event, text, statement);
	sqlite3_finalize(statement);
	checker->authorizer.mode = AUTHORIZER_OWN;
	return r;
}

/* Virtual tables need no permission of their own to be counted, so on the
 * connection that checks there are none but the two of JSON. */
static int drop_modules(struct schema_checker *checker) {
	const char *keep[] = { "json_each", "json_tree", NULL };
	int rc = sqlite3_drop_modules(checker->db, keep);

	return rc == SQLITE_OK ? 0 : error_set(checker->error, ERROR_IO, "cannot drop modules: %s", sqlite3_errstr(rc));
}

int schema_check_events(struct schema_checker *checker) {
	const struct schema *schema = checker->schema;
	int r = drop_modules(checker);

	for (size_t i = 0; i < schema->n_events; i++) {
		const struct schema_event *event = &schema->events[i];

		for (size_t j = 0; r == 0 && j < event->n_statements; j++)
			r = check_statement(checker, event, &event->statements[j]);
	}
	return r;
}
