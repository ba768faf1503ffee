#ifndef LEADERD_PERFORM_UPSTREAM_H
#define LEADERD_PERFORM_UPSTREAM_H

/*
 * The effects of what upstream sent: undo, apply, stage, replay. And what every
 * effect has in common: its answer, and the step's first failure.
 */

#include "base/must.h"
#include "leaderd/src/leader.h"
#include "model/leader_step.h"

/* What the machine waits for after the effects of one step. */
struct answer {
	bool due;
	struct leader_input input;
};

static inline void answer(struct answer *ret, enum leader_input_kind kind, enum leader_outcome outcome) {
	must(!ret->due);
	*ret = (struct answer){ .due = true, .input = { .kind = kind, .outcome = outcome } };
}

static inline bool failed(const struct leader *leader) {
	return leader->step.failure.code != 0;
}

/* The first failure of a step is the one that is told. */
static inline void note(struct leader *leader, int r, const struct error *why) {
	if (r < 0 && !failed(leader))
		leader->step.failure = *why;
}

static inline enum leader_outcome outcome_of(const struct leader *leader) {
	return failed(leader) ? LEADER_FAILED : LEADER_DONE;
}

void step_drop_displaced(struct step *step);

void perform_undo(struct leader *leader, struct position from, struct answer *ret);
void perform_apply(struct leader *leader, const struct leader_effect *effect, struct answer *ret);
void perform_stage(struct leader *leader, struct answer *ret);
void perform_drop_staged(struct leader *leader);
void perform_apply_staged(struct leader *leader, struct answer *ret);
void perform_take_displaced(struct leader *leader, struct answer *ret);
int perform_confirm(struct leader *leader, const struct leader_effect *effect, struct error *error);
int perform_set_upstream(struct leader *leader, struct position head, struct error *error);

#endif
