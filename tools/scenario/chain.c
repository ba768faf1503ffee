/* Chains of tokens: made from events, compared, and shown side by side. */

#include <jansson.h>
#include <leaderd/session.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scenario.h"

static void add_text(struct bytes *out, const char *text) {
	if (bytes_add(out, text, strlen(text)) < 0)
		abort();
}

/* What a token's {context} may name: the event's name and the values of its
 * arguments, joined by dots, so that each part can be looked for. */
static void set_context(struct notation *token, const struct lds_event *event) {
	json_t *args = json_loadb(event->args, event->args_bytes, 0, NULL), *value;
	const char *key;
	size_t n = (size_t)snprintf(token->context, sizeof(token->context), "%s", event->name);

	json_object_foreach(args, key, value) {
		if (json_is_string(value) && n < sizeof(token->context) - 1)
			n += (size_t)snprintf(token->context + n, sizeof(token->context) - n, ".%s.%s", key, json_string_value(value));
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
	for (size_t i = 0; token->unconfirmed && i < event->n_origins; i++)
		token->origins[token->n_origins++] = (struct position){ event->origins[i].global, event->origins[i].client };
	set_context(token, event);
	chain->n++;
	return 0;
}

static bool has_part(const char *context, const char *part, size_t n) {
	for (const char *at = context; *at != '\0'; at += strcspn(at, "."), at += *at == '.') {
		if (strcspn(at, ".") == n && strncmp(at, part, n) == 0)
			return true;
	}
	return false;
}

/* Each dotted part of the hint is the event's name, an argument's name or a value. */
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

static void print_token(char ret[NOTATION_BYTES_MAX], const struct notation *token, bool context) {
	struct notation shown = *token;

	shown.has_generation &= token->has_generation && context;
	if (!context) {
		shown.context[strcspn(shown.context, ".")] = '\0';
		shown.has_generation = false;
	}
	notation_print(ret, &shown);
}

void chain_compare(struct bytes *out, const struct chain *expected, const struct chain *found, bool end_only) {
	size_t skip = skipped(expected, found, end_only);
	size_t n = expected->n > found->n - skip ? expected->n : found->n - skip;
	char line[2 * NOTATION_BYTES_MAX + 64], left[NOTATION_BYTES_MAX], right[NOTATION_BYTES_MAX];
	bool marked = false;

	add_text(out, "      expected                        found\n");
	for (size_t i = 0; i < n; i++) {
		bool has_expected = i < expected->n, has_found = skip + i < found->n;
		bool same = has_expected && has_found && token_matches(&expected->tokens[i], &found->tokens[skip + i]);

		strcpy(left, "-");
		strcpy(right, "-");
		if (has_expected)
			print_token(left, &expected->tokens[i], true);
		if (has_found)
			print_token(right, &found->tokens[skip + i], false);
		snprintf(line, sizeof(line), "  %s %-30s  %s\n", same ? "   " : marked ? "  |" : "-->", left, right);
		marked |= !same;
		add_text(out, line);
	}
}
