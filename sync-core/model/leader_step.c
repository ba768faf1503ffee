/*
 * The leader machine; step 6 of docs/ARCHITECTURE.md.
 * Its drawing and its rules are in leader_step.h.
 */

#include "model/leader_step.h"

#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "model/notation.h"
#include "model/unit.h"

/* ---- names, effects, trace ----------------------------------------------------- */

static const char *const state_names[] = {
	[LEADER_IDLE] = "idle",           [LEADER_ADMITTING] = "admitting",
	[LEADER_GROUP] = "group",         [LEADER_UNDOING] = "undoing",
	[LEADER_APPLYING] = "applying",   [LEADER_TAKING] = "taking",
	[LEADER_REPLAYING] = "replaying", [LEADER_LOGGING] = "logging",
	[LEADER_SETTLING] = "settling",   [LEADER_CATCHING_UP] = "catching up",
	[LEADER_STAGING] = "staging",     [LEADER_STOPPED] = "stopped",
};

const char *leader_state_name(enum leader_state state) {
	return state_names[state];
}

static struct leader_effect *effect_add(struct leader_effects *effects, enum leader_effect_kind kind) {
	struct leader_effect *effect;

	must(effects->n < LEADER_EFFECTS_MAX);
	effect = &effects->list[effects->n++];
	*effect = (struct leader_effect){ .kind = kind };
	return effect;
}

/* The arguments are looked at only when someone listens. */
#define trace(leader, effects, ...)                     \
	do {                                                \
		if ((leader)->tracing)                          \
			trace_write((effects)->trace, __VA_ARGS__); \
	} while (0)

static const char *print(char text[POSITION_TEXT_BYTES], struct position at) {
	position_print(text, at);
	return text;
}

/* ---- the table of moves, and the invariants ------------------------------------- */

#define TO(state) (1u << (state))

/* From each state, the states that one step may lead to. */
static const unsigned moves[] = {
	[LEADER_IDLE] = TO(LEADER_IDLE) | TO(LEADER_ADMITTING) | TO(LEADER_GROUP) | TO(LEADER_UNDOING) |
	                TO(LEADER_APPLYING) | TO(LEADER_STAGING),
	[LEADER_STAGING] = TO(LEADER_IDLE) | TO(LEADER_UNDOING),
	[LEADER_ADMITTING] = TO(LEADER_GROUP) | TO(LEADER_IDLE),
	[LEADER_GROUP] = TO(LEADER_GROUP) | TO(LEADER_ADMITTING) | TO(LEADER_LOGGING) | TO(LEADER_IDLE),
	[LEADER_UNDOING] = TO(LEADER_APPLYING) | TO(LEADER_TAKING) | TO(LEADER_IDLE),
	[LEADER_APPLYING] = TO(LEADER_TAKING) | TO(LEADER_LOGGING) | TO(LEADER_IDLE),
	[LEADER_TAKING] = TO(LEADER_TAKING) | TO(LEADER_REPLAYING) | TO(LEADER_LOGGING) | TO(LEADER_IDLE),
	[LEADER_REPLAYING] = TO(LEADER_REPLAYING) | TO(LEADER_TAKING) | TO(LEADER_IDLE),
	[LEADER_LOGGING] = TO(LEADER_SETTLING) | TO(LEADER_IDLE) | TO(LEADER_STOPPED),
	[LEADER_SETTLING] = TO(LEADER_IDLE) | TO(LEADER_CATCHING_UP),
	[LEADER_CATCHING_UP] = TO(LEADER_IDLE) | TO(LEADER_CATCHING_UP),
	[LEADER_STOPPED] = TO(LEADER_STOPPED),
};

static void check_invariants(const struct leader_machine *leader, enum leader_state before, uint64_t generation) {
	must(before == leader->state || (moves[before] & TO(leader->state)));
	must(position_compare(leader->upstream_head, leader->head) <= 0);
	must(leader->has_backend || position_is_root(leader->upstream_head) || leader->upstream_head.client == 0);
	must(leader->generation >= generation);
	must(leader->begun ==
	     (leader->state != LEADER_IDLE && leader->state != LEADER_STOPPED && leader->state != LEADER_STAGING &&
	      leader->state != LEADER_SETTLING && leader->state != LEADER_CATCHING_UP));
	must(leader->unit_at <= leader->n_unit);
}

/* ---- life ------------------------------------------------------------------------ */

void leader_machine_init(struct leader_machine *leader, const struct leader_start *start) {
	must(position_compare(start->upstream_head, start->head) <= 0);
	*leader = (struct leader_machine){
		.state = LEADER_IDLE,
		.has_backend = start->has_backend,
		.head = start->head,
		.upstream_head = start->upstream_head,
		.generation = start->generation,
		.next_head = start->head,
		.next_upstream = start->upstream_head,
	};
}

void leader_machine_finish(struct leader_machine *leader) {
	free(leader->unit);
	*leader = (struct leader_machine){ 0 };
}

static int keep_units(struct leader_machine *leader, const struct leader_input *input, struct error *error) {
	if (input->n_unit > leader->allocated) {
		struct entry *unit = realloc(leader->unit, input->n_unit * sizeof(*unit));

		if (!unit)
			return error_no_memory(error);
		leader->unit = unit;
		leader->allocated = input->n_unit;
	}
	memcpy(leader->unit, input->unit, input->n_unit * sizeof(*leader->unit));
	leader->n_unit = input->n_unit;
	leader->unit_at = 0;
	return 0;
}

static void reset_step(struct leader_machine *leader) {
	leader->state = LEADER_IDLE;
	leader->begun = false;
	leader->rebased = leader->apply_staged = leader->more = false;
	leader->next_head = leader->head;
	leader->next_upstream = leader->upstream_head;
	leader->events = NULL;
	leader->refused = NULL;
	leader->n_events = leader->n_confirmed = leader->n_refused = leader->n_unit = leader->unit_at = 0;
}

/* The environment failed: the machine is where it was before the step. */
static void abandon(struct leader_machine *leader, struct leader_effects *effects) {
	trace(leader, effects, "the step is abandoned while %s", state_names[leader->state]);
	reset_step(leader);
	effect_add(effects, LEADER_ABANDON);
}

static void begin(struct leader_machine *leader, struct leader_effects *effects) {
	if (leader->begun)
		return;
	leader->begun = true;
	effect_add(effects, LEADER_BEGIN);
}

/* ---- units under admission: pushed, or displaced and replayed -------------------- */

static size_t current_unit_length(const struct leader_machine *leader) {
	return leader->unit[leader->unit_at].unit_count;
}

static struct leader_effect *unit_effect(struct leader_machine *leader, struct leader_effects *effects,
                                         enum leader_effect_kind kind) {
	struct leader_effect *effect = effect_add(effects, kind);

	effect->unit = leader->unit + leader->unit_at;
	effect->n_unit = current_unit_length(leader);
	effect->replay = leader->rebased;
	return effect;
}

static void admit_current(struct leader_machine *leader, struct leader_effects *effects) {
	merge_place(leader->next_head, leader->unit + leader->unit_at, current_unit_length(leader));
	unit_effect(leader, effects, LEADER_ADMIT);
}

static int take_push(struct leader_machine *leader, const struct leader_input *input, struct leader_effects *effects,
                     struct error *error) {
	char at[POSITION_TEXT_BYTES];
	int r = input->n_unit == 0 ? error_set(error, ERROR_INVALID, "an empty unit was pushed")
	                           : units_check(input->unit, input->n_unit, error);

	if (r == 0 && input->unit[0].unit_count != input->n_unit)
		r = error_set(error, ERROR_INVALID, "a push held more than one unit");
	if (r == 0)
		r = keep_units(leader, input, error);
	if (r < 0)
		return r;
	begin(leader, effects);
	leader->state = LEADER_GROUP;
	switch (input->known) {
	case LEADER_NEW:
		leader->state = LEADER_ADMITTING;
		admit_current(leader, effects);
		trace(leader, effects, "a unit of %zu is taken at %s", input->n_unit, print(at, leader->unit[0].at));
		break;
	case LEADER_KNOWN:
		unit_effect(leader, effects, LEADER_REPORT_KNOWN);
		trace(leader, effects, "a unit of %zu is known already", input->n_unit);
		break;
	case LEADER_CONFLICT:
		unit_effect(leader, effects, LEADER_REPORT_CONFLICT);
		trace(leader, effects, "a unit of %zu has a known id with other content", input->n_unit);
		break;
	}
	return 0;
}

static void settle_current(struct leader_machine *leader, enum leader_outcome outcome, struct leader_effects *effects) {
	size_t length = current_unit_length(leader);
	char at[POSITION_TEXT_BYTES];

	print(at, leader->unit[leader->unit_at].at);
	if (outcome == LEADER_DONE) {
		unit_effect(leader, effects, LEADER_APPEND);
		leader->next_head = leader->unit[leader->unit_at + length - 1].at;
		trace(leader, effects, "the unit stands at %s", at);
	} else {
		unit_effect(leader, effects, LEADER_RECORD_REFUSED);
		trace(leader, effects, "the unit at %s is refused", at);
	}
	leader->unit_at += length;
}

static void take_admitted(struct leader_machine *leader, const struct leader_input *input,
                          struct leader_effects *effects) {
	if (input->outcome == LEADER_FAILED) {
		abandon(leader, effects);
		return;
	}
	must(input->outcome == LEADER_DONE || input->outcome == LEADER_REFUSED);
	settle_current(leader, input->outcome, effects);
	leader->state = LEADER_GROUP;
}

/* ---- pages from upstream ---------------------------------------------------------- */

static void apply_incoming(struct leader_machine *leader, struct leader_effects *effects) {
	struct leader_effect *effect;

	leader->state = LEADER_APPLYING;
	if (leader->apply_staged) {
		effect_add(effects, LEADER_APPLY_STAGED);
		return;
	}
	if (leader->n_confirmed > 0) {
		effect = effect_add(effects, LEADER_CONFIRM);
		effect->n = leader->n_confirmed;
	}
	effect = effect_add(effects, LEADER_APPLY);
	effect->first = leader->n_confirmed;
	effect->n = leader->n_events - leader->n_confirmed;
}

static void undo_from(struct leader_machine *leader, struct position from, struct leader_effects *effects) {
	leader->rebased = true;
	leader->state = LEADER_UNDOING;
	effect_add(effects, LEADER_UNDO)->from = from;
}

static struct merge_view view_of(const struct leader_machine *leader, const struct leader_input *input) {
	const struct leader_staging *staged = &leader->staged;
	struct merge_view view = { .upstream_head = leader->upstream_head,
		                       .local_head = leader->head,
		                       .synced_only = true };

	if (staged->active) {
		view.continues = staged->head;
		view.n_arrived = staged->n_arrived;
		view.diverged = true;
	}
	if (staged->active ? staged->adopt : input->adopt) /* of the old history nothing is looked at */
		view.upstream_head = view.local_head =
			(struct position){ (staged->active ? staged->from : input->adopt_from).global - 1, 0 };
	return view;
}

static void rebase_onto_staged(struct leader_machine *leader, struct leader_effects *effects) {
	char text[POSITION_TEXT_BYTES];

	begin(leader, effects);
	leader->apply_staged = true;
	leader->next_upstream = leader->staged.head;
	undo_from(leader, leader->staged.from, effects);
	trace(leader, effects, "rebase onto what was staged, to %s", print(text, leader->staged.head));
}

static void stage(struct leader_machine *leader, const struct leader_input *input, const struct merge_result *merged,
                  struct leader_effects *effects) {
	char text[POSITION_TEXT_BYTES];

	leader->next_staged = leader->staged;
	if (!leader->staged.active)
		leader->next_staged = (struct leader_staging){ .active = true,
			                                           .adopt = input->adopt,
			                                           .from = input->adopt ? input->adopt_from : merged->undo_from };
	leader->next_staged.head = merged->upstream_head;
	leader->next_staged.n_arrived = merged->n_left;
	leader->more = input->more;
	leader->state = LEADER_STAGING;
	effect_add(effects, LEADER_STAGE);
	trace(leader, effects, "a page that differs is staged, to %s", print(text, merged->upstream_head));
}

static void take_differing_page(struct leader_machine *leader, const struct leader_input *input,
                                const struct merge_result *merged, struct leader_effects *effects) {
	bool alone = !leader->staged.active && !input->adopt && !input->more;

	if (alone) {
		begin(leader, effects);
		undo_from(leader, merged->undo_from, effects);
	} else if (input->n_events > 0 || !leader->staged.active) {
		stage(leader, input, merged, effects);
	} else if (!input->more) {
		rebase_onto_staged(leader, effects);
	} else {
		reset_step(leader); /* an empty page between others: what was staged is not confirmed yet */
	}
}

static int take_page(struct leader_machine *leader, const struct leader_input *input, struct leader_effects *effects,
                     struct error *error) {
	struct merge_view view = view_of(leader, input);
	struct payload payload = { .kind = PAYLOAD_ADVANCE, .events = input->events, .n_events = input->n_events };
	struct merge_result merged;
	char text[POSITION_TEXT_BYTES];
	int r;

	if (!leader->has_backend)
		return error_set(error, ERROR_INVALID, "a page came for a store without a backend");
	r = merge(&view, &payload, &merged, error);
	if (r < 0)
		return r;
	leader->events = input->events;
	leader->n_events = input->n_events;
	leader->n_confirmed = merged.n_confirmed;
	leader->next_upstream = merged.upstream_head;
	trace(leader, effects, "%s to %s: %zu confirmed, %zu new", merged.kind == MERGE_REBASE ? "rebase" : "advance",
	      print(text, merged.upstream_head), merged.n_confirmed, input->n_events - merged.n_confirmed);
	if (merged.kind == MERGE_REBASE || input->adopt || leader->staged.active) {
		take_differing_page(leader, input, &merged, effects);
	} else {
		begin(leader, effects);
		apply_incoming(leader, effects);
	}
	return 0;
}

static void take_staged(struct leader_machine *leader, const struct leader_input *input,
                        struct leader_effects *effects) {
	if (input->outcome == LEADER_FAILED) {
		leader->staged = (struct leader_staging){ 0 };
		abandon(leader, effects);
		effect_add(effects, LEADER_DROP_STAGED);
		return;
	}
	leader->staged = leader->next_staged;
	if (leader->more)
		reset_step(leader);
	else
		rebase_onto_staged(leader, effects);
}

static int take_refusal(struct leader_machine *leader, const struct leader_input *input, struct leader_effects *effects,
                        struct error *error) {
	char first[POSITION_TEXT_BYTES];

	print(first, input->refused_first);
	if (input->n_refused == 0 || position_compare(input->refused_first, leader->upstream_head) <= 0 ||
	    position_compare(input->refused_first, leader->head) > 0)
		return error_set(error, ERROR_PROTOCOL, "the backend refused %s, which is not pending", first);
	if (leader->staged.active) { /* positions move under it: pulled afresh */
		leader->staged = (struct leader_staging){ 0 };
		effect_add(effects, LEADER_DROP_STAGED);
	}
	begin(leader, effects);
	leader->refused = input->refused;
	leader->n_refused = input->n_refused;
	undo_from(leader, input->refused_first, effects);
	trace(leader, effects, "%zu events are refused by the backend, back to before %s", input->n_refused, first);
	return 0;
}

static void take_more_displaced(struct leader_machine *leader, struct leader_effects *effects) {
	leader->state = LEADER_TAKING;
	leader->n_unit = leader->unit_at = 0;
	effect_add(effects, LEADER_TAKE_DISPLACED);
}

static void take_undone(struct leader_machine *leader, const struct leader_input *input,
                        struct leader_effects *effects) {
	char head[POSITION_TEXT_BYTES];

	if (input->outcome == LEADER_FAILED) {
		abandon(leader, effects);
		return;
	}
	leader->next_head = leader->rebased_from = input->head;
	if (leader->n_events > 0 || leader->apply_staged)
		apply_incoming(leader, effects);
	else
		take_more_displaced(leader, effects);
	trace(leader, effects, "undone back to %s", print(head, input->head));
}

static void commit_log(struct leader_machine *leader, struct leader_effects *effects) {
	if (leader->apply_staged || !position_equal(leader->next_upstream, leader->upstream_head))
		effect_add(effects, LEADER_SET_UPSTREAM)->head = leader->next_upstream;
	effect_add(effects, LEADER_COMMIT_LOG);
	leader->state = LEADER_LOGGING;
}

static void take_applied(struct leader_machine *leader, const struct leader_input *input,
                         struct leader_effects *effects) {
	if (input->outcome == LEADER_FAILED) {
		abandon(leader, effects);
		return;
	}
	if (leader->apply_staged && position_compare(leader->staged.head, leader->next_head) > 0)
		leader->next_head = leader->staged.head;
	else if (!leader->apply_staged && leader->n_events > leader->n_confirmed)
		leader->next_head = leader->events[leader->n_events - 1].entry.at;
	if (leader->rebased)
		take_more_displaced(leader, effects);
	else
		commit_log(leader, effects);
}

/* Units that the backend refused are recorded without being tried. */
static void replay_next(struct leader_machine *leader, struct leader_effects *effects) {
	const struct payload refusal = { .refused = leader->refused, .n_refused = leader->n_refused };

	if (leader->unit_at == leader->n_unit) {
		take_more_displaced(leader, effects);
		return;
	}
	leader->state = LEADER_REPLAYING;
	admit_current(leader, effects);
	for (size_t i = 0; i < current_unit_length(leader); i++) {
		if (merge_is_refused(&refusal, &leader->unit[leader->unit_at + i])) {
			effects->list[effects->n - 1].refused_by_backend = true;
			return;
		}
	}
}

static int take_displaced(struct leader_machine *leader, const struct leader_input *input,
                          struct leader_effects *effects, struct error *error) {
	int r;

	if (input->outcome == LEADER_FAILED) {
		abandon(leader, effects);
		return 0;
	}
	if (input->n_unit == 0) {
		commit_log(leader, effects);
		return 0;
	}
	r = units_check(input->unit, input->n_unit, error);
	if (r == 0)
		r = keep_units(leader, input, error);
	if (r < 0)
		return r;
	replay_next(leader, effects);
	return 0;
}

static void take_replayed(struct leader_machine *leader, const struct leader_input *input,
                          struct leader_effects *effects) {
	if (input->outcome == LEADER_FAILED) {
		abandon(leader, effects);
		return;
	}
	settle_current(leader, input->outcome, effects);
	replay_next(leader, effects);
}

/* ---- the end of a step ------------------------------------------------------------- */

static void take_logged(struct leader_machine *leader, const struct leader_input *input,
                        struct leader_effects *effects) {
	struct leader_effect *effect;

	if (input->outcome == LEADER_FAILED) {
		abandon(leader, effects);
		return;
	}
	leader->begun = false;
	if (input->outcome == LEADER_UNKNOWN) {
		reset_step(leader);
		leader->state = LEADER_STOPPED;
		effect_add(effects, LEADER_STOP);
		trace(leader, effects, "a sync failed: nothing is written until a restart");
		return;
	}
	leader->head = leader->next_head;
	leader->upstream_head = leader->next_upstream;
	leader->generation += leader->rebased;
	if (leader->apply_staged)
		leader->staged = (struct leader_staging){ 0 };
	leader->state = LEADER_SETTLING;
	effect = effect_add(effects, LEADER_COMMIT_STATE);
	effect->trim_to = leader->has_backend ? leader->upstream_head : leader->head;
	trace(leader, effects, "the log is durable");
}

static void finish_step(struct leader_machine *leader, struct leader_effects *effects) {
	struct leader_effect *effect = effect_add(effects, LEADER_TELL);
	char head[POSITION_TEXT_BYTES];

	effect->rebased = leader->rebased;
	effect->from = leader->rebased_from;
	reset_step(leader);
	trace(leader, effects, "the head is %s", print(head, leader->head));
}

static void take_settled(struct leader_machine *leader, const struct leader_input *input,
                         struct leader_effects *effects) {
	if (input->outcome == LEADER_DONE) {
		finish_step(leader, effects);
		return;
	}
	leader->state = LEADER_CATCHING_UP;
	effect_add(effects, LEADER_ROLL_FORWARD);
	trace(leader, effects, "the state is behind the log and is %s",
	      input->kind == LEADER_CAUGHT_UP ? "rolled forward again" : "rolled forward");
}

/* ---- the door ------------------------------------------------------------------------ */

static void take_backend(struct leader_machine *leader, const struct leader_input *input,
                         struct leader_effects *effects) {
	leader->has_backend = input->has_backend;
	trace(leader, effects, "a backend was %s", input->has_backend ? "attached" : "detached");
}

static int take_idle(struct leader_machine *leader, const struct leader_input *input, struct leader_effects *effects,
                     struct error *error) {
	switch (input->kind) {
	case LEADER_PUSH:
		return take_push(leader, input, effects, error);
	case LEADER_PAGE:
		return take_page(leader, input, effects, error);
	case LEADER_REFUSAL:
		return take_refusal(leader, input, effects, error);
	case LEADER_BACKEND:
		take_backend(leader, input, effects);
		return 0;
	case LEADER_FLUSH:
		return 0;
	default:
		must(!"an answer came that nobody waits for");
		return ERROR_INVALID;
	}
}

static int take_group(struct leader_machine *leader, const struct leader_input *input, struct leader_effects *effects,
                      struct error *error) {
	if (input->kind == LEADER_PUSH)
		return take_push(leader, input, effects, error);
	if (input->kind != LEADER_FLUSH)
		return LEADER_LATER;
	commit_log(leader, effects);
	return 0;
}

/* Which answer each waiting state takes. */
static const enum leader_input_kind answers[] = {
	[LEADER_ADMITTING] = LEADER_ADMITTED, [LEADER_UNDOING] = LEADER_UNDONE,   [LEADER_APPLYING] = LEADER_APPLIED,
	[LEADER_STAGING] = LEADER_STAGED,     [LEADER_TAKING] = LEADER_DISPLACED, [LEADER_REPLAYING] = LEADER_ADMITTED,
	[LEADER_LOGGING] = LEADER_LOGGED,     [LEADER_SETTLING] = LEADER_SETTLED, [LEADER_CATCHING_UP] = LEADER_CAUGHT_UP,
};

static int take_answer(struct leader_machine *leader, const struct leader_input *input, struct leader_effects *effects,
                       struct error *error) {
	switch (leader->state) {
	case LEADER_ADMITTING:
		take_admitted(leader, input, effects);
		return 0;
	case LEADER_UNDOING:
		take_undone(leader, input, effects);
		return 0;
	case LEADER_APPLYING:
		take_applied(leader, input, effects);
		return 0;
	case LEADER_STAGING:
		take_staged(leader, input, effects);
		return 0;
	case LEADER_TAKING:
		return take_displaced(leader, input, effects, error);
	case LEADER_REPLAYING:
		take_replayed(leader, input, effects);
		return 0;
	case LEADER_LOGGING:
		take_logged(leader, input, effects);
		return 0;
	case LEADER_SETTLING:
	case LEADER_CATCHING_UP:
		take_settled(leader, input, effects);
		return 0;
	default:
		must(!"no answer is outstanding");
		return ERROR_INVALID;
	}
}

int leader_step(struct leader_machine *leader, const struct leader_input *input, struct leader_effects *ret_effects,
                struct error *error) {
	enum leader_state before = leader->state;
	uint64_t generation = leader->generation;
	int r;

	ret_effects->n = 0;
	ret_effects->trace[0] = '\0';
	if (before == LEADER_STOPPED)
		return LEADER_LATER;
	if (before == LEADER_IDLE)
		r = take_idle(leader, input, ret_effects, error);
	else if (before == LEADER_GROUP)
		r = take_group(leader, input, ret_effects, error);
	else if (input->kind == answers[before])
		r = take_answer(leader, input, ret_effects, error);
	else
		return LEADER_LATER;
	if (r != 0)
		ret_effects->n = 0;
	check_invariants(leader, before, generation);
	return r;
}
