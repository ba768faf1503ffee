/*
 * lds_process: one turn of the session. Sends, receives, gives each frame to the
 * machine, and calls the app back at the end, when every change is whole. Step 12
 * of docs/ARCHITECTURE.md.
 *
 * A frame that cannot be taken now (a statement of the app is under way, or the
 * environment failed) stays in hand, and nothing behind it is looked at.
 */

#include "session.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

bool session_is_held(const struct lds_session *session) {
	sqlite3_stmt *statement = NULL;

	if (!session->state)
		return false;
	/* Between two calls every busy statement is the app's. */
	while ((statement = sqlite3_next_stmt(state_database(session->state), statement)))
		if (sqlite3_stmt_busy(statement))
			return true;
	return false;
}

/* ---- frames -------------------------------------------------------------------- */

/* Some words of a leader are for good: the session does not come back. While it
 * is being opened, every failure is the caller's to see. */
static int take_failure(struct lds_session *session, const Leaderd__Failure *message) {
	int code = message->code < 0 && message->code >= ERROR_LAST ? message->code : ERROR_PROTOCOL;

	session_fail(session, code, "%s", message->error && *message->error ? message->error : error_name(code));
	if (session->opening || code == ERROR_CONFLICT || code == ERROR_VERSION || code == ERROR_INVALID)
		session->failed = session->error;
	session_lost(session);
	return 0;
}

static int take_hello_again(struct lds_session *session) {
	struct session_input input = { .kind = SESSION_RESYNC };
	struct step step = { .image_fd = -1 };

	return session_perform(session, &input, &step);
}

static int take_message(struct lds_session *session, const Leaderd__ToSession *message) {
	switch (message->body_case) {
	case LEADERD__TO_SESSION__BODY_WELCOME:
		return session_take_welcome(session, message->welcome);
	case LEADERD__TO_SESSION__BODY_FEED:
		return session_take_feed(session, message->feed);
	case LEADERD__TO_SESSION__BODY_HELLO_AGAIN:
		return take_hello_again(session);
	case LEADERD__TO_SESSION__BODY_EVENTS_PAGE:
		return events_take_page(session, message->events_page);
	case LEADERD__TO_SESSION__BODY_RESPONSE:
		lookup_answer(session, message->response);
		return 0;
	case LEADERD__TO_SESSION__BODY_FAILURE:
		return take_failure(session, message->failure);
	default:
		return session_fail(session, ERROR_PROTOCOL, "the leader sent a frame without a known body");
	}
}

/* The next frame into session->message. 1: there is one; 0: not now. */
static int next_message(struct lds_session *session) {
	size_t n, at = session->link.reader.at;
	const uint8_t *payload;
	int r;

	if (session->message)
		return 1;
	r = wire_reader_next(&session->link.reader, &payload, &n, &session->error);
	if (r == WIRE_FRAME)
		r = wire_unpack_to_session(&session->arena, payload, n, &session->message, &session->error);
	else
		return r;
	if (r == 0 && !session->greeted && session->message->body_case != LEADERD__TO_SESSION__BODY_FAILURE)
		r = handshake_session(session->message, &session->error);
	if (r < 0) {
		wire_arena_clear(&session->arena);
		session->message = NULL;
		if (r == ERROR_NO_MEMORY)
			session->link.reader.at = at; /* the frame is read again */
		return r;
	}
	session->greeted = true;
	return 1;
}

static void drop_message(struct lds_session *session) {
	wire_arena_clear(&session->arena);
	session->message = NULL;
	session->retry_at_us = UINT64_MAX;
}

static void drop_image(struct lds_session *session) {
	int fd = leader_link_take_image(&session->link);

	if (fd >= 0)
		close(fd);
}

/* A code that speaks of the leader, not of this machine. */
static bool is_contradiction(int code) {
	return code == ERROR_PROTOCOL || code == ERROR_CONFLICT || code == ERROR_CORRUPT || code == ERROR_SCHEMA ||
	       code == ERROR_INVALID || code == ERROR_VERSION;
}

/* An identity that does not fit will not fit later either; and while the session
 * is being opened, every contradiction is the caller's to see. */
static bool is_final(const struct lds_session *session, int code) {
	const Leaderd__ToSession *message = session->message;

	if (!is_contradiction(code))
		return false;
	if (session->opening || code == ERROR_VERSION)
		return true;
	return code == ERROR_CONFLICT && message->body_case == LEADERD__TO_SESSION__BODY_WELCOME &&
	       strcmp(session->client_id, message->welcome->client_id) != 0;
}

/* 0: taken (well or badly), go on; else the turn ends with this code. */
static int take_one(struct lds_session *session) {
	int r = take_message(session, session->message);

	if (!session->message)
		return 0; /* the connection went with it */
	if (is_final(session, r)) {
		session->failed = session->error;
		session_lost(session);
		return 0;
	}
	if (r != 0 && !is_contradiction(r)) {
		session->retry_at_us = clock_monotonic_us() + SESSION_RETRY_MS * 1000u;
		return r;
	}
	drop_message(session);
	if (r == 0)
		return 0;
	drop_image(session);
	return session_resync(session);
}

/* LDS_MORE at the bound, LDS_HELD, a failure, or 0 when all that is there was taken. */
static int take_frames(struct lds_session *session) {
	for (unsigned n = 0; n < SESSION_PROCESS_FRAMES_MAX; n++) {
		int r;

		if (session->link.fd < 0)
			return 0;
		r = next_message(session);
		if (r == ERROR_NO_MEMORY)
			return r;
		if (r < 0) { /* not a frame: nothing behind it can be read either */
			if (session->opening)
				session->failed = session->error;
			session_lost(session);
			return 0;
		}
		if (r == 0)
			return 0;
		r = take_one(session);
		if (r != 0)
			return r;
	}
	return LDS_MORE;
}

/* ---- the turn ------------------------------------------------------------------- */

static void acknowledge(struct lds_session *session) {
	Leaderd__ToLeader message = LEADERD__TO_LEADER__INIT;
	Leaderd__Acknowledge body = LEADERD__ACKNOWLEDGE__INIT;
	size_t n;

	if (!session->acknowledge || session->machine.link != SESSION_LIVE ||
	    leader_link_waiting(&session->link) >= SESSION_OUTPUT_BYTES)
		return;
	session_pending(&session->machine, &n);
	body.global = session->machine.heads.leader.global;
	body.client = session->machine.heads.leader.client;
	body.generation = session->machine.heads.generation;
	body.refused_seen = session->refused_seen;
	body.pending = (uint32_t)n;
	body.suspended = (uint32_t)session->n_suspended;
	message.body_case = LEADERD__TO_LEADER__BODY_ACKNOWLEDGE;
	message.acknowledge = &body;
	if (session_pack(session, &message) == 0)
		session->acknowledge = false;
}

static void keep_connected(struct lds_session *session) {
	uint64_t now_us = clock_monotonic_us();

	if (session->failed.code)
		return;
	if (session->link.fd >= 0 && session->machine.link == SESSION_GREETING && now_us >= session->greet_until_us &&
	    !session->message)
		session_lost(session);
	else if (session->link.fd < 0 && now_us >= session->connect_at_us)
		(void)session_connect(session);
}

/* The leader hung up, and all that it had said is taken. */
static void notice_end(struct lds_session *session, int r) {
	if (r == 0 && session->link.fd >= 0 && session->link.read_ended && !session->message)
		session_lost(session);
}

int session_turn(struct lds_session *session) {
	int r = 0;

	keep_connected(session);
	if (session->link.fd >= 0)
		r = leader_link_receive(&session->link, &session->error);
	if (r == ERROR_PROTOCOL) {
		session_lost(session);
		r = 0;
	}
	if (r == 0)
		r = take_frames(session);
	session->more = r == LDS_MORE;
	notice_end(session, r);
	if (session->link.fd >= 0) {
		acknowledge(session);
		events_send(session);
		session_send(session);
	}
	return r;
}

int lds_process(struct lds_session *session) {
	int r = session_enter_outside(session);

	if (r < 0)
		return r;
	r = session_turn(session);
	session_call_back(session);
	return r;
}

/* ---- when to call it -------------------------------------------------------------- */

int lds_get_fd(const struct lds_session *session) {
	/* A leader that hung up is away, even while its last words wait to be taken. */
	return session_enter(session) < 0 || session->link.read_ended ? -1 : session->link.fd;
}

/* While a frame is held and the buffer behind it is full, input would only wake
 * the app for nothing: the deadline asks for the next try. */
int lds_get_events(const struct lds_session *session) {
	int events = 0;

	if (session_enter(session) < 0)
		return POLLIN;
	if (!session->message || (leader_link_wants_input(&session->link) && session->link.fd >= 0))
		events |= POLLIN;
	if (!session->link.write_ended &&
	    (leader_link_waiting(&session->link) > 0 ||
	     (session->machine.link == SESSION_LIVE && !TAILQ_EMPTY(&session->pending.queue))))
		events |= POLLOUT;
	return events;
}

uint64_t lds_get_deadline(const struct lds_session *session) {
	uint64_t deadline = UINT64_MAX;

	if (session_enter(session) < 0)
		return UINT64_MAX;
	if (session->more || session_has_to_call(session))
		return clock_monotonic_us();
	if (session->message && session->retry_at_us < deadline)
		deadline = session->retry_at_us;
	if (!session->failed.code && session->link.fd < 0 && session->connect_at_us < deadline)
		deadline = session->connect_at_us;
	/* A welcome in hand is tried again at its own time, however long it is held. */
	if (session->machine.link == SESSION_GREETING && !session->message && session->greet_until_us < deadline)
		deadline = session->greet_until_us;
	return deadline;
}

void session_sleep(struct lds_session *session, uint64_t until_us) {
	uint64_t now_us = clock_monotonic_us(), deadline_us = lds_get_deadline(session);
	struct pollfd poll_fd = { .fd = lds_get_fd(session), .events = (short)lds_get_events(session) };
	struct timespec timeout;

	if (deadline_us > until_us)
		deadline_us = until_us;
	if (deadline_us <= now_us)
		return;
	timeout.tv_sec = (time_t)((deadline_us - now_us) / 1000000u);
	timeout.tv_nsec = (long)((deadline_us - now_us) % 1000000u) * 1000;
	if (ppoll(&poll_fd, 1, deadline_us == UINT64_MAX ? NULL : &timeout, NULL) < 0 && errno != EINTR)
		return; /* only a signal or no memory: the caller looks at the clock and asks again */
}
