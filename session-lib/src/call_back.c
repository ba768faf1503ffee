/*
 * Calling back: the last thing that a turn does, when every change is whole.
 * Inside a callback the app may read and commit; what it commits is told in the
 * next round.
 */

#include "session.h"

#include <string.h>

bool session_has_to_call(const struct lds_session *session) {
	if (session->schema_changed && session->on_schema)
		return true;
	if (session->any_changed && session->n_subscriptions > 0)
		return true;
	if (!TAILQ_EMPTY(&session->refusals))
		return true;
	if (session->status_changed && session->on_status)
		return true;
	return subscriptions_are_due(session);
}

static void call_schema(struct lds_session *session) {
	if (!session->schema_changed)
		return;
	session->schema_changed = false;
	if (session->on_schema)
		session->on_schema(session, session->schema->version, session->on_schema_data);
}

static void call_subscriptions(struct lds_session *session) {
	bool changed[SCHEMA_TABLES_MAX], any = session->any_changed;

	memcpy(changed, session->changed, sizeof(changed));
	memset(session->changed, 0, sizeof(session->changed));
	session->any_changed = false;
	if (any)
		subscriptions_call_tables(session, changed);
	subscriptions_call_queries(session, any);
}

static void call_status(struct lds_session *session) {
	struct lds_status status = { .size = sizeof(status) };

	if (!session->status_changed)
		return;
	session->status_changed = false;
	if (session->on_status && lds_get_status(session, &status) == 0)
		session->on_status(session, &status, session->on_status_data);
}

void session_call_back(struct lds_session *session) {
	session->calling++;
	session->round++;
	call_schema(session);
	call_subscriptions(session);
	session_tell_refusals(session);
	call_status(session);
	session->calling--;
}
