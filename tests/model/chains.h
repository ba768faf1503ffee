#ifndef LEADERD_TEST_CHAINS_H
#define LEADERD_TEST_CHAINS_H

/*
 * Events for stories: an event is a letter, its id and content follow from it;
 * where it stands is written in the notation. "a@e3 b@e4 c@e4.1" is a chain.
 * "(b c)@e4" is a unit of two, from e4 on.
 */

#include <stdbool.h>
#include <stddef.h>

#include "model/event.h"
#include "model/merge.h"

#define CHAIN_MAX 32u

struct chain {
	struct entry entries[CHAIN_MAX];
	size_t n;
};

struct chain chain_of(const char *text);
struct event_id id_of(char letter);
char letter_of(const struct entry *entry);

/* The same as text, for comparing: "a@e3 b@e4". Borrowed until the next call but three. */
const char *chain_text(const struct entry *entries, size_t n);
const char *pending_text(const struct pending *pending, size_t n); /* suspended ones have a '?' behind */

struct position at(const char *text);

#endif
