/* A fake shell around the session machine. */

#include <string.h>

#include "base/must.h"
#include "world.h"

static void send_hello(struct world_session *session, bool want_image) {
	size_t n;
	const struct pending *pending = session_pending(&session->machine, &n);
	struct message *message = link_push(&session->out);

	message->kind = MESSAGE_HELLO;
	message->n_events = (unsigned)n;
	for (size_t i = 0; i < n; i++)
		message->events[i] = fake_number(&pending[i].entry);
	message->newest = session->machine.heads.leader;
	message->newest_hash = session->leader_hash;
	message->final = session->machine.heads.final;
	message->final_hash = session->final_hash;
	message->want_image = want_image;
	message->refused_ordinal = session->refused_seen;
	if (position_compare(message->final, message->newest) > 0) {
		message->final = message->newest;
		message->final_hash = message->newest_hash;
	}
}

static void send_units(struct world_session *session, size_t first, size_t n) {
	size_t n_pending;
	const struct pending *pending = session_pending(&session->machine, &n_pending);

	for (size_t i = first; i < first + n;) {
		struct message *message = link_push(&session->out);
		unsigned count = pending[i].entry.unit_count;

		must(pending[i].entry.unit_index == 0);
		message->kind = MESSAGE_PUSH;
		message->n_events = count;
		for (unsigned k = 0; k < count; k++)
			message->events[k] = fake_number(&pending[i + k].entry);
		i += count;
	}
}

/* Incoming units lie side by side; a page may cut one, so single events apply. */
static void apply_feed(struct world *world, struct fake_state *state, const struct session_input *input,
                       const struct session_change *change) {
	const struct incoming *events = input->feed.payload.events;

	for (size_t i = change->apply_first; i < change->apply_first + change->n_apply; i++)
		must(fake_apply(state, world->events, &events[i].entry, 1));
}

static void replay(struct world *world, struct fake_state *state, const struct session_change *change,
                   bool *suspended) {
	for (size_t i = 0; i < change->n_replay;) {
		struct entry unit[8];
		unsigned count = change->replay[i].entry.unit_count;
		bool applied;

		for (unsigned k = 0; k < count; k++)
			unit[k] = change->replay[i + k].entry;
		applied = fake_apply(state, world->events, unit, count);
		for (unsigned k = 0; k < count; k++)
			suspended[i + k] = !applied;
		world->suspensions += !applied;
		i += count;
	}
}

static enum session_outcome perform_change(struct world *world, struct world_session *session,
                                           const struct session_input *input, const struct session_change *change,
                                           const struct message *message, bool *suspended) {
	struct fake_state before = session->state;

	if (world_strikes(world, FAULT_SESSION_FAILED))
		return SESSION_FAILED;
	if (change->base == SESSION_BASE_IMAGE)
		session->state = message->state;
	if (change->base == SESSION_BASE_UNDO && !fake_undo(&session->state, world->events, change->undo_to))
		return SESSION_BEYOND_JOURNAL;
	apply_feed(world, &session->state, input, change);
	replay(world, &session->state, change, suspended);
	if (world_strikes(world, FAULT_SESSION_FAILED)) {
		session->state = before;
		return SESSION_FAILED;
	}
	world_trim(world, session, change->trim_to);
	for (size_t i = 0; i < change->n_left; i++)
		session->pending[fake_number(&change->left[i].entry)] = false;
	if (message->kind == MESSAGE_FEED) {
		if (message->n_events > 0)
			session->leader_hash = message->hashes[message->n_events - 1];
		else if (message->rebase)
			session->leader_hash = message->resume_hash;
		session->refused_seen = message->refused_ordinal;
	} else {
		session->leader_hash = message->resume_hash;
	}
	session->final_hash = message->heads_final_hash;
	return world_strikes(world, FAULT_DIGEST_DIFFERS) ? SESSION_DIFFERS : SESSION_DONE;
}

static bool perform(struct world *world, struct world_session *session, const struct session_effect *effect,
                    const struct session_input *input, const struct message *message, struct session_input *answer,
                    bool *suspended) {
	switch (effect->kind) {
	case SESSION_APPLY:
		*answer = (struct session_input){ .kind = SESSION_APPLIED };
		if (world_strikes(world, FAULT_SESSION_FAILED))
			answer->outcome = SESSION_FAILED;
		else if (!fake_apply(&session->state, world->events, effect->unit, effect->n))
			answer->outcome = SESSION_REFUSED;
		return true;
	case SESSION_ACCEPT:
		for (size_t i = effect->first; i < effect->first + effect->n; i++) {
			size_t n;
			unsigned number = fake_number(&session_pending(&session->machine, &n)[i].entry);

			session->pending[number] = true;
			world->accountable[number] = true;
		}
		return false;
	case SESSION_SEND:
		send_units(session, effect->first, effect->n);
		return false;
	case SESSION_HELLO:
		send_hello(session, effect->want_image);
		return false;
	case SESSION_CHANGE:
		*answer = (struct session_input){ .kind = SESSION_CHANGED, .suspended = suspended };
		answer->outcome = perform_change(world, session, input, &effect->change, message, suspended);
		return true;
	case SESSION_REJECT:
	case SESSION_MOVED:
		return false;
	}
	return false;
}

void world_session_step(struct world *world, struct world_session *session, const struct session_input *input,
                        const struct message *message) {
	struct session_input next = *input;
	struct session_effects effects;
	struct error error = { 0 };
	bool suspended[FAKE_EVENTS_MAX];
	bool answered = true;

	while (answered) {
		int r = session_step(&session->machine, &next, &effects, &error);

		if (r < 0)
			must_failed(error.text, __FILE__, __LINE__);
		must(r == 0);
		answered = false;
		for (unsigned i = 0; i < effects.n; i++) {
			must(!answered);
			answered = perform(world, session, &effects.list[i], input, message, &next, suspended);
		}
	}
}
