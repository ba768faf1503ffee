/*
 * A schema from its text to a struct that is known to be good. The order of
 * the checks is the order in which a person would want to hear of mistakes:
 * the text, the tables, the events one by one, and last what they do together.
 */

#include "store/schema.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "store/database.h"
#include "store/hash.h"
#include "store/schema_private.h"

/* Of a message's 480 bytes, the reason has 320. */
#define LABEL_BYTES_MAX 140u

/* Of a long path the end is what tells. */
static const char *end_of_label(const char *label) {
	size_t n = strlen(label);

	return n > LABEL_BYTES_MAX ? label + n - LABEL_BYTES_MAX : label;
}

int schema_violation(struct error *error, const char *label, unsigned line, const char *format, ...) {
	char reason[320];
	va_list list;

	va_start(list, format);
	vsnprintf(reason, sizeof(reason), format, list);
	va_end(list);
	/* SQLite quotes pieces of the text in its messages, line ends included. */
	text_make_line(reason);
	return error_set(error, ERROR_SCHEMA, "%s:%u: %s", end_of_label(label), line, reason);
}

static int check_text(const char *text, size_t text_bytes, const char *label, struct error *error) {
	unsigned line = 1;

	if (text_bytes > SCHEMA_BYTES_MAX)
		return error_set(error, ERROR_TOO_LARGE, "%s: the schema has %zu bytes, at most %u are allowed",
		                 end_of_label(label), text_bytes, SCHEMA_BYTES_MAX);
	for (size_t i = 0; i < text_bytes;) {
		uint32_t code;
		size_t n = text_character(text + i, &code);

		if (text[i] == '\0')
			return schema_violation(error, label, line, "a NUL byte in the text");
		if (n == 0)
			return schema_violation(error, label, line, "the text is not UTF-8");
		line += text[i] == '\n';
		i += n;
	}
	return 0;
}

static int load_text(struct schema *schema, const char *text, size_t text_bytes, const char *label,
                     struct error *error) {
	if (text_bytes > SCHEMA_BYTES_MAX)
		return check_text(text, text_bytes, label, error);
	schema->text = malloc(text_bytes + 1);
	if (!schema->text)
		return error_no_memory(error);
	memcpy(schema->text, text, text_bytes);
	schema->text[text_bytes] = '\0'; /* text_character stops at it */
	schema->text_bytes = text_bytes;
	hash_bytes(&schema->fingerprint, text, text_bytes);
	return check_text(schema->text, text_bytes, label, error);
}

static int check_meaning(struct schema *schema, const char *label, struct error *error) {
	struct schema_checker *checker = calloc(1, sizeof(*checker));
	int r;

	if (!checker)
		return error_no_memory(error);
	*checker = (struct schema_checker){ .schema = schema, .label = label, .error = error };
	checker->authorizer.schema = schema;
	r = database_open(&checker->db, NULL, DATABASE_MEMORY, error);
	if (r == 0)
		r = schema_authorizer_install(checker->db, &checker->authorizer, error);
	if (r == 0)
		r = schema_check_tables(checker);
	if (r == 0)
		r = schema_check_events(checker);
	if (r == 0)
		r = schema_check_worlds(checker);
	database_close(checker->db);
	for (size_t i = 0; i < SCHEMA_TABLES_MAX; i++)
		free(checker->tables[i].name);
	free(checker);
	return r;
}

int schema_load(struct schema **ret, const char *text, size_t text_bytes, const char *label, struct error *error) {
	struct schema *schema = calloc(1, sizeof(*schema));
	int r;

	if (!schema)
		return error_no_memory(error);
	r = load_text(schema, text, text_bytes, label, error);
	if (r == 0)
		r = schema_parse(schema, label, error);
	if (r == 0)
		r = schema_link_events(schema, label, error);
	if (r == 0)
		r = check_meaning(schema, label, error);
	if (r < 0) {
		schema_destroy(schema);
		return r;
	}
	*ret = schema;
	return 0;
}

static void free_statements(struct schema_statement *statements, size_t n) {
	for (size_t i = 0; i < n; i++)
		free(statements[i].sql);
	free(statements);
}

static void free_event(struct schema_event *event) {
	for (size_t i = 0; i < event->n_arguments; i++)
		free(event->arguments[i].name);
	free(event->arguments);
	free_statements(event->statements, event->n_statements);
	free(event->name);
	free(event->becomes);
}

struct schema *schema_destroy(struct schema *schema) {
	if (!schema)
		return NULL;
	for (size_t i = 0; i < schema->n_tables; i++) {
		free(schema->tables[i].name);
		free(schema->tables[i].key_columns);
	}
	for (size_t i = 0; i < schema->n_events; i++)
		free_event(&schema->events[i]);
	free(schema->tables);
	free(schema->events);
	free_statements(schema->definitions, schema->n_definitions);
	free(schema->store_name);
	free(schema->text);
	free(schema);
	return NULL;
}

const struct schema_event *schema_find_event(const struct schema *schema, const char *name, uint32_t version) {
	const struct schema_event *found = NULL;

	for (size_t i = 0; i < schema->n_events; i++) {
		const struct schema_event *event = &schema->events[i];

		if (strcmp(event->name, name) != 0)
			continue;
		if (event->version == version)
			return event;
		if (version == 0 && (!found || event->version > found->version))
			found = event;
	}
	return found;
}

/* Byte order finds what SQLite reports; people may write names in another case. */
int schema_find_table(const struct schema *schema, const char *name) {
	size_t low = 0, high = schema->n_tables;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(name, schema->tables[middle].name);

		if (order == 0)
			return (int)middle;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	for (size_t i = 0; i < schema->n_tables; i++)
		if (sqlite3_stricmp(name, schema->tables[i].name) == 0)
			return (int)i;
	return -1;
}

enum authorizer_mode schema_event_mode(const struct schema_event *definition) {
	if (definition->becomes)
		return AUTHORIZER_LIFT;
	return definition->client_only ? AUTHORIZER_CLIENT_ONLY : AUTHORIZER_SYNCED;
}
