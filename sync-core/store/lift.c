/*
 * Lifting: the row that a `becomes` SELECT gave, as the JSON arguments of the
 * newer event. What is written here is parsed again by arguments_parse, so this
 * only has to say each value exactly; types are checked there, but for those
 * that SQLite does not have (BOOLEAN, BLOB in base64, JSON).
 */

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "store/schema.h"

static int misfit(const struct schema_event *target, const struct schema_argument *argument, struct error *error) {
	return error_set(error, ERROR_INVALID, "the lift gave a value that does not fit argument '%s' of event %s@%u",
	                 argument->name, target->name, target->version);
}

static int add_string(struct bytes *ret, const char *text) {
	int r = bytes_add_u8(ret, '"');

	for (; r == 0 && *text; text++) {
		unsigned char c = (unsigned char)*text;
		char escaped[8];

		if (c < 0x20) {
			snprintf(escaped, sizeof(escaped), "\\u%04x", c);
			r = bytes_add(ret, escaped, 6);
			continue;
		}
		if (c == '"' || c == '\\')
			r = bytes_add_u8(ret, '\\');
		if (r == 0)
			r = bytes_add_u8(ret, c);
	}
	return r == 0 ? bytes_add_u8(ret, '"') : r;
}

/* 17 digits give back the same double. The point is written by hand, because an
 * app may have set a locale that has another. */
static int add_real(struct bytes *ret, double real) {
	char text[40];
	int r = 0;

	snprintf(text, sizeof(text), "%.17g", real);
	for (const char *at = text; r == 0 && *at;) {
		size_t n = strspn(at, "0123456789eE+-");

		r = bytes_add(ret, at, n);
		at += n;
		if (r == 0 && *at)
			r = bytes_add_u8(ret, '.');
		at += strcspn(at, "0123456789eE+-");
	}
	return r;
}

static int add_base64(struct bytes *ret, const uint8_t *data, size_t n) {
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	int r = bytes_add_u8(ret, '"');

	for (size_t i = 0; r == 0 && i < n; i += 3) {
		uint32_t bits = (uint32_t)data[i] << 16;
		char digits[4];

		if (i + 1 < n)
			bits |= (uint32_t)data[i + 1] << 8;
		if (i + 2 < n)
			bits |= data[i + 2];
		for (int d = 0; d < 4; d++)
			digits[d] = alphabet[bits >> (18 - 6 * d) & 63];
		if (i + 2 >= n)
			digits[3] = '=';
		if (i + 1 >= n)
			digits[2] = '=';
		r = bytes_add(ret, digits, 4);
	}
	return r == 0 ? bytes_add_u8(ret, '"') : r;
}

/* The column's text; NULL unless it is text, valid UTF-8 and without NUL. */
static const char *column_text(sqlite3_stmt *row, int column, bool *ret_no_memory) {
	const char *text;

	*ret_no_memory = false;
	if (sqlite3_column_type(row, column) != SQLITE_TEXT)
		return NULL;
	text = (const char *)sqlite3_column_text(row, column);
	if (!text) {
		*ret_no_memory = true;
		return NULL;
	}
	if (strlen(text) != (size_t)sqlite3_column_bytes(row, column))
		return NULL;
	for (const char *at = text; *at;) {
		uint32_t code;
		size_t n = text_character(at, &code);

		if (n == 0)
			return NULL;
		at += n;
	}
	return text;
}

/* 1: the text is no JSON. It is spliced in, so it must be one whole value. */
static int add_json(struct bytes *ret, const char *text) {
	json_error_t json_error;
	json_t *json = json_loads(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &json_error);

	if (!json)
		return json_error_code(&json_error) == json_error_out_of_memory ? ERROR_NO_MEMORY : 1;
	json_decref(json);
	return bytes_add(ret, text, strlen(text));
}

/* 1: the value does not fit. */
static int add_value(struct bytes *ret, enum argument_type type, sqlite3_stmt *row, int column) {
	int found = sqlite3_column_type(row, column);
	const char *text;
	bool no_memory;

	switch (type) {
	case ARGUMENT_TEXT:
	case ARGUMENT_JSON:
		text = column_text(row, column, &no_memory);
		if (!text)
			return no_memory ? ERROR_NO_MEMORY : 1;
		return type == ARGUMENT_TEXT ? add_string(ret, text) : add_json(ret, text);
	case ARGUMENT_BLOB:
		if (found != SQLITE_BLOB)
			return 1;
		return add_base64(ret, sqlite3_column_blob(row, column), (size_t)sqlite3_column_bytes(row, column));
	case ARGUMENT_REAL:
		if (found == SQLITE_FLOAT && isfinite(sqlite3_column_double(row, column)))
			return add_real(ret, sqlite3_column_double(row, column));
		break;
	case ARGUMENT_BOOLEAN:
		if (found != SQLITE_INTEGER || sqlite3_column_int64(row, column) < 0 || sqlite3_column_int64(row, column) > 1)
			return 1;
		return sqlite3_column_int64(row, column) ? bytes_add(ret, "true", 4) : bytes_add(ret, "false", 5);
	case ARGUMENT_INTEGER:
		break;
	}
	if (found != SQLITE_INTEGER)
		return 1;

	char digits[24];

	sqlite3_snprintf(sizeof(digits), digits, "%lld", sqlite3_column_int64(row, column));
	return bytes_add(ret, digits, strlen(digits));
}

static int add_member(struct bytes *ret, const struct schema_argument *argument, sqlite3_stmt *row, int column) {
	int r = ret->n > 1 ? bytes_add_u8(ret, ',') : 0;

	if (r == 0)
		r = add_string(ret, argument->name);
	if (r == 0)
		r = bytes_add_u8(ret, ':');
	return r == 0 ? add_value(ret, argument->type, row, column) : r;
}

static int find_column(sqlite3_stmt *row, const char *name) {
	for (int i = 0; i < sqlite3_column_count(row); i++) {
		const char *column = sqlite3_column_name(row, i);

		if (column && strcmp(column, name) == 0)
			return i;
	}
	return -1;
}

int arguments_lift(struct bytes *ret, const struct schema_event *target, sqlite3_stmt *row, struct error *error) {
	struct bytes object = { 0 };
	int r = bytes_add_u8(&object, '{');

	for (size_t i = 0; r == 0 && i < target->n_arguments; i++) {
		const struct schema_argument *argument = &target->arguments[i];
		int column = find_column(row, argument->name);

		if (column < 0 || sqlite3_column_type(row, column) == SQLITE_NULL)
			continue;
		r = add_member(&object, argument, row, column);
		if (r > 0)
			r = misfit(target, argument, error);
	}
	if (r == 0)
		r = bytes_add_u8(&object, '}');
	if (r == 0) {
		bytes_finish(ret);
		*ret = object;
		return 0;
	}
	bytes_finish(&object);
	return r == ERROR_NO_MEMORY ? error_no_memory(error) : r;
}
