/*
 * The notation: what can be parsed is printed in a form that parses to the same,
 * and that form is printed unchanged.
 */

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "fuzz.h"
#include "model/notation.h"

#define CHAIN_MAX 8u

static bool is_same(const struct notation *a, const struct notation *b) {
	if (strcmp(a->node, b->node) != 0 || strcmp(a->context, b->context) != 0 || a->n_origins != b->n_origins)
		return false;
	for (uint32_t i = 0; i < a->n_origins; i++)
		if (!position_equal(a->origins[i], b->origins[i]))
			return false;
	return position_equal(a->at, b->at) && a->has_generation == b->has_generation &&
	       (!a->has_generation || a->generation == b->generation) && a->unconfirmed == b->unconfirmed;
}

static void print_and_parse(const struct notation *parsed) {
	char text[NOTATION_BYTES_MAX], text_again[NOTATION_BYTES_MAX];
	struct notation again = { 0 };
	struct error error = { 0 };
	size_t n = notation_print(text, parsed);

	fuzz_expect(n < sizeof(text) && strlen(text) == n);
	fuzz_expect(notation_parse(&again, text, &error) == 0);
	fuzz_expect(is_same(parsed, &again));
	fuzz_expect(notation_matches(parsed, &again) && notation_matches(&again, parsed));
	notation_print(text_again, &again);
	fuzz_expect(strcmp(text, text_again) == 0);
}

static void take_token(const char *text) {
	struct notation parsed = { 0 };
	struct error error = { 0 };
	int r = notation_parse(&parsed, text, &error);

	fuzz_expect_told(r, &error);
	if (r == 0)
		print_and_parse(&parsed);
}

static void take_chain(const char *text) {
	struct notation chain[CHAIN_MAX] = { 0 };
	struct error error = { 0 };
	size_t n = 0;
	int r = notation_parse_chain(chain, CHAIN_MAX, &n, text, &error);

	fuzz_expect_told(r, &error);
	for (size_t i = 0; r == 0 && i < n; i++)
		print_and_parse(&chain[i]);
}

static void take_position(const char *text) {
	char printed[POSITION_TEXT_BYTES];
	struct position parsed, again;
	struct error error = { 0 };
	int r = position_parse(&parsed, text, &error);

	fuzz_expect_told(r, &error);
	if (r < 0)
		return;
	position_print(printed, parsed);
	fuzz_expect(position_parse(&again, printed, &error) == 0 && position_equal(parsed, again));
}

static void take_event_id(const char *text) {
	char printed[EVENT_ID_TEXT_BYTES];
	struct event_id parsed, again;

	if (!event_id_parse(&parsed, text))
		return;
	event_id_print(printed, &parsed);
	fuzz_expect(event_id_parse(&again, printed) && event_id_equal(&parsed, &again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
	struct fuzz_input input = { data, n };
	char *text = fuzz_text(&input);

	take_token(text);
	take_chain(text);
	take_position(text);
	take_event_id(text);
	free(text);
	return 0;
}
