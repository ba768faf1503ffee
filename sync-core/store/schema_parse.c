/*
 * The schema file as text (docs/schema.md, "The file"):
 *
 *   file      = store-line statement* ( event-line statement* )*
 *   store     = "-- store" NAME "version" N
 *   event     = "-- event" NAME [ "@" N ] "(" [ argument { "," argument } ] ")" [ "client-only" ]
 *               [ "becomes" NAME [ "@" N ] ":" SELECT... ]
 *   argument  = NAME TYPE [ "?" ]
 *
 * A section line begins in the first column, while no statement is open. The
 * SELECT of a `becomes` begins on its line or a following one and ends at a
 * semicolon or at the next section line.
 */

#include "store/schema_private.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "store/sql_text.h"

struct parser {
	struct schema *schema;
	const char *label;
	const char *text; /* where the file begins */
	struct sql_reader reader;
	struct error *error;
};

void *schema_grow(void *array, size_t n, size_t size) {
	if (n != 0 && (n & (n - 1)) != 0)
		return array;
	return realloc(array, (n == 0 ? 1 : 2 * n) * size);
}

/* "-- event" or "-- store" in the first column, a blank or the line's end behind it. */
static bool stands_at_section(const struct parser *parser, const char *word) {
	const char *at = parser->reader.at;
	size_t n = strlen(word);

	if (at != parser->text && at[-1] != '\n')
		return false;
	if ((size_t)(parser->reader.end - at) < 3 + n || memcmp(at, "-- ", 3) != 0 || memcmp(at + 3, word, n) != 0)
		return false;
	return at + 3 + n == parser->reader.end || isspace((unsigned char)at[3 + n]);
}

static bool stands_at_any_section(const struct parser *parser) {
	return stands_at_section(parser, "event") || stands_at_section(parser, "store");
}

/* The rest of the section's line, behind its first two words. */
static struct sql_reader section_line(const struct parser *parser) {
	const char *at = parser->reader.at + strlen("-- event");
	const char *end = memchr(at, '\n', (size_t)(parser->reader.end - at));

	return (struct sql_reader){ .at = at, .end = end ? end : parser->reader.end, .line = parser->reader.line };
}

static int parse_store_section(struct parser *parser) {
	struct sql_reader line = section_line(parser);
	int r = schema_parse_store_line(parser->schema, line, parser->label, parser->error);

	parser->reader.at = line.end;
	return r;
}

static int parse_statement(struct parser *parser);

static int parse_event_section(struct parser *parser) {
	struct schema *schema = parser->schema;
	struct sql_reader line = section_line(parser);
	int r = schema_parse_event_line(schema, &line, parser->label, parser->error);

	if (r < 0)
		return r;
	/* The statements of other events begin on lines of their own. */
	parser->reader.at = line.at;
	return schema->events[schema->n_events - 1].becomes ? parse_statement(parser) : 0;
}

/* A statement as text: up to its semicolon, or for a lift the next section. */
static int find_statement(struct parser *parser, bool is_lift, struct schema_statement *ret, size_t *ret_n,
                          const char **ret_text) {
	struct sql_token first = { 0 }, token;
	const char *end = parser->reader.at;

	for (;;) {
		bool at_section = stands_at_any_section(parser);

		if (at_section && is_lift)
			break;
		if (at_section)
			return schema_violation(parser->error, parser->label, parser->reader.line,
			                        "a section inside the statement of line %u: is its ';' missing?", first.line);
		if (sql_skip_blank(&parser->reader))
			continue;
		token = sql_next(&parser->reader);
		if (!first.text && token.kind != SQL_END)
			first = token;
		if (token.kind == SQL_UNTERMINATED)
			return schema_violation(parser->error, parser->label, token.line, "a quote or a comment that never ends");
		if (token.kind == SQL_END && !is_lift)
			return schema_violation(parser->error, parser->label, first.line, "the statement is not ended by ';'");
		if (token.kind == SQL_END)
			break;
		end = parser->reader.at;
		if (token.kind == SQL_SEMICOLON)
			break;
	}
	*ret = (struct schema_statement){ .line = first.line };
	*ret_text = first.text;
	*ret_n = first.text ? (size_t)(end - first.text) : 0;
	return 0;
}

/* What a statement may begin with in the store's section. Everything else is
 * named, so that the reason is clear before SQLite sees it. */
static int check_definition_words(struct parser *parser, const struct schema_statement *statement) {
	struct sql_reader reader = { .at = statement->sql, .end = statement->sql + strlen(statement->sql) };
	struct sql_token create = sql_next(&reader);
	struct sql_token what = sql_next(&reader);

	if (sql_is(&create, "CREATE") && sql_is(&what, "UNIQUE"))
		what = sql_next(&reader);
	if (sql_is(&create, "CREATE") && (sql_is(&what, "TABLE") || sql_is(&what, "INDEX")))
		return 0;
	if (sql_is(&create, "CREATE") && (sql_is(&what, "TEMP") || sql_is(&what, "TEMPORARY")))
		return schema_violation(parser->error, parser->label, statement->line, "temporary tables are no state");
	if (sql_is(&create, "CREATE") && sql_is(&what, "TRIGGER"))
		return schema_violation(parser->error, parser->label, statement->line,
		                        "triggers are refused: undo could not tell their rows from the event's");
	if (sql_is(&create, "CREATE") && sql_is(&what, "VIEW"))
		return schema_violation(parser->error, parser->label, statement->line,
		                        "views are refused: a query in the app does the same");
	if (sql_is(&create, "CREATE") && sql_is(&what, "VIRTUAL"))
		return schema_violation(parser->error, parser->label, statement->line,
		                        "virtual tables are refused: their rows cannot be undone");
	return schema_violation(parser->error, parser->label, statement->line,
	                        "only CREATE TABLE and CREATE INDEX may stand before the first event");
}

static int check_materializer_words(struct parser *parser, const struct schema_event *event,
                                    const struct schema_statement *statement) {
	static const char *const words[] = { "SELECT", "WITH", "VALUES", "INSERT", "UPDATE", "DELETE", "REPLACE" };
	struct sql_reader reader = { .at = statement->sql, .end = statement->sql + strlen(statement->sql) };
	struct sql_token first = sql_next(&reader);
	size_t n_words = event->becomes ? 3 : sizeof(words) / sizeof(words[0]); /* a lift only selects */

	for (size_t i = 0; i < n_words; i++)
		if (sql_is(&first, words[i]))
			return 0;
	return schema_violation(parser->error, parser->label, statement->line, "%s, found '%.*s'",
	                        event->becomes ? "a lift is one SELECT"
	                                       : "a materializer is made of SELECT, INSERT, UPDATE and DELETE",
	                        first.n > 40 ? 40 : (int)first.n, first.text);
}

static int check_statement(struct parser *parser, const struct schema_event *event,
                           const struct schema_statement *statement, size_t n_statements) {
	bool ends = statement->sql[strlen(statement->sql) - 1] == ';';

	if (statement->sql[0] == ';')
		return schema_violation(parser->error, parser->label, statement->line, "an empty statement");
	if (event && event->becomes && n_statements > 1)
		return schema_violation(parser->error, parser->label, statement->line,
		                        "a lift is one SELECT, found a second statement");
	if (event && n_statements > SCHEMA_STATEMENTS_MAX)
		return schema_violation(parser->error, parser->label, statement->line, "event '%s' has more than %u statements",
		                        event->name, SCHEMA_STATEMENTS_MAX);
	int r = event ? check_materializer_words(parser, event, statement) : check_definition_words(parser, statement);

	/* Only the body of a trigger makes a semicolon that does not end a statement. */
	if (r == 0 && ends && !sqlite3_complete(statement->sql))
		return schema_violation(parser->error, parser->label, statement->line, "triggers are refused");
	return r;
}

static int parse_statement(struct parser *parser) {
	struct schema *schema = parser->schema;
	struct schema_event *event = schema->n_events ? &schema->events[schema->n_events - 1] : NULL;
	struct schema_statement **statements = event ? &event->statements : &schema->definitions;
	size_t *n_statements = event ? &event->n_statements : &schema->n_definitions;
	struct schema_statement statement, *grown;
	const char *text = NULL;
	size_t n = 0;
	int r = find_statement(parser, event && event->becomes && event->n_statements == 0, &statement, &n, &text);

	if (r < 0)
		return r;
	if (!schema->store_name)
		return schema_violation(parser->error, parser->label, statement.line,
		                        "expected '-- store NAME version N' first");
	if (n == 0)
		return schema_violation(parser->error, parser->label, event->line, "expected a SELECT behind 'becomes %s:'",
		                        event->becomes);
	grown = schema_grow(*statements, *n_statements, sizeof(*grown));
	if (!grown)
		return error_no_memory(parser->error);
	*statements = grown;
	statement.sql = strndup(text, n);
	if (!statement.sql)
		return error_no_memory(parser->error);
	grown[(*n_statements)++] = statement;
	return check_statement(parser, event, &statement, *n_statements);
}

int schema_parse(struct schema *schema, const char *label, struct error *error) {
	struct parser parser = {
		.schema = schema,
		.label = label,
		.text = schema->text,
		.reader = { .at = schema->text, .end = schema->text + schema->text_bytes, .line = 1 },
		.error = error,
	};

	while (parser.reader.at < parser.reader.end) {
		int r = 0;

		if (stands_at_section(&parser, "store"))
			r = parse_store_section(&parser);
		else if (stands_at_section(&parser, "event"))
			r = parse_event_section(&parser);
		else if (!sql_skip_blank(&parser.reader))
			r = parse_statement(&parser);
		if (r < 0)
			return r;
	}
	if (!schema->store_name)
		return schema_violation(error, label, 1, "expected '-- store NAME version N' first");
	return 0;
}
