/*
 * Replaying the log: whole units in log order, and a state brought forward by
 * them.
 *
 * A unit is a run of neighbours that name the same unit with growing index. It
 * is applied whole or void whole. An id that stands earlier in the log, which
 * only a backend can have confirmed, voids its unit; so the same log has the
 * same voids wherever and whenever it is replayed.
 */

#include "store/store_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/must.h"
#include "model/notation.h"

#define WINDOW_EVENTS ((size_t)UNIT_EVENTS_MAX + PAGE_EVENTS_MAX)

struct replay {
	struct eventlog *log;
	struct position until;
	bool at_end;            /* everything up to `until` was read */
	struct event last;      /* place and hashes of the newest row read; owns nothing */
	size_t first, n, given; /* the window is events[first .. first + n); `given` of them are the caller's now */
	struct event *events[WINDOW_EVENTS]; /* owned */
};

int replay_open(struct replay **ret, struct eventlog *log, struct position after, struct position until,
                struct error *error) {
	struct replay *replay = calloc(1, sizeof(*replay));
	struct event *event = NULL;
	int r = 0;

	if (!replay)
		return error_no_memory(error);
	replay->log = log;
	replay->until = until;
	if (!position_is_root(after))
		r = eventlog_get(log, after, &event, error);
	if (r < 0) {
		free(replay);
		return r;
	}
	if (event) {
		replay->last.entry.at = event->entry.at;
		replay->last.chain_hash = event->chain_hash;
		replay->last.local_hash = event->local_hash;
	}
	event_destroy(event);
	*ret = replay;
	return 0;
}

struct replay *replay_close(struct replay *replay) {
	if (!replay)
		return NULL;
	for (size_t i = 0; i < replay->n; i++)
		event_destroy(replay->events[replay->first + i]);
	free(replay);
	return NULL;
}

static int check_link(struct replay *replay, const struct event *event, struct error *error) {
	struct event expected = { .entry = event->entry };
	char at[POSITION_TEXT_BYTES], after[POSITION_TEXT_BYTES];

	eventlog_hashes(replay->log, &replay->last, &expected);
	if (position_equal(event->entry.at, position_next(replay->last.entry.at, event->entry.client_only)) &&
	    hash_equal(&expected.local_hash, &event->local_hash)) {
		replay->last.entry.at = event->entry.at;
		replay->last.chain_hash = event->chain_hash;
		replay->last.local_hash = event->local_hash;
		return 0;
	}
	position_print(at, event->entry.at);
	position_print(after, replay->last.entry.at);
	return error_set(error, ERROR_CORRUPT, "%s in the event log does not follow %s", at, after);
}

static int read_page(struct replay *replay, struct error *error) {
	struct eventlog_query query = {
		.after = replay->last.entry.at,
		.has_until = true,
		.until = replay->until,
		.include_client_only = true,
		.n_max = PAGE_EVENTS_MAX,
		.bytes_max = PAGE_BYTES_MAX,
	};
	struct event **page;
	size_t n = 0;
	int r;

	memmove(replay->events, replay->events + replay->first, replay->n * sizeof(replay->events[0]));
	replay->first = 0;
	must(replay->n <= UNIT_EVENTS_MAX);
	page = replay->events + replay->n;
	r = eventlog_read(replay->log, &query, page, &n, NULL, error);
	if (r < 0)
		return r;
	replay->n += n;
	replay->at_end = n == 0;
	for (size_t i = 0; r == 0 && i < n; i++)
		r = check_link(replay, page[i], error);
	return r;
}

/* How many events of the window's first unit stand there; 0: the next page tells. */
static size_t unit_length(const struct replay *replay) {
	struct event *const *events = replay->events + replay->first;
	size_t length = replay->n > 0;

	while (length < replay->n && length < UNIT_EVENTS_MAX &&
	       event_id_equal(&events[length]->entry.unit, &events[0]->entry.unit) &&
	       events[length]->entry.unit_index > events[length - 1]->entry.unit_index)
		length++;
	if (length < replay->n || replay->at_end || length == UNIT_EVENTS_MAX)
		return length;
	return length > 0 && events[length - 1]->entry.unit_index + 1 == events[length - 1]->entry.unit_count ? length : 0;
}

int replay_next(struct replay *replay, struct event *const **ret, size_t *ret_n, struct error *error) {
	int r = 0;

	for (; replay->given > 0; replay->given--, replay->n--)
		event_destroy(replay->events[replay->first++]);
	while (r == 0 && unit_length(replay) == 0 && !replay->at_end)
		r = read_page(replay, error);
	if (r < 0)
		return r;
	replay->given = unit_length(replay);
	*ret = replay->events + replay->first;
	*ret_n = replay->given;
	return 0;
}

/* -- Applying -- */

#define REASON_BYTES 128u

/* Where does the id of an event that stands, or will stand, in the log stand
 * before it? Root: nowhere. */
static int stands_before(struct eventlog *log, const struct event *event, struct position *ret, struct error *error) {
	enum eventlog_known known;
	struct position at = POSITION_ROOT;
	struct event *found = NULL;
	int r = eventlog_known(log, &event->entry.id, &event->entry.content, &known, &at, error);

	if (r < 0)
		return r;
	if (known == KNOWN_OTHER) {
		/* In the log, or only among the refused, which a log row outweighs. */
		r = eventlog_find(log, &event->entry.id, &found, error);
		if (r < 0 && r != ERROR_NOT_FOUND)
			return r;
		at = found ? found->entry.at : POSITION_ROOT;
		event_destroy(found);
	}
	*ret = position_compare(at, event->entry.at) < 0 ? at : POSITION_ROOT;
	return 0;
}

/* Fills `reason` if the unit holds an id that is in use already. */
static int find_duplicate(struct eventlog *log, struct event *const *events, size_t n, char reason[REASON_BYTES],
                          struct error *error) {
	struct position before = POSITION_ROOT;
	char at[POSITION_TEXT_BYTES];
	int r = 0;

	for (size_t i = 0; r == 0 && position_is_root(before) && i < n; i++) {
		r = stands_before(log, events[i], &before, error);
		/* Before the unit is logged, the log cannot tell of its own events. */
		for (size_t j = 0; r == 0 && position_is_root(before) && j < i; j++)
			if (event_id_equal(&events[i]->entry.id, &events[j]->entry.id))
				before = events[j]->entry.at;
	}
	if (r < 0 || position_is_root(before))
		return r;
	position_print(at, before);
	snprintf(reason, REASON_BYTES, "duplicate: its id, or one of its unit, stands at %s", at);
	return 0;
}

static int skip_unit(struct state *state, struct event *const *events, size_t n, const char *reason,
                     struct error *error) {
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = state_skip(state, events[i], reason, error);
	return r;
}

static int apply_or_skip(struct state *state, struct event *const *events, size_t n, const char *duplicate,
                         struct error *error) {
	struct error why = { 0 };
	int r;

	if (duplicate[0])
		return skip_unit(state, events, n, duplicate, error);
	r = state_apply(state, events, n, &why);
	if (r == STATE_REFUSED)
		return skip_unit(state, events, n, why.text, error);
	return r < 0 ? error_set(error, r, "%s", why.text) : r;
}

int store_apply_confirmed(struct store *store, struct event *const *events, size_t n_events, struct error *error) {
	char duplicate[REASON_BYTES] = "";
	int r = find_duplicate(store->log, events, n_events, duplicate, error);

	if (r < 0) {
		state_rollback(store->state);
		return r;
	}
	return apply_or_skip(store->state, events, n_events, duplicate, error);
}

/* -- Advancing -- */

static struct position earlier(struct position a, struct position b) {
	return position_compare(a, b) < 0 ? a : b;
}

/* The open transaction of the state gets its generation, and forgets how to undo
 * what will never be undone. */
static int settle_head(struct state *state, uint64_t generation, struct position trim_to, struct error *error) {
	struct state_head head;
	int r;

	state_head(state, &head);
	head.generation = generation;
	r = state_set_head(state, &head, error);
	return r < 0 ? r : state_trim(state, earlier(trim_to, head.at), error);
}

int store_commit_state(struct store *store, struct position trim_to, struct error *error) {
	struct eventlog_status status;
	int r;

	eventlog_status(store->log, &status);
	r = settle_head(store->state, status.generation, trim_to, error);
	return r < 0 ? r : state_commit(store->state, error);
}

static int tell(struct advance *advance, struct error *error) {
	if (!advance->on_progress || !advance->on_progress(advance->done, advance->all, advance->on_progress_data))
		return 0;
	return error_set(error, ERROR_BUSY, "interrupted after %llu of %llu events", (unsigned long long)advance->done,
	                 (unsigned long long)advance->all);
}

static int advance_unit(struct advance *advance, struct replay *replay, bool *ret_ended, struct error *error) {
	char duplicate[REASON_BYTES] = "";
	struct event *const *events = NULL;
	uint64_t told = advance->done / PAGE_EVENTS_MAX;
	size_t n = 0;
	int r = replay_next(replay, &events, &n, error);

	if (r == 0 && n > 0)
		r = find_duplicate(advance->log, events, n, duplicate, error);
	advance->log_failed = r < 0;
	if (r < 0)
		return r;
	*ret_ended = n == 0;
	if (n == 0)
		return tell(advance, error);
	for (size_t i = 0; i < n; i++)
		advance->n_client_only += events[i]->entry.client_only;
	advance->done += n;
	r = apply_or_skip(advance->state, events, n, duplicate, error);
	return r == 0 && advance->done / PAGE_EVENTS_MAX != told ? tell(advance, error) : r;
}

static uint64_t generation_of(const struct advance *advance) {
	struct eventlog_status status;

	eventlog_status(advance->log, &status);
	return advance->generation ? *advance->generation : status.generation;
}

/* Without a backend nothing is ever undone. */
static struct position trim_mark(const struct advance *advance) {
	struct eventlog_status status;

	eventlog_status(advance->log, &status);
	return status.has_backend ? status.upstream_head : advance->until;
}

static int advance_batch(struct advance *advance, struct replay *replay, bool *ret_ended, struct error *error) {
	uint64_t end = advance->done + REBUILD_BATCH_EVENTS;
	int r = state_begin(advance->state, error);

	while (r == 0 && !*ret_ended && advance->done < end)
		r = advance_unit(advance, replay, ret_ended, error);
	if (r == 0)
		r = settle_head(advance->state, generation_of(advance), trim_mark(advance), error);
	if (r == 0 && *ret_ended)
		r = state_set_complete(advance->state, true, error);
	if (r == 0)
		r = state_commit(advance->state, error);
	if (r < 0)
		state_rollback(advance->state);
	return r;
}

int advance_state(struct advance *advance, struct error *error) {
	struct replay *replay = NULL;
	struct state_head head;
	bool ended = false;
	int r;

	state_head(advance->state, &head);
	advance->log_failed = false;
	if (position_equal(head.at, advance->until) && head.generation == generation_of(advance) &&
	    state_is_complete(advance->state))
		return 0;
	r = replay_open(&replay, advance->log, head.at, advance->until, error);
	advance->log_failed = r < 0;
	while (r == 0 && !ended)
		r = advance_batch(advance, replay, &ended, error);
	replay_close(replay);
	return r;
}
