/*
 * The one place where a step's effects are performed, in a written order: make
 * durable (here: change the state), then tell the leader, then call back.
 * Step 14 of docs/ARCHITECTURE.md.
 *
 * An effect whose answer decides what happens next stands alone in its list;
 * its answer goes into the machine at once, and what that leads to follows.
 */

#include "session.h"

#include <stdlib.h>
#include <string.h>

#include "base/must.h"

/* ---- make durable ------------------------------------------------------------ */

/* Materializes a commit's unit in a transaction of its own. */
static void apply_unit(struct lds_session *session, const struct session_effect *effect, struct step *step) {
	int r;

	must(effect->n == step->n_unit);
	for (size_t i = 0; i < effect->n; i++)
		step->unit[i]->entry.at = effect->unit[i].at;
	r = state_begin(session->state, &session->error);
	if (r == 0)
		r = state_apply(session->state, step->unit, step->n_unit, &session->error);
	if (r == 0)
		r = state_commit(session->state, &session->error);
	if (r > 0)
		state_rollback(session->state);
	session_keep_touched(session, r == 0);
	step->outcome = r == 0 ? SESSION_DONE : r == STATE_REFUSED ? SESSION_REFUSED : SESSION_FAILED;
	step->code = r == STATE_REFUSED ? LDS_REFUSED : r;
}

static void accept_unit(struct lds_session *session, const struct step *step) {
	for (size_t i = 0; i < step->n_unit; i++)
		pending_enqueue(&session->pending, pending_find(&session->pending, &step->unit[i]->entry.id));
	session->status_changed = true;
}

/* ---- tell -------------------------------------------------------------------- */

int session_pack(struct lds_session *session, const Leaderd__ToLeader *message) {
	return wire_pack_to_leader(&session->link.output, message, &session->error);
}

/* The queue's first unit: its events stand side by side. */
static size_t first_unit(const struct lds_session *session, struct pending_event **ret) {
	struct pending_event *pending = TAILQ_FIRST(&session->pending.queue);
	size_t n = pending->event->entry.unit_count;

	for (size_t i = 0; i < n; i++, pending = TAILQ_NEXT(pending, queue)) {
		must(pending && pending->event->entry.unit_index == i);
		ret[i] = pending;
	}
	return n;
}

static int pack_unit(struct lds_session *session, struct pending_event *const *unit, size_t n, bool with_origins) {
	Leaderd__Push push = LEADERD__PUSH__INIT;
	Leaderd__ToLeader message = LEADERD__TO_LEADER__INIT;
	Leaderd__Event *events = calloc(n, sizeof(*events));
	Leaderd__Event **list = calloc(n, sizeof(Leaderd__Event *));
	uint64_t(*origins)[2 * ORIGINS_MAX] = calloc(n, sizeof(*origins));
	int r = ERROR_NO_MEMORY;

	if (events && list && origins) {
		for (size_t i = 0; i < n; i++) {
			wire_event_pack(&events[i], unit[i]->event, origins[i]);
			if (!with_origins)
				events[i].n_origins = 0;
			list[i] = &events[i];
		}
		push.n_events = n;
		push.events = list;
		message.body_case = LEADERD__TO_LEADER__BODY_PUSH;
		message.push = &push;
		r = session_pack(session, &message);
	}
	free(events);
	free(list);
	free(origins);
	return r;
}

/* Frames are packed only a little ahead of the socket: what waits longer waits
 * as events, whose positions may still change. True when something was packed. */
static bool pack_queue(struct lds_session *session) {
	struct pending_event *unit[UNIT_EVENTS_MAX];
	bool packed = false;

	while (session->machine.link == SESSION_LIVE && !TAILQ_EMPTY(&session->pending.queue) &&
	       leader_link_waiting(&session->link) < SESSION_OUTPUT_BYTES) {
		size_t n = first_unit(session, unit);
		int r = pack_unit(session, unit, n, true);

		if (r == ERROR_TOO_LARGE) /* eight long origins on each of a thousand events: they are only for show */
			r = pack_unit(session, unit, n, false);
		if (r < 0)
			break; /* no memory: the next turn tries again */
		for (size_t i = 0; i < n; i++)
			pending_dequeue(&session->pending, unit[i]);
		packed = true;
	}
	return packed;
}

void session_send(struct lds_session *session) {
	bool packed;

	do {
		packed = pack_queue(session);
		leader_link_flush(&session->link);
	} while (packed && leader_link_waiting(&session->link) == 0);
}

static void enqueue(struct lds_session *session, const struct session_effect *effect) {
	size_t n;
	const struct pending *pending = session_pending(&session->machine, &n);

	must(effect->first + effect->n <= n);
	for (size_t i = effect->first; i < effect->first + effect->n; i++)
		pending_enqueue(&session->pending, pending_find(&session->pending, &pending[i].entry.id));
}

/* A hello that cannot be packed for want of memory ends the connection: the next
 * one begins with another. */
static void say_hello(struct lds_session *session, const struct session_effect *effect) {
	session->greet_until_us = clock_monotonic_us() + (uint64_t)session->timeout_ms * 1000u;
	session->status_changed = true;
	if (session_say_hello(session, effect->want_image) < 0)
		session->link.write_ended = session->link.read_ended = true;
}

static void tell(struct lds_session *session, const struct session_effect *effect) {
	if (effect->kind == SESSION_SEND)
		enqueue(session, effect);
	if (effect->kind == SESSION_HELLO)
		say_hello(session, effect);
}

/* ---- call back ----------------------------------------------------------------- */

/* Noted here; process calls back when its turn is over. */
static void note_move(struct lds_session *session) {
	size_t n;
	const struct pending *pending = session_pending(&session->machine, &n);

	session->n_suspended = 0;
	for (size_t i = 0; i < n; i++)
		session->n_suspended += pending[i].suspended;
	session->status_changed = session->acknowledge = true;
}

/* ---- a step ------------------------------------------------------------------ */

/* Performs a change and asks the machine what follows from it. */
static void answer_change(struct lds_session *session, const struct session_effect *effect, struct step *step,
                          struct session_effects *effects) {
	struct session_input answer = { .kind = SESSION_CHANGED };
	bool *suspended = calloc(effect->change.n_replay + 1, sizeof(*suspended));

	if (suspended) {
		session_change(session, &effect->change, suspended, step);
	} else {
		step->outcome = SESSION_FAILED;
		step->code = error_no_memory(&session->error);
	}
	answer.outcome = step->outcome;
	answer.suspended = suspended;
	if (step->done && step->welcome)
		pending_dequeue_all(&session->pending); /* the machine says what the leader has not seen */
	must(session_step(&session->machine, &answer, effects, &session->error) == 0);
	if (step->done && step->on_done)
		step->on_done(session, step->on_done_data);
	free(suspended);
}

static void answer_apply(struct lds_session *session, const struct session_effect *effect, struct step *step,
                         struct session_effects *effects) {
	struct session_input answer = { .kind = SESSION_APPLIED };

	apply_unit(session, effect, step);
	answer.outcome = step->outcome;
	must(session_step(&session->machine, &answer, effects, &session->error) == 0);
}

/* True when an effect's answer has brought new effects. */
static bool make_durable(struct lds_session *session, struct session_effects *effects, struct step *step) {
	for (unsigned i = 0; i < effects->n; i++) {
		struct session_effect effect = effects->list[i];

		switch (effect.kind) {
		case SESSION_APPLY:
			must(effects->n == 1);
			answer_apply(session, &effect, step, effects);
			return true;
		case SESSION_CHANGE:
			must(effects->n == 1);
			answer_change(session, &effect, step, effects);
			return true;
		case SESSION_ACCEPT:
			accept_unit(session, step);
			break;
		case SESSION_REJECT:
		case SESSION_SEND:
		case SESSION_HELLO:
		case SESSION_MOVED:
			break;
		}
	}
	return false;
}

int session_perform(struct lds_session *session, const struct session_input *input, struct step *step) {
	struct session_effects effects;
	int r = session_step(&session->machine, input, &effects, &session->error);

	if (r != 0)
		return r;
	while (make_durable(session, &effects, step))
		continue;
	for (unsigned i = 0; i < effects.n; i++)
		tell(session, &effects.list[i]);
	session_send(session);
	for (unsigned i = 0; i < effects.n; i++)
		if (effects.list[i].kind == SESSION_MOVED)
			note_move(session);
	return 0;
}
