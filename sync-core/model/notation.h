#ifndef LEADERD_MODEL_NOTATION_H
#define LEADERD_MODEL_NOTATION_H

/*
 * The notation: how positions, events and chains are written for people.
 *
 *   [Node:]e{global}[.{client}][r{generation}]['][{context}][/{origin}...]
 *
 * e3, e5.1, e3r1, e3', A:e3', B:e5'/e3' (oldest origin last), e3{todoCreated};
 * on input {context} may also stand behind the origins. An origin is itself
 * e{global}[.{client}][r{generation}]['] ; its mark is ignored on input and
 * always printed. A chain is tokens joined by " → "; "->" is accepted on input.
 * This is the only module that prints or parses it.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "model/event.h"

struct notation {
	char node[65]; /* empty: none named; letters, digits, '.', '_', '-' */
	struct position at;
	bool has_generation;
	uint64_t generation;
	bool unconfirmed;                     /* the mark ' */
	char context[256];                    /* empty: none; any characters but { } and control ones */
	struct position origins[ORIGINS_MAX]; /* newest first, oldest last */
	uint32_t n_origins;
};

/* Prints one token; `ret` has NOTATION_BYTES_MAX bytes, which always suffice.
 * Returns the length without the NUL. */
size_t notation_print(char *ret, const struct notation *n);

/* Parses exactly one token (no surrounding space). On a mistake: ERROR_INVALID,
 * with the column (from 1), what was found and what was expected. */
int notation_parse(struct notation *ret, const char *text, struct error *error);

/* Parses a chain of at most `n_max` tokens; ERROR_TOO_LARGE past that. An empty
 * or blank text is an empty chain. */
int notation_parse_chain(struct notation *ret, size_t n_max, size_t *ret_n, const char *text, struct error *error);

/* Just a position: e3, e5.1, and e0 for root. */
int position_parse(struct position *ret, const char *text, struct error *error);
#define POSITION_TEXT_BYTES 48u
void position_print(char ret[POSITION_TEXT_BYTES], struct position p);

/* Fills the notation of an event: node, context and mark as the caller says
 * (node and context may be NULL); origins only while unconfirmed. */
void notation_of_event(struct notation *ret, const struct event *event, const char *node, bool unconfirmed,
                       const char *context);

/* Does `found` match `expected`? Parts that `expected` leaves out (node,
 * generation, origins, context) are not compared; position and mark always. */
bool notation_matches(const struct notation *expected, const struct notation *found);

#endif
