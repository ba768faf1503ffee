/*
 * Dispatch; see dispatch.h. A message that wants an answer waits for room in the
 * output; a push never does, because all that it is told travels in the feed.
 */

#include "leaderd/src/dispatch.h"

#include <string.h>

#include "leaderd/src/hello.h"
#include "leaderd/src/leader.h"
#include "leaderd/src/peer.h"
#include "leaderd/src/request.h"

/* The wire has checked that the push is one whole unit of one session. */
static int check_push(const struct leader_session *session, const Leaderd__Push *push, struct error *error) {
	const Leaderd__Event *first = push->events[0];

	if (!session)
		return error_set(error, ERROR_PROTOCOL, "a push came before the hello");
	if (session->leader->retired)
		return error_set(error, ERROR_CONFLICT, "the store %s was removed", session->leader->name);
	if (session->read_only)
		return error_set(error, ERROR_INVALID, "session %s is read-only and pushed an event", session->id);
	if (strcmp(first->session_id, session->id) != 0)
		return error_set(error, ERROR_INVALID, "session %s pushed an event of session %s", session->id,
		                 first->session_id);
	if (strcmp(first->client_id, session->leader->told.client_id) != 0)
		return error_set(error, ERROR_INVALID, "session %s pushed an event of client %s, this device is %s",
		                 session->id, first->client_id, session->leader->told.client_id);
	return 0;
}

static int take_push(struct peer *peer, const Leaderd__Push *push, struct error *error) {
	struct leader_session *session = peer->session;
	struct unit *unit = NULL;
	int r = check_push(session, push, error);

	if (r == 0 && session->leader->trouble.code != 0)
		return PEER_WAITS_FOR_LEADER;
	if (r == 0)
		r = unit_from_push(&unit, push, error);
	if (r < 0)
		return r;
	unit->session = session;
	r = leader_push(session->leader, unit, error);
	if (r != 0)
		unit_destroy(unit);
	return r;
}

static int take_acknowledge(struct peer *peer, const Leaderd__Acknowledge *acknowledge, struct error *error) {
	struct leader_session *session = peer->session;

	if (!session)
		return error_set(error, ERROR_PROTOCOL, "an acknowledgement came before the hello");
	session->acknowledged = (struct position){ acknowledge->global, acknowledge->client };
	session->generation = acknowledge->generation;
	session->pending = acknowledge->pending;
	session->suspended = acknowledge->suspended;
	if (acknowledge->refused_seen > session->refused_seen) {
		session->refused_seen = acknowledge->refused_seen;
		session->leader->marks_refusals = true;
		leader_wake(session->leader);
	}
	return 0;
}

int dispatch(struct peer *peer, const Leaderd__ToLeader *message, struct error *error) {
	switch (message->body_case) {
	case LEADERD__TO_LEADER__BODY_HELLO:
		return peer_may_be_answered(peer) ? hello_take(peer, message->hello, error) : PEER_WAITS_FOR_OUTPUT;
	case LEADERD__TO_LEADER__BODY_PUSH:
		return take_push(peer, message->push, error);
	case LEADERD__TO_LEADER__BODY_ACKNOWLEDGE:
		return take_acknowledge(peer, message->acknowledge, error);
	case LEADERD__TO_LEADER__BODY_EVENTS_OPEN:
		return peer_may_be_answered(peer) ? follow_open(peer, message->events_open, error) : PEER_WAITS_FOR_OUTPUT;
	case LEADERD__TO_LEADER__BODY_EVENTS_CREDIT:
		follow_credit(peer, message->events_credit->number, message->events_credit->credit);
		return 0;
	case LEADERD__TO_LEADER__BODY_EVENTS_CLOSE:
		follow_close(peer, message->events_close->number);
		return 0;
	case LEADERD__TO_LEADER__BODY_REQUEST:
		return peer_may_be_answered(peer) ? request_take(peer, message->request, error) : PEER_WAITS_FOR_OUTPUT;
	default:
		return error_set(error, ERROR_PROTOCOL, "a message came that is not known here");
	}
}
