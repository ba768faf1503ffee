/*
 * The tests that most fields are made of, and the line that names what failed.
 */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "proto/check.h"

#define PATH_BYTES_MAX 128u /* Response.refusals[4294967295].event.sync_metadata fits */

struct place place_single(const struct place *in, const char *name) {
	return (struct place){ .in = in, .name = name, .index = PLACE_SINGLE, .error = in->error };
}

struct place place_index(const struct place *in, const char *name, size_t index) {
	return (struct place){ .in = in, .name = name, .index = index, .error = in->error };
}

static size_t print_place(char ret[PATH_BYTES_MAX], const struct place *at) {
	size_t n = at->in == NULL ? 0 : print_place(ret, at->in);
	const char *dot = at->in == NULL ? "" : ".";
	int added;

	if (at->index == PLACE_SINGLE)
		added = snprintf(ret + n, PATH_BYTES_MAX - n, "%s%s", dot, at->name);
	else
		added = snprintf(ret + n, PATH_BYTES_MAX - n, "%s%s[%zu]", dot, at->name, at->index);
	return added < 0 || n + (size_t)added >= PATH_BYTES_MAX ? n : n + (size_t)added;
}

int check_failed(const struct place *at, const char *field, int code, const char *format, ...) {
	char path[PATH_BYTES_MAX] = "";
	char reason[256];
	va_list arguments;

	print_place(path, at);
	va_start(arguments, format);
	vsnprintf(reason, sizeof(reason), format, arguments);
	va_end(arguments);
	return error_set(at->error, code, "%s%s%s %s", path, field == NULL ? "" : ".", field == NULL ? "" : field, reason);
}

/* A position that SQLite can hold: both halves are signed there. */
int check_position(const struct place *at, const char *field, uint64_t global, uint64_t client) {
	if (global > INT64_MAX || client > INT64_MAX)
		return check_failed(at, field, ERROR_PROTOCOL, "was no position: %ju, %ju", (uintmax_t)global,
		                    (uintmax_t)client);
	return 0;
}

int check_number(const struct place *at, const char *field, uint64_t value, uint64_t max) {
	if (value > max)
		return check_failed(at, field, ERROR_PROTOCOL, "was %ju, expected at most %ju", (uintmax_t)value,
		                    (uintmax_t)max);
	return 0;
}

int check_at_least_one(const struct place *at, const char *field, uint64_t value) {
	return value == 0 ? check_failed(at, field, ERROR_PROTOCOL, "was 0, expected at least 1") : 0;
}

int check_bytes(const struct place *at, const char *field, const ProtobufCBinaryData *data, size_t expected) {
	if (data->len != expected)
		return check_failed(at, field, ERROR_PROTOCOL, "had %zu bytes, expected %zu", data->len, expected);
	return 0;
}

int check_bytes_or_none(const struct place *at, const char *field, const ProtobufCBinaryData *data, size_t expected) {
	return data->len == 0 ? 0 : check_bytes(at, field, data, expected);
}

int check_id(const struct place *at, const char *field, const ProtobufCBinaryData *data) {
	struct event_id id;
	int r = check_bytes(at, field, data, sizeof(id.bytes));

	if (r < 0)
		return r;
	memcpy(id.bytes, data->data, sizeof(id.bytes));
	return event_id_is_zero(&id) ? check_failed(at, field, ERROR_PROTOCOL, "was zero, expected an id") : 0;
}

int check_ids(const struct place *at, const char *field, const ProtobufCBinaryData *data) {
	struct event_id id;
	size_t n_ids = data->len / sizeof(id.bytes);

	if (data->len % sizeof(id.bytes) != 0)
		return check_failed(at, field, ERROR_PROTOCOL, "had %zu bytes, expected %zu for each id", data->len,
		                    sizeof(id.bytes));
	if (n_ids > PENDING_IDS_MAX)
		return check_failed(at, field, ERROR_TOO_LARGE, "held %zu ids, at most %u", n_ids, PENDING_IDS_MAX);
	for (size_t i = 0; i < n_ids; i++) {
		wire_id_at(&id, data, i);
		if (event_id_is_zero(&id))
			return check_failed(at, field, ERROR_PROTOCOL, "held a zero id at %zu", i);
	}
	return 0;
}

int check_text_length(const struct place *at, const char *field, const char *text, size_t bytes_max) {
	size_t n = strlen(text);

	if (n > bytes_max)
		return check_failed(at, field, ERROR_TOO_LARGE, "had %zu bytes, at most %zu", n, bytes_max);
	return 0;
}

int check_client_id(const struct place *at, const char *field, const char *text) {
	if (strlen(text) != CLIENT_ID_BYTES || strspn(text, "0123456789abcdef") != CLIENT_ID_BYTES)
		return check_failed(at, field, ERROR_PROTOCOL, "was no client id, expected %u lower-case hexadecimal digits",
		                    CLIENT_ID_BYTES);
	return 0;
}

int check_session_id(const struct place *at, const char *field, const char *text) {
	if (!session_id_is_valid(text))
		return check_failed(at, field, ERROR_PROTOCOL, "was no session id, expected 1 to %u of A-Z a-z 0-9 . _ -",
		                    SESSION_ID_BYTES_MAX);
	return 0;
}

int check_store_name(const struct place *at, const char *field, const char *text) {
	if (!store_name_is_valid(text))
		return check_failed(at, field, ERROR_PROTOCOL,
		                    "was no store name, expected 1 to %u of a-z 0-9 . _ -, a letter or digit first",
		                    STORE_NAME_BYTES_MAX);
	return 0;
}

int check_clock(const struct place *at, uint64_t time_ms, uint32_t counter) {
	int r = check_number(at, "hlc_time_ms", time_ms, (UINT64_C(1) << 48) - 1);

	return r < 0 ? r : check_number(at, "hlc_counter", counter, UINT16_MAX);
}

int check_code(const struct place *at, int32_t code) {
	return code > 0 ? check_failed(at, "code", ERROR_PROTOCOL, "was %d, expected 0 or a negative code", code) : 0;
}

int check_body(const void *body, const struct place *at) {
	return body == NULL ? check_failed(at, NULL, ERROR_PROTOCOL, "was missing") : 0;
}
