/*
 * The section lines of a schema file, from behind "-- store" or "-- event" to
 * their end; schema_parse.c has the grammar.
 */

#include "store/schema_private.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "store/sql_text.h"

struct parser {
	const char *label;
	struct error *error;
};

static const struct {
	const char *name;
	enum argument_type type;
} argument_types[] = {
	{ "TEXT", ARGUMENT_TEXT },       { "INTEGER", ARGUMENT_INTEGER }, { "REAL", ARGUMENT_REAL },
	{ "BOOLEAN", ARGUMENT_BOOLEAN }, { "JSON", ARGUMENT_JSON },       { "BLOB", ARGUMENT_BLOB },
};

static const char *const bound_names[] = { "event_id", "client_id", "session_id", "hlc", "time_ms", "args" };

static bool is_blank(char c) {
	return c == ' ' || c == '\t' || c == '\r';
}

static void skip_blanks(struct sql_reader *line) {
	while (line->at < line->end && is_blank(*line->at))
		line->at++;
}

/* Everything up to the next blank. */
static size_t next_word(struct sql_reader *line, const char **ret) {
	skip_blanks(line);
	*ret = line->at;
	while (line->at < line->end && !is_blank(*line->at))
		line->at++;
	return (size_t)(line->at - *ret);
}

static bool take_symbol(struct sql_reader *line, char symbol) {
	skip_blanks(line);
	if (line->at == line->end || *line->at != symbol)
		return false;
	line->at++;
	return true;
}

/* [A-Za-z_][A-Za-z0-9_]*; 0 when none stands there. */
static size_t take_name(struct sql_reader *line, const char **ret) {
	skip_blanks(line);
	*ret = line->at;
	while (line->at < line->end &&
	       (*line->at == '_' || (isalnum((unsigned char)*line->at) && (unsigned char)*line->at < 0x80)))
		line->at++;
	if (line->at > *ret && isdigit((unsigned char)**ret))
		line->at = *ret;
	return (size_t)(line->at - *ret);
}

static bool take_word(struct sql_reader *line, const char *word) {
	size_t n = strlen(word);

	skip_blanks(line);
	if ((size_t)(line->end - line->at) < n || memcmp(line->at, word, n) != 0)
		return false;
	if (line->at + n < line->end && !is_blank(line->at[n]))
		return false;
	line->at += n;
	return true;
}

/* A number from 1 to UINT32_MAX without a leading zero. */
static bool take_version(struct sql_reader *line, uint32_t *ret) {
	uint64_t number = 0;

	skip_blanks(line);
	if (line->at == line->end || *line->at == '0')
		return false;
	for (; line->at < line->end && *line->at >= '0' && *line->at <= '9'; line->at++) {
		number = number * 10 + (uint64_t)(*line->at - '0');
		if (number > UINT32_MAX)
			return false;
	}
	if (number == 0)
		return false;
	*ret = (uint32_t)number;
	return true;
}

static bool is_at_end(struct sql_reader *line) {
	skip_blanks(line);
	return line->at == line->end;
}

int schema_parse_store_line(struct schema *schema, struct sql_reader line, const char *label, struct error *error) {
	unsigned at_line = line.line;
	const char *name;
	size_t n;

	if (schema->store_name)
		return schema_violation(error, label, at_line, "a second store line");
	n = next_word(&line, &name);
	if (n == 0 || !take_word(&line, "version") || !take_version(&line, &schema->version) || !is_at_end(&line))
		return schema_violation(error, label, at_line, "the store line must read '-- store NAME version N', N from 1");
	schema->store_name = strndup(name, n);
	if (!schema->store_name)
		return error_no_memory(error);
	if (!store_name_is_valid(schema->store_name))
		return schema_violation(error, label, at_line,
		                        "the store's name must be made of a-z 0-9 . _ - (at most %u), found '%.80s'",
		                        STORE_NAME_BYTES_MAX, schema->store_name);
	return 0;
}

static int check_argument_name(struct parser *parser, const struct schema_event *event, const char *name,
                               unsigned line) {
	if (strlen(name) > EVENT_NAME_BYTES_MAX)
		return schema_violation(parser->error, parser->label, line, "an argument's name has more than %u bytes",
		                        EVENT_NAME_BYTES_MAX);
	for (size_t i = 0; i < sizeof(bound_names) / sizeof(bound_names[0]); i++)
		if (strcmp(name, bound_names[i]) == 0)
			return schema_violation(parser->error, parser->label, line,
			                        "argument '%s' has a name that is always bound by itself", name);
	for (size_t i = 0; i + 1 < event->n_arguments; i++)
		if (strcmp(event->arguments[i].name, name) == 0)
			return schema_violation(parser->error, parser->label, line, "argument '%s' is named twice", name);
	return 0;
}

static int parse_type(struct parser *parser, struct sql_reader *line, struct schema_argument *argument) {
	const char *type;
	size_t n = take_name(line, &type);

	for (size_t i = 0; i < sizeof(argument_types) / sizeof(argument_types[0]); i++)
		if (strlen(argument_types[i].name) == n && memcmp(argument_types[i].name, type, n) == 0) {
			argument->type = argument_types[i].type;
			argument->optional = take_symbol(line, '?');
			return 0;
		}
	return schema_violation(parser->error, parser->label, line->line,
	                        "argument '%s' needs a type: TEXT, INTEGER, REAL, BOOLEAN, JSON or BLOB, found '%.*s'",
	                        argument->name, n > 40 ? 40 : (int)n, type);
}

static int parse_argument(struct parser *parser, struct sql_reader *line, struct schema_event *event) {
	struct schema_argument *argument;
	const char *name;
	size_t n = take_name(line, &name);

	if (n == 0)
		return schema_violation(parser->error, parser->label, line->line,
		                        "expected an argument 'name TYPE' in the list of event '%s'", event->name);
	if (event->n_arguments == SCHEMA_ARGUMENTS_MAX)
		return schema_violation(parser->error, parser->label, line->line, "event '%s' has more than %u arguments",
		                        event->name, SCHEMA_ARGUMENTS_MAX);
	argument = schema_grow(event->arguments, event->n_arguments, sizeof(*argument));
	if (!argument)
		return error_no_memory(parser->error);
	event->arguments = argument;
	argument += event->n_arguments;
	*argument = (struct schema_argument){ .name = strndup(name, n) };
	if (!argument->name)
		return error_no_memory(parser->error);
	event->n_arguments++;
	int r = check_argument_name(parser, event, argument->name, line->line);

	return r < 0 ? r : parse_type(parser, line, argument);
}

static int parse_arguments(struct parser *parser, struct sql_reader *line, struct schema_event *event) {
	if (!take_symbol(line, '('))
		return schema_violation(parser->error, parser->label, line->line, "expected '(' behind the name of event '%s'",
		                        event->name);
	if (take_symbol(line, ')'))
		return 0;
	do {
		int r = parse_argument(parser, line, event);

		if (r < 0)
			return r;
	} while (take_symbol(line, ','));
	if (!take_symbol(line, ')'))
		return schema_violation(parser->error, parser->label, line->line,
		                        "expected ',' or ')' in the arguments of event '%s'", event->name);
	return 0;
}

/* A name and what may stand behind it, "@N"; *ret_version is 0 without that. */
static int parse_event_name(struct parser *parser, struct sql_reader *line, char **ret, uint32_t *ret_version) {
	const char *name;
	size_t n = take_name(line, &name);

	if (n == 0 || n > EVENT_NAME_BYTES_MAX)
		return schema_violation(parser->error, parser->label, line->line,
		                        "expected an event's name: letters, digits and _, at most %u", EVENT_NAME_BYTES_MAX);
	*ret = strndup(name, n);
	if (!*ret)
		return error_no_memory(parser->error);
	*ret_version = 0;
	if (take_symbol(line, '@') && !take_version(line, ret_version))
		return schema_violation(parser->error, parser->label, line->line,
		                        "expected a version number from 1 behind '%s@'", *ret);
	return 0;
}

static int parse_event_tail(struct parser *parser, struct sql_reader *line, struct schema_event *event) {
	event->client_only = take_word(line, "client-only");
	if (!take_word(line, "becomes")) {
		if (is_at_end(line))
			return 0;
		return schema_violation(
			parser->error, parser->label, line->line,
			"expected 'client-only', 'becomes' or nothing behind the arguments of event '%s', found '%.*s'",
			event->name, line->end - line->at > 40 ? 40 : (int)(line->end - line->at), line->at);
	}
	int r = parse_event_name(parser, line, &event->becomes, &event->becomes_version);

	if (r < 0)
		return r;
	if (!take_symbol(line, ':'))
		return schema_violation(parser->error, parser->label, line->line,
		                        "expected ':' and a SELECT behind 'becomes %s'", event->becomes);
	return 0;
}

int schema_parse_event_line(struct schema *schema, struct sql_reader *line, const char *label, struct error *error) {
	struct parser parser = { .label = label, .error = error };
	struct schema_event *event;
	int r;

	if (!schema->store_name)
		return schema_violation(error, label, line->line, "expected '-- store NAME version N' first");
	if (schema->n_events == SCHEMA_EVENTS_MAX)
		return schema_violation(error, label, line->line, "more than %u event definitions", SCHEMA_EVENTS_MAX);
	event = schema_grow(schema->events, schema->n_events, sizeof(*event));
	if (!event)
		return error_no_memory(error);
	schema->events = event;
	event += schema->n_events++;
	*event = (struct schema_event){ .line = line->line };
	r = parse_event_name(&parser, line, &event->name, &event->version);
	if (r == 0 && event->version == 0)
		event->version = 1;
	if (r == 0)
		r = parse_arguments(&parser, line, event);
	return r == 0 ? parse_event_tail(&parser, line, event) : r;
}
