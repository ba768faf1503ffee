/*
 * The connection's life: it is made at open, lost with the leader, and made
 * again after a pause that grows. A session that is told it will never be taken
 * again (another process holds its id, another protocol) stays away for good.
 */

#include "session.h"

#include <stdlib.h>

#include "base/must.h"

/* The next pause: doubled, and a little different for each session, so that a
 * leader that comes back is not met by all of them at once. */
static void plan_reconnect(struct lds_session *session) {
	uint32_t delay_ms = session->delay_ms + arc4random_uniform(session->delay_ms / 2 + 1);

	session->connect_at_us = clock_monotonic_us() + (uint64_t)delay_ms * 1000u;
	session->delay_ms *= 2;
	if (session->delay_ms > RECONNECT_DELAY_MS_MAX)
		session->delay_ms = RECONNECT_DELAY_MS_MAX;
}

/* What had not been confirmed on this connection will have to be asked about. */
static void queue_pending(struct lds_session *session) {
	size_t n;
	const struct pending *pending = session_pending(&session->machine, &n);

	pending_dequeue_all(&session->pending);
	for (size_t i = 0; i < n; i++)
		pending_enqueue(&session->pending, pending_find(&session->pending, &pending[i].entry.id));
}

void session_lost(struct lds_session *session) {
	struct session_input input = { .kind = SESSION_LOST };
	struct step step = { .image_fd = -1 };

	wire_arena_clear(&session->arena);
	session->message = NULL;
	session->retry_at_us = UINT64_MAX;
	leader_link_close(&session->link);
	must(session_perform(session, &input, &step) == 0);
	queue_pending(session);
	lookup_end(session);
	events_lost(session);
	session->status_changed = true;
	plan_reconnect(session);
}

int session_connect(struct lds_session *session) {
	struct session_input input = { .kind = SESSION_CONNECTED };
	struct step step = { .image_fd = -1 };
	int r = leader_link_open(&session->link, session->socket, &session->error);

	if (r < 0) {
		plan_reconnect(session);
		return r;
	}
	session->greeted = false;
	return session_perform(session, &input, &step);
}

/* What the leader sent contradicts what is known here: its word counts, so the
 * state is taken afresh. A leader that goes on contradicting is left alone for a
 * while. */
int session_resync(struct lds_session *session) {
	struct session_input input = { .kind = SESSION_RESYNC };
	struct step step = { .image_fd = -1 };

	if (++session->n_resyncs > SESSION_RESYNCS_MAX) {
		session->n_resyncs = 0;
		session->delay_ms = RECONNECT_DELAY_MS_MAX;
		session_lost(session);
		return 0;
	}
	return session_perform(session, &input, &step);
}
