/*
 * One JSON line; see json_line.h. A scan finds where each member stands; what it
 * cannot follow is given to jansson, which says what is wrong with it.
 */

#include "json_line.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOT_JSON (-2) /* found by the scan, to be told by jansson */

struct piece {
	const char *at;
	size_t n;
};

struct scan {
	const char *at, *end;
	char *reason;
	size_t reason_bytes;
};

static int fail(struct scan *scan, const char *text) {
	snprintf(scan->reason, scan->reason_bytes, "%s", text);
	return -1;
}

static void skip_space(struct scan *scan) {
	while (scan->at < scan->end && strchr(" \t\r\n", *scan->at) && *scan->at)
		scan->at++;
}

static bool take(struct scan *scan, char c) {
	skip_space(scan);
	if (scan->at == scan->end || *scan->at != c)
		return false;
	scan->at++;
	return true;
}

/* From the opening quote to behind the closing one. */
static bool skip_string(struct scan *scan) {
	for (scan->at++; scan->at < scan->end; scan->at++) {
		if (*scan->at == '"') {
			scan->at++;
			return true;
		}
		if (*scan->at == '\\')
			scan->at++;
	}
	return false;
}

/* One value, by its brackets and quotes alone. */
static bool skip_value(struct scan *scan, struct piece *ret) {
	unsigned depth = 0;

	skip_space(scan);
	ret->at = scan->at;
	while (scan->at < scan->end) {
		char c = *scan->at;

		if (c == '"') {
			if (!skip_string(scan))
				return false;
		} else if (depth == 0 && strchr(",}] \t\r\n", c)) {
			break;
		} else {
			depth += c == '{' || c == '[';
			depth -= c == '}' || c == ']';
			scan->at++;
		}
		if (depth == 0 && strchr("\"}]", scan->at[-1]))
			break;
	}
	ret->n = (size_t)(scan->at - ret->at);
	return depth == 0 && ret->n > 0;
}

static json_t *decode(const struct piece *piece) {
	return json_loadb(piece->at, piece->n, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
}

/* ---- members ----------------------------------------------------------------------- */

struct members {
	struct piece name, version, args;
};

static int take_member(struct scan *scan, struct members *members) {
	struct piece key, value, *place;
	json_t *decoded;
	const char *text;
	int r = 0;

	if (!skip_value(scan, &key) || *key.at != '"' || !take(scan, ':') || !skip_value(scan, &value))
		return NOT_JSON;
	decoded = decode(&key);
	if (!decoded)
		return NOT_JSON;
	text = json_string_value(decoded);
	place = strcmp(text, "name") == 0      ? &members->name
	        : strcmp(text, "args") == 0    ? &members->args
	        : strcmp(text, "version") == 0 ? &members->version
	                                       : NULL;
	if (!place || place->at) {
		snprintf(scan->reason, scan->reason_bytes,
		         place ? "\"%.60s\" stands there twice"
		               : "\"%.60s\" is no member of a line, only name, args and version are",
		         text);
		r = -1;
	} else {
		*place = value;
	}
	json_decref(decoded);
	return r;
}

static int take_members(struct scan *scan, struct members *members) {
	if (!take(scan, '{'))
		return NOT_JSON;
	if (take(scan, '}'))
		return fail(scan, "it has no \"name\"");
	do {
		int r = take_member(scan, members);

		if (r < 0)
			return r;
	} while (take(scan, ','));
	if (!take(scan, '}'))
		return NOT_JSON;
	skip_space(scan);
	return scan->at == scan->end ? 0 : NOT_JSON;
}

static int take_name(struct scan *scan, const struct piece *piece, char **ret) {
	json_t *decoded = decode(piece);

	if (!decoded)
		return NOT_JSON;
	if (!json_is_string(decoded)) {
		json_decref(decoded);
		return fail(scan, "\"name\" is no string");
	}
	*ret = strdup(json_string_value(decoded));
	json_decref(decoded);
	return *ret ? 0 : fail(scan, "out of memory");
}

static int take_version(struct scan *scan, const struct piece *piece, uint32_t *ret) {
	json_t *decoded = decode(piece);
	json_int_t version = json_is_integer(decoded) ? json_integer_value(decoded) : 0;

	json_decref(decoded);
	if (version < 1 || version > UINT32_MAX)
		return fail(scan, "\"version\" is no number from 1");
	*ret = (uint32_t)version;
	return 0;
}

static int fill(struct json_line *ret, struct scan *scan, const struct members *members) {
	struct json_line line = { .args = members->args.at, .args_bytes = members->args.n };
	int r;

	if (!members->name.at)
		return fail(scan, "it has no \"name\"");
	if (!members->args.at)
		return fail(scan, "it has no \"args\"");
	if (members->version.at) {
		r = take_version(scan, &members->version, &line.version);
		if (r < 0)
			return r;
	}
	r = take_name(scan, &members->name, &line.name);
	if (r == 0)
		*ret = line;
	return r;
}

/* What is wrong with a line that the scan could not follow. */
static int explain(struct scan *scan, const char *line, size_t n) {
	json_error_t error;
	json_t *json = json_loadb(line, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);

	if (!json) {
		snprintf(scan->reason, scan->reason_bytes, "malformed JSON in column %d: %s", error.column, error.text);
		return -1;
	}
	json_decref(json);
	return fail(scan, "it is no object {\"name\":…,\"args\":{…}}");
}

int json_line_read(struct json_line *ret, const char *line, size_t n, char *ret_reason, size_t reason_bytes) {
	struct scan scan = { line, line + n, ret_reason, reason_bytes };
	struct members members = { 0 };
	int r;

	if (memchr(line, '\0', n))
		return fail(&scan, "it has a NUL");
	r = take_members(&scan, &members);
	if (r == 0)
		r = fill(ret, &scan, &members);
	return r == NOT_JSON ? explain(&scan, line, n) : r;
}

void json_line_finish(struct json_line *line) {
	free(line->name);
	line->name = NULL;
}

static bool is_named(const struct piece *key, const char *name) {
	json_t *decoded = decode(key);
	bool is = decoded && strcmp(json_string_value(decoded), name) == 0;

	json_decref(decoded);
	return is;
}

bool json_line_member(const char *line, size_t n, const char *name, const char **ret, size_t *ret_bytes) {
	struct scan scan = { line, line + n, NULL, 0 };
	struct piece key, value;

	if (!take(&scan, '{'))
		return false;
	do {
		if (!skip_value(&scan, &key) || *key.at != '"' || !take(&scan, ':') || !skip_value(&scan, &value))
			return false;
		if (is_named(&key, name)) {
			*ret = value.at;
			*ret_bytes = value.n;
			return true;
		}
	} while (take(&scan, ','));
	return false;
}
