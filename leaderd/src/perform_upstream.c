/*
 * What upstream sent, performed: the part of step 7 of docs/ARCHITECTURE.md that
 * pulls and refusals need. See perform_upstream.h.
 */

#include "leaderd/src/perform_upstream.h"

#include <stdlib.h>

#include "base/log.h"

void step_drop_displaced(struct step *step) {
	for (size_t i = 0; i < step->n_displaced; i++)
		event_destroy(step->displaced[i]);
	step->n_displaced = step->displaced_at = 0;
}

/* The newest row before `from`. */
static int find_before(struct leader *leader, struct position from, struct position *ret, struct error *error) {
	const struct eventlog_query query = {
		.after = from,
		.reverse = true,
		.include_client_only = true,
		.n_max = 1,
		.bytes_max = 1,
	};
	struct event *event = NULL;
	size_t n = 0;
	int r = eventlog_read(leader->store->log, &query, &event, &n, NULL, error);

	if (r < 0)
		return r;
	*ret = n == 0 ? POSITION_ROOT : event->entry.at;
	event_destroy(event);
	return 0;
}

void perform_undo(struct leader *leader, struct position from, struct answer *ret) {
	struct position to = POSITION_ROOT;
	struct error why = { 0 };
	int r = 0;

	if (!failed(leader)) {
		r = find_before(leader, from, &to, &why);
		if (r == 0)
			r = eventlog_displace(leader->store->log, to, &why);
		if (r == 0)
			r = store_undo(leader->store, to, &why);
		leader_watch_state(leader);
	}
	note(leader, r, &why);
	answer(ret, LEADER_UNDONE, outcome_of(leader));
	ret->input.head = to;
}

/* Confirmed events are never refused: what does not apply is void. */
static int apply_confirmed_unit(struct leader *leader, struct event *const *events, size_t n, struct error *error) {
	struct eventlog *log = leader->store->log;
	struct eventlog_status status;

	eventlog_status(log, &status);
	for (size_t i = 0; i < n; i++) {
		events[i]->generation = status.generation;
		eventlog_hashes(log, i == 0 ? NULL : events[i - 1], events[i]);
	}
	int r = store_apply_confirmed(leader->store, events, n, error);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = eventlog_append(log, events[i], error);
	return r;
}

void perform_apply(struct leader *leader, const struct leader_effect *effect, struct answer *ret) {
	const struct step_upstream *upstream = leader->step.upstream;
	size_t at = effect->first, end = effect->first + effect->n;
	struct error why = { 0 };

	while (!failed(leader) && at < end) {
		size_t n = upstream->events[at]->entry.unit_count;

		if (n > end - at)
			n = end - at;
		note(leader, apply_confirmed_unit(leader, upstream->events + at, n, &why), &why);
		at += n;
	}
	answer(ret, LEADER_APPLIED, outcome_of(leader));
}

/* ---- staged pages ---------------------------------------------------------------------------- */

static void destroy_events(struct event **events, size_t n) {
	for (size_t i = 0; i < n; i++)
		event_destroy(events[i]);
}

/* Takes all that is staged, in portions, and hands each to `use` (NULL: drops it). */
static int take_all_staged(struct leader *leader, int (*use)(struct leader *, struct event **, size_t, struct error *),
                           struct error *error) {
	struct event **events = calloc(UNIT_EVENTS_MAX, sizeof(struct event *));
	size_t n = 1;
	int r = events == NULL ? error_no_memory(error) : 0;

	while (r == 0 && n > 0) {
		r = eventlog_take_staged(leader->store->log, events, UNIT_EVENTS_MAX, &n, error);
		if (r < 0)
			break;
		if (use)
			r = use(leader, events, n, error);
		destroy_events(events, n);
	}
	free(events);
	return r;
}

/* A transaction of its own: nothing of the log moves. */
static int stage(struct leader *leader, struct error *error) {
	const struct step_upstream *upstream = leader->step.upstream;
	struct eventlog *log = leader->store->log;
	int r = eventlog_begin(log, error);

	if (r == 0 && !leader->machine.staged.active) /* what an earlier life may have left */
		r = take_all_staged(leader, NULL, error);
	if (r == 0)
		r = eventlog_stage(log, upstream->events, upstream->n_events, upstream->cursor, upstream->cursor_bytes, error);
	return r < 0 ? r : eventlog_commit(log, error);
}

void perform_stage(struct leader *leader, struct answer *ret) {
	struct error why = { 0 };

	note(leader, stage(leader, &why), &why);
	answer(ret, LEADER_STAGED, outcome_of(leader));
}

/* The next first page drops them too: a failure here costs nothing but space. */
void perform_drop_staged(struct leader *leader) {
	struct error why = { 0 };
	int r = eventlog_begin(leader->store->log, &why);

	if (r == 0)
		r = take_all_staged(leader, NULL, &why);
	if (r == 0)
		r = eventlog_commit(leader->store->log, &why);
	if (r < 0) {
		eventlog_rollback(leader->store->log);
		log_warning("store=%s staged pages were not dropped: %s", leader->name, why.text);
	}
}

/* Those in front of the divergence confirmed where they stand: they are in the log. */
static int apply_staged_units(struct leader *leader, struct event **events, size_t n, struct error *error) {
	struct eventlog_status status;
	int r = 0;

	eventlog_status(leader->store->log, &status);
	for (size_t at = 0; r == 0 && at < n; at += events[at]->entry.unit_count)
		if (position_compare(events[at]->entry.at, status.head) > 0)
			r = apply_confirmed_unit(leader, events + at, events[at]->entry.unit_count, error);
	return r;
}

void perform_apply_staged(struct leader *leader, struct answer *ret) {
	struct error why = { 0 };

	if (!failed(leader))
		note(leader, take_all_staged(leader, apply_staged_units, &why), &why);
	answer(ret, LEADER_APPLIED, outcome_of(leader));
}

/* They stand in the log as they are; the adapter's notes on them are new. */
int perform_confirm(struct leader *leader, const struct leader_effect *effect, struct error *error) {
	int r = 0;

	for (size_t i = effect->first; r == 0 && i < effect->first + effect->n; i++) {
		const struct event *event = leader->step.upstream->events[i];

		if (event->sync_metadata)
			r = eventlog_set_sync_metadata(leader->store->log, event->entry.at, event->sync_metadata,
			                               event->sync_metadata_bytes, error);
	}
	return r;
}

int perform_set_upstream(struct leader *leader, struct position head, struct error *error) {
	const struct step_upstream *upstream = leader->step.upstream;
	const struct hash none = { { 0 } };
	struct event *event;
	int r;

	if (position_is_root(head))
		return eventlog_set_upstream(leader->store->log, head, &none, upstream->cursor, upstream->cursor_bytes, error);
	r = eventlog_get(leader->store->log, head, &event, error);
	if (r < 0)
		return r;
	r = eventlog_set_upstream(leader->store->log, head, &event->chain_hash, upstream->cursor, upstream->cursor_bytes,
	                          error);
	event_destroy(event);
	return r;
}

/* Units are taken whole: room for the largest one. */
static int allocate_displaced(struct step *step, struct error *error) {
	if (!step->displaced)
		step->displaced = calloc(UNIT_EVENTS_MAX, sizeof(struct event *));
	if (!step->displaced_entries)
		step->displaced_entries = calloc(UNIT_EVENTS_MAX, sizeof(*step->displaced_entries));
	return step->displaced && step->displaced_entries ? 0 : error_no_memory(error);
}

void perform_take_displaced(struct leader *leader, struct answer *ret) {
	struct step *step = &leader->step;
	struct error why = { 0 };
	size_t n = 0;
	int r = 0;

	step_drop_displaced(step);
	if (!failed(leader)) {
		r = allocate_displaced(step, &why);
		if (r == 0)
			r = eventlog_take_displaced(leader->store->log, step->displaced, UNIT_EVENTS_MAX, &n, &why);
	}
	note(leader, r, &why);
	step->n_displaced = r == 0 ? n : 0;
	for (size_t i = 0; i < step->n_displaced; i++)
		step->displaced_entries[i] = step->displaced[i]->entry;
	answer(ret, LEADER_DISPLACED, outcome_of(leader));
	ret->input.unit = step->displaced_entries;
	ret->input.n_unit = step->n_displaced;
}
