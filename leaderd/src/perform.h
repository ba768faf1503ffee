#ifndef LEADERD_PERFORM_H
#define LEADERD_PERFORM_H

/*
 * Perform: the one function that does what the leader's machine decides. Effects
 * are performed in the order in which they are listed, and an answer is fed back
 * until the machine is quiet.
 *
 * An effect without an answer that fails is remembered, and the next answer says
 * FAILED: so the machine hears of it before anything is committed.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "model/leader_step.h"

struct leader;
struct unit;

/* What a page or a refusal of the backend brings along; the caller's until IDLE. */
struct step_upstream {
	struct event *const *events; /* of the page, parallel to the input's */
	size_t n_events;
	const void *cursor;
	size_t cursor_bytes;
	const char *refusal_reason;
};

/* What the effects of one step share. Zeroed between steps. */
struct step {
	struct unit *unit;        /* of the PUSH under way; in the group */
	struct error failure;     /* the first failure of the environment; code 0: none */
	struct error reason;      /* why the newest unit was refused */
	struct event **displaced; /* owned: the units that the machine replays */
	struct entry *displaced_entries;
	size_t n_displaced, displaced_at;
	const struct step_upstream *upstream;
	bool marked; /* refusals were marked as reported */
};

/* Gives one input, performs, and goes on until the machine waits for something
 * from outside. What leader_step answered: 0, LEADER_LATER, or a negative code
 * with nothing changed. */
int perform(struct leader *leader, const struct leader_input *input, struct error *error);

/* The state is behind the log: tries again to roll it forward. */
void perform_catch_up(struct leader *leader);

void step_finish(struct step *step);

#endif
