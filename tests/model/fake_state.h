#ifndef LEADERD_TEST_FAKE_STATE_H
#define LEADERD_TEST_FAKE_STATE_H

/*
 * A state without SQLite: a list of applied events, and a few keys that
 * materializers create and remove. Undo and refusal depend on what stands
 * before, as they do in a real one.
 */

#include <stdbool.h>
#include <stddef.h>

#include "model/event.h"

#define FAKE_KEYS 6u
#define FAKE_EVENTS_MAX 512u

enum fake_operation {
	FAKE_CREATE, /* refused while the key exists */
	FAKE_REMOVE, /* refused while it does not */
	FAKE_TOUCH,  /* never refused */
	FAKE_LOOK    /* client-only; refused while the key does not exist */
};

/* An event's content: its number in the world, what it does, and to which key. */
struct fake_event {
	enum fake_operation operation;
	unsigned key;
	unsigned session; /* number in the world */
	unsigned unit_first, unit_count;
};

struct fake_row {
	unsigned event;
	struct position at;
};

struct fake_state {
	struct fake_row rows[FAKE_EVENTS_MAX];
	size_t n;
	struct position head, base; /* base: undo reaches back to here */
	bool keys[FAKE_KEYS];
};

/* The number of an event in its world, from its id. */
unsigned fake_number(const struct entry *entry);
void fake_entry(struct entry *ret, const struct fake_event *events, unsigned number, struct position at);

bool fake_apply(struct fake_state *state, const struct fake_event *events, const struct entry *unit, size_t n);
bool fake_undo(struct fake_state *state, const struct fake_event *events,
               struct position to); /* false: beyond the journal */
bool fake_equal(const struct fake_state *a, const struct fake_state *b);

#endif
