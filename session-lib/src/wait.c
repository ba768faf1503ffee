/*
 * lds_wait: turns of the session until an event has reached its stage. What
 * happens to a pending event is seen in the feed; of any other the leader is
 * asked.
 */

#include "session.h"

#include <string.h>

#include "event_view.h"

#define WAIT_ON 1 /* not decided yet */

enum { KNOWN_UNKNOWN, KNOWN_DURABLE, KNOWN_CONFIRMED, KNOWN_REFUSED, KNOWN_DROPPED }; /* Known.what */

static bool is_watched(const struct watch *watch, const struct event_id *id) {
	return watch->active && (watch->all || event_id_equal(&watch->id, id));
}

void watch_left(struct watch *watch, const struct event_id *id, bool refused) {
	if (!is_watched(watch, id))
		return;
	watch->refused = watch->refused || refused;
	watch->arrived = watch->arrived || !refused;
}

void watch_reason(struct watch *watch, const struct event_id *id, const char *reason) {
	if (!is_watched(watch, id))
		return;
	if (!watch->all || watch->to_confirmed)
		watch->refused = true;
	if (watch->refused && !watch->reason[0])
		strlcpy(watch->reason, *reason ? reason : "refused", sizeof(watch->reason));
}

static bool is_confirmed(const struct lds_session *session, struct position at) {
	const struct session_heads *heads = &session->machine.heads;

	return event_is_confirmed(at, heads->has_backend, heads->backend);
}

static int refused(struct lds_session *session, const char *reason) {
	return session_fail(session, LDS_REFUSED, "%s", reason[0] ? reason : "the event was refused");
}

/* Pending: the leader has not said anything yet, and may be unable to. */
static int judge_pending(struct lds_session *session) {
	if (session->failed.code)
		return session_fail(session, session->failed.code, "%s", session->failed.text);
	if (session->trouble_code == ERROR_FULL || session->trouble_code == ERROR_HOLD)
		return session_fail(session, session->trouble_code, "%s", session->trouble);
	if (session->trouble_code == ERROR_IO) /* a sync failed: it may be on the disk, or not */
		return session_fail(session, LDS_UNKNOWN, "%s", session->trouble);
	return WAIT_ON;
}

static int judge_all(struct lds_session *session, enum lds_stage stage) {
	const struct watch *watch = &session->watch;
	size_t n_pending;

	session_pending(&session->machine, &n_pending);
	if (watch->refused && (watch->reason[0] || n_pending == 0))
		return refused(session, watch->reason);
	if (n_pending > 0)
		return judge_pending(session);
	if (stage == LDS_DURABLE || is_confirmed(session, session->own_last) || position_is_root(session->own_last))
		return 0;
	return session->failed.code ? judge_pending(session) : WAIT_ON;
}

static bool is_stale(const struct lds_session *session) {
	const struct lookup *lookup = &session->lookup;

	return !position_equal(lookup->asked_backend, session->machine.heads.backend) ||
	       lookup->asked_generation != session->machine.heads.generation;
}

static int judge_answer(struct lds_session *session, enum lds_stage stage) {
	const struct lookup *lookup = &session->lookup;

	if (lookup->code < 0)
		return session_fail(session, lookup->code, "%s", lookup->reason);
	switch (lookup->what) {
	case KNOWN_DURABLE:
		return stage != LDS_CONFIRMED || is_confirmed(session, lookup->at) ? 0 : WAIT_ON;
	case KNOWN_CONFIRMED:
		return 0;
	case KNOWN_REFUSED:
	case KNOWN_DROPPED:
		return refused(session, lookup->reason);
	default:
		return session_fail(session, LDS_UNKNOWN, "the leader knows no such event");
	}
}

/* Not pending here: the leader knows, or nobody does. */
static int judge_known(struct lds_session *session, const struct event_id *id, enum lds_stage stage) {
	int r;

	if (session->failed.code)
		return judge_pending(session);
	if (session->lookup.answered) {
		r = judge_answer(session, stage);
		if (r != WAIT_ON || !is_stale(session))
			return r;
		lookup_end(session);
	}
	if (session->lookup.number != 0 || session->machine.link != SESSION_LIVE)
		return WAIT_ON;
	r = lookup_ask(session, id);
	if (r < 0)
		return r;
	session_send(session);
	return WAIT_ON;
}

static int judge(struct lds_session *session, const struct event_id *id, enum lds_stage stage) {
	const struct watch *watch = &session->watch;
	const struct pending_event *pending = id ? pending_find(&session->pending, id) : NULL;

	if (stage == LDS_APPLIED && (!id || pending || watch->arrived))
		return 0;
	if (stage == LDS_CONFIRMED && !session->machine.heads.has_backend)
		return session_fail(session, LDS_NO_BACKEND, "the store %s has no backend that could confirm", session->store);
	if (!id)
		return judge_all(session, stage);
	if (pending)
		return judge_pending(session);
	if (watch->refused && watch->reason[0])
		return refused(session, watch->reason);
	if (watch->arrived && stage != LDS_CONFIRMED)
		return 0;
	return judge_known(session, id, stage);
}

static int wait_until(struct lds_session *session, const struct event_id *id, enum lds_stage stage, uint64_t until_us) {
	/* A trouble may have passed: its end is in the socket, so that is looked at first. */
	bool believe = session->trouble_code == 0;

	for (;; believe = true) {
		int r = believe ? judge(session, id, stage) : WAIT_ON, turn;

		if (r != WAIT_ON)
			return r;
		turn = session_turn(session);
		session_call_back(session);
		if (turn < 0 || turn == LDS_HELD)
			return turn;
		r = judge(session, id, stage);
		if (r != WAIT_ON)
			return r;
		if (clock_monotonic_us() >= until_us)
			return session_fail(session, LDS_TIMEOUT, "the event did not reach its stage in time");
		session_sleep(session, until_us);
	}
}

int lds_wait(struct lds_session *session, const struct lds_id *id, enum lds_stage stage, int timeout_ms) {
	struct event_id event_id;
	uint64_t until_us = UINT64_MAX;
	int r = session_enter_outside(session);

	if (r < 0)
		return r;
	if (stage != LDS_APPLIED && stage != LDS_DURABLE && stage != LDS_CONFIRMED)
		return session_fail(session, LDS_INVALID, "no such stage: %d", (int)stage);
	if (timeout_ms >= 0)
		until_us = clock_monotonic_us() + (uint64_t)timeout_ms * 1000u;
	session->watch = (struct watch){ .active = true, .all = !id, .to_confirmed = stage == LDS_CONFIRMED };
	if (id) {
		memcpy(event_id.bytes, id->bytes, sizeof(event_id.bytes));
		session->watch.id = event_id;
	}
	r = wait_until(session, id ? &event_id : NULL, stage, until_us);
	session->watch.active = false;
	lookup_end(session);
	return r;
}
