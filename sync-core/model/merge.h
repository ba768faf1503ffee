#ifndef LEADERD_MODEL_MERGE_H
#define LEADERD_MODEL_MERGE_H

/*
 * Merge: what a node does with what its upstream sends. One pure function, two
 * boundaries: session and leader, leader and backend.
 *
 * Upstream's order is final. The incoming events are walked along the pending
 * ones: as long as each equals its pending counterpart by id, content and
 * position, it only confirms. The first one that differs is the point of
 * divergence: everything pending from there on is undone, the incoming rest is
 * applied, and what was pending and did not itself arrive is replayed behind it
 * in old order, each taking the next number.
 *
 * Own events arrive in the order in which they are pending, because no correct
 * upstream reorders a session. So what remains to be replayed is always the
 * pending list from some index on: no search, no set of ids.
 *
 * The caller's index answers one question for each incoming event: does its id
 * stand among this node's pending events, and where? That is all the
 * leader needs, whose pending synced events have consecutive numbers and without
 * a backend are the whole log: it merges without holding any of them. Hashes are
 * checked by the caller; its verdict is reported here, with the other errors, in
 * one order of precedence.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "model/event.h"

struct pending {
	struct entry entry;
	bool suspended; /* did not apply in a replay: without effect, waits for upstream's word */
};

struct incoming {
	struct entry entry;
	bool is_pending;            /* its id stands among this node's pending events */
	struct position pending_at; /* with synced_only: where */
	bool content_differs;       /* its id is known here with other content */
	bool hash_differs;          /* its chain or local hash is not the one expected */
};

struct merge_view {
	struct position upstream_head;
	struct position local_head;
	const struct pending *pending; /* in log order, behind upstream_head; not used with synced_only */
	size_t n_pending;
	bool synced_only; /* leader and backend: client-only events are invisible to the alignment, and what is
	                     pending are the synced events from upstream_head to local_head */
	/* A page that goes on where another one left off: the view is the same as then, but */
	struct position continues; /* behind this position; root: a first page */
	size_t n_arrived;          /* pending events that arrived in the pages before */
	bool diverged;             /* they differed already */
};

enum payload_kind {
	PAYLOAD_ADVANCE, /* events behind the upstream head */
	PAYLOAD_REBASE,  /* everything after back_to is off, then events */
};

struct payload {
	enum payload_kind kind;
	struct position back_to;
	const struct event_id *refused; /* ids of refused events; removed from pending first */
	size_t n_refused;
	const struct incoming *events;
	size_t n_events;
};

enum merge_kind { MERGE_ADVANCE, MERGE_REBASE };

struct merge_result {
	enum merge_kind kind;
	size_t
		n_confirmed; /* incoming[0 .. n_confirmed) confirm pending events where they stand; the rest is to be applied */
	size_t n_left;   /* pending[0 .. n_left) leave pending: arrived, or refused */
	size_t n_kept;   /* pending[n_left .. n_kept) stay pending where they stand */
					 /* pending[n_kept ..) that are not refused are replayed (REBASE) */
	struct position undo_from;     /* REBASE: this position and everything behind it is undone */
	struct position undo_to;       /* REBASE: the newest visible position that stays */
	struct position upstream_head; /* after */
};

/* Decides. 0, or an error value that names expected and found and leaves the
 * caller's state untouched: ERROR_PROTOCOL for a gap, a repeat, a descending
 * batch, a wrong hash, an own event out of order; ERROR_CONFLICT for a known id
 * with other content. */
int merge(const struct merge_view *view, const struct payload *payload, struct merge_result *ret, struct error *error);

/* Is this pending event among the refused of the payload? A unit is refused
 * whole: any of its events names it. */
bool merge_is_refused(const struct payload *payload, const struct entry *entry);

/* Numbers a new unit behind `head`, in order. */
void merge_place(struct position head, struct entry *unit, size_t n_events);

#endif
