/*
 * The session machine; steps 2 and 13 of docs/ARCHITECTURE.md.
 * Its drawing and its rules are in session_step.h.
 */

#include "model/session_step.h"

#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "model/notation.h"

/* ---- effects and trace ------------------------------------------------------- */

static struct session_effect *effect_add(struct session_effects *effects, enum session_effect_kind kind) {
	struct session_effect *effect;

	must(effects->n < SESSION_EFFECTS_MAX);
	effect = &effects->list[effects->n++];
	*effect = (struct session_effect){ .kind = kind };
	return effect;
}

/* The arguments are looked at only when someone listens. */
#define trace(session, effects, ...)                    \
	do {                                                \
		if ((session)->tracing)                         \
			trace_write((effects)->trace, __VA_ARGS__); \
	} while (0)

static const char *print(char text[POSITION_TEXT_BYTES], struct position at) {
	position_print(text, at);
	return text;
}

/* ---- invariants -------------------------------------------------------------- */

static void check_pending(const struct session_machine *session) {
	struct position head = session->heads.leader;

	for (size_t i = 0; i < session->pending.n; i++) {
		const struct entry *entry = &pending_list_at(&session->pending, i)->entry;

		must(position_equal(entry->at, position_next(head, entry->client_only)));
		head = entry->at;
	}
	must(position_equal(head, session->local_head));
}

/* The whole list is looked at after a change; a commit moves one end only. */
static void check_invariants(const struct session_machine *session, bool whole) {
	must(position_compare(session->heads.leader, session->local_head) <= 0);
	must(session->pending.n > 0 || position_equal(session->heads.leader, session->local_head));
	must(position_compare(session->heads.backend, session->heads.final) <= 0);
	must(session->n_greeted <= session->pending.n || session->link != SESSION_GREETING);
	must((session->work == SESSION_APPLYING) == (session->unit != NULL));
	if (whole)
		check_pending(session);
}

/* ---- life -------------------------------------------------------------------- */

void session_machine_init(struct session_machine *session) {
	*session = (struct session_machine){ .link = SESSION_DETACHED, .work = SESSION_IDLE };
}

static void forget_work(struct session_machine *session) {
	free(session->unit);
	free(session->left);
	free(session->left_refused);
	pending_list_finish(&session->replay);
	session->unit = NULL;
	session->left = NULL;
	session->left_refused = NULL;
	session->n_unit = session->n_left = session->n_arrived = session->n_kept = 0;
	session->welcoming = false;
	session->work = SESSION_IDLE;
}

void session_machine_finish(struct session_machine *session) {
	forget_work(session);
	pending_list_finish(&session->pending);
}

const struct pending *session_pending(const struct session_machine *session, size_t *ret_n) {
	*ret_n = session->pending.n;
	return session->pending.n > 0 ? pending_list_at(&session->pending, 0) : NULL;
}

/* ---- commit ------------------------------------------------------------------ */

static int take_commit(struct session_machine *session, const struct session_input *input,
                       struct session_effects *effects, struct error *error) {
	struct session_effect *effect;
	char at[POSITION_TEXT_BYTES];

	must(input->n_unit > 0 && input->n_unit <= UNIT_EVENTS_MAX);
	if (session->pending.n + input->n_unit > SESSION_PENDING_EVENTS_MAX)
		return error_set(error, ERROR_FULL, "%zu events are pending, more than %u are not kept", session->pending.n,
		                 SESSION_PENDING_EVENTS_MAX);
	if (pending_list_reserve(&session->pending, input->n_unit) < 0)
		return error_no_memory(error);
	session->unit = malloc(input->n_unit * sizeof(*session->unit));
	if (!session->unit)
		return error_no_memory(error);
	memcpy(session->unit, input->unit, input->n_unit * sizeof(*session->unit));
	session->n_unit = input->n_unit;
	merge_place(session->local_head, session->unit, session->n_unit);
	session->work = SESSION_APPLYING;
	effect = effect_add(effects, SESSION_APPLY);
	effect->unit = session->unit;
	effect->n = session->n_unit;
	trace(session, effects, "a unit of %zu is applied at %s", session->n_unit, print(at, session->unit[0].at));
	return 0;
}

static void append_unit(struct session_machine *session, struct session_effects *effects) {
	struct session_effect *effect;
	size_t first = session->pending.n;

	for (size_t i = 0; i < session->n_unit; i++)
		pending_list_append(&session->pending, &(struct pending){ .entry = session->unit[i] });
	session->local_head = session->unit[session->n_unit - 1].at;
	effect = effect_add(effects, SESSION_ACCEPT);
	effect->first = first;
	effect->n = session->n_unit;
	if (session->link != SESSION_LIVE)
		return;
	effect = effect_add(effects, SESSION_SEND);
	effect->first = first;
	effect->n = session->n_unit;
}

static void take_applied(struct session_machine *session, const struct session_input *input,
                         struct session_effects *effects) {
	char head[POSITION_TEXT_BYTES];

	if (input->outcome == SESSION_DONE) {
		append_unit(session, effects);
		trace(session, effects, "the unit stands, the local head is %s", print(head, session->local_head));
	} else {
		must(input->outcome == SESSION_REFUSED || input->outcome == SESSION_FAILED);
		effect_add(effects, SESSION_REJECT)->outcome = input->outcome;
		trace(session, effects, "the unit was %s and leaves no trace",
		      input->outcome == SESSION_REFUSED ? "refused" : "not applied");
	}
	forget_work(session);
}

/* ---- changes ----------------------------------------------------------------- */

/* What the change will leave behind, before any effect: pending[n_kept ..)
 * without the refused goes to the replay list, numbered behind `head`; what
 * leaves is noted with its fate. */
struct plan {
	const struct payload *payload;
	const enum session_verdict *verdicts; /* NULL: the payload says what is refused */
	size_t n_verdicts;
	size_t n_left, n_kept;
	struct position head; /* the newest position that stands in front of the replayed ones */
};

static bool plan_refuses(const struct plan *plan, const struct pending_list *pending, size_t i) {
	if (plan->verdicts)
		return i < plan->n_verdicts && plan->verdicts[i] == VERDICT_REFUSED;
	return plan->payload->n_refused > 0 && merge_is_refused(plan->payload, &pending_list_at(pending, i)->entry);
}

static int plan_allocate(struct session_machine *session, size_t n_replay, size_t n_leaving) {
	if (pending_list_reserve(&session->replay, n_replay) < 0)
		return ERROR_NO_MEMORY;
	if (n_leaving == 0)
		return 0;
	session->left = malloc(n_leaving * sizeof(*session->left));
	session->left_refused = malloc(n_leaving * sizeof(*session->left_refused));
	return session->left && session->left_refused ? 0 : ERROR_NO_MEMORY;
}

static void plan_leave(struct session_machine *session, size_t i, bool refused) {
	session->left[session->n_left] = *pending_list_at(&session->pending, i);
	session->left_refused[session->n_left++] = refused;
}

static void plan_replay(struct session_machine *session, const struct plan *plan) {
	struct position head = plan->head;

	for (size_t i = plan->n_kept; i < session->pending.n; i++) {
		struct pending *replayed;

		if (plan_refuses(plan, &session->pending, i)) {
			plan_leave(session, i, true);
			continue;
		}
		replayed = &session->replay.items[session->replay.n++];
		*replayed = *pending_list_at(&session->pending, i);
		replayed->suspended = false;
		merge_place(head, &replayed->entry, 1);
		head = replayed->entry.at;
	}
}

static int plan_change(struct session_machine *session, const struct plan *plan) {
	size_t n_behind = session->pending.n - plan->n_kept, n_refused = 0;

	for (size_t i = plan->n_kept; i < session->pending.n; i++)
		n_refused += plan_refuses(plan, &session->pending, i);
	if (plan_allocate(session, n_behind - n_refused, plan->n_left + n_refused) < 0) {
		forget_work(session);
		return ERROR_NO_MEMORY;
	}
	for (size_t i = 0; i < plan->n_left; i++)
		plan_leave(session, i, plan_refuses(plan, &session->pending, i));
	session->n_arrived = plan->n_left;
	session->n_kept = plan->n_kept;
	plan_replay(session, plan);
	return 0;
}

static struct position plan_head(const struct session_machine *session, const struct plan *plan) {
	if (session->replay.n > 0)
		return session->replay.items[session->replay.first + session->replay.n - 1].entry.at;
	return plan->head;
}

/* Nothing that the leader calls final may lie ahead of what we have seen of it. */
static struct position trim_mark(const struct session_heads *heads) {
	return position_compare(heads->final, heads->leader) < 0 ? heads->final : heads->leader;
}

static void emit_change(struct session_machine *session, struct session_change change,
                        struct session_effects *effects) {
	change.replay = session->replay.items;
	change.n_replay = session->replay.n;
	change.left = session->left;
	change.left_refused = session->left_refused;
	change.n_left = session->n_left;
	change.trim_to = trim_mark(&session->next_heads);
	session->work = SESSION_CHANGING;
	effect_add(effects, SESSION_CHANGE)->change = change;
}

static int check_heads(const struct session_heads *heads, struct error *error) {
	char backend[POSITION_TEXT_BYTES], final[POSITION_TEXT_BYTES];

	if (position_compare(heads->backend, heads->final) <= 0)
		return 0;
	return error_set(error, ERROR_PROTOCOL, "the leader's backend head %s was ahead of its final head %s",
	                 print(backend, heads->backend), print(final, heads->final));
}

/* ---- feed -------------------------------------------------------------------- */

static void trace_feed(const struct session_machine *session, const struct merge_result *merged,
                       const struct session_feed *feed, struct session_effects *effects) {
	char text[POSITION_TEXT_BYTES];

	if (merged->kind == MERGE_ADVANCE)
		trace(session, effects, "advance to %s: %zu confirmed, %zu new", print(text, merged->upstream_head),
		      merged->n_confirmed, feed->payload.n_events - merged->n_confirmed);
	else
		trace(session, effects, "rebase: back to %s, %zu applied, %zu replayed", print(text, merged->undo_to),
		      feed->payload.n_events - merged->n_confirmed, session->replay.n);
}

static int take_feed(struct session_machine *session, const struct session_input *input,
                     struct session_effects *effects, struct error *error) {
	const struct session_feed *feed = &input->feed;
	struct merge_view view = { .upstream_head = session->heads.leader, .local_head = session->local_head };
	struct merge_result merged;
	struct plan plan = { .payload = &feed->payload };
	struct session_change change = { 0 };
	int r;

	if (session->link != SESSION_LIVE)
		return 0; /* sent before the leader read our hello: the welcome starts afresh */
	view.pending = session_pending(session, &view.n_pending);
	r = check_heads(&feed->heads, error);
	if (r == 0)
		r = merge(&view, &feed->payload, &merged, error);
	if (r < 0)
		return r;
	plan.n_left = merged.n_left;
	plan.n_kept = merged.n_kept;
	plan.head = merged.n_kept > merged.n_left ? pending_list_at(&session->pending, merged.n_kept - 1)->entry.at
	                                          : merged.upstream_head;
	if (plan_change(session, &plan) < 0)
		return error_no_memory(error);
	session->next_heads = feed->heads;
	session->next_heads.leader = merged.upstream_head;
	change.base = merged.kind == MERGE_REBASE ? SESSION_BASE_UNDO : SESSION_BASE_PRESENT;
	change.undo_to = merged.undo_to;
	change.apply_first = merged.n_confirmed;
	change.n_apply = feed->payload.n_events - merged.n_confirmed;
	change.head = plan_head(session, &plan);
	trace_feed(session, &merged, feed, effects);
	emit_change(session, change, effects);
	return 0;
}

/* ---- hello and welcome ------------------------------------------------------- */

static void say_hello(struct session_machine *session, struct session_effects *effects) {
	session->link = SESSION_GREETING;
	session->n_greeted = session->pending.n;
	session->n_hellos++;
	effect_add(effects, SESSION_HELLO)->want_image = session->want_image;
	trace(session, effects, "hello with %zu pending events%s", session->pending.n,
	      session->want_image ? ", an image is wanted" : "");
}

/* The first pending event that the leader has never seen: from there on all is sent. */
static size_t first_unknown(const struct session_welcome *welcome) {
	size_t i = 0;

	while (i < welcome->n_verdicts && welcome->verdicts[i] != VERDICT_UNKNOWN)
		i++;
	return i;
}

static int check_welcome(const struct session_machine *session, const struct session_welcome *welcome,
                         struct error *error) {
	size_t unknown = first_unknown(welcome);
	char at[POSITION_TEXT_BYTES];

	if (welcome->n_verdicts != session->n_greeted)
		return error_set(error, ERROR_PROTOCOL, "the welcome had %zu verdicts for %zu pending events",
		                 welcome->n_verdicts, session->n_greeted);
	for (size_t i = unknown; i < welcome->n_verdicts; i++)
		if (welcome->verdicts[i] != VERDICT_UNKNOWN)
			return error_set(error, ERROR_PROTOCOL, "the leader knows pending event %zu but not an older one", i + 1);
	/* What is sent begins with a unit: no leader takes one in parts. */
	if (unknown < welcome->n_verdicts && pending_list_at(&session->pending, unknown)->entry.unit_index > 0)
		return error_set(error, ERROR_PROTOCOL,
		                 "the leader knows only the first events of the unit of pending event %zu", unknown + 1);
	if (!welcome->image && session->want_image)
		return error_set(error, ERROR_PROTOCOL, "the welcome had no image, though one was asked for");
	if (!welcome->image && position_compare(welcome->at, session->heads.leader) > 0)
		return error_set(error, ERROR_PROTOCOL, "the welcome resumed at %s, which this session has not seen",
		                 print(at, welcome->at));
	return 0;
}

/* With an image, logged events stand in it (or behind its head, in the feed, in
 * full: then they are told by the feed as foreign ones). They have left. */
static size_t count_left(const struct session_welcome *welcome) {
	return welcome->image ? first_unknown(welcome) : 0;
}

static bool nothing_moves(const struct session_machine *session, const struct session_welcome *welcome) {
	if (welcome->image || !position_equal(welcome->at, session->heads.leader))
		return false;
	for (size_t i = 0; i < welcome->n_verdicts; i++)
		if (welcome->verdicts[i] == VERDICT_REFUSED)
			return false;
	return true;
}

static int take_welcome(struct session_machine *session, const struct session_input *input,
                        struct session_effects *effects, struct error *error) {
	const struct session_welcome *welcome = &input->welcome;
	struct plan plan = { .verdicts = welcome->verdicts, .n_verdicts = welcome->n_verdicts, .head = welcome->at };
	struct session_change change = { .undo_to = welcome->at };
	char at[POSITION_TEXT_BYTES];
	int r;

	if (session->link != SESSION_GREETING)
		return error_set(error, ERROR_PROTOCOL, "a welcome came without a hello");
	if (session->n_hellos > 1) {
		session->n_hellos--;
		trace(session, effects, "a welcome to an older hello is passed over");
		return 0;
	}
	r = check_heads(&welcome->heads, error);
	if (r == 0)
		r = check_welcome(session, welcome, error);
	if (r < 0)
		return r;
	plan.n_left = plan.n_kept = count_left(welcome);
	if (nothing_moves(session, welcome)) {
		plan.n_kept = session->pending.n;
		plan.head = session->local_head;
	}
	if (plan_change(session, &plan) < 0)
		return error_no_memory(error);
	session->next_heads = welcome->heads;
	session->next_heads.leader = welcome->at;
	session->welcoming = true;
	session->send_from = first_unknown(welcome);
	change.base = welcome->image                    ? SESSION_BASE_IMAGE
	              : nothing_moves(session, welcome) ? SESSION_BASE_PRESENT
	                                                : SESSION_BASE_UNDO;
	change.head = plan_head(session, &plan);
	trace(session, effects, "welcome: %s at %s, %zu replayed, %zu left", welcome->image ? "an image" : "resume",
	      print(at, welcome->at), session->replay.n, session->n_left);
	emit_change(session, change, effects);
	return 0;
}

/* ---- the end of a change ------------------------------------------------------ */

/* pending becomes: the kept ones, then the replayed ones. */
static void adopt_plan(struct session_machine *session, const struct session_input *input) {
	struct pending_list *pending = &session->pending;

	for (size_t i = 0; i < session->replay.n; i++) {
		session->replay.items[i].suspended = input->suspended && input->suspended[i];
		pending->items[pending->first + session->n_kept + i] = session->replay.items[i];
	}
	pending->n = session->n_kept + session->replay.n - session->n_arrived;
	pending->first += session->n_arrived;
	session->heads = session->next_heads;
	session->local_head = pending->n > 0 ? pending_list_at(pending, pending->n - 1)->entry.at : session->heads.leader;
}

/* Refused ones left from among the greeted, so the mark moves with them. */
static size_t count_left_before(const struct session_machine *session, size_t mark) {
	return session->n_left < mark ? mark - session->n_left : 0;
}

static void go_live(struct session_machine *session, struct session_effects *effects) {
	size_t first = count_left_before(session, session->send_from);
	struct session_effect *effect;

	session->link = SESSION_LIVE;
	session->n_greeted = 0;
	if (first >= session->pending.n)
		return;
	effect = effect_add(effects, SESSION_SEND);
	effect->first = first;
	effect->n = session->pending.n - first;
}

/* The state cannot go on from where it is: another hello, as soon as there is a leader. */
static void ask_for_image(struct session_machine *session, struct session_effects *effects) {
	session->want_image = true;
	if (session->link != SESSION_DETACHED)
		say_hello(session, effects);
}

static void complete_change(struct session_machine *session, const struct session_input *input,
                            struct session_effects *effects) {
	adopt_plan(session, input);
	effect_add(effects, SESSION_MOVED);
	if (input->outcome == SESSION_DIFFERS) {
		ask_for_image(session, effects);
		return;
	}
	if (!session->welcoming)
		return;
	session->want_image = false;
	if (session->link == SESSION_GREETING)
		go_live(session, effects);
}

static void take_changed(struct session_machine *session, const struct session_input *input,
                         struct session_effects *effects) {
	/* The welcome is used up, unless it is to be given again. LOST has set the count to 0. */
	if (session->welcoming && input->outcome != SESSION_FAILED && session->n_hellos > 0)
		session->n_hellos--;
	switch (input->outcome) {
	case SESSION_DONE:
	case SESSION_DIFFERS:
		complete_change(session, input, effects);
		break;
	case SESSION_BEYOND_JOURNAL:
		ask_for_image(session, effects);
		break;
	case SESSION_FAILED:
		trace(session, effects, "the change failed and may be tried again");
		break;
	case SESSION_REFUSED:
		must(!"a change is never refused");
	}
	forget_work(session);
}

/* ---- the door ---------------------------------------------------------------- */

static int take_idle(struct session_machine *session, const struct session_input *input,
                     struct session_effects *effects, struct error *error) {
	switch (input->kind) {
	case SESSION_COMMIT:
		return take_commit(session, input, effects, error);
	case SESSION_CONNECTED:
		must(session->link == SESSION_DETACHED);
		say_hello(session, effects);
		return 0;
	case SESSION_RESYNC:
		ask_for_image(session, effects);
		return 0;
	case SESSION_WELCOME:
		return take_welcome(session, input, effects, error);
	case SESSION_FEED:
		return take_feed(session, input, effects, error);
	default:
		must(!"an answer came that nobody waits for");
		return ERROR_INVALID;
	}
}

int session_step(struct session_machine *session, const struct session_input *input,
                 struct session_effects *ret_effects, struct error *error) {
	int r = 0;

	ret_effects->n = 0;
	ret_effects->trace[0] = '\0';
	if (input->kind == SESSION_LOST) {
		session->link = SESSION_DETACHED;
		session->n_greeted = session->n_hellos = 0;
		trace(session, ret_effects, "the leader is away, %zu events are pending", session->pending.n);
	} else if (session->work == SESSION_APPLYING && input->kind == SESSION_APPLIED) {
		take_applied(session, input, ret_effects);
	} else if (session->work == SESSION_CHANGING && input->kind == SESSION_CHANGED) {
		take_changed(session, input, ret_effects);
	} else if (session->work != SESSION_IDLE) {
		return SESSION_LATER;
	} else {
		r = take_idle(session, input, ret_effects, error);
	}
	if (r < 0)
		ret_effects->n = 0;
	check_invariants(session, input->kind == SESSION_CHANGED);
	return r;
}
