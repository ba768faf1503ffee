/* The merge; step 6 of docs/ARCHITECTURE.md stands on it, and so does step 12. */

#include "model/merge.h"

#include <string.h>

#include "base/must.h"
#include "model/notation.h"
#include "model/unit.h"

/* Where the walk along the pending events stands. */
struct walk {
	const struct merge_view *view;
	const struct payload *payload;
	struct position upstream; /* newest incoming event walked over */
	size_t at;                /* next pending event that has neither arrived nor been refused */
	size_t n_in_place;        /* pending[0 .. n_in_place) still stand where they did */
	bool diverged;
};

bool merge_is_refused(const struct payload *payload, const struct entry *entry) {
	for (size_t i = 0; i < payload->n_refused; i++)
		if (event_id_equal(&payload->refused[i], &entry->id) || event_id_equal(&payload->refused[i], &entry->unit))
			return true;
	return false;
}

void merge_place(struct position head, struct entry *unit, size_t n_events) {
	for (size_t i = 0; i < n_events; i++) {
		unit[i].at = position_next(head, unit[i].client_only);
		head = unit[i].at;
	}
}

static size_t pending_count(const struct merge_view *view) {
	if (view->synced_only)
		return view->local_head.global - view->upstream_head.global;
	return view->n_pending;
}

static struct position pending_position(const struct merge_view *view, size_t i) {
	if (view->synced_only)
		return (struct position){ view->upstream_head.global + 1 + i, 0 };
	return view->pending[i].entry.at;
}

static bool pending_is_refused(const struct merge_view *view, const struct payload *payload, size_t i) {
	return !view->synced_only && payload->n_refused > 0 && merge_is_refused(payload, &view->pending[i].entry);
}

/* The number of pending events in front of the first refused one. */
static size_t count_in_front_of_refused(const struct merge_view *view, const struct payload *payload) {
	size_t n = pending_count(view), i = 0;

	if (payload->n_refused == 0)
		return n;
	while (i < n && !pending_is_refused(view, payload, i))
		i++;
	return i;
}

static void skip_refused(struct walk *walk) {
	size_t n = pending_count(walk->view);

	while (walk->at < n && pending_is_refused(walk->view, walk->payload, walk->at))
		walk->at++;
}

static int check_place(const struct walk *walk, const struct incoming *incoming, struct error *error) {
	struct position expected = position_next(walk->upstream, position_is_client_only(incoming->entry.at));
	char expected_text[POSITION_TEXT_BYTES], found_text[POSITION_TEXT_BYTES];

	position_print(expected_text, expected);
	position_print(found_text, incoming->entry.at);
	if (walk->view->synced_only && position_is_client_only(incoming->entry.at))
		return error_set(error, ERROR_PROTOCOL, "upstream sent the client-only event %s", found_text);
	if (!position_equal(expected, incoming->entry.at))
		return error_set(error, ERROR_PROTOCOL, "upstream sent %s where %s was expected", found_text, expected_text);
	if (incoming->hash_differs)
		return error_set(error, ERROR_PROTOCOL, "the hash of %s was not the one expected", found_text);
	if (incoming->content_differs)
		return error_set(error, ERROR_CONFLICT, "%s has an id that is known here with other content", found_text);
	return 0;
}

/* Where the next own event must have been pending, if any is left. */
static bool next_pending(const struct walk *walk, struct position *ret) {
	if (walk->at >= pending_count(walk->view))
		return false;
	*ret = pending_position(walk->view, walk->at);
	return true;
}

/* Is this incoming event the pending one that must arrive next? */
static bool is_next_pending(const struct walk *walk, const struct incoming *incoming) {
	if (!incoming->is_pending || walk->at >= pending_count(walk->view))
		return false;
	if (walk->view->synced_only)
		return position_equal(pending_position(walk->view, walk->at), incoming->pending_at);
	return event_id_equal(&walk->view->pending[walk->at].entry.id, &incoming->entry.id);
}

static int check_own_order(const struct walk *walk, const struct incoming *incoming, struct error *error) {
	struct position next;
	char arrived[POSITION_TEXT_BYTES], waiting[POSITION_TEXT_BYTES];

	if (!incoming->is_pending || is_next_pending(walk, incoming))
		return 0;
	position_print(arrived, incoming->entry.at);
	if (!next_pending(walk, &next))
		return error_set(error, ERROR_PROTOCOL, "the own event at %s arrived twice", arrived);
	position_print(waiting, next);
	return error_set(error, ERROR_PROTOCOL,
	                 "the own event at %s arrived while the older %s had neither arrived nor been refused", arrived,
	                 waiting);
}

/* Does this incoming event confirm a pending one where it stands? */
static bool confirms_in_place(const struct walk *walk, const struct incoming *incoming) {
	if (walk->diverged || walk->at >= walk->n_in_place || !is_next_pending(walk, incoming))
		return false;
	if (!walk->view->synced_only && walk->view->pending[walk->at].suspended)
		return false;
	return position_equal(pending_position(walk->view, walk->at), incoming->entry.at);
}

/* An event that confirms nothing diverges, unless nothing stands behind the
 * upstream head that it could collide with. */
static bool diverges(const struct walk *walk) {
	return walk->diverged || walk->at < pending_count(walk->view) || walk->n_in_place < pending_count(walk->view);
}

/* Pages hold whole units; a half one would show a state that nobody committed. */
static int check_incoming_units(const struct payload *payload, struct error *error) {
	struct unit_walk walk = { 0 };
	int r = 0;

	for (size_t i = 0; i < payload->n_events && r == 0; i++)
		r = unit_walk_next(&walk, &payload->events[i].entry, error);
	if (r == 0)
		r = unit_walk_end(&walk, error);
	if (r < 0 && error)
		error->code = ERROR_PROTOCOL; /* upstream's mistake, not the caller's */
	return r < 0 ? ERROR_PROTOCOL : 0;
}

static int walk_incoming(struct walk *walk, struct merge_result *result, struct error *error) {
	for (size_t i = 0; i < walk->payload->n_events; i++) {
		const struct incoming *incoming = &walk->payload->events[i];
		int r;

		skip_refused(walk);
		r = check_place(walk, incoming, error);
		if (r == 0)
			r = check_own_order(walk, incoming, error);
		if (r < 0)
			return r;
		if (confirms_in_place(walk, incoming)) {
			result->n_confirmed = i + 1;
		} else if (!walk->diverged && diverges(walk)) {
			walk->diverged = true;
			result->undo_to = walk->upstream;
		}
		walk->at += incoming->is_pending;
		walk->upstream = incoming->entry.at;
	}
	skip_refused(walk);
	return 0;
}

/* Without a divergence, only refused events can displace anything: what stood
 * behind the first of them. */
static void settle_refused(struct walk *walk, struct merge_result *result) {
	size_t n = pending_count(walk->view);

	if (walk->diverged || walk->n_in_place == n)
		return;
	walk->diverged = true;
	result->n_kept = walk->n_in_place > walk->at ? walk->n_in_place : walk->at;
	result->undo_to = walk->n_in_place > 0 ? pending_position(walk->view, walk->n_in_place - 1) : walk->upstream;
	if (position_compare(result->undo_to, walk->upstream) < 0)
		result->undo_to = walk->upstream;
}

static struct position first_undone(const struct merge_view *view, struct position undo_to) {
	if (view->synced_only)
		return (struct position){ undo_to.global + 1, 0 };
	return (struct position){ undo_to.global, undo_to.client + 1 };
}

static int unseen_error(struct position back_to, struct error *error) {
	char text[POSITION_TEXT_BYTES];

	position_print(text, back_to);
	return error_set(error, ERROR_PROTOCOL, "upstream went back to %s, which it had not sent before", text);
}

int merge(const struct merge_view *view, const struct payload *payload, struct merge_result *ret, struct error *error) {
	struct walk walk = { .view = view,
		                 .payload = payload,
		                 .upstream = view->upstream_head,
		                 .at = view->n_arrived,
		                 .diverged = view->diverged };
	struct merge_result result = { .kind = MERGE_ADVANCE };
	int r;

	must(position_compare(view->upstream_head, view->local_head) <= 0);
	must(!view->synced_only || payload->kind == PAYLOAD_ADVANCE);
	if (!position_is_root(view->continues))
		walk.upstream = view->continues;
	r = check_incoming_units(payload, error);
	if (r < 0)
		return r;
	walk.n_in_place = count_in_front_of_refused(view, payload);
	if (payload->kind == PAYLOAD_REBASE) {
		if (position_compare(payload->back_to, view->upstream_head) > 0)
			return unseen_error(payload->back_to, error);
		walk.upstream = payload->back_to;
		walk.diverged = true;
		result.undo_to = payload->back_to;
	}
	r = walk_incoming(&walk, &result, error);
	if (r < 0)
		return r;
	result.n_left = result.n_kept = walk.at;
	if (!walk.diverged)
		result.n_kept = pending_count(view);
	settle_refused(&walk, &result);
	if (walk.diverged) {
		result.kind = MERGE_REBASE;
		result.undo_from = first_undone(view, result.undo_to);
	}
	result.upstream_head = walk.upstream;
	*ret = result;
	return 0;
}
