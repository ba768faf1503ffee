/*
 * The notation: printing it, and reading it with one character of look-ahead.
 *
 * Reading is strict, so that a text names one thing and one thing has one
 * text: numbers have no leading zeros, a client number starts at 1, and root
 * (e0) takes a node and a generation but nothing that only an event has.
 * Columns count characters, not bytes.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/must.h"
#include "base/text.h"
#include "model/notation.h"

#define ARROW "→"
#define NODE_BYTES_MAX (sizeof(((struct notation *)NULL)->node) - 1)
#define CONTEXT_BYTES_MAX (sizeof(((struct notation *)NULL)->context) - 1)
#define NUMBER_MAX ((uint64_t)INT64_MAX) /* what a row of the eventlog can hold */
#define NUMBER_DIGITS_MAX 20u            /* of any uint64_t */
#define FOUND_BYTES_MAX 32u              /* of the text that an error repeats */

/* "e1.1", and with "r1" and the mark, of the longest numbers. */
#define PLACE_BYTES_MAX (1 + NUMBER_DIGITS_MAX + 1 + NUMBER_DIGITS_MAX)
#define EVENT_BYTES_MAX (PLACE_BYTES_MAX + 1 + NUMBER_DIGITS_MAX + 1)

_Static_assert(NODE_BYTES_MAX + 1 + EVENT_BYTES_MAX + 2 + CONTEXT_BYTES_MAX + ORIGINS_MAX * (1 + EVENT_BYTES_MAX) <
                   NOTATION_BYTES_MAX,
               "the longest token fits");
_Static_assert(PLACE_BYTES_MAX < POSITION_TEXT_BYTES, "the longest position fits");

/* --- printing --- */

void position_print(char ret[POSITION_TEXT_BYTES], struct position p) {
	if (position_is_client_only(p))
		snprintf(ret, POSITION_TEXT_BYTES, "e%" PRIu64 ".%" PRIu64, p.global, p.client);
	else
		snprintf(ret, POSITION_TEXT_BYTES, "e%" PRIu64, p.global);
}

static size_t add_text(char *ret, size_t n, const char *before, const char *text, const char *behind) {
	return n + (size_t)snprintf(ret + n, NOTATION_BYTES_MAX - n, "%s%s%s", before, text, behind);
}

size_t notation_print(char *ret, const struct notation *n) {
	char place[POSITION_TEXT_BYTES];
	size_t length = 0;

	must(n->n_origins <= ORIGINS_MAX);

	if (n->node[0] != '\0')
		length = add_text(ret, length, "", n->node, ":");
	position_print(place, n->at);
	length = add_text(ret, length, "", place, "");
	if (n->has_generation)
		length += (size_t)snprintf(ret + length, NOTATION_BYTES_MAX - length, "r%" PRIu64, n->generation);
	if (n->unconfirmed)
		length = add_text(ret, length, "", "'", "");
	if (n->context[0] != '\0')
		length = add_text(ret, length, "{", n->context, "}");
	for (uint32_t i = 0; i < n->n_origins; i++) {
		position_print(place, n->origins[i]);
		length = add_text(ret, length, "/", place, "'");
	}
	must(length < NOTATION_BYTES_MAX);
	return length;
}

/* --- reading --- */

struct cursor {
	const char *noun; /* what is read, for errors */
	const char *text;
	const char *at;
	struct error *error;
};

static size_t column(const struct cursor *c) {
	size_t n = 1;

	for (const char *p = c->text; p < c->at; p++)
		n += ((unsigned char)*p & 0xc0) != 0x80; /* continuation bytes of UTF-8 do not count */
	return n;
}

/* What stands at the cursor: `n` bytes of it, or with 0 one character. */
static void describe(char ret[static FOUND_BYTES_MAX + 8], const char *at, size_t n) {
	uint32_t code = 0;
	size_t character = text_character(at, &code);

	if (*at == '\0')
		strcpy(ret, "the end");
	else if (character == 0)
		snprintf(ret, FOUND_BYTES_MAX, "byte 0x%02x", (unsigned char)*at);
	else if (text_is_control(code))
		snprintf(ret, FOUND_BYTES_MAX, "character U+%04" PRIX32, code);
	else if (n > FOUND_BYTES_MAX)
		snprintf(ret, FOUND_BYTES_MAX + 8, "\"%.*s...\"", (int)FOUND_BYTES_MAX, at);
	else
		snprintf(ret, FOUND_BYTES_MAX + 8, "\"%.*s\"", (int)(n > 0 ? n : character), at);
}

static int fail(const struct cursor *c, size_t found_bytes, const char *expected) {
	char found[FOUND_BYTES_MAX + 8];

	describe(found, c->at, found_bytes);
	return error_set(c->error, ERROR_INVALID, "%s, column %zu: found %s, expected %s", c->noun, column(c), found,
	                 expected);
}

static bool is_digit(char character) {
	return character >= '0' && character <= '9';
}

static bool is_of_node(char character) {
	return is_digit(character) || (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') ||
	       character == '.' || character == '_' || character == '-';
}

static bool take(struct cursor *c, const char *token) {
	size_t n = strlen(token);

	if (strncmp(c->at, token, n) != 0)
		return false;
	c->at += n;
	return true;
}

static int parse_number(struct cursor *c, uint64_t *ret) {
	uint64_t value = 0;
	size_t n = 0;

	while (is_digit(c->at[n]))
		n++;
	if (n == 0)
		return fail(c, 0, "a digit");
	if (n > 1 && c->at[0] == '0')
		return fail(c, n, "a number without leading zeros");

	for (size_t i = 0; i < n; i++) {
		uint64_t digit = (uint64_t)(c->at[i] - '0');
		if (value > (NUMBER_MAX - digit) / 10)
			return fail(c, n, "a number up to 9223372036854775807");
		value = value * 10 + digit;
	}

	c->at += n;
	*ret = value;
	return 0;
}

/* e{global}[.{client}] */
static int parse_place(struct cursor *c, struct position *ret, const char *expected) {
	struct position place = { 0 };
	int r;

	if (!take(c, "e"))
		return fail(c, 0, expected);
	r = parse_number(c, &place.global);
	if (r < 0)
		return r;
	if (take(c, ".")) {
		if (c->at[0] == '0' && !is_digit(c->at[1]))
			return fail(c, 0, "a number from 1");
		r = parse_number(c, &place.client);
		if (r < 0)
			return r;
	}
	*ret = place;
	return 0;
}

/* [r{generation}] */
static int parse_generation(struct cursor *c, bool *ret_has, uint64_t *ret) {
	*ret_has = take(c, "r");
	return *ret_has ? parse_number(c, ret) : 0;
}

/* [Node:] */
static int parse_node(struct cursor *c, struct notation *token) {
	size_t n = 0;

	while (is_of_node(c->at[n]))
		n++;
	if (n == 0 || c->at[n] != ':')
		return 0;
	if (n > NODE_BYTES_MAX)
		return fail(c, n, "a node of at most 64 characters");
	memcpy(token->node, c->at, n);
	c->at += n + 1;
	return 0;
}

/* [{context}], unless there is one already */
static int parse_context(struct cursor *c, struct notation *token) {
	size_t n = 0;
	uint32_t code;

	if (token->context[0] != '\0' || !take(c, "{"))
		return 0;
	if (*c->at == '}')
		return fail(c, 0, "a hint between { and }");

	while (*c->at != '}') {
		size_t character = text_character(c->at, &code);

		if (character == 0 || *c->at == '{' || text_is_control(code))
			return fail(c, 0, "a character of the hint or \"}\"");
		if (n + character > CONTEXT_BYTES_MAX)
			return fail(c, 0, "\"}\" after at most 255 bytes");
		memcpy(token->context + n, c->at, character);
		n += character;
		c->at += character;
	}
	c->at++;
	return 0;
}

/* [/{origin}...]; an origin's generation and mark are read and left. */
static int parse_origins(struct cursor *c, struct notation *token) {
	while (*c->at == '/') {
		struct position origin;
		bool has_generation;
		uint64_t generation;
		int r;

		if (token->n_origins == ORIGINS_MAX)
			return fail(c, 0, "at most 8 origins");
		c->at++;

		const char *start = c->at;
		r = parse_place(c, &origin, "\"e\"");
		if (r < 0)
			return r;
		if (position_is_root(origin)) {
			c->at = start;
			return fail(c, 2, "the place of an event, which e0 is not");
		}
		r = parse_generation(c, &has_generation, &generation);
		if (r < 0)
			return r;
		take(c, "'");
		token->origins[token->n_origins++] = origin;
	}
	return 0;
}

_Static_assert(ORIGINS_MAX == 8 && NODE_BYTES_MAX == 64 && CONTEXT_BYTES_MAX == 255, "the errors above say so");

static int parse_token(struct cursor *c, struct notation *ret) {
	struct notation token = { 0 };
	int r;

	r = parse_node(c, &token);
	if (r < 0)
		return r;
	r = parse_place(c, &token.at, token.node[0] != '\0' ? "\"e\"" : "\"e\" or a node and \":\"");
	if (r < 0)
		return r;
	r = parse_generation(c, &token.has_generation, &token.generation);
	if (r < 0)
		return r;
	if (position_is_root(token.at) && *c->at != '\0' && strchr("'{/", *c->at) != NULL)
		return fail(c, 0, "nothing that only an event has behind e0");

	token.unconfirmed = take(c, "'");
	r = parse_context(c, &token);
	if (r < 0)
		return r;
	r = parse_origins(c, &token);
	if (r < 0)
		return r;
	r = parse_context(c, &token);
	if (r < 0)
		return r;

	*ret = token;
	return 0;
}

int notation_parse(struct notation *ret, const char *text, struct error *error) {
	struct cursor c = { "notation", text, text, error };
	struct notation token;
	int r;

	r = parse_token(&c, &token);
	if (r < 0)
		return r;
	if (*c.at != '\0')
		return fail(&c, 0, "the end");
	*ret = token;
	return 0;
}

int position_parse(struct position *ret, const char *text, struct error *error) {
	struct cursor c = { "position", text, text, error };
	struct position place;
	int r;

	r = parse_place(&c, &place, "\"e\"");
	if (r < 0)
		return r;
	if (*c.at != '\0')
		return fail(&c, 0, "the end");
	*ret = place;
	return 0;
}

static void skip_blanks(struct cursor *c) {
	while (*c->at == ' ' || *c->at == '\t' || *c->at == '\r' || *c->at == '\n')
		c->at++;
}

/* Counts the tokens; stores them too unless `ret` is NULL. */
static int parse_chain(struct cursor c, struct notation *ret, size_t n_max, size_t *ret_n) {
	struct notation token;
	size_t n = 0;

	skip_blanks(&c);
	if (*c.at == '\0') {
		*ret_n = 0;
		return 0;
	}
	for (;;) {
		if (n == n_max)
			return error_set(c.error, ERROR_TOO_LARGE, "notation, column %zu: found more than %zu events in a chain",
			                 column(&c), n_max);
		int r = parse_token(&c, &token);
		if (r < 0)
			return r;
		if (ret != NULL)
			ret[n] = token;
		n++;

		skip_blanks(&c);
		if (*c.at == '\0')
			break;
		if (!take(&c, ARROW) && !take(&c, "->"))
			return fail(&c, 0, "\"" ARROW "\" or the end");
		skip_blanks(&c);
	}
	*ret_n = n;
	return 0;
}

int notation_parse_chain(struct notation *ret, size_t n_max, size_t *ret_n, const char *text, struct error *error) {
	struct cursor c = { "notation", text, text, error };
	size_t n;
	int r;

	/* Once to see that all of it can be read, so that a failure leaves `ret` alone. */
	r = parse_chain(c, NULL, n_max, &n);
	return r < 0 ? r : parse_chain(c, ret, n_max, ret_n);
}

/* --- events --- */

/* What a caller names is cut and cleaned until the notation can carry it. */
static void set_node(struct notation *ret, const char *node) {
	for (size_t n = 0; n < NODE_BYTES_MAX && node[n] != '\0'; n++)
		ret->node[n] = is_of_node(node[n]) ? node[n] : '_';
}

static void set_context(struct notation *ret, const char *context) {
	size_t n = 0;

	while (*context != '\0') {
		uint32_t code = 0;
		size_t character = text_character(context, &code);
		bool fits = character > 0 && *context != '{' && *context != '}' && !text_is_control(code);
		size_t bytes = fits ? character : 1;

		if (n + bytes > CONTEXT_BYTES_MAX)
			break;
		memcpy(ret->context + n, fits ? context : "_", bytes);
		n += bytes;
		context += character > 0 ? character : 1;
	}
}

void notation_of_event(struct notation *ret, const struct event *event, const char *node, bool unconfirmed,
                       const char *context) {
	struct notation token = { .at = event->entry.at, .generation = event->generation, .unconfirmed = unconfirmed };

	if (node != NULL)
		set_node(&token, node);
	if (context != NULL)
		set_context(&token, context);
	if (unconfirmed) {
		memcpy(token.origins, event->origins, sizeof(token.origins));
		token.n_origins = event->n_origins;
	}
	*ret = token;
}

static bool origins_equal(const struct notation *a, const struct notation *b) {
	if (a->n_origins != b->n_origins)
		return false;
	for (uint32_t i = 0; i < a->n_origins; i++)
		if (!position_equal(a->origins[i], b->origins[i]))
			return false;
	return true;
}

bool notation_matches(const struct notation *expected, const struct notation *found) {
	if (!position_equal(expected->at, found->at) || expected->unconfirmed != found->unconfirmed)
		return false;
	if (expected->node[0] != '\0' && strcmp(expected->node, found->node) != 0)
		return false;
	if (expected->has_generation && (!found->has_generation || expected->generation != found->generation))
		return false;
	if (expected->context[0] != '\0' && strcmp(expected->context, found->context) != 0)
		return false;
	return expected->n_origins == 0 || origins_equal(expected, found);
}
