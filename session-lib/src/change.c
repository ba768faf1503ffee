/*
 * A change of the session's state: to its base, then what the leader sent, then
 * the pending events again, then the journal is trimmed. One transaction: all of
 * it or nothing, so no statement of the app ever sees half.
 *
 * Only an image stands outside: it replaces the database first. Until the rest
 * has followed, the session is `broken`: it takes no commits, and the same
 * welcome is taken again.
 */

#include "session.h"

#include <stdlib.h>
#include <string.h>

#include "base/must.h"

void session_touch(int table, void *data) {
	struct lds_session *session = data;

	session->touched[table] = true;
}

void session_keep_touched(struct lds_session *session, bool keep) {
	for (size_t i = 0; keep && session->schema && i < session->schema->n_tables; i++) {
		session->changed[i] = session->changed[i] || session->touched[i];
		session->any_changed = session->any_changed || session->touched[i];
	}
	memset(session->touched, 0, sizeof(session->touched));
}

/* ---- the base ---------------------------------------------------------------- */

static int take_image(struct lds_session *session, struct step *step) {
	int r;

	session->broken = ERROR_IO;
	r = state_image_read(session->state, step->image_fd, step->image_bytes, step->schema, &session->error);
	if (r < 0)
		return session->broken = r;
	if (session->schema != step->schema) {
		session->schema_changed = session->schema_changed || session->schema;
		session_use_schema(session, step->schema);
	}
	memset(session->touched, 0, sizeof(session->touched));
	memset(session->touched, 1, session->schema->n_tables);
	return 0;
}

static int reach_base(struct lds_session *session, const struct session_change *change, struct step *step) {
	int r = change->base == SESSION_BASE_IMAGE ? take_image(session, step) : 0;

	if (r == 0)
		r = state_begin(session->state, &session->error);
	if (r == 0 && change->base == SESSION_BASE_UNDO)
		r = state_undo(session->state, change->undo_to, &session->error);
	return r;
}

/* ---- what the leader sent ----------------------------------------------------- */

static bool digest_differs(const Leaderd__Event *message, uint64_t own) {
	return message->digest != 0 && message->digest != own;
}

/* Events that stand where they were pending already are only compared. */
static bool confirmed_differ(const struct lds_session *session, const struct session_change *change,
                             const struct step *step) {
	for (size_t i = 0; i < change->apply_first && i < step->n_items; i++) {
		const struct feed_item *item = &step->items[i];
		const struct pending_event *pending;
		struct event_id id;

		wire_id_at(&id, &item->message->id, 0);
		pending = pending_find(&session->pending, &id);
		if (pending && pending->event->digest != 0 && digest_differs(item->message, pending->event->digest))
			return true;
	}
	return false;
}

/* One event of the log: it takes effect, or is void for this schema. */
static int apply_item(struct lds_session *session, const struct feed_item *item) {
	struct event *event = item->event;
	char reason[sizeof(session->error.text)];
	int r = state_apply(session->state, &event, 1, &session->error);

	if (r != STATE_REFUSED)
		return r;
	strcpy(reason, session->error.text);
	event->digest = 0;
	return state_skip(session->state, event, reason, &session->error);
}

/* How many items from here on are one whole unit; 1 if a page ends inside it. */
static size_t whole_unit(const struct feed_item *items, size_t n) {
	const struct entry *first = &items[0].event->entry;

	if (first->unit_index != 0 || first->unit_count > n)
		return 1;
	for (size_t i = 1; i < first->unit_count; i++)
		if (!event_id_equal(&items[i].event->entry.unit, &first->unit))
			return 1;
	return first->unit_count;
}

/* A unit is applied as the leader applied it, whole: only then are deferred
 * foreign keys looked at. What does not apply whole is tried event by event. */
static int apply_unit(struct lds_session *session, const struct feed_item *items, size_t n) {
	struct event *unit[UNIT_EVENTS_MAX];
	int r = STATE_REFUSED;

	for (size_t i = 0; i < n; i++)
		unit[i] = items[i].event;
	if (n > 1)
		r = state_apply(session->state, unit, n, &session->error);
	if (r != STATE_REFUSED)
		return r;
	r = 0;
	for (size_t i = 0; r == 0 && i < n; i++)
		r = apply_item(session, &items[i]);
	return r;
}

static int apply_items(struct lds_session *session, const struct session_change *change, const struct step *step,
                       bool *differs) {
	const struct feed_item *items = step->items + change->apply_first;
	int r = 0;

	if (step->welcome || change->n_apply == 0) {
		*differs = !step->welcome && confirmed_differ(session, change, step);
		return 0;
	}
	must(change->apply_first + change->n_apply <= step->n_items);
	*differs = confirmed_differ(session, change, step);
	for (size_t i = 0, n; r == 0 && i < change->n_apply; i += n) {
		n = whole_unit(items + i, change->n_apply - i);
		r = apply_unit(session, items + i, n);
	}
	for (size_t i = 0; r == 0 && i < change->n_apply; i++)
		*differs = *differs || digest_differs(items[i].message, items[i].event->digest);
	return r;
}

/* ---- what was pending ---------------------------------------------------------- */

/* A pending event as it was before the change, in case there is none. */
struct placement {
	struct pending_event *pending;
	struct position at;
	uint64_t digest;
};

static size_t unit_length(const struct session_change *change, size_t i) {
	size_t n = 1;

	while (i + n < change->n_replay && event_id_equal(&change->replay[i + n].entry.unit, &change->replay[i].entry.unit))
		n++;
	return n;
}

#define RUNS_AWAY 100 /* a unit was over its step budget: the change begins again, without it */

/* Applies a pending unit at its new place; what does not apply is suspended. So is
 * what runs away: it waits for the leader's word, and the leader is on hold. */
static int replay_unit(struct lds_session *session, const struct placement *places, size_t n, bool *suspended) {
	struct event *unit[UNIT_EVENTS_MAX];
	int r;

	must(n > 0 && n <= UNIT_EVENTS_MAX);
	for (size_t i = 0; i < n; i++)
		unit[i] = places[i].pending->event;
	r = places[0].pending->runs_away ? STATE_REFUSED : state_apply(session->state, unit, n, &session->error);
	if (r == ERROR_HOLD) {
		places[0].pending->runs_away = true;
		return RUNS_AWAY;
	}
	for (size_t i = 0; i < n; i++) {
		suspended[i] = r == STATE_REFUSED;
		if (suspended[i])
			unit[i]->digest = 0;
	}
	return r < 0 ? r : 0;
}

static int replay(struct lds_session *session, const struct session_change *change, struct placement *places,
                  bool *suspended) {
	int r = 0;

	for (size_t i = 0; i < change->n_replay; i++) {
		struct pending_event *pending = pending_find(&session->pending, &change->replay[i].entry.id);

		must(pending);
		places[i] = (struct placement){ pending, pending->event->entry.at, pending->event->digest };
		pending->event->entry.at = change->replay[i].entry.at;
	}
	for (size_t i = 0, n; r == 0 && i < change->n_replay; i += n) {
		n = unit_length(change, i);
		r = replay_unit(session, places + i, n, suspended + i);
	}
	return r;
}

static void keep_places(const struct session_change *change, struct placement *places, uint64_t generation) {
	for (size_t i = 0; i < change->n_replay; i++) {
		struct event *event = places[i].pending->event;

		event->entry.at = places[i].at;
		event_move(event, change->replay[i].entry.at, generation);
	}
}

static void restore_places(const struct session_change *change, struct placement *places) {
	for (size_t i = 0; i < change->n_replay && places[i].pending; i++) {
		places[i].pending->event->entry.at = places[i].at;
		places[i].pending->event->digest = places[i].digest;
	}
}

/* ---- the whole ----------------------------------------------------------------- */

static int transact(struct lds_session *session, const struct session_change *change, struct placement *places,
                    bool *suspended, struct step *step) {
	bool differs = false;
	int r = reach_base(session, change, step);

	if (r == 0)
		r = apply_items(session, change, step, &differs);
	if (r == 0)
		r = replay(session, change, places, suspended);
	if (r == 0)
		r = state_trim(session->state, change->trim_to, &session->error);
	if (r == 0)
		r = state_commit(session->state, &session->error);
	if (r != 0)
		state_rollback(session->state);
	if (r == 0 && differs)
		step->outcome = SESSION_DIFFERS;
	return r;
}

static void let_leave(struct lds_session *session, const struct session_change *change) {
	for (size_t i = 0; i < change->n_left; i++) {
		struct pending_event *pending = pending_find(&session->pending, &change->left[i].entry.id);

		must(pending);
		watch_left(&session->watch, &change->left[i].entry.id, change->left_refused[i]);
		pending_remove(&session->pending, pending);
	}
}

void session_change(struct lds_session *session, const struct session_change *change, bool *suspended,
                    struct step *step) {
	struct placement *places = calloc(change->n_replay + 1, sizeof(*places));
	int r;

	step->outcome = SESSION_DONE;
	step->done = false;
	r = places ? transact(session, change, places, suspended, step) : error_no_memory(&session->error);
	while (r == RUNS_AWAY) {
		session_keep_touched(session, false);
		restore_places(change, places);
		r = transact(session, change, places, suspended, step);
	}
	session_keep_touched(session, r == 0);
	if (r == 0) {
		keep_places(change, places, step->generation);
		let_leave(session, change);
		session->broken = 0;
		step->done = true;
	} else {
		if (places)
			restore_places(change, places);
		step->outcome = r == STATE_BEYOND_JOURNAL ? SESSION_BEYOND_JOURNAL : SESSION_FAILED;
		step->code = r;
	}
	free(places);
}
