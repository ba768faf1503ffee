/* The upstream machine; step 9 of docs/ARCHITECTURE.md. See upstream_step.h. */

#include "model/upstream_step.h"

#include "base/must.h"

static const char *const state_names[] = {
	[UPSTREAM_OFF] = "off",
	[UPSTREAM_RESTING] = "resting",
	[UPSTREAM_OPENING] = "connecting",
	[UPSTREAM_PULLING] = "pulling",
	[UPSTREAM_MERGING] = "merging",
	[UPSTREAM_PUSHING] = "pushing",
	[UPSTREAM_FOLLOWING] = "following",
	[UPSTREAM_HELD] = "held",
};

const char *upstream_state_name(enum upstream_state state) {
	return state_names[state];
}

void upstream_machine_init(struct upstream_machine *upstream) {
	*upstream = (struct upstream_machine){ .state = UPSTREAM_OFF };
}

static struct upstream_effect *effect_add(struct upstream_effects *effects, enum upstream_effect_kind kind) {
	struct upstream_effect *effect;

	must(effects->n < UPSTREAM_EFFECTS_MAX);
	effect = &effects->list[effects->n++];
	*effect = (struct upstream_effect){ .kind = kind };
	return effect;
}

static void set_timer(struct upstream_machine *upstream, uint64_t at_ms, struct upstream_effects *effects) {
	if (upstream->timer_ms == at_ms)
		return;
	upstream->timer_ms = at_ms;
	effect_add(effects, UPSTREAM_DO_TIMER)->at_ms = at_ms;
}

static void expect_answer(struct upstream_machine *upstream, const struct upstream_input *input,
                          struct upstream_effects *effects) {
	set_timer(upstream, input->now_ms + UPSTREAM_ANSWER_MS_MAX, effects);
}

/* ---- moves ----------------------------------------------------------------------- */

static void stop(struct upstream_machine *upstream, struct upstream_effects *effects) {
	if (upstream->started)
		effect_add(effects, UPSTREAM_DO_STOP);
	upstream->started = upstream->live = upstream->more = upstream->pull_again = upstream->fruitless =
		upstream->after_push = false;
}

static void start(struct upstream_machine *upstream, const struct upstream_input *input,
                  struct upstream_effects *effects) {
	stop(upstream, effects);
	upstream->state = UPSTREAM_OPENING;
	upstream->started = true;
	effect_add(effects, UPSTREAM_DO_START);
	expect_answer(upstream, input, effects);
}

/* Half of the pause is certain, half is chance: many devices do not come back at once. */
static void rest(struct upstream_machine *upstream, const struct upstream_input *input,
                 struct upstream_effects *effects) {
	uint32_t pause = upstream->rest_ms == 0 ? UPSTREAM_REST_MS_MIN : upstream->rest_ms;

	stop(upstream, effects);
	upstream->rest_ms = pause * 2 < UPSTREAM_REST_MS_MAX ? pause * 2 : UPSTREAM_REST_MS_MAX;
	upstream->state = UPSTREAM_RESTING;
	upstream->resting_since_ms = input->now_ms;
	set_timer(upstream, input->now_ms + pause / 2 + input->chance % (pause / 2 + 1), effects);
}

static void hold(struct upstream_machine *upstream, struct upstream_effects *effects) {
	stop(upstream, effects);
	upstream->state = UPSTREAM_HELD;
	effect_add(effects, UPSTREAM_DO_HOLD);
	set_timer(upstream, 0, effects);
}

static void pull(struct upstream_machine *upstream, const struct upstream_input *input,
                 struct upstream_effects *effects) {
	upstream->state = UPSTREAM_PULLING;
	upstream->pull_again = false;
	effect_add(effects, UPSTREAM_DO_PULL)->live = upstream->live;
	expect_answer(upstream, input, effects);
}

static void push(struct upstream_machine *upstream, const struct upstream_input *input,
                 struct upstream_effects *effects) {
	upstream->state = UPSTREAM_PUSHING;
	effect_add(effects, UPSTREAM_DO_PUSH);
	expect_answer(upstream, input, effects);
}

/* Caught up: what is left to do? */
static void go_on(struct upstream_machine *upstream, const struct upstream_input *input,
                  struct upstream_effects *effects) {
	upstream->rest_ms = 0;
	if (upstream->pull_again) {
		pull(upstream, input, effects);
	} else if (input->pending && upstream->may_push && !upstream->push_blocked) {
		push(upstream, input, effects);
	} else {
		upstream->state = UPSTREAM_FOLLOWING;
		set_timer(upstream, upstream->live ? 0 : input->now_ms + UPSTREAM_POLL_MS, effects);
	}
}

/* ---- inputs ------------------------------------------------------------------------ */

static void take_configure(struct upstream_machine *upstream, const struct upstream_input *input,
                           struct upstream_effects *effects) {
	upstream->wanted = input->wanted;
	upstream->may_push = input->may_push;
	upstream->push_blocked = false;
	upstream->rest_ms = 0;
	if (upstream->state == UPSTREAM_HELD)
		effect_add(effects, UPSTREAM_DO_RELEASE);
	if (!upstream->wanted) {
		stop(upstream, effects);
		upstream->state = UPSTREAM_OFF;
		set_timer(upstream, 0, effects);
	} else if (!upstream->started) {
		start(upstream, input, effects);
	} else if (upstream->state == UPSTREAM_FOLLOWING) {
		go_on(upstream, input, effects);
	}
}

static void take_opened(struct upstream_machine *upstream, const struct upstream_input *input,
                        struct upstream_effects *effects) {
	if (upstream->state != UPSTREAM_OPENING)
		return;
	if (input->lineage == LINEAGE_OTHER) {
		hold(upstream, effects);
		return;
	}
	effect_add(effects, UPSTREAM_DO_TAKE_LINEAGE);
	upstream->live = input->live;
	pull(upstream, input, effects);
}

static void give_page(struct upstream_machine *upstream, const struct upstream_input *input,
                      struct upstream_effects *effects) {
	upstream->more = input->page.more;
	upstream->after_push = false;
	upstream->fruitless &= !input->page.has_events;
	upstream->state = UPSTREAM_MERGING;
	effect_add(effects, UPSTREAM_DO_MERGE);
	set_timer(upstream, 0, effects);
}

static void take_page(struct upstream_machine *upstream, const struct upstream_input *input,
                      struct upstream_effects *effects) {
	bool asked = upstream->state == UPSTREAM_PULLING;

	if (asked && input->page.diverged) {
		hold(upstream, effects);
	} else if (asked || (upstream->state == UPSTREAM_FOLLOWING && input->page.follows)) {
		give_page(upstream, input, effects);
	} else if (upstream->state == UPSTREAM_FOLLOWING && (input->page.is_news || input->page.diverged)) {
		pull(upstream, input, effects);
	} else if (upstream->started) {
		upstream->pull_again |= input->page.is_news || input->page.diverged;
	}
}

static void take_merged(struct upstream_machine *upstream, const struct upstream_input *input,
                        struct upstream_effects *effects) {
	if (upstream->state != UPSTREAM_MERGING)
		return;
	if (input->outcome != MERGED_DONE) {
		if (input->outcome == MERGED_WRONG)
			effect_add(effects, UPSTREAM_DO_HOLD); /* named in the status; it is tried again all the same */
		rest(upstream, input, effects);
	} else if (upstream->more && !upstream->after_push) {
		upstream->more = false;
		pull(upstream, input, effects);
	} else {
		effect_add(effects, UPSTREAM_DO_RELEASE);
		go_on(upstream, input, effects);
	}
}

/* Behind: pull at once, but only while pulls bring something new. */
static void take_behind(struct upstream_machine *upstream, const struct upstream_input *input,
                        struct upstream_effects *effects) {
	if (upstream->fruitless) {
		rest(upstream, input, effects);
		return;
	}
	pull(upstream, input, effects);
	upstream->fruitless = true;
}

static void give_answer(struct upstream_machine *upstream, enum upstream_effect_kind kind,
                        struct upstream_effects *effects) {
	upstream->state = UPSTREAM_MERGING;
	upstream->after_push = true;
	upstream->fruitless = false;
	effect_add(effects, kind);
	set_timer(upstream, 0, effects);
}

static void take_answer(struct upstream_machine *upstream, const struct upstream_input *input,
                        struct upstream_effects *effects) {
	if (upstream->state != UPSTREAM_PUSHING)
		return;
	switch (input->answer) {
	case ANSWER_ACCEPTED:
		give_answer(upstream, UPSTREAM_DO_CONFIRM, effects);
		break;
	case ANSWER_BEHIND:
		take_behind(upstream, input, effects);
		break;
	case ANSWER_DIVERGED:
		hold(upstream, effects);
		break;
	case ANSWER_LATER:
		rest(upstream, input, effects);
		break;
	case ANSWER_REFUSED_EVENTS:
		give_answer(upstream, UPSTREAM_DO_REFUSE, effects);
		break;
	case ANSWER_REFUSED:
		if (!input->permanent) {
			rest(upstream, input, effects);
			break;
		}
		upstream->push_blocked = true;
		effect_add(effects, UPSTREAM_DO_HOLD);
		go_on(upstream, input, effects);
		break;
	}
}

static void take_problem(struct upstream_machine *upstream, const struct upstream_input *input,
                         struct upstream_effects *effects) {
	if (!upstream->started)
		return;
	if (input->permanent)
		hold(upstream, effects);
	else
		rest(upstream, input, effects);
}

static void take_pending(struct upstream_machine *upstream, const struct upstream_input *input,
                         struct upstream_effects *effects) {
	if (upstream->state == UPSTREAM_FOLLOWING && input->pending && upstream->may_push && !upstream->push_blocked)
		push(upstream, input, effects);
	else if (upstream->state == UPSTREAM_RESTING && input->pending &&
	         input->now_ms - upstream->resting_since_ms >= UPSTREAM_EAGER_MS)
		start(upstream, input, effects);
}

static void take_sync(struct upstream_machine *upstream, const struct upstream_input *input,
                      struct upstream_effects *effects) {
	upstream->push_blocked = false;
	switch (upstream->state) {
	case UPSTREAM_OFF:
		break;
	case UPSTREAM_HELD:
	case UPSTREAM_RESTING:
		start(upstream, input, effects);
		break;
	case UPSTREAM_FOLLOWING:
		pull(upstream, input, effects);
		break;
	default:
		upstream->pull_again = true;
	}
}

static void take_timer(struct upstream_machine *upstream, const struct upstream_input *input,
                       struct upstream_effects *effects) {
	if (upstream->timer_ms == 0 || input->now_ms < upstream->timer_ms)
		return;
	upstream->timer_ms = 0;
	if (upstream->state == UPSTREAM_RESTING)
		start(upstream, input, effects);
	else if (upstream->state == UPSTREAM_FOLLOWING)
		pull(upstream, input, effects);
	else if (upstream->started)
		rest(upstream, input, effects); /* the adapter hangs */
}

static void check_invariants(const struct upstream_machine *upstream) {
	bool talks =
		upstream->state != UPSTREAM_OFF && upstream->state != UPSTREAM_RESTING && upstream->state != UPSTREAM_HELD;

	must(talks == upstream->started);
	must(upstream->state == UPSTREAM_OFF || upstream->wanted);
	must(upstream->state != UPSTREAM_RESTING || upstream->timer_ms != 0);
	must(upstream->rest_ms <= UPSTREAM_REST_MS_MAX);
}

void upstream_step(struct upstream_machine *upstream, const struct upstream_input *input,
                   struct upstream_effects *ret_effects) {
	enum upstream_state before = upstream->state;

	ret_effects->n = 0;
	ret_effects->trace[0] = '\0';
	switch (input->kind) {
	case UPSTREAM_CONFIGURE:
		take_configure(upstream, input, ret_effects);
		break;
	case UPSTREAM_OPENED:
		take_opened(upstream, input, ret_effects);
		break;
	case UPSTREAM_PAGE:
		take_page(upstream, input, ret_effects);
		break;
	case UPSTREAM_ANSWER:
		take_answer(upstream, input, ret_effects);
		break;
	case UPSTREAM_MERGED:
		take_merged(upstream, input, ret_effects);
		break;
	case UPSTREAM_PROBLEM:
		take_problem(upstream, input, ret_effects);
		break;
	case UPSTREAM_GONE:
		if (upstream->started)
			rest(upstream, input, ret_effects);
		break;
	case UPSTREAM_PENDING:
		take_pending(upstream, input, ret_effects);
		break;
	case UPSTREAM_SYNC:
		take_sync(upstream, input, ret_effects);
		break;
	case UPSTREAM_TIMER:
		take_timer(upstream, input, ret_effects);
		break;
	}
	if (upstream->tracing && before != upstream->state)
		trace_write(ret_effects->trace, "upstream was %s, is %s", state_names[before], state_names[upstream->state]);
	check_invariants(upstream);
}
