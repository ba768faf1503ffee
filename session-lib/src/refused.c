/*
 * Refusals: events of this session id that the leader took out of the log (or
 * never let in). They wait here for the callback and are acknowledged when it
 * was called; without a callback the leader keeps them for the next session.
 */

#include "session.h"

#include <stdlib.h>
#include <string.h>

#include "event_view.h"

int refusal_read(struct refusal **ret, const Leaderd__Refusal *message, struct error *error) {
	struct refusal *refusal = calloc(1, sizeof(*refusal));
	int r;

	if (!refusal)
		return error_no_memory(error);
	refusal->ordinal = message->ordinal;
	refusal->reason = strdup(message->reason ? message->reason : "");
	r = refusal->reason ? wire_event_unpack(&refusal->event, message->event, error) : error_no_memory(error);
	if (r < 0) {
		refusal_free(refusal);
		return r;
	}
	*ret = refusal;
	return 0;
}

struct refusal *refusal_free(struct refusal *refusal) {
	if (!refusal)
		return NULL;
	event_destroy(refusal->event);
	free(refusal->reason);
	free(refusal);
	return NULL;
}

/* The frames of one turn bound the list: the turn ends by telling them. */
void session_note_refusals(struct lds_session *session, struct refusals *refusals) {
	while (!TAILQ_EMPTY(refusals)) {
		struct refusal *refusal = TAILQ_FIRST(refusals);

		TAILQ_REMOVE(refusals, refusal, list);
		watch_reason(&session->watch, &refusal->event->entry.id, refusal->reason);
		if (session->on_refused && refusal->ordinal > session->refused_seen)
			TAILQ_INSERT_TAIL(&session->refusals, refusal, list);
		else
			refusal_free(refusal);
	}
}

void session_tell_refusals(struct lds_session *session) {
	struct event_view view;

	while (!TAILQ_EMPTY(&session->refusals)) {
		struct refusal *refusal = TAILQ_FIRST(&session->refusals);

		TAILQ_REMOVE(&session->refusals, refusal, list);
		if (session->on_refused) {
			if (refusal->ordinal > session->refused_seen)
				session->refused_seen = refusal->ordinal;
			session->acknowledge = true;
			event_view_fill(&view, refusal->event, false, false);
			session->on_refused(session, &view.event, refusal->reason, session->on_refused_data);
		}
		refusal_free(refusal);
	}
}

void lds_on_refused(struct lds_session *session, lds_refused_callback callback, void *data) {
	if (session_enter(session) < 0)
		return;
	session->on_refused = callback;
	session->on_refused_data = data;
}
