/*
 * An event's arguments: JSON on the outside, SQLite values on the inside.
 *
 * The JSON text itself is never made anew: it is kept, hashed, sent and bound
 * as :args byte for byte. An argument of type JSON is bound as the piece of
 * that text which is its value, without the white space between its tokens;
 * order of members, spelling of numbers and escapes stay as they were written.
 * So what a materializer sees does not depend on how a JSON library prints.
 */

#include "store/schema.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "store/arguments_mistake.h"
#include "store/database.h"

struct value {
	bool given;      /* false binds NULL */
	int64_t integer; /* INTEGER; BOOLEAN as 0 or 1 */
	double real;
	char *bytes; /* owned; TEXT, JSON, BLOB */
	size_t n;
};

struct arguments {
	const struct schema_event *definition; /* borrowed */
	char *text;                            /* owned: the JSON object */
	size_t text_bytes;
	struct value *values; /* one for each argument of the definition */
};

static const char *type_name(enum argument_type type) {
	switch (type) {
	case ARGUMENT_TEXT:
		return "a string";
	case ARGUMENT_INTEGER:
		return "an integer";
	case ARGUMENT_REAL:
		return "a number";
	case ARGUMENT_BOOLEAN:
		return "true or false";
	case ARGUMENT_JSON:
		return "a JSON value";
	case ARGUMENT_BLOB:
		return "a string in base64";
	}
	return "";
}

static int mistyped(const struct schema_event *event, const struct schema_argument *argument, struct error *error) {
	return error_set(error, ERROR_INVALID, "argument '%s' of event %s@%u must be %s", argument->name, event->name,
	                 event->version, type_name(argument->type));
}

static int copy_bytes(struct value *value, const char *bytes, size_t n, struct error *error) {
	value->bytes = malloc(n + 1);
	if (!value->bytes)
		return error_no_memory(error);
	memcpy(value->bytes, bytes, n);
	value->bytes[n] = '\0';
	value->n = n;
	return 0;
}

static int digit_of(char c) {
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *found = c ? strchr(alphabet, c) : NULL;

	return found ? (int)(found - alphabet) : -1;
}

/* RFC 4648, section 4, strictly: padded, no other characters, unused bits zero.
 * So each content has exactly one text. False when `text` is anything else. */
static bool decode_base64(char *ret, size_t *ret_n, const char *text, size_t n) {
	size_t n_padding = n > 1 && text[n - 1] == '=' ? 1 + (text[n - 2] == '=') : 0;
	uint32_t bits = 0;
	size_t written = 0;

	if (n % 4 != 0)
		return false;
	for (size_t i = 0; i < n; i++) {
		int digit = i < n - n_padding ? digit_of(text[i]) : 0;

		if (digit < 0)
			return false;
		bits = bits << 6 | (uint32_t)digit;
		if (i % 4 != 3)
			continue;
		for (int byte = 2; byte >= 0; byte--)
			ret[written++] = (char)(bits >> (8 * byte));
		if (i == n - 1 && (bits & ((1u << (8 * n_padding)) - 1)) != 0)
			return false;
		bits = 0;
	}
	*ret_n = written - n_padding;
	return true;
}

static const char *skip_space(const char *at) {
	return at + strspn(at, " \t\n\r");
}

/* From the opening quote of a valid string to behind its closing one. */
static const char *skip_string(const char *at) {
	for (at++; *at != '"'; at++)
		if (*at == '\\')
			at++;
	return at + 1;
}

/* Behind a valid value. */
static const char *skip_value(const char *at) {
	int depth = 0;

	do {
		if (*at == '"') {
			at = skip_string(at);
			continue;
		}
		if (*at == '{' || *at == '[')
			depth++;
		else if (*at == '}' || *at == ']')
			depth--;
		at++;
		if (depth == 0)
			at += strcspn(at, ",]} \t\n\r"); /* the rest of a number or of a word */
	} while (depth > 0);
	return at;
}

/* Does the string literal at `key` spell `name`? Negative: no memory. */
static int key_is(const char *key, const char *name) {
	size_t n = (size_t)(skip_string(key) - key);
	json_t *decoded;
	int is;

	if (!memchr(key, '\\', n))
		return strlen(name) == n - 2 && memcmp(key + 1, name, n - 2) == 0;
	decoded = json_loadb(key, n, JSON_DECODE_ANY, NULL);
	if (!decoded)
		return -1;
	is = strcmp(json_string_value(decoded), name) == 0;
	json_decref(decoded);
	return is;
}

static int copy_compact(struct value *value, const char *at, const char *end, struct error *error) {
	int r = copy_bytes(value, at, (size_t)(end - at), error);

	if (r < 0)
		return r;
	value->n = 0;
	while (at < end) {
		const char *next = *at == '"' ? skip_string(at) : at + 1;

		if (!strchr(" \t\n\r", *at)) {
			memcpy(value->bytes + value->n, at, (size_t)(next - at));
			value->n += (size_t)(next - at);
		}
		at = next;
	}
	value->bytes[value->n] = '\0';
	return 0;
}

/* `text` is a valid object that has a member `name`. */
static int copy_member(struct value *value, const char *text, const char *name, struct error *error) {
	const char *at = skip_space(text) + 1;

	for (;;) {
		const char *key = skip_space(at);
		int is = key_is(key, name);

		if (is < 0)
			return error_no_memory(error);
		at = skip_space(skip_space(skip_string(key)) + 1);
		if (is)
			return copy_compact(value, at, skip_value(at), error);
		at = skip_space(skip_value(at)) + 1;
	}
}

static int read_bytes(struct arguments *arguments, const struct schema_argument *argument, struct value *value,
                      json_t *json, struct error *error) {
	int r;

	if (argument->type == ARGUMENT_JSON)
		return copy_member(value, arguments->text, argument->name, error);
	if (!json_is_string(json))
		return mistyped(arguments->definition, argument, error);
	r = copy_bytes(value, json_string_value(json), json_string_length(json), error);
	if (r == 0 && argument->type == ARGUMENT_BLOB &&
	    !decode_base64(value->bytes, &value->n, json_string_value(json), json_string_length(json)))
		return mistyped(arguments->definition, argument, error);
	return r;
}

static int read_value(struct arguments *arguments, size_t index, json_t *json, struct error *error) {
	const struct schema_argument *argument = &arguments->definition->arguments[index];
	struct value *value = &arguments->values[index];
	bool fits = true;

	if (json_is_null(json) && argument->optional)
		return 0;
	value->given = true;
	switch (argument->type) {
	case ARGUMENT_INTEGER:
		fits = json_is_integer(json);
		value->integer = json_integer_value(json);
		break;
	case ARGUMENT_REAL:
		fits = json_is_number(json);
		value->real = json_number_value(json);
		break;
	case ARGUMENT_BOOLEAN:
		fits = json_is_boolean(json);
		value->integer = json_is_true(json);
		break;
	case ARGUMENT_TEXT:
	case ARGUMENT_BLOB:
	case ARGUMENT_JSON:
		fits = !json_is_null(json);
		if (fits)
			return read_bytes(arguments, argument, value, json, error);
		break;
	}
	return fits ? 0 : mistyped(arguments->definition, argument, error);
}

static int read_values(struct arguments *arguments, json_t *object, struct error *error) {
	const struct schema_event *definition = arguments->definition;
	size_t n_found = 0;

	for (size_t i = 0; i < definition->n_arguments; i++) {
		json_t *json = json_object_get(object, definition->arguments[i].name);
		int r;

		if (!json && definition->arguments[i].optional)
			continue;
		if (!json)
			return error_set(error, ERROR_INVALID, "argument '%s' of event %s@%u is missing",
			                 definition->arguments[i].name, definition->name, definition->version);
		n_found++;
		r = read_value(arguments, i, json, error);
		if (r < 0)
			return r;
	}
	if (n_found == json_object_size(object))
		return 0;

	const char *name;
	json_t *member;

	json_object_foreach(object, name, member) {
		bool known = false;

		for (size_t i = 0; i < definition->n_arguments; i++)
			known = known || strcmp(definition->arguments[i].name, name) == 0;
		if (!known)
			return error_set(error, ERROR_INVALID, "event %s@%u has no argument '%.80s'", definition->name,
			                 definition->version, name);
	}
	return 0;
}

static int read_text(struct arguments *arguments, const char *args, size_t args_bytes, struct error *error) {
	const struct schema_event *definition = arguments->definition;
	json_error_t json_error;
	json_t *object;
	int r;

	if (memchr(args, '\0', args_bytes)) /* jansson passes over one behind a number */
		return error_set(error, ERROR_INVALID, "the arguments of event %s@%u held a NUL", definition->name,
		                 definition->version);
	object = json_loadb(args, args_bytes, JSON_REJECT_DUPLICATES, &json_error);
	if (!object)
		return arguments_syntax_error(definition, args, &json_error, error);
	if (json_is_object(object))
		r = read_values(arguments, object, error);
	else
		r = error_set(error, ERROR_INVALID, "the arguments of event %s@%u must be a JSON object", definition->name,
		              definition->version);
	json_decref(object);
	return r;
}

int arguments_parse(struct arguments **ret, const struct schema_event *definition, const char *args, size_t args_bytes,
                    struct error *error) {
	struct arguments *arguments;
	int r;

	if (args_bytes > EVENT_ARGS_BYTES_MAX)
		return error_set(error, ERROR_TOO_LARGE, "the arguments of event %s@%u have %zu bytes, at most %u are allowed",
		                 definition->name, definition->version, args_bytes, EVENT_ARGS_BYTES_MAX);
	arguments = calloc(1, sizeof(*arguments));
	if (!arguments)
		return error_no_memory(error);
	arguments->definition = definition;
	arguments->text_bytes = args_bytes;
	arguments->text = malloc(args_bytes + 1);
	arguments->values = calloc(definition->n_arguments + 1, sizeof(*arguments->values));
	if (!arguments->text || !arguments->values) {
		arguments_destroy(arguments);
		return error_no_memory(error);
	}
	memcpy(arguments->text, args, args_bytes);
	arguments->text[args_bytes] = '\0';
	r = read_text(arguments, args, args_bytes, error);
	if (r < 0) {
		arguments_destroy(arguments);
		return r;
	}
	*ret = arguments;
	return 0;
}

struct arguments *arguments_destroy(struct arguments *arguments) {
	if (!arguments)
		return NULL;
	for (size_t i = 0; arguments->values && i < arguments->definition->n_arguments; i++)
		free(arguments->values[i].bytes);
	free(arguments->values);
	free(arguments->text);
	free(arguments);
	return NULL;
}

int arguments_check(const struct schema_event *definition, const char *args, size_t args_bytes, struct error *error) {
	struct arguments *arguments = NULL;
	int r = arguments_parse(&arguments, definition, args, args_bytes, error);

	arguments_destroy(arguments);
	return r;
}

static int bind_text(sqlite3_stmt *statement, int parameter, const char *text, size_t n) {
	return sqlite3_bind_text64(statement, parameter, text, n, SQLITE_TRANSIENT, SQLITE_UTF8);
}

static int bind_value(sqlite3_stmt *statement, int parameter, enum argument_type type, const struct value *value) {
	if (!value->given)
		return sqlite3_bind_null(statement, parameter);
	switch (type) {
	case ARGUMENT_INTEGER:
	case ARGUMENT_BOOLEAN:
		return sqlite3_bind_int64(statement, parameter, value->integer);
	case ARGUMENT_REAL:
		return sqlite3_bind_double(statement, parameter, value->real);
	case ARGUMENT_TEXT:
	case ARGUMENT_JSON:
		return bind_text(statement, parameter, value->bytes, value->n);
	case ARGUMENT_BLOB:
		return sqlite3_bind_blob64(statement, parameter, value->bytes, value->n, SQLITE_TRANSIENT);
	}
	return SQLITE_MISUSE;
}

static int bind_always_bound(const struct arguments *arguments, const struct event *event, sqlite3_stmt *statement,
                             int parameter, const char *name) {
	char id[EVENT_ID_TEXT_BYTES];
	char hlc[HLC_TEXT_BYTES];

	if (strcmp(name, "event_id") == 0) {
		event_id_print(id, &event->entry.id);
		return bind_text(statement, parameter, id, strlen(id));
	}
	if (strcmp(name, "client_id") == 0)
		return bind_text(statement, parameter, event->client_id, strlen(event->client_id));
	if (strcmp(name, "session_id") == 0)
		return bind_text(statement, parameter, event->session_id, strlen(event->session_id));
	if (strcmp(name, "hlc") == 0) {
		hlc_print(hlc, event->hlc, event->client_id, event->session_id);
		return bind_text(statement, parameter, hlc, strlen(hlc));
	}
	if (strcmp(name, "time_ms") == 0)
		return sqlite3_bind_int64(statement, parameter, (sqlite3_int64)event->hlc.time_ms);
	if (strcmp(name, "args") == 0)
		return bind_text(statement, parameter, arguments->text, arguments->text_bytes);
	return sqlite3_bind_null(statement, parameter);
}

static int bind_parameter(const struct arguments *arguments, const struct event *event, sqlite3_stmt *statement,
                          int parameter) {
	const struct schema_event *definition = arguments->definition;
	const char *name = sqlite3_bind_parameter_name(statement, parameter);

	if (!name || name[0] != ':')
		return SQLITE_OK;
	for (size_t i = 0; i < definition->n_arguments; i++)
		if (strcmp(definition->arguments[i].name, name + 1) == 0)
			return bind_value(statement, parameter, definition->arguments[i].type, &arguments->values[i]);
	return bind_always_bound(arguments, event, statement, parameter, name + 1);
}

int arguments_bind(const struct arguments *arguments, const struct event *event, sqlite3_stmt *statement,
                   struct error *error) {
	int n = sqlite3_bind_parameter_count(statement);

	for (int i = 1; i <= n; i++) {
		int rc = bind_parameter(arguments, event, statement, i);

		if (rc != SQLITE_OK)
			return database_error(sqlite3_db_handle(statement), rc, "bind arguments", error);
	}
	return 0;
}
