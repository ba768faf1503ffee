/* The sessions of a leader: attached, told, detached; see leader.h. */

#include "leaderd/src/leader.h"

#include <stdlib.h>
#include <string.h>

#include "leaderd/src/chores.h"
#include "leaderd/src/feed_page.h"
#include "leaderd/src/peer.h"

/* ---- the pump -------------------------------------------------------------------------------- */

void leader_resume_peers(struct leader *leader) {
	struct leader_session *session;

	leader->resumes = false;
	LIST_FOREACH(session, &leader->sessions, link)
		if (session->peer->wait == PEER_WAITS_FOR_LEADER)
			peer_resume(session->peer);
}

static void pump_session(struct leader_session *session) {
	struct error error = { 0 };

	if (!feed_page_is_due(session) || !peer_has_room(session->peer))
		return;
	if (feed_page_send(session, &error) < 0)
		peer_fail(session->peer, &error);
	else if (feed_page_is_due(session) && peer_has_room(session->peer))
		leader_wake(session->leader);
}

void leader_pump(struct leader *leader) {
	struct leader_session *session;
	struct follow *follow, *next;

	leader->restless = false;
	leader_flush(leader);
	LIST_FOREACH(session, &leader->sessions, link)
		pump_session(session);
	LIST_FOREACH_SAFE(follow, &leader->follows, of_leader, next)
		if (follow_pump(follow))
			leader_wake(leader);
	chores_plan(leader);
}

/* ---- sessions ------------------------------------------------------------------------------------ */

struct leader_session *leader_find_session(struct leader *leader, const char *id) {
	struct leader_session *session;

	LIST_FOREACH(session, &leader->sessions, link)
		if (strcmp(session->id, id) == 0 && !session->replaced && peer_is_alive(session->peer))
			return session;
	return NULL;
}

int leader_attach(struct leader_session **ret, struct leader *leader, struct peer *peer, const char *id,
                  struct error *error) {
	struct leader_session *session = calloc(1, sizeof(*session));

	if (!session)
		return error_no_memory(error);
	session->leader = leader;
	session->peer = peer;
	strncpy(session->id, id, sizeof(session->id) - 1);
	LIST_INSERT_HEAD(&leader->sessions, session, link);
	leader->n_sessions++;
	peer->session = session;
	daemon_status_changed(leader->daemon);
	*ret = session;
	return 0;
}

struct leader_session *leader_detach(struct leader_session *session) {
	struct leader *leader;
	struct unit *unit;

	if (!session)
		return NULL;
	leader = session->leader;
	if (session->refused_seen > session->refused_marked) {
		leader_flush(leader);
		if (chores_can_write(leader))
			chores_mark_refusals(leader);
	}
	STAILQ_FOREACH(unit, &leader->group.units, link)
		if (unit->session == session)
			unit->session = NULL;
	LIST_REMOVE(session, link);
	leader->n_sessions--;
	daemon_status_changed(leader->daemon);
	free(session->refused_pending);
	free(session);
	return NULL;
}

void leader_hello_again(struct leader_session *session, const char *reason) {
	Leaderd__HelloAgain again = LEADERD__HELLO_AGAIN__INIT;
	Leaderd__ToSession message = LEADERD__TO_SESSION__INIT;
	struct error error = { 0 };

	session->welcomed = false;
	again.reason = (char *)reason;
	message.body_case = LEADERD__TO_SESSION__BODY_HELLO_AGAIN;
	message.hello_again = &again;
	if (peer_send(session->peer, &message, &error) < 0)
		peer_fail(session->peer, &error);
}
