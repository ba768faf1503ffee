/* Chains of tokens: made from events, compared, and shown side by side. */

#include <jansson.h>
#include <leaderd/session.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scenario.h"

/* A piece of a context, without what a context cannot carry; cut where it is full,
 * between two characters. */
static void add_to_context(struct notation *token, const char *text) {
	size_t n = strlen(token->context), room = sizeof(token->context) - 1 - n;
	size_t bytes = strlen(text);

	if (bytes > room) {
		bytes = room;
		while (bytes > 0 && ((unsigned char)text[bytes] & 0xc0) == 0x80)
			bytes--;
	}
	for (size_t i = 0; i < bytes; i++) {
		unsigned char byte = (unsigned char)text[i];

		token->context[n + i] = byte < 0x20 || byte == 0x7f || byte == '{' || byte == '}' ? '_' : text[i];
	}
	token->context[n + bytes] = '\0';
}

/* What a token's {context} may name: the event's name, its arguments' names and
 * their texts, joined by dots, so that each part can be looked for. */
static void set_context(struct notation *token, const struct lds_event *event) {
	json_t *args = json_loadb(event->args, event->args_bytes, 0, NULL), *value;
	const char *key;

	add_to_context(token, event->name);
	json_object_foreach(args, key, value) {
		if (!json_is_string(value))
			continue;
		add_to_context(token, ".");
		add_to_context(token, key);
		add_to_context(token, ".");
		add_to_context(token, json_string_value(value));
	}
	json_decref(args);
}

int chain_add(struct chain *chain, const struct lds_event *event, const char *node, struct error *error) {
	struct notation *token = &chain->tokens[chain->n];

	if (chain->n == CHAIN_TOKENS_MAX)
		return error_set(error, ERROR_TOO_LARGE, "a chain had more than %u events", CHAIN_TOKENS_MAX);
	*token = (struct notation){ .at = { event->position.global, event->position.client },
		                        .has_generation = true,
		                        .generation = event->generation,
		                        .unconfirmed = !event->confirmed };
	if (node != NULL && token->unconfirmed)
		snprintf(token->node, sizeof(token->node), "%s", node);
	for (size_t i = 0; token->unconfirmed && i < event->n_origins && i < ORIGINS_MAX; i++)
		token->origins[token->n_origins++] = (struct position){ event->origins[i].global, event->origins[i].client };
	set_context(token, event);
	chain->n++;
	return 0;
}

/* ---- comparing ----------------------------------------------------------------------- */

static bool has_part(const char *context, const char *part, size_t n) {
	while (*context != '\0') {
		size_t length = strcspn(context, ".");

		if (length == n && strncmp(context, part, n) == 0)
			return true;
		context += length + (context[length] == '.');
	}
	return false;
}

/* Each dotted part of the hint is the event's name, an argument's name or a text. */
static bool context_matches(const char *expected, const char *found) {
	while (*expected != '\0') {
		size_t n = strcspn(expected, ".");

		if (!has_part(found, expected, n))
			return false;
		expected += n + (expected[n] == '.');
	}
	return true;
}

static bool token_matches(const struct notation *expected, const struct notation *found) {
	struct notation without = *expected;

	without.context[0] = '\0';
	return notation_matches(&without, found) && context_matches(expected->context, found->context);
}

static size_t skipped(const struct chain *expected, const struct chain *found, bool end_only) {
	return end_only && found->n > expected->n ? found->n - expected->n : 0;
}

bool chain_matches(const struct chain *expected, const struct chain *found, bool end_only) {
	size_t skip = skipped(expected, found, end_only);

	if (found->n - skip != expected->n)
		return false;
	for (size_t i = 0; i < expected->n; i++)
		if (!token_matches(&expected->tokens[i], &found->tokens[skip + i]))
			return false;
	return true;
}

/* ---- showing -------------------------------------------------------------------------- */

/* What was found, with those parts that a reader needs beside what was expected. */
static void print_found(char ret[NOTATION_BYTES_MAX], const struct notation *found, const struct notation *expected) {
	struct notation shown = *found;

	shown.has_generation = expected != NULL && expected->has_generation;
	if (expected == NULL || expected->context[0] == '\0')
		shown.context[strcspn(shown.context, ".")] = '\0';
	notation_print(ret, &shown);
}

void chain_print_difference(const struct chain *expected, const struct chain *found, bool end_only) {
	size_t skip = skipped(expected, found, end_only);
	size_t n = expected->n > found->n - skip ? expected->n : found->n - skip;
	char left[NOTATION_BYTES_MAX], right[NOTATION_BYTES_MAX];
	bool marked = false;

	fprintf(stderr, "      expected                        found\n");
	for (size_t i = 0; i < n; i++) {
		const struct notation *wanted = i < expected->n ? &expected->tokens[i] : NULL;
		const struct notation *there = skip + i < found->n ? &found->tokens[skip + i] : NULL;
		bool same = wanted != NULL && there != NULL && token_matches(wanted, there);

		strcpy(left, "-");
		strcpy(right, "-");
		if (wanted != NULL)
			notation_print(left, wanted);
		if (there != NULL)
			print_found(right, there, wanted);
		fprintf(stderr, "  %s %-30s  %s\n", same || marked ? "   " : "-->", left, right);
		marked |= !same;
	}
}
